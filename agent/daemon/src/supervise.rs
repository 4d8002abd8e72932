//! Starts every owner, waits for the first that ends, and stops the rest in order. The only place that spawns.

use crate::certificate::{Around, Keeper, Ours};
use crate::evidence::restore;
use crate::journal::thread::{self, Request};
use crate::journal::{Credentials, Journal, told};
use crate::line::Carrier;
use crate::settings::{self, Faults, Loaded, RegisterText};
use crate::think::{Asked, Carriers, Thinker};
use crate::watchdog::{Callee, Mending};
use crate::{begun, central, clock, console, control, line, secrecy};
use picket_core::plan::LineId;
use picket_core::register::Register;
use picket_core::site::{Site, Start};
use picket_core::wire::{Input, Recovered};
use picket_record::acceptance::Acceptance;
use picket_record::body::When;
use picket_record::encode::Name;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

/// Inputs: one outcome and sixteen heard per line at most, a few from journal and link; more waits in its sender.
const INPUTS: usize = 256;
/// Orders of one line: one ask, and a confirm for each heard under its credit.
const ORDERS: usize = 64;
/// Requests: one append, eight receipts, one of an export; the rest is for sends, of links that are gone too.
const REQUESTS: usize = 64;
/// Parcels: the batches that may be under way, one of the urgent lane, an ask and a call.
const PARCELS: usize = picket_core::uplink::OPEN_BATCHES + 4;
/// Every owner finishes what is under way in this time, or is left behind.
const LAST_EXCHANGE: Duration = Duration::from_secs(3);

/// Version in records and on the page.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// In order, after SIGTERM or SIGINT.
    Stopped,
    /// An owner ended by itself: systemd starts the agent again.
    Failed(String),
}

/// Why it does not begin.
#[derive(Debug)]
pub enum Refusal {
    /// The register is wrong, and no good one was ever in force.
    NoRegister(Faults),
    /// Something of the world is not there: a key, a port, the disk.
    Cannot(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Cannot(why)
    }
}

/// Runs the agent on this thread until it is stopped. A wrong register leaves the last good one in force.
pub fn run(loaded: Loaded, register: Result<(Register, RegisterText), Faults>) -> Result<End, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    let local = LocalSet::new();
    let end = runtime.block_on(local.run_until(agent(loaded, register)));
    drop(local);
    runtime.shutdown_timeout(LAST_EXCHANGE);
    end
}

