use super::*;
use crate::body::{Body, ClockQuality, ClockSource, Drill, Mode, When};
use crate::encode::Name;
use crate::keys::IdentityKey;
use crate::kind::Severity;
use crate::personal::{Personal, PersonalText};
use crate::refusal::Refusal;
use serde_json::{Map, Value, json};

const ACCEPTANCE: Link = [0xac; 32];

fn origin() -> Origin {
    Origin { site: Name::parse("harbour").unwrap(), gw: Name::parse("gate-7").unwrap() }
}

fn identity() -> IdentityKey {
    IdentityKey::from_seed([1; 32])
}

fn when() -> When {
    let clock = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 12, age_s: 30, era: 0 };
    When { boot: "b0".into(), mono_us: 77, wall_ms: Some(1_763_778_000_120), clock }
}

fn body(kind: Kind, data: Value) -> Body {
    let Value::Object(data) = data else { panic!("an object") };
    Body::new(when(), kind, Severity::Info, data)
}

fn opening(tail_state: TailState) -> Opening {
    Opening { tail_state, found: None, last_receipt: None, version: "0.1.0".into() }
}

fn open(seed: u8, head: Head, state: TailState) -> (Sealer, Sealed) {
    Sealer::open(&origin(), &identity(), [seed; 32], head, &opening(state), &when()).unwrap()
}

fn genesis() -> (Sealer, Sealed) {
    open(2, Head::genesis(ACCEPTANCE), TailState::Genesis)
}

/// Two epochs: open, heartbeat, close, open, heartbeat, heartbeat.
fn lines() -> Vec<String> {
    let (mut first, open1) = genesis();
    let beat = body(Kind::Heartbeat, json!({}));
    let mut lines = vec![open1.line, first.seal(&beat).unwrap().line];
    lines.push(first.seal(&body(Kind::EpochClose, json!({"reason": "rotate"}))).unwrap().line);
    let (mut second, open2) = open(3, first.head(), TailState::Rotate);
    lines.push(open2.line);
    lines.push(second.seal(&body(Kind::GapDropped, json!({"n": 5}))).unwrap().line);
    lines.push(second.seal(&beat).unwrap().line);
    lines
}

fn walk(lines: &[String]) -> (Summary, Vec<Contradiction>) {
    let mut check = ChainCheck::new(identity().public());
    let bad = lines.iter().filter_map(|line| check.line(line.as_bytes()).err()).collect();
    (check.finish(), bad)
}

#[test]
fn record_one_opens_epoch_one_and_names_the_acceptance() {
    let (sealer, sealed) = genesis();
    let record = Parsed::read(&sealed.line).unwrap();
    assert_eq!((record.ep, record.seq, record.prev, record.kind), (1, 1, ACCEPTANCE, Kind::EpochOpen));
    assert_eq!(record.data()["tail_state"], "genesis");
    assert_eq!(sealer.head(), Head { ep: 1, seq: 1, link: sealed.link });
}

#[test]
fn the_fields_of_a_record_stand_in_the_order_of_the_format() {
    let (mut sealer, _) = genesis();
    let sealed = sealer.seal(&body(Kind::Heartbeat, json!({"b": 1, "a": [true, null]}))).unwrap();
    let record = Parsed::read(&sealed.line).unwrap();
    let prev = crate::encode::base64url(&record.prev);
    let expected = format!(
        r#"{{"v":1,"site":"harbour","gw":"gate-7","ep":1,"seq":2,"prev":"{prev}","boot":"b0","mono_us":77,"wall":"2025-11-22T02:20:00.120Z","clk":{{"src":"ntp","sync":true,"err_ms":12,"age_s":30,"era":0}},"mode":"live","kind":"heartbeat","sev":0,"data":{{"a":[true,null],"b":1}}}}"#
    );
    assert_eq!(record.payload(), expected);
}

