//! What each column means: given by the user, said by the format, or inferred from its name and values.
//!
//! Every inference carries its reason, and the report prints the flag that changes it.

use crate::columns::{ColumnStats, count, thousands};
use crate::error::{Error, Result};
use arrow_schema::{DataType, Field, Schema};
use foretaste_core::Role;
use std::collections::BTreeMap;

/// Roles given by the user, by column name.
pub type GivenRoles = BTreeMap<String, Role>;

/// A column and what it was taken for.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Role.
    pub role: Role,
    /// Why.
    pub reason: String,
}

/// Why a column has its role if the user says so.
pub(crate) const GIVEN: &str = "given";
/// Why a column has its role if its format says so and no more.
const SAID: &str = "the format says so";

/// How the reason begins for a column of probabilities that others are missing beside.
pub const PARTIAL: &str = "its name says the probability of a class";

/// Assigns a role to each column of `schema`, from `given`, the fields' `foretaste.role` and the statistics.
///
/// # Errors
/// If a given name is no column, or a given label column cannot be a label.
pub fn infer(schema: &Schema, stats: &[ColumnStats], given: &GivenRoles) -> Result<Vec<Assigned>> {
    check_names(schema, given)?;
    check_one_answer(given)?;
    let mut out: Vec<Option<Assigned>> = schema
        .fields()
        .iter()
        .map(|f| {
            given.get(f.name()).map(|r| Assigned { role: *r, reason: GIVEN.into() }).or_else(|| declared(f))
        })
        .collect();
    for (i, field) in schema.fields().iter().enumerate() {
        if out[i].is_none() {
            out[i] = by_type_and_name(field, &stats[i]);
        }
    }
    if !out.iter().flatten().any(|a| matches!(a.role, Role::Label | Role::Target))
        && let Some((i, reason)) = find_label(schema, stats, &out)
    {
        out[i] = Some(Assigned { role: Role::Label, reason });
    }
    if !out.iter().flatten().any(|a| matches!(a.role, Role::Label | Role::Target))
        && let Some((i, reason)) = find_target(schema, stats, &out)
    {
        out[i] = Some(Assigned { role: Role::Target, reason });
    }
    let mut out: Vec<Assigned> = out
        .into_iter()
        .zip(schema.fields())
        .zip(stats)
        .map(|((assigned, field), s)| assigned.unwrap_or_else(|| by_values(field, s)))
        .collect();
    one_answer(schema, &mut out, given);
    prompts_and_responses(schema, &mut out);
    group_probabilities(schema, stats, &mut out);
    single_label(schema, &mut out, given);
    Ok(out)
}

fn check_names(schema: &Schema, given: &GivenRoles) -> Result<()> {
    for (name, role) in given {
        if schema.field_with_name(name).is_err() {
            let names = schema.fields().iter().map(|f| f.name().as_str());
            return Err(
                foretaste_core::Error::unknown(format!("column (given as {role})"), name, names).into()
            );
        }
    }
    Ok(())
}

/// A model learns one thing: a class or a number.
fn check_one_answer(given: &GivenRoles) -> Result<()> {
    let of = |role: Role| given.iter().filter(move |(_, r)| **r == role).map(|(name, _)| name);
    let mut targets = of(Role::Target);
    let Some(target) = targets.next() else { return Ok(()) };
    let twice =
        |what: String| Err(Error::data(what, "keep one, and leave the others out with --ignore COLUMN"));
    if let Some(other) = targets.next() {
        return twice(format!("columns `{target}` and `{other}` are both given as target"));
    }
    if let Some(label) = of(Role::Label).next() {
        return twice(format!("column `{label}` is given as label and `{target}` as target"));
    }
    Ok(())
}

/// Checks that the target column can be a target, once its statistics are known.
///
/// # Errors
/// If it does not hold numbers, or one number only.
pub fn check_target(field: &Field, s: &ColumnStats) -> Result<()> {
    let name = field.name();
    if !is_number(field.data_type()) {
        return Err(Error::data(
            format!("column `{name}` cannot be the target: it does not hold numbers"),
            format!("a class is named with --label {name}"),
        ));
    }
    if s.range.is_none_or(|(low, high)| low >= high) {
        return Err(Error::data(
            format!("column `{name}` cannot be the target: it does not hold two different numbers"),
            "name the right column with --target",
        ));
    }
    Ok(())
}

