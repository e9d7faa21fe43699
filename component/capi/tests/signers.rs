// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each signer that CAIRN_SIGNER may choose, as C sees it: a library of that configuration, and `c/signer_scenarios.c` with a
//! simulated element on the other end of a socket where there is one. PSA Crypto is in signer_psa.rs.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use c_builds::{Build, blob, factory, library, program, refusal, signed_by, succeed};
use cairn::{
    cose::Sign1,
    endorsement::{Endorsement, possession_digest, secure_element::PROFILE},
    factory::{AttestationKey, Factory},
    ports::{Entropy, NoEntropy},
    signer::{
        Algorithm, Digest, PublicKey, Signer,
        se050::{ChipCurve, GateError, ObjectId, PlatformKeys, PowerGate, Se050, Settings},
        software::{P256, P256Signer, Secp256k1, SoftwareSigner},
    },
};
use cairn_capi::result::cairn_result_t::{
    self, CAIRN_E_FACTORY_UNSUPPORTED, CAIRN_E_KEY_MISSING, CAIRN_E_KEY_UNWANTED, CAIRN_E_SIGNER_FAULT,
    CAIRN_E_SIGNER_LOCKED, CAIRN_E_SIGNER_NOT_PROVISIONED, CAIRN_E_SIGNER_TIMEOUT, CAIRN_OK,
};
use cairn_evidence::signature;
use cairn_se_sim::{
    Board, Chip, Keys, Options,
    wire::{Pace, serve},
};
use cairn_sim_applet::{Applet, At, Card, Plan, Protocol, Reply};

mod c_builds;

const SECRET: [u8; 32] = [0x11; 32];

/// The program with the scenarios over a library of `changes`.
struct Device {
    build: Build,
    program: PathBuf,
}

impl Device {
    fn new(name: &str, changes: &[(&str, &str)]) -> Self {
        let build = library(name, changes);
        let program = program(&build, "signer_scenarios", &["signer_scenarios", "pthread_port", "element_port"]);
        Self { build, program }
    }

    fn scenario(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name);
        command
    }

    /// Which factory blobs cairn_init takes: of both algorithms, with and without a private key, in this order.
    fn refuses(&self, results: [cairn_result_t; 4]) {
        let mut scenario = self.scenario("refused");
        let blobs = [
            (Algorithm::Es256k, Some(SECRET)),
            (Algorithm::Es256k, None),
            (Algorithm::Es256, Some(SECRET)),
            (Algorithm::Es256, None),
        ];
        for ((at, (alg, key)), result) in blobs.into_iter().enumerate().zip(results) {
            // What is taken can be taken once.
            if result != CAIRN_OK {
                let blob = blob(&self.build.directory, &format!("refused-{at}.bin"), &factory(alg, key));
                scenario.arg(blob).arg((result as u32).to_string());
            }
        }
        succeed(&mut scenario);
    }

    /// Runs a scenario that prints evidence of record `seq`, which `key` must have signed.
    fn signs(&self, name: &str, private: Option<[u8; 32]>, element: Option<(&str, u16)>, seq: u64, key: &PublicKey) {
        let blob = blob(&self.build.directory, &format!("{name}.bin"), &factory(key.alg, private));
        let mut scenario = self.scenario(name);
        let output = succeed(scenario.arg(blob).envs(element.map(|(name, port)| (name, port.to_string()))));
        signed_by(&String::from_utf8(output.stdout).unwrap(), seq, key);
    }

    /// That an endorsement is signed by the device's key and, in its token, by the factory's.
    fn endorses(&self, ledger: &PublicKey, private_key: [u8; 32], attester: &PublicKey) {
        let attestation = Some(AttestationKey { alg: attester.alg, private_key });
        let with = Factory { attestation, ..factory(ledger.alg, Some(SECRET)) };
        let output = succeed(self.scenario("endorses").arg(blob(&self.build.directory, "endorses.bin", &with)));
        let bytes = hex::decode(output.stdout).unwrap();
        let read = Endorsement::decode(&bytes).expect("what docs/wire.cddl says");
        signature::check(ledger, &possession_digest(read.token), &read.proof).expect("the ledger key signed");
        let token = Sign1::decode(read.token).unwrap();
        signature::check(attester, &token.digest(&[]), &token.signature).expect("the attestation key signed");
    }

    /// The product's signer does not give its key, for this reason.
    fn has_no_key(&self, signer: Option<(&str, u16)>, why: cairn_result_t) {
        self.does_not_start(Algorithm::Es256k, signer, &[], why);
    }

    /// The product's signer gives its key and no signature.
    fn is_refused(&self, signer: Option<(&str, u16)>, why: cairn_result_t) {
        let blob = blob(&self.build.directory, "refuses.bin", &factory(Algorithm::Es256k, None));
        let mut scenario = self.scenario("refuses");
        scenario.arg(blob).arg((why as u32).to_string());
        succeed(scenario.envs(signer.map(|(name, port)| (name, port.to_string()))));
    }

    fn does_not_start(&self, alg: Algorithm, element: Option<(&str, u16)>, more: &[(&str, &str)], why: cairn_result_t) {
        let blob = blob(&self.build.directory, "no_start.bin", &factory(alg, None));
        let mut scenario = self.scenario("no_start");
        scenario.arg(blob).arg((why as u32).to_string());
        succeed(scenario.envs(element.map(|(name, port)| (name, port.to_string()))).envs(more.iter().copied()));
    }
}

