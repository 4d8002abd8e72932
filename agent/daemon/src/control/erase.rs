//! `picket erase` at the agent's side: hands the demand to the decisions, and answers once the record that states it is
//! stored.

use super::{Answering, SLOW, ask};
use crate::journal::thread::Request;
use picket_core::erasure::Erasure;
use picket_core::sensitivity::Sensitivity;
use picket_core::status::Status;
use picket_core::wire::{Act, Input};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::timeout;

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

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Erased {
    /// It is stated and done.
    Done {
        /// Number of the record that states it.
        record: u64,
        /// Records that had personal data beside them here.
        texts: u64,
    },
    /// It is not.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// Takes what is to be erased.
#[derive(Debug, Clone)]
pub struct Desk {
    acts: mpsc::Sender<Input>,
    sensitivity: Sensitivity,
    /// One at a time: each is known by the next record that states an erasure.
    turn: Arc<Mutex<()>>,
}

impl Desk {
    /// Acts go there; a status shows what these labels let.
    pub fn new(acts: mpsc::Sender<Input>, sensitivity: Sensitivity) -> Self {
        Self { acts, sensitivity, turn: Arc::default() }
    }

    pub(super) fn sensitivity(&self) -> &Sensitivity {
        &self.sensitivity
    }
}

pub(super) async fn erase(demand: Demand, answering: &Answering) -> Erased {
    let _turn = answering.desk.turn.lock().await;
    let done = done(demand, answering.status.clone(), &answering.journal, &answering.desk.acts).await;
    done.unwrap_or_else(|why| Erased::Refused { why })
}

async fn done(
    demand: Demand,
    mut status: watch::Receiver<Arc<Status>>,
    journal: &mpsc::Sender<Request>,
    acts: &mpsc::Sender<Input>,
) -> Result<Erased, String> {
    let Demand { records, authority, reason } = demand;
    let erasure = Erasure::new(records, &authority, &reason)?;
    let (head, before) = {
        let journal = &status.borrow_and_update().journal;
        (journal.head, journal.erased)
    };
    if erasure.records().iter().any(|(_, last)| *last > head) {
        return Err(format!("the last record here is {head}: name records that are there"));
    }
    let (reply, counted) = oneshot::channel();
    let stopped = |_| "the journal has stopped".to_owned();
    let question = Request::Personal { records: erasure.records().to_vec(), reply };
    ask(journal, question).await.map_err(|error| error.to_string())?;
    let texts = counted.await.map_err(stopped)??;
    acts.send(Input::Act(Act::Erase(erasure))).await.map_err(|_| "the agent is stopping".to_owned())?;
    let stated = status.wait_for(|status| status.journal.erased != before);
    let late = "the journal has not stored it in time: look at picket status, then at the records, and ask again";
    match timeout(SLOW, stated).await {
        Ok(Ok(status)) => Ok(Erased::Done { record: status.journal.erased.unwrap_or_default(), texts }),
        Ok(Err(_)) => Err("the agent is stopping".to_owned()),
        Err(_) => Err(late.to_owned()),
    }
}
