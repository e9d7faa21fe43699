// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SIM in the modem, as the command line wants it: which applet, with which key, making which mistakes. Called when the
//! modem is made; reads and writes the key's file, nothing else. The card itself is `cairn-sim-applet`.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;
use cairn_sim_applet::{Applet, At, Card, Curve, Protocol, key::Key};
use zeroize::Zeroizing;

use super::args::{Args, SimApplet};

/// Ids of the pair in the IoT SAFE applet; the secp256k1 applet has the same.
const PRIVATE_KEY: &[u8] = &[1];
const PUBLIC_KEY: &[u8] = &[2];

/// The card the arguments ask for and its public key, uncompressed; `None` when they ask for none.
///
/// # Errors
/// A key file that cannot be read, written or holds no key; no random numbers.
pub(super) fn insert(args: &Args) -> anyhow::Result<Option<(At, Vec<u8>)>> {
    let Some(kind) = args.sim_applet else { return Ok(None) };
    let curve = match kind {
        SimApplet::IotSafe => Curve::P256,
        SimApplet::Secp256k1 => Curve::Secp256k1,
    };
    let key = match &args.sim_key {
        Some(path) => kept_key(path, curve)?,
        None => new_key(curve)?,
    };
    let applet = match kind {
        SimApplet::IotSafe => Applet::iot_safe(PRIVATE_KEY, PUBLIC_KEY),
        SimApplet::Secp256k1 => Applet::secp256k1(),
    };
    let protocol = if args.sim_t1 { Protocol::T1 } else { Protocol::T0 };
    let plan = args.sim_faults.clone().unwrap_or_default();
    let card = Card::new(vec![applet.with_secret(&key.secret())], protocol, *random()?, plan.clone());
    Ok(Some((At::new(card, plan), key.point())))
}

/// The key in `path`, 64 hex digits; a new one is made and kept there when there is no such file.
fn kept_key(path: &Path, curve: Curve) -> anyhow::Result<Key> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => {
            let mut secret = Zeroizing::new([0; 32]);
            hex::decode_to_slice(text.trim(), &mut secret[..])
                .ok()
                .and_then(|()| Key::from_secret(curve, &secret))
                .with_context(|| format!("{} holds no key: 64 hex digits", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = new_key(curve)?;
            let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
            let written = file.as_mut().map_err(|error| std::io::Error::from(error.kind()));
            written
                .and_then(|file| writeln!(file, "{}", *Zeroizing::new(hex::encode(key.secret()))))
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn new_key(curve: Curve) -> anyhow::Result<Key> {
    loop {
        // All but one in 2^32 are keys of either curve.
        if let Some(key) = Key::from_secret(curve, &*random()?) {
            return Ok(key);
        }
    }
}

fn random() -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut bytes[..]).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(bytes)
}
