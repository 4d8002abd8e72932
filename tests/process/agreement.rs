//! What each verifier says of a bundle, file and word of every contradiction: the same, whoever wrote the verifier.

use crate::bundle::{node, ran, verifier};
use crate::programs::{python, told};
use picket::evidence::check;
use picket_record::bundle::{Seal, Trust};
use picket_record::keys::PublicKey;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `file:word` of what contradicts, and whether all is well.
pub(crate) type Said = (BTreeSet<String>, bool);

/// Whoever asks: which identity he knows, and whether he demands a manifest.
pub(crate) struct Reader {
    pub(crate) identity: Option<String>,
    pub(crate) seal: Seal,
}

impl Reader {
    /// The product, in this process.
    pub(crate) fn product(&self, bundle: &Path) -> Said {
        let identity = self.identity.as_ref().map(|text| PublicKey::parse(text).expect("a key"));
        let verdict = check::bundle(bundle, Trust { identity, root: None }, self.seal, &mut |_| ()).expect("readable");
        let words = verdict.found.iter().map(|finding| format!("{}:{}", finding.part.file(), finding.what.reason()));
        (words.collect(), verdict.is_verified())
    }

    /// A verifier that shares no code with it, of every bundle in one run.
    pub(crate) fn stranger(&self, mut command: Command, bundles: &[PathBuf]) -> Vec<Said> {
        // One word: a key may begin with a hyphen.
        command.args(self.identity.iter().map(|identity| format!("--identity={identity}")));
        command.args((self.seal == Seal::Waived).then_some("--no-manifest"));
        // Of one bundle alone no name is told.
        let (first, twice) = (&bundles[0], bundles.len() == 1);
        let output = ran(command.args(bundles).args(twice.then_some(first)));
        let mut said = words(&told(&output));
        said.truncate(bundles.len());
        assert_eq!(said.len(), bundles.len(), "{command:?}: {}", told(&output));
        said
    }

    /// What the product says of each bundle, and so does everybody else.
    pub(crate) fn agree(&self, bundles: &[PathBuf], commands: Vec<(&str, Command)>) -> Vec<Said> {
        let ours: Vec<Said> = bundles.iter().map(|bundle| self.product(bundle)).collect();
        let mut parted = Vec::new();
        for (name, command) in commands {
            for ((bundle, ours), theirs) in bundles.iter().zip(&ours).zip(self.stranger(command, bundles)) {
                if *ours != theirs {
                    parted.push(format!("{}: picket {ours:?}, {name} {theirs:?}", bundle.display()));
                }
            }
        }
        assert!(parted.is_empty(), "{} of {}:\n{}", parted.len(), bundles.len(), parted.join("\n"));
        ours
    }
}

/// What a verifier told of each bundle that it names.
pub(crate) fn words(told: &str) -> Vec<Said> {
    let word = |line: &str| {
        let mut parts = line.strip_prefix("contradiction: ")?.split(": ");
        let file = parts.next()?.split(' ').next()?.to_owned();
        Some(format!("{file}:{}", parts.next()?))
    };
    let verdict = |part: &str| (part.lines().filter_map(word).collect(), part.contains("verdict: verified"));
    told.split("== ").skip(1).map(verdict).collect()
}

/// Everybody but the product.
pub(crate) fn strangers() -> Vec<(&'static str, Command)> {
    vec![("verify.py", with_python()), ("verify.mjs", with_node()), ("verify.sh", with_openssl())]
}

pub(crate) fn with_python() -> Command {
    let mut command = Command::new(python());
    command.arg(verifier("verify.py"));
    command
}

pub(crate) fn with_node() -> Command {
    let mut command = node();
    command.arg(verifier("verify.mjs"));
    command
}

pub(crate) fn with_openssl() -> Command {
    let mut command = Command::new("sh");
    command.arg(verifier("verify.sh"));
    command
}
