//! Tails of counts: binomial, hypergeometric, Poisson, Poisson-binomial.

use std::f64::consts::PI;

use super::special::{beta_inc_both, deviance, gamma_p, ln_choose, normal_sf, stirling_error};

/// Which side of a test is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tail {
    /// At least as many as seen.
    Greater,
    /// At most as many as seen.
    Less,
    /// Every outcome that is no more probable than the one seen.
    TwoSided,
}

/// `P(X >= k)` for X binomial(n, p). NaN if p is not in `[0, 1]`.
#[must_use]
pub fn binomial_sf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        f64::NAN
    } else if k == 0 {
        1.0
    } else if k > n {
        0.0
    } else {
        beta_inc_both(k as f64, (n - k) as f64 + 1.0, p, 1.0 - p)
    }
}

/// `P(X >= k)` for X Poisson(mean), mean >= 0; NaN otherwise.
#[must_use]
pub fn poisson_sf(k: u64, mean: f64) -> f64 {
    if mean.is_nan() || mean < 0.0 {
        f64::NAN
    } else if k == 0 {
        1.0
    } else {
        gamma_p(k as f64, mean)
    }
}

/// Binomial probability by deviances (Loader 2000).
fn binomial_pmf(k: f64, n: f64, p: f64) -> f64 {
    let q = 1.0 - p;
    if k == 0.0 {
        return (n * (-p).ln_1p()).exp();
    }
    if k >= n {
        return (n * p.ln()).exp();
    }
    let errors = stirling_error(n) - stirling_error(k) - stirling_error(n - k);
    let exponent = errors - deviance(k, n * p) - deviance(n - k, n * q);
    exponent.exp() * (n / (2.0 * PI * k * (n - k))).sqrt()
}

/// A population of `all`, `marked` of them marked, `drawn` drawn without replacement.
#[derive(Clone, Copy)]
struct Urn {
    all: u64,
    marked: u64,
    drawn: u64,
}

impl Urn {
    fn least(self) -> u64 {
        (self.marked + self.drawn).saturating_sub(self.all)
    }

    fn most(self) -> u64 {
        self.marked.min(self.drawn)
    }

    /// `P(X = k)` as a quotient of binomials of one rate, so large populations keep their digits.
    fn pmf(self, k: u64) -> f64 {
        if k < self.least() || k > self.most() {
            return 0.0;
        }
        let (all, marked, drawn) = (self.all as f64, self.marked as f64, self.drawn as f64);
        if self.drawn == 0 || self.drawn == self.all {
            return 1.0;
        }
        if self.all < 1000 {
            let ways = ln_choose(self.marked, k) + ln_choose(self.all - self.marked, self.drawn - k);
            return (ways - ln_choose(self.all, self.drawn)).exp();
        }
        let p = drawn / all;
        binomial_pmf(k as f64, marked, p) * binomial_pmf(drawn - k as f64, all - marked, p)
            / binomial_pmf(drawn, all, p)
    }

    /// `P(X = k + 1) / P(X = k)`.
    fn ratio(self, k: u64) -> f64 {
        let up = (self.marked - k) as f64 * (self.drawn - k) as f64;
        up / ((k + 1) as f64 * (self.all + k + 1 - self.marked - self.drawn) as f64)
    }

    /// Sum of the probabilities of k, k + 1, .. while they matter.
    fn up(self, k: u64) -> f64 {
        let (mut term, mut sum) = (self.pmf(k), 0.0);
        for i in k..=self.most() {
            sum += term;
            if i == self.most() {
                break;
            }
            let ratio = self.ratio(i);
            term *= ratio;
            if term < sum * 1e-17 && ratio < 1.0 {
                break;
            }
        }
        sum
    }

    /// Sum of the probabilities of k, k - 1, .. while they matter.
    fn down(self, k: u64) -> f64 {
        let (mut term, mut sum) = (self.pmf(k), 0.0);
        for i in (self.least()..=k).rev() {
            sum += term;
            if i == self.least() {
                break;
            }
            let ratio = self.ratio(i - 1);
            term /= ratio;
            if term < sum * 1e-17 && ratio > 1.0 {
                break;
            }
        }
        sum
    }

