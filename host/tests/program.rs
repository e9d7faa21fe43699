// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program `cairn` as people use it, on a real node: deploy, provision, relay, evidence, verify, and each refusal with its words
//! and exit code. Waits are bounded; nothing is asserted about how long anything took.

mod anvil;
mod bench;
mod device;

use std::{fs, os::unix::fs::PermissionsExt as _};

use bench::{Bench, Wire};
use cairn::{
    factory::{AttestationKey, Factory},
    record::Kind,
    signer::Algorithm,
};
use cairn_evidence::{Evidence, Route, cbor, json};
use cairn_host::deployment::Deployment;
use device::TestDevice;

#[test]
fn from_deployment_to_verdict_and_every_refusal_has_its_own_exit_code() {
    let bench = Bench::new();
    bench.set_up();
    let factory = bench.factory();
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    let secret = factory.private_key.unwrap();
    let mut device = TestDevice::with(1, &secret, factory.blind_secret, deployment.deployment_id);
    let mut wire = Wire::new(&factory, &device);
    let (with_data, hash_only) = (device.seal(10, Kind::READING), device.seal(5, Kind::READING));
    let id = format!("0x{}", hex::encode(device.key.device_id().0));
    let get = |seq: u64| format!("evidence get --db relay.sqlite --device {id} --seq {seq} -o evidence.cbor");

    let relay = bench.relay();
    bench.runtime.block_on(bench.anvil.stop_mining());
    assert_eq!(wire.send(relay.address, &with_data, true).level, cairn::uplink::Level::Stored);
    assert_eq!(bench.run(&get(4)).status.code(), Some(3), "stored, and not on the ledger yet");
    // Killed at once, whatever it was doing.
    drop(relay);
    let relay = bench.relay();
    wire.send(relay.address, &hash_only, false);
    bench.finalise(2);

    bench.done(&get(4));
    let evidence = bench.read("evidence.cbor");
    let (code, said) = bench.verify(&evidence, &format!("--device {id}"));
    assert!(code == 0 && said.starts_with("VERIFIED") && said.contains(&id) && said.contains("reading"), "{said}");
    let (code, said) = bench.verify(&evidence, "--json");
    let verdict: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(code == 0 && verdict["record"]["seq"] == "4" && verdict["device"] == id.as_str(), "{said}");

    let from_console = hex::encode(cbor::encode(&device.evidence(&hash_only, 2)));
    fs::write(bench.path("device.hex"), from_console).unwrap();
    let (code, _) = bench.verify(&device.evidence(&hash_only, 2), "");
    assert_eq!(code, 54, "the device's own evidence names no transaction");
    bench.done("evidence complete --db relay.sqlite device.hex -o complete.cbor");
    assert_eq!(bench.verify(&bench.read("complete.cbor"), "").0, 0);
    assert_eq!(bench.run(&get(12)).status.code(), Some(1), "the relay does not have these records");

    several_at_once(&bench, &id);
    refusals(&bench, &evidence);
    keys_that_are_not_registered(&bench, &evidence, &mut device, &id);
}

/// A range of records makes a folder of evidence; several files are verified one by one, and one that is refused decides.
fn several_at_once(bench: &Bench, id: &str) {
    let get = |range: &str| format!("evidence get --db relay.sqlite --device {id} --seq {range} -o day");
    bench.done(&get("2-4"));
    let files = "verify day/2.cbor day/3.cbor day/4.cbor --json";
    let said = bench.done(&bench.with_node(files));
    let verdicts: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (verdict, seq) in verdicts.iter().zip(["2", "3", "4"]) {
        assert_eq!(verdict["file"], format!("day/{seq}.cbor"));
        assert_eq!((&verdict["verdict"], &verdict["record"]["seq"]), (&"verified".into(), &seq.into()));
        assert_eq!((&verdict["anchor"]["firstSeq"], &verdict["anchor"]["count"]), (&"0".into(), &10.into()));
    }
    assert_eq!(verdicts.len(), 3);
    let mut spoiled = bench.read("day/3.cbor");
    spoiled.record.payload[0] ^= 1;
    fs::write(bench.path("day/3.cbor"), cbor::encode(&spoiled)).unwrap();
    let output = bench.run(&bench.with_node("verify day/2.cbor day/3.cbor day/4.cbor"));
    let said = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = said.lines().filter(|line| !line.starts_with(' ') && line.contains("ED")).collect();
    assert_eq!(output.status.code(), Some(33), "{said}");
    assert!(verdicts.len() == 3 && verdicts[1].starts_with("REFUSED at step record"), "{said}");
    assert_eq!(bench.run(&get("8-12")).status.code(), Some(1), "the relay does not have all of these");
    assert_eq!(bench.run(&get("4-2")).status.code(), Some(2), "no range");
}

