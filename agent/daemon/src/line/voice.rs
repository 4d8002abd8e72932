//! What a speaking line has said: tokens that rise by one, how many are unconfirmed, and whether the line stands.

use super::Order;
use picket_core::plan::LineId;
use picket_core::wire::{Heard, Input};
use picket_device::modbus::Fault;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;

/// Nobody takes inputs any more: the process ends.
pub(super) struct Deaf;

impl<T> From<SendError<T>> for Deaf {
    fn from(_: SendError<T>) -> Self {
        Deaf
    }
}

/// The way from a speaking line to `think`.
pub(super) struct Voice {
    line: LineId,
    inputs: mpsc::Sender<Input>,
    credit: u64,
    said: u64,
    confirmed: u64,
    /// What was last told about the line; nothing at first.
    told: Option<Option<String>>,
}

impl Voice {
    /// A voice that may have `credit` unconfirmed tokens.
    pub(super) fn new(line: LineId, inputs: mpsc::Sender<Input>, credit: u64) -> Self {
        Self { line, inputs, credit, said: 0, confirmed: 0, told: None }
    }

    /// Whether one more may be said.
    pub(super) fn has_credit(&self) -> bool {
        self.said - self.confirmed < self.credit
    }

    /// Everything up to `token` is confirmed.
    pub(super) fn confirm(&mut self, token: u64) {
        self.confirmed = self.confirmed.max(token.min(self.said));
    }

    /// The session is gone: what was unconfirmed is given again in the next one, under new tokens, and nobody confirms the
    /// old ones any more.
    pub(super) fn session_lost(&mut self) {
        self.confirmed = self.said;
    }

    /// Waits until an input can be given without waiting. Safe to cancel.
    pub(super) async fn room(&self) -> Result<mpsc::OwnedPermit<Input>, Deaf> {
        Ok(self.inputs.clone().reserve_owned().await?)
    }

    /// Says something through `room`; gives its token.
    pub(super) fn say(&mut self, room: mpsc::OwnedPermit<Input>, heard: Heard) -> u64 {
        self.said += 1;
        room.send(Input::Heard { line: self.line, token: self.said, heard });
        self.said
    }

    /// Tells that the line stands (`None`) or why not, if that is news. Safe to cancel: then it was not told.
    pub(super) async fn tell(&mut self, fault: Option<String>) -> Result<(), Deaf> {
        if self.told.as_ref() == Some(&fault) {
            return Ok(());
        }
        let room = self.room().await?;
        match &fault {
            Some(cause) => tracing::warn!(cause, "line lost"),
            None => tracing::info!("line open"),
        }
        room.send(Input::Line { line: self.line, fault: fault.clone() });
        self.told = Some(fault);
        Ok(())
    }

    /// Takes an order that needs no wire. An ask is refused, because every ask has an outcome.
    pub(super) async fn take(&mut self, order: Order) -> Result<(), Deaf> {
        match order {
            Order::Confirm { token } => self.confirm(token),
            // Nobody waits for it any more where this fails.
            Order::Call { here } => {
                let _ = here.send(());
            }
            Order::Ask { ask, .. } => {
                let result = Err(Fault::Unreachable("this line speaks unasked".to_owned()));
                self.inputs.send(Input::Outcome { line: self.line, ask, result }).await?;
            }
        }
        Ok(())
    }
}
