use super::*;
use crate::link::Lane;
use crate::work::{ORDERS, RECEIPTS};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Settings in a folder of their own, beside a password file with this mode.
fn read(text: &str, mode: u32) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("central.toml"), folder.path().join("password"));
    fs::write(&password, "geheim\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(&file, text).unwrap();
    Settings::read(&file).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn the_shipped_example_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/central.toml");
    let found = Settings::read(&path).unwrap();
    let Settings { dir, client, broker } = found;
    assert_eq!((dir, client), ("/var/lib/picket-central".into(), None));
    assert_eq!((broker.host.as_str(), broker.port, broker.login), ("127.0.0.1", MQTT_PORT, None));
    assert!(broker.tls.is_none());
    // Every key that is shown as a comment is one that is known.
    let all = fs::read_to_string(path).unwrap().replace("# client", "client").replace("# user", "user");
    let all = all.replace("# password_file = \"broker.password\"", "password_file = \"password\"");
    let login = read(&all, 0o600).unwrap().broker.login.unwrap();
    assert_eq!((login.user.as_str(), login.password.as_str()), ("picket-central", "geheim"));
    assert!(!format!("{login:?}").contains("geheim"));
}

#[test]
fn every_fault_is_told_at_once_with_its_line_and_what_to_do() {
    let told =
        read("dirr = \"/x\"\n\n[broker]\nhost = \"mqtt://h\"\nport = \"1883\"\nuser = \"u\"\n", 0o600).unwrap_err();
    let faults: Vec<&str> = told.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        faults,
        [
            "central.toml:1: unknown key \"dirr\" in the file; known here: dir, client, broker",
            "central.toml:1: the file has no dir; add dir = \"/var/lib/picket-central\", the one that picket-central init \
             made",
            "central.toml:4: host is \"mqtt://h\"; write the name or address alone; port is a key of its own",
            "central.toml:5: port of [broker] is not 1 to 65535; write port = 1883, without quotes",
            "central.toml:6: a login is user and password_file, and one is missing; give both, or neither",
        ]
    );
    assert!(read("dir = \"x\"\nbroker = 1\n", 0o600).unwrap_err().contains("central.toml:2: broker is no table"));
    assert!(read("dir = \"x\n", 0o600).unwrap_err().contains("central.toml:1: not TOML"));
}

#[test]
fn a_password_that_others_may_read_is_refused() {
    let text = "dir = \"x\"\n[broker]\nhost = \"h\"\nuser = \"u\"\npassword_file = \"password\"\n";
    assert!(read(text, 0o600).is_ok());
    let told = read(text, 0o640).unwrap_err();
    assert!(told.contains("central.toml:5: password has mode 0640") && told.contains("chmod 600"), "{told}");
    let none = read(&text.replace("\"password\"", "\"nothing\""), 0o600).unwrap_err();
    assert!(none.contains("as root: install -o "), "{none}");
    let written = read(&text.replace("password_file = \"password\"", "password = \"x\""), 0o600).unwrap_err();
    assert!(written.contains("name that in password_file"), "{written}");
}

#[test]
fn the_remedy_for_a_missing_password_is_a_command_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("central.toml");
    fs::write(&file, "dir = \"x\"\n[broker]\nhost = \"h\"\nuser = \"u\"\npassword_file = \"password\"\n").unwrap();
    let told = Settings::read(&file).unwrap_err().to_string();
    let (_, command) = told.split_once("as root: ").unwrap();
    let ended = Command::new("sh").arg("-c").arg(format!("printf 'geheim\\n' | {{ {command}; }}")).status().unwrap();
    assert!(ended.success(), "{command}");
    let login = Settings::read(&file).unwrap().broker.login.unwrap();
    assert_eq!((login.user.as_str(), login.password.as_str()), ("u", "geheim"));
}

#[test]
fn the_shipped_example_names_every_topic_that_an_access_list_must_grant() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/central.toml")).unwrap();
    let text = text.replace("\n# ", " ");
    let (_, list) = text.split_once("access list must let this program read ").unwrap();
    let (reads, list) = list.split_once(", and write ").unwrap();
    let (writes, _) = list.split_once(". ").unwrap();
    let read: Vec<_> = [Lane::Urgent, Lane::Record].iter().flat_map(|lane| lane.filters()).copied().collect();
    assert_eq!(reads.replace(" and ", ", ").split(", ").collect::<Vec<_>>(), read);
    assert_eq!(writes, [RECEIPTS, ORDERS].map(|end| format!("sms/v1/+/{end}")).join(" and "));
}