/// Each way to spoil the evidence or the question, its exit code, and a word of its message.
fn refusals(bench: &Bench, good: &Evidence) {
    let mut seen = Vec::new();
    let mut refuse = |code: i32, word: &str, more: &str, spoil: &dyn Fn(&mut Evidence)| {
        let mut evidence = good.clone();
        spoil(&mut evidence);
        let (found, said) = bench.verify(&evidence, more);
        assert!(found == code && said.contains(word) && said.starts_with("REFUSED"), "{code} {word}: {found} {said}");
        assert!(!seen.contains(&said));
        seen.push(said);
    };
    let stranger = format!("--device 0x{}", "09".repeat(32));
    refuse(33, "does not hash to its place", "", &|e| e.record.payload[0] ^= 1);
    refuse(21, "is of device", &stranger, &|_| ());
    refuse(20, "is of deployment", "", &|e| e.deployment.0[0] ^= 1);
    refuse(43, "not of the key", "", &|e| e.signature.0[40] ^= 1);
    refuse(42, "high-S", "", &|e| e.signature.0[32..].fill(0xfe));
    refuse(52, "contract", "", &|e| e.inclusion.as_mut().unwrap().contract[0] ^= 1);
    refuse(50, "names chain", "", &|e| e.inclusion.as_mut().unwrap().chain_id += 1);
    refuse(60, "not on the ledger", "", &|e| e.inclusion.as_mut().unwrap().transaction.hash[0] ^= 1);
    refuse(62, "fresh evidence", "", &|e| e.inclusion.as_mut().unwrap().transaction.block_number += 1);
    refuse(72, "belongs to no place", "", &|e| {
        let Route::Root { index, .. } = &mut e.inclusion.as_mut().unwrap().route else { panic!("root mode") };
        *index = u32::MAX;
    });
    refuse(73, "did not post", "", &|e| {
        let Route::Root { leaves, path, .. } = &mut e.inclusion.as_mut().unwrap().route else { panic!("root mode") };
        (*leaves, *path) = (2, vec![cairn::merkle::Hash([1; 32])]);
    });
    refuse(82, "stand upon", "--min-confirmations 100000", &|_| ());
    let file = bench.path("deployment.json");
    let original = fs::read_to_string(&file).unwrap();
    let mut elsewhere = Deployment::read(&file).unwrap();
    elsewhere.contract.0[0] ^= 1;
    fs::write(&file, serde_json::to_string(&elsewhere).unwrap()).unwrap();
    let contract = elsewhere.contract.into_array();
    refuse(53, "not of deployment", "", &|e| e.inclusion.as_mut().unwrap().contract = contract);
    elsewhere.contract.0[0] ^= 1;
    elsewhere.chain_id += 1;
    fs::write(&file, serde_json::to_string(&elsewhere).unwrap()).unwrap();
    refuse(51, "node serves chain", "", &|e| e.inclusion.as_mut().unwrap().chain_id += 1);
    fs::write(&file, original).unwrap();
    fs::write(bench.path("rubbish"), "rubbish").unwrap();
    assert_eq!(bench.run(&bench.with_node("verify rubbish")).status.code(), Some(10));
    assert_eq!(bench.run(&bench.with_node("verify absent")).status.code(), Some(1));
    fs::write(bench.path("evidence.json"), json::to_json(good)).unwrap();
    assert_eq!(bench.run(&bench.with_node("verify evidence.json")).status.code(), Some(0));
    let dead = "verify evidence.json --rpc http://127.0.0.1:1 --deployment deployment.json";
    assert_eq!(bench.run(dead).status.code(), Some(1), "a dead node is no verdict");
}

