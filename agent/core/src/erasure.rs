//! Erasing personal data: what may be asked, and which record states it.

use crate::statement::Statement;
use picket_record::kind::{Kind, Severity};
use picket_record::shown;
use serde_json::{Map, Value, json};

/// Most ranges of one erasure: enough for any real request, and a small part of a payload.
pub const RANGES_MAX: usize = 32;
/// Longest authority and longest reason, in bytes.
pub const AUTHORITY_MAX: usize = 200;
/// See [`AUTHORITY_MAX`].
pub const REASON_MAX: usize = 500;

/// A demand to erase the personal data beside records, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    records: Vec<(u64, u64)>,
    authority: String,
    reason: String,
}

impl Erasure {
    /// Ranges of record numbers, each from its first to its last, rising; who orders it; why, or nothing. An authority is
    /// an office and not a person: its name is in the record for good.
    pub fn new(records: Vec<(u64, u64)>, authority: &str, reason: &str) -> Result<Self, String> {
        let rises = records.windows(2).all(|two| two[0].1 < two[1].0);
        let ordered = records.iter().all(|(from, to)| 1 <= *from && from <= to);
        if records.is_empty() || records.len() > RANGES_MAX || !rises || !ordered {
            return Err(format!("records are 1 to {RANGES_MAX} numbers or ranges such as 17 or 20..31, rising"));
        }
        let (authority, reason) = (authority.trim(), reason.trim());
        if authority.is_empty() || authority.len() > AUTHORITY_MAX || !shown::is_plain(authority) {
            return Err(format!(
                "the authority is a text of 1 to {AUTHORITY_MAX} bytes, without characters that are not seen: who ordered it"
            ));
        }
        if reason.len() > REASON_MAX || !shown::is_plain(reason) {
            return Err(format!(
                "the reason is a text of at most {REASON_MAX} bytes, without characters that are not seen"
            ));
        }
        Ok(Self { records, authority: authority.to_owned(), reason: reason.to_owned() })
    }

    /// The ranges.
    pub fn records(&self) -> &[(u64, u64)] {
        &self.records
    }

    /// Whether it names a record.
    pub fn names(&self, seq: u64) -> bool {
        self.records.iter().any(|(from, to)| (*from..=*to).contains(&seq))
    }

    /// The record that states it.
    pub(crate) fn statement(&self) -> Statement {
        let records = self.records.iter().map(|(from, to)| if from == to { json!(from) } else { json!([from, to]) });
        let mut data = json!({ "records": records.collect::<Vec<_>>(), "authority": self.authority });
        if !self.reason.is_empty() {
            data["reason"] = self.reason.as_str().into();
        }
        Statement::new(Kind::PersonalErased, Severity::Notice, data)
    }
}

/// The ranges that a `personal.erased` record with this number names; none at or above it.
pub fn erased(seq: u64, data: &Map<String, Value>) -> Vec<(u64, u64)> {
    let listed = data.get("records").and_then(Value::as_array).into_iter().flatten().take(RANGES_MAX);
    let ranges = listed.filter_map(|item| match item.as_array().map(Vec::as_slice) {
        Some([from, to]) => Some((from.as_u64()?, to.as_u64()?)),
        Some(_) => None,
        None => item.as_u64().map(|seq| (seq, seq)),
    });
    ranges.map(|(from, to)| (from, to.min(seq.saturating_sub(1)))).filter(|(from, to)| from <= to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_names_ranges_that_rise_and_an_authority() {
        let good = Erasure::new(vec![(17, 17), (20, 31)], " data protection office ", "").unwrap();
        let stated = good.statement().data;
        assert_eq!(
            Value::Object(stated.clone()),
            json!({ "records": [17, [20, 31]], "authority": "data protection office" })
        );
        assert_eq!(erased(25, &stated), [(17, 17), (20, 24)]);
        assert!(good.names(20) && !good.names(18));
        for wrong in [vec![], vec![(0, 1)], vec![(3, 2)], vec![(5, 9), (9, 9)], vec![(1, 1); RANGES_MAX + 1]] {
            assert!(Erasure::new(wrong.clone(), "office", "").is_err(), "{wrong:?}");
        }
        for authority in ["", "  ", "a\nb", &"x".repeat(AUTHORITY_MAX + 1)] {
            assert!(Erasure::new(vec![(1, 1)], authority, "").is_err());
        }
    }
}
