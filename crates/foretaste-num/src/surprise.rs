//! Are the labels of a group of rows a surprise? What the searches for phrases, rules and stamps share.

use crate::stats::{binomial_sf, normal_sf, poisson_binomial_sf, student_sf};

/// Rows up to which a p-value is exact.
const EXACT: usize = 2000;

/// How the labels of a group stand to a class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surprise {
    /// Rows of the group that have the class.
    pub hits: usize,
    /// `sum(1[y = c] - p) / sqrt(sum p (1 - p) + 1/4)`, where p is the probability of the class c under a model that has not
    /// seen the row and from which what the group shares is hidden.
    pub z: f64,
    /// Probability of such a surprise under the model, for this group alone: Poisson-binomial, normal above 2,000 rows.
    pub p_value: f64,
    /// Probability of so many of the class if the rows had its overall share.
    pub purity_p_value: f64,
    /// Mean p over the rows of the class.
    pub without: f64,
}

/// Mean of a log-likelihood ratio over rows, and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    /// Mean, nats.
    pub mean: f64,
    /// Standard error.
    pub error: f64,
    /// Degrees of freedom of the standard error.
    pub freedom: f64,
}

impl Ratio {
    /// Of some values. `prior`: weight and standard deviation of what is thought of the spread before any is seen, since a
    /// few values may agree by chance.
    pub(crate) fn of(values: &[f64], prior: (f64, f64)) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let variance = (squares + prior.0 * prior.1.powi(2)) / (n + prior.0 - 1.0);
        Self { mean, error: (variance / n).sqrt(), freedom: n + prior.0 - 1.0 }
    }

    /// How far the mean lies above `level`, in standard errors.
    #[must_use]
    pub fn t(&self, level: f64) -> f64 {
        if self.error > 0.0 { (self.mean - level) / self.error } else { 0.0 }
    }

    /// Probability of such a mean, or a larger one, if it were `level`: Student's t.
    #[must_use]
    pub fn p_value(&self, level: f64) -> f64 {
        if self.freedom > 0.0 { student_sf(self.t(level), self.freedom) } else { 1.0 }
    }
}

/// Labels of all rows and the share of each class among the labelled ones.
pub(crate) struct Labels<'a> {
    pub codes: &'a [u32],
    pub classes: usize,
    pub shares: Vec<f64>,
}

impl<'a> Labels<'a> {
    /// `codes`: one a row, not below `classes` where there is none.
    pub fn new(codes: &'a [u32], classes: usize) -> Self {
        let mut n = vec![0f64; classes];
        codes.iter().for_each(|&y| n.get_mut(y as usize).into_iter().for_each(|n| *n += 1.0));
        let total: f64 = n.iter().sum::<f64>().max(1.0);
        Self { codes, classes, shares: n.iter().map(|n| n / total).collect() }
    }

    /// True if the row has a label.
    pub fn knows(&self, row: usize) -> bool {
        (self.codes[row] as usize) < self.classes
    }

    /// Those of `rows` that have the class.
    pub fn own(&self, rows: &[u32], class: u32) -> Vec<u32> {
        rows.iter().copied().filter(|r| self.codes[*r as usize] == class).collect()
    }

    /// Rows of each class.
    pub fn counts(&self, rows: &[u32]) -> Vec<u32> {
        let mut out = vec![0; self.classes];
        for &row in rows {
            out.get_mut(self.codes[row as usize] as usize).into_iter().for_each(|n| *n += 1);
        }
        out
    }

    /// The class that a group with these counts goes with, and how far its count lies above its overall share, in
    /// standard deviations.
    pub fn enriched(&self, counts: &[u32]) -> Option<(u32, f64)> {
        let n = f64::from(counts.iter().sum::<u32>());
        let z = |k: usize| {
            let p = self.shares[k];
            (f64::from(counts[k]) - n * p) / (n * p * (1.0 - p) + 0.25).sqrt()
        };
        let best = (0..self.classes).max_by(|&a, &b| z(a).total_cmp(&z(b)).then(b.cmp(&a)))?;
        Some((best as u32, z(best)))
    }

    /// Probability of so many of the class among `rows` if they had its overall share.
    pub fn purity(&self, rows: &[u32], class: u32) -> f64 {
        let counts = self.counts(rows);
        let hits = counts.get(class as usize).copied().unwrap_or(0);
        binomial_sf(u64::from(hits), u64::from(counts.iter().sum::<u32>()), self.shares[class as usize])
    }

    /// Judges a group. `p`: probability of the class for each of `rows`, with what they share hidden.
    pub fn judge(&self, rows: &[u32], class: u32, p: &[f64]) -> Surprise {
        let own: Vec<f64> =
            rows.iter().zip(p).filter(|(r, _)| self.codes[**r as usize] == class).map(|(_, p)| *p).collect();
        let hits = own.len();
        let z = surprise_z(hits, p);
        Surprise {
            hits,
            z,
            p_value: if p.len() <= EXACT { poisson_binomial_sf(hits as u64, p) } else { normal_sf(z) },
            purity_p_value: self.purity(rows, class),
            without: own.iter().sum::<f64>() / hits.max(1) as f64,
        }
    }
}

/// See [`Surprise::z`]. `p`: probability of the class for each row of a group of which `hits` have it.
pub(crate) fn surprise_z(hits: usize, p: &[f64]) -> f64 {
    let variance = p.iter().map(|p| p * (1.0 - p)).sum::<f64>() + 0.25;
    (hits as f64 - p.iter().sum::<f64>()) / variance.sqrt()
}

/// True if more than half of `of` are among `others`, which are ascending.
pub(crate) fn mostly_in(of: &[u32], others: &[u32]) -> bool {
    let common = of.iter().filter(|r| others.binary_search(r).is_ok()).count();
    2 * common > of.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_judged_by_hand() {
        let codes = [0, 1, 1, 1, 0, 0, 0, u32::MAX];
        let labels = Labels::new(&codes, 2);
        assert_eq!(labels.shares, [4.0 / 7.0, 3.0 / 7.0]);
        assert_eq!(
            (labels.knows(7), labels.own(&[0, 1, 3], 1), labels.counts(&[1, 2, 7])),
            (false, vec![1, 3], vec![0, 2])
        );
        assert_eq!(labels.enriched(&[0, 3]).unwrap().0, 1);
        let s = labels.judge(&[1, 2, 3], 1, &[0.5, 0.1, 0.3]);
        assert_eq!(s.hits, 3);
        assert!((s.p_value - 0.5 * 0.1 * 0.3).abs() < 1e-12 && (s.without - 0.3).abs() < 1e-12);
        assert!((s.purity_p_value - (3f64 / 7.0).powi(3)).abs() < 1e-12);
        assert!((s.z - 2.1 / (0.25f64 + 0.09 + 0.21 + 0.25).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn few_values_that_agree_are_no_certainty() {
        let ratio = Ratio::of(&[1.0; 4], (4.0, 2.0));
        assert!((ratio.mean - 1.0).abs() < 1e-12 && ratio.t(0.0) < 2.0 && ratio.t(-1.0) > ratio.t(0.0));
        assert!(mostly_in(&[1, 2, 9], &[1, 2, 3]) && !mostly_in(&[1, 9], &[1, 2]));
    }
}
