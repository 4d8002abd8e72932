//! The renewal as a machine without disk, clock or network: what the two slots hold, and what is to be done next.
//!
//! **Invariants.** What is in force is never written to and never removed. A certificate comes into force after a
//! connection was made with it, and the one before it stays until the centre has answered under the new one. Whatever
//! step a crash interrupts, what lies on the disk says how to go on.

use picket_core::time::{Chance, s};
use picket_session::tls::Validity;

/// Where a key and its certificate lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// `a`.
    A,
    /// `b`.
    B,
}

impl Slot {
    /// The one beside it.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Empty,
    /// A key: its certificate was asked for.
    Key,
    /// A key and a certificate that nobody has connected with.
    Candidate(Validity),
    /// A key and a certificate that was in force.
    Whole(Validity),
    /// What is left of something, or of no use.
    Damaged,
}

/// What lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// The slot that the pointer names.
    pub pointer: Option<Slot>,
    /// Content of `a` and `b`.
    pub slots: [Content; 2],
}

impl Disk {
    /// Content of a slot.
    pub fn of(&self, slot: Slot) -> Content {
        match slot {
            Slot::A => self.slots[0],
            Slot::B => self.slots[1],
        }
    }

    /// The slot in force: the one that the pointer names, or else one that was in force before.
    pub fn in_force(&self) -> Option<Slot> {
        let named = self.pointer.filter(|slot| matches!(self.of(*slot), Content::Whole(_) | Content::Candidate(_)));
        let whole = |slot: &Slot| matches!(self.of(*slot), Content::Whole(_));
        named.or_else(|| [Slot::A, Slot::B].into_iter().find(whole))
    }

    /// The slot that a renewal works in.
    pub fn idle(&self) -> Slot {
        let begun = matches!(self.of(Slot::B), Content::Key | Content::Candidate(_));
        let other = self.in_force().or(self.pointer).map(Slot::other);
        other.unwrap_or(if begun { Slot::B } else { Slot::A })
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make a key.
    MakeKey(Slot),
    /// Ask for its certificate.
    Ask(Slot),
    /// Put the certificate that came beside its key.
    Store(Slot),
    /// Connect with it, as somebody else.
    Test(Slot),
    /// Have it be in force.
    Point(Slot),
    /// Note that it is.
    Seal(Slot),
    /// Remove what is not needed any more.
    Clear(Slot),
}

/// One change of the disk: it happened or it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Makes and writes a key.
    WriteKey(Slot),
    /// Writes a certificate that is to be tested.
    WriteCandidate(Slot),
    /// Renames it to one that is in force.
    Seal(Slot),
    /// Replaces the pointer.
    Point(Slot),
    /// Removes the key.
    RemoveKey(Slot),
    /// Removes the certificate that was to be tested.
    RemoveCandidate(Slot),
    /// Removes the certificate.
    RemoveCertificate(Slot),
}

impl Step {
    /// The changes of the disk that it takes, in this order. A key goes first: without it the rest is nothing, while a
    /// key alone would be taken for one whose certificate was asked for.
    pub fn ops(self) -> Vec<Op> {
        match self {
            Self::MakeKey(slot) => vec![Op::WriteKey(slot)],
            Self::Store(slot) => vec![Op::WriteCandidate(slot)],
            Self::Point(slot) => vec![Op::Point(slot)],
            Self::Seal(slot) => vec![Op::Seal(slot)],
            Self::Clear(slot) => vec![Op::RemoveKey(slot), Op::RemoveCandidate(slot), Op::RemoveCertificate(slot)],
            Self::Ask(_) | Self::Test(_) => Vec::new(),
        }
    }
}

/// How a connection with a new certificate went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tested {
    /// The broker took it, and lets it listen.
    Passed,
    /// The broker refused it.
    Refused,
    /// Nobody was there to judge.
    Unreachable,
}

/// First pause after something failed, doubling up to the longest; a message of the centre may take half a minute.
const PAUSE_FIRST_US: u64 = s(30);
const PAUSE_LONGEST_US: u64 = s(6 * 3_600);
/// Doublings that a pause after a key of no use begins with: eight minutes.
const SPOILT_FROM: u32 = 4;

/// The machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    disk: Disk,
    /// It is time for another certificate.
    wanted: bool,
    /// A certificate came and was found to be what was asked for.
    answered: bool,
    test: Option<bool>,
    /// The centre answered over a connection with what is in force.
    worked: bool,
    /// The broker refuses what is in force.
    refused: bool,
    /// The one before was put back once.
    fell_back: bool,
    /// The one in force is the one before: the broker refused what came behind it.
    gave_way: bool,
    /// Times that a key was asked about, or tested.
    tries: u32,
    /// Keys whose certificate was of no use, since one was.
    spoiled: u32,
    from_us: u64,
}

