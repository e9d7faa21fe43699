// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes host/fuzz/seeds: small valid inputs of every target, some from the golden vectors. Run it after a format
//! changed:
//! `cargo run --manifest-path host/fuzz/Cargo.toml --example seeds`.

use std::{fs, path::Path};

use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    endorsement::{Binding, FactoryKeyRoot, endorse, factory_key::Software},
    factory::{AttestationKey, Factory},
    merkle::Hash,
    record::{BatchKey, Entry, Kind, LossReason, Record, SequenceNumber, StreamId},
    rotation::Rotation as RotationSays,
    signer::{Algorithm, Signature, Signer as _, software::SoftwareSigner},
    time::{TimeQuality, WallTime},
    uplink::{
        Data, Downlink, Hints, Level, Uplink,
        delta::{BitWriter, Encoder},
    },
};
use cairn_coap::{
    message::{Builder, Code, Head, Options, Type, option},
    oscore::{Context, Secrets},
};
use cairn_evidence::{
    Evidence, EvidenceKey, Inclusion, OwnedRecord, Rotation, Route, TransactionRef, cbor, json,
    verify::{Expectation, check_statement},
};
use serde_json::Value;

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&directory).expect("directory");
    fs::write(directory.join(name), bytes).expect("seed");
}

fn anchor(count: u32) -> Anchor {
    Anchor {
        stream: StreamId(0x0123_4567_89ab_cdef),
        batch: BatchNumber(2),
        first_seq: SequenceNumber(0),
        count,
        sealed_at: 1_770_000_000_000,
        flags: AnchorFlags(2),
        root: Hash([0x11; 32]),
        prev: Commitment([0x22; 32]),
    }
}

/// A few quarter-hour readings, an event with bytes, and a lost place.
fn records() -> (Vec<u8>, u32) {
    let mut out = [0; 512];
    let mut encoder = Encoder::new(BitWriter::new(&mut out));
    let mut seq = 0;
    let mut push = |entry: &dyn Fn(SequenceNumber) -> Entry<'static>| {
        encoder.push(&entry(SequenceNumber(seq))).expect("room");
        seq += 1;
    };
    let at = |i: u64| WallTime { unix_ms: 1_770_000_000_000 + i * 900_000, quality: TimeQuality::Network };
    for (i, payload) in [&b"\x19\x01\x2c"[..], b"\x19\x01\x30", b"\x19\x01\x2f"].into_iter().enumerate() {
        push(&|seq| Entry::Record(Record { seq, time: at(i as u64), kind: Kind::READING, payload }));
    }
    push(&|seq| Entry::Record(Record { seq, time: at(3), kind: Kind::EVENT, payload: b"cover opened" }));
    push(&|seq| Entry::Lost { seq, reason: LossReason::DAMAGED });
    let length = encoder.into_sink().bytes();
    (out[..length].to_vec(), u32::try_from(seq).expect("few"))
}

fn wire() {
    let (records, count) = records();
    let mut out = [0; 1024];
    let key = BatchKey::new([0x33; 32]);
    for (name, data) in [
        ("hash-only", None),
        ("records", Some(Data::Records { records: &records, key })),
        ("encrypted", Some(Data::Encrypted(&[0x83, 0x40, 0xa0, 0x41, 0x00]))),
    ] {
        let uplink = Uplink { anchor: anchor(count), signature: Signature([0x44; 64]), data };
        let length = uplink.encode(&mut out).expect("room");
        write("uplink", name, &out[..length]);
    }
    let mut delta = vec![0; 8];
    delta.extend(u16::try_from(count).expect("few").to_be_bytes());
    delta.extend(&records);
    write("delta", "readings", &delta);
    let all = Hints {
        included_through: Some(BatchNumber(1)),
        unix_ms: Some(1_770_000_000_000),
        block_hash: Some([0x55; 32]),
    };
    for (name, hints, final_through) in [("bare", Hints::default(), None), ("full", all, Some(BatchNumber(0)))] {
        let (stream, batch) = (anchor(1).stream, BatchNumber(2));
        let downlink = Downlink { level: Level::Stored, stream, batch, commitment: [0x66; 16], final_through, hints };
        let length = downlink.encode(&mut out).expect("room");
        write("downlink", name, &out[..length]);
    }
    for (name, private_key) in [("software", Some([1; 32])), ("element", None)] {
        let factory = Factory {
            alg: Algorithm::Es256k,
            private_key,
            blind_secret: [2; 32],
            deployment: [3; 32],
            kid: [4; 4],
            master_secret: [5; 16],
            relay: "192.0.2.1:5683".parse().expect("address"),
            attestation: private_key.map(|private_key| AttestationKey { alg: Algorithm::Es256k, private_key }),
        };
        let length = factory.encode(&mut out).expect("room");
        // Without magic, length and check sum: the target adds them.
        write("factory", name, &out[6..length - 4]);
    }
}

