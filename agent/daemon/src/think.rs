//! The one task that thinks: feeds the site with inputs and time, hands its outputs to the carriers, shows its status.

use crate::certificate::News;
use crate::clock::Clock;
use crate::control::{Errand, Statement};
use crate::journal::thread::Request;
use crate::line::Order;
use crate::watchdog::{Call, Callee, Mending, Watchdog};
use picket_core::sensitivity::Channel;
use picket_core::site::Site;
use picket_core::status::Status;
use picket_core::time::{Now, s};
use picket_core::wire::{Act, Batch, Checked, Input, Output, Unkept};
use picket_record::encode::Link;
use picket_record::kind::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// Where outputs go.
#[derive(Debug)]
pub struct Carriers {
    /// One per line of the plan, same order.
    pub lines: Vec<mpsc::Sender<Order>>,
    /// Those of the carriers that may be quiet for hours, and are called to prove that they live.
    pub quiet: Vec<Callee>,
    /// The journal's thread.
    pub journal: mpsc::Sender<Request>,
    /// What it mends meanwhile.
    pub mending: Mending,
    /// Whoever keeps the certificate of the central link, where somebody does: the centre has answered.
    pub keeper: Option<mpsc::Sender<News>>,
}

/// Places in the journal's channel that only appends, receipts and exports take: what asks for a link that may be gone
/// already leaves them free, however long the disk stands still.
const RESERVE: usize = 16;
/// Inputs taken in one turn before time and outputs are looked at again.
const TURN: usize = 64;
/// Ages on the page move while somebody looks.
const SHOW_US: u64 = s(1);

/// What the control socket asks for.
#[derive(Debug)]
pub struct Asked {
    /// They get their moment here, because nobody else holds the clock.
    pub statements: mpsc::Receiver<Statement>,
    /// Acts that somebody waits for.
    pub errands: mpsc::Receiver<Errand>,
}

/// Who waits for what became of an act.
#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    replies: BTreeMap<u64, oneshot::Sender<Result<u64, String>>>,
}

impl Waiting {
    fn ticket(&mut self, reply: oneshot::Sender<Result<u64, String>>) -> u64 {
        // Whoever went away while the disk stood still waits no longer.
        self.replies.retain(|_, reply| !reply.is_closed());
        self.last += 1;
        self.replies.insert(self.last, reply);
        self.last
    }

    fn answer(&mut self, ticket: u64, result: Result<u64, String>) {
        if let Some(reply) = self.replies.remove(&ticket) {
            let _ = reply.send(result);
        }
    }
}

/// The thinking task.
#[derive(Debug)]
pub struct Thinker {
    site: Site,
    clock: Clock,
    carriers: Carriers,
    status: watch::Sender<Arc<Status>>,
    shown: (u64, u64),
    watchdog: Watchdog,
    /// The longest that a moment was missed by since it was told last, in microseconds.
    late_us: u64,
    asked: Asked,
    waiting: Waiting,
    /// An owner no longer takes anything: it has ended, and so must the process.
    gone: bool,
}

impl Thinker {
    /// Owns the site from here on.
    pub fn new(site: Site, clock: Clock, carriers: Carriers, status: watch::Sender<Arc<Status>>, asked: Asked) -> Self {
        let watchdog = Watchdog::new(carriers.quiet.iter().copied(), carriers.mending.clone());
        Self {
            site,
            clock,
            carriers,
            status,
            shown: (0, 0),
            watchdog,
            late_us: 0,
            asked,
            waiting: Waiting::default(),
            gone: false,
        }
    }

    /// Thinks until the site has stopped in order (`true`) or its inputs are gone.
    pub async fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> bool {
        let now = self.clock.now();
        self.site.timeout(&now);
        loop {
            if self.hand_out() {
                return true;
            }
            if self.gone {
                return false;
            }
            let now = self.clock.now();
            self.show(&now);
            for call in self.watchdog.feed(&now) {
                self.call(call);
            }
            let next = self.site.deadline().min(self.watchdog.deadline()).min(self.next_show());
            let wait = Duration::from_micros(next.saturating_sub(now.mono_us));
            tokio::select! {
                biased;
                input = inputs.recv() => match input {
                    Some(input) => self.take(input, &mut inputs, next),
                    None => return false,
                },
                Some(statement) = self.asked.statements.recv() => self.state(statement, next),
                Some(errand) = self.asked.errands.recv() => self.errand(errand, next),
                () = sleep_until(Instant::now() + wait) => {
                    let now = self.clock.now();
                    self.late(&now, next);
                    self.site.timeout(&now);
                }
            }
        }
    }