    fn mode(self) -> u64 {
        let m = (self.marked as f64 + 1.0) * (self.drawn as f64 + 1.0) / (self.all as f64 + 2.0);
        (m as u64).clamp(self.least(), self.most())
    }

    fn greater(self, k: u64) -> f64 {
        if k <= self.least() {
            1.0
        } else if k > self.most() {
            0.0
        } else if k > self.mode() {
            self.up(k).min(1.0)
        } else {
            (1.0 - self.down(k - 1)).clamp(0.0, 1.0)
        }
    }

    fn less(self, k: u64) -> f64 {
        if k >= self.most() {
            1.0
        } else if k < self.least() {
            0.0
        } else if k < self.mode() {
            self.down(k).min(1.0)
        } else {
            (1.0 - self.up(k + 1)).clamp(0.0, 1.0)
        }
    }

    /// Sum over outcomes as improbable as k. The slack of 1e-7 joins probabilities equal on paper, as R and
    /// scipy do.
    fn both(self, k: u64) -> f64 {
        let (seen, mode) = (self.pmf(k) * (1.0 + 1e-7), self.mode());
        if self.pmf(mode) <= seen {
            return 1.0;
        }
        let search = |mut inside: u64, mut outside: u64| {
            // first outcome, going out from the mode, that is as improbable as the one seen
            while inside.abs_diff(outside) > 1 {
                let middle = inside.midpoint(outside);
                if self.pmf(middle) <= seen { outside = middle } else { inside = middle }
            }
            outside
        };
        let (least, most) = (self.least(), self.most());
        let (low, high) = if k > mode {
            (if self.pmf(least) <= seen { self.down(search(mode, least)) } else { 0.0 }, self.up(k))
        } else {
            (self.down(k), if self.pmf(most) <= seen { self.up(search(mode, most)) } else { 0.0 })
        };
        (low + high).min(1.0)
    }
}

/// `P(X >= k)`: `drawn` of `all` are drawn without replacement, `marked` of `all` are marked, X is how many marked
/// ones are drawn. NaN if `marked` or `drawn` is above `all`.
#[must_use]
pub fn hypergeometric_sf(k: u64, all: u64, marked: u64, drawn: u64) -> f64 {
    if marked > all || drawn > all || all > u64::MAX / 4 {
        return f64::NAN;
    }
    Urn { all, marked, drawn }.greater(k)
}

/// Fisher's exact test of the table `[[a, b], [c, d]]`. `Greater`: a larger than independence allows. NaN when
/// the total does not fit.
#[must_use]
pub fn fisher_exact(table: [[u64; 2]; 2], tail: Tail) -> f64 {
    let [[a, b], [c, d]] = table;
    let total = [b, c, d].iter().try_fold(a, |s, &x| s.checked_add(x));
    let Some(all) = total.filter(|t| *t <= u64::MAX / 4) else { return f64::NAN };
    let urn = Urn { all, marked: a + b, drawn: a + c };
    match tail {
        Tail::Greater => urn.greater(a),
        Tail::Less => urn.less(a),
        Tail::TwoSided => urn.both(a),
    }
}

/// Trials up to which the Poisson-binomial tail is exact.
const EXACT: usize = 128;

/// `P(X >= k)` for X the number of successes of independent trials of probabilities `p`.
///
/// Exact (dynamic programming, relative error 1e-13) up to 128 trials that are neither sure nor impossible; beyond,
/// the saddle-point formula of Lugannani and Rice with Daniels' (1987) second continuity correction: relative
/// error below 1 % where the variance is at least 4 and below 0.5 % from 10 on. A smaller variance beyond 128 trials
/// is summed exactly as well. NaN if any probability is not in `[0, 1]`.
#[must_use]
pub fn poisson_binomial_sf(k: u64, p: &[f64]) -> f64 {
    if p.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return f64::NAN;
    }
    let sure = p.iter().filter(|p| **p == 1.0).count() as u64;
    let open: Vec<f64> = p.iter().copied().filter(|p| *p > 0.0 && *p < 1.0).collect();
    if k <= sure {
        return 1.0;
    }
    let k = k - sure;
    let n = open.len() as u64;
    if k > n {
        return 0.0;
    }
    let variance: f64 = open.iter().map(|p| p * (1.0 - p)).sum();
    // the last success has to come in every trial: a product, and a point without a saddle
    if k == n {
        return open.iter().map(|p| p.ln()).sum::<f64>().exp();
    }
    if open.len() <= EXACT || variance < 4.0 { exact_tail(k as usize, &open) } else { saddle_tail(k, &open) }
}

