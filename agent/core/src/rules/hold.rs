//! A boolean that must hold for a time before it counts, and be away for a time before it no longer does.

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold {
    wanted: bool,
    since_us: u64,
    holds: bool,
}

impl Hold {
    /// One that already counts.
    pub(super) fn holding() -> Self {
        Self { wanted: true, since_us: 0, holds: true }
    }

    /// What was last seen.
    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }

    /// Whether it counts.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// A new sighting that turns nothing yet.
    pub(super) fn want(&mut self, now_us: u64, seen: bool) {
        if seen != self.wanted {
            self.wanted = seen;
            self.since_us = now_us;
        }
    }

    /// A new sighting; the new state where it turned by it.
    pub(super) fn set(&mut self, now_us: u64, seen: bool, on_us: u64, off_us: u64) -> Option<bool> {
        self.want(now_us, seen);
        self.timeout(now_us, on_us, off_us)
    }

    /// Time passed; the new state where it turned by it.
    pub(super) fn timeout(&mut self, now_us: u64, on_us: u64, off_us: u64) -> Option<bool> {
        let due = self.deadline(on_us, off_us)?;
        (now_us >= due).then(|| {
            self.holds = self.wanted;
            self.holds
        })
    }

    /// When it turns if nothing else is seen.
    pub(super) fn deadline(&self, on_us: u64, off_us: u64) -> Option<u64> {
        let delay = if self.wanted { on_us } else { off_us };
        (self.wanted != self.holds).then(|| self.since_us + delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_that_bounces_for_less_than_its_hold_time_never_counts() {
        let mut hold = Hold::default();
        assert_eq!(hold.set(0, true, 200, 2_000), None);
        assert_eq!(hold.set(100, false, 200, 2_000), None);
        assert_eq!(hold.set(150, true, 200, 2_000), None);
        assert_eq!(hold.timeout(349, 200, 2_000), None);
        assert_eq!(hold.timeout(350, 200, 2_000), Some(true));
    }

    #[test]
    fn it_clears_only_after_its_clear_time() {
        let mut hold = Hold::holding();
        assert_eq!(hold.set(10, false, 200, 2_000), None);
        assert_eq!(hold.deadline(200, 2_000), Some(2_010));
        assert_eq!(hold.timeout(2_010, 200, 2_000), Some(false));
    }
}
