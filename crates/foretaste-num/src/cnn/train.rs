//! Stochastic gradient descent with momentum, a falling step and shifted pictures.

use super::pass::Pass;
use super::{Cnn, Shape};
use crate::rng::Rng;
use rayon::prelude::*;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// Times that every sample is looked at.
    pub epochs: usize,
    /// Samples of one step.
    pub batch: usize,
    /// Largest step; it rises over the first twentieth of the steps and falls to zero along half a cosine
    /// (Loshchilov and Hutter 2017).
    pub learning_rate: f32,
    /// Share of the last movement that is kept.
    pub momentum: f32,
    /// Squared penalty on the parameters, as a share of each that is added to its gradient.
    pub weight_decay: f32,
    /// Pictures are moved by up to so many pixels in both directions, edges repeated.
    pub shift: usize,
    /// Half of the pictures are mirrored left to right.
    pub flip: bool,
    /// Seed of weights, order and movements.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 64,
            learning_rate: 0.05,
            momentum: 0.9,
            weight_decay: 5e-4,
            shift: 2,
            flip: false,
            seed: 0,
        }
    }
}

/// A network in training.
pub struct Trainer {
    cnn: Cnn,
    pass: Pass,
    velocity: Vec<f32>,
}

/// Parameters that one task moves.
const MOVED: usize = 16_384;

impl Trainer {
    /// Goes on from a network, at rest.
    #[must_use]
    pub fn new(cnn: Cnn) -> Self {
        let velocity = vec![0.0; cnn.params.len()];
        Self { pass: Pass::new(cnn.shape), cnn, velocity }
    }

    /// One step on the mean cross-entropy of a batch (`n x pixels`, `n` labels): `v = momentum v + gradient + weight_decay p`,
    /// `p = p - learning_rate v`. Returns the mean cross-entropy before the step, in nats. Labels that are no class count as
    /// samples without a gradient.
    pub fn step(
        &mut self,
        inputs: &[f32],
        labels: &[u32],
        learning_rate: f32,
        momentum: f32,
        weight_decay: f32,
    ) -> f64 {
        let n = inputs.len() / self.cnn.shape.pixels();
        if n == 0 {
            return 0.0;
        }
        self.pass.forward(&self.cnn, inputs);
        let loss = self.pass.cross_entropy(&self.cnn, labels, 1.0 / n as f32);
        self.pass.backward(&self.cnn);
        let gradient = self.pass.parameter_gradient().par_chunks(MOVED);
        let params = self.cnn.params.par_chunks_mut(MOVED).zip(self.velocity.par_chunks_mut(MOVED));
        params.zip(gradient).for_each(|((params, velocity), gradient)| {
            for ((p, v), g) in params.iter_mut().zip(velocity).zip(gradient) {
                *v = momentum * *v + (g + weight_decay * *p);
                *p -= learning_rate * *v;
            }
        });
        loss / n as f64
    }

    /// The network as it is.
    #[must_use]
    pub fn network(&self) -> &Cnn {
        &self.cnn
    }

    /// The network, done.
    #[must_use]
    pub fn finish(self) -> Cnn {
        self.cnn
    }
}

/// Trains a network on pictures (`n x side x side x colours`, 0 to 1) and their labels. Samples whose label is no class, and
/// pictures with values that are not finite, are left out. `None` if the sizes do not make a network or no sample is left.
#[must_use]
pub fn train(shape: Shape, inputs: &[f32], labels: &[u32], options: &TrainOptions) -> Option<Cnn> {
    if !shape.is_valid() {
        return None;
    }
    let size = shape.pixels();
    let usable = |i: &usize| {
        (labels[*i] as usize) < shape.classes && inputs[i * size..][..size].iter().all(|v| v.is_finite())
    };
    let mut order: Vec<usize> = (0..labels.len().min(inputs.len() / size)).filter(usable).collect();
    if order.is_empty() {
        return None;
    }
    let (mean, scale) = standard(&order, inputs, shape);
    let mut trainer = Trainer::new(Cnn::new(shape, &mean, &scale, options.seed)?);
    let batch = options.batch.max(1);
    let steps = options.epochs * order.len().div_ceil(batch);
    let mut step = 0;
    let mut pictures = vec![0f32; batch.min(order.len()) * size];
    for epoch in 0..options.epochs {
        Rng::at(options.seed, "cnn/order", epoch as u64).shuffle(&mut order);
        for rows in order.chunks(batch) {
            let pictures = &mut pictures[..rows.len() * size];
            pictures.par_chunks_mut(size).zip(rows).for_each(|(out, &row)| {
                let key = (epoch * labels.len() + row) as u64;
                let mut rng = Rng::at(options.seed, "cnn/moves", key);
                moved(&inputs[row * size..][..size], shape, options, &mut rng, out);
            });
            let labels: Vec<u32> = rows.iter().map(|&row| labels[row]).collect();
            let rate = options.learning_rate * schedule(step, steps);
            trainer.step(pictures, &labels, rate, options.momentum, options.weight_decay);
            step += 1;
        }
    }
    Some(trainer.finish())
}

/// Share of the largest step at step `at` of `steps`.
fn schedule(at: usize, steps: usize) -> f32 {
    let (at, steps) = (at as f32, steps.max(1) as f32);
    let rise = ((at + 1.0) / (0.05 * steps).max(1.0)).min(1.0);
    rise * 0.5 * (1.0 + (std::f32::consts::PI * at / steps).cos())
}

/// Mean and reciprocal deviation of each colour over these samples; 1 for a colour that never changes.
fn standard(rows: &[usize], inputs: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let (size, colours) = (shape.pixels(), shape.colours);
    let mut sums = vec![(0f64, 0f64); colours];
    for &row in rows {
        for pixel in inputs[row * size..][..size].chunks_exact(colours) {
            for ((sum, squares), &v) in sums.iter_mut().zip(pixel) {
                *sum += f64::from(v);
                *squares += f64::from(v) * f64::from(v);
            }
        }
    }
    let n = (rows.len() * shape.side * shape.side) as f64;
    let of = |(sum, squares): (f64, f64)| {
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        (mean as f32, if deviation > 1e-6 { (1.0 / deviation) as f32 } else { 1.0 })
    };
    sums.into_iter().map(of).unzip()
}

/// A picture moved and mirrored at random.
fn moved(input: &[f32], shape: Shape, options: &TrainOptions, rng: &mut Rng, out: &mut [f32]) {
    let (side, colours, shift) = (shape.side, shape.colours, options.shift);
    let mut draw = || rng.below(2 * shift + 1) as isize - shift as isize;
    let (right, down) = (draw(), draw());
    let mirror = options.flip && rng.below(2) == 1;
    let within = |at: isize| at.clamp(0, side as isize - 1) as usize;
    for (y, out) in out.chunks_exact_mut(side * colours).enumerate() {
        let row = &input[within(y as isize - down) * side * colours..][..side * colours];
        for (x, out) in out.chunks_exact_mut(colours).enumerate() {
            let x = if mirror { side - 1 - x } else { x };
            out.copy_from_slice(&row[within(x as isize - right) * colours..][..colours]);
        }
    }
}
