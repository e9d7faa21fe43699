// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Delta-coded records: a bit stream that costs about six bits for a regular meter reading. Called by the agent and the
//! relay; both sides adapt alike, so nothing but residuals is sent. The format is fixed in `docs/wire.md`.
//!
//! An entry starts with its form: `0` a record of the previous record's kind and time quality whose payload is an integer,
//! `10` any other record, `11` a lost place. Times and integer payloads are predicted, and what differs is sent as a
//! Rice code whose parameter follows the size of what was sent before (`series.rs`); `bits.rs` is where the bits go.

mod bits;
mod series;

pub use bits::{BitCount, BitSink, BitWriter};

use bits::BitReader;
use series::{CODE_MAX_BITS, Rice, Series};

use super::WireError;
use crate::{
    record::{Entry, Kind, LossReason, Record, SequenceNumber},
    time::{TimeQuality, WallTime},
};

/// Most bytes a packed record takes beside its payload: form, kind, quality, time and length, each at its longest code.
pub const RECORD_OVERHEAD_MAX: usize = (2 + 1 + 2 + 1 + (CODE_MAX_BITS * 3) as usize).div_ceil(8);

/// Series kept for integer payloads: one for each value of the kind's low two bits.
const PAYLOAD_SERIES: usize = 4;

/// What both sides know of the records so far.
#[derive(Clone, Debug)]
struct Model {
    kind: Kind,
    quality: TimeQuality,
    times: Series,
    payloads: [Series; PAYLOAD_SERIES],
    kinds: Rice,
    lengths: Rice,
    reasons: Rice,
}

impl Model {
    const fn new() -> Self {
        Self {
            kind: Kind::READING,
            quality: TimeQuality::SinceBoot,
            times: Series::expecting(0),
            payloads: [Series::expecting(4); PAYLOAD_SERIES],
            kinds: Rice::expecting(2),
            lengths: Rice::expecting(4),
            reasons: Rice::expecting(0),
        }
    }

    fn payload_series(&mut self, kind: Kind) -> &mut Series {
        // The mask keeps the index in the array.
        &mut self.payloads[usize::from(kind.0) % PAYLOAD_SERIES]
    }
}

/// Packs entries one by one. A clone with [`BitCount`] measures what the next entry would cost.
#[derive(Clone, Debug)]
pub struct Encoder<S> {
    model: Model,
    sink: S,
}

impl<S: BitSink> Encoder<S> {
    /// An encoder before its first entry.
    #[must_use]
    pub const fn new(sink: S) -> Self {
        Self { model: Model::new(), sink }
    }

    /// Where the bits go.
    pub const fn sink(&self) -> &S {
        &self.sink
    }

    /// Where the bits went.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Appends one entry. Sequence numbers are not written: they are consecutive.
    ///
    /// # Errors
    /// [`WireError::BufferTooSmall`]; the encoder is then of no more use.
    pub fn push(&mut self, entry: &Entry<'_>) -> Result<(), WireError> {
        match entry {
            Entry::Lost { reason, .. } => {
                self.sink.put(0b11, 2)?;
                self.model.reasons.put(&mut self.sink, u64::from(reason.0))
            }
            Entry::Record(record) => self.push_record(record),
        }
    }

    fn push_record(&mut self, record: &Record<'_>) -> Result<(), WireError> {
        let Self { model, sink } = self;
        let integer = integer_payload(record.payload);
        let same = record.kind == model.kind && record.time.quality == model.quality;
        if same && integer.is_some() {
            sink.put(0b0, 1)?;
        } else {
            sink.put(0b10, 2)?;
            sink.put(u64::from(record.kind != model.kind), 1)?;
            if record.kind != model.kind {
                model.kinds.put(sink, u64::from(record.kind.0))?;
            }
            sink.put(record.time.quality as u64, 2)?;
            sink.put(u64::from(integer.is_some()), 1)?;
        }
        (model.kind, model.quality) = (record.kind, record.time.quality);
        model.times.put(sink, record.time.unix_ms.cast_signed())?;
        if let Some(value) = integer {
            return model.payload_series(record.kind).put(sink, value);
        }
        model.lengths.put(sink, record.payload.len() as u64)?;
        record.payload.iter().try_for_each(|&byte| sink.put(u64::from(byte), 8))
    }
}

/// Unpacks entries one by one.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    model: Model,
    source: BitReader<'a>,
    seq: SequenceNumber,
    left: u32,
}

impl<'a> Decoder<'a> {
    /// A decoder of `count` entries from number `first_seq` on. The caller knows that the last number exists.
    #[must_use]
    pub const fn new(bytes: &'a [u8], first_seq: SequenceNumber, count: u32) -> Self {
        Self { model: Model::new(), source: BitReader { bytes, bits: 0 }, seq: first_seq, left: count }
    }

