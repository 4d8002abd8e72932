//! Commands: short-lived, bound to a record that the gateway wrote a moment ago, so that no clock decides whether one is
//! fresh.

use crate::chain::DRILL_ID_MAX;
use crate::encode::{Header, Link, Name, Signed, Token, assemble, base64url};
use crate::json::Members;
use crate::keys::{OrderKey, PublicKey};
use crate::order::{DRILL_EQUIPMENT_MAX, ORDER_TEXT_MAX};
use crate::refusal::Refusal;
use serde_json::Value;

/// Oldest record that a command may be bound to, in seconds: a command is acted on at once or never.
pub const COMMAND_AGE_MAX_S: u64 = 600;
/// Longest drill that a command may start, in seconds: a working day.
pub const DRILL_MAX_S: u64 = 28_800;

/// What a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The central system.
    pub sms: Name,
    /// The gateway.
    pub gw: Name,
    /// Counts the commands to this gateway, from 1; any higher one is taken.
    pub n: u64,
    /// Number of the record that it is bound to.
    pub seq: u64,
    /// Link of that record.
    pub on: Link,
    /// What is to be done.
    pub act: Act,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A drill begins.
    DrillStart {
        /// Its name, 1 to 64 bytes.
        id: String,
        /// How long at most, 1 to [`DRILL_MAX_S`].
        for_s: u64,
        /// Equipment that takes part, at most [`DRILL_EQUIPMENT_MAX`].
        equipment: Vec<String>,
    },
    /// A drill ends.
    DrillEnd {
        /// Its name.
        id: String,
    },
    /// A heartbeat is wanted now.
    Heartbeat,
}

/// A record that the gateway holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Its link.
    pub link: Link,
    /// How long ago it was written, in seconds; by the boot clock, or the largest number where the boot is another.
    pub age_s: u64,
}

