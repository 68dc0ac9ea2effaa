//! Which cells and words of an example look out of place, as a reader can check: by how often they stand elsewhere.
//!
//! This explains, it does not decide. Shares come from an even sample of the rows, so the cost is bounded.

use crate::dataset::Dataset;
use crate::error::Result;
use arrow_array::ArrayRef;
use foretaste_core::{Batch, MISSING, Mark, Role, Strings, numbers};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that shares are taken from.
const SAMPLED: u64 = 65_536;
/// Most cells or words marked in an example: more than a reader compares.
const MOST: usize = 3;
/// Columns with at most so many different numbers are compared by value, the others by neighbourhood.
const FEW: usize = 20;
/// Share of the rows that makes up the neighbourhood of a number.
const NEAR: f64 = 0.05;
/// How much commoner (lower bound, one standard error) a value must be under the expected label to be marked.
const COMMONER: f64 = 1.5;
/// Share of the rows beyond a number, or with a value, below which it is extreme.
const EXTREME: f64 = 0.01;

/// A column by the value of each sampled row: a number (NaN where missing), or an index into the values asked for.
enum Values {
    Numbers(Vec<f64>, Vec<f64>),
    Words(BTreeMap<String, Vec<u32>>),
}

/// Shares of values under each label.
pub struct Shares {
    classes: Vec<String>,
    labels: Vec<u32>,
    sizes: Vec<u32>,
    columns: BTreeMap<String, Values>,
}

/// A cell that looks out of place.
pub struct Odd {
    /// Name of the column.
    pub column: String,
    /// Part of its text to mark; all of it if `end` is 0.
    pub start: usize,
    /// End of the part.
    pub end: usize,
    /// Why, in words.
    pub why: String,
    weight: f64,
}

impl Odd {
    /// As a place worth looking at.
    pub fn mark(&self, row: u64) -> Mark {
        Mark { row, column: self.column.clone(), start: self.start, end: self.end, note: self.why.clone() }
    }
}

