// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges one uplink of one device: whether the device's key signed it, whether it continues its stream, whether its data is what
//! was signed. What passes is stored before the answer is made. Called by the relay's server with a verified payload; asks no
//! ledger, so a device gets its "stored" while every node is down.

use cairn::{
    batch::{Anchor, BATCH_DEPTH, BatchNumber, Commitment, DeploymentId, relay_leaf},
    identity::Identity,
    merkle::TreeHasher,
    record::{BatchKey, Entry, Kind, PAYLOAD_LIMIT},
    signer::{Digest, Signature},
    uplink::{Data, Downlink, Hints, Level, Uplink, delta},
};
use cairn_evidence::{signature, signature::SignatureError, verify::contradiction};

use super::{
    UnixMs,
    rotation::{self, NotTaken},
    store::{
        Store, StoreError,
        anchors::{NewAnchor, StoredAnchor},
        devices::Device,
    },
};
use crate::deployment::EndorsementPolicy;

/// Why an uplink is refused. What the device is told is [`Rejection::coap_code`]; the rest is for the relay's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not an uplink, or data that does not decode.
    #[error("malformed uplink")]
    Malformed,
    /// The deployment requires an endorsement, and the device has none.
    #[error("the device is not endorsed")]
    Unendorsed,
    /// The registry does not have the device's key.
    #[error("the device's key is not registered")]
    Unregistered,
    /// The registry has the device's key as revoked.
    #[error("the device's key is revoked")]
    Revoked,
    /// The signature is not the key's, or not in low-S form.
    #[error("{0}")]
    Signature(SignatureError),
    /// Something new by a key that the device rotated away from.
    #[error("signed by a key that the device has rotated away from")]
    RetiredKey,
    /// What ends a key is no rotation of the device.
    #[error("the rotation is not taken: {0}")]
    Rotation(NotTaken),
    /// The anchor contradicts itself.
    #[error("the anchor contradicts itself: {0}")]
    Contradiction(&'static str),
    /// It does not follow the stream's last batch.
    #[error("the anchor does not follow the stream's last batch: {0}")]
    Chain(Break),
    /// The data's leaves do not hash to the anchor's root.
    #[error("the data does not hash to the anchor's root")]
    DataOfOtherRoot,
    /// The stream's identity record names another device or key.
    #[error("the identity record names another device or key")]
    OtherIdentity,
    /// Another commitment of the same device, stream and batch is kept.
    #[error("equivocation: another commitment of batch {} is kept: {}", batch.0, hex::encode(kept.0))]
    Equivocation {
        /// The batch.
        batch: BatchNumber,
        /// The commitment that came first.
        kept: Commitment,
    },
}

/// How an anchor does not follow the stream's last batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// A batch before it never came.
    #[error("a batch before it is missing")]
    Gap,
    /// `prev` is not the last batch's commitment.
    #[error("prev names another batch")]
    Prev,
    /// Its first record does not follow the last batch's last.
    #[error("its first record does not follow the last")]
    FirstRecord,
}

impl Rejection {
    /// The response code (docs/architecture.md, "CoAP and OSCORE").
    #[must_use]
    pub const fn coap_code(&self) -> cairn_coap::message::Code {
        use cairn_coap::message::Code;
        match self {
            Self::Malformed => Code::BAD_REQUEST,
            Self::Unendorsed | Self::Unregistered | Self::Revoked => Code::FORBIDDEN,
            Self::Equivocation { .. } => Code::CONFLICT,
            Self::Signature(_)
            | Self::RetiredKey
            | Self::Rotation(_)
            | Self::Contradiction(_)
            | Self::Chain(_)
            | Self::DataOfOtherRoot
            | Self::OtherIdentity => Code::UNPROCESSABLE_ENTITY,
        }
    }
}

/// What came of one uplink.
#[derive(Debug)]
pub enum IntakeError {
    /// The uplink is refused, for good.
    Rejected(Rejection),
    /// The relay could not store it: the device tries again later.
    Store(StoreError),
}

impl From<StoreError> for IntakeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Rejection> for IntakeError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// What the relay adds to a downlink of its own knowledge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Hash of a recent block, when devices are to be told one.
    pub block_hash: Option<[u8; 32]>,
}

/// What a relay goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The deployment it serves.
    pub deployment: DeploymentId,
    /// Whether devices have to be endorsed.
    pub endorsement: EndorsementPolicy,
}

