// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The host's side of GlobalPlatform's secure channel protocol 03 (GPC_SPE_014, "Amendment D", v1.1.2) with AES-128, an
//! eight-byte MAC and full protection: commands are encrypted and authenticated, responses too. Called by the element
//! when it was given keys; does no I/O. Keys are wiped when they are dropped.

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _},
};
use cmac::{Cmac, KeyInit as _, Mac as _};
use heapless::Vec;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::apdu::{Answer, Command, Data};

const BLOCK: usize = 16;
/// What of a MAC is sent.
const MAC_BYTES: usize = 8;
/// The bit of the class byte that says that a command is protected (GPC_SPE_034, class byte coding).
const SECURE: u8 = 0x04;
/// C-MAC, C-DECRYPTION, R-MAC and R-ENCRYPTION (Amendment D, EXTERNAL AUTHENTICATE, security level).
const FULL_PROTECTION: u8 = 0x33;

/// Derivation constants (Amendment D section 4.1.5).
mod derivation {
    pub(super) const CARD_CRYPTOGRAM: u8 = 0x00;
    pub(super) const HOST_CRYPTOGRAM: u8 = 0x01;
    pub(super) const S_ENC: u8 = 0x04;
    pub(super) const S_MAC: u8 = 0x06;
    pub(super) const S_RMAC: u8 = 0x07;
}

/// The platform keys of one chip, which its buyer replaces before use: those it is delivered with are published.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PlatformKeys {
    /// Key version number; a chip is delivered with 0x0b.
    pub version: u8,
    /// Key-ENC.
    pub enc: [u8; 16],
    /// Key-MAC.
    pub mac: [u8; 16],
}

/// Why there is no channel, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelError {
    /// The chip does not know the keys, or is not the chip.
    Impostor,
    /// A response is not the chip's to this command.
    Forged,
    /// What the chip answered has another form.
    Malformed,
    /// A command does not fit.
    TooLong,
}

/// An open channel: session keys, MAC chaining value and encryption counter.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Channel {
    s_enc: [u8; BLOCK],
    s_mac: [u8; BLOCK],
    s_rmac: [u8; BLOCK],
    chaining: [u8; BLOCK],
    counter: u32,
}

/// INITIALIZE UPDATE.
pub(super) fn initialize_update(keys: &PlatformKeys, challenge: &[u8; 8]) -> Result<Command, ChannelError> {
    command(0x80, 0x50, keys.version, challenge, Answer::Short)
}

impl Channel {
    /// Derives the session keys from both challenges, checks the chip's cryptogram in `response` (to INITIALIZE UPDATE,
    /// without its status) and makes the EXTERNAL AUTHENTICATE that opens the channel.
    pub(super) fn new(
        keys: &PlatformKeys,
        challenge: &[u8; 8],
        response: &[u8],
    ) -> Result<(Self, Command), ChannelError> {
        // Diversification data (10), key version, protocol, its options, then challenge and cryptogram; a sequence
        // counter (3) may follow.
        let (_diversification, rest) = response.split_first_chunk::<10>().ok_or(ChannelError::Malformed)?;
        let ([_version, 0x03, _options], rest) = rest.split_first_chunk().ok_or(ChannelError::Malformed)? else {
            return Err(ChannelError::Malformed);
        };
        let (chips_challenge, rest) = rest.split_first_chunk::<8>().ok_or(ChannelError::Malformed)?;
        let (cryptogram, rest) = rest.split_first_chunk::<8>().ok_or(ChannelError::Malformed)?;
        if !matches!(rest.len(), 0 | 3) {
            return Err(ChannelError::Malformed);
        }
        let mut context = [0; 16];
        for (to, from) in context.iter_mut().zip(challenge.iter().chain(chips_challenge)) {
            *to = *from;
        }
        let s_mac = derive(&keys.mac, derivation::S_MAC, 128, &context);
        let mut channel = Self {
            s_enc: derive(&keys.enc, derivation::S_ENC, 128, &context),
            s_mac,
            s_rmac: derive(&keys.mac, derivation::S_RMAC, 128, &context),
            chaining: [0; BLOCK],
            counter: 0,
        };
        let [expected, ours] = [derivation::CARD_CRYPTOGRAM, derivation::HOST_CRYPTOGRAM]
            .map(|constant| first_half(&derive(&channel.s_mac, constant, 64, &context)));
        if !bool::from(expected.ct_eq(cryptogram)) {
            return Err(ChannelError::Impostor);
        }
        let mut authenticate = command(0x80 | SECURE, 0x82, FULL_PROTECTION, &ours, Answer::None)?;
        channel.authenticate(&mut authenticate)?;
        Ok((channel, authenticate))
    }

