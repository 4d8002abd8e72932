//! Threats of the site: which equipment counts as a measure now, by its standing, its voice and what stands in for it.

use super::Site;
use crate::alarm::Rule;
use crate::contact::Presence;
use crate::register::scenarios::Scenario;
use crate::register::{Equipment, EquipmentId};
use crate::temporary::Measure;
use crate::threat::Protection;
use crate::time::Now;
use picket_record::kind::Severity;

impl Site {
    /// Judges every scenario. Before any trusted time nothing is known of dates, and what was stated stands.
    pub(super) fn threats(&mut self, now: &Now) {
        self.threats_due = false;
        if self.standings.floor_ms().is_none() || !self.drafts.has_room(super::ROOM) {
            return;
        }
        let mut protections = self.protections();
        let register = self.standings.register();
        let mut statements = self.threats.removed(|id| register.scenario(id).is_some());
        for scenario in register.scenarios() {
            let by = protections.remove(&scenario.id).unwrap_or_default();
            statements.extend(self.threats.judged(scenario, &by));
        }
        self.changed_if(!statements.is_empty());
        self.record_all(now, statements);
    }

    /// What stands against each scenario, by its id.
    fn protections(&self) -> std::collections::BTreeMap<String, Protection> {
        let mut protections = std::collections::BTreeMap::<String, Protection>::new();
        if self.standings.register().scenarios().next().is_none() {
            return protections;
        }
        let silent = self.silent_equipment();
        for row in self.standings.register().iter() {
            let why = self.counts_not(row, &silent);
            for scenario in &row.scenarios {
                let protection = protections.entry(scenario.clone()).or_default();
                protection.measures += 1;
                protection.lost.extend(why.clone().map(|why| (row.id.clone(), why)));
            }
        }
        protections
    }

    /// Whether a piece of equipment does not protect by itself now.
    pub(super) fn protects_not(&self, id: &EquipmentId) -> bool {
        let row = self.standings.register().get(id);
        row.is_some_and(|row| self.counts_not(row, &self.silent_equipment()).is_some())
    }

    fn silent_equipment(&self) -> std::collections::BTreeSet<EquipmentId> {
        let devices = (0..).map(crate::plan::DeviceId).zip(&self.plan.devices);
        let silent = devices.filter(|(id, _)| self.contacts.presence(*id).0 == Presence::Silent);
        let told = silent.flat_map(|(_, device)| {
            device.bindings.values().map(|binding| &binding.equipment).chain([&device.equipment])
        });
        told.cloned().collect()
    }

    /// Why a piece of equipment does not count as a countermeasure; `None` where it does. What stands in for it counts.
    fn counts_not(&self, row: &Equipment, silent: &std::collections::BTreeSet<EquipmentId>) -> Option<String> {
        let standing = self.standings.standing(&row.id);
        let why = if !standing.may_clear() {
            standing.as_str()
        } else if silent.contains(&row.id) {
            "silent"
        } else if self.temporaries.holds(Measure::Bypass, &row.id) {
            "bypassed"
        } else {
            return None;
        };
        (!self.temporaries.holds(Measure::Compensating, &row.id)).then(|| why.to_owned())
    }

    /// The scenario that an alarm tells of: of its equipment, else of its rule.
    pub(super) fn scenario_of(&self, rule: Rule, id: &EquipmentId) -> Option<&Scenario> {
        let register = self.standings.register();
        let of_row = register.get(id).into_iter().flat_map(|row| &row.scenarios);
        let of_row = of_row.filter_map(|scenario| register.scenario(scenario));
        let tells = |scenario: &&Scenario| scenario.rules.is_empty() || scenario.rules.contains(&rule);
        let gravest = of_row.filter(tells).max_by_key(|scenario| scenario.consequence);
        gravest.or_else(|| {
            register.scenarios().filter(|scenario| scenario.rules.contains(&rule)).max_by_key(|s| s.consequence)
        })
    }

    /// How severe an incident of an alarm is: as its scenario says, and never less than the alarm.
    pub(super) fn severity_by_scenario(&self, rule: Rule, id: &EquipmentId, alarm: Severity) -> Severity {
        self.scenario_of(rule, id).map_or(alarm, |scenario| scenario.consequence.severity().max(alarm))
    }
}
