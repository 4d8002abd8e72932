//! Receipts: what a central system has verified and stored, signed. Only a receipt lets a gateway dispose of a record.

use crate::encode::{Header, Link, Name, Signed, Token, assemble, base64url, bytes32};
use crate::json::{INTEGER_MAX, Members};
use crate::keys::{PublicKey, ReceiptKey};
use crate::refusal::Refusal;
use crate::wall;
use serde_json::Value;
use std::fmt::Write as _;

/// Ranges in `have` and in `resend`: enough for any real disorder, and a receipt stays far below the payload limit.
pub const RANGES_MAX: usize = 32;

/// How the central system sees the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Without a hole.
    Ok,
    /// Records are missing below some that are there.
    Gap,
    /// Two histories exist.
    Fork,
    /// Something was refused: a signature, a broken chain, an unreadable line.
    Bad,
    /// The gateway is no longer trusted.
    Revoked,
}

impl State {
    /// The word in the receipt.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Bad => "bad",
            Self::Revoked => "revoked",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Gap, Self::Fork, Self::Bad, Self::Revoked].into_iter().find(|state| state.as_str() == text)
    }
}

/// A range of record numbers, both ends included.
pub type Range = (u64, u64);

/// A number with a link: where to go on after a fork, or a document in force.
pub type Mark = (u64, Link);

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The central system.
    pub sms: Name,
    /// The gateway.
    pub gw: Name,
    /// Counts the receipts of this gateway, from 1.
    pub n: u64,
    /// Link of receipt `n - 1`; of the acceptance for the first.
    pub prev: Link,
    /// Records 1 to `upto` are verified and stored without a hole.
    pub upto: u64,
    /// Link of record `upto`; of the acceptance while that is 0.
    pub head: Link,
    /// Epoch of record `upto`, 0 while that is 0.
    pub ep: u64,
    /// When record `upto` was stored, in milliseconds since 1970 UTC.
    pub received_ms: i64,
    /// When the receipt was signed, in milliseconds since 1970 UTC.
    pub ts_ms: i64,
    /// How the chain is seen.
    pub state: State,
    /// Ranges beyond `upto` that are stored already; at most [`RANGES_MAX`], rising.
    pub have: Vec<Range>,
    /// Ranges that are asked for again; at most [`RANGES_MAX`], rising.
    pub resend: Vec<Range>,
    /// Record after which the gateway must open its next epoch.
    pub rebase: Option<Mark>,
    /// Newest register of this gateway.
    pub register: Option<Mark>,
    /// Newest settings of this gateway.
    pub settings: Option<Mark>,
}

impl Receipt {
    /// Signs. Ranges past [`RANGES_MAX`] are left out.
    pub fn sign(&self, key: &ReceiptKey) -> Signed {
        let header = Header::Receipt { sms: &self.sms }.encoded();
        assemble(&header, self.payload().as_bytes(), |input| key.sign(input))
    }

    /// Reads and verifies a receipt for one gateway, under the key pinned from its acceptance.
    pub fn verify(line: &str, key: &PublicKey, gw: &Name) -> Result<(Self, Link), Refusal> {
        let key = Some((key, "receipt"));
        let (receipt, link) = Token::of_central(line, |sms| Header::Receipt { sms }, key, Self::from_members)?;
        if receipt.gw != *gw {
            return Err(Refusal::Stranger { found: receipt.gw.to_string(), expected: gw.to_string() });
        }
        Ok((receipt, link))
    }

