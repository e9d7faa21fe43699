// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The local EVM node and the two accounts that the owner and the relay use on it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, bail};
use serde_json::json;

use super::{
    rpc,
    service::{Service, free_tcp_port, wait_until},
};
use crate::{project::Project, setup::npm};

/// anvil's chain id.
pub(crate) const CHAIN_ID: u64 = 31_337;

/// The first two accounts of anvil's well-known mnemonic: rich on every local node, worthless everywhere else.
const OWNER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const RELAY_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

const START_LIMIT: Duration = Duration::from_secs(30);

/// A local node.
pub(crate) struct Chain {
    anvil: PathBuf,
    folder: PathBuf,
    block_seconds: u64,
    port: u16,
    service: Option<Service>,
}

impl Chain {
    /// Starts a node with a block each `block_seconds`; its state is kept in `folder` over restarts.
    pub(crate) fn start(project: &Project, folder: &Path, block_seconds: u64) -> Result<Self> {
        for (name, key) in [("owner.key", OWNER_KEY), ("relay.key", RELAY_KEY)] {
            let path = folder.join(name);
            fs::write(&path, key)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        let (anvil, folder) = (npm::anvil(project), folder.to_owned());
        let mut chain = Self { anvil, folder, block_seconds, port: free_tcp_port()?, service: None };
        chain.switch_on()?;
        Ok(chain)
    }

    fn switch_on(&mut self) -> Result<()> {
        let mut anvil = Command::new(&self.anvil);
        anvil.args(["--host", "127.0.0.1", "--silent", "--port"]).arg(self.port.to_string());
        anvil.arg("--chain-id").arg(CHAIN_ID.to_string()).arg("--block-time").arg(self.block_seconds.to_string());
        // Written each second, so that a killed node comes back with its blocks.
        anvil.arg("--state").arg(self.folder.join("anvil.json")).args(["--state-interval", "1"]);
        let service = self.service.insert(Service::start("anvil", &anvil, &self.folder.join("anvil.log"))?);
        let port = self.port;
        wait_until("the node answers", START_LIMIT, || {
            service.check_alive()?;
            Ok(rpc::block_number(port).is_ok())
        })
    }

    /// Its JSON-RPC address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// File with the owner's key.
    pub(crate) fn owner_key(&self) -> PathBuf {
        self.folder.join("owner.key")
    }

    /// File with the relay's key.
    pub(crate) fn relay_key(&self) -> PathBuf {
        self.folder.join("relay.key")
    }

    /// Ends the node at once.
    pub(crate) fn kill(&mut self) -> Result<()> {
        match self.service.take() {
            Some(service) => service.kill(),
            None => bail!("the node does not run"),
        }
    }

    /// Starts a killed node again, with the state it wrote last.
    pub(crate) fn revive(&mut self) -> Result<()> {
        self.switch_on()
    }

    /// Remembers the state of the chain.
    pub(crate) fn snapshot(&self) -> Result<serde_json::Value> {
        rpc::call(self.port, "evm_snapshot", &json!([]))
    }

    /// Goes back to a state that was remembered: what came after never happened.
    pub(crate) fn revert(&self, snapshot: &serde_json::Value) -> Result<()> {
        if rpc::call(self.port, "evm_revert", &json!([snapshot]))? != true {
            bail!("the node does not go back");
        }
        Ok(())
    }

    /// Replaces the newest `depth` blocks by empty ones.
    pub(crate) fn reorganise(&self, depth: u64) -> Result<()> {
        rpc::call(self.port, "anvil_reorg", &json!([depth, []])).map(drop)
    }
}
