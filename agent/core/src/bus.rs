//! One line that is asked: which device is due, one ask at a time, and no dead unit that delays the others.

use crate::plan::{Device, DeviceId, DeviceSpeech, Driver, LineId};
use crate::time::{Chance, Now, ms, s};
use picket_device::modbus::{self, Answer, Fault, Read, ReadPlan};
use picket_device::profile::{Identity, ModbusSpeech, Table};
use picket_device::quantity::Observation;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Tries in a row that may fail before a unit counts as dead.
const DEAD_AFTER: u32 = 3;
/// Polls in a row without a point before that is told: a device may be busy for a moment.
const WITHHELD_AFTER: u32 = 3;
/// Dead units are tried so seldom that all of them together take at most a tenth of the bus: each try waits its whole
/// patience, and the units that live wait with it.
const DEAD_SHARE: u64 = 10;
/// Points that a device refuses are asked for again after a minute, and ever later, at the latest after an hour: a
/// device that starts up refuses for a while what it has.
const REPLAN_US: u64 = s(60);
const REPLAN_MOST_US: u64 = s(3_600);
/// A device that is there but did not tell who it is, is asked again after this time: it is polled meanwhile.
const IDENTITY_AGAIN_US: u64 = s(60);

/// What an outcome led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A whole poll came in.
    Polled {
        /// Which device.
        device: DeviceId,
        /// Every point; what the device refused is unknown and bad.
        observations: Vec<Observation>,
        /// SHA-256 over the response PDUs of the poll, in order.
        raw: [u8; 32],
    },
    /// The device said who it is.
    Identified {
        /// Which device.
        device: DeviceId,
        /// What it said.
        identity: Identity,
    },
    /// A try failed.
    Failed {
        /// Which device.
        device: DeviceId,
        /// Why.
        fault: Fault,
        /// Tries failed in a row.
        failures: u32,
    },
    /// The device has no such point: it is no longer asked for it.
    Refused {
        /// Which device.
        device: DeviceId,
        /// Name of the point.
        point: String,
    },
    /// The device has this point and has not given it for a while.
    Withheld {
        /// Which device.
        device: DeviceId,
        /// Name of the point.
        point: String,
        /// Why.
        fault: Fault,
    },
}

/// An ask, before the line's name is put to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Unit id.
    pub unit: u8,
    /// What to read.
    pub read: Read,
    /// Longest wait.
    pub patience_ms: u32,
}

/// A line with its devices.
#[derive(Debug)]
pub struct Bus {
    driver: Driver,
    devices: Vec<Polled>,
    /// Index into `devices` of the one being asked, with what was asked.
    open: Option<(usize, Work)>,
    /// A fault happened on an RTU bus: a late answer may still come and be taken for another register's, so the next
    /// answer is thrown away and the same is asked again. Nothing in an answer says which question it is for.
    suspect: bool,
    /// No dead unit is tried before.
    dead_from: u64,
}

/// What a device is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Poll(usize),
    Identity(usize),
    /// The first ask after a fault; its answer is thrown away.
    Probe,
}

#[derive(Debug)]
struct Polled {
    id: DeviceId,
    unit: u8,
    poll_us: u64,
    patience_ms: u32,
    speech: ModbusSpeech,
    plan: ReadPlan,
    due_us: u64,
    identity_due_us: u64,
    failures: u32,
    observations: Vec<Observation>,
    /// Reads of this poll that were answered.
    answered: u32,
    /// Points that were withheld in this poll, and why.
    withheld: BTreeMap<String, Fault>,
    /// Polls in a row without a point that the device has.
    without: BTreeMap<String, u32>,
    /// Points that were taken out of the plan.
    gone: Vec<String>,
    raw: Sha256,
    told: Vec<Option<Answer>>,
    /// When refused points are asked for again, and the pause after the next refusal.
    replan_at: Option<u64>,
    replan_us: u64,
    /// Where a poll or an identity check stands between two asks.
    next: Option<Work>,
}

