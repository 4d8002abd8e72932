//! A backlog of a gateway that was cut off: routine readings in its own journal, by the product's own `Journal`, in big
//! appends. One record a second, so that days and epochs change as they would; no alarm.

use crate::append;
use crate::gateway::{GATEWAY, Gateway, SITE};
use crate::wait;
use picket::journal::{Journal, Place};
use picket_core::time::Chance;
use picket_record::body::{About, Body, ClockQuality, ClockSource, IdentityEvidence, Source, Standing, When, measured};
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Records of one transaction: the most that the journal takes.
const GROUP: u64 = 1_024;
/// Devices and registers of each, as in J1.
const DEVICES: u64 = 10;
const REGISTERS: u64 = 100;
/// Registers of a device that change from poll to poll, in J1.
pub(crate) const J1_CHANGES: u64 = 10;
/// 2026-09-21 14:13:20 UTC: the past for every machine that runs this.
const BEGAN_MS: i64 = 1_790_000_000_000;

/// Fills the journal of a gateway whose agent does not run, each record with so many registers that changed, and closes
/// it in order. Number of the last record.
pub(crate) fn fill(gateway: &Gateway, records: u64, changes: u64) -> Result<u64, String> {
    let boot = "01234567-89ab-cdef-0123-456789abcdef".into();
    let mut readings = Readings { boot, chance: Chance::new(1), n: 0, changes };
    let place = Place {
        file: gateway.journal(),
        budget_bytes: 8 << 30,
        identity: gateway.folder().join("identity.key"),
        acceptance: gateway.folder().join("acceptance.jws"),
        accept_key: gateway.folder().join("accept.pub"),
        root: gateway.folder().join("root.jws"),
        retention_days: 30,
    };
    let credentials = place.credentials(SITE, GATEWAY).map_err(|fault| fault.to_string())?;
    let opened = Journal::open(&place, credentials, Box::new(picket::supervise::random), &readings.when(), "bench");
    let (mut journal, _) = opened.map_err(|fault| fault.to_string())?;
    let mut left = records;
    while left > 0 {
        let group: Vec<Body> = (0..left.min(GROUP)).map(|_| readings.next()).collect();
        journal.append(&group).map_err(|fault| fault.to_string())?;
        left -= group.len() as u64;
        wait::pause(Duration::ZERO)?;
    }
    let stored = journal.append(&[readings.last_word()]).map_err(|fault| fault.to_string())?;
    Ok(stored.head)
}

/// What the polls of one device after the other record.
struct Readings {
    boot: Arc<str>,
    chance: Chance,
    n: u64,
    changes: u64,
}

impl Readings {
    fn when(&self) -> When {
        let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 12, age_s: 0, era: 0 };
        // Polls fall into no whole milliseconds.
        let us = 7_000_000 + self.n * 1_000_000 + self.n * 7_919 % 1_000;
        let wall_ms = BEGAN_MS + i64::try_from(us / 1_000).expect("a few months");
        When { boot: Arc::clone(&self.boot), mono_us: us, wall_ms: Some(wall_ms), clock }
    }

    fn next(&mut self) -> Body {
        self.n += 1;
        let (device, round) = (self.n % DEVICES, self.n / DEVICES);
        let mut points = Map::new();
        for change in 0..self.changes {
            let register = 1 + (round * self.changes + change) % (REGISTERS - 1);
            let value = i64::try_from(1 + self.chance.below(65_535)).expect("16 bits");
            points.insert(format!("r{register}"), measured(value, 0, ""));
        }
        // A hash is as random as the raw answer: nothing of it is saved by compression.
        let raw = Sha256::digest(self.n.to_be_bytes()).into();
        let source = Source { driver: "modbus-tcp", raw, identity: IdentityEvidence::Configured };
        let about = About {
            equipment: format!("BENCH-{device}"),
            register: 1,
            standing: Standing { st: "good", why: Vec::new(), due: None, cert: None },
            source: Some(source),
        };
        let data = json!({ "dev": format!("dev{device}"), "p": points });
        self.body(Kind::Readings, Some(about), data)
    }

    /// As a stop in order leaves it (`core::site::stop`).
    fn last_word(&mut self) -> Body {
        self.n += 1;
        self.body(Kind::EpochClose, None, json!({ "why": "stop" }))
    }

    fn body(&self, kind: Kind, about: Option<About>, data: Value) -> Body {
        let Value::Object(data) = data else { unreachable!("objects are given above") };
        Body { when: self.when(), kind, severity: Severity::Info, about, data, ..append::body(0) }
    }
}
