//! Softmax regressions that leave out the rows they fit worst, and what groups of rows do to a plain one.

use crate::reduced::reduced;
use crate::rng::{Rng, mix};
use crate::softmax::calibrate::{CalibrateOptions, calibrate};
use crate::softmax::{FitOptions, Rows, Softmax, assign_folds, fit_from};
use crate::stats::{binomial_sf, wilson_interval};
use rayon::prelude::*;

/// Squared penalty of the plain models, as a share of the rows trained on, for rows of unit length.
pub(crate) const PENALTY: f64 = 3e-5;
/// Those of the models that choose what is kept, one after the other. The first are so stiff that they follow the bulk of
/// each class; a loose one from the start would follow a group at its edge, and never leave it.
const SOFTER: [f64; 10] = [0.1, 0.03, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, PENALTY, PENALTY];
const LEAST_PROBABILITY: f32 = 1e-9;
/// See [`FitOptions::tolerance`]: of models that only say which rows fit best, and of those that judge.
const CHOOSING: f64 = 1e-5;
const JUDGING: f64 = 1e-6;

/// How to trim.
#[derive(Clone, Debug, PartialEq)]
pub struct TrimOptions {
    /// Share of each class that is kept.
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

impl Default for TrimOptions {
    fn default() -> Self {
        // poison that is a tenth of the data can be more than a fifth of the class it goes to
        Self { keep: 0.7, folds: 3, seed: 0, dims: 64, max_rows: 20_000 }
    }
}

/// What models say that were fitted without the row and without the rows that fitted worst.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trimmed {
    /// Log-odds (nats) of the most probable other class against the given one; 0 for rows without a label.
    pub score: Vec<f32>,
    /// The most probable class.
    pub top: Vec<u32>,
    /// Log-odds (nats) of the most probable class against the next one. It does not depend on the row's label.
    pub sure: Vec<f32>,
}

/// What taking out a group does to a plain model, on held-out rows outside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Harm {
    /// Rows judged.
    pub judged: u64,
    /// All rows that are trained on, those that are not judged among them.
    pub rows: u64,
    /// Judged rows that the model with the group gets wrong.
    pub wrong: u64,
    /// Judged rows that only the model without the group gets right.
    pub better: u64,
    /// Judged rows that only the model with the group gets right.
    pub worse: u64,
    /// Probability of so many `better` if both models were equally good (McNemar's test, exact, one-sided).
    pub p_value: f64,
}

impl Harm {
    /// Rows gained, as a share of all rows.
    #[must_use]
    pub fn gain(&self) -> f64 {
        (self.better as f64 - self.worse as f64) / self.rows.max(1) as f64
    }

    /// Share of the errors that are gone without the group.
    #[must_use]
    pub fn repaired(&self) -> f64 {
        (self.better as f64 - self.worse as f64) / self.wrong.max(1) as f64
    }

    /// 95 % interval of the gain, given how many rows the models differ on (Wilson).
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        let differ = self.better + self.worse;
        let (low, high) = wilson_interval(self.better, differ, 1.96);
        let of = |share: f64| (2.0 * share - 1.0) * differ as f64 / self.rows.max(1) as f64;
        if differ == 0 { (0.0, 0.0) } else { (of(low), of(high)) }
    }
}

/// Rows in the shape that the models see, and who learns from whom.
pub struct Bench {
    data: Vec<f32>,
    dim: usize,
    labels: Vec<u32>,
    classes: usize,
    fold: Vec<u32>,
    /// Rows that models may learn from.
    known: Vec<usize>,
    options: TrimOptions,
    /// One model of all rows outside the fold, each.
    plain: Vec<u32>,
}

impl Bench {
    /// `data`: rows of `dim` numbers, which are brought to unit length; `labels`: one a row, not below `classes` where there is none.
    /// An incomplete last row, and rows beyond the labels, are left out.
    #[must_use]
    pub fn new(data: &[f32], dim: usize, labels: &[u32], classes: usize, options: &TrimOptions) -> Self {
        let rows = data.len().checked_div(dim).unwrap_or(0).min(labels.len());
        let (data, dim) = reduced(&data[..rows * dim], dim, options.dims, options.seed);
        let labels = labels[..rows].to_vec();
        let fold = assign_folds(&labels, classes, None, options.folds.max(2), options.seed);
        let mut known: Vec<usize> = (0..rows).filter(|&i| (labels[i] as usize) < classes).collect();
        known.sort_by_key(|&i| mix(options.seed ^ mix(i as u64)));
        known.truncate(options.max_rows);
        known.sort_unstable();
        let mut bench =
            Self { data, dim, labels, classes, fold, known, options: options.clone(), plain: vec![] };
        bench.plain = bench.held_out(&|_| true);
        bench
    }

