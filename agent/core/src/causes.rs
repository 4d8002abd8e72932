//! One nonconformity per cause: whether a silence is the device's own, or its line as a whole is lost.
//!
//! Alarms ring at once and are none of this. Where one line carries several supervised devices, the nonconformity of a
//! silent one waits for half a minute, because those behind the same break fall silent one after the other.

use crate::plan::{Device, DeviceId, DeviceSpeech, LineId, Plan};
use crate::register::EquipmentId;
use crate::time::{Now, s};
use std::collections::BTreeSet;

/// How long the nonconformity of a silence waits for its cause: several times what devices of one line fall silent apart.
const WAIT_US: u64 = s(30);
/// A line with fewer supervised devices cannot be told from them.
const SEVERAL: usize = 2;

/// Which silences are whose.
#[derive(Debug)]
pub struct Causes {
    devices: Vec<Watched>,
    lost: BTreeSet<LineId>,
}

#[derive(Debug)]
struct Watched {
    line: LineId,
    equipment: EquipmentId,
    /// It can be silent at all.
    supervised: bool,
    silence: Silence,
    heard_us: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    None,
    /// Its cause is not told apart yet.
    Waits {
        since_us: u64,
        whose: Whose,
    },
    OfLine,
    Own,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Open,
    /// Its line came back without it: it is its own, unless it speaks.
    Device,
}

/// What follows for nonconformities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A line is lost as a whole.
    LineLost(LineId),
    /// It is not any more.
    LineBack(LineId),
    /// A device is silent by itself.
    Silent(DeviceId),
    /// Equipment is not silent by itself any more.
    Heard(EquipmentId),
}

impl Causes {
    /// Nothing is silent.
    pub fn new(plan: &Plan) -> Self {
        let watched = |device: &Device| Watched {
            line: device.line,
            equipment: device.equipment.clone(),
            supervised: device.silence_ms > 0 || (speaks(device) && plan.limits.line_lost_ms > 0),
            silence: Silence::None,
            heard_us: None,
        };
        Self { devices: plan.devices.iter().map(watched).collect(), lost: BTreeSet::new() }
    }

    /// After a start: a line is lost still. False where it could not be by now.
    pub fn recover_lost(&mut self, line: LineId) -> bool {
        let carries_several = self.supervised(line).count() >= SEVERAL;
        carries_several && self.lost.insert(line)
    }

    /// After a start, behind [`Causes::recover_lost`]: devices of one piece of equipment are silent still. `own`: its
    /// nonconformity is open.
    pub fn recover_silent(&mut self, now: &Now, devices: &[DeviceId], own: bool) {
        let mut lines = devices.iter().filter_map(|id| Some(self.device(*id)?.line));
        let by_line = lines.any(|line| self.lost.contains(&line));
        for id in devices {
            let Some(device) = self.devices.get_mut(usize::from(id.0)) else { continue };
            device.silence = match (own, self.lost.contains(&device.line)) {
                (true, _) => Silence::Own,
                (false, true) => Silence::OfLine,
                // Its alarm is that of the other device.
                (false, false) if by_line => Silence::None,
                (false, false) => Silence::Waits { since_us: now.mono_us, whose: Whose::Open },
            };
        }
    }

    /// The silence of a device begins; `line_down`: its line says itself that it is lost.
    pub fn silent(&mut self, now: &Now, id: DeviceId, line_down: bool) -> Option<Cause> {
        let line = self.device(id).filter(|device| device.silence == Silence::None)?.line;
        let several = self.supervised(line).count() >= SEVERAL;
        let device = self.devices.get_mut(usize::from(id.0))?;
        if !several {
            device.silence = Silence::Own;
            return Some(Cause::Silent(id));
        }
        if self.lost.contains(&line) {
            device.silence = Silence::OfLine;
            return None;
        }
        device.silence = Silence::Waits { since_us: now.mono_us, whose: Whose::Open };
        let all_watched = self.on(line).all(|device| device.supervised);
        let lost = line_down || (all_watched && self.all_silent(line));
        lost.then(|| self.lose(line))
    }

