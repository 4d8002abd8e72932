//! The shipped programs: found or built, asked for one answer, and made known to each other as an installer does it; and
//! the Python that judges beside them.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProductFault {
    /// It could not be run, or a file not be written.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended, and not well.
    #[error("{command}: {status}\n{told}")]
    Failed {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// All that it printed.
        told: String,
    },
    /// There is no such program.
    #[error("{} is not there: is another target directory set?", .0.display())]
    NotThere(PathBuf),
    /// There is no Python.
    #[error(
        "no Python at {}: set PICKET_PYTHON, or run \
         python3 -m venv .venv && .venv/bin/pip install -r tests/peers/requirements.txt",
        .0.display()
    )]
    NoPython(PathBuf),
    /// Cargo said why.
    #[error("picket and picket-central do not build")]
    NotBuilt,
}

/// How a program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As tests are.
    Dev,
    /// As it ships.
    Release,
}

impl Profile {
    /// That of the running program.
    pub fn own() -> Result<Self, ProductFault> {
        Ok(if own_folder()?.ends_with("release") { Self::Release } else { Self::Dev })
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// The two programs.
#[derive(Debug, Clone)]
pub struct Product {
    /// The agent.
    pub picket: PathBuf,
    /// The central side.
    pub central: PathBuf,
}

/// Who is made known to whom, and where that is written.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'p> {
    /// The site.
    pub site: &'p str,
    /// Its gateway.
    pub gateway: &'p str,
    /// The central side.
    pub sms: &'p str,
    /// Who accepts.
    pub by: &'p str,
    /// The gateway's key; it is made.
    pub key: &'p Path,
    /// Folder of the central side; it is made.
    pub central: &'p Path,
    /// Folder of the gateway's settings: acceptance and the key that it is checked by go there.
    pub settings: &'p Path,
}

impl Product {
    /// Both in a folder.
    pub fn in_folder(folder: &Path) -> Result<Self, ProductFault> {
        let product = Self { picket: folder.join("picket"), central: folder.join("picket-central") };
        for program in [&product.picket, &product.central] {
            if !program.is_file() {
                return Err(ProductFault::NotThere(program.clone()));
            }
        }
        Ok(product)
    }

    /// Builds both beside the running program, and apart from the tests, as they ship: together, the tests' crates would
    /// switch features of shared dependencies on. Cargo shows its progress.
    pub fn build(profile: Profile) -> Result<Self, ProductFault> {
        let own = own_folder()?;
        let target = own.parent().ok_or_else(|| ProductFault::NotThere(own.clone()))?;
        let mut cargo = cargo();
        cargo.args(["build", "--locked", "-p", "picket", "-p", "picket-central", "--target-dir"]).arg(target);
        if profile == Profile::Release {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(repository()).stdin(Stdio::null()).status();
        let built = built.map_err(|source| ProductFault::Io { doing: "running cargo".into(), source })?;
        if built.success() { Self::in_folder(&target.join(profile.folder())) } else { Err(ProductFault::NotBuilt) }
    }

    /// Makes the gateway's key and the central side, and has the one accepted by the other; the gateway's public key.
    pub fn make_known(&self, parties: &Parties<'_>) -> Result<String, ProductFault> {
        let Parties { site, gateway, sms, by, key, central, settings } = *parties;
        let identity = output(Command::new(&self.picket).arg("identity").arg(key))?;
        output(Command::new(&self.central).args(["init", "--sms", sms, "--dir"]).arg(central))?;
        let mut accept = Command::new(&self.central);
        accept.args(["accept", "--site", site, "--gateway", gateway, "--identity", &identity, "--by", by, "--dir"]);
        output(accept.arg(central).arg("--out").arg(settings.join("acceptance.jws")))?;
        let public = central.join("accept.pub");
        std::fs::copy(&public, settings.join("accept.pub"))
            .map_err(|source| ProductFault::Io { doing: format!("copying {}", public.display()), source })?;
        Ok(identity)
    }
}

/// Cargo, as a shell would call it. Without what it told this program of its own package: ring's build script asks for
/// that, and would compile ring, rustls and both programs anew at each change between a test and a shell.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(told)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Settings of a central side.
pub fn central_settings(folder: &Path, host: &str, port: u16) -> String {
    format!("dir = {:?}\n\n[broker]\nhost = \"{host}\"\nport = {port}\n", folder.display())
}

/// Runs a command to its end; what it printed, without the white space around it.
pub fn output(command: &mut Command) -> Result<String, ProductFault> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    let words = words.join(" ");
    let done = command.stdin(Stdio::null()).env("NO_COLOR", "1").output();
    let done = done.map_err(|source| ProductFault::Io { doing: format!("running {words}"), source })?;
    if !done.status.success() {
        let told = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).trim().to_owned();
        return Err(ProductFault::Failed { command: words, status: done.status, told });
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// The status of a running agent, by its control socket; `None` where nobody answers, or not within so long.
pub fn status(socket: &Path, patience: Duration) -> Option<Value> {
    let mut socket = UnixStream::connect(socket).ok()?;
    socket.set_read_timeout(Some(patience)).ok()?;
    socket.write_all(b"\"status\"\n").ok()?;
    let mut text = String::new();
    socket.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Python with what `tests/peers/requirements.txt` names: `PICKET_PYTHON`, else where `tests/run install` lays it out.
pub fn python() -> Result<PathBuf, ProductFault> {
    let own = || repository().join(".venv/bin/python");
    let python = std::env::var_os("PICKET_PYTHON").map_or_else(own, PathBuf::from);
    if python.exists() { Ok(python) } else { Err(ProductFault::NoPython(python)) }
}

/// Node.js itself: `PICKET_NODE`, else where `tests/run install` lays it out, else that of the path. Never the starter that
/// lies before the one of the wheel: it passes no signal on, and Node.js would outlive whoever ends it.
pub fn node() -> Result<PathBuf, ProductFault> {
    let own = repository().join(".venv/bin/node");
    let found = if own.exists() { own } else { PathBuf::from("node") };
    let node = std::env::var_os("PICKET_NODE").map_or(found, PathBuf::from);
    output(Command::new(node).args(["-p", "process.execPath"])).map(PathBuf::from)
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the repository")
}

/// `target/<profile>` of the running program; those of tests lie one folder deeper.
pub fn own_folder() -> Result<PathBuf, ProductFault> {
    let own = std::env::current_exe()
        .map_err(|source| ProductFault::Io { doing: "looking for the program's own place".into(), source })?;
    let folder = own.parent().ok_or_else(|| ProductFault::NotThere(own.clone()))?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}
