// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The firmware against the transcripts of the manuals and of real modems.

use super::*;

fn firmware(dialect: DialectName) -> Firmware {
    Firmware {
        dialect,
        echo_at_start: false,
        coverage: 1,
        network_time: false,
        granted: None,
        wanted: None,
        volatile: Volatile::at_start(false),
        sim: None,
        registered: true,
        radio_connected: false,
    }
}

/// What is said to one command, lines separated by `|`, with opens going well.
fn said(firmware: &mut Firmware, command: &str) -> String {
    said_with(firmware, command, Fate::Proceed)
}

fn said_with(firmware: &mut Firmware, command: &str, fate: Fate) -> String {
    let mut lines = Vec::new();
    for byte in format!("{command}\r\n").bytes() {
        for effect in firmware.hear(byte, &mut |_| fate) {
            match effect {
                Effect::Say(line) => lines.push(line),
                Effect::Open { socket, .. } => lines.push(firmware.opened(socket, true)),
                Effect::Restart => lines.push("(restart)".into()),
                Effect::SimLines { lines: said, late } => {
                    lines.extend(late.then(|| "(late)".to_string()));
                    lines.extend(said.iter().map(|line| String::from_utf8_lossy(line).into_owned()));
                }
                Effect::Echo(_) | Effect::Command(_) | Effect::Close { .. } | Effect::Send { .. } => {}
            }
        }
    }
    lines.join("|")
}

#[test]
fn a_bc660k_speaks_as_in_a_transcript_of_a_real_one() {
    let mut modem = firmware(DialectName::Bc660k);
    for (command, answer) in [
        ("AT", "OK"),
        ("AT+QICFG=\"dataformat\",1,1", "OK"),
        ("AT+QIOPEN=0,0,\"UDP\",\"127.0.0.1\",11001", "OK|+QIOPEN: 0,0"),
        ("AT+QISEND=0,4,\"01020304\"", "OK|SEND OK"),
        ("AT+QISEND=0,4,01020304,2", "OK|SEND OK"),
        ("AT+QISEND=0,0", "+QISEND: 0,0,0|OK"),
        ("AT+QICLOSE=0", "OK|CLOSE OK"),
        ("AT+QICLOSE=0", "ERROR"),
        ("AT+CMEE=1", "OK"),
        ("AT+QICLOSE=0", "+CME ERROR: 3"),
        ("AT+CEREG?", "+CEREG: 0,1|OK"),
        ("AT+CEREG=1", "OK"),
        ("at+cereg?", "+CEREG: 1,1|OK"),
        ("AT+QENG=0", "+QENG: 0,1694,12,284,\"022FE6CF\",-92,-5,-87,10,3,\"33C2\",1,14,2|OK"),
        ("AT+CPSMS=1,,,\"01000011\",\"01000011\"", "OK"),
        ("AT+QISENDEX=0,1,00", "ERROR"),
        ("AT+NONSENSE", "ERROR"),
        ("nonsense", "ERROR"),
    ] {
        assert_eq!(said(&mut modem, command), answer, "{command}");
    }
    assert_eq!(modem.push(0, b"OK"), "+QIURC: \"recv\",0,2,\"4F4B\"");
}

#[test]
fn timers_are_granted_as_asked_for_or_as_the_network_likes_and_told_where_that_was_asked_for() {
    let mut modem = firmware(DialectName::Bc660k);
    said(&mut modem, "AT+CEREG=5");
    assert_eq!(said(&mut modem, "AT+CEREG?"), "+CEREG: 5,1,\"33C2\",\"022FE6CF\",9|OK");
    said(&mut modem, "AT+CPSMS=1,,,\"00111000\",\"00001010\"");
    let told = "\"33C2\",\"022FE6CF\",9,,,\"00001010\",\"00111000\"";
    assert_eq!(said(&mut modem, "AT+CEREG?"), format!("+CEREG: 5,1,{told}|OK"));
    assert_eq!(modem.attach(Timestamp::UNIX_EPOCH)[0], format!("+CEREG: 1,{told}"));
    modem.granted = "11100000,00100110".parse().ok();
    modem.dialect = DialectName::Bc66;
    let told = "\"33C2\",\"022FE6CF\",9,,,,\"11100000\",\"00100110\"";
    assert_eq!(said(&mut modem, "AT+CEREG?"), format!("+CEREG: 5,1,{told}|OK"));
    said(&mut modem, "AT+CEREG=3");
    assert_eq!(said(&mut modem, "AT+CEREG?"), "+CEREG: 3,1,\"33C2\",\"022FE6CF\",9|OK");
    assert!("0000,1".parse::<Granted>().is_err());
}

