//! `faults`: what the journal and the agent do when the machine below them fails. Each part brings one kind of fault and
//! holds what is left against what was told outside before: nothing acknowledged is lost, nothing told twice in two ways.
//!
//! Everything follows from `--seed`; a failure prints its name, and `faults PART --only NAME` replays it alone.

mod agent;
mod book;
mod budget;
mod check;
mod cuts;
mod defects;
mod disk;
mod full;
mod halt;
mod inject;
mod kills;
mod lived;
mod rot;
mod runs;
mod scene;
mod site;
mod states;
mod torn;
mod trace;
mod volume;
#[path = "../bench/wait.rs"]
mod wait;
mod writer;

use clap::{Parser, Subcommand, ValueEnum};
use runs::{Run, Runs};
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

/// Brings faults upon the journal and the agent.
#[derive(Debug, Parser)]
#[command(name = "faults")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs parts; without a name all of them
    Run(Wanted),
    /// Drives the journal and tells what it acknowledged; what the parts break
    Writer(writer::Task),
}

#[derive(Debug, clap::Args)]
struct Wanted {
    /// Which parts
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// The long tier: whole sweeps
    #[arg(long)]
    long: bool,
    /// Everything that is random follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many, instead of what the tier says
    #[arg(long)]
    count: Option<usize>,
    /// Only the one with this name, as a failure prints it
    #[arg(long)]
    only: Option<String>,
}

/// Kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// States that a power cut may leave, from a recording
    States,
    /// Errors of reads, writes and syncs, one at each
    Errors,
    /// Power cuts on a real ext4
    Cuts,
    /// The last pages of database and log, torn at every byte
    Torn,
    /// Bits that turn over while the agent is off
    Rot,
    /// A disk that is full, or takes no writes
    Full,
    /// The shipped agent on such a disk
    Agent,
    /// SIGKILL at any moment, starts and disposals included
    Kills,
    /// Defects on purpose, each seen by its tests
    Defects,
}

impl Part {
    const EVERY: [Self; 9] = [
        Self::States,
        Self::Errors,
        Self::Cuts,
        Self::Torn,
        Self::Rot,
        Self::Full,
        Self::Agent,
        Self::Kills,
        Self::Defects,
    ];

    fn run(self, run: &Run) -> Result<Runs, String> {
        match self {
            Self::States => states::run(run),
            Self::Errors => inject::run(run),
            Self::Cuts => cuts::run(run),
            Self::Torn => torn::run(run),
            Self::Rot => rot::run(run),
            Self::Full => full::run(run),
            Self::Agent => agent::run(run),
            Self::Kills => kills::run(run),
            Self::Defects => defects::run(run),
        }
    }

    /// Mounts file systems of its own.
    fn needs_root(self) -> bool {
        match self {
            Self::Cuts | Self::Full | Self::Agent => true,
            Self::States | Self::Errors | Self::Torn | Self::Rot | Self::Kills | Self::Defects => false,
        }
    }

    /// Whether it can do what it says here. What cannot fails: nothing is skipped.
    fn allowed(self) -> Result<(), String> {
        match !self.needs_root() || rustix::process::geteuid().is_root() {
            true => Ok(()),
            false => Err(format!("{} mounts file systems of its own, which needs root: run it with sudo", self.name())),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Run(wanted) => run(&wanted),
        Command::Writer(task) => writer::run(task).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("faults: {why}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing failed.
fn run(wanted: &Wanted) -> Result<bool, String> {
    wait::heed_signals()?;
    let parts = if wanted.parts.is_empty() { Part::EVERY.to_vec() } else { wanted.parts.clone() };
    let Wanted { long, seed, count, ref only, .. } = *wanted;
    let run = Run { long, seed, count, only: only.clone() };
    parts.iter().try_for_each(|part| part.allowed())?;
    let done = run_parts(&parts, &run);
    runs::hand_back()?;
    done
}

fn run_parts(parts: &[Part], run: &Run) -> Result<bool, String> {
    let Run { long, seed, .. } = *run;
    let started = Instant::now();
    let mut table = Vec::new();
    let mut whole = true;
    for &part in parts {
        println!("{}, seed {seed}", part.name());
        let began = Instant::now();
        let runs = part.run(run).map_err(|why| format!("{}: {why}", part.name()))?;
        whole &= runs.failed == 0 && runs.done > 0;
        println!("  {}", runs.found.told());
        runs.notes.iter().for_each(|note| println!("  {note}"));
        let seconds = began.elapsed().as_secs_f64();
        let rate = runs.done as f64 / runs.took.as_secs_f64().max(0.001);
        table.push(format!(
            "{:<8} {:>7} looked at  {:>4} failed  {seconds:>7.1} s  {rate:>7.1}/s",
            part.name(),
            runs.done,
            runs.failed
        ));
        println!("  {}", table[table.len() - 1]);
    }
    println!(
        "\nfaults, {} tier, seed {seed}, {:.0} s",
        if long { "long" } else { "short" },
        started.elapsed().as_secs_f64()
    );
    table.iter().for_each(|line| println!("  {line}"));
    Ok(whole)
}

/// An error with its causes.
fn told(error: impl Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