#[test]
fn the_software_signers_of_both_curves_sign_and_take_blobs_with_their_key_only() {
    let choices = [("SIGNER_SOFTWARE", "n"), ("SIGNER_P256", "y"), ("SIGNER_FAST", "y")];
    let root = [("ROOT_NONE", "n"), ("ROOT_FACTORY_KEY", "y")];
    let p256 = Device::new("p256", &[&choices[..], &root].concat());
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    p256.refuses([unsupported, unsupported, CAIRN_OK, CAIRN_E_KEY_MISSING]);
    let public = |secret: &[u8; 32]| P256Signer::new(secret).unwrap().public_key().unwrap();
    p256.signs("signs", Some(SECRET), None, 3, &public(&SECRET));
    p256.endorses(&public(&SECRET), [0x55; 32], &public(&[0x55; 32]));
    let k1 = Device::new("secp256k1", &[]);
    k1.refuses([CAIRN_OK, CAIRN_E_KEY_MISSING, unsupported, unsupported]);
    k1.signs("signs", Some(SECRET), None, 3, &SoftwareSigner::new(&SECRET).unwrap().public_key().unwrap());
}

#[test]
fn libsecp256k1_signs_and_takes_blobs_with_its_key_only() {
    let device = Device::new("libsecp256k1", &[("SIGNER_SOFTWARE", "n"), ("SIGNER_LIBSECP256K1", "y")]);
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    device.refuses([CAIRN_OK, CAIRN_E_KEY_MISSING, unsupported, unsupported]);
    device.signs("signs", Some(SECRET), None, 3, &SoftwareSigner::new(&SECRET).unwrap().public_key().unwrap());
}

#[test]
fn features_that_are_not_the_configurations_do_not_build_and_say_why() {
    let mismatch = "the cargo features are not those of the .config";
    for (features, why) in [
        ("at-modem", "no signer: cairn-capi takes exactly one"),
        ("at-modem,signer-software,signer-p256", "two signers: cairn-capi takes exactly one"),
        ("at-modem,signer-p256", mismatch),
        ("at-modem,signer-software,signer-fast", mismatch),
        ("at-modem,signer-software,endorsement", mismatch),
        ("at-modem,signer-software,monotonic", mismatch),
        ("at-modem,signer-custom,signer-sim", "two signers: cairn-capi takes exactly one"),
        ("at-modem,signer-custom", mismatch),
        ("udp,signer-software", mismatch),
        ("at-modem,udp,signer-software", "two transports: cairn-capi takes exactly one"),
        ("at-modem,signer-software,es256", "the cargo feature es256 is for keys on P-256"),
        ("signer-software", "no transport: cairn-capi takes exactly one"),
    ] {
        let said = refusal(features);
        assert!(said.contains(why), "{features}: {said}");
    }
}

/// The keys of c/element_port.c.
const PLATFORM: Keys = Keys { version: 0x0b, enc: [0xe0; 16], mac: [0xa0; 16] };
const LEDGER_KEY: ObjectId = ObjectId(0x434b_0001);

/// A test's challenges need not be secret.
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.fill(self.0);
        self.0 += 1;
        Ok(())
    }
}

struct Supply(Board);

impl PowerGate for Supply {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        self.0.chip(|chip| chip.power(true));
        Ok(())
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        self.0.chip(|chip| chip.power(false));
        Ok(())
    }
}

