//! The verb `trace`: which training samples make a model say this about an input.
//!
//! A softmax regression is trained on the data, as the victim of that name is. Its weights are a sum over the training
//! samples, so its answer about an input falls apart into what each sample pulls (`influence`). Neighbours give a second
//! opinion. Sums over labels, sources and families of copies say who pulls; training again without the strongest says
//! whether it is true (`without`).

mod groups;
mod influence;
mod question;
mod shared;
mod without;

use crate::dataset::{Dataset, Tick};
use crate::error::{Error, Result};
use crate::roles::GivenRoles;
use crate::simulate::pick;
use crate::{ids, leaks, memory, views};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use foretaste_core::{Batch, MISSING, Picked, Role, SampleId, Strings};
use foretaste_formats::OpenOptions;
use foretaste_victims::encode::{Encoder, Numbers};
use influence::{Influence, Learner};
use serde::Serialize;

/// Version of the format of [`Trace`].
pub const TRACE_SCHEMA: &str = "foretaste-trace/1";

/// What to trace.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// Training data: files, folders or patterns.
    pub inputs: Vec<String>,
    /// How to read them.
    pub open: OpenOptions,
    /// Roles given by the user.
    pub roles: GivenRoles,
    /// Files with the inputs to explain.
    pub questions: Vec<String>,
    /// Rows of the training data, from 1, to explain: each is left out of the training.
    pub rows: Vec<u64>,
    /// The answer to explain; `None`: the label of the input, else what the model says.
    pub predicted: Option<String>,
    /// Samples to name.
    pub top: usize,
    /// Neighbours that vote in the second opinion.
    pub k: usize,
    /// Seed of the random samples that are left out for comparison.
    pub seed: u64,
}

/// Why a model says this.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trace {
    /// [`TRACE_SCHEMA`].
    pub schema: String,
    /// Version of foretaste.
    pub version: String,
    /// Files of the training data.
    pub files: Vec<String>,
    /// Training samples.
    pub rows: u64,
    /// Class names.
    pub classes: Vec<String>,
    /// The model.
    pub model: String,
    /// Share of the training labels that it agrees with.
    pub agreement: f64,
    /// The inputs.
    pub asked: Vec<Asked>,
    /// The training samples that pull most towards the answer, strongest first.
    pub samples: Vec<Sample>,
    /// Who pulls: labels, sources, annotators, families of copies.
    pub groups: Vec<Group>,
    /// What the strongest samples share with the input, the most telling first.
    pub shared: Vec<Shared>,
    /// What the model says when it is trained without some samples.
    pub without: Vec<Without>,
    /// The fewest of the strongest samples, as far as was looked for, without which the answer changes.
    pub enough: Option<u64>,
    /// Most samples that were left out to look for it.
    pub looked_up_to: u64,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// An input and what the model says of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// Where it is.
    pub place: String,
    /// Its beginning.
    pub excerpt: String,
    /// The answer that is explained.
    pub explained: String,
    /// Probability of that answer.
    pub probability: f64,
    /// What the model says.
    pub says: String,
}

/// A training sample and its part in the answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// Stable id.
    pub id: SampleId,
    /// Row in the data set, from 0.
    pub row: u64,
    /// Where it is.
    pub place: String,
    /// Its label.
    pub label: Option<String>,
    /// Where it comes from, if known: column and value.
    pub origin: Vec<(String, String)>,
    /// Its beginning.
    pub excerpt: String,
    /// What it adds to the lead of the answer over the others, in units of the logit; mean over the inputs.
    pub pull: f64,
    /// Its part of all that pulls towards the answer.
    pub pull_share: f64,
    /// Shapley value for the vote of the nearest neighbours; mean over the inputs.
    pub shapley: f64,
}

/// Samples that have something in common, and their part in the answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// `label`, `source`, `annotator` or `family` (samples nearly alike).
    pub kind: String,
    /// The column, if it is one.
    pub column: Option<String>,
    /// Its value there; of a family the place of its strongest sample.
    pub name: String,
    /// Samples.
    pub rows: u64,
    /// Their part of the data.
    pub row_share: f64,
    /// Their part of all that pulls towards the answer.
    pub pull_share: f64,
    #[serde(skip)]
    members: Vec<u64>,
}

