//! Due dates. A date means the end of that day in UTC; a stated end of validity may also be an exact moment.

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use std::fmt;

/// The moment from which work is overdue, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due(i64);

const DAY_MS: i64 = 86_400_000;

impl Due {
    /// Valid through the whole day.
    pub fn end_of(day: Date) -> Self {
        let days = day.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()));
        Self((days + 1) * DAY_MS)
    }

    /// `YYYY-MM-DD`, or an RFC 3339 moment such as `2026-11-22T10:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 10 {
            return text.parse::<Date>().ok().map(Self::end_of);
        }
        text.parse::<Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }

    /// The last day on which it is valid (UTC).
    pub fn date(self) -> Date {
        let moment = Timestamp::from_millisecond(self.0 - 1).unwrap_or(Timestamp::UNIX_EPOCH);
        jiff::tz::Offset::UTC.to_datetime(moment).date()
    }

    /// True from the moment on.
    pub fn passed(self, now_ms: i64) -> bool {
        now_ms >= self.0
    }

    /// True where it passes within so many days.
    pub fn within_days(self, now_ms: i64, days: u16) -> bool {
        self.0 - now_ms <= i64::from(days) * DAY_MS
    }

    /// Milliseconds since 1970 UTC.
    pub fn at_ms(self) -> i64 {
        self.0
    }
}

/// How often work comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// So many days.
    Days(u16),
    /// So many calendar months.
    Months(u16),
}

impl Interval {
    /// `12 months`, `90 days`, `1 year`, `2 weeks`.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.trim().split_once(' ')?;
        let count: u16 = count.parse().ok().filter(|n| (1..=1_200).contains(n))?;
        match unit.trim() {
            "day" | "days" => Some(Interval::Days(count)),
            "week" | "weeks" => count.checked_mul(7).map(Interval::Days),
            "month" | "months" => Some(Interval::Months(count)),
            "year" | "years" => count.checked_mul(12).map(Interval::Months),
            _ => None,
        }
    }

    /// Days that it has at least.
    pub fn least_days(self) -> u16 {
        match self {
            Interval::Days(n) => n,
            Interval::Months(n) => n.saturating_mul(28),
        }
    }

    /// The day it comes back; a day that the month does not have becomes its last one.
    pub fn after(self, last: Date) -> Option<Date> {
        let span = match self {
            Interval::Days(n) => Span::new().days(i64::from(n)),
            Interval::Months(n) => Span::new().months(i64::from(n)),
        };
        last.checked_add(span).ok()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interval::Days(n) => write!(f, "{n} days"),
            Interval::Months(n) => write!(f, "{n} months"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_valid_through_its_whole_day() {
        let due = Due::parse("2026-11-22").expect("a date");
        let noon = "2026-11-22T12:00:00Z".parse::<Timestamp>().expect("a moment").as_millisecond();
        let next = "2026-11-23T00:00:00Z".parse::<Timestamp>().expect("a moment").as_millisecond();
        assert!(!due.passed(noon) && due.passed(next));
        assert_eq!(due.date().to_string(), "2026-11-22");
    }

    #[test]
    fn a_month_that_lacks_the_day_gives_its_last_day() {
        let last: Date = "2026-01-31".parse().expect("a date");
        assert_eq!(
            Interval::parse("1 month").and_then(|i| i.after(last)).map(|d| d.to_string()),
            Some("2026-02-28".into())
        );
        assert_eq!(Interval::parse("0 days"), None);
        assert_eq!(Interval::parse("12 moons"), None);
    }
}
