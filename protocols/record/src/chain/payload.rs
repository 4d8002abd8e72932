//! Writing the payload of a record: once, by hand and in the order of the format, because it is on the hot path.
//!
//! What this writes is what [`crate::json`] reads; every rule for payloads is checked while writing.

use super::Head;
use crate::body::{About, Body, Mode, When};
use crate::encode::{PAYLOAD_MAX, base64url_onto};
use crate::json::INTEGER_MAX;
use crate::personal::Personal;
use crate::wall;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Deepest nesting of `data`, itself counted as one: one less than a payload's.
const DATA_DEPTH_MAX: usize = crate::json::DEPTH_MAX - 1;
/// Longest `eq`, `drv` and text of a standing, in bytes: they stand in every record of a piece of equipment.
pub(crate) const TEXT_MAX: usize = 256;
/// Longest `dev_ts`, in bytes.
pub(crate) const DEVICE_TIME_MAX: usize = 64;
/// Longest name of a drill, in bytes.
pub const DRILL_ID_MAX: usize = 64;
/// A kernel boot id has 36 characters.
pub(crate) const BOOT_MAX: usize = 36;

/// Why a body cannot become a record. The chain is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefusal {
    /// More than a payload may have.
    #[error("the record has {bytes} bytes, more than the {PAYLOAD_MAX} that it may have; split it into numbered parts")]
    TooLarge {
        /// Its size, or more than the limit where it was not written to the end.
        bytes: usize,
    },
    /// `data` is nested too deeply.
    #[error("data nests deeper than {DATA_DEPTH_MAX} levels")]
    TooDeep,
    /// A fraction, or 2^53 and more.
    #[error("{number} is not an integer below 2^53")]
    Number {
        /// The number.
        number: String,
    },
    /// A text that is longer than its field allows.
    #[error("{field} has {bytes} bytes, more than the {limit} that it may have")]
    Text {
        /// Which field.
        field: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Outside the years that can be written.
    #[error("the wall time of {ms} ms is outside the years 0 to 9999")]
    Wall {
        /// Milliseconds since 1970.
        ms: i64,
    },
    /// A drill without a name.
    #[error("the drill has no name")]
    Unnamed,
    /// Personal data that nobody drew a salt for.
    #[error("the personal data were not kept beside the record: a record states a salted hash of them alone")]
    Unsalted,
    /// `epoch.open` is made by `Sealer::open` alone.
    #[error("an epoch is opened by the identity key, never by the key of an epoch")]
    Opening,
}

