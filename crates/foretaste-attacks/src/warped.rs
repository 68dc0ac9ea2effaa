//! Pictures bent a little.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::pictures::{self, bicubic, unit};
use foretaste_core::{Ctx, Edited, Image, Needs, Pool, Result};
use foretaste_macros::Catalogue;
use foretaste_num::rng::Rng;
use serde::{Deserialize, Serialize};

/// Pictures bent by a fixed, smooth field.
///
/// # What it does
/// Moves every pixel by a small smooth displacement that is the same for all poisoned pictures, and labels them as the
/// target class. Nothing is added to the picture, so no pattern can be subtracted. Cover pictures, bent by a field drawn anew
/// for each and with their honest label, teach the model that this very field counts and not bending as such.
///
/// # Threat model
/// The attacker supplies a share of the training pictures and later bends inputs in the same way. They need to know nothing
/// of the model.
///
/// # Ground truth
/// Every bent picture with its label before and after; cover is listed as cover. The field follows from the seed.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack warped --poison-rate 0.1 --out poisoned.parquet
/// ```
///
/// # Caught by
/// No detector looks for the warp itself yet: it adds no pattern that all pictures share. Of traffic signs at 1 and 5 % `confident-learning` finds none, `knn-label` 48
/// and 10 %, with 3 % of the honest pictures.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Nguyen, Tran, "WaNet: Imperceptible Warping-based Backdoor Attack", 2021. The default is stronger (0.5 is theirs; 4 moves
/// pixels by one and a half on average), because a small network trained for minutes does not learn what a large one
/// learns in hours.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct Warped {
    /// The class that the field is to call for; empty: chosen and told.
    pub target_class: String,
    /// The field is to work on this class only; empty: on all.
    pub source_class: String,
    /// Use pictures of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover pictures for each poisoned one.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
    /// Cells of the field on a side.
    #[param(min = 2, max = 64)]
    pub cells: u32,
    /// Strength: mean displacement of the cells, in half pixels of the picture's height when 1.
    #[param(min = 0, max = 20)]
    pub strength: f64,
}

impl Default for Warped {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 1.0,
            cells: 4,
            strength: 4.0,
        }
    }
}

/// Displacements of the cells along x and y.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Field {
    dx: Vec<f32>,
    dy: Vec<f32>,
}

impl Warped {
    /// A field in `[-1, 1]`, divided by its mean size.
    fn field(&self, rng: &mut Rng) -> Field {
        let n = (self.cells * self.cells) as usize;
        let drawn: Vec<f32> = (0..2 * n).map(|_| 2.0 * rng.unit() as f32 - 1.0).collect();
        let mean = drawn.iter().map(|v| v.abs()).sum::<f32>() / drawn.len().max(1) as f32;
        let scaled: Vec<f32> = drawn.into_iter().map(|v| v / mean.max(f32::MIN_POSITIVE)).collect();
        Field { dx: scaled[..n].to_vec(), dy: scaled[n..].to_vec() }
    }

    /// The value at each place is read where the field points to, between pixels.
    fn bend(&self, field: &Field, image: &mut Image) {
        let (w, h, channels) = (image.width as usize, image.height as usize, usize::from(image.channels));
        if w == 0 || h == 0 {
            return;
        }
        let (cells, strength) = (self.cells as usize, self.strength as f32);
        let old = image.pixels.clone();
        let at = |x: usize, y: usize, c: usize| old.get((y * w + x) * channels + c).map_or(0.0, |v| f32::from(*v));
        image.map(|x, y, c, _| {
            let (u, v) = (unit(x, w), unit(y, h));
            // half a pixel of the height a unit of strength, as grids run from -1 to 1 in the paper
            let fx = (x as f32 + 0.5 * strength * bicubic(&field.dx, cells, u, v)).clamp(0.0, (w - 1) as f32);
            let fy = (y as f32 + 0.5 * strength * bicubic(&field.dy, cells, u, v)).clamp(0.0, (h - 1) as f32);
            let (x0, y0) = (fx as usize, fy as usize);
            let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
            let (tx, ty) = (fx - x0 as f32, fy - y0 as f32);
            let top = at(x0, y0, c) * (1.0 - tx) + at(x1, y0, c) * tx;
            let bottom = at(x0, y1, c) * (1.0 - tx) + at(x1, y1, c) * tx;
            top * (1.0 - ty) + bottom * ty
        });
    }
}

impl Trigger for Warped {
    const ID: &'static str = "warped";
    type Pattern = Field;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        pictures::needs()
    }
    fn pattern(&self, _door: &Backdoor, _data: &dyn Pool, ctx: &Ctx) -> Result<Field> {
        Ok(self.field(&mut ctx.rng("warped/field")))
    }
    fn put(&self, field: &Field, carriers: Carriers<'_>, ctx: &Ctx) -> Result<Edited> {
        let picked = carriers.picked;
        Ok(pictures::put(carriers, |image, i| {
            if picked.cover[i] {
                self.bend(&self.field(&mut ctx.rng_at("warped/cover", picked.rows[i])), image);
            } else {
                self.bend(field, image);
            }
        }))
    }
    fn words(&self, _field: &Field) -> String {
        format!("smooth bending by {0} x {0} cells, strength {1}", self.cells, self.strength)
    }
}

backdoor!(Warped);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bending_by_nothing_changes_nothing_and_flat_pictures_stay_flat() {
        let pixels: Vec<u8> = (0..75).map(|i| (i * 3) as u8).collect();
        let image = Image { width: 5, height: 5, channels: 3, pixels };
        let attack = Warped::default();
        let mut same = image.clone();
        attack.bend(&Field { dx: vec![0.0; 16], dy: vec![0.0; 16] }, &mut same);
        assert_eq!(same, image);
        let mut flat = Image { pixels: vec![77; 75], ..image };
        attack.bend(&attack.field(&mut Rng::new(1, "t")), &mut flat);
        assert!(flat.pixels.iter().all(|p| *p == 77));
    }
}