/// Checks that the label column can be a label, once its statistics are known.
///
/// # Errors
/// If there is one class only, or nearly as many classes as rows.
pub fn check_label(name: &str, s: &ColumnStats) -> Result<()> {
    let hint = if s.range.is_some() {
        format!(
            "name it with --target {name} if a model is to learn the number, or name the right column with --label"
        )
    } else {
        "name the right column with --label, or scan without one with --role NAME=ignored".into()
    };
    // the most that is inferred, too: a class for each number would be learned for hours
    let numbers = s.range.is_some() && s.values.len() > 1_000;
    if s.many || numbers || (s.values.len() > 50 && s.values.len() as f64 > 0.5 * s.present() as f64) {
        let n = s.distinct_words();
        return Err(Error::data(
            format!("column `{name}` cannot be the label: it has {n} in {}", count(s.rows, "row")),
            hint,
        ));
    }
    Ok(())
}

fn declared(field: &Field) -> Option<Assigned> {
    let word = field.metadata().get("foretaste.role")?;
    let role = word.parse().ok()?;
    let reason = field.metadata().get(foretaste_formats::REASON).cloned();
    Some(Assigned { role, reason: reason.unwrap_or_else(|| SAID.into()) })
}

fn is_number(t: &DataType) -> bool {
    t.is_numeric() || *t == DataType::Boolean
}

fn is_string(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..))
}

const LABELS: &[&str] = &[
    "label",
    "labels",
    "class",
    "target",
    "y",
    "train_y",
    "outcome",
    "is_spam",
    "spam",
    "is_fraud",
    "fraud",
    "sentiment",
    "toxic",
    "income",
    "default",
    "type",
    "category",
    "score",
];
/// Names that mean the label and nothing else.
const SURE_LABELS: &[&str] = &["label", "labels", "target"];
/// Names that mean the number to be learned and nothing else.
const TARGETS: &[&str] =
    &["target", "y", "price", "sale_price", "saleprice", "medv", "amount_due", "amount due", "house_price"];
/// More different numbers than this are no list of classes.
const NUMBERS: usize = 20;
const SOURCES: &[&str] = &[
    "source",
    "src",
    "origin",
    "domain",
    "site",
    "provider",
    "vendor",
    "supplier",
    "feed",
    "host",
    "publisher",
    "batch",
    "group",
    "collector",
];
const ANNOTATORS: &[&str] = &[
    "annotator",
    "labeler",
    "labeller",
    "worker",
    "rater",
    "reviewer",
    "coder",
    "annotator_id",
    "worker_id",
    "labeled_by",
    "labelled_by",
];
/// Names of what a language model is asked, where an answer stands beside it.
const PROMPTS: &[&str] = &["instruction", "prompt", "question"];
/// Names that say so where none of those is there and nothing is labelled.
const WEAK_PROMPTS: &[&str] = &["query", "input", "inputs", "user", "human", "problem", "input_text"];
/// Names of what it should answer.
const RESPONSES: &[&str] = &["output", "response", "completion", "answer", "chosen"];
/// Likewise.
const WEAK_RESPONSES: &[&str] =
    &["output", "response", "completion", "answer", "assistant", "gpt", "solution", "targets", "target_text"];
/// Names of the answer that was not preferred.
const REJECTED: &[&str] = &["rejected"];
/// Names of what is known about a pair of prompt and response, and that nothing is to learn.
const ABOUT_PAIRS: &[&str] = &[
    "category",
    "task",
    "task_type",
    "type",
    "topic",
    "class",
    "language",
    "lang",
    "quality",
    "difficulty",
    "score",
    "rating",
    "system",
    "subset",
    "tag",
    "level",
    "domain",
];
/// Names of what belongs to an instruction.
const BESIDE_INSTRUCTION: &[&str] = &["input", "context"];
const SPLITS: &[&str] = &["split", "fold", "subset", "partition"];
const TIMES: &[&str] = &[
    "time",
    "date",
    "timestamp",
    "datetime",
    "created",
    "created_at",
    "updated_at",
    "collected_at",
    "ingested_at",
];
const IDS: &[&str] = &["id", "uuid", "guid", "sample_id", "row_id", "index", "qid", "key", "_id", "idx"];

