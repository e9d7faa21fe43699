// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the configuration says of battery, radio and deadlines, as the schedule takes it: constants, no code that decides. Used when
//! the agent starts, and when [`crate::energy`] changed something of it.

use cairn::{
    power::{
        budget,
        cost::{CoverageLevel, Learned, LevelCosts, MicroJoules, Model},
        outlook::Sight,
        scheduler,
        urgent::BURST_MAX,
    },
    time::Millis,
};

/// First retry after a failed exchange, within twice this.
const RETRY_BASE: Millis = Millis::from_secs(30);
/// Longest pause between retries.
const RETRY_MAX: Millis = Millis::from_secs(3600);

/// What things cost.
pub(crate) const MODEL: Model = Model {
    levels: [
        LevelCosts {
            wake_uj: cairn_config::ENERGY_CE0_WAKE_UJ,
            setup_uj: cairn_config::ENERGY_CE0_SETUP_UJ,
            byte_uj: cairn_config::ENERGY_CE0_BYTE_UJ,
            round_trip_uj: cairn_config::ENERGY_CE0_ROUND_TRIP_UJ,
            release_uj: cairn_config::ENERGY_CE0_RELEASE_UJ,
            tau_uj: cairn_config::ENERGY_CE0_TAU_UJ,
            paging_cycle_uj: cairn_config::ENERGY_CE0_PAGING_UJ,
            attach_uj: cairn_config::ENERGY_CE0_ATTACH_UJ,
            usual_ms: cairn_config::ENERGY_CE0_USUAL_MS,
        },
        LevelCosts {
            wake_uj: cairn_config::ENERGY_CE1_WAKE_UJ,
            setup_uj: cairn_config::ENERGY_CE1_SETUP_UJ,
            byte_uj: cairn_config::ENERGY_CE1_BYTE_UJ,
            round_trip_uj: cairn_config::ENERGY_CE1_ROUND_TRIP_UJ,
            release_uj: cairn_config::ENERGY_CE1_RELEASE_UJ,
            tau_uj: cairn_config::ENERGY_CE1_TAU_UJ,
            paging_cycle_uj: cairn_config::ENERGY_CE1_PAGING_UJ,
            attach_uj: cairn_config::ENERGY_CE1_ATTACH_UJ,
            usual_ms: cairn_config::ENERGY_CE1_USUAL_MS,
        },
        LevelCosts {
            wake_uj: cairn_config::ENERGY_CE2_WAKE_UJ,
            setup_uj: cairn_config::ENERGY_CE2_SETUP_UJ,
            byte_uj: cairn_config::ENERGY_CE2_BYTE_UJ,
            round_trip_uj: cairn_config::ENERGY_CE2_ROUND_TRIP_UJ,
            release_uj: cairn_config::ENERGY_CE2_RELEASE_UJ,
            tau_uj: cairn_config::ENERGY_CE2_TAU_UJ,
            paging_cycle_uj: cairn_config::ENERGY_CE2_PAGING_UJ,
            attach_uj: cairn_config::ENERGY_CE2_ATTACH_UJ,
            usual_ms: cairn_config::ENERGY_CE2_USUAL_MS,
        },
    ],
    floor_nw: cairn_config::ENERGY_FLOOR_NW,
    tail_uw: cairn_config::ENERGY_TAIL_UW,
    tail_ms: cairn_config::ENERGY_TAIL_MS,
    signature_uj: cairn_config::ENERGY_SIGNATURE_UJ,
    flash_write_uj: cairn_config::ENERGY_FLASH_WRITE_UJ,
    flash_erase_uj: cairn_config::ENERGY_FLASH_ERASE_UJ,
    unknown: match cairn_config::ENERGY_UNKNOWN_LEVEL {
        0 => CoverageLevel::Ce0,
        1 => CoverageLevel::Ce1,
        _ => CoverageLevel::Ce2,
    },
};

