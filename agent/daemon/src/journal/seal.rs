//! Records that somebody waits for: exports and backups are stated before they count, restored archives at a start.

use super::own_words::own_words;
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::chain::Parsed;
use picket_record::encode::{Link, base64url};
use picket_record::kind::{Kind, Severity};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Prefix of the notes about archives that a record has told of.
const TOLD: &str = "restored/";

/// A record that was written on request, with what it is verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its number.
    pub seq: u64,
    /// Number of the opening of its epoch.
    pub opened: u64,
    /// The line of that opening.
    pub opening: String,
    /// Its own line.
    pub line: String,
}

impl Journal {
    /// Writes a record of the journal's own, and hands it out once it is stored.
    pub fn state(&mut self, when: &When, kind: Kind, data: Map<String, Value>) -> Result<Written, Fault> {
        let body = own_words(when, kind, Severity::Notice, Value::Object(data));
        let seq = self.append(&[body])?.head;
        let (opened, doing) = (self.sealer.opened(), "a record that was just stored");
        let text = |line: Option<Vec<u8>>| line.and_then(|line| String::from_utf8(line).ok());
        let (line, opening) = (text(self.store.line(seq)?), text(self.store.line(opened)?));
        let (Some(line), Some(opening)) = (line, opening) else {
            return Err(Fault::Refused(format!("{doing} cannot be read; see picket status")));
        };
        // What does not fit a record is stated as dropped in its place.
        match Parsed::read(&line) {
            Ok(record) if record.kind == kind => Ok(Written { seq, opened, opening, line }),
            _ => Err(Fault::Refused(format!("{} does not fit a record: name less", kind.as_str()))),
        }
    }

    /// States an archive of another gateway, once; `backup` is the link of its seal. Number of the record.
    pub fn state_restored(
        &mut self,
        when: &When,
        backup: &Link,
        data: Map<String, Value>,
    ) -> Result<Option<u64>, Fault> {
        let key = format!("{TOLD}{}", base64url(backup));
        let doing = "cannot note a restored archive";
        let told = self.store.row("SELECT 1 FROM meta WHERE key = ?1", [&key], doing, |_| Ok(()))?;
        if told.is_some() {
            return Ok(None);
        }
        let body = own_words(when, Kind::RecordsRestored, Severity::Notice, Value::Object(data));
        self.in_one(|store, sealer| {
            let seq = super::prune::write(store, sealer, &body)?;
            let values = (&key, seq.to_string());
            store.run("INSERT INTO meta(key, value) VALUES(?1, ?2)", values, doing).map(drop)
        })?;
        Ok(Some(self.sealer.head().seq))
    }
}
