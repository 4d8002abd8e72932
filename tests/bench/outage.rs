//! J3 and J4: the broker is away while 10 devices count at 50 events a second; in J4 the agent is killed in the middle
//! and started again at once. What was stored must arrive, once.

use crate::Bench;
use crate::gateway::{Points, Task};
use crate::leg::{Leg, Product};
use crate::logs::{Event, SimLog, SubLog};
use crate::stopwatch::mono_ns;
use crate::stores::{self, Held, doubled};
use crate::table::{Figures, Judged, Table};
use crate::wait;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const TASK: Task = Task { devices: 10, points: Points::Registers(1), poll_ms: 100, readings: "now" };
/// Each device counts so often.
const COUNT_MS: u64 = 200;
/// The drain has ended when nothing came for so long (the events have ended before).
const QUIET: Duration = Duration::from_secs(4);
const DRAINED_IN: Duration = Duration::from_secs(120);

/// Whether the agent is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// J3.
    Never,
    /// J4: in the middle of the outage.
    InTheMiddle,
}

/// Before the outage, the outage, and after it.
struct Windows {
    before: Duration,
    outage: Duration,
    after: Duration,
}

/// Moments of a round in nanoseconds.
struct Moments {
    down: u64,
    up: u64,
    kill: Option<u64>,
}

/// What a round showed.
#[derive(Default)]
struct Totals {
    read: u64,
    stored: u64,
    not_at_subscriber: u64,
    not_at_central: u64,
    other_links: u64,
    doubled: u64,
    beside: u64,
    holes: u64,
    /// Per round: polled before the kill and not stored by the run that polled it, or never stored without a kill.
    not_stored: Vec<u64>,
    /// Of these, never stored by the next run either.
    never_stored: Vec<u64>,
    first_s: Figures,
    drained_s: Figures,
    drain_per_s: Figures,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path, kill: Kill) -> Result<Judged, String> {
    let [before, outage, after] = if bench.quick { [3, 15, 5] } else { [10, 60, 15] }.map(Duration::from_secs);
    let windows = Windows { before, outage, after };
    let rounds = bench.rounds(3);
    let mut totals = Totals::default();
    for round in 0..rounds {
        round_of(bench, &folder.join(round.to_string()), &windows, kill, &mut totals)?;
    }
    Ok(table(&totals, rounds, outage, kill).print())
}

fn round_of(bench: &Bench, folder: &Path, windows: &Windows, kill: Kill, totals: &mut Totals) -> Result<(), String> {
    let mut leg = Leg::start(bench.programs.path(), folder, TASK, &[format!("--count-ms={COUNT_MS}")])?;
    let mut running = leg.run(Product::Picket)?;
    leg.begin()?;
    wait::pause(windows.before)?;
    let down = mono_ns();
    leg.broker.stop()?;
    wait::pause(windows.outage / 2)?;
    let mut moments = Moments { down, up: 0, kill: None };
    if kill == Kill::InTheMiddle {
        moments.kill = Some(mono_ns());
        running.kill()?;
        running.start_again()?;
    }
    wait::pause(windows.outage / 2)?;
    moments.up = mono_ns();
    leg.broker.resume()?;
    wait::pause(windows.after)?;
    leg.end()?;
    leg.settle(QUIET, DRAINED_IN)?;
    let gateway = running.stop()?.ok_or("the agent has a folder")?;
    let (sim, sub) = leg.finish()?;
    let (journal, central) = (stores::journal(&gateway.journal())?, stores::central(&gateway.store())?);
    totals.take_stored(&journal, &central, &sub);
    totals.take_polled(&sim, &journal, &moments);
    totals.take_drain(&sim, &sub, &moments);
    Ok(())
}

