//! Against a hand-written broker: packets as they stand on the wire.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

impl Mouth {
    /// The worker's end alone: nothing is published, and what is acknowledged is heard by the test.
    pub(crate) fn that_owes(acknowledgements: mpsc::Sender<u16>) -> Self {
        Self { acknowledgements, words: mpsc::channel(1).0 }
    }
}

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

fn session(lane: Lane, port: u16) -> Session {
    Session { lane, client: "sms".into(), broker: Broker { host: "127.0.0.1".into(), port, login: None, tls: None } }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.expect("within 10 s")
}

/// A session of the record lane with the broker's end of it, once it is subscribed; and CONNECT as it came.
async fn subscribed() -> (TcpStream, mpsc::Receiver<Heard>, Mouth, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (to, mut heard) = mpsc::channel(QUEUE);
    tokio::spawn(session(Lane::Record, listener.local_addr().unwrap().port()).run(to));
    let mut broker = within(listener.accept()).await.unwrap().0;
    let (_, connect) = packet(&mut broker).await;
    broker.write_all(&CONNACK).await.unwrap();
    let (kind, subscribe) = packet(&mut broker).await;
    assert_eq!((kind, &subscribe[2..]), (0x82, &b"\0\0\x0fsms/v1/+/record\x01"[..]));
    broker.write_all(&[0x90, 4, subscribe[0], subscribe[1], 0, 1]).await.unwrap();
    let Some(Heard::Connected(mouth)) = within(heard.recv()).await else { panic!("not subscribed") };
    (broker, heard, mouth, connect)
}

/// First byte and body of the next packet, which is shorter than 128 bytes.
async fn packet(broker: &mut TcpStream) -> (u8, Vec<u8>) {
    let kind = within(broker.read_u8()).await.expect("a packet");
    let mut body = vec![0; usize::from(within(broker.read_u8()).await.expect("its length"))];
    within(broker.read_exact(&mut body)).await.expect("its body");
    (kind, body)
}

/// PUBLISH at QoS 1 with these bytes behind the packet id.
async fn publish(broker: &mut TcpStream, id: u16, behind: &[u8]) {
    let body = [b"\0\x0fsms/v1/g/record", &id.to_be_bytes()[..], behind].concat();
    let length = [0, 7, 14].map(|shift| (body.len() >> shift) as u8 | 0x80);
    let header = [&[0x32][..], &length, &[(body.len() >> 21) as u8]].concat();
    within(broker.write_all(&[&header[..], &body].concat())).await.unwrap();
}

async fn message(heard: &mut mpsc::Receiver<Heard>) -> (Mouth, Message) {
    match within(heard.recv()).await {
        Some(Heard::Message(mouth, message)) => (mouth, message),
        other => panic!("no message: {other:?}"),
    }
}

fn why(message: &Message) -> &str {
    match &message.payload {
        Payload::Unreadable { why } => why,
        Payload::Whole(bytes) => panic!("{} bytes were read", bytes.len()),
    }
}

#[test]
fn two_sessions_never_share_a_client_id() {
    let id = |lane| session(lane, 1883).client_id();
    assert_eq!((id(Lane::Urgent), id(Lane::Record)), ("sms-urgent".into(), "sms-record".into()));
}

#[test]
fn a_wait_is_between_a_half_and_the_whole() {
    for _ in 0..100 {
        let wait = jittered(BACK_OFF_LAST);
        assert!((BACK_OFF_LAST / 2..=BACK_OFF_LAST).contains(&wait), "{wait:?}");
    }
}

#[tokio::test]
async fn connect_keeps_the_session_and_tells_no_maximum_packet_size() {
    let (_broker, _heard, _mouth, connect) = subscribed().await;
    assert_eq!(connect[..10], [0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 20], "no clean start, 20 s");
    // Eight bytes of properties: session expiry 604,800 s and receive maximum 32.
    assert_eq!(connect[10..19], [8, 0x11, 0, 9, 0x3A, 0x80, 0x21, 0, 32]);
}

#[tokio::test]
async fn an_oversize_and_a_damaged_message_are_told_and_can_be_acknowledged() {
    let (mut broker, mut heard, ..) = subscribed().await;
    publish(&mut broker, 7, &vec![0; 2 * 1024 * 1024]).await;
    let (mouth, large) = message(&mut heard).await;
    assert_eq!(why(&large), "oversize: a message of 2097151 bytes on sms/v1/g/record, at most 1048576 are taken");
    mouth.acknowledge(large.owed.unwrap());
    assert_eq!(packet(&mut broker).await, (0x40, vec![0, 7]));
    // Property 0x7F does not exist.
    publish(&mut broker, 8, &[2, 0x7F, 0, b'x']).await;
    let (mouth, damaged) = message(&mut heard).await;
    assert!(why(&damaged).starts_with("damaged: a message of 23 bytes on sms/v1/g/record: "), "{damaged:?}");
    mouth.acknowledge(damaged.owed.unwrap());
    assert_eq!(packet(&mut broker).await, (0x40, vec![0, 8]));
    publish(&mut broker, 9, b"\0a.b.c").await;
    let (_, good) = message(&mut heard).await;
    assert!(matches!(&good.payload, Payload::Whole(bytes) if bytes == "a.b.c"), "{good:?}");
}

#[tokio::test]
async fn a_broker_that_sends_more_than_is_acknowledged_waits() {
    let (mut broker, mut heard, ..) = subscribed().await;
    for id in 1..=40 {
        publish(&mut broker, id, b"\0a.b.c").await;
    }
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(message(&mut heard).await);
    }
    // The session has taken so many turns meanwhile that it would have read on.
    let (speaker, _) = &open[0];
    for n in 1..=64_u16 {
        assert!(speaker.publish("sms/v1/g/receipt".into(), None, vec![b'x']));
        assert_eq!(packet(&mut broker).await.1[18..20], n.to_be_bytes());
    }
    assert!(heard.try_recv().is_err(), "32 are not acknowledged");
    let (mouth, first) = open.remove(0);
    mouth.acknowledge(first.owed.unwrap());
    assert_eq!(message(&mut heard).await.1.owed, Some(33));
}

#[tokio::test]
async fn receipts_wait_for_the_pubacks_of_those_before() {
    let (mut broker, _heard, mouth, _) = subscribed().await;
    for n in 0..=256_u16 {
        assert!(mouth.publish("sms/v1/g/receipt".into(), None, n.to_string().into_bytes()));
    }
    for id in 1..=256_u16 {
        let (kind, body) = packet(&mut broker).await;
        assert_eq!((kind, &body[18..20]), (0x32, &id.to_be_bytes()[..]));
    }
    broker.write_all(&[0x40, 2, 0, 5]).await.unwrap();
    let (_, body) = packet(&mut broker).await;
    // Its number is not that of the one before: a second PUBACK for that one would free this.
    assert_eq!((&body[18..20], &body[21..]), (&[1, 1][..], &b"256"[..]));
}