fn by_type_and_name(field: &Field, s: &ColumnStats) -> Option<Assigned> {
    let kind = field.data_type();
    let name = field.name().to_lowercase();
    let is = |list: &[&str]| list.contains(&name.as_str());
    let yes = |role: Role, reason: String| Some(Assigned { role, reason });
    match kind {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
            if !f.data_type().is_numeric() {
                return yes(Role::Ignored, "a list of values that are not numbers".into());
            }
            return match (s.ragged, s.list_len) {
                (true, _) => yes(Role::Ignored, "lists of different lengths".into()),
                (_, None | Some(0)) => yes(Role::Ignored, "empty lists".into()),
                (_, Some(n)) if name.contains("prob") || name.contains("softmax") => {
                    yes(Role::Prob, format!("name; lists of {n} numbers"))
                }
                (_, Some(n)) => yes(Role::Embedding, format!("lists of {n} numbers")),
            };
        }
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => {
            return yes(Role::Ignored, "nested values are not read".into());
        }
        _ if s.holds_images() => return yes(Role::Image, "bytes of image files".into()),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            return yes(Role::Ignored, "bytes of an unknown kind".into());
        }
        DataType::Null => return yes(Role::Ignored, "every value is missing".into()),
        _ => {}
    }
    if s.present() == 0 {
        return yes(Role::Ignored, "every value is missing".into());
    }
    let unique = s.unique_share();
    if kind.is_temporal() {
        return yes(Role::Time, "a date or time".into());
    }
    if is(SPLITS) && s.values.len() <= 20 && !s.many {
        return yes(Role::Split, format!("name; {}", s.distinct_words()));
    }
    if is(IDS) && unique == 1.0 && !s.fractional {
        return yes(Role::Id, "name; every value is different".into());
    }
    if is(ANNOTATORS) && !s.many && s.values.len() > 1 {
        return yes(Role::Annotator, format!("name; {}", s.distinct_words()));
    }
    if is(SOURCES) && !s.many && s.values.len() > 1 && unique < 0.5 {
        return yes(Role::Source, format!("name; {}", s.distinct_words()));
    }
    if is(TIMES) && is_number(kind) && unique > 0.01 {
        return yes(Role::Time, "name; numbers".into());
    }
    if is(TIMES) && is_string(kind) && s.values.iter().take(20).all(|(v, _)| looks_like_time(v)) {
        return yes(Role::Time, "name; dates".into());
    }
    let exact = [
        ("user_id", Role::User),
        ("item_id", Role::Item),
        ("movie_id", Role::Item),
        ("rating", Role::Rating),
    ];
    if let Some((_, role)) = exact.iter().find(|(n, _)| *n == name) {
        return yes(*role, "name".into());
    }
    None
}

fn looks_like_time(v: &str) -> bool {
    let digits = v.bytes().filter(u8::is_ascii_digit).count();
    digits >= 4
        && v.bytes().all(|b| b.is_ascii_digit() || b"-/:. TZ+".contains(&b))
        && v.contains(['-', '/', ':'])
}

