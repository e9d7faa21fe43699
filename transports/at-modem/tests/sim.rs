// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SIM behind the modem, on virtual time: the simulated card of `cairn-sim-applet` answers the driver's AT commands, and
//! the driver's serial port carries datagrams besides. What becomes of every fault of card and modem at every command.

mod sim_world;
mod wire;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use cairn::{
    ports::Wait as _,
    signer::{Digest, PublicKey, Signature, Signer, SignerError, sim::Applet, sim::SimSigner},
};
use cairn_at_modem::{
    AtModem, Settings, Socket,
    dialect::{BC66, BC660K},
    sim::{APDU, Access, Shared, SimCard},
};
use cairn_sim_applet::{Applet as Simulated, Card, Fault, Plan, Protocol, fault::ModemFault};
use embedded_nal::UdpClientStack;
use proptest::prelude::*;
use sim_world::{Asleep, Ticks, World};
use wire::Port;

const PRIVATE: &[u8] = &[0x01];
const PUBLIC: &[u8] = &[0x02];
const SECRET: [u8; 32] = [0x5A; 32];
const DIGESTS: [Digest; 2] = [Digest([0xD1; 32]), Digest([0xD2; 32])];
type Modem = AtModem<Port, Ticks, 1, 256, 128, 2, 320, APDU>;

/// One of the ways to the card and what is on it.
#[derive(Clone)]
struct Case {
    name: &'static str,
    access: Access,
    applet: Applet,
    simulated: Simulated,
    protocol: Protocol,
}

fn cases() -> Vec<Case> {
    let iot_safe = Simulated::iot_safe(PRIVATE, PUBLIC).with_secret(&SECRET);
    let secp256k1 = Simulated::secp256k1().with_secret(&SECRET);
    let applet = Applet::iot_safe(PRIVATE, PUBLIC);
    let (t0, t1) = (Protocol::T0, Protocol::T1);
    vec![
        Case { name: "CGLA, IoT SAFE", access: Access::Channels, applet, simulated: iot_safe.clone(), protocol: t1 },
        Case { name: "CSIM, IoT SAFE", access: Access::Generic, applet, simulated: iot_safe, protocol: t0 },
        Case {
            name: "CGLA, secp256k1",
            access: Access::Channels,
            applet: Applet::CAIRN_K1,
            simulated: secp256k1.clone(),
            protocol: t0,
        },
        Case {
            name: "CSIM, secp256k1",
            access: Access::Generic,
            applet: Applet::CAIRN_K1,
            simulated: secp256k1,
            protocol: t1,
        },
    ]
}

fn world(case: &Case, plan: &Plan) -> Rc<RefCell<World>> {
    let card = Card::new(vec![case.simulated.clone()], case.protocol, [7; 32], plan.clone());
    Rc::new(RefCell::new(World::new(card, plan)))
}

fn modem(world: &Rc<RefCell<World>>) -> RefCell<Modem> {
    let settings = Settings { survey: false, ..Settings::default() };
    RefCell::new(AtModem::new(&BC660K, settings, world.borrow().port.clone(), Ticks(world.clone())))
}

type Sim<'a> = SimSigner<SimCard<Shared<'a, Modem>, Asleep>>;

fn signer<'a>(case: &Case, world: &Rc<RefCell<World>>, modem: &'a RefCell<Modem>) -> Sim<'a> {
    SimSigner::new(SimCard::new(Shared::new(modem), Asleep(world.clone()), case.access), case.applet)
}

/// The key and the right signatures: the simulated card's are RFC 6979's.
fn right(case: &Case) -> (PublicKey, [Signature; 2]) {
    let world = world(case, &Plan::default());
    let modem = modem(&world);
    let mut signer = signer(case, &world, &modem);
    let signatures = DIGESTS.map(|digest| signer.sign(&digest).unwrap());
    let key = signer.public_key().unwrap();
    for (digest, signature) in DIGESTS.iter().zip(&signatures) {
        assert_eq!(key.accept(digest, &signature.0), Ok(*signature), "{}", case.name);
    }
    assert_eq!(world.borrow().at.card().open_channels(), 0, "{}", case.name);
    (key, signatures)
}

fn send(modem: &RefCell<Modem>, world: &Rc<RefCell<World>>, socket: &mut Socket, datagram: &[u8]) {
    let mut shared = Shared::new(modem);
    let mut wait = Asleep(world.clone());
    while let Err(error) = shared.send(socket, datagram) {
        assert_eq!(error, nb::Error::WouldBlock);
        wait.wait(modem.borrow().wake_at());
    }
}

