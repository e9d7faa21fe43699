// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver of the firmware with the chip of `cairn se-sim`, over TCP and a unix socket as QEMU has it: its memory over a
//! restart, its faults, its log, and its secure channel.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{
        Digest, Signer as _, SignerError,
        se050::{GateError, NXP_ATTESTATION_KEY, ObjectId, PlatformKeys, PowerGate, Provisioned, Se050, Settings},
        software::Secp256k1,
    },
};
use cairn_se_sim::Remote;

const KEY: ObjectId = ObjectId(0x2000_0001);
const SCP03: &str = "--scp03 0b:35353535353535353535353535353535:a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7 --scp03-only";

struct Gate<S>(Remote<S>);

impl<S: Read + Write> PowerGate for Gate<S> {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        self.0.power(true).map_err(|_| GateError)
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        self.0.power(false).map_err(|_| GateError)
    }
}

/// Challenges that are each another; nobody attacks here.
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.0 += 1;
        out.fill(self.0);
        Ok(())
    }
}

type Driver<S> = Se050<Secp256k1, Remote<S>, Remote<S>, Gate<S>, Counting>;

fn driver<S: Read + Write>(stream: S, keys: Option<PlatformKeys>) -> Driver<S> {
    let line = Remote::new(stream);
    Se050::new(line.clone(), line.clone(), Gate(line), Counting(0), keys, Settings::new(KEY))
}

fn platform_keys() -> PlatformKeys {
    PlatformKeys { version: 0x0b, enc: [0x35; 16], mac: [0xa7; 16] }
}

/// The program with a chip, killed when it is dropped.
struct Program {
    child: Child,
    attester: String,
    place: String,
}

