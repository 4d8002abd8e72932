//! `picket work` at the agent's side.

use super::{Answering, recorded};
use picket_core::fields::{FieldFault, Fields};
use picket_core::wire::Act;
use picket_core::work::{Report, Task};
use serde::{Deserialize, Serialize};

/// Work that was done, as it is reported; see [`Report::read`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Kind of work, such as `calibration`.
    pub task: String,
    /// Id of the equipment.
    pub equipment: String,
    /// What there is to say.
    pub fields: Fields,
}

impl Done {
    /// As it is read; else every fault.
    pub fn report(&self) -> Result<Report, Vec<FieldFault>> {
        let Some(task) = Task::parse(&self.task) else {
            let all: Vec<&str> = Task::ALL.iter().map(|task| task.as_str()).collect();
            let (field, cause) = ("task".to_owned(), format!("unknown work {:?}", self.task));
            return Err(vec![FieldFault { field, cause, remedy: format!("one of {}", all.join(", ")) }]);
        };
        Report::read(task, &self.equipment, &self.fields)
    }
}

/// The number of the record that states it.
pub(super) async fn work(done: &Done, answering: &Answering) -> Result<u64, String> {
    let report = done.report().map_err(|faults| {
        let told: Vec<String> = faults.iter().map(FieldFault::to_string).collect();
        told.join("; ")
    })?;
    recorded(Act::Work(report), &answering.errands).await
}
