// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo run -p cairn-power --release --example judge [tuning|final]`: the scheduler against the optimum on every trace of a set of
//! seeds, with what the link tells varied; mean, 99th percentile and worst, and where the worst comes from.

use cairn::power::{cost::Model, outlook::Sight};
use cairn_power::{
    optimum::optimum,
    play::play,
    traces::{FINAL_SEEDS, Place, Shade, TUNING_SEEDS, Trace},
};

struct Row {
    seed: u64,
    place: Place,
    shade: Shade,
    ratio: f64,
    bulk: bool,
    text: String,
    spent: f64,
    least: f64,
}

fn thresholds(trace: &Trace, shares: [f64; 3]) -> Vec<usize> {
    let (mut sends, mut due, mut since) = (Vec::new(), usize::MAX, 0);
    let mut arrivals = trace.arrivals.iter().peekable();
    for slot in 0..trace.slots() {
        while let Some(arrival) = arrivals.next_if(|arrival| arrival.slot == slot) {
            due = due.min(trace.due(arrival));
        }
        if due == usize::MAX {
            continue;
        }
        let left = (due - slot) as f64 / (due - since).max(1) as f64;
        if left <= shares[trace.levels[slot] as usize] {
            sends.push(slot);
            (due, since) = (usize::MAX, slot + 1);
        }
    }
    sends
}

