//! Orders at a whole site: register and settings at run time, drills that hide nothing, stale orders that ring.

use crate::harness::{DOOR, MIDNIGHT_MS, World, id, row};
use crate::restart::{open, troubled};
use picket_core::wire::{Checked, Input, Receipted, Unkept};
use picket_record::body::{Body, Mode};
use picket_record::command::{Act, Command};
use picket_record::encode::{Name, base64url};
use picket_record::kind::Kind;
use picket_record::order::{Judgement, Order, Register, Window};
use picket_record::receipt::State;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const HOUR_S: u64 = 3_600;

pub(crate) fn order(ver: u64, register: Option<&str>, settings: Value) -> Order {
    let name = |text| Name::parse(text).unwrap();
    let to_ms = MIDNIGHT_MS + 3_600_000;
    Order {
        sms: name("hq"),
        gw: name("gw-1"),
        ver,
        prev: [1; 32],
        iat_ms: MIDNIGHT_MS,
        exp_ms: MIDNIGHT_MS + 24 * 3_600_000,
        root: 1,
        register: register.map(|text| Register { sha256: Sha256::digest(text).into(), bytes: text.len() as u64 }),
        settings: settings.as_object().cloned().unwrap_or_default(),
        drills: vec![Window { id: "fire".into(), from_ms: MIDNIGHT_MS, to_ms, equipment: vec!["DOOR-1".into()] }],
    }
}

/// The central side sends an order, and the journal's side finds it good.
pub(crate) fn give(world: &mut World, order: &Order, register: Option<&str>) {
    let content = |kind: &str, payload: Vec<u8>| Input::OrderHeard { content_type: Some(kind.into()), payload };
    let before = world.orders;
    world.give(content("application/jose-lines", b"an order".to_vec()));
    assert_eq!(world.orders, before + 1);
    let ver = u8::try_from(order.ver).unwrap();
    world.journal.order = Some(order.clone());
    let order = Box::new(order.clone());
    let checked = Checked::Order { order, link: [ver; 32], judgement: Judgement::Next, line: "an order".into() };
    world.give(Input::OrderChecked(checked));
    if let Some(text) = register {
        let head = format!("{} 0 {}\n", base64url(&Sha256::digest(text)), text.len());
        world.give(content("application/picket-part", [head.as_bytes(), text.as_bytes()].concat()));
    }
}

pub(crate) fn command(world: &mut World, n: u64, act: Act) {
    let (sms, gw) = (Name::parse("hq").unwrap(), Name::parse("gw-1").unwrap());
    let command = Box::new(Command { sms, gw, n, seq: 2, on: [3; 32], act });
    world.give(Input::OrderChecked(Checked::Command { command, link: [9; 32], judged: Ok(()) }));
}

fn last(world: &World, kind: Kind) -> &Body {
    world.journal.records.iter().rev().find(|body| body.kind == kind).unwrap()
}

#[test]
fn a_register_by_order_is_in_force_at_once_and_stated_with_the_order() {
    let mut world = World::new();
    world.run_s(5);
    let before = last(&world, Kind::RegisterApplied).data["version"].as_u64().unwrap();
    give(&mut world, &order(1, Some("DOOR-9"), json!({ "heartbeat_s": 10, "retention_days": 90 })), Some("DOOR-9"));
    world.run_s(1);
    assert_eq!((world.standing("DOOR-9").as_str(), world.retained), ("good", Some(90)));
    let at = |kind| world.journal.records.iter().rposition(|body| body.kind == kind).unwrap();
    assert_eq!(at(Kind::OrderApplied) + 1, at(Kind::RegisterApplied), "one after the other");
    assert_eq!(last(&world, Kind::RegisterApplied).data["version"], json!(before + 1));
    assert_eq!(world.journal.rows["order"].body.parse::<Value>().unwrap()["ver"], json!(1));
    let beats = world.count(Kind::Heartbeat);
    world.run_s(60);
    assert!(world.count(Kind::Heartbeat) >= beats + 5, "every ten seconds");
    let mut world = world.restarted();
    assert_eq!(world.retained, Some(90));
    let beats = world.count(Kind::Heartbeat);
    world.run_s(60);
    assert!(world.count(Kind::Heartbeat) >= beats + 5, "and so after a start");
    assert_eq!(last(&world, Kind::Heartbeat).data["order"], json!(1));
}

#[test]
fn an_order_replaces_the_plan_and_never_what_was_found_and_done_here() {
    let mut world = troubled();
    let (before, told) = (open(&world), world.told());
    let has = |words: &[&str]| before.0.iter().chain(&before.1).any(|one| words.iter().all(|word| one.contains(word)));
    assert!(has(&["door-forced/DOOR-1", "Ines"]) && has(&["identity-mismatch/MOD-1"]), "{before:?}");
    assert!(has(&["seal-mismatch/READER-1#XX999"]), "{before:?}");
    // Another register: it lists what the one before listed, and a door.
    give(&mut world, &order(1, Some("DOOR-9"), json!({})), Some("DOOR-9"));
    world.run_s(600);
    assert_eq!((world.count(Kind::OrderApplied), world.standing("DOOR-9").as_str()), (1, "good"));
    assert_eq!((world.told(), open(&world)), (told.clone(), before.clone()));
    assert_eq!(world.standing("MOD-1"), "mismatched");
    world.listed.push(row(&[("id", "DOOR-9"), ("kind", "door")]));
    let mut world = world.restarted();
    world.run_s(600);
    assert_eq!((world.told(), open(&world)), (told, before), "and so after a start");
    assert_eq!(world.standing("MOD-1"), "mismatched");
}

