//! The messages that a device spoke last, so that one that a broker hands over twice is taken once.

use super::json_value;
use crate::memory;
use crate::wire::{Delivery, StateRow};
use picket_device::quantity::Observation;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;

/// What a message is known by when it comes again.
#[derive(Debug, Clone, Copy)]
pub enum Mark<'a> {
    /// The time that its device gave it.
    Time(&'a str),
    /// It has no time: how the broker hands it over.
    Packet(Delivery),
}

/// A message that its record remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its number among those of the device.
    pub(super) n: u64,
    told: Told,
}

impl Remembered {
    /// Puts it to the data of its record, where [`crate::memory`] finds it.
    pub(super) fn state_in(&self, data: &mut Json) {
        data["message"] = self.n.into();
        if let Some(packet) = self.told.packet {
            data["packet"] = json!([packet, self.told.digest]);
        }
    }
}

/// A message as its row tells it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    digest: String,
    /// Packet identifier of a message without a time.
    packet: Option<u16>,
}

impl Told {
    pub(super) fn of(seen: &[Observation], mark: Mark<'_>) -> Self {
        let points = seen.iter().map(|o| (o.point.clone(), json_value(o, ""))).collect();
        match mark {
            Mark::Time(time) => Self { digest: memory::message_digest(time, &points), packet: None },
            Mark::Packet(delivery) => {
                Self { digest: memory::message_digest("", &points), packet: Some(delivery.packet) }
            }
        }
    }

    /// `[number, digest]`, and the packet where there is one, as [`crate::memory`] writes it.
    fn read(row: &StateRow) -> Option<(u64, Self)> {
        let timed = serde_json::from_str(&row.body).map(|(n, digest)| (n, Self { digest, packet: None }));
        let packed = || serde_json::from_str(&row.body).map(|(n, digest, id)| (n, Self { digest, packet: Some(id) }));
        timed.or_else(|_| packed()).ok()
    }
}

/// Most messages that a broker may have handed over without an acknowledgement: the receive maximum of a line.
const MAX_UNACKNOWLEDGED: usize = 32;

/// Records before the end of the journal among which one may tell of a message that was not acknowledged: each message
/// makes a few, and other lines make theirs meanwhile.
const LATE_RECORDS: u64 = 4 * MAX_UNACKNOWLEDGED as u64;

/// The last messages of one device, in this session and in those before it.
///
/// One that its device dated is known by that and what it says. One without a time is known only where the broker says
/// that it hands it over again, by packet identifier and what it says, among the last that may be unacknowledged, and
/// only at the head of a session: brokers hand over again in order, and what follows one that was not taken was not taken
/// either, or must be taken again to end in the same state. Brokers count packet identifiers up (mosquitto does), so
/// where they fall the broker began anew, and what is older is forgotten: a message taken twice is better than one lost.
/// So is what the session before the last one told, once the last one told something.
#[derive(Debug, Default)]
pub(super) struct Messages {
    before: VecDeque<Told>,
    session: VecDeque<Told>,
    next: u64,
    /// What the broker owed from the session before was handed over in this one.
    caught_up: bool,
}

impl Messages {
    /// `head`: number of the last record. Only what stood near it can have been stored and not acknowledged; what is
    /// older is forgotten where packet identifiers alone would tell it, since a broker may count them anew.
    pub(super) fn recover(device: &str, rows: &[StateRow], head: u64) -> Self {
        let prefix = memory::message_key(device, 0);
        let prefix = prefix.trim_end_matches("000");
        let of_device = rows.iter().filter(|row| row.key.starts_with(prefix));
        let mut rows: Vec<(u64, Told, u64)> =
            of_device.filter_map(|row| Told::read(row).map(|(n, told)| (n, told, row.seq))).collect();
        rows.sort_by_key(|(n, ..)| *n);
        let next = rows.last().map_or(0, |(n, ..)| n + 1);
        let known = rows.into_iter().filter(|(_, told, seq)| told.packet.is_none() || seq + LATE_RECORDS > head);
        Self { before: known.map(|(_, told, _)| told).collect(), next, ..Self::default() }
    }

    pub(super) fn is_known(&mut self, seen: &[Observation], mark: Mark<'_>) -> bool {
        let told = Told::of(seen, mark);
        let Mark::Packet(delivery) = mark else { return self.take_known(&told) };
        self.caught_up |= !delivery.again || !self.is_unacknowledged(&told);
        if !self.caught_up {
            self.session.push_back(told);
        }
        !self.caught_up
    }

    /// Matched once in a session, and again in the next one where its acknowledgement was lost too.
    fn take_known(&mut self, told: &Told) -> bool {
        let at = self.before.iter().position(|before| before == told);
        let known = at.and_then(|at| self.before.remove(at));
        self.session.extend(known.clone());
        known.is_some()
    }

    fn is_unacknowledged(&self, told: &Told) -> bool {
        let mut above = u16::MAX;
        let last = self.before.iter().rev().filter(|before| before.packet.is_some()).take(MAX_UNACKNOWLEDGED);
        let rising = last.take_while(|before| {
            let packet = before.packet.unwrap_or_default();
            packet <= std::mem::replace(&mut above, packet.saturating_sub(1))
        });
        rising.into_iter().any(|before| before == told)
    }

    /// A message without a time that is no news has no record, and is remembered by this process alone.
    pub(super) fn remember(&mut self, told: Told, is_news: bool) -> Option<Remembered> {
        self.session.push_back(told.clone());
        keep_newest(&mut self.session);
        if told.packet.is_some() && !is_news {
            return None;
        }
        let n = self.next;
        self.next += 1;
        Some(Remembered { n, told })
    }

    pub(super) fn session_lost(&mut self) {
        if !self.session.is_empty() {
            self.before.retain(|before| before.packet.is_none());
        }
        self.before.append(&mut self.session);
        keep_newest(&mut self.before);
        self.caught_up = false;
    }
}

fn keep_newest(messages: &mut VecDeque<Told>) {
    while messages.len() as u64 > memory::MESSAGES {
        messages.pop_front();
    }
}
