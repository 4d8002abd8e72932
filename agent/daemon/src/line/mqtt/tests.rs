//! Against a hand-written broker that honours nothing it was not told to: packets as they stand on the wire.

use crate::line::testbed::{Running, within};
use crate::line::{BrokerSession, Carrier, Order};
use picket_core::wire::{Heard, Input};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

struct Broker(TcpListener);

impl Broker {
    async fn start(topics: &[&str]) -> (Self, Running) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let session = BrokerSession {
            host: "127.0.0.1".into(),
            port: listener.local_addr().expect("its number").port(),
            client_id: "picket-gate".into(),
            login: None,
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
        let mut body = vec![0, 1, b't'];
        if id > 0 {
            body.extend(id.to_be_bytes());
        }
        body.push(0);
        body.extend(payload);
        let length = body.len();
        let kind = if id > 0 { 0x32 } else { 0x30 };
        let header = [kind, length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8];
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

/// Reads on until the line's standing changes; gives how much was heard before.
async fn until_standing(line: &mut Running) -> (usize, Option<String>) {
    for said in 0.. {
        match line.input().await {
            Input::Line { fault, .. } => return (said, fault),
            Input::Heard { .. } => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    unreachable!("a line does not speak for ever")
}

#[tokio::test]
async fn connect_keeps_the_session_and_tells_the_limits_and_subscribe_asks_for_qos_1() {
    let (broker, mut line) = Broker::start(&["gate/#", "t"]).await;
    let (_link, connect, subscribe) = broker.session(&CONNACK, &[1, 1]).await;
    assert_eq!(connect[..10], [0, 4, b'M', b'Q', b'T', b'T', 5, 0b0000_0000, 0, 20], "no clean start, 20 s");
    // Session expiry 604,800 s, receive maximum 32, maximum packet size 262,144.
    let properties = [0x11, 0, 9, 0x3A, 0x80, 0x21, 0, 32, 0x27, 0, 4, 0, 0];
    assert_eq!(connect[10], properties.len() as u8);
    assert_eq!(connect[11..24], properties);
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
    // 10 MiB remaining; the broker ignores the maximum it was told.
    let oversize = [0x32, 0x80, 0x80, 0x80, 0x05, 0, 1, b't', 0, 1, 0];
    let told = "the broker sent a packet of 10485760 bytes, 262144 were allowed";
    for (round, clean) in [(1, 0), (2, 0), (3, 2)] {
        let (mut link, connect, subscribe) = broker.session(&CONNACK, &[1]).await;
        assert_eq!(connect[7], clean, "clean start in round {round}");
        assert_eq!(subscribe[6], 0b00_0001, "retained messages asked for in round {round}");
        assert_eq!(line.standing().await, None);
        link.write(&oversize).await;
        assert!(line.standing().await.expect("a fault").starts_with(told));
    }
    let (mut link, connect, subscribe) = broker.session(&CONNACK, &[1]).await;
    assert_eq!((connect[7], subscribe[6]), (2, 0b10_0001), "clean start, no retained messages");
    assert_eq!(line.standing().await, None);
    link.publish(7, b"door open").await;
    assert_eq!(message(&mut line).await, (1, b"door open".to_vec()));
}

#[tokio::test]
async fn a_payload_above_the_limit_is_told_by_its_size_and_acknowledged() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    link.publish(5, &vec![b'x'; 65_537]).await;
    let (token, heard) = line.heard().await;
    let Heard::Message { topic, payload, retained, oversize } = heard else { panic!("no message: {heard:?}") };
    assert_eq!((topic.as_str(), payload.len(), retained, oversize), ("t", 0, false, Some(65_537)));
    line.order(Order::Confirm { token }).await;
    assert_eq!(link.packet().await, (0x40, vec![0, 5]));
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
async fn no_more_than_the_credit_is_said_and_a_broker_that_sends_more_is_left() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    for id in 1..=120 {
        link.publish(id, b"").await;
    }
    let (said, fault) = until_standing(&mut line).await;
    assert!(said <= 32, "{said} said without confirmation");
    assert_eq!(fault.as_deref(), Some("the broker sent more than 32 unacknowledged messages"));
}

#[tokio::test]
async fn a_flood_at_qos_0_is_lost_and_told_and_the_line_recovers() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&CONNACK, &[1]).await;
    assert_eq!(line.standing().await, None);
    for _ in 0..100 {
        link.publish(0, b"").await;
    }
    let (said, fault) = until_standing(&mut line).await;
    assert_eq!(said, 32);
    assert!(fault.expect("a fault").starts_with("messages at QoS 0 are lost"));
    line.order(Order::Confirm { token: 32 }).await;
    link.publish(0, b"after").await;
    loop {
        match line.input().await {
            Input::Heard { token, .. } => line.order(Order::Confirm { token }).await,
            Input::Line { fault, .. } => break assert_eq!(fault, None),
            other => panic!("unexpected {other:?}"),
        }
    }
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
async fn a_keep_alive_of_zero_from_the_broker_does_not_make_the_line_ping_for_ever() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let (mut link, ..) = broker.session(&[0x20, 6, 0, 0, 3, 0x13, 0, 0], &[1]).await;
    assert_eq!(line.standing().await, None);
    assert_eq!(link.packet().await, (0xC0, vec![]), "the one ping that was due");
    link.write(&[0xD0, 0]).await;
    link.publish(1, b"on").await;
    assert_eq!(message(&mut line).await.1, b"on");
    assert!(link.wrote_nothing());
}

#[tokio::test]
async fn a_broker_that_breaks_the_protocol_is_left_with_a_typed_fault() {
    let (broker, mut line) = Broker::start(&["t"]).await;
    let rows: [(&[u8], &str); 4] = [
        (&[0x32, 9, 0, 0, 0, 1, 3, 0x23, 0, 1, b'x'], "the broker broke the protocol: a topic alias, none were agreed"),
        (&[0x34, 6, 0, 1, b't', 0, 1, 0], "the broker broke the protocol: a message at QoS 2, 1 was asked for"),
        (&[0x40, 2, 0, 9], "damaged packet: Received unsolicited ack pkid: 9"),
        (&[0xE0, 2, 0x8E, 0], "another client took over the session: two gateways use this client id"),
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
