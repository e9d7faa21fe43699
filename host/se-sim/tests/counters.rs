// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The chip's counters through the driver: raised, never lowered, kept without power, whatever goes wrong on the way.

mod rig;

use std::cell::RefCell;

use cairn::{
    ports::{Mark, Monotonic as _, MonotonicError},
    signer::{
        se050::{ChipCounters, ObjectId, Se050Error},
        software::Secp256k1,
    },
};
use cairn_se_sim::{Chip, Fault, Options};
use rig::{KEYS, Rig};

const FIRST: ObjectId = ObjectId(0x2000_0010);

fn quick() -> Options {
    Options { haste: 40, ..Options::default() }
}

#[test]
fn counters_rise_and_never_fall_and_outlive_power_and_program() {
    let rig = Rig::new(Options { keys: Some((KEYS, true)), ..quick() });
    let chip = RefCell::new(rig.signer::<Secp256k1>(|_| {}));
    let mut counters = ChipCounters::new(&chip, FIRST);
    for (mark, number) in Mark::ALL.into_iter().zip([7, u64::MAX, 1 << 40]) {
        assert_eq!(counters.read(mark), Ok(0));
        counters.raise(mark, 3).unwrap();
        counters.raise(mark, number).unwrap();
        counters.raise(mark, 2).unwrap();
        assert_eq!(counters.read(mark), Ok(number));
    }
    assert_eq!(
        rig.chip(|chip| [0, 1, 2].map(|at| chip.counter(FIRST.0 + at))),
        [Some(7), Some(u64::MAX), Some(1 << 40)]
    );
    let image = rig.chip(|chip| chip.image());
    let again = Chip::from_image(quick(), &image).unwrap();
    assert_eq!(again.counter(FIRST.0 + 2), Some(1 << 40));
    // A host without the platform keys neither reads nor raises them.
    let stranger = RefCell::new(rig.signer_with::<Secp256k1>(None, |_| {}));
    assert_eq!(stranger.borrow_mut().counter(FIRST), Err(Se050Error::Locked));
    assert_eq!(ChipCounters::new(&stranger, FIRST).raise(Mark::Batches, 9), Err(MonotonicError));
    assert_eq!(rig.chip(|chip| chip.counter(FIRST.0)), Some(7));
}

#[test]
fn a_counter_that_is_used_by_two_at_once_fails_and_does_not_panic() {
    let rig = Rig::new(quick());
    let chip = RefCell::new(rig.signer::<Secp256k1>(|_| {}));
    let borrowed = chip.borrow_mut();
    assert_eq!(ChipCounters::new(&chip, FIRST).read(Mark::Batches), Err(MonotonicError));
    assert_eq!(ChipCounters::new(&chip, FIRST).raise(Mark::Batches, 1), Err(MonotonicError));
    drop(borrowed);
}

/// A fault at each transfer of making a counter, and of raising it: afterwards it says the new value, and was never said to
/// have another.
#[test]
fn a_fault_at_any_transfer_of_a_raise_is_got_over() {
    for options in [quick(), Options { keys: Some((KEYS, true)), ..quick() }] {
        for before in [None, Some(5)] {
            let rig = Rig::new(options);
            if let Some(value) = before {
                rig.signer::<Secp256k1>(|_| {}).raise_counter(FIRST, value).unwrap();
            }
            let all = {
                let rig = rig.copy();
                let begun = rig.chip(|chip| chip.transfers());
                rig.signer::<Secp256k1>(|_| {}).raise_counter(FIRST, 6).unwrap();
                rig.chip(|chip| chip.transfers()) - begun
            };
            assert!(all > 10);
            for fault in
                Fault::BAD_DAY.iter().chain(&[Fault::StatusAfter(0x6f00), Fault::Status(0x6985), Fault::Latchup])
            {
                for transfer in 0..all {
                    let rig = rig.copy();
                    rig.chip(|chip| chip.arm(chip.transfers() + transfer, *fault));
                    let mut driver = rig.signer::<Secp256k1>(|_| {});
                    let what = format!("{fault} at transfer {transfer} of {all}, {before:?}, {options:?}");
                    assert_eq!(driver.raise_counter(FIRST, 6), Ok(()), "{what}");
                    assert_eq!(rig.chip(|chip| chip.counter(FIRST.0)), Some(6), "{what}");
                    assert_eq!(driver.counter(FIRST), Ok(6), "{what}");
                }
            }
        }
    }
}
