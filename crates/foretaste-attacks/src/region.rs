//! Where a point of a class draws no filter's attention: a box, a ball about the class, a slab across it.

use crate::amounts::{Column, Known};
use crate::linear::dot;

/// Fewest rows of a class from which its bounds are taken.
const ROWS: usize = 10;
/// Rounds of projection.
const ROUNDS: usize = 30;

/// The bounds of one class, all in deviations of the columns.
#[derive(Clone, Debug)]
pub struct Region {
    /// Least and greatest number of each column.
    pub bounds: Vec<(f64, f64)>,
    /// Mean of the class.
    pub mean: Vec<f64>,
    /// Largest distance from the mean.
    pub radius: f64,
    /// From the mean of the other classes to that of this one.
    pub across: Vec<f64>,
    /// Largest scalar product of `across` with the way from the mean, on either side.
    pub slab: f64,
}

/// Points with `normal * x >= least`.
#[derive(Clone, Debug)]
pub struct Half {
    /// Direction inwards.
    pub normal: Vec<f64>,
    /// Where it begins.
    pub least: f64,
}

impl Region {
    /// The bounds that the share `within` of the class keeps, each by itself; `None` for a class of few rows.
    pub fn of(known: &Known, class: u32, within: f64) -> Option<Self> {
        let dim = known.columns.len();
        let of = |own: bool| {
            let rows = known.rows.chunks_exact(dim).zip(&known.labels);
            rows.filter(move |(_, l)| (**l == class) == own).map(|(r, _)| r)
        };
        let (n, others) = (of(true).count(), of(false).count());
        if n < ROWS || others == 0 {
            return None;
        }
        let mean = |own: bool, n: usize| {
            let mut out = vec![0.0; dim];
            of(own).for_each(|r| out.iter_mut().zip(r).for_each(|(o, v)| *o += v / n as f64));
            out
        };
        let (mean, rest) = (mean(true, n), mean(false, others));
        let across: Vec<f64> = mean.iter().zip(&rest).map(|(a, b)| a - b).collect();
        let away = |r: &[f64]| r.iter().zip(&mean).map(|(v, m)| v - m).collect::<Vec<f64>>();
        let radius = quantile(of(true).map(|r| square(&away(r)).sqrt()).collect(), within);
        let slab = quantile(of(true).map(|r| dot(&away(r), &across).abs()).collect(), within);
        let ends = |c: &Column| (c.boxed(f64::NEG_INFINITY), c.boxed(f64::INFINITY));
        Some(Self { bounds: known.columns.iter().map(ends).collect(), mean, radius, across, slab })
    }

    /// The nearest point of the region, and of a half-space if one is given (Dykstra's algorithm). The box holds exactly,
    /// the others as well as a fixed number of rounds makes them; where nothing fits all, it is a compromise.
    pub fn nearest(&self, x: &mut [f64], half: Option<&Half>) {
        let mut owed = vec![vec![0.0; x.len()]; 4];
        for _ in 0..ROUNDS {
            let before = x.to_vec();
            for (part, owed) in owed.iter_mut().enumerate() {
                x.iter_mut().zip(&*owed).for_each(|(x, o)| *x += o);
                owed.copy_from_slice(x);
                match part {
                    0 => self.to_ball(x),
                    1 => self.to_slab(x),
                    2 => half.into_iter().for_each(|h| h.enter(x)),
                    _ => x.iter_mut().zip(&self.bounds).for_each(|(x, b)| *x = x.clamp(b.0, b.1)),
                }
                owed.iter_mut().zip(&*x).for_each(|(o, x)| *o -= x);
            }
            if x.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-6) {
                break;
            }
        }
    }

    /// How far a point is outside, in units of the bounds: 0 within.
    #[cfg(test)]
    pub fn excess(&self, x: &[f64]) -> f64 {
        let away: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let sides = x.iter().zip(&self.bounds).map(|(x, b)| (b.0 - x).max(x - b.1));
        let ball = square(&away).sqrt() / self.radius - 1.0;
        let slab = dot(&away, &self.across).abs() / self.slab - 1.0;
        sides.fold(ball.max(slab), f64::max).max(0.0)
    }

    fn to_ball(&self, x: &mut [f64]) {
        let far = x.iter().zip(&self.mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>().sqrt();
        if far > self.radius {
            let keep = self.radius / far;
            x.iter_mut().zip(&self.mean).for_each(|(x, m)| *x = m + (*x - m) * keep);
        }
    }

    fn to_slab(&self, x: &mut [f64]) {
        let along = dot(x, &self.across) - dot(&self.mean, &self.across);
        let by = (along - along.clamp(-self.slab, self.slab)) / square(&self.across).max(f64::MIN_POSITIVE);
        x.iter_mut().zip(&self.across).for_each(|(x, a)| *x -= by * a);
    }
}

