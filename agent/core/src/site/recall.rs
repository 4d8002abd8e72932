//! After a start: what was open goes on until the equipment says otherwise.

use super::poll::REFUSED;
use super::silence::{LINE_LOST, SILENT};
use super::{Site, hear};
use crate::alarm::{Alarm, Rule};
use crate::contact::Presence;
use crate::plan::{Device, DeviceId, DeviceSpeech, LineId};
use crate::register::EquipmentId;
use crate::rules::{self, Sighting};
use crate::time::Now;
use picket_device::quantity::{Quality, Signal, Value};
use std::collections::BTreeSet;

impl Site {
    /// What was heard without a row, and is a device of the settings by now, is no longer unlisted under its sender.
    pub(super) fn adopt(&mut self, now: &Now) {
        let camera = |device: &Device| match &device.speech {
            DeviceSpeech::Camera { prefix } => Some((EquipmentId::unlisted(prefix), device.equipment.clone())),
            DeviceSpeech::Json { .. } | DeviceSpeech::Modbus { .. } | DeviceSpeech::SealReader => None,
        };
        let taken = self.plan.devices.iter().filter_map(camera).collect();
        let named = self.plan.devices.iter().map(|device| device.equipment.clone()).collect();
        let mut statements = self.standings.adopt(&taken, &named, &mut self.nonconformities);
        statements.extend(self.measure.adopt(now, self.standings.register(), &mut self.nonconformities));
        self.record_all(now, statements);
    }

    pub(super) fn recall(&mut self, now: &Now) {
        self.rules.hold_doors(self.plan.limits.door_held_at(self.people.level));
        self.recall_temporary(now);
        self.recall_alarms(now);
        self.recall_lines(now);
        self.recall_silences(now);
        self.recall_missing(now);
        self.recall_refusals(now);
        self.recall_points(now);
        self.recall_unheard(now);
        self.recall_incidents(now);
    }

    /// Alarms hold on. One that nothing of the plan can clear any more is a guard's to close.
    fn recall_alarms(&mut self, now: &Now) {
        let active = self.alarms.iter().filter(|a| a.active);
        let active: Vec<_> = active.map(|a| (a.id(), a.rule, a.equipment.clone())).collect();
        for (id, rule, equipment) in active {
            self.rules.recover(rule, &equipment);
            if !self.is_watched(rule, &equipment) {
                if let Some(statement) = self.alarms.unwatch(&id) {
                    self.record_alarm(now, statement);
                }
            }
        }
    }

    fn is_watched(&self, rule: Rule, equipment: &EquipmentId) -> bool {
        if matches!(rule, Rule::OrderStale | Rule::Certificate) {
            return true;
        }
        // What people find of a seal, no device tells again.
        if rule.is_of_seals() && *equipment == EquipmentId::gateway(&self.plan.gateway) {
            return true;
        }
        if self.standings.unlisted().any(|unlisted| unlisted == equipment) {
            return true;
        }
        self.plan.devices.iter().any(|device| tells(device, rule, equipment))
    }

    /// What a device that is silent said of a release does not count for longer than it would without the restart.
    fn recall_unheard(&mut self, now: &Now) {
        for (id, device) in (0..).map(DeviceId).zip(&self.plan.devices) {
            if self.contacts.presence(id).0 == Presence::Silent {
                self.rules.unheard(now, device);
            }
        }
    }

    /// Lines that were lost are, unless they carry several devices no more.
    fn recall_lines(&mut self, now: &Now) {
        let open = self.nonconformities.of(LINE_LOST).filter(|nc| !nc.life.ended);
        let lost: Vec<EquipmentId> = open.map(|nc| nc.equipment.clone()).collect();
        for id in lost {
            let mut lines = (0_u16..).zip(&self.plan.lines).map(|(index, line)| (LineId(index), &line.name));
            let line = lines.find(|(_, name)| EquipmentId::line(name) == id).map(|(line, _)| line);
            if !line.is_some_and(|line| self.causes.recover_lost(line)) {
                let closed = self.nonconformities.close(now, LINE_LOST, &id);
                self.record_all(now, closed);
            }
        }
    }

    fn recall_silences(&mut self, now: &Now) {
        let own = self.nonconformities.of(SILENT).filter(|nc| !nc.life.ended);
        let own: BTreeSet<EquipmentId> = own.map(|nc| nc.equipment.clone()).collect();
        let rung = self.alarms.iter().filter(|a| a.rule == Rule::Silent && a.active).map(|a| a.equipment.clone());
        let silent: BTreeSet<EquipmentId> = rung.chain(own.iter().cloned()).collect();
        for equipment in silent {
            let devices: Vec<_> = self.devices_of(&equipment).collect();
            if devices.is_empty() {
                let closed = self.nonconformities.close(now, SILENT, &equipment);
                self.record_all(now, closed);
            }
            let by_line = self.was_silent_by_line(&equipment);
            for device in &devices {
                self.contacts.recover_silent(*device, by_line);
            }
            self.causes.recover_silent(now, &devices, own.contains(&equipment));
        }
    }

