//! Steps of the wall clock: where a new era begins, and what is recorded of it.
//!
//! Order comes from record numbers and intervals from the boot clock, so a step destroys nothing; it must be known all
//! the same to whoever reads wall times.

use crate::statement::Statement;
use crate::time::{Now, s};
use picket_record::body::When;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

/// A wall clock that moved against the boot clock by more than this between two readings was stepped. No slew
/// does that: chrony makes at most 83 ms a second (chrony.conf(5), `maxslewrate`), the kernel 0.5 ms,
/// and the agent reads both clocks every second.
const STEP_MS: i64 = 500;
/// A step is recorded at once, then at most so often: a clock that jumps every second must not fill the journal.
const RECORD_US: u64 = s(60);

/// Counts eras. Fed with every reading of both clocks, by whoever makes [`Now`].
#[derive(Debug, Default)]
pub struct Eras {
    offset_ms: Option<i64>,
    count: u32,
}

impl Eras {
    /// Goes on from an era, if that is later: the one of this start.
    pub fn resume(&mut self, era: u32) {
        self.count = self.count.max(era);
    }

    /// The era of a reading: boot clock in microseconds, wall clock in milliseconds since 1970 UTC, set or not.
    pub fn read(&mut self, mono_us: u64, wall_ms: i64) -> u32 {
        let offset = offset_ms(mono_us, wall_ms);
        let stepped = |before: i64| offset.saturating_sub(before).saturating_abs() > STEP_MS;
        if self.offset_ms.replace(offset).is_some_and(stepped) {
            self.count = self.count.saturating_add(1);
        }
        self.count
    }
}

/// What a record says of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastClock {
    /// Kernel boot id.
    pub boot: String,
    /// CLOCK_BOOTTIME in microseconds.
    pub mono_us: u64,
    /// Milliseconds since 1970 UTC; `None` where the clock was never set.
    pub wall_ms: Option<i64>,
    /// Era.
    pub era: u32,
}

impl LastClock {
    /// The era of a start behind this record: no era comes twice. Another boot begins one, because nothing tells what the
    /// clock did in between; so does a step that the boot clock shows.
    pub fn era_at(&self, start: &When) -> u32 {
        let same = self.boot == *start.boot && !self.stepped(start.mono_us, start.wall_ms);
        self.era.saturating_add(u32::from(!same)).max(start.clock.era)
    }

    /// Whether the clock was stepped between this record and a moment of the same boot.
    fn stepped(&self, mono_us: u64, wall_ms: Option<i64>) -> bool {
        match (self.offset_ms(), wall_ms.map(|wall_ms| offset_ms(mono_us, wall_ms))) {
            (Some(before), Some(after)) => after.saturating_sub(before).saturating_abs() > STEP_MS,
            (before, after) => before.is_some() != after.is_some(),
        }
    }

    fn offset_ms(&self) -> Option<i64> {
        self.wall_ms.map(|wall_ms| offset_ms(self.mono_us, wall_ms))
    }
}

/// Tells of new eras.
#[derive(Debug)]
pub(crate) struct Steps {
    era: u32,
    /// Wall minus boot clock when last looked at; `None` where the clock was never set.
    offset_ms: Option<i64>,
    untold: Option<Untold>,
    /// The next record is made from here on.
    from_us: u64,
}

/// Steps since the last record.
#[derive(Debug)]
struct Untold {
    steps: u32,
    /// Wall minus boot clock before the first of them.
    offset_ms: Option<i64>,
}

impl Steps {
    /// Steps after this moment are told, and one while nothing ran: since the last record, where that is of this boot.
    pub(crate) fn new(now: &Now, last: Option<&LastClock>) -> Self {
        let missed = last.filter(|last| last.boot == *now.boot && last.stepped(now.mono_us, now.utc_ms));
        let untold = missed.map(|last| Untold { steps: 1, offset_ms: last.offset_ms() });
        Self { era: now.quality.era, offset_ms: offset(now), untold, from_us: 0 }
    }

    /// What is to be recorded at this moment: how far the clock went since it was last told, in how many steps.
    pub(crate) fn look(&mut self, now: &Now) -> Option<Statement> {
        let before = std::mem::replace(&mut self.offset_ms, offset(now));
        let steps = now.quality.era.saturating_sub(self.era);
        if steps > 0 {
            self.era = now.quality.era;
            self.untold.get_or_insert(Untold { steps: 0, offset_ms: before }).steps += steps;
        }
        if now.mono_us < self.from_us {
            return None;
        }
        let untold = self.untold.take()?;
        self.from_us = now.mono_us + RECORD_US;
        let before_ms = untold.offset_ms.map(|offset| offset.saturating_add(mono_ms(now.mono_us)));
        let delta_ms = now.utc_ms.zip(before_ms).map(|(after, before)| after.saturating_sub(before));
        let data = json!({
            "before_ms": before_ms,
            "after_ms": now.utc_ms,
            "delta_ms": delta_ms,
            "era": self.era,
            "steps": untold.steps,
        });
        Some(Statement::new(Kind::ClockStep, Severity::Notice, data))
    }

    /// When [`Steps::look`] has something to tell that it already knows.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.untold.as_ref().map(|_| self.from_us)
    }
}

fn offset(now: &Now) -> Option<i64> {
    now.utc_ms.map(|utc_ms| offset_ms(now.mono_us, utc_ms))
}

fn offset_ms(mono_us: u64, wall_ms: i64) -> i64 {
    wall_ms.saturating_sub(mono_ms(mono_us))
}

