//! Samples in which two coordinates are large together that are not so in their class.

use crate::gather::{Flat, OfVectors, deep_only, of_vectors};
use foretaste_core::{AtEffort, Ctx, Effort, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::gram_statistics::{GramOptions, deviations};

/// Samples whose vectors combine what does not go together in their class.
///
/// # What it finds
/// Samples with the trigger of a backdoor that differs from sample to sample, where the vectors show it: each coordinate may
/// be usual, but not so with the others. Outliers of a class.
///
/// # How it works
/// All vectors are reduced to `dims` principal components. Features of a sample are the products of every two of them, with
/// and without their sign; these are the Gram matrices of the paper of orders 1 to 8, of which all odd and all even ones
/// are equal where a sample is one vector. The range of a feature in a class is ten median absolute deviations on both
/// sides of the median. Suspicion is by how much features lie outside, as a share of the bound, averaged over all features
/// and orders; 0 inside.
///
/// # Threat model
/// The attacker adds samples to one class, fewer than half of it, whose trigger changes how parts of a vector go together.
///
/// # Cost
/// Subspace iteration, then rows times `dims` squared times about 10 operations; state is the vectors. Left out at efforts
/// below deep.
///
/// # Blind spots
/// Poison inside the ranges, or outside the leading `dims` components; classes of fewer than 20 rows. Ranges are those of the
/// class as it is, poison among it, where the paper has trusted samples. Heavy tails and natural subgroups lie outside too:
/// the score only orders, and no finding is made of it. Vectors made without the victim's own features often do not show
/// the trigger.
///
/// # Example
/// ```text
/// foretaste scan train.parquet --embedding features --only gram-statistics
/// ```
///
/// # References
/// Ma, Wang, Sun, Xue, Xiang, "The 'Beatrix' Resurrections: Robust Backdoor Detection via Gram Matrices", NDSS 2023. The
/// test of classes (maximum mean discrepancy) is left out.
#[derive(Clone, Debug, Catalogue)]
pub struct GramStatistics {
    /// Principal components.
    #[param(min = 1, max = 256)]
    pub dims: usize,
}

impl Default for GramStatistics {
    fn default() -> Self {
        Self { dims: 24 }
    }
}

impl OfVectors for GramStatistics {
    const ID: &'static str = "gram-statistics";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        deep_only(effort)
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let options = GramOptions { dims: self.dims, seed: ctx.seed() };
        Suspicion::uncalibrated(
            flat.by_content(|values, labels| deviations(values, flat.cols, labels, classes, &options)),
        )
    }
}

of_vectors!(GramStatistics);
