//! Seeded defects: patches that break a promise on purpose, each with the tests that must turn red by it. A test that
//! stays green under its defect shows nothing.
//!
//! A patch begins with what it breaks (`Defect:`) and what must see it: `Test: PACKAGE TARGET NAME`, where the target is
//! `lib` or a test of its own, or `Faults: ARGUMENTS` of this program. In the short tier only that each patch still
//! applies is looked at. A witness that mounts a file system of its own (`Faults: full`) needs root, and is asked with
//! `sudo` by whoever is not: without it the part fails before anything is built. Nothing else is done as root, because
//! what root builds in the folders of a plain user breaks his next build.

mod tree;

use crate::Part;
use crate::check::Found;
use crate::runs::{Failure, Run, Runs};
use clap::ValueEnum;
use simulator::product::repository;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tree::{Tree, last};

/// Where the patches lie.
const PATCHES: &str = "tests/faults/defects";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Witness {
    Test { package: String, target: String, name: String },
    Faults { arguments: String },
}

impl Witness {
    fn told(&self) -> String {
        match self {
            Self::Test { package, target, name } => format!("{package} {target} {name}"),
            Self::Faults { arguments } => format!("faults {arguments}"),
        }
    }

    fn needs_root(&self) -> bool {
        let Self::Faults { arguments } = self else { return false };
        arguments.split(' ').filter_map(|word| Part::from_str(word, true).ok()).any(Part::needs_root)
    }

    /// Whether it can be asked here. A password is asked for now, before anything is built.
    fn allowed(&self) -> Result<(), String> {
        if !self.needs_root() || is_root() {
            return Ok(());
        }
        let refused = |why: String| format!("{} mounts file systems of its own, which needs root: {why}", self.told());
        let asked = Command::new("sudo").arg("true").stdin(Stdio::null()).status();
        match asked.map_err(|error| refused(format!("sudo: {error}; run it as root, or install sudo")))?.success() {
            true => Ok(()),
            false => Err(refused("sudo refuses; run it as root".into())),
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
    let patches: Vec<PathBuf> = defects.iter().map(|defect| defect.patch.clone()).collect();
    defects.retain(|defect| run.only.as_ref().is_none_or(|only| *only == defect.name));
    for defect in &defects {
        let applies = git(repository(), &["apply", "--check"], &defect.patch).map(|()| Found::default());
        runs.took(applies.map_err(|why| Failure::new(&*defect.name, format!("it does not apply any more: {why}"))));
    }
    if run.long || run.only.is_some() {
        let all: BTreeSet<&Witness> = defects.iter().flat_map(|defect| &defect.witnesses).collect();
        all.iter().try_for_each(|witness| witness.allowed())?;
        let tree = Tree::make(&patches)?;
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

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
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
                    let mut words = rest.split(' ').map(str::to_owned);
                    let (Some(package), Some(target), Some(test), None) =
                        (words.next(), words.next(), words.next(), words.next())
                    else {
                        return Err(format!("{name}: {line}"));
                    };
                    witnesses.push(Witness::Test { package, target, name: test });
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

fn git(folder: &Path, arguments: &[&str], patch: &Path) -> Result<(), String> {
    let mut git = Command::new("git");
    let done = git.args(arguments).arg(patch).current_dir(folder).stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("git: {error}"))?;
    if done.status.success() { Ok(()) } else { Err(last(&done)) }
}
