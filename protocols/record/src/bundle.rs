//! The walk over a bundle: every file of an export, held to its manifest, to the acceptance and to each other.
//!
//! Pure: whoever reads the files begins each [`Part`] in the order of [`Part::ALL`], feeds its bytes in any slices and
//! ends it. Memory does not grow with the records: it has a key of about 250 bytes for each epoch, and of everything else
//! at most what the limits of [`crate::chain`] hold.

mod beside;
mod manifest;
mod part;

pub use manifest::Manifest;
pub use part::Part;

use crate::acceptance::Acceptance;
use crate::chain::{ChainCheck, Contradiction, Epochs, LISTED_MAX, Loss, Summary};
use crate::encode::{LINE_MAX, Link, Name};
use crate::keys::PublicKey;
use crate::root::Roots;
use beside::{Branches, Orders, Receipts};
use manifest::Digests;

/// Largest `root.jws` and `sidecar.json` in bytes: they are read as a whole.
pub const WHOLE_MAX: usize = 16 << 20;

/// What the reader knows from elsewhere. What he does not know is taken from the bundle, and proves only that it agrees
/// with itself.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Identity of the gateway.
    pub identity: Option<PublicKey>,
    /// Hash of any version of the root document of the central system.
    pub root: Option<Link>,
}

/// Whether the bundle must have a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// A bundle without one is refused.
    Demanded,
    /// What stands beside the files is not judged.
    Waived,
}

/// A contradiction, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub part: Part,
    /// From 1; `None` where it is not a line.
    pub line: Option<u64>,
    /// What contradicts.
    pub what: Contradiction,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}: {}", self.part.file(), self.what),
            None => write!(f, "{}: {}", self.part.file(), self.what),
        }
    }
}

/// Records of a branch that the gateway left, which verify by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// First number.
    pub from: u64,
    /// Last number.
    pub to: u64,
}

/// What a bundle shows: three lists, and what they were made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The records, and what they declare as lost. Its own contradictions stand in `found` as well.
    pub chain: Summary,
    /// The acceptance.
    pub acceptance: Option<Acceptance>,
    /// The root document was given, and held the hash that the reader knows if he gave one.
    pub roots: Option<Roots>,
    /// Receipts verified.
    pub receipts: u64,
    /// Orders and commands verified.
    pub orders: u64,
    /// Records of days verified that are kept when others are disposed of.
    pub summaries: u64,
    /// Branches that verify, at most [`HELD_MAX`](crate::chain::HELD_MAX).
    pub branches: Vec<Kept>,
    /// The manifest.
    pub manifest: Option<Manifest>,
    /// What contradicts, at most [`LISTED_MAX`] of each file.
    pub found: Vec<Finding>,
    /// How many contradictions there are, listed or not.
    pub contradictions: u64,
}

impl Verdict {
    /// Of records alone, without anything beside them.
    pub fn of_records(chain: Summary) -> Self {
        let of = |placed: &crate::chain::Placed| {
            let (part, line, what) = (Part::Records, placed.line, placed.what.clone());
            Finding { part, line, what }
        };
        Self {
            acceptance: None,
            roots: None,
            receipts: 0,
            orders: 0,
            summaries: 0,
            branches: Vec::new(),
            manifest: None,
            found: chain.found.iter().map(of).collect(),
            contradictions: chain.contradictions,
            chain,
        }
    }

    /// Nothing contradicts, and there is something.
    pub fn is_verified(&self) -> bool {
        self.contradictions == 0 && self.chain.records > 0
    }

    /// What the records declare as lost.
    pub fn losses(&self) -> &[Loss] {
        &self.chain.losses
    }
}

