//! `drain`: a backlog through mosquitto to a sink that receipts without verifying, beside the fastest peer that was
//! measured: Node-RED with a mosquitto of its own that keeps and bridges. For both the broker is away while the backlog
//! grows, comes back, and arrivals are counted by the same subscriber. They take turns.

use crate::Bench;
use crate::backlog::J1_CHANGES;
use crate::gateway::{Points, Task};
use crate::leg::STOPS_IN;
use crate::peer::{Bridge, Peer};
use crate::sink_log::SinkLog;
use crate::stand::Stand;
use crate::stopwatch::mono_ns;
use crate::table::{Figures, Judged, Table};
use crate::verified::on_two_cores;
use std::path::Path;
use std::time::Duration;

const TASK: Task = Task { devices: 1, points: Points::Registers(1), poll_ms: 1_000, readings: "routine" };
const COUNT_MS: u64 = 20;
const RECORDS: u64 = 400_000;
const RECORDS_QUICK: u64 = 40_000;
/// Events of the peer: a minute of it.
const EVENTS: u64 = 100_000;
const EVENTS_QUICK: u64 = 20_000;
/// Slower than any of them: a drain that has not ended by then has stopped.
const SLOWEST_PER_S: u64 = 200;

/// What the rounds showed of the product.
#[derive(Default)]
struct Product {
    per_s: Figures,
    /// Broker back to the first and to the last record.
    first_s: Figures,
    all_s: Figures,
    agent_cpu_us: Figures,
    text_bytes: Figures,
    wire_bytes: Figures,
    wire_share: Figures,
    missing: u64,
    strange: u64,
}

/// The same of the peer in one of its settings.
#[derive(Default)]
struct Bridged {
    per_s: Figures,
    all_s: Figures,
    missing: u64,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    on_two_cores()?;
    let records = bench.backlog(RECORDS, RECORDS_QUICK);
    let events = if bench.quick { EVENTS_QUICK } else { EVENTS };
    let peer = Peer::fetched(bench.programs.path())?;
    let mut product = Product::default();
    let (mut measured, mut unbounded) = (Bridged::default(), Bridged::default());
    for round in 0..bench.rounds(3) {
        let bridged = |name: &str, setting, bridged: &mut Bridged| {
            bridged.drain(bench, &peer, setting, &folder.join(format!("{round}-{name}")), events)
        };
        let folder = folder.join(format!("{round}-picket"));
        // Neither always goes first.
        if round % 2 == 0 {
            drain(bench, &folder, records, &mut product)?;
        }
        bridged("peer", Bridge::AsMeasured, &mut measured)?;
        bridged("peer-unbounded", Bridge::Unbounded, &mut unbounded)?;
        if round % 2 == 1 {
            drain(bench, &folder, records, &mut product)?;
        }
    }
    Ok(table(&product, &measured, &unbounded, [records, events]).print())
}

/// How long a drain may take.
pub(crate) fn at_most(records: u64) -> Duration {
    Duration::from_secs(60 + records / SLOWEST_PER_S)
}

fn drain(bench: &Bench, folder: &Path, records: u64, product: &mut Product) -> Result<(), String> {
    let mut stand = Stand::start(bench, folder, TASK, &[format!("--count-ms={COUNT_MS}")])?;
    let mut sink = stand.sink("bench-sink", true)?;
    stand.broker.stop()?;
    let head = stand.backlog(records, J1_CHANGES)?;
    stand.begin()?;
    let (agent, _) = stand.agent()?;
    // Nothing more is recorded: a few routine readings of the start travel behind the backlog.
    stand.end()?;
    let (up, before) = (mono_ns(), agent.usage()?);
    stand.broker.resume()?;
    sink.until("the backlog arrives", at_most(records), |log| log.reached() >= head)?;
    let after = agent.usage()?;
    agent.stop(STOPS_IN)?;
    let log = sink.stop()?;
    let gateway = stand.finish()?;
    product.take(&log, head, up)?;
    if product.missing + product.strange == 0 {
        std::fs::remove_file(gateway.journal()).map_err(|error| error.to_string())?;
    }
    product.agent_cpu_us.0.push((after.cpu_s - before.cpu_s) * 1e6 / records as f64);
    Ok(())
}

impl Product {
    fn take(&mut self, log: &SinkLog, head: u64, up: u64) -> Result<(), String> {
        let batches: Vec<_> = log.batches.iter().filter(|batch| batch.first <= head).collect();
        let ends = batches.first().zip(batches.iter().find(|batch| batch.last >= head));
        let (first, last) = ends.ok_or("the backlog did not arrive")?;
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e9;
        let records = batches.iter().map(|batch| batch.last + 1 - batch.first).sum::<u64>() as f64;
        let text = batches.iter().map(|batch| batch.text).sum::<u64>() as f64;
        let wire = batches.iter().map(|batch| batch.wire).sum::<u64>() as f64;
        self.per_s.0.push((head - first.last) as f64 / seconds(first.t, last.t));
        self.first_s.0.push(seconds(up, first.t));
        self.all_s.0.push(seconds(up, last.t));
        self.text_bytes.0.push(text / records);
        self.wire_bytes.0.push(wire / records);
        self.wire_share.0.push(wire / text);
        self.missing += head.saturating_sub(log.reached());
        self.strange += log.strange.len() as u64;
        Ok(())
    }
}

impl Bridged {
    fn drain(&mut self, bench: &Bench, peer: &Peer, bridge: Bridge, folder: &Path, events: u64) -> Result<(), String> {
        let (log, up) = peer.drain(bench.programs.path(), folder, bridge, events, at_most(events))?;
        self.per_s.0.push(log.messages_per_s());
        let last = log.messages.last().map_or(up, |messages| messages.last);
        self.all_s.0.push((last - up) as f64 / 1e9);
        self.missing += events.saturating_sub(log.counted());
        Ok(())
    }
}

fn table(product: &Product, measured: &Bridged, unbounded: &Bridged, [records, events]: [u64; 2]) -> Table {
    let rounds = product.per_s.0.len();
    let mut table =
        Table::new(format!("drain of {records} records, and of {events} events of the peer, {rounds} rounds"));
    let name = Peer::name();
    let per_s = &product.per_s;
    table.against("records/s, picket", per_s.told(0), "at least 40000", per_s.median() >= 40_000.0);
    table.row(format!("events/s, {name}"), measured.per_s.told(0));
    table.row("events/s, the same with nothing held back", unbounded.per_s.told(0));
    let faster = |(one, other): (&f64, &f64)| one.max(*other);
    let fastest = Figures(measured.per_s.0.iter().zip(&unbounded.per_s.0).map(faster).collect());
    let times = per_s.over(&fastest);
    table.against("times the faster of these, by rounds", times.told(2), "at least 2", times.median() >= 2.0);
    table.row("broker back to first and to last record s, picket", both(&product.first_s, &product.all_s));
    table.row("broker back to last event s, peer", both(&measured.all_s, &unbounded.all_s));
    table.row("CPU microseconds/record, agent", product.agent_cpu_us.told(1));
    table.row("bytes/record of text and on the wire", both(&product.text_bytes, &product.wire_bytes));
    let share = &product.wire_share;
    table.against("wire bytes, share of the text", share.told(3), "at most 0.25", share.quantile(1.0) <= 0.25);
    table.row("events missing, peer", format!("{} and {}", measured.missing, unbounded.missing));
    table.zero("records missing at the sink", product.missing);
    table.zero("batches that cannot be read or are not contiguous", product.strange);
    table
}

fn both(one: &Figures, other: &Figures) -> String {
    format!("{} and {}", one.told(1), other.told(1))
}
