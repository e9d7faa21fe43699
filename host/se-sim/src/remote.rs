// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The host's end of [`crate::wire`]: a chip behind a byte stream as an embedded-hal bus and clock, for tests of drivers.
//! Clones share the stream. Waits for each answer; on virtual time no wait is longer.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    rc::Rc,
};

use embedded_hal::{
    delay::DelayNs,
    i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation},
};

/// A chip at the other end of `S`.
pub struct Remote<S>(Rc<RefCell<S>>);

impl<S> Clone for Remote<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Read + Write> Remote<S> {
    /// The chip behind `stream`.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Gives the chip its supply, or takes it.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn power(&self, on: bool) -> io::Result<()> {
        self.ask(&[b'P', u8::from(on)], &mut []).map(drop)
    }

    /// Sends a request; whether it was acknowledged, and then the answer's bytes.
    fn ask(&self, request: &[u8], into: &mut [u8]) -> io::Result<bool> {
        let mut stream = self.0.borrow_mut();
        stream.write_all(request)?;
        stream.flush()?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        match &answer {
            b"A" => stream.read_exact(into).map(|()| true),
            b"N" => Ok(false),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl<S> ErrorType for Remote<S> {
    type Error = ErrorKind;
}

impl<S: Read + Write> I2c for Remote<S> {
    /// There is one chip, whatever the address.
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            let length = |bytes: usize| u16::try_from(bytes).map(u16::to_be_bytes).map_err(|_| ErrorKind::Overrun);
            let acknowledged = match operation {
                Operation::Write(bytes) => self.ask(&[b"W", &length(bytes.len())?[..], bytes].concat(), &mut []),
                Operation::Read(into) => self.ask(&[b"R", &length(into.len())?[..]].concat(), into),
            };
            match acknowledged {
                Ok(true) => {}
                Ok(false) => return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)),
                Err(_) => return Err(ErrorKind::Other),
            }
        }
        Ok(())
    }
}

impl<S: Read + Write> DelayNs for Remote<S> {
    /// A stream that is gone shows at the next transfer.
    fn delay_ns(&mut self, ns: u32) {
        let _ = self.ask(&[b"T", &ns.div_ceil(1_000).to_be_bytes()[..]].concat(), &mut []);
    }
}
