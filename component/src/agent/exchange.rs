// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One exchange at a time: an uplink goes up, a verified downlink moves the journal. A downlink that does not belong to the
//! uplink moves nothing.

use super::{Agent, Event, REFUSAL_PAUSE, next_after};
use crate::{
    batch::BatchNumber,
    journal::{BatchState, Journal, JournalError, SealedBatch},
    ports::{Clock, Link, LinkError, Outcome},
    power::{
        cost::ExchangeCost,
        schedule::{Schedule, Work},
    },
    record::SequenceNumber,
    signer::{Signature, Signer},
    time::Millis,
    uplink::{
        DATA_OVERHEAD_MAX, Downlink, HASH_ONLY_MAX, Level, Uplink, WireError,
        delta::{BitCount, BitSink, BitWriter, Encoder, RECORD_OVERHEAD_MAX},
    },
};

/// Shortest uplink buffer and link for records of `payload` bytes: the longest record alone must fit with its data.
#[must_use]
pub const fn uplink_min(payload: usize) -> usize {
    HASH_ONLY_MAX + DATA_OVERHEAD_MAX + RECORD_OVERHEAD_MAX + payload
}

/// Most bytes of packed records in an uplink of `uplink` bytes.
pub(super) const fn records_limit(uplink: usize) -> u64 {
    uplink.saturating_sub(HASH_ONLY_MAX + DATA_OVERHEAD_MAX) as u64
}

