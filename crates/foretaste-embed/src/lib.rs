//! Pictures as vectors of a model that the user brings as an ONNX file.
//!
//! What the model wants is read from its file ([`proto`], [`layout`], [`scale`]) and told; [`Embedder`] scales pictures
//! and runs batches. The runtime is behind the feature `onnx`, because most builds need none and it is the larger part
//! of what must be compiled; everything else is compiled and tested without it.

mod embedder;
mod engine;
pub mod layout;
pub mod proto;
pub mod scale;
#[cfg(test)]
mod small;

pub use embedder::{Embedder, Options};
pub use scale::Scale;

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A model that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{path}`: {problem}")]
pub struct Error {
    /// The model's file.
    pub path: PathBuf,
    /// What is wrong, values in backticks.
    pub problem: String,
    /// What the user can do.
    pub hint: String,
}
