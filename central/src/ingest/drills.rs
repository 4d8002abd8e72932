//! Records that say they belong to a drill: held against what was ordered here. Whatever is found, they are acted on like
//! any other.

use super::gateway::Gateway;
use crate::clock::Now;
use crate::store;
use picket_record::chain::Parsed;
use picket_record::command::Command;
use picket_record::drill::Drills;
use picket_record::encode::Name;
use picket_record::order::Order;
use rusqlite::{Connection, Result};

/// What was ordered of drills for a gateway, as the store holds it.
pub(super) fn ordered(db: &Connection, gw: &Name) -> Result<Drills> {
    let mut drills = Drills::default();
    for line in store::order_lines(db, gw)? {
        // This program signed it.
        if let Ok((order, _)) = Order::claims(&line) {
            drills.ordered(&order);
        }
    }
    for line in store::command_lines(db, gw)? {
        if let Ok((command, link)) = Command::claims(&line) {
            drills.commanded(link, &command);
        }
    }
    Ok(drills)
}

impl Gateway {
    /// Keeps as a finding that a record of the chain is of a drill which nobody ordered.
    pub(super) fn doubt_drill(&self, db: &Connection, record: &Parsed<'_>, now: Now) -> Result<()> {
        let Some(doubt) = self.drills.doubt(record) else { return Ok(()) };
        let why = doubt.to_string();
        if store::insert_unordered_drill(db, record, &why, now.wall_ms)? {
            let (gw, seq) = (&record.gw, record.seq);
            tracing::warn!(%gw, seq, why, "a record says that it is of a drill that was not ordered: it is live");
        }
        Ok(())
    }
}
