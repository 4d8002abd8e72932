//! Seeded defects: patches that break a promise on purpose, each with the tests that must turn red by it. A test that
//! stays green under its defect shows nothing.
//!
//! A patch begins with what it breaks (`Defect:`) and what must see it: `Test: PACKAGE NAME` of a library's tests, or
//! `Faults: ARGUMENTS` of this program. In the short tier only that each patch still applies is looked at.

use crate::check::Found;
use crate::runs::{Failure, Run, Runs};
use simulator::product::{own_folder, repository};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

/// Where the patches lie.
const PATCHES: &str = "tests/faults/defects";
/// What a tree needs to be built.
const TREE: [&str; 8] = ["Cargo.toml", "Cargo.lock", ".cargo", "agent", "central", "protocols", "config", "tests"];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Witness {
    Test { package: String, name: String },
    Faults { arguments: String },
}

impl Witness {
    fn told(&self) -> String {
        match self {
            Self::Test { package, name } => format!("{package} {name}"),
            Self::Faults { arguments } => format!("faults {arguments}"),
        }
    }
}

#[derive(Debug)]
struct Defect {
    patch: PathBuf,
    name: String,
    what: String,
    witnesses: Vec<Witness>,
}

/// Runs the part.
pub(crate) fn run(run: &Run) -> Result<Runs, String> {
    let (mut runs, began) = (Runs::default(), Instant::now());
    let mut defects = defects()?;
    defects.retain(|defect| run.only.as_ref().is_none_or(|only| *only == defect.name));
    for defect in &defects {
        let applies = git(repository(), &["apply", "--check"], &defect.patch).map(|()| Found::default());
        runs.took(applies.map_err(|why| Failure::new(&*defect.name, format!("it does not apply any more: {why}"))));
    }
    if run.long || run.only.is_some() {
        let tree = Tree::make()?;
        let all: BTreeSet<&Witness> = defects.iter().flat_map(|defect| &defect.witnesses).collect();
        for witness in all {
            let green = tree.is_green(witness)?;
            println!("  without a defect {}: {}", if green { "green" } else { "RED" }, witness.told());
            let red = || Failure::new(witness.told(), "it is red without any defect");
            runs.took(if green { Ok(Found::default()) } else { Err(red()) });
        }
        for defect in &defects {
            let seen = tree.seen(defect)?;
            println!("  {}: {} ({} of {} red)", defect.name, defect.what, seen.len(), defect.witnesses.len());
            for witness in defect.witnesses.iter().filter(|witness| !seen.contains(witness)) {
                runs.took(Err(Failure::new(&*defect.name, format!("{} stays green", witness.told()))));
            }
            seen.iter().for_each(|_| runs.took(Ok(Found::default())));
        }
    }
    runs.took = began.elapsed();
    Ok(runs)
}

