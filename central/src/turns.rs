//! What waits to be taken: messages by gateway, each gateway in its turn, so that a flood of one delays nobody else.

use crate::check::Slice;
use crate::link::Mouth;
use crate::unpack::{self, UnpackRefusal};
use bytes::Bytes;
use std::collections::VecDeque;

/// Lines that a gateway has taken at its turn.
const SLICE: usize = 512;
/// Bytes of messages that wait, as they came. A session that has more reads no more.
const WAITING_MAX: usize = 8 * 1024 * 1024;
/// Bytes of texts that are taken in slices: two of the largest. A message is not unpacked before there is room.
const OPEN_MAX: usize = 2 * unpack::INFLATED_MAX;

/// A message of a gateway, as it came.
#[derive(Debug)]
pub struct Parcel {
    /// As the topic names it.
    pub gw: String,
    /// As published.
    pub content_type: Option<String>,
    /// As published.
    pub payload: Bytes,
    /// To be acknowledged, once all of it is stored.
    pub owed: Option<Owed>,
}

/// An acknowledgement that is due after the commit.
#[derive(Debug)]
pub struct Owed {
    /// Of the connection that the message came with.
    pub mouth: Mouth,
    /// The message.
    pub id: u16,
}

/// What a gateway has at its turn.
#[derive(Debug)]
pub enum Taken {
    /// Some lines, with the acknowledgement where they are the last of their message.
    Lines(Slice, Option<Owed>),
    /// A message that holds none.
    Unreadable(Parcel, UnpackRefusal),
}

/// One gateway that waits.
#[derive(Debug)]
struct Waiting {
    gw: String,
    parcels: VecDeque<Parcel>,
    open: Option<Open>,
}

/// A message that is taken in slices.
#[derive(Debug)]
struct Open {
    text: Bytes,
    at: usize,
    owed: Option<Owed>,
}

/// Who waits, in the order of turns.
#[derive(Debug, Default)]
pub struct Turns {
    ring: VecDeque<Waiting>,
    waiting: usize,
    open: usize,
}

impl Turns {
    /// Puts a message behind those of its gateway.
    pub fn put(&mut self, parcel: Parcel) {
        self.waiting += parcel.payload.len();
        match self.ring.iter_mut().find(|one| one.gw == parcel.gw) {
            Some(one) => one.parcels.push_back(parcel),
            None => {
                let gw = parcel.gw.clone();
                self.ring.push_back(Waiting { gw, parcels: VecDeque::from([parcel]), open: None });
            }
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether another message may be put.
    pub fn has_room(&self) -> bool {
        self.waiting < WAITING_MAX
    }

    /// The next lines of the gateway whose turn it is; it comes again after all others.
    pub fn take(&mut self) -> Option<Taken> {
        // Where there is no room to unpack, somebody with an open message is served.
        let room = self.open < OPEN_MAX;
        let at = self.ring.iter().position(|one| room || one.open.is_some())?;
        let mut one = self.ring.remove(at)?;
        let taken = self.take_of(&mut one);
        if one.open.is_some() || !one.parcels.is_empty() {
            self.ring.push_back(one);
        }
        taken
    }

    fn take_of(&mut self, one: &mut Waiting) -> Option<Taken> {
        let mut open = match one.open.take() {
            Some(open) => open,
            None => {
                let parcel = one.parcels.pop_front()?;
                self.waiting -= parcel.payload.len();
                match unpack::text(parcel.content_type.as_deref(), &parcel.payload) {
                    Ok(text) => {
                        self.open += text.len();
                        Open { text, at: 0, owed: parcel.owed }
                    }
                    Err(refusal) => return Some(Taken::Unreadable(parcel, refusal)),
                }
            }
        };
        let lines = unpack::next_lines(&open.text, &mut open.at, SLICE);
        let slice = Slice::new(one.gw.clone(), open.text.clone(), lines);
        if open.at < open.text.len() {
            one.open = Some(open);
            return Some(Taken::Lines(slice, None));
        }
        self.open -= open.text.len();
        Some(Taken::Lines(slice, open.owed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(gw: &str, lines: usize) -> Parcel {
        Parcel { gw: gw.into(), content_type: None, payload: Bytes::from("a\n".repeat(lines)), owed: None }
    }

    fn order(turns: &mut Turns) -> Vec<(String, usize)> {
        let slices = std::iter::from_fn(|| turns.take());
        slices
            .map(|taken| match taken {
                Taken::Lines(slice, _) => (slice.gw.clone(), slice.len()),
                Taken::Unreadable(parcel, _) => (parcel.gw, 0),
            })
            .collect()
    }

    #[test]
    fn a_gateway_that_floods_has_one_turn_for_one_of_each_other() {
        let mut turns = Turns::default();
        (0..3).for_each(|_| turns.put(parcel("flood", 600)));
        turns.put(parcel("quiet", 2));
        let order = order(&mut turns);
        assert_eq!(order[..3], [("flood".into(), 512), ("quiet".into(), 2), ("flood".into(), 88)]);
        assert_eq!(order.iter().filter(|(gw, _)| gw == "flood").map(|(_, lines)| lines).sum::<usize>(), 1800);
        assert!(turns.is_empty());
    }

    #[test]
    fn messages_that_inflate_are_opened_one_by_one_where_there_is_no_room() {
        let mut turns = Turns::default();
        let bomb = || {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, &vec![b'\n'; unpack::INFLATED_MAX]).unwrap();
            Bytes::from(encoder.finish().unwrap())
        };
        for index in 0..8 {
            let gw = format!("gw-{index}");
            turns.put(Parcel { gw, content_type: Some(unpack::DEFLATED.into()), payload: bomb(), owed: None });
        }
        while turns.take().is_some() {
            assert!(turns.open <= OPEN_MAX);
        }
    }
}