    /// A point that nothing is bound to any more is no loss.
    fn recall_refusals(&mut self, now: &Now) {
        let open = self.nonconformities.of(REFUSED);
        let over: Vec<EquipmentId> = open
            .filter(|nc| {
                let fact = |name: &str| nc.facts.get(name).map(String::as_str).unwrap_or_default();
                let device = self.plan.devices.iter().find(|device| device.name == fact("device"));
                device.and_then(|device| hear::meaning(device, fact("point"))).map(|(id, _)| id) != Some(&nc.equipment)
            })
            .map(|nc| nc.equipment.clone())
            .collect();
        for equipment in over {
            let closed = self.nonconformities.close(now, REFUSED, &equipment);
            self.record_all(now, closed);
        }
    }

    fn was_silent_by_line(&self, equipment: &EquipmentId) -> bool {
        let open = self.nonconformities.of(SILENT).filter(|nc| !nc.life.ended && nc.equipment == *equipment);
        let rung = self.alarms.iter().filter(|a| a.rule == Rule::Silent && a.active && a.equipment == *equipment);
        open.map(|nc| &nc.facts).chain(rung.map(|alarm| &alarm.facts)).any(|facts| facts.contains_key("line"))
    }

    /// What each point is taken to say until it speaks. A point that may hold an open alarm is on: the calm of one
    /// contact must not clear what another one raised.
    fn recall_points(&mut self, now: &Now) {
        for (index, device) in self.plan.devices.iter().enumerate() {
            let spoken = !matches!(device.speech, DeviceSpeech::Modbus { .. });
            let heard = self.readings.of(index).map(|(point, _)| point.to_owned());
            let points: BTreeSet<String> =
                heard.chain(device.bindings.keys().cloned()).chain(self.named_points(device)).collect();
            for point in points {
                let Some((equipment, signal)) = hear::meaning(device, &point) else { continue };
                let Some(value) = self.recalled(index, &point, equipment, signal) else { continue };
                let quality = Quality::Good;
                let seen = Sighting { device: &device.name, point: &point, equipment, signal, value: &value, quality };
                self.rules.recall(now, &seen, spoken);
            }
        }
    }

    fn recalled(&self, device: usize, point: &str, equipment: &EquipmentId, signal: Signal) -> Option<Value> {
        let rules = rules::rules_of(signal);
        let open = |alarm: &&Alarm| alarm.active && rules.contains(&alarm.rule) && alarm.equipment == *equipment;
        let on = Some(Value::Bit(true));
        let Some(last) = self.readings.last(device, point) else {
            return self.alarms.iter().any(|alarm| open(&alarm)).then_some(Value::Bit(true));
        };
        let naming: Vec<&Alarm> = self.alarms.iter().filter(open).filter(|alarm| names(alarm, point)).collect();
        match hear::turned(&self.plan.devices[device], point, &last.value) {
            // Taken back, which clears nothing: an alarm that it raised goes on.
            Value::Unknown if !naming.is_empty() => on,
            // Said before the alarm: what raised it was dropped on a full disk, the alarm was not.
            Value::Bit(false) if naming.iter().any(|alarm| alarm.seq > Some(last.seq)) => on,
            value => Some(value),
        }
    }

    /// Points that an open alarm names: a camera has no list of its own.
    fn named_points(&self, device: &Device) -> Vec<String> {
        if !matches!(device.speech, DeviceSpeech::Camera { .. }) {
            return Vec::new();
        }
        let alarms = self.alarms.iter().filter(|alarm| alarm.active && alarm.equipment == device.equipment);
        alarms.flat_map(|alarm| points_of(alarm).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

fn points_of(alarm: &Alarm) -> impl Iterator<Item = &str> {
    alarm.facts.get("points").into_iter().flat_map(|points| points.split(", "))
}

fn names(alarm: &Alarm, point: &str) -> bool {
    points_of(alarm).any(|name| name == point)
}

/// Whether a device can tell that the condition of a rule is over.
fn tells(device: &Device, rule: Rule, equipment: &EquipmentId) -> bool {
    let own = device.equipment == *equipment;
    if own && rule.is_of_seals() && matches!(device.speech, DeviceSpeech::SealReader) {
        return true;
    }
    let signal = match rule {
        Rule::Silent => return own,
        Rule::OrderStale | Rule::Certificate => return false,
        // It happened: nothing has to be watched until somebody has seen it.
        Rule::UnseenEntry => return true,
        Rule::SealMismatch | Rule::SealMissing | Rule::SealBroken => Some(Signal::Seal),
        Rule::SealDuplicate | Rule::SealReseal | Rule::SealClass => Some(Signal::Seal),
        Rule::DoorForced | Rule::DoorHeld => Some(Signal::Open),
        Rule::Tamper | Rule::ViewLost | Rule::PanelAlarm | Rule::MainsLost | Rule::BatteryLow | Rule::DeviceFault => {
            rules::signal_of(rule)
        }
    };
    let bound = device.bindings.values().any(|b| b.equipment == *equipment && Some(b.signal) == signal);
    bound || (own && matches!(device.speech, DeviceSpeech::Camera { .. }))
}
