//! Who stands where: shifts that are planned, heads that are on duty by what people report, and what of the plan was kept
//! (ISO 28000, 9.1: personnel is deployed as planned). Counts heads and never knows names.

mod form;

pub use form::{Duty, DutyForm, Post, Task};

use crate::statement::Statement;
use crate::status::PostStatus;
use crate::time::{Now, s};
use crate::wire::StateRow;
use form::Said;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who comes so much later is late, and who leaves so much earlier hands over.
const GRACE_MS: i64 = 15 * 60_000;
/// So far ahead at most: two months' rota.
const AHEAD_MS: i64 = 60 * 86_400_000;
/// Most shifts of a site that are planned at a time.
const PLANNED: usize = 64;
/// Most posts with somebody on duty, and most heads at one: bounds the rows.
const POSTS: usize = 32;
const HEADS: u64 = 64;
/// The rota is held against the clock so often.
const LOOK_US: u64 = s(60);

/// What is known of a planned shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// Nobody could judge it yet.
    Open,
    /// As many as planned were on duty.
    Taken,
    /// Fewer were.
    Missed,
    /// It was taken, and somebody left before its end.
    Left,
}

impl Judged {
    const ALL: [(&'static str, Self); 4] =
        [("unknown", Self::Open), ("taken", Self::Taken), ("missed", Self::Missed), ("left", Self::Left)];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, judged)| *judged == self).map_or("", |(word, _)| word)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, judged)| *judged)
    }
}

/// A planned shift. Times in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    until_ms: i64,
    heads: u64,
    judged: Judged,
}

impl Shift {
    fn statement(&self, kind: Kind, severity: Severity, (post, from_ms): (&Post, i64)) -> Statement {
        let Self { until_ms, heads, judged } = self;
        let data = json!({ "post": post.as_str(), "from_ms": from_ms, "until_ms": until_ms, "heads": heads,
            "judged": judged.as_str() });
        Statement::new(kind, severity, data)
    }
}

/// The rota, and who is on duty.
#[derive(Debug, Default)]
pub struct Rota {
    /// By post and beginning.
    planned: BTreeMap<(Post, i64), Shift>,
    on: BTreeMap<Post, u64>,
    look_us: u64,
}

impl Rota {
    /// From the rows the journal recovered.
    pub fn recover(rows: &[StateRow]) -> Self {
        let planned = |row: &StateRow| {
            let (post, from_ms) = row.key.strip_prefix(ROTA)?.split_once('/')?;
            let body: Value = serde_json::from_str(&row.body).ok()?;
            let judged = Judged::parse(body.get("judged")?.as_str()?)?;
            let shift =
                Shift { until_ms: body.get("until_ms")?.as_i64()?, heads: body.get("heads")?.as_u64()?, judged };
            Some(((Post::parse(post)?, from_ms.parse().ok()?), shift))
        };
        let on = |row: &StateRow| {
            let post = Post::parse(row.key.strip_prefix(SHIFT)?)?;
            Some((post, row.body.parse().ok()?))
        };
        Self {
            planned: rows.iter().filter_map(planned).collect(),
            on: rows.iter().filter_map(on).collect(),
            look_us: 0,
        }
    }

    /// A person plans a shift, or begins or ends one. What states it; or why it cannot be taken.
    pub fn report(&mut self, now: &Now, duty: &Duty) -> Result<Vec<Statement>, String> {
        let post = &duty.post;
        match duty.said {
            Said::Planned { from_ms, until_ms, heads } => self.plan(now, post, from_ms, (until_ms, heads)),
            Said::Cancelled { from_ms } => self.cancel(post, from_ms),
            Said::Begun => self.begin(post),
            Said::Ended => self.end(now, post),
        }
    }

