//! The turn of a day: the numbers of the day that is over are recorded, and each line is drawn anew.

use super::{Check, Days, Measure};
use crate::nonconformity::Nonconformities;
use crate::register::{Point, Register};
use crate::statement::Statement;
use crate::time::{Now, ms, s};
use crate::wire::StateRow;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Key of the row that remembers the days of a point: `trend/DEVICE/POINT`.
const ROW: &str = "trend/";
/// The field of a `readings` record that tells the days of a point.
pub(crate) const DAYS: &str = "days";
/// Points of one step: a few hundred microseconds, and few enough records that alarms find room between them.
const SLICE: usize = 64;
/// Between two steps.
const PAUSE_US: u64 = ms(100);
/// A day is looked for at least so often: a clock may be set at any time.
const LOOK_US: u64 = s(60);
/// Where there is no room for records.
const RETRY_US: u64 = s(1);
const DAY_MS: i64 = 86_400_000;

/// How far the turn of the day has come.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Points with a trend.
    trends: Vec<u32>,
    day: Option<u16>,
    /// Of `trends`, the next one that the day turns for.
    next: usize,
    due_us: u64,
    /// Points whose days are remembered, and that are gone from the register.
    pub(super) orphans: Vec<(String, String)>,
}

/// Day since 1970 UTC by a clock that may judge dates.
pub(super) fn day(now: &Now) -> Option<u16> {
    now.judged_ms().and_then(|ms| u16::try_from(ms.div_euclid(DAY_MS)).ok())
}

impl Sweep {
    pub(super) fn new(points: &[Point]) -> Self {
        let trends = (0_u32..).zip(points).filter(|(_, point)| point.trend.is_some()).map(|(at, _)| at).collect();
        Self { trends, day: None, next: 0, due_us: 0, orphans: Vec::new() }
    }

    /// Whether the day has begun here: readings before that belong to none.
    pub(super) fn has_begun(&self, day: u16) -> bool {
        self.day == Some(day)
    }

    /// The days of a point are no longer worth remembering.
    pub(super) fn forget(&mut self, device: &str, name: &str) {
        self.orphans.push((device.to_owned(), name.to_owned()));
        self.due_us = 0;
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.trends.is_empty() || !self.orphans.is_empty()).then_some(self.due_us)
    }

    fn slice(&mut self) -> Vec<u32> {
        let slice: Vec<u32> = self.trends.iter().skip(self.next).take(SLICE).copied().collect();
        self.next += slice.len();
        slice
    }
}

impl Measure {
    /// Takes the days that the journal remembers.
    pub(super) fn recover(&mut self, rows: &[StateRow]) {
        let places = self.trends_by_name();
        for row in rows {
            let Some((device, name)) = row.key.strip_prefix(ROW).and_then(|key| key.split_once('/')) else { continue };
            let body = serde_json::from_str::<Value>(&row.body).unwrap_or_default();
            let place = places.get(&(device.into(), name.into())).copied();
            let days = place.and_then(|at| {
                let point = &self.points[at as usize];
                let same_unit = body.get("u").and_then(Value::as_str) == Some(&*point.unit);
                let was = body.get("e").and_then(Value::as_i64).and_then(|e| i8::try_from(e).ok());
                Days::read(body.get(DAYS).filter(|_| same_unit)?, was?, point.exponent())
            });
            match (place, days) {
                (Some(at), Some(days)) => self.remember(at, days),
                _ => self.sweep.forget(device, name),
            }
        }
    }

    pub(super) fn remember(&mut self, at: u32, days: Days) {
        if let Some(trend) = &mut self.states[at as usize].trend {
            trend.days = days;
        }
    }

    /// One step of the turn of the day, if it is due.
    pub(super) fn sweep(
        &mut self,
        now: &Now,
        register: &Register,
        room: bool,
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        if self.sweep.deadline().is_none_or(|due| now.mono_us < due) {
            return Vec::new();
        }
        if !room {
            self.sweep.due_us = now.mono_us + RETRY_US;
            return Vec::new();
        }
        let keep = self.sweep.orphans.len().saturating_sub(SLICE);
        let mut statements: Vec<Statement> = self.sweep.orphans.drain(keep..).map(forgotten).collect();
        self.sweep.due_us = now.mono_us + if self.sweep.orphans.is_empty() { LOOK_US } else { PAUSE_US };
        let Some(today) = day(now) else { return statements };
        if self.sweep.day != Some(today) {
            (self.sweep.day, self.sweep.next) = (Some(today), 0);
        }
        for at in self.sweep.slice() {
            statements.extend(self.turn(now, register, (at, today), book));
        }
        if self.sweep.next < self.sweep.trends.len() {
            self.sweep.due_us = now.mono_us + PAUSE_US;
        }
        statements
    }

    fn turn(
        &mut self,
        now: &Now,
        register: &Register,
        (at, today): (u32, u16),
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        let points = Arc::clone(&self.points);
        let point = &points[at as usize];
        let (Some(trend), Some(decline)) = (&point.trend, &mut self.states[at as usize].trend) else {
            return Vec::new();
        };
        let rolled = decline.days.roll(today);
        decline.forecast = decline.days.forecast(today, trend, (point.accuracy, point.exponent()));
        let said = rolled.then(|| said(point, &decline.days));
        said.into_iter().chain(self.settle(now, register, (at, Check::Degrading), book)).collect()
    }
}

fn said(point: &Point, days: &Days) -> Statement {
    let data = json!({
        "dev": &*point.device,
        "point": &*point.name,
        "u": &*point.unit,
        "e": point.exponent(),
        DAYS: days.stated(),
    });
    Statement::new(Kind::Readings, Severity::Info, data).about(&point.equipment).routine()
}

fn forgotten((device, name): (String, String)) -> Statement {
    Statement::new(Kind::Readings, Severity::Info, json!({ "dev": device, "point": name, DAYS: [] })).routine()
}

/// The row that a record of days leaves: its key with its body, or without one where nothing is remembered any more.
pub(crate) fn row(data: &Map<String, Value>) -> Option<(String, Option<Value>)> {
    let days = data.get(DAYS)?;
    let text = |field: &str| data.get(field).and_then(Value::as_str).unwrap_or_default();
    let body = json!({ "u": text("u"), "e": data.get("e"), DAYS: days });
    let is_empty = days.as_array().is_none_or(Vec::is_empty);
    Some((format!("{ROW}{}/{}", text("dev"), text("point")), Some(body).filter(|_| !is_empty)))
}
