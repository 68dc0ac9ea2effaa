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
}
