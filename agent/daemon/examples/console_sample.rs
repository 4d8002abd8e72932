//! Serves the guards' page with an invented site, to look at: `console_sample [quiet|busy|cut] [PORT]`.
//!
//! What is acknowledged becomes acknowledged a second later; `cut` shows a lost link, a full disk and a lost line.

use picket::console::{Address, run};
use picket_core::sensitivity::Sensitivity;
use picket_core::status::Status;
use picket_core::wire::{Act, Input};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let scene = words.next().unwrap_or_else(|| "busy".to_owned());
    let port: u16 = words.next().map_or(Ok(8640), |port| port.parse())?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    let now = jiff::Timestamp::now().as_millisecond();
    let (statuses, status) = watch::channel(Arc::new(sample(&scene, now)?));
    let (acts, mut acted) = mpsc::channel(8);
    let address = Address { listen: listener.local_addr()?, hosts: Vec::new() };
    println!("http://{}/", address.listen);
    let acting = async {
        while let Some(input) = acted.recv().await {
            println!("{input:?}");
            let Input::Act { act: Act::Acknowledge { alarm, by, .. }, .. } = input else { continue };
            tokio::time::sleep(Duration::from_secs(1)).await;
            statuses.send_modify(|status| {
                let status = Arc::make_mut(status);
                status.revision += 1;
                status.at_ms = Some(jiff::Timestamp::now().as_millisecond());
                for alarm in status.alarms.iter_mut().filter(|open| open.id == alarm) {
                    alarm.acknowledged_by = Some(by.clone());
                }
            });
        }
    };
    tokio::join!(run(listener, address, Sensitivity::default(), status, acts), acting);
    Ok(())
}

fn sample(scene: &str, now: i64) -> Result<Status, serde_json::Error> {
    let ago = |s: i64| now - s * 1_000;
    let mut status = json!({
        "revision": 41, "site": "Harbour Road warehouse", "gateway": "gw-harbour-02", "at_ms": now, "clock_trusted": true,
        "register": 7, "register_refused": null,
        "link": { "up": true, "since_ms": ago(86_000), "cause": null, "waiting": 0, "receipted": 48_211, "receipt_ms": ago(4) },
        "journal": { "head": 48_211, "not_stored": 0, "dropped": 0, "fill_permille": 112, "fault": null },
        "alarms": [], "nonconformities": findings(now), "equipment": equipment(now),
        "lines": [
            { "name": "gate-bus", "driver": "modbus-rtu", "good": 91_244, "faults": 12, "fault": null },
            { "name": "dock-controllers", "driver": "modbus-tcp", "good": 402_113, "faults": 3, "fault": null },
            { "name": "cameras", "driver": "mqtt", "good": 8_121, "faults": 0, "fault": null },
            { "name": "seal-desk", "driver": "serial", "good": 310, "faults": 1, "fault": null },
        ],
    });
    match scene {
        "quiet" => quieten(&mut status),
        "cut" => cut(&mut status, now),
        _ => {
            status["alarms"] = alarms(now);
            status["link"]["waiting"] = json!(3);
        }
    }
    serde_json::from_value(status)
}

fn quieten(status: &mut Value) {
    status["nonconformities"] = json!([]);
    for item in status["equipment"].as_array_mut().into_iter().flatten() {
        item["standing"] = json!("good");
        item["why"] = json!([]);
        item["contact"] = json!("seen");
        item["due"] = json!("2027-03-31");
        for value in item["signals"].as_object_mut().into_iter().flat_map(|signals| signals.values_mut()) {
            let fresh = value.as_str().map(|text| text.trim_end_matches(" (stale)").replace("unknown", "no"));
            *value = json!(fresh);
        }
    }
}

fn cut(status: &mut Value, now: i64) {
    let ago = |s: i64| now - s * 1_000;
    status["alarms"] = alarms(now);
    let fire = alarm("a0", "panel-alarm", 4, "PANEL-OFFICE", "Office, ground floor", ago(15));
    if let Some(open) = status["alarms"].as_array_mut() {
        open.insert(0, fire);
    }
    status["clock_trusted"] = json!(false);
    status["register_refused"] = json!("row 14: equipment id GATE-2-DOOR stands twice");
    status["link"] = json!({ "up": false, "since_ms": ago(4_020), "cause": "no route to sms.example:8883",
        "waiting": 231, "receipted": 47_980, "receipt_ms": ago(4_031) });
    status["journal"]["fault"] = json!("no space left on /var/lib/picket");
    status["lines"][0]["fault"] = json!("no answer from unit 4 within 300 ms");
    for alarm in status["alarms"].as_array_mut().into_iter().flatten() {
        alarm["recorded"] = json!(false);
        alarm["reported"] = json!(false);
    }
}

fn alarm(id: &str, rule: &str, severity: u8, equipment: &str, place: &str, since_ms: i64) -> Value {
    json!({ "id": id, "rule": rule, "equipment": equipment, "place": place, "severity": severity, "since_ms": since_ms,
        "times": 1, "active": true, "acknowledged_by": null, "standing": "good", "rings": true, "recorded": true,
        "reported": true, "guard_must_close": false, "facts": {} })
}

