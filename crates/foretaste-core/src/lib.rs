//! Vocabulary of foretaste. No I/O, no threads, no clock.
//!
//! The chain to remember: [`Evidence`] (numbers) becomes a [`Finding`] (a claim) becomes a [`Split`] (an action).
//! A detector ([`Detect`]) is a fold that makes evidence; deciding happens elsewhere, in one place.
//! An attack ([`Attack`]) makes edits; applying them and keeping the record happen elsewhere, too.

mod attack;
mod batch;
pub mod catalogue;
mod ctx;
mod detect;
mod effort;
mod error;
mod evidence;
mod finding;
mod needs;
mod plain;
mod report;
mod role;
mod sample;
mod strings;
mod trial;
mod trigger;
mod victim;

pub use attack::{
    AnyAttack, Attack, Budget, Edited, Entering, Goal, Image, Knowledge, Picked, Pool, Probe, Threat, Use,
    boxed_attack,
};
pub use batch::{Batch, MISSING, Matrix, Pixels};
pub use catalogue::{Entry, Make, Param, ParamValue, Parameters};
pub use ctx::{Ctx, Profile};
pub use detect::{AnyDetect, Detect, Step, boxed};
pub use effort::{AtEffort, Effort};
pub use error::{Error, Result};
pub use evidence::{Answer, Evidence, Lead, Mark, Scored, Suspicion};
pub use finding::{
    Action, Cell, Decision, Example, Finding, Kind, Member, Severity, Split, Table, Taxonomy, p_words,
};
pub use needs::{Growth, Needs};
pub use plain::Sealed;
pub use report::{
    ClassCount, ColumnInfo, Confusion, Coverage, DetectorRun, DetectorStatus, Histogram, InputFile,
    REPORT_SCHEMA, Report, Run, SampleRow, SkippedInput, SurrogateRun,
};
pub use role::Role;
pub use sample::{RowHasher, SampleId};
pub use strings::{Strings, numbers};
pub use trial::{
    BestDetector, CLEAN, Detection, Failed, Interval, Row, Summary, TRIAL_SCHEMA, Trial, summarise,
};
pub use trigger::{Condition, Effect, Trigger};
pub use victim::{AnyVictim, Victim, boxed_victim};
