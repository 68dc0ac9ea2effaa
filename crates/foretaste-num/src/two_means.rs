//! Two clusters of points: Lloyd's algorithm from many starts, and the silhouette of the best split.

use crate::rng::Rng;
use rayon::prelude::*;

/// Passes of Lloyd's algorithm from one start.
const PASSES: usize = 100;

/// Points split in two.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// True for points of the smaller cluster.
    pub small: Vec<bool>,
    /// Share of the points in the smaller cluster, 0 to 0.5; 0 if there is but one cluster.
    pub share: f64,
    /// Mean silhouette of the points for squared Euclidean distances, -1 to 1 (Rousseeuw 1987). For squares, mean distances
    /// to a cluster follow from its centre and spread, so that no pair of points has to be looked at.
    pub silhouette: f64,
    /// Where each point lies between the two centres: 0 at that of the larger cluster, 1 at that of the smaller.
    pub side: Vec<f32>,
    /// Sum of squared distances to the nearer centre.
    pub inertia: f64,
}

/// Splits points (row-major, `dim` numbers each) in two with the least sum of squared distances over `starts` starts.
///
/// Starts do not depend on the order of the points: half of them cut at the mean along a direction, the others begin with
/// the farthest point, which finds small clusters; directions are the first axes, then random ones. Non-finite values
/// count as zero.
#[must_use]
pub fn two_means(points: &[f32], dim: usize, starts: usize, seed: u64) -> Split {
    let rows = points.len().checked_div(dim).unwrap_or(0);
    if rows == 0 {
        return alone(0);
    }
    let clean: Vec<f32> =
        points[..rows * dim].iter().map(|v| if v.is_finite() { v.clamp(-1e15, 1e15) } else { 0.0 }).collect();
    let tried: Vec<Option<Lloyd>> =
        (0..starts.max(1)).into_par_iter().map(|start| Lloyd::run(&clean, dim, start, seed)).collect();
    let best = tried.into_iter().flatten().reduce(|a, b| if b.inertia < a.inertia { b } else { a });
    match best {
        Some(found) => found.split(&clean, dim),
        None => alone(rows),
    }
}

/// One cluster only.
fn alone(rows: usize) -> Split {
    Split { small: vec![false; rows], share: 0.0, silhouette: 0.0, side: vec![0.0; rows], inertia: 0.0 }
}

/// One run from one start.
struct Lloyd {
    second: Vec<bool>,
    centres: [Vec<f64>; 2],
    inertia: f64,
}

impl Lloyd {
    /// `None` if all points fall into one cluster.
    fn run(points: &[f32], dim: usize, start: usize, seed: u64) -> Option<Self> {
        let mut second = first_cut(points, dim, start, seed);
        let mut centres = centres(points, dim, &second)?;
        for _ in 0..PASSES {
            let next: Vec<bool> =
                points.chunks_exact(dim).map(|p| apart(p, &centres[1]) < apart(p, &centres[0])).collect();
            let done = next == second;
            second = next;
            centres = self::centres(points, dim, &second)?;
            if done {
                break;
            }
        }
        let inertia =
            points.chunks_exact(dim).zip(&second).map(|(p, &s)| apart(p, &centres[usize::from(s)])).sum();
        Some(Self { second, centres, inertia })
    }

    fn split(self, points: &[f32], dim: usize) -> Split {
        let rows = self.second.len();
        let n = self.second.iter().filter(|s| **s).count();
        let flip = 2 * n > rows;
        let small: Vec<bool> = self.second.iter().map(|s| *s != flip).collect();
        let [large_centre, small_centre] =
            if flip { [&self.centres[1], &self.centres[0]] } else { [&self.centres[0], &self.centres[1]] };
        let count = n.min(rows - n);
        let gap: f64 = large_centre.iter().zip(small_centre).map(|(a, b)| (a - b).powi(2)).sum();
        let mut side = Vec::with_capacity(rows);
        let mut distance = Vec::with_capacity(rows);
        for p in points.chunks_exact(dim) {
            let (large, near) = (apart(p, large_centre), apart(p, small_centre));
            side.push(if gap > 0.0 {
                (0.5 + 0.5 * (large - near) / gap).clamp(-1e6, 1e6) as f32
            } else {
                0.0
            });
            distance.push([large, near]);
        }
        let silhouette = silhouette(&distance, &small, [rows - count, count]);
        Split { small, share: count as f64 / rows.max(1) as f64, silhouette, side, inertia: self.inertia }
    }
}