#[test]
fn a_bc66_has_its_own_context_send_command_and_notation() {
    let mut modem = firmware(DialectName::Bc66);
    for (command, answer) in [
        ("AT+QIOPEN=0,0,\"UDP\",\"127.0.0.1\",1,0,1", "ERROR"),
        ("AT+QIOPEN=1,0,\"UDP\",\"127.0.0.1\",1,0,1", "OK|+QIOPEN: 0,0"),
        ("AT+QISENDEX=0,2,4F4B", "OK|SEND OK"),
        ("AT+QISENDEX=0,2,4F4B,2", "ERROR"),
        ("AT+QNBIOTRAI=2", "OK"),
    ] {
        assert_eq!(said(&mut modem, command), answer, "{command}");
    }
    assert_eq!(modem.push(0, b"OK"), "+QIURC: \"recv\",0\r\nOK");
    said(&mut modem, "AT+QICFG=\"dataformat\",1,1");
    said(&mut modem, "AT+QICFG=\"viewmode\",1");
    said(&mut modem, "AT+QICFG=\"showlength\",1");
    assert_eq!(modem.push(0, b"OK"), "+QIURC: \"recv\",0,2,4F4B");
}

#[test]
fn release_assistance_reaches_the_datagram_it_is_meant_for() {
    let releases = |dialect, commands: &[&str]| -> Vec<u8> {
        let mut modem = firmware(dialect);
        said(&mut modem, "AT+QICFG=\"dataformat\",1,1");
        let context = if dialect == DialectName::Bc66 { 1 } else { 0 };
        said(&mut modem, &format!("AT+QIOPEN={context},0,\"UDP\",\"127.0.0.1\",1,0,1"));
        let bytes: Vec<u8> = commands.iter().flat_map(|command| format!("{command}\r").into_bytes()).collect();
        let effects = bytes.into_iter().flat_map(|byte| modem.hear(byte, &mut |_| Fate::Proceed));
        effects
            .filter_map(|effect| if let Effect::Send { release, .. } = effect { Some(release) } else { None })
            .collect()
    };
    assert_eq!(releases(DialectName::Bc660k, &["AT+QISEND=0,1,\"00\"", "AT+QISEND=0,1,\"00\",2"]), [0, 2]);
    let bc66 = ["AT+QNBIOTRAI=2", "AT+QISENDEX=0,1,00", "AT+QISENDEX=0,1,00"];
    assert_eq!(releases(DialectName::Bc66, &bc66), [2, 0]);
}

#[test]
fn a_send_must_say_what_it_holds() {
    let mut modem = firmware(DialectName::Bc660k);
    said(&mut modem, "AT+QICFG=\"dataformat\",1,1");
    said(&mut modem, "AT+QIOPEN=0,0,\"UDP\",\"127.0.0.1\",1,0,1");
    for wrong in
        ["0,2,\"00\"", "0,1,\"0\"", "0,1,\"0G\"", "1,1,\"00\"", "9,1,\"00\"", "0,1,\"00\",3", "0,1,\"00\",2,2", "0"]
    {
        assert_eq!(said(&mut modem, &format!("AT+QISEND={wrong}")), "ERROR", "{wrong}");
    }
    assert_eq!(said(&mut modem, &format!("AT+QISEND=0,1024,{}", "00".repeat(1024))), "OK|SEND OK");
    assert_eq!(said(&mut modem, &format!("AT+QISEND=0,1025,{}", "00".repeat(1025))), "ERROR");
}

#[test]
fn faults_strike_where_they_are_told_to() {
    let mut modem = firmware(DialectName::Bc660k);
    said(&mut modem, "AT+CMEE=1");
    let open = "AT+QIOPEN=0,0,\"UDP\",\"127.0.0.1\",1,0,1";
    assert_eq!(said_with(&mut modem, open, Fate::Refuse), "+CME ERROR: 3");
    assert_eq!(said_with(&mut modem, open, Fate::Crash), "(restart)");
    assert_eq!(said_with(&mut modem, "AT+CSQ", Fate::Crash), "+CSQ: 22,0|OK");
}

