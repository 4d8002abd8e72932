//! The snapshot for people.

use super::Site;
use crate::alarm::Alarm;
use crate::contact::Presence;
use crate::incident::Incident;
use crate::plan::{Device, DeviceId};
use crate::register::EquipmentId;
use crate::sensitivity::Channel;
use crate::status::{
    AlarmStatus, EquipmentStatus, IncidentStatus, JournalStatus, LineStatus, MeasureStatus, NonconformityStatus,
    Status, ThreatStatus,
};
use crate::temporary::{Held, Measure};
use crate::threat::Threat;
use crate::time::Now;
use picket_device::quantity::{Quality, Signal, Value};
use picket_record::kind::Kind;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Equipment, beside the device's own, that its points tell about: for the text of its silence.
pub(super) fn told_equipment(device: &Device) -> String {
    let told: BTreeSet<&str> = device.bindings.values().map(|b| b.equipment.as_str()).collect();
    let others: Vec<&str> = told.into_iter().filter(|id| *id != device.equipment.as_str()).take(20).collect();
    others.join(", ")
}

/// What is known of one piece of equipment from its devices.
#[derive(Default)]
struct Seen {
    contact: Option<(u8, &'static str)>,
    seen_ms: Option<i64>,
    signals: BTreeMap<String, String>,
}

impl Site {
    /// Everything at one moment.
    pub fn status(&self, now: &Now) -> Status {
        Status {
            revision: self.revision,
            site: self.plan.site.clone(),
            gateway: self.plan.gateway.clone(),
            at_ms: now.utc_ms,
            clock_trusted: now.trusted,
            register: self.standings.register().version(),
            register_refused: self.register_refused.clone(),
            link: self.uplink.status(),
            certificate: self.certificate.known().cloned(),
            journal: JournalStatus {
                head: self.uplink.head(),
                not_stored: self.drafts.not_stored(),
                dropped: self.drafts.dropped(),
                fill_permille: self.drafts.fill_permille(),
                free_mib: self.health.free_mib(),
                fault: self.store_fault.clone(),
                anew: self.anew,
            },
            health: Some(self.numbers(now)),
            order: self.order_view(now),
            drill: self.orders.drill().map(|drill| drill.status(now)),
            level: self.people.level.number(),
            posts: self.people.rota.posts(now),
            reviews: self.people.exercises.waiting(),
            alarms: self.alarm_views(),
            incidents: self.incidents.open().map(incident_view).collect(),
            threats: self.threats.iter().filter_map(threat_view).collect(),
            nonconformities: self.nonconformity_views(),
            equipment: self.equipment_views(),
            lines: self.line_views(),
        }
    }

    /// Whether something of a kind may leave on a channel.
    pub fn lets(&self, channel: Channel, kind: Kind) -> bool {
        self.plan.sensitivity.lets(channel, kind)
    }

    fn alarm_views(&self) -> Vec<AlarmStatus> {
        let mut views: Vec<AlarmStatus> = self.alarms.iter().map(|alarm| self.alarm_view(alarm)).collect();
        views.sort_by_key(|a| (a.acknowledged_by.is_some(), Reverse(a.severity), Reverse(a.since_ms)));
        views
    }

    fn alarm_view(&self, alarm: &Alarm) -> AlarmStatus {
        AlarmStatus {
            id: alarm.id(),
            rule: alarm.rule.as_str().into(),
            equipment: alarm.equipment.as_str().into(),
            place: self.place(&alarm.equipment),
            severity: alarm.severity as u8,
            since_ms: alarm.since_ms,
            times: alarm.times,
            active: alarm.active,
            acknowledged_by: alarm.acknowledged_by().map(str::to_owned),
            standing: alarm.standing.clone(),
            rings: alarm.rings,
            recorded: alarm.seq.is_some(),
            reported: alarm.seq.is_some_and(|seq| self.uplink.is_receipted(seq)),
            guard_must_close: alarm.guard_must_close,
            facts: alarm.facts.clone(),
        }
    }

    fn nonconformity_views(&self) -> Vec<NonconformityStatus> {
        let mut views: Vec<NonconformityStatus> = self
            .nonconformities
            .iter()
            .map(|nc| NonconformityStatus {
                id: nc.id(),
                reason: nc.reason.clone(),
                equipment: nc.equipment.as_str().into(),
                since_ms: nc.since_ms,
                facts: nc.facts.clone(),
                step: nc.life.step.as_str().into(),
                times: nc.life.times,
                ended: nc.life.ended,
                due_ms: nc.life.due_ms,
                escalated: nc.life.escalated,
            })
            .collect();
        views.sort_by_key(|view| view.since_ms);
        views
    }

    fn equipment_views(&self) -> Vec<EquipmentStatus> {
        let seen = self.seen();
        let listed = self.standings.register().iter().map(|row| row.id.clone());
        let ids: Vec<EquipmentId> = listed.chain(self.standings.unlisted().cloned()).collect();
        ids.into_iter().map(|id| self.equipment_view(&id, seen.get(&id))).collect()
    }

