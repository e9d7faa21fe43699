// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The factory image, which the devicetree's chosen node `cairn,factory` has in a flash partition. Read once, when the application
//! starts; never written.

use cairn::factory::{FACTORY_MAX, Factory, FactoryError};
use zeroize::Zeroizing;

use crate::shim;

/// Why there is no factory data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The devicetree has no `cairn,factory`, or it is shorter than an image may be, or that flash does not answer.
    Absent,
    /// What is there is no factory image.
    Image(FactoryError),
}

/// What the factory wrote. It holds keys, and wipes itself when it is dropped; the copy it was read from is wiped here.
///
/// # Errors
/// [`LoadError`].
#[inline(never)]
pub fn load() -> Result<Factory, LoadError> {
    let mut image = Zeroizing::new([0; FACTORY_MAX]);
    if !shim::factory_read(image.as_mut_slice()) {
        return Err(LoadError::Absent);
    }
    Factory::decode(image.as_slice()).map_err(LoadError::Image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_not_there_and_one_that_is_erased_are_told_apart() {
        assert_eq!(load().map(drop), Err(LoadError::Absent));
        shim::insert_factory(&[0xff; FACTORY_MAX]);
        assert!(matches!(load(), Err(LoadError::Image(_))));
    }
}