/// A chip as the factory leaves it: the ledger key generated in it.
fn provisioned<C: ChipCurve>(keys: Option<Keys>, object: ObjectId) -> (Chip, PublicKey) {
    let options = Options { keys: keys.map(|keys| (keys, true)), ..Options::default() };
    let board = Board::new(Chip::new(options));
    let platform = keys.map(|Keys { version, enc, mac }| PlatformKeys { version, enc, mac });
    let (bus, clock, supply) = (board.bus(0x48), board.clock(), Supply(board.clone()));
    let settings = Settings::new(object);
    let mut chip = Se050::<C, _, _, _, _>::new(bus, clock, supply, Counting(0), platform, settings);
    let (key, _) = chip.provision().unwrap();
    (board.chip(|chip| chip.clone()), key)
}

/// Serves `chip` to one program.
fn chip_on_a_socket(mut chip: Chip) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        // A program that ends may do so between a request and its answer.
        let _ = serve(&mut chip, stream, Pace::Virtual);
    });
    (port, server)
}

fn with_chip(chip: &Chip, run: impl FnOnce(Option<(&str, u16)>)) {
    let (port, server) = chip_on_a_socket(chip.clone());
    run(Some(("CHIP_PORT", port)));
    server.join().unwrap();
}

#[test]
fn a_secure_element_signs_comes_back_and_says_what_is_wrong_with_it() {
    let device = Device::new(
        "se050",
        &[("SIGNER_SOFTWARE", "n"), ("SIGNER_SE050", "y")].into_iter().chain(SE050).collect::<Vec<_>>(),
    );
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    device.refuses([CAIRN_E_KEY_UNWANTED, CAIRN_OK, unsupported, unsupported]);
    let (chip, key) = provisioned::<Secp256k1>(Some(PLATFORM), LEDGER_KEY);
    with_chip(&chip, |chip| device.signs("signs", None, chip, 3, &key));
    with_chip(&chip, |chip| device.signs("comes_back", None, chip, 3, &key));
    with_chip(&chip, |chip| device.signs("goes_away", None, chip, 1, &key));
    let keys = Options { keys: Some((PLATFORM, true)), ..Options::default() };
    let alg = Algorithm::Es256k;
    with_chip(&Chip::new(keys), |chip| device.does_not_start(alg, chip, &[], CAIRN_E_SIGNER_NOT_PROVISIONED));
    let others = Options { keys: Some((Keys { mac: [0; 16], ..PLATFORM }, true)), ..Options::default() };
    with_chip(&Chip::new(others), |chip| device.does_not_start(alg, chip, &[], CAIRN_E_SIGNER_LOCKED));
    with_chip(&chip, |chip| device.does_not_start(alg, chip, &[("NO_KEYS", "1")], CAIRN_E_SIGNER_LOCKED));
}

#[test]
fn a_secure_element_vouches_for_its_key_through_c() {
    let changes = [("SIGNER_SOFTWARE", "n"), ("SIGNER_SE050", "y"), ("ROOT_NONE", "n"), ("ROOT_SE050", "y")];
    let rest = SE050.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let device = Device::new("se050-root", &changes.into_iter().chain(rest).collect::<Vec<_>>());
    let (chip, key) = provisioned::<Secp256k1>(Some(PLATFORM), LEDGER_KEY);
    let factory = factory(key.alg, None);
    let (kid, deployment) = (factory.kid, factory.deployment);
    let blob = blob(&device.build.directory, "endorses.bin", &factory);
    with_chip(&chip, |element| {
        let mut scenario = device.scenario("endorses");
        let output = succeed(scenario.arg(&blob).envs(element.map(|(name, port)| (name, port.to_string()))));
        let endorsement = hex::decode(String::from_utf8(output.stdout).unwrap().trim()).unwrap();
        let read = Endorsement::decode(&endorsement).unwrap();
        let binding = read.binding(key);
        assert_eq!((read.public_key, binding.kid, binding.deployment.0), (key.compressed(), kid, deployment));
        assert_eq!(key.accept(&possession_digest(read.token), &read.proof.0), Ok(read.proof));
        // host/src/endorsement judges tokens; here it is enough that the chip's statement is in it, over this nonce.
        let said = |bytes: &[u8]| read.token.windows(bytes.len()).any(|window| window == bytes);
        assert!(read.token.starts_with(&[0xd9, 0x02, 0x59]) && said(PROFILE.as_bytes()));
        assert!(said(&binding.eat_nonce()) && said(&[&[0x44, 16], &binding.eat_nonce()[..16]].concat()));
        assert!(said(&key.xy) && said(&chip.unique_id()));
    });
    // A chip that is gone vouches for nobody.
    with_chip(&chip, |element| {
        let mut scenario = device.scenario("endorses_not");
        succeed(scenario.arg(&blob).envs(element.map(|(name, port)| (name, port.to_string()))));
    });
}

