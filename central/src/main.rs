//! `picket-central`: keys, acceptance, the ingest itself, and its state at a glance.

use clap::{Parser, Subcommand};
use picket_central::clock::Clock;
use picket_central::custody::{self, Custody};
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
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

#[derive(Parser)]
#[command(version, about = "Verifies the records of Picket gateways, stores them and signs receipts")]
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
        /// Public identity key of the gateway in base64url
        #[arg(long, allow_hyphen_values = true)]
        identity: String,
        /// Who approves
        #[arg(long)]
        by: String,
        /// File to write
        #[arg(long)]
        out: PathBuf,
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
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(ansi).with_max_level(level).init();
    let result = match Cli::parse().command {
        Command::Init { dir, sms } => init(&dir, &sms),
        Command::Accept { dir, site, gateway, identity, by, out } => {
            accept(&Custody::at(&dir), [&site, &gateway, &identity], by, &out)
        }
        Command::Run { config } => run(&config),
        Command::Gateways { dir, gateway } => gateways(&Custody::at(&dir), gateway.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = if error.is::<SettingsError>() { ExitCode::from(2) } else { ExitCode::FAILURE };
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            eprintln!("picket-central: {text}");
            code
        }
    }
}

fn init(dir: &std::path::Path, sms: &str) -> Result<(), Box<dyn Error>> {
    let custody = Custody::init(dir, &Name::parse(sms)?)?;
    Store::open(&custody.store())?;
    println!("{}", custody.accept_pub()?.text());
    Ok(())
}

fn accept(
    custody: &Custody,
    [site, gw, identity]: [&str; 3],
    by: String,
    out: &std::path::Path,
) -> Result<(), Box<dyn Error>> {
    let (site, gw, identity) = (Name::parse(site)?, Name::parse(gw)?, PublicKey::parse(identity)?);
    let mut store = Store::open(&custody.store())?;
    if let Some(line) = store.acceptance(&site, &gw, &identity)? {
        custody::write_new(out, &line)?;
        println!("{}", custody.accept_pub()?.text());
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
    let signed = acceptance.sign(&custody.accept_key()?)?;
    let Acceptance { site, gw, identity, .. } = acceptance;
    let accepted = Accepted { site, gw, identity, link: signed.link };
    store.accept(&signed.line, &accepted)?;
    custody::write_new(out, &signed.line)?;
    println!("{}", custody.accept_pub()?.text());
    Ok(())
}

fn gateways(custody: &Custody, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let mut gateways = status::gateways(&custody.store())?;
    if let Some(only) = only {
        gateways.retain(|gateway| gateway.gw == only);
        if gateways.is_empty() {
            return Err(format!("no gateway {only:?} was accepted here").into());
        }
    }
    print!("{}", status::table(&gateways));
    if let Some(only) = only {
        print!("{}", status::details(&custody.store(), &Name::parse(only)?)?);
    }
    Ok(())
}

fn run(config: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(config)?;
    let custody = Custody::at(&settings.dir);
    let sms = custody.sms()?;
    let client = settings.client.unwrap_or_else(|| sms.as_str().to_owned());
    let ingest = Ingest::open(&custody.store(), sms, custody.receipt_key()?)?;
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
        let mut worker = tokio::task::spawn_blocking(move || work(ingest, urgent, record, stopped));
        tokio::select! {
            biased;
            // A fault of the store first: the sessions end because of it.
            ended = &mut worker => return Ok(ended??),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
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

/// The worker has a thread of its own, because the store blocks.
fn work(
    ingest: Ingest,
    urgent: mpsc::Receiver<picket_central::link::Heard>,
    record: mpsc::Receiver<picket_central::link::Heard>,
    stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without input and output needs nothing from the system");
    runtime.block_on(Worker::new(ingest, Clock::start()).run(urgent, record, stop))
}
