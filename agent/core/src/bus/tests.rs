use super::*;
use crate::plan::ReadingsPolicy;
use crate::testbed::{at, id};
use picket_device::profile::{Coding, IdentityCoding, IdentityField, IdentityPoint, Point};
use picket_device::quantity::{Quality, Value};
use std::collections::BTreeMap;

const HOUR_US: u64 = s(3_600);

fn point(address: u16) -> Point {
    Point {
        name: format!("di{address}"),
        table: Table::DiscreteInput,
        address,
        coding: Coding::Bit,
        exponent: 0,
        unit: String::new(),
        range: None,
        signal: None,
        inverted: false,
        page: String::new(),
    }
}

fn serial() -> IdentityPoint {
    IdentityPoint {
        field: IdentityField::Serial,
        table: Table::InputRegister,
        address: 100,
        count: 2,
        coding: IdentityCoding::Ascii,
        page: String::new(),
    }
}

fn device(unit: u8, points: u16, identity: Vec<IdentityPoint>) -> Device {
    let points = (0..points).map(point).collect();
    let speech = ModbusSpeech { max_bits: 2000, max_registers: 125, hole_limit: 0, identity, points };
    Device {
        name: format!("unit-{unit}"),
        line: LineId(0),
        equipment: id("MOD-1"),
        speech: DeviceSpeech::Modbus { speech, unit, poll_ms: 1_000, patience_ms: 500 },
        silence_ms: 0,
        bindings: BTreeMap::new(),
        readings: ReadingsPolicy::Off,
    }
}

fn bus(driver: Driver, devices: &[Device]) -> Bus {
    Bus::new(LineId(0), driver, devices, &at(0), &mut Chance::new(7))
}

fn good(read: Read) -> Result<Answer, Fault> {
    Ok(match read.table.is_bits() {
        true => Answer::Bits(vec![false; usize::from(read.count)]),
        false => Answer::Words(vec![0x4142; usize::from(read.count)]),
    })
}

fn late() -> Result<Answer, Fault> {
    Err(Fault::Timeout(500))
}

/// Answers what is asked next.
fn answer(bus: &mut Bus, now_us: u64, result: Result<Answer, Fault>) -> Vec<Event> {
    assert!(bus.is_busy());
    bus.outcome(&at(now_us), HOUR_US, result)
}

/// Runs a bus for so many virtual seconds; polls that came in per unit, and microseconds spent on units that are dead.
fn run(bus: &mut Bus, driver: Driver, seconds: u64, is_dead: impl Fn(u8, u64) -> bool) -> (BTreeMap<u16, u64>, u64) {
    let (mut now, mut polls, mut wasted) = (0, BTreeMap::new(), 0);
    while now < s(seconds) {
        let Some(ask) = bus.next_ask(&at(now)) else {
            let due = bus.deadline().expect("a device is due some time");
            assert!(due > now, "hot loop at {now}");
            now = due;
            continue;
        };
        let dead = is_dead(ask.unit, now);
        // A serial line listens as long again after a fault.
        let takes = if dead { ms(if driver == Driver::ModbusRtu { 1_000 } else { 500 }) } else { ms(20) };
        wasted += if dead { takes } else { 0 };
        let outcome_at = now + if dead { ms(500) } else { ms(20) };
        for event in bus.outcome(&at(outcome_at), HOUR_US, if dead { late() } else { good(ask.read) }) {
            if let Event::Polled { device, .. } = event {
                *polls.entry(device.0).or_default() += 1;
            }
        }
        now += takes;
    }
    (polls, wasted)
}

#[test]
fn a_device_is_polled_at_its_interval_and_one_ask_is_open_at_a_time() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 4, vec![])]);
    let ask = bus.next_ask(&at(0)).unwrap();
    assert_eq!(ask.read, Read { table: Table::DiscreteInput, start: 0, count: 4 });
    assert_eq!((bus.next_ask(&at(5)), bus.deadline()), (None, None));
    let events = answer(&mut bus, 30_000, good(ask.read));
    assert!(matches!(&events[..], [Event::Polled { observations, .. }] if observations.len() == 4));
    assert_eq!((bus.next_ask(&at(999_999)), bus.deadline()), (None, Some(s(1))));
    assert!(bus.next_ask(&at(s(1))).is_some());
}

