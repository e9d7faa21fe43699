// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an application may say of energy while the device runs: the functions of cairn.h for the energy model, the battery and
//! the network's timers. They check, and leave the rest to the agent's next step.

use cairn::{
    power::cost::{CoverageLevel, LevelCosts, Model, PsmTimers},
    time::Millis,
};

use crate::{
    api::{answered, not_in_isr, wish},
    instance::Shared,
    power::{self, Battery},
    result::cairn_result_t::{self, CAIRN_E_ARGUMENT, CAIRN_E_BATTERY, CAIRN_E_ENERGY_MODEL, CAIRN_E_NULL, CAIRN_OK},
};

/// Largest energy of a row, in microjoules; largest time, in milliseconds; largest power asleep and waiting. As in kconfig/.
const ENERGY_MAX_UJ: u32 = 1_000_000_000;
const TIME_MAX_MS: u32 = 600_000;
const FLOOR_MAX_NW: u32 = 1_000_000_000;
const TAIL_MAX_UW: u32 = 10_000_000;
/// The longest T3412 and T3324 of 3GPP TS 24.008: 31 times 320 hours, and 31 times 6 minutes.
const T3412_MAX_S: u32 = 35_712_000;
const T3324_MAX_S: u32 = 11_160;
/// A timer that the network did not grant, or that nobody knows.
pub const CAIRN_TIMER_UNKNOWN: u32 = u32::MAX;

/// What things cost at one coverage level of NB-IoT, on the battery's side: microjoules, but for the last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_level_costs_t {
    /// Waking the modem and finding the cell.
    pub wake_uj: u32,
    /// Random access and the set-up of a connection.
    pub setup_uj: u32,
    /// One byte on the wire, headers counted.
    pub byte_uj: u32,
    /// Waiting for one answer.
    pub round_trip_uj: u32,
    /// Giving the connection up.
    pub release_uj: u32,
    /// A tracking area update with nothing else.
    pub tau_uj: u32,
    /// Listening once in an eDRX cycle.
    pub paging_cycle_uj: u32,
    /// Attaching after power was off.
    pub attach_uj: u32,
    /// How long an exchange of one round trip takes that nothing delays, in milliseconds.
    pub usual_ms: u32,
}

/// What things cost. `cairn_energy_model_configured` gives the one of the configuration, to change a row of.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_energy_model_t {
    /// At the coverage levels 0, 1 and 2.
    pub levels: [cairn_level_costs_t; 3],
    /// What the modem draws asleep, in nanowatts.
    pub floor_nw: u32,
    /// What a connection draws that waits, in microwatts.
    pub tail_uw: u32,
    /// How long the network keeps a connection after the last byte, in milliseconds: 0 where release assistance works.
    pub tail_ms: u32,
    /// A signature, in microjoules.
    pub signature_uj: u32,
    /// A write to flash, in microjoules.
    pub flash_write_uj: u32,
    /// A sector of it erased, in microjoules.
    pub flash_erase_uj: u32,
    /// The coverage level to reckon with where none was reported: 0, 1 or 2.
    pub unknown_level: u8,
}

/// A battery, how long it must last, and what draws on it beside Cairn and the modem.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct cairn_battery_t {
    /// Nominal capacity, in milliampere hours: 1 to 10000000.
    pub capacity_mah: u32,
    /// Nominal voltage, in millivolts: 500 to 60000.
    pub millivolts: u32,
    /// Share of the capacity that can be used, in thousandths: 1 to 1000.
    pub usable_permille: u32,
    /// What it loses by itself in a year, in thousandths of its capacity: at most 1000.
    pub self_discharge_permille: u32,
    /// Years it must last from now on: 1 to 50.
    pub life_years: u32,
    /// What the rest of the device draws on the mean, in microwatts: at most 4000000.
    pub device_uw: u32,
}

impl cairn_level_costs_t {
    const fn of(row: &LevelCosts) -> Self {
        Self {
            wake_uj: row.wake_uj,
            setup_uj: row.setup_uj,
            byte_uj: row.byte_uj,
            round_trip_uj: row.round_trip_uj,
            release_uj: row.release_uj,
            tau_uj: row.tau_uj,
            paging_cycle_uj: row.paging_cycle_uj,
            attach_uj: row.attach_uj,
            usual_ms: row.usual_ms,
        }
    }

