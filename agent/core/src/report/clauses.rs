//! Which clause of the management standards a record is evidence for: the requirements one by one, in words of our own.
//! Clauses are those of ISO 28004-1, unless another document is named.

use picket_record::kind::Kind;

/// One requirement.
#[derive(Debug)]
pub struct Requirement {
    /// Its row of the requirements matrix.
    pub row: &'static str,
    /// Clauses, as `--clause` takes them.
    pub clauses: &'static [&'static str],
    /// What is asked.
    pub asked: &'static str,
    /// Kinds of records, in full or up to a dot.
    kinds: &'static [&'static str],
    /// Reasons of nonconformities, in full, or with `*` for what comes before or behind.
    reasons: &'static [&'static str],
}

macro_rules! requirements {
    ($($row:literal $clauses:expr, $asked:literal, $kinds:expr, $reasons:expr;)+) => {
        /// Every one, in the order of the matrix.
        pub const REQUIREMENTS: &[Requirement] = &[
            $(Requirement { row: $row, clauses: &$clauses, asked: $asked, kinds: &$kinds, reasons: &$reasons },)+
        ];
    };
}

requirements! {
    "R01" ["4.5.1-d3", "4.5.1-d4"], "Security equipment is listed, uniquely identified and under control",
        ["register.", "equipment.identified"], ["unlisted", "missing", "identity-mismatch", "silent", "line-lost"];
    "R02" ["4.5.1-d3"], "Its accuracy is known",
        ["calibration.done", "readings"], ["implausible", "drift", "out-of-tolerance"];
    "R03" ["4.5.1-d3"], "A scheme of calibration and maintenance is kept, with an action for what is out of it",
        ["calibration.done", "maintenance.done"], ["calibration-*", "maintenance-*"];
    "R04" ["4.5.1-d3"], "Reference equipment leads to national standards, or the basis is documented",
        ["calibration.done"], ["calibration-untraceable"];
    "R05" ["4.5.1-d3"], "Calibrations and maintenance are recorded, with values as found and as left",
        ["calibration.done", "maintenance.done", "affected.listed"], ["out-of-tolerance"];
    "R06" ["4.5.1-d3"], "Users see the status of calibration: every record about equipment carries its standing",
        ["calibration.done", "equipment."], [];
    "R07" ["4.5.1-d3"], "Equipment that is out of calibration, or of unknown status, is taken out of use and documented",
        ["equipment.withdrawn", "equipment.returned", "measure."],
        ["*-overdue", "*-failed", "*-date-unknown", "withdrawn-used"];
    "R08" ["4.5.1-d4"], "Equipment is inspected by schedule",
        ["inspection.done"], ["inspection-*"];
    "R09" ["4.5.1-d5"], "Equipment of contractors is under the same controls", [], ["assurance-*"];
    "R10" ["4.5.1-a"], "Monitoring is proactive and reactive, and follows how equipment deteriorates",
        ["readings", "health.line", "health.input"], ["degrading", "drift", "repeated-faults", "silent", "line-lost"];
    "R11" ["4.4.7", "28000-8.6"], "Equipment is tested for continuing operability; drills are held",
        ["test.done", "exercise."], ["test-*"];
    "R12" ["4.4.6", "28000-8.4"], "Changes are considered beforehand and controlled; new equipment is commissioned",
        ["change.planned", "equipment.commissioned", "equipment.identified", "settings.applied", "register.", "order."],
        ["unauthorised-change", "not-commissioned", "commissioning-failed"];
    "R13" ["4.5.3"], "Failures, near misses, false alarms, incidents and nonconformities are recorded and investigated",
        ["incident.", "nonconformity.", "alarm."], ["*"];
    "R14" ["4.5.3"], "They are told apart by place, activity, agency, time, type, degree and cause",
        ["incident."], [];
    "R15" ["4.5.3", "28000-10.2"], "Corrective action is agreed, done and looked at; what is overdue is reported upward",
        ["nonconformity."], ["*"];
    "R16" ["28000-8.6"], "Thresholds start the response; what is done and decided is recorded; temporary measures end",
        ["alarm.", "act.", "measure.", "level.changed", "health.central", "health.certificate"],
        ["line-lost", "bypass-expired", "measure-expired"];
    "R17" ["4.5.4", "28000-7.5.3"], "Records are identifiable, protected, retained and disposed of by rule",
        [
            "log.", "epoch.", "snapshot", "gap.dropped", "clock.step", "journal.recovered", "receipt.bad", "records.",
            "personal.erased", "root.applied",
        ], [];
    "R18" ["28000-9.1", "28000-9.2.2-d", "28000-9.3.2"], "Performance is evaluated; deployment is audited",
        ["heartbeat", "summary.day", "shift."], [];
    "R19" ["4.3.1", "28004-3-4"], "Likelihood of threats follows from how well the measures protect",
        ["threat.changed"], [];
    "R20" ["28004-3-table-3"], "Seals are affixed, recorded and verified; units are inspected before they are loaded",
        ["seal.", "custody.changed", "unit.inspected"], ["seal-*"];
}

