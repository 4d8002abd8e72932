//! A small site in a folder of its own, in which one line at a time is made wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Settings without a fault. Tests name its lines by number: change nothing above the end.
pub(crate) const AGENT: &str = r#"[site]
name = "harbour"
gateway = "gw-1"

[[line]]
name = "lan"
kind = "modbus-tcp"
host = "10.0.0.5"

[[line]]
name = "bus"
kind = "modbus-rtu"
port = "/dev/serial/by-path/p1"
baud = 9600

[[line]]
name = "reader"
kind = "seal-reader"
port = "/dev/serial/by-path/p2"
baud = 9600

[[line]]
name = "broker"
kind = "mqtt"
broker = "mqtt://127.0.0.1:1883"

[[device]]
name = "gate-io"
line = "lan"
profile = "moxa-e1210"
equipment = "IO-1"
unit = 1
poll_ms = 500
patience_ms = 300
silence_s = 10
readings = "off"

[[device.bind]]
point = "di0"
equipment = "DOOR-1"
signal = "open"

[[device]]
name = "panel"
line = "bus"
profile = "alarm-panel-contacts"
equipment = "PANEL-1"
unit = 3

[[device]]
name = "seal-1"
line = "reader"
profile = "line-seal-reader-crlf"
equipment = "SEAL-1"

[[device]]
name = "cam-1"
line = "broker"
profile = "onvif-camera"
prefix = "cam-1"
equipment = "CAM-1"
"#;

/// A register that lists all of [`AGENT`].
pub(crate) const REGISTER: &str = "id,kind,calibration_last\n\
    IO-1,module,\nDOOR-1,door,2026-01-31\nPANEL-1,alarm-panel,\nSEAL-1,seal-reader,\nCAM-1,camera,\n";

/// A folder that vanishes with the test.
pub(crate) struct Folder {
    dir: TempDir,
}

impl Folder {
    /// With [`AGENT`] and [`REGISTER`].
    pub(crate) fn whole() -> Self {
        let folder = Self { dir: tempfile::tempdir().expect("a folder") };
        folder.write("agent.toml", AGENT);
        folder.write("register.csv", REGISTER);
        folder
    }

    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    /// As [`Self::whole`], with line `number` of `agent.toml` replaced.
    pub(crate) fn with_line(number: usize, text: &str) -> Self {
        let folder = Self::whole();
        folder.write("agent.toml", replaced(AGENT, number, text));
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file with mode 0600.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("folders");
        fs::write(&path, bytes).expect("a file");
        self.mode(name, 0o600);
        path
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("a file");
    }

    /// Text without the name of the folder, which differs from run to run.
    pub(crate) fn anonymous(&self, text: &str) -> String {
        text.replace(&self.path().display().to_string(), "DIR")
    }
}

/// A text with one line replaced; lines count from 1, and the one after the last may be written too.
pub(crate) fn replaced(text: &str, number: usize, by: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if number > lines.len() {
        lines.push(by);
    } else {
        lines[number - 1] = by;
    }
    lines.join("\n") + "\n"
}
