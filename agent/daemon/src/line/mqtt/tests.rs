//! Against a hand-written broker that honours nothing it was not told to: packets as they stand on the wire.

use crate::broker::Endpoint;
use crate::line::testbed::{Running, within};
use crate::line::{BrokerSession, Carrier, Order};
use picket_core::wire::{Delivery, Heard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];
/// With a keep-alive set by the broker.
const KEEP_ALIVE_1_S: [u8; 8] = [0x20, 6, 0, 0, 3, 0x13, 0, 1];

struct Broker(TcpListener);

impl Broker {
    async fn start(topics: &[&str]) -> (Self, Running) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let session = BrokerSession {
            broker: Endpoint {
                host: "127.0.0.1".into(),
                port: listener.local_addr().expect("its number").port(),
                login: None,
                tls: None,
            },
            client_id: "picket-gate".into(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        };
        (Self(listener), Running::start(Carrier::Mqtt(session)))
    }

    /// Accepts a session; gives the bodies of CONNECT and SUBSCRIBE.
    async fn session(&self, connack: &[u8], suback: &[u8]) -> (Link, Vec<u8>, Vec<u8>) {
        let mut link = Link(within(self.0.accept()).await.expect("a connection").0);
        let (kind, connect) = link.packet().await;
        assert_eq!(kind, 0x10);
        link.write(connack).await;
        let (kind, subscribe) = link.packet().await;
        assert_eq!(kind, 0x82);
        link.write(&[&[0x90, 3 + suback.len() as u8, subscribe[0], subscribe[1], 0][..], suback].concat()).await;
        (link, connect, subscribe)
    }
}

struct Link(TcpStream);

impl Link {
    /// First byte and body of the next packet; the packets of this client are shorter than 16 KiB.
    async fn packet(&mut self) -> (u8, Vec<u8>) {
        let kind = within(self.0.read_u8()).await.expect("a packet");
        let mut length = usize::from(within(self.0.read_u8()).await.expect("its length"));
        if length > 0x7F {
            length = (length & 0x7F) | usize::from(within(self.0.read_u8()).await.expect("its length")) << 7;
        }
        let mut body = vec![0; length];
        within(self.0.read_exact(&mut body)).await.expect("its body");
        (kind, body)
    }

    async fn write(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.expect("written");
    }

    /// PUBLISH on topic `t`; QoS 0 if `id` is 0, else 1.
    async fn publish(&mut self, id: u16, payload: &[u8]) {
        self.publish_as(if id > 0 { 0x32 } else { 0x30 }, id, payload).await;
    }

    async fn publish_as(&mut self, kind: u8, id: u16, payload: &[u8]) {
        let mut body = vec![0, 1, b't'];
        if id > 0 {
            body.extend(id.to_be_bytes());
        }
        body.push(0);
        body.extend(payload);
        let length = body.len();
        let header = [0, 7, 14].map(|shift| (length >> shift) as u8 | 0x80);
        let header = [&[kind][..], &header, &[(length >> 21) as u8]].concat();
        self.write(&[&header[..], &body].concat()).await;
    }