fn keys_that_are_not_registered(bench: &Bench, anchored: &Evidence, device: &mut TestDevice, id: &str) {
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    bench.runtime.block_on(bench.anvil.ask::<_, ()>("evm_setAutomine", (true,)));
    let mut unknown = TestDevice::with(9, &[9; 32], [9; 32], deployment.deployment_id);
    let batch = unknown.seal(3, Kind::READING);
    let evidence = bench.post_alone(unknown.evidence(&batch, 1), &unknown);
    let (code, said) = bench.verify(&evidence, "");
    assert!(code == 90 && said.contains("not registered"), "{code} {said}");

    bench.done(&(bench.with_node("provision revoke") + " --key-file owner.key --db relay.sqlite --device " + id));
    let late = device.seal(3, Kind::READING);
    let evidence = bench.post_alone(device.evidence(&late, 1), device);
    let (code, said) = bench.verify(&evidence, "");
    assert!(code == 91 && said.contains("revoked"), "{code} {said}");
    let (code, said) = bench.verify(anchored, "");
    assert!(code == 0 && said.contains("revoked"), "what was anchored before stays verified: {said}");
    let listed = bench.done("provision list --db relay.sqlite");
    assert!(listed.contains("revoked"), "{listed}");
}

#[test]
fn provisioning_again_changes_nothing_and_never_mixes_two_devices_up() {
    let bench = Bench::new();
    bench.set_up();
    let image = fs::read(bench.path("factory.bin")).unwrap();
    assert_eq!(fs::metadata(bench.path("factory.bin")).unwrap().permissions().mode() & 0o777, 0o600);
    let first = bench.done(&(bench.provision("factory.bin") + " --json"));
    assert_eq!(bench.done(&(bench.provision("factory.bin") + " --json")), first);
    assert_eq!(fs::read(bench.path("factory.bin")).unwrap(), image);
    bench.done(&bench.provision("second.bin"));
    assert_eq!(bench.done("provision list --db relay.sqlite").lines().count(), 2);
    let second = Factory::decode(&fs::read(bench.path("second.bin")).unwrap()).unwrap();
    assert!(second.kid != bench.factory().kid && second.master_secret != bench.factory().master_secret);

    let born = TestDevice::new(7);
    let public = format!(" --public-key 0x{}", hex::encode(born.key.compressed()));
    bench.done(&(bench.provision("born.bin") + &public));
    let born_image = Factory::decode(&fs::read(bench.path("born.bin")).unwrap()).unwrap();
    assert_eq!(born_image.private_key, None);
    let refused = |arguments: String, word: &str| {
        let output = bench.run(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(word), "{said}");
    };
    refused(bench.provision("born.bin"), "--public-key");

    let in_device = bench.provision("draws.bin") + " --key-in-device";
    bench.done(&in_device);
    let prepared = fs::read(bench.path("draws.bin")).unwrap();
    bench.done(&in_device);
    assert_eq!(bench.done("provision list --db relay.sqlite").lines().count(), 3, "there is no device yet");
    let drawn = format!(" --public-key 0x{}", hex::encode(TestDevice::new(8).key.compressed()));
    bench.done(&(bench.provision("draws.bin") + &drawn));
    assert_eq!(fs::read(bench.path("draws.bin")).unwrap(), prepared, "the image stays what the device has");
    assert_eq!(Factory::decode(&prepared).unwrap().private_key, None);
    assert_eq!(bench.done("provision list --db relay.sqlite").lines().count(), 4);
    refused(bench.provision("second.bin") + " --key-in-device", "holds a private key");
    refused(bench.provision("other.bin") + &public, "provisioned already");
    refused(bench.provision("second.bin") + " --alg es256", "algorithm");
    for (name, secret) in [("attestation.key", 4), ("other.key", 5)] {
        fs::write(bench.path(name), hex::encode([secret; 32])).unwrap();
    }
    let vouched = bench.provision("vouched.bin") + " --attestation-key attestation.key";
    bench.done(&vouched);
    bench.done(&vouched);
    let attestation = Factory::decode(&fs::read(bench.path("vouched.bin")).unwrap()).unwrap().attestation;
    assert!(attestation == Some(AttestationKey { alg: Algorithm::Es256k, private_key: [4; 32] }));
    refused(vouched.replace("attestation.key", "other.key"), "another attestation key");
    refused(bench.provision("second.bin") + " --attestation-key other.key", "another attestation key");
    fs::write(bench.path("rubbish.bin"), "rubbish").unwrap();
    refused(bench.provision("rubbish.bin"), "no factory image");
    refused(bench.provision("second.bin").replace("10.0.2.2", "10.0.2.3"), "names the relay");
    assert_eq!(bench.run("relay report --db absent.sqlite").status.code(), Some(1));
}
