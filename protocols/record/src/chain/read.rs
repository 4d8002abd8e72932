//! Reading one line: strict text, header template, limits and fields. The signature is not looked at here.

use super::TailState;
use super::payload::{BOOT_MAX, DEVICE_TIME_MAX, DRILL_ID_MAX, TEXT_MAX};
use crate::body::Drill;
use crate::encode::{Header, LINE_MAX, Link, Name, Token, bytes32, link};
use crate::json::Members;
use crate::kind::{Kind, Severity};
use crate::personal::Commitment;
use crate::receipt::RANGES_MAX;
use crate::refusal::Refusal;
use crate::wall;
use serde_json::{Map, Value};
use std::ops::Range;

/// A record as read from its line. Well formed, and not yet believed: [`super::verify`] decides that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The line as received.
    pub line: &'a str,
    /// What is signed.
    pub signing_input: &'a str,
    /// The site it names.
    pub site: Name,
    /// The gateway it names.
    pub gw: Name,
    /// Its epoch, from 1.
    pub ep: u64,
    /// Its number, from 1.
    pub seq: u64,
    /// Link to the record before.
    pub prev: Link,
    /// Its own link.
    pub link: Link,
    /// Kernel boot id.
    pub boot: String,
    /// CLOCK_BOOTTIME in microseconds.
    pub mono_us: u64,
    /// Milliseconds since 1970 UTC.
    pub wall_ms: Option<i64>,
    /// `live`, `drill`, `test` or `maintenance`.
    pub mode: String,
    /// What it states.
    pub kind: Kind,
    /// How severe.
    pub sev: Severity,
    /// Which equipment.
    pub eq: Option<String>,
    /// The drill that it belongs to: there exactly where `mode` is `drill`.
    pub drill: Option<Drill>,
    /// Salted hash of personal data that is kept beside it.
    pub personal: Option<Commitment>,
    pub(super) signature: [u8; 64],
    payload: String,
    data: Option<Range<usize>>,
}

impl<'a> Parsed<'a> {
    /// Reads a line without its line feed.
    pub fn read(line: &'a str) -> Result<Self, Refusal> {
        let token = Token::split(line)?;
        let payload = token.payload_bytes()?;
        let members = Members::read(&payload)?;
        let (gw, ep, kind) = identify(&members)?;
        if kind == Kind::EpochOpen {
            Header::Opening { gw: &gw }.check(&token)?;
        } else {
            Header::Record { gw: &gw, ep }.check(&token)?;
        }
        let mode = members.text("mode")?.into_owned();
        if !["live", "drill", "test", "maintenance"].contains(&mode.as_str()) {
            return Err(Refusal::Field { field: "mode", expected: "live, drill, test or maintenance" });
        }
        let sev = Severity::from_int(members.count("sev")?);
        let drill = drill(&members, &mode)?;
        Ok(Self {
            line,
            signing_input: token.signing_input,
            site: Name::parse(&members.text("site")?)?,
            gw,
            ep,
            seq: from_one(&members, "seq")?,
            prev: bytes32(&members.text("prev")?, "prev")?,
            link: link(token.signing_input),
            boot: bounded(&members, "boot", BOOT_MAX)?.ok_or(Refusal::Missing { field: "boot" })?,
            mono_us: members.count("mono_us")?,
            wall_ms: wall_ms(&members)?,
            mode,
            kind,
            sev: sev.ok_or(Refusal::Field { field: "sev", expected: "0 to 4" })?,
            eq: equipment(&members)?,
            drill,
            personal: members.maybe_text("pii")?.map(|text| bytes32(&text, "pii")).transpose()?,
            signature: token.signature,
            data: object(&members, "data")?,
            payload: String::from_utf8(payload).expect("the members were read from it as text"),
        })
    }

    /// Reads a line of bytes, as they come from a file or a socket.
    pub fn read_bytes(line: &'a [u8]) -> Result<Self, Refusal> {
        if line.len() > LINE_MAX {
            return Err(Refusal::LineTooLong { bytes: line.len(), limit: LINE_MAX });
        }
        Self::read(std::str::from_utf8(line).map_err(|_| Refusal::NotText)?)
    }

    /// The payload as it was signed.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// How the journal was found, as an `epoch.open` states it; `None` for any other record.
    pub fn tail_state(&self) -> Option<TailState> {
        if self.kind != Kind::EpochOpen {
            return None;
        }
        self.data().get("tail_state").and_then(Value::as_str).and_then(TailState::parse)
    }

