// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn relay`: runs the relay, and reports what its database holds.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, ensure};
use cairn::{record::Kind, uplink::Uplink};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tokio::net::UdpSocket;

use super::{exit, random, show::utc_ms};
use crate::{
    chain::{
        ChainError, Ledger as _, LedgerView as _,
        evm::{EvmLedger, EvmView, Node},
    },
    deployment::Deployment,
    files,
    relay::{
        anchoring::{Anchoring, Settings},
        backoff::Steps,
        endpoint::Endpoint,
        gather::{DirectRules, Mode},
        intake::Rules,
        server,
        store::{Store, anchors::Equivocation},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the relay, until SIGINT or SIGTERM
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Make a database that was restored from a copy safe to run with
    #[command(after_help = RESTORED_HELP)]
    Restored(Restored),
    /// Report what the database holds: anchors, and keys that signed two anchors for one batch
    Report(Report),
}

const RESTORED_HELP: &str = "\
Run it once, before the relay, after putting a copy of the database in place: what devices sent since the copy was made is not in it,
and would be taken for new. Every device is then challenged once more before it is served.";

const RUN_HELP: &str = "\
Example:
  cairn relay run --db relay.sqlite --listen 0.0.0.0:5683 --rpc http://127.0.0.1:8545 \\
      --deployment deployment.json --key-file relay.key

A device gets its \"stored\" as soon as its uplink is durable in the database, also while no node answers. Killing the relay at
any moment loses nothing: run it again with the same database.

In direct mode an anchor goes under a root all the same when its key is not on secp256k1, when the kinds of its records are
private, or when they are not known because the device keeps them.";

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The database; created when there is none
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Address to take CoAP on
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5683")]
    listen: SocketAddr,
    /// JSON-RPC of a node, http or https
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    /// File with the private key of the account that pays, 32 bytes in hexadecimal
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// How anchors go on the ledger
    #[arg(long, value_enum, default_value_t = ModeName::Root)]
    mode: ModeName,
    /// Blocks that must stand upon a posting's block before it is final; the deployment file says it when not given
    #[arg(long, value_name = "BLOCKS")]
    finality_depth: Option<u64>,
    /// Seconds from one posting to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    batch_interval: u64,
    /// Seconds from one question to the node to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    poll_interval: u64,
    /// Seconds after which a transaction that is not included gets higher fees
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    raise_fees_after: u64,
    /// The most a unit of gas may cost, gwei
    #[arg(long, value_name = "GWEI", default_value_t = 500)]
    fee_ceiling: u64,
    /// Seconds for which the registry's word on a key is believed
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    key_check: u64,
    /// Kinds of records that are private; may be given more than once
    #[arg(long, value_name = "KIND", default_values_t = [Kind::READING.0])]
    private_kind: Vec<u16>,
    /// Direct mode: publish anchors of batches with private kinds too
    #[arg(long)]
    direct_allow_private: bool,
    /// Direct mode: publish anchors of batches whose kinds are not known too
    #[arg(long)]
    direct_allow_unknown_kinds: bool,
    /// Tell devices the hash of a recent block (35 bytes more in each downlink)
    #[arg(long)]
    offer_blocks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// One root for all
    Root,
    /// Each by itself, where that is allowed
    Direct,
}

#[derive(Debug, Args)]
pub(super) struct Restored {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The database
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Run(arguments) => serve(arguments).await,
        Verb::Restored(arguments) => restored(&arguments),
        Verb::Report(arguments) => report(&arguments),
    }
}

async fn serve(arguments: Run) -> anyhow::Result<ExitCode> {
    let deployment = Deployment::read(&arguments.deployment)?;
    // Two relays on one database would not harm an anchor, but pay for it twice.
    let _lock = files::lock_beside(&arguments.db)?;
    let store = Store::open(&arguments.db, &deployment.home())?;
    files::warn_if_readable_by_others(&arguments.db);
    let ledger = ledger(&arguments, &deployment).await?;
    let settings = settings(&arguments, &deployment);
    let rules = Rules { deployment: deployment.deployment_id, endorsement: deployment.endorsement };
    let seed = u64::from_be_bytes(random()?);
    let entropy = |out: &mut [u8]| {
        // A predictable challenge would be none.
        if let Err(error) = getrandom::fill(out) {
            tracing::error!(%error, "no random bytes");
            std::process::abort();
        }
    };
    let endpoint = Endpoint::new(rules, Box::new(entropy));
    let socket = UdpSocket::bind(arguments.listen).await;
    let socket = socket.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    tracing::info!(listen = %socket.local_addr()?, account = %ledger.account(), "relay runs");
    let anchoring = Anchoring::new(ledger, settings, seed);
    server::run(socket, store, endpoint, anchoring, arguments.offer_blocks, stopped()).await?;
    tracing::info!("relay stops");
    Ok(ExitCode::SUCCESS)
}

