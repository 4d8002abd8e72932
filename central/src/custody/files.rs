//! Files of the directory: whole and durable, or not there at all, and for their owner alone.

use super::CustodyError;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes a file that must not exist yet, and makes it durable.
pub fn write_new(path: &Path, text: &str) -> Result<(), CustodyError> {
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => fs::File::open(dir)?.sync_all(),
            _ => Ok(()),
        }
    };
    write().map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => CustodyError::Exists { path: path.to_owned() },
        _ => CustodyError::Io { path: path.to_owned(), source },
    })
}

/// Writes a file whole and durable, or leaves the one before.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), CustodyError> {
    let fresh = path.with_extension("new");
    let told = |source| CustodyError::Io { path: path.to_owned(), source };
    let _ = fs::remove_file(&fresh);
    write_new(&fresh, text.trim_end())?;
    fs::rename(&fresh, path).map_err(told)?;
    path.parent().map_or(Ok(()), sync).map_err(told)
}

pub(super) fn sync(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

pub(super) fn read(path: &Path) -> Result<String, CustodyError> {
    let text = fs::read_to_string(path).map_err(|source| CustodyError::Io { path: path.to_owned(), source })?;
    Ok(text.trim_end().to_owned())
}
