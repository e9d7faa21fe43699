// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key store over a flash that loses power: at every operation of a key's whole life, in three ways. A key is there or
//! not, as before or as after the step that was cut; what was replaced or destroyed is nowhere in the flash any more.

mod journal_flash;

use cairn::{
    keys::store::{AtRest, KeyStore, Slot, StoreError, StoredKey},
    ports::{Entropy, NoEntropy},
    signer::{Algorithm, DeviceId},
};
use journal_flash::{CUTS, Cut, MockFlash};

/// Gives 0x11…, 0x12…, and so on.
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.fill(self.0);
        self.0 += 1;
        Ok(())
    }
}

struct Nothing;

impl Entropy for Nothing {
    fn fill(&mut self, _out: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Import(Slot, u8),
    Promote,
    Destroy,
}

/// A key is born, followed by two others, and buried; then one more is born and buried.
const LIFE: [Step; 9] = [
    Step::Import(Slot::Current, 1),
    Step::Import(Slot::Next, 2),
    Step::Promote,
    Step::Import(Slot::Next, 3),
    Step::Promote,
    Step::Import(Slot::Next, 4),
    Step::Destroy,
    Step::Import(Slot::Current, 5),
    Step::Destroy,
];

type Keys = [Option<u8>; 2];

impl Step {
    fn after(self, before: Keys) -> Keys {
        match self {
            Self::Import(Slot::Current, key) => [Some(key), before[1]],
            Self::Import(Slot::Next, key) => [before[0], Some(key)],
            Self::Promote => [before[1], None],
            Self::Destroy => [None; 2],
        }
    }
}

fn device(sealed: bool) -> AtRest {
    if sealed { AtRest::Sealed([0xd5; 32]) } else { AtRest::InsecurelyPlain }
}

fn key(byte: u8) -> StoredKey {
    StoredKey { alg: Algorithm::Es256k, secret: [byte; 32] }
}

type Store<'f, const W: usize, const E: usize, const C: usize> = KeyStore<&'f mut MockFlash<W, E, C>>;

fn make<const W: usize, const E: usize, const C: usize>(
    store: &mut Store<'_, W, E, C>,
    step: Step,
) -> Result<(), StoreError> {
    match step {
        Step::Import(slot, byte) => store.import(slot, Algorithm::Es256k, &[byte; 32]),
        // The id of the first promotion stays, whatever later ones say.
        Step::Promote => {
            let id = store.device()?.map_or(0xd1, |_| 0xd2);
            store.promote(&DeviceId([id; 32]))
        }
        Step::Destroy => store.destroy(),
    }
}

fn held<const W: usize, const E: usize, const C: usize>(store: &mut Store<'_, W, E, C>) -> Keys {
    [Slot::Current, Slot::Next].map(|slot| {
        let found = store.load(slot).unwrap()?;
        assert_eq!(found.secret, [found.secret[0]; 32], "half a key");
        Some(found.secret[0])
    })
}

/// Plain keys in the flash that the store does not hold.
fn left_over<const W: usize, const E: usize, const C: usize>(flash: &MockFlash<W, E, C>, held: Keys) -> Option<u8> {
    (1..=5).find(|key| {
        !held.contains(&Some(*key)) && flash.cells.windows(12).any(|window| window.iter().all(|byte| byte == key))
    })
}

/// Lives the life with power cut at operation `at`; whether it was cut.
fn live<const W: usize, const E: usize, const C: usize>(sealed: bool, at: u64, kind: Cut) -> bool {
    let mut flash = MockFlash::<W, E, C>::new(at);
    // As delivered, of another product: full of noise.
    let mut store = KeyStore::open(&mut flash, device(sealed)).unwrap();
    assert_eq!(store.load(Slot::Current).err(), Some(StoreError::Damaged));
    store.destroy().unwrap();
    flash.cut_at(at, kind);
    let (mut keys, mut cut, mut rotated) = ([None; 2], false, false);
    for step in LIFE {
        let after = step.after(keys);
        let done = KeyStore::open(&mut flash, device(sealed)).and_then(|mut store| make(&mut store, step));
        if flash.dead {
            cut = true;
            flash.power_on();
            let mut store = KeyStore::open(&mut flash, device(sealed)).unwrap();
            // The very first writing, when there is nothing beside it to tell it from rot.
            let torn_first = store.load(Slot::Current).err() == Some(StoreError::Damaged) && keys == [None; 2];
            let now = if torn_first { keys } else { held(&mut store) };
            assert!(now == keys || now == after, "{step:?} cut at {at} {kind:?}: {now:?}");
            assert!(done.is_err() || now == after, "{step:?} had succeeded");
            if now != after {
                make(&mut store, step).unwrap();
            }
        } else {
            done.unwrap();
        }
        keys = after;
        rotated = matches!(step, Step::Promote) || rotated && !matches!(step, Step::Destroy);
        let mut store = KeyStore::open(&mut flash, device(sealed)).unwrap();
        assert_eq!(held(&mut store), keys, "after {step:?}, cut at {at} {kind:?}");
        assert_eq!(store.device(), Ok(rotated.then_some(DeviceId([0xd1; 32]))), "after {step:?}, cut at {at} {kind:?}");
        drop(store);
        assert_eq!(left_over(&flash, keys), None, "after {step:?}, cut at {at} {kind:?}");
    }
    let blank = flash.cells.chunks(E).filter(|unit| unit.iter().all(|&byte| byte == 0xff)).count();
    assert_eq!(blank, C / E - 1, "an empty image and nothing else");
    cut
}

fn every_cut<const W: usize, const E: usize, const C: usize>() -> u64 {
    let mut tried = 0;
    for sealed in [true, false] {
        for kind in CUTS {
            let mut at = 0;
            while live::<W, E, C>(sealed, at, kind) {
                at += 1;
            }
            tried += at;
        }
    }
    tried
}

#[test]
fn power_cut_at_any_operation_leaves_the_keys_as_before_or_as_after_and_no_others() {
    let tried = [every_cut::<1, 512, 1024>(), every_cut::<4, 4096, 8192>(), every_cut::<8, 2048, 4096>()];
    let tried = tried.into_iter().sum::<u64>() + every_cut::<32, 1024, 2048>();
    println!("{tried} cuts");
    assert!(tried > 3_000, "{tried}");
}

#[test]
fn a_sealed_key_opens_on_its_own_device_only_and_is_not_in_the_flash() {
    let mut flash = MockFlash::<4, 4096, 8192>::new(1);
    let mut store = KeyStore::open(&mut flash, AtRest::Sealed([1; 32])).unwrap();
    store.import(Slot::Current, Algorithm::Es256, &[0x42; 32]).unwrap();
    let found = store.load(Slot::Current).unwrap().unwrap();
    assert!(found.alg == Algorithm::Es256 && found.secret == [0x42; 32]);
    drop(store);
    assert!(!flash.cells.windows(4).any(|window| window == [0x42; 4]));
    for other in [AtRest::Sealed([2; 32]), AtRest::InsecurelyPlain] {
        let mut store = KeyStore::open(&mut flash, other).unwrap();
        assert_eq!(store.load(Slot::Current).err(), Some(StoreError::WrongSeal));
        assert_eq!(
            store.import(Slot::Current, Algorithm::Es256, &[1; 32]),
            Err(StoreError::AlreadyThere),
            "nothing is overwritten"
        );
    }
}

#[test]
fn a_plain_key_is_refused_where_keys_are_to_be_sealed() {
    let mut flash = MockFlash::<4, 4096, 8192>::new(1);
    let mut store = KeyStore::open(&mut flash, AtRest::InsecurelyPlain).unwrap();
    store.import(Slot::Current, Algorithm::Es256k, &[0x42; 32]).unwrap();
    assert!(store.load(Slot::Current).unwrap() == Some(key(0x42)));
    drop(store);
    let mut store = KeyStore::open(&mut flash, AtRest::Sealed([1; 32])).unwrap();
    assert_eq!(store.load(Slot::Current).err(), Some(StoreError::WrongSeal));
}

#[test]
fn a_locked_store_gives_and_takes_no_key_but_destroys_what_is_there() {
    for sealed in [true, false] {
        let mut flash = MockFlash::<4, 4096, 8192>::new(1);
        let mut store = KeyStore::open(&mut flash, device(sealed)).unwrap();
        store.import(Slot::Current, Algorithm::Es256k, &[0x42; 32]).unwrap();
        drop(store);
        let mut store = KeyStore::open(&mut flash, AtRest::Locked).unwrap();
        assert_eq!(store.load(Slot::Current).err(), Some(StoreError::WrongSeal));
        assert_eq!(store.import(Slot::Next, Algorithm::Es256k, &[0x43; 32]), Err(StoreError::WrongSeal));
        assert_eq!(store.device(), Ok(None));
        assert!(!store.was_emptied());
        store.destroy().unwrap();
        assert!(store.was_emptied());
        drop(store);
        assert!(!flash.cells.windows(4).any(|window| window == [0x42; 4]));
        let mut store = KeyStore::open(&mut flash, device(sealed)).unwrap();
        assert!(store.was_emptied() && store.load(Slot::Current).is_ok_and(|key| key.is_none()));
    }
}

#[test]
fn without_entropy_there_is_no_key_and_what_is_no_secret_is_not_stored() {
    let mut flash = MockFlash::<4, 4096, 8192>::new(1);
    let mut store = KeyStore::open(&mut flash, AtRest::Sealed([1; 32])).unwrap();
    assert_eq!(store.generate(Slot::Current, Algorithm::Es256k, &mut Nothing), Err(StoreError::Entropy));
    store.destroy().unwrap();
    for secret in [[0; 32], [0xff; 32]] {
        assert_eq!(store.import(Slot::Current, Algorithm::Es256k, &secret), Err(StoreError::NotASecret));
    }
    assert_eq!(store.promote(&DeviceId([7; 32])), Err(StoreError::NoKey));
    assert!(store.load(Slot::Current).unwrap().is_none());
    store.generate(Slot::Current, Algorithm::Es256k, &mut Counting(0x11)).unwrap();
    store.generate(Slot::Next, Algorithm::Es256k, &mut Counting(0x12)).unwrap();
    assert!(store.load(Slot::Current).unwrap() == Some(key(0x11)));
    store.promote(&DeviceId([7; 32])).unwrap();
    assert!(store.load(Slot::Current).unwrap() == Some(key(0x12)));
    assert!(store.load(Slot::Next).unwrap().is_none());
}

#[test]
fn rot_in_one_copy_costs_nothing_and_rot_in_both_is_told_apart_from_no_key() {
    let mut flash = MockFlash::<1, 512, 1024>::new(1);
    let mut store = KeyStore::open(&mut flash, AtRest::InsecurelyPlain).unwrap();
    store.import(Slot::Current, Algorithm::Es256k, &[0x42; 32]).unwrap();
    flash.rot(20, 0x01);
    let mut store = Store::open(&mut flash, AtRest::InsecurelyPlain).unwrap();
    assert!(store.load(Slot::Current).unwrap() == Some(key(0x42)));
    store.import(Slot::Next, Algorithm::Es256k, &[0x43; 32]).unwrap();
    assert!(store.load(Slot::Current).unwrap() == Some(key(0x42)), "both copies are sound again");
    drop(store);
    for at in [512 + 20, 512 + 160 + 20] {
        flash.rot(at, 0x01);
    }
    let mut store = Store::open(&mut flash, AtRest::InsecurelyPlain).unwrap();
    assert_eq!(store.load(Slot::Current).err(), Some(StoreError::Damaged));
    store.import(Slot::Current, Algorithm::Es256k, &[0x44; 32]).unwrap();
    assert!(store.load(Slot::Current).unwrap() == Some(key(0x44)));
}

#[test]
fn a_version_of_later_is_refused_and_nothing_is_erased() {
    let mut flash = MockFlash::<1, 512, 1024>::new(1);
    KeyStore::open(&mut flash, AtRest::InsecurelyPlain).unwrap().destroy().unwrap();
    let mut image = vec![0xff; 160];
    image[..8].copy_from_slice(b"CK\x02\0\x01\0\0\0");
    // CRC-32 of the 128 bytes, by zlib.
    image[128..132].copy_from_slice(&VERSION_2_CRC.to_le_bytes());
    flash.cells[..160].copy_from_slice(&image);
    let before = flash.cells.clone();
    assert_eq!(KeyStore::open(&mut flash, AtRest::InsecurelyPlain).err(), Some(StoreError::UnknownVersion));
    assert_eq!(flash.cells, before);
}

/// `zlib.crc32(b"CK\x02\0\x01\0\0\0" + b"\xff" * 120)` in Python.
const VERSION_2_CRC: u32 = 0xa2f783dc;
