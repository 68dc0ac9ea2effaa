//! The program as a user meets it: arguments in; words, files and an exit code out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may fail loudly

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/catalogue.rs"]
mod catalogue;
#[path = "cli/clean.rs"]
mod clean;
#[path = "cli/common.rs"]
mod common;
#[path = "cli/coverage.rs"]
mod coverage;
#[path = "cli/effort.rs"]
mod effort;
#[path = "cli/finds.rs"]
mod finds;
#[path = "cli/inputs.rs"]
mod inputs;
#[path = "cli/own_model.rs"]
mod own_model;
#[path = "cli/real_data.rs"]
mod real_data;
#[path = "cli/rehearse.rs"]
mod rehearse;
#[path = "cli/reports.rs"]
mod reports;
#[path = "cli/trace.rs"]
mod trace;
#[path = "cli/trusted.rs"]
mod trusted;
