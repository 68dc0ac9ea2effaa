//! Histograms of gradient directions and a thumbnail of a picture, and the way back from them to its pixels.
//!
//! Dalal and Triggs 2005 on one size for all pictures: gradients of the strongest colour vote for unsigned and signed
//! directions, cells of two sizes are summed, blocks of 2 x 2 cells are normalised and cut, and a coarse thumbnail adds colour
//! and brightness. Pictures of any size become rows of one length without a trained network: features that are fixed, which
//! whoever poisons a model on them knows.

use crate::angle::angle;
use std::f32::consts::PI;

/// Side of the picture that gradients are taken of, in pixels.
pub const SIDE: usize = 32;
/// Side of the thumbnail.
pub const THUMB: usize = 8;
/// Directions told apart over half a turn; twice as many over a full one.
const HALF: usize = 9;
/// Numbers of a cell: a full turn, then half a turn.
const BINS: usize = HALF * 3;
/// Sides of the cells, in pixels.
const CELLS: [usize; 2] = [4, 8];
/// Largest share of a block's length that one entry keeps (Dalal and Triggs' clipping).
const CUT: f32 = 0.2;

/// Numbers of one picture.
#[must_use]
pub fn width(colours: usize) -> usize {
    CELLS.iter().map(|cell| (SIDE / cell).pow(2) * BINS).sum::<usize>() + THUMB * THUMB * colours
}

/// Features of a picture seen at two sizes: `square` is `SIDE x SIDE x colours`, `thumb` `THUMB x THUMB x colours`, values 0 to 1,
/// colours of a pixel beside each other. Slices of another length give zeros.
#[must_use]
pub fn features(square: &[f32], thumb: &[f32], colours: usize) -> Vec<f32> {
    if !fits(square, thumb, colours) {
        return vec![0.0; width(colours)];
    }
    let votes: Vec<Option<Vote>> = slopes(square, colours).into_iter().map(|s| Vote::new(s.x, s.y)).collect();
    let mut out = Vec::with_capacity(width(colours));
    for cell in CELLS {
        normalise(&sums(&votes, cell), SIDE / cell, &mut out);
    }
    // plane after plane
    out.extend((0..colours).flat_map(|c| thumb.iter().skip(c).step_by(colours)).map(|v| v - 0.5));
    out
}

/// Gradient of `sum_j weights[j] * feature_j` with respect to `square` and to `thumb`, shaped like these. Where a pixel has
/// no gradient, a direction or a cut changes, one of the two sides is taken.
#[must_use]
pub fn gradient(square: &[f32], thumb: &[f32], colours: usize, weights: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (mut of_square, mut of_thumb) = (vec![0f32; square.len()], vec![0f32; thumb.len()]);
    if !fits(square, thumb, colours) || weights.len() != width(colours) {
        return (of_square, of_thumb);
    }
    let slopes = slopes(square, colours);
    let votes: Vec<Option<Vote>> = slopes.iter().map(|s| Vote::new(s.x, s.y)).collect();
    let mut of_votes = vec![[0f32; 2]; votes.len()];
    let mut at = 0;
    for cell in CELLS {
        let cells = SIDE / cell;
        let own = &weights[at..][..cells * cells * BINS];
        at += own.len();
        let of_sums = unnormalise(&sums(&votes, cell), cells, own);
        votes_back(&votes, cell, &of_sums, &mut of_votes);
    }
    for (i, ((slope, vote), d)) in slopes.iter().zip(&votes).zip(&of_votes).enumerate() {
        let Some(vote) = vote else { continue };
        let (dx, dy) = vote.back(slope.x, slope.y, *d);
        let (x, y) = (i % SIDE, i / SIDE);
        let mut add = |x: usize, y: usize, v: f32| of_square[(y * SIDE + x) * colours + slope.colour] += v;
        add(after(x), y, dx);
        add(x.saturating_sub(1), y, -dx);
        add(x, after(y), dy);
        add(x, y.saturating_sub(1), -dy);
    }
    for (c, plane) in weights[at..].chunks_exact(THUMB * THUMB).enumerate() {
        of_thumb.iter_mut().skip(c).step_by(colours).zip(plane).for_each(|(d, w)| *d = *w);
    }
    (of_square, of_thumb)
}

