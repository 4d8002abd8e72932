//! `picket work` at the agent's side: reports of work on equipment, answers to nonconformities, classes of incidents.

use super::{Answering, recorded};
use picket_core::fields::{FieldFault, Fields};
use picket_core::incident::{self, Classify};
use picket_core::nonconformity::{Corrective, CorrectiveStep};
use picket_core::wire::Act;
use picket_core::work::{Report, Task};
use serde::{Deserialize, Serialize};

/// What was done, as it is reported; see [`Report::read`] and [`Corrective::read`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Kind of work, such as `calibration`, or a step, such as `contain`.
    pub task: String,
    /// Id of the equipment, of the nonconformity or of the incident.
    pub subject: String,
    /// What there is to say.
    pub fields: Fields,
}

/// Whoever did it is never printed.
impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Done").field("task", &self.task).field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl Done {
    /// As it is read; else every fault.
    pub fn act(&self) -> Result<Act, Vec<FieldFault>> {
        let Self { task, subject, fields } = self;
        match (Task::parse(task), CorrectiveStep::parse(task)) {
            _ if task == incident::WORD => Classify::read(subject, fields).map(Act::Classify),
            (Some(task), _) => Report::read(task, subject, fields).map(Act::Work),
            (None, Some(step)) => Corrective::read(step, subject, fields).map(Act::Correct),
            (None, None) => Err(vec![unknown(task)]),
        }
    }
}

/// A word that is none of them.
pub fn unknown(task: &str) -> FieldFault {
    let tasks = Task::ALL.iter().map(|task| task.as_str());
    let steps = CorrectiveStep::ALL.iter().map(|step| step.as_str());
    let all: Vec<&str> = tasks.chain(steps).chain([incident::WORD]).collect();
    let (field, cause) = (String::new(), format!("unknown work {task:?}"));
    FieldFault { field, cause, remedy: format!("one of {}", all.join(", ")) }
}

/// The number of the record that states it.
pub(super) async fn work(done: &Done, answering: &Answering) -> Result<u64, String> {
    let act = done.act().map_err(|faults| {
        let told: Vec<String> = faults.iter().map(FieldFault::to_string).collect();
        told.join("; ")
    })?;
    recorded(act, &answering.errands).await
}
