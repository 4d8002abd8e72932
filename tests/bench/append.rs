//! `records`: signed, chained and durable records per second in groups of 64, the journal beside a bare loop that signs
//! and inserts the same bytes in the same groups. Durable code is compared in interleaved pairs only: the disk of a
//! shared machine changes its speed between two minutes.

use crate::Bench;
use crate::gateway::{GATEWAY, Gateway, Points, SITE, Task};
use crate::stopwatch::{mono_ns, nanoseconds};
use crate::table::{Figures, Judged, Table};
use crate::wait;
use ed25519_dalek::{Signer, SigningKey};
use picket::journal::{Journal, Place};
use picket_core::wire::Batch;
use picket_record::body::{About, Body, ClockQuality, ClockSource, IdentityEvidence, Source, Standing, When};
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use rusqlite::Connection;
use rustix::time::ClockId;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Records of one transaction.
const GROUP: usize = 64;
const TASK: Task = Task { devices: 1, points: Points::Registers(10), poll_ms: 1_000, readings: "routine" };

/// One side of a pair.
struct Taken {
    wall_s: f64,
    cpu_s: f64,
}

/// Runs the job.
pub(crate) fn records(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let (pairs, groups) = if bench.quick { (6, 20) } else { (40, 60) };
    let pairs = bench.pairs.unwrap_or(pairs);
    let mut journal = open_journal(bench, folder)?;
    let bare = Bare::open(&folder.join("bare.db"))?;
    let mut lines = Vec::new();
    append(&mut journal, 2, &mut lines)?;
    bare.insert(&lines)?;
    let (mut journal_sides, mut bare_sides) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Neither always goes first.
        if pair % 2 == 0 {
            journal_sides.push(append(&mut journal, groups, &mut lines)?);
            bare_sides.push(bare.insert(&lines)?);
        } else {
            bare_sides.push(bare.insert(&lines)?);
            journal_sides.push(append(&mut journal, groups, &mut lines)?);
        }
        wait::pause(Duration::ZERO)?;
    }
    let bytes = lines.iter().flatten().map(String::len).sum::<usize>() / (groups * GROUP);
    Ok(table(&journal_sides, &bare_sides, groups * GROUP, bytes).print())
}

fn open_journal(bench: &Bench, folder: &Path) -> Result<Journal, String> {
    // No broker and no device is asked here: the ports are only written down.
    Gateway::set_up(bench.programs.path(), folder, TASK, 20_000, 20_001)?;
    let place = Place {
        file: folder.join("records.db"),
        budget_bytes: 8 << 30,
        retention_days: 30,
        identity: folder.join("identity.key"),
        acceptance: folder.join("acceptance.jws"),
        accept_key: folder.join("accept.pub"),
        root: folder.join("root.jws"),
    };
    let credentials = place.credentials(SITE, GATEWAY).map_err(|fault| fault.to_string())?;
    let opened = Journal::open(&place, credentials, Box::new(picket::supervise::random), &when(0), "bench");
    opened.map(|(journal, _)| journal).map_err(|fault| fault.to_string())
}

/// Appends so many groups; `lines` are afterwards what was stored.
fn append(journal: &mut Journal, groups: usize, lines: &mut Vec<Vec<String>>) -> Result<Taken, String> {
    let bodies: Vec<Vec<Body>> =
        (0..groups).map(|group| (0..GROUP).map(|n| body(group * GROUP + n)).collect()).collect();
    let mut heads = Vec::with_capacity(groups);
    let taken = timed(|| {
        for group in &bodies {
            heads.push(journal.append(group).map_err(|fault| fault.to_string())?.head);
        }
        Ok(())
    })?;
    *lines = heads.iter().map(|head| stored(journal, *head)).collect::<Result<_, _>>()?;
    Ok(taken)
}

fn stored(journal: &Journal, head: u64) -> Result<Vec<String>, String> {
    let batch = Batch::Range { from: head + 1 - GROUP as u64, to: head };
    let lines = journal.lines(&batch).map_err(|fault| fault.to_string())?.ok_or("the group is not there")?;
    let mut text = String::new();
    let read = if lines.deflated {
        flate2::read::ZlibDecoder::new(lines.payload.as_slice()).read_to_string(&mut text)
    } else {
        lines.payload.as_slice().read_to_string(&mut text)
    };
    read.map_err(|error| format!("a batch: {error}"))?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() == GROUP { Ok(lines) } else { Err(format!("{} lines in a group", lines.len())) }
}