    fn folds(&self) -> u32 {
        self.options.folds.max(2) as u32
    }

    fn rows(&self, of: &[usize]) -> Vec<f32> {
        of.iter().flat_map(|&i| &self.data[i * self.dim..(i + 1) * self.dim]).copied().collect()
    }

    fn learn(&self, from: &[usize], penalty: f64, tolerance: f64, start: Option<&Softmax>) -> Softmax {
        let labels: Vec<u32> = from.iter().map(|&i| self.labels[i]).collect();
        let options = FitOptions { l2: penalty * from.len() as f64, max_iterations: 60, tolerance };
        let rows = self.rows(from);
        fit_from(Rows::Dense { data: &rows, dim: self.dim }, &labels, None, self.classes, &options, start)
    }

    fn asked(&self, model: &Softmax, of: &[usize]) -> Vec<f32> {
        model.predict_proba(Rows::Dense { data: &self.rows(of), dim: self.dim })
    }

    /// Known rows of each fold and the probabilities of their classes, by models that learned from known rows of other folds
    /// for which `learns` holds.
    fn outside(&self, learns: &(dyn Fn(usize) -> bool + Sync)) -> Vec<(Vec<usize>, Vec<f32>)> {
        let part = |k: u32| {
            let (asked, from): (Vec<usize>, Vec<usize>) =
                self.known.iter().copied().partition(|&i| self.fold[i] == k);
            let from: Vec<usize> = from.into_iter().filter(|&i| learns(i)).collect();
            let p = self.asked(&self.learn(&from, PENALTY, JUDGING, None), &asked);
            (asked, p)
        };
        (0..self.folds()).into_par_iter().map(part).collect()
    }

    /// The most probable class of every known row, see [`Self::outside`].
    fn held_out(&self, learns: &(dyn Fn(usize) -> bool + Sync)) -> Vec<u32> {
        let mut out = vec![u32::MAX; self.labels.len()];
        for (asked, p) in self.outside(learns) {
            asked.iter().zip(p.chunks_exact(self.classes.max(1))).for_each(|(i, p)| out[*i] = first_two(p).0);
        }
        out
    }

    /// The known rows, `draws` times, under labels drawn from what held-out plain models say of them, calibrated with the share of
    /// labels at random that the given labels tell: as much doubt and as much noise as there is in the data, and nobody who meant
    /// harm.
    #[must_use]
    pub fn drawn(&self, draws: u64) -> Vec<Self> {
        let mut place = vec![usize::MAX; self.labels.len()];
        self.known.iter().enumerate().for_each(|(k, &i)| place[i] = k);
        let mut probs = vec![0f32; self.known.len() * self.classes];
        for (asked, p) in self.outside(&|_| true) {
            for (i, p) in asked.iter().zip(p.chunks_exact(self.classes.max(1))) {
                let at = place[*i] * self.classes;
                probs[at..at + self.classes].copy_from_slice(p);
            }
        }
        let of = |v: &[u32]| self.known.iter().map(|&i| v[i]).collect::<Vec<u32>>();
        let fitted = calibrate(&[&probs], &of(&self.labels), self.classes, &CalibrateOptions::default());
        let draw = |n: u64| {
            let mut drawn = Self {
                data: self.rows(&self.known),
                dim: self.dim,
                labels: fitted.draw(&mut Rng::at(self.options.seed, "trimmed", n)),
                classes: self.classes,
                fold: of(&self.fold),
                known: (0..self.known.len()).collect(),
                options: self.options.clone(),
                plain: vec![],
            };
            drawn.plain = drawn.held_out(&|_| true);
            drawn
        };
        (0..draws).map(draw).collect()
    }