/// Probabilities of 0..k successes and of k or more, trial by trial. Only sums of positive terms.
fn exact_tail(k: usize, p: &[f64]) -> f64 {
    let mut state = vec![0.0; k + 1];
    state[0] = 1.0;
    for (t, &p) in p.iter().enumerate() {
        let top = (t + 1).min(k);
        // k is absorbing
        let full = state[k];
        for j in (1..=top).rev() {
            state[j] = state[j] * (1.0 - p) + state[j - 1] * p;
        }
        state[0] *= 1.0 - p;
        if top == k {
            state[k] += full * p;
        }
    }
    state[k].min(1.0)
}

/// Cumulant generating function at s and its first three derivatives.
fn cumulants(s: f64, p: &[f64]) -> [f64; 4] {
    let e = s.exp();
    p.iter().fold([0.0; 4], |[c0, c1, c2, c3], &p| {
        let total = 1.0 - p + p * e;
        let q = p * e / total;
        let v = q * (1.0 - q);
        [c0 + (p * s.exp_m1()).ln_1p(), c1 + q, c2 + v, c3 + v * (1.0 - 2.0 * q)]
    })
}

fn saddle_tail(k: u64, p: &[f64]) -> f64 {
    // second continuity correction: the lattice tail at k is that of a density from k - 1/2
    let x = k as f64 - 0.5;
    let Some(s) = saddle(x, p) else { return exact_tail(k as usize, p) };
    let [c0, _, c2, _] = cumulants(s, p);
    if s.abs() < 1e-3 {
        // the formula is 0/0 at the mean: its limit, a normal tail with one skewness term
        let [_, mean, variance, third] = cumulants(0.0, p);
        let z = (x - mean) / variance.sqrt();
        let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
        let skew = third / variance.powf(1.5);
        let lattice = z / (24.0 * variance);
        return (normal_sf(z) + density * (skew * (z * z - 1.0) / 6.0 - lattice)).clamp(0.0, 1.0);
    }
    let w = (2.0 * (s * x - c0)).max(0.0).sqrt() * s.signum();
    let u = 2.0 * (0.5 * s).sinh() * c2.sqrt();
    let density = (-0.5 * w * w).exp() / (2.0 * PI).sqrt();
    (normal_sf(w) + density * (1.0 / u - 1.0 / w)).clamp(0.0, 1.0)
}

/// The s where the tilted mean is x: Newton inside a shrinking bracket.
fn saddle(x: f64, p: &[f64]) -> Option<f64> {
    let (mut low, mut high, mut s) = (-700.0, 700.0, 0.0);
    for _ in 0..200 {
        let [_, mean, variance, _] = cumulants(s, p);
        if mean > x {
            high = s
        } else {
            low = s
        }
        let step = (x - mean) / variance;
        let next = s + step.clamp(-2.0, 2.0);
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - s).abs() <= 1e-12 * s.abs().max(1e-3) {
            return Some(next);
        }
        s = next;
    }
    s.is_finite().then_some(s)
}

/// Wilson's score interval of a rate: k of n, `z` standard deviations (1.96 for 95 %). `(0, 1)` if n is zero.
#[must_use]
pub fn wilson_interval(k: u64, n: u64, z: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (n as f64, k.min(n) as f64 / n as f64);
    let z2 = z * z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    // at the ends the two terms are equal on paper
    let low = if k == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if p >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}