/// Mean silhouette from squared distances to the centres of both clusters.
fn silhouette(distance: &[[f64; 2]], small: &[bool], counts: [usize; 2]) -> f64 {
    let mut spread = [0.0; 2];
    for (d, &s) in distance.iter().zip(small) {
        spread[usize::from(s)] += d[usize::from(s)];
    }
    let spread = [spread[0] / counts[0].max(1) as f64, spread[1] / counts[1].max(1) as f64];
    let one = |(d, &s): (&[f64; 2], &bool)| {
        let (own, other) = (usize::from(s), usize::from(!s));
        if counts[own] < 2 {
            return 0.0;
        }
        let n = counts[own] as f64;
        // the mean over the others of the cluster: the point itself is at distance zero
        let a = (d[own] + spread[own]) * n / (n - 1.0);
        let b = d[other] + spread[other];
        if a.max(b) > 0.0 { (b - a) / a.max(b) } else { 0.0 }
    };
    distance.iter().zip(small).map(one).sum::<f64>() / distance.len().max(1) as f64
}

fn apart(p: &[f32], centre: &[f64]) -> f64 {
    p.iter().zip(centre).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum()
}

fn centres(points: &[f32], dim: usize, second: &[bool]) -> Option<[Vec<f64>; 2]> {
    let mut sums = [vec![0f64; dim], vec![0f64; dim]];
    let mut counts = [0usize; 2];
    for (p, &s) in points.chunks_exact(dim).zip(second) {
        sums[usize::from(s)].iter_mut().zip(p).for_each(|(t, v)| *t += f64::from(*v));
        counts[usize::from(s)] += 1;
    }
    for (sum, n) in sums.iter_mut().zip(counts) {
        if n == 0 {
            return None;
        }
        sum.iter_mut().for_each(|v| *v /= n as f64);
    }
    Some(sums)
}

/// The first assignment of a start.
fn first_cut(points: &[f32], dim: usize, start: usize, seed: u64) -> Vec<bool> {
    let axis = start / 2;
    let mut rng = Rng::at(seed, "two-means", start as u64 / 2);
    let direction: Vec<f64> = match axis {
        0..3 if axis < dim => (0..dim).map(|c| f64::from(u8::from(c == axis))).collect(),
        _ => (0..dim).map(|_| rng.normal()).collect(),
    };
    let along: Vec<f64> = points
        .chunks_exact(dim)
        .map(|p| p.iter().zip(&direction).map(|(v, d)| f64::from(*v) * d).sum())
        .collect();
    let mean = along.iter().sum::<f64>() / along.len().max(1) as f64;
    if start.is_multiple_of(2) {
        return along.iter().map(|a| *a > mean).collect();
    }
    let far = along.iter().map(|a| (a - mean).abs()).fold(0.0, f64::max);
    let farthest: Vec<bool> = along.iter().map(|a| (a - mean).abs() >= far && far > 0.0).collect();
    let Some([_, centre]) = centres(points, dim, &farthest) else { return vec![false; along.len()] };
    let middle = mean_of(points, dim);
    points.chunks_exact(dim).map(|p| apart(p, &centre) < apart(p, &middle)).collect()
}

