//! `bench-sub`: logs when what arrives at the broker, record by record. A session of its own that survives the broker.
//!
//! Log, fields separated by tabs, times in CLOCK_MONOTONIC nanoseconds:
//! `P t lane dup seq ep link kind dev points` a record of Picket (one line for each of a batch; `link` in hexadecimal,
//! `points` as `r5=123,d0=1`, both `-` where there is none); `B t dup dev points` a message of `bench-barepoll`;
//! `X t topic bytes` anything else; `E t text` an event of the connection.

mod parcel;
mod record_line;
mod stopwatch;

use clap::Parser;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use stopwatch::mono_ns;
use tokio::signal::unix::{SignalKind, signal};

/// Logs arrivals at a broker.
#[derive(Debug, Parser)]
struct Options {
    /// Port of the broker on loopback.
    #[arg(long)]
    port: u16,
    /// Arrival log.
    #[arg(long)]
    log: PathBuf,
}

/// The broker keeps what comes while it or this program is away.
const SESSION_EXPIRY_S: u32 = 3_600;
/// As long as a lost connection takes to be tried again: a broker that comes back is noticed at once.
const RETRY: Duration = Duration::from_millis(20);
/// The log is written out so often.
const FLUSH: Duration = Duration::from_millis(50);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match listen(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-sub: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(options: Options) -> std::io::Result<()> {
    let mut mqtt = MqttOptions::new("bench-sub", "127.0.0.1", options.port);
    mqtt.set_keep_alive(Duration::from_secs(30))
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_max_packet_size(Some(16 << 20));
    let (client, mut events) = AsyncClient::new(mqtt, 100);
    let mut log = BufWriter::with_capacity(1 << 20, File::create(&options.log)?);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut tick = tokio::time::interval(FLUSH);
    loop {
        let event = tokio::select! {
            _ = terminate.recv() => return log.flush(),
            _ = tick.tick() => {
                log.flush()?;
                continue;
            }
            event = events.poll() => event,
        };
        match event {
            Ok(Event::Incoming(Packet::Publish(publish))) => parcel::log(&mut log, mono_ns(), &publish)?,
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                writeln!(log, "E\t{}\tconnected, session present: {}", mono_ns(), ack.session_present)?;
                // One request on a fresh connection: the queue has room.
                let _ = client.try_subscribe("#", QoS::AtLeastOnce);
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => writeln!(log, "E\t{}\tsubscribed", mono_ns())?,
            Ok(_) => {}
            Err(error) => {
                writeln!(log, "E\t{}\t{error}", mono_ns())?;
                if tokio::time::timeout(RETRY, terminate.recv()).await.is_ok() {
                    return log.flush();
                }
            }
        }
    }
}
