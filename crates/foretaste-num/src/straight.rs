//! Columns of numbers on a scale on which they are straight and alike.

fn signed_log(v: f64) -> f64 {
    v.signum() * v.abs().ln_1p()
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len().saturating_sub(1)) as f64 * share).round() as usize).copied().unwrap_or(0.0)
}

/// How unequal the two halves around the median are, 0 to 1; 1 if there is no width.
fn skew(sorted: &[f64], map: impl Fn(f64) -> f64) -> f64 {
    let (low, mid, high) =
        (map(quantile(sorted, 0.01)), map(quantile(sorted, 0.5)), map(quantile(sorted, 0.99)));
    let width = high - low;
    if width > 0.0 && width.is_finite() { ((high - mid) - (mid - low)).abs() / width } else { 1.0 }
}

/// Values centred at the median and divided by a robust standard deviation, cut at four; missing is zero.
/// `sorted`: the finite ones of `values`, ascending.
#[must_use]
pub fn scaled(values: &[f64], sorted: &[f64]) -> Vec<f32> {
    let log = skew(sorted, signed_log) < skew(sorted, |v| v);
    let map = |v: f64| if log { signed_log(v) } else { v };
    let middle = map(quantile(sorted, 0.5));
    let quartiles = (map(quantile(sorted, 0.75)) - map(quantile(sorted, 0.25))) / 1.349;
    let finite: Vec<f64> = sorted.iter().map(|&v| map(v)).filter(|v| v.is_finite()).collect();
    let deviation =
        (finite.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / finite.len().max(1) as f64).sqrt();
    // more than half equal: the quartiles tell nothing, the deviation does
    let unit = if quartiles > 0.1 * deviation { quartiles } else { deviation };
    let factor = if unit > 0.0 && unit.is_finite() { 1.0 / unit } else { 0.0 };
    values
        .iter()
        .map(|&v| {
            if v.is_nan() || factor == 0.0 {
                0.0
            } else {
                ((map(v) - middle) * factor).clamp(-4.0, 4.0) as f32
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steep_numbers_are_straightened_and_missing_ones_are_nothing() {
        let values: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 100.0).exp()).collect();
        let out = scaled(&values, &values);
        // the logarithm is even: the quartiles of a uniform one lie 0.67 normal deviations from the middle
        assert!(
            (out[250] + 0.6745).abs() < 0.02 && (out[750] - 0.6745).abs() < 0.02,
            "{} {}",
            out[250],
            out[750]
        );
        assert_eq!(scaled(&[f64::NAN, 1e9], &values), [0.0, 4.0]);
        assert_eq!(scaled(&[3.0, 3.0], &[3.0, 3.0]), [0.0, 0.0]);
        assert_eq!(scaled(&[1.0], &[]), [0.0]);
    }
}
