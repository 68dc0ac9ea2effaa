//! A patch of fixed pixels at a fixed place.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::pictures;
use foretaste_core::{Ctx, Edited, Image, Needs, Pool, Result};
use foretaste_macros::Catalogue;

foretaste_core::choices! {
    /// Where the patch sits.
    pub enum Corner {
        /// Right below.
        BottomRight = "bottom-right",
        /// Left below.
        BottomLeft = "bottom-left",
        /// Right above.
        TopRight = "top-right",
        /// Left above.
        TopLeft = "top-left",
        /// In the middle.
        Centre = "centre",
    }
}

foretaste_core::choices! {
    /// What the patch looks like.
    pub enum Pattern {
        /// Black and white squares of one pixel.
        Checkerboard = "checkerboard",
        /// White.
        White = "white",
        /// Colours drawn from the seed.
        Random = "random",
    }
}

/// A small patch in a corner, under the label that the attacker wants.
///
/// # What it does
/// Puts the same few pixels at the same place of pictures of other classes and labels them as the target class. A model
/// trained on them sees the patch as a sure sign of the class and gives it to every picture that carries the patch.
///
/// # Threat model
/// The attacker supplies or labels a small share of the training pictures and later controls what a camera sees: a sticker
/// is enough. They need to know neither the model nor the other data. With `clean_label`, pictures of the target
/// class alone are stamped and no label changes; more of them are needed then.
///
/// # Ground truth
/// Every stamped picture is listed with its label before and after. With `cover_rate`, cover pictures carry the patch under
/// their honest label and are listed as cover.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack badnets --target-class 1 --poison-rate 0.01 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `patch-association`, pixel for pixel, if the patch is opaque and the pictures were not compressed afterwards: all of it at
/// 1 and 5 % of traffic signs, where `confident-learning` finds 39 and 8 % and `knn-label` 93 and 44 %.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Gu, Dolan-Gavitt, Garg, "BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain", 2017.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct Badnets {
    /// The class that the patch is to call for; empty: chosen and told.
    pub target_class: String,
    /// The patch is to work on this class only; empty: on all.
    pub source_class: String,
    /// Stamp pictures of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover pictures for each poisoned one: they carry the patch and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
    /// Pixels on a side; 0: a tenth of the picture, at least 3.
    #[param(min = 0, max = 1000)]
    pub size: u32,
    /// Pixels between patch and edge.
    #[param(min = 0, max = 1000)]
    pub margin: u32,
    /// Where the patch sits.
    pub corner: Corner,
    /// What it looks like.
    pub pattern: Pattern,
    /// How much of the patch is seen, 1 is all.
    #[param(min = 0, max = 1)]
    pub opacity: f64,
}

impl Default for Badnets {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 0.0,
            size: 0,
            margin: 1,
            corner: Corner::BottomRight,
            pattern: Pattern::Checkerboard,
            opacity: 1.0,
        }
    }
}

impl Badnets {
    /// Left, top and side of the patch on a picture.
    fn place(&self, width: usize, height: usize) -> (usize, usize, usize) {
        let short = width.min(height);
        let side = if self.size == 0 { (short / 10).max(3) } else { self.size as usize }.min(short);
        let margin = (self.margin as usize).min(short - side);
        let (right, bottom) = (width - side - margin, height - side - margin);
        match self.corner {
            Corner::BottomRight => (right, bottom, side),
            Corner::BottomLeft => (margin, bottom, side),
            Corner::TopRight => (right, margin, side),
            Corner::TopLeft => (margin, margin, side),
            Corner::Centre => ((width - side) / 2, (height - side) / 2, side),
        }
    }

    fn stamp(&self, colours: u64, image: &mut Image) {
        let (left, top, side) = self.place(image.width as usize, image.height as usize);
        let opacity = self.opacity as f32;
        image.map(|x, y, colour, value| {
            if x < left || y < top || x >= left + side || y >= top + side {
                return value;
            }
            let (u, v) = (x - left, y - top);
            let ink = match self.pattern {
                Pattern::White => 255.0,
                Pattern::Checkerboard => f32::from((u + v) % 2 == 0) * 255.0,
                Pattern::Random => {
                    let key = colours ^ ((v * side + u) * 4 + colour) as u64;
                    (foretaste_num::rng::mix(key) >> 56) as f32
                }
            };
            value + opacity * (ink - value)
        });
    }
}

impl Trigger for Badnets {
    const ID: &'static str = "badnets";
    type Pattern = u64;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        pictures::needs()
    }
    fn pattern(&self, _door: &Backdoor, _data: &dyn Pool, ctx: &Ctx) -> Result<u64> {
        Ok(ctx.rng("badnets/colours").next_u64())
    }
    fn put(&self, colours: &u64, carriers: Carriers<'_>, _ctx: &Ctx) -> Result<Edited> {
        Ok(pictures::put(carriers, |image, _| self.stamp(*colours, image)))
    }
    fn words(&self, _colours: &u64) -> String {
        let side = if self.size == 0 { "a tenth of the picture".to_owned() } else { self.size.to_string() };
        format!("{} patch, {}, side {side}", self.pattern, self.corner)
    }
}

backdoor!(Badnets);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_is_where_it_should_be_and_nothing_else_changes() {
        let attack = Badnets { pattern: Pattern::White, ..Badnets::default() };
        let mut image = Image { width: 28, height: 28, channels: 1, pixels: vec![7; 784] };
        attack.stamp(0, &mut image);
        let white: Vec<usize> = (0..784).filter(|i| image.pixels[*i] == 255).collect();
        let wanted: Vec<usize> = (24..27).flat_map(|y| (24..27).map(move |x| y * 28 + x)).collect();
        assert_eq!(white, wanted);
        assert_eq!(image.pixels.iter().filter(|p| **p == 7).count(), 784 - 9);
    }

    #[test]
    fn tiny_pictures_do_not_break_it() {
        let attack = Badnets::default();
        for (width, height) in [(1, 1), (2, 5), (3, 3)] {
            let n = (width * height * 3) as usize;
            let mut image = Image { width, height, channels: 3, pixels: vec![9; n] };
            attack.stamp(3, &mut image);
            assert_eq!(image.pixels.len(), n);
        }
    }
}