    /// A good word of a device, or the return of the line that alone had made it silent.
    pub fn heard(&mut self, now: &Now, id: DeviceId) -> Vec<Cause> {
        let Some(device) = self.devices.get_mut(usize::from(id.0)) else { return Vec::new() };
        device.heard_us = Some(now.mono_us);
        let (line, equipment) = (device.line, device.equipment.clone());
        let before = std::mem::replace(&mut device.silence, Silence::None);
        let mut causes = Vec::new();
        if before == Silence::Own {
            causes.extend(self.own_ended(&equipment));
        }
        if self.lost.remove(&line) {
            causes.push(Cause::LineBack(line));
            // Who speaks by then is excused.
            for device in self.devices.iter_mut().filter(|device| device.line == line) {
                if device.silence == Silence::OfLine {
                    device.silence = Silence::Waits { since_us: now.mono_us, whose: Whose::Device };
                }
            }
        }
        causes
    }

    /// Silences whose wait is over; `line_down` as in [`Causes::silent`].
    pub fn timeout(&mut self, now: &Now, line_down: impl Fn(DeviceId) -> bool) -> Vec<Cause> {
        let mut causes = Vec::new();
        for index in 0..self.devices.len() {
            let Some(id) = u16::try_from(index).ok().map(DeviceId) else { continue };
            let device = &self.devices[index];
            let Silence::Waits { since_us, whose } = device.silence else { continue };
            if now.mono_us < since_us + WAIT_US {
                continue;
            }
            let line = device.line;
            let several = self.supervised(line).count() >= SEVERAL;
            let is_lost = || line_down(id) || (whose == Whose::Open && self.is_dead(line, since_us));
            if several && is_lost() {
                causes.push(self.lose(line));
            } else {
                self.devices[index].silence = Silence::Own;
                causes.push(Cause::Silent(id));
            }
        }
        causes
    }

    /// When [`Causes::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<u64> {
        let due = self.devices.iter().filter_map(|device| match device.silence {
            Silence::Waits { since_us, .. } => Some(since_us + WAIT_US),
            Silence::None | Silence::OfLine | Silence::Own => None,
        });
        due.min()
    }

    /// Supervised devices of a line.
    pub fn supervised(&self, line: LineId) -> impl Iterator<Item = DeviceId> + '_ {
        let devices = (0_u16..).map(DeviceId).zip(&self.devices);
        devices.filter(move |(_, device)| device.line == line && device.supervised).map(|(id, _)| id)
    }

    fn device(&self, id: DeviceId) -> Option<&Watched> {
        self.devices.get(usize::from(id.0))
    }

    fn on(&self, line: LineId) -> impl Iterator<Item = &Watched> {
        self.devices.iter().filter(move |device| device.line == line)
    }

    fn all_silent(&self, line: LineId) -> bool {
        self.on(line).filter(|device| device.supervised).all(|device| device.silence != Silence::None)
    }

    /// Nobody speaks on it, those included whose silence would tell nothing.
    fn is_dead(&self, line: LineId, since_us: u64) -> bool {
        let spoke = |device: &Watched| !device.supervised && device.heard_us.is_some_and(|heard| heard >= since_us);
        self.all_silent(line) && !self.on(line).any(spoke)
    }

    fn lose(&mut self, line: LineId) -> Cause {
        self.lost.insert(line);
        for device in self.devices.iter_mut().filter(|device| device.line == line) {
            if matches!(device.silence, Silence::Waits { .. }) {
                device.silence = Silence::OfLine;
            }
        }
        Cause::LineLost(line)
    }

    /// Another device of the equipment may be silent by itself, or about to be: then it goes on being silent.
    fn own_ended(&mut self, equipment: &EquipmentId) -> Option<Cause> {
        let mut others = self.devices.iter_mut().filter(|device| device.equipment == *equipment);
        if others.any(|device| device.silence == Silence::Own) {
            return None;
        }
        let mut others = self.devices.iter_mut().filter(|device| device.equipment == *equipment);
        match others.find(|device| matches!(device.silence, Silence::Waits { .. })) {
            Some(waits) => {
                waits.silence = Silence::Own;
                None
            }
            None => Some(Cause::Heard(equipment.clone())),
        }
    }
}

/// Its line is no bus that is asked: it says itself where it is lost.
fn speaks(device: &Device) -> bool {
    !matches!(device.speech, DeviceSpeech::Modbus { .. })
}