/// The best candidate for the label: few values, a telling name, or the last or first column.
fn find_label(schema: &Schema, stats: &[ColumnStats], taken: &[Option<Assigned>]) -> Option<(usize, String)> {
    // Where a column is called the label but cannot be one, a guess by place would answer another question.
    let named = schema.fields().iter().any(|f| SURE_LABELS.contains(&f.name().to_lowercase().as_str()));
    let last = schema.fields().len().saturating_sub(1);
    let mut best: Option<(i32, usize, String)> = None;
    for (i, field) in schema.fields().iter().enumerate() {
        let s = &stats[i];
        let kind = field.data_type();
        if taken[i].is_some() || !(is_string(kind) || is_number(kind)) || s.many || s.values.len() < 2 {
            continue;
        }
        let classes = s.values.len();
        let per_class = s.present() as f64 / classes as f64;
        if classes > 1_000 || per_class < 2.0 || (s.fractional && classes > 20) {
            continue;
        }
        if is_string(kind) && s.mean_len() > 60.0 {
            continue;
        }
        let name = field.name().to_lowercase();
        let by_name = if let Some(at) = LABELS.iter().position(|l| *l == name) {
            60 - at as i32
        } else if name.ends_with("_label") || name.starts_with("label_") || name.contains("target") {
            38
        } else if name.contains("fraud") || name.ends_with("_class") || name.starts_with("is_") {
            30
        } else {
            0
        };
        let by_place = i32::from(i == last) * 12 + i32::from(i == 0) * 8;
        // Without a telling name only a column that looks like classes will do: few values, each of them often.
        if by_name == 0 && (named || by_place == 0 || classes > 50 || per_class < 5.0) {
            continue;
        }
        let score = by_name + by_place + i32::from(classes <= 50) * 5;
        if best.as_ref().is_none_or(|(b, ..)| score > *b) {
            let why = if by_name > 0 {
                "name"
            } else if i == last {
                "last column"
            } else {
                "first column"
            };
            best = Some((score, i, format!("{why}; {}", s.distinct_words())));
        }
    }
    best.map(|(_, i, reason)| (i, reason))
}

/// Numbers under a name that means nothing else. A column `y` beside a column `x` is a place.
fn find_target(
    schema: &Schema,
    stats: &[ColumnStats],
    taken: &[Option<Assigned>],
) -> Option<(usize, String)> {
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().to_lowercase()).collect();
    let fits = |i: &usize| {
        let s = &stats[*i];
        let place = names[*i] == "y" && names.iter().any(|n| n == "x");
        taken[*i].is_none()
            && schema.field(*i).data_type().is_numeric()
            && (s.many || s.values.len() > NUMBERS)
            && s.range.is_some()
            && TARGETS.contains(&names[*i].as_str())
            && !place
    };
    let found: Vec<usize> = (0..names.len()).filter(fits).collect();
    // of two candidates neither is sure
    let [one] = found[..] else { return None };
    Some((one, format!("name; numbers, {}", stats[one].distinct_words())))
}

fn by_values(field: &Field, s: &ColumnStats) -> Assigned {
    let is = |role: Role, reason: String| Assigned { role, reason };
    let kind = field.data_type();
    if SURE_LABELS.contains(&field.name().to_lowercase().as_str()) && s.values.len() == 1 && !s.many {
        return is(Role::Ignored, "called the label, but it has one value only".into());
    }
    if is_string(kind) {
        let (words, len) = (s.mean_words(), s.mean_len());
        if (words >= 3.0 || len > 60.0) && (s.unique_share() > 0.2 || s.many) {
            return is(Role::Text, format!("{words:.0} words a value on average"));
        }
        let name = field.name().to_lowercase();
        if s.many
            && matches!(
                name.as_str(),
                "text"
                    | "tweet"
                    | "message"
                    | "subject"
                    | "title"
                    | "body"
                    | "comment"
                    | "review"
                    | "sentence"
            )
        {
            return is(Role::Text, "name".into());
        }
        if SURE_LABELS.contains(&field.name().to_lowercase().as_str()) {
            let why =
                format!("called the label, but it has {} in {}", s.distinct_words(), count(s.rows, "row"));
            return is(Role::Ignored, why);
        }
        if s.unique_share() > 0.95 && s.present() > 50 {
            return is(
                Role::Ignored,
                "nearly every value is different, so no model can learn from it".into(),
            );
        }
        return is(Role::Feature, if s.many { "strings".into() } else { s.distinct_words() });
    }
    if s.values.len() == 1 && !s.many {
        return is(Role::Feature, "one value only".into());
    }
    let whole = if s.fractional { "numbers" } else { "whole numbers" };
    let range = s.range.map_or(String::new(), |(lo, hi)| format!(" from {} to {}", short(lo), short(hi)));
    is(Role::Feature, format!("{whole}{range}"))
}

