// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Energy as C sees it: the model, the battery and the timers that an application sets while the device runs, what is refused, and
//! what the status tells of the budget (`c/energy_scenarios.c`).

use std::{net::UdpSocket, path::PathBuf, process::Command, sync::OnceLock};

use c_builds::{Build, blob, factory, library_with, program, succeed};
use cairn::signer::Algorithm;

mod c_builds;

/// Datagrams of the product instead of a modem.
const CUSTOM: [(&str, &str); 6] = [
    ("AT_MODEM", "n"),
    ("TRANSPORT_CUSTOM", "y"),
    ("MODEM_BC660K", ""),
    ("MODEM_BC66", ""),
    ("AT_LINE_MAX", ""),
    ("AT_RX_BYTES", ""),
];

struct Device {
    build: Build,
    program: PathBuf,
}

impl Device {
    fn new(name: &str, changes: &[(&str, &str)]) -> Self {
        let build = library_with(name, &[&CUSTOM[..], changes].concat(), "std");
        let program = program(&build, "energy_scenarios", &["energy_scenarios", "pthread_port", "element_port"]);
        Self { build, program }
    }

    fn default() -> &'static Self {
        static BUILT: OnceLock<Device> = OnceLock::new();
        BUILT.get_or_init(|| Self::new("energy", &[]))
    }

    /// The lines of a scenario: a name, and numbers.
    fn sees(&self, scenario: &str) -> Vec<(String, Vec<u64>)> {
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
        let blob =
            blob(&self.build.directory, &format!("{scenario}.bin"), &factory(Algorithm::Es256k, Some([0x11; 32])));
        let mut command = Command::new(&self.program);
        command.arg(scenario).arg(blob);
        let output = succeed(command.env("RELAY_PORT", relay.local_addr().unwrap().port().to_string()));
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |line: &str| {
            let mut words = line.split(' ');
            let name = words.next().unwrap().to_owned();
            (name, words.map(|number| number.parse().unwrap()).collect())
        };
        text.lines().map(line).collect()
    }
}

fn line(name: &str, numbers: &[u64]) -> (String, Vec<u64>) {
    (name.to_owned(), numbers.to_vec())
}

/// What the default configuration saves up: a week's energy at 229 uW, and the dearest exchange for what is urgent.
const BURST: u64 = 229 * 7 * 86_400;
const RESERVE: u64 = 4 * (800_000 + 1_500_000 + 200_000 + 1_200_000 + 12_000 * (1024 + 320));

#[test]
fn a_wrong_model_battery_or_timer_is_refused_each_with_its_error_and_changes_nothing() {
    assert_eq!(Device::default().sees("refused"), []);
}

#[test]
fn another_battery_changes_what_comes_in_and_gives_nothing() {
    let lines = Device::default().sees("battery");
    let [full, spent, smaller, later, larger, last] = &lines[..] else { panic!("{lines:?}") };
    // 8.5 Ah at 3.6 V, 700 thousandths over ten years, and a modem that draws nothing asleep: 244 uW.
    assert_eq!(full, &line("full", &[BURST, RESERVE, 0, 244, 0]));
    let refilled = |from: &(String, Vec<u64>), to: &(String, Vec<u64>), expected: u64| {
        assert_eq!((to.1[0] - from.1[0], to.1[1], to.1[2]), (expected, RESERVE, 0), "{lines:?}");
    };
    // Two minutes of the refill came back while the exchange failed.
    assert!(spent.1[0] >= BURST - 20_000_000 && spent.1[0] <= BURST - 20_000_000 + 244 * 240, "{lines:?}");
    // 2 Ah at 3 V, 800 thousandths over five years: 109 uW, less 10.
    assert_eq!((smaller.1[3], later.1[3]), (99, 99), "{lines:?}");
    refilled(spent, smaller, 0);
    refilled(smaller, later, 99 * 3_600);
    // 19 Ah at 3.6 V, 800 thousandths over ten years.
    assert_eq!((larger.1[3], last.1[3]), (624, 624), "{lines:?}");
    refilled(later, larger, 0);
    refilled(larger, last, 624 * 3_600);
    assert!(lines.iter().all(|(_, numbers)| numbers[4] == 0), "a new battery is no reason to save: {lines:?}");
}

#[test]
fn an_exchange_and_each_tracking_area_update_cost_what_the_application_says() {
    let lines = Device::default().sees("model");
    assert_eq!(lines[0], line("exchange", &[1_234_567]));
    let (_, updates) = &lines[1];
    // A day has 144 times ten minutes; exchanges that were tried again put some off, one in half an hour on the mean.
    assert!((50..144).contains(&updates[0]), "{lines:?}");
}

#[test]
fn what_cannot_be_paid_for_is_owed_the_status_says_so_and_the_radio_stays_off() {
    let lines = Device::default().sees("squeeze");
    let [(_, before), (_, after)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(before[4], 0, "{lines:?}");
    // 1000 J and a bucket of 138 J: the rest is owed, and the reserve is not touched.
    assert_eq!((after[0], after[4]), (0, 3), "{lines:?}");
    assert_eq!(after[1], before[1], "{lines:?}");
    assert!((861_000_000..863_000_000).contains(&after[2]), "{lines:?}");
}

#[test]
fn urgent_records_over_the_configured_limit_are_counted_and_told_after_the_configured_interval() {
    let rattled =
        |device: &Device| device.sees("rattle").into_iter().map(|(_, numbers)| numbers[0]).collect::<Vec<_>>();
    let default = rattled(Device::default());
    let others = rattled(&Device::new("energy-urgent", &[("URGENT_BURST", "5"), ("URGENT_INTERVAL_S", "90")]));
    assert_eq!((default[0], default[1]), (3, 7));
    assert_eq!((others[0], others[1]), (5, 5));
    // The scenario looks every second.
    assert!((595..=605).contains(&default[2]), "{default:?}");
    assert!((85..=95).contains(&others[2]), "{others:?}");
}
