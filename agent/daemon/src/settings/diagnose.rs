//! What was found: gathered without an order, told by level, file and line; as text with carets, or as JSON.

use super::codes::{Code, Level};
use super::source::{Mark, Place};
use annotate_snippets::{AnnotationKind, Group, Level as Shade, Origin, Renderer, Snippet};
use serde_json::json;
use std::fmt;
use std::path::Path;

/// Findings that are kept; more are counted. Nobody reads a thousand, and each holds its line.
const MAX_KEPT: usize = 1_000;
/// Longest cause or remedy in bytes: values from a file are quoted in it.
const MAX_WORDS: usize = 600;
/// Columns that a rendered finding may take.
const WIDTH: usize = 120;

/// One thing that is wrong, or that somebody should know.
#[derive(Debug, Clone)]
pub struct Finding {
    code: Code,
    place: Place,
    cause: String,
    remedy: String,
}

impl Finding {
    /// Its row in the table of codes.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The file it was found in.
    pub fn file(&self) -> &Path {
        &self.place.file
    }

    /// Line from 1; `None` where the file as a whole is meant.
    pub fn line(&self) -> Option<usize> {
        self.place.marks.first().map(|mark| mark.line)
    }

    /// Column from 1, in characters.
    pub fn column(&self) -> Option<usize> {
        self.place.marks.first().map(|mark| mark.column)
    }

    /// What is wrong.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "code": self.code.to_string(),
            "level": self.code.level().as_str(),
            "file": self.file().display().to_string(),
            "line": self.line(),
            "column": self.column(),
            "cause": self.cause,
            "remedy": self.remedy,
        })
    }
}

impl fmt::Display for Finding {
    /// With the line it points to and a caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = plain(&self.file().display().to_string());
        let code = self.code.to_string();
        let shade = match self.code.level() {
            Level::Error => Shade::ERROR,
            Level::Warning => Shade::WARNING,
        };
        let mut group = Group::with_title(shade.primary_title(self.cause.as_str()).id(code.as_str()));
        if self.place.marks.is_empty() {
            group = group.element(Origin::path(path.as_str()));
        }
        for (index, mark) in self.place.marks.iter().enumerate() {
            group = match mark.excerpt.as_str() {
                "" => group.element(Origin::path(path.as_str()).line(mark.line).char_column(mark.column)),
                excerpt => group.element(snippet(mark, excerpt, &path, index == 0)),
            };
        }
        let group = group.element(Shade::HELP.message(self.remedy.as_str()));
        f.write_str(&Renderer::plain().term_width(WIDTH).render(&[group]))
    }
}

fn snippet<'a>(
    mark: &'a Mark,
    excerpt: &'a str,
    path: &'a str,
    first: bool,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let kind = if first { AnnotationKind::Primary } else { AnnotationKind::Context };
    let annotation = kind.span(mark.span.clone());
    let annotation = if mark.label.is_empty() { annotation } else { annotation.label(mark.label.as_str()) };
    Snippet::source(excerpt).line_start(mark.line).path(path).annotation(annotation)
}

/// Everything found in one run.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    pub(super) fn add(&mut self, code: Code, place: Place, cause: impl Into<String>, remedy: impl Into<String>) {
        match code.level() {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
        if self.kept.len() < MAX_KEPT {
            let (cause, remedy) = (plain(&cause.into()), plain(&remedy.into()));
            self.kept.push(Finding { code, place, cause, remedy });
        }
    }

    /// Errors before warnings, each by file and place.
    pub(super) fn sort(&mut self) {
        self.kept.sort_by(|a, b| {
            let key = |f: &Finding| (f.code.level(), f.line(), f.column(), f.code);
            (a.code.level(), a.file()).cmp(&(b.code.level(), b.file())).then_with(|| key(a).cmp(&key(b)))
        });
    }

    /// How many keep the settings from coming into force.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many do not.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// All that are kept, errors first, by file and line; at most 1,000.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    /// For `picket check --format json`: `errors` and `warnings` as lists, `not_shown` as a number.
    pub fn to_json(&self) -> serde_json::Value {
        let of = |level: Level| -> Vec<serde_json::Value> {
            self.kept.iter().filter(|finding| finding.code.level() == level).map(Finding::json).collect()
        };
        json!({
            "errors": of(Level::Error),
            "warnings": of(Level::Warning),
            "not_shown": self.errors + self.warnings - self.kept.len(),
        })
    }
}

impl fmt::Display for Findings {
    /// Each with its line and caret, and how many there are; the last line is ended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.kept {
            writeln!(f, "{finding}\n")?;
        }
        let beyond = self.errors + self.warnings - self.kept.len();
        if beyond > 0 {
            writeln!(f, "{beyond} more are not shown")?;
        }
        let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        writeln!(f, "{}, {}", many(self.errors, "error"), many(self.warnings, "warning"))
    }
}

/// On one line, without control characters, at most [`MAX_WORDS`] bytes: a terminal shows it as it is.
fn plain(text: &str) -> String {
    let mut cut = String::new();
    for c in text.chars() {
        if cut.len() >= MAX_WORDS {
            cut.push_str("...");
            break;
        }
        cut.push(if c.is_control() { '\u{fffd}' } else { c });
    }
    cut
}
