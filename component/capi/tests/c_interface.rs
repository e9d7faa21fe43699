// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C interface as C sees it: the static library is built as a product builds it, linked by the C compiler with a
//! port on POSIX threads, and used rightly and wrongly. The scenarios are in `c/scenarios.c` and `c/flash_scenarios.c`, each in
//! a process of its own.
//!
//! Results no scenario reaches, and why: CAIRN_E_LOST needs a record that rots in the open batch, which component/tests does to
//! the agent; CAIRN_E_CONFLICT a journal that is used against its rules, which the agent never does; CAIRN_E_SIGNER_FAULT a
//! fault in the processor. The results of signers that are not software are in signers.rs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use cairn::{
    batch::DeploymentId,
    cose::{Kid, Sign1},
    endorsement::{Endorsement, possession_digest},
    factory::{AttestationKey, FACTORY_MAX, Factory},
    firmware::Firmware,
    journal::layout::{FORMAT_VERSION, Geometry, Header, Snapshot},
    record::Kind,
    signer::{Algorithm, Signer as _, software::SoftwareSigner},
};
use cairn_capi::result::cairn_result_t;
use cairn_evidence::signature;

use c_builds::{Build, cargo_target, compiler, here, library, library_with, program, succeed};

mod c_builds;

/// What all tests share: made once.
struct Built {
    directory: PathBuf,
    library: PathBuf,
    scenarios: PathBuf,
    flash_scenarios: PathBuf,
    /// Linked to a library with the counter.
    counter_scenarios: PathBuf,
    /// Linked to libraries in which a primitive can be broken, without and with the self-test at boot.
    selftest_scenarios: [PathBuf; 2],
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let endorsing = library("endorsing", &[("ROOT_NONE", "n"), ("ROOT_FACTORY_KEY", "y")]);
        let counting = library("counting", &[("MONOTONIC", "y")]);
        let program = |name: &str, build: &Build| program(build, name, &[name, "pthread_port", "element_port"]);
        let (scenarios, flash_scenarios) = (program("scenarios", &endorsing), program("flash_scenarios", &endorsing));
        let counter_scenarios = program("counter_scenarios", &counting);
        let selftest_scenarios = [("breakable", "n"), ("breakable-at-boot", "y")].map(|(name, at_boot)| {
            let breakable = library_with(name, &[("SELFTEST_AT_BOOT", at_boot)], "std,sabotage");
            program("selftest_scenarios", &breakable)
        });
        let Build { directory, library } = endorsing;
        Built { directory, library, scenarios, flash_scenarios, counter_scenarios, selftest_scenarios }
    })
}

fn factory() -> Factory {
    c_builds::factory(Algorithm::Es256k, Some([0x11; 32]))
}

fn blob(name: &str, factory: &Factory) -> PathBuf {
    c_builds::blob(&built().directory, name, factory)
}

fn write_blob(name: &str, image: &[u8]) -> PathBuf {
    let path = built().directory.join(name);
    fs::write(&path, image).unwrap();
    path
}

/// Runs a scenario with a good factory blob.
fn run(scenario: &str) -> String {
    let good = blob(&format!("{scenario}.bin"), &factory());
    run_with(scenario, &[good])
}

fn run_with(scenario: &str, factories: &[PathBuf]) -> String {
    let output = succeed(Command::new(&built().scenarios).arg(scenario).args(factories));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn before_init_every_function_says_so() {
    run("before_init");
}

#[test]
fn a_wrong_init_is_refused_and_the_next_right_one_is_taken_once() {
    let good = factory();
    let mut version = [0; FACTORY_MAX];
    let length = good.encode(&mut version).unwrap();
    version[7] = 9;
    let body = 6..length - 4;
    let check = <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&version[body.clone()]));
    version[body.end..length].copy_from_slice(&check[..4]);
    run_with(
        "wrong_init",
        &[
            blob("good.bin", &good),
            blob("p256.bin", &Factory { alg: Algorithm::Es256, ..good.clone() }),
            write_blob("version.bin", &version[..length]),
            blob("keyless.bin", &Factory { private_key: None, ..good.clone() }),
        ],
    );
}

