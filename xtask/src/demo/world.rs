// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything around the devices: the chain with its contract, the relay, modems, and the program `cairn`, as an
//! operator would run them. Used by the demonstration and by the end-to-end cells; decides nothing about what is right.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    chain::Chain,
    device::{Device, Flash, Power},
    service::{Service, free_udp_port, wait_until},
};
use crate::{process::shown, project::Project};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Where the factory image says the relay is. The modem sends everything to the relay's real port instead, so that the
/// same image serves every run.
const RELAY_ADDRESS: &str = "192.0.2.1:5683";

/// How long the relay believes what the registry said of a key. Longer than any run: so that the verifier is seen to
/// refuse, by itself, anchors that a relay with old news let through.
const KEY_CHECK_SECONDS: &str = "1000000";

/// The state of the radio between modem and relay.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Decides every fate.
    pub(crate) seed: u64,
    /// Probability that a datagram is lost, each way.
    pub(crate) loss: &'static str,
    /// One-way delay in milliseconds, `MIN..MAX`.
    pub(crate) delay_ms: &'static str,
}

impl Weather {
    /// Nothing is lost, nothing is late.
    pub(crate) const FAIR: Self = Self { seed: 1, loss: "0", delay_ms: "0" };
}

/// How a world runs.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Seconds from block to block.
    pub(crate) block_seconds: u64,
    /// Blocks upon a block before it is final.
    pub(crate) finality_depth: u64,
    /// Seconds from one posting of the relay to the next.
    pub(crate) posting_seconds: u64,
}

impl Pace {
    /// Longest time from a device's uplink to its anchor being final, with room for a busy machine.
    pub(crate) fn finality_limit(&self) -> Duration {
        Duration::from_secs(60 + self.posting_seconds + self.block_seconds * (self.finality_depth + 4) * 2)
    }
}

/// A device as it left the factory.
#[derive(Clone, Debug)]
pub(crate) struct Born {
    /// Its id, 0x-hexadecimal.
    pub(crate) device: String,
    /// Its key's id.
    pub(crate) key: String,
    /// Its factory image.
    pub(crate) factory: PathBuf,
}

/// A modem that runs.
pub(crate) struct Modem {
    port: u16,
    log: PathBuf,
    service: Service,
}

/// What the modem counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// UDP payload bytes from the device.
    pub(crate) up_bytes: u64,
    /// UDP payload bytes to the device.
    pub(crate) down_bytes: u64,
    /// Datagrams from the device.
    pub(crate) up: u64,
    /// Datagrams lost on their way, both directions.
    pub(crate) lost: u64,
    /// Sockets opened.
    pub(crate) opened: u64,
}

/// The last words of `cairn`.
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Everything around the devices.
pub(crate) struct World {
    folder: PathBuf,
    cairn: PathBuf,
    pace: Pace,
    /// The chain.
    pub(crate) chain: Chain,
    relay_port: u16,
    /// Where factory images say the relay is.
    relay_address: String,
    relay: Option<Service>,
}

impl World {
    /// A new chain with the contract deployed and the relay's account allowed. What `folder` held is removed.
    /// Devices need no endorsement.
    pub(crate) fn create(project: &Project, folder: &Path, cairn: &Path, pace: &Pace) -> Result<Self> {
        // The sample's image comes with its key: nobody is there to vouch for it.
        Self::create_with(project, folder, cairn, pace, "optional")
    }

