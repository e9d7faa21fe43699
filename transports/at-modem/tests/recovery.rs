// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the driver does when the modem is silent, refuses, restarts, sleeps or has no network, on virtual time against a
//! scripted modem.

mod bench;
mod wire;

use bench::{Bench, SETTINGS};
use cairn::time::Millis;
use cairn_at_modem::{
    Error,
    dialect::{BC66, BC660K},
    modem::Failure,
};

#[test]
fn a_silent_modem_is_woken_as_often_as_the_dialect_says_and_then_given_up() {
    let mut bench = Bench::new(&BC660K);
    bench.answer("AT", "", 10);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::NoAnswer)));
    assert_eq!(bench.commands, vec!["AT"; 10]);
    assert_eq!(bench.modem.counters().no_answer, 10);
    // It comes to life: the next send works without further ado.
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
}

#[test]
fn late_answers_to_earlier_wake_ups_are_not_taken_for_later_ones() {
    let mut bench = Bench::new(&BC660K);
    bench.answer("AT", "", 3);
    bench.answer("AT", "OK|OK|OK|OK", 1);
    // One answer at a time reaches the driver.
    bench.chunk = b"\r\nOK\r\n".len();
    let mut socket = bench.connected();
    bench.answer("AT+QICFG", "+CME ERROR: 50", 1);
    // Were a late OK taken for the answer to a later command, a later command would be refused in its stead.
    assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::Refused(Some(50)))));
    assert_eq!(bench.commands[..5], ["AT", "AT", "AT", "AT", "ATE0"]);
}

#[test]
fn a_modem_that_was_silent_for_long_is_woken_before_the_next_command() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.advance(60_000);
    bench.answer("AT", "", 1);
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.commands, ["AT", "AT", "AT+QISEND=0,1,\"78\",2"]);
}

#[test]
fn lines_that_waited_in_the_port_do_not_prove_that_the_modem_is_awake() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.say("+CSCON: 0");
    bench.turn();
    bench.advance(60_000);
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.commands, ["AT", "AT+QISEND=0,1,\"78\",2"]);
    bench.commands.clear();
    assert_eq!(bench.send(&mut socket, b"y"), Ok(()));
    assert_eq!(bench.commands, ["AT+QISEND=0,1,\"79\",2"]);
}

#[test]
fn every_command_that_gets_no_answer_ends_the_send_after_its_limit_and_the_next_send_recovers() {
    let silent = [
        ("ATE0", 5_000),
        ("AT+CFUN", 25_000),
        ("AT+CEREG?", 5_000),
        ("AT+QICLOSE", 10_000),
        ("AT+QIOPEN", 60_000),
        ("AT+QISEND", 30_000),
    ];
    for (prefix, limit) in silent {
        let mut bench = Bench::new(&BC660K);
        bench.answer(prefix, "", 1);
        let mut socket = bench.connected();
        let start = bench.modem.wake_at();
        assert_eq!(start, None);
        assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::NoAnswer)), "{prefix}");
        assert_eq!(cairn::ports::Clock::now(&bench.clock), Millis(limit), "{prefix}");
        assert_eq!(bench.send(&mut socket, b"x"), Ok(()), "{prefix}");
    }
}

#[test]
fn an_ok_without_its_verdict_is_no_success() {
    for prefix in ["AT+QIOPEN", "AT+QISEND"] {
        let mut bench = Bench::new(&BC660K);
        bench.answer(prefix, "OK", 1);
        let mut socket = bench.connected();
        assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::NoAnswer)), "{prefix}");
    }
}

#[test]
fn a_close_that_is_only_said_ok_to_counts_as_closed_in_the_end() {
    let mut bench = Bench::new(&BC660K);
    bench.answer("AT+QICLOSE", "OK", 1);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
}

#[test]
fn refusals_are_told_with_their_number_and_the_next_send_starts_over() {
    let refusals = [
        ("AT+QIOPEN", "ERROR", None),
        ("AT+QIOPEN", "+CME ERROR: 53", Some(53)),
        ("AT+QIOPEN", "OK|+QIOPEN: 0,566", Some(566)),
        ("AT+QISEND", "ERROR", None),
        ("AT+QISEND", "+CME ERROR: 602", Some(602)),
        ("AT+QISEND", "OK|SEND FAIL", None),
        ("ATE0", "ERROR", None),
        ("AT+QICFG", "+CME ERROR: 50", Some(50)),
    ];
    for (prefix, answer, number) in refusals {
        let mut bench = Bench::new(&BC660K);
        bench.answer(prefix, answer, 1);
        let mut socket = bench.connected();
        assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::Refused(number))), "{prefix} {answer}");
        assert_eq!(bench.send(&mut socket, b"x"), Ok(()), "{prefix} {answer}");
    }
}

