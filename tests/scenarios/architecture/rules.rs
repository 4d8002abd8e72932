//! The rules, pure: a path and a text in, faults out. They read text, not syntax: comments are cut, strings are not.

use super::dependencies::Part;

/// House style: past 500 lines a file splits along a sentence.
pub(super) const MOST_LINES: usize = 500;
/// Files that are longer for the time being, each with its reason.
pub(super) const LONG: &[(&str, &str)] = &[];
const SAY_NOTHING: [&str; 8] = ["util", "utils", "common", "helpers", "types", "models", "manager", "prelude"];
const TOP: [&str; 17] = [
    ".cargo",
    ".ci",
    ".config",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "agent",
    "central",
    "config",
    "cross",
    "protocols",
    "systemd",
    "tests",
    "rust-toolchain.toml",
];
const TOOL_FILES: [&str; 3] = ["clippy.toml", "deny.toml", "rustfmt.toml"];

/// A Rust file: its code without comments, cut where its tests begin.
#[derive(Debug)]
pub(super) struct Source {
    path: String,
    lines: usize,
    /// Line number and text of the product code.
    product: Vec<(usize, String)>,
    /// The same of what is only compiled for tests.
    tests: Vec<(usize, String)>,
    text: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let lines: Vec<&str> = text.lines().map(code).collect();
        let (mut product, mut tests) = (Vec::new(), Vec::new());
        let mut testing = is_test(path);
        for (index, line) in lines.iter().enumerate() {
            // Tests stand last in a file; a `mod tests;` that names another file may stand anywhere.
            let next = lines.get(index + 1).is_some_and(|next| next.trim_end().ends_with('{'));
            testing |= line.trim() == "#[cfg(test)]" && next;
            if testing { &mut tests } else { &mut product }.push((index + 1, (*line).to_owned()));
        }
        Self { path: path.to_owned(), lines: text.lines().count(), product, tests, text: text.to_owned() }
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Lines without their comments.
    pub(super) fn code(&self, part: Part) -> impl Iterator<Item = &str> {
        let tests = if part == Part::All { &self.tests[..] } else { &[] };
        self.product.iter().chain(tests).map(|(_, line)| line.as_str())
    }

    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    fn is_named(&self, file: &str) -> bool {
        self.path.rsplit('/').next() == Some(file)
    }

    fn fault(&self, number: usize, what: &str) -> String {
        format!("{}:{number}: {what}", self.path)
    }
}

/// The code of a line: without a comment behind it. Two slashes after a colon are an address.
fn code(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

fn is_test(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    let folders = ["tests/scenarios/", "tests/peers/", "tests/bench/", "tests/faults/", "tests/fuzz/"];
    let integration = path.contains("/tests/") || folders.iter().any(|folder| path.starts_with(folder));
    integration || file == "tests.rs" || file == "testbed.rs" || path.contains("/examples/")
}

/// Whether a word stands in a line as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part) && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

pub(super) fn names(source: &Source) -> Vec<String> {
    let levels = source.path.trim_end_matches(".rs").split('/');
    let mut faults: Vec<String> = levels
        .filter(|level| SAY_NOTHING.contains(level))
        .map(|level| format!("{}: the name {level} says nothing", source.path))
        .collect();
    for (number, line) in source.product.iter().chain(&source.tests) {
        let declares = ["mod ", "pub mod ", "pub(crate) mod "].iter().any(|words| line.trim_start().starts_with(words));
        let inline = SAY_NOTHING.iter().filter(|name| declares && has_word(line, name));
        faults.extend(inline.map(|name| source.fault(*number, &format!("the module name {name} says nothing"))));
    }
    faults
}

pub(super) fn length(source: &Source) -> Vec<String> {
    let known = LONG.iter().any(|(path, _)| *path == source.path);
    let fault = (source.lines > MOST_LINES && !known)
        .then(|| format!("{}: {} lines; split it along a sentence", source.path, source.lines));
    fault.into_iter().collect()
}

pub(super) fn spawns(source: &Source) -> Vec<String> {
    if source.is_in(&["tests/"]) || source.is_named("supervise.rs") {
        return Vec::new();
    }
    let begins = ["::spawn(", ".spawn(", "spawn_local(", "spawn_blocking("];
    find(source, &source.product, &begins, "tasks and threads begin in supervise.rs only")
}

pub(super) fn clocks(source: &Source) -> Vec<String> {
    if source.is_named("clock.rs") || source.is_in(&["tests/"]) && source.product.is_empty() {
        return Vec::new();
    }
    let wall = ["SystemTime::now", "Timestamp::now", "std::time::Instant"];
    find(source, &source.product, &wall, "a clock is read in clock.rs only; deadlines may use tokio::time")
}

pub(super) fn purity(source: &Source) -> Vec<String> {
    const PURE: [&str; 3] = ["protocols/", "agent/core/", "tests/simulator/devices/"];
    if !source.is_in(&PURE) || is_test(&source.path) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in &source.product {
        let words = ["async", "HashMap", "HashSet", "tokio", "Instant", "SystemTime", "TcpStream", "UdpSocket", "File"];
        let found = words.iter().filter(|word| has_word(line, word));
        faults.extend(found.map(|word| source.fault(*number, &format!("{word} in code that only decides"))));
    }
    faults
}

pub(super) fn words(source: &Source) -> Vec<String> {
    if source.path.ends_with("architecture/rules.rs") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in source.product.iter().chain(&source.tests) {
        // A word in the reason of a lint is no use of it.
        let words = ["unsafe", "todo", "unimplemented"].into_iter().filter(|_| !line.contains("reason ="));
        faults.extend(words.filter(|word| has_word(line, word)).map(|word| source.fault(*number, word)));
    }
    // These stand in comments.
    for (index, line) in source.text.lines().enumerate() {
        let left = ["TODO", "FIXME"].into_iter().filter(|word| has_word(line, word));
        faults.extend(left.map(|word| source.fault(index + 1, word)));
    }
    faults
}

pub(super) fn sleeps(source: &Source) -> Vec<String> {
    // Load generators keep a pace: time is what they are made of.
    let paced = source.is_in(&["tests/bench/"]) || source.path.contains("/examples/");
    if paced || source.path.ends_with("architecture/rules.rs") {
        return Vec::new();
    }
    find(source, &source.tests, &["sleep("], "a test waits for a condition with a deadline, never for time to pass")
}

fn find(source: &Source, lines: &[(usize, String)], texts: &[&str], fault: &str) -> Vec<String> {
    let found = lines.iter().filter(|(_, line)| texts.iter().any(|text| line.contains(text)));
    found.map(|(number, _)| source.fault(*number, fault)).collect()
}

pub(super) fn top(names: &[String]) -> Vec<String> {
    let known = |name: &String| TOP.contains(&name.as_str()) || TOOL_FILES.contains(&name.as_str());
    names.iter().filter(|name| !known(name)).map(|name| format!("{name} does not belong at the top")).collect()
}

/// Every dependency of a member is the workspace's: `name.workspace = true`, or a table with `workspace = true`.
pub(super) fn versions(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        let stated = line.trim_start();
        let elsewhere = stated.is_empty() || stated.starts_with('#');
        if inside && !elsewhere && stated.contains('=') && !stated.replace(' ', "").contains("workspace=true") {
            faults.push(format!("{path}:{}: {stated}: versions stand in the root only", index + 1));
        }
    }
    faults
}