    fn plan(
        &mut self,
        now: &Now,
        post: &Post,
        from_ms: i64,
        (until_ms, heads): (i64, u64),
    ) -> Result<Vec<Statement>, String> {
        if let Some(now_ms) = now.judged_ms() {
            if from_ms < now_ms - GRACE_MS {
                return Err("from is more than 15 minutes ago: plan what is still to come".to_owned());
            }
            if from_ms > now_ms + AHEAD_MS {
                return Err("from is more than 60 days ahead: plan it when it comes nearer".to_owned());
            }
        }
        let key = (post.clone(), from_ms);
        let others = self.planned.iter().filter(|(other, _)| other.0 == *post && **other != key);
        let overlaps = |(other, shift): &(&(Post, i64), &Shift)| other.1 < until_ms && from_ms < shift.until_ms;
        if let Some((other, _)) = others.into_iter().find(overlaps) {
            let from = moment(other.1);
            return Err(format!(
                "{post} has a shift from {from} that overlaps: cancel that one, or let this one follow"
            ));
        }
        if self.planned.len() >= PLANNED && !self.planned.contains_key(&key) {
            return Err(format!("{PLANNED} shifts are planned already: plan this one when some are over"));
        }
        let shift = Shift { until_ms, heads, judged: Judged::Open };
        let stated = shift.statement(Kind::ShiftPlanned, Severity::Info, (post, from_ms));
        self.planned.insert(key, shift);
        Ok(vec![stated])
    }

    fn cancel(&mut self, post: &Post, from_ms: i64) -> Result<Vec<Statement>, String> {
        let Some(shift) = self.planned.remove(&(post.clone(), from_ms)) else {
            let planned = self.planned.keys().filter(|(of, _)| of == post).take(4);
            let planned: Vec<String> = planned.map(|(_, from_ms)| moment(*from_ms)).collect();
            let known = if planned.is_empty() { "none is planned there".to_owned() } else { planned.join(", ") };
            return Err(format!("no shift of {post} is planned from {}; those that are: {known}", moment(from_ms)));
        };
        Ok(vec![closed(shift, (post, from_ms), "cancelled")])
    }

    fn begin(&mut self, post: &Post) -> Result<Vec<Statement>, String> {
        let on = self.on.get(post).copied().unwrap_or(0);
        if on == 0 && self.on.len() >= POSTS {
            return Err(format!("{POSTS} posts have somebody on duty already: end those that are over"));
        }
        if on >= HEADS {
            return Err(format!("{HEADS} are on duty at {post} already: end the shifts that are over"));
        }
        self.on.insert(post.clone(), on + 1);
        Ok(vec![counted(Kind::ShiftBegun, post, on + 1)])
    }

    fn end(&mut self, now: &Now, post: &Post) -> Result<Vec<Statement>, String> {
        let Some(left) = self.on.get(post).and_then(|on| on.checked_sub(1)) else {
            return Err(format!("nobody is on duty at {post} by what was reported: begin the shift first"));
        };
        match left {
            0 => drop(self.on.remove(post)),
            left => drop(self.on.insert(post.clone(), left)),
        }
        let mut stated = vec![counted(Kind::ShiftEnded, post, left)];
        let Some(now_ms) = now.judged_ms() else { return Ok(stated) };
        for (key, shift) in self.planned.iter_mut().filter(|((of, _), _)| of == post) {
            let runs = key.1 <= now_ms && now_ms < shift.until_ms - GRACE_MS;
            if runs && shift.judged == Judged::Taken && left < shift.heads {
                shift.judged = Judged::Left;
                let fewer = shift.statement(Kind::ShiftLeft, Severity::Fault, (&key.0, key.1));
                stated.push(with_heads(fewer, left));
            }
        }
        Ok(stated)
    }

