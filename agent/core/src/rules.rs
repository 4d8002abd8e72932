//! From observations to conditions: what holds at this moment, with hysteresis and hold times. Decides nothing about
//! ringing, standing or records.

use crate::alarm::Rule;
use crate::plan::{Device, Driver, Limits};
use crate::register::EquipmentId;
use crate::statement::{Evidence, Facts};
use crate::time::{Now, ms};
use picket_device::quantity::{Quality, Signal, Value};
use std::collections::{BTreeMap, BTreeSet};

mod door;
mod hold;

use door::Door;
use hold::Hold;

/// A condition began or ended.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Which equipment.
    pub equipment: EquipmentId,
    /// What the alarm is about, where there may be several at one piece of equipment; empty elsewhere.
    pub about: String,
    /// Began (with arguments of the text) or ended.
    pub turn: Turn,
    /// The frame it follows from; `None` where time alone decided.
    pub evidence: Option<Evidence>,
}

/// Which way a condition turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It holds.
    Began(Facts),
    /// It no longer holds.
    Ended,
    /// Whether it holds can no longer be told.
    Untold,
}

/// One observation with its place.
#[derive(Debug, Clone)]
pub struct Sighting<'a> {
    /// Device name, unique in the settings.
    pub device: &'a str,
    /// Point of the device.
    pub point: &'a str,
    /// Equipment it tells about.
    pub equipment: &'a EquipmentId,
    /// What it tells.
    pub signal: Signal,
    /// Value, already turned the right way round.
    pub value: &'a Value,
    /// How good.
    pub quality: Quality,
}

/// Every rule of the site.
#[derive(Debug)]
pub struct Rules {
    limits: Limits,
    delays: BTreeMap<(EquipmentId, Signal), Delays>,
    doors: BTreeMap<EquipmentId, Door>,
    contacts: BTreeMap<(EquipmentId, Signal), Contact>,
}

/// How long a signal must hold, and be away, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Delays {
    on_us: u64,
    off_us: u64,
}

impl Delays {
    /// What speaks unasked debounces itself, and its message may be confirmed before the time is over: nothing may hang
    /// on time there, or a kill in between would lose it.
    const NONE: Self = Self { on_us: 0, off_us: 0 };

    fn of(limits: &Limits, signal: Signal) -> Self {
        Self { on_us: ms(limits.hold_ms(signal)), off_us: ms(limits.clear_ms(signal)) }
    }

    /// Of several contacts behind one signal the most eager raises and the slowest clears.
    fn stated(limits: &Limits, devices: &[Device]) -> BTreeMap<(EquipmentId, Signal), Self> {
        let mut stated: BTreeMap<_, Self> = BTreeMap::new();
        for row in devices.iter().flat_map(|device| device.bindings.values()) {
            let on_us = ms(row.delays.hold_ms.unwrap_or_else(|| limits.hold_ms(row.signal)));
            let off_us = ms(row.delays.clear_ms.unwrap_or_else(|| limits.clear_ms(row.signal)));
            let delays = stated.entry((row.equipment.clone(), row.signal)).or_insert(Self { on_us, off_us });
            *delays = Self { on_us: delays.on_us.min(on_us), off_us: delays.off_us.max(off_us) };
        }
        stated
    }
}

/// All points that tell one signal of one piece of equipment.
#[derive(Debug)]
struct Contact {
    delays: Delays,
    points: Points,
    hold: Hold,
    /// A device that speaks unasked tells it.
    spoken: bool,
    evidence: Option<Evidence>,
}

/// The points behind a signal that are on, by device and point. What is off takes no place.
#[derive(Debug, Default)]
struct Points {
    on: BTreeSet<(String, String)>,
    /// More were on than are told apart: the calm of none of the rest says that all of them are off.
    more: bool,
}

/// Most points of one signal that are told apart while they are on: a recorder of 64 channels has several topics for
/// each, and all may lose their view at once. Bounds what a flood of sources can cost.
const MAX_POINTS: usize = 256;
/// Most points that a text names.
const NAMED_POINTS: usize = 16;

impl Points {
    /// Takes a state; whether any point is on.
    fn set(&mut self, (device, point): (&str, &str), on: bool) -> bool {
        let key = (device.to_owned(), point.to_owned());
        if !on {
            self.on.remove(&key);
        } else if self.on.len() < MAX_POINTS || self.on.contains(&key) {
            self.on.insert(key);
        } else {
            self.more = true;
        }
        self.more || !self.on.is_empty()
    }

    /// Whether any point is on, those apart that `but` names.
    fn any_but(&self, but: impl Fn(&(String, String)) -> bool) -> bool {
        self.more || self.on.iter().any(|by| !but(by))
    }

    /// Every point that is told apart is off, and some are not told apart.
    fn is_untold(&self) -> bool {
        self.more && self.on.is_empty()
    }

