//! The register as TOML and as CSV.

use crate::folder::Folder;
use picket::settings::{self, Faults};
use picket_core::register::{Register, Work};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn shipped(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(below)
}

fn only(name: &str, text: impl AsRef<[u8]>) -> Result<Register, Faults> {
    let folder = Folder::empty();
    folder.write(name, text);
    settings::load_register(folder.path(), 7).map(|(register, _)| register)
}

fn told(name: &str, text: impl AsRef<[u8]>) -> Vec<(String, usize, usize, String)> {
    let faults = only(name, text).expect_err("faults");
    let place = |f: &settings::Finding| {
        (f.code().to_string(), f.line().unwrap_or(0), f.column().unwrap_or(0), f.cause().to_owned())
    };
    faults.findings().iter().map(place).collect()
}

#[test]
fn the_shipped_register_is_the_same_as_toml_and_as_csv() {
    let (toml, _) = settings::load_register(&shipped("."), 3).expect("shipped");
    let (csv, _) = settings::load_register(&shipped("csv"), 3).expect("shipped");
    assert_eq!(toml.iter().collect::<Vec<_>>(), csv.iter().collect::<Vec<_>>());
    assert_eq!((toml.version(), toml.iter().count()), (3, 18));
    assert_ne!(toml.digest(), csv.digest());
}

#[test]
fn the_digest_is_that_of_the_file() {
    let text = "\u{feff}id,kind\r\nA,door\r\n";
    let register = only("register.csv", text).expect("right");
    assert_eq!(register.digest()[..], Sha256::digest(text.as_bytes())[..]);
}

#[test]
fn a_header_is_matched_without_case_blanks_and_joints() {
    let text = "I.D,KIND,Calibration-Last,calibration interval,calibrationDue,Calibration_Certificate\n\
        A,door,2026-01-02,12 months,,\"C \"\"1\"\", rev. 2\"\n";
    let register = only("register.csv", text).expect("right");
    let row = register.iter().next().expect("a row");
    let calibration = row.scheme(Work::Calibration).expect("a scheme");
    assert_eq!(calibration.certificate, "C \"1\", rev. 2");
    assert_eq!(calibration.due(None).map(|due| due.date().to_string()), Some("2027-01-02".into()));
}

#[test]
fn dates_of_toml_are_dates_of_csv() {
    let toml = "[[equipment]]\nid = \"A\"\nkind = \"door\"\nmaintenance_last = 2026-01-02\n\
        inspection_due = 2026-11-22T10:00:00Z\n";
    let csv = "id,kind,maintenance_last,inspection_due\nA,door,2026-01-02,2026-11-22T10:00:00Z\n";
    let rows = |register: Register| register.iter().cloned().collect::<Vec<_>>();
    assert_eq!(rows(only("register.toml", toml).expect("right")), rows(only("register.csv", csv).expect("right")));
}

#[test]
fn every_fault_of_a_csv_register_is_told_at_its_field() {
    let text = "id,kind,owner,calibration_last,colour\n\
        A,door,own,31.01.2026,\n\
        B,dor,me,2026-01-31,red\n\
        \"A\",door,,,\n\
        ,door,,,\n";
    let found = told("register.csv", text);
    let places: Vec<_> = found.iter().map(|(code, line, column, _)| (code.as_str(), *line, *column)).collect();
    let wanted = [("PK-0602", 1, 32), ("PK-0601", 2, 12), ("PK-0601", 3, 3), ("PK-0601", 3, 7), ("PK-0601", 5, 1)];
    assert_eq!(places, wanted, "{found:?}");
}

#[test]
fn every_fault_of_a_toml_register_is_told_at_its_key() {
    let text = "title = \"x\"\n[[equipment]]\nid = \"A\"\nknd = \"door\"\nserial = 123\n\n[[equipment]]\nid = \"B\"\n\
        kind = \"camera\"\ncalibration_last = 2026-01-02T10:00:00\ncalibration_interval = \"yearly\"\n";
    let found = told("register.toml", text);
    let places: Vec<_> = found.iter().map(|(code, line, column, _)| (code.as_str(), *line, *column)).collect();
    let wanted = [
        ("PK-0201", 1, 1),
        ("PK-0601", 2, 1),
        ("PK-0602", 4, 1),
        ("PK-0203", 5, 10),
        ("PK-0601", 10, 20),
        ("PK-0601", 11, 24),
    ];
    assert_eq!(places, wanted, "{found:?}");
}

#[test]
fn an_id_that_is_there_twice_shows_both_places() {
    let folder = Folder::empty();
    folder.write("register.csv", "id,kind\nA,door\nB,door\nA,door\n");
    let told = settings::load_register(folder.path(), 1).expect_err("twice").to_string();
    assert!(told.contains("register.csv:4:1") && told.contains("register.csv:2:1"), "{told}");
}

#[test]
fn two_registers_are_refused() {
    let folder = Folder::empty();
    folder.write("register.csv", "id,kind\n");
    folder.write("register.toml", "");
    let faults = settings::load_register(folder.path(), 1).expect_err("two");
    assert!(faults.to_string().contains("error[PK-0108]: both register.toml and register.csv"), "{faults}");
}

#[test]
fn bytes_that_are_not_utf_8_are_told_by_offset() {
    let found = told("register.csv", b"id,kind,place\nA,door,Geb\xe4ude\n");
    assert_eq!((found[0].0.as_str(), found[0].1, found[0].2), ("PK-0104", 2, 11));
    assert!(found[0].3.contains("byte 0xe4 at offset 24"), "{found:?}");
}

