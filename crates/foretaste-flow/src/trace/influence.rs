//! What each training sample adds to an answer.

use foretaste_core::{MISSING, Picked};
use foretaste_num::shapley::knn_shapley;
use foretaste_num::softmax::{FitOptions, Rows, Softmax, fit};
use foretaste_victims::encode::Encoded;
use rayon::prelude::*;

/// Rows handled by one task.
const ROWS: usize = 1024;

/// The training data as the model sees them.
pub struct Learner<'a> {
    rows: &'a Encoded,
    /// Labels; [`MISSING`] also for rows that are never learnt from.
    pub labels: Vec<u32>,
    /// Number of classes.
    pub classes: usize,
    options: FitOptions,
}

impl<'a> Learner<'a> {
    /// For all samples but those at `left_out`.
    pub fn new(rows: &'a Encoded, train: &Picked, classes: usize, left_out: &[u64]) -> Self {
        let mut labels: Vec<u32> = (0..train.len()).map(|i| train.label(i)).collect();
        for &row in left_out {
            if let Some(label) = labels.get_mut(row as usize) {
                *label = MISSING;
            }
        }
        let known = labels.iter().filter(|l| **l != MISSING).count().max(1);
        // the penalty of the victim `softmax-regression`
        let l2: f64 = if matches!(rows.rows(), Rows::Sparse(_)) { 0.1 } else { 1.0 };
        // the sum over samples is exact at the minimum: go nearer to it than a victim has to
        let options = FitOptions { l2: l2.min(known as f64), ..FitOptions::default() };
        Self { rows, labels, classes, options }
    }

    /// Trains, without the rows named if there are some.
    pub fn train(&self, without: Option<&[u64]>) -> Model {
        let weights = without.map(|rows| {
            let mut weights = vec![1f32; self.labels.len()];
            for &row in rows {
                if let Some(w) = weights.get_mut(row as usize) {
                    *w = 0.0;
                }
            }
            weights
        });
        Model(fit(self.rows.rows(), &self.labels, weights.as_deref(), self.classes, &self.options))
    }

    /// Share of the labels that a model agrees with.
    pub fn agreement(&self, model: &Model) -> f64 {
        let answers = model.answers(self.rows.rows());
        let known = self.labels.iter().zip(&answers).filter(|(l, _)| **l != MISSING);
        let (hits, all) = known.fold((0u64, 0u64), |(h, n), (l, a)| (h + u64::from(l == a), n + 1));
        hits as f64 / all.max(1) as f64
    }

    /// Products of all rows with one dense row, and their squared distances to it.
    fn beside(&self, other: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let length: f64 = other.iter().map(|v| f64::from(*v).powi(2)).sum();
        let one =
            |products: f64, own: f64| (products as f32, (own - 2.0 * products + length).max(0.0) as f32);
        let pairs: Vec<(f32, f32)> = match self.rows.rows() {
            Rows::Sparse(csr) => (0..csr.rows())
                .into_par_iter()
                .with_min_len(ROWS)
                .map(|i| {
                    let (at, values) = csr.row(i);
                    let entries = at
                        .iter()
                        .zip(values)
                        .map(|(c, v)| (f64::from(*v), other.get(*c as usize).copied().unwrap_or(0.0)));
                    let (product, own) =
                        entries.fold((0.0, 0.0), |(p, o), (v, w)| (p + v * f64::from(w), o + v * v));
                    one(product, own)
                })
                .collect(),
            Rows::Dense { data, dim } => data
                .par_chunks_exact(dim.max(1))
                .with_min_len(ROWS)
                .map(|row| {
                    let entries = row.iter().zip(other).map(|(v, w)| (f64::from(*v), f64::from(*w)));
                    let (product, own) = entries.fold((0.0, 0.0), |(p, o), (v, w)| (p + v * w, o + v * v));
                    one(product, own)
                })
                .collect(),
        };
        pairs.into_iter().unzip()
    }

    /// Cosine of the angle between row `i` and every row; 0 for rows of zeros.
    pub fn cosines(&self, i: usize) -> Vec<f32> {
        let row = dense_row(self.rows.rows(), i);
        let length = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let (products, distances) = self.beside(&row);
        let cosine = |(p, d): (&f32, &f32)| {
            // the row's own squared length, back from the distance
            let own = f64::from(*d) + 2.0 * f64::from(*p) - length;
            let norm = (own.max(0.0) * length).sqrt();
            if norm > 0.0 { (f64::from(*p) / norm) as f32 } else { 0.0 }
        };
        products.iter().zip(&distances).map(cosine).collect()
    }
}

