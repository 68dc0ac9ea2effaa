use super::*;
use crate::rng::Rng;

/// Rows of `dim` normal numbers.
fn cloud(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, "cloud");
    (0..rows * dim).map(|_| rng.normal() as f32).collect()
}

/// Labels of two classes that overlap: the log-odds are a multiple of the first number.
fn overlapping(data: &[f32], dim: usize, slope: f64, seed: u64) -> Vec<u32> {
    let mut rng = Rng::new(seed, "labels");
    data.chunks(dim)
        .map(|x| u32::from(rng.unit() < sequence::logistic(slope * f64::from(x[0]) - 1.0)))
        .collect()
}

fn distance(data: &[f32], dim: usize, a: usize, b: usize) -> f64 {
    let (a, b) = (&data[a * dim..(a + 1) * dim], &data[b * dim..(b + 1) * dim]);
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Changes the labels of the `n` rows of class 0 nearest to a row; says which.
fn plant(data: &[f32], dim: usize, labels: &mut [u32], centre: usize, n: usize) -> Vec<usize> {
    let mut near: Vec<usize> = (0..labels.len()).filter(|i| labels[*i] == 0 && *i != centre).collect();
    near.sort_by(|a, b| distance(data, dim, *a, centre).total_cmp(&distance(data, dim, *b, centre)));
    near.truncate(n);
    near.iter().for_each(|i| labels[*i] = 1);
    near.sort_unstable();
    near
}

#[test]
fn a_planted_ball_is_found_whole_and_its_target_is_the_centre() {
    let (dim, rows) = (12, 2000);
    let data = cloud(rows, dim, 1);
    let mut labels = overlapping(&data, dim, 1.5, 1);
    let target = (0..rows).find(|i| labels[*i] == 0).unwrap();
    let planted = plant(&data, dim, &mut labels, target, 60);
    let found = regions(&data, dim, &labels, 2, &RegionOptions::default());
    let best = &found.regions[0];
    assert_eq!((best.centre, best.class, best.around), (target, 1, Some(0)), "{best:?}");
    assert!(best.nats > (found.tried as f64 / 0.01).ln(), "{}", best.nats);
    let members: Vec<usize> = best.members.iter().map(|m| m.0).collect();
    assert!(planted.iter().all(|i| members.contains(i)));
    // where the classes overlap, some rows of the ball had the label before
    assert!(best.members.iter().filter(|m| m.1 < 0.5).filter(|m| !planted.contains(&m.0)).count() < 40);
    // the same from a sample that holds half of the rows
    let half = RegionOptions { rows: rows / 2, ..RegionOptions::default() };
    let sampled = regions(&data, dim, &labels, 2, &half);
    let members: Vec<usize> = sampled.regions[0].members.iter().map(|m| m.0).collect();
    assert_eq!(sampled.regions[0].centre, target);
    assert!(planted.iter().filter(|i| members.contains(i)).count() > 50);
}

#[test]
fn a_ball_of_one_class_among_three_is_found() {
    let (dim, rows) = (8, 1800);
    let mut data = cloud(rows, dim, 2);
    let mut labels: Vec<u32> = (0..rows as u32).map(|i| [0, 2, 1][i as usize % 3]).collect();
    // three classes apart: what is planted among class 0 has the label of class 1
    for (x, l) in data.chunks_mut(dim).zip(&labels) {
        x[*l as usize] += 6.0;
    }
    let centre = (0..rows).find(|i| labels[*i] == 0).unwrap();
    let planted = plant(&data, dim, &mut labels, centre, 50);
    let found = regions(&data, dim, &labels, 3, &RegionOptions::default());
    let best = &found.regions[0];
    assert_eq!((best.centre, best.class), (centre, 1));
    assert!(best.nats > 15.0, "{}", best.nats);
    assert_eq!(best.members.iter().map(|m| m.0).collect::<Vec<_>>(), planted);
}

#[test]
fn honest_classes_do_not_end_at_spheres() {
    // overlapping classes, at several slopes
    for seed in 0..12 {
        let data = cloud(800, 6, 10 + seed);
        let labels = overlapping(&data, 6, seed as f64, seed);
        let found = regions(&data, 6, &labels, 2, &RegionOptions::default());
        let most = found.regions.first().map_or(0.0, |r| r.nats);
        assert!(most < (found.tried as f64 / 0.01).ln(), "{seed}: {most}");
    }
    // a part of a class that stands alone among the other
    for seed in 0..4 {
        let mut data = cloud(900, 6, 30 + seed);
        let labels: Vec<u32> = (0..900).map(|i| u32::from(i < 200)).collect();
        for (i, x) in data.chunks_mut(6).enumerate().take(200) {
            if i < 80 {
                x.iter_mut().for_each(|v| *v *= 0.1);
                x[1] += 5.0;
            } else {
                x[0] += 8.0;
            }
        }
        let found = regions(&data, 6, &labels, 2, &RegionOptions::default());
        assert!(found.regions.iter().all(|r| r.nats < 10.0), "{seed}: {:?}", found.regions);
    }
}

/// The evidence of one centre, written plainly: all rows sorted, every surface tried.
fn naive(data: &[f32], dim: usize, labels: &[u32], centre: usize, least: usize) -> f64 {
    let mut order: Vec<usize> = (0..labels.len()).filter(|i| *i != centre).collect();
    order.sort_by(|a, b| distance(data, dim, *a, centre).total_cmp(&distance(data, dim, *b, centre)));
    let clamp = |p: f64| p.clamp(1e-3, 1.0 - 1e-3);
    let sum = |p: &dyn Fn(usize) -> f64, class: u32, upto: usize| {
        let of = |(j, i): (usize, &usize)| {
            if labels[*i] == class { clamp(p(j)).ln() } else { (1.0 - clamp(p(j))).ln() }
        };
        order[..upto].iter().enumerate().map(of).sum::<f64>()
    };
    let mut best = f64::NEG_INFINITY;
    for class in 0..2u32 {
        let own =
            |from: usize, to: usize| order[from..to].iter().filter(|i| labels[**i] == class).count() as f64;
        let total = labels.iter().filter(|l| **l == class).count() as f64;
        let fits = |k: &usize| {
            own(0, *k) >= 0.95 * *k as f64
                && own(*k, 2 * k) <= 0.5 * *k as f64
                && own(0, *k) <= (0.85 * total).floor()
        };
        let gain = |k: usize| {
            let (a, b, c) = (own(0, k) / k as f64, own(k, 2 * k) / k as f64, own(0, 2 * k) / (2 * k) as f64);
            (sum(&|j| if j < k { a } else { b }, class, 2 * k), sum(&|_| c, class, 2 * k))
        };
        let all = (least..=order.len() / 2).filter(fits).map(|k| (gain(k), k));
        let Some(((step, _), k)) = all.max_by(|a, b| (a.0.0 - a.0.1).total_cmp(&(b.0.0 - b.0.1))) else {
            continue;
        };
        let mut other = f64::NEG_INFINITY;
        let bin = |j: usize| {
            let edges: Vec<usize> =
                (-24..=8).map(|i| (k as f64 * (f64::from(i) / 8.0).exp2()).round() as usize).collect();
            let to = *edges.iter().find(|e| **e > j).unwrap();
            let from = edges.iter().rev().find(|e| **e <= j).copied().unwrap_or(0);
            ((to + from.max(1)) as f64 / (2 * k) as f64).ln()
        };
        for slope in [0.0, 0.5, 1.0, 2.0, 3.0] {
            for offset in -12..=12 {
                let p = |j: usize| sequence::logistic(f64::from(offset) / 2.0 - slope * bin(j));
                other = other.max(sum(&p, class, 2 * k));
            }
        }
        for asked in [1, 3, 5, 10, 20] {
            let share = |i: usize| {
                let mut near: Vec<usize> = (0..labels.len()).filter(|j| *j != i).collect();
                near.sort_by(|a, b| distance(data, dim, *a, i).total_cmp(&distance(data, dim, *b, i)));
                near[..asked].iter().filter(|j| labels[**j] == class).count() as f64 / asked as f64
            };
            let shares: Vec<f64> = order[..2 * k].iter().map(|i| share(*i)).collect();
            for weight in [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 20.0] {
                for offset in -8..=8 {
                    let p =
                        |j: usize| sequence::logistic(f64::from(offset) / 2.0 + weight * (shares[j] - 0.5));
                    other = other.max(sum(&p, class, 2 * k));
                }
            }
        }
        let mean = |class: bool| {
            let is = |i: &usize| (labels[*i] == u32::from(class)) && !order[..2 * k].contains(i);
            let rows: Vec<usize> = (0..labels.len()).filter(is).collect();
            let sum =
                |d: usize| rows.iter().map(|i| f64::from(data[i * dim + d])).sum::<f64>() / rows.len() as f64;
            (0..dim).map(sum).collect::<Vec<f64>>()
        };
        let (own, not) = (mean(class == 1), mean(class != 1));
        let dot = |i: &usize| (0..dim).map(|d| f64::from(data[i * dim + d]) * (own[d] - not[d])).sum::<f64>();
        let u: Vec<f64> = order[..2 * k].iter().map(dot).collect();
        let m = u.iter().sum::<f64>() / u.len() as f64;
        let s = (u.iter().map(|v| (v - m).powi(2)).sum::<f64>() / u.len() as f64).sqrt();
        for weight in [0.5, 1.0, 2.0, 4.0, 8.0] {
            for slope in [0.0, 0.5, 1.0, 2.0, 3.0] {
                for offset in -12..=12 {
                    let z = |j: usize| {
                        let at = ((j as f64 + 0.5) / k as f64).ln();
                        f64::from(offset) / 2.0 - slope * at + weight * (u[j] - m) / s
                    };
                    other = other.max(sum(&|j| sequence::logistic(z(j)), class, 2 * k));
                }
            }
        }
        best = best.max(step - other);
    }
    best
}

#[test]
fn the_evidence_is_that_of_the_plain_formula() {
    let (dim, rows) = (5, 240);
    let data = cloud(rows, dim, 3);
    let mut labels = overlapping(&data, dim, 1.0, 3);
    let centre = (0..rows).find(|i| labels[*i] == 0).unwrap();
    plant(&data, dim, &mut labels, centre, 30);
    let found = regions(&data, dim, &labels, 2, &RegionOptions::default());
    for region in found.regions.iter().take(3) {
        let plain = naive(&data, dim, &labels, region.centre, 12);
        assert!((plain - region.nats).abs() < 1e-3, "{plain} and {}", region.nats);
    }
    assert!(!found.regions.is_empty());
}

#[test]
fn odd_input_gives_nothing() {
    let options = RegionOptions::default();
    assert_eq!(regions(&[], 0, &[], 2, &options), Regions::default());
    assert_eq!(regions(&[1.0, 2.0], 1, &[0], 2, &options), Regions::default());
    let constant = vec![1f32; 400];
    let labels: Vec<u32> = (0..400).map(|i| i % 2).collect();
    assert!(regions(&constant, 1, &labels, 2, &options).regions.is_empty());
    // copies at one place, sorted by label: no surface can part them
    let labels: Vec<u32> = (0..400).map(|i| u32::from(i < 200)).collect();
    assert!(regions(&constant, 1, &labels, 2, &options).regions.is_empty());
    let broken = vec![f32::NAN; 400];
    assert!(regions(&broken, 1, &labels, 2, &options).regions.is_empty());
}

#[test]
fn threads_change_nothing() {
    let data = cloud(900, 7, 5);
    let mut labels = overlapping(&data, 7, 1.0, 5);
    plant(&data, 7, &mut labels, 3, 40);
    let run = || regions(&data, 7, &labels, 2, &RegionOptions { rows: 600, ..RegionOptions::default() });
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(run), run());
}
