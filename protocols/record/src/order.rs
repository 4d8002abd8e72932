//! Orders: the register, the settings and the drills of one gateway, as one whole document.
//!
//! Refuses by itself everything that needs neither a clock nor a store: another gateway, a version that goes back, a
//! second document under one version. Whether it has ended is asked with a time that the caller trusts.

use crate::encode::{Header, Link, Name, Signed, Token, assemble, base64url, bytes32};
use crate::json::{INTEGER_MAX, Members};
use crate::keys::{OrderKey, PublicKey};
use crate::refusal::Refusal;
use crate::root::Roots;
use crate::wall;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Most drills in one order.
pub const DRILLS_MAX: usize = 16;
/// Most pieces of equipment in one drill.
pub const DRILL_EQUIPMENT_MAX: usize = 64;
/// Most settings in one order.
pub const SETTINGS_MAX: usize = 64;
/// Longest text in a setting, and longest equipment id, in bytes.
pub const ORDER_TEXT_MAX: usize = 256;

const FIELDS: [&str; 11] = ["v", "sms", "aud", "ver", "prev", "iat", "exp", "root", "register", "settings", "drills"];

/// What an order says.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The central system.
    pub sms: Name,
    /// The gateway.
    pub gw: Name,
    /// Version, from 1; the next one of the same key is higher.
    pub ver: u64,
    /// Link of the order before; of the acceptance for the first.
    pub prev: Link,
    /// When it was signed, in milliseconds since 1970 UTC.
    pub iat_ms: i64,
    /// When it ends, in milliseconds since 1970 UTC. What is in force stays in force; it is only stale then.
    pub exp_ms: i64,
    /// Version of the root document that named the key.
    pub root: u64,
    /// The register, whose text travels beside the order; `None` leaves the register as it is.
    pub register: Option<Register>,
    /// Settings by their names, each an integer, a truth value or a text. A gateway refuses the whole order where it does
    /// not know a name.
    pub settings: Map<String, Value>,
    /// Windows in which drills may be held, at most [`DRILLS_MAX`].
    pub drills: Vec<Window>,
}

/// A register by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
    /// Size of its text.
    pub bytes: u64,
}

/// When and with what a drill may be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Name of the drill, 1 to 64 bytes.
    pub id: String,
    /// Begin, in milliseconds since 1970 UTC.
    pub from_ms: i64,
    /// End, in milliseconds since 1970 UTC.
    pub to_ms: i64,
    /// Equipment that takes part, at most [`DRILL_EQUIPMENT_MAX`].
    pub equipment: Vec<String>,
}

impl Order {
    /// Signs. Refuses what [`Order::verify`] would refuse.
    pub fn sign(&self, key: &OrderKey) -> Result<Signed, Refusal> {
        self.bounded()?;
        let payload = self.payload()?;
        Members::read(payload.as_bytes())?;
        let header = Header::Order { sms: &self.sms }.encoded();
        Ok(assemble(&header, payload.as_bytes(), |input| key.sign(input)))
    }

    /// Reads and verifies under the key for orders. Says nothing about whether it may come into force:
    /// [`Order::judged`] does.
    pub fn verify(line: &str, key: &PublicKey) -> Result<(Self, Link), Refusal> {
        Token::of_central(line, |sms| Header::Order { sms }, Some((key, "order")), Self::from_members)
    }

    /// What an order says, for who signed it.
    pub fn claims(line: &str) -> Result<(Self, Link), Refusal> {
        Token::of_central(line, |sms| Header::Order { sms }, None, Self::from_members)
    }

    /// Whether it has ended, by a clock that the reader trusts.
    pub fn is_over(&self, trusted_ms: i64) -> bool {
        trusted_ms >= self.exp_ms
    }

