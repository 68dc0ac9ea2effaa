//! A linear model that can say how its loss elsewhere answers to a change of one training sample.
//!
//! Softmax regression in `f64`, `min (1/M) sum_i w_i l(x_i, y_i; theta) + l2/2 |theta|^2` with `M = sum_i w_i`, solved by
//! Newton's method with conjugate gradients: the implicit gradient below holds at the optimum alone. The penalty is on
//! the intercepts as well, without which the Hessian has no inverse (all logits may move together).

/// Newton steps at most.
const NEWTON: usize = 50;
/// Conjugate-gradient steps at most.
const CONJUGATE: usize = 300;
/// The largest entry of the gradient at which the optimum counts as reached.
const FLAT: f64 = 1e-9;

/// Labelled rows with weights.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// `rows x dim`, row after row.
    pub x: Vec<f64>,
    /// Class codes, below the number of classes.
    pub labels: Vec<u32>,
    /// Weights of the rows.
    pub weights: Vec<f64>,
}

impl Set {
    /// Adds a row.
    pub fn push(&mut self, row: &[f64], label: u32, weight: f64) {
        self.x.extend(row);
        self.labels.push(label);
        self.weights.push(weight);
    }
}

/// Shape and penalty of the model. Parameters lie class after class, `dim` weights and the intercept.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// Numbers in a row.
    pub dim: usize,
    /// Classes.
    pub classes: usize,
    /// Strength of the penalty.
    pub l2: f64,
}

impl Linear {
    /// The minimiser, from `start`.
    pub fn fit(&self, set: &Set, start: Vec<f64>) -> Vec<f64> {
        self.near(set, start, FLAT)
    }

    /// A point at which no entry of the gradient is larger than `flat`, from `start`.
    pub fn near(&self, set: &Set, start: Vec<f64>, flat: f64) -> Vec<f64> {
        let mut theta = start;
        theta.resize(self.classes * (self.dim + 1), 0.0);
        let (mut loss, mut gradient) = self.loss(&theta, set, self.l2);
        for _ in 0..NEWTON {
            let size = dot(&gradient, &gradient).sqrt();
            if gradient.iter().all(|g| g.abs() < flat) {
                break;
            }
            let step = self.solve(&theta, set, &gradient, size.sqrt().min(0.1));
            let slope = dot(&gradient, &step);
            let mut length = 1.0;
            let moved = loop {
                let next: Vec<f64> = theta.iter().zip(&step).map(|(t, s)| t - length * s).collect();
                let (l, g) = self.loss(&next, set, self.l2);
                if l <= loss - 1e-4 * length * slope {
                    break Some((next, l, g));
                }
                length *= 0.5;
                if length < 1e-10 {
                    break None;
                }
            };
            // no way down that can be told from rounding: this is the optimum
            let Some((next, l, g)) = moved else { break };
            (theta, loss, gradient) = (next, l, g);
        }
        theta
    }

    /// Mean loss with the penalty `l2`, and its gradient.
    pub fn loss(&self, theta: &[f64], set: &Set, l2: f64) -> (f64, Vec<f64>) {
        let total: f64 = set.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let mut gradient: Vec<f64> = theta.iter().map(|t| l2 * t).collect();
        let mut loss = 0.5 * l2 * dot(theta, theta);
        let mut p = vec![0.0; self.classes];
        for ((row, label), weight) in set.x.chunks_exact(self.dim).zip(&set.labels).zip(&set.weights) {
            let share = weight / total;
            loss += share * self.residual(theta, row, *label, &mut p);
            self.outer(&mut gradient, share, &p, row);
        }
        (loss, gradient)
    }

