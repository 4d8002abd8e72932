//! What an alarm is a sign of, and what several of them in one place amount to.

use crate::alarm::Rule;
use picket_record::kind::Severity;
use std::collections::BTreeSet;

/// What an alarm is a sign of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Lives are in danger.
    Life,
    /// A door opened while no camera saw it.
    Unseen,
    /// A door was opened without a release.
    Forced,
    /// A door stands open.
    Held,
    /// A camera sees nothing.
    Blind,
    /// Somebody handles equipment.
    Tamper,
    /// Equipment is without power, out of order, or not heard.
    Outage,
    /// A seal is not what it should be.
    Seal,
    /// A panel is in alarm.
    Panel,
}

impl Sign {
    /// Every one, with its word in records.
    const ALL: [(&'static str, Self); 9] = [
        ("life", Self::Life),
        ("unseen", Self::Unseen),
        ("forced", Self::Forced),
        ("held", Self::Held),
        ("blind", Self::Blind),
        ("tamper", Self::Tamper),
        ("outage", Self::Outage),
        ("seal", Self::Seal),
        ("panel", Self::Panel),
    ];

    /// The word in records.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, sign)| *sign == self).map_or("", |(word, _)| word)
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, sign)| *sign)
    }

    /// Of an alarm; `None` where it is about the gateway's own affairs.
    pub fn of(rule: Rule, severity: Severity, is_camera: bool) -> Option<Self> {
        Some(match rule {
            _ if severity == Severity::Life => Self::Life,
            Rule::DoorForced => Self::Forced,
            Rule::UnseenEntry => Self::Unseen,
            Rule::DoorHeld => Self::Held,
            Rule::Tamper => Self::Tamper,
            Rule::ViewLost => Self::Blind,
            Rule::Silent if is_camera => Self::Blind,
            Rule::Silent | Rule::MainsLost | Rule::BatteryLow | Rule::DeviceFault => Self::Outage,
            Rule::SealMismatch | Rule::SealMissing | Rule::SealBroken => Self::Seal,
            Rule::SealDuplicate | Rule::SealReseal | Rule::SealClass => Self::Seal,
            Rule::PanelAlarm => Self::Panel,
            Rule::OrderStale | Rule::Certificate => return None,
        })
    }
}

/// Whether an alarm begins an incident by itself. What only makes a place weaker belongs to one that is there.
pub fn begins(rule: Rule, severity: Severity) -> bool {
    let by_itself = match rule {
        Rule::DoorForced | Rule::UnseenEntry | Rule::DoorHeld | Rule::Tamper | Rule::ViewLost | Rule::PanelAlarm => {
            true
        }
        Rule::SealMismatch | Rule::SealMissing | Rule::SealBroken | Rule::SealDuplicate | Rule::SealReseal => true,
        Rule::SealClass | Rule::MainsLost | Rule::BatteryLow | Rule::DeviceFault | Rule::Silent => false,
        Rule::OrderStale | Rule::Certificate => false,
    };
    by_itself || severity == Severity::Life
}

/// The type of an incident: what the signs amount to, the gravest first.
pub(super) fn type_of(signs: &BTreeSet<Sign>) -> &'static str {
    let any = |of: &[Sign]| of.iter().any(|sign| signs.contains(sign));
    let entry = any(&[Sign::Forced, Sign::Held, Sign::Unseen]);
    let types = [
        (any(&[Sign::Life]), "life-safety"),
        (any(&[Sign::Unseen]) || entry && any(&[Sign::Blind]), "blinded-entry"),
        (any(&[Sign::Tamper]) && any(&[Sign::Outage, Sign::Blind]), "tamper-in-outage"),
        (any(&[Sign::Forced]), "forced-entry"),
        (any(&[Sign::Tamper]), "tamper"),
        (any(&[Sign::Seal]), "cargo-seal"),
        (any(&[Sign::Panel]), "panel-alarm"),
        (any(&[Sign::Blind]), "view-lost"),
        (any(&[Sign::Held]), "door-held"),
    ];
    types.iter().find(|(holds, _)| *holds).map_or("outage", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_meaning_of_what_is_seen_names_the_incident() {
        for (signs, named) in [
            (&[Sign::Forced][..], "forced-entry"),
            (&[Sign::Forced, Sign::Blind], "blinded-entry"),
            (&[Sign::Held, Sign::Blind], "blinded-entry"),
            (&[Sign::Unseen], "blinded-entry"),
            (&[Sign::Forced, Sign::Outage], "forced-entry"),
            (&[Sign::Tamper, Sign::Outage], "tamper-in-outage"),
            (&[Sign::Tamper], "tamper"),
            (&[Sign::Seal, Sign::Held], "cargo-seal"),
            (&[Sign::Life, Sign::Forced, Sign::Blind], "life-safety"),
            (&[Sign::Blind], "view-lost"),
            (&[Sign::Held], "door-held"),
        ] {
            assert_eq!(type_of(&signs.iter().copied().collect()), named, "{signs:?}");
        }
    }

    #[test]
    fn each_word_is_read_back() {
        for (word, sign) in Sign::ALL {
            assert_eq!((Sign::parse(word), sign.as_str()), (Some(sign), word));
        }
        assert_eq!(Sign::parse("invented"), None);
    }
}
