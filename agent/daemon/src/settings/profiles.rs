//! Profiles: those that came with the program, and those of `DIR/profiles/*.toml`, which win over them by name.

use super::Findings;
use super::codes::Code;
use super::reader;
use super::source::{MAX_SETTINGS_BYTES, Place, Source};
use picket_device::profile::Profile;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Most profiles of one folder.
const MAX_PROFILES: usize = 256;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../config/profiles/", $name, ".toml")))),*]
    };
}

/// Profiles that came with the program: name and text.
pub(super) const SHIPPED: &[(&str, &str)] = shipped![
    "adam-6050-mqtt",
    "advantech-adam-6050",
    "alarm-panel-contacts",
    "generic-door-contact",
    "generic-door-loop",
    "line-seal-reader-crlf",
    "line-seal-reader-stx",
    "moxa-e1210",
    "moxa-e1212",
    "onvif-camera",
];

/// Every profile that may be named, with the text it came from.
#[derive(Default)]
pub(super) struct Profiles {
    known: BTreeMap<String, Known>,
}

/// One profile.
pub(super) struct Known {
    /// `None` where it was refused; the name is known all the same.
    pub(super) profile: Option<Profile>,
    /// What it was read from: part of the digest of the settings.
    pub(super) text: String,
}

impl Profiles {
    /// By name.
    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    /// Every name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }
}

/// Reads all of them.
pub(super) fn read(dir: &Path, findings: &mut Findings) -> Profiles {
    let mut profiles = Profiles::default();
    for (name, text) in SHIPPED {
        let path = PathBuf::from(format!("<shipped>/profiles/{name}.toml"));
        let profile = parse(&Source::new(&path, (*text).to_owned()), name, findings);
        profiles.known.insert((*name).to_owned(), Known { profile, text: (*text).to_owned() });
    }
    let folder = dir.join("profiles");
    let files = match files(&folder) {
        Ok(files) => files,
        Err(fault) => {
            let cause = format!("{} cannot be listed: {fault}", folder.display());
            let remedy = format!("look at the owner and mode: ls -ld {}", folder.display());
            findings.add(Code::FileUnreadable, Place::file(&folder), cause, remedy);
            return profiles;
        }
    };
    if files.len() > MAX_PROFILES {
        let cause = format!("{} profiles; at most {MAX_PROFILES} are read", files.len());
        findings.add(Code::TooMany, Place::file(&folder), cause, "remove those that no device names");
    }
    for path in files.iter().take(MAX_PROFILES) {
        let name = path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
        let Some(source) = Source::read(path, MAX_SETTINGS_BYTES, "put it back", findings) else {
            profiles.known.insert(name, Known { profile: None, text: String::new() });
            continue;
        };
        let profile = parse(&source, &name, findings);
        profiles.known.insert(name, Known { profile, text: source.text });
    }
    profiles
}

/// `*.toml` of a folder by name; none where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn parse(source: &Source, name: &str, findings: &mut Findings) -> Option<Profile> {
    reader::parse(source, findings)?;
    let profile = match toml::from_str::<Profile>(&source.text) {
        Ok(profile) => profile,
        Err(fault) => {
            let place = source.at(fault.span().unwrap_or(0..0), "here");
            let cause = format!("profile `{name}` cannot be used: {}", fault.message().replace('\n', ", "));
            findings.add(
                Code::BadProfile,
                place,
                cause,
                "correct it, or remove the file to use the one that is shipped",
            );
            return None;
        }
    };
    let errors = findings.errors();
    if profile.name != name {
        let place = source.at(value_of_name(&source.text), "differs from the file");
        let cause = format!("the profile in {name}.toml is named `{}`", profile.name);
        let remedy = format!("write name = \"{name}\", or rename the file");
        findings.add(Code::ProfileName, place, cause, remedy);
    }
    for fault in profile.faults() {
        let place = source.at(span_of_fault(&source.text, &fault), "");
        let cause = format!("profile `{name}`: {fault}");
        findings.add(Code::BadProfile, place, cause, "correct the row by the manual it cites");
    }
    (findings.errors() == errors).then_some(profile)
}

fn value_of_name(text: &str) -> std::ops::Range<usize> {
    toml::de::DeTable::parse(text)
        .ok()
        .and_then(|root| root.get_ref().get("name").map(toml::Spanned::span))
        .unwrap_or(0..0)
}

/// Faults name their point in backquotes: that is where the caret goes.
fn span_of_fault(text: &str, fault: &str) -> std::ops::Range<usize> {
    let quoted = fault.split('`').nth(1).map(|name| format!("\"{name}\""));
    let found = quoted.and_then(|quoted| text.find(&quoted).map(|at| at..at + quoted.len()));
    found.unwrap_or(0..0)
}