/// The ledger, checked as far as the node answers: a wrong chain or contract is an error, a dead node is not.
async fn ledger(arguments: &Run, deployment: &Deployment) -> anyhow::Result<EvmLedger> {
    let view = EvmView::new(Node::new(&arguments.rpc, deployment.chain_id)?, deployment.contract);
    let checked = match view.node().check().await {
        Ok(()) => view.deployment().await.map(Some),
        Err(error) => Err(error),
    };
    match checked {
        Ok(found) => ensure!(found == Some(deployment.deployment_id), "the contract is of another deployment"),
        Err(error @ ChainError::Unreachable(_)) => tracing::warn!(%error, "anchoring waits for the node"),
        Err(error) => return Err(error.into()),
    }
    Ok(EvmLedger::new(view, files::account(&arguments.key_file)?))
}

fn settings(arguments: &Run, deployment: &Deployment) -> Settings {
    let mode = match arguments.mode {
        ModeName::Root => Mode::Root,
        ModeName::Direct => Mode::Direct(DirectRules {
            private_kinds: arguments.private_kind.iter().copied().map(Kind).collect(),
            allow_private: arguments.direct_allow_private,
            allow_unknown: arguments.direct_allow_unknown_kinds,
        }),
    };
    let ms = |seconds: u64| seconds.saturating_mul(1000);
    Settings {
        deployment: deployment.deployment_id,
        mode,
        finality_depth: arguments.finality_depth.unwrap_or(deployment.finality_depth),
        batch_interval_ms: ms(arguments.batch_interval),
        round_ms: ms(arguments.poll_interval),
        resend_ms: ms(30),
        raise_fees_ms: ms(arguments.raise_fees_after),
        fee_ceiling: u128::from(arguments.fee_ceiling) * 1_000_000_000,
        key_check_ms: ms(arguments.key_check),
        retry: Steps { first_ms: 1000, most_ms: 60_000 },
    }
}

/// Completes at SIGINT or SIGTERM.
async fn stopped() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::warn!(%error, "SIGTERM is not handled");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

fn restored(arguments: &Restored) -> anyhow::Result<ExitCode> {
    let mut store = Store::open_existing(&arguments.db)?;
    let _lock = files::lock_beside(&arguments.db)?;
    println!("{} devices will be challenged again", store.distrust_contexts()?);
    Ok(ExitCode::SUCCESS)
}

fn report(arguments: &Report) -> anyhow::Result<ExitCode> {
    let store = Store::open_existing(&arguments.db)?;
    let (totals, equivocations) = (store.totals()?, store.equivocations()?);
    if arguments.json {
        let entries: Vec<_> = equivocations.iter().map(as_json).collect();
        println!(
            "{:#}",
            json!({ "anchors": totals.stored, "included": totals.included, "final": totals.finalised,
                    "equivocations": entries })
        );
    } else {
        println!("anchors        {}", totals.stored);
        println!("  included     {}", totals.included);
        println!("  final        {}", totals.finalised);
        println!("equivocations  {}", equivocations.len());
        equivocations.iter().for_each(print_equivocation);
    }
    Ok(if equivocations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::EQUIVOCATION) })
}

fn as_json(found: &Equivocation) -> serde_json::Value {
    json!({
        "keyId": format!("0x{}", hex::encode(found.kept.key.0)),
        "kept": { "commitment": format!("0x{}", hex::encode(found.kept.commitment.0)),
                  "uplink": format!("0x{}", hex::encode(&found.kept.uplink)), "receivedMs": found.kept.received_ms },
        "other": { "commitment": format!("0x{}", hex::encode(found.other.0)),
                   "uplink": format!("0x{}", hex::encode(&found.other_uplink)), "receivedMs": found.received_ms },
    })
}

fn print_equivocation(found: &Equivocation) {
    println!("  key 0x{}", hex::encode(found.kept.key.0));
    if let Ok(uplink) = Uplink::decode(&found.other_uplink) {
        println!("    stream {} batch {}", uplink.anchor.stream.0, uplink.anchor.batch.0);
    }
    println!("    kept   0x{} of {}", hex::encode(found.kept.commitment.0), utc_ms(found.kept.received_ms));
    println!("    other  0x{} of {}", hex::encode(found.other.0), utc_ms(found.received_ms));
}
