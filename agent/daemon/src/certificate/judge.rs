//! What a certificate is worth at a time: by a time that somebody vouches for, or not at all.

use picket_core::certificate::Condition;
use picket_session::tls::Validity;

/// It rings when so much is left, in seconds: two weeks, and a fifth of its life where that is less.
const ENDING_S: u64 = 14 * 86_400;
const ENDING_SHARE: u64 = 5;
/// Renewals of many gateways that were enrolled together spread over so much of a life.
const SPREAD_SHARE: u64 = 30;

/// A moment: what is past for certain, what somebody vouches for, and what the clock says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Seconds since 1970 UTC; past for certain, or vouched for.
    pub(super) known_s: u64,
    /// Whether somebody vouches for it.
    pub(super) vouched: bool,
    /// Whatever the clock says, but not before what is known.
    pub(super) guess_s: u64,
}

/// How it is, by what is known: a clock that nobody vouches for makes nothing expire.
pub(super) fn condition(validity: Validity, now: Moment) -> Condition {
    let life_s = validity.until_s.saturating_sub(validity.from_s);
    let left_s = validity.until_s.saturating_sub(now.known_s);
    if now.known_s > validity.until_s {
        return Condition::Expired;
    }
    if left_s < ENDING_S.min(life_s / ENDING_SHARE) {
        return Condition::Ending;
    }
    if now.vouched { Condition::Good } else { Condition::Unknown }
}

/// Whether it is time for the next one. `chance` is any number, the same for one gateway. Too early does no harm, so
/// that the best guess is enough.
pub(super) fn is_due(validity: Validity, now: Moment, chance: u64) -> bool {
    let life_s = validity.until_s.saturating_sub(validity.from_s);
    let spread_s = chance.checked_rem(life_s / SPREAD_SHARE).unwrap_or(0);
    now.guess_s >= validity.from_s + life_s / 3 * 2 + spread_s
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;
    const NINETY: Validity = Validity { from_s: 1_000 * DAY_S, until_s: 1_090 * DAY_S };

    fn known(day: u64) -> Moment {
        Moment { known_s: day * DAY_S, vouched: true, guess_s: day * DAY_S }
    }

    #[test]
    fn a_certificate_is_good_then_due_at_two_thirds_then_ends_then_is_past() {
        let is = |day| (condition(NINETY, known(day)), is_due(NINETY, known(day), 0));
        assert_eq!(is(1_059), (Condition::Good, false));
        assert_eq!(is(1_060), (Condition::Good, true));
        assert_eq!(is(1_076), (Condition::Good, true));
        assert_eq!(is(1_077), (Condition::Ending, true));
        assert_eq!(is(1_090), (Condition::Ending, true));
        assert_eq!(is(1_091), (Condition::Expired, true));
        let week = Validity { from_s: 1_000 * DAY_S, until_s: 1_007 * DAY_S };
        assert_eq!(
            condition(week, known(1_005)),
            Condition::Good,
            "one that lasts a week does not ring from its first day"
        );
        assert_eq!(condition(week, known(1_006)), Condition::Ending);
    }

    #[test]
    fn a_clock_that_nobody_vouches_for_starts_a_renewal_and_ends_nothing() {
        let guess = Moment { known_s: 1_001 * DAY_S, vouched: false, guess_s: 3_000 * DAY_S };
        assert_eq!((condition(NINETY, guess), is_due(NINETY, guess, 0)), (Condition::Unknown, true));
        let receipt = Moment { known_s: 1_091 * DAY_S, vouched: false, guess_s: 1_091 * DAY_S };
        assert_eq!(condition(NINETY, receipt), Condition::Expired, "a receipt was signed after its end");
    }

    #[test]
    fn gateways_spread_over_a_thirtieth_of_a_life() {
        let day = |chance| (1_000..1_090).find(|day| is_due(NINETY, known(*day), chance));
        assert_eq!((day(0), day(2 * DAY_S), day(3 * DAY_S)), (Some(1_060), Some(1_062), Some(1_060)));
    }
}
