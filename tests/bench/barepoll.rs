//! `bench-barepoll`: the floor, not a product. The least code that polls Modbus TCP devices and publishes what changed
//! over MQTT at QoS 1; with `--durable` it hashes, chains, signs (Ed25519) and commits each message (SQLite, WAL,
//! synchronous=FULL) before it publishes it. It buffers nothing, checks nothing, supervises nothing.

use clap::Parser;
use ed25519_dalek::{Signer, SigningKey};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_modbus::prelude::{Reader, tcp};

/// The least code that polls, signs, commits and publishes.
#[derive(Debug, Parser, Clone)]
struct Options {
    /// Port of the first device.
    #[arg(long)]
    base_port: u16,
    /// How many devices.
    #[arg(long)]
    devices: u16,
    /// Points of each, from address 0.
    #[arg(long)]
    points: u16,
    /// Discrete inputs instead of holding registers.
    #[arg(long)]
    inputs: bool,
    /// From poll to poll.
    #[arg(long)]
    poll_ms: u64,
    /// Port of the broker.
    #[arg(long)]
    broker: u16,
    /// Database: sign and commit before publishing.
    #[arg(long)]
    durable: Option<PathBuf>,
}

/// Signs and commits.
struct Store {
    db: rusqlite::Connection,
    key: SigningKey,
    previous: [u8; 32],
}

impl Store {
    fn open(file: &Path) -> rusqlite::Result<Self> {
        let db = rusqlite::Connection::open(file)?;
        db.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, body TEXT, signature BLOB)",
        )?;
        Ok(Self { db, key: SigningKey::from_bytes(&[7; 32]), previous: [0; 32] })
    }

    /// One durable commit; the body with its signature.
    fn put(&mut self, body: &str) -> String {
        self.previous = Sha256::new().chain_update(self.previous).chain_update(body).finalize().into();
        let signature = self.key.sign(&self.previous).to_bytes();
        let insert = self.db.prepare_cached("INSERT INTO event(body, signature) VALUES(?1, ?2)");
        insert.and_then(|mut insert| insert.execute((body, &signature[..]))).expect("the floor has a disk to write to");
        let text = signature.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        format!("{},\"s\":\"{text}\"}}", &body[..body.len() - 1])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let options = Options::parse();
    let store = options.durable.as_deref().map(Store::open).transpose().expect("the floor's database opens");
    let store = Rc::new(RefCell::new(store));
    let mut mqtt = MqttOptions::new("bench-barepoll", "127.0.0.1", options.broker);
    mqtt.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(mqtt, 1000);
    let local = tokio::task::LocalSet::new();
    for device in 0..options.devices {
        local.spawn_local(poll_device(options.clone(), device, client.clone(), Rc::clone(&store)));
    }
    let mut retry = pace(Duration::from_millis(200));
    let carry = async move {
        loop {
            if events.poll().await.is_err() {
                retry.tick().await;
            }
        }
    };
    local.run_until(carry).await
}

/// Between two tries at least so long; the first is at once.
fn pace(time: Duration) -> Interval {
    let mut pace = interval(time);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

async fn poll_device(options: Options, device: u16, client: AsyncClient, store: Rc<RefCell<Option<Store>>>) {
    let mut last: Vec<Option<u16>> = vec![None; usize::from(options.points)];
    let letter = if options.inputs { 'd' } else { 'r' };
    let address = ([127, 0, 0, 1], options.base_port + device).into();
    let mut retry = pace(Duration::from_secs(1));
    loop {
        retry.tick().await;
        let Ok(mut modbus) = tcp::connect(address).await else { continue };
        let mut tick = interval(Duration::from_millis(options.poll_ms));
        loop {
            tick.tick().await;
            let read: Vec<u16> = if options.inputs {
                let Ok(Ok(bits)) = modbus.read_discrete_inputs(0, options.points).await else { break };
                bits.into_iter().map(u16::from).collect()
            } else {
                let Ok(Ok(words)) = modbus.read_holding_registers(0, options.points).await else { break };
                words
            };
            let Some(mut body) = changed(&mut last, &read, letter) else { continue };
            if let Some(store) = store.borrow_mut().as_mut() {
                body = store.put(&body);
            }
            let _ = client.publish(format!("nr/{device}"), QoS::AtLeastOnce, false, body).await;
        }
    }
}

/// What changed since the last poll, as JSON.
fn changed(last: &mut [Option<u16>], read: &[u16], letter: char) -> Option<String> {
    let mut points = String::new();
    for (index, (last, value)) in last.iter_mut().zip(read).enumerate() {
        if *last != Some(*value) {
            *last = Some(*value);
            let comma = if points.is_empty() { "" } else { "," };
            let _ = write!(points, "{comma}\"{letter}{index}\":{value}");
        }
    }
    let ts = jiff::Timestamp::now().as_millisecond();
    (!points.is_empty()).then(|| format!("{{\"ts\":{ts},\"v\":{{{points}}}}}"))
}
