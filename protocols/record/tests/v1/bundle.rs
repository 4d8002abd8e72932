//! The bundle that the frozen vectors of version 1 hold: every file, every kind of declared loss.

use crate::story::{self, name};
use picket_record::body::{Body, ClockQuality, ClockSource, Drill, Mode, When};
use picket_record::bundle::{BundleCheck, Manifest, Part, Seal, Trust, Verdict};
use picket_record::chain::{Found, Head, Opening, Origin, Sealed, Sealer, TailState};
use picket_record::command::{Act, Command};
use picket_record::encode::Link;
use picket_record::enrolment::Request;
use picket_record::keys::{AcceptKey, IdentityKey, OrderKey, PublicKey, ReceiptKey, RootKey};
use picket_record::kind::{Kind, Severity};
use picket_record::order::{Order, Register, Window};
use picket_record::personal::{Disclosure, Personal, sidecar};
use picket_record::receipt::{Receipt, State};
use picket_record::root::Root;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Files by part, as bytes.
pub(crate) type Files = BTreeMap<Part, Vec<u8>>;

const START_MS: i64 = 1_763_778_000_120;
const SECOND_RECEIPT_SEED: [u8; 32] = [6; 32];
const ORDER_SEED: [u8; 32] = [7; 32];
/// Records 18 and 21 as the central system has them.
pub(crate) const THEIRS: [(u64, Link); 2] = [(18, [0x18; 32]), (21, [0x21; 32])];

pub(crate) fn identity() -> PublicKey {
    IdentityKey::from_seed(story::IDENTITY_SEED).public()
}

/// The verdict over files, by a reader who knows the identity.
pub(crate) fn judged(files: &Files, seal: Seal) -> Verdict {
    let mut check = BundleCheck::new(Trust { identity: Some(identity()), root: None }, seal);
    for (part, bytes) in files {
        check.begin(*part);
        // Slices of an odd size: lines lie across them.
        bytes.chunks(1009).for_each(|slice| check.feed(slice));
        check.end();
    }
    check.finish()
}

/// A gateway's life, as one bundle.
pub(crate) fn files() -> Files {
    let mut life = Life::default();
    life.first_two_epochs();
    life.after_the_crash();
    life.after_two_rollbacks();
    let mut files = Files::new();
    let mut put = |part: Part, text: String| files.insert(part, text.into_bytes());
    put(Part::Root, roots());
    put(Part::Enrolment, format!("{}\n{}\n", request(), story::acceptance().line));
    put(Part::Receipts, life.receipts());
    put(Part::Summaries, lines([&life.all[&1], &life.all[&4]]));
    put(Part::Sidecar, sidecar([(7, &disclosure())]));
    put(Part::Orders, orders());
    put(Part::Records, life.records());
    put(Part::Branches, lines(&life.branch));
    put(Part::Report, "Twenty-seven records of gate-7, with losses.\n".into());
    let manifest = life.manifest(&files);
    files.insert(Part::Manifest, format!("{manifest}\n").into_bytes());
    files
}

/// The manifest over other files, as the gateway itself would have signed it.
pub(crate) fn resealed(files: &Files) -> Vec<u8> {
    let mut life = Life::default();
    life.first_two_epochs();
    life.after_the_crash();
    life.after_two_rollbacks();
    format!("{}\n", life.manifest(files)).into_bytes()
}

fn lines<'a>(records: impl IntoIterator<Item = &'a Sealed>) -> String {
    records.into_iter().map(|record| format!("{}\n", record.line)).collect()
}

fn roots() -> String {
    let key = |seed| RootKey::from_seed([seed; 32]);
    let root = |ver, keys: [u8; 3], receipt| Root {
        sms: name("sms"),
        ver,
        ts_ms: START_MS - 120_000 + ver as i64,
        keys: keys.map(|seed| key(seed).public()),
        accept: AcceptKey::from_seed(story::ACCEPT_SEED).public(),
        receipt: ReceiptKey::from_seed(receipt).public(),
        order: OrderKey::from_seed(ORDER_SEED).public(),
        order_floor: 1,
    };
    let (first, second) = (root(1, [11, 12, 13], story::RECEIPT_SEED), root(2, [13, 14, 15], SECOND_RECEIPT_SEED));
    let signed = [(&first, 11), (&first, 13), (&second, 11), (&second, 13), (&second, 14)];
    signed.into_iter().map(|(root, by)| root.sign(&key(by)).expect("a good root").line + "\n").collect()
}

