//! Over a pseudo terminal whose other end the test plays, with frames as they stand on the wire.

use crate::line::Carrier;
use crate::line::testbed::{Pty, Running, within};
use picket_device::modbus::{Answer, Fault};

const LONG: u32 = 10_000;
const SHORT: u32 = 60;

const ASK_100: [u8; 8] = [1, 3, 0, 0x64, 0, 1, 0xC5, 0xD5];
const SAY_AAAA: [u8; 7] = [1, 3, 2, 0xAA, 0xAA, 0x46, 0x9B];
const ASK_200: [u8; 8] = [1, 3, 0, 0xC8, 0, 1, 0x05, 0xF4];
const SAY_BBBB: [u8; 7] = [1, 3, 2, 0xBB, 0xBB, 0x8A, 0xC7];
const UNIT_2_SAYS_BBBB: [u8; 7] = [2, 3, 2, 0xBB, 0xBB, 0xCE, 0xC7];
const EXCEPTION_2: [u8; 5] = [1, 0x83, 2, 0xC0, 0xF1];
const SAY_TWO: [u8; 9] = [1, 3, 4, 0x11, 0x11, 0x22, 0x22, 0x37, 0xB3];

fn start() -> (Pty, Running) {
    let pty = Pty::open();
    let line = Running::start(Carrier::ModbusRtu(pty.port.clone()));
    (pty, line)
}

fn word(word: u16) -> Result<Answer, Fault> {
    Ok(Answer::Words(vec![word]))
}

#[tokio::test]
async fn a_late_rtu_answer_is_never_taken_for_another_register() {
    let (mut pty, mut line) = start();
    line.ask(100, 1, SHORT).await;
    assert_eq!(pty.read().await, ASK_100);
    assert_eq!(line.outcome().await, Err(Fault::Timeout(SHORT)));
    pty.write(&SAY_AAAA);
    line.ask(200, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_200);
    pty.write(&SAY_BBBB);
    assert_eq!(line.outcome().await, word(0xBBBB));
}

#[tokio::test]
async fn what_lies_in_the_port_before_a_request_is_not_its_answer() {
    let (mut pty, mut line) = start();
    line.ask(100, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_100);
    pty.write(&SAY_AAAA);
    assert_eq!(line.outcome().await, word(0xAAAA));
    pty.write(&SAY_AAAA);
    line.ask(200, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_200);
    pty.write(&SAY_BBBB);
    assert_eq!(line.outcome().await, word(0xBBBB));
}

#[tokio::test]
async fn the_adapters_own_echo_is_taken_out() {
    let (mut pty, mut line) = start();
    for _ in 0..2 {
        line.ask(100, 1, LONG).await;
        assert_eq!(pty.read().await, ASK_100);
        pty.write(&[&ASK_100[..], &SAY_AAAA].concat());
        assert_eq!(line.outcome().await, word(0xAAAA));
    }
}

#[tokio::test]
async fn an_exception_keeps_the_port_and_the_next_ask_is_answered() {
    let (mut pty, mut line) = start();
    line.ask(100, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_100);
    pty.write(&EXCEPTION_2);
    assert_eq!(line.outcome().await, Err(Fault::Exception(2)));
    line.ask(200, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_200);
    pty.write(&SAY_BBBB);
    assert_eq!(line.outcome().await, word(0xBBBB));
}

#[tokio::test]
async fn another_unit_a_wrong_count_and_a_bad_checksum_are_typed_faults_and_the_line_goes_on() {
    let (mut pty, mut line) = start();
    let mut damaged = SAY_BBBB;
    damaged[6] ^= 1;
    let rows: [(&[u8], Result<Answer, Fault>); 4] = [
        (&UNIT_2_SAYS_BBBB, Err(Fault::WrongUnit)),
        (&SAY_TWO, Err(Fault::WrongCount { asked: 1, got: 2 })),
        (&damaged, Err(Fault::Damaged("7 bytes within 500 ms are no whole frame".into()))),
        (&SAY_AAAA, word(0xAAAA)),
    ];
    for (said, outcome) in rows {
        line.ask(100, 1, 500).await;
        assert_eq!(pty.read().await, ASK_100);
        pty.write(said);
        assert_eq!(line.outcome().await, outcome);
    }
}

#[tokio::test]
async fn a_bus_that_babbles_is_bounded_in_time_and_memory() {
    let (mut pty, mut line) = start();
    line.ask(100, 1, SHORT).await;
    assert_eq!(pty.read().await, ASK_100);
    pty.write(&[0x55; 1_000]);
    assert!(matches!(line.outcome().await, Err(Fault::Damaged(_))));
    line.ask(200, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_200);
    pty.write(&SAY_BBBB);
    assert_eq!(line.outcome().await, word(0xBBBB));
}

#[tokio::test]
async fn an_unplugged_port_does_not_spin() {
    let (mut pty, mut line) = start();
    line.ask(100, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_100);
    drop(pty);
    assert_eq!(line.outcome().await, Err(Fault::Closed));
    line.ask(100, 1, LONG).await;
    let gone = line.outcome().await;
    assert!(matches!(gone, Err(Fault::Unreachable(_))), "{gone:?}");
    // Not tried again yet, and told at once.
    line.ask(100, 1, LONG).await;
    assert_eq!(line.outcome().await, gone);
    assert!(line.is_quiet());
}

#[tokio::test]
async fn a_stopped_line_finishes_the_open_ask() {
    let (mut pty, mut line) = start();
    line.ask(100, 1, LONG).await;
    assert_eq!(pty.read().await, ASK_100);
    line.stop();
    pty.write(&SAY_AAAA);
    assert_eq!(line.outcome().await, word(0xAAAA));
    within(line.ended()).await;
}
