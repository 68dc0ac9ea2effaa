//! A keyed generator, fixed for ever: manifests and reports depend on its bytes.
//!
//! Splitmix64 (Steele, Lea, Flood 2014) over a key, so that draw `n` of stream `key` can be computed
//! anywhere without drawing the ones before it.

/// A stream of pseudo-random numbers named by a seed and a key.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

/// One step of splitmix64: a bijection that mixes all bits.
#[must_use]
pub fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream named `key` under `seed`.
    #[must_use]
    pub fn new(seed: u64, key: &str) -> Self {
        let mut h = mix(seed);
        for b in key.bytes() {
            h = mix(h ^ u64::from(b));
        }
        Self { state: h }
    }

    /// Stream number `n` of those named `key` under `seed`: what is random about row `n` and no other.
    #[must_use]
    pub fn at(seed: u64, key: &str, n: u64) -> Self {
        Self::new(seed, key).branch(n)
    }

    /// The stream of number `n` under this one, as [`Rng::at`] gives it: for loops, where the key is mixed once.
    #[must_use]
    pub fn branch(&self, n: u64) -> Self {
        Self { state: mix(self.state ^ mix(n)) }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let out = mix(self.state);
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        out
    }

    /// Uniform in `0..n` (multiply-shift; bias below 2^-32 for n < 2^32). Zero when `n` is zero.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in `[0, 1)` with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box-Muller, first half).
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.unit();
        let v = self.unit();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_fixed_for_ever() {
        let mut r = Rng::new(7, "label-flip");
        let mut again = Rng::new(7, "label-flip");
        let first: Vec<u64> = (0..3).map(|_| r.next_u64()).collect();
        assert_eq!(first, (0..3).map(|_| again.next_u64()).collect::<Vec<_>>());
        assert_ne!(Rng::new(8, "label-flip").next_u64(), first[0]);
        assert_ne!(Rng::new(7, "label-flop").next_u64(), first[0]);
        assert_ne!(Rng::at(7, "label-flip", 0).next_u64(), Rng::at(7, "label-flip", 1).next_u64());
    }

    #[test]
    fn below_and_normal_have_the_right_moments() {
        let mut r = Rng::new(1, "m");
        let n = 20_000;
        let mean = (0..n).map(|_| r.below(10) as f64).sum::<f64>() / f64::from(n);
        assert!((mean - 4.5).abs() < 0.1);
        let var = (0..n).map(|_| r.normal().powi(2)).sum::<f64>() / f64::from(n);
        assert!((var - 1.0).abs() < 0.05);
    }
}