async fn agent(mut loaded: Loaded, register: Result<(Register, RegisterText), Faults>) -> Result<End, Refusal> {
    let mut clock = clock::Clock::new(loaded.clock);
    let (site_name, gateway) = (loaded.plan.site.clone(), loaded.plan.gateway.clone());
    let register = match register {
        // Nothing is written for a start that cannot be.
        Err(faults) if !loaded.journal.file.exists() => return Err(Refusal::NoRegister(faults)),
        register => register,
    };
    let credentials = loaded.journal.credentials(&site_name, &gateway).map_err(|fault| told(&fault))?;
    let accepted = Acceptance::claims(credentials.acceptance_line.trim());
    let (accepted, _) = accepted.map_err(|refusal| format!("the acceptance: {refusal}"))?;
    let ours = (accepted.sms, accepted.gw);
    // A page that cannot be served is refused before anything is written.
    let page = match loaded.console.clone() {
        Some(address) => Some((listen(&address, &loaded.journal.file).await?, address)),
        None => None,
    };
    let (journal, recovered) = journal(&mut loaded, credentials, &mut clock)?;
    let now = clock.now();
    let (register, refused) = register_in_force(&journal, &recovered, register)?;
    // Behind the journal's lock: another agent's socket is not taken away.
    let control = control::bind(&loaded.runtime)
        .map_err(|error| format!("{}: cannot make the control socket: {error}", loaded.runtime.display()))?;
    let seed = u64::from_le_bytes(random()[..8].try_into().expect("eight of thirty-two bytes"));

    let (inputs, taken) = mpsc::channel(INPUTS);
    let (requests, asked) = mpsc::channel(REQUESTS);
    let (parcels, carried) = mpsc::channel(PARCELS);
    let mut owners = Owners { carriers: JoinSet::new(), servers: JoinSet::new(), threads: Vec::new() };
    let mending = owners.journal(journal, asked, inputs.clone(), parcels);
    let lines = owners.lines(&loaded, &inputs, seed);
    let quiet = quiet(&loaded);
    let (ask_keeper, asked_of_keeper) = mpsc::channel(control::ASKS);
    let mut asked_of_keeper = Some(asked_of_keeper);
    let mut told_to_keeper = None;
    if let Some(endpoint) = loaded.central.clone() {
        let mut link = central::Link::new(endpoint.clone(), gateway.clone(), inputs.clone());
        if let (Some(source), Some(asked)) = (&loaded.certificate, asked_of_keeper.take()) {
            let around = Around { asked, journal: requests.downgrade(), inputs: inputs.clone() };
            let (keeper, ends) = Keeper::new(source, endpoint, keeps_for(ours, &loaded, seed), around)?;
            told_to_keeper = Some(ends.news.clone());
            link = link.kept_by(ends);
            owners.keeper(keeper);
        }
        owners.carriers.spawn_local(async move {
            link.run(carried, seed).await;
            "the central link"
        });
    }

    // Where nobody keeps a certificate, whoever asks for one is told so.
    drop(asked_of_keeper);
    let sensitivity = loaded.plan.sensitivity.clone();
    let start = Start { plan: loaded.plan, register, register_refused: refused, recovered, seed, version: VERSION };
    let site = Site::new(&now, start);
    let (status, shown) = watch::channel(Arc::new(site.status(&now)));
    if let Some((listener, address)) = page {
        let (shown, acts, sensitivity) = (status.subscribe(), inputs.clone(), sensitivity.clone());
        owners.servers.spawn_local(async move {
            console::run(listener, address, sensitivity, shown, acts).await;
            "the page"
        });
    }
    let (clock_of, statements) = mpsc::channel(control::STATEMENTS);
    let (errands, handed) = mpsc::channel(control::ERRANDS);
    let journal = requests.clone();
    owners.control(
        control,
        control::Answering { status: shown, journal, clock: clock_of, errands, sensitivity, keeper: ask_keeper },
    );
    let carriers = Carriers { lines, quiet, journal: requests, mending, keeper: told_to_keeper };
    let thinker = Thinker::new(site, clock, carriers, status, Asked { statements, errands: handed });
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    tracing::info!("ready");
    Ok(owners.watch(thinker, taken, inputs).await)
}

/// Opens the journal, and sets the clock's era and what certificates are judged by after it.
fn journal(
    loaded: &mut Loaded,
    credentials: Credentials,
    clock: &mut clock::Clock,
) -> Result<(Journal, Recovered), String> {
    close_to_others(&loaded.journal.file)?;
    let anew = begun::is_missing(&loaded.journal);
    if anew {
        let file = loaded.journal.file.display();
        tracing::error!(
            "{file} is not there, and this gateway had a journal: is its volume mounted? A new one is begun, which the \
             central side is told (`reset`). To go on with the old one: stop the agent, mount it, start the agent"
        );
    }
    let when = clock.now().when();
    let opened = Journal::open(&loaded.journal, credentials, Box::new(random), &when, VERSION);
    let (journal, recovered) = opened.map_err(|fault| told(&fault))?;
    let mut recovered = Recovered { anew, ..recovered };
    begun::note(&loaded.journal);
    clock.resume(recovered.clock.as_ref().map_or(0, |last| last.era_at(&when)));
    let mut journal = journal.labelled(loaded.plan.sensitivity.clone());
    let stated = tell_archives(&mut journal, &loaded.journal.file, &clock.now().when());
    recovered.head = stated.unwrap_or(recovered.head);
    judge_certificates(loaded, journal.receipt_ms());
    Ok((journal, recovered))
}

/// Nobody else reads the journal, whoever made its files.
fn close_to_others(journal: &Path) -> Result<(), String> {
    ["", "-wal"].into_iter().try_for_each(|suffix| secrecy::tighten(&secrecy::beside(journal, suffix)))
}