/// Something that the input and many of the strongest samples have in common.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shared {
    /// A phrase, or a column and its value.
    pub what: String,
    /// Of the strongest samples, those that have it.
    pub strongest_with: u64,
    /// The strongest samples.
    pub strongest: u64,
    /// Of all other samples, those that have it.
    pub others_with: u64,
    #[serde(skip)]
    members: Vec<u64>,
}

impl Shared {
    /// The phrase, if it is one.
    #[must_use]
    pub fn phrase(&self) -> Option<&str> {
        self.what.strip_prefix(shared::PHRASE)?.strip_suffix('`')
    }
}

/// What the model says without some samples.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Without {
    /// What was left out.
    pub what: String,
    /// How many samples.
    pub removed: u64,
    /// Mean probability of the answers that are explained.
    pub probability: f64,
    /// What it says of each input.
    pub says: Vec<String>,
}

/// Traces answers back to training samples.
///
/// # Errors
/// If files cannot be read, the data have no label or nothing to learn from, or the inputs lack what the model reads.
pub fn trace(options: &TraceOptions, tick: Tick<'_>) -> Result<Trace> {
    if options.questions.is_empty() && options.rows.is_empty() {
        return Err(Error::data(
            "no input to explain is given",
            "name a file with --input, or a row of the training data with --row",
        ));
    }
    let budget = memory::available() / 2;
    let mut dataset = Dataset::open(&options.inputs, &options.open, &options.roles, budget / 4, tick)?;
    let mut notes = match dataset.classes.len() {
        0 => return Err(Error::data("no column is the label", "name it with --label")),
        1 => {
            return Err(Error::data(
                "the label has one class only",
                "a model of one class says nothing else",
            ));
        }
        _ => {
            let found = leaks::find(&dataset)?;
            leaks::set_aside(&mut dataset, &found)
        }
    };
    if dataset.has(Role::Embedding) {
        dataset.vectors = views::embedding_vectors(&dataset)?;
    }
    let all: Vec<u64> = (0..dataset.rows).collect();
    let train = pick(&dataset, &all)?;
    let questions = question::read(&dataset, options)?;
    let encoder = Encoder::fit(&train, Numbers::Bins, "trace")?;
    let (rows, asked) = (encoder.encode(&train)?, encoder.encode(&questions.samples)?);
    let learner = Learner::new(&rows, &train, dataset.classes.len(), &questions.own_rows);
    let model = learner.train(None);
    let explained = explained(options, &dataset, &questions.samples, &model.answers(asked.rows()))?;
    let influence = Influence::new(&learner, &model, asked.rows(), &explained, options.k);
    let groups = groups::find(&dataset, &train, &learner, &influence)?;
    let shared = shared::find(&dataset, &train, &questions.samples, &influence);
    let suspects = without::suspects(&dataset, &influence, &groups, &shared, options.top);
    let checks = without::check(&learner, asked.rows(), &explained, &influence, suspects, options, &dataset);
    notes.extend(surprise(options, &dataset, &model.answers(asked.rows()), &explained));
    let probs = model.probabilities(asked.rows());
    let class = |code: u32| dataset.classes.get(code as usize).cloned().unwrap_or_default();
    let answers = model.answers(asked.rows());
    let asked = (0..questions.samples.len()).map(|i| Asked {
        place: questions.places[i].clone(),
        excerpt: excerpt(&questions.samples.batch, i),
        explained: class(explained[i]),
        probability: f64::from(probs[i * dataset.classes.len() + explained[i] as usize]),
        says: class(answers[i]),
    });
    Ok(Trace {
        schema: TRACE_SCHEMA.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        files: dataset.source().files().iter().map(|f| f.path.display().to_string()).collect(),
        rows: dataset.rows,
        classes: dataset.classes.clone(),
        model: "softmax-regression".into(),
        agreement: learner.agreement(&model),
        asked: asked.collect(),
        samples: samples(&dataset, &train, &influence, options.top)?,
        groups,
        shared,
        without: checks.without,
        enough: checks.enough,
        looked_up_to: checks.looked_up_to,
        notes,
    })
}

