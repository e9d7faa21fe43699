// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The signer of `cairn::signer::sim` against the simulated card, without a modem between them: what each applet gives, and
//! what becomes of every fault at every command.

use std::{cell::RefCell, rc::Rc};

use cairn::signer::{
    Algorithm, Digest, PublicKey, Signature, Signer, SignerError,
    sim::{ApduChannel, Applet, ChannelError, KeyState, SimSigner, StatusWord},
};
use cairn_sim_applet::{Applet as Simulated, Card, Fault, Plan, Protocol, key::Key};

const PRIVATE: &[u8] = b"006";
const PUBLIC: &[u8] = b"007";
const SECRET: [u8; 32] = [0x5A; 32];

/// A card reader: channels as TS 102 221 has them.
#[derive(Clone)]
struct Reader(Rc<RefCell<Card>>, Option<u8>);

impl Reader {
    fn new(applet: Simulated, protocol: Protocol, plan: Plan) -> Self {
        Self(Rc::new(RefCell::new(Card::new(vec![applet], protocol, [7; 32], plan))), None)
    }

    fn exchange(&self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.0.borrow_mut().exchange(command).ok_or(ChannelError::Interrupted)
    }

    fn commands(&self) -> usize {
        self.0.borrow().commands()
    }
}

impl ApduChannel for Reader {
    fn open(&mut self, aid: &[u8]) -> Result<(), ChannelError> {
        self.close();
        let opened = self.exchange(&[0, 0x70, 0, 0, 1])?;
        let channel = match opened[..] {
            [channel @ 1..=3, 0x90, 0] => channel,
            [first, second] if first != 0x90 => {
                return Err(ChannelError::Status(StatusWord(u16::from_be_bytes([first, second]))));
            }
            _ => return Err(ChannelError::Garbled),
        };
        self.1 = Some(channel);
        let select = [&[channel, 0xA4, 4, 0, u8::try_from(aid.len()).unwrap()][..], aid].concat();
        let selected = self.exchange(&select).inspect_err(|_| self.1 = None)?;
        let (_, word) = StatusWord::split(&selected).ok_or(ChannelError::Garbled)?;
        if word.selected() { Ok(()) } else { Err(ChannelError::Status(word)) }
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, ChannelError> {
        let mut command = command.to_vec();
        command[0] |= self.1.ok_or(ChannelError::Interrupted)?;
        let answer = self.exchange(&command)?;
        response.get_mut(..answer.len()).ok_or(ChannelError::Garbled)?.copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn close(&mut self) {
        if let Some(channel) = self.1.take() {
            let _ = self.exchange(&[0, 0x70, 0x80, channel, 0]);
        }
    }
}

type Case = (Applet, fn() -> Simulated);

/// Both applets, and the ways real ones differ.
fn cases() -> Vec<(&'static str, Case)> {
    let iot_safe = Applet::iot_safe(PRIVATE, PUBLIC);
    let simulated = || Simulated::iot_safe(PRIVATE, PUBLIC).with_secret(&SECRET);
    vec![
        ("IoT SAFE", (iot_safe, simulated)),
        ("secp256k1", (Applet::CAIRN_K1, || Simulated::secp256k1().with_secret(&SECRET))),
        ("DER", (iot_safe, || Simulated::iot_safe(PRIVATE, PUBLIC).with_secret(&SECRET).with_der())),
        ("class 00", (iot_safe, || Simulated::iot_safe(PRIVATE, PUBLIC).with_secret(&SECRET).interindustry())),
    ]
}

/// The key that the card has, by other means than the card's.
fn key(alg: Algorithm) -> PublicKey {
    let curve = match alg {
        Algorithm::Es256 => cairn_sim_applet::Curve::P256,
        Algorithm::Es256k => cairn_sim_applet::Curve::Secp256k1,
    };
    PublicKey::from_sec1(alg, &Key::from_secret(curve, &SECRET).unwrap().point()).unwrap()
}

/// Low-S and the key's over the digest, as the curve crates see it.
fn assert_verifies(key: &PublicKey, digest: &Digest, signature: &Signature, context: &str) {
    let sec1 = [&[4][..], &key.xy].concat();
    macro_rules! check {
        ($curve:ident) => {{
            use $curve::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
            let signature = Signature::from_slice(&signature.0).unwrap();
            assert_eq!(signature.normalize_s(), signature, "{context}: high-S");
            VerifyingKey::from_sec1_bytes(&sec1).unwrap().verify_prehash(&digest.0, &signature).expect(context);
        }};
    }
    match key.alg {
        Algorithm::Es256 => check!(p256),
        Algorithm::Es256k => check!(k256),
    }
}

#[test]
fn every_applet_signs_on_both_protocols_and_leaves_no_channel_open() {
    for (name, (applet, simulated)) in cases() {
        for protocol in [Protocol::T0, Protocol::T1] {
            let reader = Reader::new(simulated(), protocol, Plan::default());
            let mut signer = SimSigner::new(reader.clone(), applet);
            assert_eq!(signer.public_key(), Ok(key(applet.alg)), "{name}");
            assert_eq!(signer.state(), Ok(KeyState::Active), "{name}");
            for byte in 0..8 {
                let digest = Digest([byte; 32]);
                let signature = signer.sign(&digest).unwrap_or_else(|error| panic!("{name} {protocol:?}: {error:?}"));
                assert_verifies(&key(applet.alg), &digest, &signature, name);
            }
            assert_eq!(reader.0.borrow().open_channels(), 0, "{name}");
            assert_eq!(reader.0.borrow().applets()[0].signatures(), 8, "{name}");
        }
    }
}

#[test]
fn only_the_secp256k1_applet_gives_a_recovery_id() {
    let reader = Reader::new(Simulated::secp256k1().with_secret(&SECRET), Protocol::T0, Plan::default());
    let mut signer = SimSigner::new(reader, Applet::CAIRN_K1);
    let digest = Digest([3; 32]);
    let (signature, parity) = signer.sign_recoverable(&digest).unwrap();
    assert_eq!(key(Algorithm::Es256k).y_parity(&digest, &signature), Some(parity));
    let reader = Reader::new(Simulated::iot_safe(PRIVATE, PUBLIC).with_secret(&SECRET), Protocol::T0, Plan::default());
    let mut signer = SimSigner::new(reader, Applet::iot_safe(PRIVATE, PUBLIC));
    assert_eq!(signer.sign_recoverable(&digest), Err(SignerError::NotRecoverable));
}

#[test]
fn a_key_is_made_on_the_card_once_and_what_is_not_there_is_not_provisioned_or_locked() {
    for (applet, simulated) in [
        (Applet::iot_safe(PRIVATE, PUBLIC), Simulated::iot_safe(PRIVATE, PUBLIC)),
        (Applet::CAIRN_K1, Simulated::secp256k1()),
    ] {
        let reader = Reader::new(simulated, Protocol::T0, Plan::default());
        let mut signer = SimSigner::new(reader.clone(), applet);
        assert_eq!(signer.state(), Ok(KeyState::Empty));
        assert_eq!(signer.public_key(), Err(SignerError::Locked), "a container without a key");
        assert_eq!(signer.sign(&Digest([1; 32])), Err(SignerError::Locked));
        let made = signer.generate().unwrap();
        assert_eq!((signer.state(), signer.public_key()), (Ok(KeyState::Active), Ok(made)));
        assert_eq!(signer.generate(), Err(SignerError::Locked), "it must not be replaced");
        let digest = Digest([2; 32]);
        assert_verifies(&made, &digest, &signer.sign(&digest).unwrap(), "a key made on the card");

        let mut other =
            SimSigner::new(reader.clone(), Applet { public_key: b"nobody", private_key: b"nobody", ..applet });
        assert_eq!(other.public_key(), Err(SignerError::NotProvisioned), "no such container");
        let mut absent = SimSigner::new(reader, Applet { aid: &[0xF0, 1, 2, 3, 4], ..applet });
        assert_eq!(absent.public_key(), Err(SignerError::NotProvisioned), "no such applet");
    }
}

#[test]
fn a_card_that_was_exchanged_signs_nothing() {
    let applet = Applet::CAIRN_K1;
    let reader = Reader::new(Simulated::secp256k1().with_secret(&SECRET), Protocol::T0, Plan::default());
    let mut signer = SimSigner::new(reader.clone(), applet);
    signer.sign(&Digest([1; 32])).unwrap();
    let other = Simulated::secp256k1().with_secret(&[0x33; 32]);
    *reader.0.borrow_mut() = Card::new(vec![other], Protocol::T0, [8; 32], Plan::default());
    assert_eq!(signer.sign(&Digest([1; 32])), Err(SignerError::FaultDetected));
}

#[test]
fn a_session_that_somebody_left_open_is_closed_first() {
    let applet = Applet::iot_safe(PRIVATE, PUBLIC);
    let simulated = Simulated::iot_safe(PRIVATE, PUBLIC).with_secret(&SECRET);
    // On T=1: MANAGE CHANNEL, SELECT, READ PUBLIC KEY, close; MANAGE CHANNEL, SELECT, INIT.
    let reader = Reader::new(simulated, Protocol::T1, Plan::once(7, "6985".parse().unwrap()));
    let mut signer = SimSigner::new(reader.clone(), applet);
    let digest = Digest([4; 32]);
    assert_verifies(&key(applet.alg), &digest, &signer.sign(&digest).unwrap(), "a session was open");
    // INIT, close the session, INIT, UPDATE, close the session, close the channel.
    assert_eq!(reader.commands(), 12);
}

#[test]
fn one_fault_of_the_card_at_any_command_is_overcome_with_a_right_signature() {
    let mut signed = 0;
    let digests = [Digest([0xD1; 32]), Digest([0xD2; 32])];
    for (case, (name, (applet, simulated))) in cases().into_iter().enumerate() {
        // The card's signatures are RFC 6979's: there is one right one for each digest.
        let whole = Reader::new(simulated(), Protocol::T0, Plan::default());
        let mut signer = SimSigner::new(whole.clone(), applet);
        let right = digests.map(|digest| signer.sign(&digest).unwrap());
        for (digest, signature) in digests.iter().zip(&right) {
            assert_verifies(&key(applet.alg), digest, signature, name);
        }
        for protocol in [Protocol::T0, Protocol::T1] {
            let simulated = simulated();
            let undisturbed = Reader::new(simulated.clone(), protocol, Plan::default());
            SimSigner::new(undisturbed.clone(), applet).sign(&digests[0]).unwrap();
            let commands = undisturbed.commands();
            // Each applet on one protocol meets every fault, the other pairs one in four.
            let step =
                if (case, protocol) == (0, Protocol::T0) || (case, protocol) == (1, Protocol::T1) { 1 } else { 4 };
            let of_card = Fault::KINDS.iter().filter(|fault| matches!(fault, Fault::Card(_)));
            for (at, fault) in (1..=commands).flat_map(|at| of_card.clone().map(move |fault| (at, fault))).step_by(step)
            {
                let context = format!("{name} {protocol:?} {fault:?} at {at} of {commands}");
                let reader = Reader::new(simulated.clone(), protocol, Plan::once(at, *fault));
                let mut signer = SimSigner::new(reader.clone(), applet);
                assert_eq!(signer.sign(&digests[0]), Ok(right[0]), "{context}");
                signed += 1;
                assert!(reader.commands() <= 3 * commands + 8, "{context}: {} commands", reader.commands());
                assert_eq!(signer.sign(&digests[1]), Ok(right[1]), "{context}, then");
            }
        }
    }
    assert!(signed > 500, "{signed}");
}

#[test]
fn a_fault_that_stays_is_told_as_what_it_is_in_a_bounded_number_of_commands() {
    for (fault, expected) in [
        ("6985", SignerError::Locked),
        ("6982", SignerError::Locked),
        ("6983", SignerError::Locked),
        ("6A82", SignerError::NotProvisioned),
        ("6A88", SignerError::NotProvisioned),
        ("6F00", SignerError::FaultDetected),
        ("6400", SignerError::FaultDetected),
        ("cut", SignerError::FaultDetected),
        ("flip400", SignerError::FaultDetected),
        ("9000", SignerError::FaultDetected),
        ("6100", SignerError::Gone),
        ("6E00", SignerError::Gone),
        ("6D00", SignerError::Gone),
        ("6700", SignerError::Gone),
        ("power", SignerError::Gone),
        ("power-after", SignerError::Gone),
    ] {
        for (name, (applet, simulated)) in cases() {
            // From READ PUBLIC KEY on: the reader of this test reads the answers before it differently.
            let plan = Plan::always(3..1000, fault.parse().unwrap());
            let reader = Reader::new(simulated(), Protocol::T1, plan);
            let result = SimSigner::new(reader.clone(), applet).sign(&Digest([1; 32]));
            assert!(reader.commands() < 300, "{name} {fault}: {} commands", reader.commands());
            assert_eq!(result, Err(expected), "{name} {fault}");
        }
    }
}
