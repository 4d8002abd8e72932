//! Measures how machine and process do, for heartbeats: `/proc`, `/sys`, the file system and the journal's own commits.
//! What cannot be read is `None`; nothing here fails.

use crate::clock;
use crate::secrecy;
use picket_core::health::Vitals;
use picket_core::time::s;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;

/// Measured so often.
const EVERY_US: u64 = s(60);
/// Commits whose time is kept: some minutes of a quiet site.
const COMMITS: usize = 128;
/// Sensors that are looked at; boards have fewer.
const SENSORS: usize = 32;

/// Belongs to the journal's thread, which may wait for a disk.
#[derive(Debug, Default)]
pub struct Meter {
    next_us: u64,
    commits_us: VecDeque<u64>,
}

impl Meter {
    /// A commit took so long.
    pub fn committed(&mut self, took_us: u64) {
        if self.commits_us.len() == COMMITS {
            self.commits_us.pop_front();
        }
        self.commits_us.push_back(took_us);
    }

    /// Measures, if it is time; `file` is the journal's.
    pub fn look(&mut self, now_us: u64, file: &Path) -> Option<Vitals> {
        if now_us < self.next_us {
            return None;
        }
        self.next_us = now_us + EVERY_US;
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Some(Vitals {
            free_mib: free_mib(file),
            journal_kib: journal_kib(file),
            cpu_us: Some(clock::cpu_us()),
            rss_kib: kib(&read("/proc/self/status"), "VmRSS:"),
            // Less the one that this is read by.
            files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1)),
            ram_mib: kib(&read("/proc/meminfo"), "MemAvailable:").map(|kib| kib / 1_024),
            temp_dc: hottest(),
            commit_us: percentile_99(self.commits_us.iter().copied()),
            late_ms: None,
        })
    }
}

fn free_mib(file: &Path) -> Option<u64> {
    let folder = file.parent()?;
    match rustix::fs::statvfs(folder) {
        Ok(found) => Some(found.f_bavail.saturating_mul(found.f_frsize) / (1024 * 1024)),
        Err(error) => {
            tracing::debug!(%error, folder = %folder.display(), "free space is not known");
            None
        }
    }
}

fn journal_kib(file: &Path) -> Option<u64> {
    let bytes = fs::metadata(file).ok()?.len();
    Some((bytes + fs::metadata(secrecy::beside(file, "-wal")).map_or(0, |log| log.len())) / 1_024)
}

/// The number of a line `name   123 kB` (proc(5): `/proc/meminfo` and `/proc/pid/status`).
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

/// Millidegrees of each zone (kernel documentation, "Generic Thermal Sysfs driver"), in tenths of a degree.
fn hottest() -> Option<i64> {
    let zones = fs::read_dir("/sys/class/thermal").ok()?.take(SENSORS).filter_map(Result::ok);
    let read = |zone: fs::DirEntry| fs::read_to_string(zone.path().join("temp")).ok();
    zones.filter_map(read).filter_map(|text| text.trim().parse::<i64>().ok()).map(|milli| milli / 100).max()
}

/// The least value that 99 of a hundred do not exceed.
fn percentile_99(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    sorted.get((sorted.len() * 99).div_ceil(100).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_measured_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        fs::write(&file, vec![0; 5_000]).unwrap();
        let mut meter = Meter::default();
        [300, 100, 200].into_iter().for_each(|took| meter.committed(took));
        let vitals = meter.look(s(5), &file).unwrap();
        assert_eq!((vitals.journal_kib, vitals.commit_us, vitals.late_ms), (Some(4), Some(300), None));
        for known in [vitals.free_mib, vitals.cpu_us, vitals.rss_kib, vitals.files, vitals.ram_mib] {
            assert!(known.is_some_and(|number| number > 0), "{vitals:?}");
        }
        assert_eq!(meter.look(s(64), &file), None);
        assert!(meter.look(s(65), &file).is_some());
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        let vitals = Meter::default().look(0, Path::new("/nowhere/journal.db")).unwrap();
        assert_eq!((vitals.free_mib, vitals.journal_kib, vitals.commit_us), (None, None, None));
    }

    #[test]
    fn one_slow_commit_of_a_hundred_is_not_told_and_two_are() {
        let times = |slow: usize| (0..100).map(move |n| if n < slow { 9_000 } else { 10 });
        assert_eq!([1, 2].map(|slow| percentile_99(times(slow))), [Some(10), Some(9_000)]);
        assert_eq!(percentile_99(std::iter::empty()), None);
    }

    /// Lines of proc(5).
    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:        1024000 kB\nMemAvailable:     512000 kB\n";
        assert_eq!(kib(text, "MemAvailable:"), Some(512_000));
        assert_eq!((kib(text, "VmRSS:"), kib("VmRSS: x kB", "VmRSS:")), (None, None));
    }
}
