//! `foretaste scan`.

use crate::progress::Progress;
use anyhow::Context;
use clap::Args as ClapArgs;
use foretaste_core::{DetectorStatus, Report, Role, SampleRow, Severity};
use foretaste_flow::{Error, Recipe, Scanned};
use foretaste_formats::OpenOptions;
use foretaste_report::{Render, renders};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Look at a data set: what should not be trusted, and why.
#[derive(ClapArgs)]
pub struct Args {
    /// Files, folders or patterns; `-` reads standard input.
    #[arg(required_unless_present = "config")]
    inputs: Vec<String>,

    /// Compare with these data of the same kind that you vouch for, and tell what differs (may be repeated). They are not
    /// scanned, and are read with the same options.
    #[arg(long, value_name = "FILE")]
    trusted: Vec<String>,
    /// Write report.html, report.json, report.sarif, report.md and samples.parquet into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Write the JSON report to this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
    /// Print every column, finding and note in full.
    #[arg(long, short)]
    verbose: bool,
    /// Exit with 1 if there is a finding of at least this severity: note, low, medium, high, or never.
    #[arg(long, value_name = "SEVERITY", default_value = "low")]
    fail_on: String,

    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    columns: Columns,

    /// Take vectors of pictures from this ONNX model instead of gradient histograms (feature `onnx`).
    #[arg(long, value_name = "MODEL", help_heading = "Your own model")]
    embed: Option<String>,
    /// How it wants colours: imagenet, unit (0 to 1), symmetric (-1 to 1), raw (0 to 255), MEAN,DEVIATION of bytes, or
    /// three of each (default: inferred and told).
    #[arg(long, value_name = "SCALE", help_heading = "Your own model", allow_hyphen_values = true)]
    embed_scale: Option<String>,
    /// Side of the pictures that it gets, if it takes any size (default: 224).
    #[arg(long, value_name = "PIXELS", help_heading = "Your own model")]
    embed_size: Option<u32>,
    /// Name of the value to take from it (default: its output).
    #[arg(long, value_name = "NAME", help_heading = "Your own model")]
    embed_output: Option<String>,

    /// Share of false alarms that is accepted among the samples called wrong.
    #[arg(long, value_name = "LEVEL", help_heading = "Deciding")]
    fdr: Option<f64>,
    /// Run only this detector (may be repeated).
    #[arg(long, value_name = "DETECTOR", value_delimiter = ',', help_heading = "Deciding")]
    only: Vec<String>,
    /// Do not run this detector (may be repeated).
    #[arg(long, value_name = "DETECTOR", value_delimiter = ',', help_heading = "Deciding")]
    skip: Vec<String>,
    /// Set a parameter: DETECTOR.NAME=VALUE (may be repeated).
    #[arg(long, value_name = "D.NAME=VALUE", help_heading = "Deciding")]
    set: Vec<String>,
    /// How much time the scan may take: quick (leaves out what costs most), normal, or deep (higher limits, more
    /// tries, also detectors that only order).
    #[arg(long, value_name = "EFFORT", help_heading = "Deciding")]
    effort: Option<String>,
    /// Folds of the surrogate model.
    #[arg(long, value_name = "N", help_heading = "Deciding")]
    folds: Option<u32>,
    /// Seed of all randomness.
    #[arg(long, value_name = "N", help_heading = "Deciding")]
    seed: Option<u64>,

    /// Read settings from this file (default: foretaste.toml here, if it exists).
    #[arg(long, value_name = "FILE", help_heading = "Running")]
    config: Option<PathBuf>,
    /// Megabytes that vectors and states may take (default: half of what is free).
    #[arg(long, value_name = "MB", help_heading = "Running")]
    memory: Option<u64>,
    /// Most rows for an exact search of neighbours.
    #[arg(long, value_name = "N", help_heading = "Running")]
    neighbour_rows: Option<u64>,
    /// Threads (default: one per core). The result does not depend on it.
    #[arg(long, value_name = "N", help_heading = "Running")]
    threads: Option<usize>,
}

