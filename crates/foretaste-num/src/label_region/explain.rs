//! How well neighbours explain labels.

use super::sequence::{bernoulli, logistic};
use crate::knn::Neighbours;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Numbers of neighbours that are asked.
const ASKED: [usize; 5] = [1, 3, 5, 10, MOST];
const MOST: usize = 20;
/// How much log-odds change between no neighbour of the class and all of them.
const WEIGHTS: [f64; 8] = [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 20.0];
/// Log-odds at one half of the neighbours that are tried: from -4 to 4 in steps of a half.
const OFFSETS: i32 = 8;

/// Logarithms of all probabilities that are tried, and of what is left to one.
struct Table(Vec<(f64, f64)>);

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

impl Table {
    fn new() -> Self {
        let mut out = vec![];
        for asked in ASKED {
            for weight in WEIGHTS.iter().rev() {
                for offset in offsets() {
                    out.extend((0..=asked).map(|own| {
                        let share = own as f64 / asked as f64 - 0.5;
                        let p = logistic(f64::from(offset) / 2.0 + weight * share);
                        (bernoulli(1.0, 0.0, p), bernoulli(0.0, 1.0, p))
                    }));
                }
            }
        }
        Self(out)
    }
}

/// From the middle outwards.
fn offsets() -> impl Iterator<Item = i32> {
    (0..=2 * OFFSETS).map(|i| if i % 2 == 0 { i / 2 } else { -(i + 1) / 2 })
}

/// How many of the neighbours of each row are of a class, of two classes only: for each number of neighbours, and last
/// whether the row itself is of another.
pub struct Votes(Vec<[u8; ASKED.len() + 1]>);

/// Votes that were counted once, by class and others.
#[derive(Default)]
pub struct Kept(RwLock<BTreeMap<Pair, Arc<Votes>>>);

/// A class, and the one around it (`None`: all others).
type Pair = (u32, Option<u32>);

impl Kept {
    /// Those of two classes, counted by `count` if nobody did before.
    pub fn of(&self, class: u32, around: Option<u32>, count: impl FnOnce() -> Votes) -> Arc<Votes> {
        let read = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(votes) = read.get(&(class, around)) {
            return votes.clone();
        }
        drop(read);
        let votes = Arc::new(count());
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert((class, around), votes.clone());
        votes
    }
}

impl Votes {
    /// Counts; rows that are of neither are counted as the others.
    pub fn of(near: &Neighbours, labels: &[u32], class: u32, of: impl Fn(u32) -> bool) -> Self {
        let one = |at: usize| {
            let mut out = [0; ASKED.len() + 1];
            out[ASKED.len()] = u8::from(labels[at] != class);
            let list = near.index.get(at * near.k..(at + 1) * near.k).unwrap_or_default();
            let (mut own, mut all, mut next) = (0usize, 0usize, 0);
            for label in list.iter().filter_map(|j| labels.get(*j as usize)).filter(|l| of(**l)) {
                own += usize::from(*label == class);
                all += 1;
                if ASKED.get(next) == Some(&all) {
                    out[next] = own as u8;
                    next += 1;
                }
                if next == ASKED.len() {
                    break;
                }
            }
            // fewer neighbours than asked for: their share stands for it, a half where there are none
            for (asked, out) in ASKED.iter().zip(&mut out).skip(next) {
                let share = if all == 0 { 0.5 } else { own as f64 / all as f64 };
                *out = (share * *asked as f64).round() as u8;
            }
            out
        };
        Self((0..labels.len()).map(one).collect())
    }

    /// The best log-likelihood of the labels of some rows as a logistic function of the share of the class among the neighbours
    /// of each. The number of neighbours and both coefficients are those that explain best. `None` if it is above `enough`.
    pub fn explain(&self, rows: &[u32], enough: f64) -> Option<f64> {
        let mut seen = [[[0.0; 2]; MOST + 1]; ASKED.len()];
        for row in rows {
            let votes = &self.0[*row as usize];
            let other = votes[ASKED.len()] as usize;
            seen.iter_mut().zip(votes).for_each(|(s, own)| s[*own as usize][other] += 1.0);
        }
        let mut lines = TABLE.0.as_slice();
        let mut best = f64::NEG_INFINITY;
        for (asked, seen) in ASKED.iter().zip(&seen) {
            for _ in 0..WEIGHTS.len() * (2 * OFFSETS as usize + 1) {
                let (line, rest) = lines.split_at(asked + 1);
                lines = rest;
                let sum: f64 = line.iter().zip(seen).map(|((yes, no), [a, b])| a * yes + b * no).sum();
                best = best.max(sum);
                if best > enough {
                    return None;
                }
            }
        }
        Some(best)
    }
}
