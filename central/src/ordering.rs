//! Commands that sign something for a gateway: tokens, approvals, orders, commands.

use crate::{Usage, existing, name, say};
use clap::{Args, Subcommand};
use picket_central::clock::Clock;
use picket_central::custody::{self, Custody, CustodyError};
use picket_central::enrol::{self, EnrolFault};
use picket_central::orders::{self, OrderFault, Wanted};
use picket_central::store::Store;
use picket_record::acceptance::is_approver;
use picket_record::command::Act;
use picket_record::order::Window;
use picket_record::shown;
use serde_json::{Map, Value};
use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

const HOUR_MS: i64 = 3_600_000;
/// Largest register that a gateway takes.
const REGISTER_MAX: u64 = 1024 * 1024;

/// Where, for whom, and who decides.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Directory of the central system
    #[arg(long)]
    dir: PathBuf,
    /// Name of the gateway
    #[arg(long)]
    gateway: String,
    /// Who decides
    #[arg(long)]
    by: String,
}

/// A token for one enrolment.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// Directory of the central system
    #[arg(long)]
    dir: PathBuf,
    /// Site of the gateway
    #[arg(long)]
    site: String,
    /// Name of the gateway
    #[arg(long)]
    gateway: String,
    /// How long it may be used, 1 to 24
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=24))]
    hours: i64,
    /// File to write; must not exist yet
    #[arg(long)]
    out: PathBuf,
}

/// An approval.
#[derive(Debug, Args)]
pub(crate) struct ApproveArguments {
    /// Directory of the central system
    #[arg(long)]
    dir: PathBuf,
    /// The request that `picket enroll` wrote
    #[arg(long)]
    request: PathBuf,
    /// The fingerprint as somebody reads it at the gateway; asked for at a terminal where it is left out
    #[arg(long)]
    fingerprint: Option<String>,
    /// Who approves
    #[arg(long)]
    by: String,
    /// File to write; must not exist yet
    #[arg(long)]
    out: PathBuf,
}

/// An order.
#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    #[command(flatten)]
    whom: Whom,
    /// Register that is to be in force, TOML
    #[arg(long)]
    register: Option<PathBuf>,
    /// A setting: heartbeat_s=30, retention_days=90; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// A window for a drill: ID,FROM,TO,EQUIPMENT[,EQUIPMENT...] with UTC times such as 2026-11-22T14:00:00.000Z
    #[arg(long = "drill", value_name = "WINDOW")]
    drills: Vec<String>,
    /// Days after which it is stale
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
}

/// What a command asks for.
#[derive(Debug, Subcommand)]
pub(crate) enum Asked {
    /// Begin a drill inside a window of the order in force
    DrillStart {
        /// Name of the drill
        #[arg(long)]
        id: String,
        /// Seconds at most
        #[arg(long = "for", value_name = "SECONDS")]
        for_s: u64,
        /// Equipment that takes part; may be given again
        #[arg(long, required = true)]
        equipment: Vec<String>,
    },
    /// End a drill
    DrillEnd {
        /// Name of the drill
        #[arg(long)]
        id: String,
    },
    /// Have the gateway say a heartbeat now
    Heartbeat,
}

