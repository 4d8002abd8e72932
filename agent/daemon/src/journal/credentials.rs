//! Keys and acceptance of a gateway: read, and held against each other and against the settings.

use super::{Credentials, Fault, Place};
use picket_record::acceptance::Acceptance;
use picket_record::chain::{Epochs, Origin};
use picket_record::encode::{Link, Name, bytes32};
use picket_record::keys::{IdentityKey, PublicKey};
use picket_record::refusal::Refusal;
use picket_record::root::Roots;
use std::fs;
use std::path::Path;

impl Place {
    /// Reads keys and acceptance, and checks that they belong to each other and to this gateway.
    pub fn credentials(&self, site: &str, gateway: &str) -> Result<Credentials, Fault> {
        let identity = identity(&self.identity)?;
        let roots = self.roots()?;
        let line = text(&self.acceptance, "cannot read the acceptance")?.trim().to_owned();
        let (acceptance, link) = self.verified(&line, roots.as_ref())?;
        let name = |text: &str| Name::parse(text).map_err(|refusal| Fault::Refused(refusal.to_string()));
        let origin = Origin { site: name(site)?, gw: name(gateway)? };
        if acceptance.gw != origin.gw || acceptance.site != origin.site {
            return Err(Fault::Refused(format!(
                "{} accepts {}/{}, the settings name {site}/{gateway}",
                self.acceptance.display(),
                acceptance.site,
                acceptance.gw
            )));
        }
        if acceptance.identity != identity.public() {
            return Err(Fault::Refused(format!(
                "{} accepts another identity than the key in {}; ask the central side to accept {}",
                self.acceptance.display(),
                self.identity.display(),
                identity.public().text()
            )));
        }
        Ok(Credentials::new(identity, acceptance, link, line, roots))
    }
}

impl Credentials {
    /// Of a gateway that was accepted; `link` and `line` are the acceptance's.
    pub fn new(identity: IdentityKey, acceptance: Acceptance, link: Link, line: String, roots: Option<Roots>) -> Self {
        let newest = roots.as_ref().map(|roots| roots.in_force().receipt.clone());
        Self {
            origin: Origin { site: acceptance.site, gw: acceptance.gw },
            identity,
            receipt_key: newest.unwrap_or_else(|| acceptance.receipt_key.clone()),
            accepted_receipt_key: acceptance.receipt_key,
            roots,
            acceptance: link,
            acceptance_line: line,
        }
    }

    /// What records of this gateway are verified with, before any of its epochs is known.
    pub(super) fn epochs(&self) -> Epochs {
        Epochs::new(self.origin.gw.clone(), self.identity.public()).at_site(self.origin.site.clone())
    }
}

impl Place {
    fn roots(&self) -> Result<Option<Roots>, Fault> {
        let read = match fs::read_to_string(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read,
        };
        let doing = "cannot read the root documents";
        let text = read.map_err(|source| Fault::File { file: self.root.clone(), doing, source })?;
        let told = |refusal| Fault::Refused(format!("{}: {refusal}; ask the central side for it", self.root.display()));
        Roots::verify(&text).map(Some).map_err(told)
    }

    /// The acceptance under a key that may sign one: of the root documents, or the one that was installed.
    fn verified(&self, line: &str, roots: Option<&Roots>) -> Result<(Acceptance, Link), Fault> {
        let told = |refusal| Fault::Refused(format!("{}: {refusal}", self.acceptance.display()));
        let Some(roots) = roots else {
            let accept_key = text(&self.accept_key, "cannot read the acceptance key")?;
            let accept_key = PublicKey::parse(accept_key.trim()).map_err(|refusal| {
                let file = self.accept_key.display();
                Fault::Refused(format!("{file}: {refusal}; install the accept.pub of the central side"))
            })?;
            return Acceptance::verify(line, &accept_key).map_err(told);
        };
        let mut verdict = Err(Refusal::Signature { by: "acceptance" });
        for named in roots.accept_keys().iter().rev() {
            verdict = Acceptance::verify(line, &named.key);
            if verdict.is_ok() {
                break;
            }
        }
        let (acceptance, link) = verdict.map_err(told)?;
        if acceptance.sms != roots.in_force().sms {
            let (file, sms, root) = (self.acceptance.display(), acceptance.sms, &roots.in_force().sms);
            return Err(Fault::Refused(format!("{file} is of {sms}, {} is of {root}", self.root.display())));
        }
        Ok((acceptance, link))
    }
}

/// Reads an identity key: 32 bytes base64url on one line, readable by its owner alone.
pub fn identity(file: &Path) -> Result<IdentityKey, Fault> {
    use std::os::unix::fs::PermissionsExt;
    let fault = |source| Fault::File { file: file.to_owned(), doing: "cannot read the identity key", source };
    let mode = fs::metadata(file).map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let text = format!("{}: mode {mode:o} lets others read the identity key; chmod 600 it", file.display());
        return Err(Fault::Refused(text));
    }
    let text = text(file, "cannot read the identity key")?;
    if text.trim().is_empty() {
        return Err(Fault::NoKey { file: file.to_owned() });
    }
    let seed = bytes32(text.trim(), "identity key");
    seed.map(IdentityKey::from_seed).map_err(|refusal| Fault::Refused(format!("{}: {refusal}", file.display())))
}

fn text(file: &Path, doing: &'static str) -> Result<String, Fault> {
    fs::read_to_string(file).map_err(|source| Fault::File { file: file.to_owned(), doing, source })
}
