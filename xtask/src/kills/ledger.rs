// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is on chain, as a third party sees it: the program `cairn` makes the evidence of every record and verifies it against
//! the node; here its verdicts become leaves and batches. A record whose evidence is refused ends the run.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::judge::{Batch, Leaf};
use crate::demo::{
    scenario::cbor_unsigned,
    world::{Born, World, text},
};

/// Files verified by one call of `cairn verify`.
const TOGETHER: usize = 400;

/// `cairn::record::Kind` of a reading.
const READING: u64 = 1;

/// Verifies the records 0 to `end - 1` of a device.
///
/// # Errors
/// A record without evidence, or with evidence that is refused.
pub(super) fn verified(world: &World, born: &Born, end: u64) -> Result<(Vec<Leaf>, Vec<Batch>)> {
    let last = end.checked_sub(1).context("there are no records")?;
    let folder = world.file("records");
    let (db, range, out) = (text(&world.db()), format!("0-{last}"), text(&folder));
    world.cairn(&["evidence", "get", "--db", &db, "--device", &born.device, "--seq", &range, "-o", &out])?;
    let files: Vec<String> = (0..end).map(|seq| text(&folder.join(format!("{seq}.cbor")))).collect();
    let (url, deployment) = (world.chain.url(), text(&world.deployment()));
    let (mut leaves, mut batches) = (Vec::new(), Vec::new());
    for files in files.chunks(TOGETHER) {
        let mut arguments =
            vec!["verify", "--rpc", &url, "--deployment", &deployment, "--device", &born.device, "--json"];
        arguments.extend(files.iter().map(String::as_str));
        let said = world.cairn(&arguments)?;
        // One object for each file, whether on one line or on several.
        for verdict in serde_json::Deserializer::from_str(&said).into_iter::<Value>() {
            let verdict = verdict.context("cairn verify --json")?;
            let (leaf, batch) = read(&verdict).with_context(|| verdict.to_string())?;
            leaves.push(leaf);
            if batches.last() != Some(&batch) {
                batches.push(batch);
            }
        }
    }
    ensure!(leaves.len() as u64 == end, "{} verdicts for {end} records", leaves.len());
    Ok((leaves, batches))
}

fn read(verdict: &Value) -> Result<(Leaf, Batch)> {
    ensure!(verdict["verdict"] == "verified", "refused");
    let (record, anchor) = (&verdict["record"], &verdict["anchor"]);
    let payload = string(&record["payload"])?.trim_start_matches("0x");
    let wh = match number(&record["kind"])? {
        READING => Some(cbor_unsigned(&hex::decode(payload)?).with_context(|| format!("payload {payload}"))?),
        _ => None,
    };
    let commitment = string(&verdict["commitment"])?.to_owned();
    let leaf =
        Leaf { seq: number(&record["seq"])?, batch: number(&record["batch"])?, commitment: commitment.clone(), wh };
    let batch = Batch {
        number: leaf.batch,
        first_seq: number(&anchor["firstSeq"])?,
        count: number(&anchor["count"])?,
        commitment,
        prev: string(&anchor["prev"])?.to_owned(),
    };
    Ok((leaf, batch))
}

fn string(value: &Value) -> Result<&str> {
    value.as_str().context("not a string")
}

/// 64-bit numbers are decimal strings.
fn number(value: &Value) -> Result<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).context("not a number")
}
