// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What lies in the queue between the application's tasks and the agent's: filled by the submit functions, taken by the
//! agent.

use cairn::{
    ports::{Submission, Ticket},
    record::{Kind, Priority},
    time::{TimeQuality, WallTime},
};

use crate::result::cairn_result_t;

/// Most bytes of a payload, as the configuration says.
pub const CONFIG_CAIRN_PAYLOAD_MAX: usize = cairn_config::PAYLOAD_MAX;

/// `ticket` of a record nobody waits for.
pub(crate) const NO_TICKET: u8 = 0xff;

/// One submission on its way to the agent. The port's queue copies it whole and looks at nothing inside.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_record_t {
    /// When it was submitted, Unix milliseconds or milliseconds since boot.
    pub time_ms: u64,
    /// What it is about.
    pub kind: u16,
    /// Bytes used of `payload`.
    pub length: u16,
    /// How long it may wait, a `cairn_priority_t`.
    pub priority: u8,
    /// Where the time came from, a `cairn_time_quality_t`.
    pub quality: u8,
    /// Which waiter wants the answer; 255 for none.
    pub ticket: u8,
    /// Always 0.
    pub reserved: u8,
    /// The application's bytes.
    pub payload: [u8; CONFIG_CAIRN_PAYLOAD_MAX],
}

// The queue of a 32-bit and of a 64-bit target hold the same bytes.
const _: () = assert!(size_of::<cairn_record_t>() == (16 + CONFIG_CAIRN_PAYLOAD_MAX).next_multiple_of(8));

impl cairn_record_t {
    pub(crate) const EMPTY: Self = Self {
        time_ms: 0,
        kind: 0,
        length: 0,
        priority: 0,
        quality: 0,
        ticket: NO_TICKET,
        reserved: 0,
        payload: [0; CONFIG_CAIRN_PAYLOAD_MAX],
    };

    /// A record of `payload` at `time`, checked: what the agent would refuse is refused here, where the caller hears
    /// it.
    pub(crate) fn new(kind: u16, priority: u8, payload: &[u8], time: WallTime) -> Result<Self, cairn_result_t> {
        if !Kind(kind).is_submittable() {
            return Err(cairn_result_t::CAIRN_E_KIND);
        }
        if Priority::from_number(priority).is_none() {
            return Err(cairn_result_t::CAIRN_E_ARGUMENT);
        }
        let mut record = Self { time_ms: time.unix_ms, kind, priority, quality: time.quality as u8, ..Self::EMPTY };
        let room = record.payload.get_mut(..payload.len()).ok_or(cairn_result_t::CAIRN_E_TOO_LONG)?;
        room.copy_from_slice(payload);
        record.length = u16::try_from(payload.len()).map_err(|_| cairn_result_t::CAIRN_E_TOO_LONG)?;
        Ok(record)
    }

    /// The submission in it. A queue that gave back other bytes than it took yields `None`, never a wrong record.
    pub(crate) fn submission(&self) -> Option<Submission<'_>> {
        Some(Submission {
            time: WallTime { unix_ms: self.time_ms, quality: TimeQuality::from_number(self.quality)? },
            kind: Kind(self.kind),
            priority: Priority::from_number(self.priority)?,
            payload: self.payload.get(..usize::from(self.length))?,
            ticket: (self.ticket != NO_TICKET).then_some(Ticket(self.ticket)),
        })
    }
}
