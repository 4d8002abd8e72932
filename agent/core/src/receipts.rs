//! Receipts on their way to the journal: how many at a time, and which one waits.

/// Most receipts that are with the journal at a time; its channel has room for them.
const MAX_CHECKS: u32 = 8;

/// Receipts on their way through the journal. Any newer one stands for those before it, so only the newest waits.
#[derive(Debug, Default)]
pub struct Checks {
    open: u32,
    waiting: Option<String>,
}

impl Checks {
    /// A receipt was heard: hand it to the journal, unless enough are there.
    pub fn heard(&mut self, line: String) -> Option<String> {
        self.waiting = Some(line);
        self.next()
    }

    /// The journal answered one.
    pub fn answered(&mut self) -> Option<String> {
        self.open = self.open.saturating_sub(1);
        self.next()
    }

    /// The journal answered something that was asked later than all but the newest: it says nothing to a receipt that
    /// is older than the last.
    pub fn passed(&mut self) -> Option<String> {
        self.open = 0;
        self.next()
    }

    fn next(&mut self) -> Option<String> {
        let line = if self.open < MAX_CHECKS { self.waiting.take() } else { None };
        self.open += u32::from(line.is_some());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_eight_receipts_are_with_the_journal_and_only_the_newest_waits() {
        let mut checks = Checks::default();
        let handed = (0..20).filter_map(|n| checks.heard(n.to_string())).count();
        assert_eq!(handed, 8);
        assert_eq!(checks.answered().as_deref(), Some("19"));
        assert_eq!(checks.answered(), None);
    }

    #[test]
    fn receipts_that_the_journal_says_nothing_to_do_not_close_the_way() {
        let mut checks = Checks::default();
        for n in 0..20 {
            checks.heard(n.to_string());
        }
        assert_eq!(checks.passed().as_deref(), Some("19"));
        assert_eq!(checks.heard("20".into()).as_deref(), Some("20"));
    }
}
