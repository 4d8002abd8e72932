//! What was left because the central side knows another history: sent once more, beside what is new. A branch has no
//! receipts; a receipt for a record that was sent behind a part of it says that the part was handled.

/// The state of that.
#[derive(Debug, Default)]
pub(super) struct Branch {
    /// Last position that the central side has.
    told: u64,
    /// Last position that the broker has.
    sent: u64,
    last: u64,
    under_way: Option<UnderWay>,
    /// Once there is a receipt for this record, the central side has everything up to the position beside it.
    mark: Option<(u64, u64)>,
    /// The mark that follows.
    later: Option<(u64, u64)>,
    /// It was the branch's turn last.
    had_turn: bool,
    news: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    /// With the journal.
    Read,
    /// With the link, up to this position.
    Packed(u64),
}

impl Branch {
    /// Positions from the first to the last.
    pub(super) fn of(range: Option<(u64, u64)>) -> Self {
        let Some((first, last)) = range else { return Self::default() };
        Self { told: first.saturating_sub(1), sent: first.saturating_sub(1), last, ..Self::default() }
    }

    /// The link is gone, or everything is sent anew: what the central side has not shown to have goes again.
    pub(super) fn interrupted(&mut self) {
        *self =
            Self { sent: self.told, under_way: None, mark: None, later: None, had_turn: false, ..std::mem::take(self) };
    }

    /// The journal reads a part: another batch waits for it.
    pub(super) fn is_read(&self) -> bool {
        self.under_way == Some(UnderWay::Read)
    }

    /// Position behind which the next part begins, every other time it is asked.
    pub(super) fn next(&mut self) -> Option<u64> {
        self.had_turn = !self.had_turn && self.under_way.is_none() && self.sent < self.last;
        self.had_turn.then(|| {
            self.under_way = Some(UnderWay::Read);
            self.sent
        })
    }

    /// Whether what the journal read is a part of the branch.
    pub(super) fn packed(&mut self, through: u64) -> bool {
        let read = self.is_read();
        if read {
            self.under_way = Some(UnderWay::Packed(through));
        }
        read
    }

    /// Whether the batch that left is a part of the branch; `next` is the first record that went by no lane yet.
    pub(super) fn left(&mut self, through: u64, next: u64) -> bool {
        match self.under_way {
            // Nothing is there any more.
            Some(UnderWay::Read) if through == 0 => {
                (self.sent, self.told, self.news) = (self.last, self.last, true);
            }
            Some(UnderWay::Packed(position)) if position == through => {
                self.sent = through;
                match self.mark {
                    None => self.mark = Some((next, through)),
                    Some(_) => self.later = Some((next, through)),
                }
            }
            _ => return false,
        }
        self.under_way = None;
        true
    }

    /// A receipt came.
    pub(super) fn receipted(&mut self, upto: u64) {
        while let Some((_, through)) = self.mark.take_if(|(seq, _)| *seq <= upto) {
            (self.told, self.news) = (through, true);
            self.mark = self.later.take();
        }
    }

    /// Up to here the central side has it, where that is news.
    pub(super) fn told(&mut self) -> Option<u64> {
        std::mem::take(&mut self.news).then_some(self.told)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether the broker has all of it.
    pub(super) fn is_sent(&self) -> bool {
        self.sent >= self.last && self.under_way.is_none()
    }

    /// Whether the central side has all of it.
    pub(super) fn is_told(&self) -> bool {
        self.told >= self.last
    }
}
