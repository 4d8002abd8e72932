//! What measuring points say of themselves: values that cannot be, that drift from their reference, that decline.
//!
//! Each is a nonconformity of the point's equipment, named by the first point that has it. Nothing is concluded from what is
//! stale or bad: it is neither good nor wrong, and what is open stays open. Days are counted by a trusted clock alone.

use crate::decimal::Decimal;
use crate::nonconformity::Nonconformities;
use crate::plan::{Device, DeviceSpeech};
use crate::register::Register;
use crate::register::points::{ERRORS_PERMILLE, Point};
use crate::statement::Statement;
use crate::time::Now;
use crate::wire::StateRow;
use picket_device::quantity::{Observation, Quality};
use std::collections::BTreeMap;
use std::sync::Arc;

mod anew;
mod days;
mod hold;
mod own;
mod sweep;
mod told;

pub(crate) use sweep::{DAYS, row};

use days::{Days, Line};
use hold::{Held, Turning};
use own::Own;
pub use own::Poll;
use sweep::Sweep;

/// What is asked of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    Implausible,
    Drift,
    Degrading,
}

impl Check {
    const ALL: [Self; 3] = [Self::Implausible, Self::Drift, Self::Degrading];

    /// Reason of the nonconformity.
    fn reason(self) -> &'static str {
        match self {
            Self::Implausible => "implausible",
            Self::Drift => "drift",
            Self::Degrading => "degrading",
        }
    }
}

/// Every measuring point of the register that a device of the plan has.
#[derive(Debug)]
pub struct Measure {
    hold_us: u64,
    points: Arc<[Point]>,
    /// In the order of `points`.
    states: Vec<State>,
    /// By device of the plan: its points by name.
    devices: Vec<Watched>,
    /// References with the points that are compared with them, in order.
    compared: Vec<(u32, u32)>,
    /// Points in order of their equipment.
    by_equipment: Vec<u32>,
    turning: Turning<(u32, Check)>,
    /// Nothing is settled before: so much was said at once.
    resume_us: u64,
    sweep: Sweep,
    own: Own,
}

#[derive(Debug, Default)]
struct Watched {
    points: BTreeMap<Arc<str>, u32>,
    /// It is asked: what it gives as a number and bad is outside what it can measure. What speaks calls a value bad itself.
    asked: bool,
}

/// What is known of one point: less than a kibibyte with all its days.
#[derive(Debug, Default)]
struct State {
    /// A device of the plan tells it.
    watched: bool,
    seen: Seen,
    held: [Held; 3],
    trend: Option<Box<Decline>>,
}

/// The last value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Seen {
    /// It is old or bad, or none came.
    #[default]
    Untold,
    /// It may be right.
    Possible(Decimal),
    /// The point cannot measure it.
    Impossible(Decimal),
}

impl Seen {
    /// A value from which something follows.
    fn possible(self) -> Option<Decimal> {
        match self {
            Self::Possible(value) => Some(value),
            Self::Untold | Self::Impossible(_) => None,
        }
    }
}

#[derive(Debug, Default)]
struct Decline {
    days: Days,
    /// Whether the line reaches the limit in time; `None` where too little is known.
    forecast: Option<Option<Line>>,
}

impl Measure {
    /// Of the register's points, with the days that the journal's `rows` remember.
    pub fn new(devices: &[Device], register: &Register, hold_ms: u64, rows: &[StateRow]) -> Self {
        let mut measure = Self::of(devices, register, crate::time::ms(hold_ms));
        measure.recover(rows);
        measure
    }

    fn of(devices: &[Device], register: &Register, hold_us: u64) -> Self {
        let points = Arc::clone(register.points());
        let asked = |device: &Device| matches!(device.speech, DeviceSpeech::Modbus { .. });
        let mut named: BTreeMap<&str, usize> = BTreeMap::new();
        let mut watched: Vec<Watched> = Vec::new();
        for (at, device) in devices.iter().enumerate() {
            named.insert(&device.name, at);
            watched.push(Watched { points: BTreeMap::new(), asked: asked(device) });
        }
        let (mut states, mut compared) = (Vec::with_capacity(points.len()), Vec::new());
        for (at, point) in (0_u32..).zip(points.iter()) {
            let of_plan = named.get(&*point.device).filter(|device| untold(&devices[**device], point).is_none());
            if let Some(device) = of_plan {
                watched[*device].points.insert(Arc::clone(&point.name), at);
            }
            compared.extend(point.reference.as_ref().map(|reference| (reference.point, at)));
            let trend = point.trend.as_ref().map(|_| Box::default());
            states.push(State { watched: of_plan.is_some(), trend, ..State::default() });
        }
        compared.sort_unstable();
        let mut by_equipment: Vec<u32> = (0..).take(points.len()).collect();
        by_equipment.sort_by_key(|at| &points[*at as usize].equipment);
        let sweep = Sweep::new(&points);
        let own = Own::new(devices.len());
        let turning = Turning::new();
        Self { hold_us, points, states, devices: watched, compared, by_equipment, turning, resume_us: 0, sweep, own }
    }