fn mean_of(points: &[f32], dim: usize) -> Vec<f64> {
    let mut sum = vec![0f64; dim];
    for p in points.chunks_exact(dim) {
        sum.iter_mut().zip(p).for_each(|(t, v)| *t += f64::from(*v));
    }
    let n = points.len().checked_div(dim).unwrap_or(0).max(1) as f64;
    sum.iter_mut().for_each(|v| *v /= n);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(sizes: &[(usize, f64)], dim: usize) -> Vec<f32> {
        let mut rng = Rng::new(4, "blobs");
        let mut out = vec![];
        for &(n, at) in sizes {
            for _ in 0..n {
                out.extend((0..dim).map(|c| (rng.normal() + if c == 1 { at } else { 0.0 }) as f32));
            }
        }
        out
    }

    /// The best split of few points over all of them, and its silhouette over all pairs.
    fn naive(points: &[f32], dim: usize) -> (f64, f64) {
        let n = points.len() / dim;
        let square = |a: usize, b: usize| -> f64 {
            (0..dim).map(|c| (f64::from(points[a * dim + c]) - f64::from(points[b * dim + c])).powi(2)).sum()
        };
        let mut best = (f64::INFINITY, 0u32);
        for mask in 1u32..(1 << (n - 1)) {
            let second: Vec<bool> = (0..n).map(|i| mask >> i & 1 == 1).collect();
            let centres = centres(points, dim, &second).unwrap();
            let inertia: f64 =
                points.chunks(dim).zip(&second).map(|(p, s)| apart(p, &centres[usize::from(*s)])).sum();
            if inertia < best.0 {
                best = (inertia, mask);
            }
        }
        let side = |i: usize| best.1 >> i & 1;
        let mean = |i: usize, cluster: u32| {
            let of: Vec<f64> =
                (0..n).filter(|&j| side(j) == cluster && j != i).map(|j| square(i, j)).collect();
            (of.iter().sum::<f64>() / of.len().max(1) as f64, of.len())
        };
        let one = |i: usize| {
            let ((a, others), (b, _)) = (mean(i, side(i)), mean(i, 1 - side(i)));
            if others == 0 { 0.0 } else { (b - a) / a.max(b) }
        };
        (best.0, (0..n).map(one).sum::<f64>() / n as f64)
    }

    #[test]
    fn the_best_of_all_splits_and_the_silhouette_over_all_pairs() {
        for sizes in [[(9, 0.0), (3, 5.0)], [(6, 0.0), (6, 2.0)], [(11, 0.0), (1, 8.0)]] {
            let points = blobs(&sizes, 3);
            let (inertia, silhouette) = naive(&points, 3);
            let split = two_means(&points, 3, 20, 1);
            assert!((split.inertia - inertia).abs() < 1e-9 * inertia, "{} for {inertia}", split.inertia);
            assert!((split.silhouette - silhouette).abs() < 1e-9, "{} for {silhouette}", split.silhouette);
        }
    }

    #[test]
    fn a_small_cluster_off_the_first_axis_is_found() {
        let points = blobs(&[(950, 0.0), (50, 9.0)], 6);
        let split = two_means(&points, 6, 10, 1);
        let found = split.small[950..].iter().filter(|s| **s).count();
        assert!(found == 50 && (split.share - 0.05).abs() < 1e-9, "{found} {}", split.share);
        assert!(split.side[950..].iter().all(|s| *s > 0.5) && split.side[0] < 0.5);
    }

    #[test]
    fn odd_input_is_finite() {
        assert!(two_means(&[], 3, 10, 1).side.is_empty() && two_means(&[1.0], 0, 10, 1).small.is_empty());
        let same = two_means(&[2.0; 12], 3, 10, 1);
        assert_eq!((same.share, same.silhouette, same.side), (0.0, 0.0, vec![0.0; 4]));
        let odd = two_means(&[f32::NAN, f32::INFINITY, 3e38, 1.0, -3e38, 2.0], 2, 10, 1);
        assert!(odd.silhouette.is_finite() && odd.side.iter().all(|s| s.is_finite()));
    }
}
