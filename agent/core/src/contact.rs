//! Who is there: last good word of each device, and who has been silent too long.

use crate::plan::{Device, DeviceId};
use crate::time::{Now, ms};

/// Contact with every device of the plan.
#[derive(Debug)]
pub struct Contacts {
    devices: Vec<Contact>,
    /// A lost line makes its devices silent after this time; 0 = never.
    line_lost_us: u64,
}

#[derive(Debug)]
struct Contact {
    limit_us: u64,
    /// Last good word, or the start.
    since_us: u64,
    seen_ms: Option<i64>,
    heard: bool,
    silent: bool,
    /// Its line is lost since.
    lost_since: Option<u64>,
    /// Only the loss of its line made it silent: the line's return ends that.
    by_line: bool,
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
    /// All in time at the start. `line_lost_ms` as [`crate::plan::Limits`] says.
    pub fn new(now: &Now, devices: &[Device], line_lost_ms: u64) -> Self {
        let contact = |device: &Device| Contact {
            limit_us: ms(device.silence_ms),
            since_us: now.mono_us,
            seen_ms: None,
            heard: false,
            silent: false,
            lost_since: None,
            by_line: false,
        };
        Self { devices: devices.iter().map(contact).collect(), line_lost_us: ms(line_lost_ms) }
    }

    /// After a start: an open silence goes on until a good word, or until the line is back that made it.
    pub fn recover_silent(&mut self, device: DeviceId, by_line: bool) {
        if let Some(contact) = self.devices.get_mut(usize::from(device.0)) {
            contact.silent = true;
            contact.by_line = by_line;
        }
    }

    /// The speaking line of a device is lost.
    pub fn line_lost(&mut self, now: &Now, device: DeviceId) {
        if let Some(contact) = self.devices.get_mut(usize::from(device.0)) {
            contact.lost_since.get_or_insert(now.mono_us);
        }
    }

    /// The speaking line of a device is back. True where that ends its silence: what it had to say while nobody could
    /// hear it is not held against it.
    pub fn line_back(&mut self, now: &Now, device: DeviceId) -> bool {
        let Some(contact) = self.devices.get_mut(usize::from(device.0)) else { return false };
        if let Some(since) = contact.lost_since.take() {
            contact.since_us += now.mono_us.saturating_sub(since);
        }
        std::mem::take(&mut contact.by_line) && std::mem::take(&mut contact.silent)
    }

    /// Whether only the loss of its line made a device silent.
    pub fn is_silent_by_line(&self, device: DeviceId) -> bool {
        self.devices.get(usize::from(device.0)).is_some_and(|contact| contact.by_line)
    }

    /// Whether the speaking line of a device says that it is lost.
    pub fn is_line_lost(&self, device: DeviceId) -> bool {
        self.devices.get(usize::from(device.0)).is_some_and(|contact| contact.lost_since.is_some())
    }

    /// A good word. True where it ends a silence.
    pub fn good(&mut self, now: &Now, device: DeviceId) -> bool {
        let Some(contact) = self.devices.get_mut(usize::from(device.0)) else { return false };
        contact.since_us = now.mono_us;
        contact.seen_ms = now.utc_ms;
        contact.heard = true;
        contact.by_line = false;
        std::mem::take(&mut contact.silent)
    }

    /// The device said that it goes (its last will). True where that begins a silence.
    pub fn gone(&mut self, device: DeviceId) -> bool {
        let Some(contact) = self.devices.get_mut(usize::from(device.0)) else { return false };
        contact.by_line = false;
        !std::mem::replace(&mut contact.silent, true)
    }

    /// Devices whose silence begins now.
    pub fn timeout(&mut self, now: &Now) -> Vec<DeviceId> {
        let mut silent = Vec::new();
        for (index, contact) in self.devices.iter_mut().enumerate() {
            if contact.due(self.line_lost_us).is_some_and(|due| now.mono_us >= due) {
                contact.silent = true;
                contact.by_line = contact.own_due().is_none_or(|due| now.mono_us < due);
                silent.push(DeviceId(u16::try_from(index).unwrap_or(u16::MAX)));
            }
        }
        silent
    }

