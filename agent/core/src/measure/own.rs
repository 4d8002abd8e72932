//! What the agent measures of each polled device itself: how long its answers take, and how many polls fail.

use super::Measure;
use crate::plan::LineId;
use crate::register::points::{ERRORS_PERMILLE, RESPONSE_MS};
use crate::time::Now;
use picket_device::quantity::{Observation, Quality, Value};
use std::collections::BTreeMap;

/// Polls of which the failed ones are counted: one bit each.
const POLLS: u32 = 64;

/// Per device of the plan.
#[derive(Debug)]
pub(super) struct Own {
    devices: Vec<Polls>,
    /// When the open ask of each line was made.
    asked_us: BTreeMap<LineId, u64>,
}

/// How a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Its last answer came now.
    Answered,
    /// None came, or a damaged one.
    Failed,
}

#[derive(Debug, Clone, Default)]
struct Polls {
    /// The last ones, newest lowest: set = failed.
    failed: u64,
    known: u32,
}

impl Own {
    pub(super) fn new(devices: usize) -> Self {
        Self { devices: vec![Polls::default(); devices], asked_us: BTreeMap::new() }
    }
}

impl Polls {
    /// Thousandths that failed; `None` before so many were made.
    fn took(&mut self, poll: Poll) -> Option<u32> {
        self.failed = (self.failed << 1) | u64::from(poll == Poll::Failed);
        self.known = (self.known + 1).min(POLLS);
        (self.known == POLLS).then(|| self.failed.count_ones() * 1_000 / POLLS)
    }
}

impl Measure {
    /// Something is asked on a line.
    pub fn asked(&mut self, now: &Now, line: LineId) {
        self.own.asked_us.insert(line, now.mono_us);
    }

    /// A poll of a device ended: what follows for the points that the register has of it.
    pub fn polled(&mut self, now: &Now, line: LineId, device: usize, poll: Poll) -> Vec<Observation> {
        let Some(watched) = self.devices.get(device).filter(|watched| watched.asked) else { return Vec::new() };
        let share = self.own.devices[device].took(poll);
        let wanted = |name: &str| watched.points.contains_key(name);
        let asked_us = self.own.asked_us.get(&line).filter(|_| poll == Poll::Answered);
        let took_ms = asked_us.map(|asked| now.mono_us.saturating_sub(*asked) / 1_000);
        let told = [(RESPONSE_MS, took_ms), (ERRORS_PERMILLE, share.map(u64::from))];
        let told = told.into_iter().filter(|(name, _)| wanted(name));
        told.filter_map(|(name, number)| {
            let value = Value::number(i64::try_from(number?).ok()?, 0)?;
            Some(Observation { point: name.to_owned(), value, quality: Quality::Good })
        })
        .collect()
    }
}
