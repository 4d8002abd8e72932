//! What one gateway has of what goes down to it, by the word of its own records: the order in force, commands answered,
//! the root document, and what it refused. Decides what is worth sending again, and when.

use crate::store::{About, Answer};
use picket_record::chain::Parsed;
use picket_record::encode::Link;
use picket_record::kind::Kind;
use serde_json::Value;

/// What did not take effect is sent again after so long, then after twice as long each time: a register is up to a
/// mebibyte, and a gateway that does not answer has a reason.
const AGAIN_MS: u64 = 30_000;
/// At least so often.
const AGAIN_MAX_MS: u64 = 3_600_000;
/// A gateway that asks is sent root documents no sooner than this after the last time: it asks unsigned.
const ROOT_FLOOR_MS: u64 = 5_000;
/// A gateway that states no version is sent root documents so often after a start or a question: a message can be lost at
/// a full broker, and a gateway that lacks the newest document may refuse every receipt.
const ROOT_UNSTATED: u32 = 4;
/// Longest cause that is kept, in characters.
const CAUSE_MAX: usize = 500;
/// Refusals that say nothing about the document: it is sent again.
const PASSING: [&str; 2] = ["disk", "order-root"];

/// What one gateway has of what was ordered.
#[derive(Debug, Default)]
pub(super) struct Down {
    /// Version and link of the newest order.
    newest: Option<(u64, Link)>,
    /// Number of the newest command.
    commanded: u64,
    /// Version that its records say is in force.
    in_force: u64,
    /// Version of an order that it refused, and will refuse again.
    refused: Option<u64>,
    /// Number of the newest command that its records answer.
    answered: u64,
    /// Version of the root document in force, where its records say so.
    root: Option<u64>,
    /// Newest version of the root document that it refused since the start; the largest number where it has none at all.
    root_refused: Option<u64>,
    /// It asked, and has not been sent the root documents since.
    asked: bool,
    sent_ms: Option<u64>,
    tries: u32,
    root_ms: Option<u64>,
    root_tries: u32,
}

impl Down {
    /// From its last words.
    pub(super) fn recover(answers: &[(Answer, i64)]) -> Self {
        let of = |about| answers.iter().map(|(answer, _)| answer).find(|answer| answer.about == about);
        let since = of(About::Order).map_or(0, |order| order.seq);
        let refused = of(About::OrderRefused).filter(|no| no.seq > since && is_final(&no.reason));
        let commands = [of(About::Command), of(About::CommandRefused).filter(|no| is_final(&no.reason))];
        Self {
            in_force: of(About::Order).map_or(0, |order| order.n),
            refused: refused.map(|no| no.n),
            answered: commands.into_iter().flatten().map(|answer| answer.n).max().unwrap_or(0),
            root: of(About::Root).map(|root| root.n),
            ..Self::default()
        }
    }

    /// What receipts say of it.
    pub(super) fn newest(&self) -> Option<(u64, Link)> {
        self.newest
    }

    /// What is newest in the store; what is new there is sent without waiting. Whether anything is.
    pub(super) fn heed(&mut self, newest: Option<(u64, Link)>, commanded: u64) -> bool {
        let is_new = newest != self.newest || commanded != self.commanded;
        if is_new {
            (self.newest, self.commanded) = (newest, commanded);
            self.begin_again();
        }
        is_new
    }

    /// The gateway asks for its last receipt: its link is new, and what was sent before may be lost.
    pub(super) fn asked(&mut self) {
        self.asked = true;
        self.tries = self.tries.min(1);
        self.root_tries = self.root_tries.min(1);
    }

    /// Whether it is time to look for what has not taken effect.
    pub(super) fn is_due(&self, mono_ms: u64) -> bool {
        is_time(self.sent_ms, self.tries, mono_ms)
    }

    /// It was looked for, and found or not.
    pub(super) fn looked(&mut self, mono_ms: u64, found: bool) {
        self.sent_ms = Some(mono_ms);
        self.tries = if found { self.tries.saturating_add(1) } else { 0 };
    }

    /// The order that is to be sent: not in force, and not refused for good.
    pub(super) fn wants_order(&self) -> bool {
        self.newest.is_some_and(|(ver, _)| ver != self.in_force && Some(ver) != self.refused)
    }

    /// Commands above this number are to be sent, if there are any.
    pub(super) fn wants_commands(&self) -> Option<u64> {
        (self.commanded > self.answered).then_some(self.answered)
    }

    /// Whether root documents up to this version go down, beside something else or by themselves.
    pub(super) fn wants_root(&mut self, ver: u64, beside: bool, mono_ms: u64) -> bool {
        // Version 1 is what a gateway was enrolled with.
        if ver <= 1 || self.root.is_some_and(|has| has >= ver) {
            self.asked = false;
            return false;
        }
        let floor = self.root_ms.is_none_or(|sent| mono_ms.saturating_sub(sent) >= ROOT_FLOOR_MS);
        let may = self.root_refused.is_none_or(|no| no < ver);
        let again = may && (self.root.is_some() || self.root_tries < ROOT_UNSTATED);
        let wants =
            (self.asked && floor) || (beside && may) || (again && is_time(self.root_ms, self.root_tries, mono_ms));
        if wants {
            self.asked = false;
            self.root_ms = Some(mono_ms);
            self.root_tries = self.root_tries.saturating_add(1);
        }
        wants
    }

