//! Threat scenarios of a site (ISO 28004-1, 4.3.1; ISO 28004-3, steps 4 to 8): what may happen, how bad it would be, and
//! how likely it is while every measure against it protects. Rows of text become scenarios; every fault at once.

use super::rows::{Row, RowFault};
use crate::alarm::Rule;
use crate::fields::{Field, FieldFault, Reader};
use picket_record::kind::Severity;
use std::collections::BTreeMap;

/// How bad it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// It would be put right within the day.
    Low,
    /// It would be felt.
    Medium,
    /// It would do great harm.
    High,
    /// Somebody may die.
    Life,
}

impl Consequence {
    const ALL: [(&'static str, Self); 4] =
        [("low", Self::Low), ("medium", Self::Medium), ("high", Self::High), ("life", Self::Life)];

    /// The word in registers and records.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, class)| *class == self).map_or("", |(word, _)| word)
    }

    /// How severe an incident of it is at least.
    pub fn severity(self) -> Severity {
        match self {
            Self::Low => Severity::Notice,
            Self::Medium => Severity::Fault,
            Self::High => Severity::Security,
            Self::Life => Severity::Life,
        }
    }

    /// From which likelihood on countermeasures are needed, where the site does not say else.
    fn usual_limit(self) -> Option<Likelihood> {
        match self {
            Self::Low => None,
            Self::Medium => Some(Likelihood::High),
            Self::High | Self::Life => Some(Likelihood::Medium),
        }
    }
}

/// How likely it is: how little the measures resist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likelihood {
    /// The measures offer substantial resistance.
    Low,
    /// They offer moderate resistance.
    Medium,
    /// They offer little.
    High,
}

impl Likelihood {
    const ALL: [(&'static str, Self); 3] = [("low", Self::Low), ("medium", Self::Medium), ("high", Self::High)];

    /// The word in registers and records.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, class)| *class == self).map_or("", |(word, _)| word)
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, class)| *class)
    }

    /// The next class.
    pub fn raised(self) -> Self {
        if self == Self::Low { Self::Medium } else { Self::High }
    }
}

/// One threat scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Its id at the site.
    pub id: String,
    /// What may happen.
    pub title: String,
    /// How bad it would be.
    pub consequence: Consequence,
    /// How likely, while every measure against it protects.
    pub likelihood: Likelihood,
    /// From this likelihood on countermeasures are needed: the row of the site's table; `None` = never.
    pub limit: Option<Likelihood>,
    /// Rules that tell of it; empty = every rule of its equipment.
    pub rules: Vec<Rule>,
}

/// Every field of a row.
pub const FIELDS: &[Field] = &[
    ("id", "unique id of the scenario: 1 to 32 of a-z 0-9 and -"),
    ("title", "what may happen"),
    ("consequence", "low, medium, high or life"),
    ("likelihood", "low (default), medium or high, while every measure protects"),
    ("countermeasures_from", "likelihood from which countermeasures are needed: low, medium, high or never"),
    ("rules", "rules that tell of it, such as door-forced, tamper; empty = every rule of its equipment"),
];

/// Most scenarios of a site: people made them one by one, and look at each.
pub const MAX: usize = 64;

/// Builds the scenarios, or tells every fault.
pub fn build(rows: &[Row]) -> Result<BTreeMap<String, Scenario>, Vec<RowFault>> {
    let mut faults = Vec::new();
    let mut scenarios: BTreeMap<String, Scenario> = BTreeMap::new();
    if rows.len() > MAX {
        let cause = format!("{} scenarios; at most {MAX} are allowed", rows.len());
        return Err(vec![fault(
            MAX,
            FieldFault { field: String::new(), cause, remedy: "put alike ones together".into() },
        )]);
    }
    for (index, row) in rows.iter().enumerate() {
        match scenario(row) {
            Err(found) => faults.extend(found.into_iter().map(|found| fault(index, found))),
            Ok(built) if scenarios.contains_key(&built.id) => {
                let cause = format!("scenario {} is there twice", built.id);
                let remedy = "give each scenario its own id".to_owned();
                faults.push(fault(index, FieldFault { field: "id".into(), cause, remedy }));
            }
            Ok(built) => drop(scenarios.insert(built.id.clone(), built)),
        }
    }
    if faults.is_empty() { Ok(scenarios) } else { Err(faults) }
}

/// Faults of rows of equipment that name a scenario which is not listed.
pub fn strangers(rows: &[Row], scenarios: &BTreeMap<String, Scenario>) -> Vec<RowFault> {
    let mut faults = Vec::new();
    for (row, fields) in rows.iter().enumerate() {
        let named = fields.get("scenario").into_iter().flat_map(|ids| ids.split(',')).map(str::trim);
        for id in named.filter(|id| is_id(id) && !scenarios.contains_key(*id)) {
            let cause = format!("no scenario {id} is listed");
            let remedy = format!("add a [[scenario]] with id = \"{id}\" to register.toml, or name another one");
            faults.push(RowFault { row, field: "scenario".into(), cause, remedy });
        }
    }
    faults
}

/// Whether a text may be the id of a scenario.
pub fn is_id(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(fits)
}

fn scenario(row: &Row) -> Result<Scenario, Vec<FieldFault>> {
    let mut reader = Reader::new(row, FIELDS, &[]);
    let id = reader.needed("id", "give it one, such as theft-yard").to_owned();
    if !id.is_empty() && !is_id(&id) {
        reader.fault("id", format!("{id:?} is no id of a scenario"), "1 to 32 of a-z 0-9 and -");
    }
    let title = reader.needed("title", "say what may happen").to_owned();
    let consequence = reader.word("consequence", &Consequence::ALL, None);
    let likelihood = reader.word("likelihood", &Likelihood::ALL, Some(Likelihood::Low));
    let limits = [("never", None)].into_iter().chain(Likelihood::ALL.map(|(word, class)| (word, Some(class))));
    let limits: Vec<(&str, Option<Likelihood>)> = limits.collect();
    let limit = reader.word("countermeasures_from", &limits, consequence.map(Consequence::usual_limit));
    let mut rules = Vec::new();
    for name in reader.text("rules").split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match Rule::parse(name) {
            Some(rule) => rules.push(rule),
            None => {
                let all: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
                reader.fault("rules", format!("unknown rule {name:?}"), &format!("of {}", all.join(", ")));
            }
        }
    }
    let faults = reader.faults();
    match (consequence, likelihood, limit, faults.is_empty()) {
        (Some(consequence), Some(likelihood), Some(limit), true) => {
            Ok(Scenario { id, title, consequence, likelihood, limit, rules })
        }
        _ => Err(faults),
    }
}

fn fault(row: usize, FieldFault { field, cause, remedy }: FieldFault) -> RowFault {
    RowFault { row, field, cause, remedy }
}
