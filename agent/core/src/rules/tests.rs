use super::*;
use crate::testbed::{at, id};
use crate::time::s;

const MODBUS: &str = "modbus-tcp";

struct Scene {
    rules: Rules,
}

impl Scene {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self { rules: Rules::new(limits, &[]) }
    }

    fn see(&mut self, now_us: u64, signal: Signal, value: &Value) -> Vec<(Rule, bool)> {
        self.see_by(now_us, MODBUS, "di0", signal, value)
    }

    fn see_by(
        &mut self,
        now_us: u64,
        driver: &'static str,
        point: &str,
        signal: Signal,
        value: &Value,
    ) -> Vec<(Rule, bool)> {
        let by = Evidence { driver, raw: [0; 32], device_time: None };
        let equipment = id("DOOR-1");
        let seen = Sighting { device: "gate", point, equipment: &equipment, signal, value, quality: Quality::Good };
        turns(&self.rules.observe(&at(now_us), &seen, &by))
    }

    fn wait(&mut self, now_us: u64) -> Vec<(Rule, bool)> {
        turns(&self.rules.timeout(&at(now_us)))
    }

    fn recall(&mut self, now_us: u64, signal: Signal, point: &str, on: bool) {
        let equipment = id("DOOR-1");
        let value = Value::Bit(on);
        let quality = Quality::Good;
        self.rules.recall(
            &at(now_us),
            &Sighting { device: "gate", point, equipment: &equipment, signal, value: &value, quality },
            true,
        );
    }
}

fn turns(findings: &[Finding]) -> Vec<(Rule, bool)> {
    findings.iter().map(|f| (f.rule, f.turn != Turn::Ended)).collect()
}

const ON: Value = Value::Bit(true);
const OFF: Value = Value::Bit(false);

#[test]
fn a_contact_raises_after_its_hold_time_and_clears_after_its_clear_time() {
    let rules = [
        (Signal::MainsLost, Rule::MainsLost),
        (Signal::BatteryLow, Rule::BatteryLow),
        (Signal::ViewLost, Rule::ViewLost),
        (Signal::Fault, Rule::DeviceFault),
    ];
    for (signal, rule) in rules {
        let mut scene = Scene::new();
        assert_eq!(scene.see(0, signal, &ON), []);
        assert_eq!(scene.rules.deadline(), Some(200_000));
        assert_eq!(scene.wait(199_999), []);
        assert_eq!(scene.wait(200_000), [(rule, true)]);
        assert_eq!(scene.wait(300_000), []);
        assert_eq!(scene.see(s(1), signal, &OFF), []);
        assert_eq!(scene.wait(s(3) - 1), []);
        assert_eq!(scene.wait(s(3)), [(rule, false)]);
        assert_eq!(scene.rules.deadline(), None);
    }
}

#[test]
fn alarm_and_tamper_raise_with_the_first_sample_and_one_that_bounces_is_one_alarm() {
    for (signal, rule) in [(Signal::Alarm, Rule::PanelAlarm), (Signal::Tamper, Rule::Tamper)] {
        let mut scene = Scene::new();
        assert_eq!(scene.see(0, signal, &ON), [(rule, true)]);
        for poll in 1..=100 {
            let value = Value::Bit(poll % 2 == 0);
            assert_eq!(scene.see(poll * 100_000, signal, &value), []);
        }
        scene.see(s(11), signal, &OFF);
        assert_eq!(scene.wait(s(13) - 1), []);
        assert_eq!(scene.wait(s(13)), [(rule, false)]);
    }
}

