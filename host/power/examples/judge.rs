// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cargo run --release -p cairn-power --example judge [final] [every=N] [seed=N] [blind] [gated] [seen] [warm] [short]`: the scheduler
//! beside the optimum on every trace of a set of seeds, for all or some of what a link may tell; mean, 99th percentile and worst with
//! its trace. Then where the loss comes from, unless it is to be `short`. `warm` devices lived a month at the same place before. The
//! set is the one for tuning unless the final one is asked for by name.

use cairn::{
    power::{
        cost::Model,
        outlook::Sight::{self, Blind, Gated, Seen},
    },
    record::Priority,
};
use cairn_power::{
    gated,
    informed::{self, Informed},
    optimum::{Optimum, optimum},
    play::{Played, play, play_warm},
    traces::{FINAL_SEEDS, Place, SLOT_MS, Shade, TUNING_SEEDS, Trace},
};

/// A trace, how it was played, and how much more that cost than the optimum.
struct Row<'a> {
    trace: &'a Trace,
    best: &'a Optimum,
    played: Played,
    ratio: f64,
}

fn mean(values: impl Iterator<Item = f64>) -> (f64, usize) {
    let values: Vec<f64> = values.collect();
    (values.iter().sum::<f64>() / values.len().max(1) as f64, values.len())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| args.iter().find_map(|arg| arg.strip_prefix(name)?.parse::<u64>().ok());
    let seeds = if args.iter().any(|arg| arg == "final") { FINAL_SEEDS } else { TUNING_SEEDS };
    let every = usize::try_from(number("every=").unwrap_or(1)).expect("a step");
    let seeds = number("seed=").map_or_else(|| seeds.step_by(every).collect(), |seed| vec![seed]);
    let model = Model::DEFAULT;
    let traces: Vec<(Optimum, Trace)> =
        seeds.into_iter().map(Trace::of).map(|trace| (optimum(&model, &trace), trace)).collect();
    let asked = |what: &str| args.iter().any(|arg| arg == what);
    let sights = [("seen", Seen), ("gated", Gated), ("blind", Blind)];
    let all = !sights.iter().any(|(name, _)| asked(name));
    let lives = if asked("warm") { play_warm } else { play };
    for (_, sight) in sights.into_iter().filter(|(name, _)| all || asked(name)) {
        tell(sight, &model, &traces, lives);
    }
    if asked("short") {
        return;
    }
    tell_informed(&model, &traces);
}

/// How a scheduler lives through a trace.
type Lives = fn(&Model, &Trace, Sight) -> Played;

fn tell(sight: Sight, model: &Model, traces: &[(Optimum, Trace)], lives: Lives) {
    let rows = traces.iter().map(|(best, trace)| {
        let played = lives(model, trace, sight);
        let ratio = played.priced.energy.0 as f64 / best.energy.0 as f64;
        Row { trace, best, played, ratio }
    });
    let mut rows: Vec<Row<'_>> = rows.collect();
    rows.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let total = |of: &dyn Fn(&Row<'_>) -> u64| rows.iter().map(of).sum::<u64>() as f64;
    let (spent, least) = (total(&|row| row.played.priced.energy.0), total(&|row| row.best.energy.0));
    let late = rows.iter().map(|row| row.played.priced.late).sum::<usize>();
    println!(
        "{sight:?}: {} traces, mean {:.4}, of sums {:.4}, median {:.4}, p99 {:.4}, late {late}, looks {:.4}",
        rows.len(),
        mean(rows.iter().map(|row| row.ratio)).0,
        spent / least,
        rows[rows.len() / 2].ratio,
        rows[rows.len() * 99 / 100].ratio,
        total(&|row| row.played.looked.0) / least,
    );
    // What is asleep is drawn whoever chooses: not what is judged, but what a battery notices.
    let asleep = |row: &Row<'_>| row.trace.slots() as f64 * SLOT_MS as f64 * f64::from(model.floor_nw) / 1e6;
    let whole =
        |row: &Row<'_>| (row.played.priced.energy.0 as f64 + asleep(row)) / (row.best.energy.0 as f64 + asleep(row));
    println!("  with what the device draws asleep: mean {:.4}", mean(rows.iter().map(whole)).0);
    for worst in rows.iter().rev().take(1) {
        let Trace { seed, place, shade, patience, tau_slots, .. } = worst.trace;
        let (priced, best) = (worst.played.priced, worst.best.sends.len());
        println!(
            "  worst {:.4}: seed {seed}, {place:?}, {shade:?}, patience {patience:?}, T3412 {tau_slots}; {priced:?}, optimum {best} \
             uploads",
            worst.ratio
        );
    }
    for place in [Place::Good, Place::Edge, Place::Deep] {
        for shade in [Shade::None, Shade::Busy, Shade::Covered] {
            let of = rows.iter().filter(|row| row.trace.place == place && row.trace.shade == shade);
            let (mean, count) = mean(of.map(|row| row.ratio));
            print!("  {place:?}/{shade:?} {mean:.3} ({count})");
        }
    }
    println!();
    for hours in [6, 12, 24, 48, 168] {
        for with_data in [false, true] {
            let of = rows.iter().filter(|row| {
                let reading = &row.trace.arrivals[0];
                row.trace.patience[reading.priority as usize] == hours * 4 && (reading.bytes > 0) == with_data
            });
            let (mean, count) = mean(of.map(|row| row.ratio));
            print!("  {hours} h {} {mean:.3} ({count})", if with_data { "data" } else { "hashes" });
        }
    }
    println!();
    let (forced, count) = mean(rows.iter().filter(|row| is_mostly_urgent(row.trace)).map(|row| row.ratio));
    println!("  four urgent a day {forced:.3} ({count})");
}

fn is_mostly_urgent(trace: &Trace) -> bool {
    trace.arrivals.iter().filter(|arrival| arrival.priority == Priority::Urgent).count() > 60
}

/// A scheduler that knows the law.
type Scheme = fn(&Model, &Trace) -> Informed;

/// Where the loss comes from, sight by sight: the best that does not know the future beside ours on the same traces; and both beside
/// what that one is expected to spend, which no scheduler that does not know the future can undercut on the mean.
fn tell_informed(model: &Model, traces: &[(Optimum, Trace)]) {
    let schemes: [(Sight, Scheme); 3] = [(Seen, informed::seen), (Gated, gated::gated), (Blind, informed::blind)];
    println!(
        "| sight | informed, mean | of sums | over its expectation | ours, mean | of sums | over that expectation |"
    );
    for (sight, scheme) in schemes {
        let rows: Vec<[f64; 4]> = traces
            .iter()
            .map(|(best, trace)| {
                let (informed, played) = (scheme(model, trace), play(model, trace, sight));
                assert!(informed.priced.energy >= best.energy && informed.priced.late == 0, "seed {}", trace.seed);
                let [drawn, ours, best] =
                    [informed.priced.energy, played.priced.energy, best.energy].map(|energy| energy.0 as f64);
                [drawn, ours, best, informed.expected_uj]
            })
            .collect();
        let over = |of: usize, what: usize| mean(rows.iter().map(|row| row[of] / row[what])).0;
        let sums = |of: usize| rows.iter().map(|row| row[of]).sum::<f64>() / rows.iter().map(|row| row[2]).sum::<f64>();
        println!(
            "| {sight:?} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} |",
            over(0, 2),
            sums(0),
            over(0, 3),
            over(1, 2),
            sums(1),
            over(1, 3)
        );
    }
}
