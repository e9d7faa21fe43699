// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold of any message: the codec round trips, arbitrary bytes never panic, protection round trips, and no change of a
//! protected message goes unseen.

use cairn_coap::{
    message::{Builder, Code, Head, Message, Options, Type, option},
    oscore::{Context, Identifiers, NUMBER_END, ProtectError, ReplayWindow, Secrets, UnprotectError},
};
use proptest::prelude::*;

const ID_CONTEXT: [u8; 8] = [7; 8];

fn ends() -> (Context, Context) {
    let secrets = Secrets { master_secret: &[3; 16], master_salt: &[], id_context: Some(&ID_CONTEXT) };
    let kid = [0xca, 0x14, 0, 1];
    (Context::derive(&secrets, &kid, &[]).unwrap(), Context::derive(&secrets, &[], &kid).unwrap())
}

fn head<'a>(code: Code, options: Options<'a>) -> Head<'a> {
    Head { kind: Type::Confirmable, code, message_id: 0x1234, token: &[1, 2], options }
}

/// A protected request of our shape: path "a" inside, Uri-Host outside.
fn protected_request(client: &Context, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut options = [0; 16];
    let mut builder = Builder::options(&mut options);
    builder.option(option::URI_HOST, b"relay").unwrap().option(option::URI_PATH, b"a").unwrap();
    let length = builder.finish();
    let options = Options::parse(&options[..length]).unwrap();
    let mut out = vec![0; payload.len() + 64];
    let (length, _) = client.protect_request(number, true, &head(Code::POST, options), payload, &mut out).unwrap();
    out.truncate(length);
    out
}

#[test]
fn a_flipped_bit_is_refused_or_changes_nothing_that_is_protected() {
    let (client, server) = ends();
    let original = protected_request(&client, 300, b"anchor");
    let outside = Message::parse(&original).unwrap();
    let value = outside.head.options.get(option::OSCORE).unwrap();
    let option_at = original.windows(value.len()).position(|window| window == value).unwrap();
    let protected = original.len() - outside.payload.len();
    let mut refused = 0;
    for bit in 0..original.len() * 8 {
        let mut flipped = original.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut window = ReplayWindow::EMPTY;
        match server.unprotect_request(&mut window, &mut flipped) {
            Ok((inner, binding)) => {
                let at = bit / 8;
                assert!(at < protected && !(option_at..option_at + value.len()).contains(&at), "bit {bit} went unseen");
                assert_eq!((inner.code, inner.payload, binding.number()), (Code::POST, &b"anchor"[..], 300));
                assert_eq!(inner.options.get(option::URI_PATH), Some(&b"a"[..]));
            }
            Err(_) => {
                assert_eq!(window, ReplayWindow::EMPTY, "a refused request must not move the window");
                refused += 1;
            }
        }
    }
    assert!(refused >= (outside.payload.len() + value.len()) * 8, "{refused}");
}

#[test]
fn a_response_is_bound_to_its_request() {
    let (client, server) = ends();
    let exchange = |number| {
        let mut out = [0; 64];
        let head = head(Code::POST, Options::NONE);
        let (length, asked) = client.protect_request(number, false, &head, b"up", &mut out).unwrap();
        let (_, answered) = server.unprotect_request(&mut { ReplayWindow::EMPTY }, &mut out[..length]).unwrap();
        (asked, answered)
    };
    for own_number in [None, Some(9)] {
        let (first, to_first) = exchange(1);
        let (second, _) = exchange(2);
        let mut out = [0; 64];
        let head = head(Code::CHANGED, Options::NONE);
        let length = server.protect_response(to_first, own_number, &head, b"down", &mut out).unwrap();
        let mut copy = out;
        assert_eq!(client.unprotect_response(&second, &mut copy[..length]), Err(UnprotectError::Forged));
        let inner = client.unprotect_response(&first, &mut out[..length]).unwrap();
        assert_eq!((inner.code, inner.payload), (Code::CHANGED, &b"down"[..]));
    }
}

#[test]
fn a_request_reflected_as_a_response_is_refused() {
    let (client, _) = ends();
    let mut out = [0; 64];
    let (length, asked) = client.protect_request(1, false, &head(Code::POST, Options::NONE), b"up", &mut out).unwrap();
    assert_eq!(client.unprotect_response(&asked, &mut out[..length]), Err(UnprotectError::Context));
}

#[test]
fn another_kid_or_kid_context_is_another_context() {
    let (client, _) = ends();
    let secrets = |id_context| Secrets { master_secret: &[3; 16], master_salt: &[], id_context: Some(id_context) };
    let other_kid = Context::derive(&secrets(&ID_CONTEXT), &[], &[1]).unwrap();
    let other_context = Context::derive(&secrets(&[8; 8]), &[], &[0xca, 0x14, 0, 1]).unwrap();
    for server in [other_kid, other_context] {
        let mut datagram = protected_request(&client, 1, b"x");
        let answer = server.unprotect_request(&mut { ReplayWindow::EMPTY }, &mut datagram);
        assert_eq!(answer.unwrap_err(), UnprotectError::Context);
    }
}