#[test]
fn a_row_of_the_settings_gives_a_contact_times_of_its_own() {
    let mut device = crate::testbed::module();
    for (point, hold_ms) in [("di0", 900), ("di1", 700)] {
        let delays = crate::plan::Delays { hold_ms: Some(hold_ms), clear_ms: Some(hold_ms) };
        let binding = crate::plan::Binding { equipment: id("DOOR-1"), signal: Signal::Alarm, inverted: false, delays };
        device.bindings.insert(point.to_owned(), binding);
    }
    let mut scene = Scene { rules: Rules::new(Limits::default(), &[device]) };
    assert_eq!(scene.see(0, Signal::Alarm, &ON), []);
    assert_eq!(scene.wait(700_000 - 1), []);
    assert_eq!(scene.wait(700_000), [(Rule::PanelAlarm, true)]);
    scene.see(s(1), Signal::Alarm, &OFF);
    assert_eq!(scene.wait(s(1) + 900_000 - 1), []);
    assert_eq!(scene.wait(s(1) + 900_000), [(Rule::PanelAlarm, false)]);
    assert_eq!(scene.see(s(9), Signal::Tamper, &ON), [(Rule::Tamper, true)]);
}

#[test]
fn an_alarm_that_comes_back_within_its_clear_time_is_not_cleared() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Alarm, &ON);
    scene.wait(200_000);
    scene.see(s(1), Signal::Alarm, &OFF);
    scene.see(s(2), Signal::Alarm, &ON);
    assert_eq!((scene.wait(s(60)), scene.rules.deadline()), (vec![], None));
}

#[test]
fn what_is_heard_turns_at_once_because_its_message_is_confirmed_without_waiting() {
    let mut scene = Scene::new();
    for signal in [Signal::ViewLost, Signal::Tamper] {
        let rule = rule_of(signal).expect("a rule");
        assert_eq!(scene.see_by(0, "mqtt", "p", signal, &ON), [(rule, true)]);
        assert_eq!(scene.see_by(1, "mqtt", "p", signal, &OFF), [(rule, false)]);
    }
}

#[test]
fn unknown_stale_and_bad_values_neither_raise_nor_clear() {
    let mut scene = Scene::new();
    scene.see_by(0, "mqtt", "p", Signal::ViewLost, &ON);
    assert_eq!(scene.see_by(1, "mqtt", "p", Signal::ViewLost, &Value::Unknown), []);
    for quality in [Quality::Stale, Quality::Bad] {
        let by = Evidence { driver: "mqtt", raw: [0; 32], device_time: None };
        let equipment = id("DOOR-1");
        let seen = Sighting {
            device: "gate",
            point: "p",
            equipment: &equipment,
            signal: Signal::ViewLost,
            value: &OFF,
            quality,
        };
        assert!(scene.rules.observe(&at(2), &seen, &by).is_empty());
    }
    assert_eq!(scene.wait(s(60)), []);
}

#[test]
fn one_of_several_points_raises_and_only_all_of_them_clear() {
    let mut scene = Scene::new();
    assert_eq!(scene.see_by(0, "mqtt", "dark", Signal::ViewLost, &ON), [(Rule::ViewLost, true)]);
    assert_eq!(scene.see_by(1, "mqtt", "moved", Signal::ViewLost, &ON), []);
    assert_eq!(scene.see_by(2, "mqtt", "dark", Signal::ViewLost, &OFF), []);
    assert_eq!(scene.see_by(3, "mqtt", "moved", Signal::ViewLost, &OFF), [(Rule::ViewLost, false)]);
}

#[test]
fn a_flood_of_points_is_bounded_and_still_raises() {
    let mut scene = Scene::new();
    for n in 0..10_000 {
        scene.see_by(n, "mqtt", &format!("p{n}"), Signal::ViewLost, &OFF);
    }
    assert_eq!(scene.rules.contacts.values().map(|c| c.points.on.len()).max(), Some(0));
    assert_eq!(scene.see_by(20_000, "mqtt", "p0", Signal::ViewLost, &ON), [(Rule::ViewLost, true)]);
    for n in 1..10_000 {
        scene.see_by(20_000, "mqtt", &format!("p{n}"), Signal::ViewLost, &ON);
    }
    assert_eq!(scene.rules.contacts.values().map(|c| c.points.on.len()).max(), Some(MAX_POINTS));
}

