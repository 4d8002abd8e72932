//! Making a gateway known to its central system, both ways authenticated and without a network if there is none.
//!
//! **Life.** The centre gives a token for one site and gateway; it pins the centre by the hash of its root document. The
//! gateway makes its key and a signed request; a person compares fingerprints and approves at the centre; the answer is
//! the root documents and the acceptance. Nothing of the answer is written before all of it is verified against the
//! token and the own key: there is no trust on first use.

use picket_record::acceptance::Acceptance;
use picket_record::encode::Name;
use picket_record::enrolment::Request;
use picket_record::keys::{IdentityKey, PublicKey};
use picket_record::refusal::Refusal;
use picket_record::root::Roots;
use picket_record::shown;
use picket_record::token::EnrolmentToken;

/// Largest answer that is read: every version of a root document, an acceptance and a certificate.
pub const ANSWER_MAX: u64 = 1024 * 1024;

/// Why an enrolment does not go on. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentFault {
    /// The token is no token.
    #[error("the token is not one: {0}; ask the central side for a new one")]
    Token(#[source] Refusal),
    /// The token is for somebody else.
    #[error("the token is for {token}, the settings name {settings}; ask for a token of this gateway, or mend [site]")]
    Stranger {
        /// Site and gateway of the token.
        token: String,
        /// Site and gateway of the settings.
        settings: String,
    },
    /// The token has ended.
    #[error("the token ended at {0}; ask the central side for a new one")]
    Over(String),
    /// The answer is not the one to this request.
    #[error("the answer is refused: {0}")]
    Answer(String),
}

/// A token that fits this gateway.
#[derive(Debug, Clone)]
pub struct Token {
    token: EnrolmentToken,
    line: String,
}

impl Token {
    /// Reads a token. Who signed it shows only with the answer, whose root documents it pins.
    pub fn read(line: &str, site: &str, gw: &str) -> Result<Self, EnrolmentFault> {
        let line = line.trim();
        let token = EnrolmentToken::claims(line).map_err(EnrolmentFault::Token)?;
        if token.site.as_str() != site || token.gw.as_str() != gw {
            let (token, settings) = (format!("{}/{}", token.site, token.gw), format!("{site}/{gw}"));
            return Err(EnrolmentFault::Stranger { token, settings });
        }
        Ok(Self { token, line: line.to_owned() })
    }

    /// As received.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The central system that it pins.
    pub fn sms(&self) -> &Name {
        &self.token.sms
    }

    /// The signed request for this token. `trusted_ms` is a time somebody vouches for: without one the centre alone
    /// judges whether the token has ended.
    pub fn request(
        &self,
        key: &IdentityKey,
        machine: &str,
        (wall_ms, trusted_ms): (i64, Option<i64>),
        csr: Option<Vec<u8>>,
    ) -> Result<String, EnrolmentFault> {
        if trusted_ms.is_some_and(|ms| self.token.is_over(ms)) {
            let end = picket_record::wall::to_text(self.token.exp_ms).unwrap_or_default();
            return Err(EnrolmentFault::Over(end));
        }
        let EnrolmentToken { sms, site, gw, id, .. } = self.token.clone();
        let machine =
            machine.chars().filter(|c| shown::is_plain(c.encode_utf8(&mut [0; 4]))).take(60).collect::<String>();
        let machine = if machine.is_empty() { "unknown".to_owned() } else { machine };
        let request = Request { sms, site, gw, token: id, identity: key.public(), machine, ts_ms: wall_ms, csr };
        request.sign(key).map(|signed| signed.line).map_err(EnrolmentFault::Token)
    }

