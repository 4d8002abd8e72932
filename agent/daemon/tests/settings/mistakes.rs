//! One mistake at a time, each with its code, its line and its words; then ten at once.

use crate::folder::{AGENT, Folder, replaced};
use picket::settings::{self, Finding, Report};

/// Line to replace, what stands there then, code, line of the finding, words of the cause, words of the remedy.
type Mistake = (usize, &'static str, &'static str, usize, &'static str, &'static str);

const SETTINGS: &[Mistake] = &[
    (1, "[site", "PK-0105", 1, "not TOML", "[name]"),
    (8, "host = 10.0.0.5", "PK-0105", 8, "not TOML", "double quotes"),
    (8, "host = \"10.0.0.5", "PK-0105", 8, "not TOML", "double quotes"),
    (3, "gateway = \"gw-1\"\ngateway = \"gw-2\"", "PK-0105", 4, "duplicate key", "keep one of the two"),
    (4, "[sites]", "PK-0201", 4, "unknown key `sites` in the settings", "did you mean `site`?"),
    (33, "pol_ms = 500", "PK-0201", 33, "unknown key `pol_ms` in device `gate-io`", "did you mean `poll_ms`?"),
    (8, "hots = \"10.0.0.5\"", "PK-0201", 8, "unknown key `hots` in line `lan`", "did you mean `host`?"),
    (26, "colour = \"red\"", "PK-0201", 26, "unknown key `colour` in line `broker`", "known here: name, kind"),
    (26, "password = \"hunter2\"", "PK-0201", 26, "unknown key `password`", "mode 0600"),
    (
        41,
        "signal = \"open\"\ninvert = true",
        "PK-0201",
        42,
        "a binding of device `gate-io`",
        "did you mean `inverted`?",
    ),
    (4, "[limits]\ndoor_hold_s = 3", "PK-0201", 5, "in [limits]", "did you mean `door_held_s`?"),
    (2, "", "PK-0202", 1, "`name` is missing in [site]", "add name ="),
    (7, "", "PK-0202", 5, "`kind` is missing in line `lan`", "modbus-tcp"),
    (14, "", "PK-0202", 10, "`baud` is missing in line `bus`", "baud = 9600"),
    (29, "", "PK-0202", 27, "`line` is missing in device `gate-io`", "[[line]]"),
    (31, "", "PK-0202", 27, "`equipment` is missing in device `gate-io`", "in the register"),
    (41, "", "PK-0202", 38, "`signal` is missing", "signal = \"open\""),
    (48, "", "PK-0202", 43, "`unit` is missing in device `panel`", "1 to 247"),
    (60, "", "PK-0202", 56, "`prefix` is missing in device `cam-1`", "topic"),
    (26, "user = \"u\"", "PK-0202", 22, "`password_file` is missing in line `broker`", "mode 0600"),
    (33, "poll_ms = \"500\"", "PK-0203", 33, "is a text, not a whole number", "without quotes"),
    (33, "poll_ms = 0.5", "PK-0203", 33, "is a number with a fraction", "whole number|without quotes"),
    (8, "host = 10", "PK-0203", 8, "is a whole number, not a text", "double quotes"),
    (4, "[clock]\naccept_unsynchronised = \"no\"", "PK-0203", 5, "not true or false", "without quotes"),
    (1, "console = \"on\"\n[site]", "PK-0203", 1, "is a text, not a table", "[console]"),
    (4, "[[control]]\nruntime = \"/r\"", "PK-0203", 4, "is a list, not a table", "[control]"),
    (32, "unit = 300", "PK-0204", 32, "`unit` of device `gate-io` is 300", "1 to 247"),
    (32, "unit = 0", "PK-0204", 32, "is 0, outside", "1 to 247"),
    (32, "unit = -1", "PK-0204", 32, "is -1, outside", "1 to 247"),
    (33, "poll_ms = 19", "PK-0204", 33, "outside 20 to", "allowed: 20"),
    (9, "port = 70000", "PK-0204", 9, "`port` of line `lan` is 70000", "1 to 65535"),
    (4, "[journal]\nbudget_mib = 7", "PK-0204", 5, "`budget_mib` of [journal] is 7", "8 to 1048576"),
    (14, "baud = 9601", "PK-0204", 14, "no serial port offers", "did you mean 9600?"),
    (4, "[limits]\nheartbeat_s = 0x1", "PK-0204", 5, "0x1, outside", "10 to 3600"),
    (7, "kind = \"modbus-udp\"", "PK-0205", 7, "is `modbus-udp`", "did you mean `modbus-tcp`?"),
    (36, "readings = \"always\"", "PK-0205", 36, "`readings` of device `gate-io` is `always`", "off, routine, now"),
    (41, "signal = \"opened\"", "PK-0205", 41, "is `opened`", "did you mean `open`?"),
    (15, "parity = \"evn\"", "PK-0205", 15, "is `evn`", "did you mean `even`?"),
    (8, "host = \"\"", "PK-0206", 8, "`host` of line `lan` is empty", "remove the key"),
    (8, "host = \"a\\u0007b\"", "PK-0206", 8, "control characters", "plain text"),
    (26, "client_id = \"gw-1\"", "PK-0206", 26, "the central link logs in", "such as picket-gw-1"),
    (60, "prefix = \"cam/#\"", "PK-0206", 60, "is no topic", "without wildcards"),
    (60, "prefix = \"/cam-1\"", "PK-0206", 60, "is no topic", "without / at its ends"),
    (2, "name = \"Harbour East\"", "PK-0207", 2, "`Harbour East`, which is no name", "a-z 0-9 and -"),
    (6, "name = \"lan_1\"", "PK-0207", 6, "which is no name", "such as gate-1"),
    (8, "host = \"10.0.0.500\"", "PK-0208", 8, "no host name or address", "without port or path"),
    (8, "host = \"10.0.0.5:502\"", "PK-0208", 8, "no host name or address", "without port or path"),
    (25, "broker = \"mqtts://b:8883\"", "PK-0208", 25, "does not begin with mqtt://", "tls = true"),
    (26, "tls = \"yes\"", "PK-0203", 26, "not true or false", "without quotes"),
    (26, "tls = true", "PK-0202", 22, "`ca_file` is missing in line `broker`", "signed the broker's"),
    (26, "ca_file = \"ca.pem\"", "PK-0209", 26, "the link has no TLS", "add tls = true"),
    (26, "tls = true\nca_file = \"ca.pem\"", "PK-0101", 27, "ca.pem is not there", "put it there"),
    (9, "tls = true", "PK-0209", 9, "`tls` does not belong to line `lan`", "remove it"),
    (25, "broker = \"mqtt://u:p@b\"", "PK-0208", 25, "a login does not belong", "password_file"),
    (25, "broker = \"mqtt://b:0\"", "PK-0208", 25, "the port is not 1 to 65535", "mqtt://host:port"),
    (13, "port = \"COM1\"", "PK-0208", 13, "no device file", "/dev/serial/by-path"),
    (4, "[console]\nlisten = \"localhost\"", "PK-0208", 5, "no address with a port", "127.0.0.1:8470"),
    (4, "[sensitivity]\npage = \"secret\"", "PK-0205", 5, "`page` of [sensitivity] is `secret`", "open, internal"),
    (4, "[sensitivity]\nexport = \"personal\"", "PK-0804", 5, "more leaves on `export`", "loosen = [\"export\"]"),
    (4, "[sensitivity]\nloosen = [\"exprot\"]", "PK-0205", 5, "no channel and no kind", "one of: page, guard"),
    (
        4,
        "[sensitivity.kinds]\n\"act.acknowledged\" = \"open\"",
        "PK-0804",
        5,
        "`act.acknowledged` is labelled below `personal`",
        "loosen = [\"act.acknowledged\"]",
    ),
    (
        4,
        "[sensitivity.kinds]\n\"alarm.rased\" = \"open\"",
        "PK-0201",
        5,
        "`alarm.rased`",
        "did you mean `alarm.raised`?",
    ),
    (9, "baud = 9600", "PK-0209", 9, "`baud` does not belong to line `lan`, which is a modbus-tcp", "remove it"),
    (60, "prefix = \"cam-1\"\nunit = 1", "PK-0209", 61, "`unit` does not belong to device `cam-1`", "remove unit"),
    (55, "[[device.bind]]\npoint = \"x\"\nsignal = \"open\"", "PK-0209", 55, "`bind` does not belong", "remove bind"),
    (
        26,
        "[[line]]\nname = \"lan\"\nkind = \"mqtt\"\nbroker = \"mqtt://b\"",
        "PK-0301",
        27,
        "two lines are named `lan`",
        "own name",
    ),
    (19, "port = \"/dev/serial/by-path/p1\"", "PK-0302", 19, "two lines use /dev/serial/by-path/p1", "on one line"),
    (
        26,
        "[[line]]\nname=\"x\"\nkind=\"mqtt\"\nbroker=\"mqtt://127.0.0.1\"",
        "PK-0302",
        29,
        "two lines use client",
        "client_id",
    ),
    (
        26,
        "[[line]]\nname=\"x\"\nkind=\"seal-reader\"\nport=\"/dev/z\"\nbaud=300",
        "PK-0303",
        26,
        "`x` has no device",
        "profile",
    ),
    (44, "name = \"gate-io\"", "PK-0401", 44, "two devices are named `gate-io`", "its own name"),
    (29, "line = \"lam\"", "PK-0402", 29, "there is no line `lam` for device `gate-io`", "did you mean `lan`?"),
    (29, "line = \"quay\"", "PK-0402", 29, "there is no line `quay`", "one of: lan, bus, reader, broker"),
    (30, "profile = \"moxa-1210\"", "PK-0403", 30, "there is no profile `moxa-1210`", "did you mean `moxa-e1210`?"),
    (30, "profile = \"wago-750\"", "PK-0403", 30, "there is no profile", "profiles/wago-750.toml"),
    (
        45,
        "line = \"broker\"",
        "PK-0404",
        45,
        "cannot be on a mqtt line: it is polled over Modbus",
        "modbus-tcp or modbus-rtu",
    ),
    (58, "line = \"bus\"", "PK-0404", 58, "cannot be on a modbus-rtu line: a camera publishes", "kind mqtt"),
    (34, "patience_ms = 600", "PK-0407", 34, "waited for 600 ms, but polled every 500 ms", "at most 500"),
    (33, "poll_ms = 20000", "PK-0408", 35, "silent after 10000 ms, but is polled every 20000", "at least 21"),
    (31, "equipment = \"IO 1\"", "PK-0410", 31, "`IO 1`, which is no equipment id", "A-Z a-z 0-9"),
    (40, "equipment = \"unlisted:x\"", "PK-0410", 40, "no equipment id", "not starting with unlisted:"),
    (39, "point = \"di99\"", "PK-0411", 39, "device `gate-io` has no point `di99`", "did you mean `di9`?"),
    (39, "point = \"contact\"", "PK-0411", 39, "its profile is moxa-e1210", "one of: di0"),
    (62, "[[device.bind]]\npoint=\"A/B\"\nsignal=\"open\"", "PK-0411", 63, "no point `A/B`", "lower case"),
    (
        37,
        "[[device.bind]]\npoint = \"di0\"\nsignal = \"tamper\"\n",
        "PK-0412",
        42,
        "point `di0` of device `gate-io` is bound twice",
        "keep one row",
    ),
    (41, "signal = \"open\"\nhold_ms = 50", "PK-0415", 42, "`open` has no such time", "door_grace_ms"),
    (41, "signal = \"motion\"\nclear_ms = 50", "PK-0415", 42, "`motion` has no such time", "remove clear_ms"),
    (41, "signal = \"tamper\"\nhold_ms = 60001", "PK-0204", 42, "`hold_ms` of a binding", "0 to 60000"),
    (
        62,
        "[[device.bind]]\npoint = \"a_b\"\nsignal = \"tamper\"\nclear_ms = 50",
        "PK-0415",
        65,
        "`tamper` that is published counts at once",
        "remove clear_ms",
    ),
    (
        61,
        "equipment = \"CAM-1\"\nreadings = \"off\"",
        "PK-0416",
        62,
        "device `cam-1` would acknowledge `its events`",
        "readings = \"now\"",
    ),
    (41, "signal = \"seal\"", "PK-0413", 41, "point `di0` is no text and cannot tell a seal", "seal reader's profile"),
    (39, "point = \"uptime\"", "PK-0413", 41, "point `uptime` is a number and cannot tell `open`", "measured"),
];

