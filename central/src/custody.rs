//! The directory of a central system: its name, its keys, its store. Keys are files with mode 0600 in a directory 0700.

mod files;
mod signers;

pub(crate) use files::replace;
pub use files::write_new;
use files::{read, sync};
pub(crate) use signers::{SIGNERS, Signer, numbered};

use picket_record::encode::{Name, base64url, bytes32};
use picket_record::keys::{AcceptKey, OrderKey, PublicKey, ReceiptKey};
use picket_record::refusal::Refusal;
use picket_record::root::{RootRefusal, Roots};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

const NAME: &str = "sms.name";
pub(crate) const RECEIPT_KEY: &str = "receipt.key";
pub(crate) const ACCEPT_KEY: &str = "accept.key";
/// Public half of the acceptance key, to be installed on gateways.
pub const ACCEPT_PUB: &str = "accept.pub";
pub(crate) const ORDER_KEY: &str = "order.key";
/// Root documents, every version, to be installed on gateways.
pub const ROOT: &str = "root.jws";
const STORE: &str = "central.db";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// A file or the directory.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is never overwritten.
    #[error("{} exists and is never overwritten; name another place", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Others can use a directory that was there before.
    #[error("{} is open to others (mode {mode:o}); run: chmod 700 {}, or name a new one", path.display(), path.display())]
    OpenDir {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What the file holds is not what it must be.
    #[error("{}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Refusal,
    },
    /// A file without a key.
    #[error("{} is empty: the power went while it was made, and no key was ever in it; remove it and make it again", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// Others can read a private key.
    #[error("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The root documents are not what they must be.
    #[error("{}", path.display())]
    Documents {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: RootRefusal,
    },
    /// A key that the root document in force does not name: nobody would believe what it signs.
    #[error(
        "{} is not the key that version {ver} of the root document names; put that key there, or have a new one named: \
         picket-central root renew --{what} --key FILE --key FILE",
        path.display()
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The version in force.
        ver: u64,
        /// What the key is for.
        what: &'static str,
    },
    /// No randomness for keys.
    #[error("the system gives no randomness for keys")]
    Random(#[source] io::Error),
}

/// The directory with everything that a central system keeps.
#[derive(Debug, Clone)]
pub struct Custody {
    dir: PathBuf,
}

