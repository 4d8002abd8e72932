//! One connection to the broker: packets in and out by the codec of rumqttc, and a limit on what one may take.
//!
//! The event loop of rumqttc is not used. It knows two answers to a large message: to end the connection, so that the
//! broker sends it again for ever, or to tell the broker a maximum, and then mosquitto 2.0.11 (Debian 12) drops the
//! message but never gives back its place: after as many as the receive maximum, nothing at QoS 1 comes any more and
//! nobody is told. Here the payload is counted and thrown away as it comes, and the message is said with its size.

use super::fault::SessionFault;
use bytes::{Buf, BytesMut};
use picket_core::wire::{Delivery, Heard};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Packet, Publish, SubAck};
use rustix::net::sockopt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Largest payload that is passed on; alarms, readings and e-lock reports are a few KiB.
const MAX_PAYLOAD: usize = 64 * 1024;
/// Largest packet that is read whole: a payload, the longest topic, and a little for properties.
const MAX_PACKET: usize = MAX_PAYLOAD + 0xFFFF + 4 * 1024;
/// Bytes asked of the socket at a time.
const CHUNK: usize = 16 * 1024;
/// Longest wait until a few bytes have left; they only wait if the broker reads nothing.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// Unacknowledged bytes older than this end the connection: a half-open one is seen at the next ping.
const USER_TIMEOUT_MS: u32 = 15_000;

/// What a broker sends.
#[derive(Debug)]
pub(super) enum Incoming {
    Connected(ConnAck),
    Subscribed(SubAck),
    Message(Arrival),
    Alive,
}

/// A message, cut to what is passed on.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) heard: Heard,
    /// Packet id to acknowledge; none at QoS 0.
    pub(super) owed: Option<u16>,
}

pub(super) struct Link {
    stream: TcpStream,
    /// At most one packet below [`MAX_PACKET`], and a chunk.
    inbox: BytesMut,
    /// Bytes of an oversize payload that are still to be thrown away.
    skip: usize,
}

impl Link {
    pub(super) async fn open(host: &str, port: u16) -> Result<Self, SessionFault> {
        let stream = TcpStream::connect((host, port)).await.map_err(SessionFault::Unreachable)?;
        stream.set_nodelay(true).map_err(SessionFault::Unreachable)?;
        let limited = sockopt::set_tcp_user_timeout(&stream, USER_TIMEOUT_MS);
        limited.map_err(|error| SessionFault::Unreachable(error.into()))?;
        Ok(Self { stream, inbox: BytesMut::new(), skip: 0 })
    }

