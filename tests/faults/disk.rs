//! The model of a disk with a cache: what a power cut may leave of the files of one folder.
//!
//! Data reach a file for certain when it is synced; until then any of its writes may be there, in any order, in part.
//! Names are kept in order, as journalled file systems do: a cut leaves the first so many of those that are not certain.
//! They are certain once the folder is synced, and that of a new file once the file is.

use picket_core::time::Chance;
use std::collections::BTreeMap;

/// A sector: what a disk writes whole.
const SECTOR: usize = 512;

/// What a process did.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// It told something outside.
    Told(String),
    /// It wrote; `at` none = at the end.
    Write { file: String, at: Option<usize>, data: Vec<u8> },
    /// It made a file longer or shorter.
    Cut { file: String, to: usize },
    /// It synced a file, or with an empty name the folder.
    Sync { file: String },
    /// It opened a file that may be new.
    Made { file: String },
    /// The same, and empties it.
    Emptied { file: String },
    /// It removed a name.
    Removed { file: String },
    /// It gave a file another name.
    Renamed { from: String, to: String },
}

impl Op {
    /// A point before which everything hangs in the balance.
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. })
    }
}

/// How much of what is pending a cut leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing.
    None,
    /// All of it.
    All,
    /// The first so many operations.
    Prefix,
    /// Some of them.
    Subset,
    /// Some sectors of some of them.
    Torn,
}

impl Variant {
    pub(crate) const EVERY: [Self; 5] = [Self::None, Self::All, Self::Prefix, Self::Subset, Self::Torn];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
            Self::Prefix => "prefix",
            Self::Subset => "subset",
            Self::Torn => "torn",
        }
    }

    /// Whether another draw gives another state.
    pub(crate) fn is_drawn(self) -> bool {
        !matches!(self, Self::None | Self::All)
    }
}

/// Names and contents.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Cut { to: usize },
}

#[derive(Debug, Clone, Default)]
struct Content {
    certain: Vec<u8>,
    /// In order, each with its place among all operations.
    pending: Vec<(u64, Change)>,
    length: usize,
}

#[derive(Debug, Clone)]
enum NameChange {
    Made { file: String, content: usize },
    Removed { file: String },
    Renamed { from: String, to: String },
}

/// The folder.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    contents: Vec<Content>,
    certain: BTreeMap<String, usize>,
    pending: Vec<(u64, NameChange)>,
    seen: BTreeMap<String, usize>,
    clock: u64,
}

impl Disk {
    /// Does one operation in the cache.
    pub(crate) fn apply(&mut self, op: &Op) {
        self.clock += 1;
        match op {
            Op::Told(_) => {}
            Op::Write { file, at, data } => {
                let content = self.content(file);
                let at = at.unwrap_or(self.contents[content].length);
                self.change(content, Change::Write { at, data: data.clone() });
            }
            Op::Cut { file, to } => {
                let content = self.content(file);
                self.change(content, Change::Cut { to: *to });
            }
            Op::Made { file } => drop(self.content(file)),
            Op::Emptied { file } => {
                let content = self.content(file);
                self.change(content, Change::Cut { to: 0 });
            }
            Op::Removed { file } => self.rename(NameChange::Removed { file: file.clone() }),
            Op::Renamed { from, to } => self.rename(NameChange::Renamed { from: from.clone(), to: to.clone() }),
            Op::Sync { file } if file.is_empty() => self.settle_names(self.pending.len()),
            Op::Sync { file } => self.sync(file),
        }
    }

    fn sync(&mut self, file: &str) {
        let Some(content) = self.seen.get(file).copied() else { return };
        let made =
            |(_, change): &(u64, NameChange)| matches!(change, NameChange::Made { content: c, .. } if *c == content);
        if let Some(last) = self.pending.iter().position(made) {
            self.settle_names(last + 1);
        }
        let content = &mut self.contents[content];
        for (_, change) in std::mem::take(&mut content.pending) {
            put(&mut content.certain, &change);
        }
    }

    fn settle_names(&mut self, count: usize) {
        for (_, change) in self.pending.drain(..count) {
            name(&mut self.certain, &change);
        }
    }

    fn rename(&mut self, change: NameChange) {
        name(&mut self.seen, &change);
        self.pending.push((self.clock, change));
    }

    fn content(&mut self, file: &str) -> usize {
        if let Some(content) = self.seen.get(file) {
            return *content;
        }
        self.contents.push(Content::default());
        let content = self.contents.len() - 1;
        self.rename(NameChange::Made { file: file.to_owned(), content });
        content
    }