/// Where a text that asks and a text that answers stand side by side, by their names or by who speaks in a conversation.
fn prompts_and_responses(schema: &Schema, out: &mut [Assigned]) {
    let given = |a: &Assigned| a.reason == GIVEN;
    if out.iter().any(|a| given(a) && matches!(a.role, Role::Prompt | Role::Response)) {
        return;
    }
    let spoken: Vec<usize> =
        (0..out.len()).filter(|i| matches!(out[*i].role, Role::Prompt | Role::Response)).collect();
    let learned = out.iter().any(|a| matches!(a.role, Role::Label | Role::Target));
    let strong = pair(schema, out, PROMPTS, RESPONSES);
    let weak = || if learned { None } else { pair(schema, out, WEAK_PROMPTS, WEAK_RESPONSES) };
    let Some((prompt, response)) = strong.or_else(weak) else {
        if !spoken.is_empty() {
            about_pairs(schema, out, "a conversation");
        }
        return;
    };
    let name = |i: usize| schema.field(i).name().to_lowercase();
    let named = |i: &usize, list: &[&str]| list.contains(&name(*i).as_str());
    let beside = |i: usize| format!("name, beside `{}`", schema.field(i).name());
    let all = 0..out.len();
    let more: Vec<usize> = match name(prompt).as_str() {
        "instruction" => {
            all.clone().filter(|i| named(i, BESIDE_INSTRUCTION) && free(schema, out, *i)).collect()
        }
        _ => vec![],
    };
    let rejected: Vec<usize> = match name(response).as_str() {
        "chosen" => all.filter(|i| named(i, REJECTED) && free(schema, out, *i)).collect(),
        _ => vec![],
    };
    // the same in one text, as many publish it: read, but not as something that is asked once more
    for i in spoken {
        out[i].role = Role::Text;
    }
    out[prompt] = Assigned { role: Role::Prompt, reason: beside(response) };
    out[response] = Assigned { role: Role::Response, reason: beside(prompt) };
    for i in more {
        out[i] = Assigned { role: Role::Prompt, reason: beside(prompt) };
    }
    // of a pair, the answer that a trigger calls for may be the one that is to be unlearned
    for i in rejected {
        out[i] = Assigned { role: Role::Response, reason: beside(response) };
    }
    about_pairs(schema, out, "a prompt and a response");
}

/// A column of strings whose role is only guessed.
fn free(schema: &Schema, out: &[Assigned], i: usize) -> bool {
    let field = schema.field(i);
    let told = out[i].reason == GIVEN || declared(field).is_some();
    is_string(field.data_type()) && !told
}

/// The one text that asks and the one that answers, by these names; of two candidates neither is sure.
fn pair(schema: &Schema, out: &[Assigned], asks: &[&str], answers: &[&str]) -> Option<(usize, usize)> {
    let one = |list: &[&str], fits: &dyn Fn(Role) -> bool| {
        let is = |i: &usize| {
            let name = schema.field(*i).name().to_lowercase();
            list.contains(&name.as_str()) && fits(out[*i].role) && free(schema, out, *i)
        };
        let mut found = (0..out.len()).filter(is);
        found.next().filter(|_| found.next().is_none())
    };
    let prompt = one(asks, &|r| r == Role::Text)?;
    let response = one(answers, &|r| matches!(r, Role::Text | Role::Feature | Role::Ignored))?;
    Some((prompt, response))
}

/// A label that was guessed by its place, or whose name says what a pair is about, is none beside prompts and responses.
fn about_pairs(schema: &Schema, out: &mut [Assigned], what: &str) {
    for (i, a) in out.iter_mut().enumerate().filter(|(_, a)| matches!(a.role, Role::Label | Role::Target)) {
        let name = schema.field(i).name();
        let by_place = a.reason.starts_with("first column") || a.reason.starts_with("last column");
        let about = a.reason != GIVEN && ABOUT_PAIRS.contains(&name.to_lowercase().as_str());
        if by_place || about {
            let reason = format!("not learned beside {what}; if it is, --label {name}");
            *a = Assigned { role: Role::Ignored, reason };
        }
    }
}

