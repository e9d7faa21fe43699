// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn evidence`: makes evidence from a relay's database, adds the relay's part to evidence of a device, and shows evidence.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use cairn::{
    record::{SequenceNumber, StreamId},
    signer::DeviceId,
};
use cairn_evidence::{Evidence, Rotation, Route, cbor, json, rotation::Told, signature};
use clap::{Args, Subcommand};

use super::{device_id, exit, show};
use crate::relay::{
    proof::{self, ProofError},
    store::Store,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make the evidence of a record, or of a range of records, whose batches came with their data
    #[command(
        after_help = "Examples:\n  cairn evidence get --db relay.sqlite --device 0x9ba7… --seq 17 -o evidence.cbor\n  \
                      cairn evidence get --db relay.sqlite --device 0x9ba7… --seq 0-95 -o day/    # day/0.cbor, …"
    )]
    Get(Get),
    /// Add rotations, path and block to evidence that a device gave out itself
    #[command(after_help = "Example:\n  cairn evidence complete --db relay.sqlite from-device.hex -o evidence.cbor")]
    Complete(Complete),
    /// Show what evidence says; nothing is checked
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// The relay's database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// The device
    #[arg(long, value_name = "HEX", value_parser = device_id)]
    device: DeviceId,
    /// The record's sequence number, or the first and the last of a range: then -o names a directory
    #[arg(long, value_name = "NUMBER[-NUMBER]", value_parser = numbers)]
    seq: Numbers,
    /// The stream, when the device has several
    #[arg(long, value_name = "NUMBER")]
    stream: Option<u64>,
    #[command(flatten)]
    output: Output,
}

/// One sequence number, or a range with both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    One(u64),
    Range(u64, u64),
}

fn numbers(text: &str) -> Result<Numbers, String> {
    let number = |digits: &str| digits.parse::<u64>().map_err(|error| error.to_string());
    match text.split_once('-') {
        None => number(text).map(Numbers::One),
        Some((first, last)) => match (number(first)?, number(last)?) {
            (first, last) if first <= last => Ok(Numbers::Range(first, last)),
            _ => Err("the first is behind the last".into()),
        },
    }
}

