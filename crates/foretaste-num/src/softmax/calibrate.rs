//! Temperature, noise floor and stacking: what the probabilities would be if the labels were right.
//!
//! Fits, by maximum likelihood on the *given* labels,
//! `q(k|x) = (1 - e) softmax_k(sum_m w_m ln p_m(k|x) + b_k) + e / C`, with `w_m >= 0`, `sum b = 0` and
//! `0 <= e < 1`. With one channel `w = 1/T` is an inverse temperature. Wrong labels make learned
//! probabilities too timid, which `T < 1` repairs, and the floor `e` takes up those labels themselves: labels
//! replaced uniformly with probability `e` are wrong in a share `e (1 - 1/C)`. With `e` set to zero, `q` is
//! the null of a rightly labelled sample.
//!
//! Temperature after Guo et al. 2017 (arXiv 1706.04599), stacking after Wolpert 1992.

use crate::rng::{Rng, mix};
use rayon::prelude::*;

const CHUNK: usize = 1024;
/// Largest inverse temperature of one channel.
const MAX_WEIGHT: f64 = 20.0;

/// Median probability of the most probable class from which a model is nearly certain of most samples.
const CERTAIN: f64 = 0.95;
/// Log-likelihood that a larger floor may cost: half the 95 % point of chi-squared with one degree of freedom.
const LEAST_LOSS: f64 = 1.92;
/// Log-likelihood that having no floor must cost for the floor to be known: half the 99.9 % point.
const SURE_LOSS: f64 = 5.41;
/// Floors that are tried.
const PROFILE: usize = 8;

/// What to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrateOptions {
    /// Whether to fit a floor; without, `e` is zero.
    pub floor: bool,
    /// Whether to fit one offset per class.
    pub offsets: bool,
    /// Channels below this count as this.
    pub clip: f32,
    /// Squared penalty on the offsets, in samples: keeps the offset of a class with few labels small.
    pub offset_l2: f64,
    /// Most iterations.
    pub max_iterations: usize,
    /// About how many rows are fitted on where there are more: a few numbers need no million rows.
    pub max_rows: usize,
}

impl Default for CalibrateOptions {
    fn default() -> Self {
        Self {
            floor: true,
            offsets: false,
            clip: 1e-6,
            offset_l2: 1.0,
            max_iterations: 60,
            max_rows: 1 << 18,
        }
    }
}

/// A fitted calibration.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// `rows x classes`: `q` with the floor set to zero.
    pub q0: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
    /// The floor `e`.
    pub floor: f64,
    /// Weight of each channel, an inverse temperature.
    pub weights: Vec<f64>,
    /// Offset of each class; zeros when none were fitted.
    pub offsets: Vec<f64>,
    /// Mean log-likelihood of the given labels (nats) under `q` with the floor.
    pub log_likelihood: f64,
}

impl Calibration {
    /// Estimated share of wrong labels, `e (1 - 1/C)`.
    #[must_use]
    pub fn noise_rate(&self) -> f64 {
        if self.classes == 0 { 0.0 } else { self.floor * (1.0 - 1.0 / self.classes as f64) }
    }

    /// Probability that the given label of each row is wrong, `(e/C) / q(y)` times the share of the floor
    /// that is wrong; zero for rows without a label.
    #[must_use]
    pub fn wrong_label(&self, labels: &[u32]) -> Vec<f32> {
        let c = self.classes.max(1);
        let uniform = self.floor / c as f64;
        labels
            .iter()
            .zip(self.q0.chunks_exact(c))
            .map(|(&y, q)| {
                let Some(&own) = q.get(y as usize) else { return 0.0 };
                let own = f64::from(own);
                let given = (1.0 - self.floor) * own + uniform;
                // a uniform draw is right by chance where it hits the true class
                if given > 0.0 { (uniform * (1.0 - own) / given) as f32 } else { 0.0 }
            })
            .collect()
    }

