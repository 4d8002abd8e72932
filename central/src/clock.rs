//! The only clock of this program.

use picket_session::tls::Time;
use std::time::Instant;

/// This source is of no earlier day (2026-11-01T00:00:00Z); raised with a release.
const RELEASED_S: u64 = 1_793_491_200;

/// What certificates are judged by.
pub fn certificates() -> Time {
    Time::new(RELEASED_S, || u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0))
}

/// One moment, read twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 UTC: goes into records and receipts, may be stepped.
    pub wall_ms: i64,
    /// Milliseconds since some start: never goes back, for intervals.
    pub mono_ms: u64,
}

/// Makes moments.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts to count.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall_ms: jiff::Timestamp::now().as_millisecond(), mono_ms }
    }
}
