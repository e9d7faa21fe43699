// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The limits of urgent records by themselves; what the agent makes of them, tests/agent_power.rs and agent_hostile.rs say.

use super::*;

const MINUTE: Millis = Millis::from_secs(60);
const TIME: WallTime = WallTime { unix_ms: 1_768_345_200_999, quality: crate::time::TimeQuality::Network };

fn limits() -> Urgent {
    Urgent::new(3, Millis::from_secs(600))
}

fn tell(urgent: &mut Urgent) -> Option<Counted> {
    let counted = urgent.due()?;
    urgent.begin_to_tell(SequenceNumber(7));
    urgent.told();
    Some(counted)
}

#[test]
fn a_rattled_lock_makes_a_bounded_number_of_records_and_none_goes_uncounted() {
    let (mut urgent, mut records, mut told, mut came) = (limits(), 0_u32, 0_u32, 0_u32);
    for _ in 0..24 * 60 {
        for _ in 0..20 {
            came += 1;
            if urgent.admit(Kind(64), TIME) == Admission::Alone {
                (records, told) = (records + 1, told + 1);
            }
        }
        urgent.pass(MINUTE);
        while let Some(counted) = tell(&mut urgent) {
            assert_eq!(counted.kind, Some(Kind(64)));
            (records, told) = (records + 1, told + u32::from(counted.count));
        }
    }
    assert!(records <= 3 + 24 * 6 + 1, "{records}");
    urgent.pass(Millis::from_secs(3600));
    told += tell(&mut urgent).map_or(0, |counted| u32::from(counted.count));
    assert_eq!(told, came, "each is in a record of its own or in a count");
}

#[test]
fn one_kind_that_is_rattled_never_keeps_the_first_alarm_of_another_back() {
    let mut urgent = limits();
    for minute in 0..10_000_u16 {
        for _ in 0..5 {
            urgent.admit(Kind(64), TIME);
        }
        // Three others, each at times.
        for kind in 65..68 {
            if (minute + kind) % 60 == 0 {
                assert_eq!(urgent.admit(Kind(kind), TIME), Admission::Alone, "kind {kind} in minute {minute}");
            }
        }
        tell(&mut urgent);
        urgent.pass(MINUTE);
    }
}

#[test]
fn more_kinds_than_there_are_places_share_the_last_and_their_count_names_none() {
    let mut urgent = limits();
    let alone = (66..200).filter(|kind| urgent.admit(Kind(*kind), TIME) == Admission::Alone).count();
    assert!((5..=8).contains(&alone), "{alone}");
    assert_eq!(urgent.due(), None, "the last place has used its share");
    urgent.pass(Millis::from_secs(600));
    let counted = tell(&mut urgent).expect("it is time");
    assert_eq!((counted.kind, usize::from(counted.count)), (None, 134 - alone));
    assert_eq!(counted.since_s, 1_768_345_200);
    urgent.pass(Millis::from_secs(24 * 3600));
    for kind in 300..305 {
        assert_eq!(urgent.admit(Kind(kind), TIME), Admission::Alone);
    }
    assert!(urgent.places.iter().all(|place| !place.shared), "a place that was free is one kind's again");
}

#[test]
fn a_reset_gives_no_share_back_and_forgets_no_count() {
    let mut urgent = limits();
    for kind in [64, 64, 64, 64, 64, 65, 66, 67, 68, 69, 70, 71] {
        urgent.admit(Kind(kind), TIME);
    }
    let mut after = limits();
    after.take_up(&mut urgent.state().into_iter());
    urgent.was_kept();
    assert_eq!(after, urgent);
    assert_eq!(after.admit(Kind(64), TIME), Admission::Counted);
    assert_eq!(after.wait(), Some(Millis::from_secs(600)));
}

#[test]
fn a_count_that_was_begun_to_be_told_before_a_reset_is_known_by_its_record() {
    let mut urgent = limits();
    for _ in 0..5 {
        urgent.admit(Kind(64), TIME);
    }
    urgent.pass(Millis::from_secs(600));
    let counted = urgent.due().expect("it is time");
    let seq = SequenceNumber(0x1_ffff_fffe);
    urgent.begin_to_tell(seq);
    let mut after = limits();
    after.take_up(&mut urgent.state().into_iter());
    assert_eq!(after.may_have_told(SequenceNumber(seq.0 + 9)), Some(seq));
    assert_eq!(after.may_have_told(seq), Some(seq));
    assert_eq!(after.due(), Some(counted));
    let mut not_told = after.clone();
    not_told.not_told();
    assert_eq!((not_told.due(), not_told.may_have_told(seq)), (Some(counted), None));
    after.told();
    assert_eq!((after.due(), after.may_have_told(seq)), (None, None));
}

#[test]
fn a_count_never_overflows_and_what_was_taken_back_is_not_in_it() {
    let mut urgent = limits();
    for _ in 0..3 + 65_535 {
        assert_ne!(urgent.admit(Kind(64), TIME), Admission::Uncountable);
    }
    assert_eq!(urgent.admit(Kind(64), TIME), Admission::Uncountable);
    urgent.take_back(Kind(64));
    urgent.pass(Millis::from_secs(600));
    assert_eq!(urgent.due().map(|counted| counted.count), Some(65_534));
}

#[test]
fn other_limits_hold_at_once_and_give_nothing_back() {
    let mut urgent = limits();
    for _ in 0..4 {
        urgent.admit(Kind(64), TIME);
    }
    urgent.set_limits(1, MINUTE);
    urgent.pass(MINUTE);
    assert_eq!(urgent.due(), None, "two are still to be made up for");
    urgent.pass(Millis::from_secs(120));
    assert_eq!(urgent.due().map(|counted| counted.count), Some(1));
    urgent.set_limits(u8::MAX, Millis(0));
    assert_eq!((urgent.burst, urgent.interval), (BURST_MAX, Millis(1)));
}