    fn facts(&self) -> Facts {
        let on: Vec<&str> = self.on.iter().map(|(_, point)| point.as_str()).take(NAMED_POINTS).collect();
        if on.is_empty() { Facts::new() } else { Facts::from([("points".to_owned(), on.join(", "))]) }
    }
}

impl Rules {
    /// Nothing observed yet; `devices` for the times that their rows state.
    pub fn new(limits: Limits, devices: &[Device]) -> Self {
        let delays = Delays::stated(&limits, devices);
        Self { limits, delays, doors: BTreeMap::new(), contacts: BTreeMap::new() }
    }

    /// Doors may stand open so long from here on, in milliseconds; one that stands open too, from its opening on.
    pub fn hold_doors(&mut self, held_ms: u64) {
        self.limits.door_held_ms = held_ms;
        self.doors.values_mut().for_each(|door| door.hold(held_ms));
    }

    fn door(&mut self, equipment: &EquipmentId) -> &mut Door {
        let Self { limits, delays, doors, .. } = self;
        doors.entry(equipment.clone()).or_insert_with(|| {
            let stated = delays.get(&(equipment.clone(), Signal::Open)).copied();
            Door::new(limits, stated.unwrap_or_else(|| Delays::of(limits, Signal::Open)).off_us)
        })
    }

    fn contact(&mut self, equipment: &EquipmentId, signal: Signal) -> &mut Contact {
        let Self { limits, delays, contacts, .. } = self;
        let key = (equipment.clone(), signal);
        let stated = |key: &_| delays.get(key).copied().unwrap_or_else(|| Delays::of(limits, signal));
        contacts.entry(key).or_insert_with_key(|key| Contact {
            delays: stated(key),
            points: Points::default(),
            hold: Hold::default(),
            spoken: false,
            evidence: None,
        })
    }

    /// When an open door was seen to open, by the clock of this boot.
    pub fn opened_us(&self, door: &EquipmentId) -> Option<u64> {
        self.doors.get(door).and_then(Door::opened_us)
    }

    /// After a start: an alarm that was open is taken to hold until the equipment says otherwise.
    pub fn recover(&mut self, rule: Rule, equipment: &EquipmentId) {
        match rule {
            Rule::DoorForced | Rule::DoorHeld => self.door(equipment).recover(rule),
            _ => {
                if let Some(signal) = signal_of(rule) {
                    self.contact(equipment, signal).hold = Hold::holding();
                }
            }
        }
    }

    /// After a start: what is known of a point before it says anything. Of a speaking device it is what it said last,
    /// which it may not repeat; what it meant and was not concluded before the start, [`Rules::timeout`] concludes.
    pub fn recall(&mut self, now: &Now, seen: &Sighting<'_>, spoken: bool) {
        let Value::Bit(state) = seen.value else { return };
        let by = (seen.device, seen.point);
        if matches!(seen.signal, Signal::Open | Signal::Released) {
            self.door(seen.equipment).recall(now, seen.signal, by, *state);
            return;
        }
        let contact = self.contact(seen.equipment, seen.signal);
        contact.spoken |= spoken;
        let any = contact.points.set(by, *state);
        contact.hold.want(now.mono_us, any);
    }

    /// Takes one observation. `Unknown`, stale and bad values change nothing: they are neither good nor alarm. Of a
    /// release they say that it is not known any more.
    pub fn observe(&mut self, now: &Now, seen: &Sighting<'_>, evidence: &Evidence) -> Vec<Finding> {
        let (Value::Bit(state), Quality::Good) = (seen.value, seen.quality) else {
            if seen.signal == Signal::Released {
                self.door(seen.equipment).release_unheard(now, (seen.device, seen.point), true);
            }
            return Vec::new();
        };
        match seen.signal {
            Signal::Open | Signal::Released => {
                let spoken = evidence.driver == Driver::Mqtt.as_str();
                let door = self.door(seen.equipment);
                let turns = door.observe(now, seen.signal, (seen.device, seen.point), *state, spoken);
                turns.into_iter().map(|(rule, turn)| finding(seen.equipment, rule, turn, Some(evidence))).collect()
            }
            _ => self.contact_seen(now, seen, *state, evidence),
        }
    }

    fn contact_seen(&mut self, now: &Now, seen: &Sighting<'_>, state: bool, by: &Evidence) -> Vec<Finding> {
        let Some(rule) = rule_of(seen.signal) else { return Vec::new() };
        let contact = self.contact(seen.equipment, seen.signal);
        contact.spoken |= by.driver == Driver::Mqtt.as_str();
        let any = contact.points.set((seen.device, seen.point), state);
        let Delays { on_us, off_us } = contact.delays();
        if any != contact.hold.wanted() {
            contact.evidence = Some(by.clone());
        }
        let turned = contact.hold.set(now.mono_us, any, on_us, off_us);
        let evidence = contact.evidence.clone();
        if contact.points.is_untold() && contact.hold.holds() {
            (contact.points, contact.hold) = (Points::default(), Hold::default());
            return vec![finding(seen.equipment, rule, Turn::Untold, Some(by))];
        }
        let facts = contact.points.facts();
        turned.map(|holds| finding(seen.equipment, rule, turn(holds, facts), evidence.as_ref())).into_iter().collect()
    }

