//! The calibration and inventory register: the plan of what equipment there is, and each piece's standing.

use crate::label;
use crate::work::{Done, Results};
use picket_record::body;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub mod dates;
pub mod imported;
pub mod points;
pub mod rows;
pub mod scenarios;
mod scheme;

pub use dates::{Due, Interval};
pub use points::Point;
use scenarios::Scenario;
pub use scheme::{Scheme, Work};

/// Id of a piece of equipment: a GS1 GIAI or a site id, `[A-Za-z0-9._:/-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EquipmentId(Arc<str>);

impl EquipmentId {
    /// `None` where the text is no id.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b':' | b'/' | b'-');
        ((1..=64).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.into()))
    }

    /// The id for something heard on a wire that no row names: `unlisted:` and the sender; one with other characters
    /// than `[A-Za-z0-9._-]`, or above 40 bytes, ends in a hash, so that no two senders share an id.
    pub fn unlisted(sender: &str) -> Self {
        Self(format!("unlisted:{}", label::of(sender)).into())
    }

    /// The id of the gateway itself, for what is about no other equipment. Names are at most 63 characters; what does not
    /// fit ends in a hash.
    pub fn gateway(name: &str) -> Self {
        Self(format!("gateway:{}", label::of(name)).into())
    }

    /// The id of a line of the settings, for what is about it as a whole.
    pub fn line(name: &str) -> Self {
        Self(format!("line:{}", label::of(name)).into())
    }

    /// The id that unlisted senders share once there are too many; no sender has it, because it begins with a colon.
    pub fn unlisted_rest() -> Self {
        Self("unlisted::and-more".into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EquipmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All equipment of a site.
#[derive(Debug, Clone, Default)]
pub struct Register {
    version: u64,
    digest: [u8; 32],
    equipment: BTreeMap<EquipmentId, Equipment>,
    /// Rows of the same make, model and firmware, where make and model are stated.
    alike: BTreeMap<TypePlate, Vec<EquipmentId>>,
    scenarios: BTreeMap<String, Scenario>,
    points: Arc<[Point]>,
}

/// Make, model and firmware.
type TypePlate = (String, String, String);

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equipment {
    /// Unique id.
    pub id: EquipmentId,
    /// What it is.
    pub kind: EquipmentKind,
    /// Where it is, for people.
    pub place: String,
    /// The zone that it watches, where it is told together with others; empty = as its place.
    pub zone: String,
    /// Where recordings of it are, with `{utc}` for the moment in seconds since 1970; empty = nowhere.
    pub clip: String,
    /// Ids of the threat scenarios that it is a measure against.
    pub scenarios: Vec<String>,
    /// Who owns it: `own` or `contractor:<name>`.
    pub owner: String,
    /// Make on the type plate; empty = not stated.
    pub make: String,
    /// Model on the type plate.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Firmware that was commissioned.
    pub firmware: String,
    /// How much depends on it.
    pub criticality: Criticality,
    /// What comes back at it, in the order of [`Work::ALL`]; `None` where none is needed.
    pub schemes: [Option<Scheme>; Work::ALL.len()],
    /// It counts only once its commissioning has passed.
    pub commissioning: Commissioning,
    /// Out of use: tag and reason.
    pub withdrawn: Option<String>,
    /// What the reference equipment of its calibration leads to: a national standard, or what else it stands on.
    pub traceability: String,
    /// The assurance of a contractor's equipment, given before work starts.
    pub assurance: Assurance,
}

/// What a contractor gives before work starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assurance {
    /// Its document; empty = none.
    pub document: String,
    /// Its end of validity.
    pub until: Option<Due>,
}

impl Equipment {
    /// Every scheme it has.
    pub fn schemes(&self) -> impl Iterator<Item = (Work, &Scheme)> {
        Work::ALL.into_iter().zip(&self.schemes).filter_map(|(work, scheme)| Some((work, scheme.as_ref()?)))
    }

    /// Make, model and firmware, where make and model are stated.
    fn type_plate(&self) -> Option<TypePlate> {
        let plate = (self.make.clone(), self.model.clone(), self.firmware.clone());
        (!plate.0.is_empty() && !plate.1.is_empty()).then_some(plate)
    }

    /// Whether lives depend on it.
    pub fn protects_lives(&self) -> bool {
        self.criticality == Criticality::Life
    }

    /// One of them.
    pub fn scheme(&self, work: Work) -> Option<&Scheme> {
        self.schemes().find(|(of, _)| *of == work).map(|(_, scheme)| scheme)
    }
}

/// What a piece of equipment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EquipmentKind {
    /// Door, gate, barrier, cover.
    Door,
    /// Camera.
    Camera,
    /// Alarm panel.
    AlarmPanel,
    /// Seal or barcode reader.
    SealReader,
    /// Input/output module, controller, gateway.
    Module,
    /// Sensor or detector.
    Sensor,
    /// Power supply.
    Power,
}

