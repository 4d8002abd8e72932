//! What people do, as it enters the site.

use crate::duty::Duty;
use crate::erasure::Erasure;
use crate::exercise::Exercise;
use crate::incident::Classify;
use crate::level::SetLevel;
use crate::nonconformity::Corrective;
use crate::register::imported::Imported;
use crate::seals::UnitReport;
use crate::temporary::Temporary;
use crate::work::Report;

/// What a person did.
#[derive(Clone, PartialEq, Eq)]
pub enum Act {
    /// "I have seen it and deal with it."
    Acknowledge {
        /// Id of the alarm.
        alarm: String,
        /// What the guard saw of it: an act on an older occurrence does nothing.
        saw: Occurrence,
        /// Name the guard gave, 1..=64 characters.
        by: String,
        /// What the guard adds, at most 500 characters.
        note: String,
        /// Address of the terminal.
        terminal: String,
    },
    /// Personal data beside records are erased, on somebody's authority.
    Erase(Erasure),
    /// Work was done on equipment.
    Work(Report),
    /// A nonconformity was answered.
    Correct(Corrective),
    /// Somebody said what an incident was.
    Classify(Classify),
    /// A temporary measure begins or ends.
    Temporary(Temporary),
    /// A shift was planned, begun or ended.
    Duty(Duty),
    /// A drill was reviewed, or what its review agreed was done.
    Exercise(Exercise),
    /// The security level of the site was set.
    Level(SetLevel),
    /// Something was done to a unit or its seal.
    Unit(UnitReport),
    /// A register was put in place.
    Import(Imported),
}

/// Whoever acted is never printed.
impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acknowledge { alarm, saw, .. } => {
                f.debug_struct("Acknowledge").field("alarm", alarm).field("saw", saw).finish_non_exhaustive()
            }
            Self::Erase(erasure) => f.debug_tuple("Erase").field(erasure).finish(),
            Self::Work(report) => f.debug_tuple("Work").field(report).finish(),
            Self::Correct(act) => f.debug_tuple("Correct").field(act).finish(),
            Self::Classify(act) => f.debug_tuple("Classify").field(act).finish(),
            Self::Level(act) => f.debug_tuple("Level").field(act).finish(),
            Self::Exercise(act) => f.debug_tuple("Exercise").field(act).finish(),
            Self::Duty(act) => f.debug_tuple("Duty").field(act).finish(),
            Self::Temporary(act) => f.debug_tuple("Temporary").field(act).finish(),
            Self::Unit(report) => f.debug_tuple("Unit").field(report).finish(),
            Self::Import(import) => f.debug_tuple("Import").field(import).finish(),
        }
    }
}

/// One occurrence of an alarm, as a status shows it: another one after it rang again, or was closed and opened anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// When the alarm was first raised, milliseconds since 1970 UTC; `None` where the clock was never set.
    pub since_ms: Option<i64>,
    /// How often it came while open, from 1.
    pub times: u32,
}
