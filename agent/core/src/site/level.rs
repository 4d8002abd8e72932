//! The security level of the site, and what follows from it.

use super::Site;
use crate::level::SetLevel;
use crate::time::Now;

impl Site {
    /// A person sets the level.
    pub(super) fn set_level(&mut self, now: &Now, act: &SetLevel) -> Result<u64, String> {
        self.room()?;
        let stated = act.stated(&self.plan.site, self.people.level)?;
        let draft = super::conclude::written(self.record(now, stated.said(act.person())))?;
        self.people.level = act.to();
        self.rules.hold_doors(self.plan.limits.door_held_at(self.people.level));
        Ok(draft)
    }
}
