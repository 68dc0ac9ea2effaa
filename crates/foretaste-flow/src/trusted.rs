//! Compares the data with others that the user vouches for. Numbers only; `decide::drift` says what is worth telling.
//!
//! Five questions, each with a null that is exact (or errs on the safe side) if new and trusted data are one collection cut
//! at random: shares of classes, values of columns, words of texts, whether a model can tell new from trusted,
//! and labels against a model that learned from trusted data only. p-values are multiplied by the number of tests of
//! their question and by the number of questions, so that the level holds over all of them, whatever depends on what.

mod labels;
mod read;
mod values;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use foretaste_formats::{NoteKind, OpenOptions};
use foretaste_num::softmax::FoldOptions;
use foretaste_num::two_sample::{Part, recognise};
use foretaste_victims::surrogate;
use read::Both;

pub use labels::Contradicted;

/// Fewest rows on each side for a comparison.
pub const ROWS: usize = 20;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// How often each class is.
    Shares,
    /// Values of columns.
    Columns,
    /// How many texts hold each word.
    Words,
    /// Whether a model can tell the new from the trusted.
    Kinds,
    /// Labels against a model of the trusted data.
    Labels,
}

/// How large a difference is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// So many have it, of the new and of the trusted.
    Share(Part, Part),
    /// Largest distance of the two distribution functions, and both medians, new first.
    Distance(f64, f64, f64),
    /// So many of the new lie outside all trusted values.
    Outside(Part),
    /// At least this share of the new is of a kind that the trusted have less of.
    Recognised(f64),
}

/// One tested difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What was asked.
    pub question: Question,
    /// Column, class or word.
    pub subject: String,
    /// What of it: a value in words, empty for the whole.
    pub what: String,
    /// How large.
    pub effect: Effect,
    /// p-value, corrected for all tests of all questions.
    pub p: f64,
    /// Rows of the data that it is about, the most telling first; empty if it is about the whole.
    pub rows: Vec<u64>,
}

/// Everything that was found on comparing.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    /// Paths of the trusted files.
    pub files: Vec<String>,
    /// Trusted rows.
    pub rows: u64,
    /// Columns that cannot be compared, one sentence each.
    pub columns: Vec<String>,
    /// Classes that the trusted data do not have, with their rows.
    pub unknown: Vec<(String, Vec<u64>)>,
    /// Rows whose content stands in the trusted data.
    pub copies: u64,
    /// Of these, rows that have another label there.
    pub relabelled: Vec<u64>,
    /// Whether content is more than the columns of a table, so that equal content has one right label.
    pub whole_content: bool,
    /// Tested differences.
    pub differences: Vec<Difference>,
    /// Tests made.
    pub tests: usize,
    /// What a model of the trusted data says of each row, if there are labels on both sides.
    pub contradicted: Option<Contradicted>,
}

/// Compares a data set with the files `trusted`.
///
/// # Errors
/// If the trusted files cannot be read, or share no column with the data that a model reads.
pub fn compare(
    dataset: &mut Dataset,
    trusted: &[String],
    options: &OpenOptions,
    cache: u64,
    folds: &FoldOptions,
    notes: &mut Vec<String>,
) -> Result<Drift> {
    let mut old = Dataset::open(trusted, options, &Default::default(), cache, &|_| {})?;
    for note in old.source().notes().iter().filter(|n| matches!(n.kind, NoteKind::Unread | NoteKind::Skipped))
    {
        let file = note.file.as_ref().map(|f| f.display().to_string()).unwrap_or_default();
        notes.push(format!("trusted data not read: {file}: {}", note.text));
    }
    let both = Both::read(dataset, &mut old, notes)?;
    let mut drift = Drift {
        files: old.source().files().iter().map(|f| f.path.display().to_string()).collect(),
        rows: old.rows,
        columns: both.differ.clone(),
        unknown: both.unknown(),
        whole_content: both.whole_content,
        ..Drift::default()
    };
    (drift.copies, drift.relabelled) = both.copies();
    if both.new < ROWS || both.old() < ROWS {
        let few = both.new.min(both.old());
        notes.push(format!(
            "not compared with the trusted data: {few} rows are too few to compare ({ROWS} are needed)"
        ));
        return Ok(drift);
    }
    let mut all =
        vec![values::shares(&both), values::columns(&both), values::words(&both), kinds(&both, folds)];
    if let Some((tested, contradicted)) = labels::contradicted(&both, folds) {
        all.push(tested);
        drift.contradicted = Some(contradicted);
    }
    let asked = all.iter().filter(|q| !q.is_empty()).count();
    drift.tests = all.iter().map(Vec::len).sum();
    for question in all {
        let times = (question.len() * asked) as f64;
        drift.differences.extend(question.into_iter().map(|d| Difference { p: (d.p * times).min(1.0), ..d }));
    }
    Ok(drift)
}

/// Whether models, one a kind of content, tell new from trusted rows that they have not seen.
fn kinds(both: &Both, folds: &FoldOptions) -> Vec<Difference> {
    let is_new: Vec<bool> = (0..both.rows()).map(|i| i < both.new).collect();
    let side: Vec<u32> = is_new.iter().map(|new| u32::from(*new)).collect();
    // two folds: with more, each test would rest on fewer rows, and no strength is chosen by what is tested
    let options = FoldOptions { folds: 2, prior_variances: vec![16.0], ..folds.clone() };
    let mut out = vec![];
    for (what, features) in &both.features {
        let judged = surrogate(features, &side, 2, None, &options);
        let score: Vec<f32> = judged.probs.chunks_exact(2).map(|p| p[1]).collect();
        let Some(seen) = recognise(&score, &is_new, &judged.fold) else { continue };
        out.push(Difference {
            question: Question::Kinds,
            subject: (*what).to_owned(),
            what: String::new(),
            effect: Effect::Recognised(seen.share),
            p: seen.p,
            rows: seen.rows.into_iter().map(u64::from).collect(),
        });
    }
    out
}

/// The paths of trusted files, checked against the inputs.
///
/// # Errors
/// If standard input is asked to be both.
pub fn check(inputs: &[String], trusted: &[String]) -> Result<()> {
    let piped = |paths: &[String]| paths.iter().any(|p| p == "-");
    if piped(inputs) && piped(trusted) {
        return Err(Error::data(
            "standard input cannot be both the data and what they are compared with",
            "give one of them as a file",
        ));
    }
    Ok(())
}
