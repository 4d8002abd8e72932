//! Measured points of a calibration: nominal, as found, as left, and how far it may be away.

use crate::fields::Reader;
use picket_device::quantity::{MAX_MANTISSA, Value as Quantity};
use serde_json::{Map, Value, json};

/// What names of points and items look like.
pub(super) const NAMES: &str = "1 to 32 of a-z 0-9 . _ -";
const HOW: &str =
    "nominal, as found, as left, tolerance and unit with blanks between, such as \"10.0 10.4 10.0 0.2 m\"";
/// Longest unit, in bytes.
const UNIT: usize = 16;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Every point was within its tolerance before anything was adjusted.
    pub(super) found: bool,
    /// And behind.
    pub(super) left: bool,
    /// `name: [nominal, found, left, tolerance, e, unit]`, integers times ten to the e.
    pub(super) data: Map<String, Value>,
}

/// The points that a report has; none where it has none.
pub(super) fn read(reader: &mut Reader<'_>, family: &str, most: usize) -> Option<Measured> {
    let stated = reader.family(family);
    if stated.is_empty() {
        return None;
    }
    let mut measured = Measured { found: true, left: true, data: Map::new() };
    for (name, text) in stated {
        let field = format!("{family}{name}");
        if !is_name(name) {
            reader.fault(&field, "this is no name of a point", NAMES);
        }
        if measured.data.len() == most {
            reader.fault(&field, format!("more than {most} points"), "report the rest under a second certificate");
            break;
        }
        let Some(point) = Point::parse(text) else {
            reader.fault(&field, format!("cannot read {text:?}"), HOW);
            continue;
        };
        measured.found &= point.is_within(point.found);
        measured.left &= point.is_within(point.left);
        measured.data.insert(name.to_owned(), point.stated());
    }
    Some(measured)
}

pub(super) fn is_name(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
    (1..=32).contains(&text.len()) && text.bytes().all(fits)
}

#[derive(Debug, PartialEq, Eq)]
struct Point {
    nominal: i64,
    found: i64,
    left: i64,
    tolerance: i64,
    exponent: i8,
    unit: String,
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let (numbers, unit) = match parts.as_slice() {
            [numbers @ .., unit] if numbers.len() == 4 => (numbers, *unit),
            numbers if numbers.len() == 4 => (numbers, ""),
            _ => return None,
        };
        let read: Vec<(i64, i8)> = numbers.iter().map(|text| number(text)).collect::<Option<_>>()?;
        let exponent = read.iter().map(|(_, exponent)| *exponent).min()?;
        let scaled = read.iter().map(|(mantissa, own)| {
            let up = 10_i64.checked_pow(u32::try_from(i16::from(*own) - i16::from(exponent)).ok()?)?;
            mantissa.checked_mul(up).filter(|n| n.abs() <= MAX_MANTISSA)
        });
        let scaled: Vec<i64> = scaled.collect::<Option<_>>()?;
        let [nominal, found, left, tolerance] = scaled.try_into().ok()?;
        let is_plain = unit.len() <= UNIT && !unit.chars().any(char::is_control);
        (tolerance >= 0 && is_plain).then(|| Self { nominal, found, left, tolerance, exponent, unit: unit.to_owned() })
    }

    fn is_within(&self, value: i64) -> bool {
        (value - self.nominal).abs() <= self.tolerance
    }

    fn stated(&self) -> Value {
        json!([self.nominal, self.found, self.left, self.tolerance, self.exponent, self.unit])
    }
}

fn number(text: &str) -> Option<(i64, i8)> {
    match Quantity::decimal(text)? {
        Quantity::Number { mantissa, exponent } => Some((mantissa, exponent)),
        Quantity::Bit(_) | Quantity::Text(_) | Quantity::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_point_share_their_power_of_ten() {
        let point = Point::parse("10 10.25 10.0 0.2 m").unwrap();
        assert_eq!(point.stated(), json!([1000, 1025, 1000, 20, -2, "m"]));
        assert!(!point.is_within(point.found) && point.is_within(point.left));
    }

    #[test]
    fn a_value_at_its_tolerance_is_within_it() {
        let point = Point::parse("-5 -5.5 -4.4 0.5").unwrap();
        assert!(point.is_within(point.found) && !point.is_within(point.left));
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let large = "9007199254740991 0.1 0 0 V";
        for text in
            ["", "1 2 3", "1 2 3 4 m s", "1 2 3 -1 m", "1 2 x 4 m", "1,5 1 1 1 m", large, "1 1 1 1 abcdefghijklmnopq"]
        {
            assert_eq!(Point::parse(text), None, "{text}");
        }
    }
}
