//! Work on equipment, from the command line to a bundle that strangers verify.

use crate::bundle::Verifiers;
use crate::installation::Installation;
use crate::programs::{Broker, told};
use crate::records::payloads;
use serde_json::{Value, json};
use simulator::clock::{Clock, rfc3339};
use std::fs;

/// The camera's line of a status.
fn camera(status: &Value) -> Option<&Value> {
    status["equipment"].as_array()?.iter().find(|equipment| equipment["id"] == "CAM-07")
}

fn open(status: &Value) -> Vec<&str> {
    let open = status["nonconformities"].as_array().into_iter().flatten();
    open.filter(|one| one["equipment"] == "CAM-07").filter_map(|one| one["reason"].as_str()).collect()
}

#[test]
fn r07_a_camera_out_of_calibration_is_tagged_calibrated_and_returned_and_a_stranger_verifies_the_story() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let register = site.settings().join("register.toml");
    let text = fs::read_to_string(&register).expect("a register");
    let scheme =
        "calibration_last = 2020-01-15\ncalibration_basis = \"type test\"\ncalibration_interval = \"12 months\"\n";
    fs::write(
        &register,
        text.replacen("place = \"Yard, north mast\"\n", &format!("place = \"Yard, north mast\"\n{scheme}"), 1),
    )
    .expect("written");
    let _central = site.start_central();
    let agent = site.start_listening();
    site.until("the calibration is overdue", |status| open(status).contains(&"calibration-overdue").then_some(()));

    let by = "by=Adeyemi-Schwarzenbach";
    let tagged = site.work(&["withdrawal", "CAM-07", "tag=0117", "why=out of calibration", by]);
    assert!(tagged.status.success(), "{}", told(&tagged));
    site.until("it is out of use", |status| (camera(status)?["standing"] == "withdrawn").then_some(()));
    let point = "point.range=10.0 10.4 10.0 0.2 m";
    let calibrated = site.work(&["calibration", "CAM-07", point, "certificate=WT-26-1", "reference=REF-1", by]);
    assert!(calibrated.status.success(), "{}", told(&calibrated));
    let record: u64 = told(&calibrated).split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    let returned = site.work(&["return", "CAM-07", "why=adjusted", by]);
    assert!(returned.status.success(), "{}", told(&returned));
    site.until("it is good again", |status| {
        let camera = camera(status)?;
        (camera["standing"] == "good" && open(status) == ["out-of-tolerance"]).then_some(())
    });
    // What it said before is in doubt: people look at it, and close it.
    let id = "out-of-tolerance/CAM-07";
    let early = site.work(&["verify", id, "effective=yes", by]);
    assert!(early.status.code() == Some(3) && told(&early).contains("verify is not the next step"), "{}", told(&early));
    let agreed = ["agree", id, "action=look at what it said", "until=2099-01-01", "risk=none", by];
    for step in [&agreed[..], &["done", id, "what=looked at", by], &["verify", id, "effective=yes", by]] {
        let answered = site.work(step);
        assert!(answered.status.success(), "{}", told(&answered));
    }
    site.until("nothing is open", |status| open(status).is_empty().then_some(()));

    // A restart folds the same from the journal.
    agent.kill();
    let _agent = site.start_listening();
    site.until("it is good still", |status| (camera(status)?["standing"] == "good").then_some(()));
    site.until_receipted();
    let bundle = site.export("story");
    let records = payloads(&bundle.join("records.jws"));
    let of_camera = |kind: &str| -> Vec<&Value> {
        records.iter().filter(|record| record["eq"] == "CAM-07" && record["kind"] == kind).collect()
    };
    let done = of_camera("calibration.done");
    assert_eq!(done.len(), 1);
    assert_eq!((done[0]["seq"].as_u64(), &done[0]["standing"]["st"]), (Some(record), &json!("withdrawn")));
    assert_eq!(done[0]["data"]["points"]["range"], json!([100, 104, 100, 2, -1, "m"]));
    assert_eq!(
        (&done[0]["data"]["found"], &done[0]["data"]["left"]),
        (&json!("out-of-tolerance"), &json!("in-tolerance"))
    );
    assert!(done[0]["pii"].is_string() && !done[0].to_string().contains("Adeyemi"), "{:#}", done[0]);
    assert_eq!((of_camera("equipment.withdrawn").len(), of_camera("equipment.returned").len()), (1, 1));
    let closed = of_camera("nonconformity.closed");
    let reasons: Vec<&Value> = closed.iter().map(|record| &record["data"]["reason"]).collect();
    assert_eq!(reasons, ["calibration-overdue", "out-of-tolerance"]);
    assert_eq!(closed[0]["standing"]["cert"], "WT-26-1");
    assert_eq!(of_camera("nonconformity.contained")[0]["data"]["how"], "withdrawal");
    let verifiers = Verifiers { identity: site.identity.clone() };
    let one = [bundle.clone()];
    for output in [verifiers.picket(&bundle), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&one)] {
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn r12_a_change_is_planned_before_it_is_made_new_equipment_is_commissioned_and_a_stranger_verifies_both() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let register = site.settings().join("register.toml");
    let place = "place = \"Yard, north mast\"\n";
    let text = fs::read_to_string(&register).expect("a register");
    fs::write(&register, text.replacen(place, &format!("{place}commissioning = \"required\"\n"), 1)).expect("written");
    let _central = site.start_central();
    let _agent = site.start_listening();
    site.until("it is not commissioned", |status| (open(status) == ["not-commissioned"]).then_some(()));

    let (now_ms, hour_ms) = (Clock::start().wall_ms(), 3_600_000);
    let moment = |field: &str, hours: i64| format!("{field}={}", rfc3339(now_ms + hours * hour_ms));
    let whole =
        ["change", "CAM-07", "id=CH-26-4", "what=firmware 1.4", "reason=recall", "risk=second guard", "by=N. N."];
    let plan =
        |from: i64, until: i64| site.work(&[&whole[..], &[&moment("from", from), &moment("until", until)]].concat());
    let endless = plan(0, 24 * 8);
    assert!(endless.status.code() == Some(2) && told(&endless).contains("longer than 7 days"), "{}", told(&endless));
    let late = plan(-48, 24);
    assert!(late.status.code() == Some(3) && told(&late).contains("before it is made"), "{}", told(&late));
    let planned = plan(0, 24);
    assert!(planned.status.success(), "{}", told(&planned));
    let passed = site.work(&["commissioning", "CAM-07", "item.view=pass", "change=CH-26-4", "by=N. N."]);
    assert!(passed.status.success(), "{}", told(&passed));
    site.until("it counts", |status| (camera(status)?["standing"] == "good" && open(status).is_empty()).then_some(()));

    site.until_receipted();
    let bundle = site.export("change");
    let records = payloads(&bundle.join("records.jws"));
    let planned: Vec<&Value> = records.iter().filter(|record| record["kind"] == "change.planned").collect();
    assert_eq!(planned.len(), 1);
    assert_eq!((&planned[0]["eq"], &planned[0]["data"]["id"]), (&json!("CAM-07"), &json!("CH-26-4")));
    assert!(planned[0]["pii"].is_string() && planned[0]["data"]["by"].is_null(), "{:#}", planned[0]);
    assert!(records.iter().any(|record| record["kind"] == "equipment.commissioned"));
    let verifiers = Verifiers { identity: site.identity.clone() };
    let one = [bundle.clone()];
    for output in [verifiers.picket(&bundle), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&one)] {
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn a_report_that_is_wrong_tells_every_fault_at_once_and_reaches_no_agent() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let wrong = site.work(&["inspection", "CAM-07", "on=22.11.2026", "item.lens=clean", "certifcate=7"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", told(&wrong));
    let said = told(&wrong);
    for fault in ["did you mean certificate?", "on: cannot read", "unknown item.lens", "by: by is missing"] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    // Nobody runs.
    let right = site.work(&["return", "CAM-07", "why=adjusted", "by=N. N."]);
    assert_eq!(right.status.code(), Some(3), "{}", told(&right));
    assert!(told(&right).contains("is it running? try: systemctl status picket"), "{}", told(&right));
    let form = site.work(&["calibration"]);
    assert!(form.status.success() && told(&form).contains("reference        ids of the reference"), "{}", told(&form));
    let unknown = site.work(&["polishing", "CAM-07"]);
    assert!(
        unknown.status.code() == Some(2) && told(&unknown).contains("one of calibration, main"),
        "{}",
        told(&unknown)
    );
}