#[derive(Debug, Args)]
pub(super) struct Complete {
    /// The relay's database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// The device's evidence: CBOR, CBOR in hexadecimal, or JSON
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Output {
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write JSON instead of CBOR
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Evidence: CBOR, CBOR in hexadecimal, or JSON
    file: PathBuf,
    /// Print its JSON form
    #[arg(long)]
    json: bool,
}

pub(super) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    let made = match verb {
        Verb::Get(arguments) => get(arguments),
        Verb::Complete(arguments) => complete(arguments),
        Verb::Show(arguments) => print(arguments),
    };
    match made {
        Err(error) if matches!(error.downcast_ref(), Some(ProofError::NotIncluded)) => {
            eprintln!("cairn: {error:#}");
            Ok(ExitCode::from(exit::NOT_YET))
        }
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// Reads evidence in any form.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(evidence: &Evidence, as_json: bool, path: &Path) -> anyhow::Result<()> {
    let bytes = if as_json { (json::to_json(evidence) + "\n").into_bytes() } else { cbor::encode(evidence) };
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn get(arguments: &Get) -> anyhow::Result<()> {
    let store = Store::open_existing(&arguments.db)?;
    let stream = arguments.stream.map(StreamId);
    let Output { output, json } = &arguments.output;
    let make = |seq, path: &Path| -> anyhow::Result<()> {
        write(&proof::of_record(&store, arguments.device, SequenceNumber(seq), stream)?, *json, path)
    };
    match arguments.seq {
        Numbers::One(seq) => make(seq, output),
        Numbers::Range(first, last) => {
            fs::create_dir_all(output).with_context(|| format!("cannot create {}", output.display()))?;
            let kind = if *json { "json" } else { "cbor" };
            (first..=last).try_for_each(|seq| {
                make(seq, &output.join(format!("{seq}.{kind}"))).with_context(|| format!("record {seq}"))
            })
        }
    }
}

fn complete(arguments: &Complete) -> anyhow::Result<()> {
    let store = Store::open_existing(&arguments.db)?;
    let mut evidence = cairn_evidence::read(&read(&arguments.file)?)?;
    ensure!(evidence.deployment == store.home()?.deployment, "the evidence is of another deployment");
    proof::complete(&store, &mut evidence)?;
    write(&evidence, arguments.output.json, &arguments.output.output)
}

fn print(arguments: &Show) -> anyhow::Result<()> {
    let evidence = cairn_evidence::read(&read(&arguments.file)?)?;
    if arguments.json {
        println!("{}", json::to_json(&evidence));
    } else {
        print_evidence(&evidence);
    }
    Ok(())
}

fn print_evidence(evidence: &Evidence) {
    let (record, anchor) = (&evidence.record, &evidence.anchor);
    println!("deployment   0x{}", hex::encode(evidence.deployment.0));
    println!("key          0x{} ({})", hex::encode(evidence.key.public_key), show::algorithm(evidence.key.alg));
    match (signature::public_key(evidence.key.alg, &evidence.key.public_key), evidence.rotations.first()) {
        (_, Some(first)) => match Told::read(first) {
            Ok(told) => println!("device       0x{}", hex::encode(told.says.device.0)),
            Err(error) => println!("device       unknown: {error}"),
        },
        (Ok(key), None) => println!("device       0x{}", hex::encode(key.device_id().0)),
        (Err(error), None) => println!("device       unknown: {error}"),
    }
    print_rotations(&evidence.rotations);
    println!("record       {}", record.seq.0);
    println!("  kind       {}", show::kind(record.kind));
    println!("  time       {}", show::time(&record.time));
    println!("  payload    {}", show::payload(&record.payload));
    println!("anchor       0x{}", hex::encode(anchor.commitment().0));
    println!("  stream     {}", anchor.stream.0);
    println!("  batch      {}, {} records from {}", anchor.batch.0, anchor.count, anchor.first_seq.0);
    println!("  sealed     {}", show::sealed(anchor));
    let Some(inclusion) = &evidence.inclusion else {
        println!("ledger       none: a relay has to complete this evidence");
        return;
    };
    println!("ledger       chain {}, contract 0x{}", inclusion.chain_id, hex::encode(inclusion.contract));
    match &inclusion.route {
        Route::Root { index, leaves, .. } => println!("  route      leaf {index} of {leaves} under a posted root"),
        Route::Direct => println!("  route      direct"),
    }
    let transaction = &inclusion.transaction;
    println!("  in         transaction 0x{}", hex::encode(transaction.hash));
    println!("  block      {} (0x{})", transaction.block_number, hex::encode(transaction.block_hash));
}

fn print_rotations(rotations: &[Rotation]) {
    for (number, rotation) in (1..).zip(rotations) {
        match Told::read(rotation) {
            Ok(Told { record, says, anchor }) => {
                let (key, alg) = (hex::encode(says.public_key), show::algorithm(says.alg));
                println!("rotation {number:<3} to key 0x{key} ({alg})");
                println!("  record     {} of stream {}, in batch {}", record.seq.0, anchor.stream.0, anchor.batch.0);
                println!("  time       {}", show::time(&record.time));
            }
            Err(error) => println!("rotation {number:<3} unknown: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, numbers};

    #[test]
    fn a_range_has_both_its_ends_in_it_and_runs_forward() {
        assert_eq!(numbers("17"), Ok(Numbers::One(17)));
        assert_eq!(numbers("0-95"), Ok(Numbers::Range(0, 95)));
        assert_eq!(numbers("4-4"), Ok(Numbers::Range(4, 4)));
        for wrong in ["", "-", "5-", "-5", "7-3", "0..9", "1-2-3"] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
    }
}
