// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file of roots: the public keys whose tokens are believed. Kept by whoever owns the deployment, read by `cairn
//! provision endorse`; holds no secrets.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use cairn::signer::{Algorithm, DeviceId, KeyId, PublicKey};
use cairn_evidence::signature;
use serde::Deserialize;

use super::ChipId;
use crate::files::fixed_hex;

/// The roots of trust that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    factory: Vec<FactoryRoot>,
    psa: Vec<PsaRoot>,
    chips: Vec<ChipRoot>,
}

/// A factory's attestation key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryRoot {
    /// Its public half.
    pub key: PublicKey,
    /// The only device it speaks for, when it is one device's alone.
    pub device: Option<DeviceId>,
}

/// A platform with PSA initial attestation, as its maker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsaRoot {
    /// Instance id (RFC 9783 section 4.2.1): 0x01 and 32 bytes.
    pub instance: [u8; 33],
    /// Implementation id (RFC 9783 section 4.2.2).
    pub implementation: [u8; 32],
    /// Public half of its initial attestation key, P-256.
    pub key: PublicKey,
}

/// A secure element of the SE050 family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipRoot {
    /// Its unique identifier.
    pub chip: ChipId,
    /// Public half of its attestation key, P-256.
    pub key: PublicKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    factory_keys: Vec<FactoryEntry>,
    #[serde(default)]
    psa: Vec<PsaEntry>,
    #[serde(default)]
    se050: Vec<ChipEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FactoryEntry {
    alg: String,
    public_key: String,
    device: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PsaEntry {
    instance_id: String,
    implementation_id: String,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChipEntry {
    chip_id: String,
    public_key: String,
}

fn key(alg: Algorithm, text: &str) -> anyhow::Result<PublicKey> {
    let sec1 = hex::decode(text.strip_prefix("0x").unwrap_or(text)).context("a publicKey is not hexadecimal")?;
    signature::public_key(alg, &sec1).ok().context("a publicKey is no SEC 1 point of its curve")
}

fn fixed<const N: usize>(what: &str, text: &str) -> anyhow::Result<[u8; N]> {
    fixed_hex(text).map_err(|error| anyhow::anyhow!("{what}: {error}"))
}

impl TryFrom<FactoryEntry> for FactoryRoot {
    type Error = anyhow::Error;

    fn try_from(entry: FactoryEntry) -> anyhow::Result<Self> {
        let alg = match entry.alg.as_str() {
            "ES256K" => Algorithm::Es256k,
            "ES256" => Algorithm::Es256,
            other => anyhow::bail!("alg is ES256K or ES256, not {other:?}"),
        };
        let device = entry.device.map(|text| fixed("device", &text).map(DeviceId)).transpose()?;
        Ok(Self { key: key(alg, &entry.public_key)?, device })
    }
}

impl TryFrom<PsaEntry> for PsaRoot {
    type Error = anyhow::Error;

    fn try_from(entry: PsaEntry) -> anyhow::Result<Self> {
        let instance: [u8; 33] = fixed("instanceId", &entry.instance_id)?;
        ensure!(instance[0] == 1, "an instanceId starts with 0x01 (RFC 9783, UEID type RAND)");
        let implementation = fixed("implementationId", &entry.implementation_id)?;
        Ok(Self { instance, implementation, key: key(Algorithm::Es256, &entry.public_key)? })
    }
}

impl TryFrom<ChipEntry> for ChipRoot {
    type Error = anyhow::Error;

    fn try_from(entry: ChipEntry) -> anyhow::Result<Self> {
        Ok(Self { chip: fixed("chipId", &entry.chip_id)?, key: key(Algorithm::Es256, &entry.public_key)? })
    }
}

impl Roots {
    /// Reads the file.
    ///
    /// # Errors
    /// With the file's name and what is wrong; also when one root is in it twice, or none at all.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no file of roots", path.display()))
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let file: File = serde_json::from_str(text)?;
        let mut roots = Self::default();
        for entry in file.factory_keys {
            let root = FactoryRoot::try_from(entry)?;
            ensure!(roots.factory(root.key.key_id()).is_none(), "a factory key is in it twice");
            roots.factory.push(root);
        }
        for entry in file.psa {
            let root = PsaRoot::try_from(entry)?;
            ensure!(roots.psa(&root.instance).is_none(), "a PSA instance is in it twice");
            roots.psa.push(root);
        }
        for entry in file.se050 {
            let root = ChipRoot::try_from(entry)?;
            ensure!(roots.chip(&root.chip).is_none(), "a chip is in it twice");
            roots.chips.push(root);
        }
        let none = roots.factory.is_empty() && roots.psa.is_empty() && roots.chips.is_empty();
        ensure!(!none, "there is no root in it");
        Ok(roots)
    }

    /// The factory key with this id.
    #[must_use]
    pub fn factory(&self, id: KeyId) -> Option<&FactoryRoot> {
        self.factory.iter().find(|root| root.key.key_id() == id)
    }

    /// The platform with this instance id.
    #[must_use]
    pub fn psa(&self, instance: &[u8]) -> Option<&PsaRoot> {
        self.psa.iter().find(|root| root.instance == instance)
    }

    /// The secure element with this identifier.
    #[must_use]
    pub fn chip(&self, id: &ChipId) -> Option<&ChipRoot> {
        self.chips.iter().find(|root| root.chip == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generator of P-256.
    const POINT: &str = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";

    #[test]
    fn a_file_names_factory_keys_and_platforms() {
        let (instance, implementation) = (format!("01{}", "aa".repeat(32)), "bb".repeat(32));
        let text = format!(
            r#"{{"factoryKeys": [{{"alg": "ES256", "publicKey": "0x{POINT}", "device": "0x{implementation}"}}],
                "psa": [{{"instanceId": "{instance}", "implementationId": "{implementation}", "publicKey": "{POINT}"}}]}}"#
        );
        let roots = Roots::parse(&text).unwrap();
        let key = roots.psa(&hex::decode(&instance).unwrap()).unwrap().key;
        assert_eq!(roots.factory(key.key_id()).unwrap().device, Some(DeviceId([0xbb; 32])));
        assert_eq!(roots.psa(&[1; 33]), None);
        assert_eq!(roots.factory(KeyId([0; 20])), None);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let refused = |text: &str, word: &str| {
            let said = format!("{:#}", Roots::parse(text).unwrap_err());
            assert!(said.contains(word), "{said}");
        };
        let entry = |alg: &str, key: &str| format!(r#"{{"alg": "{alg}", "publicKey": "{key}"}}"#);
        let file = |entries: &str| format!(r#"{{"factoryKeys": [{entries}]}}"#);
        refused("{}", "no root");
        refused(r#"{"factorykeys": []}"#, "unknown field");
        refused(&file(&entry("ES384", POINT)), "ES384");
        refused(&file(&entry("ES256K", &format!("02{}05", "00".repeat(31)))), "no SEC 1 point");
        refused(&file(&entry("ES256", "zz")), "hexadecimal");
        refused(&file(&[entry("ES256", POINT), entry("ES256", POINT)].join(",")), "twice");
        let psa = format!(
            r#"{{"psa": [{{"instanceId": "{}", "implementationId": "{}", "publicKey": "{POINT}"}}]}}"#,
            "02".repeat(33),
            "bb".repeat(32)
        );
        refused(&psa, "0x01");
        let chip = |id: &str| format!(r#"{{"chipId": "{id}", "publicKey": "{POINT}"}}"#);
        let chips = |entries: &str| format!(r#"{{"se050": [{entries}]}}"#);
        assert!(Roots::parse(&chips(&chip(&"05".repeat(18)))).unwrap().chip(&[5; 18]).is_some());
        refused(&chips(&chip(&"05".repeat(17))), "chipId");
        refused(&chips(&[chip(&"05".repeat(18)), chip(&"05".repeat(18))].join(",")), "twice");
    }
}
