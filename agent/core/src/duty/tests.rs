//! Shifts by hand.

use super::*;
use crate::fields::Fields;
use crate::testbed::{MIDNIGHT_MS, Rows, at, untrusted};

const HOUR_S: u64 = 3_600;

fn said(task: Task, post: &str, fields: &[(&str, &str)]) -> Result<Duty, Vec<String>> {
    let fields: Fields = fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Duty::read(task, post, &fields).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn plan(from: &str, until: &str) -> Duty {
    let fields = [("from", from), ("until", until), ("heads", "2"), ("by", "N. N.")];
    said(Task::Rota, "gate-north", &fields).unwrap()
}

#[test]
fn each_fault_of_a_form_names_its_field() {
    for (task, post, fields, wanted) in [
        (Task::Rota, "Gate", &[("by", "N")][..], "\"Gate\" is no post"),
        (Task::Rota, "gate", &[("by", "N")], "from: from is missing"),
        (Task::Rota, "gate", &[("by", "N")], "until: until is missing"),
        (Task::Rota, "gate", &[("by", "N")], "heads: heads is missing; say how many: heads=2"),
        (Task::Rota, "gate", &[("heads", "0")], "heads: cannot read \"0\""),
        (Task::Rota, "gate", &[("heads", "65")], "a whole number, 1 to 64"),
        (Task::Rota, "gate", &[("from", "06:00")], "from: cannot read \"06:00\""),
        (
            Task::Rota,
            "gate",
            &[("from", "2026-11-22T06:00:00Z"), ("until", "2026-11-23T06:00:01Z"), ("heads", "1")],
            "until: a shift takes 30 minutes to 24 hours",
        ),
        (
            Task::Rota,
            "gate",
            &[("from", "2026-11-22T06:00:00Z"), ("until", "2026-11-22T05:00:00Z"), ("heads", "1")],
            "until: a shift takes 30 minutes to 24 hours",
        ),
        (Task::Rota, "gate", &[("how", "cancelled"), ("heads", "1")], "heads: a shift that is cancelled has none"),
        (Task::Rota, "gate", &[("how", "gone")], "unknown how \"gone\"; one of planned, cancelled"),
        (Task::Shift, "gate", &[("what", "pause")], "unknown what \"pause\"; one of begin, end"),
        (Task::Shift, "gate", &[("what", "end")], "by: by is missing"),
    ] {
        let told = said(task, post, fields).unwrap_err();
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
}

#[test]
fn what_is_planned_is_bounded_in_number_and_time_and_never_overlaps() {
    let mut rota = Rota::default();
    rota.report(&at(0), &plan("2026-11-22T06:00:00Z", "2026-11-22T14:00:00Z")).unwrap();
    for (from, until, wanted) in [
        ("2026-11-22T13:00:00Z", "2026-11-22T20:00:00Z", "gate-north has a shift from 2026-11-22T06:00:00Z"),
        ("2026-11-21T23:44:00Z", "2026-11-22T02:00:00Z", "from is more than 15 minutes ago"),
        ("2027-01-21T00:01:00Z", "2027-01-21T02:00:00Z", "from is more than 60 days ahead"),
    ] {
        let told = rota.report(&at(0), &plan(from, until)).unwrap_err();
        assert!(told.starts_with(wanted), "{told}");
    }
    // One that follows at once does not overlap, and the same beginning is planned anew.
    rota.report(&at(0), &plan("2026-11-22T14:00:00Z", "2026-11-22T22:00:00Z")).unwrap();
    rota.report(&at(0), &plan("2026-11-22T14:00:00Z", "2026-11-22T20:00:00Z")).unwrap();
    for n in 2..64 {
        let post = format!("post-{n}");
        let fields = [("from", "2026-11-22T06:00:00Z"), ("until", "2026-11-22T14:00:00Z"), ("heads", "1"), ("by", "N")];
        rota.report(&at(0), &said(Task::Rota, &post, &fields).unwrap()).unwrap();
    }
    let told = rota.report(&at(0), &plan("2026-11-22T22:00:00Z", "2026-11-23T06:00:00Z")).unwrap_err();
    assert!(told.starts_with("64 shifts are planned already"), "{told}");
}

#[test]
fn a_shift_that_nobody_could_judge_ends_as_unknown_and_its_row_goes() {
    let (mut rota, mut rows) = (Rota::default(), Rows::default());
    let planned = rota.report(&at(0), &plan("2026-11-22T06:00:00Z", "2026-11-22T14:00:00Z")).unwrap();
    rows.take(&planned[0], "good");
    assert!(rota.look(&untrusted(s(15 * HOUR_S))).is_empty(), "an untrusted clock ends nothing");
    // Started anew after its end.
    let mut rota = Rota::recover(&rows.all());
    let over = rota.look(&at(s(15 * HOUR_S)));
    assert_eq!((over.len(), &over[0].data["judged"], &over[0].data["how"]), (1, &json!("unknown"), &json!("over")));
    assert_eq!(over[0].data["from_ms"], MIDNIGHT_MS + 6 * 3_600_000);
    rows.take(&over[0], "good");
    assert!(rows.all().is_empty() && rota.deadline().is_none());
}
