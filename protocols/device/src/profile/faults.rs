//! What is wrong with a profile that could be read, all of it at once.

use super::{Coding, IdentityPoint, ModbusSpeech, Point, Profile, Speech};
use crate::modbus::{MAX_BITS, MAX_REGISTERS};
use crate::pointer_map::{PointerMap, PointerPoint};
use crate::quantity::{MAX_EXPONENT, Signal};
use crate::seal_reader::{FrameKind, Framing};
use std::collections::BTreeSet;

/// Longest profile name, in characters.
const MAX_PROFILE_NAME: usize = 48;
/// Longest point name, in characters.
const MAX_POINT_NAME: usize = 32;
/// Items of one Modbus table (Modbus Application Protocol 1.1b3, section 4.3: 65536).
const TABLE_ITEMS: u32 = 65_536;

pub(super) fn of(profile: &Profile) -> Vec<String> {
    let mut faults = Vec::new();
    if !is_name(&profile.name, MAX_PROFILE_NAME, '-') {
        faults.push(format!("name `{}` is not [a-z0-9-]{{1,{MAX_PROFILE_NAME}}}", profile.name));
    }
    for (key, text) in [("make", &profile.make), ("model", &profile.model), ("manual", &profile.manual)] {
        if text.trim().is_empty() {
            faults.push(format!("{key} is empty"));
        }
    }
    match &profile.speech {
        Speech::Modbus(speech) => modbus(speech, &mut faults),
        Speech::SealReader(framing) => seal_reader(framing, &mut faults),
        Speech::OnvifEvents { silence_s: _ } => {}
        Speech::Json(map) => json(map, &mut faults),
    }
    faults
}

fn is_name(text: &str, longest: usize, joint: char) -> bool {
    (1..=longest).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
}

fn point_names<'a>(names: impl Iterator<Item = &'a str>, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !is_name(name, MAX_POINT_NAME, '_') {
            faults.push(format!("point `{name}`: the name is not [a-z0-9_]{{1,{MAX_POINT_NAME}}}"));
        }
        if !seen.insert(name) {
            faults.push(format!("point `{name}`: the name is there twice"));
        }
    }
}

fn modbus(speech: &ModbusSpeech, faults: &mut Vec<String>) {
    limits(speech, faults);
    if speech.points.is_empty() && speech.identity.is_empty() {
        faults.push("neither a point nor an identity entry: nothing to read".to_owned());
    }
    point_names(speech.points.iter().map(|point| point.name.as_str()), faults);
    for point in &speech.points {
        for fault in address(point, speech).into_iter().chain(meaning(point)) {
            faults.push(format!("point `{}`: {fault}", point.name));
        }
    }
    let mut told = BTreeSet::new();
    for entry in &speech.identity {
        for fault in identity(entry, speech) {
            faults.push(format!("identity at {}: {fault}", entry.address));
        }
        if !told.insert(entry.field) {
            faults.push(format!("identity at {}: the field {:?} is there twice", entry.address, entry.field));
        }
    }
}

fn limits(speech: &ModbusSpeech, faults: &mut Vec<String>) {
    let bits = speech.points.iter().any(|point| point.table.is_bits());
    let registers = speech.points.iter().any(|point| !point.table.is_bits());
    for (key, value, most, used) in [
        ("max_bits", speech.max_bits, MAX_BITS, bits),
        ("max_registers", speech.max_registers, MAX_REGISTERS, registers),
    ] {
        if !(1..=most).contains(&value) {
            faults.push(format!("{key} is {value}, not in 1..={most}"));
        } else if used && speech.hole_limit >= value {
            faults.push(format!("hole_limit {} is not below {key} {value}", speech.hole_limit));
        }
    }
}