/// The same ciphertext behind other OSCORE options.
fn with_options(protected: &[u8], values: &[&[u8]]) -> Vec<u8> {
    let message = Message::parse(protected).unwrap();
    let mut out = vec![0; protected.len() + 64];
    let head = message.head;
    let mut builder = Builder::message(&mut out, head.kind, head.code, head.message_id, head.token).unwrap();
    for value in values {
        builder.option(option::OSCORE, value).unwrap();
    }
    let length = builder.payload(message.payload).unwrap();
    out.truncate(length);
    out
}

#[test]
fn a_request_names_its_key_and_number_once() {
    let (client, server) = ends();
    let protected = protected_request(&client, 9, b"x");
    let whole = [0x09, 9, 0xca, 0x14, 0, 1];
    let verify = |values: &[&[u8]]| {
        let mut datagram = with_options(&protected, values);
        server.unprotect_request(&mut { ReplayWindow::EMPTY }, &mut datagram).map(|(inner, _)| inner.payload.to_vec())
    };
    assert_eq!(verify(&[&whole]), Ok(b"x".to_vec()));
    assert_eq!(verify(&[&whole, &whole]), Err(UnprotectError::Option), "an option that must not be repeated");
    assert_eq!(verify(&[&[0x01, 9]]), Err(UnprotectError::Option), "no kid");
    assert_eq!(verify(&[&[0x08, 0xca, 0x14, 0, 1]]), Err(UnprotectError::Option), "no Partial IV");
    assert_eq!(verify(&[&[]]), Err(UnprotectError::Option));
    assert_eq!(verify(&[]), Err(UnprotectError::NotProtected));
}

#[test]
fn a_replay_is_refused_before_it_is_decrypted() {
    let (client, server) = ends();
    let mut window = ReplayWindow::EMPTY;
    let protected = protected_request(&client, 9, b"x");
    server.unprotect_request(&mut window, &mut protected.clone()).unwrap();
    let mut changed = protected;
    *changed.last_mut().unwrap() ^= 1;
    let answer = server.unprotect_request(&mut window, &mut changed).unwrap_err();
    assert_eq!((answer, answer.response_code()), (UnprotectError::Replayed, Some(Code::UNAUTHORIZED)));
}

#[test]
fn a_request_is_no_response_and_a_response_no_request_also_inside() {
    let (client, server) = ends();
    let mut out = [0; 64];
    for code in [Code::CHANGED, Code::EMPTY] {
        let head = head(code, Options::NONE);
        let (length, _) = client.protect_request(1, false, &head, b"x", &mut out).unwrap();
        let answer = server.unprotect_request(&mut { ReplayWindow::EMPTY }, &mut out[..length]);
        assert_eq!(answer.unwrap_err(), UnprotectError::Plaintext);
    }
    for code in [Code::POST, Code::EMPTY] {
        let (length, asked) =
            client.protect_request(2, false, &head(Code::POST, Options::NONE), b"x", &mut out).unwrap();
        let (_, binding) = server.unprotect_request(&mut { ReplayWindow::EMPTY }, &mut out[..length]).unwrap();
        let length = server.protect_response(binding, None, &head(code, Options::NONE), b"x", &mut out).unwrap();
        assert_eq!(client.unprotect_response(&asked, &mut out[..length]), Err(UnprotectError::Plaintext));
    }
}

#[test]
fn what_cannot_be_protected_is_refused() {
    let (client, _) = ends();
    let mut out = [0; 64];
    let plain = head(Code::POST, Options::NONE);
    let number = client.protect_request(NUMBER_END, false, &plain, b"", &mut out);
    assert_eq!(number.unwrap_err(), ProtectError::Number);
    for refused in [option::OBSERVE, option::OSCORE, option::PROXY_URI] {
        let mut options = [0; 8];
        let mut builder = Builder::options(&mut options);
        builder.option(refused, b"").unwrap();
        let length = builder.finish();
        let head = head(Code::POST, Options::parse(&options[..length]).unwrap());
        let answer = client.protect_request(1, false, &head, b"", &mut out);
        assert_eq!(answer.unwrap_err(), ProtectError::Option(refused));
    }
    let whole = client.protect_request(1, true, &plain, b"payload", &mut out).unwrap().0;
    for short in 0..whole {
        assert!(client.protect_request(1, true, &plain, b"payload", &mut [0; 64][..short]).is_err(), "{short}");
    }
    assert!(client.protect_request(1, true, &plain, b"payload", &mut [0; 64][..whole]).is_ok());
}

#[test]
fn a_payload_outside_its_buffer_is_refused() {
    let (client, _) = ends();
    let plain = head(Code::POST, Options::NONE);
    for (start, end) in [(0, 65), (60, 70), (9, 8), (usize::MAX, usize::MAX), (0, usize::MAX), (65, 65)] {
        let payload = core::ops::Range { start, end };
        assert!(client.protect_request_in_place(1, false, &plain, &mut [0; 64], payload).is_err(), "{start}..{end}");
    }
}