#[test]
fn a_register_of_too_many_rows_is_refused_before_it_fills_the_memory() {
    let csv: String =
        std::iter::once("id,kind\n".to_owned()).chain((0..20_001).map(|n| format!("E{n},door\n"))).collect();
    assert_eq!(told("register.csv", csv)[0].0, "PK-0603");
    let toml = "[[equipment]]\n".repeat(20_001);
    assert_eq!(told("register.toml", toml)[0].0, "PK-0603");
    assert_eq!(told("register.csv", vec![b'\n'; (16 << 20) + 1])[0].0, "PK-0103");
    assert_eq!(told("register.csv", vec![b','; 16 << 20])[0].0, "PK-0651");
}

#[test]
fn a_register_without_rows_warns_and_is_empty() {
    let folder = Folder::whole();
    folder.write("register.csv", "id,kind\n");
    let report = settings::check(folder.path());
    assert!(report.passes() && report.to_string().contains("warning[PK-0605]"), "{report}");
    assert_eq!(only("register.csv", "id,kind\n").expect("empty").iter().count(), 0);
}

#[test]
fn a_wrong_register_leaves_the_settings_right() {
    let folder = Folder::whole();
    folder.write("register.csv", "id,kind\nA,dor\n");
    assert!(settings::load(folder.path()).is_ok());
    assert!(settings::load_register(folder.path(), 1).is_err());
    let report = settings::check(folder.path());
    assert_eq!((report.findings.errors(), report.summary.devices), (1, 4));
}

const UPS: &str = "[[equipment]]\nid = \"UPS\"\nkind = \"power\"\n";

#[test]
fn a_point_states_its_numbers_as_texts_or_as_numbers() {
    let texts = "range = \"0 60\"\naccuracy = \"0.25\"\nwarn_below = \"24\"\n";
    let numbers = "range = \"0 60\"\naccuracy = 0.25\nwarn_below = 24\n";
    let of = |scale: &str| {
        let point =
            format!("[[point]]\nequipment = \"UPS\"\ndevice = \"ups\"\npoint = \"v\"\ntrend = \"battery\"\n{scale}");
        only("register.toml", format!("{point}{UPS}")).expect("right").points().to_vec()
    };
    assert_eq!(of(texts), of(numbers));
    let point = &of(texts)[0];
    assert_eq!((point.equipment.as_str(), &*point.device, &*point.name), ("UPS", "ups", "v"));
    assert_eq!(point.range.1.to_string(), "60");
}

#[test]
fn every_fault_of_points_and_equipment_is_told_at_once_at_its_key() {
    let text = format!(
        "{UPS}serail = \"1\"\n[[point]]\nequipment = \"UPS\"\ndevice = \"ups\"\npoint = \"v\"\nrange = \"60 0\"\n\
         accuracy = true\n[[point]]\nequipment = \"USP\"\ndevice = \"ups\"\npoint = \"v\"\nrange = \"0 60\"\n\
         accuracy = 0.5\nreference = \"hall/ai1\"\ncolour = \"red\"\n"
    );
    let found = told("register.toml", &text);
    let places: Vec<_> = found.iter().map(|(code, line, column, _)| (code.as_str(), *line, *column)).collect();
    let wanted = [
        ("PK-0602", 4, 1),
        ("PK-0601", 9, 9),
        ("PK-0203", 10, 12),
        ("PK-0601", 10, 12),
        ("PK-0601", 12, 13),
        ("PK-0601", 14, 9),
        ("PK-0601", 17, 13),
        ("PK-0602", 18, 1),
    ];
    assert_eq!(places, wanted, "{found:?}");
}

#[test]
fn a_point_that_no_device_gives_is_a_warning_of_the_check() {
    let folder = Folder::whole();
    std::fs::remove_file(folder.path().join("register.csv")).expect("it is there");
    let point = "[[point]]\nequipment = \"UPS\"\ndevice = \"nowhere\"\npoint = \"v\"\nrange = \"0 60\"\naccuracy = 1\n";
    folder.write("register.toml", format!("{UPS}{point}"));
    let report = settings::check(folder.path());
    assert!(report.passes(), "{report}");
    let told = report.to_string();
    assert!(
        told.contains("warning[PK-0610]: nothing watches point nowhere/v: the settings have no device nowhere"),
        "{told}"
    );
}

#[test]
fn r19_every_fault_of_scenarios_is_told_at_once_at_its_key() {
    let text = format!(
        "{UPS}scenario = \"theft, smugling\"\n[[scenario]]\nid = \"theft\"\ntitle = \"Theft\"\nconsequence = \"high\"\n\
         [[scenario]]\nid = \"theft\"\ntitle = \"Theft\"\nconsequence = \"high\"\n"
    );
    let found = told("register.toml", &text);
    let wanted = [("PK-0601", 10, 6, "scenario theft is there twice")];
    let told_of: Vec<_> =
        found.iter().map(|(code, line, column, why)| (code.as_str(), *line, *column, why.as_str())).collect();
    assert_eq!(told_of, wanted);
    let text = text.replacen("id = \"theft\"", "id = \"smuggling\"", 1);
    let found = told("register.toml", &text);
    let told_of: Vec<_> =
        found.iter().map(|(code, line, column, why)| (code.as_str(), *line, *column, why.as_str())).collect();
    assert_eq!(told_of, [("PK-0601", 4, 12, "no scenario smugling is listed")]);
    let right = only("register.toml", text.replace("smugling", "smuggling")).expect("right");
    let ids: Vec<&str> = right.scenarios().map(|scenario| scenario.id.as_str()).collect();
    assert_eq!(ids, ["smuggling", "theft"]);
    // A table of a spreadsheet has no scenarios.
    let found = told("register.csv", "id,kind,scenario\nUPS,power,theft\n");
    assert_eq!((found[0].0.as_str(), found[0].1, found[0].3.as_str()), ("PK-0601", 2, "no scenario theft is listed"));
}
