//! Orders of the central side: what came down, what is in force, whether it is stale, and the drill that runs.
//!
//! Believes nothing by itself: the journal's side verifies each document and says what it is. Refuses whole: a setting
//! that is not known, or a register that cannot be read, leaves everything as it was. A stale order stays in force: a
//! guard system does not fail closed.

mod drill;
mod inbox;
mod settings;
mod taken;

pub use drill::Drill;
pub use inbox::{Downlink, REGISTER_MAX, read};
pub use settings::Settings;

use crate::register::Register;
use crate::statement::Statement;
use crate::time::{Now, s};
use crate::wire::{Checked, Output, StateRow, Unkept};
use inbox::Inbox;
use picket_record::command::{Command, CommandRefusal};
use picket_record::encode::{Link, base64url};
use picket_record::kind::{Kind, Severity};
use picket_record::order::{Judgement, Order, Window};
use serde_json::{Value, json};
use std::collections::VecDeque;
use taken::Taken;

/// Most documents that wait for the one that is with the journal. The central side repeats what did not take effect.
const WAITING_MAX: usize = 8;
/// An order that receipts name, and that is not in force after so long, makes the one in force stale.
const NAMED_US: u64 = s(3_600);
/// Refusals of what anybody may have sent are recorded at once, then at most so often; in between they are counted.
const REFUSED_US: u64 = s(60);
/// Refusals of verified documents, each a different one, that are recorded in that time whatever else is refused: more than
/// the central side has under way, and no journal is filled by repeating old ones.
const VERIFIED_MAX: usize = 8;

/// What came down, and what follows from it.
#[derive(Debug)]
pub struct Orders {
    in_force: Option<InForce>,
    inbox: Inbox,
    waiting: VecDeque<String>,
    /// Waits for the text of its register. Whatever else comes down is looked at meanwhile.
    held: Option<Box<Held>>,
    /// With the journal.
    open: Option<Open>,
    /// Version of the root document in force, 0 for none.
    root: u64,
    /// A version above the one in force, and when a receipt named it first.
    named: Option<(u64, u64)>,
    drill: Option<Drill>,
    taken: Taken,
    refused: u64,
    refused_from: u64,
    /// Verified documents whose refusal was recorded since the minute began: what it is, its number, the rule.
    refused_each: Vec<(&'static str, u64, &'static str)>,
}

/// The order in force.
#[derive(Debug, Clone)]
struct InForce {
    ver: u64,
    /// Not known of what was in force before the start: the journal knows it by then.
    link: Option<Link>,
    exp_ms: i64,
    windows: Vec<Window>,
}

#[derive(Debug)]
enum Open {
    /// Lines are verified.
    Check,
    /// An order is kept beside the journal, so that the record that puts it into force finds it there.
    Keep(Box<Held>),
}

/// A verified order that is to come into force.
#[derive(Debug)]
struct Held {
    order: Order,
    link: Link,
    line: String,
}

/// What the site does with an order.
#[derive(Debug)]
pub struct Applied {
    /// States it; the journal puts it into force with this record.
    pub statement: Statement,
    /// Settings that it gives.
    pub settings: Settings,
    /// The register that it gives.
    pub register: Option<Register>,
}

/// What a verified command asks for.
#[derive(Debug)]
pub enum Commanded {
    /// To be recorded.
    Say(Statement),
    /// A heartbeat, with the number of the command.
    Heartbeat(u64),
}

impl Orders {
    /// From the order in force as the journal kept it. A drill that ran before is over: see [`ended_by_start`].
    pub fn recover(order: Option<&Order>, root: u64, rows: &[StateRow]) -> (Self, Settings) {
        let settings = order.and_then(|order| Settings::read(&order.settings).ok()).unwrap_or_default();
        let orders = Self {
            in_force: order.map(|order| InForce::of(order, None)),
            inbox: Inbox::default(),
            waiting: VecDeque::new(),
            held: None,
            open: None,
            root,
            named: None,
            drill: None,
            taken: Taken::recover(rows),
            refused: 0,
            refused_from: 0,
            refused_each: Vec::new(),
        };
        (orders, settings)
    }

    /// Version in force, 0 for none.
    pub fn version(&self) -> u64 {
        self.in_force.as_ref().map_or(0, |order| order.ver)
    }

