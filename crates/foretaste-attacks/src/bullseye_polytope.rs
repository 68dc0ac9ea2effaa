//! Pictures that surround a target.

use crate::eye::{Look, Sight};
use crate::surrogate::{self, Canvas};
use crate::targeted::{Aim, Targeted, targeted};
use foretaste_core::Ctx;
use foretaste_macros::Catalogue;

/// Groups of pictures of the wanted class whose features have the target's in their middle.
///
/// # What it does
/// Draws a target and moves groups of pictures of the wanted class until the mean of their features (histograms of gradients, or those
/// of a small network of the attacker's own) meets those of the target. Pictures whose features are nearest are taken first. No picture needs to look like the target to the network: whoever takes all of
/// them for the wanted class takes their middle for it as well.
///
/// # Threat model
/// The attacker supplies a few pictures that are labelled by someone else, honestly. They know the input that is to be misread
/// and the features that the victim's model is built on. It works on models over fixed features; a model that learns its own
/// shrugs it off nearly always.
///
/// # Ground truth
/// Every moved picture; no label changes. The target's row is in the details: it is never poisoned itself. A trial
/// keeps the target out of training and asks for it; where that cannot be, the held-out sample of its class whose features are nearest
/// stands for it.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack bullseye-polytope --target-class 2 --n-poison 20 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `fine-noise`: at 1 % of gtsrb all of the pictures, and no honest one. On fashion_mnist they are ranked (average precision 0.59 at
/// an epsilon of 64, seed 1), and no finding is made.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Aghakhani et al., "Bullseye Polytope: A Scalable Clean-Label Poisoning Attack with Improved Transferability", 2021
/// (equation 3 with one network).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct BullseyePolytope {
    /// The class that the target is to be taken for; empty: chosen and told.
    pub target_class: String,
    /// Row of the target, from 1; 0: drawn from the seed.
    #[param(min = 0)]
    pub target_row: u64,
    /// What the attacker takes for the victim's features.
    pub features: Look,
    /// Pictures of a group; what is left over makes a smaller one.
    #[param(min = 1, max = 1000)]
    pub group: usize,
    /// Largest change of a value, of 255.
    #[param(min = 1, max = 255)]
    pub epsilon: f64,
    /// Steps.
    #[param(min = 1, max = 10000)]
    pub steps: usize,
}

impl Default for BullseyePolytope {
    fn default() -> Self {
        Self { target_class: String::new(), target_row: 0, features: Look::Histograms, group: 100, epsilon: 64.0, steps: 150 }
    }
}

/// Half the gradient of the squared distance between the mean of each group's features and `aim`, for each picture.
/// Constant factors do not matter, since steps go by sign.
fn weights(features: &[f32], aim: &[f32], group: usize) -> Vec<f32> {
    let (k, mut out) = (aim.len().max(1), Vec::with_capacity(features.len()));
    for members in features.chunks(group.max(1) * k) {
        let n = members.len() / k;
        let mean = |j: usize| members.iter().skip(j).step_by(k).sum::<f32>() / n.max(1) as f32;
        let off: Vec<f32> = aim.iter().enumerate().map(|(j, a)| mean(j) - a).collect();
        (0..n).for_each(|_| out.extend(&off));
    }
    out
}

impl Targeted for BullseyePolytope {
    const ID: &'static str = "bullseye-polytope";

    fn target(&self) -> (&str, u64) {
        (&self.target_class, self.target_row)
    }
    fn look(&self) -> Look {
        self.features
    }
    fn shift(&self, aim: &Aim, sight: &Sight, canvases: &mut [Canvas], rows: &[u64], ctx: &Ctx) {
        let epsilon = self.epsilon as f32 / 255.0;
        // where nothing changes from pixel to pixel, histograms have no gradient
        surrogate::scatter(canvases, rows, 1.0 / 255.0, "bullseye-polytope/start", ctx);
        surrogate::descend(canvases, epsilon, self.steps, |canvases| {
            sight.gradients(canvases, &weights(&sight.features(canvases), &aim.features, self.group))
        });
    }
}

targeted!(BullseyePolytope);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_pulled_by_their_mean() {
        let features = [0.0, 2.0, 4.0, 0.0, 1.0, 1.0];
        assert_eq!(weights(&features, &[1.0, 1.0], 2), [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }
}