#[test]
fn a_secure_element_without_switch_and_channel_signs_on_p256_at_another_address() {
    let changes = [
        ("SIGNER_SOFTWARE", "n"),
        ("SIGNER_SE050", "y"),
        ("KEY_SECP256K1", "n"),
        ("KEY_P256", "y"),
        ("SE050_SCP03", "n"),
        ("SE050_POWER_GATE", "n"),
        ("SE050_KEY_ID", "0x7fff0000"),
        ("SE050_I2C_ADDRESS", "0x30"),
        ("SE050_INFORMATION_BYTES", "64"),
    ];
    let rest = SE050.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let device = Device::new("se050-plain", &changes.into_iter().chain(rest).collect::<Vec<_>>());
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    device.refuses([unsupported, unsupported, CAIRN_E_KEY_UNWANTED, CAIRN_OK]);
    let (mut chip, key) = provisioned::<P256>(None, ObjectId(0x7fff_0000));
    chip.power(true);
    chip.pass(1_000_000);
    with_chip(&chip, |chip| device.signs("signs", None, chip, 3, &key));
}

/// What kconfig/ gives for the options of an SE050.
const SE050: [(&str, &str); 12] = [
    ("KEY_P256", "n"),
    ("KEY_SECP256K1", "y"),
    ("SE050_KEY_ID", "0x434b0001"),
    ("SE050_I2C_ADDRESS", "0x48"),
    ("SE050_I2C_KHZ", "400"),
    ("SE050_INFORMATION_BYTES", "254"),
    ("SE050_SCP03", "y"),
    ("SE050_POWER_GATE", "y"),
    ("SE050_POWER_UP_MS", "30"),
    ("SE050_POWER_OFF_MS", "10"),
    ("SE050_ATTEMPT_MS", "2000"),
    ("ROOT_SE050", "n"),
];

/// A modem that has network and whose relay never answers, with `card` in it.
fn modem_on_a_socket(card: Card) -> (u16, JoinHandle<()>, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let commands = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&commands);
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        converse(stream, &mut At::new(card, Plan::default()), &heard);
    });
    (port, server, commands)
}

fn converse(mut stream: TcpStream, at: &mut At, heard: &Mutex<Vec<String>>) {
    let (mut half, mut byte) = (Vec::new(), [0]);
    while stream.read(&mut byte).is_ok_and(|read| read == 1) {
        if byte != *b"\r" {
            half.push(byte[0]);
            continue;
        }
        let command = String::from_utf8(std::mem::take(&mut half)).unwrap();
        for line in answer(at, &command) {
            // The program may have ended.
            let _ = stream.write_all(&[b"\r\n", &line[..], b"\r\n"].concat());
        }
        heard.lock().unwrap().push(command);
    }
}

fn answer(at: &mut At, command: &str) -> Vec<Vec<u8>> {
    let lines = |text: &[&str]| text.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
    let (name, parameters) = command.split_once('=').unwrap_or((command, ""));
    let parameters: Vec<&str> = parameters.split(',').map(|parameter| parameter.trim_matches('"')).collect();
    match at.command(name.trim_start_matches("AT"), &parameters) {
        Some(Reply::Lines(lines)) => return lines,
        Some(Reply::Refusal(number)) => return vec![format!("+CME ERROR: {}", number.unwrap_or(100)).into_bytes()],
        Some(other) => panic!("{other:?} without a fault"),
        None => {}
    }
    match name {
        "AT+CEREG?" => lines(&["+CEREG: 1,1", "OK"]),
        "AT+QIOPEN" => lines(&["OK", "+QIOPEN: 0,0"]),
        "AT+QICLOSE" => lines(&["OK", "CLOSE OK"]),
        "AT+QISEND" | "AT+QISENDEX" => lines(&["OK", "SEND OK"]),
        _ => lines(&["OK"]),
    }
}

/// Runs with `applet` on the card; the commands the modem heard.
fn with_card(applet: Applet, run: impl FnOnce(Option<(&str, u16)>)) -> Vec<String> {
    let (port, server, commands) = modem_on_a_socket(Card::new(vec![applet], Protocol::T1, [7; 32], Plan::default()));
    run(Some(("MODEM_PORT", port)));
    server.join().unwrap();
    commands.lock().unwrap().clone()
}

