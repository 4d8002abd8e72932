//! The root documents of a central system: made once, and renewed by two of their three keys.
//!
//! All three keys are made here and belong elsewhere: two of them are needed for a new version, so each is carried to a
//! place of its own. Nothing that runs needs any of them.

use crate::custody::{
    ACCEPT_KEY, Custody, CustodyError, ORDER_KEY, RECEIPT_KEY, ROOT, SIGNERS, numbered, random_seed, replace, write_new,
};
use picket_record::encode::base64url;
use picket_record::keys::{AcceptKey, OrderKey, PublicKey, ReceiptKey, RootKey};
use picket_record::refusal::Refusal;
use picket_record::root::{DOWN_LINES_MAX, ROOT_KEYS, ROOT_THRESHOLD, Root, Roots};
use std::path::PathBuf;

/// Why root documents are not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum RootFault {
    /// A file or key.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// A document cannot be written.
    #[error("a root document cannot be made: {0}")]
    Unwritable(#[from] Refusal),
    /// All versions together would be more than a gateway takes in one message. Nothing was written.
    #[error("root.jws would have {bytes} bytes, and gateways take {DOWN_LINES_MAX}: begin a new central system")]
    Large {
        /// How many.
        bytes: usize,
    },
    /// A root key is to be replaced, and none of the three is left out.
    #[error("all three root keys were given, so none can be replaced: give --key for the two that stay")]
    NoneLeft,
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
    /// A new root key in the place of the one that does not sign.
    pub root: bool,
}

/// A version that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Its number.
    pub ver: u64,
    /// File of the new root key, to be carried away.
    pub root_key: Option<PathBuf>,
}

impl Custody {
    /// Makes root keys, the key for orders and version 1 of the root document, in a directory that has none. The document
    /// comes last: keys that a run which was killed has left are taken over.
    pub fn make_root(&self, now_ms: i64) -> Result<(), RootFault> {
        let sms = self.sms()?;
        if self.path(ROOT).exists() {
            return Err(CustodyError::Exists { path: self.path(ROOT) }.into());
        }
        let mut keys = Vec::with_capacity(ROOT_KEYS);
        for n in 1..=ROOT_KEYS {
            keys.push(RootKey::from_seed(self.made_seed(&format!("root-{n}.key"))?));
        }
        self.made_seed(ORDER_KEY)?;
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
        Ok(replace(&self.path(ROOT), &text)?)
    }

    /// Makes the next version, signed by two root keys of the one in force. New keys are written first, under the number
    /// of the version; once the documents name them, they take the place of the old ones, which are kept beside them.
    /// Wherever this is killed, the keys that the documents name are found, and the next call goes on.
    pub fn renew_root(&self, keys: &[PathBuf], renewal: Renewal, now_ms: i64) -> Result<Renewed, RootFault> {
        let (text, roots) = self.roots()?.ok_or_else(|| {
            let source = std::io::ErrorKind::NotFound.into();
            CustodyError::Io { path: self.path(ROOT), source }
        })?;
        self.settle_keys()?;
        match self.publish() {
            // The key for acceptances is lost: another one may be renewed all the same, and so may this one.
            Err(CustodyError::Foreign { .. }) => {}
            Err(_) if renewal.accept => {}
            published => published?,
        }
        let before = roots.in_force();
        let signers = signers(keys, before)?;
        let mut root = Root { ver: before.ver + 1, ts_ms: now_ms, ..before.clone() };
        let mut fresh = Vec::new();
        if renewal.order {
            let seed = random_seed()?;
            root.order = OrderKey::from_seed(seed).public();
            fresh.push((ORDER_KEY.to_owned(), seed));
        }
        if renewal.receipt {
            let seed = random_seed()?;
            root.receipt = ReceiptKey::from_seed(seed).public();
            fresh.push((RECEIPT_KEY.to_owned(), seed));
        }
        if renewal.accept {
            let seed = random_seed()?;
            root.accept = AcceptKey::from_seed(seed).public();
            fresh.push((ACCEPT_KEY.to_owned(), seed));
        }
        let mut root_key = None;
        if renewal.root {
            let stays = |key: &PublicKey| signers.iter().any(|signer| signer.public() == *key);
            let at = root.keys.iter().position(|key| !stays(key)).ok_or(RootFault::NoneLeft)?;
            let seed = random_seed()?;
            root.keys[at] = RootKey::from_seed(seed).public();
            let file = format!("root-{}.key", at + 1);
            root_key = Some(self.path(&numbered(&file, root.ver)));
            fresh.push((file, seed));
        }
        let next = text + &lines(&root, signers.iter())?;
        if next.len() > DOWN_LINES_MAX {
            return Err(RootFault::Large { bytes: next.len() });
        }
        Roots::verify(&next).map_err(|source| CustodyError::Documents { path: self.path(ROOT), source })?;
        self.forget_unnamed(root.ver)?;
        for (file, seed) in &fresh {
            write_new(&self.path(&numbered(file, root.ver)), &base64url(seed))?;
        }
        replace(&self.path(ROOT), &next)?;
        self.settle_keys()?;
        if renewal.accept {
            self.publish()?;
        }
        Ok(Renewed { ver: root.ver, root_key })
    }

    /// Keys of a version that was never made: no document names them.
    fn forget_unnamed(&self, ver: u64) -> Result<(), CustodyError> {
        let roots = (1..=ROOT_KEYS).map(|n| format!("root-{n}.key"));
        for file in SIGNERS.iter().map(|signer| signer.file.to_owned()).chain(roots) {
            let path = self.path(&numbered(&file, ver));
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CustodyError::Io { path, source });
                }
                _ => {}
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests;
