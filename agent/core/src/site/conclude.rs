//! From findings and acts to alarms, nonconformities and records.

use super::Site;
use crate::alarm::{self, Rule};
use crate::nonconformity::{Corrective, OUT_OF_TOLERANCE};
use crate::register::{Criticality, EquipmentId, Standing};
use crate::rules::{Finding, Turn};
use crate::statement::{Facts, Statement};
use crate::time::Now;
use crate::wire::{Act, Output};
use crate::work::{Report, Task};
use jiff::civil::Date;
use picket_record::body::{About, Body, Mode};
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::{Map, Value};

impl Site {
    pub(super) fn act(&mut self, now: &Now, act: &Act, ticket: Option<u64>) {
        let result = match act {
            Act::Acknowledge { alarm, saw, by, note, terminal } => {
                let statements = self.alarms.acknowledge(alarm, *saw, by, note, terminal);
                let drafts: Vec<Option<u64>> =
                    statements.into_iter().map(|said| self.record_alarm(now, said)).collect();
                let act = drafts.first().copied();
                act.ok_or_else(|| format!("{alarm} is not open, was acknowledged, or rang again")).and_then(written)
            }
            Act::Erase(erasure) => {
                let draft = self.record(now, erasure.statement());
                self.alarms.erase(erasure);
                written(draft)
            }
            Act::Work(report) => self.work(now, report),
            Act::Correct(act) => self.correct(now, act),
            Act::Classify(act) => self.classify(now, act),
            Act::Temporary(act) => self.temporary(now, act),
            Act::Duty(act) => self.duty(now, act),
            Act::Exercise(act) => self.exercise(now, act),
            Act::Level(act) => self.set_level(now, act),
            Act::Unit(report) => self.unit_reported(now, report),
            Act::Import(import) => self.room().and_then(|()| written(self.record(now, import.statement()))),
        };
        self.threats_due = true;
        self.changed_if(result.is_ok());
        match (result, ticket) {
            (Ok(draft), Some(ticket)) => self.answers.drafted(ticket, draft),
            (Err(why), Some(ticket)) => self.outputs.push_back(Output::Answer { ticket, result: Err(why) }),
            (_, None) => {}
        }
    }

    /// The work is stated, and behind it what follows for the standing.
    fn work(&mut self, now: &Now, report: &Report) -> Result<u64, String> {
        self.room()?;
        if report.task() == Task::Change {
            return self.plan_change(now, report);
        }
        let statement = self.standings.stated(now, report)?;
        let (kind, data) = (statement.kind, statement.data.clone());
        let on = data.get("on").and_then(Value::as_str).and_then(crate::fields::iso_date);
        let good_until_then = self.standings.last_good(report.equipment(), on);
        self.drafts.begin_group();
        let draft = self.record(now, statement);
        if draft.is_some() {
            if data.get("found").is_some_and(|found| found == "out-of-tolerance") {
                let opened = self.found_out_of_tolerance(now, report.equipment(), good_until_then, &data);
                self.record_all(now, opened);
            }
            self.standings.done(report.equipment(), kind, &data);
            let follows = self.standings.judged_again(now, report.equipment(), &mut self.nonconformities);
            self.record_all(now, follows);
            if kind == Kind::EquipmentWithdrawn {
                let contained = self.nonconformities.contained_by(now, report.equipment(), "withdrawal");
                self.record_all(now, contained);
            }
        }
        self.drafts.end_group();
        written(draft)
    }

    /// As found it was out of its tolerance, since nobody knows when: what it said since the last good calibration is in
    /// doubt, which people judge.
    fn found_out_of_tolerance(
        &mut self,
        now: &Now,
        equipment: &EquipmentId,
        good: Option<Date>,
        data: &Map<String, Value>,
    ) -> Option<Statement> {
        let text = |field: &str| data.get(field).and_then(Value::as_str).map(str::to_owned);
        // While an earlier finding is open, the doubt goes back as far as that; where one does not know, neither does both.
        let from = good.map(|day| day.to_string());
        let from = match self.nonconformities.get(OUT_OF_TOLERANCE, equipment) {
            Some(open) => from.zip(open.facts.get("in_doubt_from").cloned()).map(|(one, other)| one.min(other)),
            None => from,
        };
        let facts = [("in_doubt_from", from), ("in_doubt_to", text("on"))];
        let facts = facts.into_iter().chain([("certificate", text("certificate"))]);
        let facts: Facts = facts.filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
        self.affected.doubt(equipment.clone(), facts.clone());
        self.nonconformities.happened(now, self.standings.register(), OUT_OF_TOLERANCE, equipment, facts)
    }

    /// Equipment that is out of use raises an alarm: somebody uses it. One nonconformity until people have looked, however
    /// often it speaks. That it is silent is what a tag is for.
    fn used_while_withdrawn(&mut self, now: &Now, rule: Rule, equipment: &EquipmentId, standing: Standing) {
        if standing != Standing::Withdrawn || rule == Rule::Silent {
            return;
        }
        // Which alarm it was stands in the record before it: with it here, each other alarm would be another use.
        let register = self.standings.register();
        let opened = self.nonconformities.happened(now, register, WITHDRAWN_USED, equipment, Facts::new());
        self.record_all(now, opened);
    }

