// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The secure channel between the driver and the simulated chip, which were written apart: what it protects, and what
//! is refused without it.

mod rig;

use cairn::{
    ports::{Entropy, NoEntropy},
    signer::{
        Signer as _, SignerError,
        se050::{AlwaysOn, NXP_ATTESTATION_KEY, PlatformKeys, Se050, Se050Error, Settings},
        software::Secp256k1,
    },
};
use cairn_se_sim::Options;
use rig::{KEY, KEYS, Rig, accepts, digest};

fn protected() -> Options {
    Options { keys: Some((KEYS, true)), ..Options::default() }
}

#[test]
fn everything_works_through_the_channel_and_the_key_requires_it() {
    let rig = Rig::new(protected());
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    assert_eq!(signer.public_key(), Err(SignerError::NotProvisioned));
    let (key, _) = signer.provision().unwrap();
    assert_eq!(rig.chip(|chip| chip.rules(KEY.0)), Some(0x1026_0000));
    for round in 0..16 {
        assert!(accepts(&key, &[round], &signer.sign(&digest(&[round])).unwrap()));
    }
    assert_eq!(signer.attest(NXP_ATTESTATION_KEY, &[1; 16]).unwrap().point[1..], key.xy);
    signer.destroy().unwrap();
    assert_eq!(rig.chip(|chip| chip.public_key(KEY.0)), None);
}

#[test]
fn many_commands_in_one_channel_stay_in_step() {
    let rig = Rig::new(protected());
    let mut signer = rig.signer::<Secp256k1>(|settings| settings.gate = false);
    let (key, _) = signer.provision().unwrap();
    for round in 0..300_u16 {
        let message = round.to_be_bytes();
        let signature = signer.sign(&digest(&message)).unwrap();
        assert!(round % 50 != 0 || accepts(&key, &message, &signature));
    }
    assert_eq!(rig.switched(), (1, 0), "no recovery was needed");
}

#[test]
fn without_the_keys_or_with_others_the_key_is_locked() {
    let rig = Rig::new(protected());
    rig.signer::<Secp256k1>(|_| {}).provision().unwrap();
    let unharmed = rig.chip(|chip| chip.fingerprint());
    let mut stranger = rig.signer_with::<Secp256k1>(None, |_| {});
    assert_eq!(stranger.sign(&digest(b"mine")), Err(SignerError::Locked));
    assert_eq!(stranger.destroy(), Err(Se050Error::Locked));
    for wrong in [
        cairn_se_sim::Keys { enc: [0; 16], ..KEYS },
        cairn_se_sim::Keys { mac: [0; 16], ..KEYS },
        cairn_se_sim::Keys { version: 0x0c, ..KEYS },
    ] {
        let mut stranger = rig.signer_with::<Secp256k1>(Some(wrong), |_| {});
        assert_eq!(stranger.sign(&digest(b"mine")), Err(SignerError::Locked), "{wrong:?}");
    }
    assert_eq!(rig.chip(|chip| (chip.fingerprint(), chip.signatures())), (unharmed, 0));
}

#[test]
fn a_key_made_in_a_channel_is_not_used_outside_it_on_a_chip_that_takes_both() {
    let rig = Rig::new(Options { keys: Some((KEYS, false)), ..Options::default() });
    rig.signer::<Secp256k1>(|_| {}).provision().unwrap();
    let mut stranger = rig.signer_with::<Secp256k1>(None, |_| {});
    assert_eq!(stranger.sign(&digest(b"mine")), Err(SignerError::Locked));
    assert_eq!(rig.chip(|chip| chip.signatures()), 0);
}

#[test]
fn a_channel_needs_entropy() {
    struct Broken;
    impl Entropy for Broken {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
            Err(NoEntropy)
        }
    }
    let rig = Rig::new(protected());
    rig.chip(|chip| chip.power(true));
    let keys = PlatformKeys { version: KEYS.version, enc: KEYS.enc, mac: KEYS.mac };
    let (bus, clock) = (rig.board().bus(0x48), rig.board().clock());
    let mut signer = Se050::<Secp256k1, _, _, _, _>::new(bus, clock, AlwaysOn, Broken, Some(keys), Settings::new(KEY));
    assert_eq!(signer.provision(), Err(Se050Error::NoEntropy));
}
