//! Many softmax regressions on the same rows, minimised together.
//!
//! Preconditioned nonlinear conjugate gradients (Polak-Ribiere with restarts) with the logits of the point
//! and of the direction kept, so that a line search costs no pass over the features. Each model has its own
//! step and stops on its own. The preconditioner is the diagonal of the Hessian with the rows' mean
//! `p (1 - p)`: it makes rare and frequent n-grams, or wide and narrow columns, converge alike.

use rayon::prelude::*;

use super::math::{sigmoid, softmax};
use super::rows::{Prepared, ROW_CHUNK};
use super::{FitOptions, Softmax, logits_of};
use crate::lanes::laned;

/// Columns of the weights swept by one task.
const SWEEP: usize = 2048;
/// A step is taken when the slope has fallen to this share.
const SLOPE_SHARE: f64 = 0.25;
/// Most trials of one line search.
const TRIALS: usize = 6;

/// Weight vectors side by side are padded to whole vector registers.
pub(crate) fn padded(lanes: usize) -> usize {
    lanes.div_ceil(8).max(1) * 8
}

/// `models` regressions over the same rows and labels, which differ in the weights of the rows.
pub(crate) struct Job<'a> {
    pub(crate) rows: &'a Prepared<'a>,
    labels: &'a [u32],
    /// `rows x models`; zero where a row is not for a model or has no label.
    pub(crate) row_weights: Vec<f32>,
    pub(crate) models: usize,
    pub(crate) classes: usize,
    pub(crate) logits: usize,
    pub(crate) width: usize,
    /// `(cols + 1) x width`; lane `model * logits + logit`.
    pub(crate) w: Vec<f32>,
    /// `rows x width` logits at `w`.
    pub(crate) z: Vec<f32>,
    totals: Vec<f64>,
    squares: Vec<f64>,
    /// Passes over the rows so far (forward and back).
    pub(crate) passes: usize,
}

impl<'a> Job<'a> {
    pub(crate) fn new(
        rows: &'a Prepared<'a>,
        labels: &'a [u32],
        row_weights: Vec<f32>,
        models: usize,
        classes: usize,
    ) -> Self {
        let logits = logits_of(classes);
        let width = padded(models * logits);
        let n = rows.rows();
        let mean: Vec<f32> =
            row_weights.chunks_exact(models.max(1)).map(|w| w.iter().sum::<f32>() / models as f32).collect();
        let squares = rows.column_squares(&mean);
        let mut job = Self {
            rows,
            labels,
            row_weights,
            models,
            classes,
            logits,
            width,
            w: vec![0.0; (rows.cols() + 1) * width],
            z: vec![0.0; n * width],
            totals: Vec::new(),
            squares,
            passes: 0,
        };
        job.start_at_class_shares();
        job
    }

    /// Replaces the weights of the rows; the point reached is kept.
    pub(crate) fn reweigh(&mut self, row_weights: Vec<f32>) {
        self.row_weights = row_weights;
        self.totals = self.model_totals();
    }

    fn model_totals(&self) -> Vec<f64> {
        let mut totals = vec![0f64; self.models];
        for row in self.row_weights.chunks_exact(self.models.max(1)) {
            totals.iter_mut().zip(row).for_each(|(t, &w)| *t += f64::from(w));
        }
        totals
    }

    fn start_at_class_shares(&mut self) {
        let mut shares = vec![0.5f64; self.models * self.classes];
        for (row, &y) in self.row_weights.chunks_exact(self.models.max(1)).zip(self.labels) {
            if (y as usize) < self.classes {
                for (k, &w) in row.iter().enumerate() {
                    shares[k * self.classes + y as usize] += f64::from(w);
                }
            }
        }
        self.totals = self.model_totals();
        let base = self.rows.cols() * self.width;
        for (k, shares) in shares.chunks_exact(self.classes.max(1)).enumerate().take(self.models) {
            let mean_log = shares.iter().map(|s| s.ln()).sum::<f64>() / shares.len() as f64;
            for l in 0..self.logits {
                self.w[base + k * self.logits + l] = match shares {
                    [_] => 0.0,
                    [a, b] => (b / a).ln() as f32,
                    _ => (shares[l].ln() - mean_log) as f32,
                };
            }
        }
        let intercept = self.w[base..].to_vec();
        self.z.chunks_exact_mut(self.width).for_each(|z| z.copy_from_slice(&intercept));
    }

