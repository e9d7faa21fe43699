// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What CairnAnchor.sol does and refuses, on a real node: posts by relays, hostile signatures, the registry, the ownership.

mod anvil;

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, Bytes, U256},
    providers::Provider as _,
    rpc::types::{EIP1186AccountProofResponse, TransactionRequest},
    sol_types::{SolCall as _, SolConstructor as _, SolEvent as _, SolInterface as _},
};
use anvil::{Anvil, DEPLOYMENT, Deployed, PATIENCE, deploy, packed, post, root, signed_anchor, view_of};
use cairn::{
    batch::{Anchor, AnchorFlags, BatchNumber, Commitment, DeploymentId},
    merkle::Hash,
    record::{SequenceNumber, StreamId},
    signer::{Algorithm, DeviceId, KeyId, PublicKey, Signature},
};
use cairn_host::chain::{
    ChainError, Event, KeyStatus, Ledger as _, LedgerView as _, PackError, PackedAnchors, Payload, Receipt, Revert,
    SignedAnchor, Standing,
    evm::{EvmLedger, EvmOwner, Node, Vouched},
    pack::{ANCHORS_LIMIT, PACKED_BYTES},
};
use k256::elliptic_curve::sec1::ToSec1Point as _;

mod abi {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    alloy::sol!(
        #[sol(all_derives)]
        CairnAnchor,
        "../contracts/artifacts/CairnAnchor.json"
    );
}
use abi::CairnAnchor::{self, CairnAnchorErrors};

const R: usize = 97;
const S: usize = 129;
/// secp256k1's group order.
const ORDER: [u8; 32] = alloy::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

fn refused<T: std::fmt::Debug>(result: Result<T, ChainError>) -> Revert {
    match result {
        Err(ChainError::Reverted(revert)) => revert,
        other => panic!("not refused by the contract: {other:?}"),
    }
}

fn events(receipt: &Receipt) -> Vec<Event> {
    receipt.logs.iter().map(|log| log.event).collect()
}

fn anchored(signed: &SignedAnchor) -> Event {
    Event::Anchored { key: signed.key.key_id(), commitment: signed.anchor.commitment() }
}

/// `count` good anchors, with the bytes of the one at `index` changed.
fn tampered(count: u32, index: usize, change: impl FnOnce(&mut [u8])) -> Payload {
    let mut bytes = packed(&DEPLOYMENT, count).as_bytes().to_vec();
    change(&mut bytes[index * PACKED_BYTES..(index + 1) * PACKED_BYTES]);
    Payload::Anchors(PackedAnchors::from_bytes(&bytes).unwrap())
}

/// What the contract says to `anchorMany` of any bytes.
async fn anchor_many(deployed: &Deployed, bytes: &[u8]) -> Result<Bytes, Option<CairnAnchorErrors>> {
    call(deployed, CairnAnchor::anchorManyCall { packed: Bytes::copy_from_slice(bytes) }.abi_encode()).await
}

async fn call(deployed: &Deployed, data: Vec<u8>) -> Result<Bytes, Option<CairnAnchorErrors>> {
    let request = TransactionRequest {
        from: Some(deployed.relay.account()),
        to: Some(deployed.relay.contract().into()),
        input: data.into(),
        ..Default::default()
    };
    let answer = deployed.anvil.rpc.call(request).await;
    answer.map_err(|error| {
        let payload = error.as_error_resp().expect("the node answers").clone();
        assert!(payload.message.contains("revert"), "{payload:?}");
        CairnAnchorErrors::abi_decode(&payload.as_revert_data().unwrap_or_default()).ok()
    })
}

async fn storage_root(deployed: &Deployed) -> alloy::primitives::B256 {
    let nothing: [U256; 0] = [];
    let proof: EIP1186AccountProofResponse =
        deployed.anvil.ask("eth_getProof", (deployed.relay.contract(), nothing, "latest")).await;
    proof.storage_hash
}

