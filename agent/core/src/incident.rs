//! Incidents: alarms of one place and time belong together, and a person says what it was (ISO 28004-1, 4.5.3). An
//! incident is over once it was classified and none of its alarms is open.

mod classify;
mod sign;

pub use classify::{Class, Classify, WORD};
pub use sign::{Sign, begins};

use crate::level::Level;
use crate::register::EquipmentId;
use crate::statement::Statement;
use crate::time::{Now, s};
use crate::wire::StateRow;
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An alarm belongs to the incident of its zone that had its last one so long ago: an intruder is through a yard by then.
const TOGETHER_US: u64 = s(600);
/// Most incidents that wait for somebody to say what they were. Beyond, the oldest whose alarms are over is closed, and its
/// record says that nobody did.
const MAX_OPEN: usize = 256;
/// Closed ones whose class may still be put right.
const KEPT: usize = 32;
/// Most alarms that an incident names; it counts them all.
const NAMED: usize = 16;
/// Most threat scenarios that an incident names.
const SCENARIOS: usize = 8;
/// Most recordings that an incident points to.
pub const CLIPS: usize = 4;
/// So many faults of one piece of equipment within [`FAULT_DAYS`] do not conform by themselves.
const FAULTS: usize = 3;
const FAULT_DAYS: i64 = 90;
const DAY_MS: i64 = 86_400_000;

/// The id that people say.
pub fn id(n: u64) -> String {
    format!("I-{n}")
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix("I-").filter(|n| !n.starts_with(['0', '+'])).and_then(|n| n.parse().ok())
}

/// An alarm as an incident sees it.
#[derive(Debug, Clone)]
pub struct Raised {
    /// Its id.
    pub alarm: String,
    /// Which equipment.
    pub equipment: EquipmentId,
    /// What it is a sign of.
    pub sign: Sign,
    /// How severe, the threat behind it counted in.
    pub severity: Severity,
    /// The threat scenario that it tells of.
    pub scenario: Option<String>,
    /// SHA-256 of the frame that it follows from.
    pub raw: Option<[u8; 32]>,
}

/// Where an alarm was raised.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The zone, or what stands for it.
    pub zone: String,
    /// The drill that its equipment takes part in: never told together with what is no drill.
    pub drill: Option<String>,
    /// Security level of the site.
    pub level: Level,
    /// Other alarms of the zone that hold.
    pub around: Vec<Raised>,
    /// Where recordings of the zone are, by camera.
    pub clips: Vec<(EquipmentId, String)>,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its number at this gateway.
    pub n: u64,
    /// Where.
    pub zone: String,
    /// How severe: the worst of its alarms.
    pub severity: Severity,
    /// Equipment of the first alarm.
    pub source: EquipmentId,
    /// When that was raised.
    pub since_ms: Option<i64>,
    /// Its alarms, the first sixteen, each with the digest of its frame.
    pub alarms: Vec<(String, Option<String>)>,
    /// How many there were.
    pub count: u64,
    /// What was seen.
    pub signs: BTreeSet<Sign>,
    /// Threat scenarios that its alarms tell of.
    pub scenarios: BTreeSet<String>,
    /// The drill it belongs to.
    pub drill: Option<String>,
    /// Security level of the site when it began; `None` where nobody stated it.
    pub level: Option<Level>,
    /// What it was, once somebody said so, with what else they said.
    pub class: Option<(Class, Map<String, Value>)>,
    /// It is over.
    pub closed: bool,
    /// Alarms of it that are open.
    open: BTreeSet<String>,
    /// When the last one came; `None` where that was before the start, and too long ago or nobody knows.
    last_us: Option<u64>,
    /// The same by a trusted clock, milliseconds since 1970 UTC.
    last_ms: Option<i64>,
}

impl Incident {
    /// What people call it.
    pub fn id(&self) -> String {
        id(self.n)
    }

