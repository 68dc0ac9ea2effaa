//! Samples that a vote of neighbours is better without.

use crate::gather::{Flat, OfVectors, deep_only, of_vectors};
use foretaste_core::{AtEffort, Ctx, Effort, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::rng::mix;
use foretaste_num::shapley::knn_shapley_within;

/// Samples of little or negative value to a vote of nearest neighbours.
///
/// # What it finds
/// Scattered wrong labels: they make the vote about the samples around them worse.
///
/// # How it works
/// Some samples, `queries` of them drawn at random, are asked about: the `k` nearest other samples (Euclidean) vote, and the share
/// that has the query's label is split among all samples by the exact Shapley value. Suspicion is minus the mean value of a
/// sample over all queries but itself. All samples with a label take part, however many there are.
///
/// # Threat model
/// The attacker changes labels of samples whose neighbours are honest. Nothing about the features is assumed.
///
/// # Cost
/// `queries` times rows times dimension multiplications, and a sort of the rows for each query; state is the vectors. Left out
/// at efforts below deep.
///
/// # Blind spots
/// Samples that are among the nearest of no query have values near zero, whatever their label: of more than some 10,000
/// samples, raise `queries`. Flips that come in clumps vouch for each other, and queries have the labels that they have. Samples
/// without a label get the lowest suspicion. The score only orders, and no finding is made of it.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only knn-shapley --set knn-shapley.queries=5000
/// ```
///
/// # References
/// Jia, Dao, Wang, Hubis, Gurel, Li, Zhang, Spanos, Song, "Efficient Task-Specific Data Valuation for Nearest Neighbor
/// Algorithms", VLDB 2019. The data's own samples stand in place of a test set.
#[derive(Clone, Debug, Catalogue)]
pub struct KnnShapley {
    /// Number of neighbours that vote.
    #[param(min = 1, max = 1000)]
    pub k: usize,
    /// Samples that are asked about.
    #[param(min = 1, max = 1000000)]
    pub queries: usize,
}

impl Default for KnnShapley {
    fn default() -> Self {
        Self { k: 10, queries: 1000 }
    }
}

impl OfVectors for KnnShapley {
    const ID: &'static str = "knn-shapley";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        deep_only(effort)
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        Suspicion::uncalibrated(
            flat.by_content(|values, labels| self.values(values, flat.cols, labels, classes, ctx.seed())),
        )
    }
}

of_vectors!(KnnShapley);

impl KnnShapley {
    /// Minus the mean values of rows in an order of their content; the lowest of all for rows without a label.
    fn values(&self, values: &[f32], cols: usize, labels: &[u32], classes: usize, seed: u64) -> Vec<f32> {
        let known: Vec<usize> = (0..labels.len()).filter(|&i| (labels[i] as usize) < classes).collect();
        let base: Vec<f32> = known.iter().flat_map(|&i| &values[i * cols..(i + 1) * cols]).copied().collect();
        let theirs: Vec<u32> = known.iter().map(|&i| labels[i]).collect();
        let mut queries: Vec<usize> = (0..known.len()).collect();
        queries.sort_by_key(|&i| (mix(seed ^ mix(i as u64)), i));
        queries.truncate(self.queries);
        let worth = knn_shapley_within(&base, &theirs, &queries, cols, self.k);
        let lowest = worth.iter().copied().fold(0.0, f64::max);
        let mut out = vec![-lowest as f32; labels.len()];
        known.iter().zip(&worth).for_each(|(&i, w)| out[i] = -w as f32);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_among_others_is_worth_least_and_no_label_is_no_suspicion() {
        let values: Vec<f32> = (0..40).map(|i| if i < 20 { i as f32 } else { 100.0 + i as f32 }).collect();
        let mut labels: Vec<u32> = (0..40).map(|i| u32::from(i >= 20)).collect();
        (labels[7], labels[30]) = (1, u32::MAX);
        let shapley = KnnShapley { k: 3, queries: 1000 };
        let score = shapley.values(&values, 1, &labels, 2, 1);
        let most = (0..40).max_by(|a, b| score[*a].total_cmp(&score[*b]));
        assert_eq!(most, Some(7));
        assert!(score[7] > 0.0 && score.iter().all(|s| *s >= score[30]));
        // few queries: the same ones, wherever the rows stand
        let few = KnnShapley { queries: 5, ..shapley };
        assert_ne!(few.values(&values, 1, &labels, 2, 1), score);
        assert_eq!(few.values(&values, 1, &labels, 2, 1), few.values(&values, 1, &labels, 2, 1));
        assert!(shapley.values(&[], 0, &[], 0, 1).is_empty());
    }
}
