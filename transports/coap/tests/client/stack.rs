// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A UDP stack that is in trouble: it takes nothing for a while or for ever, and it fails at each of its calls.

use cairn::ports::LinkError;
use cairn_coap::{
    Settings, Transmission,
    message::{Code, Type},
};

use crate::{
    exchanges::ok,
    network::{Carry, Fault, World, settings, stored},
};

#[test]
fn would_block_at_every_send_changes_nothing_but_the_time() {
    // 200 times 100 ms: each send within `send_wait`, two together not.
    for (blocks, keep_socket) in [(1, false), (7, true), (40, false), (200, true)] {
        let mut world = World::new(Settings { keep_socket, ..settings() });
        world.air.borrow_mut().blocks = blocks;
        for _ in 0..3 {
            let ended = world.exchange(|relay, datagram| {
                if datagram.len() == 4 {
                    return vec![];
                }
                let request = relay.verify(datagram);
                let carry = Carry::Separate(Type::Confirmable, 3);
                if request.has_kid_context && request.echo.is_none() {
                    return vec![(50, relay.respond(request, carry, Code::UNAUTHORIZED, Some(&[2; 8]), b""))];
                }
                vec![(50, relay.respond(request, carry, Code::CHANGED, None, b"stored"))]
            });
            assert_eq!(ended.downlink, ok());
        }
        assert_eq!(world.sent().len(), 4 + 2 + 2);
    }
}

#[test]
fn a_stack_that_never_takes_the_request_is_unreachable_after_a_bounded_wait() {
    let mut world = World::new(settings());
    world.air.borrow_mut().blocks = u32::MAX;
    let ended = world.exchange(|_, _| vec![]);
    assert_eq!(ended.downlink, Err(LinkError::Unreachable));
    assert_eq!(world.now(), Transmission::RFC_7252.send_wait.0);
    assert_eq!((ended.cost.bytes_up, ended.cost.datagrams_up, ended.cost.connections), (0, 0, 1));
    assert_eq!(world.air.borrow().open, 0);
}

#[test]
fn a_verified_response_counts_although_its_ack_cannot_be_sent() {
    for fault in [Some(Fault::Send), None] {
        let mut world = World::new(settings());
        let air = world.air.clone();
        let ended = world.exchange(|relay, datagram| {
            let request = relay.verify(datagram);
            air.borrow_mut().fault = fault;
            air.borrow_mut().blocks = u32::MAX;
            vec![(50, relay.respond(request, Carry::Separate(Type::Confirmable, 3), Code::CHANGED, None, b"stored"))]
        });
        assert_eq!(ended.downlink, ok());
        assert_eq!(ended.cost.datagrams_up, 1);
    }
}

#[test]
fn a_fault_of_the_stack_is_unreachable_and_the_next_exchange_opens_a_new_socket() {
    for fault in [Fault::Socket, Fault::Connect, Fault::Send, Fault::Receive] {
        let mut world = World::new(Settings { keep_socket: true, ..settings() });
        world.air.borrow_mut().fault = Some(fault);
        let ended = world.exchange(|_, _| vec![]);
        assert_eq!(ended.downlink, Err(LinkError::Unreachable), "{fault:?}");
        assert_eq!(world.air.borrow().open, 0, "{fault:?}");
        // What cannot be sent fails at once; what cannot be received when time has run out.
        assert_eq!(world.now() == 0, fault != Fault::Receive, "{fault:?}");
        world.air.borrow_mut().fault = None;
        assert_eq!(world.exchange(|relay, datagram| vec![(0, stored(relay, datagram))]).downlink, ok());
        assert_eq!(world.air.borrow().open, 1);
    }
}

#[test]
fn a_stack_that_fails_to_receive_recovers_with_the_next_transmission() {
    let mut world = World::new(settings());
    let air = world.air.clone();
    world.air.borrow_mut().fault = Some(Fault::Receive);
    let ended = world.exchange(|relay, datagram| {
        let again = air.borrow().sent.len() > 1;
        if again {
            air.borrow_mut().fault = None;
        }
        vec![(500, stored(relay, datagram))]
    });
    assert_eq!(ended.downlink, ok());
    assert_eq!(ended.cost.datagrams_up, 2);
}
