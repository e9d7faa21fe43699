// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent has itself endorsed: it names its own key, stream and deployment, whatever it was doing, and goes on as before.

mod agent_world;
mod journal_flash;

use agent_world::{
    DEPLOYMENT, Device, STREAM,
    relay::is_signed_by,
    signer::{FIRST_KEY, SECOND_KEY, THIRD_KEY},
};
use cairn::{
    agent::UploadMode,
    cose::Sign1,
    endorsement::{
        EndorseError, Endorsement, FactoryKeyRoot, RootError, RootOfTrust, endorsement_max,
        factory_key::FACTORY_TOKEN_MAX, possession_digest,
    },
    signer::{Signer as _, SignerError, software::SoftwareSigner},
};

const NONCE: [u8; 32] = [0xa5; 32];

fn root(device: &Device) -> FactoryKeyRoot<'static, SoftwareSigner> {
    let now = device.world().wall();
    FactoryKeyRoot::new(SoftwareSigner::new(&[0x44; 32]).unwrap(), device.agent.device(), now, None)
}

#[test]
fn the_agent_names_itself_and_proves_its_key_in_the_midst_of_its_work() {
    let mut device = Device::new(UploadMode::Data);
    (0..5).for_each(|value| device.read_meter(value));
    device.run_for(60_000);
    let before = device.agent.status();
    let mut out = [0; endorsement_max(FACTORY_TOKEN_MAX)];
    let mut root = root(&device);
    let length = device.agent.endorse(&NONCE, b"kid0", &mut root, &mut out).unwrap();

    let read = Endorsement::decode(&out[..length]).unwrap();
    let binding = read.binding(device.key);
    assert_eq!((binding.nonce, binding.stream, binding.kid, binding.deployment), (NONCE, STREAM, *b"kid0", DEPLOYMENT));
    assert_eq!(read.public_key, device.key.compressed());
    let proof = SoftwareSigner::new(&[0x11; 32]).unwrap().sign(&possession_digest(read.token)).unwrap();
    assert_eq!(read.proof, proof);
    let token = Sign1::decode(read.token).unwrap();
    let claimed = |bytes: &[u8]| token.payload.windows(bytes.len()).any(|window| window == bytes);
    assert!(claimed(&binding.eat_nonce()) && claimed(&device.agent.device().0));

    assert_eq!(device.agent.status().totals, before.totals, "nothing was journaled");
    device.read_meter(6);
    device.run_for(24 * 3_600_000);
    assert_eq!(device.delivered().len(), 7, "the identity and six readings");
}

#[test]
fn a_root_or_a_signer_that_refuses_gives_no_endorsement_and_harms_nothing() {
    struct Refusing;
    impl RootOfTrust for Refusing {
        fn token(&mut self, _: &[u8; 32], _: &mut [u8]) -> Result<usize, RootError> {
            Err(RootError::Refused(-132))
        }
    }
    let mut device = Device::new(UploadMode::Data);
    let mut out = [0; 1024];
    let refused = device.agent.endorse(&NONCE, b"kid0", &mut Refusing, &mut out);
    assert_eq!(refused, Err(EndorseError::Root(RootError::Refused(-132))));
    let mut root = root(&device);
    device.world().signer_errors.push_back(SignerError::Locked);
    assert_eq!(
        device.agent.endorse(&NONCE, b"kid0", &mut root, &mut out),
        Err(EndorseError::Signer(SignerError::Locked))
    );
    assert_eq!(device.agent.endorse(&NONCE, b"kid0", &mut root, &mut out[..300]), Err(EndorseError::BufferTooSmall));
    device.read_meter(1);
    device.run_for(24 * 3_600_000);
    assert_eq!(device.delivered().len(), 2);
}

#[test]
fn after_a_rotation_the_agent_names_and_proves_its_current_key() {
    let mut device = Device::new(UploadMode::Data);
    device.rotate(SECOND_KEY);
    device.announce(THIRD_KEY).unwrap();
    let mut out = [0; endorsement_max(FACTORY_TOKEN_MAX)];
    for secret in [SECOND_KEY, THIRD_KEY] {
        let mut root = root(&device);
        let length = device.agent.endorse(&NONCE, b"kid0", &mut root, &mut out).unwrap();
        let read = Endorsement::decode(&out[..length]).unwrap();
        let key = secret.public();
        assert_eq!(read.public_key, key.compressed());
        assert!(is_signed_by(&key, &possession_digest(read.token), &read.proof), "{secret:?}");
        let token = Sign1::decode(read.token).unwrap();
        let claimed = |bytes: &[u8]| token.payload.windows(bytes.len()).any(|window| window == bytes);
        assert!(claimed(&read.binding(key).eat_nonce()));
        assert!(claimed(&FIRST_KEY.public().device_id().0), "the device is the same");
        if secret == SECOND_KEY {
            device.adopt(THIRD_KEY).unwrap();
        }
    }
}
