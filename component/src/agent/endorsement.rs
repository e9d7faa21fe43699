// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The device's endorsement: what the agent knows of itself, attested by the platform's root of trust and signed by the ledger key.

use super::Agent;
use crate::{
    endorsement::{Binding, EndorseError, NONCE_BYTES, RootOfTrust, endorse, endorse_itself},
    factory::KID_BYTES,
    journal::Journal,
    ports::{Clock, Link},
    power::schedule::Schedule,
    selftest::{Primitive, agrees},
    sha256::{Digest as _, Sha256},
    signer::{DeviceId, Digest, Signer, SignerError},
};

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// The device's id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.settings.device.unwrap_or_else(|| self.key.device_id())
    }

    /// Has the signer sign a digest that no statement of Cairn's has, and checks the signature: for a self-test of a key that is
    /// outside this processor's memory.
    ///
    /// # Errors
    /// [`SignerError`]; [`SignerError::FaultDetected`] also when it is no signature of the device's key.
    pub fn prove_signer(&mut self) -> Result<(), SignerError> {
        let digest = Digest(Sha256::digest(b"Cairn-selftest-1").into());
        if self.hash_failed() {
            return Err(SignerError::FaultDetected);
        }
        self.signed = self.signed.saturating_add(1);
        let signature = self.signer.sign(&digest)?;
        let accepted = self.key.accept(&digest, &signature.0)?;
        let same = agrees(Primitive::Signer, &signature.0, &accepted.0);
        if same { Ok(()) } else { Err(SignerError::FaultDetected) }
    }

    /// Writes an endorsement that answers `nonce` into `out` and returns its length,
    /// [`crate::endorsement::endorsement_max`] of the root's longest token at most. Asks the root of trust once and signs once.
    ///
    /// # Errors
    /// [`EndorseError`].
    pub fn endorse(
        &mut self,
        nonce: &[u8; NONCE_BYTES],
        kid: &[u8; KID_BYTES],
        root: &mut impl RootOfTrust,
        out: &mut [u8],
    ) -> Result<usize, EndorseError> {
        let binding = self.binding(nonce, kid);
        let endorsed = endorse(&binding, root, &mut self.signer, out);
        self.unless_hash_failed(endorsed)
    }

    /// [`Agent::endorse`] where the signer is the root of trust of its own key, as a secure element is.
    ///
    /// # Errors
    /// [`EndorseError`].
    pub fn endorse_itself(
        &mut self,
        nonce: &[u8; NONCE_BYTES],
        kid: &[u8; KID_BYTES],
        out: &mut [u8],
    ) -> Result<usize, EndorseError>
    where
        S: RootOfTrust,
    {
        let binding = self.binding(nonce, kid);
        let endorsed = endorse_itself(&binding, &mut self.signer, out);
        self.unless_hash_failed(endorsed)
    }

    /// The root may have been told a device id before, and an endorsement is over hashes.
    fn unless_hash_failed(&mut self, endorsed: Result<usize, EndorseError>) -> Result<usize, EndorseError> {
        if self.hash_failed() { Err(EndorseError::Signer(SignerError::FaultDetected)) } else { endorsed }
    }

    fn binding(&self, nonce: &[u8; NONCE_BYTES], kid: &[u8; KID_BYTES]) -> Binding {
        Binding {
            nonce: *nonce,
            key: self.key,
            stream: self.journal.stream(),
            kid: *kid,
            deployment: self.settings.deployment,
        }
    }
}
