// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SHA-256. The traits of `digest` have no errors, so a hash that fails is counted, and is zeros: whoever uses hashes looks at the
//! count before anything leaves (`cairn::sha256::FaultWatch`).

use core::sync::atomic::{AtomicU32, Ordering};

use digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update, consts::U32};

use crate::ffi::Operation;

/// Hashes that failed since the start, modulo 2^32.
static FAULTS: AtomicU32 = AtomicU32::new(0);

/// How many hashes failed since the start, modulo 2^32. A number that has not changed says that no hash failed in between.
pub fn hash_faults() -> u32 {
    FAULTS.load(Ordering::Acquire)
}

/// A fault is noted when it happens. Cores before Armv7-M have no atomic addition: there, faults of two tasks at the same moment
/// count as one, which each of them sees.
fn note_fault() {
    #[cfg(target_has_atomic = "32")]
    FAULTS.fetch_add(1, Ordering::AcqRel);
    #[cfg(not(target_has_atomic = "32"))]
    FAULTS.store(hash_faults().wrapping_add(1), Ordering::Release);
}

/// A SHA-256 that is being fed.
#[derive(Debug)]
pub struct Sha256(State);

#[derive(Debug)]
enum State {
    /// Nothing was put in, and PSA Crypto knows nothing of it: a hash that is never fed costs nothing.
    Idle,
    Running(Operation),
    Failed,
}

impl Sha256 {
    fn running(&mut self) -> Option<&mut Operation> {
        if matches!(self.0, State::Idle) {
            self.0 = Operation::begin().map_or_else(|_| failed(), State::Running);
        }
        match &mut self.0 {
            State::Running(operation) => Some(operation),
            _ => None,
        }
    }
}

fn failed() -> State {
    note_fault();
    State::Failed
}

impl Default for Sha256 {
    fn default() -> Self {
        Self(State::Idle)
    }
}

impl Update for Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        // An empty slice's address is none that C may be given.
        if bytes.is_empty() {
            return;
        }
        if self.running().is_some_and(|operation| operation.update(bytes) != 0) {
            self.0 = failed();
        }
    }
}

impl FixedOutput for Sha256 {
    fn finalize_into(mut self, out: &mut Output<Self>) {
        let mut hash = [0; 32];
        let _: Option<&mut Operation> = self.running();
        if let State::Running(operation) = self.0
            && operation.finish(&mut hash) != 0
        {
            note_fault();
            hash = [0; 32];
        }
        *out = hash.into();
    }
}

impl OutputSizeUser for Sha256 {
    type OutputSize = U32;
}

impl HashMarker for Sha256 {}