    /// Inputs and statements go before time, so a moment may be missed in each arm.
    fn late(&mut self, now: &Now, next: u64) {
        self.late_us = self.late_us.max(now.mono_us.saturating_sub(next));
    }

    /// `next`: the moment that was waited for.
    fn take(&mut self, first: Input, inputs: &mut mpsc::Receiver<Input>, next: u64) {
        let now = self.clock.now();
        self.late(&now, next);
        self.accept(&now, first);
        for _ in 1..TURN {
            let Ok(input) = inputs.try_recv() else { break };
            self.accept(&now, input);
        }
        if now.mono_us >= self.site.deadline() {
            self.site.timeout(&now);
        }
    }

    /// Acts, with what their labels let into a log.
    fn log(&self, act: &Act) {
        let lets = |kind| self.site.lets(Channel::Log, kind);
        match act {
            Act::Acknowledge { alarm, by, .. } => {
                let alarm = lets(Kind::AlarmRaised).then_some(alarm);
                let by = lets(Kind::ActAcknowledged).then_some(by);
                tracing::info!(alarm, by, "a guard acknowledges an alarm");
            }
            Act::Erase(erasure) => tracing::info!(records = ?erasure.records(), "personal data are to be erased"),
            Act::Work(report) => {
                let equipment = lets(report.task().kind()).then(|| report.equipment().as_str());
                tracing::info!(equipment, work = report.task().as_str(), "work on equipment is reported");
            }
            Act::Classify(act) => {
                let id = lets(Kind::IncidentClassified).then(|| act.id());
                tracing::info!(id, "an incident is classified");
            }
            Act::Temporary(act) => {
                let equipment = lets(Kind::MeasureBegun).then(|| act.equipment().as_str());
                tracing::info!(equipment, measure = act.measure().as_str(), "a temporary measure is reported");
            }
            Act::Duty(act) => {
                let post = lets(Kind::ShiftPlanned).then(|| act.post().as_str());
                tracing::info!(post, "a shift is reported");
            }
            Act::Exercise(act) => {
                let drill = lets(Kind::ExerciseReviewed).then(|| act.id());
                tracing::info!(drill, "a drill is reviewed, or an action of it done");
            }
            Act::Level(act) => {
                let level = lets(Kind::LevelChanged).then(|| act.to().number());
                tracing::info!(level, "the security level is set");
            }
            Act::Correct(act) => {
                let id = lets(Kind::NonconformityOpened).then(|| act.id());
                tracing::info!(id, step = act.step().as_str(), "a nonconformity is answered");
            }
            Act::Unit(report) => {
                let unit = lets(report.task().kind()).then(|| report.unit());
                tracing::info!(unit, work = report.task().as_str(), "something is reported of a unit");
            }
            Act::Import(_) => tracing::info!("a register was put in place"),
        }
    }

    fn accept(&mut self, now: &Now, mut input: Input) {
        self.watchdog.answered(&input);
        if let Input::Measured(vitals) = &mut input {
            vitals.late_ms = Some(std::mem::take(&mut self.late_us) / 1_000);
        }
        if let Input::Act { act, .. } = &input {
            self.log(act);
        }
        if let (Input::Receipted(receipted), Some(keeper)) = (&input, &self.carriers.keeper) {
            // What finds no room is said by the next one.
            let _ = keeper.try_send(News::Receipted { receipt: receipted.mark.1 });
        }
        self.site.handle(now, input);
    }