#[test]
fn the_hash_of_a_poll_is_over_the_response_as_the_device_sent_it() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 10, vec![])]);
    bus.next_ask(&at(0));
    let bits = [true, false, true, true, false, false, true, true, true, true];
    let events = answer(&mut bus, 1, Ok(Answer::Bits(bits.to_vec())));
    // Modbus 1.1b3 section 6.2: function 02, two bytes, CD 03.
    let expected: [u8; 32] = Sha256::digest([0x02, 0x02, 0xCD, 0x03]).into();
    assert!(matches!(&events[..], [Event::Polled { raw, .. }] if *raw == expected));
}

#[test]
fn a_living_unit_keeps_nine_tenths_of_its_rate_beside_dead_ones() {
    for driver in [Driver::ModbusTcp, Driver::ModbusRtu] {
        for dead in [1_u8, 2, 5, 20] {
            let devices: Vec<Device> = (1..=dead + 1).map(|unit| device(unit, 4, vec![])).collect();
            let mut bus = bus(driver, &devices);
            let (polls, wasted) = run(&mut bus, driver, 1_200, |unit, _| unit > 1);
            // The first tries, before a unit counts as dead, are not part of its share.
            let first = u64::from(dead) * 3 * ms(1_000);
            assert!(wasted <= s(120) + first, "{driver:?}, {dead} dead units took {wasted} us");
            assert!(polls[&0] * 10 >= 1_200 * 9 - 10 * first / s(1), "{driver:?}, {dead} dead: {} polls", polls[&0]);
        }
    }
}

#[test]
fn units_of_one_interval_share_a_full_bus_within_a_tenth() {
    let devices: Vec<Device> = (1..=80).map(|unit| device(unit, 4, vec![])).collect();
    let (polls, _) = run(&mut bus(Driver::ModbusTcp, &devices), Driver::ModbusTcp, 160, |_, _| false);
    let (least, most) = (polls.values().min().unwrap(), polls.values().max().unwrap());
    assert!(polls.len() == 80 && (most - least) * 10 <= *most, "{polls:?}");
}

#[test]
fn after_an_outage_of_the_whole_line_every_unit_is_polled_again_within_seconds_of_the_first_answer() {
    let devices: Vec<Device> = (1..=20).map(|unit| device(unit, 4, vec![])).collect();
    let mut bus = bus(Driver::ModbusTcp, &devices);
    let (polls, _) = run(&mut bus, Driver::ModbusTcp, 612, |_, now| now < s(600));
    assert_eq!(polls.len(), 20, "{polls:?}");
}

#[test]
fn on_a_serial_bus_the_first_answer_after_a_fault_is_thrown_away_whoever_is_asked() {
    let mut bus = bus(Driver::ModbusRtu, &[device(1, 4, vec![]), device(2, 4, vec![])]);
    bus.next_ask(&at(0));
    answer(&mut bus, 500_000, late());
    let probe = bus.next_ask(&at(1_000_000)).unwrap();
    assert_eq!(probe.unit, 2);
    assert_eq!(answer(&mut bus, 1_020_000, Ok(Answer::Bits(vec![true; 4]))), []);
    assert_eq!(bus.next_ask(&at(1_020_000)), Some(probe));
    let events = answer(&mut bus, 1_040_000, good(probe.read));
    assert!(
        matches!(&events[..], [Event::Polled { observations, .. }] if observations[0].value == picket_device::quantity::Value::Bit(false))
    );
}

#[test]
fn a_late_refusal_takes_no_point_from_the_unit_that_is_asked_after_it() {
    let mut bus = bus(Driver::ModbusRtu, &[device(1, 1, vec![]), device(2, 1, vec![])]);
    bus.next_ask(&at(0));
    answer(&mut bus, 500_000, late());
    let probe = bus.next_ask(&at(1_000_000)).unwrap();
    assert_eq!(answer(&mut bus, 1_020_000, Err(Fault::Exception(2))), []);
    assert_eq!(bus.next_ask(&at(1_020_000)), Some(probe));
    assert!(matches!(answer(&mut bus, 1_040_000, good(probe.read))[..], [Event::Polled { .. }]));
}

#[test]
fn over_tcp_no_answer_is_thrown_away() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 4, vec![])]);
    bus.next_ask(&at(0));
    answer(&mut bus, 500_000, late());
    let ask = bus.next_ask(&at(1_500_000)).unwrap();
    assert!(matches!(answer(&mut bus, 1_520_000, good(ask.read))[..], [Event::Polled { .. }]));
}

