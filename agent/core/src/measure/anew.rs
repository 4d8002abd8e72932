//! Another register, or other settings: what was known of points that go on, and what is open about those that do not.

use super::{Check, Measure};
use crate::nonconformity::{Nonconformities, Nonconformity};
use crate::plan::Device;
use crate::register::{EquipmentId, Register};
use crate::statement::Statement;
use crate::time::Now;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Measure {
    /// Another register is in force. The days of points that it has too go on; what was held is seen anew.
    pub fn replace(&mut self, devices: &[Device], register: &Register) {
        let next = Self::of(devices, register, self.hold_us);
        let before = std::mem::replace(self, next);
        self.own = before.own;
        self.sweep.orphans = before.sweep.orphans;
        let places = self.trends_by_name();
        for (point, state) in before.points.iter().zip(before.states) {
            let Some(trend) = state.trend.filter(|trend| !trend.days.is_empty()) else { continue };
            let place = places.get(&(Arc::clone(&point.device), Arc::clone(&point.name))).copied();
            let to = place.map(|place| &self.points[place as usize]);
            let days = to.and_then(|to| trend.days.moved(point.exponent(), &point.unit, to));
            match (place, days) {
                (Some(place), Some(days)) => self.remember(place, days),
                _ => self.sweep.forget(&point.device, &point.name),
            }
        }
    }

    /// Every point with a trend, by device and name.
    pub(super) fn trends_by_name(&self) -> BTreeMap<(Arc<str>, Arc<str>), u32> {
        let points = (0_u32..).zip(self.points.iter()).filter(|(_, point)| point.trend.is_some());
        points.map(|(at, point)| ((Arc::clone(&point.device), Arc::clone(&point.name)), at)).collect()
    }

    /// Closes what is open about points that nothing watches any more, and what is open about equipment that is gone.
    pub fn adopt(&mut self, now: &Now, register: &Register, book: &mut Nonconformities) -> Vec<Statement> {
        let mut statements = Vec::new();
        for check in Check::ALL {
            let open = book.of(check.reason()).filter(|nc| !nc.life.ended || register.get(&nc.equipment).is_none());
            let over: Vec<EquipmentId> =
                open.filter(|nc| !self.can_end(check, nc)).map(|nc| nc.equipment.clone()).collect();
            for id in over {
                statements.extend(match register.get(&id) {
                    Some(_) => book.close(now, check.reason(), &id),
                    None => book.removed(check.reason(), &id),
                });
                statements.extend(self.open_other(now, register, (check, &id), book));
            }
        }
        statements
    }

    /// Whether readings can tell that something is over: somebody watches its point, and the register still asks for it.
    fn can_end(&self, check: Check, open: &Nonconformity) -> bool {
        let Some(at) = self.named(&open.facts, &open.equipment) else { return false };
        let point = &self.points[at as usize];
        match check {
            Check::Implausible => true,
            Check::Drift => {
                let reference = point.reference.as_ref().map(|reference| &self.states[reference.point as usize]);
                reference.is_some_and(|reference| reference.watched)
            }
            Check::Degrading => {
                let by_line = super::told::is_by_line(&open.facts);
                point.trend.as_ref().is_some_and(|trend| !by_line || trend.fails_at.is_some())
            }
        }
    }
}