    /// The next entry, its payload in `buf`, or `None` after the last one.
    ///
    /// # Errors
    /// [`WireError::Malformed`] when the bytes end early, go on after the last entry, or were not written by an
    /// [`Encoder`]; [`WireError::BufferTooSmall`] for a payload longer than `buf`.
    pub fn next<'b>(&mut self, buf: &'b mut [u8]) -> Result<Option<Entry<'b>>, WireError> {
        if self.left == 0 {
            return if self.source.is_spent() { Ok(None) } else { Err(WireError::Malformed) };
        }
        self.left -= 1;
        let seq = self.seq;
        self.seq = SequenceNumber(seq.0.wrapping_add(1));
        let plain = self.source.take(1)? == 0;
        if !plain && self.source.take(1)? == 1 {
            let reason = narrow(self.model.reasons.take(&mut self.source)?)?;
            return Ok(Some(Entry::Lost { seq, reason: LossReason(reason) }));
        }
        self.record(seq, plain, buf).map(|record| Some(Entry::Record(record)))
    }

    fn record<'b>(&mut self, seq: SequenceNumber, plain: bool, buf: &'b mut [u8]) -> Result<Record<'b>, WireError> {
        let Self { model, source, .. } = self;
        let mut integer = true;
        if !plain {
            let before = (model.kind, model.quality);
            if source.take(1)? == 1 {
                model.kind = Kind(narrow(model.kinds.take(source)?)?);
                if model.kind == before.0 {
                    return Err(WireError::Malformed);
                }
            }
            let quality = u8::try_from(source.take(2)?).ok().and_then(TimeQuality::from_number);
            model.quality = quality.ok_or(WireError::Malformed)?;
            integer = source.take(1)? == 1;
            if integer && before == (model.kind, model.quality) {
                return Err(WireError::Malformed);
            }
        }
        let (kind, quality) = (model.kind, model.quality);
        let time = WallTime { unix_ms: model.times.take(source)?.cast_unsigned(), quality };
        let payload = if integer {
            write_integer(model.payload_series(kind).take(source)?, buf)?
        } else {
            let length = usize::try_from(model.lengths.take(source)?).map_err(|_| WireError::BufferTooSmall)?;
            let payload = buf.get_mut(..length).ok_or(WireError::BufferTooSmall)?;
            for byte in payload.iter_mut() {
                *byte = source.take(8)?.to_be_bytes()[7];
            }
            if integer_payload(payload).is_some() {
                return Err(WireError::Malformed);
            }
            payload
        };
        Ok(Record { seq, time, kind, payload })
    }
}

fn narrow(value: u64) -> Result<u16, WireError> {
    u16::try_from(value).map_err(|_| WireError::Malformed)
}

/// The integer that `payload` is the shortest CBOR encoding of, when it fits an `i64`.
fn integer_payload(payload: &[u8]) -> Option<i64> {
    let value = minicbor::Decoder::new(payload).i64().ok()?;
    let mut shortest = [0; 9];
    (write_integer(value, &mut shortest).ok()? == payload).then_some(value)
}

