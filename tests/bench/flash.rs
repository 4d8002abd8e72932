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
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::time::Duration;

/// Each device is polled once a second and has counted on by then: one record a second for each.
const COUNT_MS: u64 = 300;
/// The start and its first checkpoint are not counted.
const WARM: Duration = Duration::from_secs(15);

/// What the windows of one rate showed.
#[derive(Default)]
struct Wear {
    readings_per_s: Figures,
    text_bytes: Figures,
    written_bytes: Figures,
    times: Figures,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let window = Duration::from_secs(if bench.quick { 20 } else { 180 });
    let (mut ten, mut one) = (Wear::default(), Wear::default());
    for round in 0..bench.rounds(1) {
        for (devices, wear) in [(10, &mut ten), (1, &mut one)] {
            wear.window(bench, &folder.join(format!("{round}-{devices}")), devices, window)?;
        }
    }
    let mut table = Table::new(format!("flash, windows of {} s, ext4 with noatime", window.as_secs()));
    for (rate, wear, most) in [(10, &ten, 3.0), (1, &one, 10.0)] {
        table.row(format!("routine records/s, {rate} devices"), wear.readings_per_s.told(2));
        table.row("  bytes of text/record", wear.text_bytes.told(0));
        table.row("  bytes written to the device/record", wear.written_bytes.told(0));
        let met = wear.times.median() <= most;
        table.against("  bytes written, times the text", wear.times.told(2), &format!("at most {most}"), met);
    }
    Ok(table.print())
}

impl Wear {
    fn window(&mut self, bench: &Bench, folder: &Path, devices: u16, window: Duration) -> Result<(), String> {
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
        std::fs::write(&settings, text.replace(BUDGET, "# budget_mib as it comes")).map_err(told)?;
        let central = stand.gateway.central()?;
        stand.begin()?;
        let (agent, _) = stand.agent()?;
        wait::pause(WARM)?;
        let (written, from) = (loopback.written()?, nanoseconds(ClockId::Boottime));
        wait::pause(window)?;
        let to = nanoseconds(ClockId::Boottime);
        let written = loopback.written()? - written;
        agent.stop(STOPS_IN)?;
        central.stop(STOPS_IN)?;
        let journal = stand.finish()?.journal();
        let (readings, records, bytes) = told_between(&journal, from / 1_000, to / 1_000)?;
        if readings == 0 {
            return Err("nothing was recorded in the window".into());
        }
        self.readings_per_s.0.push(readings as f64 / window.as_secs_f64());
        self.text_bytes.0.push(bytes as f64 / records as f64);
        self.written_bytes.0.push(written as f64 / records as f64);
        self.times.0.push(written as f64 / bytes as f64);
        drop(loopback);
        std::fs::remove_file(folder.join("flash.img")).map_err(told)
    }
}

/// Routine readings, all records (a sign of life a minute is one of them), and bytes of their text between two moments of
/// CLOCK_BOOTTIME.
fn told_between(journal: &Path, from_us: u64, to_us: u64) -> Result<(u64, u64, u64), String> {
    let lines = || -> rusqlite::Result<Vec<String>> {
        let db = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.prepare("SELECT line FROM record ORDER BY seq")?.query_map([], |row| row.get(0))?.collect()
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
