//! `ingest`: the backlog of one gateway drained at the central side, beside a bare loop that verifies and inserts the same
//! lines on one thread. Once through the intake alone, once through mosquitto and the real `picket-central`, by a sender
//! that keeps to the window of a gateway: batches of 512 lines as `picket` sends them, sealed and packed beforehand,
//! because the gateway is another machine.

use crate::Bench;
use crate::append;
use crate::broker::Broker;
use crate::process::{Process, told};
use crate::stopwatch::mono_ns;
use crate::table::{Judged, Table};
use ed25519_dalek::{Signature, VerifyingKey};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use picket_central::check::Desk;
use picket_central::clock::Clock;
use picket_central::custody::Custody;
use picket_central::ingest::Ingest;
use picket_central::store::{Accepted, Store};
use picket_central::turns::Parcel;
use picket_central::unpack;
use picket_central::work::Intake;
use picket_record::acceptance::Acceptance;
use picket_record::chain::{Head, Opening, Origin, Parsed, Sealed, Sealer, TailState};
use picket_record::encode::{Name, from_base64url};
use picket_record::keys::{EpochKey, IdentityKey, PublicKey};
use picket_record::receipt::Receipt;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rusqlite::Connection;
use simulator::product::central_settings;
use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SITE: &str = "harbour";
const GW: &str = "gate-7";
/// Records of one batch: `picket_core::uplink::BATCH`.
const BATCH: usize = 512;
/// What a gateway may send without a receipt (FORMAT.md, "Wire").
const WINDOW: usize = 8_192;
const WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// Batches without PUBACK: `picket` has one for each lane, this one overlaps them.
const IN_FLIGHT: u16 = 8;
/// The bare loop stores as many in a transaction as the worker does.
const GROUP: usize = 2048;
/// Without any progress for so long something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
const STOPS_IN: Duration = Duration::from_secs(20);

/// A gateway that was sealed and never ran.
struct Backlog {
    lines: Vec<Sealed>,
    epoch_key: PublicKey,
    packed: Vec<Packed>,
    bytes: usize,
}

#[derive(Clone)]
struct Packed {
    records: usize,
    /// Of the lines, before they were deflated.
    bytes: usize,
    payload: Vec<u8>,
}

/// Runs the job.
pub(crate) fn run(bench: &Bench, folder: &Path) -> Result<Judged, String> {
    let rounds = bench.rounds(3);
    let records = if bench.quick { 10_000 } else { 60_000 };
    let mut table = Table::new(format!("ingest, {rounds} rounds of {records} records of one gateway"));
    let [mut bare_s, mut intake_s, mut wire_s] = [Vec::new(), Vec::new(), Vec::new()];
    let (mut peak, mut open, mut open_bytes, mut gap_ms, mut cpu) = (0.0_f64, 0, 0, 0.0_f64, Vec::new());
    for round in 0..rounds {
        let home = folder.join(format!("central-{}", round));
        let (acceptance, identity) = central(&home)?;
        let backlog = seal(&identity, acceptance, records)?;
        if round == 0 {
            parts(&backlog, &mut table)?;
        }
        bare_s.push(bare(&backlog, &folder.join("bare.db"))?);
        intake_s.push(intake(&backlog, &home)?);
        let home = folder.join(format!("wire-{round}"));
        let (acceptance, identity) = central(&home)?;
        let backlog = seal(&identity, acceptance, records)?;
        let drained = wire(&backlog, &home, bench)?;
        wire_s.push(drained.seconds);
        peak = peak.max(drained.peak_mib);
        open = open.max(drained.open);
        open_bytes = open_bytes.max(drained.open_bytes);
        gap_ms = gap_ms.max(drained.longest_ms);
        cpu.push(drained.cpu_s * 1e6 / records as f64);
        std::fs::remove_dir_all(&home).map_err(told)?;
    }
    let rate = |seconds: &[f64]| crate::table::Figures(seconds.iter().map(|s| records as f64 / s).collect());
    let (bare, intake, wire) = (rate(&bare_s), rate(&intake_s), rate(&wire_s));
    table.row("records/s, bare loop, one thread", bare.told(0));
    table.row("records/s, intake without a broker", intake.told(0));
    table.row("intake, times the bare loop, by rounds", intake.over(&bare).told(2));
    let met = wire.median() >= 8_000.0;
    table.against("records/s through mosquitto, sent to receipted", wire.told(0), "at least 8000", met);
    table.row("through mosquitto, times the bare loop, by rounds", wire.over(&bare).told(2));
    table.row("CPU microseconds/record, picket-central", crate::table::Figures(cpu).told(1));
    table.row("longest wait between two receipts, ms", format!("{gap_ms:.0}"));
    table.row("resident peak MiB, picket-central", format!("{peak:.1}"));
    table.must("most records without a receipt", open, "at most 8192", open <= WINDOW);
    table.must("most bytes of lines without a receipt", open_bytes, "at most 8 MiB", open_bytes <= WINDOW_BYTES);
    Ok(table.print())
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("names here are names")
}

