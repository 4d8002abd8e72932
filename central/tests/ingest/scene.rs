//! An accepted gateway, what it sealed, and the ingest it sends to.

use picket_central::clock::Now;
use picket_central::ingest::{Ingest, Tally};
use picket_central::store::{Accepted, Store};
use picket_record::acceptance::Acceptance;
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::chain::{Found, Head, Opening, Origin, Sealed, Sealer, TailState};
use picket_record::encode::{Link, Name};
use picket_record::keys::{AcceptKey, IdentityKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::Receipt;
use serde_json::{Value, json};
use std::path::PathBuf;

pub(crate) const GW: &str = "gate-7";

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn at(ms: u64) -> Now {
    Now { wall_ms: 1_763_778_000_000 + ms as i64, mono_ms: ms }
}

pub(crate) fn body(kind: Kind, severity: Severity, data: Value) -> Body {
    let clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
    let when = When { boot: "b".into(), mono_us: 1, wall_ms: None, clock };
    let data = data.as_object().unwrap().clone();
    Body::new(when, kind, severity, data)
}

pub(crate) fn beat() -> Body {
    body(Kind::Heartbeat, Severity::Info, json!({}))
}

pub(crate) fn raised(alarm: &str) -> Body {
    body(Kind::AlarmRaised, Severity::Security, json!({"alarm": alarm, "rule": "door-forced"}))
}

pub(crate) fn about_alarm(kind: Kind, alarm: &str) -> Body {
    body(kind, Severity::Info, json!({"alarm": alarm}))
}

pub(crate) struct Scene {
    pub(crate) home: tempfile::TempDir,
    pub(crate) ingest: Ingest,
    pub(crate) acceptance: Link,
    pub(crate) sealer: Sealer,
    pub(crate) sent: Vec<Sealed>,
}

impl Scene {
    /// An accepted gateway whose first record is sealed and not sent.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let acceptance = Acceptance {
            sms: name("sms"),
            site: name("harbour"),
            gw: name(GW),
            identity: identity().public(),
            receipt_key: key().public(),
            ts_ms: 0,
            by: "test".into(),
        };
        let signed = acceptance.sign(&AcceptKey::from_seed([5; 32])).unwrap();
        let accepted =
            Accepted { site: name("harbour"), gw: name(GW), identity: identity().public(), link: signed.link };
        let path = home.path().join("central.db");
        Store::open(&path).unwrap().accept(&signed.line, &accepted).unwrap();
        let (sealer, opening) = open(2, Head::genesis(signed.link), TailState::Genesis);
        let ingest = Ingest::open(&path, name("sms"), key()).unwrap();
        Self { home, ingest, acceptance: signed.link, sealer, sent: vec![opening] }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("central.db")
    }

    pub(crate) fn seal(&mut self, body: &Body) -> usize {
        self.sent.push(self.sealer.seal(body).unwrap());
        self.sent.len() - 1
    }

    /// Seals until there are so many records.
    pub(crate) fn fill(&mut self, count: usize) {
        while self.sent.len() < count {
            self.seal(&beat());
        }
    }

    /// Sends the records with these numbers, from 1.
    pub(crate) fn send(&mut self, seqs: impl IntoIterator<Item = usize>, ms: u64) -> Tally {
        let lines: Vec<&[u8]> = seqs.into_iter().map(|seq| self.sent[seq - 1].line.as_bytes()).collect();
        self.ingest.batch(GW, &lines, at(ms)).unwrap()
    }

    pub(crate) fn receipt(&mut self, ms: u64) -> Option<(Receipt, Link)> {
        let out = self.ingest.receipts(at(ms)).unwrap();
        assert!(out.len() < 2);
        out.first().map(|out| Receipt::verify(&out.line, &key().public(), &name(GW)).unwrap())
    }

    pub(crate) fn reopen(&mut self) {
        self.ingest = Ingest::open(&self.path(), name("sms"), key()).unwrap();
    }

    pub(crate) fn ask_store<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = rusqlite::Connection::open_with_flags(self.path(), flags).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

pub(crate) fn identity() -> IdentityKey {
    IdentityKey::from_seed([1; 32])
}

pub(crate) fn key() -> ReceiptKey {
    ReceiptKey::from_seed([4; 32])
}

pub(crate) fn open(seed: u8, head: Head, tail_state: TailState) -> (Sealer, Sealed) {
    let origin = Origin { site: name("harbour"), gw: name(GW) };
    let opening = Opening { tail_state, found: None, last_receipt: None, version: "0".into() };
    Sealer::open(&origin, &identity(), [seed; 32], head, &opening, &beat().when).unwrap()
}

/// Opens an epoch behind a receipt, in a journal that ends with another record.
pub(crate) fn open_after(seed: u8, head: Head, tail_state: TailState, found: Head) -> (Sealer, Sealed) {
    let origin = Origin { site: name("harbour"), gw: name(GW) };
    let found = Some(Found { seq: found.seq, link: found.link });
    let opening = Opening { tail_state, found, last_receipt: None, version: "0".into() };
    Sealer::open(&origin, &identity(), [seed; 32], head, &opening, &beat().when).unwrap()
}
