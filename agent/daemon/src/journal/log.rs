//! The database's log before SQLite opens it. SQLite ends a log at the first frame that does not check, an empty one
//! where that is the header, and writes over the rest: the records there would be gone without a word.
//!
//! A cut spoils the last commit at most, because each is synced before the next begins. So a header that does not check,
//! or two commits from a bad frame on, are damage. Damage to the last commit looks like a cut, and is none of ours.

use super::{Fault, aside};
use crate::secrecy::beside;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

/// Bytes of its header; the last eight are a checksum over the others (sqlite.org, "WAL-mode File Format").
const HEADER: usize = 32;
/// Bytes before the page in each frame.
const FRAME: usize = 24;
/// Largest page of SQLite.
const PAGE_MAX: usize = 65_536;

/// Sets a copy of a damaged log aside: what is to be told.
pub(super) fn damaged(file: &Path) -> Result<Option<Value>, Fault> {
    let log = beside(file, "-wal");
    let fault = |source| Fault::File { file: log.clone(), doing: "cannot read the log of the journal", source };
    let cause = match File::open(&log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => damage(&mut BufReader::new(opened.map_err(fault)?)).map_err(fault)?,
    };
    let Some(cause) = cause else { return Ok(None) };
    let free = aside::free(file, aside::LOG)?;
    let kept = fs::copy(&log, &free).is_ok().then(|| free.display().to_string());
    Ok(Some(json!({ "what": "log", "cause": cause, "aside": kept })))
}

/// What is wrong with a log.
fn damage(log: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut header = [0; HEADER];
    if !filled(log, &mut header)? || header == [0; HEADER] {
        return Ok(None);
    }
    let Some(mut sum) = Sum::of(&header) else {
        let holds = log.read(&mut [0])? > 0;
        return Ok(holds.then(|| "its header is damaged: what it held is gone".into()));
    };
    let page = word(&header, 8) as usize;
    if page > PAGE_MAX {
        return Ok(None);
    }
    let (mut frame, mut number, mut bad, mut commits) = (vec![0; FRAME + page], 0_u64, None, 0_u64);
    while filled(log, &mut frame)? {
        number += 1;
        let ours = frame[8..16] == header[16..24];
        if bad.is_none() {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME..]);
            bad = (!ours || !sum.is(&frame[16..24])).then_some(number);
        }
        // Its database has so many pages after a commit, and 0 in other frames.
        commits += u64::from(bad.is_some() && ours && word(&frame, 4) > 0);
    }
    let told = |bad| format!("its frame {bad} of {number} is damaged: {commits} commits from there on are gone");
    Ok(bad.filter(|_| commits > 1).map(told))
}

/// Whether there was that much.
fn filled(log: &mut impl Read, into: &mut [u8]) -> std::io::Result<bool> {
    match log.read_exact(into) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// The checksum of the format, over words in the order that the magic number names.
struct Sum {
    a: u32,
    b: u32,
    read: fn([u8; 4]) -> u32,
}

impl Sum {
    /// That of a header, where it checks.
    fn of(header: &[u8; HEADER]) -> Option<Self> {
        let read = match word(header, 0) {
            0x377f_0682 => u32::from_le_bytes,
            0x377f_0683 => u32::from_be_bytes,
            _ => return None,
        };
        let mut sum = Self { a: 0, b: 0, read };
        sum.add(&header[..24]);
        sum.is(&header[24..]).then_some(sum)
    }

    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| (self.read)([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
            self.a = self.a.wrapping_add(word(0)).wrapping_add(self.b);
            self.b = self.b.wrapping_add(word(4)).wrapping_add(self.a);
        }
    }

    fn is(&self, stored: &[u8]) -> bool {
        (word(stored, 0), word(stored, 4)) == (self.a, self.b)
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
