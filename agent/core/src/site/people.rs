//! What people set and report beside equipment: the level of the site, the rota, the reviews of drills.

use crate::duty::Rota;
use crate::exercise::Exercises;
use crate::level::Level;
use crate::wire::StateRow;

/// The books that people fill.
#[derive(Debug)]
pub(super) struct People {
    pub(super) level: Level,
    pub(super) rota: Rota,
    pub(super) exercises: Exercises,
}

impl People {
    /// From the rows the journal recovered.
    pub(super) fn recover(rows: &[StateRow]) -> Self {
        Self { level: Level::recover(rows), rota: Rota::recover(rows), exercises: Exercises::recover(rows) }
    }

    /// When something of it wants to be looked at.
    pub(super) fn deadlines(&self) -> [Option<u64>; 2] {
        [self.rota.deadline(), self.exercises.deadline()]
    }
}
