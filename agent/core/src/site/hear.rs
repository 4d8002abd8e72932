//! Hearing: what speaks unasked, listed or not.

use super::Site;
use super::routine::MAX_CAUSE;
use crate::plan::{Device, DeviceId, DeviceSpeech, LineId};
use crate::readings::Readings;
use crate::register::EquipmentId;
use crate::rules::Sighting;
use crate::standing::HeardUnlisted;
use crate::statement::{Evidence, Statement};
use crate::time::Now;
use crate::wire::{Delivery, Heard, Output};
use picket_device::camera;
use picket_device::quantity::{Observation, Signal, Value};
use picket_device::seal_reader::{Scan, ScanFault};
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use sha2::{Digest, Sha256};

/// What a point stands for: the site's binding, or what its topic says where no binding is needed.
pub(super) fn meaning<'a>(device: &'a Device, point: &str) -> Option<(&'a EquipmentId, Signal)> {
    if let Some(binding) = device.bindings.get(point) {
        return Some((&binding.equipment, binding.signal));
    }
    match &device.speech {
        DeviceSpeech::Camera { .. } => camera::signal_of_point(point).map(|signal| (&device.equipment, signal)),
        DeviceSpeech::Modbus { .. } | DeviceSpeech::SealReader | DeviceSpeech::Json { .. } => None,
    }
}

/// A value turned the right way round.
pub(super) fn turned(device: &Device, point: &str, value: &Value) -> Value {
    match value {
        Value::Bit(bit) if device.bindings.get(point).is_some_and(|b| b.inverted) => Value::Bit(!bit),
        other => other.clone(),
    }
}

/// How a broker handed a message over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Handed {
    /// It kept it from before.
    pub(super) kept: bool,
    /// It is owed an acknowledgement.
    pub(super) delivery: Option<Delivery>,
}

impl Site {
    pub(super) fn heard(&mut self, now: &Now, line: LineId, token: u64, heard: Heard) {
        let before = self.drafts.last_number();
        self.drafts.begin_group();
        match heard {
            Heard::Scan(Ok(scan)) => self.scanned(now, line, &scan),
            Heard::Scan(Err(fault)) => self.scan_fault(now, line, &fault),
            Heard::Message { topic, payload, retained, oversize, delivery } => match oversize {
                Some(size) => self.unreadable(now, line, &topic, &format!("payload of {size} bytes")),
                None => self.message(now, line, (&topic, &payload), Handed { kept: retained, delivery }),
            },
        }
        self.drafts.end_group();
        let after = self.drafts.last_number();
        self.confirms.heard(line, token, (after > before).then_some(after));
        for (line, token) in self.confirms.stored(self.drafts.stored_through()) {
            self.outputs.push_back(Output::Confirm { line, token });
        }
    }

    fn device_on(&self, line: LineId) -> Option<DeviceId> {
        let index = self.plan.devices.iter().position(|device| device.line == line)?;
        u16::try_from(index).ok().map(DeviceId)
    }

    fn scanned(&mut self, now: &Now, line: LineId, scan: &Scan) {
        let Some(id) = self.device_on(line) else { return };
        let Some(reader) = self.device(id).map(|device| device.equipment.clone()) else { return };
        let raw = Sha256::digest(&scan.raw).into();
        let by = Evidence { driver: self.driver(line), raw, device_time: None };
        self.good(now, id);
        self.tally.line_outcome(line, None);
        self.seal_read(now, &reader, scan, &by);
    }

    fn scan_fault(&mut self, now: &Now, line: LineId, fault: &ScanFault) {
        self.unreadable(now, line, "", &fault.to_string());
    }

    fn message(&mut self, now: &Now, line: LineId, (topic, payload): (&str, &[u8]), handed: Handed) {
        let raw = Sha256::digest(payload).into();
        let mut by = Evidence { driver: self.driver(line), raw, device_time: None };
        if let Some((id, rest)) = self.json_device(line, topic) {
            self.json_message(now, id, (rest, payload, handed), &by);
            return;
        }
        let Some(prefix) = camera::prefix(topic) else {
            self.unreadable(now, line, topic, "no device of the settings and no camera event");
            return;
        };
        let event = match camera::decode(topic, payload) {
            Ok(event) => event,
            Err(fault) => return self.unreadable(now, line, topic, &fault.to_string()),
        };
        by.device_time = event.device_time.filter(|time| time.len() <= 64);
        self.tally.line_outcome(line, None);
        match self.camera(line, prefix) {
            Some(id) => {
                // What the broker kept says nothing of who is there now.
                if !handed.kept {
                    self.good(now, id);
                }
                self.observed(now, id, &event.observations, &by, handed);
                self.judged_by_device(now, id, &event.observations);
            }
            None => self.unlisted(now, prefix, &event.observations, &by),
        }
    }

    fn json_message(&mut self, now: &Now, id: DeviceId, message: (&str, &[u8], Handed), by: &Evidence) {
        let (rest, payload, handed) = message;
        let Some(device) = self.device(id) else { return };
        let (line, silence_ms) = (device.line, device.silence_ms);
        let DeviceSpeech::Json { map, .. } = &device.speech else { return };
        let heard = match map.decode(rest, payload) {
            Ok(heard) => heard,
            Err(fault) => return self.unreadable(now, line, rest, &fault.to_string()),
        };
        self.tally.line_outcome(line, None);
        // What the broker kept says nothing of who is there now; a birth does, where the last will alone takes it back.
        let says = heard.present.unwrap_or(!heard.observations.is_empty());
        if (says && !handed.kept) || (heard.present == Some(true) && silence_ms == 0) {
            self.good(now, id);
        }
        self.observed(now, id, &heard.observations, by, handed);
        self.judged_by_device(now, id, &heard.observations);
        // What stands beside a last will was written before it: it is taken, and then it is old.
        if heard.present == Some(false) && self.contacts.gone(id) {
            self.silent(now, id, true);
        }
    }

