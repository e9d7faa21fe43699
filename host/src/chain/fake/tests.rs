// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fake chain is what it says. tests/chain.rs holds it against a real node.

use super::*;

const ROOT: Payload = Payload::Root(Hash([7; 32]));

async fn sent(chain: &FakeChain, nonce: u64) -> SignedTransaction {
    let fees = chain.market_fees().await.unwrap();
    let transaction = chain.prepare(&ROOT, nonce, fees).unwrap();
    chain.send(&transaction).await.unwrap();
    transaction
}

#[tokio::test]
async fn a_root_is_found_where_it_was_mined() {
    let chain = FakeChain::default();
    let transaction = sent(&chain, 0).await;
    assert_eq!(chain.receipt(transaction.hash).await.unwrap(), None);
    let block = chain.mine();
    let event = Event::RootPosted(Hash([7; 32]));
    let place = chain.locate(transaction.hash, event).await.unwrap().unwrap();
    assert_eq!((place.block, place.emitter), (block, FakeChain::CONTRACT));
    assert_eq!(chain.find(event, 1).await.unwrap(), [place]);
    assert_eq!(chain.find(event, 2).await.unwrap(), []);
    assert_eq!(chain.next_nonce().await.unwrap(), 1);
    assert!(chain.mine_many(3).finalises(block.number, 3) && !chain.head().await.unwrap().finalises(1, 4));
}

#[tokio::test]
async fn a_reorg_takes_a_receipt_away_and_sending_again_brings_it_back() {
    let chain = FakeChain::default();
    let transaction = sent(&chain, 0).await;
    let before = chain.mine();
    let head = chain.reorg(1, Orphans::Vanish);
    assert_eq!(head.number, before.number + 1);
    assert!(!chain.canonical(&before).await.unwrap());
    assert_eq!(chain.receipt(transaction.hash).await.unwrap(), None);
    chain.mine();
    assert_eq!(chain.receipt(transaction.hash).await.unwrap(), None);
    chain.send(&transaction).await.unwrap();
    chain.mine();
    assert!(chain.receipt(transaction.hash).await.unwrap().is_some());
    chain.reorg(2, Orphans::Return);
    assert_eq!((chain.waiting(), chain.next_nonce().await.unwrap()), (1, 0));
    chain.mine();
    assert!(chain.receipt(transaction.hash).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_answer_is_a_transaction_that_arrived() {
    let chain = FakeChain::default();
    chain.lose_next_answer();
    let transaction = chain.prepare(&ROOT, 0, chain.market_fees().await.unwrap()).unwrap();
    assert!(matches!(chain.send(&transaction).await, Err(ChainError::Unreachable(_))));
    assert_eq!(chain.send(&transaction).await, Ok(()));
    chain.mine();
    assert_eq!(chain.send(&transaction).await, Ok(()));
    assert_eq!(chain.events().len(), 1);
    chain.set_up(false);
    assert!(matches!(chain.head().await, Err(ChainError::Unreachable(_))));
}

#[tokio::test]
async fn a_replacement_needs_more_fees_and_a_used_nonce_takes_none() {
    let chain = FakeChain::default();
    let market = chain.market_fees().await.unwrap();
    let first = sent(&chain, 0).await;
    chain.set_base_fee(market.max_per_gas + 1);
    chain.mine();
    assert_eq!(chain.receipt(first.hash).await.unwrap(), None);
    let same = Fees { max_per_gas: market.max_per_gas + 1, ..market };
    let low = chain.prepare(&ROOT, 0, same).unwrap();
    assert_eq!(chain.send(&low).await, Err(ChainError::Refused(Refusal::Underpriced)));
    let higher = market.raised(market, u128::MAX).unwrap();
    let second = chain.prepare(&ROOT, 0, higher).unwrap();
    chain.send(&second).await.unwrap();
    chain.mine();
    assert!(chain.receipt(second.hash).await.unwrap().unwrap().succeeded);
    assert_eq!(chain.send(&first).await, Err(ChainError::Refused(Refusal::NonceUsed)));
    assert_eq!((chain.intents(0).len(), chain.fees_paid_for(0)), (1, vec![market, higher]));
}

#[tokio::test]
async fn a_gap_in_the_nonces_holds_back_what_comes_after_it() {
    let chain = FakeChain::default();
    let later = sent(&chain, 1).await;
    chain.mine();
    assert_eq!(chain.receipt(later.hash).await.unwrap(), None);
    sent(&chain, 0).await;
    chain.mine();
    let receipt = chain.receipt(later.hash).await.unwrap().unwrap();
    assert_eq!(receipt.logs[0].index, 1);
}

#[tokio::test]
async fn a_forbidden_relay_pays_for_nothing() {
    let chain = FakeChain::default();
    chain.set_relay(false);
    let refused = chain.simulate(&ROOT).await;
    assert_eq!(refused, Err(ChainError::Reverted(Revert::NotRelay(FakeChain::ACCOUNT))));
    let transaction = sent(&chain, 0).await;
    chain.mine();
    assert!(!chain.receipt(transaction.hash).await.unwrap().unwrap().succeeded);
    assert_eq!(chain.locate(transaction.hash, Event::RootPosted(Hash([7; 32]))).await.unwrap(), None);
}
