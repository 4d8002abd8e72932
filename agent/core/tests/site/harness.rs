//! A whole site on virtual time: a fake journal that stores bodies and folds rows, lines that answer from a model.
//! Pure; the simulation with the real journal lives in `tests/scenarios`.

mod guarded;
mod journal;

use guarded::{listed, plan};
pub(crate) use journal::Journal;
use picket_core::plan::{LineId, Plan};
use picket_core::register::{EquipmentId, Register, points, rows};
use picket_core::site::{Site, Start};
use picket_core::status::{AlarmStatus, Status};
use picket_core::time::{Now, ms};
use picket_core::wire::{Act, Batch, Delivery, Heard, Input, Occurrence, Output, Recovered};
use picket_device::modbus::{Answer, Fault, Read};
use picket_device::profile::Table;
use picket_device::seal_reader::Scan;
use picket_record::body::{Body, ClockQuality, ClockSource};
use picket_record::kind::Kind;

/// 2026-11-22T00:00:00Z.
pub(crate) const MIDNIGHT_MS: i64 = 1_795_305_600_000;
const PATIENCE_MS: u32 = 500;
pub(crate) const GATE: LineId = LineId(0);
pub(crate) const YARD: LineId = LineId(1);
pub(crate) const DESK: LineId = LineId(2);
pub(crate) const SCENE: &str = "cam-1/onvif-ej/VideoSource/GlobalSceneChange/ImagingService/&VS1";
/// Contacts of the gate's module, in the order of their addresses.
pub(crate) const DOOR: usize = 0;
pub(crate) const RELEASE: usize = 1;
pub(crate) const SMOKE: usize = 2;

pub(crate) fn id(text: &str) -> EquipmentId {
    EquipmentId::parse(text).unwrap()
}

pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) now_us: u64,
    pub(crate) trusted: bool,
    /// Where the wall clock was stepped to, and how often.
    pub(crate) stepped: (i64, u32),
    pub(crate) journal: Journal,
    pub(crate) listed: Vec<rows::Row>,
    pub(crate) plan: Plan,
    /// Discrete inputs of the gate's module.
    pub(crate) contacts: [bool; 3],
    /// Holding registers of the gate's module, where the test gives it points that measure.
    pub(crate) levels: [u16; 3],
    /// Serial number it tells, four characters.
    pub(crate) serial: &'static str,
    /// The gate's module answers.
    pub(crate) alive: bool,
    /// It refuses reads from this address on, with this exception.
    pub(crate) refuses: Option<(u16, u8)>,
    /// Batches leave at once.
    pub(crate) link: bool,
    /// When the open ask ends, its number, what it reads, and whether the module hears it.
    pub(crate) answers: Vec<(u64, u64, Read, bool)>,
    pub(crate) confirmed: Vec<(LineId, u64)>,
    pub(crate) sent: Vec<Batch>,
    /// What became of acts, by ticket.
    pub(crate) acted: Vec<(u64, Result<u64, String>)>,
    pub(crate) checks: usize,
    pub(crate) asked_receipts: usize,
    /// Days that the journal was told to keep records.
    pub(crate) retained: Option<u32>,
    /// Documents that came down and were handed on to be verified.
    pub(crate) orders: usize,
    pub(crate) asks: u64,
    pub(crate) stopped_at: Option<u64>,
    pub(crate) timeouts: u64,
    token: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let (plan, listed) = (plan(), listed());
        let journal = Journal { prompt: true, head: 1, ..Journal::default() };
        Self::start(plan, listed, journal, 0)
    }

    pub(crate) fn with(change: impl FnOnce(&mut Plan, &mut Vec<rows::Row>)) -> Self {
        let (mut plan, mut listed) = (plan(), listed());
        change(&mut plan, &mut listed);
        let journal = Journal { prompt: true, head: 1, ..Journal::default() };
        Self::start(plan, listed, journal, 0)
    }

    fn start(plan: Plan, listed: Vec<rows::Row>, journal: Journal, now_us: u64) -> Self {
        let register = registered(1, [1; 32], &listed);
        Self::start_by(plan, listed, register, journal, (now_us, true))
    }

    fn start_by(
        plan: Plan,
        listed: Vec<rows::Row>,
        register: Register,
        journal: Journal,
        (now_us, trusted): (u64, bool),
    ) -> Self {
        let recovered = Recovered {
            order: journal.order.clone(),
            root: journal.root,
            head: journal.head,
            rows: journal.rows.values().cloned().collect(),
            personal: journal.personal.clone(),
            fill_permille: journal.fill_permille,
            tail: "crash".into(),
            ..Recovered::default()
        };
        let start =
            Start { plan: plan.clone(), register, register_refused: None, recovered, seed: 7, version: "0.1.0" };
        let site = Site::new(&moment(now_us, trusted), start);
        let mut world = Self {
            site,
            now_us,
            trusted,
            stepped: (0, 0),
            journal,
            listed,
            plan,
            contacts: [false; 3],
            levels: [0; 3],
            serial: "AB12",
            alive: true,
            refuses: None,
            link: true,
            answers: Vec::new(),
            confirmed: Vec::new(),
            sent: Vec::new(),
            acted: Vec::new(),
            checks: 0,
            asked_receipts: 0,
            retained: None,
            orders: 0,
            asks: 0,
            stopped_at: None,
            timeouts: 0,
            token: 0,
        };
        world.site.timeout(&world.now());
        world.pump();
        world
    }

    /// Killed, and started again a second later: what was not stored is gone.
    pub(crate) fn restarted(self) -> Self {
        let trusted = self.trusted;
        self.restarted_with(trusted)
    }

    pub(crate) fn restarted_with(self, trusted: bool) -> Self {
        self.restarted_by(trusted, |listed| registered(1, [1; 32], listed))
    }

    /// The same with a register that is made of the rows in another way.
    pub(crate) fn restarted_as(self, register: impl FnOnce(&[rows::Row]) -> Register) -> Self {
        let trusted = self.trusted;
        self.restarted_by(trusted, register)
    }

    fn restarted_by(self, trusted: bool, register: impl FnOnce(&[rows::Row]) -> Register) -> Self {
        let mut journal = self.journal;
        journal.open = None;
        journal.prompt = true;
        journal.head += 1;
        let register = register(&self.listed);
        let mut next = Self::start_by(self.plan, self.listed, register, journal, (self.now_us + 1_000_000, trusted));
        (next.contacts, next.serial, next.alive) = (self.contacts, self.serial, self.alive);
        next.levels = self.levels;
        next.refuses = self.refuses;
        next
    }

    pub(crate) fn now(&self) -> Now {
        let mut now = moment(self.now_us, self.trusted);
        now.utc_ms = now.utc_ms.map(|utc_ms| utc_ms + self.stepped.0);
        now.quality.era = self.stepped.1;
        now
    }

    /// Hands an input in and carries what comes of it.
    pub(crate) fn give(&mut self, input: Input) {
        self.site.handle(&self.now(), input);
        self.pump();
    }

    pub(crate) fn hear(&mut self, line: LineId, heard: Heard) -> u64 {
        self.token += 1;
        let token = self.token;
        self.give(Input::Heard { line, token, heard });
        token
    }

    pub(crate) fn publish(&mut self, topic: &str, payload: &str) -> u64 {
        self.publish_as(topic, payload, false)
    }

    pub(crate) fn publish_as(&mut self, topic: &str, payload: &str, retained: bool) -> u64 {
        let (topic, payload) = (topic.into(), payload.into());
        self.hear(YARD, Heard::Message { topic, payload, retained, oversize: None, delivery: None })
    }

    /// The broker hands a message over until it is acknowledged.
    pub(crate) fn deliver(&mut self, topic: &str, payload: &str, packet: u16, again: bool) -> u64 {
        let (topic, payload, delivery) = (topic.into(), payload.into(), Some(Delivery { packet, again }));
        self.hear(YARD, Heard::Message { topic, payload, retained: false, oversize: None, delivery })
    }

    /// The camera's scene changed, or is as before, at so many seconds of its own clock.
    pub(crate) fn scene(&mut self, changed: bool, second: u32) -> u64 {
        let payload = format!(r#"{{"UtcTime":"2026-11-22T08:00:{second:02}Z","Data":{{"State":{changed}}}}}"#);
        self.publish(SCENE, &payload)
    }

    pub(crate) fn scan(&mut self, text: &str) -> u64 {
        let raw = format!("\u{2}{text}\u{3}").into_bytes();
        self.hear(DESK, Heard::Scan(Ok(Scan { text: text.into(), aim: None, raw })))
    }

    pub(crate) fn acknowledge(&mut self, alarm: &str) {
        let shown = self.alarm(alarm).map(|shown| shown.occurrence());
        self.acknowledge_as(alarm, shown.unwrap_or(Occurrence { since_ms: None, times: 0 }));
    }

    /// A guard acknowledges what was seen of an alarm.
    pub(crate) fn acknowledge_as(&mut self, alarm: &str, saw: Occurrence) {
        let (by, terminal) = ("Ines".to_owned(), "10.0.0.7".to_owned());
        let act = Act::Acknowledge { alarm: alarm.into(), saw, by, note: String::new(), terminal };
        self.give(Input::Act { act, ticket: None });
    }

    /// The journal takes what is open.
    pub(crate) fn store(&mut self) {
        if let Some(stored) = self.journal.store() {
            self.give(stored);
        }
    }

    fn pump(&mut self) {
        while let Some(output) = self.site.next_output() {
            match output {
                Output::Ask { line, ask, read, patience_ms, .. } => {
                    assert_eq!(line, GATE);
                    assert!(self.answers.is_empty(), "two asks are open on a line");
                    self.asks += 1;
                    let takes = if self.alive { 5 } else { u64::from(patience_ms) };
                    self.answers.push((self.now_us + ms(takes), ask, read, self.alive));
                }
                Output::Append { through, bodies } => {
                    if let Some((open, _)) = &self.journal.open {
                        assert_eq!(*open, through, "two appends are open");
                    }
                    self.journal.open = Some((through, bodies));
                    if self.journal.prompt {
                        if let Some(stored) = self.journal.store() {
                            self.site.handle(&self.now(), stored);
                        }
                    }
                }
                Output::Answer { ticket, result } => self.acted.push((ticket, result)),
                Output::Confirm { line, token } => self.confirmed.push((line, token)),
                Output::Send { session, batch } => self.send(session, batch),
                Output::CheckReceipt { .. } => self.checks += 1,
                Output::LookBack { after } => {
                    let found = self.journal.look_back(after);
                    self.site.handle(&self.now(), found);
                }
                Output::Retain { days, .. } => self.retained = days,
                Output::CheckOrder { .. } => self.orders += 1,
                Output::KeepOrder { register, link, .. } => {
                    let read = |text: &str| registered(0, [2; 32], &self.listed_as(text));
                    let kept = match &self.journal.keeps_none {
                        Some(unkept) => Err(unkept.clone()),
                        None => Ok(register.as_deref().map(read)),
                    };
                    let kept = Input::OrderKept { link, result: kept };
                    self.site.handle(&self.now(), kept);
                }
                Output::AskReceipt { .. } => self.asked_receipts += 1,
                Output::BranchTold { .. } => {}
                Output::Stopped => {
                    assert!(self.stopped_at.is_none(), "stopped twice");
                    self.stopped_at = Some(self.now_us);
                }
            }
        }
    }

    fn send(&mut self, session: u32, batch: Batch) {
        let last = match &batch {
            Batch::Urgent { seqs, .. } => *seqs.last().unwrap(),
            Batch::Range { to, .. } => *to,
            Batch::Branch { after } => {
                self.sent.push(Batch::Branch { after: *after });
                let (lane, result) = (picket_core::wire::Lane::Record, Ok(0));
                return self.site.handle(&self.now(), Input::Sent { session, lane, result });
            }
        };
        assert!(last <= self.journal.head, "{batch:?} is not stored");
        let lane = batch.lane();
        self.sent.push(batch);
        if self.link {
            self.site.handle(&self.now(), Input::Packed { session, lane, through: last, bytes: 1 });
            self.site.handle(&self.now(), Input::Sent { session, lane, result: Ok(last) });
        }
    }

    fn answer(&self, read: Read) -> Answer {
        if read.table == Table::DiscreteInput {
            let bits = self.contacts.iter().skip(usize::from(read.start)).take(usize::from(read.count));
            return Answer::Bits(bits.copied().collect());
        }
        if read.table == Table::HoldingRegister {
            let levels = self.levels.iter().skip(usize::from(read.start)).take(usize::from(read.count));
            return Answer::Words(levels.copied().collect());
        }
        Answer::Words(self.serial.as_bytes().chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect())
    }

    /// A register as these tests write it: the usual rows, and a door for each line of the text.
    fn listed_as(&self, text: &str) -> Vec<rows::Row> {
        let doors = text.lines().map(|id| row(&[("id", id), ("kind", "door")]));
        self.listed.iter().cloned().chain(doors).collect()
    }

    /// Lets time pass. After each call the next deadline lies ahead: a carrier that waits for it never spins.
    pub(crate) fn run(&mut self, for_us: u64) {
        let end = self.now_us + for_us;
        loop {
            let due = self.site.deadline();
            let answer = self.answers.first().map(|(at, ..)| *at).unwrap_or(u64::MAX);
            let next = due.min(answer);
            if next > end {
                break;
            }
            self.now_us = self.now_us.max(next);
            if answer <= due {
                let (_, ask, read, heard) = self.answers.remove(0);
                let contacts = read.table == Table::DiscreteInput;
                let refused = self.refuses.filter(|(from, _)| contacts && read.start + read.count > *from);
                let result = match refused {
                    _ if !heard => Err(Fault::Timeout(PATIENCE_MS)),
                    Some((_, code)) => Err(Fault::Exception(code)),
                    None => Ok(self.answer(read)),
                };
                self.give(Input::Outcome { line: GATE, ask, result });
                if self.site.deadline() > self.now_us {
                    continue;
                }
            }
            self.timeouts += 1;
            self.site.timeout(&self.now());
            self.pump();
            assert!(self.site.deadline() > self.now_us, "hot loop at {} us", self.now_us);
        }
        self.now_us = end;
    }

    pub(crate) fn run_s(&mut self, seconds: u64) {
        self.run(seconds * 1_000_000);
    }

    pub(crate) fn status(&self) -> Status {
        self.site.status(&self.now())
    }

    pub(crate) fn alarm(&self, id: &str) -> Option<AlarmStatus> {
        self.status().alarms.into_iter().find(|alarm| alarm.id == id)
    }

    /// Lets time pass until an ask is open.
    pub(crate) fn run_until_asked(&mut self) {
        while !self.answers.is_empty() {
            self.run(1_000);
        }
        while self.answers.is_empty() {
            self.run(1_000);
        }
    }

    pub(crate) fn standing(&self, id: &str) -> String {
        self.status().equipment.into_iter().find(|e| e.id == id).map(|e| e.standing).unwrap_or_default()
    }

    /// Stored alarms, acts, nonconformities and seals in words, from record `since` on.
    pub(crate) fn told_since(&self, since: usize) -> Vec<String> {
        let told = |body: &Body| {
            let of = ["alarm", "nonconformity", "read"].iter().find_map(|k| body.data.get(*k)?.as_str());
            of.map(|of| format!("{} {of}", body.kind.as_str()))
        };
        self.journal.records[since..].iter().filter_map(told).collect()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.told_since(0)
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.journal.records.iter().filter(|body| body.kind == kind).count()
    }
}

pub(crate) fn moment(mono_us: u64, trusted: bool) -> Now {
    let quality = ClockQuality { src: ClockSource::Ntp, sync: trusted, err_ms: 1, age_s: 1, era: 0 };
    let utc_ms = Some(MIDNIGHT_MS + i64::try_from(mono_us / 1_000).unwrap());
    Now { mono_us, utc_ms, trusted, quality, boot: "0b0e7d62-4a3c-4b57-9d33-0c2a1f6f8a11".into() }
}

/// A register of rows; those that name a point are measuring points.
fn registered(version: u64, digest: [u8; 32], listed: &[rows::Row]) -> Register {
    let (points, equipment): (Vec<_>, Vec<_>) = listed.iter().cloned().partition(|row| row.contains_key("point"));
    let points = points::build(&points, |id| equipment.iter().any(|row| row["id"] == id)).unwrap();
    rows::build(version, digest, &equipment).unwrap().with_points(points)
}

pub(crate) fn row(fields: &[(&str, &str)]) -> rows::Row {
    fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}
