//! From when until when a planned change may be made. Over by trusted time alone.

use crate::work::Report;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Most plans of one piece of equipment that hold at a time: each of its records carries them all.
pub(super) const MOST: usize = 4;
/// Field of a record and its row: `[[id, from, until], ...]`, milliseconds since 1970 UTC.
pub(super) const LIST: &str = "windows";
const DAY_MS: i64 = 86_400_000;
/// A plan is written down before the change; a day late at most, for what could not wait.
const LATE_MS: i64 = DAY_MS;
/// And so early at most: what lies farther ahead was not considered with what is known then.
const AHEAD_MS: i64 = 90 * DAY_MS;
/// No site is without a trusted clock for so long.
const OFFLINE_MS: i64 = 366 * DAY_MS;

/// One plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) id: String,
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

/// Wall times between which something happened; an end that is `None` is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from_ms: Option<i64>,
    pub(super) to_ms: Option<i64>,
}

impl Span {
    pub(super) fn moment(ms: i64) -> Self {
        Self { from_ms: Some(ms), to_ms: Some(ms) }
    }
}

impl Window {
    /// Of a plan, held against trusted wall times, of now and the latest ever; or why it cannot be taken.
    pub(super) fn planned(plan: &Report, judged_ms: Option<i64>, floor_ms: Option<i64>) -> Result<Self, String> {
        let moment = |field: &str| {
            let text = plan.text(field);
            text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| format!("{field}={text} is no moment"))
        };
        let (from_ms, until_ms) = (moment("from")?, moment("until")?);
        let Some(known_ms) = judged_ms.or(floor_ms) else {
            return Err("the clock was never trusted: plan the change once it is set".to_owned());
        };
        if from_ms < known_ms - LATE_MS {
            let from = plan.text("from");
            return Err(format!("from={from} is more than a day ago: a change is considered before it is made"));
        }
        if until_ms <= known_ms {
            return Err(format!("until={} is over: plan what is still to be done", plan.text("until")));
        }
        let offline_ms = if judged_ms.is_some() { 0 } else { OFFLINE_MS };
        if from_ms > known_ms + AHEAD_MS + offline_ms {
            let from = plan.text("from");
            return Err(format!("from={from} is more than 90 days ahead: plan it when it comes nearer"));
        }
        Ok(Self { id: plan.text("id").to_owned(), from_ms, until_ms })
    }

    /// Those of a record or a row.
    pub(super) fn list(body: &Value) -> Vec<Self> {
        let read = |window: &Value| {
            let id = window.get(0)?.as_str()?.to_owned();
            Some(Self { id, from_ms: window.get(1)?.as_i64()?, until_ms: window.get(2)?.as_i64()? })
        };
        body.get(LIST).and_then(Value::as_array).into_iter().flatten().filter_map(read).collect()
    }

    /// Whether what happened then may have happened in it, where it is seen up to `lag_ms` later.
    pub(super) fn covers(&self, span: Span, lag_ms: i64) -> bool {
        let began = span.to_ms.is_none_or(|to| self.from_ms <= to);
        began && span.from_ms.is_none_or(|from| from < self.until_ms.saturating_add(lag_ms))
    }
}

/// As a record states them.
pub(super) fn stated(windows: &[Window]) -> Value {
    windows.iter().map(|window| json!([window.id, window.from_ms, window.until_ms])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_covers_what_may_have_happened_in_it() {
        let window = Window { id: "CH-1".into(), from_ms: 100, until_ms: 200 };
        let table = [
            (Some(99), Some(99), false),
            (Some(100), Some(100), true),
            (Some(199), Some(199), true),
            (Some(209), Some(209), true),
            (Some(210), Some(210), false),
            (Some(150), None, true),
            (Some(210), None, false),
            (None, Some(99), false),
            (None, Some(500), true),
            (Some(50), Some(500), true),
            (None, None, true),
        ];
        for (from_ms, to_ms, covered) in table {
            assert_eq!(window.covers(Span { from_ms, to_ms }, 10), covered, "{from_ms:?} to {to_ms:?}");
        }
    }
}