fn address(point: &Point, speech: &ModbusSpeech) -> Vec<String> {
    let mut faults = Vec::new();
    let coding = point.coding;
    if (coding == Coding::Bit) != point.table.is_bits() {
        faults.push(format!("the coding {coding:?} does not fit the table {:?}", point.table));
    }
    if let Coding::RegisterBit(bit @ 16..) = coding {
        faults.push(format!("register bit {bit} is not in 0..=15"));
    }
    if u32::from(point.address) + u32::from(coding.width()) > TABLE_ITEMS {
        faults.push(format!("address {} and width {} pass the end of the table", point.address, coding.width()));
    }
    if !point.table.is_bits() && coding.width() > speech.max_registers {
        faults.push(format!("takes {} registers, but one read may ask for {}", coding.width(), speech.max_registers));
    }
    faults
}

fn meaning(point: &Point) -> Vec<String> {
    let mut faults = Vec::new();
    let flag = point.coding.is_flag();
    if !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&point.exponent) {
        faults.push(format!("exponent {} is not in -{MAX_EXPONENT}..={MAX_EXPONENT}", point.exponent));
    }
    if let Some((low, high)) = point.range.filter(|(low, high)| low > high) {
        faults.push(format!("range {low}..={high} is empty"));
    }
    if flag && (point.exponent != 0 || point.range.is_some() || !point.unit.is_empty()) {
        faults.push("a bit has no exponent, range or unit".to_owned());
    }
    if !flag && point.inverted {
        faults.push("only a bit can be inverted".to_owned());
    }
    if let Some(signal) = point.signal.filter(|signal| !flag && *signal != Signal::Measured) {
        faults.push(format!("the signal {} needs a bit, this is a number", signal.as_str()));
    }
    faults
}

fn identity(entry: &IdentityPoint, speech: &ModbusSpeech) -> Vec<String> {
    let mut faults = Vec::new();
    if entry.table.is_bits() {
        faults.push(format!("the table {:?} has no registers", entry.table));
    }
    if !(1..=speech.max_registers).contains(&entry.count) {
        faults.push(format!("count {} is not in 1..={}", entry.count, speech.max_registers));
    }
    if u32::from(entry.address) + u32::from(entry.count) > TABLE_ITEMS {
        faults.push(format!("count {} passes the end of the table", entry.count));
    }
    faults
}

fn seal_reader(framing: &Framing, faults: &mut Vec<String>) {
    if framing.bcc && framing.framing == FrameKind::CrLf {
        faults.push("bcc needs the framing stx-etx: a block check follows ETX".to_owned());
    }
}

fn json(map: &PointerMap, faults: &mut Vec<String>) {
    if map.points.is_empty() && map.will.is_none() {
        faults.push("neither a point nor a will: nothing to hear".to_owned());
    }
    point_names(map.points.iter().map(|point| point.name.as_str()), faults);
    for point in &map.points {
        for fault in pointer_point(point) {
            faults.push(format!("point `{}`: {fault}", point.name));
        }
    }
    faults.extend(doubt(map).into_iter().map(|fault| format!("quality: {fault}")));
    if let Some(will) = &map.will {
        for fault in [topic(&will.topic), pointer(&will.pointer)].into_iter().flatten() {
            faults.push(format!("will: {fault}"));
        }
        if will.gone.trim().is_empty() {
            faults.push("will: gone is empty".to_owned());
        }
    }
}

fn doubt(map: &PointerMap) -> Vec<String> {
    let Some(doubt) = &map.quality else { return Vec::new() };
    let mut faults: Vec<String> = [topic(&doubt.topic), pointer(&doubt.pointer)].into_iter().flatten().collect();
    if doubt.pointer.is_empty() {
        faults.push("the pointer is empty: name the value beside the points".to_owned());
    }
    if doubt.good.trim().is_empty() {
        faults.push("good is empty".to_owned());
    }
    if !map.points.iter().any(|point| point.topic == doubt.topic && point.pointer != doubt.pointer) {
        faults.push(format!("no other point is on the topic `{}`: nothing to tell of", doubt.topic));
    }
    faults
}

