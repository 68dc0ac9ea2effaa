//! Confident learning: which given labels disagree with out-of-sample probabilities.
//!
//! Northcutt, Jiang and Chuang, *Confident Learning: Estimating Uncertainty in Dataset Labels*, JAIR 70 (2021).
//! Thresholds, confident joint, its calibration, the seven filters and the three quality scores follow that
//! paper and agree with the behaviour of cleanlab 2.9: the thresholds are summed in the same order and in the
//! same precision as the input, because a row on a threshold would otherwise change sides.
//!
//! Ties are broken by the lower row index, and ties of fractions in the rounding of the joint by column. (The
//! peer breaks them by an unstable sort whose order depends on the processor, so equal values may differ there.)
//!
//! One pass over the `n x classes` matrix finds every count; a second visits only the rows that prefer another
//! class. No copy of the matrix is made: the extra memory is about 14 bytes per row.

mod joint;
mod prune;
mod score;

use std::fmt;
use std::ops::{Add, Div, Mul, Sub};
use std::str::FromStr;

pub use joint::{ConfidentJoint, confident_joint, thresholds};
pub use score::quality_scores;

/// A probability type: `f32` or `f64`. All sums stay in this type.
pub trait Prob:
    Copy
    + PartialOrd
    + Send
    + Sync
    + fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    /// The nearest value of this type.
    fn of(x: f64) -> Self;
    /// The same value in double precision.
    fn wide(self) -> f64;
    /// The smallest value of this type that is not below `x`.
    fn at_least(x: f64) -> Self;
    /// Total order; only called on finite values.
    fn order(&self, other: &Self) -> std::cmp::Ordering;
}

impl Prob for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn at_least(x: f64) -> Self {
        let c = x as f32;
        if f64::from(c) < x { c.next_up() } else { c }
    }
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.total_cmp(other)
    }
}

impl Prob for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
    fn at_least(x: f64) -> Self {
        x
    }
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.total_cmp(other)
    }
}

/// Which rows are called label issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rule {
    /// For each pair (given k, true j) the calibrated number of rows with the largest `p_j - p_k`.
    #[default]
    PruneByNoiseRate,
    /// For each class the calibrated number of rows with the smallest own probability.
    PruneByClass,
    /// The rows that both of the above flag.
    Both,
    /// The rows counted off the diagonal of the confident joint.
    ConfidentLearning,
    /// The rows whose most probable class is not the given one.
    PredictedNeqGiven,
    /// As many rows as `ConfidentLearning` flags, with the smallest own probability.
    LowSelfConfidence,
    /// As many rows as `ConfidentLearning` flags, with the smallest normalised margin.
    LowNormalizedMargin,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 7] = [
        Self::PruneByNoiseRate,
        Self::PruneByClass,
        Self::Both,
        Self::ConfidentLearning,
        Self::PredictedNeqGiven,
        Self::LowSelfConfidence,
        Self::LowNormalizedMargin,
    ];

    /// The name in kebab case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PruneByNoiseRate => "prune-by-noise-rate",
            Self::PruneByClass => "prune-by-class",
            Self::Both => "both",
            Self::ConfidentLearning => "confident-learning",
            Self::PredictedNeqGiven => "predicted-neq-given",
            Self::LowSelfConfidence => "low-self-confidence",
            Self::LowNormalizedMargin => "low-normalized-margin",
        }
    }
}

/// How well a given label fits: low is suspicious (this is the literature's *quality*, not our suspicion).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Score {
    /// `p_y`.
    #[default]
    SelfConfidence,
    /// `(p_y - max_{k != y} p_k + 1) / 2`.
    NormalizedMargin,
    /// `ln(u + 1) / u` with `u = H(p) / ln C / p_y`.
    ConfidenceWeightedEntropy,
}

impl Score {
    /// All scores.
    pub const ALL: [Self; 3] =
        [Self::SelfConfidence, Self::NormalizedMargin, Self::ConfidenceWeightedEntropy];

    /// The name in kebab case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SelfConfidence => "self-confidence",
            Self::NormalizedMargin => "normalized-margin",
            Self::ConfidenceWeightedEntropy => "confidence-weighted-entropy",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = ConfidentError;
    fn from_str(s: &str) -> Result<Self, ConfidentError> {
        let kebab = s.replace('_', "-");
        let known = Self::ALL.into_iter().find(|r| r.name() == kebab);
        known.ok_or_else(|| ConfidentError::UnknownName { what: "rule", name: s.to_owned() })
    }
}

impl FromStr for Score {
    type Err = ConfidentError;
    fn from_str(s: &str) -> Result<Self, ConfidentError> {
        let kebab = s.replace('_', "-");
        let known = Self::ALL.into_iter().find(|r| r.name() == kebab);
        known.ok_or_else(|| ConfidentError::UnknownName { what: "score", name: s.to_owned() })
    }
}

