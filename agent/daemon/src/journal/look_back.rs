//! Reading stored records again for the summaries of the site: a slice at a time, a few milliseconds each.

use super::at_rest::numbered;
use super::{Fault, Journal, told};
use picket_core::summary::SLICE;
use picket_core::wire::{Input, Past};
use picket_record::chain::Parsed;

impl Journal {
    /// The records behind a number, as many as a slice holds. Where the disk does not give them nothing was looked at:
    /// the site asks again. What was left of a branch is none of the chain's, though it lies among its records.
    pub fn look_back(&self, after: u64) -> Input {
        self.past(after).unwrap_or_else(|fault| {
            tracing::debug!(cause = told(&fault), "records could not be read again");
            Input::LookedBack { after, through: after, oldest: 0, past: Vec::new() }
        })
    }

    fn past(&self, after: u64) -> Result<Input, Fault> {
        let doing = "cannot read records again";
        let sql = "SELECT min(seq) FROM record";
        let oldest = self.store.row(sql, [], doing, |row| row.get(0))?.flatten().unwrap_or(0);
        let lines: Vec<(u64, Vec<u8>)> = self.store.rows(
            "SELECT seq, line FROM record WHERE seq > ?1
             AND NOT EXISTS (SELECT 1 FROM leaving WHERE record.seq BETWEEN leaving.first AND leaving.kept)
             ORDER BY seq LIMIT ?2",
            (after, SLICE),
            doing,
            numbered,
        )?;
        let through = lines.last().map_or(self.sealer.head().seq, |(seq, _)| *seq);
        // A damaged line is told where it is found; there is nothing in it to count.
        let past = lines.iter().filter_map(|(_, line)| Parsed::read_bytes(line).ok()).map(|record| Past::of(&record));
        Ok(Input::LookedBack { after, through, oldest, past: past.collect() })
    }
}
