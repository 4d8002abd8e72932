//! A folder that is there whole or not at all: written under another name, hashed, synced, then renamed into place.
//!
//! **Life.** [`Fresh::make`] refuses a place that is taken or too small, and takes away what a killed run left under the
//! unfinished name; files are written; [`Fresh::finish`] syncs and renames. Dropped before, nothing stays.

use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Room beyond what is to be written: the folder itself, and that the disk is not full to the last block.
const SPARE_BYTES: u64 = 4 << 20;
/// Bytes handed to the file system at a time.
const WRITE_BYTES: usize = 1 << 16;

/// Why the folder is not there.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// Something bears the name.
    #[error("{} is there already; nothing is written over: name a new folder", .0.display())]
    Taken(PathBuf),
    /// Another run writes it.
    #[error("{} is being written by another picket", .0.display())]
    Busy(PathBuf),
    /// Not enough free space.
    #[error("{}: about {need_mib} MiB are needed and {free_mib} MiB are free; nothing was written", place.display())]
    NoRoom {
        /// Where.
        place: PathBuf,
        /// What it takes.
        need_mib: u64,
        /// What there is.
        free_mib: u64,
    },
    /// The file system.
    #[error("{}: cannot {doing}: {source}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Size and SHA-256 of each file, by its name in the folder.
pub type Digests = BTreeMap<String, (u64, [u8; 32])>;

/// A folder that is being written.
#[derive(Debug)]
pub struct Fresh {
    place: PathBuf,
    unfinished: PathBuf,
    files: Digests,
    /// Keeps a second run out while it is open.
    _lock: File,
    done: bool,
}

impl Fresh {
    /// Begins a folder at a place where nothing is yet, with room for so many bytes.
    pub fn make(place: &Path, bytes: u64) -> Result<Self, FolderFault> {
        if fs::symlink_metadata(place).is_ok() {
            return Err(FolderFault::Taken(place.to_owned()));
        }
        let parent = parent(place);
        private().recursive(true).create(parent).map_err(fault(parent, "make the folder"))?;
        enough(parent, bytes)?;
        let mut name = OsString::from(place.as_os_str());
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        match private().create(&unfinished) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(fault(&unfinished, "make the folder"))?,
        }
        let lock = File::open(&unfinished).map_err(fault(&unfinished, "open the folder"))?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(FolderFault::Busy(unfinished));
        }
        let fresh = Self { place: place.to_owned(), unfinished, files: Digests::new(), _lock: lock, done: false };
        // What a killed run left.
        for entry in fs::read_dir(&fresh.unfinished).map_err(fault(&fresh.unfinished, "read the folder"))? {
            let path = entry.map_err(fault(&fresh.unfinished, "read the folder"))?.path();
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.map_err(fault(&path, "remove what a killed run left"))?;
        }
        Ok(fresh)
    }

    /// Begins a file, its folders included.
    pub fn file(&mut self, name: &str) -> Result<Writing<'_>, FolderFault> {
        let path = self.unfinished.join(name);
        let folder = parent(&path);
        private().recursive(true).create(folder).map_err(fault(folder, "make the folder"))?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let out = BufWriter::with_capacity(WRITE_BYTES, made.map_err(fault(&path, "make the file"))?);
        Ok(Writing { files: &mut self.files, name: name.to_owned(), path, out, hash: Sha256::new(), bytes: 0 })
    }

    /// Writes a file whole.
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), FolderFault> {
        let mut file = self.file(name)?;
        file.write(bytes)?;
        file.finish()
    }

    /// Takes a file away again.
    pub fn remove(&mut self, name: &str) -> Result<(), FolderFault> {
        self.files.remove(name);
        let path = self.unfinished.join(name);
        fs::remove_file(&path).map_err(fault(&path, "remove the file"))
    }

    /// What was written so far.
    pub fn files(&self) -> &Digests {
        &self.files
    }

    /// Makes it last, and gives it its name.
    pub fn finish(mut self) -> Result<Digests, FolderFault> {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::from([self.unfinished.clone()]);
        for name in self.files.keys() {
            let path = self.unfinished.join(name);
            folders.extend(path.ancestors().skip(1).take_while(|f| *f != self.unfinished).map(Path::to_owned));
        }
        for folder in folders.iter().rev() {
            sync(folder)?;
        }
        if fs::symlink_metadata(&self.place).is_ok() {
            return Err(FolderFault::Taken(self.place.clone()));
        }
        fs::rename(&self.unfinished, &self.place).map_err(fault(&self.place, "give the folder its name"))?;
        self.done = true;
        sync(parent(&self.place))?;
        Ok(std::mem::take(&mut self.files))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_dir_all(&self.unfinished);
        }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writing<'a> {
    files: &'a mut Digests,
    name: String,
    path: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Writing<'_> {
    /// The next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FolderFault> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(fault(&self.path, "write"))
    }

    /// Makes it last.
    pub fn finish(mut self) -> Result<(), FolderFault> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        synced.map_err(fault(&self.path, "write"))?;
        self.files.insert(self.name, (self.bytes, self.hash.finalize().into()));
        Ok(())
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn enough(place: &Path, bytes: u64) -> Result<(), FolderFault> {
    // Where the file system does not say, the writing will.
    let Ok(found) = rustix::fs::statvfs(place) else { return Ok(()) };
    let (need, free) = (bytes.saturating_add(SPARE_BYTES), found.f_bavail.saturating_mul(found.f_frsize));
    if need > free {
        let (need_mib, free_mib) = (need.div_ceil(1 << 20), free >> 20);
        return Err(FolderFault::NoRoom { place: place.to_owned(), need_mib, free_mib });
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<(), FolderFault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault(folder, "sync the folder"))
}

pub(super) fn fault(file: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> FolderFault {
    let file = file.to_owned();
    move |source| FolderFault::File { file, doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_there_whole_with_its_files_its_owners_alone_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deep/out");
        let mut fresh = Fresh::make(&place, 10).unwrap();
        fresh.put("a/b", b"text").unwrap();
        assert!(!place.exists());
        let busy = Fresh::make(&place, 10).unwrap_err();
        assert!(matches!(busy, FolderFault::Busy(_)), "{busy}");
        let files = fresh.finish().unwrap();
        assert_eq!(files["a/b"], (4, Sha256::digest(b"text").into()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&place), mode(&place.join("a")), mode(&place.join("a/b"))], [0o700, 0o700, 0o600]);
        assert!(matches!(Fresh::make(&place, 10), Err(FolderFault::Taken(_))));
        drop(Fresh::make(&folder.path().join("other"), 10).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was not finished is gone");
    }

    #[test]
    fn what_a_killed_run_left_goes_with_the_next_one_and_a_disk_that_is_too_small_is_told_before() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("out");
        fs::create_dir_all(folder.path().join("out.unfinished/evidence")).unwrap();
        fs::write(folder.path().join("out.unfinished/records.jws"), "half").unwrap();
        let fresh = Fresh::make(&place, 10).unwrap();
        assert_eq!(fresh.finish().unwrap().len(), 0);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
        let small = Fresh::make(&folder.path().join("large"), 1 << 60).unwrap_err().to_string();
        assert!(small.contains("MiB are needed") && small.contains("nothing was written"), "{small}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
