//! A door: forced (opened without a release) and held (open too long). One that bounces is one opening and one alarm.

use super::{Points, Turn};
use crate::alarm::Rule;
use crate::plan::Limits;
use crate::time::{Now, ms};
use picket_device::quantity::Signal;
use std::collections::BTreeMap;

/// What is known of one door. Several contacts may tell of it: one that is open opens it.
#[derive(Debug)]
pub(super) struct Door {
    times: Times,
    contacts: Points,
    releases: Points,
    /// Releases whose last word cannot be relied on any more.
    unheard: BTreeMap<(String, String), Unheard>,
    open: Option<bool>,
    open_since: u64,
    /// When it was seen to open; `None` where it was found open.
    opened_at: Option<u64>,
    /// When it was last seen to close; `None` where that opening is over for good.
    closed_at: Option<u64>,
    /// Release contact; `None` where the door has none or it was not read yet.
    released: Option<bool>,
    /// When the release was last seen on.
    released_at: Option<u64>,
    /// Opened without a release, which may still come.
    unreleased_at: Option<u64>,
    /// Whether it was released when it opened is not known.
    unknown_release: bool,
    forced: bool,
    held: bool,
}

/// Why a release is not relied on, and since when.
#[derive(Debug, Clone, Copy)]
struct Unheard {
    since: u64,
    /// The device said itself that it does not know.
    bad: bool,
}

/// Times of a door, in microseconds; [`Limits`] says what each is.
#[derive(Debug)]
struct Times {
    held_us: u64,
    release_us: u64,
    grace_us: u64,
    clear_us: u64,
    bounce_us: u64,
}

impl Door {
    /// Nothing seen yet. `clear_us`: how long it must be closed before its alarm is cleared.
    pub(super) fn new(limits: &Limits, clear_us: u64) -> Self {
        let times = Times {
            held_us: ms(limits.door_held_ms),
            release_us: ms(limits.door_release_ms),
            grace_us: ms(limits.door_grace_ms),
            clear_us,
            bounce_us: ms(limits.contact_hold_ms),
        };
        Self {
            times,
            contacts: Points::default(),
            releases: Points::default(),
            unheard: BTreeMap::new(),
            open: None,
            open_since: 0,
            opened_at: None,
            closed_at: None,
            released: None,
            released_at: None,
            unreleased_at: None,
            unknown_release: false,
            forced: false,
            held: false,
        }
    }

    /// It may stand open so long from its opening on, in milliseconds.
    pub(super) fn hold(&mut self, held_ms: u64) {
        self.times.held_us = ms(held_ms);
    }

    pub(super) fn recover(&mut self, rule: Rule) {
        match rule {
            Rule::DoorForced => self.forced = true,
            _ => self.held = true,
        }
        self.open = Some(true);
    }

    /// After a start: what a point said last, or is taken to say until it speaks.
    pub(super) fn recall(&mut self, now: &Now, signal: Signal, by: (&str, &str), on: bool) {
        if signal == Signal::Released {
            self.released = Some(self.releases.set(by, on));
            return;
        }
        let open = self.contacts.set(by, on);
        self.open = Some(open);
        self.open_since = now.mono_us;
        // It was closed before the start, and that was not concluded.
        self.closed_at = (!open && (self.forced || self.held)).then_some(now.mono_us);
    }

    /// Release and contact come from one poll in the order of their points; a release seen in the same poll as the
    /// opening counts, because the caller hands releases in first. A `spoken` contact waits for no late release: its
    /// message is confirmed at once, and a kill in between would lose the alarm.
    pub(super) fn observe(
        &mut self,
        now: &Now,
        signal: Signal,
        by: (&str, &str),
        on: bool,
        spoken: bool,
    ) -> Vec<(Rule, Turn)> {
        if signal == Signal::Released {
            self.release(now, by, on);
            return Vec::new();
        }
        let on = self.contacts.set(by, on);
        let before = self.open.replace(on);
        match (before, on) {
            (Some(false), true) => {
                let closed_at = self.closed_at.take();
                // Closed for less than a contact takes to come to rest: it was not closed.
                if closed_at.is_some_and(|at| now.mono_us.saturating_sub(at) < self.times.bounce_us) {
                    return Vec::new();
                }
                self.open_since = now.mono_us;
                self.opened_at = Some(now.mono_us);
                self.opened(now, spoken)
            }
            // Open when first seen: how it was opened is not known, so it is no forced door, but time runs.
            (None, true) => {
                self.open_since = now.mono_us;
                Vec::new()
            }
            (Some(true), true) | (Some(false) | None, false) => Vec::new(),
            (Some(true), false) => {
                self.closed_at = Some(now.mono_us);
                self.timeout(now)
            }
        }
    }

