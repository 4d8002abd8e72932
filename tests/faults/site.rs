//! A gateway as an installer makes it, its journal on a volume and everything else beside it: the shipped agent, its
//! brokers, its central side.

use crate::wait;
use picket::journal::{Entropy, Journal, Place, told};
use picket_record::chain::{ChainCheck, Parsed};
use picket_record::keys::PublicKey;
use picket_record::kind::{Kind, Severity};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use simulator::process::{Log, Process};
use simulator::product::{Parties, Product, central_settings, own_folder};
use simulator::stored;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const SITE: &str = "yard";
const GATEWAY: &str = "gw-1";
/// The least that the settings take.
pub(crate) const BUDGET_MIB: u64 = 8;
const WAITS: Duration = Duration::from_secs(60);
const ANSWERS: Duration = Duration::from_secs(5);
const STOPS: Duration = Duration::from_secs(20);

/// One site.
pub(crate) struct Site {
    product: Product,
    folder: PathBuf,
    journal: PathBuf,
    identity: PublicKey,
    port: u16,
    broker: Process,
    pub(crate) agent: Option<Process>,
    central: Option<Process>,
}

impl Site {
    /// Writes everything that both sides need below `folder`; the journal goes to `journal`, which need not be there.
    pub(crate) fn make(folder: &Path, journal: &Path) -> Result<Self, String> {
        let product = Product::in_folder(&own_folder().map_err(crate::told)?);
        let product = product.map_err(|fault| format!("{fault}; cargo build -p picket -p picket-central"))?;
        let settings = folder.join("settings");
        let told = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(&settings).map_err(told)?;
        let port = simulator::shells::broker::free_port().map_err(told)?.port();
        let text = format!(
            "[site]\nname = \"{SITE}\"\ngateway = \"{GATEWAY}\"\n[clock]\naccept_unsynchronised = true\n\
             [journal]\nfile = {journal:?}\nbudget_mib = {BUDGET_MIB}\n\
             [identity]\nkey = {:?}\nacceptance = \"acceptance.jws\"\naccept_key = \"accept.pub\"\n\
             [central]\nbroker = \"mqtt://127.0.0.1:{port}\"\n[control]\nruntime = {:?}\n[limits]\nheartbeat_s = 10\n\
             [[line]]\nname = \"site\"\nkind = \"mqtt\"\nbroker = \"mqtt://127.0.0.1:{port}\"\n\
             [[device]]\nname = \"cam\"\nline = \"site\"\nprofile = \"onvif-camera\"\nprefix = \"cam\"\nequipment = \"CAM\"\n",
            folder.join("identity.key"),
            folder.join("run"),
        );
        let register = "[[equipment]]\nid = \"CAM\"\nkind = \"camera\"\nplace = \"Yard\"\n";
        std::fs::write(settings.join("agent.toml"), text).map_err(told)?;
        std::fs::write(settings.join("register.toml"), register).map_err(told)?;
        let (key, central) = (folder.join("identity.key"), folder.join("central"));
        let parties = Parties {
            site: SITE,
            gateway: GATEWAY,
            sms: "hq",
            by: "N. N.",
            key: &key,
            central: &central,
            settings: &settings,
        };
        let identity = product.make_known(&parties).map_err(crate::told)?;
        let identity = PublicKey::parse(&identity).map_err(|refusal| refusal.to_string())?;
        std::fs::write(folder.join("central.toml"), central_settings(&central, "127.0.0.1", port)).map_err(told)?;
        let broker = broker(folder, port)?;
        let (folder, journal) = (folder.to_owned(), journal.to_owned());
        Ok(Self { product, folder, journal, identity, port, broker, agent: None, central: None })
    }

