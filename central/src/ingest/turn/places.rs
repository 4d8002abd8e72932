//! Records that come into their place: in their turn, or later, into a hole that was declared as lost.

use super::Turn;
use super::disclosures::erased;
use crate::store::{self, Table};
use picket_record::chain::{OpenedEpoch, Parsed, TailState};
use picket_record::kind::Kind;
use rusqlite::Result;

/// How a record comes into its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// It continues the chain.
    InTurn,
    /// Newer ones were acted on before: it never stands over what they say.
    Late,
}

impl Turn<'_> {
    /// A record that continues the chain.
    pub(super) fn accept(&mut self, record: &Parsed<'_>, opened: Option<OpenedEpoch>, received_ms: i64) -> Result<()> {
        self.place(record, Comes::InTurn, received_ms)?;
        let before = self.gateway.head;
        self.gateway.advance(record, received_ms, self.now);
        self.tally.stored += 1;
        let Some(opened) = opened else { return Ok(()) };
        self.open(&opened)?;
        if record.tail_state().is_some_and(TailState::leaves_a_branch) { self.left(record, before) } else { Ok(()) }
    }

    /// A record of a hole that its gateway declared as lost: evidence, if it fits to what is around it.
    pub(super) fn found(&mut self, record: &Parsed<'_>, opened: Option<OpenedEpoch>) -> Result<()> {
        let gw = &record.gw;
        let before = match record.seq {
            1 => Some(self.gateway.accepted.link),
            seq => store::link_in_place(self.db, gw, seq - 1)?,
        };
        let named = store::named_by_next(self.db, gw, record.seq)?;
        if before.is_some_and(|link| link != record.prev) || named.is_some_and(|link| link != record.link) {
            return self.fork(record, opened.as_ref(), None, "it does not fit into the hole that was declared");
        }
        self.place(record, Comes::Late, self.now.wall_ms)?;
        self.tally.found += 1;
        if let Some(opened) = opened.filter(|opened| !self.gateway.has_epoch(opened.ep())) {
            self.gateway.admit(&opened);
            store::insert_epoch(self.db, gw, opened.ep(), opened.key(), opened.seq())?;
        }
        Ok(())
    }

    /// Everything that a record brings about once it is in its place, however it came there.
    fn place(&mut self, record: &Parsed<'_>, comes: Comes, received_ms: i64) -> Result<()> {
        let gw = &record.gw;
        store::insert(self.db, Table::Record, record, received_ms)?;
        if self.gateway.is_trusted(record.seq) {
            let answers = match comes {
                Comes::InTurn => {
                    store::fold(self.db, record)?;
                    self.gateway.down.seen(record)
                }
                Comes::Late => {
                    store::fold_late(self.db, record, &mut self.late)?;
                    self.gateway.down.seen_late(record, &store::answers(self.db, gw)?)
                }
            };
            for answer in answers {
                store::save_answer(self.db, gw, &answer, received_ms)?;
            }
        }
        if self.gateway.forks > 0 && store::forget_fork(self.db, gw, record.seq, &record.link)? {
            self.gateway.forks -= 1;
        }
        self.gateway.doubt_drill(self.db, record, self.now)?;
        if record.kind == Kind::PersonalErased {
            for range in erased(record) {
                store::erase(self.db, gw, range, record.seq)?;
            }
        }
        Ok(())
    }
}
