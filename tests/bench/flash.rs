//! `flash`: bytes that reach the block device for each byte of a routine record, with default settings and a link that
//! stands. Journal, settings and keys of the agent lie on a file system of their own; everything written there counts:
//! data, SQLite's log, the file system's own journal.

use crate::Bench;
use crate::gateway::{BUDGET, Points, Task};
use crate::leg::STOPS_IN;
use crate::loopback::Loopback;
use crate::stand::Stand;
use crate::stopwatch::nanoseconds;
use crate::table::{Figures, Judged, Table};
use crate::wait;
use picket_record::chain::Parsed;
use picket_record::kind::Kind;
use rusqlite::{Connection, OpenFlags};
use rustix::time::ClockId;
use simulator::stored;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

/// Each device is polled once a second and has counted on by then: one record a second for each.
const COUNT_MS: u64 = 300;
/// How long one checkpoint may take to come.
const CHECKPOINT_WITHIN: Duration = Duration::from_secs(900);
/// Between two looks for one.
const LOOK: Duration = Duration::from_millis(500);

/// What the windows of one rate showed.
#[derive(Default)]
struct Wear {
    readings_per_s: Figures,
    text_bytes: Figures,
    written_bytes: Figures,
    times: Figures,
    window_s: Figures,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    // What a record costs is written twice: to the log at once, to the file at a checkpoint. Only whole rounds count.
    let checkpoints = if bench.quick { 1 } else { 4 };
    let (mut ten, mut one) = (Wear::default(), Wear::default());
    for round in 0..bench.rounds(1) {
        for (devices, wear) in [(10, &mut ten), (1, &mut one)] {
            wear.window(bench, &folder.join(format!("{round}-{devices}")), devices, checkpoints)?;
        }
    }
    let mut table =
        Table::new(format!("flash, {checkpoints} checkpoints of the journal each, ext4 mounted as it comes"));
    for (rate, wear, most) in [(10, &ten, 3.0), (1, &one, 10.0)] {
        table.row(format!("routine records/s, {rate} devices"), wear.readings_per_s.told(2));
        table.row("  seconds", wear.window_s.told(0));
        table.row("  bytes of text/record", wear.text_bytes.told(0));
        table.row("  bytes written to the device/record", wear.written_bytes.told(0));
        let met = wear.times.median() <= most;
        table.against("  bytes written, times the text", wear.times.told(2), &format!("at most {most}"), met);
    }
    Ok(table.print())
}

impl Wear {
    fn window(&mut self, bench: &Bench, folder: &Path, devices: u16, checkpoints: u32) -> Result<(), String> {
        let told = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(told)?;
        let on = folder.join("gateway");
        // Unmounted after everything below has ended.
        let loopback = Loopback::mount(&folder.join("flash.img"), &on)?;
        // The central side and the logs of both are elsewhere on a true gateway.
        std::fs::DirBuilder::new().mode(0o700).create(folder.join("central")).map_err(told)?;
        for other in ["central", "picket.log", "central.log"] {
            symlink(folder.join(other), on.join(other)).map_err(told)?;
        }
        let task = Task { devices, points: Points::Registers(1), poll_ms: 1_000, readings: "routine" };
        let mut stand = Stand::start(bench, folder, task, &[format!("--count-ms={COUNT_MS}")])?;
        let settings = stand.gateway.folder().join("agent.toml");
        let text = std::fs::read_to_string(&settings).map_err(told)?;
        if !text.contains(BUDGET) {
            return Err(format!("{}: no \"{BUDGET}\" to take out", settings.display()));
        }
        std::fs::write(&settings, text.replace(BUDGET, "# budget_mib as it comes")).map_err(told)?;
        let central = stand.gateway.central()?;
        stand.begin()?;
        let (agent, _) = stand.agent()?;
        let journal = stand.gateway.journal();
        // The first fills a log that has to grow; from then on it is written in place.
        checkpoint(&journal)?;
        let (written, from) = (loopback.written()?, nanoseconds(ClockId::Boottime));
        for _ in 0..checkpoints {
            checkpoint(&journal)?;
        }
        let to = nanoseconds(ClockId::Boottime);
        let written = loopback.written()? - written;
        agent.stop(STOPS_IN)?;
        central.stop(STOPS_IN)?;
        let journal = stand.finish()?.journal();
        let (readings, records, bytes) = told_between(&journal, from / 1_000, to / 1_000)?;
        if readings == 0 {
            return Err("nothing was recorded in the window".into());
        }
        let seconds = (to - from) as f64 / 1e9;
        self.window_s.0.push(seconds);
        self.readings_per_s.0.push(readings as f64 / seconds);
        self.text_bytes.0.push(bytes as f64 / records as f64);
        self.written_bytes.0.push(written as f64 / records as f64);
        self.times.0.push(written as f64 / bytes as f64);
        drop(loopback);
        std::fs::remove_file(folder.join("flash.img")).map_err(told)
    }
}

/// Waits until the log is folded back into the file, which is written at no other time.
fn checkpoint(journal: &Path) -> Result<(), String> {
    let written = || {
        let found = std::fs::metadata(journal).and_then(|found| found.modified());
        found.map_err(|error| format!("{}: {error}", journal.display()))
    };
    let (before, end) = (written()?, Instant::now() + CHECKPOINT_WITHIN);
    while written()? == before {
        if Instant::now() > end {
            return Err(format!("{}: no checkpoint within {} s", journal.display(), CHECKPOINT_WITHIN.as_secs()));
        }
        wait::pause(LOOK)?;
    }
    // Its last page and the sync behind it.
    wait::pause(LOOK)
}

/// Routine readings, all records (a sign of life a minute is one of them), and bytes of their text between two moments of
/// CLOCK_BOOTTIME.
fn told_between(journal: &Path, from_us: u64, to_us: u64) -> Result<(u64, u64, u64), String> {
    let lines = || -> rusqlite::Result<Vec<String>> {
        let db = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.prepare("SELECT line FROM record ORDER BY seq")?.query_map([], stored::line)?.collect()
    };
    let lines = lines().map_err(|error| format!("{}: {error}", journal.display()))?;
    let (mut readings, mut records, mut bytes) = (0, 0, 0);
    for line in &lines {
        let record = Parsed::read(line).map_err(|refusal| format!("a stored line is not a record: {refusal}"))?;
        if (from_us..to_us).contains(&record.mono_us) {
            readings += u64::from(record.kind == Kind::Readings);
            records += 1;
            bytes += line.len() as u64;
        }
    }
    Ok((readings, records, bytes))
}
