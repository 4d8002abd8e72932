//! The book of what was told outside: the only thing that the oracle believes. `A seq link` a record whose append
//! returned; `R n upto` a receipt; `F text` a fault that the journal reported; `O` an open that succeeded; `E` the end.

use picket_record::encode::Link;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// Link of each record by its number.
    pub(crate) records: BTreeMap<u64, Link>,
    /// Highest number with a receipt.
    pub(crate) receipted: u64,
    /// Newest receipt.
    pub(crate) receipts: u64,
    /// Faults that the journal reported.
    pub(crate) faults: Vec<String>,
    /// Opens that succeeded.
    pub(crate) opens: u64,
    /// The writer came to its end.
    pub(crate) ended: bool,
    /// A number that was told twice with two links.
    pub(crate) forked: Option<u64>,
}

impl Book {
    /// Reads what was written; a last line that is not whole was told to nobody.
    pub(crate) fn read(text: &str) -> Self {
        let mut book = Self::default();
        book.more(text);
        book
    }

    /// Reads on.
    pub(crate) fn more(&mut self, text: &str) {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "A" => {
                let (seq, link) = rest.split_once(' ')?;
                self.told(seq.parse().ok()?, unhex(link)?);
            }
            "R" => {
                let (n, upto) = rest.split_once(' ')?;
                self.receipts = self.receipts.max(n.parse().ok()?);
                self.receipted = self.receipted.max(upto.parse().ok()?);
            }
            "F" => self.faults.push(rest.to_owned()),
            "O" => self.opens += 1,
            "E" => self.ended = true,
            _ => {}
        }
        Some(())
    }

    /// A record was told.
    pub(crate) fn told(&mut self, seq: u64, link: Link) {
        if self.records.insert(seq, link).is_some_and(|before| before != link) {
            self.forked = Some(seq);
        }
    }

    /// Number of the last record told.
    pub(crate) fn last(&self) -> u64 {
        self.records.last_key_value().map_or(0, |(seq, _)| *seq)
    }
}

/// A line for a record.
pub(crate) fn record(out: &mut String, seq: u64, link: &Link) {
    let _ = write!(out, "A {seq} ");
    for byte in link {
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\n');
}

fn unhex(text: &str) -> Option<Link> {
    let mut link = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (index, byte) in link.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(link)
}