    /// One a row, not below the number of classes where there is none.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Fits a stiff model, keeps the share of each class that fits best, fits a softer one to it, and so on; the last judges
    /// the rows of the fold that was left out.
    #[must_use]
    pub fn trimmed(&self) -> Trimmed {
        let n = self.labels.len();
        let mut out = Trimmed { score: vec![0.0; n], top: vec![u32::MAX; n], sure: vec![0.0; n] };
        if self.classes < 2 || self.dim == 0 {
            return out;
        }
        let parts: Vec<(Vec<usize>, Vec<f32>)> = (0..self.folds())
            .into_par_iter()
            .map(|k| {
                let from: Vec<usize> = self.known.iter().copied().filter(|&i| self.fold[i] != k).collect();
                let asked: Vec<usize> = (0..n).filter(|&i| self.fold[i] == k).collect();
                let p = self.asked(&self.settle(&from), &asked);
                (asked, p)
            })
            .collect();
        for (asked, p) in parts {
            for (&i, p) in asked.iter().zip(p.chunks_exact(self.classes)) {
                let (top, sure) = first_two(p);
                (out.top[i], out.sure[i]) = (top, sure);
                if let Some(own) = p.get(self.labels[i] as usize) {
                    let others = p.iter().enumerate().filter(|(c, _)| *c as u32 != self.labels[i]);
                    let other = others.map(|(_, p)| *p).fold(0.0, f32::max);
                    out.score[i] = log_odds(other, *own);
                }
            }
        }
        out
    }

    fn settle(&self, from: &[usize]) -> Softmax {
        let [first, between @ .., last] = SOFTER;
        let softer = |model: Softmax, penalty: f64, tolerance: f64| {
            self.learn(&self.best(from, &model), penalty, tolerance, Some(&model))
        };
        let stiff = self.learn(from, first, CHOOSING, None);
        softer(
            between.into_iter().fold(stiff, |model, penalty| softer(model, penalty, CHOOSING)),
            last,
            JUDGING,
        )
    }

    /// The share of each class that the model fits best, ascending.
    fn best(&self, from: &[usize], model: &Softmax) -> Vec<usize> {
        let p = self.asked(model, from);
        let mut of_class: Vec<Vec<(f32, usize)>> = vec![vec![]; self.classes];
        for (&i, p) in from.iter().zip(p.chunks_exact(self.classes)) {
            let y = self.labels[i] as usize;
            of_class[y].push((-p[y], i));
        }
        let mut out: Vec<usize> = vec![];
        for mut rows in of_class {
            rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let n = (self.options.keep.clamp(0.0, 1.0) * rows.len() as f64).ceil() as usize;
            out.extend(rows.into_iter().take(n).map(|r| r.1));
        }
        out.sort_unstable();
        out
    }

    /// Trains with and without the `members` (one flag a row), and compares both on held-out rows for which `judged` holds,
    /// under their labels as given. For the test to hold, `judged` must not look at labels.
    #[must_use]
    pub fn harm(&self, members: &[bool], judged: &(dyn Fn(usize) -> bool + Sync)) -> Harm {
        let without = self.held_out(&|i| !members.get(i).copied().unwrap_or(false));
        let mut harm = Harm { rows: self.known.len() as u64, ..Harm::default() };
        for &i in self.known.iter().filter(|i| judged(**i)) {
            let (with, without) = (self.plain[i] == self.labels[i], without[i] == self.labels[i]);
            harm.judged += 1;
            harm.wrong += u64::from(!with);
            harm.better += u64::from(without && !with);
            harm.worse += u64::from(with && !without);
        }
        harm.p_value = binomial_sf(harm.better, harm.better + harm.worse, 0.5);
        harm
    }
}

fn log_odds(a: f32, b: f32) -> f32 {
    a.max(LEAST_PROBABILITY).ln() - b.max(LEAST_PROBABILITY).ln()
}

