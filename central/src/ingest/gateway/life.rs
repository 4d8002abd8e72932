//! Whether a gateway lives: when something genuine of it last came, and when it is missed.

use super::Gateway;
use crate::clock::Now;
use crate::store::Life;
use picket_record::chain::Parsed;
use picket_record::kind::Kind;

/// Heartbeats that a gateway may miss (records.md, "Writing").
const MISSED: u64 = 3;
/// Where no heartbeat states another interval.
const HEARTBEAT_S: u64 = 60;
/// Longest interval that is believed: a gateway that says more is missed after three days.
const HEARTBEAT_MAX_S: u64 = 86_400;

impl Gateway {
    /// A genuine record that was not here before: the gateway lives.
    pub(in crate::ingest) fn lives(&mut self, record: &Parsed<'_>, now: Now) {
        let before = self.life;
        let every_s = match record.kind {
            Kind::Heartbeat => stated_interval(record).or(before.map(|life| life.every_s)),
            _ => before.map(|life| life.every_s),
        };
        // Records come in any order; which of them is the last word is said by their numbers.
        let newest = before.map_or((false, 0), |life| (life.stopped, life.stopped_seq));
        let (stopped, stopped_seq) = match record.kind {
            _ if record.seq <= newest.1 => newest,
            Kind::ActStopped => (true, record.seq),
            Kind::ActStarted | Kind::EpochOpen | Kind::Heartbeat => (false, record.seq),
            _ => newest,
        };
        if let Some(since) = before.and_then(|life| life.silent_ms) {
            tracing::info!(gw = %self.accepted.gw, since, "gateway is heard again");
        }
        let every_s = every_s.unwrap_or(HEARTBEAT_S);
        self.life = Some(Life { heard_ms: now.wall_ms, every_s, stopped, stopped_seq, silent_ms: None });
        self.life_mono_ms = now.mono_ms;
    }

    /// A record is no longer taken for one of this gateway's history, or the gateway goes on with this one: what was said
    /// behind it counts no more, and a gateway that is not known to be stopped is missed.
    pub(in crate::ingest) fn unsay_stop(&mut self, from: u64) {
        if let Some(life) = self.life.as_mut().filter(|life| life.stopped_seq >= from) {
            (life.stopped, life.stopped_seq) = (false, from.saturating_sub(1));
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

/// Time between heartbeats as one states it, in seconds.
fn stated_interval(record: &Parsed<'_>) -> Option<u64> {
    record.data().get("every_s").and_then(serde_json::Value::as_u64).map(|every| every.clamp(1, HEARTBEAT_MAX_S))
}
