//! The certificate of the central link, as whoever keeps it tells: recorded where it changes, shown, and rung about before
//! it ends. Nothing here waits for it: without a link everything is recorded as ever.

use crate::rules::Turn;
use crate::statement::{Facts, Statement};
use crate::time::{Now, s};
use picket_record::kind::{Kind, Severity};
use picket_record::wall;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// There is none yet.
    None,
    /// Valid for long enough.
    Good,
    /// Valid, and the next one is under way.
    Renewing,
    /// The broker refuses it.
    Refused,
    /// It ends soon, and no other one came.
    Ending,
    /// It has ended.
    Expired,
    /// Nobody vouches for a time to judge it by.
    Unknown,
}

impl Condition {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Good => "good",
            Self::Renewing => "renewing",
            Self::Refused => "refused",
            Self::Ending => "ending",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }

    fn rings(self) -> bool {
        matches!(self, Self::Refused | Self::Ending | Self::Expired)
    }
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// How it is.
    pub state: Condition,
    /// Its last second, in milliseconds since 1970 UTC; `None` where there is none.
    pub until_ms: Option<i64>,
    /// What was done last or failed, for people; at most 500 characters.
    pub why: String,
    /// The agent renews it itself; `false` where an installer put it in place.
    pub own: bool,
}

/// A change is recorded at once, then at most so often; the newest counts.
const AGAIN_US: u64 = s(60);
const WHY_MAX: usize = 500;

/// What was last told of it, and what was recorded.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    known: Option<Certificate>,
    recorded: Option<Certificate>,
    from_us: u64,
}

impl Watch {
    /// Takes what is told; whether it is news.
    pub(crate) fn told(&mut self, mut certificate: Certificate) -> bool {
        certificate.why = certificate.why.chars().take(WHY_MAX).collect();
        let news = self.known.as_ref() != Some(&certificate);
        self.known = Some(certificate);
        news
    }

    pub(crate) fn known(&self) -> Option<&Certificate> {
        self.known.as_ref()
    }

    /// What is to be recorded now.
    pub(crate) fn due(&mut self, now: &Now) -> Option<Statement> {
        let known = self.known.as_ref().filter(|known| self.recorded.as_ref() != Some(*known))?;
        if now.mono_us < self.from_us {
            return None;
        }
        self.from_us = now.mono_us + AGAIN_US;
        let until = known.until_ms.and_then(wall::to_text);
        let Certificate { state, why, own, .. } = known;
        let severity = match state {
            Condition::Refused | Condition::Ending | Condition::Expired => Severity::Fault,
            Condition::None | Condition::Unknown => Severity::Notice,
            Condition::Good | Condition::Renewing => Severity::Info,
        };
        let data = json!({ "state": state.as_str(), "until": until, "why": why, "own": own });
        let statement = Statement::new(Kind::HealthCertificate, severity, data);
        self.recorded = self.known.clone();
        Some(statement)
    }

    /// What the rule for it finds; `None` before anything was told.
    pub(crate) fn turn(&self) -> Option<Turn> {
        let known = self.known.as_ref()?;
        if !known.state.rings() {
            return Some(Turn::Ended);
        }
        let until = known.until_ms.and_then(wall::to_text).unwrap_or_default();
        let facts = [("why", known.state.as_str().to_owned()), ("until", until), ("cause", known.why.clone())];
        Some(Turn::Began(Facts::from(facts.map(|(name, text)| (name.to_owned(), text)))))
    }
}