    const fn row(&self) -> LevelCosts {
        LevelCosts {
            wake_uj: self.wake_uj,
            setup_uj: self.setup_uj,
            byte_uj: self.byte_uj,
            round_trip_uj: self.round_trip_uj,
            release_uj: self.release_uj,
            tau_uj: self.tau_uj,
            paging_cycle_uj: self.paging_cycle_uj,
            attach_uj: self.attach_uj,
            usual_ms: self.usual_ms,
        }
    }

    /// Its rows, and the most that each may be.
    const fn bounded(&self) -> [(u32, u32); 9] {
        [
            (self.wake_uj, ENERGY_MAX_UJ),
            (self.setup_uj, ENERGY_MAX_UJ),
            (self.byte_uj, ENERGY_MAX_UJ),
            (self.round_trip_uj, ENERGY_MAX_UJ),
            (self.release_uj, ENERGY_MAX_UJ),
            (self.tau_uj, ENERGY_MAX_UJ),
            (self.paging_cycle_uj, ENERGY_MAX_UJ),
            (self.attach_uj, ENERGY_MAX_UJ),
            (self.usual_ms, TIME_MAX_MS),
        ]
    }
}

impl cairn_energy_model_t {
    fn of(model: &Model) -> Self {
        let [ce0, ce1, ce2] = &model.levels;
        Self {
            levels: [cairn_level_costs_t::of(ce0), cairn_level_costs_t::of(ce1), cairn_level_costs_t::of(ce2)],
            floor_nw: model.floor_nw,
            tail_uw: model.tail_uw,
            tail_ms: model.tail_ms,
            signature_uj: model.signature_uj,
            flash_write_uj: model.flash_write_uj,
            flash_erase_uj: model.flash_erase_uj,
            unknown_level: model.unknown as u8,
        }
    }

    /// # Errors
    /// `CAIRN_E_ARGUMENT` for a number out of its bounds, `CAIRN_E_ENERGY_MODEL` for a level that costs less than a better one.
    fn model(&self) -> Result<Model, cairn_result_t> {
        let unknown = match self.unknown_level {
            0 => CoverageLevel::Ce0,
            1 => CoverageLevel::Ce1,
            2 => CoverageLevel::Ce2,
            _ => return Err(CAIRN_E_ARGUMENT),
        };
        let rest = [
            (self.floor_nw, FLOOR_MAX_NW),
            (self.tail_uw, TAIL_MAX_UW),
            (self.tail_ms, TIME_MAX_MS),
            (self.signature_uj, ENERGY_MAX_UJ),
            (self.flash_write_uj, ENERGY_MAX_UJ),
            (self.flash_erase_uj, ENERGY_MAX_UJ),
        ];
        let [ce0, ce1, ce2] = &self.levels;
        let levels = [ce0, ce1, ce2].map(cairn_level_costs_t::bounded);
        if levels.iter().flatten().chain(&rest).any(|(number, most)| number > most) {
            return Err(CAIRN_E_ARGUMENT);
        }
        for (better, worse) in levels.iter().zip(levels.iter().skip(1)) {
            if better.iter().zip(worse).any(|(better, worse)| worse.0 < better.0) {
                return Err(CAIRN_E_ENERGY_MODEL);
            }
        }
        Ok(Model {
            levels: [ce0.row(), ce1.row(), ce2.row()],
            floor_nw: self.floor_nw,
            tail_uw: self.tail_uw,
            tail_ms: self.tail_ms,
            signature_uj: self.signature_uj,
            flash_write_uj: self.flash_write_uj,
            flash_erase_uj: self.flash_erase_uj,
            unknown,
        })
    }
}

impl cairn_battery_t {
    /// # Errors
    /// `CAIRN_E_ARGUMENT` for a number out of its bounds.
    fn battery(&self) -> Result<Battery, cairn_result_t> {
        let within = (1..=10_000_000).contains(&self.capacity_mah)
            && (500..=60_000).contains(&self.millivolts)
            && (1..=1000).contains(&self.usable_permille)
            && self.self_discharge_permille <= 1000
            && (1..=50).contains(&self.life_years)
            && self.device_uw <= 4_000_000;
        if !within {
            return Err(CAIRN_E_ARGUMENT);
        }
        Ok(Battery {
            capacity_mah: self.capacity_mah,
            millivolts: self.millivolts,
            usable_permille: self.usable_permille,
            self_discharge_permille: self.self_discharge_permille,
            years: self.life_years,
            device_uw: self.device_uw,
        })
    }
}

