//! What an export may disclose of personal data, as far as its labels let it leave: rows of a `sidecar.json`, one a line.

use super::bundle::Slice;
use super::{Fault, Journal};
use picket_core::sensitivity::Channel;
use picket_core::wire::BATCH_BYTES;

/// Numbers of records looked through at once: a few milliseconds, whatever stands beside them.
const SPAN: u64 = 50_000;

impl Journal {
    /// Rows behind a number, up to a record, as many as fit a slice, with the number that the next slice is behind.
    pub(super) fn disclosed_rows(&self, after: u64, to: u64) -> Result<Slice, Fault> {
        let (mut behind, mut text) = (after, String::new());
        while behind < to && text.is_empty() {
            let mut through = to.min(behind + SPAN);
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
}
