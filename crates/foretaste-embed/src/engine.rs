//! The runtime behind a model: one door, so that it can be exchanged and tests can do without.
//!
//! Chosen is `rten`; ARCHITECTURE.md says why.

#[cfg(feature = "onnx")]
mod rten_engine;

use std::path::Path;

/// Numbers of a batch of pictures.
#[cfg_attr(not(any(feature = "onnx", test)), expect(dead_code, reason = "only a runtime reads them"))]
pub(crate) enum Numbers {
    /// Scaled numbers.
    Floats(Vec<f32>),
    /// Bytes as they are.
    Bytes(Vec<u8>),
}

/// What a run gave.
pub(crate) struct Output {
    /// Its sizes.
    pub shape: Vec<usize>,
    /// The numbers, row by row.
    pub data: Vec<f32>,
}

/// Runs one batch on one thread. The numbers depend on the batch alone.
pub(crate) type Run<'a> = Box<dyn FnMut([usize; 4], Numbers) -> Result<Output, String> + 'a>;

/// A model ready to run.
pub(crate) trait Engine: Send + Sync {
    /// What one thread runs batches with.
    fn worker(&self) -> Run<'_>;
}

/// True if this build runs models.
pub(crate) const AVAILABLE: bool = cfg!(feature = "onnx");

/// Loads a model.
///
/// # Errors
/// If the runtime does not know it, in the runtime's words.
#[cfg(feature = "onnx")]
pub(crate) fn load(path: &Path, input: &str, output: &str) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(rten_engine::Rten::load(path, input, output)?))
}

/// See the twin with the feature; this build has no runtime.
#[cfg(not(feature = "onnx"))]
pub(crate) fn load(_path: &Path, _input: &str, _output: &str) -> Result<Box<dyn Engine>, String> {
    Err("this build runs no models".into())
}