    /// `H^-1 right` at `theta`, until the residual is `tolerance` of the right side.
    pub fn solve(&self, theta: &[f64], set: &Set, right: &[f64], tolerance: f64) -> Vec<f64> {
        let total: f64 = set.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let mut probs = vec![0.0; set.labels.len() * self.classes];
        for (row, p) in set.x.chunks_exact(self.dim).zip(probs.chunks_exact_mut(self.classes)) {
            self.logits(theta, row, p);
            softmax(p);
        }
        let product = |v: &[f64]| {
            let mut out: Vec<f64> = v.iter().map(|v| self.l2 * v).collect();
            let mut a = vec![0.0; self.classes];
            let rows = set.x.chunks_exact(self.dim).zip(probs.chunks_exact(self.classes)).zip(&set.weights);
            for ((row, p), weight) in rows {
                self.logits(v, row, &mut a);
                spread(p, &mut a);
                self.outer(&mut out, weight / total, &a, row);
            }
            out
        };
        let (mut x, mut r) = (vec![0.0; right.len()], right.to_vec());
        let (mut d, mut square) = (r.clone(), dot(&r, &r));
        let enough = tolerance * tolerance * square;
        for _ in 0..CONJUGATE {
            if square <= enough || square == 0.0 {
                break;
            }
            let h = product(&d);
            let step = square / dot(&d, &h).max(f64::MIN_POSITIVE);
            x.iter_mut().zip(&d).for_each(|(x, d)| *x += step * d);
            r.iter_mut().zip(&h).for_each(|(r, h)| *r -= step * h);
            let next = dot(&r, &r);
            let keep = next / square;
            d.iter_mut().zip(&r).for_each(|(d, r)| *d = r + keep * *d);
            square = next;
        }
        x
    }

    /// How `<u, grad_theta l(x, y; theta)>` changes with `x`. With `u = H^-1 grad L_val`, less this times the weight of
    /// the sample over `M` is the gradient of the validation loss (Munoz-Gonzalez et al., equation 5).
    pub fn mixed(&self, theta: &[f64], u: &[f64], row: &[f64], label: u32) -> Vec<f64> {
        let (mut r, mut a) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        self.residual(theta, row, label, &mut r);
        let mut p = r.clone();
        if let Some(own) = p.get_mut(label as usize) {
            *own += 1.0;
        }
        self.logits(u, row, &mut a);
        spread(&p, &mut a);
        let mut out = vec![0.0; self.dim];
        for c in 0..self.classes {
            let from = c * (self.dim + 1);
            for (k, o) in out.iter_mut().enumerate() {
                *o += r[c] * u[from + k] + a[c] * theta[from + k];
            }
        }
        out
    }

    /// How far the logit of the label is above that of its strongest rival, and the rival.
    pub fn margin(&self, theta: &[f64], row: &[f64], label: u32) -> (f64, u32) {
        let mut z = vec![0.0; self.classes];
        self.logits(theta, row, &mut z);
        let own = z.get(label as usize).copied().unwrap_or(0.0);
        let rivals = (0..).zip(z).filter(|(c, _)| *c != label);
        let (rival, most) = rivals.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((label, own));
        (own - most, rival)
    }

    /// Loss of one row; `p` becomes the probabilities less one at the label.
    fn residual(&self, theta: &[f64], row: &[f64], label: u32, p: &mut [f64]) -> f64 {
        self.logits(theta, row, p);
        let own = p.get(label as usize).copied().unwrap_or(0.0);
        let loss = softmax(p) - own;
        if let Some(own) = p.get_mut(label as usize) {
            *own -= 1.0;
        }
        loss
    }

    fn logits(&self, theta: &[f64], row: &[f64], out: &mut [f64]) {
        for (w, o) in theta.chunks_exact(self.dim + 1).zip(out) {
            *o = w[self.dim] + dot(&w[..self.dim], row);
        }
    }

    /// Adds `share * a (x, 1)^T`.
    fn outer(&self, out: &mut [f64], share: f64, a: &[f64], row: &[f64]) {
        for (w, a) in out.chunks_exact_mut(self.dim + 1).zip(a) {
            let by = share * a;
            w.iter_mut().zip(row).for_each(|(w, x)| *w += by * x);
            w[self.dim] += by;
        }
    }
}

