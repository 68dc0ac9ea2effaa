//! The angle of a slope, the same on every machine and cheap enough for every pixel.

use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// Angle of `(x, y)` in radians, from `-PI` to `PI`: `atan2(y, x)`, to within 3e-7. Zero where both are zero.
///
/// Reduction to an eighth of a turn and the polynomial of degree nine of Moshier, "Methods and Programs for Mathematical
/// Functions", 1989. Without branches on the path of a value, so that loops over pixels stay wide.
#[must_use]
pub(crate) fn angle(y: f32, x: f32) -> f32 {
    let (a, b) = (y.abs(), x.abs());
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    // tan(PI / 8): above, the angle is PI / 4 less a small one
    let far = low > 0.414_213_57 * high;
    let (over, under) = if far { (low - high, low + high) } else { (low, high) };
    let t = if under > 0.0 { over / under } else { 0.0 };
    let s = t * t;
    let small = (((0.080_537_446 * s - 0.138_776_86) * s + 0.199_777_11) * s - 0.333_329_5) * s * t + t;
    let eighth = if far { small + FRAC_PI_4 } else { small };
    let first = if a < b { eighth } else { FRAC_PI_2 - eighth };
    let first = if high > 0.0 { first } else { 0.0 };
    let upper = if x < 0.0 { PI - first } else { first };
    if y < 0.0 { -upper } else { upper }
}

#[cfg(test)]
mod tests {
    use super::angle;

    #[test]
    fn it_is_atan2() {
        let mut worst = 0f64;
        for i in -300..=300 {
            for j in -300..=300 {
                let (y, x) = (i as f32 * 0.0173, j as f32 * 0.0131);
                if (i, j) != (0, 0) {
                    let want = f64::from(y).atan2(f64::from(x));
                    worst = worst.max((f64::from(angle(y, x)) - want).abs());
                }
            }
        }
        assert!(worst < 3e-7, "{worst:e}");
        assert_eq!(angle(0.0, 0.0), 0.0);
        assert!((angle(1e-30, -1e-30) - 0.75 * std::f32::consts::PI).abs() < 1e-6);
    }
}
