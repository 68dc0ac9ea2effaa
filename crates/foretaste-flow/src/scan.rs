//! The verb `scan`: files in, report out.

use crate::columns::{count, thousands};
use crate::confirm::confirm;
use crate::dataset::Dataset;
use crate::decide::{Claim, Facts, decide, drift_summary, source_values};
use crate::drive::{Chosen, Limits, Outcome, run};
use crate::error::{Error, Result};
use crate::recipe::{Recipe, delimiter};
use crate::{examples, ids, leaks, memory, trusted, views};
use foretaste_core::{
    AtEffort, ClassCount, ColumnInfo, Confusion, Coverage, Ctx, DetectorRun, DetectorStatus, Effort, Entry,
    Evidence, Histogram, InputFile, Kind, MISSING, REPORT_SCHEMA, Report, Role, Run, SampleId, SampleRow,
    SkippedInput, SurrogateRun,
};
use foretaste_embed::Embedder;
use foretaste_formats::{NoteKind, OpenOptions};
use foretaste_num::softmax::FoldOptions;
use std::collections::BTreeMap;
use std::path::Path;

/// What a scan is doing, for a progress display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading files and column statistics.
    Reading,
    /// Running the user's own model on pictures.
    Embedding,
    /// Training the surrogate and making vectors.
    Learning,
    /// Running detectors.
    Detecting,
    /// Trying triggers on a model.
    Confirming,
    /// Deciding, and collecting examples.
    Deciding,
}

/// The result of a scan.
pub struct Scanned {
    /// The report.
    pub report: Report,
    /// One entry per row.
    pub samples: Vec<SampleRow>,
}

/// Called with the phase and the rows done in it.
pub type Progress<'a> = &'a (dyn Fn(Phase, u64) + Sync);

/// Scans the inputs of a recipe.
///
/// # Errors
/// If the inputs cannot be read, or the recipe names what does not exist. Detectors that cannot run are listed in the
/// report instead.
pub fn scan(recipe: &Recipe, progress: Progress<'_>) -> Result<Scanned> {
    recipe.check()?;
    choose(recipe, 0)?;
    // before the data: a model that cannot be used is no news after an hour of reading
    let own = views::own::open(recipe)?;
    let options = open_options(recipe)?;
    progress(Phase::Reading, 0);
    let cache = budget(recipe) / 4;
    let mut dataset =
        Dataset::open(&recipe.inputs, &options, &recipe.roles, cache, &|n| progress(Phase::Reading, n))?;
    scan_with(&mut dataset, recipe, own.as_ref(), progress)
}

/// Bytes that states and vectors may take.
fn budget(recipe: &Recipe) -> u64 {
    if recipe.memory > 0 { recipe.memory << 20 } else { memory::available() / 2 }
}

/// Scans an open data set; its vectors and probabilities are made and kept.
///
/// # Errors
/// As for [`scan`].
pub fn scan_dataset(dataset: &mut Dataset, recipe: &Recipe, progress: Progress<'_>) -> Result<Scanned> {
    scan_with(dataset, recipe, views::own::open(recipe)?.as_ref(), progress)
}

