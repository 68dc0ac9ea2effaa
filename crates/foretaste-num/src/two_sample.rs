//! Two samples of one kind of thing: what tells them apart.
//!
//! Every p-value is exact, or errs on the safe side, if the two are one sample that was cut in two at random. None assumes
//! anything about how the values are spread.

use crate::rng::mix;
use crate::stats::{Tail, fisher_exact, hypergeometric_sf};

/// How many of a sample have something: `(with it, in all)`.
pub type Part = (u64, u64);

/// Two-sided p-value that both samples have it equally often: Fisher's exact test. 1 where a part exceeds its whole.
#[must_use]
pub fn shares(new: Part, old: Part) -> f64 {
    let (Some(a), Some(b)) = (new.1.checked_sub(new.0), old.1.checked_sub(old.0)) else { return 1.0 };
    clean(fisher_exact([[new.0, a], [old.0, b]], Tail::TwoSided))
}

/// Values of one sample that lie outside all values of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beyond {
    /// Below the least of the other.
    pub below: u64,
    /// Above its greatest.
    pub above: u64,
    /// Two-sided p-value: that the most extreme values of both together are all of one sample.
    pub p: f64,
}

/// How many of `new` lie outside `old`. Values that are not finite are left out; `None` if a sample is empty.
///
/// If the two are one sample cut at random, the `k` greatest values are all new with the probability that `k` drawn
/// without replacement are. Ties with the greatest of `old` do not count, so that ties err on the safe side.
#[must_use]
pub fn beyond(new: &[f64], old: &[f64]) -> Option<Beyond> {
    let known = |x: &&f64| x.is_finite();
    let least = old.iter().filter(known).copied().reduce(f64::min)?;
    let most = old.iter().filter(known).copied().reduce(f64::max)?;
    let n = new.iter().filter(known).count() as u64;
    let m = old.iter().filter(known).count() as u64;
    if n == 0 {
        return None;
    }
    let below = new.iter().filter(known).filter(|x| **x < least).count() as u64;
    let above = new.iter().filter(known).filter(|x| **x > most).count() as u64;
    let all_new = |k: u64| hypergeometric_sf(k, n + m, n, k);
    let p = clean(2.0 * all_new(below.max(above)));
    Some(Beyond { below, above, p })
}

/// More errors in one of two samples than in the other, over groups of different difficulty.
///
/// One-sided p-value of Mantel and Haenszel (1959): observed errors of the new sample less those expected, over the root of
/// the summed hypergeometric variances, by the normal law. 1 if nothing varies.
#[must_use]
pub fn stratified_excess(groups: &[(Part, Part)]) -> f64 {
    let (mut excess, mut variance) = (0.0, 0.0);
    for &(new, old) in groups {
        let (n, m) = (new.1 as f64, old.1 as f64);
        let (marked, all) = ((new.0 + old.0) as f64, n + m);
        if n > 0.0 && m > 0.0 {
            excess += new.0 as f64 - marked * n / all;
            variance += marked * (all - marked) * n * m / (all * all * (all - 1.0).max(1.0));
        }
    }
    if variance > 0.0 { clean(crate::stats::normal_sf((excess - 0.5) / f64::sqrt(variance))) } else { 1.0 }
}

/// What a model that was to tell two samples apart has shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognised {
    /// p-value: that it tells them apart.
    pub p: f64,
    /// At least this share of the new sample is of a kind that the other has less of: the new among those that look newest,
    /// as a share of all new, less the same of the other.
    pub share: f64,
    /// New rows among those that look newest, the newest first; as many as the share says.
    pub rows: Vec<u32>,
}

/// Shares of the rows that look newest, at which new rows are counted.
const TOPS: [f64; 4] = [0.01, 0.05, 0.2, 0.5];