    /// A device is not heard any more: what it said of releases lapses.
    pub fn unheard(&mut self, now: &Now, device: &Device) {
        for (point, row) in device.bindings.iter().filter(|(_, row)| row.signal == Signal::Released) {
            self.door(&row.equipment).release_unheard(now, (&device.name, point), false);
        }
    }

    /// A device is heard again. `by_line`: it was only its line that was lost, so what it said last still holds.
    pub fn heard_again(&mut self, device: &Device, by_line: bool) {
        for (point, row) in device.bindings.iter().filter(|(_, row)| row.signal == Signal::Released) {
            self.door(&row.equipment).release_back((&device.name, point), by_line);
        }
    }

    /// Nothing of it is told apart any more: what is unlisted names itself, and may not grow this for ever.
    pub fn forget(&mut self, equipment: &EquipmentId) {
        self.contacts.retain(|(known, _), _| known != equipment);
        self.doors.remove(equipment);
    }

    /// Time passed.
    pub fn timeout(&mut self, now: &Now) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (equipment, door) in &mut self.doors {
            findings.extend(door.timeout(now).into_iter().map(|(rule, turn)| finding(equipment, rule, turn, None)));
        }
        for ((equipment, signal), contact) in &mut self.contacts {
            let Some(rule) = rule_of(*signal) else { continue };
            let Delays { on_us, off_us } = contact.delays();
            if let Some(holds) = contact.hold.timeout(now.mono_us, on_us, off_us) {
                findings.push(finding(equipment, rule, turn(holds, contact.points.facts()), contact.evidence.as_ref()));
            }
        }
        findings
    }

    /// When [`Rules::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        let doors = self.doors.values().filter_map(Door::deadline);
        let telling = self.contacts.iter().filter(|((_, signal), _)| rule_of(*signal).is_some());
        let contacts = telling.filter_map(|(_, contact)| {
            let Delays { on_us, off_us } = contact.delays();
            contact.hold.deadline(on_us, off_us)
        });
        doors.chain(contacts).min()
    }
}

impl Contact {
    fn delays(&self) -> Delays {
        if self.spoken { Delays::NONE } else { self.delays }
    }
}

fn turn(holds: bool, facts: Facts) -> Turn {
    if holds { Turn::Began(facts) } else { Turn::Ended }
}

fn finding(equipment: &EquipmentId, rule: Rule, turn: Turn, evidence: Option<&Evidence>) -> Finding {
    Finding { rule, equipment: equipment.clone(), about: String::new(), turn, evidence: evidence.cloned() }
}

/// The rule behind a contact signal.
pub(crate) fn rule_of(signal: Signal) -> Option<Rule> {
    Some(match signal {
        Signal::Alarm => Rule::PanelAlarm,
        Signal::Tamper => Rule::Tamper,
        Signal::MainsLost => Rule::MainsLost,
        Signal::BatteryLow => Rule::BatteryLow,
        Signal::ViewLost => Rule::ViewLost,
        Signal::Fault => Rule::DeviceFault,
        Signal::Open | Signal::Released | Signal::Motion | Signal::Seal | Signal::Measured => return None,
    })
}

/// The rules behind a signal: those whose alarm its points hold.
pub(crate) fn rules_of(signal: Signal) -> Vec<Rule> {
    if signal == Signal::Open { vec![Rule::DoorForced, Rule::DoorHeld] } else { rule_of(signal).into_iter().collect() }
}

/// The contact signal behind a rule.
pub(crate) fn signal_of(rule: Rule) -> Option<Signal> {
    Some(match rule {
        Rule::PanelAlarm => Signal::Alarm,
        Rule::Tamper => Signal::Tamper,
        Rule::MainsLost => Signal::MainsLost,
        Rule::BatteryLow => Signal::BatteryLow,
        Rule::ViewLost => Signal::ViewLost,
        Rule::DeviceFault => Signal::Fault,
        Rule::DoorForced | Rule::DoorHeld | Rule::UnseenEntry | Rule::Silent => return None,
        Rule::SealMismatch | Rule::SealMissing | Rule::SealBroken => return None,
        Rule::SealDuplicate | Rule::SealReseal | Rule::SealClass => return None,
        Rule::OrderStale | Rule::Certificate => return None,
    })
}

#[cfg(test)]
mod tests;