#[test]
fn a_signature_wakes_the_modem_and_asks_the_card_in_these_words() {
    let expected: [(usize, &[&str]); 2] = [
        (0, &["AT+CCHO=\"A0000005590010\"", "AT+CGLA=1,18,\"80CD000003850102", "AT+CCHC=1"]),
        (
            1,
            &[
                "AT+CSIM=10,\"0070000001\"",
                "AT+CSIM=24,\"01A4040007A0000005590010\"",
                "AT+CSIM=18,\"81CD00000385010200\"",
            ],
        ),
    ];
    for (case, expected) in expected {
        let case = &cases()[case];
        let world = world(case, &Plan::default());
        let modem = modem(&world);
        signer(case, &world, &modem).public_key().unwrap();
        let commands = world.borrow().commands.clone();
        assert_eq!(commands[..4], ["AT", "ATE0", "AT+CMEE=1", "AT+CFUN=1"], "{}", case.name);
        let for_card =
            |command: &&String| ["AT+CSIM", "AT+CCH", "AT+CGLA"].iter().any(|name| command.starts_with(name));
        let card: Vec<&String> = commands.iter().filter(for_card).collect();
        for (command, expected) in card.iter().zip(expected) {
            assert!(command.starts_with(expected), "{command} is not {expected}");
        }
        assert!(!commands.iter().any(|command| command.contains("CEREG?")), "it needs no network");
    }
}

#[test]
fn a_sleeping_modem_is_woken_for_a_signature() {
    for case in cases() {
        let world = world(&case, &Plan::default());
        let modem = modem(&world);
        let mut signer = signer(&case, &world, &modem);
        let (key, signatures) = right(&case);
        assert_eq!(signer.public_key(), Ok(key));
        world.borrow_mut().now += 3_600_000;
        // Three attempts are lost, and most of a fourth.
        world.borrow_mut().asleep = 11;
        assert_eq!(signer.sign(&DIGESTS[0]), Ok(signatures[0]), "{}", case.name);
    }
}

#[test]
fn a_modem_that_is_off_is_gone_after_its_wake_attempts_and_back_when_it_is() {
    let case = &cases()[0];
    let world = world(case, &Plan::default());
    let modem = modem(&world);
    let mut signer = signer(case, &world, &modem);
    world.borrow_mut().asleep = usize::MAX;
    let begun = world.borrow().now;
    assert_eq!(signer.sign(&DIGESTS[0]), Err(SignerError::Gone));
    assert_eq!(world.borrow().now - begun, 5_000);
    world.borrow_mut().asleep = 0;
    assert_eq!(signer.sign(&DIGESTS[0]), Ok(right(case).1[0]));
}

#[test]
fn signatures_and_datagrams_take_turns_on_one_port() {
    for case in cases() {
        let (_, signatures) = right(&case);
        // Codes around every answer, a datagram among them.
        let plan = Plan::always(1..100, Fault::Modem(ModemFault::Codes));
        let world = world(&case, &plan);
        let modem = modem(&world);
        let mut signer = signer(&case, &world, &modem);
        let mut shared = Shared::new(&modem);
        let mut socket = shared.socket().unwrap();
        shared.connect(&mut socket, "192.0.2.7:5683".parse().unwrap()).unwrap();
        for round in 0..3 {
            assert_eq!(signer.sign(&DIGESTS[round % 2]), Ok(signatures[round % 2]), "{} {round}", case.name);
            send(&modem, &world, &mut socket, b"uplink");
            let mut bytes = [0; 8];
            if round > 0 {
                // 9000 as a datagram, not as a status word.
                assert_eq!(shared.receive(&mut socket, &mut bytes).map(|received| received.0), Ok(2), "{}", case.name);
                assert_eq!(bytes[..2], [0x90, 0x00]);
            }
        }
        let sends = world.borrow().commands.iter().filter(|command| command.starts_with("AT+QISEND")).count();
        assert_eq!((sends, modem.borrow().counters().reboots), (3, 0), "{}", case.name);
    }
}

#[test]
fn a_datagram_on_its_way_goes_out_between_the_commands_of_a_signature() {
    for case in cases() {
        let (_, signatures) = right(&case);
        let world = world(&case, &Plan::default());
        let modem = modem(&world);
        let mut shared = Shared::new(&modem);
        let mut socket = shared.socket().unwrap();
        shared.connect(&mut socket, "192.0.2.7:5683".parse().unwrap()).unwrap();
        assert_eq!(shared.send(&mut socket, b"uplink"), Err(nb::Error::WouldBlock));
        assert_eq!(signer(&case, &world, &modem).sign(&DIGESTS[0]), Ok(signatures[0]), "{}", case.name);
        assert_eq!(shared.send(&mut socket, b"uplink"), Ok(()), "{}", case.name);
        let commands = world.borrow().commands.clone();
        let at = |prefix: &str| commands.iter().position(|command| command.starts_with(prefix)).unwrap();
        let card = if case.access == Access::Channels { "AT+CCHO" } else { "AT+CSIM" };
        assert!(at(card) < at("AT+CEREG?"), "who waits for the card goes first: {commands:?}");
    }
}

