//! The law that rows elsewhere follow, and how those at corners stand to it.

use super::FEWEST;
use crate::rng::{Rng, mix};
use crate::softmax::{FitOptions, Rows, Softmax, fit};
use crate::stats::{binomial_sf, monte_carlo};
use crate::trimmed_ridge::line::{Line, Sums};
use crate::trimmed_ridge::target::Target;

/// Share of honest rows that count as contradicted where the law is a number.
const FAR: f64 = 0.05;
/// Most rows that a model learns from.
const ROWS: usize = 20_000;
/// Squared penalties of the two models, the second as a share of the rows.
const RIDGE: f64 = 1e-3;
const SOFTMAX: f64 = 1e-4;

/// What rows should be, to be compared with what they are.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Class codes, not below the number of classes where there is none.
    Classes(&'a [u32], usize),
    /// Numbers, not finite where there is none.
    Numbers(&'a [f64]),
}

/// What a model of the other rows says of those at corners.
pub(super) struct Judged {
    pub contradicted: Vec<bool>,
    pub elsewhere: f64,
    /// What rows are, and what the model says: classes, or ranks.
    is: Vec<f64>,
    said: Vec<f64>,
    /// Least and greatest number to be learned, each with the share of the other rows that have it; of classes there are none.
    pub ends: Option<[(f64, f64); 2]>,
}

impl Judged {
    /// P-value of labels that agree so little with what is said, if these rows' labels were dealt at random.
    pub fn opposed(&self, here: &[usize], seed: u64) -> f64 {
        let is: Vec<f64> = here.iter().map(|at| self.is[*at]).collect();
        let mut said: Vec<f64> = here.iter().map(|at| self.said[*at]).collect();
        let are_classes = self.ends.is_none();
        let is = if are_classes { is } else { ranks(&is) };
        if !are_classes {
            said = ranks(&said);
        }
        let agree = |said: &[f64]| -> f64 {
            let one = |(a, b): (&f64, &f64)| if are_classes { f64::from(u8::from(a == b)) } else { a * b };
            is.iter().zip(said).map(one).sum()
        };
        let seen = agree(&said);
        let mut rng = Rng::new(seed, "column-ends/opposed");
        monte_carlo(|| {
            rng.shuffle(&mut said);
            agree(&said) <= seen + 1e-9
        })
    }

    pub fn is_at_end(&self, at: usize) -> bool {
        self.ends.is_some_and(|ends| ends.iter().any(|end| end.0 == self.is[at]))
    }

    /// P-value of numbers that are so often at both of their ends, the larger of the two; 1 of classes.
    pub fn both_ends(&self, here: &[usize]) -> f64 {
        let Some(ends) = self.ends else { return 1.0 };
        let one = |(value, share): (f64, f64)| {
            let hits = here.iter().filter(|at| self.is[**at] == value).count();
            binomial_sf(hits as u64, here.len() as u64, share)
        };
        ends.into_iter().map(one).fold(0.0, f64::max)
    }
}

/// Ranks about their mean; equal numbers share one.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut out = vec![0.0; values.len()];
    let mut from = 0;
    for run in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = from as f64 + (run.len() - 1) as f64 / 2.0 - (values.len() - 1) as f64 / 2.0;
        run.iter().for_each(|i| out[*i] = rank);
        from += run.len();
    }
    out
}