/// Row `i` with its zeros.
fn dense_row(rows: Rows<'_>, i: usize) -> Vec<f32> {
    match rows {
        Rows::Sparse(csr) => {
            let mut out = vec![0.0; csr.cols];
            let (at, values) = csr.row(i);
            at.iter().zip(values).for_each(|(c, v)| out[*c as usize] = *v);
            out
        }
        Rows::Dense { data, dim } => data.get(i * dim..(i + 1) * dim).unwrap_or_default().to_vec(),
    }
}

/// A trained softmax regression.
pub struct Model(Softmax);

impl Model {
    /// Class probabilities, row after row.
    pub fn probabilities(&self, rows: Rows<'_>) -> Vec<f32> {
        self.0.predict_proba(rows)
    }

    /// The likeliest class of each row, the first of equals.
    pub fn answers(&self, rows: Rows<'_>) -> Vec<u32> {
        let top = |p: &[f32]| (0..p.len()).fold(0, |best, c| if p[c] > p[best] { c } else { best }) as u32;
        self.probabilities(rows).chunks_exact(self.0.classes.max(1)).map(top).collect()
    }
}

/// What each training sample adds to the answers.
pub struct Influence {
    /// What it adds to the lead of the answer over the other classes (each by how likely it is), in logits; mean over the
    /// inputs. The sum over all samples is the lead, but for intercepts.
    pub pull: Vec<f64>,
    /// Shapley value for the neighbours' vote; mean over the inputs.
    pub shapley: Vec<f64>,
    towards: f64,
}

impl Influence {
    /// For answers `explained` about the rows `asked`.
    ///
    /// At the minimum of the loss with the penalty, `W_c = sum over i of (1[y_i = c] - p_ic) x_i / l2`: the answer's
    /// logits are sums over samples (representer theorem; Yeh, Kim, Yen and Ravikumar, NeurIPS 2018). Weighed by the
    /// gradient of the input's own loss, this is the similarity of gradients of TracIn (Pruthi and others, NeurIPS 2020),
    /// `(p_i - onehot_i) (p - onehot) <x_i, x>`, in units of the logit.
    pub fn new(learner: &Learner<'_>, model: &Model, asked: Rows<'_>, explained: &[u32], k: usize) -> Self {
        let (n, classes) = (learner.labels.len(), learner.classes);
        let own = model.probabilities(learner.rows.rows());
        let given = model.probabilities(asked);
        let (mut pull, mut shapley) = (vec![0f64; n], vec![0f64; n]);
        for (q, &answer) in explained.iter().enumerate() {
            let (products, mut distances) = learner.beside(&dense_row(asked, q));
            let rivals = rivals(&given[q * classes..][..classes], answer);
            // two classes share one logit
            let unit = learner.options.l2 * if classes == 2 { 2.0 } else { 1.0 };
            pull.par_iter_mut().enumerate().with_min_len(ROWS).for_each(|(i, sum)| {
                let label = learner.labels[i];
                if label == MISSING {
                    return;
                }
                let residual =
                    |c: usize| f64::from(u8::from(label as usize == c)) - f64::from(own[i * classes + c]);
                let along: f64 = (0..classes).map(|c| residual(c) * rivals[c]).sum();
                *sum += along * f64::from(products[i]) / unit;
            });
            for (d, label) in distances.iter_mut().zip(&learner.labels) {
                if *label == MISSING {
                    *d = f32::INFINITY;
                }
            }
            let values = knn_shapley(&distances, &learner.labels, answer, k);
            shapley.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        }
        let count = explained.len().max(1) as f64;
        pull.iter_mut().chain(&mut shapley).for_each(|v| *v /= count);
        let towards = pull.iter().filter(|p| **p > 0.0).sum();
        Self { pull, shapley, towards }
    }

    /// The part of a sample in all that pulls towards the answer; 0 if it pulls away.
    pub fn share(&self, i: usize) -> f64 {
        if self.towards > 0.0 { self.pull[i].max(0.0) / self.towards } else { 0.0 }
    }

    /// Rows that pull towards the answer, strongest first.
    pub fn strongest(&self) -> Vec<u64> {
        let mut order: Vec<u64> =
            (0..self.pull.len() as u64).filter(|i| self.pull[*i as usize] > 0.0).collect();
        order.sort_unstable_by(|&a, &b| {
            self.pull[b as usize].total_cmp(&self.pull[a as usize]).then(a.cmp(&b))
        });
        order
    }
}