/// The battery, without what the device draws beside the modem's sleep.
const BATTERY: Battery = Battery {
    capacity_mah: cairn_config::POWER_BATTERY_MAH,
    millivolts: cairn_config::POWER_BATTERY_MV,
    usable_permille: cairn_config::POWER_BATTERY_USABLE_PERMILLE,
    self_discharge_permille: cairn_config::POWER_SELF_DISCHARGE_PERMILLE,
    years: cairn_config::POWER_LIFE_YEARS,
    device_uw: cairn_config::POWER_DEVICE_UW,
};

/// What the application may change while the device runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Energy {
    pub(crate) model: Model,
    pub(crate) battery: Battery,
}

impl Energy {
    /// As the configuration has it.
    pub(crate) const CONFIGURED: Self = Self { model: MODEL, battery: BATTERY };

    /// What comes in; 0 when nothing is left for it.
    pub(crate) const fn refill_uw(&self) -> u32 {
        self.battery.refill_uw(&self.model)
    }

    /// What the budget is told. How much is saved up stays what it was: were it to grow, what is there would no longer be half of it,
    /// and the device would save where it has no reason to.
    pub(crate) const fn budget(&self) -> budget::Settings {
        budget::Settings { refill_uw: self.refill_uw(), ..BUDGET }
    }
}

/// A battery, how long it must last, and what draws on it beside Cairn and the modem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Battery {
    pub(crate) capacity_mah: u32,
    pub(crate) millivolts: u32,
    pub(crate) usable_permille: u32,
    pub(crate) self_discharge_permille: u32,
    pub(crate) years: u32,
    pub(crate) device_uw: u32,
}

impl Battery {
    /// What is left for the budget's refill beside the rest of the device and the modem's sleep, microwatts; 0 when nothing is.
    const fn refill_uw(&self, model: &Model) -> u32 {
        let supply = budget::Supply {
            capacity_mah: self.capacity_mah,
            millivolts: self.millivolts,
            usable_permille: self.usable_permille,
            self_discharge_permille: self.self_discharge_permille,
            years: self.years,
            floor_nw: self.device_uw.saturating_mul(1000).saturating_add(model.floor_nw),
        };
        supply.refill_uw()
    }
}

/// The energy that the configuration names; or else what so many days bring, and at least the dearest exchange.
const fn saved_up(joules: u32, days: u32, refill_uw: u32, dearest: MicroJoules) -> MicroJoules {
    if joules > 0 {
        return MicroJoules(joules as u64 * 1_000_000);
    }
    budget::brought(refill_uw, days, dearest)
}

/// What the buckets hold at least: [`Learned::dearest`].
#[allow(clippy::cast_possible_truncation, reason = "at most 1408")]
const DEAREST: MicroJoules = Learned::dearest(&MODEL, cairn_config::UPLINK_MAX as u32);

/// What the budget is told before the application says otherwise.
const BUDGET: budget::Settings = {
    let refill_uw = BATTERY.refill_uw(&MODEL);
    budget::Settings {
        refill_uw,
        burst: saved_up(cairn_config::POWER_BURST_J, budget::BURST_DAYS, refill_uw, DEAREST),
        reserve: saved_up(cairn_config::POWER_RESERVE_J, budget::RESERVE_DAYS, refill_uw, DEAREST),
        urgent_burst: cairn_config::URGENT_BURST,
        urgent_interval: Millis::from_secs(cairn_config::URGENT_INTERVAL_S),
    }
};

const _: () = assert!(
    cairn_config::URGENT_BURST <= BURST_MAX,
    "CONFIG_CAIRN_URGENT_BURST: the options let it go further than the limits count"
);
const _: () = assert!(
    BUDGET.refill_uw > 0,
    "CONFIG_CAIRN_POWER_*: this battery cannot even pay for what the device draws beside Cairn in the life that is wanted"
);
const _: () = assert!(
    BUDGET.burst.0 >= DEAREST.0 && BUDGET.reserve.0 >= DEAREST.0,
    "CONFIG_CAIRN_POWER_BURST_J, CONFIG_CAIRN_POWER_RESERVE_J: less than the dearest exchange of CONFIG_CAIRN_ENERGY_*; 0 chooses"
);