impl Requirement {
    /// Whether one of its clauses is that, or lies below it: `4.5.1` names every letter of it.
    pub fn is_of(&self, clause: &str) -> bool {
        let below =
            |of: &str| of.strip_prefix(clause).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']));
        self.row.eq_ignore_ascii_case(clause) || self.clauses.iter().any(|of| below(of))
    }

    /// Whether a record is evidence for it: by its kind; one about a nonconformity by its reason.
    pub(super) fn has(&self, kind: Kind, reason: &str) -> bool {
        let kind = kind.as_str();
        let named = self.kinds.iter().any(|of| *of == kind || of.ends_with('.') && kind.starts_with(of));
        named || kind.starts_with("nonconformity.") && self.reasons.iter().any(|of| fits(of, reason))
    }
}

fn fits(pattern: &str, reason: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => reason.ends_with(end),
        (None, Some(begin)) => reason.starts_with(begin),
        (None, None) => pattern == reason,
    }
}

/// Every clause that there is, for those who named another.
pub fn all() -> Vec<&'static str> {
    let mut clauses: Vec<&str> = REQUIREMENTS.iter().flat_map(|of| of.clauses.iter().copied()).collect();
    clauses.sort_unstable();
    clauses.dedup();
    clauses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_every_kind_of_record_is_evidence_for_some_clause_and_every_row_has_one() {
        for kind in Kind::ALL {
            assert!(REQUIREMENTS.iter().any(|of| of.has(*kind, "")), "{}", kind.as_str());
        }
        let rows: Vec<&str> = REQUIREMENTS.iter().map(|of| of.row).collect();
        let wanted: Vec<String> = (1..=20).map(|n| format!("R{n:02}")).collect();
        assert_eq!(rows, wanted);
        let known = |of: &str| {
            Kind::ALL.iter().any(|kind| kind.as_str() == of || of.ends_with('.') && kind.as_str().starts_with(of))
        };
        assert!(REQUIREMENTS.iter().all(|of| of.kinds.iter().all(|of| known(of))), "a word that is no kind");
    }

    #[test]
    fn r18_a_clause_names_itself_and_what_lies_below_it_and_nothing_beside() {
        let rows = |clause: &str| -> Vec<&str> {
            REQUIREMENTS.iter().filter(|of| of.is_of(clause)).map(|of| of.row).collect()
        };
        assert_eq!(rows("4.5.1-d5"), ["R09"]);
        assert_eq!(rows("4.5.1-d4"), ["R01", "R08"]);
        assert_eq!(rows("4.5.1"), ["R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10"]);
        assert_eq!(rows("r15"), ["R15"]);
        assert!(rows("4.5.1-d").is_empty() && rows("4.5").len() > 10 && rows("").is_empty());
        for (kind, reason, of) in [
            (Kind::NonconformityOpened, "assurance-expired", "R09"),
            (Kind::NonconformityClosed, "calibration-overdue", "R07"),
            (Kind::NonconformityOpened, "seal-missing", "R20"),
            (Kind::CalibrationDone, "", "R05"),
        ] {
            assert!(REQUIREMENTS.iter().any(|one| one.row == of && one.has(kind, reason)), "{of} {reason}");
        }
        let r09 = REQUIREMENTS.iter().find(|of| of.row == "R09").unwrap();
        assert!(!r09.has(Kind::NonconformityOpened, "calibration-overdue") && !r09.has(Kind::AlarmRaised, ""));
    }
}