const TWINS: &[Mistake] = &[
    (
        49,
        "[[device]]\nname=\"p2\"\nline=\"bus\"\nprofile=\"alarm-panel-contacts\"\nequipment=\"PANEL-1\"\nunit=3",
        "PK-0405",
        54,
        "unit 3 is there twice on line `bus`",
        "its own unit",
    ),
    (
        49,
        "[[device]]\nname=\"p2\"\nline=\"lan\"\nprofile=\"moxa-e1210\"\nequipment=\"IO-1\"",
        "PK-0405",
        49,
        "unit 1 is there twice on line `lan`",
        "its own unit",
    ),
    (
        55,
        "[[device]]\nname=\"s2\"\nline=\"reader\"\nprofile=\"line-seal-reader-stx\"\nequipment=\"SEAL-1\"",
        "PK-0406",
        57,
        "line `reader` has two devices",
        "a line of its own",
    ),
    (
        62,
        "[[device]]\nname=\"c2\"\nline=\"broker\"\nprofile=\"onvif-camera\"\nequipment=\"CAM-1\"\nprefix=\"cam-1\"",
        "PK-0409",
        67,
        "publish below `cam-1`",
        "its own topic",
    ),
];

const WARNINGS: &[Mistake] = &[
    (4, "[clock]\naccept_unsynchronised = true", "PK-0803", 5, "a clock that nothing synchronises", "NTP"),
    (4, "[console]\nlisten = \"0.0.0.0:8470\"", "PK-0801", 5, "whoever reaches it can read alarms", "firewall"),
    (13, "port = \"/dev/ttyUSB0\"", "PK-0306", 13, "another port when plugs are moved", "by-path"),
    (
        26,
        "[[line]]\nname = \"x\"\nkind = \"modbus-tcp\"\nhost = \"b\"",
        "PK-0305",
        26,
        "`x` has no device",
        "add a [[device]]",
    ),
    (47, "equipment = \"PANEL-2\"", "PK-0604", 47, "`PANEL-2` is not in the register", "did you mean `PANEL-1`?"),
    (61, "equipment = \"SEAL-1\"", "PK-0414", 61, "two devices are equipment `SEAL-1`", "its own id"),
];