fn fits(square: &[f32], thumb: &[f32], colours: usize) -> bool {
    colours > 0 && square.len() == SIDE * SIDE * colours && thumb.len() == THUMB * THUMB * colours
}

/// The next pixel, or the last.
fn after(at: usize) -> usize {
    (at + 1).min(SIDE - 1)
}

/// How light changes at a pixel, in the colour where it changes most.
#[derive(Clone, Copy)]
struct Slope {
    x: f32,
    y: f32,
    colour: usize,
}

fn slopes(square: &[f32], colours: usize) -> Vec<Slope> {
    let mut out = vec![Slope { x: 0.0, y: 0.0, colour: 0 }; SIDE * SIDE];
    let line = |y: usize| &square[y * SIDE * colours..][..SIDE * colours];
    for (y, slopes) in out.chunks_exact_mut(SIDE).enumerate() {
        let (above, here, below) = (line(y.saturating_sub(1)), line(y), line(after(y)));
        for (x, best) in slopes.iter_mut().enumerate() {
            let [left, own, right] = [x.saturating_sub(1), x, after(x)].map(|x| x * colours);
            for colour in 0..colours {
                let dx = here[right + colour] - here[left + colour];
                let dy = below[own + colour] - above[own + colour];
                if dx * dx + dy * dy > best.x * best.x + best.y * best.y {
                    *best = Slope { x: dx, y: dy, colour };
                }
            }
        }
    }
    out
}

/// What a pixel adds to histograms: two neighbouring directions of a full turn, and how much to each.
#[derive(Clone, Copy)]
struct Vote {
    directions: [usize; 2],
    amounts: [f32; 2],
}

impl Vote {
    fn new(dx: f32, dy: f32) -> Option<Self> {
        let length = (dx * dx + dy * dy).sqrt();
        if length <= 0.0 {
            return None;
        }
        // angle in units of one direction
        let turn = (angle(dy, dx) + PI) / PI * HALF as f32;
        let low = turn.floor();
        let share = turn - low;
        let first = low as usize % (2 * HALF);
        let second = (first + 1) % (2 * HALF);
        Some(Self { directions: [first, second], amounts: [length * (1.0 - share), length * share] })
    }

    /// From the gradient of the amounts to that of the slope.
    fn back(&self, dx: f32, dy: f32, [first, second]: [f32; 2]) -> (f32, f32) {
        let length = (dx * dx + dy * dy).sqrt();
        let along = (first * self.amounts[0] + second * self.amounts[1]) / length;
        let across = (second - first) * HALF as f32 / PI;
        ((along * dx - across * dy) / length, (along * dy + across * dx) / length)
    }
}

/// The two cells nearest to each pixel along one axis with their shares; a cell beyond the edge has none.
fn near(cell: usize) -> [[(usize, f32); 2]; SIDE] {
    let cells = SIDE / cell;
    std::array::from_fn(|p| {
        let place = (p as f32 + 0.5) / cell as f32 - 0.5;
        let low = place.floor();
        let share = place - low;
        [(low as isize, 1.0 - share), (low as isize + 1, share)].map(|(c, w)| {
            let inside = usize::try_from(c).ok().filter(|c| *c < cells);
            inside.map_or((0, 0.0), |c| (c, w))
        })
    })
}

