//! A number exactly as it was read or written: billionths as an integer, never a float.

use picket_device::quantity::Value;
use std::fmt;
use std::ops::{Add, Sub};

/// A whole number of billionths: holds every [`Value::Number`], whose exponent is at least -9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i128);

/// Billionths have so many places.
const PLACES: i8 = 9;

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `mantissa * 10^exponent`; `None` where the exponent is outside -9..=9.
    pub fn new(mantissa: i64, exponent: i8) -> Option<Self> {
        let power = u32::try_from(i16::from(exponent) + i16::from(PLACES)).ok().filter(|power| *power <= 18)?;
        Some(Self(i128::from(mantissa) * 10_i128.pow(power)))
    }

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self(number as i128 * 1_000_000_000)
    }

    /// As [`Value::decimal`] reads it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(&Value::decimal(text)?)
    }

    /// The number of a value; a contact and a text have none.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number { mantissa, exponent } => Self::new(*mantissa, *exponent),
            Value::Bit(_) | Value::Text(_) | Value::Unknown => None,
        }
    }

    /// Its size without its sign.
    pub fn size(self) -> Self {
        Self(self.0.abs())
    }

    /// Times a fraction, rounded toward zero. For numbers as small as a step of a point.
    pub fn times(self, numerator: i128, denominator: i128) -> Self {
        Self((self.0 * numerator).checked_div(denominator).unwrap_or(0))
    }

    /// In whole steps of `10^exponent` (-9..=0), rounded half away from zero; `None` where it passes an `i64`.
    pub fn in_steps(self, exponent: i8) -> Option<i64> {
        let step = Self::new(1, exponent)?.0;
        let half = if self.0 < 0 { -step / 2 } else { step / 2 };
        i64::try_from((self.0 + half) / step).ok()
    }

    /// The power of ten of its last digit that is not zero, -9..=0.
    pub fn exponent(self) -> i8 {
        let mut exponent = -PLACES;
        let mut step = 10;
        while exponent < 0 && self.0 % step == 0 {
            exponent += 1;
            step *= 10;
        }
        exponent
    }
}

impl Add for Decimal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Decimal {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        let (whole, part) = (size / 1_000_000_000, size % 1_000_000_000);
        let part = format!("{part:09}");
        let part = part.trim_end_matches('0');
        if part.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{part}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_as_it_was_written() {
        for text in ["0", "12.5", "-0.05", "0.000000001", "9007199254740991", "-40"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::parse("1,5"), None);
        assert_eq!(Decimal::of(&Value::Bit(true)), None);
        assert_eq!(Decimal::new(1, 10), None);
    }

    #[test]
    fn steps_are_rounded_half_away_from_zero() {
        for (text, exponent, steps) in
            [("12.345", -2, 1_235), ("-12.345", -2, -1_235), ("12.34", -2, 1_234), ("7", 0, 7)]
        {
            assert_eq!(Decimal::parse(text).unwrap().in_steps(exponent), Some(steps), "{text}");
        }
        assert_eq!(Decimal::parse("9007199254740991").unwrap().in_steps(-9), None);
    }

    #[test]
    fn the_last_digit_gives_the_exponent() {
        for (text, exponent) in [("0.5", -1), ("0.25", -2), ("0.000000001", -9), ("1", 0), ("200", 0)] {
            assert_eq!(Decimal::parse(text).unwrap().exponent(), exponent, "{text}");
        }
    }
}
