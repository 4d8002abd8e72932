//! What is published to the central side by others: kept apart with the reason, and the gateway told.

use crate::bundle::with_flipped_bit;
use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, until};
use crate::records::{event, scene};

/// More than a session of the central side takes.
const LARGE: usize = 2 * 1024 * 1024;

#[test]
fn bad_input_at_the_central_side_is_quarantined_and_the_gateway_told() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let mut central = site.start_central();
    let mut agent = site.start_listening();
    site.until_receipted();
    let lines = site.received_lines();
    let record = format!("sms/v1/{GATEWAY}/record");
    central_broker.publish(&record, b"\xFF\xFE no record at all", &[]);
    central_broker.publish(&record, with_flipped_bit(&lines[1]).as_bytes(), &[]);
    central_broker.publish("sms/v1/gw-nobody/urgent", lines[1].as_bytes(), &[]);
    central_broker.publish(&record, &vec![b'x'; LARGE], &[]);
    let refused = until("three refusals are kept", || Some(site.quarantine()).filter(|refused| refused.len() >= 3));
    println!("{refused:#?}");
    let of = |gw: &str| refused.iter().filter(|(from, _)| from == gw).count();
    assert_eq!((of(GATEWAY), of("?")), (2, 1), "{refused:?}");
    assert!(refused.iter().any(|(gw, why)| gw == GATEWAY && why.contains("signature")), "{refused:?}");
    assert!(refused.iter().any(|(gw, why)| gw == "?" && why.contains("gw-nobody")), "{refused:?}");
    until("a receipt says that something is bad", || (site.receipts("bad") > 0).then_some(()));

    site_broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("a later alarm is reported", |status| status["alarms"][0]["reported"].as_bool().filter(|yes| *yes));
    site.until_receipted();
    agent.must_run();
    central.must_run();
}