impl EquipmentKind {
    /// Every kind, for messages.
    pub const ALL: &'static [(&'static str, EquipmentKind)] = &[
        ("door", EquipmentKind::Door),
        ("camera", EquipmentKind::Camera),
        ("alarm-panel", EquipmentKind::AlarmPanel),
        ("seal-reader", EquipmentKind::SealReader),
        ("module", EquipmentKind::Module),
        ("sensor", EquipmentKind::Sensor),
        ("power", EquipmentKind::Power),
    ];

    /// The word in registers and records.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// Whether equipment is checked before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commissioning {
    /// It counts as it stands in the register: it was there before the register was.
    #[default]
    Waived,
    /// Without a record of checks that it passed its standing is not known.
    Required,
}

/// How much depends on a piece of equipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criticality {
    /// Nice to have.
    Low,
    /// One of several measures.
    Normal,
    /// The only measure against a threat.
    High,
    /// Protects lives.
    Life,
}

/// Standing of a piece of equipment, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Everything in order.
    Good,
    /// Some work falls due soon.
    Due,
    /// Some work is overdue.
    Overdue,
    /// Its status is not known.
    Unknown,
    /// No row names it.
    Unlisted,
    /// It is not what its row says.
    Mismatched,
    /// Out of use by order.
    Withdrawn,
}

impl Standing {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Good => "good",
            Standing::Due => "due",
            Standing::Overdue => "overdue",
            Standing::Unknown => "unknown",
            Standing::Unlisted => "unlisted",
            Standing::Mismatched => "mismatched",
            Standing::Withdrawn => "withdrawn",
        }
    }

    /// Whether its silence is trusted: may its return to normal clear an alarm without a guard.
    pub fn may_clear(self) -> bool {
        matches!(self, Standing::Good | Standing::Due)
    }

    /// Whether its alarm rings; life safety always does, whatever the standing.
    pub fn rings(self) -> bool {
        self != Standing::Withdrawn
    }
}

/// Standing with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The worst that holds.
    pub standing: Standing,
    /// Every reason with the standing it leads to, worst first.
    pub reasons: Vec<(Standing, String)>,
    /// Next date that matters.
    pub due: Option<Due>,
    /// Certificate of the calibration in force.
    pub certificate: String,
    /// What does not conform beside it, and lowers no standing: each the reason of a nonconformity.
    pub beside: Vec<&'static str>,
}

impl Verdict {
    /// The verdict on something no row names.
    pub fn unlisted() -> Self {
        let reasons = vec![(Standing::Unlisted, "unlisted".to_owned())];
        let (due, certificate, beside) = (None, String::new(), Vec::new());
        Self { standing: Standing::Unlisted, reasons, due, certificate, beside }
    }

    /// The verdict on the gateway itself: no row vouches for it, and no date of one judges it.
    pub fn good() -> Self {
        let (reasons, due, certificate, beside) = (Vec::new(), None, String::new(), Vec::new());
        Self { standing: Standing::Good, reasons, due, certificate, beside }
    }

    /// As a record states it.
    pub fn stated(&self) -> body::Standing {
        body::Standing {
            st: self.standing.as_str(),
            why: self.reasons.iter().map(|(_, why)| why.clone()).collect(),
            due: self.due.map(|due| due.date().to_string()),
            cert: Some(self.certificate.clone()).filter(|cert| !cert.is_empty()),
        }
    }
}

impl Register {
    /// A register of checked rows; `version` rises with each one that comes into force. See [`rows::build`].
    pub(crate) fn new(version: u64, digest: [u8; 32], equipment: BTreeMap<EquipmentId, Equipment>) -> Self {
        let mut alike: BTreeMap<TypePlate, Vec<EquipmentId>> = BTreeMap::new();
        for row in equipment.values() {
            if let Some(plate) = row.type_plate() {
                alike.entry(plate).or_default().push(row.id.clone());
            }
        }
        Self { version, digest, equipment, alike, points: Arc::default(), scenarios: BTreeMap::new() }
    }

    /// With the threat scenarios that its rows name; see [`scenarios::build`].
    pub fn with_scenarios(self, scenarios: BTreeMap<String, Scenario>) -> Self {
        Self { scenarios, ..self }
    }