    /// Whether it has more alarms than it names.
    pub fn is_full(&self) -> bool {
        self.alarms.len() == NAMED && self.count > NAMED as u64
    }

    /// Its type.
    pub fn type_of(&self) -> &'static str {
        sign::type_of(&self.signs)
    }

    /// What makes news of it.
    fn face(&self) -> (Severity, BTreeSet<Sign>, BTreeSet<String>) {
        (self.severity, self.signs.clone(), self.scenarios.clone())
    }

    fn names(&self, alarm: &str) -> bool {
        self.alarms.iter().any(|(named, _)| named == alarm)
    }

    fn take(&mut self, now: &Now, raised: &Raised) {
        (self.last_us, self.last_ms) = (Some(now.mono_us), now.judged_ms());
        self.count = self.count.saturating_add(1);
        self.severity = self.severity.max(raised.severity);
        self.signs.insert(raised.sign);
        if self.scenarios.len() < SCENARIOS {
            self.scenarios.extend(raised.scenario.clone());
        }
        let known = self.names(&raised.alarm);
        if !known && self.alarms.len() < NAMED {
            self.alarms.push((raised.alarm.clone(), raised.raw.map(|raw| base64url(&raw))));
        }
        self.open.insert(raised.alarm.clone());
    }

    fn data(&self) -> Map<String, Value> {
        let signs: Vec<&str> = self.signs.iter().map(|sign| sign.as_str()).collect();
        let mut data = Map::new();
        data.insert("incident".into(), self.id().into());
        data.insert("type".into(), self.type_of().into());
        data.insert("zone".into(), self.zone.as_str().into());
        data.insert("since_ms".into(), self.since_ms.into());
        data.insert("last_ms".into(), self.last_ms.into());
        data.insert("severity".into(), (self.severity as u64).into());
        data.insert("signs".into(), signs.into());
        data.insert("alarms".into(), json!(self.alarms));
        data.insert("n".into(), self.count.into());
        if !self.scenarios.is_empty() {
            data.insert("scenarios".into(), json!(self.scenarios));
        }
        if let Some(drill) = &self.drill {
            data.insert(EXERCISE.into(), drill.as_str().into());
        }
        if let Some(level) = self.level {
            data.insert("level".into(), level.number().into());
        }
        if let Some((class, said)) = &self.class {
            data.insert("class".into(), class.as_str().into());
            data.extend(said.clone());
        }
        if self.closed {
            data.insert("closed".into(), true.into());
        }
        data
    }

    fn statement(&self, kind: Kind, severity: Severity) -> Statement {
        Statement::new(kind, severity, Value::Object(self.data())).about(&self.source)
    }

    fn read(row: &StateRow) -> Option<Self> {
        let body: Value = serde_json::from_str(&row.body).ok()?;
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let list = |field: &str| body.get(field).and_then(Value::as_array).into_iter().flatten();
        let alarms = list("alarms")
            .filter_map(|pair| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str().map(str::to_owned))));
        let said = |field: &&str| Some(((*field).to_owned(), body.get(*field)?.clone()));
        let said = ["what", "cause", "activity", "agency", "degree"].iter().filter_map(said).collect();
        Some(Self {
            n: number(text("incident")?)?,
            zone: text("zone")?.to_owned(),
            severity: Severity::from_int(body.get("severity")?.as_u64()?)?,
            source: EquipmentId::parse(text("eq")?)?,
            since_ms: body.get("since_ms").and_then(Value::as_i64),
            alarms: alarms.collect(),
            count: body.get("n")?.as_u64()?,
            signs: list("signs").filter_map(|sign| Sign::parse(sign.as_str()?)).collect(),
            scenarios: list("scenarios").filter_map(|id| Some(id.as_str()?.to_owned())).collect(),
            drill: text(EXERCISE).map(str::to_owned),
            level: body.get("level").and_then(Value::as_u64).and_then(Level::parse),
            class: text("class").and_then(Class::parse).map(|class| (class, said)),
            closed: body.get("closed") == Some(&json!(true)),
            open: BTreeSet::new(),
            last_us: None,
            last_ms: body.get("last_ms").and_then(Value::as_i64),
        })
    }
}

