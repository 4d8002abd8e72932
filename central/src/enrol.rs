//! Making a gateway known: tokens given out, requests approved by a person who compared the fingerprint.

use crate::authority::Authority;
use crate::certify::{Certifier, CertifyFault};
use crate::clock::Now;
use crate::custody::{Custody, CustodyError, random_seed};
use crate::store::{Accepted, Enrolled, Issued, Store, StoreError};
use picket_record::acceptance::Acceptance;
use picket_record::encode::Name;
use picket_record::enrolment::Request;
use picket_record::refusal::Refusal;
use picket_record::token::{EnrolmentToken, TOKEN_LIFE_MAX_MS, TokenId};

/// Why a gateway is not made known. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum EnrolFault {
    /// Keys or files.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory was made without root documents.
    #[error("this central system has no root documents; make them: picket-central root make")]
    NoRoot,
    /// Something cannot be written as it was given.
    #[error("{0}")]
    Unwritable(Refusal),
    /// The request is not one.
    #[error("the request is refused: {0}")]
    Request(Refusal),
    /// The request does not fit what is known.
    #[error("{0}")]
    Unfit(String),
}

/// Gives out a token for one gateway, for once and for at most a day.
pub fn issue(
    custody: &Custody,
    store: &mut Store,
    (site, gw): (&Name, &Name),
    life_ms: i64,
    now_ms: i64,
) -> Result<String, EnrolFault> {
    let (_, roots) = custody.roots()?.ok_or(EnrolFault::NoRoot)?;
    let seed = random_seed()?;
    let id: TokenId = seed[..16].try_into().expect("sixteen of thirty-two bytes");
    let exp_ms = now_ms.saturating_add(life_ms.clamp(1, TOKEN_LIFE_MAX_MS));
    let token =
        EnrolmentToken { sms: custody.sms()?, site: site.clone(), gw: gw.clone(), id, exp_ms, root: roots.hash() };
    let signed = token.sign(&custody.accept_key()?).map_err(EnrolFault::Unwritable)?;
    let issued = Issued { site: site.to_string(), gw: gw.to_string(), exp_ms, used_ms: None };
    store.issue(&id, &issued)?;
    Ok(signed.line)
}

/// A request as it is shown to the one who approves.
#[derive(Debug)]
pub struct Asked {
    /// What it says.
    pub request: Request,
    /// The fingerprint that the gateway shows, if it is the gateway that the installer stands at.
    pub fingerprint: String,
}

/// Reads a request; it is signed by the key that it names, which says nothing yet about whose that is.
pub fn read(line: &str) -> Result<Asked, EnrolFault> {
    let (request, _) = Request::verify(line.trim()).map_err(EnrolFault::Request)?;
    Ok(Asked { fingerprint: request.identity.fingerprint(), request })
}

/// Whether somebody typed the fingerprint that a request has: groups, case and blanks do not count.
pub fn is_fingerprint(asked: &Asked, typed: &str) -> bool {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    plain(typed) == plain(&asked.fingerprint)
}

/// What is handed to the installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Root documents, acceptance, and the certificate where one was asked for and could be issued.
    pub text: String,
    /// Why there is no certificate although the request asks for one.
    pub uncertified: Option<String>,
}

/// Accepts the gateway of a request whose fingerprint was compared; the answer for it. Its token is used up with that,
/// and the same request is given the same acceptance again.
pub fn approve(custody: &Custody, store: &mut Store, asked: &Asked, by: &str, now: Now) -> Result<Answer, EnrolFault> {
    let now_ms = now.wall_ms;
    let (root, _) = custody.roots()?.ok_or(EnrolFault::NoRoot)?;
    let request = &asked.request;
    let (sms, unfit) = (custody.sms()?, |why: String| Err(EnrolFault::Unfit(why)));
    if request.sms != sms {
        return unfit(format!("the request is for {}, this is {sms}", request.sms));
    }
    let Some(issued) = store.issued(&request.token)? else {
        return unfit("no token of this request was given out here".into());
    };
    if issued.site != request.site.as_str() || issued.gw != request.gw.as_str() {
        return unfit(format!("the token was given out for {}/{}", issued.site, issued.gw));
    }
    if let Some(line) = store.acceptance(&request.site, &request.gw, &request.identity)? {
        // The answer did not arrive, or could not be written: it is the same for the same key.
        return Ok(answer(custody, store, request, format!("{root}{line}\n"), now));
    }
    if issued.used_ms.is_some() {
        return unfit("the token was used before; give out another one, under another gateway name".into());
    }
    if now_ms >= issued.exp_ms {
        return unfit("the token has ended; give out another one".into());
    }
    let acceptance = Acceptance {
        sms,
        site: request.site.clone(),
        gw: request.gw.clone(),
        identity: request.identity.clone(),
        receipt_key: custody.receipt_key()?.public(),
        ts_ms: now_ms,
        by: by.to_owned(),
    };
    let signed = acceptance.sign(&custody.accept_key()?).map_err(EnrolFault::Unwritable)?;
    let Acceptance { site, gw, identity, .. } = acceptance;
    let accepted = Accepted { site, gw, identity, link: signed.link };
    match store.enrol(&request.token, &signed.line, &accepted, now_ms)? {
        Enrolled::Done => Ok(answer(custody, store, request, format!("{root}{}\n", signed.line), now)),
        Enrolled::NameTaken => unfit(format!(
            "gateway {} was accepted before; its name stands for one key: give out a token for another name",
            accepted.gw
        )),
        Enrolled::TokenUsed => unfit("the token was used before".into()),
    }
}

/// What stands for an accepted gateway, with the certificate that its request asks for.
fn answer(custody: &Custody, store: &mut Store, request: &Request, accepted: String, now: Now) -> Answer {
    match certificate(custody, store, request, now) {
        Ok(certificate) => Answer { text: accepted + &certificate, uncertified: None },
        Err(fault) => Answer { text: accepted, uncertified: Some(fault.to_string()) },
    }
}

/// The line with the certificate that a request asks for; empty where it asks for none. The gateway is accepted by then,
/// whatever comes of this: it can ask again.
fn certificate(custody: &Custody, store: &mut Store, request: &Request, now: Now) -> Result<String, CertifyFault> {
    let Some(csr) = &request.csr else { return Ok(String::new()) };
    let line =
        certifier(custody)?.ok_or(CertifyFault::NoAuthority)?.issue(store, &request.gw, (csr, request.ts_ms), now)?;
    Ok(line + "\n")
}

/// What certificates are issued with, if an authority was made.
pub fn certifier(custody: &Custody) -> Result<Option<Certifier>, CertifyFault> {
    let Some(authority) = Authority::open(custody)? else { return Ok(None) };
    Ok(Some(Certifier { authority, key: custody.receipt_key()?, sms: custody.sms()? }))
}
