use super::*;

/// The numbers of one key of the fixture, which is flat on purpose.
fn golden(key: &str) -> Vec<f64> {
    let text = include_str!("../../tests/fixtures/confident.json");
    let at = text.find(&format!("\"{key}\": [")).unwrap_or_else(|| panic!("no {key}"));
    let body = &text[at + key.len() + 5..];
    let body = &body[..body.find(']').unwrap()];
    body.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| t.parse().unwrap()).collect()
}

fn table() -> (Vec<u32>, Vec<f32>) {
    let labels = golden("labels").iter().map(|y| *y as u32).collect();
    (labels, golden("probs").iter().map(|p| *p as f32).collect())
}

fn flagged(issues: &Issues) -> Vec<f64> {
    (0..issues.flagged.len()).filter(|i| issues.flagged[*i]).map(|i| i as f64).collect()
}

#[test]
fn every_rule_flags_the_peers_rows() {
    let (y, p) = table();
    for rule in Rule::ALL {
        let key = rule.name().replace('-', "_");
        let all = find_label_issues(&y, &p, 6, &Options { rule, ..Options::default() }).unwrap();
        assert_eq!(flagged(&all), golden(&key), "{rule}");
        if matches!(rule, Rule::PruneByNoiseRate | Rule::PruneByClass | Rule::Both) {
            let o = Options { rule, frac_noise: 0.4, min_examples_per_class: 50, ..Options::default() };
            let some = find_label_issues(&y, &p, 6, &o).unwrap();
            assert_eq!(flagged(&some), golden(&format!("{key}/some")), "{rule}");
            assert!(some.count() < all.count() && some.count() > 0);
        }
    }
}

#[test]
fn joint_and_scores_are_the_peers() {
    let (y, p) = table();
    let joint = confident_joint(&y, &p, 6).unwrap();
    assert_eq!(joint.thresholds, golden("thresholds"));
    assert_eq!(joint.counts.iter().map(|c| *c as f64).collect::<Vec<_>>(), golden("counts"));
    assert_eq!(joint.calibrated.iter().map(|c| *c as f64).collect::<Vec<_>>(), golden("calibrated"));
    assert!((joint.joint().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(joint.noise_rate() > 0.1 && joint.noise_rate() < 0.3);
    let columns = joint.noise_matrix();
    assert!((0..6).all(|j| ((0..6).map(|k| columns[k * 6 + j]).sum::<f64>() - 1.0).abs() < 1e-12));
    for score in Score::ALL {
        for adjust in [false, true] {
            if adjust && score == Score::ConfidenceWeightedEntropy {
                continue;
            }
            let key = score.name().replace('-', "_") + if adjust { "/adjusted" } else { "" };
            let got = quality_scores(&y, &p, 6, score, adjust).unwrap();
            for (a, b) in got.iter().zip(golden(&key)) {
                assert!((f64::from(*a) - b).abs() < 2e-6, "{key} {a} {b}");
            }
        }
    }
}

#[test]
fn double_precision_agrees_away_from_ties() {
    let (y, p) = table();
    let wide: Vec<f64> = p.iter().map(|p| f64::from(*p)).collect();
    for rule in Rule::ALL {
        let o = Options { rule, ..Options::default() };
        let (a, b) =
            (find_label_issues(&y, &p, 6, &o).unwrap(), find_label_issues(&y, &wide, 6, &o).unwrap());
        assert_eq!(a.flagged, b.flagged, "{rule}");
    }
}

#[test]
fn threads_change_nothing() {
    let mut rng = crate::rng::Rng::new(5, "confident");
    let (n, c) = (40_000, 7);
    let y: Vec<u32> = (0..n).map(|_| rng.below(c) as u32).collect();
    let mut p: Vec<f32> = (0..n * c).map(|_| rng.unit() as f32).collect();
    for (row, &y) in p.chunks_mut(c).zip(&y) {
        row[y as usize] += 0.6;
        let s: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= s);
    }
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| find_label_issues(&y, &p, c, &Options::default()).unwrap())
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn a_boundary_below_zero_takes_rows_of_other_columns() {
    // column 1 asks for more rows than have a positive margin there: every margin must be looked at
    let y = [0u32; 6].iter().chain(&[1; 6]).chain(&[2; 6]).copied().collect::<Vec<_>>();
    let mut p: Vec<f32> = Vec::new();
    for i in 0..6 {
        p.extend(if i < 3 { [0.2, 0.3, 0.5] } else { [0.5, 0.45, 0.05] });
    }
    p.extend((0..6).flat_map(|_| [0.1, 0.6, 0.3]));
    p.extend((0..6).flat_map(|_| [0.2, 0.2, 0.6]));
    let out = find_label_issues(&y, &p, 3, &Options::default()).unwrap();
    assert!(out.flagged[6..].iter().all(|f| !f));
}

#[test]
fn hostile_input_is_an_error_or_an_empty_answer() {
    let o = Options::default();
    let none = find_label_issues::<f32>(&[], &[], 3, &o).unwrap();
    assert!(none.flagged.is_empty() && none.score.is_empty() && none.joint.noise_rate() == 0.0);
    assert!(matches!(find_label_issues(&[0], &[0.5f32], 0, &o), Err(ConfidentError::Shape { .. })));
    assert!(matches!(find_label_issues(&[0], &[0.5f32, 0.5], 3, &o), Err(ConfidentError::Shape { .. })));
    let high = find_label_issues(&[2], &[0.5f32, 0.5], 2, &o);
    assert_eq!(high, Err(ConfidentError::Label { row: 0, label: 2, classes: 2 }));
    for bad in [f32::NAN, f32::INFINITY, -0.1, 1.5] {
        let e = find_label_issues(&[0, 1], &[0.5, 0.5, 0.5, bad], 2, &o).unwrap_err();
        assert!(matches!(e, ConfidentError::Probability { row: 1, class: 1, .. }), "{e}");
    }
    let o = Options { frac_noise: f64::NAN, ..o };
    assert!(matches!(find_label_issues(&[0], &[1.0f32], 1, &o), Err(ConfidentError::FracNoise(_))));
    for rule in Rule::ALL {
        let o = Options { rule, ..Options::default() };
        assert_eq!(find_label_issues(&[0], &[1.0f32], 1, &o).unwrap().flagged, [false], "{rule}");
        let same = find_label_issues(&[0, 1, 0, 1], &[0.5f32; 8], 2, &o).unwrap();
        assert!(same.flagged.iter().all(|f| !f), "{rule}");
    }
}

#[test]
fn names_are_read_in_both_spellings() {
    for rule in Rule::ALL {
        assert_eq!(rule.to_string().parse(), Ok(rule));
        assert_eq!(rule.name().replace('-', "_").parse(), Ok(rule));
    }
    assert_eq!("normalized_margin".parse(), Ok(Score::NormalizedMargin));
    assert!("best".parse::<Rule>().unwrap_err().to_string().contains("`best`"));
}
