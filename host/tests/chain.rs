// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ledger client against a real node, and the fake chain against the same expectations: what the relay is tested with on
//! virtual time must behave like what it runs on.

mod anvil;

use std::{num::NonZeroU64, time::Duration};

use alloy::primitives::{Address, U256};
use anvil::{Anvil, Deployed, deploy, post, root};
use cairn::signer::{DeviceId, KeyId};
use cairn_host::chain::{
    Block, ChainError, Event, Fees, Ledger, LedgerView as _, Payload, Receipt, Refusal, SignedTransaction,
    evm::{EvmLedger, EvmOwner, EvmView, Node, Vouched},
    fake::{FakeChain, Orphans},
};

/// A chain that mines on command.
trait Chain {
    fn ledger(&self) -> &impl Ledger;
    async fn mine(&self);
    async fn reorg(&self, depth: u64);

    async fn prepared(&self, number: u32, nonce: u64, fees: Fees) -> SignedTransaction {
        self.ledger().prepare(&Payload::Root(root(number)), nonce, fees).unwrap()
    }

    async fn receipt(&self, transaction: &SignedTransaction) -> Option<Receipt> {
        self.ledger().receipt(transaction.hash).await.unwrap()
    }
}

impl Chain for FakeChain {
    fn ledger(&self) -> &impl Ledger {
        self
    }

    async fn mine(&self) {
        self.mine();
    }

    async fn reorg(&self, depth: u64) {
        self.reorg(depth, Orphans::Vanish);
    }
}

impl Chain for Deployed {
    fn ledger(&self) -> &impl Ledger {
        &self.relay
    }

    async fn mine(&self) {
        self.anvil.mine().await;
    }

    async fn reorg(&self, depth: u64) {
        let no_transactions: [(); 0] = [];
        self.anvil.ask::<_, ()>("anvil_reorg", (depth, no_transactions)).await;
    }
}

async fn node_that_mines_on_command() -> Deployed {
    let deployed = Deployed::new().await;
    deployed.anvil.stop_mining().await;
    deployed
}

// ---- the same for both ---------------------------------------------------------------------------------------------------

async fn sending_again_is_harmless(chain: &impl Chain) {
    let ledger = chain.ledger();
    let (first, fees) = (ledger.next_nonce().await.unwrap(), ledger.market_fees().await.unwrap());
    let transaction = chain.prepared(1, first, fees).await;
    assert_eq!(transaction, chain.prepared(1, first, fees).await, "the same arguments give the same transaction");
    for _ in 0..2 {
        assert_eq!(ledger.send(&transaction).await, Ok(()));
        assert_eq!(chain.receipt(&transaction).await, None);
        assert_eq!(ledger.next_nonce().await.unwrap(), first, "what waits does not count");
    }
    chain.mine().await;
    let receipt = chain.receipt(&transaction).await.unwrap();
    assert!(receipt.succeeded);
    assert_eq!(receipt.block, ledger.head().await.unwrap());
    assert_eq!(ledger.send(&transaction).await, Ok(()), "included counts as taken");
    assert_eq!(ledger.next_nonce().await.unwrap(), first + 1);
    chain.mine().await;
    assert_eq!(ledger.find(Event::RootPosted(root(1)), 0).await.unwrap().len(), 1);
}

async fn a_replacement_pays_more_or_is_refused(chain: &impl Chain) {
    let ledger = chain.ledger();
    let (nonce, market) = (ledger.next_nonce().await.unwrap(), ledger.market_fees().await.unwrap());
    let first = chain.prepared(1, nonce, market).await;
    ledger.send(&first).await.unwrap();
    let less = Fees { max_per_gas: market.max_per_gas - 1, ..market };
    let less = chain.prepared(1, nonce, less).await;
    assert_eq!(ledger.send(&less).await, Err(ChainError::Refused(Refusal::Underpriced)));
    let raised = market.raised(market, u128::MAX).unwrap();
    let second = chain.prepared(1, nonce, raised).await;
    assert_eq!(ledger.send(&second).await, Ok(()));
    chain.mine().await;
    assert!(chain.receipt(&second).await.unwrap().succeeded);
    assert_eq!(chain.receipt(&first).await, None);
    assert_eq!(ledger.send(&first).await, Err(ChainError::Refused(Refusal::NonceUsed)));
}

async fn a_gap_in_the_nonces_waits(chain: &impl Chain) {
    let ledger = chain.ledger();
    let (nonce, fees) = (ledger.next_nonce().await.unwrap(), ledger.market_fees().await.unwrap());
    let (early, late) = (chain.prepared(1, nonce, fees).await, chain.prepared(2, nonce + 1, fees).await);
    ledger.send(&late).await.unwrap();
    chain.mine().await;
    assert_eq!(chain.receipt(&late).await, None);
    ledger.send(&early).await.unwrap();
    chain.mine().await;
    let (early, late) = (chain.receipt(&early).await.unwrap(), chain.receipt(&late).await.unwrap());
    assert_eq!((early.block, early.logs[0].index, late.logs[0].index), (late.block, 0, 1));
}

