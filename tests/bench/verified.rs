//! `ingest-link` and `overtake`: the same backlog to the true central side, on two cores with the agent and the broker.
//! The first says how fast records are verified, stored and receipted, and watches at the broker that no more than the
//! window is sent without a receipt; the second lets alarm contacts close meanwhile.

use crate::Bench;
use crate::backlog::J1_CHANGES;
use crate::drain::at_most;
use crate::gateway::{GATEWAY, Gateway, Points, Task};
use crate::leg::STOPS_IN;
use crate::logs::SimLog;
use crate::process::output;
use crate::record_line::summary;
use crate::sink_log::SinkLog;
use crate::stand::Stand;
use crate::stopwatch::mono_ns;
use crate::stores::central_head;
use crate::table::{Figures, Judged, Table};
use crate::wait;
use rusqlite::{Connection, OpenFlags};
use simulator::stored;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const RECORDS: u64 = 400_000;
const RECORDS_QUICK: u64 = 30_000;
/// Contacts of the second job, each of which closes once: more than a drain at the target has time for.
const CONTACTS: u16 = 500;
const FLIP_US: (u64, u64) = (100_000, 200_000);
/// What may stand at the broker without a receipt.
const WINDOW: u64 = 8_192;
const WINDOW_BYTES: u64 = 8 << 20;
const SUBSCRIBES_IN: Duration = Duration::from_secs(30);

/// Which of the two jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarms {
    /// `ingest-link`.
    None,
    /// `overtake`.
    Meanwhile,
}

/// What the rounds showed.
#[derive(Default)]
struct Totals {
    per_s: Figures,
    agent_cpu_us: Figures,
    central_cpu_us: Figures,
    most_open: u64,
    most_open_bytes: u64,
    strange: u64,
    missing: u64,
    other_links: u64,
    beside: u64,
    alarms: u64,
    alarms_missing: u64,
    late_ms: Figures,
    /// 99 % of each round.
    p99: Figures,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path, alarms: Alarms) -> Result<Judged, String> {
    on_two_cores()?;
    let records = bench.backlog(RECORDS, RECORDS_QUICK);
    let mut totals = Totals::default();
    let rounds = bench.rounds(3);
    for round in 0..rounds {
        let seed = bench.seed.wrapping_add(round as u64);
        round_of(bench, &folder.join(round.to_string()), records, alarms, seed, &mut totals)?;
    }
    Ok(match alarms {
        Alarms::None => ingest_link(&totals, records, rounds),
        Alarms::Meanwhile => overtake(&totals, records, rounds),
    }
    .print())
}

/// This process and all that it starts.
pub(crate) fn on_two_cores() -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    if cores <= 2 {
        return Ok(());
    }
    let mut command = Command::new("taskset");
    output(command.args(["--all-tasks", "--cpu-list", "--pid", "0,1", &std::process::id().to_string()])).map(drop)
}

