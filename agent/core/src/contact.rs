//! Who is there: last good word of each device, and who has been silent too long.

use crate::plan::{Device, DeviceId};
use crate::time::{Now, ms};

/// Contact with every device of the plan.
#[derive(Debug)]
pub struct Contacts {
    devices: Vec<Contact>,
}

#[derive(Debug)]
struct Contact {
    limit_us: u64,
    /// Last good word, or the start.
    since_us: u64,
    seen_ms: Option<i64>,
    heard: bool,
    silent: bool,
}

/// What is known of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing heard since the start, and still in time.
    Never,
    /// Heard lately.
    Seen,
    /// Silent too long, or said so itself.
    Silent,
}

impl Contacts {
    /// All in time at the start.
    pub fn new(now: &Now, devices: &[Device]) -> Self {
        let contact = |device: &Device| Contact {
            limit_us: ms(device.silence_ms),
            since_us: now.mono_us,
            seen_ms: None,
            heard: false,
            silent: false,
        };
        Self { devices: devices.iter().map(contact).collect() }
    }

    /// After a start: an open silence goes on until a good word.
    pub fn recover_silent(&mut self, device: DeviceId) {
        if let Some(contact) = self.devices.get_mut(usize::from(device.0)) {
            contact.silent = true;
        }
    }

    /// A good word. True where it ends a silence.
    pub fn good(&mut self, now: &Now, device: DeviceId) -> bool {
        let Some(contact) = self.devices.get_mut(usize::from(device.0)) else { return false };
        contact.since_us = now.mono_us;
        contact.seen_ms = now.utc_ms;
        contact.heard = true;
        std::mem::take(&mut contact.silent)
    }

    /// The device said that it goes (its last will). True where that begins a silence.
    pub fn gone(&mut self, device: DeviceId) -> bool {
        let contact = self.devices.get_mut(usize::from(device.0));
        contact.is_some_and(|contact| !std::mem::replace(&mut contact.silent, true))
    }

    /// Devices whose silence begins now.
    pub fn timeout(&mut self, now: &Now) -> Vec<DeviceId> {
        let mut silent = Vec::new();
        for (index, contact) in self.devices.iter_mut().enumerate() {
            if contact.due().is_some_and(|due| now.mono_us >= due) {
                contact.silent = true;
                silent.push(DeviceId(u16::try_from(index).unwrap_or(u16::MAX)));
            }
        }
        silent
    }

    /// When [`Contacts::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        self.devices.iter().filter_map(Contact::due).min()
    }

    /// What is known of a device, and its last good word.
    pub fn presence(&self, device: DeviceId) -> (Presence, Option<i64>) {
        let Some(contact) = self.devices.get(usize::from(device.0)) else { return (Presence::Never, None) };
        let presence = match (contact.silent, contact.heard) {
            (true, _) => Presence::Silent,
            (false, true) => Presence::Seen,
            (false, false) => Presence::Never,
        };
        (presence, contact.seen_ms)
    }
}

impl Contact {
    fn due(&self) -> Option<u64> {
        (self.limit_us > 0 && !self.silent).then(|| self.since_us + self.limit_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DeviceSpeech, LineId, ReadingsPolicy};
    use crate::testbed::{at, id};
    use std::collections::BTreeMap;

    const READER: DeviceId = DeviceId(0);

    fn contacts(silence_ms: u64) -> Contacts {
        let device = Device {
            name: "reader".into(),
            line: LineId(0),
            equipment: id("READER-1"),
            speech: DeviceSpeech::SealReader,
            silence_ms,
            bindings: BTreeMap::new(),
            readings: ReadingsPolicy::Off,
        };
        Contacts::new(&at(0), &[device])
    }

    #[test]
    fn a_device_is_silent_once_and_exactly_when_its_limit_passes() {
        let mut contacts = contacts(1_000);
        assert_eq!(contacts.deadline(), Some(1_000_000));
        assert_eq!(contacts.timeout(&at(999_999)), []);
        assert_eq!(contacts.timeout(&at(1_000_000)), [READER]);
        assert_eq!(contacts.timeout(&at(2_000_000)), []);
        assert_eq!(contacts.deadline(), None);
    }

    #[test]
    fn a_good_word_ends_a_silence_once() {
        let mut contacts = contacts(1_000);
        contacts.timeout(&at(1_000_000));
        assert!(contacts.good(&at(1_500_000), READER));
        assert!(!contacts.good(&at(1_600_000), READER));
        assert_eq!(contacts.deadline(), Some(2_600_000));
    }

    #[test]
    fn a_silence_that_was_open_before_the_start_does_not_begin_again() {
        let mut contacts = contacts(1_000);
        contacts.recover_silent(READER);
        assert_eq!(contacts.timeout(&at(9_000_000)), []);
        assert!(!contacts.gone(READER));
        assert!(contacts.good(&at(9_000_000), READER));
    }

    #[test]
    fn without_a_limit_only_its_last_will_makes_a_device_silent() {
        let mut contacts = contacts(0);
        assert_eq!((contacts.timeout(&at(u64::MAX / 2_000)), contacts.deadline()), (Vec::new(), None));
        assert!(contacts.gone(READER));
        assert_eq!(contacts.presence(READER).0, Presence::Silent);
    }
}
