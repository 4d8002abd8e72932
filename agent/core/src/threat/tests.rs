//! Threats by hand: which class follows from what is lost, and what is stated of it.

use super::*;
use crate::register::rows::Row;
use crate::register::scenarios::{self, Consequence};
use crate::testbed::{Rows, id};

fn row(fields: &[(&str, &str)]) -> Row {
    fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn theft(more: &[(&str, &str)]) -> Scenario {
    let fields = [&[("id", "theft"), ("title", "Theft from the yard"), ("consequence", "high")], more].concat();
    scenarios::build(&[row(&fields)]).unwrap().remove("theft").unwrap()
}

fn lost(ids: &[&str], of: usize) -> Protection {
    Protection { measures: of, lost: ids.iter().map(|name| (id(name), "silent".to_owned())).collect() }
}

#[test]
fn r19_the_likelihood_rises_a_class_with_what_is_lost_and_to_the_highest_without_anything() {
    for (usual, gone, of, now) in [
        ("low", 0, 3, Likelihood::Low),
        ("low", 1, 3, Likelihood::Medium),
        ("low", 3, 3, Likelihood::High),
        ("medium", 1, 3, Likelihood::High),
        ("high", 1, 3, Likelihood::High),
        // Where nothing is listed against it, what is lost is nothing.
        ("medium", 0, 0, Likelihood::Medium),
    ] {
        let names = ["A", "B", "C"];
        let scenario = theft(&[("likelihood", usual)]);
        assert_eq!(lost(&names[..gone], of).likelihood(scenario.likelihood), now, "{usual}, {gone} of {of}");
    }
}

#[test]
fn r19_the_table_says_from_which_likelihood_countermeasures_are_needed() {
    let limit = |consequence: &str, more: &[(&str, &str)]| {
        let fields = [&[("id", "s"), ("title", "S"), ("consequence", consequence)], more].concat();
        scenarios::build(&[row(&fields)]).unwrap()["s"].limit
    };
    assert_eq!(limit("low", &[]), None);
    assert_eq!(limit("medium", &[]), Some(Likelihood::High));
    assert_eq!(limit("high", &[]), Some(Likelihood::Medium));
    assert_eq!(limit("life", &[]), Some(Likelihood::Medium));
    assert_eq!(limit("low", &[("countermeasures_from", "low")]), Some(Likelihood::Low));
    assert_eq!(limit("life", &[("countermeasures_from", "never")]), None);
    let severities = ["low", "medium", "high", "life"].map(|word| {
        let fields = row(&[("id", "s"), ("title", "S"), ("consequence", word)]);
        scenarios::build(&[fields]).unwrap()["s"].consequence.severity()
    });
    assert_eq!(severities, [Severity::Notice, Severity::Fault, Severity::Security, Severity::Life]);
    assert!(Consequence::Life > Consequence::High);
}

#[test]
fn r19_each_change_is_stated_once_and_outlives_a_start() {
    let (mut threats, mut rows) = (Threats::default(), Rows::default());
    let scenario = theft(&[]);
    assert!(threats.judged(&scenario, &lost(&[], 2)).is_none(), "as usual, and never anything else");
    let weaker = threats.judged(&scenario, &lost(&["CAM-1"], 2)).unwrap();
    assert_eq!(weaker.severity, Severity::Security);
    let wanted = json!({
        "scenario": "theft", "title": "Theft from the yard", "consequence": "high", "likelihood": "medium",
        "usual": "low", "needed": true, "measures": 2, "lost": 1, "eqs": [["CAM-1", "silent"]],
    });
    assert_eq!(Value::Object(weaker.data.clone()), wanted);
    rows.take(&weaker, "good");
    assert!(threats.judged(&scenario, &lost(&["CAM-1"], 2)).is_none());
    let mut threats = Threats::recover(&rows.all());
    assert!(threats.judged(&scenario, &lost(&["CAM-1"], 2)).is_none(), "a start says nothing twice");
    let again = threats.judged(&scenario, &lost(&[], 2)).unwrap();
    assert_eq!(
        (again.severity, &again.data["likelihood"], &again.data["needed"]),
        (Severity::Notice, &json!("low"), &json!(false))
    );
    rows.take(&again, "good");
    let gone = threats.removed(|_| false);
    assert_eq!(gone[0].data, json!({ "scenario": "theft", "gone": true }).as_object().unwrap().clone());
    rows.take(&gone[0], "good");
    assert!(rows.all().is_empty());
    assert!(threats.removed(|_| false).is_empty());
}

#[test]
fn a_record_names_sixteen_lost_measures_and_counts_them_all() {
    let names: Vec<String> = (0..5_000).map(|n| format!("{:0>64}", n)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stated = Threats::default().judged(&theft(&[]), &lost(&names, 5_000)).unwrap();
    assert_eq!((stated.data["eqs"].as_array().unwrap().len(), &stated.data["lost"]), (16, &json!(5_000)));
    assert!(serde_json::to_string(&stated.data).unwrap().len() < 2_500);
}

#[test]
fn each_fault_of_a_scenario_names_its_field() {
    let good = [("id", "theft"), ("title", "T"), ("consequence", "high")];
    for (fields, wanted) in [
        (&[("title", "T"), ("consequence", "high")][..], "id: id is missing"),
        (&[("id", "Theft Yard"), ("title", "T"), ("consequence", "high")], "no id of a scenario"),
        (&[("id", "theft"), ("consequence", "high")], "title: title is missing"),
        (&[("id", "theft"), ("title", "T")], "consequence: consequence is missing; one of low, medium, high, life"),
        (&[good[0], good[1], good[2], ("likelihood", "rare")], "likelihood: unknown likelihood \"rare\""),
        (
            &[good[0], good[1], good[2], ("rules", "door-forced, dor-held")],
            "rules: unknown rule \"dor-held\"; of door-forced",
        ),
        (&[good[0], good[1], good[2], ("countermeasures_from", "always")], "one of never, low, medium, high"),
        (&[good[0], good[1], good[2], ("titel", "T")], "did you mean title?"),
    ] {
        let faults = scenarios::build(&[row(fields)]).unwrap_err();
        let told: Vec<String> = faults.iter().map(|f| format!("{}: {}; {}", f.field, f.cause, f.remedy)).collect();
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
    let twice = scenarios::build(&[row(&good), row(&good)]).unwrap_err();
    assert_eq!((twice[0].row, twice[0].cause.as_str()), (1, "scenario theft is there twice"));
    let many: Vec<Row> = (0..65).map(|n| row(&[("id", &format!("s{n}")), good[1], good[2]])).collect();
    assert!(scenarios::build(&many).unwrap_err()[0].cause.starts_with("65 scenarios; at most 64"));
}
