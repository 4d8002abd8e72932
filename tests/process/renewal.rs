//! Keys of the central side that are renewed in service, by the shipped programs and through a real broker.

use crate::enrolment::run;
use crate::installation::{GATEWAY, Installation};
use crate::programs::{Broker, product};
use crate::records::{event, scene};
use std::fs;

/// Has the next version of the root document name a new receipt key.
fn renew_receipt_key(site: &Installation) {
    let text = |name: &str| site.path(name).display().to_string();
    let (dir, keys) = (text("central"), [text("central/root-1.key"), text("central/root-3.key")]);
    let told =
        run(&product().central, &["root", "renew", "--dir", &dir, "--receipt", "--key", &keys[0], "--key", &keys[1]]);
    assert!(told.contains("restart picket-central run"), "{told}");
}

#[test]
fn a_renewed_receipt_key_reaches_a_gateway_that_runs_and_one_that_was_away() {
    let (site_broker, central_broker) = (Broker::start(), Broker::start());
    let site = Installation::make(site_broker.port, central_broker.port);
    fs::copy(site.path("central/root.jws"), site.settings().join("root.jws")).expect("root documents are installed");
    let mut moments = 0;
    let mut receipted_after = |upto: u64| {
        moments += 1;
        let event = event(&format!("2026-01-01T00:00:0{moments}.000Z"), moments % 2 == 1);
        site_broker.publish(&scene(7), event.as_bytes(), &[]);
        site.until("what is new has a receipt", |status| {
            status["link"]["receipted"].as_u64().filter(|now| *now > upto + 1 && status["link"]["waiting"] == 0)
        })
    };

    let central = site.start_central();
    let agent = site.start_listening();
    let upto = receipted_after(0);
    central.kill();
    renew_receipt_key(&site);
    let central = site.start_central();
    let upto = receipted_after(upto);

    agent.kill();
    central.kill();
    renew_receipt_key(&site);
    let _central = site.start_central();
    let agent = site.start_listening();
    let upto = receipted_after(upto);

    // What was taken stays taken, without a word of the centre in between.
    agent.kill();
    let _agent = site.start_listening();
    receipted_after(upto);
    let bad = site.received().iter().filter(|record| record["kind"] == "receipt.bad").count();
    assert_eq!(bad, 0, "no receipt came before the document that names its key");
    let details = run(
        &product().central,
        &["gateways", "--dir", &site.path("central").display().to_string(), "--gateway", GATEWAY],
    );
    assert!(!details.contains("was refused"), "{details}");
}
