// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One chip that several parts of one task use in turn: the agent signs with it, and it vouches for the agent's key. Each
//! call borrows the chip and gives it back before it returns.

use core::cell::RefCell;

use super::super::{Capabilities, Digest, PublicKey, Signature, Signer, SignerError, YParity};

/// A handle to a signer in a cell. A call in the midst of another is [`SignerError::Locked`], never a panic.
pub struct SharedChip<'a, S>(&'a RefCell<S>);

impl<'a, S> SharedChip<'a, S> {
    /// A handle to `chip`.
    pub const fn new(chip: &'a RefCell<S>) -> Self {
        Self(chip)
    }
}

impl<S: Signer> SharedChip<'_, S> {
    fn with<T>(&self, ask: impl FnOnce(&mut S) -> Result<T, SignerError>) -> Result<T, SignerError> {
        self.0.try_borrow_mut().map_err(|_| SignerError::Locked).and_then(|mut chip| ask(&mut chip))
    }
}

impl<S: Signer> Signer for SharedChip<'_, S> {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        self.with(Signer::public_key)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.try_borrow().map(|chip| chip.capabilities()).unwrap_or_default()
    }

    fn sign(&mut self, digest: &Digest) -> Result<Signature, SignerError> {
        self.with(|chip| chip.sign(digest))
    }

    fn sign_recoverable(&mut self, digest: &Digest) -> Result<(Signature, YParity), SignerError> {
        self.with(|chip| chip.sign_recoverable(digest))
    }
}
