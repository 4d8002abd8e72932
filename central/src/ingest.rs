//! What happens to a line: verified, placed, stored or refused. One transaction for several batches that wait;
//! receipts after it.
//!
//! Knows nothing of sockets. After a [`StoreError`] the machine may be ahead of the store: it must be dropped and
//! opened again, and nothing of the failed batch acknowledged.

mod answers;
mod certificate;
mod downlink;
mod drills;
mod gateway;
mod receipts;
mod turn;

pub use certificate::CERTIFICATE;
pub use downlink::Downlink;
pub use receipts::Outgoing;
pub use turn::Tally;

use crate::certify::Certifier;
use crate::check::{Keyring, Round, Slice};
use crate::clock::Now;
use crate::store::{self, Found, Store, StoreError};
use bytes::Bytes;
use gateway::Gateway;
use picket_record::encode::Name;
use picket_record::keys::ReceiptKey;
use rusqlite::Connection;
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
    /// Gateways whose rows cannot be read, with the reason: their lines are refused, and they keep what they have.
    left_out: BTreeMap<String, String>,
    /// Text of the root documents, and the newest version.
    roots: Option<(String, u64)>,
    /// Issues certificates, where an authority was made.
    certifier: Option<Certifier>,
    /// When somebody was last told of a wish for a certificate, answered or refused.
    wished_ms: Option<u64>,
    /// Of the store, as it was when the revocations were read: another process writes them.
    version: Option<u64>,
}

impl Ingest {
    /// Takes up what the store holds.
    pub fn open(path: &Path, sms: Name, key: ReceiptKey) -> Result<Self, StoreError> {
        let mut store = Store::open(path)?;
        // In a transaction: rows that cannot be read any more are set aside.
        let (gateways, left_out) = store.write("taking up the gateways", |db| {
            store::try_again(db)?;
            let accepted = store::all_accepted(db)?;
            take_up(db, accepted, 0)
        })?;
        let (roots, certifier, wished_ms, version) = (None, None, None, None);
        Ok(Self { store, sms, key, gateways, left_out, roots, certifier, wished_ms, version })
    }

    /// Takes the lines of one message of one gateway, as named by its topic, in one transaction.
    pub fn batch(&mut self, gw: &str, lines: &[&[u8]], now: Now) -> Result<Tally, StoreError> {
        let text = Bytes::from(lines.concat());
        let mut end = 0;
        let ranges = lines.iter().map(|line| {
            end += line.len();
            end - line.len()..end
        });
        let slice = Slice::new(gw.to_owned(), text, ranges.collect());
        let tallies = self.store(&Round::new(vec![(slice, None)], None), now)?;
        Ok(tallies.first().copied().unwrap_or_default())
    }

    /// Slices with the keys that their gateways have at this moment, to be checked behind a round that may not be
    /// stored yet.
    pub fn round(&mut self, slices: Vec<Slice>, before: Option<&Round>, now: Now) -> Result<Round, StoreError> {
        let mut keyed = Vec::with_capacity(slices.len());
        for slice in slices {
            let keyring = self.keyring(&slice.gw, now)?;
            keyed.push((slice, keyring));
        }
        Ok(Round::new(keyed, before))
    }

    /// Stores a round in one transaction, slice after slice, and counts what each one did.
    pub fn store(&mut self, round: &Round, now: Now) -> Result<Vec<Tally>, StoreError> {
        self.heed_revocations(now)?;
        for slice in round.slices() {
            if self.know(&slice.gw, now)? {
                self.gateways.get_mut(slice.gw.as_str()).expect("it is known").heard(now);
            }
        }
        let (gateways, left_out) = (&mut self.gateways, &mut self.left_out);
        self.store.write("storing records", |db| {
            let mut tallies = Vec::with_capacity(round.slices().len());
            for slice in round.slices() {
                let Some(gateway) = gateways.get_mut(slice.gw.as_str()) else {
                    tallies.push(refuse_unknown(db, slice, left_out.get(&slice.gw), now)?);
                    continue;
                };
                let taken = store::alone(db, || {
                    let mut turn = Turn::new(db, gateway, now);
                    slice.lines().try_for_each(|(line, proof)| turn.line(line, proof))?;
                    turn.finish()
                })?;
                tallies.push(match taken {
                    Ok(tally) => tally,
                    Err(why) => {
                        // It is ahead of the store.
                        gateways.remove(slice.gw.as_str());
                        store::leave_out(db, &slice.gw, &why)?;
                        left_out.insert(slice.gw.clone(), why);
                        refuse_unknown(db, slice, left_out.get(&slice.gw), now)?
                    }
                });
            }
            Ok(tallies)
        })
    }