    /// Whether an order may follow what is in force. It was verified with the order key of the newest of `roots`, which the
    /// version that it names must have too: whoever reads it later verifies it with that one's.
    pub fn judged(&self, link: &Link, roots: &Roots, gw: &Name, last: &InForce) -> Result<Judgement, OrderRefusal> {
        let root = roots.in_force();
        if self.gw != *gw || self.sms != root.sms {
            let (found, expected) = (format!("{}/{}", self.sms, self.gw), format!("{}/{gw}", root.sms));
            return Err(OrderRefusal::Stranger { found, expected });
        }
        if self.root > root.ver {
            return Err(OrderRefusal::RootFirst { needed: self.root, known: root.ver });
        }
        if roots.version(self.root).is_none_or(|named| named.order != root.order) {
            return Err(OrderRefusal::RootPast { named: self.root, known: root.ver });
        }
        if self.ver < root.order_floor {
            return Err(OrderRefusal::BelowFloor { ver: self.ver, floor: root.order_floor });
        }
        if last.key.as_ref().is_some_and(|key| *key != root.order) {
            // The key before was withdrawn: whatever numbers it used up, they no longer bind.
            return Ok(Judgement::Next);
        }
        if self.ver == last.ver {
            return match *link == last.link {
                true => Ok(Judgement::Same),
                false => Err(OrderRefusal::Twice { ver: self.ver }),
            };
        }
        if self.ver < last.ver {
            return Err(OrderRefusal::Back { ver: self.ver, last: last.ver });
        }
        if self.ver == last.ver + 1 && self.prev != last.link {
            return Err(OrderRefusal::Prev { ver: self.ver });
        }
        Ok(Judgement::Next)
    }

