//! Records that the journal writes of itself.

use picket_record::body::{Body, When};
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value};

/// A record of the journal itself.
pub(super) fn own_words(when: &When, kind: Kind, severity: Severity, data: Value) -> Body {
    let data = match data {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    Body::new(when.clone(), kind, severity, data)
}
