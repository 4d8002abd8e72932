//! A measured or heard value: what it is, in which unit, and how good it is. Never a float: a value is an integer
//! times a power of ten, so that what is signed is what was read.

use serde::{Deserialize, Serialize};

/// One value as a device gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A contact, coil or flag; `true` means the state that the signal names (open, in alarm, lost).
    Bit(bool),
    /// `mantissa * 10^exponent` in the unit of the point. The mantissa stays below 2^53 in size, so that every JSON
    /// reader keeps it whole.
    Number {
        /// Signed integer part.
        mantissa: i64,
        /// Power of ten, -9..=9.
        exponent: i8,
    },
    /// Text such as a seal number or a firmware version; at most [`MAX_TEXT`] bytes, valid UTF-8, no control characters.
    Text(String),
    /// The device took the value back (an empty retained payload, a deleted property): neither good nor alarm.
    Unknown,
}

/// Longest text value in bytes: an ISO 17712 seal number is at most 15 characters in the DCSA vocabulary, a 2D code
/// on a seal seldom above 100; the record limit is 8 KiB.
pub const MAX_TEXT: usize = 256;

/// Largest size of a mantissa: 2^53 - 1, the last integer every JSON reader keeps whole (RFC 8259, section 6).
pub const MAX_MANTISSA: i64 = (1 << 53) - 1;

/// Largest size of an exponent.
pub const MAX_EXPONENT: i8 = 9;

/// Longest decimal number in bytes; the longest a 64-bit float prints is 24.
const MAX_DECIMAL: usize = 36;

impl Value {
    /// A number, or `None` where mantissa or exponent pass their limits.
    pub fn number(mantissa: i64, exponent: i8) -> Option<Self> {
        let fits = mantissa.unsigned_abs() <= MAX_MANTISSA.unsigned_abs()
            && exponent.unsigned_abs() <= MAX_EXPONENT.unsigned_abs();
        fits.then_some(Value::Number { mantissa, exponent })
    }

    /// A text, or `None` where it is longer than [`MAX_TEXT`] bytes or has control characters.
    pub fn text(text: &str) -> Option<Self> {
        (text.len() <= MAX_TEXT && !text.chars().any(char::is_control)).then(|| Value::Text(text.to_owned()))
    }

    /// A decimal number as JSON writes it (RFC 8259, section 6; a leading `+` and leading zeros are taken too).
    /// One number has one form: no zeros at the end of the fraction, no positive exponent. Digits beyond what a
    /// [`Value::Number`] holds are rounded half away from zero; `None` where the text is no number or is too large.
    pub fn decimal(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (mantissa, exponent) = digits(text)?;
        let (mantissa, exponent) = fit(mantissa, exponent)?;
        let mantissa = i64::try_from(mantissa).ok()?;
        Value::number(if negative { -mantissa } else { mantissa }, exponent)
    }
}

fn digits(text: &str) -> Option<(u128, i32)> {
    if text.len() > MAX_DECIMAL {
        return None;
    }
    let (number, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mantissa = format!("{whole}{fraction}").parse().ok()?;
    let power: i16 = power.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    Some((mantissa, i32::from(power) - places))
}

fn fit(mut mantissa: u128, mut exponent: i32) -> Option<(u128, i8)> {
    let most = u128::from(MAX_MANTISSA.unsigned_abs());
    if mantissa == 0 {
        return Some((0, 0));
    }
    while exponent > 0 && mantissa <= most {
        mantissa *= 10;
        exponent -= 1;
    }
    let mut dropped = 0;
    while exponent < 0 && (mantissa > most || exponent < -i32::from(MAX_EXPONENT)) {
        dropped = mantissa % 10;
        mantissa /= 10;
        exponent += 1;
    }
    mantissa += u128::from(dropped >= 5);
    while exponent < 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    let exponent = i8::try_from(exponent).ok()?;
    (exponent <= 0).then_some((mantissa, exponent))
}

/// What a value stands for, in the words of the field. A point of a profile carries one, or the site's settings bind one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Door, gate or cover contact: true = open.
    Open,
    /// Door released by the access system or a request-to-exit button: true = opening is authorised now.
    Released,
    /// An alarm panel or detector reports alarm.
    Alarm,
    /// Cover, cable or enclosure tamper.
    Tamper,
    /// Mains supply lost.
    MainsLost,
    /// Battery low or missing.
    BatteryLow,
    /// A camera does not see its scene: covered, turned, blinded, defocused, or its video signal lost.
    ViewLost,
    /// Detection by a camera or detector that is not an alarm by itself.
    Motion,
    /// A hardware fault the device reports of itself.
    Fault,
    /// A seal number was read.
    Seal,
    /// A measured quantity without a security meaning of its own (temperature, voltage, a counter).
    Measured,
}

