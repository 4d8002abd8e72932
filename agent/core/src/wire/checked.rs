//! What the journal's side says of lines that came down.

use picket_record::command::Command;
use picket_record::encode::Link;
use picket_record::order::{Judgement, Order};

/// Why a verified order is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unkept {
    /// Its register cannot be read, and never will be. Why, for people.
    Unreadable(String),
    /// Disk, journal or queue are at fault, which says nothing about the order: it may come once more. Why, for people.
    NoPlace(String),
}

impl Unkept {
    /// The word for it in a record, and why.
    pub fn reason(&self) -> (&'static str, &str) {
        match self {
            Self::Unreadable(cause) => ("register", cause),
            Self::NoPlace(cause) => ("disk", cause),
        }
    }
}

/// What lines that came down are.
#[derive(Debug, Clone)]
pub enum Checked {
    /// A verified order that may come into force, or is.
    Order {
        /// What it says.
        order: Box<Order>,
        /// Its link.
        link: Link,
        /// What it is to this gateway.
        judgement: Judgement,
        /// As received.
        line: String,
    },
    /// A verified command for this gateway. Whether it was taken before is not looked at.
    Command {
        /// What it says.
        command: Box<Command>,
        /// Its link.
        link: Link,
        /// Whether it is bound to a young record of this journal; or the word for the rule that was broken, and why.
        judged: Result<(), (&'static str, String)>,
    },
    /// A root document came into force, or is.
    Root {
        /// Version in force.
        ver: u64,
        /// Its hash.
        hash: Link,
    },
    /// Nothing follows from it but a record.
    Refused {
        /// `order`, `command`, `root`, `lines` where it is none of them, or `message` where nobody looked at it.
        what: &'static str,
        /// Its version or number, 0 where it has none that can be believed.
        n: u64,
        /// The word for the rule that was broken.
        reason: &'static str,
        /// For people.
        cause: String,
    },
}
