// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn journal dump`: a journal's sectors in the order they were opened, piece by piece, for people or one JSON object a line.

use std::io::{self, Write};

use cairn::journal::{
    BatchState,
    entry::Head,
    layout::{Header, Snapshot},
};
use cairn_journal::dump::{Opening, Piece, Sector, What, sectors};
use serde_json::{Map, Value, json};

use super::{
    Journal, division,
    entry::{Fields, fields, hex, quality_name, state_name, time_of, wide},
};

/// The field with what is no entry. JSON has all of it, people are shown the beginning.
const CONTENT: &str = "content";
/// 48 bytes in hexadecimal.
const SHOWN: usize = 2 + 2 * 48;

pub(super) const HELP: &str = "\
Examples:
  cairn journal dump flash.bin
  cairn journal dump --json flash.bin | jq 'select(.what == \"record\")'
  cairn journal dump --sector-bytes 4k --write-bytes 4 --offset 0xC0000 chip.bin

Where the journal is in the image and how it divides the flash is read from its sectors' headers. Sectors come in the order they
were opened. Each piece has its offset in the image and its length:
  record, seal, signature, level, release, sender sequence, loss,
  spending, budget, move, moved, run, copy, displaced: entries (docs/journal.md); numbers of records are counted on
               from the header, as the device does
  lost         records that were here by their numbers
  damaged      an entry's head where one belongs, but its checksum is wrong: torn by a power cut, or rotten
  garbage      no entry: the rest of something torn, half erased or rotten
  repeated     an entry written twice; the second does not count
  unknown      a sound entry of a later version: a mount refuses the journal
  blank        erased
A sector whose header rotted is read with what the sector before it says, and marked `inferred`; a device does not do that.

Exit codes: 0 shown; 1 could not read the file; 2 wrong usage; 6 the journal is of another version; 7 there is none.";

pub(super) fn print(out: &mut impl Write, journal: &Journal, arguments: &super::Dump) -> anyhow::Result<u8> {
    let Journal { image, place } = journal;
    if let Some(shortage) = journal.shortage() {
        tracing::warn!("{shortage}; what there is is shown");
    }
    if !arguments.json {
        writeln!(out, "journal at {:#x}: {}", place.offset, division(&place.geometry))?;
    }
    for sector in sectors(image, place) {
        if arguments.json {
            writeln!(out, "{}", line(&sector, "header", opening_fields(&sector), sector.offset, place_bytes(&sector)))?;
        } else {
            print_opening(out, &sector)?;
        }
        for piece in sector.pieces.iter().filter(|piece| !arguments.no_blank || piece.what != What::Blank) {
            let (name, fields) = piece_fields(image, piece);
            if arguments.json {
                writeln!(out, "{}", line(&sector, name, fields, piece.offset, piece.length))?;
            } else {
                let line = format!("  {:#010x} {:6}  {name:<16} {}", piece.offset, piece.length, shown(&fields));
                writeln!(out, "{}", line.trim_end())?;
            }
        }
    }
    Ok(0)
}

/// Bytes before a sector's first piece: its headers.
fn place_bytes(sector: &Sector) -> u32 {
    let first = sector.pieces.first().map_or(sector.offset, |piece| piece.offset);
    u32::try_from(first - sector.offset).unwrap_or(u32::MAX)
}

fn line(sector: &Sector, what: &str, fields: Fields, offset: usize, bytes: u32) -> Value {
    let mut object: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Opening::Sound(header) | Opening::Inferred(header) = sector.opening {
        object.insert("generation".into(), json!(header.generation));
    }
    object.insert("sector".into(), json!(sector.index));
    object.insert("what".into(), json!(what));
    object.insert("offset".into(), json!(offset));
    object.insert("bytes".into(), json!(bytes));
    Value::Object(object)
}

