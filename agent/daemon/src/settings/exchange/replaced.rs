//! A register in the place of another: whole or not at all, and the one before is kept.

use super::{Taken, Unwritable, written};
use crate::settings::source::{MAX_REGISTER_BYTES, Source};
use crate::settings::{Faults, Findings, file_digest, register_file};
use rustix::fs::{Gid, Uid};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Most registers of before that are kept beside the one in force; each is small, and somebody should look at them one day.
const MAX_BEFORE: usize = 99;

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
    /// What a register in force says beside its equipment would be lost.
    #[error(
        "{}: it does not read as TOML, so its points and scenarios would be lost; mend it (picket check tells its faults), or import a register as TOML",
        .0.display()
    )]
    Beside(PathBuf),
    /// Nobody knows which of them is in force.
    #[error("both register.toml and register.csv are in {}; keep the one that is maintained", .0.display())]
    TwoRegisters(PathBuf),
    /// The text has more than a table of a spreadsheet can hold.
    #[error(
        "{}: a table holds no points and no scenarios, and this register has some; move it to another folder and import again: register.toml is written then",
        .0.display()
    )]
    OnlyTables(PathBuf),
    /// Every name for the one before is taken.
    #[error("{}: {MAX_BEFORE} registers of before are kept already; move them to another folder", .0.display())]
    Kept(PathBuf),
}

/// Puts a register in the place of that of a folder, in the format that it has: TOML stays TOML, and becomes the text of
/// `taken` word for word where that is one. What the register there says beside its equipment stays under a table, whether or
/// not the agent would read it. Where there is none, a table becomes `register.csv`.
pub fn replace(dir: &Path, taken: &Taken) -> Result<Replaced, ReplaceFault> {
    let text = taken.text.as_deref();
    let mut found =
        ["register.toml", "register.csv"].map(|name| dir.join(name)).into_iter().filter(|path| path.exists());
    let (there, other) = (found.next(), found.next());
    if other.is_some() {
        return Err(ReplaceFault::TwoRegisters(dir.to_owned()));
    }
    let new = || dir.join(if text.is_some() { "register.toml" } else { "register.csv" });
    let path = there.clone().unwrap_or_else(new);
    let old = there.as_deref().map(|there| fs::read(there).map_err(io_at(there))).transpose()?;
    let whole = whole(&path, taken, old.as_deref())?;
    read_back(&path, &whole)?;
    let owner = fs::metadata(there.as_deref().unwrap_or(dir)).map_err(io_at(dir))?;
    let mode = if there.is_some() { owner.mode() & 0o777 } else { 0o640 };
    let before = match old {
        None => None,
        Some(old) => {
            let before = unused(&path)?;
            write_whole(&before, &old, mode, &owner)?;
            Some(before)
        }
    };
    write_whole(&path, whole.as_bytes(), mode, &owner)?;
    Ok(Replaced { path, before, digest: file_digest(&whole) })
}

/// The new text, with what stays of the old one.
fn whole(path: &Path, taken: &Taken, old: Option<&[u8]>) -> Result<String, ReplaceFault> {
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    match (is_toml, taken.text.as_deref()) {
        (true, Some(text)) => Ok(text.to_owned()),
        (true, None) => {
            let beside = beside(old.unwrap_or_default()).ok_or_else(|| ReplaceFault::Beside(path.to_owned()))?;
            Ok(written::toml(&taken.rows) + &beside)
        }
        (false, Some(text)) if beside(text.as_bytes()).is_none_or(|beside| !beside.is_empty()) => {
            Err(ReplaceFault::OnlyTables(path.to_owned()))
        }
        (false, _) => written::csv(&taken.rows).map_err(ReplaceFault::Unwritable),
    }
}

