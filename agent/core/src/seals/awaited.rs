//! Units that a reader read, and whose seal it has not read yet: rows `awaited/<reader>#<unit>` of the journal's state.

use crate::register::EquipmentId;
use crate::wire::StateRow;
use picket_record::kind::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most units that one reader waits for: more than pass a lane in a minute. Beyond, the seal of the first is missing.
const AT_ONCE: usize = 16;
/// `#` stands in no id and no number.
const AWAITED: &str = "awaited/";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    until_us: BTreeMap<(EquipmentId, String), u64>,
}

impl Awaited {
    /// From the rows that the journal recovered.
    pub(super) fn recover(rows: &[StateRow], until_us: u64) -> Self {
        let read = |row: &StateRow| {
            let (reader, unit) = row.key.strip_prefix(AWAITED)?.split_once('#')?;
            Some(((EquipmentId::parse(reader)?, unit.to_owned()), until_us))
        };
        Self { until_us: rows.iter().filter_map(read).collect() }
    }

    /// A unit was read. One that is read again waits no longer by it.
    pub(super) fn wait(&mut self, reader: &EquipmentId, unit: &str, now_us: u64, for_us: u64) {
        let key = (reader.clone(), unit.to_owned());
        if self.until_us.contains_key(&key) {
            return;
        }
        let here = || self.until_us.iter().filter(|((at, _), _)| at == reader);
        if here().count() >= AT_ONCE {
            let first = here().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            self.until_us.extend(first.map(|key| (key, now_us)));
        }
        // A seal that is read at its last moment counts.
        self.until_us.insert(key, now_us + for_us + 1);
    }

    /// A seal of the unit was read.
    pub(super) fn over(&mut self, reader: &EquipmentId, unit: &str) {
        self.until_us.remove(&(reader.clone(), unit.to_owned()));
    }

    /// The units whose time is over.
    pub(super) fn timeout(&mut self, now_us: u64) -> Vec<(EquipmentId, String)> {
        let over = self.until_us.iter().filter(|(_, until)| **until <= now_us);
        let over: Vec<_> = over.map(|(key, _)| key.clone()).collect();
        self.until_us.retain(|_, until| *until > now_us);
        over
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.until_us.values().min().copied()
    }
}

/// What a check at a reader changes: a unit that waits, or one whose seal was read or missed.
pub(super) fn row(kind: Kind, reader: &str, data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    let text = |field: &str| data.get(field).and_then(Value::as_str);
    let key = |unit: &str| format!("{AWAITED}{reader}#{unit}");
    match (kind, text("is")?) {
        (Kind::SealChecked, "unit") => {
            data.get("awaits")?;
            Some((key(text("read")?), Some(json!({}))))
        }
        (Kind::SealChecked | Kind::SealMismatch, "seal") => Some((key(text("unit")?), None)),
        _ => None,
    }
}