    /// The payload, in the order of the format.
    fn payload(&self) -> String {
        let mut text = format!(
            r#"{{"v":1,"sms":"{}","gw":"{}","n":{},"prev":"{}","upto":{},"head":"{}","ep":{},"received":{},"ts":{},"state":"{}""#,
            self.sms,
            self.gw,
            self.n,
            base64url(&self.prev),
            self.upto,
            base64url(&self.head),
            self.ep,
            moment(self.received_ms),
            moment(self.ts_ms),
            self.state.as_str(),
        );
        for (field, ranges) in [("have", &self.have), ("resend", &self.resend)] {
            let ranges: Vec<String> = ranges.iter().take(RANGES_MAX).map(|(a, b)| format!("[{a},{b}]")).collect();
            write!(text, r#","{field}":[{}]"#, ranges.join(",")).expect("writing to a text never fails");
        }
        for (field, mark) in [("rebase", self.rebase), ("register", self.register), ("settings", self.settings)] {
            if let Some((n, link)) = mark {
                write!(text, r#","{field}":[{n},"{}"]"#, base64url(&link)).expect("writing to a text never fails");
            }
        }
        text.push('}');
        text
    }

    fn from_members(sms: Name, members: &Members<'_>) -> Result<Self, Refusal> {
        let state = State::parse(&members.text("state")?);
        Ok(Self {
            sms,
            gw: Name::parse(&members.text("gw")?)?,
            n: members.count("n")?,
            prev: bytes32(&members.text("prev")?, "prev")?,
            upto: members.count("upto")?,
            head: bytes32(&members.text("head")?, "head")?,
            ep: members.count("ep")?,
            received_ms: members.moment("received")?,
            ts_ms: members.moment("ts")?,
            state: state.ok_or(Refusal::Field { field: "state", expected: "ok, gap, fork, bad or revoked" })?,
            have: ranges(members, "have")?,
            resend: ranges(members, "resend")?,
            rebase: mark(members, "rebase")?,
            register: mark(members, "register")?,
            settings: mark(members, "settings")?,
        })
    }
}

fn moment(ms: i64) -> String {
    wall::to_text(ms).map_or_else(|| "null".into(), |text| format!("\"{text}\""))
}

fn ranges(members: &Members<'_>, field: &'static str) -> Result<Vec<Range>, Refusal> {
    let expected = "at most 32 rising ranges [a,b]";
    let refused = Refusal::Field { field, expected };
    let Some(Value::Array(list)) = members.value(field) else { return Err(refused) };
    let mut ranges: Vec<Range> = Vec::with_capacity(list.len().min(RANGES_MAX));
    for item in &list {
        let pair = match item.as_array().map(Vec::as_slice) {
            Some([a, b]) => a.as_u64().zip(b.as_u64()),
            _ => None,
        };
        let floor = ranges.last().map_or(0, |(_, b)| *b);
        match pair {
            Some((a, b)) if floor < a && a <= b && ranges.len() < RANGES_MAX => ranges.push((a, b)),
            _ => return Err(refused),
        }
    }
    Ok(ranges)
}

fn mark(members: &Members<'_>, field: &'static str) -> Result<Option<Mark>, Refusal> {
    let refused = Refusal::Field { field, expected: "a number with a link [n,\"link\"]" };
    match members.value(field) {
        None => Ok(None),
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::Number(n), Value::String(link)] => {
                let n = n.as_u64().filter(|n| *n <= INTEGER_MAX).ok_or(refused)?;
                Ok(Some((n, bytes32(link, field)?)))
            }
            _ => Err(refused),
        },
        Some(_) => Err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            sms: Name::parse("sms").unwrap(),
            gw: Name::parse("gate-7").unwrap(),
            n: 3,
            prev: [1; 32],
            upto: 40,
            head: [2; 32],
            ep: 2,
            received_ms: 0,
            ts_ms: 1,
            state: State::Gap,
            have: vec![(43, 50), (60, 60)],
            resend: vec![(41, 42), (51, 59)],
            rebase: None,
            register: Some((4, [3; 32])),
            settings: None,
        }
    }

    #[test]
    fn a_receipt_is_read_back_by_its_gateway() {
        let key = ReceiptKey::from_seed([9; 32]);
        let signed = receipt().sign(&key);
        let gw = Name::parse("gate-7").unwrap();
        assert_eq!(Receipt::verify(&signed.line, &key.public(), &gw).unwrap(), (receipt(), signed.link));
    }

    #[test]
    fn a_receipt_of_another_key_or_for_another_gateway_is_refused() {
        let signed = receipt().sign(&ReceiptKey::from_seed([9; 32]));
        let (gw, other) = (Name::parse("gate-7").unwrap(), Name::parse("gate-8").unwrap());
        let stranger = ReceiptKey::from_seed([8; 32]).public();
        let refusal = Receipt::verify(&signed.line, &stranger, &gw).unwrap_err();
        assert_eq!(refusal, Refusal::Signature { by: "receipt" });
        let key = ReceiptKey::from_seed([9; 32]).public();
        assert!(matches!(Receipt::verify(&signed.line, &key, &other), Err(Refusal::Stranger { .. })));
    }

    #[test]
    fn the_largest_receipt_fits_into_a_payload() {
        let far = INTEGER_MAX;
        let name = Name::parse(&"x".repeat(63)).unwrap();
        let ranges = vec![(far, far); RANGES_MAX + 5];
        let marks = Some((far, [255; 32]));
        let largest = Receipt {
            sms: name.clone(),
            gw: name,
            n: far,
            upto: far,
            ep: far,
            have: ranges.clone(),
            resend: ranges,
            rebase: marks,
            register: marks,
            settings: marks,
            ..receipt()
        };
        assert!(largest.payload().len() < crate::encode::PAYLOAD_MAX / 2);
    }
}
