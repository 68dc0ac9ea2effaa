//! Samples far from the centre of their class.

use crate::gather::{Flat, OfVectors, deep_only, of_vectors};
use foretaste_core::{AtEffort, Ctx, Effort, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::centroid_distance::sphere_and_slab;

/// Samples far from the centre of their class, anywhere or towards another class.
///
/// # What it finds
/// Rows made to pull a model by their length, outliers, and labels of samples deep inside another class.
///
/// # How it works
/// The centre of a class is the median of each coordinate. The sphere is the distance from it; the slab is the distance along
/// the line through it and the centre of another class, the largest over all other classes. Each is divided by the class's
/// median of it, and suspicion is the larger of the two.
///
/// # Threat model
/// The attacker adds or changes fewer than half of a class, and does not know that distances are measured.
///
/// # Cost
/// Rows times classes times dimension multiplications; state is the vectors. Left out at efforts below deep.
///
/// # Blind spots
/// Attacks that keep their distance, as most that were published since do. Classes of several parts; vectors of unit length,
/// among which nothing is far. The score only orders, and no finding is made of it: on clean data somebody is always
/// farthest.
///
/// # Example
/// ```text
/// foretaste trial --data spam.csv --attack gradient-poisoning --defence centroid-distance
/// ```
///
/// # References
/// Steinhardt, Koh, Liang, "Certified Defenses for Data Poisoning Attacks", NIPS 2017 (sphere and slab, with means and a
/// radius beyond which rows are removed). Koh, Steinhardt, Liang, "Stronger Data Poisoning Attacks Break Data Sanitization
/// Defenses", Machine Learning 2022 (attacks that keep inside).
#[derive(Clone, Debug, Default, Catalogue)]
pub struct CentroidDistance {}

impl OfVectors for CentroidDistance {
    const ID: &'static str = "centroid-distance";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn at(&self, effort: Effort) -> AtEffort {
        deep_only(effort)
    }

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let classes = ctx.profile().classes.len();
        Suspicion::uncalibrated(sphere_and_slab(&flat.values, flat.cols, &flat.labels, classes))
    }
}

of_vectors!(CentroidDistance);
