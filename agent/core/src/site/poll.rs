//! Asking: what a line brings back, from outcome to observation.

use super::hear::Handed;
use super::{ROOM, Site, hear};
use crate::bus::Event;
use crate::contact::Presence;
use crate::measure::Poll;
use crate::nonconformity::Nonconformity;
use crate::plan::{Device, DeviceId, DeviceSpeech, LineId};
use crate::readings::{Mark, Readings};
use crate::register::EquipmentId;
use crate::rules::Sighting;
use crate::statement::{Evidence, Statement};
use crate::time::{Now, s};
use crate::wire::Output;
use picket_device::modbus::{Answer, Fault};
use picket_device::quantity::{Observation, Quality, Signal, Value};
use picket_device::seal_reader::Scan;
use picket_record::kind::{Kind, Severity};
use serde_json::json;

/// Reason of a nonconformity: a point that stands for the equipment is refused by its device.
pub(super) const REFUSED: &str = "point-refused";

impl Site {
    pub(super) fn ask_due(&mut self, now: &Now) {
        if self.stopping.is_some() {
            return;
        }
        for (line, bus) in &mut self.buses {
            if let Some(ask) = bus.next_ask(now) {
                self.asks += 1;
                self.tally.asked(*line, self.asks);
                self.measure.asked(now, *line);
                self.outputs.push_back(Output::Ask {
                    line: *line,
                    ask: self.asks,
                    unit: ask.unit,
                    read: ask.read,
                    patience_ms: ask.patience_ms,
                });
            }
        }
    }

    pub(super) fn outcome(&mut self, now: &Now, line: LineId, ask: u64, result: Result<Answer, Fault>) {
        if !self.tally.is_open(line, ask) {
            return;
        }
        let identity_us = s(self.plan.limits.identity_s);
        let Some(bus) = self.buses.get_mut(&line) else { return };
        let cleared = self.tally.line_outcome(line, result.as_ref().err());
        let events = bus.outcome(now, identity_us, result);
        self.changed_if(cleared);
        self.drafts.begin_group();
        for event in events {
            self.bus_event(now, line, event);
        }
        self.drafts.end_group();
    }

    fn bus_event(&mut self, now: &Now, line: LineId, event: Event) {
        match event {
            Event::Polled { device, observations, raw } => {
                let driver = self.plan.lines[usize::from(line.0)].driver.as_str();
                self.good(now, device);
                self.observed(
                    now,
                    device,
                    &observations,
                    &Evidence { driver, raw, device_time: None },
                    Handed::default(),
                );
                self.read_again(now, device, &observations);
                self.measured_itself(now, line, device, Poll::Answered);
            }
            Event::Identified { device, identity } => {
                self.identified(now, device, &identity);
                // Where nothing is polled, saying who it is, is its good word.
                if self.device(device).is_some_and(has_no_points) {
                    self.good(now, device);
                }
            }
            Event::Failed { device, fault, failures } => {
                if failures == 1 {
                    self.readings.stale(usize::from(device.0));
                    self.measure.stale(now, usize::from(device.0));
                }
                self.measured_itself(now, line, device, Poll::Failed);
                let name = self.device(device).map(|d| d.name.clone()).unwrap_or_default();
                let news = self.tally.line_fault(line, &name, &fault);
                self.changed_if(news);
            }
            Event::Refused { device: id, point } => {
                let Some(device) = self.device(id) else { return };
                let data = json!({ "what": "point-refused", "dev": device.name, "point": point });
                let statement = Statement::new(Kind::HealthInput, Severity::Fault, data).about(&device.equipment);
                self.record(now, statement);
                self.unread(now, id, &point, "refused");
            }
            Event::Withheld { device, point, fault } => self.unread(now, device, &point, &fault.to_string()),
        }
    }

    /// A point that stands for something is not read: nobody watches that, although the device answers.
    fn unread(&mut self, now: &Now, id: DeviceId, point: &str, cause: &str) {
        let Some(device) = self.device(id) else { return };
        let Some(equipment) = hear::meaning(device, point).map(|(equipment, _)| equipment.clone()) else { return };
        let facts = [("device", device.name.as_str()), ("point", point), ("cause", cause)];
        let facts = facts.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let opened = self.nonconformities.open(now, self.standings.register(), REFUSED, &equipment, facts);
        self.changed_if(opened.is_some());
        self.record_all(now, opened);
    }

    /// A device that speaks may call what it says bad: it is heard, and watches nothing.
    pub(super) fn judged_by_device(&mut self, now: &Now, id: DeviceId, seen: &[Observation]) {
        for observation in seen.iter().filter(|seen| seen.quality == Quality::Bad) {
            self.unread(now, id, &observation.point, "bad, as its device says");
        }
        self.read_again(now, id, seen);
    }

    /// Closes what is read again; another point of the same equipment may still be missing.
    fn read_again(&mut self, now: &Now, id: DeviceId, seen: &[Observation]) {
        let Some(device) = self.device(id) else { return };
        let good = |point: &str| seen.iter().any(|o| o.point == point && o.quality == Quality::Good);
        let of_device = |nc: &&Nonconformity| nc.facts.get("device") == Some(&device.name);
        let open = self.nonconformities.of(REFUSED).filter(of_device);
        let read = open.filter(|nc| nc.facts.get("point").is_some_and(|point| good(point)));
        let read: Vec<EquipmentId> = read.map(|nc| nc.equipment.clone()).collect();
        for equipment in read {
            let closed = self.nonconformities.close(now, REFUSED, &equipment);
            self.record_all(now, closed);
            self.changed_if(true);
            for (id, point) in self.unread_of(&equipment) {
                self.unread(now, id, &point, "not read");
            }
        }
    }

