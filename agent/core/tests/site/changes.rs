//! Changes of equipment: planned ones are recorded, others are nonconformities; new equipment counts once it passed.

use crate::harness::{MIDNIGHT_MS, World, row};
use crate::work::{answer, of, report, tell};
use picket_core::plan::DeviceSpeech;
use picket_device::profile::IdentityField;
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::{Value, json};

const CHANGED: &str = "nonconformity.opened unauthorised-change/MOD-1";

/// A plan for the module from 00:10 to 00:40 on the first day, but for some fields.
fn plan(world: &mut World, fields: &[(&str, &str)]) -> Result<u64, String> {
    let mut whole = vec![
        ("id", "CH-26-4"),
        ("what", "firmware 1.4"),
        ("reason", "recalled by its maker"),
        ("risk", "the door is unwatched for a minute: a guard stands there"),
        ("from", "2026-11-22T00:10:00Z"),
        ("until", "2026-11-22T01:40:00+01:00"),
    ];
    whole.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    tell(world, report("change", "MOD-1", &[&whole, fields].concat()))
}

/// The module says this of itself from here on, and is asked who it is.
fn say(world: &mut World, serial: &'static str) {
    world.serial = serial;
    world.alive = false;
    world.run_s(20);
    world.alive = true;
    world.run_s(60);
}

fn identified(world: &World) -> Vec<Value> {
    of(world, Kind::EquipmentIdentified).into_iter().map(|body| Value::Object(body.data)).collect()
}

fn last(world: &World, kind: Kind) -> Body {
    of(world, kind).pop().unwrap()
}

/// What is open of unplanned changes.
fn unplanned(world: &World) -> Vec<Value> {
    let open = world.status().nonconformities.into_iter().filter(|nc| nc.reason == "unauthorised-change");
    open.map(|nc| json!(nc.facts)).collect()
}

#[test]
fn r12_what_a_device_says_of_itself_is_recorded_the_first_time_and_at_each_change() {
    let mut world = World::new();
    world.run_s(1);
    assert_eq!(identified(&world), [json!({ "serial": "AB12", "how": "reported" })]);
    let first = last(&world, Kind::EquipmentIdentified);
    assert_eq!((first.about.unwrap().equipment.as_str(), first.severity), ("MOD-1", Severity::Info));
    // Case and blanks do not count, nor does a question that brings no answer, nor a restart.
    say(&mut world, "ab 1");
    say(&mut world, "aB12");
    say(&mut world, "\0\0\0\0");
    let mut world = world.restarted();
    world.run_s(7_300);
    assert_eq!(identified(&world).len(), 3, "{:?}", identified(&world));
    assert_eq!(identified(&world)[2]["serial"], "aB12");
}

#[test]
fn r12_a_change_that_nobody_planned_is_a_nonconformity_that_people_answer() {
    let mut world = World::new();
    world.run_s(1);
    assert_eq!(unplanned(&world), [Value::Null; 0], "the first word is no change");
    say(&mut world, "ZZ99");
    let told = json!({ "serial": "ZZ99", "how": "reported", "before": { "serial": "AB12" }, "window": "none" });
    assert_eq!(identified(&world)[1], told);
    assert_eq!(unplanned(&world), [json!({ "serial_before": "AB12", "serial_now": "ZZ99" })]);
    assert!(world.told().contains(&"nonconformity.opened identity-mismatch/MOD-1".to_owned()));
    // It says the same each hour, and over restarts; it goes on being one.
    let mut world = world.restarted();
    world.run_s(7_300);
    assert_eq!(world.told().iter().filter(|told| *told == CHANGED).count(), 1);
    assert_eq!(identified(&world).len(), 2);
    // That it is as it was is another change that nobody planned; the mismatch ends by it, the question does not.
    say(&mut world, "AB12");
    assert_eq!(unplanned(&world), [json!({ "serial_before": "ZZ99", "serial_now": "AB12" })]);
    assert!(world.told().contains(&"nonconformity.closed identity-mismatch/MOD-1".to_owned()));
    let review = [("action", "ask the contractor"), ("until", "2026-12-01"), ("risk", "none")];
    answer(&mut world, "agree", "unauthorised-change/MOD-1", &review).unwrap();
    answer(&mut world, "done", "unauthorised-change/MOD-1", &[("what", "exchanged on guarantee")]).unwrap();
    answer(&mut world, "verify", "unauthorised-change/MOD-1", &[("effective", "yes")]).unwrap();
    assert_eq!(unplanned(&world), [Value::Null; 0]);
}

