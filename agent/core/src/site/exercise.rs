//! Reviews of drills and their actions.

use super::Site;
use crate::exercise::Exercise;
use crate::time::Now;

impl Site {
    /// A person reviewed a drill, or did what was agreed.
    pub(super) fn exercise(&mut self, now: &Now, act: &Exercise) -> Result<u64, String> {
        self.room()?;
        let stated = self.people.exercises.report(act)?;
        super::conclude::written(self.record(now, stated.said(act.person())))
    }

    /// Time passed: what is overdue is told.
    pub(super) fn exercise_timeout(&mut self, now: &Now) {
        if self.people.exercises.deadline().is_none_or(|due| now.mono_us < due) {
            return;
        }
        // What could not be recorded must not be taken for said.
        if !self.drafts.has_room(super::ROOM) {
            return self.people.exercises.postpone(now);
        }
        let stated = self.people.exercises.look(now);
        self.changed_if(!stated.is_empty());
        self.record_all(now, stated);
    }
}
