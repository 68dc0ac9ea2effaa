use super::calibrate::{CalibrateOptions, calibrate};
use super::*;
use crate::ngrams::Csr;
use crate::rng::Rng;

/// Rows around one centre per class, with labels.
fn blobs(n: usize, dim: usize, classes: usize, spread: f64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = Rng::new(7, "blobs");
    let centres: Vec<f64> = (0..classes * dim).map(|_| rng.normal()).collect();
    let mut data = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..n {
        let y = rng.below(classes);
        labels.push(y as u32);
        data.extend((0..dim).map(|j| (centres[y * dim + j] + spread * rng.normal()) as f32));
    }
    (data, labels)
}

fn sparse_of(data: &[f32], dim: usize) -> Csr {
    let mut csr = Csr::empty(dim);
    data.chunks_exact(dim).for_each(|row| csr.push_row(row.iter().enumerate().map(|(c, &v)| (c as u32, v))));
    csr
}

/// Gradient of the objective by its definition, in double precision.
fn gradient(model: &Softmax, data: &[f32], labels: &[u32], weights: &[f32], l2: f64) -> Vec<f64> {
    let (dim, lanes) = (model.cols, model.intercept.len());
    let mut out = vec![0f64; lanes * (dim + 1)];
    for ((x, &y), &s) in data.chunks_exact(dim).zip(labels).zip(weights) {
        let mut z: Vec<f64> = (0..lanes)
            .map(|l| {
                let w = &model.weights[l * dim..][..dim];
                f64::from(model.intercept[l])
                    + x.iter().zip(w).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            })
            .collect();
        if lanes == 1 {
            z.insert(0, 0.0);
        }
        let sum: f64 = z.iter().map(|v| v.exp()).sum();
        for l in 0..lanes {
            let class = if lanes == 1 { 1 } else { l };
            let r = f64::from(s) * (z[class].exp() / sum - f64::from(u8::from(class == y as usize)));
            for (j, &v) in x.iter().enumerate() {
                out[l * (dim + 1) + j] += r * f64::from(v);
            }
            out[l * (dim + 1) + dim] += r;
        }
    }
    for l in 0..lanes {
        for j in 0..dim {
            out[l * (dim + 1) + j] += l2 * f64::from(model.weights[l * dim + j]);
        }
    }
    out
}

#[test]
fn a_fit_is_a_stationary_point_of_the_objective() {
    for classes in [2, 3, 7] {
        let (data, labels) = blobs(700, 5, classes, 1.0);
        let weights: Vec<f32> = (0..700).map(|i| 0.25 + (i % 4) as f32).collect();
        let options = FitOptions { l2: 2.0, max_iterations: 500, tolerance: 1e-12 };
        let rows = Rows::Dense { data: &data, dim: 5 };
        let model = fit(rows, &labels, Some(&weights), classes, &options);
        let worst = gradient(&model, &data, &labels, &weights, 2.0).iter().fold(0f64, |m, g| m.max(g.abs()));
        assert!(worst < 0.02, "{classes} classes: {worst}");
        let sparse = sparse_of(&data, 5);
        let other = fit(Rows::Sparse(&sparse), &labels, Some(&weights), classes, &options);
        let (a, b) = (model.predict_proba(rows), other.predict_proba(Rows::Sparse(&sparse)));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 2e-4));
    }
}

#[test]
fn weights_match_scikit_learn() {
    // LogisticRegression(C=1, tol=1e-10) on these rows, scikit-learn 1.x
    let data = [0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 3.0, 3.0, 0.5, 2.0, 2.5, 0.0];
    let labels = [0, 0, 1, 1, 0, 1];
    let options = FitOptions { l2: 1.0, max_iterations: 500, tolerance: 1e-12 };
    let model = fit(Rows::Dense { data: &data, dim: 2 }, &labels, None, 2, &options);
    let got = [model.weights[0], model.weights[1], model.intercept[0]];
    for (g, w) in got.iter().zip(SCIKIT_BINARY) {
        assert!((g - w).abs() < 1e-3, "{got:?}");
    }
}
/// Weights and intercept.
const SCIKIT_BINARY: [f32; 3] = [1.217_549, 0.084_995_8, -1.911_264_3];

#[test]
fn out_of_fold_is_the_same_on_any_number_of_threads() {
    let (data, labels) = blobs(1500, 6, 4, 1.5);
    let sparse = sparse_of(&data, 6);
    let options = FoldOptions { robust: Some(Robust { rounds: 1 }), ..FoldOptions::default() };
    for rows in [Rows::Dense { data: &data, dim: 6 }, Rows::Sparse(&sparse)] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| out_of_fold(rows, &labels, 4, None, &options))
        };
        let one = with(1);
        assert!(one.accuracy > 0.7, "{}", one.accuracy);
        assert_eq!(one, with(2));
        assert_eq!(one, with(5));
    }
}

