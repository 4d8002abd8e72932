//! `[[device]]`: one device on a line, by its profile.

use super::bindings;
use super::codes::Code;
use super::gateway;
use super::lines::{WrittenLine, kind_word};
use super::nearest::did_you_mean;
use super::profiles::Profiles;
use super::reader::{Section, called};
use super::source::Source;
use picket_core::plan::{Binding, Device, DeviceSpeech, Driver, LineId, ReadingsPolicy};
use picket_core::register::EquipmentId;
use picket_device::pointer_map::PointerMap;
use picket_device::profile::{ModbusSpeech, Profile, Speech};
use picket_device::quantity::Signal;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// Most devices of one gateway: at 20 ms each a single line takes 80 s for so many.
pub(super) const MAX_DEVICES: usize = 4_096;

const KEYS: &[&str] = &[
    "name",
    "line",
    "profile",
    "equipment",
    "unit",
    "poll_ms",
    "patience_ms",
    "prefix",
    "silence_s",
    "readings",
    "bind",
];

const READINGS: &[(&str, ReadingsPolicy)] =
    &[("off", ReadingsPolicy::Off), ("routine", ReadingsPolicy::Routine), ("now", ReadingsPolicy::Now)];

/// What the other tables say, for references.
pub(super) struct Known<'k> {
    pub(super) lines: &'k [WrittenLine],
    pub(super) profiles: &'k Profiles,
}

/// A device as far as its own table goes.
pub(super) struct WrittenDevice {
    /// Each `None` where it was refused or does not apply.
    pub(super) name: Option<Spanned<String>>,
    pub(super) line: Option<Spanned<usize>>,
    pub(super) profile: Option<String>,
    pub(super) equipment: Option<Spanned<EquipmentId>>,
    pub(super) unit: Option<Spanned<u8>>,
    pub(super) prefix: Option<Spanned<String>>,
    /// Equipment that its points tell about.
    pub(super) bound: Vec<Spanned<EquipmentId>>,
    /// `None` where anything was refused.
    pub(super) device: Option<Device>,
}

/// Reads every device.
pub(super) fn read(root: &mut Section<'_, '_>, source: &Source, known: &Known<'_>) -> Vec<WrittenDevice> {
    let tables = root.tables("device");
    if let Some((_, span)) = tables.get(MAX_DEVICES) {
        let cause = format!("{} devices; one gateway carries {MAX_DEVICES}", tables.len());
        root.refuse(Code::TooMany, span.clone(), "one too many", cause, "put the rest on another gateway");
    }
    let mut devices = Vec::new();
    for (table, span) in tables.into_iter().take(MAX_DEVICES) {
        let mut section = Section::open(source, table, span.clone(), called("device", table), KEYS, root.findings);
        devices.push(device(&mut section, span, source, known));
    }
    devices
}

fn device(section: &mut Section<'_, '_>, header: Range<usize>, source: &Source, known: &Known<'_>) -> WrittenDevice {
    let before = section.findings.errors();
    let name = gateway::name(section, "name");
    let line = line(section, known);
    let kind = line.as_ref().and_then(|line| known.lines[*line.get_ref()].kind);
    let named = profile(section, known);
    let profile = named.as_ref().and_then(|name| known.profiles.get(name)?.profile.as_ref());
    section.missing("equipment", "add equipment = \"...\", the id of the device in the register");
    let equipment = equipment(section, "equipment");
    if let Some(profile) = profile {
        refuse_strays(section, profile);
        refuse_line_kind(section, profile, line.as_ref(), kind);
    }
    let polling = polling(section);
    let unit = unit(section, profile, kind, &header);
    let prefix = prefix(section, profile);
    let silence_ms = silence(section, profile, &polling);
    // What speaks unasked is acknowledged on the wire by its record, so it is recorded unless the settings say no.
    let unasked = if kind == Some(Driver::Mqtt) { ReadingsPolicy::Now } else { ReadingsPolicy::Off };
    let readings = section.word("readings", READINGS).unwrap_or(unasked);
    let (bindings, bound) = bindings::read(section, source, profile, equipment.as_ref());
    if let (Some(profile), ReadingsPolicy::Off) = (profile, readings) {
        refuse_unrecorded(section, profile, &bindings);
    }
    let speech = profile.and_then(|profile| speech(profile, &polling, unit.as_ref(), prefix.as_ref(), &bindings));
    let device = name.as_ref().zip(line.as_ref()).zip(equipment.as_ref()).zip(speech);
    let device =
        device.filter(|_| section.findings.errors() == before).map(|(((name, line), equipment), speech)| Device {
            name: name.get_ref().clone(),
            line: line_id(*line.get_ref()),
            equipment: equipment.get_ref().clone(),
            speech,
            silence_ms,
            bindings,
            readings,
        });
    WrittenDevice { name, line, profile: named, equipment, unit, prefix, bound, device }
}