fn scan_with(
    dataset: &mut Dataset,
    recipe: &Recipe,
    own: Option<&Embedder>,
    progress: Progress<'_>,
) -> Result<Scanned> {
    let chosen = choose(recipe, dataset.positions(|r| r == Role::Feature).len())?;
    let budget = budget(recipe);
    let leaks = leaks::find(dataset)?;
    let mut notes = leaks::set_aside(dataset, &leaks);
    let ctx = Ctx::new(recipe.seed, dataset.profile());
    let labels = dataset.labels()?;
    notes.extend(dataset.oddities());
    progress(Phase::Learning, 0);
    let tick = |n| progress(Phase::Embedding, n);
    let asks = |role| {
        chosen.iter().any(|c| {
            let n = c.detector.needs();
            n.all.contains(&role) || n.any.contains(&role)
        })
    };
    let wanted = views::ViewOptions {
        vectors: asks(Role::Embedding) || (asks(Role::Image) && dataset.has(Role::Image)),
        probs: asks(Role::Prob) || asks(Role::Source),
        folds: recipe.folds,
        memory: budget,
        neighbour_rows: recipe.neighbour_limit(),
        own: own.map(|model| views::own::Own { model, tick: &tick }),
    };
    if own.is_some() && !dataset.has(Role::Image) {
        return Err(Error::data(
            "`--embed` names a model for pictures, and no column holds any",
            "name the column with --image COLUMN, or leave --embed out",
        ));
    }
    let surrogate = views::attach(dataset, &labels, wanted, &ctx, &mut notes)?;
    progress(Phase::Detecting, 0);
    let (mut evidence, outcomes) =
        run(dataset, &chosen, Limits { memory: budget }, &ctx, &|n| progress(Phase::Detecting, n))?;
    progress(Phase::Confirming, 0);
    confirm(dataset, &mut evidence, &labels, recipe.fdr, &ctx)?;
    let drift = if recipe.trusted.is_empty() { None } else { Some(drift(dataset, recipe, &mut notes)?) };
    progress(Phase::Deciding, 0);
    let ids = ids::sample_ids(dataset)?;
    notes.extend(repeated_ids(dataset, &ids));
    let source = source_values(dataset)?;
    let facts = Facts { dataset, labels: &labels, ids: &ids, source, fdr: recipe.fdr, drift };
    let mut claims = decide(&evidence, &facts);
    let summary = facts.drift.as_ref().map(|drift| {
        let found = claims.iter().filter(|c| c.finding.kind == Kind::Drift).count();
        drift_summary(drift, found, recipe.fdr)
    });
    examples::fill(&mut claims, dataset)?;
    notes.extend(ctx.notes());
    let told = Told { chosen: &chosen, outcomes: &outcomes, surrogate, notes, own };
    let mut scanned = assemble(recipe, dataset, &labels, ids, claims, &evidence, told);
    scanned.report.notes.splice(0..0, summary);
    Ok(scanned)
}

/// Compares with the trusted files of the recipe.
fn drift(dataset: &mut Dataset, recipe: &Recipe, notes: &mut Vec<String>) -> Result<trusted::Drift> {
    let folds = FoldOptions { folds: recipe.folds as usize, seed: recipe.seed, ..FoldOptions::default() };
    trusted::compare(dataset, &recipe.trusted, &open_options(recipe)?, budget(recipe) / 4, &folds, notes)
}

fn open_options(recipe: &Recipe) -> Result<OpenOptions> {
    Ok(OpenOptions {
        format: recipe.format.clone(),
        delimiter: recipe.delimiter.as_deref().map(delimiter).transpose()?,
        has_header: recipe.header,
        ..OpenOptions::default()
    })
}

/// The detectors that a recipe asks for on data of so many feature columns, in catalogue order.
fn choose(recipe: &Recipe, columns: usize) -> Result<Vec<Chosen>> {
    for id in recipe.only.iter().chain(&recipe.skip).chain(recipe.set.keys()) {
        foretaste_detectors::entry(id)?;
    }
    let mut out = vec![];
    for entry in foretaste_detectors::ENTRIES {
        let asked = recipe.only.is_empty() || recipe.only.iter().any(|o| o == entry.id);
        if asked && !recipe.skip.iter().any(|s| s == entry.id) {
            out.extend(at_effort(recipe, entry, columns)?);
        }
    }
    Ok(out)
}

/// A detector with the parameters of the effort and, before these, the user's; none if the effort leaves it out. Who is asked for by
/// name runs.
fn at_effort(recipe: &Recipe, entry: &'static Entry, columns: usize) -> Result<Option<Chosen>> {
    let mut params = recipe.set.get(entry.id).cloned().unwrap_or_default();
    let named = recipe.only.iter().any(|o| o == entry.id);
    match entry.detector(&params)?.at(recipe.effort) {
        AtEffort::LeftOut if !named => return Ok(None),
        AtEffort::LeftOutBeyond { columns: most } if !named && columns > most => return Ok(None),
        AtEffort::LeftOut | AtEffort::LeftOutBeyond { .. } | AtEffort::Same => {}
        AtEffort::With(more) => {
            let given = |name: &str| params.keys().any(|k| k.replace('-', "_") == name);
            let more: Vec<_> = more.iter().filter(|(name, _)| !given(name)).collect();
            params.extend(more.into_iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        }
    }
    Ok(Some(Chosen { entry, detector: entry.detector(&params)?, params }))
}

/// True if the effort leaves out a detector that would run otherwise.
fn left_out(recipe: &Recipe, entry: &Entry, chosen: &[Chosen]) -> bool {
    recipe.only.is_empty()
        && !recipe.skip.iter().any(|s| s == entry.id)
        && !chosen.iter().any(|c| c.entry.id == entry.id)
}

/// True if a normal scan leaves it out too.
fn deep_only(entry: &Entry) -> bool {
    entry.detector(&Default::default()).is_ok_and(|d| d.at(Effort::Normal) == AtEffort::LeftOut)
}

fn repeated_ids(dataset: &Dataset, ids: &[SampleId]) -> Option<String> {
    if !dataset.has(Role::Id) {
        return None;
    }
    let mut seen = std::collections::HashSet::new();
    let repeated = ids.iter().filter(|id| !seen.insert(*id)).count() as u64;
    (repeated > 0).then(|| {
        format!(
            "{} in the id column stand more than once: use --ignore on it to get ids from the content",
            count(repeated, "value")
        )
    })
}

struct Told<'a> {
    chosen: &'a [Chosen],
    outcomes: &'a [Outcome],
    surrogate: Option<SurrogateRun>,
    notes: Vec<String>,
    own: Option<&'a Embedder>,
}