/// Gives the energy model of the configuration (menu *Energy model*), whatever is in force.
///
/// @param model Where it goes.
///
/// Blocks: never. Tasks: any, before cairn_init too. Interrupts: yes.
///
/// Errors: CAIRN_E_NULL.
///
/// # Safety
/// `model` is NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_energy_model_configured(model: *mut cairn_energy_model_t) -> cairn_result_t {
    if model.is_null() {
        return CAIRN_E_NULL;
    }
    // SAFETY: not NULL, and the caller vouches for it.
    unsafe { model.write(cairn_energy_model_t::of(&power::MODEL)) };
    CAIRN_OK
}

/// Has everything be charged and planned by another energy model from now on: one that was measured on this device. Not kept over
/// a reset: call it after each cairn_init, before the agent's task runs, so that the first exchange is paid for by it too.
///
/// @param model Copied. Energies at most 1000 J, times at most ten minutes, `floor_nw` at most 1 W, `tail_uw` at most 10 W.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: those of cairn_flush; CAIRN_E_NULL, CAIRN_E_ARGUMENT for a number out of its bounds, CAIRN_E_ENERGY_MODEL when a
/// coverage level costs less than a better one, CAIRN_E_BATTERY when the modem's sleep leaves nothing of the battery in force.
/// Nothing is changed then.
///
/// # Safety
/// `model` is NULL or valid for reading.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_set_energy_model(model: *const cairn_energy_model_t) -> cairn_result_t {
    // SAFETY: NULL or valid, the caller vouches for it.
    let model = unsafe { model.as_ref() }.ok_or(CAIRN_E_NULL).and_then(cairn_energy_model_t::model);
    answered(not_in_isr().and(model).and_then(|model| wish(|shared| retune(shared, |energy| energy.model = model))))
}

/// Tells that another battery was fitted, or that it must last another time: the energy budget's refill from now on. What was saved
/// up stays, and how much may be saved up is the build's: nothing is given for a new battery, so that nothing can be had by saying so
/// twice. Not kept over a reset: call it after each cairn_init, before the agent's task runs.
///
/// @param battery Copied; each field says its bounds.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: those of cairn_flush; CAIRN_E_NULL, CAIRN_E_ARGUMENT for a number out of its bounds, CAIRN_E_BATTERY when nothing is left
/// of it for Cairn beside the rest of the device and the modem's sleep. Nothing is changed then.
///
/// # Safety
/// `battery` is NULL or valid for reading.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_set_battery(battery: *const cairn_battery_t) -> cairn_result_t {
    // SAFETY: NULL or valid, the caller vouches for it.
    let battery = unsafe { battery.as_ref() }.ok_or(CAIRN_E_NULL).and_then(cairn_battery_t::battery);
    answered(not_in_isr().and(battery).and_then(|new| wish(|shared| retune(shared, |energy| energy.battery = new))))
}

/// Tells which timers of power saving mode the network granted, where the product's own modem driver knows them and Cairn's does not:
/// from T3412 follows when the next tracking area update is due, which an upload puts off.
///
/// @param t3324_s From the end of a connection to sleep, in seconds: at most 11160; CAIRN_TIMER_UNKNOWN.
/// @param t3412_s From a connection to the tracking area update after it, in seconds: 1 to 35712000; CAIRN_TIMER_UNKNOWN.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: those of cairn_flush; CAIRN_E_ARGUMENT. A timer that is unknown leaves what was known of it.
#[unsafe(no_mangle)]
pub extern "C" fn cairn_radio_timers(t3324_s: u32, t3412_s: u32) -> cairn_result_t {
    let known = |seconds, most| match seconds {
        CAIRN_TIMER_UNKNOWN => Ok(None),
        seconds if seconds <= most => Ok(Some(Millis::from_secs(seconds))),
        _ => Err(CAIRN_E_ARGUMENT),
    };
    answered((|| {
        not_in_isr()?;
        if t3412_s == 0 {
            return Err(CAIRN_E_ARGUMENT);
        }
        let timers = PsmTimers { active: known(t3324_s, T3324_MAX_S)?, periodic_update: known(t3412_s, T3412_MAX_S)? };
        wish(|shared| {
            let told = shared.wishes.timers.get_or_insert_default();
            told.active = timers.active.or(told.active);
            told.periodic_update = timers.periodic_update.or(told.periodic_update);
            Ok(())
        })
    })())
}

/// Changes what is known of energy, if anything is left of the battery then.
fn retune(shared: &mut Shared, change: impl FnOnce(&mut power::Energy)) -> Result<(), cairn_result_t> {
    let mut energy = shared.energy;
    change(&mut energy);
    if energy.refill_uw() == 0 {
        return Err(CAIRN_E_BATTERY);
    }
    (shared.energy, shared.wishes.retune) = (energy, true);
    Ok(())
}