    /// Puts a single model where `start` is, if it has its shape.
    pub(crate) fn start_at(&mut self, start: &Softmax) {
        let cols = self.rows.cols();
        if self.models != 1 || (start.cols, start.classes) != (cols, self.classes) {
            return;
        }
        for l in 0..self.logits {
            for c in 0..cols {
                self.w[c * self.width + l] = start.weights[l * cols + c];
            }
            self.w[cols * self.width + l] = start.intercept[l];
        }
        self.z = self.rows.forward(&self.w, self.width);
    }

    /// The model numbered `k`.
    pub(crate) fn model(&self, k: usize) -> Softmax {
        let cols = self.rows.cols();
        let lane = |l: usize, c: usize| self.w[c * self.width + k * self.logits + l];
        Softmax {
            weights: (0..self.logits).flat_map(|l| (0..cols).map(move |c| lane(l, c))).collect(),
            intercept: (0..self.logits).map(|l| lane(l, cols)).collect(),
            cols,
            classes: self.classes,
        }
    }

    fn model_of(&self, lane: usize) -> Option<usize> {
        let k = lane / self.logits;
        (k < self.models).then_some(k)
    }
}

/// Numbers of one model during the descent.
#[derive(Clone, Copy, Default)]
struct State {
    active: bool,
    step: f64,
    /// `g . M^-1 g` of the last gradient.
    energy: f64,
    beta: f64,
    stalled: u8,
}

/// Slope and curvature of the loss along the direction.
#[derive(Clone, Copy, Default)]
struct Along {
    slope: f64,
    curvature: f64,
}

/// Lowers the loss of all models from where they are. Returns the iterations used.
pub(crate) fn minimise(job: &mut Job<'_>, options: &FitOptions) -> usize {
    let n = job.rows.rows();
    if job.models == 0 || job.classes < 2 || n == 0 {
        return 0;
    }
    let l2 = options.l2.max(1e-9);
    let mut state: Vec<State> =
        job.totals.iter().map(|&t| State { active: t > 0.0, ..State::default() }).collect();
    let size = job.w.len();
    let mut residual = vec![0f32; n * job.width];
    residuals(job, None, &[], &mut residual);
    let inverse = preconditioner(job, l2, &residual);
    let mut gradient = vec![0f32; size];
    let mut next = vec![0f32; size];
    let mut direction = vec![0f32; size];
    let mut along_z = vec![0f32; n * job.width];
    for iteration in 0..options.max_iterations {
        job.rows.backward_into(&residual, job.width, &mut next);
        turn(job, l2, &inverse, &mut gradient, &mut next, &mut direction, &mut state);
        if state.iter().all(|s| !s.active) {
            return iteration;
        }
        job.rows.forward_into(&direction, job.width, &mut along_z);
        job.passes += 2;
        line_search(job, l2, &direction, &along_z, &mut residual, &mut state, options);
    }
    options.max_iterations
}

/// One over the Hessian's diagonal, per weight.
fn preconditioner(job: &Job<'_>, l2: f64, residual: &[f32]) -> Vec<f32> {
    // |y - p| averages to 2 p (1 - p) under the model, and needs no second look at the logits
    let parts: Vec<Vec<f64>> = residual
        .par_chunks(ROW_CHUNK * job.width)
        .map(|part| {
            let mut sums = vec![0f64; job.width];
            for row in part.chunks_exact(job.width) {
                sums.iter_mut().zip(row).for_each(|(s, r)| *s += f64::from(r.abs()) * 0.5);
            }
            sums
        })
        .collect();
    let mut mean = vec![0f64; job.width];
    for (l, m) in mean.iter_mut().enumerate() {
        if let Some(k) = job.model_of(l) {
            *m = (parts.iter().map(|p| p[l]).sum::<f64>() / job.totals[k].max(1e-12)).clamp(1e-4, 0.25);
        }
    }
    let mut out = vec![0f32; job.w.len()];
    let (weights, intercept) = out.split_at_mut(job.rows.cols() * job.width);
    for (row, &square) in weights.chunks_exact_mut(job.width).zip(&job.squares) {
        row.iter_mut().zip(&mean).for_each(|(o, m)| *o = (1.0 / (m * square + l2)) as f32);
    }
    for (l, o) in intercept.iter_mut().enumerate() {
        if let Some(k) = job.model_of(l) {
            *o = (1.0 / (mean[l] * job.totals[k]).max(1e-3)) as f32;
        }
    }
    out
}