    fn equipment_view(&self, id: &EquipmentId, seen: Option<&Seen>) -> EquipmentStatus {
        let verdict = self.standings.verdict(id);
        let row = self.standings.register().get(id);
        EquipmentStatus {
            id: id.as_str().into(),
            kind: row.map_or("unlisted", |row| row.kind.as_str()).into(),
            place: self.place(id),
            standing: verdict.standing.as_str().into(),
            why: verdict.reasons.iter().map(|(_, why)| why.clone()).collect(),
            measures: self.temporaries.of(id).map(measure_view).collect(),
            due: verdict.due.map(|due| due.date().to_string()),
            contact: seen.and_then(|s| s.contact).map_or("unwatched", |(_, word)| word).into(),
            seen_ms: seen.and_then(|s| s.seen_ms),
            signals: seen.map(|s| s.signals.clone()).unwrap_or_default(),
        }
    }

    /// Contact and last values of all equipment, from the devices that tell about it. The worst contact counts.
    fn seen(&self) -> BTreeMap<EquipmentId, Seen> {
        let mut seen: BTreeMap<EquipmentId, Seen> = BTreeMap::new();
        for (index, device) in self.plan.devices.iter().enumerate() {
            let id = DeviceId(u16::try_from(index).unwrap_or(u16::MAX));
            let (presence, seen_ms) = self.contacts.presence(id);
            let bound = device.bindings.values().map(|b| &b.equipment);
            let told: BTreeSet<&EquipmentId> = bound.chain([&device.equipment]).collect();
            for equipment in told {
                let own = *equipment == device.equipment;
                let entry = seen.entry(equipment.clone()).or_default();
                entry.contact = entry.contact.max(Some(contact_word(presence, own)));
                entry.seen_ms = entry.seen_ms.max(seen_ms);
            }
            for (point, last) in self.readings.of(index) {
                let Some((equipment, signal)) = super::hear::meaning(device, point) else { continue };
                let inverted = device.bindings.get(point).is_some_and(|b| b.inverted);
                let text = words(&last.value, last.quality, inverted);
                let entry = seen.entry(equipment.clone()).or_default();
                entry.signals.insert(signal_name(signal, point), text);
            }
        }
        seen
    }

    fn line_views(&self) -> Vec<LineStatus> {
        let lines = self.plan.lines.iter().enumerate();
        lines
            .map(|(index, line)| {
                let tally = self.tally.line(index).cloned().unwrap_or_default();
                LineStatus {
                    name: line.name.clone(),
                    driver: line.driver.as_str().into(),
                    good: tally.good,
                    faults: tally.faults,
                    fault: tally.fault,
                }
            })
            .collect()
    }

    fn place(&self, id: &EquipmentId) -> String {
        self.standings.register().get(id).map(|row| row.place.clone()).unwrap_or_default()
    }
}

fn measure_view((measure, held): (Measure, &Held)) -> MeasureStatus {
    MeasureStatus { measure: measure.as_str().into(), what: held.what.clone(), until_ms: held.until_ms }
}

/// One that is as usual again is not shown.
fn threat_view((id, threat): (&String, &Threat)) -> Option<ThreatStatus> {
    let text = |field: &str| threat.told.get(field).and_then(|told| told.as_str()).unwrap_or_default().to_owned();
    let number = |field: &str| threat.told.get(field).and_then(|told| told.as_u64()).unwrap_or_default();
    let view = ThreatStatus {
        id: id.clone(),
        title: text("title"),
        consequence: text("consequence"),
        likelihood: text("likelihood"),
        needed: threat.needed,
        lost: number("lost"),
        measures: number("measures"),
    };
    (view.lost > 0 || view.needed).then_some(view)
}

fn incident_view(incident: &Incident) -> IncidentStatus {
    IncidentStatus {
        id: incident.id(),
        type_of: incident.type_of().into(),
        zone: incident.zone.clone(),
        severity: incident.severity as u8,
        since_ms: incident.since_ms,
        alarms: incident.alarms.iter().map(|(alarm, _)| alarm.clone()).collect(),
        count: incident.count,
        exercise: incident.drill.clone(),
        class: incident.class.as_ref().map(|(class, _)| class.as_str().to_owned()),
    }
}

fn contact_word(presence: Presence, own: bool) -> (u8, &'static str) {
    match presence {
        Presence::Seen => (0, "seen"),
        Presence::Never => (1, "never"),
        Presence::Silent if own => (3, "silent"),
        Presence::Silent => (2, "stale"),
    }
}

/// A camera tells one signal by several points; its other signals have one.
fn signal_name(signal: Signal, point: &str) -> String {
    match signal {
        Signal::ViewLost | Signal::Fault | Signal::Measured | Signal::Motion => format!("{} {point}", signal.as_str()),
        _ => signal.as_str().into(),
    }
}

fn words(value: &Value, quality: Quality, inverted: bool) -> String {
    let text = match value {
        Value::Bit(bit) => if *bit == inverted { "no" } else { "yes" }.to_owned(),
        Value::Number { mantissa, exponent: 0 } => mantissa.to_string(),
        Value::Number { mantissa, exponent } => format!("{mantissa}e{exponent}"),
        Value::Text(text) => text.clone(),
        Value::Unknown => "unknown".into(),
    };
    match quality {
        Quality::Good => text,
        Quality::Stale => format!("{text} (stale)"),
        Quality::Bad => "bad".into(),
    }
}
