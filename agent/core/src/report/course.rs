//! When records are of, and for how long the site was watched: what every report counts on.

use crate::wire::Past;
use jiff::Timestamp;
use jiff::civil::DateTime;
use picket_record::kind::Kind;
use picket_record::wall;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

const DAY_MS: u64 = 86_400_000;

/// The span that was asked for, milliseconds since 1970 UTC; `None` = as far as the records go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// From this moment on.
    pub from_ms: Option<i64>,
    /// Before this moment.
    pub before_ms: Option<i64>,
}

impl Period {
    fn holds(&self, at_ms: i64) -> bool {
        self.from_ms.is_none_or(|from| at_ms >= from) && self.before_ms.is_none_or(|before| at_ms < before)
    }

    /// Milliseconds of `[a, b]` that are in it.
    fn overlap(&self, a: i64, b: i64) -> u64 {
        let (a, b) = (self.from_ms.map_or(a, |from| a.max(from)), self.before_ms.map_or(b, |before| b.min(before)));
        u64::try_from(b.saturating_sub(a)).unwrap_or(0)
    }
}

/// A record with its place in the period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    /// The record.
    pub(super) record: &'a Past,
    /// When it is of, as it claims, else as the one before it; `None` before any record claimed a time.
    pub(super) at_ms: Option<i64>,
    /// It is in the period.
    pub(super) within: bool,
    /// It is of a time behind the period, and changes nothing in it.
    pub(super) is_behind: bool,
    /// How long the site was watched in the period, up to here.
    pub(super) watched_ms: u64,
    /// The first moment that the records tell of.
    pub(super) began_ms: Option<i64>,
}

impl Moment<'_> {
    /// No drill, test or maintenance.
    pub(super) fn is_live(&self) -> bool {
        self.record.mode == "live"
    }

    /// A text of `data`; empty where there is none.
    pub(super) fn text(&self, field: &str) -> &str {
        self.record.data.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// An integer of `data`.
    pub(super) fn number(&self, field: &str) -> Option<i64> {
        self.record.data.get(field).and_then(Value::as_i64)
    }

    /// Whether a truth value of `data` is true.
    pub(super) fn flag(&self, field: &str) -> bool {
        self.record.data.get(field) == Some(&Value::Bool(true))
    }
}

/// The walk along the records, oldest first.
#[derive(Debug, Default)]
pub(super) struct Course {
    period: Period,
    before: Option<Before>,
    began_ms: Option<i64>,
    covered: Covered,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
}

#[derive(Debug)]
struct Before {
    seq: u64,
    boot: String,
    mono_us: u64,
    at_ms: Option<i64>,
}

/// What the period holds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Covered {
    /// First moment that was asked for, as text.
    pub asked_from: Option<String>,
    /// Moment before which it ends, as text.
    pub asked_before: Option<String>,
    /// When its first record is of.
    pub from: Option<String>,
    /// When its last record is of.
    pub to: Option<String>,
    /// Number of its first record.
    pub first: u64,
    /// Number of its last record.
    pub last: u64,
    /// Records in it.
    pub records: u64,
    /// Those of drills, tests and maintenance among them, by word: counted apart everywhere.
    pub not_live: BTreeMap<String, u64>,
    /// Those whose clock was not synchronised: their time is a claim.
    pub unsynchronised: u64,
    /// Records of no known time: in no period that has a beginning or an end.
    pub without_time: u64,
    /// Milliseconds between its first and its last record.
    pub span_ms: u64,
    /// Milliseconds of them in which the agent ran and no record is missing.
    pub watched_ms: u64,
}

impl Course {
    pub(super) fn new(period: Period) -> Self {
        let covered = Covered {
            asked_from: period.from_ms.and_then(wall::to_text),
            asked_before: period.before_ms.and_then(wall::to_text),
            ..Covered::default()
        };
        Self { period, covered, ..Self::default() }
    }