/// Whether `score` tells new rows from the others, where the score of each fold is of a model that saw the other folds only.
/// `None` if a fold lacks one of the two.
///
/// Within a fold, given the model, labels of one sample cut at random are exchangeable, so that the number of new rows among
/// those that look newest is hypergeometric. The folds' p-values depend on each other (each row's label trains
/// the judge of the others: with all rows judged in one test, the variance would be twice that of the binomial), so they are
/// joined by twice their mean, which holds under any dependence (Vovk and Wang 2020).
#[must_use]
pub fn recognise(score: &[f32], is_new: &[bool], fold: &[u32]) -> Option<Recognised> {
    let folds = fold.iter().max().map_or(0, |f| f + 1);
    let mut order: Vec<u32> = (0..score.len().min(is_new.len()).min(fold.len()) as u32).collect();
    // ties are broken by a number that knows nothing of the samples: their order in the data does
    order.sort_by(|&a, &b| {
        score[b as usize].total_cmp(&score[a as usize]).then(mix(u64::from(a)).cmp(&mix(u64::from(b))))
    });
    let (mut p, mut share, mut rows) = (0.0, 0.0, vec![]);
    for f in 0..folds {
        let of: Vec<u32> = order.iter().copied().filter(|&i| fold[i as usize] == f).collect();
        let n = of.iter().filter(|&&i| is_new[i as usize]).count();
        let m = of.len() - n;
        if n == 0 || m == 0 {
            return None;
        }
        let mut best = (2.0, 0.0);
        for top in TOPS {
            let newest = &of[..((of.len() as f64 * top).round() as usize).clamp(1, of.len())];
            let k = newest.iter().filter(|&&i| is_new[i as usize]).count();
            let tail = hypergeometric_sf(k as u64, of.len() as u64, n as u64, newest.len() as u64);
            let surplus = k as f64 / n as f64 - (newest.len() - k) as f64 / m as f64;
            // where all are beyond doubt, the larger share says more
            if tail < best.0 || (tail == 0.0 && surplus > best.1) {
                best = (tail, surplus);
            }
        }
        p += (best.0 * TOPS.len() as f64).min(1.0) / f64::from(folds);
        let surplus = f64::max(best.1, 0.0);
        share += surplus / f64::from(folds);
        rows.extend(
            of.into_iter().filter(|&i| is_new[i as usize]).take((surplus * n as f64).round() as usize),
        );
    }
    rows.sort_by(|&a, &b| score[b as usize].total_cmp(&score[a as usize]).then(a.cmp(&b)));
    Some(Recognised { p: clean(2.0 * p), share, rows })
}

fn clean(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn beyond_is_what_counting_all_ways_to_cut_gives() {
        // the two greatest of seven are both among three new ones: 3/7 * 2/6
        let b = beyond(&[9.0, 8.0, 1.0], &[2.0, 3.0, 4.0, f64::NAN, 0.0]).unwrap();
        assert_eq!((b.below, b.above), (0, 2));
        assert!((b.p - 2.0 * 3.0 / 7.0 * 2.0 / 6.0).abs() < 1e-12, "{}", b.p);
        assert_eq!(beyond(&[1.0], &[1.0]).unwrap().p, 1.0);
        assert!(beyond(&[f64::NAN], &[1.0]).is_none() && beyond(&[1.0], &[]).is_none());
    }

    #[test]
    fn strata_are_compared_with_themselves_only() {
        // the new sample has more of the hard group, and errs as often in each
        assert!(stratified_excess(&[((50, 100), (5, 10)), ((1, 10), (10, 100))]) > 0.4);
        assert!(stratified_excess(&[((60, 100), (40, 100)), ((30, 100), (15, 100))]) < 1e-3);
        assert_eq!(stratified_excess(&[((0, 5), (0, 5))]), 1.0);
        // by hand: 30 of 100 against 20 of 100: (30 - 25 - 0.5) / sqrt(50 * 150 * 1e4 / (4e4 * 199))
        let z = 4.5 / f64::sqrt(50.0 * 150.0 * 1e4 / (4e4 * 199.0));
        let p = stratified_excess(&[((30, 100), (20, 100))]);
        assert!((p - crate::stats::normal_sf(z)).abs() < 1e-12);
    }

    /// Scores that know a share of the new rows and nothing else.
    fn cut(rng: &mut Rng, rows: usize, known: f64) -> (Vec<f32>, Vec<bool>, Vec<u32>) {
        let is_new: Vec<bool> = (0..rows).map(|_| rng.unit() < 0.5).collect();
        let fold = (0..rows).map(|i| (i % 2) as u32).collect();
        let score = is_new
            .iter()
            .map(|new| if *new && rng.unit() < known { 2.0 } else { rng.unit() as f32 })
            .collect();
        (score, is_new, fold)
    }

    #[test]
    fn nothing_is_recognised_by_chance_and_a_share_is() {
        let mut rng = Rng::new(7, "two-sample");
        let low = (0..400).filter(|_| {
            let (s, n, f) = cut(&mut rng, 200, 0.0);
            recognise(&s, &n, &f).is_some_and(|r| r.p <= 0.05)
        });
        assert!(low.count() <= 30, "level");
        let (s, n, f) = cut(&mut rng, 2000, 0.1);
        let r = recognise(&s, &n, &f).unwrap();
        assert!(r.p < 1e-6 && (r.share - 0.1).abs() < 0.05, "{} {}", r.p, r.share);
        let right = r.rows.iter().filter(|&&i| s[i as usize] == 2.0).count();
        assert!(right * 10 >= r.rows.len() * 8, "{right} of {}", r.rows.len());
        assert!(recognise(&[1.0, 2.0], &[true, true], &[0, 1]).is_none());
    }

    #[test]
    fn equal_shares_are_equal() {
        assert!(shares((5, 10), (50, 100)) > 0.9);
        assert!(shares((0, 1000), (50, 1000)) < 1e-10);
        assert_eq!(shares((3, 2), (1, 1)), 1.0);
    }
}