/// The loop without anything around it.
struct Bare {
    db: Connection,
    key: SigningKey,
}

impl Bare {
    fn open(file: &Path) -> Result<Self, String> {
        let db = Connection::open(file).and_then(|db| {
            db.execute_batch(
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
                 CREATE TABLE record(seq INTEGER PRIMARY KEY, line TEXT NOT NULL)",
            )?;
            Ok(db)
        });
        let db = db.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { db, key: SigningKey::from_bytes(&[7; 32]) })
    }

    /// Signs what the lines sign, puts the lines together and inserts them, a transaction for each group.
    fn insert(&self, groups: &[Vec<String>]) -> Result<Taken, String> {
        let inputs: Vec<Vec<&str>> = groups
            .iter()
            .map(|group| group.iter().filter_map(|line| Some(line.rsplit_once('.')?.0)).collect())
            .collect();
        timed(|| inputs.iter().try_for_each(|group| self.insert_group(group)).map_err(|error| error.to_string()))
    }

    fn insert_group(&self, inputs: &[&str]) -> rusqlite::Result<()> {
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for input in inputs {
            let signature = self.key.sign(input.as_bytes()).to_bytes();
            let line = format!("{input}.{}", base64url(&signature));
            self.db.prepare_cached("INSERT INTO record(line) VALUES(?1)")?.execute([line])?;
        }
        self.db.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

fn timed(work: impl FnOnce() -> Result<(), String>) -> Result<Taken, String> {
    let (wall, cpu) = (mono_ns(), nanoseconds(ClockId::ThreadCPUTime));
    work()?;
    let seconds = |from: u64, to: u64| (to - from) as f64 / 1e9;
    Ok(Taken { wall_s: seconds(wall, mono_ns()), cpu_s: seconds(cpu, nanoseconds(ClockId::ThreadCPUTime)) })
}

pub(crate) fn when(n: usize) -> When {
    let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 12, age_s: 0, era: 0 };
    let boot = "01234567-89ab-cdef-0123-456789abcdef".into();
    When { boot, mono_us: 1_000_000 + n as u64, wall_ms: Some(1_790_000_000_000 + n as i64), clock }
}

/// What J1 records: ten points of one poll.
pub(crate) fn body(n: usize) -> Body {
    let points: serde_json::Map<String, Value> =
        (0..10).map(|point| (format!("r{}", n % 90 + point), json!({ "v": n * 37 % 65_536 }))).collect();
    let Value::Object(data) = json!({ "dev": format!("dev{}", n % 10), "p": points }) else {
        unreachable!("an object is written above")
    };
    let source = Source { driver: "modbus-tcp", raw: [n as u8; 32], identity: IdentityEvidence::Configured };
    let about = About {
        equipment: format!("BENCH-{}", n % 10),
        register: 1,
        standing: Standing { st: "good", why: Vec::new(), due: None, cert: None },
        source: Some(source),
    };
    Body { about: Some(about), ..Body::new(when(n), Kind::Readings, Severity::Info, data) }
}

fn table(journal: &[Taken], bare: &[Taken], records: usize, bytes: usize) -> Table {
    let mut table = Table::new(format!("records, {} pairs of {records} records of {bytes} bytes", journal.len()));
    let rate = |sides: &[Taken]| Figures(sides.iter().map(|side| records as f64 / side.wall_s).collect());
    let cpu = |sides: &[Taken]| Figures(sides.iter().map(|side| side.cpu_s * 1e6 / records as f64).collect());
    table.row("records/s, journal", rate(journal).told(0));
    table.row("records/s, bare loop", rate(bare).told(0));
    table.row("CPU microseconds/record, journal", cpu(journal).told(1));
    table.row("CPU microseconds/record, bare loop", cpu(bare).told(1));
    let ratio = rate(journal).over(&rate(bare));
    let met = ratio.median() >= 0.85;
    table.against("records/s, share of the bare loop, by pairs", ratio.told(2), "at least 0.85", met);
    table
}