    /// The release contact says nothing that counts: its device is silent, or its value bad. Stated anew it counts on.
    pub(super) fn release_unheard(&mut self, now: &Now, (device, point): (&str, &str), bad: bool) {
        let by = (device.to_owned(), point.to_owned());
        let unheard = self.unheard.entry(by).or_insert(Unheard { since: now.mono_us, bad });
        unheard.bad |= bad;
    }

    /// The device is heard again and has not stated its release anew, which it may do only on change. That nothing was
    /// released holds on, lest a short silence make a door that anybody may force; a release does only where it was the
    /// line that was lost.
    pub(super) fn release_back(&mut self, (device, point): (&str, &str), by_line: bool) {
        let by = (device.to_owned(), point.to_owned());
        let off = !self.releases.on.contains(&by);
        if self.unheard.get(&by).is_some_and(|unheard| !unheard.bad && (off || by_line)) {
            self.unheard.remove(&by);
        }
    }

    fn release(&mut self, now: &Now, by: (&str, &str), on: bool) {
        let before = self.known_release(now);
        self.unheard.remove(&(by.0.to_owned(), by.1.to_owned()));
        let on = self.releases.set(by, on);
        if on || before == Some(true) {
            self.released_at = Some(now.mono_us);
            self.unreleased_at = None;
        }
        self.released = Some(on);
    }

    fn opened(&mut self, now: &Now, spoken: bool) -> Vec<(Rule, Turn)> {
        let lately = self.released_at.is_some_and(|at| now.mono_us.saturating_sub(at) <= self.times.release_us);
        let release = self.known_release(now);
        self.unknown_release = release.is_none() && !self.unheard.is_empty() && !lately;
        // A device that speaks on changes says only once that the door is released.
        if self.forced || lately || release != Some(false) {
            return Vec::new();
        }
        if spoken {
            return vec![self.force()];
        }
        self.unreleased_at.get_or_insert(now.mono_us);
        self.timeout(now)
    }

    /// Whether it is released, as far as that is known. A release that is not heard counts for as long as one that is
    /// over, then it is unknown: neither does a dead module release its door for ever, nor is every passage through that
    /// door an attack. The silence rings by itself, and an opening that lasts is told as held, with its doubt.
    fn known_release(&self, now: &Now) -> Option<bool> {
        let is_over = |unheard: &Unheard| now.mono_us.saturating_sub(unheard.since) >= self.times.release_us;
        let lapsed = |by: &(String, String)| self.unheard.get(by).is_some_and(is_over);
        if self.releases.any_but(lapsed) {
            return Some(true);
        }
        self.released.filter(|_| !self.unheard.values().any(is_over)).map(|_| false)
    }

    fn force(&mut self) -> (Rule, Turn) {
        self.forced = true;
        self.unreleased_at = None;
        let mut facts = self.contacts.facts();
        facts.insert("release".to_owned(), "none".to_owned());
        (Rule::DoorForced, Turn::Began(facts))
    }

    fn closed(&mut self) -> Vec<(Rule, Turn)> {
        self.closed_at = None;
        let forced = std::mem::take(&mut self.forced).then_some((Rule::DoorForced, Turn::Ended));
        let held = std::mem::take(&mut self.held).then_some((Rule::DoorHeld, Turn::Ended));
        forced.into_iter().chain(held).collect()
    }

    /// Time passed. A door that was opened without a release is forced although it is closed again.
    pub(super) fn timeout(&mut self, now: &Now) -> Vec<(Rule, Turn)> {
        let passed = |due: Option<u64>| due.is_some_and(|due| now.mono_us >= due);
        let mut turns = Vec::new();
        if passed(self.forced_due()) {
            turns.push(self.force());
        }
        if passed(self.clear_due()) {
            turns.extend(self.closed());
        }
        if passed(self.held_due()) {
            self.held = true;
            let mut facts = self.contacts.facts();
            facts.insert("limit_s".to_owned(), (self.times.held_us / 1_000_000).to_string());
            if self.unknown_release {
                facts.insert("release".to_owned(), "unknown".to_owned());
            }
            turns.push((Rule::DoorHeld, Turn::Began(facts)));
        }
        turns
    }

    pub(super) fn opened_us(&self) -> Option<u64> {
        self.opened_at.filter(|_| self.open == Some(true))
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        [self.forced_due(), self.clear_due(), self.held_due()].into_iter().flatten().min()
    }

    fn forced_due(&self) -> Option<u64> {
        self.unreleased_at.map(|at| at + self.times.grace_us)
    }

    fn clear_due(&self) -> Option<u64> {
        let closed_at = self.closed_at.filter(|_| self.open == Some(false) && (self.forced || self.held));
        closed_at.map(|at| at + self.times.clear_us)
    }

    /// A forced door is one alarm: that it also stays open adds nothing.
    fn held_due(&self) -> Option<u64> {
        let counting = self.open == Some(true) && !self.held && !self.forced;
        counting.then(|| self.open_since + self.times.held_us)
    }
}
