//! What a scan says: coverage first, then findings, then what was skipped and why.

use crate::finding::{Finding, Severity};
use crate::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the report format, written into every report.
pub const REPORT_SCHEMA: &str = "foretaste/report/1";

/// The whole result of a scan. Holds no clock times, so that the same run gives the same bytes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`REPORT_SCHEMA`].
    pub schema: String,
    /// What repeats it.
    pub run: Run,
    /// What was looked at.
    pub coverage: Coverage,
    /// The most important first.
    pub findings: Vec<Finding>,
    /// Every detector of the catalogue: what it did or why it did not run.
    pub detectors: Vec<DetectorRun>,
    /// The model that made probabilities, if one was needed.
    pub surrogate: Option<SurrogateRun>,
    /// Given against expected labels, if there are labels.
    pub confusion: Option<Confusion>,
    /// Inferences, limits and oddities, one sentence each.
    pub notes: Vec<String>,
}

/// What repeats a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Version of the tool.
    pub version: String,
    /// The command, word by word, every inference spelled out as a flag.
    pub command: Vec<String>,
    /// Seed of all randomness.
    pub seed: u64,
    /// False-discovery level of the decisions.
    pub fdr: f64,
}

/// What was looked at, and what was not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Files or parts that were not read, with the reason.
    pub skipped: Vec<SkippedInput>,
    /// Rows in all.
    pub rows: u64,
    /// Columns with their roles.
    pub columns: Vec<ColumnInfo>,
    /// Classes, if there is a label; the most frequent first.
    pub classes: Vec<ClassCount>,
    /// Rows without a label.
    pub unlabelled: u64,
    /// True if every row was read and at least one detector scored it.
    pub complete: bool,
}

/// A file that was read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InputFile {
    /// As given.
    pub path: String,
    /// Format id.
    pub format: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Rows read from it.
    pub rows: u64,
}

/// A file or part that was not read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SkippedInput {
    /// Path or array name.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A column and what it was taken for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ColumnInfo {
    /// Name.
    pub name: String,
    /// Arrow type, in words.
    pub kind: String,
    /// Role.
    pub role: Role,
    /// Why this role.
    pub reason: String,
    /// Missing values.
    pub nulls: u64,
}

/// A class and its size.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClassCount {
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: u64,
}

/// Whether a detector ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DetectorStatus {
    /// It scored all rows.
    Ran,
    /// It did not fit the data or was not asked for.
    Skipped,
    /// It fitted but could not finish.
    Failed,
}

/// What a detector did.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DetectorRun {
    /// Catalogue id.
    pub id: String,
    /// One line on what it finds.
    pub title: String,
    /// Whether it ran.
    pub status: DetectorStatus,
    /// Why not, or what it saw.
    pub detail: String,
    /// What would have been too small in these data to be told from chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// What it cannot see in any data.
    #[serde(default)]
    pub blind_spots: String,
    /// True if its scores come with p-values.
    pub calibrated: bool,
    /// Distribution of its suspicion.
    pub histogram: Option<Histogram>,
}

/// Counts of a value in equal bins, those in findings apart.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Rows per bin.
    pub all: Vec<u64>,
    /// Of these, rows in a finding of this detector.
    pub flagged: Vec<u64>,
}

/// The model that made probabilities.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SurrogateRun {
    /// Catalogue id or a short name: `softmax on 1-3-grams + neighbours`.
    pub model: String,
    /// Folds.
    pub folds: u32,
    /// Share of rows whose given label is the most probable one, out of fold.
    pub accuracy: f64,
    /// Estimated share of flipped labels (noise floor), if calibrated.
    pub noise_rate: Option<f64>,
    /// 95 % interval of the noise rate.
    pub noise_interval: Option<(f64, f64)>,
}

/// Given labels against expected labels. Only the largest classes; `names` says which.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Confusion {
    /// Class names.
    pub names: Vec<String>,
    /// `counts[given][expected]`.
    pub counts: Vec<Vec<u64>>,
    /// Of these, flagged as label errors.
    pub flagged: Vec<Vec<u64>>,
}

/// One row of the table of samples (`samples.parquet`).
#[derive(Clone, Debug)]
pub struct SampleRow {
    /// Stable id.
    pub id: crate::SampleId,
    /// Row in the data set.
    pub row: u64,
    /// Index of the input file.
    pub file: u32,
    /// Row in that file, from 1.
    pub file_row: u64,
    /// Physical line, for formats of lines.
    pub line: Option<u64>,
    /// Label as given.
    pub given: Option<String>,
    /// Label as expected.
    pub expected: Option<String>,
    /// Suspicion per detector that ran, in the order of [`Report::detectors`].
    pub suspicion: Vec<f32>,
    /// p-value per detector that ran; `None` where uncalibrated.
    pub p_value: Vec<Option<f64>>,
    /// `keep`, `review` or `quarantine`.
    pub verdict: &'static str,
    /// Ids of the findings it belongs to.
    pub findings: Vec<String>,
}

impl Report {
    /// The highest severity among the findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }
}
