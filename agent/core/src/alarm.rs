//! Alarms: raised, seen, gone, closed. Acknowledging is not fixing; equipment without good standing cannot close one.

use crate::erasure::Erasure;
use crate::label;
use crate::person;
use crate::register::{EquipmentId, Standing};
use crate::statement::{Facts, Statement};
use crate::time::Now;
use crate::wire::{Occurrence, StateRow};
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What led to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A door opened without a release.
    DoorForced,
    /// A door stands open too long.
    DoorHeld,
    /// A door opened while a camera of its zone lost its view.
    UnseenEntry,
    /// Tamper contact.
    Tamper,
    /// A camera lost its view.
    ViewLost,
    /// An alarm panel is in alarm.
    PanelAlarm,
    /// Mains supply lost.
    MainsLost,
    /// Battery low.
    BatteryLow,
    /// Equipment reports a fault of its own.
    DeviceFault,
    /// A seal is not the one in the manifest.
    SealMismatch,
    /// A unit that should have a seal was read, and no seal behind it.
    SealMissing,
    /// A seal looks broken or gives way.
    SealBroken,
    /// A seal is on another unit, or was taken off before.
    SealDuplicate,
    /// A seal is another one than was put on here, and nobody reported that it was exchanged.
    SealReseal,
    /// A seal is of a lower class than its unit needs.
    SealClass,
    /// Equipment does not answer or is not heard.
    Silent,
    /// The orders of the central side are stale; they stay in force.
    OrderStale,
    /// The certificate of the central link is near its end, past it, or refused.
    Certificate,
}

impl Rule {
    /// Every rule.
    pub const ALL: &'static [Rule] = &[
        Rule::DoorForced,
        Rule::DoorHeld,
        Rule::UnseenEntry,
        Rule::Tamper,
        Rule::ViewLost,
        Rule::PanelAlarm,
        Rule::MainsLost,
        Rule::BatteryLow,
        Rule::DeviceFault,
        Rule::SealMismatch,
        Rule::SealMissing,
        Rule::SealBroken,
        Rule::SealDuplicate,
        Rule::SealReseal,
        Rule::SealClass,
        Rule::Silent,
        Rule::OrderStale,
        Rule::Certificate,
    ];

    /// Those of seals: each is about one check of one unit, which happened.
    pub const OF_SEALS: &'static [Rule] = &[
        Rule::SealMismatch,
        Rule::SealMissing,
        Rule::SealBroken,
        Rule::SealDuplicate,
        Rule::SealReseal,
        Rule::SealClass,
    ];

    /// Whether it is one of [`Rule::OF_SEALS`].
    pub fn is_of_seals(self) -> bool {
        Self::OF_SEALS.contains(&self)
    }

    /// The word in records and on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::DoorForced => "door-forced",
            Rule::DoorHeld => "door-held",
            Rule::UnseenEntry => "unseen-entry",
            Rule::Tamper => "tamper",
            Rule::ViewLost => "view-lost",
            Rule::PanelAlarm => "panel-alarm",
            Rule::MainsLost => "mains-lost",
            Rule::BatteryLow => "battery-low",
            Rule::DeviceFault => "device-fault",
            Rule::SealMismatch => "seal-mismatch",
            Rule::SealMissing => "seal-missing",
            Rule::SealBroken => "seal-broken",
            Rule::SealDuplicate => "seal-duplicate",
            Rule::SealReseal => "seal-reseal",
            Rule::SealClass => "seal-class",
            Rule::Silent => "silent",
            Rule::OrderStale => "order-stale",
            Rule::Certificate => "certificate",
        }
    }

    /// From the word in a record.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == text)
    }

    /// How severe, before the criticality of the equipment raises it.
    pub fn severity(self) -> Severity {
        match self {
            Rule::DoorForced | Rule::UnseenEntry | Rule::Tamper | Rule::ViewLost | Rule::PanelAlarm => {
                Severity::Security
            }
            Rule::SealMismatch | Rule::SealMissing | Rule::SealBroken | Rule::SealDuplicate | Rule::SealReseal => {
                Severity::Security
            }
            Rule::SealClass
            | Rule::DoorHeld
            | Rule::MainsLost
            | Rule::Silent
            | Rule::DeviceFault
            | Rule::OrderStale
            | Rule::Certificate => Severity::Fault,
            Rule::BatteryLow => Severity::Notice,
        }
    }

    /// Something that happened, and no condition that could be seen to end: who acknowledges it closes it.
    pub fn happened(self) -> bool {
        self.is_of_seals() || self == Rule::UnseenEntry
    }
}

