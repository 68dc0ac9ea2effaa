//! What attacks on pictures share: stamping every picked picture, and patterns on the unit square.

use crate::backdoor::Carriers;
use foretaste_core::{Edited, Image, Needs, Picked, Role};
use rayon::prelude::*;

/// What attacks on labelled pictures read.
pub fn needs() -> Needs {
    Needs::all(&[Role::Label, Role::Image])
}

/// Changes each picture by `stamp(image, position in picked)`. Missing pictures stay missing.
pub fn stamped(
    picked: &Picked,
    which: &[usize],
    stamp: impl Fn(&mut Image, usize) + Sync,
) -> Vec<Option<Image>> {
    which
        .par_iter()
        .map(|&i| {
            let mut image = picked.images.get(i).cloned().flatten()?;
            stamp(&mut image, i);
            Some(image)
        })
        .collect()
}

/// Carriers with their pictures changed.
pub fn put(carriers: Carriers<'_>, stamp: impl Fn(&mut Image, usize) + Sync) -> Edited {
    let images = Some(stamped(carriers.picked, carriers.which, stamp));
    Edited { images, ..Edited::default() }
}

/// Bilinear interpolation in a `size` x `size` grid of values at `(x, y)` in `[0, 1]`, corners at the edges.
pub fn bilinear(grid: &[f32], size: usize, x: f32, y: f32) -> f32 {
    let last = size.saturating_sub(1);
    let (fx, fy) = (x.clamp(0.0, 1.0) * last as f32, y.clamp(0.0, 1.0) * last as f32);
    let (x0, y0) = (fx as usize, fy as usize);
    let (x1, y1) = ((x0 + 1).min(last), (y0 + 1).min(last));
    let (tx, ty) = (fx - x0 as f32, fy - y0 as f32);
    let at = |x: usize, y: usize| grid.get(y * size + x).copied().unwrap_or(0.0);
    let top = at(x0, y0) * (1.0 - tx) + at(x1, y0) * tx;
    let bottom = at(x0, y1) * (1.0 - tx) + at(x1, y1) * tx;
    top * (1.0 - ty) + bottom * ty
}

/// Weights of the four cells around a place `t` of the way from the second to the third: Keys' cubic with a = -0.75.
fn cubic(t: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |d: f32| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f32| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// Like [`bilinear`], by cubics through the cells, which are continued beyond the borders by their outermost. As
/// `interpolate(mode="bicubic", align_corners=True)` of PyTorch.
pub fn bicubic(grid: &[f32], size: usize, x: f32, y: f32) -> f32 {
    let last = size.saturating_sub(1);
    let split = |v: f32| {
        let v = v.clamp(0.0, 1.0) * last as f32;
        (v as isize, v - v.floor())
    };
    let ((x0, tx), (y0, ty)) = (split(x), split(y));
    let inside = |v: isize| v.clamp(0, last as isize) as usize;
    let at = |x: isize, y: isize| grid.get(inside(y) * size + inside(x)).copied().unwrap_or(0.0);
    let row = |y: isize| (-1..).zip(cubic(tx)).map(|(i, w)| w * at(x0 + i, y)).sum::<f32>();
    (-1..).zip(cubic(ty)).map(|(i, w)| w * row(y0 + i)).sum()
}

/// Position of pixel `i` of `n` on the unit interval, first and last at its ends.
pub fn unit(i: usize, n: usize) -> f32 {
    if n > 1 { i as f32 / (n - 1) as f32 } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bilinear_meets_the_corners_and_the_middle() {
        let grid = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(bilinear(&grid, 2, 0.0, 0.0), 0.0);
        assert_eq!(bilinear(&grid, 2, 1.0, 1.0), 3.0);
        assert_eq!(bilinear(&grid, 2, 0.5, 0.5), 1.5);
    }

    #[test]
    fn bicubic_is_that_of_pytorch() {
        let grid = [0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 0.25, 1.0, 0.5, 0.5, -1.0, 0.0, 1.0, 0.0, 3.0, -0.5];
        // torch 2.15: interpolate(grid, size=(7, 7), mode="bicubic", align_corners=True), a row, a column, a value
        let theirs = [
            (0, 3, -0.046_875),
            (1, 1, 0.158_447_27),
            (2, 2, -2.0),
            (3, 2, -0.984_375),
            (5, 4, 0.8828),
            (6, 5, 1.531_25),
        ];
        for (row, column, value) in theirs {
            let ours = bicubic(&grid, 4, column as f32 / 6.0, row as f32 / 6.0);
            assert!((ours - value).abs() < 1e-4, "{row} {column}: {ours}, not {value}");
        }
    }
}
