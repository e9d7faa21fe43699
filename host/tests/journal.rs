// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn journal` as people use it, on images that the journal itself made: whole, torn, half erased, rotten, of another version.
//! Exit codes and the lines that count.

#[path = "../../component/tests/journal_flash/mod.rs"]
mod journal_flash;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use cairn::{
    batch::{Anchor, AnchorFlags},
    journal::{BatchState, FlashJournal, Journal, NewRecord, entry::Item},
    merkle::Hash,
    record::{Entry, Kind, LossReason, Priority, SequenceNumber, StreamId},
    signer::Signature,
    time::{TimeQuality, WallTime},
};
use cairn_journal::{
    check::{Findings, check},
    dump::{Opening, Piece, What, sectors},
    find::{Place, survey},
};
use journal_flash::{Cut, MockFlash};
use serde_json::Value;

const STREAM: StreamId = StreamId(1311);
const CAPACITY: usize = 6 * 1024;
type Flash = MockFlash<4, 1024, CAPACITY>;
type Log<'a> = FlashJournal<&'a mut Flash, CAPACITY, 64>;

fn formatted() -> Flash {
    let mut flash = Flash::new(5);
    Log::format(&mut &mut flash, STREAM).unwrap();
    flash
}

fn append(journal: &mut impl Journal, kind: Kind, payload: &[u8]) -> SequenceNumber {
    let seq = journal.kept().end.0;
    let time = WallTime { unix_ms: 1_764_668_009_515 + seq * 900_000, quality: TimeQuality::Network };
    journal.append(&NewRecord { time, kind, priority: Priority::Routine, payload }).unwrap()
}

fn seal(journal: &mut impl Journal) -> Anchor {
    let unsealed = journal.unsealed();
    let anchor = Anchor {
        stream: journal.stream(),
        batch: journal.batches().end,
        first_seq: unsealed.start,
        count: u32::try_from(unsealed.end.0 - unsealed.start.0).unwrap(),
        sealed_at: 1_764_668_009_515,
        flags: AnchorFlags(2),
        root: Hash([1; 32]),
        prev: journal.last_commitment(),
    };
    journal.seal(&anchor, true).unwrap();
    anchor
}

fn finish(journal: &mut impl Journal) {
    let batch = seal(journal).batch;
    journal.attach_signature(batch, &Signature([7; 64])).unwrap();
    for state in [BatchState::Sent, BatchState::Stored, BatchState::Included, BatchState::Final] {
        journal.advance(batch, state).unwrap();
    }
}

/// A journal with everything in it: a final batch, one sent, records in none, one given up.
fn lived() -> Flash {
    let mut flash = formatted();
    let mut journal = Log::mount(&mut flash).unwrap();
    append(&mut journal, Kind::LOSS, &[0x83, 4, 6, 1]);
    append(&mut journal, Kind::READING, &[0x19, 1, 0]);
    finish(&mut journal);
    append(&mut journal, Kind(64), b"");
    let anchor = seal(&mut journal);
    journal.attach_signature(anchor.batch, &Signature([8; 64])).unwrap();
    journal.advance(anchor.batch, BatchState::Sent).unwrap();
    append(&mut journal, Kind::EVENT, b"lid");
    append(&mut journal, Kind::EVENT, b"door");
    journal.lose(SequenceNumber(3), LossReason::DISPLACED).unwrap();
    journal.reserve_sender_sequence(32).unwrap();
    flash
}

/// Goes round the ring, with records left in no batch.
fn gone_round() -> Flash {
    let mut flash = lived();
    let mut journal = Log::mount(&mut flash).unwrap();
    while journal.generation() < 9 {
        for _ in 0..3 {
            append(&mut journal, Kind::READING, &[0x19, 2, 1]);
        }
        finish(&mut journal);
    }
    append(&mut journal, Kind::READING, b"last");
    flash
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("flash.bin");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs `cairn journal` with these arguments; gives exit code, answer, and what was told.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.arg("journal").args(arguments.split_whitespace()).current_dir(self.0.path());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    fn on(&self, bytes: &[u8], arguments: &str) -> (i32, String, String) {
        self.file(bytes);
        self.run(&format!("{arguments} flash.bin"))
    }
}

