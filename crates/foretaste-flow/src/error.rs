//! What can go wrong in a verb.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a verb, split by what the caller can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data cannot be read as asked.
    #[error(transparent)]
    Format(#[from] foretaste_formats::FormatError),
    /// A name or value is wrong.
    #[error(transparent)]
    Core(#[from] foretaste_core::Error),
    /// The data do not allow what was asked.
    #[error("{problem}")]
    Data {
        /// What is wrong, values in backticks.
        problem: String,
        /// What the user can do.
        hint: String,
    },
    /// A configuration or findings file is broken.
    #[error("`{path}`: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What the user can do.
        hint: String,
    },
}

impl Error {
    /// An [`Error::Data`].
    pub fn data(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data { problem: problem.into(), hint: hint.into() }
    }

    /// An [`Error::File`].
    pub fn file(path: impl Into<PathBuf>, problem: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.to_string(), hint: hint.into() }
    }

    /// What the user can do, printed as `hint:` lines.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Core(e) => e.hint(),
            Self::Format(e) => e.hint().map(|h| h.to_string()),
            Self::Data { hint, .. } | Self::File { hint, .. } => (!hint.is_empty()).then(|| hint.clone()),
        }
    }
}

impl From<arrow_schema::ArrowError> for Error {
    /// Columns that do not fit together: a fault of the data, not of the caller.
    fn from(e: arrow_schema::ArrowError) -> Self {
        Self::data(e.to_string(), "")
    }
}
