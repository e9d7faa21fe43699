// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial line between the driver and a modem that a test plays: what each side wrote and the other has not read.

use std::{cell::RefCell, collections::VecDeque, convert::Infallible, rc::Rc};

/// The two directions.
#[derive(Default)]
struct Wire {
    to_driver: VecDeque<u8>,
    from_driver: Vec<u8>,
}

/// The driver's end; the modem's is its methods.
#[derive(Clone, Default)]
pub(crate) struct Port(Rc<RefCell<Wire>>);

impl Port {
    /// Takes what the driver wrote.
    pub(crate) fn written(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().from_driver)
    }

    /// Has the driver find these bytes.
    pub(crate) fn deliver(&self, bytes: impl IntoIterator<Item = u8>) {
        self.0.borrow_mut().to_driver.extend(bytes);
    }

    /// Whether the driver has read everything.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.borrow().to_driver.is_empty()
    }
}

impl embedded_io::ErrorType for Port {
    type Error = Infallible;
}

impl embedded_io::ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.borrow().to_driver.is_empty())
    }
}

impl embedded_io::Read for Port {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut wire = self.0.borrow_mut();
        let taken = buffer.len().min(wire.to_driver.len());
        for (slot, byte) in buffer.iter_mut().zip(wire.to_driver.drain(..taken)) {
            *slot = byte;
        }
        Ok(taken)
    }
}

impl embedded_io::Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.0.borrow_mut().from_driver.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
