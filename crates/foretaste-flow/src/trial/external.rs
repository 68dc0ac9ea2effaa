//! The user's own programs: training as a victim, a filter as a defence.
//!
//! Protocol of a training, version 1. The command is run by the shell in a folder of its own, once for each training, with its
//! placeholders replaced by paths: `{train}` has all columns; `{test}` has no label column, nor the numeric target; if the command names
//! `{probe}`, inputs that carry the trigger are in that file, else they stand at the end of `{test}`. It writes
//! `{predictions}`: one class name a line, or one number where the data have a numeric target, for the rows of test and then of
//! probe, with or without a header `prediction`. Exit code 0 is success. What it prints is kept in `stdout.log` and `stderr.log`.
//!
//! Protocol of a defence, version 1. `{train}` has all columns; the command writes `{flagged}`: the numbers of the rows
//! that it would take out, one a line, the first row of the data being 0.
//!
//! Both find the names of columns in the environment: `FORETASTE_LABEL`, `FORETASTE_TARGET`, `FORETASTE_TEXT` and
//! `FORETASTE_IMAGE` (the first of their kind). A defence also finds the true share of poison in `FORETASTE_POISON_RATE`, for methods that want to be told.

use super::scenario::{DefenceCommand, TrainCommand};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use foretaste_core::{MISSING, Role};
use foretaste_formats::writer;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What the user's model said.
pub enum Answers {
    /// Class codes for the test rows, and for the probes if there are some.
    Classes(Vec<u32>, Option<Vec<u32>>),
    /// Numbers for the test rows: the data have a numeric target.
    Numbers(Vec<f32>),
}

/// Runs the training once. Without a folder to keep, it runs in a temporary one.
pub fn run(
    command: &TrainCommand,
    train: &Dataset,
    test: &Dataset,
    probe: Option<&Dataset>,
    folder: Option<&Path>,
) -> Result<Answers> {
    let room = Room::new(folder)?;
    let folder = room.path()?;
    let at = |name: &str| folder.join(format!("{name}.{}", command.format));
    let own_probe = command.command.contains("{probe}");
    write(&at("train"), &[train], true)?;
    let with_test: Vec<&Dataset> =
        if own_probe { vec![test] } else { std::iter::once(test).chain(probe).collect() };
    write(&at("test"), &with_test, false)?;
    if let Some(probe) = probe.filter(|_| own_probe) {
        write(&at("probe"), &[probe], false)?;
    } else if own_probe {
        write(
            &at("probe"),
            &[&test.of_rows(&arrow_array::RecordBatch::new_empty(test.schema.clone()))?],
            false,
        )?;
    }
    let predictions = folder.join("predictions.csv");
    let line = command
        .command
        .replace("{train}", &quoted(&at("train")))
        .replace("{test}", &quoted(&at("test")))
        .replace("{probe}", &quoted(&at("probe")))
        .replace("{predictions}", &quoted(&predictions));
    let job = Job { what: "training", line, environment: columns(train), folder: &folder };
    job.run(Duration::from_secs(command.time_limit))?;
    answers(&predictions, test, probe)
}

/// Runs a defence: the rows that it would take out. Without a folder to keep, it runs in a temporary one.
pub fn flagged(
    command: &DefenceCommand,
    train: &Dataset,
    poison_rate: f64,
    folder: Option<&Path>,
) -> Result<BTreeSet<u64>> {
    let room = Room::new(folder)?;
    let folder = room.path()?;
    let (data, out) = (folder.join(format!("train.{}", command.format)), folder.join("flagged.txt"));
    write(&data, &[train], true)?;
    let line = command.command.replace("{train}", &quoted(&data)).replace("{flagged}", &quoted(&out));
    let mut environment = columns(train);
    environment.push(("FORETASTE_POISON_RATE", poison_rate.to_string()));
    Job { what: "defence", line, environment, folder: &folder }
        .run(Duration::from_secs(command.time_limit))?;
    let text = std::fs::read_to_string(&out)
        .map_err(|e| Error::file(&out, e, "the defence command must write the file given as {flagged}"))?;
    let row = |(at, line): (usize, &str)| {
        line.trim().parse::<u64>().ok().filter(|row| *row < train.rows).ok_or_else(|| {
            Error::file(
                &out,
                format!("line {} is no row of 0 to {}: `{line}`", at + 1, train.rows.saturating_sub(1)),
                "write the number of a row a line, the first row of the data being 0",
            )
        })
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(row).collect()
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Where a command's files are: a folder to be kept, or one that goes with this value.
enum Room<'a> {
    Kept(&'a Path),
    Passing(tempfile::TempDir),
}

impl<'a> Room<'a> {
    fn new(folder: Option<&'a Path>) -> Result<Self> {
        match folder {
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|e| Error::file(folder, e, "choose a folder that can be written"))?;
                Ok(Self::Kept(folder))
            }
            None => tempfile::tempdir()
                .map(Self::Passing)
                .map_err(|e| Error::file("temporary folder", e, "is the disk full?")),
        }
    }

    /// Its path from the root: commands run elsewhere.
    fn path(&self) -> Result<PathBuf> {
        let path = match self {
            Self::Kept(path) => path,
            Self::Passing(dir) => dir.path(),
        };
        std::fs::canonicalize(path).map_err(|e| Error::file(path, e, ""))
    }
}

