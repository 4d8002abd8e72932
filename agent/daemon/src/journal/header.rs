//! What SQLite takes as it lies there, held against what it must be before SQLite looks.
//!
//! The first bytes of the file tell that it is a database, how its pages are read and whether they may be written. Nearly
//! all of them are alike in every journal, and one bit of them would keep SQLite from every record: they are put right. A
//! list of free pages that leads outside the file has pages written over that are none. A number in it that one bit made
//! that of a page in use is not noticed after a stop in order: only a check of the whole file would see it.

use super::Fault;
use super::log::word;
use super::store::PAGE_BYTES;
use crate::secrecy::beside;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of the header (sqlite.org, "Database File Format", section 1.3).
const HEADER: usize = 100;
/// Where it says how large pages are.
const PAGE: usize = 16;
/// Where it says how many there are.
const PAGES: usize = 28;
/// Where it says which page begins the list of free ones, and how many there are.
const FREE: usize = 32;
/// Where it says which form its tables have, and that texts are UTF-8.
const FORM: usize = 44;
const TEXTS: usize = 56;
/// The page of journals that earlier agents made.
const PAGE_EARLIER: u16 = 4_096;

/// What stands where in the header of every journal.
const ALIKE: [(usize, &[u8]); 6] = [
    (0, b"SQLite format 3\0"),
    // Written and read with a log, no bytes of a page kept back, shares of a page that a payload takes.
    (18, &[2, 2, 0, 64, 32, 32]),
    (FORM, &[0, 0, 0, 4]),
    // It shrinks by no means of its own.
    (52, &[0; 4]),
    (TEXTS, &[0, 0, 0, 1]),
    // The same once more; whose program it is; room for what is to come.
    (64, &[0; 28]),
];

/// Most bytes that are put right. Where more are wrong it is another file, or a page that was written over.
const MOST: usize = 8;

/// Puts right what one or a few bits made wrong: what is to be told. SQLite judges what is no journal's header by far.
pub(super) fn mend(file: &Path) -> Result<Option<Value>, Fault> {
    let fault = |source| Fault::File { file: file.to_owned(), doing: "cannot read the header of the journal", source };
    let mut found = [0; HEADER];
    let read = |mut file: File| file.read_exact(&mut found).and_then(|()| file.metadata());
    let bytes = match File::open(file).and_then(read) {
        Ok(data) => data.len(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let right = righted(&found, (!has_log(file)).then_some(bytes));
    let wrong: Vec<usize> = (0..HEADER).filter(|at| found[*at] != right[*at]).collect();
    if wrong.is_empty() || wrong.len() > MOST {
        return Ok(None);
    }
    let put = |file: File| -> io::Result<()> {
        file.write_all_at(&right, 0)?;
        file.sync_data()
    };
    OpenOptions::new().write(true).open(file).and_then(put).map_err(fault)?;
    let told = wrong.iter().map(|at| format!("{at}: {} instead of {}", found[*at], right[*at])).collect::<Vec<_>>();
    let cause = format!("bytes of its header were wrong and are put right: {}", told.join(", "));
    tracing::warn!(file = %file.display(), cause, "the journal was damaged");
    Ok(Some(json!({ "what": "file", "cause": cause })))
}

/// What is wrong with the list of free pages of a file that has no log, as far as the list itself tells. A page that is none
/// would be written over, whatever lies there; after a stop in order nobody else looks.
pub(super) fn free_list(file: &Path) -> Result<Option<String>, Fault> {
    let fault =
        |source| Fault::File { file: file.to_owned(), doing: "cannot read the free pages of the journal", source };
    if has_log(file) {
        return Ok(None);
    }
    let walk = |opened: File| {
        let mut header = [0; HEADER];
        opened.read_exact_at(&mut header, 0)?;
        is_whole(&opened, &header)
    };
    match File::open(file).and_then(walk) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some("its list of free pages is damaged".to_owned())),
        // Shorter than its header says: SQLite judges that.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

/// Follows the list from its first page: each holds the number of the next one, how many it names, and those.
fn is_whole(file: &File, header: &[u8; HEADER]) -> io::Result<bool> {
    let size = usize::from(u16::from_be_bytes([header[PAGE], header[PAGE + 1]])).max(HEADER);
    let (pages, free) = (word(header, PAGES), word(header, FREE + 4));
    let is_one = |page: u32| (2..=pages).contains(&page);
    let (mut next, mut left, mut page) = (word(header, FREE), free, vec![0; size]);
    while left > 0 {
        if !is_one(next) {
            return Ok(false);
        }
        file.read_exact_at(&mut page, u64::from(next - 1) * size as u64)?;
        let named = word(&page, 4);
        let fits = (named as usize) < size / 4 - 1 && named < left;
        if !fits || !(0..named as usize).all(|n| is_one(word(&page, 8 + 4 * n))) {
            return Ok(false);
        }
        left -= named + 1;
        next = word(&page, 0);
    }
    Ok(next == 0)
}

fn has_log(file: &Path) -> bool {
    fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// The header as a journal of so many bytes has it. While it has a log, that knows how many pages there are.
fn righted(found: &[u8; HEADER], bytes: Option<u64>) -> [u8; HEADER] {
    let mut right = *found;
    // Before it has tables neither is said: a kill may leave it so.
    let is_new = [FORM, TEXTS].iter().all(|at| found[*at..at + 4] == [0; 4]);
    for (at, bytes) in ALIKE.into_iter().filter(|(at, _)| !is_new || ![FORM, TEXTS].contains(at)) {
        right[at..at + bytes.len()].copy_from_slice(bytes);
    }
    let page = u16::from_be_bytes([found[PAGE], found[PAGE + 1]]);
    let own = u16::try_from(PAGE_BYTES).unwrap_or(PAGE_EARLIER);
    let near = [own, PAGE_EARLIER].into_iter().min_by_key(|known| (known ^ page).count_ones()).unwrap_or(own);
    right[PAGE..PAGE + 2].copy_from_slice(&near.to_be_bytes());
    let whole = bytes.filter(|bytes| bytes % u64::from(near) == 0);
    if let Some(pages) = whole.and_then(|bytes| u32::try_from(bytes / u64::from(near)).ok()) {
        right[PAGES..PAGES + 4].copy_from_slice(&pages.to_be_bytes());
    }
    right
}
