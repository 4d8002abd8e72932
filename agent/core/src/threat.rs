//! Threats: how well the measures against each scenario of the site protect now. Pure: what counts as a measure is told,
//! and what changed is stated.

use crate::register::EquipmentId;
use crate::register::scenarios::{Likelihood, Scenario};
use crate::statement::Statement;
use crate::wire::StateRow;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most lost measures that a record names; it counts them all.
const NAMED: usize = 16;

/// What stands against a scenario now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// Pieces of equipment that are to protect.
    pub measures: usize,
    /// Those that do not count now, each with why, in the order of their ids.
    pub lost: Vec<(EquipmentId, String)>,
}

impl Protection {
    /// How likely a scenario is with it: one class more where something is lost, the highest where everything is.
    pub fn likelihood(&self, usual: Likelihood) -> Likelihood {
        match (self.lost.is_empty(), self.lost.len() == self.measures) {
            (true, _) => usual,
            (false, true) => Likelihood::High,
            (false, false) => usual.raised(),
        }
    }
}

/// A scenario as it was stated last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threat {
    /// How likely it is now.
    pub likelihood: Likelihood,
    /// Countermeasures are needed, by the site's table.
    pub needed: bool,
    /// What was stated, as data of the record.
    pub told: Map<String, Value>,
}

/// Every scenario whose state was stated.
#[derive(Debug, Default)]
pub struct Threats(BTreeMap<String, Threat>);

impl Threats {
    /// From the rows the journal recovered.
    pub fn recover(rows: &[StateRow]) -> Self {
        let read = |row: &StateRow| {
            let id = row.key.strip_prefix(ROW)?;
            let told: Map<String, Value> = serde_json::from_str(&row.body).ok()?;
            let likelihood = Likelihood::parse(told.get("likelihood")?.as_str()?)?;
            let needed = told.get("needed")?.as_bool()?;
            Some((id.to_owned(), Threat { likelihood, needed, told }))
        };
        Self(rows.iter().filter_map(read).collect())
    }

    /// Each scenario by its id.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Threat)> {
        self.0.iter()
    }

    /// A scenario and what stands against it. A statement, where that is another thing than was stated last; none of a
    /// scenario that is as usual and was never anything else.
    pub fn judged(&mut self, scenario: &Scenario, by: &Protection) -> Option<Statement> {
        let likelihood = by.likelihood(scenario.likelihood);
        let needed = scenario.limit.is_some_and(|limit| likelihood >= limit);
        let told = told(scenario, by, likelihood, needed);
        let before = self.0.get(&scenario.id);
        let is_usual = by.lost.is_empty() && !needed;
        if before.map(|threat| &threat.told) == Some(&told) || (before.is_none() && is_usual) {
            return None;
        }
        let more = |threat: &Threat| threat.likelihood < likelihood || (needed && !threat.needed);
        let worse = before.map_or(likelihood > scenario.likelihood || needed, more);
        let severity = match (worse, needed) {
            (true, true) => scenario.consequence.severity().max(Severity::Fault),
            (true, false) => Severity::Fault,
            (false, _) => Severity::Notice,
        };
        self.0.insert(scenario.id.clone(), Threat { likelihood, needed, told: told.clone() });
        Some(Statement::new(Kind::ThreatChanged, severity, Value::Object(told)))
    }

    /// The register no longer has a scenario. Statements that say so.
    pub fn removed(&mut self, is_known: impl Fn(&str) -> bool) -> Vec<Statement> {
        let gone: Vec<String> = self.0.keys().filter(|id| !is_known(id)).cloned().collect();
        let stated = gone.into_iter().map(|id| {
            self.0.remove(&id);
            Statement::new(Kind::ThreatChanged, Severity::Notice, json!({ "scenario": id, "gone": true }))
        });
        stated.collect()
    }
}

fn told(scenario: &Scenario, by: &Protection, likelihood: Likelihood, needed: bool) -> Map<String, Value> {
    let lost: Vec<Value> = by.lost.iter().take(NAMED).map(|(id, why)| json!([id.as_str(), why])).collect();
    let json = json!({
        "scenario": scenario.id,
        "title": scenario.title,
        "consequence": scenario.consequence.as_str(),
        "likelihood": likelihood.as_str(),
        "usual": scenario.likelihood.as_str(),
        "needed": needed,
        "measures": by.measures,
        "lost": by.lost.len(),
        "eqs": lost,
    });
    match json {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

const ROW: &str = "threat/";

/// The row that a record writes, or drops where there is no body.
pub(crate) fn row(data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    let id = data.get("scenario").and_then(Value::as_str)?;
    let body = data.get("gone").is_none().then(|| Value::Object(data.clone()));
    Some((format!("{ROW}{id}"), body))
}

#[cfg(test)]
mod tests;
