// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a journal's entry says, as names and values: text and JSON are made of the same ones. Called by the dump.

use cairn::{
    batch::Anchor,
    firmware::Firmware,
    identity::Identity,
    journal::{
        BatchState,
        cell::{Intent, Spending},
        entry::{Item, Reclaim, Run},
    },
    record::{Kind, LossReason, Priority},
    rotation::RotationFields,
    time::{TimeQuality, WallTime},
};
use minicbor::{Decoder, data::Type};
use serde_json::{Value, json};

use super::super::show;

/// Names and values, in the order they are shown.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Numbers of 64 bits are strings: not everything that reads JSON keeps them whole.
pub(super) fn wide(number: u64) -> Value {
    json!(number.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> Value {
    json!(format!("0x{}", hex::encode(bytes)))
}

/// What an entry is called, and what it says. `payload` is a record's.
pub(super) fn fields(seq: u64, item: &Item, payload: &[u8]) -> (&'static str, Fields) {
    match item {
        Item::Record { kind, priority, time, .. } => ("record", record(seq, *kind, *priority, time, payload)),
        Item::Seal { anchor, with_data } => ("seal", seal(anchor, *with_data)),
        Item::Signature { anchor, with_data, signature } => {
            let mut fields = seal(anchor, *with_data);
            fields.push(("signature", hex(&signature.0)));
            ("signature", fields)
        }
        Item::Level { state, through, reclaim } => {
            let mut fields = vec![("state", json!(state_name(*state))), ("throughBatch", json!(through.0))];
            if *state == BatchState::Final {
                fields.extend(may_go(reclaim));
            }
            ("level", fields)
        }
        Item::Release { through, reclaim } => {
            let mut fields = vec![("throughBatch", json!(through.0))];
            fields.extend(may_go(reclaim));
            ("release", fields)
        }
        Item::SenderSequence { end } => ("sender sequence", vec![("reservedBelow", wide(*end))]),
        Item::Spending(spending) => ("spending", spending_fields(spending.as_ref())),
        Item::Budget(budget) => ("budget", vec![("state", hex(budget.bytes()))]),
        Item::Moving { generation, unsealed } => {
            ("move", vec![("generation", json!(generation)), ("firstUnsealed", wide(*unsealed))])
        }
        Item::Moved { before } => ("moved", vec![("beforeGeneration", json!(before))]),
        Item::Run(Run { first, base_ms }) => ("run", vec![("first", wide(*first)), ("timesFrom", wide(*base_ms))]),
        Item::Copy { kind, priority, time, .. } => ("copy", record(seq, *kind, *priority, time, payload)),
        Item::Displaced { count } => ("displaced", vec![("seq", wide(seq)), ("count", json!(count))]),
        Item::Lost { seq, reason } => ("loss", vec![("seq", wide(seq.0)), ("reason", json!(reason_name(*reason)))]),
    }
}

fn record(seq: u64, kind: Kind, priority: Priority, time: &WallTime, payload: &[u8]) -> Fields {
    let mut fields = vec![
        ("seq", wide(seq)),
        ("time", json!(time_of(time))),
        ("quality", json!(quality_name(time.quality))),
        ("kind", json!(kind.0)),
        ("kindName", json!(kind.name().unwrap_or("unknown"))),
        ("priority", json!(priority_name(priority))),
        ("payload", hex(payload)),
    ];
    if let Some(says) = own(kind, payload) {
        fields.push(("says", json!(says)));
    }
    fields
}

fn seal(anchor: &Anchor, with_data: bool) -> Fields {
    vec![
        ("batch", json!(anchor.batch.0)),
        ("firstSeq", wide(anchor.first_seq.0)),
        ("count", json!(anchor.count)),
        ("sealed", json!(show::sealed(anchor))),
        ("flags", json!(anchor.flags.0)),
        ("withData", json!(with_data)),
        ("root", hex(&anchor.root.0)),
        ("prev", hex(&anchor.prev.0)),
        ("commitment", hex(&anchor.commitment().0)),
    ]
}

fn may_go(reclaim: &Reclaim) -> Fields {
    vec![("mayGoBeforeBatch", json!(reclaim.batch)), ("mayGoBeforeSeq", wide(reclaim.seq))]
}

fn spending_fields(spending: Option<&Spending>) -> Fields {
    let Some(spending) = spending else { return vec![("nextNonce", json!("rotten"))] };
    let mut fields = vec![("nextNonce", wide(spending.next_nonce))];
    if let Some(Intent { nonce, digest, fee }) = &spending.pending {
        fields.extend([("pending", wide(*nonce)), ("digest", hex(&digest.0)), ("fee", json!(fee.to_string()))]);
    }
    fields
}

/// A record's time: UTC, or milliseconds since boot.
pub(super) fn time_of(time: &WallTime) -> String {
    match time.quality {
        TimeQuality::SinceBoot => format!("{} ms after boot", time.unix_ms),
        TimeQuality::Relay | TimeQuality::Network | TimeQuality::Authenticated => show::utc_ms(time.unix_ms),
    }
}

pub(super) const fn quality_name(quality: TimeQuality) -> &'static str {
    match quality {
        TimeQuality::SinceBoot => "since boot",
        TimeQuality::Relay => "relay",
        TimeQuality::Network => "network",
        TimeQuality::Authenticated => "authenticated",
    }
}

const fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Bulk => "bulk",
        Priority::Routine => "routine",
        Priority::Urgent => "urgent",
    }
}