/// Walks the files of one bundle.
#[derive(Debug)]
pub struct BundleCheck {
    trust: Trust,
    seal: Seal,
    roots: Option<Roots>,
    acceptance: Option<(Acceptance, Link)>,
    receipts: Receipts,
    orders: Orders,
    summaries: Option<(Epochs, u64)>,
    chain: Option<ChainCheck>,
    branches: Branches,
    /// Keys for the manifest, once it announced one of its own.
    sealing: Option<Epochs>,
    manifest: Option<Manifest>,
    digests: Digests,
    /// The part that is being read, the number of its line, and what of the line is there.
    reading: Option<(Part, u64, Vec<u8>)>,
    held: Summaries,
    found: Vec<Finding>,
    contradictions: u64,
}

/// Numbers and links of the records of days, until the walk over the records begins.
type Summaries = Vec<(u64, Link)>;

impl BundleCheck {
    /// With what the reader knows.
    pub fn new(trust: Trust, seal: Seal) -> Self {
        Self {
            trust,
            seal,
            roots: None,
            acceptance: None,
            receipts: Receipts::default(),
            orders: Orders::default(),
            summaries: None,
            chain: None,
            branches: Branches::default(),
            sealing: None,
            manifest: None,
            digests: Digests::default(),
            reading: None,
            held: Vec::new(),
            found: Vec::new(),
            contradictions: 0,
        }
    }

    /// A file begins.
    ///
    /// # Panics
    ///
    /// Where the one before was not ended, or comes later in [`Part::ALL`]: the caller reads in another order.
    pub fn begin(&mut self, part: Part) {
        assert!(self.reading.is_none(), "the file before was ended");
        self.digests.begin(part);
        self.reading = Some((part, 0, Vec::new()));
        if !self.is_judged(part) {
            return;
        }
        if part == Part::Orders && self.roots.is_none() {
            let what = Contradiction::Unverifiable { file: part.file(), without: Part::Root.file() };
            self.contradicts(part, None, what);
        }
        match part {
            Part::Records => {
                self.chain();
            }
            Part::Branches => self.chain().branches_begin(),
            _ => {}
        }
    }