fn pointer_point(point: &PointerPoint) -> Vec<String> {
    let mut faults: Vec<String> = [topic(&point.topic), pointer(&point.pointer)].into_iter().flatten().collect();
    if point.true_when.as_deref() == Some("") {
        faults.push("true_when is empty".to_owned());
    }
    let text_or_number = matches!(point.signal, Some(Signal::Measured | Signal::Seal));
    if text_or_number && point.true_when.is_some() {
        faults.push("true_when makes a bit, but the signal is no bit".to_owned());
    }
    faults
}

/// A topic name has no wildcards and no NUL (MQTT 5.0, sections 4.7.1 and 4.7.3).
fn topic(topic: &str) -> Option<String> {
    let bad = topic.is_empty() || topic.starts_with('/') || topic.contains(['#', '+', '\0']);
    bad.then(|| format!("the topic `{topic}` is empty, begins with / or has # or + in it"))
}

/// RFC 6901, section 3: empty, or `/` before each token, and `~` only as `~0` or `~1`.
fn pointer(pointer: &str) -> Option<String> {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let good = escapes && (pointer.is_empty() || pointer.starts_with('/'));
    (!good).then(|| format!("`{pointer}` is no JSON pointer (RFC 6901): begin with /, write ~ as ~0"))
}

#[cfg(test)]
mod tests {
    use crate::profile::Profile;

    fn faults(text: &str) -> Vec<String> {
        let head = "name = \"x\"\nmake = \"X\"\nmodel = \"X\"\nmanual = \"X p. 1\"\n";
        toml::from_str::<Profile>(&format!("{head}{text}")).unwrap().faults()
    }

    fn point(keys: &str) -> Vec<String> {
        faults(&format!("[[modbus.point]]\nname = \"a\"\n{keys}"))
    }

    fn only(faults: Vec<String>, words: &str) {
        assert!(faults.len() == 1 && faults[0].contains(words), "{faults:?} should be one fault with: {words}");
    }

    #[test]
    fn a_sound_profile_has_no_faults() {
        let none: Vec<String> = Vec::new();
        assert_eq!(point("table = \"coil\"\naddress = 65535\n"), none);
        assert_eq!(point("table = \"input-register\"\naddress = 65534\ncoding = \"u32\"\nrange = [0, 0]\n"), none);
        assert_eq!(faults("[json.will]\ntopic = \"s\"\ngone = \"offline\"\n"), none);
        assert_eq!(faults("[onvif-events]\n"), none);
    }

