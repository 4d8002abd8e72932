//! What people see: one snapshot of everything, made on demand, for the page, `picket status` and tests.

use crate::certificate::Certificate;
use crate::health::Numbers;
use crate::wire::Occurrence;
use serde::{Deserialize, Serialize};

/// The whole site at one moment. Times are milliseconds since 1970 UTC; `None` where the clock was never set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Rises with every change worth showing.
    pub revision: u64,
    /// Site name.
    pub site: String,
    /// Gateway name.
    pub gateway: String,
    /// When this was made.
    pub at_ms: Option<i64>,
    /// Whether dates are judged by that clock.
    pub clock_trusted: bool,
    /// Register in force.
    pub register: u64,
    /// Why a newer register was refused, if one was.
    pub register_refused: Option<String>,
    /// Link to the central side.
    pub link: LinkStatus,
    /// The certificate of that link, where it has one.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// The journal.
    pub journal: JournalStatus,
    /// How machine and process do.
    #[serde(default)]
    pub health: Option<Numbers>,
    /// The order in force.
    #[serde(default)]
    pub order: OrderStatus,
    /// The drill that runs.
    #[serde(default)]
    pub drill: Option<DrillStatus>,
    /// Security level of the site: 1 normal, 2 heightened, 3 exceptional; 0 where an older agent does not say.
    #[serde(default)]
    pub level: u64,
    /// Posts with somebody on duty, or with a planned shift, by name.
    #[serde(default)]
    pub posts: Vec<PostStatus>,
    /// Drills that wait for a review, and actions of reviews that wait to be done.
    #[serde(default)]
    pub reviews: Vec<ReviewStatus>,
    /// Open alarms: those that nobody has acknowledged, then the worst, then the newest first.
    pub alarms: Vec<AlarmStatus>,
    /// Incidents that wait for somebody to say what they were, or for the end of their alarms; oldest first.
    #[serde(default)]
    pub incidents: Vec<IncidentStatus>,
    /// Threat scenarios that are not as usual: measures against them are lost, or more are needed.
    #[serde(default)]
    pub threats: Vec<ThreatStatus>,
    /// Open nonconformities, oldest first.
    pub nonconformities: Vec<NonconformityStatus>,
    /// All equipment of the register, and what was heard beside it.
    pub equipment: Vec<EquipmentStatus>,
    /// Lines.
    pub lines: Vec<LineStatus>,
}

/// The link to the central side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Connected now.
    pub up: bool,
    /// Since when it is so.
    pub since_ms: Option<i64>,
    /// Why it is down.
    pub cause: Option<String>,
    /// Records without a receipt.
    pub waiting: u64,
    /// Records up to here are verified and stored at the central side.
    pub receipted: u64,
    /// When the last receipt came.
    pub receipt_ms: Option<i64>,
    /// How it sees this gateway's chain: `ok`, `gap` (some are still on their way), `fork`, `bad`, `revoked`.
    pub state: Option<String>,
    /// Since the start the chain went on behind a receipt, because the disk of this gateway had been put back or had lost
    /// records.
    #[serde(default)]
    pub left: Option<LeftStatus>,
}

/// The order of the central side that is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStatus {
    /// Its version, 0 for none.
    pub ver: u64,
    /// When it ends.
    pub exp_ms: Option<i64>,
    /// Why it is stale, if it is: it stays in force.
    pub stale: Option<String>,
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStatus {
    /// Its name.
    pub id: String,
    /// Equipment that takes part: what it tells is marked, and rings as ever.
    pub equipment: Vec<String>,
    /// Seconds that it still lasts at most.
    pub left_s: u64,
}

/// A branch that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftStatus {
    /// `rollback`, or `reset` where the journal had been lost whole.
    pub tail: String,
    /// Last record found on the disk.
    pub found: u64,
    /// Record of the central side that the chain went on from.
    pub upto: u64,
    /// Records that were left.
    pub records: u64,
    /// The central side has all of them.
    pub sent: bool,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Number of the last stored record.
    pub head: u64,
    /// Events not yet stored.
    pub not_stored: u64,
    /// Events dropped ever, counted in signed gaps.
    pub dropped: u64,
    /// Share of the budget in use, in thousandths.
    pub fill_permille: u16,
    /// Free space of its file system in MiB, where that is known.
    #[serde(default)]
    pub free_mib: Option<u64>,
    /// Why storing fails now.
    pub fault: Option<String>,
    /// With this start a new one was begun although this gateway had one: its volume is not mounted, or it is lost.
    #[serde(default)]
    pub anew: bool,
}

