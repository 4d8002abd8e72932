//! `picket erase` at the agent's side: hands the demand to the decisions, and answers once the record that states it is
//! stored.

use super::{Answering, ask, recorded};
use crate::journal::thread::Request;
use picket_core::erasure::Erasure;
use picket_core::wire::Act;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// What is to be erased, as it is asked for; see [`Erasure::new`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Ranges of record numbers, first and last.
    pub records: Vec<(u64, u64)>,
    /// Who orders it.
    pub authority: String,
    /// Why; may be empty.
    pub reason: String,
}

/// It is stated and done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Number of the record that states it.
    pub record: u64,
    /// Records that had personal data beside them here.
    pub texts: u64,
}

pub(super) async fn erase(demand: Demand, answering: &Answering) -> Result<Erased, String> {
    let Demand { records, authority, reason } = demand;
    let erasure = Erasure::new(records, &authority, &reason)?;
    let head = answering.status.borrow().journal.head;
    if erasure.records().iter().any(|(_, last)| *last > head) {
        return Err(format!("the last record here is {head}: name records that are there"));
    }
    let (reply, counted) = oneshot::channel();
    let question = Request::Personal { records: erasure.records().to_vec(), reply };
    ask(&answering.journal, question).await.map_err(|error| error.to_string())?;
    let texts = counted.await.map_err(|_| "the journal has stopped".to_owned())??;
    let record = recorded(Act::Erase(erasure), &answering.errands).await?;
    Ok(Erased { record, texts })
}
