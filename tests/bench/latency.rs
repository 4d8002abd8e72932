//! J2: from the flip of an input at a 100 ms poll to its arrival at a subscriber, beside the floor in the same run.

use crate::Bench;
use crate::gateway::{Points, Task};
use crate::leg::{Leg, Product};
use crate::logs::{Event, Point, SimLog, SubLog};
use crate::table::{Figures, Judged, Table};
use crate::wait;
use std::path::Path;
use std::time::Duration;

const TASK: Task = Task { devices: 1, points: Points::Input, poll_ms: 100, readings: "now" };
const INPUT: Point = (0, 'd', 0);
/// Longest time between two flips, as `bench-sim` has it.
const FLIP_MAX: Duration = Duration::from_millis(450);
const WARM: Duration = Duration::from_secs(2);
/// The last flip is polled, stored and has arrived.
const LATEST: Duration = Duration::from_secs(2);

/// Milliseconds from the flip, and from the poll that saw it, to the arrival.
#[derive(Default)]
struct Measured {
    from_flip: Figures,
    from_read: Figures,
    /// 99 % of each round.
    p99: Figures,
    flips: u64,
    missing: u64,
}

/// Runs the job.
pub(crate) fn j2(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let flips = if bench.quick { 40 } else { 200 };
    let mut picket = Measured::default();
    let mut floor = Measured::default();
    let rounds = bench.rounds(3);
    for round in 0..rounds {
        for (product, measured) in [(Product::Picket, &mut picket), (Product::Floor, &mut floor)] {
            let folder = folder.join(format!("{round}-{}", product.name()));
            leg(bench, &folder, product, bench.seed.wrapping_add(round as u64), flips, measured)?;
        }
    }
    Ok(table(&picket, &floor, rounds).print())
}

fn leg(
    bench: &Bench,
    folder: &Path,
    product: Product,
    seed: u64,
    flips: u32,
    measured: &mut Measured,
) -> Result<(), String> {
    let changes = [format!("--flips={flips}"), format!("--seed={seed}")];
    let mut leg = Leg::start(bench.programs.path(), folder, TASK, &changes)?;
    let running = leg.run(product)?;
    wait::pause(WARM)?;
    leg.begin()?;
    wait::until("the flips end", FLIP_MAX * flips + Duration::from_secs(30), || {
        wait::pause(Duration::from_millis(500))?;
        Ok(SimLog::read(&leg.sim_log())?.ended)
    })?;
    wait::pause(LATEST)?;
    running.stop()?;
    let (sim, sub) = leg.finish()?;
    let flipped = only(&sim.changes);
    let read = only(&sim.reads);
    let arrived = arrivals(&sub, &flipped);
    let from_flip = matched(&flipped, &arrived);
    measured.flips += flipped.len() as u64;
    measured.missing += (flipped.len() - from_flip.0.len()) as u64;
    measured.p99.0.push(from_flip.quantile(0.99));
    measured.from_flip.0.extend(from_flip.0);
    measured.from_read.0.extend(matched(&read, &arrived).0);
    Ok(())
}

fn only(events: &[(u64, Event)]) -> Vec<(u64, i64)> {
    events.iter().filter(|(_, (point, _))| *point == INPUT).map(|(t, (_, value))| (*t, *value)).collect()
}

/// What arrived since the first flip, each change of the value once.
fn arrivals(sub: &SubLog, flipped: &[(u64, i64)]) -> Vec<(u64, i64)> {
    let first = flipped.first().map_or(0, |(t, _)| *t);
    let mut arrived: Vec<(u64, i64)> = only(&sub.values).into_iter().filter(|(t, _)| *t >= first).collect();
    arrived.dedup_by_key(|(_, value)| *value);
    arrived
}

/// Milliseconds from each event to the first arrival of its value behind it, unless the next but one (which has the
/// same value) came first: then it was missed.
fn matched(events: &[(u64, i64)], arrived: &[(u64, i64)]) -> Figures {
    let mut late = Figures::default();
    let mut at = 0;
    for (index, (t, value)) in events.iter().enumerate() {
        let skip = arrived[at..].iter().position(|(arrival, found)| arrival >= t && found == value);
        let Some(found) = skip.map(|skip| at + skip) else { continue };
        let again = events.get(index + 2).map_or(u64::MAX, |(t, _)| *t);
        if arrived[found].0 < again {
            late.0.push((arrived[found].0 - t) as f64 / 1e6);
            at = found + 1;
        }
    }
    late
}

fn table(picket: &Measured, floor: &Measured, rounds: usize) -> Table {
    let mut table = Table::new(format!("J2, {rounds} rounds, {} flips for each product", picket.flips));
    let spread = |figures: &Figures| {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| figures.quantile(share));
        format!("{p50:.1} / {p90:.1} / {p99:.1} / {max:.1}")
    };
    for (name, measured) in [("picket", picket), ("barepoll-durable", floor)] {
        table.row(format!("flip to arrival ms p50 / p90 / p99 / max, {name}"), spread(&measured.from_flip));
        table.row(format!("poll to arrival ms p50 / p90 / p99 / max, {name}"), spread(&measured.from_read));
        table.row(format!("p99 of each round ms, {name}"), measured.p99.told(1));
    }
    let above = picket.p99.above(&floor.p99);
    table.against(
        "p99 from the flip ms above the floor, by rounds",
        above.told(1),
        "at most 15",
        above.median() <= 15.0,
    );
    let above = picket.from_read.quantile(0.99) - floor.from_read.quantile(0.99);
    table.row("p99 from the poll above the floor ms", format!("{above:.1}"));
    table.row("flips missing, barepoll-durable", floor.missing);
    table.zero("flips missing, picket", picket.missing);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn each_flip_is_matched_with_the_first_arrival_of_its_value_behind_it() {
        let flipped = [(0, 1), (300 * MS, 0), (600 * MS, 1)];
        let arrived = [(50 * MS, 1), (301 * MS, 0), (699 * MS, 1)];
        assert_eq!(matched(&flipped, &arrived).0, [50.0, 1.0, 99.0]);
    }

    #[test]
    fn a_flip_whose_next_but_one_arrives_first_was_missed() {
        let flipped = [(0, 1), (300 * MS, 0), (600 * MS, 1), (900 * MS, 0)];
        let arrived = [(650 * MS, 1), (950 * MS, 0)];
        assert_eq!(matched(&flipped, &arrived).0, [50.0, 50.0]);
    }
}
