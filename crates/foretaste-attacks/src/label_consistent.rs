//! Pictures that are hard to tell, with a patch that is easy.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::pictures;
use crate::surrogate::{self, Surrogate};
use foretaste_core::{Ctx, Edited, Growth, Image, Knowledge, Needs, Pool, Result};
use foretaste_macros::Catalogue;

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
/// `fine-noise`, which sees that the pictures were moved: at 1 % of gtsrb and of fashion_mnist (seed 1) all of them, with 0.04 % of the
/// honest at most. `patch-association` shows the patch where enough pictures carry it.
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

impl Trigger for LabelConsistent {
    const ID: &'static str = "label-consistent";
    type Pattern = (u32, Surrogate);

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: true, cover_rate: 0.0 }
    }
    fn needs(&self) -> Needs {
        pictures::needs().growing(Growth::Data)
    }
    fn knowledge(&self) -> Knowledge {
        Knowledge::Surrogate
    }
    fn pattern(&self, door: &Backdoor, data: &dyn Pool, ctx: &Ctx) -> Result<(u32, Surrogate)> {
        Ok((door.target, Surrogate::train(Self::ID, data, ctx)?))
    }
    /// Training pictures are made hard and stamped; probes are stamped alone.
    fn put(&self, pattern: &(u32, Surrogate), carriers: Carriers<'_>, _ctx: &Ctx) -> Result<Edited> {
        if carriers.probe {
            return Ok(pictures::put(carriers, |image, _| self.stamp(image, 1.0)));
        }
        let (target, network) = pattern;
        let cnn = network.network()?;
        let (side, colours) = (cnn.shape().side, cnn.shape().colours);
        let (places, mut canvases) = surrogate::canvases(carriers.picked);
        let labels = vec![*target; places.len()];
        surrogate::descend(&mut canvases, self.epsilon as f32 / 255.0, self.steps, |canvases| {
            let mut d = cnn.loss_input_gradient(&surrogate::inputs(canvases, side, colours), &labels);
            d.iter_mut().for_each(|d| *d = -*d);
            surrogate::back(canvases, &d, side, colours)
        });
        let mut out = surrogate::edited(carriers.picked, &places, &canvases);
        for image in out.images.iter_mut().flatten().flatten() {
            self.stamp(image, self.opacity as f32);
        }
        Ok(out)
    }
    fn words(&self, _pattern: &(u32, Surrogate)) -> String {
        format!("checkerboard in four corners, side {}", self.size)
    }
}

backdoor!(LabelConsistent);

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
