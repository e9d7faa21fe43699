// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver and the chip on two ends of a stream, as firmware in QEMU has it.

mod rig;

use std::{
    io::{ErrorKind as Io, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use cairn::signer::{
    Signer as _, SignerError,
    se050::{GateError, PowerGate, Se050, Settings},
    software::Secp256k1,
};
use cairn_se_sim::{
    Chip, Options, Remote,
    wire::{Pace, serve},
};
use embedded_hal::i2c::I2c as _;
use rig::{Counting, KEY, accepts, digest};

type Line = Remote<TcpStream>;

/// The far chip's power switch.
struct Gate(Line);

impl PowerGate for Gate {
    const CUTS_POWER: bool = true;

    fn switch_on(&mut self) -> Result<(), GateError> {
        self.0.power(true).map_err(|_| GateError)
    }

    fn switch_off(&mut self) -> Result<(), GateError> {
        self.0.power(false).map_err(|_| GateError)
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
    let line = Remote::new(stream);
    let settings = Settings::new(KEY);
    let mut signer =
        Se050::<Secp256k1, _, _, _, _>::new(line.clone(), line.clone(), Gate(line), Counting::new(), None, settings);
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
    let mut line = Remote::new(stream);
    line.power(true).unwrap();
    while line.write(0x48, &[0x5a, 0xcf, 0x00, 0x37, 0x7f]).is_err() {}
    let mut header = [0; 3];
    while line.read(0x48, &mut header).is_err() {}
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