/// A central system that accepted the gateway: the link of the acceptance.
fn central(home: &Path) -> Result<(picket_record::encode::Link, IdentityKey), String> {
    let identity = IdentityKey::from_seed([1; 32]);
    let custody = Custody::init(home, &name("hq")).map_err(told)?;
    let acceptance = Acceptance {
        sms: name("hq"),
        site: name(SITE),
        gw: name(GW),
        identity: identity.public(),
        receipt_key: custody.receipt_key().map_err(told)?.public(),
        ts_ms: 0,
        by: "bench".into(),
    };
    let signed = acceptance.sign(&custody.accept_key().map_err(told)?).map_err(told)?;
    let accepted = Accepted { site: name(SITE), gw: name(GW), identity: identity.public(), link: signed.link };
    Store::open(&custody.store()).and_then(|mut store| store.accept(&signed.line, &accepted)).map_err(told)?;
    Ok((signed.link, identity))
}

fn seal(identity: &IdentityKey, acceptance: picket_record::encode::Link, records: usize) -> Result<Backlog, String> {
    let origin = Origin { site: name(SITE), gw: name(GW) };
    let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "bench".into() };
    let seed = [7; 32];
    let opened = Sealer::open(&origin, identity, seed, Head::genesis(acceptance), &opening, &append::when(0));
    let (mut sealer, first) = opened.map_err(told)?;
    let mut lines = vec![first];
    for n in 1..records {
        lines.push(sealer.seal(&append::body(n)).map_err(told)?);
    }
    let packed = lines.chunks(BATCH).map(pack).collect::<Result<_, _>>()?;
    let bytes = lines.iter().map(|sealed| sealed.line.len()).sum();
    Ok(Backlog { lines, epoch_key: EpochKey::from_seed(seed).public(), packed, bytes })
}

fn pack(lines: &[Sealed]) -> Result<Packed, String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut bytes = 0;
    for sealed in lines {
        bytes += sealed.line.len();
        encoder.write_all(sealed.line.as_bytes()).and_then(|()| encoder.write_all(b"\n")).map_err(told)?;
    }
    Ok(Packed { records: lines.len(), bytes, payload: encoder.finish().map_err(told)? })
}

/// What one record costs in each part, on one thread.
fn parts(backlog: &Backlog, table: &mut Table) -> Result<(), String> {
    let count = backlog.lines.len().min(5_000);
    let each = |from: u64| format!("{:.1}", (mono_ns() - from) as f64 / 1e3 / count as f64);
    table.row("bytes of a line", backlog.bytes / backlog.lines.len());
    let from = mono_ns();
    for packed in backlog.packed.iter().take(count / BATCH) {
        let text = unpack::text(Some(unpack::DEFLATED), &packed.payload.clone().into()).map_err(told)?;
        std::hint::black_box(text);
    }
    table.row("microseconds to inflate", each(from));
    let from = mono_ns();
    for sealed in &backlog.lines[..count] {
        std::hint::black_box(Parsed::read(&sealed.line).map_err(told)?);
    }
    table.row("microseconds to read", each(from));
    let from = mono_ns();
    let key = VerifyingKey::from_bytes(&backlog.epoch_key.bytes()).map_err(told)?;
    backlog.lines[1..count].iter().try_for_each(|sealed| verify(&key, &sealed.line))?;
    table.row("microseconds to verify", each(from));
    Ok(())
}

