// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The I2C of the secure element, over a serial port: QEMU ONLY. The board that QEMU plays has I2C controllers, and nothing
//! on them that a test can script; the chip is `cairn se-sim` at the other end of the board's third serial port, and this
//! file asks it for what I2C, the power switch and the passing of time would be. A product has its HAL's `I2c` and
//! `DelayNs` and an `EnablePin` here; the driver above is the same. The requests are in `host/se-sim/src/wire.rs`.

use core::cell::Cell;

use cairn::signer::se050::{GateError, PowerGate};
use embedded_hal::{
    delay::DelayNs,
    i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation},
};
use freertos_next::{CurrentTask, Duration};

use crate::board::BridgePort;

/// How often a byte is looked for before the line counts as cut, a millisecond apart after the first thousand.
const LOOKS: u32 = 6_000;

/// One end of the line. Its three parts are used in turn, in the agent's task.
pub struct Bridge {
    /// The other end did not answer once: what comes later would be taken for the answer to something else.
    cut: Cell<bool>,
}

/// The line is cut.
struct Cut;

impl Bridge {
    pub const fn new() -> Self {
        Self { cut: Cell::new(false) }
    }

    /// Sends a request; whether it was acknowledged, and then the answer's bytes.
    fn ask(&self, head: &[u8], bytes: &[u8], into: &mut [u8]) -> Result<bool, Cut> {
        if self.cut.get() {
            return Err(Cut);
        }
        head.iter().chain(bytes).for_each(|byte| BridgePort.send(*byte));
        match self.byte()? {
            b'A' => {
                for byte in into {
                    *byte = self.byte()?;
                }
                Ok(true)
            }
            b'N' => Ok(false),
            _ => {
                self.cut.set(true);
                Err(Cut)
            }
        }
    }

    fn byte(&self) -> Result<u8, Cut> {
        for look in 0..LOOKS {
            if let Some(byte) = BridgePort.take() {
                return Ok(byte);
            }
            if look > 1_000 {
                CurrentTask::delay(Duration::ms(1));
            }
        }
        self.cut.set(true);
        Err(Cut)
    }
}

/// The bus.
pub struct Bus(pub &'static Bridge);
/// The clock, the chip's and the task's.
pub struct Clock(pub &'static Bridge);
/// The chip's power switch.
pub struct Gate(pub &'static Bridge);

impl ErrorType for Bus {
    type Error = ErrorKind;
}

impl I2c for Bus {
    /// There is one chip on it, whatever the address.
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            let head = |request: u8, length: usize| {
                let [high, low] = u16::try_from(length).map_err(|_| ErrorKind::Overrun)?.to_be_bytes();
                Ok([request, high, low])
            };
            let acknowledged = match operation {
                Operation::Write(bytes) => self.0.ask(&head(b'W', bytes.len())?, bytes, &mut []),
                Operation::Read(into) => self.0.ask(&head(b'R', into.len())?, &[], into),
            };
            match acknowledged {
                Ok(true) => {}
                Ok(false) => return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)),
                Err(Cut) => return Err(ErrorKind::Other),
            }
        }
        Ok(())
    }
}

impl DelayNs for Clock {
    /// Time passes for the chip; and for the other tasks where there is enough of it for them.
    fn delay_ns(&mut self, ns: u32) {
        let us = ns.div_ceil(1_000);
        let [a, b, c, d] = us.to_be_bytes();
        // A line that is cut shows at the next transfer.
        let _ = self.0.ask(&[b'T', a, b, c, d], &[], &mut []);
        if us >= 1_000 {
            CurrentTask::delay(Duration::ms(us / 1_000));
        }
    }
}

impl PowerGate for Gate {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        self.0.ask(b"P\x01", &[], &mut []).map(drop).map_err(|Cut| GateError)
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        self.0.ask(b"P\x00", &[], &mut []).map(drop).map_err(|Cut| GateError)
    }
}