    /// As [`World::create`], with a policy on endorsements.
    pub(crate) fn create_with(
        project: &Project,
        folder: &Path,
        cairn: &Path,
        pace: &Pace,
        endorsement: &str,
    ) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(folder)?;
        let chain = Chain::start(project, folder, pace.block_seconds)?;
        let world = Self {
            folder: folder.to_owned(),
            cairn: cairn.to_owned(),
            pace: pace.clone(),
            chain,
            relay_port: free_udp_port()?,
            relay_address: RELAY_ADDRESS.to_owned(),
            relay: None,
        };
        let (url, owner) = (world.chain.url(), text(&world.chain.owner_key()));
        let depth = world.pace.finality_depth.to_string();
        let deployment = text(&world.deployment());
        world.cairn(&[
            "contract",
            "deploy",
            "--endorsement",
            endorsement,
            "--rpc",
            &url,
            "--key-file",
            &owner,
            "--finality-depth",
            &depth,
            "-o",
            &deployment,
        ])?;
        let relay = text(&world.chain.relay_key());
        world.cairn(&[
            "contract",
            "allow-relay",
            "--rpc",
            &url,
            "--deployment",
            &deployment,
            "--key-file",
            &owner,
            "--relay-key-file",
            &relay,
        ])?;
        Ok(world)
    }

    /// A file of this world.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The deployment file.
    pub(crate) fn deployment(&self) -> PathBuf {
        self.file("deployment.json")
    }

    /// The relay's database.
    pub(crate) fn db(&self) -> PathBuf {
        self.file("relay.sqlite")
    }

    /// How it runs.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Runs `cairn` and gives its standard output.
    ///
    /// # Errors
    /// When it ends with another code than 0.
    pub(crate) fn cairn(&self, arguments: &[&str]) -> Result<String> {
        let said = self.cairn_says(arguments)?;
        if said.code != 0 {
            bail!("cairn {} ended with code {}: {}{}", arguments.join(" "), said.code, said.out, said.err);
        }
        Ok(said.out)
    }

    /// Runs `cairn`, however it ends.
    pub(crate) fn cairn_says(&self, arguments: &[&str]) -> Result<Said> {
        let mut command = Command::new(&self.cairn);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        let output = command.output().with_context(|| shown(&command))?;
        let said = Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let mut log = OpenOptions::new().create(true).append(true).open(self.file("commands.log"))?;
        writeln!(log, "$ {}\n{}{}(code {})\n", shown(&command), said.out, said.err, said.code)?;
        Ok(said)
    }

    /// Devices have an IP stack of their own and reach this machine at `host`: factory images made from now on name the relay's
    /// real port.
    pub(crate) fn is_reached_at(&mut self, host: &str) {
        self.relay_address = format!("{host}:{}", self.relay_port);
    }

    /// Creates and registers a device.
    pub(crate) fn provision(&self, name: &str) -> Result<Born> {
        self.provision_with(name, &[])
    }

    /// Creates and registers a device, with more arguments.
    pub(crate) fn provision_with(&self, name: &str, more: &[&str]) -> Result<Born> {
        let (factory, made) = self.make(name, more)?;
        let field = |name: &str| made[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {made}"));
        Ok(Born { device: field("deviceId")?, key: field("keyId")?, factory })
    }

    /// Makes the factory image of a device that draws its key itself. `provision_with` its public key is the next step.
    pub(crate) fn prepare(&self, name: &str) -> Result<PathBuf> {
        Ok(self.make(name, &["--key-in-device"])?.0)
    }

    fn make(&self, name: &str, more: &[&str]) -> Result<(PathBuf, Value)> {
        let factory = self.file(&format!("{name}.factory.bin"));
        let (url, owner, deployment) = (self.chain.url(), text(&self.chain.owner_key()), text(&self.deployment()));
        let (db, output) = (text(&self.db()), text(&factory));
        let arguments = [
            "provision",
            "--rpc",
            &url,
            "--key-file",
            &owner,
            "--deployment",
            &deployment,
            "--db",
            &db,
            "--relay",
            &self.relay_address,
            "--output",
            &output,
            "--json",
        ];
        let out = self.cairn(&[&arguments[..], more].concat())?;
        Ok((factory, serde_json::from_str(&out).context("cairn provision --json")?))
    }

    /// Revokes a device's key on the chain. The relay is not told.
    pub(crate) fn revoke(&self, key: &str) -> Result<()> {
        self.as_owner("revoke", &["--key", key]).map(drop)
    }

    /// `cairn provision` with a verb of the owner's.
    pub(crate) fn as_owner(&self, verb: &str, more: &[&str]) -> Result<String> {
        let (url, owner, deployment) = (self.chain.url(), text(&self.chain.owner_key()), text(&self.deployment()));
        let arguments = ["provision", verb, "--rpc", &url, "--key-file", &owner, "--deployment", &deployment];
        self.cairn(&[&arguments[..], more].concat())
    }

    /// Starts the relay on its database.
    pub(crate) fn start_relay(&mut self) -> Result<()> {
        let mut relay = Command::new(&self.cairn);
        relay.args(["relay", "run", "--db"]).arg(self.db());
        relay.arg("--listen").arg(format!("127.0.0.1:{}", self.relay_port)).arg("--rpc").arg(self.chain.url());
        relay.arg("--deployment").arg(self.deployment()).arg("--key-file").arg(self.chain.relay_key());
        relay.arg("--batch-interval").arg(self.pace.posting_seconds.to_string()).args(["--poll-interval", "1"]);
        relay.args(["--key-check", KEY_CHECK_SECONDS]).env("RUST_LOG", "info");
        let mut service = Service::start("the relay", &relay, &self.file("relay.log"))?;
        service.wait_for("relay runs", START_LIMIT)?;
        self.relay = Some(service);
        Ok(())
    }

    /// That the relay runs, if it was started.
    pub(crate) fn check_relay(&mut self) -> Result<()> {
        self.relay.as_mut().map_or(Ok(()), Service::check_alive)
    }

    /// Ends the relay at once.
    pub(crate) fn kill_relay(&mut self) -> Result<()> {
        match self.relay.take() {
            Some(relay) => relay.kill(),
            None => bail!("the relay does not run"),
        }
    }

    /// Starts a modem.
    pub(crate) fn modem(&self, name: &str, weather: &Weather) -> Result<Modem> {
        self.modem_with(name, weather, &[])
    }

    /// Starts a modem, with more arguments.
    pub(crate) fn modem_with(&self, name: &str, weather: &Weather, more: &[String]) -> Result<Modem> {
        let log = self.file(&format!("{name}.modem.jsonl"));
        let mut modem = Command::new(&self.cairn);
        modem.args(["modem", "--listen", "127.0.0.1:0", "--redirect"]).arg(format!("127.0.0.1:{}", self.relay_port));
        modem.arg("--seed").arg(weather.seed.to_string()).args([
            "--loss",
            weather.loss,
            "--delay-ms",
            weather.delay_ms,
        ]);
        modem.arg("--log").arg(&log).args(more);
        let mut service = Service::start("the modem", &modem, &self.file(&format!("{name}.modem.log")))?;
        let line = service.wait_for("cairn modem: ready", START_LIMIT)?;
        let port = line.rsplit(':').next().and_then(|digits| digits.trim().parse().ok());
        Ok(Modem { port: port.with_context(|| format!("no port in '{line}'"))?, log, service })
    }

    /// Switches a device on.
    pub(crate) fn boot(
        &self,
        name: &str,
        image: &Path,
        born: &Born,
        modem: Option<&Modem>,
        show: bool,
    ) -> Result<Device> {
        let flash = Flash::Fast(self.flash(name));
        Device::boot(&Power { show, ..self.power(name, image, born, modem, flash) })
    }

    /// The file that is the flash of the device of this name: what it holds outlives the device's power.
    pub(crate) fn flash(&self, name: &str) -> PathBuf {
        self.file(&format!("{name}.flash"))
    }

    /// What a device is switched on with.
    pub(crate) fn power<'a>(
        &self,
        name: &str,
        image: &'a Path,
        born: &'a Born,
        modem: Option<&Modem>,
        flash: Flash,
    ) -> Power<'a> {
        Power {
            image,
            factory: &born.factory,
            flash,
            modem: modem.map(|modem| modem.port),
            machine: Vec::new(),
            console_log: self.file(&format!("{name}.console.log")),
            show: false,
        }
    }

    /// What the relay's database says: anchors, included, final, equivocations.
    pub(crate) fn report(&self) -> Result<Value> {
        let said = self.cairn_says(&["relay", "report", "--db", &text(&self.db()), "--json"])?;
        serde_json::from_str(&said.out).with_context(|| format!("cairn relay report: {}", said.err))
    }

    /// Waits until `anchors` anchors are final.
    pub(crate) fn wait_final(&mut self, anchors: u64) -> Result<()> {
        let limit = self.pace.finality_limit();
        wait_until(&format!("{anchors} anchors are final"), limit, || {
            self.check_relay()?;
            Ok(self.report()?["final"].as_u64().is_some_and(|number| number >= anchors))
        })
    }

    /// Makes the evidence of a record whose batch came with its data.
    pub(crate) fn evidence(&self, device: &str, seq: u64, name: &str) -> Result<PathBuf> {
        let file = self.file(name);
        let seq = seq.to_string();
        self.cairn(&[
            "evidence",
            "get",
            "--db",
            &text(&self.db()),
            "--device",
            device,
            "--seq",
            &seq,
            "-o",
            &text(&file),
        ])?;
        Ok(file)
    }

    /// Evidence in its JSON form.
    pub(crate) fn as_json(&self, evidence: &Path) -> Result<Value> {
        Ok(serde_json::from_str(&self.cairn(&["evidence", "show", "--json", &text(evidence)])?)?)
    }

    /// Verifies evidence with this deployment's file.
    pub(crate) fn verify(&self, evidence: &Path, more: &[&str]) -> Result<Said> {
        let (evidence, url, deployment) = (text(evidence), self.chain.url(), text(&self.deployment()));
        let mut arguments = vec!["verify", &evidence, "--rpc", &url, "--deployment", &deployment];
        arguments.extend(more);
        self.cairn_says(&arguments)
    }
}

impl Modem {
    /// The TCP port of its serial line.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// What it counted so far.
    pub(crate) fn traffic(&mut self) -> Result<Traffic> {
        self.service.check_alive()?;
        let said = fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())?;
        let Some(last) = said.lines().next_back() else { return Ok(Traffic::default()) };
        let line: Value = serde_json::from_str(last).context("the modem's log")?;
        let count = |name: &str| line["counters"][name].as_u64().with_context(|| format!("the modem counts no {name}"));
        Ok(Traffic {
            up_bytes: count("up_bytes")?,
            down_bytes: count("down_bytes")?,
            up: count("up")?,
            lost: count("up_lost")? + count("down_lost")?,
            opened: count("opened")?,
        })
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