fn mono_ms(mono_us: u64) -> i64 {
    i64::try_from(mono_us / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::at;
    use serde_json::{Map, Value};

    /// A moment whose wall clock is so far off, in an era.
    fn off(mono_us: u64, ms: i64, era: u32) -> Now {
        let mut now = at(mono_us);
        now.utc_ms = now.utc_ms.map(|utc_ms| utc_ms + ms);
        now.quality.era = era;
        now
    }

    fn told(steps: &mut Steps, now: &Now) -> Option<Map<String, Value>> {
        steps.look(now).map(|statement| statement.data)
    }

    #[test]
    fn more_than_half_a_second_against_the_boot_clock_begins_an_era() {
        let mut eras = Eras::default();
        assert_eq!(eras.read(1_000_000, 1_000_000), 0);
        assert_eq!(eras.read(2_000_000, 1_001_500), 0, "500 ms are none");
        assert_eq!(eras.read(3_000_000, 1_001_999), 1, "501 ms backwards are one");
        // A board without RTC starts at 1970 and is set to 2026.
        assert_eq!(eras.read(4_000_000, 1_795_305_600_000), 2);
        assert_eq!(eras.read(5_000_000, i64::MIN), 3, "nor does the absurd panic");
    }

    #[test]
    fn a_slow_slew_is_no_step_however_far_it_goes() {
        let mut eras = Eras::default();
        // The fastest slew of chrony (maxslewrate, 83333 ppm) through 5 s.
        let last = (0..60).map(|second| eras.read(s(second), 1_000_000 + 1_083 * second as i64)).last();
        assert_eq!(last, Some(0));
    }

    #[test]
    fn a_step_is_told_once_with_how_far_and_from_where() {
        let mut steps = Steps::new(&at(0), None);
        assert_eq!(told(&mut steps, &at(s(1))), None);
        let now = off(s(2), -3_600_000, 1);
        let data = told(&mut steps, &now).unwrap();
        assert_eq!((&data["delta_ms"], &data["era"], &data["steps"]), (&json!(-3_600_000), &json!(1), &json!(1)));
        assert_eq!((&data["before_ms"], &data["after_ms"]), (&json!(at(s(2)).utc_ms), &json!(now.utc_ms)));
        assert_eq!(told(&mut steps, &off(s(3), -3_600_000, 1)), None);
    }

    #[test]
    fn the_first_setting_of_a_clock_is_a_step_from_nowhere() {
        let mut steps = Steps::new(&Now { utc_ms: None, ..at(0) }, None);
        let data = told(&mut steps, &off(s(1), 0, 1)).unwrap();
        assert_eq!((&data["before_ms"], &data["delta_ms"]), (&Value::Null, &Value::Null));
        assert_eq!(data["after_ms"], json!(at(s(1)).utc_ms));
    }

    #[test]
    fn a_clock_that_jumps_every_second_is_told_once_a_minute_with_the_number_of_steps() {
        let mut steps = Steps::new(&at(0), None);
        let all: Vec<_> = (1..=180_u32)
            .filter_map(|second| told(&mut steps, &off(s(second.into()), i64::from(second) * 1_000, second)))
            .collect();
        let counts: Vec<_> = all.iter().map(|data| data["steps"].as_u64().unwrap()).collect();
        assert_eq!(counts, [1, 60, 60]);
        assert_eq!(all[1]["delta_ms"], json!(60_000));
        assert_eq!(steps.deadline(), Some(s(181)), "the rest is told in its turn");
    }

    fn last(boot: &str, mono_us: u64, wall_ms: Option<i64>, era: u32) -> LastClock {
        LastClock { boot: boot.into(), mono_us, wall_ms, era }
    }

    #[test]
    fn an_era_goes_on_over_a_restart_and_begins_anew_with_a_boot_or_a_step() {
        let now = at(s(100));
        let before = last(&now.boot, s(40), at(s(40)).utc_ms, 7);
        assert_eq!(before.era_at(&now.when()), 7);
        assert_eq!(before.era_at(&off(s(100), 500, 0).when()), 7);
        assert_eq!(before.era_at(&off(s(100), 501, 0).when()), 8);
        assert_eq!(before.era_at(&Now { utc_ms: None, ..at(s(100)) }.when()), 8);
        assert_eq!(last("another boot", s(40), at(s(40)).utc_ms, 7).era_at(&now.when()), 8);
        let mut eras = Eras::default();
        eras.resume(8);
        assert_eq!((eras.read(0, 0), eras.read(0, 501)), (8, 9));
    }

    #[test]
    fn a_step_while_nothing_ran_is_told_with_the_first_look() {
        let now = off(s(100), -3_600_000, 8);
        let mut steps = Steps::new(&now, Some(&last(&now.boot, s(40), at(s(40)).utc_ms, 7)));
        let data = told(&mut steps, &now).unwrap();
        assert_eq!((&data["delta_ms"], &data["era"], &data["steps"]), (&json!(-3_600_000), &json!(8), &json!(1)));
        assert_eq!((&data["before_ms"], told(&mut steps, &now)), (&json!(at(s(100)).utc_ms), None));
    }

    #[test]
    fn nothing_is_told_of_a_clock_of_another_boot_or_one_that_went_on() {
        for last in [last("another boot", s(40), Some(0), 7), last(&at(0).boot, s(40), at(s(40)).utc_ms, 7)] {
            let mut steps = Steps::new(&at(s(100)), Some(&last));
            assert_eq!(told(&mut steps, &at(s(101))), None);
        }
    }
}
