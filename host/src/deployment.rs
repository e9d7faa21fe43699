// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The deployment file: what a relay and a verifier trust. Written by `cairn contract deploy`, read by every other verb, handed from
//! person to person; holds no secrets.

use std::{fs, path::Path};

use anyhow::Context as _;
use cairn::batch::DeploymentId;
use serde::{Deserialize, Serialize};

use crate::{chain::Address, relay::store::Home};

/// Blocks that must stand upon a block before it counts as final, when nobody says otherwise.
pub const DEFAULT_FINALITY_DEPTH: u64 = 12;

/// A deployment and where its contract is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract's address.
    pub contract: Address,
    /// The deployment's id: the salt of every signature.
    #[serde(with = "hex32")]
    pub deployment_id: DeploymentId,
    /// The contract is not in any block before this one.
    pub block_number: u64,
    /// Blocks that must stand upon a block before it counts as final.
    #[serde(default = "default_depth")]
    pub finality_depth: u64,
    /// Whether a device has to be endorsed. A file that does not say so requires it.
    #[serde(default)]
    pub endorsement: EndorsementPolicy,
}

/// Whether a device has to be endorsed before its key is registered and its uplinks are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum EndorsementPolicy {
    /// It has to be.
    #[default]
    Required,
    /// Whoever provisions a device is believed.
    Optional,
}

const fn default_depth() -> u64 {
    DEFAULT_FINALITY_DEPTH
}

impl Deployment {
    /// Reads a deployment file.
    ///
    /// # Errors
    /// With the file's name and what is wrong.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a deployment file", path.display()))
    }

    /// Writes a deployment file; refuses to replace one.
    ///
    /// # Errors
    /// With the file's name and what is wrong.
    pub fn write_new(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        crate::files::write_new(path, text.as_bytes(), 0o644)
    }

    /// What a relay's database of this deployment says of itself.
    #[must_use]
    pub fn home(&self) -> Home {
        Home { deployment: self.deployment_id, chain_id: self.chain_id, contract: self.contract.into_array() }
    }
}

mod hex32 {
    use cairn::batch::DeploymentId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(id: &DeploymentId, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("0x{}", hex::encode(id.0)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<DeploymentId, D::Error> {
        let text = String::deserialize(d)?;
        crate::files::fixed_hex(&text).map(DeploymentId).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deployment.json");
        let deployment = Deployment {
            chain_id: 31_337,
            contract: Address::repeat_byte(7),
            deployment_id: DeploymentId([9; 32]),
            block_number: 3,
            finality_depth: 2,
            endorsement: EndorsementPolicy::Optional,
        };
        deployment.write_new(&path).unwrap();
        assert_eq!(Deployment::read(&path).unwrap(), deployment);
        assert!(deployment.write_new(&path).is_err());
        let without = r#"{"chainId":1,"contract":"0x0000000000000000000000000000000000000001","deploymentId":"0xab","blockNumber":0}"#;
        fs::write(&path, without).unwrap();
        assert!(format!("{:#}", Deployment::read(&path).unwrap_err()).contains("32 bytes"));
        let silent = without.replace("0xab", &"ab".repeat(32));
        fs::write(&path, silent).unwrap();
        assert_eq!(Deployment::read(&path).unwrap().endorsement, EndorsementPolicy::Required);
    }
}