#[test]
fn the_identifiers_of_a_request_are_there_before_it_is_verified() {
    let (client, _) = ends();
    let datagram = protected_request(&client, 77, b"x");
    let identifiers = Identifiers::of(&Message::parse(&datagram).unwrap()).unwrap();
    assert_eq!(identifiers.kid, Some(&[0xca, 0x14, 0, 1][..]));
    assert_eq!(identifiers.kid_context, Some(&ID_CONTEXT[..]));
    assert_eq!(identifiers.partial_iv.unwrap().number(), 77);
}

#[test]
fn no_plaintext_is_left_in_the_buffer() {
    let (client, _) = ends();
    let mut out = [0; 256];
    let payload = [0x5a; 64];
    let (length, _) = client.protect_request(1, true, &head(Code::POST, Options::NONE), &payload, &mut out).unwrap();
    assert!(out[length..].iter().all(|&byte| byte == 0));
    assert!(!out.windows(8).any(|window| window == [0x5a; 8]));
}

#[test]
fn an_own_request_can_be_opened_again_and_no_other() {
    let (client, _) = ends();
    let mut out = [0; 128];
    let head = head(Code::POST, Options::NONE);
    let (length, binding) = client.protect_request(5, true, &head, b"uplink", &mut out).unwrap();
    let (_, other) = client.protect_request(6, true, &head, b"uplink", &mut [0; 128]).unwrap();
    assert_eq!(client.reopen_request(&other, &mut { out }[..length]), Err(UnprotectError::Forged));
    let payload = client.reopen_request(&binding, &mut out[..length]).unwrap();
    assert_eq!(&out[payload], b"uplink");
}

fn options_strategy() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let option = (any::<u16>(), prop::collection::vec(any::<u8>(), 0..400));
    prop::collection::vec(option, 0..6).prop_map(|mut options| {
        options.sort_by_key(|option| option.0);
        options
    })
}

proptest! {
    #[test]
    fn any_message_that_is_built_parses_to_the_same(
        kind in 0..4u8,
        code in 1..=255u8,
        message_id: u16,
        token in prop::collection::vec(any::<u8>(), 0..=8),
        options in options_strategy(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let kind = [Type::Confirmable, Type::NonConfirmable, Type::Acknowledgement, Type::Reset][usize::from(kind)];
        let mut buffer = [0; 4096];
        let mut builder = Builder::message(&mut buffer, kind, Code(code), message_id, &token).unwrap();
        for (number, value) in &options {
            builder.option(*number, value).unwrap();
        }
        let length = builder.payload(&payload).unwrap();
        let message = Message::parse(&buffer[..length]).unwrap();
        prop_assert_eq!(message.head.kind, kind);
        prop_assert_eq!(message.head.code, Code(code));
        prop_assert_eq!(message.head.message_id, message_id);
        prop_assert_eq!(message.head.token, &token[..]);
        prop_assert_eq!(message.payload, &payload[..]);
        let parsed: Vec<_> = message.head.options.iter().map(|o| (o.number, o.value.to_vec())).collect();
        prop_assert_eq!(parsed, options);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_are_never_verified(mut bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        let (client, server) = ends();
        let _ = Message::parse(&bytes).map(|message| message.head.options.iter().count());
        let _ = Identifiers::parse(&bytes);
        let mut out = [0; 64];
        let (_, asked) = client.protect_request(1, false, &head(Code::POST, Options::NONE), b"", &mut out).unwrap();
        prop_assert!(client.unprotect_response(&asked, &mut bytes.clone()).is_err());
        prop_assert!(client.reopen_request(&asked, &mut bytes.clone()).is_err());
        let mut window = ReplayWindow::EMPTY;
        prop_assert!(server.unprotect_request(&mut window, &mut bytes).is_err());
    }

    #[test]
    fn any_request_and_response_round_trip(
        number in 0..NUMBER_END,
        own_number in prop::option::of(0..NUMBER_END),
        kid_context: bool,
        echo in prop::collection::vec(any::<u8>(), 1..=40),
        up in prop::collection::vec(any::<u8>(), 0..300),
        down in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (client, server) = ends();
        let mut options = [0; 64];
        let mut builder = Builder::options(&mut options);
        builder.option(option::URI_PATH, b"a").unwrap().option(option::ECHO, &echo).unwrap();
        let length = builder.finish();
        let options = Options::parse(&options[..length]).unwrap();
        let mut out = [0; 512];
        let (length, asked) =
            client.protect_request(number, kid_context, &head(Code::POST, options), &up, &mut out).unwrap();
        let mut window = ReplayWindow::EMPTY;
        let (inner, binding) = server.unprotect_request(&mut window, &mut out[..length]).unwrap();
        prop_assert_eq!((inner.code, inner.options, inner.payload), (Code::POST, options, &up[..]));
        prop_assert_eq!(binding.number(), number);
        let length =
            server.protect_response(binding, own_number, &head(Code::CHANGED, options), &down, &mut out).unwrap();
        let inner = client.unprotect_response(&asked, &mut out[..length]).unwrap();
        prop_assert_eq!((inner.code, inner.options, inner.payload), (Code::CHANGED, options, &down[..]));
    }
}
