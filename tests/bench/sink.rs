//! `bench-sink`: takes what gateways publish, as fast as it comes. Two ways:
//!
//! With `--central` it stands in for a central side that does not verify: it inflates, counts lines, looks at the numbers
//! of the first and the last record of each batch, and signs receipts with that central side's key after every 1,024
//! records or 20 ms, and at once for an ask. Without, it watches a true central side from outside: how many records, and
//! bytes of their text, stand at the broker without a receipt.
//!
//! Log, times in CLOCK_MONOTONIC nanoseconds:
//! `L t` subscribed; `P t first last text wire open open_bytes` a batch of the backlog: its numbers, bytes of its text,
//! bytes of its MQTT packet, and then records and bytes without a receipt; `U t lines text wire` a batch of the urgent
//! lane; `Q t upto` a receipt, signed or heard; `N first last count bytes` messages of the peer (`nr/...`) that came
//! between two moments; `X t what` what must not be; `E t what` an event of the connection.

mod custody_chain;
mod open_window;
mod stopwatch;

use clap::Parser;
use custody_chain::{Batch, Chain};
use open_window::OpenWindow;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use stopwatch::mono_ns;
use tokio::signal::unix::{SignalKind, signal};

/// Takes records at a broker without verifying them.
#[derive(Debug, Parser)]
struct Options {
    /// Port of the broker on loopback.
    #[arg(long)]
    port: u16,
    /// Name at the broker; its session survives the broker.
    #[arg(long, default_value = "bench-sink")]
    client: String,
    /// The only gateway.
    #[arg(long)]
    gateway: String,
    /// Folder of the central side whose receipt key signs; without it this only watches.
    #[arg(long, requires = "acceptance")]
    central: Option<PathBuf>,
    /// What it accepted the gateway by.
    #[arg(long, requires = "central")]
    acceptance: Option<PathBuf>,
    /// Arrival log.
    #[arg(long)]
    log: PathBuf,
}

/// The broker keeps what comes while it or this program is away.
const SESSION_EXPIRY_S: u32 = 3_600;
/// As long as a lost connection takes to be tried again.
const RETRY: Duration = Duration::from_millis(20);
/// The log is written out, and a receipt is due, at the latest after this.
const TICK: Duration = Duration::from_millis(20);

/// All that is known.
struct Sink {
    gateway: String,
    /// Signs, where this is the central side.
    chain: Option<Chain>,
    window: OpenWindow,
    log: BufWriter<File>,
    /// First and last arrival, count and bytes of the peer's messages since the last tick.
    events: Option<(u64, u64, u64, usize)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match listen(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-sink: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(options: Options) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let mut mqtt = MqttOptions::new(&options.client, "127.0.0.1", options.port);
    mqtt.set_keep_alive(Duration::from_secs(30))
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_max_packet_size(Some(16 << 20));
    let (client, mut events) = AsyncClient::new(mqtt, 1_000);
    let papers = options.central.as_deref().zip(options.acceptance.as_deref());
    let chain = papers.map(|(central, acceptance)| Chain::of(central, acceptance, &options.gateway)).transpose()?;
    let lanes: &[&str] = if chain.is_some() { &["record", "urgent", "ask"] } else { &["record", "urgent", "receipt"] };
    let lane = |lane: &&str| Filter::new(format!("sms/v1/{}/{lane}", options.gateway), QoS::AtLeastOnce);
    let filters: Vec<Filter> =
        lanes.iter().map(lane).chain([Filter::new("nr/+".to_owned(), QoS::AtLeastOnce)]).collect();
    let log = BufWriter::with_capacity(1 << 20, File::create(&options.log).map_err(told)?);
    let mut sink = Sink { gateway: options.gateway, chain, window: OpenWindow::default(), log, events: None };
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    let mut tick = tokio::time::interval(TICK);
    loop {
        let event = tokio::select! {
            _ = terminate.recv() => return sink.flush().map_err(told),
            _ = tick.tick() => {
                sink.receipt(&client, false).map_err(told)?;
                sink.flush().map_err(told)?;
                continue;
            }
            event = events.poll() => event,
        };
        match event {
            Ok(Event::Incoming(Packet::Publish(publish))) => sink.take(&client, &publish).map_err(told)?,
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // One request on a fresh connection: the queue has room.
                let _ = client.try_subscribe_many(filters.clone());
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => writeln!(sink.log, "L {}", mono_ns()).map_err(told)?,
            Ok(_) => {}
            Err(error) => {
                writeln!(sink.log, "E {} {error}", mono_ns()).map_err(told)?;
                if tokio::time::timeout(RETRY, terminate.recv()).await.is_ok() {
                    return sink.flush().map_err(told);
                }
            }
        }
    }
}

impl Sink {
    fn flush(&mut self) -> std::io::Result<()> {
        if let Some((first, last, count, bytes)) = self.events.take() {
            writeln!(self.log, "N {first} {last} {count} {bytes}")?;
        }
        self.log.flush()
    }

