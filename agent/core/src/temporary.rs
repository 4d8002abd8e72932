//! Temporary measures: what stands in for equipment that cannot be relied on, and what silences equipment while somebody
//! works at it. Both say for how long, and end by themselves (ISO 28000, 8.6.3: recovery from temporary measures).

mod form;

pub use form::{Step, Temporary, TemporaryForm};

use crate::register::EquipmentId;
use crate::statement::Statement;
use crate::time::{Now, s};
use crate::wire::StateRow;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What holds for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// It stands in for equipment: a guard, a second lock.
    Compensating,
    /// Alarms of the equipment are recorded and shown, and do not ring; life safety does.
    Bypass,
}

impl Measure {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Compensating, Self::Bypass];

    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compensating => "compensating",
            Self::Bypass => "bypass",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == text)
    }

    /// The longest it may be said to last, in seconds: a month stands in for a repair, a week for work at a gate. Who needs
    /// more says so again.
    pub fn most_s(self) -> u64 {
        match self {
            Self::Compensating => 31 * 86_400,
            Self::Bypass => 7 * 86_400,
        }
    }
}

/// One that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is, as it was told.
    pub what: String,
    /// Over at this moment, milliseconds since 1970 UTC; `None` where no trusted time was known.
    pub until_ms: Option<i64>,
    /// Over at this moment of the boot clock, whatever a wall clock says.
    until_us: u64,
}

/// How one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A person ended it.
    Person,
    /// Its time was over, and nobody had ended it.
    Time,
    /// The gateway was started without a trusted time: whether a bypass still holds is not known, so it does not.
    Unknown,
    /// The register no longer names the equipment.
    Removed,
}

impl Ended {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Time => "time",
            Self::Unknown => "unknown",
            Self::Removed => "removed",
        }
    }
}

/// Everything that holds for a time: at most one of each kind for each piece of equipment of the register.
#[derive(Debug, Default)]
pub struct Temporaries(BTreeMap<(EquipmentId, Measure), Held>);

impl Temporaries {
    /// From the rows the journal recovered.
    ///
    /// `floor_ms` is the latest wall time that was ever trusted.
    pub fn recover(now: &Now, rows: &[StateRow], floor_ms: Option<i64>) -> Self {
        let read = |row: &StateRow| {
            let (measure, id) = row.key.strip_prefix(ROW)?.split_once('/')?;
            let body: Value = serde_json::from_str(&row.body).ok()?;
            let for_s = body.get("for_s")?.as_u64()?;
            let until_ms = body.get("until_ms").and_then(Value::as_i64);
            // What is left by a trusted clock, or by the latest that was; else as long as it was said to last.
            let known = now.judged_ms().max(floor_ms).zip(until_ms);
            let left = known.map(|(now_ms, until)| u64::try_from(until - now_ms).unwrap_or(0));
            let left_us = left.map_or(s(for_s), |ms| ms.saturating_mul(1_000).min(s(for_s)));
            let what = body.get("what")?.as_str()?.to_owned();
            let until_us = now.mono_us.saturating_add(left_us);
            Some(((EquipmentId::parse(id)?, Measure::parse(measure)?), Held { what, until_ms, until_us }))
        };
        Self(rows.iter().filter_map(read).collect())
    }

    /// Whether one holds.
    pub fn holds(&self, measure: Measure, id: &EquipmentId) -> bool {
        self.held(measure, id).is_some()
    }

    /// The one that holds.
    pub fn held(&self, measure: Measure, id: &EquipmentId) -> Option<&Held> {
        self.0.get(&(id.clone(), measure))
    }

