//! `kills`: many SIGKILLs at random moments under load, with broker and central side running throughout. What was stored
//! must never be lost, doubled or changed, and nothing may be published that is not in the journal afterwards.
//!
//! The load: 10 devices that change as often as they are polled, recorded as `routine`, so that drafts wait for company
//! (3 s or 64 records) and a kill nearly always finds some. Drafts that were never stored are the price of grouping and
//! are counted, not hidden. A start reads every value again: one that stands in two epochs was read twice, not doubled.

use crate::Bench;
use crate::gateway::{Points, Task};
use crate::leg::{Leg, Product, Running};
use crate::logs::{Event, Record, SimLog, SubLog, Tail};
use crate::stopwatch::mono_ns;
use crate::stores::{self, Held, doubled};
use crate::table::{Judged, Table};
use crate::wait;
use picket_core::time::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Kills where none are asked for.
const KILLS: usize = 200;
const TASK: Task = Task { devices: 10, points: Points::Registers(1), poll_ms: 20, readings: "routine" };
/// Each device counts so often: 500 events a second.
const COUNT_MS: u64 = 20;
/// A run is killed at the earliest, and at the latest, so many microseconds after its first poll.
const KILL_AFTER_US: (u64, u64) = (20_000, 300_000);
/// Each so-many-th run is killed within its start, at the latest so many microseconds after it began.
const STARTING_EVERY: usize = 4;
const STARTING_US: u64 = 300_000;
/// A start polls within this, also in a debug build on a busy machine.
const POLLS_IN: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(5);
const DRAINED_IN: Duration = Duration::from_secs(120);
/// Share of kills that must find drafts, or the test shows nothing.
const WITH_DRAFTS: f64 = 0.9;

/// One run that was killed.
struct Killed {
    /// From the start of the process to its end by the kill.
    from: u64,
    to: u64,
    /// It was killed without waiting for its first poll.
    starting: bool,
    /// Last record in the journal as the kill left it.
    head: Record,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let changes = [format!("--count-ms={COUNT_MS}"), "--flush-ms=5".to_owned()];
    let mut leg = Leg::start(bench.programs.path(), folder, TASK, &changes)?;
    let mut from = mono_ns();
    let mut running = leg.run(Product::Picket)?;
    leg.begin()?;
    let mut chance = Chance::new(bench.seed);
    let mut reads = Tail::of(&leg.sim_log());
    let kills = bench.kills.unwrap_or(KILLS);
    let mut runs = Vec::with_capacity(kills);
    for turn in 0..kills {
        let starting = turn % STARTING_EVERY == STARTING_EVERY - 1;
        if starting {
            wait::pause(Duration::from_micros(chance.below(STARTING_US)))?;
        } else {
            polls_after(&mut reads, from, &mut running)?;
            wait::pause(Duration::from_micros(KILL_AFTER_US.0 + chance.below(KILL_AFTER_US.1 - KILL_AFTER_US.0)))?;
        }
        let gateway = running.gateway.as_ref().ok_or("the agent has a folder")?;
        let journal = gateway.journal();
        let to = mono_ns();
        running.kill().map_err(|why| format!("kill {} (seed {}): {why}", turn + 1, bench.seed))?;
        runs.push(Killed { from, to, starting, head: stores::head_after_kill(&journal, folder)? });
        from = mono_ns();
        running.start_again()?;
    }
    polls_after(&mut reads, from, &mut running)?;
    leg.end()?;
    leg.settle(QUIET, DRAINED_IN)?;
    let gateway = running.stop()?.ok_or("the agent has a folder")?;
    let (sim, sub) = leg.finish()?;
    let (journal, central) = (stores::journal(&gateway.journal())?, stores::central(&gateway.store())?);
    Ok(table(&runs, &sim, &sub, &journal, &central, bench.seed)?.print())
}

/// Until a value is read that no run before has read.
fn polls_after(reads: &mut Tail, from: u64, running: &mut Running) -> Result<(), String> {
    wait::until("the agent polls", POLLS_IN, || {
        if !running.agent.is_running()? {
            return Err("the agent ended by itself: see its log".into());
        }
        let is_read = |line: &String| -> Option<bool> {
            let t: u64 = line.strip_prefix("R ")?.split(' ').next()?.parse().ok()?;
            Some(t > from)
        };
        Ok(reads.lines()?.iter().any(|line| is_read(line) == Some(true)).then_some(()))
    })
}

