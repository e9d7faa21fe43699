// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every fault the simulator knows, at every transfer of every operation: the driver gives a true answer or a typed
//! error, within the time it promises, and harms nothing. What happens once does not keep it from the true answer.

mod rig;

use cairn::signer::{
    PublicKey, Signature, Signer as _, SignerError,
    se050::{NXP_ATTESTATION_KEY, Se050Error, Settings},
    software::Secp256k1,
};
use cairn_se_sim::{Fault, Options};
use rig::{Driver, KEY, KEYS, Rig, accepts, digest};

const MESSAGE: &[u8] = b"a batch";

/// What happens once and is got over.
const PASSING: [Fault; 39] = [
    Fault::Nack,
    Fault::GhostNack,
    Fault::Flip(0),
    Fault::Flip(1),
    Fault::Flip(2),
    Fault::Flip(3),
    Fault::Flip(7),
    Fault::Flip(-1),
    Fault::Flip(-2),
    Fault::Flip(-3),
    Fault::Deaf,
    Fault::Ones,
    Fault::Torn,
    Fault::Ready(0),
    Fault::Ready(1),
    Fault::Ready(2),
    Fault::Ready(3),
    Fault::WrongReady(0),
    Fault::WrongReady(1),
    Fault::WrongReady(2),
    Fault::WrongSequence,
    Fault::Late(300),
    Fault::Late(1_500),
    Fault::Late(60_000),
    Fault::WaitingForever,
    Fault::Resize(16),
    Fault::Abort,
    Fault::Status(0x6985),
    Fault::Status(0x6a82),
    Fault::Status(0x6f00),
    Fault::Status(0x6982),
    Fault::Status(0x6986),
    Fault::Status(0x9000),
    Fault::StatusAfter(0x6985),
    Fault::StatusAfter(0x6f00),
    Fault::StatusAfter(0x9000),
    Fault::PowerLoss,
    Fault::Hang,
    Fault::Latchup,
];

/// Chips as boards have them: quick, so that few of the transfers are looks whether it is ready.
fn chips() -> [Options; 4] {
    let quick = Options { haste: 40, ..Options::default() };
    [
        quick,
        Options { keys: Some((KEYS, true)), ..quick },
        Options { information_bytes: 24, ..quick },
        Options { patience_ms: 1, haste: 15, keys: Some((KEYS, true)), information_bytes: 50, ..quick },
    ]
}

/// The first two of them, all with `CAIRN_LONG=1` (`cargo xtask test --long`).
fn some_chips() -> impl Iterator<Item = Options> {
    let all = std::env::var_os("CAIRN_LONG").is_some();
    chips().into_iter().take(if all { 4 } else { 2 })
}

/// Runs `operation` on a copy of `rig`; its result and how long it took, in virtual microseconds.
fn timed<T>(
    rig: &Rig,
    driver: &mut Driver<Secp256k1>,
    operation: impl FnOnce(&mut Driver<Secp256k1>) -> T,
) -> (T, u64) {
    let before = rig.chip(|chip| chip.now_us());
    let result = operation(driver);
    (result, rig.chip(|chip| chip.now_us()) - before)
}

/// Transfers of `operation` when nothing goes wrong.
fn transfers(
    rig: &Rig,
    ready: impl Fn(&Rig) -> Driver<Secp256k1>,
    operation: impl FnOnce(&mut Driver<Secp256k1>),
) -> u64 {
    let rig = rig.copy();
    let mut driver = ready(&rig);
    let before = rig.chip(|chip| chip.transfers());
    operation(&mut driver);
    rig.chip(|chip| chip.transfers()) - before
}

/// A board with a key, and the key.
fn provisioned(options: Options) -> (Rig, PublicKey) {
    let rig = Rig::new(options);
    let (key, _) = rig.signer::<Secp256k1>(|_| {}).provision().unwrap();
    (rig, key)
}

/// A driver that has read the public key.
fn warm(rig: &Rig) -> Driver<Secp256k1> {
    let mut driver = rig.signer::<Secp256k1>(|_| {});
    driver.public_key().unwrap();
    driver
}

