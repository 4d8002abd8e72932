//! Work that comes back at a piece of equipment: how often by the plan, and when next by what was done.

use super::{Due, Interval};
use crate::work::Done;
use jiff::civil::Date;

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Compared with reference equipment.
    Calibration,
    /// Kept in order.
    Maintenance,
    /// Looked at, by a checklist.
    Inspection,
    /// Tried out: does it still do what it is there for?
    Test,
}

impl Work {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Calibration, Self::Maintenance, Self::Inspection, Self::Test];

    /// The word in fields, reasons and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::Maintenance => "maintenance",
            Self::Inspection => "inspection",
            Self::Test => "test",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|work| work.as_str() == text)
    }
}

/// The plan of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// When it was last done, as the plan says; `None` = not known.
    pub last: Option<Date>,
    /// How often.
    pub interval: Option<Interval>,
    /// A stated end of validity, which wins over `last` + `interval`.
    pub stated: Option<Due>,
    /// Certificate or report number.
    pub certificate: String,
    /// How it is done: procedure or checklist.
    pub method: String,
    /// Ids of the reference equipment.
    pub reference: String,
    /// What is done where it is overdue or failed.
    pub action: String,
}

impl Scheme {
    /// What was done, unless the plan knows of later work: an older result never goes before a newer date.
    fn newest<'a>(&self, done: Option<&'a Done>) -> Option<&'a Done> {
        done.filter(|done| self.last.is_none_or(|last| done.on >= last))
    }

    /// When it falls due, if that can be known.
    pub fn due(&self, done: Option<&Done>) -> Option<Due> {
        let Some(done) = self.newest(done) else {
            return self.stated.or_else(|| Some(Due::end_of(self.interval?.after(self.last?)?)));
        };
        let by_interval = || Some(Due::end_of(self.interval?.after(done.on)?));
        // What the plan states as the end holds beside work that says nothing of its own.
        done.until.map(Due::end_of).or_else(by_interval).or(self.stated)
    }

    /// Days before the end from which it is due: as the settings say, and a quarter of the interval at most, or what comes
    /// back each month would always be due.
    pub fn ahead_days(&self, settings: u16) -> u16 {
        self.interval.map_or(settings, |interval| settings.min(interval.least_days() / 4))
    }

    /// Whether it was done last with a bad end.
    pub fn failed(&self, done: Option<&Done>) -> bool {
        self.newest(done).is_some_and(|done| !done.good)
    }

    /// Certificate or report of the last time.
    pub fn certificate<'a>(&'a self, done: Option<&'a Done>) -> &'a str {
        self.newest(done).map_or(self.certificate.as_str(), |done| &done.certificate)
    }
}
