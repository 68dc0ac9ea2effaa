//! The scale on which a target is learned, and slips of the pen on it.

/// Standard deviations at which a target is cut before it is learned from.
const CUT: f64 = 4.0;
/// How much straighter the logarithm must be to be taken.
const STRAIGHTER: f64 = 0.05;

/// A target as it is, or its signed logarithm where that is less skewed; the middle 80 % as wide as in a standard normal. What
/// is outside may be poison, so that nothing outside decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    log: bool,
    middle: f64,
    unit: f64,
}

impl Target {
    /// Looks at the finite ones of `values`; `None` if they do not vary.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |share: f64| sorted[(last as f64 * share).round() as usize];
        let skew = |log: bool| {
            let [low, middle, high] = [0.1, 0.5, 0.9].map(|share| mapped(log, at(share)));
            let width = high - low;
            if width > 0.0 { ((high - middle) - (middle - low)).abs() / width } else { 1.0 }
        };
        let log = skew(true) < skew(false) - STRAIGHTER;
        let of = |share: f64| mapped(log, at(share));
        let mut unit = ((of(0.75) - of(0.25)) / 1.349).max((of(0.9) - of(0.1)) / 2.563);
        if unit <= 0.0 {
            // nine in ten are equal: the deviation tells what the quantiles do not
            let n = sorted.len() as f64;
            let mean = sorted.iter().map(|v| mapped(log, *v)).sum::<f64>() / n;
            unit = (sorted.iter().map(|v| (mapped(log, *v) - mean).powi(2)).sum::<f64>() / n).sqrt();
        }
        (unit > 0.0 && unit.is_finite()).then(|| Self { log, middle: of(0.5), unit })
    }

    /// In standard deviations from the middle.
    pub fn scaled(&self, value: f64) -> f64 {
        (mapped(self.log, value) - self.middle) / self.unit
    }

    /// The same, cut.
    pub fn cut(&self, value: f64) -> f64 {
        self.scaled(value).clamp(-CUT, CUT)
    }

    /// What a scaled value stands for.
    pub fn value(&self, scaled: f64) -> f64 {
        let mapped = self.middle + scaled * self.unit;
        if self.log { mapped.signum() * mapped.abs().exp_m1() } else { mapped }
    }
}

fn mapped(log: bool, v: f64) -> f64 {
    if log { v.signum() * v.abs().ln_1p() } else { v }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_straighter_scale_is_taken_and_goes_back() {
        let even: Vec<f64> = (0..1000).map(f64::from).collect();
        let steep: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 100.0).exp()).collect();
        let (even, steep) = (Target::of(&even).unwrap(), Target::of(&steep).unwrap());
        assert!(!even.log && steep.log);
        for t in [even, steep] {
            assert!((t.value(t.scaled(77.0)) - 77.0).abs() < 1e-9);
            assert_eq!(t.cut(1e12), CUT.min(t.scaled(1e12)));
        }
        assert!(Target::of(&[]).is_none() && Target::of(&[3.0; 9]).is_none());
        assert!(Target::of(&[f64::NAN, 1.0, 2.0]).is_some());
    }
}
