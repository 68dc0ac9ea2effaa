//! Out-of-fold probabilities: every row is scored by a model that has not seen it.

use rayon::prelude::*;

use super::calibrate::{CalibrateOptions, calibrate};
use super::descent::{Job, minimise};
use super::math::probabilities;
use super::rows::{Prepared, Rows};
use super::{FitOptions, Softmax, logits_of};
use crate::rng::mix;

/// Most numbers in one work array; more models than fit are trained in turns.
const WORK_LIMIT: usize = 1 << 25;
/// Rows on which the penalty is chosen when there are many classes or columns.
const SCOUT_ROWS: usize = 1 << 14;
/// How much earlier the descent ends while a penalty is chosen.
const SCOUT_TOLERANCE: f64 = 10.0;

/// Down-weights training rows that look mislabelled, and fits again.
///
/// One step of expectation-maximisation for labels replaced uniformly with the share `e` found by
/// [`calibrate`]: a training row counts by `(1 - e) p_y / ((1 - e) p_y + e / C)`, where `p` comes from the
/// model of its own training part, so no held-out label reaches the model that scores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Robust {
    /// How often.
    pub rounds: usize,
}

/// How to cross-validate.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldOptions {
    /// Number of folds, at least 2.
    pub folds: usize,
    /// Names the folds drawn.
    pub seed: u64,
    /// The strength of the penalty, or `None` to choose it from `prior_variances`.
    pub l2: Option<f64>,
    /// Strengths to choose from by held-out log-loss, as the prior variance of a logit: `l2` is the mean
    /// squared length of a row over it, which has no unit. Tried in ascending order, each from the
    /// solution of the one before, until the loss rises.
    pub prior_variances: Vec<f64>,
    /// Most rows to train on; of more, a part drawn by the seed. All rows are scored.
    pub max_rows: usize,
    /// Most rows times classes times folds to train on, which bounds the time with many classes; never
    /// fewer than 16,384 rows for it.
    pub max_cells: usize,
    /// Most iterations per strength.
    pub max_iterations: usize,
    /// See [`FitOptions::tolerance`].
    pub tolerance: f64,
    /// Down-weighting of likely wrong labels, or `None`.
    pub robust: Option<Robust>,
    /// Whether the models of the folds are kept.
    pub keep_models: bool,
}

impl Default for FoldOptions {
    fn default() -> Self {
        Self {
            folds: 5,
            seed: 0,
            l2: None,
            prior_variances: vec![1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0],
            max_rows: 200_000,
            max_cells: 1 << 22,
            max_iterations: 60,
            tolerance: 1e-5,
            robust: None,
            keep_models: false,
        }
    }
}

/// Out-of-fold probabilities and how they came about.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfFold {
    /// `rows x classes`, row after row.
    pub probs: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
    /// Fold of each row; the model that scored it was trained on the others.
    pub fold: Vec<u32>,
    /// Penalty used.
    pub l2: f64,
    /// Mean negative log probability of the given labels (nats), over labelled rows.
    pub log_loss: f64,
    /// Share of labelled rows whose most probable class is the given one.
    pub accuracy: f64,
    /// Penalties tried and the held-out log-loss of each, in order.
    pub tried: Vec<(f64, f64)>,
    /// Rows the models were trained on (before leaving out a fold); fewer than the labelled rows only when
    /// `max_rows` bounded the work.
    pub trained_rows: usize,
    /// Passes over the rows used.
    pub passes: usize,
    /// The model of each fold, if [`FoldOptions::keep_models`] asks for them and there was something to learn.
    pub models: Vec<Softmax>,
}

/// Assigns each row to one of `folds` folds, classes spread evenly, by `seed`.
///
/// Rows without a label (not below `classes`) count as a class of their own. With `groups` (one per row),
/// rows of a group share a fold; groups are placed largest first where their classes are rarest.
#[must_use]
pub fn assign_folds(
    labels: &[u32],
    classes: usize,
    groups: Option<&[u32]>,
    folds: usize,
    seed: u64,
) -> Vec<u32> {
    let folds = folds.max(1);
    let class = |i: usize| (labels[i] as usize).min(classes);
    match groups {
        Some(groups) if groups.len() == labels.len() => grouped_folds(labels, classes, groups, folds, seed),
        _ => {
            let key = |i: u32| (class(i as usize), mix(seed ^ mix(u64::from(i))), i);
            let mut order: Vec<u32> = (0..labels.len() as u32).collect();
            order.par_sort_unstable_by_key(|&i| key(i));
            let mut out = vec![0; labels.len()];
            for (place, &i) in order.iter().enumerate() {
                out[i as usize] = (place % folds) as u32;
            }
            out
        }
    }
}

