//! What was heard and may be acknowledged on the wire: only after its record is stored, and in order.

use crate::plan::LineId;
use std::collections::{BTreeMap, VecDeque};

/// Tokens that wait for their records, per line.
#[derive(Debug, Default)]
pub struct Confirms {
    lines: BTreeMap<LineId, Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Token and draft.
    tokens: VecDeque<(u64, u64)>,
    /// Newest draft of the line, of former sessions too.
    draft: u64,
}

impl Confirms {
    /// A token was handled; what it led to has drafts up to `draft`, `None` where it led to none. Then it waits for the
    /// line's drafts before it all the same: it may be the second delivery of a message whose record is not stored yet.
    pub fn heard(&mut self, line: LineId, token: u64, draft: Option<u64>) {
        let waiting = self.lines.entry(line).or_default();
        waiting.draft = waiting.draft.max(draft.unwrap_or(0));
        waiting.tokens.push_back((token, waiting.draft));
    }

    /// Drafts up to `through` are stored: the last token per line that may be confirmed.
    pub fn stored(&mut self, through: u64) -> Vec<(LineId, u64)> {
        let mut confirmed = Vec::new();
        for (line, waiting) in &mut self.lines {
            let mut last = None;
            while waiting.tokens.front().is_some_and(|(_, draft)| *draft <= through) {
                last = waiting.tokens.pop_front().map(|(token, _)| token);
            }
            confirmed.extend(last.map(|token| (*line, token)));
        }
        confirmed
    }

    /// A line was lost: what waits belongs to a session that is gone, and is given again in the next one.
    pub fn lost(&mut self, line: LineId) {
        if let Some(waiting) = self.lines.get_mut(&line) {
            waiting.tokens.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: LineId = LineId(0);

    #[test]
    fn a_token_is_confirmed_when_its_draft_is_stored_and_not_before() {
        let mut confirms = Confirms::default();
        confirms.heard(GATE, 1, Some(4));
        confirms.heard(GATE, 2, Some(6));
        assert_eq!(confirms.stored(3), []);
        assert_eq!(confirms.stored(5), [(GATE, 1)]);
        assert_eq!(confirms.stored(6), [(GATE, 2)]);
        assert_eq!(confirms.stored(9), []);
    }

    #[test]
    fn a_token_without_a_record_waits_behind_those_before_it() {
        let mut confirms = Confirms::default();
        confirms.heard(GATE, 1, Some(4));
        confirms.heard(GATE, 2, None);
        assert_eq!(confirms.stored(3), []);
        assert_eq!(confirms.stored(4), [(GATE, 2)]);
    }

    #[test]
    fn tokens_of_a_session_that_is_gone_are_never_confirmed() {
        let mut confirms = Confirms::default();
        confirms.heard(GATE, 1, Some(4));
        confirms.lost(GATE);
        assert_eq!(confirms.stored(4), []);
    }

    #[test]
    fn a_second_delivery_is_not_confirmed_before_the_record_of_the_first_is_stored() {
        let mut confirms = Confirms::default();
        confirms.heard(GATE, 1, Some(4));
        confirms.lost(GATE);
        confirms.heard(GATE, 2, None);
        assert_eq!(confirms.stored(3), []);
        assert_eq!(confirms.stored(4), [(GATE, 2)]);
    }
}
