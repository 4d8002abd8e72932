//! What one piece of equipment said of itself last, and what is not judged of it yet.

use crate::standing::plain;
use crate::statement::Facts;
use picket_device::profile::Identity;
use picket_record::encode::base64url;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Longest text of one field, in bytes: before and now of four fields fit a record. A longer one ends in its hash.
const TEXT_MAX: usize = 100;
const FIELDS: [&str; 4] = ["make", "model", "serial", "firmware"];

/// Its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    fields: Facts,
    /// What changed while no clock could tell whether that was planned.
    pub(super) unjudged: Option<Unjudged>,
}

/// A change that waits for a trusted clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unjudged {
    /// What was told before.
    pub(super) before: Facts,
    /// Not before this trusted wall time.
    pub(super) from_ms: Option<i64>,
}

impl Unjudged {
    /// One more change behind those that wait: what was told before the first of them counts.
    pub(super) fn and(waits: Option<Self>, before: Facts, from_ms: Option<i64>) -> Self {
        let Some(mut waits) = waits else { return Self { before, from_ms } };
        for (field, text) in before {
            waits.before.entry(field).or_insert(text);
        }
        waits
    }
}

impl Told {
    /// Of a row.
    pub(super) fn read(body: &Value) -> Self {
        let texts = |of: Option<&Value>| -> Facts {
            let text = |field: &str| Some((field.to_owned(), of?.get(field)?.as_str()?.to_owned()));
            FIELDS.iter().filter_map(|field| text(field)).collect()
        };
        let waits = body.get("window").is_some_and(|word| word == UNKNOWN);
        let from_ms = body.get("from_ms").and_then(Value::as_i64);
        let unjudged = waits.then(|| Unjudged { before: texts(body.get("before")), from_ms });
        Self { fields: texts(Some(body)), unjudged }
    }

    /// What it says by now, and what it said before of the fields that differ; none where nothing is new. What it does
    /// not say this time stands as it said it last.
    pub(super) fn heard(&self, identity: &Identity) -> Option<(Self, Facts)> {
        let said = [&identity.make, &identity.model, &identity.serial, &identity.firmware];
        let said =
            FIELDS.iter().zip(said).filter_map(|(field, text)| Some(((*field).to_owned(), kept(text.as_ref()?))));
        let mut next = self.clone();
        let mut before = Facts::new();
        for (field, text) in said {
            let last = self.fields.get(&field);
            if last.is_some_and(|last| plain(last) == plain(&text)) {
                continue;
            }
            if let Some(last) = last {
                before.insert(field.clone(), last.clone());
            }
            next.fields.insert(field, text);
        }
        (next.fields != self.fields).then_some((next, before))
    }

    /// Those fields of what it said before that are otherwise by now.
    pub(super) fn differing(&self, mut before: Facts) -> Facts {
        before.retain(|field, text| self.fields.get(field).is_none_or(|by_now| plain(by_now) != plain(text)));
        before
    }

    /// Some of its fields.
    pub(super) fn only<'a>(&self, fields: impl Iterator<Item = &'a String>) -> Facts {
        fields.filter_map(|field| Some((field.clone(), self.fields.get(field)?.clone()))).collect()
    }

    /// As a record states it.
    pub(super) fn stated(&self) -> Map<String, Value> {
        let fields = self.fields.iter().map(|(field, text)| (field.clone(), Value::from(text.as_str())));
        let mut data: Map<String, Value> = fields.chain([("how".to_owned(), "reported".into())]).collect();
        if let Some(unjudged) = &self.unjudged {
            data.insert("before".into(), json!(unjudged.before));
            data.insert("window".into(), UNKNOWN.into());
            data.insert("from_ms".into(), unjudged.from_ms.into());
        }
        data
    }
}

/// Whether it was planned is not known.
const UNKNOWN: &str = "unknown";

/// The row that a record writes: what is judged is history.
pub(super) fn row(data: &Map<String, Value>) -> Value {
    let waits = data.get("window").is_some_and(|word| word == UNKNOWN);
    let kept = |name: &String| FIELDS.contains(&name.as_str()) || waits;
    data.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn kept(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let hash = base64url(&Sha256::digest(text)[..12]);
    let most = TEXT_MAX - hash.len() - 1;
    let cut: String = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= most).map(|(_, c)| c).collect();
    format!("{cut}:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(serial: &str) -> Identity {
        Identity { serial: Some(serial.to_owned()), ..Identity::default() }
    }

    #[test]
    fn a_text_of_any_length_is_known_again_and_a_change_at_its_end_is_seen() {
        let long = "\u{1F6A8}é".repeat(300);
        let (told, before) = Told::default().heard(&said(&long)).unwrap();
        assert!(before.is_empty() && told.fields["serial"].len() <= TEXT_MAX, "{told:?}");
        assert_eq!(told.heard(&said(&long)), None);
        let (_, before) = told.heard(&said(&format!("{long}1"))).unwrap();
        assert_eq!(before, told.fields);
    }

    #[test]
    fn a_row_reads_back_as_what_waits() {
        let (told, _) = Told::default().heard(&said("A1")).unwrap();
        let (mut told, before) = told.heard(&said("B2")).unwrap();
        let mut data = told.stated();
        data.insert("window".into(), "none".into());
        data.insert("before".into(), json!(before));
        assert_eq!(row(&data), json!({ "serial": "B2" }), "what is judged is history");
        for from_ms in [None, Some(7)] {
            told.unjudged = Some(Unjudged { before: before.clone(), from_ms });
            assert_eq!(Told::read(&row(&told.stated())), told);
        }
    }

    #[test]
    fn of_several_changes_that_wait_what_was_before_the_first_counts() {
        let facts = |text: &str| Facts::from([("serial".to_owned(), text.to_owned())]);
        let first = Unjudged::and(None, facts("A1"), Some(7));
        let both = Unjudged::and(Some(first.clone()), facts("B2"), Some(9));
        assert_eq!(both, first);
        let (told, _) = Told::default().heard(&said("a 1")).unwrap();
        assert_eq!(told.differing(both.before), Facts::new(), "it is as it was");
    }
}
