//! How long it took from an alarm to the guard who acknowledged it.

use super::course::Moment;
use super::tally::{Lengths, Spread};
use picket_record::kind::Kind;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most alarms that wait for a guard at once: the agent itself keeps fewer open.
const WAITING_MAX: usize = 20_000;
/// Most months that are told apart: twenty years, and a clock that was wrong.
pub(super) const MONTHS_MAX: usize = 250;

#[derive(Debug)]
struct Raised {
    boot: String,
    mono_us: u64,
    within: bool,
}

/// The fold, of real alarms or of those of drills: an alarm belongs where it rang, whenever its answer comes.
#[derive(Debug, Default)]
pub(super) struct Answering {
    waiting: BTreeMap<String, Raised>,
    lengths: Lengths,
    by_month: BTreeMap<String, Lengths>,
    raised: u64,
    quiet: u64,
    unmeasured: u64,
    unanswered: u64,
    beyond: u64,
}

/// What it comes to. Alarms that were raised in the period.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Answered {
    /// Times that an alarm rang.
    pub rang: u64,
    /// Times that one was recorded and did not ring: its equipment is withdrawn or bypassed.
    pub quiet: u64,
    /// From the alarm to the first acknowledgement, by the clock of the machine, which no step of the time moves.
    pub took: Spread,
    /// Acknowledged, and the machine was started in between: nobody knows how long it took.
    pub unmeasured: u64,
    /// Closed without anybody's acknowledgement: its equipment left the register.
    pub unanswered: u64,
    /// Wait at the end.
    pub waiting: u64,
    /// Found no room.
    pub beyond: u64,
}

impl Answering {
    /// The next record; `rings` where alarms that it raises belong here.
    pub(super) fn take(&mut self, moment: &Moment<'_>, rings: bool) {
        let id = moment.text("alarm");
        match moment.record.kind {
            Kind::AlarmRaised if !rings => {}
            Kind::AlarmRaised if !moment.flag("rings") => self.quiet += u64::from(moment.within),
            Kind::AlarmRaised => {
                self.raised += u64::from(moment.within);
                if self.waiting.len() >= WAITING_MAX && !self.waiting.contains_key(id) {
                    self.beyond += u64::from(moment.within);
                    return;
                }
                // It rang again and nobody had come: the first time counts.
                self.waiting.entry(id.to_owned()).or_insert_with(|| Raised {
                    boot: moment.record.boot.clone(),
                    mono_us: moment.record.mono_us,
                    within: moment.within,
                });
            }
            Kind::ActAcknowledged => self.acknowledged(id, moment),
            Kind::AlarmClosed => {
                if let Some(raised) = self.waiting.remove(id) {
                    self.unanswered += u64::from(raised.within);
                }
            }
            _ => {}
        }
    }

    fn acknowledged(&mut self, id: &str, moment: &Moment<'_>) {
        let Some(raised) = self.waiting.remove(id).filter(|raised| raised.within) else { return };
        if raised.boot != moment.record.boot {
            self.unmeasured += 1;
            return;
        }
        let ms = moment.record.mono_us.saturating_sub(raised.mono_us) / 1_000;
        self.lengths.take(ms, moment.record.seq);
        let month = moment.at_ms.and_then(super::course::month);
        let room = |month: &String| self.by_month.len() < MONTHS_MAX || self.by_month.contains_key(month);
        if let Some(month) = month.filter(room) {
            self.by_month.entry(month).or_default().take(ms, moment.record.seq);
        }
    }

    /// The sum, and what each month of acknowledgements came to.
    pub(super) fn finish(self) -> (Answered, BTreeMap<String, Spread>) {
        let waiting = self.waiting.values().filter(|raised| raised.within).count() as u64;
        let answered = Answered {
            rang: self.raised,
            quiet: self.quiet,
            took: self.lengths.spread(),
            unmeasured: self.unmeasured,
            unanswered: self.unanswered,
            waiting,
            beyond: self.beyond,
        };
        (answered, self.by_month.into_iter().map(|(month, lengths)| (month, lengths.spread())).collect())
    }
}
