//! Ridge regressions that leave out the rows they fit worst, and what these rows do to a plain one.
//!
//! TRIM (Jagielski and others 2018, algorithm 2) fits, keeps the rows of the smallest residuals, fits again, and so on; it has to
//! be told the number of poisoned rows, and starts from rows drawn at random. Here the share is looked for, the start is a model
//! so stiff that it is nearly a constant, and residuals are out of fold and in units of a local scale.

pub(crate) mod line;
pub(crate) mod target;

use crate::linalg::principal_components;
use crate::rng::mix;
use crate::stats::{binomial_sf, median_in_place};
use line::{Line, Sums};
use rayon::prelude::*;
use target::Target;

/// Squared penalty of the plain models, for columns of unit variance and the mean squared error.
const PENALTY: f64 = 1e-3;
/// Those of the models that choose what is kept, one after the other: a stiff one follows the bulk of the targets, and a loose one
/// from the start would follow what lies far out.
const SOFTER: [f64; 13] = [1.0, 0.3, 0.1, 0.1, 0.03, 0.03, 0.01, 0.01, 3e-3, 3e-3, PENALTY, PENALTY, PENALTY];
/// That of the local scale.
const SCALE_PENALTY: f64 = 0.03;
/// The local scale is this far from its median at most, in nats.
const SCALE_REACH: f64 = 1.4;
/// Shares of the rows that are tried.
const SHARES: [f64; 14] =
    [0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3];
/// Residuals count up to so many local scales: poison lies beyond, and so it cannot speak for itself.
const FAR: f64 = 3.0;
/// Part of the loss that need not be gained: the elbow.
const ELBOW: f64 = 0.1;
/// Local scales from which on a row that resembles a group belongs to it.
const BEYOND: f64 = 6.0;
/// Rounds at most; the next looks at what is left.
const ROUNDS: usize = 4;
/// A round whose group leaves so much of the differences between predictions ends the search.
const UNBENT: f64 = 0.9;

/// How to trim.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Share that the robust models are fitted on.
    pub keep: f64,
    /// Folds, at least 2.
    pub folds: usize,
    /// Names the folds, and the rows that are trained on where there are more than `max_rows`.
    pub seed: u64,
    /// Most principal components; rows of fewer numbers are taken as they are.
    pub dims: usize,
    /// Most rows to train on and to judge; all are scored.
    pub max_rows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep: 0.7, folds: 3, seed: 0, dims: 128, max_rows: 20_000 }
    }
}

/// What robust models say of the rows, which they did not see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trim {
    /// Absolute residual in local scales; 0 for rows without a target.
    pub score: Vec<f32>,
    /// The target that is expected.
    pub expected: Vec<f64>,
    /// Rows that bend a plain model, ascending.
    pub members: Vec<usize>,
    /// What they do to it.
    pub harm: Harm,
    /// Rows whose target would fit if it were multiplied so: ten times too large or small, or of the wrong sign.
    pub slips: Vec<(usize, f64)>,
    /// Rows that would fit as well with a factor that no slip has: so many are expected by chance.
    pub slips_by_chance: usize,
}

/// What a group does to a plain model, on held-out rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Harm {
    /// Rows judged.
    pub judged: u64,
    /// Rows to which the model without the group is nearer.
    pub better: u64,
    /// Rows to which the model with the group is nearer.
    pub worse: u64,
    /// Probability of so many `better` if both were equally near (sign test, exact, one-sided).
    pub p_value: f64,
    /// Slope of the predictions with the group on those without it: 1 if the group changes nothing, 0 if the model has nothing to
    /// say with it.
    pub slope: f64,
    /// Standard deviation of the predictions without the group, in standard deviations of the residuals.
    pub signal: f64,
}

impl Default for Harm {
    fn default() -> Self {
        Self { judged: 0, better: 0, worse: 0, p_value: 1.0, slope: 1.0, signal: 0.0 }
    }
}

