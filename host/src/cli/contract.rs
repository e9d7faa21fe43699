// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn contract`: deploys the contract and says who may post to it. Acts with the owner's account.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use cairn::batch::DeploymentId;
use clap::{Args, Subcommand};

use super::{deployment_id, random};
use crate::{
    chain::{
        Address, LedgerView as _,
        evm::{EvmOwner, EvmView, Node},
    },
    deployment::{DEFAULT_FINALITY_DEPTH, Deployment, EndorsementPolicy},
    files,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Deploy the contract and write the deployment file
    #[command(
        after_help = "Example:\n  cairn contract deploy --rpc http://127.0.0.1:8545 --key-file owner.key -o deployment.json"
    )]
    Deploy(Deploy),
    /// Allow a relay's account to post, or forbid it
    #[command(after_help = "Example:\n  cairn contract allow-relay --rpc http://127.0.0.1:8545 \\\n      \
                      --deployment deployment.json --key-file owner.key --relay-key-file relay.key")]
    AllowRelay(AllowRelay),
}

/// The owner's account and the node it uses.
#[derive(Debug, Args)]
pub(super) struct Owner {
    /// JSON-RPC of a node, http or https
    #[arg(long, value_name = "URL")]
    pub(super) rpc: String,
    /// File with the owner's private key, 32 bytes in hexadecimal
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: PathBuf,
    /// Seconds to wait for a transaction to be included
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(super) patience: u64,
}

impl Owner {
    pub(super) fn act_on(&self, deployment: &Deployment) -> anyhow::Result<EvmOwner> {
        let view = EvmView::new(Node::new(&self.rpc, deployment.chain_id)?, deployment.contract);
        Ok(EvmOwner::new(view, files::account(&self.key_file)?, Duration::from_secs(self.patience)))
    }
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    #[command(flatten)]
    owner: Owner,
    /// Where to write the deployment file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The deployment's id, for another ledger of a deployment that exists; drawn when not given
    #[arg(long, value_name = "HEX", value_parser = deployment_id)]
    deployment_id: Option<DeploymentId>,
    /// Blocks that must stand upon a block of this chain before it counts as final
    #[arg(long, value_name = "BLOCKS", default_value_t = DEFAULT_FINALITY_DEPTH)]
    finality_depth: u64,
    /// Whether devices have to be endorsed (docs/endorsement.md)
    #[arg(long, value_enum, default_value_t = EndorsementPolicy::Required)]
    endorsement: EndorsementPolicy,
}

#[derive(Debug, Args)]
pub(super) struct AllowRelay {
    #[command(flatten)]
    owner: Owner,
    /// The deployment file
    #[arg(long, value_name = "FILE")]
    deployment: PathBuf,
    #[command(flatten)]
    relay: WhichRelay,
    /// Forbid instead
    #[arg(long)]
    forbid: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WhichRelay {
    /// The relay's account
    #[arg(long, value_name = "ADDRESS")]
    relay: Option<Address>,
    /// File with the relay's private key
    #[arg(long, value_name = "FILE")]
    relay_key_file: Option<PathBuf>,
}

pub(super) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Deploy(arguments) => deploy(arguments).await?,
        Verb::AllowRelay(arguments) => allow(arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn deploy(arguments: Deploy) -> anyhow::Result<()> {
    // Better to fail before anything is paid for.
    anyhow::ensure!(!arguments.output.exists(), "{} exists already", arguments.output.display());
    let id = match arguments.deployment_id {
        Some(id) => id,
        None => DeploymentId(random()?),
    };
    let signer = files::account(&arguments.owner.key_file)?;
    let node = Node::discover(&arguments.owner.rpc).await?;
    let chain_id = node.chain_id();
    let before = EvmView::new(node.clone(), Address::ZERO).head().await?;
    let owner = EvmOwner::deploy(node, signer, &id, Duration::from_secs(arguments.owner.patience)).await?;
    let deployment = Deployment {
        chain_id,
        contract: owner.view().contract(),
        deployment_id: id,
        block_number: before.number + 1,
        finality_depth: arguments.finality_depth,
        endorsement: arguments.endorsement,
    };
    deployment.write_new(&arguments.output)?;
    println!("{}", serde_json::to_string_pretty(&deployment)?);
    Ok(())
}

async fn allow(arguments: AllowRelay) -> anyhow::Result<()> {
    let deployment = Deployment::read(&arguments.deployment)?;
    let relay = match (arguments.relay.relay, &arguments.relay.relay_key_file) {
        (Some(address), _) => address,
        (None, Some(file)) => files::account(file)?.address(),
        (None, None) => anyhow::bail!("name a relay"),
    };
    let transaction = arguments.owner.act_on(&deployment)?.set_relay(relay, !arguments.forbid).await?;
    println!(
        "{relay} {}: transaction {transaction}",
        if arguments.forbid { "may not post any more" } else { "may post" }
    );
    Ok(())
}
