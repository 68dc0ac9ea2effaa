//! The verb `clean`: splits the input into kept and quarantined rows. Nothing is lost, nothing is changed.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ids;
use crate::outputs;
use arrow_array::{BooleanArray, RecordBatch};
use foretaste_core::{Action, Kind, REPORT_SCHEMA, Report, SampleId, Split};
use foretaste_formats::{OpenOptions, Source, copy_rows, writer};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// What to set aside and where to.
#[derive(Clone, Debug)]
pub struct CleanOptions {
    /// The input, as for `scan`.
    pub inputs: Vec<String>,
    /// How to open it.
    pub open: OpenOptions,
    /// `report.json` of a scan of the same data.
    pub findings: PathBuf,
    /// Where kept rows go.
    pub kept: PathBuf,
    /// Where quarantined rows go.
    pub quarantined: PathBuf,
    /// Only these findings; empty: all that say quarantine.
    pub only: Vec<String>,
    /// Also set aside what is only up for review.
    pub review: bool,
    /// Also set aside all but one of each group of copies.
    pub duplicates: bool,
    /// Overwrite existing outputs.
    pub force: bool,
}

/// What `clean` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The action.
    pub split: Split,
    /// Rows in the input.
    pub rows: u64,
    /// True if rows of text files were copied byte for byte.
    pub exact: bool,
}

/// Splits the input. Both outputs appear whole or not at all.
///
/// # Errors
/// If the findings are not of this data, or a file cannot be read or written.
pub fn clean(options: &CleanOptions) -> Result<Cleaned> {
    let outputs = [options.kept.as_path(), options.quarantined.as_path()];
    outputs::check_free(&outputs, options.force)?;
    let report = read_report(&options.findings)?;
    let ids = wanted(&report, options)?;
    let roles = report.coverage.columns.iter().map(|c| (c.name.clone(), c.role)).collect();
    let dataset = Dataset::open(&options.inputs, &options.open, &roles, 1 << 30, &|_| {})
        .map_err(|e| of_other_data(e, &options.findings))?;
    outputs::keep_inputs(&dataset, &outputs)?;
    let quarantined = locate(&dataset, &report, &ids, options)?;
    let exact = write(&dataset, &quarantined, options)?;
    let kept = dataset.rows - quarantined.len() as u64;
    Ok(Cleaned {
        split: Split { quarantined: quarantined.into_iter().collect(), kept },
        rows: dataset.rows,
        exact,
    })
}

/// A column of the report that is not in the input means that the report is of other data.
fn of_other_data(error: Error, findings: &Path) -> Error {
    match error {
        Error::Core(foretaste_core::Error::Unknown { name, .. }) => Error::file(
            findings,
            format!("the report is not of this data: it saw a column `{name}`, which the input lacks"),
            "scan the same files again and use the new report",
        ),
        other => other,
    }
}

fn read_report(path: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::file(path, e, "give the report.json that `foretaste scan --report DIR` wrote"))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|e| Error::file(path, e, "give the report.json that `foretaste scan --report DIR` wrote"))?;
    if report.schema != REPORT_SCHEMA {
        return Err(Error::file(
            path,
            format!("the report has the format `{}`, not `{REPORT_SCHEMA}`", report.schema),
            "scan again with this version",
        ));
    }
    Ok(report)
}

/// Ids to set aside, with the row that the report saw them in.
fn wanted(report: &Report, options: &CleanOptions) -> Result<HashMap<SampleId, u64>> {
    for id in &options.only {
        if !report.findings.iter().any(|f| f.id == *id) {
            let known = report.findings.iter().map(|f| f.id.as_str());
            return Err(foretaste_core::Error::unknown("finding", id, known).into());
        }
    }
    let mut out = HashMap::new();
    for f in &report.findings {
        let named = options.only.contains(&f.id);
        // a skew speaks of an origin, not of its members: they go only if the finding is named
        let reviewed = named || options.review && f.asks_for_review();
        if !options.only.is_empty() && !named {
            continue;
        }
        let copies = options.duplicates && matches!(f.kind, Kind::NearDuplicate | Kind::ConflictingDuplicate);
        let first: BTreeSet<usize> = f
            .groups
            .iter()
            .filter_map(|g| g.iter().map(|m| *m as usize).min_by_key(|m| f.members[*m].row))
            .collect();
        for (i, m) in f.members.iter().enumerate() {
            let review = f.action == Action::Review && reviewed && f.groups.is_empty();
            let copy = (copies || (named && f.kind == Kind::NearDuplicate)) && !first.contains(&i);
            if m.quarantine || review || copy {
                out.insert(m.id.clone(), m.row);
            }
        }
    }
    Ok(out)
}