/// 1 for the answer; for the others minus their probability among themselves.
fn rivals(p: &[f32], answer: u32) -> Vec<f64> {
    let rest: f64 =
        p.iter().enumerate().filter(|(c, _)| *c != answer as usize).map(|(_, p)| f64::from(*p)).sum();
    let alike = 1.0 / (p.len().max(2) - 1) as f64;
    let of = |(c, p): (usize, &f32)| match c == answer as usize {
        true => 1.0,
        false if rest > 0.0 => -f64::from(*p) / rest,
        false => -alike,
    };
    p.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::rng::Rng;

    fn learner<'a>(rows: &'a Encoded, labels: Vec<u32>, classes: usize) -> Learner<'a> {
        Learner {
            rows,
            labels,
            classes,
            options: FitOptions { l2: 1.0, max_iterations: 1000, tolerance: 1e-10 },
        }
    }

    #[test]
    fn pulls_sum_to_the_lead_of_the_answer() {
        for classes in [2, 3] {
            let mut rng = Rng::new(5, "pull");
            let (n, dim) = (200, 4);
            let labels: Vec<u32> = (0..n).map(|i| (i % classes) as u32).collect();
            let row = |i: usize, rng: &mut Rng| {
                (0..dim)
                    .map(|c| (rng.normal() + f64::from(u8::from(i % classes == c))) as f32)
                    .collect::<Vec<f32>>()
            };
            let data: Vec<f32> = (0..n).flat_map(|i| row(i, &mut rng)).collect();
            let rows = Encoded::Dense(data.clone(), dim);
            let learner = learner(&rows, labels, classes);
            let model = learner.train(None);
            let asked = Rows::Dense { data: &[1.0, -0.5, 0.3, 2.0], dim };
            let p = model.probabilities(asked);
            let got: f64 = Influence::new(&learner, &model, asked, &[1], 5).pull.iter().sum();
            let b = &model.0.intercept;
            let log = |c: usize| f64::from(p[c]).ln() - if classes == 2 { 0.0 } else { f64::from(b[c]) };
            let rest: f64 = (0..classes).filter(|c| *c != 1).map(|c| f64::from(p[c])).sum();
            let mut want: f64 = log(1)
                - (0..classes).filter(|c| *c != 1).map(|c| f64::from(p[c]) / rest * log(c)).sum::<f64>();
            if classes == 2 {
                want -= f64::from(b[0]);
            }
            assert!((got - want).abs() < 0.01 * want.abs().max(1.0), "{classes}: {got} for {want}");
        }
    }

    #[test]
    fn what_a_sample_pulls_is_what_goes_without_it() {
        // taking one sample out moves the probability the way its pull says
        let mut rng = Rng::new(9, "loo");
        let (n, dim) = (60, 3);
        let labels: Vec<u32> = (0..n).map(|i| (i % 2) as u32).collect();
        let data: Vec<f32> = (0..n * dim)
            .map(|at| (rng.normal() + if at / dim % 2 == 1 { 0.7 } else { 0.0 }) as f32)
            .collect();
        let rows = Encoded::Dense(data, dim);
        let learner = learner(&rows, labels, 2);
        let model = learner.train(None);
        let asked = Rows::Dense { data: &[0.4, 0.1, 0.9], dim };
        let influence = Influence::new(&learner, &model, asked, &[1], 5);
        let p = model.probabilities(asked)[1];
        let order = influence.strongest();
        let without = |row: u64| p - learner.train(Some(&[row])).probabilities(asked)[1];
        assert!(order[..5].iter().all(|&row| without(row) > 0.0));
        let away = (0..n as u64)
            .min_by(|a, b| influence.pull[*a as usize].total_cmp(&influence.pull[*b as usize]))
            .unwrap();
        assert!(without(away) < 0.0);
        assert!(
            (influence.share(order[0] as usize) - influence.pull[order[0] as usize] / influence.towards)
                .abs()
                < 1e-12
        );
    }

    #[test]
    fn cosines_are_those_of_the_rows() {
        let rows = Encoded::Dense(vec![1.0, 0.0, 1.0, 1.0, 0.0, 0.0, -2.0, 0.0], 2);
        let got = learner(&rows, vec![0, 1, 0, 1], 2).cosines(0);
        for (a, b) in got.iter().zip([1.0, 0.5f32.sqrt(), 0.0, -1.0]) {
            assert!((a - b).abs() < 1e-6, "{got:?}");
        }
    }
}
