//! The history that the frozen vectors of version 1 tell, and the keys it is signed with.

use picket_record::acceptance::Acceptance;
use picket_record::body::{
    About, Body, ClockQuality, ClockSource, IdentityEvidence, Mode, Source, Standing, When, measured,
};
use picket_record::chain::{Found, Head, Opening, Origin, Sealed, Sealer, TailState};
use picket_record::encode::{Name, Signed};
use picket_record::keys::{AcceptKey, IdentityKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::{Receipt, State};
use serde_json::{Map, Value, json};

pub(crate) const IDENTITY_SEED: [u8; 32] = [1; 32];
pub(crate) const EPOCH_SEEDS: [[u8; 32]; 2] = [[2; 32], [3; 32]];
pub(crate) const RECEIPT_SEED: [u8; 32] = [4; 32];
pub(crate) const ACCEPT_SEED: [u8; 32] = [5; 32];
const START_MS: i64 = 1_763_778_000_120;

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a good name")
}

pub(crate) fn acceptance() -> Signed {
    let acceptance = Acceptance {
        sms: name("sms"),
        site: name("harbour"),
        gw: name("gate-7"),
        identity: IdentityKey::from_seed(IDENTITY_SEED).public(),
        receipt_key: ReceiptKey::from_seed(RECEIPT_SEED).public(),
        ts_ms: START_MS - 60_000,
        by: "Ngozi Adeyemi \"N.\"".into(),
    };
    acceptance.sign(&AcceptKey::from_seed(ACCEPT_SEED)).expect("a good acceptance")
}

/// Twenty records in two epochs, the second not closed.
pub(crate) fn records() -> Vec<Sealed> {
    let (mut first, opening) = open(0, Head::genesis(acceptance().link), TailState::Genesis, None);
    let mut records = vec![opening];
    records.extend(first_epoch().iter().map(|body| first.seal(body).expect("a good body")));
    let receipt = receipts_of(&records)[0].link;
    let (mut second, opening) = open(1, first.head(), TailState::Rotate, Some(receipt));
    records.push(opening);
    records.extend(second_epoch().iter().map(|body| second.seal(body).expect("a good body")));
    records
}

/// Three receipts: for the first eleven records, with a hole, and for all.
pub(crate) fn receipts() -> Vec<Signed> {
    receipts_of(&records())
}

fn receipts_of(records: &[Sealed]) -> Vec<Signed> {
    let key = ReceiptKey::from_seed(RECEIPT_SEED);
    let mut prev = acceptance().link;
    let mut receipts = Vec::new();
    let all = records.len() as u64;
    let stages = [(11, 1, State::Ok, vec![], vec![]), (11, 1, State::Gap, vec![(15, 16)], vec![(12, 14)])];
    let last = (20, 2, State::Ok, vec![], vec![]);
    for (n, (upto, ep, state, have, resend)) in (1..).zip(stages.into_iter().chain((all == 20).then_some(last))) {
        let head = records[upto - 1].link;
        let (sms, gw, upto) = (name("sms"), name("gate-7"), upto as u64);
        let (received_ms, ts_ms) = (START_MS + 900 * n as i64, START_MS + 1000 * n as i64);
        let marks = (None, (n == 3).then_some((4, [0x44; 32])), None);
        let (rebase, register, settings) = marks;
        let receipt = Receipt {
            sms,
            gw,
            n,
            prev,
            upto,
            head,
            ep,
            received_ms,
            ts_ms,
            state,
            have,
            resend,
            rebase,
            register,
            settings,
        };
        let signed = receipt.sign(&key);
        prev = signed.link;
        receipts.push(signed);
    }
    receipts
}

fn open(epoch: usize, head: Head, tail_state: TailState, last_receipt: Option<[u8; 32]>) -> (Sealer, Sealed) {
    let origin = Origin { site: name("harbour"), gw: name("gate-7") };
    let found = (epoch == 0).then_some(Found { seq: 0, link: head.link });
    let opening = Opening { tail_state, found, last_receipt, version: "0.1.0".into() };
    let identity = IdentityKey::from_seed(IDENTITY_SEED);
    Sealer::open(&origin, &identity, EPOCH_SEEDS[epoch], head, &opening, &when(epoch as u64)).expect("a good opening")
}

