//! The user's own training as a victim.
//!
//! Protocol, version 1. The command is run by the shell in a folder of its own, once for each training, with its
//! placeholders replaced by paths: `{train}` has all columns; `{test}` has no label column; if the command names
//! `{probe}`, inputs that carry the trigger are in that file, else they stand at the end of `{test}`. It writes
//! `{predictions}`: one class name a line, for the rows of test and then of probe, with or without a header
//! `prediction`. Exit code 0 is success. What it prints is kept in `stdout.log` and `stderr.log`.

use super::scenario::TrainCommand;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use foretaste_core::{MISSING, Role};
use foretaste_formats::writer;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Class codes for the test rows, and for the probes if there are some.
pub type Answers = (Vec<u32>, Option<Vec<u32>>);

/// Runs the command once. Without a folder to keep, it runs in a temporary one.
pub fn run(
    command: &TrainCommand,
    train: &Dataset,
    test: &Dataset,
    probe: Option<&Dataset>,
    folder: Option<&Path>,
) -> Result<Answers> {
    let temp;
    let folder = match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|e| Error::file(folder, e, "choose a folder that can be written"))?;
            std::fs::canonicalize(folder).map_err(|e| Error::file(folder, e, ""))?
        }
        None => {
            temp =
                tempfile::tempdir().map_err(|e| Error::file("temporary folder", e, "is the disk full?"))?;
            temp.path().to_owned()
        }
    };
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
    let quoted = |p: &Path| format!("'{}'", p.display().to_string().replace('\'', "'\\''"));
    let line = command
        .command
        .replace("{train}", &quoted(&at("train")))
        .replace("{test}", &quoted(&at("test")))
        .replace("{probe}", &quoted(&at("probe")))
        .replace("{predictions}", &quoted(&predictions));
    let status = shell(&line, &folder, Duration::from_secs(command.time_limit))?;
    if !status.success() {
        let told = std::fs::read_to_string(folder.join("stderr.log")).unwrap_or_default();
        let last = told.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it printed nothing");
        return Err(Error::data(
            format!("the training command ended with {status}: {last}"),
            format!("run it by hand; its files are in {}", folder.display()),
        ));
    }
    answers(&predictions, test, probe)
}

/// Writes data sets of one schema into one file, with or without the label.
fn write(path: &Path, parts: &[&Dataset], labelled: bool) -> Result<()> {
    let Some(first) = parts.first() else { return Ok(()) };
    let keep = first.positions(|r| labelled || r != Role::Label);
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

fn shell(line: &str, folder: &Path, limit: Duration) -> Result<ExitStatus> {
    let log = |name: &str| {
        let path = folder.join(name);
        File::create(&path).map_err(|e| Error::file(&path, e, "is the disk full?"))
    };
    let (program, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let home = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let mut child: Child = Command::new(program)
        .arg(flag)
        .arg(line)
        .current_dir(home)
        .env("FORETASTE_RUN", folder)
        .stdin(Stdio::null())
        .stdout(log("stdout.log")?)
        .stderr(log("stderr.log")?)
        .spawn()
        .map_err(|e| {
            Error::data(format!("the training command cannot be started: {e}"), "check --train-command")
        })?;
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if started.elapsed() > limit => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::data(
                    format!("the training command took more than {} s", limit.as_secs()),
                    "give it more with --time-limit, or train on fewer rows with --max-rows",
                ));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(e) => {
                return Err(Error::data(format!("the training command was lost: {e}"), "run it by hand"));
            }
        }
    }
}

/// Reads class names, one a line; what is no class counts as a wrong answer.
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
    let mut names: Vec<String> = text.lines().map(cell).collect();
    if names.first().is_some_and(|n| n == "prediction") {
        names.remove(0);
    }
    let (n, extra) = (test.rows as usize, probe.map_or(0, |p| p.rows as usize));
    if names.len() != n + extra {
        return Err(Error::file(
            path,
            format!("{} predictions for {n} test rows and {extra} probes", names.len()),
            "write one class name a line, first for test, then for probe",
        ));
    }
    let number = |n: &str| n.parse::<f64>().ok();
    let code = |name: &String| {
        let same = |c: &String| c == name || number(c).is_some_and(|c| number(name) == Some(c));
        test.classes.iter().position(same).map_or(MISSING, |c| c as u32)
    };
    let codes: Vec<u32> = names.iter().map(code).collect();
    if codes.iter().all(|c| *c == MISSING) && !codes.is_empty() {
        return Err(Error::file(
            path,
            format!("no prediction is a class; the first is `{}`", names[0]),
            format!("write class names such as `{}`", test.classes.first().map_or("", String::as_str)),
        ));
    }
    Ok((codes[..n].to_vec(), probe.map(|_| codes[n..].to_vec())))
}
