//! Receipts that came over the link and that nobody has verified yet: the journal says which of them are the centre's.

use picket_record::encode::{Link, link};
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

/// The link that a line has if it is a receipt.
pub(crate) fn link_of(line: &str) -> Link {
    link(line.rsplit_once('.').map_or(line, |(signed, _)| signed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_record::encode::Name;
    use picket_record::keys::ReceiptKey;
    use picket_record::receipt::{Receipt, State};

    #[test]
    fn the_link_of_a_line_is_the_one_that_the_journal_gives_for_it() {
        let name = |text| Name::parse(text).unwrap();
        let receipt = Receipt {
            sms: name("hq"),
            gw: name("gw-1"),
            n: 7,
            prev: [1; 32],
            upto: 3,
            head: [2; 32],
            ep: 1,
            received_ms: 5,
            ts_ms: 6,
            state: State::Ok,
            have: Vec::new(),
            resend: Vec::new(),
            rebase: None,
            register: None,
            settings: None,
        };
        let signed = receipt.sign(&ReceiptKey::from_seed([9; 32]));
        assert_eq!(link_of(&signed.line), signed.link);
    }

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
