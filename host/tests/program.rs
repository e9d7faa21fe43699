// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program `cairn` as people use it, on a real node: deploy, provision, relay, evidence, verify, and each refusal with its words
//! and exit code. Waits are bounded; nothing is asserted about how long anything took.

mod anvil;
mod device;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use anvil::{Anvil, post};
use cairn::{
    batch::{DeploymentId, relay_leaf},
    endorsement::{Binding, FactoryKeyRoot, endorse},
    factory::{AttestationKey, Factory},
    record::{Kind, StreamId},
    signer::{Algorithm, Signer as _, software::SoftwareSigner},
    time::WallTime,
    uplink::Downlink,
};
use cairn_coap::message::Code;
use cairn_evidence::{Evidence, Inclusion, Route, TransactionRef, cbor, json};
use cairn_host::{
    chain::{
        Payload,
        evm::{EvmLedger, EvmView, Node, PrivateKeySigner},
    },
    deployment::Deployment,
};
use device::{
    Batch, TestDevice,
    client::{ASK, Answer, Ask, Client},
};

/// Blocks that make a posting final.
const DEPTH: u64 = 3;

/// A folder with everything the program needs, and a node.
struct Bench {
    runtime: tokio::runtime::Runtime,
    anvil: Anvil,
    folder: tempfile::TempDir,
    poster: PrivateKeySigner,
}