    /// Verifies an answer: the root documents go on from the one that the token pins; token and acceptance are of the same
    /// system, by the key that is in force, so that one which was withdrawn accepts nobody any more; and the acceptance is
    /// of this key, site and gateway.
    pub fn answered(&self, identity: &PublicKey, answer: &str) -> Result<Answer, EnrolmentFault> {
        let refused = |cause: String| EnrolmentFault::Answer(cause);
        let (root, acceptance, certificate) =
            split(answer).ok_or_else(|| refused("it is not root documents and an acceptance".into()))?;
        let roots = Roots::verify(&root).map_err(|refusal| refused(refusal.to_string()))?;
        if !roots.holds(&self.token.root) {
            return Err(refused("its root documents are not those that the token pins".into()));
        }
        let root_in_force = roots.in_force();
        if EnrolmentToken::verify(&self.line, &root_in_force.accept).is_err() {
            let cause = "the token is not by the key in force of its central system; ask for a new one";
            return Err(refused(cause.into()));
        }
        let (accepted, _) = Acceptance::verify(&acceptance, &root_in_force.accept)
            .map_err(|_| refused("the acceptance is not signed by the key in force of its central system".into()))?;
        let systems = [&self.token.sms, &root_in_force.sms, &accepted.sms];
        if systems.iter().any(|sms| *sms != systems[0]) {
            let [token, root, accepted] = systems;
            return Err(refused(format!("the token is of {token}, the root documents of {root}, it is of {accepted}")));
        }
        if accepted.identity != *identity {
            return Err(refused("it accepts another key than the one of this gateway".into()));
        }
        if accepted.site != self.token.site || accepted.gw != self.token.gw {
            return Err(refused(format!("it accepts {}/{}", accepted.site, accepted.gw)));
        }
        let receipt_keys = roots.receipt_keys().into_iter().map(|named| named.key).collect();
        Ok(Answer { root, acceptance: acceptance + "\n", by: accepted.by, certificate, receipt_keys })
    }
}

/// A verified answer, as its files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `root.jws`.
    pub root: String,
    /// `acceptance.jws`.
    pub acceptance: String,
    /// Who approved.
    pub by: String,
    /// The line with the certificate, where there is one; not verified, because that takes the key that it is for.
    pub certificate: Option<String>,
    /// Keys that it may be signed by.
    pub receipt_keys: Vec<PublicKey>,
}