fn assemble(
    recipe: &Recipe,
    dataset: &Dataset,
    labels: &[u32],
    ids: Vec<SampleId>,
    claims: Vec<Claim>,
    evidence: &Evidence,
    mut told: Told<'_>,
) -> Scanned {
    let flagged = Flagged::new(&claims, dataset.rows as usize);
    let coverage = coverage(dataset, evidence, &mut told.notes);
    let detectors = detector_runs(recipe, evidence, &told, &flagged);
    told.notes.splice(0..0, effort_note(recipe, dataset.rows, &detectors));
    let samples = samples(dataset, labels, ids, evidence, &flagged);
    let report = Report {
        schema: REPORT_SCHEMA.into(),
        run: Run {
            version: env!("CARGO_PKG_VERSION").into(),
            command: command(recipe, dataset, told.own),
            seed: recipe.seed,
            fdr: recipe.fdr,
        },
        coverage,
        confusion: confusion(dataset, labels, evidence, &flagged),
        findings: claims.into_iter().map(|c| c.finding).collect(),
        detectors,
        surrogate: told.surrogate,
        notes: told.notes,
    };
    Scanned { report, samples }
}

/// Which findings each row belongs to, and what becomes of it.
struct Flagged {
    findings: BTreeMap<u64, Vec<(String, Vec<String>)>>,
    verdict: Vec<&'static str>,
}

impl Flagged {
    fn new(claims: &[Claim], rows: usize) -> Self {
        let mut findings: BTreeMap<u64, Vec<(String, Vec<String>)>> = BTreeMap::new();
        let mut verdict = vec!["keep"; rows];
        for f in claims.iter().map(|c| &c.finding) {
            for m in &f.members {
                findings.entry(m.row).or_default().push((f.id.clone(), f.detectors.clone()));
                if let Some(v) = verdict.get_mut(m.row as usize) {
                    if m.quarantine {
                        *v = "quarantine";
                    } else if *v == "keep" && f.asks_for_review() {
                        *v = "review";
                    }
                }
            }
        }
        Self { findings, verdict }
    }

    fn by(&self, row: u64, detector: &str) -> bool {
        self.findings.get(&row).is_some_and(|f| f.iter().any(|(_, d)| d.iter().any(|d| d == detector)))
    }
}

fn coverage(dataset: &Dataset, evidence: &Evidence, notes: &mut Vec<String>) -> Coverage {
    let mut per_file = vec![0; dataset.source().files().len()];
    for span in &dataset.spans {
        if let Some(n) = per_file.get_mut(span.file as usize) {
            *n += span.rows;
        }
    }
    let inputs = dataset.source().files().iter().zip(per_file).map(|(f, rows)| InputFile {
        path: f.path.display().to_string(),
        format: f.format.to_owned(),
        bytes: if f.bytes == 0 { folder_bytes(&f.path) } else { f.bytes },
        rows,
    });
    let (mut skipped, mut told, mut whole) = (vec![], vec![], true);
    for note in dataset.notes() {
        let file = note.file.as_ref().map(|f| f.display().to_string()).unwrap_or_default();
        whole &= note.kind != NoteKind::Unread;
        if matches!(note.kind, NoteKind::Skipped | NoteKind::Unread) {
            skipped.push(SkippedInput { path: file, reason: note.text.clone() });
        } else {
            told.push(if file.is_empty() { note.text.clone() } else { format!("{file}: {}", note.text) });
        }
    }
    notes.splice(0..0, told);
    let columns =
        dataset.schema.fields().iter().zip(&dataset.assigned).zip(&dataset.stats).map(|((field, a), s)| {
            ColumnInfo {
                name: field.name().clone(),
                kind: field.data_type().to_string(),
                role: a.role,
                reason: a.reason.clone(),
                nulls: s.nulls,
            }
        });
    let classes = dataset
        .classes
        .iter()
        .zip(&dataset.class_counts)
        .map(|(name, rows)| ClassCount { name: name.clone(), rows: *rows });
    let labelled: u64 = dataset.class_counts.iter().sum();
    Coverage {
        inputs: inputs.collect(),
        skipped,
        rows: dataset.rows,
        columns: columns.collect(),
        classes: classes.collect(),
        unlabelled: if dataset.has(Role::Label) { dataset.rows - labelled } else { 0 },
        complete: whole && !evidence.scored.is_empty() && dataset.unreadable == 0,
    }
}