#[test]
fn r12_a_planned_change_names_its_reason_and_risk_beforehand_and_is_none() {
    let mut world = World::new();
    world.run_s(1);
    let record = plan(&mut world, &[]).unwrap();
    let planned = last(&world, Kind::ChangePlanned);
    assert_eq!(record, 2 + world.journal.records.iter().position(|body| *body == planned).unwrap() as u64);
    let (from_ms, until_ms) = (MIDNIGHT_MS + 600_000, MIDNIGHT_MS + 2_400_000);
    let wanted = json!({
        "id": "CH-26-4", "what": "firmware 1.4", "reason": "recalled by its maker",
        "risk": "the door is unwatched for a minute: a guard stands there",
        "from": "2026-11-22T00:10:00Z", "until": "2026-11-22T00:40:00Z",
        "windows": [["CH-26-4", from_ms, until_ms]],
    });
    assert_eq!(Value::Object(planned.data), wanted);
    assert!(matches!(&planned.personal, Some(Personal::Said(said)) if said.as_str() == r#"{"by":"N. N."}"#));
    let mut world = world.restarted();
    world.run_s(600);
    say(&mut world, "ZZ99");
    let told = &identified(&world)[1];
    assert_eq!((&told["window"], &told["change"]), (&json!("open"), &json!("CH-26-4")));
    assert_eq!((unplanned(&world), &told["before"]), (vec![], &json!({ "serial": "AB12" })));
}

#[test]
fn r12_a_change_before_and_behind_the_planned_time_is_not_covered_by_it() {
    for (wait_s, covered) in [(60, false), (2_000, true), (5_800, true), (6_200, false)] {
        let mut world = World::new();
        world.run_s(1);
        plan(&mut world, &[]).unwrap();
        // It may be seen as late as it is asked: an hour behind the end.
        world.run_s(wait_s);
        say(&mut world, "ZZ99");
        assert_eq!(unplanned(&world).is_empty(), covered, "{wait_s} s: {:?}", identified(&world));
    }
    // The plan of one piece of equipment covers no other.
    let mut world = World::new();
    world.run_s(1);
    let whole = [("id", "CH-1"), ("what", "-"), ("reason", "-"), ("risk", "-")];
    let times = [("from", "2026-11-22T00:00:00Z"), ("until", "2026-11-23T00:00:00Z")];
    tell(&mut world, report("change", "CAM-1", &[&whole[..], &times].concat())).unwrap();
    say(&mut world, "ZZ99");
    assert_eq!(unplanned(&world).len(), 1);
}

#[test]
fn r12_a_change_is_considered_before_it_is_made_or_it_is_not_taken() {
    let mut world = World::new();
    world.run_s(1);
    let before = of(&world, Kind::ChangePlanned).len();
    for (fields, why) in [
        ([("from", "2026-11-20T23:00:00Z"), ("until", "2026-11-22T23:00:00Z")], "considered before it is made"),
        ([("from", "2026-11-21T20:00:00Z"), ("until", "2026-11-21T23:00:00Z")], "is over"),
        ([("from", "2027-02-21T00:00:00Z"), ("until", "2027-02-22T00:00:00Z")], "more than 90 days ahead"),
    ] {
        let refused = plan(&mut world, &fields).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    for n in 1..=4 {
        plan(&mut world, &[("id", ["CH-1", "CH-2", "CH-3", "CH-4"][n - 1])]).unwrap();
    }
    let fifth = plan(&mut world, &[("id", "CH-5")]).unwrap_err();
    assert!(fifth.contains("MOD-1 has 4 planned changes"), "{fifth}");
    // One of them is planned anew, a day late at most.
    plan(&mut world, &[("id", "CH-2"), ("from", "2026-11-21T01:00:00Z")]).unwrap();
    assert_eq!(of(&world, Kind::ChangePlanned).len(), before + 5);
    // Those that are over make room.
    world.run_s(2 * 3_600);
    plan(&mut world, &[("id", "CH-5"), ("from", "2026-11-22T03:00:00Z"), ("until", "2026-11-22T04:00:00Z")]).unwrap();
    assert_eq!(last(&world, Kind::ChangePlanned).data["windows"].as_array().unwrap().len(), 1);
    let unknown = tell(
        &mut world,
        report(
            "change",
            "CAM-9",
            &[
                ("id", "CH-6"),
                ("what", "-"),
                ("reason", "-"),
                ("risk", "-"),
                ("from", "2026-11-22T03:00:00Z"),
                ("until", "2026-11-22T04:00:00Z"),
            ],
        ),
    );
    assert_eq!(unknown, Err("no row of the register names CAM-9: add it there first".to_owned()));
}

#[test]
fn r12_a_change_under_a_clock_that_nobody_trusts_waits_until_one_is() {
    for trusted_after_s in [900, 9_000] {
        let mut world = World::new();
        world.run_s(1);
        plan(&mut world, &[]).unwrap();
        world.run_s(120);
        world.trusted = false;
        say(&mut world, "ZZ99");
        let told = &identified(&world)[1];
        assert_eq!((&told["window"], unplanned(&world).len()), (&json!("unknown"), 0));
        let mut world = world.restarted_with(false);
        world.run_s(trusted_after_s);
        assert_eq!(identified(&world).len(), 2, "nothing is judged, and nothing is said twice");
        world.trusted = true;
        world.run_s(61);
        let told = identified(&world).pop().unwrap();
        assert_eq!((told["window"].as_str(), told["change"].as_str()), (Some("possible"), Some("CH-26-4")), "{told}");
        assert_eq!(unplanned(&world), [Value::Null; 0]);
        let mut world = world.restarted();
        world.run_s(120);
        assert_eq!(identified(&world).len(), 3);
    }
}

#[test]
fn r12_without_a_plan_that_may_hold_no_clock_is_needed_to_see_that_nobody_planned_it() {
    let mut world = World::new();
    world.run_s(1);
    plan(&mut world, &[("from", "2026-11-24T00:00:00Z"), ("until", "2026-11-24T01:00:00Z")]).unwrap();
    world.run_s(60);
    world.trusted = false;
    say(&mut world, "ZZ99");
    assert_eq!(identified(&world)[1]["window"], "unknown", "the day of the plan may have come");
    // By a clock that is trusted again it has not.
    world.trusted = true;
    world.run_s(61);
    assert_eq!(identified(&world)[2]["window"], "none");
    assert_eq!(unplanned(&world), [json!({ "serial_before": "AB12", "serial_now": "ZZ99" })]);
    let mut world = World::new();
    world.run_s(1);
    world.trusted = false;
    say(&mut world, "ZZ99");
    assert_eq!((identified(&world)[1]["window"].as_str(), unplanned(&world).len()), (Some("none"), 1));
}

#[test]
fn r12_what_left_the_register_is_forgotten_and_begins_anew() {
    let mut world = World::new();
    world.run_s(1);
    plan(&mut world, &[]).unwrap();
    let module = world.listed.remove(0);
    let mut world = world.restarted();
    assert_eq!(identified(&world)[1], json!({ "gone": true }));
    let of_it = |world: &World| world.journal.rows.keys().filter(|key| key.ends_with("/MOD-1")).cloned().collect();
    let rows: Vec<String> = of_it(&world);
    assert!(!rows.iter().any(|key| key.starts_with("identity/") || key.starts_with("change/")), "{rows:?}");
    world.run_s(60);
    assert_eq!(identified(&world).len(), 2, "what no row names is not remembered");
    world.listed.push(module);
    world.serial = "ZZ99";
    let mut world = world.restarted();
    world.run_s(60);
    assert_eq!(identified(&world)[2], json!({ "serial": "ZZ99", "how": "reported" }));
    assert_eq!(unplanned(&world), [Value::Null; 0]);
}

#[test]
fn r12_of_two_devices_that_are_one_piece_of_equipment_one_speaks_for_it() {
    let mut world = World::with(|plan, _| {
        let mut second = plan.devices[0].clone();
        second.name = "second".into();
        second.bindings.clear();
        if let DeviceSpeech::Modbus { speech, unit, .. } = &mut second.speech {
            (*unit, speech.identity[0].field) = (2, IdentityField::Firmware);
        }
        plan.devices.push(second);
    });
    world.run_s(7_300);
    assert_eq!(identified(&world), [json!({ "serial": "AB12", "how": "reported" })]);
}

/// A door that has to be commissioned.
fn new_door() -> World {
    let mut world = World::with(|_, rows| {
        rows.retain(|row| row["id"] != "DOOR-1");
        rows.push(row(&[("id", "DOOR-1"), ("kind", "door"), ("commissioning", "required")]));
    });
    world.run_s(1);
    world
}

fn standing(world: &World, kind: Kind) -> (String, &'static str) {
    let record = last(world, kind);
    (record.data["nonconformity"].as_str().unwrap().to_owned(), record.about.unwrap().standing.st)
}

#[test]
fn r12_new_equipment_counts_once_its_commissioning_has_passed() {
    let mut world = new_door();
    assert_eq!(world.standing("DOOR-1"), "unknown");
    assert_eq!(standing(&world, Kind::NonconformityOpened), ("not-commissioned/DOOR-1".to_owned(), "unknown"));
    // Its alarm rings, marked, and its silence closes nothing.
    world.contacts[0] = true;
    world.run_s(5);
    world.contacts[0] = false;
    world.run_s(10);
    let alarm = world.alarm("door-forced/DOOR-1").unwrap();
    assert_eq!((alarm.rings, alarm.guard_must_close, alarm.standing.as_str()), (true, true, "unknown"));
    let failed = [("item.contact", "pass"), ("item.closer", "fail")];
    tell(&mut world, report("commissioning", "DOOR-1", &failed)).unwrap();
    assert_eq!(world.standing("DOOR-1"), "overdue");
    let opened = last(&world, Kind::NonconformityOpened);
    assert_eq!(opened.data["nonconformity"], "commissioning-failed/DOOR-1");
    assert_eq!(opened.data["facts"], json!({ "on": "2026-11-22" }));
    let mut world = world.restarted();
    world.run_s(1);
    assert_eq!(world.standing("DOOR-1"), "overdue");
    tell(&mut world, report("commissioning", "DOOR-1", &[("result", "pass")])).unwrap();
    assert_eq!(standing(&world, Kind::NonconformityClosed), ("commissioning-failed/DOOR-1".to_owned(), "good"));
    let told = world.told().len();
    let mut world = world.restarted();
    world.run_s(120);
    assert_eq!((world.standing("DOOR-1").as_str(), world.told().len()), ("good", told));
    // What the register does not ask it of was there before.
    assert!(!world.told().iter().any(|told| told.contains("not-commissioned/CAM-1")));
}

#[test]
fn r12_an_older_commissioning_that_is_reported_late_undoes_none() {
    let mut world = new_door();
    tell(&mut world, report("commissioning", "DOOR-1", &[("result", "pass")])).unwrap();
    tell(&mut world, report("commissioning", "DOOR-1", &[("on", "2026-11-01"), ("result", "fail")])).unwrap();
    assert_eq!(world.standing("DOOR-1"), "good");
    assert_eq!(last(&world, Kind::EquipmentCommissioned).data["late"], json!(true));
    assert_eq!(world.restarted().standing("DOOR-1"), "good");
}

#[test]
fn r12_an_unplanned_change_does_not_undo_a_commissioning() {
    let mut world = World::with(|_, rows| {
        rows[0].remove("serial");
        rows[0].insert("commissioning".into(), "required".into());
    });
    world.run_s(1);
    tell(&mut world, report("commissioning", "MOD-1", &[("result", "pass")])).unwrap();
    say(&mut world, "ZZ99");
    assert_eq!((unplanned(&world).len(), world.standing("MOD-1").as_str()), (1, "good"));
}
