//! Temporary measures by hand.

use super::*;
use crate::fields::Fields;
use crate::testbed::{Rows, at, id, untrusted};

const HOUR_S: u64 = 3_600;

#[test]
fn one_ends_with_its_time_by_the_boot_clock_and_by_a_trusted_wall_clock() {
    let door = id("DOOR-1");
    let mut measures = Temporaries::default();
    let begun = measures.begin(&at(0), Measure::Bypass, &door, ("painters", HOUR_S));
    assert_eq!(begun.data["until_ms"], crate::testbed::MIDNIGHT_MS + 3_600_000);
    assert_eq!(measures.deadline(), Some(s(HOUR_S)));
    assert!(measures.over(&at(s(HOUR_S) - 1_000)).is_empty());
    assert_eq!(measures.over(&at(s(HOUR_S))), [(door.clone(), Measure::Bypass)]);
    // The wall clock was stepped ahead: trusted it counts, else it does not.
    let mut ahead = at(s(60));
    ahead.utc_ms = ahead.utc_ms.map(|ms| ms + 7_200_000);
    assert_eq!(measures.over(&ahead), [(door.clone(), Measure::Bypass)]);
    ahead.trusted = false;
    assert!(measures.over(&ahead).is_empty());
    // And stepped back it does not last longer.
    let mut back = at(s(HOUR_S));
    back.utc_ms = back.utc_ms.map(|ms| ms - 86_400_000);
    assert_eq!(measures.over(&back), [(door, Measure::Bypass)]);
}

#[test]
fn what_holds_outlives_a_start_for_as_long_as_was_said_and_no_longer() {
    let camera = id("CAM-1");
    let (mut measures, mut rows) = (Temporaries::default(), Rows::default());
    rows.take(&measures.begin(&at(0), Measure::Compensating, &camera, ("guard", 2 * HOUR_S)), "good");
    // Started anew after an hour, with a boot clock that began anew.
    let mut later = at(s(5));
    later.utc_ms = later.utc_ms.map(|ms| ms + 3_600_000);
    let recovered = Temporaries::recover(&later, &rows.all(), None);
    assert_eq!(recovered.held(Measure::Compensating, &camera).unwrap().what, "guard");
    assert_eq!(recovered.deadline(), Some(s(5) + s(HOUR_S) - s(5)));
    // Without a trusted time: once more as long as was said, because nothing says that it is over.
    assert_eq!(Temporaries::recover(&untrusted(s(5)), &rows.all(), None).deadline(), Some(s(5) + s(2 * HOUR_S)));
    // But for what the latest trusted time of all says.
    let floor = Some(crate::testbed::MIDNIGHT_MS + 3_600_000);
    assert_eq!(Temporaries::recover(&untrusted(s(5)), &rows.all(), floor).deadline(), Some(s(5) + s(HOUR_S)));
    // A start long after the end: over at once.
    let mut over = at(s(5));
    over.utc_ms = over.utc_ms.map(|ms| ms + 86_400_000);
    assert_eq!(Temporaries::recover(&over, &rows.all(), None).over(&over).len(), 1);
    rows.take(&measures.end(Measure::Compensating, &camera, Ended::Person).unwrap(), "good");
    assert!(rows.all().is_empty() && measures.end(Measure::Compensating, &camera, Ended::Person).is_none());
}

#[test]
fn without_a_trusted_time_nobody_vouches_for_a_bypass_and_what_stands_in_goes_on() {
    let mut measures = Temporaries::default();
    let door = id("DOOR-1");
    measures.begin(&at(0), Measure::Bypass, &door, ("painters", HOUR_S));
    measures.begin(&at(0), Measure::Compensating, &door, ("guard", HOUR_S));
    assert!(measures.unknown(&at(1)).is_empty());
    assert_eq!(measures.unknown(&untrusted(1)), [door]);
}

#[test]
fn each_fault_of_a_form_names_its_field() {
    let long = "x".repeat(121);
    for (step, fields, wanted) in [
        (Step::Bypass, &[("for", "2h"), ("by", "N")][..], "what: what is missing"),
        (Step::Bypass, &[("what", "paint"), ("by", "N")], "for: for is missing; say how long: for=12h"),
        (
            Step::Bypass,
            &[("what", "paint"), ("for", "8d"), ("by", "N")],
            "for: longer than a temporary measure may last; 7d at most",
        ),
        (Step::Compensate, &[("what", "guard"), ("for", "32d"), ("by", "N")], "31d at most"),
        (Step::Compensate, &[("what", "guard"), ("for", "0h"), ("by", "N")], "for: cannot read \"0h\""),
        (Step::Compensate, &[("what", "guard"), ("for", "+3h"), ("by", "N")], "cannot read"),
        (Step::Compensate, &[("what", "guard"), ("for", "3é"), ("by", "N")], "cannot read"),
        (Step::Compensate, &[("what", &long), ("for", "3h"), ("by", "N")], "what: longer than 120 bytes"),
        (Step::StandDown, &[("by", "N")], "of: of is missing; one of compensating, bypass"),
        (Step::StandDown, &[("of", "bypass")], "by: by is missing"),
    ] {
        let fields: Fields = fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let faults = Temporary::read(step, "DOOR-1", &fields).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
}

#[test]
fn what_began_without_a_trusted_time_is_dated_once_there_is_one_and_no_start_makes_it_longer() {
    let door = id("DOOR-1");
    let (mut measures, mut rows) = (Temporaries::default(), Rows::default());
    rows.take(&measures.begin(&untrusted(0), Measure::Bypass, &door, ("painters", 2 * HOUR_S)), "good");
    assert!(measures.dated(&untrusted(s(60))).is_empty());
    let dated = measures.dated(&at(s(HOUR_S)));
    assert_eq!(dated[0].data["until_ms"], crate::testbed::MIDNIGHT_MS + 7_200_000);
    assert!(measures.dated(&at(s(HOUR_S))).is_empty(), "once");
    rows.take(&dated[0], "good");
    let mut later = at(s(5));
    later.utc_ms = later.utc_ms.map(|ms| ms + 7_000_000);
    assert_eq!(Temporaries::recover(&later, &rows.all(), None).deadline(), Some(s(5) + s(195)));
}
