//! The list of laws.

mod entry;
mod invariance;
mod null;
mod values;

pub use entry::{documented_with, parameters};

use crate::drive::{Outcome, Plan, WHOLE, run};
use crate::fixture::Fixture;
use foretaste_core::{AnyDetect, Entry, Error};
use serde_json::Map;

/// What a law says of an entry: nothing, or what it does wrong.
pub type Verdict = Result<(), String>;

/// A law: its name, its sentence, and the check.
pub struct Law {
    /// Short name.
    pub name: &'static str,
    /// What must hold.
    pub says: &'static str,
    /// The check.
    pub check: fn(&Entry) -> Verdict,
}

/// Every law.
pub const LAWS: &[Law] = &[
    Law {
        name: "sharding",
        says: "the result does not depend on how rows are cut into batches and states, nor on the order of merging",
        check: invariance::sharding,
    },
    Law {
        name: "row-order",
        says: "a sample's suspicion does not depend on its place in the file",
        check: invariance::row_order,
    },
    Law {
        name: "threads",
        says: "one thread and four give the same bytes, again and again",
        check: invariance::threads,
    },
    Law { name: "identity", says: "merging with a fresh state changes nothing", check: invariance::identity },
    Law {
        name: "bytes",
        says: "state and model survive bytes, and foreign bytes are refused",
        check: invariance::bytes,
    },
    Law {
        name: "finite",
        says: "scores are finite, p-values within 0 to 1, one a row, on degenerate data too; or the error says why not",
        check: values::finite,
    },
    Law {
        name: "informative",
        says: "the suspicion is not constant on data with faults",
        check: values::informative,
    },
    Law {
        name: "sign",
        says: "higher is more suspicious: some kind of planted fault stands above the rest",
        check: values::sign,
    },
    Law {
        name: "false-alarms",
        says: "on clean data, p-values of samples and leads are small no more often than they say; facts are true",
        check: null::false_alarms,
    },
    Law {
        name: "documented",
        says: "the comment has its headings, each with a text",
        check: entry::documented,
    },
    Law {
        name: "parameters",
        says: "defaults are within bounds and in the schema; wrong values are refused",
        check: entry::parameters,
    },
];

/// Asks every law; the answers name the laws that are broken.
#[must_use]
pub fn broken(entry: &Entry) -> Vec<(&'static str, String)> {
    LAWS.iter().filter_map(|law| Some((law.name, (law.check)(entry).err()?))).collect()
}

/// The detector with its defaults.
fn detector(entry: &Entry) -> Result<Box<dyn AnyDetect>, String> {
    entry.detector(&Map::new()).map_err(|e| format!("cannot be made with its defaults: {e}"))
}

/// Runs on a fixture that every detector must manage.
fn must_run(detector: &dyn AnyDetect, fixture: &Fixture, plan: &Plan) -> Result<Outcome, String> {
    run(detector, fixture, plan).map_err(|e| format!("fails on sound data: {e}"))
}

/// The result that others are compared with.
fn reference(detector: &dyn AnyDetect, fixture: &Fixture) -> Result<Outcome, String> {
    must_run(detector, fixture, &WHOLE)
}

/// True for the error that a detector may give when the data lack something.
fn is_clean_refusal(error: &Error) -> bool {
    matches!(error, Error::Unfit { .. })
}
