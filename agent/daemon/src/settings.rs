//! Settings, profiles, register and manifest: read from one folder, every fault told at once.
//!
//! What a file says exists only in here; everything else gets values that were checked. Nothing is opened but files of
//! the folder and those it names: no port, no socket.

mod agent_file;
mod bindings;
mod codes;
mod devices;
mod diagnose;
mod endpoint;
pub mod exchange;
mod gateway;
mod lines;
mod manifest;
mod nearest;
mod profiles;
mod reader;
mod register_file;
mod register_points;
mod register_scenarios;
mod relations;
mod secrets;
mod sensitivity;
mod sheet;
mod source;
mod tls;
mod topics;

pub use codes::{Code, Level};
pub use diagnose::{Finding, Findings};

use crate::broker::Endpoint;
use crate::clock::ClockPolicy;
use crate::line::Carrier;
use crate::{certificate, console, journal};
use picket_core::plan::Plan;
use picket_core::register::Register;
use serde_json::json;
use sha2::{Digest, Sha256};
use source::Source;
use std::fmt;
use std::path::{Path, PathBuf};

/// Everything the agent needs, checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the site guards.
    pub plan: Plan,
    /// How each line of the plan is reached, same order.
    pub carriers: Vec<Carrier>,
    /// The journal's place.
    pub journal: journal::Place,
    /// The central side, if there is one.
    pub central: Option<Endpoint>,
    /// Where the certificate of the central link comes from, where that has TLS.
    pub certificate: Option<certificate::Source>,
    /// The guards' page, if it is on.
    pub console: Option<console::Address>,
    /// Folder for the control socket.
    pub runtime: PathBuf,
    /// Whether an unsynchronised clock may judge dates.
    pub clock: ClockPolicy,
    /// What somebody should know all the same; holds no errors.
    pub warnings: Findings,
}

/// Every fault found, ready to be shown; warnings of the same run after the errors.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    findings: Findings,
}

impl Faults {
    /// How many errors.
    pub fn count(&self) -> usize {
        self.findings.errors()
    }

    /// Errors and warnings one by one.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// For `--format json`; see [`Findings::to_json`].
    pub fn to_json(&self) -> serde_json::Value {
        self.findings.to_json()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.fmt(f)
    }
}

impl std::error::Error for Faults {}

/// What `picket check` tells of a folder.
#[derive(Debug, Clone)]
pub struct Report {
    /// Errors and warnings of settings, profiles, register and manifest.
    pub findings: Findings,
    /// What was read without an error.
    pub summary: Summary,
}

/// Counts for one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines.
    pub lines: usize,
    /// Devices on them.
    pub devices: usize,
    /// Points that stand for something.
    pub bindings: usize,
    /// Profiles that devices may name.
    pub profiles: usize,
    /// Equipment in the register.
    pub equipment: usize,
    /// Seals on the manifest.
    pub seals: usize,
}

impl Report {
    /// Whether the agent would start with this folder.
    pub fn passes(&self) -> bool {
        self.findings.errors() == 0
    }

    /// For `picket check --format json`: as [`Findings::to_json`], and `summary`.
    pub fn to_json(&self) -> serde_json::Value {
        let Summary { lines, devices, bindings, profiles, equipment, seals } = self.summary;
        let mut whole = self.findings.to_json();
        whole["summary"] = json!({
            "lines": lines,
            "devices": devices,
            "bindings": bindings,
            "profiles": profiles,
            "equipment": equipment,
            "seals": seals,
        });
        whole
    }
}

impl fmt::Display for Report {
    /// As [`Findings`], and what was read; the last line is ended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { lines, devices, bindings, profiles, equipment, seals } = self.summary;
        self.findings.fmt(f)?;
        if !self.passes() {
            return writeln!(f, "these files do not come into force as they are");
        }
        writeln!(
            f,
            "read: {lines} lines, {devices} devices, {bindings} bindings, {profiles} profiles, {equipment} pieces of \
             equipment, {seals} seals"
        )
    }
}

/// Reads `DIR/agent.toml` and what it names.
pub fn load(dir: &Path) -> Result<Loaded, Faults> {
    let mut findings = Findings::default();
    let reading = agent_file::read(dir, &mut findings);
    findings.sort();
    match reading.loaded {
        Some(loaded) => Ok(Loaded { warnings: findings, ..loaded }),
        None => Err(Faults { findings }),
    }
}

/// A register as it was written, to be kept and read again when a later one is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterText {
    /// `register.toml` or `register.csv`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Reads the register on its own (`DIR/register.toml` or `DIR/register.csv`), with its text: it may be wrong while the
/// settings are right, and then the last good one stays in force.
pub fn load_register(dir: &Path, version: u64) -> Result<(Register, RegisterText), Faults> {
    let mut findings = Findings::default();
    let source = register_file::find(dir, &mut findings);
    let register = source.as_ref().and_then(|source| register_file::parse(source, version, &mut findings));
    findings.sort();
    let name = |source: &Source| source.path.file_name().map(|name| name.to_string_lossy().into_owned());
    match (register, source) {
        (Some(register), Some(source)) => {
            let name = name(&source).unwrap_or_default();
            Ok((register, RegisterText { name, text: source.text }))
        }
        _ => Err(Faults { findings }),
    }
}

/// Reads a register that was kept.
pub fn read_register(kept: RegisterText, version: u64) -> Result<Register, Faults> {
    let mut findings = Findings::default();
    let source = Source::new(Path::new(&kept.name), kept.text);
    let register = register_file::parse(&source, version, &mut findings);
    register.ok_or(Faults { findings })
}

/// Reads settings, profiles, register and manifest together and tells everything that is wrong with any of them.
pub fn check(dir: &Path) -> Report {
    let mut findings = Findings::default();
    let reading = agent_file::read(dir, &mut findings);
    let source = register_file::find(dir, &mut findings);
    let register = source.as_ref().and_then(|source| register_file::parse(source, 1, &mut findings));
    if let (Some(register), Some(source)) = (&register, &source) {
        agent_file::warn_unlisted(reading.equipment, register, &mut findings);
        let devices = reading.loaded.as_ref().map(|loaded| loaded.plan.devices.as_slice());
        register_points::warn_unwatched(source, register, devices, &mut findings);
    }
    findings.sort();
    let plan = reading.loaded.map(|loaded| loaded.plan);
    let count = |count: fn(&Plan) -> usize| plan.as_ref().map_or(0, count);
    let summary = Summary {
        lines: count(|plan| plan.lines.len()),
        devices: count(|plan| plan.devices.len()),
        bindings: count(|plan| plan.devices.iter().map(|device| device.bindings.len()).sum()),
        profiles: reading.profiles,
        equipment: register.map_or(0, |register| register.iter().count()),
        seals: count(|plan| plan.manifest.len()),
    };
    Report { findings, summary }
}

fn file_digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
