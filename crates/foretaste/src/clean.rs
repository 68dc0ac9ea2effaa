//! `foretaste clean`.

use crate::scan::Reading;
use anstream::println;
use clap::Args as ClapArgs;
use foretaste_flow::clean::{CleanOptions, clean};
use foretaste_flow::columns::count;
use std::path::PathBuf;
use std::process::ExitCode;

/// Split a data set into kept and quarantined rows by the findings of a scan.
#[derive(ClapArgs)]
pub struct Args {
    /// The input of the scan.
    #[arg(required = true)]
    inputs: Vec<String>,
    /// report.json of the scan.
    #[arg(long, value_name = "FILE")]
    findings: PathBuf,
    /// Where kept rows go; the extension decides the format.
    #[arg(long, value_name = "FILE")]
    kept: PathBuf,
    /// Where quarantined rows go.
    #[arg(long, value_name = "FILE")]
    quarantined: PathBuf,
    /// Only this finding, for example F1 (may be repeated).
    #[arg(long, value_name = "FINDING", value_delimiter = ',')]
    only: Vec<String>,
    /// Also set aside what is only up for review.
    #[arg(long)]
    review: bool,
    /// Also set aside all but the first of each group of copies.
    #[arg(long)]
    duplicates: bool,
    /// Overwrite existing outputs.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reading: Reading,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let options = CleanOptions {
        inputs: args.inputs.clone(),
        open: args.reading.options()?,
        findings: args.findings.clone(),
        kept: args.kept.clone(),
        quarantined: args.quarantined.clone(),
        only: args.only.clone(),
        review: args.review,
        duplicates: args.duplicates,
        force: args.force,
    };
    let done = clean(&options)?;
    println!("{} read", count(done.rows, "row"));
    println!("{} kept         {}", count(done.split.kept, "row"), args.kept.display());
    println!(
        "{} quarantined  {}",
        count(done.split.quarantined.len() as u64, "row"),
        args.quarantined.display()
    );
    if done.exact {
        println!("rows were copied byte for byte");
    }
    Ok(ExitCode::SUCCESS)
}