fn defects() -> Result<Vec<Defect>, String> {
    let folder = repository().join(PATCHES);
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(told)? {
        let patch = entry.map_err(told)?.path();
        if patch.extension().is_some_and(|extension| extension == "patch") {
            found.push(Defect::read(patch)?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty() { Err(format!("{}: no patch", folder.display())) } else { Ok(found) }
}

impl Defect {
    fn read(patch: PathBuf) -> Result<Self, String> {
        let text = std::fs::read_to_string(&patch).map_err(|error| format!("{}: {error}", patch.display()))?;
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (mut what, mut witnesses) = (String::new(), Vec::new());
        for line in text.lines().take_while(|line| !line.starts_with("---")) {
            match line.split_once(": ") {
                Some(("Defect", rest)) => what = rest.to_owned(),
                Some(("Test", rest)) => {
                    let (package, name) = rest.split_once(' ').ok_or_else(|| format!("{name}: {line}"))?;
                    witnesses.push(Witness::Test { package: package.into(), name: name.into() });
                }
                Some(("Faults", rest)) => witnesses.push(Witness::Faults { arguments: rest.into() }),
                _ => {}
            }
        }
        if what.is_empty() || witnesses.is_empty() {
            return Err(format!("{}: no Defect, or nothing that must see it", patch.display()));
        }
        Ok(Self { patch, name, what, witnesses })
    }
}

/// A copy of the sources with a target folder of its own; both stay for the next time.
struct Tree {
    folder: PathBuf,
    target: PathBuf,
}

impl Tree {
    fn make() -> Result<Self, String> {
        let own = own_folder().map_err(crate::told)?;
        let base = own.parent().ok_or("no target folder")?.join("defects");
        let (folder, target) = (base.join("tree"), base.join("target"));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // Times are kept, so that what did not change is not built again.
        let sources = TREE.map(|name| repository().join(name));
        let names = sources.iter().filter_map(|path| path.file_name());
        for name in names {
            let _ = std::fs::remove_dir_all(folder.join(name));
        }
        let copied = Command::new("cp").args(["-a", "--"]).args(&sources).arg(&folder).status();
        if !copied.map_err(|error| format!("cp: {error}"))?.success() {
            return Err("the sources were not copied".into());
        }
        // A repository of its own: below another one `git apply` leaves out what is not below the folder.
        let made = Command::new("git").args(["init", "--quiet"]).arg(&folder).status();
        if !made.map_err(|error| format!("git: {error}"))?.success() {
            return Err("git init failed".into());
        }
        Ok(Self { folder, target })
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output, String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0");
        cargo.stdin(Stdio::null()).output().map_err(|error| format!("cargo: {error}"))
    }

    /// Which of its witnesses are red under a defect.
    fn seen<'d>(&self, defect: &'d Defect) -> Result<Vec<&'d Witness>, String> {
        git(&self.folder, &["apply"], &defect.patch)?;
        let seen: Result<Vec<&Witness>, String> = defect
            .witnesses
            .iter()
            .filter_map(|witness| match self.is_green(witness) {
                Ok(true) => None,
                Ok(false) => Some(Ok(witness)),
                Err(why) => Some(Err(format!("{}: {why}", defect.name))),
            })
            .collect();
        git(&self.folder, &["apply", "--reverse"], &defect.patch)?;
        seen
    }

    /// Whether a test passes. What does not build, or does not run exactly it, is an error and neither red nor green.
    fn is_green(&self, witness: &Witness) -> Result<bool, String> {
        match witness {
            Witness::Test { package, name } => {
                let done = self.cargo(&["test", "--locked", "-p", package, "--lib", name, "--", "--exact"])?;
                let told = String::from_utf8_lossy(&done.stdout).into_owned();
                if told.contains("test result: ok. 1 passed") {
                    return Ok(true);
                }
                if told.contains(&format!("test {name} ... FAILED")) {
                    return Ok(false);
                }
                Err(format!("{name} was not run: {}", last(&done)))
            }
            Witness::Faults { arguments } => {
                let built = self.cargo(&["build", "--locked", "--quiet", "-p", "picket-tests", "--bin", "faults"])?;
                if !built.status.success() {
                    return Err(format!("it does not build: {}", last(&built)));
                }
                let program = self.target.join("debug/faults");
                let done = Command::new(program).arg("run").args(arguments.split(' ')).stdin(Stdio::null()).output();
                let done = done.map_err(|error| format!("faults: {error}"))?;
                match done.status.code() {
                    Some(0) => Ok(true),
                    Some(1) => Ok(false),
                    _ => Err(format!("faults {arguments}: {}", last(&done))),
                }
            }
        }
    }
}

fn git(folder: &Path, arguments: &[&str], patch: &Path) -> Result<(), String> {
    let mut git = Command::new("git");
    let done = git.args(arguments).arg(patch).current_dir(folder).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("git: {error}"))?;
    if done.status.success() { Ok(()) } else { Err(last(&done)) }
}

/// The last lines that a program printed.
fn last(done: &Output) -> String {
    let told = format!("{}\n{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let lines: Vec<&str> = told.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
