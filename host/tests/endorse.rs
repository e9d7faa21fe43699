// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn provision challenge` and `endorse` on a real node, in a deployment that requires endorsements: refused by relay and verifier
//! before, and the reasons a program sees. Every other reason has a test beside the code.

mod anvil;
mod bench;
mod device;

use std::fs;

use bench::{Bench, Wire};
use cairn::{
    batch::DeploymentId,
    endorsement::{Binding, FactoryKeyRoot, endorse},
    record::{Kind, StreamId},
    signer::{Signer as _, software::SoftwareSigner},
    time::WallTime,
};
use cairn_coap::message::Code;
use cairn_host::deployment::Deployment;
use device::TestDevice;

/// Draws a nonce and has the device endorsed with it, by keys of this test's choice; gives the file's name.
fn endorsement(bench: &Bench, ledger: u8, root: u8, more: &str, change: impl FnOnce(&mut Binding)) -> String {
    let factory = bench.factory();
    let kid = hex::encode(factory.kid);
    let verb = format!("provision challenge --deployment deployment.json --db relay.sqlite --kid {kid} {more}");
    let drawn = bench.done(&verb);
    let key = |secret: u8| SoftwareSigner::new(&[secret; 32]).unwrap();
    let mut signer = match ledger {
        0 => SoftwareSigner::new(&factory.private_key.unwrap()).unwrap(),
        other => key(other),
    };
    let mut binding = Binding {
        nonce: hex::decode(drawn.trim()).unwrap().try_into().unwrap(),
        key: SoftwareSigner::new(&factory.private_key.unwrap()).unwrap().public_key().unwrap(),
        stream: StreamId(7),
        kid: factory.kid,
        deployment: DeploymentId(factory.deployment),
    };
    change(&mut binding);
    let mut root = FactoryKeyRoot::new(key(root), binding.key.device_id(), WallTime::default(), None);
    let mut out = [0; 1024];
    let length = endorse(&binding, &mut root, &mut signer, &mut out).unwrap();
    fs::write(bench.path("endorsement.hex"), hex::encode(&out[..length])).unwrap();
    "endorsement.hex".into()
}

/// Runs `cairn provision endorse`; gives exit code and standard output.
fn judged(bench: &Bench, file: &str, more: &str) -> (i32, String) {
    let verb = bench.with_node("provision endorse") + " --key-file owner.key --db relay.sqlite --roots roots.json ";
    let output = bench.run(&(verb + file + " " + more));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_device_is_registered_and_served_once_it_is_endorsed_and_not_before() {
    let bench = Bench::new();
    bench.set_up_with("");
    let listed: serde_json::Value =
        serde_json::from_str(&bench.done("provision list --db relay.sqlite --json")).unwrap();
    assert!(listed[0]["registeredAt"] == 0 && listed[0]["endorsed"] == false, "{listed}");
    let factory = bench.factory();
    let deployment = Deployment::read(&bench.path("deployment.json")).unwrap();
    let secret = factory.private_key.unwrap();
    let mut device = TestDevice::with(1, &secret, factory.blind_secret, deployment.deployment_id);
    let batch = device.seal(3, Kind::READING);
    let relay = bench.relay();
    let mut wire = Wire::new(&factory, &device);
    let challenged = wire.exchange(relay.address, None, &batch.uplink(true));
    let refused = wire.exchange(relay.address, challenged.echo.as_deref(), &batch.uplink(true));
    assert_eq!(refused.code, Code::FORBIDDEN);
    let unendorsed = bench.post_alone(device.evidence(&batch, 1), &device);
    let (code, said) = bench.verify(&unendorsed, "");
    assert!(code == 90 && said.contains("not registered"), "{code} {said}");

    let trusted = SoftwareSigner::new(&[4; 32]).unwrap().public_key().unwrap().compressed();
    let roots = format!(r#"{{"factoryKeys": [{{"alg": "ES256K", "publicKey": "{}"}}]}}"#, hex::encode(trusted));
    fs::write(bench.path("roots.json"), roots).unwrap();
    endorsements_that_are_refused(&bench);

    let good = endorsement(&bench, 0, 4, "", |_| ());
    let dead = "provision endorse --rpc http://127.0.0.1:1 --deployment deployment.json --key-file owner.key \
                --db relay.sqlite --roots roots.json ";
    assert_eq!(bench.run(&(dead.to_owned() + &good)).status.code(), Some(1), "no node: verified, and not registered");
    let (code, said) = judged(&bench, &good, "");
    assert!(code == 0 && said.starts_with("ENDORSED"), "what was left to do is done: {code} {said}");
    let (code, said) = judged(&bench, &good, "");
    assert!(code == 31 && said.contains("used before"), "{code} {said}");
    assert_eq!(wire.send(relay.address, &batch, true).level, cairn::uplink::Level::Stored);
    let later = bench.post_alone(device.evidence(&batch, 1), &device);
    assert_eq!(bench.verify(&later, "").0, 0, "its key is registered now");
    assert!(bench.done("provision list --db relay.sqlite").trim().ends_with(" registered, endorsed"));
    assert!(bench.done(&bench.provision("factory.bin")).contains("registered"));
}

/// Through the program; every other reason has a test beside the code.
fn endorsements_that_are_refused(bench: &Bench) {
    let refuse = |code: i32, word: &str, file: &str, more: &str| {
        let (found, said) = judged(bench, file, more);
        assert!(found == code && said.starts_with("REFUSED") && said.contains(word), "{code} {word}: {found} {said}");
    };
    fs::write(bench.path("rubbish"), "rubbish").unwrap();
    refuse(10, "not an endorsement", "rubbish", "");
    refuse(30, "not drawn here", &endorsement(bench, 0, 4, "", |b| b.nonce = [7; 32]), "");
    refuse(32, "expired", &endorsement(bench, 0, 4, "--valid-for 0", |_| ()), "");
    refuse(20, "is for deployment", &endorsement(bench, 0, 4, "", |b| b.deployment.0[0] ^= 1), "");
    refuse(21, "names kid", &endorsement(bench, 0, 4, "", |b| b.kid[0] ^= 1), "");
    let stranger = SoftwareSigner::new(&[9; 32]).unwrap().public_key().unwrap();
    refuse(23, "names ledger key", &endorsement(bench, 9, 4, "", |b| b.key = stranger), "");
    refuse(24, "is of stream 7", &endorsement(bench, 0, 4, "", |_| ()), "--stream 8");
    refuse(50, "not in the file of roots", &endorsement(bench, 0, 5, "", |_| ()), "");
    refuse(72, "did not sign", &endorsement(bench, 9, 4, "", |_| ()), "");
    let (code, said) = judged(bench, &endorsement(bench, 0, 5, "", |_| ()), "--json");
    let verdict: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(code == 50 && verdict["verdict"] == "refused" && verdict["code"] == 50, "{said}");
    let absent = bench.run("provision challenge --deployment deployment.json --db relay.sqlite --kid ffffffff");
    assert_eq!(absent.status.code(), Some(1));
    let listed = bench.done("provision list --db relay.sqlite");
    assert!(listed.contains("not registered"), "{listed}");
}
