//! Gradient boosted trees over binned columns.
//!
//! Friedman, "Greedy function approximation: a gradient boosting machine", 2001; histograms, growth by the leaf of the
//! largest gain and ordered categories as in Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", 2017.
//! Numbers become at most 255 quantile bins and a bin for what is missing, which goes to the side that suits it. Categories
//! are ordered in each node by their mean gradient and divided at the best place of that order (Fisher 1958). Two classes
//! are learnt by logistic loss, more by softmax loss with a tree a class and round.

mod bins;
mod grow;
mod histogram;
mod split;
mod tree;

use crate::rng::Rng;
use crate::softmax::math::{exp, sigmoid};
use bins::{Bins, Rule};
use grow::{Soil, grow};
use histogram::{Sample, Scale};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use split::Rules;
use tree::Tree;

/// Rows handled by one task where rows are independent.
const CHUNK: usize = 4096;
/// A held-out loss counts as better if it is lower by this.
const TOLERANCE: f64 = 1e-7;

/// A column as it comes.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// Numbers, NaN where missing. Infinities are numbers.
    Number(&'a [f64]),
    /// Codes of categories, `u32::MAX` where missing.
    Category(&'a [u32]),
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Number(v) => v.len(),
            Self::Category(c) => c.len(),
        }
    }
}

/// How to boost.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Rounds at most.
    pub rounds: usize,
    /// Share of each step that is taken.
    pub learning_rate: f64,
    /// Leaves of a tree at most.
    pub leaves: usize,
    /// Questions between root and leaf at most; 0: no limit.
    pub depth: usize,
    /// Samples in a leaf at least.
    pub min_leaf: usize,
    /// Penalty on the squared values of leaves.
    pub l2: f64,
    /// Longest step of a score in one round, before `learning_rate`. Where the model is surely wrong the loss has next to no
    /// curvature, and uncut steps overshoot until the scores run away (Friedman, Hastie, Tibshirani, "Additive logistic
    /// regression", 2000, section 5.2, advise a bound of 2 to 4).
    pub max_step: f64,
    /// Bins of a column at most, 2 to 255, without the bin for missing values.
    pub bins: usize,
    /// Rounds without a better loss on a held-out tenth after which to stop; 0: never, and nothing is held out.
    pub patience: usize,
    /// Seed of the held-out tenth and, above 200,000 rows, of the values that quantiles are taken from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 100,
            learning_rate: 0.1,
            leaves: 31,
            depth: 0,
            min_leaf: 20,
            l2: 0.0,
            max_step: 4.0,
            bins: 255,
            patience: 0,
            seed: 0,
        }
    }
}

/// A trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosted {
    classes: usize,
    /// Classes that occur in training, ascending; the others have no probability.
    present: Vec<u32>,
    rules: Vec<Rule>,
    /// Score of each output before the first tree: one for two classes, else one a class.
    start: Vec<f32>,
    /// Rounds, each with a tree an output.
    rounds: Vec<Vec<Tree>>,
    /// Mean log-loss on the held-out tenth after each round, in nats.
    held_out: Vec<f64>,
}

