// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the driver does when the modem does what modems do, on virtual time against a scripted modem.

mod bench;
mod wire;

use bench::{Bench, PEER, RX, SETTINGS, TX};
use cairn::{
    ports::Clock as _,
    power::cost::{Attach, CoverageLevel, Heard, PsmTimers},
    time::{Millis, TimeQuality, WallTime},
};
use cairn_at_modem::{
    Error, Settings,
    dialect::{BC66, BC660K},
    modem::Psm,
};
use embedded_nal::UdpClientStack;

#[test]
fn the_first_send_wakes_sets_up_opens_and_sends_in_this_order() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"OK"), Ok(()));
    assert_eq!(
        bench.commands,
        [
            "AT",
            "ATE0",
            "AT+CMEE=1",
            "AT+CFUN=1",
            "AT+QSCLK=1",
            "AT+CSCON=1",
            "AT+CEREG=5",
            "AT+CTZR=3",
            "AT+QCFG=\"dsevent\",1",
            "AT+QICFG=\"dataformat\",1,1",
            "AT+CEREG?",
            "AT+QICLOSE=0",
            "AT+QIOPEN=0,0,\"UDP\",\"192.0.2.7\",5683,0,1",
            "AT+QISEND=0,2,\"4F4B\",2",
        ]
    );
    bench.commands.clear();
    assert_eq!(bench.send(&mut socket, b"again"), Ok(()));
    assert_eq!(bench.commands, ["AT+QISEND=0,5,\"616761696E\",2"]);
}

#[test]
fn the_bc66_is_asked_in_its_own_words() {
    let mut bench = Bench::new(&BC66);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"OK"), Ok(()));
    assert_eq!(
        bench.commands[9..],
        [
            "AT+QICFG=\"dataformat\",1,1",
            "AT+QICFG=\"viewmode\",1",
            "AT+QICFG=\"showlength\",1",
            "AT+CEREG?",
            "AT+QICLOSE=0",
            "AT+QIOPEN=1,0,\"UDP\",\"192.0.2.7\",5683,0,1",
            "AT+QNBIOTRAI=2",
            "AT+QISENDEX=0,2,4F4B",
        ]
    );
}

#[test]
fn without_release_assistance_no_dialect_mentions_it() {
    for (dialect, send) in [(&BC660K, "AT+QISEND=0,2,\"4F4B\""), (&BC66, "AT+QISENDEX=0,2,4F4B")] {
        let mut bench = Bench::with(dialect, SETTINGS);
        let mut socket = bench.connected();
        assert_eq!(bench.send(&mut socket, b"OK"), Ok(()));
        assert_eq!(bench.commands.last().unwrap(), send);
        assert!(!bench.commands.iter().any(|command| command.contains("RAI")));
    }
}

#[test]
fn a_datagram_is_received_from_the_peer_in_both_dialects_notations() {
    for (dialect, line) in [(&BC660K, "+QIURC: \"recv\",0,3,\"00ffA5\""), (&BC66, "+QIURC: \"recv\",0,3,00FFA5")] {
        let mut bench = Bench::new(dialect);
        let mut socket = bench.opened();
        assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
        bench.say(line);
        bench.turn();
        assert_eq!(bench.receive(&mut socket), Ok((vec![0, 0xFF, 0xA5], PEER.parse().unwrap())));
        assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    }
}

#[test]
fn a_datagram_of_no_bytes_is_received_as_one() {
    for line in ["+QIURC: \"recv\",0,0,\"\"", "+QIURC: \"recv\",0,0,", "+QIURC: \"recv\",0,0"] {
        let mut bench = Bench::new(&BC660K);
        let mut socket = bench.opened();
        bench.say(line);
        bench.turn();
        assert_eq!(bench.receive(&mut socket), Ok((vec![], PEER.parse().unwrap())), "{line}");
    }
}

#[test]
fn a_datagram_of_no_bytes_or_too_many_is_not_sent() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    assert_eq!(bench.send(&mut socket, b""), Err(Error::Empty));
    assert_eq!(bench.send(&mut socket, &[7; TX + 1]), Err(Error::TooLong));
    assert!(bench.commands.is_empty());
    assert_eq!(bench.send(&mut socket, &[7; TX]), Ok(()));
}