/// Looks for rows that bend a ridge regression of `target` on the rows of `data`, `dim` numbers each. Rows whose target is not
/// finite are not learned from.
#[must_use]
pub fn trim(data: &[f32], dim: usize, target: &[f64], options: &Options) -> Trim {
    let rows = data.len().checked_div(dim).unwrap_or(0).min(target.len());
    let mut out = Trim { score: vec![0.0; rows], expected: vec![f64::NAN; rows], ..Trim::default() };
    let target = &target[..rows];
    let Some(scale) = Target::of(target) else { return out };
    let bench = Bench::new(&data[..rows * dim], dim, target, &scale, options);
    if bench.dim == 0 || bench.known.len() < 4 * bench.folds as usize {
        return out;
    }
    let (member, last) = bench.search();
    out.members = (0..rows).filter(|&i| member[i]).collect();
    if !out.members.is_empty() {
        out.harm = bench.harm(&member);
    }
    let residual = |i: usize, value: f64| (scale.scaled(value) - last.at[i]) / last.scale[i];
    for (i, value) in target.iter().enumerate() {
        out.expected[i] = scale.value(last.at[i]);
        if value.is_finite() {
            out.score[i] = residual(i, *value).abs().min(1e6) as f32;
        }
    }
    (out.slips, out.slips_by_chance) = slips(target, &out.score, residual);
    out
}

/// Rows in the shape that the models see, and who learns from whom.
struct Bench {
    x: Vec<f32>,
    dim: usize,
    t: Vec<f64>,
    /// One over the squared length of the row, at most 1 over the median: far rows do not lever the robust models.
    weight: Vec<f64>,
    fold: Vec<u32>,
    folds: u32,
    /// Rows that models may learn from.
    known: Vec<usize>,
    keep: f64,
}

/// Predictions by models that did not see the row, and the local scale of residuals.
struct Seen {
    at: Vec<f64>,
    scale: Vec<f64>,
}

impl Bench {
    fn new(data: &[f32], dim: usize, target: &[f64], scale: &Target, options: &Options) -> Self {
        let rows = target.len();
        let (x, dim) = standardised(data, dim);
        let (x, dim) = if dim > options.dims {
            let p = principal_components(&x, rows, dim, options.dims.max(1), options.seed);
            standardised(&p.projected, p.rank)
        } else {
            (x, dim)
        };
        let lengths: Vec<f64> = (0..rows)
            .map(|i| x[i * dim..(i + 1) * dim].iter().map(|v| f64::from(*v).powi(2)).sum())
            .collect();
        let usual = median_in_place(&mut lengths.clone());
        let mut order: Vec<usize> = (0..rows).filter(|&i| target[i].is_finite()).collect();
        order.sort_by_key(|&i| (mix(options.seed ^ mix(i as u64)), i));
        let folds = options.folds.max(2) as u32;
        let mut fold = vec![0; rows];
        (0..rows).for_each(|i| fold[i] = i as u32 % folds);
        order.iter().enumerate().for_each(|(place, i)| fold[*i] = place as u32 % folds);
        order.truncate(options.max_rows);
        order.sort_unstable();
        Self {
            t: target.iter().map(|v| if v.is_finite() { scale.cut(*v) } else { 0.0 }).collect(),
            weight: lengths.iter().map(|l| if *l > usual { usual / l } else { 1.0 }).collect(),
            x,
            dim,
            fold,
            folds,
            known: order,
            keep: options.keep.clamp(0.5, 1.0),
        }
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.x[i * self.dim..(i + 1) * self.dim]
    }

    fn wide(&self, i: usize) -> impl Iterator<Item = f64> {
        self.row(i).iter().map(|v| f64::from(*v))
    }

