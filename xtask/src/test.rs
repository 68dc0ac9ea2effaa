//! `cargo xtask test`: everything that must hold, set-up included.

use crate::{data, shell, tidy};
use anyhow::{Result, bail};
use std::time::Instant;

type Part = (&'static str, fn() -> Result<()>);

/// The parts, in order: what fails fast comes first, the runner's summary comes last.
const PARTS: &[Part] = &[
    ("fmt", fmt),
    ("tidy", tidy_part),
    ("clippy", clippy),
    ("doc", doc_tests),
    ("onnx", onnx_tests),
    ("unit", unit_tests),
];

const QUICK: &[&str] = &["fmt", "tidy", "unit"];

/// Runs all parts, or `--quick`, or the parts named.
pub fn main(args: &[String]) -> Result<()> {
    let chosen = choose(args)?;
    println!("parts: {}", chosen.join(", "));
    match data::folder() {
        Some(folder) => println!("data: {} ({} data sets)", folder.display(), data::sets(&folder).len()),
        None => println!("data: none (set FORETASTE_DATA; tests that need a data set say that they skip)"),
    }
    let start = Instant::now();
    for (name, part) in PARTS.iter().filter(|(name, _)| chosen.contains(name)) {
        println!("\n== {name} ==");
        part()?;
    }
    println!("\nall of {} passed in {:.0} s", chosen.join(", "), start.elapsed().as_secs_f64());
    Ok(())
}

fn choose(args: &[String]) -> Result<Vec<&'static str>> {
    let all: Vec<&'static str> = PARTS.iter().map(|(name, _)| *name).collect();
    if args.iter().any(|a| a == "--quick") {
        return Ok(QUICK.to_vec());
    }
    if let Some(unknown) = args.iter().find(|a| !all.contains(&a.as_str())) {
        bail!("unknown part `{unknown}`\nhint: known parts are {}, or `--quick`", all.join(", "));
    }
    Ok(all.into_iter().filter(|part| args.is_empty() || args.iter().any(|a| a == part)).collect())
}

fn fmt() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
}

fn tidy_part() -> Result<()> {
    tidy::main(&[])
}

fn clippy() -> Result<()> {
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc_tests() -> Result<()> {
    shell::run(with_data(shell::cargo().args(["test", "--workspace", "--doc"])))
}

/// The one optional feature that builds in little time: a runtime of models, tested in its own crate alone.
fn onnx_tests() -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--package", "foretaste-embed", "--features", "onnx"]);
    shell::run(with_data(&mut cargo))
}

fn unit_tests() -> Result<()> {
    let mut cargo = shell::cargo();
    if shell::has("cargo-nextest") {
        cargo.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    } else {
        println!("cargo-nextest is not installed: the slower `cargo test` runs instead");
        cargo.args(["test", "--workspace", "--all-targets", "--no-fail-fast"]);
    }
    shell::run(with_data(&mut cargo))
}

/// Tells the tests where data sets are. Absolute, because tests run in the folders of their crates.
fn with_data(command: &mut std::process::Command) -> &mut std::process::Command {
    match data::folder() {
        Some(folder) => command.env("FORETASTE_DATA", folder),
        None => command.env_remove("FORETASTE_DATA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_order_and_unknown_ones_are_refused() {
        assert_eq!(choose(&["unit".into(), "fmt".into()]).unwrap(), ["fmt", "unit"]);
        assert_eq!(choose(&[]).unwrap().len(), PARTS.len());
        assert_eq!(choose(&["--quick".into()]).unwrap(), QUICK);
        assert!(choose(&["units".into()]).unwrap_err().to_string().contains("`units`"));
    }
}
