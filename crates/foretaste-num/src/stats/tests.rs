use super::*;
use crate::rng::Rng;

/// The numbers of one key of the fixture, which is flat on purpose.
fn golden(key: &str) -> Vec<f64> {
    let text = include_str!("../../tests/fixtures/stats.json");
    let at = text.find(&format!("\"{key}\": [")).unwrap_or_else(|| panic!("no {key}"));
    let body = &text[at + key.len() + 5..];
    body[..body.find(']').unwrap()].split(',').map(|t| t.trim().parse().unwrap()).collect()
}

fn close(a: f64, b: f64, relative: f64) -> bool {
    a == b || (a - b).abs() <= relative * b.abs().max(1e-300)
}

fn check<const N: usize>(key: &str, relative: f64, f: impl Fn([f64; N]) -> f64) {
    for row in golden(key).chunks_exact(N + 1) {
        let args: [f64; N] = row[..N].try_into().unwrap();
        let got = f(args);
        assert!(close(got, row[N], relative), "{key} {args:?}: {got:e}, want {:e}", row[N]);
    }
}

#[test]
fn special_functions_are_scipys() {
    check("ln_gamma", 1e-13, |[x]| ln_gamma(x));
    check("beta_inc", 1e-10, |[a, b, x]| beta_inc(a, b, x));
    check("gamma_q", 1e-10, |[a, x]| gamma_q(a, x));
    check("chi2_sf", 1e-10, |[x, df]| chi2_sf(x, df));
    check("normal_sf", 1e-12, |[z]| normal_sf(z));
    check("student_sf", 1e-10, |[t, df]| student_sf(t, df));
    check("normal_quantile", 1e-12, |[p]| normal_quantile(p));
}

#[test]
fn tails_are_scipys() {
    check("binomial_sf", 1e-10, |[k, n, p]| binomial_sf(k as u64, n as u64, p));
    check("poisson_sf", 1e-10, |[k, m]| poisson_sf(k as u64, m));
    check("hypergeometric_sf", 1e-9, |[k, a, m, d]| {
        hypergeometric_sf(k as u64, a as u64, m as u64, d as u64)
    });
    for (key, tail) in [("greater", Tail::Greater), ("less", Tail::Less), ("two", Tail::TwoSided)] {
        let table = |x: [f64; 4]| [[x[0] as u64, x[1] as u64], [x[2] as u64, x[3] as u64]];
        check(&format!("fisher/{key}"), 1e-9, |x| fisher_exact(table(x), tail));
    }
    let (low, high) = wilson_interval(7, 40, normal_quantile(0.975));
    let want = golden("wilson");
    assert!(close(low, want[0], 1e-12) && close(high, want[1], 1e-12));
}

#[test]
fn adjusted_p_values_are_scipys_in_any_order() {
    let p = golden("p");
    for (i, (a, b)) in adjust_bh(&p).into_iter().zip(golden("bh")).enumerate() {
        assert!(close(a, b, 1e-13), "{i}");
    }
    assert!(adjust_by(&p).into_iter().zip(golden("by")).all(|(a, b)| close(a, b, 1e-13)));
    let mut order: Vec<usize> = (0..p.len()).collect();
    Rng::new(1, "order").shuffle(&mut order);
    let shuffled: Vec<f64> = order.iter().map(|&i| p[i]).collect();
    let (straight, mixed) = (adjust_bh(&p), adjust_bh(&shuffled));
    assert!(order.iter().enumerate().all(|(at, &i)| mixed[at] == straight[i]));
    assert!(straight[40] == straight[41] && straight[41] == straight[42]);
    assert_eq!(simes(&p), straight.iter().copied().fold(1.0, f64::min));
    assert_eq!(
        reject_bh(&p, 0.1).iter().filter(|r| **r).count(),
        straight.iter().filter(|q| **q <= 0.1).count()
    );
    assert!(reject_by(&p, 0.1).iter().zip(reject_bh(&p, 0.1)).all(|(by, bh)| !by | bh));
    assert_eq!(adjust_bh(&[f64::NAN, 0.01]), [1.0, 0.02]);
}

#[test]
fn samples_are_scipys() {
    for i in 0..4 {
        let got = ks_two_sample(&golden(&format!("ks/{i}/a")), &golden(&format!("ks/{i}/b")));
        let want = golden(&format!("ks/{i}"));
        assert!(close(got.statistic, want[0], 1e-12), "{i}");
        assert!(close(got.p, want[1], 1e-9), "{i} {got:?} {want:?}");
    }
    let (g, p) = g_test(&[10.0, 20.0, 30.0, 5.0, 0.0], &[12.0, 18.0, 25.0, 9.0, 1.0], 0);
    assert!(close(g, golden("g")[0], 1e-12) && close(p, golden("g")[1], 1e-10));
    assert!(close(mad(&golden("p")), golden("mad")[0], 1e-12));
    assert_eq!((median(&[3.0, 1.0, f64::NAN]), median(&[5.0])), (2.0, 5.0));
    let large: Vec<f64> = (0..2000).map(f64::from).collect();
    assert!(ks_two_sample(&large, &large).p > 0.999);
    assert!(ks_two_sample(&large, &large.iter().map(|x| x + 200.0).collect::<Vec<_>>()).p < 1e-7);
}