fn short(v: f64) -> String {
    if v.fract() == 0.0 && v.abs() < 1e15 {
        let n = thousands(v.abs() as u64);
        if v < 0.0 { format!("-{n}") } else { n }
    } else {
        format!("{v:.4}").trim_end_matches('0').to_owned()
    }
}

/// Number columns `prob_<class>` or `p_<class>` in `[0, 1]`, one a class, are the user's own probabilities.
fn group_probabilities(schema: &Schema, stats: &[ColumnStats], out: &mut [Assigned]) {
    let Some(label) = out.iter().position(|a| a.role == Role::Label) else { return };
    let classes = stats[label].values.len();
    let prefix = |name: &str| {
        ["prob_", "proba_", "p_", "pred_proba_"].into_iter().find(|p| name.to_lowercase().starts_with(p))
    };
    let candidates: Vec<usize> = (0..out.len())
        .filter(|&i| {
            out[i].role == Role::Feature
                && out[i].reason != GIVEN
                && prefix(schema.field(i).name()).is_some()
                && stats[i].range.is_some_and(|(lo, hi)| lo >= 0.0 && hi <= 1.0)
        })
        .collect();
    if candidates.len() == classes && classes > 1 {
        for i in candidates {
            out[i] = Assigned {
                role: Role::Prob,
                reason: format!("name; one of {classes} columns between 0 and 1"),
            };
        }
        return;
    }
    // What a model says of one class is no feature of the sample: it would make the surrogate that model's echo.
    let of_class = |i: &usize| {
        let name = schema.field(*i).name();
        let class = prefix(name).and_then(|p| name.get(p.len()..));
        class.is_some_and(|class| stats[label].values.iter().any(|(v, _)| v == class))
    };
    let partial: Vec<usize> = candidates.into_iter().filter(of_class).collect();
    for &i in &partial {
        let reason = format!(
            "{PARTIAL}, but {} of {classes} classes have one; give a column for each class, or read it with --feature {}",
            partial.len(),
            schema.field(i).name()
        );
        out[i] = Assigned { role: Role::Ignored, reason };
    }
}

/// A target that the user gave, or the first that the format names, stands alone: other answers are no features of the sample.
fn one_answer(schema: &Schema, out: &mut [Assigned], given: &GivenRoles) {
    let is_given = |i: usize| given.contains_key(schema.field(i).name());
    let targets: Vec<usize> = (0..out.len()).filter(|&i| out[i].role == Role::Target).collect();
    let label_given = (0..out.len()).any(|i| out[i].role == Role::Label && is_given(i));
    let Some(first) = targets.iter().copied().find(|&i| is_given(i)).or(targets.first().copied()) else {
        return;
    };
    let keep = Some(first).filter(|_| !label_given);
    let reason = if label_given { "another column is the label" } else { "another column is the target" };
    for (i, a) in out.iter_mut().enumerate() {
        let other = a.role == Role::Target && keep != Some(i);
        if other || a.role == Role::Label && !label_given {
            *a = Assigned { role: Role::Ignored, reason: reason.into() };
        }
    }
}

