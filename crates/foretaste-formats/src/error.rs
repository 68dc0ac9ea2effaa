//! What can go wrong between a path and a batch, split by what the caller can do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where in the input something was found. Lines and rows count from 1 when shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it; `-` is shown as `standard input`.
    pub file: PathBuf,
    /// Physical line, from 1 (text formats).
    pub line: Option<u64>,
    /// Row, from 0 (formats without lines).
    pub row: Option<u64>,
}

impl Place {
    /// The whole file.
    pub fn file(path: &Path) -> Place {
        Place { file: path.to_path_buf(), line: None, row: None }
    }
    /// A physical line, counted from 1.
    pub fn line(path: &Path, line: u64) -> Place {
        Place { file: path.to_path_buf(), line: Some(line), row: None }
    }
    /// A row, counted from 0.
    pub fn row(path: &Path, row: u64) -> Place {
        Place { file: path.to_path_buf(), line: None, row: Some(row) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {}", row + 1)?;
        }
        Ok(())
    }
}

/// The error of this crate. Messages say what is wrong first, values in backticks, the place last.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system refused: check the path, the rights, the disk.
    #[error("cannot read: {source}: {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An output could not be written: check the path, the rights, the disk.
    #[error("cannot write: {source}: {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing matches the input: check the name.
    #[error("nothing found for `{input}`")]
    NotFound {
        /// The path, pattern or folder as given.
        input: String,
        /// What may help.
        hint: Option<String>,
    },
    /// The file is of no known format, or the named format does not exist: name another one.
    #[error("{what}")]
    UnknownFormat {
        /// What is wrong, with the place.
        what: String,
        /// What may help.
        hint: Option<String>,
    },
    /// The file is broken: repair it.
    #[error("{what}: {at}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// Where.
        at: Place,
        /// What may help.
        hint: Option<String>,
    },
    /// A limit that protects memory or time was passed: raise it if the file is trusted.
    #[error("{what}: {at}")]
    Limit {
        /// What is wrong.
        what: String,
        /// Where.
        at: Place,
        /// Which limit to raise.
        hint: Option<String>,
    },
    /// The file is sound, but holds what this crate does not read or write: convert it.
    #[error("{what}: {at}")]
    Unsupported {
        /// What is wrong.
        what: String,
        /// Where.
        at: Place,
        /// What to convert it to.
        hint: Option<String>,
    },
    /// Files of one set disagree, or batches disagree with the schema: give other files or another schema.
    #[error("{what}: {at}")]
    Schema {
        /// What is wrong.
        what: String,
        /// Where.
        at: Place,
        /// What may help.
        hint: Option<String>,
    },
}

impl FormatError {
    /// What may help, as data: printed by the caller as `hint:`.
    pub fn hint(&self) -> Option<&str> {
        match self {
            FormatError::NotFound { hint, .. }
            | FormatError::UnknownFormat { hint, .. }
            | FormatError::Malformed { hint, .. }
            | FormatError::Limit { hint, .. }
            | FormatError::Unsupported { hint, .. }
            | FormatError::Schema { hint, .. } => hint.as_deref(),
            FormatError::Read { .. } | FormatError::Write { .. } => None,
        }
    }

    /// The place, where the error has one.
    pub fn place(&self) -> Option<&Place> {
        match self {
            FormatError::Malformed { at, .. }
            | FormatError::Limit { at, .. }
            | FormatError::Unsupported { at, .. }
            | FormatError::Schema { at, .. } => Some(at),
            _ => None,
        }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> FormatError {
        FormatError::Read { path: path.to_path_buf(), source }
    }
    pub(crate) fn write(path: &Path, source: io::Error) -> FormatError {
        FormatError::Write { path: path.to_path_buf(), source }
    }
    pub(crate) fn malformed(what: impl Into<String>, at: Place) -> FormatError {
        FormatError::Malformed { what: what.into(), at, hint: None }
    }
    pub(crate) fn limit(what: impl Into<String>, at: Place) -> FormatError {
        FormatError::Limit { what: what.into(), at, hint: None }
    }
    pub(crate) fn unsupported(what: impl Into<String>, at: Place) -> FormatError {
        FormatError::Unsupported { what: what.into(), at, hint: None }
    }
    pub(crate) fn schema(what: impl Into<String>, at: Place) -> FormatError {
        FormatError::Schema { what: what.into(), at, hint: None }
    }

    /// The same error with advice.
    pub(crate) fn with_hint(mut self, text: impl Into<String>) -> FormatError {
        match &mut self {
            FormatError::NotFound { hint, .. }
            | FormatError::UnknownFormat { hint, .. }
            | FormatError::Malformed { hint, .. }
            | FormatError::Limit { hint, .. }
            | FormatError::Unsupported { hint, .. }
            | FormatError::Schema { hint, .. } => *hint = Some(text.into()),
            FormatError::Read { .. } | FormatError::Write { .. } => {}
        }
        self
    }
}

/// The result of this crate.
pub type Result<T, E = FormatError> = std::result::Result<T, E>;

/// A value of the input as it may stand in a message: short, one line, control characters made visible.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(160)]);
    let mut out: String = text.chars().take(40).flat_map(|c| c.escape_debug()).collect();
    if text.chars().count() > 40 || bytes.len() > 160 {
        out.push_str("...");
    }
    out
}