#[test]
fn wrong_submissions_and_calls_from_interrupts_get_their_errors_and_change_nothing() {
    run("wrong_submissions");
}

#[test]
fn a_full_queue_refuses_counts_and_loses_nothing_it_took() {
    run("full_queue");
}

#[test]
fn waits_time_out_and_what_timed_out_is_never_written_later() {
    run("waits_time_out");
}

#[test]
fn many_tasks_get_each_sequence_number_once() {
    run("many_tasks");
}

#[test]
fn the_callback_is_told_and_may_submit_but_not_wait() {
    run("callbacks");
}

#[test]
fn evidence_is_given_whole_or_refused_and_verifies() {
    let printed = run("evidence");
    c_builds::signed_by(&printed, 3, &SoftwareSigner::new(&[0x11; 32]).unwrap().public_key().unwrap());
}

#[test]
fn an_endorsement_is_given_whole_or_refused_and_both_keys_signed_it() {
    let attestation = Some(AttestationKey { alg: Algorithm::Es256k, private_key: [0x55; 32] });
    let vouched = blob("vouched.bin", &Factory { attestation, ..factory() });
    let bytes = hex::decode(run_with("endorsement", &[vouched]).trim()).unwrap();
    let read = Endorsement::decode(&bytes).expect("what docs/wire.cddl says");
    assert_eq!((read.deployment, read.nonce, read.kid), (DeploymentId([0x33; 32]), [0x6e; 32], *b"kid0"));
    let public = |secret: u8| SoftwareSigner::new(&[secret; 32]).unwrap().public_key().unwrap();
    let (ledger, attester) = (public(0x11), public(0x55));
    assert_eq!(read.public_key, ledger.compressed());
    signature::check(&ledger, &possession_digest(read.token), &read.proof).expect("the ledger key signed");
    let token = Sign1::decode(read.token).unwrap();
    assert_eq!(token.kid, Kid::Protected(&attester.key_id().0));
    signature::check(&attester, &token.digest(&[]), &token.signature).expect("the attestation key signed");
    let says = |bytes: &[u8]| token.payload.windows(bytes.len()).any(|window| window == bytes);
    assert!(says(&read.binding(ledger).eat_nonce()) && says(&ledger.device_id().0));
}

#[test]
fn without_a_root_of_trust_of_this_build_there_is_no_endorsement() {
    run("no_root");
    for (name, alg, private_key) in
        [("other-alg.bin", Algorithm::Es256, [0x55; 32]), ("no-scalar.bin", Algorithm::Es256k, [0xff; 32])]
    {
        let attestation = Some(AttestationKey { alg, private_key });
        run_with("no_root", &[blob(name, &Factory { attestation, ..factory() })]);
    }
}

#[test]
fn a_full_journal_refuses_and_counts() {
    run("full_journal");
}