/// One open alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// Id, unique while open.
    pub id: String,
    /// Rule, such as `door-forced`.
    pub rule: String,
    /// Equipment id.
    pub equipment: String,
    /// Where it is.
    pub place: String,
    /// 0..=4.
    pub severity: u8,
    /// First raised.
    pub since_ms: Option<i64>,
    /// How often it came while open.
    pub times: u32,
    /// The condition holds now (`false`: went away, not yet acknowledged).
    pub active: bool,
    /// Who acknowledged; words in brackets where the name is not kept or not shown.
    pub acknowledged_by: Option<String>,
    /// Standing of the equipment when raised.
    pub standing: String,
    /// It rings; `false` for withdrawn equipment.
    pub rings: bool,
    /// The record that states it is stored. Until then it is shown as not yet recorded.
    pub recorded: bool,
    /// The central side has a receipt for that record.
    pub reported: bool,
    /// The equipment's silence is not trusted: only a guard closes it.
    pub guard_must_close: bool,
    /// Arguments of the text, such as the seal read and the seal expected.
    pub facts: std::collections::BTreeMap<String, String>,
}

impl AlarmStatus {
    /// Which occurrence it shows: what a guard who sees it may acknowledge.
    pub fn occurrence(&self) -> Occurrence {
        Occurrence { since_ms: self.since_ms, times: self.times }
    }
}

/// A post where people stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostStatus {
    /// Its name.
    pub post: String,
    /// Heads on duty, by what was reported.
    pub on: u64,
    /// Heads of the shift that runs by a trusted clock; `None` where none does, or no clock is trusted.
    pub heads: Option<u64>,
    /// When that shift ends.
    pub until_ms: Option<i64>,
    /// When the next planned shift begins.
    pub next_ms: Option<i64>,
}

/// What waits after a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewStatus {
    /// The drill, or the drill and the action, such as `fire/bell`.
    pub id: String,
    /// The action; `None` = the drill waits for its review.
    pub what: Option<String>,
    /// By when, milliseconds since 1970 UTC; `None` where no trusted time was known.
    pub due_ms: Option<i64>,
    /// It was told as overdue.
    pub late: bool,
}

/// One threat scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatStatus {
    /// Id in the register.
    pub id: String,
    /// What may happen.
    pub title: String,
    /// `low`, `medium`, `high` or `life`.
    pub consequence: String,
    /// `low`, `medium` or `high`.
    pub likelihood: String,
    /// Countermeasures are needed, by the site's table.
    pub needed: bool,
    /// Measures that do not count now.
    pub lost: u64,
    /// Measures that it has.
    pub measures: u64,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentStatus {
    /// Id, such as `I-12`.
    pub id: String,
    /// Type, such as `forced-entry`.
    #[serde(rename = "type")]
    pub type_of: String,
    /// Zone, or the place or equipment that stands for it.
    pub zone: String,
    /// 0..=4.
    pub severity: u8,
    /// When its first alarm was raised.
    pub since_ms: Option<i64>,
    /// Ids of its alarms, the first sixteen.
    pub alarms: Vec<String>,
    /// How many it has.
    pub count: u64,
    /// The drill it belongs to.
    pub exercise: Option<String>,
    /// What it was; `None` = nobody has said so.
    pub class: Option<String>,
}

/// One open nonconformity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonconformityStatus {
    /// Id, unique while open.
    pub id: String,
    /// Reason, such as `calibration-overdue`.
    pub reason: String,
    /// Equipment id.
    pub equipment: String,
    /// Opened.
    pub since_ms: Option<i64>,
    /// Arguments of the text.
    pub facts: std::collections::BTreeMap<String, String>,
    /// The last step that was taken: `opened`, `contained`, `agreed`, `done`.
    #[serde(default)]
    pub step: String,
    /// How often it was opened within the watch period, from 1.
    #[serde(default)]
    pub times: u32,
    /// Its reason no longer holds; what is left is to verify.
    #[serde(default)]
    pub ended: bool,
    /// The next step is due by then, milliseconds since 1970 UTC.
    #[serde(default)]
    pub due_ms: Option<i64>,
    /// How often it was reported upward at this step.
    #[serde(default)]
    pub escalated: u32,
}

/// A temporary measure at a piece of equipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureStatus {
    /// `compensating` or `bypass`.
    pub measure: String,
    /// What it is.
    pub what: String,
    /// When it ends; `None` where no trusted time was known when it began.
    pub until_ms: Option<i64>,
}

/// One piece of equipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EquipmentStatus {
    /// Id.
    pub id: String,
    /// Kind, such as `door`.
    pub kind: String,
    /// Where it is.
    pub place: String,
    /// `good`, `due`, `overdue`, `unknown`, `withdrawn`, `unlisted`, `mismatched`.
    pub standing: String,
    /// Every reason.
    pub why: Vec<String>,
    /// What holds for a time: what stands in for it, or why it is bypassed, each with when that ends.
    #[serde(default)]
    pub measures: Vec<MeasureStatus>,
    /// Next date that matters.
    pub due: Option<String>,
    /// `seen`, `silent`, `stale` (its line or module is lost), `never` (not heard since start), `unwatched` (no device
    /// or point in the settings tells about it).
    pub contact: String,
    /// Last good answer or message.
    pub seen_ms: Option<i64>,
    /// Last value per signal, such as `open: yes`; stale ones end in ` (stale)`.
    pub signals: std::collections::BTreeMap<String, String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStatus {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Good answers or messages since start.
    pub good: u64,
    /// Faults since start.
    pub faults: u64,
    /// Last fault, while it lasts.
    pub fault: Option<String>,
}
