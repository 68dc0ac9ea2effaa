//! Labels that were moved from one class to another.
//!
//! Input are class probabilities of a model that did not see the sample, as for [`crate::label_null`]. A model trained on
//! moved labels learns them: it is no longer surprised, and gives the wanted class a share in every sample of the other.
//! The labels tell nevertheless. Take the samples that the model gives to class `a`, in the order of their odds of `b`
//! against `a` (their own label had no part in either). Natural confusion of the two sits at the doubtful end and dies out
//! towards the sure one; moved labels stay as frequent as they are, because whoever moved them did not ask the model.
//!
//! So, for each direction, the labels `b` in the sure half are counted and compared with those that scattered noise would
//! leave there: with the same class's labels of all other classes, with the labels `b` of all other classes, and with the
//! reverse direction. The references are counted in all but the most doubtful eighth, where there is more natural confusion
//! than in the sure half, so that they err on the safe side. Given the sum of two counts, one of them is binomial
//! (Przyborowski and Wilenski, Biometrika 1940); no rate of noise is asked for.
//!
//! A class that the model gives to less than half as many samples as carry its label has no sure samples.
//!
//! Who was moved is then read off the labels, too: in the order of the same odds the share of labels `b` is fitted by
//! isotonic regression (Ayer et al., Annals of Mathematical Statistics 1955). Where it is the rate that was found among the
//! sure, all of them were moved; where it is higher, the rest are honest.

use crate::stats::binomial_sf;
use rayon::prelude::*;

/// Fewest sure samples of a class.
const FEWEST: usize = 20;
/// Corrected p-value above which a direction says nothing.
const PLAIN: f64 = 0.05;
/// Level of the two guards: the reverse direction has to be rarer, and the labels may not die out towards the sure end.
const GUARD: f64 = 0.05;

/// One direction in which labels were moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// What the samples are.
    pub from: u32,
    /// What they are labelled.
    pub to: u32,
    /// Samples that are surely `from`.
    pub sure: u64,
    /// How many of them are labelled `to`.
    pub hits: u64,
    /// How many scattered noise would leave there, by the largest of the references.
    pub expected: f64,
    /// Probability of so many by scattered noise, times the number of directions.
    pub p_value: f64,
    /// Samples labelled `to`, by number, with the probability that they were moved; those above one half.
    pub samples: Vec<(u32, f32)>,
}

/// Directions in which labels `b` are too frequent among samples that are surely `a`; the most significant first.
///
/// `probs`: rows x classes, of a model that did not see the row. `labels`: one a row, not below `classes` where there is
/// none. Wrong shapes give nothing.
#[must_use]
pub fn moved(probs: &[f32], labels: &[u32], classes: usize) -> Vec<Moved> {
    if classes < 2 || probs.len() != labels.len() * classes {
        return vec![];
    }
    let given = Given::new(probs, labels, classes);
    let mut out: Vec<Moved> = (0..classes).into_par_iter().flat_map_iter(|a| given.directions(a)).collect();
    out.sort_by(|x, y| x.p_value.total_cmp(&y.p_value).then((x.from, x.to).cmp(&(y.from, y.to))));
    out
}

/// Samples that are more likely moved along one of `directions` (from, to) than honest, by number, with the class that they were
/// moved from and the probability that they were; as [`moved`] tells them for one direction, but with one rate and one regression
/// for all directions together: each may have too few samples for its own.
///
/// Directions from a class that the model only guesses are left out. Shapes as for [`moved`].
#[must_use]
pub fn along(
    probs: &[f32],
    labels: &[u32],
    classes: usize,
    directions: &[(u32, u32)],
) -> Vec<(u32, u32, f32)> {
    if classes < 2 || probs.len() != labels.len() * classes {
        return vec![];
    }
    let given = Given::new(probs, labels, classes);
    let inside = |c: u32| (c as usize) < classes;
    let known: Vec<(usize, usize)> = directions
        .iter()
        .filter(|(a, b)| a != b && inside(*a) && inside(*b) && !given.is_guess(*a as usize))
        .map(|(a, b)| (*a as usize, *b as usize))
        .collect();
    let (mut n, mut hits) = (0, 0);
    for (a, b) in &known {
        let sure = given.sure(*a, *b);
        n += sure.len() as u64;
        hits += given.hits(&sure, *b);
    }
    if hits == 0 {
        return vec![];
    }
    // a sample may lie in two directions to its label: the likelier one is kept
    let mut out = given.samples(&known, hits as f64 / n as f64);
    out.sort_by(|x, y| x.0.cmp(&y.0).then(y.2.total_cmp(&x.2)).then(x.1.cmp(&y.1)));
    out.dedup_by_key(|s| s.0);
    out
}