/// Sums of votes in all cells of side `cell`: `cells x cells x BINS`.
fn sums(votes: &[Option<Vote>], cell: usize) -> Vec<f32> {
    let cells = SIDE / cell;
    let mut sums = vec![0f32; cells * cells * BINS];
    let axis = near(cell);
    for (i, vote) in votes.iter().enumerate() {
        let Some(vote) = vote else { continue };
        for &(cy, wy) in &axis[i / SIDE] {
            for &(cx, wx) in &axis[i % SIDE] {
                let sums = &mut sums[(cy * cells + cx) * BINS..][..BINS];
                for (direction, amount) in vote.directions.into_iter().zip(vote.amounts) {
                    sums[direction] += amount * wx * wy;
                }
            }
        }
    }
    for cell in sums.chunks_exact_mut(BINS) {
        for h in 0..HALF {
            cell[2 * HALF + h] = cell[h] + cell[h + HALF];
        }
    }
    sums
}

/// From the gradient of the sums to that of the amounts of each vote.
fn votes_back(votes: &[Option<Vote>], cell: usize, of_sums: &[f32], out: &mut [[f32; 2]]) {
    let cells = SIDE / cell;
    let axis = near(cell);
    for (i, (vote, out)) in votes.iter().zip(out).enumerate() {
        let Some(vote) = vote else { continue };
        for &(cy, wy) in &axis[i / SIDE] {
            for &(cx, wx) in &axis[i % SIDE] {
                let own = &of_sums[(cy * cells + cx) * BINS..][..BINS];
                for (out, direction) in out.iter_mut().zip(vote.directions) {
                    *out += wx * wy * (own[direction] + own[2 * HALF + direction % HALF]);
                }
            }
        }
    }
}

/// The four cells of each of the blocks around a cell, each by its upper left one (cells beyond the edge repeat it).
fn blocks(y: usize, x: usize) -> [(usize, usize); 4] {
    [(y, x), (y.saturating_sub(1), x), (y, x.saturating_sub(1)), (y.saturating_sub(1), x.saturating_sub(1))]
}

/// The cells of the block at `(y, x)`.
fn members(y: usize, x: usize, cells: usize) -> [usize; 4] {
    let at = |y: usize, x: usize| y.min(cells - 1) * cells + x.min(cells - 1);
    [at(y, x), at(y + 1, x), at(y, x + 1), at(y + 1, x + 1)]
}

/// Lengths of the blocks, by their upper left cells.
fn lengths(sums: &[f32], cells: usize) -> Vec<f32> {
    let energy: Vec<f32> =
        sums.chunks_exact(BINS).map(|c| c[2 * HALF..].iter().map(|v| v * v).sum()).collect();
    let length = |at: usize| {
        let [a, b, c, d] = members(at / cells, at % cells, cells);
        (energy[a] + energy[b] + energy[c] + energy[d] + 1e-3).sqrt()
    };
    (0..cells * cells).map(length).collect()
}

/// Divides each cell by the length of each of the (up to four) 2 x 2 blocks around it, cuts, and averages.
///
/// Averaging instead of keeping all four keeps a row four times shorter at hardly any loss (Felzenszwalb
/// et al. 2010).
fn normalise(sums: &[f32], cells: usize, out: &mut Vec<f32>) {
    let lengths = lengths(sums, cells);
    for (at, cell) in sums.chunks_exact(BINS).enumerate() {
        let [a, b, c, d] = blocks(at / cells, at % cells).map(|(y, x)| lengths[y * cells + x].recip());
        let cut = |v: f32| v.min(CUT);
        out.extend(cell.iter().map(|v| (cut(v * a) + cut(v * b) + cut(v * c) + cut(v * d)) * 0.5));
    }
}

