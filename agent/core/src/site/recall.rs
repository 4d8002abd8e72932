//! After a start: what was open goes on until the equipment says otherwise.

use super::{Site, hear};
use crate::alarm::Rule;
use crate::plan::{Device, DeviceSpeech};
use crate::register::EquipmentId;
use crate::rules::{self, Sighting};
use crate::time::Now;
use picket_device::quantity::{Quality, Signal, Value};

impl Site {
    pub(super) fn recall(&mut self, now: &Now) {
        self.recall_alarms(now);
        self.recall_silences(now);
        self.recall_points(now);
    }

    /// Alarms hold on. One that nothing of the plan can clear any more is a guard's to close.
    fn recall_alarms(&mut self, now: &Now) {
        let active = self.alarms.iter().filter(|a| a.active);
        let active: Vec<(Rule, EquipmentId)> = active.map(|a| (a.rule, a.equipment.clone())).collect();
        for (rule, equipment) in active {
            self.rules.recover(rule, &equipment);
            if !self.is_watched(rule, &equipment) {
                if let Some(statement) = self.alarms.unwatch(rule, &equipment) {
                    self.record_alarm(now, statement);
                }
            }
        }
    }

    fn is_watched(&self, rule: Rule, equipment: &EquipmentId) -> bool {
        if self.standings.unlisted().any(|unlisted| unlisted == equipment) {
            return true;
        }
        self.plan.devices.iter().any(|device| tells(device, rule, equipment))
    }

    fn recall_silences(&mut self, now: &Now) {
        let silent: Vec<EquipmentId> = self
            .nonconformities
            .iter()
            .filter(|nc| nc.reason == "silent")
            .map(|nc| nc.equipment.clone())
            .chain(self.alarms.iter().filter(|a| a.rule == Rule::Silent && a.active).map(|a| a.equipment.clone()))
            .collect();
        for equipment in silent {
            let devices: Vec<_> = self.devices_of(&equipment).collect();
            if devices.is_empty() {
                let closed = self.nonconformities.close("silent", &equipment);
                self.record_all(now, closed);
            }
            for device in devices {
                self.contacts.recover_silent(device);
            }
        }
    }

    fn recall_points(&mut self, now: &Now) {
        for (index, device) in self.plan.devices.iter().enumerate() {
            for (point, last) in self.readings.of(index) {
                let Some((equipment, signal)) = hear::meaning(device, point) else { continue };
                let value = match &last.value {
                    // Taken back, which clears nothing: an alarm that it raised goes on.
                    Value::Unknown if self.is_in_alarm(signal, equipment, point) => Value::Bit(true),
                    value => hear::turned(device, point, value),
                };
                let seen =
                    Sighting { device: &device.name, point, equipment, signal, value: &value, quality: Quality::Good };
                self.rules.recall(now, &seen);
            }
        }
    }

    fn is_in_alarm(&self, signal: Signal, equipment: &EquipmentId, point: &str) -> bool {
        let named = |points: &String| points.split(", ").any(|name| name == point);
        rules::rule_of(signal).is_some_and(|rule| {
            let mut alarms = self.alarms.iter().filter(|a| a.active && a.rule == rule && a.equipment == *equipment);
            alarms.any(|alarm| alarm.facts.get("points").is_some_and(named))
        })
    }
}

/// Whether a device can tell that the condition of a rule is over.
fn tells(device: &Device, rule: Rule, equipment: &EquipmentId) -> bool {
    let own = device.equipment == *equipment;
    let signal = match rule {
        Rule::Silent => return own,
        Rule::SealMismatch => return own && matches!(device.speech, DeviceSpeech::SealReader),
        Rule::DoorForced | Rule::DoorHeld => Some(Signal::Open),
        Rule::Tamper | Rule::ViewLost | Rule::PanelAlarm | Rule::MainsLost | Rule::BatteryLow | Rule::DeviceFault => {
            rules::signal_of(rule)
        }
    };
    let bound = device.bindings.values().any(|b| b.equipment == *equipment && Some(b.signal) == signal);
    bound || (own && matches!(device.speech, DeviceSpeech::Camera { .. }))
}