/// What a register as TOML says beside its equipment; `None` where that cannot be told.
fn beside(old: &[u8]) -> Option<String> {
    let is_small = u64::try_from(old.len()).is_ok_and(|length| length <= MAX_REGISTER_BYTES);
    let text = std::str::from_utf8(old).ok().filter(|text| is_small && register_file::crowd(text).is_none())?;
    written::beside(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A name for the one before: none that is kept is written over.
fn unused(path: &Path) -> Result<PathBuf, ReplaceFault> {
    let names =
        (1..=MAX_BEFORE).map(|n| if n == 1 { named(path, "before") } else { named(path, &format!("before-{n}")) });
    let mut free = names.filter(|name| fs::symlink_metadata(name).is_err());
    free.next().ok_or_else(|| ReplaceFault::Kept(path.to_owned()))
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
        let replaced = replace(dir.path(), &taken("Gate")).expect("replaced");
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
        let replaced = replace(dir.path(), &taken("Gate")).expect("made");
        assert_eq!((replaced.path, replaced.before), (dir.path().join("register.csv"), None));
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.csv");
        fs::write(&file, "id,kind\n").expect("written");
        assert!(matches!(replace(dir.path(), &taken("=1")), Err(ReplaceFault::Unwritable(_))));
        // A folder where the new file would be written.
        fs::create_dir(dir.path().join("register.csv.new")).expect("made");
        assert!(matches!(replace(dir.path(), &taken("Gate")), Err(ReplaceFault::Io { .. })));
        assert_eq!(fs::read_to_string(&file).expect("there"), "id,kind\n");
    }

    #[test]
    fn what_the_agent_would_not_read_is_not_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.toml");
        let text = "[[gauge]]\nid = \"A\"\n";
        fs::write(&file, text).expect("written");
        assert!(matches!(replace(dir.path(), &taken("Gate")), Err(ReplaceFault::Unread(_))));
        assert_eq!(fs::read_to_string(&file).expect("there"), text);
    }

    #[test]
    fn points_stay_where_the_agent_would_not_read_the_register() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.toml");
        let point = "[[point]]\nname = \"P\"\nequipment = \"A\"\n";
        // The kind is none, so the agent refuses it; what it says is told all the same.
        fs::write(&file, format!("[[equipment]]\nid = \"A\"\nkind = \"dor\"\n{point}")).expect("written");
        let whole = whole(&file, &taken("Gate"), fs::read(&file).ok().as_deref()).expect("told");
        assert!(whole.contains("[[point]]") && whole.contains("name = \"P\""), "{whole}");
    }

    #[test]
    fn what_says_nothing_certain_beside_its_equipment_is_not_replaced_by_a_table() {
        for old in ["[[point]]\nname = \n", "[point]\nname = \"P\"\n", "point = [1]\n"] {
            let dir = tempfile::tempdir().expect("a folder");
            let file = dir.path().join("register.toml");
            fs::write(&file, old).expect("written");
            assert!(matches!(replace(dir.path(), &taken("Gate")), Err(ReplaceFault::Beside(_))), "{old}");
            assert_eq!(fs::read_to_string(&file).expect("there"), old);
            let text = "[[equipment]]\nid = \"A\"\nkind = \"door\"\n".to_owned();
            let toml = Taken { text: Some(text), ..taken("Gate") };
            assert!(replace(dir.path(), &toml).is_ok(), "TOML replaces all of it");
        }
    }

    #[test]
    fn points_and_scenarios_are_never_put_into_a_table() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("register.csv");
        fs::write(&file, "id,kind\n").expect("written");
        let with = |text: &str| Taken { text: Some(text.to_owned()), ..taken("Gate") };
        for list in ["point", "scenario"] {
            let toml = with(&format!("[[equipment]]\nid = \"A\"\nkind = \"door\"\n[[{list}]]\nname = \"P\"\n"));
            assert!(matches!(replace(dir.path(), &toml), Err(ReplaceFault::OnlyTables(_))), "{list}");
            assert_eq!(fs::read_to_string(&file).expect("there"), "id,kind\n");
        }
        let bare = with("[[equipment]]\nid = \"A\"\nkind = \"door\"\n");
        assert_eq!(replace(dir.path(), &bare).expect("nothing is lost").path, file);
    }

    #[test]
    fn of_two_registers_none_is_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["register.toml", "register.csv"] {
            fs::write(dir.path().join(name), "").expect("written");
        }
        assert!(matches!(replace(dir.path(), &taken("Gate")), Err(ReplaceFault::TwoRegisters(_))));
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 2, "something was written");
    }

    #[test]
    fn no_register_of_before_is_written_over() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("register.csv"), "id,kind\n").expect("written");
        for n in 1..=MAX_BEFORE {
            let before = replace(dir.path(), &taken(&format!("Gate {n}"))).expect("replaced").before.expect("kept");
            let wanted = if n == 1 { "register.csv.before".to_owned() } else { format!("register.csv.before-{n}") };
            assert_eq!(before, dir.path().join(wanted));
        }
        assert_eq!(fs::read_to_string(dir.path().join("register.csv.before")).expect("kept"), "id,kind\n");
        assert!(matches!(replace(dir.path(), &taken("Gate")), Err(ReplaceFault::Kept(_))));
    }
}