    /// An act that could not be recorded has no effect.
    pub(super) fn room(&self) -> Result<(), String> {
        if self.drafts.has_room(ACT_MAX) { Ok(()) } else { Err(NOT_RECORDED.to_owned()) }
    }

    /// A person answers a nonconformity.
    fn correct(&mut self, now: &Now, act: &Corrective) -> Result<u64, String> {
        self.room()?;
        let statements = self.nonconformities.answer(now, self.standings.register(), act)?;
        self.drafts.begin_group();
        let drafts: Vec<Option<u64>> = statements.into_iter().map(|said| self.record(now, said)).collect();
        self.drafts.end_group();
        written(drafts.first().copied().flatten())
    }

    /// A condition turned: an alarm is raised or cleared by it.
    pub(super) fn found(&mut self, now: &Now, finding: Finding) {
        let Finding { rule, equipment, about, turn, evidence } = finding;
        let standing = self.standings.standing(&equipment);
        match turn {
            Turn::Began(mut facts) => {
                facts.extend(self.bypass_fact(&equipment));
                let severity = self.severity(rule, &equipment);
                if let Some(raised) = self.alarms.raise(now, (rule, &equipment, &about), severity, standing, facts) {
                    self.record_alarm(now, raised.from(evidence.as_ref()));
                    self.used_while_withdrawn(now, rule, &equipment, standing);
                    if self.is_blind(rule, &equipment) {
                        self.unseen(now, &equipment, true, evidence.as_ref());
                    }
                }
            }
            Turn::Ended => {
                for statement in self.alarms.clear((rule, &equipment, &about), standing) {
                    self.record_alarm(now, statement.from(evidence.as_ref()));
                }
            }
            Turn::Untold => {
                if let Some(statement) = self.alarms.unwatch(&alarm::id(rule, &equipment, &about)) {
                    self.record_alarm(now, statement.from(evidence.as_ref()));
                }
            }
        }
    }

    fn severity(&self, rule: Rule, equipment: &EquipmentId) -> Severity {
        let life = self.standings.register().get(equipment).is_some_and(|row| row.criticality == Criticality::Life);
        if life && rule == Rule::PanelAlarm { Severity::Life } else { rule.severity() }
    }

    /// Its draft number, as [`Site::record`].
    pub(super) fn record_alarm(&mut self, now: &Now, statement: Statement) -> Option<u64> {
        let id = statement.data.get("alarm").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
        let (kind, raw) = (statement.kind, statement.source.as_ref().map(|source| source.raw));
        let draft = self.record(now, statement);
        if let Some(draft) = draft {
            self.alarms.drafted(&id, draft);
        }
        match kind {
            Kind::AlarmRaised => self.incident_by(now, &id, raw),
            Kind::AlarmClosed => self.incident_over(now, &id),
            _ => {}
        }
        // What is not heard protects nothing.
        self.threats_due |= id.starts_with("silent/");
        self.changed_if(true);
        draft
    }

    pub(super) fn record_all(&mut self, now: &Now, statements: impl IntoIterator<Item = Statement>) {
        for statement in statements {
            self.record(now, statement);
        }
    }

    /// Puts time, register and standing to a statement and queues it. Its draft number, unless it was dropped. Nothing
    /// follows the last words, whoever has something to say: behind the `epoch.close` it would break the chain.
    pub(super) fn record(&mut self, now: &Now, statement: Statement) -> Option<u64> {
        if self.said_last_words() {
            return None;
        }
        let Statement { kind, severity, equipment, source, device_time, mut data, personal, commit } = statement;
        if kind == Kind::ExerciseEnded {
            self.people.exercises.ended(now, &mut data);
        }
        let about = equipment.map(|id| About {
            register: self.standings.register().version(),
            standing: self.standings.verdict(&id).stated(),
            equipment: id.as_str().to_owned(),
            source,
        });
        self.tally.recorded(severity);
        // What is no drill's own stays live, although its equipment takes part in one by now.
        let is_live = crate::temporary::tells(kind)
            || (crate::incident::tells(kind) && !data.contains_key(crate::incident::EXERCISE));
        let takes_part = about.as_ref().filter(|_| !is_live);
        let drill = takes_part.and_then(|about| self.orders.drill()?.of(now, &about.equipment));
        let mode = drill.map_or(Mode::Live, Mode::Drill);
        let personal = personal.map(Personal::Said);
        let body = Body { mode, about, device_time, personal, ..Body::new(now.when(), kind, severity, data) };
        self.drafts.push(now, body, commit)
    }
}

/// Reason of a nonconformity: equipment that is tagged out spoke.
const WITHDRAWN_USED: &str = "withdrawn-used";
/// Most records by which an act states itself.
const ACT_MAX: usize = 32;
const NOT_RECORDED: &str = "it cannot be recorded: the journal is full, or the agent stops";

/// What was not drafted is not done.
pub(super) fn written(draft: Option<u64>) -> Result<u64, String> {
    draft.ok_or_else(|| NOT_RECORDED.to_owned())
}
