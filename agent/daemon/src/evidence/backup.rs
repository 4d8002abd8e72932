//! A backup: a bundle of every record, the settings beside it, a list of all files, and the record that names the list.
//!
//! **Layout.** `evidence/` is a bundle like any other; `settings/` what the installer wrote; `RESTORE.txt` for people;
//! `SHA256SUMS` in the form of sha256sum(1); `BACKUP.jws` the `records.backed_up` record behind its opening.
//!
//! **What is not in it.** The identity key: whoever held a copy could open epochs in this gateway's name, so a second box
//! gets an identity of its own. Passwords and TLS keys: they are made anew. State rows and the database: the new box
//! begins with what its own sensors say.

use super::folder::{Digests, Fresh, fault};
use super::{EvidenceFault, Purpose, bundle};
use crate::control;
use crate::journal::seal::Written;
use picket_record::kind::Kind;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the bundle.
pub const EVIDENCE: &str = "evidence";
/// The record about the list.
pub const SEAL: &str = "BACKUP.jws";
/// The list of files.
pub const SUMS: &str = "SHA256SUMS";
const SETTINGS: &str = "settings";
/// Files of settings; passwords and keys bear another ending.
const ENDINGS: [&str; 4] = ["toml", "csv", "jws", "pub"];
/// Settings have tens of files: profiles, register, manifest.
const FILES_MAX: usize = 1_024;
/// The settings read no larger file.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Folders below the settings.
const DEPTH: usize = 4;

/// A backup that was made.
#[derive(Debug)]
pub struct Backup {
    /// First and last record in it.
    pub records: (u64, u64),
    /// The record about it.
    pub seal: Written,
    /// Files of settings in it.
    pub settings: usize,
    /// Files beside the settings that were left out.
    pub left_out: Vec<PathBuf>,
}

/// Makes a backup of the running agent and of the settings in `config`, at a place where nothing is yet.
pub async fn make(
    (runtime, config): (&Path, &Path),
    out: &Path,
    purpose: &Purpose,
    begun: impl FnOnce(u64),
    told: &mut impl FnMut(u64),
) -> Result<Backup, EvidenceFault> {
    let settings = Settings::below(config)?;
    let papers = bundle::papers(runtime, bundle::Wish::default(), told).await?;
    let mut folder = Fresh::make(out, papers.bytes + settings.bytes)?;
    begun(papers.to - papers.from + 1);
    for (name, path) in &settings.files {
        let bytes = fs::read(path).map_err(fault(path, "read"))?;
        folder.put(&format!("{SETTINGS}/{name}"), &bytes)?;
    }
    let prefix = format!("{EVIDENCE}/");
    let made = bundle::write(runtime, &mut folder, &prefix, papers, purpose, told).await?;
    let records = (made.papers.from, made.papers.to);
    folder.put("RESTORE.txt", how_to_restore(&made.papers.gw).as_bytes())?;
    folder.put(SUMS, listed(folder.files()).as_bytes())?;
    let sums: Digests =
        folder.files().iter().filter(|(name, _)| *name == SUMS).map(|(n, row)| (n.clone(), *row)).collect();
    let seal = control::state(runtime, Kind::RecordsBackedUp, bundle::data(sums, records, purpose)).await?;
    folder.put(SEAL, format!("{}\n{}\n", seal.opening, seal.line).as_bytes())?;
    folder.finish()?;
    Ok(Backup { records, seal, settings: settings.files.len(), left_out: settings.left_out })
}

/// As sha256sum(1) writes and reads it.
fn listed(files: &Digests) -> String {
    let mut text = String::new();
    for (name, (_, digest)) in files {
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "{hex}  {name}");
    }
    text
}

/// Digest and name of each file in such a list; `None` where a line is not one.
pub(super) fn listing(text: &str) -> Option<Vec<(String, [u8; 32])>> {
    let row = |line: &str| {
        let (hex, name) = line.split_at_checked(64)?;
        let mut digest = [0; 32];
        for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        Some((name.strip_prefix("  ")?.to_owned(), digest))
    };
    text.lines().map(row).collect()
}

/// What the installer wrote, by its name below the folder.
#[derive(Debug, Default)]
struct Settings {
    files: Vec<(String, PathBuf)>,
    left_out: Vec<PathBuf>,
    bytes: u64,
}

impl Settings {
    fn below(config: &Path) -> Result<Self, EvidenceFault> {
        let mut found = Self::default();
        found.look(config, "", DEPTH)?;
        found.files.sort();
        Ok(found)
    }

    fn look(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), EvidenceFault> {
        for entry in
            fs::read_dir(folder).map_err(fault(folder, "read the settings (their folder is named with --config)"))?
        {
            let path = entry.map_err(fault(folder, "read the settings (their folder is named with --config)"))?.path();
            let about =
                fs::metadata(&path).map_err(fault(&path, "read the settings (their folder is named with --config)"))?;
            let name = path.file_name().and_then(|name| name.to_str()).map(|name| format!("{prefix}{name}"));
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            match name {
                Some(name) if about.is_dir() && depth > 0 => self.look(&path, &format!("{name}/"), depth - 1)?,
                Some(name) if about.is_file() && is_setting(ending, about.len()) && self.files.len() < FILES_MAX => {
                    self.bytes += about.len();
                    self.files.push((name, path));
                }
                _ => self.left_out.push(path),
            }
        }
        Ok(())
    }
}

fn is_setting(ending: &str, bytes: u64) -> bool {
    ENDINGS.contains(&ending) && bytes <= FILE_BYTES_MAX
}

fn how_to_restore(gw: &str) -> String {
    format!(
        "A backup of gateway {gw}: its records as evidence, and its settings. Its identity key is not in here, and must\n\
         not come from anywhere else: a copy of it would be a second gateway of the same name. On another box:\n\n\
         1. picket restore THIS-FOLDER --to /var/lib/picket\n\
         \x20  verifies everything first; the old records become an archive that stays verifiable\n\
         2. copy /var/lib/picket/archive/{gw}/settings/ to /etc/picket, and give the gateway a new name under [site]\n\
         3. write the passwords and keys anew that agent.toml names\n\
         4. picket enroll --token FILE, and go on as with any new gateway\n\n\
         The new gateway's first records say whose archive it holds. Alarms that were open on the old box are not taken\n\
         over: the new box says what its own sensors say. Without Picket: sha256sum -c SHA256SUMS, and verify evidence/\n\
         with a program of protocols/record/verifiers.\n"
    )
}