fn endorsements() {
    let key = |secret: u8| SoftwareSigner::new(&[secret; 32]).expect("a key");
    let binding = Binding {
        nonce: [1; 32],
        key: key(2).public_key().expect("a key"),
        stream: StreamId(0x0123_4567_89ab_cdef),
        kid: [4; 4],
        deployment: DeploymentId([3; 32]),
    };
    let known = WallTime { unix_ms: 1_770_000_000_000, quality: TimeQuality::Network };
    let software = Software { name: "meter", version: "1.2.3" };
    for (name, now, software) in [("bare", WallTime::default(), None), ("full", known, Some(software))] {
        let mut root = FactoryKeyRoot::new(key(5), binding.key.device_id(), now, software);
        let mut out = [0; 1024];
        let length = endorse(&binding, &mut root, &mut key(2), &mut out).expect("room");
        write("endorsement", name, &out[..length]);
    }
}

fn coap() {
    let mut out = [0; 512];
    let mut builder = Builder::message(&mut out, Type::Confirmable, Code::POST, 7, &[1, 2, 3, 4]).expect("room");
    builder.option(option::URI_PATH, b"a").and_then(|b| b.uint(option::CONTENT_FORMAT, 60)).expect("room");
    let length = builder.payload(b"payload").expect("room");
    write("coap_message", "post", &out[..length]);
    let builder = Builder::message(&mut out, Type::Acknowledgement, Code::EMPTY, 7, &[]).expect("room");
    let length = builder.finish();
    write("coap_message", "ack", &out[..length]);

    let secrets = Secrets { master_secret: &[7; 16], master_salt: &[], id_context: Some(&[1, 2, 3, 4, 5, 6, 7, 8]) };
    let device = Context::derive(&secrets, b"\x01\x02\x03\x04", b"").expect("ids");
    let relay = Context::derive(&secrets, b"", b"\x01\x02\x03\x04").expect("ids");
    let head = |code| Head { kind: Type::Confirmable, code, message_id: 1, token: &[9, 9], options: Options::NONE };
    // Protected for other sender sequence numbers than the target's, so that both are refused at the last step.
    let (length, binding) = device.protect_request(40, true, &head(Code::POST), b"uplink", &mut out).expect("room");
    write("oscore", "request", &[&[0], &out[..length]].concat());
    let length = relay.protect_response(binding, Some(1), &head(Code::CHANGED), b"downlink", &mut out).expect("room");
    write("oscore", "response", &[&[1], &out[..length]].concat());
    let mut options = [0; 16];
    let mut builder = Builder::options(&mut options);
    builder.option(option::URI_PATH, b"a").expect("room");
    let length = builder.finish();
    let flip = [2, 0, 77, u8::try_from(length).expect("short")];
    write("oscore", "genuine", &[&flip, &options[..length], b"content"].concat());
}

