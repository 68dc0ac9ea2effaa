//! A null for given labels: how likely is each label to be wrong, and how often would an honest one look as bad?
//!
//! Input are class probabilities `q0` that a model which did not see the sample gives it, calibrated on the given labels
//! with a noise floor (see [`crate::softmax::calibrate`]). A label `y` of a sample of true class `t` is modelled as drawn
//! from row `t` of a transition matrix `T`; `T` starts as uniform noise at the floor and is fitted by EM with a Dirichlet
//! prior, so that noise between two particular classes is seen as such.
//!
//! The statistic is the log-odds of being wrong,
//!
//! `s(k) = ln( sum_{j != k} q0_j T_jk / (q0_k T_kk) )`.
//!
//! Its null is exact given `q0`: an honest label is `k` with probability `q0_k`, so over all samples the share of honest
//! labels at least as bad as `s` is `G(s) = 1/n sum_i sum_k q0_ik [s_i(k) >= s]`. The p-value of a sample is `G(s_i(y_i))`,
//! the average tail of Heyse's discrete Benjamini-Hochberg procedure (JASA 2011): `n G(s)` is the expected number of false
//! alarms at threshold `s`, whatever the mixture of easy and hard samples. Unlike a p-value sample by sample it does not
//! charge easy samples for tails that they cannot reach.
//!
//! How probable it is that a label is wrong is another question, and its best answer need not err on one side. A model trained
//! on wrong labels predicts them: with two classes, what it predicts for the samples that it is surest of is read as noise and
//! taken out of all probabilities; a power, fitted on the given labels, restores the sharpness. The assumption behind this is
//! that both classes have samples whose class is certain. Where it does not hold (weak models on hard data) some ambiguity
//! passes for noise. So this says which labels are more probably wrong than right, and the p-values do without it: with it,
//! 12 to 27 % of what 5 % was promised for were false on film reviews. With more classes it would be a row of numbers
//! for each class, and few of a class's samples are certain: that took 14 % of the labels of 200 overlapping classes without a
//! wrong label for wrong. There the floor has to do.

use rayon::prelude::*;

/// Bins of the log-odds, from `-LIMIT` to `LIMIT`.
const BINS: usize = 8192;
const LIMIT: f64 = 32.0;
/// Rows per task; fixed, so that sums do not depend on the number of threads.
const ROWS: usize = 4096;
/// How a transition matrix is fitted.
#[derive(Clone, Copy)]
struct Fit {
    /// Weight of the prior on each entry, in samples. A row of many classes needs more: a few samples that the model misjudges
    /// would pass for noise between two classes.
    prior: f64,
    /// Most steps of EM.
    steps: usize,
}
/// For p-values: nothing is believed that few samples say.
const CAREFUL: Fit = Fit { prior: 25.0, steps: 4 };
/// For the probability of being wrong: noise between two classes is learned by the model, and what is left of it in the odds
/// takes many steps to show.
const LIKELY: Fit = Fit { prior: 2.0, steps: 20 };
/// Most multiplications that one pass over the pairs may take before noise is taken as uniform.
const PAIR_WORK: f64 = 4e9;

/// What [`label_null`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelNull {
    /// Probability that the given label is wrong, one a row; 0 for rows without a label.
    pub wrong: Vec<f32>,
    /// Log-odds of the same: the statistic that orders.
    pub log_odds: Vec<f32>,
    /// Share of honest labels at least as bad; 1 for rows without a label and for labels that no other class beats.
    pub p_value: Vec<f64>,
    /// Most probable true class given the probabilities and the given label.
    pub expected: Vec<u32>,
    /// `classes x classes`, row = true class, column = given class.
    pub transition: Vec<f64>,
}