/// The samples by the class that the model gives them, and what they are labelled.
struct Given<'a> {
    probs: &'a [f32],
    labels: &'a [u32],
    classes: usize,
    of: Vec<Vec<u32>>,
    /// Labels in all but the most doubtful eighth of each class, `classes x classes`.
    seen: Vec<u64>,
    /// Size of that part.
    size: Vec<u64>,
    /// Samples of each label.
    labelled: Vec<u64>,
}

impl<'a> Given<'a> {
    fn new(probs: &'a [f32], labels: &'a [u32], classes: usize) -> Self {
        let mut of: Vec<Vec<u32>> = vec![vec![]; classes];
        for (i, p) in probs.chunks_exact(classes).enumerate() {
            if (labels[i] as usize) < classes {
                let top =
                    p.iter().enumerate().fold((0, f32::MIN), |b, (k, v)| if *v > b.1 { (k, *v) } else { b });
                of[top.0].push(i as u32);
            }
        }
        let (mut seen, mut size) = (vec![0; classes * classes], vec![0; classes]);
        for (a, rows) in of.iter().enumerate() {
            let doubt = |i: u32| -probs[i as usize * classes + a];
            for i in rows_of(&surest(rows, doubt, rows.len() * 7 / 8)) {
                seen[a * classes + labels[i as usize] as usize] += 1;
                size[a] += 1;
            }
        }
        let mut labelled = vec![0; classes];
        labels.iter().filter(|l| (**l as usize) < classes).for_each(|l| labelled[*l as usize] += 1);
        Self { probs, labels, classes, of, seen, size, labelled }
    }

    fn directions(&self, a: usize) -> Vec<Moved> {
        let rows = &self.of[a];
        if rows.len() / 2 < FEWEST || self.is_guess(a) {
            return vec![];
        }
        let mut there = vec![false; self.classes];
        rows.iter().for_each(|i| there[self.labels[*i as usize] as usize] = true);
        (0..self.classes).filter(|b| there[*b] && *b != a).filter_map(|b| self.direction(a, b)).collect()
    }

    /// True if the model gives `a` to less than half as many samples as carry that label: it cannot tell the class from another,
    /// and those that it does give to it are not surely of it.
    fn is_guess(&self, a: usize) -> bool {
        2 * (self.of[a].len() as u64) < self.labelled[a]
    }

    fn direction(&self, a: usize, b: usize) -> Option<Moved> {
        let sure = self.sure(a, b);
        let surer = before(&sure, sure.len() / 2);
        let (n, hits) = (sure.len() as u64, self.hits(&sure, b));
        let reverse = (self.seen[b * self.classes + a], self.size[b]);
        if hits == 0 || n < FEWEST as u64 || reverse.1 < FEWEST as u64 {
            return None;
        }
        if dies_out(hits - self.hits(surer, b), hits, (n - surer.len() as u64) as f64 / n as f64) {
            return None;
        }
        let against = |(k, m): (u64, u64)| binomial_sf(hits, hits + k, n as f64 / (n + m) as f64);
        let others: Vec<(u64, u64)> =
            if self.classes == 2 { vec![reverse] } else { self.others(a, b).to_vec() };
        if others.iter().any(|o| o.1 < FEWEST as u64) || against(reverse) > GUARD {
            return None;
        }
        let p = others.iter().map(|o| against(*o)).fold(0.0, f64::max);
        let p_value = (p * (self.classes * (self.classes - 1)) as f64).min(1.0);
        if p_value > PLAIN {
            return None;
        }
        let rate = |(k, m): (u64, u64)| k as f64 / m as f64;
        let expected = others.iter().chain([&reverse]).map(|o| rate(*o)).fold(0.0, f64::max) * n as f64;
        let samples = self.samples(&[(a, b)], hits as f64 / n as f64);
        let samples = samples.into_iter().map(|(i, _, wrong)| (i, wrong)).collect();
        Some(Moved { from: a as u32, to: b as u32, sure: n, hits, expected, p_value, samples })
    }

