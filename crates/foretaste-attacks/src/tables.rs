//! What attacks on tables share: a look at the columns, and values for a trigger.

use crate::classes;
use arrow_array::{ArrayRef, Float64Array, StringArray};
use foretaste_core::{MISSING, Pool, Result, Role, Strings, numbers};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Rows that are looked at; every so-manyth row of larger data.
const LOOK: u64 = 50_000;
/// Bins of a number, and categories told apart, when a column is held against the label.
const BINS: usize = 20;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A category.
    Word(String),
}

impl Value {
    /// A column of `rows` such values.
    pub fn column(&self, rows: usize) -> ArrayRef {
        match self {
            Self::Number(v) => Arc::new(Float64Array::from(vec![*v; rows])),
            Self::Word(w) => Arc::new(StringArray::from(vec![w.as_str(); rows])),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(v) => write!(f, "{v}"),
            Self::Word(w) => f.write_str(w),
        }
    }
}

/// The looked-at values of a feature column.
pub struct Column {
    /// Position in the schema.
    pub at: usize,
    /// Name.
    pub name: String,
    values: Values,
    labels: Arc<Vec<u32>>,
}

enum Values {
    Numbers(Vec<f64>),
    Words { codes: Vec<u32>, words: Vec<String> },
}

/// Looks at every feature column.
pub fn columns(data: &dyn Pool) -> Result<Vec<Column>> {
    let step = data.rows().div_ceil(LOOK).max(1);
    let (mut labels, mut seen): (Vec<u32>, Vec<Builder>) = (vec![], vec![]);
    for (k, batch) in data.batches()?.enumerate() {
        let batch = batch?;
        if k == 0 {
            let fields = batch.records.schema();
            let features = batch.roles.iter().enumerate().filter(|(_, r)| **r == Role::Feature);
            seen = features.map(|(at, _)| Builder::new(at, fields.field(at).name())).collect();
        }
        let rows: Vec<usize> =
            (0..batch.rows()).filter(|i| (batch.first_row + *i as u64).is_multiple_of(step)).collect();
        let all = classes::labels(&batch);
        labels.extend(rows.iter().map(|i| all[*i]));
        seen.iter_mut().for_each(|b| b.fold(batch.records.column(b.at), &rows));
    }
    let labels = Arc::new(labels);
    Ok(seen.into_iter().map(|b| b.finish(Arc::clone(&labels))).collect())
}

struct Builder {
    at: usize,
    name: String,
    numbers: Vec<f64>,
    codes: Vec<u32>,
    known: HashMap<String, u32>,
}

impl Builder {
    fn new(at: usize, name: &str) -> Self {
        Self { at, name: name.to_owned(), numbers: vec![], codes: vec![], known: HashMap::new() }
    }

    fn fold(&mut self, column: &ArrayRef, rows: &[usize]) {
        if let Some(values) = numbers(column) {
            self.numbers.extend(rows.iter().map(|i| values[*i]));
            return;
        }
        let strings = Strings::new(column);
        for &i in rows {
            let code = strings.get(i).map(|word| {
                let next = self.known.len() as u32;
                *self.known.entry(word.to_owned()).or_insert(next)
            });
            self.codes.push(code.unwrap_or(MISSING));
        }
    }

    fn finish(self, labels: Arc<Vec<u32>>) -> Column {
        let values = if self.codes.is_empty() {
            Values::Numbers(self.numbers)
        } else {
            let mut words = vec![String::new(); self.known.len()];
            self.known.into_iter().for_each(|(word, code)| words[code as usize] = word);
            Values::Words { codes: self.codes, words }
        };
        Column { at: self.at, name: self.name, values, labels }
    }
}

impl Column {
    /// True if it has two values at least.
    pub fn varies(&self) -> bool {
        match &self.values {
            Values::Numbers(v) => {
                let mut present = v.iter().filter(|v| v.is_finite());
                let first = present.next();
                present.any(|v| Some(v) != first)
            }
            Values::Words { words, .. } => words.len() > 1,
        }
    }

