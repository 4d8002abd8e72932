//! Incidents: alarms of one place and time are told together, and a person says what it was.

use crate::harness::{DOOR, RELEASE, SMOKE, World, row};
use picket_core::fields::Fields;
use picket_core::incident::Classify;
use picket_core::status::IncidentStatus;
use picket_core::wire::{Act, Input};
use picket_record::body::Body;
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::Personal;
use serde_json::{Value, json};

/// Door, camera and smoke detector of one gate; the seal reader stands in the yard.
fn world() -> World {
    let mut world = World::with(|_, rows| {
        let zones = [("DOOR-1", "gate"), ("CAM-1", "gate"), ("SMOKE-1", "gate"), ("READER-1", "yard")];
        for row in rows.iter_mut() {
            let zone = zones.iter().find(|(id, _)| *id == row["id"]).map(|(_, zone)| (*zone).to_owned());
            row.extend(zone.map(|zone| ("zone".to_owned(), zone)));
            if row["id"] == "CAM-1" {
                row.insert("clip".into(), "rtsp://nvr.site/cam-1?at={utc}".into());
            }
        }
    });
    world.run_s(1);
    world
}

fn of(world: &World, kind: Kind) -> Vec<Body> {
    world.journal.records.iter().filter(|body| body.kind == kind).cloned().collect()
}

fn give(world: &mut World, act: Act) -> Result<u64, String> {
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act, ticket: Some(ticket) });
    world.run_s(1);
    world.acted.last().expect("it is answered").clone().1
}

fn classify(world: &mut World, id: &str, fields: &[(&str, &str)]) -> Result<u64, String> {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    give(world, Act::Classify(Classify::read(id, &fields).unwrap()))
}

fn waiting(world: &World) -> Vec<IncidentStatus> {
    world.status().incidents
}

/// The door is opened without a release, and closed again.
fn force(world: &mut World) {
    world.contacts[DOOR] = true;
    world.run_s(1);
    world.contacts[DOOR] = false;
    world.run_s(5);
}

fn incidents(world: &World) -> Vec<String> {
    let told = world.journal.records.iter().filter(|body| body.kind.as_str().starts_with("incident."));
    told.map(|body| format!("{} {}", body.kind.as_str(), body.data["incident"].as_str().unwrap())).collect()
}

#[test]
fn r13_what_belongs_together_is_one_incident_with_the_evidence_of_each_alarm() {
    let mut world = world();
    force(&mut world);
    world.run_s(60);
    world.scene(true, 0);
    world.run_s(1);
    assert_eq!(incidents(&world), ["incident.opened I-1", "incident.joined I-1"]);
    let raised = of(&world, Kind::AlarmRaised);
    let alarms: Vec<Value> = raised
        .iter()
        .map(|alarm| {
            json!([alarm.data["alarm"], base64url(&alarm.about.as_ref().unwrap().source.as_ref().unwrap().raw)])
        })
        .collect();
    let joined = of(&world, Kind::IncidentJoined).pop().unwrap();
    assert_eq!(joined.data["alarms"], json!(alarms));
    assert_eq!((&joined.data["type"], &joined.data["n"]), (&json!("blinded-entry"), &json!(2)));
    assert_eq!(joined.severity, Severity::Security);
    // Where the recordings of that moment are: 2026-11-22T00:00:01Z.
    let opened = of(&world, Kind::IncidentOpened).pop().unwrap();
    assert_eq!(opened.data["clips"], json!([["CAM-1", "rtsp://nvr.site/cam-1?at=1795305601"]]));
    assert_eq!(opened.about.unwrap().equipment, "DOOR-1");
}

#[test]
fn r13_what_happens_elsewhere_or_later_is_another_incident() {
    let mut world = world();
    force(&mut world);
    world.scan("ZZ999");
    world.run_s(1);
    world.acknowledge("door-forced/DOOR-1");
    world.run_s(601);
    force(&mut world);
    assert_eq!(incidents(&world), ["incident.opened I-1", "incident.opened I-2", "incident.opened I-3"]);
    let zones: Vec<String> = waiting(&world).into_iter().map(|one| format!("{} {}", one.type_of, one.zone)).collect();
    assert_eq!(zones, ["forced-entry gate", "cargo-seal ZZ999", "forced-entry gate"]);
}

#[test]
fn r13_a_silence_alone_is_no_incident() {
    let mut world = world();
    world.alive = false;
    world.run_s(60);
    assert!(world.told().contains(&"alarm.raised silent/MOD-1".to_owned()), "{:?}", world.told());
    assert_eq!(incidents(&world), Vec::<String>::new());
}