fn shown(fields: &Fields) -> String {
    let one = |(name, value): &(&str, Value)| match value {
        Value::String(text) if *name == CONTENT => match text.split_at_checked(SHOWN) {
            Some((begin, rest)) if !rest.is_empty() => format!("{name} {begin}…"),
            _ => format!("{name} {text}"),
        },
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    };
    fields.iter().map(one).collect::<Vec<_>>().join("  ")
}

fn print_opening(out: &mut impl Write, sector: &Sector) -> io::Result<()> {
    let name = format!("\nsector {} at {:#x}:", sector.index, sector.offset);
    match &sector.opening {
        Opening::Sound(header) => writeln!(out, "{name} generation {}", header.generation)?,
        Opening::Inferred(header) => {
            writeln!(out, "{name} inferred generation {}: neither copy of its header reads", header.generation)?;
        }
        Opening::OtherVersion(version) => return writeln!(out, "{name} format version {version}, unknown here"),
        Opening::Missing => return writeln!(out, "{name} no header"),
    }
    writeln!(out, "  {}", shown(&opening_fields(sector)))
}

fn opening_fields(sector: &Sector) -> Fields {
    match &sector.opening {
        Opening::Sound(header) => header_fields("sound", header),
        Opening::Inferred(header) => header_fields("inferred", header),
        Opening::OtherVersion(version) => vec![("header", json!("other version")), ("version", json!(version))],
        Opening::Missing => vec![("header", json!("none"))],
    }
}

fn header_fields(kind: &'static str, header: &Header) -> Fields {
    let Snapshot { stream, time, prev, .. } = &header.snapshot;
    let s = &header.snapshot;
    let mut fields = vec![
        ("header", json!(kind)),
        ("stream", wide(stream.0)),
        ("nextSeq", wide(s.next_seq)),
        ("firstUnsealed", wide(s.first_unsealed)),
        ("nextBatch", json!(s.next_batch)),
    ];
    for state in [BatchState::Signed, BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final] {
        fields.push((state_name(state), json!(s.count(state))));
    }
    fields.extend([
        ("released", json!(s.released)),
        ("mayGoBeforeBatch", json!(s.reclaim_batch)),
        ("mayGoBeforeSeq", wide(s.reclaim_seq)),
        ("lossBefore", wide(s.loss_end)),
        ("senderReservedBelow", wide(s.sender_end)),
        ("time", json!(time_of(time))),
        ("quality", json!(quality_name(time.quality))),
        ("lastCommitment", hex(&prev.0)),
        ("streamBeganIn", json!(s.began)),
        ("movedBefore", json!(s.moved)),
        ("unsealedWhenMoving", s.unsealed_when_moving().map_or(Value::Null, wide)),
        ("hasSpending", json!(s.cells.spending)),
        ("hasBudget", json!(s.cells.budget)),
        ("afterRollback", json!(s.after_rollback)),
    ]);
    fields
}

fn piece_fields(image: &[u8], piece: &Piece) -> (&'static str, Fields) {
    let bytes = image.get(piece.offset..).unwrap_or_default();
    let bytes = bytes.get(..piece.length as usize).unwrap_or(bytes);
    match &piece.what {
        What::Blank => ("blank", Fields::new()),
        What::Garbage => ("garbage", vec![(CONTENT, hex(bytes))]),
        What::Damaged(head) => ("damaged", with_head(head, bytes)),
        What::Unknown(head) => ("unknown", with_head(head, bytes)),
        What::Entry { seq, item, payload } => fields(*seq, item, payload),
        What::Repeated(item) => {
            let (name, mut says) = fields(0, item, &[]);
            says.retain(|(name, _)| !matches!(*name, "seq" | "payload"));
            says.insert(0, ("type", json!(name)));
            ("repeated", says)
        }
        What::Lost(numbers) => ("lost", vec![("first", wide(numbers.start)), ("last", wide(numbers.end - 1))]),
    }
}

fn with_head(head: &Head, bytes: &[u8]) -> Fields {
    vec![
        ("type", json!(head.tag)),
        ("bodyBytes", json!(head.body)),
        ("lowByte", json!(head.low)),
        (CONTENT, hex(bytes)),
    ]
}