    /// A label for each row, drawn from `q` with the floor.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Vec<u32> {
        let share = self.floor / self.classes.max(1) as f64;
        let one = |q: &[f32]| {
            let mut left = rng.unit();
            let class = q.iter().position(|q| {
                left -= (1.0 - self.floor) * f64::from(*q) + share;
                left < 0.0
            });
            // what rounding leaves of one goes to the last
            class.unwrap_or(self.classes.saturating_sub(1)) as u32
        };
        self.q0.chunks_exact(self.classes.max(1)).map(one).collect()
    }

    /// Turns the logits of one new row, from the model of the first channel, into the probabilities that the given labels
    /// follow: with weight, offsets and floor. One logit is that of class 1 of two.
    pub(crate) fn of_logits(&self, z: &mut Vec<f64>) {
        if let [one] = z[..] {
            *z = vec![0.0, one];
        }
        z.resize(self.classes, 0.0);
        soften(z);
        let weight = self.weights.first().copied().unwrap_or(1.0);
        for (k, v) in z.iter_mut().enumerate() {
            *v = weight * v.max(1e-12).ln() + self.offsets.get(k).copied().unwrap_or(0.0);
        }
        soften(z);
        let share = self.floor / self.classes.max(1) as f64;
        z.iter_mut().for_each(|v| *v = (1.0 - self.floor) * *v + share);
    }

    /// Temperature of a single channel; infinite when its weight is zero.
    #[must_use]
    pub fn temperature(&self) -> f64 {
        self.weights.first().map_or(1.0, |w| 1.0 / w)
    }
}

/// Turns logits into shares that sum to one, in place.
fn soften(z: &mut [f64]) {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    z.iter_mut().for_each(|v| *v = (*v - top).exp());
    let sum: f64 = z.iter().sum();
    z.iter_mut().for_each(|v| *v /= sum);
}

/// Fits floor, weights and offsets.
///
/// `channels`: one `rows x classes` matrix of probabilities each. `labels`: one per row, not below `classes`
/// where there is none. Channels of another size than `labels.len() * classes` are left out (weight zero).
/// With no usable row the result is the mean of the log channels.
#[must_use]
pub fn calibrate(
    channels: &[&[f32]],
    labels: &[u32],
    classes: usize,
    options: &CalibrateOptions,
) -> Calibration {
    let n = labels.len();
    let usable: Vec<usize> =
        (0..channels.len()).filter(|&m| classes > 0 && channels[m].len() == n * classes).collect();
    let logs: Vec<Vec<f32>> = usable
        .par_iter()
        .map(|&m| {
            let clip = |&p: &f32| if p.is_finite() { p.clamp(options.clip, 1.0).ln() } else { 0.0 };
            channels[m].iter().map(clip).collect()
        })
        .collect();
    let problem = Problem { logs: &logs, labels, classes, options };
    let fitted = if n > options.max_rows {
        let (logs, labels) = problem.part(options.max_rows);
        let part = Problem { logs: &logs, labels: &labels, ..problem };
        part.leaning(part.solve())
    } else {
        problem.leaning(problem.solve())
    };
    let mut weights = vec![0.0; channels.len()];
    usable.iter().zip(&fitted.weights).for_each(|(&m, &w)| weights[m] = w);
    let log_likelihood = problem.value(&fitted);
    let q0 = problem.q0(&fitted);
    Calibration { q0, classes, floor: fitted.floor, weights, offsets: fitted.offsets, log_likelihood }
}

#[derive(Clone, Debug)]
struct Point {
    floor: f64,
    weights: Vec<f64>,
    offsets: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Problem<'a> {
    logs: &'a [Vec<f32>],
    labels: &'a [u32],
    classes: usize,
    options: &'a CalibrateOptions,
}

/// Sums over rows: log-likelihood, its gradient and a positive curvature matrix (Fisher information of the
/// parameters in the order floor, weights, offsets).
struct Sums {
    value: f64,
    gradient: Vec<f64>,
    curvature: Vec<f64>,
}