/// Adds the penalty to the new gradient, decides on each model's restart, and sets the new direction.
fn turn(
    job: &Job<'_>,
    l2: f64,
    inverse: &[f32],
    gradient: &mut Vec<f32>,
    next: &mut Vec<f32>,
    direction: &mut [f32],
    state: &mut [State],
) {
    let penalised = job.rows.cols() * job.width;
    let block = SWEEP * job.width;
    let sums: Vec<Vec<[f32; 2]>> = next
        .par_chunks_mut(block)
        .enumerate()
        .map(|(b, next)| {
            let at = b * block;
            let mut sums = vec![[0f32; 2]; job.width];
            for (c, next) in next.chunks_exact_mut(job.width).enumerate() {
                let at = at + c * job.width;
                let l2 = if at < penalised { l2 as f32 } else { 0.0 };
                let (w, inverse, old) = (&job.w[at..], &inverse[at..], &gradient[at..]);
                for l in 0..job.width {
                    next[l] += l2 * w[l];
                    let scaled = inverse[l] * next[l];
                    sums[l][0] += scaled * next[l];
                    sums[l][1] += scaled * old[l];
                }
            }
            sums
        })
        .collect();
    for (k, s) in state.iter_mut().enumerate() {
        let total = |which: usize| -> f64 {
            let lanes = k * job.logits..(k + 1) * job.logits;
            sums.iter().flat_map(|b| &b[lanes.clone()]).map(|v| f64::from(v[which])).sum()
        };
        let energy = total(0);
        s.beta = if s.energy > 0.0 { ((energy - total(1)) / s.energy).max(0.0) } else { 0.0 };
        s.energy = energy;
        if !energy.is_finite() || energy <= 1e-12 * job.totals[k] {
            s.active = false;
        }
    }
    std::mem::swap(gradient, next);
    let beta: Vec<Option<f32>> = (0..job.width)
        .map(|l| job.model_of(l).filter(|&k| state[k].active).map(|k| state[k].beta as f32))
        .collect();
    direction.par_chunks_mut(block).enumerate().for_each(|(b, d)| {
        for (c, d) in d.chunks_exact_mut(job.width).enumerate() {
            let at = b * block + c * job.width;
            let (inverse, g) = (&inverse[at..], &gradient[at..]);
            for l in 0..job.width {
                d[l] = beta[l].map_or(0.0, |beta| beta * d[l] - inverse[l] * g[l]);
            }
        }
    });
}

/// Finds each model's step by Newton's method on the slope, takes it, and leaves the residuals there.
fn line_search(
    job: &mut Job<'_>,
    l2: f64,
    direction: &[f32],
    along_z: &[f32],
    residual: &mut [f32],
    state: &mut [State],
    options: &FitOptions,
) {
    let penalty = penalties(job, l2, direction);
    let start = along_here(job, along_z, residual);
    let mut first = vec![Along::default(); job.models];
    let mut low = vec![0f64; job.models];
    let mut high = vec![f64::INFINITY; job.models];
    for (k, s) in state.iter_mut().enumerate() {
        first[k].slope = start[k].slope + penalty[k].slope;
        first[k].curvature = start[k].curvature + penalty[k].curvature;
        s.step = if s.active && first[k].slope < 0.0 && first[k].curvature > 0.0 {
            -first[k].slope / first[k].curvature
        } else {
            0.0
        };
    }
    let mut here = vec![Along::default(); job.models];
    for trial in 0..TRIALS {
        let steps = lane_steps(job, state);
        here = residuals(job, Some(along_z), &steps, residual);
        let mut again = false;
        for (k, s) in state.iter_mut().enumerate() {
            here[k].slope += penalty[k].slope + s.step * penalty[k].curvature;
            here[k].curvature += penalty[k].curvature;
            let slope = here[k].slope;
            if s.step == 0.0 || slope.abs() <= SLOPE_SHARE * first[k].slope.abs() || trial + 1 == TRIALS {
                continue;
            }
            if slope > 0.0 {
                high[k] = s.step;
            } else {
                low[k] = s.step;
            }
            let newton = s.step - slope / here[k].curvature.max(1e-300);
            s.step = if newton > low[k] && newton < high[k] {
                newton
            } else if high[k].is_finite() {
                0.5 * (low[k] + high[k])
            } else {
                2.0 * s.step
            };
            again = true;
        }
        if !again {
            break;
        }
    }
    let steps = lane_steps(job, state);
    job.z.par_chunks_mut(ROW_CHUNK * job.width).zip(along_z.par_chunks(ROW_CHUNK * job.width)).for_each(
        |(z, d)| {
            for (z, d) in z.chunks_exact_mut(steps.len()).zip(d.chunks_exact(steps.len())) {
                z.iter_mut().zip(d).zip(&steps).for_each(|((z, d), t)| *z += t * d);
            }
        },
    );
    job.w.par_chunks_mut(SWEEP * job.width).zip(direction.par_chunks(SWEEP * job.width)).for_each(
        |(w, d)| {
            for (w, d) in w.chunks_exact_mut(steps.len()).zip(d.chunks_exact(steps.len())) {
                w.iter_mut().zip(d).zip(&steps).for_each(|((w, d), t)| *w += t * d);
            }
        },
    );
    for (k, s) in state.iter_mut().enumerate().filter(|(_, s)| s.active) {
        let gain = -0.5 * (first[k].slope + here[k].slope) * s.step;
        s.stalled = if gain > options.tolerance * job.totals[k] { 0 } else { s.stalled + 1 };
        // a restart along the gradient gets a second chance before a model is called done
        if s.stalled >= 2 || (s.step == 0.0 && s.beta == 0.0) {
            s.active = false;
        } else if s.step == 0.0 {
            s.energy = 0.0;
        }
    }
}