#[test]
fn an_unsolicited_code_in_the_middle_of_an_answer_disturbs_nothing() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.connected();
    bench.answer("AT+QISEND", "+CSCON: 1|OK|+QIURC: \"recv\",0,1,\"2A\"|+CEREG: 5|SEND OK", 1);
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.receive(&mut socket).unwrap().0, [0x2A]);
    assert_eq!(bench.modem.radio().connected, Some(true));
    assert_eq!(bench.modem.radio().registered, Some(true));
}

#[test]
fn echo_on_makes_no_difference() {
    let mut bench = Bench::new(&BC660K);
    bench.echo = true;
    let mut socket = bench.connected();
    // Longer as a command line than the driver's line buffer: its echo is dropped whole.
    assert_eq!(bench.send(&mut socket, &[0x4F; 200]), Ok(()));
    assert!(bench.modem.counters().lines_dropped > 0);
    bench.say("+QIURC: \"recv\",0,1,\"2A\"");
    bench.turn();
    assert_eq!(bench.receive(&mut socket).unwrap().0, [0x2A]);
}

#[test]
fn every_way_of_splitting_the_modems_bytes_gives_the_same_dialogue() {
    let run = |chunk: usize| {
        let mut bench = Bench::with(&BC660K, Settings::default());
        bench.chunk = chunk;
        bench.echo = true;
        let mut socket = bench.connected();
        bench.answer("AT+QISEND", "OK|SEND OK|+QIURC: \"recv\",0,2,\"0102\"|+QIURC: \"recv\",0,0,\"\"", 1);
        bench.send(&mut socket, b"uplink").unwrap();
        bench.settle();
        let datagrams = [bench.receive(&mut socket), bench.receive(&mut socket), bench.receive(&mut socket)];
        (bench.commands, datagrams, bench.modem.counters(), bench.modem.radio().coverage)
    };
    let whole = run(usize::MAX);
    assert_eq!(whole.1.iter().filter(|datagram| datagram.is_ok()).count(), 2);
    for chunk in 1..120 {
        assert_eq!(run(chunk), whole, "chunks of {chunk}");
    }
}

#[test]
fn a_datagram_split_at_any_byte_is_received_once_and_only_when_its_line_ended() {
    let line = b"\r\n+QIURC: \"recv\",0,4,\"DEADBEEF\"\r\n";
    for cut in 0..line.len() {
        let mut bench = Bench::new(&BC660K);
        let mut socket = bench.opened();
        bench.raw(&line[..cut]);
        bench.turn();
        // The CR ends the line; the LF behind it says nothing new.
        let early = bench.receive(&mut socket);
        assert_eq!(early.is_ok(), cut == line.len() - 1, "cut at {cut}");
        bench.raw(&line[cut..]);
        bench.turn();
        let late = bench.receive(&mut socket);
        assert_eq!(
            [early, late].into_iter().flatten().map(|found| found.0).collect::<Vec<_>>(),
            [[0xDE, 0xAD, 0xBE, 0xEF]]
        );
    }
}

#[test]
fn several_datagrams_queue_in_order_and_one_too_many_is_counted() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    for byte in 1..=3 {
        bench.say(&format!("+QIURC: \"recv\",0,1,\"0{byte}\""));
    }
    bench.turn();
    assert_eq!(bench.receive(&mut socket).unwrap().0, [1]);
    assert_eq!(bench.receive(&mut socket).unwrap().0, [2]);
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    let counters = bench.modem.counters();
    assert_eq!((counters.received, counters.queue_full), (2, 1));
}

#[test]
fn sockets_have_their_own_datagrams() {
    let mut bench = Bench::new(&BC660K);
    let mut first = bench.opened();
    let mut second = bench.opened();
    assert_eq!(bench.modem.socket(), Err(Error::NoSocket));
    bench.say("+QIURC: \"recv\",1,1,\"11\"|+QIURC: \"recv\",0,1,\"00\"");
    bench.turn();
    assert_eq!(bench.receive(&mut first).unwrap().0, [0]);
    assert_eq!(bench.receive(&mut first), Err(nb::Error::WouldBlock));
    assert_eq!(bench.receive(&mut second).unwrap().0, [0x11]);
}

