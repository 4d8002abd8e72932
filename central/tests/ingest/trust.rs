//! Silence, revocation, personal data: whom the central side misses, whom it no longer believes, what it may not keep.

use crate::scene::*;
use picket_central::ingest::Tally;
use picket_central::status;
use picket_central::store::{Accepted, Store};
use picket_record::body::{Body, When};
use picket_record::chain::{Head, Sealed, TailState};
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::{PERSONAL_MAX, Personal};
use picket_record::receipt::State;
use serde_json::json;
use sha2::{Digest, Sha256};

fn state(scene: &Scene) -> String {
    status::gateways(&scene.path()).unwrap()[0].state.clone()
}

#[test]
fn three_missed_heartbeats_are_a_finding_by_the_interval_that_the_gateway_states() {
    let mut scene = Scene::new();
    scene.seal(&body(Kind::Heartbeat, Severity::Info, json!({"every_s": 10})));
    scene.fill(3);
    scene.send(1..=2, 0);
    scene.ingest.listen(at(30_000)).unwrap();
    assert!(!state(&scene).contains("SILENT"));
    scene.ingest.listen(at(30_001)).unwrap();
    assert!(state(&scene).ends_with(", SILENT"), "{}", state(&scene));
    // What it sent before, and what anybody sends for it, is no sign of life.
    scene.send(1..=2, 31_000);
    scene.ingest.batch(GW, &[b"a.b.c"], at(31_000)).unwrap();
    scene.reopen();
    scene.ingest.listen(at(40_000)).unwrap();
    assert!(state(&scene).ends_with(", SILENT"));
    scene.send([3], 50_000);
    assert!(!state(&scene).contains("SILENT"));
}

#[test]
fn a_gateway_that_never_spoke_is_missed_from_its_acceptance_on() {
    let mut scene = Scene::new();
    scene.ingest.listen(at(180_000)).unwrap();
    assert!(!state(&scene).contains("SILENT"));
    // Another one, accepted while this runs.
    let accepted = Accepted { site: name("harbour"), gw: name("gate-8"), identity: identity().public(), link: [1; 32] };
    Store::open(&scene.path()).unwrap().accept("line", &accepted).unwrap();
    scene.ingest.listen(at(180_001)).unwrap();
    assert!(state(&scene).ends_with(", SILENT"), "{}", state(&scene));
    let other = |scene: &Scene| status::gateways(&scene.path()).unwrap()[1].state.clone();
    assert!(!other(&scene).contains("SILENT"));
    scene.ingest.listen(at(360_002)).unwrap();
    assert!(other(&scene).contains("SILENT"));
    let details = status::details(&scene.path(), &name("gate-8")).unwrap();
    assert!(details.contains("NEVER heard since it was accepted"), "{details}");
    scene.send([1], 400_000);
    assert!(!state(&scene).contains("SILENT"));
}

#[test]
fn a_gateway_that_said_that_it_stops_is_not_silent() {
    let mut scene = Scene::new();
    scene.seal(&body(Kind::ActStopped, Severity::Info, json!({})));
    scene.seal(&about_alarm(Kind::EpochClose, "-"));
    scene.send(1..=3, 0);
    scene.ingest.listen(at(1_000_000)).unwrap();
    assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
    let (_, opening) = open(3, scene.sealer.head(), TailState::Clean);
    scene.sent.push(opening);
    scene.send([4], 1_000_000);
    scene.ingest.listen(at(1_180_001)).unwrap();
    assert!(state(&scene).ends_with(", SILENT"), "sixty seconds where none were stated");
}

#[test]
fn whether_a_gateway_stopped_is_the_word_of_its_newest_record_whatever_order_they_come_in() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.seal(&body(Kind::ActStopped, Severity::Info, json!({})));
    scene.seal(&about_alarm(Kind::EpochClose, "-"));
    // The stop first, as one of the alarm lane, then the backlog.
    scene.send([1, 4], 0);
    scene.send([2], 10);
    scene.reopen();
    scene.send([3, 5], 20);
    assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
    scene.ingest.listen(at(1_000_000)).unwrap();
    assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
}

#[test]
fn a_stop_in_a_history_that_the_gateway_left_hides_no_silence() {
    let mut scene = Scene::new();
    scene.fill(4);
    let kept = scene.sealer.head();
    scene.fill(8);
    scene.seal(&body(Kind::ActStopped, Severity::Info, json!({})));
    scene.send([1, 2, 3, 4, 9], 0);
    assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
    let (_, opening) = open(8, kept, TailState::Rollback);
    scene.ingest.batch(GW, &[opening.line.as_bytes()], at(10)).unwrap();
    scene.ingest.listen(at(200_000)).unwrap();
    assert!(state(&scene).ends_with(", SILENT"), "{}", state(&scene));
}

