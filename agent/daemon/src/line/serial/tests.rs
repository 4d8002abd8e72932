//! Over a pseudo terminal whose other end the test plays.

use crate::line::testbed::{Pty, Running};
use crate::line::{Carrier, Order};
use picket_core::wire::Heard;
use picket_device::modbus::{Fault, Read};
use picket_device::profile::Table;
use picket_device::seal_reader::{FrameKind, Framing};

fn start() -> (Pty, Running) {
    let pty = Pty::open();
    let framing = Framing { framing: FrameKind::CrLf, bcc: false, aim: false };
    let line = Running::start(Carrier::SealReader(pty.port.clone(), framing));
    (pty, line)
}

async fn scan(line: &mut Running) -> (u64, String) {
    match line.heard().await {
        (token, Heard::Scan(Ok(scan))) => (token, scan.text),
        other => panic!("no scan: {other:?}"),
    }
}

#[tokio::test]
async fn a_line_from_the_reader_is_heard_in_whatever_pieces_it_comes() {
    let (mut pty, mut line) = start();
    assert_eq!(line.standing().await, None);
    pty.write(b"CH00");
    pty.write(b"12345\r\nCH0067890\r");
    assert_eq!(scan(&mut line).await, (1, "CH0012345".to_owned()));
    assert_eq!(scan(&mut line).await, (2, "CH0067890".to_owned()));
}

#[tokio::test]
async fn at_most_sixteen_scans_are_unconfirmed() {
    let (mut pty, mut line) = start();
    assert_eq!(line.standing().await, None);
    for number in 0..20 {
        pty.write(format!("SEAL{number:04}\r\n").as_bytes());
    }
    for token in 1..=16 {
        assert_eq!(scan(&mut line).await.0, token);
    }
    assert!(line.is_quiet());
    line.order(Order::Confirm { token: 1 }).await;
    assert_eq!(scan(&mut line).await, (17, "SEAL0016".to_owned()));
    assert!(line.is_quiet());
    line.order(Order::Confirm { token: 17 }).await;
    assert_eq!(scan(&mut line).await.0, 18);
    assert_eq!(scan(&mut line).await.0, 19);
    assert_eq!(scan(&mut line).await, (20, "SEAL0019".to_owned()));
}

#[tokio::test]
async fn an_unplugged_reader_is_told_and_its_port_is_let_go() {
    let (pty, mut line) = start();
    assert_eq!(line.standing().await, None);
    let path = pty.port.path.display().to_string();
    drop(pty);
    assert_eq!(line.standing().await, Some(format!("{path} was unplugged")));
    let next = line.standing().await.expect("still gone");
    assert!(next.starts_with(&format!("cannot open {path}: ")), "{next}");
    line.stop();
    line.ended().await;
}

#[tokio::test]
async fn an_ask_on_a_speaking_line_is_refused_and_a_closed_order_channel_ends_it() {
    let (_pty, mut line) = start();
    assert_eq!(line.standing().await, None);
    let read = Read { table: Table::Coil, start: 0, count: 1 };
    line.order(Order::Ask { ask: 0, unit: 1, read, patience_ms: 1_000 }).await;
    assert_eq!(line.outcome().await, Err(Fault::Unreachable("this line speaks unasked".into())));
    line.stop();
    line.ended().await;
}
