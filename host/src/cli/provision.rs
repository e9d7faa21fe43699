// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn provision`: creates a device, or finishes one whose creation was interrupted, and revokes keys. [`super::endorse`] has the
//! verbs for endorsements, [`super::rotate`] the one for keys that changed. The factory image is written
//! first, so that no secret exists that is not in a file; running the verb again with the same image does what is still to do.

use std::{fs, net::SocketAddrV4, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail, ensure};
use cairn::{
    factory::{AttestationKey, FACTORY_MAX, Factory},
    signer::{Algorithm, DeviceId, KeyId, PublicKey},
};
use cairn_evidence::signature;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    contract::Owner,
    device_id,
    endorse::{self, ChallengeArguments, EndorseArguments},
    random,
    rotate::{self, RotateArguments},
};
use crate::{
    chain::{KeyStatus, LedgerView as _, evm::Vouched},
    deployment::{Deployment, EndorsementPolicy},
    files,
    relay::{
        server::unix_ms,
        store::{Store, StoreError, devices::Device},
    },
};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  cairn provision --rpc http://127.0.0.1:8545 --key-file owner.key \\\n      \
                  --deployment deployment.json --db relay.sqlite --relay 10.0.2.2:5683 -o factory.bin\n\n\
                  Running it again with the same image changes nothing that is done, and does what is still to do.\n\
                  Where the deployment requires endorsements, the key is registered by `cairn provision endorse`."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    create: Option<Create>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Draw the nonce that a device is to be endorsed with
    Challenge(ChallengeArguments),
    /// Take a device's endorsement, and register its key
    Endorse(Box<EndorseArguments>),
    /// Register the key that a device rotated to
    Rotate(Box<RotateArguments>),
    /// Revoke a device's key, for good
    Revoke(Revoke),
    /// List the devices in a relay's database
    List(List),
}

#[derive(Debug, Args)]
struct Create {
    // Not flattened: clap takes an optional group for absent when its first member is a group itself.
    /// JSON-RPC of a node, http or https
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// File with the owner's private key, 32 bytes in hexadecimal
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Seconds to wait for the registration to be included
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    patience: u64,
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// The relay's database; created when there is none
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Where the device finds the relay: IPv4 address and UDP port
    #[arg(long, value_name = "IP:PORT")]
    relay: SocketAddrV4,
    /// The image of the factory partition: written with mode 0600, or read and finished when it is there
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The key's algorithm
    #[arg(long, value_enum, default_value_t = Alg::Es256k)]
    alg: Alg,
    /// The device's public key (SEC 1 in hexadecimal), when the private key was born in the device and never leaves it
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,
    /// Only write an image without a private key: the device draws its key when it starts with it, and says the public key. Run this again
    /// then, with --public-key
    #[arg(long, conflicts_with = "public_key")]
    key_in_device: bool,
    /// File with the attestation key the device is to get, 32 bytes in hexadecimal: with it the factory vouches for the device
    /// where the platform has no root of trust of its own. Its public half belongs into the file of roots
    #[arg(long, value_name = "FILE")]
    attestation_key: Option<PathBuf>,
    /// The attestation key's algorithm
    #[arg(long, value_enum, default_value_t = Alg::Es256k, requires = "attestation_key")]
    attestation_alg: Alg,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Alg {
    /// ECDSA over secp256k1
    Es256k,
    /// ECDSA over P-256
    Es256,
}

impl From<Alg> for Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Es256k => Self::Es256k,
            Alg::Es256 => Self::Es256,
        }
    }
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    owner: Owner,
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// The relay's database: tells which key is the device's, and is told of the revocation
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    which: WhichKey,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhichKey {
    /// The device whose present key is revoked; needs --db. An earlier one is named by --key
    #[arg(long, value_name = "HEX", value_parser = device_id, requires = "db")]
    device: Option<DeviceId>,
    /// The key's id
    #[arg(long, value_name = "HEX", value_parser = key_id)]
    key: Option<KeyId>,
}