impl Bus {
    /// A bus of the plan's devices on `line`; first polls are spread over one interval, so that a start is no burst.
    pub fn new(line: LineId, driver: Driver, devices: &[Device], now: &Now, chance: &mut Chance) -> Self {
        let mut polled = Vec::new();
        for (index, device) in devices.iter().enumerate() {
            let DeviceSpeech::Modbus { speech, unit, poll_ms, patience_ms } = &device.speech else { continue };
            if device.line != line {
                continue;
            }
            let spread = if polled.is_empty() { 0 } else { chance.below(ms(*poll_ms).min(s(1))) };
            polled.push(Polled {
                id: DeviceId(u16::try_from(index).unwrap_or(u16::MAX)),
                unit: *unit,
                poll_us: ms(*poll_ms),
                patience_ms: *patience_ms,
                speech: speech.clone(),
                plan: ReadPlan::new(speech),
                due_us: now.mono_us + spread,
                identity_due_us: if speech.identity.is_empty() { u64::MAX } else { now.mono_us },
                failures: 0,
                observations: Vec::new(),
                answered: 0,
                withheld: BTreeMap::new(),
                without: BTreeMap::new(),
                gone: Vec::new(),
                raw: Sha256::new(),
                told: Vec::new(),
                replan_at: None,
                replan_us: REPLAN_US,
                next: None,
            });
        }
        Self { driver, devices: polled, open: None, suspect: false, dead_from: 0 }
    }

    /// Points that a device has refused, or withheld for a while.
    pub fn unread(&self, device: DeviceId) -> impl Iterator<Item = &str> {
        self.devices.iter().filter(move |known| known.id == device).flat_map(Polled::unread)
    }

    /// True while an ask is open.
    pub fn is_busy(&self) -> bool {
        self.open.is_some()
    }

    /// The next ask, if the line is free and a device is due: the one that waits longest.
    pub fn next_ask(&mut self, now: &Now) -> Option<Ask> {
        if self.open.is_some() {
            return None;
        }
        loop {
            let index = self.under_way().or_else(|| self.due(now))?;
            let device = &mut self.devices[index];
            let work = device.next.take().unwrap_or_else(|| device.begin(now));
            let Some(read) = device.read(work) else {
                device.due_us = now.mono_us + device.poll_us;
                continue;
            };
            let ask = Ask { unit: device.unit, read, patience_ms: device.patience_ms };
            if self.suspect {
                device.next = Some(work);
                self.open = Some((index, Work::Probe));
            } else {
                self.open = Some((index, work));
            }
            return Some(ask);
        }
    }

    fn under_way(&self) -> Option<usize> {
        self.devices.iter().position(|device| device.next.is_some())
    }

    fn due(&self, now: &Now) -> Option<usize> {
        let due = self.devices.iter().enumerate().filter(|(_, device)| self.due_us(device) <= now.mono_us);
        due.min_by_key(|(_, device)| device.due_us).map(|(index, _)| index)
    }

    fn due_us(&self, device: &Polled) -> u64 {
        if device.is_dead() { device.due_us.max(self.dead_from) } else { device.due_us }
    }

    /// When a device falls due; `None` while an ask is open or there are no devices.
    pub fn deadline(&self) -> Option<u64> {
        if self.open.is_some() {
            return None;
        }
        if self.under_way().is_some() {
            return Some(0);
        }
        self.devices.iter().map(|device| self.due_us(device)).min()
    }

    /// The one open ask ended.
    pub fn outcome(&mut self, now: &Now, identity_us: u64, result: Result<Answer, Fault>) -> Vec<Event> {
        let Some((index, work)) = self.open.take() else { return Vec::new() };
        let no_unit_answered = self.devices.iter().all(Polled::is_dead);
        let device = &mut self.devices[index];
        let events = match result {
            // The answer to a probe says only that the line is quiet: even a refusal may be a late one.
            Ok(_) | Err(Fault::Exception(_)) if work == Work::Probe => {
                self.suspect = false;
                Vec::new()
            }
            Ok(answer) => device.answered(now, work, answer, identity_us),
            Err(Fault::Exception(code @ 1..=3)) => device.refused(now, work, code, identity_us),
            Err(Fault::Exception(code)) => device.withheld(now, work, code),
            Err(fault) => {
                self.suspect = self.driver == Driver::ModbusRtu;
                vec![device.failed(now, work, fault)]
            }
        };
        if device.is_dead() && device.next.is_none() {
            let patience = ms(u64::from(device.patience_ms));
            // A serial line then listens as long again, so that a late answer dies there.
            let cost = if self.driver == Driver::ModbusRtu { 2 * patience } else { patience };
            self.dead_from = now.mono_us + DEAD_SHARE * cost - patience;
        } else if no_unit_answered && !device.is_dead() {
            self.line_is_back(now);
        }
        events
    }

