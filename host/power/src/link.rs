// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The agent's link in a simulated life: the bytes of the agent's uplink go through the simulated radio to the relay, and what the
//! relay answered comes back when the exchange is over. The bytes that CoAP and OSCORE add are counted as `transports/coap` adds them,
//! which a test compares with its codec. The diary is charged with the truth, the agent is told what a modem would tell.

use core::ops::Range;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use cairn::{
    ports::{Clock, Link, LinkError, Outcome},
    power::cost::{ExchangeCost, Model, PsmTimers},
    time::{Millis, TimeQuality, WallTime},
    uplink::DOWNLINK_MAX,
};

use crate::{diary::Diary, radio::Radio, relay::Relay};

/// Bytes that CoAP and OSCORE put around an uplink once the relay knows the context, with a Partial IV of one byte.
pub(crate) const COAP_UP_BYTES: u32 = 26;
/// Bytes more while it does not, or after an exchange that failed: the kid context.
pub(crate) const KID_CONTEXT_BYTES: u32 = 10;
/// Bytes around a downlink.
pub(crate) const COAP_DOWN_BYTES: u32 = 18;

/// The wall clock's time at the beginning of a life: 2026-01-14.
const BEGAN_UNIX_MS: u64 = 1_768_345_200_000;

/// Both clocks of the device: virtual time.
#[derive(Clone, Debug, Default)]
pub(crate) struct VirtualClock(pub(crate) Rc<Cell<u64>>);

impl Clock for VirtualClock {
    fn now(&self) -> Millis {
        Millis(self.0.get())
    }

    fn wall(&self) -> WallTime {
        WallTime { unix_ms: BEGAN_UNIX_MS + self.0.get(), quality: TimeQuality::Network }
    }
}

/// What is outside of the device, and the books.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) radio: Radio,
    pub(crate) relay: Relay,
    pub(crate) diary: Diary,
    /// What the device believes that things cost.
    pub(crate) believed: Model,
}

/// An exchange that runs.
#[derive(Debug)]
struct Running {
    ends: u64,
    result: Result<(), LinkError>,
    cost: ExchangeCost,
}

/// The link.
#[derive(Debug)]
pub(crate) struct SimLink {
    world: Rc<RefCell<World>>,
    capacity: usize,
    numbers: Range<u64>,
    relay_knows_context: bool,
    running: Option<Running>,
    downlink: ([u8; DOWNLINK_MAX], usize),
    /// What the network granted, until it was told.
    timers: Option<PsmTimers>,
}

impl SimLink {
    /// A link that takes uplinks of `capacity` bytes.
    pub(crate) fn new(world: Rc<RefCell<World>>, capacity: usize) -> Self {
        let downlink = ([0; DOWNLINK_MAX], 0);
        let periodic_update = Some(world.borrow().radio.t3412());
        let timers = Some(PsmTimers { active: Some(Millis(0)), periodic_update });
        Self { world, capacity, numbers: 0..0, relay_knows_context: false, running: None, downlink, timers }
    }
}

/// Bytes of UDP payload of an uplink.
pub(crate) fn protected_bytes(uplink: usize, number: u64, relay_knows_context: bool) -> u32 {
    let longer_number = (64 - number.leading_zeros()).div_ceil(8).saturating_sub(1);
    let context = if relay_knows_context { 0 } else { KID_CONTEXT_BYTES };
    u32::try_from(uplink).expect("an uplink") + COAP_UP_BYTES + longer_number + context
}

impl Link for SimLink {
    fn start(&mut self, now: Millis, uplink: &[u8]) -> Result<(), LinkError> {
        if self.running.is_some() || uplink.len() > self.capacity {
            return Err(LinkError::Refused);
        }
        let number = self.numbers.next().ok_or(LinkError::SequenceExhausted)?;
        let bytes_up = protected_bytes(uplink.len(), number, self.relay_knows_context);
        let World { radio, relay, diary, believed } = &mut *self.world.borrow_mut();
        let (out, length) = &mut self.downlink;
        let exchanged = radio.exchange(now.0, bytes_up, &mut || {
            *length = relay.take(now.0, uplink, out);
            u32::try_from(*length).expect("a downlink") + COAP_DOWN_BYTES
        });
        diary.spend_all(exchanged.energy);
        diary.note_charged(believed.spent(&exchanged.cost, believed.unknown));
        diary.note_wake();
        if exchanged.result.is_err() {
            diary.note_failure();
        }
        self.relay_knows_context = exchanged.result.is_ok();
        self.running = Some(Running { ends: exchanged.ends, result: exchanged.result, cost: exchanged.cost });
        Ok(())
    }

    fn poll(&mut self, now: Millis) -> nb::Result<Outcome<'_>, core::convert::Infallible> {
        let Some(Running { result, cost, .. }) = self.running.take_if(|running| running.ends <= now.0) else {
            return Err(nb::Error::WouldBlock);
        };
        let World { relay, diary, .. } = &mut *self.world.borrow_mut();
        diary.note_delivered(now.0, relay.stored_below.0);
        let (out, length) = &self.downlink;
        Ok(Outcome { downlink: result.map(|()| &out[..*length]), cost })
    }

    fn wake_at(&self) -> Option<Millis> {
        self.running.as_ref().map(|running| Millis(running.ends))
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn grant(&mut self, numbers: Range<u64>) {
        self.numbers = numbers;
    }

    fn granted(&self) -> u64 {
        self.numbers.end - self.numbers.start
    }

    fn psm_timers(&mut self) -> Option<PsmTimers> {
        self.timers.take()
    }
}

#[cfg(test)]
mod tests {
    use cairn_coap::{
        message::{Builder, Code, Head, Options, Type, option},
        oscore::{Context, Secrets},
    };

    use super::*;

    #[test]
    fn coap_and_oscore_add_what_their_codec_adds() {
        let secrets = Secrets { master_secret: &[3; 16], master_salt: &[], id_context: Some(&[7; 8]) };
        let kid = [0xca, 0x14, 0, 1];
        let device = Context::derive(&secrets, &kid, &[]).unwrap();
        let relay = Context::derive(&secrets, &[], &kid).unwrap();
        let mut options = [0; 16];
        let mut builder = Builder::options(&mut options);
        builder.option(option::URI_PATH, b"a").unwrap();
        let length = builder.finish();
        let inner = Options::parse(&options[..length]).unwrap();
        let head = |code, options| Head { kind: Type::Confirmable, code, message_id: 7, token: &[1, 2], options };
        for (number, knows, bytes) in
            [(3, true, 168), (255, false, 168), (256, true, 1000), (70_000, true, 20), (1 << 24, false, 400)]
        {
            let (mut out, uplink) = ([0; 1200], vec![5; bytes]);
            let asked = device.protect_request(number, !knows, &head(Code::POST, inner), &uplink, &mut out);
            let (length, _) = asked.unwrap();
            assert_eq!(protected_bytes(bytes, number, knows) as usize, length, "number {number}");
            let (_, binding) =
                relay.unprotect_request(&mut { cairn_coap::oscore::ReplayWindow::EMPTY }, &mut out[..length]).unwrap();
            let mut answer = [0; 128];
            let acknowledged = Head { kind: Type::Acknowledgement, ..head(Code::CHANGED, Options::NONE) };
            let length = relay.protect_response(binding, None, &acknowledged, &[6; 38], &mut answer).unwrap();
            assert_eq!(length, 38 + COAP_DOWN_BYTES as usize);
        }
    }
}
