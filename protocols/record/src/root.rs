//! The root document: which keys a central system has, by the word of two of its three root keys.
//!
//! Life: version 1 is pinned by its hash, in a token or on paper. Each later version is one higher and is signed by two
//! keys of its own and two of the version before, so that one lost key is replaced and one stolen key rules nothing.
//! `root.jws` holds every version from the first.

use crate::encode::{Header, Link, Name, Signed, Token, assemble, link};
use crate::json::Members;
use crate::keys::{PublicKey, RootKey};
use crate::refusal::Refusal;
use crate::wall;

/// Root keys of a version.
pub const ROOT_KEYS: usize = 3;
/// Root keys that must have signed.
pub const ROOT_THRESHOLD: usize = 2;
/// Most versions in a `root.jws`: one a year for as long as anybody keeps records.
pub const ROOT_VERSIONS_MAX: usize = 64;
/// Most bytes of lines in one message to a gateway, and so of a `root.jws` that it takes: some fifty renewals.
pub const DOWN_LINES_MAX: usize = 120 * 1024;
/// Most lines of one version: all keys of its own and all of the version before.
const LINES_MAX: usize = 2 * ROOT_KEYS;

const FIELDS: [&str; 9] = ["v", "sms", "ver", "ts", "keys", "accept", "receipt", "order", "order_floor"];

/// What one version says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The central system.
    pub sms: Name,
    /// Version, from 1.
    pub ver: u64,
    /// When it was made, in milliseconds since 1970 UTC.
    pub ts_ms: i64,
    /// The root keys, all different.
    pub keys: [PublicKey; ROOT_KEYS],
    /// Signs acceptances and tokens.
    pub accept: PublicKey,
    /// Signs receipts.
    pub receipt: PublicKey,
    /// Signs orders and commands.
    pub order: PublicKey,
    /// Lowest version of an order that is valid under this version.
    pub order_floor: u64,
}

impl Root {
    /// One line of this version: what one holder of a root key signs.
    pub fn sign(&self, key: &RootKey) -> Result<Signed, Refusal> {
        let header = Header::Root { sms: &self.sms, key: &key.public() }.encoded();
        Ok(assemble(&header, self.payload()?.as_bytes(), |input| key.sign(input)))
    }

    /// SHA-256 of the base64url payload: the name of this version, whoever signed it.
    pub fn hash(&self) -> Result<Link, Refusal> {
        Ok(link(&crate::encode::base64url(self.payload()?.as_bytes())))
    }

    fn payload(&self) -> Result<String, Refusal> {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("\"{}\"", key.text())).collect();
        Ok(format!(
            r#"{{"v":1,"sms":"{}","ver":{},"ts":"{}","keys":[{}],"accept":"{}","receipt":"{}","order":"{}","order_floor":{}}}"#,
            self.sms,
            self.ver,
            wall::written(self.ts_ms, "ts")?,
            keys.join(","),
            self.accept.text(),
            self.receipt.text(),
            self.order.text(),
            self.order_floor,
        ))
    }

    /// What a payload says; nothing is verified.
    fn read(token: &Token<'_>) -> Result<Self, Refusal> {
        let payload = token.payload_bytes()?;
        let members = Members::read(&payload)?;
        members.version()?;
        members.in_order(&FIELDS)?;
        Ok(Self {
            sms: members.name("sms")?,
            ver: members.count("ver")?,
            ts_ms: members.moment("ts")?,
            keys: keys(&members)?,
            accept: members.key("accept")?,
            receipt: members.key("receipt")?,
            order: members.key("order")?,
            order_floor: members.count("order_floor")?,
        })
    }
}