/// Rows of the wanted ids in this data; every id must be found.
fn locate(
    dataset: &Dataset,
    report: &Report,
    wanted: &HashMap<SampleId, u64>,
    options: &CleanOptions,
) -> Result<BTreeSet<u64>> {
    let mut rows = BTreeSet::new();
    let mut found: BTreeSet<&SampleId> = BTreeSet::new();
    let ids = ids::sample_ids(dataset)?;
    for (row, id) in ids.iter().enumerate() {
        if let Some((id, _)) = wanted.get_key_value(id) {
            rows.insert(row as u64);
            found.insert(id);
        }
    }
    if found.len() < wanted.len() || dataset.rows != report.coverage.rows {
        let missing = wanted.len() - found.len();
        return Err(Error::file(
            &options.findings,
            format!(
                "the report is not of this data: it saw {} rows, the input has {}, and {missing} of {} samples are not there",
                report.coverage.rows,
                dataset.rows,
                wanted.len()
            ),
            "scan the same files again and use the new report",
        ));
    }
    Ok(rows)
}

/// Writes both outputs; true if rows were copied byte for byte.
fn write(dataset: &Dataset, quarantined: &BTreeSet<u64>, options: &CleanOptions) -> Result<bool> {
    let source = dataset.source();
    if same_text_format(source, options) && copy_text(source, quarantined, options)? {
        return Ok(source.keeps_bytes());
    }
    let schema = source.schema();
    let mut kept = writer(&options.kept, None, schema.clone())?;
    let mut aside = writer(&options.quarantined, None, schema)?;
    let mut row = 0;
    for located in source.batches()? {
        let batch = located?.batch;
        let n = batch.num_rows() as u64;
        let out: BooleanArray = (row..row + n).map(|r| Some(quarantined.contains(&r))).collect();
        let keep: BooleanArray = out.iter().map(|b| b.map(|b| !b)).collect();
        kept.write(&part(&batch, &keep)?)?;
        aside.write(&part(&batch, &out)?)?;
        row += n;
    }
    outputs::place_both(
        &options.kept,
        &options.quarantined,
        || Ok(kept.finish().map(drop)?),
        |()| Ok(aside.finish().map(drop)?),
    )?;
    Ok(false)
}

fn part(batch: &RecordBatch, mask: &BooleanArray) -> Result<RecordBatch> {
    arrow_select::filter::filter_record_batch(batch, mask).map_err(|e| Error::data(e.to_string(), ""))
}

/// True if input and outputs are text of one format, so that bytes can be copied.
fn same_text_format(source: &Source, options: &CleanOptions) -> bool {
    let text = |f: &str| matches!(f, "csv" | "tsv" | "json" | "jsonl");
    let extension =
        |p: &Path| p.extension().and_then(|e| e.to_str()).map(str::to_lowercase).unwrap_or_default();
    // lines that are called `.json` stay so
    let as_json = source.files().iter().all(|f| extension(&f.path) == "json");
    let matches = |format: &str, path: &Path| match format {
        "json" => extension(path) == "json",
        "jsonl" => {
            matches!(extension(path).as_str(), "jsonl" | "ndjson") || (as_json && extension(path) == "json")
        }
        "tsv" => matches!(extension(path).as_str(), "tsv" | "csv"),
        _ => matches!(extension(path).as_str(), "csv" | "tsv" | "txt"),
    };
    source.files().iter().all(|f| {
        text(f.format) && matches(f.format, &options.kept) && matches(f.format, &options.quarantined)
    })
}

/// Copies rows as bytes into temporary files beside the outputs and renames both; false if the format cannot.
fn copy_text(source: &Source, quarantined: &BTreeSet<u64>, options: &CleanOptions) -> Result<bool> {
    use std::io::Write;
    let temp = |p: &Path| {
        p.with_extension(format!("{}.fore-tmp", p.extension().and_then(|e| e.to_str()).unwrap_or("")))
    };
    let (a, b) = (temp(&options.kept), temp(&options.quarantined));
    let create = |p: &Path, shown: &Path| {
        std::fs::File::create(p)
            .map(std::io::BufWriter::new)
            .map_err(|e| Error::file(shown, e, "choose a folder that can be written"))
    };
    let result = (|| -> Result<bool> {
        let (mut kept, mut aside) = (create(&a, &options.kept)?, create(&b, &options.quarantined)?);
        match copy_rows(source, &|row| !quarantined.contains(&row), &mut kept, &mut aside) {
            Ok(_) => {}
            Err(foretaste_formats::FormatError::Unsupported { .. }) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        for (out, path) in [(&mut kept, &a), (&mut aside, &b)] {
            out.flush()
                .and_then(|()| out.get_ref().sync_all())
                .map_err(|e| Error::file(path, e, "is the disk full?"))?;
        }
        let rename = |from: &Path, to: &Path| {
            std::fs::rename(from, to).map_err(|e| Error::file(to, e, "choose a folder that can be written"))
        };
        outputs::place_both(
            &options.kept,
            &options.quarantined,
            || rename(&a, &options.kept),
            |()| rename(&b, &options.quarantined),
        )?;
        Ok(true)
    })();
    if !matches!(result, Ok(true)) {
        let _ = std::fs::remove_file(&a);
        let _ = std::fs::remove_file(&b);
    }
    result
}