/// The id of the line at an index.
pub(super) fn line_id(index: usize) -> LineId {
    LineId(u16::try_from(index).expect("MAX_LINES lines are read at most"))
}

fn line(section: &mut Section<'_, '_>, known: &Known<'_>) -> Option<Spanned<usize>> {
    let text = section.needed_text("line", "add line = \"...\", the name of a [[line]]")?;
    let mut names = known.lines.iter().map(|line| line.name.as_ref().map(|name| name.get_ref().as_str()));
    if let Some(index) = names.clone().position(|name| name == Some(*text.get_ref())) {
        return Some(Spanned::new(text.span(), index));
    }
    // A line whose own name was refused may be the one that is meant: one mistake, one finding.
    if names.clone().all(|name| name.is_some()) {
        let all: Vec<&str> = names.by_ref().flatten().collect();
        let otherwise = format!("add a [[line]] of that name, or use one of: {}", all.join(", "));
        let remedy = did_you_mean(text.get_ref(), all.iter().copied(), &otherwise);
        let cause = format!("there is no line `{}` for {}", text.get_ref(), section.what());
        section.refuse(Code::UnknownLine, text.span(), "no such line", cause, remedy);
    }
    None
}

fn profile(section: &mut Section<'_, '_>, known: &Known<'_>) -> Option<String> {
    let text = section.needed_text("profile", "add profile = \"...\", such as moxa-e1210")?;
    let name = *text.get_ref();
    if known.profiles.get(name).is_none() {
        let all: Vec<&str> = known.profiles.names().collect();
        let otherwise = format!("write profiles/{name}.toml beside agent.toml, or use one of: {}", all.join(", "));
        let remedy = did_you_mean(name, all.iter().copied(), &otherwise);
        let cause = format!("there is no profile `{name}` for {}", section.what());
        section.refuse(Code::UnknownProfile, text.span(), "no such profile", cause, remedy);
        return None;
    }
    Some(name.to_owned())
}

/// An equipment id under a key.
pub(super) fn equipment(section: &mut Section<'_, '_>, key: &'static str) -> Option<Spanned<EquipmentId>> {
    let text = section.text(key)?;
    let id = EquipmentId::parse(text.get_ref()).filter(|_| !text.get_ref().starts_with("unlisted:"));
    if id.is_none() {
        let cause = format!("`{key}` of {} is `{}`, which is no equipment id", section.what(), text.get_ref());
        let remedy = "1 to 64 of A-Z a-z 0-9 . _ : / - (not starting with unlisted:)";
        section.refuse(Code::BadEquipmentId, text.span(), "no id", cause, remedy);
    }
    id.map(|id| Spanned::new(text.span(), id))
}

fn keys_of(profile: &Profile) -> &'static [&'static str] {
    match &profile.speech {
        Speech::Modbus(_) => &["unit", "poll_ms", "patience_ms", "bind"],
        Speech::SealReader(_) => &[],
        Speech::OnvifEvents { .. } | Speech::Json(_) => &["prefix", "bind"],
    }
}

fn refuse_strays(section: &mut Section<'_, '_>, profile: &Profile) {
    let own = keys_of(profile);
    let strays: Vec<&'static str> =
        ["unit", "poll_ms", "patience_ms", "prefix", "bind"].into_iter().filter(|key| !own.contains(key)).collect();
    for (key, span) in section.present(&strays) {
        let cause = format!("`{key}` does not belong to {}: {}", section.what(), manner(profile));
        section.refuse(Code::StrayKey, span, "does not belong here", cause, format!("remove {key}"));
    }
}

