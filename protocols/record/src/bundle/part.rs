//! The files of a bundle.

/// A file of a bundle, in the order in which they are read: what a file is verified with comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Every version of the root document.
    Root,
    /// The request of the gateway, if it is there, and its acceptance.
    Enrolment,
    /// Receipts, rising.
    Receipts,
    /// Records of days, each behind the opening of its epoch.
    Summaries,
    /// What is disclosed of personal data.
    Sidecar,
    /// Orders and commands that the gateway got.
    Orders,
    /// The records, one a line.
    Records,
    /// Records that the gateway left for another branch.
    Branches,
    /// The record that names all other files, behind the opening of its epoch where that is not in the records.
    Manifest,
    /// A summary for people. Nothing in it is believed.
    Report,
}

impl Part {
    /// In the order of reading.
    pub const ALL: [Self; 10] = [
        Self::Root,
        Self::Enrolment,
        Self::Receipts,
        Self::Summaries,
        Self::Sidecar,
        Self::Orders,
        Self::Records,
        Self::Branches,
        Self::Manifest,
        Self::Report,
    ];

    /// Name of the file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Root => "root.jws",
            Self::Enrolment => "enrol.jws",
            Self::Receipts => "receipts.jws",
            Self::Summaries => "summaries.jws",
            Self::Sidecar => "sidecar.json",
            Self::Orders => "orders.jws",
            Self::Records => "records.jws",
            Self::Branches => "branches.jws",
            Self::Manifest => "MANIFEST.jws",
            Self::Report => "REPORT.txt",
        }
    }

    /// The part in a file of this name.
    pub fn of_file(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.file() == name)
    }
}