    fn wrote_nothing(&self) -> bool {
        self.0.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

async fn message(line: &mut Running) -> (u64, Vec<u8>) {
    match line.heard().await {
        (token, Heard::Message { payload, .. }) => (token, payload),
        other => panic!("no message: {other:?}"),
    }
}

#[tokio::test]
async fn connect_keeps_the_session_and_tells_the_limits_and_subscribe_asks_for_qos_1() {
    let (broker, mut line) = Broker::start(&["gate/#", "t"]).await;
    let (_link, connect, subscribe) = broker.session(&CONNACK, &[1, 1]).await;
    assert_eq!(connect[..10], [0, 4, b'M', b'Q', b'T', b'T', 5, 0b0000_0000, 0, 20], "no clean start, 20 s");
    // Session expiry 604,800 s and receive maximum 32; no maximum packet size.
    assert_eq!(connect[10..19], [8, 0x11, 0, 9, 0x3A, 0x80, 0x21, 0, 32]);
    assert_eq!(subscribe[2..], *b"\0\0\x06gate/#\x01\0\x01t\x01");
    assert_eq!(line.standing().await, None);
}

#[tokio::test]
async fn a_message_is_acknowledged_only_after_confirm() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    link.publish(11, b"one").await;
    link.publish(0, b"not owed").await;
    link.publish(12, b"two").await;
    link.publish(13, b"three").await;
    for (token, payload) in [(1, &b"one"[..]), (2, b"not owed"), (3, b"two"), (4, b"three")] {
        assert_eq!(message(&mut line).await, (token, payload.to_vec()));
    }
    assert!(link.wrote_nothing());
    line.order(Order::Confirm { token: 3 }).await;
    assert_eq!(link.packet().await, (0x40, vec![0, 11]));
    assert_eq!(link.packet().await, (0x40, vec![0, 12]));
    link.publish(14, b"four").await;
    assert_eq!(message(&mut line).await.0, 5);
    assert!(link.wrote_nothing());
    line.order(Order::Confirm { token: 5 }).await;
    line.stop();
    assert_eq!(link.packet().await, (0x40, vec![0, 13]));
    assert_eq!(link.packet().await, (0x40, vec![0, 14]));
    assert_eq!(link.packet().await.0, 0xE0, "DISCONNECT after the last acknowledgement");
    line.ended().await;
}

#[tokio::test]
async fn a_ten_mebibyte_message_does_not_stop_the_line() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    // Far more of them than the credit: each gives back its place.
    for id in 1..=40 {
        link.publish(id, &vec![0x33; 10 * 1024 * 1024]).await;
        let (token, heard) = line.heard().await;
        let Heard::Message { topic, payload, oversize, .. } = heard else { panic!("no message: {heard:?}") };
        assert_eq!((topic.as_str(), payload.len(), oversize), ("t", 0, Some(10 * 1024 * 1024)));
        line.order(Order::Confirm { token }).await;
        assert_eq!(link.packet().await, (0x40, id.to_be_bytes().to_vec()));
    }
    link.publish(77, b"door open").await;
    assert_eq!(message(&mut line).await, (41, b"door open".to_vec()));
}

#[tokio::test]
async fn a_payload_above_the_limit_is_told_by_its_size_and_acknowledged() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    link.publish(5, &vec![b'x'; 65_537]).await;
    let (token, heard) = line.heard().await;
    let Heard::Message { topic, payload, retained, oversize, delivery } = heard else {
        panic!("no message: {heard:?}")
    };
    assert_eq!((topic.as_str(), payload.len(), retained, oversize), ("t", 0, false, Some(65_537)));
    assert_eq!(delivery, Some(Delivery { packet: 5, again: false }));
    line.order(Order::Confirm { token }).await;
    assert_eq!(link.packet().await, (0x40, vec![0, 5]));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_passed_on_empty_and_acknowledged() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    // Property 0x7F does not exist. A fault of the session would bring it again for ever.
    link.write(&[0x32, 9, 0, 1, b't', 0, 6, 2, 0x7F, 0, b'x']).await;
    let (token, payload) = message(&mut line).await;
    assert!(payload.is_empty());
    line.order(Order::Confirm { token }).await;
    assert_eq!(link.packet().await, (0x40, vec![0, 6]));
}

#[tokio::test]
async fn a_lost_session_delivers_again_and_owes_nothing_for_before() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    link.publish(1, b"alarm").await;
    assert_eq!(message(&mut line).await.0, 1);
    drop(link);
    assert_eq!(line.standing().await.as_deref(), Some("connection to the broker lost"));
    line.order(Order::Confirm { token: 1 }).await;
    let (mut link, ..) = broker.session(&[0x20, 3, 1, 0, 0], &[1]).await;
    assert_eq!(line.standing().await, None);
    link.publish(1, b"alarm").await;
    assert_eq!(message(&mut line).await.0, 2);
    assert!(link.wrote_nothing());
    line.order(Order::Confirm { token: 2 }).await;
    assert_eq!(link.packet().await, (0x40, vec![0, 1]));
}

#[tokio::test]
async fn what_the_broker_hands_over_again_is_said_so_whatever_its_size() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    link.publish_as(0x3A, 9, b"again").await;
    link.publish_as(0x3A, 10, &vec![0x33; 1024 * 1024]).await;
    link.publish(11, b"new").await;
    link.publish(0, b"not owed").await;
    let mut said = Vec::new();
    for _ in 0..4 {
        let (_, Heard::Message { delivery, .. }) = line.heard().await else { panic!("no message") };
        said.push(delivery);
    }
    let delivery = |packet, again| Some(Delivery { packet, again });
    assert_eq!(said, [delivery(9, true), delivery(10, true), delivery(11, false), None]);
}

