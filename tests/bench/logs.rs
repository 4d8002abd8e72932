//! Reading the logs of `bench-sim` and `bench-sub`.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A point of a device: `r` register or `d` input, and its address.
pub(crate) type Point = (u16, char, u16);

/// A value of a point. A counting register never says the same twice, so there each is one event.
pub(crate) type Event = (Point, i64);

/// What the simulator did.
#[derive(Debug, Default)]
pub(crate) struct SimLog {
    /// When each value appeared.
    pub(crate) changes: Vec<(u64, Event)>,
    /// When each value was read for the first time.
    pub(crate) reads: Vec<(u64, Event)>,
    /// When the changes ended.
    pub(crate) ended: Option<u64>,
}

impl SimLog {
    /// Reads a log; lines that are not whole yet are left out.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let mut log = Self::default();
        for line in text(path)?.lines() {
            log.take(line);
        }
        Ok(log)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split(' ').collect();
        let t: u64 = fields.get(1)?.parse().ok()?;
        if fields[0] == "D" {
            self.ended = Some(t);
            return Some(());
        }
        let &[what @ ("C" | "R"), _, device, kind, address, value] = fields.as_slice() else { return None };
        let kind = if kind == "b" { 'd' } else { 'r' };
        let event = ((device.parse().ok()?, kind, address.parse().ok()?), value.parse().ok()?);
        if what == "C" {
            self.changes.push((t, event))
        } else {
            self.reads.push((t, event))
        }
        Some(())
    }
}

/// A record as the subscriber or a database holds it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its number.
    pub(crate) seq: u64,
    /// Its epoch: one for each start of the agent.
    pub(crate) ep: u64,
    /// SHA-256 of its signed bytes, in hexadecimal.
    pub(crate) link: String,
    /// Its kind.
    pub(crate) kind: String,
    /// The values it states.
    pub(crate) events: Vec<Event>,
}

impl Record {
    /// From `seq ep link kind dev points`.
    pub(crate) fn parse(fields: &[&str]) -> Option<Self> {
        let &[seq, ep, link, kind, device, points] = fields else { return None };
        let (seq, ep) = (seq.parse().ok()?, ep.parse().ok()?);
        Some(Self { seq, ep, link: link.into(), kind: kind.into(), events: events(device, points) })
    }
}

/// `dev3` and `r5=123,r6=1` as events.
fn events(device: &str, points: &str) -> Vec<Event> {
    let Some(device) = device.strip_prefix("dev").and_then(|n| n.parse().ok()) else { return Vec::new() };
    let event = |text: &str| -> Option<Event> {
        let (point, value) = text.split_once('=')?;
        let kind = point.chars().next()?;
        Some(((device, kind, point.get(1..)?.parse().ok()?), value.parse().ok()?))
    };
    points.split(',').filter_map(event).collect()
}

/// What arrived at the subscriber.
#[derive(Debug, Default)]
pub(crate) struct SubLog {
    /// Records, each at its first arrival, in the order of arrival.
    pub(crate) records: Vec<(u64, Record)>,
    /// Values, from records or from the floor's messages, in the order of arrival; deliveries that repeat are left out.
    pub(crate) values: Vec<(u64, Event)>,
    /// The same number with another link: two records of one number were published.
    pub(crate) forked: Vec<u64>,
    /// Messages that could not be read as records.
    pub(crate) unreadable: usize,
}

impl SubLog {
    /// Reads a log; lines that are not whole yet are left out.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let mut log = Self::default();
        let mut links = BTreeMap::new();
        for line in text(path)?.lines() {
            log.take(line, &mut links);
        }
        Ok(log)
    }

    fn take(&mut self, line: &str, links: &mut BTreeMap<u64, String>) -> Option<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        let t: u64 = fields.get(1)?.parse().ok()?;
        match fields.as_slice() {
            ["P", _, _lane, _dup, record @ ..] => {
                let record = Record::parse(record)?;
                match links.get(&record.seq) {
                    Some(link) if *link == record.link => return Some(()),
                    Some(_) => self.forked.push(record.seq),
                    None => drop(links.insert(record.seq, record.link.clone())),
                }
                self.values.extend(record.events.iter().map(|event| (t, *event)));
                self.records.push((t, record));
            }
            ["B", _, "0", device, points] => self.values.extend(events(device, points).into_iter().map(|e| (t, e))),
            ["X", _, topic, what] if !topic.ends_with("/ask") && what.starts_with("not a record") => {
                self.unreadable += 1;
            }
            _ => {}
        }
        Some(())
    }
}

/// A log that is followed while it grows.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    offset: u64,
    rest: String,
}

impl Tail {
    /// From its beginning.
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), offset: 0, rest: String::new() }
    }

    /// The lines that came since the last look.
    pub(crate) fn lines(&mut self) -> Result<Vec<String>, String> {
        let read = || -> std::io::Result<String> {
            let mut file = std::fs::File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text)
        };
        let fresh = read().map_err(|error| format!("{}: {error}", self.path.display()))?;
        self.offset += fresh.len() as u64;
        self.rest.push_str(&fresh);
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let lines = self.rest[..whole].lines().map(str::to_owned).collect();
        self.rest.drain(..whole);
        Ok(lines)
    }
}

/// A log without a last line that is still being written.
fn text(path: &Path) -> Result<String, String> {
    let mut text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_log_is_read_as_written() {
        let mut log = SimLog::default();
        for line in ["C 5 3 r 0 17", "R 9 3 r 0 17", "C 6 0 b 0 1", "S 10 1 2 3", "D 11", "R 12 3"] {
            log.take(line);
        }
        assert_eq!(log.changes, [(5, ((3, 'r', 0), 17)), (6, ((0, 'd', 0), 1))]);
        assert_eq!(log.reads, [(9, ((3, 'r', 0), 17))]);
        assert_eq!(log.ended, Some(11));
    }

    #[test]
    fn a_record_delivered_again_counts_once_and_another_one_of_its_number_is_a_fork() {
        let (mut log, mut links) = (SubLog::default(), BTreeMap::new());
        for line in [
            "P\t5\trecord\t0\t3\t1\taa\treadings\tdev0\tr0=1,r5=2",
            "P\t6\turgent\t1\t3\t1\taa\treadings\tdev0\tr0=1,r5=2",
            "P\t7\trecord\t0\t3\t1\tbb\treadings\tdev0\tr0=9",
            "B\t8\t0\tdev2\td0=1",
            "B\t9\t1\tdev2\td0=1",
            "X\t9\tsms/v1/gw-bench/receipt\t300 bytes",
        ] {
            log.take(line, &mut links);
        }
        let values = [(5, ((0, 'r', 0), 1)), (5, ((0, 'r', 5), 2)), (7, ((0, 'r', 0), 9)), (8, ((2, 'd', 0), 1))];
        assert_eq!(log.values, values);
        assert_eq!((log.forked, log.unreadable), (vec![3], 0));
    }
}
