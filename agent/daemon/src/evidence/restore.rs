//! A backup on another box: verified whole, then an archive beside the journal of the new gateway.
//!
//! The archive is evidence and nothing else: no state, no alarm and no number of the old gateway becomes the new one's. An
//! archive is a backup still; it may be exported, verified and restored again.

use super::backup::{EVIDENCE, SEAL, SUMS, listing};
use super::folder::{Fresh, fault};
use super::{EvidenceFault, check};
use picket_record::bundle::{Manifest, Part, Seal, Trust, Verdict};
use picket_record::chain::Parsed;
use picket_record::encode::{LINE_MAX, Link, base64url};
use picket_record::kind::Kind;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// Folder of archives beside the journal.
pub const ARCHIVES: &str = "archive";
/// Largest list: a thousand settings and a bundle.
const SUMS_MAX: u64 = 1 << 20;
/// Archives that a start tells of: boxes are replaced once in years.
const ARCHIVES_MAX: usize = 64;
/// Read at once.
const SLICE_BYTES: usize = 1 << 16;

/// A backup that was verified.
#[derive(Debug)]
pub struct Sound {
    /// What its bundle shows.
    pub verdict: Verdict,
    /// What its `records.backed_up` record says.
    pub seal: Manifest,
    files: Vec<(String, [u8; 32])>,
    bytes: u64,
}

/// Verifies every file of a backup. The error names the one that is altered, missing or unknown.
pub fn verified(backup: &Path, trust: Trust, told: &mut impl FnMut(u64)) -> Result<Sound, EvidenceFault> {
    let altered = |name: &str, why: String| EvidenceFault::Altered { file: backup.join(name), why };
    let sums = text(backup, SUMS)?;
    let files = listing(&sums).ok_or_else(|| altered(SUMS, "it is not a list of files".into()))?;
    let known: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).chain([SUMS, SEAL]).collect();
    if let Some(name) = files.iter().map(|(name, _)| name).find(|name| !is_plain(name)) {
        return Err(altered(SUMS, format!("it names {name:?}, which is no file of a backup")));
    }
    if let Some(stranger) = stranger(backup, "", &known)? {
        return Err(altered(&stranger, "it is not in SHA256SUMS".into()));
    }
    let mut bytes = 0;
    for (name, digest) in &files {
        let mut hash = Sha256::new();
        bytes += pieces(&backup.join(name), |piece| {
            hash.update(piece);
            Ok(())
        })?;
        if <[u8; 32]>::from(hash.finalize()) != *digest {
            return Err(altered(name, "its SHA-256 is not the one in SHA256SUMS".into()));
        }
    }
    let evidence = backup.join(EVIDENCE);
    let verdict = check::bundle(&evidence, trust, Seal::Demanded, told).map_err(|why| altered(EVIDENCE, why))?;
    if !verdict.is_verified() {
        let first = verdict.found.first().map_or(String::new(), |finding| format!(", the first in {finding}"));
        return Err(altered(EVIDENCE, format!("{} contradictions{first}", verdict.contradictions)));
    }
    let accepted = verdict.acceptance.as_ref().ok_or_else(|| altered(EVIDENCE, "there is no acceptance".into()))?;
    let sealed = Manifest::verify(&text(backup, SEAL)?, accepted, Kind::RecordsBackedUp);
    let (seal, _) = sealed.map_err(|refusal| altered(SEAL, refusal.to_string()))?;
    let named = seal.files.get(SUMS).map(|(_, digest)| *digest);
    if named != Some(Sha256::digest(&sums).into()) {
        return Err(altered(SUMS, format!("it is not the list that {SEAL} names")));
    }
    Ok(Sound { verdict, seal, files, bytes })
}

/// Makes the archive of a verified backup below a folder; where it lies. What is copied is held to the list once more.
pub fn put(backup: &Path, sound: &Sound, to: &Path) -> Result<PathBuf, EvidenceFault> {
    let gw = sound.verdict.acceptance.as_ref().map_or("unknown", |accepted| accepted.gw.as_str());
    let place = to.join(ARCHIVES).join(gw);
    let mut folder = Fresh::make(&place, sound.bytes)?;
    copy(backup, "", &sound.files, &mut folder)?;
    for name in [SUMS, SEAL] {
        folder.put(name, text(backup, name)?.as_bytes())?;
    }
    folder.finish()?;
    Ok(place)
}