#[test]
fn a_busy_card_is_asked_again_and_in_the_end_given_up() {
    let case = &cases()[0];
    let busy = Fault::Modem(ModemFault::Cme(14));
    let few = world(case, &Plan::always(1..10, busy));
    let modem_few = modem(&few);
    assert_eq!(signer(case, &few, &modem_few).sign(&DIGESTS[0]), Ok(right(case).1[0]));
    let for_ever = world(case, &Plan::always(1..1000, busy));
    let modem_for_ever = modem(&for_ever);
    let begun = for_ever.borrow().now;
    assert_eq!(signer(case, &for_ever, &modem_for_ever).sign(&DIGESTS[0]), Err(SignerError::TimeOut));
    assert!(for_ever.borrow().now - begun <= 61_000);
}

#[test]
fn sessions_lost_to_a_restart_of_the_device_are_closed_when_none_is_free() {
    for case in cases() {
        let (_, signatures) = right(&case);
        let world = world(&case, &Plan::default());
        for _ in 0..3 {
            let aid = case.applet.aid.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
            world.borrow_mut().at.command("+CCHO", &[&aid]).unwrap();
        }
        assert_eq!(world.borrow().at.card().open_channels(), 3);
        let modem = modem(&world);
        let mut signer = signer(&case, &world, &modem);
        match case.access {
            Access::Channels => assert_eq!(signer.sign(&DIGESTS[0]), Ok(signatures[0]), "{}", case.name),
            // Channels that somebody else may use are not closed.
            Access::Generic => assert_eq!(signer.sign(&DIGESTS[0]), Err(SignerError::Gone), "{}", case.name),
        }
    }
}

#[test]
fn the_other_modem_reaches_its_card_alike() {
    let case = &cases()[0];
    let world = world(case, &Plan::default());
    let modem: RefCell<Modem> =
        RefCell::new(AtModem::new(&BC66, Settings::default(), world.borrow().port.clone(), Ticks(world.clone())));
    assert_eq!(signer(case, &world, &modem).sign(&DIGESTS[0]), Ok(right(case).1[0]));
}

/// Longest that one call may take: a command's limit, waking the modem to close the channel, and both once more.
const BOUND_MS: u64 = 60_000;

#[test]
fn every_fault_at_every_command_gives_a_right_signature_or_a_typed_error_in_bounded_time_and_then_it_works_again() {
    let longest = Cell::new(0);
    let mut told = BTreeMap::<String, usize>::new();
    for (number, case) in cases().into_iter().enumerate() {
        let (_, signatures) = right(&case);
        let whole = world(&case, &Plan::default());
        let modem_whole = modem(&whole);
        signer(&case, &whole, &modem_whole).sign(&DIGESTS[0]).unwrap();
        let (at_card, at_modem) = (whole.borrow().at.card().commands(), whole.borrow().at.commands());
        let points = Fault::KINDS.iter().flat_map(|fault| {
            let last = if matches!(fault, Fault::Card(_)) { at_card } else { at_modem };
            (1..=last).map(move |at| (at, *fault))
        });
        // The modem's faults all, the card's (host/sim-applet has them without a modem) one in three.
        let sampled =
            |(index, (_, fault)): &(usize, (usize, Fault))| matches!(fault, Fault::Modem(_)) || index % 3 == number % 3;
        // Late answers come before, while and after the driver lets them pass, and in the middle of what it asks next.
        let delays = |fault| {
            if fault == Fault::Modem(ModemFault::Late) { (20_020..21_000).step_by(60) } else { (1..2).step_by(1) }
        };
        let points = points.enumerate().filter(sampled).map(|(_, point)| point);
        for (at, fault, delay) in points.flat_map(|(at, fault)| delays(fault).map(move |delay| (at, fault, delay))) {
            let context = format!("{} {fault:?} {delay} at {at}", case.name);
            let world = world(&case, &Plan::once(at, fault));
            world.borrow_mut().late_ms = delay;
            let modem = modem(&world);
            let mut signer = signer(&case, &world, &modem);
            let begun = world.borrow().now;
            let first = signer.sign(&DIGESTS[0]);
            let took = world.borrow().now - begun;
            longest.set(longest.get().max(took));
            assert!(took <= BOUND_MS, "{context}: {took} ms");
            match first {
                Ok(signature) => assert_eq!(signature, signatures[0], "{context}"),
                Err(error) => *told.entry(format!("{error:?}")).or_default() += 1,
            }
            // A late answer is on its way while the next signature is asked for.
            assert_eq!(signer.sign(&DIGESTS[1]), Ok(signatures[1]), "{context}, then");
            // An answer to AT+CCHO or MANAGE CHANNEL that was never heard, or taken for another's.
            assert!(world.borrow().at.card().open_channels() <= 2, "{context}: channels left open");
        }
    }
    let kinds: Vec<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["TimeOut"], "one fault is overcome, but for silence: {told:?}");
    assert!(longest.get() >= 20_000, "no fault made it wait");
}