/// What to flag and how to score.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Which rows are flagged.
    pub rule: Rule,
    /// Which quality score is returned.
    pub score: Score,
    /// Share of the estimated noise to flag, in `[0, 1]` (the three pruning rules only).
    pub frac_noise: f64,
    /// Classes keep at least this many rows (the three pruning rules only).
    pub min_examples_per_class: u64,
    /// Subtract class thresholds from the probabilities before scoring, for classes of unequal size. Changes
    /// the score only, never the flags.
    pub adjust_pred_probs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            score: Score::default(),
            frac_noise: 1.0,
            min_examples_per_class: 1,
            adjust_pred_probs: false,
        }
    }
}

/// The answer of [`find_label_issues`].
#[derive(Clone, Debug, PartialEq)]
pub struct Issues<T = f32> {
    /// One per row: is the given label an issue?
    pub flagged: Vec<bool>,
    /// One per row: quality of the given label, low is suspicious.
    pub score: Vec<T>,
    /// Thresholds, confident joint and what follows from them.
    pub joint: ConfidentJoint,
}

impl<T> Issues<T> {
    /// Number of flagged rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.flagged.iter().filter(|f| **f).count()
    }
}

/// Why confident learning could not run.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfidentError {
    /// `classes` is zero, or the matrix is not `labels.len() x classes`, or there are 2^32 rows or more.
    Shape {
        /// Number of labels.
        labels: usize,
        /// Number of probabilities.
        probs: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A label is not below the number of classes.
    Label {
        /// Row of the label.
        row: usize,
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A probability is not a number in `[0, 1]`.
    Probability {
        /// Row of the probability.
        row: usize,
        /// Class of the probability.
        class: usize,
        /// The value.
        value: f64,
    },
    /// `frac_noise` is not in `[0, 1]`.
    FracNoise(f64),
    /// No rule or score has this name.
    UnknownName {
        /// `rule` or `score`.
        what: &'static str,
        /// The name given.
        name: String,
    },
}

impl fmt::Display for ConfidentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { labels, probs, classes } => {
                write!(f, "{probs} probabilities do not make {labels} rows of {classes} classes")
            }
            Self::Label { row, label, classes } => {
                write!(f, "label `{label}` is not below the {classes} classes at row {row}")
            }
            Self::Probability { row, class, value } => {
                write!(f, "probability `{value}` is not in [0, 1] for class {class} at row {row}")
            }
            Self::FracNoise(x) => write!(f, "frac_noise `{x}` is not in [0, 1]"),
            Self::UnknownName { what, name } => write!(f, "no {what} is called `{name}`"),
        }
    }
}

impl std::error::Error for ConfidentError {}

/// Labels and probabilities of a checked shape.
#[derive(Clone, Copy)]
struct Table<'a, T> {
    labels: &'a [u32],
    probs: &'a [T],
    classes: usize,
}

impl<'a, T: Prob> Table<'a, T> {
    fn new(labels: &'a [u32], probs: &'a [T], classes: usize) -> Result<Self, ConfidentError> {
        let n = labels.len();
        if classes == 0 || n.checked_mul(classes) != Some(probs.len()) || u32::try_from(n).is_err() {
            return Err(ConfidentError::Shape { labels: n, probs: probs.len(), classes });
        }
        if let Some(row) = labels.iter().position(|&y| y as usize >= classes) {
            return Err(ConfidentError::Label { row, label: labels[row], classes });
        }
        Ok(Self { labels, probs, classes })
    }

    fn row(&self, i: usize) -> &'a [T] {
        &self.probs[i * self.classes..(i + 1) * self.classes]
    }

    fn own(&self, i: usize) -> T {
        self.probs[i * self.classes + self.labels[i] as usize]
    }
}

/// Flags label issues and scores every label.
///
/// `labels`: n given labels in `0..classes`; `probs`: n x classes, row-major, out-of-sample probabilities.
/// Empty input gives empty output.
///
/// # Errors
/// [`ConfidentError`] for a bad shape, a label out of range, a probability that is NaN or outside `[0, 1]`, or a
/// bad `frac_noise`.
pub fn find_label_issues<T: Prob>(
    labels: &[u32],
    probs: &[T],
    classes: usize,
    options: &Options,
) -> Result<Issues<T>, ConfidentError> {
    if !(0.0..=1.0).contains(&options.frac_noise) {
        return Err(ConfidentError::FracNoise(options.frac_noise));
    }
    let table = Table::new(labels, probs, classes)?;
    let by_class = joint::ByClass::new(table);
    let (joint, marks) = joint::survey(table, &by_class)?;
    let flagged = prune::flag(table, &by_class, &joint, &marks, options);
    let adjust = options.adjust_pred_probs.then_some(joint.thresholds.as_slice());
    let score = score::scores(table, options.score, adjust);
    Ok(Issues { flagged, score, joint })
}

#[cfg(test)]
mod tests;
