// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Brings stored anchors onto a ledger: gathers what waits into postings, gives each a nonce, journals every transaction before it
//! is sent, and follows it until its block is deep enough. A round is [`Anchoring::advance`]; it is told the time, and whatever it
//! needs to remember over a restart is in the store. A ledger that does not answer only makes it come back later.
//!
//! What is held in memory is only about patience: when to ask again, when something was last sent.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use cairn::{batch::DeploymentId, signer::KeyId};

use super::{
    UnixMs,
    backoff::Steps,
    gather::{self, Mode},
    store::{
        Store, StoreError,
        postings::{Posting, PostingState, Sent},
    },
};
use crate::chain::{B256, Block, ChainError, Event, KeyStatus, Ledger, Payload, Receipt, Refusal};

/// How the relay puts anchors on the ledger.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The deployment.
    pub deployment: DeploymentId,
    /// By root or, where allowed, directly.
    pub mode: Mode,
    /// Blocks that must stand upon a posting's block before it is final.
    pub finality_depth: u64,
    /// Milliseconds from one gathering to the next.
    pub batch_interval_ms: u64,
    /// Milliseconds from one round to the next while the ledger answers.
    pub round_ms: u64,
    /// A transaction that is not included is sent again after so many milliseconds,
    pub resend_ms: u64,
    /// and with higher fees after so many since it was signed.
    pub raise_fees_ms: u64,
    /// The most a unit of gas may ever cost, wei.
    pub fee_ceiling: u128,
    /// The registry's word on a key is asked for again after so many milliseconds.
    pub key_check_ms: u64,
    /// Waits after failures.
    pub retry: Steps,
}

/// Rounds in a row in which a nonce was used by nobody we know, before the posting takes another.
const NONCE_LOST_ROUNDS: u32 = 3;

/// Keys the registry is asked about in one round, apart from those of anchors that wait.
const KEYS_PER_ROUND: u32 = 32;

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// The relay's hand on a ledger.
#[derive(Debug)]
pub struct Anchoring<L> {
    ledger: L,
    settings: Settings,
    random: u64,
    failures: u32,
    next_ms: UnixMs,
    head: Option<Block>,
    last_sent: HashMap<B256, UnixMs>,
    nonce_lost: HashMap<i64, u32>,
}

impl<L: Ledger> Anchoring<L> {
    /// A hand on `ledger`; `seed` is random, for the jitter of retries.
    pub fn new(ledger: L, settings: Settings, seed: u64) -> Self {
        Self {
            ledger,
            settings,
            random: seed,
            failures: 0,
            next_ms: 0,
            head: None,
            last_sent: HashMap::new(),
            nonce_lost: HashMap::new(),
        }
    }

    /// The best block of the last round that got an answer.
    #[must_use]
    pub const fn head(&self) -> Option<Block> {
        self.head
    }

    /// How many rounds in a row got no answer.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Does a round, unless it is too early for one; says when to come back. It never fails: what goes wrong is logged, and tried
    /// again later.
    pub async fn advance(&mut self, store: &Mutex<Store>, now: UnixMs) -> UnixMs {
        let longest = self.settings.round_ms.max(self.settings.retry.most_ms + 1);
        if is_early(now, self.next_ms, longest) {
            return self.next_ms;
        }
        self.next_ms = match self.round(store, now).await {
            Ok(()) => {
                if self.failures > 0 {
                    tracing::info!(failures = self.failures, "the ledger answers again");
                }
                self.failures = 0;
                now + self.settings.round_ms
            }
            Err(error) => {
                self.failures += 1;
                let random = self.next_random();
                let next = self.settings.retry.retry_at(now, self.failures, random);
                tracing::warn!(%error, failures = self.failures, again_in_ms = next - now, "anchoring waits");
                next
            }
        };
        self.next_ms
    }

