//! Digital calibration certificates (DCC of PTB, version 3, namespace `https://ptb.de/dcc`): what a report of the calibration
//! needs. Their signature is not verified, and as-found and as-left are not read, because certificates have no agreed place
//! for them: a person says both.

use picket_core::fields::MAX_FIELD;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use std::collections::BTreeMap;
use std::path::Path;

/// Deepest element: those of the schema are some twenty deep.
const MAX_DEPTH: usize = 64;
/// Most pieces of equipment and names of one: a set of gauges has some dozens.
const MAX_NAMES: usize = 200;
const ROOT: &str = "digitalCalibrationCertificate";

/// What a certificate says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Its number (`uniqueIdentifier`).
    pub number: String,
    /// Last day of the calibration, `YYYY-MM-DD`.
    pub on: String,
    /// Who calibrated.
    pub laboratory: String,
    /// Code of the laboratory; empty where it has none.
    pub code: String,
    /// How many items it is about.
    pub items: usize,
    /// What the items are called, each with who calls it so: `manufacturer`, `owner`, `customer`, `calibrationLaboratory`.
    pub names: Vec<(String, String)>,
    /// Statements of conformity (`pass`, `fail`, ...), each with its number.
    pub conformity: BTreeMap<String, usize>,
}

const REMEDY: &str = "ask the laboratory for the certificate as XML (DCC of PTB)";

/// Reads a certificate; else why it is none, and what to do.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Certificate, (String, &'static str)> {
    let told = |why: String| (format!("{}: {why}", path.display()), REMEDY);
    let mut certificate = parse(bytes).map_err(told)?;
    if certificate.number.is_empty() {
        return Err(told("the certificate has no number (uniqueIdentifier)".to_owned()));
    }
    let day = certificate.on.get(..10).filter(|day| day.parse::<jiff::civil::Date>().is_ok());
    let Some(day) = day.map(str::to_owned) else {
        return Err(told(format!("{:?} is no day of a calibration (endPerformanceDate)", certificate.on)));
    };
    certificate.on = day;
    Ok(certificate)
}

fn parse(bytes: &[u8]) -> Result<Certificate, String> {
    let unreadable = |fault: quick_xml::Error| format!("it is no XML: {fault}");
    let mut reader = Reader::from_reader(bytes);
    let mut found = Certificate::default();
    let (mut path, mut text): (Vec<String>, String) = (Vec::new(), String::new());
    loop {
        match reader.read_event().map_err(unreadable)? {
            Event::Start(element) => {
                let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                if path.is_empty() && name != ROOT {
                    return Err(format!("its root is {name:?}, not {ROOT}"));
                }
                if path.len() == MAX_DEPTH {
                    return Err(format!("its elements are more than {MAX_DEPTH} deep"));
                }
                path.push(name);
                text.clear();
            }
            Event::End(_) => {
                found.take(&path, plain(&text));
                path.pop();
                text.clear();
            }
            // Of what lies in a field only its beginning can be shown or recorded: documents within are skipped so.
            Event::Text(piece) if text.len() <= MAX_FIELD => text.push_str(&String::from_utf8_lossy(&piece)),
            Event::CData(piece) if text.len() <= MAX_FIELD => text.push_str(&String::from_utf8_lossy(&piece)),
            Event::GeneralRef(name) => {
                let known = String::from_utf8_lossy(&name).into_owned();
                let letter = name.resolve_char_ref().ok().flatten().map(String::from);
                let resolved = letter.or_else(|| resolve_xml_entity(&known).map(str::to_owned));
                text.push_str(
                    &resolved.ok_or_else(|| format!("it has the entity &{known};, which XML does not know"))?,
                );
            }
            Event::DocType(_) => return Err("it has a document type declaration, which no certificate has".to_owned()),
            Event::Eof if path.is_empty() && found.items + found.number.len() > 0 => return Ok(found),
            Event::Eof => return Err("it ends within the certificate, or says nothing".to_owned()),
            _ => {}
        }
    }
}

impl Certificate {
    /// The text of an element that ends.
    fn take(&mut self, path: &[String], text: String) {
        let names: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match names.as_slice() {
            ["administrativeData", "coreData", "uniqueIdentifier"] => self.number = text,
            ["administrativeData", "coreData", "endPerformanceDate"] => self.on = text,
            ["administrativeData", "calibrationLaboratory", "calibrationLaboratoryCode"] => self.code = text,
            ["administrativeData", "calibrationLaboratory", "contact", "name", "content"]
                if self.laboratory.is_empty() =>
            {
                self.laboratory = text;
            }
            ["administrativeData", "items", "item"] => self.items += 1,
            [
                "administrativeData",
                "items",
                "item",
                "identifications",
                "identification",
                part @ ("issuer" | "value"),
            ] => {
                self.name(part, text);
            }
            [.., "conformity"] if !text.is_empty() => *self.conformity.entry(text).or_default() += 1,
            _ => {}
        }
    }