fn round_of(
    bench: &Bench,
    folder: &Path,
    records: u64,
    alarms: Alarms,
    seed: u64,
    totals: &mut Totals,
) -> Result<(), String> {
    let task = match alarms {
        Alarms::None => Task { devices: 1, points: Points::Registers(1), poll_ms: 1_000, readings: "routine" },
        Alarms::Meanwhile => Task { devices: 1, points: Points::Alarms(CONTACTS), poll_ms: 100, readings: "off" },
    };
    let changes = [
        format!("--flips={CONTACTS}"),
        format!("--bits={CONTACTS}"),
        "--each-once".into(),
        format!("--flip-min-us={}", FLIP_US.0),
        format!("--flip-max-us={}", FLIP_US.1),
        format!("--seed={seed}"),
    ];
    let mut stand = Stand::start(bench, folder, task, &changes)?;
    let head = stand.backlog(records, J1_CHANGES)?;
    let central = stand.gateway.central()?;
    let central_log = stand.gateway.folder().join("central.log");
    wait::until("the central side is subscribed", SUBSCRIBES_IN, || {
        let log = std::fs::read_to_string(&central_log).unwrap_or_default();
        Ok((log.matches("subscribed").count() >= 2).then_some(()))
    })?;
    let mut watch = stand.sink("watch", false)?;
    let before = wall_less_mono_ms();
    let agent = stand.gateway.agent()?;
    watch.until("the first batch", at_most(0), |log| !log.batches.is_empty())?;
    if alarms == Alarms::Meanwhile {
        stand.begin()?;
    }
    let used_before = (agent.usage()?.cpu_s, central.usage()?.cpu_s);
    watch.until("the backlog has receipts", at_most(records), |log| log.receipted() >= head)?;
    let used = (agent.usage()?.cpu_s - used_before.0, central.usage()?.cpu_s - used_before.1);
    if alarms == Alarms::Meanwhile {
        stand.end()?;
    }
    // The last alarm is polled, stored and on its way.
    wait::pause(Duration::from_secs(2))?;
    agent.stop(STOPS_IN)?;
    let own = Own::read(&stand.gateway.journal())?;
    let _ = wait::until("the central side holds every record", STOPS_IN, || {
        Ok((central_head(&stand.gateway.store())? >= own.head).then_some(()))
    });
    central.stop(STOPS_IN)?;
    let offset_ms = before.midpoint(wall_less_mono_ms());
    let log = watch.stop()?;
    let sim = SimLog::read(&stand.sim_log())?;
    let gateway = stand.finish()?;
    totals.agent_cpu_us.0.push(used.0 * 1e6 / records as f64);
    totals.central_cpu_us.0.push(used.1 * 1e6 / records as f64);
    let drained = totals.take_drain(&log, head)?;
    totals.take_stored(&own, &gateway)?;
    if alarms == Alarms::Meanwhile {
        totals.take_alarms(&sim, &gateway, drained, offset_ms)?;
    }
    if totals.missing + totals.other_links + totals.beside + totals.alarms_missing == 0 {
        let removed = std::fs::remove_file(gateway.journal()).and_then(|()| std::fs::remove_file(gateway.store()));
        removed.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What turns a moment of the devices' clock into one of the central side's.
fn wall_less_mono_ms() -> f64 {
    let mono = mono_ns();
    jiff::Timestamp::now().as_microsecond() as f64 / 1e3 - mono as f64 / 1e6
}

/// What the journal ends with.
struct Own {
    head: u64,
    link: String,
}

impl Own {
    fn read(journal: &Path) -> Result<Self, String> {
        let line = open(journal)?.query_row("SELECT line FROM record ORDER BY seq DESC LIMIT 1", [], stored::line);
        let line = line.map_err(|error| format!("{}: {error}", journal.display()))?;
        let said = summary(&line).ok_or("the last record cannot be read")?;
        let fields: Vec<&str> = said.split('\t').collect();
        Ok(Self { head: fields[0].parse().map_err(|_| "a record without a number")?, link: fields[2].to_owned() })
    }
}

fn open(file: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags).map_err(|error| format!("{}: {error}", file.display()))
}

impl Totals {
    /// From the first batch to the receipt for all of it, in nanoseconds.
    fn take_drain(&mut self, log: &SinkLog, head: u64) -> Result<std::ops::Range<u64>, String> {
        let first = log.batches.first().map(|batch| batch.t);
        let last = log.receipts.iter().find(|(_, upto)| *upto >= head).map(|(t, _)| *t);
        let (first, last) = first.zip(last).ok_or("the backlog has no receipt")?;
        self.per_s.0.push(head as f64 / ((last - first) as f64 / 1e9));
        let most = |open: fn(&crate::sink_log::Arrival) -> u64| log.batches.iter().map(open).max().unwrap_or(0);
        self.most_open = self.most_open.max(most(|batch| batch.open));
        self.most_open_bytes = self.most_open_bytes.max(most(|batch| batch.open_bytes));
        self.strange += log.strange.len() as u64;
        Ok(first..last)
    }

    /// A chain of which number and link of the last record agree agrees in every record.
    fn take_stored(&mut self, own: &Own, gateway: &Gateway) -> Result<(), String> {
        let store = gateway.store();
        let read = || -> rusqlite::Result<(u64, String, u64)> {
            let db = Connection::open_with_flags(&store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let sql = "SELECT count(*), coalesce((SELECT lower(hex(link)) FROM record WHERE gw=?1 AND seq=?2), '-')
                       FROM record WHERE gw=?1 AND seq<=?2";
            let (count, link) = db.query_row(sql, (GATEWAY, own.head), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut beside = 0;
            for table in ["ahead", "fork", "quarantine"] {
                beside += db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u64>(0))?;
            }
            Ok((count, link, beside))
        };
        let (count, link, beside) = read().map_err(|error| format!("{}: {error}", store.display()))?;
        self.missing += own.head - count;
        self.other_links += u64::from(link != own.link);
        self.beside += beside;
        Ok(())
    }

    /// From the first read of a contact that closed to the moment the central side stored its alarm.
    fn take_alarms(
        &mut self,
        sim: &SimLog,
        gateway: &Gateway,
        drained: std::ops::Range<u64>,
        offset_ms: f64,
    ) -> Result<(), String> {
        let store = gateway.store();
        let read = || -> rusqlite::Result<BTreeMap<String, i64>> {
            let db = Connection::open_with_flags(&store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let sql = "SELECT eq, min(received_ms) FROM record WHERE gw=?1 AND kind='alarm.raised' GROUP BY eq";
            db.prepare(sql)?.query_map([GATEWAY], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let stored = read().map_err(|error| format!("{}: {error}", store.display()))?;
        let mut late = Figures::default();
        for (t, ((_, kind, input), value)) in &sim.reads {
            if *kind != 'd' || *value != 1 {
                continue;
            }
            let received = stored.get(&format!("PANEL-{input}"));
            self.alarms_missing += u64::from(received.is_none());
            // Those behind the backlog had nothing to overtake.
            if let Some(received) = received.filter(|_| drained.contains(t)) {
                late.0.push(*received as f64 - (*t as f64 / 1e6 + offset_ms));
            }
        }
        self.alarms += late.0.len() as u64;
        self.p99.0.push(late.quantile(0.99));
        self.late_ms.0.extend(late.0);
        Ok(())
    }

    fn checked(&self, table: &mut Table) {
        let open = format!("{} and {:.2}", self.most_open, self.most_open_bytes as f64 / f64::from(1 << 20));
        let kept = self.most_open <= WINDOW && self.most_open_bytes <= WINDOW_BYTES;
        let window = "at most 8192 and 8";
        table.must("most records and MiB at the broker without a receipt", open, window, kept);
        table.zero("batches that cannot be read or are not contiguous", self.strange);
        table.zero("records of the journal that are not at central", self.missing);
        table.zero("ends of the chain with another link at central", self.other_links);
        table.zero("forked, refused, waiting for their turn", self.beside);
    }

    fn rates(&self, table: &mut Table) {
        table.row("CPU microseconds/record, agent", self.agent_cpu_us.told(1));
        table.row("CPU microseconds/record, central", self.central_cpu_us.told(1));
    }
}

fn ingest_link(totals: &Totals, records: u64, rounds: usize) -> Table {
    let mut table = Table::new(format!("ingest-link, {records} records to picket-central, {rounds} rounds"));
    let per_s = &totals.per_s;
    let what = "records/s verified, stored and receipted";
    table.against(what, per_s.told(0), "at least 8000", per_s.median() >= 8_000.0);
    totals.rates(&mut table);
    totals.checked(&mut table);
    table
}

fn overtake(totals: &Totals, records: u64, rounds: usize) -> Table {
    let title = format!("overtake, {} alarms while {records} records drain to picket-central", totals.alarms);
    let mut table = Table::new(format!("{title}, {rounds} rounds"));
    let late = &totals.late_ms;
    let spread = [0.5, 0.9, 0.99, 1.0].map(|share| format!("{:.0}", late.quantile(share))).join(" / ");
    table.row("poll to stored at central ms p50 / p90 / p99 / max", spread);
    let p99 = &totals.p99;
    table.against("p99 from the poll ms, by rounds", p99.told(0), "at most 250", p99.quantile(1.0) <= 250.0);
    table.row("records/s verified, stored and receipted", totals.per_s.told(0));
    totals.rates(&mut table);
    table.zero("alarms polled and not at central", totals.alarms_missing);
    totals.checked(&mut table);
    table
}
