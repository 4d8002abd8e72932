//! Rows that rotted on the disk, or that a newer program wrote: set aside with a reason, and everything else goes on.

use crate::scene::*;
use picket_central::status;
use picket_central::store::Store;
use picket_record::chain::{Head, TailState};
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
fn a_revocation_walks_a_long_history_without_the_lock_of_the_writer() {
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
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    let plan = "EXPLAIN QUERY PLAN SELECT seq,link,line,received_ms FROM record WHERE gw='g' AND seq>1 AND seq<=9
        AND kind IN ('alarm.raised','alarm.cleared','alarm.closed','act.acknowledged','snapshot') ORDER BY seq";
    let plan: String = db.query_row(plan, [], |row| row.get(3)).unwrap();
    assert!(plan.contains("USING INDEX record_alarm"), "{plan}");
}
