//! A message of a broker, whole or as much of it as is known.

use crate::Fault;
use crate::inbox::{Header, length};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, check};

pub(crate) const QOS_2: &str = "a message at QoS 2, 1 was asked for";

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// As published; what is not UTF-8 is replaced.
    pub topic: String,
    /// As published.
    pub content_type: Option<String>,
    /// The broker kept it and gives it to whoever subscribes.
    pub retained: bool,
    /// The broker says that it sent it before.
    pub again: bool,
    /// Packet id to acknowledge; none at QoS 0.
    pub owed: Option<u16>,
    /// What it says.
    pub payload: Payload,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// All of it.
    Whole(Bytes),
    /// It was larger than is read, and was thrown away as it came.
    Oversize {
        /// Of the payload.
        bytes: usize,
    },
    /// It could not be read. Ending the session would bring it again for ever.
    Damaged {
        /// Of the packet behind its fixed header.
        bytes: usize,
        /// Why, for people.
        why: String,
    },
}

/// A message that is there whole.
pub(crate) fn whole(header: Header, packet: Bytes) -> Result<Message, Fault> {
    let read = check(packet.iter(), None).and_then(|fixed| Publish::read(fixed, packet.clone()));
    let error = match read {
        Ok(publish) => return message(publish),
        Err(error) => error,
    };
    let Some((head, _)) = Head::of(header, &packet[header.length..])? else { return Err(Fault::Damaged(error)) };
    Ok(head.message(header, Payload::Damaged { bytes: header.body, why: error.to_string() }))
}

fn message(publish: Publish) -> Result<Message, Fault> {
    let properties = publish.properties.unwrap_or_default();
    if properties.topic_alias.is_some() {
        return Err(Fault::Protocol("a topic alias, none were agreed"));
    }
    let owed = match publish.qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce => Some(publish.pkid),
        QoS::ExactlyOnce => return Err(Fault::Protocol(QOS_2)),
    };
    Ok(Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        content_type: properties.content_type,
        retained: publish.retain,
        again: publish.dup,
        owed,
        payload: Payload::Whole(publish.payload),
    })
}

/// A message too large to be read, from the beginning of its body; `None` while too little of that is there: they
/// take some 64 KiB at most.
pub(crate) fn oversize(header: Header, body: &[u8]) -> Result<Option<Message>, Fault> {
    let Some((head, rest)) = Head::of(header, body)? else { return Ok(None) };
    let Some((properties, taken)) = length(rest)? else { return Ok(None) };
    let payload = match header.body.checked_sub(body.len() - rest.len() + taken + properties) {
        Some(bytes) => Payload::Oversize { bytes },
        None => Payload::Damaged { bytes: header.body, why: "properties longer than their packet".to_owned() },
    };
    Ok(Some(head.message(header, payload)))
}

/// Topic and packet id: MQTT 5.0 section 3.3.2.
pub(crate) struct Head {
    topic: String,
    owed: Option<u16>,
}

impl Head {
    /// With what follows it; `None` while it is not all there.
    fn of(header: Header, body: &[u8]) -> Result<Option<(Self, &[u8])>, Fault> {
        let Some((&size, rest)) = body.split_first_chunk() else { return Ok(None) };
        let Some((topic, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(size))) else { return Ok(None) };
        let (owed, rest) = match (header.first & 0b0110, rest.split_first_chunk()) {
            (0, _) => (None, rest),
            (0b0010, Some((id, rest))) => (Some(u16::from_be_bytes(*id)), rest),
            (0b0010, None) => return Ok(None),
            _ => return Err(Fault::Protocol(QOS_2)),
        };
        if owed == Some(0) {
            return Err(Fault::Protocol("a message with packet id 0"));
        }
        Ok(Some((Self { topic: String::from_utf8_lossy(topic).into_owned(), owed }, rest)))
    }

    fn message(self, header: Header, payload: Payload) -> Message {
        Message {
            topic: self.topic,
            content_type: None,
            retained: header.first & 1 != 0,
            again: header.first & 0b1000 != 0,
            owed: self.owed,
            payload,
        }
    }
}