fn bound_us() -> u64 {
    u64::from(Settings::new(KEY).bound_ms()) * 1_000
}

fn sign(driver: &mut Driver<Secp256k1>) -> Result<Signature, SignerError> {
    driver.sign(&digest(MESSAGE))
}

#[test]
fn a_fault_at_any_transfer_of_a_signature_is_got_over_and_harms_no_key() {
    for options in chips() {
        let (rig, key) = provisioned(options);
        let unharmed = rig.chip(|chip| chip.fingerprint());
        let all = transfers(&rig, warm, |driver| assert!(sign(driver).is_ok()));
        assert!(all > 10);
        for fault in PASSING {
            for transfer in 0..all {
                let rig = rig.copy();
                let mut driver = warm(&rig);
                rig.chip(|chip| chip.arm(chip.transfers() + transfer, fault));
                let (result, took_us) = timed(&rig, &mut driver, sign);
                let what = format!("{fault:?} at transfer {transfer} of {all}, {options:?}: {result:?}");
                assert!(took_us <= bound_us(), "{took_us} us: {what}");
                assert!(accepts(&key, MESSAGE, &result.expect(&what)), "{what}");
                assert_eq!(rig.chip(|chip| chip.fingerprint()), unharmed, "{what}");
            }
        }
    }
}

#[test]
fn a_board_that_cannot_cut_the_power_gets_over_all_but_a_latch_up() {
    for options in some_chips() {
        let (rig, key) = provisioned(options);
        rig.chip(|chip| chip.power(true));
        let all = transfers(&rig, warm, |driver| assert!(sign(driver).is_ok()));
        for fault in PASSING.into_iter().filter(|fault| *fault != Fault::Latchup) {
            for transfer in 0..all {
                let rig = rig.copy();
                let mut driver = rig.unswitched::<Secp256k1>();
                driver.public_key().unwrap();
                rig.chip(|chip| chip.arm(chip.transfers() + transfer, fault));
                let before = rig.chip(|chip| chip.now_us());
                let result = driver.sign(&digest(MESSAGE));
                let what = format!("{fault:?} at transfer {transfer} of {all}, {options:?}: {result:?}");
                assert!(rig.chip(|chip| chip.now_us()) - before <= bound_us(), "{what}");
                assert!(accepts(&key, MESSAGE, &result.expect(&what)), "{what}");
            }
        }
    }
}

#[test]
fn after_a_fault_the_next_signature_is_as_quick_as_ever() {
    let (rig, key) = provisioned(chips()[1]);
    let (_, usual_us) = timed(&rig, &mut warm(&rig), sign);
    for fault in
        [Fault::Deaf, Fault::Late(60_000), Fault::Abort, Fault::PowerLoss, Fault::Latchup, Fault::Status(0x6982)]
    {
        for transfer in [0, 4, 9] {
            let rig = rig.copy();
            let mut driver = warm(&rig);
            rig.chip(|chip| chip.arm(chip.transfers() + transfer, fault));
            sign(&mut driver).unwrap();
            let (result, took_us) = timed(&rig, &mut driver, sign);
            assert!(accepts(&key, MESSAGE, &result.unwrap()));
            assert!(took_us <= usual_us + 5_000, "{fault:?}: {took_us} us, usually {usual_us}");
        }
    }
}

#[test]
fn a_signature_that_is_not_the_keys_over_the_digest_never_leaves() {
    for options in chips() {
        let (rig, _) = provisioned(options);
        let all = transfers(&rig, warm, |driver| assert!(sign(driver).is_ok()));
        let mut seen = 0;
        for transfer in 0..all {
            let rig = rig.copy();
            let mut driver = warm(&rig);
            rig.chip(|chip| chip.arm(chip.transfers() + transfer, Fault::FalseSignature));
            match sign(&mut driver) {
                Err(SignerError::FaultDetected) => seen += 1,
                // Armed after the signature was made.
                Ok(_) => assert!(rig.chip(|chip| chip.signatures()) == 1),
                other => panic!("{other:?}"),
            }
        }
        assert!(seen >= 4, "{seen} of {all}");
    }
}

