//! The database's log before SQLite opens it. SQLite takes a log whose header does not check for an empty one and writes
//! over it: the records in it would be gone without a word.

use super::Fault;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of its header; the last eight are a checksum over the others (sqlite.org, "WAL-mode File Format", section 1.1).
const HEADER: usize = 32;

/// Sets a copy of a log aside whose header is damaged: what is to be told. A cut leaves a header whole, or none.
pub(super) fn damaged(file: &Path) -> Result<Option<Value>, Fault> {
    let log = beside(file, "-wal");
    let fault = |source| Fault::File { file: log.clone(), doing: "cannot read the log of the journal", source };
    let mut header = [0; HEADER];
    let read = File::open(&log).and_then(|mut log| log.read_exact(&mut header));
    match read {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => return Ok(None),
        read => read.map_err(fault)?,
    }
    let bytes = fs::metadata(&log).map_err(fault)?.len();
    if bytes <= HEADER as u64 || header == [0; HEADER] || checks(&header) {
        return Ok(None);
    }
    let free = (1..10_000_u32).map(|n| beside(file, &format!(".damaged-log-{n}"))).find(|path| !path.exists());
    let kept = free.filter(|aside| fs::copy(&log, aside).is_ok()).map(|aside| aside.display().to_string());
    Ok(Some(
        json!({ "what": "log", "cause": "its header is damaged; what it held is gone", "bytes": bytes, "aside": kept }),
    ))
}

/// The checksum of the format, over words in the order that the magic number names.
fn checks(header: &[u8; HEADER]) -> bool {
    let word = |at: usize| <[u8; 4]>::try_from(&header[at..at + 4]).unwrap_or_default();
    let big = |at| u32::from_be_bytes(word(at));
    let summed: fn([u8; 4]) -> u32 = match big(0) {
        0x377f_0682 => u32::from_le_bytes,
        0x377f_0683 => u32::from_be_bytes,
        _ => return false,
    };
    let (mut a, mut b) = (0_u32, 0_u32);
    for at in (0..24).step_by(8) {
        a = a.wrapping_add(summed(word(at))).wrapping_add(b);
        b = b.wrapping_add(summed(word(at + 4))).wrapping_add(a);
    }
    (a, b) == (big(24), big(28))
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