#[test]
fn a_refused_body_leaves_the_chain_as_it_was() {
    let (mut sealer, _) = genesis();
    let head = sealer.head();
    let cases = [
        (json!({"a": 1.5}), BodyRefusal::Number { number: "1.5".into() }),
        (json!({"a": 9_007_199_254_740_992_u64}), BodyRefusal::Number { number: "9007199254740992".into() }),
        (json!({"a": [[[1]]]}), BodyRefusal::TooDeep),
        (json!({"a": "x".repeat(9000)}), BodyRefusal::Text { field: "data", bytes: 9000, limit: 8192 }),
    ];
    for (data, refusal) in cases {
        assert_eq!(sealer.seal(&body(Kind::Readings, data)).unwrap_err(), refusal);
        assert_eq!(sealer.head(), head);
    }
    let many: Map<String, Value> = (0..2000).map(|i| (format!("k{i}"), i.into())).collect();
    assert!(matches!(sealer.seal(&body(Kind::Readings, many.into())), Err(BodyRefusal::TooLarge { .. })));
    assert_eq!(sealer.seal(&body(Kind::EpochOpen, json!({}))), Err(BodyRefusal::Opening));
    assert_eq!(sealer.seal(&body(Kind::Readings, json!({"a": [[1]]}))).unwrap().seq, 2);
}

#[test]
fn a_rewound_sealer_gives_the_same_number_again() {
    let (mut sealer, _) = genesis();
    let head = sealer.head();
    let first = sealer.seal(&body(Kind::Heartbeat, json!({}))).unwrap();
    sealer.rewind(head);
    assert_eq!(sealer.seal(&body(Kind::Heartbeat, json!({}))).unwrap(), first);
}

#[test]
fn a_whole_file_is_verified_and_summed_up() {
    let (summary, bad) = walk(&lines());
    assert_eq!(bad, []);
    let dropped = Loss::Dropped { seq: 5, events: 5, reason: "no reason given".into() };
    let expected = Summary {
        records: 6,
        epochs: 2,
        first: 1,
        last: 6,
        running: true,
        losses: vec![dropped],
        lost: 1,
        declared_losses: 5,
        ..Summary::default()
    };
    assert_eq!(summary, expected);
}

#[test]
fn one_event_that_was_dropped_is_told_as_one() {
    let told = |events| Loss::Dropped { seq: 5, events, reason: "disk".into() }.to_string();
    assert_eq!(told(1), "1 event was dropped before it was recorded (disk), as record 5 says");
    assert_eq!(told(2), "2 events were dropped before they were recorded (disk), as record 5 says");
}

#[test]
fn an_epoch_without_an_end_is_named() {
    let (first, open1) = genesis();
    let (_, open2) = open(3, first.head(), TailState::Crash);
    assert_eq!(walk(&[open1.line, open2.line]).0.unclosed, [1]);
}

#[test]
fn a_dropped_swapped_or_repeated_line_contradicts() {
    let all = lines();
    let mut dropped = all.clone();
    dropped.remove(2);
    assert_eq!(walk(&dropped).1, [Contradiction::Missing { from: 3, to: 3 }]);
    let mut swapped = all.clone();
    swapped.swap(1, 2);
    assert_eq!(walk(&swapped).1.len(), 3);
    let mut repeated = all.clone();
    repeated.insert(2, all[1].clone());
    assert_eq!(walk(&repeated).1[0], Contradiction::Backwards { found: 2, last: 2 });
    assert_eq!(walk(&all[1..]).1[0], Contradiction::Start { seq: 2 });
}

#[test]
fn a_record_is_placed_by_number_link_and_epoch() {
    let all = lines();
    let records: Vec<Parsed<'_>> = all.iter().map(|line| Parsed::read(line).unwrap()).collect();
    let head = Head::after(&records[2]);
    assert_eq!(head.place(&records[3], |_| None), Verdict::Next);
    assert_eq!(head.place(&records[4], |_| None), Verdict::Ahead);
    assert_eq!(head.place(&records[1], |_| Some(records[1].link)), Verdict::Duplicate);
    assert_eq!(head.place(&records[1], |_| Some([0; 32])), Verdict::Fork { stored: [0; 32] });
    assert_eq!(head.place(&records[1], |_| None), Verdict::Forgotten);
    let other = Head { link: [0; 32], ..head };
    assert_eq!(other.place(&records[3], |_| None), Verdict::Break(Break::Prev { seq: 4 }));
    let later = Head { ep: 2, ..head };
    let broken = Verdict::Break(Break::Epoch { found: 2, expected: 3 });
    assert_eq!(later.place(&records[3], |_| None), broken);
}