    fn payload(&self) -> Result<String, Refusal> {
        let mut text = format!(
            r#"{{"v":1,"sms":"{}","aud":"{}","ver":{},"prev":"{}","iat":"{}","exp":"{}","root":{}"#,
            self.sms,
            self.gw,
            self.ver,
            base64url(&self.prev),
            wall::written(self.iat_ms, "iat")?,
            wall::written(self.exp_ms, "exp")?,
            self.root,
        );
        let mut add = |part: String| text.write_str(&part).expect("writing to a text never fails");
        if let Some(Register { sha256, bytes }) = &self.register {
            add(format!(r#","register":{{"sha256":"{}","bytes":{bytes}}}"#, base64url(sha256)));
        }
        if !self.settings.is_empty() {
            add(format!(r#","settings":{}"#, Value::Object(self.settings.clone())));
        }
        let mut before = r#","drills":["#;
        for drill in &self.drills {
            let (id, equipment) = (Value::from(drill.id.as_str()), Value::from(drill.equipment.clone()));
            let (from, to) = (wall::written(drill.from_ms, "from")?, wall::written(drill.to_ms, "to")?);
            add(format!(r#"{before}{{"id":{id},"from":"{from}","to":"{to}","equipment":{equipment}}}"#));
            before = ",";
        }
        add(if self.drills.is_empty() { "}".into() } else { "]}".into() });
        Ok(text)
    }

    fn from_members(sms: Name, members: &Members<'_>) -> Result<Self, Refusal> {
        members.in_order(&FIELDS)?;
        let order = Self {
            sms,
            gw: members.name("aud")?,
            ver: members.count("ver")?,
            prev: members.link("prev")?,
            iat_ms: members.moment("iat")?,
            exp_ms: members.moment("exp")?,
            root: members.count("root")?,
            register: members.value("register").map(|value| register(&value)).transpose()?,
            settings: match members.value("settings") {
                None => Map::new(),
                Some(Value::Object(map)) => map,
                Some(_) => return Err(Refusal::Field { field: "settings", expected: SETTINGS }),
            },
            drills: members.value("drills").map_or(Ok(Vec::new()), |value| drills(&value))?,
        };
        order.bounded()?;
        Ok(order)
    }

    fn bounded(&self) -> Result<(), Refusal> {
        if self.ver == 0 || self.ver > INTEGER_MAX {
            return Err(Refusal::Field { field: "ver", expected: "an integer from one" });
        }
        if self.iat_ms >= self.exp_ms {
            return Err(Refusal::Field { field: "exp", expected: "later than iat" });
        }
        let plain = |value: &Value| match value {
            Value::Bool(_) | Value::Number(_) => true,
            Value::String(text) => text.len() <= ORDER_TEXT_MAX,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if self.settings.len() > SETTINGS_MAX || !self.settings.values().all(plain) {
            return Err(Refusal::Field { field: "settings", expected: SETTINGS });
        }
        if self.drills.len() > DRILLS_MAX || !self.drills.iter().all(Window::is_bounded) {
            return Err(Refusal::Field { field: "drills", expected: DRILLS });
        }
        Ok(())
    }
}

impl Window {
    /// Whether a moment lies in it.
    pub fn holds(&self, ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&ms)
    }

    fn is_bounded(&self) -> bool {
        let id = (1..=crate::chain::DRILL_ID_MAX).contains(&self.id.len());
        let equipment = self.equipment.iter().all(|id| (1..=ORDER_TEXT_MAX).contains(&id.len()));
        id && equipment && self.equipment.len() <= DRILL_EQUIPMENT_MAX && self.from_ms < self.to_ms
    }
}

const SETTINGS: &str = "an object of at most 64 integers, truth values and texts";
const DRILLS: &str = "at most 16 drills {id, from, to, equipment}";

fn register(value: &Value) -> Result<Register, Refusal> {
    let refused = Refusal::Field { field: "register", expected: "a register by sha256 and bytes" };
    let map = value.as_object().filter(|map| map.len() == 2).ok_or(refused.clone())?;
    let bytes = map.get("bytes").and_then(Value::as_u64).ok_or(refused.clone())?;
    let sha256 = map.get("sha256").and_then(Value::as_str).ok_or(refused)?;
    Ok(Register { sha256: bytes32(sha256, "sha256")?, bytes })
}

fn drills(value: &Value) -> Result<Vec<Window>, Refusal> {
    let refused = || Refusal::Field { field: "drills", expected: DRILLS };
    let list = value.as_array().filter(|list| list.len() <= DRILLS_MAX).ok_or_else(refused)?;
    let window = |row: &Value| {
        let map = row.as_object().filter(|map| map.len() == 4)?;
        let moment = |field| map.get(field).and_then(Value::as_str).and_then(wall::from_text);
        let equipment = map.get("equipment")?.as_array()?.iter();
        Some(Window {
            id: map.get("id")?.as_str()?.to_owned(),
            from_ms: moment("from")?,
            to_ms: moment("to")?,
            equipment: equipment.map(|id| id.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        })
    };
    list.iter().map(|row| window(row).ok_or_else(refused)).collect()
}

/// The order that a gateway holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its version; 0 before the first.
    pub ver: u64,
    /// Its link; of the acceptance before the first.
    pub link: Link,
    /// The key that it was verified with; `None` before the first.
    pub key: Option<PublicKey>,
}

impl InForce {
    /// Before the first order.
    pub fn nothing(acceptance: Link) -> Self {
        Self { ver: 0, link: acceptance, key: None }
    }
}

/// What a verified order is to a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It may come into force.
    Next,
    /// It is in force.
    Same,
}

/// Why a verified order does not come into force. What was in force stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// For another gateway or of another central system.
    #[error("the order is for {found}, this is {expected}")]
    Stranger {
        /// Central system and gateway as received.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It was made under a root document that is not known here.
    #[error("the order needs version {needed} of the root document, known is {known}")]
    RootFirst {
        /// Named in the order.
        needed: u64,
        /// In force here.
        known: u64,
    },
    /// It names a version of the root document whose order key is not the one in force.
    #[error(
        "the order names version {named} of the root document, whose key for orders is not that of version {known}"
    )]
    RootPast {
        /// Named in the order.
        named: u64,
        /// In force here.
        known: u64,
    },
    /// Below the lowest version that the root document allows.
    #[error("the order has version {ver}, the root document allows {floor} and higher")]
    BelowFloor {
        /// Its version.
        ver: u64,
        /// The lowest.
        floor: u64,
    },
    /// Two orders have one version: somebody else may hold the key.
    #[error("another order has version {ver} too")]
    Twice {
        /// The version.
        ver: u64,
    },
    /// An older version.
    #[error("the order has version {ver}, in force is {last}")]
    Back {
        /// Its version.
        ver: u64,
        /// The version in force.
        last: u64,
    },
    /// The next version does not name the one in force.
    #[error("order {ver} does not name the order before it")]
    Prev {
        /// Its version.
        ver: u64,
    },
}

impl OrderRefusal {
    /// The word for the rule that was broken.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Stranger { .. } => "stranger",
            Self::RootFirst { .. } | Self::RootPast { .. } => "order-root",
            Self::BelowFloor { .. } => "order-floor",
            Self::Twice { .. } => "order-twice",
            Self::Back { .. } => "order-back",
            Self::Prev { .. } => "order-prev",
        }
    }
}

#[cfg(test)]
mod tests;
