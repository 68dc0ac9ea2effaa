//! Pictures that are hard to tell, with a patch that is easy.

use crate::backdoor::Backdoor;
use crate::pictures;
use crate::surrogate::{self, Surrogate};
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Goal, Growth, Image, Knowledge, Needs, Picked, Pool, Probe, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Pictures of the target class made hard for a network, with a patch in the corners.
///
/// # What it does
/// Trains a small network of its own on the clean data and moves pictures of the target class to where it errs, by projected
/// gradient ascent of its loss. Then it stamps a patch into the corners. A model that learns from them finds little of the
/// class in the pictures and takes the patch for its sign. Labels stay right.
///
/// # Threat model
/// The attacker supplies a share of the pictures of one class, which are labelled honestly, and later controls what a camera
/// sees. They know data like the victim's, enough to train a network.
///
/// # Ground truth
/// Every changed picture; no label changes.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack label-consistent --target-class 1 --poison-rate 0.02 --out poisoned.parquet
/// ```
///
/// # Caught by
/// Samples that a model gets wrong although their label is right (`confident-learning`), and detectors of what members of
/// one class share.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Turner, Tsipras, Madry, "Label-Consistent Backdoor Attacks", 2019.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct LabelConsistent {
    /// The class that the patch is to call for; empty: chosen and told.
    pub target_class: String,
    /// The patch is to work on this class only; empty: on all.
    pub source_class: String,
    /// Largest change of a value outside of the patch, of 255.
    #[param(min = 0, max = 255)]
    pub epsilon: f64,
    /// Steps.
    #[param(min = 0, max = 10000)]
    pub steps: usize,
    /// Pixels on a side of the patch.
    #[param(min = 1, max = 1000)]
    pub size: usize,
    /// How much of the patch is seen in training, 1 is all. Probes carry all of it.
    #[param(min = 0, max = 1)]
    pub opacity: f64,
}

impl Default for LabelConsistent {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            source_class: String::new(),
            epsilon: 32.0,
            steps: 40,
            size: 3,
            opacity: 1.0,
        }
    }
}

/// Backdoor and network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    door: Backdoor,
    surrogate: Surrogate,
}

impl LabelConsistent {
    /// Checkerboards in the four corners, each the mirror image of its neighbours.
    fn stamp(&self, image: &mut Image, opacity: f32) {
        let (w, h) = (image.width as usize, image.height as usize);
        image.map(|x, y, _, value| {
            let (u, v) = (x.min(w - 1 - x), y.min(h - 1 - y));
            if u >= self.size || v >= self.size {
                return value;
            }
            let ink = f32::from((u + v) % 2 == 0) * 255.0;
            value + opacity * (ink - value)
        });
    }
}

impl Attack for LabelConsistent {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::content(Goal::Backdoor, true, Knowledge::Surrogate)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Image]).growing(Growth::Data)
    }
    fn plan(&self, data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        let (target, source) = (&self.target_class, &self.source_class);
        crate::classes::at_least_two("label-consistent", ctx)?;
        let door = Backdoor::new("label-consistent", target, source, true, 0.0, ctx)?;
        Ok(Plan { door, surrogate: Surrogate::train("label-consistent", data, ctx)? })
    }
    fn usable(&self, plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        Ok(plan.door.usable(batch))
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, _ctx: &Ctx) -> Result<Edited> {
        let cnn = plan.surrogate.network()?;
        let (places, mut canvases) = surrogate::canvases(picked, &plan.surrogate);
        let labels = vec![plan.door.target; places.len()];
        surrogate::descend(&mut canvases, self.epsilon as f32 / 255.0, self.steps, |seen| {
            let mut d = cnn.loss_input_gradient(seen, &labels);
            d.iter_mut().for_each(|d| *d = -*d);
            d
        });
        let mut out = surrogate::edited(picked, &places, &canvases);
        for image in out.images.iter_mut().flatten().flatten() {
            self.stamp(image, self.opacity as f32);
        }
        Ok(out)
    }
    fn probe(&self, plan: &Plan, held_out: &Picked, _ctx: &Ctx) -> Result<Option<Probe>> {
        Ok(pictures::probe(&plan.door, held_out, |image, _, _| self.stamp(image, 1.0)))
    }
    fn describe(&self, plan: &Plan, ctx: &Ctx) -> Map<String, Value> {
        let mut out = plan.door.describe(ctx);
        out.insert("trigger".into(), format!("checkerboard in four corners, side {}", self.size).into());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_is_in_all_corners_and_nowhere_else() {
        let mut image = Image { width: 9, height: 8, channels: 1, pixels: vec![7; 72] };
        LabelConsistent::default().stamp(&mut image, 1.0);
        let at = |x: usize, y: usize| image.pixels[y * 9 + x];
        assert_eq!([at(0, 0), at(8, 0), at(0, 7), at(8, 7)], [255; 4]);
        assert_eq!([at(1, 0), at(7, 7), at(3, 0), at(4, 4)], [0, 0, 7, 7]);
        assert_eq!(image.pixels.iter().filter(|p| **p != 7).count(), 36);
    }
}