#[derive(Debug, Args)]
struct List {
    /// The relay's database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

fn key_id(text: &str) -> Result<KeyId, String> {
    files::fixed_hex(text).map(KeyId)
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match (arguments.verb, arguments.create) {
        (Some(Verb::Challenge(challenge)), _) => endorse::challenge(&challenge)?,
        (Some(Verb::Endorse(arguments)), _) => return endorse::endorse(&arguments).await,
        (Some(Verb::Rotate(arguments)), _) => return rotate::rotate(&arguments).await,
        (Some(Verb::Revoke(revoke)), _) => revoke_key(&revoke).await?,
        (Some(Verb::List(list)), _) => print_list(&list)?,
        (None, Some(create)) => create_device(&create).await?,
        (None, None) => bail!("say what to create: see `cairn provision --help`"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn create_device(arguments: &Create) -> anyhow::Result<()> {
    let deployment = Deployment::read(&arguments.deployment)?;
    let given = given_key(arguments)?;
    let mut store = Store::open(&arguments.db, &deployment.home())?;
    if arguments.key_in_device {
        return prepare(arguments, &deployment, &store);
    }
    let (factory, key) = if arguments.output.exists() {
        read_image(arguments, &deployment, given)?
    } else {
        write_image(arguments, &deployment, given, &store)?
    };
    let (device, key_id) = (key.device_id(), key.key_id());
    add(&mut store, &factory, key)?;
    let status = if deployment.endorsement == EndorsementPolicy::Optional || store.is_endorsed(key_id)? {
        let owner =
            Owner { rpc: arguments.rpc.clone(), key_file: arguments.key_file.clone(), patience: arguments.patience };
        let status = register(&owner, &deployment, device, key_id).await?;
        store.note_key_status(key_id, status, unix_ms())?;
        Some(status)
    } else {
        None
    };
    print_device(arguments, &factory, key, status);
    Ok(())
}

/// Writes the image that a device draws its key with; one that is there is left as it is.
fn prepare(arguments: &Create, deployment: &Deployment, store: &Store) -> anyhow::Result<()> {
    let image = arguments.output.display().to_string();
    let factory = if arguments.output.exists() {
        let factory = read_factory(arguments, deployment)?;
        ensure!(factory.private_key.is_none(), "{image} is there, and holds a private key");
        factory
    } else {
        write_factory(arguments, deployment, None, store)?
    };
    if arguments.json {
        println!("{:#}", json!({ "alg": factory.alg.cose(), "kid": hex0x(&factory.kid), "image": image }));
    } else {
        println!("{:<10} {}", "kid", hex0x(&factory.kid));
        println!(
            "{:<10} {image} (secret: flash it into the device; run this again with the key that the device says)",
            "image"
        );
    }
    Ok(())
}

fn given_key(arguments: &Create) -> anyhow::Result<Option<PublicKey>> {
    let Some(text) = &arguments.public_key else { return Ok(None) };
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).context("--public-key is not hexadecimal")?;
    let key = signature::public_key(arguments.alg.into(), &bytes);
    Ok(Some(key.ok().context("--public-key is no SEC 1 point of this algorithm's curve")?))
}

/// An image that is there: of an earlier run, which this one finishes.
fn read_image(
    arguments: &Create,
    deployment: &Deployment,
    given: Option<PublicKey>,
) -> anyhow::Result<(Factory, PublicKey)> {
    let name = arguments.output.display();
    let factory = read_factory(arguments, deployment)?;
    let own = factory.private_key.as_ref().map(|secret| public_key(factory.alg, secret)).transpose()?;
    match (own, given) {
        (Some(own), Some(given)) if own != given => bail!("{name} holds another key than --public-key"),
        (None, None) => bail!("{name} holds no key: its device's is to be given with --public-key"),
        (Some(key), _) | (None, Some(key)) => Ok((factory, key)),
    }
}

fn read_factory(arguments: &Create, deployment: &Deployment) -> anyhow::Result<Factory> {
    let name = arguments.output.display();
    files::warn_if_readable_by_others(&arguments.output);
    let bytes = Zeroizing::new(fs::read(&arguments.output).with_context(|| format!("cannot read {name}"))?);
    let factory = Factory::decode(&bytes);
    let Ok(factory) = factory else { bail!("{name} is there and is no factory image: {:?}", factory.err()) };
    ensure!(factory.deployment == deployment.deployment_id.0, "{name} is of another deployment");
    ensure!(factory.alg == arguments.alg.into(), "{name} is for another algorithm");
    ensure!(factory.relay == arguments.relay, "{name} names the relay {}", factory.relay);
    ensure!(
        arguments.attestation_key.is_none() || factory.attestation == attestation_key(arguments)?,
        "{name} holds another attestation key, or none"
    );
    Ok(factory)
}

fn write_image(
    arguments: &Create,
    deployment: &Deployment,
    given: Option<PublicKey>,
    store: &Store,
) -> anyhow::Result<(Factory, PublicKey)> {
    let alg = arguments.alg.into();
    let (private_key, key) = match given {
        Some(key) => (None, key),
        None => {
            let (secret, key) = new_key(alg)?;
            (Some(*secret), key)
        }
    };
    if store.device_by_key(key.key_id())?.is_some() {
        bail!("this key is provisioned already; its factory image is not at {}", arguments.output.display());
    }
    Ok((write_factory(arguments, deployment, private_key, store)?, key))
}

fn write_factory(
    arguments: &Create,
    deployment: &Deployment,
    private_key: Option<[u8; 32]>,
    store: &Store,
) -> anyhow::Result<Factory> {
    let factory = Factory {
        alg: arguments.alg.into(),
        private_key,
        blind_secret: random()?,
        deployment: deployment.deployment_id.0,
        kid: free_kid(store)?,
        master_secret: random()?,
        relay: arguments.relay,
        attestation: attestation_key(arguments)?,
    };
    let mut image = [0; FACTORY_MAX];
    let length = factory.encode(&mut image).map_err(|error| anyhow::anyhow!("factory image: {error:?}"))?;
    let written = files::write_new(&arguments.output, image.get(..length).unwrap_or_default(), 0o600);
    image.zeroize();
    written?;
    Ok(factory)
}

fn attestation_key(arguments: &Create) -> anyhow::Result<Option<AttestationKey>> {
    let Some(file) = &arguments.attestation_key else { return Ok(None) };
    let (alg, secret) = (arguments.attestation_alg.into(), files::secret_key(file)?);
    public_key(alg, &secret).with_context(|| format!("{} holds no key of this algorithm", file.display()))?;
    Ok(Some(AttestationKey { alg, private_key: *secret }))
}

fn free_kid(store: &Store) -> anyhow::Result<[u8; 4]> {
    loop {
        let kid = random()?;
        if store.device_by_kid(&kid)?.is_none() {
            return Ok(kid);
        }
    }
}

/// A key nobody has: 32 random bytes that are a scalar of the curve, which nearly all are.
fn new_key(alg: Algorithm) -> anyhow::Result<(Zeroizing<[u8; 32]>, PublicKey)> {
    for _ in 0..64 {
        let secret = Zeroizing::new(random()?);
        if let Ok(key) = public_key(alg, &secret) {
            return Ok((secret, key));
        }
    }
    bail!("the operating system's random bytes are no private keys")
}

fn public_key(alg: Algorithm, secret: &[u8; 32]) -> anyhow::Result<PublicKey> {
    let sec1 = match alg {
        Algorithm::Es256k => {
            let key = k256::ecdsa::SigningKey::from_slice(secret).context("no private key of secp256k1")?;
            key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
        }
        Algorithm::Es256 => {
            let key = p256::ecdsa::SigningKey::from_slice(secret).context("no private key of P-256")?;
            key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
        }
    };
    Ok(signature::public_key(alg, &sec1)?)
}

/// Adds the device to the database, or finds it there as it should be.
fn add(store: &mut Store, factory: &Factory, key: PublicKey) -> anyhow::Result<()> {
    let device = Device::born(key, factory.kid, Zeroizing::new(factory.master_secret));
    match store.add_device(&device, unix_ms()) {
        Ok(()) => Ok(()),
        Err(StoreError::Taken(what)) => {
            let there = store.device_by_key(key.key_id())?;
            let same =
                there.is_some_and(|there| there.kid == device.kid && *there.master_secret == *device.master_secret);
            ensure!(same, "{what} of this device belongs to another entry of the relay's database");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts a key into the registry, or finds it there.
pub(super) async fn register(
    owner: &Owner,
    deployment: &Deployment,
    device: DeviceId,
    key: KeyId,
) -> anyhow::Result<KeyStatus> {
    let owner = owner.act_on(deployment)?;
    let before = owner.view().key_status(key).await?;
    ensure!(before.revoked_at == 0, "the key was revoked, and that is for good: the device needs another");
    if before.registered_at != 0 {
        return Ok(before);
    }
    let transaction = owner.register(&[Vouched { device, key }]).await?;
    tracing::info!(%transaction, "registered");
    Ok(owner.view().key_status(key).await?)
}

/// `status` is `None` when the key is registered only once the device was endorsed.
fn print_device(arguments: &Create, factory: &Factory, key: PublicKey, status: Option<KeyStatus>) {
    let image = arguments.output.display().to_string();
    let facts = [
        ("deviceId", hex0x(&key.device_id().0)),
        ("keyId", hex0x(&key.key_id().0)),
        ("publicKey", hex0x(&key.compressed())),
        ("kid", hex0x(&factory.kid)),
    ];
    if arguments.json {
        let mut object = json!({ "alg": key.alg.cose(), "registeredAt": status.map_or(0, |status| status.registered_at), "image": image });
        for (name, value) in facts {
            object[name] = value.into();
        }
        println!("{object:#}");
        return;
    }
    for (name, value) in facts {
        println!("{name:<10} {value}");
    }
    match status {
        Some(status) => println!("{:<10} {}", "registered", super::show::utc_seconds(status.registered_at)),
        None => {
            println!("{:<10} once the device is endorsed: `cairn provision challenge`, then `endorse`", "registered");
        }
    }
    println!("{:<10} {image} (secret: flash it into the device, then destroy it)", "image");
}

async fn revoke_key(arguments: &Revoke) -> anyhow::Result<()> {
    let deployment = Deployment::read(&arguments.deployment)?;
    let mut store = match &arguments.db {
        Some(db) => Some(Store::open(db, &deployment.home())?),
        None => None,
    };
    let key = match (arguments.which.key, arguments.which.device, &store) {
        (Some(key), _, _) => key,
        (None, Some(device), Some(store)) => {
            store.device_by_id(device)?.context("the relay's database has no such device")?.key_id()
        }
        _ => bail!("name a key"),
    };
    let owner = arguments.owner.act_on(&deployment)?;
    let transaction = owner.revoke(key).await?;
    let status = owner.view().key_status(key).await?;
    println!("key {} revoked: transaction {transaction}", hex0x(&key.0));
    if let Some(store) = &mut store {
        store.note_key_status(key, status, unix_ms())?;
        match store.not_included(key)? {
            0 => {}
            lost => println!("{lost} of its batches were not on the ledger, and are no evidence any more"),
        }
    }
    Ok(())
}

fn print_list(arguments: &List) -> anyhow::Result<()> {
    let store = Store::open_existing(&arguments.db)?;
    let mut known = Vec::new();
    for device in store.devices()? {
        let endorsed = store.is_endorsed(device.key_id())?;
        let mut keys = store.keys_of(device.id)?;
        // The last is the present one, which the device is listed under.
        keys.pop();
        known.push((device, endorsed, keys));
    }
    if arguments.json {
        let key = |known: &Device| {
            json!({ "keyId": hex0x(&known.key_id().0), "alg": known.key.alg.cose(),
                    "registeredAt": known.status.registered_at, "revokedAt": known.status.revoked_at })
        };
        let entry = |(device, endorsed, earlier): &(Device, bool, Vec<Device>)| {
            json!({
                "deviceId": hex0x(&device.id.0), "keyId": hex0x(&device.key_id().0),
                "kid": hex0x(&device.kid), "alg": device.key.alg.cose(), "endorsed": endorsed,
                "registeredAt": device.status.registered_at, "revokedAt": device.status.revoked_at,
                "earlierKeys": earlier.iter().map(key).collect::<Vec<_>>(),
            })
        };
        println!("{:#}", serde_json::Value::Array(known.iter().map(entry).collect()));
        return Ok(());
    }
    for (device, endorsed, earlier) in &known {
        println!(
            "{} kid {} key {} {}{}",
            hex0x(&device.id.0),
            hex0x(&device.kid),
            hex0x(&device.key_id().0),
            standing(device.status),
            if *endorsed { ", endorsed" } else { "" }
        );
        for key in earlier {
            println!("  before: key {} {}", hex0x(&key.key_id().0), standing(key.status));
        }
    }
    Ok(())
}

const fn standing(status: KeyStatus) -> &'static str {
    match status {
        status if status.revoked_at != 0 => "revoked",
        status if status.registered_at != 0 => "registered",
        _ => "not registered",
    }
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
