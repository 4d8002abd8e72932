//! Sealing: the next number, the link to the record before, the signature under the key of the epoch.

use super::payload::{BodyRefusal, write_payload};
use super::{EPOCH_RECORDS_MAX, Head};
use crate::body::{Body, When};
use crate::encode::{Header, Link, Name, PAYLOAD_MAX, assemble, base64url};
use crate::keys::{EpochKey, IdentityKey};
use crate::kind::{Kind, Severity};
use serde_json::{Map, Value};

/// Whose records these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The site.
    pub site: Name,
    /// The gateway.
    pub gw: Name,
}

/// A record as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub seq: u64,
    /// The compact line, without a line feed.
    pub line: String,
    /// Its link.
    pub link: Link,
}

/// How the journal was found when an epoch was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailState {
    /// First epoch of the gateway's life.
    Genesis,
    /// The epoch before was closed.
    Clean,
    /// The epoch before was not closed.
    Crash,
    /// The same process goes on under a new key.
    Rotate,
    /// The central system knows more than the journal: a disk was restored.
    Rollback,
    /// The journal was lost.
    Reset,
}

impl TailState {
    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Clean => "clean",
            Self::Crash => "crash",
            Self::Rotate => "rotate",
            Self::Rollback => "rollback",
            Self::Reset => "reset",
        }
    }

    /// From the word in a record.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Genesis, Self::Clean, Self::Crash, Self::Rotate, Self::Rollback, Self::Reset]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether the epoch goes on behind a receipt of the central system and not behind the journal's own last record:
    /// what the journal held beyond is another branch.
    pub fn leaves_a_branch(self) -> bool {
        match self {
            Self::Rollback | Self::Reset => true,
            Self::Genesis | Self::Clean | Self::Crash | Self::Rotate => false,
        }
    }
}

/// What an `epoch.open` says beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// How the journal was found.
    pub tail_state: TailState,
    /// The last record found in the journal, where it is not the head that the epoch goes on from (after a rollback).
    pub found: Option<Found>,
    /// Link of the last verified receipt.
    pub last_receipt: Option<Link>,
    /// Version of the agent.
    pub version: String,
}

/// A record by number and link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub seq: u64,
    /// Its link.
    pub link: Link,
}

/// Seals the records of one epoch. Holds the key of the epoch, in memory only.
#[derive(Debug)]
pub struct Sealer {
    key: EpochKey,
    head: Head,
    /// Number of the `epoch.open`.
    opened: u64,
    header: String,
    /// `{"v":1,"site":"..","gw":"..","ep":N,"seq":`
    prefix: String,
    payload: Vec<u8>,
}

impl Sealer {
    /// Opens the epoch after `head` ([`Head::genesis`] before record 1). The first record is its `epoch.open`.
    pub fn open(
        origin: &Origin,
        identity: &IdentityKey,
        epoch_seed: [u8; 32],
        head: Head,
        opening: &Opening,
        when: &When,
    ) -> Result<(Self, Sealed), BodyRefusal> {
        let ep = head.ep + 1;
        let prefix = format!(r#"{{"v":1,"site":"{}","gw":"{}","ep":{ep},"seq":"#, origin.site, origin.gw);
        let key = EpochKey::from_seed(epoch_seed);
        let data = announcement(&key, origin, ep, head, opening);
        let body = Body::new(when.clone(), Kind::EpochOpen, Severity::Info, data);
        let mut payload = Vec::with_capacity(PAYLOAD_MAX);
        write_payload(&mut payload, &prefix, head, &body)?;
        let header = Header::Opening { gw: &origin.gw }.encoded();
        let signed = assemble(&header, &payload, |input| identity.sign(input));
        let sealed = Sealed { seq: head.seq + 1, line: signed.line, link: signed.link };
        let head = Head { ep, seq: sealed.seq, link: sealed.link };
        let header = Header::Record { gw: &origin.gw, ep }.encoded();
        Ok((Self { key, head, opened: head.seq, header, prefix, payload }, sealed))
    }

    /// Numbers, links and signs the next record. After a refusal the head is as before.
    pub fn seal(&mut self, body: &Body) -> Result<Sealed, BodyRefusal> {
        if body.kind == Kind::EpochOpen {
            return Err(BodyRefusal::Opening);
        }
        self.payload.clear();
        write_payload(&mut self.payload, &self.prefix, self.head, body)?;
        let signed = assemble(&self.header, &self.payload, |input| self.key.sign(input));
        self.head = Head { ep: self.head.ep, seq: self.head.seq + 1, link: signed.link };
        Ok(Sealed { seq: self.head.seq, line: signed.line, link: signed.link })
    }

    /// The last record sealed.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Back to an earlier head of this epoch, after a transaction was rolled back and nothing of it was published. Where
    /// the `epoch.open` itself was rolled back, drop the sealer and open the epoch anew.
    ///
    /// # Panics
    ///
    /// On a head that is not of this epoch or lies ahead: the journal has lost track of its own records.
    pub fn rewind(&mut self, head: Head) {
        assert!(
            head.ep == self.head.ep && head.seq >= self.opened && head.seq <= self.head.seq,
            "a head of this epoch"
        );
        self.head = head;
    }

    /// Whether so many more records would not fit into the epoch together with its `epoch.close`.
    pub fn is_nearly_full(&self, more: u64) -> bool {
        self.head.seq - self.opened + 2 + more > EPOCH_RECORDS_MAX
    }

    /// Number of the `epoch.open` of this epoch.
    pub fn opened(&self) -> u64 {
        self.opened
    }
}

/// What the key of an epoch signs to prove that its holder has it.
pub(crate) fn possession(gw: &Name, ep: u64, prev: &str) -> String {
    format!("pop1|{gw}|{ep}|{prev}")
}

fn announcement(key: &EpochKey, origin: &Origin, ep: u64, head: Head, opening: &Opening) -> Map<String, Value> {
    let pop = key.sign(possession(&origin.gw, ep, &base64url(&head.link)).as_bytes());
    let found = opening.found.unwrap_or(Found { seq: head.seq, link: head.link });
    let mut tail = Map::new();
    tail.insert("seq".into(), found.seq.into());
    tail.insert("hash".into(), base64url(&found.link).into());
    let mut data = Map::new();
    data.insert("epk".into(), key.public().text().into());
    data.insert("pop".into(), base64url(&pop).into());
    data.insert("tail".into(), tail.into());
    data.insert("tail_state".into(), opening.tail_state.as_str().into());
    if let Some(receipt) = opening.last_receipt {
        data.insert("receipt".into(), base64url(&receipt).into());
    }
    data.insert("version".into(), opening.version.as_str().into());
    data
}
