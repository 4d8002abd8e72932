//! What is known of units and their seals: a fold of what people reported, kept as rows of the journal's state
//! (`seal/<unit>`, `spent/<seal>`, `inspected/<unit>`).

use crate::fields::iso_date;
use crate::wire::StateRow;
use jiff::civil::Date;
use picket_device::seal::SealClass;
use picket_record::kind::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most units whose seal is known, and most whose inspection is: what stands in a large yard at once, in rows of about 100
/// bytes. Behind it the one reported longest ago gives way, which the record says.
pub const UNITS_MAX: usize = 2_000;
/// Most seals that are remembered as used up: some weeks of a busy gate. The oldest give way.
pub const SPENT_MAX: usize = 4_000;

const SEAL: &str = "seal/";
const SPENT: &str = "spent/";
const INSPECTED: &str = "inspected/";

/// The seal on a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InForce {
    /// Its number.
    pub(super) seal: String,
    /// Its class, where somebody read it.
    pub(super) class: Option<SealClass>,
    /// The day of the report.
    pub(super) on: Date,
    age: u64,
}

/// Why a seal is no longer on its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    /// Another one was put on instead.
    Replaced,
    /// It was taken off.
    Removed,
    /// It left the site with its unit, and may come back on it.
    Left,
}

impl Spent {
    const ALL: [Self; 3] = [Self::Replaced, Self::Removed, Self::Left];

    fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Left => "left",
        }
    }

    /// What becomes of the seals that a record names as spent.
    fn by(kind: Kind) -> Option<Self> {
        match kind {
            Kind::SealAffixed => Some(Self::Replaced),
            Kind::SealRemoved => Some(Self::Removed),
            Kind::CustodyChanged => Some(Self::Left),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
struct Gone {
    unit: String,
    how: Spent,
    on: Date,
    age: u64,
}

/// Units, their seals and inspections.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    in_force: BTreeMap<String, InForce>,
    spent: BTreeMap<String, Gone>,
    inspected: BTreeMap<String, (bool, u64)>,
    age: u64,
}

impl Book {
    /// From the rows that the journal recovered.
    pub(super) fn recover(rows: &[StateRow]) -> Self {
        let mut book = Self::default();
        let is_mine = |row: &&StateRow| [SEAL, SPENT, INSPECTED].iter().any(|key| row.key.starts_with(key));
        let mut mine: Vec<&StateRow> = rows.iter().filter(is_mine).collect();
        mine.sort_by_key(|row| row.seq);
        for row in mine {
            book.put(&row.key, serde_json::from_str(&row.body).ok().as_ref());
        }
        book
    }

    /// The seal on a unit.
    pub(super) fn in_force(&self, unit: &str) -> Option<&InForce> {
        self.in_force.get(unit)
    }

    /// The units that a seal is on: one, unless somebody made a second one.
    pub(super) fn units_of<'a>(&'a self, seal: &'a str) -> impl Iterator<Item = &'a str> {
        self.in_force.iter().filter(move |(_, on)| on.seal == seal).map(|(unit, _)| unit.as_str())
    }

    /// The unit that a used-up seal was on, and what became of it.
    pub(super) fn spent(&self, seal: &str) -> Option<(&str, Spent)> {
        self.spent.get(seal).map(|gone| (gone.unit.as_str(), gone.how))
    }

    /// How the inspection of a unit since its last sealing ended.
    pub(super) fn inspected(&self, unit: &str) -> Option<bool> {
        self.inspected.get(unit).map(|(good, _)| *good)
    }

    /// Whether something later is known of the unit than a report of that day.
    pub(super) fn is_late(&self, unit: &str, seal: Option<&str>, on: Date) -> bool {
        let gone = seal.and_then(|seal| self.spent.get(seal)).filter(|gone| gone.unit == unit);
        self.in_force(unit).is_some_and(|known| known.on > on) || gone.is_some_and(|gone| gone.on > on)
    }

    /// What gives way to one more unit and to more used-up seals, for the record that adds them.
    pub(super) fn gives_way(&self, unit: Option<&str>, spent: &[&str]) -> Option<Value> {
        let oldest = |(_, on): &(&String, &InForce)| on.age;
        let full = self.in_force.len() >= UNITS_MAX;
        let unit = unit.filter(|unit| full && !self.in_force.contains_key(*unit));
        let unit = unit.and_then(|_| self.in_force.iter().min_by_key(oldest)).map(|(unit, _)| unit.clone());
        let new = spent.iter().filter(|seal| !self.spent.contains_key(**seal)).count();
        let beyond = (self.spent.len() + new).saturating_sub(SPENT_MAX);
        let mut seals: Vec<(&String, u64)> = self.spent.iter().map(|(seal, gone)| (seal, gone.age)).collect();
        seals.retain(|(seal, _)| !spent.contains(&seal.as_str()));
        seals.sort_by_key(|(_, age)| *age);
        let seals: Vec<&String> = seals.into_iter().take(beyond).map(|(seal, _)| seal).collect();
        (unit.is_some() || !seals.is_empty()).then(|| json!({ "unit": unit, "seals": seals }))
    }

    /// The unit whose inspection gives way to that of another.
    pub(super) fn inspection_gives_way(&self, unit: &str) -> Option<Value> {
        let full = self.inspected.len() >= UNITS_MAX && !self.inspected.contains_key(unit);
        let oldest = self.inspected.iter().filter(|_| full).min_by_key(|(_, (_, age))| *age);
        oldest.map(|(unit, _)| json!({ "unit": unit }))
    }

    /// What a record changes, as it does in the journal.
    pub(super) fn stated(&mut self, kind: Kind, data: &Map<String, Value>) {
        for (key, body) in rows(kind, data) {
            self.put(&key, body.as_ref());
        }
    }

    fn put(&mut self, key: &str, body: Option<&Value>) {
        self.age += 1;
        let age = self.age;
        if let Some(unit) = key.strip_prefix(SEAL) {
            put(&mut self.in_force, unit, body.and_then(|body| read_in_force(body, age)));
        } else if let Some(seal) = key.strip_prefix(SPENT) {
            put(&mut self.spent, seal, body.and_then(|body| read_gone(body, age)));
        } else if let Some(unit) = key.strip_prefix(INSPECTED) {
            put(&mut self.inspected, unit, body.and_then(|body| Some((body.get("good")?.as_bool()?, age))));
        }
    }
}

fn put<T>(map: &mut BTreeMap<String, T>, key: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.remove(key)),
    }
}

