// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What C is told of the agent: its status and its events, as plain structures. Translated here from the core's;
//! decides nothing.

use cairn::{
    agent::{Activity, Event, Status},
    batch::BatchNumber,
    ports::LinkError,
    power::budget::Budget,
    time::TimeQuality,
};

use crate::result::cairn_result_t;

/// Where a wall time came from; a later one is better.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_time_quality_t {
    /// The clock was never set: milliseconds since boot.
    CAIRN_TIME_SINCE_BOOT = 0,
    /// Set from a hint of the relay.
    CAIRN_TIME_RELAY = 1,
    /// Set from the network (NITZ, SNTP).
    CAIRN_TIME_NETWORK = 2,
    /// Set from an authenticated source.
    CAIRN_TIME_AUTHENTICATED = 3,
}

/// How long a record may wait.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_priority_t {
    /// Days: logs, statistics.
    CAIRN_PRIORITY_BULK = 0,
    /// Hours: readings.
    CAIRN_PRIORITY_ROUTINE = 1,
    /// Seconds: tampering, a door forced.
    CAIRN_PRIORITY_URGENT = 2,
}

/// How far what is left to spend makes the device do less.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_degradation_t {
    /// Not at all: half of what may be saved up is there.
    CAIRN_DEGRADATION_NONE = 0,
    /// Routine and bulk records wait twice as long.
    CAIRN_DEGRADATION_LONGER_INTERVALS = 1,
    /// They wait four times as long, and go as hashes: the device keeps their data.
    CAIRN_DEGRADATION_HASH_ONLY = 2,
    /// Only urgent records are sent.
    CAIRN_DEGRADATION_URGENT_ONLY = 3,
}

/// What the relay is given of a batch.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_upload_t {
    /// The anchor and the records: the relay makes the evidence.
    CAIRN_UPLOAD_DATA = 0,
    /// The anchor only: the device keeps the records until they are released.
    CAIRN_UPLOAD_HASH_ONLY = 1,
}

/// A meter reading. Kinds from `CAIRN_KIND_APPLICATION` on are the application's own.
pub const CAIRN_KIND_READING: u16 = 1;
/// Something that happened: a door opened, a lid was lifted.
pub const CAIRN_KIND_EVENT: u16 = 2;
/// First kind that is the application's own.
pub const CAIRN_KIND_APPLICATION: u16 = 64;

/// A batch number that means: no batch yet.
pub const CAIRN_NO_BATCH: u32 = u32::MAX;

/// How the last failed exchange failed.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_link_t {
    /// None failed.
    CAIRN_LINK_OK = 0,
    /// The link did not take the uplink.
    CAIRN_LINK_REFUSED = 1,
    /// No answer within the time the protocol allows.
    CAIRN_LINK_TIMEOUT = 2,
    /// The network could not be reached: no coverage, modem error, socket error.
    CAIRN_LINK_UNREACHABLE = 3,
    /// The relay refused; the code beside it is the protocol's.
    CAIRN_LINK_REJECTED = 4,
    /// The sender sequence numbers granted are used up.
    CAIRN_LINK_SEQUENCE_EXHAUSTED = 5,
    /// The answer is authentic and does not belong to the uplink.
    CAIRN_LINK_UNUSABLE = 6,
}

/// The kind and, for [`LinkError::Rejected`], the protocol's code.
const fn link(error: LinkError) -> (cairn_link_t, u8) {
    match error {
        LinkError::Refused => (cairn_link_t::CAIRN_LINK_REFUSED, 0),
        LinkError::TimeOut => (cairn_link_t::CAIRN_LINK_TIMEOUT, 0),
        LinkError::Unreachable => (cairn_link_t::CAIRN_LINK_UNREACHABLE, 0),
        LinkError::Rejected(code) => (cairn_link_t::CAIRN_LINK_REJECTED, code),
        LinkError::SequenceExhausted => (cairn_link_t::CAIRN_LINK_SEQUENCE_EXHAUSTED, 0),
        LinkError::Unusable => (cairn_link_t::CAIRN_LINK_UNUSABLE, 0),
    }
}