#[test]
fn nothing_opens_before_the_network_is_there() {
    let mut modem = firmware(DialectName::Bc660k);
    modem.registered = false;
    assert_eq!(said(&mut modem, "AT+QIOPEN=0,0,\"UDP\",\"127.0.0.1\",1,0,1"), "ERROR");
    said(&mut modem, "AT+CEREG=1");
    assert_eq!(modem.attach(Timestamp::UNIX_EPOCH), ["+CEREG: 1", "+IP: 10.170.0.2"]);
    assert_eq!(said(&mut modem, "AT+QIOPEN=0,0,\"UDP\",\"127.0.0.1\",1,0,1"), "OK|+QIOPEN: 0,0");
}

#[test]
fn echo_repeats_what_was_heard_until_it_is_turned_off() {
    let mut modem = firmware(DialectName::Bc660k);
    modem.volatile.echo = true;
    let echoed = |modem: &mut Firmware, text: &str| -> String {
        let effects = text.bytes().flat_map(|byte| modem.hear(byte, &mut |_| Fate::Proceed)).collect::<Vec<_>>();
        effects
            .iter()
            .filter_map(|effect| if let Effect::Echo(byte) = effect { Some(*byte as char) } else { None })
            .collect()
    };
    assert_eq!(echoed(&mut modem, "ATE0\r"), "ATE0\r");
    assert_eq!(echoed(&mut modem, "AT\r"), "");
}

#[test]
fn a_line_without_end_is_refused_and_the_next_is_heard() {
    let mut modem = firmware(DialectName::Bc660k);
    assert_eq!(said(&mut modem, &"A".repeat(100_000)), "ERROR");
    assert_eq!(said(&mut modem, "AT"), "OK");
}

#[test]
fn a_modem_without_a_sim_says_so_and_one_with_it_passes_commands_on() {
    let mut modem = firmware(DialectName::Bc660k);
    said(&mut modem, "AT+CMEE=1");
    assert_eq!(said(&mut modem, "AT+CSIM=10,\"0070000001\""), "+CME ERROR: 10");
    let applet = cairn_sim_applet::Applet::secp256k1().with_secret(&[7; 32]);
    let plan: cairn_sim_applet::Plan = "6:late,7:silent,8:error,9:restart".parse().unwrap();
    let card = cairn_sim_applet::Card::new(vec![applet], cairn_sim_applet::Protocol::T0, [1; 32], plan.clone());
    modem.sim = Some(At::new(card, plan));
    for (command, answer) in [
        ("AT+CSIM=10,\"0070000001\"", "+CSIM: 6,\"019000\"|OK"),
        ("AT+CCHO=\"F0434149524E4B31\"", "+CCHO: 2|OK"),
        ("AT+CGLA=2,16,\"80CD000003850102\"", "+CGLA: 4,\"6147\"|OK"),
        ("AT+CGLA=5,16,\"80CD000003850102\"", "+CME ERROR: 3"),
        ("AT+CSIM=12,\"0070000001\"", "+CME ERROR: 50"),
        ("AT+CCHC=2", "(late)|+CCHC|OK"),
        ("AT+CCHC=2", ""),
        ("AT+CCHC=2", "ERROR"),
        ("AT+CCHC=2", "(restart)"),
    ] {
        assert_eq!(said(&mut modem, command), answer, "{command}");
    }
}

#[test]
fn the_network_tells_the_time_to_a_modem_that_reports_it_and_the_driver_reads_it() {
    let now = Timestamp::from_second(1_795_289_405).unwrap();
    let mut modem = Firmware { network_time: true, ..firmware(DialectName::Bc660k) };
    assert_eq!(modem.attach(now), ["+IP: 10.170.0.2"], "nobody asked");
    assert_eq!(said(&mut modem, "AT+CTZR=3"), "OK");
    let lines = modem.attach(now);
    assert_eq!(lines, ["+IP: 10.170.0.2", "+CTZEU: \"+32\",0,\"2026/11/21,19:30:05\""]);
    let told = lines[1].strip_prefix("+CTZEU: ").unwrap();
    assert_eq!(cairn_at_modem::parser::universal_time(told.as_bytes()), Some(1_795_289_405_000));
    modem.network_time = false;
    assert_eq!(modem.attach(now), ["+IP: 10.170.0.2"], "this network tells none");
}
