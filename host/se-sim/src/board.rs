// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A chip on a bus with a clock, as embedded-hal sees them: for drivers under test. All of them move one virtual clock;
//! nothing here waits.

use std::{cell::RefCell, rc::Rc};

use embedded_hal::{
    delay::DelayNs,
    i2c::{Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation},
};

use crate::{Chip, Nack};

/// A chip that a bus, a clock and a test share.
#[derive(Clone)]
pub struct Board(Rc<RefCell<Chip>>);

/// The bus, at 400 kHz.
#[derive(Clone)]
pub struct Bus {
    chip: Board,
    address: u8,
}

/// The clock.
#[derive(Clone)]
pub struct Clock(Board);

impl Board {
    /// A board with `chip` on it.
    #[must_use]
    pub fn new(chip: Chip) -> Self {
        Self(Rc::new(RefCell::new(chip)))
    }

    /// Its bus, with the chip at `address`.
    #[must_use]
    pub fn bus(&self, address: u8) -> Bus {
        Bus { chip: self.clone(), address }
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(self.clone())
    }

    /// What `look` sees or does of the chip.
    pub fn chip<T>(&self, look: impl FnOnce(&mut Chip) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }
}

impl Error for Nack {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
    }
}

impl ErrorType for Bus {
    type Error = Nack;
}

impl I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Nack> {
        if address != self.address {
            return Err(Nack);
        }
        self.chip.chip(|chip| {
            for operation in operations {
                let bytes = match operation {
                    Operation::Write(bytes) => bytes.len(),
                    Operation::Read(into) => into.len(),
                };
                // Nine clocks a byte, the address included, at 2.5 µs.
                chip.pass(u64::try_from((bytes + 1) * 9 * 5 / 2).unwrap_or(u64::MAX));
                match operation {
                    Operation::Write(bytes) => chip.write(bytes)?,
                    Operation::Read(into) => chip.read(into)?,
                }
            }
            Ok(())
        })
    }
}

impl DelayNs for Clock {
    fn delay_ns(&mut self, ns: u32) {
        self.0.chip(|chip| chip.pass(u64::from(ns.div_ceil(1_000))));
    }
}
