//! No manifest names a crate that its sources do not: an unused dependency is compiled, audited and shipped for nothing.
//! Pure: texts in, faults out.

use super::rules::Source;

/// Dependencies of one member that occur in none of its sources. What only tests and examples use belongs to
/// `dev-dependencies`, which the product is built without; the member of the tests has no product.
pub(super) fn unused(manifest: &str, text: &str, sources: &[Source]) -> Vec<String> {
    let member = manifest.trim_end_matches("Cargo.toml");
    let product = format!("{member}src/");
    let in_product = |source: &&Source| source.path().starts_with(&product);
    let own: Vec<&Source> = sources.iter().filter(|source| source.path().starts_with(member)).collect();
    let has_product = own.iter().any(in_product);
    let mut faults = Vec::new();
    for (table, name) in named(text) {
        let shipped = table == "dependencies" && has_product;
        let used = own.iter().any(|source| {
            let mut lines = source.code(if shipped { Part::Product } else { Part::All });
            (!shipped || in_product(source)) && lines.any(|line| is_used(line, &name))
        });
        if !used {
            faults.push(format!("{manifest}: nothing uses {name} of [{table}]"));
        }
    }
    faults
}

/// Dependencies of the workspace that no member names.
pub(super) fn unclaimed(root: &str, members: &[(String, String)]) -> Vec<String> {
    let claimed = |name: &str| {
        let mut all = members.iter().flat_map(|(_, text)| named(text));
        all.any(|(_, member)| member == name)
    };
    let stated = named(root).into_iter().filter(|(table, _)| table == "workspace.dependencies");
    stated.filter(|(_, name)| !claimed(name)).map(|(_, name)| format!("Cargo.toml: no member names {name}")).collect()
}

/// Which lines of a source are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What is compiled into the product.
    Product,
    /// Tests too.
    All,
}

/// Table and name of each dependency; one a line, as `cargo add` writes them.
fn named(manifest: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            header.trim_end_matches(']').clone_into(&mut table);
        } else if table.ends_with("dependencies") && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let name: String = line.chars().take_while(|c| !matches!(c, '.' | ' ' | '=')).collect();
            found.push((table.clone(), name));
        }
    }
    found
}

/// Whether a line of code names the crate: as the first part of a path, or imported whole.
fn is_used(line: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    line.match_indices(&name).any(|(at, _)| {
        let begins = !line[..at].chars().next_back().is_some_and(part);
        let after = &line[at + name.len()..];
        let imported = line.trim_start().starts_with("use ") && (after.starts_with(';') || after.starts_with(" as "));
        begins && (after.starts_with("::") || imported)
    })
}

mod broken {
    //! Each rule finds what it is there to find.

    use super::*;

    const MANIFEST: &str =
        "[dependencies]\na-b.workspace = true\nc.workspace = true\n\n[dev-dependencies]\nd.workspace = true";

    fn faults(product: &str, test: &str) -> Vec<String> {
        let sources = [
            Source::new("x/src/lib.rs", product),
            Source::new("x/tests/x.rs", test),
            Source::new("y/src/lib.rs", "c::x()"),
        ];
        unused("x/Cargo.toml", MANIFEST, &sources)
    }

    #[test]
    fn dependencies_that_nothing_uses_are_found() {
        assert_eq!(faults("use a_b::x;\nlet y = c::y();", "use d;").len(), 0);
        assert_eq!(
            faults("use a_b::x;\n// c::y()\nlet c = x::c::y;", "d::z()"),
            ["x/Cargo.toml: nothing uses c of [dependencies]"]
        );
        assert_eq!(faults("a_b::x(c::y());", ""), ["x/Cargo.toml: nothing uses d of [dev-dependencies]"]);
    }

    #[test]
    fn what_only_tests_use_is_no_dependency_of_the_product() {
        assert_eq!(faults("a_b::x();", "c::y();\nd::z();"), ["x/Cargo.toml: nothing uses c of [dependencies]"]);
        assert_eq!(faults("a_b::x();\n#[cfg(test)]\nmod tests {\n    use c::y;", "d::z();").len(), 1);
    }

    #[test]
    fn dependencies_of_the_workspace_that_no_member_names_are_found() {
        let root = "[workspace.dependencies]\na-b = { version = \"1\" }\ne = \"1\"";
        let members = [("x/Cargo.toml".to_owned(), MANIFEST.to_owned())];
        assert_eq!(unclaimed(root, &members), ["Cargo.toml: no member names e"]);
    }
}
