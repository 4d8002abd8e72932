//! What comes back by itself: start, heartbeat, snapshot; and the counters behind them.

use super::Site;
use crate::health::Numbers;
use crate::orders;
use crate::plan::LineId;
use crate::register::{EquipmentId, Register};
use crate::statement::Statement;
use crate::time::{Now, s};
use crate::wire::{Output, Rebased, Recovered, StateRow};
use picket_device::modbus::Fault;
use picket_record::encode::base64url;
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::State;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A snapshot of the state rows is signed so often, and at every stop in order.
const SNAPSHOT_US: u64 = s(3_600);
/// Unreadable input of one line, and refused receipts, are recorded at most so often; in between they are counted.
const UNREADABLE_US: u64 = s(60);
/// A central side whose count went back is asked at most so often.
const ASK_AGAIN_US: u64 = s(10);
/// Longest cause that a record quotes, in characters.
pub(super) const MAX_CAUSE: usize = 500;

/// Records of one unlisted sender in a minute: enough to see what it does, too few to fill a disk.
const UNLISTED_A_MINUTE: u32 = 20;

/// Counters of one run, and when the next routine work is due.
#[derive(Debug)]
pub(super) struct Tally {
    heartbeat_us: u64,
    snapshot_us: u64,
    by_severity: [u64; 5],
    faults: BTreeMap<&'static str, u64>,
    lines: Vec<LineTally>,
    refused: u64,
    refused_from: u64,
    /// The central side is asked from here on, where its count went back.
    asked_from: u64,
    /// How the central side sees the chain, as last stated, and when a change may be stated again.
    seen_as: State,
    seen_from: u64,
    unlisted: BTreeMap<EquipmentId, Spoken>,
}

/// What one unlisted sender said in the minute that runs. There are as many as `crate::standing` tells apart.
#[derive(Debug, Default)]
struct Spoken {
    until_us: u64,
    recorded: u32,
    skipped: u64,
}

/// Counters of one line.
#[derive(Debug, Default, Clone)]
pub(super) struct LineTally {
    pub(super) good: u64,
    pub(super) faults: u64,
    pub(super) fault: Option<String>,
    open_ask: Option<u64>,
    unreadable: u64,
    unreadable_from: Option<u64>,
}

impl Tally {
    pub(super) fn new(now: &Now, lines: usize) -> Self {
        Self {
            heartbeat_us: now.mono_us,
            snapshot_us: now.mono_us + SNAPSHOT_US,
            by_severity: [0; 5],
            faults: BTreeMap::new(),
            lines: vec![LineTally::default(); lines],
            refused: 0,
            refused_from: 0,
            asked_from: 0,
            seen_as: State::Ok,
            seen_from: 0,
            unlisted: BTreeMap::new(),
        }
    }

    pub(super) fn deadline(&self) -> u64 {
        self.heartbeat_us.min(self.snapshot_us)
    }

    pub(super) fn recorded(&mut self, severity: Severity) {
        self.by_severity[severity as usize] += 1;
    }

    pub(super) fn line(&self, index: usize) -> Option<&LineTally> {
        self.lines.get(index)
    }

    pub(super) fn asked(&mut self, line: LineId, ask: u64) {
        if let Some(tally) = self.lines.get_mut(usize::from(line.0)) {
            tally.open_ask = Some(ask);
        }
    }

    /// Whether this is the outcome that is waited for; it closes the ask.
    pub(super) fn is_open(&mut self, line: LineId, ask: u64) -> bool {
        let tally = self.lines.get_mut(usize::from(line.0));
        tally.is_some_and(|tally| tally.open_ask.take_if(|open| *open == ask).is_some())
    }

    /// Counts an outcome. True where a good one ends a fault that was shown.
    pub(super) fn line_outcome(&mut self, line: LineId, fault: Option<&Fault>) -> bool {
        let Some(tally) = self.lines.get_mut(usize::from(line.0)) else { return false };
        match fault {
            None => {
                tally.good += 1;
                tally.fault.take().is_some()
            }
            Some(fault) => {
                tally.faults += 1;
                *self.faults.entry(class(fault)).or_default() += 1;
                false
            }
        }
    }

