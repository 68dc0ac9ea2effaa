//! Samples: G-test, Kolmogorov-Smirnov, order of two, median.

use super::special::chi2_sf;

/// G-test of counts against expected values: the statistic `2 sum o ln(o / e)` and its chi-square p-value with
/// `cells - 1 - fitted` degrees of freedom (`fitted`: parameters estimated from the counts).
///
/// Expected values are scaled to the total of the counts. Cells where both are zero are left out; a count where
/// none is expected gives an infinite statistic and p = 0. `(0, 1)` without degrees of freedom, NaN if the
/// lengths differ or an expected value is negative or not finite.
#[must_use]
pub fn g_test(observed: &[f64], expected: &[f64], fitted: usize) -> (f64, f64) {
    let good = |x: &f64| x.is_finite() && *x >= 0.0;
    if observed.len() != expected.len() || !observed.iter().chain(expected).all(good) {
        return (f64::NAN, f64::NAN);
    }
    let (n, m): (f64, f64) = (observed.iter().sum(), expected.iter().sum());
    let cells = observed.iter().zip(expected).filter(|(o, e)| **o > 0.0 || **e > 0.0).count();
    let df = cells.saturating_sub(1 + fitted);
    if df == 0 || n == 0.0 {
        return (0.0, 1.0);
    }
    let term = |(o, e): (&f64, &f64)| if *o == 0.0 { 0.0 } else { o * (o / (e * n / m)).ln() };
    let g = (2.0 * observed.iter().zip(expected).map(term).sum::<f64>()).max(0.0);
    (g, if g.is_infinite() || g.is_nan() { 0.0 } else { chi2_sf(g, df as f64) })
}

/// Result of the two-sample Kolmogorov-Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KsTest {
    /// Largest distance of the two distribution functions.
    pub statistic: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// Two-sample Kolmogorov-Smirnov test. Values that are not finite are left out; an empty sample gives `(0, 1)`.
///
/// The p-value is exact (counting lattice paths) while both samples together make at most 10^6 steps, that is up to
/// 1,000 each; it is the limit distribution with Stephens' correction beyond, good to two digits.
#[must_use]
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> KsTest {
    let sorted = |x: &[f64]| {
        let mut x: Vec<f64> = x.iter().copied().filter(|v| v.is_finite()).collect();
        x.sort_by(f64::total_cmp);
        x
    };
    let (a, b) = (sorted(a), sorted(b));
    let (n, m) = (a.len() as u64, b.len() as u64);
    if n == 0 || m == 0 {
        return KsTest { statistic: 0.0, p: 1.0 };
    }
    // in whole steps of 1 / (n m), so that ties and equality are exact
    let (mut i, mut j, mut d) = (0usize, 0usize, 0u64);
    while i < a.len() && j < b.len() {
        let at = a[i].min(b[j]);
        i += a[i..].iter().take_while(|v| **v == at).count();
        j += b[j..].iter().take_while(|v| **v == at).count();
        d = d.max((i as u64 * m).abs_diff(j as u64 * n));
    }
    let statistic = d as f64 / (n as f64 * m as f64);
    let p = if n * m <= 1_000_000 { ks_exact(n, m, d) } else { ks_limit(n as f64, m as f64, statistic) };
    KsTest { statistic, p: p.clamp(0.0, 1.0) }
}

/// Share of lattice paths from (0, 0) to (n, m) that leave the band `|i m - j n| < d`.
///
/// Paths that stay inside are counted column by column, as shares of all paths (Hodges 1957); the outside share
/// is counted directly, since one minus the inside would lose a small p.
fn ks_exact(n: u64, m: u64, d: u64) -> f64 {
    if d == 0 {
        return 1.0;
    }
    let inside = |i: u64, j: u64| (i * m).abs_diff(j * n) < d;
    let columns = m as usize + 1;
    // stay[j]: probability that the random path from (i, j) to the end leaves the band later or is outside
    let mut out = vec![0.0f64; columns];
    for i in (0..=n).rev() {
        for j in (0..=m).rev() {
            let (right, up) = ((n - i) as f64, (m - j) as f64);
            out[j as usize] = if !inside(i, j) {
                1.0
            } else if right + up == 0.0 {
                0.0
            } else {
                let next = if j < m { out[j as usize + 1] } else { 0.0 };
                (right * if i < n { out[j as usize] } else { 0.0 } + up * next) / (right + up)
            };
        }
    }
    out[0]
}

/// Kolmogorov's limit distribution at the corrected statistic.
fn ks_limit(n: f64, m: f64, d: f64) -> f64 {
    let root = (n * m / (n + m)).sqrt();
    let x = (root + 0.12 + 0.11 / root) * d;
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| (-2.0 * f64::from(k * k) * x * x).exp() * if k % 2 == 1 { 2.0 } else { -2.0 };
    (1..=100).map(term).sum()
}

/// Mean and standard deviation, the latter of the numbers themselves (divided by their count); zeros if none.
#[must_use]
pub fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len().max(1) as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Median of the numbers in `x`, NaN left out; the mean of the middle two if they are even in number. NaN if none.
#[must_use]
pub fn median(x: &[f64]) -> f64 {
    let mut x: Vec<f64> = x.iter().copied().filter(|v| !v.is_nan()).collect();
    median_in_place(&mut x)
}

/// The same without a copy: reorders `x`, which must hold no NaN. Linear time.
pub fn median_in_place(x: &mut [f64]) -> f64 {
    let n = x.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, &mut high, _) = x.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return high;
    }
    let low = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low == high { high } else { 0.5 * low + 0.5 * high }
}

/// Median absolute deviation from the median, times 1.4826 so that it estimates the standard deviation of a
/// normal sample. NaN left out; NaN if none.
#[must_use]
pub fn mad(x: &[f64]) -> f64 {
    let centre = median(x);
    let mut away: Vec<f64> = x.iter().map(|v| (v - centre).abs()).filter(|v| !v.is_nan()).collect();
    1.482_602_218_505_602 * median_in_place(&mut away)
}

/// What numbers that are not negative usually are: `1 / median_of_one` times their median. Where most of them are next to
/// nothing beside the others, the median says nothing of these, and it is the root of the mean square. 0 if there are none.
pub(crate) fn usual(x: &[f64], median_of_one: f64) -> f64 {
    let middle = median_in_place(&mut x.to_vec()) / median_of_one;
    let square = (x.iter().map(|v| v * v).sum::<f64>() / x.len().max(1) as f64).sqrt();
    if middle > 1e-6 * square { middle } else { square }
}

/// Probability that one of `own` lies above one of `others`, which are ascending; ties count half. `None` if one of both is empty.
#[must_use]
pub fn auc(own: impl IntoIterator<Item = f32>, others: &[f32]) -> Option<f64> {
    let (mut below, mut n) = (0f64, 0f64);
    for p in own {
        let (under, upto) = (others.partition_point(|o| *o < p), others.partition_point(|o| *o <= p));
        below += (under + upto) as f64 / 2.0;
        n += 1.0;
    }
    (n > 0.0 && !others.is_empty()).then(|| below / n / others.len() as f64)
}