    fn take(&mut self, client: &AsyncClient, publish: &Publish) -> std::io::Result<()> {
        let t = mono_ns();
        if publish.topic.starts_with(b"nr/") {
            let (first, _, count, bytes) = self.events.unwrap_or((t, t, 0, 0));
            self.events = Some((first, t, count + 1, bytes + publish.size()));
            return Ok(());
        }
        match publish.topic.rsplit(|byte| *byte == b'/').next() {
            Some(b"ask") => self.asked(client, publish),
            Some(b"receipt") => match custody_chain::upto(&publish.payload) {
                Some(upto) => {
                    self.window.receipted(upto);
                    writeln!(self.log, "Q {t} {upto}")
                }
                None => writeln!(self.log, "X {t} a receipt that cannot be read"),
            },
            lane => {
                let urgent = lane == Some(b"urgent");
                match self.batch(t, urgent, publish) {
                    Ok(line) => writeln!(self.log, "{line}")?,
                    Err(why) => writeln!(self.log, "X {t} {why}")?,
                }
                self.receipt(client, false)
            }
        }
    }

    fn batch(&mut self, t: u64, urgent: bool, publish: &Publish) -> Result<String, String> {
        let content_type = publish.properties.as_ref().and_then(|properties| properties.content_type.as_deref());
        let text = picket_central::unpack::text(content_type, &publish.payload).map_err(|why| why.to_string())?;
        let (bytes, wire) = (text.len(), publish.size());
        if urgent {
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            return Ok(format!("U {t} {lines} {bytes} {wire}"));
        }
        let batch = Batch::read(&text)?;
        self.window.sent(batch.first, &text);
        if let Some(chain) = &mut self.chain {
            chain.take(&batch);
            self.window.receipted(chain.receipted());
        }
        let (open, open_bytes) = self.window.open();
        let Batch { first, last, .. } = batch;
        Ok(format!("P {t} {first} {last} {bytes} {wire} {open} {open_bytes}"))
    }

    fn asked(&mut self, client: &AsyncClient, publish: &Publish) -> std::io::Result<()> {
        if let Some(chain) = &mut self.chain {
            let ask: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap_or_default();
            chain.asked(ask["n"].as_u64().unwrap_or(0));
        }
        self.receipt(client, true)
    }

    /// Signs and sends a receipt, if one is due.
    fn receipt(&mut self, client: &AsyncClient, at_once: bool) -> std::io::Result<()> {
        let t = mono_ns();
        let Some((line, upto)) = self.chain.as_mut().and_then(|chain| chain.due(t, at_once)) else { return Ok(()) };
        let topic = format!("sms/v1/{}/receipt", self.gateway);
        if let Err(error) = client.try_publish(topic, QoS::AtLeastOnce, false, line) {
            // The next one says the same and more.
            return writeln!(self.log, "E {t} a receipt did not leave: {error}");
        }
        self.window.receipted(upto);
        writeln!(self.log, "Q {t} {upto}")
    }
}