#[test]
fn a_stop_that_waits_hides_no_silence_of_a_gateway_that_was_heard_since() {
    let later = |kind, boot: &str, mono_us| {
        let body = body(kind, Severity::Info, json!({}));
        Body { when: When { boot: boot.into(), mono_us, ..body.when.clone() }, ..body }
    };
    // The number of the beat is below that of the stop. Written before it, later in its boot, and in another boot.
    for (boot, mono_us, shown) in [("b", 4, ", stopped"), ("b", 6, ", SILENT"), ("c", 4, ", SILENT")] {
        let mut scene = Scene::new();
        scene.fill(3);
        let kept = scene.sealer.head();
        scene.fill(8);
        let stop = scene.seal(&later(Kind::ActStopped, "b", 5)) + 1;
        scene.send([1, 2, 3, stop], 0);
        assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
        scene.sealer.rewind(kept);
        let beat = scene.seal(&later(Kind::Heartbeat, boot, mono_us)) + 1;
        scene.send([beat], 10);
        scene.reopen();
        scene.ingest.listen(at(200_000)).unwrap();
        assert!(state(&scene).ends_with(shown), "{boot} {mono_us}: {}", state(&scene));
    }
}

#[test]
fn a_stop_counts_again_once_the_chain_reaches_it() {
    let mut scene = Scene::new();
    scene.fill(2);
    let next = Body { when: When { boot: "before".into(), ..beat().when }, ..beat() };
    scene.seal(&next);
    scene.seal(&next);
    scene.seal(&body(Kind::ActStopped, Severity::Info, json!({})));
    scene.send([1, 2, 5], 0);
    scene.send([3], 10);
    assert!(!state(&scene).ends_with(", stopped"), "nobody knows of which of the two boots it is: {}", state(&scene));
    scene.send([4], 20);
    assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
}

#[test]
fn a_stop_that_rots_while_it_waits_hides_no_silence() {
    let mut scene = Scene::new();
    scene.fill(3);
    scene.seal(&body(Kind::ActStopped, Severity::Info, json!({})));
    scene.send([1, 2, 4], 0);
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    assert_eq!(db.execute("UPDATE ahead SET line='x' WHERE seq=4", []).unwrap(), 1);
    scene.send([3], 10);
    scene.ingest.listen(at(200_000)).unwrap();
    assert!(state(&scene).ends_with(", SILENT"), "{}", state(&scene));
    // It is asked for again, and comes.
    scene.send([4], 200_010);
    assert!(state(&scene).ends_with(", stopped"), "{}", state(&scene));
}

#[test]
fn nobody_is_missed_while_the_broker_was_away() {
    let mut scene = Scene::new();
    scene.send([1], 0);
    scene.ingest.repeat(at(500_000));
    scene.ingest.listen(at(600_000)).unwrap();
    assert!(!state(&scene).contains("SILENT"));
    scene.ingest.listen(at(680_001)).unwrap();
    assert!(state(&scene).contains("SILENT"));
}

#[test]
fn records_after_a_revocation_are_kept_and_not_acted_on() {
    let mut scene = Scene::new();
    scene.seal(&raised("before"));
    scene.seal(&raised("after"));
    scene.seal(&about_alarm(Kind::AlarmClosed, "before"));
    scene.send(1..=4, 0);
    scene.receipt(0).unwrap();
    let names = "SELECT coalesce(group_concat(alarm_id),'') FROM open_alarm";
    assert_eq!(scene.ask_store::<String>(names), "after");
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 2, "N. N.", 7).unwrap();
    assert_eq!(scene.ask_store::<String>(names), "before", "as it stood after record 2");
    scene.seal(&raised("later"));
    scene.fill(7);
    scene.seal(&raised("ahead"));
    assert_eq!(scene.send([5, 6, 8], 1_000), Tally { stored: 2, ahead: 1, ..Tally::default() });
    let (receipt, _) = scene.receipt(1_000).unwrap();
    assert_eq!((receipt.state, receipt.upto, receipt.rebase), (State::Revoked, 6, None));
    assert_eq!(scene.ask_store::<String>(names), "before");
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM record"), 6);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM trusted_record"), 2);
    scene.reopen();
    scene.send([7], 3_000);
    assert_eq!(scene.receipt(3_000).unwrap().0.state, State::Revoked);
    assert_eq!(state(&scene), "revoked");
    // A later record does not bring it back.
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 5, "N. N.", 8).unwrap();
    assert_eq!(scene.ask_store::<u64>("SELECT after_seq FROM revoked"), 2);
}

