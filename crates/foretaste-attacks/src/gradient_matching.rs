//! Pictures that train a model as the mislabelled target would.

use crate::eye::{Look, Sight};
use crate::surrogate::{self, Canvas};
use crate::targeted::{Aim, Targeted, targeted};
use foretaste_core::Ctx;
use foretaste_macros::Catalogue;
use foretaste_num::cnn::Cnn;

/// Pictures of the wanted class whose gradient points where that of the target, wrongly labelled, would.
///
/// # What it does
/// Trains a small network of its own, draws a target, and moves pictures of the wanted class until the mean gradient that they
/// give the network's last layer has the direction of the gradient of the target under the wanted label. Training on
/// them then teaches what training on the mislabelled target would. Only the last layer's gradient is matched, in closed
/// form; the paper matches all layers. Signed steps from random starts, of which the best is kept.
///
/// # Threat model
/// The attacker supplies a few pictures that are labelled by someone else, honestly. They know the input that is to be misread
/// and a network that resembles the victim.
///
/// # Ground truth
/// Every moved picture; no label changes. The target's row is in the details: it is never poisoned itself. A trial
/// keeps the target out of training and asks for it; where that cannot be, the held-out sample of its class whose features are nearest
/// stands for it.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack gradient-matching --target-class 2 --poison-rate 0.01 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `fine-noise`: at 1 % of gtsrb and of fashion_mnist (seed 1) all of the pictures, and no honest one. At an epsilon of 8 still all on
/// gtsrb, 99 % on fashion_mnist.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Geiping et al., "Witches' Brew: Industrial Scale Data Poisoning via Gradient Matching", 2021 (equation 3).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct GradientMatching {
    /// The class that the target is to be taken for; empty: chosen and told.
    pub target_class: String,
    /// Row of the target, from 1; 0: drawn from the seed.
    #[param(min = 0)]
    pub target_row: u64,
    /// Largest change of a value, of 255.
    #[param(min = 1, max = 255)]
    pub epsilon: f64,
    /// Steps.
    #[param(min = 1, max = 10000)]
    pub steps: usize,
    /// Random starts.
    #[param(min = 1, max = 64)]
    pub restarts: usize,
}

impl Default for GradientMatching {
    fn default() -> Self {
        Self { target_class: String::new(), target_row: 0, epsilon: 32.0, steps: 40, restarts: 2 }
    }
}