/// One open alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What led to it.
    pub rule: Rule,
    /// Which equipment.
    pub equipment: EquipmentId,
    /// What it is about at that equipment, where there may be several at once; empty elsewhere.
    pub subject: String,
    /// How severe.
    pub severity: Severity,
    /// First raised.
    pub since_ms: Option<i64>,
    /// When it was raised last, by the clock of this boot; `None` where that was before the start.
    pub raised_us: Option<u64>,
    /// How often it came while open.
    pub times: u32,
    /// The condition holds.
    pub active: bool,
    /// A guard acknowledged it.
    pub acknowledged: Option<Acknowledged>,
    /// Standing when last raised.
    pub standing: String,
    /// It rings.
    pub rings: bool,
    /// Only a guard closes it.
    pub guard_must_close: bool,
    /// Arguments of the text.
    pub facts: Facts,
    /// Draft that states it last; 0 after a start (it is in the journal).
    pub draft: u64,
    /// Record that states it, once stored.
    pub seq: Option<u64>,
}

/// A guard's acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Name, while it is kept.
    by: Option<String>,
    draft: u64,
    seq: Option<u64>,
}

/// The fact that says why an alarm does not ring: its equipment is bypassed.
pub const BYPASS: &str = "bypass";

/// Shown where the name of a guard was erased, or is not kept here.
const NOT_KEPT: &str = "(name not kept)";

impl Alarm {
    /// Who acknowledged it.
    pub fn acknowledged_by(&self) -> Option<&str> {
        self.acknowledged.as_ref().map(|seen| seen.by.as_deref().unwrap_or(NOT_KEPT))
    }

    /// Which of its occurrences it shows.
    pub fn occurrence(&self) -> Occurrence {
        Occurrence { since_ms: self.since_ms, times: self.times }
    }

    /// Unique while open.
    pub fn id(&self) -> String {
        id(self.rule, &self.equipment, &self.subject)
    }

