//! The central side is restored from a backup: real journal, real uplink, real ingest, no wire.

use super::run::MIDNIGHT_MS;
use super::setup::{central, central_db, credentials, place};
use picket::journal::{Journal, ReceiptFault};
use picket_central::clock::Now as CentralNow;
use picket_central::ingest::Ingest;
use picket_core::plan::Plan;
use picket_core::time::Now;
use picket_core::uplink::Uplink;
use picket_record::body::{Body, ClockQuality, ClockSource};
use picket_record::chain::Parsed;
use picket_record::encode::Name;
use picket_record::keys::ReceiptKey;
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// A gateway that writes, and a central side that takes.
struct Pair {
    plan: Plan,
    journal: Journal,
    uplink: Uplink,
    ingest: Ingest,
    now_us: u64,
    /// Receipts that counted lower than what the gateway had.
    behind: u64,
}

impl Pair {
    fn new(folder: &Path) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let plan = picket::settings::load(&config).expect("the shipped settings are whole").plan;
        let ingest = central(folder, &plan);
        let entropy = Box::new({
            let mut n = 0;
            move || {
                n += 1;
                [n; 32]
            }
        });
        let when = now(1).when();
        // Two and a half MB: it disposes of what has a receipt.
        let opened = Journal::open(&place(folder, 2), credentials(&plan), entropy, &when, "sim");
        let (journal, recovered) = opened.expect("a journal");
        let mut uplink = Uplink::new(recovered.head, recovered.receipted, recovered.urgent);
        uplink.up(&now(1), 1);
        Self { plan, journal, uplink, ingest, now_us: 1, behind: 0 }
    }

    fn write(&mut self, records: usize) {
        let text = "x".repeat(1_500);
        let data = json!({ "p": { "t": text } }).as_object().cloned().expect("an object");
        for _ in 0..records.div_ceil(50) {
            let body = Body::new(now(self.now_us).when(), Kind::Readings, Severity::Info, data.clone());
            let stored = self.journal.append(&vec![body; 50]).expect("the journal stores");
            self.uplink.stored(stored.head, &stored.urgent);
        }
    }

    /// Sends and takes receipts until the central side has everything; what it says meanwhile.
    fn settle(&mut self) {
        for _ in 0..600 {
            self.now_us += 250_000;
            let now = now(self.now_us);
            while let Some((session, batch)) = self.uplink.next(&now) {
                let lane = batch.lane();
                let Some(lines) = self.journal.lines(&batch).expect("the journal reads") else {
                    self.uplink.sent(&now, session, lane, Ok(0));
                    continue;
                };
                self.uplink.packed(session, lane, lines.through, lines.bytes);
                let kind = if lines.deflated { "application/jose-lines+deflate" } else { "application/jose-lines" };
                let text = picket_central::unpack::text(Some(kind), &lines.payload.into()).expect("it unpacks");
                let ranges = picket_central::unpack::next_lines(&text, &mut 0, usize::MAX);
                let parts: Vec<&[u8]> = ranges.iter().map(|range| &text[range.clone()]).collect();
                self.ingest.batch(&self.plan.gateway, &parts, self.central_now()).expect("the store takes it");
                self.uplink.sent(&now, session, lane, Ok(lines.through));
            }
            self.take_receipts(&now);
            if self.uplink.receipted_upto() == self.uplink.head() {
                return;
            }
        }
        let (upto, head) = (self.uplink.receipted_upto(), self.uplink.head());
        panic!("receipts end at {upto} of {head}: {:?}", self.uplink.status());
    }

    fn take_receipts(&mut self, now: &Now) {
        for receipt in self.ingest.receipts(self.central_now()).expect("the store signs") {
            match self.journal.receipt(&receipt.line, &now.when()) {
                Ok(receipted) => {
                    // As the journal's thread does: what is gone for good is said first.
                    if let Some(seqs) = self.journal.declared() {
                        self.uplink.declared(&seqs);
                    }
                    self.uplink.receipted(now, receipted);
                }
                // As the site does: it asks, and names the newest receipt that it has.
                Err(ReceiptFault::Old { n, known }) if n < known => {
                    self.behind += 1;
                    let newest = Some(self.journal.newest_receipt());
                    self.ingest.ask(&self.plan.gateway, newest, self.central_now()).expect("the store answers");
                }
                Err(fault) => panic!("{fault}"),
            }
        }
    }

    fn central_now(&self) -> CentralNow {
        CentralNow { wall_ms: MIDNIGHT_MS + (self.now_us / 1_000) as i64, mono_ms: self.now_us / 1_000 }
    }

    fn oldest(&self) -> u64 {
        let (_, text) = self.journal.slice(0).expect("the journal reads").expect("it holds records");
        Parsed::read_bytes(text.split(|byte| *byte == b'\n').next().expect("a line")).expect("it reads").seq
    }

    fn back_up(&self, folder: &Path) {
        let db = central_db(folder);
        let backup = folder.join("backup.db");
        db.execute("VACUUM INTO ?1", [backup.to_str().expect("a plain path")]).expect("a backup");
    }

    fn restore(&mut self, folder: &Path) {
        let key = ReceiptKey::from_seed([2; 32]);
        self.ingest =
            Ingest::open(&folder.join("backup.db"), Name::parse("sms").expect("a name"), key).expect("it opens");
    }
}

