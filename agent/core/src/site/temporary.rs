//! What holds for a time, and what follows when it is over.

use super::Site;
use crate::alarm::BYPASS;
use crate::register::EquipmentId;
use crate::statement::Facts;
use crate::temporary::{Ended, Measure, Temporary};
use crate::time::Now;

impl Site {
    /// A person begins or ends a temporary measure.
    pub(super) fn temporary(&mut self, now: &Now, act: &Temporary) -> Result<u64, String> {
        self.room()?;
        let Temporary { equipment, measure, begins, .. } = act;
        if begins.is_some() && self.standings.register().get(equipment).is_none() {
            return Err(format!("no row of the register names {equipment}: add it there first"));
        }
        let stated = match begins {
            Some((what, for_s)) => Some(self.temporaries.begin(now, *measure, equipment, (what, *for_s))),
            None => self.temporaries.end(*measure, equipment, Ended::Person),
        };
        let stated = stated.ok_or_else(|| format!("no {} holds at {equipment}", measure.as_str()))?;
        self.drafts.begin_group();
        let draft = self.record(now, stated.said(act.person()));
        match begins {
            Some(_) if *measure == Measure::Compensating => {
                let contained = self.nonconformities.contained_by(now, equipment, "measure");
                self.record_all(now, contained);
            }
            Some(_) => {}
            None => self.rings_again(now, equipment, *measure),
        }
        self.drafts.end_group();
        super::conclude::written(draft)
    }

    /// What is over ends, and says so: nobody had ended it.
    pub(super) fn temporary_timeout(&mut self, now: &Now) {
        let dated = self.temporaries.dated(now);
        self.record_all(now, dated);
        for (id, measure) in self.temporaries.over(now) {
            self.measure_over(now, &id, measure, Ended::Time);
        }
    }

    /// After a start, or with another register: what nobody can vouch for any more.
    pub(super) fn recall_temporary(&mut self, now: &Now) {
        for id in self.temporaries.unknown(now) {
            self.measure_over(now, &id, Measure::Bypass, Ended::Unknown);
        }
        self.temporary_of_removed(now);
    }

    pub(super) fn temporary_of_removed(&mut self, now: &Now) {
        let register = self.standings.register();
        for (id, measure) in self.temporaries.removed(|id| register.get(id).is_some()) {
            self.measure_over(now, &id, measure, Ended::Removed);
        }
    }

    fn measure_over(&mut self, now: &Now, id: &EquipmentId, measure: Measure, how: Ended) {
        let Some(ended) = self.temporaries.end(measure, id, how) else { return };
        self.record(now, ended);
        self.changed_if(true);
        self.threats_due = true;
        self.rings_again(now, id, measure);
        // Equipment that can be relied on again needs nothing in its place.
        let needed = measure == Measure::Bypass || self.protects_not(id);
        if how == Ended::Time && needed {
            let reason = if measure == Measure::Bypass { "bypass-expired" } else { "measure-expired" };
            let opened = self.nonconformities.happened(now, self.standings.register(), reason, id, Facts::new());
            self.record_all(now, opened);
        }
    }

    /// What a bypass kept silent rings, where it still holds.
    fn rings_again(&mut self, now: &Now, id: &EquipmentId, measure: Measure) {
        if measure != Measure::Bypass {
            return;
        }
        for statement in self.alarms.unsilenced(id, self.standings.standing(id)) {
            self.record_alarm(now, statement);
        }
    }

    /// Why an alarm of a piece of equipment does not ring now.
    pub(super) fn bypass_fact(&self, id: &EquipmentId) -> Option<(String, String)> {
        let held = self.temporaries.held(Measure::Bypass, id)?;
        Some((BYPASS.to_owned(), held.what.clone()))
    }
}
