//! A site broker by Debian's mosquitto, published to by its own client.

use crate::line::{Message, Running};
use crate::programs::{Program, free_port};
use picket::broker::Endpoint;
use picket::line::{BrokerSession, Carrier};
use picket_core::wire::Delivery;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const REMEDY: &str = "apt-get install mosquitto mosquitto-clients";

struct Broker {
    directory: TempDir,
    port: u16,
    running: Option<Program>,
}

impl Broker {
    async fn start() -> Self {
        let mut broker =
            Self { directory: tempfile::tempdir().expect("a directory"), port: free_port(), running: None };
        let directory = broker.directory.path().display();
        let settings = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\nautosave_interval 1\n\
             autosave_on_changes true\npersistence_location {directory}/\nlog_dest stderr\nlog_type all\n",
            broker.port
        );
        fs::write(broker.directory.path().join("mosquitto.conf"), settings).expect("written");
        broker.restart().await;
        broker
    }

    /// Ends the broker, if it runs, and starts it over the same files.
    async fn restart(&mut self) {
        if let Some(program) = self.running.take() {
            program.terminate();
        }
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(self.directory.path().join("mosquitto.conf"));
        let mut program = Program::start(&mut command, REMEDY);
        program.wait_for(" running").await;
        self.running = Some(program);
    }

    async fn wait_for(&mut self, what: &str) {
        self.running.as_mut().expect("running").wait_for(what).await;
    }

    fn line(&self, topics: &[&str]) -> Running {
        Running::start(Carrier::Mqtt(BrokerSession {
            broker: Endpoint { host: "127.0.0.1".into(), port: self.port, login: None, tls: None },
            client_id: "picket-peers".into(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        }))
    }

    /// Publishes `payload` at QoS 1, with further arguments of `mosquitto_pub`.
    fn publish(&self, topic: &str, payload: &[u8], arguments: &[&str]) {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-V", "5", "-q", "1", "-t", topic]).args(arguments);
        // An empty standard input is an error to it.
        command.arg(if payload.is_empty() { "-n" } else { "-s" });
        command.arg("-p").arg(self.port.to_string()).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("mosquitto_pub: {error}; {REMEDY}"));
        child.stdin.take().expect("its input").write_all(payload).expect("written");
        assert!(child.wait().expect("it ends").success());
    }
}

fn message(topic: &str, payload: &[u8]) -> Message {
    Message { topic: topic.into(), payload: payload.into(), retained: false, oversize: None }
}

#[tokio::test]
async fn messages_of_every_kind_arrive_as_they_were_published() {
    let broker = Broker::start().await;
    broker.publish("site/door", b"closed", &["-r"]);
    let mut line = broker.line(&["site/#"]);
    line.open().await;
    let (_, first) = line.message().await;
    assert_eq!(first, Message { retained: true, ..message("site/door", b"closed") });
    broker.publish("site/raw", &[0xFF, 0xFE, 0x00, 0x80], &[]);
    assert_eq!(line.message().await.1, message("site/raw", &[0xFF, 0xFE, 0x00, 0x80]));
    broker.publish("site/door", b"", &["-r"]);
    assert_eq!(line.message().await.1, message("site/door", b""));
    broker.publish("site/picture", &vec![7; 100_000], &[]);
    let (token, picture) = line.message().await;
    assert_eq!(picture, Message { oversize: Some(100_000), ..message("site/picture", b"") });
    line.confirm(token).await;
    line.stop().await;
}

