//! `picket`: the edge agent's command line. Each command prints for people; exit codes: 0 fine, 1 findings, 2 wrong
//! settings or usage (verify: or a file that cannot be read), 3 cannot run.

use clap::{Parser, Subcommand};
use picket::supervise::{End, VERSION};
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

mod commands;

/// Edge agent for physical security equipment: polls, checks, signs, buffers and reports.
#[derive(Debug, Parser)]
#[command(
    name = "picket",
    version = VERSION,
    after_help = "Exit codes: 0 fine, 1 findings (verify, report, register), 2 wrong settings or usage, 3 cannot run."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Guard the site that the settings describe, until SIGTERM.
    Run {
        /// Folder with agent.toml and register.toml.
        #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
        config: PathBuf,
    },
    /// Tell every fault of settings, profiles, register and manifest at once; opens no port.
    Check {
        /// Folder with agent.toml and register.toml.
        #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
        config: PathBuf,
        /// `text` or `json`.
        #[arg(long, default_value = "text")]
        format: String,
    },
    /// What the running agent sees.
    Status {
        /// Folder of the control socket.
        #[arg(long, value_name = "DIR", default_value = "/run/picket")]
        runtime: PathBuf,
        /// The whole snapshot as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write records of the running agent with all that a stranger needs to verify them, signed by the gateway.
    Export(commands::Export),
    /// Erase the personal data beside records of the running agent; a signed record states it, and on whose authority.
    Erase {
        /// Folder of the control socket of the running agent.
        #[arg(long, value_name = "DIR", default_value = "/run/picket")]
        runtime: PathBuf,
        /// Numbers of records: 17, 20..31, or several with commas between.
        #[arg(long, value_name = "N|A..B")]
        records: String,
        /// Who orders it: an office and no person, because it stays in the record.
        #[arg(long, value_name = "WHO")]
        authority: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Report to the running agent what was done to equipment, or about a nonconformity; a signed record states it. Alone it
    /// lists what there is.
    Work(commands::Work),
    /// Check, compare, import or export the register: tables of calibration, asset and maintenance systems, whole or not at
    /// all.
    Register(commands::Register),
    /// Write printable labels whose QR codes open equipment on the guards' page.
    Label(commands::Label),
    /// Verify an exported folder, or a file of records: what is verified, what was lost and declared, what contradicts.
    Verify(commands::Verify),
    /// Report from an exported folder, which is verified first: key figures, deployment, or evidence by clause.
    Report(commands::Report),
    /// Save every record and the settings of the running agent; the identity key stays where it is.
    Backup(commands::Backup),
    /// Verify a backup, and make an archive of it on a box with a new identity.
    Restore(commands::Restore),
    /// Become known to a central system: with its token make key and request, with its answer install what it says.
    Enroll {
        /// Folder with agent.toml, whose [site] and [identity] are used.
        #[arg(long, value_name = "DIR", default_value = "/etc/picket")]
        config: PathBuf,
        /// Token of the central side, `-` for standard input: begins an enrolment.
        #[arg(long, value_name = "FILE")]
        token: Option<PathBuf>,
        /// Answer of the central side: ends it.
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
        /// Where the request is written.
        #[arg(long, value_name = "FILE", default_value = "request.jws")]
        out: PathBuf,
    },
    /// Have the running agent renew the certificate of the central link now.
    Renew {
        /// Folder of the control socket of the running agent.
        #[arg(long, value_name = "DIR", default_value = "/run/picket")]
        runtime: PathBuf,
        /// Write the wish to a file too, for a link that is down: it is carried to the centre by hand.
        #[arg(long, value_name = "FILE", conflicts_with = "answer")]
        out: Option<PathBuf>,
        /// Answer of the centre that was carried here by hand.
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
    },
    /// Print the gateway's public identity key; makes the key file if it is missing.
    Identity {
        /// Key file.
        #[arg(value_name = "FILE", default_value = "/var/lib/picket/identity.key")]
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    // Journal, sockets, keys and exports are their owner's alone, whoever starts this by hand.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    if let Err(why) = picket::secrecy::close_memory() {
        return refuse(&why);
    }
    let cli = Cli::parse();
    match cli.command {
        Command::Run { config } => commands::run(&config),
        Command::Check { config, format } => commands::check(&config, &format),
        Command::Status { runtime, json } => commands::status(&runtime, json),
        Command::Export(export) => commands::export(&export),
        Command::Erase { runtime, records, authority, reason } => {
            commands::erase(&runtime, &records, &authority, &reason)
        }
        Command::Work(work) => commands::work(&work),
        Command::Register(register) => commands::register(&register),
        Command::Label(label) => commands::label(&label),
        Command::Verify(verify) => commands::verify(&verify),
        Command::Report(report) => commands::report(&report),
        Command::Backup(backup) => commands::backup(&backup),
        Command::Restore(restore) => commands::restore(&restore),
        Command::Enroll { config, token, answer, out } => {
            commands::enroll(&config, token.as_deref(), answer.as_deref(), &out)
        }
        Command::Renew { runtime, out, answer } => commands::renew(&runtime, out.as_deref(), answer.as_deref()),
        Command::Identity { file } => commands::identity(&file),
    }
}

/// Log level from `PICKET_LOG` (error, warn, info, debug); info where it is not set or no level.
fn log() {
    let level = std::env::var("PICKET_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(tracing::Level::INFO);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(ansi)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
}

fn ended(end: Result<End, String>) -> ExitCode {
    match end {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Failed(why)) => refuse(&why),
        Err(why) => refuse(&why),
    }
}

/// Prints, with a line feed at the end. Whoever closes the pipe has read enough.
fn say(text: impl Display) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("picket: cannot print: {error}");
            // An empty file must not pass for an answer.
            std::process::exit(3);
        }
        _ => {}
    }
}

/// Says why, and that it cannot run.
fn refuse(why: &str) -> ExitCode {
    eprintln!("picket: {why}");
    ExitCode::from(3)
}