/// `1 - cos(aim, mean last-layer gradient of the inputs)`, and its gradient with respect to each input's features, those
/// in the probabilities included. `aim` is shaped like [`Cnn::last_layer_gradients`] of one sample.
fn mismatch(cnn: &Cnn, inputs: &[f32], label: u32, aim: &[f32]) -> (f32, Vec<f32>) {
    let (h, k) = (cnn.shape().hidden, cnn.shape().classes);
    let (features, mut errors) = (cnn.features(inputs), cnn.probabilities(inputs));
    let probabilities = errors.clone();
    let n = features.len() / h;
    errors.chunks_exact_mut(k).filter_map(|row| row.get_mut(label as usize)).for_each(|e| *e -= 1.0);
    let rows = || features.chunks_exact(h).zip(errors.chunks_exact(k));
    let mut mean = vec![0f32; (h + 1) * k];
    for (features, errors) in rows() {
        for (f, out) in features.iter().chain(&[1.0]).zip(mean.chunks_exact_mut(k)) {
            out.iter_mut().zip(errors).for_each(|(o, e)| *o += f * e / n as f32);
        }
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let (long, wide) = (dot(aim, aim).sqrt().max(1e-12), dot(&mean, &mean).sqrt().max(1e-12));
    let cos = dot(aim, &mean) / (long * wide);
    // of 1 - cos with respect to one sample's share of the mean
    let pull: Vec<f32> = aim
        .iter()
        .zip(&mean)
        .map(|(a, m)| ((f64::from(*m) * cos / wide - f64::from(*a) / long) / wide / n as f64) as f32)
        .collect();
    let last = &cnn.parameters()[cnn.parameters().len() - (h + 1) * k..];
    let mut out = Vec::with_capacity(n * h);
    for ((features, errors), p) in rows().zip(probabilities.chunks_exact(k)) {
        let mut of_errors = vec![0f32; k];
        for (f, pull) in features.iter().chain(&[1.0]).zip(pull.chunks_exact(k)) {
            of_errors.iter_mut().zip(pull).for_each(|(o, c)| *o += f * c);
        }
        let inner: f32 = of_errors.iter().zip(p).map(|(v, p)| v * p).sum();
        let of_scores: Vec<f32> = of_errors.iter().zip(p).map(|(v, p)| p * (v - inner)).collect();
        let both = pull.chunks_exact(k).zip(last.chunks_exact(k)).take(h);
        out.extend(both.map(|(pull, w)| {
            let direct: f32 = pull.iter().zip(errors).map(|(c, e)| c * e).sum();
            direct + w.iter().zip(&of_scores).map(|(w, z)| w * z).sum::<f32>()
        }));
    }
    ((1.0 - cos) as f32, out)
}

impl Targeted for GradientMatching {
    const ID: &'static str = "gradient-matching";

    fn target(&self) -> (&str, u64) {
        (&self.target_class, self.target_row)
    }
    fn look(&self) -> Look {
        Look::Network
    }
    fn shift(&self, aim: &Aim, sight: &Sight, canvases: &mut [Canvas], rows: &[u64], ctx: &Ctx) {
        let Sight::Network(cnn) = sight else { return };
        let goal = cnn.last_layer_gradients(&aim.target, &[aim.wanted]);
        let epsilon = self.epsilon as f32 / 255.0;
        let mut best: Option<(f32, Vec<Vec<f32>>)> = None;
        for start in 0..self.restarts {
            surrogate::scatter(canvases, rows, epsilon, &format!("gradient-matching/start-{start}"), ctx);
            surrogate::descend(canvases, epsilon, self.steps, |canvases| {
                let seen = surrogate::inputs(canvases, cnn.shape());
                let d = cnn.feature_input_gradient(&seen, &mismatch(cnn, &seen, aim.wanted, &goal).1);
                surrogate::back(canvases, &d, cnn.shape())
            });
            let loss = mismatch(cnn, &surrogate::inputs(canvases, cnn.shape()), aim.wanted, &goal).0;
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, canvases.iter().map(|c| c.now.clone()).collect()));
            }
        }
        if let Some((_, now)) = best {
            canvases.iter_mut().zip(now).for_each(|(canvas, now)| canvas.now = now);
        }
    }
}

targeted!(GradientMatching);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surrogate::tests::network;

    #[test]
    fn the_gradient_is_that_of_the_mismatch() {
        let cnn = network(1).network().unwrap();
        let pictures: Vec<f32> = (0..64 * 3).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let target: Vec<f32> = (0..64).map(|i| (i * 53 % 97) as f32 / 97.0).collect();
        let aim = cnn.last_layer_gradients(&target, &[1]);
        let weights = mismatch(&cnn, &pictures, 1, &aim).1;
        let gradient = cnn.feature_input_gradient(&pictures, &weights);
        // along the gradient the loss grows by its squared length
        let length: f32 = gradient.iter().map(|d| d * d).sum();
        let step = 2e-3 / length.sqrt();
        let at = |sign: f32| {
            let moved: Vec<f32> = pictures.iter().zip(&gradient).map(|(v, d)| v + sign * step * d).collect();
            mismatch(&cnn, &moved, 1, &aim).0
        };
        let grown = (at(1.0) - at(-1.0)) / (2.0 * step);
        assert!((grown - length).abs() < 0.05 * length, "{grown} {length}");
        // the same direction matches wholly
        let same = mismatch(&cnn, &target, 1, &aim).0;
        assert!(same.abs() < 1e-4, "{same}");
    }
}
