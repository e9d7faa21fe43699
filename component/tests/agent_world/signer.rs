// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of a device in the agent's world: signers that can fail, and whoever keeps their secrets durably.

use std::{cell::RefCell, collections::HashMap};

use cairn::{
    agent::{Event, Succession, succession},
    batch::Digest,
    journal::Journal,
    signer::{
        Algorithm, Capabilities, PublicKey, Signature, Signer, SignerError,
        software::{P256Signer, SoftwareSigner},
    },
};

use super::Port;

/// A secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Secret(pub Algorithm, pub [u8; 32]);

pub const FIRST_KEY: Secret = Secret(Algorithm::Es256k, [0x11; 32]);
pub const SECOND_KEY: Secret = Secret(Algorithm::Es256, [0x22; 32]);
pub const THIRD_KEY: Secret = Secret(Algorithm::Es256k, [0x33; 32]);

thread_local! {
    /// Signatures are deterministic: lives that are lived again and again need each once.
    static SIGNED: RefCell<HashMap<(Secret, [u8; 32]), Signature>> = RefCell::default();
    static PUBLIC: RefCell<HashMap<Secret, PublicKey>> = RefCell::default();
}

impl Secret {
    pub fn public(&self) -> PublicKey {
        let Self(alg, secret) = self;
        PUBLIC.with_borrow_mut(|known| {
            *known.entry(*self).or_insert_with(|| match alg {
                Algorithm::Es256k => SoftwareSigner::new(secret).unwrap().public_key().unwrap(),
                Algorithm::Es256 => P256Signer::new(secret).unwrap().public_key().unwrap(),
            })
        })
    }

    fn sign(&self, digest: &Digest) -> Signature {
        let Self(alg, secret) = self;
        SIGNED.with_borrow_mut(|known| {
            *known.entry((*self, digest.0)).or_insert_with(|| match alg {
                Algorithm::Es256k => SoftwareSigner::new(secret).unwrap().sign(digest).unwrap(),
                Algorithm::Es256 => P256Signer::new(secret).unwrap().sign(digest).unwrap(),
            })
        })
    }
}

pub struct TestSigner(Secret, Port);

impl TestSigner {
    pub fn new(secret: &Secret, world: &Port) -> Self {
        Self(*secret, world.clone())
    }
}

impl Signer for TestSigner {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Ok(self.0.public())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities { deterministic: true, ..Capabilities::default() }
    }
    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        let mut world = self.1.0.borrow_mut();
        if let Some(error) = world.signer_errors.pop_front() {
            return Err(error);
        }
        if let Some((who, times)) = world.refuses.filter(|(who, times)| *who == self.0 && *times > 0) {
            world.refuses = Some((who, times - 1));
            return Err(SignerError::TimeOut);
        }
        // Otherwise it is a proof.
        if let Some(Event::Signing { batch }) = world.events.last().copied() {
            let said = *world.signed.entry(batch).or_insert((self.0, digest.0));
            assert_eq!(said, (self.0, digest.0), "{batch:?} has two commitments, or is signed by two keys");
        }
        Ok(self.0.sign(digest))
    }
}

/// Keeps a device's secrets where power cuts do not reach: each step is done or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    pub current: Secret,
    pub next: Option<Secret>,
}

impl Keeper {
    pub const fn new(current: Secret) -> Self {
        Self { current, next: None }
    }

    /// Makes the next key the current one, and forgets the old.
    pub fn promote(&mut self) {
        self.current = self.next.take().expect("there is a next key");
    }

    /// What is done before an agent is made.
    pub fn whose_turn(&mut self, journal: &mut impl Journal) -> Secret {
        if let Succession::Signed { to } = succession(journal).expect("a journal that can be read")
            && let Some(next) = self.next
            && to.is_none_or(|to| to.is(&next.public()))
        {
            self.promote();
        }
        self.current
    }
}