    fn unread_of(&self, equipment: &EquipmentId) -> Vec<(DeviceId, String)> {
        let mut unread = Vec::new();
        for (id, device) in (0_u16..).map(DeviceId).zip(&self.plan.devices) {
            let Some(bus) = self.buses.get(&device.line) else { continue };
            let of_it = |point: &&str| hear::meaning(device, point).is_some_and(|(told, _)| told == equipment);
            unread.extend(bus.unread(id).filter(of_it).map(|point| (id, point.to_owned())));
        }
        unread
    }

    /// A device gave a good word.
    pub(super) fn good(&mut self, now: &Now, device: DeviceId) {
        let Some(equipment) = self.device(device).map(|d| d.equipment.clone()) else { return };
        let first = self.standings.seen(now, &equipment, &mut self.nonconformities);
        self.changed_if(first.is_some());
        self.record_all(now, first);
        if self.contacts.presence(device).0 != Presence::Seen {
            self.found_again(now, &equipment);
        }
        if self.contacts.good(now, device) {
            self.silent(now, device, false);
        } else {
            let causes = self.causes.heard(now, device);
            self.concluded(now, causes);
        }
    }

    /// Observations of one poll or message: readings first, then what the rules make of them.
    /// What a broker kept from before says nothing new of a seal.
    pub(super) fn observed(&mut self, now: &Now, id: DeviceId, seen: &[Observation], by: &Evidence, handed: Handed) {
        let index = usize::from(id.0);
        let time = by.device_time.as_ref();
        let mark = time.map(|time| Mark::Time(time.as_str())).or_else(|| handed.delivery.map(Mark::Packet));
        if seen.is_empty() || self.readings.is_second_delivery(index, seen, mark) {
            return;
        }
        let room = self.readings.has_room(index, seen);
        let changed = if room { self.readings.take(index, seen, time) } else { Vec::new() };
        let message = if room { self.readings.remember(index, seen, mark, !changed.is_empty()) } else { None };
        let Some(device) = self.plan.devices.get(index) else { return };
        let line = device.line;
        let statements = Readings::statements(device, &changed, message.as_ref(), by);
        let (mut findings, mut seals, mut opened) = (Vec::new(), Vec::new(), Vec::new());
        for (equipment, signal, observation, value) in bound(device, seen) {
            let sighting = Sighting {
                device: &device.name,
                point: &observation.point,
                equipment,
                signal,
                value: &value,
                quality: observation.quality,
            };
            findings.extend(self.rules.observe(now, &sighting, by));
            if signal == Signal::Open && self.rules.opened_us(equipment) == Some(now.mono_us) {
                opened.push(equipment.clone());
            }
            let fresh = !handed.kept || changed.iter().any(|news| news.point == observation.point);
            if let (Signal::Seal, Value::Text(text), true) = (signal, &value, fresh) {
                seals.push((equipment.clone(), Scan { text: text.clone(), aim: None, raw: Vec::new() }));
            }
        }
        self.record_all(now, statements);
        if !handed.kept {
            self.measured(now, id, seen);
        }
        for finding in findings {
            self.found(now, finding);
        }
        for door in opened {
            self.unseen(now, &door, false, Some(by));
        }
        for (reader, scan) in seals {
            self.seal_read(now, &reader, &scan, by);
        }
        if !room {
            self.unreadable(now, line, "", "more points than a device may have");
        }
    }
}

impl Site {
    /// What readings say of the points that the register knows.
    fn measured(&mut self, now: &Now, id: DeviceId, seen: &[Observation]) {
        let register = self.standings.register();
        let statements = self.measure.observed(now, register, usize::from(id.0), seen, &mut self.nonconformities);
        self.changed_if(!statements.is_empty());
        self.record_all(now, statements);
    }

    /// What the agent measures of a device itself, by how a poll of it ended.
    fn measured_itself(&mut self, now: &Now, line: LineId, id: DeviceId, poll: Poll) {
        let seen = self.measure.polled(now, line, usize::from(id.0), poll);
        if !seen.is_empty() {
            self.measured(now, id, &seen);
        }
    }

    pub(super) fn measure_timeout(&mut self, now: &Now) {
        if self.measure.deadline().is_none_or(|due| now.mono_us < due) {
            return;
        }
        // Days wait for the journal; what is wrong now does not.
        let room = self.drafts.has_room(ROOM);
        let register = self.standings.register();
        let statements = self.measure.timeout(now, register, room, &mut self.nonconformities);
        self.changed_if(!statements.is_empty());
        self.record_all(now, statements);
    }
}

/// Observations that stand for something, releases first (a release and an opening may share a poll), each value
/// turned the right way round.
fn bound<'a>(device: &'a Device, seen: &'a [Observation]) -> Vec<(&'a EquipmentId, Signal, &'a Observation, Value)> {
    let mut bound: Vec<_> = seen
        .iter()
        .filter_map(|observation| {
            let (equipment, signal) = hear::meaning(device, &observation.point)?;
            let value = hear::turned(device, &observation.point, &observation.value);
            Some((equipment, signal, observation, value))
        })
        .collect();
    bound.sort_by_key(|(_, signal, _, _)| *signal != Signal::Released);
    bound
}

fn has_no_points(device: &Device) -> bool {
    matches!(&device.speech, DeviceSpeech::Modbus { speech, .. } if speech.points.is_empty())
}