fn grouped_folds(labels: &[u32], classes: usize, groups: &[u32], folds: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..labels.len() as u32).collect();
    order.par_sort_unstable_by_key(|&i| (groups[i as usize], i));
    let mut blocks: Vec<&[u32]> = order.chunk_by(|&a, &b| groups[a as usize] == groups[b as usize]).collect();
    blocks.sort_by_key(|b| (std::cmp::Reverse(b.len()), mix(seed ^ mix(u64::from(b[0]))), b[0]));
    let class = |i: u32| (labels[i as usize] as usize).min(classes);
    let mut totals = vec![0f64; classes + 1];
    labels.iter().for_each(|&y| totals[(y as usize).min(classes)] += 1.0);
    let mut filled = vec![vec![0f64; classes + 1]; folds];
    let mut sizes = vec![0f64; folds];
    let mut out = vec![0; labels.len()];
    for block in blocks {
        let mut counts: Vec<(usize, f64)> = Vec::new();
        let mut members: Vec<usize> = block.iter().map(|&i| class(i)).collect();
        members.sort_unstable();
        for run in members.chunk_by(|a, b| a == b) {
            counts.push((run[0], run.len() as f64));
        }
        // the growth of the squared shares is smallest where these classes are rarest
        let cost = |f: usize| -> f64 {
            let by_class: f64 =
                counts.iter().map(|&(c, g)| (2.0 * filled[f][c] + g) * g / (totals[c] * totals[c])).sum();
            let g = block.len() as f64;
            by_class + (2.0 * sizes[f] + g) * g / (labels.len() as f64).powi(2)
        };
        let best = (0..folds).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(0);
        counts.iter().for_each(|&(c, g)| filled[best][c] += g);
        sizes[best] += block.len() as f64;
        block.iter().for_each(|&i| out[i as usize] = best as u32);
    }
    out
}

/// Probabilities of every row by models of the other folds.
///
/// `labels`: one per row, `u32::MAX` (or any number not below `classes`) where there is none: such a row is
/// scored and not trained on. `groups`: rows that must share a fold, such as those of one source. With
/// fewer than two classes, or labels of another length than the rows, all probabilities are equal shares.
#[must_use]
pub fn out_of_fold(
    rows: Rows<'_>,
    labels: &[u32],
    classes: usize,
    groups: Option<&[u32]>,
    options: &FoldOptions,
) -> OutOfFold {
    let n = rows.len();
    let folds = options.folds.max(2);
    let mut padded = labels.to_vec();
    padded.resize(n, u32::MAX);
    let fold = assign_folds(&padded, classes, groups, folds, options.seed);
    let mut out = OutOfFold {
        probs: vec![if classes > 0 { 1.0 / classes as f32 } else { 0.0 }; n * classes],
        classes,
        fold,
        l2: options.l2.unwrap_or(1.0),
        log_loss: 0.0,
        accuracy: 0.0,
        tried: Vec::new(),
        trained_rows: 0,
        passes: 0,
        models: Vec::new(),
    };
    let mut train: Vec<u32> = (0..n as u32).filter(|&i| (padded[i as usize] as usize) < classes).collect();
    if classes >= 2 && !train.is_empty() {
        let all = Prepared::new(rows);
        let by_cells = (options.max_cells / (folds * logits_of(classes))).max(SCOUT_ROWS);
        let most = options.max_rows.min(by_cells).max(1);
        if train.len() > most {
            train.sort_unstable_by_key(|&i| (mix(options.seed ^ mix(!u64::from(i))), i));
            train.truncate(most);
            train.sort_unstable();
        }
        out.trained_rows = train.len();
        let part = (train.len() < n).then(|| all.gather(&train));
        let labels: Vec<u32> = train.iter().map(|&i| padded[i as usize]).collect();
        let of_fold: Vec<u32> = train.iter().map(|&i| out.fold[i as usize]).collect();
        Validation { all: &all, train: part.as_ref().unwrap_or(&all), labels, of_fold, classes, options }
            .run(folds, &mut out);
    }
    (out.log_loss, out.accuracy) = quality(&out.probs, &padded, classes);
    out
}

