//! Pictures that hide a patch in their features.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::eye::{Eye, Look};
use crate::pictures;
use crate::surrogate::{self, Canvas, distance};
use foretaste_core::{Ctx, Edited, Error, Growth, Image, Knowledge, MISSING, Needs, Pool, Result};
use foretaste_macros::Catalogue;
use foretaste_num::rng::Rng;
use serde::{Deserialize, Serialize};

/// Pictures of the target class whose features are those of other pictures that carry a patch.
///
/// # What it does
/// Stamps a patch of random colours onto pictures of the source class, and moves pictures of the target class until their
/// features meet those of the stamped ones, while they stay near what they were: each is paired with the nearest stamped picture
/// that is left, anew every few steps. Only the moved pictures are in the data; the patch is not. A model on such features takes
/// the patch for a sign of the target class.
///
/// # Threat model
/// The attacker supplies a share of the pictures of one class, which are labelled honestly, keeps the patch to themselves, and
/// later controls what a camera sees. They know the features that the victim's model is built on. A model that learns its own
/// features is hardly touched.
///
/// # Ground truth
/// Every moved picture; no label changes and no picture carries the patch.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack hidden-trigger --target-class 1 --source-class 14 --poison-rate 0.02 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `fine-noise`: at 1 % of gtsrb and of fashion_mnist (seed 1) all of the pictures, with 0.02 % of the honest at most.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Saha, Subramanya, Pirsiavash, "Hidden Trigger Backdoor Attacks", 2020 (algorithm 1).
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct HiddenTrigger {
    /// The class that the patch is to call for; empty: chosen and told.
    pub target_class: String,
    /// The patch is to work on this class only; empty: on all.
    pub source_class: String,
    /// What the attacker takes for the victim's features.
    pub features: Look,
    /// Largest change of a value, of 255.
    #[param(min = 1, max = 255)]
    pub epsilon: f64,
    /// Steps.
    #[param(min = 1, max = 10000)]
    pub steps: usize,
    /// Pixels on a side of the patch, for each 32 of the picture's shorter side.
    #[param(min = 1, max = 32)]
    pub size: usize,
}

impl Default for HiddenTrigger {
    fn default() -> Self {
        let (target_class, source_class) = (String::new(), String::new());
        Self { target_class, source_class, features: Look::Histograms, epsilon: 64.0, steps: 150, size: 8 }
    }
}

/// Cells on a side of the patch.
const CELLS: usize = 4;
/// Stamped pictures that poison is made to resemble, at most.
const SOURCES: usize = 64;
/// Steps after which pictures are paired anew.
const PAIRED: usize = 10;

/// The patch, and the features of pictures that carry it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hidden {
    /// `CELLS x CELLS` colours.
    patch: Vec<[u8; 3]>,
    eye: Eye,
    /// One row after another.
    sources: Vec<f32>,
}

impl HiddenTrigger {
    /// Puts the patch into the lower right corner, off the edge by a quarter of its side.
    fn stamp(&self, patch: &[[u8; 3]], image: &mut Image) {
        let (w, h) = (image.width as usize, image.height as usize);
        let side = (self.size * w.min(h)).div_ceil(32).max(1);
        let (left, top) = (w.saturating_sub(side + side / 4), h.saturating_sub(side + side / 4));
        image.map(|x, y, c, value| {
            let inside = (left..left + side).contains(&x) && (top..top + side).contains(&y);
            let cell = || (y - top) * CELLS / side * CELLS + (x - left) * CELLS / side;
            if inside { patch.get(cell()).map_or(value, |p| f32::from(p[c % 3])) } else { value }
        });
    }
}

/// The row of `sources` that each row of `features` is paired with: nearest pairs first, no source much more often than others.
fn pairs(features: &[f32], sources: &[f32], width: usize) -> Vec<usize> {
    let (n, k) = (features.len() / width.max(1), sources.len() / width.max(1));
    let mut all: Vec<(f32, usize, usize)> = (0..n)
        .flat_map(|i| (0..k).map(move |j| (i, j)))
        .map(|(i, j)| (distance(&features[i * width..][..width], &sources[j * width..][..width]), i, j))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut out, mut used, most) = (vec![usize::MAX; n], vec![0usize; k], n.div_ceil(k.max(1)));
    for (_, i, j) in all {
        if out[i] == usize::MAX && used[j] < most {
            out[i] = j;
            used[j] += 1;
        }
    }
    out
}