/// Copies the bundle of an archive to a folder of its own, every file held to the list of the archive.
pub fn export(archive: &Path, out: &Path) -> Result<(), EvidenceFault> {
    let altered = |why: &str| EvidenceFault::Altered { file: archive.join(SUMS), why: why.into() };
    let files = listing(&text(archive, SUMS)?).ok_or_else(|| altered("it is not a list of files"))?;
    let prefix = format!("{EVIDENCE}/");
    let files: Vec<_> = files.into_iter().filter(|(name, _)| name.starts_with(&prefix) && is_plain(name)).collect();
    if files.is_empty() {
        return Err(altered("it names no evidence"));
    }
    let bytes = check::size(&archive.join(EVIDENCE));
    let mut folder = Fresh::make(out, bytes)?;
    copy(archive, &prefix, &files, &mut folder)?;
    folder.finish()?;
    Ok(())
}

fn copy(from: &Path, prefix: &str, files: &[(String, [u8; 32])], to: &mut Fresh) -> Result<(), EvidenceFault> {
    for (name, digest) in files {
        let short = name.strip_prefix(prefix).unwrap_or(name);
        let mut file = to.file(short)?;
        pieces(&from.join(name), |piece| Ok(file.write(piece)?))?;
        file.finish()?;
        if to.files().get(short).map(|(_, copied)| copied) != Some(digest) {
            let why = "it changed while it was copied".to_owned();
            return Err(EvidenceFault::Altered { file: from.join(name), why });
        }
    }
    Ok(())
}

/// What a start states about an archive: digest of its seal, and the data of `records.restored`.
#[derive(Debug)]
pub struct Archive {
    /// Link of the `records.backed_up` record.
    pub backup: Link,
    /// The data of the record.
    pub data: Map<String, Value>,
}

/// Archives in the folder of a journal, and what is wrong with those that cannot be read. They were verified when they
/// were put there; a record names links of theirs, so that what is altered later shows.
pub fn archives(state: &Path) -> (Vec<Archive>, Vec<String>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    let Ok(entries) = fs::read_dir(state.join(ARCHIVES)) else { return (found, wrong) };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join(SEAL).exists() && folder.extension().is_none());
    folders.sort();
    for folder in folders.into_iter().take(ARCHIVES_MAX) {
        match archive(&folder) {
            Ok(archive) => found.push(archive),
            Err(why) => wrong.push(format!("{}: {why}", folder.display())),
        }
    }
    (found, wrong)
}

fn archive(folder: &Path) -> Result<Archive, String> {
    let (seal, backup) = last_line(&folder.join(SEAL))?;
    let (_, manifest) = last_line(&folder.join(EVIDENCE).join(Part::Manifest.file()))?;
    let (_, head) = last_line(&folder.join(EVIDENCE).join(Part::Records.file()))?;
    let mut data = Map::new();
    data.insert("gw".into(), seal.gw.into());
    data.insert("from".into(), seal.from);
    data.insert("to".into(), seal.to);
    for (name, link) in [("head", head), ("manifest", manifest), ("backup", backup)] {
        data.insert(name.into(), base64url(&link).into());
    }
    Ok(Archive { backup, data })
}

/// Of the last record of a file.
struct Last {
    gw: String,
    from: Value,
    to: Value,
}

fn last_line(path: &Path) -> Result<(Last, Link), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.seek(SeekFrom::Start(end.saturating_sub(LINE_MAX as u64 + 2))).map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let line = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let record = Parsed::read_bytes(line).map_err(|refusal| format!("{}: {refusal}", path.display()))?;
    let field = |name: &str| record.data().get(name).cloned().unwrap_or(Value::Null);
    Ok((Last { gw: record.gw.to_string(), from: field("from"), to: field("to") }, record.link))
}

/// The first file below that nobody knows.
fn stranger(folder: &Path, prefix: &str, known: &BTreeSet<&str>) -> Result<Option<String>, EvidenceFault> {
    for entry in fs::read_dir(folder).map_err(fault(folder, "read the backup"))? {
        let path = entry.map_err(fault(folder, "read the backup"))?.path();
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        let about = fs::symlink_metadata(&path).map_err(fault(&path, "read the backup"))?;
        let deeper = format!("{name}/");
        if about.is_dir() && known.iter().any(|file| file.starts_with(&deeper)) {
            if let Some(found) = stranger(&path, &deeper, known)? {
                return Ok(Some(found));
            }
        } else if !about.is_file() || !known.contains(name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A name that stays below its folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

fn text(folder: &Path, name: &str) -> Result<String, EvidenceFault> {
    let path = folder.join(name);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(SUMS_MAX).read_to_string(&mut text));
    read.map_err(fault(&path, "read"))?;
    Ok(text)
}

/// Reads a file in pieces; how many bytes it has.
fn pieces(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), EvidenceFault>) -> Result<u64, EvidenceFault> {
    let mut file = File::open(path).map_err(fault(path, "read"))?;
    let (mut buffer, mut bytes) = (vec![0; SLICE_BYTES], 0);
    loop {
        let read = file.read(&mut buffer).map_err(fault(path, "read"))?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += read as u64;
        take(&buffer[..read])?;
    }
}