fn count(commands: &[String], name: &str) -> usize {
    commands.iter().filter(|command| command.starts_with(name)).count()
}

#[test]
fn a_key_on_the_sim_signs_through_the_modem_of_the_link() {
    let changes = [
        ("SIGNER_SOFTWARE", "n"),
        ("SIGNER_SIM", "y"),
        ("SIM_CAIRN_K1", "y"),
        ("SIM_IOT_SAFE", "n"),
        ("SIM_CHANNELS", "y"),
        ("SIM_CSIM", "n"),
    ];
    let device = Device::new("sim", &changes);
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    device.refuses([CAIRN_E_KEY_UNWANTED, CAIRN_OK, unsupported, unsupported]);
    let applet = Applet::secp256k1().with_secret(&SECRET);
    let key = SoftwareSigner::new(&SECRET).unwrap().public_key().unwrap();
    let commands = with_card(applet.clone(), |modem| device.signs("signs", None, modem, 3, &key));
    assert!(count(&commands, "AT+CGLA=") > 0 && count(&commands, "AT+CSIM=") == 0, "{commands:?}");
    with_card(applet, |modem| device.signs("comes_back", None, modem, 3, &key));
    with_card(Applet::iot_safe(&[1], &[2]), |modem| {
        device.does_not_start(Algorithm::Es256k, modem, &[], CAIRN_E_SIGNER_NOT_PROVISIONED);
    });
}

#[test]
fn iot_safe_signs_with_the_containers_that_the_configuration_names() {
    let changes = [
        ("SIGNER_SOFTWARE", "n"),
        ("SIGNER_SIM", "y"),
        ("SIM_CAIRN_K1", "n"),
        ("SIM_IOT_SAFE", "y"),
        ("SIM_PRIVATE_KEY_ID", "\"303036\""),
        ("SIM_PUBLIC_KEY_ID", "\"303037\""),
        ("SIM_CHANNELS", "n"),
        ("SIM_CSIM", "y"),
    ];
    let device = Device::new("iot-safe", &changes);
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    device.refuses([unsupported, unsupported, CAIRN_E_KEY_UNWANTED, CAIRN_OK]);
    let key = P256Signer::new(&SECRET).unwrap().public_key().unwrap();
    let applet = Applet::iot_safe(b"006", b"007").with_secret(&SECRET);
    let commands = with_card(applet, |modem| device.signs("signs", None, modem, 3, &key));
    assert!(count(&commands, "AT+CSIM=") > 0 && count(&commands, "AT+CCHO=") == 0, "{commands:?}");
    let elsewhere = Applet::iot_safe(b"008", b"009").with_secret(&SECRET);
    with_card(elsewhere, |modem| {
        device.does_not_start(Algorithm::Es256, modem, &[], CAIRN_E_SIGNER_NOT_PROVISIONED);
    });
}

/// What plays the product's own signer: a key, or what it answers instead of a signature.
struct Product<S> {
    signer: S,
    /// The public key it gives.
    xy: [u8; 64],
    /// Answered with the key, and with a signature.
    results: [u8; 2],
    /// Gives s in the higher half of the group's order, as half of all signers do half of the time.
    high: bool,
    /// Signs something else.
    wrong: bool,
}

impl<S: Signer + Send + 'static> Product<S> {
    fn new(mut signer: S) -> Self {
        let xy = signer.public_key().unwrap().xy;
        Self { signer, xy, results: [0, 0], high: false, wrong: false }
    }

    /// Serves one program, and gives the port to it.
    fn run(mut self, run: impl FnOnce(Option<(&str, u16)>)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut letter, mut digest) = ([0], [0; 32]);
            while stream.read(&mut letter).is_ok_and(|read| read == 1) {
                let (result, bytes) = if letter == *b"K" {
                    (self.results[0], self.xy)
                } else {
                    stream.read_exact(&mut digest).unwrap();
                    (self.results[1], self.signature(digest))
                };
                // The program may have ended.
                let _ = stream.write_all(&[&[result][..], &bytes].concat());
            }
        });
        run(Some(("SIGNER_PORT", port)));
        server.join().unwrap();
    }

    fn signature(&mut self, mut digest: [u8; 32]) -> [u8; 64] {
        digest[31] ^= u8::from(self.wrong);
        let mut signature = self.signer.sign(&Digest(digest)).unwrap().0;
        if self.high {
            let alg = self.signer.public_key().unwrap().alg;
            let s: [u8; 32] = signature[32..].try_into().unwrap();
            signature[32..].copy_from_slice(&order_less(alg, s));
        }
        signature
    }
}

