//! Standing of all equipment, kept: judged when the register, an identity or a due date changes, not per reading.

use crate::nonconformity::Nonconformities;
use crate::register::{
    ASSURANCE_DATE_UNKNOWN, ASSURANCE_EXPIRED, ASSURANCE_MISSING, COMMISSIONING_FAILED, UNTRACEABLE,
};
use crate::register::{Due, Equipment, EquipmentId, Register, Standing, Verdict, Work};
use crate::statement::{Facts, Statement};
use crate::time::{Now, s};
use crate::wire::StateRow;
use crate::work::{Report, Results};
use jiff::civil::Date;
use picket_device::profile::Identity;
use picket_record::kind::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

mod unlisted;

pub use unlisted::HeardUnlisted;
use unlisted::Unlisted;

/// Statements of one re-check: a register that opens something for each of ten thousand rows leaves room for alarms.
const AT_ONCE: usize = 256;
/// Judged again at least so often: a wall clock may be set at any time.
const RECHECK_US: u64 = s(60);

/// The book of standings.
#[derive(Debug)]
pub struct Standings {
    register: Register,
    results: Results,
    ahead_days: u16,
    verdicts: BTreeMap<EquipmentId, Verdict>,
    mismatched: BTreeMap<EquipmentId, Vec<(&'static str, String, String)>>,
    unlisted: Unlisted,
    /// Wall time when it was trusted last, which judges when the clock cannot.
    floor_ms: Option<i64>,
    next_us: u64,
    /// The nonconformities of the start were settled.
    settled: bool,
}

impl Standings {
    /// A book for a register; `rows` are the journal's, for the last trusted time, what was done, and what was unlisted or
    /// mismatched.
    pub fn new(register: Register, ahead_days: u16, rows: &[StateRow]) -> Self {
        let floor = rows.iter().find(|row| row.key == "floor").and_then(|row| row.body.parse().ok());
        let unlisted = Unlisted::recover(rows, |id| register.get(id).is_some());
        let book = Self {
            register,
            results: Results::recover(rows),
            ahead_days,
            verdicts: BTreeMap::new(),
            mismatched: BTreeMap::new(),
            unlisted,
            floor_ms: floor,
            next_us: 0,
            settled: false,
        };
        book.recover_mismatches(rows).judged_unset()
    }

    /// What devices reported before the start, compared with the rows of now.
    fn recover_mismatches(mut self, rows: &[StateRow]) -> Self {
        for row in rows {
            let id = row.key.strip_prefix("nonconformity/identity-mismatch/").and_then(EquipmentId::parse);
            let body = serde_json::from_str::<Value>(&row.body).ok();
            // It was told rightly since, and waits to be verified.
            let body = body.filter(|body| body.get("ended").is_none());
            let (Some(id), Some(facts)) = (id, body.as_ref().and_then(|body| body.get("facts"))) else { continue };
            let told = |field: &str| facts.get(format!("{field}_reported"))?.as_str().map(str::to_owned);
            let told = Identity {
                make: told("make"),
                model: told("model"),
                serial: told("serial"),
                firmware: told("firmware"),
            };
            self.compare(&id, &told);
        }
        self
    }

    /// Before the first look at a clock everything is judged by the last trusted time.
    fn judged_unset(mut self) -> Self {
        let ids: Vec<EquipmentId> = self.ids();
        for id in ids {
            let verdict = self.judge(&id, self.floor_ms);
            self.verdicts.insert(id, verdict);
        }
        self
    }

    /// Takes one piece of equipment for good, whatever the register says.
    pub fn vouched_for(mut self, id: EquipmentId) -> Self {
        self.verdicts.insert(id, Verdict::good());
        self
    }