/// The class to explain for each input: the one given, else its label, else the model's answer.
fn explained(options: &TraceOptions, dataset: &Dataset, asked: &Picked, answers: &[u32]) -> Result<Vec<u32>> {
    if let Some(name) = &options.predicted {
        let known = dataset.classes.iter().position(|c| c == name);
        let code = known.ok_or_else(|| {
            foretaste_core::Error::unknown("class", name, dataset.classes.iter().map(String::as_str))
        })?;
        return Ok(vec![code as u32; asked.len()]);
    }
    let labels = asked.batch.column(Role::Label).map(|(_, column)| Strings::new(column));
    (0..asked.len())
        .map(|i| match (asked.label(i), labels.as_ref().and_then(|l| l.get(i))) {
            (MISSING, Some(name)) if !name.is_empty() => {
                Err(foretaste_core::Error::unknown("class", name, dataset.classes.iter().map(String::as_str))
                    .into())
            }
            (MISSING, _) => Ok(answers[i]),
            (label, _) => Ok(label),
        })
        .collect()
}

/// A note if the model does not say what is to be explained.
fn surprise(options: &TraceOptions, dataset: &Dataset, answers: &[u32], explained: &[u32]) -> Option<String> {
    let other = answers.iter().zip(explained).filter(|(a, e)| a != e).count();
    let (first, _) = answers.iter().zip(explained).find(|(a, e)| a != e)?;
    let whose = if options.predicted.is_some() { "asked about" } else { "in the label column of the input" };
    Some(format!(
        "the model trained here does not give the answer {whose} for {} of {} (but `{}`): samples that pull towards that answer are shown all the same",
        other,
        crate::columns::count(answers.len() as u64, "input"),
        dataset.classes.get(*first as usize).map_or("", String::as_str),
    ))
}

fn samples(dataset: &Dataset, train: &Picked, influence: &Influence, top: usize) -> Result<Vec<Sample>> {
    let ids = ids::sample_ids(dataset)?;
    let one = |&row: &u64| {
        let i = row as usize;
        let origin = train.batch.columns(|r| matches!(r, Role::Source | Role::Annotator)).filter_map(
            |(name, column)| Some((name.to_owned(), Strings::new(&column.slice(i, 1)).get(0)?.to_owned())),
        );
        Sample {
            id: ids[i].clone(),
            row,
            place: place(dataset, row),
            label: dataset.classes.get(train.label(i) as usize).cloned(),
            origin: origin.collect(),
            excerpt: excerpt(&train.batch, i),
            pull: influence.pull[i],
            pull_share: influence.share(i),
            shapley: influence.shapley[i],
        }
    };
    Ok(influence.strongest().iter().take(top).map(one).collect())
}

/// Where a row of the training data is.
fn place(dataset: &Dataset, row: u64) -> String {
    let at = dataset.place(row);
    let files = dataset.source().files();
    let file = match files.get(at.file as usize) {
        Some(f) if files.len() > 1 => format!("{}:", f.path.display()),
        _ => String::new(),
    };
    let words = if file.is_empty() { ["line ", "row "] } else { ["", "row "] };
    match at.line {
        Some(line) => format!("{file}{}{line}", words[0]),
        None => format!("{file}{}{}", words[1], at.file_row),
    }
}

/// Letters of an excerpt.
const EXCERPT: usize = 300;
/// Columns of an excerpt without a text.
const COLUMNS: usize = 12;

/// The beginning of a sample: its texts, or its first columns.
fn excerpt(batch: &Batch, row: usize) -> String {
    let cell = |column: &arrow_array::ArrayRef| {
        let options = FormatOptions::default();
        let one = column.slice(row, 1);
        let formatter = ArrayFormatter::try_new(&one, &options).ok()?;
        (!arrow_array::Array::is_null(&one, 0)).then(|| formatter.value(0).to_string())
    };
    let texts: Vec<String> = batch.columns(Role::is_text).filter_map(|(_, column)| cell(column)).collect();
    let whole = if texts.is_empty() {
        let pairs = batch.columns(|r| r == Role::Feature).take(COLUMNS);
        let pairs: Vec<String> =
            pairs.map(|(name, column)| format!("{name}={}", cell(column).unwrap_or_default())).collect();
        pairs.join(" ")
    } else {
        texts.join(" | ")
    };
    whole.chars().take(EXCERPT).collect()
}