/// Root documents, then the acceptance, then the certificate where there is one.
fn split(answer: &str) -> Option<(String, String, Option<String>)> {
    let (before, last) = answer.trim_end().rsplit_once('\n')?;
    let is_acceptance = |line: &str| Acceptance::claims(line.trim()).is_ok();
    match before.rsplit_once('\n') {
        Some((root, acceptance)) if !is_acceptance(last) && is_acceptance(acceptance) => {
            Some((format!("{root}\n"), acceptance.trim().to_owned(), Some(last.trim().to_owned())))
        }
        _ => Some((format!("{before}\n"), last.trim().to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_record::keys::{AcceptKey, OrderKey, ReceiptKey, RootKey};
    use picket_record::root::Root;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn identity() -> IdentityKey {
        IdentityKey::from_seed([1; 32])
    }

    /// Root documents whose acceptance key has this seed, and their hash.
    fn root(accept: u8) -> (String, [u8; 32]) {
        let (lines, root) = version(1, accept);
        (lines, root.hash().unwrap())
    }

    fn version(ver: u64, accept: u8) -> (String, Root) {
        let keys = [50, 51, 52].map(|seed| RootKey::from_seed([seed; 32]));
        let root = Root {
            sms: name("hq"),
            ver,
            ts_ms: 0,
            keys: keys.each_ref().map(RootKey::public),
            accept: AcceptKey::from_seed([accept; 32]).public(),
            receipt: ReceiptKey::from_seed([9; 32]).public(),
            order: OrderKey::from_seed([20; 32]).public(),
            order_floor: 0,
        };
        let lines = keys[..2].iter().map(|key| root.sign(key).unwrap().line + "\n").collect();
        (lines, root)
    }

    fn token_line(accept: u8) -> String {
        let (sms, site, gw) = (name("hq"), name("yard"), name("gate-7"));
        let token = EnrolmentToken { sms, site, gw, id: [7; 16], exp_ms: 1_000, root: root(accept).1 };
        token.sign(&AcceptKey::from_seed([accept; 32])).unwrap().line
    }

    fn acceptance(accept: u8, identity: PublicKey, gw: &str) -> String {
        acceptance_of("hq", accept, identity, gw)
    }

    fn acceptance_of(sms: &str, accept: u8, identity: PublicKey, gw: &str) -> String {
        let acceptance = Acceptance {
            sms: name(sms),
            site: name("yard"),
            gw: name(gw),
            identity,
            receipt_key: ReceiptKey::from_seed([9; 32]).public(),
            ts_ms: 5,
            by: "N. N.".into(),
        };
        acceptance.sign(&AcceptKey::from_seed([accept; 32])).unwrap().line
    }

    fn answered(answer: &str) -> Result<Answer, String> {
        let token = Token::read(&token_line(3), "yard", "gate-7").unwrap();
        token.answered(&identity().public(), answer).map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_answer_with_the_pinned_root_and_the_own_key_is_taken() {
        let (root, _) = root(3);
        let line = acceptance(3, identity().public(), "gate-7");
        let answer = answered(&format!("{root}{line}\n")).unwrap();
        assert_eq!((&answer.root, &answer.acceptance), (&root, &format!("{line}\n")));
        assert_eq!((answer.by.as_str(), answer.certificate), ("N. N.", None));
        let with_certificate = answered(&format!("{root}{line}\nx.y.z\n")).unwrap();
        assert_eq!(
            (with_certificate.acceptance, with_certificate.certificate),
            (format!("{line}\n"), Some("x.y.z".into()))
        );
    }

    #[test]
    fn an_answer_of_another_centre_of_another_key_or_for_another_gateway_is_refused() {
        let good = identity().public();
        let own = |line: &str| answered(&format!("{}{line}", root(3).0)).unwrap_err();
        let foreign = answered(&format!("{}{}", root(4).0, acceptance(4, good.clone(), "gate-7"))).unwrap_err();
        assert!(foreign.contains("not those that the token pins"), "{foreign}");
        assert!(own(&acceptance(4, good.clone(), "gate-7")).contains("not signed by the key in force"));
        let stranger = IdentityKey::from_seed([2; 32]).public();
        assert!(own(&acceptance(3, stranger, "gate-7")).contains("another key"));
        assert!(own(&acceptance(3, good, "gate-8")).contains("gate-8"));
        let system = acceptance_of("hq-2", 3, identity().public(), "gate-7");
        assert!(own(&system).contains("it is of hq-2"), "{}", own(&system));
        for garbage in ["", "x", "x\ny", &root(3).0] {
            assert!(answered(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_key_that_was_withdrawn_gives_no_token_and_accepts_nobody() {
        let both = root(3).0 + &version(2, 4).0;
        let identity = identity();
        let answered = |token: &str, accept| {
            let token = Token::read(token, "yard", "gate-7").unwrap();
            let line = acceptance(accept, identity.public(), "gate-7");
            token.answered(&identity.public(), &format!("{both}{line}")).map_err(|fault| fault.to_string())
        };
        let (sms, site, gw) = (name("hq"), name("yard"), name("gate-7"));
        let token = EnrolmentToken { sms, site, gw, id: [7; 16], exp_ms: 1_000, root: root(3).1 };
        let fresh = token.sign(&AcceptKey::from_seed([4; 32])).unwrap().line;
        assert!(answered(&fresh, 4).is_ok(), "pinned by its first version, in force by its second");
        assert!(answered(&fresh, 3).unwrap_err().contains("the acceptance is not signed by the key in force"));
        assert!(answered(&token_line(3), 4).unwrap_err().contains("the token is not by the key in force"));
    }

    #[test]
    fn a_token_for_another_gateway_or_past_its_end_is_told() {
        let stranger = Token::read(&token_line(3), "yard", "gate-8").unwrap_err();
        assert!(stranger.to_string().contains("yard/gate-7"), "{stranger}");
        assert!(Token::read("no token", "yard", "gate-7").is_err());
        let token = Token::read(&token_line(3), "yard", "gate-7").unwrap();
        assert!(matches!(token.request(&identity(), "box", (5, Some(1_000)), None), Err(EnrolmentFault::Over(_))));
        let line = token.request(&identity(), "box\n", (5, None), None).unwrap();
        let (request, _) = Request::verify(&line).unwrap();
        assert_eq!((request.identity, request.machine.as_str(), request.token), (identity().public(), "box", [7; 16]));
    }
}
