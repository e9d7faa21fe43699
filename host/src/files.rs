// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files with secrets in them, and hexadecimal as people type it. Called by the verbs of `cairn`; never prints what it reads.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

/// Writes a file that must not be there yet, with these permissions, and makes it durable.
///
/// # Errors
/// With the file's name; nothing is replaced.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let name = || format!("cannot create {}", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).with_context(name)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file would be in the way of the next attempt.
        let _ = fs::remove_file(path);
    }
    written.with_context(name)
}

/// Takes the lock beside a file, for as long as the returned file lives: one program at a time.
///
/// # Errors
/// When another program holds it, or it cannot be created.
pub fn lock_beside(path: &Path) -> anyhow::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name);
    let file = file.with_context(|| format!("cannot create {}", name.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another relay runs with {}", path.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", name.display())),
    }
}

/// Warns when others than its owner can read a file that holds a secret.
pub fn warn_if_readable_by_others(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777);
    if let Ok(mode) = mode
        && mode & 0o077 != 0
    {
        tracing::warn!(file = %path.display(), mode = %format_args!("{mode:03o}"), "others than its owner can read this secret: chmod 600");
    }
}

/// The private key of an account, from a file with 32 bytes in hexadecimal.
///
/// # Errors
/// With the file's name; never with what it holds.
pub fn account(path: &Path) -> anyhow::Result<PrivateKeySigner> {
    let secret = secret_key(path)?;
    PrivateKeySigner::from_slice(&*secret).ok().with_context(|| format!("{} holds no secp256k1 key", path.display()))
}

/// A private key, from a file with 32 bytes in hexadecimal.
///
/// # Errors
/// With the file's name; never with what it holds.
pub fn secret_key(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    warn_if_readable_by_others(path);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = Zeroizing::new(text);
    let Ok(secret) = fixed_hex(text.trim()) else {
        bail!("{} holds no private key of 32 bytes in hexadecimal", path.display());
    };
    Ok(Zeroizing::new(secret))
}

/// `N` bytes of hexadecimal, with or without 0x.
///
/// # Errors
/// What is wrong, without the text.
pub fn fixed_hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| format!("{N} bytes in hexadecimal are expected"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_written_for_its_owner_only_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_new(&path, b"0x0101010101010101010101010101010101010101010101010101010101010101\n", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_new(&path, b"", 0o600).is_err());
        assert_eq!(*secret_key(&path).unwrap(), [1; 32]);
        assert!(account(&path).is_ok());
    }

    #[test]
    fn a_lock_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.sqlite");
        let held = lock_beside(&path).unwrap();
        assert!(lock_beside(&path).is_err());
        drop(held);
        assert!(lock_beside(&path).is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_said_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "5ec4e7").unwrap();
        let error = format!("{:#}", secret_key(&path).unwrap_err());
        assert!(error.contains("32 bytes") && !error.contains("5ec4e7"));
        fs::write(&path, "00".repeat(32)).unwrap();
        assert!(account(&path).is_err());
    }
}