#[test]
fn records_of_a_drill_name_it_and_its_alarms_ring_like_any_other() {
    let mut world = World::new();
    give(&mut world, &order(1, None, json!({})), None);
    world.run_s(10);
    let drill = Act::DrillStart { id: "fire".into(), for_s: 120, equipment: vec!["DOOR-1".into()] };
    command(&mut world, 1, drill);
    world.contacts[DOOR] = true;
    world.run_s(60);
    let raised = last(&world, Kind::AlarmRaised);
    let Mode::Drill(drill) = &raised.mode else { panic!("{:?}", raised.mode) };
    assert_eq!((drill.id.as_str(), drill.auth), ("fire", [9; 32]));
    let alarm = world.alarm("door-forced/DOOR-1").unwrap();
    assert!(alarm.rings && alarm.recorded);
    assert_eq!(raised.about.as_ref().unwrap().equipment, id("DOOR-1").as_str());
    assert_eq!(last(&world, Kind::Heartbeat).mode, Mode::Live, "nothing else belongs to it");
    world.contacts[DOOR] = false;
    world.run_s(100);
    assert_eq!(last(&world, Kind::ExerciseEnded).data["why"], json!("time"));
    world.contacts[DOOR] = true;
    world.run_s(60);
    assert_eq!(last(&world, Kind::AlarmRaised).mode, Mode::Live);
}

#[test]
fn a_drill_does_not_outlive_a_restart() {
    let mut world = World::new();
    give(&mut world, &order(1, None, json!({})), None);
    command(&mut world, 4, Act::DrillStart { id: "fire".into(), for_s: 600, equipment: vec!["DOOR-1".into()] });
    world.run_s(5);
    assert_eq!(world.journal.rows["command"].body, "4");
    let mut world = world.restarted();
    world.run_s(5);
    assert_eq!(last(&world, Kind::ExerciseEnded).data["why"], json!("restart"));
    assert!(!world.journal.rows.contains_key("drill"));
    let count = world.count(Kind::ExerciseEnded);
    assert_eq!(world.restarted().count(Kind::ExerciseEnded), count);
}

#[test]
fn a_stale_order_rings_keeps_working_and_is_calm_once_a_newer_one_is_in_force() {
    let mut world = World::new();
    give(&mut world, &order(1, None, json!({})), None);
    world.run_s(23 * HOUR_S);
    let stale = "order-stale/gateway:gw-1";
    assert!(world.alarm(stale).is_none());
    world.run_s(2 * HOUR_S);
    let alarm = world.alarm(stale).unwrap();
    assert!(alarm.active && alarm.rings && !alarm.guard_must_close);
    assert_eq!((alarm.facts["why"].as_str(), alarm.standing.as_str()), ("expired", "good"));
    let mut world = world.restarted();
    world.run_s(120);
    assert!(world.alarm(stale).unwrap().active, "it goes on over a restart");
    world.acknowledge(stale);
    let mut newer = order(2, None, json!({}));
    newer.exp_ms += 24 * 3_600_000;
    give(&mut world, &newer, None);
    world.run_s(1);
    assert!(world.alarm(stale).is_none());
}

#[test]
fn a_clock_that_nobody_vouches_for_makes_no_order_stale_and_the_central_side_s_does() {
    let mut world = World::new();
    world.trusted = false;
    let mut world = world.restarted();
    give(&mut world, &order(1, None, json!({})), None);
    world.run_s(30 * HOUR_S);
    let stale = "order-stale/gateway:gw-1";
    let receipt = |ts_ms| {
        let (have, resend) = (Vec::new(), Vec::new());
        Input::Receipted(Receipted {
            state: State::Ok,
            upto: 1,
            have,
            resend,
            ts_ms,
            order: 1,
            mark: (1, [1; 32]),
            gone: 0,
        })
    };
    assert!(world.alarm(stale).is_none());
    world.give(receipt(MIDNIGHT_MS + 24 * 3_600_000));
    world.run_s(120);
    assert!(world.alarm(stale).is_some());
}

#[test]
fn a_message_that_says_nothing_is_refused_and_recorded() {
    let mut world = World::new();
    world.give(Input::OrderHeard { content_type: None, payload: vec![0xff; 10] });
    world.run_s(1);
    let data = &last(&world, Kind::OrderRejected).data;
    assert_eq!((&data["what"], &data["reason"]), (&json!("message"), &json!("message")));
}