fn request() -> String {
    let request = Request {
        sms: name("sms"),
        site: name("harbour"),
        gw: name("gate-7"),
        token: [9; 16],
        identity: identity(),
        machine: "Raspberry Pi 4".into(),
        ts_ms: START_MS - 70_000,
        csr: None,
    };
    request.sign(&IdentityKey::from_seed(story::IDENTITY_SEED)).expect("a good request").line
}

fn order(ver: u64, prev: Link) -> picket_record::encode::Signed {
    let window =
        Window { id: "spring".into(), from_ms: START_MS, to_ms: START_MS + 60_000, equipment: vec!["door-1".into()] };
    let order = Order {
        sms: name("sms"),
        gw: name("gate-7"),
        ver,
        prev,
        iat_ms: START_MS - 50_000,
        exp_ms: START_MS + 86_400_000,
        root: ver,
        register: (ver == 1).then_some(Register { sha256: [3; 32], bytes: 18_112 }),
        settings: json!({"heartbeat_s": 60}).as_object().expect("an object").clone(),
        drills: vec![window],
    };
    order.sign(&OrderKey::from_seed(ORDER_SEED)).expect("a good order")
}

fn orders() -> String {
    let first = order(1, story::acceptance().link);
    let second = order(2, first.link);
    let act = Act::DrillStart { id: "spring".into(), for_s: 900, equipment: vec!["door-1".into()] };
    let command = Command { sms: name("sms"), gw: name("gate-7"), n: 1, seq: 7, on: [7; 32], act };
    let command = command.sign(&OrderKey::from_seed(ORDER_SEED)).expect("a good command");
    format!("{}\n{}\n{}\n", first.line, second.line, command.line)
}

