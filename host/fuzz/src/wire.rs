// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties of the codecs of `cairn` and `cairn-evidence`: nothing panics, and what was read can be written and reads
//! back as the same.

use cairn::{
    cose::Sign1,
    endorsement::{Endorsement, RootError, RootOfTrust, endorse, endorsement_max},
    factory::{FACTORY_MAX, Factory},
    record::{PAYLOAD_LIMIT, SequenceNumber},
    signer::{Capabilities, Digest, PublicKey, Signature, Signer, SignerError},
    uplink::{
        DATA_OVERHEAD_MAX, DOWNLINK_MAX, Data, Downlink, HASH_ONLY_MAX, Uplink, WireError,
        delta::{BitWriter, Decoder, Encoder},
    },
};
use cairn_evidence::{cbor, json, read, verify};
use sha2::{Digest as _, Sha256};

/// Uplinks: the written form is at most as long as the constants say, and reads back; so do the records inside.
pub fn uplink(data: &[u8]) {
    let Ok(uplink) = Uplink::decode(data) else { return };
    let inside = match &uplink.data {
        Some(Data::Records { records, .. }) => {
            entries(records, uplink.anchor.first_seq, uplink.anchor.count);
            records.len()
        }
        Some(Data::Encrypted(bytes)) => bytes.len(),
        None => 0,
    };
    let mut out = vec![0; HASH_ONLY_MAX + DATA_OVERHEAD_MAX + 4 + inside];
    let length = uplink.encode(&mut out).expect("the constants name the longest uplink");
    assert!(length <= data.len(), "our encoding is the shortest");
    assert_eq!(uplink.encode(&mut vec![0; length - 1]), Err(WireError::BufferTooSmall));
    assert!(Uplink::decode(&out[..length]).is_ok_and(|again| again == uplink));
}

/// Delta-coded records on their own: 8 bytes first sequence number, 2 bytes count, the rest.
pub fn delta(data: &[u8]) {
    let Some((first, rest)) = data.split_first_chunk() else { return };
    let Some((count, bits)) = rest.split_first_chunk() else { return };
    let (first, count) = (u64::from_be_bytes(*first), u16::from_be_bytes(*count));
    // The caller of the decoder knows that the last number exists.
    if first.checked_add(u64::from(count)).is_some() {
        entries(bits, SequenceNumber(first), u32::from(count));
    }
}

/// Bits that are taken whole are the bits the encoder writes: one batch has one form.
fn entries(bits: &[u8], first: SequenceNumber, count: u32) {
    let mut decoder = Decoder::new(bits, first, count);
    let mut out = vec![0; bits.len() + 1];
    let mut encoder = Encoder::new(BitWriter::new(&mut out));
    let mut seq = first;
    let mut buf = [0; PAYLOAD_LIMIT];
    loop {
        match decoder.next(&mut buf) {
            Ok(Some(entry)) => {
                assert_eq!(entry.seq(), seq);
                encoder.push(&entry).expect("what was read can be written");
                seq = seq.next();
            }
            Ok(None) => break,
            Err(_) => return,
        }
    }
    let length = encoder.into_sink().bytes();
    assert_eq!(&out[..length], bits);
}

/// Downlinks: the written form is at most as long as its constant says and reads back.
pub fn downlink(data: &[u8]) {
    let Ok(downlink) = Downlink::decode(data) else { return };
    let mut out = [0; DOWNLINK_MAX];
    let length = downlink.encode(&mut out).expect("the constant names the longest downlink");
    assert_eq!(Downlink::decode(&out[..length]), Ok(downlink));
}

/// Factory images: any bytes as a partition, and the same bytes as the body of an image whose check sum is right.
pub fn factory(data: &[u8]) {
    read_factory(data);
    let Ok(length) = u16::try_from(data.len()) else { return };
    let check = Sha256::digest(data);
    read_factory(&[&b"CAIR"[..], &length.to_be_bytes(), data, &check[..4]].concat());
}

fn read_factory(partition: &[u8]) {
    let Ok(factory) = Factory::decode(partition) else { return };
    let mut out = [0; FACTORY_MAX];
    let length = factory.encode(&mut out).expect("the constant names the longest image");
    assert!(Factory::decode(&out[..length]).is_ok_and(|again| again == factory));
}

/// Endorsements: one that is read is what the device writes when the same root and key answer; the token inside, or any bytes, read as a
/// signed message or not. The public key's tag is only copied, so that other ones than a device's are left out.
pub fn endorsement(data: &[u8]) {
    if let Ok(message) = Sign1::decode(data) {
        let _ = message.digest(data);
    }
    let Ok(read) = Endorsement::decode(data) else { return };
    let _ = Sign1::decode(read.token);
    let [tag @ 2..=3, x @ ..] = read.public_key else { return };
    let mut key = PublicKey { alg: read.alg, xy: [0; 64] };
    key.xy[..32].copy_from_slice(&x);
    key.xy[63] = tag;
    let mut out = vec![0; endorsement_max(read.token.len())];
    let length = endorse(&read.binding(key), &mut Repeats(read.token), &mut Repeats(&read.proof.0), &mut out);
    assert_eq!(length.map(|length| &out[..length]), Ok(data));
}

/// A root of trust and a signer that say what was read.
struct Repeats<'a>(&'a [u8]);

impl RootOfTrust for Repeats<'_> {
    fn token(&mut self, _: &[u8; 32], out: &mut [u8]) -> Result<usize, RootError> {
        out.get_mut(..self.0.len()).ok_or(RootError::BufferTooSmall)?.copy_from_slice(self.0);
        Ok(self.0.len())
    }
}

impl Signer for Repeats<'_> {
    fn public_key(&mut self) -> Result<PublicKey, SignerError> {
        Err(SignerError::NotProvisioned)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn sign(&mut self, _: &Digest) -> Result<Signature, SignerError> {
        self.0.try_into().map(Signature).map_err(|_| SignerError::Gone)
    }
}

/// Evidence in both forms: what is taken reads back from either; the verifier's steps that need no ledger give a
/// verdict.
pub fn evidence(data: &[u8]) {
    let Ok(evidence) = read(data) else { return };
    let file = cbor::encode(&evidence);
    if data.first() != Some(&b'{') && cbor::decode(data).is_ok() {
        assert_eq!(file, data, "one evidence has one CBOR form");
    }
    if file.len() <= cbor::MAX_FILE_BYTES {
        assert_eq!(cbor::decode(&file).as_ref(), Ok(&evidence));
        assert_eq!(json::from_json(json::to_json(&evidence).as_bytes()).as_ref(), Ok(&evidence));
    }
    let expectation = verify::Expectation {
        deployment: evidence.deployment,
        chain_id: 1,
        contract: [0; 20],
        device: None,
        min_confirmations: 0,
    };
    let verdict = verify::verify(&evidence, &expectation, &verify::LedgerFacts::default());
    assert!(verdict.is_err(), "a ledger that knows nothing cannot have included it");
}
