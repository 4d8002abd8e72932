//! One number a day of one point, and the straight line through them.

use crate::decimal::Decimal;
use crate::register::points::{Point, Side, Trend};
use serde_json::{Value, json};

/// Most days that are kept: the longest window.
pub(super) const MOST: usize = 40;
/// Fewer days say nothing about tomorrow.
const LEAST: usize = 5;
/// A line whose last day is longer ago says nothing about tomorrow either.
const FRESH_DAYS: u16 = 3;
/// It is told so many days before it fails.
const AHEAD_DAYS: i128 = 14;
/// Slopes are kept in millionths of a step a day.
const FINE: i128 = 1_000_000;

/// The numbers, in steps of the point's exponent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Days {
    /// Days since 1970, rising, each with its extreme.
    past: Vec<(u16, i32)>,
    /// The day that is not over.
    open: Option<(u16, i32)>,
}

/// The line through the days, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Millionths of a step a day.
    slope: i64,
    /// Days from today until it fails; 0 = it does.
    pub(super) fails_in: u16,
}

impl Line {
    /// Change of a day, in the unit of a point that is kept in steps of `exponent`.
    pub(super) fn per_day(&self, exponent: i8) -> Decimal {
        let step = Decimal::new(1, exponent).unwrap_or(Decimal::ZERO);
        step.times(i128::from(self.slope), FINE)
    }
}

impl Days {
    /// A reading of a day. One of another day than the open one waits until that is over.
    pub(super) fn take(&mut self, day: u16, steps: i32, side: Side) {
        self.open = match (self.open, side) {
            (None, _) => Some((day, steps)),
            (Some((open, least)), Side::Below) if open == day => Some((open, least.min(steps))),
            (Some((open, greatest)), Side::Above) if open == day => Some((open, greatest.max(steps))),
            (other, _) => other,
        };
    }

    /// Another day has begun. Whether it brought a number.
    pub(super) fn roll(&mut self, today: u16) -> bool {
        let Some((day, steps)) = self.open.take_if(|(day, _)| *day != today) else { return false };
        // A day that has not come yet was told by a clock that was wrong.
        if day > today {
            return false;
        }
        self.past.retain(|(known, _)| *known < day);
        if self.past.is_empty() {
            // All at once: growing would take room for half as many again.
            self.past.reserve_exact(MOST);
        }
        if self.past.len() == MOST {
            self.past.remove(0);
        }
        self.past.push((day, steps));
        true
    }

    /// As a record states it: `[[day, steps], ..]`.
    pub(super) fn stated(&self) -> Value {
        json!(self.past)
    }

    /// From what [`Days::stated`] gave, in steps of `was`, to steps of `exponent`.
    pub(super) fn read(stated: &Value, was: i8, exponent: i8) -> Option<Self> {
        let pairs: Vec<(u16, i32)> = serde_json::from_value(stated.clone()).ok()?;
        let moved = |(day, steps)| Some((day, steps_of(Decimal::new(i64::from(steps), was)?, exponent)?));
        let mut past: Vec<(u16, i32)> = pairs.into_iter().map(moved).collect::<Option<_>>()?;
        past.sort_unstable();
        past.dedup_by_key(|(day, _)| *day);
        past.drain(..past.len().saturating_sub(MOST));
        Some(Self { past, open: None })
    }

    /// Whether there is a number of any day that is over.
    pub(super) fn is_empty(&self) -> bool {
        self.past.is_empty()
    }

    /// The same for a point of another register; `None` where it is no longer the same quantity.
    pub(super) fn moved(self, was: i8, unit: &str, to: &Point) -> Option<Self> {
        let is_same = to.trend.is_some() && *to.unit == *unit;
        if is_same && to.exponent() == was {
            Some(self)
        } else {
            Self::read(&self.stated(), was, to.exponent()).filter(|_| is_same)
        }
    }

    /// Whether the line reaches the limit in time: its figures where it does. `None` where too little is known.
    pub(super) fn forecast(&self, today: u16, trend: &Trend, scale: (Decimal, i8)) -> Option<Option<Line>> {
        let (accuracy, exponent) = scale;
        let limit = i128::from(trend.fails_at?.in_steps(exponent)?);
        let from = today.saturating_sub(trend.window_days);
        let days: Vec<(i128, i128)> = self
            .past
            .iter()
            .filter(|(day, _)| (from..today).contains(day))
            .map(|(day, steps)| (i128::from(*day) - i128::from(today), i128::from(*steps)))
            .collect();
        let (first, last) = (days.first()?.0, days.last()?.0);
        if days.len() < LEAST || last < -i128::from(FRESH_DAYS) {
            return None;
        }
        let (slope, level) = line(&days);
        let worse = match trend.side {
            Side::Below => slope < 0,
            Side::Above => slope > 0,
        };
        // What moved less than the accuracy over all these days may not have moved at all.
        let moved = slope.abs() * (last - first);
        if !worse || moved <= i128::from(accuracy.in_steps(exponent)?) * FINE {
            return Some(None);
        }
        let left = (limit * FINE - level) / slope;
        let soon = Some(left.max(0)).filter(|left| *left <= AHEAD_DAYS).and_then(|left| u16::try_from(left).ok());
        Some(soon.zip(i64::try_from(slope).ok()).map(|(fails_in, slope)| Line { slope, fails_in }))
    }
}

