//! Samples whose gradients are alone in their class.

use crate::gather::{Flat, OfVectors, deep_only, of_vectors};
use foretaste_core::{AtEffort, Ctx, Effort, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::gradient_isolation::{IsolationOptions, isolation};

/// Samples that pull a model in a way in which no other sample of their class does.
///
/// # What it finds
/// Poison of targeted attacks that is scattered among honest samples: each moved on its own, so that no other pulls as it
/// does. Wrong labels and outliers of a class.
///
/// # How it works
/// A softmax regression on the vectors (unit length, at most 64 principal components) that did not learn from the sample gives
/// its class probabilities. The gradient of the loss by the weights, `(p - e_y) x^T`, is reduced to 32 principal components
/// within each class. Suspicion is the mean Euclidean distance from the `neighbours` nearest gradients of the class, in
/// units of the class's median of that. In classes of more than 8,192 samples, neighbours are looked for among as many, drawn
/// at random.
///
/// # Threat model
/// The attacker moves few samples, under labels that fit, so that a model misreads one target.
///
/// # Cost
/// A softmax regression of three folds with its penalty chosen, then for each class its rows times at most 8,192 times 32
/// multiplications; state is the vectors. Left out at efforts below deep.
///
/// # Blind spots
/// Poison of more samples than `neighbours` that pull alike: they are each other's company. The score only orders, and no
/// finding is made of it: rare kinds of a class are alone too. It differs from the paper: no medoids are chosen, no share of
/// the data dropped, and the model is linear and fitted to the end, where the paper looks at a network in early epochs and
/// again while it learns. Poison that shows only in what a network learns is not seen.
///
/// # Example
/// ```text
/// foretaste scan train.parquet --embedding features --only gradient-isolation
/// ```
///
/// # References
/// Yang, Liu, Mirzasoleiman, "Not All Poisons are Created Equal: Robust Training against Data Poisoning" (EPIc), ICML 2022.
#[derive(Clone, Debug, Catalogue)]
pub struct GradientIsolation {
    /// Nearest gradients whose distances are averaged.
    #[param(min = 1, max = 1000)]
    pub neighbours: usize,
}

impl Default for GradientIsolation {
    fn default() -> Self {
        Self { neighbours: 5 }
    }
}

/// Most principal components of vectors and of gradients, and most samples of a class that are searched.
const DIMS: usize = 64;
const COMPONENTS: usize = 32;
const MOST: usize = 8192;

impl OfVectors for GradientIsolation {
    const ID: &'static str = "gradient-isolation";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        deep_only(effort)
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let options = IsolationOptions {
            neighbours: self.neighbours,
            dims: DIMS,
            components: COMPONENTS,
            most: MOST,
            seed: ctx.seed(),
        };
        Suspicion::uncalibrated(
            flat.by_content(|values, labels| isolation(values, flat.cols, labels, classes, &options)),
        )
    }
}

of_vectors!(GradientIsolation);
