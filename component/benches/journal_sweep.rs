// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole power-cut sweep: every cut, and after each of them every second cut in the recovery. Hours; `cargo xtask bench --sweep`
//! runs it flash by flash. One row of a table on standard output, progress on standard error.

#[macro_use]
#[path = "../tests/journal_flash/mod.rs"]
mod journal_flash;

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use journal_flash::sweep::{RECOVERY, Seconds, Tried, sweep};

/// How often it says how far it is.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// One flash, and its sweep.
struct Geometry {
    write: usize,
    erase: usize,
    capacity: usize,
    run: Run,
}

/// A sweep with so many calls of a recovery, and who hears of its progress.
type Run = fn(u64, &mut dyn FnMut(&Tried)) -> Result<Tried, String>;

macro_rules! geometries {
    ($($name:ident: $write:literal, $erase:literal, $capacity:literal;)+) => {
        &[$(Geometry {
            write: $write,
            erase: $erase,
            capacity: $capacity,
            run: |calls, progress| {
                let seconds = Seconds::Every { calls, all_kinds: calls > 1 };
                sweep::<$write, $erase, $capacity>($write * 7 + $erase, seconds, progress)
            },
        }),+]
    };
}

const GEOMETRIES: &[Geometry] = every_geometry!(geometries);

/// `--list`, or the number of a flash and how many calls are a recovery. Cargo adds `--bench`.
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            for (number, geometry) in GEOMETRIES.iter().enumerate() {
                println!("{} {}", number + 1, geometry.name());
            }
            ExitCode::SUCCESS
        }
        [number, calls] => {
            let geometry = number.parse::<usize>().ok().and_then(|number| GEOMETRIES.get(number.checked_sub(1)?));
            match (geometry, calls.parse()) {
                (Some(geometry), Ok(calls @ 1..=RECOVERY)) => geometry.sweep(number, calls),
                (None, _) => refused("there is no flash of this number: --list names them"),
                _ => refused("a recovery is 1 to 4 calls"),
            }
        }
        _ => refused("--list, or the number of a flash and of calls"),
    }
}

fn refused(why: &str) -> ExitCode {
    eprintln!("journal_sweep: {why}");
    ExitCode::from(2)
}

impl Geometry {
    fn name(&self) -> String {
        let Self { write, erase, capacity, .. } = self;
        format!("words of {write}, erase units of {erase}, {capacity} bytes")
    }

    fn sweep(&self, number: &str, calls: u64) -> ExitCode {
        let begun = Instant::now();
        let mut said = begun;
        let mut progress = |tried: &Tried| {
            if said.elapsed() >= HEARTBEAT {
                said = Instant::now();
                let (sector, last) = tried.generation;
                let (cuts, seconds) = (tried.cuts, tried.second_cuts);
                eprintln!("      {number}: sector {sector} of {last}, {cuts} cuts, {seconds} second cuts");
            }
        };
        match (self.run)(calls, &mut progress) {
            Ok(tried) => {
                let Tried { operations, cuts, second_cuts, nonces, .. } = tried;
                let seconds = begun.elapsed().as_secs();
                println!(
                    "| {number} | {} | {operations} | {cuts} | {calls} | {second_cuts} | {nonces} | 0 | {seconds} s |",
                    self.name()
                );
                ExitCode::SUCCESS
            }
            Err(found) => {
                println!("| {number} | {} | FOUND: {found} |", self.name());
                ExitCode::FAILURE
            }
        }
    }
}