/// The agent as it was after its last step. Sums count since boot.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_status_t {
    /// The stream: 64 random bits, drawn when the journal was formatted.
    pub stream: u64,
    /// The sequence number the next record gets.
    pub next_seq: u64,
    /// The oldest sequence number still kept.
    pub oldest_seq: u64,
    /// Submissions journaled.
    pub accepted: u64,
    /// UDP payload bytes sent, retransmissions included.
    pub bytes_up: u64,
    /// UDP payload bytes received.
    pub bytes_down: u64,
    /// The wall clock, Unix milliseconds, or milliseconds since boot while it is not set.
    pub wall_ms: u64,
    /// What is saved up and may be spent for routine and bulk records, in microjoules.
    pub energy_uj: u64,
    /// What is saved up beside that for urgent records alone, in microjoules.
    pub energy_reserve_uj: u64,
    /// What exchanges cost more than was there, in microjoules: the refill pays it before anything routine starts.
    pub energy_debt_uj: u64,
    /// What was charged since boot, in microjoules.
    pub energy_charged_uj: u64,
    /// What comes in, in microwatts.
    pub energy_refill_uw: u32,
    /// The device's id.
    pub device: [u8; 32],
    /// The id of the key that signs.
    pub key: [u8; 20],
    /// Records in no batch yet.
    pub unsealed: u32,
    /// The number the next sealed batch gets.
    pub next_batch: u32,
    /// Sealed batches the relay does not have.
    pub unsent: u32,
    /// Every batch up to this one is at the relay, or `CAIRN_NO_BATCH`.
    pub stored_through: u32,
    /// Every batch up to this one is on chain, or `CAIRN_NO_BATCH`.
    pub included_through: u32,
    /// Every batch up to this one is on chain for good, or `CAIRN_NO_BATCH`.
    pub final_through: u32,
    /// Submissions the queue had no room for.
    pub queue_full: u32,
    /// Submissions the journal had no room for.
    pub journal_full: u32,
    /// Unsealed routine records that gave way to urgent ones in a full journal: they are lost, and their batch says so.
    pub displaced: u32,
    /// Submissions refused for another reason.
    pub refused: u32,
    /// Urgent submissions over their limit: each was counted, and one record says how many there were.
    pub coalesced: u32,
    /// Exchanges started: each is one radio wake.
    pub exchanges: u32,
    /// Exchanges that gave nothing; the batch is sent again.
    pub exchange_failures: u32,
    /// Datagrams sent.
    pub datagrams_up: u32,
    /// Datagrams received.
    pub datagrams_down: u32,
    /// Sockets opened.
    pub connections: u32,
    /// Signatures made.
    pub signatures: u32,
    /// Rotations that the old key signed.
    pub rotations: u32,
    /// Times the signer refused.
    pub signer_failures: u32,
    /// Times something was not sealed, proven or sent because the platform's SHA-256 failed (`CONFIG_CAIRN_PSA_HASH`).
    pub hash_faults: u32,
    /// Clock steps recorded.
    pub clock_steps: u32,
    /// Clock hints of the relay that were refused as too large a step.
    pub clock_steps_refused: u32,
    /// How the last failed exchange failed.
    pub last_link: cairn_link_t,
    /// Why the signer last refused, `CAIRN_OK` when it never did.
    pub last_signer: cairn_result_t,
    /// Why the next key could not take its turn, while `rotation` is 2 because of it: the flash that keys are in, or the platform's
    /// secret. Nothing is sealed meanwhile; it is tried again every minute. `CAIRN_OK` otherwise, and without
    /// `CONFIG_CAIRN_KEY_STORE`.
    pub last_rotation: cairn_result_t,
    /// `CAIRN_OK`, or why the agent could not start: then it never will until the next boot, but for `CAIRN_E_SIGNER_GONE` and
    /// `CAIRN_E_SIGNER_TIMEOUT`, after which it tries again every minute.
    pub start: cairn_result_t,
    /// The protocol's code when `last_link` is `CAIRN_LINK_REJECTED` (CoAP: class * 32 + detail).
    pub last_link_code: u8,
    /// The `cairn_primitive_t` whose self-test failed, when `start` is `CAIRN_E_SELFTEST`.
    pub selftest_failed: u8,
    /// Where the wall clock's time came from, a `cairn_time_quality_t`.
    pub wall_quality: u8,
    /// How far what is left to spend makes the device do less, a `cairn_degradation_t`.
    pub degradation: u8,
    /// How far a rotation to another key is: 0 none, 1 journaled and not signed by the old key yet, 2 signed, and the next key is
    /// waited for.
    pub rotation: u8,
    /// The stream was begun because the journal's flash had been rolled back; only with `CONFIG_CAIRN_MONOTONIC`.
    pub after_rollback: bool,
    /// A flush is wanted and no exchange was begun for it yet: it waits until it can be paid for, for the signer or for the next key.
    pub flush_waits: bool,
    /// The agent waits for a deadline or a submission, and nothing was handed to it that it has not seen.
    pub idle: bool,
}

const fn number(batch: Option<BatchNumber>) -> u32 {
    match batch {
        Some(batch) => batch.0,
        None => CAIRN_NO_BATCH,
    }
}

