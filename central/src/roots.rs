//! The root documents of a central system: made once, and renewed by two of their three keys.
//!
//! All three keys are made here and belong elsewhere: two of them are needed for a new version, so each is carried to a
//! place of its own. Nothing that runs needs any of them.

use crate::custody::{Custody, CustodyError, random_seed, write_new};
use picket_record::encode::base64url;
use picket_record::keys::{AcceptKey, OrderKey, ReceiptKey, RootKey};
use picket_record::refusal::Refusal;
use picket_record::root::{DOWN_LINES_MAX, ROOT_KEYS, ROOT_THRESHOLD, Root, RootRefusal, Roots};
use std::path::{Path, PathBuf};

const ORDER_KEY: &str = "order.key";
/// Root documents, every version, to be installed on gateways.
pub const ROOT: &str = "root.jws";

/// Why root documents are not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum RootFault {
    /// A file or key.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// They are not what they must be.
    #[error("{}", path.display())]
    Documents {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RootRefusal,
    },
    /// A document cannot be written.
    #[error("a root document cannot be made: {0}")]
    Unwritable(#[from] Refusal),
    /// All versions together would be more than a gateway takes in one message. Nothing was written.
    #[error("root.jws would have {bytes} bytes, and gateways take {DOWN_LINES_MAX}: begin a new central system")]
    Large {
        /// How many.
        bytes: usize,
    },
    /// Fewer keys than two, or keys that are not of the version in force.
    #[error("{given} of the given keys are root keys of version {ver}, two are needed: name their files with --key")]
    Keys {
        /// How many fit.
        given: usize,
        /// Version in force.
        ver: u64,
    },
}

/// What a new version changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renewal {
    /// A new key for orders: the versions of orders begin anew.
    pub order: bool,
    /// A new key for receipts.
    pub receipt: bool,
    /// A new key for acceptances and tokens.
    pub accept: bool,
}

impl Custody {
    /// Makes root keys, the key for orders and version 1 of the root document, in a directory that has none.
    pub fn make_root(&self, now_ms: i64) -> Result<(), RootFault> {
        let sms = self.sms()?;
        let mut keys = Vec::with_capacity(ROOT_KEYS);
        for n in 1..=ROOT_KEYS {
            let seed = random_seed()?;
            write_new(&self.path(&format!("root-{n}.key")), &base64url(&seed))?;
            keys.push(RootKey::from_seed(seed));
        }
        write_new(&self.path(ORDER_KEY), &base64url(&random_seed()?))?;
        let public: Vec<_> = keys.iter().map(RootKey::public).collect();
        let root = Root {
            sms,
            ver: 1,
            ts_ms: now_ms,
            keys: public.try_into().expect("three keys were made"),
            accept: self.accept_key()?.public(),
            receipt: self.receipt_key()?.public(),
            order: self.order_key()?.public(),
            order_floor: 0,
        };
        let text = lines(&root, keys.iter().take(ROOT_THRESHOLD))?;
        Ok(write_new(&self.path(ROOT), text.trim_end())?)
    }

    /// The key for orders and commands.
    pub fn order_key(&self) -> Result<OrderKey, CustodyError> {
        self.seed(ORDER_KEY).map(OrderKey::from_seed)
    }

    /// The text of all root documents, and what they say; `None` in a directory that was made without.
    pub fn roots(&self) -> Result<Option<(String, Roots)>, RootFault> {
        let path = self.path(ROOT);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| CustodyError::Io { path: path.clone(), source })?,
        };
        let roots = Roots::verify(&text).map_err(|source| RootFault::Documents { path, source })?;
        Ok(Some((text, roots)))
    }

    /// Makes the next version, signed by two root keys of the one in force. New keys are written first and take the place
    /// of the old ones, which are kept beside them, once the documents name them.
    pub fn renew_root(&self, keys: &[PathBuf], renewal: Renewal, now_ms: i64) -> Result<u64, RootFault> {
        let (text, roots) = self.roots()?.ok_or_else(|| {
            let source = std::io::ErrorKind::NotFound.into();
            CustodyError::Io { path: self.path(ROOT), source }
        })?;
        let before = roots.in_force();
        let signers = signers(keys, before)?;
        let mut root = Root { ver: before.ver + 1, ts_ms: now_ms, ..before.clone() };
        let mut fresh = Vec::new();
        if renewal.order {
            let seed = random_seed()?;
            root.order = OrderKey::from_seed(seed).public();
            fresh.push((ORDER_KEY, seed));
        }
        if renewal.receipt {
            let seed = random_seed()?;
            root.receipt = ReceiptKey::from_seed(seed).public();
            fresh.push((crate::custody::RECEIPT_KEY, seed));
        }
        if renewal.accept {
            let seed = random_seed()?;
            root.accept = AcceptKey::from_seed(seed).public();
            fresh.push((crate::custody::ACCEPT_KEY, seed));
        }
        let next = text + &lines(&root, signers.iter())?;
        if next.len() > DOWN_LINES_MAX {
            return Err(RootFault::Large { bytes: next.len() });
        }
        Roots::verify(&next).map_err(|source| RootFault::Documents { path: self.path(ROOT), source })?;
        for (file, seed) in &fresh {
            write_new(&self.path(&format!("{file}.{}", root.ver)), &base64url(seed))?;
        }
        replace(&self.path(ROOT), &next)?;
        for (file, _) in &fresh {
            let (path, newer) = (self.path(file), self.path(&format!("{file}.{}", root.ver)));
            let kept = self.path(&format!("{file}.before-{}", root.ver));
            let moved = std::fs::rename(&path, &kept).and_then(|()| std::fs::rename(&newer, &path));
            moved.map_err(|source| CustodyError::Io { path, source })?;
        }
        Ok(root.ver)
    }
}

