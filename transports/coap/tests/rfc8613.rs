// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The messages of RFC 8613 appendix C (C.4 to C.8), byte for byte, in both directions. Keys, IVs and nonces of C.1 to C.3 are
//! checked in `src/oscore/mod.rs`, info and additional data in `src/oscore/cipher.rs`. The appendix ends with C.8.

use cairn_coap::{
    message::{Code, Message, option},
    oscore::{Context, ReplayWindow, Secrets, UnprotectError},
};

const MASTER_SECRET: &str = "0102030405060708090a0b0c0d0e0f10";
const MASTER_SALT: &str = "9e7ca92223786340";
const ID_CONTEXT: &str = "37cbf3210017a2d3";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

/// The contexts of both ends: client, server.
fn contexts(salt: &str, id_context: Option<&str>, client: &[u8], server: &[u8]) -> (Context, Context) {
    let (secret, salt, id_context) = (bytes(MASTER_SECRET), bytes(salt), id_context.map(bytes));
    let secrets = Secrets { master_secret: &secret, master_salt: &salt, id_context: id_context.as_deref() };
    (Context::derive(&secrets, client, server).unwrap(), Context::derive(&secrets, server, client).unwrap())
}

fn c1() -> (Context, Context) {
    contexts(MASTER_SALT, None, &[], &[1])
}

fn c2() -> (Context, Context) {
    contexts("", None, &[0], &[1])
}

fn c3() -> (Context, Context) {
    contexts(MASTER_SALT, Some(ID_CONTEXT), &[], &[1])
}

/// Protects `plain` as the client's request 20, and compares; then the server verifies it.
fn request(ends: &(Context, Context), kid_context: bool, plain: &str, protected: &str) {
    let plain = bytes(plain);
    let message = Message::parse(&plain).unwrap();
    let mut out = [0; 64];
    let (length, _) = ends.0.protect_request(20, kid_context, &message.head, message.payload, &mut out).unwrap();
    assert_eq!(hex::encode(&out[..length]), protected);

    let mut window = ReplayWindow::EMPTY;
    let (inner, binding) = ends.1.unprotect_request(&mut window, &mut out[..length]).unwrap();
    assert_eq!(inner.code, Code::GET);
    assert_eq!(inner.options.iter().count(), 1);
    assert_eq!(inner.options.get(option::URI_PATH), Some(&b"tv1"[..]));
    assert_eq!(inner.payload, b"");
    assert_eq!(binding.number(), 20);
    let mut replayed = bytes(protected);
    let again = ends.1.unprotect_request(&mut window, &mut replayed);
    assert_eq!(again.unwrap_err(), UnprotectError::Replayed);
}

/// Protects `plain` as the server's response to the request of C.4, and compares; then the client verifies it.
fn response(number: Option<u64>, protected: &str) {
    let (client, server) = c1();
    let plain = bytes("64455d1f00003974ff48656c6c6f20576f726c6421");
    let message = Message::parse(&plain).unwrap();
    let request = bytes("44015d1f00003974396c6f63616c686f737483747631");
    let request = Message::parse(&request).unwrap();
    let mut out = [0; 64];
    let (length, asked) = client.protect_request(20, false, &request.head, request.payload, &mut out).unwrap();
    let (_, binding) = server.unprotect_request(&mut { ReplayWindow::EMPTY }, &mut out[..length]).unwrap();

    let length = server.protect_response(binding, number, &message.head, message.payload, &mut out).unwrap();
    assert_eq!(hex::encode(&out[..length]), protected);
    let inner = client.unprotect_response(&asked, &mut out[..length]).unwrap();
    assert_eq!((inner.code, inner.payload), (Code::CONTENT, &b"Hello World!"[..]));
    assert_eq!(inner.options.iter().count(), 0);
}

#[test]
fn c_4_request_of_the_client_of_c_1() {
    request(
        &c1(),
        false,
        "44015d1f00003974396c6f63616c686f737483747631",
        "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e",
    );
}

#[test]
fn c_5_request_of_the_client_of_c_2_without_salt() {
    request(
        &c2(),
        false,
        "440171c30000b932396c6f63616c686f737483747631",
        "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
    );
}

#[test]
fn c_6_request_of_the_client_of_c_3_with_kid_context() {
    request(
        &c3(),
        true,
        "44012f8eef9bbf7a396c6f63616c686f737483747631",
        "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
    );
}

#[test]
fn c_7_response_without_partial_iv() {
    response(None, "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106");
}

#[test]
fn c_8_response_with_partial_iv() {
    response(Some(0), "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e");
}
