//! The journal's budget with the queue in front of it: from 70 % routine records go, from 85 % all but alarms, and what
//! went is stated in signed gaps that add up. No alarm is dropped, not even while the journal takes nothing at all.

use crate::check::Found;
use crate::runs::Scratch;
use crate::scene;
use picket::journal::{Fault, Journal};
use picket_core::drafts::Drafts;
use picket_core::statement::Commit;
use picket_core::time::{Chance, Now, s};
use picket_record::body::Body;
use picket_record::chain::ChainCheck;
use picket_record::encode::Link;
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use std::sync::Arc;

const BUDGET: u64 = 2_000_000;
/// Rounds that the journal stays full, each with a few records and an alarm.
const FULL_ROUNDS: u64 = 120;
const MOST_ROUNDS: u64 = 20_000;

/// What came out of the journal.
struct Told {
    check: ChainCheck,
    last: u64,
    link: Link,
    /// Records that were pushed.
    pushed: u64,
    /// As gaps state it, and their cumulative counter.
    dropped: u64,
    total: u64,
    alarms: Vec<String>,
}

struct Site {
    told: Told,
    drafts: Drafts,
    journal: Journal,
    chance: Chance,
    now_us: u64,
    pushed: u64,
    alarms: Vec<String>,
    /// Highest fill at which a record of each severity was admitted.
    highest: [u16; 5],
    fill: u16,
    full: u64,
    receipts: u64,
}

/// Fills the journal, leaves it full, gives receipts, and counts.
pub(crate) fn run(seed: u64) -> Result<Found, String> {
    let scratch = Scratch::in_memory("budget")?;
    let (journal, recovered) = scene::open(scratch.path(), BUDGET, seed, 0).map_err(|fault| fault.to_string())?;
    let check = ChainCheck::new(scene::identity());
    let told = Told { check, last: 0, link: [0; 32], pushed: 0, dropped: 0, total: 0, alarms: Vec::new() };
    let mut site = Site {
        told,
        drafts: Drafts::new(recovered.fill_permille),
        journal,
        chance: Chance::new(seed),
        now_us: 0,
        pushed: 0,
        alarms: Vec::new(),
        highest: [0; 5],
        fill: recovered.fill_permille,
        full: 0,
        receipts: 0,
    };
    let mut rounds = 0;
    // A kibibyte of alarms fills what is left once all else is dropped.
    while site.full < FULL_ROUNDS {
        site.round()?;
        rounds += 1;
        if rounds > MOST_ROUNDS {
            return Err(format!("the journal is never full: {} permille", site.fill));
        }
    }
    site.levels()?;
    // The central side is there again: space is made, and everything is stored without a start.
    for _ in 0..400 {
        site.receipt()?;
        site.round()?;
    }
    if site.fill >= 700 {
        return Err(format!("with receipts the journal is still at {} permille", site.fill));
    }
    let before = site.highest;
    site.highest = [0; 5];
    site.round()?;
    if site.highest[0] == 0 {
        return Err(format!("routine records are not taken again: {before:?}"));
    }
    site.settle()?;
    site.add_up()
}

impl Site {
    fn now(&self) -> Now {
        let when = scene::at(self.now_us);
        Now {
            mono_us: self.now_us,
            utc_ms: when.wall_ms,
            trusted: true,
            quality: when.clock,
            boot: Arc::clone(&when.boot),
        }
    }

    fn push(&mut self, kind: Kind, severity: Severity, data: serde_json::Value, commit: Commit) {
        let body: Body = scene::body(self.now_us, kind, severity, data);
        self.pushed += 1;
        if self.drafts.push(&self.now(), body, commit).is_some() {
            let highest = &mut self.highest[severity as usize];
            *highest = (*highest).max(self.drafts.fill_permille());
        }
    }