    /// What no row and no device names is heard all the same: a nonconformity, and its alarms ring, marked.
    fn unlisted(&mut self, now: &Now, sender: &str, seen: &[Observation], by: &Evidence) {
        let alarms = &self.alarms;
        let rings = |id: &EquipmentId| alarms.iter().any(|alarm| alarm.equipment == *id);
        let heard = self.standings.heard_unlisted(now, sender, rings, &mut self.nonconformities);
        let HeardUnlisted { id: equipment, statements, gone } = heard;
        self.changed_if(!statements.is_empty());
        self.record_all(now, statements.into_iter().map(|statement| statement.from(Some(by))));
        if let Some(gone) = gone {
            self.tally.forget(&gone);
            self.rules.forget(&gone);
        }
        self.record_unlisted(now, (&equipment, sender), seen, by);
        for observation in seen {
            let Some(signal) = camera::signal_of_point(&observation.point) else { continue };
            let sighting = Sighting {
                device: sender,
                point: &observation.point,
                equipment: &equipment,
                signal,
                value: &observation.value,
                quality: observation.quality,
            };
            for finding in self.rules.observe(now, &sighting, by) {
                self.found(now, finding);
            }
        }
    }

    /// Its readings too, with their standing: so many a minute per sender, the rest counted in the next one.
    fn record_unlisted(&mut self, now: &Now, who: (&EquipmentId, &str), seen: &[Observation], by: &Evidence) {
        if seen.is_empty() {
            return;
        }
        let Some(skipped) = self.tally.unlisted(now, who.0) else { return };
        let sender: String = who.1.chars().take(100).collect();
        let mut data = json!({ "from": sender, "p": Readings::points(seen) });
        if skipped > 0 {
            data["skipped"] = skipped.into();
        }
        self.record(now, Statement::new(Kind::Readings, Severity::Info, data).about(who.0).from(Some(by)));
    }

    fn json_device<'t>(&self, line: LineId, topic: &'t str) -> Option<(DeviceId, &'t str)> {
        let devices = self.plan.devices.iter().enumerate().filter(|(_, device)| device.line == line);
        devices
            .filter_map(|(index, device)| match &device.speech {
                DeviceSpeech::Json { prefix, .. } => {
                    let rest = topic.strip_prefix(prefix.as_str())?.strip_prefix('/')?;
                    Some((DeviceId(u16::try_from(index).ok()?), rest))
                }
                DeviceSpeech::Camera { .. } | DeviceSpeech::Modbus { .. } | DeviceSpeech::SealReader => None,
            })
            .min_by_key(|(_, rest)| rest.len())
    }

    fn camera(&self, line: LineId, heard: &str) -> Option<DeviceId> {
        let is_it = |device: &Device| matches!(&device.speech, DeviceSpeech::Camera { prefix } if prefix == heard);
        let index = self.plan.devices.iter().position(|device| device.line == line && is_it(device))?;
        u16::try_from(index).ok().map(DeviceId)
    }

    /// Bytes that say nothing: counted, and recorded at most once a minute per line.
    pub(super) fn unreadable(&mut self, now: &Now, line: LineId, topic: &str, cause: &str) {
        let Some(since_last) = self.tally.unreadable(now, line, cause) else { return };
        let topic: String = topic.chars().take(200).collect();
        let cause: String = cause.chars().take(MAX_CAUSE).collect();
        let name = &self.plan.lines[usize::from(line.0)].name;
        let data = json!({ "what": "unreadable", "line": name, "topic": topic, "cause": cause, "n": since_last });
        self.record(now, Statement::new(Kind::HealthInput, Severity::Notice, data));
        self.changed_if(true);
    }

    pub(super) fn line_turned(&mut self, now: &Now, line: LineId, fault: Option<String>) {
        if fault.is_some() {
            self.confirms.lost(line);
        }
        let on_line = (0_u16..).zip(&self.plan.devices).filter(|(_, device)| device.line == line);
        let on_line: Vec<DeviceId> = on_line.map(|(index, _)| DeviceId(index)).collect();
        for id in on_line {
            if fault.is_some() {
                self.readings.session_lost(usize::from(id.0));
                self.readings.stale(usize::from(id.0));
                self.measure.stale(now, usize::from(id.0));
                self.contacts.line_lost(now, id);
            } else if self.contacts.line_back(now, id) {
                self.rules.heard_again(&self.plan.devices[usize::from(id.0)], true);
                self.silent(now, id, false);
            }
        }
        let fault: Option<String> = fault.map(|cause| cause.chars().take(MAX_CAUSE).collect());
        let Some(name) = self.plan.lines.get(usize::from(line.0)).map(|l| l.name.clone()) else { return };
        if self.tally.line_turned(line, fault.clone()) {
            let severity = if fault.is_some() { Severity::Fault } else { Severity::Notice };
            let data = json!({ "line": name, "up": fault.is_none(), "cause": fault });
            self.record(now, Statement::new(Kind::HealthLine, severity, data));
            self.changed_if(true);
        }
    }

    fn driver(&self, line: LineId) -> &'static str {
        self.plan.lines.get(usize::from(line.0)).map_or("", |l| l.driver.as_str())
    }
}
