//! Whether equipment is deployed as planned (ISO 28000 9.2.2 d): the register against what records speak of.

use super::course::Moment;
use crate::register::Register;
use picket_record::kind::Kind;
use picket_record::wall;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most pieces of equipment that are told apart: the largest register, and what is not listed in it.
const EQUIPMENT_MAX: usize = 24_000;
/// Rows of a list; the rest is counted.
const LISTED: usize = 500;

#[derive(Debug, Clone, Default)]
struct Seen {
    records: u64,
    first: Option<(u64, Option<i64>)>,
    last: Option<(u64, Option<i64>)>,
    standing: String,
    bypass: Option<u64>,
    compensated: Option<(u64, String)>,
    withdrawn: Option<u64>,
}

/// The fold.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    by: BTreeMap<String, Seen>,
    register_digest: String,
    beyond: u64,
}

/// What it comes to.
#[derive(Debug, Serialize)]
pub struct Deployment {
    /// Rows of the register that was given; `None` where none was.
    pub registered: Option<u64>,
    /// Those of them that records of the period speak of.
    pub seen: u64,
    /// The text of that register is the one that was last applied by these records; `None` where they do not say.
    pub register_in_force: Option<bool>,
    /// How many stand how at the end, by word, as the last record about each states it.
    pub standings: BTreeMap<String, u64>,
    /// Registered, and no record of the period speaks of them.
    pub not_seen: List,
    /// Seen, and not in the register; without a register those that the agent found unlisted.
    pub unlisted: List,
    /// Seen, and their standing at the end is neither good nor due.
    pub not_good: List,
    /// Out of use at the end.
    pub withdrawn: List,
    /// Their alarms do not ring, at the end.
    pub bypassed: List,
    /// Something stands in for them, at the end.
    pub compensated: List,
    /// Everything registered or seen.
    pub all: List,
    /// Records about equipment that found no room.
    pub beyond: u64,
}

/// The first 500, and how many more.
#[derive(Debug, Default, Serialize)]
pub struct List {
    /// By id.
    pub listed: Vec<Row>,
    /// Not listed.
    pub more: u64,
}

/// One piece of equipment.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its id.
    pub equipment: String,
    /// What it is; empty where the register does not say.
    pub kind: String,
    /// Where it is.
    pub place: String,
    /// Records of the period about it.
    pub records: u64,
    /// Number and time of the first of them.
    pub first: Option<(u64, Option<String>)>,
    /// Number and time of the last of them.
    pub last: Option<(u64, Option<String>)>,
    /// As the last record about it states it, or as the work that it reports leaves it; `not known` where none says.
    pub standing: String,
    /// What else there is to say, with the number of the record that states it.
    pub note: String,
}

impl Deployed {
    pub(super) fn take(&mut self, moment: &Moment<'_>) {
        if moment.record.kind == Kind::RegisterApplied {
            moment.text("digest").clone_into(&mut self.register_digest);
        }
        let Some(id) = moment.record.equipment.as_deref() else { return };
        if id.starts_with("gateway:") || id.starts_with("line:") {
            return;
        }
        if self.by.len() == EQUIPMENT_MAX && !self.by.contains_key(id) {
            self.beyond += 1;
            return;
        }
        let seen = self.by.entry(id.to_owned()).or_default();
        seen.take(moment);
    }

    pub(super) fn finish(mut self, register: Option<&Register>) -> Deployment {
        let in_force = register.filter(|_| !self.register_digest.is_empty()).map(|register| {
            let digest: String = register.digest().iter().map(|byte| format!("{byte:02x}")).collect();
            digest == self.register_digest
        });
        let mut told = Deployment {
            registered: register.map(|register| register.iter().count() as u64),
            seen: 0,
            register_in_force: in_force,
            standings: BTreeMap::new(),
            not_seen: List::default(),
            unlisted: List::default(),
            not_good: List::default(),
            withdrawn: List::default(),
            bypassed: List::default(),
            compensated: List::default(),
            all: List::default(),
            beyond: self.beyond,
        };
        for row in register.into_iter().flat_map(Register::iter) {
            let seen = self.by.remove(row.id.as_str()).unwrap_or_default();
            told.seen += u64::from(seen.records > 0);
            let row = seen.row(row.id.to_string(), (row.kind.as_str(), &row.place));
            told.take(&seen, &row);
            if seen.records == 0 {
                told.not_seen.push(&row);
            }
        }
        for (id, seen) in self.by {
            // Only spoken of before the period.
            if seen.records == 0 {
                continue;
            }
            let unlisted = register.is_some() || id.starts_with("unlisted:") || seen.standing == "unlisted";
            let row = seen.row(id, ("", ""));
            told.take(&seen, &row);
            if unlisted {
                told.unlisted.push(&row);
            }
        }
        told
    }
}