#[test]
fn a_datagram_that_contradicts_itself_or_belongs_to_nobody_is_dropped_and_counted() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    let bad = [
        "+QIURC: \"recv\",0,2,\"00\"",
        "+QIURC: \"recv\",0,1,\"0000\"",
        "+QIURC: \"recv\",0,1,\"0\"",
        "+QIURC: \"recv\",0,1,\"0G\"",
        "+QIURC: \"recv\",0,1",
        "+QIURC: \"recv\",0,-1,\"00\"",
        "+QIURC: \"recv\",1,1,\"00\"",
        "+QIURC: \"recv\",9,1,\"00\"",
        "+QIURC: \"recv\",300,1,\"00\"",
        "+QIURC: \"recv\",,1,\"00\"",
        "+QIURC: \"recv\",0",
        "+QIURC: \"recv\",",
    ];
    for line in bad {
        bench.say(line);
        bench.turn();
        assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock), "{line}");
    }
    assert_eq!(bench.modem.counters().stray as usize, bad.len());
    bench.say(&format!("+QIURC: \"recv\",0,{},\"{}\"", RX + 1, "00".repeat(RX + 1)));
    bench.turn();
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(bench.modem.counters().too_long, 1);
}

#[test]
fn a_datagram_too_long_for_the_callers_buffer_is_an_error_once() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.say("+QIURC: \"recv\",0,3,\"010203\"");
    bench.turn();
    let mut small = [0; 2];
    assert_eq!(bench.modem.receive(&mut socket, &mut small), Err(nb::Error::Other(Error::Truncated)));
    assert_eq!(bench.modem.receive(&mut socket, &mut small), Err(nb::Error::WouldBlock));
}

#[test]
fn an_over_long_line_is_dropped_and_the_next_line_is_read() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.raw(&[b'x'; 5000]);
    bench.say("|+QIURC: \"recv\",0,1,\"2A\"");
    bench.turn();
    while bench.modem.counters().received == 0 {
        bench.modem.poll().unwrap();
    }
    assert_eq!(bench.receive(&mut socket).unwrap().0, [0x2A]);
    assert_eq!(bench.modem.counters().lines_dropped, 1);
}

#[test]
fn noise_between_lines_is_ignored_and_noise_in_a_datagram_drops_it() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.raw(b"\xFF\x00\x80\r\n\x00\x00");
    bench.raw(b"+QIURC: \"recv\",0,2,\"01\xFF02\"\r\n");
    bench.raw(b"\xFE+QIURC: \"recv\",0,1,\"2A\"\r\n");
    bench.turn();
    assert_eq!(bench.receive(&mut socket).unwrap().0, [0x2A]);
    assert_eq!(bench.modem.counters().lines_dropped, 1);
}

#[test]
fn the_radio_is_surveyed_after_a_send_and_its_tail_measured() {
    let mut bench = Bench::with(&BC660K, Settings::default());
    let mut socket = bench.connected();
    assert_eq!(bench.modem.radio(), Default::default());
    bench.answer("AT+QISEND", "OK|+CSCON: 1|SEND OK", 1);
    bench.send(&mut socket, b"x").unwrap();
    bench.settle();
    let radio = bench.modem.radio();
    assert_eq!(radio.coverage, Some(CoverageLevel::Ce1));
    assert_eq!((radio.rssi_dbm, radio.rsrp_dbm), (Some(-69), Some(-92)));
    assert_eq!((radio.connected, radio.tail), (Some(true), None));
    bench.advance(9_500);
    bench.say("+CSCON: 0");
    bench.settle();
    assert_eq!((bench.modem.radio().connected, bench.modem.radio().tail), (Some(false), Some(Millis(9_500))));
}

#[test]
fn power_saving_timers_are_requested_when_set() {
    let psm = Psm::from_secs(86_400, 20);
    let mut bench = Bench::with(&BC660K, Settings { psm: Some(psm), ..SETTINGS });
    let mut socket = bench.connected();
    bench.send(&mut socket, b"x").unwrap();
    assert!(bench.commands.contains(&"AT+CPSMS=1,,,\"00111000\",\"00001010\"".to_string()), "{:?}", bench.commands);
}

#[test]
fn a_closed_socket_is_closed_on_the_modem_and_its_datagrams_are_gone() {
    let mut bench = Bench::new(&BC660K);
    let socket = bench.opened();
    bench.say("+QIURC: \"recv\",0,1,\"2A\"");
    bench.turn();
    bench.modem.close(socket).unwrap();
    bench.settle();
    assert_eq!(bench.commands, ["AT+QICLOSE=0"]);
    let mut socket = bench.opened();
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
}