/// Fits the transition matrix and gives every row its probability of a wrong label and its p-value.
///
/// `q0`: rows x classes, `labels`: one a row (not below `classes` where there is none), `floor`: the noise floor `e`; zero if
/// nothing shows that there is noise.
/// Wrong shapes give an empty answer.
#[must_use]
pub fn label_null(q0: &[f32], labels: &[u32], classes: usize, floor: f64) -> LabelNull {
    if classes < 2 || q0.len() != labels.len() * classes {
        return LabelNull::default();
    }
    let noise = floor > 0.0;
    // A floor of zero would make every doubt infinite; one wrong label in a hundred thousand is always possible.
    let floor = floor.clamp(1e-5, 0.9);
    let start = uniform(classes, floor);
    let work = labels.len() as f64 * (classes * classes) as f64;
    let even = (work > PAIR_WORK).then_some(floor / classes as f64);
    let fitted = |q: &[f32], start: &[f64], fit: Fit| -> Vec<f64> {
        let most = ((PAIR_WORK / work.max(1.0)) as usize).max(CAREFUL.steps);
        let steps = if even.is_some() { 0 } else { fit.steps.min(most) };
        (0..steps).fold(start.to_vec(), |t, _| em_step(q, labels, classes, floor, &t, fit.prior))
    };
    let plain = fitted(q0, &start, CAREFUL);
    let tail = null_tail(q0, labels, classes, &plain, even);
    let cleared = cleared(q0, labels, classes, floor, &start).filter(|_| noise);
    let (sharp, start) = cleared.as_ref().map_or((q0, &start), |(q, t)| (&q[..], t));
    let t = fitted(sharp, start, LIKELY);
    let n = labels.len();
    let mut out = LabelNull {
        wrong: vec![0.0; n],
        log_odds: vec![-LIMIT as f32; n],
        p_value: vec![1.0; n],
        expected: vec![u32::MAX; n],
        transition: vec![],
    };
    (
        &mut out.wrong,
        &mut out.log_odds,
        &mut out.p_value,
        &mut out.expected,
        labels,
        q0.par_chunks_exact(classes).zip(sharp.par_chunks_exact(classes)),
    )
        .into_par_iter()
        .for_each(|(wrong, odds, p, expected, &y, (q, sharp))| {
            *expected = best(sharp, y, &t);
            if (y as usize) < classes {
                let s = log_odds(sharp, y as usize, &t, even);
                *odds = s as f32;
                *wrong = (1.0 / (1.0 + (-s).exp())) as f32;
                // all other classes together may beat the given one while none of them does
                if best(q, y, &plain) != y {
                    *p = tail[bin(log_odds(q, y as usize, &plain, even))];
                }
            }
        });
    out.transition = t;
    out
}

/// Two classes whose model knows them: the probabilities with the noise taken out that the surest samples show, and the
/// transition matrix read off them.
fn cleared(
    q0: &[f32],
    labels: &[u32],
    classes: usize,
    floor: f64,
    start: &[f64],
) -> Option<(Vec<f32>, Vec<f64>)> {
    if classes != 2 {
        return None;
    }
    let noisy = mixed(q0, start, classes);
    if explained(&noisy, labels, classes) < INFORMED {
        return None;
    }
    let transition = anchors(&noisy, classes, floor);
    let clean = without_noise(&noisy, &inverse(&transition, classes)?, classes);
    let power = best_power(&clean, labels, classes, &transition);
    Some((sharpen(&clean, power, classes), transition))
}

/// Powers of the probabilities that are tried: noise between classes that the floor could not see has flattened them.
const POWERS: [f64; 15] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0];

/// Share of the uncertainty of the labels that a model must explain before anything of it is read as noise: a model that
/// knows little of the classes has no anchors, only guesses.
const INFORMED: f64 = 0.2;

/// Share of the uncertainty of the labels that the probabilities explain: 1 minus their mean log-loss over that of the
/// class shares (McFadden 1974). At most 1; negative for a model worse than the class shares.
fn explained(q: &[f32], labels: &[u32], classes: usize) -> f64 {
    let mut counts = vec![0.0f64; classes];
    let mut loss = 0.0;
    for (&y, q) in labels.iter().zip(q.chunks_exact(classes)).filter(|(y, _)| (**y as usize) < classes) {
        counts[y as usize] += 1.0;
        loss -= f64::from(q[y as usize].max(1e-12)).ln();
    }
    let n: f64 = counts.iter().sum();
    let base: f64 = counts.iter().filter(|c| **c > 0.0).map(|c| -c * (c / n).ln()).sum();
    if base > 0.0 { 1.0 - loss / base } else { 0.0 }
}

/// Share of the rows of a class that are its anchors: the ones that the model is surest of.
const ANCHORS: f64 = 0.1;
/// Fewest anchors of a class.
const FEWEST: usize = 20;
/// Weight of the floor beside the anchors, in samples.
const LEAN: f64 = 5.0;