    /// Observations of one poll or message. Statements for what opens or closes by them.
    pub fn observed(
        &mut self,
        now: &Now,
        register: &Register,
        device: usize,
        seen: &[Observation],
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        let mut statements = self.settle_due(now, register, book);
        let Some(watched) = self.devices.get(device).filter(|watched| !watched.points.is_empty()) else {
            return statements;
        };
        let asked = watched.asked;
        let seen: Vec<(u32, &Observation)> =
            seen.iter().filter_map(|one| Some((*watched.points.get(one.point.as_str())?, one))).collect();
        for (at, one) in &seen {
            self.take(now, *at, one, asked);
        }
        // Once all of them are known: a pair of one poll moves together.
        for (at, _) in &seen {
            self.compare_around(now, *at);
        }
        statements.extend(self.settle_due(now, register, book));
        statements
    }

    fn take(&mut self, now: &Now, at: u32, seen: &Observation, asked: bool) {
        let point = &self.points[at as usize];
        let value = Decimal::of(&seen.value);
        let fits = value.map(|value| point.can_measure(value));
        let fits = match (seen.quality, fits) {
            (Quality::Good, fits) => fits,
            (Quality::Bad, Some(false)) if asked => Some(false),
            (Quality::Bad | Quality::Stale, _) => None,
        };
        let state = &mut self.states[at as usize];
        state.seen = match (value, fits) {
            (Some(value), Some(true)) => Seen::Possible(value),
            (Some(value), Some(false)) => Seen::Impossible(value),
            (_, _) => Seen::Untold,
        };
        let last = state.seen.possible();
        let mut past = None;
        if let (Some(trend), Some(decline)) = (&point.trend, &mut state.trend) {
            past = last.map(|value| trend.side.is_past(value, trend.warn));
            let day = sweep::day(now).filter(|day| self.sweep.has_begun(*day));
            let steps = last.and_then(|value| days::steps_of(value, point.exponent()));
            if let (Some(day), Some(steps)) = (day, steps) {
                decline.days.take(day, steps, trend.side);
            }
        }
        self.see(now, at, Check::Implausible, fits.map(|fits| !fits));
        self.see(now, at, Check::Degrading, past);
    }

    /// Compares a point with its reference, and with every point that it is the reference of.
    fn compare_around(&mut self, now: &Now, at: u32) {
        self.compare(now, at);
        let from = self.compared.partition_point(|(reference, _)| *reference < at);
        for next in from.. {
            match self.compared.get(next) {
                Some((reference, point)) if *reference == at => self.compare(now, *point),
                _ => return,
            }
        }
    }

    fn compare(&mut self, now: &Now, at: u32) {
        let Some(reference) = &self.points[at as usize].reference else { return };
        let [own, other] = [at, reference.point].map(|at| self.states[at as usize].seen.possible());
        let both = own.zip(other);
        let apart = both.map(|(own, other)| (own - other).size() > reference.agree_within);
        self.see(now, at, Check::Drift, apart);
    }

    fn see(&mut self, now: &Now, at: u32, check: Check, seen: Option<bool>) {
        let held = &mut self.states[at as usize].held[check as usize];
        self.turning.see(now.mono_us, (at, check), held, seen);
    }

    /// Every value of a device is old from here on. That polls of it fail is told by the failing ones.
    pub fn stale(&mut self, now: &Now, device: usize) {
        let Some(watched) = self.devices.get(device) else { return };
        let of_it = watched.points.iter().filter(|(name, _)| &***name != ERRORS_PERMILLE);
        let of_it: Vec<u32> = of_it.map(|(_, at)| *at).collect();
        for at in of_it {
            self.states[at as usize].seen = Seen::Untold;
            self.see(now, at, Check::Implausible, None);
            self.see(now, at, Check::Degrading, None);
            self.compare_around(now, at);
        }
    }