/// Mean negative log probability of the labels, and the share of rows whose top class is the label.
pub(crate) fn quality(probs: &[f32], labels: &[u32], classes: usize) -> (f64, f64) {
    let (mut loss, mut right, mut count) = (0f64, 0usize, 0usize);
    for (p, &y) in probs.chunks_exact(classes.max(1)).zip(labels) {
        if (y as usize) < classes {
            loss -= f64::from(p[y as usize].max(1e-12)).ln();
            let top = (1..classes).fold(0, |best, c| if p[c] > p[best] { c } else { best });
            right += usize::from(top == y as usize);
            count += 1;
        }
    }
    let count = count.max(1) as f64;
    (loss / count, right as f64 / count)
}

struct Validation<'a> {
    all: &'a Prepared<'a>,
    train: &'a Prepared<'a>,
    labels: Vec<u32>,
    of_fold: Vec<u32>,
    classes: usize,
    options: &'a FoldOptions,
}

impl Validation<'_> {
    fn run(&self, folds: usize, out: &mut OutOfFold) {
        let logits = logits_of(self.classes);
        let per_fold = (self.train.rows() + self.train.cols()).max(1) * logits;
        let group = (WORK_LIMIT / per_fold).clamp(1, folds);
        let mut chosen = self.options.l2;
        if chosen.is_none() && (logits > 1 || group < folds) {
            chosen = Some(self.scout(out));
        }
        for first in (0..folds).step_by(group) {
            let folds = first..(first + group).min(folds);
            let mut job = self.job(folds.clone());
            match chosen {
                Some(l2) => self.minimise(&mut job, l2),
                None => chosen = Some(self.choose(&mut job, folds.clone(), &mut out.tried)),
            };
            if let Some(robust) = self.options.robust {
                self.harden(&mut job, folds.clone(), robust, chosen.unwrap_or(1.0));
            }
            out.passes += job.passes;
            if self.options.keep_models {
                out.models.extend((0..folds.len()).map(|k| job.model(k)));
            }
            self.score(&job, folds, out);
        }
        out.l2 = chosen.unwrap_or(1.0);
    }

    /// Chooses the penalty on the first fold alone and on few rows. The penalty states how large weights
    /// are likely to be, which does not depend on the number of rows.
    fn scout(&self, out: &mut OutOfFold) -> f64 {
        let mut part: Vec<u32> = (0..self.train.rows() as u32).collect();
        let few = part.len() > SCOUT_ROWS;
        if few {
            part.sort_unstable_by_key(|&i| (mix(self.options.seed ^ mix(u64::from(i) << 32)), i));
            part.truncate(SCOUT_ROWS);
            part.sort_unstable();
        }
        let gathered = few.then(|| self.train.gather(&part));
        let of = |from: &[u32]| part.iter().map(|&i| from[i as usize]).collect();
        // steps between penalties are wide: which is best shows long before the last digit
        let options =
            FoldOptions { tolerance: SCOUT_TOLERANCE * self.options.tolerance, ..self.options.clone() };
        let scout = Validation {
            all: self.all,
            train: gathered.as_ref().unwrap_or(self.train),
            labels: of(&self.labels),
            of_fold: of(&self.of_fold),
            classes: self.classes,
            options: &options,
        };
        let mut job = scout.job(0..1);
        let l2 = scout.choose(&mut job, 0..1, &mut out.tried);
        out.passes += job.passes;
        l2
    }

    fn job(&self, folds: std::ops::Range<usize>) -> Job<'_> {
        let models = folds.len();
        let mut weights = vec![0f32; self.train.rows() * models];
        for (row, &f) in weights.chunks_exact_mut(models).zip(&self.of_fold) {
            for (k, w) in folds.clone().zip(row) {
                *w = if k == f as usize { 0.0 } else { 1.0 };
            }
        }
        Job::new(self.train, &self.labels, weights, models, self.classes)
    }

    fn minimise(&self, job: &mut Job<'_>, l2: f64) {
        let (max_iterations, tolerance) = (self.options.max_iterations, self.options.tolerance);
        minimise(job, &FitOptions { l2, max_iterations, tolerance });
    }

    /// Walks from strong to weak penalties until the held-out loss rises, and leaves the best weights.
    fn choose(&self, job: &mut Job<'_>, folds: std::ops::Range<usize>, tried: &mut Vec<(f64, f64)>) -> f64 {
        let ones = vec![1f32; self.train.rows()];
        let scale = self.train.column_squares(&ones).iter().sum::<f64>() / self.train.rows().max(1) as f64;
        let mut variances = self.options.prior_variances.clone();
        variances.retain(|v| v.is_finite() && *v > 0.0);
        variances.sort_by(f64::total_cmp);
        if variances.is_empty() {
            variances.push(16.0);
        }
        let mut best: Option<(f64, f64, Vec<f32>, Vec<f32>)> = None;
        for v in variances {
            let l2 = (scale / v).max(1e-9);
            self.minimise(job, l2);
            let loss = self.held_out_loss(job, folds.clone());
            tried.push((l2, loss));
            match &best {
                Some((_, lowest, ..)) if loss >= *lowest => break,
                _ => best = Some((l2, loss, job.w.clone(), job.z.clone())),
            }
        }
        best.map_or(1.0, |(l2, _, w, z)| {
            (job.w, job.z) = (w, z);
            l2
        })
    }

    /// Probabilities of the trained-on rows of these folds, each by its fold's model; `(row, probs)`.
    fn held_out(&self, job: &Job<'_>, folds: std::ops::Range<usize>) -> (Vec<u32>, Vec<f32>) {
        let rows: Vec<u32> = (0..self.train.rows() as u32)
            .filter(|&i| folds.contains(&(self.of_fold[i as usize] as usize)))
            .collect();
        let mut probs = vec![0f32; rows.len() * self.classes];
        for (&i, p) in rows.iter().zip(probs.chunks_exact_mut(self.classes)) {
            let k = self.of_fold[i as usize] as usize - folds.start;
            probabilities(&job.z[i as usize * job.width + k * job.logits..][..job.logits], p);
        }
        (rows, probs)
    }

    fn held_out_loss(&self, job: &Job<'_>, folds: std::ops::Range<usize>) -> f64 {
        let (rows, probs) = self.held_out(job, folds);
        let labels: Vec<u32> = rows.iter().map(|&i| self.labels[i as usize]).collect();
        quality(&probs, &labels, self.classes).0
    }

    /// See [`Robust`].
    fn harden(&self, job: &mut Job<'_>, folds: std::ops::Range<usize>, robust: Robust, l2: f64) {
        for _ in 0..robust.rounds {
            let (rows, probs) = self.held_out(job, folds.clone());
            let labels: Vec<u32> = rows.iter().map(|&i| self.labels[i as usize]).collect();
            let fitted = calibrate(&[&probs], &labels, self.classes, &CalibrateOptions::default());
            let (floor, uniform) = (fitted.floor as f32, fitted.floor as f32 / self.classes as f32);
            let mut weights = std::mem::take(&mut job.row_weights);
            let mut p = vec![0f32; self.classes];
            for (i, row) in weights.chunks_exact_mut(folds.len()).enumerate() {
                for (k, w) in row.iter_mut().enumerate() {
                    if folds.start + k == self.of_fold[i] as usize {
                        continue;
                    }
                    probabilities(&job.z[i * job.width + k * job.logits..][..job.logits], &mut p);
                    let clean = (1.0 - floor) * p[self.labels[i] as usize];
                    *w = if clean + uniform > 0.0 { clean / (clean + uniform) } else { 1.0 };
                }
            }
            job.reweigh(weights);
            self.minimise(job, l2);
        }
    }

    fn score(&self, job: &Job<'_>, folds: std::ops::Range<usize>, out: &mut OutOfFold) {
        // weights carry everything, so rows that were not trained on are scored in the same pass
        let fresh = (self.train.rows() != self.all.rows()).then(|| self.all.forward(&job.w, job.width));
        let z = fresh.as_ref().unwrap_or(&job.z);
        for (i, p) in out.probs.chunks_exact_mut(self.classes).enumerate() {
            let f = out.fold[i] as usize;
            if folds.contains(&f) {
                let at = i * job.width + (f - folds.start) * job.logits;
                probabilities(&z[at..at + job.logits], p);
            }
        }
    }
}
