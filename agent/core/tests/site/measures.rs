//! Temporary measures and threats: what silences equipment, what stands in for it, and what that does to the scenarios of
//! the site.

use crate::harness::{DOOR, SMOKE, World, row};
use picket_core::fields::Fields;
use picket_core::register::{rows, scenarios};
use picket_core::temporary::{Step, Temporary};
use picket_core::wire::{Act, Input};
use picket_record::body::Body;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

fn of(world: &World, kind: Kind) -> Vec<Body> {
    world.journal.records.iter().filter(|body| body.kind == kind).cloned().collect()
}

fn measure(world: &mut World, step: Step, equipment: &str, fields: &[(&str, &str)]) -> Result<u64, String> {
    let fields: Fields = row(&[fields, &[("by", "N. N.")]].concat());
    let act = Act::Temporary(Temporary::read(step, equipment, &fields).unwrap());
    let ticket = world.acted.len() as u64;
    world.give(Input::Act { act, ticket: Some(ticket) });
    world.run_s(1);
    world.acted.last().expect("it is answered").clone().1
}

fn open(world: &mut World) {
    world.contacts[DOOR] = true;
    world.run_s(1);
}

const FORCED: &str = "door-forced/DOOR-1";
const PAINTERS: &[(&str, &str)] = &[("what", "painters at the frame"), ("for", "2h")];

#[test]
fn r16_a_bypass_silences_its_equipment_and_ends_by_itself() {
    let mut world = World::new();
    world.run_s(1);
    measure(&mut world, Step::Bypass, "DOOR-1", PAINTERS).unwrap();
    open(&mut world);
    let alarm = world.alarm(FORCED).unwrap();
    assert_eq!((alarm.rings, alarm.facts["bypass"].as_str()), (false, "painters at the frame"));
    assert_eq!(alarm.severity, Severity::Security as u8, "never lowered");
    // A start in between changes nothing.
    let mut world = world.restarted();
    world.run_s(7_000);
    assert!(!world.alarm(FORCED).unwrap().rings);
    world.run_s(250);
    let ended = of(&world, Kind::MeasureEnded).pop().unwrap();
    assert_eq!((&ended.data["how"], &ended.data["measure"]), (&json!("time"), &json!("bypass")));
    assert!(world.told().contains(&"nonconformity.opened bypass-expired/DOOR-1".to_owned()));
    let alarm = world.alarm(FORCED).unwrap();
    assert!(alarm.rings && !alarm.facts.contains_key("bypass") && alarm.times == 2, "{alarm:?}");
    let told = world.told().iter().filter(|told| told.contains("bypass-expired")).count();
    let mut world = world.restarted();
    world.run_s(10);
    assert_eq!(world.told().iter().filter(|told| told.contains("bypass-expired")).count(), told);
}

#[test]
fn r16_who_stands_a_bypass_down_in_time_leaves_no_nonconformity() {
    let mut world = World::new();
    world.run_s(1);
    measure(&mut world, Step::Bypass, "DOOR-1", PAINTERS).unwrap();
    measure(&mut world, Step::StandDown, "DOOR-1", &[("of", "bypass")]).unwrap();
    open(&mut world);
    assert!(world.alarm(FORCED).unwrap().rings);
    world.run_s(8_000);
    assert!(!world.told().iter().any(|told| told.contains("expired")), "{:?}", world.told());
    let twice = measure(&mut world, Step::StandDown, "DOOR-1", &[("of", "bypass")]).unwrap_err();
    assert_eq!(twice, "no bypass holds at DOOR-1");
    let unknown = measure(&mut world, Step::Bypass, "DOOR-9", PAINTERS).unwrap_err();
    assert!(unknown.contains("no row of the register names DOOR-9"), "{unknown}");
}

#[test]
fn r16_no_bypass_silences_what_protects_lives() {
    let mut world = World::new();
    world.run_s(1);
    measure(&mut world, Step::Bypass, "SMOKE-1", &[("what", "welding"), ("for", "1h")]).unwrap();
    world.contacts[SMOKE] = true;
    world.run_s(1);
    let alarm = world.alarm("panel-alarm/SMOKE-1").unwrap();
    assert!(alarm.rings && alarm.facts["bypass"] == "welding", "{alarm:?}");
}

#[test]
fn r16_after_a_start_without_a_trusted_clock_a_bypass_no_longer_holds() {
    let mut world = World::new();
    world.run_s(1);
    measure(&mut world, Step::Bypass, "DOOR-1", PAINTERS).unwrap();
    let mut world = world.restarted_with(false);
    world.run_s(1);
    assert_eq!(of(&world, Kind::MeasureEnded).pop().unwrap().data["how"], "unknown");
    open(&mut world);
    world.contacts[DOOR] = false;
    world.run_s(5);
    open(&mut world);
    assert!(world.status().alarms.iter().all(|alarm| alarm.rings));
    assert!(!world.told().iter().any(|told| told.contains("bypass-expired")), "nobody let it expire");
}