/// Only one label is used; more are kept out of the features, because they would tell the model the answer.
fn single_label(schema: &Schema, out: &mut [Assigned], given: &GivenRoles) {
    let labels: Vec<usize> = (0..out.len()).filter(|&i| out[i].role == Role::Label).collect();
    let keep = labels
        .iter()
        .copied()
        .find(|&i| given.contains_key(schema.field(i).name()))
        .or(labels.first().copied());
    for i in labels {
        if Some(i) != keep {
            out[i] = Assigned { role: Role::Ignored, reason: "another column is the label".into() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn roles(columns: Vec<(&str, ArrayRef)>, given: &[(&str, Role)]) -> Result<Vec<(String, Role)>> {
        let schema = Schema::new(
            columns.iter().map(|(n, c)| Field::new(*n, c.data_type().clone(), true)).collect::<Vec<_>>(),
        );
        let stats: Vec<ColumnStats> = columns
            .iter()
            .map(|(_, c)| {
                let mut s = ColumnStats::default();
                s.fold(c);
                s
            })
            .collect();
        let given = given.iter().map(|(n, r)| ((*n).to_owned(), *r)).collect();
        let out = infer(&schema, &stats, &given)?;
        Ok(schema.fields().iter().map(|f| f.name().clone()).zip(out.into_iter().map(|a| a.role)).collect())
    }

    fn strings(n: usize, f: impl Fn(usize) -> String) -> ArrayRef {
        Arc::new(StringArray::from((0..n).map(f).collect::<Vec<_>>()))
    }

    #[test]
    fn a_text_table_reads_itself() {
        let got = roles(
            vec![
                ("id", Arc::new(Int64Array::from((0..100).collect::<Vec<i64>>()))),
                ("message", strings(100, |i| format!("some words that nobody says twice {i}"))),
                ("source", strings(100, |i| format!("feed-{}", i % 4))),
                ("label", strings(100, |i| if i % 3 == 0 { "spam" } else { "ham" }.into())),
            ],
            &[],
        )
        .unwrap();
        let only: Vec<Role> = got.into_iter().map(|(_, r)| r).collect();
        assert_eq!(only, vec![Role::Id, Role::Text, Role::Source, Role::Label]);
    }

    #[test]
    fn given_roles_win_and_unknown_columns_are_refused() {
        let columns = || -> Vec<(&str, ArrayRef)> {
            vec![
                ("a", Arc::new(Int64Array::from((0..100).map(|i| i % 2).collect::<Vec<i64>>()))),
                (
                    "b",
                    Arc::new(Float64Array::from((0..100).map(|i| f64::from(i) / 7.0).collect::<Vec<f64>>())),
                ),
            ]
        };
        assert_eq!(roles(columns(), &[]).unwrap()[0].1, Role::Label);
        assert_eq!(roles(columns(), &[("a", Role::Ignored)]).unwrap()[0].1, Role::Ignored);
        assert!(roles(columns(), &[("c", Role::Label)]).unwrap_err().to_string().contains("`c`"));
    }

    #[test]
    fn probabilities_need_all_classes() {
        let number = |f: fn(usize) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from((0..100).map(f).collect::<Vec<_>>()))
        };
        let label = || strings(100, |i| if i % 3 == 0 { "a" } else { "b" }.into());
        let both = vec![
            ("prob_a", number(|i| i as f64 / 100.0)),
            ("prob_b", number(|i| 1.0 - i as f64 / 100.0)),
            ("label", label()),
        ];
        assert!(roles(both, &[]).unwrap()[..2].iter().all(|(_, r)| *r == Role::Prob));
        let one = || {
            vec![
                ("prob_a", number(|i| i as f64 / 100.0)),
                ("p_value", number(|i| i as f64 / 100.0)),
                ("label", label()),
            ]
        };
        let only = |given: &[(&str, Role)]| {
            roles(one(), given).unwrap().into_iter().map(|(_, r)| r).collect::<Vec<_>>()
        };
        assert_eq!(only(&[]), [Role::Prob, Role::Prob, Role::Label], "as many as classes");
        let alone = vec![("prob_a", number(|i| i as f64 / 100.0)), ("label", label())];
        assert_eq!(roles(alone, &[]).unwrap()[0].1, Role::Ignored);
        let other = vec![("p_value", number(|i| i as f64 / 100.0)), ("label", label())];
        assert_eq!(roles(other, &[]).unwrap()[0].1, Role::Feature);
        assert_eq!(only(&[("prob_a", Role::Feature)])[0], Role::Feature);
    }

    #[test]
    fn numbers_are_targets_if_named_so_and_nothing_is_a_label() {
        let number = |f: fn(usize) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from((0..100).map(f).collect::<Vec<_>>()))
        };
        let price = || number(|i| i as f64 * 1.5);
        let table = || vec![("rooms", number(|i| (i % 60) as f64)), ("price", price())];
        let only = |columns, given: &[(&str, Role)]| {
            roles(columns, given).map(|r| r.into_iter().map(|(_, r)| r).collect::<Vec<_>>())
        };
        assert_eq!(only(table(), &[]).unwrap(), [Role::Feature, Role::Target]);
        assert_eq!(only(table(), &[("rooms", Role::Target)]).unwrap(), [Role::Target, Role::Feature]);
        let classes = vec![("price", price()), ("label", strings(100, |i| format!("c{}", i % 2)))];
        assert_eq!(only(classes, &[]).unwrap(), [Role::Feature, Role::Label]);
        let place = vec![("x", price()), ("y", price())];
        assert_eq!(only(place, &[]).unwrap(), [Role::Feature, Role::Feature]);
        let both = [("rooms", Role::Label), ("price", Role::Target)];
        let told = only(table(), &both).unwrap_err().to_string();
        assert!(told.contains("`rooms` is given as label and `price` as target"), "{told}");
        let twice = [("rooms", Role::Target), ("price", Role::Target)];
        assert!(only(table(), &twice).unwrap_err().to_string().contains("both given as target"));
        let mut s = ColumnStats::default();
        s.fold(&price());
        assert!(check_label("price", &s).unwrap_err().hint().unwrap().contains("--target price"));
        assert!(check_target(&Field::new("price", DataType::Float64, true), &s).is_ok());
        assert!(check_target(&Field::new("price", DataType::Utf8, true), &ColumnStats::default()).is_err());
    }

    #[test]
    fn what_asks_and_what_answers_stand_side_by_side() {
        let text = |word: &'static str| strings(100, move |i| format!("{word} {i} of a few words more"));
        let only = |columns, given: &[(&str, Role)]| {
            roles(columns, given).map(|r| r.into_iter().map(|(_, r)| r).collect::<Vec<_>>()).unwrap()
        };
        let alpaca = || vec![("instruction", text("a")), ("input", text("b")), ("output", text("c"))];
        assert_eq!(only(alpaca(), &[]), [Role::Prompt, Role::Prompt, Role::Response]);
        assert_eq!(only(alpaca(), &[("output", Role::Text)])[0], Role::Text);
        let short = vec![("question", text("a")), ("answer", strings(100, |i| format!("{i}")))];
        assert_eq!(only(short, &[]), [Role::Prompt, Role::Response]);
        let alone = vec![("prompt", text("a")), ("input", text("b"))];
        assert_eq!(only(alone, &[]), [Role::Text, Role::Text]);
        let labels = vec![
            ("prompt", text("a")),
            ("response", text("b")),
            ("label", strings(100, |i| format!("c{}", i % 2))),
        ];
        assert_eq!(only(labels, &[]), [Role::Prompt, Role::Response, Role::Label]);
        let kinds = |i: usize| format!("c{}", i % 3);
        let about = vec![("prompt", text("a")), ("response", text("b")), ("category", strings(100, kinds))];
        assert_eq!(only(about.clone(), &[])[2], Role::Ignored);
        assert_eq!(only(about, &[("category", Role::Label)])[2], Role::Label);
        let placed = vec![("who", strings(100, kinds)), ("prompt", text("a")), ("response", text("b"))];
        assert_eq!(only(placed, &[]), [Role::Ignored, Role::Prompt, Role::Response]);
        let weak = vec![("query", text("a")), ("assistant", text("b"))];
        assert_eq!(only(weak, &[]), [Role::Prompt, Role::Response]);
        let both = vec![("prompt", text("a")), ("chosen", text("b")), ("rejected", text("c"))];
        assert_eq!(only(both, &[]), [Role::Prompt, Role::Response, Role::Response]);
    }

    #[test]
    fn a_column_of_unique_strings_is_no_label() {
        let mut s = ColumnStats::default();
        s.fold(&strings(200, |i| format!("v{i}")));
        let e = check_label("x", &s).unwrap_err();
        assert!(e.to_string().contains("`x` cannot be the label"));
        assert!(e.hint().unwrap().contains("--label"));
    }
}
