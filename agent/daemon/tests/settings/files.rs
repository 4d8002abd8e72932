//! Files that are missing, too large, unreadable or open to others; profiles and manifests.

use crate::folder::{AGENT, Folder, replaced};
use picket::settings::{self, Report};
use picket_device::seal::SealClass;

fn only(report: &Report) -> (String, String, Option<usize>) {
    let found: Vec<_> = report.findings.iter().collect();
    assert_eq!(found.len(), 1, "{report}");
    let file = found[0].file().file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    (found[0].code().to_string(), file, found[0].line())
}

fn expect(folder: &Folder, code: &str, file: &str, line: Option<usize>, words: &[&str]) {
    let report = settings::check(folder.path());
    assert_eq!(only(&report), (code.into(), file.into(), line), "{report}");
    let text = report.to_string();
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[test]
fn a_missing_file_is_told_with_its_path_and_the_next_command() {
    let folder = Folder::whole();
    folder.remove("agent.toml");
    expect(&folder, "PK-0101", "agent.toml", None, &["cp config/agent.toml", &folder.path().display().to_string()]);
}

#[test]
fn a_missing_register_is_told_with_the_next_command() {
    let folder = Folder::whole();
    folder.remove("register.csv");
    expect(&folder, "PK-0101", "register.toml", None, &["neither register.toml nor register.csv", "cp config/"]);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told() {
    let folder = Folder::whole();
    folder.remove("agent.toml");
    folder.write("agent.toml/x", "");
    expect(&folder, "PK-0102", "agent.toml", None, &["no regular file"]);
}

#[test]
fn a_file_above_its_limit_is_not_read() {
    let folder = Folder::whole();
    folder.write("agent.toml", vec![b'\n'; (4 << 20) + 1]);
    expect(&folder, "PK-0103", "agent.toml", None, &["4194305 bytes", "at most 4194304"]);
}

#[test]
fn bytes_that_are_not_utf_8_are_told_by_offset() {
    let folder = Folder::whole();
    let mut bytes = AGENT.as_bytes().to_vec();
    bytes[8] = 0xfc;
    folder.write("agent.toml", bytes);
    expect(&folder, "PK-0104", "agent.toml", Some(2), &["byte 0xfc at offset 8", "save the file as UTF-8"]);
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let login = "user = \"u\"\npassword_file = \"site.password\"";
    let folder = Folder::with_line(26, login);
    folder.write("site.password", "hunter2\n");
    assert!(settings::check(folder.path()).passes());
    folder.mode("site.password", 0o640);
    expect(&folder, "PK-0106", "agent.toml", Some(27), &["mode 0640", "chmod 600"]);
    let text = settings::check(folder.path()).to_string();
    assert!(!text.contains("hunter2"), "a secret is never shown");
}

#[test]
fn a_secret_that_is_missing_or_empty_is_told_where_it_is_named() {
    let folder = Folder::with_line(26, "user = \"u\"\npassword_file = \"site.password\"");
    expect(&folder, "PK-0101", "agent.toml", Some(27), &["site.password is not there", "install -m 600"]);
    folder.write("site.password", "\n");
    expect(&folder, "PK-0107", "agent.toml", Some(27), &["one line of text"]);
    folder.write("site.password", "two\nlines\n");
    expect(&folder, "PK-0107", "agent.toml", Some(27), &["one line of text"]);
}

#[test]
fn a_password_for_another_machine_warns_that_it_is_in_clear() {
    let text = replaced(AGENT, 25, "broker = \"mqtt://10.0.0.9\"\nuser = \"u\"\npassword_file = \"p\"");
    let folder = Folder::whole();
    folder.write("agent.toml", text);
    folder.write("p", "hunter2");
    expect(&folder, "PK-0802", "agent.toml", Some(25), &["travels to 10.0.0.9 unencrypted"]);
    let loaded = settings::load(folder.path()).expect("a warning does not keep it from loading");
    assert_eq!(loaded.warnings.warnings(), 1);
}

#[test]
fn an_identity_key_that_others_can_read_is_refused() {
    let folder = Folder::with_line(4, "[identity]\nkey = \"id.key\"");
    assert!(settings::check(folder.path()).passes(), "it is made at the first start");
    let place = settings::load(folder.path()).expect("it loads").journal;
    // What enrolment writes lies where the agent may write, whatever it is told of its settings.
    assert_eq!(place.acceptance, std::path::Path::new("/var/lib/picket/acceptance.jws"));
    assert_eq!(place.root, std::path::Path::new("/var/lib/picket/root.jws"));
    folder.write("id.key", "x");
    folder.mode("id.key", 0o644);
    expect(&folder, "PK-0106", "agent.toml", Some(5), &["mode 0644"]);
}

#[test]
fn a_profile_of_the_folder_wins_over_the_shipped_one() {
    let folder = Folder::whole();
    let own = "name = \"moxa-e1210\"\nmake = \"Moxa\"\nmodel = \"x\"\nmanual = \"m\"\n\
        [[modbus.point]]\nname = \"di0\"\ntable = \"coil\"\naddress = 7\n";
    let shipped = settings::load(folder.path()).expect("right").plan.settings_digest;
    folder.write("profiles/moxa-e1210.toml", own);
    let loaded = settings::load(folder.path()).expect("right");
    assert_ne!(loaded.plan.settings_digest, shipped, "profiles in use are part of the digest");
    folder.write("profiles/moxa-e1210.toml", own.replace("di0", "in0"));
    expect(&folder, "PK-0411", "agent.toml", Some(39), &["has no point `di0`", "one of: in0"]);
}

#[test]
fn a_broken_profile_is_told_and_not_replaced_by_the_shipped_one() {
    let head = "name = \"moxa-e1210\"\nmake = \"Moxa\"\nmodel = \"x\"\nmanual = \"m\"\n";
    let folder = Folder::whole();
    folder.write("profiles/moxa-e1210.toml", format!("{head}[modbus]\nmax_bitz = 1\n"));
    expect(&folder, "PK-0501", "moxa-e1210.toml", Some(6), &["unknown field `max_bitz`"]);
    let point = "[[modbus.point]]\nname = \"Di0\"\ntable = \"coil\"\naddress = 7\n";
    folder.write("profiles/moxa-e1210.toml", format!("{head}{point}"));
    expect(&folder, "PK-0501", "moxa-e1210.toml", Some(6), &["point `Di0`", "by the manual"]);
    folder.write("profiles/moxa-e1210.toml", format!("{head}[onvif-events]\n").replace("moxa-e1210", "moxa"));
    expect(&folder, "PK-0502", "moxa-e1210.toml", Some(1), &["is named `moxa`", "rename the file"]);
}

#[test]
fn a_manifest_is_normalised() {
    let folder = Folder::whole();
    folder.write("manifest.csv", "Seal;Unit;Reader;Class\r\nml-cn 4471;csqu 305438-3;SEAL-1;h\r\n77;T1;;\r\n");
    let rows = settings::load(folder.path()).expect("right").plan.manifest;
    let plain: Vec<_> = rows.iter().map(|r| (r.unit.as_str(), r.seal.as_str(), r.reader.as_str())).collect();
    assert_eq!(plain, [("CSQU3054383", "MLCN4471", "SEAL-1"), ("T1", "77", "")]);
    let classes: Vec<_> = rows.iter().map(|row| row.class.map(SealClass::as_str)).collect();
    assert_eq!(classes, [Some("H"), None]);
}

#[test]
fn every_mistake_of_a_manifest_is_told() {
    let table: &[(&str, &str, usize, &str)] = &[
        ("unit,seal\nCSQU3054384,S1\n", "PK-0703", 2, "CSQU3054384 has a wrong check digit"),
        ("unit,seal\nT1,S1\nT2,s-1\n", "PK-0702", 3, "seal S1 is on the manifest twice"),
        ("unit,seal\nT1,\n", "PK-0701", 2, "the row has no seal"),
        ("unit,seal\nT;1,S1\n", "PK-0701", 2, "`T;1` is no unit number"),
        ("unit,seal,reader\nT1,S1,a b\n", "PK-0701", 2, "reader `a b` is no equipment id"),
        ("unit,seal,class\nT1,S1,X\n", "PK-0701", 2, "`X` is no class of a seal"),
        ("unit,seal,reader\nT1,S1,SEAL-2\n", "PK-0704", 2, "no seal reader of the settings is `SEAL-2`"),
        ("unit,seal,reader\nT1,S1,CAM-1\n", "PK-0704", 2, "no seal reader of the settings is `CAM-1`"),
        ("unit,reader\nT1,\n", "PK-0652", 1, "there is no column seal"),
        ("unit,seal,seel\nT1,S1,\n", "PK-0652", 1, "unknown column `seel`"),
        ("unit,seal,Unit\nT1,S1,\n", "PK-0652", 1, "column unit is there twice"),
        ("unit,seal\nT1,S1,x\n", "PK-0651", 2, "the row has 3 fields, the header 2"),
        ("unit,seal\nT1,\"S1\n", "PK-0651", 2, "never closed"),
        ("", "PK-0652", 1, "no header row"),
    ];
    for (text, code, line, words) in table {
        let folder = Folder::whole();
        folder.write("manifest.csv", text);
        expect(&folder, code, "manifest.csv", Some(*line), &[words]);
    }
}

#[test]
fn the_report_as_json_has_the_same_findings() {
    let folder = Folder::with_line(32, "unit = 300");
    let json = settings::check(folder.path()).to_json();
    let first = &json["errors"][0];
    assert_eq!((&first["code"], &first["line"], &first["column"]), (&"PK-0204".into(), &32.into(), &8.into()));
    assert_eq!(first["remedy"], "allowed: 1 to 247");
    assert_eq!((&json["warnings"], &json["not_shown"]), (&serde_json::json!([]), &0.into()));
    assert_eq!(json["summary"]["equipment"], 5);
}

/// The broker's line with TLS, one certificate for all, and a file in the place of another.
fn with_tls(name: &str, text: &str) -> Folder {
    let tls = "tls = true\nca_file = \"ca.pem\"\ncertificate_file = \"own.crt\"\nkey_file = \"own.key\"";
    let folder = Folder::with_line(26, tls);
    let made = rcgen::generate_simple_self_signed(["site".to_owned()]).expect("a certificate");
    for file in ["ca.pem", "own.crt"] {
        folder.write(file, made.cert.pem());
    }
    folder.write("own.key", made.signing_key.serialize_pem());
    folder.write(name, text);
    folder
}

#[test]
fn certificates_and_their_key_are_read_with_the_settings() {
    let folder = with_tls("unused", "");
    let loaded = settings::load(folder.path()).unwrap_or_else(|faults| panic!("{faults}"));
    let broker = loaded.carriers.iter().find_map(|carrier| match carrier {
        picket::line::Carrier::Mqtt(session) => Some(&session.broker),
        _ => None,
    });
    let tls = broker.and_then(|broker| broker.tls.as_ref()).expect("TLS");
    assert!(tls.own.is_some() && tls.authority_file == "ca.pem");
    assert!(!format!("{:?}", loaded.carriers).contains("PRIVATE"));
}

#[test]
fn a_key_that_others_may_read_is_refused_with_what_to_run() {
    let folder = with_tls("unused", "");
    folder.mode("own.key", 0o640);
    expect(&folder, "PK-0106", "agent.toml", Some(29), &["mode 0640", "chmod 600"]);
}

#[test]
fn files_that_are_no_certificates_or_no_key_are_told_apart() {
    expect(&with_tls("ca.pem", "x"), "PK-0109", "agent.toml", Some(27), &["ca.pem", "no certificate of an authority"]);
    expect(&with_tls("own.crt", "x"), "PK-0109", "agent.toml", Some(28), &["own.crt", "no certificate"]);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    expect(&with_tls("own.key", encrypted), "PK-0109", "agent.toml", Some(29), &["without a passphrase", "PKCS #8"]);
}

#[test]
fn the_usual_port_of_tls_is_8883_and_a_password_through_it_is_no_warning() {
    let folder = with_tls("site.password", "geheim\n");
    let text = std::fs::read_to_string(folder.path().join("agent.toml")).expect("written");
    let text = replaced(&text, 25, "broker = \"mqtt://10.0.0.9\"\nuser = \"u\"\npassword_file = \"site.password\"");
    folder.write("agent.toml", text);
    let report = settings::check(folder.path());
    assert!(report.passes() && report.findings.warnings() == 0, "{report}");
    let loaded = settings::load(folder.path()).expect("right");
    let ports = loaded.carriers.iter().filter_map(|carrier| match carrier {
        picket::line::Carrier::Mqtt(session) => Some(session.broker.port),
        _ => None,
    });
    assert_eq!(ports.collect::<Vec<_>>(), [8883]);
}

/// Settings with a central link through TLS, and these lines beside it.
fn with_central(lines: &str) -> Folder {
    let folder = with_tls("unused", "");
    let text = std::fs::read_to_string(folder.path().join("agent.toml")).expect("written");
    folder.write("agent.toml", format!("{text}\n[central]\nbroker = \"mqtt://10.0.0.9\"\n{lines}\n"));
    folder
}

#[test]
fn a_certificate_comes_from_two_slots_or_from_files_and_never_from_both() {
    use picket::certificate::Origin;
    let own = |lines: &str| {
        let folder = with_central(lines);
        let loaded = settings::load(folder.path()).unwrap_or_else(|faults| panic!("{faults}"));
        loaded.certificate.map(|source| source.own)
    };
    let slots = own("tls = true\nca_file = \"ca.pem\"\ncertificate_dir = \"tls\"");
    assert!(matches!(&slots, Some(Origin::Slots(dir)) if dir.ends_with("tls")), "{slots:?}");
    let files = "tls = true\nca_file = \"ca.pem\"\ncertificate_file = \"own.crt\"\nkey_file = \"own.key\"";
    assert!(matches!(own(files), Some(Origin::ByHand(..))));
    assert!(matches!(own("tls = true\nca_file = \"ca.pem\""), Some(Origin::Nobody)));
    assert!(own("").is_none());
    let told = |lines: &str| settings::check(with_central(lines).path()).to_string();
    let both = told(&format!("{files}\ncertificate_dir = \"tls\""));
    assert!(both.contains("one certificate is shown, not two"), "{both}");
    let clear = told("certificate_dir = \"tls\"");
    assert!(clear.contains("the link has no TLS"), "{clear}");
}
