//! Samples that stand out of their class after whitening with a robust covariance.

use crate::gather::{Flat, OfVectors, of_vectors};
use foretaste_core::{Ctx, Role, Suspicion, AtEffort, Effort};
use foretaste_macros::Catalogue;
use foretaste_num::robust::{QueOptions, que};

/// Samples that stand out of their class once its natural spread is taken out.
///
/// # What it finds
/// Samples of one class that share something in their vectors, also where honest samples differ much more in other
/// directions: the trigger of a backdoor that the leading direction does not show.
///
/// # How it works
/// For each class, the vectors are reduced to `k` principal components; mean and covariance come from the middle
/// `1 - trim` of the rows (concentration steps); all rows are whitened with them; the quantum entropy score weighs each
/// direction by how much more it spreads than it should. `k` goes over the squares up to `dims`, and the one with the largest
/// mean score counts. Suspicion is the root of the score. It is 1 for the rows of a normal class, so that classes are comparable.
///
/// # Threat model
/// The attacker adds samples to one class, fewer than half of it, that spread in a direction in which honest samples do not.
///
/// # Cost
/// Subspace iteration, then rows times `dims` squared times about 40 multiplications; state is the vectors.
///
/// # Blind spots
/// Poison outside the leading `dims` components; classes of fewer than 20 rows (score 0); half of a class or more.
/// Heavy tails and natural subgroups raise the score of honest samples. The score only orders: it has no null.
///
/// # Example
/// ```text
/// foretaste scan train.parquet --embedding features --only robust-covariance --set robust-covariance.dims=25
/// ```
///
/// # References
/// Hayase, Kong, Somani, Oh, "SPECTRE: Defending Against Backdoor Attacks Using Robust Statistics", ICML 2021. The robust
/// covariance is simpler than theirs: Rousseeuw, Van Driessen, "A Fast Algorithm for the Minimum Covariance Determinant
/// Estimator", Technometrics 1999.
#[derive(Clone, Debug, Catalogue)]
pub struct RobustCovariance {
    /// Most principal components.
    #[param(min = 1, max = 256)]
    pub dims: usize,
    /// Share of the rows that mean and covariance leave out.
    #[param(min = 0, max = 0.5)]
    pub trim: f64,
    /// 0: all directions count alike; large: only the one that spreads most beyond what it should.
    #[param(min = 0, max = 100)]
    pub alpha: f64,
}

impl Default for RobustCovariance {
    fn default() -> Self {
        Self { dims: 64, trim: 0.5, alpha: 4.0 }
    }
}

/// Fewest rows of a class that have a covariance.
const LEAST: usize = 20;

impl OfVectors for RobustCovariance {
    const ID: &'static str = "robust-covariance";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        match effort {
            Effort::Quick => AtEffort::LeftOut,
            Effort::Normal | Effort::Deep => AtEffort::Same,
        }
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let options = QueOptions { most: self.dims, trim: self.trim, alpha: self.alpha, seed: ctx.seed() };
        let score = flat.by_class(classes, LEAST, |vectors| que(vectors, flat.cols, &options));
        Suspicion::uncalibrated(score)
    }
}

of_vectors!(RobustCovariance);
