//! Seals: what readers read and people report, to records and alarms.

use super::Site;
use super::conclude::written;
use crate::register::EquipmentId;
use crate::rules::Finding;
use crate::seals::{SealTurn, Told, UnitReport};
use crate::statement::Evidence;
use crate::time::Now;
use crate::work;
use picket_device::seal_reader::Scan;

impl Site {
    /// A seal or a unit's number was read, by a reader of its own or by a point that stands for one.
    pub(super) fn seal_read(&mut self, now: &Now, reader: &EquipmentId, scan: &Scan, by: &Evidence) {
        let told = self.seals.scanned(now, reader, scan, by);
        self.seal_told(now, reader, told, Some(by));
    }

    /// Units whose seal was not read in time.
    pub(super) fn seals_awaited(&mut self, now: &Now) {
        for (reader, told) in self.seals.timeout(now) {
            self.drafts.begin_group();
            self.seal_told(now, &reader, told, None);
            self.drafts.end_group();
        }
    }

    /// A person reports what was done to a unit. What is wrong with its seal is an alarm of the gateway: no equipment
    /// tells it.
    pub(super) fn unit_reported(&mut self, now: &Now, report: &UnitReport) -> Result<u64, String> {
        self.room()?;
        let on = work::dated(report.on(), now.judged_ms(), self.standings.floor_ms())?;
        let told = self.seals.reported(report, on)?;
        let Told { statement, turns } = told;
        let (kind, data) = (statement.kind, statement.data.clone());
        let gateway = EquipmentId::gateway(&self.plan.gateway);
        self.drafts.begin_group();
        let draft = self.record(now, statement);
        if draft.is_some() {
            self.seals.stated(kind, &data);
            self.seal_turns(now, &gateway, turns, None);
        }
        self.drafts.end_group();
        written(draft)
    }

    /// Recorded or not, an alarm of a reader rings.
    fn seal_told(&mut self, now: &Now, reader: &EquipmentId, told: Told, by: Option<&Evidence>) {
        let Told { statement, turns } = told;
        self.record(now, statement);
        self.seal_turns(now, reader, turns, by);
    }

    fn seal_turns(&mut self, now: &Now, place: &EquipmentId, turns: Vec<SealTurn>, by: Option<&Evidence>) {
        for (rule, about, turn) in turns {
            let (equipment, evidence) = (place.clone(), by.cloned());
            self.found(now, Finding { rule, equipment, about, turn, evidence });
        }
    }
}