impl Command {
    /// Signs. Refuses what [`Command::verify`] would refuse.
    pub fn sign(&self, key: &OrderKey) -> Result<Signed, Refusal> {
        self.act.bounded()?;
        let payload = format!(
            r#"{{"v":1,"sms":"{}","aud":"{}","n":{},"seq":{},"on":"{}","body":{}}}"#,
            self.sms,
            self.gw,
            self.n,
            self.seq,
            base64url(&self.on),
            self.act.written(),
        );
        Members::read(payload.as_bytes())?;
        let header = Header::Command { sms: &self.sms }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads and verifies under the key for orders. Says nothing about whether it may be acted on: [`Command::judged`]
    /// does.
    pub fn verify(line: &str, key: &PublicKey) -> Result<(Self, Link), Refusal> {
        Self::read(line, Some((key, "order")))
    }

    /// What a command says, for who signed it.
    pub fn claims(line: &str) -> Result<(Self, Link), Refusal> {
        Self::read(line, None)
    }

    fn read(line: &str, key: Option<(&PublicKey, &'static str)>) -> Result<(Self, Link), Refusal> {
        Token::of_central(
            line,
            |sms| Header::Command { sms },
            key,
            |sms, members| {
                members.in_order(&["v", "sms", "aud", "n", "seq", "on", "body"])?;
                let body = members.value("body").ok_or(Refusal::Missing { field: "body" })?;
                let act = Act::read(&body).ok_or(Refusal::Field { field: "body", expected: ACT })?;
                act.bounded()?;
                Ok(Self {
                    sms,
                    gw: members.name("aud")?,
                    n: members.count("n")?,
                    seq: members.count("seq")?,
                    on: members.link("on")?,
                    act,
                })
            },
        )
    }

    /// Whether a verified command may be acted on. `last` is the number of the last one acted on; `record` gives a record
    /// by its number.
    pub fn judged(
        &self,
        sms: &Name,
        gw: &Name,
        last: u64,
        record: impl FnOnce(u64) -> Option<Bound>,
    ) -> Result<(), CommandRefusal> {
        if self.gw != *gw || self.sms != *sms {
            let (found, expected) = (format!("{}/{}", self.sms, self.gw), format!("{sms}/{gw}"));
            return Err(CommandRefusal::Stranger { found, expected });
        }
        if self.n <= last {
            return Err(CommandRefusal::Back { n: self.n, last });
        }
        match record(self.seq) {
            Some(bound) if bound.link != self.on => Err(CommandRefusal::Unbound { seq: self.seq }),
            None => Err(CommandRefusal::Unbound { seq: self.seq }),
            Some(Bound { age_s, .. }) if age_s > COMMAND_AGE_MAX_S => {
                Err(CommandRefusal::Stale { seq: self.seq, age_s })
            }
            Some(_) => Ok(()),
        }
    }
}

const ACT: &str = "drill.start {id, for_s, equipment}, drill.end {id} or heartbeat";

impl Act {
    fn written(&self) -> String {
        match self {
            Self::DrillStart { id, for_s, equipment } => {
                let (id, equipment) = (Value::from(id.as_str()), Value::from(equipment.clone()));
                format!(r#"{{"do":"drill.start","id":{id},"for_s":{for_s},"equipment":{equipment}}}"#)
            }
            Self::DrillEnd { id } => format!(r#"{{"do":"drill.end","id":{}}}"#, Value::from(id.as_str())),
            Self::Heartbeat => r#"{"do":"heartbeat"}"#.into(),
        }
    }

    fn read(body: &Value) -> Option<Self> {
        let map = body.as_object()?;
        let id = || map.get("id").and_then(Value::as_str).map(str::to_owned);
        match (map.get("do")?.as_str()?, map.len()) {
            ("drill.start", 4) => {
                let equipment = map.get("equipment")?.as_array()?.iter();
                let equipment = equipment.map(|id| id.as_str().map(str::to_owned)).collect::<Option<_>>()?;
                Some(Self::DrillStart { id: id()?, for_s: map.get("for_s")?.as_u64()?, equipment })
            }
            ("drill.end", 2) => Some(Self::DrillEnd { id: id()? }),
            ("heartbeat", 1) => Some(Self::Heartbeat),
            _ => None,
        }
    }

    fn bounded(&self) -> Result<(), Refusal> {
        let named = |id: &String| (1..=DRILL_ID_MAX).contains(&id.len());
        let good = match self {
            Self::DrillStart { id, for_s, equipment } => {
                let equipped = equipment.iter().all(|id| (1..=ORDER_TEXT_MAX).contains(&id.len()));
                named(id) && equipped && equipment.len() <= DRILL_EQUIPMENT_MAX && (1..=DRILL_MAX_S).contains(for_s)
            }
            Self::DrillEnd { id } => named(id),
            Self::Heartbeat => true,
        };
        if good { Ok(()) } else { Err(Refusal::Field { field: "body", expected: ACT }) }
    }
}

/// Why a verified command is not acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// For another gateway or of another central system.
    #[error("the command is for {found}, this is {expected}")]
    Stranger {
        /// Central system and gateway as received.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It was acted on, or a later one was.
    #[error("command {n} comes after command {last}")]
    Back {
        /// Its number.
        n: u64,
        /// The last one acted on.
        last: u64,
    },
    /// The record that it names is not here, or is another.
    #[error("the command is bound to a record {seq} that is not in this journal")]
    Unbound {
        /// Number of the record.
        seq: u64,
    },
    /// The record is too old.
    #[error("the command is bound to record {seq}, which is {age_s} s old, more than {COMMAND_AGE_MAX_S} s")]
    Stale {
        /// Number of the record.
        seq: u64,
        /// Its age.
        age_s: u64,
    },
}

impl CommandRefusal {
    /// The word for the rule that was broken.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Stranger { .. } => "stranger",
            Self::Back { .. } => "command-back",
            Self::Unbound { .. } => "command-unbound",
            Self::Stale { .. } => "command-stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(act: Act) -> Command {
        let name = |text| Name::parse(text).unwrap();
        Command { sms: name("sms"), gw: name("gate-7"), n: 4, seq: 90, on: [1; 32], act }
    }

    fn start() -> Act {
        Act::DrillStart { id: "spring".into(), for_s: 900, equipment: vec!["DOOR-1".into()] }
    }

    #[test]
    fn a_command_is_read_back_under_the_key_for_orders_only() {
        let key = OrderKey::from_seed([6; 32]);
        for act in [start(), Act::DrillEnd { id: "spring".into() }, Act::Heartbeat] {
            let signed = command(act.clone()).sign(&key).unwrap();
            assert_eq!(Command::verify(&signed.line, &key.public()).unwrap(), (command(act), signed.link));
            let other = OrderKey::from_seed([7; 32]).public();
            assert_eq!(Command::verify(&signed.line, &other), Err(Refusal::Signature { by: "order" }));
        }
        let long = Act::DrillStart { id: "spring".into(), for_s: DRILL_MAX_S + 1, equipment: vec![] };
        assert!(command(long).sign(&key).is_err());
        assert!(command(Act::DrillEnd { id: String::new() }).sign(&key).is_err());
    }

    #[test]
    fn a_command_is_acted_on_once_and_only_beside_the_record_it_is_bound_to() {
        let (command, name) = (command(start()), |text| Name::parse(text).unwrap());
        let judged = |last, bound| command.judged(&name("sms"), &name("gate-7"), last, |_| bound);
        let fresh = Some(Bound { link: [1; 32], age_s: 600 });
        assert_eq!(judged(3, fresh), Ok(()));
        assert_eq!(judged(4, fresh), Err(CommandRefusal::Back { n: 4, last: 4 }));
        assert_eq!(judged(3, None), Err(CommandRefusal::Unbound { seq: 90 }));
        let other = Some(Bound { link: [2; 32], age_s: 0 });
        assert_eq!(judged(3, other), Err(CommandRefusal::Unbound { seq: 90 }));
        let old = Some(Bound { link: [1; 32], age_s: 601 });
        assert_eq!(judged(3, old), Err(CommandRefusal::Stale { seq: 90, age_s: 601 }));
        let stranger = command.judged(&name("sms"), &name("gate-8"), 3, |_| fresh);
        assert!(matches!(stranger, Err(CommandRefusal::Stranger { .. })));
    }
}
