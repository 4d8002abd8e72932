//! `picket-central`: keys, acceptance, the ingest itself, and its state at a glance. Exit codes are those of `picket`:
//! 0 fine, 2 wrong settings or usage, 3 cannot run. No command here has findings, which would be 1.

mod certifying;
mod ordering;
mod rooting;

use clap::{Parser, Subcommand};
use picket_central::check::Desk;
use picket_central::clock::Clock;
use picket_central::custody::{self, Custody, CustodyError};
use picket_central::enrol;
use picket_central::ingest::Ingest;
use picket_central::link::{Lane, QUEUE, Session};
use picket_central::settings::{Settings, SettingsError};
use picket_central::status;
use picket_central::store::{Accepted, Store, StoreError};
use picket_central::work::Worker;
use picket_record::acceptance::Acceptance;
use picket_record::encode::Name;
use picket_record::keys::PublicKey;
use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Largest number of a record.
const SEQ_MAX: u64 = (1 << 53) - 1;
/// Threads that verify signatures, on machines with more cores than one gateway's disk could ever feed.
const CHECKERS_MAX: usize = 16;

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
            accept(&dir, [&site, &gateway, &identity], by, &out)
        }
        Command::Revoke { dir, gateway, after, by } => revoke(&dir, &gateway, after, &by),
        Command::CloseAlarm { dir, gateway, alarm, by } => close_alarm(&dir, &gateway, &alarm, &by),
        Command::Root(command) => rooting::root(&command),
        Command::Authority(command) => certifying::authority(&command),
        Command::Certify(arguments) => certifying::certify(&arguments),
        Command::Token(arguments) => ordering::token(&arguments),
        Command::Approve(arguments) => ordering::approve(&arguments),
        Command::Order(arguments) => ordering::order(&arguments),
        Command::Act { whom, asked } => ordering::command(&whom, asked),
        Command::Run { config } => run(&config),
        Command::Gateways { dir, gateway } => gateways(&dir, gateway.as_deref()),
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

fn accept(dir: &Path, [site, gw, identity]: [&str; 3], by: String, out: &Path) -> Result<(), Box<dyn Error>> {
    let (site, gw) = (name("--site", site)?, name("--gateway", gw)?);
    let identity = PublicKey::parse(identity).map_err(|refusal| {
        Usage(format!("--identity: {refusal}; give it as `picket identity` prints it on the gateway"))
    })?;
    ordering::absent(out)?;
    let by = ordering::by(&by)?;
    let custody = existing(dir)?;
    let mut store = Store::open(&custody.store())?;
    if let Some(line) = store.acceptance(&site, &gw, &identity)? {
        custody::write_new(out, &line)?;
        say(custody.accept_pub()?.text());
        return Ok(());
    }
    let acceptance = Acceptance {
        sms: custody.sms()?,
        site,
        gw,
        identity,
        receipt_key: custody.receipt_key()?.public(),
        ts_ms: Clock::start().now().wall_ms,
        by,
    };
    let signed = acceptance.sign(&custody.accept_key()?).map_err(|refusal| Usage(format!("--by: {refusal}")))?;
    let Acceptance { site, gw, identity, .. } = acceptance;
    if let Some(known) = status::gateways(&custody.store())?.into_iter().find(|known| known.gw == gw.as_str()) {
        let site = known.site;
        let why = format!("gateway {gw} was accepted before, at site {site}; its name stands for one site and one key");
        return Err(Usage(format!("{why}: give the new gateway another name")).into());
    }
    let accepted = Accepted { site, gw, identity, link: signed.link };
    store.accept(&signed.line, &accepted)?;
    custody::write_new(out, &signed.line)?;
    say(custody.accept_pub()?.text());
    Ok(())
}