#[test]
fn a_dead_chip_is_gone_and_one_that_dies_in_mid_command_too_within_the_bound() {
    for options in chips() {
        let (rig, _) = provisioned(options);
        let all = transfers(&rig, warm, |driver| assert!(sign(driver).is_ok()));
        for transfer in 0..all {
            let rig = rig.copy();
            let mut driver = warm(&rig);
            rig.chip(|chip| chip.arm(chip.transfers() + transfer, Fault::Death));
            let (result, took_us) = timed(&rig, &mut driver, sign);
            assert!(took_us <= bound_us(), "{took_us} us at transfer {transfer}");
            // The answer may have been there before.
            assert!(
                result.is_ok() == (rig.chip(|chip| chip.signatures()) == 1 && transfer + 3 >= all) || result.is_err()
            );
            assert!(result.is_ok() || result == Err(SignerError::Gone), "{result:?} at transfer {transfer}");
            let (result, took_us) = timed(&rig, &mut driver, sign);
            assert_eq!(result, Err(SignerError::Gone));
            assert!(took_us < 1_000_000, "a dead chip is not waited for: {took_us} us");
        }
    }
}

#[test]
fn a_fault_that_stays_is_a_typed_error_within_the_bound() {
    let stays = |fault: Fault, options: Options| {
        let (rig, _) = provisioned(options);
        let unharmed = rig.chip(|chip| chip.fingerprint());
        let mut driver = warm(&rig);
        rig.chip(|chip| (0..20_000).for_each(|transfer| chip.arm(chip.transfers() + transfer, fault)));
        let (result, took_us) = timed(&rig, &mut driver, sign);
        assert!(took_us <= bound_us(), "{took_us} us: {fault:?}");
        assert_eq!(rig.chip(|chip| chip.fingerprint()), unharmed);
        result.unwrap_err()
    };
    for options in chips() {
        assert_eq!(stays(Fault::Nack, options), SignerError::Gone);
        assert_eq!(stays(Fault::Latchup, options), SignerError::Gone);
        for fault in [Fault::Flip(-1), Fault::Deaf, Fault::Ones, Fault::Torn, Fault::Abort, Fault::Hang] {
            assert_eq!(stays(fault, options), SignerError::TimeOut, "{fault:?}");
        }
        for fault in [Fault::WrongReady(0), Fault::Ready(1), Fault::Late(3_000), Fault::PowerLoss] {
            assert!(matches!(stays(fault, options), SignerError::TimeOut | SignerError::Gone), "{fault:?}");
        }
        assert_eq!(stays(Fault::Status(0x6985), options), SignerError::Locked);
        assert_eq!(stays(Fault::Status(0x6986), options), SignerError::Locked);
        assert_eq!(stays(Fault::Status(0x6a82), options), SignerError::NotProvisioned);
        assert_eq!(stays(Fault::Status(0x6f00), options), SignerError::FaultDetected);
    }
}

#[test]
fn a_provisioning_that_is_disturbed_anywhere_ends_with_one_key_when_it_is_repeated() {
    for options in chips() {
        let blank = Rig::new(options);
        let fresh = |rig: &Rig| rig.signer::<Secp256k1>(|_| {});
        let all = transfers(&blank, fresh, |driver| assert!(driver.provision().is_ok()));
        for fault in [Fault::Deaf, Fault::Late(60_000), Fault::PowerLoss, Fault::Latchup, Fault::StatusAfter(0x6f00)] {
            for transfer in 0..all {
                let rig = blank.copy();
                let mut driver = fresh(&rig);
                rig.chip(|chip| chip.arm(chip.transfers() + transfer, fault));
                let (result, took_us) = timed(&rig, &mut driver, |driver| driver.provision());
                let what = format!("{fault:?} at transfer {transfer} of {all}: {result:?}");
                assert!(took_us <= bound_us(), "{took_us} us: {what}");
                let (key, _) = result.expect(&what);
                assert_eq!(driver.provision().unwrap().0, key, "{what}");
                assert_eq!(rig.chip(|chip| chip.public_key(KEY.0)).unwrap()[1..], key.xy, "{what}");
            }
        }
        // The host loses its power, and with it the driver: the chip is left as it is, and somebody provisions again.
        for transfer in 0..all {
            let rig = blank.copy();
            rig.chip(|chip| chip.arm(chip.transfers() + transfer, Fault::Death));
            let _ = fresh(&rig).provision();
            rig.chip(|chip| chip.replace());
            let (key, _) = fresh(&rig).provision().unwrap_or_else(|error| panic!("{error:?} after {transfer}"));
            assert_eq!(fresh(&rig).public_key(), Ok(key));
        }
    }
}