fn keys(members: &Members<'_>) -> Result<[PublicKey; ROOT_KEYS], Refusal> {
    let refused = Refusal::Field { field: "keys", expected: "three different public keys" };
    let list = members.value("keys").ok_or(Refusal::Missing { field: "keys" })?;
    let texts: Option<Vec<&str>> = list.as_array().and_then(|list| list.iter().map(|key| key.as_str()).collect());
    let keys: Vec<PublicKey> = texts
        .ok_or(refused.clone())?
        .into_iter()
        .take(ROOT_KEYS + 1)
        .map(PublicKey::parse)
        .collect::<Result<_, _>>()?;
    let keys: [PublicKey; ROOT_KEYS] = keys.try_into().map_err(|_| refused.clone())?;
    if keys[0] == keys[1] || keys[0] == keys[2] || keys[1] == keys[2] {
        return Err(refused);
    }
    Ok(keys)
}

/// Why a `root.jws` is refused. None of it may be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootRefusal {
    /// A line by itself.
    #[error("line {line} of root.jws: {refusal}")]
    Line {
        /// From 1.
        line: usize,
        /// Why.
        refusal: Refusal,
    },
    /// There is no version at all.
    #[error("root.jws has no version")]
    Empty,
    /// More than anybody needs.
    #[error("root.jws has more than {ROOT_VERSIONS_MAX} versions of {LINES_MAX} lines")]
    TooLong,
    /// Versions do not rise one by one from 1.
    #[error("version {found} of the root document stands where version {expected} belongs")]
    Order {
        /// As received.
        found: u64,
        /// The only one possible here.
        expected: u64,
    },
    /// A line is not signed by any key that may sign this version, or twice by one.
    #[error("line {line} of root.jws is not by a root key that has not signed version {ver} yet")]
    Signer {
        /// From 1.
        line: usize,
        /// The version.
        ver: u64,
    },
    /// Too few keys have signed.
    #[error("version {ver} of the root document is signed by {found} of the keys of version {keys_of}, two are needed")]
    Threshold {
        /// The version.
        ver: u64,
        /// Whose keys are counted.
        keys_of: u64,
        /// How many of them have signed.
        found: usize,
    },
}

impl RootRefusal {
    /// The word for the rule that was broken.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Line { refusal, .. } => refusal.reason(),
            Self::Empty => "root-empty",
            Self::TooLong => "root-too-long",
            Self::Order { .. } => "root-version",
            Self::Signer { .. } => "root-signer",
            Self::Threshold { .. } => "root-threshold",
        }
    }
}

/// A key that a version names for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The version.
    pub ver: u64,
    /// The key.
    pub key: PublicKey,
}

/// Every version of a root document, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    versions: Vec<(Root, Link)>,
}

