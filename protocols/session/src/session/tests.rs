//! Packets as they stand on the wire, after MQTT 5.0, section 3; what a broker must not send is made by hand.

use super::*;
use crate::Payload;
use crate::inbox::HEAD_MAX;
use proptest::prelude::*;

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];
const SUBACK: [u8; 6] = [0x90, 4, 0xFF, 0xFF, 0, 1];
const PACKET_MAX: usize = 1_000;

fn terms() -> Terms {
    Terms {
        client_id: "gw".into(),
        login: None,
        keeps: Keeps::Nothing,
        filters: vec!["t".into()],
        keep_alive_s: 20,
        unacknowledged_max: 4,
        inflight_max: 3,
        packet_max: PACKET_MAX,
        patience: s(10),
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session whose output is empty.
fn opened(terms: Terms) -> Session {
    let mut session = Session::open(terms);
    written(&mut session, s(0));
    session
}

/// One that is subscribed after this CONNACK.
fn standing(connack: &[u8]) -> Session {
    let mut session = opened(terms());
    assert_eq!(fed(&mut session, connack, s(0)).unwrap(), [Event::Opened { resumed: false }]);
    let subscribed = fed(&mut session, &SUBACK, s(0)).unwrap();
    assert_eq!(subscribed, [Event::Subscribed { refused: vec![] }]);
    written(&mut session, s(0));
    session
}

/// Takes all output.
fn written(session: &mut Session, now: Duration) -> Vec<u8> {
    let bytes = session.io().1.to_vec();
    session.left(bytes.len(), now);
    bytes
}

fn fed(session: &mut Session, bytes: &[u8], now: Duration) -> Result<Vec<Event>, Fault> {
    session.io().0.extend_from_slice(bytes);
    let mut events = Vec::new();
    while let Some(event) = session.take(now)? {
        events.push(event);
    }
    Ok(events)
}

fn fault(session: &mut Session, bytes: &[u8]) -> String {
    fed(session, bytes, s(0)).expect_err("a fault").to_string()
}

/// PUBLISH on topic `t` at QoS 1, length in four bytes.
fn publish(id: u16, behind: &[u8]) -> Vec<u8> {
    let body = [b"\0\x01t", &id.to_be_bytes()[..], behind].concat();
    let length = [0, 7, 14].map(|shift| (body.len() >> shift) as u8 | 0x80);
    [&[0x32][..], &length, &[(body.len() >> 21) as u8], &body].concat()
}

fn messages(events: Vec<Event>) -> Vec<Message> {
    let message = |event| match event {
        Event::Message(message) => message,
        other => panic!("no message: {other:?}"),
    };
    events.into_iter().map(message).collect()
}

fn sent(session: &mut Session, payload: &'static str, now: Duration) -> u16 {
    session.publish("t", None, Bytes::from_static(payload.as_bytes()), now).expect("room")
}

#[test]
fn connect_announces_no_maximum_packet_size_and_each_session_begins_anew() {
    let mut session = Session::open(terms());
    // No property but the receive maximum, 4; clean start; 20 s.
    assert_eq!(written(&mut session, s(0)), b"\x10\x12\0\x04MQTT\x05\x02\0\x14\x03\x21\0\x04\0\x02gw");
    let login = Some(Login { user: "u".into(), password: "p".into() });
    let mut session = Session::open(Terms { login, keeps: Keeps::For { s: 604_800 }, ..terms() });
    let kept = b"\x10\x1d\0\x04MQTT\x05\xc0\0\x14\x08\x11\0\x09\x3a\x80\x21\0\x04\0\x02gw\0\x01u\0\x01p";
    assert_eq!(written(&mut session, s(0)), kept);
}

#[test]
fn a_login_is_never_shown() {
    let login = Login { user: "u".into(), password: "geheim".into() };
    let session = Session::open(Terms { login: Some(login.clone()), ..terms() });
    assert!(!format!("{login:?} {:?}", session.terms).contains("geheim"));
}

#[test]
fn subscribe_follows_connack_and_refusals_are_told_by_filter() {
    let mut session = opened(Terms { filters: vec!["a".into(), "b/#".into()], ..terms() });
    assert_eq!(fed(&mut session, &CONNACK, s(0)).unwrap(), [Event::Opened { resumed: false }]);
    assert_eq!(written(&mut session, s(0)), b"\x82\x0d\xff\xff\0\0\x01a\x01\0\x03b/#\x01");
    assert!(!session.may_publish());
    let events = fed(&mut session, &[0x90, 5, 0xFF, 0xFF, 0, 1, 0x87], s(0)).unwrap();
    let refusal = Refusal { filter: "b/#".into(), code: SubscribeReasonCode::NotAuthorized };
    assert_eq!(events, [Event::Subscribed { refused: vec![refusal] }]);
    assert!(session.may_publish());
}

#[test]
fn a_suback_that_answers_something_else_ends_the_session() {
    for suback in [&[0x90, 4, 0, 1, 0, 1][..], &[0x90, 5, 0xFF, 0xFF, 0, 1, 1], &[0x90, 3, 0xFF, 0xFF, 0]] {
        let mut session = opened(terms());
        fed(&mut session, &CONNACK, s(0)).unwrap();
        assert!(fed(&mut session, suback, s(0)).is_err(), "{suback:?}");
    }
    assert_eq!(fault(&mut standing(&CONNACK), &SUBACK), "the broker broke the protocol: a second SUBACK");
}

#[test]
fn what_comes_before_connack_ends_the_session() {
    for first in [&publish(1, b"\0x")[..], &SUBACK, &[0xD0, 0], &[0x40, 2, 0, 1]] {
        let told = fault(&mut opened(terms()), first);
        assert_eq!(told, "the broker broke the protocol: its first packet was not CONNACK");
    }
}

#[test]
fn a_refused_login_is_told_apart_from_a_broker_that_wants_nobody() {
    assert_eq!(
        fault(&mut opened(terms()), &[0x20, 3, 0, 0x86, 0]),
        "the broker refuses the login (BadUserNamePassword)"
    );
    assert_eq!(fault(&mut opened(terms()), &[0x20, 3, 0, 0x89, 0]), "the broker refused the session: ServerBusy");
    // Maximum QoS 0.
    let told = fault(&mut opened(terms()), &[0x20, 5, 0, 0, 2, 0x24, 0]);
    assert_eq!(told, "the broker acknowledges nothing: it offers no QoS 1");
}

#[test]
fn an_oversize_message_is_thrown_away_as_it_comes_and_its_place_is_given_back() {
    let mut session = standing(&CONNACK);
    let large = publish(7, &[&[0][..], &vec![b'x'; 10 * 1024 * 1024]].concat());
    let mut events = Vec::new();
    for chunk in large.chunks(16 * 1024) {
        events.extend(fed(&mut session, chunk, s(1)).unwrap());
        assert!(session.io().0.len() <= HEAD_MAX, "{}", session.io().0.len());
    }
    let message = messages(events).remove(0);
    assert_eq!((message.topic.as_str(), message.owed), ("t", Some(7)));
    assert_eq!(message.payload, Payload::Oversize { bytes: 10 * 1024 * 1024 });
    session.acknowledge(7, s(1));
    assert_eq!(written(&mut session, s(1)), [0x40, 2, 0, 7]);
    let after = messages(fed(&mut session, &publish(8, b"\0small"), s(1)).unwrap());
    assert_eq!(after[0].payload, Payload::Whole(Bytes::from_static(b"small")));
}

#[test]
fn the_size_of_an_oversize_payload_does_not_count_its_properties() {
    let mut session = standing(&CONNACK);
    // Content type of 300 bytes: properties of 303, whose length takes two bytes.
    let behind = [&[0xAF, 2, 3, 1, 44][..], &[b'c'; 300], &[b'x'; 900]].concat();
    let message = messages(fed(&mut session, &publish(1, &behind), s(0)).unwrap()).remove(0);
    assert_eq!(message.payload, Payload::Oversize { bytes: 900 });
}

#[test]
fn retained_bombs_cost_one_after_the_other_and_the_session_stands() {
    let mut session = standing(&CONNACK);
    let mut bomb = publish(1, &vec![0; 300 * 1024]);
    bomb[0] |= 1;
    for id in 1..=50_u16 {
        bomb[8..10].copy_from_slice(&id.to_be_bytes());
        let message = messages(fed(&mut session, &bomb, s(0)).unwrap()).remove(0);
        assert!(message.retained);
        assert_eq!(message.owed, Some(id));
        session.acknowledge(id, s(0));
    }
    assert!(session.reads(Ears::Open));
    assert_eq!(written(&mut session, s(0)).len(), 50 * 4);
}

#[test]
fn a_message_that_cannot_be_read_is_told_and_can_be_acknowledged() {
    let mut session = standing(&CONNACK);
    // Property 0x7F does not exist; then properties that are longer than an oversize packet.
    let damaged = messages(fed(&mut session, &publish(8, &[2, 0x7F, 0, b'x']), s(0)).unwrap()).remove(0);
    assert!(matches!(damaged.payload, Payload::Damaged { bytes: 9, .. }), "{damaged:?}");
    let longer = [&[0xFF, 0xFF, 0x7F][..], &[0; 1_100]].concat();
    let damaged = messages(fed(&mut session, &publish(9, &longer), s(0)).unwrap()).remove(0);
    assert!(matches!(damaged.payload, Payload::Damaged { bytes: 1_108, .. }), "{damaged:?}");
    for id in [8, 9] {
        session.acknowledge(id, s(0));
    }
    assert_eq!(written(&mut session, s(0)), [0x40, 2, 0, 8, 0x40, 2, 0, 9]);
}

#[test]
fn what_was_never_agreed_ends_the_session() {
    let protocol = |what: &str| format!("the broker broke the protocol: {what}");
    let rows: [(&[u8], String); 10] = [
        (&[0x32, 9, 0, 0, 0, 1, 3, 0x23, 0, 1, b'x'], protocol("a topic alias, none were agreed")),
        (&[0x34, 6, 0, 1, b't', 0, 1, 0], protocol("a message at QoS 2, 1 was asked for")),
        (&[0x32, 6, 0, 1, b't', 0, 0, 0], protocol("a message with packet id 0")),
        (&[0x62, 2, 0, 1], protocol("a packet of QoS 2, 1 was agreed")),
        (&[0x40, 0xFF, 0xFF, 0xFF, 0xFF], protocol("a length of more than four bytes")),
        (&[0xC0, 0], protocol("a packet that only a client sends")),
        (&CONNACK, protocol("a second CONNACK")),
        (&[0xE0, 1, 0x8E], "another client took over the session: two gateways use this client id".to_owned()),
        (&[0xE0, 2, 0x8B, 0], "the broker ended the session with reason 0x8b".to_owned()),
        (&[0xD0, 0x80, 0x80, 4], "the broker sent a packet of type 13 with 65536 bytes, 1000 are read".to_owned()),
    ];
    for (packet, told) in rows {
        assert_eq!(fault(&mut standing(&CONNACK), packet), told, "{packet:x?}");
    }
    assert!(fed(&mut standing(&CONNACK), &[0xE0, 0], s(0)).is_err());
}

#[test]
fn the_brokers_keep_alive_is_kept_between_one_second_and_ours() {
    for (given, pings_every) in [(0_u16, 20), (1, 1), (7, 7), (20, 20), (3_600, 20), (0xFFFF, 20)] {
        let [high, low] = given.to_be_bytes();
        let mut session = standing(&[0x20, 6, 0, 0, 3, 0x13, high, low]);
        assert_eq!(session.deadline(), s(pings_every), "{given}");
        session.pass(s(pings_every), Ears::Open).unwrap();
        assert_eq!(written(&mut session, s(pings_every)), [0xC0, 0]);
        assert_eq!(session.deadline(), s(2 * pings_every));
        assert_eq!(session.oddities().terms, u64::from(given == 0));
    }
}

#[test]
fn a_half_open_link_is_seen_after_two_pings_and_half_a_message_is_a_sign_of_life() {
    let mut silent = standing(&CONNACK);
    let mut drips = standing(&CONNACK);
    let large = publish(1, &[0; 100]);
    for now in [20, 40] {
        silent.pass(s(now), Ears::Open).unwrap();
        written(&mut silent, s(now));
    }
    assert_eq!(silent.pass(s(60), Ears::Open).unwrap_err().to_string(), "the broker said nothing for 60 s");
    for (at, byte) in large.iter().enumerate() {
        let now = s(20 * (at as u64 + 1));
        drips.pass(now, Ears::Open).unwrap();
        written(&mut drips, now);
        fed(&mut drips, &[*byte], now).unwrap();
    }
}

#[test]
fn silence_is_not_held_against_a_broker_that_is_not_read() {
    let mut session = standing(&CONNACK);
    sent(&mut session, "x", s(0));
    for now in (20..400).step_by(10).map(s) {
        written(&mut session, now);
        session.pass(now, Ears::Shut).unwrap();
    }
    // As much as may be unacknowledged: nothing is read.
    let mut session = standing(&CONNACK);
    for id in 1..=4 {
        fed(&mut session, &publish(id, b"\0x"), s(0)).unwrap();
    }
    assert!(!session.reads(Ears::Open));
    for now in (20..400).step_by(10).map(s) {
        session.pass(now, Ears::Open).unwrap();
        written(&mut session, now);
    }
    session.acknowledge(3, s(400));
    assert!(session.reads(Ears::Open));
}

#[test]
fn no_more_is_under_way_than_the_broker_allows() {
    for (given, allowed) in [(0_u16, 1), (1, 1), (2, 2), (3, 3), (0xFFFF, 3)] {
        let [high, low] = given.to_be_bytes();
        let mut session = standing(&[0x20, 6, 0, 0, 3, 0x21, high, low]);
        for id in 1..=allowed {
            assert_eq!(sent(&mut session, "x", s(0)), id);
        }
        assert_eq!(session.publish("t", None, Bytes::new(), s(0)), Err(Unsent::Full));
        assert_eq!(session.under_way(), usize::from(allowed));
        fed(&mut session, &[0x40, 2, 0, 1], s(0)).unwrap();
        assert!(session.may_publish());
        assert_eq!(session.oddities().terms, u64::from(given == 0));
    }
}

#[test]
fn pubacks_that_nothing_waits_for_are_counted_and_harm_nobody() {
    let mut session = standing(&CONNACK);
    assert_eq!(fed(&mut session, &[0x40, 2, 0, 7, 0x40, 2, 0, 0], s(0)).unwrap(), []);
    let (first, second) = (sent(&mut session, "a", s(0)), sent(&mut session, "b", s(0)));
    let taken = |id| Event::Answered { id, answer: Answer::Taken };
    // Out of order, and then twice.
    let acks = [0x40, 2, 0, 2, 0x40, 2, 0, 1, 0x40, 2, 0, 1];
    assert_eq!(fed(&mut session, &acks, s(0)).unwrap(), [taken(second), taken(first)]);
    assert_eq!(session.oddities().acknowledgements, 3);
    // A number is not used again at once: the PUBACK that came twice could be taken for its own.
    assert_eq!(sent(&mut session, "c", s(0)), 3);
}

#[test]
fn packet_ids_go_round_past_those_under_way_and_that_of_subscribe() {
    let mut session = standing(&CONNACK);
    assert_eq!(sent(&mut session, "kept", s(0)), 1);
    for expected in 2..=0xFFFE_u16 {
        assert_eq!(sent(&mut session, "x", s(0)), expected);
        written(&mut session, s(0));
        let [high, low] = expected.to_be_bytes();
        fed(&mut session, &[0x40, 2, high, low], s(0)).unwrap();
    }
    assert_eq!(sent(&mut session, "x", s(0)), 2);
}

#[test]
fn what_the_broker_threw_away_or_refused_is_told() {
    let mut session = standing(&CONNACK);
    for _ in 0..3 {
        sent(&mut session, "x", s(0));
    }
    let acks = [0x40, 3, 0, 1, 0x10, 0x40, 4, 0, 2, 0x97, 0, 0x40, 3, 0, 3, 0];
    let answers = [Answer::Unheard, Answer::Refused(PubAckReason::QuotaExceeded), Answer::Taken];
    let events: Vec<Event> = (1..).zip(answers).map(|(id, answer)| Event::Answered { id, answer }).collect();
    assert_eq!(fed(&mut session, &acks, s(0)).unwrap(), events);
}

#[test]
fn a_message_above_the_brokers_own_limit_is_not_sent() {
    // Maximum packet size 16.
    let mut session = standing(&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 16]);
    let fits = session.publish("t", None, Bytes::from_static(&[b'x'; 8]), s(0));
    assert_eq!(fits, Ok(1));
    assert_eq!(written(&mut session, s(0)).len(), 16);
    let large = session.publish("t", None, Bytes::from_static(&[b'x'; 9]), s(0));
    assert_eq!(large, Err(Unsent::TooLarge { size: 17, limit: 16 }));
    assert_eq!((written(&mut session, s(0)).len(), session.under_way()), (0, 1));
}

#[test]
fn a_broker_that_does_not_acknowledge_is_left_and_a_slow_way_is_not() {
    let mut session = standing(&CONNACK);
    sent(&mut session, "one", s(0));
    written(&mut session, s(0));
    sent(&mut session, "two", s(5));
    written(&mut session, s(5));
    fed(&mut session, &[0x40, 2, 0, 1], s(29)).unwrap();
    session.pass(s(58), Ears::Open).unwrap();
    written(&mut session, s(58));
    fed(&mut session, &[0xD0, 0], s(58)).unwrap();
    assert_eq!(session.pass(s(88), Ears::Open).unwrap_err().to_string(), "the broker does not acknowledge");

    let mut slow = standing(&CONNACK);
    sent(&mut slow, "a long one that leaves byte by byte", s(0));
    let bytes = slow.io().1.len();
    for at in 0..bytes as u64 - 1 {
        slow.left(1, s(9 * at));
        fed(&mut slow, &[0xD0, 0], s(9 * at)).unwrap();
        slow.pass(s(9 * at), Ears::Open).unwrap();
    }
}

#[test]
fn a_broker_that_takes_nothing_is_left_after_the_patience() {
    let mut session = standing(&CONNACK);
    sent(&mut session, "x", s(3));
    assert_eq!(session.deadline(), s(13));
    session.pass(s(12), Ears::Open).unwrap();
    session.left(1, s(12));
    session.pass(s(21), Ears::Open).unwrap();
    assert_eq!(session.pass(s(22), Ears::Shut).unwrap_err().to_string(), "the broker takes nothing for 10 s");
}

#[test]
fn a_handshake_is_waited_for_no_longer_than_the_patience() {
    let mut session = opened(terms());
    assert_eq!(session.deadline(), s(10));
    session.pass(s(9), Ears::Open).unwrap();
    assert_eq!(session.pass(s(10), Ears::Open).unwrap_err().to_string(), "no answer from the broker within 10 s");
    let mut session = opened(terms());
    fed(&mut session, &CONNACK, s(5)).unwrap();
    written(&mut session, s(5));
    session.pass(s(14), Ears::Open).unwrap();
    let told = session.pass(s(15), Ears::Open).unwrap_err().to_string();
    assert_eq!(told, "subscriptions not confirmed within 10 s");
}

#[test]
fn a_session_kept_against_our_wish_is_counted_and_what_it_brings_is_heard() {
    let mut session = opened(terms());
    assert_eq!(fed(&mut session, &[0x20, 3, 1, 0, 0], s(0)).unwrap(), [Event::Opened { resumed: true }]);
    assert_eq!(session.oddities().terms, 1);
    // Delivered again ahead of SUBACK.
    let again = messages(fed(&mut session, &[0x3A, 7, 0, 1, b't', 0, 9, 0, b'x'], s(0)).unwrap()).remove(0);
    assert!(again.again && again.owed == Some(9));
}

#[test]
fn what_is_not_owed_is_not_acknowledged() {
    let mut session = standing(&CONNACK);
    fed(&mut session, &publish(5, b"\0x"), s(0)).unwrap();
    for id in [4, 5, 5] {
        session.acknowledge(id, s(0));
    }
    session.close(s(0));
    assert_eq!(written(&mut session, s(0)), [0x40, 2, 0, 5, 0xE0, 0]);
}

/// What a session makes of a stream that comes in such pieces: events, the fault that ended it, and what was left.
fn run(stream: &[u8], pieces: usize) -> (Vec<Event>, Option<String>) {
    let mut session = opened(terms());
    let mut events = Vec::new();
    for piece in stream.chunks(pieces.max(1)) {
        session.io().0.extend_from_slice(piece);
        loop {
            match session.take(s(0)) {
                Ok(Some(event)) => {
                    if let Event::Message(Message { owed: Some(id), .. }) = &event {
                        session.acknowledge(*id, s(0));
                    }
                    events.push(event);
                }
                Ok(None) => break,
                Err(fault) => return (events, Some(fault.to_string())),
            }
        }
        assert!(session.io().0.len() <= HEAD_MAX.max(PACKET_MAX + 5));
    }
    (events, None)
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let any_body = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..200));
    prop_oneof![
        3 => any_body.prop_map(|(first, body)| [&[first, body.len() as u8 & 0x7F][..], &body].concat()),
        2 => (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..3_000)).prop_map(|(id, b)| publish(id | 1, &b)),
        1 => any::<u16>().prop_map(|id| [&[0x40, 2][..], &id.to_be_bytes()].concat()),
        1 => Just(SUBACK.to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_in_any_pieces_mean_the_same_and_never_more_memory(
        packets in proptest::collection::vec(packet(), 0..12),
        pieces in 1_usize..600,
    ) {
        let stream = [&CONNACK[..], &packets.concat()].concat();
        prop_assert_eq!(run(&stream, pieces), run(&stream, stream.len()));
    }
}
