//! `sidecar.json` of an export: what is disclosed of personal data, as far as its labels let it leave in an export.

use super::{Fault, Journal};
use picket_core::sensitivity::Channel;
use picket_core::wire::BATCH_BYTES;
use picket_record::bundle::WHOLE_MAX;
use picket_record::personal::{OPENINGS_MAX, SIDECAR_FRAME};
use std::cell::Cell;

/// Numbers of records looked through at once: a few milliseconds, whatever stands beside them.
const SPAN: u64 = 50_000;

/// How far a `sidecar.json` is written: the number behind which it goes on, `END` once it is closed.
const END: u64 = i64::MAX as u64;

/// What the last export of records went over: a file beside it may speak of no others.
#[derive(Debug, Default)]
pub(super) struct Exported {
    from: Cell<u64>,
    to: Cell<u64>,
    openings: Cell<usize>,
    bytes: Cell<usize>,
}

impl Exported {
    /// A slice of records went out, behind this number, up to that one.
    pub(super) fn slice(&self, behind: Option<u64>, through: u64) {
        if let Some(behind) = behind {
            self.from.set(behind + 1);
        }
        self.to.set(through);
    }
}

impl Journal {
    /// Notes what an export of records goes over.
    pub(super) fn noted(&self, behind: Option<u64>, slice: Option<(u64, Vec<u8>)>) -> Option<(u64, Vec<u8>)> {
        if let Some((through, _)) = &slice {
            self.exported.slice(behind, *through);
        }
        slice
    }

    /// The next text of the `sidecar.json` beside the records that were exported last, behind a number, with the number
    /// that the next one is behind. `None` where nothing is disclosed, or once all is written.
    pub(super) fn sidecar(&self, after: Option<u64>) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let [begin, between, end] = SIDECAR_FRAME;
        let exported = &self.exported;
        if after.is_none() {
            (exported.openings.set(0), exported.bytes.set(begin.len() + end.len()));
        }
        let mut behind = after.unwrap_or(exported.from.get().saturating_sub(1));
        let mut text = String::new();
        while behind < exported.to.get() && text.is_empty() {
            let to = exported.to.get().min(behind + SPAN);
            let mut through = to;
            for (seq, opening) in self.disclosed((behind + 1, to), Channel::Export)? {
                let row = opening.to_row(seq);
                let room = exported.bytes.get() + row.len() + between.len() <= WHOLE_MAX;
                if exported.openings.get() == OPENINGS_MAX || !room {
                    tracing::warn!(seq, "sidecar.json is full: personal data from this record on are left out");
                    exported.to.set(seq - 1);
                    through = seq - 1;
                    break;
                }
                if !text.is_empty() && text.len() + row.len() > BATCH_BYTES {
                    through = seq - 1;
                    break;
                }
                text.push_str(if exported.openings.get() == 0 { begin } else { between });
                text.push_str(&row);
                exported.openings.set(exported.openings.get() + 1);
                exported.bytes.set(exported.bytes.get() + row.len() + between.len());
            }
            behind = through;
        }
        if !text.is_empty() {
            return Ok(Some((behind, text.into_bytes())));
        }
        let open = exported.openings.get() > 0 && after.is_some_and(|after| after < END);
        Ok(open.then(|| (END, end.as_bytes().to_vec())))
    }
}