fn contains(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "no '{line}' in\n{text}");
    }
}

fn place() -> Place {
    Place { offset: 0, geometry: Log::GEOMETRY }
}

/// What `check` finds is what the journal itself answers, number by number.
fn agrees(flash: &Flash) -> Findings {
    let findings = check(&flash.cells, &place()).unwrap();
    let mut flash = flash.clone();
    let mut journal = Log::mount(&mut flash).unwrap();
    assert_eq!(
        journal.kept(),
        SequenceNumber(findings.mounted.kept().start)..SequenceNumber(findings.mounted.kept().end)
    );
    assert_eq!((journal.stream(), journal.generation()), (findings.mounted.state.stream, findings.mounted.newest));
    let mut buf = [0; 64];
    for seq in journal.kept().start.0..journal.kept().end.0 {
        let told = findings.lost.iter().find(|lost| (lost.first..=lost.last).contains(&seq)).map(|lost| lost.reason);
        let read = match journal.read(SequenceNumber(seq), &mut buf).unwrap() {
            Entry::Record(_) => None,
            Entry::Lost { reason, .. } => Some(reason),
        };
        assert_eq!(told, read, "record {seq}");
    }
    let batches = journal.batches();
    for number in batches.start.0..batches.end.0 {
        let found = findings.batches.iter().find(|batch| batch.anchor.batch.0 == number);
        match journal.batch(cairn::batch::BatchNumber(number)) {
            Ok(sealed) => {
                let found = found.unwrap();
                assert_eq!(
                    (found.anchor, found.signature, found.state),
                    (sealed.anchor, sealed.signature, sealed.state)
                );
            }
            Err(_) => assert!(found.is_none() && findings.rotten_batches.iter().any(|range| range.contains(&number))),
        }
    }
    findings
}

/// Pieces of every sector follow one another without gap or overlap.
fn is_whole(image: &[u8], place: &Place) {
    let all = sectors(image, place);
    assert_eq!(all.len(), place.geometry.sectors as usize);
    for sector in &all {
        let mut end = sector.pieces.first().unwrap().offset;
        let begin = match sector.opening {
            Opening::Sound(_) | Opening::Inferred(_) => place.geometry.entries_start() as usize,
            Opening::OtherVersion(_) | Opening::Missing => 0,
        };
        assert_eq!(end, sector.offset + begin);
        for piece in &sector.pieces {
            assert_eq!(piece.offset, end, "{sector:?}");
            end += piece.length as usize;
        }
        assert_eq!(end, sector.offset + place.geometry.sector as usize);
    }
}

#[test]
fn a_sound_journal_is_shown_entry_by_entry_and_called_sound() {
    let (bench, flash) = (Bench::new(), lived());
    agrees(&flash);
    is_whole(&flash.cells, &place());
    let (code, dump, _) = bench.on(&flash.cells, "dump");
    assert_eq!(code, 0);
    contains(
        &dump,
        &[
            "journal at 0x0: 6 sectors of 1024 bytes, entries at multiples of 8",
            "sector 0 at 0x0: generation 0",
            "record           seq 1  time 2025-12-02T09:48:29.515Z  quality network  kind 1  kindName reading  priority routine  \
             payload 0x190100  says the number 256",
            "says records 4 to 6 are lost: damaged",
            "signature        batch 0  firstSeq 0  count 2",
            "level            state final  throughBatch 0  mayGoBeforeBatch 1  mayGoBeforeSeq 2",
            "loss             seq 3  reason displaced",
            "sender sequence  reservedBelow 32",
            "sector 3 at 0xc00: no header",
        ],
    );
    let (code, said, _) = bench.on(&flash.cells, "check");
    assert_eq!(code, 0, "{said}");
    contains(
        &said,
        &[
            "stream    1311, begun in generation 0",
            "records   kept 0 to 4; next number 5",
            "in no batch 3 to 4",
            "lost      3 (displaced)",
            "1: sent, records 2, with data, sealed 2025-12-02T09:33:29.515Z",
            "1 more are final",
            "sequence numbers before 32 are reserved",
            "torn      none",
            "verdict   sound",
        ],
    );
}