    /// When the order in force ends, in milliseconds since 1970 UTC.
    pub fn ends_ms(&self) -> Option<i64> {
        self.in_force.as_ref().map(|order| order.exp_ms)
    }

    /// Version of the root document in force, 0 for none.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// The drill that runs.
    pub fn drill(&self) -> Option<&Drill> {
        self.drill.as_ref()
    }

    /// A message came down.
    pub fn heard(&mut self, content_type: Option<&str>, payload: Vec<u8>) -> Result<Option<Output>, String> {
        match read(content_type, payload)? {
            Downlink::Lines(text) => {
                let held = self.held.as_ref().is_some_and(|held| held.line == text);
                let same = held || self.waiting.contains(&text);
                if !same && self.waiting.len() < WAITING_MAX {
                    self.waiting.push_back(text);
                }
            }
            Downlink::Part(part) => {
                // While lines are looked at, the order that names this text may be among them.
                let judging = self.open.is_some() || !self.waiting.is_empty();
                let wanted = self.held.as_ref().filter(|_| !judging).and_then(|held| held.order.register);
                self.inbox.take(part, wanted.map(|register| register.sha256))?;
            }
        }
        Ok(self.next())
    }

    /// The link is gone: what was not whole comes again from its beginning.
    pub fn link_lost(&mut self) {
        self.inbox = Inbox::default();
        self.waiting.clear();
        self.held = None;
    }

    /// A message that is nothing: recorded, and whatever is under way goes on.
    pub fn misheard(&mut self, now: &Now, cause: &str) -> Vec<Commanded> {
        self.refuse(now, "message", 0, "message", cause)
    }

    /// What the journal is asked next: one thing at a time, an order that is whole first.
    fn next(&mut self) -> Option<Output> {
        if self.open.is_some() {
            return None;
        }
        if let Some(output) = self.whole() {
            return Some(output);
        }
        let text = self.waiting.pop_front()?;
        self.open = Some(Open::Check);
        Some(Output::CheckOrder { text })
    }

    /// Hands the verified order on once the text of its register is whole.
    fn whole(&mut self) -> Option<Output> {
        let register = match &self.held.as_ref()?.order.register {
            None => None,
            Some(wanted) => Some(self.inbox.whole(wanted)?),
        };
        let held = self.held.take()?;
        let output = Output::KeepOrder { line: held.line.clone(), link: held.link, register };
        self.open = Some(Open::Keep(held));
        Some(output)
    }

    /// Takes a verified order, unless a newer one is held already.
    fn hold(&mut self, order: Order, link: Link, line: String) -> Result<(), String> {
        match &self.held {
            Some(held) if held.order.ver > order.ver || held.link == link => Ok(()),
            Some(held) if held.order.ver == order.ver => Err(format!("another order has version {} too", order.ver)),
            Some(_) | None => {
                self.held = Some(Box::new(Held { order, link, line }));
                Ok(())
            }
        }
    }

    /// The journal's side looked at lines: what to record or to do, and what it is asked next.
    pub fn checked(
        &mut self,
        now: &Now,
        trusted_ms: Option<i64>,
        checked: Checked,
    ) -> (Vec<Commanded>, Option<Output>) {
        if matches!(self.open, Some(Open::Check)) {
            self.open = None;
        }
        let said = match checked {
            Checked::Order { order, link, judgement, line } => {
                let ver = order.ver;
                match self.admits(&order, &link, judgement, trusted_ms) {
                    Ok(true) => match self.hold(*order, link, line) {
                        Ok(()) => Vec::new(),
                        Err(cause) => self.refuse(now, "order", ver, "order-twice", &cause),
                    },
                    Ok(false) => Vec::new(),
                    Err((reason, cause)) => self.refuse(now, "order", ver, reason, &cause),
                }
            }
            Checked::Command { command, link, judged } => {
                self.command_checked(now, trusted_ms, (&command, &link), judged)
            }
            Checked::Root { ver, hash } => self.rooted(ver, &hash),
            Checked::Refused { what, n, reason, cause } => self.refuse(now, what, n, reason, &cause),
        };
        (said, self.next())
    }

