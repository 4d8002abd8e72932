//! A connection with a certificate that is not in force yet, under another client id, so that the link stands meanwhile.

use super::machine::Tested;
use crate::broker::{BrokerFault, Connection, Endpoint};
use crate::central;
use picket_session::{Ears, Event, Fault};

/// Connects, and asks for the topics of the gateway: a certificate is of use only where its name may listen there.
pub(super) async fn connect(endpoint: &Endpoint, gateway: &str) -> Result<(), (Tested, String)> {
    let client_id = format!("{gateway}-test");
    let terms = central::terms(endpoint, gateway, client_id.clone());
    let told = |fault: BrokerFault| told(&fault, &client_id);
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

/// A session that is refused behind TLS says nothing about the certificate: its name is the gateway's, as that of the next
/// one would be. A broker may know another client id alone.
fn told(fault: &BrokerFault, client_id: &str) -> (Tested, String) {
    match fault {
        BrokerFault::Refused(words) => (Tested::Refused, words.clone()),
        BrokerFault::Session(Fault::Login(_) | Fault::Refused(_)) => {
            let cause = format!("{fault}: it comes as client {client_id}, does the broker admit that id?");
            (Tested::Unreachable, cause)
        }
        BrokerFault::Unreachable(_) | BrokerFault::Closed | BrokerFault::Tls(_) | BrokerFault::Session(_) => {
            (Tested::Unreachable, fault.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Endpoint;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// How a probe ends whose CONNECT is answered with this reason (MQTT 5.0 section 3.2.2.2).
    async fn refused_with(reason: u8) -> (Tested, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint { host: "127.0.0.1".into(), port, login: None, tls: None };
        let broker = async {
            let mut stream = listener.accept().await.unwrap().0;
            let mut connect = vec![0; 2];
            stream.read_exact(&mut connect).await.unwrap();
            connect.resize(usize::from(connect[1]), 0);
            stream.read_exact(&mut connect).await.unwrap();
            assert!(connect.windows(9).any(|bytes| bytes == b"gw-1-test"));
            stream.write_all(&[0x20, 3, 0, reason, 0]).await.unwrap();
            stream
        };
        let (outcome, _stream) = tokio::join!(connect(&endpoint, "gw-1"), broker);
        outcome.unwrap_err()
    }

    #[tokio::test]
    async fn a_broker_that_does_not_admit_the_client_id_of_the_test_refuses_no_certificate_and_is_told() {
        // Client identifier not valid, bad user name or password, not authorised.
        for reason in [0x85, 0x86, 0x87] {
            let (tested, cause) = refused_with(reason).await;
            assert_eq!(tested, Tested::Unreachable, "{reason:#x}");
            assert!(cause.contains("it comes as client gw-1-test"), "{cause}");
        }
    }
}
