//! Bursts: short runs of a sequence in which more happens than its means explain.

use crate::stats::binomial_sf;

/// Items of the shortest window.
const SHORTEST: usize = 16;
/// Windows of one length start this often within it: a burst lies for the most part in one of them.
const STEPS: usize = 4;

/// A run of the sequence in which too much happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Burst {
    /// First item.
    pub start: usize,
    /// One past the last item.
    pub end: usize,
    /// Binomial tail probability of the window that was seen, not corrected for the number of windows.
    pub p_value: f64,
}

/// Bursts that do not touch, most surprising first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bursts {
    /// Those whose p-value times `tested` is below one.
    pub found: Vec<Burst>,
    /// Windows looked at: what p-values are to be corrected for.
    pub tested: usize,
}

/// Windows of 16 items, 32, 64 and so on up to `longest`, each length at four places in its own length, in which more items
/// are hit than their means explain: a scan statistic (Naus, "The Distribution of the Size of the Maximum Cluster of Points
/// on a Line", 1965) with Bonferroni's correction. A sum of independent coins of unequal means is at most as wide as the
/// binomial of their average (Hoeffding, 1956), so the p-values err on the safe side.
///
/// The ends of a burst are those of the run with the largest likelihood ratio (Kulldorff, "A Spatial Scan Statistic", 1997)
/// that touches the window; they are an estimate and no part of the test.
///
/// `hit`: what happened, in order. `mean`: how probable that was, between 0 and 1, of each item. O(n) windows.
#[must_use]
pub fn bursts(hit: &[bool], mean: &[f64], longest: usize) -> Bursts {
    let n = hit.len().min(mean.len());
    let (hit, mean) = (&hit[..n], &mean[..n]);
    let (mut hits, mut means) = (vec![0u64], vec![0.0]);
    for (h, m) in hit.iter().zip(mean) {
        hits.push(hits[hits.len() - 1] + u64::from(*h));
        means.push(means[means.len() - 1] + m.clamp(0.0, 1.0));
    }
    let mut windows = vec![];
    let mut tested = 0;
    let mut size = SHORTEST;
    while size <= longest.min(hit.len()) {
        for start in (0..=hit.len() - size).step_by(size / STEPS) {
            tested += 1;
            let seen = hits[start + size] - hits[start];
            let expected = (means[start + size] - means[start]).max(0.0);
            if seen as f64 > expected {
                let p_value = binomial_sf(seen, size as u64, (expected / size as f64).min(1.0));
                windows.push(Burst { start, end: start + size, p_value });
            }
        }
        size *= 2;
    }
    windows.retain(|w| w.p_value * (tested as f64) < 1.0);
    windows
        .sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then(a.start.cmp(&b.start)).then(a.end.cmp(&b.end)));
    let mut found: Vec<Burst> = vec![];
    for w in windows {
        let free = |b: &Burst| w.end <= b.start || b.end <= w.start;
        if found.iter().all(free) {
            let seen = (hits[w.end] - hits[w.start]) as f64;
            let rate = (seen / (w.end - w.start) as f64).min(0.999);
            let (mut start, mut end) = widened(hit, mean, &w, rate);
            for b in &found {
                if b.end <= w.start {
                    start = start.max(b.end);
                } else {
                    end = end.min(b.start);
                }
            }
            found.push(Burst { start, end, p_value: w.p_value });
        }
    }
    Bursts { found, tested }
}

/// Ends of the run around the middle of `w` in which a hit at `rate` is most likely against the means.
fn widened(hit: &[bool], mean: &[f64], w: &Burst, rate: f64) -> (usize, usize) {
    let gain = |i: usize| {
        let m = mean[i].clamp(1e-3, 1.0 - 1e-3);
        if hit[i] { (rate / m).ln() } else { ((1.0 - rate) / (1.0 - m)).ln() }
    };
    let best = |items: &mut dyn Iterator<Item = usize>, at: usize| {
        let (mut sum, mut top, mut end) = (0.0, 0.0, at);
        for i in items {
            sum += gain(i);
            if sum > top {
                (top, end) = (sum, i);
            }
        }
        end
    };
    let middle = w.start.midpoint(w.end);
    let first = best(&mut (0..middle).rev(), middle);
    let last = best(&mut (middle..hit.len()), middle);
    (first, last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn drawn(n: usize, seed: u64, rate: impl Fn(usize) -> f64) -> Vec<bool> {
        (0..n as u64).map(|i| Rng::at(seed, "bursts", i).unit() < rate(i as usize)).collect()
    }

    #[test]
    fn a_burst_is_found_with_its_ends() {
        let n = 20_000;
        let hit = drawn(n, 1, |i| if (7_000..7_100).contains(&i) { 0.8 } else { 0.15 });
        let found = bursts(&hit, &vec![0.15; n], 1000);
        let b = &found.found[0];
        assert!(b.p_value < 1e-20 && b.start.abs_diff(7_000) < 6 && b.end.abs_diff(7_100) < 6, "{b:?}");
        assert!(
            found.found.iter().skip(1).all(|b| b.p_value * found.tested as f64 > 1e-3),
            "{:?}",
            found.found
        );
    }

    #[test]
    fn nothing_passes_where_nothing_is_more_often_than_chance() {
        let n = 5_000;
        let mean: Vec<f64> = (0..n).map(|i| 0.02 + 0.4 * (i % 7) as f64 / 7.0).collect();
        let alarms = (0..100).filter(|seed| {
            let found = bursts(&drawn(n, *seed, |i| mean[i]), &mean, 250);
            found.found.first().is_some_and(|b| b.p_value * (found.tested as f64) < 0.05)
        });
        // five are allowed at this level; neighbouring windows say the same, so there are fewer
        assert!(alarms.count() <= 5);
    }

    #[test]
    fn as_a_naive_scan_finds_it() {
        let mean = vec![0.1; 300];
        let hit = drawn(300, 3, |i| if (100..140).contains(&i) { 0.7 } else { 0.1 });
        let mut least = f64::INFINITY;
        for size in [16, 32, 64] {
            for start in (0..=300 - size).step_by(size / 4) {
                let k = hit[start..start + size].iter().filter(|h| **h).count() as u64;
                least = least.min(binomial_sf(k, size as u64, 0.1));
            }
        }
        let found = bursts(&hit, &mean, 64);
        assert!((found.found[0].p_value / least - 1.0).abs() < 1e-6);
        assert_eq!(found.tested, 72 + 34 + 15);
    }

    #[test]
    fn bursts_do_not_touch_and_short_sequences_have_none() {
        let hit =
            drawn(2_000, 5, |i| if (300..360).contains(&i) || (500..560).contains(&i) { 0.9 } else { 0.1 });
        let found = bursts(&hit, &vec![0.1; 2_000], 64).found;
        for (i, a) in found.iter().enumerate() {
            assert!(a.start < a.end);
            assert!(found[..i].iter().all(|b| a.end <= b.start || b.end <= a.start), "{found:?}");
        }
        assert!(found.len() >= 2);
        assert_eq!(bursts(&[true; 10], &[0.1; 10], 100), Bursts::default());
        assert_eq!(bursts(&[], &[], 100), Bursts::default());
        assert_eq!(bursts(&[true; 50], &[0.1; 20], 100).tested, 2);
    }
}
