//! Many p-values at once. NaN counts as 1.

use std::f64::consts::PI;

fn clean(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }
}

/// Indices by ascending p, the lower index first among equals.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| clean(p[a]).total_cmp(&clean(p[b])).then(a.cmp(&b)));
    order
}

/// Step-up adjustment `min over k >= rank of p_(k) n c / k`.
fn step_up(p: &[f64], factor: f64) -> Vec<f64> {
    let (n, order) = (p.len() as f64, ascending(p));
    let mut out = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(clean(p[i]) * n * factor / (rank + 1) as f64);
        out[i] = least;
    }
    out
}

/// Sum of 1/i.
fn harmonic(n: usize) -> f64 {
    (1..=n).rev().map(|i| 1.0 / i as f64).sum()
}

/// Adjusted p-values of Benjamini and Hochberg (1995): rejecting those at most alpha keeps the false discovery
/// rate at alpha under independence or positive regression dependence. Equal p get equal values.
#[must_use]
pub fn adjust_bh(p: &[f64]) -> Vec<f64> {
    step_up(p, 1.0)
}

/// Adjusted p-values of Benjamini and Yekutieli (2001), valid under any dependence.
#[must_use]
pub fn adjust_by(p: &[f64]) -> Vec<f64> {
    step_up(p, harmonic(p.len()))
}

/// Which hypotheses Benjamini and Hochberg reject at level `alpha`.
#[must_use]
pub fn reject_bh(p: &[f64], alpha: f64) -> Vec<bool> {
    adjust_bh(p).into_iter().map(|q| q <= alpha).collect()
}

/// Which hypotheses Benjamini and Yekutieli reject at level `alpha`.
#[must_use]
pub fn reject_by(p: &[f64], alpha: f64) -> Vec<bool> {
    adjust_by(p).into_iter().map(|q| q <= alpha).collect()
}

/// Simes' (1986) p-value that all hypotheses are true: `min n p_(k) / k`. 1 for none.
#[must_use]
pub fn simes(p: &[f64]) -> f64 {
    adjust_bh(p).into_iter().fold(1.0, f64::min)
}

/// Storey's (2002) estimate of the share of true hypotheses, `#{p > lambda} / ((1 - lambda) n)`, at most 1.
/// Needs calibrated p-values. 1 for none or a `lambda` outside `[0, 1)`.
#[must_use]
pub fn storey_pi0(p: &[f64], lambda: f64) -> f64 {
    if p.is_empty() || !(0.0..1.0).contains(&lambda) {
        return 1.0;
    }
    let above = p.iter().filter(|p| clean(**p) > lambda).count() as f64;
    (above / ((1.0 - lambda) * p.len() as f64)).min(1.0)
}

/// At least this many of the chosen hypotheses are false, with confidence `1 - alpha`, whatever made the choice.
///
/// Goeman and Solari (2011) with Simes' inequality: `|S| - min_k (#{i in S: p_i > alpha k / n} + k - 1)` over
/// k = 1..|S|, with n all hypotheses tested. Holds under positive regression dependence. `chosen` holds the
/// p-values of the set S; they must be among the `n` tested.
#[must_use]
pub fn true_discoveries(chosen: &[f64], n: usize, alpha: f64) -> usize {
    let mut p: Vec<f64> = chosen.iter().map(|p| clean(*p)).collect();
    p.sort_by(f64::total_cmp);
    let n = n.max(p.len()) as f64;
    let mut at_most = 0;
    let mut best = 0usize;
    for k in 1..=p.len() {
        let bound = alpha * k as f64 / n;
        while at_most < p.len() && p[at_most] <= bound {
            at_most += 1;
        }
        best = best.max((at_most + 1).saturating_sub(k));
    }
    best
}

/// Cauchy combination (Liu and Xie 2020) of p-values under any dependence: accurate for small results.
///
/// `weights` are non-negative; `None` weighs all alike. p is kept inside `[1e-300, 1 - 1e-6]`: a single p of 1 must
/// not outweigh everything. 1 if nothing has weight or the lengths differ.
#[must_use]
pub fn cauchy_combination(p: &[f64], weights: Option<&[f64]>) -> f64 {
    if weights.is_some_and(|w| w.len() != p.len()) {
        return 1.0;
    }
    let (mut sum, mut total) = (0.0, 0.0);
    for (i, &p) in p.iter().enumerate() {
        let w = weights.map_or(1.0, |w| w[i]);
        if !(w > 0.0 && w.is_finite()) {
            continue;
        }
        let p = clean(p).clamp(1e-300, 1.0 - 1e-6);
        // near 0 the tangent is 1 / (pi p), where the difference to 1/2 would have no digits
        let t = if p < 1e-8 { 1.0 / (PI * p) } else { ((0.5 - p) * PI).tan() };
        sum += w * t;
        total += w;
    }
    if total == 0.0 {
        return 1.0;
    }
    let t = sum / total;
    // atan(1 / t) keeps the digits of a small result
    if t > 0.0 { (1.0 / t).atan() / PI } else { 0.5 - t.atan() / PI }
}
