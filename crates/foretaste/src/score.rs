//! `foretaste score`.

use anstream::println;
use anstyle::Style;
use clap::Args as ClapArgs;
use foretaste_flow::columns::count;
use foretaste_flow::score::{ScoreOptions, Scored, score};
use std::path::PathBuf;
use std::process::ExitCode;

const BOLD: Style = Style::new().bold();

/// Compare findings, or any list of samples, with the truth of a simulation.
#[derive(ClapArgs)]
pub struct Args {
    /// manifest.json of `foretaste simulate`.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// report.json of a scan of the poisoned data, or a text file with one sample id a line.
    #[arg(long, value_name = "FILE")]
    findings: PathBuf,
    /// Count what is up for review as named, besides what is to be quarantined.
    #[arg(long)]
    review: bool,
    /// samples.parquet of the scan (default: beside report.json), for the average precision.
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
    /// Detector whose suspicion orders the samples (default: the first of the file).
    #[arg(long, value_name = "DETECTOR")]
    detector: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let options = ScoreOptions {
        manifest: args.manifest.clone(),
        findings: args.findings.clone(),
        review: args.review,
        samples: args.samples.clone(),
        detector: args.detector.clone(),
    };
    let done = score(&options)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&done.score)?);
    } else {
        show(&done);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(done: &Scored) {
    let s = &done.score;
    println!("{}, of them {}", count(s.rows, "row"), count(s.n_poison, "poisoned sample"));
    println!(
        "{} named: {} poisoned, {} clean, {} cover",
        count(s.named, "sample"),
        s.true_positives,
        s.false_positives,
        s.cover_named
    );
    println!("{BOLD}found{BOLD:#}          {:.1} % of the poison", 100.0 * s.true_positive_rate);
    println!("{BOLD}false alarms{BOLD:#}   {:.2} % of the clean samples", 100.0 * s.false_positive_rate);
    println!("{BOLD}precision{BOLD:#}      {:.1} % of the named are poison", 100.0 * s.precision);
    if let (Some(ap), Some(detector)) = (s.average_precision, &done.detector) {
        println!("{BOLD}ranking{BOLD:#}        average precision {ap:.3} by {detector}");
    }
    for a in s.attacks.iter().filter(|_| s.attacks.len() > 1) {
        println!("  {}: {} of {}", a.attack, a.true_positives, a.n_poison);
    }
    if s.unknown > 0 {
        println!(
            "{} named are not in the data: were the findings made on the poisoned file?",
            count(s.unknown, "sample")
        );
    }
}
