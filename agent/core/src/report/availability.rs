//! For how much of the watched time each piece of equipment was heard.

use super::course::{Moment, permille};
use picket_record::kind::Kind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most pieces of equipment that are told apart: the largest register, and what it may have lost.
const EQUIPMENT_MAX: usize = 24_000;
/// Rows that are listed; the rest is counted.
const LISTED: usize = 200;

/// One piece of equipment, or a line.
#[derive(Debug, Default)]
struct Heard {
    /// Watched time of the period when a record first named it.
    since_ms: u64,
    /// What says that it is silent, and since which watched time.
    silent: BTreeSet<&'static str>,
    began_ms: u64,
    silent_ms: u64,
    times: u64,
}

/// The fold.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    by: BTreeMap<String, Heard>,
    beyond: u64,
}

/// What it comes to.
#[derive(Debug, Serialize)]
pub struct Availability {
    /// Of all of them together, in thousandths of the watched time, rounded down.
    pub permille: Option<u64>,
    /// Pieces of equipment and lines that records named.
    pub equipment: u64,
    /// Those that were never silent.
    pub never_silent: u64,
    /// Records about equipment that found no room.
    pub beyond: u64,
    /// The worst first, 200 at most.
    pub listed: Vec<Row>,
    /// Not listed.
    pub more: u64,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its id.
    pub equipment: String,
    /// Milliseconds for which it was watched.
    pub watched_ms: u64,
    /// Milliseconds of them in which it was silent.
    pub silent_ms: u64,
    /// How often it fell silent.
    pub times: u64,
    /// Thousandths of the watched time, rounded down; `None` where nothing was watched.
    pub permille: Option<u64>,
    /// It is silent at the end.
    pub silent: bool,
}

impl Hearing {
    /// The next record. A silence that was played in a drill is none.
    pub(super) fn take(&mut self, moment: &Moment<'_>) {
        let Some(id) = moment.record.equipment.as_deref() else { return };
        if id.starts_with("gateway:") || id.starts_with("unlisted:") {
            return;
        }
        let told = silence(moment);
        // A line as a whole is spoken of only where it is lost.
        if id.starts_with("line:") && told.is_none() {
            return;
        }
        if !self.by.contains_key(id) {
            if self.by.len() == EQUIPMENT_MAX {
                self.beyond += 1;
                return;
            }
            let since_ms = if id.starts_with("line:") { 0 } else { moment.watched_ms };
            self.by.insert(id.to_owned(), Heard { since_ms, ..Heard::default() });
        }
        let (Some((by, holds)), Some(heard)) = (told, self.by.get_mut(id)) else { return };
        if holds && !moment.is_live() {
            return;
        }
        if holds { heard.falls_silent(by, moment) } else { heard.is_heard(by, moment) }
    }

    pub(super) fn finish(self, watched_ms: u64) -> Availability {
        let mut rows: Vec<Row> = self.by.into_iter().map(|(id, heard)| heard.row(id, watched_ms)).collect();
        let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>();
        let (watched, silent) = (sum(|row| row.watched_ms), sum(|row| row.silent_ms));
        let never_silent = rows.iter().filter(|row| row.times == 0 && row.silent_ms == 0 && !row.silent).count() as u64;
        let equipment = rows.len() as u64;
        rows.sort_by(|a, b| (a.permille, &a.equipment).cmp(&(b.permille, &b.equipment)));
        rows.truncate(LISTED);
        let more = equipment - rows.len() as u64;
        let permille = permille(watched - silent, watched);
        Availability { permille, equipment, never_silent, beyond: self.beyond, listed: rows, more }
    }
}

/// What a record says of silence: which of two statements, and whether it holds.
fn silence(moment: &Moment<'_>) -> Option<(&'static str, bool)> {
    match moment.record.kind {
        Kind::AlarmRaised | Kind::AlarmCleared | Kind::AlarmClosed => {
            let active = moment.flag("active") && moment.record.kind != Kind::AlarmClosed;
            (moment.text("rule") == "silent").then_some(("alarm", active))
        }
        kind if kind.as_str().starts_with("nonconformity.") => {
            let holds = kind != Kind::NonconformityClosed && !moment.flag("ended");
            let of_silence = matches!(moment.text("reason"), "silent" | "line-lost") && !moment.flag("late");
            of_silence.then_some(("nonconformity", holds))
        }
        _ => None,
    }
}

impl Heard {
    fn falls_silent(&mut self, by: &'static str, moment: &Moment<'_>) {
        if self.silent.is_empty() {
            self.began_ms = moment.watched_ms;
            self.times += u64::from(moment.within);
        }
        self.silent.insert(by);
    }

    fn is_heard(&mut self, by: &'static str, moment: &Moment<'_>) {
        let before = moment.number("since_ms").zip(moment.began_ms).is_some_and(|(since, began)| since < began);
        if self.silent.remove(by) {
            if self.silent.is_empty() {
                self.silent_ms += moment.watched_ms - self.began_ms;
            }
        } else if self.silent.is_empty() && self.silent_ms == 0 && before && self.since_ms == moment.watched_ms {
            // It fell silent before the first record here, and this is the first that speaks of it.
            (self.since_ms, self.silent_ms) = (0, moment.watched_ms);
        }
    }

    fn row(mut self, equipment: String, watched_ms: u64) -> Row {
        let silent = !self.silent.is_empty();
        if silent {
            self.silent_ms += watched_ms.saturating_sub(self.began_ms);
        }
        let watched = watched_ms.saturating_sub(self.since_ms);
        let silent_ms = self.silent_ms.min(watched);
        let permille = permille(watched - silent_ms, watched);
        Row { equipment, watched_ms: watched, silent_ms, times: self.times, permille, silent }
    }
}
