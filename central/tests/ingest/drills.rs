//! Records that say they are of a drill: acted on like any other, and held against what was ordered.

use crate::scene::*;
use picket_central::status;
use picket_central::store::{Commanded, Ordered, Store};
use picket_record::body::{About, Body, Drill, Mode, Standing};
use picket_record::command::{Act, Command};
use picket_record::encode::Link;
use picket_record::keys::OrderKey;
use picket_record::kind::{Kind, Severity};
use picket_record::order::{Order, Window};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

/// The store gets an order with a window of an hour for two doors, and a command that begins the drill with one of them.
fn ordered(scene: &Scene) -> Link {
    let key = OrderKey::from_seed([6; 32]);
    let from_ms = at(0).wall_ms;
    let doors = vec!["DOOR-1".to_owned(), "DOOR-2".to_owned()];
    let window = Window { id: "spring".into(), from_ms, to_ms: from_ms + HOUR_MS, equipment: doors };
    let order = Order {
        sms: name("sms"),
        gw: name(GW),
        ver: 1,
        prev: scene.acceptance,
        iat_ms: from_ms,
        exp_ms: from_ms + 24 * HOUR_MS,
        root: 1,
        register: None,
        settings: serde_json::Map::new(),
        drills: vec![window],
    };
    let act = Act::DrillStart { id: "spring".into(), for_s: 600, equipment: vec!["DOOR-1".into()] };
    let command = Command { sms: name("sms"), gw: name(GW), n: 1, seq: 1, on: scene.sent[0].link, act };
    let (order, command) = (order.sign(&key).unwrap(), command.sign(&key).unwrap());
    let mut store = Store::open(&scene.path()).unwrap();
    let kept = Ordered { ver: 1, link: order.link, line: order.line, register: None };
    store.order(&name(GW), &kept, "Ines", from_ms).unwrap();
    store.command(&name(GW), &Commanded { n: 1, line: command.line, made_ms: from_ms }, "Ines").unwrap();
    command.link
}

fn drilled(alarm: &str, auth: Link, equipment: &str, after_ms: i64) -> Body {
    let mut body = raised(alarm);
    (body.when.wall_ms, body.when.clock.sync) = (Some(at(0).wall_ms + after_ms), true);
    let standing = Standing { st: "good", why: Vec::new(), due: None, cert: None };
    body.about = Some(About { equipment: equipment.into(), register: 1, standing, source: None });
    Body { mode: Mode::Drill(Drill { id: "spring".into(), auth }), ..body }
}

fn details(scene: &Scene) -> String {
    status::details(&scene.path(), &name(GW)).unwrap()
}

#[test]
fn records_of_a_drill_that_was_ordered_are_no_finding_and_any_other_is_one_and_live() {
    let mut scene = Scene::new();
    scene.send([1], 0);
    let auth = ordered(&scene);
    // As it comes before a command is sent: another process wrote to the store.
    scene.ingest.downlinks(at(1_000)).unwrap();
    scene.seal(&drilled("ordered", auth, "DOOR-1", 1_000));
    assert_eq!(scene.send([2], 2_000).stored, 1);
    assert!(!details(&scene).contains("NOT ORDERED"), "{}", details(&scene));

    scene.seal(&drilled("made-up", [9; 32], "DOOR-1", 2_000));
    scene.seal(&drilled("made-up-too", [9; 32], "DOOR-2", 2_000));
    scene.seal(&drilled("another-door", auth, "DOOR-2", 3_000));
    scene.seal(&drilled("too-late", auth, "DOOR-1", HOUR_MS));
    assert_eq!(scene.send(3..=6, 3_000).stored, 4);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM open_alarm"), 5, "each of them rings");
    let told = details(&scene);
    for finding in [
        "2 records from 3 to 4 say that they are of drill spring: no command that began a drill has this link",
        "record 5 says that it is of drill spring: that command does not name this equipment",
        "record 6 says that it is of drill spring: no order has a window for it at this time",
    ] {
        assert!(told.contains(finding), "{told}");
    }
    // What was ordered is known after a start as well.
    scene.reopen();
    scene.seal(&drilled("ordered-too", auth, "DOOR-1", 4_000));
    scene.send([7], 4_000);
    assert_eq!(scene.ask_store::<u64>("SELECT sum(records) FROM unordered_drill"), 4);
}

#[test]
fn what_was_ordered_of_drills_is_read_again_only_where_something_was_ordered_since() {
    let mut scene = Scene::new();
    scene.send([1], 0);
    let auth = ordered(&scene);
    scene.ingest.downlinks(at(1_000)).unwrap();
    // Whoever reads these again knows of no drill. Written by another process, as a revocation or an acceptance is.
    let db = rusqlite::Connection::open(scene.path()).unwrap();
    db.execute_batch("UPDATE ordered SET line='x'; UPDATE commanded SET line='x'").unwrap();
    scene.ingest.downlinks(at(2_000)).unwrap();
    scene.seal(&drilled("ordered", auth, "DOOR-1", 1_000));
    assert_eq!(scene.send([2], 3_000).stored, 1);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM unordered_drill"), 0, "nothing new was ordered");
    let command = Commanded { n: 2, line: "y".into(), made_ms: at(0).wall_ms };
    Store::open(&scene.path()).unwrap().command(&name(GW), &command, "Ines").unwrap();
    scene.ingest.downlinks(at(4_000)).unwrap();
    scene.seal(&drilled("ordered-too", auth, "DOOR-1", 2_000));
    assert_eq!(scene.send([3], 5_000).stored, 1);
    assert_eq!(scene.ask_store::<u64>("SELECT count(*) FROM unordered_drill"), 1, "something was");
}

#[test]
fn orders_receipts_and_the_drill_that_runs_are_told_of_a_gateway() {
    let mut scene = Scene::new();
    let auth = ordered(&scene);
    scene.seal(&body(Kind::Heartbeat, Severity::Info, json!({ "order": 1 })));
    let link = picket_record::encode::base64url(&auth);
    scene.seal(&body(Kind::ExerciseStarted, Severity::Notice, json!({ "id": "spring", "auth": link, "command": 1 })));
    scene.send(1..=3, 0);
    scene.receipt(0).unwrap();
    let told = details(&scene);
    for line in [
        "order 1 is in force, by record 2 of",
        "receipt 1 says that records to 3 are here, state ok",
        "DRILL spring RUNS since record 3",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    scene.seal(&body(Kind::ExerciseEnded, Severity::Notice, json!({ "id": "spring", "why": "time" })));
    scene.send([4], 2_000);
    assert!(details(&scene).contains("drill spring ended with record 4: time"), "{}", details(&scene));
}
