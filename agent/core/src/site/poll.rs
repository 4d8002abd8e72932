//! Asking: what a line brings back, from outcome to observation.

use super::Site;
use crate::bus::Event;
use crate::plan::{Device, DeviceId, DeviceSpeech, LineId};
use crate::readings::Readings;
use crate::register::EquipmentId;
use crate::rules::Sighting;
use crate::statement::{Evidence, Statement};
use crate::time::{Now, s};
use crate::wire::Output;
use picket_device::modbus::{Answer, Fault};
use picket_device::quantity::{Observation, Signal, Value};
use picket_record::kind::{Kind, Severity};
use serde_json::json;

impl Site {
    pub(super) fn ask_due(&mut self, now: &Now) {
        if self.stopping.is_some() {
            return;
        }
        for (line, bus) in &mut self.buses {
            if let Some(ask) = bus.next_ask(now) {
                self.asks += 1;
                self.tally.asked(*line, self.asks);
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
        for event in events {
            self.bus_event(now, line, event);
        }
    }

    fn bus_event(&mut self, now: &Now, line: LineId, event: Event) {
        match event {
            Event::Polled { device, observations, raw } => {
                let driver = self.plan.lines[usize::from(line.0)].driver.as_str();
                self.good(now, device);
                self.observed(now, device, &observations, &Evidence { driver, raw, device_time: None });
            }
            Event::Identified { device, identity } => {
                let Some(equipment) = self.device(device).map(|d| d.equipment.clone()) else { return };
                let statements = self.standings.identified(now, &equipment, &identity, &mut self.nonconformities);
                self.changed_if(!statements.is_empty());
                self.record_all(now, statements);
                // Where nothing is polled, saying who it is, is its good word.
                if self.device(device).is_some_and(has_no_points) {
                    self.good(now, device);
                }
            }
            Event::Failed { device, fault, failures } => {
                if failures == 1 {
                    self.readings.stale(usize::from(device.0));
                }
                let name = self.device(device).map(|d| d.name.clone()).unwrap_or_default();
                let news = self.tally.line_fault(line, &name, &fault);
                self.changed_if(news);
            }
            Event::Refused { device, point } => {
                let Some(device) = self.device(device) else { return };
                let data = json!({ "what": "point-refused", "dev": device.name, "point": point });
                let statement = Statement::new(Kind::HealthInput, Severity::Fault, data).about(&device.equipment);
                self.record(now, statement);
            }
        }
    }

    /// A device gave a good word.
    pub(super) fn good(&mut self, now: &Now, device: DeviceId) {
        let Some(equipment) = self.device(device).map(|d| d.equipment.clone()) else { return };
        let first = self.standings.seen(now, &equipment, &mut self.nonconformities);
        self.changed_if(first.is_some());
        self.record_all(now, first);
        if self.contacts.good(now, device) {
            self.silent(now, device, false);
        }
    }

    /// Observations of one poll or message: readings first, then what the rules make of them.
    pub(super) fn observed(&mut self, now: &Now, id: DeviceId, seen: &[Observation], by: &Evidence) {
        let index = usize::from(id.0);
        let time = by.device_time.as_ref();
        if seen.is_empty() || self.readings.is_second_delivery(index, seen, time) {
            return;
        }
        let room = self.readings.has_room(index, seen);
        let changed = if room { self.readings.take(index, seen, time) } else { Vec::new() };
        let slot = if room { self.readings.remember(index, seen, time) } else { None };
        let Some(device) = self.plan.devices.get(index) else { return };
        let line = device.line;
        let statements = Readings::statements(device, &changed, slot, by);
        let mut findings = Vec::new();
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
        }
        self.record_all(now, statements);
        for finding in findings {
            self.found(now, finding);
        }
        if !room {
            self.unreadable(now, line, "", "more points than a device may have");
        }
    }
}

/// Observations that stand for something, releases first (a release and an opening may share a poll), each value
/// turned the right way round.
fn bound<'a>(device: &'a Device, seen: &'a [Observation]) -> Vec<(&'a EquipmentId, Signal, &'a Observation, Value)> {
    let mut bound: Vec<_> = seen
        .iter()
        .filter_map(|observation| {
            let (equipment, signal) = super::hear::meaning(device, &observation.point)?;
            let value = super::hear::turned(device, &observation.point, &observation.value);
            Some((equipment, signal, observation, value))
        })
        .collect();
    bound.sort_by_key(|(_, signal, _, _)| *signal != Signal::Released);
    bound
}

fn has_no_points(device: &Device) -> bool {
    matches!(&device.speech, DeviceSpeech::Modbus { speech, .. } if speech.points.is_empty())
}
