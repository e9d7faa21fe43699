// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The chip's side of T=1: NXP UM11225 sections 2.1.1 (blocks, tables 9 and 10) and 2.2 (ATR), ISO/IEC 7816-3 section
//! 11.6.3 (what to do when a block is wrong). Called by the chip with whole blocks; keeps no time.

use std::collections::VecDeque;

/// What a block from the host asks for.
pub(crate) enum Event {
    /// This block goes back at once.
    Reply(Vec<u8>),
    /// This command is complete.
    Command(Vec<u8>),
    /// The host grants the time that was asked for.
    Granted,
    /// The host took note of a size, or of an abort.
    Noted,
    /// The connection starts again: the answer carries the ATR.
    SoftReset,
    /// The chip restarts.
    ChipReset,
    /// The host has no more commands.
    EndOfSession,
}

/// Sequence numbers and what is on its way.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// N(S) that the host's next I-block must have.
    awaited: bool,
    /// N(S) of our next I-block.
    sequence: bool,
    incoming: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
    last: Option<Vec<u8>>,
    /// What the host takes (IFSD).
    host_takes: usize,
    /// What we take (IFSC).
    pub(crate) chip_takes: u8,
}

impl Endpoint {
    pub(crate) fn new(chip_takes: u8) -> Self {
        Self {
            awaited: false,
            sequence: false,
            incoming: Vec::new(),
            outgoing: VecDeque::new(),
            last: None,
            host_takes: 254,
            chip_takes,
        }
    }

    /// The ATR of UM11225 section 2.2: version, vendor, block waiting time 1000 ms and information size, I2C at 1 MHz,
    /// and "JCOP4 ATPO".
    pub(crate) fn atr(&self) -> Vec<u8> {
        let mut atr = vec![0x00, 0xa0, 0x00, 0x00, 0x03, 0x96, 0x04, 0x03, 0xe8, 0x00, self.chip_takes];
        atr.extend([0x02, 0x0b, 0x03, 0xe8, 0x08, 0x01, 0x00, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x0a]);
        atr.extend(b"JCOP4 ATPO");
        atr
    }

    pub(crate) fn receive(&mut self, block: &[u8]) -> Event {
        let [nad, pcb, len, rest @ ..] = block else { return self.complain(2) };
        let Some((inf, received)) = rest.split_last_chunk::<2>() else { return self.complain(2) };
        if *nad != 0x5a || usize::from(*len) != inf.len() {
            return self.complain(2);
        }
        if checksum(&block[..block.len() - 2]).to_le_bytes() != *received {
            return self.complain(1);
        }
        match pcb {
            0x00..=0x7f => self.information(*pcb, inf),
            0x80..=0xbf if inf.is_empty() => self.ready(*pcb),
            0xc0 if inf.is_empty() => {
                (self.awaited, self.sequence) = (false, false);
                self.incoming.clear();
                self.outgoing.clear();
                Event::Reply(self.send(0xe0, &[]))
            }
            0xc1 if matches!(inf, [1..=254]) => {
                self.host_takes = usize::from(inf[0]);
                Event::Reply(self.send(0xe1, inf))
            }
            0xc7 => {
                let atr = self.atr();
                Event::Reply(self.send(0xe7, &atr))
            }
            0xc5 => Event::EndOfSession,
            0xc6 => Event::ChipReset,
            0xcf => Event::SoftReset,
            0xe1 | 0xe2 => Event::Noted,
            0xe3 if inf.len() == 1 => Event::Granted,
            _ => self.complain(2),
        }
    }

    fn information(&mut self, pcb: u8, inf: &[u8]) -> Event {
        if pcb & 0x1f != 0 || (pcb & 0x40 != 0) != self.awaited || inf.len() > usize::from(self.chip_takes) {
            return self.complain(2);
        }
        self.awaited = !self.awaited;
        self.outgoing.clear();
        self.incoming.extend(inf);
        if pcb & 0x20 == 0 {
            return Event::Command(core::mem::take(&mut self.incoming));
        }
        let pcb = 0x80 | u8::from(self.awaited) << 4;
        Event::Reply(self.send(pcb, &[]))
    }