    fn round(&mut self) -> Result<(), String> {
        self.now_us += s(1);
        let text = "x".repeat(400 + self.chance.below(400) as usize);
        for n in 0..6 {
            let severity = [Severity::Info, Severity::Notice, Severity::Fault][n % 3];
            self.push(Kind::HealthInput, severity, json!({ "n": n, "x": text }), Commit::Now);
        }
        let alarm = format!("door/{}", self.alarms.len());
        let long = "y".repeat(3_000);
        self.push(Kind::AlarmRaised, Severity::Security, json!({ "alarm": alarm, "x": long }), Commit::Now);
        self.alarms.push(alarm.clone());
        // An open alarm is a row that stays.
        self.push(Kind::AlarmClosed, Severity::Notice, json!({ "alarm": alarm }), Commit::Now);
        self.store()
    }

    /// Hands out what is due until nothing is, or until it is refused.
    fn store(&mut self) -> Result<(), String> {
        while let Some((through, bodies)) = self.drafts.next_append(&self.now()) {
            match self.journal.append(&bodies) {
                Ok(stored) => {
                    self.fill = stored.fill_permille;
                    self.drafts.stored(through, stored.fill_permille);
                    self.tell()?;
                }
                Err(Fault::Full { .. }) => {
                    self.full += 1;
                    self.drafts.failed(&self.now());
                    return Ok(());
                }
                Err(fault) => return Err(fault.to_string()),
            }
        }
        Ok(())
    }

    fn levels(&self) -> Result<(), String> {
        let [info, notice, fault, security, _] = self.highest;
        let closed_at = self.highest;
        // Closing is vital and a notice: it says nothing of notices, so health is looked at by its own severities.
        if info >= 700 || fault >= 850 || security < 850 {
            return Err(format!("admitted up to (permille, by severity): {closed_at:?}, notices {notice}"));
        }
        Ok(())
    }

    fn receipt(&mut self) -> Result<(), String> {
        self.receipts += 1;
        let line = scene::receipt(self.receipts, self.told.last, self.told.link, self.now_us);
        self.journal.receipt(&line, &scene::at(self.now_us)).map(drop).map_err(|fault| fault.to_string())
    }

    /// What was stored since, told outside at once.
    fn tell(&mut self) -> Result<(), String> {
        while let Some((last, lines)) = self.journal.slice(self.told.last).map_err(|fault| fault.to_string())? {
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.told.line(line)?;
            }
            self.told.last = last;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), String> {
        self.drafts.state_gap(&self.now());
        self.drafts.flush(&self.now());
        for _ in 0..100 {
            self.now_us += s(2);
            self.store()?;
            if self.drafts.not_stored() == 0 {
                return Ok(());
            }
        }
        Err(format!("{} drafts are never stored", self.drafts.not_stored()))
    }

    /// What is stored and what is stated as dropped is what was pushed.
    fn add_up(self) -> Result<Found, String> {
        let Self { told, drafts, alarms, pushed, .. } = self;
        let summary = told.check.finish();
        if summary.contradictions > 0 || summary.declared_losses != told.dropped {
            return Err(format!("{summary:?}"));
        }
        if told.dropped != drafts.dropped() || told.total != told.dropped || told.dropped == 0 {
            let dropped = drafts.dropped();
            return Err(format!("gaps say {}, their counter {}, {dropped} were dropped", told.dropped, told.total));
        }
        if told.pushed + told.dropped != pushed {
            return Err(format!("{pushed} pushed, {} stored, {} dropped", told.pushed, told.dropped));
        }
        if told.alarms != alarms {
            return Err(format!("{} alarms are stored, {} were raised", told.alarms.len(), alarms.len()));
        }
        Ok(Found { records: summary.records, ..Found::default() })
    }
}

impl Told {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let record = self.check.line(line).map_err(|why| why.to_string())?;
        let data = record.data();
        self.link = record.link;
        match record.kind {
            Kind::GapDropped => {
                self.dropped += data["n"].as_u64().unwrap_or(0);
                self.total = data["total"].as_u64().unwrap_or(0);
            }
            Kind::AlarmRaised => {
                self.pushed += 1;
                self.alarms.push(data["alarm"].as_str().unwrap_or_default().to_owned());
            }
            Kind::AlarmClosed | Kind::HealthInput => self.pushed += 1,
            _ => {}
        }
        Ok(())
    }
}
