//! When an asked line that could not be opened may be tried again, and what an ask is answered until then. Opens nothing.
//!
//! A host that is away is not asked for at every poll: each try costs it, and every device behind it, a whole patience.
//! Asks that come too early are refused at once, so the bus learns without waiting that its devices are out of reach.

use picket_core::time::{Backoff, Chance};
use picket_device::modbus::Fault;
use std::time::Duration;
use tokio::time::Instant;

/// The tries of one line.
pub(super) struct Reopening {
    backoff: Backoff,
    chance: Chance,
    closed: Option<Closed>,
}

/// The last try failed.
struct Closed {
    until: Instant,
    cause: String,
}

impl Reopening {
    /// Nothing has failed yet; `seed` spreads the tries.
    pub(super) fn new(seed: u64) -> Self {
        Self { backoff: Backoff::line(), chance: Chance::new(seed), closed: None }
    }

    /// Whether the line may be tried; the fault of the last try where it is too early.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Fault> {
        match &self.closed {
            Some(closed) if now < closed.until => Err(Fault::Unreachable(closed.cause.clone())),
            Some(_) | None => Ok(()),
        }
    }

    /// The line could not be opened: the next try waits, longer each time. Gives the fault of this try.
    pub(super) fn failed(&mut self, now: Instant, cause: String) -> Fault {
        let until = now + Duration::from_millis(self.backoff.pause_ms(&mut self.chance));
        self.closed = Some(Closed { until, cause: cause.clone() });
        Fault::Unreachable(cause)
    }

    /// A device answered. That the line was opened is not enough: whoever takes connections and closes them is away.
    pub(super) fn answered(&mut self) {
        self.closed = None;
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest that a device may be back and not be asked: what an intruder gains by a module that restarts.
    const MOST: Duration = Duration::from_secs(10);
    const POLL: Duration = Duration::from_millis(100);

    /// Moments of the tries of a line that is asked at every poll and never opens.
    fn tries(seed: u64, length: Duration) -> Vec<Duration> {
        let (mut reopening, begin) = (Reopening::new(seed), Instant::now());
        let mut tries = Vec::new();
        let mut at = Duration::ZERO;
        while at < length {
            if reopening.admit(begin + at).is_ok() {
                tries.push(at);
                reopening.failed(begin + at, "refused".into());
            }
            at += POLL;
        }
        tries
    }

    #[test]
    fn a_line_that_stays_closed_is_tried_ever_more_seldom_and_never_later_than_ten_seconds() {
        for seed in 0..50 {
            let tries = tries(seed, Duration::from_secs(3_600));
            let within = |length| tries.iter().filter(|at| **at < Duration::from_secs(length)).count();
            // At full length 0.5, 1, 2, 4, 5, 5 ... seconds; the jitter takes at most half of each.
            assert!((13..=28).contains(&within(60)), "seed {seed}: {} tries in a minute", within(60));
            assert!(tries.len() < 900, "seed {seed}: {} tries in an hour", tries.len());
            assert!(tries.windows(2).all(|two| two[1] - two[0] <= MOST + POLL), "seed {seed}: {tries:?}");
        }
    }

    #[test]
    fn lines_with_different_seeds_are_not_tried_together() {
        let minute = Duration::from_secs(60);
        assert_eq!(tries(1, minute), tries(1, minute));
        assert_ne!(tries(1, minute), tries(2, minute));
    }

    #[test]
    fn an_ask_that_comes_too_early_is_told_why_and_an_answer_starts_over() {
        let (mut reopening, mut now) = (Reopening::new(7), Instant::now());
        for _ in 0..20 {
            reopening.failed(now, "connection refused".into());
            assert_eq!(reopening.admit(now), Err(Fault::Unreachable("connection refused".into())));
            now += MOST;
            assert_eq!(reopening.admit(now), Ok(()));
        }
        reopening.answered();
        assert_eq!(reopening.admit(now), Ok(()));
        reopening.failed(now, "connection refused".into());
        assert_eq!(reopening.admit(now + Duration::from_millis(500)), Ok(()));
    }
}
