#![allow(warnings, clippy::all)]
#[path = "../../../tests/process/large.rs"]
mod large;
use large::Life;
use picket_record::bundle::{BundleCheck, Part, Seal, Trust};
use picket_record::keys::PublicKey;
use std::path::Path;
fn judge(folder: &Path, id: &str, seal: Seal) {
    let mut check = BundleCheck::new(Trust { identity: Some(PublicKey::parse(id).unwrap()), root: None }, seal);
    for part in Part::ALL {
        if let Ok(bytes) = std::fs::read(folder.join(part.file())) {
            check.begin(part);
            check.feed(&bytes);
            check.end();
        }
    }
    let v = check.finish();
    println!("== {}", folder.display());
    println!(
        "records {} branches {} days {} lost {} epochs {}",
        v.chain.records,
        v.branches.len(),
        v.summaries,
        v.chain.lost,
        v.chain.epochs
    );
    for f in v.found.iter().take(if std::env::var("ALL").is_ok() { 1000 } else { 5 }) {
        println!(
            "contradiction: {}{}: {}: {f}",
            f.part.file(),
            f.line.map(|l| format!(" line {l}")).unwrap_or_default(),
            f.what.reason()
        );
    }
    println!("contradictions {}\nverdict: {}", v.contradictions, if v.is_verified() { "verified" } else { "refused" });
}
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    if a[0] == "judge" {
        for f in &a[2..] {
            judge(Path::new(f), &a[1], if std::env::var("OPEN").is_ok() { Seal::Waived } else { Seal::Demanded });
        }
        return;
    }
    let out = Path::new(&a[1]);
    let n: Vec<u64> = a[2..].iter().map(|x| x.parse().unwrap()).collect();
    let life = Life::new();
    match a[0].as_str() {
        "mixed" => life.days(n[0]).holes(n[1]).declared().branches(n[2]).write(out),
        "holes" => life.holes(n[0]).declared().write(out),
        "apart" => life.declared_apart(n[0]).write(out),
        "damaged" => life.damaged(n[0]).declared().write(out),
        "branches" => life.branches(n[0]).write(out),
        "days" => life.days(n[0]).write(out),
        _ => println!("{}", Life::identity()),
    }
}