    /// Devices that are never silent by a limit of their own, and of which nothing was heard since the start, which was so
    /// long ago.
    pub fn never_heard(&self, now: &Now, for_us: u64) -> Vec<DeviceId> {
        let never = |contact: &Contact| {
            contact.limit_us == 0 && !contact.heard && now.mono_us.saturating_sub(contact.since_us) >= for_us
        };
        let devices = (0..).map(DeviceId).zip(&self.devices);
        devices.filter(|(_, contact)| never(contact)).map(|(id, _)| id).collect()
    }

    /// When [`Contacts::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        self.devices.iter().filter_map(|contact| contact.due(self.line_lost_us)).min()
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
    fn due(&self, line_lost_us: u64) -> Option<u64> {
        let lost = self.lost_since.filter(|_| line_lost_us > 0).map(|since| since + line_lost_us);
        self.own_due().into_iter().chain(lost).min().filter(|_| !self.silent)
    }

    fn own_due(&self) -> Option<u64> {
        (self.limit_us > 0).then(|| self.since_us + self.limit_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DeviceSpeech, LineId, ReadingsPolicy};
    use crate::testbed::{at, id};
    use crate::time::s;
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
        Contacts::new(&at(0), &[device], 60_000)
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
        contacts.recover_silent(READER, false);
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

    #[test]
    fn a_line_that_stays_lost_makes_its_devices_silent_until_it_is_back() {
        let mut contacts = contacts(0);
        contacts.line_lost(&at(s(5)), READER);
        contacts.line_lost(&at(s(30)), READER);
        assert_eq!(contacts.deadline(), Some(s(65)));
        assert_eq!(contacts.timeout(&at(s(65) - 1)), []);
        assert_eq!(contacts.timeout(&at(s(65))), [READER]);
        assert!(contacts.is_silent_by_line(READER));
        assert_eq!(contacts.timeout(&at(s(600))), []);
        assert!(contacts.line_back(&at(s(700)), READER));
        assert_eq!((contacts.presence(READER).0, contacts.deadline()), (Presence::Never, None));
        assert!(!contacts.line_back(&at(s(701)), READER));
    }

    #[test]
    fn a_line_that_is_soon_back_makes_nobody_silent() {
        let mut contacts = contacts(0);
        contacts.line_lost(&at(0), READER);
        assert!(!contacts.line_back(&at(s(59)), READER));
        assert_eq!((contacts.timeout(&at(s(600))), contacts.deadline()), (vec![], None));
    }

    #[test]
    fn the_return_of_the_line_does_not_end_a_silence_of_the_devices_own() {
        let mut contacts = contacts(10_000);
        assert_eq!(contacts.timeout(&at(s(10))), [READER]);
        contacts.line_lost(&at(s(20)), READER);
        assert!(!contacts.line_back(&at(s(600)), READER));
        assert_eq!(contacts.presence(READER).0, Presence::Silent);
        assert!(contacts.good(&at(s(601)), READER));
    }

    #[test]
    fn the_time_without_a_line_is_no_silence_of_the_device() {
        let mut contacts = contacts(600_000);
        contacts.line_lost(&at(s(100)), READER);
        assert_eq!(contacts.timeout(&at(s(160))), [READER]);
        assert!(contacts.line_back(&at(s(1_000)), READER));
        assert_eq!(contacts.deadline(), Some(s(1_500)));
    }

    #[test]
    fn a_silence_by_the_line_goes_on_over_a_start_until_the_line_is_back() {
        let mut contacts = contacts(0);
        contacts.recover_silent(READER, true);
        assert_eq!(contacts.presence(READER).0, Presence::Silent);
        assert!(contacts.line_back(&at(s(1)), READER));
    }
}