#[test]
fn a_refused_block_is_halved_until_the_point_that_does_not_exist_is_found() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 8, vec![])]);
    let (mut refused, mut observed, mut asks) = (Vec::new(), Vec::new(), 0);
    while observed.is_empty() {
        let ask = bus.next_ask(&at(0)).unwrap();
        asks += 1;
        let holds_it = (ask.read.start..ask.read.start + ask.read.count).contains(&5);
        let result = if holds_it { Err(Fault::Exception(2)) } else { good(ask.read) };
        for event in answer(&mut bus, 1, result) {
            match event {
                Event::Refused { point, .. } => refused.push(point),
                Event::Polled { observations, .. } => observed = observations,
                other => panic!("{other:?}"),
            }
        }
        assert!(asks < 20);
    }
    assert_eq!(refused, ["di5"]);
    let names: Vec<&str> = observed.iter().map(|o| o.point.as_str()).collect();
    assert_eq!(names, ["di0", "di1", "di2", "di3", "di4", "di6", "di7", "di5"]);
    let bad: Vec<&str> = observed.iter().filter(|o| o.quality == Quality::Bad).map(|o| o.point.as_str()).collect();
    assert_eq!(bad, ["di5"]);
    assert_eq!(bus.unread(DeviceId(0)).collect::<Vec<_>>(), ["di5"]);
}

#[test]
fn a_device_that_refuses_every_point_is_left_alone_for_a_minute_and_asked_again() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 1, vec![])]);
    bus.next_ask(&at(0));
    let events = answer(&mut bus, 1, Err(Fault::Exception(3)));
    assert!(matches!(&events[..], [Event::Refused { point, .. }, Event::Failed { .. }] if point == "di0"));
    for second in 1..60 {
        assert_eq!(bus.next_ask(&at(s(second) + 1)), None);
        assert!(bus.deadline().is_some_and(|due| due > s(second) + 1));
    }
    // It may have been starting up: every point is asked for again, the next time after two minutes.
    let again = (60..63).find_map(|second| bus.next_ask(&at(s(second) + 1)));
    assert!(again.is_some());
    answer(&mut bus, s(62), Err(Fault::Exception(3)));
    assert_eq!((63..180).find_map(|second| bus.next_ask(&at(s(second) + 1))), None);
    assert!((180..190).find_map(|second| bus.next_ask(&at(s(second) + 1))).is_some());
}

#[test]
fn busy_and_gateway_exceptions_are_faults_of_that_unit_and_take_no_point_away() {
    for code in [5, 6, 0x0A, 0x0B, 99] {
        let mut bus = bus(Driver::ModbusRtu, &[device(1, 4, vec![]), device(2, 4, vec![])]);
        let first = bus.next_ask(&at(0)).unwrap();
        let events = answer(&mut bus, 1, Err(Fault::Exception(code)));
        assert!(matches!(&events[..], [Event::Failed { failures: 1, .. }]), "{code}");
        // The other unit is asked in its turn, and nothing of its answer is thrown away.
        let other = bus.next_ask(&at(s(1))).unwrap();
        assert_eq!(other.unit, 2);
        assert!(matches!(answer(&mut bus, s(1), good(other.read))[..], [Event::Polled { .. }]));
        assert_eq!(bus.next_ask(&at(s(2))), Some(first));
    }
}

/// A device of two reads: four contacts, then four more behind a hole.
fn two_blocks() -> Bus {
    let mut device = device(1, 8, vec![]);
    let DeviceSpeech::Modbus { speech, .. } = &mut device.speech else { panic!("polled") };
    speech.points[4..].iter_mut().for_each(|point| point.address += 100);
    bus(Driver::ModbusTcp, &[device])
}

/// One poll whose blocks are answered or refused; what it led to.
fn poll(bus: &mut Bus, now_us: u64, blocks: [Option<u8>; 2]) -> Vec<Event> {
    let mut events = Vec::new();
    for refusal in blocks {
        let Some(ask) = bus.next_ask(&at(now_us)) else { break };
        events.extend(answer(bus, now_us, refusal.map_or(good(ask.read), |code| Err(Fault::Exception(code)))));
    }
    events
}

#[test]
fn a_block_that_is_not_given_is_bad_and_the_other_one_counts() {
    for blocks in [[None, Some(6)], [Some(4), None]] {
        let mut bus = two_blocks();
        let events = poll(&mut bus, 0, blocks);
        let [Event::Polled { observations, .. }] = &events[..] else { panic!("{events:?}") };
        let bad = observations.iter().filter(|o| o.quality == Quality::Bad && o.value == Value::Unknown).count();
        assert_eq!((observations.len(), bad), (8, 4));
        assert_eq!(bus.deadline(), Some(s(1)));
    }
}

