//! Against a search over all splits with plain floats, and on data that trip.

use super::*;
use crate::boost::split::{BinSet, holds};

/// Numbers with ties, holes and a constant, categories with holes, and labels that depend on three of them.
struct Made {
    numbers: Vec<Vec<f64>>,
    codes: Vec<u32>,
    labels: Vec<u32>,
}

fn made(rows: usize, classes: u32, seed: u64) -> Made {
    let mut rng = Rng::new(seed, "boost/tests");
    let mut numbers = vec![vec![0.0; rows]; 6];
    let (mut codes, mut labels) = (vec![], vec![]);
    for i in 0..rows {
        for (k, column) in numbers.iter_mut().enumerate() {
            column[i] = match k {
                0 => rng.normal(),
                1 => rng.below(7) as f64,
                2 => 1.5,
                3 if rng.below(3) == 0 => f64::NAN,
                4 => rng.normal().exp(),
                _ => rng.unit(),
            };
        }
        let code = rng.below(12) as u32;
        codes.push(if code == 11 { u32::MAX } else { code });
        let odd =
            f64::from(code % 3) + numbers[0][i] + if numbers[3][i].is_nan() { 1.5 } else { numbers[3][i] };
        let noisy = odd + 0.3 * rng.normal();
        labels.push((noisy.clamp(0.0, 3.9) * f64::from(classes) / 4.0) as u32);
    }
    Made { numbers, codes, labels }
}

impl Made {
    fn columns(&self) -> Vec<Column<'_>> {
        let mut out: Vec<Column<'_>> = self.numbers.iter().map(|n| Column::Number(n)).collect();
        out.push(Column::Category(&self.codes));
        out
    }
}

fn loss(model: &Boosted, data: &Made) -> f64 {
    let p = model.predict(&data.columns());
    let sum: f64 =
        p.chunks_exact(model.classes).zip(&data.labels).map(|(p, l)| -f64::from(p[*l as usize]).ln()).sum();
    sum / data.labels.len() as f64
}

/// The largest gain over all prefixes of bins, missing on either side, in plain floats and without histograms.
fn exhaustive(rules: &[Rule], bins: &Bins, samples: &[usize], gh: &[(f64, f64)], min_leaf: usize) -> f64 {
    let sum = |rows: &mut dyn Iterator<Item = usize>| {
        rows.fold((0.0, 0.0, 0), |(g, h, n), i| (g + gh[i].0, h + gh[i].1, n + 1))
    };
    let worth = |(g, h, _): (f64, f64, usize)| g * g / h;
    let whole = worth(sum(&mut samples.iter().copied()));
    let mut best = 0f64;
    for (f, rule) in rules.iter().enumerate().filter(|(_, r)| !r.is_category()) {
        let bin = |i: usize| usize::from(bins.groups[f / 4][i][f % 4]);
        for cut in 0..rule.filled() {
            for missing_left in [false, true] {
                let goes = |i: &usize| bin(*i) <= cut || missing_left && bin(*i) == rule.filled();
                let left = sum(&mut samples.iter().copied().filter(goes));
                let right = sum(&mut samples.iter().copied().filter(|i| !goes(i)));
                if left.2 >= min_leaf && right.2 >= min_leaf {
                    best = best.max(worth(left) + worth(right) - whole);
                }
            }
        }
    }
    best
}