#[test]
fn the_calm_of_one_of_many_points_never_clears_the_alarm_of_another() {
    let mut scene = Scene::new();
    let point = |n: usize| format!("channel-{n:03}");
    for n in 0..100 {
        scene.see_by(0, "mqtt", &point(n), Signal::ViewLost, &OFF);
    }
    assert_eq!(scene.see_by(1, "mqtt", &point(70), Signal::ViewLost, &ON), [(Rule::ViewLost, true)]);
    for n in (0..100).filter(|n| *n != 70) {
        assert_eq!(scene.see_by(2, "mqtt", &point(n), Signal::ViewLost, &OFF), []);
    }
    assert_eq!(scene.see_by(3, "mqtt", &point(70), Signal::ViewLost, &OFF), [(Rule::ViewLost, false)]);
}

#[test]
fn an_alarm_of_more_points_than_are_told_apart_is_a_guards_to_close() {
    let mut scene = Scene::new();
    let point = |n: usize| format!("channel-{n:03}");
    for n in 0..=MAX_POINTS {
        scene.see_by(0, "mqtt", &point(n), Signal::ViewLost, &ON);
    }
    for n in (1..MAX_POINTS).chain([MAX_POINTS + 1]) {
        assert_eq!(scene.see_by(1, "mqtt", &point(n), Signal::ViewLost, &OFF), []);
    }
    let (equipment, by) = (id("DOOR-1"), Evidence { driver: "mqtt", raw: [0; 32], device_time: None });
    let last = Sighting {
        device: "gate",
        point: &point(0),
        equipment: &equipment,
        signal: Signal::ViewLost,
        value: &OFF,
        quality: Quality::Good,
    };
    let turned: Vec<Turn> = scene.rules.observe(&at(2), &last, &by).into_iter().map(|f| f.turn).collect();
    assert_eq!(turned, [Turn::Untold]);
    assert_eq!(scene.see_by(3, "mqtt", &point(7), Signal::ViewLost, &ON), [(Rule::ViewLost, true)]);
}

#[test]
fn a_door_opened_without_a_release_is_forced_until_it_is_closed() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Released, &OFF);
    scene.see(0, Signal::Open, &OFF);
    assert_eq!(scene.see(s(1), Signal::Open, &ON), [(Rule::DoorForced, true)]);
    assert_eq!(scene.see(s(2), Signal::Open, &ON), []);
    assert_eq!((scene.wait(s(600)), scene.rules.deadline()), (vec![], None));
    assert_eq!(scene.see(s(601), Signal::Open, &OFF), []);
    assert_eq!(scene.wait(s(603) - 1), []);
    assert_eq!(scene.wait(s(603)), [(Rule::DoorForced, false)]);
    assert_eq!(scene.see(s(604), Signal::Open, &ON), [(Rule::DoorForced, true)]);
}

#[test]
fn a_forced_door_that_bounces_is_one_alarm_from_its_first_sample_on() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Released, &OFF);
    scene.see(0, Signal::Open, &OFF);
    assert_eq!(scene.see(s(1), Signal::Open, &ON), [(Rule::DoorForced, true)]);
    for poll in 1..=50 {
        assert_eq!(scene.see(s(1) + poll * 100_000, Signal::Open, &Value::Bit(poll % 2 == 0)), []);
    }
    scene.see(s(7), Signal::Open, &OFF);
    assert_eq!(scene.wait(s(9)), [(Rule::DoorForced, false)]);
    assert_eq!(scene.rules.deadline(), None);
}

#[test]
fn a_released_door_that_bounces_when_it_falls_shut_is_not_forced_but_one_opened_after_it_is() {
    let opened_again = |after_us: u64| {
        let mut scene = Scene::new();
        scene.see(0, Signal::Open, &OFF);
        scene.see(0, Signal::Released, &ON);
        scene.see(s(1), Signal::Released, &OFF);
        scene.see(s(1), Signal::Open, &ON);
        scene.see(s(20), Signal::Open, &OFF);
        scene.see(s(20) + after_us, Signal::Open, &ON)
    };
    assert_eq!(opened_again(199_999), []);
    assert_eq!(opened_again(200_000), [(Rule::DoorForced, true)]);
}

