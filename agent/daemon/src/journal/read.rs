//! Reading for the uplink: lines in batches that fit a message.

use super::{Fault, Journal};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use picket_core::sensitivity::Channel;
use picket_core::wire::{BATCH_BYTES, Batch};
use std::io::Write;

/// Smaller batches are sent as they are: a deflate of one record saves nothing that matters.
const DEFLATE_FROM: usize = 4 * 1024;
/// A quarter faster than level 5, for a fortieth more bytes: signatures and hashes do not shrink at any level. Level 2 is a
/// third faster still, and takes more than a quarter of the text where values are noise.
const DEFLATE_LEVEL: u32 = 4;

/// A batch as it goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Lines separated by LF, deflated where `deflated`.
    pub payload: Vec<u8>,
    /// Zlib format (RFC 1950).
    pub deflated: bool,
    /// Last record in it.
    pub through: u64,
    /// Bytes of its lines before they were deflated.
    pub bytes: u64,
}

impl Journal {
    /// Reads a batch; `None` where none of its records is there (pruned).
    pub fn lines(&self, batch: &Batch) -> Result<Option<Lines>, Fault> {
        match batch {
            Batch::Range { from, to } => self.range(*from, *to),
            Batch::Branch { after } => {
                let found = self.branch_lines(*after, true)?;
                Ok(found.map(|(through, text)| packed(text, through)))
            }
            Batch::Urgent { seqs, receipted } => self.urgent(seqs, *receipted),
        }
    }

    fn range(&self, from: u64, to: u64) -> Result<Option<Lines>, Fault> {
        // A damaged line goes as it is: the central side refuses it and takes what follows, though its receipts stop
        // before it.
        let sql = "SELECT seq, line FROM record WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        let mut text = Vec::new();
        let openings = self.disclosed((from, to), Channel::Uplink)?;
        // With its record, whatever room is left: the central side holds the one against the other.
        let beside = |seq: u64, text: &mut Vec<u8>| {
            if let Some(opening) = openings.get(&seq) {
                text.extend_from_slice(opening.to_line(seq).as_bytes());
                text.push(b'\n');
            }
        };
        let through = self.store.take_lines_with(sql, (from, to), &mut text, "cannot read records", beside)?;
        Ok(through.map(|through| packed(text, through)))
    }

    /// Each urgent record behind the `epoch.open` it is verified with, unless that has a receipt; as many as fit.
    fn urgent(&self, seqs: &[u64], receipted: u64) -> Result<Option<Lines>, Fault> {
        let doing = "cannot read urgent records";
        let (mut text, mut through, mut told) = (Vec::new(), 0, receipted);
        for seq in seqs {
            let open: Option<u64> =
                self.store.row("SELECT max(seq) FROM epoch WHERE seq <= ?1", [seq], doing, |row| row.get(0))?.flatten();
            let before = text.len();
            for wanted in open.filter(|open| *open > told).into_iter().chain([*seq]) {
                if let Some(line) = self.store.line(wanted)? {
                    text.extend_from_slice(&line);
                    text.push(b'\n');
                }
            }
            if before > 0 && text.len() > BATCH_BYTES {
                text.truncate(before);
                break;
            }
            (through, told) = (*seq, told.max(open.unwrap_or(0)));
        }
        Ok((!text.is_empty()).then(|| packed(text, through)))
    }
}

fn packed(mut text: Vec<u8>, through: u64) -> Lines {
    text.pop();
    let bytes = text.len() as u64;
    if text.len() < DEFLATE_FROM {
        return Lines { payload: text, deflated: false, through, bytes };
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(text.len() / 4), Compression::new(DEFLATE_LEVEL));
    let done = encoder.write_all(&text).and_then(|()| encoder.finish());
    match done {
        Ok(payload) => Lines { payload, deflated: true, through, bytes },
        // Writing into memory does not fail; were it to, the plain lines are as good.
        Err(_) => Lines { payload: text, deflated: false, through, bytes },
    }
}
