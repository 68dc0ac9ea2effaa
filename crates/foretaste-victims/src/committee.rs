//! A committee of surrogate and neighbours, calibrated: which labels are likely wrong.
//!
//! Two opinions on each sample, neither of which has seen its label: the surrogate's out-of-fold
//! probabilities, and the classes of its nearest neighbours. [`calibrate`] weighs them by the likelihood of
//! the given labels under a noise floor. A regression and a vote are wrong in different places, so the pair
//! ranks wrong labels better than either.

use foretaste_num::softmax::calibrate::{CalibrateOptions, Calibration, calibrate};
use rayon::prelude::*;

/// Neighbours of each row, nearest first.
#[derive(Clone, Copy, Debug)]
pub struct Neighbourhood<'a> {
    /// `rows * k` row numbers; the row itself and numbers beyond the rows are left out.
    pub index: &'a [u32],
    /// `rows * k` distances, not negative.
    pub distance: &'a [f32],
    /// Neighbours per row.
    pub k: usize,
}

/// What the committee says.
#[derive(Clone, Debug, PartialEq)]
pub struct Committee {
    /// `rows x classes`: class probabilities as if labels were right (`q0`).
    pub probs: Vec<f32>,
    /// Suspicion of each row that its label is wrong: log-odds of the likeliest other class against the
    /// given one. Zero for rows without a label.
    pub suspicion: Vec<f32>,
    /// Estimated share of wrong labels.
    pub noise_rate: f64,
    /// The calibration of the channels.
    pub calibration: Calibration,
}

/// Class shares among the neighbours of each row, `rows x classes`.
///
/// A neighbour at distance `d` counts `exp(-(d / d_k)^2)`, where `d_k` is the distance of the farthest; one
/// imaginary neighbour with the classes' overall shares keeps every share above zero. Neighbours without
/// a label do not vote. The row's own label takes no part.
#[must_use]
pub fn neighbour_shares(near: Neighbourhood<'_>, labels: &[u32], classes: usize) -> Vec<f32> {
    let mut prior = vec![1f32; classes];
    labels.iter().filter(|&&y| (y as usize) < classes).for_each(|&y| prior[y as usize] += 1.0);
    let total: f32 = prior.iter().sum();
    prior.iter_mut().for_each(|p| *p /= total.max(1.0));
    let mut out = vec![0f32; labels.len() * classes];
    out.par_chunks_mut(classes.max(1)).enumerate().for_each(|(i, out)| {
        out.copy_from_slice(&prior);
        let mut sum = 1f32;
        let span = i * near.k..(i + 1) * near.k;
        let (Some(index), Some(distance)) = (near.index.get(span.clone()), near.distance.get(span)) else {
            return;
        };
        let farthest = distance.iter().copied().filter(|d| d.is_finite()).fold(0f32, f32::max);
        for (&j, &d) in index.iter().zip(distance) {
            let Some(&y) = labels.get(j as usize).filter(|&&y| (y as usize) < classes) else { continue };
            if j as usize == i || !d.is_finite() {
                continue;
            }
            let weight = if farthest > 0.0 { (-(d / farthest).powi(2)).exp() } else { 1.0 };
            out[y as usize] += weight;
            sum += weight;
        }
        out.iter_mut().for_each(|p| *p /= sum);
    });
    out
}

/// Weighs channels (each `rows x classes` probabilities, the row's own label unseen) into one opinion.
///
/// `labels`: one per row, not below `classes` where there is none.
#[must_use]
pub fn committee(channels: &[&[f32]], labels: &[u32], classes: usize) -> Committee {
    let calibration = calibrate(channels, labels, classes, &CalibrateOptions::default());
    let probs = calibration.q0.clone();
    let suspicion = log_odds(&probs, labels, classes);
    Committee { probs, suspicion, noise_rate: calibration.noise_rate(), calibration }
}

/// Log-odds of the likeliest other class against the given label; zero without a label.
#[must_use]
pub fn log_odds(probs: &[f32], labels: &[u32], classes: usize) -> Vec<f32> {
    labels
        .iter()
        .zip(probs.chunks_exact(classes.max(1)))
        .map(|(&y, p)| {
            let Some(&own) = p.get(y as usize) else { return 0.0 };
            let other = (0..classes).filter(|&c| c != y as usize).map(|c| p[c]).fold(0f32, f32::max);
            other.max(1e-30).ln() - own.max(1e-30).ln()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::rng::Rng;

    #[test]
    fn shares_leave_the_row_itself_and_the_unlabelled_out() {
        let near =
            Neighbourhood { index: &[0, 1, 2, 0, 0, 9], distance: &[0.0, 1.0, 0.5, 1.0, 1.0, 1.0], k: 2 };
        let shares = neighbour_shares(near, &[0, 1, u32::MAX], 2);
        // one vote of weight e^-1 against an even prior of weight one
        let vote = (-1f32).exp();
        let (own, other) = (0.5 / (1.0 + vote), (0.5 + vote) / (1.0 + vote));
        for (got, want) in shares.iter().zip([own, other, other, own]) {
            assert!((got - want).abs() < 1e-6, "{shares:?}");
        }
        assert!(shares.chunks(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-6));
    }

    #[test]
    fn wrong_labels_rise_to_the_top() {
        // confidence must vary: from a channel of one confidence, noise and temperature cannot be told apart
        let mut rng = Rng::new(3, "graded");
        let n = 20_000;
        let p: Vec<f64> = (0..n).map(|_| 1.0 / (1.0 + (-4.0 * rng.normal()).exp())).collect();
        let wrong: Vec<bool> = (0..n).map(|_| rng.unit() < 0.05).collect();
        let labels: Vec<u32> =
            p.iter().zip(&wrong).map(|(p, &w)| u32::from((rng.unit() < *p) != w)).collect();
        let channel: Vec<f32> = p.iter().flat_map(|&p| [1.0 - p as f32, p as f32]).collect();
        let out = committee(&[&channel], &labels, 2);
        assert!((out.noise_rate - 0.05).abs() < 0.01, "{}", out.noise_rate);
        assert!((out.calibration.temperature() - 1.0).abs() < 0.15);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| out.suspicion[b].total_cmp(&out.suspicion[a]));
        let hits = order[..200].iter().filter(|&&i| wrong[i]).count();
        assert!(hits > 180, "{hits} of the 200 most suspicious");
    }

    #[test]
    fn nothing_to_say_is_no_trouble() {
        assert!(committee(&[], &[], 0).probs.is_empty());
        let near = Neighbourhood { index: &[], distance: &[], k: 5 };
        assert_eq!(neighbour_shares(near, &[0, 1], 2).len(), 4);
    }
}