fn manner(profile: &Profile) -> &'static str {
    match &profile.speech {
        Speech::Modbus(_) => "it is polled over Modbus",
        Speech::SealReader(_) => "a seal reader speaks unasked and has no points",
        Speech::OnvifEvents { .. } => "a camera publishes its events",
        Speech::Json(_) => "it publishes JSON",
    }
}

fn refuse_line_kind(
    section: &mut Section<'_, '_>,
    profile: &Profile,
    line: Option<&Spanned<usize>>,
    kind: Option<Driver>,
) {
    let (Some(line), Some(kind)) = (line, kind) else { return };
    let wanted: &[Driver] = match &profile.speech {
        Speech::Modbus(_) => &[Driver::ModbusTcp, Driver::ModbusRtu],
        Speech::SealReader(_) => &[Driver::Serial],
        Speech::OnvifEvents { .. } | Speech::Json(_) => &[Driver::Mqtt],
    };
    if wanted.contains(&kind) {
        return;
    }
    let words: Vec<&str> = wanted.iter().map(|kind| kind_word(*kind)).collect();
    let words = words.join(" or ");
    let cause = format!("{} cannot be on a {} line: {}", section.what(), kind_word(kind), manner(profile));
    let remedy = format!("name a line of kind {words}, or a profile that fits the line");
    section.refuse(Code::WrongLineKind, line.span(), format!("needs {words}"), cause, remedy);
}

/// What a broker delivers is acknowledged by its record, and known again by it when it comes a second time: an opening
/// that is no alarm yet would be acknowledged and forgotten.
fn refuse_unrecorded(section: &mut Section<'_, '_>, profile: &Profile, bindings: &BTreeMap<String, Binding>) {
    let told: Option<&str> = match &profile.speech {
        Speech::OnvifEvents { .. } => Some("its events"),
        Speech::Json(_) => {
            let bound = bindings.iter().find(|(_, binding)| binding.signal != Signal::Measured);
            bound.map(|(point, _)| point.as_str())
        }
        Speech::Modbus(_) | Speech::SealReader(_) => None,
    };
    let (Some(told), Some(value)) = (told, section.value("readings")) else { return };
    let cause = format!(
        "{} would acknowledge `{told}` at its broker without a record: a kill right after would lose it",
        section.what()
    );
    let remedy = "write readings = \"now\" or \"routine\", or remove the key";
    section.refuse(Code::Unrecorded, value.span(), "records nothing", cause, remedy);
}

/// Times of a polled device, in milliseconds.
struct Polling {
    poll_ms: u64,
    patience_ms: u64,
}

fn polling(section: &mut Section<'_, '_>) -> Polling {
    let poll = section.whole("poll_ms", 20..=3_600_000);
    let patience = section.whole("patience_ms", 10..=60_000);
    let poll_ms = poll.map_or(1_000, Spanned::into_inner);
    let patience_ms = patience.as_ref().map_or(300.min(poll_ms), |patience| *patience.get_ref());
    if let Some(patience) = patience.filter(|patience| *patience.get_ref() > poll_ms) {
        let cause = format!("{} is waited for {patience_ms} ms, but polled every {poll_ms} ms", section.what());
        let remedy = format!("patience_ms at most {poll_ms}, or a longer poll_ms");
        section.refuse(Code::PatienceTooLong, patience.span(), "longer than poll_ms", cause, remedy);
    }
    Polling { poll_ms, patience_ms }
}

fn unit(
    section: &mut Section<'_, '_>,
    profile: Option<&Profile>,
    kind: Option<Driver>,
    header: &Range<usize>,
) -> Option<Spanned<u8>> {
    let polled = profile.is_some_and(|profile| matches!(profile.speech, Speech::Modbus(_)));
    if polled && kind == Some(Driver::ModbusRtu) && section.value("unit").is_none() {
        section.missing("unit", "add unit = 1 to 247, as set at the device");
        return None;
    }
    let written = section.whole("unit", 1..=247);
    let written = written.and_then(|unit| Some(Spanned::new(unit.span(), u8::try_from(unit.into_inner()).ok()?)));
    match written {
        // Most modules with a network port of their own answer as unit 1.
        None if polled && section.value("unit").is_none() => Some(Spanned::new(header.clone(), 1)),
        unit => unit,
    }
}

