//! Spikes: short ranges of a column of numbers in which values lie far closer than on either side.

use crate::stats::binomial_sf;

/// Values of the shortest window, and share of all values that the longest one holds.
const SHORTEST: usize = 16;
const LONGEST: f64 = 0.05;
/// Windows of one length start this often within it.
const STEPS: usize = 4;
/// How much wider as many values on each side must lie.
const WIDER: f64 = 4.0;
/// Gap, in usual gaps of the middle half of a window, from which a value lies outside of the spike.
const GAP: f64 = 10.0;

/// Ranges of values, ends included, that do not overlap, in their order. `sorted`: finite and ascending. At most `most` come
/// back, the least likely ones where neighbouring values lie equally close. These are ranges to be looked at, no findings: a
/// distribution with several peaks has some by nature.
#[must_use]
pub fn spikes(sorted: &[f64], most: usize) -> Vec<(f64, f64)> {
    let n = sorted.len();
    let mut windows: Vec<(f64, usize, usize)> = vec![];
    let mut size = SHORTEST;
    while size as f64 <= LONGEST * n as f64 {
        for start in (0..=n - size).step_by(size / STEPS) {
            let end = start + size;
            let width = sorted[end - 1] - sorted[start];
            // at an end of the column there is one side only
            let left = start.checked_sub(size).map(|s| sorted[start] - sorted[s]);
            let right = sorted.get(end - 1 + size).map(|v| v - sorted[end - 1]);
            let sides = || [left, right].into_iter().flatten();
            if sides().all(|side| side > 0.0 && WIDER * width <= side) {
                let tail = |side: f64| binomial_sf(size as u64, 2 * size as u64, width / (width + side));
                windows.push((sides().map(|side| tail(side).max(1e-300).ln()).sum(), start, end));
            }
        }
        size *= 2;
    }
    windows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut out: Vec<(f64, f64)> = vec![];
    for (_, start, end) in windows {
        if out.len() == most {
            break;
        }
        let range = trimmed(sorted, start, end);
        if range.0 < range.1 && out.iter().all(|o| range.1 < o.0 || o.1 < range.0) {
            out.push(range);
        }
    }
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    out
}

/// The range around the middle of a window without gaps.
fn trimmed(sorted: &[f64], start: usize, end: usize) -> (f64, f64) {
    let quarter = (end - start) / 4;
    let (mut first, mut last) = (start + quarter, end - 1 - quarter);
    let usual = (sorted[last] - sorted[first]) / (last - first).max(1) as f64;
    while first > 0 && sorted[first] - sorted[first - 1] <= GAP * usual {
        first -= 1;
    }
    while last + 1 < sorted.len() && sorted[last + 1] - sorted[last] <= GAP * usual {
        last += 1;
    }
    (sorted[first], sorted[last])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn column(n: u64, spike: usize, at: f64, width: f64) -> Vec<f64> {
        let mut out: Vec<f64> =
            (0..n).map(|i| 1e5 * (1.0 + 0.5 * Rng::at(1, "spikes", i).normal())).collect();
        out.extend((0..spike as u64).map(|i| at + width * Rng::at(2, "spikes", i).unit()));
        out.sort_by(f64::total_cmp);
        out
    }

    #[test]
    fn a_planted_spike_is_seen_with_its_ends() {
        for at in [90_000.0, 260_000.0, 900_000.0] {
            let found = spikes(&column(20_000, 200, at, 50.0), 4);
            let hit = found.iter().find(|(a, b)| *a < at + 10.0 && *b > at + 40.0);
            assert!(hit.is_some_and(|(a, b)| *a > at - 50.0 && *b < at + 100.0), "{at}: {found:?}");
        }
    }

    #[test]
    fn smooth_columns_tails_and_constants_have_none() {
        assert!(spikes(&column(20_000, 0, 0.0, 1.0), 4).is_empty());
        let mut heavy: Vec<f64> =
            (0..20_000).map(|i| 1.0 / (1e-6 + Rng::at(3, "spikes", i).unit())).collect();
        heavy.sort_by(f64::total_cmp);
        assert!(spikes(&heavy, 4).is_empty());
        assert!(spikes(&[1.0; 1000], 4).is_empty() && spikes(&[], 4).is_empty());
    }

    #[test]
    fn ranges_do_not_overlap_and_are_few() {
        let mut values: Vec<f64> = (0..40_u64)
            .flat_map(|k| (0..50).map(move |i| 100.0 * k as f64 + 0.01 * Rng::at(k, "s", i).unit()))
            .collect();
        values.extend((0..8000).map(|i| 0.5 * f64::from(i)));
        values.sort_by(f64::total_cmp);
        let found = spikes(&values, 16);
        assert!(found.len() == 16 && found.windows(2).all(|w| w[0].1 < w[1].0), "{found:?}");
    }
}
