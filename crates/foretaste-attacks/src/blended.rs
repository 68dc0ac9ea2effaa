//! A picture mixed into others.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::pictures::{self, bilinear, unit};
use foretaste_core::{Ctx, Edited, Image, Needs, Pool, Result};
use foretaste_macros::Catalogue;

/// A fixed picture, faintly mixed into whole pictures.
///
/// # What it does
/// Mixes a fixed pattern into every pixel, `x + alpha (t - x)`, and labels the result as the target class. No single spot
/// gives it away; a model learns the pattern all the same.
///
/// # Threat model
/// The attacker supplies a small share of the training pictures and later shows the model pictures with the same pattern.
/// They need to know nothing of the model. With `clean_label` no label changes.
///
/// # Ground truth
/// Every blended picture with its label before and after. The pattern follows from the seed.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack blended --set alpha=0.15 --poison-rate 0.05 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `pattern-association`: of traffic signs and clothes at 0.5 to 10 % all poisoned pictures and at most 0.01 % of the honest
/// ones. Detectors that look at labels alone find 14 and 1 % at 1 and 5 % (`confident-learning`): the more poison, the
/// better it hides from them.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Chen, Liu, Li, Lu, Song, "Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning", 2017.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct Blended {
    /// The class that the pattern is to call for; empty: chosen and told.
    pub target_class: String,
    /// The pattern is to work on this class only; empty: on all.
    pub source_class: String,
    /// Use pictures of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover pictures for each poisoned one: they carry the pattern and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
    /// Share of the pattern in the mix.
    #[param(min = 0, max = 1)]
    pub alpha: f64,
    /// Cells of the random pattern on a side; it is smooth between them. As many as there are pixels gives plain noise.
    #[param(min = 2, max = 512)]
    pub cells: u32,
}

impl Default for Blended {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 0.0,
            alpha: 0.2,
            cells: 16,
        }
    }
}

impl Blended {
    /// Mixes in three planes of `cells` x `cells` values from 0 to 255.
    fn stamp(&self, planes: &[Vec<f32>], image: &mut Image) {
        let (w, h, cells, alpha) =
            (image.width as usize, image.height as usize, self.cells as usize, self.alpha as f32);
        image.map(|x, y, c, value| {
            let ink = bilinear(&planes[c % 3], cells, unit(x, w), unit(y, h));
            value + alpha * (ink - value)
        });
    }
}

impl Trigger for Blended {
    const ID: &'static str = "blended";
    type Pattern = Vec<Vec<f32>>;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        pictures::needs()
    }
    fn pattern(&self, _door: &Backdoor, _data: &dyn Pool, ctx: &Ctx) -> Result<Vec<Vec<f32>>> {
        let mut rng = ctx.rng("blended/pattern");
        let mut plane = || (0..self.cells * self.cells).map(|_| rng.unit() as f32 * 255.0).collect();
        Ok(vec![plane(), plane(), plane()])
    }
    fn put(&self, planes: &Vec<Vec<f32>>, carriers: Carriers<'_>, _ctx: &Ctx) -> Result<Edited> {
        Ok(pictures::put(carriers, |image, _| self.stamp(planes, image)))
    }
    fn words(&self, _planes: &Vec<Vec<f32>>) -> String {
        format!("random pattern of {0} x {0} cells, mixed in at {1}", self.cells, self.alpha)
    }
}

backdoor!(Blended);
