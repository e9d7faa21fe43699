// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the contract costs, on a real node under its default hard fork. `CAIRN_GAS_REPORT=FILE` also writes the figures there as
//! JSON; `cargo xtask bench` prints them.

mod anvil;

use alloy::providers::Provider as _;
use anvil::{DEPLOYMENT, Deployed, packed, post, root};
use cairn::signer::{DeviceId, KeyId};
use cairn_host::chain::{LedgerView as _, PackedAnchors, Payload, evm::Vouched, pack::PACKED_BYTES};
use serde_json::json;

/// Most a transaction that posts a root may use.
const ROOT_TARGET: u64 = 27_500;
/// Most an anchor may use in a call of 100.
const ANCHOR_TARGET_AT_100: u64 = 9_000;

/// One line of the table in docs/contract.md.
struct Figure {
    case: &'static str,
    n: u64,
    gas: u64,
}

async fn measure(deployed: &Deployed) -> Vec<Figure> {
    let mut figures = Vec::new();
    let receipt = post(&deployed.relay, &Payload::Root(root(1))).await;
    figures.push(Figure { case: "postRoot", n: 1, gas: receipt.gas_used });
    let all = packed(&DEPLOYMENT, 500);
    for n in [1, 10, 100, 500] {
        let some = PackedAnchors::from_bytes(&all.as_bytes()[..n * PACKED_BYTES]).unwrap();
        let receipt = post(&deployed.relay, &Payload::Anchors(some)).await;
        assert!(receipt.succeeded && receipt.logs.len() == n);
        figures.push(Figure { case: "anchorMany", n: n as u64, gas: receipt.gas_used });
    }
    let key = |n: u32| Vouched {
        device: DeviceId(anvil::drawn("device id", n)),
        key: KeyId(*anvil::drawn("key id", n).first_chunk().unwrap()),
    };
    let one = deployed.owner.register(&[key(0)]).await.unwrap();
    let keys: Vec<_> = (1..=100).map(key).collect();
    let many = deployed.owner.register(&keys).await.unwrap();
    let revoke = deployed.owner.revoke(key(0).key).await.unwrap();
    for (case, n, transaction) in [("registerKey", 1, one), ("registerKeys", 100, many), ("revokeKey", 1, revoke)] {
        let gas = deployed.relay.receipt(transaction).await.unwrap().unwrap().gas_used;
        figures.push(Figure { case, n, gas });
    }
    figures
}

#[tokio::test]
async fn gas_stays_below_its_targets_and_is_what_the_documentation_says() {
    let deployed = Deployed::new().await;
    let figures = measure(&deployed).await;
    if let Some(path) = std::env::var_os("CAIRN_GAS_REPORT") {
        let node = deployed.anvil.rpc.get_client_version().await.unwrap();
        let row = |f: &Figure| json!({ "case": f.case, "n": f.n, "gas": f.gas, "gas_each": f.gas.div_ceil(f.n) });
        let rows: Vec<_> = figures.iter().map(row).collect();
        let report = json!({ "node": node, "root_target": ROOT_TARGET, "anchor_target_at_100": ANCHOR_TARGET_AT_100, "rows": rows });
        std::fs::write(path, format!("{report:#}\n")).unwrap();
    }
    let gas = |case, n| figures.iter().find(|f| f.case == case && f.n == n).unwrap().gas;
    assert!(gas("postRoot", 1) <= ROOT_TARGET, "postRoot: {}", gas("postRoot", 1));
    assert!(gas("anchorMany", 100) <= 100 * ANCHOR_TARGET_AT_100, "anchorMany: {}", gas("anchorMany", 100));
    let page = include_str!("../../docs/contract.md");
    for Figure { case, n, gas } in &figures {
        let line = format!("| `{case}` | {n} | {} | {} |", thousands(*gas), thousands(gas.div_ceil(*n)));
        assert!(page.contains(&line), "docs/contract.md does not say: {line}");
    }
}

fn thousands(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", thousands(number / 1000), number % 1000) }
}
