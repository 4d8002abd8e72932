//! Age: disposing of what has been kept for its time, judged by receipts alone. The clock of a gateway may be wrong, and
//! then nothing is disposed of that the central side does not call old.
//!
//! What was left with a branch, or set aside as damaged, has no receipt of its own. It was written before the chain went
//! on in its place: it is as old as the first record behind it at least.

use super::own_words::own_words;
use super::prune::{self, Authority};
use super::{Fault, Journal};
use picket_record::body::When;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

/// How often it is looked at where nothing is due.
const LOOK_EVERY_US: u64 = 60 * 1_000_000;

/// How long records are kept, and who says so.
#[derive(Debug)]
pub(super) struct Retention {
    /// As the settings say, for when no order says otherwise any more.
    settings_days: u32,
    days: u32,
    authority: String,
    next_us: u64,
}

impl Retention {
    /// As the settings say.
    pub(super) fn of_settings(days: u32) -> Self {
        Self { settings_days: days, days, authority: "retention of the settings".into(), next_us: 0 }
    }
}

impl Journal {
    /// Sets how many days records are kept, and on whose authority: what is disposed of from here on names it. `None`
    /// as the settings say.
    pub fn retain(&mut self, days: Option<u32>, authority: &str) {
        let Some(days) = days else {
            self.retention = Retention::of_settings(self.retention.settings_days);
            return;
        };
        let settings_days = self.retention.settings_days;
        self.retention = Retention { settings_days, days: days.max(1), authority: authority.to_owned(), next_us: 0 };
    }

    /// Disposes of the oldest records whose time is over, a step at a time, and states it.
    pub(super) fn retire(&mut self, when: &When) -> Result<(), Fault> {
        if when.mono_us < self.retention.next_us {
            return Ok(());
        }
        self.retention.next_us = when.mono_us + LOOK_EVERY_US;
        let Some(aged) = self.aged_to()? else { return Ok(()) };
        let authority = self.retention.authority.clone();
        let age = Authority { why: "age", text: &authority };
        self.retire_quarantine(when, aged, age)?;
        // The chain went on with the number behind: the central side has had that for its time.
        if self.dispose_of_branch(when, aged, age)? {
            self.retention.next_us = 0;
        }
        // Records wait for the first summary.
        if self.summed_up()?.is_none() {
            return Ok(());
        }
        let Some(range) = self.say_rows_again(when, aged)? else { return Ok(()) };
        self.in_one(|store, sealer| prune::dispose(store, sealer, when, range, age))?;
        // More of it goes with the next append.
        self.retention.next_us = 0;
        self.bound_summaries(when)
    }

    /// Lines that were set aside, whose numbers the central side has had for their time: as they were, or given again
    /// since.
    fn retire_quarantine(&mut self, when: &When, aged: u64, age: Authority<'_>) -> Result<(), Fault> {
        let doing = "cannot look for old lines in the quarantine";
        let sql = "SELECT min(seq), max(seq) FROM quarantine WHERE seq <= ?1";
        let range: Option<(Option<u64>, Option<u64>)> =
            self.store.row(sql, [aged], doing, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((from, to)) = range.and_then(|(from, to)| from.zip(to)) else { return Ok(()) };
        self.in_one(|store, sealer| {
            let data = json!({ "quarantine": [from, to], "why": age.why, "authority": age.text });
            prune::write(store, sealer, &own_words(when, Kind::RecordsDisposed, Severity::Notice, data))?;
            let sql = "DELETE FROM quarantine WHERE seq <= ?1";
            store.run(sql, [aged], "cannot dispose of lines in the quarantine").map(drop)
        })
    }

    /// The last record that the central side had so many days before its newest receipt; of that and of the newest one
    /// that is written, the earlier day counts. One receipt with a wrong day makes nothing old: a later day says nothing,
    /// nor does an old one behind one that is not old.
    fn aged_to(&self) -> Result<Option<u64>, Fault> {
        let doing = "cannot look for old receipts";
        let written: Option<i64> =
            self.store.row("SELECT day FROM receipt ORDER BY n DESC LIMIT 1", [], doing, |row| row.get(0))?;
        let Some(written) = written else { return Ok(None) };
        let today = self.receipts.waiting_day().map_or(written, |day| day.min(written));
        let sql = "SELECT max(upto) FROM receipt WHERE day <= ?1 - ?2
                   AND n < (SELECT min(n) FROM receipt WHERE day > ?1 - ?2 AND day <= ?1)";
        self.store.row(sql, (today, self.retention.days), doing, |row| row.get(0)).map(Option::flatten)
    }
}