    /// Sends one packet.
    pub(super) async fn send(&mut self, packet: &Packet) -> Result<(), SessionFault> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).map_err(SessionFault::Damaged)?;
        match timeout(SEND_PATIENCE, self.stream.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(SessionFault::Stuck(SEND_PATIENCE.as_secs())),
        }
    }

    /// The next packet. Safe to cancel: what was read stays in the link.
    pub(super) async fn next(&mut self) -> Result<Incoming, SessionFault> {
        loop {
            let skipped = self.skip.min(self.inbox.len());
            self.inbox.advance(skipped);
            self.skip -= skipped;
            if self.skip == 0 {
                if let Some(incoming) = self.take()? {
                    return Ok(incoming);
                }
            }
            self.inbox.reserve(CHUNK);
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(SessionFault::Closed),
                Ok(_) => {}
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    /// Takes a packet out of the inbox, if it is there.
    fn take(&mut self) -> Result<Option<Incoming>, SessionFault> {
        let Some(header) = Header::of(&self.inbox)? else { return Ok(None) };
        if header.body > MAX_PACKET {
            return match header.kind() {
                3 => self.take_oversize(header),
                kind => Err(SessionFault::Oversize { kind, size: header.body, limit: MAX_PACKET }),
            };
        }
        if self.inbox.len() < header.length + header.body {
            return Ok(None);
        }
        let mut packet = self.inbox.split_to(header.length + header.body);
        // The codec wants properties even where MQTT 5.0 section 3.14.2.2 allows none.
        if header.kind() == 14 {
            return Err(SessionFault::goodbye(packet.get(header.length).copied().unwrap_or(0)));
        }
        match Packet::read(&mut packet, None).map_err(SessionFault::Damaged)? {
            Packet::ConnAck(answer) => Ok(Some(Incoming::Connected(answer))),
            Packet::SubAck(answer) => Ok(Some(Incoming::Subscribed(answer))),
            Packet::Publish(publish) => arrival(&publish).map(|arrival| Some(Incoming::Message(arrival))),
            Packet::PingResp(_) => Ok(Some(Incoming::Alive)),
            _ => Err(SessionFault::Protocol("a packet that only a client sends")),
        }
    }

    /// Takes the head of a message that is not read whole, once it is there. The rest is skipped.
    fn take_oversize(&mut self, header: Header) -> Result<Option<Incoming>, SessionFault> {
        let head = self.inbox.get(header.length..).unwrap_or_default();
        let Some(arrival) = oversize_arrival(header, head)? else { return Ok(None) };
        self.inbox.advance(header.length);
        self.skip = header.body;
        Ok(Some(Incoming::Message(arrival)))
    }
}

/// Topic, packet id and length of the properties, as MQTT 5.0 section 3.3 lays them out; `None` while they are not all
/// there. They are shorter than [`MAX_PACKET`], and the packet is longer.
fn oversize_arrival(header: Header, head: &[u8]) -> Result<Option<Arrival>, SessionFault> {
    let Some((&[high, low], rest)) = head.split_first_chunk() else { return Ok(None) };
    let topic_length = usize::from(u16::from_be_bytes([high, low]));
    let Some((topic, rest)) = rest.split_at_checked(topic_length) else { return Ok(None) };
    let (owed, rest) = match (header.first & 0b0110, rest.split_first_chunk()) {
        (0, _) => (None, rest),
        (0b0010, Some((id, rest))) => (Some(u16::from_be_bytes(*id)), rest),
        (0b0010, None) => return Ok(None),
        _ => return Err(SessionFault::Protocol("a message at QoS 2, 1 was asked for")),
    };
    let Some((properties, taken)) = length(rest)? else { return Ok(None) };
    let before = head.len() - rest.len() + taken + properties;
    let Some(size) = header.body.checked_sub(before) else {
        return Err(SessionFault::Protocol("properties longer than their packet"));
    };
    let heard = Heard::Message {
        topic: String::from_utf8_lossy(topic).into_owned(),
        payload: Vec::new(),
        retained: header.first & 1 != 0,
        oversize: Some(size as u64),
        delivery: owed.map(|packet| Delivery { packet, again: header.first & 0b1000 != 0 }),
    };
    Ok(Some(Arrival { heard, owed }))
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
    fn of(bytes: &[u8]) -> Result<Option<Self>, SessionFault> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        Ok(length(rest)?.map(|(body, taken)| Self { first: *first, length: 1 + taken, body }))
    }

    fn kind(self) -> u8 {
        self.first >> 4
    }
}

/// A variable byte integer and how many bytes it takes: MQTT 5.0 section 1.5.5.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, SessionFault> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 { Err(SessionFault::Protocol("a length of more than four bytes")) } else { Ok(None) }
}

fn arrival(publish: &Publish) -> Result<Arrival, SessionFault> {
    if publish.properties.as_ref().is_some_and(|properties| properties.topic_alias.is_some()) {
        return Err(SessionFault::Protocol("a topic alias, none were agreed"));
    }
    let owed = match publish.qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce => Some(publish.pkid),
        QoS::ExactlyOnce => return Err(SessionFault::Protocol("a message at QoS 2, 1 was asked for")),
    };
    let size = publish.payload.len();
    let oversize = (size > MAX_PAYLOAD).then_some(size as u64);
    let heard = Heard::Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: if oversize.is_some() { Vec::new() } else { publish.payload.to_vec() },
        retained: publish.retain,
        oversize,
        delivery: owed.map(|packet| Delivery { packet, again: publish.dup }),
    };
    Ok(Arrival { heard, owed })
}

fn lost(error: &io::Error) -> SessionFault {
    tracing::debug!(%error, "connection to the broker broke");
    SessionFault::Closed
}
