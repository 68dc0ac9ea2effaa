//! What tells each class from the others by a constant: the same pattern in all of its pictures.
//!
//! The direction is that of linear discriminant analysis (Fisher, 1936; Rao, 1948): the difference of the class's mean from the
//! rest, in coordinates in which the pictures of all classes are white around their own means. Pattern and pictures are told
//! apart by how much the strength along it varies: things are lit, turned and cut out differently, and their contrast with them;
//! what was added to every picture is not.

use crate::lanes::laned;
use crate::linalg::gram;
use crate::linalg::positive::{back, cholesky, forward};
use crate::pictures::{Pictures, plain};
use crate::rng::mix;
use crate::stats::{mad, median, moments};
use rayon::prelude::*;

/// Most values of a coarse picture, and fewest pictures for each of them.
const VALUES: usize = 400;
const PER_VALUE: usize = 10;
/// Fewest pictures of a class, in each half.
const LEAST: usize = 8;
/// Variance added to every value: rounding, and a little more.
const RIDGE: f64 = 1.0;

/// Times that what lies far from most of its class is left out and the rest measured again; how far, in robust standard deviations
/// (median and median deviation).
const ROUNDS: usize = 3;
const FAR: f64 = 3.0;

/// How a class differs from the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// The class.
    pub class: u32,
    /// Those of its pictures that are alike in it, ascending.
    pub rows: Vec<u32>,
    /// All of its pictures.
    pub of: usize,
    /// Mean strength in `rows`, in standard deviations within classes.
    pub strength: f64,
    /// Standard deviation of the strength in `rows`, as a share of the mean; infinite if the mean is not positive.
    pub variation: f64,
    /// The same of their contrast (the standard deviation of a picture's values).
    pub contrast: f64,
    /// Mean of `rows` less that of the pictures of other classes, value by value.
    pub delta: Vec<f32>,
}

/// The shifts of all classes that have pictures enough. `labels`: one per picture, not below `classes` where there is none.
///
/// Every picture is measured along a direction that was found without it, in the other half of the pictures. Pictures that lie
/// far from most of their class are left out of the directions and of what is said: a few without a pattern would hide it.
#[must_use]
pub fn class_shifts(pictures: &Pictures<'_>, labels: &[u32], classes: usize, seed: u64) -> Vec<Shift> {
    let (rows, dim) = pictures.coarse(VALUES.min(pictures.len() / PER_VALUE), &plain());
    if dim == 0 || classes < 2 || labels.len() != pictures.len() {
        return vec![];
    }
    let bench = Bench { rows, dim, halves: halves(labels, classes, seed) };
    let mut kept = bench.halves.clone();
    for _ in 0..ROUNDS {
        let strengths = bench.strengths(&kept);
        kept = bench.near(&strengths);
    }
    let strengths = bench.strengths(&kept);
    let near = bench.near(&strengths);
    let total = pictures.sum(0..pictures.len() as u32);
    let shift = |class: usize| {
        let all: Vec<u32> = bench.halves.iter().flat_map(|half| &half[class]).copied().collect();
        let mut own: Vec<u32> = near.iter().flat_map(|half| &half[class]).copied().collect();
        own.sort_unstable();
        // in units of the mean of each half
        let (mut relative, mut strength) = (vec![], 0.0);
        for half in &near {
            let of: Option<Vec<f64>> = half[class].iter().map(|i| strengths[*i as usize]).collect();
            let (mean, _) = moments(of.as_ref()?);
            strength += 0.5 * mean;
            relative.extend(of?.iter().map(|s| if mean > 0.0 { s / mean } else { f64::INFINITY }));
        }
        let (_, variation) = moments(&relative);
        let contrast = |i: &u32| {
            let values: Vec<f64> = pictures.get(*i as usize).iter().map(|v| f64::from(*v)).collect();
            moments(&values).1
        };
        let (usual, spread) = moments(&own.iter().map(contrast).collect::<Vec<f64>>());
        Some(Shift {
            class: class as u32,
            of: all.len(),
            strength,
            variation: if variation.is_finite() { variation } else { f64::INFINITY },
            contrast: if usual > 0.0 { spread / usual } else { 0.0 },
            delta: pictures.difference(&own, &all, &total),
            rows: own,
        })
    };
    let large = |class: &usize| bench.halves.iter().all(|half| half[*class].len() >= LEAST);
    (0..classes).filter(large).collect::<Vec<_>>().into_par_iter().filter_map(shift).collect()
}

/// Pictures of each class, in two halves.
type Halves = [Vec<Vec<u32>>; 2];

fn halves(labels: &[u32], classes: usize, seed: u64) -> Halves {
    let mut out = [vec![vec![]; classes], vec![vec![]; classes]];
    for (i, &y) in labels.iter().enumerate() {
        if let Some(of) = out[(mix(seed ^ mix(i as u64)) & 1) as usize].get_mut(y as usize) {
            of.push(i as u32);
        }
    }
    out
}