    /// Remembers a fault for people. True where it is another than before.
    pub(super) fn line_fault(&mut self, line: LineId, device: &str, fault: &Fault) -> bool {
        let Some(tally) = self.lines.get_mut(usize::from(line.0)) else { return false };
        let mut text = String::new();
        let _ = write!(text, "{device}: {fault}");
        let changed = tally.fault.as_ref() != Some(&text);
        tally.fault = Some(text);
        changed
    }

    /// A speaking line was opened or lost. True where that is news.
    pub(super) fn line_turned(&mut self, line: LineId, fault: Option<String>) -> bool {
        let Some(tally) = self.lines.get_mut(usize::from(line.0)) else { return false };
        let news = tally.fault.is_some() != fault.is_some();
        tally.faults += u64::from(fault.is_some());
        tally.fault = fault;
        news
    }

    /// Whether something unlisted may be recorded once more in this minute; how much was skipped before.
    pub(super) fn unlisted(&mut self, now: &Now, id: &EquipmentId) -> Option<u64> {
        let spoken = self.unlisted.entry(id.clone()).or_default();
        if now.mono_us >= spoken.until_us {
            spoken.until_us = now.mono_us + UNREADABLE_US;
            spoken.recorded = 0;
        }
        if spoken.recorded >= UNLISTED_A_MINUTE {
            spoken.skipped += 1;
            return None;
        }
        spoken.recorded += 1;
        Some(std::mem::take(&mut spoken.skipped))
    }

    /// Something unlisted is no longer told apart.
    pub(super) fn forget(&mut self, id: &EquipmentId) {
        self.unlisted.remove(id);
    }

    /// Counts unreadable input; how many since the last record where one is due.
    pub(super) fn unreadable(&mut self, now: &Now, line: LineId, cause: &str) -> Option<u64> {
        let class = if cause.starts_with("payload of") { "oversize" } else { "unreadable" };
        *self.faults.entry(class).or_default() += 1;
        let tally = self.lines.get_mut(usize::from(line.0))?;
        tally.faults += 1;
        tally.unreadable += 1;
        if tally.unreadable_from.is_some_and(|from| now.mono_us < from) {
            return None;
        }
        tally.unreadable_from = Some(now.mono_us + UNREADABLE_US);
        Some(std::mem::take(&mut tally.unreadable))
    }
}

fn class(fault: &Fault) -> &'static str {
    match fault {
        Fault::Timeout(_) => "timeout",
        Fault::Exception(_) => "exception",
        Fault::WrongCount { .. } => "wrong-count",
        Fault::WrongUnit => "wrong-unit",
        Fault::Damaged(_) => "damaged",
        Fault::Closed => "closed",
        Fault::Unreachable(_) => "unreachable",
    }
}

impl Site {
    pub(super) fn started(&mut self, now: &Now, version: &str, recovered: &Recovered, register_changed: bool) {
        let Recovered { tail, rows, root, .. } = recovered;
        let lines = self.plan.lines.len();
        let data = json!({ "version": version, "tail": tail, "lines": lines, "devices": self.plan.devices.len() });
        self.record(now, Statement::new(Kind::ActStarted, Severity::Notice, data));
        let digest = hex(&self.plan.settings_digest);
        if row(rows, "settings").and_then(|r| r.get("digest").cloned()) != Some(Value::String(digest.clone())) {
            self.record(now, Statement::new(Kind::SettingsApplied, Severity::Notice, json!({ "digest": digest })));
        }
        // One that came down before a crash is in force, and no record says so yet.
        let stated = row(rows, "root").and_then(|row| row.get("hash").cloned());
        if let Some((ver, hash)) = root.filter(|(_, hash)| stated != Some(Value::String(base64url(hash)))) {
            self.record(now, orders::root_applied(ver, &hash));
        }
        if register_changed {
            let applied = register_applied(self.standings.register());
            self.record(now, applied);
        }
        let drill = row(rows, "drill");
        self.record_all(now, orders::ended_by_start(now, drill.as_ref()));
        if let Some(cause) = self.register_refused.clone() {
            let cause: String = cause.chars().take(MAX_CAUSE).collect();
            let data = json!({ "cause": cause, "in_force": self.standings.register().version() });
            self.record(now, Statement::new(Kind::RegisterRejected, Severity::Fault, data));
        }
    }

