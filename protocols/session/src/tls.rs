//! TLS of a link: what rustls needs, out of PEM texts, and what went wrong with it, in words. No files, no sockets; time
//! is given.
//!
//! Trust is the site's own authority and nothing else: no public root ever vouches for a broker. A board without a battery
//! starts in 1970, when no certificate is valid yet: [`Time`] never shows less than a floor, and while the clock is known
//! to be wrong a certificate that begins later than it says is judged by its own beginning.

mod own;
mod words;

pub use own::{IssuedFault, Validity, issued};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a link shows and whom it trusts: PEM texts, as they were read with the settings.
#[derive(Clone)]
pub struct Papers {
    /// Certificates of whoever signs brokers' certificates.
    pub authority: Vec<u8>,
    /// Name of the file that they were read from, for words.
    pub authority_file: String,
    /// What shows who we are, where the broker asks.
    pub own: Option<Own>,
    /// Name that the broker's certificate must be for, where that is not the host.
    pub server_name: Option<String>,
    /// What the validity of certificates is judged by.
    pub time: Time,
}

/// Our certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Own {
    /// The certificate, with those between it and its authority behind it.
    pub certificate: Vec<u8>,
    /// Its private key without a passphrase. Never shown.
    pub key: Vec<u8>,
}

impl fmt::Debug for Papers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Papers").field("authority_file", &self.authority_file).finish_non_exhaustive()
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

/// What is wrong with the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PapersFault {
    /// The authority's text.
    #[error("it holds no certificate of an authority (PEM)")]
    NoAuthority,
    /// Our certificate's text.
    #[error("it holds no certificate (PEM)")]
    NoCertificate,
    /// Our key's text.
    #[error("it holds no private key without a passphrase (PEM)")]
    NoKey,
    /// The key is of a kind that TLS does not use here, or not the certificate's.
    #[error("the key does not belong to the certificate, or is of no use for TLS: {0}")]
    WrongKey(String),
}

impl PapersFault {
    /// Which text is at fault.
    pub fn paper(&self) -> Paper {
        match self {
            Self::NoAuthority => Paper::Authority,
            Self::NoCertificate => Paper::Certificate,
            Self::NoKey | Self::WrongKey(_) => Paper::Key,
        }
    }
}

/// One of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// [`Papers::authority`].
    Authority,
    /// [`Own::certificate`].
    Certificate,
    /// [`Own::key`].
    Key,
}

/// The time that certificates are judged by: the clock's, and never before a floor.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    floor_s: u64,
    told_s: u64,
    clock_s: fn() -> u64,
}

impl Time {
    /// `floor_s` is past for certain (a build); `clock_s` reads the clock. Both in seconds since 1970 UTC.
    pub fn new(floor_s: u64, clock_s: fn() -> u64) -> Self {
        Self { floor_s, told_s: 0, clock_s }
    }

    /// What another clock said (a signed receipt) is past too, in seconds since 1970 UTC. That clock may have been wrong:
    /// no certificate has ended by its word against that of a clock which was set since the floor.
    pub fn told(self, told_s: u64) -> Self {
        Self { told_s, ..self }
    }

    /// Seconds since 1970 UTC that are past for certain.
    pub fn floor_s(&self) -> u64 {
        self.floor_s
    }

    /// Seconds since 1970 UTC.
    pub fn now_s(&self) -> u64 {
        (self.clock_s)().max(self.floor_s).max(self.told_s)
    }

    /// Whether the clock is known to be wrong.
    fn is_behind(&self) -> bool {
        (self.clock_s)() < self.floor_s.max(self.told_s)
    }

    /// What a clock that was set says against what was told.
    fn contested_s(&self) -> Option<u64> {
        let clock_s = (self.clock_s)();
        (self.floor_s..self.told_s).contains(&clock_s).then_some(clock_s)
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.now_s())))
    }
}

/// What one connection is made with.
#[derive(Debug)]
pub struct Client {
    /// TLS.
    pub config: Arc<ClientConfig>,
    /// The name that the broker's certificate must be for.
    pub server: ServerName<'static>,
    /// What the broker has shown in it.
    pub proof: Proof,
}

