//! Reports from verified records (ISO 28000 9.1, 9.2.2 d, 9.3.2): a fold over records, oldest first, into figures with the
//! numbers of the records behind them. Whether a record is to be believed was decided before it comes here. Memory is
//! bounded whatever the records are: what finds no room is counted, and the report says so.

pub mod answered;
pub mod availability;
pub mod clauses;
mod course;
pub mod deployment;
pub mod evidence;
pub mod happened;
pub mod kpi;
pub mod matters;
mod page;
mod paper;
pub mod tally;
#[cfg(test)]
mod tests;

pub use course::{Covered, Period};
pub use page::html;

use crate::register::Register;
use crate::wire::Past;
use course::Course;
use serde::Serialize;

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Key figures.
    Kpi,
    /// The register against what is there.
    Deployment,
    /// Records and stories, by clause; of one clause, or all.
    Evidence(Option<&'a str>),
}

/// Whose records they are, and what they rest on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Source {
    /// The site.
    pub site: String,
    /// The gateway.
    pub gateway: String,
    /// The central system that accepted it.
    pub centre: String,
    /// Public identity key of the gateway, base64url.
    pub identity: String,
    /// What the verification rests on: `root`, `identity`, or `bundle` (itself alone).
    pub trust: String,
    /// The same in a sentence.
    pub rests_on: String,
    /// Who had it exported, and what for, as the signed record of the export says.
    pub exported: String,
    /// Number of that record.
    pub manifest: u64,
    /// Records that were verified.
    pub records: u64,
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// Receipts of the central system that agree with them.
    pub receipts: u64,
    /// Lines that are no good record and were declared as lost: nothing of them is counted.
    pub refused: u64,
    /// Losses that the records themselves declare.
    pub losses: u64,
    /// The first of them, in words.
    pub listed_losses: Vec<String>,
    /// Days that only a summary is left of: not counted here.
    pub days_summed_up: u64,
    /// Branches that were left: not counted here.
    pub branches: u64,
}

/// A report, as JSON has it and as its page shows it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of this form.
    pub v: u8,
    /// `kpi`, `deployment` or `evidence`.
    pub report: &'static str,
    /// What it rests on.
    pub source: Source,
    /// What the period holds.
    pub period: Covered,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What a report says, under its own name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// Key figures.
    Kpi(Box<kpi::Kpi>),
    /// The register against what is there.
    Deployment(Box<deployment::Deployment>),
    /// Records and stories, by clause.
    Evidence(evidence::Evidence),
}

/// A report that is being made.
#[derive(Debug)]
pub struct Folding<'a> {
    course: Course,
    register: Option<&'a Register>,
    fold: Fold,
}

#[derive(Debug)]
enum Fold {
    Kpi(Box<kpi::Figures>),
    Deployment(deployment::Deployed),
    Evidence(evidence::Pack),
}

impl<'a> Folding<'a> {
    /// Begins one.
    pub fn new(wanted: Wanted<'_>, period: Period, register: Option<&'a Register>) -> Self {
        let fold = match wanted {
            Wanted::Kpi => Fold::Kpi(Box::default()),
            Wanted::Deployment => Fold::Deployment(deployment::Deployed::default()),
            Wanted::Evidence(clause) => Fold::Evidence(evidence::Pack::new(clause)),
        };
        Self { course: Course::new(period), register, fold }
    }

    /// The next record, by number. What is of a time before the period says how things stood when it began.
    pub fn take(&mut self, record: &Past) {
        let moment = self.course.take(record);
        if moment.is_behind {
            return;
        }
        match &mut self.fold {
            Fold::Kpi(figures) => figures.take(&moment),
            Fold::Deployment(deployed) => deployed.take(&moment),
            Fold::Evidence(pack) => pack.take(&moment),
        }
    }

    /// What it came to.
    pub fn finish(self, source: Source) -> Report {
        let (report, body) = match self.fold {
            Fold::Kpi(figures) => {
                let span_ms = self.course.span_ms();
                ("kpi", Body::Kpi(Box::new(figures.finish(&self.course, span_ms, self.register))))
            }
            Fold::Deployment(deployed) => ("deployment", Body::Deployment(Box::new(deployed.finish(self.register)))),
            Fold::Evidence(pack) => ("evidence", Body::Evidence(pack.finish())),
        };
        Report { v: 1, report, source, period: self.course.finish(), body }
    }
}
