//! A network of one or two hidden layers, for sparse or dense rows.
//!
//! Linear layers with ReLU between them and the softmax cross-entropy at the end, trained by Adam (Kingma and Ba, "Adam: A
//! Method for Stochastic Optimization", 2015, algorithm 1). Batches are worked on by one thread in a fixed order and parameters
//! move each on its own: the number of threads changes no bit of any result.

use crate::ngrams::Csr;
use crate::rng::Rng;
use crate::softmax::Rows;
use crate::span::{Span, product};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How a network is built and trained.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpOptions {
    /// Values of each hidden layer, in order.
    pub hidden: Vec<usize>,
    /// Times that every row is looked at.
    pub epochs: usize,
    /// Rows of one step.
    pub batch: usize,
    /// Size of the steps.
    pub learning_rate: f64,
    /// Squared penalty on the weights, as a share of each that is added to its gradient.
    pub l2: f64,
    /// Seed of weights and order.
    pub seed: u64,
}

impl Default for MlpOptions {
    fn default() -> Self {
        Self { hidden: vec![64], epochs: 30, batch: 64, learning_rate: 1e-3, l2: 1e-4, seed: 0 }
    }
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mlp {
    /// Columns, values of the hidden layers, classes.
    sizes: Vec<usize>,
    /// Of each layer the weights, `from x to`, then its biases.
    params: Vec<f32>,
}

/// Parameters that one task moves.
const MOVED: usize = 16_384;
/// Rows of one pass when nothing is learnt.
const BATCH: usize = 256;
/// Adam's decay of the mean gradient, of its square, and what keeps the division sound; the paper's.
const BETA: (f64, f64, f64) = (0.9, 0.999, 1e-8);

impl Mlp {
    /// Trains on all rows whose label is below `classes`. Values that are not finite count as zero. Without a labelled row the
    /// weights are as drawn.
    #[must_use]
    pub fn train(rows: Rows<'_>, labels: &[u32], classes: usize, options: &MlpOptions) -> Self {
        let mut net = Self::new(rows.cols(), classes, &options.hidden, options.seed);
        let mut order: Vec<u32> = (0u32..)
            .zip(labels)
            .take(rows.len())
            .filter(|(_, l)| (**l as usize) < classes)
            .map(|k| k.0)
            .collect();
        let mut adam = Adam::new(net.params.len());
        for epoch in 0..options.epochs {
            Rng::at(options.seed, "mlp/order", epoch as u64).shuffle(&mut order);
            for batch in order.chunks(options.batch.max(1)) {
                let labels: Vec<u32> = batch.iter().map(|i| labels[*i as usize]).collect();
                let gradient = net.gradient(&Batch::new(rows, batch), &labels, options.l2);
                adam.step(&mut net.params, &gradient, options.learning_rate);
            }
        }
        net
    }

    /// Normal weights of variance 2 / inputs (He and others 2015), biases zero.
    fn new(cols: usize, classes: usize, hidden: &[usize], seed: u64) -> Self {
        let sizes: Vec<usize> = [cols].into_iter().chain(hidden.iter().copied()).chain([classes]).collect();
        let mut rng = Rng::new(seed, "mlp/weights");
        let mut params = vec![];
        for pair in sizes.windows(2) {
            let spread = (2.0 / pair[0].max(1) as f64).sqrt();
            params.extend((0..pair[0] * pair[1]).map(|_| (spread * rng.normal()) as f32));
            params.resize(params.len() + pair[1], 0.0);
        }
        Self { sizes, params }
    }

    /// Probabilities of the classes, `rows x classes`; rows of another width than it was trained on give equal shares.
    #[must_use]
    pub fn probabilities(&self, rows: Rows<'_>) -> Vec<f32> {
        let classes = self.sizes.last().copied().unwrap_or(0);
        if self.sizes.first() != Some(&rows.cols()) {
            return vec![1.0 / classes.max(1) as f32; rows.len() * classes];
        }
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let parts: Vec<Vec<f32>> = all
            .par_chunks(BATCH)
            .map(|part| self.forward(&Batch::new(rows, part)).pop().unwrap_or_default())
            .collect();
        parts.concat()
    }

    /// Where the weights and biases of each layer begin and end.
    fn layers(&self) -> impl DoubleEndedIterator<Item = Layer> + ExactSizeIterator {
        let mut at = 0;
        let layer = |pair: &[usize]| {
            let start = at;
            at += (pair[0] + 1) * pair[1];
            Layer { from: pair[0], to: pair[1], start }
        };
        self.sizes.windows(2).map(layer).collect::<Vec<_>>().into_iter()
    }