    /// Encrypts and authenticates `command`.
    pub(super) fn wrap(&mut self, command: &Command) -> Result<Command, ChannelError> {
        let mut wrapped = command.clone();
        wrapped.cla |= SECURE;
        // Amendment D section 6.2.6 counts every command; NXP's host library does not count one without data. The
        // applet's commands that Cairn sends all have data, so that there is nothing to differ on.
        self.counter = self.counter.checked_add(1).ok_or(ChannelError::TooLong)?;
        if !wrapped.data.is_empty() {
            pad(&mut wrapped.data)?;
            let iv = self.counter_block(0);
            encrypt_cbc(&Aes128::new(&self.s_enc.into()), iv, &mut wrapped.data);
        }
        self.authenticate(&mut wrapped)?;
        Ok(wrapped)
    }

    /// Checks and decrypts, in place, the data of a response with status `status` to the command wrapped last; the
    /// plain data is what `data` begins with then.
    pub(super) fn unwrap<'d>(&mut self, data: &'d mut [u8], status: u16) -> Result<&'d [u8], ChannelError> {
        let (plain, mac) = data.split_last_chunk_mut::<MAC_BYTES>().ok_or(ChannelError::Forged)?;
        let expected = mac_of(&self.s_rmac, &[&self.chaining, plain, &status.to_be_bytes()]);
        if !bool::from(first_half(&expected).ct_eq(mac)) {
            return Err(ChannelError::Forged);
        }
        if plain.is_empty() {
            return Ok(plain);
        }
        if !plain.len().is_multiple_of(BLOCK) {
            return Err(ChannelError::Malformed);
        }
        // The response's counter block has its first bit set (Amendment D section 6.2.7).
        let iv = self.counter_block(0x80);
        decrypt_cbc(&Aes128::new(&self.s_enc.into()), iv, plain);
        match plain.iter().rposition(|byte| *byte != 0).and_then(|end| plain.split_at_checked(end)) {
            Some((data, [0x80, ..])) => Ok(data),
            _ => Err(ChannelError::Malformed),
        }
    }

    /// Appends the MAC over chaining value, header, length and data; the whole MAC is the next chaining value.
    fn authenticate(&mut self, command: &mut Command) -> Result<(), ChannelError> {
        let length = u8::try_from(command.data.len() + MAC_BYTES).map_err(|_| ChannelError::TooLong)?;
        let header = [command.cla, command.ins, command.p1, command.p2];
        let length: &[u8] = if command.answer == Answer::Extended { &[0, 0, length] } else { &[length] };
        self.chaining = mac_of(&self.s_mac, &[&self.chaining, &header, length, &command.data]);
        command.data.extend_from_slice(&first_half(&self.chaining)).map_err(|_| ChannelError::TooLong)
    }

    /// The initial vector of one direction: the counter, encrypted.
    fn counter_block(&self, first: u8) -> [u8; BLOCK] {
        let mut counter = u128::from(self.counter).to_be_bytes();
        counter[0] = first;
        let mut block = counter.into();
        Aes128::new(&self.s_enc.into()).encrypt_block(&mut block);
        block.into()
    }
}

fn command(cla: u8, ins: u8, p1: u8, data: &[u8], answer: Answer) -> Result<Command, ChannelError> {
    let data = Data::from_slice(data).map_err(|_| ChannelError::TooLong)?;
    Ok(Command { cla, ins, p1, p2: 0, data, answer })
}

/// NIST SP 800-108 in counter mode with CMAC, as Amendment D section 4.1.5 fills it: eleven zero bytes, the constant, a
/// zero, the number of bits, the block's number, the context.
fn derive(key: &[u8; BLOCK], constant: u8, bits: u8, context: &[u8; 16]) -> [u8; BLOCK] {
    mac_of(key, &[&[0; 11], &[constant, 0, 0, bits, 1], context])
}

fn mac_of(key: &[u8; BLOCK], parts: &[&[u8]]) -> [u8; BLOCK] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn first_half(mac: &[u8; BLOCK]) -> [u8; MAC_BYTES] {
    mac.first_chunk().copied().unwrap_or_default()
}

/// ISO/IEC 7816-4 padding: 0x80, then zeros to a whole block.
fn pad<const N: usize>(data: &mut Vec<u8, N>) -> Result<(), ChannelError> {
    data.push(0x80).map_err(|_| ChannelError::TooLong)?;
    while !data.len().is_multiple_of(BLOCK) {
        data.push(0).map_err(|_| ChannelError::TooLong)?;
    }
    Ok(())
}

fn encrypt_cbc(cipher: &Aes128, mut chain: [u8; BLOCK], data: &mut [u8]) {
    for block in data.as_chunks_mut::<BLOCK>().0 {
        block.iter_mut().zip(chain).for_each(|(byte, chained)| *byte ^= chained);
        cipher.encrypt_block(block.into());
        chain = *block;
    }
}

