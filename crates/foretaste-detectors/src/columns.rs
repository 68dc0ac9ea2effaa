//! Feature columns gathered from batches, and their values as codes.

mod wide;

use arrow_array::ArrayRef;
use foretaste_core::{Batch, Condition, MISSING, Role, Strings, numbers};
use foretaste_num::rules::CodedColumn;
use foretaste_num::spikes::spikes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Parts of a column of numbers.
const BINS: usize = 16;
/// Parts of a column of categories; the others share one.
const LEVELS: usize = 64;
/// Distinct numbers from which the smallest and the largest are special.
const VARIED: usize = 10;
/// Most exact values of a column that are told apart.
const ITEMS: usize = 512;
/// Most narrow ranges of a column of numbers that are told apart.
const SPIKES: usize = 16;

/// Feature columns and labels in pieces, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Columns {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    first_row: u64,
    labels: Vec<u32>,
    columns: Vec<(String, Cells)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Cells {
    Numbers(Vec<f64>),
    Words { codes: Vec<u32>, words: Vec<String> },
}

impl Cells {
    fn read(column: &ArrayRef) -> Self {
        if let Some(values) = numbers(column) {
            return Self::Numbers(values);
        }
        let strings = Strings::new(column);
        let (mut known, mut words): (HashMap<&str, u32>, Vec<String>) = (HashMap::new(), vec![]);
        let codes = (0..strings.len()).map(|i| match strings.get(i) {
            None => u32::MAX,
            Some(word) => *known.entry(word).or_insert_with(|| {
                words.push(word.to_owned());
                words.len() as u32 - 1
            }),
        });
        let codes = codes.collect();
        Self::Words { codes, words }
    }
}

/// A column in codes, and what its frequent values are.
pub struct Coded {
    /// Name.
    pub name: String,
    /// Parts, and as items frequent values, empty cells, and ranges in which numbers lie close.
    pub column: CodedColumn,
    /// What each item is.
    pub conditions: Vec<Condition>,
    /// Frequent values that are the smallest or the largest number of a column of at least [`VARIED`] numbers.
    pub edges: Vec<u32>,
}

impl Columns {
    /// Takes in the feature columns of a batch.
    pub fn push(&mut self, batch: &Batch) {
        let columns =
            batch.columns(|r| r == Role::Feature).map(|(name, c)| (name.to_owned(), Cells::read(c)));
        self.pieces.push(Piece {
            first_row: batch.first_row,
            labels: batch.labels.as_ref().map_or_else(|| vec![MISSING; batch.rows()], |l| l.to_vec()),
            columns: columns.collect(),
        });
    }

    pub fn merge(&mut self, from: Self) {
        self.pieces.extend(from.pieces);
    }

    /// Labels, and names and values of the columns of numbers, in the order of rows.
    pub fn plain(&mut self) -> (Vec<u32>, Vec<(String, Vec<f64>)>) {
        self.pieces.sort_by_key(|p| p.first_row);
        let labels = self.pieces.iter().flat_map(|p| &p.labels).copied().collect();
        let names = self.pieces.first().map(|p| p.columns.iter().map(|c| c.0.clone()).collect());
        let one = |(at, name): (usize, String)| {
            let cells = self.pieces.iter().map(|p| match p.columns.get(at) {
                Some((_, Cells::Numbers(v))) => Some(v.as_slice()),
                _ => None,
            });
            Some((name, cells.collect::<Option<Vec<&[f64]>>>()?.concat()))
        };
        let names: Vec<String> = names.unwrap_or_default();
        (labels, names.into_iter().enumerate().filter_map(one).collect())
    }

    /// Runs of rows, labels and coded columns, in the order of rows. A value in fewer than `least` rows is not told apart.
    pub fn code(mut self, least: usize) -> (Vec<(u64, u64)>, Vec<u32>, Vec<Coded>) {
        self.pieces.sort_by_key(|p| p.first_row);
        let (mut runs, mut labels) = (vec![], vec![]);
        for p in &self.pieces {
            crate::gather::add_run(&mut runs, p.first_row, p.labels.len() as u64);
            labels.extend_from_slice(&p.labels);
        }
        let names: Vec<String> =
            self.pieces.first().map(|p| p.columns.iter().map(|c| c.0.clone()).collect()).unwrap_or_default();
        let mut out = vec![];
        for (at, name) in names.into_iter().enumerate() {
            let cells: Vec<&Cells> =
                self.pieces.iter().filter_map(|p| p.columns.get(at).map(|c| &c.1)).collect();
            if cells.len() < self.pieces.len() {
                continue;
            }
            let all_numbers = cells.iter().all(|c| matches!(c, Cells::Numbers(_)));
            out.push(if all_numbers {
                numeric(name, &cells, least)
            } else {
                categories(name, &cells, least)
            });
        }
        (runs, labels, out)
    }
}