/// A file that is to be written is not there, before anything is stored that it belongs to.
pub(crate) fn absent(out: &Path) -> Result<(), CustodyError> {
    match out.symlink_metadata() {
        Ok(_) => Err(CustodyError::Exists { path: out.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Who decides: kept, signed and shown to others.
pub(crate) fn by(text: &str) -> Result<String, Usage> {
    let why = "--by is a name of 1 to 128 bytes without control or invisible characters";
    if is_approver(text) { Ok(text.to_owned()) } else { Err(Usage(why.into())) }
}

pub(crate) fn now_ms() -> i64 {
    Clock::start().now().wall_ms
}

fn open(dir: &Path) -> Result<(Custody, Store), Box<dyn Error>> {
    let custody = existing(dir)?;
    let store = Store::open(&custody.store())?;
    Ok((custody, store))
}

pub(crate) fn token(arguments: &TokenArguments) -> Result<(), Box<dyn Error>> {
    let (site, gw) = (name("--site", &arguments.site)?, name("--gateway", &arguments.gateway)?);
    absent(&arguments.out)?;
    let (custody, mut store) = open(&arguments.dir)?;
    if store.gateway(&gw)?.is_some() {
        let why = format!("gateway {gw} was accepted before; its name stands for one key: give another name");
        return Err(Usage(why).into());
    }
    let line = enrol::issue(&custody, &mut store, (&site, &gw), arguments.hours * HOUR_MS, now_ms()).map_err(usage)?;
    custody::write_new(&arguments.out, &line)?;
    let out = arguments.out.display();
    say(format!(
        "{out} is for {site}/{gw}, once, within {} hours. On the gateway: picket enroll --token {out}",
        arguments.hours
    ));
    Ok(())
}

pub(crate) fn approve(arguments: &ApproveArguments) -> Result<(), Box<dyn Error>> {
    absent(&arguments.out)?;
    let by = by(&arguments.by)?;
    let (custody, mut store) = open(&arguments.dir)?;
    let line = std::fs::read_to_string(&arguments.request)
        .map_err(|error| Usage(format!("--request: {}: {error}", arguments.request.display())))?;
    let asked = enrol::read(&line).map_err(usage)?;
    let request = &asked.request;
    say(format!("{}/{} ({}) asks to be accepted", request.site, request.gw, shown::plain(&request.machine)));
    let typed = match &arguments.fingerprint {
        Some(typed) => typed.clone(),
        None => ask_for_fingerprint()?,
    };
    if !enrol::is_fingerprint(&asked, &typed) {
        let why = "this is not the fingerprint of the key in the request: nothing was accepted. Is it the right \
                   gateway? else somebody put another request in its place";
        return Err(Usage(why.into()).into());
    }
    let answer = enrol::approve(&custody, &mut store, &asked, &by, Clock::start().now());
    let answer = answer.map_err(usage)?;
    custody::write_new(&arguments.out, answer.text.trim_end())?;
    if let Some(why) = answer.uncertified {
        say(format!("without a certificate, which the gateway can ask for later: {why}"));
    }
    say(format!("accepted; on the gateway: picket enroll --answer {}", arguments.out.display()));
    Ok(())
}

/// What is shown is not enough: the one who approves types what somebody reads at the gateway.
fn ask_for_fingerprint() -> Result<String, Box<dyn Error>> {
    if !std::io::stdin().is_terminal() {
        return Err(Usage("--fingerprint is needed where nobody can be asked".into()).into());
    }
    print!("fingerprint that the gateway shows: ");
    std::io::stdout().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    Ok(typed)
}

pub(crate) fn order(arguments: &OrderArguments) -> Result<(), Box<dyn Error>> {
    let (custody, mut store) = open(&arguments.whom.dir)?;
    let gw = name("--gateway", &arguments.whom.gateway)?;
    let wanted = Wanted {
        register: arguments.register.as_deref().map(register).transpose()?,
        settings: arguments.settings.iter().map(|text| setting(text)).collect::<Result<Map<_, _>, _>>()?,
        drills: arguments.drills.iter().map(|text| window(text)).collect::<Result<_, _>>()?,
        life_ms: arguments.days * 24 * HOUR_MS,
        by: by(&arguments.whom.by)?,
    };
    let ver = orders::order(&custody, &mut store, &gw, &wanted, now_ms()).map_err(ordered)?;
    say(format!("order {ver} waits for {gw}; picket-central gateways --gateway {gw} shows when it is in force"));
    Ok(())
}

pub(crate) fn command(whom: &Whom, asked: Asked) -> Result<(), Box<dyn Error>> {
    let (custody, mut store) = open(&whom.dir)?;
    let gw = name("--gateway", &whom.gateway)?;
    let act = match asked {
        Asked::DrillStart { id, for_s, equipment } => Act::DrillStart { id, for_s, equipment },
        Asked::DrillEnd { id } => Act::DrillEnd { id },
        Asked::Heartbeat => Act::Heartbeat,
    };
    let n = orders::command(&custody, &mut store, &gw, act, &by(&whom.by)?, now_ms()).map_err(ordered)?;
    say(format!("command {n} is sent to {gw} for ten minutes"));
    Ok(())
}

fn register(file: &Path) -> Result<String, Usage> {
    let told = |error| Usage(format!("--register: {}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(told)?.len();
    if size > REGISTER_MAX {
        return Err(Usage(format!("--register: {} has {size} bytes, more than {REGISTER_MAX}", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(told)?;
    // What a gateway cannot read it refuses: whether it means something there is for the gateway to say.
    match toml::de::DeTable::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Usage(format!("--register: {} is not TOML: {}", file.display(), error.message()))),
    }
}

fn setting(text: &str) -> Result<(String, Value), Usage> {
    let (name, value) = text.split_once('=').ok_or_else(|| Usage(format!("--set {text}: write NAME=VALUE")))?;
    let value = match (value.parse::<u64>(), value.parse::<bool>()) {
        (Ok(n), _) => n.into(),
        (_, Ok(flag)) => flag.into(),
        _ => value.into(),
    };
    Ok((name.to_owned(), value))
}

fn window(text: &str) -> Result<Window, Usage> {
    let wrong =
        || Usage(format!("--drill {text}: write ID,FROM,TO,EQUIPMENT with times like 2026-11-22T14:00:00.000Z"));
    let mut fields = text.split(',').map(str::to_owned);
    let id = fields.next().ok_or_else(wrong)?;
    let mut moment = || fields.next().and_then(|text| picket_record::wall::from_text(&text)).ok_or_else(wrong);
    let (from_ms, to_ms) = (moment()?, moment()?);
    let equipment: Vec<String> = fields.collect();
    if equipment.is_empty() || from_ms >= to_ms {
        return Err(wrong());
    }
    Ok(Window { id, from_ms, to_ms, equipment })
}

/// What the caller can put right ends with 2, the rest with 3.
fn usage(fault: EnrolFault) -> Box<dyn Error> {
    match fault {
        EnrolFault::Custody(_) | EnrolFault::Store(_) => fault.into(),
        EnrolFault::NoRoot | EnrolFault::Unwritable(_) | EnrolFault::Request(_) | EnrolFault::Unfit(_) => {
            Usage(fault.to_string()).into()
        }
    }
}

fn ordered(fault: OrderFault) -> Box<dyn Error> {
    match fault {
        OrderFault::Custody(_) | OrderFault::Store(_) => fault.into(),
        OrderFault::NoRoot | OrderFault::Gateway(_) | OrderFault::Unwritable(_) => Usage(fault.to_string()).into(),
    }
}
