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
/// Trains four networks of its own, draws a target, and moves pictures of the wanted class until the gradient of training on them has
/// the direction, in all layers of all four, of the gradient of the target under the wanted label. Training on
/// them then teaches what training on the mislabelled target would. Pictures are shifted at random at each step, as those who train do
/// it. Signed steps from random starts, of which the best is kept.
///
/// # Threat model
/// The attacker supplies a few pictures that are labelled by someone else, honestly. They know the input that is to be misread
/// and networks that resemble the victim.
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
/// `fine-noise`: at 1 % (seed 1) all of the pictures on gtsrb and 83 % on fashion_mnist, and no honest one.
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
        Self { target_class: String::new(), target_row: 0, epsilon: 32.0, steps: 100, restarts: 1 }
    }
}

/// Pixels by which pictures are shifted at most.
const SHIFT: usize = 2;

/// Where each value of a picture of `side x side x colours` comes from when it is shifted, edges repeated.
fn sources(side: usize, colours: usize, right: isize, down: isize) -> impl Iterator<Item = usize> {
    let within = move |at: usize, by: isize| (at as isize - by).clamp(0, side as isize - 1) as usize;
    (0..side * side * colours).map(move |i| {
        let (x, y, c) = (i / colours % side, i / colours / side, i % colours);
        (within(y, down) * side + within(x, right)) * colours + c
    })
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
        let Sight::Network(networks) = sight else { return };
        let (side, colours) = sight.size();
        let size = side * side * colours;
        let aims: Vec<(&Cnn, Vec<f32>)> =
            networks.iter().map(|n| (n, n.parameter_gradient(&aim.target, &[aim.wanted]))).collect();
        let labels = vec![aim.wanted; canvases.len()];
        let epsilon = self.epsilon as f32 / 255.0;
        let mut best: Option<(f64, Vec<Vec<f32>>)> = None;
        for start in 0..self.restarts {
            surrogate::scatter(canvases, rows, epsilon, &format!("gradient-matching/start-{start}"), ctx);
            let mut step = 0;
            surrogate::descend(canvases, epsilon, self.steps, |canvases| {
                let key = format!("gradient-matching/shift-{start}-{step}");
                step += 1;
                let shifts: Vec<(isize, isize)> = rows
                    .iter()
                    .map(|row| {
                        let mut rng = ctx.rng_at(&key, *row);
                        let mut draw = || rng.below(2 * SHIFT + 1) as isize - SHIFT as isize;
                        (draw(), draw())
                    })
                    .collect();
                let mut seen = surrogate::inputs(canvases, side, colours);
                for (picture, (right, down)) in seen.chunks_exact_mut(size).zip(&shifts) {
                    let shifted: Vec<f32> =
                        sources(side, colours, *right, *down).map(|from| picture[from]).collect();
                    picture.copy_from_slice(&shifted);
                }
                let mut d = vec![0f32; seen.len()];
                for (network, aim) in &aims {
                    d.iter_mut().zip(network.mismatch(&seen, &labels, aim).1).for_each(|(d, o)| *d += o);
                }
                for (d, (right, down)) in d.chunks_exact_mut(size).zip(&shifts) {
                    let shifted = d.to_vec();
                    d.fill(0.0);
                    sources(side, colours, *right, *down).zip(shifted).for_each(|(from, v)| d[from] += v);
                }
                surrogate::back(canvases, &d, side, colours)
            });
            let seen = surrogate::inputs(canvases, side, colours);
            let loss: f64 = aims.iter().map(|(network, aim)| network.mismatch(&seen, &labels, aim).0).sum();
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

    #[test]
    fn a_shift_repeats_the_edges() {
        let to: Vec<usize> = sources(3, 1, 1, 0).collect();
        assert_eq!(to, [0, 0, 1, 3, 3, 4, 6, 6, 7]);
        let to: Vec<usize> = sources(2, 2, 0, -2).collect();
        assert_eq!(to, [4, 5, 6, 7, 4, 5, 6, 7]);
    }
}