#[test]
fn splits_and_values_are_those_of_an_exhaustive_search() {
    for seed in 0..4 {
        let data = made(500, 2, seed);
        let columns = &data.columns()[..6];
        let options =
            Options { rounds: 1, leaves: 6, learning_rate: 0.5, max_step: 0.0, seed, ..Options::default() };
        let model = fit(columns, &data.labels, 2, &options);
        let every: Vec<u32> = (0..500).collect();
        let bins = Bins::new(&model.rules, columns, &every);
        let p = 1.0 / (1.0 + (-f64::from(model.start[0])).exp());
        let gh: Vec<(f64, f64)> = data.labels.iter().map(|l| (p - f64::from(*l), p * (1.0 - p))).collect();
        let tree = &model.rounds[0][0];
        assert_eq!((tree.nodes.len(), tree.leaves.len()), (5, 6));
        // every node's split, by walking the samples down
        let mut parts: Vec<Vec<usize>> = vec![vec![]; 5];
        parts[0] = (0..500).collect();
        let mut ends: Vec<Vec<usize>> = vec![vec![]; 6];
        for (n, node) in tree.nodes.iter().enumerate() {
            let part = std::mem::take(&mut parts[n]);
            let f = node.feature as usize;
            let (left, right): (Vec<usize>, Vec<usize>) =
                part.iter().partition(|&&i| holds(&node.left, bins.groups[f / 4][i][f % 4]));
            let worth = |rows: &[usize]| {
                let (g, h) = rows.iter().fold((0.0, 0.0), |(g, h), &i| (g + gh[i].0, h + gh[i].1));
                g * g / h
            };
            let gain = worth(&left) + worth(&right) - worth(&part);
            let best = exhaustive(&model.rules, &bins, &part, &gh, 20);
            assert!((gain - best).abs() < 1e-5 * best.max(1.0), "seed {seed} node {n}: {gain} not {best}");
            for (rows, next) in [left, right].into_iter().zip(node.next) {
                if next >= 0 { parts[next as usize] = rows } else { ends[!next as usize] = rows }
            }
        }
        for (rows, value) in ends.iter().zip(&tree.leaves) {
            let (g, h) = rows.iter().fold((0.0, 0.0), |(g, h), &i| (g + gh[i].0, h + gh[i].1));
            assert!((f64::from(*value) + 0.5 * g / h).abs() < 1e-5, "{value} not {}", -0.5 * g / h);
            assert!(rows.len() >= 20);
        }
    }
}

#[test]
fn categories_are_divided_as_well_as_any_subset() {
    // six categories of unlike rates, equal curvature: Fisher's theorem says that the best of all subsets is a prefix
    let mut rng = Rng::new(3, "boost/categories");
    let codes: Vec<u32> = (0..1200).map(|i| i % 6).collect();
    let labels: Vec<u32> =
        codes.iter().map(|c| u32::from(rng.unit() < [0.2, 0.8, 0.4, 0.9, 0.1, 0.5][*c as usize])).collect();
    let options = Options { rounds: 1, leaves: 2, ..Options::default() };
    let model = fit(&[Column::Category(&codes)], &labels, 2, &options);
    let p = labels.iter().sum::<u32>() as f64 / 1200.0;
    let worth = |set: u32, inside: bool| {
        let rows: Vec<usize> = (0..1200).filter(|&i| (set >> codes[i] & 1 == 1) == inside).collect();
        let g: f64 = rows.iter().map(|&i| p - f64::from(labels[i])).sum();
        g * g / (rows.len().max(1) as f64 * p * (1.0 - p))
    };
    let best = (1..32).map(|set| worth(set, true) + worth(set, false)).fold(0.0, f64::max);
    // bins are in the order of the codes here: all are equally frequent
    let left: BinSet = model.rounds[0][0].nodes[0].left;
    let set = (left[0] & 63) as u32;
    assert!((worth(set, true) + worth(set, false) - best).abs() < 1e-6 * best);
}

