//! A session that stands: batches and asks out, receipts and orders in.

use super::{Ended, Link, WAITING};
use crate::broker::Connection;
use crate::certificate::{self, News, Outfit};
use crate::journal::thread::Parcel;
use picket_core::wire::{Input, Lane};
use picket_record::encode::line_link;
use picket_session::{Answer, Ears, Event, Message, Payload, Unsent};
use std::collections::VecDeque;
use tokio::sync::{mpsc, watch};

/// When the keeper has something new; never without one.
async fn changed(outfit: Option<&mut watch::Receiver<Outfit>>) {
    let changed = match outfit {
        Some(outfit) => outfit.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

/// A batch or an ask on its way.
struct Flight {
    /// Packet id; none where it was never sent.
    id: Option<u16>,
    /// None for an ask.
    lane: Option<Lane>,
    through: u64,
    /// Told once those before it in its lane are.
    result: Option<Result<u64, String>>,
}

/// A batch or an ask that is to be sent.
struct Load {
    lane: Option<Lane>,
    through: u64,
    content_type: &'static str,
    payload: Vec<u8>,
}

/// A session that stands.
pub(super) struct Conversation<'a> {
    link: &'a mut Link,
    connection: Connection,
    /// In the order they were sent.
    flights: VecDeque<Flight>,
    /// In the order they came. Empty while the broker has room.
    waiting: VecDeque<Load>,
    /// What is to be said to `think`; while there is something nothing is read.
    told: VecDeque<Input>,
}

impl<'a> Conversation<'a> {
    /// With nothing under way.
    pub(super) fn new(link: &'a mut Link, connection: Connection) -> Self {
        let (flights, waiting, told) = Default::default();
        Self { link, connection, flights, waiting, told }
    }

    /// Every wait of the selection may be cancelled; what follows a wait never is.
    pub(super) async fn carry(mut self, parcels: &mut mpsc::Receiver<Parcel>) -> Result<(), Ended> {
        let inputs = self.link.inputs.clone();
        loop {
            let ears = if self.told.is_empty() { Ears::Open } else { Ears::Shut };
            tokio::select! {
                parcel = parcels.recv() => match parcel {
                    Some(parcel) => self.take(parcel),
                    None => {
                        self.connection.close().await;
                        return Ok(());
                    }
                },
                event = self.connection.next(ears) => match event {
                    Ok(event) => self.hear(event),
                    Err(fault) => {
                        let oddities = self.connection.oddities();
                        tracing::debug!(?oddities, "what the broker did against the protocol in this session");
                        return Err(fault.into());
                    }
                },
                () = changed(self.link.keeper.as_mut().map(|keeper| &mut keeper.outfit)) => {
                    if self.wish() {
                        self.connection.close().await;
                        return Err("it connects anew with other papers".to_owned().into());
                    }
                }
                room = inputs.reserve(), if !self.told.is_empty() => {
                    let room = room.map_err(|_| "stopping".to_owned())?;
                    if let Some(input) = self.told.pop_front() {
                        room.send(input);
                    }
                }
            }
            self.send_waiting();
        }
    }

    /// Has a wish sent that was not sent in this session; whether there are other papers than those that it connected
    /// with.
    pub(super) fn wish(&mut self) -> bool {
        let Some(keeper) = &mut self.link.keeper else { return false };
        let Outfit { edition, wish, .. } = keeper.outfit.borrow_and_update().clone();
        if let Some((n, line)) = wish.filter(|(n, _)| *n != self.link.wished) {
            self.link.wished = n;
            let (content_type, payload) = (certificate::CONTENT_TYPE, line.into_bytes());
            self.put(Load { lane: None, through: 0, content_type, payload });
        }
        edition != self.link.edition
    }

    fn put(&mut self, load: Load) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(load);
        } else {
            self.failed(&load, "too much waits for the broker".to_owned());
        }
    }

    fn take(&mut self, parcel: Parcel) {
        let load = match parcel {
            Parcel::Batch { session, lane, lines } if session == self.link.session => {
                let content_type = match lines.deflated {
                    true => "application/jose-lines+deflate",
                    false => "application/jose-lines",
                };
                Load { lane: Some(lane), through: lines.through, content_type, payload: lines.payload }
            }
            Parcel::Ask { session, newest } if session == self.link.session => {
                let payload = format!(r#"{{"gw":"{}","n":{newest}}}"#, self.link.gateway).into_bytes();
                Load { lane: None, through: 0, content_type: "application/json", payload }
            }
            Parcel::Call { here } => {
                // Nobody waits for it any more where this fails.
                let _ = here.send(());
                return;
            }
            // For a session that is gone.
            Parcel::Batch { .. } | Parcel::Ask { .. } => return,
        };
        self.put(load);
    }

    fn send_waiting(&mut self) {
        while self.connection.may_publish() {
            let Some(mut load) = self.waiting.pop_front() else { return };
            let lane = match load.lane {
                Some(Lane::Urgent) => "urgent",
                Some(Lane::Record) => "record",
                None => "ask",
            };
            let payload = std::mem::take(&mut load.payload);
            match self.connection.publish(&self.link.topic(lane), load.content_type, payload) {
                Ok(id) => {
                    let Load { lane, through, .. } = load;
                    self.flights.push_back(Flight { id: Some(id), lane, through, result: None });
                }
                Err(unsent @ (Unsent::TooLarge { .. } | Unsent::Full)) => self.failed(&load, unsent.to_string()),
            }
        }
    }

    fn failed(&mut self, load: &Load, why: String) {
        tracing::warn!(why, through = load.through, "a batch cannot be sent");
        let result = Some(Err(why));
        self.flights.push_back(Flight { id: None, lane: load.lane, through: load.through, result });
        self.tell_sent();
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Answered { id, answer } => self.answered(id, answer),
            Event::Message(message) if message.topic.ends_with("/order") => self.order(message),
            Event::Message(message) => self.receipt(message),
            Event::Opened { .. } | Event::Subscribed { .. } => {}
        }
    }

    fn answered(&mut self, id: u16, answer: Answer) {
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == Some(id)) else { return };
        flight.result = Some(match answer {
            Answer::Taken => Ok(flight.through),
            Answer::Unheard => Err("nobody listens at the broker".to_owned()),
            Answer::Refused(reason) => Err(format!("the broker refused a batch: {reason:?}")),
        });
        self.tell_sent();
    }

    /// What decides knows the oldest of a lane first, in whatever order a broker acknowledges.
    fn tell_sent(&mut self) {
        let session = self.link.session;
        while let Some(at) = self.first_known() {
            let Some(Flight { lane, result: Some(result), .. }) = self.flights.remove(at) else { return };
            self.told.extend(lane.map(|lane| Input::Sent { session, lane, result }));
        }
    }

    /// A flight that ended and has none of its lane before it.
    fn first_known(&self) -> Option<usize> {
        let ended = |(at, flight): &(usize, &Flight)| {
            flight.result.is_some() && self.flights.iter().take(*at).all(|before| before.lane != flight.lane)
        };
        self.flights.iter().enumerate().find(ended).map(|(at, _)| at)
    }

    fn order(&mut self, message: Message) {
        if let Some(id) = message.owed {
            self.connection.acknowledge(id);
        }
        let input = match message.payload {
            Payload::Whole(bytes) if message.content_type.as_deref() == Some(certificate::CONTENT_TYPE) => {
                self.link.news(News::Answer(bytes.to_vec()));
                None
            }
            Payload::Whole(bytes) => {
                Some(Input::OrderHeard { content_type: message.content_type, payload: bytes.to_vec() })
            }
            Payload::Oversize { bytes } | Payload::Damaged { bytes, .. } => {
                self.link.misordered.one("order", bytes).map(|cause| Input::OrderMisheard { cause })
            }
        };
        self.told.extend(input);
    }

    /// The line of what may be a receipt: whether the centre has answered is known once the journal took it.
    fn heard<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, std::str::Utf8Error> {
        let line = std::str::from_utf8(bytes)?.trim();
        self.link.news(News::Heard { edition: self.link.edition, receipt: line_link(line) });
        Ok(line)
    }

    fn receipt(&mut self, message: Message) {
        if let Some(id) = message.owed {
            self.connection.acknowledge(id);
        }
        let input = match message.payload {
            Payload::Whole(bytes) => Some(match self.heard(&bytes) {
                Ok(line) => Input::ReceiptHeard { line: line.to_owned() },
                Err(_) => Input::ReceiptRefused { cause: "a receipt that is not text".into() },
            }),
            Payload::Oversize { bytes } | Payload::Damaged { bytes, .. } => {
                self.link.thrown.one("receipt", bytes).map(|cause| Input::ReceiptRefused { cause })
            }
        };
        self.told.extend(input);
    }
}