#[test]
fn a_held_door_that_is_opened_by_force_right_after_is_forced_too() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Open, &OFF);
    scene.see(0, Signal::Released, &ON);
    scene.see(0, Signal::Open, &ON);
    scene.see(s(1), Signal::Released, &OFF);
    assert_eq!(scene.wait(s(30)), [(Rule::DoorHeld, true)]);
    scene.see(s(40), Signal::Open, &OFF);
    assert_eq!(scene.see(s(41), Signal::Open, &ON), [(Rule::DoorForced, true)]);
    assert_eq!(scene.wait(s(50)), []);
    scene.see(s(60), Signal::Open, &OFF);
    assert_eq!(scene.wait(s(62)), [(Rule::DoorForced, false), (Rule::DoorHeld, false)]);
}

#[test]
fn a_late_release_authorises_only_where_the_settings_wait_for_it() {
    let opened = |grace_ms: u64, release_after_us: u64| {
        let mut scene = Scene::with(Limits { door_grace_ms: grace_ms, ..Limits::default() });
        scene.see(0, Signal::Released, &OFF);
        scene.see(0, Signal::Open, &OFF);
        let mut told = scene.see(s(1), Signal::Open, &ON);
        told.extend(scene.wait(s(1) + release_after_us - 1));
        scene.see(s(1) + release_after_us, Signal::Released, &ON);
        told.extend(scene.wait(s(10)));
        told
    };
    assert_eq!(opened(0, 100_000), [(Rule::DoorForced, true)]);
    assert_eq!(opened(800, 800_000), []);
    assert_eq!(opened(800, 800_002), [(Rule::DoorForced, true)]);
}

#[test]
fn a_door_that_is_shut_again_before_a_late_release_could_come_was_forced_all_the_same() {
    let mut scene = Scene::with(Limits { door_grace_ms: 800, ..Limits::default() });
    scene.see(0, Signal::Released, &OFF);
    scene.see(0, Signal::Open, &OFF);
    scene.see(s(1), Signal::Open, &ON);
    scene.see(s(1) + 300_000, Signal::Open, &OFF);
    assert_eq!(scene.wait(s(1) + 800_000), [(Rule::DoorForced, true)]);
    assert_eq!(scene.wait(s(3) + 300_000), [(Rule::DoorForced, false)]);
}

#[test]
fn a_spoken_opening_waits_for_no_late_release() {
    let mut scene = Scene::with(Limits { door_grace_ms: 800, ..Limits::default() });
    scene.see_by(0, "mqtt", "release", Signal::Released, &OFF);
    scene.see_by(0, "mqtt", "contact", Signal::Open, &OFF);
    assert_eq!(scene.see_by(s(1), "mqtt", "contact", Signal::Open, &ON), [(Rule::DoorForced, true)]);
}

#[test]
fn a_door_opened_within_seven_seconds_of_its_release_is_not_forced() {
    let opened = |after_us: u64| {
        let mut scene = Scene::new();
        scene.see(0, Signal::Open, &OFF);
        scene.see(0, Signal::Released, &ON);
        scene.see(s(10), Signal::Released, &OFF);
        scene.see(s(10) + after_us, Signal::Open, &ON)
    };
    assert_eq!(opened(s(7)), []);
    assert_eq!(opened(s(7) + 1), [(Rule::DoorForced, true)]);
}

#[test]
fn a_release_that_is_still_on_authorises_however_long_ago_it_was_said() {
    let mut scene = Scene::new();
    scene.see_by(0, "mqtt", "contact", Signal::Open, &OFF);
    scene.see_by(0, "mqtt", "release", Signal::Released, &ON);
    assert_eq!(scene.see_by(s(3_600), "mqtt", "contact", Signal::Open, &ON), []);
}