/// The group's order less `s`: signs alike.
fn order_less(alg: Algorithm, s: [u8; 32]) -> [u8; 32] {
    let order = match alg {
        Algorithm::Es256k => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        Algorithm::Es256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    };
    let (mut out, mut borrow) = ([0; 32], 0_i16);
    for (at, n) in hex::decode(order).unwrap().into_iter().enumerate().rev() {
        let digit = i16::from(n) - i16::from(s[at]) - borrow;
        borrow = i16::from(digit < 0);
        out[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    out
}

#[test]
fn a_signer_of_the_product_signs_on_both_curves_and_is_believed_nothing() {
    let choices = [("SIGNER_SOFTWARE", "n"), ("SIGNER_CUSTOM", "y"), ("KEY_SECP256K1", "y"), ("KEY_P256", "n")];
    let device = Device::new("custom", &choices);
    let unsupported = CAIRN_E_FACTORY_UNSUPPORTED;
    device.refuses([CAIRN_E_KEY_UNWANTED, CAIRN_OK, unsupported, unsupported]);
    let product = || Product::new(SoftwareSigner::new(&SECRET).unwrap());
    let key = SoftwareSigner::new(&SECRET).unwrap().public_key().unwrap();
    product().run(|it| device.signs("signs", None, it, 3, &key));
    Product { high: true, ..product() }.run(|it| device.signs("signs", None, it, 3, &key));
    product().run(|it| device.signs("comes_back", None, it, 3, &key));
    product().run(|it| device.signs("goes_away", None, it, 1, &key));

    for why in [CAIRN_E_SIGNER_NOT_PROVISIONED, CAIRN_E_SIGNER_LOCKED, CAIRN_E_SIGNER_TIMEOUT, CAIRN_E_SIGNER_FAULT] {
        if why != CAIRN_E_SIGNER_TIMEOUT {
            // After a time-out the agent would look again.
            let no_key = Product { results: [why as u8, 0], ..product() };
            no_key.run(|it| device.has_no_key(it, why));
        }
        let refusing = Product { results: [0, why as u8], ..product() };
        refusing.run(|it| device.is_refused(it, why));
    }
    // A number that is no result of a signer's.
    Product { results: [0, 99], ..product() }.run(|it| device.is_refused(it, CAIRN_E_SIGNER_FAULT));
    Product { wrong: true, ..product() }.run(|it| device.is_refused(it, CAIRN_E_SIGNER_FAULT));
    let elsewhere = Product { xy: [5; 64], ..product() };
    elsewhere.run(|it| device.has_no_key(it, CAIRN_E_SIGNER_NOT_PROVISIONED));

    let choices = [("SIGNER_SOFTWARE", "n"), ("SIGNER_CUSTOM", "y"), ("KEY_SECP256K1", "n"), ("KEY_P256", "y")];
    let device = Device::new("custom-p256", &choices);
    device.refuses([unsupported, unsupported, CAIRN_E_KEY_UNWANTED, CAIRN_OK]);
    let key = P256Signer::new(&SECRET).unwrap().public_key().unwrap();
    let product = Product { high: true, ..Product::new(P256Signer::new(&SECRET).unwrap()) };
    product.run(|it| device.signs("signs", None, it, 3, &key));
}

#[test]
fn datagrams_of_the_product_carry_an_exchange() {
    let no_modem = ["MODEM_BC660K", "MODEM_BC66", "AT_LINE_MAX", "AT_RX_BYTES"].map(|name| (name, ""));
    let device =
        Device::new("custom-transport", &[&no_modem[..], &[("AT_MODEM", "n"), ("TRANSPORT_CUSTOM", "y")]].concat());
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = relay.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut datagram = [0; 1500];
        let (length, from) = relay.recv_from(&mut datagram).unwrap();
        // What cannot be verified: a reset.
        relay.send_to(&[0x70, 0, datagram[2], datagram[3]], from).unwrap();
        datagram[..length].to_vec()
    });
    let blob = blob(&device.build.directory, "exchanges.bin", &factory(Algorithm::Es256k, Some(SECRET)));
    succeed(device.scenario("exchanges").arg(blob).env("RELAY_PORT", port.to_string()));
    let datagram = server.join().unwrap();
    // A confirmable POST (RFC 7252 section 3), of an anchor's length.
    assert_eq!((datagram[0] & 0xf0, datagram[1]), (0x40, 0x02));
    assert!((200..600).contains(&datagram.len()), "{} bytes", datagram.len());
}
