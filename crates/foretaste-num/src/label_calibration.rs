//! The calibration by which labels are judged.
//!
//! What [`crate::softmax::calibrate`] fits by default, temperature and floor, is what all models of this crate need. Whoever
//! calls a label wrong needs more where there are two classes.
//! *Offsets*: labels that are flipped at random move more samples out of the large class than into it, and a model trained on
//! them takes the small class for larger than it is.
//! *Shape*: a temperature bends all odds alike, but a model may be too timid about its surest samples only; then honest labels
//! count as noise, or noise as honest doubt. Odds `s` become `S |s / S|^g`, and `g` is taken from a short list if it makes the
//! labels so much more likely that this would happen once in a thousand times by chance.
//! *No noise*: hard samples look like noise, so a floor has to be believed before it is used: it makes the labels more likely at
//! the same level, or the model is nearly certain of most samples of both classes.

use crate::softmax::calibrate::{CalibrateOptions, Calibration, calibrate};
use crate::stats::median;
use rayon::prelude::*;

/// Exponents of the log-odds that are tried.
const SHAPES: [f64; 7] = [0.7, 0.8, 0.9, 1.1, 1.2, 1.35, 1.5];
/// Largest log-odds that count: those of a probability of one in a million.
const LARGEST: f64 = 13.8;
/// Twice the gain in log-likelihood by one more parameter from which on it is believed: exceeded once in a thousand times
/// without (chi-squared, one degree of freedom).
const BELIEVED: f64 = 10.83;
/// Doubt of half of a class's samples up to which the class has certain ones.
const CERTAIN: f64 = 0.05;

/// Calibrates `probs` (rows x classes, by models that have not seen the row) on `labels` (one a row, not below `classes` where
/// there is none). The floor is zero if nothing shows that labels are noisy.
#[must_use]
pub fn label_calibration(probs: &[f32], labels: &[u32], classes: usize) -> Calibration {
    let options = CalibrateOptions { offsets: classes == 2, ..CalibrateOptions::default() };
    let straight = calibrate(&[probs], labels, classes, &options);
    if classes != 2 {
        return straight;
    }
    let labelled = labels.iter().filter(|y| (**y as usize) < classes).count() as f64;
    let gain = |a: &Calibration, b: &Calibration| 2.0 * labelled * (a.log_likelihood - b.log_likelihood);
    let shaped = SHAPES.map(|g| {
        let bent = bent(probs, g);
        let fitted = calibrate(&[&bent], labels, classes, &options);
        (bent, fitted)
    });
    let best = shaped.into_iter().max_by(|a, b| a.1.log_likelihood.total_cmp(&b.1.log_likelihood));
    let best = best.filter(|(_, fitted)| gain(fitted, &straight) >= BELIEVED);
    let (probs, mut fitted) = match &best {
        Some((bent, fitted)) => (&bent[..], fitted.clone()),
        None => (probs, straight),
    };
    let without = calibrate(&[probs], labels, classes, &CalibrateOptions { floor: false, ..options });
    if gain(&fitted, &without) < BELIEVED && !(0..2).all(|class| certain(&without.q0, class)) {
        fitted.floor = 0.0;
    }
    fitted
}

/// Probabilities of two classes with the log-odds to a power.
fn bent(probs: &[f32], power: f64) -> Vec<f32> {
    let mut out = vec![0f32; probs.len()];
    out.par_chunks_exact_mut(2).zip(probs.par_chunks_exact(2)).for_each(|(out, p)| {
        let odds = f64::from(p[1].max(1e-6)).ln() - f64::from(p[0].max(1e-6)).ln();
        let odds = odds.signum() * LARGEST * (odds.abs() / LARGEST).powf(power);
        out[1] = (1.0 / (1.0 + (-odds).exp())) as f32;
        out[0] = (1.0 / (1.0 + odds.exp())) as f32;
    });
    out
}

/// Is the model nearly certain of most samples that it gives a class of two?
fn certain(q: &[f32], class: usize) -> bool {
    let doubts: Vec<f64> =
        q.chunks_exact(2).map(|q| f64::from(q[1 - class])).filter(|doubt| *doubt < 0.5).collect();
    median(&doubts) <= CERTAIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// True log-odds `odds` of class 1, labels drawn from them, a share `flips` of them drawn anew.
    fn drawn(n: usize, flips: f64, offset: f64, seed: u64) -> (Vec<f64>, Vec<u32>) {
        let mut rng = Rng::new(seed, "label-calibration");
        let odds: Vec<f64> = (0..n).map(|_| 3.0 * rng.normal() + offset).collect();
        let label = |s: &f64| {
            let y = u32::from(rng.unit() < 1.0 / (1.0 + (-s).exp()));
            if rng.unit() < flips { u32::from(rng.unit() < 0.5) } else { y }
        };
        let labels = odds.iter().map(label).collect();
        (odds, labels)
    }

    fn probs(odds: impl Iterator<Item = f64>) -> Vec<f32> {
        odds.flat_map(|s| [(1.0 / (1.0 + s.exp())) as f32, (1.0 / (1.0 + (-s).exp())) as f32]).collect()
    }

    #[test]
    fn offset_and_shape_are_found() {
        let (odds, labels) = drawn(20_000, 0.1, -2.0, 3);
        // a model that leans to class 1 and is too timid where it is sure
        let seen = probs(odds.iter().map(|s| s + 1.0).map(|s| s.signum() * s.abs().powf(1.0 / 1.35)));
        let fitted = label_calibration(&seen, &labels, 2);
        assert!((fitted.floor - 0.1).abs() < 0.02, "{}", fitted.floor);
        let truth = probs(odds.iter().copied());
        let off = |q: &[f32]| q.iter().zip(&truth).map(|(a, b)| (a - b).abs()).sum::<f32>() / q.len() as f32;
        let plain = calibrate(&[&seen], &labels, 2, &CalibrateOptions::default());
        assert!(off(&fitted.q0) < 0.02, "{}", off(&fitted.q0));
        assert!(off(&fitted.q0) < 0.7 * off(&plain.q0), "{} {}", off(&fitted.q0), off(&plain.q0));
    }

    #[test]
    fn honest_labels_show_no_noise() {
        for seed in 0..5 {
            let (odds, labels) = drawn(2_000, 0.0, 0.5, seed);
            let fitted = label_calibration(&probs(odds.into_iter()), &labels, 2);
            assert_eq!(fitted.floor, 0.0);
        }
    }

    #[test]
    fn more_classes_and_nothing_are_as_elsewhere() {
        let p = [0.2f32, 0.3, 0.5, 0.1, 0.8, 0.1];
        let same = calibrate(&[&p], &[0, 1], 3, &CalibrateOptions::default());
        assert_eq!(label_calibration(&p, &[0, 1], 3), same);
        assert!(label_calibration(&[], &[], 2).q0.is_empty());
    }
}