/// Evidence of the first golden batch with more than one leaf, with a made-up inclusion: every step that needs no
/// ledger is passed.
fn evidence() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../component/tests/vectors/anchor.json");
    let file: Value = serde_json::from_str(&fs::read_to_string(path).expect("vectors")).expect("JSON");
    let vectors = file["vectors"].as_array().expect("vectors");
    let (vector, batch) = vectors
        .iter()
        .flat_map(|vector| vector["batches"].as_array().expect("batches").iter().map(move |batch| (vector, batch)))
        .find(|(vector, batch)| vector["alg"] == -47 && batch["records"][1].get("payload").is_some())
        .expect("a batch with two records");
    let proof = batch["proofs"].as_array().expect("proofs").iter().find(|proof| proof["index"] == 1).expect("proof");
    let record = &batch["records"][1];
    let mut evidence = Evidence {
        deployment: DeploymentId(fixed(&vector["deployment_id"])),
        record: OwnedRecord {
            seq: SequenceNumber(number(&record["seq"])),
            time: WallTime {
                unix_ms: number(&record["time"]),
                quality: u8::try_from(number(&record["tq"])).ok().and_then(TimeQuality::from_number).expect("tq"),
            },
            kind: Kind(u16::try_from(number(&record["kind"])).expect("kind")),
            blind: fixed(&record["blind"]),
            payload: bytes(&record["payload"]),
        },
        path: proof["path"].as_array().expect("path").iter().map(|hash| Hash(fixed(hash))).collect(),
        anchor: Anchor {
            stream: StreamId(number(&vector["stream"])),
            batch: BatchNumber(u32::try_from(number(&batch["batch"])).expect("batch")),
            first_seq: SequenceNumber(number(&batch["first_seq"])),
            count: u32::try_from(number(&batch["count"])).expect("count"),
            sealed_at: number(&batch["sealed_at"]),
            flags: AnchorFlags(u8::try_from(number(&batch["flags"])).expect("flags")),
            root: Hash(fixed(&batch["root"])),
            prev: Commitment(fixed(&batch["prev"])),
        },
        signature: Signature(fixed(&batch["signature"])),
        key: EvidenceKey { alg: Algorithm::Es256k, public_key: fixed(&vector["public_key"]) },
        rotations: Vec::new(),
        inclusion: None,
    };
    let expectation = Expectation {
        deployment: evidence.deployment,
        chain_id: 1,
        contract: [0; 20],
        device: None,
        min_confirmations: 0,
    };
    check_statement(&evidence, &expectation).expect("a golden record");
    write("evidence", "device.cbor", &cbor::encode(&evidence));
    evidence.inclusion = Some(Inclusion {
        chain_id: 31337,
        contract: [0xc0; 20],
        route: Route::Root { index: 0, leaves: 2, path: vec![Hash([10; 32])] },
        transaction: TransactionRef { hash: [11; 32], block_number: 12, block_hash: [13; 32] },
    });
    write("evidence", "root.cbor", &cbor::encode(&evidence));
    write("evidence", "root.json", json::to_json(&evidence).as_bytes());
    rotated(&mut evidence, &expectation);
    write("evidence", "rotated.cbor", &cbor::encode(&evidence));
    write("evidence", "rotated.json", json::to_json(&evidence).as_bytes());
}