impl Machine {
    /// From what lies on the disk.
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            disk,
            wanted: false,
            answered: false,
            test: None,
            worked: false,
            refused: false,
            fell_back: false,
            gave_way: false,
            tries: 0,
            spoiled: 0,
            from_us: 0,
        }
    }

    /// What lies on the disk, as last looked at.
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What is to be done now.
    pub(super) fn next(&self, now_us: u64) -> Option<Step> {
        if let Some(force) = self.disk.in_force() {
            if self.disk.pointer != Some(force) {
                return Some(Step::Point(force));
            }
            if matches!(self.disk.of(force), Content::Candidate(_)) {
                return Some(Step::Seal(force));
            }
        }
        let (idle, due) = (self.disk.idle(), now_us >= self.from_us);
        match self.disk.of(idle) {
            Content::Damaged => Some(Step::Clear(idle)),
            Content::Empty => (self.wanted && due).then_some(Step::MakeKey(idle)),
            Content::Key if self.answered => Some(Step::Store(idle)),
            Content::Key => due.then_some(Step::Ask(idle)),
            Content::Candidate(_) => match self.test {
                Some(true) => Some(Step::Point(idle)),
                Some(false) => Some(Step::Clear(idle)),
                None => due.then_some(Step::Test(idle)),
            },
            Content::Whole(_) if self.refused && !self.fell_back => Some(Step::Point(idle)),
            Content::Whole(_) => (self.worked || self.refused).then_some(Step::Clear(idle)),
        }
    }

    /// When [`Machine::next`] may have something to do without anything happening.
    pub(super) fn deadline_us(&self) -> u64 {
        self.from_us
    }

    /// The slot whose certificate was asked for.
    pub(super) fn asking(&self) -> Option<Slot> {
        let idle = self.disk.idle();
        (self.disk.of(idle) == Content::Key).then_some(idle)
    }

    /// Whether the one before is kept until the new one has worked.
    pub(super) fn on_trial(&self) -> bool {
        matches!(self.disk.of(self.disk.idle()), Content::Whole(_)) && self.disk.in_force().is_some()
    }

    /// Whether this step puts the one before back, because the broker refuses what came behind it.
    pub(super) fn gives_way(&self, step: Step) -> bool {
        let before = |slot| matches!(self.disk.of(slot), Content::Whole(_)) && self.disk.in_force() != Some(slot);
        self.refused && matches!(step, Step::Point(slot) if before(slot))
    }

    /// Whether the one before was put back.
    pub(super) fn gave_way(&self) -> bool {
        self.gave_way
    }

    /// Whether it is time for another certificate.
    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Somebody wants one now, and does not wait for a pause to end.
    pub(super) fn hurry(&mut self) {
        (self.wanted, self.from_us) = (true, 0);
    }

    /// A certificate came that is what was asked for.
    pub(super) fn answered(&mut self) {
        self.answered = self.asking().is_some();
    }

    /// The test ended.
    pub(super) fn tested(&mut self, tested: Tested, now_us: u64, chance: &mut Chance) {
        match tested {
            Tested::Passed => self.test = Some(true),
            Tested::Refused => self.test = Some(false),
            Tested::Unreachable => self.pause(now_us, chance),
        }
    }

    /// The centre answered over a connection with what is in force.
    pub(super) fn worked(&mut self) {
        if self.on_trial() && !self.gave_way {
            self.spoiled = 0;
        }
        (self.worked, self.refused) = (true, false);
    }

    /// The broker refuses what is in force; whether that was known.
    pub(super) fn refused(&mut self) -> bool {
        std::mem::replace(&mut self.refused, true)
    }

    /// Whether the broker refuses what is in force.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// A step was taken, and this is what lies there now.
    pub(super) fn done(&mut self, step: Step, disk: Disk, now_us: u64, chance: &mut Chance) {
        let gives_way = self.gives_way(step);
        self.disk = disk;
        match step {
            Step::Ask(_) => self.pause(now_us, chance),
            Step::MakeKey(_) => {
                (self.tries, self.answered, self.test) = (0, false, None);
                (self.fell_back, self.gave_way) = (false, false);
            }
            Step::Store(_) => (self.answered, self.test, self.tries) = (false, None, 0),
            Step::Point(_) => {
                // With one of two refused, the one before is put back once.
                self.fell_back |= self.refused;
                (self.wanted, self.worked, self.refused, self.test) = (false, false, false, None);
                self.gave_way = gives_way;
                if gives_way {
                    self.spoilt(now_us, chance);
                }
            }
            Step::Clear(_) => {
                if self.test.take() == Some(false) {
                    self.spoilt(now_us, chance);
                }
                self.answered = false;
            }
            Step::Test(_) | Step::Seal(_) => {}
        }
    }

    /// A step failed: the disk, or a certificate that the centre should not have issued.
    pub(super) fn failed(&mut self, disk: Disk, now_us: u64, chance: &mut Chance) {
        self.disk = disk;
        self.answered = false;
        self.pause(now_us, chance);
    }

    /// What the centre issued is of no use: another key is made after a pause.
    pub(super) fn useless(&mut self, now_us: u64, chance: &mut Chance) -> Option<Step> {
        let slot = self.asking()?;
        self.spoilt(now_us, chance);
        Some(Step::Clear(slot))
    }

    fn pause(&mut self, now_us: u64, chance: &mut Chance) {
        self.from_us = now_us.saturating_add(pause_us(self.tries, chance));
        self.tries = self.tries.saturating_add(1);
    }

    /// Another key costs the centre a certificate: it is made some minutes later at the earliest.
    fn spoilt(&mut self, now_us: u64, chance: &mut Chance) {
        self.from_us = now_us.saturating_add(pause_us(self.spoiled.saturating_add(SPOILT_FROM), chance));
        self.spoiled = self.spoiled.saturating_add(1);
    }
}

/// Between a half and the whole of a step that doubles.
fn pause_us(tries: u32, chance: &mut Chance) -> u64 {
    let step = (PAUSE_FIRST_US << tries.min(20)).min(PAUSE_LONGEST_US);
    step / 2 + chance.below(step / 2 + 1)
}

#[cfg(test)]
mod tests;