#[test]
fn a_revocation_keeps_an_alarm_that_is_trusted_and_waits_for_its_turn() {
    let mut scene = Scene::new();
    scene.fill(2);
    scene.seal(&raised("trusted"));
    scene.seal(&raised("not"));
    scene.send([1, 3, 4], 0);
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 3, "N. N.", 7).unwrap();
    let names = "SELECT coalesce(group_concat(alarm_id||ahead),'') FROM open_alarm";
    assert_eq!(scene.ask_store::<String>(names), "trusted1");
    scene.send([2], 10);
    assert_eq!(scene.ask_store::<String>(names), "trusted0");
}

const TEXT: &str = r#"{"by":"N. Adeyemi"}"#;
const SALT: [u8; 16] = [5; 16];

/// The next record of a scene, which commits to a text.
fn committed(scene: &mut Scene) -> Sealed {
    let commitment = Sha256::new().chain_update(SALT).chain_update(TEXT).finalize().into();
    let personal = Some(Personal::Committed(commitment));
    scene.sealer.seal(&Body { personal, ..about_alarm(Kind::ActAcknowledged, "a") }).unwrap()
}

fn opening(seq: u64, salt: [u8; 16], text: &str) -> String {
    json!({"pii": seq, "salt": base64url(&salt), "text": text}).to_string()
}

#[test]
fn personal_data_is_kept_beside_its_record_and_erased_by_a_later_one() {
    let mut scene = Scene::new();
    let record = committed(&mut scene);
    scene.sent.push(record.clone());
    let line = opening(2, SALT, TEXT);
    let lines = [scene.sent[0].line.as_bytes(), record.line.as_bytes(), line.as_bytes(), line.as_bytes()];
    let tally = scene.ingest.batch(GW, &lines, at(0)).unwrap();
    assert_eq!(tally, Tally { stored: 2, personal: 1, duplicates: 1, ..Tally::default() });
    assert_eq!(scene.ask_store::<String>("SELECT text FROM personal WHERE seq=2"), TEXT);
    let head = Head { ep: 1, seq: 2, link: record.link };
    let (mut sealer, again) = open(8, head, TailState::Crash);
    let erased = sealer
        .seal(&body(Kind::PersonalErased, Severity::Info, json!({"records": [2, [2, 9_007_199_254_740_991_u64]]})))
        .unwrap();
    let lines = [again.line.as_bytes(), erased.line.as_bytes(), line.as_bytes()];
    let tally = scene.ingest.batch(GW, &lines, at(10)).unwrap();
    assert_eq!((tally.stored, tally.refused), (2, 1), "what was erased does not come back");
    assert_eq!(
        scene.ask_store::<u64>("SELECT count(*) FROM personal WHERE seq=2 AND text IS NULL AND salt IS NULL"),
        1
    );
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM quarantine WHERE line LIKE '%Adeyemi%'"), 0);
}

#[test]
fn personal_data_of_a_record_of_another_history_is_kept_with_it() {
    let mut scene = Scene::new();
    let record = committed(&mut scene);
    let head = Head { ep: 0, seq: 1, link: scene.sent[0].link };
    let (_, first) = open(8, Head { ep: 1, ..head }, TailState::Crash);
    scene.ingest.batch(GW, &[scene.sent[0].line.as_bytes(), first.line.as_bytes()], at(0)).unwrap();
    let line = opening(2, SALT, TEXT);
    let tally = scene.ingest.batch(GW, &[record.line.as_bytes(), line.as_bytes()], at(10)).unwrap();
    assert_eq!(tally, Tally { forks: 1, personal: 1, ..Tally::default() });
}

#[test]
fn what_two_histories_disclose_under_one_number_is_kept_for_each() {
    const OTHER: &str = r#"{"by":"B. Okafor"}"#;
    let commits = |text: &str| {
        let commitment = Sha256::new().chain_update(SALT).chain_update(text).finalize().into();
        let personal = Some(Personal::Committed(commitment));
        Body { personal, ..about_alarm(Kind::ActAcknowledged, "a") }
    };
    let mut scene = Scene::new();
    let (mut sealer, first) = open(8, Head { ep: 1, seq: 1, link: scene.sent[0].link }, TailState::Crash);
    let chain = [scene.sent[0].clone(), first, sealer.seal(&commits(OTHER)).unwrap()];
    scene.fill(2);
    scene.seal(&commits(TEXT));
    let lines: Vec<&[u8]> = chain.iter().chain(&scene.sent[1..]).map(|sealed| sealed.line.as_bytes()).collect();
    let tally = scene.ingest.batch(GW, &lines, at(0)).unwrap();
    assert_eq!(tally, Tally { stored: 3, forks: 2, ..Tally::default() });
    let lines = [opening(3, SALT, TEXT), opening(3, SALT, OTHER), opening(3, SALT, TEXT)];
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let tally = scene.ingest.batch(GW, &lines, at(10)).unwrap();
    assert_eq!(tally, Tally { personal: 2, duplicates: 1, ..Tally::default() });
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains(&format!("record 3 (act.acknowledged): {OTHER}")), "{details}");
    assert!(details.contains(&format!("record 3 (act.acknowledged, of another history): {TEXT}")), "{details}");
}

