//! What a life of the writer leaves in its folder, byte for byte.

use crate::book::Book;
use crate::disk::Files;
use crate::runs::{Scratch, own};
use crate::writer::Task;
use simulator::product::output;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files and what was told.
#[derive(Debug, Clone)]
pub(crate) struct Lived {
    pub(crate) files: Files,
    pub(crate) book: Book,
    pub(crate) budget: u64,
}

/// Lives once, in memory; the folder of the task is not used.
pub(crate) fn live(task: &Task) -> Result<Lived, String> {
    let scratch = Scratch::in_memory("life")?;
    let task = Task { folder: PathBuf::from(scratch.path()), ..task.clone() };
    let told = output(Command::new(own()?).args(task.arguments())).map_err(crate::told)?;
    let book = Book::read(&(told + "\n"));
    if !book.ended {
        return Err("a life without a fault did not end".into());
    }
    Ok(Lived { files: read(scratch.path())?, book, budget: task.budget })
}

/// The files of a folder.
pub(crate) fn read(folder: &Path) -> Result<Files, String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(told)? {
        let entry = entry.map_err(told)?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).map_err(told)?);
    }
    Ok(files)
}

/// Writes files into an empty folder.
pub(crate) fn lay_down(files: &Files, folder: &Path) -> Result<(), String> {
    for (file, bytes) in files {
        let path = folder.join(file);
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
