// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-CCM-16-64-128 (RFC 3610 with L = 2 and M = 8; COSE algorithm 10) over the `aes` crate's single-block encryption. Called by
//! `cipher.rs` only.
//!
//! Why not the `ccm` crate: on a Cortex-M3 its counter mode brings in a second AES, four blocks at a time on 64-bit words, which
//! costs 7 kB of flash to encrypt eleven blocks a day. A test compares both on random input. Nothing here depends on secret
//! data in branch or address, and the tags are compared in constant time.

use aes::{
    Aes128Enc, Block,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use subtle::ConstantTimeEq;

use super::cipher::{IV_BYTES, KEY_BYTES, TAG_BYTES, Unsealed};

const BLOCK: usize = 16;
/// Flags of block B_0: additional data present, M' = 3, L' = 1.
const MAC_FLAGS: u8 = 1 << 6 | 3 << 3 | 1;
/// Flags of the counter blocks A_i: L' = 1.
const COUNTER_FLAGS: u8 = 1;

/// Encrypts in place what is before the last [`TAG_BYTES`] of `text`, which become the tag. `additional` is not empty and shorter
/// than 65280 bytes.
pub(super) fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; IV_BYTES],
    additional: &[u8],
    text: &mut [u8],
) -> Result<(), Unsealed> {
    let (text, place) = text.split_last_chunk_mut::<TAG_BYTES>().ok_or(Unsealed::Length)?;
    let cipher = Aes128Enc::new(key.into());
    *place = tag(&cipher, nonce, additional, text)?;
    apply_counter(&cipher, nonce, text);
    Ok(())
}

/// Decrypts in place what is before the last [`TAG_BYTES`] of `text`, if those are its tag, and else leaves zeros.
pub(super) fn decrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; IV_BYTES],
    additional: &[u8],
    text: &mut [u8],
) -> Result<(), Unsealed> {
    let (text, expected) = text.split_last_chunk_mut::<TAG_BYTES>().ok_or(Unsealed::Length)?;
    let cipher = Aes128Enc::new(key.into());
    apply_counter(&cipher, nonce, text);
    let tag = tag(&cipher, nonce, additional, text);
    if tag.is_ok_and(|tag| bool::from(tag.ct_eq(expected))) {
        return Ok(());
    }
    text.fill(0);
    Err(Unsealed::Forged)
}

/// RFC 3610 section 2.2, and the encryption of its result with S_0.
fn tag(
    cipher: &Aes128Enc,
    nonce: &[u8; IV_BYTES],
    additional: &[u8],
    text: &[u8],
) -> Result<[u8; TAG_BYTES], Unsealed> {
    let text_length = u16::try_from(text.len()).map_err(|_| Unsealed::Length)?;
    let additional_length = u16::try_from(additional.len()).map_err(|_| Unsealed::Length)?;
    let mut mac = Mac { cipher, state: block(MAC_FLAGS, nonce, text_length), filled: BLOCK };
    mac.update(&additional_length.to_be_bytes());
    mac.update(additional);
    mac.pad();
    mac.update(text);
    mac.pad();
    let mut last = mac.state;
    cipher.encrypt_block(&mut last);

    let mut mask = block(COUNTER_FLAGS, nonce, 0);
    cipher.encrypt_block(&mut mask);
    let mut tag = [0; TAG_BYTES];
    for ((tag, mac), mask) in tag.iter_mut().zip(last).zip(mask) {
        *tag = mac ^ mask;
    }
    Ok(tag)
}

/// CBC-MAC whose state is encrypted when the next byte needs room.
struct Mac<'a> {
    cipher: &'a Aes128Enc,
    state: Block,
    /// Bytes of the state that are combined with input already.
    filled: usize,
}

impl Mac<'_> {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.filled == BLOCK {
                self.cipher.encrypt_block(&mut self.state);
                self.filled = 0;
            }
            if let Some(slot) = self.state.get_mut(self.filled) {
                *slot ^= byte;
            }
            self.filled += 1;
        }
    }

    /// The rest of the block is zeros.
    const fn pad(&mut self) {
        self.filled = BLOCK;
    }
}

