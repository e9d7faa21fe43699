// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One life of a device over a mock flash, with power cut at every operation of it. Used by the sweep and by the test that the
//! sweep finds mistakes.

use cairn::journal::FlashJournal;

use super::{
    CUTS, Cut, Dice, MockFlash,
    device::{Device, STREAM},
};

/// Turns of the ring in a life.
const TURNS: u32 = 3;

/// Steps after a cut until everything is compared again.
const AFTERMATH: u64 = 12;

/// Set, every second cut is tried instead of one for each first: hours.
const WHOLE: &str = "CAIRN_SWEEP_WHOLE";

/// How much was tried.
#[derive(Debug, Default)]
pub struct Tried {
    /// Flash operations of the life.
    pub operations: u64,
    /// Cuts in it.
    pub cuts: u64,
    /// Cuts in the recovery from a cut.
    pub second_cuts: u64,
    /// Nonces signed for in the life.
    pub nonces: usize,
}

type Log<'a, const W: usize, const E: usize, const CAPACITY: usize> =
    FlashJournal<&'a mut MockFlash<W, E, CAPACITY>, CAPACITY, 64>;

/// Mounts, compares, goes on for some steps, mounts and compares again. Power goes away at `cut` if it comes to that.
fn recover<const W: usize, const E: usize, const CAPACITY: usize>(
    flash: &mut MockFlash<W, E, CAPACITY>,
    device: &mut Device,
    cut: Option<(u64, Cut)>,
) -> Result<(), String> {
    flash.power_on();
    if let Some((at, kind)) = cut {
        flash.cut_at(at, kind);
    }
    for round in 0..2 {
        let mut journal = Log::<W, E, CAPACITY>::mount(flash).map_err(|error| format!("round {round}: {error:?}"))?;
        device.mounted(&mut journal).map_err(|error| format!("round {round}: {error}"))?;
        for _ in 0..AFTERMATH {
            if device.step(&mut journal)?.is_err() {
                break;
            }
        }
        if flash.dead {
            flash.power_on();
        }
    }
    let mut journal = Log::<W, E, CAPACITY>::mount(flash).map_err(|error| format!("at last: {error:?}"))?;
    device.mounted(&mut journal).map_err(|error| format!("at last: {error}"))
}

/// One life without cuts; at each of its steps, every cut in that step.
pub fn sweep<const W: usize, const E: usize, const CAPACITY: usize>(seed: u64) -> Result<Tried, String> {
    let mut tried = Tried::default();
    let mut flash = MockFlash::<W, E, CAPACITY>::new(seed);
    Log::<W, E, CAPACITY>::format(&mut &mut flash, STREAM).map_err(|error| format!("{error:?}"))?;
    let mut device = Device::new(seed);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let turn = Log::<W, E, CAPACITY>::GEOMETRY.sectors;
    let begun = flash.operations;
    let whole = std::env::var_os(WHOLE).is_some();
    loop {
        let (flash_before, device_before) = (flash.clone(), device.clone());
        let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).map_err(|error| format!("{error:?}"))?;
        if journal.generation() > TURNS * turn {
            break;
        }
        let result = device.step(&mut journal)?;
        result.map_err(|error| format!("a life without cuts: {error:?}"))?;
        let operations = flash.operations - flash_before.operations;
        for at in 0..operations {
            for kind in CUTS {
                let (mut flash, mut device) = (flash_before.clone(), device_before.clone());
                flash.cut_at(at, kind);
                let mut journal = Log::<W, E, CAPACITY>::mount(&mut flash).map_err(|error| format!("{error:?}"))?;
                let outcome = device.step(&mut journal)?;
                assert!(flash.dead, "the cut came");
                let which = |error: String| format!("cut {kind:?} at {at} of {operations} ({outcome:?}): {error}");
                tried.cuts += 1;
                let (flash_cut, device_cut, cut_operations) = (flash.clone(), device.clone(), flash.operations);
                recover(&mut flash, &mut device, None).map_err(which)?;
                let recovery = flash.operations - cut_operations;
                let one = (dice.below(recovery.max(1)), CUTS[dice.below(3) as usize]);
                let all = (0..recovery).flat_map(|at| CUTS.map(|kind| (at, kind)));
                for (at, second) in all.filter(|cut| whole || *cut == one) {
                    let (mut flash, mut device) = (flash_cut.clone(), device_cut.clone());
                    recover(&mut flash, &mut device, Some((at, second)))
                        .map_err(|error| which(format!("then {second:?} at {at} of {recovery}: {error}")))?;
                    tried.second_cuts += 1;
                }
            }
        }
    }
    (tried.operations, tried.nonces) = (flash.operations - begun, device.spent.len());
    Ok(tried)
}
