//! What the commands say and how they end, as a person at a terminal meets them.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene must fail")]

use picket_central::custody::Custody;
use picket_record::enrolment::Request;
use picket_record::keys::IdentityKey;
use picket_record::token::EnrolmentToken;
use std::path::Path;
use std::process::Command;

/// RFC 8037 appendix A.2.
const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// Exit code, and what it prints on standard error.
fn said(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_picket-central")).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn refused(code: i32, text: &str, arguments: &[&str]) {
    let (found, told) = said(arguments);
    assert_eq!(found, code, "{arguments:?}: {told}");
    assert!(told.contains(text), "{arguments:?}: {told}");
}

fn accept<'a>(dir: &'a str, gateway: &'a str, identity: &'a str, out: &'a str) -> Vec<&'a str> {
    let who = ["--site", "yard", "--gateway", gateway, "--identity", identity, "--by", "N. N."];
    [&["accept", "--dir", dir, "--out", out], &who[..]].concat()
}

#[test]
fn wrong_arguments_end_with_2_and_say_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (dir, missing, out, settings) = (path("central"), path("missing"), path("out.jws"), path("central.toml"));
    refused(2, "--sms: \"HQ\" is not a name", &["init", "--dir", &dir, "--sms", "HQ"]);
    assert!(!Path::new(&dir).exists(), "nothing was written");
    assert_eq!(said(&["init", "--dir", &dir, "--sms", "hq"]).0, 0);
    refused(2, "receipt.key exists and is never overwritten", &["init", "--dir", &dir, "--sms", "hq"]);
    let remedy = format!("make one: picket-central init --dir {missing} --sms NAME");
    refused(2, &remedy, &["gateways", "--dir", &missing]);
    refused(2, &remedy, &accept(&missing, "gw-1", KEY, &out));
    std::fs::write(&settings, format!("dir = \"{missing}\"\n[broker]\nhost = \"localhost\"\n")).unwrap();
    refused(2, &remedy, &["run", "--config", &settings]);
    refused(2, "names a file like config/central.toml", &["run", "--config", &missing]);
    std::fs::write(&settings, "dir = 3\n").unwrap();
    refused(2, "central.toml:1: dir of the file is no text", &["run", "--config", &settings]);
    refused(2, "as `picket identity` prints it", &accept(&dir, "gw-1", "xx", &out));
    refused(2, "without --gateway all are listed", &["gateways", "--dir", &dir, "--gateway", "gw-9"]);
    assert!(!Path::new(&out).exists(), "nothing was written");
}

#[test]
fn an_identity_that_verifiers_could_disagree_about_is_accepted_by_nobody() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (dir, out) = (path("central"), path("out.jws"));
    assert_eq!(said(&["init", "--dir", &dir, "--sms", "hq"]).0, 0);
    // The neutral element; case 3 of speccheck, of mixed order; the neutral element with y = 1 + p.
    for (key, why) in [
        ("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "it is of small order"),
        ("zbJnzkDFzUUwb6XS8pcxRZOH2_nrkzt71a7Zp2W4jU0", "it is not torsion-free"),
        ("7v_______________________________________38", "it is not the canonical encoding of a point of the curve"),
    ] {
        refused(2, &format!("--identity: the key is refused: {why}"), &accept(&dir, "gw-1", key, &out));
        assert!(!Path::new(&out).exists(), "nothing was written");
    }
    assert_eq!(said(&accept(&dir, "gw-1", KEY, &out)), (0, String::new()));
}

#[test]
fn an_acceptance_is_written_again_but_never_over_a_file_nor_for_another_key() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (dir, out, again) = (path("central"), path("out.jws"), path("again.jws"));
    assert_eq!(said(&["init", "--dir", &dir, "--sms", "hq"]).0, 0);
    assert_eq!(said(&accept(&dir, "gw-1", KEY, &out)), (0, String::new()));
    refused(2, "out.jws exists and is never overwritten", &accept(&dir, "gw-1", KEY, &out));
    assert_eq!(said(&accept(&dir, "gw-1", KEY, &again)), (0, String::new()));
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&again).unwrap());
    let other = "dSbw9Ydq3jr-SehZhthBhEtaQbfrKDBLtnt7HCLhRJc";
    refused(2, "gw-1 was accepted before, at site yard", &accept(&dir, "gw-1", other, &path("other.jws")));
    assert!(!home.path().join("other.jws").exists());
}

#[test]
fn an_approval_whose_answer_could_not_be_written_is_given_once_more() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (dir, token, request, answer) = (path("central"), path("token.jws"), path("request.jws"), path("answer.jws"));
    assert_eq!(said(&["init", "--dir", &dir, "--sms", "hq"]).0, 0);
    let give = ["token", "--dir", &dir, "--site", "yard", "--gateway", "gw-1", "--out", &token];
    assert_eq!(said(&give).0, 0);
    let line = std::fs::read_to_string(&token).unwrap();
    let accept = Custody::at(Path::new(&dir)).accept_pub().unwrap();
    let (EnrolmentToken { sms, site, gw, id, .. }, _) = EnrolmentToken::verify(line.trim(), &accept).unwrap();
    let key = IdentityKey::from_seed([1; 32]);
    let asked =
        Request { sms, site, gw, token: id, identity: key.public(), machine: "box".into(), ts_ms: 0, csr: None };
    std::fs::write(&request, asked.sign(&key).unwrap().line).unwrap();
    let fingerprint = key.public().fingerprint();
    let approve = |by: &str, out: &str| {
        let who = ["--by", by, "--fingerprint", &fingerprint, "--out", out];
        said(&[&["approve", "--dir", &dir, "--request", &request], &who[..]].concat())
    };
    let (code, told) = approve("N.\u{202e}N.", &answer);
    assert!(code == 2 && told.contains("--by is a name"), "{told}");
    let (code, told) = approve("N. N.", &request);
    assert!(code == 2 && told.contains("never overwritten"), "{told}");
    let (code, told) = approve("N. N.", &path("missing/answer.jws"));
    assert!(code == 3 && told.contains("missing/answer.jws"), "{told}");
    assert_eq!(approve("N. N.", &answer), (0, String::new()));
    assert_eq!(
        std::fs::read_to_string(&answer).unwrap().lines().count(),
        3,
        "two lines of root documents, the acceptance"
    );
}

#[test]
fn what_is_no_fault_of_the_caller_ends_with_3() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("central").display().to_string();
    assert_eq!(said(&["init", "--dir", &dir, "--sms", "hq"]).0, 0);
    std::fs::write(home.path().join("central/central.db"), "no database").unwrap();
    refused(3, "file is not a database", &["gateways", "--dir", &dir]);
}

#[test]
fn a_reader_that_has_seen_enough_ends_no_command_in_a_panic() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("central").display().to_string();
    assert_eq!(said(&["init", "--dir", &dir, "--sms", "hq"]).0, 0);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_picket-central"));
    let output = command.args(["gateways", "--dir", &dir]).stdout(writer).stderr(std::process::Stdio::piped()).output();
    let output = output.unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}
