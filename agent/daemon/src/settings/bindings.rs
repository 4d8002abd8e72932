//! `[[device.bind]]`: what a point stands for here. The profile's own signals hold where no row says otherwise.

use super::codes::Code;
use super::devices;
use super::nearest::did_you_mean;
use super::reader::Section;
use super::source::Source;
use picket_core::plan::{Binding, Delays};
use picket_core::register::EquipmentId;
use picket_device::camera;
use picket_device::profile::{Profile, Speech};
use picket_device::quantity::Signal;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

const KEYS: &[&str] = &["point", "equipment", "signal", "inverted", "hold_ms", "clear_ms"];

const SIGNALS: &[(&str, Signal)] = &[
    ("open", Signal::Open),
    ("released", Signal::Released),
    ("alarm", Signal::Alarm),
    ("tamper", Signal::Tamper),
    ("mains-lost", Signal::MainsLost),
    ("battery-low", Signal::BatteryLow),
    ("view-lost", Signal::ViewLost),
    ("motion", Signal::Motion),
    ("fault", Signal::Fault),
    ("seal", Signal::Seal),
    ("measured", Signal::Measured),
];

/// What a device's profile says of a point.
struct Offered {
    signal: Option<Signal>,
    /// Known to be a number: it can only be measured.
    number: bool,
    /// May be a text: only that can be a seal number.
    text: bool,
}

/// Bindings by point, and the equipment that rows name.
pub(super) fn read(
    section: &mut Section<'_, '_>,
    source: &Source,
    profile: Option<&Profile>,
    own: Option<&Spanned<EquipmentId>>,
) -> (BTreeMap<String, Binding>, Vec<Spanned<EquipmentId>>) {
    let offered = profile.map(offered).unwrap_or_default();
    let mut bindings = BTreeMap::new();
    if let Some(own) = own {
        let own_signal = |(point, offer): (&String, &Offered)| {
            let delays = Delays::default();
            let binding = Binding { equipment: own.get_ref().clone(), signal: offer.signal?, inverted: false, delays };
            Some((point.clone(), binding))
        };
        bindings.extend(offered.iter().filter_map(own_signal));
    }
    let mut places: BTreeMap<String, Range<usize>> = BTreeMap::new();
    let mut bound = Vec::new();
    let device = section.what().to_owned();
    for (table, span) in section.tables("bind") {
        let mut row = Section::open(source, table, span, format!("a binding of {device}"), KEYS, section.findings);
        let point = point(&mut row, &device, profile, &offered);
        row.missing("signal", "add signal = \"open\", or another signal");
        let signal = row.word("signal", SIGNALS);
        let equipment = devices::equipment(&mut row, "equipment");
        bound.extend(equipment.clone());
        let inverted = row.flag("inverted").unwrap_or(false);
        let delays = delays(&mut row, profile, signal);
        let Some(point) = point else { continue };
        let place = row.at(point.span(), "again here");
        if let Some(first) = places.insert(point.get_ref().clone(), point.span()) {
            let place = place.and(row.at(first, "first here"));
            let cause = format!("point `{}` of {device} is bound twice", point.get_ref());
            row.findings.add(Code::PointTwice, place, cause, "keep one row: a point stands for one thing");
        }
        if let Some(signal) = signal {
            refuse_signal(&mut row, &point, signal, offered.get(point.get_ref()));
        }
        let equipment = equipment.or_else(|| own.cloned()).map(Spanned::into_inner);
        if let (Some(signal), Some(equipment)) = (signal, equipment) {
            bindings.insert(point.into_inner(), Binding { equipment, signal, inverted, delays });
        }
    }
    (bindings, bound)
}

fn offered(profile: &Profile) -> BTreeMap<String, Offered> {
    match &profile.speech {
        Speech::Modbus(speech) => {
            let offer = |point: &picket_device::profile::Point| Offered {
                signal: point.signal,
                number: !point.coding.is_flag(),
                text: false,
            };
            speech.points.iter().map(|point| (point.name.clone(), offer(point))).collect()
        }
        Speech::Json(map) => {
            let offer = |point: &picket_device::pointer_map::PointerPoint| Offered {
                signal: point.signal,
                number: false,
                text: point.true_when.is_none(),
            };
            map.points.iter().map(|point| (point.name.clone(), offer(point))).collect()
        }
        Speech::SealReader(_) | Speech::OnvifEvents { .. } => BTreeMap::new(),
    }
}

