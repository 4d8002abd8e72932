//! Whether a record that says it belongs to a drill does: by the orders and commands that the reader holds.
//!
//! A mode never suppresses anything. A record of a drill that nobody ordered is treated as live, and is a finding.

use crate::chain::Parsed;
use crate::command::{Act, Command};
use crate::encode::Link;
use crate::order::{Order, Window};
use std::collections::BTreeMap;

/// Windows and commands of one gateway, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Drills {
    windows: Vec<Window>,
    /// Name and equipment of each drill that a command began, by its link.
    begun: BTreeMap<Link, (String, Vec<String>)>,
}

/// Why a record is none of an ordered drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Doubt {
    /// Its authority is the link of no command that began a drill.
    #[error("no command that began a drill has this link")]
    Authority,
    /// The command began another drill.
    #[error("that command began another drill")]
    Name,
    /// The command does not name the equipment.
    #[error("that command does not name this equipment")]
    Equipment,
    /// No order has a window for this drill and equipment, or none that holds the record's time.
    #[error("no order has a window for it at this time")]
    Window,
}

impl Drills {
    /// An order that was given.
    pub fn ordered(&mut self, order: &Order) {
        self.windows.extend(order.drills.iter().cloned());
    }

    /// A command that was given.
    pub fn commanded(&mut self, link: Link, command: &Command) {
        if let Act::DrillStart { id, equipment, .. } = &command.act {
            self.begun.insert(link, (id.clone(), equipment.clone()));
        }
    }

    /// Why a record that says it is of a drill is none of an ordered one; `None` where it is, and for every other record.
    /// Its wall time counts where its clock was synchronised: else no time is held against it. How long the command let
    /// the drill last is for the gateway to keep; it is not judged here.
    pub fn doubt(&self, record: &Parsed<'_>) -> Option<Doubt> {
        let drill = record.drill.as_ref()?;
        let Some((id, equipment)) = self.begun.get(&drill.auth) else { return Some(Doubt::Authority) };
        if *id != drill.id {
            return Some(Doubt::Name);
        }
        let Some(of) = record.eq.as_ref().filter(|of| equipment.contains(of)) else { return Some(Doubt::Equipment) };
        let time = record.wall_ms.filter(|_| record.is_synced());
        let allows = |window: &Window| {
            window.id == *id && window.equipment.contains(of) && time.is_none_or(|ms| window.holds(ms))
        };
        (!self.windows.iter().any(allows)).then_some(Doubt::Window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{About, Body, ClockQuality, ClockSource, Drill, Mode, Standing, When};
    use crate::chain::{Head, Opening, Origin, Sealer, TailState};
    use crate::encode::Name;
    use crate::keys::IdentityKey;
    use crate::kind::{Kind, Severity};
    use serde_json::Map;

    const AUTH: Link = [7; 32];

    fn line(id: &str, auth: Link, equipment: &str, wall_ms: i64, sync: bool) -> String {
        let clock = ClockQuality { src: ClockSource::Ntp, sync, err_ms: 5, age_s: 10, era: 0 };
        let when = When { boot: "b".into(), mono_us: 1, wall_ms: Some(wall_ms), clock };
        let origin = Origin { site: Name::parse("yard").unwrap(), gw: Name::parse("gate-7").unwrap() };
        let opening =
            Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "test".into() };
        let identity = IdentityKey::from_seed([1; 32]);
        let (mut sealer, _) =
            Sealer::open(&origin, &identity, [2; 32], Head::genesis([5; 32]), &opening, &when).unwrap();
        let standing = Standing { st: "good", why: Vec::new(), due: None, cert: None };
        let about = About { equipment: equipment.into(), register: 1, standing, source: None };
        let mode = Mode::Drill(Drill { id: id.into(), auth });
        let body =
            Body { mode, about: Some(about), ..Body::new(when, Kind::AlarmRaised, Severity::Security, Map::new()) };
        sealer.seal(&body).unwrap().line
    }

    fn drills() -> Drills {
        let equipment = vec!["DOOR-1".to_owned(), "DOOR-2".to_owned()];
        let window = Window { id: "spring".into(), from_ms: 1_000, to_ms: 2_000, equipment };
        let began = ("spring".to_owned(), vec!["DOOR-1".to_owned()]);
        Drills { windows: vec![window], begun: BTreeMap::from([(AUTH, began)]) }
    }

    fn doubt(id: &str, auth: Link, equipment: &str, wall_ms: i64, sync: bool) -> Option<Doubt> {
        drills().doubt(&Parsed::read(&line(id, auth, equipment, wall_ms, sync)).unwrap())
    }

    #[test]
    fn a_record_of_a_drill_counts_where_command_and_window_name_drill_equipment_and_time() {
        assert_eq!(doubt("spring", AUTH, "DOOR-1", 1_500, true), None);
        assert_eq!(doubt("spring", [8; 32], "DOOR-1", 1_500, true), Some(Doubt::Authority));
        assert_eq!(doubt("autumn", AUTH, "DOOR-1", 1_500, true), Some(Doubt::Name));
        assert_eq!(doubt("spring", AUTH, "DOOR-2", 1_500, true), Some(Doubt::Equipment));
        assert_eq!(doubt("spring", AUTH, "DOOR-1", 2_000, true), Some(Doubt::Window));
        assert_eq!(doubt("spring", AUTH, "DOOR-1", 2_000, false), None, "nobody vouches for that time");
    }
}