    fn data(&self) -> Map<String, Value> {
        let json = json!({
            "alarm": self.id(),
            "rule": self.rule.as_str(),
            "times": self.times,
            "active": self.active,
            "since_ms": self.since_ms,
            "rings": self.rings,
            "guard_must_close": self.guard_must_close,
            "facts": self.facts,
        });
        match json {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn statement(&self, kind: Kind) -> Statement {
        let mut statement = Statement::new(kind, self.severity, Value::Null).about(&self.equipment);
        statement.data = self.data();
        statement
    }
}

/// `#` stands in no equipment id.
pub(crate) fn id(rule: Rule, equipment: &EquipmentId, subject: &str) -> String {
    let mark = if subject.is_empty() { "" } else { "#" };
    format!("{}/{equipment}{mark}{subject}", rule.as_str())
}

/// Most subjects of one rule and piece of equipment that are kept apart; the rest share [`REST`]. A lane turns away a
/// few trucks a day: so many open at once are not looked at one by one any more.
const MAX_SUBJECTS: usize = 32;
/// No subject is called so: it would be `:` and a hash.
const REST: &str = ":and-more";

/// Draft number of what has none yet.
const NOT_DRAFTED: u64 = u64::MAX;

/// Every open alarm of the site: at most one per rule, piece of equipment and subject, so the register bounds it.
#[derive(Debug, Default)]
pub struct Alarms {
    open: BTreeMap<String, Alarm>,
}

impl Alarms {
    /// From the rows the journal recovered (`alarm/...` and `ack/...`), and the personal data that they lead to.
    pub fn recover(rows: &[StateRow], personal: &BTreeMap<u64, String>) -> Self {
        let mut alarms = Self::default();
        for row in rows {
            if let Some(alarm) = row.key.strip_prefix("alarm/").and_then(|_| read_row(row)) {
                alarms.open.insert(alarm.id(), alarm);
            }
        }
        for row in rows {
            let alarm = row.key.strip_prefix("ack/").and_then(|id| alarms.open.get_mut(id));
            if let Some(alarm) = alarm {
                let by = personal.get(&row.seq).and_then(|text| person::name(text)).or_else(|| person::name(&row.body));
                alarm.acknowledged = Some(Acknowledged { by, draft: 0, seq: Some(row.seq) });
            }
        }
        alarms
    }

    /// The subject of an alarm to be raised: what it is about, by its name, or the one that all share once there are
    /// too many. `about` is the unit whose seal is wrong, or the seal where nobody said which unit; empty elsewhere.
    fn subject(&self, rule: Rule, equipment: &EquipmentId, about: &str) -> String {
        if about.is_empty() {
            return String::new();
        }
        let subject = label::of(about);
        let others = self.open.values().filter(|alarm| alarm.rule == rule && alarm.equipment == *equipment);
        let full = others.count() >= MAX_SUBJECTS && !self.open.contains_key(&id(rule, equipment, &subject));
        if full { REST.to_owned() } else { subject }
    }

    /// The condition of a rule holds; `about` as [`crate::rules::Finding::about`]. A statement, unless it was known to
    /// hold.
    pub fn raise(
        &mut self,
        now: &Now,
        (rule, equipment, about): (Rule, &EquipmentId, &str),
        severity: Severity,
        standing: Standing,
        facts: Facts,
    ) -> Option<Statement> {
        let subject = self.subject(rule, equipment, about);
        let key = id(rule, equipment, &subject);
        let alarm = self.open.entry(key).or_insert_with(|| Alarm {
            rule,
            equipment: equipment.clone(),
            subject,
            severity,
            since_ms: now.utc_ms,
            raised_us: None,
            times: 0,
            active: false,
            acknowledged: None,
            standing: String::new(),
            rings: true,
            guard_must_close: false,
            facts: Facts::new(),
            draft: NOT_DRAFTED,
            seq: None,
        });
        // From near its end to past it is news about a certificate, whoever has acknowledged the first. It happens once;
        // what a broker says may turn to and fro.
        let expired = |facts: &Facts| facts.get("why").is_some_and(|why| why == "expired");
        let turned = rule == Rule::Certificate && expired(&facts) && !expired(&alarm.facts);
        let said = |facts: &Facts| {
            facts.iter().filter(|(name, _)| *name != BYPASS).map(|(k, v)| (k.clone(), v.clone())).collect::<Facts>()
        };
        let repeats = turned || rule.is_of_seals() && said(&alarm.facts) != said(&facts);
        if alarm.active && !repeats {
            return None;
        }
        // A bypass silences nothing that rings already and that nobody has seen.
        let rings_on = alarm.active && alarm.rings && alarm.acknowledged.is_none();
        alarm.active = true;
        alarm.raised_us = Some(now.mono_us);
        alarm.times = alarm.times.saturating_add(1);
        alarm.severity = alarm.severity.max(severity);
        standing.as_str().clone_into(&mut alarm.standing);
        let silenced = facts.contains_key(BYPASS) && !rings_on;
        alarm.rings = standing.rings() && !silenced || severity == Severity::Life;
        alarm.facts = facts;
        // What is raised anew was not seen by a guard yet.
        alarm.acknowledged = None;
        alarm.guard_must_close = false;
        alarm.seq = None;
        alarm.draft = NOT_DRAFTED;
        Some(alarm.statement(Kind::AlarmRaised))
    }

    /// A bypass is over: alarms that it kept silent, and that hold still, ring as if they began now.
    pub fn unsilenced(&mut self, equipment: &EquipmentId, standing: Standing) -> Vec<Statement> {
        let silenced = |alarm: &&mut Alarm| alarm.equipment == *equipment && alarm.facts.contains_key(BYPASS);
        let mut statements = Vec::new();
        for alarm in self.open.values_mut().filter(silenced).filter(|alarm| alarm.active) {
            alarm.facts.remove(BYPASS);
            alarm.rings = standing.rings() || alarm.severity == Severity::Life;
            alarm.times = alarm.times.saturating_add(1);
            alarm.acknowledged = None;
            (alarm.seq, alarm.draft) = (None, NOT_DRAFTED);
            statements.push(alarm.statement(Kind::AlarmRaised));
        }
        statements
    }

    /// The condition went away. Statements: cleared, and closed where a guard had acknowledged and the equipment's
    /// silence is trusted.
    pub fn clear(
        &mut self,
        (rule, equipment, about): (Rule, &EquipmentId, &str),
        standing: Standing,
    ) -> Vec<Statement> {
        let subject = if about.is_empty() { String::new() } else { label::of(about) };
        let key = id(rule, equipment, &subject);
        let Some(alarm) = self.open.get_mut(&key).filter(|alarm| alarm.active) else { return Vec::new() };
        alarm.active = false;
        // The end of a silence is no exception: whether equipment whose standing nobody vouches for is there again, and
        // is what it was, a guard looks.
        alarm.guard_must_close = !standing.may_clear();
        if alarm.guard_must_close {
            alarm.acknowledged = None;
        }
        let mut statements = vec![alarm.statement(Kind::AlarmCleared)];
        if alarm.acknowledged.is_some() {
            statements.push(alarm.statement(Kind::AlarmClosed));
            self.open.remove(&key);
        }
        statements
    }

    /// A guard acknowledges what `saw` tells. Statements: the act, and closed where the condition is already gone. Empty
    /// for an alarm that is not open, has been acknowledged, or rang again since: nobody has seen that yet.
    ///
    /// What happened is over, as [`Rule::happened`]: the unit of a wrong seal may never be read again.
    pub fn acknowledge(&mut self, key: &str, saw: Occurrence, by: &str, note: &str, terminal: &str) -> Vec<Statement> {
        let unseen = |alarm: &&mut Alarm| alarm.acknowledged.is_none() && alarm.occurrence() == saw;
        let Some(alarm) = self.open.get_mut(key).filter(unseen) else { return Vec::new() };
        alarm.acknowledged = Some(Acknowledged { by: Some(by.to_owned()), draft: NOT_DRAFTED, seq: None });
        let data = json!({ "alarm": key, "saw": alarm.seq, "times": alarm.times });
        let act = Statement::new(Kind::ActAcknowledged, Severity::Notice, data).about(&alarm.equipment);
        let mut statements = vec![act.said(person::guard(by, note, terminal))];
        alarm.active &= !alarm.rule.happened();
        if !alarm.active {
            statements.push(alarm.statement(Kind::AlarmClosed));
            self.open.remove(key);
        }
        statements
    }

    /// The newest statement of an alarm got this draft number.
    pub fn drafted(&mut self, key: &str, draft: u64) {
        if let Some(alarm) = self.open.get_mut(key) {
            alarm.draft = draft;
            if let Some(seen) = alarm.acknowledged.as_mut().filter(|seen| seen.draft == NOT_DRAFTED) {
                seen.draft = draft;
            }
        }
    }

    /// Drafts up to `through` are stored; `head` is the number of the last. True where an alarm is recorded by it.
    pub fn stored(&mut self, through: u64, head: u64) -> bool {
        let mut recorded = false;
        let seen = self.open.values_mut().filter_map(|alarm| alarm.acknowledged.as_mut());
        for seen in seen.filter(|seen| seen.seq.is_none() && seen.draft <= through) {
            seen.seq = Some(head.saturating_sub(through - seen.draft));
        }
        for alarm in self.open.values_mut().filter(|alarm| alarm.seq.is_none() && alarm.draft <= through) {
            alarm.seq = Some(head.saturating_sub(through - alarm.draft));
            recorded = true;
        }
        recorded
    }

    /// Everything open was said again by a record before `head`.
    pub fn said_again(&mut self, head: u64) {
        self.open.values_mut().for_each(|alarm| alarm.seq = alarm.seq.map(|_| head));
    }

    /// Names that records stated which an erasure names are forgotten; that somebody has seen the alarm is not.
    pub fn erase(&mut self, erasure: &Erasure) {
        let seen = self.open.values_mut().filter_map(|alarm| alarm.acknowledged.as_mut());
        for seen in seen.filter(|seen| seen.seq.is_some_and(|seq| erasure.names(seq))) {
            seen.by = None;
        }
    }

    /// Nothing is kept any more beside records from `first` on, which were left with a branch or are of a file that was put
    /// back: names that they stated are forgotten with their numbers, which may be others' from here on. That somebody has
    /// seen the alarm was said again.
    pub fn nameless(&mut self, first: u64, head: u64) {
        let seen = self.open.values_mut().filter_map(|alarm| alarm.acknowledged.as_mut());
        for seen in seen.filter(|seen| seen.seq.is_some_and(|seq| seq >= first)) {
            (seen.by, seen.seq) = (None, Some(head));
        }
    }

    /// The condition of an alarm, by its id, can no longer be observed: nothing of the plan tells about it. A guard
    /// closes it.
    pub fn unwatch(&mut self, id: &str) -> Option<Statement> {
        let alarm = self.open.get_mut(id).filter(|alarm| alarm.active)?;
        alarm.active = false;
        alarm.guard_must_close = true;
        alarm.acknowledged = None;
        Some(alarm.statement(Kind::AlarmCleared))
    }

    /// One that is open, by its id.
    pub fn get(&self, id: &str) -> Option<&Alarm> {
        self.open.get(id)
    }

    /// Every open alarm, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.open.values()
    }
}

fn read_row(stored: &StateRow) -> Option<Alarm> {
    let row: Value = serde_json::from_str(&stored.body).ok()?;
    let text = |field: &str| row.get(field).and_then(Value::as_str);
    let facts = row.get("facts").and_then(Value::as_object);
    Some(Alarm {
        rule: Rule::parse(text("rule")?)?,
        equipment: EquipmentId::parse(text("eq")?)?,
        subject: text("alarm")?.split_once('#').map(|(_, subject)| subject.to_owned()).unwrap_or_default(),
        severity: Severity::from_int(row.get("sev")?.as_u64()?)?,
        since_ms: row.get("since_ms").and_then(Value::as_i64),
        raised_us: None,
        times: row.get("times").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok())?,
        active: row.get("active").and_then(Value::as_bool)?,
        acknowledged: None,
        standing: text("st")?.to_owned(),
        rings: row.get("rings").and_then(Value::as_bool)?,
        guard_must_close: row.get("guard_must_close").and_then(Value::as_bool)?,
        facts: facts.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
        draft: 0,
        seq: Some(stored.seq),
    })
}

#[cfg(test)]
mod tests;