async fn a_reorg_shows_and_the_same_bytes_go_in_again(chain: &impl Chain) {
    let ledger = chain.ledger();
    let (nonce, fees) = (ledger.next_nonce().await.unwrap(), ledger.market_fees().await.unwrap());
    let transaction = chain.prepared(1, nonce, fees).await;
    ledger.send(&transaction).await.unwrap();
    chain.mine().await;
    let before: Block = chain.receipt(&transaction).await.unwrap().block;
    chain.mine().await;
    assert!(ledger.canonical(&before).await.unwrap());
    assert!(ledger.head().await.unwrap().finalises(before.number, 1));
    chain.reorg(2).await;
    assert!(!ledger.canonical(&before).await.unwrap());
    assert_eq!(chain.receipt(&transaction).await, None);
    assert_eq!(ledger.locate(transaction.hash, Event::RootPosted(root(1))).await.unwrap(), None);
    assert_eq!(ledger.next_nonce().await.unwrap(), nonce);
    assert_eq!(ledger.send(&transaction).await, Ok(()));
    chain.mine().await;
    let after = chain.receipt(&transaction).await.unwrap();
    assert!(after.succeeded && after.block.hash != before.hash);
}

macro_rules! on_both_chains {
    ($($name:ident),* $(,)?) => {
        mod fake_chain {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&FakeChain::default()).await;
            })*
        }
        mod node {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&node_that_mines_on_command().await).await;
            })*
        }
    };
}
on_both_chains!(
    sending_again_is_harmless,
    a_replacement_pays_more_or_is_refused,
    a_gap_in_the_nonces_waits,
    a_reorg_shows_and_the_same_bytes_go_in_again,
);

// ---- what only a node can do ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_event_is_found_across_more_blocks_than_one_request_searches() {
    let deployed = Deployed::new().await;
    let mut places = Vec::new();
    for blocks in [0, 9, 11, 25] {
        if blocks > 0 {
            deployed.anvil.ask::<_, ()>("anvil_mine", (blocks,)).await;
        }
        let receipt = post(&deployed.relay, &Payload::Root(root(1))).await;
        places.push((receipt.transaction, receipt.block));
    }
    let view = deployed.relay.view().clone().searching(NonZeroU64::new(10).unwrap());
    let found = view.find(Event::RootPosted(root(1)), 0).await.unwrap();
    assert_eq!(found.iter().map(|place| (place.transaction, place.block)).collect::<Vec<_>>(), places);
    let later = view.find(Event::RootPosted(root(1)), places[1].1.number + 1).await.unwrap();
    assert_eq!(later, found[2..]);
    assert_eq!(deployed.relay.block(u64::from(u32::MAX)).await.unwrap(), None);
    assert_eq!(deployed.relay.block_by_hash([7; 32].into()).await.unwrap(), None);
    assert_eq!(deployed.relay.receipt([7; 32].into()).await.unwrap(), None);
}

#[tokio::test]
async fn the_registry_says_for_which_device_a_key_was_registered_wherever_its_block_is() {
    let deployed = Deployed::new().await;
    let vouched = |number: u8| Vouched { device: DeviceId([number; 32]), key: KeyId([number + 100; 20]) };
    deployed.owner.register(&[vouched(1)]).await.unwrap();
    deployed.anvil.ask::<_, ()>("anvil_mine", (70,)).await;
    deployed.owner.register(&[vouched(2), vouched(3), vouched(4)]).await.unwrap();
    deployed.anvil.ask::<_, ()>("anvil_mine", (9,)).await;
    // Two keys of one device.
    deployed.owner.register(&[Vouched { device: DeviceId([1; 32]), ..vouched(5) }]).await.unwrap();
    for (number, device) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1)] {
        let key = vouched(number).key;
        assert_eq!(deployed.relay.registrant(key).await, Ok(Some(DeviceId([device; 32]))), "key {number}");
        deployed.owner.revoke(key).await.unwrap();
        assert_eq!(deployed.relay.registrant(key).await, Ok(Some(DeviceId([device; 32]))), "revoked key {number}");
    }
    assert_eq!(deployed.relay.registrant(vouched(6).key).await, Ok(None));
}