fn alarms(now: i64) -> Value {
    let ago = |s: i64| now - s * 1_000;
    let mut forced = alarm("a1", "door-forced", 3, "GATE-2-DOOR", "Gate 2, north side", ago(42));
    forced["recorded"] = json!(false);
    forced["reported"] = json!(false);
    let mut seal = alarm("a2", "seal-mismatch", 3, "SEAL-DESK-1", "Dock 4, seal desk", ago(311));
    seal["facts"] = json!({ "unit": "MSKU 907032 3", "seal_read": "ML-DK 0042119", "seal_expected": "ML-DK 0042191" });
    seal["guard_must_close"] = json!(true);
    seal["standing"] = json!("overdue");
    let mut held = alarm("a3", "door-held", 2, "DOCK-3-DOOR", "Dock 3", ago(900));
    held["times"] = json!(4);
    held["active"] = json!(false);
    held["acknowledged_by"] = json!("Ana Ferreira");
    let mut mains = alarm("a4", "mains-lost", 2, "PSU-YARD", "Yard cabinet", ago(5_400));
    mains["standing"] = json!("withdrawn");
    mains["rings"] = json!(false);
    let battery = alarm("a5", "battery-low", 1, "PANEL-OFFICE", "Office, ground floor", ago(93_000));
    json!([forced, seal, held, mains, battery])
}

fn findings(now: i64) -> Value {
    let ago = |s: i64| now - s * 1_000;
    json!([
        { "id": "n1", "reason": "calibration-overdue", "equipment": "SEAL-DESK-1", "since_ms": ago(1_900_000),
          "facts": { "due": "2026-10-31" }, "step": "agreed", "times": 2, "due_ms": ago(86_400), "escalated": 1 },
        { "id": "n2", "reason": "unlisted", "equipment": "unlisted:cam-10-0-4-77", "since_ms": ago(260_000), "facts": {},
          "step": "opened", "times": 1, "due_ms": now + 345_600_000 },
        { "id": "n3", "reason": "identity-mismatch", "equipment": "CAM-YARD-2", "since_ms": ago(7_000),
          "facts": { "serial_registered": "B8A44F0031", "serial_read": "B8A44F9917" }, "step": "done",
          "ended": true, "times": 1 },
    ])
}

fn equipment(now: i64) -> Value {
    let one = |id: &str, kind: &str, place: &str, standing: &str, contact: &str, signals: Value| {
        let seen = match contact {
            "never" | "unwatched" => Value::Null,
            "seen" => json!(now - 800),
            _ => json!(now - 1_860_000),
        };
        let why = match standing {
            "good" => json!([]),
            "due" => json!(["calibration due"]),
            "mismatched" => json!(["serial differs"]),
            "withdrawn" => json!(["withdrawn: tag 118, water damage"]),
            other => json!([format!("calibration {other}")]),
        };
        let due = match standing {
            "overdue" => json!("2026-10-31"),
            "unknown" => Value::Null,
            "due" => json!("2026-12-04"),
            _ => json!("2027-03-31"),
        };
        json!({ "id": id, "kind": kind, "place": place, "standing": standing, "why": why, "due": due,
            "contact": contact, "seen_ms": seen, "signals": signals })
    };
    json!([
        one("GATE-1-DOOR", "door", "Gate 1", "good", "seen", json!({ "open": "no", "released": "no" })),
        one("GATE-2-DOOR", "door", "Gate 2, north side", "good", "seen", json!({ "open": "yes", "released": "no" })),
        one("DOCK-3-DOOR", "door", "Dock 3", "due", "seen", json!({ "open": "no", "tamper": "unknown" })),
        one("DOCK-4-DOOR", "door", "Dock 4", "good", "stale", json!({ "open": "no (stale)", "tamper": "no (stale)" })),
        one("CAM-GATE-1", "camera", "Gate 1", "good", "seen", json!({ "view-lost": "no", "motion": "yes" })),
        one("CAM-YARD-2", "camera", "Yard, east mast", "mismatched", "seen", json!({ "view-lost": "no" })),
        one("CAM-YARD-3", "camera", "Yard, west mast", "good", "silent", json!({ "view-lost": "no (stale)" })),
        one(
            "PANEL-OFFICE",
            "alarm-panel",
            "Office, ground floor",
            "good",
            "seen",
            json!({ "alarm": "no", "battery-low": "yes", "tamper": "no", "battery": "12.1 V" })
        ),
        one("SEAL-DESK-1", "seal-reader", "Dock 4, seal desk", "overdue", "seen", json!({ "seal": "ML-DK 0042119" })),
        one("IO-DOCK", "module", "Dock cabinet", "unknown", "never", json!({})),
        one("PSU-YARD", "power", "Yard cabinet", "withdrawn", "unwatched", json!({})),
    ])
}
