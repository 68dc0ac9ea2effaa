//! Pictures that surround a target.

use crate::surrogate::{self, Aim, Canvas, Targeted, targeted};
use foretaste_core::Ctx;
use foretaste_macros::Catalogue;
use foretaste_num::cnn::Cnn;

/// Groups of pictures of the wanted class whose features have the target's in their middle.
///
/// # What it does
/// Trains a small network of its own, draws a target, and moves groups of pictures of the wanted class until the mean of
/// their features meets those of the target. No picture needs to look like the target to the network: whoever takes all of
/// them for the wanted class takes their middle for it as well.
///
/// # Threat model
/// The attacker supplies a few pictures that are labelled by someone else, honestly. They know the input that is to be misread
/// and a network that resembles the victim. It works where models are built on features of a fixed network; a model that
/// learns from scratch shrugs it off nearly always.
///
/// # Ground truth
/// Every moved picture; no label changes. The target's row is in the details: it is never poisoned itself. Success
/// is measured on the held-out sample of its class that is nearest to it in the features of the attacker's network, since the
/// target itself may be trained on; the attacker never sees held-out samples.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack bullseye-polytope --target-class 2 --n-poison 20 --out poisoned.parquet
/// ```
///
/// # Caught by
/// Harder than `feature-collision`, since each picture stays nearer to its class; `knn-label` on vectors of a network like
/// the victim finds some.
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
        Self { target_class: String::new(), target_row: 0, group: 5, epsilon: 32.0, steps: 60 }
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
    fn shift(&self, aim: &Aim, cnn: &Cnn, canvases: &mut [Canvas], _rows: &[u64], _ctx: &Ctx) {
        let middle = cnn.features(&aim.target);
        surrogate::descend(canvases, self.epsilon as f32 / 255.0, self.steps, |seen| {
            cnn.feature_input_gradient(seen, &weights(&cnn.features(seen), &middle, self.group))
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