/// Scalar product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Logits to probabilities; returns the logarithm of the sum of exponentials.
fn softmax(z: &mut [f64]) -> f64 {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    z.iter_mut().for_each(|z| *z = (*z - top).exp());
    let sum: f64 = z.iter().sum();
    z.iter_mut().for_each(|z| *z /= sum);
    top + sum.ln()
}

/// `(diag(p) - p p^T) a`, in place.
fn spread(p: &[f64], a: &mut [f64]) {
    let mean = dot(p, a);
    a.iter_mut().zip(p).for_each(|(a, p)| *a = p * (*a - mean));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problem of `bench/peers/ref_gradient_poisoning.py`, without any randomness.
    fn problem(rows: usize, shift: f64, classes: usize) -> Set {
        let mut set = Set::default();
        for i in 0..rows {
            let (t, label) = (i as f64 + shift, (i % classes) as u32);
            let side = f64::from(label);
            set.x.extend([
                (1.3 * t).sin() + 0.9 * side,
                (0.7 * t).cos() - 0.5 * side,
                (2.1 * t).sin() * (0.4 * t).cos(),
            ]);
            set.labels.push(label);
            set.weights.push(1.0);
        }
        set
    }

    fn with(set: &Set, poison: &[f64], label: u32, weight: f64) -> Set {
        let mut out = set.clone();
        out.x.extend(poison);
        out.labels.push(label);
        out.weights.push(weight);
        out
    }

    const POISON: [f64; 3] = [0.8, -0.3, 0.5];

    fn implicit(model: Linear, train: &Set, validation: &Set, weight: f64) -> (f64, Vec<f64>) {
        let poisoned = with(train, &POISON, 0, weight);
        let theta = model.fit(&poisoned, vec![]);
        let (loss, right) = model.loss(&theta, validation, 0.0);
        let u = model.solve(&theta, &poisoned, &right, 1e-12);
        let total: f64 = poisoned.weights.iter().sum();
        let gradient = model.mixed(&theta, &u, &POISON, 0);
        (loss, gradient.into_iter().map(|g| -g * weight / total).collect())
    }

    #[test]
    fn the_implicit_gradient_is_that_of_finite_differences() {
        for (classes, weight) in [(2, 1.0), (3, 4.0)] {
            let model = Linear { dim: 3, classes, l2: 0.05 };
            let (train, validation) = (problem(24, 0.0, classes), problem(20, 100.0, classes));
            let (_, ours) = implicit(model, &train, &validation, weight);
            for (k, ours) in ours.iter().enumerate() {
                let at = |h: f64| {
                    let mut moved = POISON;
                    moved[k] += h;
                    let theta = model.fit(&with(&train, &moved, 0, weight), vec![]);
                    model.loss(&theta, &validation, 0.0).0
                };
                let theirs = (at(1e-4) - at(-1e-4)) / 2e-4;
                assert!((ours - theirs).abs() < 1e-7, "{classes} classes, column {k}: {ours} and {theirs}");
            }
        }
    }

    #[test]
    fn the_implicit_gradient_is_that_of_the_numpy_reference() {
        let wanted = [
            (2, 1.0, 0.495_507_831_1, [0.010_671_585_0, -0.006_260_521_1, 0.004_440_052_1]),
            (3, 4.0, 0.781_276_763_6, [0.036_580_123_2, -0.024_905_907_1, 0.054_600_472_4]),
        ];
        for (classes, weight, loss, gradient) in wanted {
            let model = Linear { dim: 3, classes, l2: 0.05 };
            let (ours, moved) =
                implicit(model, &problem(24, 0.0, classes), &problem(20, 100.0, classes), weight);
            assert!((ours - loss).abs() < 1e-9, "{ours} and {loss}");
            assert!(
                moved.iter().zip(gradient).all(|(a, b)| (a - b).abs() < 1e-9),
                "{moved:?} and {gradient:?}"
            );
        }
    }
}
