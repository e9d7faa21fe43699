// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key's life in the C interface, in libraries with a key store: drawn or imported at the first start, followed by another whatever
//! the power does, buried. The scenarios are in `c/key_scenarios.c`, each in a process of its own that has two files for flash.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

use cairn::{
    batch::DeploymentId,
    factory::{FACTORY_MAX, Factory},
    signer::{Algorithm, Signer as _, software::SoftwareSigner},
};
use cairn_capi::result::cairn_result_t;
use cairn_evidence::verify::{Expectation, check_statement};

use c_builds::{Build, library, program};

mod c_builds;

/// Sealed with noise, and plain with the port's entropy.
fn built(sealed: bool) -> &'static (Build, PathBuf) {
    static BUILT: [OnceLock<(Build, PathBuf)>; 2] = [const { OnceLock::new() }; 2];
    BUILT[usize::from(sealed)].get_or_init(|| {
        let build = if sealed {
            library(
                "key-sealed",
                &[
                    ("KEY_STORE", "y"),
                    ("KEY_AT_REST_SEALED", "y"),
                    ("KEY_AT_REST_INSECURELY_PLAIN", "n"),
                    ("KEY_NOISE", "y"),
                    ("KEY_NOISE_BITS", "6"),
                ],
            )
        } else {
            library(
                "key-plain",
                &[
                    ("KEY_STORE", "y"),
                    ("KEY_AT_REST_SEALED", "n"),
                    ("KEY_AT_REST_INSECURELY_PLAIN", "y"),
                    ("KEY_NOISE", "n"),
                ],
            )
        };
        let scenarios = program(&build, "key_scenarios", &["key_scenarios", "pthread_port", "element_port"]);
        (build, scenarios)
    })
}

/// A device: its files.
struct Device {
    sealed: bool,
    factory: PathBuf,
    journal: PathBuf,
    keys: PathBuf,
}

/// What a scenario printed: the device's id, the key that signs, evidence of its last record.
#[derive(Debug)]
struct Said {
    device: String,
    key: String,
    evidence: String,
}

const CUT: i32 = 99;
const SECRET: [u8; 32] = [0x11; 32];

