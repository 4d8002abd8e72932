//! The link without a broker, beside one that says nothing, and against one that honours nothing it was not told to:
//! packets as they stand on the wire.

use super::*;
use crate::journal::Lines;
use picket_core::wire::Lane;
use std::collections::VecDeque;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Well below the time for which the link waits for a broker's answer.
const PROMPT: Duration = Duration::from_secs(10);

struct Running {
    parcels: mpsc::Sender<Parcel>,
    inputs: mpsc::Receiver<Input>,
    tasks: JoinSet<()>,
}

fn start(port: u16) -> Running {
    let (to_link, parcels) = mpsc::channel(4);
    let (to_think, inputs) = mpsc::channel(4);
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, login: None, tls: None };
    let mut tasks = JoinSet::new();
    tasks.spawn_local(Link::new(endpoint, "gw-1".into(), to_think).run(parcels, 7));
    Running { parcels: to_link, inputs, tasks }
}

async fn called(running: &Running) {
    let (here, answer) = oneshot::channel();
    running.parcels.send(Parcel::Call { here }).await.expect("the link runs");
    timeout(PROMPT, answer).await.expect("in time").expect("it lives");
}

#[tokio::test]
async fn a_call_is_answered_while_the_broker_says_nothing_and_a_stop_does_not_wait_for_it() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut running = start(port);
            let _connection = timeout(PROMPT, silent.accept()).await.unwrap().unwrap();
            called(&running).await;
            drop(running.parcels);
            timeout(PROMPT, running.tasks.join_next()).await.expect("in time").unwrap().unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_call_is_answered_while_there_is_no_broker() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut running = start(port);
            let told = timeout(PROMPT, running.inputs.recv()).await.expect("in time");
            assert!(matches!(told, Some(Input::LinkDown { .. })), "{told:?}");
            called(&running).await;
        })
        .await;
}

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// The broker's end of a link.
struct Broker {
    listener: TcpListener,
    stream: TcpStream,
    to_link: mpsc::Sender<Parcel>,
    inputs: mpsc::Receiver<Input>,
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PROMPT, work).await.expect("in time")
}

impl Broker {
    /// A link whose first session stands after this CONNACK; its CONNECT is given too.
    async fn start(connack: &[u8]) -> (Self, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to_link, parcels) = mpsc::channel(16);
        let (to_think, inputs) = mpsc::channel(4);
        let endpoint = Endpoint { host: "127.0.0.1".into(), port, login: None, tls: None };
        tokio::spawn(Link::new(endpoint, "gw-1".into(), to_think).run(parcels, 7));
        let stream = within(listener.accept()).await.unwrap().0;
        let mut broker = Self { listener, stream, to_link, inputs };
        let connect = broker.shake_hands(connack).await;
        (broker, connect)
    }

    async fn shake_hands(&mut self, connack: &[u8]) -> Vec<u8> {
        let (kind, connect) = self.packet().await;
        assert_eq!(kind, 0x10);
        self.write(connack).await;
        let (kind, subscribe) = self.packet().await;
        let filters = b"\0\0\x13sms/v1/gw-1/receipt\x01\0\x11sms/v1/gw-1/order\x01";
        assert_eq!((kind, &subscribe[2..]), (0x82, &filters[..]));
        self.write(&[0x90, 5, subscribe[0], subscribe[1], 0, 1, 1]).await;
        connect
    }

    /// First byte and body of the next packet.
    async fn packet(&mut self) -> (u8, Vec<u8>) {
        let kind = within(self.stream.read_u8()).await.expect("a packet");
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = within(self.stream.read_u8()).await.expect("its length");
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        within(self.stream.read_exact(&mut body)).await.expect("its body");
        (kind, body)
    }

    async fn write(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.expect("written");
    }

    /// A retained message at QoS 1 on the receipt topic.
    async fn retained(&mut self, id: u16, payload: &[u8]) {
        self.publish(b"\0\x13sms/v1/gw-1/receipt", id, payload).await;
    }

    async fn publish(&mut self, topic: &[u8], id: u16, payload: &[u8]) {
        let body = [topic, &id.to_be_bytes()[..], &[0], payload].concat();
        let length = [0, 7, 14].map(|shift| (body.len() >> shift) as u8 | 0x80);
        self.write(&[&[0x33][..], &length, &[(body.len() >> 21) as u8], &body].concat()).await;
    }

    async fn acknowledge(&mut self, id: u16) {
        let [high, low] = id.to_be_bytes();
        self.write(&[0x40, 2, high, low]).await;
    }

    async fn batch(&self, session: u32, lane: Lane, through: u64) {
        let lines = Lines { payload: b"a.b.c".to_vec(), deflated: false, through, bytes: 5 };
        self.to_link.send(Parcel::Batch { session, lane, lines }).await.expect("the link runs");
    }

    /// Packet id of the next message, which is on this lane.
    async fn taken(&mut self, lane: &str) -> u16 {
        let (kind, body) = self.packet().await;
        let topic = format!("sms/v1/gw-1/{lane}");
        let (head, rest) = body.split_at(2 + topic.len());
        assert_eq!((kind, &head[2..]), (0x32, topic.as_bytes()));
        u16::from_be_bytes([rest[0], rest[1]])
    }

    async fn input(&mut self) -> Input {
        within(self.inputs.recv()).await.expect("the link runs")
    }

    async fn up(&mut self) -> u32 {
        match self.input().await {
            Input::LinkUp { session } => session,
            other => panic!("not up: {other:?}"),
        }
    }

    async fn down(&mut self) -> String {
        match self.input().await {
            Input::LinkDown { cause } => cause,
            other => panic!("not down: {other:?}"),
        }
    }

    async fn sent(&mut self) -> (Lane, Result<u64, String>) {
        match self.input().await {
            Input::Sent { lane, result, .. } => (lane, result),
            other => panic!("nothing sent: {other:?}"),
        }
    }
}

