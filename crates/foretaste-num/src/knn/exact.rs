//! Distances straight from the definition, in double precision and in a fixed order of addition, so
//! that they are the same bytes on every machine.

use super::Metric;
use super::points::Points;
use super::tile::Isa;

/// Cosine distances below this are the rounding of the lengths: rows that differ by one unit in the
/// last place of one value are about 1e-15 apart.
const COSINE_NOISE: f64 = 1e-20;

/// Squared Euclidean distance, or one minus the cosine, of point `i` of `a` and point `j` of `b`.
///
/// One minus the cosine is taken as half the squared difference of the unit vectors, which is exact
/// to the last digits for near rows too. A zero row is at distance one of every row.
pub fn measure(metric: Metric, isa: Isa, a: (&Points, usize), b: (&Points, usize)) -> f64 {
    let (x, y) = (a.0.source.row(a.0.rows[a.1]), b.0.source.row(b.0.rows[b.1]));
    if metric == Metric::Euclidean {
        return sum(isa, x, y, 1.0, 1.0);
    }
    let (p, q) = (a.0.inverse[a.1], b.0.inverse[b.1]);
    if p == 0.0 || q == 0.0 {
        return 1.0;
    }
    let half = 0.5 * sum(isa, x, y, p, q);
    if half < COSINE_NOISE { 0.0 } else { half }
}

/// The distance that is reported: single precision, so that distances which differ only by rounding
/// are equal and the smaller index wins.
pub fn reported(metric: Metric, measure: f64) -> f32 {
    let d = if metric == Metric::Euclidean { measure.sqrt() } else { measure };
    (d as f32).min(f32::MAX)
}

fn sum(isa: Isa, x: &[f32], y: &[f32], p: f64, q: f64) -> f64 {
    match isa {
        Isa::Portable => squares(x, y, p, q),
        // SAFETY: `Isa::detect` gives these variants only where the processor has AVX2.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => unsafe { squares_avx2(x, y, p, q) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn squares_avx2(x: &[f32], y: &[f32], p: f64, q: f64) -> f64 {
    squares(x, y, p, q)
}

/// Eight running sums, added at the end: the order does not depend on the instruction set.
#[inline(always)]
fn squares(x: &[f32], y: &[f32], p: f64, q: f64) -> f64 {
    let mut sums = [0f64; 8];
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ys, y_rest) = y.as_chunks::<8>();
    for (x, y) in xs.iter().zip(ys) {
        for l in 0..8 {
            let d = f64::from(x[l]) * p - f64::from(y[l]) * q;
            sums[l] += d * d;
        }
    }
    for ((x, y), s) in x_rest.iter().zip(y_rest).zip(&mut sums) {
        let d = f64::from(*x) * p - f64::from(*y) * q;
        *s += d * d;
    }
    sums.iter().sum()
}