    /// Numbers that a `journal.recovered` declares as lost for good: they were used, and their records are gone or
    /// unreadable. At most [`RANGES_MAX`] rising ranges; none where they are not written so.
    pub fn lost(&self) -> Vec<(u64, u64)> {
        if self.kind != Kind::JournalRecovered {
            return Vec::new();
        }
        let data = self.data();
        let Some(Value::Array(list)) = data.get("lost") else { return Vec::new() };
        let pairs = list.iter().map(|item| match item.as_array().map(Vec::as_slice) {
            Some([a, b]) => a.as_u64().zip(b.as_u64()),
            _ => None,
        });
        let ranges: Option<Vec<(u64, u64)>> = pairs.collect();
        let rise = |ranges: &Vec<(u64, u64)>| {
            let within = ranges.iter().all(|(a, b)| 1 <= *a && a <= b && *b < self.seq);
            within && ranges.len() <= RANGES_MAX && ranges.windows(2).all(|two| two[0].1 < two[1].0)
        };
        ranges.filter(rise).unwrap_or_default()
    }

    /// Whether its clock was synchronised.
    pub fn is_synced(&self) -> bool {
        let payload: Option<Map<String, Value>> = serde_json::from_str(&self.payload).ok();
        payload.is_some_and(|payload| payload.get("clk").and_then(|clk| clk.get("sync")) == Some(&Value::Bool(true)))
    }

    /// What the kind defines; empty where the record has no `data`.
    pub fn data(&self) -> Map<String, Value> {
        let Some(range) = self.data.clone() else { return Map::new() };
        serde_json::from_str(&self.payload[range]).expect("the payload was read as JSON, and data as an object")
    }
}

/// Gateway, epoch and kind: what the header must agree with.
fn identify(members: &Members<'_>) -> Result<(Name, u64, Kind), Refusal> {
    members.version()?;
    let gw = Name::parse(&members.text("gw")?)?;
    let kind = members.text("kind")?;
    let kind = Kind::parse(&kind).ok_or_else(|| Refusal::Kind { kind: kind.chars().take(80).collect() })?;
    Ok((gw, from_one(members, "ep")?, kind))
}

fn from_one(members: &Members<'_>, field: &'static str) -> Result<u64, Refusal> {
    match members.count(field)? {
        0 => Err(Refusal::Field { field, expected: "an integer from one" }),
        n => Ok(n),
    }
}

fn wall_ms(members: &Members<'_>) -> Result<Option<i64>, Refusal> {
    if members.is_null("wall") {
        return Ok(None);
    }
    let expected = "null or a UTC time with milliseconds";
    match members.maybe_text("wall") {
        Ok(Some(text)) => wall::from_text(&text).map(Some).ok_or(Refusal::Field { field: "wall", expected }),
        Ok(None) => Err(Refusal::Missing { field: "wall" }),
        Err(_) => Err(Refusal::Field { field: "wall", expected }),
    }
}

/// Equipment and what must stand beside it.
fn equipment(members: &Members<'_>) -> Result<Option<String>, Refusal> {
    object(members, "clk")?.ok_or(Refusal::Missing { field: "clk" })?;
    object(members, "src")?;
    bounded(members, "dev_ts", DEVICE_TIME_MAX)?;
    let eq = bounded(members, "eq", TEXT_MAX)?;
    if eq.is_some() {
        members.count("reg")?;
        object(members, "standing")?.ok_or(Refusal::Missing { field: "standing" })?;
    }
    Ok(eq)
}

fn drill(members: &Members<'_>, mode: &str) -> Result<Option<Drill>, Refusal> {
    let refused = Refusal::Field { field: "drill", expected: "the id and authority of a drill, exactly in mode drill" };
    let (id, auth) = match (mode, members.value("drill")) {
        ("drill", Some(Value::Object(mut map))) => (map.remove("id"), map.remove("auth")),
        ("drill", None) => return Err(Refusal::Missing { field: "drill" }),
        (_, None) => return Ok(None),
        (_, Some(_)) => return Err(refused),
    };
    let id = match id.ok_or(Refusal::Missing { field: "drill.id" })? {
        Value::String(id) if (1..=DRILL_ID_MAX).contains(&id.len()) => id,
        _ => return Err(refused),
    };
    match auth.ok_or(Refusal::Missing { field: "drill.auth" })? {
        Value::String(auth) => Ok(Some(Drill { id, auth: bytes32(&auth, "auth")? })),
        _ => Err(refused),
    }
}

fn bounded(members: &Members<'_>, field: &'static str, limit: usize) -> Result<Option<String>, Refusal> {
    match members.maybe_text(field)? {
        Some(text) if text.len() > limit => Err(Refusal::Field { field, expected: "a text of the allowed length" }),
        text => Ok(text.map(|text| text.into_owned())),
    }
}

fn object(members: &Members<'_>, field: &'static str) -> Result<Option<Range<usize>>, Refusal> {
    match members.range(field) {
        Some(_) if !members.is_object(field) => Err(Refusal::Field { field, expected: "an object" }),
        range => Ok(range),
    }
}
