// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real EVM node for tests: anvil on a free loopback port, ended when dropped, and a contract on it. Missing anvil is a
//! failure with a message, never a skipped test.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy::{
    primitives::{U256, keccak256},
    providers::{Provider as _, RootProvider},
    rpc::json_rpc::{RpcRecv, RpcSend},
};
use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    merkle::Hash,
    record::{SequenceNumber, StreamId},
    signer::{Signer as _, software::SoftwareSigner},
};
use cairn_host::chain::{
    ChainError, Ledger, PackedAnchors, Payload, Receipt, Refusal, SignedAnchor,
    evm::{EvmLedger, EvmOwner, EvmView, Node, PrivateKeySigner},
};
use sha2::{Digest as _, Sha256};

/// How long a test waits for a node that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The deployment of [`Deployed::new`].
pub(crate) const DEPLOYMENT: DeploymentId = DeploymentId([0x5a; 32]);

/// A running anvil.
pub(crate) struct Anvil {
    process: Child,
    /// Where it answers JSON-RPC.
    pub(crate) url: String,
    /// For its own methods: mining, reorgs, balances.
    pub(crate) rpc: RootProvider,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It may have ended by itself; there is nothing to do about that here.
        let _ = self.process.wait();
    }
}

/// Runs anvil until standard input ends, which it also does when the test is killed: no node outlives its test.
const LEASH: &str = r#""$0" "$@" & node=$!; exec >/dev/null; read -r _; kill "$node"; wait "$node""#;

/// Where anvil is: `CAIRN_ANVIL`, or where `cargo xtask test` puts it.
fn binary() -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let installed = format!("../target/npm/node_modules/@foundry-rs/anvil-linux-{arch}/bin/anvil");
    let path = std::env::var_os("CAIRN_ANVIL")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(installed), PathBuf::from);
    assert!(path.is_file(), "no anvil at {}: run `cargo xtask test`, or set CAIRN_ANVIL", path.display());
    path
}

impl Anvil {
    /// Starts one that mines a block per transaction, at once.
    pub(crate) fn start() -> Self {
        let mut process = Command::new("sh")
            .args(["-c", LEASH])
            .arg(binary())
            .args(["--host", "127.0.0.1", "--port", "0", "--accounts", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let address = loop {
            let line = lines.next().expect("anvil says where it listens").expect("text");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.to_owned();
            }
        };
        // Whoever writes to a full pipe waits.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{address}");
        let rpc = Node::new(&url, 0).expect("a URL").rpc().clone();
        Self { process, url, rpc }
    }

    /// One of anvil's own methods.
    pub(crate) async fn ask<P: RpcSend, R: RpcRecv>(&self, method: &'static str, parameters: P) -> R {
        self.rpc.raw_request(method.into(), parameters).await.expect(method)
    }

    /// An account with money, the same for the same name.
    pub(crate) async fn account(&self, name: &str) -> PrivateKeySigner {
        let signer = PrivateKeySigner::from_bytes(&keccak256(name)).expect("a hash is a key");
        self.ask::<_, ()>("anvil_setBalance", (signer.address(), U256::from(10).pow(U256::from(20)))).await;
        signer
    }

    /// Blocks are mined only by [`Anvil::mine`] from now on.
    pub(crate) async fn stop_mining(&self) {
        self.ask::<_, ()>("evm_setAutomine", (false,)).await;
    }

    /// Mines one block.
    pub(crate) async fn mine(&self) {
        self.ask::<_, String>("evm_mine", ()).await;
    }
}

/// A node with one contract, its owner, and an account that may post.
pub(crate) struct Deployed {
    /// The node.
    pub(crate) anvil: Anvil,
    /// Owns the contract.
    pub(crate) owner: EvmOwner,
    /// May post.
    pub(crate) relay: EvmLedger,
}

impl Deployed {
    /// A contract of [`DEPLOYMENT`] on a node of its own.
    pub(crate) async fn new() -> Self {
        let anvil = Anvil::start();
        let owner = deploy(&anvil, &DEPLOYMENT).await;
        let relay = anvil.account("relay").await;
        owner.set_relay(relay.address(), true).await.expect("the owner says who posts");
        let relay = EvmLedger::new(owner.view().clone(), relay);
        Self { anvil, owner, relay }
    }

