//! Why a session with the site broker ended, or stands only in part.

use crate::broker::BrokerFault;

#[derive(Debug, thiserror::Error)]
pub(in crate::line) enum SessionFault {
    /// A topic filter that no broker would take.
    #[error("{0} is no topic filter")]
    BadFilter(String),
    /// SUBACK with refusals; if some topics were taken, the session stands.
    #[error("the broker refused to subscribe {0}")]
    NotAllowed(String),
    /// The connection or its session.
    #[error(transparent)]
    Broker(#[from] BrokerFault),
}