fn verify(key: &VerifyingKey, line: &str) -> Result<(), String> {
    let (input, signature) = line.rsplit_once('.').ok_or("a line without a signature")?;
    let signature = Signature::from_slice(&from_base64url(signature, "signature").map_err(told)?).map_err(told)?;
    key.verify_strict(input.as_bytes(), &signature).map_err(told)
}

/// Verifies and inserts, and nothing else.
fn bare(backlog: &Backlog, file: &Path) -> Result<f64, String> {
    let db = Connection::open(file).map_err(told)?;
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; DROP TABLE IF EXISTS record;
         CREATE TABLE record(seq INTEGER PRIMARY KEY, line TEXT NOT NULL)",
    )
    .map_err(told)?;
    let key = VerifyingKey::from_bytes(&backlog.epoch_key.bytes()).map_err(told)?;
    let from = mono_ns();
    // The first one is signed by the identity.
    for group in backlog.lines[1..].chunks(GROUP) {
        db.execute_batch("BEGIN IMMEDIATE").map_err(told)?;
        for sealed in group {
            verify(&key, &sealed.line)?;
            let insert = db.prepare_cached("INSERT INTO record(line) VALUES(?1)");
            insert.and_then(|mut insert| insert.execute([&sealed.line])).map_err(told)?;
        }
        db.execute_batch("COMMIT").map_err(told)?;
    }
    Ok((mono_ns() - from) as f64 / 1e9)
}

/// The real intake with its threads, fed as fast as it takes.
fn intake(backlog: &Backlog, home: &Path) -> Result<f64, String> {
    let custody = Custody::at(home);
    let ingest = Ingest::open(&custody.store(), name("hq"), custody.receipt_key().map_err(told)?).map_err(told)?;
    let (desk, clock) = (Desk::default(), Clock::start());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(told)?;
    let from = mono_ns();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| desk.serve());
        }
        let mut intake = Intake::new(ingest, desk.clone());
        let mut waiting = backlog.packed.iter();
        let mut drain = || -> Result<(), picket_central::store::StoreError> {
            loop {
                // As much as a gateway may have open.
                for packed in waiting.by_ref().take(WINDOW / BATCH / 4) {
                    let payload = packed.payload.clone().into();
                    let content_type = Some(unpack::DEFLATED.to_owned());
                    intake.put(Parcel { gw: GW.into(), content_type, payload, owed: None });
                }
                intake.start(clock.now())?;
                if intake.is_idle() {
                    return Ok(());
                }
                runtime.block_on(intake.checked());
                intake.store(clock.now())?;
                intake.receipts(clock.now())?;
            }
        };
        let drained = drain().map_err(told);
        desk.close();
        drained
    })?;
    let seconds = (mono_ns() - from) as f64 / 1e9;
    let stored: usize = Connection::open(custody.store())
        .and_then(|db| db.query_row("SELECT count(*) FROM record", [], |row| row.get(0)))
        .map_err(told)?;
    if stored == backlog.lines.len() { Ok(seconds) } else { Err(format!("{stored} records are stored")) }
}

struct Drained {
    seconds: f64,
    open: usize,
    open_bytes: usize,
    longest_ms: f64,
    peak_mib: f64,
    cpu_s: f64,
}

