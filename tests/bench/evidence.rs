//! `evidence`: `picket export` from a running agent and `picket verify` on a journal and on one of a tenth of it: seconds,
//! and peaks of memory that must not grow with the records; beside the verifier in Python. And how long the slices of an
//! export take, because an append may wait behind one: 99.9 % of them are judged, the longest is told.

use crate::Bench;
use crate::backlog::J1_CHANGES;
use crate::gateway::{GATEWAY, Points, SITE, Task};
use crate::leg::STOPS_IN;
use crate::process::{Process, told};
use crate::stand::Stand;
use crate::stopwatch::mono_ns;
use crate::table::{Figures, Judged, Table};
use crate::wait;
use picket::journal::bundle::{Part, Range, Wanted};
use picket::journal::{Journal, Place};
use simulator::product::repository;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const TASK: Task = Task { devices: 1, points: Points::Registers(1), poll_ms: 1_000, readings: "routine" };
const RECORDS: u64 = 1_000_000;
const RECORDS_QUICK: u64 = 50_000;
/// The smaller journal has this part of the records.
const PART: u64 = 10;
/// A million records in Python on a busy machine.
const ENDS_IN: Duration = Duration::from_secs(3_600);
/// Between two looks at the memory of a program that runs.
const LOOK: Duration = Duration::from_millis(10);
/// Memory that ten times the records may cost more: pages of the allocator, and receipts and epochs by the day.
const GROWTH_MIB: f64 = 8.0;
/// Within it are 99.9 % of the slices, behind one of which an append may wait.
const SLICE_MS: f64 = 5.0;

/// What one program took.
#[derive(Default)]
struct Run {
    seconds: Figures,
    peak_mib: Figures,
}

/// What one size of journal showed.
#[derive(Default)]
struct Size {
    records: u64,
    bundle_mib: u64,
    export: Run,
    verify: Run,
    python: Run,
    agent_mib: Figures,
    slices_ms: Figures,
}

/// Which of the runs of one size.
type Of = fn(&Size) -> &Run;

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let records = bench.backlog(RECORDS, RECORDS_QUICK);
    let mut sizes = Vec::new();
    for (name, records) in [("part", records / PART), ("whole", records)] {
        let folder = folder.join(name);
        sizes.push(size(bench, &folder, records)?);
        std::fs::remove_dir_all(&folder).map_err(told)?;
    }
    let mut table = Table::new(format!("evidence of {} records, of {} before it", sizes[1].records, sizes[0].records));
    let programs: [(&str, Of); 3] =
        [("picket export", |s| &s.export), ("picket verify", |s| &s.verify), ("verify.py", |s| &s.python)];
    for (name, of) in programs {
        for size in &sizes {
            let Run { seconds, peak_mib } = of(size);
            if seconds.0.is_empty() {
                table
                    .row(format!("{name}, {} records", size.records), "no Python with cryptography: tests/run install");
                continue;
            }
            let per_s = size.records as f64 / seconds.median();
            table.row(format!("{name} s, {} records", size.records), seconds.told(1));
            table.row(format!("{name} records per second, {}", size.records), format!("{per_s:.0}"));
            table.row(format!("{name} resident peak MiB, {} records", size.records), peak_mib.told(1));
        }
    }
    for (name, of) in &programs[..2] {
        let grown = of(&sizes[1]).peak_mib.median() - of(&sizes[0]).peak_mib.median();
        table.against(
            format!("{name} MiB more with {PART} times the records"),
            format!("{grown:.1}"),
            "at most 8",
            grown <= GROWTH_MIB,
        );
    }
    for size in &sizes {
        table.row(format!("agent resident peak MiB, {} records", size.records), size.agent_mib.told(1));
        table.row(format!("bundle MiB, {} records", size.records), size.bundle_mib);
    }
    let slices = &sizes[1].slices_ms;
    let (median, late, most) = (slices.median(), slices.quantile(0.999), slices.quantile(1.0));
    table.row("slice of an export ms, median and most", format!("{median:.1} {most:.1}"));
    table.against("slice of an export ms, 99.9 %", format!("{late:.1}"), "at most 5", late <= SLICE_MS);
    Ok(table.print())
}

