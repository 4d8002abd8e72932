//! What was found wrong with the file, until a record tells it.

use super::own_words::own_words;
use picket_record::body::{Body, When};
use picket_record::kind::{Kind, Severity};
use serde_json::{Value, json};

/// Most findings that one record tells: with their causes well below the limit of a payload.
const FOUND_MAX: usize = 16;

/// Findings, in the order they were made.
pub(super) type Damage = Vec<Value>;

/// The `journal.recovered` record that tells them: the first ones, and how many there are.
pub(super) fn recovered(when: &When, mut damage: Damage) -> Body {
    let n = damage.len();
    damage.truncate(FOUND_MAX);
    own_words(when, Kind::JournalRecovered, Severity::Fault, json!({ "n": n, "found": damage }))
}
