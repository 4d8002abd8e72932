//! One nonconformity per cause: a dead line is one, however many devices it carries.

use crate::harness::{DOOR, GATE, World, YARD, id};
use crate::work::of;
use picket_core::plan::{Device, DeviceSpeech, Driver, Plan};
use picket_core::wire::Input;
use picket_record::kind::Kind;
use serde_json::json;

/// As many devices with this limit on the broker's line, each its own sender of JSON.
fn yard(count: usize, silence_ms: u64) -> World {
    World::with(|plan, rows| {
        let camera = plan.devices.remove(1);
        for n in 1..=count {
            plan.devices.push(sender(&camera, n, silence_ms));
            rows.push(crate::harness::row(&[("id", &format!("BOX-{n}")), ("kind", "sensor")]));
        }
    })
}

fn sender(camera: &Device, n: usize, silence_ms: u64) -> Device {
    let point = r#"{ "point": [{ "name": "cut", "topic": "state", "pointer": "/cut" }],
        "will": { "topic": "alive", "gone": "offline" } }"#;
    let mut device = camera.clone();
    (device.name, device.equipment, device.silence_ms) = (format!("box-{n}"), id(&format!("BOX-{n}")), silence_ms);
    device.speech = DeviceSpeech::Json { prefix: format!("box-{n}"), map: serde_json::from_str(point).unwrap() };
    device
}

