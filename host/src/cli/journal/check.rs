// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn journal check`: what a device would find in an image when it starts, in words or as one JSON object.

use std::{
    io::{self, Write},
    ops::Range,
};

use anyhow::bail;
use cairn::{
    journal::{BatchState, MountError, layout::Geometry},
    record::LossReason,
};
use cairn_journal::check::{Batch, Findings, Lost, Torn, check};
use serde_json::{Value, json};

use super::{
    super::{exit, show},
    Journal, division,
    entry::{hex, reason_name, state_name, wide},
};

pub(super) const HELP: &str = "\
Examples:
  cairn journal check flash.bin
  cairn journal check --sector-bytes 2k --write-bytes 8 --sectors 16 chip.bin   # what would a firmware built so do?

The component's own mount runs over the image, as it would in the device; nothing is written. A power cut leaves torn entries
and a sector whose opening has to be done again behind: both are told, and neither is damage.

Exit codes:
  0   sound: it mounts, and everything that was accepted and is still kept is there
  1   could not find out: the file cannot be read, or the image ends before the journal does
  2   wrong usage
  5   damaged: it mounts, but records, batches or a sector that is needed read as lost
  6   refused: another version of the format, or made for another division of the flash; a mount touches nothing
  7   there is no journal";

pub(super) fn print(out: &mut impl Write, journal: &Journal, as_json: bool) -> anyhow::Result<u8> {
    if let Some(shortage) = journal.shortage() {
        bail!("{shortage}");
    }
    let (code, why) = match check(&journal.image, &journal.place) {
        Ok(findings) => {
            let code = if findings.is_sound() { 0 } else { exit::JOURNAL_DAMAGED };
            if as_json {
                writeln!(out, "{:#}", findings_json(journal, &findings))?;
            } else {
                print_findings(out, journal, &findings)?;
            }
            return Ok(code);
        }
        Err(MountError::NotFormatted) => (exit::NO_JOURNAL, "no sector begins with a header that is its own"),
        Err(MountError::UnknownVersion) => (
            exit::JOURNAL_REFUSED,
            "headers or entries are of a version that this build does not know, or contradict one another",
        ),
        Err(MountError::OtherGeometry) => (exit::JOURNAL_REFUSED, "it was made for another division of the flash"),
        Err(MountError::Medium) => bail!("the image ends before the journal does"),
    };
    let verdict = if code == exit::NO_JOURNAL { "no journal" } else { "refused" };
    if as_json {
        writeln!(out, "{:#}", json!({ "verdict": verdict, "reason": why, "place": place_json(journal) }))?;
    } else {
        print_place(out, journal)?;
        writeln!(out, "verdict   {verdict}: {why}; a mount touches nothing")?;
    }
    Ok(code)
}

fn print_place(out: &mut impl Write, journal: &Journal) -> io::Result<()> {
    writeln!(out, "journal   at {:#x}: {}", journal.place.offset, division(&journal.place.geometry))
}

fn print_findings(out: &mut impl Write, journal: &Journal, findings: &Findings) -> io::Result<()> {
    let (mounted, geometry) = (&findings.mounted, &journal.place.geometry);
    let state = &mounted.state;
    print_place(out, journal)?;
    let rollback = if state.after_rollback { ", begun because the flash had been rolled back" } else { "" };
    writeln!(out, "stream    {}, begun in generation {}{rollback}", state.stream.0, state.began)?;
    let (newest, oldest) = (mounted.newest % geometry.sectors, mounted.oldest % geometry.sectors);
    writeln!(
        out,
        "sectors   from {oldest} (generation {}) to {newest} (generation {}), needed from generation {}",
        mounted.oldest, mounted.newest, mounted.needed
    )?;
    writeln!(out, "writes    {}", next_write(journal, findings))?;
    writeln!(out, "records   kept {}; next number {}", span(mounted.kept().start, state.next_seq), state.next_seq)?;
    writeln!(out, "          in no batch {}", span(state.first_unsealed, state.next_seq))?;
    writeln!(out, "lost      {}", listed(&findings.lost, lost_words))?;
    let Range { start: kept, end: next } = mounted.kept_batches();
    writeln!(out, "batches   kept {}; next number {next}", span(kept.into(), next.into()))?;
    let rotten = listed(&findings.rotten_batches, |range| span((*range.start()).into(), u64::from(*range.end()) + 1));
    writeln!(out, "          neither seal nor signature reads: {rotten}")?;
    for batch in findings.batches.iter().filter(|batch| batch.state != BatchState::Final) {
        writeln!(out, "          {}", batch_words(batch))?;
    }
    let finals = findings.batches.iter().filter(|batch| batch.state == BatchState::Final).count();
    writeln!(out, "          {finals} more are final; released by the application: before {}", state.released)?;
    writeln!(out, "chain     last commitment 0x{}", hex::encode(state.prev.0))?;
    writeln!(out, "sender    sequence numbers before {} are reserved", state.sender_end)?;
    writeln!(out, "torn      {}", listed(&findings.torn, torn_words))?;
    writeln!(out, "headers   unreadable of generations: {}", listed(&findings.headerless, u32::to_string))?;
    writeln!(out, "erases    {}", erases_words(findings, geometry))?;
    let verdict = if findings.is_sound() {
        "sound: it mounts, and nothing that was accepted is missing"
    } else {
        "damaged: it mounts, and what is missing is listed above"
    };
    writeln!(out, "verdict   {verdict}")
}

