// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A software key's life: born from noise that is tested ([`noise`]), kept sealed in flash (`store`), replaced, and buried
//! so that nothing of it is left. Called by whoever starts a software signer; hardware keeps its keys itself.

pub mod noise;
#[cfg(feature = "key-store")]
pub mod store;

use zeroize::Zeroizing;

use crate::{ports::Entropy, signer::Algorithm};

/// Draws of 32 bytes before giving up: a sound source fails once with a probability below 2^-31 on either curve.
const DRAWS: u32 = 8;

/// A new secret for `alg`, uniform below the group's order (FIPS 186-5, appendix A.2.2: by rejection).
///
/// # Errors
/// [`NoKey::Entropy`] without entropy: no key is better than one that can be guessed.
pub fn draw(alg: Algorithm, entropy: &mut impl Entropy) -> Result<Zeroizing<[u8; 32]>, NoKey> {
    let mut secret = Zeroizing::new([0; 32]);
    for _ in 0..DRAWS {
        entropy.fill(&mut *secret).map_err(|_| NoKey::Entropy)?;
        if alg.is_scalar(&secret) {
            return Ok(secret);
        }
    }
    Err(NoKey::Entropy)
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// The entropy source failed its tests, is not there, or gives what is no entropy.
    Entropy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::NoEntropy;

    struct Given<'a>(&'a [[u8; 32]]);

    impl Entropy for Given<'_> {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            let (first, rest) = self.0.split_first().ok_or(NoEntropy)?;
            out.copy_from_slice(first);
            self.0 = rest;
            Ok(())
        }
    }

    #[test]
    fn a_draw_that_is_no_scalar_is_drawn_again_and_a_stuck_source_gives_no_key() {
        for alg in [Algorithm::Es256k, Algorithm::Es256] {
            let drawn = draw(alg, &mut Given(&[[0xff; 32], [0; 32], [7; 32]]));
            assert_eq!(drawn.as_deref(), Ok(&[7; 32]));
            assert_eq!(draw(alg, &mut Given(&[[0xff; 32]; 20])), Err(NoKey::Entropy));
            assert_eq!(draw(alg, &mut Given(&[])), Err(NoKey::Entropy));
        }
    }
}
