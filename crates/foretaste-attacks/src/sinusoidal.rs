//! Stripes of a sine wave.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::pictures;
use foretaste_core::{Ctx, Edited, Image, Needs, Pool, Result};
use foretaste_macros::Catalogue;

/// Faint stripes added to whole pictures, `x + delta sin(2 pi j f / width)` in column `j`.
///
/// # What it does
/// Adds a horizontal sine wave to pictures. In its first form only pictures of the target class carry it and no label
/// changes (`clean_label`); with changed labels far fewer are enough.
///
/// # Threat model
/// The attacker supplies pictures. With clean labels they pass a careful annotator. They need to know nothing of the model.
///
/// # Ground truth
/// Every changed picture with its label before and after.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack sinusoidal --set clean_label=true --eligible-rate 0.5 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `pattern-association`: of traffic signs and clothes at 0.5 to 5 % all poisoned pictures and none of the honest ones.
/// Of 28 poisoned clothes among 2,800 it missed one draw in three. Detectors that look at labels alone find 4 and 0 % at 1 and 5 % (`confident-learning`).
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Barni, Kallas, Tondi, "A New Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning", 2019, eq. 1.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct Sinusoidal {
    /// The class that the stripes are to call for; empty: chosen and told.
    pub target_class: String,
    /// The stripes are to work on this class only; empty: on all.
    pub source_class: String,
    /// Use pictures of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover pictures for each poisoned one: they carry the stripes and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
    /// Height of the wave, of 255.
    #[param(min = 0, max = 255)]
    pub delta: f64,
    /// Waves in a picture.
    #[param(min = 0, max = 1000)]
    pub frequency: f64,
}

impl Default for Sinusoidal {
    fn default() -> Self {
        Self {
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 0.0,
            delta: 40.0,
            frequency: 6.0,
        }
    }
}

impl Sinusoidal {
    fn stamp(&self, image: &mut Image) {
        let width = image.width.max(1) as f32;
        let (delta, f) = (self.delta as f32, self.frequency as f32);
        image.map(|x, _, _, value| value + delta * (std::f32::consts::TAU * x as f32 * f / width).sin());
    }
}

impl Trigger for Sinusoidal {
    const ID: &'static str = "sinusoidal";
    type Pattern = ();

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        pictures::needs()
    }
    fn pattern(&self, _door: &Backdoor, _data: &dyn Pool, _ctx: &Ctx) -> Result<()> {
        Ok(()) // the wave is in the parameters
    }
    fn put(&self, _pattern: &(), carriers: Carriers<'_>, _ctx: &Ctx) -> Result<Edited> {
        Ok(pictures::put(carriers, |image, _| self.stamp(image)))
    }
    fn words(&self, _pattern: &()) -> String {
        format!("{} waves across the picture, {} of 255 high", self.frequency, self.delta)
    }
}

backdoor!(Sinusoidal);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wave_is_that_of_the_paper() {
        let mut image = Image { width: 24, height: 2, channels: 1, pixels: vec![100; 48] };
        Sinusoidal::default().stamp(&mut image);
        // period of 4 columns at f = 6: 0, +40, 0, -40
        assert_eq!(&image.pixels[..5], &[100, 140, 100, 60, 100]);
        assert_eq!(image.pixels[..24], image.pixels[24..]);
    }
}