/// Door and camera guard against theft, the camera alone against smuggling; its calibration is over.
fn threatened() -> World {
    World::with(|_, listed| {
        listed.retain(|row| !matches!(row["id"].as_str(), "DOOR-1" | "CAM-1"));
        listed.push(row(&[("id", "DOOR-1"), ("kind", "door"), ("scenario", "theft")]));
        listed.push(row(&[("id", "CAM-1"), ("kind", "camera"), ("scenario", "theft, smuggling")]));
    })
}

fn scenarios() -> std::collections::BTreeMap<String, scenarios::Scenario> {
    let theft =
        row(&[("id", "theft"), ("title", "Theft from the yard"), ("consequence", "life"), ("rules", "door-forced")]);
    let smuggling = row(&[("id", "smuggling"), ("title", "Smuggling"), ("consequence", "medium")]);
    scenarios::build(&[theft, smuggling]).unwrap()
}

fn with_scenarios(world: World) -> World {
    world.restarted_as(|listed| rows::build(1, [1; 32], listed).unwrap().with_scenarios(scenarios()))
}

fn likelihoods(world: &World) -> Vec<String> {
    let stated = of(world, Kind::ThreatChanged);
    let told = |body: &Body| {
        let text = |field: &str| body.data[field].as_str().unwrap().to_owned();
        format!("{} {} {}", text("scenario"), text("likelihood"), body.data["needed"])
    };
    stated.iter().map(told).collect()
}

#[test]
fn r19_a_measure_that_is_lost_raises_the_likelihood_until_something_stands_in_for_it() {
    let mut world = with_scenarios(threatened());
    world.run_s(1);
    assert_eq!(likelihoods(&world), Vec::<String>::new(), "everything protects");
    // The module of the door falls silent: the door is not watched.
    world.alive = false;
    world.run_s(10);
    assert_eq!(likelihoods(&world), ["theft medium true"]);
    let stated = of(&world, Kind::ThreatChanged).pop().unwrap();
    assert_eq!((&stated.data["eqs"], stated.severity), (&json!([["DOOR-1", "silent"]]), Severity::Life));
    assert_eq!(world.status().threats[0].title, "Theft from the yard");
    measure(&mut world, Step::Compensate, "DOOR-1", &[("what", "guard at the door"), ("for", "1h")]).unwrap();
    assert_eq!(likelihoods(&world).last().unwrap(), "theft low false");
    assert!(world.status().threats.is_empty());
    // A start tells nothing twice, and the guard leaves after an hour.
    let told = likelihoods(&world).len();
    let mut world = with_scenarios(world);
    world.run_s(5);
    assert_eq!(likelihoods(&world).len(), told);
    world.run_s(3_700);
    assert_eq!(likelihoods(&world).last().unwrap(), "theft medium true");
    world.alive = true;
    world.run_s(10);
    assert_eq!(likelihoods(&world).last().unwrap(), "theft low false");
}

#[test]
fn r19_withdrawn_and_overdue_equipment_is_no_measure() {
    let mut world = threatened();
    let camera = world.listed.iter_mut().find(|row| row["id"] == "CAM-1").unwrap();
    camera.insert("withdrawn".into(), "0117 lens".into());
    let mut world = with_scenarios(world);
    world.run_s(1);
    // It was the only one against smuggling.
    assert_eq!(likelihoods(&world), ["smuggling high true", "theft medium true"]);
}

#[test]
fn r19_before_any_trusted_time_nothing_is_said_of_threats() {
    let mut world = threatened();
    let camera = world.listed.iter_mut().find(|row| row["id"] == "CAM-1").unwrap();
    camera.extend(
        [("calibration_interval", "12 months"), ("calibration_last", "2026-11-01")].map(|(k, v)| (k.into(), v.into())),
    );
    camera.insert("calibration_basis".into(), "type test".into());
    world.journal.rows.remove("floor");
    world.trusted = false;
    let mut world = with_scenarios(world);
    world.run_s(120);
    assert_eq!((world.standing("CAM-1").as_str(), likelihoods(&world)), ("unknown", vec![]));
}

#[test]
fn r19_an_incident_is_as_grave_as_the_scenario_that_its_alarm_tells_of() {
    let mut world = with_scenarios(threatened());
    world.run_s(1);
    world.scene(true, 0);
    world.run_s(1);
    let opened = of(&world, Kind::IncidentOpened).pop().unwrap();
    // Smuggling would be felt, but a lost view is graver by itself; theft has a rule of its own.
    assert_eq!((&opened.data["scenarios"], opened.severity), (&json!(["smuggling"]), Severity::Security));
    open(&mut world);
    let opened = of(&world, Kind::IncidentOpened).pop().unwrap();
    assert_eq!((&opened.data["scenarios"], opened.severity), (&json!(["theft"]), Severity::Life));
    assert_eq!(of(&world, Kind::AlarmRaised).pop().unwrap().severity, Severity::Security, "the alarm is what it was");
}
