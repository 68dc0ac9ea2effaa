//! Do wrong labels go from class to class by a plan?
//!
//! [`crate::label_pairs`] asks of one direction whether it stands out. Where every class is moved to another, and few of each,
//! no direction does, but all of them together do. Given are labels that were found wrong, each with the class that it should be.
//!
//! *Scattered* labels do not care what a sample is: given which classes lost and which gained, who got which label is chance. The
//! number of pairs of samples that share both classes is compared with that of labels exchanged at random (none of which gives
//! a sample its own class back).
//! *Confusion* cares, but goes both ways: of all labels exchanged between two classes, those of one direction are binomial with the
//! share of that class among the samples of both. The sum of the two-sided log p-values is compared with draws.
//!
//! Both are [Monte Carlo tests](monte_carlo), and both must reject. One habit of an annotator would pass as well; so most classes that lost samples must have lost most of them to one other.

use crate::rng::Rng;
use crate::stats::{binomial_sf, monte_carlo};
use std::collections::BTreeMap;

/// Exchanges between two draws, for each label.
const EXCHANGES: usize = 10;
/// Most labels that are looked at.
const MOST: usize = 2000;
/// Fewest directions that make a plan.
const FEWEST: usize = 3;
/// Fewest labels that a class lost before it counts.
const LOST: usize = 2;

/// What wrong labels have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Ways {
    /// Directions in which a class lost most of its samples: what they are, what they are labelled, how many; by class.
    pub pairs: Vec<(u32, u32, u64)>,
    /// Classes that lost samples, two at least.
    pub classes: u64,
    /// The larger p-value of the two tests.
    pub p_value: f64,
}

/// `wrong`: expected and given class of labels found wrong. `sizes`: samples of each class. `None` if there is no plan to test for.
#[must_use]
pub fn ways(wrong: &[(u32, u32)], sizes: &[u64], seed: u64) -> Option<Ways> {
    let inside = |c: u32| (c as usize) < sizes.len();
    let mut wrong: Vec<(u32, u32)> =
        wrong.iter().copied().filter(|(a, b)| a != b && inside(*a) && inside(*b)).collect();
    // neither draws nor what is left out of many may depend on the order of rows
    wrong.sort_unstable();
    let wrong: Vec<(u32, u32)> = wrong.iter().copied().step_by(wrong.len().div_ceil(MOST).max(1)).collect();
    let counts = counted(wrong.iter().copied());
    let mut lost: BTreeMap<u32, u64> = BTreeMap::new();
    counts.iter().for_each(|((a, _), n)| *lost.entry(*a).or_default() += n);
    lost.retain(|_, n| *n >= LOST as u64);
    let most = |a: &u32| {
        let of = counts.range((*a, 0)..=(*a, u32::MAX));
        of.map(|((a, b), n)| (*a, *b, *n)).max_by_key(|(_, b, n)| (*n, std::cmp::Reverse(*b)))
    };
    let back = |a: u32, b: u32| counts.get(&(b, a)).copied().unwrap_or(0);
    let pairs: Vec<(u32, u32, u64)> = lost
        .keys()
        .filter_map(most)
        .filter(|(a, b, n)| 2 * n > lost[a] && *n >= LOST as u64 && *n > 2 * back(*a, *b))
        .collect();
    if pairs.len() < FEWEST || 2 * pairs.len() <= lost.len() {
        return None;
    }
    let p_value = scattered(&wrong, seed).max(confused(&counts, sizes, seed));
    Some(Ways { pairs, classes: lost.len() as u64, p_value })
}

fn counted(wrong: impl Iterator<Item = (u32, u32)>) -> BTreeMap<(u32, u32), u64> {
    let mut out = BTreeMap::new();
    wrong.for_each(|pair| *out.entry(pair).or_default() += 1);
    out
}

/// P-value of so many samples that share both classes, if labels were dealt at random.
fn scattered(wrong: &[(u32, u32)], seed: u64) -> f64 {
    let alike = |wrong: &[(u32, u32)]| -> u64 {
        counted(wrong.iter().copied()).values().map(|n| n * (n - 1) / 2).sum()
    };
    let seen = alike(wrong);
    let mut dealt = wrong.to_vec();
    let mut rng = Rng::new(seed, "label-ways/scattered");
    monte_carlo(|| {
        for _ in 0..EXCHANGES * dealt.len() {
            let (i, j) = (rng.below(dealt.len()), rng.below(dealt.len()));
            if dealt[i].0 != dealt[j].1 && dealt[j].0 != dealt[i].1 {
                (dealt[i].1, dealt[j].1) = (dealt[j].1, dealt[i].1);
            }
        }
        alike(&dealt) >= seen
    })
}