    /// The next bytes of the file.
    ///
    /// # Panics
    ///
    /// Where no file was begun.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.digests.update(bytes);
        let (part, mut number, mut line) = self.reading.take().expect("a file was begun");
        match part {
            _ if !self.is_judged(part) => {}
            Part::Report => {}
            Part::Root | Part::Sidecar => {
                let room = (WHOLE_MAX + 1).saturating_sub(line.len());
                line.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            _ => {
                while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
                    keep(&mut line, &bytes[..at]);
                    number += 1;
                    self.line(part, number, &line);
                    line.clear();
                    bytes = &bytes[at + 1..];
                }
                keep(&mut line, bytes);
            }
        }
        self.reading = Some((part, number, line));
    }

    /// The file ends.
    ///
    /// # Panics
    ///
    /// Where no file was begun.
    pub fn end(&mut self) {
        let (part, number, rest) = self.reading.take().expect("a file was begun");
        self.digests.end();
        match part {
            _ if !self.is_judged(part) => {}
            Part::Report => {}
            Part::Root | Part::Sidecar if rest.len() > WHOLE_MAX => {
                self.contradicts(part, None, Contradiction::TooLarge { file: part.file(), limit: WHOLE_MAX });
            }
            Part::Root => self.root(&rest),
            Part::Sidecar => self.sidecar(&rest),
            _ if rest.is_empty() => {}
            _ => self.line(part, number + 1, &rest),
        }
    }

    /// A file that is no part of a bundle lies beside the others.
    pub fn stranger(&mut self, name: &str) {
        self.digests.stranger(name);
    }

    /// The end of the bundle.
    pub fn finish(mut self) -> Verdict {
        // Without the document nothing would be held to the hash.
        if self.trust.root.is_some() && !self.digests.has(Part::Root) {
            self.contradicts(Part::Root, None, Contradiction::RootUnknown);
        }
        if self.acceptance.is_none() {
            let what = Contradiction::Unverifiable { file: Part::Records.file(), without: Part::Enrolment.file() };
            self.contradicts(Part::Enrolment, None, what);
        }
        let mut chain = self.chain.take();
        if let Some(chain) = &mut chain {
            chain.settle();
        }
        self.compare(chain.as_ref());
        let head = chain.as_ref().and_then(ChainCheck::head);
        let summary = chain.map(ChainCheck::finish).unwrap_or_default();
        if self.is_judged(Part::Manifest) {
            self.sealed(&summary, head);
        }
        self.contradictions += summary.contradictions;
        let records = summary.found.iter();
        let records = records.map(|p| Finding { part: Part::Records, line: p.line, what: p.what.clone() });
        let mut found: Vec<Finding> = self.found.into_iter().chain(records).collect();
        found.sort_by_key(|finding| finding.part);
        Verdict {
            chain: summary,
            acceptance: self.acceptance.map(|(acceptance, _)| acceptance),
            roots: self.roots,
            receipts: self.receipts.verified,
            orders: self.orders.verified,
            summaries: self.summaries.map_or(0, |(_, verified)| verified),
            branches: self.branches.kept,
            manifest: self.manifest,
            found,
            contradictions: self.contradictions,
        }
    }

    fn contradicts(&mut self, part: Part, line: Option<u64>, what: Contradiction) {
        self.contradictions += 1;
        if self.found.len() < LISTED_MAX * Part::ALL.len() {
            self.found.push(Finding { part, line, what });
        }
    }

    fn line(&mut self, part: Part, number: u64, line: &[u8]) {
        let result = match part {
            Part::Enrolment => self.enrolment(line),
            Part::Receipts => self.receipt(line),
            Part::Summaries => self.summary(line),
            Part::Orders => self.order(line),
            // The chain keeps its own list.
            Part::Records => {
                let _ = self.chain().line(line);
                Ok(())
            }
            Part::Branches => self.branch(line),
            Part::Manifest => self.manifest_line(line),
            Part::Root | Part::Sidecar | Part::Report => Ok(()),
        };
        if let Err(what) = result {
            self.contradicts(part, Some(number), what);
        }
    }

    /// The walk over the records, with everything that was read before them.
    fn chain(&mut self) -> &mut ChainCheck {
        let Self { trust, acceptance, chain, held, .. } = self;
        let check = chain.get_or_insert_with(|| {
            let identity = known_identity(trust, acceptance.as_ref());
            let mut check = ChainCheck::new(identity.expect("records are judged where an identity is known").clone());
            if let Some((acceptance, link)) = acceptance.clone() {
                check.accepted(acceptance, link);
            }
            check
        });
        // The walk may have begun with the receipts, before the summaries were read.
        if !held.is_empty() {
            check.expect_kept(std::mem::take(held));
        }
        check
    }

    fn identity(&self) -> Option<&PublicKey> {
        known_identity(&self.trust, self.acceptance.as_ref())
    }

    /// Behind `enrol.jws` nothing is judged but under an identity.
    fn is_judged(&self, part: Part) -> bool {
        part <= Part::Enrolment || self.identity().is_some()
    }

    /// For the accepted gateway, or else for the one that a record names, without any epoch.
    fn own_epochs(&self, gw: &Name, site: &Name) -> Epochs {
        let accepted = self.acceptance.as_ref().map(|(accepted, _)| accepted);
        let (gw, site) = accepted.map_or((gw, site), |accepted| (&accepted.gw, &accepted.site));
        let identity = self.identity().expect("records are judged where an identity is known");
        Epochs::new(gw.clone(), identity.clone()).at_site(site.clone())
    }
}

/// The reader's, or else the accepted one.
fn known_identity<'a>(trust: &'a Trust, accepted: Option<&'a (Acceptance, Link)>) -> Option<&'a PublicKey> {
    trust.identity.as_ref().or(accepted.map(|(accepted, _)| &accepted.identity))
}

/// Keeps of a line what decides about it: one byte more than the longest.
fn keep(line: &mut Vec<u8>, bytes: &[u8]) {
    let room = (LINE_MAX + 1).saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
