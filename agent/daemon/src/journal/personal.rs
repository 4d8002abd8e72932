//! Personal data beside records: salted, stored and deleted in the transaction of the record that says so.
//!
//! **Layout.** `personal(seq, salt, text)`: what record `seq` commits to, while it is kept. It goes with its record when
//! that is disposed of, set aside or left with a branch, and by a `personal.erased` record before.

use super::own_words::own_words;
use super::store::Store;
use super::{Fault, Journal};
use picket_core::erasure::erased;
use picket_core::sensitivity::{Channel, Sensitivity};
use picket_core::wire::StateRow;
use picket_record::body::{Body, When};
use picket_record::chain::Parsed;
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use picket_record::personal::{Disclosure, Personal, SALT_BYTES};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What opens the commitment of a body, with a salt of its own; none where it says nothing of a person.
pub(super) fn salted(body: &Body, entropy: &mut super::Entropy) -> Option<Disclosure> {
    let Some(Personal::Said(said)) = &body.personal else { return None };
    let mut salt = [0; SALT_BYTES];
    salt.copy_from_slice(&entropy()[..SALT_BYTES]);
    Some(said.salted(salt))
}

/// Keeps it, inside the transaction of its record.
pub(super) fn keep(store: &Store, seq: u64, opening: &Disclosure) -> Result<(), Fault> {
    let values = (seq, opening.salt, &opening.text);
    store.run("INSERT INTO personal(seq, salt, text) VALUES(?1, ?2, ?3)", values, "cannot keep personal data").map(drop)
}

/// Erases what a `personal.erased` record names, inside its transaction, and again where everything is folded anew.
pub(super) fn erase(store: &Store, seq: u64, data: &Map<String, Value>) -> Result<(), Fault> {
    for range in erased(seq, data) {
        forget(store, range)?;
    }
    Ok(())
}

/// Nothing is kept beside these records any more.
pub(super) fn forget(store: &Store, range: (u64, u64)) -> Result<(), Fault> {
    let sql = "DELETE FROM personal WHERE seq BETWEEN ?1 AND ?2";
    store.written_over(|| store.run(sql, range, "cannot erase personal data").map(drop))
}

/// Records of a branch that is left give their numbers away, and what stands beside them would be taken for another
/// record's: it is erased, and that is stated. `first` is the first number of the branch.
pub(super) fn left_behind(store: &Store, (first, last): (u64, u64), when: &When) -> Result<Option<Body>, Fault> {
    let doing = "cannot look for personal data of a branch";
    let sql = "SELECT count(*) FROM personal WHERE seq BETWEEN ?1 AND ?2";
    let n: u64 = store.row(sql, (first, last), doing, |row| row.get(0))?.unwrap_or(0);
    if n == 0 {
        return Ok(None);
    }
    forget(store, (first, last))?;
    let data = json!({ "branch": [first, last], "n": n, "authority": "the branch was left" });
    Ok(Some(own_words(when, Kind::PersonalErased, Severity::Notice, data)))
}

/// The texts that state rows lead to, by the number of the record that said the row first.
pub(super) fn of_rows(store: &Store, rows: &[StateRow]) -> Result<BTreeMap<u64, String>, Fault> {
    let mut found = BTreeMap::new();
    for row in rows.iter().filter(|row| row.key.starts_with("ack/")) {
        let body: Option<Value> = serde_json::from_str(&row.body).ok();
        let committed = body.as_ref().and_then(|body| body.get("pii")).and_then(Value::as_str);
        let opening = openings(store, (row.seq, row.seq))?.pop().map(|(_, opening)| opening);
        let opens = |opening: &Disclosure| committed == Some(base64url(&opening.commitment()).as_str());
        found.extend(opening.filter(opens).map(|opening| (row.seq, opening.text)));
    }
    Ok(found)
}

/// What is kept beside a range, by number; what damage has made unreadable is left out.
fn openings(store: &Store, range: (u64, u64)) -> Result<Vec<(u64, Disclosure)>, Fault> {
    let sql =
        "SELECT seq, CAST(salt AS BLOB), CAST(text AS BLOB) FROM personal WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let rows: Vec<(u64, Vec<u8>, Vec<u8>)> =
        store.rows(sql, range, "cannot read personal data", |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let read = |(seq, salt, text): (u64, Vec<u8>, Vec<u8>)| {
        Some((seq, Disclosure { salt: salt.try_into().ok()?, text: String::from_utf8(text).ok()? }))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

impl Journal {
    /// With the labels and ceilings of the settings.
    #[must_use]
    pub fn labelled(self, sensitivity: Sensitivity) -> Self {
        Self { sensitivity, ..self }
    }

    /// What may leave beside a range on a channel, by number: what opens its record, and what its label lets.
    pub(super) fn disclosed(&self, range: (u64, u64), channel: Channel) -> Result<BTreeMap<u64, Disclosure>, Fault> {
        let mut disclosed = BTreeMap::new();
        for (seq, opening) in openings(&self.store, range)? {
            let Some(line) = self.store.line(seq)? else { continue };
            let Ok(record) = Parsed::read_bytes(&line) else { continue };
            if record.personal != Some(opening.commitment()) {
                tracing::warn!(seq, "the personal data kept here are not those of the record: they go nowhere");
            } else if self.sensitivity.lets(channel, record.kind) {
                disclosed.insert(seq, opening);
            }
        }
        Ok(disclosed)
    }

    /// How many records of these ranges have personal data beside them here.
    pub fn personal_in(&self, ranges: &[(u64, u64)]) -> Result<u64, Fault> {
        let sql = "SELECT count(*) FROM personal WHERE seq BETWEEN ?1 AND ?2";
        let count = |range| self.store.row(sql, range, "cannot count personal data", |row| row.get::<_, u64>(0));
        ranges.iter().try_fold(0, |sum, range| Ok(sum + count(*range)?.unwrap_or(0)))
    }
}