fn first_epoch() -> Vec<Body> {
    let mut never_set = body(2, Kind::ActStarted, Severity::Info, json!({"version": "0.1.0"}));
    never_set.when.wall_ms = None;
    never_set.when.clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 16_000, age_s: 0, era: 0 };
    let raised = json!({"alarm": "door-1/forced/7", "rule": "door-forced", "text": "door.forced", "args": ["Gate 7"]});
    let mut covered = about(body(6, Kind::Readings, Severity::Notice, json!({"view": "lost"})), "cam-2", overdue());
    covered.device_time = Some("2025-11-22T02:20:06.5+00:00".into());
    vec![
        body(1, Kind::LogGenesis, Severity::Info, json!({"acceptance": "first"})),
        never_set,
        body(3, Kind::ClockStep, Severity::Notice, json!({"before": null, "delta_ms": -9_007_199_254_740_991_i64})),
        about(body(4, Kind::Readings, Severity::Info, json!({"t": measured(215, -1, "Cel")})), "th-1", good()),
        about(body(5, Kind::AlarmRaised, Severity::Security, raised), "door-1", good()),
        covered,
        about(
            body(7, Kind::SealChecked, Severity::Info, json!({"seal": "MLVU1234567 \u{1d}\u{e9}"})),
            "seal-1",
            good(),
        ),
        body(8, Kind::ActAcknowledged, Severity::Info, json!({"alarm": "door-1/forced/7", "by": "guard-3"})),
        about(body(9, Kind::AlarmCleared, Severity::Info, json!({"alarm": "door-1/forced/7"})), "door-1", good()),
        about(body(10, Kind::AlarmClosed, Severity::Info, json!({"alarm": "door-1/forced/7"})), "door-1", good()),
        body(11, Kind::GapDropped, Severity::Notice, json!({"n": 17, "reason": "disk", "by_sev": [17, 0, 0, 0, 0]})),
        body(12, Kind::EpochClose, Severity::Info, json!({"reason": "rotate"})),
    ]
}

fn second_epoch() -> Vec<Body> {
    let mut test = body(14, Kind::SealMismatch, Severity::Security, json!({"seal": "X1", "expected": "X2"}));
    test.mode = Mode::Test;
    let why = json!({"why": ["overdue"], "nested": {"list": [1, 2, 3], "object": {}}});
    vec![
        body(13, Kind::Heartbeat, Severity::Info, json!({"by_sev": [9, 2, 0, 1, 0], "free": 1_048_576})),
        about(test, "seal-1", good()),
        about(body(15, Kind::NonconformityOpened, Severity::Fault, why), "cam-2", overdue()),
        body(16, Kind::Snapshot, Severity::Info, json!({"digest": "0".repeat(43)})),
        body(17, Kind::HealthLine, Severity::Fault, json!({"line": "rs485-1", "silent": true})),
        body(18, Kind::ActStopped, Severity::Info, json!({})),
    ]
}

fn body(at: u64, kind: Kind, severity: Severity, data: Value) -> Body {
    let Value::Object(data): Value = data else { unreachable!("every data of the story is an object") };
    let data: Map<String, Value> = data;
    Body::new(when(at), kind, severity, data)
}

fn when(at: u64) -> When {
    let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 12, age_s: 30, era: 1 };
    let boot = "7c6a9f0e-51f1-4c0c-9d3e-0f6f1a2b3c4d".into();
    When { boot, mono_us: 1_000_000 * (at + 1), wall_ms: Some(START_MS + 1000 * at as i64), clock }
}

fn about(body: Body, equipment: &str, standing: Standing) -> Body {
    let identity = if equipment == "cam-2" { IdentityEvidence::Reported } else { IdentityEvidence::Configured };
    let source = Some(Source { driver: "modbus-tcp", raw: [equipment.len() as u8; 32], identity });
    Body { about: Some(About { equipment: equipment.into(), register: 4, standing, source }), ..body }
}

fn good() -> Standing {
    Standing { st: "good", why: vec![], due: Some("2026-03-01".into()), cert: Some("CAL-0042".into()) }
}

fn overdue() -> Standing {
    Standing { st: "overdue", why: vec!["overdue".into()], due: Some("2025-11-01".into()), cert: None }
}
