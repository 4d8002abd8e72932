//! What must not exist, held against every file of the tree. Each rule is a pure
//! function of a path and a text, and is itself tested with a text that breaks it.

mod dependencies;
mod rules;
mod tree;

use rules::Source;
use tree::root;

/// Runs a rule over every Rust file and tells all faults at once.
fn hold(rule: impl Fn(&Source) -> Vec<String>) {
    let sources = tree::sources();
    assert!(sources.len() > 100, "only {} files found: the walk is broken", sources.len());
    let faults: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() {
    hold(rules::names);
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    hold(rules::length);
    for (path, _) in rules::LONG {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let long = Source::new(path, &text).lines() > rules::MOST_LINES;
        assert!(long, "{path} is no longer too long: take it off the list");
    }
}

#[test]
fn tasks_and_threads_begin_in_supervise_only() {
    hold(rules::spawns);
}

#[test]
fn clocks_are_read_in_clock_files_only() {
    hold(rules::clocks);
}

#[test]
fn what_decides_is_pure() {
    hold(rules::purity);
}

#[test]
fn nothing_is_unsafe_and_nothing_is_left_to_do() {
    hold(rules::words);
}

#[test]
fn no_test_sleeps() {
    hold(rules::sleeps);
}

#[test]
fn the_top_of_the_tree_is_as_prescribed() {
    let faults = rules::top(&tree::top());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn versions_stand_in_the_root_only() {
    let manifests = tree::manifests();
    assert_eq!(manifests.len(), 7);
    let faults: Vec<String> = manifests.iter().flat_map(|(path, text)| rules::versions(path, text)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_dependency_is_used() {
    let (sources, manifests) = (tree::sources(), tree::manifests());
    let faults = manifests.iter().flat_map(|(path, text)| dependencies::unused(path, text, &sources));
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let faults: Vec<String> = faults.chain(dependencies::unclaimed(&workspace, &manifests)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