/// The most probable class, the first of equals, and its log-odds against the next.
fn first_two(p: &[f32]) -> (u32, f32) {
    let (mut top, mut best, mut next) = (0, f32::NEG_INFINITY, 0.0f32);
    for (c, &p) in p.iter().enumerate() {
        if p > best {
            (next, best, top) = (best.max(0.0), p, c as u32);
        } else {
            next = next.max(p);
        }
    }
    (top, log_odds(best, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const DIM: usize = 6;

    /// Two classes that a plane parts with some overlap; of the first, `flipped` rows far out get the label of the second.
    fn tilted(rows: usize, flipped: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(5, "trimmed");
        let (mut data, mut labels) = (vec![], vec![]);
        for i in 0..rows {
            let y = (i % 2) as u32;
            let side = if y == 1 { 1.0 } else { -1.0 };
            let bad = y == 0 && i / 2 < flipped;
            let along = if bad { -0.9 } else { 0.45 * side } + 0.25 * rng.normal();
            let across = if bad { 1.2 } else { 0.0 } + 0.25 * rng.normal();
            data.extend([along as f32, across as f32]);
            data.extend((2..DIM).map(|_| (0.3 * rng.normal()) as f32));
            labels.push(if bad { 1 } else { y });
        }
        (data, labels)
    }

    #[test]
    fn rows_that_turn_a_line_are_found_and_do_harm() {
        let (data, labels) = tilted(1200, 100);
        let bad = |i: usize| i.is_multiple_of(2) && i / 2 < 100;
        let bench = Bench::new(&data, DIM, &labels, 2, &TrimOptions::default());
        let found = bench.trimmed();
        let mut order: Vec<usize> = (0..1200).collect();
        order.sort_by(|a, b| found.score[*b].total_cmp(&found.score[*a]));
        let hits = order[..120].iter().filter(|i| bad(**i)).count();
        assert!(hits >= 80, "{hits} of 100 among the first 120");
        let members: Vec<bool> = (0..1200).map(bad).collect();
        let harm = bench.harm(&members, &|i| !bad(i));
        assert!(harm.p_value < 1e-3 && harm.gain() > 0.01, "{harm:?}");
        let (low, high) = harm.interval();
        assert!(low <= harm.gain() && harm.gain() <= high);
        // honest rows do none
        let honest: Vec<bool> = (0..1200).map(|i| !bad(i) && i % 11 == 0).collect();
        assert!(bench.harm(&honest, &|_| true).p_value > 0.01);
    }

    #[test]
    fn labels_that_are_drawn_do_less_harm_than_rows_that_turn_a_line() {
        let (data, labels) = tilted(1200, 100);
        let bench = Bench::new(&data, DIM, &labels, 2, &TrimOptions::default());
        let [drawn, other] = &bench.drawn(2)[..] else { panic!("two draws") };
        assert_eq!(drawn.labels(), bench.drawn(1)[0].labels());
        assert_ne!(drawn.labels(), other.labels());
        let count = |of: &[u32]| of.iter().filter(|y| **y == 1).count() as f64;
        assert!((count(drawn.labels()) - count(&labels)).abs() < 80.0);
        let gain = |bench: &Bench| {
            let found = bench.trimmed();
            let members: Vec<bool> =
                (0..1200).map(|i| found.sure[i] > 4.0 && found.top[i] != bench.labels()[i]).collect();
            bench.harm(&members, &|i| found.sure[i] <= 4.0).gain()
        };
        assert!(gain(&bench) > gain(drawn) + 0.005, "{} and {}", gain(&bench), gain(drawn));
    }

    #[test]
    fn what_is_kept_is_the_best_of_each_class() {
        let (data, labels) = tilted(90, 5);
        let bench = Bench::new(&data, DIM, &labels, 2, &TrimOptions { keep: 0.5, ..TrimOptions::default() });
        let all: Vec<usize> = (0..90).collect();
        let model = bench.learn(&all, 0.01, JUDGING, None);
        let kept = bench.best(&all, &model);
        let p = bench.asked(&model, &all);
        for class in 0..2u32 {
            let of = |inside: bool| -> Vec<f32> {
                let rows = (0..90).filter(|i| labels[*i] == class && kept.contains(i) == inside);
                rows.map(|i| p[i * 2 + class as usize]).collect()
            };
            let (inside, outside) = (of(true), of(false));
            assert_eq!(inside.len(), (inside.len() + outside.len()).div_ceil(2));
            let worst = inside.iter().copied().fold(1.0, f32::min);
            assert!(outside.iter().all(|p| *p <= worst));
        }
    }

    #[test]
    fn odd_data_give_numbers() {
        for (data, dim, labels, classes) in [
            (vec![], 0, vec![], 0),
            (vec![1.0; 6], 2, vec![0, 0, 0], 1),
            (vec![f32::NAN; 6], 2, vec![0, 1, u32::MAX], 2),
            (vec![1.0; 7], 3, vec![0, 1, 1], 2),
        ] {
            let bench = Bench::new(&data, dim, &labels, classes, &TrimOptions::default());
            let found = bench.trimmed();
            assert!(found.score.iter().chain(&found.sure).all(|s| s.is_finite()));
            assert!(bench.harm(&[true], &|_| true).p_value <= 1.0);
            assert!(bench.drawn(1)[0].trimmed().score.iter().all(|s| s.is_finite()));
        }
    }
}