/// States archives of other gateways that were restored here since the last start; the head behind that. Whoever guards
/// does not wait for an archive that cannot be read.
fn tell_archives(journal: &mut Journal, file: &Path, when: &When) -> Option<u64> {
    let (archives, wrong) = restore::archives(file.parent()?);
    wrong.iter().for_each(|why| tracing::warn!(why, "an archive cannot be read; verify it with picket verify"));
    let mut head = None;
    for archive in archives {
        match journal.state_restored(when, &archive.backup, archive.data) {
            Ok(stated) => head = stated.or(head),
            Err(fault) => tracing::warn!(cause = told(&fault), "an archive could not be recorded"),
        }
    }
    head
}

/// Links judge certificates by a time that is not before the newest receipt, whatever a board without a battery believes.
fn judge_certificates(loaded: &mut Loaded, newest_ms: Option<i64>) {
    let brokers = loaded.carriers.iter_mut().filter_map(|carrier| match carrier {
        Carrier::Mqtt(session) => Some(&mut session.broker),
        Carrier::ModbusTcp(_) | Carrier::ModbusRtu(_) | Carrier::SealReader(..) => None,
    });
    for tls in brokers.chain(&mut loaded.central).filter_map(|broker| broker.tls.as_mut()) {
        tls.time = clock::certificates(newest_ms.unwrap_or(0));
    }
}

/// Whom the certificate of the link is for.
fn keeps_for((sms, gw): (Name, Name), loaded: &Loaded, seed: u64) -> Ours {
    Ours { sms, gw, identity: loaded.journal.identity.clone(), clock: loaded.clock, seed }
}

/// The carriers that are called to prove that they live.
fn quiet(loaded: &Loaded) -> Vec<Callee> {
    let lines = (0..).map(LineId).zip(&loaded.carriers).filter(|(_, carrier)| carrier.answers_calls());
    let central = loaded.central.iter().map(|_| Callee::Central);
    lines.map(|(line, _)| Callee::Line(line)).chain(central).collect()
}

/// The register that was read, kept for later; or the last good one, with the reason why the newer one is refused.
fn register_in_force(
    journal: &Journal,
    recovered: &Recovered,
    read: Result<(Register, RegisterText), Faults>,
) -> Result<(Register, Option<String>), Refusal> {
    let digest = |register: &Register| picket_record::encode::base64url(register.digest());
    if let Some((ver, register)) = ordered_register(journal, recovered) {
        tracing::info!(order = ver, "the register of the order is in force; the file of the settings is not");
        return Ok((register, None));
    }
    match read {
        Ok((register, text)) => {
            let kept = journal.keep("register", &text.name, &digest(&register), &text.text);
            kept.map_err(|fault| told(&fault))?;
            Ok((register, None))
        }
        Err(faults) => {
            let kept = journal.kept("register").map_err(|fault| told(&fault))?;
            let last_good = kept.and_then(|(name, known, text)| {
                let register = settings::read_register(RegisterText { name, text }, 0).ok()?;
                (digest(&register) == known && was_applied(recovered, &register)).then_some(register)
            });
            let Some(register) = last_good else { return Err(Refusal::NoRegister(faults)) };
            tracing::warn!(faults = faults.count(), "the register is refused; the last good one stays in force");
            Ok((register, Some(faults.to_string())))
        }
    }
}

/// The register that the order in force brought, with the version of the order.
fn ordered_register(journal: &Journal, recovered: &Recovered) -> Option<(u64, Register)> {
    let order = recovered.order.as_ref().filter(|order| order.register.is_some())?;
    let text = journal.ordered_register(order).ok().flatten();
    let name = format!("the register of order {}", order.ver);
    let read = text.and_then(|text| settings::read_register(RegisterText { name, text }, 0).ok());
    if read.is_none() {
        tracing::error!(
            order = order.ver,
            "the register of the order is not there; that of the settings is read instead"
        );
    }
    read.map(|register| (order.ver, register))
}

/// Whether the signed `register.applied` that the state row follows from names this text.
fn was_applied(recovered: &Recovered, register: &Register) -> bool {
    let row = recovered.rows.iter().find(|row| row.key == "register");
    let row: Option<serde_json::Value> = row.and_then(|row| serde_json::from_str(&row.body).ok());
    let stated = row.as_ref().and_then(|row| row.get("digest")).and_then(serde_json::Value::as_str);
    let hex: String = register.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    stated == Some(hex.as_str())
}