impl cairn_status_t {
    /// Before the agent started.
    pub(crate) const STARTING: Self = Self {
        stream: 0,
        next_seq: 0,
        oldest_seq: 0,
        accepted: 0,
        bytes_up: 0,
        bytes_down: 0,
        wall_ms: 0,
        energy_uj: 0,
        energy_reserve_uj: 0,
        energy_debt_uj: 0,
        energy_charged_uj: 0,
        energy_refill_uw: 0,
        device: [0; 32],
        key: [0; 20],
        unsealed: 0,
        next_batch: 0,
        unsent: 0,
        stored_through: CAIRN_NO_BATCH,
        included_through: CAIRN_NO_BATCH,
        final_through: CAIRN_NO_BATCH,
        queue_full: 0,
        journal_full: 0,
        displaced: 0,
        refused: 0,
        coalesced: 0,
        exchanges: 0,
        exchange_failures: 0,
        datagrams_up: 0,
        datagrams_down: 0,
        connections: 0,
        signatures: 0,
        rotations: 0,
        signer_failures: 0,
        hash_faults: 0,
        clock_steps: 0,
        clock_steps_refused: 0,
        last_link: cairn_link_t::CAIRN_LINK_OK,
        last_signer: cairn_result_t::CAIRN_OK,
        last_rotation: cairn_result_t::CAIRN_OK,
        start: cairn_result_t::CAIRN_OK,
        last_link_code: 0,
        selftest_failed: 0,
        wall_quality: 0,
        degradation: 0,
        rotation: 0,
        after_rollback: false,
        flush_waits: false,
        idle: false,
    };

    pub(crate) fn new(status: &Status, budget: &Budget) -> Self {
        let totals = &status.totals;
        let (last_link, last_link_code) = totals.last_link_error.map_or((cairn_link_t::CAIRN_LINK_OK, 0), link);
        Self {
            stream: status.stream.0,
            next_seq: status.next_seq.0,
            oldest_seq: status.oldest_seq.0,
            accepted: totals.accepted,
            bytes_up: totals.bytes_up,
            bytes_down: totals.bytes_down,
            wall_ms: status.wall.unix_ms,
            energy_uj: budget.above_reserve().0,
            energy_reserve_uj: budget.level().minus(budget.above_reserve()).0,
            energy_debt_uj: budget.debt().0,
            energy_charged_uj: budget.charged().0,
            energy_refill_uw: budget.settings().refill_uw,
            device: status.device.0,
            key: status.key.0,
            unsealed: status.unsealed,
            next_batch: status.next_batch.0,
            unsent: status.unsent,
            stored_through: number(totals.stored_through),
            included_through: number(totals.included_through),
            final_through: number(totals.final_through),
            queue_full: totals.queue_full,
            journal_full: totals.journal_full,
            displaced: totals.displaced,
            refused: totals.refused,
            coalesced: totals.coalesced,
            exchanges: totals.exchanges,
            exchange_failures: totals.exchange_failures,
            datagrams_up: totals.datagrams_up,
            datagrams_down: totals.datagrams_down,
            connections: totals.connections,
            signatures: totals.signatures,
            rotations: totals.rotations,
            last_signer: totals.last_signer_error.map_or(cairn_result_t::CAIRN_OK, cairn_result_t::from),
            signer_failures: totals.signer_failures,
            hash_faults: totals.hash_faults,
            clock_steps: totals.clock_steps,
            clock_steps_refused: totals.clock_steps_refused,
            last_link,
            last_rotation: cairn_result_t::CAIRN_OK,
            start: cairn_result_t::CAIRN_OK,
            last_link_code,
            selftest_failed: 0,
            wall_quality: status.wall.quality as u8,
            degradation: status.degradation as u8,
            rotation: status.rotation as u8,
            after_rollback: status.after_rollback,
            flush_waits: status.flush_waits,
            idle: status.activity == Activity::Idle,
        }
    }
}

/// What happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub enum cairn_event_kind_t {
    /// `batch` is fixed for ever, with `value` records.
    CAIRN_EVENT_SEALED = 0,
    /// The signer is asked for the signature of `batch` now.
    CAIRN_EVENT_SIGNING = 1,
    /// `batch` is signed, when `result` is `CAIRN_OK`.
    CAIRN_EVENT_SIGNED = 2,
    /// The uplink of `batch`, `value` bytes before the secure channel, was given to the link.
    CAIRN_EVENT_SENT = 3,
    /// The relay has `batch`.
    CAIRN_EVENT_STORED = 4,
    /// `batch` is on chain.
    CAIRN_EVENT_INCLUDED = 5,
    /// `batch` is on chain for good.
    CAIRN_EVENT_FINAL = 6,
    /// An exchange gave nothing: `link` says how, `value` the protocol's code. It will be tried again.
    CAIRN_EVENT_EXCHANGE_FAILED = 7,
    /// The wall clock stepped from `old_ms` to `new_ms`; a record of it is journaled.
    CAIRN_EVENT_CLOCK_STEPPED = 8,
    /// A submission got no sequence number: `result` says why.
    CAIRN_EVENT_REFUSED = 9,
    /// `value` unsealed routine records gave way to an urgent one in a full journal.
    CAIRN_EVENT_DISPLACED = 10,
    /// The key signed its last batch, `batch`; the next key signs from here on.
    CAIRN_EVENT_ROTATED = 11,
}

