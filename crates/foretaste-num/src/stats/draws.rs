//! Tests by draws.

/// Most draws of a test: the least p-value is one in ten thousand.
const DRAWS: usize = 9999;
/// A test ends when so many draws are as extreme as what was seen.
const ENOUGH: usize = 20;

/// P-value by draws from the null, of which each says whether it is as extreme as what was seen; 1e-4 at the least.
///
/// Exact at any number of draws (Dwass, Annals of Mathematical Statistics 1957), also if they end early, where nothing is to be seen
/// (Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 1991).
#[must_use]
pub fn monte_carlo(mut as_extreme: impl FnMut() -> bool) -> f64 {
    let mut extreme = 0;
    for draws in 1..=DRAWS {
        extreme += usize::from(as_extreme());
        if extreme == ENOUGH {
            return ENOUGH as f64 / draws as f64;
        }
    }
    (1 + extreme) as f64 / (1 + DRAWS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_p_value_keeps_its_level_and_ends_early() {
        let mut rng = Rng::new(3, "draws");
        let mut below = 0;
        for _ in 0..400 {
            let seen = rng.unit();
            let p = monte_carlo(|| rng.unit() <= seen);
            below += usize::from(p <= 0.05);
        }
        assert!((8..=36).contains(&below), "{below} of 400 at level 0.05");
        let mut draws = 0;
        assert_eq!(
            monte_carlo(|| {
                draws += 1;
                true
            }),
            1.0
        );
        assert_eq!(draws, ENOUGH);
        assert_eq!(monte_carlo(|| false), 1e-4);
    }
}