fn prefix(section: &mut Section<'_, '_>, profile: Option<&Profile>) -> Option<Spanned<String>> {
    let published =
        profile.is_some_and(|profile| matches!(profile.speech, Speech::OnvifEvents { .. } | Speech::Json(_)));
    if published {
        section.missing("prefix", "add prefix = \"...\", the topic under which the device publishes");
    }
    let text = section.text("prefix")?;
    let prefix = *text.get_ref();
    let plain = !prefix.contains(['+', '#']) && !prefix.starts_with('$');
    if plain && prefix.len() <= 200 && prefix.split('/').all(|level| !level.is_empty()) {
        return Some(Spanned::new(text.span(), prefix.to_owned()));
    }
    let cause = format!("`prefix` of {} is `{prefix}`, which is no topic", section.what());
    let remedy = "write the topic without wildcards and without / at its ends, such as cam-07 or yard/cam-07";
    section.refuse(Code::BadText, text.span(), "no topic", cause, remedy);
    None
}

fn silence(section: &mut Section<'_, '_>, profile: Option<&Profile>, polling: &Polling) -> u64 {
    let Polling { poll_ms, patience_ms } = *polling;
    let written = section.whole("silence_s", 0..=604_800);
    let polled = profile.is_some_and(|profile| matches!(profile.speech, Speech::Modbus(_)));
    let Some(silence) = written else {
        return match profile.map(|profile| &profile.speech) {
            Some(Speech::Modbus(_)) => (3 * poll_ms).max(10_000),
            Some(Speech::OnvifEvents { silence_s }) => u64::from(*silence_s) * 1_000,
            Some(Speech::Json(map)) => u64::from(map.silence_s) * 1_000,
            // Between two scans a reader may rest for days.
            Some(Speech::SealReader(_)) | None => 0,
        };
    };
    let silence_ms = silence.get_ref() * 1_000;
    if polled && silence_ms > 0 && silence_ms < poll_ms + patience_ms {
        let cause =
            format!("{} would be silent after {silence_ms} ms, but is polled every {poll_ms} ms", section.what());
        let remedy = format!("silence_s at least {}, or 0 for never", (poll_ms + patience_ms).div_ceil(1_000));
        section.refuse(Code::SilenceTooShort, silence.span(), "shorter than a poll", cause, remedy);
    }
    silence_ms
}

fn speech(
    profile: &Profile,
    polling: &Polling,
    unit: Option<&Spanned<u8>>,
    prefix: Option<&Spanned<String>>,
    bindings: &BTreeMap<String, Binding>,
) -> Option<DeviceSpeech> {
    let prefix = || prefix.map(|prefix| prefix.get_ref().clone());
    Some(match &profile.speech {
        Speech::Modbus(speech) => modbus(speech, polling, *unit?.get_ref())?,
        Speech::SealReader(_) => DeviceSpeech::SealReader,
        Speech::OnvifEvents { .. } => DeviceSpeech::Camera { prefix: prefix()? },
        Speech::Json(map) => DeviceSpeech::Json { prefix: prefix()?, map: bound_map(map, bindings) },
    })
}

/// The map with what the site binds: a seal number of digits is a text, and a measured 1 is no flag.
fn bound_map(map: &PointerMap, bindings: &BTreeMap<String, Binding>) -> PointerMap {
    let mut map = map.clone();
    for point in &mut map.points {
        let bound = bindings.get(&point.name).map(|binding| binding.signal);
        if point.true_when.is_none() && matches!(bound, Some(Signal::Seal | Signal::Measured)) {
            point.signal = bound;
        }
    }
    map
}

fn modbus(speech: &ModbusSpeech, polling: &Polling, unit: u8) -> Option<DeviceSpeech> {
    let patience_ms = u32::try_from(polling.patience_ms).ok()?;
    Some(DeviceSpeech::Modbus { speech: speech.clone(), unit, poll_ms: polling.poll_ms, patience_ms })
}
