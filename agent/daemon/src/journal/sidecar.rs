//! What an export may disclose of personal data, as far as its labels let it leave: rows of a `sidecar.json`, one a line.

use super::bundle::Slice;
use super::{Fault, Journal};
use picket_core::sensitivity::Channel;
use picket_core::wire::BATCH_BYTES;

/// Openings looked at at once: each has its record read. Two of a label that keeps them back are as much work as two that
/// leave.
const OPENINGS: u64 = 500;

impl Journal {
    /// Rows behind a number, up to a record, as many as fit a slice, with the number that the next slice is behind.
    pub(super) fn disclosed_rows(&self, after: u64, to: u64) -> Result<Slice, Fault> {
        let (mut behind, mut text) = (after, String::new());
        while behind < to && text.is_empty() {
            let Some(mut through) = self.opening_number(OPENINGS, behind, to)? else { break };
            for (seq, opening) in self.disclosed((behind + 1, through), Channel::Export)? {
                let row = opening.to_row(seq);
                if !text.is_empty() && text.len() + row.len() > BATCH_BYTES {
                    through = seq - 1;
                    break;
                }
                text.push_str(&row);
                text.push('\n');
            }
            behind = through;
        }
        Ok((!text.is_empty()).then(|| (behind, text.into_bytes())))
    }

    /// The number of the record that one of the openings behind a number is of, or of the last up to a record.
    fn opening_number(&self, which: u64, after: u64, to: u64) -> Result<Option<u64>, Fault> {
        let sql = "SELECT max(seq) FROM (SELECT seq FROM personal WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)";
        let doing = "cannot look for personal data";
        Ok(self.store.row(sql, (after, to, which), doing, |row| row.get(0))?.flatten())
    }
}