/// P-value of directions as uneven as these, if two classes were confused with each other.
fn confused(counts: &BTreeMap<(u32, u32), u64>, sizes: &[u64], seed: u64) -> f64 {
    let mut both: BTreeMap<(u32, u32), (u64, u64)> = BTreeMap::new();
    for ((a, b), n) in counts {
        let entry = both.entry((*a.min(b), *a.max(b))).or_default();
        if a < b { entry.0 += n } else { entry.1 += n }
    }
    both.retain(|_, (up, down)| *up + *down >= 2);
    // for each two classes: share of the first, and the surprise of 0, 1, ... labels that go up
    let exchanged: Vec<(f64, Vec<f64>)> = both
        .iter()
        .map(|((a, b), (up, down))| {
            let size = |c: u32| sizes[c as usize].max(1) as f64;
            let share = size(*a) / (size(*a) + size(*b));
            (share, surprises(up + down, share))
        })
        .collect();
    let seen: f64 = both.values().zip(&exchanged).map(|((up, _), (_, table))| table[*up as usize]).sum();
    let mut rng = Rng::new(seed, "label-ways/confused");
    monte_carlo(|| {
        let draw: f64 = exchanged
            .iter()
            .map(|(share, table)| table[(1..table.len()).filter(|_| rng.unit() < *share).count()])
            .sum();
        draw >= seen - 1e-9
    })
}

/// Minus the log of the two-sided p-value of 0 to `n` of `n`, each with probability `share`.
fn surprises(n: u64, share: f64) -> Vec<f64> {
    let two_sided = |up: u64| {
        let (more, fewer) = (binomial_sf(up, n, share), binomial_sf(n - up, n, 1.0 - share));
        -(2.0 * more.min(fewer)).clamp(1e-300, 1.0).ln()
    };
    (0..=n).map(two_sided).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(classes: u32, each: u32) -> Vec<(u32, u32)> {
        (0..classes * each).map(|i| (i % classes, (i + 1) % classes)).collect()
    }

    #[test]
    fn a_plan_is_seen_with_few_samples_of_each_class() {
        let found = ways(&plan(10, 3), &[100; 10], 1).unwrap();
        assert_eq!((found.pairs.len(), found.classes), (10, 10));
        assert!(found.p_value <= 0.002, "{}", found.p_value);
        // another order of the same labels is the same
        let mut turned = plan(10, 3);
        turned.reverse();
        assert_eq!(ways(&turned, &[100; 10], 1).unwrap(), found);
    }

    #[test]
    fn neither_chance_nor_confusion_is_a_plan() {
        let mut rng = Rng::new(7, "ways");
        let mut false_names = 0;
        for seed in 0..100 {
            let scatter: Vec<(u32, u32)> = (0..60)
                .map(|_| {
                    let a = rng.below(6);
                    (a as u32, ((a + 1 + rng.below(5)) % 6) as u32)
                })
                .collect();
            // neighbours are mistaken for each other, the larger class more often
            let sizes: Vec<u64> = (0..6).map(|c| if c % 2 == 0 { 300 } else { 100 }).collect();
            let confused: Vec<(u32, u32)> = (0..60)
                .map(|_| {
                    let pair = 2 * rng.below(3) as u32;
                    if rng.unit() < 0.75 { (pair, pair + 1) } else { (pair + 1, pair) }
                })
                .collect();
            for (wrong, sizes) in [(scatter, vec![100; 6]), (confused, sizes)] {
                false_names += usize::from(ways(&wrong, &sizes, seed).is_some_and(|w| w.p_value <= 0.01));
            }
        }
        assert!(false_names <= 4, "{false_names} of 200 at level 0.01");
    }

    #[test]
    fn little_and_odd_input_says_nothing() {
        assert_eq!(ways(&[], &[1, 2, 3], 0), None);
        assert_eq!(ways(&[(0, 1), (0, 1), (1, 0)], &[5, 5], 0), None);
        assert_eq!(ways(&[(9, 1), (0, 0)], &[5, 5], 0), None);
        assert_eq!(ways(&plan(2, 30), &[100; 2], 0), None);
    }
}
