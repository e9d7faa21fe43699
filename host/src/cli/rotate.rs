// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn provision rotate`: the owner registers the key that a device rotated to. It takes the rotation records from the relay's
//! database or from a file of evidence, and vouches for nothing that does not verify. Running it again changes nothing.

use std::{path::PathBuf, process::ExitCode};

use anyhow::ensure;
use cairn::signer::{DeviceId, PublicKey};
use cairn_evidence::{Evidence, Expectation, Refusal};
use clap::Args;
use serde_json::json;

use super::{contract::Owner, device_id, evidence::read, provision, show};
use crate::{
    chain::KeyStatus,
    deployment::Deployment,
    relay::{
        proof,
        server::unix_ms,
        store::{Store, devices::Device},
    },
    succession::{self, Successor},
};

const HELP: &str = "\
Examples:
  cairn provision rotate --rpc http://127.0.0.1:8545 --key-file owner.key \\
      --deployment deployment.json --db relay.sqlite --device 0x9ba7…
  cairn provision rotate --rpc http://127.0.0.1:8545 --key-file owner.key \\
      --deployment deployment.json rotation.cbor    # evidence of the rotation record

Of a device in a database every key that it rotated to is registered, in their order. A key that is registered already is left as
it is. Exit codes 10 and above name what is wrong with a rotation, as for `cairn verify`.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct RotateArguments {
    #[command(flatten)]
    owner: Owner,
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// The relay's database: has the rotations it took, and is told of the registration
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    what: What,
    /// Print what was registered as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The device; needs --db
    #[arg(long, value_name = "HEX", value_parser = device_id, requires = "db")]
    device: Option<DeviceId>,
    /// Evidence of the rotation record: CBOR, CBOR in hexadecimal, or JSON
    #[arg(value_name = "FILE")]
    evidence: Option<PathBuf>,
}

pub(super) async fn rotate(arguments: &RotateArguments) -> anyhow::Result<ExitCode> {
    let deployment = Deployment::read(&arguments.deployment)?;
    let mut store = match &arguments.db {
        Some(db) => Some(Store::open_existing(db)?),
        None => None,
    };
    if let Some(store) = &store {
        ensure!(store.home()? == deployment.home(), "the database is of another deployment");
    }
    let rotations = match rotations(arguments, store.as_ref())? {
        Ok(rotations) => rotations,
        Err(refusal) => return Ok(refused(arguments.json, &refusal)),
    };
    let mut done = Vec::new();
    for evidence in &rotations {
        match hand_over(arguments, &deployment, store.as_mut(), evidence).await? {
            Ok(registered) => done.push(registered),
            Err(refusal) => return Ok(refused(arguments.json, &refusal)),
        }
    }
    print(arguments.json, &done);
    let revoked = done.last().is_some_and(|last| last.status.revoked_at != 0);
    ensure!(!revoked, "the key was revoked, and that is for good: the device needs another");
    Ok(ExitCode::SUCCESS)
}

/// The evidence of each rotation record, in their order.
fn rotations(arguments: &RotateArguments, store: Option<&Store>) -> anyhow::Result<Result<Vec<Evidence>, Refusal>> {
    if let Some(file) = &arguments.what.evidence {
        return Ok(cairn_evidence::read(&read(file)?).map(|evidence| vec![evidence]).map_err(Refusal::from));
    }
    let (Some(device), Some(store)) = (arguments.what.device, store) else { anyhow::bail!("name a device") };
    let keys = store.keys_of(device)?;
    ensure!(!keys.is_empty(), "the relay's database has no such device");
    ensure!(keys.len() > 1, "the relay took no rotation of this device: its first key is its present one");
    let told = |key: &Device| proof::of_rotation(store, key.key_id());
    let told = keys.iter().map(told).collect::<Result<Vec<_>, _>>()?;
    Ok(Ok(told.into_iter().flatten().collect()))
}

/// Registers the key that one rotation record names, if it is the device's next.
async fn hand_over(
    arguments: &RotateArguments,
    deployment: &Deployment,
    store: Option<&mut Store>,
    evidence: &Evidence,
) -> anyhow::Result<Result<Successor, Refusal>> {
    let expectation = Expectation {
        deployment: deployment.deployment_id,
        chain_id: deployment.chain_id,
        contract: deployment.contract.into_array(),
        device: None,
        min_confirmations: deployment.finality_depth,
    };
    let owner = arguments.owner.act_on(deployment)?;
    let mut successor = match succession::judge(owner.view(), evidence, &expectation).await? {
        Ok(successor) => successor,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(store) = &store {
        check_with_relay(store, &successor)?;
    }
    let Successor { device, key, status, .. } = successor;
    // One that is registered may have been revoked since, because the device rotated away from it: that is no
    // hindrance.
    if status.registered_at == 0 {
        successor.status = provision::register(&arguments.owner, deployment, device, key.key_id()).await?;
    }
    if let Some(store) = store {
        store.note_key_status(key.key_id(), successor.status, unix_ms())?;
    }
    Ok(Ok(successor))
}

/// Of two rotations of one key the relay took the first: the owner does not register the other.
fn check_with_relay(store: &Store, successor: &Successor) -> anyhow::Result<()> {
    let keys = store.keys_of(successor.device)?;
    let after = keys.iter().skip_while(|known| known.key_id() != successor.from).nth(1);
    let other = after.map(|known| known.key).filter(|known| *known != successor.key);
    let name = |key: &PublicKey| hex::encode(key.key_id().0);
    let other = other.map(|key| name(&key)).unwrap_or_default();
    ensure!(
        other.is_empty(),
        "the relay took another rotation of this key, to key 0x{other}: find out which is the device's, and revoke the other"
    );
    Ok(())
}

fn refused(as_json: bool, refusal: &Refusal) -> ExitCode {
    let (step, code) = (refusal.step().name(), refusal.exit_code());
    if as_json {
        println!("{:#}", json!({ "verdict": "refused", "step": step, "code": code, "reason": refusal.to_string() }));
    } else {
        println!("REFUSED at step {step}: {refusal}");
    }
    ExitCode::from(code)
}

fn print(as_json: bool, done: &[Successor]) {
    let name = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    if as_json {
        let entry = |successor: &Successor| {
            let KeyStatus { registered_at, revoked_at } = successor.status;
            json!({ "device": name(&successor.device.0), "from": name(&successor.from.0),
                    "keyId": name(&successor.key.key_id().0), "alg": successor.key.alg.cose(),
                    "registeredAt": registered_at, "revokedAt": revoked_at })
        };
        println!("{:#}", serde_json::Value::Array(done.iter().map(entry).collect()));
        return;
    }
    for successor in done {
        println!("device {}", name(&successor.device.0));
        println!("  from key {}", name(&successor.from.0));
        let registered = show::utc_seconds(successor.status.registered_at);
        println!("  to key   {}, registered {registered}", name(&successor.key.key_id().0));
    }
}