fn signers(files: &[PathBuf], before: &Root) -> Result<Vec<RootKey>, RootFault> {
    let mut keys: Vec<RootKey> = Vec::new();
    for file in files {
        let key = RootKey::from_seed(Custody::seed_in(file)?);
        let fits = before.keys.contains(&key.public());
        if fits && keys.iter().all(|known| known.public() != key.public()) {
            keys.push(key);
        }
    }
    if keys.len() < ROOT_THRESHOLD {
        return Err(RootFault::Keys { given: keys.len(), ver: before.ver });
    }
    Ok(keys)
}

fn lines<'a>(root: &Root, keys: impl Iterator<Item = &'a RootKey>) -> Result<String, Refusal> {
    keys.map(|key| root.sign(key).map(|signed| signed.line + "\n")).collect()
}

/// Writes a file whole and durable, or leaves the one before.
fn replace(path: &Path, text: &str) -> Result<(), CustodyError> {
    let fresh = path.with_extension("new");
    let told = |source| CustodyError::Io { path: path.to_owned(), source };
    let _ = std::fs::remove_file(&fresh);
    write_new(&fresh, text.trim_end())?;
    std::fs::rename(&fresh, path).map_err(told)?;
    match path.parent() {
        Some(dir) => std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(told),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_record::encode::Name;

    fn made() -> (tempfile::TempDir, Custody) {
        let home = tempfile::tempdir().unwrap();
        let custody = Custody::init(&home.path().join("central"), &Name::parse("hq").unwrap()).unwrap();
        custody.make_root(1_000).unwrap();
        (home, custody)
    }

    #[test]
    fn the_first_root_document_names_the_keys_of_the_directory() {
        let (_home, custody) = made();
        let (_, roots) = custody.roots().unwrap().unwrap();
        let root = roots.in_force();
        assert_eq!((root.ver, &root.receipt), (1, &custody.receipt_key().unwrap().public()));
        assert_eq!(root.order, custody.order_key().unwrap().public());
        assert!(custody.make_root(2_000).is_err(), "and is made once");
    }

    #[test]
    fn no_root_document_is_made_that_no_gateway_would_take() {
        let (_home, custody) = made();
        let keys = [1, 2].map(|n| custody.path(&format!("root-{n}.key")));
        let renew = |ver| custody.renew_root(&keys, Renewal::default(), ver);
        let refused = (2..200).find_map(|ver| renew(ver).err()).unwrap();
        assert!(matches!(refused, RootFault::Large { bytes } if bytes > DOWN_LINES_MAX), "{refused}");
        let (text, roots) = custody.roots().unwrap().unwrap();
        assert!(text.len() <= DOWN_LINES_MAX && roots.in_force().ver > 40, "{}", roots.in_force().ver);
    }

    #[test]
    fn two_root_keys_make_the_next_version_and_one_does_not() {
        let (_home, custody) = made();
        let key = |n: u8| custody.path(&format!("root-{n}.key"));
        let renewal = Renewal { order: true, ..Renewal::default() };
        for keys in [vec![key(1)], vec![key(1), key(1)], vec![key(1), custody.path("receipt.key")]] {
            assert!(matches!(custody.renew_root(&keys, renewal, 5), Err(RootFault::Keys { given: 1, ver: 1 })));
        }
        let (before, receipt) = (custody.order_key().unwrap().public(), custody.receipt_key().unwrap().public());
        let (first, _) = custody.roots().unwrap().unwrap();
        assert_eq!(custody.renew_root(&[key(3), key(2)], renewal, 5).unwrap(), 2);
        let (text, roots) = custody.roots().unwrap().unwrap();
        assert!(text.starts_with(&first), "every version is kept");
        assert_eq!(roots.in_force().order, custody.order_key().unwrap().public());
        assert_ne!(roots.in_force().order, before);
        assert_eq!(roots.in_force().receipt, receipt, "nothing else changed");
    }
}