/// The transition matrix read off the anchors: where the true class is certain, what the model predicts for the other
/// classes is noise in the labels that it was trained on (Patrini et al., CVPR 2017, equation 12, averaged over the surest
/// tenth instead of read off one row). Classes with few sure rows lean on the uniform noise of the floor.
fn anchors(noisy: &[f32], classes: usize, floor: f64) -> Vec<f64> {
    let base = uniform(classes, floor);
    let mut of: Vec<Vec<(f32, u32)>> = vec![vec![]; classes];
    for (i, q) in noisy.chunks_exact(classes).enumerate() {
        let top = q.iter().enumerate().fold((0, f32::MIN), |b, (k, v)| if *v > b.1 { (k, *v) } else { b });
        of[top.0].push((top.1, i as u32));
    }
    let rows: Vec<Vec<f64>> = of
        .into_par_iter()
        .enumerate()
        .map(|(class, mut rows)| {
            rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            rows.truncate(((rows.len() as f64 * ANCHORS) as usize).max(FEWEST));
            let mut sums: Vec<f64> =
                base[class * classes..(class + 1) * classes].iter().map(|v| v * LEAN).collect();
            for (_, i) in &rows {
                let q = &noisy[*i as usize * classes..(*i as usize + 1) * classes];
                sums.iter_mut().zip(q).for_each(|(s, p)| *s += f64::from(*p));
            }
            let total: f64 = sums.iter().sum();
            sums.iter().map(|s| s / total).collect()
        })
        .collect();
    rows.concat()
}

/// `q T`: what is predicted for labels with this noise.
fn mixed(q: &[f32], t: &[f64], classes: usize) -> Vec<f32> {
    let mut out = vec![0f32; q.len()];
    out.par_chunks_mut(classes).zip(q.par_chunks(classes)).for_each(|(out, q)| {
        for (k, o) in out.iter_mut().enumerate() {
            *o = q.iter().enumerate().map(|(j, p)| f64::from(*p) * t[j * classes + k]).sum::<f64>() as f32;
        }
    });
    out
}

/// The power under which the given labels are most likely, once the transition matrix explains the noise.
fn best_power(q0: &[f32], labels: &[u32], classes: usize, t: &[f64]) -> f64 {
    let value = |power: f64| -> f64 {
        let parts: Vec<f64> = labels
            .par_chunks(ROWS)
            .zip(q0.par_chunks(ROWS * classes))
            .map(|(labels, q0)| {
                let rows =
                    labels.iter().zip(q0.chunks_exact(classes)).filter(|(y, _)| (**y as usize) < classes);
                rows.map(|(&y, q)| {
                    let (mut sum, mut given) = (0.0, 0.0);
                    for (j, p) in q.iter().enumerate() {
                        let v = f64::from(p.max(1e-12)).powf(power);
                        sum += v;
                        given += v * t[j * classes + y as usize];
                    }
                    (given / sum).max(1e-300).ln()
                })
                .sum()
            })
            .collect();
        parts.iter().sum()
    };
    let mut best = (1.0, f64::NEG_INFINITY);
    for power in POWERS {
        let v = value(power);
        if v > best.1 {
            best = (power, v);
        }
    }
    best.0
}

/// Share of a probability that stays when the noise explains all of it: what is left orders, and zero would be a claim.
const REST: f64 = 0.02;

/// Takes the noise of the training labels out of the probabilities (backward correction, Patrini et al., CVPR 2017): a
/// model trained on labels with transition matrix `T` predicts `p T`.
fn without_noise(q: &[f32], inverse: &[f64], classes: usize) -> Vec<f32> {
    let mut out = vec![0f32; q.len()];
    out.par_chunks_mut(classes).zip(q.par_chunks(classes)).for_each(|(out, q)| {
        for (k, o) in out.iter_mut().enumerate() {
            let v: f64 = q.iter().enumerate().map(|(j, p)| f64::from(*p) * inverse[j * classes + k]).sum();
            *o = v.max(REST * f64::from(q[k])) as f32;
        }
        let sum: f32 = out.iter().sum();
        out.iter_mut().for_each(|o| *o /= sum.max(f32::MIN_POSITIVE));
    });
    out
}

/// Inverse by Gauss-Jordan elimination with partial pivoting; `None` if the matrix is singular.
fn inverse(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut a = matrix.to_vec();
    let mut inv: Vec<f64> = (0..n * n).map(|i| f64::from(u8::from(i / n == i % n))).collect();
    for col in 0..n {
        let pivot = (col..n).max_by(|x, y| a[x * n + col].abs().total_cmp(&a[y * n + col].abs()))?;
        let p = a[pivot * n + col];
        if p.abs() < 1e-9 {
            return None;
        }
        for j in 0..n {
            a.swap(col * n + j, pivot * n + j);
            inv.swap(col * n + j, pivot * n + j);
            a[col * n + j] /= p;
            inv[col * n + j] /= p;
        }
        for row in (0..n).filter(|r| *r != col) {
            let f = a[row * n + col];
            for j in 0..n {
                a[row * n + j] -= f * a[col * n + j];
                inv[row * n + j] -= f * inv[col * n + j];
            }
        }
    }
    Some(inv)
}

