//! Pictures that a network takes for another one.

use crate::eye::{Look, Sight};
use crate::surrogate::{self, Canvas, distance};
use crate::targeted::{Aim, Targeted, targeted};
use foretaste_core::Ctx;
use foretaste_macros::Catalogue;

/// Pictures of the wanted class whose features are those of one target of another class.
///
/// # What it does
/// Draws a target, mixes a share of it into pictures of the wanted class, and moves these until their features (histograms of gradients,
/// or those of a small network of the attacker's own) meet those of the target, while they stay near what they were. A model that learns from them under their honest
/// label draws the target into the wanted class. Pictures whose features are nearest to the target's are taken first. Steps go
/// by the sign of the gradient of the distance of features and of that from what the picture was.
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
/// foretaste simulate train.parquet --attack feature-collision --target-class 2 --n-poison 20 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `fine-noise`: at 1 % of gtsrb and of fashion_mnist (seed 1) all of the pictures, with 0.01 % of the honest at most. On fashion_mnist the
/// finding depends on the class: with an epsilon of 32 and less pictures are ranked (average precision 0.47 to 0.84), and no finding is
/// made. There `activation-clustering` ranks all of them first, since they lie close together within their class.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Shafahi et al., "Poison Frogs! Targeted Clean-Label Poisoning Attacks on Neural Networks", 2018.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct FeatureCollision {
    /// The class that the target is to be taken for; empty: chosen and told.
    pub target_class: String,
    /// Row of the target, from 1; 0: drawn from the seed.
    #[param(min = 0)]
    pub target_row: u64,
    /// What the attacker takes for the victim's features.
    pub features: Look,
    /// Largest change of a value, of 255.
    #[param(min = 1, max = 255)]
    pub epsilon: f64,
    /// Steps.
    #[param(min = 1, max = 10000)]
    pub steps: usize,
    /// How strongly a picture is drawn back to what it was: what a change of every value by `epsilon` costs, in squared lengths of
    /// the target's features.
    #[param(min = 0, max = 1000)]
    pub likeness: f64,
    /// Share of the target that is mixed into the pictures before they move; the largest change counts from there.
    #[param(min = 0, max = 1)]
    pub opacity: f64,
}

impl Default for FeatureCollision {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            target_row: 0,
            features: Look::Histograms,
            epsilon: 64.0,
            steps: 150,
            likeness: 0.01,
            opacity: 0.3,
        }
    }
}

impl Targeted for FeatureCollision {
    const ID: &'static str = "feature-collision";

    fn target(&self) -> (&str, u64) {
        (&self.target_class, self.target_row)
    }
    fn look(&self) -> Look {
        self.features
    }
    fn shift(&self, aim: &Aim, sight: &Sight, canvases: &mut [Canvas], rows: &[u64], ctx: &Ctx) {
        let (side, colours) = sight.size();
        canvases.iter_mut().for_each(|c| c.watermark(&aim.target, side, colours, self.opacity as f32));
        let (goal, epsilon) = (&aim.features, self.epsilon as f32 / 255.0);
        // where nothing changes from pixel to pixel, histograms have no gradient
        surrogate::scatter(canvases, rows, 1.0 / 255.0, "feature-collision/start", ctx);
        let length = distance(goal, &vec![0.0; goal.len()]).max(1e-6);
        surrogate::descend(canvases, epsilon, self.steps, |canvases| {
            let features = sight.features(canvases);
            let off = features.chunks_exact(goal.len().max(1)).flat_map(|row| row.iter().zip(goal));
            let mut d = sight.gradients(canvases, &off.map(|(f, g)| 2.0 * (f - g) / length).collect::<Vec<f32>>());
            for (d, canvas) in d.iter_mut().zip(canvases) {
                let back = 2.0 * self.likeness as f32 / (epsilon * epsilon * d.len().max(1) as f32);
                let apart = canvas.now.iter().zip(&canvas.base).map(|(v, b)| v - b);
                d.iter_mut().zip(apart).for_each(|(d, apart)| *d += back * apart);
            }
            d
        });
    }
}

targeted!(FeatureCollision);