    /// The schema has the issuer of a name before its value.
    fn name(&mut self, part: &str, text: String) {
        if part == "issuer" && self.names.len() < MAX_NAMES {
            self.names.push((text, String::new()));
        } else if let Some((_, value)) = self.names.last_mut().filter(|(_, value)| value.is_empty()) {
            *value = text;
        }
    }
}

/// On one line, without characters that a terminal obeys, as long as a field may be.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut plain = String::new();
    for c in words.join(" ").chars().filter(|c| !c.is_control()) {
        if plain.len() + c.len_utf8() > MAX_FIELD {
            break;
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the schema 3.3.0 has it; written by hand.
    const WHOLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<dcc:digitalCalibrationCertificate xmlns:dcc="https://ptb.de/dcc" xmlns:si="https://ptb.de/si" schemaVersion="3.3.0">
  <dcc:administrativeData>
    <dcc:dccSoftware><dcc:software><dcc:name><dcc:content>x</dcc:content></dcc:name></dcc:software></dcc:dccSoftware>
    <dcc:coreData>
      <dcc:uniqueIdentifier>WT-2026-0931</dcc:uniqueIdentifier>
      <dcc:beginPerformanceDate>2026-05-04</dcc:beginPerformanceDate>
      <dcc:endPerformanceDate>2026-05-05</dcc:endPerformanceDate>
    </dcc:coreData>
    <dcc:items>
      <dcc:item>
        <dcc:model>RX-40QZ</dcc:model>
        <dcc:identifications>
          <dcc:identification><dcc:issuer>manufacturer</dcc:issuer><dcc:value>SN-88213</dcc:value></dcc:identification>
          <dcc:identification><dcc:issuer>customer</dcc:issuer><dcc:value>PIR-H2-1</dcc:value></dcc:identification>
        </dcc:identifications>
      </dcc:item>
    </dcc:items>
    <dcc:calibrationLaboratory>
      <dcc:calibrationLaboratoryCode>D-K-15190</dcc:calibrationLaboratoryCode>
      <dcc:contact><dcc:name><dcc:content lang="de">M&#252;ller &amp; Sohn</dcc:content></dcc:name></dcc:contact>
    </dcc:calibrationLaboratory>
  </dcc:administrativeData>
  <dcc:measurementResults><dcc:measurementResult><dcc:results><dcc:result><dcc:data><dcc:quantity>
    <dcc:measurementMetaData><dcc:metaData><dcc:conformity>pass</dcc:conformity></dcc:metaData></dcc:measurementMetaData>
  </dcc:quantity></dcc:data></dcc:result></dcc:results></dcc:measurementResult></dcc:measurementResults>
</dcc:digitalCalibrationCertificate>"#;

    fn of(text: &str) -> Result<Certificate, String> {
        read(Path::new("c.xml"), text.as_bytes()).map_err(|(cause, _)| cause)
    }

    #[test]
    fn r05_a_certificate_gives_number_day_laboratory_and_what_it_is_about() {
        let found = of(WHOLE).expect("a certificate");
        let wanted = Certificate {
            number: "WT-2026-0931".into(),
            on: "2026-05-05".into(),
            laboratory: "Müller & Sohn".into(),
            code: "D-K-15190".into(),
            items: 1,
            names: vec![("manufacturer".into(), "SN-88213".into()), ("customer".into(), "PIR-H2-1".into())],
            conformity: [("pass".to_owned(), 1)].into(),
        };
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_no_certificate_says_why() {
        let table = [
            (WHOLE.replace("WT-2026-0931", " "), "no number"),
            (WHOLE.replace("2026-05-05", "05.05.2026"), "\"05.05.2026\" is no day of a calibration"),
            (WHOLE.replace("digitalCalibration", "digitalReference"), "its root is \"digitalReferenceCertificate\""),
            (WHOLE.replace("&amp;", "&bomb;"), "the entity &bomb;, which XML does not know"),
            (
                WHOLE.replace("<dcc:digital", "<!DOCTYPE x [<!ENTITY bomb \"x\">]><dcc:digital"),
                "document type declaration",
            ),
            (WHOLE.split("<dcc:measurementResults>").next().unwrap_or("").to_owned(), "it ends within"),
            (WHOLE.trim_end_matches('>').to_owned(), "it is no XML"),
            (WHOLE.replace("</dcc:items>", "</dcc:item>"), "it is no XML"),
            ("<x>".repeat(70).replacen("<x>", "<digitalCalibrationCertificate>", 1), "more than 64 deep"),
            (String::new(), "it ends within the certificate, or says nothing"),
        ];
        for (text, wanted) in table {
            let told = of(&text).expect_err(wanted);
            assert!(told.starts_with("c.xml: ") && told.contains(wanted), "{told}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        let found = of(&WHOLE.replace("WT-2026-0931", "WT\u{1b}[2J&#10;7")).expect("a certificate");
        assert_eq!(found.number, "WT[2J 7");
        let long = of(&WHOLE.replace("WT-2026-0931", &"ä".repeat(300))).expect("a certificate");
        assert_eq!(long.number.len(), MAX_FIELD);
    }
}