#[tokio::test]
async fn each_session_begins_anew_and_no_maximum_packet_size_is_announced() {
    let (_broker, connect) = Broker::start(&CONNACK).await;
    assert_eq!(connect[..10], [0, 4, b'M', b'Q', b'T', b'T', 5, 0b10, 0, 20], "clean start, 20 s");
    assert_eq!(connect[10..], *b"\x03\x21\0\x10\0\x04gw-1", "receive maximum 16 and nothing else");
}

#[tokio::test]
async fn several_batches_are_under_way_and_told_in_the_order_they_were_sent() {
    let (mut broker, _) = Broker::start(&CONNACK).await;
    let session = broker.up().await;
    for through in 1..=4 {
        broker.batch(session, Lane::Record, through).await;
    }
    broker.batch(session, Lane::Urgent, 9).await;
    let mut ids = Vec::new();
    for lane in ["record", "record", "record", "record", "urgent"] {
        ids.push(broker.taken(lane).await);
    }
    // Against MQTT 5.0 section 4.6: last first, and one of them twice.
    for at in [4, 3, 3, 1, 2] {
        broker.acknowledge(ids[at]).await;
    }
    assert_eq!(broker.sent().await, (Lane::Urgent, Ok(9)), "another lane waits for nobody");
    broker.acknowledge(ids[0]).await;
    for through in 1..=4 {
        assert_eq!(broker.sent().await, (Lane::Record, Ok(through)));
    }
}

#[tokio::test]
async fn no_more_is_under_way_than_the_broker_allows_and_the_rest_follows() {
    // Receive maximum 2.
    let (mut broker, _) = Broker::start(&[0x20, 6, 0, 0, 3, 0x21, 0, 2]).await;
    let session = broker.up().await;
    for through in 1..=5 {
        broker.batch(session, Lane::Record, through).await;
    }
    let (first, second) = (broker.taken("record").await, broker.taken("record").await);
    let mut byte = [0];
    let third = timeout(Duration::from_millis(50), broker.stream.read(&mut byte)).await;
    assert!(third.is_err(), "two are under way");
    let mut open = VecDeque::from([first, second]);
    for through in 1..=5 {
        broker.acknowledge(open.pop_front().expect("one is under way")).await;
        assert_eq!(broker.sent().await, (Lane::Record, Ok(through)));
        if through <= 3 {
            open.push_back(broker.taken("record").await);
        }
    }
}

#[tokio::test]
async fn what_the_broker_threw_away_refused_or_never_got_is_told_as_not_sent() {
    // Maximum packet size 70.
    let (mut broker, _) = Broker::start(&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 70]).await;
    let session = broker.up().await;
    broker.batch(session, Lane::Record, 1).await;
    let id = broker.taken("record").await;
    let [high, low] = id.to_be_bytes();
    broker.write(&[0x40, 3, high, low, 0x10]).await;
    assert_eq!(broker.sent().await, (Lane::Record, Err("nobody listens at the broker".into())));
    broker.batch(session, Lane::Urgent, 2).await;
    let [high, low] = broker.taken("urgent").await.to_be_bytes();
    broker.write(&[0x40, 3, high, low, 0x87]).await;
    assert_eq!(broker.sent().await, (Lane::Urgent, Err("the broker refused a batch: NotAuthorized".into())));
    let lines = Lines { payload: vec![b'x'; 100], deflated: false, through: 3, bytes: 100 };
    broker.to_link.send(Parcel::Batch { session, lane: Lane::Record, lines }).await.expect("the link runs");
    let (_, told) = broker.sent().await;
    assert_eq!(told, Err("a message of 151 bytes, and the broker takes 70".into()));
}

