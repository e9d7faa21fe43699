// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a third party sees: true evidence is verified, and every kind of false evidence is refused at its own step with
//! its own exit code (docs/verify.md). The false ones are made here, from true ones, as a forger without keys could.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    chain::CHAIN_ID,
    world::{Said, World, text},
};

/// True evidence to start from.
pub(crate) struct Exhibits {
    /// A reading of the device, sent with its batch's data.
    pub(crate) reading: PathBuf,
    /// A reading of a hash-only batch, given out by the device and completed by the relay.
    pub(crate) hash_only: PathBuf,
    /// A reading of a device whose registration a reorganisation undid.
    pub(crate) unregistered: PathBuf,
    /// A reading anchored after its device's key was revoked.
    pub(crate) revoked: PathBuf,
    /// The device of `reading`.
    pub(crate) device: String,
    /// The other device.
    pub(crate) other_device: String,
}

/// One line of the table of verdicts.
struct Case {
    what: &'static str,
    /// Exit code and, when refused, the step.
    expected: (i32, &'static str),
    file: PathBuf,
    options: Vec<String>,
}

/// Checks every case and prints one line for each.
///
/// # Errors
/// Names every case that got another verdict.
pub(crate) fn check(world: &World, exhibits: &Exhibits) -> Result<usize> {
    let cases = cases(world, exhibits)?;
    let mut wrong = Vec::new();
    for case in &cases {
        let said = judge(world, case)?;
        let first = said.out.lines().next().unwrap_or_default().to_owned();
        println!("      {:<38} {:>3}  {first}", case.what, said.code);
        let (code, step) = case.expected;
        let step_named = code == 0 && first == "VERIFIED" || first.starts_with(&format!("REFUSED at step {step}: "));
        if said.code != code || !step_named {
            wrong.push(format!(
                "{}: expected code {code} at step {step}, got {}: {first}{}",
                case.what, said.code, said.err
            ));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(cases.len())
}

/// Without the deployment file when the case names a deployment of its own.
fn judge(world: &World, case: &Case) -> Result<Said> {
    let options: Vec<&str> = case.options.iter().map(String::as_str).collect();
    if !options.contains(&"--contract") {
        return world.verify(&case.file, &options);
    }
    let (file, url, chain) = (text(&case.file), world.chain.url(), CHAIN_ID.to_string());
    let mut arguments = vec!["verify", &file, "--rpc", &url, "--chain-id", &chain];
    arguments.extend(options);
    world.cairn_says(&arguments)
}

fn cases(world: &World, exhibits: &Exhibits) -> Result<Vec<Case>> {
    let good = world.as_json(&exhibits.reading)?;
    let other = world.as_json(&exhibits.hash_only)?;
    let deployment: Value = serde_json::from_str(&fs::read_to_string(world.deployment())?)?;
    let (contract, id) = (string(&deployment["contract"])?, string(&deployment["deploymentId"])?);
    let nobody = format!("0x{}", "11".repeat(20));
    let other_id = format!("0x{}", "22".repeat(32));
    let changed = |name: &str, change: &dyn Fn(&mut Value) -> Result<()>| -> Result<PathBuf> {
        let mut evidence = good.clone();
        change(&mut evidence)?;
        let file = world.file(&format!("forged-{name}.json"));
        fs::write(&file, serde_json::to_string_pretty(&evidence)?)?;
        Ok(file)
    };
    let case = |what, expected, file: &PathBuf, options: &[&str]| Case {
        what,
        expected,
        file: file.clone(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
    };
    // The proof of another record, in another batch: it leads to that batch's root.
    let another_root = changed("proof", &|evidence| {
        evidence["path"] = other["path"].clone();
        Ok(())
    })?;
    // How long it is must fit the place in the batch; where it does by chance, the hashes do not.
    let length = |evidence: &Value| evidence["path"].as_array().map(Vec::len);
    let misleads = if length(&good) == length(&other) { 33 } else { 32 };
    let not_posted = changed("relay-path", &|evidence| {
        evidence["inclusion"]["route"] =
            json!({ "root": { "index": 0, "leaves": 2, "path": [format!("0x{}", "33".repeat(32))] } });
        Ok(())
    })?;
    let high_s = changed("high-s", &|evidence| {
        evidence["signature"] = json!(with_high_s(string(&evidence["signature"])?)?);
        Ok(())
    })?;
    Ok(vec![
        case("a reading", (0, ""), &exhibits.reading, &["--device", &exhibits.device]),
        case("a reading of a hash-only batch", (0, ""), &exhibits.hash_only, &["--device", &exhibits.device]),
        case("one bit of the reading changed", (33, "record"), &one_bit_changed(world, exhibits, &good)?, &[]),
        case("a record of another device", (21, "device"), &exhibits.reading, &["--device", &exhibits.other_device]),
        case("a proof for another root", (misleads, "record"), &another_root, &[]),
        case("a root that is not on chain", (73, "root"), &not_posted, &[]),
        case(
            "a wrong deployment",
            (20, "deployment"),
            &exhibits.reading,
            &["--contract", contract, "--deployment-id", &other_id],
        ),
        case("a wrong contract", (52, "ledger"), &exhibits.reading, &["--contract", &nobody, "--deployment-id", id]),
        case("an unregistered key", (90, "key"), &exhibits.unregistered, &[]),
        case("a revoked key", (91, "key"), &exhibits.revoked, &[]),
        case("a high-S signature", (42, "signature"), &high_s, &[]),
    ])
}

/// The CBOR file with the lowest bit of the payload's last byte flipped.
fn one_bit_changed(world: &World, exhibits: &Exhibits, good: &Value) -> Result<PathBuf> {
    let mut bytes = fs::read(&exhibits.reading)?;
    let unhex = |value: &Value| -> Result<Vec<u8>> { Ok(hex::decode(string(value)?.trim_start_matches("0x"))?) };
    let (blind, payload) = (unhex(&good["record"]["blind"])?, unhex(&good["record"]["payload"])?);
    // The payload is the byte string after the blind; one so short has a head of one byte.
    let start = bytes.windows(blind.len()).position(|window| window == blind).context("no blind in the file")?;
    let last = start + blind.len() + 1 + payload.len() - 1;
    if payload.is_empty() || payload.len() > 23 || bytes.get(last) != payload.last() {
        bail!("{}: the payload is not where it should be", exhibits.reading.display());
    }
    bytes[last] ^= 1;
    let file = world.file("forged-bit.cbor");
    fs::write(&file, bytes)?;
    Ok(file)
}

/// Order of secp256k1's group, big-endian.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// r ‖ (n − s): the other signature that the same key "made".
fn with_high_s(signature: &str) -> Result<String> {
    let bytes = hex::decode(signature.trim_start_matches("0x"))?;
    let (r, s) = bytes.split_at_checked(32).context("a short signature")?;
    let mut high = hex::decode(ORDER)?;
    let mut borrow = false;
    for (digit, subtrahend) in high.iter_mut().zip(s).rev() {
        let (value, first) = digit.overflowing_sub(*subtrahend);
        let (value, second) = value.overflowing_sub(u8::from(borrow));
        (*digit, borrow) = (value, first || second);
    }
    Ok(format!("0x{}{}", hex::encode(r), hex::encode(high)))
}

fn string(value: &Value) -> Result<&str> {
    value.as_str().context("not a string in evidence or deployment")
}

#[cfg(test)]
mod tests {
    use super::{ORDER, with_high_s};

    #[test]
    fn the_other_s_is_the_order_minus_s() {
        let zero = "00".repeat(32);
        let one = format!("{}01", "00".repeat(31));
        assert_eq!(with_high_s(&format!("0x{zero}{one}")).unwrap(), format!("0x{zero}{}40", &ORDER[..62]));
        let borrow = format!("{}ffff", "00".repeat(30));
        let high = with_high_s(&format!("0x{zero}{borrow}")).unwrap();
        assert_eq!(&high[2 + 64 + 56..], "d0354142");
    }
}
