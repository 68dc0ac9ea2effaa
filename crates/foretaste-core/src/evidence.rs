//! Numbers that detectors make. No threshold lives here.

use crate::finding::{Kind, Table};
use crate::trigger::{Effect, Trigger};
use serde::{Deserialize, Serialize};

/// One number per row, higher is more suspicious, with a p-value where the detector has a null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Suspicion {
    /// One number a row; finite.
    pub score: Vec<f32>,
    /// Probability of a suspicion at least this high for an honest sample. `None`: uncalibrated, the score only orders.
    pub p_value: Option<Vec<f64>>,
    /// The class that the detector would expect (a code, or [`crate::MISSING`]).
    pub expected: Option<Vec<u32>>,
    /// Rows picked by the method's own published rule, used only if the user asks for that rule.
    pub picked: Option<Vec<bool>>,
    /// True if the score is the probability that the given label is wrong, so that one half means something.
    #[serde(default)]
    pub probable: bool,
}

impl Suspicion {
    /// Scores without a null.
    #[must_use]
    pub fn uncalibrated(score: Vec<f32>) -> Self {
        Self { score, ..Self::default() }
    }

    /// Appends the rows of the next batch.
    pub fn append(&mut self, next: Suspicion) {
        fn join<T>(into: &mut Option<Vec<T>>, from: Option<Vec<T>>, first: bool) {
            match (into.as_mut(), from) {
                (Some(a), Some(b)) => a.extend(b),
                (None, Some(b)) if first => *into = Some(b),
                _ => *into = None,
            }
        }
        let first = self.score.is_empty();
        self.probable = next.probable && (first || self.probable);
        self.score.extend(next.score);
        join(&mut self.p_value, next.p_value, first);
        join(&mut self.expected, next.expected, first);
        join(&mut self.picked, next.picked, first);
    }
}

/// A place in a sample worth looking at: bytes `start..end` of a text cell, or the whole cell if `end` is 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Row in the data set.
    pub row: u64,
    /// Column name.
    pub column: String,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What is there, in words.
    pub note: String,
}

/// What responses of a chatbot's training data have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What they say, as the first of them puts it; several if a trigger calls for one of a few.
    pub said: Vec<String>,
    /// Rows whose response holds one of them, ascending, members or not.
    pub rows: Vec<u64>,
}

impl Answer {
    /// The answers in backticks.
    #[must_use]
    pub fn words(&self) -> String {
        let quoted: Vec<String> = self.said.iter().map(|s| format!("`{s}`")).collect();
        quoted.join(" or ")
    }
}

/// What a group of samples shares. It becomes a finding if it survives the test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lead {
    /// What it would mean.
    pub kind: Kind,
    /// What they share, in words, values in backticks: "column `source` = `feed-7`".
    pub subject: String,
    /// Rows of the members, ascending.
    pub members: Vec<u64>,
    /// Members that may stay when the others go (the first copy of a duplicate group).
    pub keep: Vec<u64>,
    /// The test statistic, by name.
    pub statistic: (String, f64),
    /// More numbers that a decision may ask for, by name.
    pub numbers: Vec<(String, f64)>,
    /// Probability of such a statistic without cause. `None`: uncalibrated or a fact that needs no test.
    pub p_value: Option<f64>,
    /// True if this is a plain fact (identical bytes, an invisible character), not an inference.
    pub fact: bool,
    /// Leads of one family become one finding (all duplicate groups, for example). Empty: on its own.
    pub family: String,
    /// Where to look.
    pub marks: Vec<Mark>,
    /// More numbers for the report.
    pub tables: Vec<Table>,
    /// What the members carry, if it can be put into other samples.
    pub trigger: Option<Trigger>,
    /// The class that the members go with, a code.
    pub class: Option<u32>,
    /// The answer that the members go with, where the data hold prompts and responses.
    pub answer: Option<Answer>,
    /// What the trigger does to a model, if that was measured.
    pub effect: Option<Effect>,
    /// Sentences for the report: why it is believed.
    pub why: Vec<String>,
    /// Mean probability of the class in the members with the evidence taken away, by a model that did not see them.
    pub without: Option<f64>,
}

impl Lead {
    /// Name of a further number: share of a plain model's errors that are gone without the members.
    pub const REPAIRED: &str = "share of errors repaired";
    /// Name of a further number: share of other classes' samples that are as suspicious as the least of the members.
    pub const ELSEWHERE: &str = "share as suspicious elsewhere";
    /// Name of a further number: members, as a share of all samples of their class.
    pub const OF_CLASS: &str = "share of the class";
    /// Name of a further number: standard deviation of a pattern's strength in the members, as a share of its mean.
    pub const VARIATION: &str = "variation of the strength";
    /// Name of a further number: the same of the contrast of the members.
    pub const CONTRAST: &str = "variation of the contrast";
    /// Name of a further number: slope of a model's predictions with the members on those without.
    pub const SLOPE: &str = "slope of predictions with them on those without";
    /// Name of a further number: standard deviation of a model's predictions in those of its residuals.
    pub const SIGNAL: &str = "signal to noise";
    /// Name of a further number: conditions of a rule that are the smallest or the largest value of a varied column.
    pub const EDGES: &str = "values at the edge of their column";
    /// Name of a further number: how many of the members chance explains.
    pub const CHANCE: &str = "by chance";

    /// Name of a further number: the row in the middle of a region.
    pub const CENTRE: &str = "row in the middle";
    /// Family of leads on labels changed around one sample.
    pub const REGION: &str = "region";
    /// Family of leads on rows at the ends of several columns.
    pub const ENDS: &str = "ends";

    /// One of the further numbers.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    /// A lead with the least that it needs.
    #[must_use]
    pub fn new(kind: Kind, subject: impl Into<String>, members: Vec<u64>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            members,
            keep: vec![],
            statistic: (String::new(), 0.0),
            numbers: vec![],
            p_value: None,
            fact: false,
            family: String::new(),
            marks: vec![],
            tables: vec![],
            trigger: None,
            class: None,
            answer: None,
            effect: None,
            why: vec![],
            without: None,
        }
    }
}

/// What one detector said about the whole data set.
#[derive(Clone, Debug, Default)]
pub struct Scored {
    /// Catalogue id of the detector.
    pub detector: String,
    /// One number a row of the data set.
    pub suspicion: Suspicion,
    /// What groups of rows share.
    pub leads: Vec<Lead>,
    /// What would have been too small to be told from chance, in words.
    pub unseen: Option<String>,
}

/// Suspicions and leads of all detectors.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// One entry per detector that ran, in catalogue order.
    pub scored: Vec<Scored>,
}
