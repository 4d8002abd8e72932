//! Believing a record: the keys of one gateway, and the signature under the right one of them.

use super::Parsed;
use super::seal::possession;
use crate::encode::{Name, base64url, bytes32, from_base64url};
use crate::keys::PublicKey;
use crate::kind::Kind;
use crate::refusal::Refusal;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The keys of one gateway: its identity, pinned at enrolment, and one key for each epoch that it opened.
#[derive(Debug, Clone)]
pub struct Epochs {
    gw: Name,
    site: Option<Name>,
    identity: PublicKey,
    keys: BTreeMap<u64, PublicKey>,
}

/// An `epoch.open` that was verified; only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedEpoch {
    ep: u64,
    seq: u64,
    key: PublicKey,
}

impl OpenedEpoch {
    /// The epoch that begins.
    pub fn ep(&self) -> u64 {
        self.ep
    }

    /// Number of the record that opens it.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Its key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl Epochs {
    /// Of a gateway whose identity was accepted.
    pub fn new(gw: Name, identity: PublicKey) -> Self {
        Self { gw, site: None, identity, keys: BTreeMap::new() }
    }

    /// Pins the site as well: a record that names another one is refused.
    pub fn at_site(self, site: Name) -> Self {
        Self { site: Some(site), ..self }
    }

    /// For the same gateway and site, without any epoch.
    pub fn emptied(&self) -> Self {
        Self { gw: self.gw.clone(), site: self.site.clone(), identity: self.identity.clone(), keys: BTreeMap::new() }
    }

    /// Whose keys these are.
    pub fn gw(&self) -> &Name {
        &self.gw
    }

    /// Takes the key of a verified opening. A second key for the same epoch is refused: the first one stays.
    pub fn admit(&mut self, opened: &OpenedEpoch) -> Result<(), Refusal> {
        match self.keys.get(&opened.ep) {
            Some(known) if *known != opened.key => Err(Refusal::EpochTaken { ep: opened.ep }),
            Some(_) => Ok(()),
            None => {
                self.keys.insert(opened.ep, opened.key.clone());
                Ok(())
            }
        }
    }

    /// Takes a key that was admitted before and kept by the caller in a store of its own.
    pub fn restore(&mut self, ep: u64, key: PublicKey) {
        self.keys.insert(ep, key);
    }

    /// The key of an epoch.
    pub fn key(&self, ep: u64) -> Option<&PublicKey> {
        self.keys.get(&ep)
    }

    /// Every epoch with its key, in order: what a caller keeps for [`Epochs::restore`].
    pub fn iter(&self) -> impl Iterator<Item = (u64, &PublicKey)> {
        self.keys.iter().map(|(ep, key)| (*ep, key))
    }
}

/// Checks who signed a record. An `epoch.open` must be signed by the identity key and carry an acceptable key with its
/// proof of possession: it is given back, to be admitted before the records of its epoch are verified. Any other record
/// must be signed by the admitted key of its epoch. Says nothing about the place of a record in the chain.
pub fn verify(record: &Parsed<'_>, epochs: &Epochs) -> Result<Option<OpenedEpoch>, Refusal> {
    if record.gw != epochs.gw {
        return Err(Refusal::Stranger { found: record.gw.to_string(), expected: epochs.gw.to_string() });
    }
    if let Some(site) = epochs.site.as_ref().filter(|site| **site != record.site) {
        return Err(Refusal::Stranger { found: record.site.to_string(), expected: site.to_string() });
    }
    let message = record.signing_input.as_bytes();
    if record.kind == Kind::EpochOpen {
        if !epochs.identity.verifies(message, &record.signature) {
            return Err(Refusal::Signature { by: "identity" });
        }
        return opening(record).map(Some);
    }
    let key = epochs.key(record.ep).ok_or(Refusal::UnknownEpoch { ep: record.ep })?;
    if !key.verifies(message, &record.signature) {
        return Err(Refusal::Signature { by: "epoch" });
    }
    Ok(None)
}

fn opening(record: &Parsed<'_>) -> Result<OpenedEpoch, Refusal> {
    let data = record.data();
    let key = PublicKey::accept(&bytes32(text(&data, "epk")?, "epk")?)?;
    let pop = from_base64url(text(&data, "pop")?, "pop")?;
    let pop: [u8; 64] =
        pop.try_into().map_err(|pop: Vec<u8>| Refusal::Length { part: "pop", bytes: pop.len(), expected: 64 })?;
    let statement = possession(&record.gw, record.ep, &base64url(&record.prev));
    if !key.verifies(statement.as_bytes(), &pop) {
        return Err(Refusal::Possession { ep: record.ep });
    }
    Ok(OpenedEpoch { ep: record.ep, seq: record.seq, key })
}

fn text<'a>(data: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, Refusal> {
    match data.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Refusal::Field { field, expected: "a text" }),
        None => Err(Refusal::Missing { field }),
    }
}