impl Signal {
    /// The word used in settings and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Open => "open",
            Signal::Released => "released",
            Signal::Alarm => "alarm",
            Signal::Tamper => "tamper",
            Signal::MainsLost => "mains-lost",
            Signal::BatteryLow => "battery-low",
            Signal::ViewLost => "view-lost",
            Signal::Motion => "motion",
            Signal::Fault => "fault",
            Signal::Seal => "seal",
            Signal::Measured => "measured",
        }
    }
}

/// How far a value may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// The device gave it for this point in this exchange.
    Good,
    /// It was good; the device or its line has been lost since.
    Stale,
    /// Outside what the device can measure, or refused by the device.
    Bad,
}

/// One point of a device, observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Name of the point in its profile, such as `di0`.
    pub point: String,
    /// What was seen.
    pub value: Value,
    /// How far to trust it.
    pub quality: Quality,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(mantissa: i64, exponent: i8) -> Option<Value> {
        Some(Value::Number { mantissa, exponent })
    }

    #[test]
    fn a_decimal_is_kept_digit_by_digit() {
        assert_eq!(Value::decimal("28.65"), number(2865, -2));
        assert_eq!(Value::decimal("-0.5"), number(-5, -1));
        assert_eq!(Value::decimal("1590045190230"), number(1_590_045_190_230, 0));
    }

    #[test]
    fn one_number_has_one_form() {
        for text in ["1000", "1000.0", "1e3", "1.0E+3", "+1000", "010e2"] {
            assert_eq!(Value::decimal(text), number(1000, 0), "{text}");
        }
        for text in ["0", "-0", "0.000", "0e99", "1e-300"] {
            assert_eq!(Value::decimal(text), number(0, 0), "{text}");
        }
    }

    #[test]
    fn digits_that_do_not_fit_are_rounded() {
        assert_eq!(Value::decimal("28.649999618530273"), number(28_649_999_619, -9));
        assert_eq!(Value::decimal("0.9999999999"), number(1, 0));
        assert_eq!(Value::decimal("1.0000000006"), number(1_000_000_001, -9));
        assert_eq!(Value::decimal("1234567890123.45678"), number(1_234_567_890_123_457, -3));
    }

    #[test]
    fn a_number_that_is_too_large_is_refused() {
        assert_eq!(Value::decimal("9007199254740991"), number(MAX_MANTISSA, 0));
        assert_eq!(Value::decimal("9007199254740992"), None);
        assert_eq!(Value::decimal("1e300"), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".5", "5.", "1e", "e5", "0x10", "1_000", "NaN", "inf", "1 ", "--1", "1e99999"] {
            assert_eq!(Value::decimal(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_has_no_control_characters_and_an_end() {
        assert_eq!(Value::text("ABC 123"), Some(Value::Text("ABC 123".to_owned())));
        assert_eq!(Value::text("AB\u{1d}C"), None);
        assert_eq!(Value::text(&"x".repeat(MAX_TEXT + 1)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_within_the_limits_or_refused(text in "[-+0-9.eE]{0,40}|.{0,40}") {
            if let Some(Value::Number { mantissa, exponent }) = Value::decimal(&text) {
                prop_assert!(mantissa.abs() <= MAX_MANTISSA && (-MAX_EXPONENT..=0).contains(&exponent));
            }
        }

        #[test]
        fn any_integer_that_fits_is_kept(n in -MAX_MANTISSA..=MAX_MANTISSA) {
            prop_assert_eq!(Value::decimal(&n.to_string()), number(n, 0));
        }
    }
}
