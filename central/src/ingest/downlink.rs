//! What goes down beside receipts: root documents, the newest order with its register, commands. Sent again until the
//! gateway's own records say that it took effect; a gateway that is silent is sent nothing.

use super::Ingest;
use super::gateway::Gateway;
use crate::clock::Now;
use crate::store::{self, Ordered, StoreError};
use picket_record::chain::Parsed;
use picket_record::command::COMMAND_AGE_MAX_S;
use picket_record::encode::{Link, Name, base64url};
use picket_record::kind::Kind;
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What did not take effect is sent again after so long.
const AGAIN_MS: u64 = 30_000;
/// Bytes of a register in one message: well below what a gateway takes.
const PART_BYTES: usize = 64 * 1024;
/// Signed lines, as records travel up.
const LINES: &str = "application/jose-lines";
/// A part of a text: `<sha256> <at> <of>`, LF, bytes.
const PART: &str = "application/picket-part";

/// A message for the topic of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downlink {
    /// To this gateway.
    pub gw: Name,
    /// Its content type.
    pub content_type: &'static str,
    /// What it says.
    pub payload: Vec<u8>,
}

/// What one gateway has of what was ordered.
#[derive(Debug, Default)]
pub(super) struct Down {
    /// Version and link of the newest order.
    newest: Option<(u64, Link)>,
    /// Version that its records say is in force.
    in_force: u64,
    /// Number of the newest command that its records answer.
    answered: u64,
    next_ms: u64,
}

impl Down {
    /// What receipts say of it.
    pub(super) fn newest(&self) -> Option<(u64, Link)> {
        self.newest
    }

    /// A genuine record of the gateway.
    pub(super) fn seen(&mut self, record: &Parsed<'_>) {
        let field = match record.kind {
            Kind::OrderApplied => "ver",
            Kind::Heartbeat => "order",
            Kind::ExerciseStarted | Kind::ExerciseEnded | Kind::OrderRejected => "command",
            _ => return,
        };
        let data = record.data();
        let number = |field: &str| data.get(field).and_then(Value::as_u64);
        if let Some(n) = number(field).filter(|_| field != "command") {
            self.in_force = n;
        }
        self.answered = self.answered.max(number("command").unwrap_or(0));
    }
}

impl Ingest {
    /// Root documents that gateways are sent before an order where there is more than the first version.
    pub fn with_roots(mut self, text: Option<String>) -> Self {
        self.roots = text;
        self
    }

    /// Another process wrote: what is newest is read again, and sent without waiting.
    pub(super) fn heed_orders(&mut self) -> Result<(), StoreError> {
        for (gw, gateway) in &mut self.gateways {
            let newest = self.store.read("reading an order", |db| store::newest_mark(db, gw))?;
            if newest != gateway.down.newest {
                gateway.down.newest = newest;
            }
            gateway.drills =
                self.store.read("reading what was ordered of drills", |db| super::drills::ordered(db, gw))?;
            gateway.down.next_ms = 0;
        }
        Ok(())
    }

    /// Messages that are due. To be called once a second or so.
    pub fn downlinks(&mut self, now: Now) -> Result<Vec<Downlink>, StoreError> {
        self.heed_revocations()?;
        let mut all = Vec::new();
        for (gw, gateway) in &mut self.gateways {
            if gateway.is_listening(now) && gateway.revoked_after.is_none() && now.mono_ms >= gateway.down.next_ms {
                gateway.down.next_ms = now.mono_ms + AGAIN_MS;
                let roots = self.roots.as_deref();
                all.extend(self.store.read("reading what was ordered", |db| due(db, gw, gateway, roots, now))?);
            }
        }
        Ok(all)
    }
}

fn due(
    db: &Connection,
    gw: &Name,
    gateway: &Gateway,
    roots: Option<&str>,
    now: Now,
) -> rusqlite::Result<Vec<Downlink>> {
    let lines = |text: &str| Downlink { gw: gw.clone(), content_type: LINES, payload: text.as_bytes().to_vec() };
    let mut messages = Vec::new();
    let down = &gateway.down;
    let order = match down.newest.filter(|(ver, _)| *ver != down.in_force) {
        Some(_) => store::newest_order(db, gw)?,
        None => None,
    };
    if let Some(Ordered { line, register, .. }) = order {
        messages.push(lines(&line));
        messages.extend(register.iter().flat_map(|text| parts(gw, text)));
    }
    let since_ms = now.wall_ms.saturating_sub(COMMAND_AGE_MAX_S as i64 * 1_000);
    let commands = store::commands_after(db, gw, down.answered, since_ms)?;
    messages.extend(commands.iter().map(|command| lines(&command.line)));
    if let Some(roots) = roots.filter(|_| !messages.is_empty()) {
        messages.insert(0, lines(roots));
    }
    Ok(messages)
}

fn parts<'a>(gw: &'a Name, text: &'a str) -> impl Iterator<Item = Downlink> + 'a {
    let sha256 = base64url(&Sha256::digest(text));
    text.as_bytes().chunks(PART_BYTES).enumerate().map(move |(n, bytes)| {
        let head = format!("{sha256} {} {}\n", n * PART_BYTES, text.len());
        Downlink { gw: gw.clone(), content_type: PART, payload: [head.as_bytes(), bytes].concat() }
    })
}
