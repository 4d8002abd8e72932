//! The one clock of every log and figure here: CLOCK_MONOTONIC in nanoseconds, the same in all processes of a machine,
//! so that times of the simulator, the subscriber and the driver can be subtracted.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since some moment before the machine's start.
pub(crate) fn mono_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// A reading of a clock in nanoseconds.
pub(crate) fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).expect("these clocks start at zero");
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("a part of a second")
}