    /// Another register is in force. [`Standings::recheck`] tells what follows.
    pub fn replace(&mut self, register: Register) {
        self.register = register;
        let (register, unlisted) = (&self.register, &self.unlisted);
        let is_known = |id: &EquipmentId| register.get(id).is_some() || unlisted.contains(id);
        self.mismatched.retain(|id, _| is_known(id));
        self.verdicts.retain(|id, verdict| is_known(id) || *verdict == Verdict::good());
        // What is new is judged by the last trusted time until the re-check has come to it.
        let fresh = self.ids().into_iter().filter(|id| !self.verdicts.contains_key(id));
        let fresh: Vec<_> = fresh.map(|id| (id.clone(), self.judge(&id, self.floor_ms))).collect();
        self.verdicts.extend(fresh);
        self.settled = false;
        self.next_us = 0;
    }

    /// The register in force.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Wall time when it was trusted last.
    pub fn floor_ms(&self) -> Option<i64> {
        self.floor_ms
    }

    /// Verdict on a piece of equipment, as last judged.
    pub fn verdict(&self, id: &EquipmentId) -> Verdict {
        self.verdicts.get(id).cloned().unwrap_or_else(Verdict::unlisted)
    }

    /// Its standing alone.
    pub fn standing(&self, id: &EquipmentId) -> Standing {
        self.verdicts.get(id).map_or(Standing::Unlisted, |verdict| verdict.standing)
    }

    /// What was heard without a row.
    pub fn unlisted(&self) -> impl Iterator<Item = &EquipmentId> {
        self.unlisted.ids()
    }

    /// When [`Standings::recheck`] wants to be called.
    pub fn deadline(&self) -> u64 {
        self.next_us
    }

    /// There is no room for what a re-check may say: again in a second.
    pub fn postpone(&mut self, now: &Now) {
        self.next_us = now.mono_us + s(1);
    }

    /// Judges everything again; statements for nonconformities that open or close by it.
    pub fn recheck(&mut self, now: &Now, book: &mut Nonconformities) -> Vec<Statement> {
        self.floor_ms = now.judged_ms().or(self.floor_ms);
        let judged = self.floor_ms;
        let mut statements = Vec::new();
        for id in self.ids() {
            if statements.len() >= AT_ONCE {
                // The rest is judged at once, behind what came in between.
                self.next_us = now.mono_us;
                return statements;
            }
            let verdict = self.judge(&id, judged);
            if self.verdicts.get(&id) != Some(&verdict) || !self.settled {
                statements.extend(self.settle(now, &id, &verdict, book));
                self.verdicts.insert(id, verdict);
            }
        }
        if !self.settled {
            self.unlisted.started(now);
            statements.extend(self.close_removed(book));
        }
        self.settled = true;
        self.next_us = now.mono_us + self.until_next_due(judged);
        statements
    }

    /// A row that is gone takes with it what followed from its dates and its identity.
    fn close_removed(&self, book: &mut Nonconformities) -> Vec<Statement> {
        let gone = |id: &EquipmentId| self.register.get(id).is_none() && !self.unlisted.contains(id);
        let of_rows = book.iter().filter(|nc| gone(&nc.equipment) && FROM_STANDING.contains(&nc.reason.as_str()));
        let removed: Vec<_> = of_rows.map(|nc| (nc.reason.clone(), nc.equipment.clone())).collect();
        removed.into_iter().filter_map(|(reason, id)| book.removed(&reason, &id)).collect()
    }

    /// A device that the settings name answers, but its row is missing.
    pub fn seen(&mut self, now: &Now, id: &EquipmentId, book: &mut Nonconformities) -> Option<Statement> {
        if self.register.get(id).is_some() || !self.unlisted.hear(now, id) {
            return None;
        }
        self.verdicts.insert(id.clone(), Verdict::unlisted());
        book.open(
            now,
            &self.register,
            "unlisted",
            id,
            Facts::from([("sender".to_owned(), "named in the settings".to_owned())]),
        )
    }

    /// The record that states work on a piece of equipment, or why it cannot be taken.
    pub(crate) fn stated(&self, now: &Now, report: &Report) -> Result<Statement, String> {
        let on = report.day(&self.register, &self.results, (now.judged_ms(), self.floor_ms))?;
        let today = now.judged_ms().and_then(crate::work::day_of);
        Ok(report.statement(on, self.results.is_late(report.task(), report.equipment(), on, today)))
    }

