// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole way on virtual time: the real agent over the real CoAP and OSCORE client, a network that loses, delays and repeats
//! datagrams, a device that loses power, the real relay killed and started again, and a chain whose node fails and whose blocks
//! are reorganised. Whatever happens, every record ends up in exactly one batch, and every batch under exactly one posted root.

mod device;
mod simulation;

use simulation::{Conditions, Happened, Simulation};

/// Every combination of network and faults, with these seeds.
fn run_all(loss_percent: u64, device_restarts: bool, rotates: bool, seeds: std::ops::Range<u64>) -> Happened {
    let mut happened = Happened::default();
    for delay_ms in [(20, 200), (1000, 5000), (4000, 20_000)] {
        for faults in 0..8 {
            for seed in seeds.clone() {
                let [relay_restarts, node_restarts, reorgs] = [1, 2, 4].map(|bit| faults & bit != 0);
                let mut simulation = Simulation::new(Conditions {
                    loss_percent,
                    delay_ms,
                    device_restarts,
                    relay_restarts,
                    node_restarts,
                    reorgs,
                    rotates,
                    seed,
                });
                simulation.run();
                simulation.check();
                happened += simulation.happened;
            }
        }
    }
    happened
}

#[test]
fn every_record_is_in_exactly_one_anchored_batch_on_a_good_network() {
    let happened = run_all(0, false, false, 0..3);
    assert_eq!(happened.lost, 0);
    assert!(happened.relay_restarts > 200 && happened.node_outages > 200 && happened.reorgs > 200, "{happened:?}");
}

#[test]
fn every_record_is_in_exactly_one_anchored_batch_when_every_tenth_datagram_is_lost() {
    run_all(10, false, false, 3..6);
}

#[test]
fn every_record_is_in_exactly_one_anchored_batch_when_every_third_datagram_is_lost() {
    let happened = run_all(33, false, false, 6..9);
    assert!(happened.lost > 200 && happened.repeated > 20 && happened.failed_exchanges > 50, "{happened:?}");
}

#[test]
fn a_device_that_is_switched_off_and_on_again_loses_nothing_and_doubles_nothing() {
    for (loss_percent, seeds) in [(0, 0..2), (20, 2..4)] {
        let happened = run_all(loss_percent, true, false, seeds);
        assert!(happened.device_restarts > 500 && happened.exchanges > 200, "{happened:?}");
    }
}

#[test]
fn a_device_that_changes_its_key_in_the_middle_loses_nothing_and_is_followed() {
    for (loss_percent, device_restarts) in [(0, false), (33, false), (20, true)] {
        let happened = run_all(loss_percent, device_restarts, true, 9..10);
        assert_eq!(happened.restarts_in_rotation > 2, device_restarts, "{happened:?}");
        assert!(loss_percent == 0 || happened.lost > 50, "{happened:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let run = || {
        let mut simulation = Simulation::new(Conditions {
            loss_percent: 20,
            delay_ms: (1000, 5000),
            device_restarts: true,
            relay_restarts: true,
            node_restarts: true,
            reorgs: true,
            rotates: true,
            seed: 5,
        });
        simulation.run();
        (simulation.happened, simulation.now_ms())
    };
    assert_eq!(run(), run());
}
