//! Samples far from all others.

use crate::gather::{Flat, OfVectors, of_vectors};
use foretaste_core::{Ctx, Role, Suspicion};
use foretaste_macros::Catalogue;

/// Samples whose nearest neighbours are far away.
///
/// # What it finds
/// Strays: samples of another data set, broken images, garbled rows, and rare but honest samples.
///
/// # How it works
/// The mean distance to the `k` nearest other samples, on a logarithmic scale, so that the score is a ratio of
/// distances and does not depend on the unit. Exact duplicates do not hide a sample: distances of zero are passed over.
///
/// # Threat model
/// The attacker injects samples that do not resemble the rest.
///
/// # Cost
/// Exact neighbours of the set with itself; state is the vectors.
///
/// # Blind spots
/// Strays that come in clumps of more than `k`. Poison that lies among honest samples (most of it does).
/// The score only orders: it has no null.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only outlier-distance
/// ```
///
/// # References
/// Ramaswamy, Rastogi, Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000.
#[derive(Clone, Debug, Catalogue)]
pub struct OutlierDistance {
    /// Number of neighbours.
    #[param(min = 1, max = 1000)]
    pub k: usize,
}

impl Default for OutlierDistance {
    fn default() -> Self {
        Self { k: 10 }
    }
}

impl OfVectors for OutlierDistance {
    const ID: &'static str = "outlier-distance";
    const NEEDS: &'static [Role] = &[Role::Embedding];

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let near = ctx.neighbours(&flat.values, flat.cols, self.k);
        let mean = |i: usize| {
            let apart: Vec<f64> = near.distance[i * near.k..(i + 1) * near.k]
                .iter()
                .take(self.k)
                .filter(|d| d.is_finite() && **d > 0.0)
                .map(|d| f64::from(*d))
                .collect();
            (!apart.is_empty()).then(|| apart.iter().sum::<f64>() / apart.len() as f64)
        };
        let means: Vec<Option<f64>> = (0..flat.labels.len()).map(mean).collect();
        let mut known: Vec<f64> = means.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        let median = known.get(known.len() / 2).copied().unwrap_or(1.0);
        let score = means.iter().map(|m| m.map_or(0.0, |m| (m / median).ln() as f32)).collect();
        Suspicion::uncalibrated(score)
    }
}

of_vectors!(OutlierDistance);