#[test]
fn a_fault_that_stays_is_told_as_what_it_is_in_bounded_time() {
    use SignerError::{FaultDetected, Gone, Locked, NotProvisioned, TimeOut};
    for (plan, channels, generic) in [
        ("silent", TimeOut, TimeOut),
        ("no-ok", TimeOut, TimeOut),
        ("error", Gone, Gone),
        ("cme10", Gone, Gone),
        ("cme11", Locked, Locked),
        ("cme13", Gone, Gone),
        ("lost", FaultDetected, FaultDetected),
        ("half", FaultDetected, FaultDetected),
        ("garbage", FaultDetected, FaultDetected),
        ("restart", Gone, Gone),
        ("restart-after", Gone, Gone),
        ("power", Gone, Gone),
        ("cut", Gone, FaultDetected),
        ("6985", Gone, Locked),
        ("6A82", Gone, NotProvisioned),
        ("6F00", Gone, FaultDetected),
    ] {
        for case in cases() {
            let context = format!("{} {plan}", case.name);
            let world = world(&case, &Plan::always(1..1000, plan.parse().unwrap()));
            let modem = modem(&world);
            let begun = world.borrow().now;
            let expected = if case.access == Access::Channels { channels } else { generic };
            assert_eq!(signer(&case, &world, &modem).sign(&DIGESTS[0]), Err(expected), "{context}");
            let took = world.borrow().now - begun;
            assert!(took <= BOUND_MS, "{context}: {took} ms");
        }
    }
}

#[test]
fn an_applet_or_a_key_that_is_not_there_is_not_provisioned() {
    for case in cases() {
        let world = world(&case, &Plan::default());
        let modem = modem(&world);
        let absent = Applet { aid: &[0xF0, 1, 2, 3, 4], ..case.applet };
        assert_eq!(
            signer(&Case { applet: absent, ..case.clone() }, &world, &modem).public_key(),
            Err(SignerError::NotProvisioned),
            "{}",
            case.name
        );
        let absent = Applet { public_key: b"nobody", ..case.applet };
        assert_eq!(
            signer(&Case { applet: absent, ..case.clone() }, &world, &modem).public_key(),
            Err(SignerError::NotProvisioned),
            "{}",
            case.name
        );
    }
}

/// Bytes, and pieces of what modems and cards say, so that deep states are reached.
fn chatter() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..20),
        6 => proptest::sample::select(vec![
            "\r\n", "OK\r\n", "\r\nERROR\r\n", "\r\n+CME ERROR: 13\r\n", "\r\n+CME ERROR: 14\r\n", "RDY\r\n", "2\r\n",
            "+CCHO: 1\r\n", "+CCHO: 3\r\n", "+CGLA: 4,\"9000\"\r\n", "+CSIM: 4,\"9000\"\r\n", "+CSIM: 6,\"029000\"\r\n",
            "+CGLA: 4,\"6985\"\r\n", "+CSIM: 4,\"6100\"\r\n", "+CGLA: 4,\"6C20\"\r\n", "+CGLA: ", "+CSIM: ", "\"", "330040",
            "+QNBIOTEVENT: \"ENTER DEEPSLEEP\"\r\n", "+CSCON: 0\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_wire_adds_a_signature_is_right_or_an_error_is_told_and_then_it_works_again(
        case in 0_usize..4,
        chatter in proptest::collection::vec((1_usize..120, chatter()), 1..6),
    ) {
        let case = &cases()[case];
        let (_, signatures) = right(case);
        let world = world(case, &Plan::default());
        let modem = modem(&world);
        let mut signer = signer(case, &world, &modem);
        let begun = world.borrow().now;
        world.borrow_mut().chatter = chatter;
        if let Ok(signature) = signer.sign(&DIGESTS[0]) {
            prop_assert_eq!(signature, signatures[0]);
        }
        prop_assert!(world.borrow().now - begun <= 3 * BOUND_MS);
        world.borrow_mut().chatter.clear();
        // The wire may have cost channels; a modem that restarts has them all.
        world.borrow_mut().at.restart();
        world.borrow_mut().say(&[b"".to_vec(), b"RDY".to_vec()]);
        world.borrow_mut().now += 10_000;
        let first = signer.sign(&DIGESTS[1]);
        let second = signer.sign(&DIGESTS[1]);
        prop_assert_eq!(second, Ok(signatures[1]), "after {:?}", first);
    }
}