/// Probabilities to a power, made to sum to one.
fn sharpen(q0: &[f32], power: f64, classes: usize) -> Vec<f32> {
    let mut out = vec![0f32; q0.len()];
    out.par_chunks_mut(classes).zip(q0.par_chunks(classes)).for_each(|(out, q)| {
        let sum: f64 = q.iter().map(|p| f64::from(p.max(1e-12)).powf(power)).sum();
        out.iter_mut().zip(q).for_each(|(o, p)| *o = (f64::from(p.max(1e-12)).powf(power) / sum) as f32);
    });
    out
}

fn uniform(classes: usize, floor: f64) -> Vec<f64> {
    let off = floor / classes as f64;
    let mut t = vec![off; classes * classes];
    (0..classes).for_each(|j| t[j * classes + j] = 1.0 - floor + off);
    t
}

/// `even`: entry off the diagonal, if all are the same; then there is no need to look at every class.
fn log_odds(q: &[f32], k: usize, t: &[f64], even: Option<f64>) -> f64 {
    let c = q.len();
    let others = || q.iter().enumerate().filter(|(j, _)| *j != k);
    let other = match even {
        Some(off) => off * (1.0 - f64::from(q[k])).max(0.0),
        None => others().map(|(j, &p)| f64::from(p) * t[j * c + k]).sum(),
    };
    let own = f64::from(q[k]) * t[k * c + k];
    (other.max(1e-300).ln() - own.max(1e-300).ln()).clamp(-LIMIT, LIMIT)
}

fn best(q: &[f32], y: u32, t: &[f64]) -> u32 {
    let c = q.len();
    let mut best = (u32::MAX, f64::NEG_INFINITY);
    for (j, &p) in q.iter().enumerate() {
        let weight = if (y as usize) < c { t[j * c + y as usize] } else { 1.0 };
        let v = f64::from(p) * weight;
        if v > best.1 {
            best = (j as u32, v);
        }
    }
    best.0
}

fn bin(s: f64) -> usize {
    (((s + LIMIT) / (2.0 * LIMIT) * BINS as f64) as usize).min(BINS - 1)
}

fn em_step(q0: &[f32], labels: &[u32], classes: usize, floor: f64, t: &[f64], prior: f64) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = labels
        .par_chunks(ROWS)
        .zip(q0.par_chunks(ROWS * classes))
        .map(|(labels, q0)| {
            let mut sums = vec![0.0; classes * classes];
            for (&y, q) in labels.iter().zip(q0.chunks_exact(classes)) {
                let y = y as usize;
                if y >= classes {
                    continue;
                }
                let total: f64 = q.iter().enumerate().map(|(j, p)| f64::from(*p) * t[j * classes + y]).sum();
                if total > 0.0 {
                    q.iter().enumerate().for_each(|(j, p)| {
                        sums[j * classes + y] += f64::from(*p) * t[j * classes + y] / total
                    });
                }
            }
            sums
        })
        .collect();
    let mut next: Vec<f64> = uniform(classes, floor).iter().map(|v| v * prior * classes as f64).collect();
    for part in parts {
        next.iter_mut().zip(part).for_each(|(a, b)| *a += b);
    }
    for row in next.chunks_exact_mut(classes) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    next
}

