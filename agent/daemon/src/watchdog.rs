//! What systemd's watchdog is told: that every owner of a piece of the world does its part in its own deadline.
//!
//! An asked line and the journal prove it by their answers. What may be quiet for hours, the central link and the site
//! brokers, is called and must answer, connected or not. The thinking task proves itself: nobody else feeds.

use picket_core::plan::LineId;
use picket_core::time::{Now, s};
use picket_core::wire::{Input, Output};
use std::collections::BTreeMap;
use tokio::sync::{oneshot, watch};

/// An append that takes longer than this means a stuck journal: a slow disk takes seconds and is told, not restarted.
const APPEND_LIMIT_US: u64 = s(30);
/// An ask may take its patience, connecting and draining included, and this.
const ASK_SLACK_US: u64 = s(30);
/// Whoever is called answers within this; a line may write to its broker for ten seconds before it listens again.
const CALL_LIMIT_US: u64 = s(30);

/// A journal that mends its file reads it, writes what is readable and folds it again: on a worn card half a MiB of the
/// file a second at least, and a minute for what its size does not tell.
const MEND_BYTES_PER_S: u64 = 512 * 1024;
const MEND_LIMIT_US: u64 = s(60);

/// Bytes of the file that the journal is mending, while it does: it answers nobody until it is done.
pub type Mending = watch::Receiver<Option<u64>>;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Callee {
    /// The central link, through the journal that hands it its batches.
    Central,
    /// A line that speaks unasked.
    Line(LineId),
}

/// A call on its way to a callee, which says that it is there. Dropped, it was not heard, and is made again.
pub type Call = (Callee, oneshot::Sender<()>);

/// Who must answer by when.
#[derive(Debug)]
pub struct Watchdog {
    interval_us: Option<u64>,
    next_us: u64,
    append_due: Option<u64>,
    asks_due: BTreeMap<LineId, u64>,
    called: BTreeMap<Callee, Called>,
    mending: Mending,
    /// Since when it was seen to mend.
    mends_since_us: Option<u64>,
}

#[derive(Debug, Default)]
struct Called {
    answer: Option<oneshot::Receiver<()>>,
    /// Of the oldest call without an answer.
    due_us: Option<u64>,
}

impl Watchdog {
    /// As systemd wants it, which says so in the environment; without that nobody is called.
    pub fn new(callees: impl IntoIterator<Item = Callee>, mending: Mending) -> Self {
        let mut micros = 0;
        let enabled = sd_notify::watchdog_enabled(false, &mut micros);
        Self::every(enabled.then_some(micros / 3), callees, mending)
    }

    fn every(interval_us: Option<u64>, callees: impl IntoIterator<Item = Callee>, mending: Mending) -> Self {
        let next_us = if interval_us.is_some() { 0 } else { u64::MAX };
        let called = callees.into_iter().map(|callee| (callee, Called::default())).collect();
        let asks_due = BTreeMap::new();
        Self { interval_us, next_us, append_due: None, asks_due, called, mending, mends_since_us: None }
    }

    /// When [`Watchdog::feed`] wants to be called, in microseconds of [`Now::mono_us`].
    pub fn deadline(&self) -> u64 {
        self.next_us
    }

    /// An output that must be answered.
    pub fn asked(&mut self, now: &Now, output: &Output) {
        match output {
            Output::Append { .. } => self.append_due = Some(now.mono_us + APPEND_LIMIT_US),
            Output::Ask { line, patience_ms, .. } => {
                let due = now.mono_us + u64::from(*patience_ms) * 3_000 + ASK_SLACK_US;
                self.asks_due.insert(*line, due);
            }
            Output::Answer { .. }
            | Output::Confirm { .. }
            | Output::Send { .. }
            | Output::AskReceipt { .. }
            | Output::LookBack { .. }
            | Output::Retain { .. }
            | Output::CheckOrder { .. }
            | Output::KeepOrder { .. }
            | Output::CheckReceipt { .. }
            | Output::BranchTold { .. }
            | Output::Stopped => {}
        }
    }

    /// An input that may be an answer.
    pub fn answered(&mut self, input: &Input) {
        match input {
            Input::Stored { .. } | Input::StoreFailed { .. } => self.append_due = None,
            Input::Outcome { line, .. } => {
                self.asks_due.remove(line);
            }
            _ => {}
        }
    }

    /// Feeds systemd if it is time and nobody is late; gives the calls that are to be made.
    pub fn feed(&mut self, now: &Now) -> Vec<Call> {
        let Some(interval) = self.interval_us.filter(|_| now.mono_us >= self.next_us) else { return Vec::new() };
        self.next_us = now.mono_us + interval;
        let calls = self.calls(now);
        self.excuse(now);
        match self.late(now) {
            None => {
                let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
            }
            Some(who) => tracing::error!(who, "an owner does not answer; the watchdog is not fed"),
        }
        calls
    }

    fn calls(&mut self, now: &Now) -> Vec<Call> {
        let mut calls = Vec::new();
        for (callee, called) in &mut self.called {
            match called.answer.as_mut().map(oneshot::Receiver::try_recv) {
                Some(Err(oneshot::error::TryRecvError::Empty)) => continue,
                Some(Ok(())) => called.due_us = None,
                Some(Err(oneshot::error::TryRecvError::Closed)) | None => {}
            }
            let (here, answer) = oneshot::channel();
            called.answer = Some(answer);
            called.due_us.get_or_insert(now.mono_us + CALL_LIMIT_US);
            calls.push((*callee, here));
        }
        calls
    }

