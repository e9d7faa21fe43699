// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The factory image, which the devicetree's chosen node `cairn,factory` has in a flash partition. Read once, when the application
//! starts; never written.

use cairn::factory::FACTORY_MAX;

use crate::shim;

/// The devicetree has no `cairn,factory`, or that flash does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFactory;

/// The first bytes of the partition, as many as a factory image may have: what [`cairn::factory::Factory::decode`] takes. It holds
/// keys: let nothing but the decoder see it, and wipe it.
///
/// # Errors
/// [`NoFactory`].
pub fn read(image: &mut [u8; FACTORY_MAX]) -> Result<(), NoFactory> {
    if shim::factory_read(image) { Ok(()) } else { Err(NoFactory) }
}
