//! From what was held to nonconformities: which point names one, and in which words.

use super::{Check, Measure, Seen};
use crate::nonconformity::Nonconformities;
use crate::register::points::Side;
use crate::register::{EquipmentId, Register};
use crate::statement::{Facts, Statement};
use crate::time::{Now, ms};
use picket_record::wall;

const DAY_MS: i64 = 86_400_000;
/// Statements of one step: a register whose ranges are wrong opens something for each of ten thousand pieces of equipment ...
const AT_ONCE: usize = 64;
/// ... and alarms find room between the steps.
const PAUSE_US: u64 = ms(100);
/// The fact of a nonconformity that a line opened, and no value.
const REACHES: &str = "reaches";

/// Whether a line through days opened it, and no value.
pub(super) fn is_by_line(facts: &Facts) -> bool {
    facts.contains_key(REACHES)
}

impl Measure {
    /// Everything that was seen for a whole hold counts.
    pub(super) fn settle_due(&mut self, now: &Now, register: &Register, book: &mut Nonconformities) -> Vec<Statement> {
        let mut statements = Vec::new();
        if now.mono_us < self.resume_us {
            return statements;
        }
        while let Some((at, check)) = self.turning.due(now.mono_us, self.hold_us) {
            self.states[at as usize].held[check as usize].turn();
            statements.extend(self.settle(now, register, (at, check), book));
            if statements.len() >= AT_ONCE {
                self.resume_us = now.mono_us + PAUSE_US;
                break;
            }
        }
        statements
    }

    /// Opens or closes what follows for the equipment of a point.
    pub(super) fn settle(
        &self,
        now: &Now,
        register: &Register,
        (at, check): (u32, Check),
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        let id = &self.points[at as usize].equipment;
        if self.is_wrong(at, check) {
            return book.open(now, register, check.reason(), id, self.facts(now, at, check)).into_iter().collect();
        }
        let Some(open) = book.get(check.reason(), id) else { return Vec::new() };
        // One point is right again; what is open may be about another one.
        if self.named(&open.facts, id) != Some(at) || !self.is_right(at, check, is_by_line(&open.facts)) {
            return Vec::new();
        }
        let closed = book.close(now, check.reason(), id);
        closed.into_iter().chain(self.open_other(now, register, (check, id), book)).collect()
    }

    /// Another point of the same equipment may still be wrong.
    pub(super) fn open_other(
        &self,
        now: &Now,
        register: &Register,
        (check, id): (Check, &EquipmentId),
        book: &mut Nonconformities,
    ) -> Option<Statement> {
        let other = self.of_equipment(id).find(|at| self.is_wrong(*at, check))?;
        book.open(now, register, check.reason(), id, self.facts(now, other, check))
    }

    fn is_wrong(&self, at: u32, check: Check) -> bool {
        let state = &self.states[at as usize];
        let fails = state.trend.as_ref().is_some_and(|trend| trend.forecast.flatten().is_some());
        state.held[check as usize].is == Some(true) || (check == Check::Degrading && fails)
    }

    /// What a line opened, a line closes.
    fn is_right(&self, at: u32, check: Check, by_line: bool) -> bool {
        let state = &self.states[at as usize];
        let holds = state.trend.as_ref().is_some_and(|trend| trend.forecast == Some(None));
        state.held[check as usize].is == Some(false) && (!by_line || holds)
    }

    fn of_equipment<'a>(&'a self, id: &'a EquipmentId) -> impl Iterator<Item = u32> + 'a {
        let own = |at: &u32| &self.points[*at as usize].equipment;
        let from = self.by_equipment.partition_point(|at| own(at) < id);
        self.by_equipment[from..].iter().take_while(move |at| own(at) == id).copied()
    }

    /// The point that facts name, where it is watched for this equipment.
    pub(super) fn named(&self, facts: &Facts, id: &EquipmentId) -> Option<u32> {
        let (device, name) = (facts.get("device")?, facts.get("point")?);
        self.of_equipment(id).find(|at| {
            let point = &self.points[*at as usize];
            self.states[*at as usize].watched && *point.device == **device && *point.name == **name
        })
    }

    fn facts(&self, now: &Now, at: u32, check: Check) -> Facts {
        let (point, state) = (&self.points[at as usize], &self.states[at as usize]);
        let mut facts = vec![("device", point.device.to_string()), ("point", point.name.to_string())];
        match check {
            Check::Implausible => {
                let (least, greatest) = point.range;
                let range = format!("{least} to {}, within {}", point.shown(greatest), point.accuracy);
                facts.push(("range", range));
                if let Seen::Impossible(value) = state.seen {
                    facts.push(("value", point.shown(value)));
                }
            }
            Check::Drift => {
                facts.extend(state.seen.possible().map(|value| ("value", point.shown(value))));
                if let Some(reference) = &point.reference {
                    let other = &self.points[reference.point as usize];
                    facts.push(("reference", format!("{}/{}", other.device, other.name)));
                    let told = self.states[reference.point as usize].seen.possible();
                    facts.extend(told.map(|value| ("reference_value", other.shown(value))));
                    facts.push(("agree_within", point.shown(reference.agree_within)));
                }
            }
            Check::Degrading => facts.extend(self.declining(now, at)),
        }
        facts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
    }

    fn declining(&self, now: &Now, at: u32) -> Vec<(&'static str, String)> {
        let (point, state) = (&self.points[at as usize], &self.states[at as usize]);
        let (Some(trend), Some(decline)) = (&point.trend, &state.trend) else { return Vec::new() };
        let mut facts = vec![("trend", trend.what.clone())];
        facts.extend(state.seen.possible().map(|value| ("now", point.shown(value))));
        if state.held[Check::Degrading as usize].is == Some(true) {
            let side = if trend.side == Side::Below { "below" } else { "above" };
            facts.push(("limit", format!("{side} {}", point.shown(trend.warn))));
        } else if let (Some(line), Some(limit)) = (decline.forecast.flatten(), trend.fails_at) {
            facts.push(("per_day", point.shown(line.per_day(point.exponent()))));
            facts.push(("fails_at", point.shown(limit)));
            let on = now.judged_ms().map(|now_ms| now_ms.saturating_add(i64::from(line.fails_in) * DAY_MS));
            let on = on.and_then(wall::to_text);
            facts.extend(on.map(|text| (REACHES, text[..10].to_owned())));
        }
        facts
    }
}