    /// While the journal mends its file, neither it nor the central link behind it is late: killed half-way it would begin
    /// again, for ever. The time is limited by the size of the file all the same.
    fn excuse(&mut self, now: &Now) {
        let Some(bytes) = *self.mending.borrow() else {
            self.mends_since_us = None;
            return;
        };
        let since = *self.mends_since_us.get_or_insert(now.mono_us);
        if now.mono_us - since > MEND_LIMIT_US + s(bytes / MEND_BYTES_PER_S) {
            return;
        }
        self.append_due = self.append_due.map(|_| now.mono_us + APPEND_LIMIT_US);
        if let Some(central) = self.called.get_mut(&Callee::Central) {
            central.due_us = central.due_us.map(|_| now.mono_us + CALL_LIMIT_US);
        }
    }

    fn late(&self, now: &Now) -> Option<String> {
        let late = |due: &u64| now.mono_us > *due;
        if self.append_due.as_ref().is_some_and(late) {
            return Some("the journal".into());
        }
        if let Some((line, _)) = self.asks_due.iter().find(|(_, due)| late(due)) {
            return Some(format!("line {}", line.0));
        }
        let called = self.called.iter().find(|(_, called)| called.due_us.as_ref().is_some_and(late));
        called.map(|(callee, _)| match callee {
            Callee::Central => "the central link".into(),
            Callee::Line(line) => format!("line {}", line.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_record::body::{ClockQuality, ClockSource};

    fn at(second: u64) -> Now {
        let quality = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
        Now { mono_us: s(second), utc_ms: None, trusted: false, quality, boot: "b".into() }
    }

    fn watchdog() -> Watchdog {
        Watchdog::every(Some(s(10)), [Callee::Central, Callee::Line(LineId(2))], watch::channel(None).1)
    }

    #[test]
    fn who_answers_every_call_is_never_late() {
        let mut watchdog = watchdog();
        for second in (0..300).step_by(10) {
            let calls = watchdog.feed(&at(second));
            assert_eq!(calls.len(), 2, "at {second} s");
            calls.into_iter().for_each(|(_, here)| here.send(()).unwrap());
            assert_eq!((watchdog.late(&at(second)), watchdog.deadline()), (None, s(second + 10)));
        }
    }

    #[test]
    fn a_stuck_callee_is_late_after_its_deadline_and_not_when_it_answers_after_all() {
        let mut watchdog = watchdog();
        let mut stuck = Vec::new();
        for second in (0..=40).step_by(10) {
            for (callee, here) in watchdog.feed(&at(second)) {
                match callee {
                    Callee::Central => here.send(()).unwrap(),
                    Callee::Line(_) => stuck.push(here),
                }
            }
        }
        assert_eq!((watchdog.late(&at(30)), stuck.len()), (None, 1));
        assert_eq!(watchdog.late(&at(31)).as_deref(), Some("line 2"));
        stuck.remove(0).send(()).unwrap();
        watchdog.feed(&at(50));
        assert_eq!(watchdog.late(&at(50)), None);
    }

    #[test]
    fn a_call_that_was_never_heard_counts_from_the_first_one() {
        let mut watchdog = watchdog();
        for second in [0, 10, 20, 30] {
            drop(watchdog.feed(&at(second)));
        }
        assert_eq!(watchdog.late(&at(31)).as_deref(), Some("the central link"));
    }

    #[test]
    fn without_systemd_nobody_is_called() {
        let mut watchdog = Watchdog::every(None, [Callee::Central], watch::channel(None).1);
        assert!(watchdog.feed(&at(5)).is_empty());
        assert_eq!(watchdog.deadline(), u64::MAX);
    }

    #[test]
    fn a_journal_that_does_not_answer_an_append_is_late() {
        let mut watchdog = watchdog();
        watchdog.asked(&at(0), &Output::Append { through: 1, bodies: Vec::new().into() });
        assert_eq!(watchdog.late(&at(30)), None);
        assert_eq!(watchdog.late(&at(31)).as_deref(), Some("the journal"));
        watchdog.answered(&Input::StoreFailed { cause: "disk gone".into() });
        assert_eq!(watchdog.late(&at(31)), None, "a typed failure is an answer");
    }

    #[test]
    fn a_journal_that_mends_a_large_file_is_late_only_after_the_time_that_its_size_takes() {
        let (mending, seen) = watch::channel(None);
        let mut watchdog = Watchdog::every(Some(s(10)), [Callee::Central], seen);
        watchdog.asked(&at(0), &Output::Append { through: 1, bodies: Vec::new().into() });
        mending.send_replace(Some(100 * 1024 * 1024));
        let mut calls = Vec::new();
        let mut late = |second| {
            calls.extend(watchdog.feed(&at(second)));
            watchdog.late(&at(second))
        };
        // 200 s for its bytes, a minute, and the limit of an append.
        assert_eq!((0..=290).step_by(10).find_map(&mut late), None);
        assert_eq!(late(300).as_deref(), Some("the journal"));
        mending.send_replace(None);
        assert_eq!(late(310).as_deref(), Some("the journal"), "it still owes the answer");
    }
}