/// Bytes of the files under a folder, links not followed; 0 for what is no folder or cannot be read.
fn folder_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|e| match e.file_type() {
            Ok(kind) if kind.is_dir() => folder_bytes(&e.path()),
            Ok(kind) if kind.is_file() => e.metadata().map_or(0, |m| m.len()),
            _ => 0,
        })
        .sum()
}

fn detector_runs(
    recipe: &Recipe,
    evidence: &Evidence,
    told: &Told<'_>,
    flagged: &Flagged,
) -> Vec<DetectorRun> {
    let one = |entry: &foretaste_core::Entry| {
        let mut run = DetectorRun {
            id: entry.id.into(),
            title: entry.title.into(),
            status: DetectorStatus::Skipped,
            detail: "not asked for".into(),
            unseen: None,
            blind_spots: one_line(entry.section("Blind spots").unwrap_or_default()),
            calibrated: false,
            histogram: None,
        };
        if let Some(i) = told.chosen.iter().position(|c| c.entry.id == entry.id) {
            (run.status, run.detail) = match &told.outcomes[i] {
                Outcome::Ran => (DetectorStatus::Ran, String::new()),
                Outcome::Skipped(why) => (DetectorStatus::Skipped, why.clone()),
                Outcome::Failed(why) => (DetectorStatus::Failed, why.clone()),
            };
        }
        if left_out(recipe, entry, told.chosen) {
            run.detail = format!("left out at --effort {}", recipe.effort);
            // what a normal scan leaves out only orders: no finding is missed without it
            let missed = || format!("anything that it finds: left out at --effort {}", recipe.effort);
            run.unseen = (!deep_only(entry)).then(missed);
        }
        if let Some(s) = evidence.scored.iter().find(|s| s.detector == entry.id) {
            run.calibrated = s.suspicion.p_value.is_some();
            run.unseen.clone_from(&s.unseen);
            run.histogram = histogram(&s.suspicion.score, |row| flagged.by(row, entry.id));
            run.detail = format!("{} scored", count(s.suspicion.score.len() as u64, "row"));
        }
        run
    };
    foretaste_detectors::ENTRIES.iter().map(|e| one(e)).collect()
}

/// What a quick scan did not look for.
fn effort_note(recipe: &Recipe, rows: u64, detectors: &[DetectorRun]) -> Option<String> {
    let left_out = |d: &&DetectorRun| d.detail.starts_with("left out") && d.unseen.is_some();
    let out: Vec<&str> = detectors.iter().filter(left_out).map(|d| d.id.as_str()).collect();
    let limit = recipe.neighbour_limit();
    let near = if rows > limit && rows <= recipe.neighbour_rows {
        format!("no neighbours were looked for among more than {} rows; ", thousands(limit))
    } else {
        String::new()
    };
    (recipe.effort == Effort::Quick && !out.is_empty()).then(|| {
        format!("a quick scan: {} left out; {near}--effort normal looks at all of it", out.join(", "))
    })
}

/// A paragraph without its line ends.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bins of the histograms.
const BINS: usize = 40;

fn histogram(score: &[f32], flagged: impl Fn(u64) -> bool) -> Option<Histogram> {
    let low = f64::from(score.iter().copied().reduce(f32::min)?);
    let high = f64::from(score.iter().copied().reduce(f32::max)?);
    if high <= low {
        return None;
    }
    let mut h = Histogram { low, high, all: vec![0; BINS], flagged: vec![0; BINS] };
    for (row, s) in score.iter().enumerate() {
        let bin = (((f64::from(*s) - low) / (high - low) * BINS as f64) as usize).min(BINS - 1);
        h.all[bin] += 1;
        h.flagged[bin] += u64::from(flagged(row as u64));
    }
    Some(h)
}

