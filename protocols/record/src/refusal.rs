//! Why a signed text is refused, in sentences that a person can read.

use crate::json::JsonRefusal;
use crate::keys::KeyRefusal;

/// One reason to refuse a line. Nothing of a refused line may be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not UTF-8, so certainly not base64url.
    #[error("the line is not text")]
    NotText,
    /// Longer than any line can be.
    #[error("the line has {bytes} bytes, more than the {limit} that a line may have")]
    LineTooLong {
        /// As received.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not `header.payload.signature`.
    #[error("the line is not three parts joined by two dots")]
    NotThreeParts,
    /// Padding, a foreign character or trailing bits.
    #[error("the {part} is not strict base64url")]
    Base64 {
        /// Which part or field.
        part: &'static str,
    },
    /// A key, link or signature of another size.
    #[error("the {part} has {bytes} bytes instead of {expected}")]
    Length {
        /// Which part or field.
        part: &'static str,
        /// As received.
        bytes: usize,
        /// As it must be.
        expected: usize,
    },
    /// The payload breaks a rule for payloads.
    #[error(transparent)]
    Payload(#[from] JsonRefusal),
    /// A mandatory field is not there.
    #[error("the field {field:?} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field holds something else than the format says.
    #[error("the field {field:?} is not {expected}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What the format says.
        expected: &'static str,
    },
    /// A member that the document does not have, or not there.
    #[error("the field {field:?} is not one of this document, or does not stand in its place")]
    Place {
        /// The first 80 characters of its name.
        field: String,
    },
    /// Not a name.
    #[error("{text:?} is not a name: one to 63 of a-z, 0-9 and -")]
    Name {
        /// The first 80 characters.
        text: String,
    },
    /// A version of the format that this program does not know.
    #[error("version {found} of the format is not known")]
    Version {
        /// As received.
        found: u64,
    },
    /// A word outside the closed tree of kinds.
    #[error("the kind {kind:?} is not known")]
    Kind {
        /// The first 80 characters.
        kind: String,
    },
    /// Another header than names, epoch and kind demand.
    #[error("the header is not the one that this text must carry")]
    Header,
    /// A text of one gateway or site where another is expected.
    #[error("the text names {found}, expected was {expected}")]
    Stranger {
        /// As received.
        found: String,
        /// Whose texts are read here.
        expected: String,
    },
    /// No accepted `epoch.open` has announced this epoch.
    #[error("the key of epoch {ep} is not known: its epoch.open has not been accepted")]
    UnknownEpoch {
        /// The epoch.
        ep: u64,
    },
    /// The signature does not belong to these bytes and this key.
    #[error("the signature is not by the {by} key")]
    Signature {
        /// Whose key it must be.
        by: &'static str,
    },
    /// The epoch key breaks a rule for keys.
    #[error("the key is refused: {0}")]
    Key(#[from] KeyRefusal),
    /// The holder of the epoch key did not prove that he holds it.
    #[error("the proof of possession of the key of epoch {ep} does not verify")]
    Possession {
        /// The epoch.
        ep: u64,
    },
    /// The epoch was announced before with another key: somebody else has the identity key, or the disk was restored.
    #[error("epoch {ep} was opened before with another key")]
    EpochTaken {
        /// The epoch.
        ep: u64,
    },
}

impl Refusal {
    /// The word for the rule that was broken: the same in every verifier and every version of this program.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotText => "not-text",
            Self::LineTooLong { .. } => "line-too-long",
            Self::NotThreeParts => "not-three-parts",
            Self::Base64 { .. } => "base64",
            Self::Length { .. } => "length",
            Self::Payload(refusal) => match refusal {
                JsonRefusal::TooLarge { .. } => "payload-too-large",
                JsonRefusal::NotUtf8 { .. } => "payload-not-utf8",
                JsonRefusal::Syntax { .. } => "payload-syntax",
                JsonRefusal::TooDeep { .. } => "payload-too-deep",
                JsonRefusal::Number { .. } => "payload-number",
                JsonRefusal::DuplicateKey { .. } => "payload-duplicate-key",
            },
            Self::Missing { .. } => "field-missing",
            Self::Field { .. } => "field",
            Self::Place { .. } => "field-place",
            Self::Name { .. } => "name",
            Self::Version { .. } => "version",
            Self::Kind { .. } => "kind",
            Self::Header => "header",
            Self::Stranger { .. } => "stranger",
            Self::UnknownEpoch { .. } => "unknown-epoch",
            Self::Signature { .. } => "signature",
            Self::Key(refusal) => match refusal {
                KeyRefusal::Encoding => "key-encoding",
                KeyRefusal::Weak => "key-weak",
                KeyRefusal::Torsion => "key-torsion",
            },
            Self::Possession { .. } => "possession",
            Self::EpochTaken { .. } => "epoch-taken",
        }
    }
}
