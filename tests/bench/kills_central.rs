//! `kills-central`: many SIGKILLs of `picket-central` at random moments while one gateway drains into it, every fourth
//! within a start. What it had receipted when it was killed must be in its store as the kill left it, and at the end its
//! store must hold the whole chain of the gateway, once.
//!
//! The load: a backlog that is still on its way at the last kill, and alarms that overtake it, so that a kill finds
//! records in their place, records that wait for their turn and alarms shown before theirs: what each found is counted.
//! The kills are aimed by records and not by time, so that a fast machine has no less to do. The agent runs throughout.

use crate::Bench;
use crate::backlog::J1_CHANGES;
use crate::drain::at_most;
use crate::gateway::{GATEWAY, Gateway, Points, Task};
use crate::leg::STOPS_IN;
use crate::logs::SimLog;
use crate::process::{Process, told};
use crate::sink_log::SinkLog;
use crate::stand::Stand;
use crate::stopwatch::mono_ns;
use crate::stores::{self, Held, central_head};
use crate::table::{Figures, Judged, Table};
use crate::wait;
use picket_central::custody::Custody;
use picket_central::store::Store;
use picket_core::time::Chance;
use picket_record::chain::ChainCheck;
use picket_record::encode::Name;
use picket_record::receipt::Receipt;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Kills where none are asked for.
const KILLS: usize = 20;
/// Contacts that close once each, from the first kill to behind the last: so many, and more for each kill.
const CONTACTS: usize = 300;
const CONTACTS_EACH: usize = 10;
const CONTACTS_MAX: usize = 2_000;
/// Time in which they close: longer than that many kills take on a slow machine.
const CLOSE_IN_US: u64 = 15_000_000;
const CLOSE_EACH_US: u64 = 3_000_000;
/// More than the central side stores from one kill to the next: about what comes before the first receipt of a run, which
/// an alarm brings, and [`LATER`].
const BACKLOG_EACH: u64 = 6_000;
const BACKLOG_LEAST: u64 = 10_000;
/// Each so-many-th run is killed within its start, the others at the latest so many records after their first receipt for
/// new ones, and a moment later, anywhere in what the central side does between two commits.
const STARTING_EVERY: usize = 4;
const LATER: u64 = 3_000;
const MOMENT_US: u64 = 30_000;
/// A run that lasts comes to its first receipt within this, also in a debug build on a busy machine.
const RECEIPT_IN: Duration = Duration::from_secs(60);
/// Share of the kills under load that must find the backlog on its way and new records stored, or the test shows nothing.
const UNDER_LOAD: f64 = 0.9;

/// One run that was killed.
struct Killed {
    from: u64,
    to: u64,
    /// When the next run began.
    next: u64,
    /// It was killed without waiting for its first receipt.
    starting: bool,
    /// It was subscribed in both lanes.
    subscribed: bool,
    /// Its store as the kill left it.
    left: Left,
}

/// A store as a kill left it.
#[derive(Default)]
struct Left {
    /// The last record in its place.
    head: u64,
    /// Records that wait for their turn.
    ahead: u64,
    /// Alarms that are shown before theirs.
    shown: u64,
}

