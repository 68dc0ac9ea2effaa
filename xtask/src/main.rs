//! Development tasks of foretaste. `cargo xtask` lists them.
//!
//! This crate depends on no crate of the workspace: its tasks must run when those do not compile.

mod bench;
mod ci;
mod data;
mod docs;
mod shell;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

/// A task: its name, what it does, and the function that does it with the words after its name.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<()>);

const TASKS: &[Task] = &[
    ("test", "format, tidy, lints, doc tests, tests; `--quick` leaves out lints and doc tests", test::main),
    ("ci", "test, then documentation without warnings, and licences if cargo-deny is there", ci::main),
    ("tidy", "checks the rules of the house that the compiler cannot", tidy::main),
    ("docs", "writes docs/reference/ from the catalogue", docs::main),
    (
        "bench",
        "`peers`, `labels` or `published`: measures against other projects (own folder, own packages)",
        bench::main,
    ),
    ("data", "lists the data sets found; `data examples` makes examples/ again", data::main),
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else {
        for (name, what, _) in TASKS {
            println!("cargo xtask {name:<6} {what}");
        }
        return Ok(());
    };
    match TASKS.iter().find(|(task, _, _)| task == name) {
        Some((_, _, task)) => task(rest),
        None => {
            let known: Vec<&str> = TASKS.iter().map(|(task, _, _)| *task).collect();
            bail!("unknown task `{name}`\nhint: known tasks are {}", known.join(", "))
        }
    }
}
