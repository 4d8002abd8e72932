//! The closed tree of record kinds, and how severe a record is.

/// How severe: 0 information, 1 notice, 2 fault, 3 security, 4 life safety.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// Nobody has to act.
    Info = 0,
    /// Worth a look at the next shift.
    Notice = 1,
    /// Equipment or the agent does not do its work.
    Fault = 2,
    /// Somebody has to act now.
    Security = 3,
    /// Somebody's life may depend on it.
    Life = 4,
}

impl Severity {
    /// From the integer in a record.
    pub fn from_int(n: u64) -> Option<Self> {
        Some(match n {
            0 => Self::Info,
            1 => Self::Notice,
            2 => Self::Fault,
            3 => Self::Security,
            4 => Self::Life,
            _ => return None,
        })
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What a record states. Closed: a verifier refuses any other word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)+ }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            /// The dotted name in the record.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$name => $text,)+ }
            }

            /// From the dotted name in a record.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Kind::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// The log of a gateway begins: follows record 1, which opens epoch 1 and names the acceptance.
    LogGenesis = "log.genesis",
    /// An epoch begins: carries the epoch's public key, signed by the identity key.
    EpochOpen = "epoch.open",
    /// An epoch ends in order.
    EpochClose = "epoch.close",
    /// Regular sign of life with counters and health numbers.
    Heartbeat = "heartbeat",
    /// Digest of the state rows, so that a start can trust them.
    Snapshot = "snapshot",
    /// Events that were dropped before they got a number, counted.
    GapDropped = "gap.dropped",
    /// The wall clock was stepped.
    ClockStep = "clock.step",
    /// The journal was damaged and put right; says what was set aside.
    JournalRecovered = "journal.recovered",
    /// A receipt did not verify or contradicts the journal.
    ReceiptBad = "receipt.bad",
    /// A register came into force.
    RegisterApplied = "register.applied",
    /// A person has put a register in place; it comes into force with the next start.
    RegisterImported = "register.imported",
    /// A register was refused; the one before stays in force.
    RegisterRejected = "register.rejected",
    /// Settings came into force.
    SettingsApplied = "settings.applied",
    /// Records were disposed of by rule and authority.
    RecordsDisposed = "records.disposed",
    /// Records were exported: names the files with their digests, and is the manifest of the bundle.
    RecordsExported = "records.exported",
    /// A backup was made: names its list of files by digest.
    RecordsBackedUp = "records.backed_up",
    /// Records of another gateway were taken over from a backup.
    RecordsRestored = "records.restored",
    /// Personal data beside a record was erased.
    PersonalErased = "personal.erased",
    /// An order of the central system came into force.
    OrderApplied = "order.applied",
    /// A version of the root document came into force.
    RootApplied = "root.applied",
    /// An order or command was refused; what was in force stays.
    OrderRejected = "order.rejected",
    /// What one day brought to each piece of equipment; kept when the records of the day are disposed of.
    SummaryDay = "summary.day",
    /// A drill inside an ordered window began.
    ExerciseStarted = "exercise.started",
    /// A drill ended.
    ExerciseEnded = "exercise.ended",
    /// A drill that ended was reviewed, and actions were agreed.
    ExerciseReviewed = "exercise.reviewed",
    /// Nobody has reviewed a drill in time.
    ExerciseUnreviewed = "exercise.unreviewed",
    /// An action of a review was done.
    ExerciseActionDone = "exercise.action_done",
    /// An action of a review is overdue.
    ExerciseActionLate = "exercise.action_late",
    /// The security level of the site is another one from here on.
    LevelChanged = "level.changed",
    /// Changes of points of one device in one poll or message.
    Readings = "readings",
    /// An alarm began.
    AlarmRaised = "alarm.raised",
    /// The condition of an alarm went away.
    AlarmCleared = "alarm.cleared",
    /// An alarm is over: cleared and acknowledged, or closed by a guard.
    AlarmClosed = "alarm.closed",
    /// A nonconformity of equipment was found.
    NonconformityOpened = "nonconformity.opened",
    /// What it may do is contained: by a tag-out, a guard, a measure.
    NonconformityContained = "nonconformity.contained",
    /// An action against it was agreed, and by when.
    NonconformityAgreed = "nonconformity.agreed",
    /// The action was done, or its reason no longer holds although nobody has verified that yet.
    NonconformityDone = "nonconformity.done",
    /// The effect of the action was looked at.
    NonconformityVerified = "nonconformity.verified",
    /// Its reason came back.
    NonconformityReopened = "nonconformity.reopened",
    /// Its next step is overdue: reported upward.
    NonconformityEscalated = "nonconformity.escalated",
    /// It is over.
    NonconformityClosed = "nonconformity.closed",
    /// Alarms of one place and time: an incident, which somebody classifies.
    IncidentOpened = "incident.opened",
    /// Another alarm belongs to it.
    IncidentJoined = "incident.joined",
    /// A person said what it was.
    IncidentClassified = "incident.classified",
    /// It was classified and none of its alarms is open; or nobody did, and too many wait.
    IncidentClosed = "incident.closed",
    /// For a time something stands in for equipment, or its alarms do not ring.
    MeasureBegun = "measure.begun",
    /// That is over.
    MeasureEnded = "measure.ended",
    /// A shift at a post is planned, or planned anew.
    ShiftPlanned = "shift.planned",
    /// Somebody is on duty at a post.
    ShiftBegun = "shift.begun",
    /// Somebody is no longer.
    ShiftEnded = "shift.ended",
    /// As many as planned were on duty soon after a shift began.
    ShiftTaken = "shift.taken",
    /// Fewer than planned were.
    ShiftMissed = "shift.missed",
    /// Somebody left a shift that was taken, and fewer than planned stay.
    ShiftLeft = "shift.left",
    /// A planned shift is over, or cancelled.
    ShiftClosed = "shift.closed",
    /// How well the measures against a threat scenario protect is another thing by now.
    ThreatChanged = "threat.changed",
    /// Records that are in doubt because equipment was found out of its tolerance.
    AffectedListed = "affected.listed",
    /// Equipment was calibrated: as found, as left, against what.
    CalibrationDone = "calibration.done",
    /// Equipment was maintained.
    MaintenanceDone = "maintenance.done",
    /// Equipment was inspected by its checklist.
    InspectionDone = "inspection.done",
    /// Equipment was tested for continuing operability.
    TestDone = "test.done",
    /// Equipment was commissioned: what was checked before it counts.
    EquipmentCommissioned = "equipment.commissioned",
    /// Equipment was taken out of use and tagged.
    EquipmentWithdrawn = "equipment.withdrawn",
    /// Equipment that was out of use is in use again.
    EquipmentReturned = "equipment.returned",
    /// What equipment says of itself, the first time and at each change.
    EquipmentIdentified = "equipment.identified",
    /// A change of equipment was considered, and a window for it is planned.
    ChangePlanned = "change.planned",
    /// A line or device lost or regained, a counter worth keeping.
    HealthLine = "health.line",
    /// A message that could not be read, or was too large.
    HealthInput = "health.input",
    /// The central side sees the chain of this gateway in another way: as it should be, forked, with refused lines, or
    /// as one that is no longer trusted.
    HealthCentral = "health.central",
    /// The certificate of the central link: good, being renewed, near its end, expired.
    HealthCertificate = "health.certificate",
    /// A guard acknowledged an alarm.
    ActAcknowledged = "act.acknowledged",
    /// The agent started.
    ActStarted = "act.started",
    /// The agent stopped in order.
    ActStopped = "act.stopped",
    /// A unit's number was read, or a seal that is as it should be.
    SealChecked = "seal.checked",
    /// A check of a seal found something: another number, none, broken, there twice, too weak.
    SealMismatch = "seal.mismatch",
    /// A seal was put on a unit.
    SealAffixed = "seal.affixed",
    /// A seal was taken off a unit.
    SealRemoved = "seal.removed",
    /// A unit went from one hand to the next; its seal was checked.
    CustodyChanged = "custody.changed",
    /// A unit was inspected before it is loaded.
    UnitInspected = "unit.inspected",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(Kind::parse("alarm.invented"), None);
    }
}
