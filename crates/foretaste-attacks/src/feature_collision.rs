//! Pictures that a network takes for another one.

use crate::surrogate::{self, Aim, Canvas, Targeted, distance, targeted};
use foretaste_core::Ctx;
use foretaste_macros::Catalogue;
use foretaste_num::cnn::Cnn;

/// Pictures of the wanted class whose features are those of one target of another class.
///
/// # What it does
/// Trains a small network of its own, draws a target, and moves pictures of the wanted class until the network's features of
/// them meet those of the target, while they stay near what they were. A model that learns from them under their honest
/// label draws the target into the wanted class. Each step goes down the gradient of the distance of features and then
/// back towards the picture; a step that makes things worse is taken back and halved.
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
/// foretaste simulate train.parquet --attack feature-collision --target-class 2 --n-poison 20 --out poisoned.parquet
/// ```
///
/// # Caught by
/// Detectors that compare a sample's neighbours in features with its label: `knn-label` on vectors of a network like
/// the victim.
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
    /// Largest change of a value, of 255.
    #[param(min = 1, max = 255)]
    pub epsilon: f64,
    /// Steps.
    #[param(min = 1, max = 10000)]
    pub steps: usize,
    /// How strongly a picture is drawn back to what it was.
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
            epsilon: 32.0,
            steps: 60,
            likeness: 0.25,
            opacity: 0.0,
        }
    }
}

/// Squared distance of each input's features to `aim`, in squared lengths of `aim`.
fn distances(cnn: &Cnn, inputs: &[f32], aim: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let features = cnn.features(inputs);
    let length = distance(aim, &vec![0.0; aim.len()]).max(1e-6);
    let rows = features.chunks_exact(aim.len().max(1));
    let distances = rows.clone().map(|row| distance(row, aim) / length).collect();
    let weights = rows.flat_map(|row| row.iter().zip(aim).map(|(f, a)| 2.0 * (f - a) / length)).collect();
    (distances, weights)
}

impl Targeted for FeatureCollision {
    const ID: &'static str = "feature-collision";

    fn target(&self) -> (&str, u64) {
        (&self.target_class, self.target_row)
    }
    fn shift(&self, aim: &Aim, cnn: &Cnn, canvases: &mut [Canvas], _rows: &[u64], _ctx: &Ctx) {
        canvases.iter_mut().for_each(|c| c.watermark(&aim.target, self.opacity as f32));
        let goal = cnn.features(&aim.target);
        let epsilon = self.epsilon as f32 / 255.0;
        // Poison frogs, section 3.1: beta = likeness * (features / values of a picture)^2
        let ratio = goal.len() as f32 / aim.target.len().max(1) as f32;
        let beta = self.likeness as f32 * ratio * ratio;
        let (mut objective, mut weights) = distances(cnn, &surrogate::inputs(canvases), &goal);
        // first steps are so long that the value that moves most moves by an eighth of what it may
        let mut rates = vec![0f32; canvases.len()];
        for _ in 0..self.steps {
            let seen = surrogate::inputs(canvases);
            let gradients = surrogate::back(canvases, &cnn.feature_input_gradient(&seen, &weights));
            let before: Vec<Vec<f32>> = canvases.iter().map(|c| c.now.clone()).collect();
            for ((canvas, d), rate) in canvases.iter_mut().zip(&gradients).zip(&mut rates) {
                if *rate == 0.0 {
                    let most = d.iter().fold(0f32, |m, d| m.max(d.abs()));
                    *rate = if most > 0.0 { epsilon / 8.0 / most } else { 0.0 };
                }
                let back = *rate * beta;
                for ((v, d), b) in canvas.now.iter_mut().zip(d).zip(&canvas.base) {
                    *v = (*v - *rate * d + back * b) / (1.0 + back);
                }
                canvas.project(epsilon);
            }
            let (next, next_weights) = distances(cnn, &surrogate::inputs(canvases), &goal);
            for (i, canvas) in canvases.iter_mut().enumerate() {
                let value = next[i] + beta * distance(&canvas.now, &canvas.base);
                let own = i * goal.len()..(i + 1) * goal.len();
                if value <= objective[i] {
                    objective[i] = value;
                    weights[own.clone()].copy_from_slice(&next_weights[own]);
                    rates[i] *= 1.2;
                } else {
                    canvas.now.clone_from(&before[i]);
                    rates[i] *= 0.5;
                }
            }
        }
    }
}

targeted!(FeatureCollision);
