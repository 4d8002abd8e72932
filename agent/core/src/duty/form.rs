//! How people plan shifts, and begin and end them: read from named texts.

use super::HEADS;
use crate::fields::{Field, FieldFault, Fields, Reader};
use crate::person::{self, Person};
use jiff::Timestamp;
use picket_record::personal::PersonalText;

/// Shorter ones are over before anybody could say that they were missed.
const SHORTEST_MS: i64 = 30 * 60_000;
const LONGEST_MS: i64 = 24 * 3_600_000;
/// Longest name of a post, in bytes.
const POST: usize = 32;

/// A place where people stand: 1 to 32 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Post(String);

impl Post {
    /// From its name.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        (plain && (1..=POST).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Plans a shift, or cancels it.
    Rota,
    /// Begins or ends one.
    Shift,
}

impl Task {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Rota, Self::Shift];

    /// The word in commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rota => "rota",
            Self::Shift => "shift",
        }
    }
}

const ROTA: &[Field] = &[
    ("from", "RFC 3339 moment at which it begins, such as 2026-11-24T06:00:00Z"),
    ("until", "when it ends; 30 minutes to 24 hours later"),
    ("heads", "how many are to stand there, from 1"),
    ("how", "planned, or cancelled: the one that begins at this moment; left out: planned"),
];
const SHIFT: &[Field] = &[("what", "begin or end")];

/// The form of a task.
#[derive(Debug, Clone, Copy)]
pub struct DutyForm(Task);

impl DutyForm {
    /// Of a task.
    pub fn of(task: Task) -> Self {
        Self(task)
    }

    /// Every field, those about the person last.
    pub fn fields(self) -> Vec<Field> {
        let own = match self.0 {
            Task::Rota => ROTA,
            Task::Shift => SHIFT,
        };
        own.iter().chain(&person::FIELDS).copied().collect()
    }
}

/// Times in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Planned { from_ms: i64, until_ms: i64, heads: u64 },
    Cancelled { from_ms: i64 },
    Begun,
    Ended,
}

/// What a person said of a post.
#[derive(Clone, PartialEq, Eq)]
pub struct Duty {
    pub(super) post: Post,
    pub(super) said: Said,
    person: Person,
}

/// Whoever it was is never printed.
impl std::fmt::Debug for Duty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { post, said, .. } = self;
        f.debug_struct("Duty").field("post", post).field("said", said).finish_non_exhaustive()
    }
}

impl Duty {
    /// From named texts. Every fault at once.
    pub fn read(task: Task, post: &str, fields: &Fields) -> Result<Self, Vec<FieldFault>> {
        let mut reader = Reader::new(fields, &DutyForm(task).fields(), &[]);
        let place = Post::parse(post);
        if place.is_none() {
            let cause = format!("{:?} is no post", post.chars().take(64).collect::<String>());
            reader.fault("", cause, "name one such as gate-north: 1 to 32 of a-z 0-9 -");
        }
        let said = match task {
            Task::Rota => planned(&mut reader),
            Task::Shift => reader.word("what", &[("begin", Said::Begun), ("end", Said::Ended)], None),
        };
        let person = Person::read(&mut reader);
        let faults = reader.faults();
        match (place, said, faults.is_empty()) {
            (Some(post), Some(said), true) => Ok(Self { post, said, person }),
            _ => Err(faults),
        }
    }

    /// Which post.
    pub fn post(&self) -> &Post {
        &self.post
    }

    pub(crate) fn person(&self) -> PersonalText {
        self.person.text()
    }
}

fn planned(reader: &mut Reader<'_>) -> Option<Said> {
    let is_planned = reader.word("how", &[("planned", true), ("cancelled", false)], Some(true))?;
    let from_ms = moment(reader, "from");
    if !is_planned {
        for field in ["until", "heads"] {
            if !reader.text(field).is_empty() {
                reader.fault(field, "a shift that is cancelled has none", "leave it out");
            }
        }
        return Some(Said::Cancelled { from_ms: from_ms? });
    }
    let until_ms = moment(reader, "until");
    reader.needed("heads", "say how many: heads=2");
    let count = |text: &str| text.parse::<u64>().ok().filter(|n| (1..=HEADS).contains(n));
    let heads = reader.parsed("heads", count, "a whole number, 1 to 64");
    let (from_ms, until_ms) = (from_ms?, until_ms?);
    if !(SHORTEST_MS..=LONGEST_MS).contains(&(until_ms - from_ms)) {
        reader.fault("until", "a shift takes 30 minutes to 24 hours", "split a longer one, or say another end");
    }
    Some(Said::Planned { from_ms, until_ms, heads: heads? })
}

fn moment(reader: &mut Reader<'_>, field: &str) -> Option<i64> {
    reader.needed(field, "a moment such as 2026-11-24T06:00:00Z");
    let parse = |text: &str| text.parse::<Timestamp>().ok();
    reader.parsed(field, parse, "an RFC 3339 moment such as 2026-11-24T06:00:00Z").map(Timestamp::as_millisecond)
}
