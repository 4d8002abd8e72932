//! The certificate that the central link shows: kept in two slots and renewed without anybody, or put in place by an
//! installer and watched. Nothing here stops recording: where all of it fails, the link is down and says why.
//!
//! **Renewal.** From two thirds of its life on (by the best time there is: starting too early costs nothing), or where
//! the broker refuses it: a new key in the idle slot, a wish signed by the identity, an answer signed by the key for
//! receipts, a connection with the new certificate under another client id, then the pointer is swapped and the link
//! comes anew. What was in force before stays until the centre has answered. Nothing is removed for reasons of time.

mod by_hand;
mod heard;
mod judge;
mod keeper;
mod machine;
mod probe;
mod slots;
pub mod wish;

pub use by_hand::Files;
pub use keeper::{Around, Asked, Keeper, Ours};
pub use machine::{Content, Disk, Op, Slot, Step};
pub use slots::{SlotFault, Slots};

use crate::broker::Endpoint;
use picket_record::certificate::Issued;
use picket_record::encode::{Link, Name};
use picket_record::keys::PublicKey;
use picket_session::tls::{self, Own, Validity};
use std::path::PathBuf;
use tokio::sync::{mpsc, watch};

/// Content type of a wish and of its answer.
pub const CONTENT_TYPE: &str = "application/picket-certificate";

/// Where the certificate of the link comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Certificates of those who sign brokers' certificates.
    pub authority: PathBuf,
    /// Our own.
    pub own: Origin,
}

/// Who makes our own.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The link shows none.
    Nobody,
    /// Two slots in this folder.
    Slots(PathBuf),
    /// An installer: certificate and key.
    ByHand(PathBuf, PathBuf),
}

/// What the link connects with, and what it is to ask.
#[derive(Debug, Clone)]
pub struct Outfit {
    /// Where, and with which papers.
    pub endpoint: Endpoint,
    /// Rises with every change of them.
    pub edition: u64,
    /// A wish to be sent, with its number: another number is another sending.
    pub wish: Option<(u64, String)>,
}

/// What the link has to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The broker refuses what was shown.
    Refused {
        /// Edition of what was shown.
        edition: u64,
        /// In words.
        cause: String,
    },
    /// What may be a receipt came over a connection with this edition. Nobody has verified it.
    Heard {
        /// Edition.
        edition: u64,
        /// The link that it has if it is one.
        receipt: Link,
    },
    /// The journal verified and took a receipt.
    Receipted {
        /// Its link.
        receipt: Link,
    },
    /// A certificate came.
    Answer(Vec<u8>),
}

/// News on their way; what finds no room is said again by the next connection, or comes again when it is asked for.
pub const NEWS: usize = 16;

/// The link's end of both.
#[derive(Debug)]
pub struct Ends {
    /// What it connects with.
    pub outfit: watch::Receiver<Outfit>,
    /// Where it says how that went.
    pub news: mpsc::Sender<News>,
}

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerFault {
    /// Not of the centre, or not for this gateway: nothing follows from it.
    #[error("the answer is not of the centre: {0}")]
    Forged(String),
    /// For a key that is not the one that was asked about.
    #[error("the answer is for another key than the one that was asked about")]
    Another,
    /// Of the centre, and of no use.
    #[error("{0}")]
    Useless(#[from] tls::IssuedFault),
}

/// Reads an answer: of one of these keys, for this gateway, for this key of ours, and good for a link by itself. `now_s` is
/// a time that somebody vouches for.
pub fn read_answer(
    line: &str,
    keys: &[PublicKey],
    gw: &Name,
    key: &[u8],
    now_s: Option<u64>,
) -> Result<(Own, Validity), AnswerFault> {
    let mut refusal = "no key for receipts is known".to_owned();
    for pinned in keys {
        match Issued::verify(line, pinned, gw) {
            Ok((issued, _)) if wish::digest(key).ok() != Some(issued.key) => return Err(AnswerFault::Another),
            Ok((issued, _)) => return Ok(tls::issued(&issued.chain, key, gw.as_str(), now_s)?),
            Err(why) => refusal = why.to_string(),
        }
    }
    Err(AnswerFault::Forged(refusal))
}

#[cfg(test)]
mod tests;
