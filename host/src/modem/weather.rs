// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of a datagram between modem and peer. Decided by the seed, the direction and the datagram's number in it,
//! and by nothing else, so that a run repeats whatever the machine's load. Asked by `bridge`; does no I/O.

use std::time::Duration;

use super::args::{Args, DelayRange, Probability};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// What is drawn for; each has its own stream of numbers.
#[derive(Clone, Copy)]
enum Draw {
    Loss = 1,
    Duplicate,
    FirstDelay,
    SecondDelay,
    Error,
}

#[derive(Debug)]
pub(super) struct Weather {
    seed: u64,
    loss: Probability,
    duplicate: Probability,
    delay: DelayRange,
    error_rate: Probability,
    up: u64,
    down: u64,
    socket_commands: u64,
}

impl Weather {
    pub(super) fn new(args: &Args) -> Self {
        Self {
            seed: args.seed,
            loss: args.loss,
            duplicate: args.duplicate,
            delay: args.delay_ms.clone(),
            error_rate: args.error_rate,
            up: 0,
            down: 0,
            socket_commands: 0,
        }
    }

    /// The delays of the copies of the next datagram in `direction` that arrive: none when it is lost, two when doubled.
    pub(super) fn next_datagram(&mut self, direction: Direction) -> Vec<Duration> {
        let (lane, counter) = match direction {
            Direction::Up => (1, &mut self.up),
            Direction::Down => (2, &mut self.down),
        };
        let number = *counter;
        *counter += 1;
        if self.loss.holds(draw(self.seed, lane, number, Draw::Loss)) {
            return Vec::new();
        }
        let mut copies = vec![self.delay(draw(self.seed, lane, number, Draw::FirstDelay))];
        if self.duplicate.holds(draw(self.seed, lane, number, Draw::Duplicate)) {
            copies.push(self.delay(draw(self.seed, lane, number, Draw::SecondDelay)));
        }
        copies
    }

    /// Whether the next command about a socket is refused.
    pub(super) fn next_command_fails(&mut self) -> bool {
        let number = self.socket_commands;
        self.socket_commands += 1;
        self.error_rate.holds(draw(self.seed, 3, number, Draw::Error))
    }

    fn delay(&self, draw: u32) -> Duration {
        let DelayRange(range) = &self.delay;
        let width = u128::from(range.end() - range.start()) + 1;
        // Below the width, which was a u64 before it was widened.
        let part = u64::try_from((u128::from(draw) * width) >> 32).unwrap_or(u64::MAX);
        Duration::from_millis(range.start() + part)
    }
}

/// An even number from 0..2^32 (SplitMix64's finaliser over the words).
fn draw(seed: u64, lane: u64, number: u64, what: Draw) -> u32 {
    let mut state = seed;
    for word in [lane, number, what as u64] {
        state = state.wrapping_add(word.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
    }
    (state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather(seed: u64, loss: &str, duplicate: &str, delay: &str) -> Weather {
        Weather {
            seed,
            loss: loss.parse().unwrap(),
            duplicate: duplicate.parse().unwrap(),
            delay: delay.parse().unwrap(),
            error_rate: loss.parse().unwrap(),
            up: 0,
            down: 0,
            socket_commands: 0,
        }
    }

    fn fates(weather: &mut Weather, direction: Direction, count: usize) -> Vec<Vec<Duration>> {
        (0..count).map(|_| weather.next_datagram(direction)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_another_seed_others() {
        let run = |seed| fates(&mut weather(seed, "0.3", "0.2", "10..50"), Direction::Up, 200);
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn one_direction_does_not_change_the_fates_of_the_other() {
        let mut alone = weather(7, "0.3", "0.2", "10..50");
        let mut mixed = weather(7, "0.3", "0.2", "10..50");
        fates(&mut mixed, Direction::Down, 33);
        assert_eq!(fates(&mut alone, Direction::Up, 50), fates(&mut mixed, Direction::Up, 50));
        assert_ne!(
            fates(&mut weather(7, "0.3", "0.2", "10..50"), Direction::Down, 50),
            fates(&mut alone, Direction::Up, 50)
        );
    }

    #[test]
    fn shares_and_delays_are_what_was_asked_for() {
        let all = fates(&mut weather(1, "0.3", "0.2", "10..12"), Direction::Up, 10_000);
        let lost = all.iter().filter(|copies| copies.is_empty()).count();
        let doubled = all.iter().filter(|copies| copies.len() == 2).count();
        assert!((2_800..3_200).contains(&lost), "{lost}");
        assert!((1_250..1_550).contains(&doubled), "{doubled}");
        for millis in 10..=12 {
            let share = all.iter().flatten().filter(|delay| **delay == Duration::from_millis(millis)).count();
            assert!((2_500..3_100).contains(&share), "{share} of {millis} ms");
        }
        assert!(all.iter().flatten().all(|delay| (10..=12).contains(&delay.as_millis())));
    }

    #[test]
    fn certainty_is_certain() {
        assert!(fates(&mut weather(1, "1", "0", "0"), Direction::Up, 100).iter().all(Vec::is_empty));
        let calm = fates(&mut weather(1, "0", "0", "0"), Direction::Down, 100);
        assert!(calm.iter().all(|copies| *copies == [Duration::ZERO]));
        let mut refusing = weather(1, "1", "0", "0");
        assert!((0..100).all(|_| refusing.next_command_fails()));
    }
}
