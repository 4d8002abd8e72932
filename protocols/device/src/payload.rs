//! One JSON message as a tree, bounded in size and depth, and its leaves as texts, flags and values.

use crate::camera::{CameraFault, MAX_PAYLOAD};
use crate::quantity::Value;
use serde_json::Value as Json;

/// Deepest nesting that is parsed: the deepest payload in any vendor document we know (Frigate events) has four levels.
const MAX_DEPTH: usize = 16;

/// Most characters of a device's text that are repeated in a fault.
const MAX_QUOTE: usize = 40;

pub(crate) fn parse(payload: &[u8]) -> Result<Json, CameraFault> {
    within_size(payload)?;
    if depth(payload) > MAX_DEPTH {
        return Err(CameraFault::Unreadable(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    serde_json::from_slice(payload).map_err(|fault| CameraFault::Unreadable(fault.to_string()))
}

pub(crate) fn within_size(payload: &[u8]) -> Result<(), CameraFault> {
    if payload.len() > MAX_PAYLOAD { Err(CameraFault::TooLarge(payload.len())) } else { Ok(()) }
}

fn depth(payload: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in payload {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => open += 1,
            b']' | b'}' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// The text of a leaf: a string without the blanks around it, a number or a boolean as JSON writes it.
pub(crate) fn leaf_text(leaf: &Json) -> Option<String> {
    match leaf {
        Json::String(text) => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A word for on or off, in any case (ONVIF `RelayLogicalState`, XML Schema booleans, and what cameras send).
pub(crate) fn flag(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(["active", "true", "1", "on"]) {
        Some(true)
    } else if is_one_of(["inactive", "false", "0", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// A number where the text is one, else the text; `None` where it is neither within the limits.
pub(crate) fn number_or_text(text: &str) -> Option<Value> {
    Value::decimal(text).or_else(|| Value::text(text))
}

/// A device's text as it may stand in a fault: short, control characters escaped.
pub(crate) fn quote(text: &str) -> String {
    let start: String = text.chars().take(MAX_QUOTE).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_payload_above_the_limit_is_refused_before_it_is_read() {
        assert_eq!(parse(&vec![b'['; MAX_PAYLOAD + 1]), Err(CameraFault::TooLarge(MAX_PAYLOAD + 1)));
    }

    #[test]
    fn deep_nesting_is_refused_and_brackets_in_a_text_do_not_count() {
        let deep = format!("{}1{}", "[".repeat(17), "]".repeat(17));
        assert!(matches!(parse(deep.as_bytes()), Err(CameraFault::Unreadable(_))));
        let text = format!("\"\\\"{}\"", "[".repeat(50));
        assert!(parse(text.as_bytes()).is_ok());
        assert!(parse(format!("{}1{}", "[".repeat(16), "]".repeat(16)).as_bytes()).is_ok());
    }

    #[test]
    fn the_words_for_on_and_off_are_read_in_any_case() {
        for (word, on) in [("Active", true), ("TRUE", true), ("1", true), ("On", true)] {
            assert_eq!(flag(word), Some(on), "{word}");
        }
        for word in ["inactive", "False", "0", "OFF"] {
            assert_eq!(flag(word), Some(false), "{word}");
        }
        assert_eq!(flag("closed"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
