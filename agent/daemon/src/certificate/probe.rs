//! A connection with a certificate that is not in force yet, under another client id, so that the link stands meanwhile.

use super::machine::Tested;
use crate::broker::{BrokerFault, Connection, Endpoint};
use crate::central;
use picket_session::{Ears, Event, Fault};

/// Connects, and asks for the topics of the gateway: a certificate is of use only where its name may listen there.
pub(super) async fn connect(endpoint: &Endpoint, gateway: &str) -> Result<(), (Tested, String)> {
    let terms = central::terms(endpoint, gateway, format!("{gateway}-test"));
    let told = |fault: BrokerFault| (judged(&fault), fault.to_string());
    let mut connection = Connection::open(endpoint, terms).await.map_err(told)?;
    loop {
        match connection.next(Ears::Open).await.map_err(told)? {
            Event::Subscribed { refused } if refused.is_empty() => {
                connection.close().await;
                return Ok(());
            }
            Event::Subscribed { .. } => {
                let cause = format!("the broker does not let it listen on sms/v1/{gateway}: check its rights");
                return Err((Tested::Refused, cause));
            }
            Event::Opened { .. } | Event::Message(_) | Event::Answered { .. } => {}
        }
    }
}

fn judged(fault: &BrokerFault) -> Tested {
    match fault {
        BrokerFault::Refused(_) | BrokerFault::Session(Fault::Login(_)) => Tested::Refused,
        BrokerFault::Unreachable(_) | BrokerFault::Closed | BrokerFault::Tls(_) | BrokerFault::Session(_) => {
            Tested::Unreachable
        }
    }
}
