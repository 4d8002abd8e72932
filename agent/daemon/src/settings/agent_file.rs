//! `agent.toml` and what it names, put together.

use super::codes::Code;
use super::devices::{self, Known, WrittenDevice};
use super::gateway::{self, Gateway};
use super::manifest::{self, Manifest};
use super::profiles::{self, Profiles};
use super::reader::{self, Section};
use super::relations;
use super::source::{MAX_SETTINGS_BYTES, Place, Source};
use super::{Findings, Loaded, lines};
use crate::line::Carrier;
use picket_core::plan::{Device, DeviceSpeech, Line, Plan};
use picket_core::register::EquipmentId;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::de::DeTable;

/// Unlisted ids for which the whole register is searched for a similar one: each takes milliseconds in a large one.
const MAX_GUESSES: usize = 10;

/// What was read, whole or in part.
#[derive(Default)]
pub(super) struct Reading {
    /// `None` where anything was refused.
    pub(super) loaded: Option<Loaded>,
    /// Equipment that the settings name, with the place of the first naming.
    pub(super) equipment: BTreeMap<EquipmentId, Place>,
    /// Profiles that may be named.
    pub(super) profiles: usize,
}

/// Lines, devices and the rest of `agent.toml`, checked together.
struct Intent {
    gateway: Gateway,
    lines: Vec<Line>,
    carriers: Vec<Carrier>,
    devices: Vec<Device>,
    /// Names of the profiles in use.
    profiles: BTreeSet<String>,
}

/// Reads everything but the register.
pub(super) fn read(dir: &Path, findings: &mut Findings) -> Reading {
    let errors = findings.errors();
    let profiles = profiles::read(dir, findings);
    let mut reading = Reading { profiles: profiles.count(), ..Reading::default() };
    let path = dir.join("agent.toml");
    let missing = format!("copy the annotated example and change it: cp config/agent.toml {}", path.display());
    let source = Source::read(&path, MAX_SETTINGS_BYTES, &missing, findings);
    let intent = source.as_ref().and_then(|source| intent(dir, source, &profiles, &mut reading.equipment, findings));
    let readers: Option<BTreeSet<EquipmentId>> = intent.as_ref().map(|intent| {
        let readers = intent.devices.iter().filter(|device| matches!(device.speech, DeviceSpeech::SealReader));
        readers.map(|device| device.equipment.clone()).collect()
    });
    let manifest = manifest::read(dir, readers.as_ref(), findings);
    if findings.errors() > errors {
        return reading;
    }
    if let (Some(source), Some(intent), Some(manifest)) = (source, intent, manifest) {
        reading.loaded = Some(loaded(intent, manifest, &source, &profiles));
    }
    reading
}

fn intent(
    dir: &Path,
    source: &Source,
    profiles: &Profiles,
    equipment: &mut BTreeMap<EquipmentId, Place>,
    findings: &mut Findings,
) -> Option<Intent> {
    let table = reader::parse(source, findings)?;
    let empty = DeTable::new();
    let mut root = Section::open(source, table.get_ref(), 0..0, "the settings", gateway::KEYS, findings);
    let gateway = gateway::read(&mut root, source, &empty, dir);
    let name = gateway.as_ref().map_or("", |gateway| gateway.gateway.as_str());
    let lines = lines::read(&mut root, source, dir, name);
    let devices = devices::read(&mut root, source, &Known { lines: &lines, profiles });
    relations::check(&mut root, &lines, &devices);
    gather_equipment(source, &devices, equipment);
    let carried = relations::carriers(&mut root, lines, &devices, profiles);
    let used = devices.iter().filter_map(|device| device.profile.clone()).collect();
    let devices: Option<Vec<Device>> = devices.into_iter().map(|device| device.device).collect();
    let (lines, carriers) = carried?;
    Some(Intent { gateway: gateway?, lines, carriers, devices: devices?, profiles: used })
}

fn gather_equipment(source: &Source, devices: &[WrittenDevice], equipment: &mut BTreeMap<EquipmentId, Place>) {
    for named in devices.iter().flat_map(|device| device.equipment.iter().chain(&device.bound)) {
        let place = || source.at(named.span(), "not in the register");
        equipment.entry(named.get_ref().clone()).or_insert_with(place);
    }
}

fn loaded(intent: Intent, manifest: Manifest, source: &Source, profiles: &Profiles) -> Loaded {
    let Intent { gateway, lines, carriers, devices, profiles: used } = intent;
    let settings_digest = digest(source, &manifest, profiles, &used);
    let plan = Plan {
        site: gateway.site,
        gateway: gateway.gateway,
        settings_digest,
        lines,
        devices,
        limits: gateway.limits,
        manifest: manifest.rows,
        sensitivity: gateway.sensitivity,
    };
    Loaded {
        plan,
        carriers,
        journal: gateway.journal,
        central: gateway.central,
        certificate: gateway.certificate,
        console: gateway.console,
        runtime: gateway.runtime,
        clock: gateway.clock,
        warnings: Findings::default(),
    }
}

/// SHA-256 over `agent.toml`, `manifest.csv` and the profiles in use by name: for each the name, a zero byte, the length
/// of the text as eight bytes (high first) and the text. Secrets and the register are not in it.
fn digest(source: &Source, manifest: &Manifest, profiles: &Profiles, used: &BTreeSet<String>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut put = |name: &str, text: &str| {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    put("agent.toml", &source.text);
    put("manifest.csv", &manifest.text);
    for name in used {
        let text = profiles.get(name).map_or("", |known| known.text.as_str());
        put(&format!("profiles/{name}.toml"), text);
    }
    hash.finalize().into()
}

/// Warns of equipment that the register does not list.
pub(super) fn warn_unlisted(
    equipment: BTreeMap<EquipmentId, Place>,
    register: &picket_core::register::Register,
    findings: &mut Findings,
) {
    let unlisted = equipment.into_iter().filter(|(id, _)| register.get(id).is_none());
    for (index, (id, place)) in unlisted.enumerate() {
        let listed = register.iter().map(|row| row.id.as_str()).take(if index < MAX_GUESSES { usize::MAX } else { 0 });
        let otherwise = "add a row for it to the register";
        let remedy = super::nearest::did_you_mean(id.as_str(), listed, otherwise);
        let cause = format!("equipment `{id}` is not in the register: what it tells will be marked unlisted");
        findings.add(Code::Unlisted, place, cause, remedy);
    }
}
