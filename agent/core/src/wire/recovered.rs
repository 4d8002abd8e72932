//! What the journal hands over with a start.

use super::StateRow;
use crate::steps::LastClock;
use picket_record::encode::Link;
use picket_record::order::Order;
use std::collections::BTreeMap;

/// What the journal recovered at start: the agent's memory.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// Number of the last record, the `epoch.open` of this start included.
    pub head: u64,
    /// Everything up to here has a receipt.
    pub receipted: u64,
    /// Records of severity 3 and up beyond `receipted`.
    pub urgent: Vec<u64>,
    /// State rows, by key.
    pub rows: Vec<StateRow>,
    /// Personal data that rows lead to, by the number of the record that said the row first.
    pub personal: BTreeMap<u64, String>,
    /// Share of the budget in use, in thousandths.
    pub fill_permille: u16,
    /// How the last run ended, as `epoch.open` states it.
    pub tail: String,
    /// The order in force.
    pub order: Option<Order>,
    /// Version and hash of the root document in force.
    pub root: Option<(u64, Link)>,
    /// Positions of what was left (see [`super::Rebased`]) that the central side may not have: first and last.
    pub branch: Option<(u64, u64)>,
    /// Number and link of the newest receipt.
    pub receipt: Option<(u64, Link)>,
    /// The clock as the last record before this start states it.
    pub clock: Option<LastClock>,
    /// This gateway had a journal before, and it is not where the settings say: a new one was begun.
    pub anew: bool,
}