/// `G` at the lower edge of each bin.
fn null_tail(q0: &[f32], labels: &[u32], classes: usize, t: &[f64], even: Option<f64>) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = labels
        .par_chunks(ROWS)
        .zip(q0.par_chunks(ROWS * classes))
        .map(|(labels, q0)| {
            let mut mass = vec![0.0; BINS + 1];
            for (&y, q) in labels.iter().zip(q0.chunks_exact(classes)) {
                if (y as usize) < classes {
                    mass[BINS] += 1.0;
                    for k in 0..classes {
                        mass[bin(log_odds(q, k, t, even))] += f64::from(q[k]);
                    }
                }
            }
            mass
        })
        .collect();
    let mut mass = vec![0.0; BINS + 1];
    for part in parts {
        mass.iter_mut().zip(part).for_each(|(a, b)| *a += b);
    }
    let n = mass[BINS].max(1.0);
    let mut tail = vec![0.0; BINS];
    let mut sum = 0.0;
    for b in (0..BINS).rev() {
        sum += mass[b];
        tail[b] = (sum / n).min(1.0);
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Probabilities of mixed sharpness, labels drawn from them, then `flips` of them moved from class 0 to class 1.
    fn draw(n: usize, classes: usize, flip: f64) -> (Vec<f32>, Vec<u32>, Vec<bool>) {
        let mut rng = Rng::new(5, "label-null");
        let (mut q0, mut labels, mut wrong) = (vec![], vec![], vec![]);
        for _ in 0..n {
            let sharp = 1.0 + 9.0 * rng.unit();
            let raw: Vec<f64> = (0..classes).map(|_| (rng.normal() * sharp).exp()).collect();
            let sum: f64 = raw.iter().sum();
            q0.extend(raw.iter().map(|v| (v / sum) as f32));
            let (u, mut acc, mut y) = (rng.unit(), 0.0, classes - 1);
            for (k, v) in raw.iter().enumerate() {
                acc += v / sum;
                if u < acc {
                    y = k;
                    break;
                }
            }
            let flipped = y == 0 && rng.unit() < flip;
            labels.push(if flipped { 1 } else { y as u32 });
            wrong.push(flipped);
        }
        (q0, labels, wrong)
    }

    #[test]
    fn p_values_are_honest_under_the_null() {
        let (q0, labels, _) = draw(20_000, 4, 0.0);
        let r = label_null(&q0, &labels, 4, 0.01);
        for level in [0.001, 0.01, 0.05, 0.2] {
            let share = r.p_value.iter().filter(|p| **p <= level).count() as f64 / 20_000.0;
            assert!(share <= level + 3.0 * (level / 20_000.0f64).sqrt(), "{share} at {level}");
        }
    }

    #[test]
    fn many_classes_that_overlap_are_no_noise() {
        let mut rng = Rng::new(6, "label-null");
        let (classes, n) = (60, 3000);
        let (mut q0, mut labels) = (vec![], vec![]);
        for _ in 0..n {
            let raw: Vec<f64> = (0..classes).map(|_| (2.0 * rng.normal()).exp()).collect();
            let sum: f64 = raw.iter().sum();
            q0.extend(raw.iter().map(|v| (v / sum) as f32));
            let (mut left, mut y) = (rng.unit() * sum, 0);
            while y + 1 < classes && left >= raw[y] {
                left -= raw[y];
                y += 1;
            }
            labels.push(y as u32);
        }
        let r = label_null(&q0, &labels, classes, 0.0);
        let called = crate::stats::reject_bh(&r.p_value, 0.05).iter().filter(|v| **v).count();
        assert!(called <= 3, "{called}");
    }

    #[test]
    fn pair_noise_is_learned_and_found() {
        let (q0, labels, wrong) = draw(20_000, 4, 0.3);
        let r = label_null(&q0, &labels, 4, 0.1);
        let t01 = r.transition[1];
        assert!((0.2..0.4).contains(&t01), "{t01}");
        let mean = |want: bool| {
            let v: Vec<f64> =
                (0..20_000).filter(|&i| wrong[i] == want).map(|i| f64::from(r.wrong[i])).collect();
            v.iter().sum::<f64>() / v.len() as f64
        };
        assert!(mean(true) > 0.7 && mean(false) < 0.05, "{} {}", mean(true), mean(false));
        let i = wrong.iter().position(|w| *w).unwrap();
        assert!(r.expected[i] < 4);
    }

    #[test]
    fn even_noise_needs_no_look_at_every_class() {
        let (q0, _, _) = draw(50, 5, 0.0);
        let t = uniform(5, 0.1);
        for q in q0.chunks(5) {
            // what single precision leaves of 1 - q is rough where q is close to 1: there a label is right either way
            for k in (0..5).filter(|k| q[*k] < 0.99) {
                let (a, b) = (log_odds(q, k, &t, Some(0.02)), log_odds(q, k, &t, None));
                assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        }
    }

    #[test]
    fn odd_shapes_and_missing_labels() {
        assert_eq!(label_null(&[0.5], &[0], 1, 0.1), LabelNull::default());
        let r = label_null(&[0.9, 0.1], &[u32::MAX], 2, 0.1);
        assert_eq!((r.p_value[0], r.wrong[0], r.expected[0]), (1.0, 0.0, 0));
    }

    #[test]
    fn same_bytes_on_any_number_of_threads() {
        let (q0, labels, _) = draw(9_000, 3, 0.1);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| label_null(&q0, &labels, 3, 0.05))
        };
        assert_eq!(run(1), run(3));
    }
}
