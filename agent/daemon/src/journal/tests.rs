//! Real files in temporary folders; `Site` is what an installation keeps between two starts of the agent.

mod asked_back;
mod branches;
mod clock;
mod damage;
mod export;
mod faults;
mod header;
mod large;
mod life;
mod log;
mod lost;
mod marks;
mod mending;
mod openings;
mod orders;
mod personal;
mod pruning;
mod random;
mod receipts;
mod retention;
mod retyped;
mod secrets;
mod summaries;

use super::at_rest;
use super::{Credentials, Fault, Journal, Place};
use picket_core::wire::{Batch, Recovered};
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::chain::{ChainCheck, Origin, Parsed, Summary};
use picket_record::encode::{Link, Name};
use picket_record::keys::{IdentityKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::{Receipt, State};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;

const ACCEPTANCE: Link = [5; 32];
const BUDGET: u64 = 64 * 1024 * 1024;

struct Site {
    folder: tempfile::TempDir,
    budget: u64,
    starts: u8,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), budget: BUDGET, starts: 0 }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    fn place(&self) -> Place {
        let none = PathBuf::new();
        let file = self.file();
        Place {
            file,
            budget_bytes: self.budget,
            retention_days: 30,
            identity: none.clone(),
            acceptance: none.clone(),
            accept_key: none.clone(),
            root: none,
        }
    }

    fn try_start(&mut self) -> Result<(Journal, Recovered), Fault> {
        self.starts += 1;
        let mut seed = [self.starts; 32];
        let entropy = Box::new(move || {
            seed[0] = seed[0].wrapping_add(1);
            seed
        });
        Journal::open(&self.place(), credentials("gate-7", 1), entropy, &at(0), "test")
    }

    fn start(&mut self) -> (Journal, Recovered) {
        self.try_start().unwrap()
    }

    /// What a power cut leaves beside an open journal: its files as they are.
    fn cut(&self) -> Self {
        let cut = Self::new();
        for name in self.names() {
            std::fs::copy(self.folder.path().join(&name), cut.folder.path().join(&name)).unwrap();
        }
        // Its keys are not those of the life before.
        Self { starts: self.starts + 100, ..cut }
    }

    /// By hand, while the agent is off.
    fn by_hand(&self, sql: &str) {
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn credentials(gw: &str, seed: u8) -> Credentials {
    Credentials {
        origin: Origin { site: Name::parse("harbour").unwrap(), gw: Name::parse(gw).unwrap() },
        identity: IdentityKey::from_seed([seed; 32]),
        receipt_key: ReceiptKey::from_seed([9; 32]).public(),
        accepted_receipt_key: ReceiptKey::from_seed([9; 32]).public(),
        roots: None,
        acceptance: ACCEPTANCE,
        acceptance_line: "acceptance".into(),
    }
}

fn at(mono_us: u64) -> When {
    let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 5, age_s: 10, era: 0 };
    When { boot: "b0".into(), mono_us, wall_ms: Some(1_795_305_600_000), clock }
}

fn body(kind: Kind, severity: Severity, data: Value) -> Body {
    super::own_words::own_words(&at(1), kind, severity, data)
}

fn beat() -> Body {
    body(Kind::Heartbeat, Severity::Info, json!({}))
}

/// A record of about 6 KiB.
fn large() -> Body {
    body(Kind::Heartbeat, Severity::Info, json!({ "x": "x".repeat(4_500) }))
}

fn raised(alarm: &str) -> Body {
    body(Kind::AlarmRaised, Severity::Security, json!({ "alarm": alarm }))
}

fn closed(alarm: &str) -> Body {
    body(Kind::AlarmClosed, Severity::Notice, json!({ "alarm": alarm }))
}

fn stop(mut journal: Journal) {
    let words = [Kind::ActStopped, Kind::Snapshot, Kind::EpochClose].map(|kind| body(kind, Severity::Info, json!({})));
    journal.append(&words).unwrap();
}

/// Every line, in order.
fn lines(journal: &Journal) -> Vec<Vec<u8>> {
    let sql = "SELECT line FROM record ORDER BY seq";
    journal.store.rows(sql, [], "test", |row| Ok(row.get::<_, at_rest::Line>(0)?.0)).unwrap()
}

fn kinds(journal: &Journal) -> Vec<Kind> {
    lines(journal).iter().map(|line| Parsed::read_bytes(line).unwrap().kind).collect()
}

/// The chain as a stranger checks it: its sum, and how many lines contradict.
fn checked(journal: &Journal) -> Summary {
    let mut check = ChainCheck::new(IdentityKey::from_seed([1; 32]).public());
    for line in lines(journal) {
        let _ = check.line(&line);
    }
    check.finish()
}

/// What the last `journal.recovered` says was found.
fn found(journal: &Journal) -> Vec<Value> {
    let all = lines(journal);
    let told = all.iter().rev().filter_map(|line| Parsed::read_bytes(line).ok());
    let told = told.take_while(|r| r.kind != Kind::EpochOpen).find(|r| r.kind == Kind::JournalRecovered);
    told.and_then(|record| record.data()["found"].as_array().cloned()).unwrap_or_default()
}

fn rows(journal: &Journal) -> Vec<String> {
    super::memory::rows(&journal.store).unwrap().into_iter().map(|row| row.key).collect()
}

fn head(journal: &Journal) -> u64 {
    journal.sealer.head().seq
}

fn count(journal: &Journal, table: &str) -> u64 {
    journal.store.row(&format!("SELECT count(*) FROM {table}"), [], "test", |row| row.get(0)).unwrap().unwrap()
}

/// A receipt as the central side would sign it.
fn receipt(journal: &Journal, n: u64, upto: u64) -> Receipt {
    let line = journal.store.line(upto).unwrap();
    let record = line.as_deref().and_then(|line| Parsed::read_bytes(line).ok());
    let (link, ep) = record.map_or(([0; 32], 1), |record| (record.link, record.ep));
    Receipt {
        sms: Name::parse("sms").unwrap(),
        gw: Name::parse("gate-7").unwrap(),
        n,
        prev: [0; 32],
        upto,
        head: link,
        ep,
        received_ms: 1_795_305_600_000,
        ts_ms: 1_795_305_600_000,
        state: State::Ok,
        have: Vec::new(),
        resend: Vec::new(),
        rebase: None,
        register: None,
        settings: None,
    }
}

fn signed(receipt: &Receipt) -> String {
    receipt.sign(&ReceiptKey::from_seed([9; 32])).line
}

fn receive(journal: &mut Journal, n: u64, upto: u64) {
    let line = signed(&receipt(journal, n, upto));
    journal.receipt(&line, &at(2)).unwrap();
    journal.append(&[beat()]).unwrap();
}

fn read(journal: &Journal, batch: &Batch) -> Option<(String, u64)> {
    let lines = journal.lines(batch).unwrap()?;
    let mut text = Vec::new();
    if lines.deflated {
        flate2::read::ZlibDecoder::new(&lines.payload[..]).read_to_end(&mut text).unwrap();
    } else {
        text = lines.payload;
    }
    Some((String::from_utf8(text).unwrap(), lines.through))
}
