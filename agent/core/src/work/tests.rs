use super::*;

fn fields(stated: &[(&str, &str)]) -> Fields {
    stated.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
}

/// The faults of a form that is right but for what is stated, each as a person reads it.
fn faults(task: &str, stated: &[(&str, &str)]) -> Vec<String> {
    let whole = fields(&[[("by", "N. N.")].as_slice(), stated].concat());
    let read = Report::read(Task::parse(task).unwrap(), "CAM-1", &whole);
    read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn each_fault_of_a_form_names_its_field_and_what_to_do() {
    let long = "x".repeat(201);
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let table: &[Case<'_>] = &[
        ("calibration", &[], "found: found is missing; one of in-tolerance, out-of-tolerance"),
        (
            "calibration",
            &[("found", "ok"), ("left", "in-tolerance")],
            "found: unknown found \"ok\"; one of in-tolerance",
        ),
        ("calibration", &[("point.a", "1 2 3")], "point.a: cannot read \"1 2 3\"; nominal, as found"),
        ("calibration", &[("point.A", "1 1 1 1")], "point.A: this is no name of a point; 1 to 32 of a-z"),
        ("calibration", &[("point.a", "1 2 1 0"), ("found", "in-tolerance")], "found: the points say otherwise"),
        ("calibration", &[("point.a", "1 1 1 1"), ("item.a", "pass")], "item.a: unknown field item.a; the fields are"),
        (
            "calibration",
            &[("point.a", "1 1 1 1"), ("certifcate", "7")],
            "certifcate: unknown field certifcate; did you",
        ),
        ("maintenance", &[], "result: result is missing; one of pass, fail"),
        ("maintenance", &[("result", "pass"), ("parts", &long)], "parts: longer than 200 bytes"),
        ("maintenance", &[("result", "pass"), ("on", "22.11.2026")], "on: cannot read \"22.11.2026\"; YYYY-MM-DD"),
        ("maintenance", &[("result", "pass"), ("on", "2026-13-01")], "on: cannot read \"2026-13-01\"; YYYY-MM-DD"),
        (
            "inspection",
            &[("result", "pass"), ("on", "2026-11-02"), ("until", "2026-11-01")],
            "until: it ends before it was done; look at both dates",
        ),
        ("inspection", &[("item.lens", "clean")], "item.lens: unknown item.lens \"clean\"; one of pass, fail, n/a"),
        ("inspection", &[("item.lens", "fail"), ("result", "pass")], "result: an item failed; leave the result out"),
        ("test", &[("result", "pass"), ("detect_ms", "1.5")], "detect_ms: cannot read \"1.5\"; whole milliseconds"),
        ("test", &[("result", "pass"), ("detect_ms", "86400001")], "detect_ms: cannot read \"86400001\"; whole milli"),
        ("test", &[("result", "pass"), ("note", "a\u{202e}b")], "note: with characters that are not seen"),
        ("test", &[("result", "pass"), ("by", "")], "by: by is missing; name who did it"),
        ("commissioning", &[], "result: result is missing; one of pass, fail"),
        ("withdrawal", &[("why", "worn")], "tag: tag is missing; write the number on the tag"),
        ("withdrawal", &[("tag", "0117")], "why: why is missing; say it in a few words"),
        ("return", &[], "why: why is missing; say it in a few words"),
        ("withdrawal", &[("tag", &long[..90]), ("why", &long[..91])], "why: with the tag longer than 180 bytes"),
        ("inspection", &[("item.lens", "n/a")], "result: result is missing; one of pass, fail"),
    ];
    for (task, stated, wanted) in table {
        let found = faults(task, stated);
        assert!(found.iter().any(|fault| fault.starts_with(wanted)), "{task} {stated:?}: {found:?}");
    }
}

#[test]
fn every_fault_of_a_form_is_told_at_once() {
    let found = faults("calibration", &[("on", "soon"), ("until", "late"), ("point.a", "x"), ("colour", "red")]);
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn a_form_that_is_right_has_no_fault() {
    for (task, stated) in [
        ("calibration", &[("point.a", "1 2 1 0.5 V"), ("point.b", "-1 -1 -1 0")][..]),
        ("maintenance", &[("result", "fail"), ("parts", "fan")]),
        ("inspection", &[("item.lens", "pass"), ("item.mount", "n/a")]),
        ("test", &[("result", "pass"), ("stand_down_ms", "0")]),
        ("commissioning", &[("item.view", "pass"), ("firmware", "3.2.0")]),
        ("withdrawal", &[("tag", "0117"), ("why", "worn")]),
        ("return", &[("why", "exchanged")]),
    ] {
        assert_eq!(faults(task, stated), Vec::<String>::new(), "{task}");
    }
}

#[test]
fn one_item_and_one_point_too_many_are_told_and_read_no_further() {
    let items: Vec<(String, &str)> = (0..60).map(|n| (format!("item.i{n:02}"), "pass")).collect();
    let stated: Vec<(&str, &str)> = items.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let found = faults("inspection", &stated);
    assert_eq!(found, ["item.i40: more than 40 items; report the rest under a second checklist"]);
}

#[test]
fn what_a_person_said_is_not_printed() {
    let report = Report::read(
        Task::Return,
        "CAM-1",
        &fields(&[("why", "exchanged"), ("by", "Ines Muster"), ("note", "call me")]),
    );
    let printed = format!("{report:?}");
    assert!(printed.contains("CAM-1") && !printed.contains("Ines") && !printed.contains("call me"), "{printed}");
}

#[test]
fn a_report_as_large_as_its_form_lets_fits_a_record() {
    let text = "w".repeat(200);
    let mut stated = fields(&[("by", "N. N."), ("found", "in-tolerance"), ("left", "in-tolerance")]);
    for (name, _) in Form::of(Task::parse("calibration").unwrap()).fields() {
        if !["on", "until", "found", "left", "by", "note"].contains(&name) {
            stated.insert(name.to_owned(), text.clone());
        }
    }
    for n in 0..40 {
        let name = format!("point.{n:032}");
        stated.insert(name, "-900719925.4740 900719925.4740 900719925.4740 900719925.4740 mmmmmmmmmmmmmmmm".to_owned());
    }
    stated.retain(|name, _| !["found", "left"].contains(&name.as_str()));
    let read = |stated: &Fields| Report::read(Task::parse("calibration").unwrap(), "CAM-1", stated);
    let faults = read(&stated).unwrap_err();
    assert!(faults[0].cause.contains("at most 5600 fit a record"), "{faults:?}");
    stated.retain(|name, _| !name.starts_with("point.") || name.ends_with(['0', '1', '2', '3', '4']));
    let report = read(&stated).unwrap();
    let on = "2026-11-22".parse().unwrap();
    let bytes = Value::Object(report.statement(on, true).data).to_string().len();
    assert!((3_000..picket_record::encode::PAYLOAD_MAX - 2_048).contains(&bytes), "{bytes}");
}

/// A plan that is right.
const PLAN: [(&str, &str); 6] = [
    ("id", "CH-26/4"),
    ("what", "firmware 1.4"),
    ("reason", "recall"),
    ("risk", "guard at the door"),
    ("from", "2026-11-22T08:00:00Z"),
    ("until", "2026-11-29T09:00:00+01:00"),
];

#[test]
fn r12_a_plan_of_a_change_tells_what_is_missing_and_what_cannot_be() {
    let long = "x".repeat(41);
    assert_eq!(faults("change", &PLAN), Vec::<String>::new());
    for (field, text, wanted) in [
        ("id", "", "id: id is missing; say it in a few words"),
        ("id", "CH 4", "id: \"CH 4\" is no id of a change; 1 to 40 of"),
        ("id", &long, "id: \"xxxxx"),
        ("what", "", "what: what is missing"),
        ("reason", "", "reason: reason is missing"),
        ("risk", " ", "risk: risk is missing"),
        ("from", "", "from: from is missing; a moment such as 2026-11-24T08:00:00Z"),
        ("from", "tomorrow", "from: cannot read \"tomorrow\"; an RFC 3339 moment"),
        ("until", "2026-11-22", "until: cannot read \"2026-11-22\"; an RFC 3339 moment"),
        ("until", "2026-11-22T08:00:00Z", "until: it ends before it begins"),
        ("until", "2026-11-29T08:00:01Z", "until: longer than 7 days; plan the rest"),
        ("by", "", "by: by is missing"),
        ("on", "2026-11-22", "on: unknown field on"),
    ] {
        let mut stated: Vec<(&str, &str)> = PLAN.into_iter().filter(|(name, _)| *name != field).collect();
        stated.push((field, text));
        let found = faults("change", &stated);
        assert!(found.len() == 1 && found[0].starts_with(wanted), "{field}={text}: {found:?}");
    }
    assert_eq!(faults("change", &[]).len(), 6);
}
