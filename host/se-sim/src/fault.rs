// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong between a host and the chip. A test arms a fault for one transfer, counted from the chip's making:
//! every write and every read that the host begins is one.

/// One thing that goes wrong once, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The address is not acknowledged.
    Nack,
    /// The host believes that a write was not acknowledged; the chip got it.
    GhostNack,
    /// A bit of this byte (counted from the end of the transfer when negative) turns over on the way to whoever reads
    /// it.
    Flip(i8),
    /// The chip does not notice a block that is written to it.
    Deaf,
    /// A read gives ones only: nobody drives the bus. The block is lost.
    Ones,
    /// A read breaks off: its second half is ones. The block is lost.
    Torn,
    /// The next block from the chip is an R-block instead, with N(R) as it is and this error code.
    Ready(u8),
    /// The next block from the chip is an R-block instead, with the wrong N(R) and this error code.
    WrongReady(u8),
    /// The next I-block from the chip has the wrong N(S).
    WrongSequence,
    /// The chip's next block comes this many milliseconds late.
    Late(u32),
    /// The chip asks for more time, for ever, until it loses power or is reset.
    WaitingForever,
    /// The chip asks for blocks of this size before it goes on.
    Resize(u8),
    /// The chip gives up the chain.
    Abort,
    /// The next command is not executed and answers this.
    Status(u16),
    /// The next command is executed, and answers this.
    StatusAfter(u16),
    /// The next signature is one of another digest.
    FalseSignature,
    /// The supply fails and comes back at once: all that is volatile is lost.
    PowerLoss,
    /// The chip hangs until its power is cut or it is reset.
    Hang,
    /// The chip hangs until its power is cut.
    Latchup,
    /// The chip is dead.
    Death,
}
