// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the integration tests cannot time: late datagrams and their order.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: Args,
}

fn bridge() -> Bridge {
    let args = Program::parse_from(["modem"]).args;
    let mut bridge = Bridge::new(&args, Record::open(None).unwrap()).unwrap();
    bridge.line_up = true;
    bridge
}

#[tokio::test]
async fn a_datagram_for_a_socket_of_the_same_number_that_is_gone_is_not_given_to_its_successor() {
    let mut bridge = bridge();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    assert!(bridge.open(0, peer));
    let late = Datagram { socket: 0, generation: bridge.generation, payload: vec![1] };
    bridge.effect(Effect::Close { socket: 0 });
    assert!(bridge.open(0, peer));
    bridge.deliver(&late);
    assert_eq!((bridge.counters().down_stray, bridge.counters().down), (1, 0));
    assert!(bridge.out.is_empty());
    let timely = Datagram { socket: 0, generation: bridge.generation, payload: vec![2] };
    bridge.deliver(&timely);
    assert_eq!((bridge.counters().down_stray, bridge.counters().down), (1, 1));
    bridge.line_up = false;
    bridge.deliver(&timely);
    assert_eq!((bridge.counters().down_stray, bridge.counters().down), (2, 1));
}

#[tokio::test]
async fn no_datagram_overtakes_the_one_before_it_unless_it_may() {
    let (mut last, long, short) = (None, Duration::from_secs(9), Duration::from_secs(1));
    let first = arrival(long, false, &mut last);
    assert!(arrival(short, false, &mut last) >= first);
    assert!(arrival(short, true, &mut last) < first);
}
