//! What a row says of a point, from the file into the plan.

use crate::folder::Folder;
use picket::settings;
use picket_core::plan::{Delays, DeviceSpeech, Plan};
use picket_device::quantity::{Signal, Value};

const READER: &str = "name = \"code-reader\"\nmake = \"X\"\nmodel = \"X\"\nmanual = \"X\"\n\
    [[json.point]]\nname = \"code\"\ntopic = \"t\"\npointer = \"/code\"\n\
    [[json.point]]\nname = \"volts\"\ntopic = \"t\"\npointer = \"/volts\"\n\
    [[json.point]]\nname = \"good\"\ntopic = \"t\"\npointer = \"/good\"\ntrue_when = \"yes\"\n";

/// The site with one more device, a reader that publishes JSON.
fn with_reader(keys: &str) -> Folder {
    let device = "[[device]]\nname = \"code\"\nline = \"broker\"\nprofile = \"code-reader\"\nprefix = \"code\"\n";
    let folder = Folder::with_line(62, &format!("{device}equipment = \"SEAL-1\"\n{keys}"));
    folder.write("profiles/code-reader.toml", READER);
    folder
}

fn loaded(folder: &Folder) -> Plan {
    settings::load(folder.path()).unwrap_or_else(|faults| panic!("{faults}")).plan
}

fn bind(point: &str, signal: &str) -> String {
    format!("[[device.bind]]\npoint = \"{point}\"\nsignal = \"{signal}\"\n")
}

fn refused(folder: &Folder) -> Vec<String> {
    let report = settings::check(folder.path());
    report.findings.iter().take(report.findings.errors()).map(|finding| finding.code().to_string()).collect()
}

#[test]
fn times_of_a_row_are_its_own_and_absent_where_it_states_none() {
    let folder = Folder::with_line(41, "signal = \"tamper\"\nhold_ms = 500\nclear_ms = 9000");
    let plan = loaded(&folder);
    let delays = |device: usize, point: &str| plan.devices[device].bindings[point].delays;
    assert_eq!(delays(0, "di0"), Delays { hold_ms: Some(500), clear_ms: Some(9_000) });
    assert_eq!(delays(1, "alarm"), Delays::default());
}

#[test]
fn a_door_may_state_how_long_it_must_be_closed() {
    let plan = loaded(&Folder::with_line(41, "signal = \"open\"\nclear_ms = 700"));
    assert_eq!(plan.devices[0].bindings["di0"].delays, Delays { hold_ms: None, clear_ms: Some(700) });
}

#[test]
fn limits_of_doors_and_lines_are_read_and_have_their_defaults() {
    let limits = loaded(&Folder::whole()).limits;
    assert_eq!((limits.door_grace_ms, limits.door_clear_ms, limits.line_lost_ms), (0, 2_000, 60_000));
    let written = "[limits]\ndoor_grace_ms = 800\ndoor_clear_ms = 0\nline_lost_s = 5\n";
    let limits = loaded(&Folder::with_line(4, written)).limits;
    assert_eq!((limits.door_grace_ms, limits.door_clear_ms, limits.line_lost_ms), (800, 0, 5_000));
}

#[test]
fn a_number_that_is_bound_as_a_seal_is_read_as_text_and_one_that_is_measured_as_number() {
    let plan = loaded(&with_reader(&(bind("code", "seal") + &bind("volts", "measured"))));
    let DeviceSpeech::Json { map, .. } = &plan.devices[4].speech else { panic!("{:?}", plan.devices[4]) };
    let heard = map.decode("t", br#"{"code":1,"volts":1,"good":"yes"}"#).unwrap();
    let values: Vec<Value> = heard.observations.into_iter().map(|seen| seen.value).collect();
    let one = Value::Number { mantissa: 1, exponent: 0 };
    assert_eq!(values, [Value::Text("1".to_owned()), one, Value::Bit(true)]);
    assert_eq!(plan.devices[4].bindings["code"].signal, Signal::Seal);
}

#[test]
fn a_flag_cannot_be_bound_as_a_seal() {
    assert_eq!(refused(&with_reader(&bind("good", "seal"))), ["PK-0413"]);
}

#[test]
fn events_of_a_broker_that_nothing_would_record_are_refused_and_measurements_are_not() {
    let off = "readings = \"off\"\n".to_owned();
    assert_eq!(refused(&with_reader(&(off.clone() + &bind("good", "open")))), ["PK-0416"]);
    assert_eq!(refused(&with_reader(&(off.clone() + &bind("volts", "measured")))), [""; 0]);
    assert_eq!(refused(&with_reader(&off)), [""; 0]);
    assert_eq!(refused(&with_reader(&bind("good", "open"))), [""; 0]);
}

#[test]
fn a_camera_that_says_nothing_for_a_day_is_silent_unless_the_site_says_otherwise() {
    assert_eq!(loaded(&Folder::whole()).devices[3].silence_ms, 86_400_000);
    let never = Folder::with_line(61, "equipment = \"CAM-1\"\nsilence_s = 0");
    assert_eq!(loaded(&never).devices[3].silence_ms, 0);
}
