//! One day: the event loop on virtual time, the oracle, the checks.

use super::life::Agent;
use super::queue::{Event, Timed};
use super::restored::Restored;
use super::script::{self, Act, CrashPoint, DAY_US, Faults, owed};
use super::setup::central;
use super::wall::Wall;
use super::wires::Broker;
use super::world::World;
use picket::journal::{ReceiptFault, Stored};
use picket_central::clock::Now as CentralNow;
use picket_central::ingest::Ingest;
use picket_core::plan::{DeviceSpeech, Driver, LineId, Plan};
use picket_core::register::Register;
use picket_core::time::{Chance, Now};
use picket_core::wire::{Act as GuardAct, Batch, Heard, Input, Lane, Output};
use picket_device::modbus::{Fault, Read};
use picket_device::seal_reader::Scan;
use picket_record::chain::Parsed;
use picket_record::encode::Link;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::path::Path;
use std::sync::Arc;

/// 2026-11-22T00:00:00Z.
pub(crate) const MIDNIGHT_MS: i64 = 1_795_305_600_000;
/// After the day everything is whole again, and has this long to settle.
const SETTLE_US: u64 = 900_000_000;

/// One simulated day.
pub(crate) struct Day {
    pub(crate) seed: u64,
    pub(crate) chance: Chance,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) plan: Plan,
    pub(crate) register: Register,
    world: World,
    pub(crate) broker: Broker,
    /// Devices that do not answer, with whether one was asked since.
    muted: BTreeMap<String, bool>,
    pub(crate) agent: Option<Agent>,
    pub(crate) life: u64,
    /// Kills so far.
    pub(crate) killed: u64,
    pub(crate) central: Ingest,
    link_whole: bool,
    session: u32,
    pub(crate) linked: bool,
    crashes: VecDeque<CrashPoint>,
    /// Faults whose time has come and that wait for what they spoil.
    owed: Faults,
    pub(crate) done: Faults,
    pub(crate) oracle: Vec<Link>,
    pub(crate) camera_ledger: Vec<String>,
    last_state: BTreeMap<String, bool>,
    queue: BinaryHeap<Reverse<Timed>>,
    order: u64,
    pub(crate) now_us: u64,
    pub(crate) restored: Restored,
    answered_us: u64,
    asks: u64,
    scans: u64,
    /// Summaries that were held against the records.
    pub(crate) summaries: u64,
    stopped: bool,
    pub(crate) wall: Wall,
}