    /// Every threat scenario, by id.
    pub fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.values()
    }

    /// One of them.
    pub fn scenario(&self, id: &str) -> Option<&Scenario> {
        self.scenarios.get(id)
    }

    /// With its measuring points; see [`points::build`].
    pub fn with_points(self, points: Vec<Point>) -> Self {
        Self { points: points.into(), ..self }
    }

    /// Its measuring points, in the order they were written.
    pub fn points(&self) -> &Arc<[Point]> {
        &self.points
    }

    /// The same rows under another version.
    pub fn numbered(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// Version in force; 0 = none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// SHA-256 of the text it was read from.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// One row.
    pub fn get(&self, id: &EquipmentId) -> Option<&Equipment> {
        self.equipment.get(id)
    }

    /// Other rows of the same make, model and firmware.
    pub fn similar<'a>(&'a self, id: &'a EquipmentId) -> impl Iterator<Item = &'a EquipmentId> {
        let alike = self.get(id).and_then(Equipment::type_plate).and_then(|plate| self.alike.get(&plate));
        alike.into_iter().flatten().filter(move |other| *other != id)
    }

    /// All rows, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Equipment> {
        self.equipment.values()
    }

    /// Standing at a moment, by the plan and by what was done. `judged_ms` is a trusted wall time, or the latest one that
    /// was; `None` = never known. `mismatched` lists identity fields that the device reports otherwise than its row.
    pub fn verdict(
        &self,
        id: &EquipmentId,
        (judged_ms, ahead_days): (Option<i64>, u16),
        results: &Results,
        mismatched: &[&'static str],
    ) -> Verdict {
        let Some(row) = self.equipment.get(id) else { return Verdict::unlisted() };
        let mut reasons = Vec::new();
        if let Some(why) = row.withdrawn.as_deref().or_else(|| results.tag(id)) {
            reasons.push((Standing::Withdrawn, format!("withdrawn: {why}")));
        }
        reasons.extend(mismatched.iter().map(|field| (Standing::Mismatched, format!("{field} differs"))));
        if row.commissioning == Commissioning::Required {
            reasons.extend(match results.commissioned(id) {
                None => Some((Standing::Unknown, "not commissioned".to_owned())),
                Some(done) if !done.good => Some((Standing::Overdue, COMMISSIONING_FAILED.to_owned())),
                Some(_) => None,
            });
        }
        let mut next: Option<Due> = None;
        for (work, scheme) in row.schemes() {
            let done = results.done(id, work);
            let due = scheme.due(done);
            if scheme.failed(done) {
                reasons.push((Standing::Overdue, format!("{} failed", work.as_str())));
            } else if let Some(reason) = judge(work, due, judged_ms, scheme.ahead_days(ahead_days)) {
                reasons.push(reason);
            }
            next = match (next, due) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        reasons.sort_by_key(|(standing, _)| std::cmp::Reverse(*standing));
        let standing = reasons.first().map_or(Standing::Good, |(standing, _)| *standing);
        let calibration = row.scheme(Work::Calibration);
        let done = results.done(id, Work::Calibration);
        let certificate = calibration.map(|scheme| scheme.certificate(done).to_owned()).unwrap_or_default();
        Verdict { standing, reasons, due: next, certificate, beside: beside(row, done, judged_ms) }
    }
}

/// What ISO 28004-1, 4.5.1 d3 and d5 ask for beside dates: a basis of each calibration, and the assurance of a contractor.
fn beside(row: &Equipment, calibrated: Option<&Done>, judged_ms: Option<i64>) -> Vec<&'static str> {
    let traceable = !row.traceability.is_empty() || calibrated.is_some_and(|done| done.traceable);
    let untraceable = (row.scheme(Work::Calibration).is_some() && !traceable).then_some(UNTRACEABLE);
    let Assurance { document, until } = &row.assurance;
    let assurance = match (row.owner.starts_with("contractor:"), document.is_empty(), until) {
        (false, _, _) => None,
        (true, true, _) => Some(ASSURANCE_MISSING),
        (true, false, None) => Some(ASSURANCE_DATE_UNKNOWN),
        // A clock that was never set says nothing about the contractor.
        (true, false, Some(until)) => judged_ms.filter(|now| until.passed(*now)).map(|_| ASSURANCE_EXPIRED),
    };
    untraceable.into_iter().chain(assurance).collect()
}

/// Why equipment whose commissioning did not pass is no better than overdue.
pub(crate) const COMMISSIONING_FAILED: &str = "commissioning failed";
/// Reasons of [`Verdict::beside`].
pub(crate) const UNTRACEABLE: &str = "calibration-untraceable";
pub(crate) const ASSURANCE_MISSING: &str = "assurance-missing";
pub(crate) const ASSURANCE_DATE_UNKNOWN: &str = "assurance-date-unknown";
pub(crate) const ASSURANCE_EXPIRED: &str = "assurance-expired";

fn judge(work: Work, due: Option<Due>, judged_ms: Option<i64>, ahead_days: u16) -> Option<(Standing, String)> {
    let work = work.as_str();
    let Some(due) = due else { return Some((Standing::Unknown, format!("{work} date unknown"))) };
    let Some(now) = judged_ms else { return Some((Standing::Unknown, format!("{work}: clock never set"))) };
    if due.passed(now) {
        return Some((Standing::Overdue, format!("{work} overdue")));
    }
    due.within_days(now, ahead_days).then(|| (Standing::Due, format!("{work} due")))
}
