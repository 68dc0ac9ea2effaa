//! Samples far along the leading direction of their class.

use crate::gather::{Flat, OfVectors, of_vectors};
use foretaste_core::{Ctx, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::spectral::signature;

/// Samples that lie far along the direction in which their class spreads most.
///
/// # What it finds
/// Samples of one class that share something strong in their vectors: those with the trigger of a backdoor, where the
/// vectors show it, and labels flipped in one direction.
///
/// # How it works
/// For each class, the vectors are centred and the leading singular direction is found by subspace iteration. Suspicion is
/// the distance from the mean along it, in robust standard deviations of the class. Within a class the order is that of
/// the paper, which squares the number; the unit makes classes comparable, and no share of poison has to be known.
///
/// # Threat model
/// The attacker adds samples to one class, by changed labels or with a trigger, so many and so much alike that they decide
/// the direction of the largest variance.
///
/// # Cost
/// Rows times dimension times about 200 multiplications, 9 passes; state is the vectors.
///
/// # Blind spots
/// Poison whose direction varies less than what is natural in the class; few poisoned samples; poison spread over classes;
/// adaptive triggers. Vectors made without the victim's own features often do not show the trigger. On clean data somebody
/// is always farthest: the score only orders, it has no null.
///
/// # Example
/// ```text
/// foretaste scan train.parquet --embedding features --only spectral-signature
/// ```
///
/// # References
/// Tran, Li, Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018.
#[derive(Clone, Debug, Default, Catalogue)]
pub struct SpectralSignature {}

/// Fewest rows of a class that have a direction.
const LEAST: usize = 20;

impl OfVectors for SpectralSignature {
    const ID: &'static str = "spectral-signature";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        let score = flat.by_class(classes, LEAST, |vectors| signature(vectors, flat.cols, ctx.seed()));
        Suspicion::uncalibrated(score)
    }
}

of_vectors!(SpectralSignature);