pub(super) const fn state_name(state: BatchState) -> &'static str {
    match state {
        BatchState::Sealed => "sealed",
        BatchState::Signed => "signed",
        BatchState::Sent => "sent",
        BatchState::Stored => "stored",
        BatchState::Included => "included",
        BatchState::Final => "final",
    }
}

pub(super) fn reason_name(reason: LossReason) -> String {
    match reason {
        LossReason::DAMAGED => "damaged".into(),
        LossReason::DISPLACED => "displaced".into(),
        LossReason(number) => format!("reason {number}"),
    }
}

/// What a record of Cairn's own kinds says; `None` for others, and for what cannot be read as what it should be.
fn own(kind: Kind, payload: &[u8]) -> Option<String> {
    match kind {
        Kind::IDENTITY => identity(payload),
        Kind::FIRMWARE => firmware(payload),
        Kind::CLOCK_STEP => clock_step(payload),
        Kind::LOSS => loss(payload),
        Kind::ROTATION => rotation(payload),
        _ => number(payload),
    }
}

fn identity(payload: &[u8]) -> Option<String> {
    let identity = Identity::from_payload(payload).ok()?;
    let (device, key) = (hex::encode(identity.device_id.0), hex::encode(identity.public_key));
    let before = match identity.last_commitment {
        Some(commitment) => format!("after commitment 0x{} of its stream before", hex::encode(commitment.0)),
        None => "no stream before that it knows of".into(),
    };
    Some(format!("device 0x{device}, key 0x{key} ({}), {before}", show::algorithm(identity.alg)))
}

fn firmware(payload: &[u8]) -> Option<String> {
    let image = Firmware::from_payload(payload).ok()?;
    Some(format!("firmware {} in slot {}, SHA-256 0x{}", image.version(), image.slot(), hex::encode(image.hash())))
}

/// `[old, new, source, recent block hash or null]`.
fn clock_step(payload: &[u8]) -> Option<String> {
    let mut d = Decoder::new(payload);
    if d.array().ok()? != Some(4) {
        return None;
    }
    let (old, new) = (d.u64().ok()?, d.u64().ok()?);
    let quality = TimeQuality::from_number(d.u8().ok()?)?;
    let block = match d.bytes() {
        Ok(hash) => format!(", at block 0x{}", hex::encode(hash)),
        Err(_) => String::new(),
    };
    Some(format!("clock from {} to {} by {}{block}", show::utc_ms(old), show::utc_ms(new), quality_name(quality)))
}