    /// Least trimmed squares by concentration steps from a stiff start: the model, and the rows of `from` that it fits best.
    fn settle(&self, from: &[usize]) -> (Line, Vec<usize>) {
        let n = ((self.keep * from.len() as f64).ceil() as usize).clamp(1, from.len().max(1));
        let mut targets: Vec<f64> = from.iter().map(|i| self.t[*i]).collect();
        let mut line = Line::constant(self.dim, median_in_place(&mut targets));
        let mut sums = Sums::new(self.dim);
        let mut inside = vec![false; from.len()];
        for penalty in SOFTER {
            let best = self.best(from, &line, n);
            for ((i, was), is) in from.iter().zip(&mut inside).zip(best) {
                if *was != is {
                    sums.add(self.wide(*i), self.t[*i], if is { self.weight[*i] } else { -self.weight[*i] });
                    *was = is;
                }
            }
            line = sums.solve(penalty);
        }
        let best = self.best(from, &line, n);
        (line, from.iter().zip(best).filter(|(_, is)| *is).map(|(i, _)| *i).collect())
    }

    /// Flags of the `n` rows that a model fits best.
    fn best(&self, from: &[usize], line: &Line, n: usize) -> Vec<bool> {
        let away: Vec<f64> = from.iter().map(|i| (self.t[*i] - line.of(self.row(*i))).abs()).collect();
        let mut order: Vec<usize> = (0..from.len()).collect();
        if n < order.len() {
            order.select_nth_unstable_by(n, |a, b| away[*a].total_cmp(&away[*b]).then(a.cmp(b)));
        }
        let mut out = vec![false; from.len()];
        order.iter().take(n).for_each(|i| out[*i] = true);
        out
    }

    /// Robust models of the known rows that are `left`, asked about all rows.
    fn seen(&self, left: &[bool]) -> Seen {
        let n = self.t.len();
        let parts: Vec<Vec<(f64, f64)>> = (0..self.folds)
            .into_par_iter()
            .map(|k| {
                let from: Vec<usize> =
                    self.known.iter().copied().filter(|&i| self.fold[i] != k && left[i]).collect();
                let (line, kept) = self.settle(&from);
                let spread = Spread::new(self, &line, &from, &kept);
                (0..n)
                    .into_par_iter()
                    .filter(|i| self.fold[*i] == k)
                    .map(|i| spread.at(self, &line, i))
                    .collect()
            })
            .collect();
        let (mut at, mut log) = (vec![0.0; n], vec![0.0; n]);
        let mut next = vec![0; parts.len()];
        for i in 0..n {
            let k = self.fold[i] as usize;
            (at[i], log[i]) = parts[k][next[k]];
            next[k] += 1;
        }
        let middle = median_in_place(&mut log.clone());
        let mut scale: Vec<f64> =
            log.iter().map(|l| (l - middle).clamp(-SCALE_REACH, SCALE_REACH).exp()).collect();
        // in standard deviations of the middle half, if these were normal
        let known = self.known.iter().filter(|i| left[**i]);
        let mut away: Vec<f64> = known.map(|&i| (self.t[i] - at[i]).abs() / scale[i]).collect();
        let unit = (median_in_place(&mut away) / 0.6745).max(1e-9);
        let unit = if unit.is_finite() { unit } else { 1.0 };
        scale.iter_mut().for_each(|s| *s *= unit);
        Seen { at, scale }
    }

    /// Rounds of trimming: flags of the rows that bend a model, and what the last robust models say.
    fn search(&self) -> (Vec<bool>, Seen) {
        let mut left: Vec<bool> = vec![true; self.t.len()];
        let mut seen = self.seen(&left);
        for _ in 0..ROUNDS {
            let away = |i: usize| (self.t[i] - seen.at[i]).abs() / seen.scale[i];
            let mut order: Vec<usize> = self.known.iter().copied().filter(|i| left[*i]).collect();
            order.sort_by(|a, b| away(*b).total_cmp(&away(*a)).then(a.cmp(b)));
            let Some(n) = self.elbow(&order, &left, &seen) else { break };
            let far = order.get(n).map_or(f64::INFINITY, |i| away(*i));
            order[..n].iter().for_each(|i| left[*i] = false);
            // rows that nobody learned from are judged by the same measure
            let is_known: Vec<bool> = flags(self.t.len(), &self.known);
            (0..left.len()).filter(|i| !is_known[*i]).for_each(|i| left[i] &= away(i) <= far);
            seen = self.seen(&left);
        }
        let mut member: Vec<bool> = left.iter().map(|l| !l).collect();
        self.extend(&mut member, &seen);
        (member, seen)
    }