/// What is written next.
fn next_write(journal: &Journal, findings: &Findings) -> String {
    let (mounted, geometry) = (&findings.mounted, &journal.place.geometry);
    let next = (u64::from(mounted.newest) + 1) % u64::from(geometry.sectors);
    if mounted.opening_was_cut {
        return format!("sector {next} was not opened whole: it is erased first");
    }
    if mounted.offset >= geometry.sector {
        return format!("sector {next} is erased and opened first");
    }
    let at = journal.place.offset + (geometry.address(mounted.newest) + mounted.offset) as usize;
    format!("the next entry at {at:#x}, {} bytes before the sector's end", geometry.sector - mounted.offset)
}

fn span(first: u64, end: u64) -> String {
    match end.checked_sub(first) {
        None | Some(0) => "none".into(),
        Some(1) => format!("{first}"),
        Some(_) => format!("{first} to {}", end - 1),
    }
}

fn listed<T>(all: &[T], words: impl Fn(&T) -> String) -> String {
    if all.is_empty() { "none".into() } else { all.iter().map(words).collect::<Vec<_>>().join(", ") }
}

fn lost_words(lost: &Lost) -> String {
    format!("{} ({})", span(lost.first, lost.last.saturating_add(1)), reason_name(lost.reason))
}

fn torn_words(torn: &Torn) -> String {
    format!("{} bytes at {:#x}", torn.length, torn.offset)
}

fn batch_words(batch: &Batch) -> String {
    let Batch { anchor, with_data, state, .. } = batch;
    let records = span(anchor.first_seq.0, anchor.first_seq.0.saturating_add(anchor.count.into()));
    let data = if *with_data { "with data" } else { "hash only" };
    format!("{}: {}, records {records}, {data}, sealed {}", anchor.batch.0, state_name(*state), show::sealed(anchor))
}

/// Wear is level: sectors before the newest in the ring have one erase more.
fn erases_words(findings: &Findings, geometry: &Geometry) -> String {
    let most = findings.erases(0, geometry);
    let least = findings.erases(geometry.sectors - 1, geometry);
    let told = if most == least { format!("{least}") } else { format!("{least} or {most}") };
    format!("{told} of each sector so far, not counting openings done again after a power cut")
}

fn place_json(journal: &Journal) -> Value {
    let Geometry { granule, sector, sectors } = journal.place.geometry;
    json!({ "offset": journal.place.offset, "granule": granule, "sectorBytes": sector, "sectors": sectors })
}

fn findings_json(journal: &Journal, findings: &Findings) -> Value {
    let (mounted, geometry) = (&findings.mounted, &journal.place.geometry);
    let state = &mounted.state;
    let lost = |lost: &Lost| {
        let Lost { first, last, reason: LossReason(reason) } = lost;
        json!({ "first": wide(*first), "last": wide(*last), "reason": reason })
    };
    let batch = |batch: &Batch| {
        let Batch { anchor, with_data, signature, state } = batch;
        json!({ "batch": anchor.batch.0, "firstSeq": wide(anchor.first_seq.0), "count": anchor.count,
                "state": state_name(*state), "withData": with_data, "signed": signature.is_some(),
                "commitment": hex(&anchor.commitment().0) })
    };
    let torn = |torn: &Torn| json!({ "offset": torn.offset, "bytes": torn.length });
    let rotten = findings.rotten_batches.iter().map(|range| json!({ "first": range.start(), "last": range.end() }));
    json!({
        "verdict": if findings.is_sound() { "sound" } else { "damaged" },
        "place": place_json(journal),
        "stream": wide(state.stream.0),
        "streamBeganIn": state.began,
        "afterRollback": state.after_rollback,
        "generation": { "newest": mounted.newest, "oldest": mounted.oldest, "needed": mounted.needed },
        "next": { "seq": wide(state.next_seq), "batch": state.next_batch, "offset": mounted.offset,
                  "opensSector": mounted.offset >= geometry.sector, "openingWasCut": mounted.opening_was_cut },
        "kept": { "seq": wide(mounted.kept().start), "batch": mounted.kept_batches().start },
        "firstUnsealed": wide(state.first_unsealed),
        "lost": findings.lost.iter().map(lost).collect::<Vec<_>>(),
        "batches": findings.batches.iter().map(batch).collect::<Vec<_>>(),
        "rottenBatches": rotten.collect::<Vec<_>>(),
        "released": state.released,
        "lastCommitment": hex(&state.prev.0),
        "senderReservedBelow": wide(state.sender_end),
        "torn": findings.torn.iter().map(torn).collect::<Vec<_>>(),
        "headerless": findings.headerless,
        "erases": { "most": findings.erases(0, geometry), "least": findings.erases(geometry.sectors - 1, geometry) },
    })
}