    /// Another account's view of the same contract.
    pub(crate) async fn posting_as(&self, name: &str) -> EvmLedger {
        EvmLedger::new(self.owner.view().clone(), self.anvil.account(name).await)
    }

    /// Another account's attempt to own the same contract.
    pub(crate) async fn owning_as(&self, name: &str) -> EvmOwner {
        EvmOwner::new(self.owner.view().clone(), self.anvil.account(name).await, PATIENCE)
    }
}

/// Another contract on the same node.
pub(crate) async fn deploy(anvil: &Anvil, deployment: &DeploymentId) -> EvmOwner {
    let node = Node::discover(&anvil.url).await.expect("anvil answers");
    EvmOwner::deploy(node, anvil.account("owner").await, deployment, PATIENCE).await.expect("the contract deploys")
}

/// The owner's contract, as a reader sees it.
pub(crate) fn view_of(owner: &EvmOwner) -> EvmView {
    owner.view().clone()
}

/// Posts and waits for the receipt. A relay that runs may use the same account: a nonce that it took is taken.
pub(crate) async fn post(ledger: &impl Ledger, payload: &Payload) -> Receipt {
    let transaction = loop {
        let nonce = ledger.next_nonce().await.expect("nonce");
        let fees = ledger.market_fees().await.expect("fees");
        let transaction = ledger.prepare(payload, nonce, fees).expect("signed");
        match ledger.send(&transaction).await {
            Ok(()) => break transaction,
            Err(ChainError::Refused(Refusal::NonceUsed | Refusal::Underpriced)) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("not sent: {error}"),
        }
    };
    for _ in 0..1000 {
        if let Some(receipt) = ledger.receipt(transaction.hash).await.expect("an answer") {
            return receipt;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no receipt of {}", transaction.hash);
}

/// The hash of some words, for keys, roots and numbers that look like real ones and are the same in each run.
pub(crate) fn drawn(what: &str, number: u32) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(what);
    hash.update(number.to_be_bytes());
    hash.finalize().into()
}

/// A device's signed anchor, another for each number, with the magnitudes of real ones.
pub(crate) fn signed_anchor(deployment: &DeploymentId, number: u32) -> SignedAnchor {
    let mut signer = SoftwareSigner::new(&drawn("device", number)).expect("a hash is a key");
    let stream = drawn("stream", number);
    let anchor = Anchor {
        stream: StreamId(u64::from_be_bytes(*stream.first_chunk().expect("32 bytes"))),
        batch: BatchNumber(700 + number),
        first_seq: SequenceNumber(67_000 + 96 * u64::from(number)),
        count: 96,
        sealed_at: 1_800_000_000_000 + 1_009 * u64::from(number),
        flags: AnchorFlags(AnchorFlags::SYNCHRONISED),
        root: Hash(drawn("root", number)),
        prev: Commitment(drawn("prev", number)),
    };
    let signature = signer.sign(&anchor.commitment().digest(deployment)).expect("signed");
    SignedAnchor { anchor, signature, key: signer.public_key().expect("a key") }
}

/// The anchors numbered 0 to `count` − 1, packed.
pub(crate) fn packed(deployment: &DeploymentId, count: u32) -> PackedAnchors {
    let mut packed = PackedAnchors::new();
    for number in 0..count {
        packed.push(deployment, &signed_anchor(deployment, number)).expect("packs");
    }
    packed
}

/// A root no other number has.
pub(crate) fn root(number: u32) -> Hash {
    Hash(drawn("posted root", number))
}