    /// Shares are tried in steps, and what is left of a group after the last no longer bends a model. Rows half as far from the models
    /// without the group as three quarters of its rows, and far beyond what is usual, belong to it.
    fn extend(&self, member: &mut [bool], seen: &Seen) {
        let away = |i: usize| (self.t[i] - seen.at[i]).abs() / seen.scale[i];
        let mut own: Vec<f64> = self.known.iter().filter(|i| member[**i]).map(|i| away(*i)).collect();
        if own.is_empty() {
            return;
        }
        own.sort_by(f64::total_cmp);
        let from = (0.5 * own[own.len() / 4]).max(BEYOND);
        let more: Vec<usize> = (0..member.len()).filter(|&i| !member[i] && away(i) >= from).collect();
        // a step leaves a part of a group behind; where more than that is far, honest rows are
        if 2 * more.len() <= member.iter().filter(|m| **m).count() {
            more.iter().for_each(|i| member[*i] = true);
        }
    }

    /// How many of the known rows, worst first, have to go so that the others fit each other; none if that unbends nothing.
    fn elbow(&self, order: &[usize], left: &[bool], seen: &Seen) -> Option<usize> {
        let cuts: Vec<usize> =
            [0.0].iter().chain(&SHARES).map(|s| (s * order.len() as f64) as usize).collect();
        let parts: Vec<Vec<Line>> = (0..self.folds)
            .into_par_iter()
            .map(|k| {
                let learns = |i: &&usize| self.fold[**i] != k;
                let mut sums = Sums::new(self.dim);
                order.iter().filter(learns).for_each(|i| sums.add(self.wide(*i), self.t[*i], 1.0));
                let mut from = 0;
                let mut lines = vec![];
                for &to in &cuts {
                    order[from..to]
                        .iter()
                        .filter(learns)
                        .for_each(|i| sums.add(self.wide(*i), self.t[*i], -1.0));
                    from = to;
                    lines.push(sums.solve(PENALTY));
                }
                lines
            })
            .collect();
        let judged: Vec<usize> = self.known.iter().copied().filter(|i| left[*i]).collect();
        let said: Vec<Vec<f64>> = (0..cuts.len())
            .into_par_iter()
            .map(|c| judged.iter().map(|i| parts[self.fold[*i] as usize][c].of(self.row(*i))).collect())
            .collect();
        let mut away: Vec<f64> =
            judged.iter().map(|&i| (self.t[i] - seen.at[i]).abs() / seen.scale[i]).collect();
        let unit = upper_quarter(&mut away).max(1e-9);
        let loss = |said: &Vec<f64>| {
            let one =
                |(i, f): (&usize, &f64)| ((self.t[*i] - f) / (seen.scale[*i] * unit)).powi(2).min(FAR * FAR);
            judged.iter().zip(said).map(one).sum::<f64>() / judged.len().max(1) as f64
        };
        let losses: Vec<f64> = said.iter().map(loss).collect();
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let enough = least + ELBOW * (losses[0] - least);
        let at = losses.iter().position(|l| *l <= enough)?;
        (cuts[at] > 0 && slope(&said[0], &said[at]) <= UNBENT).then(|| cuts[at])
    }