    /// All units were dead and one is not: the line was, and nobody else need wait any longer.
    fn line_is_back(&mut self, now: &Now) {
        self.dead_from = now.mono_us;
        for device in &mut self.devices {
            device.due_us = device.due_us.min(now.mono_us + device.poll_us);
        }
    }
}

impl Polled {
    fn begin(&mut self, now: &Now) -> Work {
        self.replan(now);
        self.observations.clear();
        self.answered = 0;
        self.withheld.clear();
        self.raw = Sha256::new();
        self.told.clear();
        // Identity first: what a poll says is worth little while it is not known who says it.
        if now.mono_us >= self.identity_due_us { Work::Identity(0) } else { Work::Poll(0) }
    }

    fn is_dead(&self) -> bool {
        self.failures >= DEAD_AFTER
    }

    fn read(&self, work: Work) -> Option<Read> {
        match work {
            Work::Poll(n) => self.plan.reads().get(n).copied(),
            Work::Identity(n) => modbus::identity_reads(&self.speech).get(n).copied(),
            Work::Probe => None,
        }
    }

    fn answered(&mut self, now: &Now, work: Work, answer: Answer, identity_us: u64) -> Vec<Event> {
        match work {
            Work::Poll(n) => {
                let read = self.plan.reads()[n];
                hash_pdu(&mut self.raw, read.table, &answer);
                self.observations.extend(self.plan.decode(read, &answer));
                self.answered += 1;
                self.advance(now, n + 1)
            }
            Work::Identity(n) => {
                self.told.push(Some(answer));
                self.identity_step(now, n + 1, identity_us).into_iter().collect()
            }
            Work::Probe => Vec::new(),
        }
    }

    fn advance(&mut self, now: &Now, next: usize) -> Vec<Event> {
        if next < self.plan.reads().len() {
            self.next = Some(Work::Poll(next));
            return Vec::new();
        }
        // A unit that was away may come back as another one.
        if self.is_dead() && !self.speech.identity.is_empty() {
            self.identity_due_us = now.mono_us;
        }
        self.failures = 0;
        self.due_us += self.poll_us;
        if self.due_us <= now.mono_us {
            self.due_us = now.mono_us + self.poll_us;
        }
        let mut observations = std::mem::take(&mut self.observations);
        observations.extend(self.gone.iter().map(|point| modbus::bad(point)));
        let raw = std::mem::take(&mut self.raw).finalize().into();
        let mut events = vec![Event::Polled { device: self.id, observations, raw }];
        events.extend(self.count_withheld());
        events
    }

    /// Events for points that have been withheld for long enough.
    fn count_withheld(&mut self) -> Vec<Event> {
        let withheld = std::mem::take(&mut self.withheld);
        self.without.retain(|point, _| withheld.contains_key(point));
        let mut events = Vec::new();
        for (point, fault) in withheld {
            let polls = self.without.entry(point.clone()).or_default();
            *polls = polls.saturating_add(1);
            if *polls == WITHHELD_AFTER {
                events.push(Event::Withheld { device: self.id, point, fault });
            }
        }
        events
    }

    /// Any other exception than 1 to 3: the device has the block and does not give it now (busy, failed, the unit behind
    /// a gateway away). Its points are bad in this poll, the other blocks count. A poll without any answer failed; a
    /// unit that is dead is not asked block by block.
    fn withheld(&mut self, now: &Now, work: Work, code: u8) -> Vec<Event> {
        let fault = Fault::Exception(code);
        let Work::Poll(n) = work else { return vec![self.failed(now, work, fault)] };
        let last = n + 1 >= self.plan.reads().len();
        if self.is_dead() || (last && self.answered == 0) {
            return vec![self.failed(now, work, fault)];
        }
        let read = self.plan.reads()[n];
        // Modbus 1.1b3, section 7: the function with its highest bit set, and the code.
        self.raw.update([function(read.table) | 0x80, code]);
        let unread = self.plan.unread(read);
        self.withheld.extend(unread.iter().map(|seen| (seen.point.clone(), fault.clone())));
        self.observations.extend(unread);
        self.advance(now, n + 1)
    }