#[test]
fn json_has_an_object_a_line_and_every_byte_is_in_one() {
    let (bench, flash) = (Bench::new(), gone_round());
    let (code, dump, _) = bench.on(&flash.cells, "dump --json");
    assert_eq!(code, 0);
    let lines: Vec<Value> = dump.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bytes: u64 = lines.iter().map(|line| line["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes, CAPACITY as u64);
    let findings = agrees(&flash);
    let record = lines.iter().rfind(|line| line["what"] == "record").unwrap();
    assert_eq!(record["payload"], "0x6c617374");
    assert_eq!(record["seq"], (findings.mounted.state.next_seq - 1).to_string());
    assert_eq!(record["generation"], findings.mounted.newest);
    let (code, said, _) = bench.on(&flash.cells, "check --json");
    assert_eq!(code, 0);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["verdict"], &said["generation"]["newest"]), (&"sound".into(), &findings.mounted.newest.into()));
    assert_eq!(said["erases"]["most"], 2);
}

#[test]
fn what_a_power_cut_leaves_is_told_and_is_no_damage() {
    let (bench, before) = (Bench::new(), gone_round());
    for (at, kind) in [(3, Cut::Torn), (7, Cut::Torn), (0, Cut::Clean)] {
        let mut flash = before.clone();
        flash.cut_at(at, kind);
        let mut journal = Log::mount(&mut flash).unwrap();
        let record =
            NewRecord { time: WallTime::default(), kind: Kind::EVENT, priority: Priority::Bulk, payload: &[3; 32] };
        journal.append(&record).unwrap_err();
        flash.power_on();
        let findings = agrees(&flash);
        is_whole(&flash.cells, &place());
        assert_eq!(findings.torn.is_empty(), kind == Cut::Clean);
        let (code, said, _) = bench.on(&flash.cells, "check");
        assert_eq!(code, 0, "{said}");
        contains(&said, &[if kind == Cut::Clean { "torn      none" } else { " bytes at 0x" }, "verdict   sound"]);
        let (code, dump, _) = bench.run("dump --no-blank flash.bin");
        let told = ["  damaged ", "  garbage "].iter().any(|name| dump.contains(name));
        assert_eq!((code, told), (0, kind != Cut::Clean), "{dump}");
    }
}

#[test]
fn a_sector_whose_opening_was_cut_is_said_to_be_erased_first() {
    let (bench, before) = (Bench::new(), gone_round());
    // Fill the newest sector, then lose power in the header of the next.
    let mut flash = before.clone();
    let journal = Log::mount(&mut flash).unwrap();
    let newest = journal.generation();
    let mut cut = None;
    for _ in 0..100 {
        let mut next = flash.clone();
        let operations = next.operations;
        let mut journal = Log::mount(&mut next).unwrap();
        append(&mut journal, Kind::READING, b"more");
        if journal.generation() > newest {
            // An erase, 38 words of header; cut in the middle of them.
            flash.cut_at(1 + 20, Cut::Torn);
            let mut journal = Log::mount(&mut flash).unwrap();
            let record = NewRecord {
                time: WallTime::default(),
                kind: Kind::READING,
                priority: Priority::Routine,
                payload: b"more",
            };
            journal.append(&record).unwrap_err();
            flash.power_on();
            cut = Some(next.operations - operations);
            break;
        }
        flash = next;
    }
    assert!(cut.unwrap() > 72, "the sector was opened");
    let findings = agrees(&flash);
    assert!(findings.mounted.opening_was_cut && findings.mounted.newest == newest);
    let (code, said, _) = bench.on(&flash.cells, "check");
    assert_eq!(code, 0, "{said}");
    contains(&said, &["writes    sector 4 was not opened whole: it is erased first"]);
    let (_, dump, _) = bench.run("dump flash.bin");
    contains(&dump, &["sector 4 at 0x1000: no header"]);
}

