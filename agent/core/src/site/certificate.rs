//! The certificate of the central link: from what is told of it to records and an alarm about the gateway.

use super::Site;
use crate::alarm::Rule;
use crate::certificate::Certificate;
use crate::rules::Finding;
use crate::time::Now;

impl Site {
    pub(super) fn certificate_told(&mut self, now: &Now, certificate: Certificate) {
        let news = self.certificate.told(certificate);
        self.changed_if(news);
        self.judge_certificate(now);
    }

    /// Records what is new, and rings while the certificate is near its end, past it, or refused.
    pub(super) fn judge_certificate(&mut self, now: &Now) {
        let statement = self.certificate.due(now);
        self.record_all(now, statement);
        let Some(turn) = self.certificate.turn() else { return };
        let equipment = self.own_id();
        self.found(now, Finding { rule: Rule::Certificate, equipment, about: String::new(), turn, evidence: None });
    }
}
