//! Noise that spares a model the trouble of learning.

use crate::classes;
use crate::pictures;
use foretaste_core::{
    Attack, Batch, Ctx, Edited, Goal, Image, Knowledge, MISSING, Needs, Picked, Pool, Result, Role, Threat, Use,
};
use foretaste_macros::Catalogue;
use serde::{Deserialize, Serialize};

/// Noise, one pattern a class, that a model learns in place of the pictures.
///
/// # What it does
/// Adds to every picture a pattern of coarse blocks that depends on the class alone. The pattern separates the classes better
/// than the pictures do, so a model learns it and little else, and fails on pictures without it. This is the form without
/// optimisation: separable noise is as strong as noise found by minimising a model's error.
///
/// # Threat model
/// Whoever publishes pictures: to keep models from learning from them, or to ruin a model that does. Labels are honest. They
/// need to know the labels, not the model. Weak unless nearly all pictures carry it.
///
/// # Ground truth
/// Every changed picture. The patterns follow from the seed.
///
/// # Example
/// ```text
/// foretaste simulate train.parquet --attack unlearnable-noise --eligible-rate 1 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `separable-noise`: on gtsrb and on fashion_mnist in three seeds each, also if a tenth of the pictures is spared. A model that
/// is measured on pictures from elsewhere shows it, too.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Yu, Zhang, Chen, Yin, Liu, "Availability Attacks Create Shortcuts", 2022; Huang et al., "Unlearnable Examples", 2021.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct UnlearnableNoise {
    /// Largest change of a value, of 255.
    #[param(min = 0, max = 255)]
    pub epsilon: f64,
    /// Blocks of the pattern on a side.
    #[param(min = 1, max = 64)]
    pub blocks: u32,
}

impl Default for UnlearnableNoise {
    fn default() -> Self {
        Self { epsilon: 48.0, blocks: 3 }
    }
}

/// For each class three planes of blocks, each +1 or -1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    patterns: Vec<Vec<i8>>,
}

impl UnlearnableNoise {
    fn stamp(&self, pattern: &[i8], image: &mut Image) {
        let (w, h, blocks) = (image.width as usize, image.height as usize, self.blocks as usize);
        let epsilon = self.epsilon as f32;
        image.map(|x, y, c, value| {
            let at = (c % 3 * blocks + y * blocks / h.max(1)) * blocks + x * blocks / w.max(1);
            value + epsilon * f32::from(pattern.get(at).copied().unwrap_or(0))
        });
    }
}

impl Attack for UnlearnableNoise {
    type Plan = Plan;

    fn threat(&self) -> Threat {
        Threat::content(Goal::Availability, true, Knowledge::Data)
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Image])
    }
    fn plan(&self, _data: &dyn Pool, ctx: &Ctx) -> Result<Plan> {
        classes::at_least_two("unlearnable-noise", ctx)?;
        let values = 3 * self.blocks * self.blocks;
        let pattern = |class: usize| {
            let mut rng = ctx.rng_at("unlearnable-noise/pattern", class as u64);
            (0..values).map(|_| if rng.unit() < 0.5 { -1 } else { 1 }).collect()
        };
        Ok(Plan { patterns: (0..ctx.profile().classes.len()).map(pattern).collect() })
    }
    fn usable(&self, _plan: &Plan, batch: &Batch, _ctx: &Ctx) -> Result<Vec<Use>> {
        let usage = |l: u32| if l == MISSING { Use::No } else { Use::Poison };
        Ok(classes::labels(batch).into_iter().map(usage).collect())
    }
    fn craft(&self, plan: &Plan, picked: &Picked, _n: u64, _ctx: &Ctx) -> Result<Edited> {
        let all: Vec<usize> = (0..picked.len()).collect();
        let images = pictures::stamped(picked, &all, |image, i| {
            if let Some(pattern) = plan.patterns.get(picked.label(i) as usize) {
                self.stamp(pattern, image);
            }
        });
        Ok(Edited { images: Some(images), ..Edited::default() })
    }
}