#[test]
fn loss_falls_and_more_rounds_fit_better() {
    for classes in [2, 4] {
        let data = made(1500, classes, 5);
        let mut model = fit(&data.columns(), &data.labels, classes as usize, &Options::default());
        assert_eq!(model.rounds(), 100);
        let mut before = 0.0;
        for rounds in (0..=100).rev().step_by(5) {
            model.rounds.truncate(rounds);
            let now = loss(&model, &data);
            assert!(now > before, "{classes} classes, {rounds} rounds: {now} after {before}");
            before = now;
        }
        let shares = model.predict(&data.columns());
        assert!(shares.chunks_exact(classes as usize).all(|p| (p.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
}

#[test]
fn same_bytes_on_any_number_of_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            [2u32, 4].map(|classes| {
                let data = made(12_000, classes, 9);
                let options = Options { rounds: 8, patience: 3, ..Options::default() };
                let model = fit(&data.columns(), &data.labels, classes as usize, &options);
                let bits: Vec<u32> = model.predict(&data.columns()).iter().map(|p| p.to_bits()).collect();
                (model, bits)
            })
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn stops_by_the_held_out_tenth() {
    let data = made(1000, 2, 2);
    let noise: Vec<u32> = (0..1000u64).map(|i| (Rng::at(1, "noise", i).next_u64() & 1) as u32).collect();
    let options = Options { patience: 5, ..Options::default() };
    let model = fit(&data.columns(), &noise, 2, &options);
    assert!(model.rounds() < 30, "nothing to learn, and {} rounds", model.rounds());
    assert!(model.held_out_loss().len() <= model.rounds() + 5);
    let model = fit(&data.columns(), &data.labels, 2, &options);
    let all = model.held_out_loss();
    assert!(all[model.rounds() - 1] <= all.iter().copied().fold(f64::INFINITY, f64::min) + 1e-6);
}

#[test]
fn missing_values_go_where_they_fit() {
    // missing means class 1, and so do large numbers
    let values: Vec<f64> = (0..300).map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(i % 7) }).collect();
    let labels: Vec<u32> = values.iter().map(|v| u32::from(v.is_nan() || *v > 4.0)).collect();
    let model = fit(&[Column::Number(&values)], &labels, 2, &Options::default());
    let p = model.predict(&[Column::Number(&[f64::NAN, 6.0, 1.0, f64::INFINITY, f64::NEG_INFINITY])]);
    let one: Vec<bool> = p.chunks_exact(2).map(|p| p[1] > 0.9).collect();
    assert_eq!(one, [true, true, false, true, false]);
}

#[test]
fn odd_data_are_no_trouble() {
    let options = Options { rounds: 3, min_leaf: 1, ..Options::default() };
    let none = fit(&[], &[], 3, &options);
    assert!(none.predict(&[]).is_empty());
    assert_eq!(none.predict(&[Column::Number(&[1.0])]), [1.0 / 3.0; 3]);
    assert!(fit(&[], &[0, 1], 0, &options).predict(&[Column::Number(&[1.0])]).is_empty());

    let one = fit(&[Column::Number(&[1.0, 2.0, f64::NAN])], &[2, 2, u32::MAX], 4, &options);
    assert_eq!(one.predict(&[Column::Number(&[9.0])]), [0.0, 0.0, 1.0, 0.0], "a single class");

    let constant =
        fit(&[Column::Number(&[3.0; 40]), Column::Category(&[u32::MAX; 40])], &[1; 40], 2, &options);
    assert_eq!(constant.predict(&[Column::Number(&[3.0])]), [0.0, 1.0]);

    let labels: Vec<u32> = (0..40).map(|i| u32::from(i % 4 == 0)).collect();
    let flat = fit(&[Column::Number(&[f64::NAN; 40]), Column::Number(&[7.0; 40])], &labels, 2, &options);
    assert!((flat.predict(&[Column::Number(&[0.0])])[1] - 0.25).abs() < 1e-5, "nothing to tell by");

    let absent: Vec<u32> = (0..40).map(|i| 1 + 2 * (i % 2)).collect();
    let x: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
    let skipped = fit(&[Column::Number(&x)], &absent, 5, &Options { min_leaf: 5, ..Options::default() });
    let p = skipped.predict(&[Column::Number(&[1.0])]);
    assert!(p[3] > 0.9 && p[0] == 0.0 && p[4] == 0.0);
    // columns that are missing or of another kind count as missing values
    for columns in [vec![Column::Category(&[0])], vec![Column::Number(&[])]] {
        assert!(skipped.predict(&columns).iter().all(|p| p.is_finite()));
    }
    let wild =
        Options { learning_rate: f64::NAN, l2: -1.0, max_step: f64::NAN, bins: 0, leaves: 0, ..options };
    assert!(fit(&[Column::Number(&x)], &absent, 5, &wild).predict(&[Column::Number(&x)])[0].is_finite());
}

#[test]
fn sure_and_wrong_rows_do_not_make_scores_run_away() {
    // twelve classes, some rare, one label in fifty wrong: without the bound on steps the scores explode
    let mut rng = Rng::new(4, "boost/sure");
    let rows = 6000;
    let class: Vec<u32> = (0..rows).map(|_| (rng.unit().powi(4) * 12.0) as u32).collect();
    let x: Vec<f64> = class.iter().map(|c| f64::from(*c) + 0.2 * rng.normal()).collect();
    let y: Vec<f64> = (0..rows).map(|_| rng.normal()).collect();
    let given: Vec<u32> =
        class.iter().map(|c| if rng.below(50) == 0 { rng.below(12) as u32 } else { *c }).collect();
    let columns = [Column::Number(&x), Column::Number(&y)];
    let model = fit(&columns, &given, 12, &Options::default());
    let p = model.predict(&columns);
    let right = p.chunks_exact(12).zip(&class).filter(|(p, c)| p[**c as usize] > 0.5).count();
    assert!(right as f64 > 0.97 * rows as f64, "{right} of {rows}");
}
