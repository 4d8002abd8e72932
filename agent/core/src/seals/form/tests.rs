use super::*;

type Stated<'a> = &'a [(&'a str, &'a str)];

fn fields(stated: &[(&str, &str)]) -> Fields {
    stated.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
}

/// The faults of a form, each as a person reads it.
fn faults(task: &str, unit: &str, stated: Stated<'_>) -> Vec<String> {
    let whole = fields(&[&[("by", "N. N.")], stated].concat());
    let read = UnitReport::read(UnitTask::parse(task).unwrap(), unit, &whole);
    read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

const WHOLE: [(&str, &str); 8] = [
    ("item.front-wall", "pass"),
    ("item.left-side", "pass"),
    ("item.right-side", "pass"),
    ("item.floor", "pass"),
    ("item.ceiling-roof", "pass"),
    ("item.inside-outside-doors", "pass"),
    ("item.outside-undercarriage", "pass"),
    ("item.contamination", "pass"),
];

/// The whole inspection with other words for some items.
fn inspected(other: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let is_other = |name: &str| other.iter().any(|(item, _)| *item == name);
    WHOLE.into_iter().filter(|(name, _)| !is_other(name)).chain(other.iter().copied()).collect()
}

#[test]
fn r20_each_fault_of_a_form_names_its_field_and_what_to_do() {
    let pests = inspected(&[("item.pests", "fail")]);
    let nothing: Vec<(&str, &str)> = WHOLE.iter().map(|(name, _)| (*name, "n/a")).collect();
    let long = "X".repeat(41);
    let table: &[(&str, &str, Stated<'_>, &str)] = &[
        ("sealing", "", &[], "\"\" is no number of a unit; up to 40 of A-Z 0-9"),
        ("sealing", "T#1", &[], "\"T#1\" is no number of a unit; up to 40"),
        ("sealing", "CSQU3054384", &[], "container number CSQU3054384 has a wrong check digit (ISO 6346); compare it"),
        ("sealing", "T1", &[], "seal: seal is missing; write the number"),
        ("sealing", "T1", &[("seal", "S1")], "class: class is missing; one of I, S, H"),
        ("sealing", "T1", &[("seal", "none")], "seal: \"none\" is no number of a seal"),
        ("sealing", "T1", &[("seal", &long)], "seal: \"XXXX"),
        ("sealing", "T1", &[("seal", "S1"), ("class", "C")], "class: cannot read \"C\"; one of I, S, H"),
        ("sealing", "T1", &[("seal", "S1"), ("instead", "S0")], "why: why is missing; say why"),
        ("sealing", "T1", &[("seal", "S1"), ("why", "torn")], "why: no seal is named that was exchanged; add instead"),
        (
            "sealing",
            "T1",
            &[("seal", "S-1"), ("instead", "s1"), ("why", "torn")],
            "instead: it is the number of the new",
        ),
        ("seal-check", "T1", &[("seal", "S1"), ("view", "ok")], "view: unknown view \"ok\"; one of pass, fail"),
        ("seal-check", "T1", &[("seal", "S1"), ("view", "pass")], "tug: tug is missing; one of pass, fail"),
        ("custody", "T1", &[("seal", "S1"), ("to", "gate")], "from: from is missing; name the post or firm"),
        ("custody", "T1", &[("from", "ship"), ("seal", "S1")], "to: to is missing; name the post or firm"),
        ("custody", "T1", &[("leaves", "maybe")], "leaves: unknown leaves \"maybe\"; one of yes, no"),
        ("custody", "T1", &[("on", "22.11.2026")], "on: cannot read \"22.11.2026\"; YYYY-MM-DD"),
        ("unsealing", "T1", &[("seal", "S1")], "why: why is missing; say it in a few words"),
        ("unit-inspection", "T1", &[], "item.contamination: item.contamination is missing; one of pass, fail, n/a"),
        ("unit-inspection", "T1", &[("item.floor", "wet")], "item.floor: unknown item.floor \"wet\"; one of pass"),
        ("unit-inspection", "T1", &[("item.floor", "fail"), ("result", "pass")], "result: an item failed"),
        ("unit-inspection", "T1", &nothing, "every item is n/a: nothing was looked at; say what was"),
        ("unit-inspection", "T1", &pests, "item.contamination: pests, plants or soil were found; write fail"),
        ("unit-inspection", "T1", &[("by", "")], "by: by is missing; name who did it"),
    ];
    for (task, unit, stated, wanted) in table {
        let found = faults(task, unit, stated);
        assert!(found.iter().any(|fault| fault.starts_with(wanted)), "{task} {unit} {stated:?}: {found:?}");
    }
}

#[test]
fn r20_each_point_that_was_not_inspected_is_told() {
    assert_eq!(faults("unit-inspection", "T1", &[]).len(), ITEMS.len());
    assert_eq!(
        faults("unit-inspection", "T1", &WHOLE[1..]),
        ["item.front-wall: item.front-wall is missing; one of pass, fail, n/a"]
    );
}

#[test]
fn r20_a_form_that_is_right_has_no_fault() {
    let tractor = inspected(&[("item.ceiling-roof", "n/a"), ("item.soil", "fail"), ("item.contamination", "fail")]);
    let vvtt = [("seal", "S1"), ("view", "pass"), ("verify", "fail"), ("tug", "pass"), ("twist", "pass")];
    let table: &[(&str, Stated<'_>)] = &[
        ("unit-inspection", &WHOLE),
        ("unit-inspection", &tractor),
        ("sealing", &[("seal", "S1"), ("class", "i")]),
        ("sealing", &[("seal", "S1"), ("class", "S"), ("instead", "S0"), ("why", "torn")]),
        ("seal-check", &vvtt),
        ("seal-check", &[("seal", "None")]),
        ("custody", &[("from", "ship"), ("to", "gate"), ("seal", "none"), ("leaves", "yes")]),
        ("unsealing", &[("seal", "S1"), ("why", "customs")]),
    ];
    for (task, stated) in table {
        assert_eq!(faults(task, "csqu 305438-3", stated), Vec::<String>::new(), "{task} {stated:?}");
    }
}

#[test]
fn what_a_person_said_of_a_unit_is_not_printed() {
    let stated = fields(&[("seal", "S1"), ("why", "customs"), ("by", "Ines Muster"), ("note", "call me")]);
    let printed = format!("{:?}", UnitReport::read(UnitTask::Unsealing, "T1", &stated));
    assert!(printed.contains("T1") && !printed.contains("Ines") && !printed.contains("call me"), "{printed}");
}

#[test]
fn a_report_of_a_unit_as_large_as_its_form_lets_fits_a_record() {
    let text = "\"".repeat(200);
    let mut stated = fields(&inspected(&[("method", ""), ("certificate", "")]));
    stated.extend(["method", "certificate", "note"].map(|name| (name.to_owned(), text.clone())));
    stated.insert("by".to_owned(), "N. N.".to_owned());
    stated.extend((0..32).map(|n| (format!("item.{n:032}"), "pass".to_owned())));
    let report = UnitReport::read(UnitTask::Inspection, &"X".repeat(40), &stated).unwrap();
    let bytes = Value::Object(report.data).to_string().len();
    assert!((2_000..picket_record::encode::PAYLOAD_MAX - 4_096).contains(&bytes), "{bytes}");
}
