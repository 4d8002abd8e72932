//! A door: forced (opened without a release) and held (open too long).

use super::{Points, Turn};
use crate::alarm::Rule;
use crate::plan::Limits;
use crate::statement::Facts;
use crate::time::{Now, ms};
use picket_device::quantity::Signal;

/// What is known of one door. Several contacts may tell of it: one that is open opens it.
#[derive(Debug, Default)]
pub(super) struct Door {
    contacts: Points,
    releases: Points,
    open: Option<bool>,
    open_since: u64,
    /// Release contact; `None` where the door has none or it was not read yet.
    released: Option<bool>,
    /// When the release was last seen on.
    released_at: Option<u64>,
    forced: bool,
    held: bool,
}

impl Door {
    pub(super) fn recover(&mut self, rule: Rule) {
        match rule {
            Rule::DoorForced => self.forced = true,
            _ => self.held = true,
        }
        self.open = Some(true);
    }

    /// After a start: what a speaking device last said, which it may not repeat.
    pub(super) fn recall(&mut self, now: &Now, signal: Signal, by: (&str, &str), on: bool) {
        if signal == Signal::Released {
            self.released = Some(self.releases.set(by, on));
            return;
        }
        let open = self.contacts.set(by, on);
        // An alarm that was open is cleared by a closed door only where the device says so anew.
        if !self.forced && !self.held {
            self.open_since = now.mono_us;
            self.open = Some(open);
        }
    }

    /// Release and contact come from one poll in the order of their points; a release seen in the same poll as the
    /// opening counts, because the caller hands releases in first.
    pub(super) fn observe(
        &mut self,
        now: &Now,
        signal: Signal,
        by: (&str, &str),
        on: bool,
        limits: &Limits,
    ) -> Vec<(Rule, Turn)> {
        if signal == Signal::Released {
            let on = self.releases.set(by, on);
            if on || self.released == Some(true) {
                self.released_at = Some(now.mono_us);
            }
            self.released = Some(on);
            return Vec::new();
        }
        let on = self.contacts.set(by, on);
        let before = self.open.replace(on);
        match (before, on) {
            (Some(false), true) => {
                self.open_since = now.mono_us;
                self.opened(now, limits).into_iter().collect()
            }
            // Open when first seen: how it was opened is not known, so it is no forced door, but time runs.
            (None, true) => {
                self.open_since = now.mono_us;
                Vec::new()
            }
            (Some(true), true) | (Some(false) | None, false) => Vec::new(),
            (Some(true), false) => self.closed(),
        }
    }

    fn opened(&mut self, now: &Now, limits: &Limits) -> Option<(Rule, Turn)> {
        self.released?;
        let lately = self.released_at.is_some_and(|at| now.mono_us.saturating_sub(at) <= ms(limits.door_release_ms));
        // A device that speaks on changes says only once that the door is released.
        if lately || self.released == Some(true) {
            return None;
        }
        self.forced = true;
        let facts = Facts::from([("release".to_owned(), "none".to_owned())]);
        Some((Rule::DoorForced, Turn::Began(facts)))
    }

    fn closed(&mut self) -> Vec<(Rule, Turn)> {
        let mut turns = Vec::new();
        if std::mem::take(&mut self.forced) {
            turns.push((Rule::DoorForced, Turn::Ended));
        }
        if std::mem::take(&mut self.held) {
            turns.push((Rule::DoorHeld, Turn::Ended));
        }
        turns
    }

    pub(super) fn timeout(&mut self, now: &Now, limits: &Limits) -> Option<(Rule, Turn)> {
        let due = self.deadline(limits)?;
        if now.mono_us < due {
            return None;
        }
        self.held = true;
        let facts = Facts::from([("limit_s".to_owned(), (limits.door_held_ms / 1_000).to_string())]);
        Some((Rule::DoorHeld, Turn::Began(facts)))
    }

    /// A forced door is one alarm: that it also stays open adds nothing.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<u64> {
        let counting = self.open == Some(true) && !self.held && !self.forced;
        counting.then(|| self.open_since + ms(limits.door_held_ms))
    }
}
