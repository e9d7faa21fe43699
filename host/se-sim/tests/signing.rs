// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver in `cairn::signer::se050` against the simulated chip, without faults: provisioning, signing, chaining,
//! time extensions, attestation, the secure channel.

mod rig;

use cairn::signer::{
    Algorithm, Digest, Signer as _, SignerError,
    se050::{NXP_ATTESTATION_KEY, Provisioned, Se050Error},
    software::{P256, Secp256k1},
};
use cairn_se_sim::Options;
use rig::{KEY, Rig, accepts, digest};

#[test]
fn a_key_is_generated_on_a_curve_the_chip_did_not_have_and_its_signatures_verify_elsewhere() {
    let rig = Rig::new(Options::default());
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    assert_eq!(signer.public_key(), Err(SignerError::NotProvisioned));
    assert_eq!(signer.sign(&Digest([1; 32])), Err(SignerError::NotProvisioned));
    let (key, provisioned) = signer.provision().unwrap();
    assert_eq!((key.alg, provisioned), (Algorithm::Es256k, Provisioned::Generated));
    assert_eq!(rig.chip(|chip| chip.public_key(KEY.0)).unwrap()[1..], key.xy);
    // Sign, read and delete; neither write, generate anew, export nor agree on keys.
    assert_eq!(rig.chip(|chip| chip.rules(KEY.0)), Some(0x1024_0000));
    for round in 0..32 {
        let (message, digest) = ([round; 3], digest(&[round; 3]));
        let (signature, parity) = signer.sign_recoverable(&digest).unwrap();
        assert!(accepts(&key, &message, &signature), "round {round}");
        assert_eq!(key.y_parity(&digest, &signature), Some(parity));
    }
    assert_eq!(signer.provision().unwrap(), (key, Provisioned::Existed));
    assert_eq!(signer.public_key(), Ok(key));
}

#[test]
fn p_256_needs_no_curve_and_has_no_recovery_id() {
    let rig = Rig::new(Options::default());
    let mut signer = rig.signer::<P256>(|_| {});
    let (key, _) = signer.provision().unwrap();
    assert_eq!(key.alg, Algorithm::Es256);
    for round in 0..16 {
        assert!(accepts(&key, &[round], &signer.sign(&digest(&[round])).unwrap()));
    }
    assert_eq!(signer.sign_recoverable(&Digest([1; 32])), Err(SignerError::NotRecoverable));
}

#[test]
fn small_blocks_in_either_direction_are_chained() {
    for (chip_takes, host_takes) in [(16, 254), (254, 16), (16, 16), (1, 254), (33, 100)] {
        let rig = Rig::new(Options { information_bytes: chip_takes, ..Options::default() });
        let mut signer = rig.signer::<Secp256k1>(|settings| settings.information_bytes = host_takes);
        let (key, _) = signer.provision().unwrap();
        assert!(accepts(&key, b"chained", &signer.sign(&digest(b"chained")).unwrap()), "{chip_takes} {host_takes}");
        signer.attest(NXP_ATTESTATION_KEY, &[1; 16]).unwrap();
    }
}

#[test]
fn a_chip_that_asks_for_time_gets_it() {
    let rig = Rig::new(Options { patience_ms: 5, ..Options::default() });
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    let (key, _) = signer.provision().unwrap();
    assert!(accepts(&key, b"late", &signer.sign(&digest(b"late")).unwrap()));
}

#[test]
fn the_chip_has_power_during_an_operation_only_and_none_is_taken_where_it_cannot_be() {
    let rig = Rig::new(Options::default());
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    signer.provision().unwrap();
    assert_eq!(rig.switched(), (1, 1));
    signer.sign(&Digest([1; 32])).unwrap();
    // Reading the public key, then signing.
    assert_eq!(rig.switched(), (3, 3));
    signer.sign(&Digest([2; 32])).unwrap();
    assert_eq!(rig.switched(), (4, 4));
    let mut signer = rig.signer::<Secp256k1>(|settings| settings.gate = false);
    signer.sign(&Digest([3; 32])).unwrap();
    signer.sign(&Digest([4; 32])).unwrap();
    assert_eq!(rig.switched(), (5, 4));
}

#[test]
fn a_key_is_destroyed_when_it_may_be_and_says_so_when_it_may_not() {
    let rig = Rig::new(Options::default());
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    signer.destroy().unwrap();
    let (first, _) = signer.provision().unwrap();
    signer.destroy().unwrap();
    assert_eq!(rig.chip(|chip| chip.public_key(KEY.0)), None);
    assert_eq!(signer.sign(&Digest([1; 32])), Err(SignerError::NotProvisioned));
    let mut signer = rig.signer::<Secp256k1>(|settings| settings.erasable = false);
    let (second, provisioned) = signer.provision().unwrap();
    assert_eq!(provisioned, Provisioned::Generated);
    assert_ne!(first, second);
    assert_eq!(signer.destroy(), Err(Se050Error::Locked));
    assert_eq!(signer.public_key(), Ok(second));
}

#[test]
fn an_attestation_is_over_the_key_the_nonce_and_the_chip() {
    let rig = Rig::new(Options::default());
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    let (key, _) = signer.provision().unwrap();
    let attestation = signer.attest(NXP_ATTESTATION_KEY, b"sixteen byte non").unwrap();
    assert_eq!(attestation.point[1..], key.xy);
    assert_eq!(&attestation.freshness, b"sixteen byte non");
    assert_eq!(attestation.attributes[..5], [0x20, 0, 0, 1, 1]);
    // Origin: generated in the chip.
    assert_eq!(attestation.attributes[attestation.attributes.len() - 5], 2);
    let attester = rig.chip(|chip| chip.public_key(cairn_se_sim::ATTESTER)).unwrap();
    let judge = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, attester);
    let mut signed = attestation.signed().concat();
    judge.verify(&signed, &attestation.signature).unwrap();
    signed[70] ^= 1;
    assert!(judge.verify(&signed, &attestation.signature).is_err());
    // The ledger key itself must not attest.
    assert_eq!(signer.attest(KEY, &[0; 16]), Err(Se050Error::Locked));
}

#[test]
fn versions_are_told() {
    let rig = Rig::new(Options::default());
    let version = rig.signer::<Secp256k1>(|_| {}).version().unwrap();
    assert_eq!((version.applet, version.features), ([3, 1, 1], 0x6fff));
}

#[test]
fn an_applet_whose_attestation_has_another_form_is_told_apart_before_it_is_asked() {
    let rig = Rig::new(Options { applet: [7, 2, 0], ..Options::default() });
    let mut signer = rig.signer::<Secp256k1>(|_| {});
    signer.provision().unwrap();
    assert_eq!(signer.attest(NXP_ATTESTATION_KEY, &[0; 16]), Err(Se050Error::Unsupported));
    assert!(signer.sign(&digest(b"still signs")).is_ok());
}
