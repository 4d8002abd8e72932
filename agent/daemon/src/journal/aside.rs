//! Files that were set aside because they were damaged: `<journal>.damaged-<n>`, with its `-wal`, and copies of a log,
//! `<journal>.damaged-log-<n>`.
//!
//! **Budget.** Together they take at most as much as the journal itself may: the eldest go, and a record says which. What a
//! start made stays in that start, and the youngest in any, whatever their size: they are the evidence of the last damage.
//! An earlier agent counted journals and logs each for themselves and gave numbers again, so the age of others is that of
//! the file; where files are of one moment, that of their numbers. A clock that was wrong decides between those alone.

use super::damage::Damage;
use super::store::Store;
use super::{Fault, salvage};
use crate::secrecy::beside;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a damaged journal is called, behind the name of the journal and before a number.
pub(super) const JOURNAL: &str = ".damaged-";
/// What the copy of a damaged log is called.
pub(super) const LOG: &str = ".damaged-log-";
/// The log of a journal goes with it.
const OWN_LOG: &str = "-wal";

/// Most files that go at a start: one record names all of them.
const GOING_MAX: usize = 16;
/// Most journals and logs that a start makes: a copy of the log, the journal, and the one that took its place. Findings of
/// starts that failed before a record told of them may name more.
const MADE_MAX: usize = 3;
/// What findings of files that went are called.
const WHAT: &str = "aside";

/// A file that lies beside the journal.
#[derive(Debug)]
struct Found {
    /// What stands behind the name of the journal.
    rest: String,
    number: u64,
    bytes: u64,
    changed: SystemTime,
}

/// A name that is free, with a number above those of all others.
pub(super) fn free(file: &Path, word: &str) -> Result<PathBuf, Fault> {
    let found = found(file)?;
    // A log alone was renamed before a power cut, and its journal takes the same number.
    let whole = found.iter().filter(|found| !found.rest.ends_with(OWN_LOG));
    let above = whole.map(|found| found.number).max().unwrap_or(0);
    let named = |number: u64| beside(file, &format!("{word}{number}"));
    // One whose name is no text is not found above.
    let free = (above + 1..=above + 10_000).map(named).find(|path| !path.exists());
    free.ok_or_else(|| {
        Fault::Refused(format!("{}: too many damaged journals lie beside it; move them away", file.display()))
    })
}

/// Has the eldest go where all take more than the journal may. What is to go is noted before, and what is gone until a
/// record tells of it; what cannot be looked at or removed stays until the next start, and keeps no agent from running.
pub(super) fn bound(store: &Store, file: &Path, budget: u64, damage: &mut Damage) -> Result<(), Fault> {
    let is_ours = |finding: &Value| finding["what"] == WHAT && finding["files"].is_string();
    let (noted, others): (Damage, Damage) = salvage::untold(store)?.into_iter().partition(is_ours);
    let rests = noted.iter().filter_map(|finding| finding["files"].as_str()).flat_map(str::split_whitespace);
    let mut rests: Vec<String> = rests.map(str::to_owned).collect();
    let going = going(file, budget, GOING_MAX.saturating_sub(rests.len()), &made(file, &others));
    for Found { rest, .. } in &going {
        if !rests.contains(rest) {
            rests.push(rest.clone());
        }
    }
    if rests.is_empty() {
        return Ok(());
    }
    if !going.is_empty() {
        note(store, &rests, &others)?;
    }
    for Found { rest, .. } in &going {
        let path = beside(file, rest);
        if let Err(cause) = fs::remove_file(&path) {
            tracing::warn!(%cause, file = %path.display(), "a journal that was set aside cannot be removed");
        }
    }
    // Of this start or one before that was killed: nothing is said to be gone that is not.
    rests.retain(|rest| !beside(file, rest).exists());
    note(store, &rests, &others)?;
    damage.retain(|finding| !is_ours(finding));
    if !rests.is_empty() {
        tracing::warn!(n = rests.len(), "damaged journals beside this one took more than its budget: the eldest went");
        damage.insert(0, finding(&rests));
    }
    Ok(())
}

/// One text: a payload nests no deeper.
fn finding(rests: &[String]) -> Value {
    json!({ "what": WHAT, "files": rests.join(" "), "why": "space" })
}

fn note(store: &Store, rests: &[String], others: &Damage) -> Result<(), Fault> {
    let ours = (!rests.is_empty()).then(|| finding(rests));
    let noted: Damage = ours.into_iter().chain(others.iter().cloned()).collect();
    if noted.is_empty() { salvage::told(store) } else { salvage::note(store, &noted) }
}