#[tokio::test]
async fn a_ten_mebibyte_message_does_not_stop_the_line() {
    const SIZE: usize = 10 * 1024 * 1024;
    let broker = Broker::start().await;
    let picture = vec![7; SIZE];
    let large = |topic: &str| Message { oversize: Some(SIZE as u64), ..message(topic, b"") };
    broker.publish("site/retained", &picture, &["-r"]);
    let mut line = broker.line(&["site/#"]);
    line.open().await;
    let (token, first) = line.message().await;
    assert_eq!(first, Message { retained: true, ..large("site/retained") });
    line.confirm(token).await;
    // More than the receive maximum: mosquitto 2.0.11 told a maximum packet size would go silent after 32 of them.
    for _ in 0..40 {
        broker.publish("site/picture", &picture, &[]);
        let (token, heard) = line.message().await;
        assert_eq!(heard, large("site/picture"));
        line.confirm(token).await;
    }
    broker.publish("site/door", b"open", &[]);
    let (token, heard) = line.message().await;
    assert_eq!(heard, message("site/door", b"open"));
    line.confirm(token).await;
    line.stop().await;
}

#[tokio::test]
async fn a_message_that_was_not_confirmed_comes_again_and_one_that_was_does_not() {
    let mut broker = Broker::start().await;
    let mut line = broker.line(&["site/#"]);
    line.open().await;
    broker.publish("site/door", b"first", &[]);
    broker.publish("site/door", b"second", &[]);
    let (first, _) = line.message().await;
    line.confirm(first).await;
    assert_eq!(line.message().await.1, message("site/door", b"second"));
    let second = line.delivery.expect("an acknowledgement is owed");
    assert!(!second.again);
    broker.wait_for("Received PUBACK from picket-peers").await;
    line.kill().await;
    broker.wait_for("Client picket-peers ").await;
    broker.publish("site/door", b"while nobody listens", &[]);

    let mut line = broker.line(&["site/#"]);
    let (mut heard, mut handed) = (Vec::new(), Vec::new());
    let mut last = 0;
    while heard.len() < 2 {
        match line.heard_or_open().await {
            Some((token, said)) => {
                last = token;
                heard.push(said);
                handed.push(line.delivery.expect("an acknowledgement is owed"));
            }
            None => continue,
        }
    }
    assert_eq!(heard, [message("site/door", b"second"), message("site/door", b"while nobody listens")]);
    // The memory of messages without a time stands on this: the same packet, marked, and the next one counted up.
    assert_eq!(handed[0], Delivery { again: true, ..second });
    assert_eq!(handed[1], Delivery { packet: second.packet + 1, again: false });
    line.confirm(last).await;
    line.stop().await;
}

#[tokio::test]
async fn a_broker_that_restarts_delivers_again_from_its_disk() {
    let mut broker = Broker::start().await;
    let mut line = broker.line(&["site/#"]);
    line.open().await;
    broker.publish("site/door", b"open", &[]);
    let (token, heard) = line.message().await;
    assert_eq!(heard, message("site/door", b"open"));
    let first = line.delivery.expect("an acknowledgement is owed");
    broker.restart().await;
    assert!(line.standing().await.is_some());
    // Confirmed too late for the wire: the broker, which wrote it to disk, delivers it once more.
    line.confirm(token).await;
    let again = loop {
        if let Some((token, said)) = line.heard_or_open().await {
            break (token, said);
        }
    };
    assert_eq!(again, (token + 1, message("site/door", b"open")));
    assert_eq!(line.delivery, Some(Delivery { again: true, ..first }));
    line.confirm(again.0).await;
    broker.publish("site/door", b"closed", &[]);
    loop {
        if let Some((_, said)) = line.heard_or_open().await {
            break assert_eq!(said, message("site/door", b"closed"));
        }
    }
    line.stop().await;
}

#[tokio::test]
async fn a_second_client_of_the_same_name_takes_the_session_and_its_end_gives_it_back() {
    let broker = Broker::start().await;
    let mut line = broker.line(&["site/#"]);
    line.open().await;
    let mut second = broker.line(&["site/#"]);
    second.open().await;
    // mosquitto 2.0.11 closes without the DISCONNECT that would say why.
    assert_eq!(line.standing().await.as_deref(), Some("connection to the broker lost"));
    second.kill().await;
    line.open().await;
}
