// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a decision of the schedule takes: the most of many, each followed to its upload, with coverage, time and a
//! radio that is up now and then drawn at random.
#![cfg_attr(all(target_arch = "arm", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod image {
    use core::hint::black_box;

    use cairn::{
        power::{
            budget,
            cost::{CoverageLevel, ExchangeCost, MicroJoules, Model},
            outlook::Sight,
            schedule::{Decision, Schedule as _, View},
            scheduler::{Scheduler, Settings},
        },
        time::Millis,
    };
    use cairn_bench::{Meter, Random, cortex_m_semihosting::hprintln, entry, finish};

    const HOUR: u64 = 3_600_000;

    fn settings(sight: Sight) -> Settings {
        Settings {
            patience: [Millis(168 * HOUR), Millis(24 * HOUR), Millis(2_000)],
            retry_base: Millis(30_000),
            retry_max: Millis(HOUR),
            seed: 1,
            model: Model::DEFAULT,
            budget: budget::Settings {
                refill_uw: 251,
                burst: MicroJoules::from_mj(43_000),
                reserve: MicroJoules::from_mj(20_000),
                urgent_burst: 3,
                urgent_interval: Millis(600_000),
            },
            tau: Some(Millis(12 * HOUR)),
            sight,
        }
    }

    fn view(now: u64, oldest: u64) -> View {
        let oldest = Some(Millis(oldest));
        View { unsealed: 1, oldest: [oldest, oldest, None], pending_bytes: 500, ..View::at(Millis(now)) }
    }

    /// Not inlined: a frame that is part of the meter's own is not measured.
    #[inline(never)]
    fn decided(scheduler: &mut Scheduler, view: &View) -> Decision {
        scheduler.decide(view)
    }

    #[entry]
    fn main() -> ! {
        let mut meter = Meter::start();
        let mut random = Random::new();
        for (name, sight) in [("blind", Sight::Blind), ("gated", Sight::Gated), ("seen", Sight::Seen)] {
            let mut scheduler = Scheduler::new(settings(sight), None, Millis(0)).amid_life();
            let (mut most, mut stack, mut now, mut sent, mut decisions) = (0, 0, 0, 0, 0);
            for _ in 0..30 {
                let [minutes, level, ride, ..] = random.bytes();
                let (since, level) = (now, CoverageLevel::ALL[usize::from(level % 3)]);
                now += u64::from(minutes) * 60_000;
                scheduler.hear(Millis(now), level);
                for round in 0..100 {
                    let up = (round == 0 && ride % 2 == 0).then_some(Millis(now + 60_000));
                    let waiting = View { radio_up_until: up, ..view(now, since) };
                    let mut decision = None;
                    let cost = meter.measure(|| decision = Some(black_box(decided)(&mut scheduler, &waiting)));
                    (most, stack) = (cost.instructions.max(most), cost.stack_bytes.max(stack));
                    decisions += 1;
                    let Some(Decision::Wait(Some(then))) = decision else { break };
                    now = then.0.max(now + 1);
                }
                let sealed = View { unsent: 1, unsealed: 0, oldest: [None; 3], ..view(now, now) };
                if scheduler.decide(&sealed) == Decision::Send {
                    let cost =
                        ExchangeCost { bytes_up: 700, datagrams_up: 1, coverage: Some(level), ..Default::default() };
                    scheduler.exchange_ended(Millis(now + 3_000), Ok(()), &cost);
                    sent += 1;
                }
                now += 4_000;
            }
            hprintln!("{}_decisions={} {}_sent={}", name, decisions, name, sent);
            hprintln!("{}_instructions={} {}_stack_bytes={}", name, most, name, stack);
        }
        finish()
    }
}

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
fn main() {}