/// From the gradient of what [`normalise`] gives to that of the sums.
fn unnormalise(sums: &[f32], cells: usize, weights: &[f32]) -> Vec<f32> {
    let lengths = lengths(sums, cells);
    let mut out = vec![0f32; sums.len()];
    let mut of_lengths = vec![0f32; lengths.len()];
    for (at, (cell, weights)) in sums.chunks_exact(BINS).zip(weights.chunks_exact(BINS)).enumerate() {
        for (y, x) in blocks(at / cells, at % cells) {
            let (block, length) = (y * cells + x, lengths[y * cells + x]);
            for (b, (v, w)) in cell.iter().zip(weights).enumerate() {
                if v / length < CUT {
                    out[at * BINS + b] += 0.5 * w / length;
                    of_lengths[block] -= 0.5 * w * v / (length * length);
                }
            }
        }
    }
    for (block, (d, length)) in of_lengths.iter().zip(&lengths).enumerate() {
        for at in members(block / cells, block % cells, cells) {
            for h in at * BINS + 2 * HALF..(at + 1) * BINS {
                out[h] += d * sums[h] / length;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn seen(colours: usize) -> (Vec<f32>, Vec<f32>) {
        let mut rng = Rng::new(colours as u64, "hog");
        let mut draw = |n: usize| (0..n).map(|_| rng.unit() as f32).collect::<Vec<f32>>();
        (draw(SIDE * SIDE * colours), draw(THUMB * THUMB * colours))
    }

    #[test]
    fn the_way_back_is_that_of_finite_differences() {
        for colours in [1, 3] {
            let (square, thumb) = seen(colours);
            let mut rng = Rng::new(9, "weights");
            let weights: Vec<f32> = (0..width(colours)).map(|_| rng.normal() as f32).collect();
            let (of_square, of_thumb) = gradient(&square, &thumb, colours, &weights);
            let value = |square: &[f32], thumb: &[f32]| -> f64 {
                let rows = features(square, thumb, colours);
                rows.iter().zip(&weights).map(|(f, w)| f64::from(*f) * f64::from(*w)).sum()
            };
            // along directions of a few pixels, since cuts and turns change sides somewhere on a longer way
            let mut smooth = 0;
            for k in 0..40 {
                let at = (k * 97) % square.len();
                let moved = |h: f32| {
                    let mut moved = square.clone();
                    moved[at] += h;
                    value(&moved, &thumb)
                };
                let (down, here, up) = (moved(-1e-3), moved(0.0), moved(1e-3));
                let want = (up - down) / 2e-3;
                // at a kink the two sides differ, and there is no gradient
                if ((up - here) - (here - down)).abs() / 1e-3 > 0.05 * (1.0 + want.abs()) {
                    continue;
                }
                smooth += 1;
                let got = f64::from(of_square[at]);
                assert!((got - want).abs() < 0.05 * (1.0 + want.abs()), "{colours} {at}: {got} and {want}");
            }
            assert!(smooth >= 20, "{smooth} of 40 places are smooth");
            let mut brighter = thumb.clone();
            brighter[7] += 0.5;
            let grown = value(&square, &brighter) - value(&square, &thumb);
            assert!((grown - 0.5 * f64::from(of_thumb[7])).abs() < 1e-3);
        }
    }

    #[test]
    fn an_edge_votes_for_its_direction() {
        let step = |upright: bool| -> Vec<f32> {
            (0..SIDE * SIDE)
                .map(|i| if upright { i % SIDE } else { i / SIDE })
                .map(|p| (p >= SIDE / 2) as u8 as f32)
                .collect()
        };
        let thumb = vec![0.5; THUMB * THUMB];
        let (upright, flat) = (features(&step(true), &thumb, 1), features(&step(false), &thumb, 1));
        assert_eq!(upright.len(), width(1));
        let common: f32 = upright.iter().zip(&flat).map(|(a, b)| a * b).sum();
        let own: f32 = upright.iter().map(|a| a * a).sum();
        assert!(common < 0.5 * own, "{common} of {own}");
        assert!(features(&[0.5; SIDE * SIDE], &thumb, 1).iter().all(|v| *v == 0.0));
        assert_eq!(features(&[], &[], 1), vec![0.0; width(1)]);
    }
}