    /// A journal of an earlier life that is so full.
    pub(crate) fn fill_to(&self, permille: u16) -> Result<(), String> {
        let settings = self.folder.join("settings");
        let place = Place {
            file: self.journal.clone(),
            budget_bytes: BUDGET_MIB << 20,
            retention_days: 30,
            identity: self.folder.join("identity.key"),
            acceptance: settings.join("acceptance.jws"),
            accept_key: settings.join("accept.pub"),
            root: settings.join("root.jws"),
        };
        let credentials = place.credentials(SITE, GATEWAY).map_err(|fault| told(&fault))?;
        let entropy: Entropy = Box::new(|| [7; 32]);
        let opened = Journal::open(&place, credentials, entropy, &crate::scene::at(0), "faults");
        let (mut journal, recovered) = opened.map_err(|fault| told(&fault))?;
        let (mut fill, mut n) = (recovered.fill_permille, 0);
        while fill < permille {
            n += 1;
            let large = json!({ "n": n, "x": "x".repeat(4_500) });
            let body = crate::scene::body(n, Kind::Heartbeat, Severity::Info, large);
            fill = journal.append(&[body]).map_err(|fault| told(&fault))?.fill_permille;
        }
        Ok(())
    }

    /// Starts the agent, until it listens.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let mut command = Command::new(&self.product.picket);
        command.arg("run").arg("--config").arg(self.folder.join("settings"));
        let log = self.folder.join("picket.log");
        self.agent = Some(Process::start(&mut command, &log, Log::Continued).map_err(crate::told)?);
        self.until("the agent listens", |status| status["lines"][0]["fault"].is_null() && status["link"]["up"] == true)
            .map(drop)
    }

    /// Starts the central side.
    pub(crate) fn start_central(&mut self) -> Result<(), String> {
        let mut command = Command::new(&self.product.central);
        command.arg("run").arg("--config").arg(self.folder.join("central.toml"));
        let log = self.folder.join("central.log");
        self.central = Some(Process::start(&mut command, &log, Log::Continued).map_err(crate::told)?);
        Ok(())
    }

    fn status(&self) -> Option<Value> {
        let mut socket = UnixStream::connect(self.folder.join("run/control.sock")).ok()?;
        socket.set_read_timeout(Some(ANSWERS)).ok()?;
        socket.write_all(b"\"status\"\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Until the status is so, and the agent is the same process all the while.
    pub(crate) fn until(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let mut last = Value::Null;
        let found = wait::until(what, WAITS, || {
            if let Some(status) = self.agent.as_mut().ok_or("no agent runs")?.ended().map_err(crate::told)? {
                return Err(format!("the agent ended by itself: {status}"));
            }
            last = self.status().unwrap_or(Value::Null);
            Ok((!last.is_null() && so(&last)).then(|| last.clone()))
        });
        found.map_err(|why| format!("{why}; {last}; {}", self.last_words()))
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("picket.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(4)..].join(" | ")
    }

    /// So many events of no weight, as the camera says them.
    pub(crate) fn motion(&self, from: u64, count: u64) -> Result<(), String> {
        let events: Vec<String> = (from..from + count).map(|n| event(n, n.is_multiple_of(2))).collect();
        self.publish("cam/onvif-ej/VideoSource/MotionAlarm/&VS1", &events)
    }

    /// Somebody covers the camera, or lets go of it.
    pub(crate) fn covered(&self, n: u64, covered: bool) -> Result<(), String> {
        self.publish("cam/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1", &[event(n, covered)])
    }

    fn publish(&self, topic: &str, lines: &[String]) -> Result<(), String> {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-V", "5", "-q", "1", "-l", "-t", topic, "-p"]).arg(self.port.to_string());
        let told = |error: std::io::Error| format!("mosquitto_pub: {error}; apt-get install mosquitto-clients");
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(told)?;
        if let Some(mut input) = child.stdin.take() {
            lines.iter().try_for_each(|line| writeln!(input, "{line}")).map_err(told)?;
        }
        match child.wait().map_err(told)?.success() {
            true => Ok(()),
            false => Err("the broker takes no message".into()),
        }
    }

    /// Stops the agent in order; what its journal holds, verified.
    pub(crate) fn stop(&mut self) -> Result<Held, String> {
        let mut agent = self.agent.take().ok_or("no agent runs")?;
        agent.signal(rustix::process::Signal::TERM).map_err(crate::told)?;
        let ended = wait::until("the agent stops", STOPS, || agent.ended().map_err(crate::told))?;
        if !ended.success() {
            return Err(format!("the agent stopped with {ended}; {}", self.last_words()));
        }
        Held::read(&self.journal, &self.identity)
    }

    /// Whether the broker still runs: without it nothing was shown.
    pub(crate) fn broker_lives(&mut self) -> Result<(), String> {
        match self.broker.ended().map_err(crate::told)? {
            None => Ok(()),
            Some(status) => Err(format!("the broker ended: {status}")),
        }
    }
}

fn event(n: u64, state: bool) -> String {
    let utc = format!("2026-01-01T00:{:02}:{:02}.{:03}Z", n / 60_000 % 60, n / 1_000 % 60, n % 1_000);
    json!({ "UtcTime": utc, "Source": { "Source": "VS1" }, "Data": { "State": state } }).to_string()
}

fn broker(folder: &Path, port: u16) -> Result<Process, String> {
    let file = folder.join("mosquitto.conf");
    let text =
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\nlog_dest stderr\n");
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new("/usr/sbin/mosquitto");
    let broker = Process::start(command.arg("-c").arg(&file), &folder.join("mosquitto.log"), Log::Continued);
    let broker = broker.map_err(|fault| format!("{}; apt-get install mosquitto", crate::told(fault)))?;
    wait::until("mosquitto listens", WAITS, || Ok(TcpStream::connect(("127.0.0.1", port)).ok()))?;
    Ok(broker)
}

/// What a journal holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) records: u64,
    /// As its gaps state it, and as the last heartbeat sums it up.
    pub(crate) dropped: u64,
    /// Highest severity of what was dropped.
    pub(crate) worst: usize,
    pub(crate) alarms: usize,
    pub(crate) recovered: Vec<Value>,
    pub(crate) disposed: u64,
}

impl Held {
    fn read(file: &Path, identity: &PublicKey) -> Result<Self, String> {
        let told = |error: rusqlite::Error| format!("{}: {error}", file.display());
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(told)?;
        let mut lines = db.prepare("SELECT line FROM record ORDER BY seq").map_err(told)?;
        let lines: Result<Vec<String>, _> = lines.query_map([], stored::line).map_err(told)?.collect();
        let mut held = Self::default();
        let mut check = ChainCheck::new(identity.clone());
        let lines = lines.map_err(told)?;
        let mut opened = false;
        for line in &lines {
            let record = Parsed::read(line).map_err(|refusal| refusal.to_string())?;
            held.take(record.kind, &record.data());
            // Where the opening of the oldest epoch was disposed of, its records stand by the links to the next one.
            opened |= record.kind == Kind::EpochOpen;
            if opened {
                check.line(line.as_bytes()).map_err(|why| format!("the chain does not verify: {why}"))?;
            }
        }
        let summary = check.finish();
        if summary.contradictions > 0 {
            return Err(format!("the chain does not verify: {:?}", summary.found));
        }
        held.records = lines.len() as u64;
        Ok(held)
    }

    fn take(&mut self, kind: Kind, data: &serde_json::Map<String, Value>) {
        match kind {
            Kind::GapDropped => {
                self.dropped += data["n"].as_u64().unwrap_or(0);
                let by_sev = data["by_sev"].as_array().cloned().unwrap_or_default();
                let worst = by_sev.iter().rposition(|n| n.as_u64().is_some_and(|n| n > 0));
                self.worst = self.worst.max(worst.unwrap_or(0));
            }
            Kind::AlarmRaised => self.alarms += 1,
            Kind::JournalRecovered => self.recovered.extend(data["found"].as_array().cloned().unwrap_or_default()),
            Kind::RecordsDisposed => self.disposed += 1,
            _ => {}
        }
    }
}
