//! A guard's acknowledgement: checked at the door, handed on as an input, never claimed as done here.

use super::admission::Token;
use super::answer::Refusal;
use super::feed::Snapshot;
use picket_core::wire::{Act, Input, Occurrence};
use picket_record::personal::PERSONAL_MAX;
use serde::Deserialize;
use std::net::IpAddr;
use tokio::sync::mpsc;

/// Longest name and note in characters, as the page says it.
const NAME: usize = 64;
const NOTE: usize = 500;
/// Longest note in bytes of JSON: beside the longest name and address it fits what may stand beside a record. Five hundred
/// characters of any script in daily use have fewer.
const NOTE_BYTES: usize = PERSONAL_MAX - 4 * NAME - 96;

/// What the page sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    alarm: String,
    /// The occurrence that the guard saw, as the status showed it.
    times: u32,
    since_ms: Option<i64>,
    by: String,
    #[serde(default)]
    note: String,
    token: String,
}

impl Wish {
    /// From a request body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|_| Refusal::Malformed)
    }

    /// The act it wishes for. Blanks around name and note are dropped before they are measured.
    pub(super) fn act(self, token: &Token, snapshot: &Snapshot, terminal: IpAddr) -> Result<Act, Refusal> {
        if !token.is(&self.token) {
            return Err(Refusal::WrongToken);
        }
        let (by, note) = (self.by.trim(), self.note.trim());
        if by.is_empty() || by.chars().count() > NAME || has_control(by) {
            return Err(Refusal::BadName);
        }
        let escaped = note.chars().filter(|c| matches!(c, '"' | '\\')).count();
        if note.chars().count() > NOTE || note.len() + escaped > NOTE_BYTES || has_control(note) {
            return Err(Refusal::BadNote);
        }
        let saw = Occurrence { since_ms: self.since_ms, times: self.times };
        match snapshot.occurrence(&self.alarm) {
            None => return Err(Refusal::NoSuchAlarm),
            Some(newest) if newest != saw => return Err(Refusal::RangAgain),
            Some(_) => {}
        }
        let terminal = terminal.to_canonical().to_string();
        Ok(Act::Acknowledge { alarm: self.alarm, saw, by: by.to_owned(), note: note.to_owned(), terminal })
    }
}

/// Control characters, and the marks that turn the direction of what follows: a name must read as it was written.
fn has_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Hands an act to the decisions. The result is seen in a later status.
pub(super) fn hand_on(acts: &mpsc::Sender<Input>, act: Act) -> Result<(), Refusal> {
    acts.try_send(Input::Act { act, ticket: None }).map_err(|_| Refusal::Busy)
}