    /// Whether a verified order is to come into force; `false` where it is already.
    fn admits(
        &self,
        order: &Order,
        link: &Link,
        judgement: Judgement,
        trusted_ms: Option<i64>,
    ) -> Result<bool, (&'static str, String)> {
        // The record that puts it into force may be on its way to the journal still.
        let same = self.in_force.as_ref().is_some_and(|in_force| in_force.link == Some(*link));
        if same || judgement == Judgement::Same {
            return Ok(false);
        }
        if trusted_ms.is_some_and(|ms| order.is_over(ms)) {
            return Err(("order-over", "it had ended before it came".into()));
        }
        Settings::read(&order.settings).map_err(|cause| ("settings", cause))?;
        if order.register.as_ref().is_some_and(|register| register.bytes > REGISTER_MAX as u64) {
            let cause = format!("its register has more than the {REGISTER_MAX} bytes that one may have");
            return Err(("register", cause));
        }
        Ok(true)
    }

    /// A root document came into force, or is. What was verified under another one is looked at anew.
    fn rooted(&mut self, ver: u64, hash: &Link) -> Vec<Commanded> {
        if ver <= self.root {
            return Vec::new();
        }
        self.root = ver;
        self.held = None;
        vec![Commanded::Say(root_applied(ver, hash))]
    }

    /// The order with this link is kept, and its register was read; or it was not. An answer about another order is none.
    pub fn kept(
        &mut self,
        now: &Now,
        link: &Link,
        result: Result<Option<Register>, Unkept>,
    ) -> (Result<Applied, Vec<Commanded>>, Option<Output>) {
        let held = match self.open.take() {
            Some(Open::Keep(held)) if held.link == *link => held,
            other => {
                self.open = other;
                return (Err(Vec::new()), self.next());
            }
        };
        let Held { order, link, .. } = *held;
        let done = match result {
            Ok(register) => Ok(self.apply(now, &order, &link, register)),
            Err(unkept) => {
                let (reason, cause) = unkept.reason();
                Err(self.refuse(now, "order", order.ver, reason, cause))
            }
        };
        (done, self.next())
    }

    fn apply(&mut self, now: &Now, order: &Order, link: &Link, register: Option<Register>) -> Applied {
        self.in_force = Some(InForce::of(order, Some(*link)));
        if let Some(drill) = &mut self.drill {
            drill.ordered(now, order);
        }
        self.named = self.named.filter(|(ver, _)| *ver > order.ver);
        let mut data = json!({
            "ver": order.ver,
            "link": base64url(link),
            "root": order.root,
            "exp_ms": order.exp_ms,
            "settings": order.settings.len(),
            "drills": order.drills.len(),
        });
        if let Some(register) = &order.register {
            data["register"] = json!({ "sha256": base64url(&register.sha256), "bytes": register.bytes });
        }
        let settings = Settings::read(&order.settings).unwrap_or_default();
        Applied { statement: Statement::new(Kind::OrderApplied, Severity::Notice, data), settings, register }
    }

    fn refuse(&mut self, now: &Now, what: &'static str, n: u64, reason: &'static str, cause: &str) -> Vec<Commanded> {
        self.refused += 1;
        let paused = now.mono_us < self.refused_from;
        if !paused {
            self.refused_from = now.mono_us + REFUSED_US;
            self.refused_each.clear();
        }
        // A number is given of verified documents alone.
        let document = (what, n, reason);
        let is_new = n > 0 && self.refused_each.len() < VERIFIED_MAX && !self.refused_each.contains(&document);
        if paused && !is_new {
            return Vec::new();
        }
        self.refused_each.extend(is_new.then_some(document));
        let cause: String = cause.chars().take(CAUSE_MAX).collect();
        let times = std::mem::take(&mut self.refused);
        let mut data = json!({ "what": what, "n": n, "reason": reason, "cause": cause, "times": times });
        // A command that was verified is used up, whatever followed.
        if what == "command" && reason == DRILL {
            data["command"] = n.into();
        }
        vec![Commanded::Say(Statement::new(Kind::OrderRejected, Severity::Security, data))]
    }