/// A value in steps; `None` where it is no number of the point's range.
pub(super) fn steps_of(value: Decimal, exponent: i8) -> Option<i32> {
    i32::try_from(value.in_steps(exponent)?).ok()
}

/// Slope and the level today, in millionths of a step, after Theil and Sen (Sen 1968): medians, so that a day that is far
/// off does not bend the line.
fn line(days: &[(i128, i128)]) -> (i128, i128) {
    let pairs = days.iter().enumerate().flat_map(|(at, (x, y))| days[at + 1..].iter().map(move |b| (b.0 - x, b.1 - y)));
    let slope = median(pairs.map(|(dx, dy)| dy * FINE / dx).collect());
    (slope, median(days.iter().map(|(x, y)| y * FINE - slope * x).collect()))
}

fn median(mut of: Vec<i128>) -> i128 {
    of.sort_unstable();
    let middle = of.len() / 2;
    if of.len() % 2 == 1 { of[middle] } else { (of[middle - 1] + of[middle]) / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn falling(fails_at: &str) -> Trend {
        let (warn, fails_at) = (decimal("11"), Some(decimal(fails_at)));
        Trend { what: "battery".into(), side: Side::Below, warn, fails_at, window_days: 30 }
    }

    /// Numbers of days up to yesterday, in tenths.
    fn days(tenths: &[i32]) -> Days {
        let mut days = Days::default();
        for (day, steps) in (100..).zip(tenths) {
            days.take(day, *steps, Side::Below);
            days.roll(day + 1);
        }
        days
    }

    fn forecast(tenths: &[i32], fails_at: &str) -> Option<Option<u16>> {
        let today = 100 + u16::try_from(tenths.len()).unwrap();
        let line = days(tenths).forecast(today, &falling(fails_at), (decimal("0.2"), -1))?;
        Some(line.map(|line| line.fails_in))
    }

    #[test]
    fn a_line_that_reaches_the_limit_within_two_weeks_is_told_with_its_days() {
        // 12.5 V falls by 0.1 V a day: today 12.0 V, 10.6 V in 14 days.
        let fall = [125, 124, 123, 122, 121];
        assert_eq!(forecast(&fall, "10.6"), Some(Some(14)));
        assert_eq!(forecast(&fall, "10.5"), Some(None));
        assert_eq!(forecast(&fall, "12.4"), Some(Some(0)), "it is there already");
    }

    #[test]
    fn too_few_days_and_days_long_ago_tell_nothing() {
        assert_eq!(forecast(&[125, 124, 123, 122], "11"), None);
        let old = days(&[125, 124, 123, 122, 121]);
        let at = |today| old.forecast(today, &falling("11"), (decimal("0.2"), -1));
        assert_eq!((at(107).is_some(), at(108)), (true, None));
        assert_eq!(at(200), None, "outside the window");
    }

    #[test]
    fn one_odd_day_does_not_bend_the_line_and_noise_is_no_fall() {
        assert_eq!(forecast(&[125, 125, 126, 125, 125, 124, 60], "11"), Some(None));
        assert_eq!(forecast(&[121, 120, 121, 120, 120, 119, 120], "11.9"), Some(None), "within the accuracy");
        assert_eq!(forecast(&[120, 121, 122, 123, 124], "11"), Some(None), "it rises");
    }

    #[test]
    fn a_day_that_has_not_come_is_not_kept_and_a_clock_put_right_heals_the_days() {
        let mut days = days(&[125, 124]);
        days.take(900, 60, Side::Below);
        assert!(!days.roll(102) && days.stated() == json!([[100, 125], [101, 124]]));
        days.take(900, 60, Side::Below);
        assert!(days.roll(901));
        days.take(102, 123, Side::Below);
        assert!(days.roll(103));
        assert_eq!(days.stated(), json!([[100, 125], [101, 124], [102, 123]]));
    }

    #[test]
    fn forty_days_are_kept_and_read_again_in_other_steps() {
        let many: Vec<i32> = (0..70).collect();
        let kept = days(&many);
        assert_eq!((kept.past.len(), kept.past[0]), (40, (130, 30)));
        let again = Days::read(&kept.stated(), -1, -2).unwrap();
        assert_eq!((again.past.len(), again.past[0]), (40, (130, 300)));
        assert_eq!(Days::read(&json!([["x", 1]]), -1, -1), None);
    }
}