    /// The day of the last calibration before one that is known to have left it within its tolerance.
    pub(crate) fn last_good(&self, id: &EquipmentId, before: Option<Date>) -> Option<Date> {
        let done = self.results.done(id, Work::Calibration).filter(|done| done.good).map(|done| done.on);
        let scheme = self.register.get(id).and_then(|row| row.scheme(Work::Calibration));
        let planned = scheme.and_then(|scheme| scheme.last);
        let is_before = |day: &Date| before.is_none_or(|before| *day <= before);
        done.filter(is_before).max(planned.filter(is_before))
    }

    /// A record states it. What follows for the standing says [`Standings::judged_again`].
    pub(crate) fn done(&mut self, id: &EquipmentId, kind: Kind, data: &Map<String, Value>) {
        self.results.stated(kind, id.as_str(), data);
    }

    /// Statements for what opens or closes now that something about a piece of equipment has changed.
    pub(crate) fn judged_again(&mut self, now: &Now, id: &EquipmentId, book: &mut Nonconformities) -> Vec<Statement> {
        let verdict = self.judge(id, now.judged_ms().or(self.floor_ms));
        let statements = self.settle(now, id, &verdict, book);
        self.verdicts.insert(id.clone(), verdict);
        // A due date may have moved nearer.
        self.next_us = now.mono_us;
        statements
    }

    /// The device said who it is: compared with its row, field by field. Case and blanks do not count.
    pub fn identified(
        &mut self,
        now: &Now,
        id: &EquipmentId,
        told: &Identity,
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        if self.register.get(id).is_none() {
            return Vec::new();
        }
        self.compare(id, told);
        self.judged_again(now, id, book)
    }

