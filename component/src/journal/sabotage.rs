// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mistakes that the power-cut sweep must find, made on demand. Only a build with the feature `sabotage` can make them; a test
//! chooses one. A sweep that finds none of them would be worth nothing.

#[cfg(feature = "sabotage")]
use core::sync::atomic::{AtomicU8, Ordering};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mistake {
    /// Two writes swapped: when an entry needs a new sector, the header that counts it is written before it.
    HeaderBeforeEntry = 1,
    /// A sector that looks blank is opened without being erased.
    TrustsBlank = 2,
    /// An entry's checksum is not looked at.
    NoChecksum = 3,
    /// After a mount, writing goes on at the first blank place, torn words behind it or not.
    ForgetsTornWords = 4,
    /// Records are given up when the relay has stored them, not when they are final.
    ReclaimsEarly = 5,
    /// A sector whose opening was cut before the cells were said again counts as opened.
    TrustsCutOpening = 6,
    /// A sector that is moved is given up before what must live of it is copied.
    FreesBeforeCopying = 7,
    /// The agent seals while the next key is waited for.
    SealsBeforeAdoption = 8,
    /// At a start the agent takes a rotation record that is in no batch for any other record.
    ForgetsRotation = 9,
}

#[cfg(feature = "sabotage")]
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// From now on, makes `mistake`, or none.
#[cfg(feature = "sabotage")]
pub fn choose(mistake: Option<Mistake>) {
    CHOSEN.store(mistake.map_or(0, |mistake| mistake as u8), Ordering::SeqCst);
}

#[cfg(feature = "sabotage")]
pub(crate) fn makes(mistake: Mistake) -> bool {
    CHOSEN.load(Ordering::SeqCst) == mistake as u8
}

#[cfg(not(feature = "sabotage"))]
pub(crate) const fn makes(_mistake: Mistake) -> bool {
    false
}