/// Every incident that waits for somebody, or is not long over.
#[derive(Debug, Default)]
pub struct Incidents {
    known: BTreeMap<u64, Incident>,
    last: u64,
    /// When faults of a piece of equipment were stated, by its id.
    faults: BTreeMap<EquipmentId, Vec<i64>>,
}

impl Incidents {
    /// From the rows the journal recovered; `open` are the ids of alarms that are.
    pub fn recover(now: &Now, rows: &[StateRow], open: &BTreeSet<String>) -> Self {
        let mut incidents = Self::default();
        for row in rows {
            if row.key == COUNTED {
                incidents.last = incidents.last.max(row.body.parse().unwrap_or(0));
            } else if let Some(id) = row.key.strip_prefix(FAULTY).and_then(EquipmentId::parse) {
                incidents.faults.insert(id, serde_json::from_str(&row.body).unwrap_or_default());
            } else if let Some(mut read) = row.key.strip_prefix(ROW).and_then(|_| Incident::read(row)) {
                let named = read.alarms.iter().map(|(alarm, _)| alarm).filter(|_| !read.closed);
                read.open = named.filter(|alarm| open.contains(*alarm)).cloned().collect();
                // Without a trusted time nobody knows that it is not long ago.
                let ago_ms = now.judged_ms().zip(read.last_ms).and_then(|(now, last)| u64::try_from(now - last).ok());
                read.last_us = ago_ms.and_then(|ms| now.mono_us.checked_sub(ms.saturating_mul(1_000)));
                incidents.last = incidents.last.max(read.n);
                incidents.known.insert(read.n, read);
            }
        }
        // An alarm that rang again may be named by several: it belongs to the newest.
        let mut taken = BTreeSet::new();
        for incident in incidents.known.values_mut().rev().filter(|incident| !incident.closed) {
            incident.open.retain(|alarm| taken.insert(alarm.clone()));
        }
        incidents
    }