/// Through mosquitto to the shipped program.
fn wire(backlog: &Backlog, home: &Path, bench: &Bench) -> Result<Drained, String> {
    let mut broker = Broker::start(home)?;
    let settings = home.join("central.toml");
    std::fs::write(&settings, central_settings(home, "127.0.0.1", broker.port())).map_err(told)?;
    let mut command = Command::new(bench.programs.path().join("picket-central"));
    let process = Process::start(command.args(["run", "--config"]).arg(&settings), &home.join("central.log"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(told)?;
    let key = Custody::at(home).receipt_key().map_err(told)?.public();
    let mut drained = runtime.block_on(async {
        let sender = Sender::connect(broker.port(), key).await?;
        sender.drain(backlog).await
    })?;
    let usage = process.usage()?;
    (drained.peak_mib, drained.cpu_s) = (usage.peak_mib, usage.cpu_s);
    process.stop(STOPS_IN)?;
    broker.stop()?;
    Ok(drained)
}

/// A gateway as the broker sees it.
struct Sender {
    client: AsyncClient,
    events: EventLoop,
    key: PublicKey,
    upto: usize,
    puback_due: usize,
}

impl Sender {
    /// Until the central side answers the question for the last receipt.
    async fn connect(port: u16, key: PublicKey) -> Result<Self, String> {
        let mut options = MqttOptions::new(GW, "127.0.0.1", port);
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT).set_keep_alive(Duration::from_secs(20));
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, events) = AsyncClient::new(options, 64);
        let filter = Filter::new(format!("sms/v1/{GW}/receipt"), QoS::AtLeastOnce);
        client.try_subscribe_many([filter]).map_err(told)?;
        let mut sender = Self { client, events, key, upto: 0, puback_due: 0 };
        let mut ask = tokio::time::interval(Duration::from_millis(200));
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            tokio::select! {
                _ = ask.tick() => {
                    let topic = format!("sms/v1/{GW}/ask");
                    sender.client.try_publish(topic, QoS::AtMostOnce, false, "{\"n\":0}").map_err(told)?;
                }
                event = sender.events.poll() => {
                    if let Event::Incoming(Packet::Publish(_)) = event.map_err(told)? {
                        return Ok(sender);
                    }
                }
            }
        }
        Err("the central side does not answer".into())
    }

    /// Sends all of it within the window; until the receipt for the last record.
    async fn drain(mut self, backlog: &Backlog) -> Result<Drained, String> {
        let mut waiting: VecDeque<&Packed> = backlog.packed.iter().collect();
        let ends: Vec<usize> = backlog.lines.iter().map(|sealed| sealed.line.len()).collect();
        let (mut sent, mut open_bytes) = (0, 0);
        let mut most = (0, 0);
        let from = mono_ns();
        let (mut last, mut longest) = (from, 0);
        while self.upto < backlog.lines.len() {
            while let Some(next) = waiting.front().filter(|next| {
                sent + next.records <= self.upto + WINDOW
                    && open_bytes + next.bytes <= WINDOW_BYTES
                    && self.puback_due < usize::from(IN_FLIGHT)
            }) {
                let properties =
                    PublishProperties { content_type: Some(unpack::DEFLATED.into()), ..PublishProperties::default() };
                let (topic, payload) = (format!("sms/v1/{GW}/record"), next.payload.clone());
                let published =
                    self.client.try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties);
                published.map_err(told)?;
                (sent, open_bytes) = (sent + next.records, open_bytes + next.bytes);
                self.puback_due += 1;
                most = (most.0.max(sent - self.upto), most.1.max(open_bytes));
                waiting.pop_front();
            }
            let before = self.upto;
            let event = tokio::time::timeout(PATIENCE, self.events.poll()).await;
            let event = event.map_err(|_| format!("no receipt behind {} of {}", self.upto, backlog.lines.len()))?;
            self.heard(event.map_err(told)?)?;
            if self.upto > before {
                open_bytes -= ends[before..self.upto].iter().sum::<usize>();
                longest = longest.max(mono_ns() - last);
                last = mono_ns();
            }
        }
        let seconds = (mono_ns() - from) as f64 / 1e9;
        let longest_ms = longest as f64 / 1e6;
        Ok(Drained { seconds, open: most.0, open_bytes: most.1, longest_ms, peak_mib: 0.0, cpu_s: 0.0 })
    }

    fn heard(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Incoming(Packet::PubAck(_)) => self.puback_due = self.puback_due.saturating_sub(1),
            Event::Incoming(Packet::Publish(publish)) => {
                let line = String::from_utf8_lossy(&publish.payload).into_owned();
                let (receipt, _) = Receipt::verify(&line, &self.key, &name(GW)).map_err(told)?;
                self.upto = self.upto.max(usize::try_from(receipt.upto).map_err(told)?);
            }
            _ => {}
        }
        Ok(())
    }
}
