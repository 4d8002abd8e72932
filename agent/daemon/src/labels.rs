//! Labels for equipment: a printable sheet whose QR codes open a piece of equipment on the guards' page, where its
//! standing is shown as it is now (ISO 28004-1, 4.5.1 d3: calibration status is visible to the users). Only what does not
//! change stands on the label itself.

use picket_core::register::{Equipment, EquipmentId};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;

/// Three by eight labels of 63.5 by 33.9 mm on an A4 sheet, as stationers sell them.
const ON_SHEET: usize = 24;
/// Longest address of the page: what a code of this size still holds with an id behind it.
pub const PAGE_MAX: usize = 120;

/// Why there are no labels.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LabelFault {
    /// The address cannot be one.
    #[error(
        "{0:?} is no address of the guards' page: write it as guards open it, such as https://gate-1.site.example/, with at \
         most {PAGE_MAX} characters"
    )]
    Page(String),
    /// A piece of equipment that no row names.
    #[error("no row of the register names {0}")]
    Unlisted(String),
    /// A code that does not hold its text.
    #[error("no QR code for {0}: {1}")]
    Code(EquipmentId, String),
}

/// The sheets as one HTML file without a script; `page` is the address under which guards open the page, and `site` the
/// name of the site.
pub fn sheets<'a>(
    page: &str,
    site: &str,
    equipment: impl Iterator<Item = &'a Equipment>,
) -> Result<String, LabelFault> {
    let is_web = page.starts_with("https://") || page.starts_with("http://");
    let fits = page.len() <= PAGE_MAX && page.bytes().all(|c| c.is_ascii_graphic()) && !page.contains('#');
    if !is_web || !fits {
        return Err(LabelFault::Page(page.to_owned()));
    }
    let page = page.trim_end_matches('/');
    let labels: Vec<String> = equipment.map(|row| label(page, site, row)).collect::<Result<_, _>>()?;
    let mut html = format!("{HEAD}<title>Labels of {}</title>\n<body>\n", escaped(site));
    for sheet in labels.chunks(ON_SHEET) {
        let _ = write!(html, "<div class=\"sheet\">\n{}</div>\n", sheet.concat());
    }
    Ok(html)
}

fn label(page: &str, site: &str, row: &Equipment) -> Result<String, LabelFault> {
    let code = QrCode::with_error_correction_level(format!("{page}/#e/{}", row.id), EcLevel::M);
    let code = code.map_err(|error| LabelFault::Code(row.id.clone(), error.to_string()))?;
    let (kind, serial) = (row.kind.as_str(), if row.serial.is_empty() { "" } else { " · " });
    Ok(format!(
        "<div class=\"label\">{}<p><b>{}</b><br>{kind}{serial}{}<br>{}<br><small>{}</small></p></div>\n",
        svg(&code),
        escaped(row.id.as_str()),
        escaped(&row.serial),
        escaped(&row.place),
        escaped(site),
    ))
}

/// Dark modules as one path, with the quiet zone of four modules that readers need.
fn svg(code: &QrCode) -> String {
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, colour)| *colour == Color::Dark);
    let mut path = String::new();
    for (at, _) in dark {
        let _ = write!(path, "M{} {}h1v1h-1z", at % width + 4, at / width + 4);
    }
    let size = width + 8;
    format!("<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"QR code\"><path d=\"{path}\"/></svg>")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<style>
  @page { size: A4; margin: 0 }
  body { margin: 0; font: 8pt/1.25 system-ui, sans-serif; color: #000 }
  .sheet { width: 210mm; height: 296mm; box-sizing: border-box; padding: 12.9mm 7.2mm; display: grid;
    grid-template: repeat(8, 33.9mm) / repeat(3, 63.5mm); column-gap: 2.5mm; break-after: page }
  .label { display: flex; align-items: center; gap: 1mm; overflow: hidden }
  .label svg { flex: none; width: 30mm; height: 30mm }
  .label p { margin: 0; overflow-wrap: anywhere }
  .label b { font-size: 10pt }
</style>
";

/// The rows that are named, or all.
pub fn chosen<'a>(
    register: &'a picket_core::register::Register,
    only: &[String],
) -> Result<Vec<&'a Equipment>, LabelFault> {
    if only.is_empty() {
        return Ok(register.iter().collect());
    }
    let row = |id: &String| EquipmentId::parse(id).and_then(|id| register.get(&id));
    only.iter().map(|id| row(id).ok_or_else(|| LabelFault::Unlisted(id.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_core::register::rows;

    fn register() -> picket_core::register::Register {
        let row = |fields: &[(&str, &str)]| fields.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let many =
            (0..25).map(|n| row(&[("id", &format!("DOOR-{n:02}")), ("kind", "door"), ("place", "Hall <1> & 2")]));
        rows::build(1, [0; 32], &many.collect::<Vec<rows::Row>>()).expect("right")
    }

    #[test]
    fn r06_each_piece_of_equipment_has_a_label_and_a_sheet_holds_twenty_four() {
        let html = sheets("https://gate.example/", "north", register().iter()).expect("labels");
        assert_eq!((html.matches("class=\"label\"").count(), html.matches("class=\"sheet\"").count()), (25, 2));
        assert!(html.contains("<b>DOOR-07</b>") && html.contains("Hall &lt;1&gt; &amp; 2") && !html.contains("<1>"));
        assert!(!html.contains("<script"));
    }

    #[test]
    fn what_cannot_be_an_address_or_is_not_listed_is_refused() {
        let register = register();
        for wrong in
            ["gate.example", "file:///x", "https://a b/", "https://gate/#x", &format!("https://{}", "x".repeat(120))]
        {
            assert!(matches!(sheets(wrong, "north", register.iter()), Err(LabelFault::Page(_))), "{wrong}");
        }
        assert_eq!(chosen(&register, &["DOOR-99".into()]), Err(LabelFault::Unlisted("DOOR-99".into())));
        assert_eq!(chosen(&register, &["DOOR-03".into()]).expect("listed").len(), 1);
    }
}
