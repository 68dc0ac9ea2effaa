//! Classes that fall into a large and a small cluster.

use crate::gather::{Flat, OfVectors, of_vectors};
use foretaste_core::{Ctx, Role, Suspicion, AtEffort, Effort};
use foretaste_macros::Catalogue;
use foretaste_num::linalg::principal_components;
use foretaste_num::two_means::two_means;

/// Samples in the smaller part of a class that falls into two.
///
/// # What it finds
/// Samples that are unlike the rest of their class and like each other: backdoors and flipped labels that come in clumps,
/// and honest subgroups that are far from the others.
///
/// # How it works
/// For each class, the vectors are reduced to `dims` principal components and split in two by k-means with `starts` starts.
/// Suspicion is the quality of the split times the place between the two centres, from 0 at the larger to 1 at the
/// smaller. Quality is the mean silhouette times 1 minus twice the share of the smaller cluster: 0 for a class without parts or
/// with two equal ones, near 1 for a few samples far away, in the same unit for every class. The paper asks for both numbers
/// against a fixed bound (share below 0.35, silhouette above 0.1 to 0.15), which flags nearly half of clean classes; here they
/// only weigh.
///
/// # Threat model
/// The attacker adds samples to one class that form a cluster of their own, smaller than the honest one.
///
/// # Cost
/// Subspace iteration, then 10 numbers a row and some dozen passes for each start; state is the vectors.
///
/// # Blind spots
/// Less than some 5 % of a class, unless it is far away; more than half of a class, where the honest part looks like the poison;
/// poison scattered among honest samples. Natural subgroups look the same. The score only orders: it has no null.
///
/// # Example
/// ```text
/// foretaste scan train.parquet --embedding features --only activation-clustering --set activation-clustering.starts=20
/// ```
///
/// # References
/// Chen, Carvalho, Baracaldo, Ludwig, Edwards, Lee, Molloy, Srivastava, "Detecting Backdoor Attacks on Deep Neural
/// Networks by Activation Clustering", SafeAI 2019.
#[derive(Clone, Debug, Catalogue)]
pub struct ActivationClustering {
    /// Principal components that are clustered.
    #[param(min = 1, max = 100)]
    pub dims: usize,
    /// Starts of k-means.
    #[param(min = 1, max = 1000)]
    pub starts: usize,
}

impl Default for ActivationClustering {
    fn default() -> Self {
        Self { dims: 10, starts: 10 }
    }
}

/// Fewest rows of a class that can fall into two.
const LEAST: usize = 20;

impl OfVectors for ActivationClustering {
    const ID: &'static str = "activation-clustering";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        match effort {
            Effort::Quick | Effort::Normal => AtEffort::Same,
            Effort::Deep => AtEffort::With(&[("starts", 50)]),
        }
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let score = flat.by_class(classes, LEAST, |vectors| self.one_class(vectors, flat.cols, ctx.seed()));
        Suspicion::uncalibrated(score)
    }
}

of_vectors!(ActivationClustering);

impl ActivationClustering {
    fn one_class(&self, vectors: &[f32], cols: usize, seed: u64) -> Vec<f32> {
        let principal = principal_components(vectors, vectors.len() / cols, cols, self.dims, seed);
        let split = two_means(&principal.projected, principal.rank, self.starts, seed);
        let quality = (split.silhouette.max(0.0) * (1.0 - 2.0 * split.share)) as f32;
        split.side.iter().map(|side| quality * side.clamp(0.0, 1.0)).collect()
    }
}