    /// A receipt that the journal refused.
    pub(super) fn receipt_refused(&mut self, now: &Now, cause: &str) {
        self.tally.refused += 1;
        if now.mono_us < self.tally.refused_from {
            return;
        }
        self.tally.refused_from = now.mono_us + UNREADABLE_US;
        let cause: String = cause.chars().take(MAX_CAUSE).collect();
        let data = json!({ "cause": cause, "n": std::mem::take(&mut self.tally.refused) });
        self.record(now, Statement::new(Kind::ReceiptBad, Severity::Security, data));
    }

    /// A receipt that counts lower than the newest. The question names that one, and the central side counts on from there.
    pub(super) fn receipt_behind(&mut self, now: &Now) {
        let check = self.checks.answered();
        self.check(check);
        let Some(session) = self.uplink.session().filter(|_| now.mono_us >= self.tally.asked_from) else { return };
        self.tally.asked_from = now.mono_us + ASK_AGAIN_US;
        self.outputs.push_back(Output::AskReceipt { session });
    }

    /// How a receipt sees the chain, where that is news: records that are on their way late are none. Anybody who may
    /// publish for this gateway can have something refused, so it is stated at most once a minute.
    pub(super) fn seen_by_central(&mut self, now: &Now, state: State) {
        let state = if state == State::Gap { State::Ok } else { state };
        if state == self.tally.seen_as || now.mono_us < self.tally.seen_from {
            return;
        }
        self.tally.seen_as = state;
        self.tally.seen_from = now.mono_us + UNREADABLE_US;
        let severity = if state == State::Ok { Severity::Notice } else { Severity::Security };
        self.record(now, Statement::new(Kind::HealthCentral, severity, json!({ "seen_as": state.as_str() })));
    }

    /// The journal left its branch. Drafts under way are stored behind it.
    pub(super) fn rebased(&mut self, now: &Now, rebased: Rebased) {
        let Rebased { tail, found, upto, left, .. } = &rebased;
        let data = json!({ "tail": tail, "found": found, "upto": upto, "left": left });
        self.alarms.said_again(rebased.head);
        self.alarms.nameless(rebased.nameless_from, rebased.head);
        self.uplink.rebased(now, &rebased);
        self.affected.went_back(self.nonconformities.doubts());
        self.summaries.went_back(now, &rebased);
        self.changed_if(true);
        self.record(now, Statement::new(Kind::HealthCentral, Severity::Security, data));
    }

    /// Heartbeats and snapshots that are due.
    pub(super) fn routine(&mut self, now: &Now) {
        if self.stopping.is_some() {
            return;
        }
        if now.mono_us >= self.tally.heartbeat_us {
            self.tally.heartbeat_us = now.mono_us + self.heartbeat_us();
            self.beat(now, None);
            self.judge_orders(now);
            self.judge_certificate(now);
        }
        if now.mono_us >= self.tally.snapshot_us {
            self.tally.snapshot_us = now.mono_us + SNAPSHOT_US;
            self.record(now, Statement::new(Kind::Snapshot, Severity::Info, json!({ "why": "hourly" })).routine());
        }
    }

    /// From heartbeat to heartbeat, as the order in force or the settings say.
    fn heartbeat_us(&self) -> u64 {
        s(self.ordered.heartbeat_s.unwrap_or(self.plan.limits.heartbeat_s).max(1))
    }

