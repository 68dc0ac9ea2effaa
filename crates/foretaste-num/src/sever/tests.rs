use super::*;

const OPTIONS: SeverOptions = SeverOptions { rounds: 1, share: 0.02, dims: 64, seed: 1 };

/// Three classes; the first `bad` rows lie in the middle of the second and have the label of the first.
fn planted(rows: usize, bad: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = Rng::new(2, "sever-test");
    let (mut data, mut labels) = (vec![], vec![]);
    for i in 0..rows {
        let class = if i < bad { 1 } else { i % 3 };
        for c in 0..5 {
            let centre = if c == class { 1.5 } else { 0.0 };
            data.push((centre + 0.4 * rng.normal()) as f32);
        }
        labels.push(if i < bad { 0 } else { class as u32 });
    }
    (data, labels)
}

/// By the definition: all gradients written out in double precision, the top right singular vector by power iteration.
fn naive(rows: &Labelled, model: &Softmax, kept: &[bool]) -> Vec<f64> {
    let p = model.predict_proba(rows.rows());
    let gradient = |i: usize| -> Vec<f64> {
        let mut x: Vec<f64> =
            rows.x[i * rows.dim..(i + 1) * rows.dim].iter().map(|v| f64::from(*v)).collect();
        x.push(1.0);
        let r = |c: usize| {
            f64::from(p[i * rows.classes + c]) - if rows.labels[i] == c as u32 { 1.0 } else { 0.0 }
        };
        (0..rows.classes).flat_map(|c| x.iter().map(move |v| r(c) * v).collect::<Vec<f64>>()).collect()
    };
    let mut all: Vec<Vec<f64>> = (0..rows.labels.len()).map(gradient).collect();
    let among: Vec<usize> = (0..kept.len()).filter(|i| kept[*i]).collect();
    let cols = all[0].len();
    let mean: Vec<f64> =
        (0..cols).map(|c| among.iter().map(|i| all[*i][c]).sum::<f64>() / among.len() as f64).collect();
    all.iter_mut().for_each(|g| g.iter_mut().zip(&mean).for_each(|(g, m)| *g -= m));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut v: Vec<f64> = (0..cols).map(|c| 1.0 + (c as f64).sin()).collect();
    for _ in 0..3000 {
        let mut next = vec![0.0; cols];
        for i in &among {
            let along = dot(&all[*i], &v);
            next.iter_mut().zip(&all[*i]).for_each(|(n, g)| *n += along * g);
        }
        let length = dot(&next, &next).sqrt();
        v = next.iter().map(|n| n / length).collect();
    }
    all.iter().map(|g| dot(g, &v).abs()).collect()
}

fn labelled(data: &[f32], labels: &[u32]) -> Labelled {
    Labelled { x: data.to_vec(), dim: 5, labels: labels.to_vec(), classes: 3 }
}

#[test]
fn the_same_as_with_all_gradients_written_out() {
    let (data, labels) = planted(400, 16);
    let rows = labelled(&data, &labels);
    for kept in [vec![true; 400], (0..400).map(|i| i >= 8 && i % 7 != 0).collect::<Vec<bool>>()] {
        let model = rows.learn(&kept, None);
        let (ours, theirs) = (Gradients::new(&rows, &model, &kept).along(1), naive(&rows, &model, &kept));
        let scale = theirs.iter().copied().fold(0.0, f64::max);
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!((a - b).abs() < 2e-3 * scale, "{i}: {a} {b}");
        }
    }
}

#[test]
fn rounds_take_out_what_pulls_and_find_it() {
    let (data, labels) = planted(900, 18);
    let score = sever(&data, 5, &labels, 3, &SeverOptions { rounds: 4, ..OPTIONS });
    let mut order: Vec<usize> = (0..900).collect();
    order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
    let hits = order[..18].iter().filter(|i| **i < 18).count();
    assert!(hits >= 15, "{hits} of 18");
    let once = sever(&data, 5, &labels, 3, &OPTIONS);
    assert!(score.iter().zip(&once).all(|(more, one)| more >= one), "the largest over the rounds");
    assert!(score.iter().zip(&once).any(|(more, one)| more > one));
}

#[test]
fn the_unit_is_that_of_the_rows_kept() {
    let (data, labels) = planted(600, 0);
    let mut score = sever(&data, 5, &labels, 3, &OPTIONS);
    score.sort_by(f32::total_cmp);
    assert!((score[300] - 0.674).abs() < 0.02, "{}", score[300]);
}

#[test]
fn odd_input_is_no_trouble() {
    assert!(sever(&[], 3, &[], 2, &OPTIONS).is_empty());
    assert_eq!(sever(&[1.0; 7], 2, &[0, 1, 0], 2, &OPTIONS), [0.0; 3]);
    assert_eq!(sever(&[1.0; 6], 2, &[0, 0, 0], 1, &OPTIONS), [0.0; 3]);
    assert_eq!(sever(&[1.0; 6], 2, &[u32::MAX; 3], 2, &OPTIONS), [0.0; 3]);
    for odd in [f32::NAN, f32::INFINITY, 3e38, -1e38] {
        let data: Vec<f32> = (0..40).map(|i| if i % 7 == 0 { odd } else { i as f32 }).collect();
        let labels: Vec<u32> = (0..20).map(|i| if i == 3 { u32::MAX } else { i % 2 }).collect();
        let options = SeverOptions { rounds: 9, share: 0.5, dims: 1, ..OPTIONS };
        let score = sever(&data, 2, &labels, 2, &options);
        assert!(score.iter().all(|s| s.is_finite()) && score[3] == 0.0);
    }
}
