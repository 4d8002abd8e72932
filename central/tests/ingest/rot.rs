//! Rows that rotted on the disk, or that a newer program wrote: set aside with a reason, and everything else goes on.

use crate::scene::*;
use picket_central::ingest::Tally;
use picket_central::status;
use picket_central::store::{Accepted, Store};
use picket_record::chain::{Head, Opening, Origin, Sealer, TailState};
use picket_record::keys::ReceiptKey;
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::State;
use serde_json::json;

fn change(scene: &Scene, sql: &str) {
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    assert_eq!(db.execute(sql, []).unwrap(), 1, "{sql}");
}

fn reasons(scene: &Scene) -> String {
    scene.ask_store("SELECT coalesce(group_concat(reason,'; '),'') FROM quarantine")
}

#[test]
fn a_rotten_row_that_waited_is_set_aside_and_asked_for_again() {
    for rot in ["line='eyJ.x.y'", "line=CAST(X'FFFE00' AS TEXT)", "link=zeroblob(32)", "link=X''"] {
        let mut scene = Scene::new();
        scene.fill(6);
        scene.send([1, 2, 4, 5], 0);
        scene.receipt(0);
        change(&scene, &format!("UPDATE ahead SET {rot} WHERE seq=4"));
        scene.reopen();
        assert_eq!(scene.send([3], 100).stored, 1, "{rot}");
        let (receipt, _) = scene.receipt(200).unwrap();
        assert_eq!((receipt.upto, receipt.state, &receipt.resend[..]), (3, State::Gap, &[(4, 4)][..]), "{rot}");
        assert!(reasons(&scene).starts_with("record 4 "), "{}", reasons(&scene));
        assert_eq!(scene.send([4, 6], 300).stored, 3, "{rot}");
    }
}

#[test]
fn a_rotten_opening_or_declaration_ends_no_start() {
    let mut scene = Scene::new();
    scene.fill(4);
    scene.send(1..=3, 0);
    // One opening that waits, one of another history, and a declaration that waits.
    let (_, ahead) = open(8, Head { ep: 1, seq: 9, link: [8; 32] }, TailState::Crash);
    let (_, fork) = open(9, Head { ep: 0, seq: 1, link: scene.sent[0].link }, TailState::Crash);
    scene.fill(5);
    let lost = scene.seal(&body(Kind::JournalRecovered, Severity::Fault, json!({ "lost": [[4, 4]] }))) + 1;
    let lines = [ahead.line.as_bytes(), fork.line.as_bytes(), scene.sent[lost - 1].line.as_bytes()];
    scene.ingest.batch(GW, &lines, at(10)).unwrap();
    change(&scene, "UPDATE ahead SET line='x' WHERE kind='epoch.open'");
    change(&scene, "UPDATE fork SET line='x' WHERE kind='epoch.open'");
    change(&scene, "UPDATE ahead SET line='x' WHERE kind='journal.recovered'");
    scene.reopen();
    scene.reopen();
    assert_eq!(scene.ask_store::<String>("SELECT records||'+'||beyond FROM branch"), "0+1");
    assert_eq!(scene.ask_store::<u64>("SELECT total FROM quarantined"), 2, "once, and the declaration in its turn");
    assert_eq!(scene.send([4, 5], 20).stored, 2);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM ahead"), 0);
    assert_eq!(scene.ask_store::<u64>("SELECT total FROM quarantined"), 3);
    assert_eq!(scene.send([lost], 30).stored, 1);
}

#[test]
fn a_rotten_record_of_the_chain_stops_no_revocation() {
    let mut scene = Scene::new();
    scene.seal(&raised("a"));
    scene.seal(&raised("b"));
    scene.seal(&raised("c"));
    scene.send(1..=4, 0);
    change(&scene, "UPDATE record SET line='x' WHERE seq=3");
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 3, "N. N.", 7).unwrap();
    let shown = "SELECT coalesce(group_concat(alarm_id),'') FROM open_alarm";
    assert_eq!(scene.ask_store::<String>(shown), "a");
    assert!(reasons(&scene).starts_with("record 3 "), "{}", reasons(&scene));
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM record"), 4, "it stays where it was");
    assert!(status::details(&scene.path(), &name(GW)).unwrap().contains("record 3 can no longer be read"));
}

#[test]
fn a_revocation_leaves_the_alarms_of_a_long_history_as_they_stood_after_the_last_trusted_record() {
    let mut scene = Scene::new();
    for n in 0..2_500 {
        scene.seal(&raised(&format!("a{n}")));
        scene.seal(&about_alarm(if n % 2 == 0 { Kind::AlarmClosed } else { Kind::AlarmCleared }, &format!("a{n}")));
    }
    let all = scene.sent.len();
    scene.send(1..=all, 0);
    let before: String = scene.ask_store(
        "SELECT group_concat(alarm_id||coalesce(cleared_seq,'')) FROM
        (SELECT * FROM open_alarm WHERE raised_seq<=3001 ORDER BY raised_seq)",
    );
    Store::open(&scene.path()).unwrap().revoke(&name(GW), 3_001, "N. N.", 7).unwrap();
    let after = "SELECT group_concat(alarm_id||coalesce(cleared_seq,'')) FROM
        (SELECT * FROM open_alarm ORDER BY raised_seq)";
    assert_eq!(scene.ask_store::<String>(after), before, "up to the record, whatever came after it");
}

const OTHER: &str = "gate-8";

