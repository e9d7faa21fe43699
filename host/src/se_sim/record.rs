// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the chip saw, as one JSON object per line: requests, the faults that happened, and public keys when they are new.
//! Called after each request.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{LineWriter, Write as _},
    path::Path,
    time::Instant,
};

use anyhow::Context as _;
use cairn_se_sim::{Chip, wire::Asked};
use serde_json::{Value, json};

/// The log.
pub(super) struct Record {
    file: Option<LineWriter<File>>,
    start: Instant,
    known: BTreeSet<u32>,
    transfers: u64,
}

impl Record {
    /// A log in `path`, or none.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = path.map(|path| File::create(path).with_context(|| path.display().to_string())).transpose()?;
        Ok(Self { file: file.map(LineWriter::new), start: Instant::now(), known: BTreeSet::new(), transfers: 0 })
    }

    /// The chip as it is at the start.
    pub(super) fn begin(&mut self, chip: &Chip) {
        self.write(json!({ "event": "chip", "id": hex::encode(chip.unique_id()) }));
        self.keys(chip);
    }

    pub(super) fn request(&mut self, chip: &Chip, asked: &Asked) {
        let line = match asked {
            Asked::Write(bytes, acknowledged) => {
                json!({ "event": "write", "hex": hex::encode(bytes), "acknowledged": acknowledged })
            }
            Asked::Read(Ok(bytes)) => json!({ "event": "read", "hex": hex::encode(bytes), "acknowledged": true }),
            Asked::Read(Err(length)) => json!({ "event": "read", "bytes": length, "acknowledged": false }),
            Asked::Power(on) => json!({ "event": "power", "on": on }),
            Asked::Time(us) => json!({ "event": "time", "us": us }),
        };
        let transfer = matches!(asked, Asked::Write(..) | Asked::Read(_));
        self.transfers += u64::from(transfer);
        if let Some(fault) = chip.happened().filter(|_| transfer) {
            tracing::info!(transfer = self.transfers, %fault, "se-sim");
            self.write(json!({ "event": "fault", "fault": fault.to_string() }));
        }
        self.write(line);
        self.keys(chip);
    }

    /// Public keys that were not there before, and keys that are gone.
    fn keys(&mut self, chip: &Chip) {
        let there: BTreeSet<u32> = chip.objects().collect();
        if there == self.known {
            return;
        }
        let before = std::mem::replace(&mut self.known, there.clone());
        for object in there.difference(&before) {
            let public_key = chip.public_key(*object).map(hex::encode);
            self.write(json!({ "event": "key", "object": format!("{object:08x}"), "publicKey": public_key }));
        }
        for object in before.difference(&there) {
            self.write(json!({ "event": "deleted", "object": format!("{object:08x}") }));
        }
    }

    fn write(&mut self, mut line: Value) {
        let Some(file) = &mut self.file else { return };
        line["t_ms"] = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).into();
        line["transfer"] = self.transfers.into();
        if let Err(error) = writeln!(file, "{line}") {
            tracing::warn!(%error, "the log cannot be written and is given up");
            self.file = None;
        }
    }
}
