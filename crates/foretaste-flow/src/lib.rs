//! The verbs of foretaste as functions, and the drivers that run algorithms over data.

pub mod clean;
pub mod columns;
mod confirm;
pub mod dataset;
pub mod decide;
mod drive;
mod error;
mod examples;
pub mod ids;
pub mod leaks;
mod memory;
mod outputs;
pub mod recipe;
pub mod roles;
pub mod scan;
pub mod score;
pub mod simulate;
pub mod trace;
pub mod trial;
pub mod trusted;
mod views;

pub use dataset::Dataset;
pub use drive::{Chosen, Limits, Outcome, run as run_detectors};
pub use error::{Error, Result};
pub use recipe::Recipe;
pub use scan::{Phase, Scanned, scan};
