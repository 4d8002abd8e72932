//! Key figures for a management review (ISO 28000 9.1, 9.3.2).

use super::answered::{Answered, Answering, MONTHS_MAX};
use super::availability::{Availability, Hearing};
use super::course::{Course, Moment};
use super::happened::{Happening, Incidents, is_exercise};
use super::matters::{Matters, Nonconformities};
use super::tally::{Spread, Tally};
use crate::register::{Register, Work};
use picket_record::kind::Kind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most pieces of equipment whose being heard of is remembered.
const NAMED_MAX: usize = 24_000;

/// The fold.
#[derive(Debug, Default)]
pub(super) struct Figures {
    hearing: Hearing,
    answering: Answering,
    drilled: Answering,
    happening: Happening,
    played: Happening,
    matters: Matters,
    named: BTreeSet<String>,
    drills: u64,
}

/// What it comes to.
#[derive(Debug, Serialize)]
pub struct Kpi {
    /// Share of the watched time in which equipment was heard.
    pub availability: Availability,
    /// From alarms to guards.
    pub answered: Answered,
    /// What happened.
    pub incidents: Incidents,
    /// What did not conform.
    pub nonconformities: Nonconformities,
    /// Scheduled work, by kind of work; none where no register was given.
    pub coverage: Vec<Coverage>,
    /// Month by month.
    pub months: BTreeMap<String, Month>,
    /// Drills: in no other figure.
    pub exercises: Exercises,
}

/// How much of the equipment that needs some work has it, at the end.
#[derive(Debug, Serialize)]
pub struct Coverage {
    /// `calibration`, `maintenance`, `inspection` or `test`.
    pub work: &'static str,
    /// Equipment whose row of the register has a scheme for it.
    pub needs: u64,
    /// Nothing is open about it, and records speak of it.
    pub covered: u64,
    /// Thousandths of those that need it, rounded down.
    pub covered_permille: Option<u64>,
    /// An open nonconformity says that it is overdue.
    pub overdue: u64,
    /// That it failed.
    pub failed: u64,
    /// That nobody knows when it was done.
    pub date_unknown: u64,
    /// No record speaks of the equipment: nothing is known.
    pub not_known: u64,
}

/// One month.
#[derive(Debug, Default, Serialize)]
pub struct Month {
    /// Incidents that began.
    pub incidents: u64,
    /// False alarms among them.
    pub false_alarms: u64,
    /// Nonconformities opened.
    pub opened: u64,
    /// Nonconformities closed.
    pub closed: u64,
    /// From alarms to guards.
    pub took: Spread,
}

/// What drills came to.
#[derive(Debug, Serialize)]
pub struct Exercises {
    /// Drills that began.
    pub started: u64,
    /// From their alarms to guards.
    pub answered: Answered,
    /// Their incidents.
    pub incidents: Incidents,
}

impl Figures {
    pub(super) fn take(&mut self, moment: &Moment<'_>) {
        self.hearing.take(moment);
        self.answering.take(moment, moment.is_live());
        self.drilled.take(moment, !moment.is_live());
        self.matters.take(moment);
        (if is_exercise(moment) { &mut self.played } else { &mut self.happening }).take(moment);
        self.drills += u64::from(moment.record.kind == Kind::ExerciseStarted && moment.within);
        if let Some(id) = moment.record.equipment.as_ref().filter(|_| self.named.len() < NAMED_MAX) {
            if !self.named.contains(id) {
                self.named.insert(id.clone());
            }
        }
    }

    pub(super) fn finish(self, course: &Course, span_ms: u64, register: Option<&Register>) -> Kpi {
        let coverage = register.map(|register| self.coverage(register)).unwrap_or_default();
        let (opened, closed) = self.matters.months();
        let (answered, took) = self.answering.finish();
        let incidents = self.happening.finish(span_ms);
        Kpi {
            availability: self.hearing.finish(course.watched_ms()),
            months: months(&incidents, &opened, &closed, took),
            answered,
            incidents,
            nonconformities: self.matters.finish(course.end_ms()),
            coverage,
            exercises: Exercises {
                started: self.drills,
                answered: self.drilled.finish().0,
                incidents: self.played.finish(span_ms),
            },
        }
    }

    fn coverage(&self, register: &Register) -> Vec<Coverage> {
        let each = Work::ALL.map(|work| {
            let [overdue, failed, date_unknown] = ["overdue", "failed", "date-unknown"]
                .map(|what| self.matters.open_of(&format!("{}-{what}", work.as_str())).collect::<BTreeSet<&str>>());
            let needs = register.iter().filter(|row| row.scheme(work).is_some()).map(|row| row.id.as_str());
            let mut of = Coverage {
                work: work.as_str(),
                needs: 0,
                covered: 0,
                covered_permille: None,
                overdue: 0,
                failed: 0,
                date_unknown: 0,
                not_known: 0,
            };
            for id in needs {
                of.needs += 1;
                *(match id {
                    id if failed.contains(id) => &mut of.failed,
                    id if overdue.contains(id) => &mut of.overdue,
                    id if date_unknown.contains(id) => &mut of.date_unknown,
                    id if !self.named.contains(id) => &mut of.not_known,
                    _ => &mut of.covered,
                }) += 1;
            }
            of.covered_permille = super::course::permille(of.covered, of.needs);
            of
        });
        each.into_iter().filter(|of| of.needs > 0).collect()
    }
}

fn months(
    incidents: &Incidents,
    opened: &Tally,
    closed: &Tally,
    took: BTreeMap<String, Spread>,
) -> BTreeMap<String, Month> {
    let mut months: BTreeMap<String, Month> = BTreeMap::new();
    let tallies = [&incidents.months, opened, closed].into_iter().flat_map(|tally| tally.words.keys());
    for month in tallies.chain(took.keys()).collect::<BTreeSet<_>>().into_iter().take(MONTHS_MAX) {
        let told = Month {
            incidents: incidents.months.of(month),
            false_alarms: incidents.false_alarms_by_month.of(month),
            opened: opened.of(month),
            closed: closed.of(month),
            took: took.get(month).cloned().unwrap_or_default(),
        };
        months.insert(month.clone(), told);
    }
    months
}