fn told(findings: &[&Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn errors(report: &Report) -> Vec<&Finding> {
    report.findings.iter().take(report.findings.errors()).collect()
}

fn assert_told(mistake: &Mistake, findings: &[&Finding]) {
    let (_, text, code, line, cause, remedy) = *mistake;
    let found: Vec<_> = findings.iter().filter(|f| f.code().to_string() == code && f.line() == Some(line)).collect();
    assert!(found.len() == 1, "{text:?} should be {code} on line {line}:\n{}", told(findings));
    assert!(found[0].cause().contains(cause), "{text:?}: {}", found[0]);
    assert!(remedy.split('|').any(|words| found[0].remedy().contains(words)), "{text:?}: {}", found[0]);
}

#[test]
fn the_site_that_the_mistakes_are_made_in_has_none() {
    let folder = Folder::whole();
    let report = settings::check(folder.path());
    assert!(report.passes() && report.findings.warnings() == 0, "{report}");
}

#[test]
fn each_mistake_is_told_once_with_code_line_cause_and_remedy() {
    for mistake in SETTINGS {
        let folder = Folder::with_line(mistake.0, mistake.1);
        let report = settings::check(folder.path());
        let errors = errors(&report);
        assert_eq!(errors.len(), 1, "{:?}:\n{}", mistake.1, told(&errors));
        assert_told(mistake, &errors);
        assert!(settings::load(folder.path()).is_err_and(|faults| faults.count() == 1), "{:?}", mistake.1);
    }
}

#[test]
fn devices_that_cannot_stand_side_by_side_are_told() {
    for mistake in TWINS {
        let report = settings::check(Folder::with_line(mistake.0, mistake.1).path());
        assert_eq!(report.findings.errors(), 1, "{report}");
        assert_told(mistake, &errors(&report));
    }
}

#[test]
fn what_is_only_unwise_warns_and_loads() {
    for mistake in WARNINGS {
        let folder = Folder::with_line(mistake.0, mistake.1);
        let report = settings::check(folder.path());
        assert!(report.passes(), "{report}");
        assert_told(mistake, &report.findings.iter().collect::<Vec<_>>());
        assert!(settings::load(folder.path()).is_ok());
    }
}

#[test]
fn ten_mistakes_in_one_file_are_ten_findings() {
    let ten = [
        (2, "name = \"Harbour\"", "PK-0207"),
        (4, "[consol]", "PK-0201"),
        (8, "host = \"10.0.0.5/24\"", "PK-0208"),
        (14, "baud = 9601", "PK-0204"),
        (26, "colour = 1", "PK-0201"),
        (30, "profile = \"moxa-1210\"", "PK-0403"),
        (34, "patience_ms = 501", "PK-0407"),
        (41, "signal = \"opn\"", "PK-0205"),
        (45, "line = \"buss\"", "PK-0402"),
        (61, "equipment = \"CAM 1\"", "PK-0410"),
    ];
    let mut text = AGENT.to_owned();
    for (number, line, _) in ten {
        text = replaced(&text, number, line);
    }
    let folder = Folder::whole();
    folder.write("agent.toml", text);
    let report = settings::check(folder.path());
    let found: Vec<_> = errors(&report).iter().map(|f| (f.line().unwrap_or(0), f.code().to_string())).collect();
    let wanted: Vec<_> = ten.iter().map(|(line, _, code)| (*line, (*code).to_owned())).collect();
    assert_eq!(found, wanted, "{report}");
}

#[test]
fn a_syntax_fault_in_one_file_hides_nothing_of_the_others() {
    let folder = Folder::with_line(1, "[site");
    folder.write("register.csv", "id,kind\nA,dor\n");
    folder.write("manifest.csv", "unit,seal\n,S1\n");
    folder.write("profiles/broken.toml", "name = \n");
    let report = settings::check(folder.path());
    let codes: Vec<String> = errors(&report).iter().map(|f| f.code().to_string()).collect();
    assert_eq!(codes, ["PK-0105", "PK-0701", "PK-0105", "PK-0601"], "{report}");
}
