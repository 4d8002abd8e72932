//! Who devices say they are, and the changes that people planned.

use super::Site;
use super::conclude::written;
use crate::plan::{DeviceId, DeviceSpeech};
use crate::time::Now;
use crate::work::Report;
use picket_device::profile::Identity;

impl Site {
    /// A device said who it is: held against its row, and against what it said last.
    pub(super) fn identified(&mut self, now: &Now, id: DeviceId, identity: &Identity) {
        let Some(equipment) = self.device(id).map(|device| device.equipment.clone()) else { return };
        let mut statements = Vec::new();
        // What could not be recorded must not be taken for said: the device is asked again.
        if self.tells_for(id) && self.room().is_ok() {
            let known = (self.standings.floor_ms(), self.standings.register());
            statements = self.changes.identified(now, known, (&equipment, identity), &mut self.nonconformities);
        }
        statements.extend(self.standings.identified(now, &equipment, identity, &mut self.nonconformities));
        self.changed_if(!statements.is_empty());
        self.record_all(now, statements);
    }

    /// Where several devices are one piece of equipment, the first that can say who it is speaks for it: two that differ
    /// would be a change each time.
    fn tells_for(&self, id: DeviceId) -> bool {
        let Some(equipment) = self.device(id).map(|device| &device.equipment) else { return false };
        let can_tell = |other: &DeviceId| match self.device(*other).map(|device| &device.speech) {
            Some(DeviceSpeech::Modbus { speech, .. }) => !speech.identity.is_empty(),
            Some(DeviceSpeech::Camera { .. } | DeviceSpeech::Json { .. } | DeviceSpeech::SealReader) | None => false,
        };
        self.devices_of(equipment).find(can_tell) == Some(id)
    }

    /// A change is planned. Its number.
    pub(super) fn plan_change(&mut self, now: &Now, plan: &Report) -> Result<u64, String> {
        // What waits for a trusted clock is judged by the plans that held then.
        let judged = self.changes.judge(now, self.standings.register(), &mut self.nonconformities);
        self.record_all(now, judged);
        let (floor_ms, register) = (self.standings.floor_ms(), self.standings.register());
        let statement = self.changes.stated(now, floor_ms, register, plan)?;
        let data = statement.data.clone();
        let draft = self.record(now, statement);
        if draft.is_some() {
            self.changes.planned(plan.equipment(), &data);
        }
        written(draft)
    }
}
