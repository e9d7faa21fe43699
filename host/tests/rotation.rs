// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that changes its key, and keys that are revoked, with the program on a real node: by real block times, in
//! root and in direct mode. Waits are bounded; nothing is asserted about how long anything took.

mod anvil;
mod bench;
mod device;

use std::fs;

use alloy::providers::Provider as _;
use bench::{Bench, Wire};
use cairn::{record::Kind, signer::Algorithm, uplink::Level};
use cairn_coap::message::Code;
use cairn_evidence::{Evidence, EvidenceKey, RotationFault, Route, cbor};
use cairn_host::{
    chain::{
        PackedAnchors, Payload, SignedAnchor,
        evm::{EvmLedger, EvmView, Node},
    },
    deployment::Deployment,
};
use device::{Batch, TestDevice, TestKey};

/// A device of `bench`'s deployment that the relay knows.
fn provisioned(bench: &Bench) -> (TestDevice, Wire) {
    let factory = bench.factory();
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    let secret = factory.private_key.unwrap();
    let device = TestDevice::with(1, &secret, factory.blind_secret, deployment.deployment_id);
    let wire = Wire::new(&factory, &device);
    (device, wire)
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// The device's evidence of a record, by the relay.
fn evidence(bench: &Bench, device: &TestDevice, seq: u64) -> Evidence {
    let id = hex0x(&device.id.0);
    bench.done(&format!("evidence get --db relay.sqlite --device {id} --seq {seq} -o evidence.cbor"));
    bench.read("evidence.cbor")
}

fn rotate(bench: &Bench, more: &str) -> (i32, String) {
    let output = bench.run(&(bench.with_node("provision rotate") + " --key-file owner.key " + more));
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn revoke(bench: &Bench, more: &str) -> String {
    bench.done(&(bench.with_node("provision revoke") + " --key-file owner.key " + more))
}

/// Time of the newest block, Unix seconds.
fn head_time(bench: &Bench) -> u64 {
    let block = bench.runtime.block_on(async { bench.anvil.rpc.get_block_by_number(Default::default()).await });
    block.unwrap().unwrap().header.timestamp
}

/// The next block is of this time, and every transaction gets a block of its own.
fn next_block_at(bench: &Bench, time: u64) {
    bench.runtime.block_on(bench.anvil.ask::<_, ()>("evm_setAutomine", (true,)));
    bench.runtime.block_on(bench.anvil.ask::<_, serde_json::Value>("evm_setNextBlockTimestamp", (time,)));
}

#[test]
fn a_device_rotates_the_owner_registers_its_key_and_the_old_one_is_revoked_without_harm() {
    let bench = Bench::new();
    bench.set_up();
    let (mut device, mut wire) = provisioned(&bench);
    let (id, first) = (hex0x(&device.id.0), hex0x(&device.key.key_id().0));
    let relay = bench.relay();
    let before = device.seal(4, Kind::READING);
    wire.send(relay.address, &before, true);
    let (code, said) = rotate(&bench, &format!("--db relay.sqlite --device {id}"));
    assert!(code == 1 && said.contains("no rotation"), "{said}");
    let rotation = device.rotate(TestKey::p256(2));
    wire.send(relay.address, &rotation, true);
    wire.send(relay.address, &rotation, false);
    let after = device.seal(3, Kind::READING);
    assert_eq!(wire.send(relay.address, &after, true).level, Level::Stored);
    bench.finalise(2);

    let get = format!("evidence get --db relay.sqlite --device {id} --seq 6 -o evidence.cbor");
    assert_eq!(bench.run(&get).status.code(), Some(3), "not posted before the key is registered");
    let alone = bench.post_alone(device.evidence(&after, 1), &device);
    assert_eq!(bench.verify(&alone, &format!("--device {id}")).0, 90, "nor good when somebody posts it");
    let verb = format!("--db relay.sqlite --device {id}");
    let register = || -> serde_json::Value {
        let verb = bench.with_node("provision rotate") + " --key-file owner.key --json " + &verb;
        serde_json::from_str(&bench.done(&verb)).unwrap()
    };
    next_block_at(&bench, head_time(&bench) + 1000);
    let registered = register();
    assert!(registered[0]["from"] == first.as_str() && registered[0]["device"] == id.as_str(), "{registered}");
    let again = register();
    assert_eq!(again, registered, "again is the same");
    bench.finalise(3);

    let late = evidence(&bench, &device, 6);
    assert_eq!(late.rotations.len(), 1);
    let (code, said) = bench.verify(&late, &format!("--device {id}"));
    assert!(
        code == 0 && said.contains(&id) && said.contains("ES256)") && said.contains("1 of the device's rot"),
        "{said}"
    );
    assert_eq!(bench.verify(&alone, "").0, 92, "what was included before the registration stays refused");
    let shown = bench.done("evidence show evidence.cbor");
    assert!(shown.contains(&id) && shown.contains("rotation 1") && shown.contains("ES256)"), "{shown}");
    let verdict: serde_json::Value = serde_json::from_str(&bench.verify(&late, "--json").1).unwrap();
    assert_eq!(verdict["rotations"][0]["seq"], "4");

    let early = evidence(&bench, &device, 2);
    next_block_at(&bench, head_time(&bench) + 1000);
    let said = revoke(&bench, &format!("--db relay.sqlite --key {first}"));
    assert!(said.contains("revoked") && !said.contains("not on the ledger"), "{said}");
    let (code, said) = bench.verify(&early, &format!("--device {id}"));
    assert!(code == 0 && said.contains("revoked"), "{said}");
    let (code, said) = bench.verify(&late, &format!("--device {id}"));
    assert!(code == 0 && !said.contains("revoked"), "the chain and what follows it stay: {said}");
    assert_eq!(wire.send(relay.address, &rotation, true).level, Level::Final, "and the device is served on");
    let listed = bench.done("provision list --db relay.sqlite");
    assert!(listed.contains("before: key") && listed.contains("revoked"), "{listed}");
    refusals(&bench, &late, &id);
    files_of_rotations(&bench, &mut device, &mut wire, relay.address);
}

/// What of the chain somebody changes is named.
fn refusals(bench: &Bench, good: &Evidence, id: &str) {
    let refuse = |code: i32, change: &dyn Fn(&mut Evidence)| {
        let mut evidence = good.clone();
        change(&mut evidence);
        let (found, said) = bench.verify(&evidence, &format!("--device {id}"));
        assert!(found == code && said.starts_with("REFUSED at step "), "{found} for {code}: {said}");
    };
    refuse(21, &|e| e.rotations.clear());
    // Without --device only the registry knows that the key is not a first one.
    let mut stripped = good.clone();
    stripped.rotations.clear();
    assert_eq!(bench.verify(&stripped, "").0, 93);
    refuse(i32::from(RotationFault::OtherSigner.exit_code()), &|e| e.rotations[0].signature.0[40] ^= 1);
    refuse(105, &|e| {
        let mut record = cbor::read_record(&e.rotations[0].record).unwrap();
        record.time.unix_ms += 1;
        e.rotations[0].record = cbor::record_bytes(&record);
    });
    refuse(114, &|e| e.rotations.push(e.rotations[0].clone()));
}

/// Rotations by files of evidence: complete ones, the device's own, and such as are none.
fn files_of_rotations(bench: &Bench, device: &mut TestDevice, wire: &mut Wire, relay: std::net::SocketAddr) {
    let second = device.key;
    let batch = device.rotate(TestKey::software(&[3; 32]));
    wire.send(relay, &batch, true);
    // The device's own evidence names no transaction: its key is not revoked, so none is needed.
    let mut own = device.evidence(&batch, 0);
    own.rotations.truncate(1);
    own.key = EvidenceKey { alg: second.alg, public_key: second.compressed() };
    let save = |name: &str, evidence: &Evidence| fs::write(bench.path(name), cbor::encode(evidence)).unwrap();
    save("reading.cbor", &evidence(bench, device, 6));
    let (code, said) = rotate(bench, "reading.cbor");
    assert!(code == 102 && said.contains("rotation 2"), "{code} {said}");
    save("rotation.cbor", &own);
    let (code, said) = rotate(bench, "rotation.cbor");
    assert!(code == 0 && said.contains("registered"), "{code} {said}");
    own.signature.0[50] ^= 1;
    save("changed.cbor", &own);
    assert_eq!(rotate(bench, "changed.cbor").0, 43);
    fs::write(bench.path("rubbish"), "rubbish").unwrap();
    assert_eq!(rotate(bench, "rubbish").0, 10);
    // The second key has done its part: revoked, it is in nobody's way.
    revoke(bench, &format!("--db relay.sqlite --key {}", hex0x(&second.key_id().0)));
    let by_relay = format!("--db relay.sqlite --device {}", hex0x(&device.id.0));
    assert_eq!(rotate(bench, &by_relay).0, 0);
    revoke(bench, &by_relay);
    let (code, said) = rotate(bench, &by_relay);
    assert!(code == 1 && said.contains("for good"), "{said}");
    assert_eq!(rotate(bench, "absent").0, 1);
}

/// Includes a batch's anchor in a block of `time` by either route; gives complete evidence of its second record.
fn include(bench: &Bench, device: &TestDevice, batch: &Batch, time: u64, direct: bool) -> Evidence {
    next_block_at(bench, time);
    if !direct {
        return bench.post_alone(device.evidence(batch, 1), device);
    }
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    let view = EvmView::new(Node::new(&bench.anvil.url, deployment.chain_id).unwrap(), deployment.contract);
    let ledger = EvmLedger::new(view, bench.poster.clone());
    let mut packed = PackedAnchors::new();
    let signed = SignedAnchor { anchor: batch.anchor, signature: batch.signature, key: device.key };
    packed.push(&deployment.deployment_id, &signed).unwrap();
    let receipt = bench.runtime.block_on(anvil::post(&ledger, &Payload::Anchors(packed)));
    assert!(receipt.succeeded && receipt.block.time == time);
    let mut evidence = device.evidence(batch, 1);
    evidence.inclusion = Some(cairn_evidence::Inclusion {
        chain_id: deployment.chain_id,
        contract: deployment.contract.into_array(),
        route: Route::Direct,
        transaction: cairn_evidence::TransactionRef {
            hash: receipt.transaction.0,
            block_number: receipt.block.number,
            block_hash: receipt.block.hash.0,
        },
    });
    bench.mine(bench::DEPTH);
    evidence
}

#[test]
fn an_anchor_included_before_the_revocation_stands_and_one_included_after_it_falls_in_both_modes() {
    let bench = Bench::new();
    bench.set_up();
    let (mut device, mut wire) = provisioned(&bench);
    assert_eq!(device.key.alg, Algorithm::Es256k);
    let relay = bench.relay();
    wire.send(relay.address, &device.seal(2, Kind::READING), true);
    bench.finalise(1);
    let id = hex0x(&device.id.0);
    let batches: Vec<_> = (0..4).map(|_| device.seal(3, Kind::READING)).collect();
    let start = head_time(&bench) + 1000;
    let before = [(&batches[0], start, false), (&batches[1], start + 1000, true)]
        .map(|(batch, time, direct)| include(&bench, &device, batch, time, direct));
    for evidence in &before {
        assert_eq!(bench.verify(evidence, "").0, 0);
    }
    // The device's clock says nothing here: all of these are of one time.
    let revoked_at = head_time(&bench) + 5000;
    next_block_at(&bench, revoked_at);
    revoke(&bench, &format!("--db relay.sqlite --device {id}"));
    assert_eq!(head_time(&bench), revoked_at);
    let after = [(&batches[2], revoked_at + 1000, false), (&batches[3], revoked_at + 2000, true)]
        .map(|(batch, time, direct)| include(&bench, &device, batch, time, direct));
    for evidence in &before {
        let (code, said) = bench.verify(evidence, "");
        assert!(code == 0 && said.contains("after this was anchored"), "{said}");
    }
    for evidence in &after {
        let (code, said) = bench.verify(evidence, "");
        assert!(code == 91 && said.contains(&revoked_at.to_string()), "{code} {said}");
    }
    let answer = wire.exchange(relay.address, None, &device.seal(2, Kind::READING).uplink(true));
    assert_eq!(answer.code, Code::FORBIDDEN, "4.03 from then on");
    let rotation = device.rotate(TestKey::software(&[2; 32]));
    assert_eq!(wire.exchange(relay.address, None, &rotation.uplink(true)).code, Code::FORBIDDEN);
}

#[test]
fn a_revoked_key_hands_over_only_what_was_on_the_ledger_before() {
    for early in [true, false] {
        let bench = Bench::new();
        bench.set_up();
        let (mut device, _) = provisioned(&bench);
        let first = hex0x(&device.key.key_id().0);
        let (old, rotation) = {
            let factory = bench.factory();
            let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
            let secret = factory.private_key.unwrap();
            let mut old = TestDevice::with(1, &secret, factory.blind_secret, deployment.deployment_id);
            old.seal(2, Kind::READING);
            device.seal(2, Kind::READING);
            (old, device.rotate(TestKey::software(&[2; 32])))
        };
        let own = old.evidence(&rotation, 0);
        // Signed by the first key, whoever posts it.
        let complete = |bench: &Bench| bench.post_alone(own.clone(), &old);
        let on_ledger = if early { complete(&bench) } else { own.clone() };
        next_block_at(&bench, head_time(&bench) + 1000);
        revoke(&bench, &format!("--key {first}"));
        let on_ledger = if early { on_ledger } else { complete(&bench) };
        fs::write(bench.path("own.cbor"), cbor::encode(&own)).unwrap();
        fs::write(bench.path("complete.cbor"), cbor::encode(&on_ledger)).unwrap();
        let (code, said) = rotate(&bench, "own.cbor");
        assert_eq!(code, 54, "nobody knows when it was made: {said}");
        let (code, said) = rotate(&bench, "complete.cbor");
        if early {
            assert_eq!(code, 0, "{said}");
            let next = device.seal(3, Kind::READING);
            let evidence = bench.post_alone(device.evidence(&next, 1), &device);
            let (code, said) = bench.verify(&evidence, &format!("--device {}", hex0x(&device.id.0)));
            assert_eq!(code, 0, "the new key's chain stands: {said}");
        } else {
            assert_eq!(code, 91, "{said}");
        }
    }
}