#[test]
fn a_send_given_up_half_way_never_lends_its_result_to_another() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.answer("AT+QISEND", "OK|SEND FAIL", 1);
    assert_eq!(bench.modem.send(&mut socket, b"one"), Err(nb::Error::WouldBlock));
    // Other bytes: they wait for the first, whose failure is not theirs.
    assert_eq!(bench.send(&mut socket, b"two"), Ok(()));
    // The same bytes on a socket opened anew: sent again, not answered by what the old socket's send came to.
    assert_eq!(bench.modem.send(&mut socket, b"three"), Err(nb::Error::WouldBlock));
    bench.modem.close(socket).unwrap();
    bench.commands.clear();
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"three"), Ok(()));
    let sends = bench.commands.iter().filter(|command| command.starts_with("AT+QISEND=0,5,\"7468726565\"")).count();
    assert_eq!(sends, 2, "{:?}", bench.commands);
}

#[test]
fn connecting_elsewhere_opens_the_socket_anew() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.modem.connect(&mut socket, PEER.parse().unwrap()).unwrap();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.commands.len(), 1, "same peer: {:?}", bench.commands);
    bench.modem.connect(&mut socket, "198.51.100.1:1".parse().unwrap()).unwrap();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.commands[1..3], ["AT+QICLOSE=0", "AT+QIOPEN=0,0,\"UDP\",\"198.51.100.1\",1,0,1"]);
}

#[test]
fn a_send_to_the_former_peer_is_no_send_to_the_new_one() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    assert_eq!(bench.modem.send(&mut socket, b"x"), Err(nb::Error::WouldBlock));
    bench.modem.connect(&mut socket, "198.51.100.1:1".parse().unwrap()).unwrap();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    let sends = bench.commands.iter().filter(|command| command.starts_with("AT+QISEND")).count();
    assert_eq!(sends, 2, "{:?}", bench.commands);
    assert!(bench.commands.last().unwrap().starts_with("AT+QISEND"));
    assert!(bench.commands.iter().any(|command| command.contains("198.51.100.1")));
}

#[test]
fn the_datagrams_of_a_closed_socket_take_no_room_in_the_queue() {
    let mut bench = Bench::new(&BC660K);
    let first = bench.opened();
    let mut second = bench.opened();
    bench.say("+QIURC: \"recv\",0,1,\"00\"|+QIURC: \"recv\",0,1,\"01\"");
    bench.settle();
    bench.modem.close(first).unwrap();
    bench.say("+QIURC: \"recv\",1,1,\"11\"");
    bench.settle();
    assert_eq!(bench.receive(&mut second).unwrap().0, [0x11]);
}

#[test]
fn misuse_is_told() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.modem.socket().unwrap();
    assert_eq!(bench.send(&mut socket, b"x"), Err(Error::NotConnected));
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::Other(Error::NotConnected)));
    let six = "[2001:db8::1]:5683".parse().unwrap();
    assert_eq!(bench.modem.connect(&mut socket, six), Err(Error::AddressFamily));
}

#[test]
fn nothing_is_said_to_the_modem_and_no_wake_is_asked_for_while_there_is_nothing_to_do() {
    let mut bench = Bench::with(&BC660K, Settings::default());
    bench.opened();
    assert_eq!(bench.modem.wake_at(), None);
    for _ in 0..100 {
        bench.advance(60_000);
        bench.modem.poll().unwrap();
        bench.turn();
    }
    assert_eq!(bench.commands, Vec::<String>::new());
}

/// 2026-11-21 19:30:05 UTC.
const TOLD: &str = "+CTZEU: \"+32\",0,\"2026/11/21,19:30:05\"";
const TOLD_MS: u64 = 1_795_289_405_000;