#[test]
fn attesting_and_destroying_disturbed_anywhere_say_what_is_true() {
    for options in some_chips() {
        let (rig, key) = provisioned(options);
        let attest = |driver: &mut Driver<Secp256k1>| driver.attest(NXP_ATTESTATION_KEY, &[3; 16]);
        let attesting = transfers(&rig, warm, |driver| assert!(attest(driver).is_ok()));
        let destroying = transfers(&rig, warm, |driver| driver.destroy().unwrap());
        for fault in PASSING {
            for transfer in 0..attesting {
                let rig = rig.copy();
                let mut driver = warm(&rig);
                rig.chip(|chip| chip.arm(chip.transfers() + transfer, fault));
                let (result, took_us) = timed(&rig, &mut driver, attest);
                assert!(took_us <= bound_us());
                let attestation = result.unwrap_or_else(|error| panic!("{fault:?} at {transfer}: {error:?}"));
                assert_eq!(attestation.point[1..], key.xy);
            }
            for transfer in 0..destroying {
                let rig = rig.copy();
                let mut driver = warm(&rig);
                rig.chip(|chip| chip.arm(chip.transfers() + transfer, fault));
                let (result, took_us) = timed(&rig, &mut driver, |driver| driver.destroy());
                assert!(took_us <= bound_us());
                let there = rig.chip(|chip| chip.public_key(KEY.0)).is_some();
                // "Success" that is a lie is found out, and told as what it looks like.
                let honest = if there { result == Err(Se050Error::Locked) } else { result == Ok(()) };
                assert!(honest, "{fault:?} at {transfer}: {result:?}, key there: {there}");
                assert!(!there || fault == Fault::Status(0x9000), "{fault:?} at {transfer}");
            }
        }
    }
}

#[test]
fn many_faults_at_once_give_true_answers_or_errors_and_when_they_stop_all_is_well() {
    let mut right = 0;
    for seed in 0..120_u64 {
        let (rig, key) = provisioned(chips()[usize::try_from(seed % 4).unwrap()]);
        let unharmed = rig.chip(|chip| chip.fingerprint());
        let mut driver = warm(&rig);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let rarity = 4 + draw(30);
        rig.chip(|chip| {
            let first = chip.transfers();
            for transfer in first..first + 400 {
                if draw(rarity) == 0 {
                    chip.arm(transfer, PASSING[usize::try_from(draw(39)).unwrap()]);
                }
            }
        });
        for round in 0..4_u8 {
            let (result, took_us) = timed(&rig, &mut driver, |driver| driver.sign(&digest(&[round])));
            assert!(took_us <= bound_us(), "{took_us} us, seed {seed}");
            if let Ok(signature) = result {
                assert!(accepts(&key, &[round], &signature), "seed {seed}");
                right += 1;
            }
        }
        rig.chip(|chip| chip.disarm_all());
        assert!(accepts(&key, MESSAGE, &sign(&mut driver).unwrap()), "seed {seed}");
        assert_eq!(rig.chip(|chip| chip.fingerprint()), unharmed, "seed {seed}");
    }
    assert!((50..480).contains(&right), "{right} of 480: the faults are neither too many nor too few to tell anything");
}
