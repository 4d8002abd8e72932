//! Files that were set aside because they were damaged: `<journal>.damaged-<n>`, with its `-wal`, and copies of a log,
//! `<journal>.damaged-log-<n>`.
//!
//! **Budget.** Together they take at most as much as the journal itself may: a larger number is a younger one, the eldest
//! go, and a record says so. The youngest stays whatever its size, because it is the evidence of the last damage.

use super::damage::Damage;
use super::store::Store;
use super::{Fault, salvage};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a damaged journal is called, behind the name of the journal and before a number.
pub(super) const JOURNAL: &str = ".damaged-";
/// What the copy of a damaged log is called.
pub(super) const LOG: &str = ".damaged-log-";

/// A name that is free, with a number above those of all others.
pub(super) fn free(file: &Path, word: &str) -> Result<PathBuf, Fault> {
    // A log alone was renamed before a power cut, and its journal takes the same number.
    let whole = |files: &[(PathBuf, u64)]| files.iter().any(|(path, _)| !path.to_string_lossy().ends_with("-wal"));
    let above = found(file)?.iter().rev().find(|(_, files)| whole(files)).map_or(0, |(number, _)| *number);
    let named = |number: u64| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!("{word}{number}"));
        PathBuf::from(name)
    };
    // One whose name is no text is not found above.
    let free = (above + 1..=above + 10_000).map(named).find(|path| !path.exists());
    free.ok_or_else(|| {
        Fault::Refused(format!("{}: too many damaged journals lie beside it; move them away", file.display()))
    })
}

/// Has the eldest go where all take more than the journal may. What goes is noted before, until a record tells of it; what
/// cannot be looked at or removed stays until the next start, and keeps no agent from running.
pub(super) fn bound(store: &Store, file: &Path, budget: u64, damage: &mut Damage) -> Result<(), Fault> {
    let mut numbered = found(file).unwrap_or_else(|fault| {
        tracing::warn!(cause = super::told(&fault), "what was set aside is not held to its budget");
        BTreeMap::new()
    });
    let mut bytes: u64 = numbered.values().flatten().map(|(_, bytes)| bytes).sum();
    let (mut going, mut freed, mut to) = (Vec::new(), 0, 0);
    while bytes > budget && numbered.len() > 1 {
        let Some((number, files)) = numbered.pop_first() else { break };
        let these: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        (bytes, freed, to) = (bytes - these, freed + these, number);
        going.extend(files.into_iter().map(|(path, _)| path));
    }
    if going.is_empty() {
        return Ok(());
    }
    let finding = json!({ "what": "aside", "to": to, "n": going.len(), "bytes": freed, "why": "space" });
    tracing::warn!(n = going.len(), freed, "damaged journals beside this one take more than its budget: the eldest go");
    let mut noted = salvage::untold(store)?;
    noted.insert(0, finding.clone());
    salvage::note(store, &noted)?;
    damage.push(finding);
    for path in going {
        if let Err(cause) = fs::remove_file(&path) {
            tracing::warn!(%cause, file = %path.display(), "a journal that was set aside cannot be removed");
        }
    }
    Ok(())
}

/// What lies beside a journal, by number: paths and bytes.
fn found(file: &Path) -> Result<BTreeMap<u64, Vec<(PathBuf, u64)>>, Fault> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fault = |source| Fault::File { file: folder.to_owned(), doing: "cannot look for journals set aside", source };
    let mut found: BTreeMap<u64, Vec<(PathBuf, u64)>> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name();
        let own = file.file_name().and_then(|own| own.to_str()).zip(name.to_str());
        let Some(number) = own.and_then(|(own, name)| number(name.strip_prefix(own)?)) else { continue };
        let bytes = entry.metadata().map_or(0, |found| found.len());
        found.entry(number).or_default().push((entry.path(), bytes));
    }
    Ok(found)
}

/// The number in what stands behind the name of the journal.
fn number(rest: &str) -> Option<u64> {
    let number = rest.strip_prefix(LOG).or_else(|| rest.strip_prefix(JOURNAL))?;
    let number = number.strip_suffix("-wal").unwrap_or(number);
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
}
