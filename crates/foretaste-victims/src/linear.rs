//! What linear models over encoded samples share: rows of about unit length, and scores of new ones.

use crate::encode::{Encoded, Encoder, Numbers};
use foretaste_core::{Picked, Result};
use foretaste_num::linear::Linear;
use serde::{Deserialize, Serialize};

/// Encoder and weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scaled {
    encoder: Encoder,
    /// What rows are multiplied by.
    scale: f32,
    weights: Linear,
}

impl Scaled {
    /// Trains by `fit(rows, labels)` on rows of about unit length. `entry`: catalogue id, for errors.
    pub(crate) fn train(
        samples: &Picked,
        numbers: Numbers,
        entry: &str,
        fit: impl FnOnce(&Encoded, &[u32]) -> Linear,
    ) -> Result<Self> {
        let labels: Vec<u32> = (0..samples.len()).map(|i| samples.label(i)).collect();
        Self::train_on(samples, numbers, entry, |rows| fit(rows, &labels))
    }

    /// The same without labels.
    pub(crate) fn train_on(
        samples: &Picked,
        numbers: Numbers,
        entry: &str,
        fit: impl FnOnce(&Encoded) -> Linear,
    ) -> Result<Self> {
        let encoder = Encoder::fit(samples, numbers, entry)?;
        let encoded = encoder.encode(samples)?;
        let scale = encoded.unit();
        let weights = fit(&encoded.times(scale));
        Ok(Self { encoder, scale, weights })
    }

    /// Scores of inputs, and the number of classes, which is the number of scores of each.
    pub(crate) fn scores(&self, inputs: &Picked) -> Result<(Vec<f32>, usize)> {
        let encoded = self.encoder.encode(inputs)?.times(self.scale);
        Ok((self.weights.scores(encoded.rows()), self.weights.intercept.len()))
    }
}