#[test]
fn rot_is_counted_and_has_an_exit_code_of_its_own() {
    let (bench, mut flash) = (Bench::new(), lived());
    let all = sectors(&flash.cells, &place());
    let is_record = |piece: &&Piece| matches!(piece.what, What::Entry { seq: 1, item: Item::Record { .. }, .. });
    let reading = all.iter().flat_map(|sector| &sector.pieces).find(is_record).unwrap();
    flash.rot(reading.offset + 12, 0x10);
    let findings = agrees(&flash);
    assert_eq!(findings.lost[0].reason, LossReason::DAMAGED);
    let (code, said, _) = bench.on(&flash.cells, "check");
    assert_eq!(code, 5, "{said}");
    contains(&said, &["lost      1 (damaged), 3 (displaced)", "verdict   damaged"]);
    let (code, dump, _) = bench.run("dump flash.bin");
    assert_eq!(code, 0);
    contains(&dump, &["  damaged          type 1", "  lost             first 1  last 1"]);
}

#[test]
fn a_sector_whose_headers_rotted_is_told_and_read_by_what_the_one_before_says() {
    let (bench, mut flash) = (Bench::new(), formatted());
    let mut journal = Log::mount(&mut flash).unwrap();
    while journal.generation() < 2 {
        append(&mut journal, Kind::READING, b"in the middle");
    }
    let whole = sectors(&flash.cells, &place());
    for at in [1024 + 40, 1024 + Log::GEOMETRY.header() as usize + 40] {
        flash.rot(at, 1);
    }
    let findings = agrees(&flash);
    assert_eq!(findings.headerless, [1]);
    let (code, said, _) = bench.on(&flash.cells, "check");
    assert_eq!(code, 5, "{said}");
    contains(&said, &["unreadable of generations: 1", "(damaged)", "verdict   damaged"]);
    let rotten = sectors(&flash.cells, &place());
    assert!(matches!(rotten[1].opening, Opening::Inferred(_)));
    assert_eq!(rotten[1].pieces, whole[1].pieces);
    let (_, dump, _) = bench.run("dump flash.bin");
    contains(&dump, &["sector 1 at 0x400: inferred generation 1: neither copy of its header reads"]);
    // One copy is enough.
    flash.rot(1024 + 40, 1);
    assert!(agrees(&flash).is_sound());
}

#[test]
fn another_version_is_refused_and_another_entry_too() {
    let bench = Bench::new();
    let mut other = formatted().cells;
    other[..8].copy_from_slice(&[b'C', b'J', 99, 0, 0, 0, 0, 0]);
    let crc = crc32(&other[..4]);
    other[4..8].copy_from_slice(&crc.to_le_bytes());
    for verb in ["check", "dump"] {
        let (code, _, told) = bench.on(&other, verb);
        assert_eq!(code, 6, "{told}");
        contains(&told, &["format version 99"]);
    }
    let (code, said, _) = bench.run("check --sector-bytes 1k --write-bytes 4 flash.bin");
    assert_eq!(code, 6, "{said}");
    contains(&said, &["verdict   refused", "touches nothing"]);
    // One sector of it among others.
    let mut mixed = lived().cells;
    mixed[..8].copy_from_slice(&other[..8]);
    let (code, said, _) = bench.on(&mixed, "check");
    assert_eq!(code, 6, "{said}");
    contains(&said, &["verdict   refused: headers or entries are of a version"]);
    let (code, dump, _) = bench.run("dump flash.bin");
    assert_eq!(code, 0);
    contains(&dump, &["sector 0 at 0x0: format version 99, unknown here", "sector 1 at 0x400: generation 1"]);
}

