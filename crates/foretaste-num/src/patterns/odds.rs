//! Planted or natural: three likelihood ratios, all in nats. By nature none exceeds x more often than `exp(-x)` of the time
//! if the natural model holds (Markov), which makes a p-value of them.

use crate::stats::{ln_gamma, median};

/// By how much the strength of an added pattern varies, as a share of it: clipping and rounding.
const STEADY: [f64; 3] = [0.0, 0.05, 0.1];
/// The same for what belongs to the pictures: light, size and place vary.
const NATURAL: [f64; 3] = [0.12, 0.2, 0.3];
/// Share of a planted group that may be honest pictures which happen to lie at its end.
const STRAYS: f64 = 0.1;
/// Weight of the shares of the classes, in samples, for what was planted: they are not met exactly.
const SPREAD: f64 = 100.0;
/// The same for natural groups: the lower, the more a group keeps to few classes.
const CLUMPED: [f64; 3] = [1.0, 3.0, 10.0];

/// Is the strength of the pattern the same everywhere? `strengths`: along the pattern, in units in which pictures without it
/// vary by `around`.
pub(super) fn steady(strengths: &[f64], around: f64) -> f64 {
    let centre = median(strengths);
    let variance = |share: f64| (around.powi(2) + (share * centre).powi(2)).max(1e-12);
    let log_density = |s: f64, v: f64| -0.5 * ((s - centre).powi(2) / v + v.ln());
    let natural = |share: &f64| strengths.iter().map(|s| log_density(*s, variance(*share))).sum::<f64>();
    let planted = |share: &f64| {
        let strays = variance(NATURAL[NATURAL.len() - 1]);
        let one = |s: &f64| {
            let (own, stray) = (log_density(*s, variance(*share)), log_density(*s, strays));
            let top = own.max(stray);
            top + ((1.0 - STRAYS) * (own - top).exp() + STRAYS * (stray - top).exp()).ln()
        };
        strengths.iter().map(one).sum::<f64>()
    };
    mixture(STEADY.iter().map(planted)) - mixture(NATURAL.iter().map(natural))
}

/// Do they stand apart from the rest of the class, or are they one end of it? Two normal heaps, each picture in its own,
/// against one; a half of one heap loses more by the choice of the heap than it gains by being narrower. Three more numbers
/// are fitted for two heaps (Schwarz 1978).
pub(super) fn apart(strengths: &[f64], rest: &[f64]) -> f64 {
    let n = (strengths.len() + rest.len()) as f64;
    let all: Vec<f64> = strengths.iter().chain(rest).copied().collect();
    heap(strengths, n) + heap(rest, n) - heap(&all, n) - 1.5 * n.max(1.0).ln()
}

/// Log-likelihood of a normal heap at its best, and of its numbers being in it among `of`.
fn heap(values: &[f64], of: f64) -> f64 {
    let n = values.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / n;
    // whitened strengths vary by one where there is no pattern; a heap of a few is no narrower than half of that
    let variance = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).max(0.25);
    n * ((n / of).ln() - 0.5 * variance.ln() - 0.5)
}

/// Are they pictures of all classes, but for the pattern? `counts`: pictures by the class that they look like without it;
/// `like`: what the rest of their class looks like; `shares` of the classes. The class itself is left out of all three.
pub(super) fn spread(counts: &[f64], like: &[f64], shares: &[f64]) -> f64 {
    let share = |of: &[f64]| {
        let sum: f64 = of.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        of.iter().map(|v| v / sum).collect::<Vec<f64>>()
    };
    let shares = share(shares);
    // one sample's worth of the shares, so that no class is impossible
    let like = share(&like.iter().zip(&shares).map(|(l, s)| l + s).collect::<Vec<f64>>());
    let planted = dirichlet_multinomial(counts, &shares, SPREAD);
    let natural = CLUMPED
        .iter()
        .flat_map(|w| [dirichlet_multinomial(counts, &like, *w), dirichlet_multinomial(counts, &shares, *w)]);
    planted - mixture(natural)
}

/// Log-probability of one order of these counts if their shares are drawn around `centre` (Dirichlet) with a weight.
fn dirichlet_multinomial(counts: &[f64], centre: &[f64], weight: f64) -> f64 {
    let n: f64 = counts.iter().sum();
    let one = |(k, c): (&f64, &f64)| {
        let a = (weight * c).max(1e-9);
        ln_gamma(a + k) - ln_gamma(a)
    };
    ln_gamma(weight) - ln_gamma(weight + n) + counts.iter().zip(centre).map(one).sum::<f64>()
}

/// Log of the mean of `exp` of some values.
fn mixture(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + (values.iter().map(|v| (v - top).exp()).sum::<f64>() / values.len().max(1) as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn added_patterns_are_steady_and_parts_of_pictures_are_not() {
        let mut rng = Rng::new(1, "odds");
        let mut drawn = |sd: f64| -> Vec<f64> { (0..50).map(|_| 12.0 + sd * rng.normal()).collect() };
        assert!(steady(&drawn(1.0), 1.0) > 5.0, "{}", steady(&drawn(1.0), 1.0));
        assert!(steady(&drawn(3.0), 1.0) < -5.0, "{}", steady(&drawn(3.0), 1.0));
        let strayed: Vec<f64> = drawn(1.0).into_iter().chain([4.0, 5.0]).collect();
        assert!(steady(&strayed, 1.0) > 0.0, "{}", steady(&strayed, 1.0));
    }

    #[test]
    fn two_heaps_stand_apart_and_the_end_of_one_does_not() {
        let mut rng = Rng::new(2, "odds");
        let mut all: Vec<f64> = (0..300).map(|_| 40.0 + 3.0 * rng.normal()).collect();
        all.sort_by(f64::total_cmp);
        for cut in [20, 150, 280] {
            assert!(apart(&all[cut..], &all[..cut]) < 0.0, "{cut}");
        }
        let far: Vec<f64> = (0..20).map(|_| 60.0 + rng.normal()).collect();
        assert!(apart(&far, &all) > 30.0);
    }

    #[test]
    fn a_draw_of_all_classes_is_told_from_a_clump() {
        let shares = [1.0; 20];
        let mut like = [0.0; 20];
        like[3] = 30.0;
        like[4] = 10.0;
        let even = [4.0; 20];
        let mut clump = [0.0; 20];
        clump[3] = 50.0;
        clump[4] = 30.0;
        assert!(spread(&even, &like, &shares) > 10.0);
        assert!(spread(&clump, &like, &shares) < -50.0);
    }

    #[test]
    fn a_dirichlet_multinomial_is_that_of_an_urn() {
        // Polya's urn: a draw of each of two classes at weight 2 and even shares: 1/2 * 1/3
        let p = dirichlet_multinomial(&[1.0, 1.0], &[0.5, 0.5], 2.0).exp();
        assert!((p - 1.0 / 6.0).abs() < 1e-12);
    }
}