/// What the end is judged by.
struct End {
    runs: Vec<Killed>,
    watch: SinkLog,
    sim: SimLog,
    backlog: u64,
    journal: Held,
    central: Held,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let kills = bench.kills.unwrap_or(KILLS);
    let contacts = (CONTACTS + kills * CONTACTS_EACH).min(CONTACTS_MAX);
    let points = Points::Alarms(u16::try_from(contacts).expect("at most CONTACTS_MAX"));
    let task = Task { devices: 1, points, poll_ms: 100, readings: "off" };
    let mut stand = Stand::start(bench, folder, task, &changes(contacts, kills, bench.seed))?;
    let backlog = stand.backlog(bench.backlog.unwrap_or(BACKLOG_LEAST + kills as u64 * BACKLOG_EACH), J1_CHANGES)?;
    let mut watch = stand.sink("watch", false)?;
    let mut centre = Centre::start(&stand.gateway)?;
    let starts_in = centre.starts_in(&stand.gateway)?;
    let agent = stand.gateway.agent()?;
    stand.begin()?;
    let mut chance = Chance::new(bench.seed);
    let mut runs = Vec::with_capacity(kills);
    for turn in 0..kills {
        let starting = turn % STARTING_EVERY == STARTING_EVERY - 1;
        if starting {
            wait::pause(Duration::from_nanos(chance.below(starts_in)))?;
        } else {
            let (from, held) = (centre.from, runs.last().map_or(0, |run: &Killed| run.left.head));
            let goes_on = |log: &SinkLog| log.receipts.iter().any(|(t, upto)| *t > from && *upto > held);
            watch.until("a receipt of this run for new records", RECEIPT_IN, goes_on)?;
            let store = stand.gateway.store();
            let aim = (central_head(&store)? + chance.below(LATER)).min(backlog);
            wait::until("the record that the kill is aimed at", RECEIPT_IN, || {
                Ok((central_head(&store)? >= aim).then_some(()))
            })?;
            wait::pause(Duration::from_micros(chance.below(MOMENT_US)))?;
        }
        let killed = centre.kill(&stand.gateway, starting);
        runs.push(killed.map_err(|why| format!("kill {} (seed {}): {why}", turn + 1, bench.seed))?);
        centre = Centre::start(&stand.gateway)?;
    }
    watch.until("the backlog has receipts", at_most(backlog), |log| log.receipted() >= backlog)?;
    stand.end()?;
    agent.stop(STOPS_IN)?;
    let journal = stores::journal(&stand.gateway.journal())?;
    let head = journal.records.last().map_or(0, |record| record.seq);
    // Whether all of it came is told by the table.
    let _ = wait::until("the central side holds every record", STOPS_IN, || {
        Ok((central_head(&stand.gateway.store())? >= head).then_some(()))
    });
    centre.process.stop(STOPS_IN)?;
    let watch = watch.stop()?;
    let sim = SimLog::read(&stand.sim_log())?;
    let gateway = stand.finish()?;
    let central = stores::central(&gateway.store())?;
    let end = End { runs, watch, sim, backlog, journal, central };
    Ok(end.table(&gateway, bench.seed)?.print())
}

/// Options of `bench-sim`: each contact closes once, at random and in good time.
fn changes(contacts: usize, kills: usize, seed: u64) -> [String; 6] {
    let mean_us = (CLOSE_IN_US + kills as u64 * CLOSE_EACH_US) / contacts as u64;
    [
        format!("--flips={contacts}"),
        format!("--bits={contacts}"),
        "--each-once".into(),
        format!("--flip-min-us={}", mean_us / 2),
        format!("--flip-max-us={}", mean_us * 3 / 2),
        format!("--seed={seed}"),
    ]
}

/// A central side that runs.
struct Centre {
    process: Process,
    from: u64,
    /// Where its words begin in the log of all runs.
    log_from: usize,
}

impl Centre {
    fn start(gateway: &Gateway) -> Result<Self, String> {
        let log_from = std::fs::metadata(log_of(gateway)).map_or(0, |log| log.len() as usize);
        let from = mono_ns();
        Ok(Self { process: gateway.central()?, from, log_from })
    }

    /// Both lanes are subscribed.
    fn is_subscribed(&self, gateway: &Gateway) -> bool {
        let log = std::fs::read(log_of(gateway)).unwrap_or_default();
        let own = String::from_utf8_lossy(log.get(self.log_from..).unwrap_or_default()).into_owned();
        own.matches("subscribed").count() >= 2
    }

    /// Nanoseconds that its start takes.
    fn starts_in(&self, gateway: &Gateway) -> Result<u64, String> {
        wait::until("the central side is subscribed", RECEIPT_IN, || Ok(self.is_subscribed(gateway).then_some(())))?;
        Ok(mono_ns() - self.from)
    }

