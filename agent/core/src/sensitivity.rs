//! Sensitivity: how far what is said may go. One closed table: a label for each kind of record, a ceiling for each channel.
//!
//! A signed record goes to the central side and into an export whole, because a chain has no holes. What a label decides
//! is what stands beside it and what is shown of it: personal data on the wire and in an export, and names, facts and
//! values on the page, in `picket status` and in the log. That something rings is never withheld from anybody.

use crate::alarm::Rule;
use crate::status::Status;
use picket_record::kind::Kind;
use std::collections::BTreeMap;

/// How far something may go: a ladder, so that a label and a ceiling are compared and nothing else is asked. ISO 28000
/// (7.5.3) and ISO/IEC 27001 (A.5.12) ask for such a classification and leave the words to the organisation; these say
/// who may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Anybody.
    Open,
    /// Whoever works at the site.
    Internal,
    /// Whoever has to act on it: it shows what is watched, and what is not watched well.
    Restricted,
    /// Whoever has to know which person it was.
    Personal,
}

impl Label {
    /// From the lowest.
    pub const ALL: [Self; 4] = [Self::Open, Self::Internal, Self::Restricted, Self::Personal];

    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Internal => "internal",
            Self::Restricted => "restricted",
            Self::Personal => "personal",
        }
    }

    /// Of a kind, where the settings do not say else.
    pub fn of(kind: Kind) -> Self {
        use Kind as K;
        match kind {
            K::LogGenesis | K::EpochOpen | K::EpochClose => Self::Open,
            K::Heartbeat | K::GapDropped | K::ClockStep | K::JournalRecovered => Self::Internal,
            K::RegisterApplied | K::SettingsApplied | K::OrderApplied | K::RootApplied => Self::Internal,
            K::RegisterImported => Self::Internal,
            K::RecordsDisposed | K::RecordsRestored | K::PersonalErased => Self::Internal,
            K::ExerciseStarted | K::ExerciseEnded | K::ActStarted | K::ActStopped => Self::Internal,
            K::Readings | K::SealChecked | K::SummaryDay => Self::Internal,
            // Who asked for it stands in what was signed: custody begins with a name.
            K::RecordsExported | K::RecordsBackedUp => Self::Restricted,
            // State rows: what is open, and what is wrong.
            K::Snapshot => Self::Restricted,
            K::AlarmRaised | K::AlarmCleared | K::AlarmClosed | K::SealMismatch => Self::Restricted,
            K::NonconformityOpened | K::NonconformityContained | K::NonconformityAgreed => Self::Restricted,
            K::NonconformityDone | K::NonconformityVerified | K::NonconformityReopened => Self::Restricted,
            K::NonconformityEscalated | K::NonconformityClosed => Self::Restricted,
            K::IncidentOpened | K::IncidentJoined | K::IncidentClassified | K::IncidentClosed => Self::Restricted,
            K::MeasureBegun | K::MeasureEnded | K::ThreatChanged | K::AffectedListed => Self::Restricted,
            K::LevelChanged | K::ExerciseReviewed | K::ExerciseUnreviewed => Self::Restricted,
            K::ExerciseActionDone | K::ExerciseActionLate => Self::Restricted,
            K::ShiftPlanned | K::ShiftBegun | K::ShiftEnded | K::ShiftTaken => Self::Restricted,
            K::ShiftMissed | K::ShiftLeft | K::ShiftClosed => Self::Restricted,
            K::HealthLine | K::HealthInput | K::HealthCentral | K::HealthCertificate => Self::Restricted,
            K::ReceiptBad | K::RegisterRejected | K::OrderRejected => Self::Restricted,
            K::CalibrationDone | K::MaintenanceDone | K::InspectionDone | K::TestDone => Self::Restricted,
            K::EquipmentCommissioned | K::EquipmentWithdrawn | K::EquipmentReturned => Self::Restricted,
            K::SealAffixed | K::SealRemoved | K::CustodyChanged | K::UnitInspected => Self::Restricted,
            K::EquipmentIdentified | K::ChangePlanned => Self::Restricted,
            K::ActAcknowledged => Self::Personal,
        }
    }
}

/// Where something leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The page, seen from another machine: nobody is logged in there.
    Page,
    /// The page, seen from the gateway itself: the guards' own screen, or a proxy there that knows its users.
    Guard,
    /// `picket status`, by the socket that only the agent's user opens.
    Status,
    /// The log.
    Log,
    /// The wire to the central side.
    Uplink,
    /// An export.
    Export,
}

impl Channel {
    /// All.
    pub const ALL: [Self; 6] = [Self::Page, Self::Guard, Self::Status, Self::Log, Self::Uplink, Self::Export];

    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Guard => "guard",
            Self::Status => "status",
            Self::Log => "log",
            Self::Uplink => "uplink",
            Self::Export => "export",
        }
    }

    /// The highest label that leaves on it, where the settings do not say else.
    pub fn ceiling(self) -> Label {
        match self {
            Self::Page | Self::Export => Label::Restricted,
            Self::Guard | Self::Status | Self::Uplink => Label::Personal,
            Self::Log => Label::Internal,
        }
    }
}

