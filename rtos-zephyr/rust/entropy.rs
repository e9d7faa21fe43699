// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random bytes of Zephyr's cryptographically secure generator. On a board without an entropy driver the build stops, unless
//! `CONFIG_CAIRN_INSECURE_ENTROPY=y` says by name that nothing it makes can be trusted; it is the only way to a test generator.

use cairn::ports::{Entropy, NoEntropy};

use crate::shim;

/// `sys_csrand_get`. Threads only.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        if shim::entropy(out) { Ok(()) } else { Err(NoEntropy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_failed_is_no_entropy() {
        let mut bytes = [0; 4];
        assert_eq!(SystemEntropy.fill(&mut bytes), Ok(()));
        shim::break_entropy();
        assert_eq!(SystemEntropy.fill(&mut bytes), Err(NoEntropy));
    }
}