fn size(bench: &Bench, folder: &Path, records: u64) -> Result<Size, String> {
    let mut stand = Stand::start(bench, folder, TASK, &["--count-ms=20".to_owned()])?;
    // The centre is away: nothing is disposed of.
    stand.broker.stop()?;
    stand.begin()?;
    stand.backlog(records, J1_CHANGES)?;
    let mut size = Size { records, slices_ms: slices(&stand)?, ..Size::default() };
    let (agent, _) = stand.agent()?;
    let (picket, runtime) = (bench.programs.path().join("picket"), stand.gateway.runtime().to_owned());
    for round in 0..bench.rounds(3) {
        let out = folder.join(format!("bundle-{round}"));
        let mut export = Command::new(&picket);
        export.arg("export").arg("--runtime").arg(&runtime).arg("--out").arg(&out);
        export.args(["--by", "bench", "--reason", "to be measured"]);
        measured(&mut export, &folder.join("export.log"), "exported records 1 to", &mut size.export)?;
        size.agent_mib.0.push(agent.usage()?.peak_mib);
        let mut verify = Command::new(&picket);
        measured(
            verify.arg("verify").arg(&out),
            &folder.join("verify.log"),
            "verdict           verified",
            &mut size.verify,
        )?;
        if let Some(python) = python().filter(|_| round == 0) {
            let mut verify = Command::new(python);
            verify.arg(repository().join("protocols/record/verifiers/verify.py")).arg(&out);
            measured(&mut verify, &folder.join("python.log"), "verdict: verified", &mut size.python)?;
        }
        size.bundle_mib = picket::evidence::check::size(&out) >> 20;
        std::fs::remove_dir_all(&out).map_err(told)?;
    }
    agent.stop(STOPS_IN)?;
    stand.finish()?;
    Ok(size)
}

/// How long the journal takes for each slice of its records.
fn slices(stand: &Stand) -> Result<Figures, String> {
    let folder = stand.gateway.folder();
    let place = Place {
        file: stand.gateway.journal(),
        budget_bytes: 8 << 30,
        retention_days: 30,
        identity: folder.join("identity.key"),
        acceptance: folder.join("acceptance.jws"),
        accept_key: folder.join("accept.pub"),
        root: folder.join("root.jws"),
    };
    let credentials = place.credentials(SITE, GATEWAY).map_err(told)?;
    let when = crate::append::body(0).when;
    let opened = Journal::open(&place, credentials, Box::new(picket::supervise::random), &when, "bench");
    let (journal, _) = opened.map_err(told)?;
    let papers = journal.papers(Range::default()).map_err(told)?;
    let mut wanted = Wanted { part: Part::Records, after: papers.from - 1, to: papers.to };
    let mut figures = Figures::default();
    loop {
        let from = mono_ns();
        let slice = journal.bundle_lines(wanted).map_err(told)?;
        figures.0.push((mono_ns() - from) as f64 / 1e6);
        let Some((last, _)) = slice else { return Ok(figures) };
        wanted.after = last;
    }
}

/// Runs a program to its end, which must say so.
fn measured(command: &mut Command, log: &Path, says: &str, run: &mut Run) -> Result<(), String> {
    let from = mono_ns();
    let mut process = Process::start(command, log)?;
    let mut peak_mib: f64 = 0.0;
    let what = format!("{command:?} ends");
    wait::until(&what, ENDS_IN, || {
        // One that has just ended has no memory any more.
        peak_mib = process.usage().map_or(peak_mib, |usage| peak_mib.max(usage.peak_mib));
        if process.is_running()? {
            wait::pause(LOOK)?;
            return Ok(None);
        }
        Ok(Some(()))
    })?;
    let seconds = (mono_ns() - from) as f64 / 1e9;
    let text = std::fs::read_to_string(log).map_err(|error| format!("{}: {error}", log.display()))?;
    if !text.contains(says) {
        return Err(format!("{command:?} does not say {says:?}: {text}"));
    }
    run.seconds.0.push(seconds);
    run.peak_mib.0.push(peak_mib);
    Ok(())
}

/// One that can verify signatures.
fn python() -> Option<PathBuf> {
    let python = simulator::product::python().ok()?;
    let mut asked = Command::new(&python);
    asked.args(["-c", "import cryptography"]).output().is_ok_and(|done| done.status.success()).then_some(python)
}