fn now(mono_us: u64) -> Now {
    let quality = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 5, age_s: 10, era: 0 };
    let utc_ms = Some(MIDNIGHT_MS + (mono_us / 1_000) as i64);
    Now { mono_us, utc_ms, trusted: true, quality, boot: Arc::from("sim") }
}

fn told<T: rusqlite::types::FromSql>(folder: &Path, sql: &str) -> T {
    let db = rusqlite::Connection::open(folder.join("backup.db")).expect("the central store opens");
    db.query_row(sql, [], |row| row.get(0)).expect("one value")
}

#[test]
fn a_central_side_restored_from_a_backup_is_asked_and_has_everything_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut pair = Pair::new(folder.path());
    pair.write(100);
    pair.settle();
    pair.back_up(folder.path());
    (0..4).for_each(|_| {
        pair.write(50);
        pair.settle();
    });
    let newest = pair.journal.newest_receipt();
    pair.restore(folder.path());
    pair.write(50);
    pair.settle();
    assert!(pair.behind > 0, "its first receipt counted lower");
    assert!(pair.journal.newest_receipt() > newest);
    let head = pair.uplink.head();
    assert_eq!(told::<u64>(folder.path(), "SELECT count(*) FROM record"), head);
    assert_eq!(told::<u64>(folder.path(), "SELECT (SELECT count(*) FROM lost)+(SELECT count(*) FROM quarantine)"), 0);
}

#[test]
fn what_a_restored_central_side_lacks_and_the_gateway_disposed_of_is_stated_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut pair = Pair::new(folder.path());
    pair.write(200);
    pair.settle();
    let had = pair.uplink.head();
    pair.back_up(folder.path());
    while pair.oldest() <= had + 300 {
        pair.write(100);
        pair.settle();
    }
    pair.restore(folder.path());
    pair.write(50);
    pair.settle();
    let hole = "SELECT from_seq||' '||(SELECT kind FROM record WHERE seq=declared_by) FROM lost";
    assert_eq!(told::<String>(folder.path(), hole), format!("{} records.disposed", had + 1));
    let to: u64 = told(folder.path(), "SELECT to_seq FROM lost");
    assert!(to + 1 >= pair.oldest(), "it ends where the journal begins, or at the next opening: {to}");
    let kept: u64 = told(folder.path(), "SELECT count(*) FROM record");
    // The journal's own word about the hole went ahead of everything.
    let last: u64 = told(folder.path(), "SELECT max(seq) FROM record");
    assert!(last >= pair.uplink.head());
    assert_eq!(kept, last - (to - had), "everything else is there");
    // What is sent from here on needs no further word.
    pair.write(50);
    pair.settle();
    assert_eq!(told::<u64>(folder.path(), "SELECT count(*) FROM lost"), 1);
}