    fn change(&mut self, content: usize, change: Change) {
        let clock = self.clock;
        let content = &mut self.contents[content];
        content.length = match &change {
            Change::Write { at, data } => content.length.max(at + data.len()),
            Change::Cut { to } => *to,
        };
        content.pending.push((clock, change));
    }

    /// Whether a cut here leaves more than one state.
    pub(crate) fn is_uncertain(&self) -> bool {
        !self.pending.is_empty() || self.contents.iter().any(|content| !content.pending.is_empty())
    }

    /// What a cut here leaves.
    pub(crate) fn cut(&self, variant: Variant, chance: &mut Chance) -> Files {
        // A prefix of all operations of all files; names by a prefix of their own otherwise.
        let first = self.contents.iter().flat_map(|c| c.pending.first()).map(|(at, _)| *at);
        let first = first.chain(self.pending.first().map(|(at, _)| *at)).min().unwrap_or(self.clock);
        let until = first + chance.below(self.clock - first + 2);
        let names = match variant {
            Variant::None => 0,
            Variant::All => self.pending.len(),
            Variant::Prefix => self.pending.iter().filter(|(at, _)| *at < until).count(),
            Variant::Subset | Variant::Torn => chance.below(self.pending.len() as u64 + 1) as usize,
        };
        let mut left = self.certain.clone();
        self.pending[..names].iter().for_each(|(_, change)| name(&mut left, change));
        let content = |index: &usize, chance: &mut Chance| self.contents[*index].cut(variant, until, chance);
        left.iter().map(|(file, index)| (file.clone(), content(index, chance))).collect()
    }
}

impl Content {
    fn cut(&self, variant: Variant, until: u64, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.certain.clone();
        for (at, change) in &self.pending {
            match (variant, change) {
                (Variant::None, _) => {}
                (Variant::Prefix, _) if *at >= until => {}
                (Variant::All | Variant::Prefix, change) => put(&mut bytes, change),
                (Variant::Torn, Change::Write { at, data }) => {
                    for (index, sector) in data.chunks(SECTOR).enumerate() {
                        if chance.below(2) == 0 {
                            put(&mut bytes, &Change::Write { at: at + index * SECTOR, data: sector.to_vec() });
                        }
                    }
                }
                (Variant::Subset | Variant::Torn, change) => {
                    if chance.below(2) == 0 {
                        put(&mut bytes, change);
                    }
                }
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, data } => {
            if bytes.len() < at + data.len() {
                bytes.resize(at + data.len(), 0);
            }
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
        Change::Cut { to } => bytes.resize(*to, 0),
    }
}

fn name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Made { file, content } => drop(names.insert(file.clone(), *content)),
        NameChange::Removed { file } => drop(names.remove(file)),
        NameChange::Renamed { from, to } => {
            if let Some(content) = names.remove(from) {
                names.insert(to.clone(), content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &str, at: usize, data: &[u8]) -> Op {
        Op::Write { file: file.into(), at: Some(at), data: data.to_vec() }
    }

    fn sync(file: &str) -> Op {
        Op::Sync { file: file.into() }
    }

    fn after(ops: &[Op], variant: Variant) -> Files {
        let mut disk = Disk::default();
        ops.iter().for_each(|op| disk.apply(op));
        disk.cut(variant, &mut Chance::new(1))
    }

    #[test]
    fn what_is_synced_is_there_and_the_rest_may_be() {
        let ops = [write("a", 0, b"one"), sync("a"), write("a", 3, b"two")];
        assert_eq!(after(&ops, Variant::None), Files::from([("a".into(), b"one".to_vec())]));
        assert_eq!(after(&ops, Variant::All), Files::from([("a".into(), b"onetwo".to_vec())]));
    }

    #[test]
    fn a_new_file_that_was_never_synced_may_be_missing() {
        assert_eq!(after(&[write("a", 0, b"one")], Variant::None), Files::new());
    }

    #[test]
    fn an_exchange_is_certain_once_the_folder_is_synced() {
        let exchange = Op::Renamed { from: "b".into(), to: "a".into() };
        let mut ops = vec![write("a", 0, b"one"), sync("a"), write("b", 0, b"two"), sync("b"), exchange];
        assert_eq!(after(&ops, Variant::None)["a"], b"one");
        ops.push(sync(""));
        assert_eq!(after(&ops, Variant::None), Files::from([("a".into(), b"two".to_vec())]));
    }
}
