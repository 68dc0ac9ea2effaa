//! Exponentials that the compiler can turn into vector instructions, alike on every machine.

use crate::lanes::{laned, largest};

/// `e^x` in single precision, relative error below 3e-7; saturates outside `[-87, 88]`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting it rounds to an integer
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, so that the rest keeps its last bits (Cody and Waite 1980)
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_66;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    let scale = f32::from_bits(((n as i32 + 127) << 23) as u32);
    p * scale
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Turns logits into shares that sum to one, in place.
#[inline(always)]
pub(crate) fn softmax(z: &mut [f32]) {
    let top = largest(z);
    z.iter_mut().for_each(|v| *v = exp(*v - top));
    let scale = 1.0 / laned(z, z, |v, _| v);
    z.iter_mut().for_each(|v| *v *= scale);
}

/// Probabilities of all classes from the logits of a row: one logit is that of class 1 of two.
pub(crate) fn probabilities(z: &[f32], out: &mut [f32]) {
    let classes = out.len();
    if z.len() == 1 || classes <= 2 {
        let p = sigmoid(z.first().copied().unwrap_or(0.0));
        if classes == 1 {
            out[0] = 1.0;
        } else if let [a, b, ..] = out {
            (*a, *b) = (1.0 - p, p);
        }
    } else {
        out.copy_from_slice(&z[..classes]);
        softmax(out);
    }
    if out.iter().any(|p| !p.is_finite()) {
        out.fill(1.0 / classes as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_and_saturates() {
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) / want - 1.0).abs() < 3e-7, "{x}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
        assert!(exp(f32::INFINITY).is_finite());
        assert!((sigmoid(0.0) - 0.5).abs() < 1e-7);
    }
}
