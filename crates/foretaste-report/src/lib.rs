//! Outputs of foretaste, one file each: terminal text, JSON, HTML, SARIF, Markdown, samples table.
//!
//! An output is a [`Render`]: it takes the whole result of a scan and writes bytes. It decides nothing, reads no
//! clock and no file, so the same report always gives the same bytes. To add one, write one file with one type and
//! add one line to [`renders`].
//!
//! Everything that comes from the data belongs to whoever wrote the data, so no output passes it on raw: see
//! [`excerpt`] for what a reader gets to see instead.

pub mod excerpt;
pub mod html;
pub mod json;
pub mod markdown;
pub mod samples;
pub mod sarif;
pub mod text;
pub mod trial;
mod words;

pub use words::quote;

use foretaste_core::{Report, SampleRow};
use std::io::Write;

/// One way to write the result of a scan.
pub trait Render: Sync {
    /// Short name, as in `--format`.
    fn id(&self) -> &'static str;

    /// Name of the file it becomes in a directory of results.
    fn file_name(&self) -> &'static str;

    /// Writes the result. `samples` is the table of all samples, in the order of their rows; outputs that show no
    /// samples ignore it.
    ///
    /// # Errors
    /// If `out` cannot be written to, or the result cannot be expressed in the format.
    fn render(&self, report: &Report, samples: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError>;
}

/// Every output, in the order of the documentation.
#[must_use]
pub fn renders() -> &'static [&'static dyn Render] {
    &[&text::PLAIN, &html::Html, &json::Json, &sarif::Sarif, &markdown::Markdown, &samples::Samples]
}

/// Why an output could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The place to write to refused.
    #[error("cannot write the report")]
    Write(#[from] std::io::Error),
    /// The report holds something that JSON cannot say.
    #[error("cannot express the report as JSON")]
    Json(#[from] serde_json::Error),
    /// The page could not be filled in.
    #[error("cannot fill in the HTML report")]
    Html(#[from] askama::Error),
    /// The table of samples could not be encoded.
    #[error("cannot encode the table of samples")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The columns of the table of samples do not fit together.
    #[error("cannot build the table of samples")]
    Arrow(#[from] arrow_schema::ArrowError),
}
