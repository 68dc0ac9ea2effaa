use super::*;

/// Rows on two rings and between, which no linear model tells apart.
fn rings(n: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = Rng::new(2, "rings");
    let (mut rows, mut labels) = (vec![], vec![]);
    for i in 0..n {
        let (turn, label) = (rng.unit() * std::f64::consts::TAU, i % 3);
        let far = 0.5 + label as f64 + 0.1 * rng.normal();
        rows.extend([(far * turn.cos()) as f32, (far * turn.sin()) as f32, 0.0]);
        labels.push(label as u32);
    }
    (rows, labels)
}

fn sparse(dense: &[f32]) -> Csr {
    let mut out = Csr::empty(3);
    dense.chunks_exact(3).for_each(|row| out.push_row((0u32..).zip(row.iter().copied())));
    out
}

/// Loss with the penalty, one row at a time in double precision.
fn loss(net: &Mlp, params: &[f64], rows: &[f32], labels: &[u32], l2: f64) -> f64 {
    let mut sum = 0.0;
    for (row, label) in rows.chunks_exact(3).zip(labels) {
        let mut x: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
        let mut at = 0;
        for (k, pair) in net.sizes.windows(2).enumerate() {
            let w = |i: usize, o: usize| params[at + i * pair[1] + o];
            let z = |o: usize| (0..pair[0]).map(|i| x[i] * w(i, o)).sum::<f64>() + w(pair[0], o);
            let hidden = k + 2 < net.sizes.len();
            x = (0..pair[1]).map(z).map(|z| if hidden { z.max(0.0) } else { z }).collect();
            at += (pair[0] + 1) * pair[1];
        }
        sum += x.iter().map(|z| z.exp()).sum::<f64>().ln() - x[*label as usize];
    }
    let mut penalty = 0.0;
    let mut at = 0;
    for pair in net.sizes.windows(2) {
        penalty += params[at..at + pair[0] * pair[1]].iter().map(|w| 0.5 * l2 * w * w).sum::<f64>();
        at += (pair[0] + 1) * pair[1];
    }
    sum / labels.len() as f64 + penalty
}

fn differences(net: &Mlp, params: &[f64], rows: &[f32], labels: &[u32], l2: f64) -> Vec<f64> {
    let at = |k: usize, h: f64| {
        let mut moved = params.to_vec();
        moved[k] += h;
        loss(net, &moved, rows, labels, l2)
    };
    (0..params.len()).map(|k| (at(k, 1e-5) - at(k, -1e-5)) / 2e-5).collect()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (rows, labels) = rings(12);
    for hidden in [vec![5], vec![4, 3], vec![]] {
        let net = Mlp::new(3, 3, &hidden, 9);
        let wide: Vec<f64> = net.params.iter().map(|p| f64::from(*p)).collect();
        let want = differences(&net, &wide, &rows, &labels, 0.1);
        let all: Vec<u32> = (0..12).collect();
        for batch in [Rows::Dense { data: &rows, dim: 3 }, Rows::Sparse(&sparse(&rows))] {
            let got = net.gradient(&Batch::new(batch, &all), &labels, 0.1);
            for (g, w) in got.iter().zip(&want) {
                assert!((f64::from(*g) - w).abs() < 1e-4, "{hidden:?}: {g} instead of {w}");
            }
        }
    }
}

#[test]
fn steps_are_those_of_adam_as_published() {
    let (rows, labels) = rings(10);
    let options =
        MlpOptions { hidden: vec![4], epochs: 7, batch: 10, learning_rate: 0.01, l2: 0.01, seed: 4 };
    let trained = Mlp::train(Rows::Dense { data: &rows, dim: 3 }, &labels, 3, &options);
    let start = Mlp::new(3, 3, &[4], 4);
    let mut theta: Vec<f64> = start.params.iter().map(|p| f64::from(*p)).collect();
    let (mut m, mut v) = (vec![0f64; theta.len()], vec![0f64; theta.len()]);
    for t in 1..=7 {
        // a batch of all rows: their order changes nothing but rounding
        let g = differences(&start, &theta, &rows, &labels, 0.01);
        for k in 0..theta.len() {
            m[k] = 0.9 * m[k] + 0.1 * g[k];
            v[k] = 0.999 * v[k] + 0.001 * g[k] * g[k];
            let (first, second) = (m[k] / (1.0 - 0.9f64.powi(t)), v[k] / (1.0 - 0.999f64.powi(t)));
            theta[k] -= 0.01 * first / (second.sqrt() + 1e-8);
        }
    }
    for (got, want) in trained.params.iter().zip(&theta) {
        assert!((f64::from(*got) - want).abs() < 2e-3, "{got} instead of {want}");
    }
}

#[test]
fn rings_are_learnt_from_dense_and_from_sparse_rows() {
    let (rows, labels) = rings(600);
    let options =
        MlpOptions { hidden: vec![24, 12], epochs: 40, learning_rate: 0.01, ..MlpOptions::default() };
    for rows in [Rows::Dense { data: &rows, dim: 3 }, Rows::Sparse(&sparse(&rows))] {
        let net = Mlp::train(rows, &labels, 3, &options);
        let p = net.probabilities(rows);
        let right = p.chunks(3).zip(&labels).filter(|(p, l)| p[**l as usize] > 0.5).count();
        assert!(right > 580, "{right} of 600");
    }
}

#[test]
fn threads_change_nothing_and_odd_input_is_no_trouble() {
    let (rows, labels) = rings(700);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = MlpOptions { epochs: 2, ..MlpOptions::default() };
        pool.install(|| {
            let net = Mlp::train(Rows::Dense { data: &rows, dim: 3 }, &labels, 3, &options);
            (net.probabilities(Rows::Dense { data: &rows, dim: 3 }), net)
        })
    };
    assert!(run(1) == run(3));
    let odd = [f32::NAN, f32::INFINITY, 1.0, 0.0, 0.0, 0.0];
    let rows = Rows::Dense { data: &odd, dim: 3 };
    let net = Mlp::train(rows, &[0, u32::MAX], 2, &MlpOptions::default());
    assert!(net.probabilities(rows).iter().all(|p| p.is_finite()));
    assert_eq!(net.probabilities(Rows::Dense { data: &[1.0; 2], dim: 2 }), [0.5, 0.5]);
    let none = Mlp::train(Rows::Sparse(&Csr::empty(3)), &[], 2, &MlpOptions::default());
    assert!(none.probabilities(Rows::Sparse(&Csr::empty(3))).is_empty());
}