    /// Those that are not over, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.known.values().filter(|incident| !incident.closed)
    }

    /// Whether an open alarm belongs to one.
    pub fn has(&self, alarm: &str) -> bool {
        self.known.values().any(|incident| incident.open.contains(alarm))
    }

    /// Whether an open alarm was told with one, even with one that was closed over it.
    pub fn told(&self, alarm: &str) -> bool {
        self.known.values().any(|incident| incident.open.contains(alarm) || (incident.closed && incident.names(alarm)))
    }

    /// An alarm was raised. What states it: an incident begins, or one takes it in; nothing where it is known, or only
    /// makes a place weaker in which nothing is.
    pub fn raised(&mut self, now: &Now, raised: &Raised, begins: bool, scene: Scene) -> Vec<Statement> {
        // Named by several it belongs to the newest, which a start can tell: it goes to none before that.
        let of = self.known.values().rev().find(|incident| !incident.closed && incident.names(&raised.alarm));
        let of = of.map_or(0, |incident| incident.n);
        let near = |incident: &&mut Incident| {
            let soon = incident.last_us.is_some_and(|last| now.mono_us.saturating_sub(last) <= TOGETHER_US);
            let here = incident.zone == scene.zone && soon;
            incident.n >= of
                && !incident.closed
                && incident.class.is_none()
                && incident.drill == scene.drill
                && (here || incident.open.contains(&raised.alarm))
        };
        if let Some(incident) = self.known.values_mut().rev().find(near) {
            if incident.open.contains(&raised.alarm) {
                incident.last_us = Some(now.mono_us);
                return Vec::new();
            }
            let before = incident.face();
            incident.take(now, raised);
            // One more of what is there already, which has no room among the named, is no news.
            let news = incident.names(&raised.alarm) || incident.face() != before;
            let joined = news.then(|| incident.statement(Kind::IncidentJoined, incident.severity));
            let n = incident.n;
            return joined.into_iter().chain(self.belongs_to(n)).collect();
        }
        if !begins {
            // It is still a part of what waits for somebody.
            let mut waiting = self.known.values_mut().rev().filter(|incident| !incident.closed);
            let of = waiting.find(|incident| incident.names(&raised.alarm));
            if let Some(incident) = of {
                incident.open.insert(raised.alarm.clone());
            }
            return Vec::new();
        }
        let mut statements: Vec<Statement> = self.make_room().into_iter().collect();
        self.last += 1;
        let mut incident = Incident {
            n: self.last,
            zone: scene.zone,
            severity: raised.severity,
            source: raised.equipment.clone(),
            since_ms: now.utc_ms,
            alarms: Vec::new(),
            count: 0,
            signs: BTreeSet::new(),
            scenarios: BTreeSet::new(),
            drill: scene.drill,
            level: Some(scene.level),
            class: None,
            closed: false,
            open: BTreeSet::new(),
            last_us: Some(now.mono_us),
            last_ms: now.judged_ms(),
        };
        incident.take(now, raised);
        for other in scene.around.iter().filter(|other| other.alarm != raised.alarm) {
            // What another incident has told is a sign all the same: a camera that was covered before the door.
            if self.has(&other.alarm) {
                incident.signs.insert(other.sign);
            } else {
                incident.take(now, other);
            }
        }
        let mut opened = incident.statement(Kind::IncidentOpened, incident.severity);
        if !scene.clips.is_empty() {
            let clips: Vec<Value> = scene.clips.iter().map(|(id, clip)| json!([id.as_str(), clip])).collect();
            opened.data.insert("clips".into(), clips.into());
        }
        statements.push(opened);
        let n = incident.n;
        self.known.insert(n, incident);
        statements.extend(self.belongs_to(n));
        statements
    }

    /// Alarms of an incident belong to no other from here on, which may end that one.
    fn belongs_to(&mut self, n: u64) -> Vec<Statement> {
        let open = self.known.get(&n).map(|incident| incident.open.clone()).unwrap_or_default();
        for other in self.known.values_mut().filter(|other| other.n != n) {
            other.open.retain(|alarm| !open.contains(alarm));
        }
        self.close_ended()
    }

    /// Where too many wait for a person, the oldest that nothing goes on in is closed without one.
    fn make_room(&mut self) -> Option<Statement> {
        if self.open().count() < MAX_OPEN {
            return None;
        }
        let n = self.open().find(|incident| incident.open.is_empty()).or(self.open().next()).map(|oldest| oldest.n)?;
        Some(self.close(n))
    }

    /// An alarm is over. What states that an incident is.
    pub fn alarm_over(&mut self, alarm: &str) -> Vec<Statement> {
        for incident in self.known.values_mut() {
            incident.open.remove(alarm);
        }
        self.close_ended()
    }

    /// What states that incidents are over: classified, with no alarm open.
    pub fn close_ended(&mut self) -> Vec<Statement> {
        let over = self.open().filter(|incident| incident.class.is_some() && incident.open.is_empty());
        let over: Vec<u64> = over.map(|incident| incident.n).collect();
        over.into_iter().map(|n| self.close(n)).collect()
    }

    fn close(&mut self, n: u64) -> Statement {
        let closed = self.known.values().filter(|incident| incident.closed).map(|incident| incident.n);
        let closed: Vec<u64> = closed.collect();
        let forgotten = closed.first().filter(|_| closed.len() >= KEPT).copied();
        if let Some(forgotten) = forgotten {
            self.known.remove(&forgotten);
        }
        let incident = self.known.get_mut(&n).expect("whoever closes an incident has found it");
        incident.closed = true;
        incident.open.clear();
        let mut statement = incident.statement(Kind::IncidentClosed, Severity::Notice);
        statement.data.extend(forgotten.map(|n| ("forgets".to_owned(), id(n).into())));
        statement
    }

    /// A person says what it was. What states it, and what follows; or why it cannot be taken. With it the equipment that
    /// has had too many faults by now.
    pub fn classify(&mut self, now: &Now, act: &Classify) -> Result<(Vec<Statement>, Option<EquipmentId>), String> {
        let Some(incident) = self.known.get_mut(&act.n) else {
            return Err(format!(
                "{} is not known: picket status shows what waits; the last {KEPT} can be put right",
                act.id()
            ));
        };
        let was = incident.class.replace((act.class, act.said.clone())).map(|(class, _)| class);
        let source = incident.source.clone();
        let mut stated = incident.statement(Kind::IncidentClassified, Severity::Notice).said(act.person());
        if let Some(was) = was {
            stated.data.insert("was".into(), was.as_str().into());
        }
        // What was tried in a drill is no fault of the equipment.
        let live = incident.drill.is_none();
        let faulty = (live && (act.class == Class::Fault) != (was == Some(Class::Fault)))
            .then(|| self.count_fault(now, &source, act.class == Class::Fault, &mut stated))
            .flatten();
        let mut statements = vec![stated];
        statements.extend(self.close_ended());
        Ok((statements, faulty))
    }

    /// Counts a fault, or takes the last one back; the equipment where it is the one too many, which begins anew.
    fn count_fault(
        &mut self,
        now: &Now,
        source: &EquipmentId,
        is_fault: bool,
        stated: &mut Statement,
    ) -> Option<EquipmentId> {
        let times = self.faults.entry(source.clone()).or_default();
        if let Some(judged) = now.judged_ms() {
            times.retain(|at| judged.saturating_sub(*at) <= FAULT_DAYS * DAY_MS);
        }
        if is_fault {
            // Without a time it counts until a trusted clock finds it old.
            times.push(now.judged_ms().or(now.utc_ms).unwrap_or(0));
        } else {
            times.pop();
        }
        let too_many = times.len() >= FAULTS;
        if too_many {
            times.clear();
        }
        stated.data.insert("faults_ms".into(), json!(times));
        if times.is_empty() {
            self.faults.remove(source);
        }
        too_many.then(|| source.clone())
    }
}

