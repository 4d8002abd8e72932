//! Silence of devices and the loss of whole lines: alarms at once, nonconformities by their cause.

use super::{Site, view};
use crate::alarm::Rule;
use crate::causes::Cause;
use crate::contact::Presence;
use crate::plan::{Device, DeviceId, LineId};
use crate::register::EquipmentId;
use crate::rules::{Finding, Turn};
use crate::statement::Facts;
use crate::time::{Now, s};

/// Reason of a nonconformity: equipment is not heard any more.
pub(super) const SILENT: &str = "silent";
/// Reason of a nonconformity: nobody on a line is.
pub(super) const LINE_LOST: &str = "line-lost";
/// Reason of a nonconformity: equipment of the register of which nothing was heard since the start.
const MISSING: &str = "missing";
/// A reader may rest over a holiday.
const MISSING_US: u64 = s(7 * 86_400);
/// Devices of a lost line that are named; all are counted.
const NAMED: usize = 5;
/// Longest cause that stands in a nonconformity, in characters: it is said again with each of its steps.
const CAUSE_MAX: usize = 200;

impl Site {
    /// Equipment that is listed, and that nobody has ever heard. What has a limit for its silence is silent long before.
    pub(super) fn missing(&mut self, now: &Now) {
        for id in self.contacts.never_heard(now, MISSING_US) {
            let Some(device) = self.device(id) else { continue };
            let equipment = device.equipment.clone();
            let heard_before = self.readings.of(usize::from(id.0)).next().is_some();
            let is_symptom = self.contacts.is_line_lost(id) || self.contacts.presence(id).0 == Presence::Silent;
            if heard_before || is_symptom || self.standings.register().get(&equipment).is_none() {
                continue;
            }
            let facts = Facts::from([("device".to_owned(), device.name.clone())]);
            let opened = self.nonconformities.open(now, self.standings.register(), MISSING, &equipment, facts);
            self.changed_if(opened.is_some());
            self.record_all(now, opened);
        }
    }

    /// After a start: what no device or row tells of any more is not missed.
    pub(super) fn recall_missing(&mut self, now: &Now) {
        let register = self.standings.register();
        let open = self.nonconformities.of(MISSING).map(|nc| nc.equipment.clone());
        let told = |id: &EquipmentId| register.get(id).is_some() && self.devices_of(id).next().is_some();
        let over: Vec<EquipmentId> = open.filter(|id| !told(id)).collect();
        over.iter().for_each(|id| self.found_again(now, id));
    }

    /// A good word of a device that was not heard before it.
    pub(super) fn found_again(&mut self, now: &Now, equipment: &EquipmentId) {
        let closed = self.nonconformities.close(now, MISSING, equipment);
        self.record_all(now, closed);
    }

    /// Silence of a device began or ended. Equipment of several devices is silent while one of them is.
    pub(super) fn silent(&mut self, now: &Now, id: DeviceId, silent: bool) {
        let Some(device) = self.plan.devices.get(usize::from(id.0)) else { return };
        match silent {
            true => self.rules.unheard(now, device),
            false => self.rules.heard_again(device, false),
        }
        let equipment = device.equipment.clone();
        let turn = if silent {
            self.readings.stale(usize::from(id.0));
            self.measure.stale(now, usize::from(id.0));
            Some(Turn::Began(self.silence_facts(id)))
        } else {
            let still = self.devices_of(&equipment).any(|other| self.contacts.presence(other).0 == Presence::Silent);
            (!still).then_some(Turn::Ended)
        };
        if let Some(turn) = turn {
            let about = String::new();
            self.found(now, Finding { rule: Rule::Silent, equipment, about, turn, evidence: None });
        }
        let causes = if silent {
            let line_down = self.contacts.is_line_lost(id);
            self.causes.silent(now, id, line_down).into_iter().collect()
        } else {
            self.causes.heard(now, id)
        };
        self.concluded(now, causes);
    }

    /// Silences that have waited for their cause.
    pub(super) fn causes_told(&mut self, now: &Now) {
        let contacts = &self.contacts;
        let causes = self.causes.timeout(now, |id| contacts.is_line_lost(id));
        self.concluded(now, causes);
    }

    /// Opens and closes what follows from causes.
    pub(super) fn concluded(&mut self, now: &Now, causes: Vec<Cause>) {
        for cause in causes {
            let statement = match cause {
                Cause::LineLost(line) => {
                    let (id, facts) = (self.line_id(line), self.line_facts(line));
                    self.nonconformities.open(now, self.standings.register(), LINE_LOST, &id, facts)
                }
                Cause::LineBack(line) => {
                    let id = self.line_id(line);
                    self.nonconformities.close(now, LINE_LOST, &id)
                }
                Cause::Silent(device) => {
                    let Some(equipment) = self.device(device).map(|device| device.equipment.clone()) else { continue };
                    let facts = self.silence_facts(device);
                    self.nonconformities.open(now, self.standings.register(), SILENT, &equipment, facts)
                }
                Cause::Heard(equipment) => self.nonconformities.close(now, SILENT, &equipment),
            };
            self.changed_if(statement.is_some());
            self.record_all(now, statement);
        }
    }

    fn silence_facts(&self, id: DeviceId) -> Facts {
        let Some(device) = self.device(id) else { return Facts::new() };
        let mut facts = Facts::from([("device".to_owned(), device.name.clone())]);
        let told = view::told_equipment(device);
        if !told.is_empty() {
            facts.insert("affects".into(), told);
        }
        facts.extend(self.lost_line(device, id).map(|line| ("line".to_owned(), line)));
        facts
    }

    /// Name of the line whose loss alone made a device silent.
    fn lost_line(&self, device: &Device, id: DeviceId) -> Option<String> {
        let line = self.plan.lines.get(usize::from(device.line.0));
        line.filter(|_| self.contacts.is_silent_by_line(id)).map(|line| line.name.clone())
    }

    pub(super) fn line_id(&self, line: LineId) -> EquipmentId {
        EquipmentId::line(self.plan.lines.get(usize::from(line.0)).map_or("", |line| &line.name))
    }

    fn line_facts(&self, line: LineId) -> Facts {
        let devices: Vec<DeviceId> = self.causes.supervised(line).collect();
        let named = devices.iter().filter_map(|id| Some(self.device(*id)?.name.as_str())).take(NAMED);
        let fault = self.tally.line(usize::from(line.0)).and_then(|line| line.fault.as_deref());
        let cause: String = fault.unwrap_or("no device answers").chars().take(CAUSE_MAX).collect();
        let name = self.plan.lines.get(usize::from(line.0)).map(|line| line.name.clone());
        Facts::from([
            ("line".to_owned(), name.unwrap_or_default()),
            ("devices".to_owned(), devices.len().to_string()),
            ("names".to_owned(), named.collect::<Vec<_>>().join(", ")),
            ("cause".to_owned(), cause),
        ])
    }
}
