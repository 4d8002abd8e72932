//! `start`: from exec to the first poll, and the memory that it takes, on a journal of a month without the central side,
//! beside the same with an empty one. The journal is read from the disk: its pages are dropped from memory before.

use crate::Bench;
use crate::gateway::{Points, Task};
use crate::leg::STOPS_IN;
use crate::process::{Process, told};
use crate::stand::{Stand, in_ms};
use crate::table::{Figures, Judged, Table};
use crate::wait;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Advice, fadvise, fsync};
use simulator::stored;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TASK: Task = Task { devices: 1, points: Points::Registers(1), poll_ms: 1_000, readings: "routine" };
/// The register changes so often: the first poll finds a fresh value.
const COUNT_MS: u64 = 20;
/// One record a second for a month.
const RECORDS: u64 = 2_600_000;
const RECORDS_QUICK: u64 = 100_000;
/// Registers that changed, in each.
const CHANGES: u64 = 2;

/// Starts of one kind, in turns.
#[derive(Default)]
struct Starts {
    /// Nanoseconds from exec to the first poll.
    polls: Vec<u64>,
    /// Peak of memory when it has settled.
    peak_mib: Figures,
}

impl Starts {
    /// Starts the agent and lets it settle.
    fn measure(&mut self, stand: &mut Stand, settles_in: Duration) -> Result<Process, String> {
        forget_pages(&stand.gateway.journal())?;
        let (agent, after) = stand.agent()?;
        self.polls.push(after);
        wait::pause(settles_in)?;
        self.peak_mib.0.push(agent.usage()?.peak_mib);
        Ok(agent)
    }
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let records = bench.backlog(RECORDS, RECORDS_QUICK);
    let settles_in = Duration::from_secs(if bench.quick { 3 } else { 15 });
    let (mut empty, mut full) = (stand(bench, &folder.join("empty"))?, stand(bench, &folder.join("full"))?);
    let head = full.backlog(records, CHANGES)?;
    let (mut on_empty, mut after_stop, mut after_kill) = (Starts::default(), Starts::default(), Starts::default());
    for _ in 0..bench.rounds(3) {
        on_empty.measure(&mut empty, settles_in)?.stop(STOPS_IN)?;
        remove(&empty.gateway.journal())?;
        after_stop.measure(&mut full, settles_in)?.kill()?;
        // In order again, for the next round.
        after_kill.measure(&mut full, settles_in)?.stop(STOPS_IN)?;
    }
    empty.finish()?;
    let journal = full.finish()?.journal();
    let (kept, damage) = held(&journal, head)?;
    let size_mib = std::fs::metadata(&journal).map_or(0, |found| found.len()) >> 20;
    remove(&journal)?;
    let mut table = Table::new(format!("start on {records} records without a receipt, {size_mib} MiB"));
    table.row("exec to first poll ms, empty journal", in_ms(&on_empty.polls).told(0));
    for (name, starts) in [("after a stop in order", &after_stop), ("after SIGKILL", &after_kill)] {
        let polls = in_ms(&starts.polls);
        table.against(format!("exec to first poll ms, {name}"), polls.told(0), "under 1000", polls.median() < 1_000.0);
    }
    table.row("resident peak MiB, empty journal", on_empty.peak_mib.told(1));
    for (name, starts) in [("after a stop in order", &after_stop), ("after SIGKILL", &after_kill)] {
        let above = starts.peak_mib.above(&on_empty.peak_mib);
        let most = above.quantile(1.0);
        table.must(format!("resident peak MiB above it, {name}"), above.told(1), "at most 16", most <= 16.0);
    }
    table.zero("records of the backlog that are gone", head - kept);
    table.zero("damage told at a start", damage);
    Ok(table.print())
}

fn stand(bench: &Bench, folder: &Path) -> Result<Stand, String> {
    let mut stand = Stand::start(bench, folder, TASK, &[format!("--count-ms={COUNT_MS}")])?;
    // The centre is away, as it was all the month.
    stand.broker.stop()?;
    stand.begin()?;
    Ok(stand)
}

/// What lies on the disk only is read from there again. Not there yet is as good.
fn forget_pages(journal: &Path) -> Result<(), String> {
    for file in [journal.to_owned(), log_of(journal)] {
        let Ok(open) = std::fs::File::open(&file) else { continue };
        let forgotten = fsync(&open).and_then(|()| fadvise(&open, 0, None, Advice::DontNeed));
        forgotten.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

fn log_of(journal: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", journal.display()))
}

fn remove(journal: &Path) -> Result<(), String> {
    for file in [log_of(journal), journal.to_owned()] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(told(error)),
            _ => {}
        }
    }
    Ok(())
}

/// How many records there are up to the head of the backlog, and how many behind it tell of damage.
fn held(journal: &Path, head: u64) -> Result<(u64, u64), String> {
    let count = || -> rusqlite::Result<(u64, Vec<String>)> {
        let db = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let kept = db.query_row("SELECT count(*) FROM record WHERE seq <= ?1", [head], |row| row.get(0))?;
        let mut later = db.prepare("SELECT line FROM record WHERE seq > ?1")?;
        let later = later.query_map([head], stored::line)?.collect::<rusqlite::Result<_>>()?;
        Ok((kept, later))
    };
    let (kept, later) = count().map_err(|error| format!("{}: {error}", journal.display()))?;
    let tells = |line: &String| crate::record_line::summary(line).is_none_or(|said| said.contains("journal.recovered"));
    Ok((kept, later.iter().filter(|line| tells(line)).count() as u64))
}