fn lane_steps(job: &Job<'_>, state: &[State]) -> Vec<f32> {
    (0..job.width).map(|l| job.model_of(l).map_or(0.0, |k| state[k].step as f32)).collect()
}

/// Slope (`l2 w . d`) and curvature (`l2 d . d`) of the penalty along the direction.
fn penalties(job: &Job<'_>, l2: f64, direction: &[f32]) -> Vec<Along> {
    let penalised = job.rows.cols() * job.width;
    let block = SWEEP * job.width;
    let sums: Vec<Vec<[f32; 2]>> = direction[..penalised]
        .par_chunks(block)
        .zip(job.w[..penalised].par_chunks(block))
        .map(|(d, w)| {
            let mut sums = vec![[0f32; 2]; job.width];
            for (d, w) in d.chunks_exact(job.width).zip(w.chunks_exact(job.width)) {
                for l in 0..job.width {
                    sums[l][0] += w[l] * d[l];
                    sums[l][1] += d[l] * d[l];
                }
            }
            sums
        })
        .collect();
    (0..job.models)
        .map(|k| {
            let lanes = k * job.logits..(k + 1) * job.logits;
            let mut out = Along::default();
            for v in sums.iter().flat_map(|b| &b[lanes.clone()]) {
                out.slope += l2 * f64::from(v[0]);
                out.curvature += l2 * f64::from(v[1]);
            }
            out
        })
        .collect()
}

/// Slope and curvature at the point itself, from the residuals there.
fn along_here(job: &Job<'_>, along_z: &[f32], residual: &[f32]) -> Vec<Along> {
    let block = ROW_CHUNK * job.width;
    let parts: Vec<Vec<Along>> = residual
        .par_chunks(block)
        .zip(along_z.par_chunks(block))
        .enumerate()
        .map(|(b, (r, d))| {
            let mut out = vec![Along::default(); job.models];
            for (i, (r, d)) in r.chunks_exact(job.width).zip(d.chunks_exact(job.width)).enumerate() {
                let row = b * ROW_CHUNK + i;
                let y = job.labels[row] as usize;
                let weights = &job.row_weights[row * job.models..][..job.models];
                for (k, &weight) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    let lanes = k * job.logits..(k + 1) * job.logits;
                    let (r, d) = (&r[lanes.clone()], &d[lanes]);
                    let rd = laned(r, d, |r, d| r * d);
                    let squares = laned(r, d, |r, d| r * d * d);
                    // residual = weight * (p - [class is y])
                    let own = if job.logits == 1 { if y == 1 { d[0] } else { 0.0 } } else { d[y] };
                    let mean = rd / weight + own;
                    out[k].slope += f64::from(rd);
                    out[k].curvature += f64::from(squares + weight * (own * own - mean * mean)).max(0.0);
                }
            }
            out
        })
        .collect();
    merge(&parts, job.models)
}