/// A relay that runs, killed when dropped.
struct RunningRelay {
    process: Child,
    address: SocketAddr,
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        // Already dead is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Bench {
    fn new() -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a verb that must succeed; gives its standard output.
    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "cairn {arguments}\n{out}{err}");
        out
    }

    fn with_node(&self, verb: &str) -> String {
        format!("{verb} --rpc {} --deployment deployment.json", self.anvil.url)
    }

    fn set_up(&self) {
        self.set_up_with("--endorsement optional");
    }

    fn set_up_with(&self, more: &str) {
        let url = &self.anvil.url;
        self.done(&format!(
            "contract deploy --rpc {url} --key-file owner.key -o deployment.json --finality-depth {DEPTH} {more}"
        ));
        self.done(&(self.with_node("contract allow-relay") + " --key-file owner.key --relay-key-file relay.key"));
        self.done(&self.provision("factory.bin"));
    }

    fn provision(&self, image: &str) -> String {
        self.with_node("provision") + " --key-file owner.key --db relay.sqlite --relay 10.0.2.2:5683 -o " + image
    }

    fn relay(&self) -> RunningRelay {
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

    /// Draws a nonce and has the device endorsed with it, by keys of this test's choice; gives the file's name.
    fn endorsement(&self, ledger: u8, root: u8, more: &str, change: impl FnOnce(&mut Binding)) -> String {
        let factory = self.factory();
        let kid = hex::encode(factory.kid);
        let verb = format!("provision challenge --deployment deployment.json --db relay.sqlite --kid {kid} {more}");
        let drawn = self.done(&verb);
        let key = |secret: u8| SoftwareSigner::new(&[secret; 32]).unwrap();
        let mut signer = match ledger {
            0 => SoftwareSigner::new(&factory.private_key.unwrap()).unwrap(),
            other => key(other),
        };
        let mut binding = Binding {
            nonce: hex::decode(drawn.trim()).unwrap().try_into().unwrap(),
            key: SoftwareSigner::new(&factory.private_key.unwrap()).unwrap().public_key().unwrap(),
            stream: StreamId(7),
            kid: factory.kid,
            deployment: DeploymentId(factory.deployment),
        };
        change(&mut binding);
        let mut root = FactoryKeyRoot::new(key(root), binding.key.device_id(), WallTime::default(), None);
        let mut out = [0; 1024];
        let length = endorse(&binding, &mut root, &mut signer, &mut out).unwrap();
        fs::write(self.path("endorsement.hex"), hex::encode(&out[..length])).unwrap();
        "endorsement.hex".into()
    }

    /// Runs `cairn provision endorse`; gives exit code and standard output.
    fn endorse(&self, file: &str, more: &str) -> (i32, String) {
        let verb = self.with_node("provision endorse") + " --key-file owner.key --db relay.sqlite --roots roots.json ";
        let output = self.run(&(verb + file + " " + more));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn factory(&self) -> Factory {
        Factory::decode(&fs::read(self.path("factory.bin")).unwrap()).unwrap()
    }

    fn mine(&self, blocks: u64) {
        (0..blocks).for_each(|_| self.runtime.block_on(self.anvil.mine()));
    }

    /// Mines until the report says that so many anchors are final.
    fn finalise(&self, anchors: u64) {
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
    fn verify(&self, evidence: &Evidence, more: &str) -> (i32, String) {
        fs::write(self.path("candidate.cbor"), cbor::encode(evidence)).unwrap();
        let output = self.run(&(self.with_node("verify candidate.cbor") + " " + more));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn read(&self, name: &str) -> Evidence {
        cairn_evidence::read(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// Posts an anchor's relay leaf as a root by itself, and completes the evidence with it: what a relay does that asks nobody.
    fn post_alone(&self, mut evidence: Evidence, device: &TestDevice) -> Evidence {
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
struct Wire {
    socket: UdpSocket,
    client: Client,
}

impl Wire {
    fn new(factory: &Factory, device: &TestDevice) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        Self { socket, client: Client::new(factory.kid, &factory.master_secret, device.stream) }
    }

    fn exchange(&mut self, relay: SocketAddr, echo: Option<&[u8]>, uplink: &[u8]) -> Answer {
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
    fn send(&mut self, relay: SocketAddr, batch: &Batch, with_data: bool) -> Downlink {
        let uplink = batch.uplink(with_data);
        let mut answer = self.exchange(relay, None, &uplink);
        if answer.code == Code::UNAUTHORIZED {
            answer = self.exchange(relay, answer.echo.as_deref(), &uplink);
        }
        assert_eq!(answer.code, Code::CHANGED);
        Downlink::decode(&answer.payload).unwrap()
    }
}

#[test]
fn from_deployment_to_verdict_and_every_refusal_has_its_own_exit_code() {
    let bench = Bench::new();
    bench.set_up();
    let factory = bench.factory();
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    let secret = factory.private_key.unwrap();
    let mut device = TestDevice::with(1, &secret, factory.blind_secret, deployment.deployment_id);
    let mut wire = Wire::new(&factory, &device);
    let (with_data, hash_only) = (device.seal(10, Kind::READING), device.seal(5, Kind::READING));
    let id = format!("0x{}", hex::encode(device.key.device_id().0));
    let get = |seq: u64| format!("evidence get --db relay.sqlite --device {id} --seq {seq} -o evidence.cbor");

    let relay = bench.relay();
    bench.runtime.block_on(bench.anvil.stop_mining());
    assert_eq!(wire.send(relay.address, &with_data, true).level, cairn::uplink::Level::Stored);
    assert_eq!(bench.run(&get(4)).status.code(), Some(3), "stored, and not on the ledger yet");
    // Killed at once, whatever it was doing.
    drop(relay);
    let relay = bench.relay();
    wire.send(relay.address, &hash_only, false);
    bench.finalise(2);

    bench.done(&get(4));
    let evidence = bench.read("evidence.cbor");
    let (code, said) = bench.verify(&evidence, &format!("--device {id}"));
    assert!(code == 0 && said.starts_with("VERIFIED") && said.contains(&id) && said.contains("reading"), "{said}");
    let (code, said) = bench.verify(&evidence, "--json");
    let verdict: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(code == 0 && verdict["record"]["seq"] == "4" && verdict["device"] == id.as_str(), "{said}");

    let from_console = hex::encode(cbor::encode(&device.evidence(&hash_only, 2)));
    fs::write(bench.path("device.hex"), from_console).unwrap();
    let (code, _) = bench.verify(&device.evidence(&hash_only, 2), "");
    assert_eq!(code, 54, "the device's own evidence names no transaction");
    bench.done("evidence complete --db relay.sqlite device.hex -o complete.cbor");
    assert_eq!(bench.verify(&bench.read("complete.cbor"), "").0, 0);
    assert_eq!(bench.run(&get(12)).status.code(), Some(1), "the relay does not have these records");

    several_at_once(&bench, &id);
    refusals(&bench, &evidence);
    keys_that_are_not_registered(&bench, &evidence, &mut device, &id);
}

/// A range of records makes a folder of evidence; several files are verified one by one, and one that is refused decides.
fn several_at_once(bench: &Bench, id: &str) {
    let get = |range: &str| format!("evidence get --db relay.sqlite --device {id} --seq {range} -o day");
    bench.done(&get("2-4"));
    let files = "verify day/2.cbor day/3.cbor day/4.cbor --json";
    let said = bench.done(&bench.with_node(files));
    let verdicts: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (verdict, seq) in verdicts.iter().zip(["2", "3", "4"]) {
        assert_eq!(verdict["file"], format!("day/{seq}.cbor"));
        assert_eq!((&verdict["verdict"], &verdict["record"]["seq"]), (&"verified".into(), &seq.into()));
        assert_eq!((&verdict["anchor"]["firstSeq"], &verdict["anchor"]["count"]), (&"0".into(), &10.into()));
    }
    assert_eq!(verdicts.len(), 3);
    let mut spoiled = bench.read("day/3.cbor");
    spoiled.record.payload[0] ^= 1;
    fs::write(bench.path("day/3.cbor"), cbor::encode(&spoiled)).unwrap();
    let output = bench.run(&bench.with_node("verify day/2.cbor day/3.cbor day/4.cbor"));
    let said = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = said.lines().filter(|line| !line.starts_with(' ') && line.contains("ED")).collect();
    assert_eq!(output.status.code(), Some(33), "{said}");
    assert!(verdicts.len() == 3 && verdicts[1].starts_with("REFUSED at step record"), "{said}");
    assert_eq!(bench.run(&get("8-12")).status.code(), Some(1), "the relay does not have all of these");
    assert_eq!(bench.run(&get("4-2")).status.code(), Some(2), "no range");
}

/// Each way to spoil the evidence or the question, its exit code, and a word of its message.
fn refusals(bench: &Bench, good: &Evidence) {
    let mut seen = Vec::new();
    let mut refuse = |code: i32, word: &str, more: &str, spoil: &dyn Fn(&mut Evidence)| {
        let mut evidence = good.clone();
        spoil(&mut evidence);
        let (found, said) = bench.verify(&evidence, more);
        assert!(found == code && said.contains(word) && said.starts_with("REFUSED"), "{code} {word}: {found} {said}");
        assert!(!seen.contains(&said));
        seen.push(said);
    };
    let stranger = format!("--device 0x{}", "09".repeat(32));
    refuse(33, "does not hash to its place", "", &|e| e.record.payload[0] ^= 1);
    refuse(21, "is of device", &stranger, &|_| ());
    refuse(20, "is of deployment", "", &|e| e.deployment.0[0] ^= 1);
    refuse(43, "not of the key", "", &|e| e.signature.0[40] ^= 1);
    refuse(42, "high-S", "", &|e| e.signature.0[32..].fill(0xfe));
    refuse(52, "contract", "", &|e| e.inclusion.as_mut().unwrap().contract[0] ^= 1);
    refuse(50, "names chain", "", &|e| e.inclusion.as_mut().unwrap().chain_id += 1);
    refuse(60, "not on the ledger", "", &|e| e.inclusion.as_mut().unwrap().transaction.hash[0] ^= 1);
    refuse(62, "fresh evidence", "", &|e| e.inclusion.as_mut().unwrap().transaction.block_number += 1);
    refuse(72, "belongs to no place", "", &|e| {
        let Route::Root { index, .. } = &mut e.inclusion.as_mut().unwrap().route else { panic!("root mode") };
        *index = u32::MAX;
    });
    refuse(73, "did not post", "", &|e| {
        let Route::Root { leaves, path, .. } = &mut e.inclusion.as_mut().unwrap().route else { panic!("root mode") };
        (*leaves, *path) = (2, vec![cairn::merkle::Hash([1; 32])]);
    });
    refuse(82, "stand upon", "--min-confirmations 100000", &|_| ());
    let file = bench.path("deployment.json");
    let original = fs::read_to_string(&file).unwrap();
    let mut elsewhere = Deployment::read(&file).unwrap();
    elsewhere.contract.0[0] ^= 1;
    fs::write(&file, serde_json::to_string(&elsewhere).unwrap()).unwrap();
    let contract = elsewhere.contract.into_array();
    refuse(53, "not of deployment", "", &|e| e.inclusion.as_mut().unwrap().contract = contract);
    elsewhere.contract.0[0] ^= 1;
    elsewhere.chain_id += 1;
    fs::write(&file, serde_json::to_string(&elsewhere).unwrap()).unwrap();
    refuse(51, "node serves chain", "", &|e| e.inclusion.as_mut().unwrap().chain_id += 1);
    fs::write(&file, original).unwrap();
    fs::write(bench.path("rubbish"), "rubbish").unwrap();
    assert_eq!(bench.run(&bench.with_node("verify rubbish")).status.code(), Some(10));
    assert_eq!(bench.run(&bench.with_node("verify absent")).status.code(), Some(1));
    fs::write(bench.path("evidence.json"), json::to_json(good)).unwrap();
    assert_eq!(bench.run(&bench.with_node("verify evidence.json")).status.code(), Some(0));
    let dead = "verify evidence.json --rpc http://127.0.0.1:1 --deployment deployment.json";
    assert_eq!(bench.run(dead).status.code(), Some(1), "a dead node is no verdict");
}

fn keys_that_are_not_registered(bench: &Bench, anchored: &Evidence, device: &mut TestDevice, id: &str) {
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    bench.runtime.block_on(bench.anvil.ask::<_, ()>("evm_setAutomine", (true,)));
    let mut unknown = TestDevice::with(9, &[9; 32], [9; 32], deployment.deployment_id);
    let batch = unknown.seal(3, Kind::READING);
    let evidence = bench.post_alone(unknown.evidence(&batch, 1), &unknown);
    let (code, said) = bench.verify(&evidence, "");
    assert!(code == 90 && said.contains("not registered"), "{code} {said}");

    bench.done(&(bench.with_node("provision revoke") + " --key-file owner.key --db relay.sqlite --device " + id));
    let late = device.seal(3, Kind::READING);
    let evidence = bench.post_alone(device.evidence(&late, 1), device);
    let (code, said) = bench.verify(&evidence, "");
    assert!(code == 91 && said.contains("revoked"), "{code} {said}");
    let (code, said) = bench.verify(anchored, "");
    assert!(code == 0 && said.contains("revoked"), "what was anchored before stays verified: {said}");
    let listed = bench.done("provision list --db relay.sqlite");
    assert!(listed.contains("revoked"), "{listed}");
}

#[test]
fn a_device_is_registered_and_served_once_it_is_endorsed_and_not_before() {
    let bench = Bench::new();
    bench.set_up_with("");
    let listed: serde_json::Value =
        serde_json::from_str(&bench.done("provision list --db relay.sqlite --json")).unwrap();
    assert!(listed[0]["registeredAt"] == 0 && listed[0]["endorsed"] == false, "{listed}");
    let factory = bench.factory();
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    let secret = factory.private_key.unwrap();
    let mut device = TestDevice::with(1, &secret, factory.blind_secret, deployment.deployment_id);
    let batch = device.seal(3, Kind::READING);
    let relay = bench.relay();
    let mut wire = Wire::new(&factory, &device);
    let challenged = wire.exchange(relay.address, None, &batch.uplink(true));
    let refused = wire.exchange(relay.address, challenged.echo.as_deref(), &batch.uplink(true));
    assert_eq!(refused.code, Code::FORBIDDEN);
    let unendorsed = bench.post_alone(device.evidence(&batch, 1), &device);
    let (code, said) = bench.verify(&unendorsed, "");
    assert!(code == 90 && said.contains("not registered"), "{code} {said}");

    let trusted = SoftwareSigner::new(&[4; 32]).unwrap().public_key().unwrap().compressed();
    let roots = format!(r#"{{"factoryKeys": [{{"alg": "ES256K", "publicKey": "{}"}}]}}"#, hex::encode(trusted));
    fs::write(bench.path("roots.json"), roots).unwrap();
    endorsements_that_are_refused(&bench);

    let good = bench.endorsement(0, 4, "", |_| ());
    let dead = "provision endorse --rpc http://127.0.0.1:1 --deployment deployment.json --key-file owner.key \
                --db relay.sqlite --roots roots.json ";
    assert_eq!(bench.run(&(dead.to_owned() + &good)).status.code(), Some(1), "no node: verified, and not registered");
    let (code, said) = bench.endorse(&good, "");
    assert!(code == 0 && said.starts_with("ENDORSED"), "what was left to do is done: {code} {said}");
    let (code, said) = bench.endorse(&good, "");
    assert!(code == 31 && said.contains("used before"), "{code} {said}");
    assert_eq!(wire.send(relay.address, &batch, true).level, cairn::uplink::Level::Stored);
    let later = bench.post_alone(device.evidence(&batch, 1), &device);
    assert_eq!(bench.verify(&later, "").0, 0, "its key is registered now");
    assert!(bench.done("provision list --db relay.sqlite").trim().ends_with(" registered, endorsed"));
    assert!(bench.done(&bench.provision("factory.bin")).contains("registered"));
}

/// Through the program; every other reason has a test beside the code.
fn endorsements_that_are_refused(bench: &Bench) {
    let refuse = |code: i32, word: &str, file: &str, more: &str| {
        let (found, said) = bench.endorse(file, more);
        assert!(found == code && said.starts_with("REFUSED") && said.contains(word), "{code} {word}: {found} {said}");
    };
    fs::write(bench.path("rubbish"), "rubbish").unwrap();
    refuse(10, "not an endorsement", "rubbish", "");
    refuse(30, "not drawn here", &bench.endorsement(0, 4, "", |b| b.nonce = [7; 32]), "");
    refuse(32, "expired", &bench.endorsement(0, 4, "--valid-for 0", |_| ()), "");
    refuse(20, "is for deployment", &bench.endorsement(0, 4, "", |b| b.deployment.0[0] ^= 1), "");
    refuse(21, "names kid", &bench.endorsement(0, 4, "", |b| b.kid[0] ^= 1), "");
    let stranger = SoftwareSigner::new(&[9; 32]).unwrap().public_key().unwrap();
    refuse(23, "names ledger key", &bench.endorsement(9, 4, "", |b| b.key = stranger), "");
    refuse(24, "is of stream 7", &bench.endorsement(0, 4, "", |_| ()), "--stream 8");
    refuse(50, "not in the file of roots", &bench.endorsement(0, 5, "", |_| ()), "");
    refuse(72, "did not sign", &bench.endorsement(9, 4, "", |_| ()), "");
    let (code, said) = bench.endorse(&bench.endorsement(0, 5, "", |_| ()), "--json");
    let verdict: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(code == 50 && verdict["verdict"] == "refused" && verdict["code"] == 50, "{said}");
    let absent = bench.run("provision challenge --deployment deployment.json --db relay.sqlite --kid ffffffff");
    assert_eq!(absent.status.code(), Some(1));
    let listed = bench.done("provision list --db relay.sqlite");
    assert!(listed.contains("not registered"), "{listed}");
}

#[test]
fn provisioning_again_changes_nothing_and_never_mixes_two_devices_up() {
    let bench = Bench::new();
    bench.set_up();
    let image = fs::read(bench.path("factory.bin")).unwrap();
    assert_eq!(fs::metadata(bench.path("factory.bin")).unwrap().permissions().mode() & 0o777, 0o600);
    let first = bench.done(&(bench.provision("factory.bin") + " --json"));
    assert_eq!(bench.done(&(bench.provision("factory.bin") + " --json")), first);
    assert_eq!(fs::read(bench.path("factory.bin")).unwrap(), image);
    bench.done(&bench.provision("second.bin"));
    assert_eq!(bench.done("provision list --db relay.sqlite").lines().count(), 2);
    let second = Factory::decode(&fs::read(bench.path("second.bin")).unwrap()).unwrap();
    assert!(second.kid != bench.factory().kid && second.master_secret != bench.factory().master_secret);

    let born = TestDevice::new(7);
    let public = format!(" --public-key 0x{}", hex::encode(born.key.compressed()));
    bench.done(&(bench.provision("born.bin") + &public));
    let born_image = Factory::decode(&fs::read(bench.path("born.bin")).unwrap()).unwrap();
    assert_eq!(born_image.private_key, None);
    let refused = |arguments: String, word: &str| {
        let output = bench.run(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(word), "{said}");
    };
    refused(bench.provision("born.bin"), "--public-key");
    refused(bench.provision("other.bin") + &public, "provisioned already");
    refused(bench.provision("second.bin") + " --alg es256", "algorithm");
    for (name, secret) in [("attestation.key", 4), ("other.key", 5)] {
        fs::write(bench.path(name), hex::encode([secret; 32])).unwrap();
    }
    let vouched = bench.provision("vouched.bin") + " --attestation-key attestation.key";
    bench.done(&vouched);
    bench.done(&vouched);
    let attestation = Factory::decode(&fs::read(bench.path("vouched.bin")).unwrap()).unwrap().attestation;
    assert!(attestation == Some(AttestationKey { alg: Algorithm::Es256k, private_key: [4; 32] }));
    refused(vouched.replace("attestation.key", "other.key"), "another attestation key");
    refused(bench.provision("second.bin") + " --attestation-key other.key", "another attestation key");
    fs::write(bench.path("rubbish.bin"), "rubbish").unwrap();
    refused(bench.provision("rubbish.bin"), "no factory image");
    refused(bench.provision("second.bin").replace("10.0.2.2", "10.0.2.3"), "names the relay");
    assert_eq!(bench.run("relay report --db absent.sqlite").status.code(), Some(1));
}
