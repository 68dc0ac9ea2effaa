//! Sums in eight lanes: with one, each addition would wait for the last. Always in the same order, so always the same bytes.

const LANES: usize = 8;

/// Sum of products in double precision.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (mut lanes, n) = ([0f64; LANES], a.len().min(b.len()));
    let (a, b) = (&a[..n], &b[..n]);
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for k in 0..LANES {
            lanes[k] += a[k] * b[k];
        }
    }
    let tail = n - n % LANES;
    lanes.iter().sum::<f64>() + a[tail..].iter().zip(&b[tail..]).map(|(a, b)| a * b).sum::<f64>()
}

/// Sum of `value` over pairs of numbers in single precision.
#[inline(always)]
pub(crate) fn laned(a: &[f32], b: &[f32], value: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| value(*a, *b)).sum();
    for (a, b) in a.zip(b) {
        for k in 0..LANES {
            lanes[k] += value(a[k], b[k]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Largest of some numbers; those that are not numbers do not count.
#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut tops = [f32::NEG_INFINITY; LANES];
    let parts = values.chunks_exact(LANES);
    let rest = parts.remainder().iter().fold(f32::NEG_INFINITY, |a, b| larger(a, *b));
    for part in parts {
        tops.iter_mut().zip(part).for_each(|(a, b)| *a = larger(*a, *b));
    }
    tops.iter().fold(rest, |a, b| larger(a, *b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_add_up_to_the_plain_sum() {
        for n in [0, 1, 7, 8, 9, 43] {
            let (a, b): (Vec<f64>, Vec<f64>) = (0..n).map(|i| (f64::from(i), 0.5 - f64::from(i % 3))).unzip();
            let want: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!((dot(&a, &b) - want).abs() < 1e-12);
            let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<f32>>();
            let (a, b) = (narrow(&a), narrow(&b));
            assert!((f64::from(laned(&a, &b, |a, b| a * b)) - want).abs() < 1e-4);
            let top = a.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&a), top);
        }
    }
}