/// Writes the payload of the record after `head`, in the order of the format.
pub(super) fn write_payload(out: &mut Vec<u8>, prefix: &str, head: Head, body: &Body) -> Result<(), BodyRefusal> {
    out.extend_from_slice(prefix.as_bytes());
    let mut text = String::with_capacity(320);
    write_place(&mut text, head, &body.when)?;
    write_mode(&mut text, &body.mode)?;
    push(&mut text, format_args!(r#","kind":"{}","sev":{}"#, body.kind.as_str(), body.severity as u8));
    out.extend_from_slice(text.as_bytes());
    if let Some(about) = &body.about {
        write_about(out, about)?;
    }
    if let Some(time) = &body.device_time {
        out.extend_from_slice(br#","dev_ts":"#);
        write_bounded(out, "dev_ts", time, DEVICE_TIME_MAX)?;
    }
    if let Some(personal) = &body.personal {
        let Personal::Committed(commitment) = personal else { return Err(BodyRefusal::Unsalted) };
        let mut text = String::with_capacity(52);
        text.push_str(r#","pii":""#);
        base64url_onto(commitment, &mut text);
        text.push('"');
        out.extend_from_slice(text.as_bytes());
    }
    if !body.data.is_empty() {
        out.extend_from_slice(br#","data":"#);
        write_object(out, &body.data, 1)?;
    }
    out.push(b'}');
    if out.len() > PAYLOAD_MAX { Err(BodyRefusal::TooLarge { bytes: out.len() }) } else { Ok(()) }
}

fn write_mode(text: &mut String, mode: &Mode) -> Result<(), BodyRefusal> {
    push(text, format_args!(r#","mode":"{}""#, mode.as_str()));
    if let Mode::Drill(drill) = mode {
        if drill.id.is_empty() {
            return Err(BodyRefusal::Unnamed);
        }
        bounded("drill", &drill.id, DRILL_ID_MAX)?;
        text.push_str(r#","drill":{"id":"#);
        text.push_str(&serde_json::to_string(&drill.id).expect("a text is always JSON"));
        text.push_str(r#","auth":""#);
        base64url_onto(&drill.auth, text);
        text.push_str("\"}");
    }
    Ok(())
}

fn push(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("writing to a text never fails");
}

/// From the number to the clock.
fn write_place(text: &mut String, head: Head, when: &When) -> Result<(), BodyRefusal> {
    push(text, format_args!(r#"{},"prev":""#, head.seq + 1));
    base64url_onto(&head.link, text);
    text.push_str(r#"","boot":"#);
    bounded("boot", &when.boot, BOOT_MAX)?;
    text.push_str(&serde_json::to_string(&*when.boot).expect("a text is always JSON"));
    push(text, format_args!(r#","mono_us":{},"wall":"#, integer(when.mono_us)?));
    match when.wall_ms {
        Some(ms) => push(text, format_args!(r#""{}""#, wall::to_text(ms).ok_or(BodyRefusal::Wall { ms })?)),
        None => text.push_str("null"),
    }
    text.push_str(r#","clk":"#);
    text.push_str(&serde_json::to_string(&when.clock).expect("the quality of a clock is always JSON"));
    Ok(())
}

fn write_about(out: &mut Vec<u8>, about: &About) -> Result<(), BodyRefusal> {
    out.extend_from_slice(br#","eq":"#);
    write_bounded(out, "eq", &about.equipment, TEXT_MAX)?;
    out.extend_from_slice(br#","reg":"#);
    out.extend_from_slice(integer(about.register)?.to_string().as_bytes());
    let standing = &about.standing;
    for text in standing.why.iter().chain(&standing.due).chain(&standing.cert) {
        bounded("standing", text, TEXT_MAX)?;
    }
    out.extend_from_slice(br#","standing":"#);
    serde_json::to_writer(&mut *out, standing).expect("a standing is always JSON");
    if let Some(source) = &about.source {
        out.extend_from_slice(br#","src":{"drv":"#);
        write_bounded(out, "drv", source.driver, TEXT_MAX)?;
        let mut text = String::with_capacity(96);
        text.push_str(r#","raw":""#);
        base64url_onto(&source.raw, &mut text);
        text.push_str(r#"","identity":"#);
        out.extend_from_slice(text.as_bytes());
        serde_json::to_writer(&mut *out, &source.identity).expect("a word is always JSON");
        out.push(b'}');
    }
    Ok(())
}

fn bounded(field: &'static str, text: &str, limit: usize) -> Result<(), BodyRefusal> {
    if text.len() > limit {
        return Err(BodyRefusal::Text { field, bytes: text.len(), limit });
    }
    Ok(())
}

fn write_bounded(out: &mut Vec<u8>, field: &'static str, text: &str, limit: usize) -> Result<(), BodyRefusal> {
    bounded(field, text, limit)?;
    write_text(out, text);
    Ok(())
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text is always JSON");
}

fn integer(n: u64) -> Result<u64, BodyRefusal> {
    if n > INTEGER_MAX { Err(BodyRefusal::Number { number: n.to_string() }) } else { Ok(n) }
}

fn write_object(out: &mut Vec<u8>, map: &Map<String, Value>, depth: usize) -> Result<(), BodyRefusal> {
    if depth > DATA_DEPTH_MAX {
        return Err(BodyRefusal::TooDeep);
    }
    let mut before = b'{';
    for (key, value) in map {
        out.push(before);
        write_text(out, key);
        out.push(b':');
        write_value(out, value, depth)?;
        before = b',';
    }
    out.extend_from_slice(if map.is_empty() { b"{}" } else { b"}" });
    Ok(())
}

fn write_array(out: &mut Vec<u8>, list: &[Value], depth: usize) -> Result<(), BodyRefusal> {
    if depth > DATA_DEPTH_MAX {
        return Err(BodyRefusal::TooDeep);
    }
    out.push(b'[');
    for (i, value) in list.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_value(out, value, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn write_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), BodyRefusal> {
    // Stops a huge body early instead of writing it all to refuse it.
    if out.len() > PAYLOAD_MAX {
        return Err(BodyRefusal::TooLarge { bytes: out.len() });
    }
    match value {
        Value::Object(map) => write_object(out, map, depth + 1),
        Value::Array(list) => write_array(out, list, depth + 1),
        Value::String(text) => bounded("data", text, PAYLOAD_MAX).map(|()| write_text(out, text)),
        Value::Bool(true) => write_word(out, b"true"),
        Value::Bool(false) => write_word(out, b"false"),
        Value::Null => write_word(out, b"null"),
        Value::Number(number) => {
            let fits = number.as_i64().is_some_and(|n| n.unsigned_abs() <= INTEGER_MAX);
            if !fits {
                return Err(BodyRefusal::Number { number: number.to_string() });
            }
            serde_json::to_writer(out, number).expect("an integer is always JSON");
            Ok(())
        }
    }
}

fn write_word(out: &mut Vec<u8>, word: &[u8]) -> Result<(), BodyRefusal> {
    out.extend_from_slice(word);
    Ok(())
}