impl Totals {
    /// What is in the journal against what arrived.
    fn take_stored(&mut self, journal: &Held, central: &Held, sub: &SubLog) {
        self.stored += journal.records.len() as u64;
        let arrived: BTreeMap<u64, &str> = sub.records.iter().map(|(_, r)| (r.seq, r.link.as_str())).collect();
        let (stored, received) = (journal.links(), central.links());
        self.not_at_subscriber += stored.keys().filter(|seq| !arrived.contains_key(seq)).count() as u64;
        self.not_at_central += stored.keys().filter(|seq| !received.contains_key(seq)).count() as u64;
        let other =
            |side: &BTreeMap<u64, &str>| side.iter().filter(|(seq, link)| stored.get(seq) != Some(link)).count();
        self.other_links += (other(&arrived) + other(&received) + sub.forked.len() + sub.unreadable) as u64;
        self.doubled += doubled(&central.events());
        self.beside += journal.beside + central.beside;
        self.holes += journal.holes() + central.holes();
    }

    /// What the devices gave against what is in the journal.
    fn take_polled(&mut self, sim: &SimLog, journal: &Held, moments: &Moments) {
        let stored = journal.events();
        self.read += sim.reads.len() as u64;
        let first_epoch = journal.records.first().map_or(1, |record| record.ep);
        let by_reader = |t: u64, event: &Event| match moments.kill {
            Some(kill) if t < kill => stored.get(event).is_some_and(|epochs| epochs.contains(&first_epoch)),
            _ => stored.contains_key(event),
        };
        let lost: Vec<&Event> = sim.reads.iter().filter(|(t, e)| !by_reader(*t, e)).map(|(_, e)| e).collect();
        self.not_stored.push(lost.len() as u64);
        self.never_stored.push(lost.iter().filter(|event| !stored.contains_key(event)).count() as u64);
    }

    /// When the events that were polled during the outage arrived.
    fn take_drain(&mut self, sim: &SimLog, sub: &SubLog, moments: &Moments) {
        let outage = moments.down..moments.up;
        let held: BTreeSet<Event> = sim.reads.iter().filter(|(t, _)| outage.contains(t)).map(|(_, e)| *e).collect();
        let late = sub.values.iter().filter(|(t, event)| *t >= moments.up && held.contains(event));
        let times: Vec<u64> = late.map(|(t, _)| *t).collect();
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
        let seconds = |t: u64| (t - moments.up) as f64 / 1e9;
        self.first_s.0.push(seconds(*first));
        self.drained_s.0.push(seconds(*last));
        self.drain_per_s.0.push(times.len() as f64 / (seconds(*last) - seconds(*first)).max(0.001));
    }
}

fn table(totals: &Totals, rounds: usize, outage: Duration, kill: Kill) -> Table {
    let title = match kill {
        Kill::Never => "J3",
        Kill::InTheMiddle => "J4, SIGKILL in the middle of the outage",
    };
    let mut table = Table::new(format!("{title}, {rounds} rounds, broker away for {} s", outage.as_secs()));
    table.row("values polled", totals.read);
    table.row("records stored", totals.stored);
    table.zero("stored and not arrived at the subscriber", totals.not_at_subscriber);
    table.zero("stored and not arrived at central", totals.not_at_central);
    table.zero("arrived with another link than stored", totals.other_links);
    table.zero("values doubled at central (twice in one epoch)", totals.doubled);
    table.zero("numbers missing or twice, journal and central", totals.holes);
    table.zero("forked, refused, set aside, waiting for their turn", totals.beside);
    match kill {
        Kill::Never => table.zero("polled and never stored", totals.not_stored.iter().sum()),
        Kill::InTheMiddle => {
            let most = totals.not_stored.iter().max().copied().unwrap_or(0);
            let told = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let what = "polled and not yet stored at each kill";
            table.against(what, told(&totals.not_stored), "at most 2", most <= 2);
            table.row("of these not stored by the next run either", told(&totals.never_stored));
        }
    }
    let first = totals.first_s.quantile(1.0);
    table.against("broker back to first buffered record s", totals.first_s.told(2), "at most 3", first <= 3.0);
    table.row("broker back to last buffered record s", totals.drained_s.told(2));
    table.row("buffered records arriving per second", totals.drain_per_s.told(0));
    table
}
