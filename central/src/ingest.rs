//! What happens to a line: verified, placed, stored or refused. One transaction for each batch; receipts after it.
//!
//! Knows nothing of sockets. After a [`StoreError`] the machine may be ahead of the store: it must be dropped and
//! opened again, and nothing of the failed batch acknowledged.

mod gateway;
mod receipts;
mod turn;

pub use receipts::Outgoing;
pub use turn::Tally;

use crate::clock::Now;
use crate::store::{self, Store, StoreError};
use gateway::Gateway;
use picket_record::encode::Name;
use picket_record::keys::ReceiptKey;
use std::collections::BTreeMap;
use std::path::Path;
use turn::Turn;

/// Where refused lines of gateways go that were never accepted; no name of a gateway looks like this.
const UNKNOWN: &str = "?";
/// The machine: all gateways and the store.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    sms: Name,
    key: ReceiptKey,
    gateways: BTreeMap<Name, Gateway>,
}

impl Ingest {
    /// Takes up what the store holds.
    pub fn open(path: &Path, sms: Name, key: ReceiptKey) -> Result<Self, StoreError> {
        let store = Store::open(path)?;
        let gateways = store.read("reading the gateways", |db| {
            let accepted = store::all_accepted(db)?;
            accepted.into_iter().map(|one| Ok((one.gw.clone(), Gateway::load(db, one)?))).collect()
        })?;
        Ok(Self { store, sms, key, gateways })
    }

    /// Takes the lines of one message of one gateway, as named by its topic, in one transaction.
    pub fn batch(&mut self, gw: &str, lines: &[&[u8]], now: Now) -> Result<Tally, StoreError> {
        if !self.know(gw)? {
            return self.refuse_unknown(gw, lines, now);
        }
        let gateway = self.gateways.get_mut(gw).expect("it is known");
        gateway.heard(now);
        self.store.write("storing records", |db| {
            let mut turn = Turn::new(db, gateway, now);
            lines.iter().try_for_each(|line| turn.line(line))?;
            Ok(turn.tally())
        })
    }

    /// Keeps a message that holds no lines, with the reason, and has the gateway told.
    pub fn unreadable(&mut self, gw: &str, reason: &str, payload: &[u8], now: Now) -> Result<(), StoreError> {
        let known = self.know(gw)?;
        let under = if known { gw } else { UNKNOWN };
        self.store.write("keeping a refused message", |db| {
            store::quarantine(db, under, now.wall_ms, &format!("{}: {reason}", shown(gw)), payload)
        })?;
        if let Some(gateway) = self.gateways.get_mut(gw) {
            gateway.heard(now);
            gateway.pending.bad = true;
        }
        Ok(())
    }

    /// A gateway asks for the last receipt; `n` is the highest it ever had. Answered by the next [`Ingest::receipts`].
    pub fn ask(&mut self, gw: &str, n: Option<u64>, now: Now) -> Result<(), StoreError> {
        if self.know(gw)? {
            let gateway = self.gateways.get_mut(gw).expect("it is known");
            gateway.heard(now);
            gateway.asked(n);
        }
        Ok(())
    }

    /// The way to the gateways was lost and is back: those heard of late get a receipt again.
    pub fn repeat(&mut self, now: Now) {
        self.gateways.values_mut().for_each(|gateway| gateway.repeat(now));
    }

    /// The receipts that are due, signed and stored: to be sent now.
    pub fn receipts(&mut self, now: Now) -> Result<Vec<Outgoing>, StoreError> {
        if !self.gateways.values().any(|gateway| gateway.is_due(now)) {
            return Ok(Vec::new());
        }
        let (sms, key) = (&self.sms, &self.key);
        let due = self.gateways.values_mut().filter(|gateway| gateway.is_due(now));
        self.store.write("storing receipts", |db| due.map(|gateway| gateway.receipt(db, sms, key, now)).collect())
    }

    /// Whether a gateway is accepted. One that was accepted since the start by another process is taken up here.
    fn know(&mut self, gw: &str) -> Result<bool, StoreError> {
        if self.gateways.contains_key(gw) {
            return Ok(true);
        }
        let found = self.store.read("reading a gateway", |db| match store::accepted(db, gw)? {
            Some(accepted) => Ok(Some((accepted.gw.clone(), Gateway::load(db, accepted)?))),
            None => Ok(None),
        })?;
        let known = found.is_some();
        self.gateways.extend(found);
        Ok(known)
    }

    fn refuse_unknown(&mut self, gw: &str, lines: &[&[u8]], now: Now) -> Result<Tally, StoreError> {
        let reason = format!("no gateway {:?} was accepted here", shown(gw));
        self.store.write("keeping refused lines", |db| {
            lines.iter().try_for_each(|line| store::quarantine(db, UNKNOWN, now.wall_ms, &reason, line))
        })?;
        Ok(Tally { refused: lines.len() as u64, ..Tally::default() })
    }
}

/// What is kept of a name that a topic states: anybody may publish one of 64 KiB.
fn shown(gw: &str) -> String {
    gw.chars().take(80).collect()
}
