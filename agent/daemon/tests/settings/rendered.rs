//! Findings as an installer sees them, letter by letter.

use crate::folder::Folder;
use picket::settings;

fn shown(folder: &Folder) -> String {
    let report = settings::check(folder.path());
    let text: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    folder.anonymous(&text.join("\n\n"))
}

#[test]
fn a_number_outside_its_range() {
    let wanted = r"error[PK-0204]: `unit` of device `gate-io` is 300, outside 1 to 247
  --> DIR/agent.toml:32:8
   |
32 | unit = 300
   |        ^^^ outside
   |
   = help: allowed: 1 to 247";
    assert_eq!(shown(&Folder::with_line(32, "unit = 300")), wanted);
}

#[test]
fn a_misspelt_profile() {
    let wanted = r#"error[PK-0403]: there is no profile `moxa-1210` for device `gate-io`
  --> DIR/agent.toml:30:11
   |
30 | profile = "moxa-1210"
   |           ^^^^^^^^^^^ no such profile
   |
   = help: did you mean `moxa-e1210`?"#;
    assert_eq!(shown(&Folder::with_line(30, "profile = \"moxa-1210\"")), wanted);
}

#[test]
fn a_misspelt_key_among_letters_of_two_bytes() {
    let folder = Folder::with_line(36, "readings = \"off\"\n\"plaçe\" = \"Tür\"");
    let wanted = r#"error[PK-0201]: unknown key `plaçe` in device `gate-io`
  --> DIR/agent.toml:37:1
   |
37 | "plaçe" = "Tür"
   | ^^^^^^^ unknown
   |
   = help: known here: name, line, profile, equipment, unit, poll_ms, patience_ms, prefix, silence_s, readings, bind"#;
    assert_eq!(shown(&folder), wanted);
}

#[test]
fn a_port_that_two_lines_use() {
    let wanted = r#"error[PK-0302]: two lines use /dev/serial/by-path/p1
  --> DIR/agent.toml:19:8
   |
19 | port = "/dev/serial/by-path/p1"
   |        ^^^^^^^^^^^^^^^^^^^^^^^^ again here
   |
  ::: DIR/agent.toml:13:8
   |
13 | port = "/dev/serial/by-path/p1"
   |        ------------------------ first here
   |
   = help: put all its devices on one line: only one can speak at a time"#;
    assert_eq!(shown(&Folder::with_line(19, "port = \"/dev/serial/by-path/p1\"")), wanted);
}

#[test]
fn a_key_that_is_missing() {
    let wanted = r#"error[PK-0202]: `equipment` is missing in device `gate-io`
  --> DIR/agent.toml:27:1
   |
27 | [[device]]
   | ^^^^^^^^^^ it belongs here
   |
   = help: add equipment = "...", the id of the device in the register"#;
    assert_eq!(shown(&Folder::with_line(31, "")), wanted);
}

#[test]
fn a_page_that_everybody_reaches() {
    let wanted = r#"warning[PK-0801]: the guards' page listens at 0.0.0.0:8470: whoever reaches it can read alarms and answer them
 --> DIR/agent.toml:5:10
  |
5 | listen = "0.0.0.0:8470"
  |          ^^^^^^^^^^^^^^ not loopback
  |
  = help: keep 127.0.0.1, or let a firewall admit only the guards' terminals and name them in hosts"#;
    assert_eq!(shown(&Folder::with_line(4, "[console]\nlisten = \"0.0.0.0:8470\"")), wanted);
}

#[test]
fn a_date_that_is_guessed_nowhere() {
    let folder = Folder::whole();
    let register = crate::folder::REGISTER.replace("2026-01-31", "31.1.2026");
    folder.write("register.csv", register);
    let wanted = r#"error[PK-0601]: cannot read "31.1.2026"
 --> DIR/register.csv:3:13
  |
3 | DOOR-1,door,31.1.2026
  |             ^^^^^^^^^ field calibration_last
  |
  = help: YYYY-MM-DD (day and month are never guessed), or 'unknown'"#;
    assert_eq!(shown(&folder), wanted);
}

#[test]
fn a_file_that_is_not_there() {
    let folder = Folder::whole();
    folder.remove("agent.toml");
    let wanted = "error[PK-0101]: DIR/agent.toml is not there
 --> DIR/agent.toml
  = help: copy the annotated example and change it: cp config/agent.toml DIR/agent.toml";
    assert_eq!(shown(&folder), wanted);
}

#[test]
fn the_end_of_a_report_counts() {
    let folder = Folder::with_line(32, "unit = 300");
    let text = settings::check(folder.path()).to_string();
    assert!(text.ends_with("\n\n1 error, 0 warnings\nthese files do not come into force as they are\n"), "{text}");
    let text = settings::check(Folder::whole().path()).to_string();
    let wanted = "0 errors, 0 warnings\n\
        read: 4 lines, 4 devices, 6 bindings, 10 profiles, 5 pieces of equipment, 0 seals\n";
    assert_eq!(text, wanted);
}
