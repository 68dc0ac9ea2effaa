//! foretaste: tastes training data before a model does.
//!
//! Arguments become a recipe, a verb of `foretaste-flow` does the work, the report goes to the terminal and to files.

mod catalogue;
mod clean;
mod errors;
mod progress;
mod scan;
mod score;
mod simulate;
mod trace;
mod trial;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Memory in large pages: the kernel clears and maps fewer, which is a tenth of the time of large scans.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tastes training data before a model does: finds poison, bad labels, strays and copies in your own files.
#[derive(Parser)]
#[command(name = "foretaste", version, arg_required_else_help = true, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "Exit codes: 0 nothing at or above --fail-on; 1 findings; 2 could not do the job.
Example: foretaste scan train.csv --report out/";

#[derive(Subcommand)]
enum Verb {
    /// Look at a data set: what should not be trusted, and why.
    Scan(Box<scan::Args>),
    /// Split a data set into kept and quarantined rows by the findings of a scan.
    Clean(clean::Args),
    /// Poison a copy of a data set on purpose, and write down exactly what was done.
    Simulate(Box<simulate::Args>),
    /// Measure what poisoning does: attack x defence x model, on your own data and with your own training.
    Trial(Box<trial::Args>),
    /// Which training samples, sources and copies make a model say this about an input, and what it says without them.
    Trace(Box<trace::Args>),
    /// Compare findings, or any list of samples, with the truth of a simulation.
    Score(score::Args),
    /// What a detector, attack or finding is, how it works, and what it cannot see.
    Explain(catalogue::ExplainArgs),
    /// What there is: detectors, attacks, formats, roles, or the schema of the report.
    List(catalogue::ListArgs),
}

/// What is freed goes back to the system after so many milliseconds. Steps of a scan free and ask for hundreds of megabytes
/// within a second, and the system clears each page it gives.
const KEPT: std::ffi::c_long = 2000;

/// Asks for pages of 2 MiB, and keeps them for a while; where the system has none, it gives the usual ones.
fn memory() {
    use libmimalloc_sys::{mi_option_large_os_pages, mi_option_set, mi_option_set_enabled, mi_option_t};
    /// `mi_option_purge_delay` of mimalloc.h, which the bindings do not name.
    const PURGE_DELAY: mi_option_t = 15;
    // SAFETY: sets numbers that the allocator reads when it next asks for memory; no other thread runs yet.
    unsafe {
        mi_option_set_enabled(mi_option_large_os_pages, true);
        mi_option_set(PURGE_DELAY, KEPT);
    }
}

fn main() -> ExitCode {
    memory();
    let cli = Cli::parse();
    let done = match cli.verb {
        Verb::Scan(args) => scan::run(&args),
        Verb::Clean(args) => clean::run(&args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Trial(args) => trial::run(&args),
        Verb::Trace(args) => trace::run(&args),
        Verb::Score(args) => score::run(&args),
        Verb::Explain(args) => catalogue::explain(&args),
        Verb::List(args) => catalogue::list(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => errors::show(&error),
    }
}