#[test]
fn refusals_that_do_no_harm_do_none() {
    for prefix in ["AT+CFUN", "AT+QSCLK", "AT+CSCON", "AT+QCFG", "AT+QICLOSE", "AT+QNBIOTRAI"] {
        let mut bench = Bench::new(&BC66);
        bench.answer(prefix, "ERROR", 9);
        let mut socket = bench.connected();
        assert_eq!(bench.send(&mut socket, b"x"), Ok(()), "{prefix}");
    }
}

#[test]
fn after_a_failed_send_the_socket_is_closed_and_opened_again() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.answer("AT+QISEND", "OK|SEND FAIL", 1);
    assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::Refused(None))));
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert!(bench.commands[1].starts_with("AT+QICLOSE") && bench.commands[2].starts_with("AT+QIOPEN"));
}

#[test]
fn a_reboot_in_mid_send_fails_it_once_and_the_next_send_sets_the_modem_up_again() {
    for answer in ["RDY", "OK|RDY|+CPIN: READY", "OK|RDY|SEND OK"] {
        let mut bench = Bench::new(&BC660K);
        let mut socket = bench.opened();
        bench.answer("AT+QISEND", answer, 1);
        assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::Rebooted)), "{answer}");
        assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock), "told once: {answer}");
        bench.commands.clear();
        assert_eq!(bench.send(&mut socket, b"x"), Ok(()), "{answer}");
        assert_eq!(bench.commands[..2], ["AT", "ATE0"], "{answer}");
        assert_eq!(bench.modem.counters().reboots, 1);
        assert_eq!(bench.modem.counters().opened, 2);
    }
}

#[test]
fn a_reboot_while_waiting_for_a_datagram_is_told_once_by_receive() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.say("RDY");
    bench.turn();
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::Other(Error::Failed(Failure::Rebooted))));
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
}

#[test]
fn a_reboot_before_the_datagram_was_touched_costs_time_only_but_a_boot_loop_ends() {
    let mut bench = Bench::new(&BC660K);
    bench.answer("AT+CSCON", "RDY", 3);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    bench.say("RDY");
    bench.settle();
    bench.answer("AT+CSCON", "RDY", 99);
    assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::Rebooted)));
}

#[test]
fn deep_sleep_closes_sockets_without_an_error_and_the_next_send_opens_them() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.say("+QNBIOTEVENT: \"ENTER DEEPSLEEP\"");
    bench.turn();
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.modem.counters().opened, 2);
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
}

#[test]
fn a_loss_that_a_later_send_made_good_is_not_told() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.say("RDY");
    bench.settle();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
}

#[test]
fn a_socket_that_was_not_open_cannot_be_lost() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.connected();
    bench.say("+QIURC: \"closed\",0|RDY|+QIURC: \"closed\",7|+QIURC: \"closed\",");
    bench.settle();
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
}

#[test]
fn a_socket_closed_by_the_network_is_told_after_its_datagrams_and_opened_by_the_next_send() {
    let mut bench = Bench::new(&BC660K);
    let mut socket = bench.opened();
    bench.say("+QIURC: \"recv\",0,1,\"2A\"|+QIURC: \"closed\",0");
    bench.turn();
    assert_eq!(bench.receive(&mut socket).unwrap().0, [0x2A]);
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::Other(Error::Failed(Failure::Closed))));
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    // Until then it takes nothing in.
    bench.say("+QIURC: \"recv\",0,1,\"2A\"");
    bench.turn();
    assert_eq!(bench.receive(&mut socket), Err(nb::Error::WouldBlock));
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
}

#[test]
fn a_send_waits_for_the_network_and_no_longer_than_the_limit() {
    let mut bench = Bench::with(&BC660K, SETTINGS);
    bench.answer("AT+CEREG?", "+CEREG: 1,2|OK", 3);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(bench.commands.iter().filter(|command| *command == "AT+CEREG?").count(), 4);

    let mut bench = Bench::with(&BC660K, SETTINGS);
    bench.answer("AT+CEREG?", "+CEREG: 1,2|OK", usize::MAX);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Err(Error::Failed(Failure::NoNetwork)));
    assert_eq!(cairn::ports::Clock::now(&bench.clock), Millis(60_000));
}

#[test]
fn an_unsolicited_registration_ends_the_wait_for_the_network_at_once() {
    let mut bench = Bench::with(&BC660K, SETTINGS);
    bench.answer("AT+CEREG?", "+CEREG: 1,2|OK|+CEREG: 5", 1);
    let mut socket = bench.connected();
    assert_eq!(bench.send(&mut socket, b"x"), Ok(()));
    assert_eq!(cairn::ports::Clock::now(&bench.clock), Millis(0));
}