async fn listen(address: &console::Address, journal: &Path) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address.listen).await.map_err(|error| {
        format!(
            "cannot serve the page at {}: {error}; is another agent running with journal {}? else name another address \
             under [console]",
            address.listen,
            journal.display()
        )
    })?;
    tracing::info!(address = %address.listen, "the guards' page is served");
    Ok(listener)
}

/// Everything that was started.
struct Owners {
    /// Lines and the central link: they finish what is under way when a run ends.
    carriers: JoinSet<&'static str>,
    /// Page, control socket, signals: they are ended.
    servers: JoinSet<&'static str>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Owners {
    /// Answers clients of the control socket.
    fn control(&mut self, listener: UnixListener, answering: control::Answering) {
        self.servers.spawn_local(async move {
            control::serve(listener, answering).await;
            "the control socket"
        });
    }

    fn journal(
        &mut self,
        journal: Journal,
        asked: mpsc::Receiver<Request>,
        inputs: mpsc::Sender<Input>,
        parcels: mpsc::Sender<thread::Parcel>,
    ) -> Mending {
        let (mending, seen) = watch::channel(None);
        self.threads.push(std::thread::spawn(move || thread::serve(journal, asked, &inputs, &parcels, &mending)));
        seen
    }

    /// The keeper of the certificate waits for the disk and for a broker: neither may keep the site waiting.
    fn keeper(&mut self, keeper: Keeper) {
        self.threads.push(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a second runtime starts where the first one did");
            runtime.block_on(keeper.run());
        }));
    }

    fn lines(&mut self, loaded: &Loaded, inputs: &mpsc::Sender<Input>, seed: u64) -> Vec<mpsc::Sender<line::Order>> {
        let mut orders = Vec::new();
        for (index, carrier) in loaded.carriers.iter().cloned().enumerate() {
            let id = LineId(u16::try_from(index).expect("the settings bound the number of lines"));
            let (sender, taken) = mpsc::channel(ORDERS);
            orders.push(sender);
            let inputs = inputs.clone();
            let seed = seed.wrapping_add(u64::from(id.0));
            // A serial flush blocks until the last byte is out: such a bus has a thread of its own.
            if carrier.needs_own_thread() {
                self.threads.push(std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let runtime = runtime.expect("a second runtime starts where the first one did");
                    runtime.block_on(line::run(id, carrier, taken, inputs, seed));
                }));
            } else {
                self.carriers.spawn_local(async move {
                    line::run(id, carrier, taken, inputs, seed).await;
                    "a line"
                });
            }
        }
        orders
    }

    /// Thinks until a stop, a signal or the end of an owner.
    async fn watch(mut self, thinker: Thinker, taken: mpsc::Receiver<Input>, inputs: mpsc::Sender<Input>) -> End {
        let stop = inputs.clone();
        self.servers.spawn_local(async move {
            let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
                return "the signal handler";
            };
            loop {
                tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
                let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
                if stop.send(Input::Stop).await.is_err() {
                    return "the signal handler";
                }
            }
        });
        drop(inputs);
        let stopped = {
            let thinking = thinker.run(taken);
            tokio::pin!(thinking);
            tokio::select! {
                stopped = &mut thinking => if stopped { Ok(()) } else { Err("an owner is gone".to_owned()) },
                ended = self.carriers.join_next(), if !self.carriers.is_empty() => Err(who(ended)),
                ended = self.servers.join_next() => Err(who(ended)),
            }
        };
        self.finish().await;
        match stopped {
            Ok(()) => End::Stopped,
            Err(why) => End::Failed(why),
        }
    }

    /// The site no longer orders anything. Servers end; then the journal, whose requests nobody holds any more; lines and
    /// link say goodbye. What takes too long is left behind.
    async fn finish(mut self) {
        self.servers.shutdown().await;
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        let carriers = async { while self.carriers.join_next().await.is_some() {} };
        let all = async { tokio::join!(carriers, joined) };
        if tokio::time::timeout(LAST_EXCHANGE, all).await.is_err() {
            tracing::warn!("an owner did not end in time; it is left behind");
        }
    }
}

fn who(ended: Option<Result<&'static str, tokio::task::JoinError>>) -> String {
    match ended {
        Some(Ok(who)) => format!("{who} ended by itself"),
        Some(Err(error)) => format!("a task ended: {error}"),
        None => "nothing is left".to_owned(),
    }
}

/// Thirty-two bytes from the kernel.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}
