//! Whether numbers fall into two kinds.

/// Numbers in two parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Distance of the means in units of the root of the sum of both variances: Ashman's D without its root of two.
    pub separation: f64,
    /// Least number of the upper part.
    pub cut: f64,
}

/// The cut at which both parts are farthest from each other for their widths, the upper of at least `least` numbers and
/// the lower of as many (Ashman, Bird, Zepf 1994, equation 4, taken over all cuts). Numbers of one normal distribution come to about 2,
/// its tails to 3. `None` with fewer than `2 * least` numbers or if they do not differ.
#[must_use]
pub fn widest_split(values: &[f64], least: usize) -> Option<Split> {
    let (n, least) = (values.len(), least.max(1));
    if n < 2 * least || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mean = sorted.iter().sum::<f64>() / n as f64;
    // from the mean, so that squares keep their digits
    let (total, square) =
        sorted.iter().fold((0.0, 0.0), |(s, q), v| (s + (v - mean), q + (v - mean).powi(2)));
    // equal numbers on both sides are not infinitely far
    let floor = 1e-3 * square / n as f64;
    if floor <= 0.0 {
        return None;
    }
    let (mut best, mut s, mut q): (Option<Split>, f64, f64) = (None, 0.0, 0.0);
    for below in 1..=n - least {
        let v = sorted[below - 1] - mean;
        (s, q) = (s + v, q + v * v);
        if below < least || sorted[below] <= sorted[below - 1] {
            continue;
        }
        let (low, high) = (below as f64, (n - below) as f64);
        let (m1, m2) = (s / low, (total - s) / high);
        let (v1, v2) = ((q / low - m1 * m1).max(0.0), ((square - q) / high - m2 * m2).max(0.0));
        let separation = (m2 - m1) / (v1 + v2 + floor).sqrt();
        if best.as_ref().is_none_or(|b| separation > b.separation) {
            best = Some(Split { separation, cut: sorted[below] });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn drawn(n: usize, far: usize, distance: f64) -> Vec<f64> {
        let mut rng = Rng::new(5, "modes");
        (0..n).map(|i| rng.normal() + if i < far { distance } else { 0.0 }).collect()
    }

    #[test]
    fn two_kinds_are_told_apart() {
        let values = drawn(500, 50, 10.0);
        let s = widest_split(&values, 5).unwrap();
        assert!((s.separation - 10.0 / 2f64.sqrt()).abs() < 1.0, "{}", s.separation);
        let wrong = values.iter().enumerate().filter(|(i, v)| (**v >= s.cut) != (*i < 50)).count();
        assert!(wrong <= 2, "{wrong} on the wrong side");
    }

    #[test]
    fn one_kind_is_not_far_from_itself() {
        assert!(widest_split(&drawn(1000, 0, 0.0), 10).unwrap().separation < 3.2);
        assert!(widest_split(&[1.0; 50], 5).is_none());
        assert!(widest_split(&drawn(8, 0, 0.0), 5).is_none());
    }

    #[test]
    fn the_cut_is_the_best_of_all() {
        let values = [5.0, 1.0, 2.0, 9.0, 10.0, 1.5, 9.5, 2.0];
        let apart = |cut: f64| {
            let part = |upper: bool| {
                let part: Vec<f64> = values.iter().copied().filter(|v| (*v >= cut) == upper).collect();
                let n = part.len() as f64;
                let mean = part.iter().sum::<f64>() / n;
                (n, mean, part.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n)
            };
            let ((n1, m1, v1), (n2, m2, v2)) = (part(false), part(true));
            let all = values.iter().sum::<f64>() / 8.0;
            let floor = 1e-3 * values.iter().map(|v| (v - all).powi(2)).sum::<f64>() / 8.0;
            if n1 >= 2.0 && n2 >= 2.0 { (m2 - m1) / (v1 + v2 + floor).sqrt() } else { f64::NEG_INFINITY }
        };
        let s = widest_split(&values, 2).unwrap();
        let best = values.iter().copied().max_by(|a, b| apart(*a).total_cmp(&apart(*b))).unwrap();
        assert_eq!(s.cut, best);
        assert!((s.separation - apart(best)).abs() < 1e-9);
    }
}