    /// The half of the samples that the model gives to `a` with the least odds of `b`.
    fn sure(&self, a: usize, b: usize) -> Vec<(f32, u32)> {
        surest(&self.of[a], |i| self.odds(i, a, b), self.of[a].len() / 2)
    }

    /// How many are labelled `b`.
    fn hits(&self, rows: &[(f32, u32)], b: usize) -> u64 {
        rows_of(rows).filter(|i| self.labels[*i as usize] as usize == b).count() as u64
    }

    /// Log-odds of `b` against `a`: a share of `a` that was moved shifts them for all alike, whatever third class is likely.
    fn odds(&self, i: u32, a: usize, b: usize) -> f32 {
        let p = &self.probs[i as usize * self.classes..(i as usize + 1) * self.classes];
        p[b].max(1e-12).ln() - p[a].max(1e-12).ln()
    }

    /// From `a` to any third class, and from any third class to `b`: labels and chances of one.
    fn others(&self, a: usize, b: usize) -> [(u64, u64); 2] {
        let (mut away, mut into) = ((0, 0), (0, 0));
        for c in (0..self.classes).filter(|c| *c != a && *c != b) {
            away = (away.0 + self.seen[a * self.classes + c], away.1 + self.size[a]);
            into = (into.0 + self.seen[c * self.classes + b], into.1 + self.size[c]);
        }
        [away, into]
    }

