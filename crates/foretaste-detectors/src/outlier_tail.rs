//! Samples in the tails of many columns at once.

use crate::gather::{Gathered, PerRow};
use foretaste_core::{Batch, Ctx, Detect, Growth, Matrix, Needs, Result, Role, Step, Suspicion, numbers};
use foretaste_macros::Catalogue;
use foretaste_num::ecod::ecod;

/// Samples that lie in the tails of many columns at once.
///
/// # What it finds
/// Rows with extreme values: errors of measurement, wrong units, injected rows with values out of bounds.
///
/// # How it works
/// ECOD: for each number column the empirical tail probabilities on the left and on the right; a row's score is the
/// largest of the sums of -log of the left tails, of the right tails, and of the tail on the skewed side.
/// Without number columns it reads the vectors.
///
/// # Threat model
/// The attacker injects rows whose single values are rare.
///
/// # Cost
/// One sort a column. State is the number columns.
///
/// # Blind spots
/// Combinations of ordinary values. Columns with few different values say little. The score only orders: it has no null.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only outlier-tail
/// ```
///
/// # References
/// Li, Zhao, Hu, Botta, Ionescu, Chen, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
/// Functions", TKDE 2022.
#[derive(Clone, Debug, Default, Catalogue)]
pub struct OutlierTail {}

impl Detect for OutlierTail {
    type State = Gathered;
    type Model = PerRow;

    fn needs(&self) -> Needs {
        Needs::any(&[Role::Feature, Role::Embedding]).growing(Growth::Data)
    }

    fn start(&self) -> Gathered {
        Gathered::default()
    }

    fn fold(&self, state: &mut Gathered, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        match (feature_matrix(batch), &batch.vectors) {
            (Some(matrix), _) => state.push(batch, &matrix),
            (None, Some(vectors)) => state.push(batch, vectors),
            (None, None) => {}
        }
        Ok(())
    }

    fn merge(&self, into: &mut Gathered, from: Gathered) -> Result<()> {
        into.merge(from);
        Ok(())
    }

    fn fit(&self, state: Gathered, _ctx: &Ctx) -> Result<Step<Gathered, PerRow>> {
        let flat = state.flatten("outlier-tail")?;
        let score = ecod(&flat.values, flat.cols);
        Ok(Step::Ready(PerRow { runs: flat.runs, suspicion: Suspicion::uncalibrated(score) }))
    }

    fn score(&self, model: &PerRow, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.score(batch))
    }
}

/// The number columns of a batch as a row-major matrix.
fn feature_matrix(batch: &Batch) -> Option<Matrix> {
    let columns: Vec<Vec<f64>> = batch.columns(|r| r == Role::Feature).filter_map(|(_, c)| numbers(c)).collect();
    if columns.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(batch.rows() * columns.len());
    for row in 0..batch.rows() {
        out.extend(columns.iter().map(|c| c[row] as f32));
    }
    Some(Matrix::new(out, columns.len()))
}