fn speak(world: &mut World, n: usize) {
    world.publish(&format!("box-{n}/state"), r#"{"cut":false}"#);
}

fn goes(world: &mut World, n: usize) {
    world.publish(&format!("box-{n}/alive"), "offline");
}

/// What was told of nonconformities, from record `since` on.
fn told_since(world: &World, since: usize) -> Vec<String> {
    let told = world.told_since(since).into_iter().filter(|told| told.starts_with("nonconformity"));
    told.map(|told| told.replace("nonconformity.", "")).collect()
}

fn told(world: &World) -> Vec<String> {
    told_since(world, 0)
}

fn rung(world: &World) -> usize {
    of(world, Kind::AlarmRaised).len()
}

fn lose(world: &mut World) {
    world.give(Input::Line { line: YARD, fault: Some("connection refused".into()) });
}

fn regain(world: &mut World) {
    world.give(Input::Line { line: YARD, fault: None });
}

#[test]
fn r15_a_dead_bus_is_one_nonconformity_and_its_devices_are_symptoms() {
    let mut world = bus(14);
    world.run_s(5);
    world.alive = false;
    world.run_s(120);
    assert_eq!((rung(&world), told(&world)), (14, vec!["opened line-lost/line:gate".to_owned()]), "every alarm rings");
    let opened = of(&world, Kind::NonconformityOpened).pop().unwrap();
    let facts = &opened.data["facts"];
    assert_eq!((&facts["line"], &facts["devices"]), (&json!("gate"), &json!("14")));
    assert_eq!(facts["names"], "module, module-1, module-2, module-3, module-4");
    assert!(facts["cause"].as_str().unwrap().contains("module"), "{facts}");
    let about = opened.about.unwrap();
    assert_eq!((about.equipment.as_str(), about.standing.st), ("line:gate", "good"));
    world.alive = true;
    world.run_s(120);
    assert_eq!(told(&world), ["opened line-lost/line:gate", "closed line-lost/line:gate"]);
    assert_eq!(world.status().nonconformities, []);
}

/// The gate's module as so many units of one serial bus: the harness answers for all of them, or for none.
fn bus(count: u8) -> World {
    World::with(|plan, rows| {
        plan.lines[usize::from(GATE.0)].driver = Driver::ModbusRtu;
        for n in 1..count {
            let module = unit(plan, n);
            rows.push(crate::harness::row(&[("id", module.equipment.as_str()), ("kind", "module")]));
            plan.devices.push(module);
        }
    })
}

fn unit(plan: &Plan, n: u8) -> Device {
    let mut module = plan.devices[0].clone();
    module.name = format!("module-{n}");
    module.equipment = id(&format!("MOD-{}", n + 1));
    module.bindings.clear();
    if let DeviceSpeech::Modbus { speech, unit, poll_ms, .. } = &mut module.speech {
        speech.identity.clear();
        (*unit, *poll_ms) = (n + 1, 500);
    }
    // They fall silent one after the other.
    module.silence_ms = 5_000 + 1_500 * u64::from(n);
    module
}

#[test]
fn r15_one_silent_device_of_several_is_its_own_nonconformity_once_the_line_is_known_to_live() {
    let mut world = yard(3, 10_000);
    for _ in 0..9 {
        world.run_s(5);
        speak(&mut world, 2);
        speak(&mut world, 3);
    }
    // Silent at 10 s, told apart from its line at 40 s.
    assert_eq!((rung(&world), told(&world)), (1, vec!["opened silent/BOX-1".to_owned()]));
    assert!(world.alarm("silent/BOX-1").unwrap().active);
    speak(&mut world, 1);
    assert_eq!(told(&world), ["opened silent/BOX-1", "closed silent/BOX-1"]);
}

#[test]
fn r15_a_silence_that_ends_while_its_cause_is_looked_for_is_an_alarm_and_no_nonconformity() {
    let mut world = yard(2, 0);
    goes(&mut world, 1);
    world.run_s(29);
    assert_eq!((rung(&world), told(&world).len()), (1, 0));
    speak(&mut world, 1);
    world.run_s(120);
    assert_eq!((rung(&world), told(&world).len()), (1, 0));
    goes(&mut world, 1);
    world.run_s(31);
    assert_eq!(told(&world), ["opened silent/BOX-1"]);
}

#[test]
fn r15_a_broker_that_is_gone_is_one_nonconformity_and_who_stays_silent_behind_it_gets_its_own() {
    let mut world = yard(3, 0);
    (1..=3).for_each(|n| speak(&mut world, n));
    lose(&mut world);
    world.run_s(61);
    assert_eq!((rung(&world), told(&world)), (3, vec!["opened line-lost/line:yard".to_owned()]));
    let facts = &world.status().nonconformities[0].facts;
    assert_eq!((facts["devices"].as_str(), facts["cause"].as_str()), ("3", "connection refused"));
    // Its return ends what it alone had caused.
    regain(&mut world);
    world.run_s(60);
    assert_eq!(told(&world), ["opened line-lost/line:yard", "closed line-lost/line:yard"]);
    // A device that had said it goes stays silent, and gets its own once it has had time to speak.
    let mut world = yard(3, 10_000);
    lose(&mut world);
    world.run_s(61);
    regain(&mut world);
    assert_eq!(told(&world), ["opened line-lost/line:yard"], "nobody has spoken yet");
    speak(&mut world, 2);
    world.run_s(5);
    speak(&mut world, 3);
    for _ in 0..4 {
        world.run_s(9);
        speak(&mut world, 2);
        speak(&mut world, 3);
    }
    assert_eq!(told(&world)[1..], ["closed line-lost/line:yard", "opened silent/BOX-1"]);
}

#[test]
fn r15_a_line_with_one_device_is_not_told_from_it() {
    let mut world = yard(1, 0);
    lose(&mut world);
    world.run_s(61);
    assert_eq!(told(&world), ["opened silent/BOX-1"]);
    // Nor is a bus on which one device alone is supervised.
    let mut world = World::with(|plan, rows| {
        plan.lines[usize::from(GATE.0)].driver = Driver::ModbusRtu;
        let second = Device { silence_ms: 0, ..unit(plan, 1) };
        rows.push(crate::harness::row(&[("id", "MOD-2"), ("kind", "module")]));
        plan.devices.push(second);
    });
    world.alive = false;
    world.run_s(20);
    assert_eq!(told(&world), ["opened silent/MOD-1"]);
}

#[test]
fn r15_a_silence_from_before_keeps_its_nonconformity_when_the_line_goes_too() {
    let mut world = yard(2, 0);
    goes(&mut world, 1);
    world.run_s(31);
    lose(&mut world);
    world.run_s(61);
    assert_eq!(told(&world), ["opened silent/BOX-1", "opened line-lost/line:yard"]);
    regain(&mut world);
    world.run_s(60);
    assert_eq!(told(&world)[2..], ["closed line-lost/line:yard"]);
    speak(&mut world, 1);
    assert_eq!(told(&world)[3..], ["closed silent/BOX-1"]);
}

#[test]
fn r15_whoever_answers_without_being_supervised_shows_that_the_line_lives() {
    let second = |silence_ms| {
        World::with(|plan, _| {
            let camera = plan.devices.remove(1);
            plan.limits.line_lost_ms = 0;
            plan.devices.extend((1..=3).map(|n| sender(&camera, n, if n == 3 { silence_ms } else { 10_000 })));
        })
    };
    let mut world = second(0);
    for _ in 0..9 {
        world.run_s(5);
        speak(&mut world, 3);
    }
    let silent = |world: &World| told(world).into_iter().filter(|told| !told.contains("unlisted")).collect::<Vec<_>>();
    assert_eq!(silent(&world), ["opened silent/BOX-1", "opened silent/BOX-2"]);
    // And that he is quiet too shows that it does not.
    let mut world = second(0);
    speak(&mut world, 3);
    world.run_s(60);
    assert_eq!(silent(&world), ["opened line-lost/line:yard"]);
    speak(&mut world, 3);
    assert_eq!(silent(&world)[1..], ["closed line-lost/line:yard"]);
}

#[test]
fn r15_a_restart_at_any_moment_loses_no_cause_and_tells_none_twice() {
    for at_s in [1, 4, 8, 12, 20, 27, 40, 70] {
        let mut world = bus(4);
        world.run_s(5);
        world.alive = false;
        world.run_s(at_s);
        let mut world = world.restarted();
        world.run_s(120);
        assert_eq!(told(&world), ["opened line-lost/line:gate"], "killed after {at_s} s");
        let since = world.journal.records.len();
        let mut world = world.restarted();
        world.run_s(120);
        assert_eq!(told_since(&world, since), [""; 0], "killed after {at_s} s");
        world.alive = true;
        world.run_s(120);
        assert_eq!(told_since(&world, since), ["closed line-lost/line:gate"], "killed after {at_s} s");
        assert!(!world.status().alarms.iter().any(|alarm| alarm.active));
    }
}

#[test]
fn r15_a_restart_while_a_device_waits_for_its_cause_waits_again() {
    let mut world = yard(2, 0);
    goes(&mut world, 1);
    world.run_s(20);
    let mut world = world.restarted();
    world.run_s(20);
    assert_eq!(told(&world), [""; 0]);
    world.run_s(11);
    assert_eq!(told(&world), ["opened silent/BOX-1"]);
    let mut world = world.restarted();
    world.run_s(120);
    assert_eq!(told(&world).len(), 1);
    speak(&mut world, 1);
    assert_eq!(told(&world)[1..], ["closed silent/BOX-1"]);
}

#[test]
fn r15_a_lost_line_that_the_settings_have_no_more_is_closed_at_the_next_start() {
    let mut world = yard(2, 0);
    lose(&mut world);
    world.run_s(61);
    world.plan.lines[usize::from(YARD.0)].name = "harbour".into();
    let mut world = world.restarted();
    assert_eq!(told(&world), ["opened line-lost/line:yard", "closed line-lost/line:yard"]);
    lose(&mut world);
    world.run_s(61);
    assert_eq!(told(&world)[2..], ["opened line-lost/line:harbour"]);
    // What rang before goes on; the door of the gate is none of it.
    assert!(world.alarm("silent/BOX-1").unwrap().active && world.alarm("silent/BOX-2").unwrap().active);
    world.contacts[DOOR] = true;
    world.run_s(5);
    assert_eq!(told(&world).len(), 3);
}
