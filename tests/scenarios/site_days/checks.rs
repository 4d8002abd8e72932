//! What must hold: after each step, at the end of the day, and after the stop.

use super::run::Day;
use super::script::{is_put_back, stated};
use super::setup::{IDENTITY, central_db, is_tight};
use picket_record::chain::{ChainCheck, Parsed};
use picket_record::keys::IdentityKey;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// An open alarm, as far as both sides tell it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OpenAlarm {
    active: bool,
    acknowledged: bool,
    severity: u8,
}

impl Day {
    /// What the central side has, by SQL.
    pub(crate) fn central_db(&self) -> Connection {
        central_db(self.folder.path())
    }

    /// Every record ever stored is still there under its number, but for the oldest, where the journal was too small for
    /// the day. Those had receipts: at the end the central side has every one.
    pub(crate) fn check_kept(&self, from: u64) -> bool {
        let Some(agent) = &self.agent else { return false };
        let mut after = from;
        let mut first = None;
        while let Some((last, text)) = agent.journal.slice(after).expect("the journal reads") {
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let record = Parsed::read_bytes(line).expect("a stored record reads");
                first.get_or_insert(record.seq);
                if self.restored.left.contains(&record.link) {
                    continue;
                }
                let Some(known) = self.oracle.get(record.seq as usize - 1) else { continue };
                assert_eq!(*known, record.link, "seed {}: record {} was written twice", self.seed, record.seq);
            }
            after = last;
        }
        assert!(after >= self.oracle.len() as u64, "seed {}: stored records are lost after {after}", self.seed);
        let disposed = first.is_some_and(|first| first > from + 1);
        assert!(
            is_tight(self.seed) || !disposed || is_put_back(self.seed),
            "seed {}: records are gone before {first:?}",
            self.seed
        );
        disposed
    }

    pub(crate) fn check_agreement(&mut self) {
        let now = self.now();
        let agent = self.agent.as_ref().expect("the agent runs");
        let shown = agent.site.status(&now).alarms.into_iter().map(|alarm| {
            let (active, acknowledged) = (alarm.active, alarm.acknowledged_by.is_some());
            (alarm.id, OpenAlarm { active, acknowledged, severity: alarm.severity })
        });
        let site: BTreeMap<String, OpenAlarm> = shown.collect();
        assert_eq!(site, self.central_alarms(), "seed {}: open alarms of site and central side", self.seed);
        self.restored.forgotten = self.check_no_longer_known(&site);
        assert!(self.broker.is_empty(), "seed {}: every message was confirmed", self.seed);
    }

    /// A disk that was put back has forgotten alarms: each of them is shown as such at the central side, or rang again and
    /// was closed. None stays open as if its gateway knew it, none is gone.
    fn check_no_longer_known(&self, site: &BTreeMap<String, OpenAlarm>) -> usize {
        let db = self.central_db();
        let all = |sql: &str| -> BTreeSet<String> {
            let mut statement = db.prepare(sql).expect("the table is there");
            let rows = statement.query_map([], |row| row.get(0)).expect("the table reads");
            rows.collect::<Result<_, _>>().expect("rows read")
        };
        let forgotten = all("SELECT alarm_id FROM open_alarm WHERE unknown_seq IS NOT NULL");
        assert!(forgotten.is_subset(&self.restored.open_before), "seed {}: {forgotten:?}", self.seed);
        let behind = self.restored.hole.map_or(u64::MAX, |(_, upto, _)| upto);
        let closed: BTreeSet<String> =
            all(&format!("SELECT line FROM record WHERE kind='alarm.closed' AND seq>{behind}"))
                .iter()
                .filter_map(|line| Parsed::read(line).ok()?.data().get("alarm")?.as_str().map(str::to_owned))
                .collect();
        for alarm in &self.restored.open_before {
            let kept = forgotten.contains(alarm) || site.contains_key(alarm) || closed.contains(alarm);
            assert!(kept, "seed {}: {alarm} was open at the central side and is gone", self.seed);
        }
        forgotten.len()
    }

    pub(crate) fn central_alarms(&self) -> BTreeMap<String, OpenAlarm> {
        let db = self.central_db();
        let mut statement = db
            .prepare("SELECT alarm_id, cleared_seq IS NULL, acked_seq IS NOT NULL, sev FROM open_alarm WHERE unknown_seq IS NULL")
            .expect("the table is there");
        let rows = statement.query_map([], |row| {
            let (active, acknowledged, severity) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((row.get(0)?, OpenAlarm { active, acknowledged, severity }))
        });
        let rows = rows.expect("the table reads");
        rows.collect::<Result<_, _>>().expect("rows read")
    }

    /// The journal's records verify as one chain, and the central side holds the same ones, and each camera event once.
    pub(crate) fn check_everything(&mut self) {
        let disposed = self.check_kept(0);
        assert_eq!(disposed, is_tight(self.seed), "seed {}: whether records were disposed of", self.seed);
        let mut check = ChainCheck::new(IdentityKey::from_seed(IDENTITY).public());
        let db = self.central_db();
        let mut statement = db.prepare("SELECT seq, line, link FROM record ORDER BY seq").expect("the table is there");
        let mut rows = statement.query([]).expect("the table reads");
        let mut heard: BTreeMap<String, u32> = BTreeMap::new();
        let mut raised: BTreeMap<String, u32> = BTreeMap::new();
        let mut last = 0usize;
        while let Some(row) = rows.next().expect("rows read") {
            let (line, link): (String, [u8; 32]) = (row.get(1).expect("a line"), row.get(2).expect("a link"));
            assert_eq!(Some(&link), self.oracle.get(last), "seed {}: central record {}", self.seed, last + 1);
            last += 1;
            let record = check.line(line.as_bytes()).unwrap_or_else(|c| panic!("seed {}: {c}", self.seed));
            let payload: serde_json::Value = serde_json::from_str(record.payload()).expect("a payload is JSON");
            assert_ne!(payload["kind"], "journal.recovered", "seed {}: a kill damages nothing: {payload}", self.seed);
            match (payload["kind"].as_str(), payload["dev_ts"].as_str(), payload["data"]["rule"].as_str()) {
                (Some("readings"), Some(time), _) => *heard.entry(time.to_owned()).or_default() += 1,
                (Some("alarm.raised"), _, Some(rule)) => {
                    let equipment = payload["eq"].as_str().unwrap_or_default();
                    *raised.entry(format!("{rule}/{equipment}")).or_default() += 1;
                }
                _ => {}
            }
        }
        self.restored.heard_of(&mut heard, &mut raised);
        assert!(self.restored.missing() == 0, "seed {}: the central side has both branches", self.seed);
        assert_eq!(last, self.oracle.len(), "seed {}: the central side has every record", self.seed);
        assert_eq!(check.finish().contradictions, 0);
        for time in &self.camera_ledger {
            let times = heard.get(time).copied().unwrap_or(0);
            assert_eq!(times, 1, "seed {}: camera event of {time} is recorded {times} times", self.seed);
        }
        self.check_alarms(&raised);
        self.check_summaries();
        assert_eq!(self.done, stated(self.seed), "seed {}: the day had other faults than it states", self.seed);
    }

    /// What the script did is told. A contact may turn while its module is mute or the agent is down, so polled alarms
    /// have a least number; a camera's broker keeps what nobody took, so its alarms have an exact one.
    pub(crate) fn check_alarms(&self, raised: &BTreeMap<String, u32>) {
        let told = |alarm: &str| raised.get(alarm).copied().unwrap_or(0);
        for (alarm, least) in [
            ("door-forced/DOOR-N1", 2),
            ("door-held/DOOR-N2", 2),
            ("panel-alarm/PANEL-YARD", 1),
            ("tamper/IO-GATE-1", 1),
            ("seal-mismatch/SEAL-L2", 1),
            ("silent/IO-GATE-1", 1),
            ("silent/PANEL-YARD", 1),
        ] {
            assert!(told(alarm) >= least, "seed {}: {alarm} was raised {} times of {least}", self.seed, told(alarm));
        }
        if is_put_back(self.seed) {
            return;
        }
        assert_eq!(told("view-lost/CAM-08"), 3, "seed {}: a covered camera is told each time", self.seed);
        assert_eq!(told("view-lost/unlisted:cam-99"), 1, "seed {}: an unlisted camera rings too", self.seed);
    }
}
