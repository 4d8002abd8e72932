//! Personal data beside a record: whether a line is what the record commits to, and what a later record erases.

use picket_record::chain::Parsed;
use picket_record::encode::{PAYLOAD_MAX, base64url, from_base64url};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Bytes of a salt.
const SALT: usize = 16;
/// Longest line: a text as long as a payload, every character escaped as six.
const LINE_MAX: usize = 6 * PAYLOAD_MAX + 128;
/// Ranges of records that one `personal.erased` names.
const RANGES_MAX: usize = 32;

/// As it stands on the wire.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    pii: u64,
    salt: String,
    text: String,
}

/// What a record commits to.
#[derive(Debug)]
pub(super) struct Disclosure {
    pub(super) seq: u64,
    pub(super) salt: Vec<u8>,
    pub(super) text: String,
}

impl Disclosure {
    /// Reads a line; nothing of it stands in the reason.
    pub(super) fn read(line: &[u8]) -> Result<Self, &'static str> {
        if line.len() > LINE_MAX {
            return Err("personal data longer than any can be");
        }
        let Line { pii: seq, salt, text } =
            serde_json::from_slice(line).map_err(|_| "a line that is neither a record nor personal data")?;
        let salt = from_base64url(&salt, "salt").map_err(|_| "personal data with a salt that is not base64url")?;
        let is_object = serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object());
        if seq == 0 || salt.len() != SALT || text.len() > PAYLOAD_MAX || !is_object {
            return Err("personal data that is not a JSON object with a salt of 16 bytes");
        }
        Ok(Self { seq, salt, text })
    }

    /// Whether the payload of a record commits to it.
    pub(super) fn opens(&self, payload: &str) -> bool {
        #[derive(Deserialize)]
        struct Commitment {
            pii: Option<String>,
        }
        let digest = Sha256::new().chain_update(&self.salt).chain_update(&self.text).finalize();
        let committed: Option<Commitment> = serde_json::from_str(payload).ok();
        committed.and_then(|committed| committed.pii).is_some_and(|pii| pii == base64url(&digest))
    }
}

/// The records whose personal data a `personal.erased` erases: `data.records`, numbers and ranges `[a,b]`, none behind
/// itself. One that speaks of a branch names none.
pub(super) fn erased(record: &Parsed<'_>) -> Vec<(u64, u64)> {
    let data = record.data();
    let listed = data.get("records").and_then(Value::as_array).into_iter().flatten().take(RANGES_MAX);
    let ranges = listed.filter_map(|item| match item.as_array().map(Vec::as_slice) {
        Some([from, to]) => Some((from.as_u64()?, to.as_u64()?)),
        Some(_) => None,
        None => item.as_u64().map(|seq| (seq, seq)),
    });
    ranges.map(|(from, to)| (from, to.min(record.seq - 1))).filter(|(from, to)| from <= to).collect()
}