/// How to read the files.
#[derive(ClapArgs)]
#[command(next_help_heading = "Reading")]
pub struct Reading {
    /// Format, if it is not to be recognised (see `foretaste list formats`).
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Delimiter of CSV files: one character, or `tab`.
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<String>,
    /// CSV files have no header: columns are called column_1, column_2, ...
    #[arg(long)]
    pub no_header: bool,
}

impl Reading {
    /// The same as options of the readers.
    ///
    /// # Errors
    /// If the delimiter is not one character.
    pub fn options(&self) -> Result<OpenOptions, Error> {
        Ok(OpenOptions {
            format: self.format.clone(),
            delimiter: self.delimiter.as_deref().map(foretaste_flow::recipe::delimiter).transpose()?,
            has_header: self.no_header.then_some(false),
            ..OpenOptions::default()
        })
    }
}

/// What columns mean. What is not given is inferred and printed.
#[derive(ClapArgs)]
#[command(next_help_heading = "Columns")]
pub struct Columns {
    /// The class to be learned.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The number to be learned, instead of a class.
    #[arg(long, value_name = "COLUMN", conflicts_with = "label")]
    target: Option<String>,
    /// A number or category that a model reads.
    #[arg(long, value_name = "COLUMN")]
    feature: Vec<String>,
    /// Free text.
    #[arg(long, value_name = "COLUMN")]
    text: Vec<String>,
    /// Pictures.
    #[arg(long, value_name = "COLUMN")]
    image: Vec<String>,
    /// Vectors that stand for the samples.
    #[arg(long, value_name = "COLUMN")]
    embedding: Vec<String>,
    /// Names the sample.
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Where samples come from.
    #[arg(long, value_name = "COLUMN")]
    source: Vec<String>,
    /// Who labelled them.
    #[arg(long, value_name = "COLUMN")]
    annotator: Vec<String>,
    /// When they were made.
    #[arg(long, value_name = "COLUMN")]
    time: Vec<String>,
    /// Train or test.
    #[arg(long, value_name = "COLUMN")]
    split: Vec<String>,
    /// Class probabilities of your own model, out of sample: one list column, or one column per class.
    #[arg(long, value_name = "COLUMN")]
    prob: Vec<String>,
    /// Who rated.
    #[arg(long, value_name = "COLUMN")]
    user: Vec<String>,
    /// What was rated.
    #[arg(long, value_name = "COLUMN")]
    item: Vec<String>,
    /// How it was rated.
    #[arg(long, value_name = "COLUMN")]
    rating: Vec<String>,
    /// What a language model is asked.
    #[arg(long, value_name = "COLUMN")]
    prompt: Vec<String>,
    /// What it should answer.
    #[arg(long, value_name = "COLUMN")]
    response: Vec<String>,
    /// A search query.
    #[arg(long, value_name = "COLUMN")]
    query: Vec<String>,
    /// A passage to be retrieved.
    #[arg(long, value_name = "COLUMN")]
    document: Vec<String>,
    /// Do not read this column.
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,
    /// The same for any role: COLUMN=ROLE (see `foretaste list roles`).
    #[arg(long, value_name = "COLUMN=ROLE")]
    role: Vec<String>,
}

