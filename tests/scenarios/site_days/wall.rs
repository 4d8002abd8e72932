//! The gateway's wall clock on a day: right, or one that nobody synchronises and that jumps.

use super::run::MIDNIGHT_MS;
use picket_core::time::Chance;
use picket_record::body::{ClockQuality, ClockSource};

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
/// 2038-01-19T03:14:07Z, the last second of 32 bits, and 2106-02-07T06:28:15Z, the same without a sign.
const ENDS_MS: [i64; 2] = [2_147_483_647_000, 4_294_967_295_000];
/// A jumping clock holds for so long.
const SEGMENT_US: u64 = 20 * 60 * 1_000_000;

/// How the wall clock goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wall {
    /// Synchronised.
    Right,
    /// Not set at first, then to and fro over decades, in between synchronised.
    Jumping,
}

impl Wall {
    /// Milliseconds since 1970, whether dates may be judged by it, and what the kernel says.
    pub(crate) fn at(self, seed: u64, now_us: u64) -> (Option<i64>, bool, ClockQuality) {
        let right = MIDNIGHT_MS + (now_us / 1_000) as i64;
        let synced = ClockQuality { src: ClockSource::Ntp, sync: true, err_ms: 5, age_s: 10, era: 0 };
        let segment = now_us / SEGMENT_US;
        if self == Self::Right {
            return (Some(right), true, synced);
        }
        let era = segment as u32;
        let alone = ClockQuality { src: ClockSource::None, sync: false, err_ms: 16_000, age_s: 0, era };
        let within = ((now_us % SEGMENT_US) / 1_000) as i64;
        // Nothing is known at the start, as on a board without a clock of its own.
        let kind = if segment == 0 { 0 } else { Chance::new(seed << 16 ^ segment).below(8) };
        match kind {
            0 => (None, false, alone),
            1 => (Some(right + 20 * YEAR_MS), false, alone),
            2 => (Some(right - 5 * YEAR_MS), false, alone),
            3 => (Some(right + HOUR_MS), false, alone),
            4 => (Some(right - HOUR_MS), false, alone),
            5 => (Some(ENDS_MS[0] - within.min(3_000) + within), false, alone),
            6 => (Some(ENDS_MS[1] + within), false, alone),
            _ => (Some(right), true, ClockQuality { era, ..synced }),
        }
    }
}
