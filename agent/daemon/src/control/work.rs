//! `picket work` at the agent's side: what people report of equipment, units, nonconformities and incidents.

use super::{Answering, recorded};
use picket_core::acts::Word;
use picket_core::fields::{FieldFault, Fields};
use picket_core::register::imported::{self, Imported};
use picket_core::wire::Act;
use serde::{Deserialize, Serialize};

/// What was done, as it is reported; see [`Word`] and [`Imported`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The word, such as `calibration`, `contain` or `classify`, or [`imported::WORD`].
    pub task: String,
    /// Id of the equipment, of the nonconformity or of the incident, number of the unit, or digest
    /// of the register.
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
        // What `picket register import` says is no form that people fill in.
        if self.task == imported::WORD {
            return Imported::read(&self.subject, &self.fields).map(Act::Import);
        }
        let word = Word::parse(&self.task).map_err(|unknown| vec![unknown])?;
        word.read(&self.subject, &self.fields)
    }
}

/// The number of the record that states it.
pub(super) async fn work(done: &Done, answering: &Answering) -> Result<u64, String> {
    let act = done.act().map_err(|faults| {
        let told: Vec<String> = faults.iter().map(FieldFault::to_string).collect();
        told.join("; ")
    })?;
    recorded(act, &answering.errands).await
}
