//! Whether this gateway had a journal before: a mark beside the acceptance, which lies with the keys. A journal on a volume
//! that is not mounted would else begin anew without a word.
//!
//! The agent does not refuse to start: a guard system does not fail closed, and what it writes meanwhile is signed, sent
//! and told as `reset`. It says so in the log, in `picket status` and on the page until the next start.

use crate::journal::Place;
use crate::secrecy;
use std::path::PathBuf;

fn mark(place: &Place) -> PathBuf {
    place.acceptance.with_file_name("journal.begun")
}

/// The journal is not there, and one was begun before.
pub(crate) fn is_missing(place: &Place) -> bool {
    !place.file.exists() && mark(place).exists()
}

/// A journal was begun here. Where the mark cannot be kept, the next start takes a missing journal for a first one.
pub(crate) fn note(place: &Place) {
    let mark = mark(place);
    if mark.exists() {
        return;
    }
    if let Err(error) = secrecy::replace(&mark, format!("{}\n", place.file.display()).as_bytes()) {
        tracing::warn!(%error, file = %mark.display(), "it cannot be noted that a journal was begun");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_journal_is_missed_where_one_was_begun_and_its_volume_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let none = PathBuf::new();
        let place = Place {
            file: folder.path().join("volume/journal.db"),
            budget_bytes: 1,
            retention_days: 1,
            identity: none.clone(),
            acceptance: folder.path().join("accept.jws"),
            accept_key: none.clone(),
            root: none,
        };
        assert!(!is_missing(&place), "a first start misses nothing");
        fs::create_dir(folder.path().join("volume")).unwrap();
        fs::write(&place.file, "x").unwrap();
        note(&place);
        assert!(!is_missing(&place));
        fs::remove_dir_all(folder.path().join("volume")).unwrap();
        assert!(is_missing(&place));
    }
}