#[test]
fn a_release_that_is_not_heard_any_more_lapses_and_a_door_opened_after_it_is_held_with_its_doubt() {
    for released in [ON, OFF] {
        for quality in [Quality::Stale, Quality::Bad] {
            let mut scene = Scene::new();
            let (equipment, by) = (id("DOOR-1"), Evidence { driver: MODBUS, raw: [0; 32], device_time: None });
            scene.see(0, Signal::Open, &OFF);
            scene.see_by(0, MODBUS, "release", Signal::Released, &released);
            let bad = Sighting {
                device: "gate",
                point: "release",
                equipment: &equipment,
                signal: Signal::Released,
                value: &released,
                quality,
            };
            scene.rules.observe(&at(s(1)), &bad, &by);
            assert_eq!(scene.see(s(8), Signal::Open, &ON), []);
            let held = scene.rules.timeout(&at(s(38)));
            let Some(Turn::Began(facts)) = held.first().map(|finding| &finding.turn) else { panic!("{held:?}") };
            assert_eq!((held[0].rule, facts["release"].as_str()), (Rule::DoorHeld, "unknown"));
        }
    }
}

fn release_module() -> Device {
    let mut device = crate::testbed::module();
    device.name = "gate".into();
    let delays = crate::plan::Delays::default();
    let row = crate::plan::Binding { equipment: id("DOOR-1"), signal: Signal::Released, inverted: false, delays };
    device.bindings = BTreeMap::from([("release".to_owned(), row)]);
    device
}

#[test]
fn after_a_silence_no_release_holds_on_and_a_release_does_not_unless_the_line_was_lost() {
    let held_with = |last: Value, by_line: bool| {
        let mut scene = Scene::new();
        scene.see(0, Signal::Open, &OFF);
        scene.see_by(0, MODBUS, "release", Signal::Released, &last);
        scene.rules.unheard(&at(s(1)), &release_module());
        scene.rules.heard_again(&release_module(), by_line);
        let forced = scene.see(s(60), Signal::Open, &ON);
        let held = scene.rules.timeout(&at(s(90)));
        let doubt = held.first().map(|finding| matches!(&finding.turn, Turn::Began(f) if f.contains_key("release")));
        (forced, doubt)
    };
    for by_line in [false, true] {
        assert_eq!(held_with(OFF, by_line), (vec![(Rule::DoorForced, true)], None));
    }
    assert_eq!(held_with(ON, true), (vec![], Some(false)));
    assert_eq!(held_with(ON, false), (vec![], Some(true)));
}

#[test]
fn a_release_that_its_device_called_bad_does_not_come_back_with_the_line() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Open, &OFF);
    scene.see_by(0, MODBUS, "release", Signal::Released, &ON);
    let (equipment, by) = (id("DOOR-1"), Evidence { driver: MODBUS, raw: [0; 32], device_time: None });
    let (signal, quality) = (Signal::Released, Quality::Bad);
    let bad = Sighting { device: "gate", point: "release", equipment: &equipment, signal, value: &ON, quality };
    scene.rules.observe(&at(s(1)), &bad, &by);
    scene.rules.unheard(&at(s(2)), &release_module());
    scene.rules.heard_again(&release_module(), true);
    assert_eq!(scene.see(s(60), Signal::Open, &ON), []);
    let held = scene.rules.timeout(&at(s(90)));
    assert!(matches!(&held[0].turn, Turn::Began(facts) if facts["release"] == "unknown"));
}

#[test]
fn a_release_that_is_heard_again_counts_again() {
    let mut scene = Scene::new();
    let device = release_module();
    scene.see(0, Signal::Open, &OFF);
    scene.see_by(0, MODBUS, "release", Signal::Released, &OFF);
    scene.rules.unheard(&at(s(1)), &device);
    assert_eq!(scene.see(s(8) - 1, Signal::Open, &ON), [(Rule::DoorForced, true)]);
    scene.see(s(9), Signal::Open, &OFF);
    scene.wait(s(20));
    scene.rules.heard_again(&device, true);
    assert_eq!(scene.see(s(30), Signal::Open, &ON), [(Rule::DoorForced, true)]);
    scene.see(s(31), Signal::Open, &OFF);
    scene.wait(s(40));
    scene.rules.unheard(&at(s(40)), &device);
    assert_eq!(scene.see(s(50), Signal::Open, &ON), []);
    scene.see(s(51), Signal::Open, &OFF);
    scene.see_by(s(52), MODBUS, "release", Signal::Released, &OFF);
    assert_eq!(scene.see(s(53), Signal::Open, &ON), [(Rule::DoorForced, true)]);
}

