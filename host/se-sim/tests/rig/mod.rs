// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A board with a simulated chip, a power switch and the driver, and judges of signatures that are neither's.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{cell::Cell, rc::Rc};

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{
        Algorithm, Digest, PublicKey, Signature,
        se050::{AlwaysOn, ChipCurve, GateError, ObjectId, PlatformKeys, PowerGate, Se050, Settings},
    },
};
use cairn_se_sim::{Board, Bus, Chip, Clock, Keys, Options};

pub(crate) const KEY: ObjectId = ObjectId(0x2000_0001);

/// Platform keys of a chip that somebody has given its own.
pub(crate) const KEYS: Keys = Keys { version: 0x0b, enc: [0x35; 16], mac: [0xa7; 16] };

pub(crate) type Driver<C> = Se050<C, Bus, Clock, Gate, Counting>;

/// A chip, and what was done to its power.
#[derive(Clone)]
pub(crate) struct Rig {
    board: Board,
    switched: Rc<Cell<(u32, u32)>>,
    options: Options,
}

/// The board's power switch.
#[derive(Clone)]
pub(crate) struct Gate {
    board: Board,
    switched: Rc<Cell<(u32, u32)>>,
}

impl PowerGate for Gate {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        let (on, off) = self.switched.get();
        self.switched.set((on + 1, off));
        self.board.chip(|chip| chip.power(true));
        Ok(())
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        let (on, off) = self.switched.get();
        self.switched.set((on, off + 1));
        self.board.chip(|chip| chip.power(false));
        Ok(())
    }
}

/// Bytes that never repeat.
pub(crate) struct Counting(u64);

impl Counting {
    pub(crate) fn new() -> Self {
        Self(0)
    }
}

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in out.chunks_mut(8) {
            self.0 += 1;
            chunk.copy_from_slice(&self.0.to_be_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl Rig {
    pub(crate) fn new(options: Options) -> Self {
        Self { board: Board::new(Chip::new(options)), switched: Rc::default(), options }
    }

    /// Another board with a chip in the same state.
    pub(crate) fn copy(&self) -> Self {
        let chip = self.chip(|chip| chip.clone());
        Self { board: Board::new(chip), switched: Rc::default(), options: self.options }
    }

    /// A driver that knows the chip's platform keys, where it has some.
    pub(crate) fn signer<C: ChipCurve>(&self, change: impl FnOnce(&mut Settings)) -> Driver<C> {
        self.signer_with(self.options.keys.map(|(keys, _)| keys), change)
    }

    pub(crate) fn signer_with<C: ChipCurve>(
        &self,
        keys: Option<Keys>,
        change: impl FnOnce(&mut Settings),
    ) -> Driver<C> {
        let mut settings = Settings::new(KEY);
        change(&mut settings);
        let keys = keys.map(|Keys { version, enc, mac }| PlatformKeys { version, enc, mac });
        let gate = Gate { board: self.board.clone(), switched: self.switched.clone() };
        Se050::new(self.board.bus(0x48), self.board.clock(), gate, Counting::new(), keys, settings)
    }

    /// A driver on a board without a power switch.
    pub(crate) fn unswitched<C: ChipCurve>(&self) -> Se050<C, Bus, Clock, AlwaysOn, Counting> {
        let keys = self.options.keys.map(|(Keys { version, enc, mac }, _)| PlatformKeys { version, enc, mac });
        Se050::new(self.board.bus(0x48), self.board.clock(), AlwaysOn, Counting::new(), keys, Settings::new(KEY))
    }

    pub(crate) fn chip<T>(&self, look: impl FnOnce(&mut Chip) -> T) -> T {
        self.board.chip(look)
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// How often the power was given, and taken.
    pub(crate) fn switched(&self) -> (u32, u32) {
        self.switched.get()
    }
}

/// The digest of a short message.
pub(crate) fn digest(message: &[u8]) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, message);
    Digest(hash.as_ref().try_into().unwrap())
}

/// Whether libsecp256k1, or ring for P-256, accepts a signature over the digest of `message`, and it is low-S.
pub(crate) fn accepts(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let sec1 = [&[4], &key.xy[..]].concat();
    match key.alg {
        Algorithm::Es256k => {
            let context = secp256k1::Secp256k1::verification_only();
            let key = secp256k1::PublicKey::from_slice(&sec1).unwrap();
            let Ok(signature) = secp256k1::ecdsa::Signature::from_compact(&signature.0) else { return false };
            // It refuses a high s.
            context.verify_ecdsa(secp256k1::Message::from_digest(digest(message).0), &signature, &key).is_ok()
        }
        Algorithm::Es256 => {
            let judge = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, sec1);
            // Half the order of P-256 begins with 0x7fffffff80000000.
            signature.0[32..] < [0x7f, 0xff, 0xff, 0xff, 0x80, 0, 0, 1][..]
                && judge.verify(message, &signature.0).is_ok()
        }
    }
}