impl Device {
    fn new(name: &str, sealed: bool, private_key: Option<[u8; 32]>) -> Self {
        let file = |end: &str| built(sealed).0.directory.join(format!("{name}.{end}"));
        let device = Self { sealed, factory: file("bin"), journal: file("flash"), keys: file("keys") };
        let factory = Factory {
            alg: Algorithm::Es256k,
            private_key,
            blind_secret: [0x22; 32],
            deployment: [0x33; 32],
            kid: *b"kid0",
            master_secret: [0x44; 16],
            relay: SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5683),
            attestation: None,
        };
        let mut image = [0; FACTORY_MAX];
        let length = factory.encode(&mut image).unwrap();
        fs::write(&device.factory, &image[..length]).unwrap();
        fs::write(&device.journal, vec![0xff; cairn_config::JOURNAL_BYTES]).unwrap();
        fs::write(&device.keys, vec![0xff; 2 * cairn_config::FLASH_ERASE_SIZE]).unwrap();
        device
    }

    fn run(&self, scenario: &str, cut: u32, more: &[&str]) -> Output {
        let mut command = Command::new(&built(self.sealed).1);
        command.arg(scenario).args([&self.factory, &self.journal, &self.keys]).arg(cut.to_string()).args(more);
        command.output().unwrap()
    }

    /// To its end.
    fn whole(&self, scenario: &str) -> Said {
        let output = self.run(scenario, 0, &[]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{scenario}: {}\n{err}", output.status);
        said(&output)
    }

    fn refuses(&self, result: cairn_result_t, fault: &str) {
        let output = self.run("refuses", 0, &[&(result as u32).to_string(), fault]);
        assert!(output.status.success(), "{result:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn key_flash(&self) -> Vec<u8> {
        fs::read(&self.keys).unwrap()
    }
}

fn said(output: &Output) -> Said {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let [device, key, evidence] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    Said { device: device.into(), key: key.into(), evidence: evidence.into() }
}

/// That the evidence's signature is the key's.
fn signed_by(said: &Said) {
    let evidence =
        cairn_evidence::cbor::decode(&hex::decode(&said.evidence).unwrap()).expect("what docs/wire.cddl says");
    assert_eq!(hex::encode(evidence.key.public_key), said.key);
    let expectation = Expectation {
        deployment: DeploymentId([0x33; 32]),
        chain_id: 0,
        contract: [0; 20],
        device: None,
        min_confirmations: 0,
    };
    check_statement(&evidence, &expectation).expect("it verifies");
}

#[test]
fn a_key_is_drawn_at_the_first_start_and_is_the_same_at_every_later_one() {
    for sealed in [true, false] {
        let device = Device::new("drawn", sealed, None);
        let (first, second) = (device.whole("lives"), device.whole("lives"));
        assert_eq!((&first.device, &first.key), (&second.device, &second.key));
        signed_by(&second);
        let other = Device::new("drawn-too", sealed, None).whole("lives");
        assert_ne!(other.key, first.key);
    }
}

#[test]
fn the_factorys_key_is_imported_and_lies_sealed() {
    for sealed in [true, false] {
        let device = Device::new("imported", sealed, Some(SECRET));
        let public = SoftwareSigner::new(&SECRET).unwrap().public_key().unwrap();
        let first = device.whole("lives");
        assert_eq!(first.key, hex::encode(public.compressed()));
        assert_eq!(first.device, hex::encode(public.device_id().0));
        let plain = device.key_flash().windows(8).any(|window| window == [0x11; 8]);
        assert_eq!(plain, !sealed);
    }
}

#[test]
fn a_rotation_goes_through_whatever_the_power_does_and_the_device_stays_who_it_is() {
    for sealed in [true, false] {
        let name = |cut: u32| format!("rotated-{cut}");
        let first_key = hex::encode(SoftwareSigner::new(&SECRET).unwrap().public_key().unwrap().compressed());
        let (mut cut, mut old, mut new) = (1, 0, 0);
        loop {
            let device = Device::new(&name(cut), sealed, Some(SECRET));
            let first = device.whole("lives");
            assert_eq!(first.key, first_key);
            let output = device.run("rotates", cut, &[]);
            let after = if output.status.code() == Some(CUT) {
                let after = device.whole("goes_on");
                // Before it was announced the old key goes on, and the rotation is made anew.
                if after.key == first_key {
                    old += 1;
                    device.whole("rotates")
                } else {
                    new += 1;
                    after
                }
            } else {
                assert!(output.status.success(), "cut {cut}: {}", String::from_utf8_lossy(&output.stderr));
                said(&output)
            };
            assert_eq!(after.device, first.device, "cut {cut}");
            assert_ne!(after.key, first_key, "cut {cut}");
            signed_by(&after);
            let again = device.whole("goes_on");
            assert_eq!((&again.device, &again.key), (&after.device, &after.key), "cut {cut}");
            assert!(!device.key_flash().windows(8).any(|window| window == [0x11; 8]), "cut {cut}: the old key is left");
            for file in [&device.journal, &device.keys, &device.factory] {
                fs::remove_file(file).unwrap();
            }
            if output.status.code() != Some(CUT) {
                break;
            }
            cut += 1;
        }
        println!("sealed {sealed}: {old} cuts before it was announced, {new} after");
        assert!(old > 0 && new > 0, "{old} {new}");
    }
}

#[test]
fn one_key_after_the_other_is_the_same_device() {
    let device = Device::new("twice", false, None);
    let lives: Vec<Said> = ["lives", "rotates", "rotates", "rotates"].map(|scenario| device.whole(scenario)).into();
    for (i, life) in lives.iter().enumerate() {
        signed_by(life);
        assert_eq!(life.device, lives[0].device);
        assert!(lives[..i].iter().all(|earlier| earlier.key != life.key));
    }
}

#[test]
fn a_destroyed_key_is_gone_for_good_also_when_the_factory_still_has_it() {
    for sealed in [true, false] {
        let device = Device::new("destroyed", sealed, Some(SECRET));
        device.whole("lives");
        assert!(device.run("destroys", 0, &[]).status.success());
        assert!(!device.key_flash().windows(8).any(|window| window == [0x11; 8]));
        let blank = device.key_flash().chunks(4096).filter(|unit| unit.iter().all(|byte| *byte == 0xff)).count();
        assert_eq!(blank, 1);
        device.refuses(cairn_result_t::CAIRN_E_KEY_DESTROYED, "-");
    }
}

#[test]
fn a_key_is_destroyed_without_the_platforms_secret_before_and_after_the_start() {
    for when in ["before", "after"] {
        let device = Device::new(&format!("destroyed-{when}"), true, Some(SECRET));
        device.whole("lives");
        let output = device.run("destroys_without_secret", 0, &[when]);
        assert!(output.status.success(), "{when}: {}", String::from_utf8_lossy(&output.stderr));
        let blank = device.key_flash().chunks(4096).filter(|unit| unit.iter().all(|byte| *byte == 0xff)).count();
        assert_eq!(blank, 1);
        // Nothing is left to be opened, so the secret is not asked for.
        device.refuses(cairn_result_t::CAIRN_E_KEY_DESTROYED, "s");
    }
}

#[test]
fn a_next_key_that_cannot_take_its_turn_is_told_in_the_status_until_it_can() {
    let device = Device::new("kept-waiting", true, Some(SECRET));
    let first = device.whole("lives");
    let after = device.whole("rotates_when_secret_is_back");
    assert_eq!(after.device, first.device);
    assert_ne!(after.key, first.key);
    signed_by(&after);
}

#[test]
fn without_the_platforms_secret_or_with_anothers_the_agent_does_not_start_and_writes_nothing() {
    let device = Device::new("secretless", true, None);
    device.refuses(cairn_result_t::CAIRN_E_KEY_SEAL, "s");
    assert!(device.key_flash().iter().all(|byte| *byte == 0xff));
    let first = device.whole("lives");
    let before = device.key_flash();
    device.refuses(cairn_result_t::CAIRN_E_KEY_SEAL, "o");
    assert!(device.key_flash() == before);
    assert_eq!(device.whole("lives").key, first.key);
}

#[test]
fn a_dead_noise_source_gives_no_key_neither_the_first_nor_the_next() {
    let device = Device::new("noiseless", true, None);
    device.refuses(cairn_result_t::CAIRN_E_ENTROPY, "n");
    assert!(device.key_flash().iter().all(|byte| *byte == 0xff));
    let first = device.whole("lives");
    let after = device.whole("rotates_without_noise");
    assert_eq!(after.key, first.key);
    signed_by(&after);
}

#[test]
fn a_key_that_rotted_in_both_copies_is_not_replaced_by_another() {
    let device = Device::new("rotted", false, Some(SECRET));
    device.whole("lives");
    let mut cells = device.key_flash();
    let images = cells.windows(2).enumerate().filter(|(_, bytes)| bytes == b"CK").map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(images.len(), 2);
    for at in images {
        cells[at + 20] ^= 1;
    }
    fs::write(&device.keys, &cells).unwrap();
    device.refuses(cairn_result_t::CAIRN_E_KEY_DAMAGED, "-");
    assert!(device.key_flash() == cells);
}
