// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A folder with everything the program `cairn` needs, a node, relays that run, and a device that talks to them over UDP. For tests
//! of the program.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use cairn::{batch::relay_leaf, factory::Factory, uplink::Downlink};
use cairn_coap::message::Code;
use cairn_evidence::{Evidence, Inclusion, Route, TransactionRef, cbor};
use cairn_host::{
    chain::{
        Payload,
        evm::{EvmLedger, EvmView, Node, PrivateKeySigner},
    },
    deployment::Deployment,
};

use crate::{
    anvil::{Anvil, post},
    device::{
        Batch, TestDevice,
        client::{ASK, Answer, Ask, Client},
    },
};

/// Blocks that make a posting final.
pub(crate) const DEPTH: u64 = 3;

/// A folder with everything the program needs, and a node.
pub(crate) struct Bench {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) anvil: Anvil,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) poster: PrivateKeySigner,
}

/// A relay that runs, killed when dropped.
pub(crate) struct RunningRelay {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        // Already dead is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let anvil = Anvil::start();
        let folder = tempfile::tempdir().unwrap();
        let (owner, poster) = runtime.block_on(async { (anvil.account("owner").await, anvil.account("relay").await) });
        let bench = Self { runtime, anvil, folder, poster: poster.clone() };
        for (name, key) in [("owner.key", owner), ("relay.key", poster)] {
            fs::write(bench.path(name), hex::encode(key.to_bytes())).unwrap();
            fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a verb that must succeed; gives its standard output.
    pub(crate) fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "cairn {arguments}\n{out}{err}");
        out
    }

    pub(crate) fn with_node(&self, verb: &str) -> String {
        format!("{verb} --rpc {} --deployment deployment.json", self.anvil.url)
    }

    pub(crate) fn set_up(&self) {
        self.set_up_with("--endorsement optional");
    }

    pub(crate) fn set_up_with(&self, more: &str) {
        let url = &self.anvil.url;
        self.done(&format!(
            "contract deploy --rpc {url} --key-file owner.key -o deployment.json --finality-depth {DEPTH} {more}"
        ));
        self.done(&(self.with_node("contract allow-relay") + " --key-file owner.key --relay-key-file relay.key"));
        self.done(&self.provision("factory.bin"));
    }

    pub(crate) fn provision(&self, image: &str) -> String {
        self.with_node("provision") + " --key-file owner.key --db relay.sqlite --relay 10.0.2.2:5683 -o " + image
    }

    pub(crate) fn relay(&self) -> RunningRelay {
        let arguments = self.with_node("relay run")
            + " --db relay.sqlite --listen 127.0.0.1:0 --key-file relay.key --batch-interval 1 --poll-interval 1";
        let mut process = self.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the relay says where it listens").unwrap();
            if let Some((_, rest)) = line.split_once("listen=") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        // Whoever writes to a full pipe waits.
        std::thread::spawn(move || lines.for_each(drop));
        RunningRelay { process, address }
    }

    pub(crate) fn factory(&self) -> Factory {
        Factory::decode(&fs::read(self.path("factory.bin")).unwrap()).unwrap()
    }

    pub(crate) fn mine(&self, blocks: u64) {
        (0..blocks).for_each(|_| self.runtime.block_on(self.anvil.mine()));
    }

    /// Mines until the report says that so many anchors are final.
    pub(crate) fn finalise(&self, anchors: u64) {
        for _ in 0..120 {
            let report: serde_json::Value =
                serde_json::from_str(&self.done("relay report --db relay.sqlite --json")).unwrap();
            if report["final"] == anchors {
                return;
            }
            std::thread::sleep(Duration::from_millis(500));
            self.mine(1);
        }
        panic!("not final");
    }

    /// Runs `cairn verify` on evidence; gives exit code and standard output.
    pub(crate) fn verify(&self, evidence: &Evidence, more: &str) -> (i32, String) {
        fs::write(self.path("candidate.cbor"), cbor::encode(evidence)).unwrap();
        let output = self.run(&(self.with_node("verify candidate.cbor") + " " + more));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    pub(crate) fn read(&self, name: &str) -> Evidence {
        cairn_evidence::read(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Posts an anchor's relay leaf as a root by itself, and completes the evidence with it: what a relay does that asks nobody.
    pub(crate) fn post_alone(&self, mut evidence: Evidence, device: &TestDevice) -> Evidence {
        let deployment = Deployment::read(&self.path("deployment.json")).unwrap();
        let digest = evidence.anchor.commitment().digest(&deployment.deployment_id);
        let leaf = relay_leaf(device.key.alg, &device.key.key_id(), &digest, &evidence.signature);
        let view = EvmView::new(Node::new(&self.anvil.url, deployment.chain_id).unwrap(), deployment.contract);
        let ledger = EvmLedger::new(view, self.poster.clone());
        let receipt = self.runtime.block_on(post(&ledger, &Payload::Root(leaf)));
        assert!(receipt.succeeded);
        evidence.inclusion = Some(Inclusion {
            chain_id: deployment.chain_id,
            contract: deployment.contract.into_array(),
            route: Route::Root { index: 0, leaves: 1, path: vec![] },
            transaction: TransactionRef {
                hash: receipt.transaction.0,
                block_number: receipt.block.number,
                block_hash: receipt.block.hash.0,
            },
        });
        self.mine(DEPTH);
        evidence
    }
}

/// A device that talks to a relay over real UDP.
pub(crate) struct Wire {
    pub(crate) socket: UdpSocket,
    pub(crate) client: Client,
}

impl Wire {
    pub(crate) fn new(factory: &Factory, device: &TestDevice) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        Self { socket, client: Client::new(factory.kid, &factory.master_secret, device.stream) }
    }

    pub(crate) fn exchange(&mut self, relay: SocketAddr, echo: Option<&[u8]>, uplink: &[u8]) -> Answer {
        let (request, binding) = self.client.request(&Ask { echo, ..ASK }, uplink);
        let mut buffer = [0; 2048];
        for _ in 0..20 {
            self.socket.send_to(&request, relay).unwrap();
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                return self.client.open(&binding, &buffer[..length]);
            }
        }
        panic!("the relay does not answer");
    }

    /// Sends a batch, with Echo when the relay wants it.
    pub(crate) fn send(&mut self, relay: SocketAddr, batch: &Batch, with_data: bool) -> Downlink {
        let uplink = batch.uplink(with_data);
        let mut answer = self.exchange(relay, None, &uplink);
        if answer.code == Code::UNAUTHORIZED {
            answer = self.exchange(relay, answer.echo.as_deref(), &uplink);
        }
        assert_eq!(answer.code, Code::CHANGED);
        Downlink::decode(&answer.payload).unwrap()
    }
}
