//! The profile as it is written: one table for each way to speak, of which a file has exactly one. Kept apart from
//! [`Profile`] because serde cannot refuse unknown keys of a flattened or internally tagged enum, and loses the line.

use super::{ModbusSpeech, Profile, Speech};
use crate::pointer_map::PointerMap;
use crate::seal_reader::Framing;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    name: String,
    make: String,
    model: String,
    manual: String,
    modbus: Option<ModbusSpeech>,
    seal_reader: Option<Framing>,
    onvif_events: Option<OnvifEvents>,
    json: Option<PointerMap>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnvifEvents {
    #[serde(default)]
    silence_s: u32,
}

/// A file that does not say in one way how the device speaks.
#[derive(Debug, thiserror::Error)]
#[error("exactly one of the tables [modbus], [seal-reader], [onvif-events], [json] must be there, found {0}")]
pub(super) struct NotOneSpeech(usize);

impl TryFrom<Written> for Profile {
    type Error = NotOneSpeech;

    fn try_from(written: Written) -> Result<Self, NotOneSpeech> {
        let mut speeches: Vec<Speech> = [
            written.modbus.map(Speech::Modbus),
            written.seal_reader.map(Speech::SealReader),
            written.onvif_events.map(|events| Speech::OnvifEvents { silence_s: events.silence_s }),
            written.json.map(Speech::Json),
        ]
        .into_iter()
        .flatten()
        .collect();
        let found = speeches.len();
        match (speeches.pop(), found) {
            (Some(speech), 1) => Ok(Profile {
                name: written.name,
                make: written.make,
                model: written.model,
                manual: written.manual,
                speech,
            }),
            _ => Err(NotOneSpeech(found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"x\"\nmake = \"X\"\nmodel = \"X\"\nmanual = \"X p. 1\"\n";

    fn refusal(rest: &str) -> String {
        toml::from_str::<Profile>(&format!("{HEAD}{rest}")).unwrap_err().to_string()
    }

    #[test]
    fn the_table_says_how_the_device_speaks() {
        let text = format!("{HEAD}[[modbus.point]]\nname = \"di0\"\ntable = \"discrete-input\"\naddress = 7\n");
        let profile: Profile = toml::from_str(&text).unwrap();
        let Speech::Modbus(speech) = profile.speech else { panic!("{:?}", profile.speech) };
        assert_eq!(speech.points[0].address, 7);
    }

    #[test]
    fn one_bit_of_a_register_is_written_as_a_small_table() {
        let point = "name = \"a\"\ntable = \"holding-register\"\naddress = 1\ncoding = { register-bit = 3 }\n";
        let profile: Profile = toml::from_str(&format!("{HEAD}[[modbus.point]]\n{point}")).unwrap();
        let Speech::Modbus(speech) = profile.speech else { panic!("{:?}", profile.speech) };
        assert_eq!(speech.points[0].coding, crate::profile::Coding::RegisterBit(3));
    }

    #[test]
    fn a_mistyped_key_is_named_with_its_line_wherever_it_stands() {
        let places = [
            ("modle = \"y\"\n[modbus]\n", "modle", "line 5"),
            ("[modbus]\nhole_limt = 3\n", "hole_limt", "line 6"),
            ("[[modbus.point]]\nname = \"a\"\ntable = \"coil\"\naddres = 1\n", "addres", "line 8"),
            ("[[modbus.identity]]\nfeild = \"model\"\n", "feild", "line 6"),
            ("[seal-reader]\nframing = \"cr-lf\"\nbbc = true\n", "bbc", "line 7"),
            ("[onvif-events]\nsilence = 5\n", "silence", "line 6"),
            ("[[json.point]]\nname = \"a\"\ntopic = \"t\"\npoiner = \"/a\"\n", "poiner", "line 8"),
            ("[json.will]\ntopic = \"t\"\ngon = \"x\"\n", "gon", "line 7"),
        ];
        for (rest, key, line) in places {
            let said = refusal(rest);
            assert!(said.contains(&format!("`{key}`")) && said.contains(line), "{said}");
        }
    }

    #[test]
    fn a_key_of_another_speech_is_refused() {
        let said = refusal("[[modbus.point]]\nname = \"a\"\ntable = \"coil\"\naddress = 1\npointer = \"/a\"\n");
        assert!(said.contains("`pointer`"), "{said}");
    }

    #[test]
    fn a_profile_that_does_not_speak_or_speaks_in_two_ways_is_refused() {
        assert!(refusal("").contains("found 0"));
        assert!(refusal("[onvif-events]\n[seal-reader]\nframing = \"cr-lf\"\n").contains("found 2"));
    }
}
