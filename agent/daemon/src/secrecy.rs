//! What keeps keys and records to the agent: no core dump, no other process of this user that reads its memory, files for
//! their owner alone, and a word where memory may go to swap.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use picket_session::memory::close as close_memory;

/// Makes a file that holds a secret, whole and durable or not at all; false where there is one, which is never touched.
pub fn make(file: &Path, text: &str) -> std::io::Result<bool> {
    fs::create_dir_all(folder(file))?;
    if fs::symlink_metadata(file).is_ok() {
        return Ok(false);
    }
    let fresh = beside(file, ".new");
    // What a power cut left of one was never used.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    // A link never takes the place of another file.
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        linked => linked?,
    }
    settle(file)?;
    Ok(true)
}

/// Writes a file for its owner alone, whole and durable, or leaves the one before.
pub fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = unfinished(file);
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&fresh, file)?;
    settle(file)
}

/// What [`replace`] writes before it takes the place of a file: a power cut may leave it.
pub fn unfinished(file: &Path) -> PathBuf {
    beside(file, ".new")
}

/// What was made, renamed or removed in the folder of a file is so after a power cut too.
pub fn settle(file: &Path) -> std::io::Result<()> {
    fs::File::open(folder(file))?.sync_all()
}

/// The file whose name is that of another one with something behind it.
pub(crate) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why memory of this process may reach a disk, if it may.
pub fn swap() -> Option<String> {
    picket_session::memory::swap("systemd/picket.service", |path| fs::read_to_string(path))
}

/// Takes the rights of others from a file that an earlier version, or a hand, left open to them. One that is not there
/// is made under the umask of the agent.
pub fn tighten(file: &Path) -> Result<(), String> {
    let told = |error| format!("{}: cannot be closed to others: {error}; run: chmod 600 {0}", file.display());
    let mode = match fs::metadata(file) {
        Ok(found) => found.permissions().mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(told(error)),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(file, fs::Permissions::from_mode(mode & 0o700)).map_err(told)?;
    tracing::warn!(file = %file.display(), mode = format!("{mode:04o}"), "others could use this file; they no longer can");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_closed_to_them_and_keeps_the_rights_of_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        tighten(&file).unwrap();
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        tighten(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_is_made_once_whole_and_for_its_owner_alone_and_what_a_power_cut_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/identity.key");
        fs::create_dir(folder.path().join("keys")).unwrap();
        fs::write(folder.path().join("keys/identity.key.new"), "").unwrap();
        assert!(make(&file, "secret\n").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "secret\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!make(&file, "another\n").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "secret\n");
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 1, "nothing is left beside it");
    }
}