    /// ISO/IEC 7816-3 rules 2.2, 5 and 7.1 to 7.3.
    fn ready(&mut self, pcb: u8) -> Event {
        let awaited = pcb & 0x10 != 0;
        let Some(last) = self.last.clone() else { return self.complain(2) };
        let was_information = last[1] & 0x80 == 0;
        let acknowledged = was_information && (last[1] & 0x40 != 0) != awaited;
        match self.outgoing.pop_front() {
            Some(next) if acknowledged && pcb & 0x0f == 0 => Event::Reply(self.send_information(&next)),
            Some(next) => {
                self.outgoing.push_front(next);
                Event::Reply(last)
            }
            // It has our answer and asks for one again: its own block did not come here.
            None if acknowledged => self.complain(2),
            None => Event::Reply(last),
        }
    }

    fn complain(&mut self, error: u8) -> Event {
        // Not kept as the last block: what is asked for again is what came before the complaint.
        Event::Reply(frame(0x80 | u8::from(self.awaited) << 4 | error, &[]))
    }

    /// The first block of a response.
    pub(crate) fn respond(&mut self, response: &[u8]) -> Vec<u8> {
        self.outgoing = response.chunks(self.host_takes).map(<[u8]>::to_vec).collect();
        let first = self.outgoing.pop_front().expect("a response has a status");
        self.send_information(&first)
    }

    fn send_information(&mut self, inf: &[u8]) -> Vec<u8> {
        let pcb = u8::from(self.sequence) << 6 | u8::from(!self.outgoing.is_empty()) << 5;
        self.sequence = !self.sequence;
        self.send(pcb, inf)
    }

    /// A block, kept in case it is asked for again.
    pub(crate) fn send(&mut self, pcb: u8, inf: &[u8]) -> Vec<u8> {
        let block = frame(pcb, inf);
        self.last = Some(block.clone());
        block
    }

    /// An R-block with N(R) as it is, or wrong.
    pub(crate) fn ready_block(&self, wrong: bool, error: u8) -> Vec<u8> {
        frame(0x80 | u8::from(self.awaited != wrong) << 4 | error, &[])
    }
}

/// NAD, PCB, LEN, INF, CRC.
pub(crate) fn frame(pcb: u8, inf: &[u8]) -> Vec<u8> {
    let mut block = vec![0xa5, pcb, u8::try_from(inf.len()).expect("chunked")];
    block.extend(inf);
    block.extend(checksum(&block).to_le_bytes());
    block
}

/// CRC-16/ISO-HDLC, the slow way round: the register shifts left over bits taken in the order they are sent, and comes
/// out reflected.
fn checksum(bytes: &[u8]) -> u16 {
    let mut register: u16 = 0xffff;
    for byte in bytes {
        for bit in 0..8 {
            let high = (register >> 15) ^ u16::from(byte >> bit & 1);
            register <<= 1;
            if high & 1 != 0 {
                register ^= 0x1021;
            }
        }
    }
    (!register).reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_has_its_published_check_value() {
        assert_eq!(checksum(b"123456789"), 0x906e);
    }

    #[test]
    fn a_soft_reset_is_understood_and_answered_as_by_a_real_chip() {
        let mut endpoint = Endpoint::new(254);
        assert!(matches!(endpoint.receive(&[0x5a, 0xcf, 0x00, 0x37, 0x7f]), Event::SoftReset));
        let atr = endpoint.atr();
        let block = endpoint.send(0xef, &atr);
        assert_eq!((block.len(), &block[..3], &block[38..]), (40, &[0xa5, 0xef, 0x23][..], &[0x87, 0x77][..]));
        let Event::Reply(complaint) = endpoint.receive(&[0x5a, 0xcf, 0x00, 0x37, 0x7e]) else { panic!("a reply") };
        assert_eq!(complaint, frame(0x81, &[]));
        let Event::Reply(complaint) = endpoint.receive(&[0x5b, 0xcf, 0x00, 0x37, 0x7f]) else { panic!("a reply") };
        assert_eq!(complaint, [0xa5, 0x82, 0x00, 0xda, 0x4f]);
    }
}