fn numeric(name: String, cells: &[&Cells], least: usize) -> Coded {
    let values: Vec<f64> = cells
        .iter()
        .flat_map(|c| match c {
            Cells::Numbers(v) => v.as_slice(),
            Cells::Words { .. } => &[],
        })
        .map(|v| if *v == 0.0 { 0.0 } else { *v })
        .collect();
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut cuts: Vec<f64> = (1..BINS).filter_map(|i| sorted.get(i * sorted.len() / BINS).copied()).collect();
    cuts.dedup();
    let missing = cuts.len() as u32 + 1;
    let bin = |v: &f64| if v.is_finite() { cuts.partition_point(|c| c <= v) as u32 } else { missing };
    let mut frequent: Vec<(usize, f64)> =
        sorted.chunk_by(|a, b| a == b).filter(|r| r.len() >= least).map(|r| (r.len(), r[0])).collect();
    frequent.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
    frequent.truncate(ITEMS);
    let items: HashMap<u64, u32> =
        frequent.iter().enumerate().map(|(i, (_, v))| (v.to_bits(), i as u32)).collect();
    let distinct = sorted.chunk_by(|a, b| a == b).take(VARIED).count();
    let ends = [sorted.first(), sorted.last()].into_iter().flatten().filter(|_| distinct >= VARIED);
    let edges = ends.filter_map(|v| items.get(&v.to_bits()).copied()).collect();
    let ranges = ranges(&sorted, least);
    let known: Vec<String> = frequent.into_iter().map(|(_, v)| v.to_string()).collect();
    let empty = known.len() as u32;
    let item = |v: &f64| {
        // a value of a range is not told apart from its neighbours
        let range = ranges.iter().position(|(from, to)| from <= v && v <= to);
        match range {
            _ if !v.is_finite() => empty,
            Some(at) => empty + 1 + at as u32,
            None => items.get(&v.to_bits()).copied().unwrap_or(u32::MAX),
        }
    };
    let column = CodedColumn {
        bin: values.iter().map(bin).collect(),
        bins: missing as usize + 1,
        item: values.iter().map(item).collect(),
        items: known.len() + 1 + ranges.len(),
    };
    let mut conditions = conditions(&name, known);
    conditions.extend(ranges.iter().map(|(from, to)| Condition {
        column: name.clone(),
        value: Some(from.to_string()),
        to: Some(to.to_string()),
    }));
    Coded { name, column, conditions, edges }
}

/// Narrow ranges of at least `least` rows, no single value of which makes up half.
fn ranges(sorted: &[f64], least: usize) -> Vec<(f64, f64)> {
    let mut out = spikes(sorted, SPIKES);
    out.retain(|(from, to)| {
        let inside = &sorted[sorted.partition_point(|v| v < from)..sorted.partition_point(|v| v <= to)];
        let most = inside.chunk_by(|a, b| a == b).map(<[f64]>::len).max().unwrap_or(0);
        inside.len() >= least && 2 * most < inside.len()
    });
    out
}

/// Values, and after them the empty cell.
fn conditions(column: &str, values: Vec<String>) -> Vec<Condition> {
    let values = values.into_iter().map(Some).chain([None]);
    values.map(|value| Condition { column: column.to_owned(), value, to: None }).collect()
}

/// Every cell as a word, numbers as they are written; `None` where one is missing.
fn words(cells: &[&Cells]) -> Vec<Option<String>> {
    let mut words = vec![];
    for c in cells {
        match c {
            Cells::Numbers(v) => words.extend(v.iter().map(|v| v.is_finite().then(|| v.to_string()))),
            Cells::Words { codes, words: known } => {
                words.extend(codes.iter().map(|c| known.get(*c as usize).cloned()));
            }
        }
    }
    words
}

fn categories(name: String, cells: &[&Cells], least: usize) -> Coded {
    let words = words(cells);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words.iter().flatten().for_each(|w| *counts.entry(w).or_default() += 1);
    let mut frequent: Vec<(usize, &str)> =
        counts.into_iter().filter(|(_, n)| *n >= least).map(|(w, n)| (n, w)).collect();
    frequent.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    frequent.truncate(ITEMS);
    let items: HashMap<&str, u32> = frequent.iter().enumerate().map(|(i, (_, w))| (*w, i as u32)).collect();
    let levels = frequent.len().min(LEVELS) as u32;
    let empty = frequent.len() as u32;
    let item = words.iter().map(|w| match w {
        None => empty,
        Some(w) => items.get(w.as_str()).copied().unwrap_or(u32::MAX),
    });
    let item: Vec<u32> = item.collect();
    let bin = words.iter().zip(&item).map(|(w, i)| match w {
        None => levels + 1,
        Some(_) => (*i).min(levels),
    });
    let column =
        CodedColumn { bin: bin.collect(), bins: levels as usize + 2, items: frequent.len() + 1, item };
    let known = frequent.iter().map(|(_, w)| (*w).to_owned()).collect();
    Coded { conditions: conditions(&name, known), name, column, edges: vec![] }
}