    /// Keeps what differs. A field that was not told this time stands as it was told last.
    fn compare(&mut self, id: &EquipmentId, told: &Identity) {
        let Some(row) = self.register.get(id) else { return };
        let before = self.mismatched.remove(id).unwrap_or_default();
        let last = |field: &str| before.iter().find(|(known, _, _)| *known == field).map(|(_, _, told)| told.clone());
        let pairs = [
            ("make", &row.make, &told.make),
            ("model", &row.model, &told.model),
            ("serial", &row.serial, &told.serial),
            ("firmware", &row.firmware, &told.firmware),
        ];
        let differing: Vec<(&'static str, String, String)> = pairs
            .into_iter()
            .filter_map(|(field, listed, told)| Some((field, listed, told.clone().or_else(|| last(field))?)))
            .filter(|(_, listed, told)| !listed.is_empty() && plain(listed) != plain(told))
            .map(|(field, listed, told)| (field, listed.clone(), told))
            .collect();
        if !differing.is_empty() {
            self.mismatched.insert(id.clone(), differing);
        }
    }

    fn ids(&self) -> Vec<EquipmentId> {
        self.register.iter().map(|row| row.id.clone()).chain(self.unlisted.ids().cloned()).collect()
    }

    fn judge(&self, id: &EquipmentId, judged_ms: Option<i64>) -> Verdict {
        let fields: Vec<&'static str> =
            self.mismatched.get(id).into_iter().flatten().map(|(field, _, _)| *field).collect();
        self.register.verdict(id, (judged_ms, self.ahead_days), &self.results, &fields)
    }

    /// Opens and closes the nonconformities that follow from a verdict.
    fn settle(&self, now: &Now, id: &EquipmentId, verdict: &Verdict, book: &mut Nonconformities) -> Vec<Statement> {
        let mut wanted: BTreeMap<String, Facts> = BTreeMap::new();
        for (standing, why) in &verdict.reasons {
            match standing {
                Standing::Overdue => {
                    wanted.insert(why.replace(' ', "-"), self.facts_of(id, why));
                }
                // A clock that was never set says nothing about the equipment.
                Standing::Unknown if !why.contains("clock") => {
                    let facts = self.facts_of(id, why);
                    wanted.insert(why.replace(' ', "-"), facts);
                }
                Standing::Mismatched => {
                    let facts = wanted.entry("identity-mismatch".into()).or_default();
                    for (field, listed, told) in self.mismatched.get(id).into_iter().flatten() {
                        facts.insert(format!("{field}_listed"), listed.clone());
                        facts.insert(format!("{field}_reported"), told.clone());
                    }
                }
                Standing::Unlisted | Standing::Unknown | Standing::Withdrawn | Standing::Due | Standing::Good => {}
            }
        }
        if verdict.standing == Standing::Unlisted {
            wanted.insert("unlisted".into(), Facts::new());
        }
        for reason in &verdict.beside {
            let row = self.register.get(id).filter(|_| reason.starts_with("assurance"));
            let owner = row.map(|row| ("owner".to_owned(), row.owner.clone()));
            wanted.insert((*reason).to_owned(), owner.into_iter().collect());
        }
        let mut statements = Vec::new();
        for reason in FROM_STANDING.iter().filter(|reason| !wanted.contains_key(**reason)) {
            statements.extend(book.close(now, reason, id));
        }
        for (reason, facts) in wanted {
            let overdue = reason.ends_with("-overdue") || reason == ASSURANCE_EXPIRED;
            let mut opened = book.open(now, &self.register, &reason, id, facts);
            if let (Some(statement), Some(judged), true) = (&mut opened, now.judged_ms(), overdue) {
                statement.data.insert("judged_ms".into(), judged.into());
            }
            statements.extend(opened);
        }
        statements
    }

    /// The scheme behind a reason such as `calibration overdue`: its due date, and what the plan says is to be done.
    fn facts_of(&self, id: &EquipmentId, why: &str) -> Facts {
        if why == COMMISSIONING_FAILED {
            let on = self.results.commissioned(id).map(|done| ("on".to_owned(), done.on.to_string()));
            return on.into_iter().collect();
        }
        let mut schemes = self.register.get(id).into_iter().flat_map(Equipment::schemes);
        let Some((work, scheme)) = schemes.find(|(work, _)| why.starts_with(work.as_str())) else {
            return Facts::new();
        };
        let done = self.results.done(id, work);
        let due = scheme.due(done).map(|due| due.date().to_string());
        let on = done.filter(|_| scheme.failed(done)).map(|done| done.on.to_string());
        let action = Some(scheme.action.clone()).filter(|action| !action.is_empty());
        let facts = [("due", due), ("on", on), ("action", action)];
        facts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect()
    }

    /// Microseconds until a due date or a due-soon date passes, at most [`RECHECK_US`].
    fn until_next_due(&self, judged_ms: Option<i64>) -> u64 {
        let Some(now_ms) = judged_ms else { return RECHECK_US };
        let moments = self.register.iter().flat_map(|row| {
            let schemes = row.schemes().filter_map(|(work, scheme)| {
                let due = scheme.due(self.results.done(&row.id, work))?.at_ms();
                Some([due, due - i64::from(scheme.ahead_days(self.ahead_days)) * 86_400_000])
            });
            schemes.flatten().chain(row.assurance.until.map(Due::at_ms))
        });
        let soonest = moments.filter(|at| *at > now_ms).map(|at| (at - now_ms).unsigned_abs() * 1_000).min();
        soonest.map_or(RECHECK_US, |wait| wait.min(RECHECK_US))
    }
}

/// The reasons that follow from standing, and are closed with it.
const FROM_STANDING: &[&str] = &[
    "calibration-overdue",
    "calibration-failed",
    "calibration-date-unknown",
    "maintenance-overdue",
    "maintenance-failed",
    "maintenance-date-unknown",
    "inspection-overdue",
    "inspection-failed",
    "inspection-date-unknown",
    "test-overdue",
    "test-failed",
    "test-date-unknown",
    "not-commissioned",
    "commissioning-failed",
    "identity-mismatch",
    "unlisted",
    UNTRACEABLE,
    ASSURANCE_MISSING,
    ASSURANCE_DATE_UNKNOWN,
    ASSURANCE_EXPIRED,
];

/// Case, blanks and the marks between groups of digits do not count.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | ':')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
