//! Export: a folder that a stranger can verify with a public key and a page of code.

use super::{Fault, Journal};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Records read at once: a slice of a few milliseconds.
const SLICE: u64 = 500;

impl Journal {
    /// Lines from `after` on, at most a slice, with the number of the last. What was left because the central side knew
    /// another history is no part of the chain, though it lies there still: it is in [`Part::Branches`].
    pub fn slice(&self, after: u64) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let rows: Vec<(u64, Vec<u8>)> = self.store.rows(
            "SELECT seq, CAST(line AS BLOB) FROM record WHERE seq > ?1
             AND NOT EXISTS (SELECT 1 FROM leaving WHERE record.seq BETWEEN leaving.first AND leaving.kept)
             ORDER BY seq LIMIT ?2",
            (after, SLICE),
            "cannot read records",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        let last = *last;
        let mut text = Vec::new();
        for (_, line) in rows {
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        Ok(Some((last, text)))
    }

    /// The slice behind an earlier one, unless the journal has disposed of what comes next meanwhile. A hole that damage
    /// left is none of that: what was before it is still there.
    pub fn next_slice(&self, after: u64) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let sql = "SELECT min(seq) FROM record";
        let oldest: Option<u64> = self.store.row(sql, [], "cannot find the oldest record", |row| row.get(0))?.flatten();
        match oldest {
            Some(oldest) if oldest > after + 1 => {
                let (from, to) = (after + 1, oldest - 1);
                Err(Fault::Refused(format!("records {from} to {to} were disposed of meanwhile; run the export again")))
            }
            _ => self.slice(after),
        }
    }

    /// Number before the first record that a stranger can begin with: the oldest `epoch.open` still there.
    pub fn export_from(&self) -> Result<u64, Fault> {
        let sql = "SELECT min(epoch.seq) FROM epoch JOIN record USING(seq)";
        let first: Option<u64> = self.store.row(sql, [], "cannot find the first epoch", |row| row.get(0))?.flatten();
        Ok(first.map_or(0, |first| first - 1))
    }

    /// Every receipt kept, oldest first, one a line; the newest included though it is not written yet.
    pub fn receipt_lines(&self) -> Result<String, Fault> {
        let lines: Vec<String> =
            self.store.rows("SELECT line FROM receipt ORDER BY n", [], "cannot read the receipts", |row| row.get(0))?;
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }

    /// The acceptance as received.
    pub fn acceptance_line(&self) -> &str {
        &self.credentials.acceptance_line
    }

    /// Public identity key, base64url.
    pub fn identity_text(&self) -> String {
        self.credentials.identity.public().text()
    }
}

/// The parts of a bundle beside its records.
#[derive(Debug, Clone)]
pub struct Papers {
    /// Receipts, one a line.
    pub receipts: String,
    /// Acceptance.
    pub acceptance: String,
    /// Public identity key.
    pub identity: String,
}

/// A file of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The chain.
    Records,
    /// What was left because the central side knew another history.
    Branches,
    /// What outlived its records.
    Summaries,
    /// What is disclosed of personal data, beside the records of the same export.
    Sidecar,
}

impl Part {
    /// Every part, in the order they are written.
    const ALL: [Self; 4] = [Self::Records, Self::Branches, Self::Summaries, Self::Sidecar];

    fn file(self) -> &'static str {
        match self {
            Self::Records => "records.jws",
            Self::Branches => "branches.jws",
            Self::Summaries => "summaries.jws",
            Self::Sidecar => "sidecar.json",
        }
    }
}

const MANIFEST: &str = "MANIFEST.json";

/// Writes a bundle for its owner alone; `next` gives each part slice by slice, and a fault where it is not whole: then
/// there is no manifest. How many bytes of records. A folder that holds an export is not touched.
pub fn export(
    folder: &Path,
    papers: &Papers,
    mut next: impl FnMut(Part) -> Result<Option<Vec<u8>>, Fault>,
) -> Result<u64, Fault> {
    // Written last: where it is not, the export did not end.
    if folder.join(MANIFEST).exists() {
        let text = format!("{} already holds an export ({MANIFEST}); name another folder with --out", folder.display());
        return Err(Fault::Refused(text));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_fault(folder))?;
    let mut files = Map::new();
    let mut bytes = 0;
    for part in Part::ALL {
        if let Some((digest, length)) = write_part(folder, part, &mut next)? {
            files.insert(part.file().into(), digest.into());
            bytes += if part == Part::Records { length } else { 0 };
        }
    }
    for (name, text) in [("receipts.jws", &papers.receipts), ("enrol.jws", &papers.acceptance)] {
        write_whole(&folder.join(name), text.as_bytes())?;
        let digest = picket_record::encode::base64url(&Sha256::digest(text.as_bytes()));
        files.insert(name.into(), digest.into());
    }
    let manifest = json!({ "v": 1, "identity": papers.identity, "files": files });
    // What it names lasts before it does.
    sync_folder(folder)?;
    write_whole(&folder.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?;
    sync_folder(folder)?;
    Ok(bytes)
}

/// Digest and length of a part; one without lines is left out, but for the records. Until it is whole it bears another
/// name.
fn write_part(
    folder: &Path,
    part: Part,
    next: &mut impl FnMut(Part) -> Result<Option<Vec<u8>>, Fault>,
) -> Result<Option<(String, u64)>, Fault> {
    let mut slice = next(part)?;
    if slice.is_none() && part != Part::Records {
        return Ok(None);
    }
    let unfinished = folder.join(format!("{}.part", part.file()));
    let fault = |source| file_fault(&unfinished)(source);
    let mut out = BufWriter::new(create(&unfinished).map_err(fault)?);
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(text) = slice {
        hash.update(&text);
        bytes += text.len() as u64;
        out.write_all(&text).map_err(fault)?;
        slice = next(part)?;
    }
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(fault)?;
    fs::rename(&unfinished, folder.join(part.file())).map_err(fault)?;
    Ok(Some((picket_record::encode::base64url(&hash.finalize()), bytes)))
}

fn write_whole(file: &Path, text: &[u8]) -> Result<(), Fault> {
    let written = create(file).and_then(|mut out| out.write_all(text).and_then(|()| out.sync_all()));
    written.map_err(file_fault(file))
}

fn sync_folder(folder: &Path) -> Result<(), Fault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file_fault(folder))
}

fn file_fault(file: &Path) -> impl FnOnce(std::io::Error) -> Fault {
    let file = file.to_owned();
    move |source| Fault::File { file, doing: "cannot write the export", source }
}

fn create(file: &Path) -> std::io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)
}