#[test]
fn a_door_without_a_release_contact_is_never_forced_but_held() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Open, &OFF);
    assert_eq!(scene.see(s(1), Signal::Open, &ON), []);
    assert_eq!(scene.rules.deadline(), Some(s(31)));
    assert_eq!(scene.wait(s(31) - 1), []);
    assert_eq!(scene.wait(s(31)), [(Rule::DoorHeld, true)]);
    assert_eq!(scene.wait(s(99)), []);
    assert_eq!(scene.see(s(100), Signal::Open, &OFF), []);
    assert_eq!(scene.wait(s(102)), [(Rule::DoorHeld, false)]);
}

#[test]
fn a_door_that_was_open_before_the_start_is_held_but_not_forced() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Released, &OFF);
    assert_eq!(scene.see(0, Signal::Open, &ON), []);
    assert_eq!(scene.wait(s(30)), [(Rule::DoorHeld, true)]);
}

#[test]
fn two_contacts_of_one_door_are_one_door() {
    let mut scene = Scene::new();
    scene.see(0, Signal::Released, &OFF);
    scene.see_by(0, MODBUS, "left", Signal::Open, &OFF);
    scene.see_by(0, MODBUS, "right", Signal::Open, &OFF);
    assert_eq!(scene.see_by(s(1), MODBUS, "left", Signal::Open, &ON), [(Rule::DoorForced, true)]);
    for poll in 2..10 {
        assert_eq!(scene.see_by(s(poll), MODBUS, "right", Signal::Open, &OFF), []);
        assert_eq!(scene.see_by(s(poll), MODBUS, "left", Signal::Open, &ON), []);
    }
    scene.see_by(s(10), MODBUS, "left", Signal::Open, &OFF);
    assert_eq!(scene.wait(s(12)), [(Rule::DoorForced, false)]);
}

#[test]
fn an_alarm_that_was_open_before_the_start_is_not_raised_again_and_clears_when_the_equipment_says_so() {
    for (rule, signal) in
        [(Rule::DoorForced, Signal::Open), (Rule::DoorHeld, Signal::Open), (Rule::Tamper, Signal::Tamper)]
    {
        let mut scene = Scene::new();
        scene.rules.recover(rule, &id("DOOR-1"));
        assert_eq!(scene.wait(s(600)), []);
        assert_eq!(scene.see(s(601), signal, &ON), []);
        assert_eq!(scene.wait(s(700)), []);
        scene.see(s(701), signal, &OFF);
        assert_eq!(scene.wait(s(704)), [(rule, false)]);
        assert_eq!(scene.rules.deadline(), None);
    }
}

#[test]
fn a_speaking_door_that_was_closed_before_the_start_is_forced_by_its_first_word() {
    let mut scene = Scene::new();
    scene.recall(0, Signal::Open, "contact", false);
    scene.recall(0, Signal::Released, "release", false);
    assert_eq!(scene.see_by(s(1), "mqtt", "contact", Signal::Open, &ON), [(Rule::DoorForced, true)]);
}

#[test]
fn what_was_heard_and_not_concluded_before_the_start_is_concluded_after_it() {
    let mut scene = Scene::new();
    scene.recall(s(5), Signal::Tamper, "p", true);
    assert_eq!(scene.rules.deadline(), Some(s(5)));
    assert_eq!(scene.wait(s(5)), [(Rule::Tamper, true)]);
}

#[test]
fn after_a_start_one_point_does_not_clear_what_another_still_says() {
    let mut scene = Scene::new();
    scene.rules.recover(Rule::ViewLost, &id("DOOR-1"));
    scene.recall(0, Signal::ViewLost, "dark", true);
    assert_eq!(scene.see_by(1, "mqtt", "moved", Signal::ViewLost, &OFF), []);
    assert_eq!(scene.see_by(2, "mqtt", "dark", Signal::ViewLost, &OFF), [(Rule::ViewLost, false)]);
}
