// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options that no other test of the C interface changes: two libraries that differ in nothing else, and what is seen of it from
//! outside (`c/option_scenarios.c`). The last test is the list of every option and where its effect is shown.

use std::{
    collections::BTreeMap,
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use c_builds::{Build, blob, factory, library_with, program, succeed};
use cairn::signer::Algorithm;

mod c_builds;
mod option_effects;

#[allow(dead_code, reason = "only its names are looked at")]
#[path = "../../config/src/symbols.rs"]
mod symbols;

/// Datagrams of the product instead of a modem.
const CUSTOM: [(&str, &str); 6] = [
    ("AT_MODEM", "n"),
    ("TRANSPORT_CUSTOM", "y"),
    ("MODEM_BC660K", ""),
    ("MODEM_BC66", ""),
    ("AT_LINE_MAX", ""),
    ("AT_RX_BYTES", ""),
];

/// None of these is its default.
const OTHERS: [(&str, &str); 28] = [
    ("PAYLOAD_MAX", "100"),
    ("CLOCK_STEP_MS", "5000"),
    ("RELAY_STEP_MAX_S", "77"),
    ("SENDER_SEQUENCE_BLOCK", "24"),
    ("RETENTION_HOURS", "48"),
    ("PRUNE_FINAL", "n"),
    ("PRUNE_INCLUDED", "y"),
    ("UPLOAD_DATA", "n"),
    ("UPLOAD_HASH_ONLY", "y"),
    ("DEADLINE_URGENT_S", "9"),
    ("DEADLINE_ROUTINE_S", "3600"),
    ("DEADLINE_BULK_S", "7200"),
    ("POWER_BATTERY_MAH", "6000"),
    ("POWER_BATTERY_MV", "3000"),
    ("POWER_BATTERY_USABLE_PERMILLE", "900"),
    ("POWER_SELF_DISCHARGE_PERMILLE", "20"),
    ("POWER_LIFE_YEARS", "8"),
    ("POWER_DEVICE_UW", "50"),
    ("POWER_BURST_J", "200"),
    ("POWER_RESERVE_J", "150"),
    ("URGENT_BURST", "5"),
    ("URGENT_INTERVAL_S", "90"),
    ("T3412_S", "7776"),
    ("UPLINK_MAX", "600"),
    ("COAP_ACK_TIMEOUT_MS", "3000"),
    ("COAP_MAX_RETRANSMIT", "4"),
    ("JOURNAL_BYTES", "32768"),
    ("WAITERS", "9"),
];

/// Rows of the energy model in the order in which `cairn_told_power` tells them. None of these is its default.
const OTHER_MODEL: [(&str, u64); 34] = [
    ("ENERGY_CE0_WAKE_UJ", 80_001),
    ("ENERGY_CE0_SETUP_UJ", 140_001),
    ("ENERGY_CE0_BYTE_UJ", 271),
    ("ENERGY_CE0_ROUND_TRIP_UJ", 145_001),
    ("ENERGY_CE0_RELEASE_UJ", 30_001),
    ("ENERGY_CE0_TAU_UJ", 250_001),
    ("ENERGY_CE0_PAGING_UJ", 11_001),
    ("ENERGY_CE0_ATTACH_UJ", 10_000_001),
    ("ENERGY_CE0_USUAL_MS", 3_001),
    ("ENERGY_CE1_WAKE_UJ", 200_002),
    ("ENERGY_CE1_SETUP_UJ", 350_002),
    ("ENERGY_CE1_BYTE_UJ", 3_002),
    ("ENERGY_CE1_ROUND_TRIP_UJ", 300_002),
    ("ENERGY_CE1_RELEASE_UJ", 50_002),
    ("ENERGY_CE1_TAU_UJ", 600_002),
    ("ENERGY_CE1_PAGING_UJ", 20_002),
    ("ENERGY_CE1_ATTACH_UJ", 15_000_002),
    ("ENERGY_CE1_USUAL_MS", 6_002),
    ("ENERGY_CE2_WAKE_UJ", 800_003),
    ("ENERGY_CE2_SETUP_UJ", 1_500_003),
    ("ENERGY_CE2_BYTE_UJ", 12_003),
    ("ENERGY_CE2_ROUND_TRIP_UJ", 1_200_003),
    ("ENERGY_CE2_RELEASE_UJ", 200_003),
    ("ENERGY_CE2_TAU_UJ", 2_500_003),
    ("ENERGY_CE2_PAGING_UJ", 50_003),
    ("ENERGY_CE2_ATTACH_UJ", 40_000_003),
    ("ENERGY_CE2_USUAL_MS", 22_003),
    ("ENERGY_FLOOR_NW", 21_000),
    ("ENERGY_TAIL_UW", 57_007),
    ("ENERGY_TAIL_MS", 7),
    ("ENERGY_SIGNATURE_UJ", 3_007),
    ("ENERGY_FLASH_WRITE_UJ", 47),
    ("ENERGY_FLASH_ERASE_UJ", 2_507),
    ("ENERGY_UNKNOWN_LEVEL", 2),
];

struct Device {
    build: Build,
    program: PathBuf,
}

/// The libraries that two tests look at: made once.
fn default_and_others() -> &'static [Device; 2] {
    static BUILT: OnceLock<[Device; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let model = OTHER_MODEL.map(|(name, number)| (name, number.to_string()));
        let others = OTHERS.into_iter().chain(model.iter().map(|(name, number)| (*name, number.as_str())));
        [Device::new("options", &[]), Device::new("options-others", &others.collect::<Vec<_>>())]
    })
}

