//! Lines that disclose what records commit to.

use super::Turn;
use crate::store;
use picket_record::chain::Parsed;
use picket_record::personal::Disclosure;
use rusqlite::Result;
use serde_json::Value;

/// Ranges of records that one `personal.erased` names.
const RANGES_MAX: usize = 32;

impl Turn<'_> {
    /// A line that discloses what a record commits to. It is not kept where it does not fit: nobody could erase it.
    pub(super) fn personal(&mut self, line: &[u8]) -> Result<()> {
        let gw = self.gateway.accepted.gw.clone();
        // Nothing of the line stands in the reason.
        let read = std::str::from_utf8(line).ok().and_then(|line| Disclosure::from_line(line).ok());
        let Some((seq, disclosure)) = read else {
            return self.refuse(&"a line that is neither a record nor personal data", b"{}");
        };
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
        let Some(record) = records.iter().find(|record| record.personal.is_some_and(|pii| disclosure.opens(&pii)))
        else {
            return self.refuse(&"personal data that the record does not commit to", shown.as_bytes());
        };
        if store::is_disclosed(self.db, &gw, seq, &record.link)? {
            self.tally.duplicates += 1;
            return Ok(());
        }
        store::disclose(self.db, record, (&disclosure.salt, &disclosure.text), self.now.wall_ms)?;
        self.tally.personal += 1;
        Ok(())
    }
}

/// The records whose personal data a `personal.erased` erases: `data.records`, numbers and ranges `[a,b]`, none behind
/// itself. One that speaks of a branch names none.
pub(super) fn erased(record: &Parsed<'_>) -> Vec<(u64, u64)> {
    let data = record.data();
    let listed = data.get("records").and_then(Value::as_array).into_iter().flatten().take(RANGES_MAX);
    let ranges = listed.filter_map(|item| match item.as_array().map(Vec::as_slice) {
        Some([from, to]) => Some((from.as_u64()?, to.as_u64()?)),
        Some(_) => None,
        None => item.as_u64().map(|seq| (seq, seq)),
    });
    ranges.map(|(from, to)| (from, to.min(record.seq - 1))).filter(|(from, to)| from <= to).collect()
}