/// The same record, signed by the third key of a device.
fn rotated(evidence: &mut Evidence, expectation: &Expectation) {
    let key = |number: u8| SoftwareSigner::new(&[number; 32]).expect("a key");
    let public = |number: u8| key(number).public_key().expect("a key");
    let device = public(1).device_id();
    evidence.rotations = (1..=2)
        .map(|number: u8| {
            let (stream, seq) = (StreamId(number.into()), SequenceNumber(9));
            let proof = key(number + 1).sign(&RotationSays::proof_digest(&device, stream, seq)).expect("signed");
            let says = RotationSays { device, key: public(number + 1), proof };
            let time = WallTime { unix_ms: 1_770_000_000_000, quality: TimeQuality::Network };
            let payload = says.payload().to_vec();
            let record = OwnedRecord { seq, time, kind: Kind::ROTATION, blind: [6; 16], payload };
            let flags = AnchorFlags(AnchorFlags::LAST_OF_KEY);
            let anchor = Anchor { stream, first_seq: seq, flags, root: record.leaf(), ..anchor(1) };
            let digest = anchor.commitment().digest(&evidence.deployment);
            let (record, anchor) = (cbor::record_bytes(&record), cbor::anchor_bytes(&anchor));
            Rotation { record, path: Vec::new(), anchor, signature: key(number).sign(&digest).expect("signed") }
        })
        .collect();
    evidence.signature = key(3).sign(&evidence.anchor.commitment().digest(&evidence.deployment)).expect("signed");
    evidence.key = EvidenceKey { alg: Algorithm::Es256k, public_key: public(3).compressed() };
    let statement = check_statement(evidence, expectation).expect("a chain");
    assert_eq!(statement.device, device);
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("string").trim_start_matches("0x")).expect("hex")
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("length")
}

/// Big numbers are strings in the vectors.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("number")
}

/// Chunks as the target reads them: length and pause, then bytes.
fn at() {
    let chunks = |mode: u8, health: u8, lines: &[&str]| {
        let mut out = vec![mode, health];
        for line in lines {
            out.push(u8::try_from(line.len() + 2).expect("short") | 0x40);
            out.extend(line.bytes().chain(*b"\r\n"));
        }
        out
    };
    let downlink = ["+CSCON: 1", "+QIURC: \"recv\",0,1,\"2A\"", "+CSCON: 0", "+QIURC: \"recv\",0,3,\"0102A5\""];
    write("at_parser", "healthy", &chunks(0, 0xff, &downlink));
    write("at_parser", "healthy-bc66", &chunks(3, 0xff, &downlink));
    let by_hand = ["OK", "OK", "OK", "OK", "+CEREG: 1,1", "OK", "+QIOPEN: 0,0", "OK", "SEND OK", "+CSQ: 22,0", "OK"];
    write("at_parser", "by-hand", &chunks(0, 0x00, &by_hand));
    let trouble =
        ["ERROR", "+CME ERROR: 50", "SEND FAIL", "RDY", "+QIURC: \"closed\",0", "+QNBIOTEVENT: \"ENTER DEEPSLEEP\""];
    write("at_parser", "trouble", &chunks(0, 0xf7, &trouble));
}

/// Lives, changes to the flash that they leave, and calls after the mount, as the target reads them.
fn journal() {
    let input = |life: &[u8], changes: &[[u8; 5]], calls: &[u8]| {
        let mut out = vec![9, u8::try_from(life.len()).expect("short")];
        out.extend(life);
        out.push(u8::try_from(changes.len()).expect("few"));
        out.extend(changes.iter().flatten());
        out.extend(calls);
        out
    };
    // Append, seal, sign, final; thrice in a ring of four sectors.
    let round = [0x88, 0x90, 0x98, 0x02, 0x03, 0x04];
    let life = round.repeat(8);
    write("journal", "untouched", &input(&life, &[], &[0x10, 0x02, 0x03, 0x05, 0x04, 0x06]));
    write("journal", "rotten", &input(&round, &[[0, 0x40, 1, 4, 0], [0, 0x80, 1, 1, 0]], &[0x10, 0x02, 0x03]));
    write("journal", "erased", &input(&life, &[[2, 0, 4, 0, 0]], &[0x10, 0x02, 0x03]));
    write("journal", "half-erased", &input(&life, &[[1, 0, 8, 0xff, 100]], &[0x10, 0x10, 0x02]));
    write("journal", "header", &input(&round, &[[3, 16, 0, 1, 0], [3, 16, 0, 1, 1]], &[0x10]));
    write("journal", "entry", &input(&round, &[[4, 0x38, 1, 1, 3]], &[0x10, 0x02, 0x03]));
}

fn main() {
    journal();
    at();
    wire();
    endorsements();
    coap();
    evidence();
}