#[tokio::test]
async fn pubacks_that_nobody_waits_for_harm_nobody() {
    let (mut broker, _) = Broker::start(&CONNACK).await;
    let session = broker.up().await;
    for id in [1, 7, 0xFFFF] {
        broker.acknowledge(id).await;
    }
    broker.batch(session, Lane::Record, 5).await;
    let id = broker.taken("record").await;
    broker.acknowledge(id).await;
    assert_eq!(broker.sent().await, (Lane::Record, Ok(5)));
}

#[tokio::test]
async fn retained_bombs_on_the_receipt_topic_do_not_make_the_link_deaf() {
    let (mut broker, _) = Broker::start(&CONNACK).await;
    broker.up().await;
    // More of them than the receive maximum: each gives back its place.
    for id in 1..=24 {
        broker.retained(id, &vec![0x33; 2 * 1024 * 1024]).await;
        assert_eq!(broker.packet().await, (0x40, id.to_be_bytes().to_vec()));
    }
    broker.retained(77, b"a.b.c\n").await;
    let told = broker.input().await;
    let first = "1 messages that can be no receipt were thrown away, the last of 2097152 bytes";
    assert!(matches!(&told, Input::ReceiptRefused { cause } if cause == first), "{told:?}");
    let receipt = broker.input().await;
    assert!(matches!(&receipt, Input::ReceiptHeard { line } if line == "a.b.c"), "told once: {receipt:?}");
}

#[tokio::test]
async fn an_order_that_is_too_large_is_told_as_one_whatever_came_on_the_other_topic() {
    let (mut broker, _) = Broker::start(&CONNACK).await;
    broker.up().await;
    broker.retained(1, &vec![0x33; 2 * 1024 * 1024]).await;
    broker.publish(b"\0\x11sms/v1/gw-1/order", 2, &vec![0x33; 2 * 1024 * 1024]).await;
    assert!(matches!(broker.input().await, Input::ReceiptRefused { .. }));
    let told = broker.input().await;
    let cause = "1 messages that can be no order were thrown away, the last of 2097152 bytes";
    assert!(matches!(&told, Input::OrderMisheard { cause: told } if told == cause), "{told:?}");
}

#[tokio::test]
async fn a_lost_session_takes_its_batches_with_it_and_a_new_one_begins_anew() {
    let (mut broker, _) = Broker::start(&CONNACK).await;
    assert_eq!(broker.up().await, 1);
    broker.batch(1, Lane::Record, 5).await;
    broker.taken("record").await;
    broker.write(&[0xE0, 1, 0x8E]).await;
    assert_eq!(broker.down().await, "another client took over the session: two gateways use this client id");
    broker.stream = within(broker.listener.accept()).await.unwrap().0;
    // The broker says that it kept the session: nothing is taken from that.
    broker.shake_hands(&[0x20, 3, 1, 0, 0]).await;
    assert_eq!(broker.up().await, 2);
    broker.batch(1, Lane::Record, 6).await;
    broker.batch(2, Lane::Record, 7).await;
    let id = broker.taken("record").await;
    broker.acknowledge(id).await;
    assert_eq!(broker.sent().await, (Lane::Record, Ok(7)));
}

#[tokio::test]
async fn a_half_open_link_is_seen() {
    // Keep-alive of the broker: 1 s.
    let (mut broker, _) = Broker::start(&[0x20, 6, 0, 0, 3, 0x13, 0, 1]).await;
    broker.up().await;
    assert_eq!(broker.packet().await, (0xC0, vec![]));
    let told = broker.down().await;
    assert!(told.starts_with("the broker said nothing for "), "{told}");
}

#[tokio::test]
async fn a_link_that_nobody_hears_still_pings_and_takes_the_rest_later() {
    let (mut broker, _) = Broker::start(&[0x20, 6, 0, 0, 3, 0x13, 0, 1]).await;
    broker.up().await;
    // Far more than `think` has room for.
    for _ in 0..40 {
        broker.retained(1, b"a.b.c").await;
    }
    let mut pings = 0;
    while pings < 4 {
        pings += u32::from(broker.packet().await.0 == 0xC0);
    }
    for _ in 0..40 {
        let heard = broker.input().await;
        assert!(matches!(heard, Input::ReceiptHeard { .. }), "{heard:?}");
    }
}

#[tokio::test]
async fn a_stop_says_goodbye_behind_what_was_handed_over() {
    let (mut broker, _) = Broker::start(&CONNACK).await;
    let session = broker.up().await;
    broker.batch(session, Lane::Record, 5).await;
    let (closed, _) = mpsc::channel(1);
    broker.to_link = closed;
    broker.taken("record").await;
    assert_eq!(broker.packet().await, (0xE0, vec![]));
}