impl Wanted<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Classes(c, _) => c.len(),
            Self::Numbers(v) => v.len(),
        }
    }

    pub(super) fn known(&self, i: usize) -> bool {
        match self {
            Self::Classes(c, classes) => (c[i] as usize) < *classes,
            Self::Numbers(v) => v[i].is_finite(),
        }
    }

    pub(super) fn judge(
        &self,
        x: &[f32],
        dim: usize,
        inside: &[usize],
        outside: &[usize],
        seed: u64,
    ) -> Option<Judged> {
        let mut learned = outside.to_vec();
        learned.sort_by_key(|&i| (mix(seed ^ mix(i as u64)), i));
        learned.truncate(ROWS);
        learned.sort_unstable();
        let half = |k: usize| -> Vec<usize> { learned.iter().copied().skip(k).step_by(2).collect() };
        let (even, odd) = (half(0), half(1));
        if odd.len() < FEWEST {
            return None;
        }
        match *self {
            Self::Classes(labels, classes) => {
                let says = |from: &[usize], of: &[usize]| tops(x, dim, labels, classes, from, of);
                let wrong = |of: &[usize], said: &[u32]| {
                    of.iter().zip(said).filter(|(i, said)| labels[**i] != **said).count()
                };
                let errors = wrong(&odd, &says(&even, &odd)) + wrong(&even, &says(&odd, &even));
                let said = says(&learned, inside);
                Some(Judged {
                    contradicted: inside.iter().zip(&said).map(|(i, said)| labels[*i] != *said).collect(),
                    elsewhere: (errors + 1) as f64 / (learned.len() + 2) as f64,
                    is: inside.iter().map(|i| f64::from(labels[*i])).collect(),
                    said: said.into_iter().map(f64::from).collect(),
                    ends: None,
                })
            }
            Self::Numbers(values) => {
                let of: Vec<f64> = outside.iter().map(|i| values[*i]).collect();
                let scale = Target::of(&of)?;
                let t = |i: usize| scale.scaled(values[i]);
                let line = |from: &[usize]| ridge(x, dim, from, &t);
                let row = |i: usize| &x[i * dim..(i + 1) * dim];
                let (first, second, all) = (line(&even), line(&odd), line(&learned));
                let mut away: Vec<f64> = odd.iter().map(|i| (t(*i) - first.of(row(*i))).abs()).collect();
                away.extend(even.iter().map(|i| (t(*i) - second.of(row(*i))).abs()));
                away.sort_by(f64::total_cmp);
                let far = away[(away.len() as f64 * (1.0 - FAR)) as usize];
                let said: Vec<f64> = inside.iter().map(|i| all.of(row(*i))).collect();
                let every = inside.iter().chain(outside).map(|i| values[*i]);
                let (low, high) = every.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
                let share =
                    |end: f64| (of.iter().filter(|v| **v == end).count() + 1) as f64 / (of.len() + 2) as f64;
                Some(Judged {
                    contradicted: inside.iter().zip(&said).map(|(i, s)| (t(*i) - s).abs() > far).collect(),
                    elsewhere: FAR,
                    is: inside.iter().map(|i| values[*i]).collect(),
                    said,
                    ends: Some([low, high].map(|end| (end, share(end)))),
                })
            }
        }
    }
}

/// The class that a softmax regression of some rows finds most probable for others.
fn tops(x: &[f32], dim: usize, labels: &[u32], classes: usize, from: &[usize], of: &[usize]) -> Vec<u32> {
    let rows = |which: &[usize]| -> Vec<f32> {
        which.iter().flat_map(|i| &x[i * dim..(i + 1) * dim]).copied().collect()
    };
    let (data, own): (Vec<f32>, Vec<u32>) = (rows(from), from.iter().map(|i| labels[*i]).collect());
    let options = FitOptions { l2: SOFTMAX * from.len() as f64, ..FitOptions::default() };
    let model: Softmax = fit(Rows::Dense { data: &data, dim }, &own, None, classes, &options);
    let asked = rows(of);
    let probabilities = model.predict_proba(Rows::Dense { data: &asked, dim });
    let top = |p: &[f32]| {
        p.iter().enumerate().fold((0, f32::MIN), |best, (k, v)| if *v > best.1 { (k, *v) } else { best }).0
    };
    probabilities.chunks_exact(classes.max(1)).map(|p| top(p) as u32).collect()
}

fn ridge(x: &[f32], dim: usize, from: &[usize], t: &dyn Fn(usize) -> f64) -> Line {
    let mut sums = Sums::new(dim);
    from.iter().for_each(|i| sums.add(x[i * dim..(i + 1) * dim].iter().map(|v| f64::from(*v)), t(*i), 1.0));
    sums.solve(RIDGE)
}
