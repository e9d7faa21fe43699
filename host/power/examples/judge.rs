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
    text: String,
    spent: f64,
    least: f64,
}

fn main() {
    let seeds = if std::env::args().any(|arg| arg == "final") { FINAL_SEEDS } else { TUNING_SEEDS };
    let model = Model::DEFAULT;
    let traces: Vec<_> = seeds.map(Trace::of).map(|trace| (optimum(&model, &trace), trace)).collect();
    for sight in [Sight::Seen, Sight::Gated, Sight::Blind] {
        let (mut rows, mut late, mut looks) = (Vec::new(), 0, 0.0);
        for (best, trace) in &traces {
            let played = play(&model, trace, sight);
            late += played.priced.late;
            looks += played.looked.0 as f64;
            let (spent, least) = (played.priced.energy.0 as f64, best.energy.0 as f64);
            let text = format!(
                "sends {} taus {} looks {} late {}; best sends {}; patience {:?} tau {} up {} urgent {} bytes {}",
                played.sends.len(), played.priced.taus, played.looks, played.priced.late, best.sends.len(), trace.patience,
                trace.tau_slots, trace.radio_up.iter().filter(|up| **up).count(),
                trace.arrivals.iter().filter(|arrival| arrival.priority as u8 == 2).count(), trace.arrivals[0].bytes
            );
            rows.push(Row { seed: trace.seed, place: trace.place, shade: trace.shade, ratio: spent / least, text, spent, least });
        }
        rows.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
        let n = rows.len();
        let mean = rows.iter().map(|row| row.ratio).sum::<f64>() / n as f64;
        let (spent, least) = (rows.iter().map(|row| row.spent).sum::<f64>(), rows.iter().map(|row| row.least).sum::<f64>());
        let worst = &rows[n - 1];
        println!(
            "{sight:?}: mean {mean:.4} of sums {:.4} median {:.4} p99 {:.4} worst {:.4} late {late} looks {:.4}",
            spent / least, rows[n / 2].ratio, rows[n * 99 / 100].ratio, worst.ratio, looks / least
        );
        println!("  worst: seed {} {:?} {:?} {}", worst.seed, worst.place, worst.shade, worst.text);
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