/// Whether a broker has shown, in one handshake, a certificate of the authority and that its key is there.
#[derive(Debug, Clone, Default)]
pub struct Proof(Arc<AtomicBool>);

impl Proof {
    /// It has.
    pub fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The signature comes behind the certificate, which was good where it is looked at.
    fn given_by(&self, verdict: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        self.0.store(verdict.is_ok(), Ordering::Relaxed);
        verdict
    }
}

impl Papers {
    /// What connections are made with.
    pub fn config(&self) -> Result<Arc<ClientConfig>, PapersFault> {
        self.made(&Proof::default())
    }

    fn made(&self, proof: &Proof) -> Result<Arc<ClientConfig>, PapersFault> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier { inner: verifier(&self.authority, &provider)?, time: self.time, proof: proof.clone() };
        let builder = ClientConfig::builder_with_details(provider, Arc::new(self.time))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = certificates(&own.certificate).ok_or(PapersFault::NoCertificate)?;
                let key = PrivateKeyDer::from_pem_slice(&own.key).map_err(|_| PapersFault::NoKey)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| PapersFault::WrongKey(error.to_string()))?
            }
        };
        Ok(Arc::new(config))
    }

    /// Whether a broker that ended a connection with this says that it refuses the certificate that we show. Any other
    /// alert is about TLS, and another certificate would not help. Asked only of a broker that gave its [`Proof`]: before
    /// it, anybody may have answered.
    pub fn is_refused(&self, error: &std::io::Error) -> bool {
        let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        self.own.is_some() && matches!(fault, Some(Error::AlertReceived(alert)) if is_of_certificates(*alert))
    }

    /// What one connection to this host is made with, and the name that its certificate must be for; else why there can
    /// be none, for people.
    pub fn client(&self, host: &str) -> Result<Client, String> {
        let name = self.name(host);
        let server = ServerName::try_from(name.to_owned());
        let server = server.map_err(|_| format!("{name} is no name that a certificate can be for"))?;
        let proof = Proof::default();
        Ok(Client { config: self.made(&proof).map_err(|fault| fault.to_string())?, server, proof })
    }

    fn name<'a>(&'a self, host: &'a str) -> &'a str {
        self.server_name.as_deref().unwrap_or(host)
    }
}

/// What an alert of a broker says of a client's certificate (RFC 8446 section 6.2; RFC 5246 section 7.2.2).
fn is_of_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateRequired
            | AlertDescription::AccessDenied
    )
}

fn verifier(authority: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, PapersFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority).ok_or(PapersFault::NoAuthority)? {
        roots.add(certificate).map_err(|_| PapersFault::NoAuthority)?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|_| PapersFault::NoAuthority)
}

/// All certificates of a text; `None` where there is none or one is damaged.
fn certificates(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// The usual rules, but for the beginning of a certificate while the clock is known to be behind: then the true time is
/// later than the clock's by who knows how much. Its end, names, chain and signatures hold as ever.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    time: Time,
    proof: Proof,
}

fn is_over(verdict: &Result<ServerCertVerified, Error>) -> bool {
    use CertificateError::{Expired, ExpiredContext};
    matches!(verdict, Err(Error::InvalidCertificate(Expired | ExpiredContext { .. })))
}

/// A certificate, and three above it: each may begin later than the one before.
const BEGINNINGS: usize = 4;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |at| self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at);
        let mut verdict = verify(now);
        if let (true, Some(clock_s)) = (is_over(&verdict), self.time.contested_s()) {
            verdict = verify(UnixTime::since_unix_epoch(Duration::from_secs(clock_s)));
        }
        for _ in 0..BEGINNINGS {
            match verdict {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }))
                    if self.time.is_behind() =>
                {
                    verdict = verify(not_before);
                }
                verdict => return verdict,
            }
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.given_by(self.inner.verify_tls12_signature(message, certificate, signed))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.given_by(self.inner.verify_tls13_signature(message, certificate, signed))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