    /// Samples labelled `b` that are more likely moved from `a` than honest, with `a`, for each direction. `rate`: share of the
    /// classes that was moved.
    fn samples(&self, directions: &[(usize, usize)], rate: f64) -> Vec<(u32, u32, f32)> {
        let mut order: Vec<(f32, u32, usize)> = vec![];
        for (at, (a, b)) in directions.iter().enumerate() {
            let ours = |i: &u32| [*a, *b].contains(&(self.labels[*i as usize] as usize));
            let rows = (0..self.labels.len() as u32).filter(ours);
            order.extend(rows.map(|i| (self.odds(i, *a, *b), i, at)));
        }
        order.sort_by(|x, y| x.0.total_cmp(&y.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        let is_b = |i: u32, at: usize| self.labels[i as usize] as usize == directions[at].1;
        let outcomes: Vec<(f32, bool)> = order.iter().map(|(odds, i, at)| (*odds, is_b(*i, *at))).collect();
        let mut out: Vec<(u32, u32, f32)> = vec![];
        for ((_, i, at), share) in order.into_iter().zip(isotonic(&outcomes)) {
            // of the samples here a share `honest` is `b`, and of the others `rate` is labelled `b`
            let honest = ((share - rate) / (1.0 - rate).max(1e-9)).clamp(0.0, 1.0);
            let wrong = (rate * (1.0 - honest) / share.max(1e-12)).min(1.0);
            if is_b(i, at) && wrong > 0.5 {
                out.push((i, directions[at].0 as u32, wrong as f32));
            }
        }
        out
    }
}

/// The `n` rows with the least `doubt`, least first, without those that equal the next one: whom to take among equals would
/// depend on their order in the data.
fn surest(rows: &[u32], doubt: impl Fn(u32) -> f32, n: usize) -> Vec<(f32, u32)> {
    let mut order: Vec<(f32, u32)> = rows.iter().map(|i| (doubt(*i), *i)).collect();
    order.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
    let keep = before(&order, n).len();
    order.truncate(keep);
    order
}

/// The first `n` of rows in order, without those that equal the next one.
fn before(order: &[(f32, u32)], n: usize) -> &[(f32, u32)] {
    match order.get(n) {
        Some((next, _)) => &order[..order.partition_point(|(doubt, _)| doubt.total_cmp(next).is_lt())],
        None => order,
    }
}

fn rows_of(order: &[(f32, u32)]) -> impl Iterator<Item = u32> + '_ {
    order.iter().map(|(_, i)| *i)
}

/// True if too few of `hits` are in the surer part for a rate that is the same everywhere. `less`: hits in the other part,
/// which is `share` of the whole.
fn dies_out(less: u64, hits: u64, share: f64) -> bool {
    binomial_sf(less, hits, share) < GUARD
}

/// Rising shares that fit the outcomes best (pool adjacent violators); outcomes come in the order of their key, and those
/// of one key share one value.
fn isotonic(outcomes: &[(f32, bool)]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = vec![];
    for equal in outcomes.chunk_by(|x, y| x.0.total_cmp(&y.0).is_eq()) {
        let mut last = (equal.iter().filter(|(_, o)| *o).count() as f64, equal.len());
        while let Some(before) = blocks.last() {
            if before.0 * (last.1 as f64) < last.0 * (before.1 as f64) {
                break;
            }
            last = (last.0 + before.0, last.1 + before.1);
            blocks.pop();
        }
        blocks.push(last);
    }
    blocks.into_iter().flat_map(|(sum, n)| std::iter::repeat_n(sum / n as f64, n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// `n` samples: probabilities of mixed sharpness and labels drawn from them, then a share `rate` of class 0 moved to
    /// class 1, or a share `scatter` of all labels moved to any other class. The probabilities are those of a model that
    /// has learned the move. Returns also who was moved.
    fn draw(seed: u64, n: usize, classes: usize, rate: f64, scatter: f64) -> (Vec<f32>, Vec<u32>, Vec<bool>) {
        let mut rng = Rng::new(seed, "label-pairs");
        let (mut probs, mut labels, mut wrong) = (vec![], vec![], vec![]);
        for _ in 0..n {
            let sharp = 4.0 + 8.0 * rng.unit();
            let raw: Vec<f64> = (0..classes).map(|_| (rng.normal() * sharp).exp()).collect();
            let sum: f64 = raw.iter().sum();
            let p: Vec<f64> = raw.iter().map(|v| v / sum).collect();
            let (u, mut acc, mut y) = (rng.unit(), 0.0, classes - 1);
            for (k, v) in p.iter().enumerate() {
                acc += v;
                if u < acc {
                    y = k;
                    break;
                }
            }
            let honest = y;
            if y == 0 && rng.unit() < rate {
                y = 1;
            } else if rng.unit() < scatter {
                y = (y + 1 + rng.below(classes - 1)) % classes;
            }
            let learned = |k: usize| match k {
                0 => p[0] * (1.0 - rate),
                1 => p[1] + p[0] * rate,
                _ => p[k],
            };
            probs.extend(
                (0..classes).map(|k| ((1.0 - scatter) * learned(k) + scatter / classes as f64) as f32),
            );
            labels.push(y as u32);
            wrong.push(y != honest);
        }
        (probs, labels, wrong)
    }

    #[test]
    fn a_moved_share_is_found_with_its_samples() {
        for (classes, rate) in [(2, 0.05), (2, 0.2), (4, 0.05), (4, 0.3)] {
            let (probs, labels, wrong) = draw(1, 20_000, classes, rate, 0.01);
            let found = moved(&probs, &labels, classes);
            assert_eq!(found.len(), 1, "{classes} classes, {rate}: {found:?}");
            let m = &found[0];
            assert_eq!((m.from, m.to), (0, 1));
            assert!((m.hits as f64 / m.sure as f64 - rate).abs() < 0.03, "{} of {}", m.hits, m.sure);
            let sum: f64 = m.samples.iter().map(|s| f64::from(s.1)).sum();
            let right = m.samples.iter().filter(|s| wrong[s.0 as usize]).count() as f64;
            assert!(right >= 0.9 * sum, "{right} of {} are moved, {sum} expected", m.samples.len());
            let all = wrong.iter().zip(&labels).filter(|(w, l)| **w && **l == 1).count() as f64;
            assert!(right >= 0.5 * all, "{right} of {all}");
        }
    }

    #[test]
    fn neither_clean_labels_nor_scattered_noise_have_a_direction() {
        let mut false_names = 0;
        for seed in 0..40 {
            let classes = 2 + seed as usize % 4;
            let (probs, labels, _) = draw(seed, 3_000, classes, 0.0, [0.0, 0.02, 0.1][seed as usize % 3]);
            false_names += moved(&probs, &labels, classes).len();
        }
        // 40 draws at level 0.05
        assert!(false_names <= 4, "{false_names}");
    }

    #[test]
    fn many_directions_together_tell_what_one_of_them_cannot() {
        // five samples of a hundred of each class go to the next; no direction passes
        let (classes, n) = (20usize, 2_000);
        let mut rng = Rng::new(5, "label-pairs/along");
        let (mut probs, mut labels, mut wrong) = (vec![], vec![], vec![]);
        for i in 0..n {
            let own = i % classes;
            let moved = i / classes % 20 == 7;
            let doubt = 0.3 * rng.unit();
            let p = (0..classes).map(|k| match (k + classes - own) % classes {
                0 => 0.95 - doubt,
                1 => 0.05 + doubt / 2.0,
                _ => doubt / 2.0 / (classes - 2) as f64,
            });
            probs.extend(p.map(|p| p as f32));
            labels.push(((own + usize::from(moved)) % classes) as u32);
            wrong.push(moved);
        }
        let on: Vec<(u32, u32)> = (0..classes as u32).map(|a| (a, (a + 1) % classes as u32)).collect();
        let found = along(&probs, &labels, classes, &on);
        let right = found.iter().filter(|(i, _, _)| wrong[*i as usize]).count();
        assert_eq!(right, found.len());
        assert!(right >= 80, "{right} of 100");
        assert!(found.iter().all(|(i, from, _)| *from == i % classes as u32));
        assert!(moved(&probs, &labels, classes).len() < classes / 2);
        // nothing was moved the other way, and no class is its own
        let back: Vec<(u32, u32)> = on.iter().map(|(a, b)| (*b, *a)).collect();
        assert_eq!(along(&probs, &labels, classes, &back), []);
        assert_eq!(along(&probs, &labels, classes, &[(3, 3), (99, 1)]), []);
        assert_eq!(along(&probs, &labels[1..], classes, &on), []);
    }

    #[test]
    fn isotonic_is_the_best_rising_fit() {
        let outcomes = [true, false, false, true, false, true, true];
        let keyed: Vec<(f32, bool)> = outcomes.iter().enumerate().map(|(i, o)| (i as f32, *o)).collect();
        let fit = isotonic(&keyed);
        // the minimax formula: at i, max over starts <= i of the min over ends >= i of the mean between
        for (i, got) in fit.iter().enumerate() {
            let mean = |s: usize, e: usize| {
                outcomes[s..=e].iter().filter(|o| **o).count() as f64 / (e + 1 - s) as f64
            };
            let low = |s: usize| (i..outcomes.len()).map(|e| mean(s, e)).fold(f64::MAX, f64::min);
            let want = (0..=i).map(low).fold(0.0, f64::max);
            assert!((got - want).abs() < 1e-12, "{fit:?}");
        }
        assert_eq!(isotonic(&[(0.0, false), (0.0, true), (1.0, true)]), [0.5, 0.5, 1.0]);
    }

    #[test]
    fn odd_shapes_say_nothing() {
        assert!(moved(&[0.5], &[0], 1).is_empty() && moved(&[], &[], 2).is_empty());
        assert!(moved(&[0.5; 80], &[u32::MAX; 40], 2).is_empty());
        assert!(moved(&[f32::NAN; 200], &[1; 100], 2).is_empty());
    }

    #[test]
    fn same_bytes_on_any_number_of_threads() {
        let (probs, labels, _) = draw(9, 9_000, 3, 0.1, 0.02);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| moved(&probs, &labels, 3))
        };
        assert_eq!(run(1), run(3));
    }
}