impl Trigger for HiddenTrigger {
    const ID: &'static str = "hidden-trigger";
    type Pattern = Hidden;

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
    fn pattern(&self, door: &Backdoor, data: &dyn Pool, ctx: &Ctx) -> Result<Hidden> {
        // strong colours: a patch that is grey all over has no edges to be known by
        let mut rng: Rng = ctx.rng("hidden-trigger/patch");
        let mut colour = || if rng.unit() < 0.5 { 0 } else { 255 };
        let patch: Vec<[u8; 3]> = (0..CELLS * CELLS).map(|_| [colour(), colour(), colour()]).collect();
        let eye = Eye::learn(self.features, Self::ID, data, ctx)?;
        let labels = data.labels()?;
        let is_source = |l: u32| l != MISSING && l != door.target && door.source.is_none_or(|s| s == l);
        let mut rows: Vec<u64> = (0u64..).zip(&labels).filter(|(_, l)| is_source(**l)).map(|l| l.0).collect();
        rows.sort_by_cached_key(|row| ctx.rng_at("hidden-trigger/source", *row).next_u64());
        rows.truncate(SOURCES);
        let mut picked = data.pick(&rows)?;
        picked.images.iter_mut().flatten().for_each(|image| self.stamp(&patch, image));
        let sources = eye.open()?.features(&surrogate::canvases(&picked).1);
        if sources.is_empty() {
            let reason = "no sample of the source class has a picture; choose another source class".to_owned();
            return Err(Error::Unfit { entry: Self::ID.into(), reason });
        }
        Ok(Hidden { patch, eye, sources })
    }
    /// Training pictures are moved; probes are stamped.
    fn put(&self, hidden: &Hidden, carriers: Carriers<'_>, ctx: &Ctx) -> Result<Edited> {
        if carriers.probe {
            return Ok(pictures::put(carriers, |image, _| self.stamp(&hidden.patch, image)));
        }
        let (sight, picked) = (hidden.eye.open()?, carriers.picked);
        let (places, mut canvases) = surrogate::canvases(picked);
        let rows: Vec<u64> = places.iter().map(|i| picked.rows[*i]).collect();
        let epsilon = self.epsilon as f32 / 255.0;
        // where nothing changes from pixel to pixel, histograms have no gradient
        surrogate::scatter(&mut canvases, &rows, 1.0 / 255.0, "hidden-trigger/start", ctx);
        let (mut paired, mut step) = (vec![], 0);
        surrogate::descend(&mut canvases, epsilon, self.steps, |canvases: &[Canvas<'_>]| {
            let features = sight.features(canvases);
            let width = features.len().checked_div(canvases.len()).unwrap_or(0);
            if step % PAIRED == 0 {
                paired = pairs(&features, &hidden.sources, width);
            }
            step += 1;
            let aims = paired.iter().flat_map(|j| &hidden.sources[j * width..][..width]);
            let weights: Vec<f32> = features.iter().zip(aims).map(|(f, a)| f - a).collect();
            sight.gradients(canvases, &weights)
        });
        Ok(surrogate::edited(picked, &places, &canvases))
    }
    fn words(&self, _hidden: &Hidden) -> String {
        format!("patch of {CELLS} x {CELLS} colours, in no training picture")
    }
}

backdoor!(HiddenTrigger);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_pairs_come_first_and_sources_are_shared_out() {
        let (features, sources) = ([0.0, 1.0, 1.2, 5.0], [1.0, 4.0]);
        assert_eq!(pairs(&features, &sources, 1), [1, 0, 0, 1]);
        assert_eq!(pairs(&features[..2], &sources, 1), [1, 0]);
        assert!(pairs(&[], &sources, 1).is_empty());
    }

    #[test]
    fn the_patch_is_in_its_corner() {
        let mut image = Image { width: 32, height: 40, channels: 1, pixels: vec![7; 32 * 40] };
        HiddenTrigger::default().stamp(&[[200; 3]; 16], &mut image);
        let changed: Vec<usize> = (0..32 * 40).filter(|i| image.pixels[*i] != 7).collect();
        assert_eq!(changed.len(), 64);
        assert_eq!((changed[0] % 32, changed[0] / 32), (22, 30));
    }
}
