//! What was heard and may be acknowledged on the wire: only after its record is stored, and in order.

use crate::plan::LineId;
use std::collections::{BTreeMap, VecDeque};

/// Tokens that wait for their records, per line.
#[derive(Debug, Default)]
pub struct Confirms {
    lines: BTreeMap<LineId, VecDeque<(u64, u64)>>,
}

impl Confirms {
    /// A token was handled; everything it led to has drafts up to `draft`.
    pub fn heard(&mut self, line: LineId, token: u64, draft: u64) {
        self.lines.entry(line).or_default().push_back((token, draft));
    }

    /// Drafts up to `through` are stored: the last token per line that may be confirmed.
    pub fn stored(&mut self, through: u64) -> Vec<(LineId, u64)> {
        let mut confirmed = Vec::new();
        for (line, waiting) in &mut self.lines {
            let mut last = None;
            while waiting.front().is_some_and(|(_, draft)| *draft <= through) {
                last = waiting.pop_front().map(|(token, _)| token);
            }
            confirmed.extend(last.map(|token| (*line, token)));
        }
        confirmed
    }

    /// A line was lost: what waits belongs to a session that is gone, and is given again in the next one.
    pub fn lost(&mut self, line: LineId) {
        self.lines.remove(&line);
    }
}