/// What the schedule is told.
pub(crate) const fn settings(seed: u64) -> scheduler::Settings {
    scheduler::Settings {
        patience: [
            Millis::from_secs(cairn_config::DEADLINE_BULK_S),
            Millis::from_secs(cairn_config::DEADLINE_ROUTINE_S),
            Millis::from_secs(cairn_config::DEADLINE_URGENT_S),
        ],
        retry_base: RETRY_BASE,
        retry_max: RETRY_MAX,
        seed,
        model: MODEL,
        budget: BUDGET,
        tau: match cairn_config::T3412_S {
            0 => None,
            seconds => Some(Millis::from_secs(seconds)),
        },
        // No link of this build tells its level before it is used.
        sight: Sight::Blind,
    }
}

/// Writes what the configuration tells the schedule: deadlines of bulk, routine and urgent in milliseconds, refill in microwatts,
/// burst and reserve in microjoules, urgent records at once, their interval and T3412 in milliseconds, and the energy model: nine
/// rows for each of three levels, then what has no level. For tests of options: never part of a device's build.
///
/// # Safety
/// `out` is valid for writing 43 numbers.
///
/// cbindgen:ignore
#[cfg(feature = "sabotage")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_told_power(out: *mut u64) {
    let scheduler::Settings { patience: [bulk, routine, urgent], budget, model, tau, .. } = settings(0);
    let schedule = [
        bulk.0,
        routine.0,
        urgent.0,
        u64::from(budget.refill_uw),
        budget.burst.0,
        budget.reserve.0,
        u64::from(budget.urgent_burst),
        budget.urgent_interval.0,
        tau.map_or(0, |tau| tau.0),
    ];
    let row = |row: &LevelCosts| {
        [
            row.wake_uj,
            row.setup_uj,
            row.byte_uj,
            row.round_trip_uj,
            row.release_uj,
            row.tau_uj,
            row.paging_cycle_uj,
            row.attach_uj,
            row.usual_ms,
        ]
    };
    let rest = [model.floor_nw, model.tail_uw, model.tail_ms, model.signature_uj, model.flash_write_uj];
    let rest = rest.into_iter().chain([model.flash_erase_uj, model.unknown as u32]);
    let model = model.levels.iter().flat_map(row).chain(rest).map(u64::from);
    for (index, number) in schedule.into_iter().chain(model).enumerate() {
        // SAFETY: 9, 27 and 7 numbers, and the caller vouches for as many.
        unsafe { out.add(index).write_unaligned(number) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_the_default_model() {
        assert_eq!(MODEL, Model::DEFAULT);
    }

    #[test]
    fn what_is_saved_up_is_what_is_named_or_days_of_refill_and_never_less_than_the_dearest_exchange() {
        let dearest = MicroJoules(79_000_000);
        assert_eq!(saved_up(100, 7, 250, dearest), MicroJoules(100_000_000));
        assert_eq!(saved_up(0, 7, 250, dearest), MicroJoules(250 * 7 * 86_400));
        assert_eq!(saved_up(0, 7, 57, dearest), dearest, "the cell of 3GPP TR 45.820");
    }

    #[test]
    fn the_rest_of_the_device_comes_out_of_what_the_battery_gives() {
        let all = BATTERY.refill_uw(&MODEL);
        let beside_it = Battery { device_uw: 100, ..BATTERY };
        assert_eq!(beside_it.refill_uw(&MODEL) + 100, all);
        assert_eq!(Battery { device_uw: 1000, ..BATTERY }.refill_uw(&MODEL), 0);
    }
}