/// Something that happened; which fields mean something depends on `kind`, the others are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_event_t {
    /// What happened.
    pub kind: cairn_event_kind_t,
    /// How it went.
    pub result: cairn_result_t,
    /// How an exchange failed.
    pub link: cairn_link_t,
    /// Of which batch.
    pub batch: u32,
    /// A count, a length or a code.
    pub value: u32,
    /// What the clock would have shown.
    pub old_ms: u64,
    /// What it shows.
    pub new_ms: u64,
}

impl cairn_event_t {
    const fn of(kind: cairn_event_kind_t, batch: BatchNumber, value: u32) -> Self {
        Self {
            kind,
            result: cairn_result_t::CAIRN_OK,
            link: cairn_link_t::CAIRN_LINK_OK,
            batch: batch.0,
            value,
            old_ms: 0,
            new_ms: 0,
        }
    }

    pub(crate) fn new(event: &Event) -> Self {
        use cairn_event_kind_t::{
            CAIRN_EVENT_CLOCK_STEPPED, CAIRN_EVENT_DISPLACED, CAIRN_EVENT_EXCHANGE_FAILED, CAIRN_EVENT_FINAL,
            CAIRN_EVENT_INCLUDED, CAIRN_EVENT_REFUSED, CAIRN_EVENT_ROTATED, CAIRN_EVENT_SEALED, CAIRN_EVENT_SENT,
            CAIRN_EVENT_SIGNED, CAIRN_EVENT_SIGNING, CAIRN_EVENT_STORED,
        };
        const NONE: BatchNumber = BatchNumber(0);
        match *event {
            Event::Sealed { batch, count } => Self::of(CAIRN_EVENT_SEALED, batch, count),
            Event::Signing { batch } => Self::of(CAIRN_EVENT_SIGNING, batch, 0),
            Event::Signed { batch, result } => {
                let result = result.map_or_else(cairn_result_t::from, |()| cairn_result_t::CAIRN_OK);
                Self { result, ..Self::of(CAIRN_EVENT_SIGNED, batch, 0) }
            }
            Event::Sent { batch, bytes } => Self::of(CAIRN_EVENT_SENT, batch, u32::try_from(bytes).unwrap_or(u32::MAX)),
            Event::Rotated { batch } => Self::of(CAIRN_EVENT_ROTATED, batch, 0),
            Event::Stored { batch } => Self::of(CAIRN_EVENT_STORED, batch, 0),
            Event::Included { batch } => Self::of(CAIRN_EVENT_INCLUDED, batch, 0),
            Event::Final { batch } => Self::of(CAIRN_EVENT_FINAL, batch, 0),
            Event::ExchangeFailed(error) => {
                let (link, code) = link(error);
                Self { link, ..Self::of(CAIRN_EVENT_EXCHANGE_FAILED, NONE, u32::from(code)) }
            }
            Event::ClockStepped { old, new } => {
                Self { old_ms: old.unix_ms, new_ms: new.unix_ms, ..Self::of(CAIRN_EVENT_CLOCK_STEPPED, NONE, 0) }
            }
            Event::Displaced { records } => Self::of(CAIRN_EVENT_DISPLACED, NONE, records),
            Event::Refused(error) => Self { result: error.into(), ..Self::of(CAIRN_EVENT_REFUSED, NONE, 0) },
        }
    }
}

// The core's numbers are the header's.
const _: () = {
    assert!(cairn_time_quality_t::CAIRN_TIME_AUTHENTICATED as u8 == TimeQuality::Authenticated as u8);
    assert!(cairn_upload_t::CAIRN_UPLOAD_HASH_ONLY as u8 == cairn::agent::UploadMode::HashOnly as u8);
    assert!(cairn_priority_t::CAIRN_PRIORITY_URGENT as u8 == cairn::record::Priority::Urgent as u8);
    assert!(CAIRN_KIND_READING == cairn::record::Kind::READING.0);
    assert!(CAIRN_KIND_EVENT == cairn::record::Kind::EVENT.0);
    assert!(CAIRN_KIND_APPLICATION == cairn::record::Kind::FIRST_APPLICATION.0);
};
