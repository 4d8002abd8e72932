//! Packets on one connection to the broker, by the codec of rumqttc, and a limit on what one may take in memory.
//!
//! The event loop of rumqttc is not used. It knows two answers to a message above its limit: to end the connection, so
//! that the broker sends the message again for ever, or to tell the broker a maximum, and then mosquitto 2.0.11 (Debian
//! 12) drops the message but never gives back its place: after as many as the receive maximum, nothing at QoS 1 comes
//! any more and nobody is told. Here such a message is thrown away as it comes, and can be acknowledged.

use super::Ended;
use bytes::{Buf as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, check};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Largest packet that is read whole. A gateway's batch is 256 KiB at most before it is deflated.
pub(super) const PACKET_MAX: usize = 1024 * 1024;
/// Bytes asked of the socket at a time.
const CHUNK: usize = 64 * 1024;
/// Longest wait until what is written has left; it only waits if the broker reads nothing.
const SEND_PATIENCE: Duration = Duration::from_secs(30);

/// What a broker sends.
#[derive(Debug)]
pub(super) enum Incoming {
    Packet(Box<Packet>),
    /// A message that was thrown away.
    Unreadable(Unreadable),
}

/// What is known of a message that was thrown away.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) topic: String,
    /// Packet id to acknowledge; none at QoS 0.
    pub(super) owed: Option<u16>,
    pub(super) why: String,
}

#[derive(Debug)]
pub(super) struct Frames {
    stream: TcpStream,
    /// At most one packet of [`PACKET_MAX`], and a chunk.
    inbox: BytesMut,
    /// Bytes of an oversize message that are still to be thrown away.
    skip: usize,
}

impl Frames {
    pub(super) async fn open(host: &str, port: u16) -> Result<Self, Ended> {
        let stream = TcpStream::connect((host, port)).await.map_err(Ended::Connection)?;
        // A receipt right behind an acknowledgement would wait for the broker's delayed one.
        stream.set_nodelay(true).map_err(Ended::Connection)?;
        Ok(Self { stream, inbox: BytesMut::new(), skip: 0 })
    }

    /// Sends one packet.
    pub(super) async fn send(&mut self, packet: &Packet) -> Result<(), Ended> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).map_err(Ended::Damaged)?;
        match timeout(SEND_PATIENCE, self.stream.write_all(&bytes)).await {
            Ok(sent) => sent.map_err(Ended::Connection),
            Err(_) => Err(Ended::Stuck),
        }
    }

    /// The next packet. Safe to cancel: what was read stays here.
    pub(super) async fn next(&mut self) -> Result<Incoming, Ended> {
        loop {
            let skipped = self.skip.min(self.inbox.len());
            self.inbox.advance(skipped);
            self.skip -= skipped;
            if self.skip == 0
                && let Some(incoming) = self.take()?
            {
                return Ok(incoming);
            }
            self.inbox.reserve(CHUNK);
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(Ended::Closed),
                Ok(_) => {}
                Err(error) => return Err(Ended::Connection(error)),
            }
        }
    }

    /// Takes a packet out of the inbox, if it is there.
    fn take(&mut self) -> Result<Option<Incoming>, Ended> {
        let Some(header) = Header::of(&self.inbox)? else { return Ok(None) };
        if header.body > PACKET_MAX {
            if header.kind() != PUBLISH {
                return Err(Ended::Protocol("a packet larger than any that is no message"));
            }
            let Some((topic, owed)) = addressed(header, &self.inbox[header.length..])? else { return Ok(None) };
            self.inbox.advance(header.length);
            self.skip = header.body;
            let why =
                format!("oversize: a message of {} bytes on {topic:.96}, at most {PACKET_MAX} are taken", header.body);
            return Ok(Some(Incoming::Unreadable(Unreadable { topic, owed, why })));
        }
        if self.inbox.len() < header.length + header.body {
            return Ok(None);
        }
        let mut packet = self.inbox.split_to(header.length + header.body);
        match header.kind() {
            PUBLISH => message(header, packet.freeze()).map(Some),
            // The codec wants properties even where MQTT 5.0 section 3.14.2.2 allows none.
            DISCONNECT => Err(Ended::Goodbye(packet.get(header.length).copied().unwrap_or(0))),
            _ => {
                let read = Packet::read(&mut packet, None).map_err(Ended::Damaged)?;
                Ok(Some(Incoming::Packet(Box::new(read))))
            }
        }
    }
}

/// Packet types: MQTT 5.0 section 2.1.2.
const PUBLISH: u8 = 3;
const DISCONNECT: u8 = 14;

/// A message that is there. One that the codec cannot read would come again for ever if it ended the connection.
fn message(header: Header, packet: Bytes) -> Result<Incoming, Ended> {
    let read = check(packet.iter(), None).and_then(|fixed| Publish::read(fixed, packet.clone()));
    let error = match read {
        Ok(publish) => return Ok(Incoming::Packet(Box::new(Packet::Publish(publish)))),
        Err(error) => error,
    };
    let Some((topic, owed)) = addressed(header, &packet[header.length..])? else { return Err(Ended::Damaged(error)) };
    let why = format!("damaged: a message of {} bytes on {topic:.96}: {error}", header.body);
    Ok(Incoming::Unreadable(Unreadable { topic, owed, why }))
}

/// Topic and packet id of a message, as MQTT 5.0 section 3.3.2 lays them out; `None` while they are not all there.
/// Together they are shorter than [`PACKET_MAX`].
fn addressed(header: Header, body: &[u8]) -> Result<Option<(String, Option<u16>)>, Ended> {
    let Some((&length, rest)) = body.split_first_chunk() else { return Ok(None) };
    let Some((topic, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(length))) else { return Ok(None) };
    let owed = match (header.first & 0b0110, rest.first_chunk()) {
        (0, _) => None,
        (0b0010, Some(id)) => Some(u16::from_be_bytes(*id)),
        (0b0010, None) => return Ok(None),
        _ => return Err(Ended::Protocol("a message at QoS 2, 1 was asked for")),
    };
    Ok(Some((String::from_utf8_lossy(topic).into_owned(), owed)))
}

/// The fixed header: MQTT 5.0 section 2.1.
#[derive(Debug, Clone, Copy)]
struct Header {
    first: u8,
    /// Bytes of the header itself.
    length: usize,
    /// Bytes after it.
    body: usize,
}

impl Header {
    /// `None` while it is not all there. The length is a variable byte integer: MQTT 5.0 section 1.5.5.
    fn of(bytes: &[u8]) -> Result<Option<Self>, Ended> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let mut body = 0;
        for (index, byte) in rest.iter().take(4).enumerate() {
            body |= usize::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(Some(Self { first, length: index + 2, body }));
            }
        }
        if rest.len() >= 4 { Err(Ended::Protocol("a length of more than four bytes")) } else { Ok(None) }
    }

    fn kind(self) -> u8 {
        self.first >> 4
    }
}