fn disclosure() -> Disclosure {
    Disclosure { salt: *b"0123456789abcdef", text: r#"{"by":"Zoë \"Z\" Okafor"}"#.into() }
}

#[derive(Default)]
struct Life {
    all: BTreeMap<u64, Sealed>,
    branch: Vec<Sealed>,
    sealer: Option<Sealer>,
    clock: u64,
}

impl Life {
    fn when(&mut self) -> When {
        self.clock += 1;
        let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 12, age_s: 30, era: 1 };
        let boot = "7c6a9f0e-51f1-4c0c-9d3e-0f6f1a2b3c4d".into();
        When { boot, mono_us: 1_000_000 * self.clock, wall_ms: Some(START_MS + 1000 * self.clock as i64), clock }
    }

    fn open(&mut self, head: Head, tail_state: TailState, found: Option<Found>) {
        let origin = Origin { site: name("harbour"), gw: name("gate-7") };
        let opening = Opening { tail_state, found, last_receipt: None, version: "0.1.0".into() };
        let identity = IdentityKey::from_seed(story::IDENTITY_SEED);
        let seed = [0x20 + head.ep as u8; 32];
        let (sealer, sealed) =
            Sealer::open(&origin, &identity, seed, head, &opening, &self.when()).expect("a good opening");
        self.sealer = Some(sealer);
        self.all.insert(sealed.seq, sealed);
    }

    fn seal(&mut self, kind: Kind, data: Value, change: impl FnOnce(Body) -> Body) -> Sealed {
        let Value::Object(data) = data else { unreachable!("every data of the story is an object") };
        let body = change(Body::new(self.when(), kind, Severity::Info, data));
        self.sealer.as_mut().expect("an epoch is open").seal(&body).expect("a good body")
    }

    fn add(&mut self, kind: Kind, data: Value) {
        let sealed = self.seal(kind, data, |body| body);
        self.all.insert(sealed.seq, sealed);
    }

    fn head(&self) -> Head {
        self.sealer.as_ref().expect("an epoch is open").head()
    }

    /// 1 to 5, which are disposed of later; 6 to 11, of which 9 and 10 are lost, without an end.
    fn first_two_epochs(&mut self) {
        self.open(Head::genesis(story::acceptance().link), TailState::Genesis, None);
        self.add(Kind::LogGenesis, json!({}));
        self.add(Kind::Heartbeat, json!({}));
        self.add(Kind::SummaryDay, json!({"day": "2025-11-22"}));
        self.add(Kind::EpochClose, json!({"reason": "stop"}));
        self.open(self.head(), TailState::Clean, None);
        let personal = Some(Personal::Committed(disclosure().commitment()));
        let act = self.seal(Kind::ActAcknowledged, json!({"alarm": "door-1/forced"}), |body| Body { personal, ..body });
        self.all.insert(act.seq, act);
        let auth = order(2, order(1, story::acceptance().link).link).link;
        let mode = Mode::Drill(Drill { id: "spring".into(), auth });
        let alarm = self.seal(Kind::AlarmRaised, json!({"alarm": "door-1/forced"}), |body| Body { mode, ..body });
        self.all.insert(alarm.seq, alarm);
        self.add(Kind::Heartbeat, json!({"lost": 1}));
        self.add(Kind::Heartbeat, json!({"lost": 2}));
        self.add(Kind::GapDropped, json!({"n": 17, "reason": "disk_full", "by_sev": [17, 0, 0, 0, 0]}));
    }

    /// 12 to 15, without an end.
    fn after_the_crash(&mut self) {
        self.open(self.head(), TailState::Crash, None);
        self.add(Kind::JournalRecovered, json!({"n": 1, "lost": [[9, 10]]}));
        self.add(Kind::RecordsDisposed, json!({"from": 1, "to": 5, "why": "space", "authority": "receipt 1"}));
        self.add(Kind::Heartbeat, json!({}));
    }

    /// 19 behind a receipt for 18; 22 behind a receipt for another 21 than ours; to 27.
    fn after_two_rollbacks(&mut self) {
        let found = |head: Head| Some(Found { seq: head.seq, link: head.link });
        let [(upto, link), (second, other)] = THEIRS;
        let tail = found(self.head());
        self.open(Head { ep: 4, seq: upto, link }, TailState::Rollback, tail);
        self.add(Kind::Heartbeat, json!({}));
        self.add(Kind::Heartbeat, json!({}));
        for data in [json!({"left": 1}), json!({"left": 2})] {
            let left = self.seal(Kind::Heartbeat, data, |body| body);
            self.branch.push(left);
        }
        let tail = found(self.head());
        self.open(Head { ep: 5, seq: second, link: other }, TailState::Rollback, tail);
        self.add(Kind::Heartbeat, json!({}));
        self.add(Kind::Snapshot, json!({"digest": "0".repeat(43)}));
        self.add(Kind::EpochClose, json!({"reason": "rotate"}));
        self.open(self.head(), TailState::Rotate, None);
        self.add(Kind::Heartbeat, json!({}));
    }

    fn records(&self) -> String {
        let kept = self.all.iter().filter(|(seq, _)| **seq >= 6 && **seq != 9);
        // Of record 10 an unreadable line is left.
        kept.map(|(seq, record)| if *seq == 10 { "damaged\n".to_owned() } else { format!("{}\n", record.line) })
            .collect()
    }

    fn receipts(&self) -> String {
        let own = |upto: u64| (upto, self.all[&upto].link);
        let [first, second] = THEIRS;
        let stages = [(own(5), 1), (own(13), 3), (first, 4), (second, 5), (own(26), 7)];
        let (mut prev, mut text) = (story::acceptance().link, String::new());
        for (n, ((upto, head), ep)) in (1..).zip(stages) {
            let receipt = Receipt {
                sms: name("sms"),
                gw: name("gate-7"),
                n,
                prev,
                upto,
                head,
                ep,
                received_ms: START_MS + 900 * n as i64,
                ts_ms: START_MS + 1000 * n as i64,
                state: if n == 4 { State::Fork } else { State::Ok },
                have: vec![],
                resend: vec![],
                rebase: (n == 4).then_some((upto, head)),
                register: None,
                settings: None,
            };
            let seed = if n == 1 { story::RECEIPT_SEED } else { SECOND_RECEIPT_SEED };
            let signed = receipt.sign(&ReceiptKey::from_seed(seed));
            prev = signed.link;
            text += &(signed.line + "\n");
        }
        text
    }

    fn manifest(&mut self, files: &Files) -> String {
        let files = files.iter().filter(|(part, _)| **part != Part::Manifest);
        let row = |(part, bytes): (&Part, &Vec<u8>)| {
            (part.file().to_owned(), (bytes.len() as u64, Sha256::digest(bytes).into()))
        };
        let manifest = Manifest {
            seq: 28,
            prev: self.head().link,
            from: 6,
            to: 27,
            by: "N. Adeyemi".into(),
            reason: "inquiry 4".into(),
            files: files.map(row).collect(),
        };
        self.seal(Kind::RecordsExported, Value::Object(manifest.data()), |body| body).line
    }
}
