//! Evidence that leaves the gateway: bundles, backups, and what a backup becomes on another box.
//!
//! Everything is written into a [`folder::Fresh`] folder, which bears its name only once it is whole and on the disk.

pub mod backup;
pub mod bundle;
pub mod check;
pub mod folder;
pub mod restore;
mod sidecar;

use crate::control::Unanswered;
use crate::journal::bundle::Range;
use picket_record::acceptance::BY_MAX;
use picket_record::shown;
use std::path::PathBuf;

/// Longest reason, in bytes: a reference and a sentence.
pub const REASON_MAX: usize = 512;

/// Who wants evidence, and what for: it stands in the signed record, because custody begins with a name and a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    by: String,
    reason: String,
}

impl Purpose {
    /// Checked: neither may be empty, too long, of more than one line or with characters that are not seen.
    pub fn new(by: &str, reason: &str) -> Result<Self, EvidenceFault> {
        for (what, text, most) in [("--by", by, BY_MAX), ("--reason", reason, REASON_MAX)] {
            if text.trim().is_empty() || text.len() > most || !shown::is_plain(text) {
                return Err(EvidenceFault::Purpose { what, most });
            }
        }
        Ok(Self { by: by.trim().to_owned(), reason: reason.trim().to_owned() })
    }

    /// Who.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// What for.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Why there is no evidence. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFault {
    /// Who or what for is not said.
    #[error(
        "{what} is one line of 1 to {most} bytes, without characters that are not seen: it stands in the signed record"
    )]
    Purpose {
        /// The option.
        what: &'static str,
        /// Bytes.
        most: usize,
    },
    /// The agent did not answer, or says why not.
    #[error(transparent)]
    Agent(#[from] Unanswered),
    /// A folder or file.
    #[error(transparent)]
    Folder(#[from] folder::FolderFault),
    /// The agent gave other lines than those it named.
    #[error("the agent gave records up to {came} and named {named}; see picket status, then try again")]
    Short {
        /// Number of the last line.
        came: u64,
        /// Number asked for.
        named: u64,
    },
    /// No record is of that time.
    #[error("no record that is still here says that it is of that time: {0:?}; name numbers, or other days")]
    NoSuchTime(Range),
    /// A file of a backup is not what its list says.
    #[error("{}: {why}; this backup is not restored", file.display())]
    Altered {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}
