//! The worker on a real store, with messages as a session hands them over.

use super::*;
use crate::store::{Accepted, Store};
use bytes::Bytes;
use picket_record::body::{Body, ClockQuality, ClockSource, When};
use picket_record::chain::{Head, Opening, Origin, Sealer, TailState};
use picket_record::keys::{IdentityKey, ReceiptKey};
use picket_record::kind::{Kind, Severity};

/// Packet id of the message with the alarm.
const ALARM: u16 = 1;
const FLOOD: u16 = 400;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// An opening with an alarm behind it, of a gateway that is accepted here.
fn alarm(store: &mut Store) -> String {
    let identity = IdentityKey::from_seed([1; 32]);
    let accepted = Accepted { site: name("yard"), gw: name("gate-7"), identity: identity.public(), link: [3; 32] };
    store.accept("a line", &accepted).unwrap();
    let clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
    let when = When { boot: "b".into(), mono_us: 1, wall_ms: None, clock };
    let origin = Origin { site: name("yard"), gw: name("gate-7") };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "0".into() };
    let head = Head::genesis([3; 32]);
    let (mut sealer, first) = Sealer::open(&origin, &identity, [2; 32], head, &opening, &when).unwrap();
    let data = serde_json::json!({"alarm": "a", "rule": "door-forced"}).as_object().unwrap().clone();
    let raised = sealer.seal(&Body::new(when, Kind::AlarmRaised, Severity::Security, data)).unwrap();
    format!("{}\n{}\n", first.line, raised.line)
}

/// In which order messages are acknowledged: one with an alarm, and behind it a flood of this one.
async fn acknowledged(topic: &str, content_type: Option<&str>, payload: &'static str) -> Vec<u16> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("central.db");
    let line = alarm(&mut Store::open(&path).unwrap());
    let ingest = Ingest::open(&path, name("hq"), ReceiptKey::from_seed([4; 32])).unwrap();
    let (owe, mut owed) = mpsc::channel(usize::from(FLOOD) + 1);
    let mouth = Mouth::that_owes(owe);
    let (say, urgent) = mpsc::channel(usize::from(FLOOD) + 1);
    let (_record, backlog) = mpsc::channel(1);
    let (_stop, stopped) = watch::channel(false);
    let message = |topic: &str, content_type: Option<&str>, payload: Bytes, id| {
        let (topic, content_type) = (topic.to_owned(), content_type.map(str::to_owned));
        Heard::Message(mouth.clone(), Message { topic, content_type, payload: Payload::Whole(payload), owed: Some(id) })
    };
    say.try_send(message("sms/v1/gate-7/urgent", None, line.into(), ALARM)).unwrap();
    for id in ALARM + 1..=FLOOD {
        say.try_send(message(topic, content_type, payload.into(), id)).unwrap();
    }
    let worker = Worker::new(ingest, Desk::default(), Clock::start()).run(urgent, backlog, stopped);
    let mut order = Vec::new();
    let hear = async {
        while order.last() != Some(&ALARM) {
            order.push(owed.recv().await.unwrap());
        }
    };
    tokio::select! {
        ended = worker => panic!("the worker ended: {ended:?}"),
        () = hear => {}
    }
    order
}

#[tokio::test]
async fn an_alarm_waits_for_no_flood_of_questions_and_of_wishes_that_are_refused() {
    let wish = Some(CERTIFICATE);
    let floods =
        [("sms/v1/gate-9/ask", None, "{}"), ("sms/v1/gate-7/ask", None, "{}"), ("sms/v1/gate-9/ask", wish, "x")];
    for (topic, content_type, payload) in floods {
        let order = acknowledged(topic, content_type, payload).await;
        assert!(order.len() <= HEARD_IN_A_ROW as usize, "{topic} {content_type:?}: {} came first", order.len() - 1);
    }
}
