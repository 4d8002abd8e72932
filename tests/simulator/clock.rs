//! The only clock of the simulator.

use std::time::Instant;

/// Reads both times. Cheap to copy; copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts to count.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Microseconds since the start; never goes back.
    pub fn mono_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970 UTC, as the machine believes it.
    pub fn wall_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

/// A wall time as cameras and registers write it: RFC 3339 with milliseconds.
pub fn rfc3339(wall_ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(wall_ms).expect("the clock is in the range of calendars");
    format!("{moment:.3}")
}
