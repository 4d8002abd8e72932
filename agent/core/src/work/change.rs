//! The form of a planned change: which, why, what may go wrong, and when. It is considered before it is made.

use crate::fields::{Field, Reader};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Longest time of one plan, in days: what takes longer is planned in steps, or nobody would notice anything meanwhile.
const LONGEST_DAYS: i64 = 7;
/// Longest id of a change, in bytes: it stands in later records too.
const ID_MAX: usize = 40;

/// Texts, which must all be there.
pub(super) const TEXTS: &[Field] = &[
    ("id", "id of the change, such as CH-26-4"),
    ("what", "what is changed, such as firmware 1.4"),
    ("reason", "why"),
    ("risk", "what may go wrong, and what is done about it"),
];
/// From when until when.
pub(super) const TIMES: &[Field] = &[
    ("from", "RFC 3339 moment from which it may be made, such as 2026-11-24T08:00:00Z"),
    ("until", "RFC 3339 moment by which it is made, 7 days later at most"),
];

/// Notes what is missing or wrong; `from` and `until` are stated in UTC.
pub(super) fn read(reader: &mut Reader<'_>, data: &mut Map<String, Value>) {
    for (name, _) in TEXTS {
        reader.needed(name, "say it in a few words");
    }
    let id = reader.text("id");
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'/' | b'-');
    if !id.is_empty() && (id.len() > ID_MAX || !id.bytes().all(fits)) {
        reader.fault("id", format!("{id:?} is no id of a change"), "1 to 40 of A-Z a-z 0-9 . _ / -");
    }
    let [from, until] = ["from", "until"].map(|name| {
        reader.needed(name, "a moment such as 2026-11-24T08:00:00Z");
        let parse = |text: &str| text.parse::<Timestamp>().ok();
        let moment = reader.parsed(name, parse, "an RFC 3339 moment such as 2026-11-24T08:00:00Z")?;
        data.insert(name.into(), moment.to_string().into());
        Some(moment.as_millisecond())
    });
    let (Some(from), Some(until)) = (from, until) else { return };
    if until <= from {
        reader.fault("until", "it ends before it begins", "look at both moments");
    } else if until - from > LONGEST_DAYS * 86_400_000 {
        let cause = format!("longer than {LONGEST_DAYS} days");
        reader.fault("until", cause, "plan the rest as a change of its own");
    }
}
