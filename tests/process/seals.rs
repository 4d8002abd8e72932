//! A unit and its seal, from the command line to a bundle that strangers verify.

use crate::bundle::Verifiers;
use crate::installation::Installation;
use crate::programs::{Broker, told};
use crate::records::payloads;
use serde_json::{Value, json};
use std::fs;

const UNIT: &str = "MSKU9070323";
const ITEMS: [&str; 8] = [
    "item.front-wall=pass",
    "item.left-side=pass",
    "item.right-side=pass",
    "item.floor=pass",
    "item.ceiling-roof=pass",
    "item.inside-outside-doors=pass",
    "item.outside-undercarriage=pass",
    "item.contamination=pass",
];
const BY: &str = "by=Adeyemi-Schwarzenbach";

fn alarms(status: &Value) -> Vec<&str> {
    let alarms = status["alarms"].as_array().into_iter().flatten();
    alarms.filter_map(|alarm| alarm["id"].as_str()).collect()
}

#[test]
fn r20_a_unit_is_inspected_sealed_handed_over_and_resealed_and_a_stranger_verifies_the_story() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let manifest = format!("unit,seal,reader,class\n{UNIT},UL-8830017,,H\n");
    fs::write(site.settings().join("manifest.csv"), manifest).expect("written");
    let _central = site.start_central();
    let agent = site.start_listening();

    let work = |fields: &[&str]| {
        let done = site.work(&[fields, &[BY]].concat());
        assert!(done.status.success(), "{}", told(&done));
    };
    work(&[&["unit-inspection", UNIT], ITEMS.as_slice()].concat());
    work(&["sealing", "MSKU 907032-3", "seal=ul-883 0017", "class=H"]);
    work(&["custody", UNIT, "from=warehouse", "to=yard", "seal=UL-8830017"]);
    work(&["seal-check", UNIT, "seal=UL-8830099", "view=pass", "verify=fail", "tug=pass", "twist=pass"]);
    let alarm = format!("seal-reseal/gateway:gw-1#{UNIT}");
    site.until("another seal rings", |status| (alarms(status) == [alarm.as_str()]).then_some(()));

    // A restart forgets neither the alarm nor the seal.
    agent.kill();
    let _agent = site.start_listening();
    site.until("it rings still", |status| (alarms(status) == [alarm.as_str()]).then_some(()));
    work(&["sealing", UNIT, "seal=H-2104458", "class=H", "instead=UL-8830017", "why=found another one"]);
    site.until("the exchange ends it", |status| (status["alarms"][0]["active"] == false).then_some(()));
    work(&["unsealing", UNIT, "seal=H-2104458", "why=unloading"]);

    site.until_receipted();
    let bundle = site.export("story");
    let records = payloads(&bundle.join("records.jws"));
    let of_unit: Vec<&Value> = records.iter().filter(|record| record["data"]["unit"] == UNIT).collect();
    let kinds: Vec<&Value> = of_unit.iter().map(|record| &record["kind"]).collect();
    let story = ["unit.inspected", "seal.affixed", "custody.changed", "seal.mismatch", "seal.affixed", "seal.removed"];
    assert_eq!(kinds, story);
    let (inspected, affixed, changed) = (&of_unit[0]["data"], &of_unit[1]["data"], &of_unit[2]["data"]);
    assert_eq!(
        (&inspected["result"], &affixed["inspected"], &changed["result"]),
        (&json!("pass"), &json!("pass"), &json!("pass"))
    );
    assert_eq!((&affixed["seal"], &affixed["class"]), (&json!("UL8830017"), &json!("H")));
    let found = (&of_unit[3]["data"]["found"], &of_unit[3]["data"]["expected"], &of_unit[3]["sev"]);
    assert_eq!(found, (&json!(["seal-reseal"]), &json!("UL8830017"), &json!(3)));
    assert_eq!(of_unit[4]["data"]["spent"], json!(["UL8830017"]));
    assert!(of_unit.iter().all(|record| record["pii"].is_string() && !record.to_string().contains("Adeyemi")));
    let verifiers = Verifiers { identity: site.identity.clone() };
    let one = [bundle.clone()];
    for output in [verifiers.picket(&bundle), verifiers.python(&one), verifiers.node(&one), verifiers.openssl(&one)] {
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn r20_a_report_of_a_unit_that_is_wrong_tells_every_fault_at_once_and_reaches_no_agent() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let wrong = site.work(&["sealing", "MSKU9070324", "class=X", "why=torn"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", told(&wrong));
    let said = told(&wrong);
    for fault in [
        "container number MSKU9070324 has a wrong check digit",
        "would end in 3",
        "seal: seal is missing",
        "class: cannot read \"X\"; one of I, S, H",
        "add instead=NUMBER",
        "by: by is missing",
    ] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    let form = site.work(&["custody"]);
    assert!(form.status.success() && told(&form).contains("from             post or firm"), "{}", told(&form));
}