fn revoke(dir: &Path, gateway: &str, after: u64, by: &str) -> Result<(), Box<dyn Error>> {
    let (custody, gw) = (existing(dir)?, name("--gateway", gateway)?);
    let by = ordering::by(by)?;
    if after > SEQ_MAX {
        return Err(Usage("--after is a number below 2^53".into()).into());
    }
    if !status::gateways(&custody.store())?.iter().any(|known| known.gw == gateway) {
        return Err(
            Usage(format!("no gateway {gateway:?} was accepted here; picket-central gateways lists all")).into()
        );
    }
    Store::open(&custody.store())?.revoke(&gw, after, &by, Clock::start().now().wall_ms)?;
    gateways(dir, Some(gateway))
}

fn close_alarm(dir: &Path, gateway: &str, alarm: &str, by: &str) -> Result<(), Box<dyn Error>> {
    let (custody, gw) = (existing(dir)?, name("--gateway", gateway)?);
    let by = ordering::by(by)?;
    if !Store::open(&custody.store())?.close_alarm(&gw, alarm, &by, Clock::start().now().wall_ms)? {
        let all = format!("picket-central gateways --dir {} --gateway {gateway} lists them", dir.display());
        let why = "its gateway closes it, or nobody knows it";
        return Err(Usage(format!("no alarm {alarm:?} of {gateway} waits to be closed here: {why}; {all}")).into());
    }
    gateways(dir, Some(gateway))
}

fn gateways(dir: &Path, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let custody = existing(dir)?;
    let mut gateways = status::gateways(&custody.store())?;
    if let Some(only) = only {
        gateways.retain(|gateway| gateway.gw == only);
        if gateways.is_empty() {
            let all = "without --gateway all are listed";
            return Err(Usage(format!("no gateway {only:?} was accepted here; {all}")).into());
        }
    }
    say(status::table(&gateways).trim_end());
    if let Some(only) = only {
        say(status::details(&custody.store(), &Name::parse(only)?)?.trim_end());
    }
    Ok(())
}

fn run(config: &Path) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(config)?;
    let custody = existing(&settings.dir)?;
    custody.settle()?;
    let sms = custody.sms()?;
    let client = settings.client.unwrap_or_else(|| sms.as_str().to_owned());
    let roots = custody.roots()?;
    let ingest = Ingest::open(&custody.store(), sms, custody.receipt_key()?)?.with_roots(roots);
    let ingest = ingest.with_certifier(enrol::certifier(&custody)?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut sessions = JoinSet::new();
        let mut lane = |lane| {
            let (to, from) = mpsc::channel(QUEUE);
            let session = Session { lane, client: client.clone(), broker: settings.broker.clone() };
            sessions.spawn(session.run(to));
            from
        };
        let (urgent, record) = (lane(Lane::Urgent), lane(Lane::Record));
        let (stop, stopped) = watch::channel(false);
        let desk = Desk::default();
        // Without any, the worker would wait for ever.
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(CHECKERS_MAX);
        let mut checkers = JoinSet::new();
        for _ in 0..cores {
            let desk = desk.clone();
            checkers.spawn_blocking(move || desk.serve());
        }
        let _close = Closing(desk.clone());
        let mut worker = tokio::task::spawn_blocking(move || work(ingest, desk, urgent, record, stopped));
        tokio::select! {
            biased;
            // A fault of the store first: the sessions end because of it.
            ended = &mut worker => return Ok(ended??),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            Some(ended) = checkers.join_next() => {
                stop.send_replace(true);
                worker.await??;
                return Err(ended.err().map_or("a checker of signatures ended".into(), Into::into));
            }
            Some(ended) = sessions.join_next() => {
                ended?;
                // A session ends only when the worker is gone, so this is why.
                worker.await??;
                return Err("a session with the broker ended".into());
            }
        }
        tracing::info!("stopping after the open transaction");
        stop.send_replace(true);
        worker.await??;
        Ok(())
    })
}

/// Sends the checkers home, however the program ends: the runtime waits for them.
struct Closing(Desk);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The worker has a thread of its own, because the store blocks.
fn work(
    ingest: Ingest,
    desk: Desk,
    urgent: mpsc::Receiver<picket_central::link::Heard>,
    record: mpsc::Receiver<picket_central::link::Heard>,
    stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without input and output needs nothing from the system");
    runtime.block_on(Worker::new(ingest, desk, Clock::start()).run(urgent, record, stop))
}
