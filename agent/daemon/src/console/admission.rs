//! What a request must show before it is answered: a host that is ours, an origin that is ours, the token of the page.
//!
//! Rebound names fall at the host, other sites' pages at the origin, blind forgeries at the token. It knows no guards
//! and no passwords.

use super::Address;
use super::answer::Refusal;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Request, http::uri::Authority};
use std::net::SocketAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a route asks for, beside a host that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Nothing: a page that anybody who may open it may open.
    Open,
    /// Not from another site's page: data, and live views that cost a place.
    OwnPages,
    /// Only from our own page, as JSON; the token is in the body.
    Act,
}

impl Admission {
    /// Checks the headers. `host` is what [`Hosts::admit`] gave.
    pub(super) fn check(self, host: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            Self::OwnPages => fetched_from(headers, &["same-origin", "none"]),
            Self::Act => {
                fetched_from(headers, &["same-origin"])?;
                let origin = single(headers, &header::ORIGIN).ok_or(Refusal::ForeignOrigin)?;
                // Both schemes: a site may put a TLS proxy in front that keeps the Host.
                let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                if !own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
                    return Err(Refusal::ForeignOrigin);
                }
                let media = single(headers, &header::CONTENT_TYPE).ok_or(Refusal::NotJson)?;
                let media = media.split(';').next().unwrap_or_default().trim();
                if media.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Refusal::NotJson) }
            }
        }
    }
}

/// Browsers state `Sec-Fetch-Site` only to trustworthy addresses: over plain HTTP it is absent, except to loopback.
fn fetched_from(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Refusal> {
    if !headers.contains_key(SEC_FETCH_SITE) {
        return Ok(());
    }
    let site = single(headers, &SEC_FETCH_SITE).ok_or(Refusal::ForeignOrigin)?;
    if allowed.contains(&site) { Ok(()) } else { Err(Refusal::ForeignOrigin) }
}

/// The value of a header that stands exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The names this page is asked under, each as it stands in a `Host` header, lower case.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    listed: Vec<String>,
}

impl Hosts {
    /// The names of the settings, `localhost` and the loopback addresses. `port` is the one that is listened at.
    pub(super) fn new(address: &Address, port: u16) -> Self {
        let mut listed = Vec::new();
        let own =
            [address.listen.ip().to_canonical().to_string(), "localhost".into(), "127.0.0.1".into(), "::1".into()];
        for name in own.iter().map(|name| if name.contains(':') { format!("[{name}]") } else { name.clone() }) {
            list(&mut listed, name, port);
        }
        for name in address.hosts.iter().map(|name| name.to_ascii_lowercase()) {
            let stated = name.parse::<Authority>().is_ok_and(|authority| authority.port().is_some());
            if stated {
                listed.push(name);
            } else {
                // Without a port: directly, and behind a proxy at the usual ports.
                listed.push(name.clone());
                list(&mut listed, name, port);
            }
        }
        Self { listed }
    }

    /// The host a request names, if it is ours. An address literal is ours when the connection arrived at it: a page
    /// of another site can make a browser ask here under its own name only, never under our address.
    pub(super) fn admit<B>(&self, request: &Request<B>, local: SocketAddr) -> Result<String, Refusal> {
        let stated = single(request.headers(), &header::HOST).ok_or(Refusal::ForeignHost)?;
        let host = stated.to_ascii_lowercase();
        if request.uri().authority().is_some_and(|target| !target.as_str().eq_ignore_ascii_case(&host)) {
            return Err(Refusal::ForeignHost);
        }
        let mut reached = Vec::new();
        let literal = SocketAddr::new(local.ip().to_canonical(), local.port()).to_string();
        let ip = literal.rsplit_once(':').map_or(literal.as_str(), |(ip, _)| ip);
        list(&mut reached, ip.to_owned(), local.port());
        if self.listed.contains(&host) || reached.contains(&host) { Ok(host) } else { Err(Refusal::ForeignHost) }
    }
}

/// Browsers leave out port 80.
fn list(listed: &mut Vec<String>, name: String, port: u16) {
    listed.push(format!("{name}:{port}"));
    if port == 80 {
        listed.push(name);
    }
}

/// Proof that an act comes from a page of this process: 128 random bits, in hexadecimal.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// A new one.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0_u8; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(bits.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// As it stands in the page.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `shown` is the token; the time taken does not tell how much of it is right.
    pub(super) fn is(&self, shown: &str) -> bool {
        let differ = |(a, b): (u8, u8)| a ^ b;
        let all = self.0.bytes().zip(shown.bytes()).map(differ).fold(0, |all, one| all | one);
        std::hint::black_box(all) == 0 && self.0.len() == shown.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(port: u16) -> Hosts {
        let hosts = vec!["Gate.example".to_owned(), "gate.example:8443".to_owned()];
        Hosts::new(&Address { listen: SocketAddr::from(([192, 0, 2, 7], port)), hosts }, port)
    }

    fn admitted(hosts: &Hosts, host: &str, local: &str) -> bool {
        let request = Request::builder().uri("/").header(header::HOST, host).body(()).unwrap();
        hosts.admit(&request, local.parse().unwrap()).is_ok()
    }

    #[test]
    fn own_addresses_localhost_and_listed_names_are_hosts() {
        let hosts = hosts(8080);
        let own =
            ["192.0.2.7:8080", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "GATE.example", "gate.example:8443"];
        for host in own.into_iter().chain(["gate.example:8080"]) {
            assert!(admitted(&hosts, host, "192.0.2.7:8080"), "{host}");
        }
        assert!(admitted(&hosts, "[2001:db8::5]:8080", "[2001:db8::5]:8080"));
        assert!(admitted(&hosts, "10.1.2.3:8080", "[::ffff:10.1.2.3]:8080"));
    }

    #[test]
    fn other_names_ports_and_addresses_are_no_hosts() {
        let hosts = hosts(8080);
        let foreign =
            ["evil.example:8080", "localhost", "localhost:80", "192.0.2.7", "10.1.2.3:8080", "gate.example.:8080", ""];
        for host in foreign {
            assert!(!admitted(&hosts, host, "192.0.2.7:8080"), "{host}");
        }
    }

    #[test]
    fn port_80_may_be_left_out() {
        assert!(admitted(&hosts(80), "192.0.2.7", "192.0.2.7:80"));
        assert!(admitted(&hosts(80), "localhost", "127.0.0.1:80"));
    }

    #[test]
    fn two_hosts_or_another_target_are_refused() {
        let local = "192.0.2.7:8080".parse().unwrap();
        let twice = Request::builder().header(header::HOST, "localhost:8080").header(header::HOST, "evil.example");
        assert!(hosts(8080).admit(&twice.body(()).unwrap(), local).is_err());
        let target = Request::builder().uri("http://evil.example/").header(header::HOST, "localhost:8080");
        assert!(hosts(8080).admit(&target.body(()).unwrap(), local).is_err());
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::random().unwrap();
        assert!(token.is(token.as_str()));
        assert!(!token.is("") && !token.is(&token.as_str()[..31]) && !token.is(&format!("{}0", token.as_str())));
        assert!(!token.is(Token::random().unwrap().as_str()));
    }
}
