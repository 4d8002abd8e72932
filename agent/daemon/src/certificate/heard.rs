//! Receipts that came over the link and that nobody has verified yet: the journal says which of them are the centre's.

use picket_record::encode::Link;
use std::collections::VecDeque;

/// As many as the broker may have given out without an acknowledgement.
const KEPT: usize = 16;

/// What was heard over which edition of the papers, the newest last.
#[derive(Debug, Default)]
pub(super) struct Heard(VecDeque<(u64, Link)>);

impl Heard {
    /// A line came over a connection with this edition.
    pub(super) fn note(&mut self, edition: u64, receipt: Link) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((edition, receipt));
    }

    /// Whether a receipt that the journal took came over this edition.
    pub(super) fn came_over(&self, edition: u64, receipt: &Link) -> bool {
        self.0.contains(&(edition, *receipt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_over_the_papers_in_force_counts_and_old_lines_give_way() {
        let mut heard = Heard::default();
        let receipt = |n: usize| [u8::try_from(n).unwrap(); 32];
        heard.note(4, receipt(0));
        assert!(heard.came_over(4, &receipt(0)) && !heard.came_over(5, &receipt(0)));
        assert!(!heard.came_over(4, &receipt(1)), "the journal took another one");
        (1..=KEPT).for_each(|n| heard.note(4, receipt(n)));
        assert!(!heard.came_over(4, &receipt(0)) && heard.came_over(4, &receipt(KEPT)));
    }
}
