// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver and the chip on two ends of a stream, as firmware in QEMU has it.

mod rig;

use std::{
    cell::RefCell,
    io::{ErrorKind as Io, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    rc::Rc,
    thread,
};

use cairn::signer::{
    Signer as _, SignerError,
    se050::{GateError, PowerGate, Se050, Settings},
    software::Secp256k1,
};
use cairn_se_sim::{
    Chip, Options,
    wire::{Pace, serve},
};
use embedded_hal::{
    delay::DelayNs,
    i2c::{ErrorKind, ErrorType, I2c, Operation},
};
use rig::{Counting, KEY, accepts, digest};

#[derive(Clone)]
struct Line(Rc<RefCell<TcpStream>>);

impl Line {
    /// Sends a request; whether it was acknowledged, and the answer's bytes.
    fn ask(&self, request: &[u8], into: &mut [u8]) -> bool {
        let mut stream = self.0.borrow_mut();
        stream.write_all(request).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        let acknowledged = answer == *b"A";
        if acknowledged {
            stream.read_exact(into).unwrap();
        }
        acknowledged
    }
}

impl ErrorType for Line {
    type Error = ErrorKind;
}

impl I2c for Line {
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
            let acknowledged = match operation {
                Operation::Write(bytes) => self.ask(&[b"W", &length(bytes.len())[..], bytes].concat(), &mut []),
                Operation::Read(into) => self.ask(&[b"R", &length(into.len())[..]].concat(), into),
            };
            if !acknowledged {
                return Err(ErrorKind::Other);
            }
        }
        Ok(())
    }
}

impl DelayNs for Line {
    fn delay_ns(&mut self, ns: u32) {
        assert!(self.ask(&[b"T", &ns.div_ceil(1_000).to_be_bytes()[..]].concat(), &mut []));
    }
}

impl PowerGate for Line {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        self.ask(b"P\x01", &mut []).then_some(()).ok_or(GateError)
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        self.ask(b"P\x00", &mut []).then_some(()).ok_or(GateError)
    }
}

/// A served chip, and the stream to it.
fn served(pace: Pace) -> (thread::JoinHandle<(Chip, std::io::Result<()>)>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut chip = Chip::new(Options::default());
        let result = serve(&mut chip, stream, pace);
        (chip, result)
    });
    (server, stream)
}

#[test]
fn a_chip_behind_a_stream_is_provisioned_and_signs() {
    let (server, stream) = served(Pace::Virtual);
    let line = Line(Rc::new(RefCell::new(stream)));
    let settings = Settings::new(KEY);
    let mut signer =
        Se050::<Secp256k1, _, _, _, _>::new(line.clone(), line.clone(), line, Counting::new(), None, settings);
    assert_eq!(signer.public_key(), Err(SignerError::NotProvisioned));
    let (key, _) = signer.provision().unwrap();
    assert!(accepts(&key, b"far away", &signer.sign(&digest(b"far away")).unwrap()));
    drop(signer);
    let (chip, result) = server.join().unwrap();
    result.unwrap();
    assert_eq!(chip.public_key(KEY.0).unwrap()[1..], key.xy);
}

#[test]
fn on_the_wall_clock_a_chip_is_ready_without_being_told_that_time_passes() {
    let (server, stream) = served(Pace::Wall);
    let line = Line(Rc::new(RefCell::new(stream)));
    assert!(line.ask(b"P\x01", &mut []));
    let reset = [b'W', 0, 5, 0x5a, 0xcf, 0x00, 0x37, 0x7f];
    while !line.ask(&reset, &mut []) {}
    let mut header = [0; 3];
    while !line.ask(b"R\x00\x03", &mut header) {}
    assert_eq!(header, [0xa5, 0xef, 0x23]);
    drop(line);
    server.join().unwrap().1.unwrap();
}

#[test]
fn what_is_no_request_and_half_a_request_end_the_conversation() {
    for (request, error) in [(&b"X"[..], Io::InvalidData), (b"W\x00\x05\x5a", Io::UnexpectedEof)] {
        let (server, mut stream) = served(Pace::Virtual);
        stream.write_all(request).unwrap();
        drop(stream);
        assert_eq!(server.join().unwrap().1.unwrap_err().kind(), error);
    }
}
