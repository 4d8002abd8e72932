//! Against a server that behaves badly: late, wrong, short, closing.

use crate::line::testbed::{Running, within};
use crate::line::{Carrier, TcpEndpoint};
use picket_device::modbus::{Answer, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// No test waits for this; those that let an ask time out use [`SHORT`].
const LONG: u32 = 10_000;
const SHORT: u32 = 40;

async fn line() -> (TcpListener, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let line = Running::start(Carrier::ModbusTcp(TcpEndpoint { host: "127.0.0.1".into(), port }));
    (listener, line)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    within(listener.accept()).await.expect("a connection").0
}

async fn request(peer: &mut TcpStream) -> [u8; 12] {
    let mut bytes = [0; 12];
    within(peer.read_exact(&mut bytes)).await.expect("a request");
    bytes
}

async fn say(peer: &mut TcpStream, bytes: &[u8]) {
    within(peer.write_all(bytes)).await.expect("written");
}

fn words(word: u16) -> Result<Answer, Fault> {
    Ok(Answer::Words(vec![word]))
}

#[tokio::test]
async fn a_read_is_the_request_of_the_specification_and_gives_its_words() {
    let (listener, mut line) = line().await;
    line.ask(107, 3, LONG).await;
    let mut peer = accept(&listener).await;
    assert_eq!(request(&mut peer).await, [0, 0, 0, 0, 0, 6, 1, 3, 0, 0x6B, 0, 3]);
    // Modbus 1.1b3 section 6.3: registers 108 to 110 hold 0x022B, 0x0000, 0x0064.
    say(&mut peer, &[0, 0, 0, 0, 0, 9, 1, 3, 6, 0x02, 0x2B, 0, 0, 0, 0x64]).await;
    assert_eq!(line.outcome().await, Ok(Answer::Words(vec![0x022B, 0, 0x64])));
}

#[tokio::test]
async fn a_late_tcp_answer_does_not_spoil_later_polls() {
    let (listener, mut line) = line().await;
    line.ask(1, 1, SHORT).await;
    let mut late = accept(&listener).await;
    request(&mut late).await;
    assert_eq!(line.outcome().await, Err(Fault::Timeout(SHORT)));
    // It goes nowhere: the line closed that connection.
    let _ = late.write_all(&[0, 0, 0, 0, 0, 5, 1, 3, 2, 0xAA, 0xAA]).await;
    line.ask(2, 1, LONG).await;
    let mut peer = accept(&listener).await;
    for round in 0..20_u8 {
        let asked = request(&mut peer).await;
        assert_eq!(asked[..2], [0, round]);
        say(&mut peer, &[0, round, 0, 0, 0, 5, 1, 3, 2, 0xBB, round]).await;
        assert_eq!(line.outcome().await, words(0xBB00 | u16::from(round)));
        line.ask(2, 1, LONG).await;
    }
}

#[tokio::test]
async fn an_answer_to_another_transaction_or_unit_is_a_fault_and_ends_the_connection() {
    let (listener, mut line) = line().await;
    for wrong in
        [[0, 9, 0, 0, 0, 5, 1, 3, 2, 0, 1], [0, 0, 0, 0, 0, 5, 7, 3, 2, 0, 1], [0, 0, 0, 0, 0, 5, 1, 4, 2, 0, 1]]
    {
        line.ask(1, 1, LONG).await;
        let mut peer = accept(&listener).await;
        request(&mut peer).await;
        say(&mut peer, &wrong).await;
        assert_eq!(line.outcome().await, Err(Fault::WrongUnit));
        assert_eq!(within(peer.read(&mut [0; 1])).await.expect("closed"), 0);
    }
}

#[tokio::test]
async fn a_wrong_count_is_told_with_both_numbers_and_ends_the_connection() {
    let (listener, mut line) = line().await;
    line.ask(1, 4, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 1]).await;
    assert_eq!(line.outcome().await, Err(Fault::WrongCount { asked: 4, got: 1 }));
    assert_eq!(within(peer.read(&mut [0; 1])).await.expect("closed"), 0);
}

#[tokio::test]
async fn an_exception_keeps_the_connection() {
    let (listener, mut line) = line().await;
    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 3, 1, 0x83, 2]).await;
    assert_eq!(line.outcome().await, Err(Fault::Exception(2)));
    line.ask(2, 1, LONG).await;
    assert_eq!(request(&mut peer).await[..2], [0, 1]);
    say(&mut peer, &[0, 1, 0, 0, 0, 3, 1, 0x83, 0x63]).await;
    assert_eq!(line.outcome().await, Err(Fault::Exception(0x63)));
}

#[tokio::test]
async fn a_connection_closed_on_the_request_is_closed_and_one_closed_while_idle_is_no_fault() {
    let (listener, mut line) = line().await;
    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    drop(peer);
    assert_eq!(line.outcome().await, Err(Fault::Closed));

    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 5]).await;
    assert_eq!(line.outcome().await, words(5));
    drop(peer);
    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 6]).await;
    assert_eq!(line.outcome().await, words(6));
}

#[tokio::test]
async fn a_second_answer_that_waits_is_not_taken_for_the_next_one() {
    let (listener, mut line) = line().await;
    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 5]).await;
    assert_eq!(line.outcome().await, words(5));
    say(&mut peer, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0xAA, 0xAA]).await;
    line.ask(2, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 6]).await;
    assert_eq!(line.outcome().await, words(6));
}

#[tokio::test]
async fn half_an_answer_is_a_timeout_and_junk_is_damage() {
    let (listener, mut line) = line().await;
    line.ask(1, 1, SHORT).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1]).await;
    assert_eq!(line.outcome().await, Err(Fault::Timeout(SHORT)));

    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0x48, 0x54, 0, 5, 1, 3, 2, 0, 1]).await;
    assert!(matches!(line.outcome().await, Err(Fault::Damaged(_))));

    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0xFF, 0xFF, 1, 3]).await;
    say(&mut peer, &[0; 300]).await;
    assert_eq!(line.outcome().await, Err(Fault::Damaged("more than 260 bytes in an answer".into())));
}

#[tokio::test]
async fn a_closed_port_is_not_tried_at_every_ask_and_a_host_that_is_back_is_found() {
    let (listener, mut line) = line().await;
    let address = listener.local_addr().expect("its address");
    drop(listener);
    line.ask(1, 1, LONG).await;
    let refused = line.outcome().await;
    assert!(matches!(refused, Err(Fault::Unreachable(_))), "{refused:?}");

    // From here on a try would succeed, and an ask that reached the host would wait for its answer.
    let listener = TcpListener::bind(address).await.expect("the port is free again");
    let mut early = 0;
    let mut peer = loop {
        line.ask(1, 1, LONG).await;
        tokio::select! {
            outcome = line.outcome() => assert_eq!(outcome, refused),
            peer = accept(&listener) => break peer,
        }
        early += 1;
    };
    assert!(early > 0, "the first ask after a failed try reached the host");
    request(&mut peer).await;
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 6]).await;
    assert_eq!(line.outcome().await, words(6));
}

#[tokio::test]
async fn a_stopped_line_finishes_the_open_ask() {
    let (listener, mut line) = line().await;
    line.ask(1, 1, LONG).await;
    let mut peer = accept(&listener).await;
    request(&mut peer).await;
    line.stop();
    say(&mut peer, &[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 9]).await;
    assert_eq!(line.outcome().await, words(9));
    line.ended().await;
}