    /// A verified command that comes once more is passed over only where a record answers it.
    fn command_checked(
        &mut self,
        now: &Now,
        trusted_ms: Option<i64>,
        (command, link): (&Command, &Link),
        judged: Result<(), (&'static str, String)>,
    ) -> Vec<Commanded> {
        let n = command.n;
        if self.taken.knows(n, link) {
            return Vec::new();
        }
        if let Some(last) = self.taken.passed(n) {
            let refusal = CommandRefusal::Back { n, last };
            return self.refuse(now, "command", n, refusal.reason(), &refusal.to_string());
        }
        if let Err((reason, cause)) = judged {
            return self.refuse(now, "command", n, reason, &cause);
        }
        let said = self.command(now, trusted_ms, command, link);
        if !said.is_empty() {
            self.taken.note(n, *link);
        }
        said
    }

    fn command(&mut self, now: &Now, trusted_ms: Option<i64>, command: &Command, link: &Link) -> Vec<Commanded> {
        use picket_record::command::Act;
        match &command.act {
            Act::Heartbeat => vec![Commanded::Heartbeat(command.n)],
            Act::DrillStart { id, for_s, equipment } => {
                let windows = self.in_force.iter().flat_map(|order| &order.windows);
                match Drill::begin(now, trusted_ms, windows, (id, *for_s, equipment), *link) {
                    Ok(drill) => {
                        let mut said =
                            self.end_drill(now, "another drill").map(Commanded::Say).into_iter().collect::<Vec<_>>();
                        said.push(Commanded::Say(drill.statement(command.n)));
                        self.drill = Some(drill);
                        said
                    }
                    Err(cause) => self.refuse(now, "command", command.n, DRILL, &cause),
                }
            }
            Act::DrillEnd { id } => match self.drill.take_if(|drill| drill.id == *id) {
                Some(drill) => {
                    let mut ended = drill.ended(now, "command");
                    ended.data.insert("command".into(), command.n.into());
                    vec![Commanded::Say(ended)]
                }
                None => self.refuse(now, "command", command.n, DRILL, &format!("no drill {id:?} runs")),
            },
        }
    }

    fn end_drill(&mut self, now: &Now, why: &str) -> Option<Statement> {
        self.drill.take().map(|drill| drill.ended(now, why))
    }

    /// Time passed: the end of a drill that was not ended by a command.
    pub fn timeout(&mut self, now: &Now) -> Option<Statement> {
        let why = self.drill.as_ref().and_then(|drill| drill.over(now))?;
        self.end_drill(now, why)
    }

    /// When [`Orders::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        self.drill.as_ref().map(|drill| drill.until_us)
    }

    /// A receipt names the newest order that there is.
    pub fn named(&mut self, now: &Now, ver: u64) {
        self.named = match self.named {
            _ if ver <= self.version() => None,
            Some((_, since)) => Some((ver, since)),
            None => Some((ver, now.mono_us)),
        };
    }

    /// Why what is in force is stale, if it is.
    pub fn stale(&self, now: &Now, trusted_ms: Option<i64>) -> Option<&'static str> {
        let over = |order: &InForce| trusted_ms.is_some_and(|ms| ms >= order.exp_ms);
        if self.in_force.as_ref().is_some_and(over) {
            return Some("expired");
        }
        self.named.filter(|(_, since)| now.mono_us >= since + NAMED_US).map(|_| "a newer one did not arrive")
    }
}

/// Why a verified command is not acted on.
const DRILL: &str = "drill";
/// Longest cause that a record quotes, in characters.
const CAUSE_MAX: usize = 500;

impl InForce {
    fn of(order: &Order, link: Option<Link>) -> Self {
        Self { ver: order.ver, link, exp_ms: order.exp_ms, windows: order.drills.clone() }
    }
}

/// States a root document that is in force from here on.
pub fn root_applied(ver: u64, hash: &Link) -> Statement {
    Statement::new(Kind::RootApplied, Severity::Notice, json!({ "ver": ver, "hash": base64url(hash) }))
}

/// The row of a drill that ran when the agent ended: it is over with the start, so that none outlives its watchers.
pub fn ended_by_start(now: &Now, row: Option<&Value>) -> Option<Statement> {
    let id = row?.get("id")?.as_str()?;
    let auth = row?.get("auth")?.as_str()?;
    let data = json!({ "id": id, "auth": auth, "why": "restart", "ended_ms": now.utc_ms });
    Some(Statement::new(Kind::ExerciseEnded, Severity::Notice, data))
}

#[cfg(test)]
mod tests;
