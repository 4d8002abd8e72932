//! What the tests beside the code share: moments, ids and bodies. No machine of its own.

use crate::memory::{self, Change, Stated};
use crate::plan::{Device, DeviceSpeech, LineId, ReadingsPolicy};
use crate::register::{EquipmentId, Register, rows};
use crate::statement::Statement;
use crate::time::Now;
use crate::wire::StateRow;
use picket_record::body::{About, Body, ClockQuality, ClockSource, Standing};
use picket_record::kind::{Kind, Severity};
use std::collections::BTreeMap;

/// 2026-11-22T00:00:00Z.
pub(crate) const MIDNIGHT_MS: i64 = 1_795_305_600_000;

/// So many microseconds after a midnight that is trusted.
pub(crate) fn at(mono_us: u64) -> Now {
    let quality = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 1, age_s: 1, era: 0 };
    let utc_ms = Some(MIDNIGHT_MS + i64::try_from(mono_us / 1_000).unwrap());
    Now { mono_us, utc_ms, trusted: true, quality, boot: "0b0e7d62-4a3c-4b57-9d33-0c2a1f6f8a11".into() }
}

/// The same with a clock that nobody vouches for.
pub(crate) fn untrusted(mono_us: u64) -> Now {
    Now { trusted: false, ..at(mono_us) }
}

pub(crate) fn id(text: &str) -> EquipmentId {
    EquipmentId::parse(text).unwrap()
}

/// A device with nothing bound to it.
pub(crate) fn module() -> Device {
    Device {
        name: "module".into(),
        line: LineId(0),
        equipment: id("MOD-1"),
        speech: DeviceSpeech::SealReader,
        silence_ms: 0,
        bindings: BTreeMap::new(),
        readings: ReadingsPolicy::Off,
    }
}

/// A register of rows, each a list of fields and texts.
pub(crate) fn register(listed: &[&[(&str, &str)]]) -> Register {
    let row = |fields: &&[(&str, &str)]| fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let listed: Vec<rows::Row> = listed.iter().map(row).collect();
    rows::build(1, [7; 32], &listed).unwrap()
}

pub(crate) fn body(kind: Kind, severity: Severity, equipment: Option<&str>) -> Body {
    let standing = Standing { st: "good", why: Vec::new(), due: None, cert: None };
    let about = equipment.map(|equipment| About { equipment: equipment.into(), register: 1, standing, source: None });
    Body { about, ..Body::new(at(0).when(), kind, severity, serde_json::Map::new()) }
}

/// State rows as the journal keeps them: a fold of statements.
#[derive(Default)]
pub(crate) struct Rows(BTreeMap<String, StateRow>, u64, pub(crate) BTreeMap<u64, String>);

impl Rows {
    pub(crate) fn take(&mut self, statement: &Statement, standing: &'static str) {
        self.1 += 1;
        self.2.extend(statement.personal.as_ref().map(|said| (self.1, said.as_str().to_owned())));
        let changes = memory::changes(Stated {
            kind: statement.kind,
            severity: statement.severity as u64,
            equipment: statement.equipment.as_ref().map(EquipmentId::as_str),
            standing: statement.equipment.as_ref().map(|_| standing),
            driver: statement.source.as_ref().map(|s| s.driver),
            device_time: statement.device_time.as_deref(),
            personal: None,
            data: &statement.data,
        });
        for change in changes {
            match change {
                Change::Again(row) => drop(self.0.insert(row.key.clone(), row)),
                Change::Put { key, body } => {
                    drop(self.0.insert(key.clone(), StateRow { key, body, seq: self.1 }));
                }
                Change::Drop { key } => drop(self.0.remove(&key)),
                Change::Clear => self.0.clear(),
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<StateRow> {
        self.0.values().cloned().collect()
    }
}
