use super::*;
use crate::rng::Rng;

/// Smooth blobs: something with the spectrum of a photograph.
fn picture(seed: u64, side: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed, "picture");
    let waves: Vec<[f64; 5]> = (0..10)
        .map(|_| {
            [rng.unit() * 9.0 - 4.5, rng.unit() * 9.0 - 4.5, rng.unit() * 6.3, 10.0 + 20.0 * rng.unit(), 0.0]
        })
        .collect();
    let at = |x: f64, y: f64| waves.iter().map(|w| w[3] * (w[0] * x + w[1] * y + w[2]).sin()).sum::<f64>();
    let s = side as f64;
    (0..side * side)
        .map(|i| (128.0 + at((i % side) as f64 / s, (i / side) as f64 / s)).clamp(0.0, 255.0) as u8)
        .collect()
}

fn grey_hash(pixels: &[u8], side: usize) -> ImageHash {
    hash(Image { pixels, width: side, height: side, channels: 1 }).unwrap()
}

#[test]
fn noise_brightness_and_size_change_little_and_other_images_much() {
    let mut rng = Rng::new(1, "noise");
    let (mut other, mut near) = (64, 0);
    for seed in 0..40 {
        let p = picture(seed, 64);
        let h = grey_hash(&p, 64);
        let noisy: Vec<u8> =
            p.iter().map(|v| (f64::from(*v) + 4.0 * rng.normal()).clamp(0.0, 255.0) as u8).collect();
        let bright: Vec<u8> = p.iter().map(|v| (f64::from(*v) * 0.8 + 12.0) as u8).collect();
        for changed in [grey_hash(&noisy, 64), grey_hash(&bright, 64), grey_hash(&picture(seed, 100), 100)] {
            // few waves leave many frequencies near the median, where noise decides: a hard case
            near += u32::from((h.phash ^ changed.phash).count_ones() <= 10);
            assert!((h.phash ^ changed.phash).count_ones() <= 18, "{seed}");
            assert!((h.dhash ^ changed.dhash).count_ones() <= 20, "{seed}");
            assert!(h.correlation(&changed) > 0.98, "{seed}");
            assert_ne!(h.exact, changed.exact);
        }
        let next = grey_hash(&picture(seed + 1000, 64), 64);
        other = other.min((h.phash ^ next.phash).count_ones());
        assert!(h.correlation(&next) < 0.95);
    }
    assert!(other > 10 && near >= 114, "{other} {near} of 120");
}

#[test]
fn groups_are_those_of_all_pairs() {
    let mut rng = Rng::new(2, "pairs");
    let mut all = Vec::new();
    for seed in 0..60 {
        let p = picture(seed, 40);
        for _ in 0..1 + seed % 3 {
            let q: Vec<u8> =
                p.iter().map(|v| (f64::from(*v) + 6.0 * rng.normal()).clamp(0.0, 255.0) as u8).collect();
            all.push(grey_hash(&q, 40));
        }
    }
    for distance in [0, 3, 6, 10, 15] {
        let params = GroupParams { distance, ..GroupParams::default() };
        let mut name: Vec<usize> = (0..all.len()).collect();
        for i in 0..all.len() {
            for j in 0..i {
                let near = (all[i].phash ^ all[j].phash).count_ones() <= distance;
                if near && all[i].correlation(&all[j]) >= params.correlation {
                    let (from, to) = (name[i].max(name[j]), name[i].min(name[j]));
                    name.iter_mut().filter(|n| **n == from).for_each(|n| *n = to);
                }
            }
        }
        let members = |r| (0..all.len() as u32).filter(|i| name[*i as usize] == r).collect::<Vec<_>>();
        let want: Vec<Vec<u32>> = (0..all.len()).map(members).filter(|g| g.len() > 1).collect();
        assert_eq!(groups(&all, &params), want, "{distance}");
    }
}

#[test]
fn flat_images_are_compared_exactly() {
    let flat = |v: u8| grey_hash(&[v; 100], 10);
    let all = [flat(0), flat(255), flat(0), flat(7)];
    assert!(all.iter().all(|h| h.flat));
    assert_eq!(groups(&all, &GroupParams::default()), [[0, 2]]);
    let many = vec![flat(9); 50_000];
    assert_eq!(groups(&many, &GroupParams::default())[0].len(), 50_000);
}

#[test]
fn channels_and_shapes() {
    let p = picture(5, 30);
    let rgb: Vec<u8> = p.iter().flat_map(|v| [*v; 3]).collect();
    let rgba: Vec<u8> = p.iter().flat_map(|v| [*v, *v, *v, 9]).collect();
    let (a, b) =
        (grey_hash(&p, 30), hash(Image { pixels: &rgb, width: 30, height: 30, channels: 3 }).unwrap());
    let c = hash(Image { pixels: &rgba, width: 30, height: 30, channels: 4 }).unwrap();
    assert!((a.phash ^ b.phash).count_ones() <= 2 && b.phash == c.phash && a.difference(&b) < 1.0);
    assert!(a.exact != b.exact && b.exact != c.exact);
    for (width, height, channels) in [(0, 0, 1), (5, 5, 1), (30, 30, 0), (2, 90, 5), (usize::MAX, 2, 2)] {
        assert!(hash(Image { pixels: &p, width, height, channels }).is_err());
    }
    assert!(grey_hash(&[3], 1).flat);
    assert!(hash(Image { pixels: &p, width: 900, height: 1, channels: 1 }).is_ok());
    assert!(groups(&[], &GroupParams::default()).is_empty());
}