    #[test]
    fn every_fault_is_told_in_one_run() {
        let found = faults(
            "[modbus]\nmax_bits = 2001\nmax_registers = 0\n\
             [[modbus.point]]\nname = \"Door 1\"\ntable = \"coil\"\naddress = 0\n\
             [[modbus.point]]\nname = \"b\"\ntable = \"coil\"\naddress = 0\ncoding = \"u16\"\nexponent = 10\n\
             [[modbus.point]]\nname = \"b\"\ntable = \"discrete-input\"\naddress = 0\n",
        );
        for words in ["max_bits", "max_registers", "`Door 1`", "does not fit", "exponent 10", "twice"] {
            assert!(found.iter().any(|fault| fault.contains(words)), "{words} in {found:?}");
        }
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn names_keep_to_their_letters_and_lengths() {
        let text = "name = \"Moxa E1210\"\nmake = \" \"\nmodel = \"X\"\nmanual = \"\"\n[onvif-events]\n";
        let found = toml::from_str::<Profile>(text).unwrap().faults();
        assert_eq!(found.len(), 3, "{found:?}");
        let long = "a".repeat(33);
        only(faults(&format!("[[modbus.point]]\nname = \"{long}\"\ntable = \"coil\"\naddress = 0\n")), "{1,32}");
    }

    #[test]
    fn a_coding_must_fit_its_table() {
        only(point("table = \"holding-register\"\naddress = 0\n"), "does not fit");
        only(point("table = \"coil\"\naddress = 0\ncoding = { register-bit = 1 }\n"), "does not fit");
        only(point("table = \"input-register\"\naddress = 0\ncoding = { register-bit = 16 }\n"), "bit 16");
    }

    #[test]
    fn a_value_must_end_within_its_table_and_one_read() {
        only(point("table = \"input-register\"\naddress = 65535\ncoding = \"i32\"\n"), "end of the table");
        let one = "[modbus]\nmax_registers = 1\n[[modbus.point]]\nname = \"a\"\n";
        only(faults(&format!("{one}table = \"input-register\"\naddress = 0\ncoding = \"u32-low-first\"\n")), "takes 2");
    }

    #[test]
    fn numbers_and_bits_keep_to_their_own_keys() {
        only(point("table = \"coil\"\naddress = 0\nunit = \"V\"\n"), "a bit has no");
        only(point("table = \"input-register\"\naddress = 0\ncoding = \"u16\"\ninverted = true\n"), "inverted");
        only(point("table = \"input-register\"\naddress = 0\ncoding = \"u16\"\nsignal = \"open\"\n"), "signal open");
        only(point("table = \"input-register\"\naddress = 0\ncoding = \"i16\"\nrange = [2, 1]\n"), "2..=1 is empty");
    }

    #[test]
    fn an_identity_entry_is_a_readable_run_of_registers_told_once() {
        let entry = |table: &str, address: u16, count: u16| {
            format!(
                "[[modbus.identity]]\nfield = \"model\"\ntable = \"{table}\"\naddress = {address}\ncount = {count}\n\
                 coding = \"ascii\"\n"
            )
        };
        only(faults(&entry("coil", 0, 1)), "no registers");
        only(faults(&entry("input-register", 0, 0)), "count 0");
        only(faults(&entry("input-register", 0, 126)), "count 126");
        only(faults(&entry("input-register", 65_530, 7)), "end of the table");
        only(faults(&format!("{}{}", entry("input-register", 0, 1), entry("input-register", 5, 1))), "twice");
    }

    #[test]
    fn a_device_with_nothing_to_read_or_hear_is_a_fault() {
        only(faults("[modbus]\n"), "nothing to read");
        only(faults("[json]\n"), "nothing to hear");
    }

    #[test]
    fn holes_stay_smaller_than_a_read() {
        let text =
            "[modbus]\nmax_bits = 8\nhole_limit = 8\n[[modbus.point]]\nname = \"a\"\ntable = \"coil\"\naddress = 0\n";
        only(faults(text), "hole_limit 8");
    }

    #[test]
    fn json_points_name_a_plain_topic_and_a_pointer_of_rfc_6901() {
        let one = |topic: &str, pointer: &str| {
            faults(&format!("[[json.point]]\nname = \"a\"\ntopic = \"{topic}\"\npointer = \"{pointer}\"\n"))
        };
        assert_eq!(one("data", "/a~1b/m~0n/0"), Vec::<String>::new());
        assert_eq!(one("data", ""), Vec::<String>::new());
        only(one("data", "di1"), "RFC 6901");
        only(one("data", "/a~2"), "RFC 6901");
        only(one("da/+/ta", "/a"), "topic");
        only(one("", "/a"), "topic");
        only(faults("[json.will]\ntopic = \"s\"\ngone = \" \"\n"), "gone is empty");
    }

    #[test]
    fn a_quality_stands_beside_the_points_it_tells_of() {
        let point = "[[json.point]]\nname = \"a\"\ntopic = \"data\"\npointer = \"/a\"\n";
        let one = |topic: &str, pointer: &str, good: &str| {
            let keys = format!("topic = \"{topic}\"\npointer = \"{pointer}\"\ngood = \"{good}\"\n");
            faults(&format!("{point}[json.quality]\n{keys}"))
        };
        assert_eq!(one("data", "/q", "192"), Vec::<String>::new());
        only(one("data", "q", "192"), "quality: `q` is no JSON pointer");
        only(one("data", "", "192"), "pointer is empty");
        only(one("data", "/q", " "), "good is empty");
        only(one("other", "/q", "192"), "no other point");
        only(one("data", "/a", "192"), "no other point");
    }

    #[test]
    fn a_block_check_needs_an_etx() {
        only(faults("[seal-reader]\nframing = \"cr-lf\"\nbcc = true\n"), "bcc needs");
    }
}
