//! Wishes for certificates that came through the broker: answered, or kept with the reason.

use super::{Downlink, Ingest, UNKNOWN, shown};
use crate::certify::{Certifier, CertifyFault};
use crate::clock::Now;
use crate::store::{self, StoreError};
use picket_record::encode::{LINE_MAX, Name};

/// One line: a wish, or the certificate that answers it.
pub const CERTIFICATE: &str = "application/picket-certificate";
/// Wishes are told of at most so often: anybody at the broker can send one again and again. All that are refused are kept
/// or counted in the store.
const TELL_EVERY_MS: u64 = 10_000;

/// Refused wishes that share a commit: more than the worker takes in a row.
const WISHES_MAX: usize = 64;

/// A wish that was refused, and is not kept yet.
#[derive(Debug)]
pub(super) struct Wish {
    /// The gateway that it is kept under.
    under: String,
    received_ms: i64,
    reason: String,
    kept: Vec<u8>,
}

impl Ingest {
    /// With what certificates are issued with.
    pub fn with_certifier(mut self, certifier: Option<Certifier>) -> Self {
        self.certifier = certifier;
        self
    }

    /// Takes a wish on the topic of a gateway; the answer is to be sent now. What is refused is kept by the next
    /// [`Ingest::keep_refused`] and answered with silence: whoever asks in earnest asks again, and sees in `picket-central gateways` what was wrong.
    pub fn certificate(&mut self, gw: &str, payload: &[u8], now: Now) -> Result<Option<Downlink>, StoreError> {
        let known = self.know(gw, now)?;
        let quiet = self.wished_ms.is_some_and(|told| now.mono_ms.saturating_sub(told) < TELL_EVERY_MS);
        if !quiet {
            self.wished_ms = Some(now.mono_ms);
        }
        let answered = match (&self.certifier, std::str::from_utf8(payload)) {
            (None, _) => Err(CertifyFault::NoAuthority.to_string()),
            (Some(_), Err(_)) => Err("the wish for a certificate is not text".to_owned()),
            (Some(_), Ok(_)) if payload.len() > LINE_MAX => Err("the wish for a certificate is too long".to_owned()),
            (Some(certifier), Ok(line)) => match certifier.answer(&mut self.store, gw, line, now) {
                Ok(line) => Ok(line),
                Err(CertifyFault::Store(fault)) if !fault.is_rot() => return Err(fault),
                Err(fault) => Err(fault.to_string()),
            },
        };
        match (answered, Name::parse(gw)) {
            (Ok(line), Ok(gw)) => {
                if quiet {
                    tracing::debug!(%gw, "a certificate is sent");
                } else {
                    tracing::info!(%gw, "a certificate is sent");
                }
                Ok(Some(Downlink { gw, content_type: CERTIFICATE, payload: line.into_bytes() }))
            }
            (Ok(_), Err(_)) => Ok(None),
            (Err(why), _) => {
                let under = if known { gw } else { UNKNOWN };
                if quiet {
                    tracing::debug!(gw = shown(gw), why, "no certificate");
                } else {
                    tracing::warn!(gw = shown(gw), why, "no certificate");
                }
                let reason = format!("{}: {why}", shown(gw));
                let kept = payload[..payload.len().min(LINE_MAX)].to_vec();
                self.wishes.push(Wish { under: under.to_owned(), received_ms: now.wall_ms, reason, kept });
                if self.wishes.len() >= WISHES_MAX { self.keep_refused().map(|()| None) } else { Ok(None) }
            }
        }
    }

    /// Keeps the wishes that were refused, in one transaction. To be called before a message of them is acknowledged.
    pub fn keep_refused(&mut self) -> Result<(), StoreError> {
        if self.wishes.is_empty() {
            return Ok(());
        }
        let wishes = std::mem::take(&mut self.wishes);
        self.store.write("keeping refused wishes", |db| {
            let mut wishes = wishes.iter();
            wishes.try_for_each(|wish| store::quarantine(db, &wish.under, wish.received_ms, &wish.reason, &wish.kept))
        })
    }
}
