// SPDX-License-Identifier: Apache-2.0 OR MIT
//! End to end with the key in a secure element (stage `e2e-se`): the chip generates it when the lock in QEMU boots without a
//! factory blob, vouches for it, and signs what is anchored and verified; in a second night it and its bus fail again and
//! again. Neither image, factory blob nor log holds the key. QEMU's board has no I2C peer that can be scripted: the bus is a
//! serial port to `cairn se-sim`; T=1, SCP03 and all above are the firmware's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    demo::{
        self, build_cairn,
        scenario::say,
        service::{Service, events},
        world::{Born, Said, Weather, World, text},
    },
    e2e::FAST,
    process::Log,
    samples,
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// A key born in the chip, endorsed by the chip, anchored and verified.
pub(crate) const STAGE: Stage = Stage {
    name: "e2e-se",
    about: "a lock in QEMU whose key is born in a secure element that vouches for it, anchored and verified",
    needs: demo::NEEDS,
    body: both,
};

/// As in the sample's key_in_se050.rs: key version, Key-ENC, Key-MAC.
const PLATFORM_KEYS: &str = "0b:51454d55206f6e6c793a204b65792d45:51454d55206f6e6c793a204b65792d4d";
/// The ledger key's object, as the chip's memory and log name it.
const KEY: &str = "20000001";

const SOON: Duration = Duration::from_secs(120);
/// For two batches with their exchanges, one of which is refused before the device is endorsed.
const NIGHT: Duration = Duration::from_secs(420);
const BATCHES: u64 = 2;

/// How a night goes.
struct Night {
    name: &'static str,
    /// Faults while the key is generated, and while it is used: one bus transfer each, by number.
    born: &'static str,
    used: &'static str,
}

const NIGHTS: [Night; 2] = [
    Night { name: "fair", born: "", used: "" },
    // What is not acknowledged, bad CRCs both ways, a block nobody noticed, a chip that restarts or hangs in mid-command.
    Night {
        name: "rough",
        born: "7:nack,25:flip=-1,61:deaf,140:power-loss",
        used: "5:nack,16:flip=-1,30:power-loss,75:flip=1,130:nack,160:deaf,190:torn,215:hang,\
               300:flip=-1,330:ones,360:power-loss,430:nack,460:wrong-sequence,520:flip=-1",
    },
];

fn both(context: &Context, log: &mut Log) -> Result<Outcome> {
    let cairn = build_cairn(&context.project, log)?;
    let image = samples::build_lock(&context.project, context.toolchain()?, log, &["--features", "se050"])?;
    let mut told = Vec::new();
    for night in &NIGHTS {
        let folder = context.project.directory("e2e-se")?.join(night.name);
        let world = World::create_with(&context.project, &folder, &cairn, &FAST, "required")?;
        // Another build of the lock would take its place.
        let kept = world.file("lock.elf");
        fs::copy(&image, &kept)?;
        told.push(Stay { world, folder, cairn: &cairn, image: kept }.one_night(night)?);
    }
    passed(told.join("; "))
}

/// A world, and what runs in it.
struct Stay<'a> {
    world: World,
    folder: PathBuf,
    cairn: &'a Path,
    image: PathBuf,
}

/// A chip that runs.
struct Chip {
    service: Service,
    port: u16,
    id: String,
    attester: String,
}

