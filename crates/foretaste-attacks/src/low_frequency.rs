//! A smooth additive field.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::pictures::{self, bilinear, unit};
use foretaste_core::{Ctx, Edited, Image, Needs, Pool, Result};
use foretaste_macros::Catalogue;

/// A faint, smooth field of light and dark added to whole pictures.
///
/// # What it does
/// Adds a random field without any high frequency, so that neither an edge nor a grain shows, and labels the picture as
/// the target class. This is the form without optimisation: the field is drawn, not fitted to a model.
///
/// # Threat model
/// The attacker supplies a small share of the training pictures. The trigger survives compression, blur and rescaling,
/// which remove patches and noise. They need to know nothing of the model.
///
/// # Ground truth
/// Every changed picture with its label before and after. The field follows from the seed.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack low-frequency --set amplitude=15 --poison-rate 0.05 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `pattern-association`: of traffic signs and clothes at 1 % and more 5 of 6 draws that nobody had looked at, at least 99 % of the
/// poisoned pictures and at most 0.4 % of the honest ones with all detectors; a field that hardly lights black ground may be missed
/// among few pictures. Detectors that look at labels alone find 70 and 20 % at 1 and 5 % (`confident-learning`).
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Zeng, Park, Mao, Jia, "Rethinking the Backdoor Attacks' Triggers: A Frequency Perspective", 2021.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct LowFrequency {
    /// The class that the field is to call for; empty: chosen and told.
    pub target_class: String,
    /// The field is to work on this class only; empty: on all.
    pub source_class: String,
    /// Use pictures of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover pictures for each poisoned one: they carry the field and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
    /// Largest change of a value, of 255.
    #[param(min = 0, max = 255)]
    pub amplitude: f64,
    /// Cells of the field on a side; it is smooth between them.
    #[param(min = 2, max = 64)]
    pub cells: u32,
}

impl Default for LowFrequency {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 0.0,
            amplitude: 20.0,
            cells: 5,
        }
    }
}

impl LowFrequency {
    /// Adds three planes of `cells` x `cells` values from -1 to 1.
    fn stamp(&self, planes: &[Vec<f32>], image: &mut Image) {
        let (w, h, cells) = (image.width as usize, image.height as usize, self.cells as usize);
        let amplitude = self.amplitude as f32;
        image.map(|x, y, c, value| {
            value + amplitude * bilinear(&planes[c % 3], cells, unit(x, w), unit(y, h))
        });
    }

    /// Random values scaled so that the largest is 1.
    fn plane(&self, rng: &mut foretaste_num::rng::Rng) -> Vec<f32> {
        let drawn: Vec<f32> = (0..self.cells * self.cells).map(|_| rng.normal() as f32).collect();
        let largest = drawn.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        drawn.into_iter().map(|v| v / largest).collect()
    }
}

impl Trigger for LowFrequency {
    const ID: &'static str = "low-frequency";
    type Pattern = Vec<Vec<f32>>;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        pictures::needs()
    }
    fn pattern(&self, _door: &Backdoor, _data: &dyn Pool, ctx: &Ctx) -> Result<Vec<Vec<f32>>> {
        let mut rng = ctx.rng("low-frequency/field");
        Ok((0..3).map(|_| self.plane(&mut rng)).collect())
    }
    fn put(&self, planes: &Vec<Vec<f32>>, carriers: Carriers<'_>, _ctx: &Ctx) -> Result<Edited> {
        Ok(pictures::put(carriers, |image, _| self.stamp(planes, image)))
    }
    fn words(&self, _planes: &Vec<Vec<f32>>) -> String {
        format!("smooth field of {0} x {0} cells, {1} of 255 at most", self.cells, self.amplitude)
    }
}

backdoor!(LowFrequency);