impl Deployment {
    fn take(&mut self, seen: &Seen, row: &Row) {
        *self.standings.entry(row.standing.clone()).or_default() += 1;
        self.all.push(row);
        if !matches!(row.standing.as_str(), "good" | "due" | NOT_KNOWN) {
            self.not_good.push(row);
        }
        let lists = [
            (&mut self.withdrawn, seen.is_withdrawn()),
            (&mut self.bypassed, seen.bypass.is_some()),
            (&mut self.compensated, seen.compensated.is_some()),
        ];
        lists.into_iter().filter(|(_, holds)| *holds).for_each(|(list, _)| list.push(row));
    }
}

impl List {
    fn push(&mut self, row: &Row) {
        if self.listed.len() < LISTED { self.listed.push(row.clone()) } else { self.more += 1 }
    }
}

/// How equipment stands after a record that states how it stood before. Reported work may have mended what was not good: the
/// records that follow say so, and where none does, nobody knows.
fn after(kind: Kind, standing: &str) -> &str {
    match kind {
        Kind::EquipmentWithdrawn => "withdrawn",
        Kind::CalibrationDone
        | Kind::MaintenanceDone
        | Kind::InspectionDone
        | Kind::TestDone
        | Kind::EquipmentCommissioned
        | Kind::EquipmentReturned
            if !matches!(standing, "good" | "due") =>
        {
            NOT_KNOWN
        }
        _ => standing,
    }
}

/// No record says how it stands.
const NOT_KNOWN: &str = "not known";

impl Seen {
    fn take(&mut self, moment: &Moment<'_>) {
        let record = moment.record;
        if moment.within {
            self.records += 1;
            let this = (record.seq, moment.at_ms);
            self.first = self.first.or(Some(this));
            self.last = Some(this);
        }
        if let Some(standing) = &record.standing {
            after(record.kind, standing).clone_into(&mut self.standing);
        }
        let measure = moment.text("measure");
        match record.kind {
            Kind::EquipmentWithdrawn => self.withdrawn = Some(record.seq),
            Kind::EquipmentReturned => self.withdrawn = None,
            Kind::MeasureBegun if measure == "bypass" => self.bypass = Some(record.seq),
            Kind::MeasureEnded if measure == "bypass" => self.bypass = None,
            Kind::MeasureBegun => self.compensated = Some((record.seq, moment.text("what").to_owned())),
            Kind::MeasureEnded => self.compensated = None,
            _ => {}
        }
    }

    /// By its standing, or by a report that no later record about it has taken up.
    fn is_withdrawn(&self) -> bool {
        self.withdrawn.is_some() || self.standing == "withdrawn"
    }

    fn row(&self, equipment: String, (kind, place): (&str, &str)) -> Row {
        let told = |(seq, at_ms): (u64, Option<i64>)| (seq, at_ms.and_then(wall::to_text));
        let notes = [
            self.withdrawn.map(|seq| format!("withdrawn by record {seq}")),
            self.bypass.map(|seq| format!("bypassed by record {seq}")),
            self.compensated.as_ref().map(|(seq, what)| format!("stands in, by record {seq}: {what}")),
        ];
        Row {
            equipment,
            kind: kind.to_owned(),
            place: place.to_owned(),
            records: self.records,
            first: self.first.map(told),
            last: self.last.map(told),
            standing: if self.standing.is_empty() { NOT_KNOWN.to_owned() } else { self.standing.clone() },
            note: notes.into_iter().flatten().collect::<Vec<_>>().join("; "),
        }
    }
}
