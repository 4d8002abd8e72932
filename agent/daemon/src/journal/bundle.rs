//! Export: a folder that a stranger can verify with a public key and a page of code.

use super::{Fault, Journal};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Records read at once: a slice of a few milliseconds.
const SLICE: u64 = 500;

impl Journal {
    /// Lines from `after` on, at most a slice, with the number of the last.
    pub fn slice(&self, after: u64) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let rows: Vec<(u64, Vec<u8>)> = self.store.rows(
            "SELECT seq, CAST(line AS BLOB) FROM record WHERE seq > ?1 ORDER BY seq LIMIT ?2",
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

/// Records on their way: what is not known to be whole bears another name.
const PART: &str = "records.jws.part";
const RECORDS: &str = "records.jws";
const MANIFEST: &str = "MANIFEST.json";

/// Writes a bundle for its owner alone; `next` gives the records slice by slice, and a fault where they are not whole:
/// then there is no manifest. How many bytes of records. A folder that holds an export is not touched.
pub fn export(
    folder: &Path,
    papers: &Papers,
    mut next: impl FnMut() -> Result<Option<Vec<u8>>, Fault>,
) -> Result<u64, Fault> {
    let file_fault = |file: &Path| {
        let file = file.to_owned();
        move |source| Fault::File { file, doing: "cannot write the export", source }
    };
    // Written last: where it is not, the export did not end.
    if folder.join(MANIFEST).exists() {
        let text = format!("{} already holds an export ({MANIFEST}); name another folder with --out", folder.display());
        return Err(Fault::Refused(text));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(file_fault(folder))?;
    let part = folder.join(PART);
    let mut out = BufWriter::new(create(&part).map_err(file_fault(&part))?);
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(slice) = next()? {
        hash.update(&slice);
        bytes += slice.len() as u64;
        out.write_all(&slice).map_err(file_fault(&part))?;
    }
    out.flush().map_err(file_fault(&part))?;
    fs::rename(&part, folder.join(RECORDS)).map_err(file_fault(&part))?;
    let digest = |data: &[u8]| picket_record::encode::base64url(&Sha256::digest(data));
    let manifest = json!({
        "v": 1,
        "identity": papers.identity,
        "files": {
            RECORDS: picket_record::encode::base64url(&hash.finalize()),
            "receipts.jws": digest(papers.receipts.as_bytes()),
            "enrol.jws": digest(papers.acceptance.as_bytes()),
        },
    });
    for (name, text) in [
        ("receipts.jws", papers.receipts.clone()),
        ("enrol.jws", papers.acceptance.clone()),
        (MANIFEST, format!("{manifest:#}\n")),
    ] {
        let file = folder.join(name);
        create(&file).and_then(|mut out| out.write_all(text.as_bytes())).map_err(file_fault(&file))?;
    }
    Ok(bytes)
}

fn create(file: &Path) -> std::io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)
}
