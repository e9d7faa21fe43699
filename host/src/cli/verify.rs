// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn verify`: checks evidence against a ledger and says who, when, which record, which block; or names the step that failed.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use cairn::{batch::DeploymentId, signer::DeviceId};
use cairn_evidence::{
    Evidence, Expectation, Refusal, Rotation, Verdict,
    rotation::Told,
    verify::{check_inclusion, check_statement},
};
use clap::Args;
use serde_json::{Value, json};

use super::{deployment_id, device_id, evidence::read, show};
use crate::{
    chain::{
        Address,
        evm::{EvmView, Node},
    },
    deployment::{DEFAULT_FINALITY_DEPTH, Deployment},
    facts,
};

const HELP: &str = "\
Examples:
  cairn verify evidence.cbor --rpc http://127.0.0.1:8545 --deployment deployment.json --device 0x9ba7…
  cairn verify day/*.cbor --rpc http://127.0.0.1:8545 --deployment deployment.json --json

Of several files each gets its verdict; with --json each is one line that names its file. The exit code is then that of the
first that is refused.

Steps, in this order; the first that fails is named: format, deployment, rotations, device, anchor, record, signature, ledger,
transaction, root, block, key. No node is asked before `ledger`.

Exit codes:
  0   verified
  1   could not find out: file not readable, node not reachable; says nothing of the evidence
  2   wrong usage
  10  format       not an evidence file
  20  deployment   of another deployment
  21  device       a record of another device
  22               the public key is no point of its curve
  30  anchor       the anchor contradicts itself
  31               the record is not one of the batch
  32  record       the path's length belongs to no such place
  33               the record does not hash to its place under the anchor's root
  41  signature    r or s is outside the group order
  42               high-S
  43               the key did not sign this anchor
  50  ledger       the evidence names another chain
  51               the node serves another chain
  52               the evidence names another contract
  53               the contract is not of this deployment
  54               names no transaction
  60  transaction  not on the ledger
  61               reverted
  62               in another block than the evidence says
  70  root         the event is another contract's
  71               the transaction holds no anchoring event
  72               the relay's path has a length that belongs to no such place
  73               the relay's path leads to a root that was not posted
  74               the transaction anchored other batches
  80  block        the node does not know it
  81               not on the canonical chain
  82               not deep enough yet
  90  key          not registered
  91               revoked by then
  92               registered only later
  93               registered for another device
  100 rotations    the record of a rotation does not read
  101              its anchor does not read
  102              its record is no rotation record
  103              its anchor contradicts itself
  104              its record is not one of its anchor's batch
  105              its record does not hash to its place under its anchor's root
  106              its record is not the last of its batch
  107              its anchor is not marked as its key's last
  108              it is of another device than the one before
  109              the device's key before it did not sign it: a link is missing
  110              its signature is high-S
  111              the key it names is no point of its curve
  112              the key it names does not prove possession for this place
  113              the last rotation names another key than the one that signed
  114              it is not before what the key it names signed";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// Evidence: CBOR, CBOR in hexadecimal, or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// JSON-RPC of a node you trust, http or https
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The deployment file; or give the next three
    #[arg(long, value_name = "FILE", required_unless_present_all = ["chain_id", "contract", "deployment_id"])]
    deployment: Option<PathBuf>,
    /// The chain the contract is on
    #[arg(long, value_name = "NUMBER", conflicts_with = "deployment")]
    chain_id: Option<u64>,
    /// The deployment's contract
    #[arg(long, value_name = "ADDRESS", conflicts_with = "deployment")]
    contract: Option<Address>,
    /// The deployment's id
    #[arg(long, value_name = "HEX", conflicts_with = "deployment", value_parser = deployment_id)]
    deployment_id: Option<DeploymentId>,
    /// The device the record has to be of
    #[arg(long, value_name = "HEX", value_parser = device_id)]
    device: Option<DeviceId>,
    /// Blocks that must stand upon the anchor's block; without it the deployment file's finality depth
    #[arg(long, value_name = "BLOCKS")]
    min_confirmations: Option<u64>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn expectation(&self) -> anyhow::Result<Expectation> {
        let (deployment, chain_id, contract, depth) = match (&self.deployment, self.deployment_id) {
            (Some(file), _) => {
                let file = Deployment::read(file)?;
                (file.deployment_id, file.chain_id, file.contract, file.finality_depth)
            }
            (None, id) => {
                let given = id.zip(self.chain_id).zip(self.contract);
                let Some(((id, chain_id), contract)) = given else { anyhow::bail!("name a deployment") };
                (id, chain_id, contract, DEFAULT_FINALITY_DEPTH)
            }
        };
        Ok(Expectation {
            deployment,
            chain_id,
            contract: contract.into_array(),
            device: self.device,
            min_confirmations: self.min_confirmations.unwrap_or(depth),
        })
    }
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let expectation = arguments.expectation()?;
    let mut ledger = Ledger { rpc: &arguments.rpc, view: None };
    let mut code = ExitCode::SUCCESS;
    for file in &arguments.files {
        let named = (arguments.files.len() > 1).then_some(file.as_path());
        match judge(&read(file)?, &mut ledger, &expectation).await? {
            Ok((evidence, verdict)) => print_verdict(arguments.json, named, &evidence, &verdict),
            Err(refusal) => {
                print_refusal(arguments.json, named, &refusal);
                if code == ExitCode::SUCCESS {
                    code = ExitCode::from(refusal.exit_code());
                }
            }
        }
    }
    Ok(code)
}

/// The node, not asked before there is something to ask it.
struct Ledger<'a> {
    rpc: &'a str,
    view: Option<EvmView>,
}

impl Ledger<'_> {
    async fn view(&mut self, contract: [u8; 20]) -> anyhow::Result<&EvmView> {
        let view = match self.view.take() {
            Some(view) => view,
            None => EvmView::new(Node::discover(self.rpc).await?, Address::from(contract)),
        };
        Ok(self.view.insert(view))
    }
}

async fn judge(
    bytes: &[u8],
    ledger: &mut Ledger<'_>,
    expectation: &Expectation,
) -> anyhow::Result<Result<(Evidence, Verdict), Refusal>> {
    let evidence = match cairn_evidence::read(bytes) {
        Ok(evidence) => evidence,
        Err(error) => return Ok(Err(error.into())),
    };
    let statement = match check_statement(&evidence, expectation) {
        Ok(statement) => statement,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if evidence.inclusion.is_none() {
        return Ok(Err(Refusal::NotIncluded));
    }
    let view = ledger.view(expectation.contract).await?;
    let facts = facts::gather(view, &evidence, statement.key_id).await?;
    let verdict = check_inclusion(&evidence, &statement, expectation, &facts);
    Ok(verdict.map(|verdict| (evidence, verdict)))
}

/// One of several verdicts is one line, and says of which file it is.
fn print_json(file: Option<&Path>, mut verdict: Value) {
    if let Some(file) = file {
        verdict["file"] = file.display().to_string().into();
        println!("{verdict}");
    } else {
        println!("{verdict:#}");
    }
}

fn print_file(file: Option<&Path>) {
    if let Some(file) = file {
        println!("{}:", file.display());
    }
}

fn print_refusal(as_json: bool, file: Option<&Path>, refusal: &Refusal) {
    let (step, code) = (refusal.step().name(), refusal.exit_code());
    if as_json {
        print_json(file, json!({ "verdict": "refused", "step": step, "code": code, "reason": refusal.to_string() }));
    } else {
        print_file(file);
        println!("REFUSED at step {step}: {refusal}");
    }
}

fn print_verdict(as_json: bool, file: Option<&Path>, evidence: &Evidence, verdict: &Verdict) {
    if as_json {
        print_json(file, verdict_json(evidence, verdict));
        return;
    }
    print_file(file);
    let (record, anchor, statement) = (&evidence.record, &evidence.anchor, &verdict.statement);
    println!("VERIFIED");
    println!("who     device 0x{}", hex::encode(statement.device.0));
    let alg = show::algorithm(statement.key.alg);
    let registered = show::utc_seconds(verdict.registered_at);
    println!("        key 0x{} ({alg}), registered {registered}", hex::encode(statement.key_id.0));
    if !evidence.rotations.is_empty() {
        println!("        after {} of the device's rotations", evidence.rotations.len());
    }
    if let Some(revoked_at) = verdict.revoked_at {
        println!("        revoked {}, after this was anchored", show::utc_seconds(revoked_at));
    }
    println!("when    {}", show::time(&record.time));
    println!("        sealed {}", show::sealed(anchor));
    println!("        on the ledger by {}", show::utc_seconds(verdict.block_time));
    println!("record  {} of stream {}, in batch {}", record.seq.0, anchor.stream.0, anchor.batch.0);
    println!("        kind {}", show::kind(record.kind));
    println!("        payload {}", show::payload(&record.payload));
    println!("block   {} (0x{})", verdict.block_number, hex::encode(verdict.block_hash));
    println!("        {} blocks stand upon it", verdict.confirmations);
    println!("        transaction 0x{}", hex::encode(verdict.transaction));
}

/// What a rotation says; of evidence that was verified, whose rotations all read.
fn rotation_json(rotation: &Rotation) -> Value {
    Told::read(rotation).map_or(Value::Null, |Told { record, says, anchor }| {
        json!({ "stream": anchor.stream.0.to_string(), "seq": record.seq.0.to_string(), "batch": anchor.batch.0,
                "alg": says.alg.cose(), "publicKey": format!("0x{}", hex::encode(says.public_key)) })
    })
}

fn verdict_json(evidence: &Evidence, verdict: &Verdict) -> Value {
    let (record, anchor, statement) = (&evidence.record, &evidence.anchor, &verdict.statement);
    json!({
        "verdict": "verified",
        "device": format!("0x{}", hex::encode(statement.device.0)),
        "key": { "id": format!("0x{}", hex::encode(statement.key_id.0)), "alg": statement.key.alg.cose(),
                 "registeredAt": verdict.registered_at, "revokedAt": verdict.revoked_at },
        "rotations": evidence.rotations.iter().map(rotation_json).collect::<Vec<_>>(),
        "record": { "stream": anchor.stream.0.to_string(), "seq": record.seq.0.to_string(), "batch": anchor.batch.0,
                    "kind": record.kind.0, "payload": format!("0x{}", hex::encode(&record.payload)),
                    "time": record.time.unix_ms.to_string(), "tq": record.time.quality as u8,
                    "shown": show::time(&record.time) },
        "anchor": { "firstSeq": anchor.first_seq.0.to_string(), "count": anchor.count,
                    "sealedAt": anchor.sealed_at.to_string(), "prev": format!("0x{}", hex::encode(anchor.prev.0)) },
        "commitment": format!("0x{}", hex::encode(statement.commitment.0)),
        "block": { "number": verdict.block_number, "hash": format!("0x{}", hex::encode(verdict.block_hash)),
                   "time": verdict.block_time, "confirmations": verdict.confirmations },
        "transaction": format!("0x{}", hex::encode(verdict.transaction)),
    })
}