    /// Plain models without the rows for which `out` holds, asked about the known rows they did not see.
    fn held_out(&self, out: &dyn Fn(usize) -> bool) -> Vec<f64> {
        let mut all: Vec<Sums> = vec![];
        for k in 0..self.folds {
            let mut sums = Sums::new(self.dim);
            let from = self.known.iter().filter(|i| self.fold[**i] != k && !out(**i));
            from.for_each(|i| sums.add(self.wide(*i), self.t[*i], 1.0));
            all.push(sums);
        }
        let lines: Vec<Line> = all.iter().map(|s| s.solve(PENALTY)).collect();
        self.known.iter().map(|&i| lines[self.fold[i] as usize].of(self.row(i))).collect()
    }

    /// Trains with and without the members and compares both on all known rows, members among them, so that the choice does not
    /// look at targets. Residuals are centred at their median: a group that only moves all predictions is not judged by where
    /// the middle of a skewed target is.
    fn harm(&self, member: &[bool]) -> Harm {
        let (with, without) = (self.held_out(&|_| false), self.held_out(&|i| member[i]));
        let centred = |said: &[f64]| {
            let r: Vec<f64> = self.known.iter().zip(said).map(|(i, f)| self.t[*i] - f).collect();
            let middle = median_in_place(&mut r.clone());
            r.into_iter().map(|r| (r - middle).abs()).collect::<Vec<f64>>()
        };
        let (bent, straight) = (centred(&with), centred(&without));
        let mut harm = Harm { judged: self.known.len() as u64, ..Harm::default() };
        for (bent, straight) in bent.iter().zip(&straight) {
            harm.better += u64::from(straight < bent);
            harm.worse += u64::from(bent < straight);
        }
        harm.p_value = binomial_sf(harm.better, harm.better + harm.worse, 0.5);
        harm.slope = slope(&with, &without);
        let n = without.len().max(1) as f64;
        let mean = without.iter().sum::<f64>() / n;
        let deviation = (without.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        harm.signal = deviation / upper_quarter(&mut straight.clone()).max(1e-9);
        harm
    }
}

/// The logarithm of absolute residuals as a function of the row and the prediction, learned from rows that fit.
struct Spread {
    line: Line,
    middle: f64,
    unit: f64,
}

impl Spread {
    fn new(bench: &Bench, model: &Line, from: &[usize], kept: &[usize]) -> Self {
        let said: Vec<f64> = from.iter().map(|i| model.of(bench.row(*i))).collect();
        let n = said.len().max(1) as f64;
        let mean = said.iter().sum::<f64>() / n;
        let deviation = (said.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let mut all: Vec<f64> = from.iter().zip(&said).map(|(i, f)| (bench.t[*i] - f).abs()).collect();
        let least = 0.05 * median_in_place(&mut all) + 1e-9;
        let mut out = Self {
            line: Line::constant(bench.dim + 2, 0.0),
            middle: median_in_place(&mut said.clone()),
            unit: deviation + 1e-9,
        };
        let mut sums = Sums::new(bench.dim + 2);
        for &i in kept {
            let at = model.of(bench.row(i));
            sums.add(out.wide(bench, i, at), ((bench.t[i] - at).abs() + least).ln(), 1.0);
        }
        out.line = sums.solve(SCALE_PENALTY);
        out
    }

    fn wide<'a>(&self, bench: &'a Bench, i: usize, at: f64) -> impl Iterator<Item = f64> + use<'a> {
        let q = ((at - self.middle) / self.unit).clamp(-3.0, 3.0);
        bench.wide(i).chain([q, q * q])
    }

    /// Prediction and logarithm of the scale.
    fn at(&self, bench: &Bench, model: &Line, i: usize) -> (f64, f64) {
        let at = model.of(bench.row(i));
        (at, self.line.at(self.wide(bench, i, at)))
    }
}

/// Slope of `a` on `b`; 1 if `b` does not vary.
fn slope(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().max(1) as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let square: f64 = b.iter().map(|b| (b - mb).powi(2)).sum();
    let both: f64 = a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum();
    if square > 0.0 { both / square } else { 1.0 }
}