/// What stands behind the name of the journal in those that this start made, as its findings name them.
fn made(file: &Path, findings: &Damage) -> Vec<String> {
    let own = file.file_name().and_then(|own| own.to_str());
    let rest = |aside: &str| Some(Path::new(aside).file_name()?.to_str()?.strip_prefix(own?)?.to_owned());
    let named = findings.iter().rev().filter_map(|finding| finding["aside"].as_str());
    named.take(MADE_MAX).filter_map(rest).collect()
}

/// The eldest that this start did not make, so that the rest keeps to the budget; at most so many.
fn going(file: &Path, budget: u64, most: usize, made: &[String]) -> Vec<Found> {
    let found = found(file).unwrap_or_else(|fault| {
        tracing::warn!(cause = super::told(&fault), "what was set aside is not held to its budget");
        Vec::new()
    });
    let mut bytes: u64 = found.iter().map(|found| found.bytes).sum();
    let mut together: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for found in found {
        let whole = found.rest.strip_suffix(OWN_LOG).unwrap_or(&found.rest).to_owned();
        together.entry(whole).or_default().push(found);
    }
    let before = together.len();
    together.retain(|rest, _| !made.contains(rest));
    let is_youngest_made = together.len() < before;
    let mut together: Vec<Vec<Found>> = together.into_values().collect();
    together.sort_by_key(|files| files.iter().map(|found| (found.changed, found.number)).max());
    if !is_youngest_made {
        together.pop();
    }
    let mut going = Vec::new();
    for files in together {
        if bytes <= budget || going.len() + files.len() > most {
            break;
        }
        bytes -= files.iter().map(|found| found.bytes).sum::<u64>();
        going.extend(files);
    }
    going
}

/// What lies beside a journal. Folders are somebody else's.
fn found(file: &Path) -> Result<Vec<Found>, Fault> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fault = |source| Fault::File { file: folder.to_owned(), doing: "cannot look for journals set aside", source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name();
        let own = file.file_name().and_then(|own| own.to_str()).zip(name.to_str());
        let rest = own.and_then(|(own, name)| name.strip_prefix(own));
        let Some((rest, number)) = rest.and_then(|rest| Some((rest.to_owned(), number(rest)?))) else { continue };
        let Some(about) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
        let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        found.push(Found { rest, number, bytes: about.len(), changed });
    }
    Ok(found)
}

/// The number in what stands behind the name of the journal.
fn number(rest: &str) -> Option<u64> {
    let number = rest.strip_prefix(LOG).or_else(|| rest.strip_prefix(JOURNAL))?;
    let number = number.strip_suffix(OWN_LOG).unwrap_or(number);
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?.filter(|number| *number < 1 << 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_the_names_that_are_given_and_from_no_other() {
        let rests =
            [".damaged-7", ".damaged-7-wal", ".damaged-log-12", ".damaged-", ".damaged-x", ".damaged-+1", "-wal"];
        assert_eq!(rests.map(number), [Some(7), Some(7), Some(12), None, None, None, None]);
    }

    #[test]
    fn what_a_start_made_stays_in_it_whatever_the_clock_said_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        let hours = |hours: u64| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(hours * 3_600);
        // A journal has the time of its last write, and the copy of a log that of the start.
        let rests = [
            (".damaged-1", 90),
            (".damaged-1-wal", 91),
            (".damaged-2", 1),
            (".damaged-2-wal", 1),
            (".damaged-log-3", 2),
        ];
        for (rest, hour) in rests {
            let made = fs::File::create(beside(&file, rest)).unwrap();
            made.set_len(1_000).unwrap();
            made.set_modified(hours(hour)).unwrap();
        }
        let names = |made: &[&str], budget| {
            let findings: Damage =
                made.iter().map(|rest| json!({ "aside": beside(&file, rest).display().to_string() })).collect();
            let going = super::going(&file, budget, GOING_MAX, &super::made(&file, &findings));
            let mut rests: Vec<String> = going.into_iter().map(|found| found.rest).collect();
            rests.sort_unstable();
            rests
        };
        let (first, second, log) = (".damaged-1", ".damaged-2", ".damaged-log-3");
        assert_eq!(names(&[], 3_000), [second, ".damaged-2-wal"]);
        assert_eq!(names(&[log, second], 3_000), [first, ".damaged-1-wal"]);
        assert_eq!(names(&[log, second], 0), [first, ".damaged-1-wal"], "whatever their size");
        assert_eq!(names(&[second], 3_000), [first, ".damaged-1-wal", log]);
        // Of starts that failed before they told of it, the last ones.
        assert_eq!(names(&[first, log, log, second], 0), [first, ".damaged-1-wal"]);
    }
}
