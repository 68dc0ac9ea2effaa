//! Ground truth: what was done to a data set, and how well somebody found it.
//!
//! Detectors cannot name this crate (`cargo xtask tidy` holds the edge), so no detector sees the answers.

mod manifest;
mod score;

pub use manifest::{AttackRun, Change, DataState, MANIFEST_SCHEMA, NOTICE, PoisonManifest, Way};
pub use score::{KindScore, Score, average_precision, score};