fn table(
    runs: &[Killed],
    sim: &SimLog,
    sub: &SubLog,
    journal: &Held,
    central: &Held,
    seed: u64,
) -> Result<Table, String> {
    let mut table = Table::new(format!("{} SIGKILLs under load, readings routine, seed {seed}", runs.len()));
    let (stored, received) = (journal.links(), central.links());
    table.row("values polled", sim.reads.len());
    table.row("records stored", stored.len());
    table.row("records received at central", received.len());
    let held = |head: &Record| stored.get(&head.seq) == Some(&head.link.as_str());
    table.zero("heads seen after a kill that are not in the journal any more", count(runs, |run| !held(&run.head)));
    table.zero("numbers missing or twice in the journal", journal.holes());
    table.zero("numbers missing or twice at central", central.holes());
    table
        .zero("stored and not at central, or with another link", count(&stored, |(s, l)| received.get(*s) != Some(*l)));
    table.zero("at central and not stored", count(&received, |(seq, _)| !stored.contains_key(*seq)));
    let published = |(_, record): &&(u64, Record)| stored.get(&record.seq) != Some(&record.link.as_str());
    table.row("records heard at the broker", sub.records.len());
    table.zero("published and not stored so", sub.records.iter().filter(published).count() as u64);
    table.zero("published twice under one number, or unreadable", (sub.forked.len() + sub.unreadable) as u64);
    table.zero("values doubled within an epoch, journal", doubled(&journal.events()));
    table.zero("values doubled within an epoch, central", doubled(&central.events()));
    table.zero("forked, refused, set aside, waiting for their turn", journal.beside + central.beside);
    let damage = journal.records.iter().filter(|record| record.kind == "journal.recovered").count();
    table.zero("damage told at a start", damage as u64);
    let opened: BTreeSet<u64> = journal.records.iter().map(|record| record.ep).collect();
    let epochs = opened.len() as u64;
    let polled = runs.iter().filter(|run| !run.starting).count() as u64;
    table.row("kills within a start, of these before the epoch was opened", {
        let starting = runs.len() as u64 - polled;
        format!("{starting}, {}", runs.len() as u64 + 1 - epochs)
    });
    let whole = opened == (1..=epochs).collect() && (polled + 1..=runs.len() as u64 + 1).contains(&epochs);
    table.must("epochs", epochs, "one for each start that came so far", whole);
    waiting(&mut table, runs, sim, journal);
    Ok(table)
}

fn count<T>(items: impl IntoIterator<Item = T>, wrong: impl Fn(&T) -> bool) -> u64 {
    items.into_iter().filter(|item| wrong(item)).count() as u64
}

/// What was polled and not yet stored at each kill, seen from outside: read from a device by a run, and in no record of
/// the epoch of that run.
fn waiting(table: &mut Table, runs: &[Killed], sim: &SimLog, journal: &Held) {
    let stored: BTreeMap<Event, Vec<u64>> = journal.events();
    let (mut at_kill, mut never) = (Vec::with_capacity(runs.len()), 0);
    let mut reads = sim.reads.iter().peekable();
    for run in runs {
        let mut waited = 0;
        while let Some((_, event)) = reads.next_if(|(t, _)| *t < run.to) {
            let epochs = stored.get(event);
            waited += u64::from(!epochs.is_some_and(|epochs| epochs.contains(&run.head.ep)));
            never += u64::from(epochs.is_none());
        }
        // A start that has not polled yet cannot have drafts.
        if !run.starting {
            at_kill.push(waited);
        }
    }
    let again = stored.values().filter(|epochs| epochs.len() > 1).count();
    table.row("values read again by a later start (not doubled)", again);
    table.row("polled and not yet stored at the kills, of these never stored", format!("{}, {never}", sum(&at_kill)));
    for (bin, kills) in histogram(&at_kill) {
        table.row(format!("  kills with {bin} polled and not yet stored"), kills);
    }
    let with = at_kill.iter().filter(|waited| **waited > 0).count();
    let share = with as f64 / at_kill.len().max(1) as f64;
    table.must(
        "kills under load with drafts not yet committed",
        format!("{:.1} %", share * 100.0),
        "at least 90 %",
        share >= WITH_DRAFTS,
    );
    let lived = crate::table::Figures(runs.iter().map(|run| (run.to - run.from) as f64 / 1e6).collect());
    table.row("start to kill ms", lived.told(0));
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().sum()
}

/// How many kills found so many.
fn histogram(at_kill: &[u64]) -> Vec<(String, usize)> {
    let edges = [0, 1, 2, 5, 10, 20, 40, 64, u64::MAX];
    let bins = edges.windows(2).map(|edge| {
        let kills = at_kill.iter().filter(|waited| (edge[0]..edge[1]).contains(waited)).count();
        let name = match edge {
            [low, u64::MAX] => format!("{low} or more"),
            [low, high] if low + 1 == *high => low.to_string(),
            [low, high] => format!("{low} to {}", high - 1),
            _ => unreachable!("windows of two"),
        };
        (name, kills)
    });
    bins.collect()
}
