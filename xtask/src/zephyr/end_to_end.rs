// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The samples on Zephyr against a relay and a chain, from the reading to the verified evidence.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{
    sample::{self, Build},
    workspace::{NO_WORKSPACE, workspace},
};
use crate::{
    demo::{
        self, build_cairn,
        scenario::{STACK_LIMIT_BYTES, say},
        service::{Service, wait_until},
        world::World,
    },
    e2e::FAST,
    process::Log,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// A reading of the Zephyr meter on qemu_cortex_m3, anchored and verified.
pub(crate) const END_TO_END: Stage = Stage {
    name: "e2e-zephyr",
    about: "the Zephyr meter in QEMU over its own IP stack, anchored and verified",
    needs: demo::NEEDS,
    body: end_to_end,
};

/// Where the sample's overlay puts the factory image.
const FACTORY_ADDRESS: &str = "0x3fc00";
/// The host, as QEMU's user network has it.
const HOST: &str = "10.0.2.2";
/// Two batches a minute apart, and a busy machine.
const NIGHT: Duration = Duration::from_secs(300);
const BATCHES: u64 = 2;
/// Readings to verify, from the first on.
const READINGS: usize = 40;
const CONSOLE: &str = "meter.console.log";

fn end_to_end(context: &Context, log: &mut Log) -> Result<Outcome> {
    let Some(base) = workspace() else {
        return Ok(Outcome::Skipped(NO_WORKSPACE.to_owned()));
    };
    let cairn = build_cairn(&context.project, log)?;
    let build = Build {
        board: "qemu_cortex_m3",
        directory: "samples/zephyr-meter",
        configuration: "fast.conf;stack.conf",
        toolchain: "gnuarmemb",
    };
    let image = build.run(context, log, &base)?.join("zephyr.elf");
    let folder = context.project.target().join("e2e-zephyr");
    let mut world = World::create(&context.project, &folder, &cairn, &FAST)?;
    world.is_reached_at(HOST);
    let born = world.provision("meter")?;
    world.start_relay()?;

    say("the Zephyr meter reads, and sends over its own IP stack");
    let mut meter = boot(&folder, &image, &born.factory)?;
    for batch in 0..BATCHES {
        meter.wait_for(&format!("batch {batch} stored"), NIGHT)?;
    }
    world.wait_final(BATCHES)?;
    let console = folder.join(CONSOLE);
    let stack = stack_taken(meter, &console, NIGHT)?;
    let readings = sample::readings(&console)?;
    sample::verify(&world, readings.get(..READINGS).context("too few readings")?, &born, READINGS)?;
    passed(format!("{BATCHES} batches over Zephyr's sockets, {stack} bytes of stack"))
}

/// The most stack that the agent's thread took, once everything that it does was done: what the thread analyzer says next. The device
/// is switched off.
pub(super) fn stack_taken(mut device: Service, console: &Path, limit: Duration) -> Result<u64> {
    let looked = stacks(console)?.len();
    wait_until("the thread analyzer looks again", limit, || {
        device.check_alive()?;
        Ok(stacks(console)?.len() > looked)
    })?;
    drop(device);
    stack_holds(stacks(console)?.last().copied().context("no line of the thread analyzer")?)
}

/// What the thread analyzer said of the agent's thread, each time: bytes used, bytes there.
fn stacks(console: &Path) -> Result<Vec<(u64, u64)>> {
    let said = fs::read_to_string(console).with_context(|| console.display().to_string())?;
    Ok(said.lines().filter_map(stack).collect())
}

/// ` cairn               : STACK: unused 2376 usage 4792 / 7168 (66 %); CPU: 3 %`
fn stack(line: &str) -> Option<(u64, u64)> {
    let (name, rest) = line.split_once(": STACK: ")?;
    // The console may have put a line's end to something else before it.
    name.trim_end().ends_with("cairn").then_some(())?;
    let (used, rest) = rest.split_once("usage ")?.1.split_once(" / ")?;
    Some((used.parse().ok()?, rest.split_once(' ')?.0.parse().ok()?))
}

/// The agent's thread used some of its stack, no more than is promised, and a quarter of that is there besides.
fn stack_holds((used, there): (u64, u64)) -> Result<u64> {
    ensure!(used > 0 && used < there, "{used} of {there} bytes of stack used: it overflowed, or nothing ran");
    ensure!(used <= STACK_LIMIT_BYTES, "the agent's thread used {used} bytes of stack, limit {STACK_LIMIT_BYTES}");
    ensure!(there * 4 >= used * 5, "{there} bytes of stack are less than a quarter more than the {used} used");
    Ok(used)
}

fn boot(folder: &Path, image: &Path, factory: &Path) -> Result<Service> {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(folder).args(["-M", "lm3s6965evb", "-cpu", "cortex-m3", "-display", "none", "-monitor", "none"]);
    qemu.args(["-nic", "user,model=stellaris", "-serial", "stdio", "-kernel"]).arg(image);
    qemu.arg("-device").arg(format!("loader,file={},addr={FACTORY_ADDRESS},force-raw=on", factory.display()));
    Service::start("QEMU", &qemu, &folder.join(CONSOLE))
}

#[cfg(test)]
mod tests {
    use super::{stack, stack_holds};

    #[test]
    fn the_analyzers_line_of_the_agent_is_read_and_no_other() {
        assert_eq!(
            stack(" cairn               : STACK: unused 2376 usage 4792 / 7168 (66 %); CPU: 3 %"),
            Some((4792, 7168))
        );
        assert_eq!(stack(" main                : STACK: unused 1000 usage 1048 / 2048 (51 %); CPU: 0 %"), None);
        assert_eq!(stack(" cairn               : STACK: unused 2376 usage 47"), None);
    }

    #[test]
    fn a_stack_without_a_quarter_over_is_refused() {
        assert!(stack_holds((4792, 7168)).is_ok());
        for refused in [(0, 7168), (6145, 10_000), (7168, 7168), (5735, 7168)] {
            assert!(stack_holds(refused).is_err(), "{refused:?}");
        }
    }
}