/// All outcomes, trial by trial.
fn poisson_binomial(p: &[f64]) -> Vec<f64> {
    let mut state = vec![1.0];
    for p in p {
        state.push(0.0);
        for j in (1..state.len()).rev() {
            state[j] = state[j] * (1.0 - p) + state[j - 1] * p;
        }
        state[0] *= 1.0 - p;
    }
    state
}

#[test]
fn poisson_binomial_keeps_its_stated_error() {
    let mut rng = Rng::new(9, "pb");
    let mut worst = [0.0f64; 2];
    for (n, scale) in [(40, 1.0), (128, 0.3), (129, 0.05), (200, 0.1), (300, 0.5), (1000, 0.02), (1000, 1.0)]
    {
        let p: Vec<f64> = (0..n).map(|_| scale * rng.unit()).collect();
        let variance: f64 = p.iter().map(|p| p * (1.0 - p)).sum();
        let mass = poisson_binomial(&p);
        let mut tail = 0.0;
        for k in (0..=n).rev() {
            tail += mass[k];
            if tail < 1e-200 {
                continue;
            }
            let error = (poisson_binomial_sf(k as u64, &p) / tail - 1.0).abs();
            if n <= 128 || variance < 4.0 {
                assert!(error < 1e-10, "{n} {k} {error}");
            } else {
                let at = usize::from(variance >= 10.0);
                worst[at] = worst[at].max(error);
            }
        }
    }
    assert!(worst[0] < 1e-2 && worst[1] < 5e-3, "{worst:?}");
}

#[test]
fn poisson_binomial_edges() {
    assert_eq!(poisson_binomial_sf(0, &[]), 1.0);
    assert_eq!(poisson_binomial_sf(1, &[]), 0.0);
    assert_eq!(poisson_binomial_sf(2, &[1.0, 1.0, 0.0]), 1.0);
    assert_eq!(poisson_binomial_sf(3, &[1.0, 1.0, 0.5]), 0.5);
    assert!(poisson_binomial_sf(1, &[f64::NAN]).is_nan());
    assert!(close(poisson_binomial_sf(300, &[0.5; 300]), 0.5f64.powi(300), 1e-10));
    assert!(close(poisson_binomial_sf(130, &[0.3; 400]), binomial_sf(130, 400, 0.3), 1e-3));
}

#[test]
fn true_discoveries_are_the_definition() {
    let mut rng = Rng::new(3, "goeman");
    for t in 0..200 {
        let n = 1 + rng.below(40);
        let p: Vec<f64> = (0..n).map(|_| rng.unit().powi(1 + t % 5)).collect();
        let chosen = &p[..rng.below(n + 1)];
        let high = |k: usize| chosen.iter().filter(|p| **p > 0.1 * k as f64 / n as f64).count() + k - 1;
        let v = (1..=chosen.len()).map(high).min().unwrap_or(0).min(chosen.len());
        assert_eq!(true_discoveries(chosen, n, 0.1), chosen.len() - v);
    }
    assert_eq!(true_discoveries(&[1e-9; 5], 5, 0.05), 5);
    assert_eq!(true_discoveries(&[], 5, 0.05), 0);
}

#[test]
fn combinations_behave() {
    assert!(close(cauchy_combination(&[0.03], None), 0.03, 1e-12));
    assert!(close(cauchy_combination(&[1e-40; 3], None), 1e-40, 1e-12));
    assert!(close(cauchy_combination(&[1e-20, 1.0], Some(&[1.0, 0.0])), 1e-20, 1e-12));
    assert!(cauchy_combination(&[1e-9, 1.0], None) < 3e-9);
    assert_eq!(cauchy_combination(&[], None), 1.0);
    assert!(close(storey_pi0(&[0.6, 0.7, 0.1, 0.2, 0.3], 0.5), 0.8, 1e-12));
    assert_eq!(storey_pi0(&[], 0.5), 1.0);
}

#[test]
fn hostile_numbers_do_not_panic() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300, 1e-300];
    for a in odd {
        let _ =
            (ln_gamma(a), normal_sf(a), normal_quantile(a), mad(&[a, a]), median(&[a]), storey_pi0(&[a], a));
        let _ = (
            adjust_bh(&[a]),
            simes(&[a]),
            cauchy_combination(&[a], Some(&[a])),
            true_discoveries(&[a], 0, a),
        );
        for b in odd {
            let _ = (gamma_q(a, b), gamma_p(a, b), chi2_sf(a, b), g_test(&[a, 1.0], &[b, 1.0], 0));
            let _ = (beta_inc(a, b, 0.3), binomial_sf(3, 5, a), poisson_sf(2, b), ks_two_sample(&[a], &[b]));
        }
    }
    assert!(fisher_exact([[u64::MAX, 1], [1, 1]], Tail::Greater).is_nan());
    assert_eq!(fisher_exact([[0, 0], [0, 0]], Tail::TwoSided), 1.0);
    assert!(hypergeometric_sf(1, 3, 5, 1).is_nan());
    assert!(median(&[]).is_nan() && mad(&[]).is_nan());
    assert_eq!(wilson_interval(0, 0, 1.96), (0.0, 1.0));
    assert_eq!(g_test(&[], &[], 0), (0.0, 1.0));
    assert_eq!(g_test(&[1.0, 2.0], &[0.0, 1.0], 0).1, 0.0);
}

#[test]
fn order_of_two_samples_by_hand() {
    assert!((auc([0.4, 0.9], &[0.1, 0.4]).unwrap() - 3.5 / 4.0).abs() < 1e-12);
    assert_eq!((auc([0.1], &[]), auc([], &[0.1])), (None, None));
}
