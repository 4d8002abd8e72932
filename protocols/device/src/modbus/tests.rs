use super::*;
use crate::profile::{Coding, IdentityCoding, IdentityField, IdentityPoint, Point};
use crate::quantity::{Quality, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn point(name: &str, table: Table, address: u16, coding: Coding) -> Point {
    Point {
        name: name.to_owned(),
        table,
        address,
        coding,
        exponent: 0,
        unit: String::new(),
        range: None,
        signal: None,
        inverted: false,
        page: String::new(),
    }
}

fn speech(points: Vec<Point>, hole_limit: u16) -> ModbusSpeech {
    ModbusSpeech { max_bits: 2000, max_registers: 125, hole_limit, identity: Vec::new(), points }
}

fn read(table: Table, start: u16, count: u16) -> Read {
    Read { table, start, count }
}

fn inputs(addresses: &[u16], hole_limit: u16) -> ModbusSpeech {
    let input = |address: &u16| point(&format!("di{address}"), Table::DiscreteInput, *address, Coding::Bit);
    speech(addresses.iter().map(input).collect(), hole_limit)
}

#[test]
fn neighbours_are_read_together_in_the_order_of_their_addresses() {
    let plan = ReadPlan::new(&inputs(&[3, 0, 2, 1], 0));
    assert_eq!(plan.reads(), [read(Table::DiscreteInput, 0, 4)]);
}

#[test]
fn a_hole_is_read_along_up_to_its_limit() {
    assert_eq!(ReadPlan::new(&inputs(&[0, 4], 3)).reads(), [read(Table::DiscreteInput, 0, 5)]);
    let apart = [read(Table::DiscreteInput, 0, 1), read(Table::DiscreteInput, 4, 1)];
    assert_eq!(ReadPlan::new(&inputs(&[0, 4], 2)).reads(), apart);
}

#[test]
fn each_table_is_read_by_itself() {
    let points = vec![point("a", Table::Coil, 0, Coding::Bit), point("b", Table::DiscreteInput, 1, Coding::Bit)];
    let plan = ReadPlan::new(&speech(points, 9));
    assert_eq!(plan.reads(), [read(Table::Coil, 0, 1), read(Table::DiscreteInput, 1, 1)]);
}

#[test]
fn a_value_of_two_registers_is_never_spread_over_two_reads() {
    let points = vec![
        point("a", Table::InputRegister, 0, Coding::U16),
        point("b", Table::InputRegister, 1, Coding::U32),
        point("c", Table::InputRegister, 3, Coding::U16),
    ];
    let mut speech = speech(points, 0);
    speech.max_registers = 2;
    let expected =
        [read(Table::InputRegister, 0, 1), read(Table::InputRegister, 1, 2), read(Table::InputRegister, 3, 1)];
    assert_eq!(ReadPlan::new(&speech).reads(), expected);
}

#[test]
fn limits_above_the_protocol_are_the_protocol() {
    let addresses: Vec<u16> = (0..2001).collect();
    let mut speech = inputs(&addresses, 0);
    speech.max_bits = u16::MAX;
    let plan = ReadPlan::new(&speech);
    assert_eq!(plan.reads(), [read(Table::DiscreteInput, 0, 2000), read(Table::DiscreteInput, 2000, 1)]);
}

#[test]
fn the_last_address_of_a_table_can_be_read() {
    let plan = ReadPlan::new(&inputs(&[65_535], 0));
    assert_eq!(plan.reads(), [read(Table::DiscreteInput, 65_535, 1)]);
}

#[test]
fn every_point_of_a_read_is_observed_by_name() {
    let plan = ReadPlan::new(&inputs(&[0, 2], 1));
    let seen = plan.decode(plan.reads()[0], &Answer::Bits(vec![true, true, false]));
    let values: Vec<_> = seen.iter().map(|o| (o.point.as_str(), &o.value, o.quality)).collect();
    let expected = [("di0", &Value::Bit(true), Quality::Good), ("di2", &Value::Bit(false), Quality::Good)];
    assert_eq!(values, expected);
}

#[test]
fn an_answer_to_a_read_that_was_split_since_says_nothing() {
    let mut plan = ReadPlan::new(&inputs(&[0, 1], 0));
    let old = plan.reads()[0];
    plan.split(old);
    assert_eq!(plan.decode(old, &Answer::Bits(vec![true, true])), Vec::new());
    assert_eq!(plan.split(old), None);
}

#[test]
fn a_refused_read_is_halved_without_the_hole_between_the_halves() {
    let mut plan = ReadPlan::new(&inputs(&[0, 1, 10, 11], 8));
    assert_eq!(plan.split(plan.reads()[0]), None);
    assert_eq!(plan.reads(), [read(Table::DiscreteInput, 0, 2), read(Table::DiscreteInput, 10, 2)]);
}

#[test]
fn a_refused_read_of_one_point_leaves_the_plan_and_is_named() {
    let mut plan = ReadPlan::new(&inputs(&[5], 0));
    assert_eq!(plan.split(plan.reads()[0]).as_deref(), Some("di5"));
    assert_eq!(plan.reads(), []);
}

#[test]
fn all_points_of_a_refused_register_are_named_one_a_call() {
    let bit = |n: u8| point(&format!("b{n}"), Table::HoldingRegister, 7, Coding::RegisterBit(n));
    let mut plan = ReadPlan::new(&speech((0..3).map(bit).collect(), 0));
    let refused = plan.reads()[0];
    let mut gone = Vec::new();
    while let Some(name) = plan.split(refused) {
        gone.push(name);
    }
    gone.sort();
    assert_eq!(gone, ["b0", "b1", "b2"]);
    assert_eq!(plan.reads(), []);
}

#[test]
fn one_bad_point_of_sixteen_is_found_after_four_halvings() {
    let addresses: Vec<u16> = (0..16).collect();
    let mut plan = ReadPlan::new(&inputs(&addresses, 0));
    let refused = settle(&mut plan, |read| covers(read, 11));
    assert_eq!(refused, (5, vec!["di11".to_owned()]));
}

#[test]
fn identity_is_read_row_by_row_and_joined() {
    let mut device = speech(Vec::new(), 0);
    for (field, address, count, coding) in [
        (IdentityField::Model, 5000, 3, IdentityCoding::Ascii),
        (IdentityField::Serial, 5024, 3, IdentityCoding::Hex),
        (IdentityField::Firmware, 5029, 2, IdentityCoding::DottedBytes),
    ] {
        let page = String::new();
        device.identity.push(IdentityPoint { field, table: Table::InputRegister, address, count, coding, page });
    }
    assert_eq!(identity_reads(&device)[1], read(Table::InputRegister, 5024, 3));
    let answers = [Some(Answer::Words(vec![0x4531, 0x3231, 0x3200])), None, Some(Answer::Words(vec![0x0302, 0x0000]))];
    let who = identity(&device, &answers);
    assert_eq!((who.model.as_deref(), who.serial), (Some("E1212"), None));
    assert_eq!(who.firmware.as_deref(), Some("3.2.0"));
}

#[test]
fn an_identity_answer_of_another_count_or_kind_tells_nothing() {
    let mut device = speech(Vec::new(), 0);
    device.identity.push(IdentityPoint {
        field: IdentityField::Model,
        table: Table::InputRegister,
        address: 0,
        count: 2,
        coding: IdentityCoding::Ascii,
        page: String::new(),
    });
    for answer in [Answer::Words(vec![0x4531]), Answer::Bits(vec![true, true])] {
        assert_eq!(identity(&device, &[Some(answer)]), Identity::default());
    }
    assert_eq!(identity(&device, &[]), Identity::default());
}

fn covers(read: &Read, address: u16) -> bool {
    let start = u32::from(read.start);
    (start..start + u32::from(read.count)).contains(&u32::from(address))
}

/// Polls a model device that refuses some reads, until a poll has no refusal: how many polls had one, and which points
/// were taken out.
fn settle(plan: &mut ReadPlan, refuses: impl Fn(&Read) -> bool) -> (usize, Vec<String>) {
    let mut gone = Vec::new();
    for polls in 0..1000 {
        let refused: Vec<Read> = plan.reads().iter().copied().filter(|read| refuses(read)).collect();
        if refused.is_empty() {
            return (polls, gone);
        }
        for read in refused {
            while let Some(name) = plan.split(read) {
                gone.push(name);
            }
        }
    }
    panic!("still refused after 1000 polls: {plan:?}");
}

fn any_point() -> impl Strategy<Value = (Table, u16, Coding)> {
    let bits = prop_oneof![Just(Table::Coil), Just(Table::DiscreteInput)];
    let registers = prop_oneof![Just(Table::HoldingRegister), Just(Table::InputRegister)];
    let codings = prop_oneof![Just(Coding::U16), Just(Coding::I32), (0u8..16).prop_map(Coding::RegisterBit)];
    let address = prop_oneof![0u16..40, 0u16..300, 65_500u16..65_534];
    prop_oneof![
        (bits, address.clone()).prop_map(|(table, address)| (table, address, Coding::Bit)),
        (registers, address, codings),
    ]
}

prop_compose! {
    fn any_speech()(
        places in prop::collection::vec(any_point(), 0..60),
        hole_limit in 0u16..20,
        max_bits in 1u16..60,
        max_registers in 2u16..60,
    ) -> ModbusSpeech {
        let named = |(n, (table, address, coding)): (usize, &(Table, u16, Coding))| {
            point(&format!("p{n}"), *table, *address, *coding)
        };
        let points = places.iter().enumerate().map(named).collect();
        ModbusSpeech { max_bits, max_registers, hole_limit, identity: Vec::new(), points }
    }
}

/// Names of the points that the whole plan observes, each as often as it is observed; all must be good.
fn observed(plan: &ReadPlan) -> Vec<String> {
    let mut names = Vec::new();
    for read in plan.reads() {
        let count = usize::from(read.count);
        let answer = if read.table.is_bits() { Answer::Bits(vec![true; count]) } else { Answer::Words(vec![1; count]) };
        for seen in plan.decode(*read, &answer) {
            assert_eq!(seen.quality, Quality::Good);
            names.push(seen.point);
        }
    }
    names.sort();
    names
}

fn names<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<String> {
    let mut names: Vec<String> = points.map(|point| point.name.clone()).collect();
    names.sort();
    names
}

proptest! {
    #[test]
    fn a_plan_observes_every_point_once_within_all_limits(speech in any_speech()) {
        let plan = ReadPlan::new(&speech);
        prop_assert_eq!(observed(&plan), names(speech.points.iter()));
        prop_assert!(plan.reads().len() <= speech.points.len());
        let distinct: BTreeSet<_> = plan.reads().iter().collect();
        prop_assert_eq!(distinct.len(), plan.reads().len());
        for read in plan.reads() {
            let most = if read.table.is_bits() { speech.max_bits } else { speech.max_registers };
            prop_assert!((1..=most).contains(&read.count), "{:?}", read);
            prop_assert!(u32::from(read.start) + u32::from(read.count) <= 65_536, "{:?}", read);
        }
    }

    #[test]
    fn no_read_has_a_hole_above_the_limit(speech in any_speech()) {
        for read in ReadPlan::new(&speech).reads() {
            let used = |address: u32| speech.points.iter().any(|point| {
                let start = u32::from(point.address);
                point.table == read.table && (start..start + u32::from(point.coding.width())).contains(&address)
            });
            let start = u32::from(read.start);
            let mut hole = 0;
            for address in start..start + u32::from(read.count) {
                hole = if used(address) { 0 } else { hole + 1 };
                prop_assert!(hole <= speech.hole_limit, "{:?}", read);
            }
        }
    }

    #[test]
    fn splitting_takes_out_exactly_the_points_on_bad_addresses(
        speech in any_speech(),
        bad in prop::collection::btree_set(prop_oneof![0u16..40, 0u16..300], 0..6),
    ) {
        let mut plan = ReadPlan::new(&speech);
        let (_, mut gone) = settle(&mut plan, |read| bad.iter().any(|address| covers(read, *address)));
        gone.sort();
        let (dead, alive): (Vec<&Point>, Vec<&Point>) = speech.points.iter().partition(|point| {
            let read = read(point.table, point.address, point.coding.width());
            bad.iter().any(|address| covers(&read, *address))
        });
        prop_assert_eq!(gone, names(dead.into_iter()));
        prop_assert_eq!(observed(&plan), names(alive.into_iter()));
    }

    #[test]
    fn a_device_that_refuses_unused_addresses_keeps_all_its_points(speech in any_speech()) {
        let mut plan = ReadPlan::new(&speech);
        let used: BTreeSet<(Table, u16)> = speech.points.iter()
            .flat_map(|point| (0..point.coding.width()).map(|n| (point.table, point.address + n)))
            .collect();
        let (_, gone) = settle(&mut plan, |read| {
            (0..read.count).any(|n| !used.contains(&(read.table, read.start + n)))
        });
        prop_assert_eq!(gone, Vec::<String>::new());
        prop_assert_eq!(observed(&plan), names(speech.points.iter()));
    }
}
