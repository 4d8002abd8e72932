//! The only place that reads a clock.
//!
//! Whether it is synchronised is taken from the mark of systemd-timesyncd. The kernel's own word (adjtimex(2)), which
//! would count chrony and ntpd as well, takes an unsafe call here: rustix 1 and nix 0.31 have no wrapper, those of
//! clock-steering 0.2 and 0.3 set status and errors and never give them, that of rtime-clock wants Rust 1.88. What is not
//! known is never shown as good: under another daemon than timesyncd a record says `sync:false`, and no record states a
//! bound of the error.

use picket_core::steps::Eras;
use picket_core::time::Now;
use picket_record::body::{ClockQuality, ClockSource};
use picket_session::tls::Time;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What the installer says of the gateway's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockPolicy {
    /// Dates are judged only by a synchronised clock.
    Synchronised,
    /// The board's own clock is good enough for dates; records still say that it is not synchronised.
    AcceptUnsynchronised,
}

/// Touched by systemd-timesyncd at every synchronisation (systemd.special, "time-sync.target").
const SYNC_MARK: &str = "/run/systemd/timesync/synchronized";
/// A synchronisation counts for three of timesyncd's longest poll intervals (2048 s, timesyncd.conf(5)).
const SYNC_HOLDS_S: u32 = 3 * 2_048;
/// A mark may be ahead of the time that was read just before it, and a clock that is slewed runs back by less than this.
const AHEAD_MS: i64 = 2_000;
/// `1` where the kernel set the clock from this RTC at boot.
const RTC_MARK: &str = "/sys/class/rtc/rtc0/hctosys";
/// What the kernel states as its largest error while nobody disciplines the clock (NTP_PHASE_LIMIT, 16 s).
const UNKNOWN_ERROR_MS: u32 = 16_000;
/// Wall times before this were never set: a board without RTC starts at 1970 (2020-01-01T00:00:00Z).
const PLAUSIBLE_MS: i64 = 1_577_836_800_000;
/// The marks are looked at so often, not per record.
const QUALITY_AGE_US: u64 = 10_000_000;

/// The gateway's clock.
#[derive(Debug)]
pub struct Clock {
    policy: ClockPolicy,
    boot: Arc<str>,
    quality: ClockQuality,
    looked_us: Option<u64>,
    eras: Eras,
}

impl Clock {
    /// A clock under a policy.
    pub fn new(policy: ClockPolicy) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim();
        let quality = ClockQuality { src: ClockSource::None, sync: false, err_ms: UNKNOWN_ERROR_MS, age_s: 0, era: 0 };
        let boot = if boot.is_empty() { "unknown" } else { boot };
        Self { policy, boot: boot.into(), quality, looked_us: None, eras: Eras::default() }
    }

    /// This moment.
    pub fn now(&mut self) -> Now {
        let mono_us = micros(clock_gettime(ClockId::Boottime));
        let wall_ms = i64::try_from(micros(clock_gettime(ClockId::Realtime)) / 1_000).unwrap_or(i64::MAX);
        let era = self.eras.read(mono_us, wall_ms);
        // What was known of the clock before a step says nothing of it afterwards.
        let stepped = std::mem::replace(&mut self.quality.era, era) != era;
        if stepped || self.looked_us.is_none_or(|at| mono_us.saturating_sub(at) >= QUALITY_AGE_US) {
            self.looked_us = Some(mono_us);
            self.look(wall_ms);
        }
        let utc_ms = Some(wall_ms).filter(|ms| *ms >= PLAUSIBLE_MS);
        let trusted = self.quality.sync || self.policy == ClockPolicy::AcceptUnsynchronised;
        Now { mono_us, utc_ms, trusted, quality: self.quality, boot: Arc::clone(&self.boot) }
    }

    /// Goes on from an era of the journal, if that is later: no era comes twice.
    pub fn resume(&mut self, era: u32) {
        self.eras.resume(era);
        self.quality.era = self.quality.era.max(era);
    }

    fn look(&mut self, wall_ms: i64) {
        let synced = fs::metadata(SYNC_MARK).and_then(|mark| mark.modified()).ok();
        let since = synced.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let age_s = since.and_then(|since| age_s(wall_ms, since));
        let rtc = || fs::read_to_string(Path::new(RTC_MARK)).is_ok_and(|text| text.trim() == "1");
        let era = self.quality.era;
        self.quality = match age_s {
            Some(age_s) => ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: UNKNOWN_ERROR_MS, age_s, era },
            None => {
                let src = if rtc() { ClockSource::Rtc } else { ClockSource::None };
                ClockQuality { src, sync: false, err_ms: UNKNOWN_ERROR_MS, age_s: 0, era }
            }
        };
    }
}

/// This source is of no earlier day (2026-11-01T00:00:00Z); raised with a release. A board without a battery starts in
/// 1970, before every certificate.
const RELEASED_S: u64 = 1_793_491_200;

/// CLOCK_BOOTTIME in microseconds, to measure how long something takes.
pub fn mono_us() -> u64 {
    micros(clock_gettime(ClockId::Boottime))
}

/// Processor time of this process since it began, in microseconds.
pub fn cpu_us() -> u64 {
    micros(clock_gettime(ClockId::ProcessCPUTime))
}

/// What certificates are judged by. `told_ms` is what another clock said, such as the time of a signed receipt; 0 =
/// nothing is known.
pub fn certificates(told_ms: i64) -> Time {
    let told_s = u64::try_from(told_ms / 1_000).unwrap_or(0);
    Time::new(RELEASED_S, || micros(clock_gettime(ClockId::Realtime)) / 1_000_000).told(told_s)
}

fn micros(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
}

/// Age of a synchronisation that still holds. One in the future says that the clock was set back since.
fn age_s(wall_ms: i64, synced: Duration) -> Option<u32> {
    let age_ms = wall_ms - i64::try_from(synced.as_millis()).ok()?;
    let age_s = u32::try_from(age_ms.max(0) / 1_000).ok()?;
    (age_ms >= -AHEAD_MS && age_s <= SYNC_HOLDS_S).then_some(age_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synchronisation_counts_while_it_is_fresh_and_not_from_the_future() {
        let now = 1_795_305_600_000;
        let age = |ms: i64| age_s(now, Duration::from_millis(u64::try_from(now - ms).unwrap()));
        assert_eq!([age(0), age(1_999), age(6_144_000)], [Some(0), Some(1), Some(6_144)]);
        assert_eq!([age(-1), age(-2_000)], [Some(0), Some(0)], "the mark was touched between two looks");
        assert_eq!([age(6_145_000), age(-2_001), age(-86_400_000)], [None, None, None]);
    }
}