impl Day {
    pub(crate) fn new(seed: u64, wall: Wall) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        let loaded = picket::settings::load(&config).expect("the shipped settings are whole");
        let (register, _) = picket::settings::load_register(&config, 1).expect("the shipped register is whole");
        let plan = loaded.plan;
        let shared_memory = Path::new("/dev/shm");
        let folder = if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a temporary folder");
        let central = central(folder.path(), &plan);
        let line = plan.lines.iter().position(|line| line.driver == Driver::Mqtt).expect("the site has a broker");
        let mut day = Self {
            seed,
            wall,
            chance: Chance::new(seed ^ 0x5EED),
            world: World::at_rest(&plan, &register),
            broker: Broker::new(LineId(line as u16)),
            muted: BTreeMap::new(),
            agent: None,
            life: 0,
            killed: 0,
            central,
            link_whole: true,
            session: 0,
            linked: false,
            crashes: VecDeque::new(),
            owed: Faults::default(),
            done: Faults::default(),
            oracle: Vec::new(),
            camera_ledger: Vec::new(),
            last_state: BTreeMap::new(),
            queue: BinaryHeap::new(),
            order: 0,
            now_us: 1_000_000,
            restored: Restored::default(),
            answered_us: 0,
            asks: 0,
            scans: 0,
            summaries: 0,
            stopped: false,
            folder,
            plan,
            register,
        };
        for (at, act) in script::day(seed) {
            day.push(at, Event::Act(act));
        }
        day.push(1_000_000, Event::Restart);
        day.push(2_000_000, Event::CentralTick);
        day
    }

    /// Runs the day and what follows; what was done, in one line.
    pub(crate) fn run(mut self) -> String {
        self.until(DAY_US);
        self.make_whole();
        self.until(DAY_US + SETTLE_US);
        self.check_agreement();
        self.stop();
        self.check_everything();
        format!(
            "seed {:>2}: {} asks, {} records, {} crashes, {} camera events, {} summaries, {} alarms forgotten: whole",
            self.seed,
            self.asks,
            self.oracle.len(),
            self.killed,
            self.camera_ledger.len(),
            self.summaries,
            self.restored.forgotten
        )
    }

    pub(crate) fn push(&mut self, at: u64, event: Event) {
        self.order += 1;
        let own =
            matches!(event, Event::Outcome { .. } | Event::Failed { .. } | Event::Input(_) | Event::Deliver { .. });
        let life = if own { self.life } else { 0 };
        self.queue.push(Reverse(Timed { at, order: self.order, life, event }));
    }

    pub(crate) fn soon(&mut self, least_us: u64, spread_us: u64, event: Event) {
        let at = self.now_us + least_us + self.chance.below(spread_us);
        self.push(at, event);
    }

    /// What the journal says comes in the order it says it.
    fn answer(&mut self, least_us: u64, spread_us: u64, input: Input) {
        let at = (self.now_us + least_us + self.chance.below(spread_us)).max(self.answered_us + 1);
        self.answered_us = at;
        self.push(at, Event::Input(input));
    }

    pub(crate) fn now(&self) -> Now {
        let (utc_ms, trusted, quality) = self.wall.at(self.seed, self.now_us);
        Now { mono_us: self.now_us, utc_ms, trusted, quality, boot: Arc::from("sim") }
    }

    fn central_now(&self) -> CentralNow {
        CentralNow { wall_ms: MIDNIGHT_MS + (self.now_us / 1_000) as i64, mono_ms: self.now_us / 1_000 }
    }

    /// Events and deadlines in order of time, up to `end`.
    fn until(&mut self, end: u64) {
        loop {
            let event_at = self.queue.peek().map_or(u64::MAX, |Reverse(timed)| timed.at);
            let deadline = self.agent.as_ref().map_or(u64::MAX, |agent| agent.site.deadline());
            let at = event_at.min(deadline).max(self.now_us);
            if at > end || self.stopped {
                self.now_us = self.now_us.max(end);
                return;
            }
            self.now_us = at;
            if event_at <= deadline {
                let Some(Reverse(timed)) = self.queue.pop() else { return };
                if timed.life == 0 || timed.life == self.life {
                    self.take(timed.event);
                }
            } else {
                let now = self.now();
                if let Some(agent) = &mut self.agent {
                    agent.site.timeout(&now);
                }
            }
            self.hand_out();
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.now();
        if let Some(agent) = &mut self.agent {
            agent.site.handle(&now, input);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Outcome { line, ask, unit, read } => {
                let index = World::device(&self.plan, line, unit).expect("the site asks devices of its plan");
                let result = Ok(self.world.answer(index, read));
                self.feed(Input::Outcome { line, ask, result });
            }
            Event::Failed { line, ask, fault } => self.feed(Input::Outcome { line, ask, result: Err(fault) }),
            Event::Input(input) => self.feed(input),
            Event::Act(act) => self.act(act),
            Event::Deliver { session, batch } => self.deliver(session, &batch),
            Event::Restart => self.start(),
            Event::LinkTry => self.link_up(),
            Event::BrokerTry => self.broker_up(),
            Event::CentralTick => {
                self.send_receipts();
                self.push(self.now_us + 1_000_000, Event::CentralTick);
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Contact(equipment, signal, on) => {
                assert!(self.world.set(&self.plan, equipment, signal, on), "{equipment} has a {signal:?} contact");
            }
            Act::Camera(prefix, topic, state) => self.publish(prefix, topic, state),
            Act::Scan(reader, text) => self.scan(reader, text),
            Act::Acknowledge => self.acknowledge(),
            Act::Mute(device, true) => drop(self.muted.insert(device.to_owned(), false)),
            Act::Mute(device, false) => drop(self.muted.remove(device)),
            Act::Link(whole) => {
                self.link_whole = whole;
                if whole {
                    self.soon(200_000, 2_000_000, Event::LinkTry);
                } else {
                    self.done.link_cuts += 1;
                    self.link_down("cut");
                }
            }
            Act::BrokerLost => self.broker_down(),
            Act::Crash(point) => self.crashes.push_back(point),
            Act::AnswerLost => self.owed.lost_answers += 1,
            Act::AnswerGarbled => self.owed.garbled_answers += 1,
            Act::StoreFails => self.owed.failed_appends += 1,
            Act::ImageTaken => self.take_image(),
            Act::ImagePutBack => self.put_image_back(),
            Act::LostBehindBatch => self.owed.links_lost_behind_a_batch += 1,
        }
    }

    /// A camera publishes a property that changes; each has a device time of its own, so it can be found again.
    fn publish(&mut self, prefix: &str, topic: &str, state: bool) {
        let key = format!("{prefix}/{topic}");
        if self.last_state.insert(key, state) == Some(state) {
            return;
        }
        let time =
            picket_record::wall::to_text(MIDNIGHT_MS + (self.now_us / 1_000) as i64).expect("a date of our time");
        let payload = format!(r#"{{"UtcTime":"{time}","Source":{{"Source":"VS1"}},"Data":{{"State":{state}}}}}"#);
        if self.plan.devices.iter().any(|d| matches!(&d.speech, DeviceSpeech::Camera { prefix: p } if p == prefix)) {
            self.camera_ledger.push(time);
        }
        self.broker.publish(&format!("{prefix}/onvif-ej/{topic}/&VS1"), payload);
        self.give_messages();
    }

    fn give_messages(&mut self) {
        while let Some((token, message)) = self.broker.give() {
            let heard = Heard::Message {
                topic: message.topic,
                payload: message.payload.into_bytes(),
                retained: false,
                oversize: None,
                delivery: None,
            };
            let line = self.broker.line;
            self.soon(500, 5_000, Event::Input(Input::Heard { line, token, heard }));
        }
    }

    fn scan(&mut self, reader: &str, text: &str) {
        let device = self.plan.devices.iter().find(|device| device.equipment.as_str() == reader);
        let line = device.expect("the reader is in the plan").line;
        self.scans += 1;
        let scan = Scan { text: text.to_owned(), aim: None, raw: text.as_bytes().to_vec() };
        self.feed(Input::Heard { line, token: self.scans, heard: Heard::Scan(Ok(scan)) });
    }

    fn acknowledge(&mut self) {
        let now = self.now();
        let open = self.agent.as_ref().map(|agent| agent.site.status(&now).alarms).unwrap_or_default();
        let Some(alarm) = open.into_iter().rfind(|alarm| alarm.acknowledged_by.is_none()) else { return };
        let (by, saw) = ("Okafor".to_owned(), alarm.occurrence());
        let act = GuardAct::Acknowledge { alarm: alarm.id, saw, by, note: String::new(), terminal: "sim".into() };
        self.feed(Input::Act { act, ticket: None });
    }

    fn hand_out(&mut self) {
        while let Some(output) = self.agent.as_mut().and_then(|agent| agent.site.next_output()) {
            match output {
                Output::Answer { .. } => {}
                Output::Ask { line, ask, unit, read, patience_ms } => self.ask(line, ask, unit, read, patience_ms),
                Output::Append { through, bodies } => self.append(through, &bodies),
                Output::Confirm { line, token } => {
                    if line == self.broker.line {
                        self.broker.acknowledge(token);
                        self.give_messages();
                    }
                }
                Output::Send { session, batch } => self.soon(2_000, 20_000, Event::Deliver { session, batch }),
                Output::AskReceipt { session } if self.linked && session == self.session => {
                    let (gw, now) = (self.plan.gateway.clone(), self.central_now());
                    self.central.ask(&gw, None, now).expect("the central store answers");
                    self.send_receipts();
                }
                Output::AskReceipt { .. } => {}
                Output::CheckReceipt { line } => self.check_receipt(&line),
                Output::CheckOrder { .. } | Output::KeepOrder { .. } | Output::Retain { .. } => {
                    unreachable!("nothing comes down in a site-day")
                }
                Output::LookBack { after } => {
                    let found = self.agent.as_ref().expect("it asked").journal.look_back(after);
                    self.soon(500, 5_000, Event::Input(found));
                }
                Output::BranchTold { through } => {
                    let Some(agent) = &self.agent else { continue };
                    agent.journal.branch_told(through).expect("the journal notes it");
                }
                Output::Stopped => self.stopped = true,
            }
        }
    }

    fn ask(&mut self, line: LineId, ask: u64, unit: u8, read: Read, patience_ms: u32) {
        self.asks += 1;
        let index = World::device(&self.plan, line, unit).expect("the site asks devices of its plan");
        let late = self.now_us + u64::from(patience_ms) * 1_000;
        let unanswered = Event::Failed { line, ask, fault: Fault::Timeout(patience_ms) };
        if let Some(noticed) = self.muted.get_mut(&self.plan.devices[index].name) {
            self.done.mute_devices += u64::from(!std::mem::replace(noticed, true));
            self.push(late, unanswered);
        } else if owed(&mut self.owed.lost_answers, &mut self.done.lost_answers) {
            self.push(late, unanswered);
        } else if owed(&mut self.owed.garbled_answers, &mut self.done.garbled_answers) {
            self.soon(1_000, 10_000, Event::Failed { line, ask, fault: Fault::Damaged("checksum".into()) });
        } else {
            self.soon(500, 10_000, Event::Outcome { line, ask, unit, read });
        }
    }

    fn append(&mut self, through: u64, bodies: &[picket_record::body::Body]) {
        if let Some(point) = self.crashes.pop_front() {
            if let Some(stored) = self.kill(point, bodies) {
                self.crashes.push_front(point);
                self.stored(through, stored);
            }
            return;
        }
        if owed(&mut self.owed.failed_appends, &mut self.done.failed_appends) {
            return self.answer(500, 5_000, Input::StoreFailed { cause: "simulated".into() });
        }
        let Some(agent) = &mut self.agent else { return };
        let stored = agent.journal.append(bodies).expect("the journal stores");
        self.stored(through, stored);
    }

    fn stored(&mut self, through: u64, stored: Stored) {
        self.read_new();
        let input =
            Input::Stored { through, head: stored.head, urgent: stored.urgent, fill_permille: stored.fill_permille };
        self.answer(200, 8_000, input);
    }

    /// Takes what the journal newly holds into the oracle: numbers go on without a hole.
    pub(crate) fn read_new(&mut self) {
        if self.restored.apart {
            return self.read_branch();
        }
        let Some(agent) = &self.agent else { return };
        while let Some((_, text)) = agent.journal.slice(self.oracle.len() as u64).expect("the journal reads") {
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let record = Parsed::read_bytes(line).expect("a stored record reads");
                assert_eq!(record.seq, self.oracle.len() as u64 + 1, "seed {}: a number without a hole", self.seed);
                self.oracle.push(record.link);
            }
        }
    }

    fn link_up(&mut self) {
        if self.linked || !self.link_whole || self.agent.is_none() {
            return;
        }
        self.linked = true;
        self.session += 1;
        self.feed(Input::LinkUp { session: self.session });
    }

    fn link_down(&mut self, cause: &str) {
        if std::mem::take(&mut self.linked) {
            self.feed(Input::LinkDown { cause: cause.to_owned() });
        }
    }

    fn broker_down(&mut self) {
        if !self.broker.open {
            // Nothing to break: later, so that a day has its number.
            return self.push(self.now_us + 60_000_000, Event::Act(Act::BrokerLost));
        }
        self.done.broker_breaks += 1;
        self.broker.lost();
        let line = self.broker.line;
        self.feed(Input::Line { line, fault: Some("connection closed".into()) });
        self.soon(500_000, 4_000_000, Event::BrokerTry);
    }

    fn broker_up(&mut self) {
        if self.broker.open || self.agent.is_none() {
            return;
        }
        self.broker.open = true;
        self.feed(Input::Line { line: self.broker.line, fault: None });
        self.give_messages();
    }

    fn deliver(&mut self, session: u32, batch: &Batch) {
        let Some(agent) = self.agent.as_ref().filter(|_| self.linked && session == self.session) else { return };
        let lane = batch.lane();
        let Some(lines) = agent.journal.lines(batch).expect("the journal reads") else {
            return self.feed(Input::Sent { session, lane, result: Ok(0) });
        };
        self.feed(Input::Packed { session, lane, through: lines.through, bytes: lines.bytes });
        let kind = if lines.deflated { "application/jose-lines+deflate" } else { "application/jose-lines" };
        let text = picket_central::unpack::text(Some(kind), &lines.payload.into()).expect("a batch unpacks");
        let ranges = picket_central::unpack::next_lines(&text, &mut 0, usize::MAX);
        let parts: Vec<&[u8]> = ranges.iter().map(|range| &text[range.clone()]).collect();
        let (gw, now) = (self.plan.gateway.clone(), self.central_now());
        let tally = self.central.batch(&gw, &parts, now).expect("the central store takes it");
        if matches!(batch, Batch::Branch { .. }) {
            self.restored.arrived(&parts);
        } else {
            assert_eq!((tally.forks, tally.refused), (0, 0), "seed {}: the central side refuses records", self.seed);
        }
        let spoils = lane == Lane::Record;
        if spoils && owed(&mut self.owed.links_lost_behind_a_batch, &mut self.done.links_lost_behind_a_batch) {
            self.link_down("lost behind a batch");
            return self.soon(500_000, 2_000_000, Event::LinkTry);
        }
        self.soon(500, 5_000, Event::Input(Input::Sent { session, lane, result: Ok(lines.through) }));
        self.send_receipts();
    }

    fn send_receipts(&mut self) {
        let now = self.central_now();
        for receipt in self.central.receipts(now).expect("the central store signs") {
            if self.linked {
                self.soon(500, 20_000, Event::Input(Input::ReceiptHeard { line: receipt.line }));
            }
        }
    }

    fn check_receipt(&mut self, line: &str) {
        let when = self.now().when();
        let Some(agent) = &mut self.agent else { return };
        let answer = agent.journal.receipt(line, &when);
        let (rebased, declared) = (agent.journal.rebased(), agent.journal.declared());
        if let Some(rebased) = rebased {
            self.came_back(&rebased);
            self.answer(100, 1_000, Input::Rebased(rebased));
        }
        if let Some(seqs) = declared {
            self.answer(100, 1_000, Input::Declared { seqs });
        }
        match answer {
            Ok(receipted) => self.answer(100, 1_000, Input::Receipted(receipted)),
            Err(ReceiptFault::Old { .. }) => {}
            Err(fault) => panic!("seed {}: a receipt of the central side is refused: {fault}", self.seed),
        }
    }

    fn make_whole(&mut self) {
        self.muted.clear();
        self.link_whole = true;
        self.push(self.now_us + 1, Event::Restart);
        self.push(self.now_us + 5_000_000, Event::LinkTry);
        self.push(self.now_us + 5_000_000, Event::BrokerTry);
    }

    fn stop(&mut self) {
        self.feed(Input::Stop);
        self.hand_out();
        self.until(self.now_us + 60_000_000);
        assert!(self.stopped, "seed {}: the agent stops in order", self.seed);
    }
}
