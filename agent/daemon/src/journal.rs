//! The journal: the only owner of the database, the epoch key and the head of the chain.

use std::path::PathBuf;

/// Where the journal lies and how large it may become.
#[derive(Debug, Clone)]
pub struct Place {
    /// Database file.
    pub file: PathBuf,
    /// Most bytes it may take.
    pub budget_bytes: u64,
    /// Identity key file (32 bytes base64url, mode 0600).
    pub identity: PathBuf,
    /// Acceptance document of the central side.
    pub acceptance: PathBuf,
    /// Public key that signed it (base64url).
    pub accept_key: PathBuf,
}
