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
    let refused = until("four refusals are kept", || Some(site.quarantine()).filter(|refused| refused.len() >= 4));
    println!("{refused:#?}");
    let of = |gw: &str| refused.iter().filter(|(from, _)| from == gw).count();
    assert_eq!((of(GATEWAY), of("?")), (3, 1), "{refused:?}");
    assert!(refused.iter().any(|(gw, why)| gw == GATEWAY && why.contains("signature")), "{refused:?}");
    assert!(refused.iter().any(|(gw, why)| gw == "?" && why.contains("gw-nobody")), "{refused:?}");
    let told = format!("oversize: a message of {LARGE} bytes on {record}, ");
    assert!(refused.iter().any(|(gw, why)| gw == GATEWAY && why.contains(&told)), "{told}: {refused:?}");
    until("a receipt says that something is bad", || (site.receipts("bad") > 0).then_some(()));

    site_broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("a later alarm is reported", |status| status["alarms"][0]["reported"].as_bool().filter(|yes| *yes));
    site.until_receipted();
    agent.must_run();
    central.must_run();
}

/// Told of a maximum packet size, mosquitto 2.0.11 drops what is larger and never frees its place: the lane stood still
/// after as many as the receive maximum, until a restart.
#[test]
fn more_oversize_messages_than_the_receive_maximum_do_not_stop_the_lane() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    let mut central = site.start_central();
    let mut agent = site.start_listening();
    let before = site.until_receipted();
    let record = format!("sms/v1/{GATEWAY}/record");
    let large = vec![b'x'; LARGE];
    (0..40).for_each(|_| central_broker.publish(&record, &large, &[]));

    site_broker.publish(&scene(7), event("2026-01-01T00:00:00.000Z", true).as_bytes(), &[]);
    site.until("the alarm is recorded", |status| status["alarms"][0]["recorded"].as_bool().filter(|yes| *yes));
    assert!(site.until_receipted() > before, "records after the flood have a receipt");
    until("every oversize message is kept with its reason", || {
        let told = site.quarantine();
        (told.iter().filter(|(gw, why)| gw == GATEWAY && why.contains("oversize")).count() == 40).then_some(())
    });
    // Routine records go through the lane that was flooded; urgent ones have a session of their own.
    let lane = site.until_receipted();
    site.until("a heartbeat after the flood has a receipt", |status| {
        status["link"]["receipted"].as_u64().filter(|upto| *upto > lane)
    });
    let resident = central.resident_kib();
    assert!(resident < 64 * 1024, "80 MiB went through, {resident} KiB are resident");
    agent.must_run();
    central.must_run();
}
