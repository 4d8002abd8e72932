//! The gateway that every part uses: its names, its keys, its place in a folder, and bodies by seed.

use picket::journal::{Credentials, Entropy, Fault, Journal, Place};
use picket_core::time::Chance;
use picket_core::wire::Recovered;
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::chain::Origin;
use picket_record::encode::{Link, Name};
use picket_record::keys::{IdentityKey, PublicKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::personal::{Personal, PersonalText};
use picket_record::receipt::{Receipt, State};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `prev` of record 1.
const ACCEPTANCE: Link = [5; 32];
const SITE: &str = "harbour";
const GATEWAY: &str = "gate-7";
/// File name of the database.
pub(crate) const DATABASE: &str = "journal.db";
/// 2025-11-22, in milliseconds.
const WALL_MS: i64 = 1_795_305_600_000;

/// The public half of the identity.
pub(crate) fn identity() -> PublicKey {
    IdentityKey::from_seed([1; 32]).public()
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name as it must be")
}

/// Names in every record.
pub(crate) fn origin() -> Origin {
    Origin { site: name(SITE), gw: name(GATEWAY) }
}

/// Where the journal of a folder lies.
pub(crate) fn place(folder: &Path, budget_bytes: u64) -> Place {
    let none = PathBuf::new();
    let file = folder.join(DATABASE);
    Place {
        file,
        budget_bytes,
        retention_days: 30,
        identity: none.clone(),
        acceptance: none.clone(),
        accept_key: none.clone(),
        root: none,
    }
}

fn credentials() -> Credentials {
    Credentials {
        origin: origin(),
        identity: IdentityKey::from_seed([1; 32]),
        receipt_key: ReceiptKey::from_seed([9; 32]).public(),
        accepted_receipt_key: ReceiptKey::from_seed([9; 32]).public(),
        roots: None,
        acceptance: ACCEPTANCE,
        acceptance_line: "acceptance".into(),
    }
}

/// Opens the journal of a folder with the product's own code; epoch keys follow from the seed.
pub(crate) fn open(folder: &Path, budget: u64, seed: u64, mono_us: u64) -> Result<(Journal, Recovered), Fault> {
    let mut chance = Chance::new(seed ^ 0x5EED);
    let entropy: Entropy = Box::new(move || std::array::from_fn(|_| chance.below(256) as u8));
    Journal::open(&place(folder, budget), credentials(), entropy, &at(mono_us), "faults")
}

/// A moment of a clock that is synchronised.
pub(crate) fn at(mono_us: u64) -> When {
    let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 5, age_s: 10, era: 0 };
    When { boot: "b0".into(), mono_us, wall_ms: Some(WALL_MS + (mono_us / 1_000) as i64), clock }
}

/// A record of the given kind about nothing.
pub(crate) fn body(mono_us: u64, kind: Kind, severity: Severity, data: Value) -> Body {
    let Value::Object(data) = data else { unreachable!("data are an object") };
    Body::new(at(mono_us), kind, severity, data)
}

/// A small record: heartbeats, and what changes the state rows.
pub(crate) fn small(mono_us: u64, chance: &mut Chance) -> Body {
    let alarm = format!("door/{}", chance.below(5));
    let (kind, severity, data) = match chance.below(6) {
        0 => (Kind::AlarmRaised, Severity::Security, json!({ "alarm": alarm, "n": chance.below(1_000) })),
        1 => (Kind::AlarmClosed, Severity::Notice, json!({ "alarm": alarm })),
        2 => (Kind::ActAcknowledged, Severity::Notice, json!({ "alarm": alarm })),
        3 => (Kind::NonconformityOpened, Severity::Fault, json!({ "nonconformity": alarm, "judged_ms": 5 })),
        4 => (Kind::NonconformityClosed, Severity::Notice, json!({ "nonconformity": alarm })),
        _ => (Kind::Heartbeat, Severity::Info, json!({ "n": chance.below(1_000_000) })),
    };
    let guard = (kind == Kind::ActAcknowledged).then(|| PersonalText::of(&[("by", "Ada")])).flatten();
    Body { personal: guard.map(Personal::Said), ..body(mono_us, kind, severity, data) }
}

/// A record of about 6 KiB: more than a page, so that it overflows into others.
pub(crate) fn large(mono_us: u64, chance: &mut Chance) -> Body {
    let text: String = (0..4_500).map(|_| char::from(b'a' + chance.below(26) as u8)).collect();
    body(mono_us, Kind::Heartbeat, Severity::Info, json!({ "x": text }))
}

/// A receipt of the central side for the records up to one with this link.
pub(crate) fn receipt(n: u64, upto: u64, head: Link, mono_us: u64) -> String {
    let ts_ms = WALL_MS + (mono_us / 1_000) as i64;
    let receipt = Receipt {
        sms: name("sms"),
        gw: name(GATEWAY),
        n,
        prev: [0; 32],
        upto,
        head,
        ep: 1,
        received_ms: ts_ms,
        ts_ms,
        state: State::Ok,
        have: Vec::new(),
        resend: Vec::new(),
        rebase: None,
        register: None,
        settings: None,
    };
    receipt.sign(&ReceiptKey::from_seed([9; 32])).line
}