fn point(
    row: &mut Section<'_, '_>,
    device: &str,
    profile: Option<&Profile>,
    offered: &BTreeMap<String, Offered>,
) -> Option<Spanned<String>> {
    let text = row.needed_text("point", "add point = \"...\", the name of a point of the profile")?;
    let name = *text.get_ref();
    let found = Spanned::new(text.span(), name.to_owned());
    let profile = profile?;
    let refusal = match &profile.speech {
        // A seal reader's rows are refused as a whole.
        Speech::SealReader(_) => return None,
        // A camera names its points itself, by topic and source.
        Speech::OnvifEvents { .. } if is_camera_point(name) => return Some(found),
        Speech::OnvifEvents { .. } => {
            "write the topic and source in lower case with _ between, such as device_trigger_digitalinput_1".to_owned()
        }
        Speech::Modbus(_) | Speech::Json(_) if offered.contains_key(name) => return Some(found),
        Speech::Modbus(_) | Speech::Json(_) => {
            let all: Vec<&str> = offered.keys().map(String::as_str).collect();
            did_you_mean(name, all.iter().copied(), &format!("one of: {}", all.join(", ")))
        }
    };
    let cause = format!("{device} has no point `{name}`: its profile is {}", profile.name);
    row.refuse(Code::UnknownPoint, text.span(), "no such point", cause, refusal);
    None
}

fn is_camera_point(name: &str) -> bool {
    name.len() <= camera::MAX_POINT_NAME
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

fn refuse_signal(row: &mut Section<'_, '_>, point: &Spanned<String>, signal: Signal, offer: Option<&Offered>) {
    let (number, text) = offer.map_or((false, false), |offer| (offer.number, offer.text));
    let (cause, label, remedy) = match signal {
        Signal::Seal if !text => (
            format!("point `{}` is no text and cannot tell a seal number", point.get_ref()),
            "needs a text",
            "bind a JSON point without true_when, or use a seal reader's profile",
        ),
        Signal::Measured => return,
        _ if number => (
            format!("point `{}` is a number and cannot tell `{}`", point.get_ref(), signal.as_str()),
            "needs a contact",
            "bind a contact or bit, or write signal = \"measured\"",
        ),
        _ => return,
    };
    let place = row.value("signal").map_or(point.span(), Spanned::span);
    row.refuse(Code::WrongSignal, place, label, cause, remedy);
}

/// Times of the row's own. What is published counts at once, because its message is acknowledged at once; only a door
/// is cleared by time there too.
fn delays(row: &mut Section<'_, '_>, profile: Option<&Profile>, signal: Option<Signal>) -> Delays {
    let hold = row.whole("hold_ms", 0..=60_000);
    let clear = row.whole("clear_ms", 0..=600_000);
    let polled = !matches!(profile.map(|p| &p.speech), Some(Speech::OnvifEvents { .. } | Speech::Json(_)));
    for (key, written) in [("hold_ms", &hold), ("clear_ms", &clear)] {
        let (Some(written), Some(signal)) = (written, signal) else { continue };
        let takes = match signal {
            Signal::Alarm | Signal::Tamper | Signal::MainsLost | Signal::BatteryLow => polled,
            Signal::ViewLost | Signal::Fault => polled,
            Signal::Open => key == "clear_ms",
            Signal::Released | Signal::Motion | Signal::Seal | Signal::Measured => false,
        };
        if !takes {
            let manner = if polled { "has no such time" } else { "that is published counts at once" };
            let cause = format!("`{key}` of {}: `{}` {manner}", row.what(), signal.as_str());
            let remedy = format!("remove {key}; door_grace_ms and door_release_s in [limits] are for doors");
            row.refuse(Code::WrongDelay, written.span(), "does not belong here", cause, remedy);
        }
    }
    let written = |time: Option<Spanned<u64>>| time.map(Spanned::into_inner);
    Delays { hold_ms: written(hold), clear_ms: written(clear) }
}
