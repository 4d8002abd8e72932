//! The journal: the only owner of the database, the epoch key and the head of the chain.
//!
//! **Invariants.** A record is built, sealed, inserted and committed in one transaction together with the state rows it
//! changes; nothing is told outside before the commit. Numbers have no hole. The head is the last row. A record without
//! a receipt is never deleted. The epoch key never touches the disk.
//!
//! **Layout.** `record(seq, line)`; `state(key, body, said, seq)`, first said by one record and standing on another
//! that says it again where the first is disposed of; `epoch(ep, seq)` (see `openings`); `urgent(seq)`; `receipt(n, upto, day, line)`,
//! the newest of each day; `leaving`, `branch` and `branch_open`, what was left (see `branch`); `lost`, what was declared (see `lost`); `summary`, what is kept (see `summaries`); `personal`, what stands beside records (see
//! `personal`); `quarantine(seq, line, why)`; `document(name, file, digest, body)`; `meta(key, value)`; `at_rest(form)`, which
//! tells an earlier agent that lines are bytes.
//!
//! **Life.** Open, check the tail, check the state, open an epoch; append and read; prune what has a receipt when space
//! is needed; close the epoch at a stop in order.

mod answered;
mod append;
mod aside;
mod at_rest;
mod branch;
pub mod bundle;
mod credentials;
mod damage;
mod document;
mod first;
mod gone;
mod header;
mod lines;
mod log;
mod look_back;
mod lost;
mod memory;
mod open;
mod openings;
mod orders;
mod own_words;
mod personal;
mod prune;
mod read;
mod receipts;
mod reopen;
mod retention;
mod salvage;
pub mod seal;
mod sidecar;
mod store;
mod summaries;
mod tail;
#[cfg(test)]
mod tests;
pub mod thread;

pub use credentials::identity;
pub use read::Lines;
pub use receipts::ReceiptFault;
pub use store::PAGE_BYTES;
pub use thread::told;

use picket_core::sensitivity::Sensitivity;
use picket_record::chain::{Origin, Sealer};
use picket_record::encode::Link;
use picket_record::keys::{IdentityKey, PublicKey};
use picket_record::root::Roots;
use std::fmt;
use std::path::PathBuf;

/// Where the journal lies and how large it may become.
#[derive(Debug, Clone)]
pub struct Place {
    /// Database file.
    pub file: PathBuf,
    /// Most bytes it may take.
    pub budget_bytes: u64,
    /// Days that records are kept for, counted by receipts.
    pub retention_days: u32,
    /// Identity key file (32 bytes base64url, mode 0600).
    pub identity: PathBuf,
    /// Acceptance document of the central side.
    pub acceptance: PathBuf,
    /// Public key that signed it (base64url); not looked at where there is a root document.
    pub accept_key: PathBuf,
    /// Root documents of the central side (`root.jws`); without the file no order is believed.
    pub root: PathBuf,
}

/// Who writes, and whose receipts count.
#[derive(Debug)]
pub struct Credentials {
    /// Names in every record.
    pub origin: Origin,
    /// Signs `epoch.open`.
    pub identity: IdentityKey,
    /// Key for receipts that is in force: of the newest root document, or of the acceptance.
    pub receipt_key: PublicKey,
    /// Key for receipts that the acceptance names.
    pub accepted_receipt_key: PublicKey,
    /// Root documents, the pinned one first.
    pub roots: Option<Roots>,
    /// Link of the acceptance: `prev` of record 1.
    pub acceptance: Link,
    /// The acceptance as received, for exports.
    pub acceptance_line: String,
}

/// Gives 32 fresh random bytes for each epoch key.
pub type Entropy = Box<dyn FnMut() -> [u8; 32] + Send>;

/// An append that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Number of the last record.
    pub head: u64,
    /// Numbers of the records of severity 3 and up among them.
    pub urgent: Vec<u64>,
    /// Share of the budget in use, in thousandths.
    pub fill_permille: u16,
}

/// Why the journal did not do something. After [`Fault::Disk`] the file is closed, opened and checked before the next
/// append.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// SQLite or the disk below it.
    #[error("journal {file}: {doing}")]
    Disk {
        /// Database file.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A file beside the database.
    #[error("{file}: {doing}")]
    File {
        /// Which file.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Keys and acceptance do not belong together, or the journal is another gateway's.
    #[error("{0}")]
    Refused(String),
    /// A file without a key: the power went while it was made.
    #[error(
        "{file} is empty: no key was ever in it, and nothing was signed by one; run: rm {file} && picket identity {file}, \
         and have the gateway accepted with the key that it prints"
    )]
    NoKey {
        /// Which file.
        file: PathBuf,
    },
    /// The budget is used up.
    #[error(
        "journal is full: {used} of {budget} bytes are in use; is the link to the centre down? else raise budget_mib \
         under [journal]"
    )]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        budget: u64,
    },
}

/// An open journal.
pub struct Journal {
    store: store::Store,
    credentials: Credentials,
    sealer: Sealer,
    /// The last record is the `epoch.close` of a stop: nothing may follow it in its epoch.
    closed: bool,
    entropy: Entropy,
    version: String,
    epoch_opened_us: u64,
    receipts: receipts::Receipts,
    leaves: branch::Leaves,
    /// The farthest record that was handed to the link.
    handed: u64,
    retention: retention::Retention,
    /// Records that declare a loss and have no receipt.
    declared: Vec<u64>,
    declared_is_news: bool,
    commands: answered::Waiting,
    sensitivity: Sensitivity,
    /// The log tells once that rows keep the journal from disposing of anything.
    told_of_rows: bool,
    /// The order that the start found whole, with its register: it is in force, and comes into force no second time.
    order_found: Option<Link>,
    /// Root documents as installed, for exports.
    root_file: PathBuf,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("file", &self.store.file()).field("head", &self.sealer.head()).finish()
    }
}
