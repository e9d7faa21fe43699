// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The verbs of `cairn`: one module each. They read arguments and files, call the library and print; what they decide is only how to
//! say it. Answers go to standard output, everything else to standard error.

use std::process::ExitCode;

use cairn::{batch::DeploymentId, signer::DeviceId};
use clap::{Parser, Subcommand};

use crate::files::fixed_hex;

mod contract;
mod endorse;
mod evidence;
mod journal;
mod power;
mod provision;
mod relay;
mod rotate;
mod show;
mod verify;

/// Exit codes beside those of `cairn verify`, which docs/verify.md lists.
pub mod exit {
    /// The program could not do what it was asked; what was wrong is on standard error.
    pub const FAILED: u8 = 1;
    /// Not on the ledger yet: ask again later.
    pub const NOT_YET: u8 = 3;
    /// The report holds an equivocation.
    pub const EQUIVOCATION: u8 = 4;
    /// The journal mounts, but something that was accepted reads as lost.
    pub const JOURNAL_DAMAGED: u8 = 5;
    /// A mount refuses the journal.
    pub const JOURNAL_REFUSED: u8 = 6;
    /// There is no journal.
    pub const NO_JOURNAL: u8 = 7;
    /// A promise about batteries does not hold.
    pub const FORECAST_MISSED: u8 = 8;
    /// A fleet brings its relay far more in some minute than in the mean.
    pub const FLEET_UNEVEN: u8 = 8;
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done; for `cairn verify`: verified
  1   could not do it: a file, the database or the node did not play along
  2   wrong usage
  3   `cairn evidence`: the anchor is not on the ledger yet
  4   `cairn relay report`: it holds an equivocation
  5   `cairn journal check`: damaged; 6: a mount refuses it; 7: there is no journal
  8   `cairn power forecast`: a promise does not hold; `cairn power fleet`: devices are in step
  10+ `cairn verify`, `cairn provision endorse`, `cairn provision rotate`: refused; each reason has its own code, see the verb's --help

What happens is told on standard error; RUST_LOG says how much (error, warn, info, debug).";

/// Anchors what meters and locks record: the relay, the verifier, and what is needed around them.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Deploy the contract, and say who may post to it
    #[command(subcommand)]
    Contract(contract::Verb),
    /// Create a device, have it endorsed, register the key it rotated to, or revoke a key
    Provision(provision::Arguments),
    /// Take devices' uplinks and put their anchors on the ledger
    #[command(subcommand)]
    Relay(relay::Verb),
    /// Make, complete and show evidence
    #[command(subcommand)]
    Evidence(evidence::Verb),
    /// Check evidence against the ledger
    Verify(verify::Arguments),
    /// Look at the journal in a flash image that came back from the field
    #[command(subcommand)]
    Journal(journal::Verb),
    /// Say what energy is spent on, and how long a battery lasts
    #[command(subcommand)]
    Power(power::Verb),
    // The help text is the arguments' own.
    Modem(Box<crate::modem::Args>),
    // Likewise.
    SeSim(Box<crate::se_sim::Args>),
}

/// Does what the arguments say.
///
/// # Errors
/// What could not be done, for standard error; the exit code is then [`exit::FAILED`].
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb {
        Verb::Contract(verb) => contract::run(verb).await,
        Verb::Provision(arguments) => provision::run(arguments).await,
        Verb::Relay(verb) => relay::run(verb).await,
        Verb::Evidence(verb) => evidence::run(&verb),
        Verb::Verify(arguments) => verify::run(&arguments).await,
        Verb::Journal(verb) => journal::run(&verb),
        Verb::Power(verb) => power::run(&verb),
        Verb::SeSim(arguments) => crate::se_sim::run(*arguments).await.map(|()| ExitCode::SUCCESS),
        Verb::Modem(arguments) => crate::modem::run(*arguments).await.map(|()| ExitCode::SUCCESS),
    }
}

fn device_id(text: &str) -> Result<DeviceId, String> {
    fixed_hex(text).map(DeviceId)
}

fn deployment_id(text: &str) -> Result<DeploymentId, String> {
    let id = fixed_hex(text)?;
    if id == [0; 32] { Err("a deployment id of zero names no deployment".into()) } else { Ok(DeploymentId(id)) }
}

/// Fills `out` with random bytes of the operating system.
fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}
