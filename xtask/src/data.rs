//! `cargo xtask data`: which data sets are here and what each is for; `cargo xtask data examples` makes examples/ again.

use crate::{bench, shell};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Folder, and what tests and benchmarks use it for.
const SETS: &[(&str, &str)] = &[
    ("sms_spam", "text, 2 classes: examples/, scan timing, label benchmark"),
    ("adult_income", "mixed table, 2 classes: examples/, scan timing, label benchmark"),
    ("spambase", "numeric table, 2 classes: label benchmark"),
    ("sentence_polarity", "text, 2 classes, hard: label benchmark"),
    ("hate_speech", "short text, 3 classes, unbalanced: scan timing"),
    ("fashion_mnist", "grey images, 10 classes: examples/, label benchmark"),
    ("gtsrb", "colour images, 43 classes: scan timing, label benchmark"),
    ("food_reviews", "long text, 5 classes"),
    ("credit_default", "small numeric table"),
    ("vehicle_claim_fraud", "mixed table, rare class"),
    ("nsl_kdd", "network connections, mixed table"),
    ("android_malware", "241 binary columns"),
    ("spamassassin", "e-mail with headers: source and time columns"),
    ("movielens_100k", "ratings with time"),
    ("instructions", "prompts and responses"),
    ("xquad_en", "questions and passages"),
];

/// `FORETASTE_DATA`, or `../shared/data` if it is there.
pub fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("FORETASTE_DATA").filter(|v| !v.is_empty());
    let path = given.map_or_else(|| shell::root().join("../shared/data"), |g| shell::root().join(g));
    path.canonicalize().ok().filter(|p| p.is_dir())
}

/// The known data sets that are in a folder.
pub fn sets(folder: &Path) -> Vec<&'static str> {
    SETS.iter().map(|(name, _)| *name).filter(|name| folder.join(name).is_dir()).collect()
}

/// Runs it.
pub fn main(args: &[String]) -> Result<()> {
    match args {
        [] => list(),
        [word] if word == "examples" => examples(),
        _ => bail!("unknown words after `data`\nhint: `cargo xtask data` or `cargo xtask data examples`"),
    }
}

fn list() -> Result<()> {
    let Some(folder) = folder() else {
        println!("no data folder: set FORETASTE_DATA to the folder that holds these (one folder each):");
        SETS.iter().for_each(|(name, what)| println!("  {name:<20} {what}"));
        return Ok(());
    };
    println!("data sets under {}:", folder.display());
    for (name, what) in SETS {
        let state = if folder.join(name).is_dir() { "found" } else { "missing" };
        println!("  {state:<8} {name:<20} {what}");
    }
    Ok(())
}

fn examples() -> Result<()> {
    let folder = folder().context("no data folder\nhint: set FORETASTE_DATA")?;
    let script = shell::root().join("bench/peers/make_examples.py");
    let python = bench::python()?;
    shell::run(std::process::Command::new(python).arg(script).arg(folder).arg(shell::root().join("examples")))
}