/// Runs a scenario of the flash with a good factory blob, and gives its lines.
fn run_flash(scenario: &str, flash: &[&Path], more: &[String]) -> Vec<String> {
    let good = blob(&format!("{scenario}-{}.bin", more.concat()), &factory());
    let mut command = Command::new(&built().flash_scenarios);
    let output = succeed(command.arg(scenario).arg(good).args(flash).args(more));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A file for the flash of a scenario, blank but for what `image` begins with.
fn flash_file(name: &str, image: &[u8]) -> PathBuf {
    let mut cells = vec![0xff; cairn_config::JOURNAL_BYTES];
    cells[..image.len()].copy_from_slice(image);
    write_blob(name, &cells)
}

#[test]
fn a_confirmed_image_is_journaled_once_over_reboots_and_is_in_the_evidence() {
    let flash = flash_file("firmware.flash", &[]);
    run_flash("firmware_before", &[&flash], &[]);
    let given = run_flash("firmware_after", &[&flash], &[]);
    let of = |line: &str| {
        let evidence = cairn_evidence::cbor::decode(&hex::decode(line).unwrap()).expect("what docs/wire.cddl says");
        assert_eq!(evidence.record.kind, Kind::FIRMWARE);
        Firmware::from_payload(&evidence.record.payload).unwrap()
    };
    assert_eq!(of(&given[0]), Firmware::new(b"255.255.65535+4294967295", [0xab; 32], 1).unwrap());
    let mut hash = [0xab; 32];
    hash[31] = 0xac;
    assert_eq!(of(&given[1]), Firmware::new(b"2", hash, 0).unwrap());
}

#[test]
fn after_a_reboot_the_journal_goes_on_in_its_stream_and_gives_the_same_evidence() {
    let flash = flash_file("reboot.flash", &[]);
    let before = run_flash("reboot_before", &[&flash], &[]);
    let after = run_flash("reboot_after", &[&flash], &[]);
    let [stream, evidence] = &before[..] else { panic!("{before:?}") };
    assert_eq!(&after[..2], [stream.clone(), evidence.clone()]);
    for (line, seq) in [(evidence, 3), (&after[2], 7)] {
        let evidence = cairn_evidence::cbor::decode(&hex::decode(line).unwrap()).expect("what docs/wire.cddl says");
        assert_eq!((evidence.record.seq.0, evidence.anchor.batch.0), (seq, u32::from(seq == 7)));
    }
}

/// CRC-32 as in docs/journal.md.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

#[test]
fn flash_that_holds_something_else_is_refused_untouched_until_the_application_gives_it_up() {
    let geometry = Geometry::new(8, 4096, 2 * cairn_config::JOURNAL_BYTES);
    let header = Header { generation: 0, geometry, snapshot: Snapshot::default() }.encode();
    let mut newer = header;
    newer[2] = FORMAT_VERSION + 1;
    let check = crc32(&newer[..4]).to_le_bytes();
    newer[4..8].copy_from_slice(&check);
    let noise: Vec<u8> = (0_u32..9000).map(|at| ((at * at) >> 7).to_le_bytes()[0]).collect();
    for (name, image, result) in [
        ("foreign", &noise[..], cairn_result_t::CAIRN_E_JOURNAL_FOREIGN),
        ("version", &newer, cairn_result_t::CAIRN_E_JOURNAL_VERSION),
        ("geometry", &header, cairn_result_t::CAIRN_E_JOURNAL_GEOMETRY),
    ] {
        let flash = flash_file(&format!("{name}.flash"), image);
        let before = fs::read(&flash).unwrap();
        run_flash("refused_flash", &[&flash], &[(result as u32).to_string()]);
        assert!(fs::read(&flash).unwrap() == before, "{name} was touched");
        let streams = [0, 1].map(|round| run_flash("formatted_flash", &[&flash], &[format!("{name}{round}")]));
        assert_ne!(streams[0], streams[1], "{name}: each format begins another stream");
    }
}

#[test]
fn flash_that_fails_has_its_own_error_and_costs_only_what_it_was_asked_for() {
    run_flash("failing_flash", &[], &[]);
    run_flash("unreachable_flash", &[], &[]);
}

#[test]
fn flash_that_was_rolled_back_is_refused_and_a_new_stream_above_the_counter_is_the_way_on() {
    let flash = flash_file("rollback.flash", &[]);
    let counter = write_blob("rollback.counter", &[0; 24]);
    let good = blob("rollback.bin", &factory());
    let run = |scenario: &str| {
        let output = succeed(Command::new(&built().counter_scenarios).arg(scenario).args([&good, &flash, &counter]));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = run("a_batch");
    assert!(first.ends_with(" 0\n"), "{first}");
    let older = fs::read(&flash).unwrap();
    assert_eq!(run("a_batch"), first, "the same stream");
    let newer = fs::read(&flash).unwrap();
    fs::write(&flash, &older).unwrap();
    run("rolled_back");
    assert!(fs::read(&flash).unwrap() == older, "it was touched");
    let second = run("formatted");
    assert!(second[..16] != first[..16] && second.ends_with(" 1\n"), "{second}");
    assert_eq!(run("a_batch"), second, "and on it goes");
    fs::write(&flash, &newer).unwrap();
    run("rolled_back");
    run("silent");
}

/// `cairn_primitive_t` of the default build, and their names.
const PRIMITIVES: [(u8, &str); 7] = [
    (1, "SHA-256"),
    (2, "HMAC-SHA-256"),
    (3, "HKDF-SHA-256"),
    (4, "Keccak-256"),
    (5, "ES256K"),
    (10, "AES-CCM"),
    (11, "OSCORE-keys"),
];

#[test]
fn a_primitive_that_breaks_is_named_and_stops_the_agent_on_demand_and_by_option_at_boot() {
    let good = blob("selftest.bin", &factory());
    let run = |at_boot: bool, scenario: &str, primitive: u8| {
        let mut command = Command::new(&built().selftest_scenarios[usize::from(at_boot)]);
        let output = succeed(command.arg(scenario).arg(&good).arg(primitive.to_string()));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    for at_boot in [false, true] {
        run(at_boot, "sound", 0);
        for (number, name) in PRIMITIVES {
            assert_eq!(run(at_boot, "breaks", number), name);
        }
    }
    for (number, name) in PRIMITIVES {
        assert_eq!(run(true, "broken_at_boot", number), name);
        run(false, "unnoticed_at_boot", number);
    }
}

#[test]
fn an_agent_that_cannot_start_says_why_to_everybody() {
    run_with("no_start", &[blob("no-key.bin", &Factory { private_key: Some([0; 32]), ..factory() })]);
}

#[test]
fn a_dead_link_fails_the_exchange_and_keeps_the_batch() {
    run("dead_link");
}

fn link_application(include: &Path, output: &Path) -> Output {
    let Built { library, .. } = built();
    compiler()
        .arg("-I")
        .arg(include)
        .arg("-o")
        .arg(output)
        .arg(here().join("tests/c/application.c"))
        .arg(here().join("tests/c/stub_port.c"))
        .arg(library)
        .args(["-lm", "-ldl"])
        .output()
        .unwrap()
}

#[test]
fn a_stub_port_links_and_both_languages_agree_on_every_size() {
    let Built { directory, .. } = built();
    let program = directory.join("application");
    let linked = link_application(directory, &program);
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
    let output = String::from_utf8(succeed(&mut Command::new(program)).stdout).unwrap();
    let expected = format!(
        "storage {}\nrecord {}\nstatus {}\nevent {}\nevidence {}\nendorsement {} {}\n",
        cairn_capi::instance::CAIRN_STORAGE_SIZE,
        size_of::<cairn_capi::record::cairn_record_t>(),
        size_of::<cairn_capi::report::cairn_status_t>(),
        size_of::<cairn_capi::report::cairn_event_t>(),
        cairn_capi::instance::CAIRN_EVIDENCE_MAX,
        cairn_capi::endorsement::CAIRN_ENDORSEMENT_MAX,
        cairn_capi::endorsement::CAIRN_ENDORSEMENT_OVERHEAD,
    );
    assert_eq!(output, expected);
}

#[test]
fn a_header_of_another_configuration_does_not_link() {
    let Built { directory, .. } = built();
    let other = directory.join("other");
    fs::create_dir_all(&other).unwrap();
    let default = fs::read_to_string(here().join("../config/default.config")).unwrap();
    let changed = default.replace("CONFIG_CAIRN_QUEUE_LENGTH=16", "CONFIG_CAIRN_QUEUE_LENGTH=17");
    assert_ne!(default, changed);
    let dotconfig = other.join("other.config");
    fs::write(&dotconfig, changed).unwrap();
    c_builds::header(&cargo_target(), &dotconfig, &other);
    let linked = link_application(&other, &other.join("application"));
    let why = String::from_utf8_lossy(&linked.stderr);
    assert!(!linked.status.success(), "it linked");
    assert!(why.contains("undefined reference to `cairn_config_"), "{why}");
}

#[test]
fn the_headers_are_cplusplus_too() {
    let Built { directory, .. } = built();
    let source = directory.join("header.cpp");
    fs::write(
        &source,
        "#include \"cairn_port.h\"\nstatic cairn_storage_t storage;\n\
         int main() { return cairn_init(&storage, nullptr); }\n",
    )
    .unwrap();
    succeed(
        Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
            .args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-c", "-o"])
            .arg(directory.join("header.o"))
            .arg("-I")
            .arg(here().join("include"))
            .arg("-I")
            .arg(directory)
            .arg(source),
    );
}