impl Device {
    fn new(name: &str, changes: &[(&str, &str)]) -> Self {
        let build = library_with(name, &[&CUSTOM[..], changes].concat(), "std,sabotage");
        let program = program(&build, "option_scenarios", &["option_scenarios", "pthread_port", "element_port"]);
        Self { build, program }
    }

    fn sees(&self, scenario: &str) -> BTreeMap<String, u64> {
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
        let blob = blob(&self.build.directory, "options.bin", &factory(Algorithm::Es256k, Some([0x11; 32])));
        let mut command = std::process::Command::new(&self.program);
        command.arg(scenario).arg(blob);
        let output = succeed(command.env("RELAY_PORT", relay.local_addr().unwrap().port().to_string()));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, n)| (name.into(), n.parse().unwrap()))
            .collect()
    }
}

#[test]
fn numbers_and_levels_reach_the_agent_in_its_own_units() {
    let [default, others] = default_and_others();
    let (default, others) = (default.sees("told"), others.sees("told"));
    let stored = Device::new("options-stored", &[("PRUNE_FINAL", "n"), ("PRUNE_STORED", "y")]).sees("told");
    let told = |names: [(&str, u64); 7]| names.map(|(name, number)| (name.to_owned(), number)).into();
    let without_storage = |mut seen: BTreeMap<String, u64>| {
        seen.remove("STORAGE");
        seen
    };
    let storage = |seen: &BTreeMap<String, u64>| seen["STORAGE"];
    // Fewer bytes of uplink and datagrams, more waiters and payload.
    assert_eq!(storage(&default), storage(&stored));
    assert!(storage(&others) < storage(&default) - 500, "{} {}", storage(&others), storage(&default));
    let expected: BTreeMap<_, _> = told([
        ("PAYLOAD_MAX", 64),
        ("CLOCK_STEP_MS", 2000),
        ("RELAY_STEP_MAX_S", 60_000),
        ("SENDER_SEQUENCE_BLOCK", 64),
        ("RETENTION_HOURS", 0),
        ("PRUNE", 3),
        ("UPLOAD_HASH_ONLY", 0),
    ]);
    assert_eq!(without_storage(default), expected);
    let expected: BTreeMap<_, _> = told([
        ("PAYLOAD_MAX", 100),
        ("CLOCK_STEP_MS", 5000),
        ("RELAY_STEP_MAX_S", 77_000),
        ("SENDER_SEQUENCE_BLOCK", 24),
        ("RETENTION_HOURS", 172_800_000),
        ("PRUNE", 2),
        ("UPLOAD_HASH_ONLY", 1),
    ]);
    assert_eq!(without_storage(others), expected);
    assert_eq!(stored["PRUNE"], 1);
}