impl Columns {
    /// Adds the roles that were given by flags; they go before those that are there.
    pub fn put(&self, roles: &mut BTreeMap<String, Role>) -> anyhow::Result<()> {
        let one = |c: &Option<String>| c.iter().cloned().collect::<Vec<_>>();
        let given = [
            (one(&self.label), Role::Label),
            (one(&self.target), Role::Target),
            (self.feature.clone(), Role::Feature),
            (self.text.clone(), Role::Text),
            (self.image.clone(), Role::Image),
            (self.embedding.clone(), Role::Embedding),
            (one(&self.id), Role::Id),
            (self.source.clone(), Role::Source),
            (self.annotator.clone(), Role::Annotator),
            (self.time.clone(), Role::Time),
            (self.split.clone(), Role::Split),
            (self.prob.clone(), Role::Prob),
            (self.user.clone(), Role::User),
            (self.item.clone(), Role::Item),
            (self.rating.clone(), Role::Rating),
            (self.prompt.clone(), Role::Prompt),
            (self.response.clone(), Role::Response),
            (self.query.clone(), Role::Query),
            (self.document.clone(), Role::Document),
            (self.ignore.clone(), Role::Ignored),
        ];
        let mut by_flag: BTreeMap<String, Role> = BTreeMap::new();
        let mut give = |name: String, role: Role| match by_flag.insert(name.clone(), role) {
            Some(other) if other != role => Err(Error::data(
                format!("column `{name}` is given two roles, {other} and {role}"),
                "a column has one role",
            )),
            _ => Ok(()),
        };
        for (names, role) in given {
            names.into_iter().try_for_each(|name| give(name, role))?;
        }
        for pair in &self.role {
            let (name, role) = pair.rsplit_once('=').ok_or_else(|| {
                Error::data(format!("`--role {pair}` is not COLUMN=ROLE"), "for example --role ip=source")
            })?;
            give(name.to_owned(), role.parse::<Role>()?)?;
        }
        roles.extend(by_flag);
        Ok(())
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let recipe = recipe(args)?;
    let fail_on = match args.fail_on.as_str() {
        "never" => None,
        s => Some(s.parse::<Severity>()?),
    };
    if let Some(n) = args.threads {
        rayon_threads(n)?;
    }
    let started = Instant::now();
    let progress = Progress::new(args.quiet);
    let done = foretaste_flow::scan(&recipe, &|phase, rows| progress.on(phase, rows));
    progress.done();
    let Scanned { mut report, samples } = done?;
    if let Some(dir) = &args.report {
        report.run.command.extend(["--report".to_owned(), dir.display().to_string()]);
    }
    if let Some(dir) = &args.report {
        write_reports(dir, &report, &samples)?;
    }
    if let Some(path) = &args.json {
        write_json(path, &report, &samples)?;
    }
    let json_on_stdout = args.json.as_deref() == Some(Path::new("-"));
    if !args.quiet && !json_on_stdout {
        print(args, &report, &samples, started)?;
    }
    Ok(exit_code(&report, fail_on))
}

fn recipe(args: &Args) -> anyhow::Result<Recipe> {
    let mut recipe = match &args.config {
        Some(path) => Recipe::from_file(path)?,
        None if Path::new("foretaste.toml").is_file() => Recipe::from_file(Path::new("foretaste.toml"))?,
        None => Recipe::default(),
    };
    if !args.inputs.is_empty() {
        recipe.inputs.clone_from(&args.inputs);
    }
    // a flag goes before the recipe's file
    if !args.trusted.is_empty() {
        recipe.trusted.clone_from(&args.trusted);
    }
    args.columns.put(&mut recipe.roles)?;
    let keep = |given: &Option<String>, field: &mut Option<String>| {
        if given.is_some() {
            field.clone_from(given)
        }
    };
    keep(&args.reading.format, &mut recipe.format);
    keep(&args.reading.delimiter, &mut recipe.delimiter);
    keep(&args.embed, &mut recipe.embed);
    keep(&args.embed_scale, &mut recipe.embed_scale);
    keep(&args.embed_output, &mut recipe.embed_output);
    recipe.embed_size = args.embed_size.or(recipe.embed_size);
    if args.reading.no_header {
        recipe.header = Some(false);
    }
    recipe.fdr = args.fdr.unwrap_or(recipe.fdr);
    if let Some(word) = &args.effort {
        recipe.effort = word.parse()?;
    }
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    recipe.folds = args.folds.unwrap_or(recipe.folds);
    recipe.memory = args.memory.unwrap_or(recipe.memory);
    recipe.neighbour_rows = args.neighbour_rows.unwrap_or(recipe.neighbour_rows);
    if !args.only.is_empty() {
        recipe.only.clone_from(&args.only);
    }
    if !args.skip.is_empty() {
        recipe.skip.clone_from(&args.skip);
    }
    for set in &args.set {
        let parsed =
            set.split_once('=').and_then(|(path, value)| path.split_once('.').map(|(d, n)| (d, n, value)));
        let (detector, name, value) = parsed.ok_or_else(|| {
            Error::data(
                format!("`--set {set}` is not DETECTOR.NAME=VALUE"),
                "for example --set knn-label.k=20",
            )
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        recipe.set.entry(detector.to_owned()).or_default().insert(name.to_owned(), value);
    }
    Ok(recipe)
}

/// Limits the number of threads.
pub fn rayon_threads(n: usize) -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(n).build_global().context("cannot start that many threads")
}

fn print(args: &Args, report: &Report, samples: &[SampleRow], started: Instant) -> anyhow::Result<()> {
    let text = foretaste_report::text::Text {
        width: width(),
        verbose: args.verbose,
        took: Some(format!("{:.1} s", started.elapsed().as_secs_f64())),
        next: with_report(args),
    };
    let mut out = anstream::AutoStream::auto(std::io::stdout()).lock();
    text.render(report, samples, &mut out)?;
    out.flush()?;
    Ok(())
}

/// Width of the terminal; `COLUMNS` goes before, and 100 is for pipes.
pub fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse::<usize>().ok());
    let known = told.or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0)));
    known.unwrap_or(100).clamp(40, 140)
}