    /// Time passed: shifts that were taken or missed by now, and those that are over. Without a trusted time none is.
    pub fn look(&mut self, now: &Now) -> Vec<Statement> {
        self.look_us = now.mono_us.saturating_add(LOOK_US);
        let Some(now_ms) = now.judged_ms() else { return Vec::new() };
        let mut stated = Vec::new();
        for (key, shift) in &mut self.planned {
            let due = key.1.saturating_add(GRACE_MS) <= now_ms && now_ms < shift.until_ms;
            if due && shift.judged == Judged::Open {
                let on = self.on.get(&key.0).copied().unwrap_or(0);
                let (kind, severity, judged) = if on < shift.heads {
                    (Kind::ShiftMissed, Severity::Fault, Judged::Missed)
                } else {
                    (Kind::ShiftTaken, Severity::Info, Judged::Taken)
                };
                shift.judged = judged;
                stated.push(with_heads(shift.statement(kind, severity, (&key.0, key.1)), on));
            }
        }
        let over = self.planned.iter().filter(|(_, shift)| shift.until_ms <= now_ms);
        let over: Vec<(Post, i64)> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            let shift = self.planned.remove(&key).expect("it was found a line above");
            stated.push(closed(shift, (&key.0, key.1), "over"));
        }
        stated
    }

    /// For people: every post with somebody on duty or a planned shift.
    pub fn posts(&self, now: &Now) -> Vec<PostStatus> {
        let names: BTreeSet<&Post> = self.on.keys().chain(self.planned.keys().map(|(post, _)| post)).collect();
        let view = |post: &&Post| {
            let mut shifts = self.planned.iter().filter(|((of, _), _)| of == *post);
            let runs = |from_ms: i64, shift: &Shift| {
                now.judged_ms().is_some_and(|now_ms| from_ms <= now_ms && now_ms < shift.until_ms)
            };
            let running = shifts.clone().find(|(key, shift)| runs(key.1, shift)).map(|(_, shift)| shift);
            PostStatus {
                post: post.as_str().to_owned(),
                on: self.on.get(*post).copied().unwrap_or(0),
                heads: running.map(|shift| shift.heads),
                until_ms: running.map(|shift| shift.until_ms),
                next_ms: shifts.find(|(key, shift)| !runs(key.1, shift)).map(|(key, _)| key.1),
            }
        };
        names.iter().map(view).collect()
    }

    /// The journal has to catch up first.
    pub fn postpone(&mut self, now: &Now) {
        self.look_us = now.mono_us.saturating_add(LOOK_US);
    }

    /// When [`Rota::look`] wants to be asked.
    pub fn deadline(&self) -> Option<u64> {
        (!self.planned.is_empty()).then_some(self.look_us)
    }
}

fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |moment| moment.to_string())
}

fn with_heads(mut statement: Statement, on: u64) -> Statement {
    statement.data.insert("on".into(), on.into());
    statement
}

fn counted(kind: Kind, post: &Post, on: u64) -> Statement {
    Statement::new(kind, Severity::Info, json!({ "post": post.as_str(), "on": on }))
}

fn closed(shift: Shift, key: (&Post, i64), how: &str) -> Statement {
    let mut stated = shift.statement(Kind::ShiftClosed, Severity::Info, key);
    stated.data.insert("how".into(), how.into());
    stated
}

const ROTA: &str = "rota/";
const SHIFT: &str = "shift/";

/// Whether records of a kind tell of shifts.
pub(crate) fn tells(kind: Kind) -> bool {
    kind.as_str().starts_with("shift.")
}

/// The row that a record writes, or drops where there is no body.
pub(crate) fn row(kind: Kind, data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    let post = data.get("post").and_then(Value::as_str)?;
    if matches!(kind, Kind::ShiftBegun | Kind::ShiftEnded) {
        let on = data.get("on").and_then(Value::as_u64)?;
        return Some((format!("{SHIFT}{post}"), (on > 0).then(|| on.into())));
    }
    let from_ms = data.get("from_ms").and_then(Value::as_i64)?;
    let kept =
        ["until_ms", "heads", "judged"].into_iter().filter_map(|name| Some((name.to_owned(), data.get(name)?.clone())));
    let body = (kind != Kind::ShiftClosed).then(|| Value::Object(kept.collect()));
    Some((format!("{ROTA}{post}/{from_ms}"), body))
}

#[cfg(test)]
mod tests;