/// Takes one uplink of `device`, seen under its present key; when this returns a downlink, the anchor is durable.
///
/// # Errors
/// [`IntakeError`].
pub fn take(
    store: &mut Store,
    rules: &Rules,
    device: &Device,
    uplink: &[u8],
    offer: &Offer,
    now: UnixMs,
) -> Result<Downlink, IntakeError> {
    let read = Uplink::decode(uplink).map_err(|_| Rejection::Malformed)?;
    if rules.endorsement == EndorsementPolicy::Required && !store.is_endorsed(device.key_id())? {
        return Err(Rejection::Unendorsed.into());
    }
    check_registered(device)?;
    let anchor = &read.anchor;
    let commitment = anchor.commitment();
    let digest = commitment.digest(&rules.deployment);
    let signer = signer(store, device, &digest, &read.signature)?;
    match store.batch(device.id, anchor.stream, anchor.batch)? {
        Some(kept) if kept.commitment == commitment => complete(store, &kept, &read, uplink)?,
        Some(kept) => return Err(equivocation(store, &kept, commitment, anchor, uplink, now)),
        None if signer.place != device.place => return Err(Rejection::RetiredKey.into()),
        None => add(store, device, &read, &digest, uplink, now)?,
    }
    Ok(downlink(store, device, anchor, commitment, offer, now)?)
}

/// The device under the key that signed: its present one or, for what it repeats, an earlier one.
fn signer(store: &Store, device: &Device, digest: &Digest, signature: &Signature) -> Result<Device, IntakeError> {
    let Err(error) = signature::check(&device.key, digest, signature) else { return Ok(device.clone()) };
    let earlier = if device.place > 0 { store.keys_of(device.id)? } else { Vec::new() };
    let signer = earlier.into_iter().rev().find(|earlier| signature::check(&earlier.key, digest, signature).is_ok());
    signer.ok_or_else(|| Rejection::Signature(error).into())
}

/// Keeps an anchor that is new, and the key that it announces.
fn add(
    store: &mut Store,
    device: &Device,
    read: &Uplink<'_>,
    digest: &Digest,
    uplink: &[u8],
    now: UnixMs,
) -> Result<(), IntakeError> {
    let (anchor, key) = (&read.anchor, device.key_id());
    check_chain(store, device, anchor)?;
    let kinds = check_data(device, read)?;
    let next = rotation::announced(store, device, read, kinds.as_deref())?;
    let leaf = relay_leaf(device.key.alg, &key, digest, &read.signature);
    let new = NewAnchor { key, anchor: *anchor, leaf, kinds, uplink };
    match &next {
        None => store.add_anchor(&new, now)?,
        Some(next) => store.add_rotation(&new, next, now)?,
    }
    tracing::info!(
        key = %hex::encode(key.0), stream = anchor.stream.0, batch = anchor.batch.0, records = anchor.count,
        data = read.data.is_some(), "stored"
    );
    if let Some(next) = next {
        tracing::info!(
            device = %hex::encode(device.id.0), from = %hex::encode(key.0), to = %hex::encode(next.key.key_id().0),
            "the device has another key; `cairn provision rotate` registers it"
        );
    }
    Ok(())
}

/// A first key that the registry was never asked about counts as registered: whoever provisioned the device put it
/// here. So does a later one that the registry does not have yet: the key before announced it, and the device cannot
/// wait for the owner. Anchors are posted only of keys that the registry has.
fn check_registered(device: &Device) -> Result<(), Rejection> {
    match device.status {
        status if status.revoked_at != 0 => Err(Rejection::Revoked),
        status if status.registered_at == 0 && device.checked_ms.is_some() && device.place == 0 => {
            Err(Rejection::Unregistered)
        }
        _ => Ok(()),
    }
}

fn equivocation(
    store: &mut Store,
    kept: &StoredAnchor,
    other: Commitment,
    anchor: &Anchor,
    uplink: &[u8],
    now: UnixMs,
) -> IntakeError {
    match store.add_equivocation(kept.commitment, other, uplink, now) {
        Ok(new) => {
            if new {
                tracing::error!(
                    key = %hex::encode(kept.key.0), stream = anchor.stream.0, batch = anchor.batch.0,
                    kept = %hex::encode(kept.commitment.0), other = %hex::encode(other.0),
                    "equivocation: one device signed two anchors for one batch; both are kept, see `cairn relay report`"
                );
            }
            Rejection::Equivocation { batch: anchor.batch, kept: kept.commitment }.into()
        }
        Err(error) => error.into(),
    }
}