impl Custody {
    /// An existing directory.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes the directory and its keys. What a run that was killed has left is taken over; it is finished once the first
    /// root document is there, and then nothing is touched.
    pub fn init(dir: &Path, sms: &Name) -> Result<Self, CustodyError> {
        let custody = Self::at(dir);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        let fault = |source| CustodyError::Io { path: dir.to_owned(), source };
        made.map_err(fault)?;
        // One that was there keeps its mode: closing a directory that others work in is not for a program to decide.
        let mode = fs::metadata(dir).map_err(fault)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CustodyError::OpenDir { path: dir.to_owned(), mode });
        }
        if custody.path(ROOT).exists() {
            return Err(CustodyError::Exists { path: custody.path(RECEIPT_KEY) });
        }
        let named = custody.path(NAME);
        match read(&named) {
            // Another name: of another central system, whose directory this is.
            Ok(text) if !text.is_empty() && text != sms.as_str() => return Err(CustodyError::Exists { path: named }),
            Ok(text) if !text.is_empty() => {}
            _ => replace(&named, sms.as_str())?,
        }
        custody.made_seed(RECEIPT_KEY)?;
        custody.made_seed(ACCEPT_KEY)?;
        replace(&custody.path(ACCEPT_PUB), &custody.accept_key()?.public().text())?;
        Ok(custody)
    }

    /// The seed of a key that a run which was killed has left, or a new one. No document names it yet.
    pub(crate) fn made_seed(&self, file: &str) -> Result<[u8; 32], CustodyError> {
        match self.seed(file) {
            Err(CustodyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(CustodyError::NoKey { .. }) => {}
            left => return left,
        }
        let seed = random_seed()?;
        replace(&self.path(file), &base64url(&seed))?;
        Ok(seed)
    }

    /// The name of this central system.
    pub fn sms(&self) -> Result<Name, CustodyError> {
        let path = self.dir.join(NAME);
        Name::parse(&read(&path)?).map_err(|source| CustodyError::Content { path, source })
    }

    /// The key for receipts, as the root document in force names it.
    pub fn receipt_key(&self) -> Result<ReceiptKey, CustodyError> {
        self.in_force(&SIGNERS[0]).map(ReceiptKey::from_seed)
    }

    /// The key for acceptances, as the root document in force names it.
    pub fn accept_key(&self) -> Result<AcceptKey, CustodyError> {
        self.in_force(&SIGNERS[1]).map(AcceptKey::from_seed)
    }

    /// The key for orders and commands, as the root document in force names it.
    pub fn order_key(&self) -> Result<OrderKey, CustodyError> {
        self.in_force(&SIGNERS[2]).map(OrderKey::from_seed)
    }

    /// The key that gateways get installed.
    pub fn accept_pub(&self) -> Result<PublicKey, CustodyError> {
        Ok(self.accept_key()?.public())
    }

    /// The text of all root documents, and what they say; `None` in a directory that was made without.
    pub fn roots(&self) -> Result<Option<(String, Roots)>, CustodyError> {
        let path = self.path(ROOT);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| CustodyError::Io { path: path.clone(), source })?,
        };
        let roots = Roots::verify(&text).map_err(|source| CustodyError::Documents { path, source })?;
        Ok(Some((text, roots)))
    }

    /// Finishes what a renewal of the root documents left that was killed: every key under its own name, the one before
    /// beside it, and the public half of the acceptance key beside that.
    pub fn settle(&self) -> Result<(), CustodyError> {
        self.settle_keys()?;
        self.publish()
    }

    /// The keys alone. Goes by what is there for the version in force, and not by the keys under their own names: one that
    /// is lost or of another version is what a renewal replaces.
    pub(crate) fn settle_keys(&self) -> Result<(), CustodyError> {
        if let Some((_, roots)) = self.roots()? {
            let root = roots.in_force();
            for signer in &SIGNERS {
                let (path, newer) = (self.path(signer.file), self.path(&numbered(signer.file, root.ver)));
                if !newer.exists() || (signer.public)(Self::seed_in(&newer)?) != *(signer.named)(root) {
                    continue;
                }
                let kept = self.path(&format!("{}.before-{}", signer.file, root.ver));
                let aside = if path.exists() { fs::rename(&path, kept) } else { Ok(()) };
                let moved = aside.and_then(|()| fs::rename(&newer, &path)).and_then(|()| sync(&self.dir));
                moved.map_err(|source| CustodyError::Io { path, source })?;
            }
        }
        Ok(())
    }

    /// Writes the public half of the acceptance key where it is not what it must be.
    pub(crate) fn publish(&self) -> Result<(), CustodyError> {
        let (public, path) = (self.accept_pub()?.text(), self.path(ACCEPT_PUB));
        match read(&path) {
            Ok(text) if text == public => Ok(()),
            _ => replace(&path, &public),
        }
    }

    /// The seed of a key, from the file that holds what the root document in force names: under its own name, or under
    /// that of the version where a renewal was killed before it could move it.
    fn in_force(&self, signer: &Signer) -> Result<[u8; 32], CustodyError> {
        let Some((_, roots)) = self.roots()? else { return self.seed(signer.file) };
        let root = roots.in_force();
        for file in [signer.file.to_owned(), numbered(signer.file, root.ver)] {
            match self.seed(&file) {
                Ok(seed) if (signer.public)(seed) == *(signer.named)(root) => return Ok(seed),
                Ok(_) => {}
                Err(CustodyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(CustodyError::Foreign { path: self.path(signer.file), ver: root.ver, what: signer.what })
    }

    /// Where the store lies.
    pub fn store(&self) -> PathBuf {
        self.dir.join(STORE)
    }

    /// A file of the directory.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    pub(crate) fn seed(&self, file: &str) -> Result<[u8; 32], CustodyError> {
        Self::seed_in(&self.dir.join(file))
    }

    /// A private key in a file that others cannot read.
    pub(crate) fn seed_in(path: &Path) -> Result<[u8; 32], CustodyError> {
        Self::closed(path)?;
        let path = path.to_owned();
        let text = read(&path)?;
        if text.is_empty() {
            return Err(CustodyError::NoKey { path });
        }
        bytes32(&text, "key").map_err(|source| CustodyError::Content { path, source })
    }

    /// Refuses a private key that others can read.
    pub(crate) fn closed(path: &Path) -> Result<(), CustodyError> {
        let about = fs::metadata(path).map_err(|source| CustodyError::Io { path: path.to_owned(), source })?;
        let mode = about.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CustodyError::Open { path: path.to_owned(), mode });
        }
        Ok(())
    }
}

pub(crate) fn random_seed() -> Result<[u8; 32], CustodyError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| CustodyError::Random(error.into()))?;
    Ok(seed)
}

#[cfg(test)]
mod tests;