// ---- posts ---------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_relay_posts_a_root_and_a_verifier_finds_it() {
    let deployed = Deployed::new().await;
    let receipt = post(&deployed.relay, &Payload::Root(root(1))).await;
    assert!(receipt.succeeded);
    assert_eq!(events(&receipt), [Event::RootPosted(root(1))]);
    let view = view_of(&deployed.owner);
    let place = view.locate(receipt.transaction, Event::RootPosted(root(1))).await.unwrap().unwrap();
    assert_eq!((place.block, place.emitter), (receipt.block, deployed.relay.contract()));
    assert_eq!(view.find(Event::RootPosted(root(1)), 0).await.unwrap(), [place]);
    assert_eq!(view.block(place.block.number).await.unwrap(), Some(place.block));
    assert_eq!(view.block_by_hash(place.block.hash).await.unwrap(), Some(place.block));
    assert!(view.canonical(&place.block).await.unwrap());
    assert_eq!(view.locate(receipt.transaction, Event::RootPosted(root(2))).await.unwrap(), None);
    assert_eq!(view.find(Event::RootPosted(root(2)), 0).await.unwrap(), []);
    assert_eq!(view.deployment().await.unwrap(), DEPLOYMENT);
}

#[tokio::test]
async fn a_root_posted_by_another_contract_is_not_found_here() {
    let deployed = Deployed::new().await;
    let elsewhere = deploy(&deployed.anvil, &DEPLOYMENT).await;
    elsewhere.set_relay(deployed.relay.account(), true).await.unwrap();
    let other = EvmLedger::new(view_of(&elsewhere), deployed.anvil.account("relay").await);
    let receipt = post(&other, &Payload::Root(root(1))).await;
    assert_eq!(receipt.logs[0].emitter, other.contract());
    assert_eq!(deployed.relay.locate(receipt.transaction, Event::RootPosted(root(1))).await.unwrap(), None);
    assert_eq!(deployed.relay.find(Event::RootPosted(root(1)), 0).await.unwrap(), []);
    assert!(other.locate(receipt.transaction, Event::RootPosted(root(1))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_stranger_can_post_nothing_and_a_dismissed_relay_neither() {
    let deployed = Deployed::new().await;
    let stranger = deployed.posting_as("stranger").await;
    for payload in [Payload::Root(root(1)), Payload::Anchors(packed(&DEPLOYMENT, 1))] {
        assert_eq!(refused(stranger.simulate(&payload).await), Revert::NotRelay(stranger.account()));
        let receipt = post(&stranger, &payload).await;
        assert!(!receipt.succeeded && receipt.logs.is_empty());
        assert_eq!(deployed.relay.simulate(&payload).await, Ok(()));
    }
    deployed.owner.set_relay(deployed.relay.account(), false).await.unwrap();
    let refusal = refused(deployed.relay.simulate(&Payload::Root(root(1))).await);
    assert_eq!(refusal, Revert::NotRelay(deployed.relay.account()));
    // Owning the contract is no permission to post.
    let owner = deployed.posting_as("owner").await;
    assert_eq!(refused(owner.simulate(&Payload::Root(root(1))).await), Revert::NotRelay(owner.account()));
}

#[tokio::test]
async fn each_anchor_gets_its_event_in_order() {
    let deployed = Deployed::new().await;
    let receipt = post(&deployed.relay, &Payload::Anchors(packed(&DEPLOYMENT, 5))).await;
    let expected: Vec<_> = (0..5).map(|number| anchored(&signed_anchor(&DEPLOYMENT, number))).collect();
    assert_eq!(events(&receipt), expected);
    let place = deployed.relay.locate(receipt.transaction, expected[3]).await.unwrap().unwrap();
    assert_eq!(place.log_index, 3);
    assert_eq!(deployed.relay.find(expected[3], 0).await.unwrap(), [place]);
}

#[tokio::test]
async fn posts_write_no_storage_and_a_replay_only_repeats_its_events() {
    let deployed = Deployed::new().await;
    let before = storage_root(&deployed).await;
    let payload = Payload::Anchors(packed(&DEPLOYMENT, 3));
    let first = post(&deployed.relay, &payload).await;
    let second = post(&deployed.relay, &payload).await;
    assert!(second.succeeded && first.transaction != second.transaction);
    assert_eq!(events(&first), events(&second));
    post(&deployed.relay, &Payload::Root(root(1))).await;
    assert_eq!(storage_root(&deployed).await, before);
    // Both places are found, and either proves the anchor.
    assert_eq!(deployed.relay.find(events(&first)[0], 0).await.unwrap().len(), 2);
    let key = Vouched { device: DeviceId([1; 32]), key: KeyId([2; 20]) };
    deployed.owner.register(&[key]).await.unwrap();
    assert_ne!(storage_root(&deployed).await, before, "the comparison sees a write");
}

// ---- golden vectors ------------------------------------------------------------------------------------------------------

fn hex_of<const N: usize>(value: &serde_json::Value) -> [u8; N] {
    alloy::hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn number(value: &serde_json::Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn golden_anchor(stream: u64, batch: &serde_json::Value) -> Anchor {
    Anchor {
        stream: StreamId(stream),
        batch: BatchNumber(number(&batch["batch"]).try_into().unwrap()),
        first_seq: SequenceNumber(number(&batch["first_seq"])),
        count: number(&batch["count"]).try_into().unwrap(),
        sealed_at: number(&batch["sealed_at"]),
        flags: AnchorFlags(number(&batch["flags"]).try_into().unwrap()),
        root: Hash(hex_of(&batch["root"])),
        prev: Commitment(hex_of(&batch["prev"])),
    }
}

#[tokio::test]
async fn golden_anchors_emit_the_golden_key_and_commitment() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../component/tests/vectors/anchor.json");
    let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let anvil = Anvil::start();
    let mut checked = 0;
    for vector in vectors["vectors"].as_array().unwrap().iter().filter(|vector| vector["alg"] == -47) {
        let deployment = DeploymentId(hex_of(&vector["deployment_id"]));
        let owner = deploy(&anvil, &deployment).await;
        let relay = EvmLedger::new(view_of(&owner), anvil.account("relay").await);
        owner.set_relay(relay.account(), true).await.unwrap();
        let point =
            k256::PublicKey::from_sec1_bytes(&hex_of::<33>(&vector["public_key"])).unwrap().to_sec1_point(false);
        let key = PublicKey { alg: Algorithm::Es256k, xy: point.as_bytes()[1..].try_into().unwrap() };
        let (mut packed, mut expected) = (PackedAnchors::new(), Vec::new());
        for batch in vector["batches"].as_array().unwrap() {
            let anchor = golden_anchor(number(&vector["stream"]), batch);
            let signature = Signature(hex_of(&batch["signature"]));
            packed.push(&deployment, &SignedAnchor { anchor, signature, key }).unwrap();
            let parity = packed.as_bytes()[packed.as_bytes().len() - 32] >> 7;
            assert_eq!(u64::from(parity), number(&batch["y_parity"]), "{}", vector["id"]);
            let (key, commitment) = (KeyId(hex_of(&vector["key_id"])), Commitment(hex_of(&batch["commitment"])));
            expected.push(Event::Anchored { key, commitment });
            let separator = CairnAnchor::domainSeparatorCall {}.abi_encode();
            let request =
                TransactionRequest { to: Some(relay.contract().into()), input: separator.into(), ..Default::default() };
            let separator = anvil.rpc.call(request).await.unwrap();
            assert_eq!(separator[..], hex_of::<32>(&batch["domain_separator"]));
            checked += 1;
        }
        assert_eq!(events(&post(&relay, &Payload::Anchors(packed)).await), expected, "{}", vector["id"]);
    }
    assert!(checked >= 8, "only {checked} golden anchors on secp256k1");
}

// ---- hostile signatures --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_signature_over_other_bytes_names_a_key_that_nobody_registered() {
    let deployed = Deployed::new().await;
    let signed = signed_anchor(&DEPLOYMENT, 0);
    let vouched = Vouched { device: signed.key.device_id(), key: signed.key.key_id() };
    deployed.owner.register(&[vouched]).await.unwrap();
    // One bit of each field in turn: stream, batch, firstSeq, count, sealedAt, flags, root, prev.
    for field in [0, 8, 12, 20, 24, 32, 33, 65] {
        let payload = tampered(1, 0, |bytes| bytes[field] ^= 1);
        let receipt = post(&deployed.relay, &payload).await;
        if !receipt.succeeded {
            assert_eq!(refused(deployed.relay.simulate(&payload).await), Revert::NoSigner(0));
            continue;
        }
        let [Event::Anchored { key, commitment }] = events(&receipt)[..] else { panic!("{receipt:?}") };
        assert_ne!((key, commitment), (vouched.key, signed.anchor.commitment()));
        let status = deployed.relay.key_status(key).await.unwrap();
        assert_eq!(status.standing(receipt.block.time), Standing::Unregistered, "byte {field}");
    }
    let receipt = post(&deployed.relay, &Payload::Anchors(packed(&DEPLOYMENT, 1))).await;
    let status = deployed.relay.key_status(vouched.key).await.unwrap();
    assert_eq!((events(&receipt), status.standing(receipt.block.time)), (vec![anchored(&signed)], Standing::Good));
}

#[tokio::test]
async fn an_anchor_of_another_deployment_names_a_key_that_nobody_registered() {
    let deployed = Deployed::new().await;
    let elsewhere = DeploymentId([0xa5; 32]);
    let signed = signed_anchor(&elsewhere, 0);
    let vouched = Vouched { device: signed.key.device_id(), key: signed.key.key_id() };
    deployed.owner.register(&[vouched]).await.unwrap();
    assert_eq!(PackedAnchors::new().push(&DEPLOYMENT, &signed), Err(PackError::NotThisKey));
    let receipt = post(&deployed.relay, &Payload::Anchors(packed(&elsewhere, 1))).await;
    let [Event::Anchored { key, commitment }] = events(&receipt)[..] else { panic!("{receipt:?}") };
    // The same statement, and nobody's signature on it here.
    assert_eq!(commitment, signed.anchor.commitment());
    assert_ne!(key, vouched.key);
    assert_eq!(deployed.relay.key_status(key).await.unwrap(), KeyStatus::default());
    assert_eq!(packed(&elsewhere, 1).events(&DEPLOYMENT).next(), Some(Some((key, commitment))));
}

#[tokio::test]
async fn a_signature_that_recovers_to_nobody_refuses_the_whole_call_and_names_the_anchor() {
    let deployed = Deployed::new().await;
    let no_point: [u8; 32] = U256::from(5).to_be_bytes();
    let cases = [([0; 32], "zero"), (no_point, "not the x of a point"), (ORDER, "the order"), ([0xff; 32], "above it")];
    for (r, what) in cases {
        let payload = tampered(4, 2, |bytes| bytes[R..S].copy_from_slice(&r));
        assert_eq!(refused(deployed.relay.simulate(&payload).await), Revert::NoSigner(2), "r is {what}");
        let receipt = post(&deployed.relay, &payload).await;
        assert!(!receipt.succeeded && receipt.logs.is_empty(), "r is {what}");
    }
    for parity in [0, 0x80] {
        let payload = tampered(2, 1, |bytes| {
            bytes[S..].fill(0);
            bytes[S] = parity;
        });
        assert_eq!(refused(deployed.relay.simulate(&payload).await), Revert::NoSigner(1), "s is zero");
    }
    // Memory is reused from anchor to anchor: the key of the one before must not stand for the one that has none.
    let payload = tampered(2, 1, |bytes| bytes[R..S].fill(0));
    assert_eq!(refused(deployed.relay.simulate(&payload).await), Revert::NoSigner(1));
}

#[tokio::test]
async fn a_high_s_signature_is_refused_in_every_way_it_can_be_written() {
    let deployed = Deployed::new().await;
    let half: U256 = U256::from_be_bytes(ORDER) >> 1;
    // EIP-2098 has 255 bits for s: what is above half the order and still fits.
    let largest: U256 = U256::MAX >> 1;
    let above = (half + U256::from(1)).to_be_bytes::<32>();
    let most = largest.to_be_bytes::<32>();
    for s in [above, most] {
        for parity in [0, 0x80] {
            let payload = tampered(3, 1, |bytes| {
                bytes[S..].copy_from_slice(&s);
                bytes[S] |= parity;
            });
            assert_eq!(refused(deployed.relay.simulate(&payload).await), Revert::HighS(1));
        }
    }
    // Half the order itself is low.
    let payload = tampered(3, 1, |bytes| bytes[S..].copy_from_slice(&half.to_be_bytes::<32>()));
    assert_eq!(deployed.relay.simulate(&payload).await, Ok(()));
    // The twin (r, n − s) of a good signature does not fit: the packing refuses it, and its bytes mean something else.
    let mut signed = signed_anchor(&DEPLOYMENT, 0);
    let s = U256::from_be_slice(&signed.signature.0[32..]);
    let twin: [u8; 32] = (U256::from_be_bytes(ORDER) - s).to_be_bytes();
    signed.signature.0[32..].copy_from_slice(&twin);
    assert_eq!(PackedAnchors::new().push(&DEPLOYMENT, &signed), Err(PackError::HighS));
    let payload = tampered(1, 0, |bytes| bytes[S..].copy_from_slice(&twin));
    match deployed.relay.simulate(&payload).await {
        Ok(()) => assert!(!events(&post(&deployed.relay, &payload).await).contains(&anchored(&signed))),
        refusal => assert_eq!(refused(refusal), Revert::NoSigner(0)),
    }
}

// ---- malformed calls -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_empty_batch_and_any_length_but_whole_anchors_is_refused() {
    let deployed = Deployed::new().await;
    assert!(matches!(anchor_many(&deployed, &[]).await, Err(Some(CairnAnchorErrors::EmptyBatch(_)))));
    let good = packed(&DEPLOYMENT, 2);
    assert!(anchor_many(&deployed, good.as_bytes()).await.is_ok());
    let mut longer = good.as_bytes().to_vec();
    longer.push(0);
    for bytes in [&longer[..], &longer[..PACKED_BYTES + 1], &longer[..PACKED_BYTES - 1], &longer[..1]] {
        match anchor_many(&deployed, bytes).await {
            Err(Some(CairnAnchorErrors::PackedLength(error))) => assert_eq!(error.length, U256::from(bytes.len())),
            other => panic!("{} bytes: {other:?}", bytes.len()),
        }
    }
    assert_eq!(PackedAnchors::from_bytes(&longer), Err(PackError::Length(longer.len())));
    assert_eq!(PackedAnchors::from_bytes(&[]), Err(PackError::Length(0)));
}

#[tokio::test]
async fn calldata_that_promises_more_bytes_than_it_has_is_refused() {
    let deployed = Deployed::new().await;
    let whole = Payload::Anchors(packed(&DEPLOYMENT, 2)).calldata();
    assert!(call(&deployed, whole.clone()).await.is_ok());
    // Selector, offset, length, 322 bytes, 30 of padding: cut inside each but the padding.
    for length in [4, 20, 36, 50, 68, 69, 68 + PACKED_BYTES, 68 + 2 * PACKED_BYTES - 1] {
        assert_eq!(call(&deployed, whole[..length].to_vec()).await, Err(None), "{length} bytes");
    }
}

#[tokio::test]
async fn a_full_call_is_taken_and_fits_its_gas_limit() {
    let deployed = Deployed::new().await;
    let mut bytes = Vec::new();
    let one = packed(&DEPLOYMENT, 1);
    (0..ANCHORS_LIMIT).for_each(|_| bytes.extend_from_slice(one.as_bytes()));
    let receipt = post(&deployed.relay, &Payload::Anchors(PackedAnchors::from_bytes(&bytes).unwrap())).await;
    assert!(receipt.succeeded && receipt.logs.len() == ANCHORS_LIMIT);
    // EIP-7825.
    assert!(receipt.gas_used < 1 << 24);
}

// ---- the registry --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_key_is_registered_once_revoked_once_and_never_comes_back() {
    let deployed = Deployed::new().await;
    let (owner, view) = (&deployed.owner, view_of(&deployed.owner));
    let key = KeyId([7; 20]);
    let vouched = Vouched { device: DeviceId([1; 32]), key };
    assert_eq!(view.key_status(key).await.unwrap(), KeyStatus::default());
    assert_eq!(refused(owner.revoke(key).await), Revert::KeyNotRegistered(key));
    let zero = Vouched { key: KeyId([0; 20]), ..vouched };
    assert_eq!(refused(owner.register(&[zero]).await), Revert::ZeroKey);

    let registered = owner.register(&[vouched]).await.unwrap();
    let registered_at = view.receipt(registered).await.unwrap().unwrap().block.time;
    assert_eq!(view.key_status(key).await.unwrap(), KeyStatus { registered_at, revoked_at: 0 });
    assert_eq!(refused(owner.register(&[vouched]).await), Revert::KeyAlreadyRegistered(key));
    let other_device = Vouched { device: DeviceId([2; 32]), key };
    assert_eq!(refused(owner.register(&[other_device]).await), Revert::KeyAlreadyRegistered(key));

    deployed.anvil.ask::<_, i64>("evm_increaseTime", (3_600,)).await;
    let revoked = owner.revoke(key).await.unwrap();
    let revoked_at = view.receipt(revoked).await.unwrap().unwrap().block.time;
    assert!(revoked_at > registered_at);
    let status = view.key_status(key).await.unwrap();
    assert_eq!(status, KeyStatus { registered_at, revoked_at });
    assert_eq!(status.standing(registered_at - 1), Standing::RegisteredLater);
    assert_eq!(status.standing(revoked_at - 1), Standing::Good);
    assert_eq!(status.standing(revoked_at), Standing::Revoked);
    assert_eq!(refused(owner.register(&[vouched]).await), Revert::KeyAlreadyRevoked(key));
    assert_eq!(refused(owner.revoke(key).await), Revert::KeyAlreadyRevoked(key));
}

#[tokio::test]
async fn many_keys_are_registered_together_or_not_at_all() {
    let deployed = Deployed::new().await;
    let keys: Vec<_> = (1..=40).map(|n| Vouched { device: DeviceId([n; 32]), key: KeyId([n; 20]) }).collect();
    deployed.owner.register(&keys).await.unwrap();
    for vouched in &keys {
        assert_ne!(deployed.relay.key_status(vouched.key).await.unwrap().registered_at, 0);
    }
    let fresh = Vouched { device: DeviceId([99; 32]), key: KeyId([99; 20]) };
    let revert = refused(deployed.owner.register(&[fresh, keys[5]]).await);
    assert_eq!(revert, Revert::KeyAlreadyRegistered(keys[5].key));
    assert_eq!(refused(deployed.owner.register(&[fresh, fresh]).await), Revert::KeyAlreadyRegistered(fresh.key));
    assert_eq!(refused(deployed.owner.register(&[]).await), Revert::EmptyBatch);
    assert_eq!(deployed.relay.key_status(fresh.key).await.unwrap(), KeyStatus::default());
}

#[tokio::test]
async fn whatever_the_owner_does_is_in_the_log() {
    let deployed = Deployed::new().await;
    let (owner, heir) = (&deployed.owner, deployed.owning_as("heir").await);
    let (former, account) =
        (deployed.anvil.account("owner").await.address(), deployed.anvil.account("heir").await.address());
    let [a, b] = [1, 2].map(|n| Vouched { device: DeviceId([n; 32]), key: KeyId([n + 6; 20]) });
    let registered = |vouched: Vouched| {
        let (device, key) = (vouched.device.0.into(), vouched.key.0.into());
        CairnAnchor::KeyRegistered { deviceId: device, keyId: key }.encode_log_data()
    };
    let said = async |transaction| {
        let receipt = deployed.anvil.rpc.get_transaction_receipt(transaction).await.unwrap().unwrap();
        receipt.logs().iter().map(|log| log.inner.data.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(owner.register(&[a]).await.unwrap()).await, [registered(a)]);
    let c = Vouched { key: KeyId([99; 20]), ..a };
    assert_eq!(said(owner.register(&[b, c]).await.unwrap()).await, [registered(b), registered(c)]);
    let revoked = CairnAnchor::KeyRevoked { keyId: a.key.0.into() }.encode_log_data();
    assert_eq!(said(owner.revoke(a.key).await.unwrap()).await, [revoked]);
    let set = CairnAnchor::RelaySet { relay: account, allowed: true }.encode_log_data();
    assert_eq!(said(owner.set_relay(account, true).await.unwrap()).await, [set]);
    let offered = CairnAnchor::OwnershipOffered { owner: former, pendingOwner: account }.encode_log_data();
    assert_eq!(said(owner.offer_ownership(account).await.unwrap()).await, [offered]);
    let moved = CairnAnchor::OwnershipTransferred { previousOwner: former, newOwner: account }.encode_log_data();
    assert_eq!(said(heir.accept_ownership().await.unwrap()).await, [moved]);
}

// ---- ownership -----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn only_the_owner_keeps_keys_relays_and_the_ownership() {
    let deployed = Deployed::new().await;
    let thief = deployed.owning_as("thief").await;
    let account = deployed.posting_as("thief").await.account();
    let vouched = [1, 2].map(|n| Vouched { device: DeviceId([n; 32]), key: KeyId([n; 20]) });
    assert_eq!(refused(thief.register(&vouched[..1]).await), Revert::NotOwner(account));
    assert_eq!(refused(thief.register(&vouched).await), Revert::NotOwner(account));
    assert_eq!(refused(thief.revoke(vouched[0].key).await), Revert::NotOwner(account));
    assert_eq!(refused(thief.set_relay(account, true).await), Revert::NotOwner(account));
    assert_eq!(refused(thief.offer_ownership(account).await), Revert::NotOwner(account));
    assert_eq!(refused(thief.accept_ownership().await), Revert::NotPendingOwner(account));
    assert_eq!(refused(deployed.owner.set_relay(Address::ZERO, true).await), Revert::ZeroAddress);
}

#[tokio::test]
async fn the_ownership_changes_hands_only_when_the_other_side_accepts() {
    let deployed = Deployed::new().await;
    let (old, new) = (&deployed.owner, deployed.owning_as("heir").await);
    let account = deployed.posting_as("heir").await.account();
    let key = |n| [Vouched { device: DeviceId([n; 32]), key: KeyId([n; 20]) }];

    old.offer_ownership(account).await.unwrap();
    assert_eq!(refused(new.register(&key(1)).await), Revert::NotOwner(account));
    old.register(&key(1)).await.unwrap();
    old.offer_ownership(Address::ZERO).await.unwrap();
    assert_eq!(refused(new.accept_ownership().await), Revert::NotPendingOwner(account));

    old.offer_ownership(account).await.unwrap();
    new.accept_ownership().await.unwrap();
    new.register(&key(2)).await.unwrap();
    let former = deployed.posting_as("owner").await.account();
    assert_eq!(refused(old.register(&key(3)).await), Revert::NotOwner(former));
    assert_eq!(refused(new.accept_ownership().await), Revert::NotPendingOwner(account));
}

#[tokio::test]
async fn a_deployment_without_a_name_or_an_owner_is_refused() {
    let anvil = Anvil::start();
    let node = Node::discover(&anvil.url).await.unwrap();
    let owner = anvil.account("owner").await;
    let deployed = EvmOwner::deploy(node, owner, &DeploymentId([0; 32]), PATIENCE).await;
    assert_eq!(refused(deployed), Revert::ZeroDeployment);
    let arguments = CairnAnchor::constructorCall { deploymentId_: [1; 32].into(), owner_: Address::ZERO }.abi_encode();
    let code: Bytes = [&CairnAnchor::BYTECODE[..], &arguments].concat().into();
    let error = anvil.rpc.call(TransactionRequest::default().with_deploy_code(code)).await.unwrap_err();
    let error = error.as_error_resp().unwrap().as_decoded_interface_error();
    assert!(matches!(error, Some(CairnAnchorErrors::ZeroAddress(_))));
}
