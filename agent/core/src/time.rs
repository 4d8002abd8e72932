//! Moments, chance and back-off: the two things that enter from outside, and what is made of them.

use picket_record::body::{ClockQuality, When};
use std::sync::Arc;

/// A moment. Deadlines use `mono_us` alone; `utc_ms` is a claim whose worth `trusted` tells.
#[derive(Debug, Clone)]
pub struct Now {
    /// CLOCK_BOOTTIME in microseconds.
    pub mono_us: u64,
    /// Milliseconds since 1970 UTC, if the clock was ever set.
    pub utc_ms: Option<i64>,
    /// Whether dates may be judged by `utc_ms`: synchronised, or accepted by the settings.
    pub trusted: bool,
    /// What goes into records.
    pub quality: ClockQuality,
    /// Kernel boot id.
    pub boot: Arc<str>,
}

impl Now {
    /// The same moment as a record states it.
    pub fn when(&self) -> When {
        When { boot: Arc::clone(&self.boot), mono_us: self.mono_us, wall_ms: self.utc_ms, clock: self.quality }
    }

    /// Wall time if dates may be judged by it.
    pub fn judged_ms(&self) -> Option<i64> {
        self.utc_ms.filter(|_| self.trusted)
    }
}

/// Milliseconds as microseconds of [`Now::mono_us`].
pub const fn ms(n: u64) -> u64 {
    n * 1_000
}

/// Seconds as microseconds of [`Now::mono_us`].
pub const fn s(n: u64) -> u64 {
    n * 1_000_000
}

/// Chance that replays: SplitMix64 (Steele, Lea, Flood 2014). Only spreads retries; never a key, never a decision.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform in `0..n`; 0 for `n` = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).checked_rem(n).unwrap_or(0)
    }
}

/// Growing, jittered pauses between tries: doubles from `first_ms` to a cap, and to a wider cap after ten minutes.
#[derive(Debug, Clone)]
pub struct Backoff {
    first_ms: u64,
    cap_ms: u64,
    late_cap_ms: u64,
    next_ms: u64,
    spent_ms: u64,
}

/// After this long without success the wider cap holds.
const PATIENT_AFTER_MS: u64 = 600_000;

impl Backoff {
    /// For the link to the central side: 0.5 s doubling to 2 s, 30 s after ten minutes.
    pub fn link() -> Self {
        Self::new(500, 2_000, 30_000)
    }

    /// For a line that cannot be opened: 0.5 s doubling to 5 s, 10 s after ten minutes. Not longer: a module or a broker
    /// that comes back after a night must not leave a gate unwatched while somebody waits for a timer.
    pub fn line() -> Self {
        Self::new(500, 5_000, 10_000)
    }

    fn new(first_ms: u64, cap_ms: u64, late_cap_ms: u64) -> Self {
        Self { first_ms, cap_ms, late_cap_ms, next_ms: first_ms, spent_ms: 0 }
    }

    /// Pause before the next try, in milliseconds: between half of the step and the whole of it.
    pub fn pause_ms(&mut self, chance: &mut Chance) -> u64 {
        let cap = if self.spent_ms >= PATIENT_AFTER_MS { self.late_cap_ms } else { self.cap_ms };
        let step = self.next_ms.min(cap);
        self.next_ms = (step * 2).min(self.late_cap_ms);
        let pause = step / 2 + chance.below(step / 2 + 1);
        self.spent_ms += pause;
        pause
    }

    /// A try succeeded: start over.
    pub fn reset(&mut self) {
        self.next_ms = self.first_ms;
        self.spent_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_under_two_seconds_in_the_first_ten_minutes_and_under_thirty_after() {
        let (mut backoff, mut chance) = (Backoff::link(), Chance::new(7));
        let mut spent = 0;
        while spent < PATIENT_AFTER_MS {
            let pause = backoff.pause_ms(&mut chance);
            assert!((250..=2_000).contains(&pause), "pause {pause}");
            spent += pause;
        }
        let late: Vec<u64> = (0..6).map(|_| backoff.pause_ms(&mut chance)).collect();
        assert!(late.iter().all(|p| *p <= 30_000) && late.iter().any(|p| *p > 10_000), "{late:?}");
        backoff.reset();
        assert!(backoff.pause_ms(&mut chance) <= 500);
    }
}
