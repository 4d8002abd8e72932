//! Incidents: which alarms belong together, and who says what it was.

use super::Site;
use crate::alarm::{self, Alarm, Rule};
use crate::incident::{self, CLIPS, Classify, Raised, Scene, Sign};
use crate::register::{EquipmentId, EquipmentKind};
use crate::rules::{Finding, Turn};
use crate::statement::{Evidence, Facts, Statement};
use crate::time::{Now, s};

/// A view is lost "while a door opens" where both happen within this time.
const UNSEEN_US: u64 = s(60);
/// Reason of a nonconformity: one source was found faulty too often.
const REPEATED_FAULTS: &str = "repeated-faults";

impl Site {
    /// An alarm was raised and is drafted: what it says of the place.
    pub(super) fn incident_by(&mut self, now: &Now, alarm: &str, raw: Option<[u8; 32]>) {
        let Some(alarm) = self.alarms.get(alarm) else { return };
        let Some(mut raised) = self.raised(alarm) else { return };
        raised.raw = raw;
        let begins = incident::begins(alarm.rule, alarm.severity);
        let scene = self.scene(now, alarm);
        for statement in self.incidents.raised(now, &raised, begins, scene) {
            self.record(now, statement);
        }
    }

    /// After a start: what was raised and not told together before it. What was told is known.
    pub(super) fn recall_incidents(&mut self, now: &Now) {
        let full: Vec<String> = self.incidents.open().filter(|one| one.is_full()).map(|one| one.zone.clone()).collect();
        let active = self.alarms.iter().filter(|alarm| alarm.active && !self.incidents.told(&alarm.id()));
        let missed = active.filter(|alarm| !full.contains(&self.zone_of(alarm)));
        let missed: Vec<String> = missed.map(Alarm::id).collect();
        for id in missed {
            self.incident_by(now, &id, None);
        }
        let ended = self.incidents.close_ended();
        self.record_all(now, ended);
    }

    /// As an incident sees an alarm.
    fn raised(&self, alarm: &Alarm) -> Option<Raised> {
        let row = self.standings.register().get(&alarm.equipment);
        let is_camera = row.is_some_and(|row| row.kind == EquipmentKind::Camera);
        let sign = Sign::of(alarm.rule, alarm.severity, is_camera)?;
        let severity = self.severity_by_scenario(alarm.rule, &alarm.equipment, alarm.severity);
        let scenario = self.scenario_of(alarm.rule, &alarm.equipment).map(|scenario| scenario.id.clone());
        Some(Raised { alarm: alarm.id(), equipment: alarm.equipment.clone(), sign, severity, scenario, raw: None })
    }

    fn scene(&self, now: &Now, alarm: &Alarm) -> Scene {
        let zone = self.zone_of(alarm);
        let drill = |id: &EquipmentId| Some(self.orders.drill()?.of(now, id.as_str())?.id);
        let mine = drill(&alarm.equipment);
        let here = |alarm: &&Alarm| self.zone_of(alarm) == zone && drill(&alarm.equipment) == mine;
        let around = self.alarms.iter().filter(|alarm| alarm.active).filter(here);
        let around = around.filter_map(|alarm| self.raised(alarm)).collect();
        let rows = self.standings.register().iter().filter(|row| !row.clip.is_empty());
        let rows = rows.filter(|row| self.zone(&row.id) == zone).take(CLIPS);
        let clips = rows.map(|row| (row.id.clone(), clip(&row.clip, now))).collect();
        Scene { zone, drill: mine, level: self.people.level, around, clips }
    }

    /// Where an alarm is; what is about a unit or its seal goes with that, wherever it was read.
    fn zone_of(&self, alarm: &Alarm) -> String {
        if alarm.subject.is_empty() { self.zone(&alarm.equipment) } else { alarm.subject.clone() }
    }