/// `[first, last, reason]`, or `[kind or null, count, reason, since]`.
fn loss(payload: &[u8]) -> Option<String> {
    let mut d = Decoder::new(payload);
    match d.array().ok()? {
        Some(3) => {}
        Some(4) => return counted(payload, d),
        _ => return None,
    }
    let (first, last, reason) = (d.u64().ok()?, d.u64().ok()?, LossReason(d.u16().ok()?));
    (d.position() == payload.len()).then(|| format!("records {first} to {last} are lost: {}", reason_name(reason)))
}

/// The rest of `[kind or null, count, reason, since]`.
fn counted(payload: &[u8], mut d: Decoder<'_>) -> Option<String> {
    let kind = match d.datatype().ok()? {
        Type::Null => d.null().map(|()| "several kinds".into()),
        _ => d.u16().map(|kind| format!("kind {kind}")),
    };
    let (kind, count, reason, since) = (kind.ok()?, d.u16().ok()?, LossReason(d.u16().ok()?), d.u64().ok()?);
    let whole = reason == LossReason::COALESCED && d.position() == payload.len();
    whole.then(|| format!("{count} urgent records of {kind} over their limit since {}", show::utc_ms(since)))
}

fn rotation(payload: &[u8]) -> Option<String> {
    let fields = RotationFields::from_payload(payload).ok()?;
    let (device, key) = (hex::encode(fields.device.0), hex::encode(fields.public_key));
    Some(format!("device 0x{device}, next key 0x{key} ({})", show::algorithm(fields.alg)))
}

/// A payload that is one CBOR integer.
fn number(payload: &[u8]) -> Option<String> {
    let mut d = Decoder::new(payload);
    let number = d.int().ok()?;
    (d.position() == payload.len()).then(|| format!("the number {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_cairn_s_own_kinds_say_what_they_say() {
        let step = [0x84, 0x00, 0x1b, 0, 0, 0x01, 0x9a, 0xdd, 0xd1, 0x1b, 0xeb, 0x02, 0xf6];
        assert_eq!(
            own(Kind::CLOCK_STEP, &step).unwrap(),
            "clock from 1970-01-01T00:00:00Z to 2025-12-02T06:47:40.267Z by network"
        );
        assert_eq!(own(Kind::LOSS, &[0x83, 4, 6, 1]).unwrap(), "records 4 to 6 are lost: damaged");
        let since = [0x1b, 0, 0, 0x01, 0x9a, 0xdd, 0xd1, 0x1a, 0xe0];
        assert_eq!(
            own(Kind::LOSS, &[&[0x84, 0x18, 64, 0x19, 1, 0, 3][..], &since].concat()).unwrap(),
            "256 urgent records of kind 64 over their limit since 2025-12-02T06:47:40Z"
        );
        assert_eq!(
            own(Kind::LOSS, &[&[0x84, 0xf6, 1, 3][..], &[0]].concat()).unwrap(),
            "1 urgent records of several kinds over their limit since 1970-01-01T00:00:00Z"
        );
        assert_eq!(own(Kind::LOSS, &[0x84, 0xf6, 1, 2, 0]), None, "another reason");
        assert_eq!(own(Kind::READING, &[0x19, 1, 0]).unwrap(), "the number 256");
        let rotation =
            [&[0x84, 0x58, 32][..], &[0x11; 32], &[0x26, 0x58, 33, 2], &[0x22; 32], &[0x58, 64], &[0x33; 64]].concat();
        assert_eq!(
            own(Kind::ROTATION, &rotation).unwrap(),
            format!("device 0x{}, next key 0x02{} (ES256)", "11".repeat(32), "22".repeat(32))
        );
        let image = [&[0x83, 0x65][..], b"1.2.3", &[0x58, 32], &[0xab; 32], &[0]].concat();
        assert_eq!(
            own(Kind::FIRMWARE, &image).unwrap(),
            format!("firmware 1.2.3 in slot 0, SHA-256 0x{}", "ab".repeat(32))
        );
        for kind in [Kind::IDENTITY, Kind::FIRMWARE, Kind::CLOCK_STEP, Kind::LOSS, Kind::ROTATION] {
            for payload in [&[][..], &[0x83], &[0x84, 0x01], &[0x19, 1, 0]] {
                assert_eq!(own(kind, payload), None);
            }
        }
    }
}
