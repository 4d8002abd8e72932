//! Counters of one piece of equipment in one span of records.

use crate::wire::Past;
use picket_record::kind::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most different words that one counter tells apart; the rest share [`OTHER`]. A summary stays far below the 8 KiB of a
/// record.
const WORDS_MAX: usize = 16;
const OTHER: &str = "other";
/// Longest word, and name of a point, in bytes.
const WORD_BYTES: usize = 64;
/// Most measured points of one piece of equipment.
const POINTS_MAX: usize = 16;
/// Most alarms whose moment is kept until a guard acknowledges them.
const UNSEEN_MAX: usize = 64;

/// What records said of one piece of equipment.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kinds: Words,
    rules: Words,
    reasons: Words,
    standings: Words,
    worst: u8,
    points: BTreeMap<String, Extent>,
    unseen: BTreeMap<String, Moment>,
    acknowledged: Acknowledged,
}

/// How often each word came.
#[derive(Debug, Default)]
struct Words(BTreeMap<String, u64>);

/// Least and greatest value of a measured point: integers times ten to the `e`.
#[derive(Debug)]
struct Extent {
    n: u64,
    least: i64,
    greatest: i64,
    e: i64,
    unit: String,
}

#[derive(Debug)]
struct Moment {
    boot: String,
    mono_us: u64,
}

/// How long guards took, in milliseconds.
#[derive(Debug, Default)]
struct Acknowledged {
    n: u64,
    sum_ms: u64,
    max_ms: u64,
}

impl Counts {
    /// Counts a record. What is no live record is counted by its mode alone: a drill never mixes with real figures.
    pub(super) fn take(&mut self, record: &Past) {
        // What was played is classified behind its drill.
        let played = record.data.contains_key(crate::incident::EXERCISE);
        if record.mode != "live" || played {
            self.kinds.count(if played { "drill" } else { &record.mode });
            return;
        }
        self.kinds.count(record.kind.as_str());
        self.worst = self.worst.max(record.severity as u8);
        if let Some(standing) = &record.standing {
            self.standings.count(standing);
        }
        let text = |field: &str| record.data.get(field).and_then(Value::as_str);
        match record.kind {
            Kind::AlarmRaised => {
                self.rules.count(text("rule").unwrap_or(OTHER));
                if let Some(alarm) = text("alarm").filter(|_| self.unseen.len() < UNSEEN_MAX) {
                    let moment = Moment { boot: record.boot.clone(), mono_us: record.mono_us };
                    self.unseen.entry(alarm.to_owned()).or_insert(moment);
                }
            }
            Kind::ActAcknowledged => {
                let raised = text("alarm").and_then(|alarm| self.unseen.remove(alarm));
                // Only one run of the machine tells how long it was.
                if let Some(raised) = raised.filter(|raised| raised.boot == record.boot) {
                    self.acknowledged.take(record.mono_us.saturating_sub(raised.mono_us) / 1_000);
                }
            }
            Kind::NonconformityOpened | Kind::NonconformityReopened => {
                self.reasons.count(text("reason").unwrap_or(OTHER))
            }
            Kind::Readings => self.measured(&record.data),
            _ => {}
        }
    }

    fn measured(&mut self, data: &Map<String, Value>) {
        for (name, value) in data.get("p").and_then(Value::as_object).into_iter().flatten() {
            let Some(v) = value.get("v").and_then(Value::as_i64).filter(|_| name.len() <= WORD_BYTES) else { continue };
            let e = value.get("e").and_then(Value::as_i64).unwrap_or(0);
            let unit = value.get("u").and_then(Value::as_str).unwrap_or_default();
            let room = self.points.len() < POINTS_MAX && unit.len() <= WORD_BYTES;
            match self.points.get_mut(name) {
                // Another scale is another point: the settings changed within the day.
                Some(extent) if extent.e == e && extent.unit == unit => extent.take(v),
                None if room => {
                    let extent = Extent { n: 1, least: v, greatest: v, e, unit: unit.to_owned() };
                    self.points.insert(name.clone(), extent);
                }
                Some(_) | None => {}
            }
        }
    }

    /// As a record states it: nothing of what did not happen.
    pub(super) fn data(self) -> Map<String, Value> {
        let mut data = Map::new();
        let words = [("rules", self.rules), ("reasons", self.reasons), ("standings", self.standings)];
        data.insert("kinds".into(), json!(self.kinds.0));
        data.insert("worst".into(), self.worst.into());
        for (name, words) in words.into_iter().filter(|(_, words)| !words.0.is_empty()) {
            data.insert(name.into(), json!(words.0));
        }
        if self.acknowledged.n > 0 {
            let Acknowledged { n, sum_ms, max_ms } = self.acknowledged;
            data.insert("acknowledged".into(), json!({ "n": n, "sum_ms": sum_ms, "max_ms": max_ms }));
        }
        if !self.points.is_empty() {
            let points = self.points.into_iter().map(|(name, extent)| (name, extent.value()));
            data.insert("points".into(), Value::Object(points.collect()));
        }
        data
    }
}

impl Words {
    fn count(&mut self, word: &str) {
        let fits = word.len() <= WORD_BYTES && (self.0.len() < WORDS_MAX || self.0.contains_key(word));
        let word = if fits { word } else { OTHER };
        *self.0.entry(word.to_owned()).or_default() += 1;
    }
}

impl Extent {
    fn take(&mut self, v: i64) {
        self.n += 1;
        self.least = self.least.min(v);
        self.greatest = self.greatest.max(v);
    }

    /// `[n, least, greatest, e, unit]`.
    fn value(self) -> Value {
        json!([self.n, self.least, self.greatest, self.e, self.unit])
    }
}

impl Acknowledged {
    fn take(&mut self, ms: u64) {
        self.n += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.max_ms = self.max_ms.max(ms);
    }
}