impl Stay<'_> {
    fn one_night(mut self, night: &Night) -> Result<String> {
        say(&format!("a {} night: the chip generates the lock's key", night.name));
        let chip = self.chip("born", night.born)?;
        let public_key = self.key_is_born(&chip)?;
        ensure_happened(&self.log("born"), night.born)?;
        // The chip outlives its program: what it keeps is in a file.
        chip.service.kill()?;
        let born = self.world.provision_with("lock", &["--public-key", &public_key])?;
        self.ensure_secret_is_in_the_chip_only(&born)?;

        say("the chip vouches for it: listed, it is believed");
        self.world.start_relay()?;
        let modem = self.world.modem("lock", &Weather::FAIR)?;
        let chip = self.chip("used", night.used)?;
        let nonce = self.challenge(&born)?;
        let mut lock = self.boot(Some((&born.factory, &nonce)), chip.port, modem.port())?;
        let endorsement = self.endorsement(&mut lock)?;
        self.judge(&chip, &endorsement)?;

        say("the lock signs in the chip, is served, and its records verify");
        for batch in 0..BATCHES {
            lock.wait_for(&format!("cairn: batch {batch} stored"), NIGHT)?;
        }
        let signed = lock.wait_for(&format!("batch {} signed", BATCHES - 1), SOON)?;
        self.world.wait_final(BATCHES)?;
        drop(lock);
        for seq in 0..3 {
            let evidence = self.world.evidence(&born.device, seq, &format!("event-{seq}.cbor"))?;
            let said = self.world.verify(&evidence, &["--device", &born.device])?;
            ensure!(said.code == 0, "record {seq} does not verify: {}{}", said.out, said.err);
        }
        let faults = ensure_happened(&self.log("used"), night.used)?;
        let transfers = events(&self.log("used"), "read")?.len() + events(&self.log("used"), "write")?.len();
        let unused = signed.split_whitespace().find_map(|word| word.parse::<u32>().ok().filter(|bytes| *bytes > 9));
        Ok(format!(
            "{}: {BATCHES} batches in {transfers} transfers with {faults} faults, {} bytes of stack left",
            night.name,
            unused.context("the lock says nothing of its stack")?
        ))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.world.file(&format!("chip.{name}.jsonl"))
    }

    /// Starts the chip on its memory.
    fn chip(&self, name: &str, faults: &str) -> Result<Chip> {
        let mut chip = Command::new(self.cairn);
        chip.args(["se-sim", "--listen", "127.0.0.1:0", "--scp03", PLATFORM_KEYS, "--scp03-only", "--faults", faults]);
        chip.arg("--memory").arg(self.world.file("chip.se")).arg("--log").arg(self.log(name));
        let mut service = Service::start("the chip", &chip, &self.world.file("chip.log"))?;
        let named = service.wait_for("attestation key", SOON)?;
        let mut words = named.split([' ', ',']).filter(|word| word.len() > 30);
        let ready = service.wait_for("cairn se-sim: ready", SOON)?;
        let port = ready.rsplit(':').next().and_then(|digits| digits.trim().parse().ok());
        let word = |word: Option<&str>| word.map(str::to_owned).with_context(|| format!("the chip says '{named}'"));
        let (id, attester) = (word(words.next())?, word(words.next())?);
        Ok(Chip { service, port: port.with_context(|| format!("no port in '{ready}'"))?, id, attester })
    }

    /// Boots a lock without a factory blob; gives the public key it says.
    fn key_is_born(&self, chip: &Chip) -> Result<String> {
        let unused = self.world.modem("unused", &Weather::FAIR)?;
        let mut lock = self.boot(None, chip.port, unused.port())?;
        let line = lock.wait_for("key generated in the chip: ", SOON)?;
        let key = line.rsplit(' ').next().unwrap_or_default().to_owned();
        let told = events(&self.log("born"), "key")?;
        let told = told.iter().find(|line| line["object"] == KEY).context("the chip's log has no such key")?;
        let point = told["publicKey"].as_str().unwrap_or_default();
        ensure!(key.len() == 66 && point.get(2..66) == key.get(2..), "the lock says {key}, the chip {point}");
        Ok(key)
    }

    /// The key in the chip's memory is in no other file: image, factory blob, console, the chip's logs, the relay's database.
    fn ensure_secret_is_in_the_chip_only(&self, born: &Born) -> Result<()> {
        let memory = fs::read_to_string(self.world.file("chip.se"))?;
        let line = memory.lines().find(|line| line.starts_with(&format!("key {KEY}"))).context("no key in the chip")?;
        let digits = line.rsplit(' ').next().unwrap_or_default();
        let secret = hex::decode(digits).context("the chip's memory")?;
        ensure!(secret.len() == 32, "the chip's memory holds {} bytes", secret.len());
        let console = self.folder.join("lock.console.log");
        for file in [&self.image, &born.factory, &console, &self.log("born"), &self.world.db()] {
            let bytes = fs::read(file).with_context(|| file.display().to_string())?;
            let found = bytes.windows(8).any(|window| secret.windows(8).any(|part| part == window));
            let as_text = String::from_utf8_lossy(&bytes).contains(&digits[..16]);
            ensure!(!found && !as_text, "the key is in {}", file.display());
        }
        Ok(())
    }

    /// Draws a nonce and lays it out as the sample looks for it.
    fn challenge(&self, born: &Born) -> Result<PathBuf> {
        let (deployment, db) = (text(&self.world.deployment()), text(&self.world.db()));
        let arguments = ["provision", "challenge", "--deployment", &deployment, "--db", &db, "--device", &born.device];
        let nonce = hex::decode(self.world.cairn(&arguments)?.trim()).context("the nonce")?;
        let file = self.world.file("nonce.bin");
        fs::write(&file, [b"NONC", &nonce[..]].concat())?;
        Ok(file)
    }

    fn endorsement(&self, lock: &mut Service) -> Result<PathBuf> {
        let line = lock.wait_for("endorsement", SOON)?;
        let digits = line.strip_prefix("lock: endorsement ").with_context(|| line.clone())?;
        let file = self.world.file("endorsement.hex");
        fs::write(&file, digits)?;
        Ok(file)
    }

    /// Refused of a chip nobody lists, and of one with another attestation key; then taken, once.
    fn judge(&self, chip: &Chip, file: &Path) -> Result<()> {
        // The generator of P-256.
        let another = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
        let refused = |said: &Said, code: i32| {
            ensure!(said.code == code && said.out.starts_with("REFUSED"), "{code}: {} {}", said.code, said.out);
            Ok(())
        };
        refused(&self.endorse(file, &"00".repeat(18), &chip.attester)?, 50)?;
        refused(&self.endorse(file, &chip.id, another)?, 52)?;
        let said = self.endorse(file, &chip.id, &chip.attester)?;
        ensure!(said.code == 0 && said.out.starts_with("ENDORSED"), "{}{}", said.out, said.err);
        refused(&self.endorse(file, &chip.id, &chip.attester)?, 31)
    }

    /// Runs `cairn provision endorse` with one chip listed.
    fn endorse(&self, file: &Path, chip: &str, attester: &str) -> Result<Said> {
        let roots = self.world.file("roots.json");
        fs::write(&roots, format!(r#"{{"se050": [{{"chipId": "{chip}", "publicKey": "{attester}"}}]}}"#))?;
        let paths = [file, &self.world.chain.owner_key(), &self.world.deployment(), &self.world.db(), &roots].map(text);
        let [file, owner, deployment, db, roots] = &paths;
        let url = self.world.chain.url();
        let place = ["--rpc", &url, "--key-file", owner, "--deployment", deployment, "--db", db, "--roots", roots];
        self.world.cairn_says(&[&["provision", "endorse", file][..], &place].concat())
    }

    /// The lock in QEMU, with a factory blob and a nonce or as it was soldered. Its flash is a file in the folder it runs in.
    fn boot(&self, given: Option<(&Path, &Path)>, chip: u16, modem: u16) -> Result<Service> {
        let mut qemu = samples::lock_in_qemu(&self.folder);
        let places = given.map(|(factory, nonce)| [(factory, "0x21000000"), (nonce, "0x21001000")]);
        for (file, address) in places.into_iter().flatten() {
            qemu.arg("-device").arg(format!("loader,file={},addr={address},force-raw=on", file.display()));
        }
        qemu.arg("-kernel").arg(&self.image).args(["-serial", "stdio"]);
        for port in [modem, chip] {
            // Requests are sent byte by byte, and each is waited for.
            qemu.arg("-serial").arg(format!("tcp:127.0.0.1:{port},nodelay=on"));
        }
        Service::start("QEMU", &qemu, &self.folder.join("lock.console.log"))
    }
}

/// That every fault of `plan` happened, as the chip tells it; gives their number.
fn ensure_happened(log: &Path, plan: &str) -> Result<usize> {
    let happened: Vec<String> =
        events(log, "fault")?.iter().map(|line| format!("{}:{}", line["transfer"], line["fault"])).collect();
    let happened = happened.join(",").replace('"', "");
    ensure!(happened == plan, "of the faults {plan} these happened: {happened}");
    Ok(plan.split(',').filter(|fault| !fault.is_empty()).count())
}
