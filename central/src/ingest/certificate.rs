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

impl Ingest {
    /// With what certificates are issued with.
    pub fn with_certifier(mut self, certifier: Option<Certifier>) -> Self {
        self.certifier = certifier;
        self
    }

    /// Takes a wish on the topic of a gateway; the answer is to be sent now. What is refused is kept and answered with
    /// silence: whoever asks in earnest asks again, and sees in `picket-central gateways` what was wrong.
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
                self.store.write("keeping a refused wish", |db| {
                    store::quarantine(db, under, now.wall_ms, &format!("{}: {why}", shown(gw)), payload)
                })?;
                Ok(None)
            }
        }
    }
}