fn decrypt_cbc(cipher: &Aes128, mut chain: [u8; BLOCK], data: &mut [u8]) {
    for block in data.as_chunks_mut::<BLOCK>().0 {
        let encrypted = *block;
        cipher.decrypt_block(block.into());
        block.iter_mut().zip(chain).for_each(|(byte, chained)| *byte ^= chained);
        chain = encrypted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's `cryptography` (OpenSSL) from the formulas of Amendment D: keys 40..4f and 60..6f, challenges
    /// 0102..08 and a1a2..a8.
    const INITIALIZED: &str = "000000000000000000000b0370a1a2a3a4a5a6a7a842fbd4bc893a5014000001";
    const AUTHENTICATE: &str = "84823300104aebe6a88b0596825f086a94b197adbe";
    const EXISTS: &str = "840400271819ebe395f466c5323da60c703b41b2cc767d4319fb6a4e5400";
    const EXISTS_ANSWER: &str = "cbd1a268f61a3ecf9fc7c3b06e1c8da70ad2bf688a441542";
    const DELETE: &str = "8404002818667ac724ba4a77da930c5f78d3a1d08599177dcd39d84c30";
    const DELETE_ANSWER: &str = "ac646620bfa5708b";
    const ATTEST: &str = "84220000000038fe7d033d1042f0868c62a913190f90611bc8d14ec0c834c8b89c6acebf38edf814d5c06a6bfc9d\
                          ceb4f7a85652723d29b713c0d71bfac6d20000";

    const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    fn keys() -> PlatformKeys {
        let from = |first: u8| core::array::from_fn(|at| first + u8::try_from(at).unwrap());
        PlatformKeys { version: 0x0b, enc: from(0x40), mac: from(0x60) }
    }

    fn bytes(hex: &str) -> std::vec::Vec<u8> {
        hex::decode(hex).unwrap()
    }

    fn opened() -> (Channel, Command) {
        Channel::new(&keys(), &CHALLENGE, &bytes(INITIALIZED)).unwrap()
    }

    #[test]
    fn a_channel_is_opened_used_and_answered_as_an_independent_implementation_does() {
        let initialize = initialize_update(&keys(), &CHALLENGE).unwrap();
        assert_eq!(hex::encode(initialize.serialize().unwrap()), "80500b0008010203040506070800");
        let (mut channel, authenticate) = opened();
        assert_eq!(hex::encode(authenticate.serialize().unwrap()), AUTHENTICATE);
        let exists = channel.wrap(&Command::exists(0x2000_0001).unwrap()).unwrap();
        assert_eq!(hex::encode(exists.serialize().unwrap()), EXISTS);
        assert_eq!(hex::encode(channel.unwrap(&mut bytes(EXISTS_ANSWER), 0x9000).unwrap()), "410101");
        let delete = channel.wrap(&Command::delete(0x2000_0001).unwrap()).unwrap();
        assert_eq!(hex::encode(delete.serialize().unwrap()), DELETE);
        assert_eq!(hex::encode(channel.unwrap(&mut bytes(DELETE_ANSWER), 0x9000).unwrap()), "");
        let attest = channel.wrap(&Command::attest(5, 0xf000_0012, &[9; 16]).unwrap()).unwrap();
        assert_eq!(hex::encode(attest.serialize().unwrap()), ATTEST);
    }

    #[test]
    fn another_chip_is_an_impostor_and_half_an_answer_is_none() {
        let answer = bytes(INITIALIZED);
        let refusal = |answer: &[u8]| Channel::new(&keys(), &CHALLENGE, answer).err();
        for at in 13..29 {
            let mut other = answer.clone();
            other[at] ^= 1;
            assert_eq!(refusal(&other), Some(ChannelError::Impostor), "byte {at}");
        }
        assert_eq!(refusal(&answer[..29]), None, "the sequence counter may be missing");
        for length in (0..29).chain([30, 31]) {
            assert_eq!(refusal(&answer[..length]), Some(ChannelError::Malformed), "{length} bytes");
        }
        let mut protocol_2 = answer;
        protocol_2[11] = 2;
        assert_eq!(refusal(&protocol_2), Some(ChannelError::Malformed));
    }

    #[test]
    fn a_response_with_any_bit_turned_over_is_forged() {
        let answer = bytes(EXISTS_ANSWER);
        let (mut channel, _) = opened();
        channel.wrap(&Command::exists(0x2000_0001).unwrap()).unwrap();
        for bit in 0..answer.len() * 8 {
            let mut other = answer.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(channel.unwrap(&mut other, 0x9000), Err(ChannelError::Forged), "bit {bit}");
        }
        assert_eq!(channel.unwrap(&mut answer.clone(), 0x6200), Err(ChannelError::Forged), "the status is covered");
        assert_eq!(channel.unwrap(&mut answer.clone()[8..], 0x9000), Err(ChannelError::Forged), "half of it");
        assert_eq!(channel.unwrap(&mut [], 0x9000), Err(ChannelError::Forged), "no MAC at all");
        channel.wrap(&Command::exists(0x2000_0001).unwrap()).unwrap();
        assert_eq!(
            channel.unwrap(&mut answer.clone(), 0x9000),
            Err(ChannelError::Forged),
            "the answer to an earlier command"
        );
    }
}