    fn kill(mut self, gateway: &Gateway, starting: bool) -> Result<Killed, String> {
        let to = mono_ns();
        self.process.kill()?;
        let subscribed = self.is_subscribed(gateway);
        // A reader writes nothing into the file and its log: the next start finds them as the kill left them.
        let store = gateway.store();
        let head = central_head(&store)?;
        let [ahead, shown] = counts(&store, [AHEAD, SHOWN]).map_err(|error| format!("{}: {error}", store.display()))?;
        let left = Left { head, ahead, shown };
        Ok(Killed { from: self.from, to, next: mono_ns(), starting, subscribed, left })
    }
}

fn log_of(gateway: &Gateway) -> std::path::PathBuf {
    gateway.folder().join("central.log")
}

const AHEAD: &str = "SELECT count(*) FROM ahead";
const SHOWN: &str = "SELECT count(*) FROM open_alarm WHERE ahead<>0";

fn counts<const N: usize>(store: &Path, asked: [&str; N]) -> rusqlite::Result<[u64; N]> {
    let db = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut found = [0; N];
    for (count, sql) in found.iter_mut().zip(asked) {
        *count = db.query_row(sql, [], |row| row.get(0))?;
    }
    Ok(found)
}

impl End {
    fn table(&self, gateway: &Gateway, seed: u64) -> Result<Table, String> {
        let kills = self.runs.len();
        let mut table = Table::new(format!("kills-central, {kills} SIGKILLs of picket-central, seed {seed}"));
        self.reach(&mut table);
        table.zero("receipts for more than the store held when it was killed", self.receipted_and_not_held());
        let (stored, received) = (self.journal.links(), self.central.links());
        table.row("records of the journal", stored.len());
        let other = stored.iter().filter(|(seq, link)| received.get(*seq) != Some(*link)).count();
        table.zero("in the journal and not at central, or with another link", other as u64);
        let more = received.keys().filter(|seq| !stored.contains_key(*seq)).count();
        table.zero("at central and not in the journal", more as u64);
        table.zero("numbers missing or twice at central", self.central.holes());
        table.zero("forked, refused, waiting for their turn", self.central.beside);
        let refused = self.journal.records.iter().filter(|record| record.kind == "receipt.bad").count();
        table.zero("receipts that the agent did not believe", refused as u64);
        table.zero("batches that cannot be read or are not contiguous", self.watch.strange.len() as u64);
        let (receipts, found) = chain(gateway)?;
        table.must("receipts that the agent keeps", receipts, "at least 1", receipts > 0);
        table.zero("contradictions in the chain at central, receipts included", found.len() as u64);
        found.iter().take(10).for_each(|what| println!("{what}"));
        let (closed, missing, ahead) = self.alarms(gateway)?;
        table.must("contacts that were read as closed", closed, "at least 1", closed > 0);
        table.zero("of these not open alarms at central", missing);
        table.zero("alarms still shown before their turn", ahead);
        Ok(table)
    }