    /// Time passed. `room`: whether records of days may be said now. Statements for what opens or closes by it.
    pub fn timeout(
        &mut self,
        now: &Now,
        register: &Register,
        room: bool,
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        let mut statements = self.settle_due(now, register, book);
        statements.extend(self.sweep(now, register, room, book));
        statements
    }

    /// When [`Measure::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        let held = self.turning.deadline(self.hold_us).map(|due| due.max(self.resume_us));
        held.into_iter().chain(self.sweep.deadline()).min()
    }
}

/// Why nothing would watch a point of the register under these devices, if nothing would.
pub fn unwatched(devices: &[Device], point: &Point) -> Option<String> {
    let Some(device) = devices.iter().find(|device| device.name == *point.device) else {
        return Some(format!("the settings have no device {}", point.device));
    };
    untold(device, point)
}

/// Why a device does not tell a point, if it does not. What speaks may name points that no list has.
fn untold(device: &Device, point: &Point) -> Option<String> {
    let (device_name, name) = (&device.name, &point.name);
    let DeviceSpeech::Modbus { speech, .. } = &device.speech else {
        let told = !matches!(device.speech, DeviceSpeech::SealReader) && !name.starts_with('@');
        return if told { None } else { Some(format!("device {device_name} has no point {name}")) };
    };
    if name.starts_with('@') {
        return None;
    }
    match speech.points.iter().find(|own| own.name == **name) {
        None => Some(format!("device {device_name} has no point {name}")),
        Some(own) if own.coding.is_flag() => {
            Some(format!("{name} of device {device_name} is a contact, and no number"))
        }
        Some(own) if own.unit != *point.unit => {
            Some(format!("device {device_name} gives {name} in {:?}, and not in {:?}", own.unit, point.unit))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{points, rows};
    use crate::testbed::at;
    use picket_device::quantity::Value;

    #[test]
    fn ranges_that_are_wrong_for_all_equipment_are_told_in_steps_that_leave_room() {
        let fields =
            |of: &[(&str, String)]| of.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<rows::Row>();
        let equipment = |n: u32| fields(&[("id", format!("EQ-{n}")), ("kind", "sensor".into())]);
        let point = |n: u32| {
            let place = [("equipment", format!("EQ-{n}")), ("device", "module".into()), ("point", format!("p{n}"))];
            fields(&[&place[..], &[("range", "0 60".into()), ("accuracy", "1".into())]].concat())
        };
        let points = points::build(&(0..200).map(point).collect::<Vec<_>>(), |_| true).unwrap();
        let listed: Vec<rows::Row> = (0..200).map(equipment).collect();
        let register = rows::build(1, [7; 32], &listed).unwrap().with_points(points);
        let speech = DeviceSpeech::Camera { prefix: "cam".into() };
        let device = Device { speech, ..crate::testbed::module() };
        let mut measure = Measure::new(&[device], &register, 60_000, &[]);
        let seen = |n: u32| {
            let value = Value::Number { mantissa: 99, exponent: 0 };
            Observation { point: format!("p{n}"), value, quality: Quality::Good }
        };
        let seen: Vec<Observation> = (0..200).map(seen).collect();
        let mut book = Nonconformities::default();
        assert!(measure.observed(&at(0), &register, 0, &seen, &mut book).is_empty());
        let mut told = Vec::new();
        while let Some(due) = measure.deadline() {
            told.push((due, measure.timeout(&at(due), &register, true, &mut book).len()));
        }
        let steps = [(60_000_000, 64), (60_100_000, 64), (60_200_000, 64), (60_300_000, 8)];
        assert_eq!((told.as_slice(), book.iter().count()), (&steps[..], 200));
    }

    #[test]
    fn a_point_with_all_its_days_takes_less_than_a_kibibyte() {
        let row = size_of::<Point>() + size_of::<crate::register::points::Trend>();
        let state = size_of::<State>() + size_of::<Decline>() + days::MOST * size_of::<(u16, i32)>();
        // Two names and a unit of sixteen bytes with their counters; and its places in maps and lists.
        let (texts, places) = (3 * (16 + 16), 4 * size_of::<(u64, u32, Check)>());
        assert!(row + state + texts + places < 1_024, "{row} {state}");
    }
}
