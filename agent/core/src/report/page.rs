//! The page of a report: one file that needs nothing else, runs nothing, and prints on A4.

use super::paper::{Sheet, UNKNOWN, lasting, moment, sheets, title};
use super::{Covered, Report, Source};
use picket_record::encode::base64url;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = "
@page { size: A4; margin: 16mm 14mm 18mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 62rem; color: #1a2127; background: #fff;
  font: 10.5pt/1.45 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', sans-serif; overflow-wrap: anywhere; }
header { border-bottom: 2px solid #26323d; padding-bottom: .8rem; margin-bottom: 1.4rem; }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 12.5pt; margin: 1.8rem 0 .3rem; break-after: avoid; }
p { margin: .2rem 0 .5rem; color: #414b54; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem; margin: .8rem 0 0; }
dt { color: #535f69; } dd { margin: 0; }
table { width: 100%; border-collapse: collapse; font-size: 9pt; font-variant-numeric: tabular-nums; }
thead { display: table-header-group; }
th { text-align: left; font-weight: 600; color: #414b54; border-bottom: 1.5px solid #8b969f; padding: .25rem .6rem .25rem 0; }
td { vertical-align: top; border-bottom: 1px solid #dfe3e6; padding: .25rem .6rem .25rem 0; }
tr { break-inside: avoid; }
.caution { border-left: 4px solid #b3141f; padding: .3rem .7rem; color: #8c1019; background: #fdf1f1; }
code { font: 8.5pt 'Noto Sans Mono', 'Liberation Mono', 'DejaVu Sans Mono', monospace; }
footer { margin-top: 2rem; padding-top: .6rem; border-top: 1px solid #8b969f; font-size: 9pt; color: #535f69; }
@media print { body { padding: 0; max-width: none; } }
";

/// The page; `digest` is the SHA-256 of the JSON that says the same, in hexadecimal.
pub fn html(report: &Report, digest: &str) -> String {
    let Source { site, gateway, .. } = &report.source;
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    // Texts of a register and of people stand here: whatever they are, nothing of them runs or is fetched.
    let style = base64url(&Sha256::digest(STYLE));
    let _ = writeln!(
        page,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}='\">"
    );
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    let title = title(report);
    let _ = writeln!(page, "<title>{title}: {}</title>", escaped(&format!("{site} / {gateway}")));
    let _ = writeln!(page, "<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>");
    let _ = writeln!(page, "<p>Site {}, gateway {}. All times are UTC.</p>", escaped(site), escaped(gateway));
    if report.source.trust == "bundle" {
        let _ = writeln!(page, "<p class=\"caution\">{}</p>", escaped(&report.source.rests_on));
    }
    facts(&report.source, &report.period, &mut page);
    page += "</header>\n<main>\n";
    sheets(report).iter().for_each(|sheet| table(sheet, &mut page));
    let _ = writeln!(
        page,
        "</main>\n<footer>The same as JSON has the SHA-256 <code>{}</code>. Every figure can be counted again from the \
         records of the bundle; picket verify says whether they are whole.</footer>\n</body>\n</html>",
        escaped(digest)
    );
    page
}

/// What the report rests on.
fn facts(source: &Source, period: &Covered, page: &mut String) {
    let asked = match (&period.asked_from, &period.asked_before) {
        (None, None) => "all that the records tell of".to_owned(),
        (from, before) => {
            let end = |text: &Option<String>| text.as_deref().map_or("the end".to_owned(), |text| moment(Some(text)));
            let begin = from.as_deref().map_or("the beginning".to_owned(), |text| moment(Some(text)));
            format!("from {begin}, before {}", end(before))
        }
    };
    let not_live = period.not_live.iter().map(|(mode, n)| format!(", {n} of {mode}")).collect::<String>();
    let rows = [
        ("Period", asked),
        ("Its records", format!("{}, {} to {}{not_live}", period.records, period.first, period.last)),
        ("Their times", format!("{} to {}", moment(period.from.as_deref()), moment(period.to.as_deref()))),
        ("Watched", format!("{} of {}", lasting(period.watched_ms), lasting(period.span_ms))),
        ("Clock not synchronised", counted(period.unsynchronised, "record")),
        ("Of no known time", counted(period.without_time, "record")),
        ("Verified", format!("{} records, {} to {}", source.records, source.first, source.last)),
        ("Rests on", source.rests_on.clone()),
        ("Identity", or_unknown(&source.identity)),
        ("Accepted by", or_unknown(&source.centre)),
        ("Receipts that agree", source.receipts.to_string()),
        ("Exported", format!("{} (record {})", source.exported, source.manifest)),
        ("Declared losses", losses(source)),
        ("Not counted here", left_out(source)),
    ];
    page.push_str("<dl>\n");
    for (name, value) in rows {
        let _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    page.push_str("</dl>\n");
}

fn losses(source: &Source) -> String {
    if source.losses == 0 {
        return "none".to_owned();
    }
    let listed = source.listed_losses.join("; ");
    let more = source.losses.saturating_sub(source.listed_losses.len() as u64);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}: {listed}{more}", source.losses)
}

fn left_out(source: &Source) -> String {
    format!(
        "{}, {} of which only a summary is left, {}",
        counted(source.refused, "line that is no good record and was declared as lost"),
        counted(source.days_summed_up, "day"),
        counted(source.branches, "branch that was left")
    )
}

fn counted(n: u64, what: &str) -> String {
    if n == 0 { format!("no {what}") } else { format!("{n} × {what}") }
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { UNKNOWN.to_owned() } else { text.to_owned() }
}

fn table(sheet: &Sheet, page: &mut String) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>", escaped(&sheet.title));
    for note in &sheet.notes {
        let _ = writeln!(page, "<p>{}</p>", escaped(note));
    }
    if sheet.rows.is_empty() {
        page.push_str("<p>None.</p>\n</section>\n");
        return;
    }
    page.push_str("<table>\n");
    if sheet.head.iter().any(|name| !name.is_empty()) {
        page.push_str("<thead><tr>");
        cells(sheet.head.iter().copied(), "th scope=\"col\"", "th", page);
        page.push_str("</tr></thead>\n");
    }
    page.push_str("<tbody>\n");
    for row in &sheet.rows {
        page.push_str("<tr>");
        cells(row.iter().map(String::as_str), "td", "td", page);
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
    if sheet.more > 0 {
        let _ = writeln!(page, "<p>And {} more.</p>", sheet.more);
    }
    page.push_str("</section>\n");
}

fn cells<'a>(texts: impl Iterator<Item = &'a str>, begin: &str, end: &str, page: &mut String) {
    for text in texts {
        let _ = write!(page, "<{begin}>{}</{end}>", escaped(text));
    }
}

/// Text as it stands in a page: no character of it is markup, and none is unseen or turns the direction of what follows.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in picket_record::shown::plain(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