impl Shares {
    /// Reads the shares of what stands in `rows`, the examples.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn new(dataset: &Dataset, rows: &BTreeMap<u64, Batch>) -> Result<Self> {
        let mut out = Self {
            classes: dataset.classes.clone(),
            labels: vec![],
            sizes: vec![0; dataset.classes.len()],
            columns: wanted(rows, dataset.classes.len()),
        };
        if out.columns.is_empty() {
            return Ok(out);
        }
        let step = dataset.rows.div_ceil(SAMPLED).max(1);
        for batch in dataset.batches()? {
            out.fold(&batch?, step);
        }
        for values in out.columns.values_mut() {
            if let Values::Numbers(all, sorted) = values {
                sorted.extend(all.iter().copied().filter(|v| v.is_finite()));
                sorted.sort_by(f64::total_cmp);
            }
        }
        Ok(out)
    }

    fn fold(&mut self, batch: &Batch, step: u64) {
        let skip = (step - batch.first_row % step) % step;
        let picked: Vec<usize> = (skip as usize..batch.rows()).step_by(step as usize).collect();
        let labels = batch.labels.as_ref();
        let label = |i: usize| labels.and_then(|l| l.get(i)).copied().unwrap_or(MISSING);
        for &i in &picked {
            self.labels.push(label(i));
            if let Some(n) = self.sizes.get_mut(label(i) as usize) {
                *n += 1;
            }
        }
        for (name, column) in batch.columns(|r| r == Role::Feature || r.is_text()) {
            match self.columns.get_mut(name) {
                Some(Values::Numbers(all, _)) => match numbers(column) {
                    Some(v) => all.extend(picked.iter().map(|&i| v[i])),
                    None => all.extend(picked.iter().map(|_| f64::NAN)),
                },
                Some(Values::Words(counts)) => {
                    let strings = Strings::new(column);
                    let text = batch.columns(Role::is_text).any(|(n, _)| n == name);
                    for &i in &picked {
                        let Some(s) = strings.get(i) else { continue };
                        for word in parts(s, text).into_iter().map(|p| p.0).collect::<BTreeSet<_>>() {
                            if let Some(n) =
                                counts.get_mut(&word).and_then(|c| c.get_mut(slot(label(i), &self.sizes)))
                            {
                                *n += 1;
                            }
                        }
                    }
                }
                None => {}
            }
        }
    }

    /// The cells and words of a row that are far commoner under the expected label than under the given one.
    pub fn contradicting(&self, row: &Batch, given: &str, expected: &str) -> Vec<Odd> {
        let code = |name: &str| self.classes.iter().position(|c| c == name);
        let (Some(given), Some(expected)) = (code(given), code(expected)) else { return vec![] };
        let mut out = vec![];
        for (name, column) in row.columns(|r| r == Role::Feature || r.is_text()) {
            let text = row.columns(Role::is_text).any(|(n, _)| n == name);
            match self.columns.get(name) {
                Some(Values::Numbers(all, sorted)) => {
                    let Some(v) = numbers(column).and_then(|v| v.first().copied()).filter(|v| v.is_finite())
                    else {
                        continue;
                    };
                    let (low, high) = neighbourhood(sorted, v);
                    let inside = |class: usize| {
                        let both = all.iter().zip(&self.labels);
                        both.filter(|(x, l)| **l as usize == class && (low..=high).contains(*x)).count()
                            as u32
                    };
                    let range =
                        if low < high { format!("{} to {}", short(low), short(high)) } else { short(low) };
                    out.extend(self.commoner((given, inside(given)), (expected, inside(expected))).map(
                        |(why, weight)| Odd {
                            column: name.to_owned(),
                            start: 0,
                            end: 0,
                            why: format!("`{name}` {range}: {why}"),
                            weight,
                        },
                    ));
                }
                Some(Values::Words(counts)) => {
                    let strings = Strings::new(column);
                    for (word, start, end) in parts(strings.get(0).unwrap_or_default(), text) {
                        let Some(n) = counts.get(&word) else { continue };
                        let found = self.commoner((given, n[given]), (expected, n[expected]));
                        out.extend(found.map(|(why, weight)| Odd {
                            column: name.to_owned(),
                            start: if text { start } else { 0 },
                            end: if text { end } else { 0 },
                            why: if text {
                                format!("“{word}”: {why}")
                            } else {
                                format!("`{name}` {word}: {why}")
                            },
                            weight,
                        }));
                    }
                }
                None => {}
            }
        }
        strongest(out)
    }

    /// Why a value speaks against the given label, and how strongly: the lower bound of the logarithm of how much
    /// commoner it is under the expected label.
    fn commoner(
        &self,
        (given, in_given): (usize, u32),
        (expected, in_expected): (usize, u32),
    ) -> Option<(String, f64)> {
        let share = |n: u32, of: usize| (f64::from(n) + 0.5) / (f64::from(self.sizes[of]) + 1.0);
        let ratio = (share(in_expected, expected) / share(in_given, given)).ln();
        let error = (1.0 / (f64::from(in_expected) + 0.5) + 1.0 / (f64::from(in_given) + 0.5)).sqrt();
        let weight = ratio - error;
        let plain = |n: u32, of: usize| percent(f64::from(n) / f64::from(self.sizes[of].max(1)));
        (weight > COMMONER.ln() && in_expected >= 3).then(|| {
            let words = format!(
                "{} of `{}`, {} of `{}`",
                plain(in_expected, expected),
                self.classes[expected],
                plain(in_given, given),
                self.classes[given]
            );
            (words, weight)
        })
    }

    /// The cells of a row that few others reach, the most extreme first.
    pub fn extreme(&self, row: &Batch) -> Vec<Odd> {
        let mut out = vec![];
        for (name, column) in row.columns(|r| r == Role::Feature) {
            let (why, share) = match self.columns.get(name) {
                Some(Values::Numbers(_, sorted)) => {
                    let Some(v) = numbers(column).and_then(|v| v.first().copied()).filter(|v| v.is_finite())
                    else {
                        continue;
                    };
                    let all = sorted.len().max(1) as f64;
                    let above = (sorted.len() - sorted.partition_point(|x| *x < v)) as f64 / all;
                    let below = sorted.partition_point(|x| *x <= v) as f64 / all;
                    let (share, way) = if above < below { (above, "higher") } else { (below, "lower") };
                    (
                        format!("`{name}`: {} of the rows are as high or {way}", percent(share))
                            .replace("as high or lower", "as low or lower"),
                        share,
                    )
                }
                Some(Values::Words(counts)) => {
                    let strings = Strings::new(column);
                    let Some(n) = strings.get(0).and_then(|s| counts.get(s)) else { continue };
                    let share = f64::from(n.iter().sum::<u32>()) / self.labels.len().max(1) as f64;
                    (format!("`{name}`: {} of the rows have this value", percent(share)), share)
                }
                None => continue,
            };
            if share <= EXTREME {
                out.push(Odd { column: name.to_owned(), start: 0, end: 0, why, weight: -share });
            }
        }
        strongest(out)
    }
}

/// Columns to count, and of text and categories what to count.
fn wanted(rows: &BTreeMap<u64, Batch>, classes: usize) -> BTreeMap<String, Values> {
    let mut out = BTreeMap::new();
    for batch in rows.values() {
        for (name, column) in batch.columns(|r| r == Role::Feature || r.is_text()) {
            if is_number(column) {
                out.entry(name.to_owned()).or_insert_with(|| Values::Numbers(vec![], vec![]));
                continue;
            }
            let text = batch.columns(Role::is_text).any(|(n, _)| n == name);
            let entry = out.entry(name.to_owned()).or_insert_with(|| Values::Words(BTreeMap::new()));
            if let Values::Words(counts) = entry {
                for (word, ..) in parts(Strings::new(column).get(0).unwrap_or_default(), text) {
                    counts.entry(word).or_insert_with(|| vec![0; classes + 1]);
                }
            }
        }
    }
    out
}

