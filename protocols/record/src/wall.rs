//! Wall time as text: RFC 3339, UTC, milliseconds, exactly 24 characters. No clock.

use crate::refusal::Refusal;

/// First moment that can be written: year 0.
const FIRST_MS: i64 = -62_167_219_200_000;
/// Last moment that can be written: end of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;

/// `2026-11-22T02:38:39.120Z`, or `None` outside the years 0 to 9999.
pub fn to_text(ms: i64) -> Option<String> {
    if !(FIRST_MS..=LAST_MS).contains(&ms) {
        return None;
    }
    let (year, month, day) = date(ms.div_euclid(DAY_MS));
    let rest = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000))
}

/// The same for the field of a document.
pub(crate) fn written(ms: i64, field: &'static str) -> Result<String, Refusal> {
    to_text(ms).ok_or(Refusal::Field { field, expected: "in the years 0 to 9999" })
}

/// Milliseconds since 1970, or `None` for any other spelling, a day that does not exist or a leap second.
pub fn from_text(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if b.len() != 24 || !b.is_ascii() {
        return None;
    }
    let number = |at: std::ops::Range<usize>| -> Option<i64> {
        b[at].iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let ms = days * DAY_MS + seconds * 1000 + number(20..23)?;
    // Writing it again refuses separators, fields out of range and days that do not exist.
    (to_text(ms)? == text).then_some(ms)
}

/// Civil date of a day since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// Day since 1970 of a civil date (same source, days_from_civil).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    y.div_euclid(400) * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_gnu_date_writes_them() {
        // date -u -d @N +%FT%T.%3NZ
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_763_778_000_120, "2025-11-22T02:20:00.120Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (FIRST_MS, "0000-01-01T00:00:00.000Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(to_text(ms).as_deref(), Some(text));
            assert_eq!(from_text(text), Some(ms));
        }
        assert_eq!(to_text(LAST_MS + 1), None);
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for bad in [
            "2025-11-22 02:20:00.120Z",
            "2025-11-22T02:20:00.120z",
            "2025-11-22T02:20:00Z",
            "2025-02-29T00:00:00.000Z",
            "2025-11-22T24:00:00.000Z",
            "2025-11-22T23:59:60.000Z",
            "+025-11-22T02:20:00.120Z",
            "2025-11-22T02:20:00.12éZ",
        ] {
            assert_eq!(from_text(bad), None, "{bad}");
        }
    }
}
