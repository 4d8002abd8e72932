//! A register in the place of another: whole or not at all, and the one before is kept.

use super::{InForce, Taken, Unwritable, written};
use crate::settings::source::Source;
use crate::settings::{Faults, Findings, file_digest, register_file};
use rustix::fs::{Gid, Uid};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What was done.
#[derive(Debug)]
pub struct Replaced {
    /// The register.
    pub path: PathBuf,
    /// The one before, where there was one.
    pub before: Option<PathBuf>,
    /// SHA-256 of its text, by which records name it.
    pub digest: [u8; 32],
}

/// Why a register was not replaced. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceFault {
    /// A file cannot be written.
    #[error("{}: cannot write it: {source}; as whom does this run, and may that user write there?", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Texts that no table may have.
    #[error("{}", .0.iter().map(Unwritable::to_string).collect::<Vec<_>>().join("; "))]
    Unwritable(Vec<Unwritable>),
    /// The new text would be refused by the agent.
    #[error("the agent would not read it, with what stays beside the equipment:\n{0}")]
    Unread(Faults),
}

/// Puts a register in the place of that of a folder, in the format that it has: TOML stays TOML, and becomes the text of
/// `taken` word for word where that is one. What the register in force says beside its equipment stays. Where there is none,
/// a table becomes `register.csv`.
pub fn replace(dir: &Path, taken: &Taken, in_force: Option<&InForce>) -> Result<Replaced, ReplaceFault> {
    let (rows, text) = (&taken.rows, taken.text.as_deref());
    let there = ["register.toml", "register.csv"].map(|name| dir.join(name)).into_iter().find(|path| path.exists());
    let new = || dir.join(if text.is_some() { "register.toml" } else { "register.csv" });
    let path = there.clone().unwrap_or_else(new);
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    let whole = match (is_toml, text) {
        (true, Some(text)) => text.to_owned(),
        (true, None) => written::toml(rows) + &in_force.map_or(String::new(), |old| written::beside(&old.text)),
        (false, _) => written::csv(rows).map_err(ReplaceFault::Unwritable)?,
    };
    read_back(&path, &whole)?;
    let owner = fs::metadata(there.as_deref().unwrap_or(dir)).map_err(io_at(dir))?;
    let mode = if there.is_some() { owner.mode() & 0o777 } else { 0o640 };
    let before = match there {
        None => None,
        Some(_) => {
            let old = fs::read(&path).map_err(io_at(&path))?;
            let before = named(&path, "before");
            write_whole(&before, &old, mode, &owner)?;
            Some(before)
        }
    };
    write_whole(&path, whole.as_bytes(), mode, &owner)?;
    Ok(Replaced { path, before, digest: file_digest(&whole) })
}

/// As the agent will read it: what stays beside the equipment may be of a piece that is gone.
fn read_back(path: &Path, whole: &str) -> Result<(), ReplaceFault> {
    let mut findings = Findings::default();
    match register_file::read(&Source::new(path, whole.to_owned()), 0, &mut findings) {
        Some(_) => Ok(()),
        None => Err(ReplaceFault::Unread(Faults { findings })),
    }
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ReplaceFault + use<> {
    let path = path.to_owned();
    move |source| ReplaceFault::Io { path, source }
}

/// Beside it first, then by one rename: a power cut leaves the old file or the new one. Mode and owner are those of the file
/// before, because the agent reads what root writes.
fn write_whole(path: &Path, bytes: &[u8], mode: u32, owner: &fs::Metadata) -> Result<(), ReplaceFault> {
    let new = named(path, "new");
    let written = written_beside(&new, bytes, mode, owner).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.map_err(io_at(path))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_at(dir))
}

fn written_beside(new: &Path, bytes: &[u8], mode: u32, owner: &fs::Metadata) -> io::Result<()> {
    // What an attempt that was cut short has left.
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(bytes)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (owner.uid(), owner.gid()) {
        rustix::fs::fchown(&file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(place: &str) -> Taken {
        let fields = [("id", "A"), ("kind", "door"), ("place", place)];
        let rows = vec![fields.into_iter().map(|(field, text)| (field.to_owned(), text.to_owned())).collect()];
        Taken { rows, text: None, notes: Vec::new(), warnings: Findings::default() }
    }

    #[test]
    fn the_file_keeps_its_name_mode_and_format_and_the_old_one_is_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.toml");
        fs::write(&file, "# mine\n").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
        let replaced = replace(dir.path(), &taken("Gate"), None).expect("replaced");
        let before = dir.path().join("register.toml.before");
        assert_eq!((replaced.path, replaced.before.as_ref()), (file.clone(), Some(&before)));
        assert_eq!(fs::read_to_string(before).expect("kept"), "# mine\n");
        assert!(fs::read_to_string(&file).expect("there").contains("place = \"Gate\""));
        assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o640);
        let names = fs::read_dir(dir.path()).expect("a folder").count();
        assert_eq!(names, 2, "something was left beside it");
    }

    #[test]
    fn a_folder_without_a_register_gets_a_table() {
        let dir = tempfile::tempdir().expect("a folder");
        let replaced = replace(dir.path(), &taken("Gate"), None).expect("made");
        assert_eq!((replaced.path, replaced.before), (dir.path().join("register.csv"), None));
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.csv");
        fs::write(&file, "id,kind\n").expect("written");
        assert!(matches!(replace(dir.path(), &taken("=1"), None), Err(ReplaceFault::Unwritable(_))));
        // A folder where the new file would be written.
        fs::create_dir(dir.path().join("register.csv.new")).expect("made");
        assert!(matches!(replace(dir.path(), &taken("Gate"), None), Err(ReplaceFault::Io { .. })));
        assert_eq!(fs::read_to_string(&file).expect("there"), "id,kind\n");
    }

    #[test]
    fn what_the_agent_would_not_read_is_not_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.toml");
        fs::write(&file, "").expect("written");
        let text = "[[gauge]]\nid = \"A\"\n".to_owned();
        let in_force = InForce { path: file.clone(), text, rows: Vec::new() };
        assert!(matches!(replace(dir.path(), &taken("Gate"), Some(&in_force)), Err(ReplaceFault::Unread(_))));
        assert_eq!(fs::read_to_string(&file).expect("there"), "");
    }
}
