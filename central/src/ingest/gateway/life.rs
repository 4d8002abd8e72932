//! Whether a gateway lives: when something genuine of it last came, and when it is missed.

use super::Gateway;
use crate::clock::Now;
use crate::store::{self, Life};
use picket_record::chain::Parsed;
use picket_record::kind::Kind;
use rusqlite::{Connection, Result};

/// Heartbeats that a gateway may miss (FORMAT.md: "silence after three heartbeats").
const MISSED: u64 = 3;
/// Where no heartbeat states another interval.
const HEARTBEAT_S: u64 = 60;
/// Longest interval that is believed: a gateway that says more is missed after three days.
const HEARTBEAT_MAX_S: u64 = 86_400;

impl Gateway {
    /// A genuine record that was not here before: the gateway lives.
    pub(in crate::ingest) fn lives(&mut self, db: &Connection, record: &Parsed<'_>, now: Now) -> Result<()> {
        let before = self.life;
        let every_s = match record.kind {
            Kind::Heartbeat => stated_interval(record).or(before.map(|life| life.every_s)),
            _ => before.map(|life| life.every_s),
        };
        if let Some(since) = before.and_then(|life| life.silent_ms) {
            tracing::info!(gw = %self.accepted.gw, since, "gateway is heard again");
        }
        let (stopped, stopped_seq) = before.map_or((false, 0), |life| (life.stopped, life.stopped_seq));
        let every_s = every_s.unwrap_or(HEARTBEAT_S);
        self.life = Some(Life { heard_ms: now.wall_ms, every_s, stopped, stopped_seq, silent_ms: None });
        self.life_mono_ms = now.mono_ms;
        self.says(record);
        // A stop that waits for its turn may be of a history that the gateway lost: it counts over none that goes on.
        let waits = stopped && stopped_seq > self.head.seq && record.seq < stopped_seq;
        if waits && is_word(record) == Some(false) && !self.is_before_stop(db, record, stopped_seq)? {
            self.unsay_stop(record.seq + 1);
        }
        Ok(())
    }

    /// Whether it is stopped, as a record says that is genuine or has come into its place. Records come in any order; which
    /// of them is the last word is said by their numbers.
    pub(in crate::ingest) fn says(&mut self, record: &Parsed<'_>) {
        let newer = self.life.as_mut().filter(|life| record.seq > life.stopped_seq);
        if let Some((life, stopped)) = newer.zip(is_word(record)) {
            (life.stopped, life.stopped_seq) = (stopped, record.seq);
        }
    }

    /// Whether a record was written before the stop that waits under this number, as far as the clock of one boot tells:
    /// part of the backlog that the stop overtook.
    fn is_before_stop(&self, db: &Connection, record: &Parsed<'_>, stopped_seq: u64) -> Result<bool> {
        let gw = &self.accepted.gw;
        let Some(row) = store::waiting(db, gw, stopped_seq)? else { return Ok(false) };
        let Ok(stop) = row.record(gw) else { return Ok(false) };
        Ok(record.ep <= stop.ep && record.boot == stop.boot && record.mono_us <= stop.mono_us)
    }

    /// A record is no longer taken for one of this gateway's history, or the gateway goes on with this one: what was said
    /// behind it counts no more, and a gateway that is not known to be stopped is missed.
    pub(in crate::ingest) fn unsay_stop(&mut self, from: u64) {
        if let Some(life) = self.life.as_mut().filter(|life| life.stopped_seq >= from) {
            (life.stopped, life.stopped_seq) = (false, from.saturating_sub(1));
        }
    }

    /// A record that waited can no longer be read: whether it said that the gateway stops is not known.
    pub(in crate::ingest) fn forget_word(&mut self, seq: u64) {
        if let Some(life) = self.life.as_mut().filter(|life| life.stopped && life.stopped_seq == seq) {
            (life.stopped, life.stopped_seq) = (false, seq - 1);
        }
    }

    /// Three heartbeats are missed: says so once.
    pub(in crate::ingest) fn falls_silent(&mut self, now: Now) -> Option<Life> {
        // One that never spoke is missed too, from its acceptance on.
        let never = Life { heard_ms: 0, every_s: HEARTBEAT_S, stopped: false, stopped_seq: 0, silent_ms: None };
        let life = Some(self.life.get_or_insert(never)).filter(|life| !life.stopped && life.silent_ms.is_none())?;
        if now.mono_ms.saturating_sub(self.life_mono_ms) <= MISSED * life.every_s * 1000 {
            return None;
        }
        life.silent_ms = Some(now.wall_ms);
        tracing::warn!(gw = %self.accepted.gw, every_s = life.every_s, "gateway silent: three heartbeats missed");
        Some(*life)
    }
}

/// Whether a record says that its gateway stops, or that it runs.
fn is_word(record: &Parsed<'_>) -> Option<bool> {
    match record.kind {
        Kind::ActStopped => Some(true),
        Kind::ActStarted | Kind::EpochOpen | Kind::Heartbeat => Some(false),
        _ => None,
    }
}

/// Time between heartbeats as one states it, in seconds.
fn stated_interval(record: &Parsed<'_>) -> Option<u64> {
    record.data().get("every_s").and_then(serde_json::Value::as_u64).map(|every| every.clamp(1, HEARTBEAT_MAX_S))
}