/// RFC 3610 section 2.3: S_1, S_2, … over the text, which is shorter than 65536 bytes.
fn apply_counter(cipher: &Aes128Enc, nonce: &[u8; IV_BYTES], text: &mut [u8]) {
    for (chunk, counter) in text.chunks_mut(BLOCK).zip(1..=u16::MAX) {
        let mut stream = block(COUNTER_FLAGS, nonce, counter);
        cipher.encrypt_block(&mut stream);
        for (byte, mask) in chunk.iter_mut().zip(stream) {
            *byte ^= mask;
        }
    }
}

/// Flags, nonce, and a length or counter.
fn block(flags: u8, nonce: &[u8; IV_BYTES], last: u16) -> Block {
    let mut block = Block::default();
    let bytes = [flags].into_iter().chain(*nonce).chain(last.to_be_bytes());
    for (slot, byte) in block.iter_mut().zip(bytes) {
        *slot = byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use ccm::{
        AeadInOut, Ccm,
        aead::inout::InOutBuf,
        consts::{U8, U13},
    };
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    /// RFC 3610 section 8, packet vectors 1 and 3: the ones with M = 8 and a text of 23 and 25 bytes.
    #[test]
    fn packet_vectors_of_rfc_3610() {
        let key: [u8; 16] = hex::decode("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf").unwrap().try_into().unwrap();
        for (nonce, text_bytes, sealed) in [
            ("00000003020100a0a1a2a3a4a5", 23, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"),
            ("00000005040302a0a1a2a3a4a5", 25, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"),
        ] {
            let nonce: [u8; 13] = hex::decode(nonce).unwrap().try_into().unwrap();
            let plain: Vec<u8> = (8..8 + text_bytes).collect();
            let mut text = [&plain[..], &[0; TAG_BYTES]].concat();
            encrypt(&key, &nonce, &[0, 1, 2, 3, 4, 5, 6, 7], &mut text).unwrap();
            assert_eq!(hex::encode(&text), sealed);
            decrypt(&key, &nonce, &[0, 1, 2, 3, 4, 5, 6, 7], &mut text).unwrap();
            assert_eq!(text[..plain.len()], plain);
        }
    }

    #[test]
    fn a_text_that_ccm_cannot_count_or_without_room_for_a_tag_is_refused() {
        let mut text = std::vec![0; 65536 + TAG_BYTES];
        assert_eq!(encrypt(&[0; 16], &[0; 13], &[1], &mut text), Err(Unsealed::Length));
        assert!(encrypt(&[0; 16], &[0; 13], &[1], &mut text[1..]).is_ok());
        assert_eq!(encrypt(&[0; 16], &[0; 13], &[1], &mut text[..7]), Err(Unsealed::Length));
        assert_eq!(decrypt(&[0; 16], &[0; 13], &[1], &mut text[..7]), Err(Unsealed::Length));
    }

    #[test]
    fn a_wrong_tag_leaves_zeros() {
        let mut text = [7; 20 + TAG_BYTES];
        encrypt(&[1; 16], &[2; 13], &[3], &mut text).unwrap();
        text[27] ^= 1;
        assert_eq!(decrypt(&[1; 16], &[2; 13], &[3], &mut text), Err(Unsealed::Forged));
        assert_eq!(text[..20], [0; 20]);
    }

    proptest! {
        #[test]
        fn the_ccm_crate_gives_the_same(
            key: [u8; 16],
            nonce: [u8; 13],
            additional in prop::collection::vec(any::<u8>(), 1..100),
            text in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let theirs = Ccm::<Aes128Enc, U8, U13>::new((&key).into());
            let mut their_text = text.clone();
            let their_tag = theirs
                .encrypt_inout_detached((&nonce).into(), &additional, InOutBuf::from(&mut their_text[..]))
                .unwrap();
            their_text.extend_from_slice(&their_tag);
            let mut our_text = [&text[..], &[0; TAG_BYTES]].concat();
            encrypt(&key, &nonce, &additional, &mut our_text).unwrap();
            prop_assert_eq!(&our_text, &their_text);
            decrypt(&key, &nonce, &additional, &mut our_text).unwrap();
            prop_assert_eq!(&our_text[..text.len()], &text[..]);
        }
    }
}