/// The field of what belongs to a drill.
pub const EXERCISE: &str = "exercise";

const ROW: &str = "incident/";
const COUNTED: &str = "incidents";
const FAULTY: &str = "faults/";

/// Whether records of a kind tell of incidents.
pub(crate) fn tells(kind: Kind) -> bool {
    kind.as_str().starts_with("incident.")
}

/// What a record of an incident leaves in memory: keys of rows with their bodies, or without one where they are gone.
pub(crate) fn rows(kind: Kind, equipment: &str, mut row: Map<String, Value>) -> Vec<(String, Option<Value>)> {
    let text = |row: &Map<String, Value>, field: &str| row.get(field).and_then(Value::as_str).map(str::to_owned);
    let Some(id) = text(&row, "incident") else { return Vec::new() };
    let mut rows = Vec::new();
    if kind == Kind::IncidentOpened {
        rows.extend(number(&id).map(|n| (COUNTED.to_owned(), Some(n.into()))));
    }
    rows.extend(text(&row, "forgets").map(|gone| (format!("{ROW}{gone}"), None)));
    if let Some(times) = row.remove("faults_ms") {
        let any = times.as_array().is_some_and(|times| !times.is_empty());
        rows.push((format!("{FAULTY}{equipment}"), any.then_some(times)));
    }
    for beside in ["clips", "was", "forgets"] {
        row.remove(beside);
    }
    rows.push((format!("{ROW}{id}"), Some(Value::Object(row))));
    rows
}

#[cfg(test)]
mod tests;
