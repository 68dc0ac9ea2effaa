//! Samples that are nearer to another class than to their own, by centres that wrong labels cannot pull far.

use crate::gather::{Flat, OfVectors, of_vectors};
use foretaste_core::{Ctx, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::robust_margin::{MarginOptions, margins};

/// Labels that the class at large contradicts, also where the neighbours agree with them.
///
/// # What it finds
/// Wrong labels that stand together: a region, a campaign, one kind of customer, relabelled as a whole. Neighbours and
/// flexible models learn such a region; a model that is too simple to do so keeps wondering.
///
/// # How it works
/// In the leading principal components each class has one centre, all classes one covariance, both made of the `keep` of
/// each class that is nearest to its centre (four rounds, from the medians). Suspicion is the squared Mahalanobis distance
/// from the centre of the given class, less that from the nearest other.
///
/// # Threat model
/// The attacker changes labels in one region of a class, fewer of them than `1 - keep` of the class that receives them.
///
/// # Cost
/// Subspace iteration, then rows times classes times `dims` squared multiplications; state is the vectors.
///
/// # Blind spots
/// The score only orders, and no finding is made of it: published data have regions, too, that lie nearer to another class
/// and are labelled right, so that no level can be stated. Classes of several parts; regions at the border of their class
/// or beyond `1 - keep` of the class that receives them. Scattered flips are found better by `confident-learning`.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only robust-margin --set robust-margin.dims=20
/// ```
///
/// # References
/// Lee, Yun, Lee, Lee, Li, Shin, "Robust Inference via Generative Classifiers for Handling Noisy Labels", ICML 2019 (in
/// place of their covariance: Rousseeuw, Van Driessen, "A Fast Algorithm for the Minimum Covariance Determinant
/// Estimator", Technometrics 1999).
#[derive(Clone, Debug, Catalogue)]
pub struct RobustMargin {
    /// Principal components.
    #[param(min = 1, max = 256)]
    pub dims: usize,
    /// Share of each class that centres and covariance are made of.
    #[param(min = 0.1, max = 1)]
    pub keep: f64,
}

impl Default for RobustMargin {
    fn default() -> Self {
        Self { dims: 10, keep: 0.6 }
    }
}

impl OfVectors for RobustMargin {
    const ID: &'static str = "robust-margin";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let options = MarginOptions { dims: self.dims, keep: self.keep, seed: ctx.seed() };
        Suspicion::uncalibrated(margins(&flat.values, flat.cols, &flat.labels, classes, &options))
    }
}

of_vectors!(RobustMargin);