#[test]
fn the_time_that_the_network_tells_sets_a_clock_that_nothing_better_set() {
    let network = |unix_ms| WallTime { unix_ms, quality: TimeQuality::Network };
    for (before, after) in [
        (WallTime::default(), network(TOLD_MS)),
        (WallTime { unix_ms: TOLD_MS + 1, quality: TimeQuality::Relay }, network(TOLD_MS)),
        (network(TOLD_MS + 1_999), network(TOLD_MS + 1_999)),
        (network(TOLD_MS - 2_000), network(TOLD_MS)),
        (
            WallTime { unix_ms: 7, quality: TimeQuality::Authenticated },
            WallTime { unix_ms: 7, quality: TimeQuality::Authenticated },
        ),
    ] {
        let mut bench = Bench::new(&BC660K);
        let mut socket = bench.connected();
        bench.clock.set_wall(before);
        bench.answer("AT+CEREG?", &format!("+CEREG: 1,1|{TOLD}|OK"), 1);
        assert_eq!(bench.send(&mut socket, b"OK"), Ok(()));
        assert_eq!(bench.clock.wall(), after, "{before:?}");
    }
}

/// What lies in the UART's buffer while the task sleeps tells when the modem spoke, not when it was heard.
#[test]
fn a_time_that_was_not_heard_when_it_was_told_sets_nothing() {
    for (asleep, heard) in [(2_000, true), (2_001, false), (3_600_000, false)] {
        let mut bench = Bench::new(&BC66);
        let mut socket = bench.connected();
        assert_eq!(bench.send(&mut socket, b"OK"), Ok(()));
        bench.say(TOLD);
        bench.turn();
        bench.advance(asleep);
        bench.modem.poll().unwrap();
        assert_eq!(bench.clock.wall().quality == TimeQuality::Network, heard, "after {asleep} ms");
    }
}

#[test]
fn a_modem_that_knows_no_time_reports_sends_all_the_same() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.connected();
    bench.answer("AT+CTZR", "+CME ERROR: 50", 1);
    assert_eq!(bench.send(&mut socket, b"OK"), Ok(()));
    assert_eq!(bench.clock.wall(), WallTime::default());
}

#[test]
fn granted_timers_are_told_once_each_time_the_network_tells_them() {
    const DAY: Millis = Millis::from_secs(24 * 3600);
    let told = |active, periodic_update| Some(PsmTimers { active, periodic_update });
    for (dialect, filler) in [(&BC660K, ",,,"), (&BC66, ",,,,")] {
        let mut bench = Bench::new(dialect);
        let mut socket = bench.connected();
        let read = format!("+CEREG: 5,1,\"1001\",\"00100100\",9{filler}\"00001010\",\"00111000\"|OK");
        bench.answer("AT+CEREG?", &read, 1);
        bench.send(&mut socket, b"x").unwrap();
        assert_eq!(bench.modem.heard().timers, told(Some(Millis::from_secs(20)), Some(DAY)), "{}", dialect.name);
        assert_eq!(bench.modem.heard().timers, None, "once");
        bench.say(&format!("+CEREG: 5,\"0001\",\"00100100\",9{filler}\"11100000\",\"00100110\""));
        bench.settle();
        assert_eq!(bench.modem.heard().timers, told(None, Some(Millis::from_secs(6 * 3600))), "{}", dialect.name);
        assert_eq!(bench.modem.radio().registered, Some(true));
        for silent in
            ["+CEREG: 1,\"1001\",\"00100100\",9", "+CEREG: 3,,,,,0,15", "+CEREG: 5,1,\"1001\",\"01010101\",9,,0,15"]
        {
            bench.say(silent);
            bench.settle();
            assert_eq!(bench.modem.heard().timers, None, "{silent}");
        }
    }
}

#[test]
fn an_exchange_tells_its_coverage_and_whether_the_modem_had_to_attach_and_the_next_tells_its_own() {
    let mut bench = Bench::with(&BC660K, Settings::default());
    let mut socket = bench.connected();
    assert_eq!(bench.modem.heard(), Heard::default(), "nothing is known before it was asked");
    bench.answer("AT+CEREG?", "+CEREG: 5,2|OK", 2);
    bench.send(&mut socket, b"x").unwrap();
    bench.settle();
    let first = bench.modem.heard();
    assert_eq!((first.attach, first.coverage), (Attach::Attached, Some(CoverageLevel::Ce1)));
    bench.answer("AT+QENG", "ERROR", 1);
    bench.send(&mut socket, b"y").unwrap();
    bench.settle();
    let second = bench.modem.heard();
    assert_eq!(
        (second.attach, second.coverage),
        (Attach::Registered, None),
        "no level is told that is not this exchange's"
    );
}