#[test]
fn r13_r14_a_guard_says_what_it_was_and_it_is_over_with_its_last_alarm() {
    let mut world = world();
    force(&mut world);
    let told = [
        ("as", "near-miss"),
        ("what", "driver left with the wrong trailer"),
        ("cause", "two trailers of one colour"),
        ("activity", "loading"),
        ("agency", "driver"),
        ("degree", "minor"),
    ];
    let record = classify(&mut world, "I-1", &told).unwrap();
    let stated = of(&world, Kind::IncidentClassified).pop().unwrap();
    assert!(record > 0);
    // Place, activity, agency, day and time, type and degree, causes.
    for (field, text) in [("zone", "gate"), ("class", "near-miss"), ("type", "forced-entry")].iter().chain(&told[1..]) {
        assert_eq!(stated.data[*field], *text, "{field}");
    }
    assert!(stated.data["since_ms"].is_i64());
    let beside = match stated.personal.as_ref().unwrap() {
        Personal::Said(text) => text.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(beside, r#"{"by":"N. N."}"#);
    assert_eq!(waiting(&world)[0].class.as_deref(), Some("near-miss"));
    world.acknowledge("door-forced/DOOR-1");
    world.run_s(1);
    assert_eq!(waiting(&world), []);
    assert_eq!(incidents(&world), ["incident.opened I-1", "incident.classified I-1", "incident.closed I-1"]);
    // It can still be put right; one that nobody knows cannot.
    classify(&mut world, "I-1", &[("as", "authorised")]).unwrap();
    assert_eq!(of(&world, Kind::IncidentClassified).pop().unwrap().data["was"], "near-miss");
    assert!(classify(&mut world, "I-7", &[("as", "test")]).unwrap_err().contains("I-7 is not known"));
}

#[test]
fn r13_three_faults_of_one_source_open_a_nonconformity_and_three_false_alarms_do_not() {
    let opened = |class: &str| {
        let mut world = world();
        for n in 1..=3 {
            force(&mut world);
            world.acknowledge("door-forced/DOOR-1");
            classify(&mut world, &format!("I-{n}"), &[("as", class)]).unwrap();
            world = world.restarted();
            world.run_s(700);
        }
        world.told().into_iter().filter(|told| told.contains("repeated-faults")).collect::<Vec<_>>()
    };
    assert_eq!(opened("fault"), ["nonconformity.opened repeated-faults/DOOR-1"]);
    assert_eq!(opened("false-alarm"), Vec::<String>::new());
}

#[test]
fn r16_lives_come_first_whatever_else_goes_on() {
    let mut world = world();
    force(&mut world);
    world.contacts[SMOKE] = true;
    world.run_s(1);
    let joined = of(&world, Kind::IncidentJoined).pop().unwrap();
    assert_eq!((&joined.data["type"], joined.severity), (&json!("life-safety"), Severity::Life));
}

#[test]
fn r13_a_door_that_opens_while_its_camera_loses_the_view_is_an_alarm_even_with_a_release() {
    let enter = |world: &mut World| {
        world.contacts[RELEASE] = true;
        world.run_s(1);
        world.contacts[DOOR] = true;
        world.run_s(1);
    };
    let unseen =
        |world: &World| world.told().iter().filter(|told| **told == "alarm.raised unseen-entry/DOOR-1").count();
    // Seen: no alarm.
    let mut seen = world();
    enter(&mut seen);
    assert_eq!((unseen(&seen), waiting(&seen)), (0, vec![]));
    // The view goes first, or the door.
    let mut view_first = world();
    view_first.scene(true, 0);
    view_first.run_s(30);
    enter(&mut view_first);
    assert_eq!(unseen(&view_first), 1);
    assert_eq!(waiting(&view_first)[0].type_of, "blinded-entry");
    let mut door_first = world();
    enter(&mut door_first);
    door_first.scene(true, 0);
    assert_eq!(unseen(&door_first), 1);
    let shown = door_first.alarm("unseen-entry/DOOR-1").unwrap();
    assert_eq!(shown.facts["camera"], "CAM-1");
    // It happened: who acknowledges it closes it.
    door_first.acknowledge("unseen-entry/DOOR-1");
    assert_eq!(door_first.alarm("unseen-entry/DOOR-1"), None);
    // A camera that has been blind for long is no news at each opening.
    let mut long_blind = world();
    long_blind.scene(true, 0);
    long_blind.run_s(61);
    enter(&mut long_blind);
    assert_eq!(unseen(&long_blind), 0);
}

#[test]
fn r13_a_restart_changes_no_incident_and_tells_none_twice() {
    let mut world = world();
    force(&mut world);
    world.scene(true, 0);
    world.scan("ZZ999");
    world.run_s(1);
    let before = waiting(&world);
    let told = incidents(&world);
    for trusted in [true, false, true] {
        world = world.restarted_with(trusted);
        world.run_s(5);
        assert_eq!(waiting(&world), before);
        assert_eq!(incidents(&world), told);
    }
    // What belongs to it afterwards still does.
    world.contacts[SMOKE] = true;
    world.run_s(1);
    assert_eq!(incidents(&world).last().unwrap(), "incident.joined I-1");
}