impl<J: Journal, S: Signer, L: Link, C: Clock, P: Schedule, const PAYLOAD: usize, const UPLINK: usize>
    Agent<J, S, L, C, P, PAYLOAD, UPLINK>
{
    /// Starts the exchange of the oldest batch that the relay does not have, signing it first when that failed before; or asks
    /// again about the last one. Never inlined, as most here: what one needs on the stack is gone when the next begins, and a
    /// signature may be made below any that journals.
    #[inline(never)]
    pub(super) fn start_exchange(&mut self, now: Millis, on_event: &mut dyn FnMut(Event)) {
        let Some(batch) = self.first_unsent().or_else(|| self.asks_about()) else { return };
        self.flush = false;
        let signature = match self.journal.batch(batch).map(|sealed| sealed.signature) {
            Ok(Some(signature)) => Some(signature),
            Ok(None) => self.sign(batch, on_event).ok(),
            Err(_) => None,
        };
        let length = signature.and_then(|signature| self.compose(batch, signature, on_event).ok());
        // What it may cost is gone from the budget before any of it is spent, or a reset would give it back.
        self.account();
        let Some(length) = length.filter(|_| self.keep_before_spending().is_ok()) else {
            self.pause_until = now.after(REFUSAL_PAUSE);
            return;
        };
        let started = self.grant().and_then(|()| self.link.start(now, self.uplink.get(..length).unwrap_or_default()));
        match started {
            Ok(()) => {
                // A batch that was never marked as sent is sent again; nothing else depends on the mark.
                let _: Result<(), _> = self.journal.advance(batch, BatchState::Sent);
                self.exchange = Some(batch);
                self.totals.exchanges += 1;
                on_event(Event::Sent { batch, bytes: length });
            }
            Err(error) => {
                self.link_failed(error, on_event);
                self.schedule.exchange_ended(now, Err(error), &ExchangeCost::default());
            }
        }
    }

    /// Keeps what the schedule must not lose by a reset.
    #[inline(never)]
    pub(super) fn keep_budget(&mut self) -> Result<(), JournalError> {
        let Some(state) = self.schedule.to_keep() else { return Ok(()) };
        self.journal.keep_budget(state.bytes())?;
        self.schedule.was_kept();
        Ok(())
    }

    /// The same before something is spent, also in a full journal: nothing would ever be sent, and it would stay full.
    #[inline(never)]
    fn keep_before_spending(&mut self) -> Result<(), JournalError> {
        let Err(error) = self.keep_budget() else { return Ok(()) };
        let Some(state) = self.schedule.to_keep_at_worst() else { return Ok(()) };
        if error != JournalError::Full {
            return Err(error);
        }
        self.journal.keep_last_budget(state.bytes())?;
        self.schedule.was_kept_at_worst();
        Ok(())
    }

    /// Tells the schedule what the device worked since it was last told.
    pub(super) fn account(&mut self) {
        let work = Work { signatures: core::mem::take(&mut self.signed), flash: self.journal.flash_work() };
        if work != Work::default() {
            self.schedule.worked(self.clock.now(), work);
        }
    }

    /// Sees to it that the link has numbers for this exchange, durably reserved.
    #[inline(never)]
    fn grant(&mut self) -> Result<(), LinkError> {
        /// An exchange takes one number, and one more after an Echo challenge.
        const NUMBERS_PER_EXCHANGE: u64 = 2;
        if self.link.granted() >= NUMBERS_PER_EXCHANGE {
            return Ok(());
        }
        let block = self.settings.sender_sequence_block.max(NUMBERS_PER_EXCHANGE);
        let numbers = self.journal.reserve_sender_sequence(block).map_err(|_| LinkError::SequenceExhausted)?;
        self.link.grant(numbers);
        Ok(())
    }

    /// Writes the uplink of a signed batch into the uplink buffer and returns its length. When records rotted since the batch was
    /// sealed, it goes without data, and a record says which. A batch that the relay has goes without data too.
    #[inline(never)]
    fn compose(
        &mut self,
        batch: BatchNumber,
        signature: Signature,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, WireError> {
        let sealed = self.journal.batch(batch).map_err(|_| WireError::OutOfRange)?;
        let with_data = sealed.with_data && sealed.state < BatchState::Stored;
        let rotten = if with_data { self.rotten_since_sealed(&sealed)? } else { None };
        let key = self.settings.blind_secret.batch_key(sealed.anchor.stream, batch.0);
        // A root that does not match would be a loss, and a key that is none would go up.
        if self.hash_failed() {
            return Err(WireError::OutOfRange);
        }
        if let Some(range) = rotten {
            self.tell_loss(batch, &range, on_event);
        }
        if !with_data || rotten.is_some() {
            let uplink = Uplink { anchor: sealed.anchor, signature, data: None };
            return uplink.encode(&mut self.uplink);
        }
        let Self { journal, payload, uplink, .. } = self;
        let mut counted = BitCount::default();
        pack(journal, &sealed, payload, &mut counted)?;
        let length = usize::try_from(counted.bytes()).map_err(|_| WireError::BufferTooSmall)?;
        Uplink::encode_with_records(&sealed.anchor, &signature, &key, length, uplink, |records| {
            pack(journal, &sealed, payload, &mut BitWriter::new(records))
        })
    }

    #[inline(never)]
    pub(super) fn drive_exchange(&mut self, on_event: &mut dyn FnMut(Event)) {
        let Some(batch) = self.exchange else { return };
        let now = self.clock.now();
        let Ok(Outcome { downlink, cost }) = self.link.poll(now) else { return };
        let downlink = downlink.and_then(|bytes| Downlink::decode(bytes).map_err(|_| LinkError::Unusable));
        self.exchange = None;
        self.totals.add_cost(&cost);
        let result = downlink.and_then(|downlink| self.apply(batch, &downlink, on_event));
        if let Err(error) = result {
            self.link_failed(error, on_event);
        }
        if let Some(timers) = self.link.psm_timers() {
            self.schedule.timers(now, timers);
        }
        self.schedule.exchange_ended(now, result, &cost);
    }

    /// Moves the journal as far as a verified downlink says, if it answers the uplink about `batch`.
    #[inline(never)]
    fn apply(
        &mut self,
        batch: BatchNumber,
        downlink: &Downlink,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), LinkError> {
        let sealed = self.journal.batch(batch).map_err(|_| LinkError::Unusable)?;
        let ours = downlink.stream == sealed.anchor.stream
            && downlink.batch == batch
            && downlink.commitment == sealed.anchor.commitment().prefix();
        let later = |through: Option<BatchNumber>| through.is_some_and(|through| through > batch);
        if !ours || later(downlink.final_through) || later(downlink.hints.included_through) {
            return Err(LinkError::Unusable);
        }
        self.advance_through(Some(batch), BatchState::Stored, on_event);
        self.note_what_waits();
        let at_level = |level| (downlink.level >= level).then_some(batch);
        let finalised = downlink.final_through.max(at_level(Level::Final));
        // What is final is included; a relay need not say both.
        let included = downlink.hints.included_through.max(at_level(Level::Included)).max(finalised);
        self.advance_through(included, BatchState::Included, on_event);
        self.advance_through(finalised, BatchState::Final, on_event);
        self.prune();
        if let Some(unix_ms) = downlink.hints.unix_ms {
            self.hear_relay_clock(unix_ms, downlink.hints.block_hash, on_event);
        }
        Ok(())
    }

    /// The state from which on a batch's records may be given up.
    pub(super) const fn may_go_at(&self) -> BatchState {
        match self.settings.prune_at {
            Level::Stored => BatchState::Stored,
            Level::Included => BatchState::Included,
            Level::Final => BatchState::Final,
        }
    }

    /// Gives up what has come as far as the settings ask, before it is final: what is final the journal gives up by itself. What
    /// there is no room to say now is said after the next exchange.
    #[inline(never)]
    pub(super) fn prune(&mut self) {
        let state = self.may_go_at();
        if state == BatchState::Final {
            return;
        }
        let through = self.journal.through(state).and_then(|through| self.may_go_up_to(through, BatchState::Final));
        if through.is_some_and(|through| self.journal.prune(through) == Ok(true)) {
            self.starved = false;
        }
    }

    /// What is final may be given up; the rotation's batch must not be before the next key is adopted, for it says whose turn it is.
    fn may_go_up_to(&self, through: BatchNumber, state: BatchState) -> Option<BatchNumber> {
        if state != BatchState::Final || !self.waits_for_next_key() {
            return Some(through);
        }
        self.journal.batches().end.0.checked_sub(2).map(|last| through.min(BatchNumber(last)))
    }

    /// Moves all batches up to `through` to `state`, and tells of each that was not there yet.
    fn advance_through(&mut self, through: Option<BatchNumber>, state: BatchState, on_event: &mut dyn FnMut(Event)) {
        let Some(through) = through.and_then(|through| self.may_go_up_to(through, state)) else { return };
        let first = next_after(self.journal.through(state));
        if first > through || self.journal.advance(through, state).is_err() {
            return;
        }
        self.starved &= state != BatchState::Final;
        self.totals.note_level(through, state);
        for batch in (first.0..=through.0).map(BatchNumber) {
            on_event(match state {
                BatchState::Included => Event::Included { batch },
                BatchState::Final => Event::Final { batch },
                _ => Event::Stored { batch },
            });
        }
    }
}

/// Packs a batch's records into `sink`.
#[inline(never)]
fn pack(
    journal: &mut impl Journal,
    sealed: &SealedBatch,
    payload: &mut [u8],
    sink: &mut dyn BitSink,
) -> Result<(), WireError> {
    let mut encoder = Encoder::new(sink);
    let first = sealed.anchor.first_seq.0;
    for seq in first..first.saturating_add(u64::from(sealed.anchor.count)) {
        let entry = journal.read(SequenceNumber(seq), payload).map_err(|_| WireError::OutOfRange)?;
        encoder.push(&entry)?;
    }
    Ok(())
}