/// A repetition changes nothing, except that it may bring the data that an earlier one did not. The leaf is of the
/// first signature: what comes with another one is not kept in its place.
fn complete(store: &mut Store, kept: &StoredAnchor, read: &Uplink<'_>, uplink: &[u8]) -> Result<(), IntakeError> {
    if kept.kinds.is_some() || kept.read()?.signature != read.signature {
        return Ok(());
    }
    let signer = store.device_by_key(kept.key)?.ok_or(StoreError::Damaged("anchor's key"))?;
    if let Some(kinds) = check_data(&signer, read)? {
        store.add_data(kept.commitment, &kinds, uplink)?;
    }
    Ok(())
}

fn check_chain(store: &Store, device: &Device, anchor: &Anchor) -> Result<(), IntakeError> {
    if let Some(contradiction) = contradiction(anchor) {
        return Err(Rejection::Contradiction(contradiction).into());
    }
    let Some(before) = anchor.batch.0.checked_sub(1) else { return Ok(()) };
    let before = store.batch(device.id, anchor.stream, BatchNumber(before))?;
    let Some(before) = before else { return Err(Rejection::Chain(Break::Gap).into()) };
    if anchor.prev != before.commitment {
        return Err(Rejection::Chain(Break::Prev).into());
    }
    if before.read()?.anchor.end() != Some(anchor.first_seq) {
        return Err(Rejection::Chain(Break::FirstRecord).into());
    }
    Ok(())
}

/// Checks that the data is what was signed; gives the kinds of its records, or `None` when the relay cannot read it.
fn check_data(device: &Device, read: &Uplink<'_>) -> Result<Option<Vec<Kind>>, Rejection> {
    let Some(Data::Records { records, key }) = &read.data else { return Ok(None) };
    let anchor = &read.anchor;
    let mut kinds = Vec::new();
    let mut tree = TreeHasher::<BATCH_DEPTH>::new();
    for_each_entry(anchor, records, key, |entry, leaf| {
        if let Entry::Record(record) = entry {
            if record.seq.0 == 0 && !is_identity_of(device, record.kind, record.payload) {
                return Err(Rejection::OtherIdentity);
            }
            if !kinds.contains(&record.kind) {
                kinds.push(record.kind);
            }
        }
        tree.push(leaf).map_err(|_| Rejection::Malformed)
    })?;
    if tree.root() == anchor.root { Ok(Some(kinds)) } else { Err(Rejection::DataOfOtherRoot) }
}

fn is_identity_of(device: &Device, kind: Kind, payload: &[u8]) -> bool {
    kind == Kind::IDENTITY
        && Identity::from_payload(payload).is_ok_and(|identity| {
            identity.device_id == device.id
                && identity.alg == device.key.alg
                && identity.public_key == device.key.compressed()
        })
}

/// Decodes the data of a batch, entry by entry, each with its leaf.
///
/// # Errors
/// [`Rejection::Malformed`] when it does not decode; what `each` returns.
pub fn for_each_entry(
    anchor: &Anchor,
    records: &[u8],
    key: &BatchKey,
    mut each: impl FnMut(&Entry<'_>, cairn::merkle::Hash) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let mut decoder = delta::Decoder::new(records, anchor.first_seq, anchor.count);
    let mut buffer = [0; PAYLOAD_LIMIT];
    while let Some(entry) = decoder.next(&mut buffer).map_err(|_| Rejection::Malformed)? {
        each(&entry, entry.leaf(key))?;
    }
    Ok(())
}

/// Nothing is said of batches after the one asked about: a device that asks about an old one would not believe it. The hint of
/// what is included is left out when it says no more than what is final.
fn downlink(
    store: &Store,
    device: &Device,
    anchor: &Anchor,
    commitment: Commitment,
    offer: &Offer,
    now: UnixMs,
) -> Result<Downlink, StoreError> {
    let progress = store.progress(device.id, anchor.stream)?;
    let until_this = |through: Option<BatchNumber>| through.map(|through| through.min(anchor.batch));
    let (included, finalised) = (until_this(progress.included_through), until_this(progress.final_through));
    Ok(Downlink {
        level: store.level(commitment)?.unwrap_or(Level::Stored),
        stream: anchor.stream,
        batch: anchor.batch,
        commitment: commitment.prefix(),
        final_through: finalised,
        hints: Hints {
            included_through: included.filter(|_| included > finalised),
            unix_ms: Some(now),
            block_hash: offer.block_hash,
        },
    })
}