    /// The zone of a piece of equipment; its place where no row says, and itself where nobody knows where it is.
    pub(super) fn zone(&self, id: &EquipmentId) -> String {
        let row = self.standings.register().get(id);
        let said = row.map(|row| if row.zone.is_empty() { &row.place } else { &row.zone });
        said.filter(|text| !text.is_empty()).cloned().unwrap_or_else(|| id.as_str().to_owned())
    }

    /// A person says what an incident was.
    pub(super) fn classify(&mut self, now: &Now, act: &Classify) -> Result<u64, String> {
        self.room()?;
        let (statements, faulty) = self.incidents.classify(now, act)?;
        self.drafts.begin_group();
        let mut drafts = statements.into_iter().map(|said| self.record(now, said)).collect::<Vec<_>>().into_iter();
        if let Some(equipment) = faulty {
            let register = self.standings.register();
            let facts = Facts::from([("incident".to_owned(), act.id())]);
            let opened = self.nonconformities.happened(now, register, REPEATED_FAULTS, &equipment, facts);
            self.record_all(now, opened);
        }
        self.drafts.end_group();
        super::conclude::written(drafts.next().flatten())
    }

    /// A door opened, or a camera lost its view: where both happen in one zone nobody saw who came in.
    pub(super) fn unseen(&mut self, now: &Now, equipment: &EquipmentId, blind: bool, by: Option<&Evidence>) {
        let zone = self.zone(equipment);
        let of_zone = |kind: EquipmentKind| {
            let rows = self.standings.register().iter().filter(move |row| row.kind == kind);
            rows.filter(|row| self.zone(&row.id) == zone).map(|row| row.id.clone()).collect::<Vec<_>>()
        };
        let pairs: Vec<(EquipmentId, EquipmentId)> = if blind {
            let doors = of_zone(EquipmentKind::Door).into_iter();
            let open = doors.filter(|door| self.rules.opened_us(door).is_some_and(|at| now.mono_us - at <= UNSEEN_US));
            open.map(|door| (door, equipment.clone())).collect()
        } else {
            let cameras = of_zone(EquipmentKind::Camera).into_iter().filter(|camera| self.blind_lately(now, camera));
            cameras.map(|camera| (equipment.clone(), camera)).take(1).collect()
        };
        for (door, camera) in pairs {
            let turn = Turn::Began(Facts::from([("camera".to_owned(), camera.as_str().to_owned())]));
            let (rule, about, evidence) = (Rule::UnseenEntry, String::new(), by.cloned());
            self.found(now, Finding { rule, equipment: door, about, turn, evidence });
        }
    }

    /// Whether a camera sees nothing, and has not for long: one that has been broken for days is no news at each opening.
    fn blind_lately(&self, now: &Now, camera: &EquipmentId) -> bool {
        let blind = [Rule::ViewLost, Rule::Silent].map(|rule| self.alarms.get(&alarm::id(rule, camera, "")));
        let lately = |alarm: &Alarm| alarm.active && alarm.raised_us.is_some_and(|at| now.mono_us - at <= UNSEEN_US);
        blind.into_iter().flatten().any(lately)
    }

    /// Whether an alarm says that a camera sees nothing.
    pub(super) fn is_blind(&self, rule: Rule, equipment: &EquipmentId) -> bool {
        let is_camera =
            || self.standings.register().get(equipment).is_some_and(|row| row.kind == EquipmentKind::Camera);
        matches!(rule, Rule::ViewLost | Rule::Silent) && is_camera()
    }

    /// An alarm is over; an incident may be by that.
    pub(super) fn incident_over(&mut self, now: &Now, alarm: &str) {
        let ended: Vec<Statement> = self.incidents.alarm_over(alarm);
        self.record_all(now, ended);
    }
}

/// Where the recording of a moment is: `{utc}` stands for it, in seconds since 1970.
fn clip(template: &str, now: &Now) -> String {
    let utc = now.utc_ms.map_or_else(|| "unknown".to_owned(), |ms| ms.div_euclid(1_000).to_string());
    template.replace("{utc}", &utc)
}