    /// A record that its chain has reached; what is to be kept of it.
    pub(super) fn seen(&mut self, record: &Parsed<'_>) -> Vec<Answer> {
        let kinds = [Kind::OrderApplied, Kind::Heartbeat, Kind::ExerciseStarted, Kind::ExerciseEnded];
        if record.kind == Kind::OrderRejected {
            return self.rejected(record);
        }
        if !kinds.contains(&record.kind) {
            return Vec::new();
        }
        let data = record.data();
        let number = |field: &str| data.get(field).and_then(Value::as_u64);
        let mut answers = Vec::new();
        let mut say = |about, n| {
            answers.push(Answer { about, n, seq: record.seq, reason: String::new(), cause: String::new() });
        };
        let order = if record.kind == Kind::OrderApplied { number("ver") } else { number("order") };
        if let Some(ver) = order.filter(|ver| *ver != self.in_force) {
            self.in_force = ver;
            // Whatever it refused, it refused beside another order.
            self.refused = None;
            self.begin_again();
            say(About::Order, ver);
        }
        // An order names the version that it was made under: the gateway has at least that.
        let root = number("root")
            .map(|ver| if record.kind == Kind::Heartbeat { ver } else { ver.max(self.root.unwrap_or(0)) });
        if let Some(ver) = root.filter(|ver| Some(*ver) != self.root) {
            self.root = Some(ver);
            self.root_tries = 0;
            say(About::Root, ver);
        }
        if let Some(n) = number("command").filter(|n| *n > self.answered) {
            self.answered = n;
            say(About::Command, n);
        }
        answers
    }

    /// A record that came late, into a hole; what is to be kept of it: of each matter only what no later record, kept here,
    /// has spoken of, and no version below the one known. Where that is in doubt the next heartbeat says it.
    pub(super) fn seen_late(&mut self, record: &Parsed<'_>, known: &[(Answer, i64)]) -> Vec<Answer> {
        let mut said = Self::default().seen(record);
        let is_passed = |about: About, seq| known.iter().any(|(one, _)| one.about == about && one.seq > seq);
        said.retain(|answer| {
            let newer = match answer.about {
                About::Order => answer.n > self.in_force,
                About::Root => self.root.is_none_or(|has| answer.n > has),
                About::Command => answer.n > self.answered,
                About::OrderRefused => !is_passed(About::Order, answer.seq),
                About::CommandRefused | About::RootRefused => true,
            };
            newer && !is_passed(answer.about, answer.seq)
        });
        for answer in &said {
            let is_final = is_final(&answer.reason);
            match answer.about {
                About::Order => {
                    self.in_force = answer.n;
                    self.refused = None;
                }
                About::Root => self.root = Some(answer.n),
                About::Command => self.answered = answer.n,
                About::OrderRefused if answer.n > 0 && is_final => self.refused = Some(answer.n),
                About::CommandRefused if is_final => self.answered = self.answered.max(answer.n),
                // What it has, it says with every heartbeat.
                About::OrderRefused | About::CommandRefused | About::RootRefused => {}
            }
        }
        said
    }

    fn rejected(&mut self, record: &Parsed<'_>) -> Vec<Answer> {
        let data = record.data();
        let text = |field: &str| data.get(field).and_then(Value::as_str).unwrap_or_default();
        let n = data.get("n").and_then(Value::as_u64).unwrap_or(0);
        let reason = text("reason");
        let about = match text("what") {
            "order" => About::OrderRefused,
            "command" => About::CommandRefused,
            "root" | "lines" => About::RootRefused,
            _ => return Vec::new(),
        };
        match about {
            About::OrderRefused if n > 0 && is_final(reason) => self.refused = Some(n),
            About::CommandRefused if is_final(reason) => self.answered = self.answered.max(n),
            About::RootRefused if is_final(reason) => {
                self.root_refused = Some(if text("what") == "lines" { u64::MAX } else { n });
            }
            _ => {}
        }
        let cause = text("cause").chars().take(CAUSE_MAX).collect();
        vec![Answer { about, n, seq: record.seq, reason: reason.chars().take(CAUSE_MAX).collect(), cause }]
    }

    fn begin_again(&mut self) {
        self.sent_ms = None;
        self.tries = 0;
    }
}

fn is_final(reason: &str) -> bool {
    !PASSING.contains(&reason)
}

fn is_time(sent_ms: Option<u64>, tries: u32, mono_ms: u64) -> bool {
    let wait = AGAIN_MS << tries.saturating_sub(1).min(7);
    sent_ms.is_none_or(|sent| mono_ms.saturating_sub(sent) >= wait.min(AGAIN_MAX_MS))
}