    /// SplitMix64: jitter needs spread, not secrecy.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    async fn round(&mut self, store: &Mutex<Store>, now: UnixMs) -> Result<(), RoundError> {
        let head = self.ledger.head().await?;
        self.head = Some(head);
        let unsettled = locked(store).unsettled()?;
        for posting in unsettled {
            self.follow(store, &posting, head, now).await?;
        }
        self.check_keys(store, now).await?;
        self.gather(store, now).await?;
        let unsettled = locked(store).unsettled()?;
        for posting in unsettled {
            let early = is_early(now, posting.retry_ms, self.settings.retry.most_ms + 1);
            if posting.state == PostingState::Open && !early {
                self.push(store, &posting, now).await?;
            }
        }
        Ok(())
    }

    /// Asks what became of a posting: included, deeper, removed by a reorg, or included without effect.
    async fn follow(
        &mut self,
        store: &Mutex<Store>,
        posting: &Posting,
        head: Block,
        now: UnixMs,
    ) -> Result<(), RoundError> {
        let sent = locked(store).sent(posting.id)?;
        let mut without_effect = false;
        for sent in &sent {
            let Some(receipt) = self.ledger.receipt(sent.transaction.hash).await? else { continue };
            let place = (receipt.transaction, receipt.block.hash);
            let known = posting.place.is_some_and(|known| (known.transaction, known.block_hash) == place);
            if known || self.carries(store, &receipt, posting)? {
                return self.found(store, posting, &receipt, head);
            }
            without_effect |= Some(sent.nonce) == posting.nonce;
        }
        if without_effect {
            let random = self.next_random();
            let retry = self.settings.retry.retry_at(now, posting.attempts + 1, random);
            tracing::error!(
                posting = posting.id,
                again_in_ms = retry - now,
                "a transaction was included without effect: is this account a relay of the contract?"
            );
            locked(store).note_without_effect(posting.id, retry)?;
        }
        if posting.state == PostingState::Included {
            tracing::warn!(posting = posting.id, "a reorg removed a posting; it is sent again");
            self.last_sent.retain(|hash, _| sent.iter().all(|sent| sent.transaction.hash != *hash));
            locked(store).note_removed(posting.id)?;
        }
        Ok(())
    }

    /// Whether the contract said in this transaction what the posting is about, all of it.
    fn carries(&self, store: &Mutex<Store>, receipt: &Receipt, posting: &Posting) -> Result<bool, StoreError> {
        if !receipt.succeeded {
            return Ok(false);
        }
        let contract = self.ledger.contract();
        let said: HashSet<Event> =
            receipt.logs.iter().filter(|log| log.emitter == contract).map(|log| log.event).collect();
        Ok(match &posting.payload {
            Payload::Root(root) => said.contains(&Event::RootPosted(*root)),
            Payload::Anchors(_) => {
                let members = locked(store).members(posting.id)?;
                members.into_iter().all(|(key, commitment)| said.contains(&Event::Anchored { key, commitment }))
            }
        })
    }

    fn found(
        &mut self,
        store: &Mutex<Store>,
        posting: &Posting,
        receipt: &Receipt,
        head: Block,
    ) -> Result<(), RoundError> {
        let block = receipt.block;
        let place = posting.place.map(|place| (place.transaction, place.block_hash));
        if posting.state == PostingState::Open || place != Some((receipt.transaction, block.hash)) {
            locked(store).note_included(posting.id, receipt.transaction, &block)?;
            tracing::info!(
                posting = posting.id, anchors = posting.members, block = block.number,
                transaction = %receipt.transaction, gas = receipt.gas_used, "included"
            );
        }
        if head.finalises(block.number, self.settings.finality_depth) {
            locked(store).note_final(posting.id)?;
            tracing::info!(posting = posting.id, block = block.number, "final");
        }
        self.nonce_lost.remove(&posting.id);
        self.last_sent.remove(&receipt.transaction);
        Ok(())
    }

    /// Asks the registry about keys it was not asked about for long.
    async fn check_keys(&mut self, store: &Mutex<Store>, now: UnixMs) -> Result<(), RoundError> {
        let before = now.saturating_sub(self.settings.key_check_ms);
        let keys = locked(store).keys_to_check(before, KEYS_PER_ROUND)?;
        for key in keys {
            self.ask_registry(store, key, now).await?;
        }
        Ok(())
    }

    async fn ask_registry(&self, store: &Mutex<Store>, key: KeyId, now: UnixMs) -> Result<KeyStatus, RoundError> {
        let status = self.ledger.key_status(key).await?;
        locked(store).note_key_status(key, status, now)?;
        Ok(status)
    }

    /// Gathers what waits into postings, when it is time and nothing is on its way.
    async fn gather(&mut self, store: &Mutex<Store>, now: UnixMs) -> Result<(), RoundError> {
        let (open, last) = {
            let store = locked(store);
            (store.unsettled()?.iter().any(|posting| posting.state == PostingState::Open), store.last_posting_ms()?)
        };
        let interval = self.settings.batch_interval_ms;
        if open || last.is_some_and(|last| is_early(now, last.saturating_add(interval), interval)) {
            return Ok(());
        }
        let waiting = locked(store).waiting(super::tree::LEAVES_LIMIT)?;
        let mut good = Vec::new();
        let mut standing: HashMap<KeyId, bool> = HashMap::new();
        for anchor in waiting {
            let known = standing.get(&anchor.key).copied();
            let is_good = match known {
                Some(is_good) => is_good,
                None => self.is_good(store, anchor.key, now).await?,
            };
            standing.insert(anchor.key, is_good);
            if is_good {
                good.push(anchor);
            }
        }
        let postings = gather::postings(&self.settings.mode, &self.settings.deployment, &locked(store), good)?;
        for (payload, members) in postings {
            let id = locked(store).add_posting(&payload, &members, now)?;
            tracing::info!(
                posting = id,
                anchors = members.len(),
                direct = matches!(payload, Payload::Anchors(_)),
                "gathered"
            );
        }
        Ok(())
    }

    /// Whether a key's anchors may be posted: registered and not revoked, by the registry's own and recent word.
    async fn is_good(&self, store: &Mutex<Store>, key: KeyId, now: UnixMs) -> Result<bool, RoundError> {
        let device = locked(store).device_by_key(key)?.ok_or(StoreError::Damaged("anchor's key"))?;
        let fresh = device.checked_ms.is_some_and(|asked| now < asked.saturating_add(self.settings.key_check_ms));
        let status = if fresh { device.status } else { self.ask_registry(store, key, now).await? };
        let good = status.registered_at != 0 && status.revoked_at == 0;
        if !good {
            tracing::warn!(key = %hex::encode(key.0), "anchors of a key that is unregistered or revoked are not posted");
        }
        Ok(good)
    }

    /// Sends a posting's transaction, sends it again, or raises its fees.
    async fn push(&mut self, store: &Mutex<Store>, posting: &Posting, now: UnixMs) -> Result<(), RoundError> {
        let nonce = match posting.nonce {
            Some(nonce) => nonce,
            None => self.take_nonce(store, posting).await?,
        };
        let sent = locked(store).sent(posting.id)?;
        let last = sent.into_iter().find(|sent| sent.nonce == nonce);
        let outcome = match self.next_transaction(store, posting, nonce, last, now).await {
            Ok(Some(sent)) => {
                self.last_sent.insert(sent.transaction.hash, now);
                self.ledger.send(&sent.transaction).await
            }
            Ok(None) => return Ok(()),
            Err(RoundError::Chain(error)) => Err(error),
            Err(error) => return Err(error),
        };
        self.judge(store, posting, outcome, now)
    }

    /// The lowest nonce that neither the chain nor another posting has.
    async fn take_nonce(&self, store: &Mutex<Store>, posting: &Posting) -> Result<u64, RoundError> {
        let mut nonce = self.ledger.next_nonce().await?;
        let mut store = locked(store);
        let taken: Vec<_> = store.unsettled()?.iter().filter_map(|other| other.nonce).collect();
        while taken.contains(&nonce) {
            nonce += 1;
        }
        store.set_nonce(posting.id, Some(nonce))?;
        Ok(nonce)
    }

    /// The transaction to send now, journaled; `None` when the last one is to be left alone for a while.
    async fn next_transaction(
        &self,
        store: &Mutex<Store>,
        posting: &Posting,
        nonce: u64,
        last: Option<Sent>,
        now: UnixMs,
    ) -> Result<Option<Sent>, RoundError> {
        let ceiling = self.settings.fee_ceiling;
        let fees = match &last {
            None => {
                // Costs nothing, and says why the contract would refuse.
                self.ledger.simulate(&posting.payload).await?;
                Some(self.ledger.market_fees().await?.at_most(ceiling))
            }
            Some(last) if now >= last.signed_ms.saturating_add(self.settings.raise_fees_ms) => {
                last.fees.raised(self.ledger.market_fees().await?, ceiling)
            }
            Some(_) => None,
        };
        let Some(fees) = fees else {
            let quiet = |last: &Sent| {
                let sent = self.last_sent.get(&last.transaction.hash);
                sent.is_some_and(|sent| now < sent.saturating_add(self.settings.resend_ms))
            };
            return Ok(last.filter(|last| !quiet(last)));
        };
        let transaction = self.ledger.prepare(&posting.payload, nonce, fees)?;
        let sent = Sent { transaction, nonce, fees, signed_ms: now };
        locked(store).add_sent(posting.id, &sent)?;
        tracing::debug!(posting = posting.id, nonce, transaction = %sent.transaction.hash, "sending");
        Ok(Some(sent))
    }

    /// What a node's answer means for a posting. Only a node that does not answer ends the round.
    fn judge(
        &mut self,
        store: &Mutex<Store>,
        posting: &Posting,
        outcome: Result<(), ChainError>,
        now: UnixMs,
    ) -> Result<(), RoundError> {
        match outcome {
            Ok(()) => {
                self.nonce_lost.remove(&posting.id);
            }
            Err(ChainError::Refused(Refusal::NonceUsed)) => {
                let rounds = self.nonce_lost.entry(posting.id).or_default();
                *rounds += 1;
                if *rounds >= NONCE_LOST_ROUNDS {
                    tracing::warn!(posting = posting.id, "somebody else used this account's nonce; taking another");
                    self.nonce_lost.remove(&posting.id);
                    locked(store).set_nonce(posting.id, None)?;
                }
            }
            Err(ChainError::Refused(Refusal::Underpriced | Refusal::FeesTooLow)) => {
                tracing::warn!(posting = posting.id, "the node wants higher fees; they are raised in time");
            }
            Err(error @ (ChainError::Refused(_) | ChainError::Reverted(_))) => {
                let retry = now + self.settings.retry.most_ms;
                tracing::error!(posting = posting.id, %error, again_in_ms = retry - now, "not sent");
                locked(store).put_off(posting.id, retry)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Whether it is too early for what is due at `due_ms`. What is due later than anything is ever put off was put off before the
/// clock was set back: it is due now.
const fn is_early(now: UnixMs, due_ms: UnixMs, longest_ms: u64) -> bool {
    now < due_ms && due_ms - now <= longest_ms
}

/// The store, for as long as no call to the ledger is awaited. A panic elsewhere leaves a consistent database: every method is
/// one transaction.
pub fn locked(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
