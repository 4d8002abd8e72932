//! The files of the tree.

use super::rules::Source;
use std::fs;
use std::path::{Path, PathBuf};

const MEMBERS: [&str; 7] =
    ["protocols/device", "protocols/record", "protocols/session", "agent/core", "agent/daemon", "central", "tests"];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file of the members.
pub(super) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for member in MEMBERS {
        walk(&root().join(member), &mut found);
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push(Source::new(&shown, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Names at the top, without what Git, Cargo and the test command keep there (all of it in `.gitignore`).
pub(super) fn top() -> Vec<String> {
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| ![".git", "target", ".venv"].contains(&name.as_str())).collect()
}

/// The manifests of the members: path and text.
pub(super) fn manifests() -> Vec<(String, String)> {
    let paths = MEMBERS.iter().map(|member| format!("{member}/Cargo.toml"));
    paths.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}