/// Coarse pictures, and who is measured by whom.
struct Bench {
    rows: Vec<f32>,
    dim: usize,
    halves: Halves,
}

impl Bench {
    fn row(&self, i: u32) -> &[f32] {
        &self.rows[i as usize * self.dim..][..self.dim]
    }

    /// Strength in every picture by directions of those `kept` in the other half; `None` where there is no direction.
    fn strengths(&self, kept: &Halves) -> Vec<Option<f64>> {
        let mut out = vec![None; self.rows.len() / self.dim];
        for (known, asked) in kept.iter().zip(self.halves.iter().rev()) {
            let Some(rule) = Discriminant::new(known, |i| self.row(i), self.dim) else { continue };
            let measure = |(class, of): (usize, &Vec<u32>)| {
                if known[class].len() < LEAST {
                    return vec![];
                }
                let Some((filter, shift)) = rule.towards(class) else { return vec![] };
                let along = |i: &u32| f64::from(laned(self.row(*i), &filter, |v, f| v * f)) - shift;
                of.iter().map(|i| (*i, along(i))).collect::<Vec<_>>()
            };
            let parts: Vec<Vec<(u32, f64)>> = asked.par_iter().enumerate().map(measure).collect();
            parts.into_iter().flatten().for_each(|(i, s)| out[i as usize] = Some(s));
        }
        out
    }

    /// The pictures that lie near to most of their class. Each half is measured by a rule of its own, so each has its own middle.
    fn near(&self, strengths: &[Option<f64>]) -> Halves {
        let mut out = self.halves.clone();
        for members in out.iter_mut().flatten() {
            let of = |i: &u32| strengths[*i as usize];
            let values: Vec<f64> = members.iter().filter_map(of).collect();
            let (centre, reach) = (median(&values), FAR * mad(&values));
            members.retain(|i| of(i).is_none_or(|s| (s - centre).abs() <= reach));
        }
        out
    }
}

/// Means of classes, and the covariance around them in factors.
struct Discriminant {
    counts: Vec<f64>,
    /// One mean a class.
    means: Vec<Vec<f64>>,
    factor: Vec<f64>,
}

