//! Texts in force, kept whole: the register that a signed `register.applied` names, for the day when a later one is
//! wrong. The digest in the signed record decides whether a kept text is believed.

use super::at_rest::Text;
use super::store::Store;
use super::{Fault, Journal};

impl Journal {
    /// Keeps a text under a name, in the place of the one before, and of what damage has made of the same one.
    pub fn keep(&self, name: &str, file: &str, digest: &str, text: &str) -> Result<(), Fault> {
        let sql = "INSERT INTO document(name, file, digest, body) VALUES(?1, ?2, ?3, ?4)
                   ON CONFLICT(name) DO UPDATE SET file = excluded.file, digest = excluded.digest, body = excluded.body
                   WHERE document.digest IS NOT excluded.digest OR document.body IS NOT excluded.body";
        self.store.run(sql, (name, file, digest, text), "cannot keep a document").map(drop)
    }

    /// File name, digest and text of what was kept; none of what damage has made no text.
    pub fn kept(&self, name: &str) -> Result<Option<(String, String, String)>, Fault> {
        kept(&self.store, name)
    }
}

pub(super) fn kept(store: &Store, name: &str) -> Result<Option<(String, String, String)>, Fault> {
    let sql = "SELECT file, digest, body FROM document WHERE name = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
    let row: Option<[Text; 3]> = store.row(sql, [name], "cannot read a document", read)?;
    Ok(row.and_then(|[file, digest, body]| Some((file.0?, digest.0?, body.0?))))
}
