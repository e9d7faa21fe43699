// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties of `cairn-coap`: any datagram is parsed or refused; OSCORE takes what its peer protected and nothing
//! else.

use cairn_coap::{
    message::{Builder, Code, Head, Message, Options, Type},
    oscore::{Context, ReplayWindow, Secrets},
};

/// Room for a datagram and what protecting it adds.
const ROOM: usize = 4096;

/// Messages: what was parsed can be built again and parses as the same.
pub fn coap_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let head = message.head;
    let mut out = vec![0; data.len() + 8];
    let mut builder =
        Builder::message(&mut out, head.kind, head.code, head.message_id, head.token).expect("token was parsed");
    for option in head.options.iter() {
        builder.option(option.number, option.value).expect("options were parsed in order");
    }
    let length = builder.payload(message.payload).expect("there is room");
    let again = Message::parse(&out[..length]).expect("what was built parses");
    assert!(length <= data.len(), "our encoding is the shortest");
    assert_eq!((again.head.kind, again.head.code, again.head.message_id), (head.kind, head.code, head.message_id));
    assert_eq!((again.head.token, again.payload), (head.token, message.payload));
    assert!(again.head.options.iter().eq(head.options.iter()));
}

struct Ends {
    device: Context,
    relay: Context,
}

fn ends() -> Ends {
    let secrets = Secrets { master_secret: &[7; 16], master_salt: &[], id_context: Some(&[1, 2, 3, 4, 5, 6, 7, 8]) };
    let derive = |sender: &[u8], recipient: &[u8]| Context::derive(&secrets, sender, recipient).expect("ids are short");
    Ends { device: derive(b"\x01\x02\x03\x04", b""), relay: derive(b"", b"\x01\x02\x03\x04") }
}

fn head<'a>(code: Code, options: Options<'a>) -> Head<'a> {
    Head { kind: Type::Confirmable, code, message_id: 1, token: &[9, 9], options }
}

/// The first byte chooses: a datagram from a stranger to the relay, or to the device that waits for a response; or a
/// genuine request or response with these bytes as content, changed in one bit on its way.
pub fn oscore(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    if rest.len() > ROOM / 2 {
        return;
    }
    let ends = ends();
    match mode % 3 {
        0 => stranger_to_relay(&ends, rest),
        1 => stranger_to_device(&ends, rest),
        _ => genuine(&ends, rest),
    }
}

/// Nobody without the keys gets anything accepted, and the replay window stays as it was.
fn stranger_to_relay(ends: &Ends, datagram: &[u8]) {
    let mut window = ReplayWindow::from_parts(40, 0b101);
    let before = window.parts();
    let mut copy = datagram.to_vec();
    assert!(ends.relay.unprotect_request(&mut window, &mut copy).is_err());
    assert_eq!(window.parts(), before);
}

fn stranger_to_device(ends: &Ends, datagram: &[u8]) {
    let mut out = [0; ROOM];
    let (_, binding) = ends
        .device
        .protect_request(5, true, &head(Code::POST, Options::NONE), b"uplink", &mut out)
        .expect("a short request fits");
    let mut copy = datagram.to_vec();
    assert!(ends.device.unprotect_response(&binding, &mut copy).is_err());
}

/// `rest`: 2 bytes which bit is flipped, 1 byte options' length, options, payload.
fn genuine(ends: &Ends, rest: &[u8]) {
    let Some((&[high, low, length], rest)) = rest.split_first_chunk() else { return };
    let Some((options, payload)) = rest.split_at_checked(usize::from(length)) else { return };
    let Ok(options) = Options::parse(options) else { return };
    let mut out = [0; ROOM];
    // Options that cannot be protected are refused; everything else arrives as it was.
    let Ok((length, _)) = ends.device.protect_request(77, true, &head(Code::POST, options), payload, &mut out) else {
        return;
    };
    let mut window = ReplayWindow::EMPTY;
    let mut sent = out[..length].to_vec();
    let (inner, binding) = ends.relay.unprotect_request(&mut window, &mut sent).expect("genuine");
    assert_eq!((inner.code, inner.payload), (Code::POST, payload));
    assert_eq!(binding.number(), 77);
    let mut replay = out[..length].to_vec();
    assert!(ends.relay.unprotect_request(&mut window, &mut replay).is_err(), "taken once");
    // Byte 0 to 3 and the token are not protected: type, code and Message ID may change on the way.
    let first = 4 + 2;
    let bit = usize::from(u16::from_be_bytes([high, low])) % ((length - first) * 8);
    let mut changed = out[..length].to_vec();
    changed[first + bit / 8] ^= 1 << (bit % 8);
    let mut window = ReplayWindow::EMPTY;
    if let Ok((inner, _)) = ends.relay.unprotect_request(&mut window, &mut changed) {
        // A class U option outside (Uri-Host, Uri-Port, Proxy-Scheme) is not protected either.
        assert_eq!((inner.code, inner.payload), (Code::POST, payload));
        assert!(options.iter().any(|option| matches!(option.number, 3 | 7 | 39)), "a changed bit was taken");
    }
}