#[test]
fn deadlines_battery_and_energy_model_reach_the_schedule_in_its_own_units() {
    let told = |device: &Device| {
        let seen = device.sees("power");
        (0..seen.len()).map(|at| seen[&at.to_string()]).collect::<Vec<_>>()
    };
    let [default, others] = default_and_others();
    let (default, others) = (told(default), told(others));
    // 8.5 Ah at 3.6 V, of which 800 - 10 * 10 thousandths are there, over ten years of 365.25 days, less 14.4 uW rounded up. A week of
    // that; the dearest exchange, which is 1344 bytes at CE2 four times, is more than three days of it.
    let dearest = 4 * (800_000 + 1_500_000 + 200_000 + 1_200_000 + 12_000 * (1024 + 320));
    assert_eq!(default[..9], [604_800_000, 86_400_000, 2_000, 229, 229 * 604_800, dearest, 3, 600_000, 0]);
    // 6 Ah at 3 V, of which 900 - 8 * 20 thousandths are there, over eight years: 189 uW, less 50 and 21.
    assert_eq!(others[..9], [7_200_000, 3_600_000, 9_000, 118, 200_000_000, 150_000_000, 5, 90_000, 7_776_000]);
    for (at, (name, number)) in (9..).zip(OTHER_MODEL) {
        assert_eq!(others[at], number, "{name}");
        assert_ne!(default[at], number, "{name}");
    }
    assert_eq!(others.len(), 9 + OTHER_MODEL.len());
}

#[test]
fn what_is_due_when_the_retransmissions_and_what_is_uploaded_are_the_configurations() {
    let [default, others] = default_and_others();
    let urgent = [default, others].map(|device| device.sees("urgent")["urgent_ms"]);
    // The scenario looks every tenth of a second.
    assert!((2_000..2_300).contains(&urgent[0]) && (9_000..9_300).contains(&urgent[1]), "{urgent:?}");
    let (default, others) = (default.sees("exchange"), others.sees("exchange"));
    // After a start, at a random time between an eighth and seven eighths of a day, and of an hour. The scenario looks every ten
    // seconds.
    assert!((10_800..75_620).contains(&default["first_upload_s"]), "{default:?}");
    assert!((450..3_170).contains(&others["first_upload_s"]), "{others:?}");
    // RFC 7252 section 4.2: between ACK_TIMEOUT and one and a half times that.
    assert!((9_750..=15_500).contains(&default["first_retransmission_ms"]), "{default:?}");
    assert!((2_750..=5_000).contains(&others["first_retransmission_ms"]), "{others:?}");
    assert_eq!((default["datagrams"], others["datagrams"]), (3, 5), "the first and the retransmissions");
    assert!(default["bytes"] > others["bytes"] + 30, "a batch key and records more: {default:?} {others:?}");
}

