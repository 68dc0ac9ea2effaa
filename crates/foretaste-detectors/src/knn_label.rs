//! Label disagreement among neighbours.

use crate::gather::{Flat, OfVectors, of_vectors};
use foretaste_core::{Ctx, MISSING, Role, Suspicion};
use foretaste_macros::Catalogue;
use foretaste_num::knn::Neighbours;

/// Labels that the nearest neighbours contradict.
///
/// # What it finds
/// Samples whose label differs from that of the samples around them: scattered labelling errors, random label flips.
///
/// # How it works
/// The `k` nearest other samples (exact, Euclidean; vectors made from text, images or embeddings have
/// unit length, so the order is that of the cosine) vote with weight
/// `1 / (1 + rank)`. Votes are divided by the size of the class, so that rare classes are not outvoted by frequency alone,
/// and smoothed by the class shares. Suspicion is 1 minus the share of the given label.
///
/// # Threat model
/// The attacker changes labels of samples whose neighbours are honest. Nothing about the features is assumed.
///
/// # Cost
/// Exact neighbours of the set with itself: rows squared times dimension over 2 multiplications; state is the vectors.
///
/// # Blind spots
/// Flips that come in clumps (a region, a subpopulation, copies) vouch for each other. Vectors that do not separate
/// the classes make honest samples look wrong. The score only orders: it has no null.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only knn-label --set knn-label.k=20
/// ```
///
/// # References
/// Paudice, Muñoz-González, Lupu, "Label Sanitization against Label Flipping Poisoning Attacks", 2018.
#[derive(Clone, Debug, Catalogue)]
pub struct KnnLabel {
    /// Number of neighbours that vote.
    #[param(min = 1, max = 1000)]
    pub k: usize,
}

impl Default for KnnLabel {
    fn default() -> Self {
        Self { k: 15 }
    }
}

impl OfVectors for KnnLabel {
    const ID: &'static str = "knn-label";
    const NEEDS: &'static [Role] = &[Role::Label, Role::Embedding];

    fn judge(&self, flat: &Flat, ctx: &Ctx) -> Suspicion {
        let near = ctx.neighbours(&flat.values, flat.cols, self.k);
        let classes = ctx.profile().classes.len();
        let votes = Votes::new(&flat.labels, classes);
        let (mut score, mut expected) = (Vec::with_capacity(flat.labels.len()), Vec::with_capacity(flat.labels.len()));
        let mut shares = vec![0.0; classes];
        for (i, &given) in flat.labels.iter().enumerate() {
            votes.shares(&near, self.k, i, &flat.labels, &mut shares);
            let (own, best) = (votes.own(&shares, given), votes.best(&shares));
            score.push(own.map_or(0.0, |o| 1.0 - o) as f32);
            expected.push(best);
        }
        Suspicion { score, expected: Some(expected), ..Suspicion::default() }
    }
}

of_vectors!(KnnLabel);

/// Class sizes, for votes that are not won by frequency alone.
struct Votes {
    prior: Vec<f64>,
}

impl Votes {
    fn new(labels: &[u32], classes: usize) -> Self {
        let mut prior = vec![1.0; classes];
        for l in labels.iter().filter(|l| (**l as usize) < classes) {
            prior[*l as usize] += 1.0;
        }
        let total: f64 = prior.iter().sum();
        prior.iter_mut().for_each(|p| *p /= total.max(1.0));
        Self { prior }
    }

    /// Fills `shares` with the smoothed vote of the neighbours of `i`; sums to 1.
    fn shares(&self, near: &Neighbours, k: usize, i: usize, labels: &[u32], shares: &mut [f64]) {
        // Half of the class imbalance is taken out: none of it lets the largest class win near every border,
        // all of it lets a single neighbour of a rare class win.
        shares.iter_mut().zip(&self.prior).for_each(|(s, p)| *s = p.sqrt());
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|s| *s /= total.max(f64::MIN_POSITIVE));
        for (rank, &j) in near.index[i * near.k..(i + 1) * near.k].iter().take(k).enumerate() {
            let Some(&label) = labels.get(j as usize) else { continue };
            if let Some(share) = shares.get_mut(label as usize) {
                *share += 1.0 / (1.0 + rank as f64) / self.prior[label as usize].sqrt().max(1e-3);
            }
        }
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|s| *s /= total.max(f64::MIN_POSITIVE));
    }

    fn own(&self, shares: &[f64], given: u32) -> Option<f64> {
        shares.get(given as usize).copied()
    }

    fn best(&self, shares: &[f64]) -> u32 {
        let mut best = (MISSING, f64::NEG_INFINITY);
        for (c, &s) in shares.iter().enumerate() {
            if s > best.1 {
                best = (c as u32, s);
            }
        }
        best.0
    }
}