impl Problem<'_> {
    /// Logs and labels of about `most` rows, drawn by their number.
    fn part(&self, most: usize) -> (Vec<Vec<f32>>, Vec<u32>) {
        let share = (u64::MAX / self.rows().max(1) as u64).saturating_mul(most as u64);
        let drawn: Vec<usize> = (0..self.rows()).filter(|i| mix(*i as u64) <= share).collect();
        let c = self.classes;
        let of = |log: &Vec<f32>| drawn.iter().flat_map(|i| &log[i * c..(i + 1) * c]).copied().collect();
        (self.logs.iter().map(of).collect(), drawn.iter().map(|i| self.labels[*i]).collect())
    }

    fn size(&self) -> usize {
        1 + self.logs.len() + if self.options.offsets { self.classes } else { 0 }
    }

    fn rows(&self) -> usize {
        if self.classes == 0 { 0 } else { self.labels.len() }
    }

    fn count(&self) -> f64 {
        self.labels.iter().filter(|&&y| (y as usize) < self.classes).count() as f64
    }

    /// Logits of row `i` in `u`, turned into probabilities.
    fn shares(&self, point: &Point, i: usize, u: &mut [f64]) {
        u.copy_from_slice(&point.offsets);
        for (log, &w) in self.logs.iter().zip(&point.weights) {
            for (u, &l) in u.iter_mut().zip(&log[i * self.classes..][..self.classes]) {
                *u += w * f64::from(l);
            }
        }
        let top = u.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for v in u.iter_mut() {
            *v = (*v - top).exp();
            sum += *v;
        }
        u.iter_mut().for_each(|v| *v /= sum);
    }

    fn q0(&self, point: &Point) -> Vec<f32> {
        let c = self.classes;
        let mut out = vec![0f32; self.rows() * c];
        out.par_chunks_mut(CHUNK * c.max(1)).enumerate().for_each(|(chunk, out)| {
            let mut u = vec![0f64; c];
            for (i, out) in out.chunks_exact_mut(c).enumerate() {
                self.shares(point, chunk * CHUNK + i, &mut u);
                out.iter_mut().zip(&u).for_each(|(o, &p)| *o = p as f32);
            }
        });
        out
    }

    /// Mean log-likelihood.
    fn value(&self, point: &Point) -> f64 {
        let sum: f64 = self
            .parts(|rows| {
                let mut u = vec![0f64; self.classes];
                rows.map(|i| {
                    let Some(&y) = self.labels.get(i).filter(|&&y| (y as usize) < self.classes) else {
                        return 0.0;
                    };
                    self.shares(point, i, &mut u);
                    let q = (1.0 - point.floor) * u[y as usize] + point.floor / self.classes as f64;
                    q.max(1e-300).ln()
                })
                .sum::<f64>()
            })
            .iter()
            .sum();
        sum / self.count().max(1.0)
    }

    /// One result per fixed chunk of rows, in order.
    fn parts<T: Send>(&self, of: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
        let n = self.rows();
        (0..n.div_ceil(CHUNK)).into_par_iter().map(|c| of(c * CHUNK..((c + 1) * CHUNK).min(n))).collect()
    }

    fn sums(&self, point: &Point) -> Sums {
        let size = self.size();
        let parts = self.parts(|rows| self.sums_of(point, rows));
        let mut out = Sums { value: 0.0, gradient: vec![0.0; size], curvature: vec![0.0; size * size] };
        for part in &parts {
            out.value += part.value;
            out.gradient.iter_mut().zip(&part.gradient).for_each(|(o, p)| *o += p);
            out.curvature.iter_mut().zip(&part.curvature).for_each(|(o, p)| *o += p);
        }
        if self.options.offsets {
            let first = 1 + self.logs.len();
            for (k, b) in point.offsets.iter().enumerate() {
                out.value -= 0.5 * self.options.offset_l2 * b * b;
                out.gradient[first + k] -= self.options.offset_l2 * b;
                out.curvature[(first + k) * (size + 1)] += self.options.offset_l2;
            }
        }
        out
    }

    fn sums_of(&self, point: &Point, rows: std::ops::Range<usize>) -> Sums {
        let (size, c) = (self.size(), self.classes);
        let mut out = Sums { value: 0.0, gradient: vec![0.0; size], curvature: vec![0.0; size * size] };
        let (mut u, mut score) = (vec![0f64; c], vec![0f64; size]);
        for i in rows {
            let y = self.labels[i] as usize;
            if y >= c {
                continue;
            }
            self.shares(point, i, &mut u);
            let q = ((1.0 - point.floor) * u[y] + point.floor / c as f64).max(1e-300);
            out.value += q.ln();
            // d ln q / d u_k = own * ([k = y] - u_k)
            let own = (1.0 - point.floor) * u[y] / q;
            score[0] = if self.options.floor { (1.0 / c as f64 - u[y]) / q } else { 0.0 };
            for (m, log) in self.logs.iter().enumerate() {
                let row = &log[i * c..][..c];
                let mean: f64 = row.iter().zip(&u).map(|(&l, u)| f64::from(l) * u).sum();
                score[1 + m] = own * (f64::from(row[y]) - mean);
            }
            if self.options.offsets {
                for k in 0..c {
                    score[1 + self.logs.len() + k] = own * (f64::from(u8::from(k == y)) - u[k]);
                }
            }
            for (a, &sa) in score.iter().enumerate() {
                out.gradient[a] += sa;
                for (b, &sb) in score.iter().enumerate().take(a + 1) {
                    out.curvature[a * size + b] += sa * sb;
                }
            }
        }
        for a in 0..size {
            for b in 0..a {
                out.curvature[b * size + a] = out.curvature[a * size + b];
            }
        }
        out
    }

    /// Damped scoring steps with the outer product of the scores (Berndt, Hall, Hall, Hausman 1974),
    /// projected on the bounds; a step is kept only when the likelihood rises.
    fn solve(&self) -> Point {
        let share = 1.0 / self.logs.len().max(1) as f64;
        let floor = if self.options.floor { 0.05 } else { 0.0 };
        let mut point =
            Point { floor, weights: vec![share; self.logs.len()], offsets: vec![0.0; self.classes] };
        if self.count() == 0.0 || self.classes < 2 || self.logs.is_empty() {
            point.floor = 0.0;
            return point;
        }
        self.climb(point)
    }

    /// Where the model is nearly certain of most samples, and as certain of most, a few wrong labels and a little doubt everywhere
    /// explain the labels equally well: with a floor they are hardly more likely than without. Honest doubt is larger for some samples than for others, so of the floors that are about as
    /// likely as the best (the interval of its profile likelihood at 95 %) the largest is taken.
    fn leaning(&self, best: Point) -> Point {
        if !self.options.floor || self.logs.is_empty() || self.count() == 0.0 || !self.certain(&best) {
            return best;
        }
        let n = self.count();
        let enough = self.value(&best) * n - LEAST_LOSS;
        let held = CalibrateOptions { floor: false, ..*self.options };
        let still = Problem { options: &held, ..*self };
        let none = still.climb(Point { floor: 0.0, ..best.clone() });
        if still.value(&none) * n < self.value(&best) * n - SURE_LOSS {
            return best;
        }
        let (mut low, mut high) = (best.clone(), None);
        let mut floor = (best.floor + 1.0 / n).min(0.99);
        for _ in 0..PROFILE {
            let trial = still.climb(Point { floor, ..low.clone() });
            if still.value(&trial) * n >= enough {
                low = trial;
            } else {
                high = Some(floor);
            }
            // doubled until it is too much, then halved
            floor = high.map_or((2.0 * low.floor).min(0.99), |high| f64::midpoint(low.floor, high));
        }
        low
    }

    /// Is the median of the probability of the most probable class close to one?
    fn certain(&self, point: &Point) -> bool {
        let mut tops: Vec<f64> = self
            .parts(|rows| {
                let mut u = vec![0f64; self.classes];
                rows.map(|i| {
                    self.shares(point, i, &mut u);
                    u.iter().copied().fold(0.0, f64::max)
                })
                .collect::<Vec<f64>>()
            })
            .concat();
        let middle = tops.len() / 2;
        !tops.is_empty() && *tops.select_nth_unstable_by(middle, f64::total_cmp).1 >= CERTAIN
    }

    fn climb(&self, mut point: Point) -> Point {
        let mut sums = self.sums(&point);
        let mut damping = 1e-3;
        for _ in 0..self.options.max_iterations {
            let step = self.step(&point, &sums, damping);
            let trial = self.moved(&point, &step);
            let after = self.sums(&trial);
            let gain = after.value - sums.value;
            if gain >= 0.0 {
                (point, sums) = (trial, after);
                damping = (damping * 0.2).max(1e-9);
                if gain < 1e-7 * self.count().max(1.0) {
                    break;
                }
            } else {
                damping *= 8.0;
                if damping > 1e9 {
                    break;
                }
            }
        }
        point
    }

    /// Solves for the step with parameters held that sit on a bound and would leave it.
    fn step(&self, point: &Point, sums: &Sums, damping: f64) -> Vec<f64> {
        let size = self.size();
        let at = |a: usize| if a == 0 { point.floor } else { point.weights[a - 1] };
        let held = |a: usize| {
            let g = sums.gradient[a];
            a <= self.logs.len() && ((at(a) <= 1e-12 && g < 0.0) || (a == 0 && !self.options.floor))
        };
        let mut matrix = sums.curvature.clone();
        let mut right = sums.gradient.clone();
        for a in 0..size {
            if held(a) {
                for b in 0..size {
                    matrix[a * size + b] = 0.0;
                    matrix[b * size + a] = 0.0;
                }
                right[a] = 0.0;
                matrix[a * size + a] = 1.0;
            }
            matrix[a * size + a] = matrix[a * size + a] * (1.0 + damping) + 1e-9;
        }
        solve_positive(&mut matrix, &mut right);
        right
    }

    fn moved(&self, point: &Point, step: &[f64]) -> Point {
        let mut out = point.clone();
        out.floor = (point.floor + step[0]).clamp(0.0, 0.99);
        for (w, s) in out.weights.iter_mut().zip(&step[1..]) {
            *w = (*w + s).clamp(0.0, MAX_WEIGHT);
        }
        if self.options.offsets {
            for (b, s) in out.offsets.iter_mut().zip(&step[1 + self.logs.len()..]) {
                *b += s;
            }
            let mean = out.offsets.iter().sum::<f64>() / self.classes as f64;
            out.offsets.iter_mut().for_each(|b| *b -= mean);
        }
        out
    }
}

/// Solves `matrix x = right` for a symmetric positive matrix by Cholesky, in place; pivots that are not
/// positive make their unknown zero.
fn solve_positive(matrix: &mut [f64], right: &mut [f64]) {
    let n = right.len();
    for j in 0..n {
        for k in 0..j {
            let f = matrix[j * n + k];
            for i in j..n {
                matrix[i * n + j] -= matrix[i * n + k] * f;
            }
        }
        let pivot = matrix[j * n + j];
        let scale = if pivot > 1e-300 { 1.0 / pivot.sqrt() } else { 0.0 };
        for i in j..n {
            matrix[i * n + j] *= scale;
        }
    }
    let inverse = |d: f64| if d > 0.0 { 1.0 / d } else { 0.0 };
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
        right[i] = (right[i] - sum) * inverse(matrix[i * n + i]);
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - sum) * inverse(matrix[i * n + i]);
    }
}