#[test]
fn a_refusal_stands_in_the_hash_of_its_poll_as_the_device_sent_it() {
    let events = poll(&mut two_blocks(), 0, [None, Some(6)]);
    // Modbus 1.1b3 section 6.2: function 02, one byte, 00; section 7: 82, exception 06.
    let expected: [u8; 32] = Sha256::digest([0x02, 0x01, 0x00, 0x82, 0x06]).into();
    assert!(matches!(&events[..], [Event::Polled { raw, .. }] if *raw == expected));
}

#[test]
fn points_that_are_withheld_three_times_are_told_once_and_again_after_they_were_given() {
    let mut bus = two_blocks();
    let mut told = Vec::new();
    for second in 0..10 {
        let busy = if second == 6 { None } else { Some(6) };
        let events = poll(&mut bus, s(second), [None, busy]);
        let withheld = events.iter().filter(|event| matches!(event, Event::Withheld { .. })).count();
        told.push((withheld, bus.unread(DeviceId(0)).count()));
    }
    let expected = [(0, 0), (0, 0), (4, 4), (0, 4), (0, 4), (0, 4), (0, 0), (0, 0), (0, 0), (4, 4)];
    assert_eq!(told, expected);
}

#[test]
fn a_poll_without_any_answer_failed_and_a_dead_unit_is_not_asked_block_by_block() {
    let mut bus = two_blocks();
    for second in 0..3 {
        let events = poll(&mut bus, s(second), [Some(0x0B), Some(0x0B)]);
        assert!(matches!(&events[..], [Event::Failed { .. }]), "{events:?}");
    }
    let due = bus.deadline().unwrap();
    bus.next_ask(&at(due)).unwrap();
    let events = answer(&mut bus, due, Err(Fault::Exception(0x0B)));
    assert!(matches!(&events[..], [Event::Failed { failures: 4, .. }]), "{events:?}");
}

#[test]
fn a_device_says_who_it_is_before_its_first_poll_and_again_after_the_interval() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 4, vec![serial()])]);
    let who = bus.next_ask(&at(0)).unwrap();
    assert_eq!(who.read, Read { table: Table::InputRegister, start: 100, count: 2 });
    let events = answer(&mut bus, 1, good(who.read));
    assert!(matches!(&events[..], [Event::Identified { identity, .. }] if identity.serial.as_deref() == Some("ABAB")));
    let poll = bus.next_ask(&at(1)).unwrap();
    assert!(poll.read.table.is_bits());
    answer(&mut bus, 2, good(poll.read));
    assert!(bus.next_ask(&at(s(1))).unwrap().read.table.is_bits());
    answer(&mut bus, s(1), good(poll.read));
    assert!(!bus.next_ask(&at(HOUR_US + 1)).unwrap().read.table.is_bits());
}

#[test]
fn a_device_that_does_not_tell_its_identity_is_polled_all_the_same() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 4, vec![serial()])]);
    let mut polls = 0;
    for second in 0..60 {
        let now = s(second) + 1;
        while let Some(ask) = bus.next_ask(&at(now)) {
            let result = if ask.read.table.is_bits() { good(ask.read) } else { late() };
            polls += answer(&mut bus, now, result).iter().filter(|e| matches!(e, Event::Polled { .. })).count();
        }
    }
    assert!(polls >= 55, "{polls} polls in a minute");
}

#[test]
fn a_unit_that_was_away_says_who_it_is_when_it_is_back() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 4, vec![serial()])]);
    let mut identified = Vec::new();
    let mut now = 0;
    while now < s(120) {
        if let Some(ask) = bus.next_ask(&at(now)) {
            let away = (s(20)..s(60)).contains(&now);
            let events = answer(&mut bus, now, if away { late() } else { good(ask.read) });
            identified.extend(events.iter().any(|e| matches!(e, Event::Identified { .. })).then_some(now));
        } else {
            now = bus.deadline().unwrap();
        }
    }
    assert_eq!(identified.len(), 2, "{identified:?}");
    assert!((s(60)..s(70)).contains(&identified[1]), "{identified:?}");
}

#[test]
fn a_refused_identity_register_leaves_its_field_open() {
    let mut bus = bus(Driver::ModbusTcp, &[device(1, 4, vec![serial()])]);
    bus.next_ask(&at(0));
    let events = answer(&mut bus, 1, Err(Fault::Exception(2)));
    assert_eq!(events, [Event::Identified { device: DeviceId(0), identity: Identity::default() }]);
}
