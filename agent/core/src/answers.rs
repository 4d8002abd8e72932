//! Whoever waits for the record of an act: told its number once it is stored, and never before.

/// Acts that were drafted.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Ticket and draft number, in the order of the drafts.
    waiting: Vec<(u64, u64)>,
}

impl Answers {
    /// The act of this ticket is stated by this draft.
    pub(crate) fn drafted(&mut self, ticket: u64, draft: u64) {
        self.waiting.push((ticket, draft));
    }

    /// Drafts up to `through` are stored, and `head` is the number of the last: tickets with the numbers of their records.
    pub(crate) fn stored(&mut self, through: u64, head: u64) -> Vec<(u64, u64)> {
        let done = self.waiting.partition_point(|(_, draft)| *draft <= through);
        let numbered = |(ticket, draft)| (ticket, head.saturating_sub(through - draft));
        self.waiting.drain(..done).map(numbered).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ticket_is_told_the_number_of_its_own_record_once_it_is_stored() {
        let mut answers = Answers::default();
        for (ticket, draft) in [(1, 7), (2, 7), (3, 9)] {
            answers.drafted(ticket, draft);
        }
        assert_eq!(answers.stored(6, 100), []);
        assert_eq!(answers.stored(8, 103), [(1, 102), (2, 102)]);
        assert_eq!(answers.stored(9, 104), [(3, 104)]);
        assert_eq!(answers.stored(9, 104), []);
    }
}
