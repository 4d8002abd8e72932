//! How machine and process do: what the daemon measures, and the twelve numbers that every heartbeat states of it.
//!
//! Decides nothing by them. What was not measured is null, never a number that looks good.

use crate::time::Now;
use serde::{Deserialize, Serialize};

/// What the daemon measured, at most once a minute; `None` where the machine does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Free space of the journal's file system, in MiB.
    pub free_mib: Option<u64>,
    /// The journal's file with its log, in KiB.
    pub journal_kib: Option<u64>,
    /// Processor time of this process since it began, in microseconds.
    pub cpu_us: Option<u64>,
    /// Resident memory of this process, in KiB.
    pub rss_kib: Option<u64>,
    /// Files and sockets that it has open.
    pub files: Option<u64>,
    /// Memory that the machine could still give out, in MiB.
    pub ram_mib: Option<u64>,
    /// Hottest sensor, in tenths of a degree Celsius.
    pub temp_dc: Option<i64>,
    /// 99 of a hundred of the last commits took no longer, in microseconds.
    pub commit_us: Option<u64>,
    /// The longest that the thinking task came too late since this was measured last, in milliseconds.
    pub late_ms: Option<u64>,
}

/// The twelve numbers of a heartbeat, and of the status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Processor time between the last two measurements, in thousandths of one core.
    pub cpu_permille: Option<u64>,
    /// As [`Vitals::rss_kib`].
    pub rss_kib: Option<u64>,
    /// As [`Vitals::files`].
    pub files: Option<u64>,
    /// As [`Vitals::ram_mib`].
    pub ram_mib: Option<u64>,
    /// As [`Vitals::temp_dc`].
    pub temp_dc: Option<i64>,
    /// As [`Vitals::journal_kib`].
    pub journal_kib: Option<u64>,
    /// As [`Vitals::commit_us`].
    pub commit_us: Option<u64>,
    /// As [`Vitals::late_ms`].
    pub late_ms: Option<u64>,
    /// The most events that waited for the journal since the last heartbeat.
    pub queue: u64,
    /// Asks and messages that failed since the start.
    pub faults: u64,
    /// Times that the link to the central side was made since the start.
    pub links: u64,
    /// Seconds since the start.
    pub up_s: u64,
}

/// Keeps the last measurement.
#[derive(Debug)]
pub(crate) struct Health {
    started_us: u64,
    vitals: Vitals,
    /// When the processor time was last looked at, and what it was.
    cpu: (u64, u64),
    cpu_permille: Option<u64>,
    queue: u64,
}

impl Health {
    pub(crate) fn new(now: &Now) -> Self {
        let started_us = now.mono_us;
        Self { started_us, vitals: Vitals::default(), cpu: (started_us, 0), cpu_permille: None, queue: 0 }
    }

    pub(crate) fn measured(&mut self, now: &Now, vitals: Vitals) {
        let (at_us, before_us) = self.cpu;
        let passed_us = now.mono_us.saturating_sub(at_us);
        self.cpu_permille = vitals
            .cpu_us
            .and_then(|cpu_us| cpu_us.saturating_sub(before_us).saturating_mul(1_000).checked_div(passed_us));
        self.cpu = (now.mono_us, vitals.cpu_us.unwrap_or(before_us));
        self.vitals = vitals;
    }

    /// So many events wait for the journal.
    pub(crate) fn queued(&mut self, waiting: u64) {
        self.queue = self.queue.max(waiting);
    }

    /// A heartbeat states the numbers: the next one counts from here.
    pub(crate) fn told(&mut self) {
        self.queue = 0;
    }

    pub(crate) fn free_mib(&self) -> Option<u64> {
        self.vitals.free_mib
    }

    pub(crate) fn numbers(&self, now: &Now, faults: u64, links: u64) -> Numbers {
        let Vitals { free_mib: _, journal_kib, cpu_us: _, rss_kib, files, ram_mib, temp_dc, commit_us, late_ms } =
            self.vitals;
        let (cpu_permille, queue) = (self.cpu_permille, self.queue);
        let up_s = now.mono_us.saturating_sub(self.started_us) / 1_000_000;
        Numbers {
            cpu_permille,
            rss_kib,
            files,
            ram_mib,
            temp_dc,
            journal_kib,
            commit_us,
            late_ms,
            queue,
            faults,
            links,
            up_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::at;
    use crate::time::s;

    #[test]
    fn twelve_numbers_are_told_and_what_was_not_measured_is_null() {
        let health = Health::new(&at(s(5)));
        let told = serde_json::to_value(health.numbers(&at(s(65)), 3, 1)).unwrap();
        let told = told.as_object().unwrap();
        assert_eq!((told.len(), told["up_s"].as_u64()), (12, Some(60)));
        let unknown = told.values().filter(|number| number.is_null()).count();
        assert_eq!(unknown, 8, "{told:?}");
    }

    #[test]
    fn processor_time_is_told_of_the_last_measured_stretch_alone() {
        let mut health = Health::new(&at(0));
        let used = |cpu_us| Vitals { cpu_us: Some(cpu_us), ..Vitals::default() };
        health.measured(&at(s(60)), used(s(30)));
        assert_eq!(health.numbers(&at(s(60)), 0, 0).cpu_permille, Some(500));
        health.measured(&at(s(120)), used(s(33)));
        assert_eq!(health.numbers(&at(s(120)), 0, 0).cpu_permille, Some(50));
        health.measured(&at(s(180)), Vitals::default());
        assert_eq!(health.numbers(&at(s(180)), 0, 0).cpu_permille, None);
        health.measured(&at(s(180)), used(s(34)));
        assert_eq!(health.numbers(&at(s(180)), 0, 0).cpu_permille, None, "no time passed");
    }

    #[test]
    fn the_longest_queue_is_told_once() {
        let mut health = Health::new(&at(0));
        [3, 9, 0].into_iter().for_each(|waiting| health.queued(waiting));
        assert_eq!(health.numbers(&at(0), 0, 0).queue, 9);
        health.told();
        assert_eq!(health.numbers(&at(0), 0, 0).queue, 0);
    }
}
