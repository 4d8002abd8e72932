//! PEM files that an installer put in place: read again where they change, and taken only where they are of use.

use picket_session::tls::Papers;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Largest text, as where settings are read.
const PEM_MAX: u64 = 256 * 1024;

/// Files of a link, and what they were when they were last read.
#[derive(Debug)]
pub struct Files {
    files: Vec<(Paper, PathBuf)>,
    seen: Vec<Option<Mark>>,
}

/// What a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// Who signs brokers' certificates.
    Authority,
    /// Our certificate.
    Certificate,
    /// Its key.
    Key,
}

/// Device, number, size and time of the last change: another file, or another text.
type Mark = (u64, u64, u64, i64, i64);

impl Files {
    /// Files as they are now; their texts were read with the settings.
    pub fn new(files: Vec<(Paper, PathBuf)>) -> Self {
        let seen = files.iter().map(|(_, path)| mark(path)).collect();
        Self { files, seen }
    }

    /// Whether one of them is another than when this was asked last.
    pub fn changed(&mut self) -> bool {
        let now: Vec<_> = self.files.iter().map(|(_, path)| mark(path)).collect();
        let before = std::mem::replace(&mut self.seen, now);
        before != self.seen
    }

    /// The papers with what the files say now, or why these are of no use.
    pub fn papers(&self, papers: &Papers) -> Result<Papers, String> {
        let read = self.read(papers.clone())?;
        read.config().map(|_| read).map_err(|fault| fault.to_string())
    }

    fn read(&self, mut papers: Papers) -> Result<Papers, String> {
        for (paper, path) in &self.files {
            let text = text(path, *paper).map_err(|error| format!("{}: {error}", path.display()))?;
            match (paper, &mut papers.own) {
                (Paper::Authority, _) => papers.authority = text,
                (Paper::Certificate, Some(own)) => own.certificate = text,
                (Paper::Key, Some(own)) => own.key = text,
                (Paper::Certificate | Paper::Key, None) => {}
            }
        }
        Ok(papers)
    }
}

fn mark(path: &Path) -> Option<Mark> {
    let about = fs::metadata(path).ok()?;
    Some((about.dev(), about.ino(), about.size(), about.mtime(), about.mtime_nsec()))
}

fn text(path: &Path, paper: Paper) -> io::Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    if !about.is_file() || about.len() > PEM_MAX {
        return Err(io::Error::other(format!("it is no file of at most {PEM_MAX} bytes")));
    }
    if paper == Paper::Key && about.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may read the key; run chmod 600"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(PEM_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
