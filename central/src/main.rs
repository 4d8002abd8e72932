//! `picket-central`: keys, acceptance, the ingest itself, and its state at a glance. Exit codes are those of `picket`:
//! 0 fine, 2 wrong settings or usage, 3 cannot run. No command here has findings, which would be 1.

mod accepting;
mod certifying;
mod ordering;
mod rooting;
mod supervise;

use clap::{Parser, Subcommand};
use picket_central::clock::Clock;
use picket_central::custody::{Custody, CustodyError};
use picket_central::settings::SettingsError;
use picket_central::store::Store;
use picket_record::encode::Name;
use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    version,
    about = "Verifies the records of Picket gateways, stores them and signs receipts",
    after_help = "Exit codes: 0 fine, 2 wrong settings or usage, 3 cannot run (store, keys or files)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the directory with the keys of a central system
    Init {
        /// Directory to make
        #[arg(long)]
        dir: PathBuf,
        /// Name of the central system: a-z, 0-9 and -
        #[arg(long)]
        sms: String,
    },
    /// Accept a gateway and write the signed acceptance for it
    Accept {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
        /// Site of the gateway
        #[arg(long)]
        site: String,
        /// Name of the gateway
        #[arg(long)]
        gateway: String,
        /// Public identity key of the gateway, as `picket identity` prints it
        #[arg(long, allow_hyphen_values = true)]
        identity: String,
        /// Who approves
        #[arg(long)]
        by: String,
        /// File to write; must not exist yet
        #[arg(long)]
        out: PathBuf,
    },
    /// Trust no record of a gateway after this one any more; they are kept, and nothing is done about them
    Revoke {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
        /// Name of the gateway
        #[arg(long)]
        gateway: String,
        /// Number of the last record that is trusted
        #[arg(long)]
        after: u64,
        /// Who decides
        #[arg(long)]
        by: String,
    },
    /// Close an alarm that a gateway no longer knows, because its disk was put back to an older state
    CloseAlarm {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
        /// Name of the gateway
        #[arg(long)]
        gateway: String,
        /// The alarm, as `picket-central gateways --gateway` lists it
        #[arg(long)]
        alarm: String,
        /// Who decides
        #[arg(long)]
        by: String,
    },
    /// Root documents: what gateways believe this central system by
    #[command(subcommand)]
    Root(rooting::RootCommand),
    /// The authority that signs the certificates of gateways' links
    #[command(subcommand)]
    Authority(certifying::AuthorityCommand),
    /// Answer a gateway's wish for a certificate that was carried here by hand
    Certify(certifying::CertifyArguments),
    /// Give out a token for one enrolment
    Token(ordering::TokenArguments),
    /// Accept the gateway of an enrolment, once its fingerprint was compared
    Approve(ordering::ApproveArguments),
    /// Order register, settings and drills of a gateway, as one whole
    Order(ordering::OrderArguments),
    /// Have a gateway do something now
    #[command(name = "command")]
    Act {
        #[command(flatten)]
        whom: ordering::Whom,
        /// What
        #[command(subcommand)]
        asked: ordering::Asked,
    },
    /// Take records from the broker until SIGTERM
    Run {
        /// Settings
        #[arg(long)]
        config: PathBuf,
    },
    /// List the gateways and the state of their records
    #[command(alias = "status")]
    Gateways {
        /// Directory of the central system
        #[arg(long)]
        dir: PathBuf,
        /// Only this gateway, with what is missing, its forks and its last refusals
        #[arg(long)]
        gateway: Option<String>,
    },
}

fn main() -> ExitCode {
    // Keys, store and acceptances are their owner's alone, whoever starts this by hand.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    if let Err(why) = picket_session::memory::close() {
        eprintln!("picket-central: {why}");
        return ExitCode::from(3);
    }
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(ansi).with_max_level(level).init();
    let result = match Cli::parse().command {
        Command::Init { dir, sms } => init(&dir, &sms),
        Command::Accept { dir, site, gateway, identity, by, out } => {
            accepting::accept(&dir, [&site, &gateway, &identity], by, &out)
        }
        Command::Revoke { dir, gateway, after, by } => accepting::revoke(&dir, &gateway, after, &by),
        Command::CloseAlarm { dir, gateway, alarm, by } => accepting::close_alarm(&dir, &gateway, &alarm, &by),
        Command::Root(command) => rooting::root(&command),
        Command::Authority(command) => certifying::authority(&command),
        Command::Certify(arguments) => certifying::certify(&arguments),
        Command::Token(arguments) => ordering::token(&arguments),
        Command::Approve(arguments) => ordering::approve(&arguments),
        Command::Order(arguments) => ordering::order(&arguments),
        Command::Act { whom, asked } => ordering::command(&whom, asked),
        Command::Run { config } => supervise::run(&config),
        Command::Gateways { dir, gateway } => accepting::gateways(&dir, gateway.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picket-central: {}", told(&*error));
            ExitCode::from(if is_usage(&*error) { 2 } else { 3 })
        }
    }
}

/// Prints, with a line feed at the end. Whoever closes the pipe has read enough.
fn say(text: impl Display) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("picket-central: cannot print: {error}");
            // An empty file must not pass for an answer.
            std::process::exit(3);
        }
        _ => {}
    }
}

/// What the caller gave is wrong, and how to put it right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn is_usage(error: &(dyn Error + 'static)) -> bool {
    error.is::<Usage>()
        || error.is::<SettingsError>()
        || matches!(error.downcast_ref(), Some(CustodyError::Exists { .. } | CustodyError::OpenDir { .. }))
}

/// An error with its causes, each once: some repeat what they wrap.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn name(option: &str, text: &str) -> Result<Name, Usage> {
    Name::parse(text).map_err(|refusal| Usage(format!("{option}: {refusal}")))
}

/// The directory of a central system that was made.
fn existing(dir: &Path) -> Result<Custody, Usage> {
    let custody = Custody::at(dir);
    if custody.store().exists() {
        return Ok(custody);
    }
    let dir = dir.display();
    Err(Usage(format!("{dir} holds no central system; make one: picket-central init --dir {dir} --sms NAME")))
}

fn init(dir: &Path, sms: &str) -> Result<(), Box<dyn Error>> {
    let custody = Custody::init(dir, &name("--sms", sms)?)?;
    Store::open(&custody.store())?;
    custody.make_root(Clock::start().now().wall_ms)?;
    say(custody.accept_pub()?.text());
    rooting::made(&custody, dir)
}
