//! Files with secrets: only their owner may read them. Their text is never shown.

use super::Findings;
use super::codes::Code;
use super::source::{Place, read_bytes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Largest password file; MQTT allows 65,535 bytes, nobody types them.
const MAX_PASSWORD_BYTES: u64 = 1_024;

/// Reads a password: one line. `named` is where the settings name the file.
pub(super) fn password(path: &Path, named: Place, findings: &mut Findings) -> Option<String> {
    let closed = check_mode(path, Some(named.clone()), findings);
    let shown = path.display();
    let bytes = match read_bytes(path, MAX_PASSWORD_BYTES) {
        Ok(bytes) => bytes,
        Err(fault) => {
            let remedy = format!("write the password into it: install -m 600 /dev/stdin {shown}");
            fault.tell(path, named, &remedy, findings);
            return None;
        }
    };
    let text = String::from_utf8(bytes).ok();
    let line = text.as_deref().map(|text| text.strip_suffix('\n').unwrap_or(text).trim_end_matches('\r'));
    let password = line.filter(|line| !line.is_empty() && !line.chars().any(char::is_control));
    if password.is_none() {
        let cause = format!("{shown} does not hold one line of text");
        let remedy = format!("write the password alone into it: install -m 600 /dev/stdin {shown}");
        findings.add(Code::SecretEmpty, named, cause, remedy);
    }
    password.filter(|_| closed).map(str::to_owned)
}

/// Whether nobody but the owner may touch a file; one that is not there passes. `named` is where the settings name it.
pub(super) fn check_mode(path: &Path, named: Option<Place>, findings: &mut Findings) -> bool {
    let Ok(about) = std::fs::metadata(path) else { return true };
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return true;
    }
    let shown = path.display();
    let cause = format!("{shown} has mode {mode:04o}: other users may read the secret in it");
    let place = named.unwrap_or_else(|| Place::file(path));
    findings.add(Code::SecretOpen, place, cause, format!("run chmod 600 {shown}, then change the secret"));
    false
}
