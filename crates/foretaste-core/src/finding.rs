//! Claims and actions: what survived the test, and what to do about it.

use crate::sample::SampleId;
use crate::trigger::{Effect, Trigger};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a finding says the samples are. Not everything that misleads is an attack, so each kind says what it is *not*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something in the samples that calls for a class whatever else they hold.
    Backdoor,
    /// Wrong labels with a system: moved along one pair of classes, or from one origin.
    LabelPoisoning,
    /// Samples whose label is right and whose content was moved, to draw chosen inputs or a hidden trigger into their class.
    CleanLabel,
    /// Samples that make a model worse for everybody.
    Availability,
    /// Labels, errors or copies concentrated in one source, annotator or time window.
    SourceSkew,
    /// Something differs from data that the user vouches for.
    Drift,
    /// Characters that people do not see or take for others, invisible markup, strings longer than any honest one.
    HiddenContent,
    /// Labels that the rest of the data contradict.
    LabelError,
    /// Copies of one sample that carry different labels.
    ConflictingDuplicate,
    /// Copies, exact or nearly so.
    NearDuplicate,
    /// Samples far from all others.
    Outlier,
    /// Natural content that decides the class almost alone.
    Shortcut,
}

/// Codes of public taxonomies that a finding or an attack carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taxonomy {
    /// MITRE ATLAS technique.
    pub atlas: String,
    /// OWASP item.
    pub owasp: String,
    /// NIST AI 100-2 id.
    pub nist: String,
}

impl Kind {
    /// Every kind, the gravest first.
    pub const ALL: [Kind; 12] = [
        Kind::Backdoor,
        Kind::LabelPoisoning,
        Kind::CleanLabel,
        Kind::Availability,
        Kind::SourceSkew,
        Kind::Drift,
        Kind::HiddenContent,
        Kind::LabelError,
        Kind::ConflictingDuplicate,
        Kind::NearDuplicate,
        Kind::Outlier,
        Kind::Shortcut,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Backdoor => "backdoor",
            Kind::LabelPoisoning => "label-poisoning",
            Kind::CleanLabel => "clean-label",
            Kind::Availability => "availability",
            Kind::SourceSkew => "source-skew",
            Kind::Drift => "drift",
            Kind::HiddenContent => "hidden-content",
            Kind::LabelError => "label-error",
            Kind::ConflictingDuplicate => "conflicting-duplicate",
            Kind::NearDuplicate => "near-duplicate",
            Kind::Outlier => "outlier",
            Kind::Shortcut => "shortcut",
        }
    }

    /// True if such a finding says that somebody meant harm; the others may have honest causes.
    #[must_use]
    pub fn is_poison(self) -> bool {
        matches!(self, Kind::Backdoor | Kind::LabelPoisoning | Kind::CleanLabel | Kind::Availability)
    }

    /// One sentence for the reader of a report.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Kind::Backdoor => {
                "Samples that carry a planted trigger: a model trained on them gives its class to whatever carries it."
            }
            Kind::LabelPoisoning => {
                "Wrong labels with a system, which carelessness does not have: moved along one pair of classes, or from one origin."
            }
            Kind::CleanLabel => {
                "Samples of one class whose content was moved a little while the label stayed right: poison that draws chosen inputs, or whatever carries a hidden trigger, into that class, or another camera."
            }
            Kind::Availability => {
                "A model trained with these samples is right less often than one trained without: poison against accuracy, or honest samples that mislead."
            }
            Kind::SourceSkew => {
                "One origin differs from the rest beyond chance: a careless, compromised or simply different supplier."
            }
            Kind::Drift => {
                "The data differ from those given as trusted: another population, another way of collecting, or samples that somebody put in or relabelled."
            }
            Kind::HiddenContent => {
                "Text that a person does not see but a model reads: a hiding place for triggers, or careless copying."
            }
            Kind::LabelError => {
                "The rest of the data contradict these labels, here and there: labelling noise, or flips at random."
            }
            Kind::ConflictingDuplicate => {
                "The same content stands under different labels: at least one of them is wrong."
            }
            Kind::NearDuplicate => {
                "The same content stands several times: it weighs more than it should and leaks between train and test."
            }
            Kind::Outlier => {
                "Samples far from all others: errors of measurement, strays of another data set, or rare but honest."
            }
            Kind::Shortcut => {
                "One natural feature decides the class almost alone: no poison, but a model may learn nothing else."
            }
        }
    }

    /// Where public taxonomies file the attack that would look like this.
    #[must_use]
    pub fn taxonomy(self) -> Taxonomy {
        let (atlas, nist) = match self {
            Kind::Backdoor => ("AML.T0020", "NISTAML.023"),
            Kind::CleanLabel => ("AML.T0020", "NISTAML.012"),
            Kind::Availability => ("AML.T0020", "NISTAML.013"),
            Kind::SourceSkew => ("AML.T0010", "NISTAML.013"),
            Kind::HiddenContent => ("AML.T0043.004", "NISTAML.023"),
            Kind::LabelPoisoning
            | Kind::Drift
            | Kind::LabelError
            | Kind::ConflictingDuplicate
            | Kind::NearDuplicate => ("AML.T0020", "NISTAML.013"),
            Kind::Outlier | Kind::Shortcut => ("AML.T0059", "NISTAML.013"),
        };
        Taxonomy { atlas: atlas.into(), owasp: "LLM04:2025".into(), nist: nist.into() }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; harms little.
    Note,
    /// Worth a look.
    Low,
    /// Likely to harm a model, or likely to be deliberate.
    Medium,
    /// Both.
    High,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Severity {
    type Err = crate::Error;
    fn from_str(s: &str) -> crate::Result<Self> {
        [Severity::Note, Severity::Low, Severity::Medium, Severity::High]
            .into_iter()
            .find(|x| x.word() == s)
            .ok_or_else(|| crate::Error::unknown("severity", s, ["note", "low", "medium", "high"]))
    }
}

/// What `clean` does with the members unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Set aside.
    Quarantine,
    /// Look at them; `clean` keeps them unless asked.
    Review,
}

