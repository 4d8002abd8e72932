//! A disk that is put back to an older state: the gateway writes a second history until the central side says what it has.

use super::life::Left;
use super::queue::Event;
use super::run::Day;
use super::script::Act;
use super::setup::place;
use picket_core::wire::Rebased;
use picket_record::chain::Parsed;
use picket_record::encode::Link;
use std::collections::{BTreeMap, BTreeSet};

/// What was taken, put back, left and told.
#[derive(Default)]
pub(crate) struct Restored {
    /// The bytes of the disk, and the last record on it.
    image: Option<(Left, u64)>,
    /// The gateway writes a second history.
    pub(crate) apart: bool,
    read_to: u64,
    /// Records of the second history.
    pub(crate) left: BTreeSet<Link>,
    /// Lines of it that arrived at the central side.
    lines: BTreeMap<Link, String>,
    /// Alarms that were open at the central side when the image was put back.
    pub(crate) open_before: BTreeSet<String>,
    /// Those that it no longer knew at the end of the day.
    pub(crate) forgotten: usize,
    /// Numbers of the chain whose records are at the central side alone, and up to where the rest is summed up.
    pub(crate) hole: Option<(u64, u64, u64)>,
}

impl Restored {
    pub(crate) fn arrived(&mut self, lines: &[&[u8]]) {
        for line in lines {
            let record = Parsed::read_bytes(line).expect("a line of a branch reads");
            self.lines.insert(record.link, record.line.to_owned());
        }
    }

    pub(crate) fn missing(&self) -> usize {
        self.left.iter().filter(|link| !self.lines.contains_key(*link)).count()
    }

    /// Camera events and alarms of the second history.
    pub(crate) fn heard_of(&self, heard: &mut BTreeMap<String, u32>, raised: &mut BTreeMap<String, u32>) {
        for line in self.left.iter().filter_map(|link| self.lines.get(link)) {
            let record = Parsed::read(line).expect("it was read when it arrived");
            let payload: serde_json::Value = serde_json::from_str(record.payload()).expect("a payload is JSON");
            match (payload["kind"].as_str(), payload["dev_ts"].as_str(), payload["data"]["rule"].as_str()) {
                (Some("readings"), Some(time), _) => *heard.entry(time.to_owned()).or_default() += 1,
                (Some("alarm.raised"), _, Some(rule)) => {
                    let equipment = payload["eq"].as_str().unwrap_or_default();
                    *raised.entry(format!("{rule}/{equipment}")).or_default() += 1;
                }
                _ => {}
            }
        }
    }
}

impl Day {
    pub(crate) fn take_image(&mut self) {
        if self.agent.is_none() {
            return self.push(self.now_us + 1_000_000, Event::Act(Act::ImageTaken));
        }
        self.read_new();
        let journal = place(self.folder.path(), self.seed).file;
        self.restored.image = Some((Left::read(&journal), self.oracle.len() as u64));
    }

    /// Once nothing that only this disk holds would be gone with it.
    pub(crate) fn put_image_back(&mut self) {
        let all_there = self.central_records() == self.oracle.len() as u64;
        if self.restored.image.is_none() || self.agent.is_none() || !self.linked || !all_there {
            return self.push(self.now_us + 1_700_000, Event::Act(Act::ImagePutBack));
        }
        let Some((image, head)) = self.restored.image.take() else { return };
        self.agent = None;
        self.restored.open_before = self.central_alarms().into_keys().collect();
        image.write(&place(self.folder.path(), self.seed).file);
        (self.restored.apart, self.restored.read_to) = (true, head);
        self.done.images_put_back += 1;
        self.life += 1;
        self.linked = false;
        self.broker.lost();
        self.soon(500_000, 20_000_000, Event::Restart);
    }

    pub(crate) fn read_branch(&mut self) {
        let Some(agent) = &self.agent else { return };
        while let Some((last, text)) = agent.journal.slice(self.restored.read_to).expect("the journal reads") {
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.restored.left.insert(Parsed::read_bytes(line).expect("a stored record reads").link);
            }
            self.restored.read_to = last;
        }
    }

    /// The chain goes on behind what the central side has.
    pub(crate) fn came_back(&mut self, rebased: &Rebased) {
        assert!(self.restored.apart, "seed {}: only a disk that was put back is left: {rebased:?}", self.seed);
        assert_eq!(rebased.upto, self.oracle.len() as u64, "seed {}: behind everything that was sent", self.seed);
        assert_eq!(rebased.tail, "rollback");
        self.restored.apart = false;
        self.restored.hole = Some((rebased.found - rebased.left + 1, rebased.upto, rebased.summed_up));
        self.read_new();
    }

    fn central_records(&self) -> u64 {
        let db = self.central_db();
        db.query_row("SELECT coalesce(max(seq), 0) FROM record", [], |row| row.get(0)).expect("the table reads")
    }
}
