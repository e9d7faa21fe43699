// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The chip's power switch. A board implements [`PowerGate`], or uses [`EnablePin`] or [`AlwaysOn`]; the element calls
//! it before and after each operation and to recover a chip that no longer answers.

use embedded_hal::digital::OutputPin;

/// The switch did not do what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateError;

/// Gives the chip its power and takes it.
pub trait PowerGate {
    /// Whether [`PowerGate::switch_off`] really takes the chip's power. Without, a chip that no longer answers is asked
    /// to restart, which is weaker.
    const CUTS_POWER: bool;

    /// Gives the chip power. The element waits for it afterwards.
    ///
    /// # Errors
    /// [`GateError`]: the chip counts as gone.
    fn switch_on(&mut self) -> Result<(), GateError>;

    /// Takes the chip's power.
    ///
    /// # Errors
    /// [`GateError`]: ignored after an operation; to recover, the chip counts as gone.
    fn switch_off(&mut self) -> Result<(), GateError>;
}

/// A chip that is always powered.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysOn;

impl PowerGate for AlwaysOn {
    const CUTS_POWER: bool = false;

    fn switch_on(&mut self) -> Result<(), GateError> {
        Ok(())
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        Ok(())
    }
}

/// A pin that is high while the chip has power: the chip's ENA, or a load switch. With the I2C pull-ups on the chip's
/// own supply, or the chip is fed through its bus pins.
#[derive(Clone, Copy, Debug)]
pub struct EnablePin<P>(pub P);

impl<P: OutputPin> PowerGate for EnablePin<P> {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        self.0.set_high().map_err(|_| GateError)
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        self.0.set_low().map_err(|_| GateError)
    }
}
