//! The two slots on the disk: `a` and `b`, each with `key.pem` and a certificate, and the pointer `in-force` that names
//! one of them. Folders are 0700, files 0600; every change is one rename or one removal, made durable.

use super::machine::{Content, Disk, Op, Slot, Step};
use crate::secrecy::{replace, settle, unfinished};
use picket_session::tls::Own;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

const POINTER: &str = "in-force";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
/// A certificate that nobody has connected with.
const CANDIDATE: &str = "candidate.pem";
/// Largest text: four certificates of 2 KiB in PEM.
const TEXT_MAX: u64 = 16 * 1024;

/// The folder.
#[derive(Debug, Clone)]
pub struct Slots {
    dir: PathBuf,
}

/// What did not work, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {doing}: {source}", path.display())]
pub struct SlotFault {
    path: PathBuf,
    doing: &'static str,
    source: io::Error,
}

impl Slots {
    /// Makes what is missing of the folder, and nothing else: the running agent may be writing in it.
    pub fn open(dir: &Path) -> Result<Self, SlotFault> {
        for folder in [dir.to_owned(), dir.join(Slot::A.as_str()), dir.join(Slot::B.as_str())] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|source| SlotFault {
                path: folder,
                doing: "cannot make the folder for certificates",
                source,
            })?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Removes what a power cut left of a file on its way: it may be a key that nothing names. For the agent at its start,
    /// who alone writes from there on.
    pub fn clear_unfinished(&self) -> Result<(), SlotFault> {
        let files = [KEY, CANDIDATE, CERTIFICATE];
        let files = [Slot::A, Slot::B].into_iter().flat_map(|slot| files.map(|name| self.path(slot, name)));
        files.chain([self.dir.join(POINTER)]).try_for_each(|file| remove(unfinished(&file)))
    }

    /// What lies there. What cannot be read just now is a fault, and never taken for damage: damage is cleared away.
    pub fn look(&self) -> Result<Disk, SlotFault> {
        let pointer = text(&self.dir.join(POINTER))?.and_then(|text| match text.trim_ascii() {
            b"a" => Some(Slot::A),
            b"b" => Some(Slot::B),
            _ => None,
        });
        Ok(Disk { pointer, slots: [self.content(Slot::A)?, self.content(Slot::B)?] })
    }

    fn content(&self, slot: Slot) -> Result<Content, SlotFault> {
        let read = |name| text(&self.path(slot, name));
        Ok(match (read(KEY)?, read(CANDIDATE)?, read(CERTIFICATE)?) {
            (None, None, None) => Content::Empty,
            (Some(key), None, None) if super::wish::is_key(&key) => Content::Key,
            (Some(key), _, Some(certificate)) => {
                Own { certificate, key }.check().map_or(Content::Damaged, Content::Whole)
            }
            (Some(key), Some(certificate), None) => {
                Own { certificate, key }.check().map_or(Content::Damaged, Content::Candidate)
            }
            (Some(_), None, None) | (None, ..) => Content::Damaged,
        })
    }

    /// Key and certificate of a slot.
    pub fn own(&self, slot: Slot) -> Result<Option<Own>, SlotFault> {
        let certificate = match text(&self.path(slot, CERTIFICATE))? {
            Some(certificate) => Some(certificate),
            None => text(&self.path(slot, CANDIDATE))?,
        };
        Ok(certificate.zip(self.key(slot)?).map(|(certificate, key)| Own { certificate, key }))
    }

    /// Key of a slot.
    pub fn key(&self, slot: Slot) -> Result<Option<Vec<u8>>, SlotFault> {
        text(&self.path(slot, KEY))
    }

    /// Takes a step's changes, one after the other. `text` is what a write writes.
    pub fn take(&self, step: Step, text: &[u8]) -> Result<(), SlotFault> {
        step.ops().into_iter().try_for_each(|op| self.apply(op, text))
    }

    /// Makes one change. `text` is what a write writes.
    pub fn apply(&self, op: Op, text: &[u8]) -> Result<(), SlotFault> {
        match op {
            Op::WriteKey(slot) => write(&self.path(slot, KEY), text),
            Op::WriteCandidate(slot) => write(&self.path(slot, CANDIDATE), text),
            Op::Point(slot) => write(&self.dir.join(POINTER), format!("{}\n", slot.as_str()).as_bytes()),
            Op::Seal(slot) => {
                let (from, to) = (self.path(slot, CANDIDATE), self.path(slot, CERTIFICATE));
                let sealed = fs::rename(from, &to).and_then(|()| settle(&to));
                sealed.map_err(|source| SlotFault { path: to, doing: "cannot rename to it", source })
            }
            Op::RemoveKey(slot) => remove(self.path(slot, KEY)),
            Op::RemoveCandidate(slot) => remove(self.path(slot, CANDIDATE)),
            Op::RemoveCertificate(slot) => remove(self.path(slot, CERTIFICATE)),
        }
    }

    fn path(&self, slot: Slot, name: &str) -> PathBuf {
        self.dir.join(slot.as_str()).join(name)
    }
}

fn remove(path: PathBuf) -> Result<(), SlotFault> {
    let removed = match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.and_then(|()| settle(&path)),
    };
    removed.map_err(|source| SlotFault { path, doing: "cannot remove", source })
}

/// Whole and durable, or as it was.
fn write(path: &Path, text: &[u8]) -> Result<(), SlotFault> {
    replace(path, text).map_err(|source| SlotFault { path: path.to_owned(), doing: "cannot write", source })
}

/// A text of at most [`TEXT_MAX`] bytes; nothing of what is larger or no regular file, `None` where nothing is.
fn text(path: &Path) -> Result<Option<Vec<u8>>, SlotFault> {
    let read = || -> io::Result<Vec<u8>> {
        let about = fs::metadata(path)?;
        if !about.is_file() || about.len() > TEXT_MAX {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(TEXT_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SlotFault { path: path.to_owned(), doing: "cannot read", source }),
    }
}

#[cfg(test)]
mod tests;