    /// Hands every output to its carrier. "Full" is a bug: channels are sized by what may be open at a time.
    fn hand_out(&mut self) -> bool {
        let now = self.clock.now();
        while let Some(output) = self.site.next_output() {
            self.watchdog.asked(&now, &output);
            match output {
                Output::Ask { line, ask, unit, read, patience_ms } => {
                    self.order(usize::from(line.0), Order::Ask { ask, unit, read, patience_ms });
                }
                Output::Answer { ticket, result } => self.waiting.answer(ticket, result),
                Output::Confirm { line, token } => self.order(usize::from(line.0), Order::Confirm { token }),
                Output::Append { through, bodies } => self.request(Request::Append { through, bodies }),
                Output::Send { session, batch } => self.send(&now, session, batch),
                Output::CheckReceipt { line } => self.request(Request::Receipt { line, when: now.when() }),
                // Where it finds no room, that part of the branch is sent once more.
                Output::BranchTold { through } => drop(offer(&self.carriers.journal, Request::BranchTold { through })),
                // Where it finds no room, the next link asks again; receipts come without being asked for.
                Output::AskReceipt { session } => drop(offer(&self.carriers.journal, Request::Ask { session })),
                Output::Retain { days, order } => {
                    self.request(Request::Retain { days, authority: format!("order {order} of the central side") });
                }
                Output::CheckOrder { text } => {
                    self.order_request(&now, Request::CheckOrder { text, when: now.when() }, unlooked());
                }
                Output::KeepOrder { line, link, register } => {
                    self.order_request(&now, Request::KeepOrder { line, link, register }, unkept(link));
                }
                Output::LookBack { after } => self.look_back(&now, after),
                Output::Stopped => return true,
            }
        }
        false
    }

    fn order(&mut self, line: usize, order: Order) {
        if let Some(Err(error)) = self.carriers.lines.get(line).map(|line| line.try_send(order)) {
            assert!(matches!(error, mpsc::error::TrySendError::Closed(_)), "a line has room for what may be open");
            self.gone = true;
        }
    }

    /// A journal whose disk stands still keeps what links that are gone had asked for, so there may be no room.
    fn send(&mut self, now: &Now, session: u32, batch: Batch) {
        let lane = batch.lane();
        if let Err(NoRoom) = offer(&self.carriers.journal, Request::Send { session, batch }) {
            let result = Err("the journal does not answer".to_owned());
            self.site.handle(now, Input::Sent { session, lane, result });
        }
    }

    /// A journal without room refuses it for a reason that passes, so that the central side sends it once more.
    fn order_request(&mut self, now: &Now, request: Request, busy: Input) {
        if let Err(NoRoom) = offer(&self.carriers.journal, request) {
            self.site.handle(now, busy);
        }
    }

    /// Without room nobody answers, which the one who waits is told.
    fn state(&mut self, Statement { kind, data, reply }: Statement, next: u64) {
        let now = self.clock.now();
        self.late(&now, next);
        let when = now.when();
        let _ = offer(&self.carriers.journal, Request::State { when, kind, data, reply });
    }

    /// Time goes after it, as after an input.
    fn errand(&mut self, Errand { act, reply }: Errand, next: u64) {
        let now = self.clock.now();
        self.late(&now, next);
        let ticket = Some(self.waiting.ticket(reply));
        self.accept(&now, Input::Act { act, ticket });
    }

    fn look_back(&mut self, now: &Now, after: u64) {
        if let Err(NoRoom) = offer(&self.carriers.journal, Request::LookBack { after }) {
            self.site.handle(now, Input::LookedBack { after, through: after, oldest: 0, past: Vec::new() });
        }
    }

    fn request(&mut self, request: Request) {
        if let Err(error) = self.carriers.journal.try_send(request) {
            assert!(matches!(error, mpsc::error::TrySendError::Closed(_)), "the journal has room for what may be open");
            self.gone = true;
        }
    }

    /// A channel without room drops the call, which is then made again: too long, and the watchdog is not fed.
    fn call(&self, (callee, here): Call) {
        match callee {
            Callee::Central => {
                let _ = offer(&self.carriers.journal, Request::Call { here });
            }
            Callee::Line(line) => {
                let _ = self.carriers.lines.get(usize::from(line.0)).map(|line| line.try_send(Order::Call { here }));
            }
        }
    }