#[tokio::test]
async fn no_more_than_the_credit_is_said_and_nothing_is_lost_at_any_qos() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    for number in 1..=120_u16 {
        link.publish(if number % 2 == 0 { number } else { 0 }, &number.to_be_bytes()).await;
    }
    for number in 1..=32_u16 {
        assert_eq!(message(&mut line).await, (u64::from(number), number.to_be_bytes().to_vec()));
    }
    assert!(line.is_quiet());
    for number in 33..=120_u16 {
        line.order(Order::Confirm { token: u64::from(number) - 32 }).await;
        assert_eq!(message(&mut line).await, (u64::from(number), number.to_be_bytes().to_vec()));
    }
}

#[tokio::test]
async fn a_line_without_credit_still_pings_and_is_not_taken_for_dead() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&KEEP_ALIVE_1_S, &[1]).await;
    assert_eq!(line.standing().await, None);
    for _ in 0..40 {
        link.publish(0, b"").await;
    }
    for _ in 0..32 {
        message(&mut line).await;
    }
    for _ in 0..4 {
        assert_eq!(link.packet().await, (0xC0, vec![]));
    }
    line.order(Order::Confirm { token: 32 }).await;
    assert_eq!(message(&mut line).await.0, 33);
}

#[tokio::test]
async fn a_broker_that_answers_no_ping_is_left() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (_link, ..) = broker.session(&KEEP_ALIVE_1_S, &[1]).await;
    assert_eq!(line.standing().await, None);
    let told = line.standing().await.expect("a fault");
    assert!(told.starts_with("the broker said nothing for "), "{told}");
}

#[tokio::test]
async fn a_refused_topic_is_told_and_the_others_flow() {
    let (broker, mut line) = Broker::start(&["secret/#", "t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[0x87, 1]).await;
    let told = "the broker refused to subscribe secret/# (NotAuthorized)";
    assert_eq!(line.standing().await.as_deref(), Some(told));
    link.publish(1, b"seen").await;
    assert_eq!(message(&mut line).await, (1, b"seen".to_vec()));
}

#[tokio::test]
async fn a_broker_that_breaks_the_protocol_is_left_with_a_typed_fault() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let protocol = "the broker broke the protocol: ";
    let rows: [(&[u8], String); 3] = [
        (&[0x32, 9, 0, 0, 0, 1, 3, 0x23, 0, 1, b'x'], format!("{protocol}a topic alias, none were agreed")),
        (&[0x34, 6, 0, 1, b't', 0, 1, 0], format!("{protocol}a message at QoS 2, 1 was asked for")),
        (&[0x40, 0xFF, 0xFF, 0xFF, 0xFF], format!("{protocol}a length of more than four bytes")),
    ];
    for (packet, told) in rows {
        let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
        assert_eq!(line.standing().await, None);
        link.write(packet).await;
        assert_eq!(line.standing().await.as_deref(), Some(told.as_str()));
    }
}

#[tokio::test]
async fn a_goodbye_and_a_packet_that_is_no_message_but_large_are_told_with_their_numbers() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let rows: [(&[u8], &str); 3] = [
        (&[0xE0, 1, 0x8E], "another client took over the session: two gateways use this client id"),
        (&[0xE0, 2, 0x8B, 0], "the broker ended the session with reason 0x8b"),
        (&[0xD0, 0x80, 0x80, 0x80, 5], "the broker sent a packet of type 13 with 10485760 bytes, 135167 are read"),
    ];
    for (packet, told) in rows {
        let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
        assert_eq!(line.standing().await, None);
        link.write(packet).await;
        assert_eq!(line.standing().await.as_deref(), Some(told));
    }
}

#[tokio::test]
async fn an_unreachable_broker_is_told_once_and_stopping_does_not_wait_for_it() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    drop(broker);
    let told = line.standing().await.expect("a fault");
    assert!(told.starts_with("cannot reach the broker: "), "{told}");
    line.stop();
    line.ended().await;
    assert!(line.is_quiet());
}

#[tokio::test]
async fn a_call_is_answered_whether_the_broker_is_there_or_not() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    // Accepted by nobody yet: the line waits for CONNACK.
    called(&line).await;
    let (link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    called(&line).await;
    drop((link, broker));
    assert!(line.standing().await.is_some());
    called(&line).await;
}

async fn called(line: &Running) {
    let (here, answer) = tokio::sync::oneshot::channel();
    line.order(Order::Call { here }).await;
    within(answer).await.expect("it lives");
}
