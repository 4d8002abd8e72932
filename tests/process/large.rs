//! Bundles of any size, signed as a gateway signs them: days that outlived their records, holes that are declared, lines
//! that are damaged, branches that were left.

use picket_record::acceptance::Acceptance;
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::bundle::{Manifest, Part};
use picket_record::chain::{Found, Head, Opening, Origin, Sealed, Sealer, TailState};
use picket_record::encode::{Link, Name};
use picket_record::keys::{AcceptKey, IdentityKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::{Receipt, State};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Ranges that one record declares.
const DECLARED: usize = 32;

/// A gateway's life, as far as it is in the bundle.
pub(crate) struct Life {
    origin: Origin,
    /// Link of the acceptance.
    accepted: Link,
    sealer: Sealer,
    /// The opening of the epoch that runs.
    opening: Sealed,
    /// First and last number in the file of records.
    range: Option<(u64, u64)>,
    files: BTreeMap<Part, String>,
}

impl Life {
    /// Begins with the opening of the first epoch.
    pub(crate) fn new() -> Self {
        let origin = Origin { site: name("harbour"), gw: name("gate-7") };
        let acceptance = Acceptance {
            sms: name("sms"),
            site: origin.site.clone(),
            gw: origin.gw.clone(),
            identity: identity().public(),
            receipt_key: ReceiptKey::from_seed([3; 32]).public(),
            ts_ms: 0,
            by: "N. N.".into(),
        };
        let accepted = acceptance.sign(&AcceptKey::from_seed([2; 32])).expect("a good acceptance");
        let (sealer, opening) = opened(&origin, Head::genesis(accepted.link), TailState::Genesis, None);
        let files = [(Part::Enrolment, format!("{}\n", accepted.line))].into();
        Self { origin, accepted: accepted.link, sealer, opening, range: None, files }
    }

    /// The identity of every such gateway, as it is written.
    pub(crate) fn identity() -> String {
        identity().public().text().to_owned()
    }

    /// So many openings and records of days, whose neighbours were disposed of; records go on in another epoch.
    pub(crate) fn days(mut self, n: u64) -> Self {
        self.put(Part::Summaries, |life| life.opening.clone());
        for _ in 1..n {
            if self.sealer.is_nearly_full(1) {
                self.open(self.sealer.head(), TailState::Crash, None);
                self.put(Part::Summaries, |life| life.opening.clone());
            } else {
                self.put(Part::Summaries, |life| life.sealed(Kind::SummaryDay, json!({"day": "2026-01-01"})));
            }
        }
        self.open(self.sealer.head(), TailState::Crash, None);
        self
    }

    /// So many holes of one number each.
    pub(crate) fn holes(mut self, n: u64) -> Self {
        self.record(Kind::Heartbeat, json!({}));
        for _ in 0..n {
            self.sealed(Kind::Heartbeat, json!({}));
            self.record(Kind::Heartbeat, json!({}));
        }
        self
    }

    /// One hole, in which so many lines are damaged.
    pub(crate) fn damaged(mut self, n: u64) -> Self {
        self.record(Kind::Heartbeat, json!({}));
        self.files.entry(Part::Records).or_default().push_str(&"damaged\n".repeat(n as usize));
        let head = self.sealer.head();
        self.open(Head { seq: head.seq + n, ..head }, TailState::Crash, None);
        self
    }

    /// Everything that is missing so far is declared as lost, by one range.
    pub(crate) fn declared(mut self) -> Self {
        let lost = json!([[1, self.sealer.head().seq]]);
        self.record(Kind::JournalRecovered, json!({ "lost": lost }));
        self
    }

    /// So many ranges that do not touch are declared as lost: all but the last lie before the file, and of the last the
    /// number is missing in it.
    pub(crate) fn declared_apart(mut self, n: u64) -> Self {
        let head = self.sealer.head();
        self.open(Head { seq: 2 * n, ..head }, TailState::Crash, None);
        self = self.holes(1);
        let hole = self.sealer.head().seq - 1;
        let apart: Vec<Value> = (1..n).map(|at| 2 * at).chain([hole]).map(|seq| json!([seq, seq])).collect();
        for lost in apart.chunks(DECLARED) {
            self.record(Kind::JournalRecovered, json!({ "lost": lost }));
        }
        self
    }

    /// So many branches, each of one record, which another opening leaves behind a receipt of the central system.
    pub(crate) fn branches(mut self, n: u64) -> Self {
        for _ in 0..n {
            self.record(Kind::Heartbeat, json!({}));
            let head = self.sealer.head();
            self.put(Part::Branches, |life| life.sealed(Kind::Heartbeat, json!({"left": true})));
            let left = self.sealer.head();
            let theirs = Head { ep: head.ep, seq: left.seq, link: [7; 32] };
            self.open(theirs, TailState::Rollback, Some(Found { seq: left.seq, link: left.link }));
            self.record(Kind::Heartbeat, json!({}));
        }
        self
    }

    /// So many receipts, each for another record, all of which lie before the file.
    pub(crate) fn receipts(mut self, n: u64) -> Self {
        let (gw, head) = (self.origin.gw.clone(), self.sealer.head());
        let mut prev = self.accepted;
        for n in 1..=n {
            let receipt = Receipt {
                sms: name("sms"),
                gw: gw.clone(),
                n,
                prev,
                upto: n,
                head: [8; 32],
                ep: 1,
                received_ms: 0,
                ts_ms: 0,
                state: State::Ok,
                have: vec![],
                resend: vec![],
                rebase: None,
                register: None,
                settings: None,
            };
            let signed = receipt.sign(&ReceiptKey::from_seed([3; 32]));
            *self.files.entry(Part::Receipts).or_default() += &(signed.line + "\n");
            prev = signed.link;
        }
        // Nothing is said of the record before the opening.
        self.open(Head { seq: n + 1, ..head }, TailState::Crash, None);
        self
    }

    /// With a file of so many blanks.
    pub(crate) fn blanks(mut self, part: Part, bytes: u64) -> Self {
        self.files.insert(part, " ".repeat(bytes as usize));
        self
    }

    /// Seals the bundle and writes it.
    pub(crate) fn write(mut self, folder: &Path) {
        self.record(Kind::Heartbeat, json!({}));
        let (from, to) = self.range.expect("there are records");
        let row =
            |(part, text): (&Part, &String)| (part.file().to_owned(), (text.len() as u64, Sha256::digest(text).into()));
        let head = self.sealer.head();
        let files = self.files.iter().map(row).collect();
        let (by, reason) = ("N. N.".into(), "case 7".into());
        let manifest = Manifest { seq: head.seq + 1, prev: head.link, from, to, by, reason, files };
        self.put(Part::Manifest, |life| life.sealed(Kind::RecordsExported, Value::Object(manifest.data())));
        fs::create_dir(folder).expect("made");
        for (part, text) in self.files {
            fs::write(folder.join(part.file()), text).expect("written");
        }
    }

    /// The next record, in the file.
    fn record(&mut self, kind: Kind, data: Value) {
        if self.sealer.is_nearly_full(3) {
            self.open(self.sealer.head(), TailState::Crash, None);
        }
        if self.range.is_none_or(|(_, last)| last < self.opening.seq) {
            let first = self.opening.seq;
            self.put(Part::Records, |life| life.opening.clone());
            self.range = Some((self.range.map_or(first, |(from, _)| from), first));
        }
        self.put(Part::Records, |life| life.sealed(kind, data));
        self.range = self.range.map(|(from, _)| (from, self.sealer.head().seq));
    }

    fn put(&mut self, part: Part, line: impl FnOnce(&mut Self) -> Sealed) {
        let line = line(self).line;
        let text = self.files.entry(part).or_default();
        text.push_str(&line);
        text.push('\n');
    }

    fn sealed(&mut self, kind: Kind, data: Value) -> Sealed {
        let data = data.as_object().cloned().unwrap_or_else(Map::new);
        self.sealer.seal(&Body::new(when(), kind, Severity::Info, data)).expect("a good body")
    }

    fn open(&mut self, head: Head, state: TailState, found: Option<Found>) {
        (self.sealer, self.opening) = opened(&self.origin, head, state, found);
    }
}

fn opened(origin: &Origin, head: Head, tail_state: TailState, found: Option<Found>) -> (Sealer, Sealed) {
    let opening = Opening { tail_state, found, last_receipt: None, version: "test".into() };
    let seed = Sha256::digest(head.ep.to_le_bytes()).into();
    Sealer::open(origin, &identity(), seed, head, &opening, &when()).expect("a good opening")
}

fn identity() -> IdentityKey {
    IdentityKey::from_seed([1; 32])
}

fn when() -> When {
    let clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
    When { boot: "b".into(), mono_us: 1, wall_ms: None, clock }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a good name")
}
