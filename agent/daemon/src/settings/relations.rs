//! What no table can say of itself: devices against each other, lines without devices, and the carriers that follow.

use super::codes::Code;
use super::devices::WrittenDevice;
use super::lines::{Reach, WrittenLine};
use super::profiles::Profiles;
use super::reader::Section;
use super::topics;
use crate::line::Carrier;
use picket_core::plan::{DeviceSpeech, Driver, Line};
use picket_device::profile::Speech;
use picket_device::seal_reader::Framing;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// Refuses what two devices cannot share.
pub(super) fn check(root: &mut Section<'_, '_>, lines: &[WrittenLine], devices: &[WrittenDevice]) {
    let name = |device: &WrittenDevice| keyed(device.name.as_ref()?, String::clone);
    twice(root, devices, name, |root, [first, again], name| {
        let place = root.at(again, "again here").and(root.at(first, "first here"));
        let cause = format!("two devices are named `{name}`");
        root.findings.add(Code::DuplicateDevice, place, cause, "give each device its own name");
    });
    units(root, lines, devices);
    let reader = |device: &WrittenDevice| {
        let line = device.line.as_ref()?;
        (lines[*line.get_ref()].kind == Some(Driver::Serial)).then(|| (*line.get_ref(), line.span()))
    };
    twice(root, devices, reader, |root, [first, again], line| {
        let place = root.at(again, "second device").and(root.at(first, "first device"));
        let cause = format!("line {} has two devices; a seal reader is alone on its port", called(&lines[line]));
        root.findings.add(Code::ReaderTwice, place, cause, "give the second reader a line of its own");
    });
    let prefix = |device: &WrittenDevice| {
        let (line, prefix) = (device.line.as_ref()?, device.prefix.as_ref()?);
        Some(((*line.get_ref(), prefix.get_ref().clone()), prefix.span()))
    };
    twice(root, devices, prefix, |root, [first, again], (line, prefix)| {
        let place = root.at(again, "again here").and(root.at(first, "first here"));
        let cause = format!("two devices of line {} publish below `{prefix}`", called(&lines[line]));
        root.findings.add(Code::PrefixTwice, place, cause, "give each device its own topic, there and here");
    });
    let equipment = |device: &WrittenDevice| keyed(device.equipment.as_ref()?, ToString::to_string);
    twice(root, devices, equipment, |root, [first, again], id| {
        let place = root.at(again, "again here").and(root.at(first, "first here"));
        let cause = format!("two devices are equipment `{id}`: each one's silence and identity will count for it");
        root.findings.add(Code::SameEquipment, place, cause, "give each its own id, unless it has two interfaces");
    });
}

fn units(root: &mut Section<'_, '_>, lines: &[WrittenLine], devices: &[WrittenDevice]) {
    let unit = |device: &WrittenDevice| {
        let (line, unit) = (device.line.as_ref()?, device.unit.as_ref()?);
        Some(((*line.get_ref(), *unit.get_ref()), unit.span()))
    };
    twice(root, devices, unit, |root, [first, again], (line, unit)| {
        let place = root.at(again, "again here").and(root.at(first, "first here"));
        let cause = format!("unit {unit} is there twice on line {}", called(&lines[line]));
        let remedy = "give each device its own unit, there and here; points of one unit belong into one device";
        root.findings.add(Code::UnitTwice, place, cause, remedy);
    });
}

fn called(line: &WrittenLine) -> String {
    line.name.as_ref().map_or("without a name".to_owned(), |name| format!("`{}`", name.get_ref()))
}

fn keyed<T, K>(value: &Spanned<T>, key: impl Fn(&T) -> K) -> Option<(K, Range<usize>)> {
    Some((key(value.get_ref()), value.span()))
}

fn twice<K: Ord + Clone>(
    root: &mut Section<'_, '_>,
    devices: &[WrittenDevice],
    key: impl Fn(&WrittenDevice) -> Option<(K, Range<usize>)>,
    tell: impl Fn(&mut Section<'_, '_>, [Range<usize>; 2], K),
) {
    let mut seen: BTreeMap<K, Range<usize>> = BTreeMap::new();
    for (key, span) in devices.iter().filter_map(key) {
        match seen.get(&key) {
            Some(first) => tell(root, [first.clone(), span], key),
            None => {
                seen.insert(key, span);
            }
        }
    }
}

/// Lines of the plan and their carriers; `None` where one was refused.
pub(super) fn carriers(
    root: &mut Section<'_, '_>,
    lines: Vec<WrittenLine>,
    devices: &[WrittenDevice],
    profiles: &Profiles,
) -> Option<(Vec<Line>, Vec<Carrier>)> {
    let mut built = Vec::new();
    for (index, line) in lines.into_iter().enumerate() {
        let own: Vec<&WrittenDevice> =
            devices.iter().filter(|device| device.line.as_ref().is_some_and(|at| *at.get_ref() == index)).collect();
        // A device whose line was refused may be the one that is missed here.
        if own.is_empty() && devices.iter().all(|device| device.line.is_some()) {
            tell_idle(root, &line);
        }
        built.push(carrier(line, &own, profiles));
    }
    let built: Option<Vec<(Line, Carrier)>> = built.into_iter().collect();
    built.map(|built| built.into_iter().unzip())
}

fn tell_idle(root: &mut Section<'_, '_>, line: &WrittenLine) {
    let place = root.at(line.header.clone(), "no device names it");
    let name = called(line);
    match line.kind {
        Some(Driver::Serial) => {
            let cause = format!("line {name} has no device: how its reader frames what it sends is not known");
            root.findings.add(
                Code::ReaderAlone,
                place,
                cause,
                "add a [[device]] with this line and a reader's profile",
            );
        }
        Some(Driver::ModbusTcp | Driver::ModbusRtu) => {
            let cause = format!("line {name} has no device: nothing is asked on it");
            root.findings.add(Code::IdleLine, place, cause, "add a [[device]] with this line, or remove it");
        }
        // Cameras that nobody listed are heard all the same.
        Some(Driver::Mqtt) | None => {}
    }
}

fn carrier(line: WrittenLine, own: &[&WrittenDevice], profiles: &Profiles) -> Option<(Line, Carrier)> {
    let driver = line.kind?;
    let carrier = match line.reach? {
        Reach::Tcp(endpoint) => Carrier::ModbusTcp(endpoint),
        Reach::Rtu(port) => Carrier::ModbusRtu(port),
        Reach::Reader(port) => Carrier::SealReader(port, own.iter().find_map(|device| framing(device, profiles))?),
        Reach::Broker(mut session) => {
            let speeches = own.iter().filter_map(|device| device.device.as_ref()).map(|device| &device.speech);
            session.topics = topics::filters(speeches.collect::<Vec<&DeviceSpeech>>());
            Carrier::Mqtt(session)
        }
    };
    Some((Line { name: line.name?.into_inner(), driver }, carrier))
}

fn framing(device: &WrittenDevice, profiles: &Profiles) -> Option<Framing> {
    match &profiles.get(device.profile.as_ref()?)?.profile.as_ref()?.speech {
        Speech::SealReader(framing) => Some(framing.clone()),
        Speech::Modbus(_) | Speech::OnvifEvents { .. } | Speech::Json(_) => None,
    }
}