    /// What each layer gives; the last gives probabilities.
    fn forward(&self, batch: &Batch) -> Vec<Vec<f32>> {
        let (last, mut out) = (self.layers().len() - 1, Vec::<Vec<f32>>::new());
        for (k, layer) in self.layers().enumerate() {
            let (weights, bias) = self.params[layer.range()].split_at(layer.from * layer.to);
            let mut z = bias.repeat(batch.rows());
            match out.last() {
                None => batch.forward(weights, &mut z, layer.to),
                Some(x) => {
                    let x = Span::rows(x, batch.rows(), layer.from);
                    product(x, Span::rows(weights, layer.from, layer.to), &mut z, true);
                }
            }
            if k == last {
                z.chunks_exact_mut(layer.to.max(1)).for_each(softmax);
            } else {
                z.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            out.push(z);
        }
        out
    }

    /// Gradient of the mean cross-entropy and half the penalty. Biases are not penalised.
    fn gradient(&self, batch: &Batch, labels: &[u32], l2: f64) -> Vec<f32> {
        let mut values = self.forward(batch);
        let mut gradient = vec![0f32; self.params.len()];
        let mut d = values.pop().unwrap_or_default();
        let share = 1.0 / labels.len().max(1) as f32;
        let classes = self.sizes.last().copied().unwrap_or(1).max(1);
        for (d, label) in d.chunks_exact_mut(classes).zip(labels) {
            d[*label as usize] -= 1.0;
            d.iter_mut().for_each(|d| *d *= share);
        }
        for layer in self.layers().rev() {
            let (weights, _) = self.params[layer.range()].split_at(layer.from * layer.to);
            let (of_weights, of_bias) = gradient[layer.range()].split_at_mut(layer.from * layer.to);
            for row in d.chunks_exact(layer.to.max(1)) {
                of_bias.iter_mut().zip(row).for_each(|(b, d)| *b += d);
            }
            let Some(below) = values.pop() else {
                batch.backward(&d, of_weights, layer.to);
                of_weights.iter_mut().zip(weights).for_each(|(g, w)| *g += l2 as f32 * w);
                break;
            };
            let n = batch.rows();
            let errors = Span::rows(&d, n, layer.to);
            product(Span::rows(&below, n, layer.from).turned(), errors, of_weights, false);
            of_weights.iter_mut().zip(weights).for_each(|(g, w)| *g += l2 as f32 * w);
            let mut next = vec![0f32; n * layer.from];
            product(errors, Span::rows(weights, layer.from, layer.to).turned(), &mut next, false);
            next.iter_mut().zip(&below).for_each(|(d, v)| *d = if *v > 0.0 { *d } else { 0.0 });
            d = next;
        }
        gradient
    }
}

/// The sizes of a layer, and where its parameters begin.
struct Layer {
    from: usize,
    to: usize,
    start: usize,
}

impl Layer {
    fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + (self.from + 1) * self.to
    }
}

/// Scores to probabilities.
fn softmax(z: &mut [f32]) {
    let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    z.iter_mut().for_each(|z| *z = (*z - top).exp());
    let sum: f32 = z.iter().sum();
    z.iter_mut().for_each(|z| *z /= sum);
}

/// Some of the rows.
enum Batch {
    Sparse(Csr),
    Dense(Vec<f32>, usize),
}

impl Batch {
    fn new(rows: Rows<'_>, which: &[u32]) -> Self {
        let sound = |v: &f32| if v.is_finite() { *v } else { 0.0 };
        match rows {
            Rows::Sparse(csr) => {
                let mut part = csr.gather(which);
                part.values.iter_mut().for_each(|v| *v = sound(v));
                Self::Sparse(part)
            }
            Rows::Dense { data, dim } => Self::Dense(
                which.iter().flat_map(|i| &data[*i as usize * dim..][..dim]).map(sound).collect(),
                dim,
            ),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Sparse(csr) => csr.rows(),
            Self::Dense(data, dim) => data.len().checked_div(*dim).unwrap_or(0),
        }
    }

    /// `z += rows weights`, `weights` being `columns x to`.
    fn forward(&self, weights: &[f32], z: &mut [f32], to: usize) {
        match self {
            Self::Sparse(csr) => {
                for (i, z) in z.chunks_exact_mut(to.max(1)).enumerate() {
                    let (columns, values) = csr.row(i);
                    for (c, v) in columns.iter().zip(values) {
                        let row = &weights[*c as usize * to..][..to];
                        z.iter_mut().zip(row).for_each(|(z, w)| *z += v * w);
                    }
                }
            }
            Self::Dense(data, dim) => {
                product(Span::rows(data, self.rows(), *dim), Span::rows(weights, *dim, to), z, true);
            }
        }
    }

    /// `gradient = rows^T d`, `d` being `rows x to`; `gradient` is zero before.
    fn backward(&self, d: &[f32], gradient: &mut [f32], to: usize) {
        match self {
            Self::Sparse(csr) => {
                for (i, d) in d.chunks_exact(to.max(1)).enumerate() {
                    let (columns, values) = csr.row(i);
                    for (c, v) in columns.iter().zip(values) {
                        let row = &mut gradient[*c as usize * to..][..to];
                        row.iter_mut().zip(d).for_each(|(g, d)| *g += v * d);
                    }
                }
            }
            Self::Dense(data, dim) => {
                let x = Span::rows(data, self.rows(), *dim).turned();
                product(x, Span::rows(d, self.rows(), to), gradient, false);
            }
        }
    }
}

/// Running means of gradients and of their squares.
struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    fn new(n: usize) -> Self {
        Self { first: vec![0.0; n], second: vec![0.0; n], steps: 0 }
    }

    fn step(&mut self, params: &mut [f32], gradient: &[f32], rate: f64) {
        self.steps += 1;
        let (b1, b2, least) = (BETA.0 as f32, BETA.1 as f32, BETA.2 as f32);
        // both corrections of the start in one factor; `least` is beside the corrected root
        let root = (1.0 - BETA.1.powi(self.steps)).sqrt() as f32;
        let rate = (rate / (1.0 - BETA.0.powi(self.steps))) as f32;
        let moments = self.first.par_chunks_mut(MOVED).zip(self.second.par_chunks_mut(MOVED));
        let all = params.par_chunks_mut(MOVED).zip(gradient.par_chunks(MOVED)).zip(moments);
        all.for_each(|((params, gradient), (first, second))| {
            for ((p, g), (m, v)) in params.iter_mut().zip(gradient).zip(first.iter_mut().zip(second)) {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *p -= rate * *m / (v.sqrt() / root + least);
            }
        });
    }
}

#[cfg(test)]
mod tests;