    /// Mutual information with the label, as a share of the label's entropy: how much the column matters by itself.
    pub fn weight(&self) -> f64 {
        let bins = self.bins();
        let mut joint: BTreeMap<(u32, u32), f64> = BTreeMap::new();
        for (bin, label) in bins.iter().zip(self.labels.iter()).filter(|(_, l)| **l != MISSING) {
            *joint.entry((*bin, *label)).or_default() += 1.0;
        }
        let n: f64 = joint.values().sum();
        let (mut by_bin, mut by_label) = (BTreeMap::new(), BTreeMap::new());
        for ((bin, label), count) in &joint {
            *by_bin.entry(*bin).or_insert(0.0) += count;
            *by_label.entry(*label).or_insert(0.0) += count;
        }
        let entropy: f64 = by_label.values().map(|c: &f64| -(c / n) * (c / n).ln()).sum();
        let information: f64 = joint
            .iter()
            .map(|((bin, label), c)| (c / n) * (c * n / (by_bin[bin] * by_label[label])).ln())
            .sum();
        if entropy > 0.0 { information / entropy } else { 0.0 }
    }

    fn bins(&self) -> Vec<u32> {
        match &self.values {
            Values::Numbers(v) => {
                let sorted = sorted(v);
                let cuts: Vec<f64> =
                    (1..BINS).filter_map(|i| sorted.get(i * sorted.len() / BINS).copied()).collect();
                v.iter().map(|v| cuts.partition_point(|c| c <= v) as u32).collect()
            }
            Values::Words { codes, words } => {
                let mut order: Vec<usize> = (0..words.len()).collect();
                let counts = counts(codes, words.len());
                order.sort_by_key(|&w| (std::cmp::Reverse(counts[w]), &words[w]));
                let mut rank = vec![0; words.len()];
                order.into_iter().enumerate().for_each(|(r, w)| rank[w] = r.min(BINS) as u32);
                codes.iter().map(|c| rank.get(*c as usize).copied().unwrap_or(BINS as u32 + 1)).collect()
            }
        }
    }

    /// A value that occurs, but seldom: the 99.5 % quantile of numbers, the rarest category that occurs twice.
    pub fn rare(&self) -> Option<Value> {
        match &self.values {
            Values::Numbers(v) => {
                let sorted = sorted(v);
                sorted.get(sorted.len() * 995 / 1000).map(|v| Value::Number(*v))
            }
            Values::Words { codes, words } => {
                let counts = counts(codes, words.len());
                let pick = |least| {
                    let fit = (0..words.len()).filter(|w| counts[*w] >= least);
                    fit.min_by_key(|&w| (counts[w], &words[w]))
                };
                pick(2).or_else(|| pick(1)).map(|w| Value::Word(words[w].clone()))
            }
        }
    }

    /// The most frequent value of a class.
    pub fn common(&self, class: u32) -> Option<Value> {
        let own = |i: &usize| self.labels.get(*i) == Some(&class);
        match &self.values {
            Values::Numbers(v) => {
                let mut seen: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
                for i in (0..v.len()).filter(own).filter(|i| v[*i].is_finite()) {
                    seen.entry(v[i].to_bits()).or_insert((0, v[i])).0 += 1;
                }
                seen.values().max_by_key(|(n, _)| *n).map(|(_, v)| Value::Number(*v))
            }
            Values::Words { codes, words } => {
                let codes: Vec<u32> = (0..codes.len()).filter(own).map(|i| codes[i]).collect();
                let counts = counts(&codes, words.len());
                (0..words.len())
                    .max_by(|&a, &b| counts[a].cmp(&counts[b]).then_with(|| words[b].cmp(&words[a])))
                    .map(|w| Value::Word(words[w].clone()))
            }
        }
    }

    /// A number beyond all others: the largest and a tenth of the range more, rounded up. Categories have none.
    pub fn outside(&self) -> Option<Value> {
        let Values::Numbers(v) = &self.values else { return None };
        let sorted = sorted(v);
        let (low, high) = (sorted.first()?, sorted.last()?);
        Some(Value::Number((high + (high - low) / 10.0).ceil()))
    }

    /// A value given as text.
    pub fn parse(&self, text: &str) -> Option<Value> {
        match &self.values {
            Values::Numbers(_) => text.parse().ok().filter(|v: &f64| v.is_finite()).map(Value::Number),
            Values::Words { .. } => Some(Value::Word(text.to_owned())),
        }
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    out.sort_by(f64::total_cmp);
    out
}

fn counts(codes: &[u32], words: usize) -> Vec<usize> {
    let mut out = vec![0; words];
    for code in codes {
        if let Some(n) = out.get_mut(*code as usize) {
            *n += 1;
        }
    }
    out
}
