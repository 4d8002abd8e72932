//! What people may report: each word with its form, and the act that a filled-in form becomes. The command, the socket and
//! the page read this one list.

use crate::duty::{self, Duty, DutyForm};
use crate::exercise::{self, Exercise, ExerciseForm};
use crate::fields::{Field, FieldFault, Fields};
use crate::incident::{self, Classify};
use crate::level::{self, SetLevel};
use crate::nonconformity::{Corrective, CorrectiveForm, CorrectiveStep};
use crate::seals::{UnitForm, UnitReport, UnitTask};
use crate::temporary::{self, Temporary, TemporaryForm};
use crate::wire::Act;
use crate::work::{Form, Report, Task};

/// A word that begins a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Work on equipment.
    Work(Task),
    /// A step about a nonconformity.
    Correct(CorrectiveStep),
    /// What an incident was.
    Classify,
    /// A temporary measure.
    Temporary(temporary::Step),
    /// A shift at a post.
    Duty(duty::Task),
    /// A drill and what follows it.
    Exercise(exercise::Task),
    /// The security level of the site.
    Level,
    /// A unit or its seal.
    Unit(UnitTask),
}

impl Word {
    /// Every word, by what it is about.
    pub fn groups() -> [(&'static str, Vec<Word>); 8] {
        [
            ("on a piece of equipment", Task::ALL.map(Word::Work).to_vec()),
            ("for a time, at a piece of equipment", temporary::Step::ALL.map(Word::Temporary).to_vec()),
            ("on a container or another unit, by its number", UnitTask::ALL.map(Word::Unit).to_vec()),
            ("about a nonconformity, as picket status names it", CorrectiveStep::ALL.map(Word::Correct).to_vec()),
            ("about a post, by its name", duty::Task::ALL.map(Word::Duty).to_vec()),
            (
                "about a drill that has ended, or its action DRILL/NAME",
                exercise::Task::ALL.map(Word::Exercise).to_vec(),
            ),
            ("about the site, by its name", vec![Word::Level]),
            ("about an incident, as picket status names it", vec![Word::Classify]),
        ]
    }

    fn all() -> impl Iterator<Item = Word> {
        Self::groups().into_iter().flat_map(|(_, words)| words)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work(task) => task.as_str(),
            Self::Correct(step) => step.as_str(),
            Self::Classify => incident::WORD,
            Self::Temporary(step) => step.as_str(),
            Self::Duty(task) => task.as_str(),
            Self::Exercise(task) => task.as_str(),
            Self::Level => level::WORD,
            Self::Unit(task) => task.as_str(),
        }
    }

    /// From what was written; or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FieldFault> {
        Self::all().find(|word| word.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = Self::all().map(Self::as_str).collect();
            let (field, cause) = (String::new(), format!("unknown work {text:?}"));
            FieldFault { field, cause, remedy: format!("one of {}", all.join(", ")) }
        })
    }

    /// Every field of its form; families, such as `item.`, last.
    pub fn fields(self) -> Vec<Field> {
        match self {
            Self::Work(task) => {
                let form = Form::of(task);
                form.fields().iter().chain(form.families()).copied().collect()
            }
            Self::Correct(step) => CorrectiveForm::of(step).fields(),
            Self::Classify => Classify::fields(),
            Self::Temporary(step) => TemporaryForm::of(step).fields(),
            Self::Duty(task) => DutyForm::of(task).fields(),
            Self::Level => SetLevel::fields(),
            Self::Exercise(task) => {
                let form = ExerciseForm::of(task);
                form.fields().iter().chain(form.families()).copied().collect()
            }
            Self::Unit(task) => {
                let form = UnitForm::of(task);
                form.fields().iter().chain(form.families()).copied().collect()
            }
        }
    }

    /// A form that was filled in about `subject`: the id of equipment, of a nonconformity or of an incident, the
    /// number of a unit, or the name of a post. Every fault at once.
    pub fn read(self, subject: &str, fields: &Fields) -> Result<Act, Vec<FieldFault>> {
        match self {
            Self::Work(task) => Report::read(task, subject, fields).map(Act::Work),
            Self::Correct(step) => Corrective::read(step, subject, fields).map(Act::Correct),
            Self::Classify => Classify::read(subject, fields).map(Act::Classify),
            Self::Temporary(step) => Temporary::read(step, subject, fields).map(Act::Temporary),
            Self::Exercise(task) => Exercise::read(task, subject, fields).map(Act::Exercise),
            Self::Level => SetLevel::read(subject, fields).map(Act::Level),
            Self::Duty(task) => Duty::read(task, subject, fields).map(Act::Duty),
            Self::Unit(task) => UnitReport::read(task, subject, fields).map(Act::Unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back_and_means_one_thing() {
        for word in Word::all() {
            assert_eq!(Word::parse(word.as_str()), Ok(word));
        }
        let mut words: Vec<&str> = Word::all().map(Word::as_str).collect();
        words.sort_unstable();
        assert!(words.windows(2).all(|two| two[0] != two[1]), "{words:?}");
        let unknown = Word::parse("polishing").unwrap_err().to_string();
        assert!(unknown.starts_with("unknown work \"polishing\"; one of calibration, maintenance"), "{unknown}");
    }

    #[test]
    fn every_form_asks_who_it_was() {
        for word in Word::all() {
            assert!(word.fields().iter().any(|(name, _)| *name == "by"), "{word:?}");
            let faults = word.read("X", &Fields::new()).unwrap_err();
            assert!(faults.iter().any(|fault| fault.field == "by"), "{word:?}: {faults:?}");
        }
    }
}