    /// Points that the device does not give.
    fn unread(&self) -> impl Iterator<Item = &str> {
        let without = self.without.iter().filter(|(_, polls)| **polls >= WITHHELD_AFTER).map(|(point, _)| point);
        without.chain(&self.gone).map(String::as_str)
    }

    fn identity_step(&mut self, now: &Now, next: usize, identity_us: u64) -> Option<Event> {
        if next < self.speech.identity.len() {
            self.next = Some(Work::Identity(next));
            return None;
        }
        if self.plan.reads().is_empty() {
            // It has nothing else to say: its identity is what is polled.
            self.failures = 0;
            self.due_us = now.mono_us + self.poll_us;
            self.identity_due_us = self.due_us;
        } else {
            self.next = Some(Work::Poll(0));
            self.identity_due_us = now.mono_us + identity_us;
        }
        let identity = modbus::identity(&self.speech, &self.told);
        Some(Event::Identified { device: self.id, identity })
    }

    /// Exceptions 1 to 3: the device is there and says that it has no such thing.
    fn refused(&mut self, now: &Now, work: Work, code: u8, identity_us: u64) -> Vec<Event> {
        match work {
            Work::Identity(n) => {
                self.told.push(None);
                self.identity_step(now, n + 1, identity_us).into_iter().collect()
            }
            Work::Poll(n) => {
                let read = self.plan.reads()[n];
                if self.replan_at.is_none() {
                    self.replan_at = Some(now.mono_us + self.replan_us);
                    self.replan_us = (self.replan_us * 2).min(REPLAN_MOST_US);
                }
                let gone = self.plan.split(read);
                self.gone.extend(gone.clone());
                let refused = gone.map(|point| Event::Refused { device: self.id, point });
                let mut events: Vec<Event> = refused.into_iter().collect();
                if self.plan.reads().is_empty() {
                    events.push(self.failed(now, work, Fault::Exception(code)));
                } else {
                    events.extend(self.advance(now, n));
                }
                events
            }
            Work::Probe => Vec::new(),
        }
    }

    /// Every point is asked for again when its time has come.
    fn replan(&mut self, now: &Now) {
        if self.replan_at.is_some_and(|at| now.mono_us >= at) {
            self.plan = ReadPlan::new(&self.speech);
            self.gone.clear();
            self.replan_at = None;
        }
    }

    fn failed(&mut self, now: &Now, work: Work, fault: Fault) -> Event {
        // Who does not tell its identity is polled all the same.
        if matches!(work, Work::Identity(_)) || matches!(self.next, Some(Work::Identity(_))) {
            let again = if self.plan.reads().is_empty() { self.poll_us } else { IDENTITY_AGAIN_US };
            self.identity_due_us = now.mono_us + again;
        }
        self.next = None;
        self.failures = self.failures.saturating_add(1);
        self.due_us = now.mono_us + self.poll_us;
        Event::Failed { device: self.id, fault, failures: self.failures }
    }
}

fn function(table: Table) -> u8 {
    match table {
        Table::Coil => 1,
        Table::DiscreteInput => 2,
        Table::HoldingRegister => 3,
        Table::InputRegister => 4,
    }
}

/// Hashes the response PDU as the device sent it (Modbus 1.1b3, sections 6.1 to 6.4): function, byte count, data; bits
/// packed from the least significant, registers high byte first.
fn hash_pdu(raw: &mut Sha256, table: Table, answer: &Answer) {
    let data: Vec<u8> = match answer {
        Answer::Bits(bits) => {
            bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
        }
        Answer::Words(words) => words.iter().flat_map(|word| word.to_be_bytes()).collect(),
    };
    raw.update([function(table), u8::try_from(data.len()).unwrap_or(u8::MAX)]);
    raw.update(&data);
}

#[cfg(test)]
mod tests;
