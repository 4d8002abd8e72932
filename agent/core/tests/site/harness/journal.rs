//! The journal, as far as the site can tell: bodies in order, rows folded from them.

use picket_core::memory::{self, Change, Stated};
use picket_core::summary::SLICE;
use picket_core::wire::{Input, Past, StateRow, Unkept};
use picket_record::body::Body;
use picket_record::kind::Severity;
use picket_record::order::Order;
use picket_record::personal::Personal;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stores bodies.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) records: Vec<Body>,
    pub(crate) rows: BTreeMap<String, StateRow>,
    /// What stands beside records.
    pub(crate) personal: BTreeMap<u64, String>,
    pub(crate) head: u64,
    pub(crate) fill_permille: u16,
    pub(crate) open: Option<(u64, Arc<Vec<Body>>)>,
    /// The order that was put into force.
    pub(crate) order: Option<Order>,
    /// Version and hash of the root document in force.
    pub(crate) root: Option<(u64, [u8; 32])>,
    /// Stores whatever is handed in at once.
    pub(crate) prompt: bool,
    /// Why it keeps no order, where it keeps none.
    pub(crate) keeps_none: Option<Unkept>,
}

impl Journal {
    pub(crate) fn store(&mut self) -> Option<Input> {
        let (through, bodies) = self.open.take()?;
        let mut urgent = Vec::new();
        for body in bodies.iter() {
            self.head += 1;
            urgent.extend((body.severity >= Severity::Security).then_some(self.head));
            if let Some(Personal::Said(text)) = &body.personal {
                self.personal.insert(self.head, text.as_str().to_owned());
            }
            for change in memory::changes(Stated::of(body)) {
                match change {
                    Change::Again(row) => drop(self.rows.insert(row.key.clone(), row)),
                    Change::Put { key, body } => {
                        self.rows.insert(key.clone(), StateRow { key, body, seq: self.head });
                    }
                    Change::Drop { key } => drop(self.rows.remove(&key)),
                    Change::Clear => self.rows.clear(),
                }
            }
            self.records.push(body.clone());
        }
        Some(Input::Stored { through, head: self.head, urgent, fill_permille: self.fill_permille })
    }
}

impl Journal {
    /// As many records behind a number as are looked at at a time. The first record here is number 2: a start opens an
    /// epoch with number 1.
    pub(crate) fn look_back(&self, after: u64) -> Input {
        let numbered = (2..).zip(&self.records).filter(|(seq, _)| *seq > after).take(SLICE as usize);
        let past: Vec<Past> = numbered.map(|(seq, body)| past(seq, body)).collect();
        let through = past.last().map_or(self.head, |last| last.seq);
        Input::LookedBack { after, through, oldest: 1, past }
    }
}

fn past(seq: u64, body: &Body) -> Past {
    Past {
        seq,
        boot: body.when.boot.to_string(),
        mono_us: body.when.mono_us,
        wall_ms: body.when.wall_ms,
        synced: body.when.clock.sync,
        mode: "live".into(),
        kind: body.kind,
        severity: body.severity,
        equipment: body.about.as_ref().map(|about| about.equipment.clone()),
        standing: body.about.as_ref().map(|about| about.standing.st.to_owned()),
        data: body.data.clone(),
    }
}