mod broken {
    //! Each rule finds what it is there to find.

    use super::*;

    fn of(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert_eq!(names(&of("agent/core/src/util.rs", "")).len(), 1);
        assert_eq!(names(&of("agent/core/src/models/door.rs", "")).len(), 1);
        assert_eq!(names(&of("agent/core/src/door.rs", "mod helpers {")).len(), 1);
        assert_eq!(names(&of("agent/core/src/door.rs", "// mod helpers\nmod held;")).len(), 0);
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(length(&of("central/src/a.rs", &"x\n".repeat(MOST_LINES))).len(), 0);
        assert_eq!(length(&of("central/src/a.rs", &"x\n".repeat(MOST_LINES + 1))).len(), 1);
    }

    #[test]
    fn tasks_that_begin_elsewhere_are_found() {
        let text = "tokio::spawn(x);\nstd::thread::spawn(x);\ntasks.spawn_local(x);\n#[cfg(test)]\nmod tests {\ntokio::spawn(x);";
        assert_eq!(spawns(&of("agent/daemon/src/line.rs", text)).len(), 3);
        assert_eq!(spawns(&of("agent/daemon/src/supervise.rs", text)).len(), 0);
    }

    #[test]
    fn clocks_elsewhere_are_found() {
        let text = "let now = SystemTime::now();\nuse std::time::Instant;\nuse tokio::time::Instant;";
        assert_eq!(clocks(&of("agent/daemon/src/think.rs", text)).len(), 2);
        assert_eq!(clocks(&of("agent/daemon/src/clock.rs", text)).len(), 0);
    }

    #[test]
    fn impure_decisions_are_found() {
        let text = "async fn x() {}\nuse std::collections::HashMap;\n// async\nfn asynchronous() {}";
        assert_eq!(purity(&of("agent/core/src/site.rs", text)).len(), 2);
        assert_eq!(purity(&of("agent/daemon/src/think.rs", text)).len(), 0);
    }

    #[test]
    fn words_that_must_not_be_there_are_found() {
        assert_eq!(
            words(&of("central/src/a.rs", "unsafe { x }\ntodo!()\n// TODO later\n// unsafe\nunsafe_code")).len(),
            3
        );
    }

    #[test]
    fn sleeping_tests_are_found() {
        let text = "sleep(pause).await;\n#[cfg(test)]\nmod tests {\n    sleep(pause).await;";
        assert_eq!(sleeps(&of("agent/daemon/src/line.rs", text)).len(), 1);
        assert_eq!(sleeps(&of("central/tests/a.rs", "thread::sleep(x);")).len(), 1);
    }

    #[test]
    fn strangers_at_the_top_and_versions_in_members_are_found() {
        assert_eq!(top(&["agent".to_owned(), "scripts".to_owned()]), ["scripts does not belong at the top"]);
        let text =
            "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\nb = { workspace = true }\nc = \"1\"";
        assert_eq!(versions("x/Cargo.toml", text), ["x/Cargo.toml:6: c = \"1\": versions stand in the root only"]);
    }
}
