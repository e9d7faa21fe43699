// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card's side of SCP03 (GlobalPlatform Card Specification Amendment D v1.1.2): mutual authentication, then every
//! command and response encrypted and authenticated. Called by the applet.

use aes::{
    Aes128, Block,
    cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _},
};
use cmac::{Cmac, Mac as _};

use crate::apdu::Apdu;

/// Key-ENC and Key-MAC of the platform, with their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Key version number.
    pub version: u8,
    /// Key-ENC.
    pub enc: [u8; 16],
    /// Key-MAC.
    pub mac: [u8; 16],
}

/// A channel that the host has authenticated, or is about to.
#[derive(Clone)]
pub(crate) struct Channel {
    enc: [u8; 16],
    mac: [u8; 16],
    rmac: [u8; 16],
    context: Vec<u8>,
    mcv: Vec<u8>,
    commands: u64,
    authenticated: bool,
}

/// Amendment D section 4.1.5: label (eleven zeros, then the constant), separation, L, i, context.
fn kdf(key: [u8; 16], constant: u8, bits: u16, context: &[u8]) -> [u8; 16] {
    let mut input = vec![0; 11];
    input.push(constant);
    input.push(0);
    input.extend(bits.to_be_bytes());
    input.push(1);
    input.extend(context);
    cmac(key, &input).try_into().expect("one block")
}

fn cmac(key: [u8; 16], message: &[u8]) -> Vec<u8> {
    Cmac::<Aes128>::new(&key.into()).chain_update(message).finalize().into_bytes().to_vec()
}

impl Channel {
    /// INITIALIZE UPDATE: a channel that waits for the host's cryptogram, and the answer.
    pub(crate) fn initialize(keys: &Keys, host: [u8; 8], card: [u8; 8], sequence: u32) -> (Self, Vec<u8>) {
        let context = [host, card].concat();
        let mac = kdf(keys.mac, 6, 128, &context);
        let mut answer = vec![0; 10];
        answer.extend([keys.version, 3, 0x70]);
        answer.extend(card);
        answer.extend(&kdf(mac, 0, 64, &context)[..8]);
        answer.extend(&sequence.to_be_bytes()[1..]);
        let enc = kdf(keys.enc, 4, 128, &context);
        let rmac = kdf(keys.mac, 7, 128, &context);
        (Self { enc, mac, rmac, context, mcv: vec![0; 16], commands: 0, authenticated: false }, answer)
    }

    /// EXTERNAL AUTHENTICATE, full protection only.
    pub(crate) fn authenticate(&mut self, apdu: &Apdu) -> bool {
        let cryptogram = kdf(self.mac, 1, 64, &self.context)[..8].to_vec();
        self.authenticated = !self.authenticated
            && apdu.header == [0x84, 0x82, 0x33, 0]
            && self.strip(apdu).is_some_and(|data| data == cryptogram);
        self.authenticated
    }

    /// A command's data, when its MAC is right.
    fn strip(&mut self, apdu: &Apdu) -> Option<Vec<u8>> {
        let (data, mac) = apdu.data.split_last_chunk::<8>()?;
        let covered = [&self.mcv, &apdu.header[..], &apdu.length, data].concat();
        let full = cmac(self.mac, &covered);
        (full[..8] == mac[..]).then(|| {
            self.mcv = full;
            data.to_vec()
        })
    }

    /// The command inside a protected one; `None` ends the channel.
    pub(crate) fn open(&mut self, apdu: &Apdu) -> Option<Apdu> {
        if !self.authenticated {
            return None;
        }
        let mut data = self.strip(apdu)?;
        self.commands += 1;
        if !data.is_empty() {
            data = self.cbc(data, 0, false)?;
            let end = data.iter().rposition(|byte| *byte != 0)?;
            if data[end] != 0x80 {
                return None;
            }
            data.truncate(end);
        }
        let [cla, ins, p1, p2] = apdu.header;
        Some(Apdu { header: [cla & !0x04, ins, p1, p2], length: Vec::new(), data })
    }

    /// The protected form of a response.
    pub(crate) fn seal(&mut self, data: &[u8], status: u16) -> Vec<u8> {
        // "No R-MAC shall be generated and no protection shall be applied to a response that includes an error status
        // word" (section 6.2.5).
        if status != 0x9000 {
            return status.to_be_bytes().to_vec();
        }
        let mut sealed = data.to_vec();
        if !sealed.is_empty() {
            sealed.push(0x80);
            sealed.resize(sealed.len().next_multiple_of(16), 0);
            sealed = self.cbc(sealed, 0x80, true).expect("whole blocks");
        }
        let mac = cmac(self.rmac, &[&self.mcv, &sealed[..], &status.to_be_bytes()].concat());
        sealed.extend(&mac[..8]);
        sealed.extend(status.to_be_bytes());
        sealed
    }

    /// AES-CBC whose initial vector is the encrypted counter, with `first` as its first byte (sections 6.2.6 and
    /// 6.2.7).
    fn cbc(&self, data: Vec<u8>, first: u8, encrypt: bool) -> Option<Vec<u8>> {
        let cipher = Aes128::new(&self.enc.into());
        let mut counter = [0; 16];
        counter[0] = first;
        counter[8..].copy_from_slice(&self.commands.to_be_bytes());
        let mut chain = Block::from(counter);
        cipher.encrypt_block(&mut chain);
        let mut out = Vec::new();
        for block in data.chunks(16) {
            let block: [u8; 16] = block.try_into().ok()?;
            let xor = |a: [u8; 16], b: Block| -> [u8; 16] { core::array::from_fn(|i| a[i] ^ b[i]) };
            let mut work;
            if encrypt {
                work = Block::from(xor(block, chain));
                cipher.encrypt_block(&mut work);
                chain = work;
                out.extend(work);
            } else {
                work = Block::from(block);
                cipher.decrypt_block(&mut work);
                out.extend(xor(work.into(), chain));
                chain = Block::from(block);
            }
        }
        Some(out)
    }
}
