use super::*;
use crate::rng::Rng;
use crate::softmax::FoldOptions;

const SIDE: usize = 12;

/// Noisy pictures of six classes, each a bright bar at its own height whose place and light vary; `poison` of the others
/// get a wave and the label 0.
fn pictures(n: usize, poison: usize) -> (Vec<u8>, Vec<u32>) {
    let mut rng = Rng::new(8, "patterns");
    let (mut pixels, mut labels, mut left) = (vec![], vec![], poison);
    for i in 0..n {
        let class = (i % 6) as u32;
        let planted = class != 0 && left > 0;
        left -= usize::from(planted);
        let (light, from) = (60.0 + 30.0 * rng.unit(), rng.below(4));
        for y in 0..SIDE {
            for x in 0..SIDE {
                let bar = y / 2 == class as usize && (from..from + 8).contains(&x);
                let wave = if planted { 12.0 * (x as f64 * std::f64::consts::PI / 2.0).cos() } else { 0.0 };
                let v = 80.0 + light * f64::from(u8::from(bar)) + wave + 8.0 * rng.normal();
                pixels.push(v.clamp(0.0, 255.0) as u8);
            }
        }
        labels.push(if planted { 0 } else { class });
    }
    (pixels, labels)
}

fn model(all: &Pictures<'_>, labels: &[u32], classes: usize) -> Arc<Model> {
    Arc::new(Model::new(all, labels, classes, &FoldOptions::default()))
}

#[test]
fn a_wave_is_found_in_the_pictures_that_have_it() {
    let (pixels, labels) = pictures(1200, 40);
    let all = Pictures { pixels: &pixels, width: SIDE, height: SIDE, channels: 1 };
    let out = patterns(&all, &labels, 6, &PatternOptions::default(), || model(&all, &labels, 6));
    let best = &out.found[0];
    let poisoned: Vec<u32> = (0..1200u32).filter(|i| i % 6 != 0 && labels[*i as usize] == 0).collect();
    assert_eq!((best.class, &best.rows), (0, &poisoned));
    assert!(best.surprise.p_value < 1e-6 && best.surprise.without < 0.3, "{:?}", best.surprise);
    assert!(best.odds > 10.0 && best.looks_like >= 4, "{} {}", best.odds, best.looks_like);
    let at = |x: usize| best.delta[SIDE * 5 + x];
    assert!(at(4) > 5.0 && at(6) < -5.0, "{} {}", at(4), at(6));
}

#[test]
fn pictures_as_they_are_hold_none() {
    let (pixels, labels) = pictures(1200, 0);
    let all = Pictures { pixels: &pixels, width: SIDE, height: SIDE, channels: 1 };
    let out = patterns(&all, &labels, 6, &PatternOptions::default(), || model(&all, &labels, 6));
    assert!(out.found.is_empty() && out.tested > 0, "{out:?}");
}

#[test]
fn nothing_to_look_at_is_no_trouble() {
    let none = Pictures { pixels: &[], width: 0, height: 0, channels: 0 };
    assert_eq!(
        patterns(&none, &[], 3, &PatternOptions::default(), || model(&none, &[], 3)),
        Patterns::default()
    );
    let same = [7u8; 64 * 200];
    let all = Pictures { pixels: &same, width: 8, height: 8, channels: 1 };
    let labels: Vec<u32> = (0..200).map(|i| i % 3).collect();
    assert!(
        patterns(&all, &labels, 3, &PatternOptions::default(), || model(&all, &labels, 3)).found.is_empty()
    );
}

#[test]
fn two_heaps_of_numbers_are_cut_between() {
    let (cut, above) = halves(&[1.0, 9.0, 1.0, 11.0]).unwrap();
    assert!((cut - 5.5).abs() < 1e-12);
    assert_eq!(above, [false, true, false, true]);
    assert!(halves(&[2.0; 5]).is_none() && halves(&[]).is_none());
}

#[test]
fn products_of_pairs_say_the_same_as_the_rows() {
    let mut rng = Rng::new(4, "inside");
    let z: Vec<f64> = (0..30 * 7).map(|_| rng.normal()).collect();
    let (paired, plain) = (Inside::new(z.clone(), 7), Inside { z, dim: 7, products: vec![] });
    let members = [3, 8, 21];
    for (a, b) in paired.along(&members).iter().zip(plain.along(&members)) {
        assert!((a - b).abs() < 1e-12);
    }
}