/// Trains on columns of one length. `labels`: one a row; rows of labels not below `classes` are left out.
#[must_use]
pub fn fit(columns: &[Column<'_>], labels: &[u32], classes: usize, options: &Options) -> Boosted {
    let rows = columns.iter().map(Column::len).min().unwrap_or(labels.len()).min(labels.len());
    let labelled: Vec<u32> = (0..rows.min(u32::MAX as usize) as u32)
        .filter(|&i| labels.get(i as usize).is_some_and(|&l| (l as usize) < classes))
        .collect();
    let (train, held_out) = hold_out(labelled, options);
    let label = |i: &u32| labels.get(*i as usize).copied().unwrap_or(0);
    let mut present: Vec<u32> = train.iter().map(label).collect();
    present.sort_unstable();
    present.dedup();
    let class = |i: &u32| present.binary_search(&label(i)).unwrap_or(usize::MAX) as u32;
    let targets: Vec<u32> = train.iter().map(class).collect();
    let held_targets: Vec<u32> = held_out.iter().map(class).collect();

    let most = options.bins.clamp(2, 255);
    let rules: Vec<Rule> = columns.par_iter().map(|c| Rule::learn(c, &train, most, options.seed)).collect();
    let bins = Bins::new(&rules, columns, &train);
    let held = Held { bins: Bins::new(&rules, columns, &held_out), targets: held_targets };
    let mut model = Boosted {
        classes,
        start: start(&targets, present.len()),
        present,
        rules,
        rounds: vec![],
        held_out: vec![],
    };
    if model.present.len() > 1 {
        model.boost(&bins, &targets, &held, options);
    }
    model
}

/// Rows to train on and, if the options ask, a tenth to stop by; both ascending.
fn hold_out(mut rows: Vec<u32>, options: &Options) -> (Vec<u32>, Vec<u32>) {
    if options.patience == 0 || rows.len() < 20 {
        return (rows, vec![]);
    }
    Rng::new(options.seed, "boost/hold-out").shuffle(&mut rows);
    let mut train = rows.split_off(rows.len() / 10);
    train.sort_unstable();
    rows.sort_unstable();
    (train, rows)
}

/// The best constant scores: log-odds of the second of two classes, else centred log-shares.
fn start(targets: &[u32], classes: usize) -> Vec<f32> {
    let mut counts = vec![0f64; classes];
    targets.iter().for_each(|&t| counts[t as usize] += 1.0);
    if classes == 2 {
        return vec![(counts[1] / counts[0]).ln() as f32];
    }
    let logs: Vec<f64> = counts.iter().map(|c| (c / targets.len().max(1) as f64).ln()).collect();
    let mean = logs.iter().sum::<f64>() / classes.max(1) as f64;
    logs.iter().map(|l| (l - mean) as f32).collect()
}

/// Rows to stop by.
struct Held {
    bins: Bins,
    targets: Vec<u32>,
}

impl Boosted {
    /// Class probabilities: rows x classes, row after row. Columns as in training; a column that is missing or of another
    /// kind counts as missing values.
    #[must_use]
    pub fn predict(&self, columns: &[Column<'_>]) -> Vec<f32> {
        let rows = columns.iter().map(Column::len).max().unwrap_or(0).min(u32::MAX as usize);
        let every: Vec<u32> = (0..rows as u32).collect();
        let scores = self.scores(&Bins::new(&self.rules, columns, &every), &self.rounds);
        let outputs = self.start.len().max(1);
        let mut out = vec![0f32; rows * self.classes];
        for (p, z) in out.chunks_exact_mut(self.classes.max(1)).zip(scores.chunks_exact(outputs)) {
            let mut shares = vec![0f32; self.present.len()];
            probabilities(z, &mut shares);
            if shares.is_empty() {
                p.fill(1.0 / self.classes as f32);
            }
            for (&class, share) in self.present.iter().zip(shares) {
                if let Some(p) = p.get_mut(class as usize) {
                    *p = share;
                }
            }
        }
        out
    }

    /// Number of rounds that were kept.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Mean log-loss on the held-out tenth after each round, in nats; empty if nothing was held out.
    #[must_use]
    pub fn held_out_loss(&self) -> &[f64] {
        &self.held_out
    }

    /// Scores, rows x outputs.
    fn scores(&self, bins: &Bins, rounds: &[Vec<Tree>]) -> Vec<f32> {
        let outputs = self.start.len().max(1);
        let mut out = vec![0f32; bins.rows * outputs];
        out.par_chunks_mut(CHUNK * outputs).enumerate().for_each(|(chunk, out)| {
            let mut row = vec![];
            for (i, z) in out.chunks_exact_mut(outputs).enumerate() {
                bins.row(chunk * CHUNK + i, &mut row);
                z.iter_mut().zip(&self.start).for_each(|(z, s)| *z = *s);
                for round in rounds {
                    z.iter_mut().zip(round).for_each(|(z, tree)| *z += tree.value(&row));
                }
            }
        });
        out
    }

    fn boost(&mut self, bins: &Bins, targets: &[u32], held: &Held, options: &Options) {
        let filled: Vec<usize> = self.rules.iter().map(Rule::filled).collect();
        let category: Vec<bool> = self.rules.iter().map(Rule::is_category).collect();
        let finite = |v: f64| if v.is_finite() { v.max(0.0) } else { 0.0 };
        let soil = Soil {
            bins,
            filled: &filled,
            category: &category,
            rules: Rules {
                scale: Scale::new(targets.len()),
                min_leaf: options.min_leaf as u64,
                l2: finite(options.l2),
                max_step: if options.max_step > 0.0 { options.max_step } else { f64::MAX },
            },
            leaves: options.leaves,
            depth: options.depth,
            learning_rate: finite(options.learning_rate),
        };
        // output after output, so that a tree's task owns the scores it changes
        let mut outputs: Vec<Output> = self.start.iter().map(|&s| Output::new(s, targets.len())).collect();
        let mut held_scores = self.scores(&held.bins, &[]);
        let (mut best, mut best_round) = (log_loss(&held_scores, &held.targets), 0);
        let mut shared = Shared::default();
        for round in 1..=options.rounds {
            if outputs.len() > 1 {
                shared.update(&outputs, targets.len());
            }
            let trees: Vec<Tree> = outputs
                .par_iter_mut()
                .enumerate()
                .map(|(class, output)| {
                    output.gradients(class as u32, targets, &shared, soil.rules.scale);
                    output.grow(&soil)
                })
                .collect();
            self.rounds.push(trees);
            if held.targets.is_empty() {
                continue;
            }
            let (width, last) = (outputs.len(), &self.rounds[round - 1]);
            let mut row = vec![];
            for (i, z) in held_scores.chunks_exact_mut(width).enumerate() {
                held.bins.row(i, &mut row);
                z.iter_mut().zip(last).for_each(|(z, tree)| *z += tree.value(&row));
            }
            let loss = log_loss(&held_scores, &held.targets);
            self.held_out.push(loss);
            if loss < best - TOLERANCE {
                (best, best_round) = (loss, round);
            } else if round - best_round >= options.patience {
                break;
            }
        }
        if !held.targets.is_empty() {
            self.rounds.truncate(best_round);
        }
    }
}

/// What the softmax of a row needs besides its own score: the largest score, and one over the sum of exponentials.
#[derive(Default)]
struct Shared {
    top: Vec<f32>,
    scale: Vec<f32>,
}

impl Shared {
    fn update(&mut self, outputs: &[Output], rows: usize) {
        self.top.resize(rows, 0.0);
        self.scale.resize(rows, 0.0);
        self.top.par_chunks_mut(CHUNK).zip(self.scale.par_chunks_mut(CHUNK)).enumerate().for_each(
            |(chunk, (top, scale))| {
                let part = |o: &'_ Output| chunk * CHUNK..(chunk * CHUNK + top_len(o, chunk));
                top.fill(f32::NEG_INFINITY);
                for o in outputs {
                    let z = &o.scores[part(o)];
                    top.iter_mut().zip(z).for_each(|(t, z)| *t = if *z > *t { *z } else { *t });
                }
                scale.fill(0.0);
                for o in outputs {
                    let z = &o.scores[part(o)];
                    scale.iter_mut().zip(z).zip(&*top).for_each(|((s, z), t)| *s += exp(z - t));
                }
                scale.iter_mut().for_each(|s| *s = 1.0 / *s);
            },
        );
    }
}

/// Rows of a chunk.
fn top_len(output: &Output, chunk: usize) -> usize {
    (output.scores.len() - chunk * CHUNK).min(CHUNK)
}

/// The scores of one class, or of the second of two, and the samples with their gradients.
struct Output {
    scores: Vec<f32>,
    samples: Vec<Sample>,
}

impl Output {
    fn new(start: f32, rows: usize) -> Self {
        Self { scores: vec![start; rows], samples: vec![Sample::default(); rows] }
    }

    /// Gradients and curvatures of the loss at the scores. `shared` is that of the softmax, empty for the logistic loss.
    fn gradients(&mut self, class: u32, targets: &[u32], shared: &Shared, scale: Scale) {
        let logistic = shared.top.is_empty();
        self.samples.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, samples)| {
            let first = chunk * CHUNK;
            for (k, sample) in samples.iter_mut().enumerate() {
                let row = first + k;
                let (score, target) = (self.scores[row], targets[row]);
                let (gradient, curvature) = if logistic {
                    // the probability of the wrong class, so that none of its bits are lost when it is small
                    let wrong = sigmoid(if target == 1 { -score } else { score });
                    (if target == 1 { -wrong } else { wrong }, wrong * (1.0 - wrong))
                } else {
                    let p = (exp(score - shared.top[row]) * shared.scale[row]).min(1.0);
                    (p - f32::from(u8::from(target == class)), p * (1.0 - p))
                };
                *sample = scale.sample(row as u32, gradient, curvature);
            }
        });
    }

    fn grow(&mut self, soil: &Soil<'_>) -> Tree {
        let (tree, leaves) = grow(soil, &mut self.samples);
        for (&value, leaf) in tree.leaves.iter().zip(leaves) {
            for sample in &self.samples[leaf] {
                self.scores[sample.row as usize] += value;
            }
        }
        tree
    }
}

/// Turns the scores of a row into probabilities; one score is that of the second of two.
fn probabilities(z: &[f32], out: &mut [f32]) {
    match out {
        [] => {}
        [one] => *one = 1.0,
        _ => crate::softmax::math::probabilities(z, out),
    }
}

/// Mean log-loss of scores (rows x outputs), in nats. Classes that were not trained on cost as the least likely do.
fn log_loss(scores: &[f32], targets: &[u32]) -> f64 {
    let width = scores.len().checked_div(targets.len()).unwrap_or(0).max(1);
    let mut shares = vec![0f32; width.max(2)];
    let mut sum = 0f64;
    for (z, &target) in scores.chunks_exact(width).zip(targets) {
        probabilities(z, &mut shares);
        let p = shares.get(target as usize).copied().unwrap_or(0.0);
        sum -= f64::from(p.max(f32::MIN_POSITIVE)).ln();
    }
    sum / targets.len().max(1) as f64
}

#[cfg(test)]
mod tests;
