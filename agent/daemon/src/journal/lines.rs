//! Stored lines, as many as fit a message.

use super::Fault;
use super::at_rest::Line;
use super::store::Store;
use picket_core::wire::BATCH_BYTES;
use rusqlite::Params;

impl Store {
    /// Adds lines, each ended by LF, up to the size of a message, but one at least where there is none yet. `sql` gives
    /// a number and a line, rising; the number of the last one that was added. A damaged line is added as it lies there.
    pub(super) fn take_lines(
        &self,
        sql: &str,
        values: impl Params,
        text: &mut Vec<u8>,
        doing: &'static str,
    ) -> Result<Option<u64>, Fault> {
        self.take_lines_with(sql, values, text, doing, |_, _| ())
    }

    /// The same, and behind each line what `beside` adds to it.
    pub(super) fn take_lines_with(
        &self,
        sql: &str,
        values: impl Params,
        text: &mut Vec<u8>,
        doing: &'static str,
        beside: impl Fn(u64, &mut Vec<u8>),
    ) -> Result<Option<u64>, Fault> {
        let fault = |source| self.disk(doing, source);
        let mut statement = self.db.prepare_cached(sql).map_err(fault)?;
        let mut rows = statement.query(values).map_err(fault)?;
        let mut through = None;
        while let Some(row) = rows.next().map_err(fault)? {
            let Line(line) = row.get(1).map_err(fault)?;
            if !text.is_empty() && text.len() + line.len() > BATCH_BYTES {
                break;
            }
            text.extend_from_slice(&line);
            text.push(b'\n');
            let seq = row.get(0).map_err(fault)?;
            beside(seq, text);
            through = Some(seq);
        }
        Ok(through)
    }
}