/// Standard deviation of a normal sample whose absolute values have this upper quartile: a wider look at residuals than their
/// median, which of lumpy targets can be next to nothing.
fn upper_quarter(away: &mut [f64]) -> f64 {
    let at = away.len() * 3 / 4;
    if at >= away.len() {
        return 0.0;
    }
    let (_, value, _) = away.select_nth_unstable_by(at, f64::total_cmp);
    *value / 1.1503
}

fn flags(n: usize, at: &[usize]) -> Vec<bool> {
    let mut out = vec![false; n];
    at.iter().for_each(|i| out[*i] = true);
    out
}

/// Columns of mean 0 and deviation 1; those that do not vary are left out, and what is not finite counts as 0.
fn standardised(data: &[f32], dim: usize) -> (Vec<f32>, usize) {
    let rows = data.len().checked_div(dim).unwrap_or(0);
    let finite = |v: f32| if v.is_finite() { f64::from(v) } else { 0.0 };
    let mut columns: Vec<(usize, f64, f64)> = (0..dim)
        .into_par_iter()
        .map(|c| {
            let values = || data.iter().skip(c).step_by(dim).map(|v| finite(*v));
            let mean = values().sum::<f64>() / rows.max(1) as f64;
            let square = values().map(|v| (v - mean).powi(2)).sum::<f64>() / rows.max(1) as f64;
            (c, mean, square.sqrt())
        })
        .collect();
    columns.retain(|c| c.2 > 1e-6 * c.1.abs().max(1e-3) && c.2.is_finite());
    let mut out = Vec::with_capacity(rows * columns.len());
    for row in data.chunks_exact(dim.max(1)) {
        out.extend(columns.iter().map(|(c, mean, deviation)| ((finite(row[*c]) - mean) / deviation) as f32));
    }
    (out, columns.len())
}

/// Local scales from which a target is absurd, and within which it fits.
const ABSURD: f32 = 6.0;
const FITS: f64 = 1.0;
/// What a slip of the pen multiplies with, and what none does.
const SLIPS: [f64; 5] = [0.1, 10.0, 0.01, 100.0, -1.0];
const NO_SLIPS: [f64; 5] = [0.316, 3.16, 0.0316, 31.6, -3.16];