/// The table in force: the one above, with what the settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sensitivity {
    labels: BTreeMap<Kind, Label>,
    ceilings: BTreeMap<Channel, Label>,
}

impl Sensitivity {
    /// With another label for a kind.
    pub fn with_label(mut self, kind: Kind, label: Label) -> Self {
        self.labels.insert(kind, label);
        self
    }

    /// With another ceiling for a channel.
    pub fn with_ceiling(mut self, channel: Channel, ceiling: Label) -> Self {
        self.ceilings.insert(channel, ceiling);
        self
    }

    /// Whether what records of this kind say, and what stands beside them, may leave on a channel.
    pub fn lets(&self, channel: Channel, kind: Kind) -> bool {
        let label = self.labels.get(&kind).copied().unwrap_or_else(|| Label::of(kind));
        label <= self.ceilings.get(&channel).copied().unwrap_or_else(|| channel.ceiling())
    }
}

/// Shown in place of what a label withholds.
pub const WITHHELD: &str = "(not shown here)";

impl Status {
    /// What may be shown of it on a channel. What rings, where it is and its standing always are.
    pub fn on(&self, channel: Channel, sensitivity: &Sensitivity) -> Self {
        let lets = |kind| sensitivity.lets(channel, kind);
        let mut shown = self.clone();
        for alarm in &mut shown.alarms {
            let about = |rule: Rule, kind| alarm.rule != rule.as_str() || lets(kind);
            let seal = Rule::OF_SEALS.iter().all(|rule| about(*rule, Kind::SealMismatch));
            if !lets(Kind::AlarmRaised) || !seal || !about(Rule::Certificate, Kind::HealthCertificate) {
                withhold(alarm.facts.values_mut());
            }
            if !lets(Kind::ActAcknowledged) {
                withhold(&mut alarm.acknowledged_by);
            }
        }
        if !lets(Kind::NonconformityOpened) {
            shown.nonconformities.iter_mut().for_each(|found| withhold(found.facts.values_mut()));
        }
        if !lets(Kind::IncidentClassified) {
            shown.incidents.iter_mut().for_each(|incident| withhold(&mut incident.class));
        }
        if !lets(Kind::ShiftPlanned) {
            shown.posts.clear();
        }
        if !lets(Kind::ExerciseReviewed) {
            shown.reviews.iter_mut().for_each(|review| withhold(&mut review.what));
        }
        if !lets(Kind::Readings) {
            shown.equipment.iter_mut().for_each(|item| withhold(item.signals.values_mut()));
        }
        if !lets(Kind::HealthLine) {
            shown.lines.iter_mut().for_each(|line| withhold(&mut line.fault));
        }
        // A broker that refuses a certificate says so in both places.
        if !lets(Kind::HealthCentral) || !lets(Kind::HealthCertificate) {
            withhold(&mut shown.link.cause);
        }
        if !lets(Kind::RegisterRejected) {
            withhold(&mut shown.register_refused);
        }
        if !lets(Kind::HealthCertificate) {
            withhold(shown.certificate.iter_mut().map(|certificate| &mut certificate.why));
        }
        shown
    }
}

fn withhold<'a>(texts: impl IntoIterator<Item = &'a mut String>) {
    texts.into_iter().for_each(|text| WITHHELD.clone_into(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The match over kinds is exhaustive, so a new kind does not build without a label.
    #[test]
    fn every_kind_has_a_label_and_what_persons_did_has_the_highest() {
        for kind in Kind::ALL {
            assert_eq!(Label::of(*kind) == Label::Personal, *kind == Kind::ActAcknowledged, "{}", kind.as_str());
        }
        assert!(Label::ALL.is_sorted());
    }

    #[test]
    fn names_reach_the_guards_and_the_central_side_and_no_export_log_or_strangers_page() {
        let table = Sensitivity::default();
        let open = Channel::ALL.into_iter().filter(|channel| table.lets(*channel, Kind::ActAcknowledged));
        assert_eq!(open.collect::<Vec<_>>(), [Channel::Guard, Channel::Status, Channel::Uplink]);
        assert!(table.lets(Channel::Page, Kind::AlarmRaised) && !table.lets(Channel::Log, Kind::AlarmRaised));
    }

    #[test]
    fn settings_raise_a_label_and_lower_a_ceiling() {
        let table = Sensitivity::default().with_label(Kind::Readings, Label::Personal);
        assert!(!table.lets(Channel::Page, Kind::Readings) && table.lets(Channel::Guard, Kind::Readings));
        let table = table.with_ceiling(Channel::Guard, Label::Restricted);
        assert!(!table.lets(Channel::Guard, Kind::Readings) && table.lets(Channel::Guard, Kind::SealMismatch));
    }
}