#[test]
fn a_second_key_for_an_epoch_is_refused_and_the_first_stays() {
    let mut epochs = Epochs::new(origin().gw, identity().public());
    let (_, one) = open(2, Head::genesis(ACCEPTANCE), TailState::Genesis);
    let (_, two) = open(9, Head::genesis(ACCEPTANCE), TailState::Genesis);
    let opened = |line: &str, epochs: &Epochs| verify(&Parsed::read(line).unwrap(), epochs).unwrap().unwrap();
    let first = opened(&one.line, &epochs);
    epochs.admit(&first).unwrap();
    epochs.admit(&first).unwrap();
    let second = opened(&two.line, &epochs);
    assert_eq!(epochs.admit(&second), Err(Refusal::EpochTaken { ep: 1 }));
    assert_eq!(epochs.key(1), Some(first.key()));
}

#[test]
fn a_record_of_an_epoch_never_announced_is_refused() {
    let all = lines();
    let epochs = Epochs::new(origin().gw, identity().public());
    let record = Parsed::read(&all[1]).unwrap();
    assert_eq!(verify(&record, &epochs), Err(Refusal::UnknownEpoch { ep: 1 }));
}

#[test]
fn only_an_opening_follows_the_close_of_an_epoch() {
    let (mut sealer, opening) = genesis();
    let close = sealer.seal(&body(Kind::EpochClose, json!({"reason": "rotate"}))).unwrap();
    let late = sealer.seal(&body(Kind::Heartbeat, json!({}))).unwrap();
    let (_, bad) = walk(&[opening.line, close.line, late.line]);
    assert_eq!(bad, [Contradiction::Broken(Break::Closed { seq: 3, ep: 1 })]);
}

#[test]
fn a_file_whose_records_change_site_contradicts() {
    let (first, one) = genesis();
    let moved = Origin { site: Name::parse("quarry").unwrap(), ..origin() };
    let (_, two) =
        Sealer::open(&moved, &identity(), [3; 32], first.head(), &opening(TailState::Crash), &when()).unwrap();
    let stranger = Refusal::Stranger { found: "quarry".into(), expected: "harbour".into() };
    assert_eq!(walk(&[one.line, two.line]).1, [Contradiction::Refused(stranger)]);
}

#[test]
fn only_an_opening_that_leaves_a_branch_may_skip_numbers_of_epochs() {
    let (first, _) = genesis();
    let behind = |ep| Head { ep, seq: 1, link: first.head().link };
    let place = |ep, state| {
        let (_, sealed) = open(3, behind(ep), state);
        behind(1).place(&Parsed::read(&sealed.line).unwrap(), |_| None)
    };
    assert_eq!(place(6, TailState::Rollback), Verdict::Next);
    assert_eq!(place(6, TailState::Reset), Verdict::Next);
    assert_eq!(place(6, TailState::Crash), Verdict::Break(Break::Epoch { found: 7, expected: 2 }));
    assert_eq!(place(0, TailState::Rollback), Verdict::Break(Break::Epoch { found: 1, expected: 2 }));
}

#[test]
fn declared_losses_are_rising_ranges_below_the_record_that_declares_them() {
    let (mut sealer, _) = genesis();
    for _ in 0..8 {
        sealer.seal(&body(Kind::Heartbeat, json!({}))).unwrap();
    }
    let mut lost = |kind, lost| {
        let line = sealer.seal(&body(kind, json!({ "lost": lost }))).unwrap().line;
        Parsed::read(&line).unwrap().lost()
    };
    assert_eq!(lost(Kind::JournalRecovered, json!([[2, 3], [5, 5]])), [(2, 3), (5, 5)]);
    for wrong in [json!([[0, 1]]), json!([[3, 2]]), json!([[2, 3], [3, 4]]), json!([[2, 99]]), json!([2, 3]), json!(7)]
    {
        assert_eq!(lost(Kind::JournalRecovered, wrong), []);
    }
    assert_eq!(lost(Kind::Heartbeat, json!([[2, 3]])), [], "nothing but the journal's own word declares a loss");
}