fn samples(
    dataset: &Dataset,
    labels: &[u32],
    ids: Vec<SampleId>,
    evidence: &Evidence,
    flagged: &Flagged,
) -> Vec<SampleRow> {
    let class = |code: u32| dataset.classes.get(code as usize).cloned();
    let expected = evidence.scored.iter().find_map(|s| s.suspicion.expected.as_ref());
    ids.into_iter()
        .enumerate()
        .map(|(i, id)| {
            let place = dataset.place(i as u64);
            SampleRow {
                id,
                row: i as u64,
                file: place.file,
                file_row: place.file_row,
                line: place.line,
                given: class(labels[i]),
                expected: expected.and_then(|e| class(e[i])),
                suspicion: evidence.scored.iter().map(|s| s.suspicion.score[i]).collect(),
                p_value: evidence.scored.iter().map(|s| s.suspicion.p_value.as_ref().map(|p| p[i])).collect(),
                verdict: flagged.verdict[i],
                findings: flagged
                    .findings
                    .get(&(i as u64))
                    .map(|f| f.iter().map(|(id, _)| id.clone()).collect())
                    .unwrap_or_default(),
            }
        })
        .collect()
}

/// Largest number of classes in the confusion table.
const CONFUSION: usize = 20;

fn confusion(dataset: &Dataset, labels: &[u32], evidence: &Evidence, flagged: &Flagged) -> Option<Confusion> {
    let scored = evidence.scored.iter().find(|s| s.suspicion.expected.is_some())?;
    let expected = scored.suspicion.expected.as_ref()?;
    let n = dataset.classes.len().min(CONFUSION);
    let mut c = Confusion {
        names: dataset.classes[..n].to_vec(),
        counts: vec![vec![0; n]; n],
        flagged: vec![vec![0; n]; n],
    };
    for (row, (&given, &want)) in labels.iter().zip(expected).enumerate() {
        if given == MISSING || given as usize >= n || want as usize >= n {
            continue;
        }
        c.counts[given as usize][want as usize] += 1;
        c.flagged[given as usize][want as usize] += u64::from(flagged.by(row as u64, &scored.detector));
    }
    Some(c)
}

/// The command that repeats the run, inferences spelled out.
fn command(recipe: &Recipe, dataset: &Dataset, own: Option<&Embedder>) -> Vec<String> {
    let mut out: Vec<String> = ["foretaste", "scan"].map(str::to_owned).to_vec();
    out.extend(recipe.inputs.iter().cloned());
    let mut flag = |name: &str, value: String| out.extend([format!("--{name}"), value]);
    for path in &recipe.trusted {
        flag("trusted", path.clone());
    }
    for (i, a) in dataset.assigned.iter().enumerate() {
        let name = dataset.schema.field(i).name();
        let told = recipe.roles.contains_key(name);
        match a.role {
            Role::Label
            | Role::Target
            | Role::Text
            | Role::Image
            | Role::Id
            | Role::Source
            | Role::Annotator
            | Role::Time
            | Role::Split => {
                flag(a.role.word(), name.clone());
            }
            role if told => flag("role", format!("{name}={role}")),
            _ => {}
        }
    }
    let base = Recipe::default();
    if let Some(f) = &recipe.format {
        flag("format", f.clone());
    }
    if let Some(d) = &recipe.delimiter {
        flag("delimiter", d.clone());
    }
    if let (Some(path), Some(own)) = (&recipe.embed, own) {
        flag("embed", path.clone());
        own.settings().iter().for_each(|(name, value)| flag(name, value.clone()));
    }
    for id in &recipe.only {
        flag("only", id.clone());
    }
    for id in &recipe.skip {
        flag("skip", id.clone());
    }
    for (id, params) in &recipe.set {
        for (name, value) in params {
            flag(
                "set",
                format!("{id}.{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            );
        }
    }
    if recipe.effort != base.effort {
        flag("effort", recipe.effort.to_string());
    }
    flag("fdr", recipe.fdr.to_string());
    flag("seed", recipe.seed.to_string());
    if recipe.folds != base.folds {
        flag("folds", recipe.folds.to_string());
    }
    if recipe.header == Some(false) {
        out.push("--no-header".into());
    }
    out
}

/// `12,345 rows in 2 files`.
#[must_use]
pub fn size_words(report: &Report) -> String {
    format!(
        "{} rows in {}",
        thousands(report.coverage.rows),
        count(report.coverage.inputs.len() as u64, "file")
    )
}