    fn next_show(&self) -> u64 {
        if self.status.receiver_count() == 0 { u64::MAX } else { self.shown.1 + SHOW_US }
    }

    /// Shows a snapshot when something changed, and once a second while somebody looks.
    fn show(&mut self, now: &Now) {
        let changed = self.site.revision() != self.shown.0;
        let aged = self.status.receiver_count() > 0 && now.mono_us >= self.shown.1 + SHOW_US;
        if changed || aged {
            self.shown = (self.site.revision(), now.mono_us);
            self.status.send_replace(Arc::new(self.site.status(now)));
        }
    }
}

/// The journal has no room for what may wait.
#[derive(Debug, PartialEq, Eq)]
struct NoRoom;

/// Hands over what may be refused. A journal that is gone shows at the next request that may not.
fn offer(journal: &mpsc::Sender<Request>, request: Request) -> Result<(), NoRoom> {
    if journal.capacity() <= RESERVE {
        return Err(NoRoom);
    }
    match journal.try_send(request) {
        Err(mpsc::error::TrySendError::Full(_)) => Err(NoRoom),
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
    }
}

const BUSY: &str = "the journal does not answer";

/// Nobody has looked at what came down, so it is none of the kinds that the central side draws conclusions from.
fn unlooked() -> Input {
    Input::OrderChecked(Checked::Refused { what: "message", n: 0, reason: "disk", cause: BUSY.into() })
}

fn unkept(link: Link) -> Input {
    Input::OrderKept { link, result: Err(Unkept::NoPlace(BUSY.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_journal_refuses_a_document_for_a_reason_that_passes_and_says_nothing_of_the_root() {
        let kept = unkept([3; 32]);
        assert!(matches!(kept, Input::OrderKept { link: [3, ..], result: Err(unkept) } if unkept.reason().0 == "disk"));
        let refused = unlooked();
        let Input::OrderChecked(Checked::Refused { what, n, reason, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((what, n, reason), ("message", 0, "disk"));
    }

    #[test]
    fn a_moment_that_was_missed_before_a_statement_is_told_as_late() {
        use crate::settings::{load, load_register};
        use picket_core::site::Start;
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        let (plan, (register, _)) = (load(&dir).unwrap().plan, load_register(&dir, 1).unwrap());
        let (recovered, register_refused) = (picket_core::wire::Recovered::default(), None);
        let mut clock = Clock::new(crate::clock::ClockPolicy::AcceptUnsynchronised);
        let now = clock.now();
        let site = Site::new(&now, Start { plan, register, register_refused, recovered, seed: 1, version: "test" });
        let (journal, mut asked) = mpsc::channel(64);
        let mending = watch::channel(None).1;
        let carriers = Carriers { lines: Vec::new(), quiet: Vec::new(), journal, mending, keeper: None };
        let status = watch::channel(Arc::new(site.status(&now))).0;
        let mut thinker = {
            let asked = Asked { statements: mpsc::channel(1).1, errands: mpsc::channel(1).1 };
            Thinker::new(site, clock, carriers, status, asked)
        };
        let reply = tokio::sync::oneshot::channel().0;
        thinker
            .state(Statement { kind: Kind::RecordsExported, data: serde_json::Map::new(), reply }, now.mono_us - 5_000);
        assert!(thinker.late_us >= 5_000, "{}", thinker.late_us);
        assert!(matches!(asked.try_recv(), Ok(Request::State { .. })));
    }

    #[test]
    fn what_may_be_refused_leaves_room_for_what_may_not() {
        let (journal, mut taken) = mpsc::channel(64);
        let offered = |session| offer(&journal, Request::Ask { session });
        assert_eq!((0..100).filter(|session| offered(*session).is_ok()).count(), 64 - RESERVE);
        for _ in 0..RESERVE {
            journal.try_send(Request::BranchTold { through: 0 }).unwrap();
        }
        assert!(taken.try_recv().is_ok());
        assert_eq!(offered(0), Err(NoRoom));
    }
}
