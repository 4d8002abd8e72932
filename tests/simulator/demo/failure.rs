//! Why the demo cannot go on: what it was doing, and the cause.

use std::error::Error;
use std::fmt;

/// Ends the demo.
#[derive(Debug)]
pub(crate) struct Failure {
    doing: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Without a cause from elsewhere.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { doing: what.into(), source: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        let mut cause: Option<&dyn Error> = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// Puts the words in front of the cause.
    fn doing(self, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Error + Send + Sync + 'static> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure { doing: what.into(), source: Some(Box::new(error)) })
    }
}
