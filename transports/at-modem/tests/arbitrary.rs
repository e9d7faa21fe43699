// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whatever the UART brings: no panic, and no datagram that no line announced.

mod bench;
mod wire;

use bench::{Bench, RX};
use cairn_at_modem::{
    dialect::{BC66, BC660K},
    parser::{self, Lines, Pushed},
};
use embedded_nal::UdpClientStack;
use proptest::prelude::*;

/// Bytes, and pieces of what modems say, so that deep states are reached.
fn chatter() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(any::<u8>(), 150..200),
        8 => proptest::sample::select(vec![
            "\r\n", "\r", "\n", "OK\r\n", "ERROR\r\n", "+CME ERROR: 50\r\n", "RDY\r\n", "SEND OK\r\n", "SEND FAIL\r\n", "AT",
            "+QIURC: \"recv\",0,1,\"2A\"\r\n", "+QIURC: \"recv\",", "0,", "1,", "2,", "\"0102\"", "A5", "\"", ",", "\0",
            "+QIURC: \"closed\",0\r\n", "+QIOPEN: 0,0\r\n", "+QIOPEN: 0,5\r\n", "+CEREG: 1,1\r\n", "+CEREG: ", "+CSCON: 0\r\n",
            "CLOSE OK\r\n", "+QNBIOTEVENT: \"ENTER DEEPSLEEP\"\r\n", "+QENG: 0,", "+CSQ: 99,99\r\n", "-", "65536",
        ]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Every datagram of socket 0 that a whole line of `bytes` announces, read by other means than the driver's.
fn announced(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for line in bytes.split(|byte| *byte == b'\r' || *byte == b'\n') {
        let printable: Vec<u8> = line.iter().copied().skip_while(|byte| !(b' '..=b'~').contains(byte)).collect();
        let Ok(text) = String::from_utf8(printable) else { continue };
        let Some(rest) = text.strip_prefix("+QIURC: \"recv\",") else { continue };
        let parts: Vec<&str> = rest.split(',').collect();
        let (Some(socket), Some(length)) =
            (parts.first(), parts.get(1).and_then(|part| part.trim().parse::<usize>().ok()))
        else {
            continue;
        };
        let digits = parts.get(2).copied().unwrap_or("").trim().trim_matches('"');
        let bytes: Option<Vec<u8>> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        if let (Ok(0), Some(bytes)) = (socket.trim().trim_matches('"').parse::<u8>(), bytes)
            && digits.len() == 2 * length
        {
            found.push(bytes);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic_and_never_yield_a_datagram_that_was_not_announced(
        chatter in chatter(),
        chunk in 1_usize..50,
        sends in proptest::collection::vec(0_usize..60, 0..4),
        bc66 in any::<bool>(),
    ) {
        let mut bench = Bench::new(if bc66 { &BC66 } else { &BC660K });
        let mut socket = bench.opened();
        let mut expected = announced(&chatter);
        bench.chunk = chunk;
        bench.raw(&chatter);
        for turn in 0..chatter.len() / chunk + 20 {
            if sends.contains(&turn) {
                let _ = bench.modem.send(&mut socket, b"probe");
            }
            bench.turn();
            bench.advance(7);
            if let Ok((datagram, _)) = bench.receive(&mut socket) {
                let at = expected.iter().position(|announced| *announced == datagram);
                prop_assert!(at.is_some(), "{datagram:02x?} was never announced");
                expected.drain(..=at.unwrap());
                prop_assert!(datagram.len() <= RX);
            }
        }
    }

    #[test]
    fn a_modem_that_recovers_from_any_chatter_is_usable_again(chatter in chatter()) {
        let mut bench = Bench::new(&BC660K);
        let mut socket = bench.opened();
        bench.raw(&chatter);
        bench.raw(b"\r\n");
        bench.settle();
        while bench.receive(&mut socket) != Err(nb::Error::WouldBlock) {}
        bench.advance(60_000);
        bench.answer("AT", "", 1);
        // At most one send pays for what the chatter left behind.
        let first = bench.send(&mut socket, b"probe");
        let second = bench.send(&mut socket, b"probe");
        prop_assert!(second.is_ok(), "{first:?} {second:?}");
        bench.say("+QIURC: \"recv\",0,1,\"2A\"");
        bench.settle();
        prop_assert_eq!(bench.receive(&mut socket).unwrap().0, vec![0x2A]);
    }

    #[test]
    fn the_parser_gives_the_same_lines_however_the_bytes_are_pushed_and_only_printable_ones(chatter in chatter()) {
        let mut lines = Lines::<168>::new();
        for byte in &chatter {
            if lines.push(*byte) == Pushed::Line {
                let line = lines.line();
                prop_assert!(!line.is_empty() && line.iter().all(|byte| (b' '..=b'~').contains(byte)));
                let _ = parser::classify(line);
                for index in 0..parser::fields(line) {
                    prop_assert!(parser::field(line, index).is_some());
                }
                prop_assert!(parser::field(line, parser::fields(line)).is_none());
            }
        }
    }
}