/// Writes data sets of one schema into one file, with or without the label.
fn write(path: &Path, parts: &[&Dataset], labelled: bool) -> Result<()> {
    let Some(first) = parts.first() else { return Ok(()) };
    let keep = first.positions(|r| labelled || !matches!(r, Role::Label | Role::Target));
    let schema = std::sync::Arc::new(first.schema.project(&keep)?);
    let mut out = writer(path, None, schema)?;
    for part in parts {
        for batch in part.batches()? {
            out.write(&batch?.records.project(&keep)?)?;
        }
    }
    out.finish()?;
    Ok(())
}

/// Names of columns, for programs that are not told them otherwise.
fn columns(data: &Dataset) -> Vec<(&'static str, String)> {
    let named = [
        ("FORETASTE_LABEL", Role::Label),
        ("FORETASTE_TARGET", Role::Target),
        ("FORETASTE_TEXT", Role::Text),
        ("FORETASTE_IMAGE", Role::Image),
    ];
    let first =
        |role: Role| data.positions(|r| r == role).first().map(|at| data.schema.field(*at).name().clone());
    named.into_iter().filter_map(|(name, role)| Some((name, first(role)?))).collect()
}

/// A line for the shell.
struct Job<'a> {
    /// Training or defence.
    what: &'a str,
    line: String,
    environment: Vec<(&'static str, String)>,
    /// What it prints is kept here.
    folder: &'a Path,
}

impl Job<'_> {
    /// Runs it until it ends well.
    fn run(&self, limit: Duration) -> Result<()> {
        let status = self.waited(limit)?;
        if status.success() {
            return Ok(());
        }
        let told = std::fs::read_to_string(self.folder.join("stderr.log")).unwrap_or_default();
        let last = told.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it printed nothing");
        Err(Error::data(
            format!("the {} command ended with {status}: {last}", self.what),
            format!("run it by hand; its files are in {}", self.folder.display()),
        ))
    }

    fn waited(&self, limit: Duration) -> Result<ExitStatus> {
        let what = self.what;
        let log = |name: &str| {
            let path = self.folder.join(name);
            File::create(&path).map_err(|e| Error::file(&path, e, "is the disk full?"))
        };
        let (program, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
        let home = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let mut child: Child = Command::new(program)
            .arg(flag)
            .arg(&self.line)
            .current_dir(home)
            .env("FORETASTE_RUN", self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log("stdout.log")?)
            .stderr(log("stderr.log")?)
            .spawn()
            .map_err(|e| {
                Error::data(format!("the {what} command cannot be started: {e}"), "check the command")
            })?;
        let started = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if started.elapsed() > limit => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Error::data(
                        format!("the {what} command took more than {} s", limit.as_secs()),
                        "give it more with --time-limit, or run on fewer rows with --max-rows",
                    ));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Err(e) => {
                    return Err(Error::data(format!("the {what} command was lost: {e}"), "run it by hand"));
                }
            }
        }
    }
}

/// Reads class names, one a line, of which what is no class counts as a wrong answer; or numbers.
fn answers(path: &Path, test: &Dataset, probe: Option<&Dataset>) -> Result<Answers> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::file(path, e, "the training command must write the file given as {predictions}")
    })?;
    let cell = |line: &str| {
        let line = line.trim();
        line.strip_prefix('"')
            .and_then(|l| l.strip_suffix('"'))
            .map_or(line.to_owned(), |l| l.replace("\"\"", "\""))
    };
    let mut said: Vec<String> = text.lines().map(cell).collect();
    let headed = said.first().is_some_and(|n| n == "prediction");
    if headed {
        said.remove(0);
    }
    let numeric = test.has(Role::Target);
    let (n, extra) = (test.rows as usize, probe.map_or(0, |p| p.rows as usize));
    if said.len() != n + extra {
        let one = if numeric { "number" } else { "class name" };
        return Err(Error::file(
            path,
            format!("{} predictions for {n} test rows and {extra} probes", said.len()),
            format!("write one {one} a line, first for test, then for probe"),
        ));
    }
    let number = |n: &str| n.parse::<f64>().ok();
    if numeric {
        let finite = |(at, cell): (usize, &String)| {
            number(cell).filter(|v| v.is_finite()).map(|v| v as f32).ok_or_else(|| {
                Error::file(
                    path,
                    format!("line {} is no number: `{cell}`", at + 1 + usize::from(headed)),
                    "the data have a numeric target: write one number a line",
                )
            })
        };
        return Ok(Answers::Numbers(said[..n].iter().enumerate().map(finite).collect::<Result<_>>()?));
    }
    let code = |name: &String| {
        let same = |c: &String| c == name || number(c).is_some_and(|c| number(name) == Some(c));
        test.classes.iter().position(same).map_or(MISSING, |c| c as u32)
    };
    let codes: Vec<u32> = said.iter().map(code).collect();
    if codes.iter().all(|c| *c == MISSING) && !codes.is_empty() {
        return Err(Error::file(
            path,
            format!("no prediction is a class; the first is `{}`", said[0]),
            format!("write class names such as `{}`", test.classes.first().map_or("", String::as_str)),
        ));
    }
    Ok(Answers::Classes(codes[..n].to_vec(), probe.map(|_| codes[n..].to_vec())))
}