    /// Nothing more is done for these gateways.
    fn leave_out(&mut self, rotten: Vec<(Name, StoreError)>) -> Result<(), StoreError> {
        for (gw, fault) in rotten {
            self.gateways.remove(&gw);
            let why = std::error::Error::source(&fault).map_or_else(String::new, ToString::to_string);
            self.store.write("leaving a gateway out", |db| store::leave_out(db, gw.as_str(), &why))?;
            self.left_out.insert(gw.as_str().to_owned(), why);
        }
        Ok(())
    }

    /// Keeps a message that holds no lines, with the reason, and has the gateway told.
    pub fn unreadable(&mut self, gw: &str, reason: &str, payload: &[u8], now: Now) -> Result<(), StoreError> {
        let known = self.know(gw, now)?;
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
        if self.know(gw, now)? {
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

    /// Finds who has missed three heartbeats, says so and keeps it. To be called once a second or so.
    pub fn listen(&mut self, now: Now) -> Result<(), StoreError> {
        self.heed_revocations(now)?;
        let silent: Vec<_> =
            self.gateways.iter_mut().filter_map(|(gw, one)| Some((gw, one.falls_silent(now)?))).collect();
        if silent.is_empty() {
            return Ok(());
        }
        self.store.write("keeping who is silent", |db| {
            silent.iter().try_for_each(|(gw, life)| store::save_life(db, gw, life))
        })
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

    /// Takes over what other processes wrote: gateways accepted, revocations, orders.
    fn heed_revocations(&mut self, now: Now) -> Result<(), StoreError> {
        let version = self.store.read("reading the version of the store", store::version)?;
        if self.version == Some(version) {
            return Ok(());
        }
        // Also those that never spoke: they may be missed.
        let (known, left_out) = (&self.gateways, &self.left_out);
        let mut accepted = self.store.read("reading the gateways", store::all_accepted)?;
        accepted.retain(|one| match one {
            Ok(one) => !known.contains_key(&one.gw) && !left_out.contains_key(one.gw.as_str()),
            Err((gw, _)) => !known.contains_key(gw.as_str()) && !left_out.contains_key(gw),
        });
        if !accepted.is_empty() {
            let (loaded, rotten) = self.store.write("taking up gateways", |db| take_up(db, accepted, now.mono_ms))?;
            self.gateways.extend(loaded);
            self.left_out.extend(rotten);
        }
        let revoked = self.store.read("reading who is revoked", store::all_revoked)?;
        for (gw, gateway) in &mut self.gateways {
            gateway.revoke(revoked.iter().find(|(name, _)| name == gw.as_str()).map(|(_, after)| *after));
        }
        self.version = Some(version);
        self.heed_orders()
    }

    /// Whether a gateway is accepted. One that was accepted since the start by another process is taken up here.
    fn know(&mut self, gw: &str, now: Now) -> Result<bool, StoreError> {
        if self.gateways.contains_key(gw) {
            return Ok(true);
        }
        self.heed_revocations(now)?;
        Ok(self.gateways.contains_key(gw))
    }

    fn keyring(&mut self, gw: &str, now: Now) -> Result<Option<Keyring>, StoreError> {
        Ok(if self.know(gw, now)? { self.gateways.get(gw).map(Gateway::keyring) } else { None })
    }
}

/// Gateways as they are taken up, and those that are left out with the reason.
type TakenUp = (BTreeMap<Name, Gateway>, BTreeMap<String, String>);

fn take_up(db: &Connection, accepted: Vec<Found>, now_ms: u64) -> rusqlite::Result<TakenUp> {
    let (mut gateways, mut left_out) = (BTreeMap::new(), BTreeMap::new());
    for one in accepted {
        let loaded = match one {
            Ok(one) => {
                let gw = one.gw.clone();
                let loaded = store::alone(db, || Gateway::load(db, one, now_ms))?;
                loaded.map_err(|why| (gw.as_str().to_owned(), why))
            }
            Err(rotten) => Err(rotten),
        };
        match loaded {
            Ok(gateway) => drop(gateways.insert(gateway.accepted.gw.clone(), gateway)),
            Err((gw, why)) => {
                store::leave_out(db, &gw, &why)?;
                left_out.insert(gw, why);
            }
        }
    }
    Ok((gateways, left_out))
}

/// Lines of a gateway that was never accepted, or is left out.
fn refuse_unknown(db: &Connection, slice: &Slice, why: Option<&String>, now: Now) -> rusqlite::Result<Tally> {
    let (under, reason) = match why {
        Some(why) => (slice.gw.as_str(), format!("the gateway is left out, its rows cannot be read here: {why}")),
        None => (UNKNOWN, format!("no gateway {:?} was accepted here", shown(&slice.gw))),
    };
    slice.lines().try_for_each(|(line, _)| store::quarantine(db, under, now.wall_ms, &reason, line))?;
    Ok(Tally { refused: slice.len() as u64, ..Tally::default() })
}

/// What is kept of a name that a topic states: anybody may publish one of 64 KiB.
fn shown(gw: &str) -> String {
    gw.chars().take(80).collect()
}
