//! What an installer does: a folder of settings, a key, the acceptance by the central side.

use crate::failure::{Doing, Failure};
use simulator::clock::rfc3339;
use simulator::product::{Parties, Product, central_settings, output};
use simulator::virtual_site::Endpoints;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const AGENT: &str = include_str!("settings/agent.toml");
const REGISTER: &str = include_str!("settings/register.toml");
const MANIFEST: &str = include_str!("settings/manifest.csv");
/// The site in the settings.
const SITE: &str = "demo-terminal";
const DAY_MS: i64 = 86_400_000;

/// What this run is called at a broker that others use too: what they left there, retained or queued, is not ours.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Of the run.
    pub(crate) run: String,
    /// Of the gateway.
    pub(crate) gateway: String,
    /// Of the central side.
    pub(crate) sms: String,
}

impl Names {
    /// Names that no run had before and none at the same time has.
    pub(crate) fn new(now_ms: i64) -> Self {
        let run = format!("{now_ms:x}-{:x}", std::process::id());
        Self { gateway: format!("gw-{run}"), sms: format!("sms-{run}"), run }
    }
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    root: PathBuf,
}

impl Places {
    /// Makes a folder that must not exist or be empty.
    pub(crate) fn make(root: &Path) -> Result<Self, Failure> {
        let what = || format!("making {}", root.display());
        fs::create_dir_all(root).doing(what())?;
        let root = root.canonicalize().doing(what())?;
        if fs::read_dir(&root).doing(what())?.next().is_some() {
            return Err(Failure::new(format!("{} is not empty; name another folder", root.display())));
        }
        let places = Self { root };
        for folder in [places.settings(), places.state(), places.runtime()] {
            fs::create_dir(&folder).doing(format!("making {}", folder.display()))?;
        }
        Ok(places)
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Settings of the agent.
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("settings")
    }

    fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Folder of the control socket.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Journal of the agent.
    pub(crate) fn journal(&self) -> PathBuf {
        self.state().join("journal.db")
    }

    fn central(&self) -> PathBuf {
        self.root.join("central")
    }

    /// Store of the central side.
    pub(crate) fn store(&self) -> PathBuf {
        self.central().join("central.db")
    }

    /// Settings of the central side.
    pub(crate) fn central_settings(&self) -> PathBuf {
        self.root.join("central.toml")
    }

    /// The simulator's ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    /// The exported evidence.
    pub(crate) fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// The report of the evidence.
    pub(crate) fn report(&self, ending: &str) -> PathBuf {
        self.root.join(format!("report.{ending}"))
    }

    /// The log of a program.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.log"))
    }
}

/// Addresses beside those of the devices.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// Who is who at the brokers.
    pub(crate) names: Names,
    /// Where the agent reaches the central broker: the link that can be cut.
    pub(crate) link: SocketAddr,
    /// Where the central side reaches the same broker.
    pub(crate) central: (String, u16),
    /// Where the guards' page listens.
    pub(crate) page: SocketAddr,
}

/// Writes settings, makes keys, has the gateway accepted, and has the settings checked. Gives the gateway's public key.
pub(crate) fn install(
    places: &Places,
    product: &Product,
    endpoints: &Endpoints,
    network: &Network,
    now_ms: i64,
    due_ms: i64,
) -> Result<String, Failure> {
    let settings = places.settings();
    write(&settings.join("agent.toml"), &agent(places, endpoints, network))?;
    let recently = rfc3339(now_ms - 20 * DAY_MS)[..10].to_owned();
    write(
        &settings.join("register.toml"),
        &REGISTER.replace("@DUE@", &rfc3339(due_ms)).replace("@RECENTLY@", &recently),
    )?;
    write(&settings.join("manifest.csv"), MANIFEST)?;
    let (key, central) = (places.state().join("identity.key"), places.central());
    let Names { gateway, sms, .. } = &network.names;
    let parties =
        Parties { site: SITE, gateway, sms, by: "Demo Installer", key: &key, central: &central, settings: &settings };
    let identity = product.make_known(&parties).doing("making the gateway known")?;
    let (host, port) = &network.central;
    write(&places.central_settings(), &central_settings(&central, host, *port))?;
    output(Command::new(&product.picket).arg("check").arg("--config").arg(&settings)).doing("checking the settings")?;
    Ok(identity)
}

fn agent(places: &Places, endpoints: &Endpoints, network: &Network) -> String {
    let (host, port) = &endpoints.broker;
    let values = [
        ("@GATEWAY@", network.names.gateway.clone()),
        ("@CAMERAS@", network.names.run.clone()),
        ("@STATE@", places.state().display().to_string()),
        ("@RUN@", places.runtime().display().to_string()),
        ("@CENTRAL@", network.link.to_string()),
        ("@PAGE@", network.page.to_string()),
        ("@GATE_PORT@", endpoints.gate.port().to_string()),
        ("@YARD_PORT@", endpoints.yard.port().to_string()),
        ("@BUS@", endpoints.bus.display().to_string()),
        ("@SEAL_1@", endpoints.seal_1.display().to_string()),
        ("@SEAL_2@", endpoints.seal_2.display().to_string()),
        ("@BROKER@", format!("{host}:{port}")),
    ];
    values.iter().fold(AGENT.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).doing(format!("writing {}", path.display()))
}