    /// The next record.
    pub(super) fn take<'a>(&mut self, record: &'a Past) -> Moment<'a> {
        let at_ms = record.wall_ms.or(self.before.as_ref().and_then(|before| before.at_ms));
        self.began_ms = self.began_ms.or(at_ms);
        self.watch(record, at_ms);
        let unbounded = self.period == Period::default();
        let within = at_ms.map_or(unbounded, |at| self.period.holds(at));
        self.covered.without_time += u64::from(at_ms.is_none());
        if within {
            self.count(record, at_ms);
        }
        self.before = Some(Before { seq: record.seq, boot: record.boot.clone(), mono_us: record.mono_us, at_ms });
        let is_behind = self.period.before_ms.zip(at_ms).is_some_and(|(before, at)| at >= before);
        Moment { record, at_ms, within, is_behind, watched_ms: self.covered.watched_ms, began_ms: self.began_ms }
    }

    /// Between two records of one run that follow each other the site was watched: a heartbeat comes every minute. The
    /// clock of the machine bounds what a step of the wall clock adds.
    fn watch(&mut self, record: &Past, at_ms: Option<i64>) {
        let Some(before) = &self.before else { return };
        let (Some(from), Some(to)) = (before.at_ms, at_ms) else { return };
        let starts = record.kind == Kind::EpochOpen
            && record.data.get("tail_state").and_then(Value::as_str).is_some_and(|state| state != "rotate");
        if starts || before.boot != record.boot || before.seq + 1 != record.seq {
            return;
        }
        let ran_ms = record.mono_us.saturating_sub(before.mono_us) / 1_000;
        self.covered.watched_ms += self.period.overlap(from, to).min(ran_ms);
    }

    fn count(&mut self, record: &Past, at_ms: Option<i64>) {
        let covered = &mut self.covered;
        if covered.records == 0 {
            covered.first = record.seq;
        }
        covered.last = record.seq;
        covered.records += 1;
        covered.unsynchronised += u64::from(!record.synced);
        if record.mode != "live" {
            *covered.not_live.entry(record.mode.clone()).or_default() += 1;
        }
        self.first_ms = self.first_ms.or(at_ms);
        self.last_ms = self.last_ms.max(at_ms);
    }

    /// When the last record of the period is of: what is overdue is so by then.
    pub(super) fn end_ms(&self) -> Option<i64> {
        self.last_ms
    }

    /// Milliseconds of the period in which the site was watched, up to here.
    pub(super) fn watched_ms(&self) -> u64 {
        self.covered.watched_ms
    }

    /// Milliseconds between the first and the last record of the period.
    pub(super) fn span_ms(&self) -> u64 {
        let span = self.first_ms.zip(self.last_ms).map_or(0, |(first, last)| last.saturating_sub(first));
        u64::try_from(span).unwrap_or(0)
    }

    pub(super) fn finish(mut self) -> Covered {
        self.covered.from = self.first_ms.and_then(wall::to_text);
        self.covered.to = self.last_ms.and_then(wall::to_text);
        self.covered.span_ms = self.span_ms();
        self.covered.watched_ms = self.covered.watched_ms.min(self.covered.span_ms);
        self.covered
    }
}

/// The civil time of a moment, UTC.
fn civil(at_ms: i64) -> Option<DateTime> {
    let moment = Timestamp::from_millisecond(at_ms).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(moment))
}

/// `2026-11`.
pub(super) fn month(at_ms: i64) -> Option<String> {
    civil(at_ms).map(|at| format!("{:04}-{:02}", at.year(), at.month()))
}

/// `1 Monday` to `7 Sunday`, so that they sort as a week.
pub(super) fn weekday(at_ms: i64) -> Option<&'static str> {
    const DAYS: [&str; 7] =
        ["1 Monday", "2 Tuesday", "3 Wednesday", "4 Thursday", "5 Friday", "6 Saturday", "7 Sunday"];
    let day = usize::try_from(civil(at_ms)?.weekday().to_monday_zero_offset()).ok()?;
    DAYS.get(day).copied()
}

/// `00` to `23`.
pub(super) fn hour(at_ms: i64) -> Option<String> {
    civil(at_ms).map(|at| format!("{:02}", at.hour()))
}

/// So many in 30 days, in tenths, rounded down; `None` for a span under a day, from which nothing follows for a month.
pub(super) fn per_month_tenths(n: u64, span_ms: u64) -> Option<u64> {
    let tenths = u128::from(n) * 300 * u128::from(DAY_MS) / u128::from(span_ms.max(1));
    (span_ms >= DAY_MS).then(|| u64::try_from(tenths).unwrap_or(u64::MAX))
}

/// A share in thousandths, rounded down, so that what is not whole never looks so; `None` of nothing.
pub(super) fn permille(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| u64::try_from(u128::from(part) * 1_000 / u128::from(whole)).unwrap_or(1_000))
}
