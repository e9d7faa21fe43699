// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The signer of the firmware on the SIM of `cairn modem --sim-applet`, over TCP as in QEMU, and datagrams on the same line.

mod serial;

use std::{
    cell::RefCell,
    net::{TcpListener, UdpSocket},
    path::Path,
    thread::JoinHandle,
    time::Duration,
};

use cairn::{
    ports::Wait,
    signer::{
        Algorithm, Digest, PublicKey, Signer, SignerError,
        sim::{Applet, SimSigner},
    },
    time::Millis,
};
use cairn_at_modem::{
    AtModem, Settings,
    dialect::BC660K,
    sim::{APDU, Access, Shared, SimCard},
};
use cairn_host::modem;
use embedded_nal::UdpClientStack;
use serial::{Line, Monotonic, parse, runtime};

type Device = AtModem<Line, Monotonic, 1, 256, 128, 2, 320, APDU>;

/// Looks again a little later, however long it was asked to wait: nothing tells it that bytes came.
struct Naps;

impl Wait for Naps {
    fn wait(&mut self, _: Option<Millis>) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A device on the line of a modem with these options.
fn device(options: &str) -> (RefCell<Device>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let args = parse(&format!("--connect {} {options}", listener.local_addr().unwrap()));
    let modem = std::thread::spawn(move || runtime().block_on(modem::run(args)).unwrap());
    let (stream, _) = listener.accept().unwrap();
    let settings = Settings { survey: false, ..Settings::default() };
    (RefCell::new(AtModem::new(&BC660K, settings, Line::new(stream), Monotonic::new())), modem)
}

fn signer(device: &RefCell<Device>, applet: Applet, access: Access) -> SimSigner<SimCard<Shared<'_, Device>, Naps>> {
    SimSigner::new(SimCard::new(Shared::new(device), Naps, access), applet)
}

/// The public key of the secret in a key file, by other means than the card's.
fn key_in(file: &Path, alg: Algorithm) -> PublicKey {
    let secret = hex::decode(std::fs::read_to_string(file).unwrap().trim()).unwrap();
    let point = match alg {
        Algorithm::Es256 => p256::ecdsa::SigningKey::from_slice(&secret)
            .unwrap()
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
        Algorithm::Es256k => k256::ecdsa::SigningKey::from_slice(&secret)
            .unwrap()
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec(),
    };
    PublicKey::from_sec1(alg, &point).unwrap()
}

#[test]
fn both_applets_sign_with_the_key_in_the_file_between_datagrams_on_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let redirect = peer.local_addr().unwrap();
    for (name, applet, access, more) in [
        ("iot-safe", Applet::iot_safe(&[1], &[2]), Access::Generic, ""),
        ("iot-safe", Applet::iot_safe(&[1], &[2]), Access::Channels, "--sim-t1 --sim-faults 3:codes,9:6f00,12:noise"),
        ("secp256k1", Applet::CAIRN_K1, Access::Channels, "--echo"),
        ("secp256k1", Applet::CAIRN_K1, Access::Generic, "--sim-faults 4:restart,16:garbage,36:power"),
    ] {
        let file = directory.path().join(name);
        let options = format!("--sim-applet {name} --sim-key {} --redirect {redirect} {more}", file.display());
        let (device, modem) = device(&options);
        let mut signer = signer(&device, applet, access);
        let key = signer.public_key().unwrap();
        assert_eq!(key, key_in(&file, applet.alg), "{options}");
        let mut shared = Shared::new(&device);
        let mut socket = shared.socket().unwrap();
        shared.connect(&mut socket, "192.0.2.1:5683".parse().unwrap()).unwrap();
        for byte in 0..3 {
            let digest = Digest([byte; 32]);
            let signature = signer.sign(&digest).unwrap();
            assert_eq!(key.accept(&digest, &signature.0), Ok(signature), "{options}");
            while let Err(error) = shared.send(&mut socket, &[byte]) {
                assert_eq!(error, nb::Error::WouldBlock);
                Naps.wait(None);
            }
            let mut bytes = [0; 4];
            assert_eq!(peer.recv(&mut bytes).unwrap(), 1);
            assert_eq!(bytes[0], byte);
        }
        drop(device);
        modem.join().unwrap();
    }
}

#[test]
fn a_modem_without_a_sim_has_no_signer() {
    let (device, modem) = device("");
    for access in [Access::Channels, Access::Generic] {
        assert_eq!(signer(&device, Applet::CAIRN_K1, access).public_key(), Err(SignerError::Gone));
    }
    drop(device);
    modem.join().unwrap();
}
