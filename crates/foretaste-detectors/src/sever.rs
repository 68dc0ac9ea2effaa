//! Samples whose gradients pull a model along one direction.

use crate::gather::{Flat, OfVectors, deep_only, of_vectors};
use foretaste_core::{AtEffort, Ctx, Effort, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::sever::{SeverOptions, sever};

/// Samples that pull a model far along the direction in which all samples pull most unevenly.
///
/// # What it finds
/// Samples made to harm the accuracy of a model: few, each with a large pull, all in the same direction.
///
/// # How it works
/// A softmax regression is fitted to the vectors (unit length, at most 64 principal components). The gradient of each
/// sample's loss by the weights is centred, and the direction in which these gradients spread most is found. Suspicion is the
/// distance from the mean along it, in robust standard deviations. The `share` of the samples that lie farthest is taken
/// out, a model is fitted to the others, and so on for `rounds` rounds; the largest suspicion of all rounds counts, and
/// samples that were taken out are measured by the later models too.
///
/// # Threat model
/// The attacker adds or changes a small share of the samples, anyhow. The paper's guarantee needs a bound on the spread of
/// honest gradients, and the share of the poison.
///
/// # Cost
/// `rounds` softmax regressions, and for each up to 60 passes of rows times dimension times classes times 12
/// multiplications; state is the vectors. Left out at efforts below deep.
///
/// # Blind spots
/// The score only orders, and no finding is made of it: honest samples of rare classes and at borders have the largest
/// gradients of clean data. Poison that the model fits has hardly a gradient; poison that spreads over many directions, or
/// is more than the rounds take out, hides behind what is natural.
///
/// # Example
/// ```text
/// foretaste trial --data spam.csv --attack gradient-poisoning --defence sever
/// ```
///
/// # References
/// Diakonikolas, Kamath, Kane, Li, Steinhardt, Stewart, "Sever: A Robust Meta-Algorithm for Stochastic Optimization", ICML
/// 2019. A fixed share stands in place of their random threshold; the unit and the largest over the rounds are ours.
#[derive(Clone, Debug, Catalogue)]
pub struct Sever {
    /// How often a model is fitted.
    #[param(min = 1, max = 100)]
    pub rounds: usize,
    /// Share of the samples that each round takes out.
    #[param(min = 0, max = 0.5)]
    pub share: f64,
}

impl Default for Sever {
    fn default() -> Self {
        Self { rounds: 4, share: 0.01 }
    }
}

/// Most principal components of the vectors.
const DIMS: usize = 64;

impl OfVectors for Sever {
    const ID: &'static str = "sever";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        deep_only(effort)
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let options = SeverOptions { rounds: self.rounds, share: self.share, dims: DIMS, seed: ctx.seed() };
        Suspicion::uncalibrated(
            flat.by_content(|values, labels| sever(values, flat.cols, labels, classes, &options)),
        )
    }
}

of_vectors!(Sever);
