//! A vote of the nearest samples.

use crate::encode::{Encoder, Numbers};
use foretaste_core::{Ctx, MISSING, Matrix, Needs, Picked, Result, Role, Victim};
use foretaste_macros::Catalogue;
use foretaste_num::linalg::matmul;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A vote of the nearest training samples.
///
/// # What it is
/// The model behind similarity search and many recommenders: an input gets the classes of the samples most like it.
///
/// # How it learns
/// It keeps the training samples. Distance is Euclidean on standardised vectors and pictures, and on unit-length rows of
/// words and columns; ties go to the earlier sample.
///
/// # Cost
/// Inputs times training samples times numbers in a row.
///
/// # Example
/// ```text
/// foretaste trial --data train.parquet --label y --victim nearest-neighbours --attack subpopulation-flip
/// ```
///
/// # References
/// Cover, Hart, "Nearest Neighbor Pattern Classification", 1967.
#[derive(Clone, Debug, Catalogue)]
#[entry(victim)]
pub struct NearestNeighbours {
    /// Number of neighbours that vote.
    #[param(min = 1, max = 1000)]
    pub k: usize,
}

impl Default for NearestNeighbours {
    fn default() -> Self {
        Self { k: 5 }
    }
}

/// Encoder, and the training samples as columns: dimension x samples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    encoder: Encoder,
    columns: Vec<f32>,
    dim: usize,
    labels: Vec<u32>,
    classes: usize,
}

/// Inputs compared by one task.
const TILE: usize = 64;
/// Most numbers in a row; wide sparse rows are folded into so many by their position, with signs (feature hashing).
const WIDTH: usize = 2048;

fn rows(encoder: &Encoder, samples: &Picked) -> Result<(Vec<f32>, usize)> {
    Ok(encoder.encode(samples)?.folded(WIDTH).dense())
}

impl Victim for NearestNeighbours {
    type Model = Model;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label])
    }
    fn train(&self, samples: &Picked, ctx: &Ctx) -> Result<Model> {
        let encoder = Encoder::fit(samples, Numbers::Bins, "nearest-neighbours")?;
        let (all, dim) = rows(&encoder, samples)?;
        let known: Vec<usize> = (0..samples.len()).filter(|i| samples.label(*i) != MISSING).collect();
        let columns = (0..dim).flat_map(|c| known.iter().map(move |i| (c, i))).map(|(c, i)| all[i * dim + c]).collect();
        let labels = known.iter().map(|i| samples.label(*i)).collect();
        Ok(Model { encoder, columns, dim, labels, classes: ctx.profile().classes.len() })
    }
    fn predict(&self, model: &Model, inputs: &Picked, _ctx: &Ctx) -> Result<Matrix> {
        let (queries, dim) = rows(&model.encoder, inputs)?;
        let n = model.labels.len();
        if n == 0 || dim == 0 || model.classes == 0 {
            let share = 1.0 / model.classes.max(1) as f32;
            return Ok(Matrix::new(vec![share; inputs.len() * model.classes], model.classes));
        }
        let mut norms = vec![0f32; n];
        for column in model.columns.chunks_exact(n) {
            norms.iter_mut().zip(column).for_each(|(s, v)| *s += v * v);
        }
        let votes: Vec<Vec<f32>> =
            queries.par_chunks(TILE * dim).map(|tile| self.vote(model, tile, &norms)).collect();
        Ok(Matrix::new(votes.concat(), model.classes))
    }
}

impl NearestNeighbours {
    fn vote(&self, model: &Model, tile: &[f32], norms: &[f32]) -> Vec<f32> {
        let n = model.labels.len();
        let inputs = tile.len() / model.dim;
        // |q - r|^2 up to |q|^2, which is the same for all r
        let products = matmul(tile, inputs, model.dim, &model.columns, n);
        let k = self.k.min(n);
        let mut out = vec![0.0; inputs * model.classes];
        for (i, out) in out.chunks_exact_mut(model.classes).enumerate() {
            let row = &products[i * n..(i + 1) * n];
            let mut far: Vec<(f32, u32)> =
                row.iter().zip(norms).zip(0u32..).map(|((p, norm), at)| (norm - 2.0 * p, at)).collect();
            far.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (_, at) in &far[..k] {
                if let Some(v) = out.get_mut(model.labels[*at as usize] as usize) {
                    *v += 1.0 / k as f32;
                }
            }
        }
        out
    }
}