fn text<'v>(body: &'v Value, field: &str) -> Option<&'v str> {
    body.get(field).and_then(Value::as_str)
}

fn read_in_force(body: &Value, age: u64) -> Option<InForce> {
    let class = text(body, "class").and_then(SealClass::parse);
    Some(InForce { seal: text(body, "seal")?.to_owned(), class, on: iso_date(text(body, "on")?)?, age })
}

fn read_gone(body: &Value, age: u64) -> Option<Gone> {
    let how = Spent::ALL.into_iter().find(|how| Some(how.as_str()) == text(body, "how"))?;
    Some(Gone { unit: text(body, "unit")?.to_owned(), how, on: iso_date(text(body, "on")?)?, age })
}

/// The rows that a report of a person writes, or drops where there is no body, in order. A late one changes none.
pub(super) fn rows(kind: Kind, data: &Map<String, Value>) -> Vec<(String, Option<Value>)> {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let (Some(unit), None) = (text("unit"), data.get("late")) else { return Vec::new() };
    let gone = data.get("gave_way");
    let list = |value: Option<&Value>| -> Vec<String> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|seal| seal.as_str().map(str::to_owned)).collect()
    };
    let unit_gone = gone.and_then(|gone| gone.get("unit")).and_then(Value::as_str);
    if kind == Kind::UnitInspected {
        let drop = unit_gone.map(|unit| (format!("{INSPECTED}{unit}"), None));
        let good = json!({ "good": text("result") == Some("pass") });
        return drop.into_iter().chain([(format!("{INSPECTED}{unit}"), Some(good))]).collect();
    }
    let Some(how) = Spent::by(kind) else { return Vec::new() };
    let seals_gone = list(gone.and_then(|gone| gone.get("seals")));
    let mut rows: Vec<(String, Option<Value>)> =
        unit_gone.map(|unit| (format!("{SEAL}{unit}"), None)).into_iter().collect();
    rows.extend(seals_gone.into_iter().map(|seal| (format!("{SPENT}{seal}"), None)));
    let in_force = kind == Kind::SealAffixed || data.get("in_force").is_some();
    let seal = text("seal").filter(|_| in_force);
    let body = seal.map(|seal| json!({ "seal": seal, "class": text("class"), "on": text("on") }));
    if kind == Kind::CustodyChanged {
        rows.extend(seal.map(|seal| (format!("{SPENT}{seal}"), None)));
    }
    if kind == Kind::SealAffixed {
        rows.push((format!("{INSPECTED}{unit}"), None));
    }
    if body.is_some() || kind == Kind::SealRemoved || data.get("leaves").is_some() {
        rows.push((format!("{SEAL}{unit}"), body));
    }
    for seal in list(data.get("spent")) {
        let body = json!({ "unit": unit, "how": how.as_str(), "on": text("on") });
        rows.push((format!("{SPENT}{seal}"), Some(body)));
    }
    rows
}

#[cfg(test)]
mod tests;