/// Residuals `weight * (p - y)` at logits `z + steps * along_z`, with slope and curvature there.
fn residuals(job: &Job<'_>, along_z: Option<&[f32]>, steps: &[f32], residual: &mut [f32]) -> Vec<Along> {
    let parts: Vec<Vec<Along>> = residual
        .par_chunks_mut(ROW_CHUNK * job.width)
        .enumerate()
        .map(|(chunk, r)| {
            #[cfg(target_arch = "x86_64")]
            {
                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: the instructions were just found to be there.
                    return unsafe { residual_chunk_avx512(job, along_z, steps, chunk, r) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the instructions were just found to be there.
                    return unsafe { residual_chunk_avx2(job, along_z, steps, chunk, r) };
                }
            }
            residual_chunk(job, along_z, steps, chunk, r)
        })
        .collect();
    merge(&parts, job.models)
}

/// As [`residual_chunk`], in wider registers; the same bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn residual_chunk_avx2(
    job: &Job<'_>,
    along_z: Option<&[f32]>,
    steps: &[f32],
    chunk: usize,
    residual: &mut [f32],
) -> Vec<Along> {
    residual_chunk(job, along_z, steps, chunk, residual)
}

/// As [`residual_chunk`], in wider registers; the same bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2")]
fn residual_chunk_avx512(
    job: &Job<'_>,
    along_z: Option<&[f32]>,
    steps: &[f32],
    chunk: usize,
    residual: &mut [f32],
) -> Vec<Along> {
    residual_chunk(job, along_z, steps, chunk, residual)
}

#[inline(always)]
fn residual_chunk(
    job: &Job<'_>,
    along_z: Option<&[f32]>,
    steps: &[f32],
    chunk: usize,
    residual: &mut [f32],
) -> Vec<Along> {
    let zeros = vec![0f32; job.width];
    let mut out = vec![Along::default(); job.models];
    for (i, r) in residual.chunks_exact_mut(job.width).enumerate() {
        let row = chunk * ROW_CHUNK + i;
        r.copy_from_slice(&job.z[row * job.width..][..job.width]);
        let d = along_z.map_or(zeros.as_slice(), |d| &d[row * job.width..][..job.width]);
        r.iter_mut().zip(d).zip(steps).for_each(|((r, d), t)| *r += t * d);
        row_residual(job, row, d, r, &mut out);
    }
    out
}

/// Turns the logits `r` of one row into residuals, and adds to slope and curvature along `d`.
#[inline(always)]
fn row_residual(job: &Job<'_>, row: usize, d: &[f32], r: &mut [f32], out: &mut [Along]) {
    let y = job.labels[row] as usize;
    let weights = &job.row_weights[row * job.models..][..job.models];
    if job.logits == 1 {
        let target = if y == 1 { 1.0 } else { 0.0 };
        r.iter_mut().for_each(|r| *r = sigmoid(*r));
        for (k, &weight) in weights.iter().enumerate() {
            let p = r[k];
            r[k] = weight * (p - target);
            out[k].slope += f64::from(r[k] * d[k]);
            out[k].curvature += f64::from(weight * p * (1.0 - p) * d[k] * d[k]);
        }
        r[job.models..].fill(0.0);
        return;
    }
    for (k, &weight) in weights.iter().enumerate() {
        let lanes = k * job.logits..(k + 1) * job.logits;
        let (p, d) = (&mut r[lanes.clone()], &d[lanes]);
        if weight <= 0.0 {
            p.fill(0.0);
            continue;
        }
        softmax(p);
        let mean = laned(p, d, |p, d| p * d);
        let squares = laned(p, d, |p, d| p * d * d);
        p.iter_mut().for_each(|p| *p *= weight);
        p[y] -= weight;
        out[k].slope += f64::from(weight * (mean - d[y]));
        out[k].curvature += f64::from(weight * (squares - mean * mean)).max(0.0);
    }
    r[job.models * job.logits..].fill(0.0);
}

fn merge(parts: &[Vec<Along>], models: usize) -> Vec<Along> {
    let mut out = vec![Along::default(); models];
    for part in parts {
        for (o, p) in out.iter_mut().zip(part) {
            o.slope += p.slope;
            o.curvature += p.curvature;
        }
    }
    out
}
