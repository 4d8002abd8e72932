//! Who gets a certificate: a gateway that was accepted and is not revoked, asked for by its identity, seldom. The same key
//! has the same answer, so that asking again costs nothing and a message that is repeated does no harm.

use crate::authority::{Authority, AuthorityFault, Certified};
use crate::clock::Now;
use crate::custody::CustodyError;
use crate::store::{self, Accepted, KeptCertificate, Store, StoreError};
use picket_record::certificate::{Issued, Wanted};
use picket_record::encode::Name;
use picket_record::keys::ReceiptKey;
use picket_record::refusal::Refusal;

/// New certificates of one gateway within ten minutes: an enrolment and a trial of its renewal.
const AT_ONCE: u64 = 3;
const AT_ONCE_MS: i64 = 600_000;
/// New certificates of one gateway in a day: a renewal takes one, an installer who tries a few.
const A_DAY: u64 = 8;
const DAY_MS: i64 = 86_400_000;

/// Why there is no certificate. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum CertifyFault {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Keys or files.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// Nothing was made to sign with.
    #[error("this central system has no authority for certificates; make one: picket-central authority make")]
    NoAuthority,
    /// The wish is none, or not of the gateway.
    #[error("the wish for a certificate is refused: {0}")]
    Wish(Refusal),
    /// The wish is for another central system.
    #[error("the wish is for {0}, which is another central system")]
    System(Name),
    /// No such gateway.
    #[error("no gateway {0:?} was accepted here")]
    Unknown(String),
    /// Its records are not trusted any more.
    #[error("gateway {0} is revoked")]
    Revoked(Name),
    /// Some were issued just now.
    #[error("{AT_ONCE} certificates were issued within ten minutes; ask again later")]
    TooSoon,
    /// Too many were issued.
    #[error("{A_DAY} certificates were issued within a day; is somebody else using the identity of this gateway?")]
    TooMany,
    /// The request inside.
    #[error(transparent)]
    Authority(#[from] AuthorityFault),
}

/// What certificates are issued with.
#[derive(Debug)]
pub struct Certifier {
    /// Signs certificates.
    pub authority: Authority,
    /// Signs answers.
    pub key: ReceiptKey,
    /// The central system.
    pub sms: Name,
}

impl Certifier {
    /// Takes a signed wish of a gateway; gives the signed answer.
    pub fn answer(&self, store: &mut Store, gw: &str, line: &str, now: Now) -> Result<String, CertifyFault> {
        let found = store.read("reading a gateway", |db| store::accepted(db, gw))?;
        let Some(Accepted { gw, identity, .. }) = found else {
            return Err(CertifyFault::Unknown(gw.chars().take(80).collect()));
        };
        let (wanted, _) = Wanted::verify(line.trim(), &gw, &identity).map_err(CertifyFault::Wish)?;
        if wanted.sms != self.sms {
            return Err(CertifyFault::System(wanted.sms));
        }
        if store.read("reading who is revoked", store::all_revoked)?.iter().any(|(name, _)| name == gw.as_str()) {
            return Err(CertifyFault::Revoked(gw));
        }
        self.issue(store, &gw, (&wanted.csr, wanted.ts_ms), now)
    }

    /// Issues for a request whose gateway somebody has made sure of, and which that gateway signed at this moment, in
    /// milliseconds since 1970 UTC. What was signed before the certificate for its key had ended is answered with that
    /// one for ever: whoever repeats an old wish uses up nothing that the gateway needs.
    pub fn issue(
        &self,
        store: &mut Store,
        gw: &Name,
        (csr, signed_ms): (&[u8], i64),
        now: Now,
    ) -> Result<String, CertifyFault> {
        let (wall_ms, now_s) = (now.wall_ms, u64::try_from(now.wall_ms / 1_000).unwrap_or(0));
        let asked = Authority::read(gw, csr)?;
        let signed_s = u64::try_from(signed_ms / 1_000).unwrap_or(0).min(now_s);
        match store.read("reading a certificate", |db| store::certificate(db, gw, &asked.digest))? {
            Some((line, until_s)) if signed_s <= until_s => return Ok(line),
            Some(_) | None => {}
        }
        let within = |ms: i64| {
            let (count, since_ms) = ("counting certificates", wall_ms - ms);
            store.read(count, |db| store::certificates_since(db, gw, since_ms))
        };
        if within(AT_ONCE_MS)? >= AT_ONCE {
            return Err(CertifyFault::TooSoon);
        }
        if within(DAY_MS)? >= A_DAY {
            return Err(CertifyFault::TooMany);
        }
        let Certified { der, until_s } = self.authority.certify(&asked, now_s)?;
        let chain = vec![der, self.authority.der().to_vec()];
        let issued = Issued { sms: self.sms.clone(), gw: gw.clone(), key: asked.digest, ts_ms: wall_ms, chain };
        let line = issued.sign(&self.key).map_err(CertifyFault::Wish)?.line;
        let kept = KeptCertificate { key: asked.digest, until_s, made_ms: wall_ms, line: line.clone() };
        store.write("keeping a certificate", |db| store::insert_certificate(db, gw, &kept))?;
        Ok(line)
    }
}