impl Program {
    fn start(options: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cairn"))
            .arg("se-sim")
            .args(options.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let (first, second) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(second.starts_with("cairn se-sim: ready"), "{second}");
        let last = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        Self { child, attester: last(&first), place: last(&second) }
    }

    fn driver(&self, keys: Option<PlatformKeys>) -> Driver<TcpStream> {
        let stream = TcpStream::connect(&self.place).unwrap();
        stream.set_nodelay(true).unwrap();
        driver(stream, keys)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("chip.se");
    (folder, memory)
}

fn events(log: &Path, event: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

#[test]
fn a_key_generated_in_the_chip_is_there_after_the_program_was_killed_and_is_nowhere_in_the_log() {
    let (folder, memory) = folder();
    let log = folder.path().join("chip.jsonl");
    let options = format!("--memory {} --log {}", memory.display(), log.display());
    let program = Program::start(&(options.clone() + " --seed 5"));
    let (key, provisioned) = program.driver(None).provision().unwrap();
    assert_eq!(provisioned, Provisioned::Generated);
    let attester = program.attester.clone();
    drop(program);
    let told = events(&log, "key");
    assert_eq!(told.last().unwrap()["publicKey"], format!("04{}", hex::encode(key.xy)));
    assert_eq!((&told[0]["object"], &told[0]["publicKey"]), (&"f0000012".into(), &attester.clone().into()));
    let kept = fs::read_to_string(&memory).unwrap();
    let secret = kept.lines().find(|line| line.starts_with("key 20000001")).unwrap().rsplit(' ').next().unwrap();
    assert!(secret.len() == 64 && !fs::read_to_string(&log).unwrap().contains(secret));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(&memory).unwrap().permissions().mode() & 0o777, 0o600);

    let program = Program::start(&options);
    assert_eq!(program.attester, attester, "the same chip");
    let mut signer = program.driver(None);
    assert_eq!(signer.public_key(), Ok(key));
    let attestation = signer.attest(NXP_ATTESTATION_KEY, &[7; 16]).unwrap();
    assert_eq!(attestation.point[1..], key.xy);
    for byte in 0..3 {
        let digest = Digest([byte; 32]);
        assert_eq!(key.accept(&digest, &signer.sign(&digest).unwrap().0).map(drop), Ok(()));
    }
    drop(signer);
    // Another host on the same line finds a chip without power, and its key.
    assert_eq!(program.driver(None).provision().unwrap(), (key, Provisioned::Existed));
}

#[test]
fn faults_by_number_and_by_chance_are_got_over_and_told() {
    let (folder, _) = folder();
    let log = folder.path().join("chip.jsonl");
    let plan = "--faults 3:nack,9:flip=-1,15:power-loss,30:deaf,40:hang";
    let program = Program::start(&format!("{plan} --log {} {SCP03}", log.display()));
    let mut signer = program.driver(Some(platform_keys()));
    let (key, _) = signer.provision().unwrap();
    for byte in 0..4 {
        let digest = Digest([byte; 32]);
        assert_eq!(key.accept(&digest, &signer.sign(&digest).unwrap().0).map(drop), Ok(()));
    }
    let told = events(&log, "fault");
    let told: Vec<_> = told.iter().map(|line| (line["transfer"].as_u64().unwrap(), &line["fault"])).collect();
    let planned = [(3, "nack"), (9, "flip=-1"), (15, "power-loss"), (30, "deaf"), (40, "hang")];
    assert_eq!(told.len(), planned.len(), "{told:?}");
    for ((at, fault), (planned_at, planned)) in told.into_iter().zip(planned) {
        assert_eq!((at, fault), (planned_at, &planned.into()));
    }

    // One transfer in fifty: operations that meet two faults may fail, and must say so truly.
    let options = format!("--fault-rate 0.02 --fault-seed 3 --log {}", log.display());
    let program = Program::start(&options);
    let mut signer = program.driver(None);
    let key = (0..10).find_map(|_| signer.provision().ok()).expect("a key after some attempts").0;
    let mut signed = 0;
    for byte in 0..40 {
        let digest = Digest([byte; 32]);
        if let Ok(signature) = signer.sign(&digest) {
            assert_eq!(key.accept(&digest, &signature.0).map(drop), Ok(()));
            signed += 1;
        }
    }
    let faults = events(&log, "fault").len();
    assert!(signed > 30 && faults > 10, "{signed} signatures, {faults} faults");
}

#[test]
fn a_chip_behind_a_unix_socket_insists_on_its_secure_channel() {
    let (folder, _) = folder();
    let socket = folder.path().join("chip.sock");
    let program = Program::start(&format!("--unix {} {SCP03}", socket.display()));
    assert_eq!(program.place, socket.display().to_string());
    let mut bare = driver(UnixStream::connect(&socket).unwrap(), None);
    assert_eq!(bare.public_key(), Err(SignerError::Locked));
    drop(bare);
    let wrong = PlatformKeys { mac: [0; 16], ..platform_keys() };
    let mut stranger = driver(UnixStream::connect(&socket).unwrap(), Some(wrong));
    assert_eq!(stranger.public_key(), Err(SignerError::Locked));
    drop(stranger);
    let mut ours = driver(UnixStream::connect(&socket).unwrap(), Some(platform_keys()));
    assert_eq!(ours.provision().unwrap().1, Provisioned::Generated);
    drop(program);
    // What a killed program left is replaced; what is no socket is not.
    drop(Program::start(&format!("--unix {}", socket.display())));
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "a file of somebody's").unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_cairn")).args(["se-sim", "--unix"]).arg(&socket).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a file of somebody's");
}

#[test]
fn a_memory_that_is_no_chips_is_refused_and_left_alone() {
    let (_folder, memory) = folder();
    for text in ["rubbish\n", "cairn-se-sim 1\nunique-id 00\n"] {
        fs::write(&memory, text).unwrap();
        let program = env!("CARGO_BIN_EXE_cairn");
        let output = Command::new(program).args(["se-sim", "--memory"]).arg(&memory).output().unwrap();
        assert_ne!(output.status.code(), Some(0));
        assert_eq!(fs::read_to_string(&memory).unwrap(), text);
    }
}