#[test]
fn the_longest_uplink_bounds_a_batch_the_flash_all_batches_and_urgent_records_displace_where_they_may() {
    let longer = [("UPLINK_MAX", "1408")];
    let shorter = [("UPLINK_MAX", "500")];
    let displacing = [
        // All is in one batch that is not sealed when the journal is full: sealed records give no way.
        ("PAYLOAD_MAX", "1"),
        ("UPLINK_MAX", "1408"),
        ("JOURNAL_BYTES", "10240"),
        // The port asserts whole words and units of these.
        ("FLASH_WRITE_SIZE", "32"),
        ("FLASH_ERASE_SIZE", "2048"),
        ("JOURNAL_FULL_REFUSE", "n"),
        ("JOURNAL_FULL_DISPLACE", "y"),
    ];
    let [longer, shorter, displacing] = [
        Device::new("options-longer", &longer).sees("flood"),
        Device::new("options-shorter", &shorter).sees("flood"),
        Device::new("options-displacing", &displacing).sees("flood"),
    ];
    assert!(longer["in_first_batch"] > 2 * shorter["in_first_batch"], "{longer:?} {shorter:?}");
    // A record takes 24 bytes and its payload at least, with words of 8 bytes.
    assert!(shorter["until_full"] * (24 + 64) > 16384, "{shorter:?}");
    assert!(displacing["until_full"] * 32 < 10240, "{displacing:?}");
    assert_eq!((shorter["urgent_refused"], shorter["displaced"]), (1, 0));
    assert!(displacing["urgent_refused"] == 0 && displacing["displaced"] > 0, "{displacing:?}");
}

#[test]
fn numbers_of_the_chip_reach_its_driver_and_the_modems_line_its_buffers() {
    let choices = [
        ("SIGNER_SOFTWARE", "n"),
        ("SIGNER_SE050", "y"),
        ("KEY_SECP256K1", "y"),
        ("KEY_P256", "n"),
        ("SE050_KEY_ID", "0x434b0002"),
        ("SE050_I2C_ADDRESS", "0x31"),
        ("SE050_I2C_KHZ", "123"),
        ("SE050_INFORMATION_BYTES", "100"),
        ("SE050_SCP03", "n"),
        ("SE050_POWER_GATE", "y"),
        ("SE050_POWER_UP_MS", "41"),
        ("SE050_POWER_OFF_MS", "17"),
        ("SE050_ATTEMPT_MS", "3001"),
        ("ROOT_SE050", "n"),
    ];
    let build = library_with("options-element", &choices, "std,sabotage");
    let of_element = program(&build, "option_scenarios", &["option_scenarios", "pthread_port", "element_port"]);
    let seen = Device { build, program: of_element }.sees("told");
    let expected = [
        ("key", 0x434b_0002),
        ("address", 0x31),
        ("khz", 123),
        ("information", 100),
        ("up", 41),
        ("off", 17),
        ("attempt", 3001),
    ];
    for (name, number) in expected {
        assert_eq!(seen[name], number, "{name}");
    }
    let storage = |name: &str, line: &str| {
        let build = library_with(name, &[("AT_LINE_MAX", line)], "std,sabotage");
        let program = program(&build, "option_scenarios", &["option_scenarios", "pthread_port", "element_port"]);
        Device { build, program }.sees("told")["STORAGE"]
    };
    // A line, and the datagrams that come in one as digits: two and a half bytes a byte.
    assert_eq!(storage("options-line", "1024") - storage("options-short-line", "512"), 1280);
}

#[test]
fn every_option_has_a_test_that_shows_its_effect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let known: Vec<_> =
        symbols::SYMBOLS.iter().map(|symbol| symbol.name).chain(symbols::OF_THE_GLUE.iter().copied()).collect();
    let rows: Vec<_> = option_effects::EFFECTS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    for name in &known {
        let count = rows.iter().filter(|row| row == &name).count();
        assert_eq!(count, 1, "rows of CONFIG_CAIRN_{name} in tests/option_effects: what shows what it does?");
    }
    assert_eq!(rows.iter().find(|name| !known.contains(name)), None, "a row without an option");
    for (names, tests) in option_effects::EFFECTS {
        assert!(!tests.is_empty(), "{names:?}");
        for (path, words) in *tests {
            let text = fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{names:?}: {path}: {e}"));
            assert!(text.contains(words), "{names:?}: {path} has no '{words}'");
        }
    }
}