#[test]
fn a_record_of_a_drill_names_it_and_no_other_record_does() {
    let (mut sealer, _) = genesis();
    let drill = Drill { id: "spring".into(), auth: [7; 32] };
    let in_drill = Body { mode: Mode::Drill(drill.clone()), ..body(Kind::AlarmRaised, json!({})) };
    let sealed = sealer.seal(&in_drill).unwrap();
    let record = Parsed::read(&sealed.line).unwrap();
    assert_eq!((record.mode.as_str(), record.drill.clone()), ("drill", Some(drill)));
    let auth = crate::encode::base64url(&[7; 32]);
    let expected = format!(r#","mode":"drill","drill":{{"id":"spring","auth":"{auth}"}},"kind":"alarm.raised""#);
    assert!(record.payload().contains(&expected), "{}", record.payload());

    let written = |from: &str, to: &str| {
        let payload = record.payload().replacen(from, to, 1);
        let header = crate::encode::Header::Record { gw: &origin().gw, ep: 1 }.encoded();
        let line = crate::encode::assemble(&header, payload.as_bytes(), |_| [0; 64]).line;
        Parsed::read(&line).map(|_| ()).unwrap_err()
    };
    let expected = "the id and authority of a drill, exactly in mode drill";
    assert_eq!(written(r#""drill":{"#, r#""dril":{"#), Refusal::Missing { field: "drill" });
    let refused = Refusal::Field { field: "drill", expected };
    assert_eq!(written(r#""mode":"drill""#, r#""mode":"live""#), refused);
    assert_eq!(written(r#""id":"spring""#, r#""id":"""#), refused);
    assert_eq!(written(r#""auth":""#, r#""auth":"AA"#).to_string(), "the auth is not strict base64url");
    let unnamed = Drill { id: String::new(), auth: [7; 32] };
    let body = Body { mode: Mode::Drill(unnamed), ..body(Kind::Heartbeat, json!({})) };
    assert_eq!(sealer.seal(&body), Err(BodyRefusal::Unnamed));
}

#[test]
fn personal_data_is_in_the_chain_as_a_salted_hash_alone() {
    let (mut sealer, _) = genesis();
    let opening = crate::personal::Disclosure { salt: [5; 16], text: r#"{"by":"N. Adeyemi"}"#.into() };
    let about = |personal| Body { personal, ..body(Kind::ActAcknowledged, json!({"alarm": "a"})) };
    let said = PersonalText::of(&[("by", "N. Adeyemi")]).unwrap();
    assert_eq!(sealer.seal(&about(Some(Personal::Said(said)))), Err(BodyRefusal::Unsalted));
    let act = about(Some(Personal::Committed(opening.commitment())));
    let line = sealer.seal(&act).unwrap().line;
    let record = Parsed::read(&line).unwrap();
    assert_eq!(record.personal, Some(opening.commitment()));
    let text = crate::encode::base64url(&opening.commitment());
    assert!(record.payload().contains(&format!(r#""sev":0,"pii":"{text}","data":{{"#)), "{}", record.payload());
    assert!(!record.payload().contains("Adeyemi"));
}

#[test]
fn a_line_past_those_that_are_held_contradicts_and_the_held_ones_are_still_declared() {
    let (mut sealer, open1) = genesis();
    let first = sealer.seal(&body(Kind::Heartbeat, json!({}))).unwrap();
    let (damaged, over) = ((HELD_MAX + LISTED_MAX + 7) as u64, (LISTED_MAX + 7) as u64);
    let head = sealer.head();
    let (mut sealer, open2) = open(3, Head { seq: head.seq + damaged, ..head }, TailState::Crash);
    let lost = json!({"lost": [[head.seq + 1, head.seq + damaged]]});
    let declared = sealer.seal(&body(Kind::JournalRecovered, lost)).unwrap();
    let mut check = ChainCheck::new(identity().public());
    let text = |sealed: &Sealed| sealed.line.clone();
    let junk = (0..damaged).map(|_| "damaged".to_owned());
    for line in [text(&open1), text(&first)].into_iter().chain(junk).chain([text(&open2), text(&declared)]) {
        let _ = check.line(line.as_bytes());
    }
    let summary = check.finish();
    assert_eq!((summary.contradictions, summary.found.len()), (over, LISTED_MAX));
    assert!(summary.found.iter().all(|placed| placed.line > Some(2 + HELD_MAX as u64)));
}
