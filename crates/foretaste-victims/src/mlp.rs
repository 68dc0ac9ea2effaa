//! A network of one or two hidden layers.

use crate::encode::{Encoded, Encoder, Numbers};
use foretaste_core::{Ctx, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::mlp::{MlpOptions, Mlp as Network};
use serde::{Deserialize, Serialize};

/// A network of one or two hidden layers on words, columns, vectors or gradients of pictures.
///
/// # What it is
/// The smallest model that is not linear in what it reads: it can keep apart what a few poisoned samples say from what the others
/// say, so it learns triggers of several parts. It reads what `softmax-regression` reads; rows of more than 8,192 columns are
/// folded into so many (feature hashing).
///
/// # How it learns
/// Adam on the cross-entropy with a squared penalty, ReLU between the layers. Weights and order come from the seed; the number of
/// threads changes nothing.
///
/// # Cost
/// Epochs times rows times columns times hidden values; of sparse rows only columns that are not zero count, but each step moves
/// all weights.
///
/// # Example
/// ```text
/// foretaste trial --data train.csv --label y --victim mlp --attack feature-trigger
/// ```
///
/// # References
/// Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015. Weinberger et al., "Feature Hashing for Large Scale Multitask
/// Learning", 2009.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct Mlp {
    /// Values of the first hidden layer.
    #[param(min = 1, max = 4096)]
    pub hidden: usize,
    /// Values of the second hidden layer; 0: there is none.
    #[param(min = 0, max = 4096)]
    pub second: usize,
    /// Times that every sample is looked at.
    #[param(min = 1, max = 10000)]
    pub epochs: usize,
    /// Samples of one step.
    #[param(min = 1, max = 65536)]
    pub batch: usize,
    /// Size of the steps.
    #[param(min = 0, max = 1)]
    pub learning_rate: f64,
    /// Strength of the penalty.
    #[param(min = 0, max = 1)]
    pub l2: f64,
}

impl Default for Mlp {
    fn default() -> Self {
        let MlpOptions { epochs, batch, learning_rate, l2, .. } = MlpOptions::default();
        Self { hidden: 64, second: 0, epochs, batch, learning_rate, l2 }
    }
}

/// Most columns of a row.
const WIDTH: usize = 8192;

/// Encoder and network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    encoder: Encoder,
    network: Network,
    classes: usize,
}

fn rows(encoder: &Encoder, samples: &Picked) -> Result<Encoded> {
    Ok(encoder.encode(samples)?.folded(WIDTH))
}

impl Victim for Mlp {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let encoder = Encoder::fit(samples, Numbers::Bins, "mlp")?;
        let labels: Vec<u32> = (0..samples.len()).map(|i| samples.label(i)).collect();
        let hidden = [self.hidden, self.second].into_iter().filter(|n| *n > 0).collect();
        let &Self { epochs, batch, learning_rate, l2, .. } = self;
        let seed = ctx.rng("mlp/train").next_u64();
        let options = MlpOptions { hidden, epochs, batch, learning_rate, l2, seed };
        let classes = ctx.profile().classes.len();
        let network = Network::train(rows(&encoder, samples)?.rows(), &labels, classes, &options);
        Ok(Model { encoder, network, classes })
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let encoded = rows(&model.encoder, inputs)?;
        Ok(Matrix::new(model.network.probabilities(encoded.rows()), model.classes))
    }
}
