// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn provision challenge` and `cairn provision endorse`: draws the nonce a device is to be endorsed with, and
//! takes the endorsement: verified first, then kept in the relay's database, then the key goes into the registry.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail, ensure};
use cairn::{record::StreamId, signer::DeviceId};
use clap::Args;
use serde_json::json;

use super::{contract::Owner, device_id, provision, random, show};
use crate::{
    deployment::Deployment,
    endorsement::{self, Expectation, Refusal, Root, Roots, verify},
    files::fixed_hex,
    relay::{
        server::unix_ms,
        store::{Store, StoreError, devices::Device},
    },
};

const EXIT_CODES: &str = "\
A nonce is good for one endorsement. Running it again with the same endorsement does what is still to do, until the key is registered.

The file of roots: { \"factoryKeys\": [ { \"alg\": \"ES256K\", \"publicKey\": HEX, \"device\": HEX } ],
  \"psa\": [ { \"instanceId\": HEX, \"implementationId\": HEX, \"publicKey\": HEX } ],
  \"se050\": [ { \"chipId\": HEX, \"publicKey\": HEX } ] }; \"device\" may be left out

Exit codes:
  0   endorsed and registered
  1   could not do it: a file, the database or the node did not play along
  2   wrong usage
  10  not an endorsement
  11  of an unknown version
  20  for another deployment
  21  names another kid than the nonce was drawn for
  22  the ledger key is no point of its curve
  23  names another ledger key than the nonce was drawn for
  24  of another stream than --stream
  30  the nonce was not drawn here
  31  the nonce was used (replay)
  32  the nonce has expired
  40  the token is no COSE_Sign1, and no unprotected claims set
  41  the token is signed with another algorithm
  42  a claim of the token is missing or malformed
  43  the token is of an unknown profile
  44  the chip's statement cannot be read (SE050)
  50  the root of trust is not in the file of roots
  51  the root of trust is trusted for another device only
  52  the token was changed: its signature does not hold
  60  the token is over another nonce, key, stream, kid or deployment
  61  the token is about another device
  62  the platform is not secured (PSA security lifecycle)
  63  the platform is of another implementation
  64  the chip's statement was made for another nonce (SE050)
  65  the chip's statement is about another key
  66  the chip's statement is about something that is no key pair of its algorithm
  67  the ledger key was not generated in the chip
  70  the proof of possession is no signature
  71  the proof of possession is high-S
  72  the ledger key did not sign the token";

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cairn provision challenge --deployment deployment.json --db relay.sqlite --kid 0a1b2c3d"
)]
pub(super) struct ChallengeArguments {
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// The relay's database, which has the device
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    #[command(flatten)]
    which: WhichDevice,
    /// Seconds for which the nonce is good
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    valid_for: u32,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhichDevice {
    /// The device
    #[arg(long, value_name = "HEX", value_parser = device_id)]
    device: Option<DeviceId>,
    /// The device's kid
    #[arg(long, value_name = "HEX", value_parser = fixed_hex::<4>)]
    kid: Option<[u8; 4]>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct EndorseArguments {
    /// The endorsement: CBOR, or CBOR in hexadecimal
    file: PathBuf,
    #[command(flatten)]
    owner: Owner,
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// The relay's database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// The roots of trust that are believed
    #[arg(long, value_name = "FILE")]
    roots: PathBuf,
    /// The stream the device has to be in, when it is known
    #[arg(long, value_name = "NUMBER")]
    stream: Option<u64>,
    /// Print what was endorsed as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn challenge(arguments: &ChallengeArguments) -> anyhow::Result<()> {
    let deployment = Deployment::read(&arguments.deployment)?;
    let mut store = Store::open_existing(&arguments.db)?;
    ensure!(store.home()? == deployment.home(), "the database is of another deployment");
    let device = match (arguments.which.device, arguments.which.kid) {
        (Some(id), _) => store.device_by_id(id)?,
        (None, Some(kid)) => store.device_by_kid(&kid)?,
        (None, None) => bail!("name a device"),
    };
    let device = device.context("the relay's database has no such device: `cairn provision` adds it")?;
    let (nonce, now) = (random::<32>()?, unix_ms());
    let expires_ms = now.saturating_add(u64::from(arguments.valid_for) * 1000);
    store.add_challenge(&nonce, device.key_id(), now, expires_ms)?;
    let nonce = hex::encode(nonce);
    if arguments.json {
        let device = format!("0x{}", hex::encode(device.id.0));
        println!(
            "{:#}",
            json!({ "nonce": format!("0x{nonce}"), "device": device, "expiresMs": expires_ms.to_string() })
        );
    } else {
        println!("{nonce}");
    }
    Ok(())
}

pub(super) async fn endorse(arguments: &EndorseArguments) -> anyhow::Result<ExitCode> {
    let deployment = Deployment::read(&arguments.deployment)?;
    let mut store = Store::open_existing(&arguments.db)?;
    ensure!(store.home()? == deployment.home(), "the database is of another deployment");
    let file = fs::read(&arguments.file).with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let outcome = match endorsement::read(&file) {
        Ok(bytes) => accept(arguments, &deployment, &mut store, &bytes)?,
        Err(refusal) => Err(refusal),
    };
    let device = match outcome {
        Ok(device) => device,
        Err(refusal) => {
            print_refusal(arguments.json, &refusal);
            return Ok(ExitCode::from(refusal.exit_code()));
        }
    };
    let status = provision::register(&arguments.owner, &deployment, device.id, device.key_id()).await?;
    store.note_key_status(device.key_id(), status, unix_ms())?;
    let (id, key) = (hex::encode(device.id.0), hex::encode(device.key_id().0));
    if arguments.json {
        println!(
            "{:#}",
            json!({ "verdict": "endorsed", "device": format!("0x{id}"), "keyId": format!("0x{key}"),
                    "registeredAt": status.registered_at })
        );
    } else {
        println!("ENDORSED device 0x{id}");
        println!("         key 0x{key}, registered {}", show::utc_seconds(status.registered_at));
    }
    Ok(ExitCode::SUCCESS)
}

/// Verifies an endorsement and keeps it; gives the device.
fn accept(
    arguments: &EndorseArguments,
    deployment: &Deployment,
    store: &mut Store,
    bytes: &[u8],
) -> anyhow::Result<Result<Device, Refusal>> {
    let nonce = match endorsement::nonce(bytes) {
        Ok(nonce) => nonce,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(device) = unfinished(store, &nonce, bytes)? {
        return Ok(Ok(device));
    }
    let roots = Roots::read(&arguments.roots)?;
    let expectation = Expectation {
        deployment: deployment.deployment_id,
        stream: arguments.stream.map(StreamId),
        roots: &roots,
        now: unix_ms(),
    };
    let endorsed = match verify(bytes, store.challenge(&nonce)?.as_ref(), &expectation) {
        Ok(endorsed) => endorsed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match store.accept(&endorsed, bytes, expectation.now) {
        Ok(()) => {}
        // By another run, between the look and the write.
        Err(StoreError::Taken(_)) => return Ok(Err(Refusal::NonceUsed)),
        Err(error) => return Err(error.into()),
    }
    match endorsed.root {
        Root::FactoryKey(id) => tracing::info!(key = %hex::encode(id.0), "vouched for by a factory's key"),
        Root::Psa(instance) => tracing::info!(instance = %hex::encode(instance), "vouched for by a PSA platform"),
        Root::Chip(chip) => tracing::info!(chip = %hex::encode(chip), "vouched for by a secure element"),
    }
    store.device_by_key(endorsed.binding.key.key_id())?.context("the device is gone from the database").map(Ok)
}

/// The device whose very endorsement this is, accepted by an earlier run that did not come to registering its key.
fn unfinished(store: &Store, nonce: &[u8; 32], bytes: &[u8]) -> anyhow::Result<Option<Device>> {
    let Some(accepted) = store.accepted(nonce)? else { return Ok(None) };
    let device = store.device_by_key(accepted.key)?;
    Ok(device.filter(|device| device.status.registered_at == 0 && accepted.bytes == bytes))
}

fn print_refusal(as_json: bool, refusal: &Refusal) {
    if as_json {
        let code = refusal.exit_code();
        println!("{:#}", json!({ "verdict": "refused", "code": code, "reason": refusal.to_string() }));
    } else {
        println!("REFUSED: {refusal}");
    }
}
