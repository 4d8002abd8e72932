//! Lines that disclose what records commit to.

use super::Turn;
use crate::ingest::personal::Disclosure;
use crate::store::{self, Disclosed};
use rusqlite::Result;

impl Turn<'_> {
    /// A line that discloses what a record commits to. It is not kept where it does not fit: nobody could erase it.
    pub(super) fn personal(&mut self, line: &[u8]) -> Result<()> {
        let gw = self.gateway.accepted.gw.clone();
        let disclosure = match Disclosure::read(line) {
            Ok(disclosure) => disclosure,
            Err(why) => return self.refuse(&why, b"{}"),
        };
        let seq = disclosure.seq;
        let shown = format!("{{\"pii\":{seq}}}");
        if store::is_erased(self.db, &gw, seq)? {
            return self.quarantine(&"personal data that was erased came again", shown.as_bytes());
        }
        let stored = store::stored_at(self.db, &gw, seq)?;
        if stored.is_empty() {
            return self.quarantine(&"personal data for a record that is not here", shown.as_bytes());
        }
        let records: Vec<_> = stored.iter().filter_map(|row| row.record(&gw).ok()).collect();
        if records.is_empty() {
            return self.quarantine(&"personal data for a record that can no longer be read here", shown.as_bytes());
        }
        let Some(record) = records.iter().find(|record| disclosure.opens(record.payload())) else {
            return self.refuse(&"personal data that the record does not commit to", shown.as_bytes());
        };
        match store::disclosed(self.db, &gw, seq, &record.link)? {
            Some(Disclosed::Kept) => {
                self.tally.duplicates += 1;
                return Ok(());
            }
            Some(Disclosed::Erased) => {
                return self.quarantine(&"personal data that was erased came again", shown.as_bytes());
            }
            None => {}
        }
        store::disclose(self.db, record, (&disclosure.salt, &disclosure.text), self.now.wall_ms)?;
        self.tally.personal += 1;
        Ok(())
    }
}
