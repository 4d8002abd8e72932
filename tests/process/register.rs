//! Tables of others, from the command line to the record that states who put them in place.

use crate::installation::Installation;
use crate::programs::{Broker, product, told};
use crate::records::payloads;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

/// Three faults in two rows.
const WRONG: &str = "id,kind,calibration_last,place\nCAM-07,camera,03/04/2026,=1+1\nCAM-09,kettle,2026-01-01,Gate\n";
const RIGHT: &str = "Asset Tag;Category;Serial;Location;Status\nCAM-07;Camera;B8A44F;Yard, north mast;Deployed\n\
    CAM-09;Camera;B8A450;Gate;Deployed\n";

/// `picket register` with the settings of this site.
fn register(site: &Installation, arguments: &[&str]) -> Output {
    let mut register = Command::new(&product().picket);
    register.arg("register").args(arguments).arg("--config").arg(site.settings());
    if arguments[0] == "import" {
        register.arg("--runtime").arg(site.path("run"));
    }
    register.output().expect("picket starts")
}

#[test]
fn r01_a_table_with_faults_changes_nothing_and_one_without_comes_into_force_with_a_record_of_who_did_it() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let file = site.settings().join("register.toml");
    let before = fs::read_to_string(&file).expect("a register");
    let table = site.path("assets.csv");
    let table = table.to_str().expect("plain");
    let agent = site.start();

    fs::write(table, WRONG).expect("written");
    for command in [&["check", table][..], &["diff", table], &["import", table, "--by", "Adeyemi-Schwarzenbach"]] {
        let refused = register(&site, command);
        let said = told(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        for fault in ["row 2, column C", "row 2, column D", "row 3, column B", "the register in force stays as it is"] {
            assert!(said.contains(fault), "{fault}: {said}");
        }
        assert_eq!(fs::read_to_string(&file).expect("a register"), before, "{command:?} changed it");
    }

    fs::write(table, RIGHT).expect("written");
    let preset = ["--preset", "snipe-it"];
    let shown = register(&site, &[&["diff", table], &preset[..]].concat());
    let wanted = "read as CSV with semicolons, UTF-8\n\
        changed  CAM-07               serial: (nothing) -> B8A44F\n\
        gone     CAM-08               camera, Yard, south mast\n\
        added    CAM-09               camera, Gate\n\
        1 added, 1 changed, 1 gone, 0 unchanged\n";
    assert_eq!((shown.status.code(), told(&shown).as_str()), (Some(0), wanted));
    assert_eq!(fs::read_to_string(&file).expect("a register"), before, "a look changed it");
    let kept = register(&site, &[&["diff", table, "--update"], &preset[..]].concat());
    assert!(told(&kept).ends_with("1 added, 1 changed, 0 gone, 1 unchanged\n"), "{}", told(&kept));

    let imported = register(&site, &[&["import", table, "--by", "Adeyemi-Schwarzenbach"], &preset[..]].concat());
    let said = told(&imported);
    assert!(
        imported.status.success() && said.contains("states it") && said.contains("systemctl restart picket"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(file.with_extension("toml.before")).expect("kept"), before);
    assert!(agent.terminate(Duration::from_secs(10)).success());
    let _agent = site.start();
    site.until("it is in force", |status| {
        let known = status["equipment"].as_array()?;
        (known.iter().any(|one| one["id"] == "CAM-09") && status["register"] == 2).then_some(())
    });
    let records = payloads(&site.export("story").join("records.jws"));
    let of = |kind: &str| records.iter().filter(|record| record["kind"] == kind).collect::<Vec<_>>();
    let (stated, applied) = (of("register.imported"), of("register.applied"));
    assert_eq!((stated.len(), applied.len()), (1, 2));
    let data = &stated[0]["data"];
    assert_eq!((&data["added"], &data["changed"], &data["gone"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(data["digest"], applied[1]["data"]["digest"], "the record names another text than the one in force");
    assert!(stated[0]["pii"].is_string() && !stated[0].to_string().contains("Adeyemi"), "{:#}", stated[0]);
}

#[test]
fn an_export_is_read_back_as_no_change_and_an_import_without_an_agent_says_what_is_missing() {
    let broker = Broker::start();
    let site = Installation::make(broker.port, broker.port);
    let table = site.path("export.csv");
    let table = table.to_str().expect("plain");
    let written = register(&site, &["export", "--out", table]);
    assert_eq!((written.status.code(), told(&written).contains("2 pieces of equipment written")), (Some(0), true));
    let shown = register(&site, &["diff", table, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((&json["unchanged"], &json["changed"]), (&2.into(), &serde_json::json!({})));
    let imported = register(&site, &["import", table, "--by", "N. N."]);
    let said = told(&imported);
    assert!(imported.status.success() && said.contains("no record says who imported it: no agent"), "{said}");
    let nameless = register(&site, &["import", table, "--by", ""]);
    assert_eq!(nameless.status.code(), Some(2), "{}", told(&nameless));
    assert!(told(&nameless).contains("by: by is missing"), "{}", told(&nameless));
}