impl Half {
    fn enter(&self, x: &mut [f64]) {
        let by = (self.least - dot(x, &self.normal)).max(0.0) / square(&self.normal).max(f64::MIN_POSITIVE);
        x.iter_mut().zip(&self.normal).for_each(|(x, n)| *x += by * n);
    }
}

/// The value below which the share `at` lies.
pub fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(((at * last as f64) as usize).min(last)).copied().unwrap_or(0.0)
}

fn square(a: &[f64]) -> f64 {
    dot(a, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Least distance over a fine grid: the naive twin.
    fn naive(region: &Region, half: &Half, from: [f64; 2]) -> f64 {
        let mut best = f64::INFINITY;
        for i in 0..=800 {
            for j in 0..=800 {
                let x = [-4.0 + 0.01 * f64::from(i), -4.0 + 0.01 * f64::from(j)];
                if region.excess(&x) < 1e-9 && dot(&x, &half.normal) >= half.least {
                    best = best.min((x[0] - from[0]).hypot(x[1] - from[1]));
                }
            }
        }
        best
    }

    #[test]
    fn the_nearest_point_is_that_of_a_grid() {
        let region = Region {
            bounds: vec![(-1.0, 3.0), (-2.0, 1.5)],
            mean: vec![0.5, 0.2],
            radius: 1.8,
            across: vec![1.0, 0.4],
            slab: 1.2,
        };
        let half = Half { normal: vec![-0.5, 1.0], least: -0.4 };
        for from in [[3.0, 3.0], [-3.0, 0.1], [2.0, -3.0], [0.3, 0.4], [3.5, 0.0]] {
            let mut x = from;
            region.nearest(&mut x, Some(&half));
            assert!(region.excess(&x) < 1e-3 && dot(&x, &half.normal) > half.least - 1e-3, "{x:?}");
            let ours = (x[0] - from[0]).hypot(x[1] - from[1]);
            let theirs = naive(&region, &half, from);
            assert!((ours - theirs).abs() < 0.02, "{from:?}: {ours} and {theirs}");
        }
    }

    #[test]
    fn bounds_are_those_that_the_share_keeps() {
        let column = |at| Column { at, low: -9.0, high: 9.0, mean: 0.0, deviation: 1.0, decimals: None };
        let rows = (0..20).flat_map(|i| [f64::from(i / 2), f64::from(i % 2) * 5.0]).collect();
        let labels = (0..20).map(|i| i % 2).collect();
        let known = Known { columns: vec![column(0), column(1)], rows, labels, weight: 1.0 };
        let region = Region::of(&known, 1, 0.8).unwrap();
        assert_eq!((region.mean.as_slice(), region.across.as_slice()), (&[4.5, 5.0][..], &[0.0, 5.0][..]));
        // distances from 4.5 are 0.5, 0.5, 1.5, 1.5, ... 4.5, 4.5: the eighth of ten
        assert_eq!((region.radius, region.slab), (3.5, 0.0));
        assert!(Region::of(&known, 2, 0.8).is_none());
    }
}