    /// All of a piece of equipment.
    pub fn of<'a>(&'a self, id: &'a EquipmentId) -> impl Iterator<Item = (Measure, &'a Held)> {
        Measure::ALL.into_iter().filter_map(|measure| Some((measure, self.held(measure, id)?)))
    }

    /// A person says that one holds from now on. One that held is over with it: the newer word counts.
    pub fn begin(&mut self, now: &Now, measure: Measure, id: &EquipmentId, (what, for_s): (&str, u64)) -> Statement {
        let until_ms = now.judged_ms().map(|ms| ms.saturating_add(i64::try_from(for_s).unwrap_or(0) * 1_000));
        let held = Held { what: what.to_owned(), until_ms, until_us: now.mono_us.saturating_add(s(for_s)) };
        let data = json!({ "measure": measure.as_str(), "what": what, "for_s": for_s, "until_ms": until_ms });
        self.0.insert((id.clone(), measure), held);
        Statement::new(Kind::MeasureBegun, Severity::Notice, data).about(id)
    }

    /// It holds no longer. `None` where none did.
    pub fn end(&mut self, measure: Measure, id: &EquipmentId, how: Ended) -> Option<Statement> {
        let held = self.0.remove(&(id.clone(), measure))?;
        let severity = if how == Ended::Person { Severity::Notice } else { Severity::Fault };
        let data = json!({ "measure": measure.as_str(), "what": held.what, "how": how.as_str() });
        Some(Statement::new(Kind::MeasureEnded, severity, data).about(id))
    }

    /// Those that began without a trusted time, now that there is one: each is stated again with its end, so that a start
    /// does not make it longer.
    pub fn dated(&mut self, now: &Now) -> Vec<Statement> {
        let Some(judged) = now.judged_ms() else { return Vec::new() };
        let undated = self.0.iter_mut().filter(|(_, held)| held.until_ms.is_none());
        let stated = undated.map(|((id, measure), held)| {
            let left_us = held.until_us.saturating_sub(now.mono_us);
            held.until_ms = Some(judged.saturating_add(i64::try_from(left_us / 1_000).unwrap_or(0)));
            let (what, for_s) = (&held.what, left_us.div_ceil(1_000_000));
            let data = json!({ "measure": measure.as_str(), "what": what, "for_s": for_s, "until_ms": held.until_ms });
            Statement::new(Kind::MeasureBegun, Severity::Notice, data).about(id)
        });
        stated.collect()
    }

    /// Those whose time is over.
    pub fn over(&self, now: &Now) -> Vec<(EquipmentId, Measure)> {
        let by_wall = |held: &Held| now.judged_ms().zip(held.until_ms).is_some_and(|(now_ms, until)| now_ms >= until);
        let over = self.0.iter().filter(|(_, held)| now.mono_us >= held.until_us || by_wall(held));
        over.map(|(key, _)| key.clone()).collect()
    }

    /// Bypasses of which nobody can say whether they still hold.
    pub fn unknown(&self, now: &Now) -> Vec<EquipmentId> {
        let bypasses = self.0.keys().filter(|(_, measure)| *measure == Measure::Bypass && now.judged_ms().is_none());
        bypasses.map(|(id, _)| id.clone()).collect()
    }

    /// Those of equipment that is not known any more.
    pub fn removed(&self, is_known: impl Fn(&EquipmentId) -> bool) -> Vec<(EquipmentId, Measure)> {
        self.0.keys().filter(|(id, _)| !is_known(id)).cloned().collect()
    }

    /// When [`Temporaries::over`] wants to be asked.
    pub fn deadline(&self) -> Option<u64> {
        self.0.values().map(|held| held.until_us).min()
    }
}

const ROW: &str = "measure/";

/// Whether records of a kind tell of temporary measures.
pub(crate) fn tells(kind: Kind) -> bool {
    matches!(kind, Kind::MeasureBegun | Kind::MeasureEnded)
}

/// The row that a record writes, or drops where there is no body.
pub(crate) fn row(kind: Kind, equipment: &str, data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    let measure = data.get("measure").and_then(Value::as_str)?;
    let body = (kind == Kind::MeasureBegun).then(|| Value::Object(data.clone()));
    Some((format!("{ROW}{measure}/{equipment}"), body))
}

#[cfg(test)]
mod tests;
