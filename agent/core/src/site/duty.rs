//! Shifts: what people report of them, and what the rota says by now.

use super::Site;
use crate::duty::Duty;
use crate::time::Now;

impl Site {
    /// A person plans a shift, or begins or ends one.
    pub(super) fn duty(&mut self, now: &Now, act: &Duty) -> Result<u64, String> {
        self.room()?;
        let mut stated = self.people.rota.report(now, act)?.into_iter();
        self.drafts.begin_group();
        let first = stated.next().map(|first| first.said(act.person()));
        let draft = first.and_then(|first| self.record(now, first));
        self.record_all(now, stated);
        self.drafts.end_group();
        super::conclude::written(draft)
    }

    /// Time passed: what was planned is taken, missed or over.
    pub(super) fn duty_timeout(&mut self, now: &Now) {
        if self.people.rota.deadline().is_none_or(|due| now.mono_us < due) {
            return;
        }
        // What could not be recorded must not be taken for said.
        if !self.drafts.has_room(super::ROOM) {
            return self.people.rota.postpone(now);
        }
        let stated = self.people.rota.look(now);
        self.changed_if(!stated.is_empty());
        self.record_all(now, stated);
    }
}
