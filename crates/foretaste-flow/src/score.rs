//! The verb `score`: how well a scan, or any list of ids, agrees with a manifest.

use crate::error::{Error, Result};
use foretaste_core::{Report, SampleId, Strings, numbers};
use foretaste_formats::{OpenOptions, Source};
use foretaste_truth::PoisonManifest;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

pub use foretaste_truth::{KindScore, Score};

/// What to compare.
#[derive(Clone, Debug)]
pub struct ScoreOptions {
    /// The manifest of a simulation.
    pub manifest: PathBuf,
    /// report.json of a scan, or a text file with one id a line.
    pub findings: PathBuf,
    /// Count samples that are up for review as named, besides those to be quarantined.
    pub review: bool,
    /// samples.parquet of the scan, for the average precision; `None`: beside report.json, if it is there.
    pub samples: Option<PathBuf>,
    /// The detector whose suspicion orders the samples; `None`: the first of the samples file that knows all of them.
    pub detector: Option<String>,
}

/// The comparison, and by whose suspicion samples were ordered.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Agreement.
    pub score: Score,
    /// The detector, if samples were ordered.
    pub detector: Option<String>,
    /// The manifest.
    pub manifest: PoisonManifest,
}

/// Scores findings against a manifest.
///
/// # Errors
/// If a file cannot be read or is of another kind.
pub fn score(options: &ScoreOptions) -> Result<Scored> {
    let manifest = PoisonManifest::parse(&read(&options.manifest)?).map_err(|e| {
        Error::file(&options.manifest, e, "give the manifest.json that `foretaste simulate` wrote")
    })?;
    let text = read(&options.findings)?;
    let (named, is_report) = match serde_json::from_str::<Report>(&text) {
        Ok(report) => (members(&report, options.review), true),
        Err(e) if text.trim_start().starts_with('{') => {
            return Err(Error::file(
                &options.findings,
                e,
                "give report.json of a scan, or a list of ids, one a line",
            ));
        }
        Err(_) => (
            text.lines().map(str::trim).filter(|l| !l.is_empty()).map(SampleId::from_column).collect(),
            false,
        ),
    };
    let beside = options.findings.with_file_name("samples.parquet");
    let samples = options.samples.clone().or_else(|| (is_report && beside.is_file()).then_some(beside));
    let ranked = samples.map(|path| suspicions(&path, options.detector.as_deref())).transpose()?;
    let score = foretaste_truth::score(&manifest, &named, ranked.as_ref().map(|r| &r.1));
    Ok(Scored { score, detector: ranked.map(|r| r.0), manifest })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::file(path, e, "check the path"))
}

fn members(report: &Report, review: bool) -> HashSet<SampleId> {
    let all = report.findings.iter().flat_map(|f| &f.members);
    all.filter(|m| review || m.quarantine).map(|m| m.id.clone()).collect()
}

/// The suspicion of every sample by one detector.
fn suspicions(path: &Path, detector: Option<&str>) -> Result<(String, HashMap<SampleId, f64>)> {
    let source = Source::open(&[path.display().to_string()], &OpenOptions::default())?;
    let schema = source.schema();
    let columns: Vec<&str> =
        schema.fields().iter().filter_map(|f| f.name().strip_prefix("suspicion_")).collect();
    let name = match detector {
        Some(name) if columns.contains(&name) => name.to_owned(),
        Some(name) => {
            return Err(foretaste_core::Error::unknown("detector in this file", name, columns).into());
        }
        None => columns.first().map(|c| (*c).to_owned()).ok_or_else(|| {
            Error::file(path, "the file has no column of suspicions", "give samples.parquet of a scan")
        })?,
    };
    let mut out = HashMap::new();
    for batch in source.batches()? {
        let batch = batch?.batch;
        let (Some(ids), Some(values)) =
            (batch.column_by_name("id"), batch.column_by_name(&format!("suspicion_{name}")))
        else {
            return Err(Error::file(path, "the file has no column `id`", "give samples.parquet of a scan"));
        };
        let ids = Strings::new(ids);
        let values = numbers(values).unwrap_or_default();
        for (i, v) in values.into_iter().enumerate() {
            if let Some(id) = ids.get(i) {
                out.insert(SampleId::from_column(id), if v.is_nan() { f64::NEG_INFINITY } else { v });
            }
        }
    }
    Ok((name, out))
}