#[test]
fn held_out_probabilities_equal_those_of_a_model_of_the_other_folds() {
    let (data, labels) = blobs(400, 4, 3, 1.5);
    let rows = Rows::Dense { data: &data, dim: 4 };
    let options =
        FoldOptions { l2: Some(3.0), tolerance: 1e-11, max_iterations: 400, ..FoldOptions::default() };
    let out = out_of_fold(rows, &labels, 3, None, &options);
    for fold in 0..5 {
        let weights: Vec<f32> = out.fold.iter().map(|&f| if f == fold { 0.0 } else { 1.0 }).collect();
        let fitted = FitOptions { l2: 3.0, max_iterations: 400, tolerance: 1e-11 };
        let alone = fit(rows, &labels, Some(&weights), 3, &fitted).predict_proba(rows);
        for i in (0..400).filter(|&i| out.fold[i] == fold) {
            for c in 0..3 {
                assert!((alone[i * 3 + c] - out.probs[i * 3 + c]).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn few_rows_are_trained_on_when_bounded_and_all_are_scored() {
    let (data, labels) = blobs(1000, 4, 3, 1.0);
    let rows = Rows::Dense { data: &data, dim: 4 };
    let options = FoldOptions { max_rows: 300, ..FoldOptions::default() };
    let out = out_of_fold(rows, &labels, 3, None, &options);
    assert_eq!(out.trained_rows, 300);
    let full = out_of_fold(rows, &labels, 3, None, &FoldOptions::default());
    assert_eq!(full.trained_rows, 1000);
    assert!(out.accuracy > full.accuracy - 0.05);
}

#[test]
fn folds_are_stratified_and_keep_groups() {
    let labels: Vec<u32> = (0..1000).map(|i| u32::from(i % 10 == 0)).collect();
    let folds = assign_folds(&labels, 2, None, 5, 3);
    for f in 0..5 {
        let of = |y: u32| (0..1000).filter(|&i| folds[i] == f && labels[i] == y).count();
        assert_eq!((of(0), of(1)), (180, 20));
    }
    let groups: Vec<u32> = (0..1000).map(|i| i / 7).collect();
    let folds = assign_folds(&labels, 2, Some(&groups), 5, 3);
    for i in 1..1000 {
        assert!(groups[i] != groups[i - 1] || folds[i] == folds[i - 1]);
    }
    for f in 0..5 {
        let size = folds.iter().filter(|&&g| g == f).count();
        assert!((190..=210).contains(&size), "{size}");
    }
}

#[test]
fn odd_input_gives_equal_shares_or_finite_numbers() {
    let options = FoldOptions::default();
    let none = out_of_fold(Rows::Dense { data: &[], dim: 0 }, &[], 3, None, &options);
    assert!(none.probs.is_empty());
    let one = out_of_fold(Rows::Dense { data: &[1.0, 2.0], dim: 2 }, &[1], 2, None, &options);
    assert_eq!(one.probs.len(), 2);
    let bad = [f32::NAN, f32::INFINITY, 1.0, f32::NEG_INFINITY, 0.0, 1e30, -1e30, 3.0];
    let out =
        out_of_fold(Rows::Dense { data: &bad, dim: 1 }, &[0, 1, 0, 1, 9, 1, 0, u32::MAX], 2, None, &options);
    assert!(out.probs.iter().all(|p| p.is_finite()));
    let same = out_of_fold(Rows::Dense { data: &[1.0; 30], dim: 1 }, &[0; 30], 3, None, &options);
    assert!(same.probs.iter().all(|p| p.is_finite()) && same.accuracy == 1.0);
    let unlabelled = out_of_fold(Rows::Dense { data: &bad, dim: 1 }, &[u32::MAX; 8], 2, None, &options);
    assert!(unlabelled.probs.iter().all(|&p| p == 0.5));
    let single = out_of_fold(Rows::Dense { data: &bad, dim: 1 }, &[0; 8], 1, None, &options);
    assert!(single.probs.iter().all(|&p| p == 1.0));
    let empty = calibrate(&[], &[], 0, &CalibrateOptions::default());
    assert!(empty.q0.is_empty() && empty.floor == 0.0);
}

/// Replaces a share `e` of labels uniformly, so that `e (1 - 1/C)` are wrong.
fn replaced(labels: &[u32], classes: usize, e: f64) -> Vec<u32> {
    let mut rng = Rng::new(11, "replace");
    labels.iter().map(|&y| if rng.unit() < e { rng.below(classes) as u32 } else { y }).collect()
}

#[test]
fn uniform_noise_is_estimated_within_a_fifth() {
    let (data, labels) = blobs(12_000, 8, 5, 0.6);
    for e in [0.01, 0.05, 0.10] {
        let noisy = replaced(&labels, 5, e);
        let rows = Rows::Dense { data: &data, dim: 8 };
        let out = out_of_fold(rows, &noisy, 5, None, &FoldOptions::default());
        let fitted = calibrate(&[&out.probs], &noisy, 5, &CalibrateOptions::default());
        let wrong = labels.iter().zip(&noisy).filter(|(a, b)| a != b).count() as f64 / 12_000.0;
        assert!((fitted.noise_rate() / wrong - 1.0).abs() < 0.2, "{wrong} {}", fitted.noise_rate());
        assert!((0.2..2.0).contains(&fitted.temperature()));
    }
}

#[test]
fn stacking_finds_the_better_channel() {
    let mut rng = Rng::new(5, "channels");
    let labels: Vec<u32> = (0..4000).map(|_| rng.below(3) as u32).collect();
    let mut channel = |strength: f64| -> Vec<f32> {
        let mut out = Vec::new();
        for &y in &labels {
            let z: Vec<f64> = (0..3)
                .map(|c| (strength * (f64::from(u8::from(c == y as usize)) + 0.7 * rng.normal())).exp())
                .collect();
            let sum: f64 = z.iter().sum();
            out.extend(z.iter().map(|v| (v / sum) as f32));
        }
        out
    };
    let (good, poor) = (channel(2.0), channel(0.0));
    let fitted = calibrate(&[&good, &poor], &labels, 3, &CalibrateOptions::default());
    assert!(fitted.weights[0] > 0.5 && fitted.floor < 0.05, "{:?}", fitted.weights);
    let alone = calibrate(&[&good], &labels, 3, &CalibrateOptions::default());
    assert!(fitted.log_likelihood >= alone.log_likelihood - 1e-6);
    let offsets = CalibrateOptions { offsets: true, ..CalibrateOptions::default() };
    assert!(calibrate(&[&good], &labels, 3, &offsets).log_likelihood >= alone.log_likelihood - 1e-4);
    // a part of the rows says nearly the same, of all rows
    let part =
        calibrate(&[&good], &labels, 3, &CalibrateOptions { max_rows: 1000, ..CalibrateOptions::default() });
    assert!((part.weights[0] / alone.weights[0] - 1.0).abs() < 0.1 && part.q0.len() == alone.q0.len());
    assert!(part.weights != alone.weights && part.log_likelihood >= alone.log_likelihood - 1e-3);
}

#[test]
fn equal_doubt_everywhere_is_noise() {
    // 98 % sure of all 500, and 10 of them are labelled otherwise: a floor and an honest doubt are equally likely
    let labels: Vec<u32> = (0..500).map(|i| u32::from(i % 2 == 1) ^ u32::from(i % 50 == 7)).collect();
    let p: Vec<f32> = (0..500).flat_map(|i| if i % 2 == 0 { [0.98, 0.02] } else { [0.02, 0.98] }).collect();
    let fitted = calibrate(&[&p], &labels, 2, &CalibrateOptions::default());
    assert!((0.03..0.09).contains(&fitted.floor), "{}", fitted.floor);
    assert!(fitted.q0[1] < 0.005, "{}", fitted.q0[1]);
    let plain = CalibrateOptions { floor: false, ..CalibrateOptions::default() };
    let fitted = calibrate(&[&p], &labels, 2, &plain);
    assert!(fitted.floor == 0.0 && (fitted.q0[1] - 0.02).abs() < 0.002, "{}", fitted.q0[1]);
}

#[test]
fn where_a_descent_begins_does_not_change_where_it_ends() {
    for classes in [2, 3] {
        let (data, labels) = blobs(400, 5, classes, 1.5);
        let rows = Rows::Dense { data: &data, dim: 5 };
        let options = FitOptions { l2: 1.0, max_iterations: 500, tolerance: 1e-12 };
        let stiff = fit(rows, &labels, None, classes, &FitOptions { l2: 50.0, ..options });
        let (plain, from) = (
            fit(rows, &labels, None, classes, &options),
            fit_from(rows, &labels, None, classes, &options, Some(&stiff)),
        );
        let apart = plain.weights.iter().zip(&from.weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-3, "{classes} classes: {apart}");
        // a model of another shape is no start
        let other = Softmax { cols: 4, ..stiff };
        assert_eq!(fit_from(rows, &labels, None, classes, &options, Some(&other)), plain);
    }
}
