//! Incidents by place, activity, agency, day and time, type and degree, and causes, with frequency and severity rates
//! (ISO 28004-1, 4.5.3). Times are UTC.

use super::course::{Moment, hour, month, per_month_tenths, permille, weekday};
use super::tally::Tally;
use picket_record::kind::Kind;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most incidents that are told apart; the agent itself waits for 256.
const INCIDENTS_MAX: usize = 50_000;
/// Longest word of a person that is counted under, in bytes.
const WORD_BYTES: usize = 100;

/// What stands in an incident that nobody has said something of.
const NOT_SAID: &str = "not said";

/// An incident as its last record has it.
#[derive(Debug, Clone)]
struct Incident {
    at_ms: Option<i64>,
    within: bool,
    severity: u64,
    /// Each of [`BY`].
    words: [String; 7],
    class: Option<String>,
}

/// Fields that incidents are counted by.
const BY: [&str; 7] = ["type", "zone", "activity", "agency", "degree", "cause", "class"];

/// The fold, of real incidents or of those of drills.
#[derive(Debug, Default)]
pub(super) struct Happening {
    by_id: BTreeMap<String, Incident>,
    beyond: u64,
}

/// What it comes to: incidents that began in the period.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Incidents {
    /// How many.
    pub n: u64,
    /// In 30 days, in tenths; `None` for a period under a day.
    pub per_30_days_tenths: Option<u64>,
    /// Nobody has said what they were.
    pub unclassified: u64,
    /// False alarms among those that somebody classified, in thousandths.
    pub false_alarms_permille: Option<u64>,
    /// By severity, 0 to 4, each with its rate in 30 days in tenths.
    pub severities: BTreeMap<u64, (u64, Option<u64>)>,
    /// By each field of the standard: its name, then how often each word came.
    pub by: BTreeMap<&'static str, Tally>,
    /// By day of the week.
    pub weekdays: Tally,
    /// By hour of the day.
    pub hours: Tally,
    /// By month.
    pub months: Tally,
    /// False alarms by month.
    pub false_alarms_by_month: Tally,
    /// Found no room.
    pub beyond: u64,
}

impl Happening {
    pub(super) fn take(&mut self, moment: &Moment<'_>) {
        let record = moment.record;
        if !record.kind.as_str().starts_with("incident.") {
            return;
        }
        let id = moment.text("incident");
        let known = self.by_id.get(id);
        if known.is_none() && self.by_id.len() == INCIDENTS_MAX {
            self.beyond += 1;
            return;
        }
        // What began before the period, or before the first record here, is none of its incidents.
        let (at_ms, within) = match known {
            Some(known) => (known.at_ms, known.within),
            None => (moment.at_ms, moment.within && record.kind == Kind::IncidentOpened),
        };
        let class = moment.text("class");
        let incident = Incident {
            at_ms,
            within,
            severity: moment.number("severity").and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            words: BY.map(|field| word(moment.text(field))),
            class: (!class.is_empty()).then(|| class.to_owned()),
        };
        self.by_id.insert(id.to_owned(), incident);
    }

    pub(super) fn finish(self, span_ms: u64) -> Incidents {
        let mut sum = Incidents { beyond: self.beyond, ..Incidents::default() };
        sum.by = BY.iter().map(|field| (*field, Tally::default())).collect();
        let (mut classified, mut wrong) = (0, 0);
        for incident in self.by_id.into_values().filter(|incident| incident.within) {
            sum.n += 1;
            sum.severities.entry(incident.severity).or_default().0 += 1;
            for (field, word) in BY.iter().zip(&incident.words) {
                sum.by.entry(field).or_default().count(word);
            }
            let is_wrong = incident.class.as_deref() == Some("false-alarm");
            classified += u64::from(incident.class.is_some());
            wrong += u64::from(is_wrong);
            let Some(at) = incident.at_ms else { continue };
            weekday(at).iter().for_each(|day| sum.weekdays.count(day));
            hour(at).iter().for_each(|hour| sum.hours.count(hour));
            if let Some(month) = month(at) {
                sum.months.count(&month);
                if is_wrong {
                    sum.false_alarms_by_month.count(&month);
                }
            }
        }
        sum.unclassified = sum.n - classified;
        sum.false_alarms_permille = permille(wrong, classified);
        sum.per_30_days_tenths = per_month_tenths(sum.n, span_ms);
        sum.severities.values_mut().for_each(|(n, rate)| *rate = per_month_tenths(*n, span_ms));
        sum
    }
}

/// Whether an incident belongs to a drill: it says so itself, in whatever mode a later record about it is written.
pub(super) fn is_exercise(moment: &Moment<'_>) -> bool {
    moment.record.data.get("exercise").is_some_and(Value::is_string)
}

fn word(text: &str) -> String {
    match text {
        "" => NOT_SAID.to_owned(),
        text if text.len() <= WORD_BYTES => text.to_owned(),
        text => text.chars().take(WORD_BYTES / 4).chain(['…']).collect(),
    }
}