/// The command as it was typed, and a folder for its report.
fn with_report(args: &Args) -> Option<String> {
    if args.report.is_some() || args.inputs.iter().any(|i| i == "-") {
        return None;
    }
    let typed = std::env::args().skip(1).map(|a| foretaste_report::quote(&a)).collect::<Vec<_>>().join(" ");
    Some(format!("foretaste {typed} --report out/"))
}

/// Every output that becomes a file, each written beside its target and renamed.
fn write_reports(dir: &Path, report: &Report, samples: &[SampleRow]) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| {
        Error::file(
            dir,
            format!("cannot make the folder: {e}"),
            "name a folder that can be written, not a file",
        )
    })?;
    for render in renders().iter().filter(|r| r.id() != "text") {
        write_file(&dir.join(render.file_name()), |out| Ok(render.render(report, samples, out)?))?;
    }
    Ok(())
}

fn write_json(path: &Path, report: &Report, samples: &[SampleRow]) -> anyhow::Result<()> {
    let json = foretaste_report::json::Json;
    if path == Path::new("-") {
        let mut out = BufWriter::new(std::io::stdout().lock());
        json.render(report, samples, &mut out)?;
        out.flush()?;
        return Ok(());
    }
    write_file(path, |out| Ok(json.render(report, samples, out)?))
}

fn write_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let temp = path.with_extension("fore-tmp");
    let told = |e: std::io::Error| {
        Error::file(
            path,
            format!("cannot write: {e}"),
            "check that its folder exists, can be written, and has room",
        )
    };
    let result = (|| {
        let mut out = BufWriter::new(std::fs::File::create(&temp).map_err(told)?);
        fill(&mut out)?;
        out.flush().map_err(told)?;
        Ok(std::fs::rename(&temp, path).map_err(told)?)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    result
}

/// 2 if not everything could be looked at, 1 if something was found, else 0: never clean by omission.
fn exit_code(report: &Report, fail_on: Option<Severity>) -> ExitCode {
    let failed = report.detectors.iter().any(|d| d.status == DetectorStatus::Failed);
    if !report.coverage.complete || failed {
        return ExitCode::from(2);
    }
    let found = fail_on.is_some_and(|level| report.worst().is_some_and(|worst| worst >= level));
    ExitCode::from(u8::from(found))
}