/// Absurd targets that a slip of the pen explains, with the factor that mends them, and how many another factor would.
fn slips(target: &[f64], score: &[f32], residual: impl Fn(usize, f64) -> f64) -> (Vec<(usize, f64)>, usize) {
    let mut found = vec![];
    let mut chance = 0;
    for i in (0..target.len()).filter(|&i| score[i] >= ABSURD && target[i] != 0.0) {
        let mended = |by: f64| residual(i, target[i] * by).abs();
        let best = |of: &[f64]| {
            of.iter().map(|by| (mended(*by), *by)).min_by(|a, b| a.0.total_cmp(&b.0)).filter(|b| b.0 <= FITS)
        };
        found.extend(best(&SLIPS).map(|(_, by)| (i, by)));
        chance += usize::from(best(&NO_SLIPS).is_some());
    }
    (found, chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const DIM: usize = 5;

    /// Rows of five numbers, a target of wavering noise (more where the first is large), and rows at the corners whose target
    /// contradicts the others.
    fn bent(rows: usize, poison: usize) -> (Vec<f32>, Vec<f64>) {
        let mut rng = Rng::new(7, "trim");
        let (mut data, mut target) = (vec![], vec![]);
        for i in 0..rows + poison {
            let bad = i >= rows;
            let mut x: Vec<f64> = (0..DIM).map(|_| rng.normal()).collect();
            if bad {
                x.iter_mut().for_each(|v| *v = 3.0 * v.signum());
            }
            let clean = 100.0 + 10.0 * (x[0] + 0.5 * x[1] - 0.7 * x[2]);
            let tail = if rng.unit() < 0.05 { 4.0 } else { 1.0 };
            let noise = 4.0 * (1.0 + 0.8 * x[0].abs()) * tail * rng.normal();
            target.push(if bad { if clean > 100.0 { 60.0 } else { 140.0 } } else { clean + noise });
            data.extend(x.iter().map(|v| *v as f32));
        }
        (data, target)
    }

    #[test]
    fn what_bends_a_model_is_found_and_what_is_honest_is_not() {
        for poison in [80, 200, 400] {
            let (data, target) = bent(2000, poison);
            let found = trim(&data, DIM, &target, &Options::default());
            let hits = found.members.iter().filter(|i| **i >= 2000).count();
            let honest = found.members.len() - hits;
            assert!(10 * hits >= 6 * poison, "{hits} of {poison}");
            assert!(honest < 40, "{honest} honest rows beside {poison}");
            assert!(found.harm.p_value < 1e-6 && found.harm.slope < 0.7, "{:?}", found.harm);
        }
        let (data, target) = bent(2000, 0);
        let found = trim(&data, DIM, &target, &Options::default());
        assert!(found.members.is_empty() || found.harm.slope > 0.85, "{:?}", found.harm);
    }

    /// Concentration steps as they are written down, with a sort and a fit from the rows each time.
    #[test]
    fn concentration_steps_are_those_of_the_paper() {
        let (data, target) = bent(120, 20);
        let scale = Target::of(&target).unwrap();
        let bench = Bench::new(&data, DIM, &target, &scale, &Options::default());
        let from: Vec<usize> = (0..140).collect();
        let (line, kept) = bench.settle(&from);
        let mut t = bench.t.clone();
        let mut naive = Line::constant(DIM, median_in_place(&mut t));
        let nearest = |line: &Line| {
            let mut order = from.clone();
            let away = |i: usize| (bench.t[i] - line.of(bench.row(i))).abs();
            order.sort_by(|a, b| away(*a).total_cmp(&away(*b)));
            order.truncate(98);
            order.sort_unstable();
            order
        };
        for penalty in SOFTER {
            let mut sums = Sums::new(DIM);
            for i in nearest(&naive) {
                sums.add(bench.wide(i), bench.t[i], bench.weight[i]);
            }
            naive = sums.solve(penalty);
        }
        assert_eq!(kept, nearest(&naive));
        for i in 0..140 {
            assert!((line.of(bench.row(i)) - naive.of(bench.row(i))).abs() < 1e-8);
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told_from_a_heavy_tail() {
        let (data, mut target) = bent(1000, 0);
        for i in (0..1000).step_by(100) {
            target[i] *= 10.0;
        }
        let found = trim(&data, DIM, &target, &Options::default());
        let right = found.slips.iter().filter(|(i, by)| i % 100 == 0 && *by == 0.1).count();
        assert!(right >= 6, "{:?}", found.slips);
        assert!(found.slips_by_chance * 4 <= found.slips.len(), "{} by chance", found.slips_by_chance);
    }

    #[test]
    fn odd_data_give_numbers() {
        let some: Vec<f64> = (0..40).map(f64::from).collect();
        for (data, dim, target) in [
            (vec![], 0, vec![]),
            (vec![1.0; 80], 2, some.clone()),
            (vec![f32::NAN; 80], 2, some.clone()),
            ((0..80).map(|v| v as f32).collect(), 2, vec![f64::NAN; 40]),
            ((0..80).map(|v| v as f32).collect(), 2, vec![5.0; 40]),
            ((0..80).map(|v| v as f32).collect(), 2, some),
            (vec![1e38, -1e38, 0.0, 5.0], 1, vec![1e300, -1e300, f64::INFINITY, 0.0]),
        ] {
            let found = trim(&data, dim, &target, &Options::default());
            assert!(found.score.iter().all(|s| s.is_finite()), "{:?}", found.score);
            assert!((0.0..=1.0).contains(&found.harm.p_value) && found.harm.slope.is_finite());
        }
    }
}
