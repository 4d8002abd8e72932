//! Whatever happens to the shipped files, they are told about: no panic, no long wait.

use crate::folder::Folder;
use picket::settings;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Numerical Recipes' generator: the seed is all there is to replay.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).expect("below a usize")
    }
}

const FILES: [&str; 4] = ["agent.toml", "register.toml", "manifest.csv", "profiles/moxa-e1210.toml"];

/// A check takes milliseconds. This is no measure of a machine, which may build something else meanwhile: only a reader
/// whose time grows faster than its file takes so long. One that never ends is ended by the runner (`.config/nextest.toml`).
const HANGS: Duration = Duration::from_secs(10);

/// Bytes that mean something to TOML, CSV or terminals, beside any other.
const LOADED: &[u8] = b"\"'[]{}=,#\n\r\t\0\x1b;\\.-+_ 0z\xff\xc3";

fn mutated(text: &[u8], lcg: &mut Lcg) -> Vec<u8> {
    let mut bytes = text.to_vec();
    let at = lcg.below(bytes.len());
    let any = u8::try_from(lcg.below(256)).expect("a byte");
    let loaded = LOADED[lcg.below(LOADED.len())];
    match lcg.below(7) {
        0 => bytes[at] = any,
        1 => bytes[at] = loaded,
        2 => bytes.insert(at, loaded),
        3 => drop(bytes.remove(at)),
        4 => bytes.truncate(at),
        what => {
            let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            let (from, to) = (lcg.below(lines.len()), lcg.below(lines.len()));
            let line = lines[from];
            if what == 5 {
                lines.remove(from);
            }
            lines.insert(to.min(lines.len()), line);
            bytes = lines.join(&b'\n');
        }
    }
    bytes
}

#[test]
fn two_thousand_mutations_never_panic_and_never_hang() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let texts: Vec<Vec<u8>> = FILES.iter().map(|name| fs::read(shipped.join(name)).expect("shipped")).collect();
    let folder = Folder::empty();
    for (name, text) in FILES.iter().zip(&texts) {
        folder.write(name, text);
    }
    let mut lcg = Lcg(0x5eed);
    let mut refused = 0;
    for round in 0..2_000 {
        let which = if lcg.below(2) == 0 { 0 } else { lcg.below(FILES.len()) };
        folder.write(FILES[which], mutated(&texts[which], &mut lcg));
        let started = Instant::now();
        let report = settings::check(folder.path());
        let told = report.to_string();
        let took = started.elapsed();
        assert!(took < HANGS, "seed 0x5eed, round {round}: {took:?}");
        assert!(!told.contains('\u{1b}') && !told.contains('\0'), "seed 0x5eed, round {round}: {told}");
        assert_eq!(report.passes(), report.findings.errors() == 0);
        refused += usize::from(!report.passes());
        folder.write(FILES[which], &texts[which]);
    }
    assert!((400..1_900).contains(&refused), "{refused} of 2,000 were refused");
}

#[test]
fn a_line_of_four_megabytes_is_told_without_being_shown() {
    let folder = Folder::whole();
    folder.write("agent.toml", format!("x = \"{}\"\n", "y".repeat(4_000_000)));
    let started = Instant::now();
    let told = settings::check(folder.path()).to_string();
    assert!(told.contains("unknown key `x`") && told.len() < 20_000, "{} bytes", told.len());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_thousand_findings_are_kept_and_the_others_counted() {
    let folder = Folder::whole();
    let rows: String = (0..5_000).map(|n| format!("E{n},dor\n")).collect();
    folder.write("register.csv", format!("id,kind\n{rows}"));
    let report = settings::check(folder.path());
    assert_eq!((report.findings.errors(), report.findings.iter().count()), (5_000, 1_000));
    assert!(report.to_string().contains("4000 more are not shown"));
}

#[test]
fn a_large_site_is_read_in_seconds_right_or_wrong() {
    let device = |n: usize, line: &str| {
        format!(
            "[[device]]\nname = \"d{n}\"\nline = \"{line}\"\nprofile = \"adam-6050-mqtt\"\nprefix = \"A/{n}\"\n\
             equipment = \"E{n}\"\n"
        )
    };
    let head = "[site]\nname = \"s\"\ngateway = \"g\"\n[[line]]\nname = \"b\"\nkind = \"mqtt\"\n\
        broker = \"mqtt://127.0.0.1\"\n";
    let rows: String = (0..20_000).map(|n| format!("X{n},door\n")).collect();
    for (line, errors) in [("b", 0), ("c", 4_000)] {
        let devices: String = (0..4_000).map(|n| device(n, line)).collect();
        let folder = Folder::whole();
        folder.write("agent.toml", format!("{head}{devices}"));
        folder.write("register.csv", format!("id,kind\n{rows}"));
        let started = Instant::now();
        let report = settings::check(folder.path());
        assert_eq!((report.findings.errors(), report.findings.warnings()), (errors, 4_000), "{line}");
        assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    }
}
