// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a scenario comes to for the device: the model it believes, its battery and its budget, chosen as component/capi/src/power.rs does
//! it. [`crate::compare`] tells the scheduler; nothing here reads a file.

use cairn::{
    power::{
        budget,
        cost::{Learned, Model},
    },
    time::Millis,
};

use crate::scenario::{Budget, Deadlines, Scenario, joules, millis, whole};

/// CONFIG_CAIRN_UPLINK_MAX.
pub(crate) const UPLINK_BYTES: u32 = 1024;

impl Scenario {
    /// What things cost in truth.
    #[must_use]
    pub fn truth(&self) -> Model {
        self.truth.over(Model::DEFAULT)
    }

    /// What the device believes that they cost.
    #[must_use]
    pub fn believed(&self) -> Model {
        self.believed.over(Model::DEFAULT)
    }

    /// The device's budget. Where the file does not say how much is saved up, what component/capi/src/power.rs chooses: so many days'
    /// refill, and at least the dearest exchange.
    #[must_use]
    pub fn budget(&self) -> budget::Settings {
        let Budget { burst_j, reserve_j, urgent_burst, urgent_minutes, .. } = self.budget;
        let refill_uw = self.budget.refill_uw.unwrap_or_else(|| self.supply().refill_uw());
        let dearest = Learned::dearest(&self.believed(), UPLINK_BYTES);
        let saved_up = |told: f64, days: u32| {
            if told > 0.0 { joules(told) } else { budget::brought(refill_uw, days, dearest) }
        };
        budget::Settings {
            refill_uw,
            burst: saved_up(burst_j, budget::BURST_DAYS),
            reserve: saved_up(reserve_j, budget::RESERVE_DAYS),
            urgent_burst,
            urgent_interval: millis(urgent_minutes * 60.0),
        }
    }

    /// The battery as the device is told of it: the usable part on the coldest day. Its floor has the product's draw in it, and what
    /// the product spends on urgent events.
    #[must_use]
    pub fn supply(&self) -> budget::Supply {
        let Self { battery, product, budget, .. } = self;
        let motor_uw = product.urgent_per_day * product.urgent_mj * 1000.0 / 86_400.0;
        budget::Supply {
            capacity_mah: whole(battery.mah),
            millivolts: whole(battery.volts * 1000.0),
            usable_permille: whole((battery.usable - battery.cold_derating) * 1000.0),
            self_discharge_permille: whole((battery.self_discharge_per_year * 1000.0).ceil()),
            years: budget.years,
            floor_nw: whole(f64::from(self.believed().floor_nw) + (product.draw_uw + motor_uw) * 1000.0),
        }
    }

    /// How long a record may wait: bulk, routine, urgent.
    #[must_use]
    pub fn patience(&self) -> [Millis; 3] {
        let Deadlines { bulk_hours, routine_hours, urgent_s } = self.deadlines;
        [millis(bulk_hours * 3600.0), millis(routine_hours * 3600.0), millis(urgent_s)]
    }
}