impl Roots {
    /// Verifies the text of a `root.jws`. It says nothing about whose document this is: a reader holds it to a hash that he
    /// knows from elsewhere ([`Roots::holds`]).
    pub fn verify(text: &str) -> Result<Self, RootRefusal> {
        let mut versions: Vec<(Root, Link)> = Vec::new();
        // No carriage return: `str::lines` would pass over one.
        let mut lines = text.split_terminator('\n').enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            if versions.len() == ROOT_VERSIONS_MAX {
                return Err(RootRefusal::TooLong);
            }
            let first = token(at, line)?;
            let root = Root::read(&first).map_err(|refusal| RootRefusal::Line { line: at + 1, refusal })?;
            let expected = versions.len() as u64 + 1;
            if root.ver != expected {
                return Err(RootRefusal::Order { found: root.ver, expected });
            }
            let before = versions.last().map(|(before, _)| before);
            if let Some(before) = before.filter(|before| before.sms != root.sms) {
                let (found, expected) = (root.sms.to_string(), before.sms.to_string());
                return Err(RootRefusal::Line { line: at + 1, refusal: Refusal::Stranger { found, expected } });
            }
            let mut signers = vec![signer(at, &first, &root, before, &[])?];
            while let Some((at, line)) = lines.peek() {
                let next = token(*at, line)?;
                if next.payload != first.payload {
                    break;
                }
                signers.push(signer(*at, &next, &root, before, &signers)?);
                lines.next();
            }
            threshold(&root, &root, &signers)?;
            if let Some(before) = before {
                threshold(&root, before, &signers)?;
            }
            versions.push((root, link(first.payload)));
        }
        if versions.is_empty() { Err(RootRefusal::Empty) } else { Ok(Self { versions }) }
    }

    /// Whether a text names our first version at its beginning: whatever does not is another system's, and nothing of it
    /// needs to be verified.
    pub fn begins(&self, text: &str) -> bool {
        let first = text.split('\n').next().and_then(|line| Token::split(line).ok());
        first.is_some_and(|token| self.versions.first().is_some_and(|(_, known)| *known == link(token.payload)))
    }

    /// The newest version: the keys in force.
    pub fn in_force(&self) -> &Root {
        &self.versions.last().expect("there is a version").0
    }

    /// Hash of the newest version.
    pub fn hash(&self) -> Link {
        self.versions.last().expect("there is a version").1
    }

    /// A version by its number.
    pub fn version(&self, ver: u64) -> Option<&Root> {
        self.versions.iter().map(|(root, _)| root).find(|root| root.ver == ver)
    }

    /// Whether one of the versions has this hash.
    pub fn holds(&self, hash: &Link) -> bool {
        self.versions.iter().any(|(_, known)| known == hash)
    }

    /// Whether these versions go on from others, all of which they hold as they are. Anything else is another history, or
    /// an older one.
    pub fn continue_from(&self, known: &Self) -> bool {
        self.versions.len() >= known.versions.len()
            && self.versions.iter().zip(&known.versions).all(|((_, ours), (_, theirs))| ours == theirs)
    }

    /// Keys for acceptances, each with the version that named it first.
    pub fn accept_keys(&self) -> Vec<Named> {
        self.named(|root| &root.accept)
    }

    /// Keys for receipts, each with the version that named it first.
    pub fn receipt_keys(&self) -> Vec<Named> {
        self.named(|root| &root.receipt)
    }

    /// Keys for orders and commands, each with the version that named it first.
    pub fn order_keys(&self) -> Vec<Named> {
        self.named(|root| &root.order)
    }

    fn named(&self, role: impl Fn(&Root) -> &PublicKey) -> Vec<Named> {
        let mut named: Vec<Named> = Vec::new();
        for (root, _) in &self.versions {
            let key = role(root);
            if named.iter().all(|known| known.key != *key) {
                named.push(Named { ver: root.ver, key: key.clone() });
            }
        }
        named
    }
}

/// A line by itself: whatever it breaks as such is said before what it is missing for.
fn token(at: usize, line: &str) -> Result<Token<'_>, RootRefusal> {
    let read = |line| {
        let token = Token::split(line)?;
        Members::read(&token.payload_bytes()?)?;
        Ok(token)
    };
    read(line).map_err(|refusal| RootRefusal::Line { line: at + 1, refusal })
}

/// The key that signed a line: one that may, and that did not sign this version before.
fn signer(
    at: usize,
    token: &Token<'_>,
    root: &Root,
    before: Option<&Root>,
    earlier: &[PublicKey],
) -> Result<PublicKey, RootRefusal> {
    let line = at + 1;
    let refused = RootRefusal::Signer { line, ver: root.ver };
    let mut may = root.keys.iter().chain(before.iter().flat_map(|before| before.keys.iter()));
    let key = may.find(|key| Header::Root { sms: &root.sms, key }.check(token).is_ok()).ok_or(refused.clone())?;
    if earlier.contains(key) {
        return Err(refused);
    }
    if !token.signed_by(key) {
        return Err(RootRefusal::Line { line, refusal: Refusal::Signature { by: "root" } });
    }
    Ok(key.clone())
}

fn threshold(root: &Root, of: &Root, signers: &[PublicKey]) -> Result<(), RootRefusal> {
    let found = of.keys.iter().filter(|key| signers.contains(key)).count();
    if found < ROOT_THRESHOLD {
        return Err(RootRefusal::Threshold { ver: root.ver, keys_of: of.ver, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
