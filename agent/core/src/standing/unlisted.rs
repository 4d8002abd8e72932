//! What was heard and no row names: a book of bounded size, in which the eldest quiet sender gives way, counted.

use super::Standings;
use crate::nonconformity::Nonconformities;
use crate::register::{EquipmentId, Verdict};
use crate::statement::{Facts, Statement};
use crate::time::{Now, s};
use crate::wire::StateRow;
use std::collections::{BTreeMap, BTreeSet};

/// Most unlisted senders that are kept apart; the rest share one name. Bounds what a flood of names can cost.
const MAX_UNLISTED: usize = 64;
/// A sender gives way to a new one after so long without a word, so that a flood of names changes the book slowly.
const QUIET_US: u64 = s(3_600);

/// The book.
#[derive(Debug, Default)]
pub(super) struct Unlisted {
    /// When each was heard last.
    senders: BTreeMap<EquipmentId, u64>,
    /// Messages of senders that share a name.
    beyond: u64,
    gave_way: u64,
}

/// Something that no row names was heard.
#[derive(Debug)]
pub struct HeardUnlisted {
    /// Its id, or the one that is shared.
    pub id: EquipmentId,
    /// What it opens, and what that closes.
    pub statements: Vec<Statement>,
    /// What is forgotten for it.
    pub gone: Option<EquipmentId>,
}

impl Unlisted {
    /// From the rows of open nonconformities, without those that the register `lists` by now.
    pub(super) fn recover(rows: &[StateRow], lists: impl Fn(&EquipmentId) -> bool) -> Self {
        let open = rows.iter().filter_map(|row| EquipmentId::parse(row.key.strip_prefix("nonconformity/unlisted/")?));
        Self { senders: open.filter(|id| !lists(id)).map(|id| (id, 0)).collect(), ..Self::default() }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &EquipmentId> {
        self.senders.keys()
    }

    pub(super) fn contains(&self, id: &EquipmentId) -> bool {
        self.senders.contains_key(id)
    }

    /// Heard now. True where it is new.
    pub(super) fn hear(&mut self, now: &Now, id: &EquipmentId) -> bool {
        self.senders.insert(id.clone(), now.mono_us).is_none()
    }

    /// When each spoke before the start is not known: quiet counts from now on.
    pub(super) fn started(&mut self, now: &Now) {
        self.senders.values_mut().for_each(|heard| *heard = now.mono_us);
    }

    fn is_full(&self) -> bool {
        self.senders.keys().filter(|id| is_sender(id)).count() >= MAX_UNLISTED
    }

    fn eldest_quiet(&self, now: &Now, is_busy: impl Fn(&EquipmentId) -> bool) -> Option<EquipmentId> {
        let quiet = |heard: u64| now.mono_us.saturating_sub(heard) >= QUIET_US;
        let free = self.senders.iter().filter(|(id, heard)| is_sender(id) && quiet(**heard) && !is_busy(id));
        free.min_by_key(|(_, heard)| **heard).map(|(id, _)| id.clone())
    }
}

/// A sender of its own: no device of the settings, and not the name that the rest shares.
fn is_sender(id: &EquipmentId) -> bool {
    id.as_str().starts_with("unlisted:") && *id != EquipmentId::unlisted_rest()
}

impl Standings {
    /// Something spoke that no row names. A sender beyond the book's size takes the place of one that has long been
    /// quiet and `is_busy` with no alarm, else it shares a name; both are counted.
    pub fn heard_unlisted(
        &mut self,
        now: &Now,
        sender: &str,
        is_busy: impl Fn(&EquipmentId) -> bool,
        book: &mut Nonconformities,
    ) -> HeardUnlisted {
        let mut id = EquipmentId::unlisted(sender);
        let (mut statements, mut gone) = (Vec::new(), None);
        if !self.unlisted.contains(&id) && self.unlisted.is_full() {
            gone = self.unlisted.eldest_quiet(now, is_busy);
            match &gone {
                Some(quiet) => {
                    self.unlisted.gave_way += 1;
                    let why = [("why", "gave-way".to_owned()), ("gave_way", self.unlisted.gave_way.to_string())];
                    statements.extend(self.forget_unlisted(quiet, &why, book));
                }
                None => id = EquipmentId::unlisted_rest(),
            }
        }
        self.unlisted.beyond += u64::from(id == EquipmentId::unlisted_rest());
        self.unlisted.hear(now, &id);
        self.verdicts.entry(id.clone()).or_insert_with(Verdict::unlisted);
        let facts = Facts::from([("sender".to_owned(), sender.chars().take(100).collect())]);
        statements.extend(book.open(now, &self.register, "unlisted", &id, facts));
        HeardUnlisted { id, statements, gone }
    }

    /// Messages since the start of senders that share a name, and senders that gave way.
    pub fn unlisted_counts(&self) -> (u64, u64) {
        (self.unlisted.beyond, self.unlisted.gave_way)
    }

    /// At a start: closes what the settings took in since. `taken` says which equipment a sender is by now; equipment
    /// that was named in the settings without a row, and is not any more (`named`), is over too.
    pub fn adopt(
        &mut self,
        taken: &BTreeMap<EquipmentId, EquipmentId>,
        named: &BTreeSet<EquipmentId>,
        book: &mut Nonconformities,
    ) -> Vec<Statement> {
        let ids: Vec<EquipmentId> = self.unlisted.ids().cloned().collect();
        let mut statements = Vec::new();
        for id in ids {
            let own_name = !id.as_str().starts_with("unlisted:");
            if let Some(equipment) = taken.get(&id) {
                let why = [("why", "taken-in".to_owned()), ("as", equipment.to_string())];
                statements.extend(self.forget_unlisted(&id, &why, book));
            } else if own_name && !named.contains(&id) {
                statements.extend(self.forget_unlisted(&id, &[("why", "not-named-any-more".to_owned())], book));
            }
        }
        statements
    }

    fn forget_unlisted(
        &mut self,
        id: &EquipmentId,
        why: &[(&str, String)],
        book: &mut Nonconformities,
    ) -> Option<Statement> {
        self.unlisted.senders.remove(id);
        self.verdicts.remove(id);
        let mut statement = book.removed("unlisted", id)?;
        statement.data.extend(why.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())));
        Some(statement)
    }
}