fn write_integer(value: i64, buf: &mut [u8]) -> Result<&[u8], WireError> {
    let mut e = minicbor::Encoder::new(minicbor::encode::write::Cursor::new(&mut *buf));
    e.i64(value)?;
    let length = e.writer().position();
    buf.get(..length).ok_or(WireError::BufferTooSmall)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use std::{vec, vec::Vec};

    #[derive(Clone, Debug)]
    enum Owned {
        Record { time: WallTime, kind: Kind, payload: Vec<u8> },
        Lost(LossReason),
    }

    impl Owned {
        fn entry(&self, seq: u64) -> Entry<'_> {
            let seq = SequenceNumber(seq);
            match self {
                Self::Record { time, kind, payload } => {
                    Entry::Record(Record { seq, time: *time, kind: *kind, payload })
                }
                Self::Lost(reason) => Entry::Lost { seq, reason: *reason },
            }
        }
    }

    fn pack(entries: &[Owned]) -> Vec<u8> {
        let mut counter = Encoder::new(BitCount::default());
        for (seq, entry) in (0..).zip(entries) {
            counter.push(&entry.entry(seq)).unwrap();
        }
        let mut out = vec![0xff; usize::try_from(counter.sink().bytes()).unwrap()];
        let mut encoder = Encoder::new(BitWriter::new(&mut out));
        for (seq, entry) in (0..).zip(entries) {
            encoder.push(&entry.entry(seq)).unwrap();
        }
        assert_eq!(encoder.sink().bytes() as u64, counter.sink().bytes());
        out
    }

    fn assert_reads_back(entries: &[Owned]) {
        let bytes = pack(entries);
        let mut decoder = Decoder::new(&bytes, SequenceNumber(0), u32::try_from(entries.len()).unwrap());
        let mut buf = [0; 1024];
        for (seq, entry) in (0..).zip(entries) {
            assert_eq!(decoder.next(&mut buf).unwrap(), Some(entry.entry(seq)));
        }
        assert_eq!(decoder.next(&mut buf), Ok(None));
    }

    fn reading(minute: u64, value: i64) -> Owned {
        let mut buf = [0; 9];
        let payload = write_integer(value, &mut buf).unwrap().to_vec();
        let unix_ms = 1_768_345_200_000 + minute * 60_000;
        Owned::Record { time: WallTime { unix_ms, quality: TimeQuality::Network }, kind: Kind::READING, payload }
    }

    #[test]
    fn a_day_of_smooth_readings_takes_less_than_a_byte_each() {
        // A load like a standard profile: two humps over a base, in Wh per quarter hour.
        let mut register = 1_234_567;
        let day: Vec<_> = (0..96)
            .map(|quarter| {
                let hump = |at: i64, wide: i64, high: i64| (high - high * (quarter - at).abs() / wide).max(0);
                register += 40 + hump(30, 14, 70) + hump(76, 16, 130);
                reading(quarter.unsigned_abs() * 15, register)
            })
            .collect();
        assert_reads_back(&day);
        let bytes = pack(&day).len();
        assert!(bytes < 96, "{bytes} bytes");
    }

    #[test]
    fn extreme_numbers_read_back() {
        let values = [0, i64::MAX, i64::MIN, -1, 1, i64::MIN, i64::MAX, 23, 24, 255, 256, 65_535, 65_536];
        let entries: Vec<_> = (0..).zip(values).map(|(i, value)| reading(i * i * i, value)).collect();
        assert_reads_back(&entries);
    }

    #[test]
    fn bytes_left_over_or_missing_are_refused() {
        let mut bytes = pack(&[reading(0, 1), reading(15, 2)]);
        let read = |bytes: &[u8]| {
            let (mut decoder, mut buf) = (Decoder::new(bytes, SequenceNumber(0), 2), [0; 64]);
            (0..3).try_for_each(|_| decoder.next(&mut buf).map(drop))
        };
        assert_eq!(read(&bytes), Ok(()));
        bytes.push(0);
        assert_eq!(read(&bytes), Err(WireError::Malformed));
        assert_eq!(read(&bytes[..bytes.len() - 2]), Err(WireError::Malformed));
    }

    fn time() -> impl Strategy<Value = WallTime> {
        let near = (0_u64..1 << 42).prop_map(|ms| 1_700_000_000_000 + ms);
        (prop_oneof![near, any::<u64>()], 0_u8..4)
            .prop_map(|(unix_ms, tq)| WallTime { unix_ms, quality: TimeQuality::from_number(tq).unwrap() })
    }

    fn owned() -> impl Strategy<Value = Owned> {
        let integer = prop_oneof![any::<i64>(), -300_i64..300].prop_map(|value| {
            let mut buf = [0; 9];
            write_integer(value, &mut buf).unwrap().to_vec()
        });
        let payload = prop_oneof![integer, proptest::collection::vec(any::<u8>(), 0..40)];
        let kind = prop_oneof![0_u16..80, any::<u16>()].prop_map(Kind);
        prop_oneof![
            8 => (time(), kind, payload).prop_map(|(time, kind, payload)| Owned::Record { time, kind, payload }),
            1 => any::<u16>().prop_map(|reason| Owned::Lost(LossReason(reason))),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_packed_reads_back(entries in proptest::collection::vec(owned(), 0..60)) {
            assert_reads_back(&entries);
        }

        #[test]
        fn arbitrary_bytes_end_in_entries_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0_u32..1000,
        ) {
            let (mut decoder, mut buf) = (Decoder::new(&bytes, SequenceNumber(0), count), [0; 64]);
            let mut entries = Vec::new();
            let whole = loop {
                match decoder.next(&mut buf) {
                    Ok(Some(Entry::Record(Record { time, kind, payload, .. }))) => {
                        entries.push(Owned::Record { time, kind, payload: payload.to_vec() });
                    }
                    Ok(Some(Entry::Lost { reason, .. })) => entries.push(Owned::Lost(reason)),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            // One list of entries has one encoding.
            if whole {
                prop_assert_eq!(pack(&entries), bytes);
            }
        }
    }
}