fn is_number(column: &ArrayRef) -> bool {
    numbers(&column.slice(0, 0)).is_some()
}

/// Where a label is counted; rows without one have the last place.
fn slot(label: u32, sizes: &[u32]) -> usize {
    (label as usize).min(sizes.len())
}

/// Words of a text in lower case with their places, or a category as it is.
fn parts(s: &str, text: bool) -> Vec<(String, usize, usize)> {
    if !text {
        return vec![(s.to_owned(), 0, 0)];
    }
    let mut out = vec![];
    let mut start = None;
    for (at, c) in s.char_indices().chain([(s.len(), ' ')]) {
        match (start, c.is_alphanumeric() || c == '\'') {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                out.push((s[from..at].to_lowercase(), from, at));
                start = None;
            }
            _ => {}
        }
    }
    out
}

/// The range of the values around `v`: itself where there are few different ones, else a twentieth of the rows.
fn neighbourhood(sorted: &[f64], v: f64) -> (f64, f64) {
    let few = sorted.chunk_by(|a, b| a == b).take(FEW + 1).count() <= FEW;
    let (low, high) = (sorted.partition_point(|x| *x < v), sorted.partition_point(|x| *x <= v));
    let half = ((sorted.len() as f64 * NEAR / 2.0) as usize).max(5);
    if few || high - low >= 2 * half {
        return (v, v);
    }
    let at = |i: usize| sorted.get(i).copied().unwrap_or(v);
    (at(low.saturating_sub(half)).min(v), at((high + half).min(sorted.len().saturating_sub(1))).max(v))
}

/// The strongest first; a word that stands twice is marked twice, but counts once.
fn strongest(mut all: Vec<Odd>) -> Vec<Odd> {
    all.sort_by(|a, b| {
        b.weight.total_cmp(&a.weight).then_with(|| a.column.cmp(&b.column)).then(a.start.cmp(&b.start))
    });
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    all.retain(|o| reasons.contains(&o.why) || (reasons.len() < MOST && reasons.insert(o.why.clone())));
    all
}

fn percent(share: f64) -> String {
    let p = 100.0 * share;
    match p {
        _ if p == 0.0 => "none".into(),
        _ if p < 0.1 => "under 0.1 %".into(),
        _ if p < 10.0 => format!("{p:.1} %"),
        _ => format!("{p:.0} %"),
    }
}

/// A bound of a range to four digits.
fn short(v: f64) -> String {
    if v.abs() >= 1e6 || (v != 0.0 && v.abs() < 1e-3) {
        return format!("{v:.2e}");
    }
    let text = format!("{v:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_places() {
        let s = "Ring 0800, don't wait: ÄRGER";
        let all = parts(s, true);
        assert_eq!(
            all.iter().map(|p| p.0.as_str()).collect::<Vec<_>>(),
            ["ring", "0800", "don't", "wait", "ärger"]
        );
        assert!(all.iter().all(|(w, a, b)| s[*a..*b].to_lowercase() == *w));
        assert_eq!(parts("State gov", false), [("State gov".to_owned(), 0, 0)]);
    }

    #[test]
    fn neighbourhoods_hold_the_value() {
        let few: Vec<f64> = (0..100).map(|i| f64::from(i % 4)).collect::<Vec<_>>();
        let mut few = few;
        few.sort_by(f64::total_cmp);
        assert_eq!(neighbourhood(&few, 2.0), (2.0, 2.0));
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        for v in [0.0, 500.0, 999.0] {
            let (low, high) = neighbourhood(&many, v);
            assert!(low <= v && v <= high && high - low < 120.0, "{v}: {low} {high}");
        }
        assert_eq!(neighbourhood(&[], 1.0), (1.0, 1.0));
    }

    #[test]
    fn what_is_commoner_elsewhere_is_odd() {
        let shares = Shares {
            classes: vec!["a".into(), "b".into()],
            labels: vec![],
            sizes: vec![100, 100],
            columns: BTreeMap::new(),
        };
        assert!(shares.commoner((0, 2), (1, 40)).is_some());
        assert!(shares.commoner((0, 38), (1, 40)).is_none(), "equal shares");
        assert!(shares.commoner((0, 0), (1, 2)).is_none(), "too few to say");
        assert!(shares.commoner((0, 40), (1, 2)).is_none(), "speaks for the given label");
    }
}
