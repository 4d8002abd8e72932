//! `bench`: the figures of the agent, each beside the floor in the same run; one command for each job. Times are printed
//! and never asserted; with `--assert` counts that must be zero are.

mod append;
mod backlog;
mod broker;
mod drain;
mod evidence;
mod flash;
mod gateway;
mod ingest;
mod kills;
mod kills_central;
mod latency;
mod leg;
mod load;
mod logs;
mod loopback;
mod outage;
mod peer;
mod points;
mod process;
mod programs;
mod recheck;
mod record_line;
mod sink_log;
mod stand;
mod start;
mod stopwatch;
mod stores;
mod table;
mod verified;
mod wait;

use clap::{Parser, ValueEnum};
use programs::Programs;
use std::process::ExitCode;
use table::Judged;

/// Measures the agent beside the floor, on loopback, with mosquitto as broker.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    /// What to measure.
    #[arg(value_enum, ignore_case = true)]
    job: Job,
    /// Short windows and one round: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Exit with 1 where a count is not zero that must be.
    #[arg(long)]
    assert: bool,
    /// How often each product runs in J1 to J4; they take turns
    #[arg(long)]
    rounds: Option<usize>,
    /// Pairs of the job `records`: many, because one takes a second and a disk jumps
    #[arg(long)]
    pairs: Option<usize>,
    /// Kills of the jobs `kills` (200 where it is not given) and `kills-central` (20)
    #[arg(long)]
    kills: Option<usize>,
    /// Records of the backlog in start, drain, ingest-link, overtake, evidence and kills-central
    #[arg(long)]
    backlog: Option<u64>,
    /// Seed of what is random; from the clock where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the folder with settings, databases and logs; it is kept anyhow where something is wrong.
    #[arg(long)]
    keep: bool,
}

/// The jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Job {
    /// 1,000 points at 1 Hz, 6,000 changes a minute: CPU and memory
    J1,
    /// A flip at a 100 ms poll to its arrival: latency
    J2,
    /// The broker away for a minute at 50 events a second
    J3,
    /// The same, with SIGKILL in the middle
    J4,
    /// Signed, chained and durable records per second in groups of 64
    Records,
    /// The backlog of one gateway drained at the central side, records per second
    Ingest,
    /// Many SIGKILLs under load: nothing stored is lost or doubled
    Kills,
    /// Many SIGKILLs of the central side while a backlog drains: nothing receipted is lost, nothing doubled
    KillsCentral,
    /// A start on a month of records without a receipt: time to the first poll, memory
    Start,
    /// A backlog to a sink that receipts without verifying, beside Node-RED with a bridge: records per second, bytes
    Drain,
    /// The same backlog verified and stored by the central side: records per second, the window
    IngestLink,
    /// Alarms while that backlog drains: latency
    Overtake,
    /// A million records exported and verified: seconds, and memory that does not grow
    Evidence,
    /// Bytes that reach the block device for each routine record; needs root
    Flash,
    /// Standing of ten thousand pieces of equipment judged again: milliseconds, bytes
    Recheck,
    /// A hundred thousand measuring points judged again: milliseconds, bytes
    Points,
    /// J1 to J4 and records: what needs no peer, no root and no gigabytes
    Base,
    /// Every job
    All,
}

/// What the jobs need to know.
#[derive(Debug)]
struct Bench {
    programs: Programs,
    quick: bool,
    rounds: Option<usize>,
    pairs: Option<usize>,
    kills: Option<usize>,
    backlog: Option<u64>,
    seed: u64,
}

impl Bench {
    /// Rounds asked for, or one where it is quick, or so many.
    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual })
    }

    /// Records of a backlog: as asked for, or so many.
    fn backlog(&self, usual: u64, quick: u64) -> u64 {
        self.backlog.unwrap_or(if self.quick { quick } else { usual })
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(judged) if judged.broken.is_empty() => ExitCode::SUCCESS,
        Ok(judged) => {
            println!("\nwrong:");
            judged.broken.iter().for_each(|line| println!("  {line}"));
            if options.assert { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> Result<Judged, String> {
    wait::heed_signals()?;
    let programs = Programs::build()?;
    let seed = options.seed.unwrap_or_else(stopwatch::mono_ns);
    programs.print_versions(seed);
    let Options { quick, rounds, pairs, kills, backlog, .. } = *options;
    let bench = Bench { programs, quick, rounds, pairs, kills, backlog, seed };
    let jobs = match options.job {
        Job::Base => vec![Job::J1, Job::J2, Job::J3, Job::J4, Job::Records],
        Job::All => Job::value_variants().iter().copied().filter(|job| !matches!(job, Job::Base | Job::All)).collect(),
        job => vec![job],
    };
    let mut judged = Judged::default();
    for job in jobs {
        let folder = bench.programs.folder(&format!("{job:?}-"))?;
        let before = programs::load();
        // An early end keeps the folder: its logs say why.
        let result = run(job, &bench, folder.path());
        println!("load average {before} before, {} after", programs::load());
        let wrong = result.as_ref().map_or(true, |judged| !judged.broken.is_empty());
        if options.keep || wrong {
            println!("kept: {}", folder.keep().display());
        }
        judged.join(result?);
    }
    if matches!(options.job, Job::Base | Job::All) {
        judged.print();
    }
    Ok(judged)
}

fn run(job: Job, bench: &Bench, folder: &std::path::Path) -> Result<Judged, String> {
    match job {
        Job::J1 => load::j1(bench, folder),
        Job::J2 => latency::j2(bench, folder),
        Job::J3 => outage::run(bench, folder, outage::Kill::Never),
        Job::J4 => outage::run(bench, folder, outage::Kill::InTheMiddle),
        Job::Records => append::records(bench, folder),
        Job::Ingest => ingest::run(bench, folder),
        Job::Kills => kills::run(bench, folder),
        Job::KillsCentral => kills_central::run(bench, folder),
        Job::Start => start::run(bench, folder),
        Job::Drain => drain::run(bench, folder),
        Job::IngestLink => verified::run(bench, folder, verified::Alarms::None),
        Job::Overtake => verified::run(bench, folder, verified::Alarms::Meanwhile),
        Job::Evidence => evidence::run(bench, folder),
        Job::Flash => flash::run(bench, folder),
        Job::Recheck => recheck::run(bench, folder),
        Job::Points => points::run(bench, folder),
        Job::Base | Job::All => unreachable!("a list of jobs"),
    }
}
