//! What the central side holds, by SQL, and camera events as they are published.

use crate::installation::{GATEWAY, Installation};
use picket_record::encode::from_base64url;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::path::Path;

/// Topic of a camera's picture change.
pub(crate) fn scene(camera: u8) -> String {
    format!("cam-0{camera}/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1")
}

/// Topic of a camera's motion.
pub(crate) fn motion(camera: u8) -> String {
    format!("cam-0{camera}/onvif-ej/VideoSource/MotionAlarm/&VS1")
}

/// An event of a camera at its own time.
pub(crate) fn event(utc: &str, state: bool) -> String {
    json!({ "UtcTime": utc, "Source": { "Source": "VS1" }, "Data": { "State": state } }).to_string()
}

/// The payload of a record line.
pub(crate) fn payload(line: &str) -> Value {
    let body = line.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&from_base64url(body, "payload").expect("base64url")).expect("JSON")
}

/// Payloads of a file of record lines.
pub(crate) fn payloads(file: &Path) -> Vec<Value> {
    std::fs::read_to_string(file).expect("readable").lines().map(payload).collect()
}

/// How many records are of a kind.
pub(crate) fn count(records: &[Value], kind: &str) -> usize {
    records.iter().filter(|record| record["kind"] == kind).count()
}

impl Installation {
    fn open_store(&self) -> Connection {
        Connection::open_with_flags(self.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the central store")
    }

    /// Payloads of all records in their place at the central side.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received_of(GATEWAY)
    }

    /// The same of another gateway.
    pub(crate) fn received_of(&self, gateway: &str) -> Vec<Value> {
        self.lines_of(gateway).iter().map(|line| payload(line)).collect()
    }

    /// The lines of all records in their place at the central side.
    pub(crate) fn received_lines(&self) -> Vec<String> {
        self.lines_of(GATEWAY)
    }

    fn lines_of(&self, gateway: &str) -> Vec<String> {
        let db = self.open_store();
        let mut rows = db.prepare("SELECT line FROM record WHERE gw = ?1 ORDER BY seq").expect("a table");
        let lines = rows.query_map([gateway], |row| row.get(0)).expect("rows");
        lines.collect::<Result<_, _>>().expect("text")
    }

    /// What stands beside records at the central side, oldest first.
    pub(crate) fn disclosed(&self) -> Vec<String> {
        let db = self.open_store();
        let sql = "SELECT text FROM personal WHERE gw = ?1 AND text IS NOT NULL ORDER BY seq";
        let mut rows = db.prepare(sql).expect("a table");
        let texts = rows.query_map([GATEWAY], |row| row.get(0)).expect("rows");
        texts.collect::<Result<_, _>>().expect("text")
    }

    /// Gateway and reason of all that was refused.
    pub(crate) fn quarantine(&self) -> Vec<(String, String)> {
        let db = self.open_store();
        let mut rows = db.prepare("SELECT gw, reason FROM quarantine ORDER BY id").expect("a table");
        let refused = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        refused.collect::<Result<_, _>>().expect("text")
    }

    /// How many receipts were given with a state.
    pub(crate) fn receipts(&self, state: &str) -> u64 {
        let sql = "SELECT count(*) FROM receipt WHERE gw = ?1 AND state = ?2";
        self.open_store().query_row(sql, [GATEWAY, state], |row| row.get(0)).expect("a count")
    }

    /// Number of the last record that the central side has signed for.
    pub(crate) fn receipted(&self) -> u64 {
        let sql = "SELECT max(upto) FROM receipt WHERE gw = ?1";
        self.open_store().query_row(sql, [GATEWAY], |row| row.get(0)).expect("a number")
    }

    /// Records of other histories, and those that wait.
    pub(crate) fn kept_apart(&self) -> u64 {
        let sql = "SELECT (SELECT count(*) FROM fork) + (SELECT count(*) FROM ahead)";
        self.open_store().query_row(sql, [], |row| row.get(0)).expect("a count")
    }
}
