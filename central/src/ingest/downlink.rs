//! What goes down beside receipts: root documents, the newest order with its register, commands. Sent again until the
//! gateway's own records say that it took effect; a gateway that is silent is sent nothing.

use super::Ingest;
use super::answers::Down;
use crate::clock::Now;
use crate::store::{self, Ordered, StoreError};
use picket_record::command::COMMAND_AGE_MAX_S;
use picket_record::encode::{Name, base64url};
use picket_record::root::Roots;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

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

impl Ingest {
    /// Root documents, text and meaning: gateways are sent them where there is more than the first version, when they
    /// ask, and until their records name the newest one.
    pub fn with_roots(mut self, roots: Option<(String, Roots)>) -> Self {
        self.roots = roots.map(|(text, roots)| (text, roots.in_force().ver));
        self
    }

    /// Another process wrote: what is newest is read again, and thousands of lines about drills only where that is new.
    pub(super) fn heed_orders(&mut self) -> Result<(), StoreError> {
        let mut rotten = Vec::new();
        for (gw, gateway) in &mut self.gateways {
            let read = self.store.read("reading what was ordered", |db| {
                if gateway.down.heed(store::newest_mark(db, gw)?, store::last_command(db, gw)?) {
                    gateway.drills = super::drills::ordered(db, gw)?;
                }
                Ok(())
            });
            match read {
                Ok(()) => {}
                Err(fault) if fault.is_rot() => rotten.push((gw.clone(), fault)),
                Err(fault) => return Err(fault),
            }
        }
        self.leave_out(rotten)
    }

    /// Messages that are due. To be called once a second or so, and after a gateway asked, before it is answered: a
    /// receipt may be signed by a key that only the newest root document names.
    pub fn downlinks(&mut self, now: Now) -> Result<Vec<Downlink>, StoreError> {
        self.heed_revocations(now)?;
        let (mut all, mut rotten) = (Vec::new(), Vec::new());
        for (gw, gateway) in &mut self.gateways {
            if !gateway.is_listening(now) || gateway.revoked_after.is_some() {
                continue;
            }
            let down = &mut gateway.down;
            let messages = if down.is_due(now.mono_ms) {
                match self.store.read("reading what was ordered", |db| due(db, gw, down, now)) {
                    Ok(found) => {
                        down.looked(now.mono_ms, !found.is_empty());
                        found
                    }
                    Err(fault) if fault.is_rot() => {
                        rotten.push((gw.clone(), fault));
                        continue;
                    }
                    Err(fault) => return Err(fault),
                }
            } else {
                Vec::new()
            };
            let roots = self.roots.as_ref().filter(|(_, ver)| down.wants_root(*ver, !messages.is_empty(), now.mono_ms));
            all.extend(roots.map(|(text, _)| lines(gw, text)));
            all.extend(messages);
        }
        self.leave_out(rotten)?;
        Ok(all)
    }
}

fn lines(gw: &Name, text: &str) -> Downlink {
    Downlink { gw: gw.clone(), content_type: LINES, payload: text.as_bytes().to_vec() }
}

/// The order and the commands that did not take effect.
fn due(db: &Connection, gw: &Name, down: &Down, now: Now) -> rusqlite::Result<Vec<Downlink>> {
    let mut messages = Vec::new();
    let order = if down.wants_order() { store::newest_order(db, gw)? } else { None };
    if let Some(Ordered { line, register, .. }) = order {
        messages.push(lines(gw, &line));
        messages.extend(register.iter().flat_map(|text| parts(gw, text)));
    }
    if let Some(answered) = down.wants_commands() {
        let since_ms = now.wall_ms.saturating_sub(COMMAND_AGE_MAX_S as i64 * 1_000);
        let commands = store::commands_after(db, gw, answered, since_ms)?;
        messages.extend(commands.iter().map(|command| lines(gw, &command.line)));
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
