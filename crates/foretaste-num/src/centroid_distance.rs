//! How far rows lie from the centre of their class, and along the lines to the other centres.

use crate::members::by_class;
use crate::stats::{median_in_place, usual};
use rayon::prelude::*;

/// Rows that one task works on.
const ROWS: usize = 256;

/// Each row's distance from the centre of its class (the sphere), and its distance along the line from there to another
/// centre (the slab, the largest over the other classes), both in units of the class's median of the same; the larger of the
/// two. 0 for rows whose label is not below `classes`, and for all where slices do not fit.
///
/// The defences are those of Steinhardt, Koh, Liang, "Certified Defenses for Data Poisoning Attacks", NIPS 2017, section 2,
/// of which they remove what lies beyond a radius. Centres are medians of each coordinate, which poison cannot pull far.
/// Values that are not finite count as those of the centre.
#[must_use]
pub fn sphere_and_slab(data: &[f32], dim: usize, labels: &[u32], classes: usize) -> Vec<f32> {
    let mut out = vec![0f32; labels.len()];
    if dim == 0 || data.len() != labels.len() * dim {
        return out;
    }
    let members = by_class(labels, classes);
    let row = |i: usize| &data[i * dim..(i + 1) * dim];
    let centres: Vec<Option<Vec<f64>>> =
        members.iter().map(|of| (!of.is_empty()).then(|| centre(of, dim, &row))).collect();
    for (class, of) in members.iter().enumerate() {
        let Some(Some(own)) = centres.get(class) else { continue };
        let lines: Vec<Vec<f64>> = centres.iter().flatten().filter_map(|other| line(own, other)).collect();
        let places: Vec<(f64, f64)> = of
            .par_chunks(ROWS)
            .flat_map_iter(|rows| rows.iter().map(|&i| place(row(i), own, &lines)).collect::<Vec<_>>())
            .collect();
        let unit = |of: fn(&(f64, f64)) -> f64| usual(&places.iter().map(of).collect::<Vec<f64>>(), 1.0);
        let (sphere, slab) = (unit(|p| p.0), unit(|p| p.1));
        let share = |away: f64, unit: f64| if unit > 0.0 { away / unit } else { 0.0 };
        for (&i, p) in of.iter().zip(&places) {
            out[i] = share(p.0, sphere).max(share(p.1, slab)).min(1e30) as f32;
        }
    }
    out
}

/// The median of each coordinate over its finite values.
fn centre<'a>(of: &[usize], dim: usize, row: &(impl Fn(usize) -> &'a [f32] + Sync)) -> Vec<f64> {
    let middle = |column: usize| {
        let values = of.iter().map(|&i| f64::from(row(i)[column]));
        let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
        if values.is_empty() { 0.0 } else { median_in_place(&mut values) }
    };
    (0..dim).into_par_iter().map(middle).collect()
}

/// The direction between two centres, of unit length; none if they are at one place.
fn line(own: &[f64], other: &[f64]) -> Option<Vec<f64>> {
    let apart: Vec<f64> = own.iter().zip(other).map(|(a, b)| a - b).collect();
    let length = apart.iter().map(|v| v * v).sum::<f64>().sqrt();
    (length > 0.0).then(|| apart.iter().map(|v| v / length).collect())
}

/// Distance from the centre, and the largest along a line.
fn place(row: &[f32], own: &[f64], lines: &[Vec<f64>]) -> (f64, f64) {
    let finite = |(v, c): (&f32, &f64)| if v.is_finite() { f64::from(*v) - c } else { 0.0 };
    let away: Vec<f64> = row.iter().zip(own).map(finite).collect();
    let along = |line: &Vec<f64>| line.iter().zip(&away).map(|(l, a)| l * a).sum::<f64>().abs();
    (away.iter().map(|v| v * v).sum::<f64>().sqrt(), lines.iter().map(along).fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_by_hand() {
        // medians: (1, 0) and (5, 0); the line between them is the first axis
        let data = [
            0.0, 0.0, 1.0, 2.0, 4.0, 0.0, // class 0: spheres 1, 2, 3; slabs 1, 0, 3
            5.0, 0.0, 5.0, -2.0, 9.0, 3.0, // class 1: spheres 0, 2, 5; slabs 0, 0, 4
        ];
        let got = sphere_and_slab(&data, 2, &[0, 0, 0, 1, 1, 1], 2);
        // class 0: medians 2 and 1. Class 1: 2 and, since most slabs are 0, the root mean square 4 / sqrt 3
        let want = [1.0, 1.0, 3.0, 0.0, 1.0, 2.5];
        for (a, b) in got.iter().zip(want) {
            assert!((a - b).abs() < 1e-6, "{got:?}");
        }
    }

    #[test]
    fn the_slab_is_the_largest_over_other_classes() {
        // centres (0, 0), (10, 0), (0, 10)
        let mut data = vec![];
        let mut labels = vec![];
        for (class, (x, y)) in [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)].into_iter().enumerate() {
            for (a, b) in [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
                data.extend([x + a as f32, y + b as f32]);
                labels.push(class as u32);
            }
        }
        data.extend([0.0, 4.0]);
        labels.push(0);
        let (own, lines) = ([0.0, 0.0], [vec![-1.0, 0.0], vec![0.0, -1.0]]);
        assert_eq!(place(&data[30..], &own, &lines), (4.0, 4.0));
        let got = sphere_and_slab(&data, 2, &labels, 3);
        assert_eq!(got[15], 4.0, "{got:?}");
        // without labels of the third class, that line is not there
        assert_eq!(place(&data[30..], &own, &lines[..1]), (4.0, 0.0));
    }

    #[test]
    fn odd_input_is_no_trouble() {
        assert!(sphere_and_slab(&[], 3, &[], 2).is_empty());
        assert_eq!(sphere_and_slab(&[1.0; 7], 2, &[0, 1, 0], 2), [0.0; 3]);
        assert_eq!(sphere_and_slab(&[1.0; 6], 2, &[0, 0, 0], 1), [0.0; 3]);
        assert_eq!(sphere_and_slab(&[1.0; 6], 2, &[0, 1, u32::MAX], 9), [0.0; 3]);
        for odd in [f32::NAN, f32::INFINITY, 3e38, -1e38] {
            let data: Vec<f32> = (0..40).map(|i| if i % 7 == 0 { odd } else { i as f32 }).collect();
            let labels: Vec<u32> = (0..20).map(|i| if i == 3 { u32::MAX } else { i % 2 }).collect();
            let score = sphere_and_slab(&data, 2, &labels, 2);
            assert!(score.iter().all(|s| s.is_finite()) && score[3] == 0.0);
        }
        let all = [f32::NAN; 8];
        assert_eq!(sphere_and_slab(&all, 2, &[0, 0, 1, 1], 2), [0.0; 4]);
    }
}