#[tokio::test]
async fn a_node_that_is_gone_is_unreachable_whatever_is_asked() {
    let deployed = Deployed::new().await;
    let Deployed { anvil, relay, owner } = deployed;
    let transaction = relay.prepare(&Payload::Root(root(1)), 0, relay.market_fees().await.unwrap()).unwrap();
    let url = anvil.url.clone();
    drop(anvil);
    let gone = |error: ChainError| assert!(matches!(error, ChainError::Unreachable(_)), "{error:?}");
    gone(relay.head().await.unwrap_err());
    gone(relay.send(&transaction).await.unwrap_err());
    gone(relay.simulate(&Payload::Root(root(1))).await.unwrap_err());
    gone(relay.key_status(KeyId([1; 20])).await.unwrap_err());
    gone(relay.registrant(KeyId([1; 20])).await.unwrap_err());
    gone(owner.set_relay(relay.account(), false).await.unwrap_err());
    gone(EvmView::connect(&url, 31_337, relay.contract()).await.unwrap_err());
    // Nobody speaks TLS there either; that it is tried is the point.
    gone(Node::discover(&url.replace("http:", "https:")).await.unwrap_err());
    assert!(matches!(Node::new("not a url", 1).unwrap_err(), ChainError::Unusable(_)));
    // Keys in URLs do not end in logs.
    let error = Node::discover(&format!("{url}/v3/a-secret")).await.unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_node_that_speaks_no_tls_is_unreachable_by_https() {
    let anvil = Anvil::start();
    let error = Node::discover(&anvil.url.replace("http:", "https:")).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn another_chain_or_no_contract_is_named_as_such() {
    let deployed = Deployed::new().await;
    let (url, contract) = (deployed.anvil.url.as_str(), deployed.relay.contract());
    assert!(EvmView::connect(url, 31_337, contract).await.is_ok());
    let error = EvmView::connect(url, 1, contract).await.unwrap_err();
    assert_eq!(error, ChainError::WrongChain { expected: 1, found: 31_337 });
    let nobody = Address::repeat_byte(9);
    assert_eq!(EvmView::connect(url, 31_337, nobody).await.unwrap_err(), ChainError::NoContract(nobody));

    // An address without code takes any call: reporting that as done would be a lie.
    let lost = EvmView::new(Node::discover(url).await.unwrap(), nobody);
    assert_eq!(lost.key_status(KeyId([1; 20])).await.unwrap_err(), ChainError::NoContract(nobody));
    let relay = EvmLedger::new(lost.clone(), deployed.anvil.account("relay").await);
    assert_eq!(relay.simulate(&Payload::Root(root(1))).await, Err(ChainError::NoContract(nobody)));
    let owner = EvmOwner::new(lost, deployed.anvil.account("owner").await, anvil::PATIENCE);
    let key = Vouched { device: DeviceId([1; 32]), key: KeyId([1; 20]) };
    assert_eq!(owner.register(&[key]).await, Err(ChainError::NoContract(nobody)));

    // A contract that is not ours reverts.
    let view = EvmView::new(Node::discover(url).await.unwrap(), contract);
    deployed.anvil.ask::<_, ()>("anvil_setCode", (contract, "0x60006000fd")).await;
    assert_eq!(view.deployment().await, Err(ChainError::NoContract(contract)));
}

#[tokio::test]
async fn an_account_without_money_is_told_so() {
    let deployed = Deployed::new().await;
    deployed.anvil.ask::<_, ()>("anvil_setBalance", (deployed.relay.account(), U256::ZERO)).await;
    let (nonce, fees) = (deployed.relay.next_nonce().await.unwrap(), deployed.relay.market_fees().await.unwrap());
    let transaction = deployed.relay.prepare(&Payload::Root(root(1)), nonce, fees).unwrap();
    assert_eq!(deployed.relay.send(&transaction).await, Err(ChainError::Refused(Refusal::Funds)));
    // Whether the contract would take it is another question.
    assert_eq!(deployed.relay.simulate(&Payload::Root(root(1))).await, Ok(()));
}

#[tokio::test]
async fn a_transaction_for_another_chain_is_not_taken() {
    let deployed = Deployed::new().await;
    let elsewhere = EvmView::new(Node::new(&deployed.anvil.url, 5).unwrap(), deployed.relay.contract());
    let relay = EvmLedger::new(elsewhere, deployed.anvil.account("relay").await);
    let transaction = relay.prepare(&Payload::Root(root(1)), 0, relay.market_fees().await.unwrap()).unwrap();
    assert!(matches!(relay.send(&transaction).await, Err(ChainError::Refused(Refusal::Other(_)))));
}

#[tokio::test]
async fn the_owner_says_when_a_transaction_takes_longer_than_its_patience() {
    let deployed = node_that_mines_on_command().await;
    let account = deployed.anvil.account("owner").await;
    let hasty = EvmOwner::new(deployed.owner.view().clone(), account, Duration::ZERO);
    let Err(ChainError::NotIncluded(transaction)) = hasty.set_relay(Address::repeat_byte(5), true).await else {
        panic!("nothing mines here");
    };
    assert_eq!(deployed.relay.receipt(transaction).await.unwrap(), None);
    deployed.anvil.mine().await;
    assert!(deployed.relay.receipt(transaction).await.unwrap().unwrap().succeeded);
}

#[tokio::test]
async fn two_contracts_of_one_owner_have_two_addresses() {
    let anvil = Anvil::start();
    let first = deploy(&anvil, &anvil::DEPLOYMENT).await;
    let second = deploy(&anvil, &anvil::DEPLOYMENT).await;
    assert_ne!(first.view().contract(), second.view().contract());
}