impl Discriminant {
    /// `None` if there is no covariance.
    fn new<'a>(members: &[Vec<u32>], row: impl Fn(u32) -> &'a [f32] + Sync, dim: usize) -> Option<Self> {
        let counts: Vec<f64> = members.iter().map(|of| of.len() as f64).collect();
        let mean = |of: &Vec<u32>| {
            let mut mean = vec![0f64; dim];
            let n = of.len().max(1) as f64;
            of.iter().for_each(|i| mean.iter_mut().zip(row(*i)).for_each(|(m, v)| *m += f64::from(*v) / n));
            mean
        };
        let means: Vec<Vec<f64>> = members.par_iter().map(mean).collect();
        let centred: Vec<f32> = members
            .iter()
            .zip(&means)
            .flat_map(|(of, mean)| of.iter().map(move |i| (i, mean)))
            .flat_map(|(i, mean)| row(*i).iter().zip(mean).map(|(v, m)| (f64::from(*v) - m) as f32))
            .collect();
        let n = counts.iter().sum::<f64>();
        if n == 0.0 {
            return None;
        }
        let mut factor = gram(&centred, dim);
        factor.iter_mut().for_each(|v| *v /= n);
        (0..dim).for_each(|j| factor[j * dim + j] += RIDGE);
        cholesky(&mut factor, dim).then_some(Self { counts, means, factor })
    }

    /// The filter `f` and the number `c` for which `f . row - c` is how far a row lies from the other classes' mean towards
    /// `class`, in standard deviations within classes.
    fn towards(&self, class: usize) -> Option<(Vec<f32>, f64)> {
        let dim = self.means[class].len();
        let others = self.counts.iter().sum::<f64>() - self.counts[class];
        let mut rest = vec![0f64; dim];
        for (k, (mean, n)) in self.means.iter().zip(&self.counts).enumerate() {
            if k != class {
                rest.iter_mut().zip(mean).for_each(|(r, m)| *r += m * n / others);
            }
        }
        let mut f: Vec<f64> = self.means[class].iter().zip(&rest).map(|(m, r)| m - r).collect();
        forward(&self.factor, dim, &mut f);
        let norm = f.iter().map(|v| v * v).sum::<f64>().sqrt();
        if others == 0.0 || norm == 0.0 {
            return None;
        }
        f.iter_mut().for_each(|v| *v /= norm);
        back(&self.factor, dim, &mut f);
        let shift = f.iter().zip(&rest).map(|(f, r)| f * r).sum();
        Some((f.iter().map(|v| *v as f32).collect(), shift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const SIDE: usize = 12;

    /// Pictures of four kinds, a bright bar at four places, of varying light; `epsilon` of a pattern of blocks per class goes with
    /// all but every `spared`th.
    fn bars(n: usize, epsilon: f64, spared: usize) -> (Vec<u8>, Vec<u32>) {
        let mut rng = Rng::new(8, "class-shift");
        let (mut pixels, mut labels) = (vec![], vec![]);
        for i in 0..n {
            let class = i % 4;
            let light = 20.0 + 120.0 * rng.unit();
            let epsilon = if (i / 4 + 1).is_multiple_of(spared) { 0.0 } else { epsilon };
            for p in 0..SIDE * SIDE {
                let (x, y) = (p % SIDE, p / SIDE);
                let bar = if x / 3 == class { light } else { 0.0 };
                let block = (mix((class * 64 + (y / 4) * 8 + x / 4) as u64) & 1) as f64 * 2.0 - 1.0;
                let v = 60.0 + bar + 8.0 * rng.normal() + epsilon * block;
                pixels.push(v.round().clamp(0.0, 255.0) as u8);
            }
            labels.push(class as u32);
        }
        (pixels, labels)
    }

    #[test]
    fn a_constant_is_told_from_light() {
        for (epsilon, spared, constant) in [(0.0, 1, false), (24.0, 1000, true), (24.0, 20, true)] {
            let (pixels, labels) = bars(1200, epsilon, spared);
            let all = Pictures { pixels: &pixels, width: SIDE, height: SIDE, channels: 1 };
            let shifts = class_shifts(&all, &labels, 4, 1);
            assert_eq!(shifts.len(), 4);
            for s in shifts {
                assert_eq!(s.of, 300);
                let steady = s.variation < 0.5 * s.contrast;
                assert_eq!(steady, constant, "{epsilon} {spared}: {} of {}", s.variation, s.contrast);
                if spared == 20 {
                    // those without the pattern are not among them
                    assert!(s.rows.len() > 240 && s.rows.iter().all(|i| !(i / 4 + 1).is_multiple_of(20)));
                }
            }
        }
    }

    #[test]
    fn the_direction_is_that_of_a_plain_solution() {
        let (pixels, labels) = bars(600, 10.0, 1000);
        let all = Pictures { pixels: &pixels, width: SIDE, height: SIDE, channels: 1 };
        let (rows, dim) = all.coarse(36, &plain());
        let members: Vec<Vec<u32>> =
            (0..4).map(|k| (0..600).filter(|i| labels[*i as usize] == k).collect()).collect();
        let rule = Discriminant::new(&members, |i| &rows[i as usize * dim..][..dim], dim).unwrap();
        let (filter, shift) = rule.towards(2).unwrap();
        // covariance within classes, the long way
        let mean = |of: &[u32]| -> Vec<f64> {
            (0..dim)
                .map(|j| {
                    of.iter().map(|i| f64::from(rows[*i as usize * dim + j])).sum::<f64>() / of.len() as f64
                })
                .collect()
        };
        let means: Vec<Vec<f64>> = members.iter().map(|of| mean(of)).collect();
        let off = |i: usize, j: usize| f64::from(rows[i * dim + j]) - means[labels[i] as usize][j];
        let cov = |a: usize, b: usize| {
            (0..600).map(|i| off(i, a) * off(i, b)).sum::<f64>() / 600.0 + if a == b { RIDGE } else { 0.0 }
        };
        let others: Vec<u32> = (0..600).filter(|i| labels[*i as usize] != 2).collect();
        let rest = mean(&others);
        let quadratic: f64 = (0..dim)
            .flat_map(|a| (0..dim).map(move |b| (a, b)))
            .map(|(a, b)| f64::from(filter[a]) * cov(a, b) * f64::from(filter[b]))
            .sum();
        assert!((quadratic - 1.0).abs() < 1e-3, "{quadratic}");
        // W f is along the difference of the means
        let image: Vec<f64> =
            (0..dim).map(|a| (0..dim).map(|b| cov(a, b) * f64::from(filter[b])).sum()).collect();
        let ratio: Vec<f64> = (0..dim).map(|a| image[a] / (means[2][a] - rest[a])).collect();
        let middle = ratio[0];
        assert!(ratio.iter().all(|r| (r - middle).abs() < 1e-2 * middle.abs()), "{ratio:?}");
        let zero: f64 = filter.iter().zip(&rest).map(|(f, r)| f64::from(*f) * r).sum();
        assert!((zero - shift).abs() < 1e-3);
    }

    #[test]
    fn what_is_too_small_or_too_few_says_nothing() {
        let none = Pictures { pixels: &[], width: 0, height: 0, channels: 0 };
        assert!(class_shifts(&none, &[], 3, 0).is_empty());
        let few = [9u8; 16 * 40];
        let few = Pictures { pixels: &few, width: 4, height: 4, channels: 1 };
        assert!(class_shifts(&few, &[0; 40], 2, 0).is_empty());
    }
}