fn main() {
    let seeds = if std::env::args().any(|arg| arg == "final") { FINAL_SEEDS } else { TUNING_SEEDS };
    let model = Model::DEFAULT;
    let step = std::env::var("STEP").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let traces: Vec<_> = seeds.step_by(step).map(Trace::of).map(|trace| (optimum(&model, &trace), trace)).collect();
    let traces: Vec<_> = match std::env::var("ONLY").as_deref() {
        Ok("plain") => traces
            .into_iter()
            .filter(|(_, trace)| {
                !trace.radio_up.contains(&true) && !trace.arrivals.iter().any(|arrival| arrival.priority as u8 == 2)
            })
            .collect(),
        _ => traces,
    };
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
        let trace = Trace::of(seed);
        let sight = match std::env::var("SIGHT").as_deref() {
            Ok("seen") => Sight::Seen,
            Ok("blind") => Sight::Blind,
            _ => Sight::Gated,
        };
        println!("{:?}", optimum(&model, &trace).sends.iter().map(|slot| *slot as f64 / 4.0).collect::<Vec<_>>());
        println!("{:?}", play(&model, &trace, sight).priced);
        return;
    }
    if std::env::var("THRESHOLDS").is_ok() {
        for first in [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6] {
            for second in [0.0, 0.05, 0.1, 0.2] {
                let ratios = traces.iter().map(|(best, trace)| {
                    cairn_power::price::price(&model, trace, &thresholds(trace, [first, second, 0.0])).energy.0 as f64
                        / best.energy.0 as f64
                });
                println!("{first} {second}: {:.4}", ratios.sum::<f64>() / traces.len() as f64);
            }
        }
        return;
    }
    if std::env::var("INFORMED").is_ok() {
        let mut sums = [0.0; 5];
        for (best, trace) in traces.iter().filter(|(_, trace)| cairn_power::informed::is_known(trace)) {
            let of = |sends: &[usize]| {
                cairn_power::price::price(&model, trace, sends).energy.0 as f64 / best.energy.0 as f64
            };
            sums[0] += 1.0;
            sums[1] += of(&cairn_power::informed::informed(&model, trace));
            let inf = of(&cairn_power::informed::informed(&model, trace));
            let ninf = cairn_power::informed::informed(&model, trace).len();
            print!(
                "{} {:?} pat {} tau {} bytes {} best {} informed {inf:.2} ({ninf})",
                trace.seed,
                trace.place,
                trace.patience[trace.arrivals[0].priority as usize],
                trace.tau_slots,
                trace.arrivals[0].bytes,
                best.sends.len()
            );
            for (sum, sight) in sums[2..].iter_mut().zip([Sight::Seen, Sight::Gated, Sight::Blind]) {
                let p = play(&model, trace, sight);
                *sum += p.priced.energy.0 as f64 / best.energy.0 as f64;
                print!(" {:.2} ({} {})", p.priced.energy.0 as f64 / best.energy.0 as f64, p.sends.len(), p.looks);
            }
            println!();
        }
        println!(
            "{} traces: informed {:.4} seen {:.4} gated {:.4} blind {:.4}",
            sums[0],
            sums[1] / sums[0],
            sums[2] / sums[0],
            sums[3] / sums[0],
            sums[4] / sums[0]
        );
        return;
    }
    for sight in [Sight::Seen, Sight::Gated, Sight::Blind] {
        let (mut rows, mut late, mut looks) = (Vec::new(), 0, 0.0);
        for (best, trace) in &traces {
            let played = play(&model, trace, sight);
            late += played.priced.late;
            looks += played.looked.0 as f64;
            let (spent, least) = (played.priced.energy.0 as f64, best.energy.0 as f64);
            let text = format!(
                "sends {} taus {} looks {} late {}; best sends {}; patience {:?} tau {} up {} urgent {} bytes {}",
                played.sends.len(),
                played.priced.taus,
                played.looks,
                played.priced.late,
                best.sends.len(),
                trace.patience,
                trace.tau_slots,
                trace.radio_up.iter().filter(|up| **up).count(),
                trace.arrivals.iter().filter(|arrival| arrival.priority as u8 == 2).count(),
                trace.arrivals[0].bytes
            );
            rows.push(Row {
                seed: trace.seed,
                place: trace.place,
                shade: trace.shade,
                bulk: trace.arrivals[0].priority as u8 == 0,
                ratio: spent / least,
                text,
                spent,
                least,
            });
        }
        rows.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
        let n = rows.len();
        let mean = rows.iter().map(|row| row.ratio).sum::<f64>() / n as f64;
        let (spent, least) =
            (rows.iter().map(|row| row.spent).sum::<f64>(), rows.iter().map(|row| row.least).sum::<f64>());
        let worst = &rows[n - 1];
        println!(
            "{sight:?}: mean {mean:.4} of sums {:.4} median {:.4} p99 {:.4} worst {:.4} late {late} looks {:.4}",
            spent / least,
            rows[n / 2].ratio,
            rows[n * 99 / 100].ratio,
            worst.ratio,
            looks / least
        );
        println!("  worst: seed {} {:?} {:?} {}", worst.seed, worst.place, worst.shade, worst.text);
        if std::env::var("ROWS").is_ok() {
            for row in rows.iter().step_by(n / 25) {
                println!("  {:.3} {} {:?} {:?} {}", row.ratio, row.seed, row.place, row.shade, row.text);
            }
        }
        for bytes in ["bytes 0", "bytes 6"] {
            for patience in [24, 48, 96, 192, 672] {
                let key = format!("patience [{patience},");
                let key2 = format!(", {patience}, 0]");
                let of: Vec<f64> = rows
                    .iter()
                    .filter(|row| {
                        row.text.ends_with(bytes)
                            && (row.text.contains(&key) && row.bulk || row.text.contains(&key2) && !row.bulk)
                    })
                    .map(|row| row.ratio)
                    .collect();
                print!("  {bytes}/{patience} {:.3} ({})", of.iter().sum::<f64>() / of.len() as f64, of.len());
            }
        }
        println!();
        for place in [Place::Good, Place::Edge, Place::Deep] {
            for shade in [Shade::None, Shade::Busy, Shade::Covered] {
                let of: Vec<f64> =
                    rows.iter().filter(|row| row.place == place && row.shade == shade).map(|row| row.ratio).collect();
                print!("  {place:?}/{shade:?} {:.3} ({})", of.iter().sum::<f64>() / of.len() as f64, of.len());
            }
            println!();
        }
    }
}