#[test]
fn how_long_records_are_kept_changes_once_the_order_is_stored() {
    let mut world = World::new();
    world.run_s(5);
    world.journal.prompt = false;
    give(&mut world, &order(1, None, json!({ "retention_days": 90 })), None);
    assert_eq!(world.retained, None);
    world.store();
    world.run_s(5);
    assert_eq!(world.retained, Some(90));
}

#[test]
fn an_order_or_a_command_that_cannot_be_recorded_has_no_effect() {
    let mut world = World::new();
    give(&mut world, &order(1, None, json!({})), None);
    world.run_s(5);
    world.journal.prompt = false;
    // Nothing is stored, and everything is an alarm.
    for n in 0..10_100 {
        world.scan(&format!("XX{n}"));
    }
    give(&mut world, &order(2, Some("DOOR-9"), json!({ "retention_days": 90 })), Some("DOOR-9"));
    command(&mut world, 1, Act::DrillStart { id: "fire".into(), for_s: 120, equipment: vec!["DOOR-1".into()] });
    assert_eq!(world.standing("DOOR-9"), "", "the register of the order is not in force");
    world.journal.prompt = true;
    world.store();
    world.run_s(60);
    assert_eq!((world.count(Kind::ExerciseStarted), world.count(Kind::OrderApplied), world.retained), (0, 1, None));
    // The queue has no room for the refusals either: they are not stated as records of their own, and not forgotten.
    assert_eq!(world.count(Kind::OrderRejected), 0);
    let gap = &last(&world, Kind::GapDropped).data;
    assert_eq!(gap["by_kind"]["order.rejected"], json!(2), "{gap:?}");
    world.contacts[DOOR] = true;
    world.run_s(60);
    assert_eq!(last(&world, Kind::AlarmRaised).mode, Mode::Live);
    give(&mut world, &order(2, Some("DOOR-9"), json!({ "retention_days": 90 })), Some("DOOR-9"));
    world.run_s(1);
    assert_eq!((world.count(Kind::OrderApplied), world.retained), (2, Some(90)), "it was sent again");
    command(&mut world, 1, Act::DrillStart { id: "fire".into(), for_s: 120, equipment: vec!["DOOR-1".into()] });
    world.run_s(1);
    assert_eq!(world.count(Kind::ExerciseStarted), 1, "and so was the command");
}

#[test]
fn an_order_that_the_journal_cannot_keep_is_refused_for_a_reason_that_passes_and_taken_later() {
    let mut world = World::new();
    world.run_s(5);
    world.journal.keeps_none = Some(Unkept::NoPlace("the disk is full".into()));
    give(&mut world, &order(1, Some("DOOR-9"), json!({})), Some("DOOR-9"));
    world.run_s(1);
    let data = &last(&world, Kind::OrderRejected).data;
    assert_eq!((&data["what"], &data["n"], &data["reason"]), (&json!("order"), &json!(1), &json!("disk")));
    world.journal.keeps_none = None;
    give(&mut world, &order(1, Some("DOOR-9"), json!({})), Some("DOOR-9"));
    world.run_s(1);
    assert_eq!((world.count(Kind::OrderApplied), world.standing("DOOR-9").as_str()), (1, "good"));
}

#[test]
fn a_root_document_is_stated_once_and_named_by_every_heartbeat() {
    let mut world = World::new();
    world.run_s(2);
    world.give(Input::OrderChecked(Checked::Root { ver: 2, hash: [5; 32] }));
    world.give(Input::OrderChecked(Checked::Root { ver: 2, hash: [5; 32] }));
    world.run_s(120);
    assert_eq!(world.count(Kind::RootApplied), 1);
    assert_eq!(last(&world, Kind::RootApplied).data["hash"], json!(base64url(&[5; 32])));
    assert_eq!(last(&world, Kind::Heartbeat).data["root"], json!(2));
    world.journal.root = Some((2, [5; 32]));
    let mut world = world.restarted();
    world.run_s(120);
    assert_eq!(world.count(Kind::RootApplied), 1, "a record says so already");
    assert_eq!(last(&world, Kind::Heartbeat).data["root"], json!(2));
    // It came down, and the power went before a record said so.
    world.journal.root = Some((3, [6; 32]));
    let mut world = world.restarted();
    world.run_s(1);
    assert_eq!(last(&world, Kind::RootApplied).data["ver"], json!(3));
}

#[test]
fn a_clock_that_was_wrong_for_a_while_makes_nothing_stale_once_it_is_right_again() {
    let mut world = World::new();
    give(&mut world, &order(1, None, json!({})), None);
    world.run_s(120);
    let stale = "order-stale/gateway:gw-1";
    world.stepped = (400 * 24 * 3_600_000, 1);
    world.run_s(120);
    assert!(world.alarm(stale).is_some(), "by the clock that is trusted");
    world.stepped = (0, 2);
    world.run_s(120);
    world.trusted = false;
    world.run_s(120);
    assert!(!world.alarm(stale).is_some_and(|alarm| alarm.active), "nothing of the excursion is left");
}