#[test]
fn a_firmware_that_divides_the_flash_otherwise_is_said_to_refuse_it() {
    let (bench, flash) = (Bench::new(), lived());
    let (code, said, _) = bench.on(&flash.cells, "check --sector-bytes 2k");
    assert_eq!(code, 6, "{said}");
    contains(&said, &["3 sectors of 2048 bytes", "another division of the flash"]);
    let (code, said, _) = bench.run("check --sector-bytes 0x400 --write-bytes 4 --sectors 6 flash.bin");
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_journal_within_a_larger_image_is_found_and_two_can_be_told_apart() {
    let (bench, flash) = (Bench::new(), gone_round());
    let mut chip = vec![0x5a; 0x1800];
    chip.extend(&flash.cells);
    chip.extend([0xff; 0x700]);
    let alone = survey(&chip).journals;
    assert_eq!((alone.len(), alone[0].place.offset, alone[0].headers), (1, 0x1800, 6));
    let (code, said, _) = bench.on(&chip, "check");
    assert_eq!(code, 0, "{said}");
    contains(&said, &["journal   at 0x1800: 6 sectors of 1024 bytes"]);
    chip.extend(vec![0xff; 0x100]);
    let second = chip.len();
    chip.extend(&lived().cells);
    let (_, said, told) = bench.on(&chip, "check");
    contains(&said, &["journal   at 0x1800"]);
    contains(&told, &["another journal, at 0x3800"]);
    assert_eq!(second, 0x3800);
    let (code, said, _) = bench.run("check --offset 14k flash.bin");
    assert_eq!(code, 0, "{said}");
    contains(&said, &["journal   at 0x3800", "records   kept 0 to 4"]);
}

#[test]
fn every_bad_input_has_its_words_and_its_exit_code() {
    let bench = Bench::new();
    let cells = lived().cells;
    let (code, _, told) = bench.run("check nowhere.bin");
    assert_eq!(code, 1);
    contains(&told, &["cannot read nowhere.bin"]);
    let (code, _, told) = bench.run("dump .");
    assert_eq!(code, 1);
    contains(&told, &["cannot read .", "directory"]);
    let (code, _, told) = bench.on(b"", "check");
    assert_eq!(code, 1);
    contains(&told, &["is empty"]);
    let (code, _, told) = bench.on(&cells[..3000], "check");
    assert_eq!(code, 1);
    contains(&told, &["the image ends at 0xbb8, the journal at 0x1800"]);
    let (code, said, told) = bench.run("dump flash.bin");
    assert_eq!(code, 0);
    contains(&told, &["what there is is shown"]);
    contains(&said, &["sector 0 at 0x0: generation 0"]);
    let (code, _, told) = bench.on(&[0xff; 4096], "check");
    assert_eq!(code, 7);
    contains(&told, &["there is no journal", "0xFF"]);
    let (code, _, told) = bench.on(&[0x20; 5000], "dump");
    assert_eq!(code, 7);
    contains(&told, &["there is no journal", "--sector-bytes"]);
    let (code, _, told) = bench.on(&cells, "check --offset 1G");
    assert_eq!(code, 2);
    contains(&told, &["a number of bytes is expected"]);
    for (arguments, words) in [
        ("check --offset 7000", "behind the end"),
        ("check --sector-bytes 1000", "power of two"),
        ("check --sector-bytes 1k --write-bytes 64", "--write-bytes"),
        ("check --sector-bytes 4k", "2 to 65535 sectors"),
        ("check --sector-bytes 1k --sectors 8", "the image ends at 0x1800"),
    ] {
        let (code, _, told) = bench.on(&cells, arguments);
        assert_eq!(code, 1, "{arguments}");
        contains(&told, &[words]);
    }
    for help in ["check --help", "dump --help"] {
        let (code, said, _) = bench.run(help);
        assert_eq!(code, 0);
        contains(&said, &["Exit codes:", "Examples:", "--sector-bytes"]);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}