/// A second gateway, accepted, and its first record.
fn other(scene: &mut Scene) -> String {
    let accepted = Accepted { site: name("harbour"), gw: name(OTHER), identity: identity().public(), link: [9; 32] };
    Store::open(&scene.path()).unwrap().accept("line", &accepted).unwrap();
    let origin = Origin { site: name("harbour"), gw: name(OTHER) };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "0".into() };
    let head = Head::genesis([9; 32]);
    Sealer::open(&origin, &identity(), [6; 32], head, &opening, &beat().when).unwrap().1.line
}

fn state(scene: &Scene, gw: &str) -> String {
    status::gateways(&scene.path()).unwrap().into_iter().find(|one| one.gw == gw).unwrap().state
}

#[test]
fn a_gateway_whose_acceptance_rotted_is_left_out_and_told_and_every_other_one_goes_on() {
    // No point of the curve; too short; no name.
    let no_point = format!("identity=X'02{}'", "00".repeat(31));
    for rot in [no_point.as_str(), "identity=X'01'", "accepted_link=X'00'", "site='A B'"] {
        let mut scene = Scene::new();
        let line = other(&mut scene);
        scene.fill(4);
        scene.send([1, 2], 0);
        change(&scene, &format!("UPDATE gateway SET {rot} WHERE gw='{GW}'"));
        scene.reopen();
        assert_eq!(scene.send([3], 10), Tally { refused: 1, ..Tally::default() }, "{rot}");
        assert_eq!(scene.ingest.batch(OTHER, &[line.as_bytes()], at(10)).unwrap().stored, 1, "{rot}");
        assert_eq!(scene.ingest.certificate(GW, b"x", at(10)).unwrap(), None, "{rot}");
        scene.ingest.listen(at(20)).unwrap();
        let answered = scene.ingest.receipts(at(2_000)).unwrap();
        assert_eq!(answered.iter().map(|out| out.gw.as_str()).collect::<Vec<_>>(), [OTHER], "it keeps what it has");
        assert!(state(&scene, GW).starts_with("LEFT OUT"), "{}", state(&scene, GW));
        assert!(status::details(&scene.path(), &name(GW)).unwrap().contains("cannot be read: its acceptance"));
        // Put right, and started again.
        let (key, link) = (identity().public(), scene.acceptance);
        let db = rusqlite::Connection::open(scene.path()).unwrap();
        let mend = "UPDATE gateway SET identity=?1, accepted_link=?2, site='harbour' WHERE gw='gate-7'";
        db.execute(mend, (key.bytes(), link)).unwrap();
        drop(db);
        scene.reopen();
        assert_eq!(scene.send([3, 4], 30).stored, 2, "{rot}");
        assert!(!state(&scene, GW).contains("LEFT OUT"));
    }
}

#[test]
fn a_rotten_key_of_an_epoch_is_taken_from_its_opening() {
    // Damaged so that it is no key, that it is another one, and that it is too short.
    let other: String = ReceiptKey::from_seed([7; 32]).public().bytes().iter().map(|b| format!("{b:02x}")).collect();
    for rot in [format!("02{}", "00".repeat(31)), other, "01".to_owned()] {
        let mut scene = Scene::new();
        scene.fill(4);
        scene.send([1, 2], 0);
        change(&scene, &format!("UPDATE epoch SET epk=X'{rot}' WHERE ep=1"));
        scene.reopen();
        assert_eq!(scene.send([3], 10).stored, 1, "{rot}");
        scene.reopen();
        assert_eq!(scene.send([4], 20).stored, 1, "{rot}");
        assert_ne!(scene.ask_store::<String>("SELECT lower(hex(epk)) FROM epoch"), rot);
    }
}

#[test]
fn a_link_of_the_wrong_length_is_taken_from_its_line_or_costs_its_gateway_alone() {
    let mut scene = Scene::new();
    let line = other(&mut scene);
    scene.fill(5);
    scene.send([1, 2, 3], 0);
    change(&scene, "UPDATE record SET link=X'0102' WHERE seq=3");
    change(&scene, "UPDATE record SET link=X'' WHERE seq=2");
    assert_eq!(scene.send([2, 3], 10), Tally { duplicates: 2, ..Tally::default() });
    scene.reopen();
    assert_eq!(scene.send([2, 3, 4], 20), Tally { duplicates: 2, stored: 1, ..Tally::default() });
    // The newest row, and nothing of it can be read.
    change(&scene, "UPDATE record SET link=X'0102', line='x' WHERE seq=4");
    scene.reopen();
    assert_eq!(scene.send([5], 30), Tally { refused: 1, ..Tally::default() });
    assert_eq!(scene.ingest.batch(OTHER, &[line.as_bytes()], at(30)).unwrap().stored, 1);
    assert!(state(&scene, GW).starts_with("LEFT OUT"), "{}", state(&scene, GW));
}

#[test]
fn a_number_that_can_be_none_costs_its_gateway_alone() {
    let mut scene = Scene::new();
    let line = other(&mut scene);
    scene.fill(5);
    scene.send([1, 2, 4], 0);
    change(&scene, "UPDATE life SET every_s=-1 WHERE gw='gate-7'");
    scene.reopen();
    assert_eq!(scene.send([3], 10), Tally { refused: 1, ..Tally::default() });
    assert_eq!(scene.ingest.batch(OTHER, &[line.as_bytes()], at(10)).unwrap().stored, 1);
    assert!(state(&scene, GW).starts_with("LEFT OUT"), "{}", state(&scene, GW));
}