    /// Settings of an order are in force: the next heartbeat comes no later than they say.
    pub(super) fn pace(&mut self, now: &Now) {
        self.tally.heartbeat_us = self.tally.heartbeat_us.min(now.mono_us + self.heartbeat_us());
    }

    /// A heartbeat; one that a command asked for names it, and is stored at once.
    pub(super) fn beat(&mut self, now: &Now, command: Option<u64>) {
        let mut data = self.heartbeat(now);
        let statement = match command {
            Some(n) => {
                data["command"] = n.into();
                Statement::new(Kind::Heartbeat, Severity::Info, data)
            }
            None => Statement::new(Kind::Heartbeat, Severity::Info, data).routine(),
        };
        self.record(now, statement);
    }

    /// What is in force, and how the gateway does: counts since the last one where they are by severity, else since the
    /// start or of this moment. Settings are named by the first 16 digits of their digest.
    fn heartbeat(&mut self, now: &Now) -> Value {
        let settings = hex(&self.plan.settings_digest[..8]);
        let lines_down = self.tally.lines.iter().filter(|line| line.fault.is_some()).count();
        let good: u64 = self.tally.lines.iter().map(|line| line.good).sum();
        let mut data = json!({
            "by_sev": std::mem::take(&mut self.tally.by_severity),
            "waiting": self.uplink.waiting(),
            "receipted": self.uplink.receipted_upto(),
            "receipt": self.uplink.last_receipt().map(|(n, link)| json!([n, base64url(&link)])),
            "dropped": self.drafts.dropped(),
            "dropped_by_sev": self.drafts.dropped_by_severity(),
            "fill_permille": self.drafts.fill_permille(),
            "free_mib": self.health.free_mib(),
            "not_stored": self.drafts.not_stored(),
            "register": self.standings.register().version(),
            "settings": settings,
            "order": self.orders.version(),
            "root": self.orders.root(),
            "every_s": self.heartbeat_us() / s(1),
            "alarms": self.alarms.iter().count(),
            "nonconformities": self.nonconformities.iter().count(),
            "lines_down": lines_down,
            "good": good,
            "faults": self.tally.faults,
            "health": self.numbers(now),
        });
        self.health.told();
        let (beyond, gave_way) = self.standings.unlisted_counts();
        if beyond + gave_way > 0 {
            data["unlisted"] = json!({ "beyond": beyond, "gave_way": gave_way });
        }
        if let Some(judged) = now.judged_ms() {
            data["judged_ms"] = judged.into();
        }
        data
    }
}

impl Site {
    /// The twelve numbers of a heartbeat.
    pub(super) fn numbers(&self, now: &Now) -> Numbers {
        self.health.numbers(now, self.tally.faults.values().sum(), self.uplink.links())
    }
}

/// Sets the register's version from the journal: the same text keeps its version, another gets the next one.
pub(super) fn renumbered(register: Register, rows: &[StateRow]) -> (Register, bool) {
    let before = row(rows, "register");
    let digest = before.as_ref().and_then(|r| r.get("digest")).and_then(Value::as_str);
    let version = before.as_ref().and_then(|r| r.get("version")).and_then(Value::as_u64).unwrap_or(0);
    let same = digest == Some(hex(register.digest()).as_str());
    (register.numbered(if same { version } else { version + 1 }), !same)
}

/// States the register that comes into force.
pub(super) fn register_applied(register: &Register) -> Statement {
    let data = json!({
        "version": register.version(),
        "digest": hex(register.digest()),
        "equipment": register.iter().count(),
    });
    Statement::new(Kind::RegisterApplied, Severity::Notice, data)
}

fn row(rows: &[StateRow], key: &str) -> Option<Value> {
    rows.iter().find(|row| row.key == key).and_then(|row| serde_json::from_str(&row.body).ok())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
