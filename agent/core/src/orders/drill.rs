//! The drill that runs: begun by a command inside an ordered window, with equipment of that window, and never longer.

use crate::statement::Statement;
use crate::status::DrillStatus;
use crate::time::{Now, ms, s};
use picket_record::body;
use picket_record::encode::{Link, base64url};
use picket_record::kind::{Kind, Severity};
use picket_record::order::{Order, Window};
use serde_json::json;
use std::collections::BTreeSet;

/// Records of its equipment say that they belong to it. Nothing rings less because of it.
#[derive(Debug, Clone)]
pub struct Drill {
    /// Its name.
    pub id: String,
    /// Link of the command that began it.
    pub auth: Link,
    /// Over at this moment of the boot clock.
    pub until_us: u64,
    equipment: BTreeSet<String>,
    /// The window that it runs in, in milliseconds since 1970 UTC; none where an order took it away.
    window: Option<(i64, i64)>,
}

impl Drill {
    /// Begins one, or says why not. Without a trusted time no window is known to be open.
    pub(super) fn begin<'a>(
        now: &Now,
        trusted_ms: Option<i64>,
        mut windows: impl Iterator<Item = &'a Window>,
        (id, for_s, equipment): (&str, u64, &[String]),
        auth: Link,
    ) -> Result<Self, String> {
        let trusted_ms = trusted_ms.ok_or("no trusted time says whether the window of the drill is open")?;
        let window = windows.find(|window| window.id == id && window.holds(trusted_ms));
        let window = window.ok_or_else(|| format!("no order allows the drill {id:?} at this time"))?;
        if let Some(stranger) = equipment.iter().find(|id| !window.equipment.contains(id)) {
            return Err(format!("the order of the drill {id:?} does not name {stranger}"));
        }
        let left_ms = u64::try_from(window.to_ms - trusted_ms).unwrap_or(0);
        let until_us = now.mono_us + s(for_s).min(ms(left_ms));
        let window = Some((window.from_ms, window.to_ms));
        let drill = Self { id: id.to_owned(), auth, until_us, equipment: equipment.iter().cloned().collect(), window };
        match drill.over(now) {
            Some(_) => Err(format!("the clock of this gateway is outside the window of the drill {id:?}")),
            None => Ok(drill),
        }
    }

    /// What a record of this equipment says of it now; `None` where it does not take part, or the drill is over.
    pub fn of(&self, now: &Now, equipment: &str) -> Option<body::Drill> {
        let takes_part = self.equipment.contains(equipment) && self.over(now).is_none();
        takes_part.then(|| body::Drill { id: self.id.clone(), auth: self.auth })
    }

    /// Why it is over, if it is. A record states the wall time with its drill, so that a clock that was set counts too.
    pub(super) fn over(&self, now: &Now) -> Option<&'static str> {
        let Some((from_ms, to_ms)) = self.window else { return Some("order") };
        let wall_ms = now.utc_ms.filter(|_| now.quality.sync);
        if now.mono_us >= self.until_us {
            Some("time")
        } else if wall_ms.is_some_and(|ms| ms < from_ms || ms >= to_ms) {
            Some("window")
        } else {
            None
        }
    }

    /// Another order is in force: the drill goes on in its window, or ends.
    pub(super) fn ordered(&mut self, now: &Now, order: &Order) {
        let takes = |window: &&Window| self.equipment.iter().all(|id| window.equipment.contains(id));
        let window = order.drills.iter().filter(|window| window.id == self.id).find(takes);
        self.window = window.map(|window| (window.from_ms, window.to_ms));
        if self.window.is_none() {
            self.until_us = self.until_us.min(now.mono_us);
        }
    }

    /// For the page.
    pub fn status(&self, now: &Now) -> DrillStatus {
        let left_s = self.until_us.saturating_sub(now.mono_us) / 1_000_000;
        DrillStatus { id: self.id.clone(), equipment: self.equipment.iter().cloned().collect(), left_s }
    }

    pub(super) fn statement(&self, command: u64) -> Statement {
        let data = json!({
            "id": self.id,
            "auth": base64url(&self.auth),
            "command": command,
            "equipment": self.equipment,
        });
        Statement::new(Kind::ExerciseStarted, Severity::Notice, data)
    }

    pub(super) fn ended(&self, now: &Now, why: &str) -> Statement {
        let data = json!({ "id": self.id, "auth": base64url(&self.auth), "why": why, "ended_ms": now.utc_ms });
        Statement::new(Kind::ExerciseEnded, Severity::Notice, data)
    }
}