    /// Whether the kills fell where it matters.
    fn reach(&self, table: &mut Table) {
        let starting = self.runs.iter().filter(|run| run.starting).count();
        let unfinished = self.runs.iter().filter(|run| !run.subscribed).count();
        table.row("kills meant for a start", starting);
        let met = starting == 0 || unfinished > 0;
        table.must("kills before the start was over", unfinished, "at least 1", met);
        let heads = [0].into_iter().chain(self.runs.iter().map(|run| run.left.head));
        let loaded = self.runs.iter().zip(heads).filter(|(run, _)| !run.starting);
        let (mut under_load, mut stored) = (0, Figures::default());
        for (run, before) in loaded {
            under_load += usize::from(run.left.head > before && run.left.head < self.backlog);
            stored.0.push(run.left.head.saturating_sub(before) as f64);
        }
        let share = under_load as f64 / stored.0.len().max(1) as f64;
        table.row("records stored from one kill to the next", stored.told(0));
        let shown = format!("{:.1} %", share * 100.0);
        table.must("kills after new records, with more to come", shown, "at least 90 %", share >= UNDER_LOAD);
        let found = |count: fn(&Left) -> u64| self.runs.iter().filter(|run| count(&run.left) > 0).count();
        let (waiting, shown) = (found(|left| left.ahead), found(|left| left.shown));
        table.must("kills that found records waiting for their turn", waiting, "at least 1", waiting > 0);
        table.must("kills that found alarms shown before theirs", shown, "at least 1", shown > 0);
        let lived = self.runs.iter().map(|run| (run.to - run.from) as f64 / 1e6).collect();
        table.row("start to kill ms", Figures(lived).told(0));
        let ends = self.runs.iter().map(|run| run.to);
        let during = ends.max().map_or(0, |end| self.watch.receipts.iter().filter(|(t, _)| *t < end).count());
        table.row("receipts up to the last kill", during);
    }

    /// A receipt that was heard before the next run began is of a run before: its records were stored, whatever came then.
    fn receipted_and_not_held(&self) -> u64 {
        let heard_before = |next: u64| {
            let heard = self.watch.receipts.iter().filter(|(t, _)| *t < next);
            heard.map(|(_, upto)| *upto).max().unwrap_or(0)
        };
        self.runs.iter().filter(|run| heard_before(run.next) > run.left.head).count() as u64
    }

    /// Contacts that were read as closed; those of them that have no open alarm in its place; alarms still marked as before
    /// their turn.
    fn alarms(&self, gateway: &Gateway) -> Result<(usize, u64, u64), String> {
        let store = gateway.store();
        let read = || -> rusqlite::Result<(BTreeSet<String>, u64)> {
            let db = Connection::open_with_flags(&store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut open = db.prepare("SELECT eq FROM open_alarm WHERE gw=?1 AND ahead=0 AND eq IS NOT NULL")?;
            let open = open.query_map([GATEWAY], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok((open, counts(&store, [SHOWN])?[0]))
        };
        let (open, ahead) = read().map_err(|error| format!("{}: {error}", store.display()))?;
        let closed = self.sim.reads.iter().filter(|(_, ((_, kind, _), value))| *kind == 'd' && *value == 1);
        let closed: BTreeSet<_> = closed.map(|(_, ((.., input), _))| *input).collect();
        let missing = closed.iter().filter(|input| !open.contains(&format!("PANEL-{input}"))).count();
        Ok((closed.len(), missing as u64, ahead))
    }
}

/// The records of the central side against their signatures, their links and every receipt that the agent keeps: how
/// many receipts, and what contradicts.
fn chain(gateway: &Gateway) -> Result<(u64, Vec<String>), String> {
    let gw = Name::parse(GATEWAY).map_err(told)?;
    let store = Store::open_to_read(&gateway.store()).map_err(told)?;
    let accepted = store.gateway(&gw).map_err(told)?.ok_or("the central side does not know the gateway")?;
    let mut check = ChainCheck::new(accepted.identity);
    let key = Custody::at(&gateway.folder().join("central")).receipt_key().map_err(told)?.public();
    let receipts = lines(&gateway.journal(), "SELECT line FROM receipt ORDER BY n")?;
    let mut found = Vec::new();
    for line in &receipts {
        let differs = check.expect(&Receipt::verify(line, &key, &gw).map_err(told)?.0).err();
        found.extend(differs.map(|what| format!("{what:?}")));
    }
    for line in lines(&gateway.store(), "SELECT line FROM record ORDER BY seq")? {
        // What a line contradicts is told at the end too.
        let _ = check.line(line.as_bytes());
    }
    found.extend(check.finish().found.iter().map(|placed| format!("{placed:?}")));
    Ok((receipts.len() as u64, found))
}

fn lines(file: &Path, sql: &str) -> Result<Vec<String>, String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| format!("{}: {error}", file.display()))
}