/// How a finding was decided: the rule and its stated false-alarm level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// `confirmed` (Benjamini-Hochberg, then tried on a model), `harm` (a model with and without them), `apart` (two kinds of samples far apart in one class), `constant` (what tells classes apart does not vary), `benjamini-hochberg`, `plan` (the same for each label, and two Monte Carlo tests of their directions), `bonferroni`, `probable` (more than one half by a calibrated model), `fact`, `uncalibrated`, or the rule that the user asked for.
    pub rule: String,
    /// False-discovery level that the rule keeps, where it has one.
    pub fdr: Option<f64>,
    /// p-value of the finding as a whole, where it has one.
    pub p_value: Option<f64>,
    /// At least so many members are wrong, at the stated level (post-hoc bound).
    pub at_least: Option<u64>,
}

/// A sample in a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Stable id.
    pub id: SampleId,
    /// Row in the data set, from 0, over all files in order.
    pub row: u64,
    /// Index into the inputs of the coverage.
    pub file: u32,
    /// Row within that file, from 1 (a header does not count).
    pub file_row: u64,
    /// Physical line within that file, from 1, for formats of lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Suspicion of the finding's detector.
    pub suspicion: f32,
    /// p-value of the sample, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Label as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Label that the rest of the data would give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Whether `clean` sets it aside.
    pub quarantine: bool,
}

/// One cell of an example, with the bytes worth looking at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Column name.
    pub column: String,
    /// The role of the column.
    pub role: crate::Role,
    /// The value as text, cut to a readable length at a character boundary.
    pub text: String,
    /// Byte ranges of `text` to mark, with the reason.
    pub marks: Vec<(usize, usize, String)>,
    /// True if the whole cell is what is odd.
    pub odd: bool,
}

/// A member shown in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// Position in the finding's members.
    pub member: usize,
    /// Its columns, the odd ones first.
    pub cells: Vec<Cell>,
    /// `data:image/png;base64,...` of a thumbnail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// Why this one, in words.
    pub why: String,
}

/// A small table for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Column heads.
    pub header: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

/// A claim: a lead that survived the test, with members, measure, and advice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `F1`, `F2`, ... in the order of the report: the most important first.
    pub id: String,
    /// What it says the samples are.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// The evidence, one sentence each.
    pub why: Vec<String>,
    /// What to do.
    pub advice: String,
    /// Detectors behind it.
    pub detectors: Vec<String>,
    /// How it was decided.
    pub decision: Decision,
    /// What `clean` does.
    pub action: Action,
    /// Codes of public taxonomies.
    pub taxonomy: Taxonomy,
    /// What the members carry, for backdoors and shortcuts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The class that it calls for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_class: Option<String>,
    /// True if the labels of the members fit the rest of their content: nobody who looks at them sees an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_label: Option<bool>,
    /// What it does to a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Every member, the most suspicious first.
    pub members: Vec<Member>,
    /// For duplicates: groups of positions in `members`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Vec<u32>>,
    /// A few members in full.
    pub examples: Vec<Example>,
    /// More numbers.
    pub tables: Vec<Table>,
}

impl Finding {
    /// True if its members are to be looked at one by one. A skew is a statement about a whole origin: its members are
    /// listed, but none of them is suspected for itself.
    #[must_use]
    pub fn asks_for_review(&self) -> bool {
        self.kind != Kind::SourceSkew
    }
}

/// An action: which rows go and which stay. Kept + quarantined = the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Row numbers to set aside, ascending.
    pub quarantined: Vec<u64>,
    /// Number of rows that stay.
    pub kept: u64,
}

/// A p-value in words; below the smallest double it is only bounded.
#[must_use]
pub fn p_words(p: f64) -> String {
    if p < 1e-300 { "p < 1e-300".into() } else { format!("p = {p:.1e}") }
}