#[test]
fn a_store_from_before_histories_had_personal_data_of_their_own_is_taken_over() {
    let mut scene = Scene::new();
    let record = committed(&mut scene);
    let line = opening(2, SALT, TEXT);
    let lines = [scene.sent[0].line.as_bytes(), record.line.as_bytes(), line.as_bytes()];
    assert_eq!(scene.ingest.batch(GW, &lines, at(0)).unwrap().personal, 1);
    let before = "CREATE TABLE before(gw TEXT NOT NULL, seq INTEGER NOT NULL, salt BLOB, text TEXT, erased_by INTEGER,
          received_ms INTEGER NOT NULL, PRIMARY KEY(gw, seq)) STRICT;
        INSERT INTO before SELECT gw,seq,salt,text,erased_by,received_ms FROM personal;
        DROP TABLE personal;
        ALTER TABLE before RENAME TO personal;";
    rusqlite::Connection::open(scene.path()).unwrap().execute_batch(before).unwrap();
    scene.reopen();
    let details = status::details(&scene.path(), &name(GW)).unwrap();
    assert!(details.contains(&format!("record 2 (act.acknowledged): {TEXT}")), "{details}");
    let tally = scene.ingest.batch(GW, &[line.as_bytes()], at(10)).unwrap();
    assert_eq!(tally, Tally { duplicates: 1, ..Tally::default() });
    // As before, and erased: the table of erasures is younger.
    let erased = format!("{before} UPDATE personal SET salt=NULL, text=NULL, erased_by=3;");
    rusqlite::Connection::open(scene.path()).unwrap().execute_batch(&erased).unwrap();
    scene.reopen();
    let tally = scene.ingest.batch(GW, &[line.as_bytes()], at(20)).unwrap();
    assert_eq!(tally, Tally { refused: 1, ..Tally::default() });
    assert_eq!(scene.ask_store::<u64>("SELECT by_seq FROM erased WHERE from_seq=2 AND to_seq=2"), 3);
}

#[test]
fn an_opening_that_comes_after_its_erasure_is_not_kept() {
    let mut scene = Scene::new();
    let record = committed(&mut scene);
    let erased = body(Kind::PersonalErased, Severity::Info, json!({"records": [[1, 2]], "authority": "office"}));
    let erased = scene.sealer.seal(&erased).unwrap();
    let line = opening(2, SALT, TEXT);
    let lines = [scene.sent[0].line.as_bytes(), record.line.as_bytes(), erased.line.as_bytes(), line.as_bytes()];
    let tally = scene.ingest.batch(GW, &lines, at(0)).unwrap();
    assert_eq!(tally, Tally { stored: 3, refused: 1, ..Tally::default() });
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM personal"), 0);
    assert_eq!(scene.ask_store::<u64>("SELECT by_seq FROM erased WHERE from_seq=1 AND to_seq=2"), 3);
}

#[test]
fn personal_data_that_fits_no_record_is_refused_and_not_kept() {
    let mut scene = Scene::new();
    let record = committed(&mut scene);
    scene.send([1], 0);
    scene.ingest.batch(GW, &[record.line.as_bytes()], at(0)).unwrap();
    // One byte more than a gateway may say (FORMAT.md section 9).
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(PERSONAL_MAX - 7));
    assert_eq!(long.len(), PERSONAL_MAX + 1);
    let commitment = Sha256::new().chain_update(SALT).chain_update(&long).finalize().into();
    let personal = Some(Personal::Committed(commitment));
    let committed_to_long = scene.sealer.seal(&Body { personal, ..about_alarm(Kind::ActAcknowledged, "a") }).unwrap();
    scene.ingest.batch(GW, &[committed_to_long.line.as_bytes()], at(0)).unwrap();
    let cases = [
        opening(2, [6; 16], TEXT),
        opening(1, SALT, TEXT),
        opening(9, SALT, TEXT),
        opening(2, SALT, "no object"),
        opening(3, SALT, &long),
        opening(2, SALT, TEXT).replace("\"pii\"", "\"seq\""),
        "{".repeat(100_000),
    ];
    for case in &cases {
        let tally = scene.ingest.batch(GW, &[case.as_bytes()], at(10)).unwrap();
        assert_eq!(tally, Tally { refused: 1, ..Tally::default() }, "{case:.60}");
    }
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM personal"), 0);
    assert_eq!(
        scene.ask_store::<u64>("SELECT count(*) FROM quarantine WHERE line LIKE '%text%' OR length(line)>20"),
        0
    );
}
