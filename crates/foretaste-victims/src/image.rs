//! Images as histograms of gradient directions, and as small thumbnails.
//!
//! Dalal and Triggs 2005 on one size for all images: gradients of the strongest colour channel vote for
//! unsigned and signed directions, cells of two sizes are summed, blocks of 2 x 2 cells are normalised and
//! cut, and a coarse thumbnail adds colour and brightness. Small pictures of any size become rows of one
//! length without a trained network.

use std::f32::consts::PI;

use foretaste_num::linalg::principal_components;
use foretaste_num::scale::Pixels;
use image::ImageReader;
use rayon::prelude::*;

use crate::Features;

/// Directions told apart over half a turn; twice as many over a full one.
const HALF: usize = 9;
/// Side of the picture after scaling, in pixels.
const SIDE: usize = 32;
/// Sides of the cells, in pixels.
const CELLS: [usize; 2] = [4, 8];
/// Side of the thumbnail among the features.
const THUMB: usize = 8;
/// Principal directions kept.
pub const RANK: usize = 160;
/// Largest share of a block's length that one entry keeps (Dalal and Triggs' clipping).
const CUT: f32 = 0.2;

/// A picture: `height * width * channels` bytes, rows from the top, channels of a pixel beside each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes per pixel: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. Alpha is not looked at.
    pub channels: usize,
    /// The pixels; missing bytes count as zero.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// Decodes PNG, JPEG, PNM or BMP bytes. Grey stays grey, all else becomes RGB. `None` when the bytes are
    /// no such picture.
    #[must_use]
    pub fn decode(file: &[u8]) -> Option<Self> {
        let reader = ImageReader::new(std::io::Cursor::new(file)).with_guessed_format().ok()?;
        let image = reader.decode().ok()?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        Some(if image.color().has_color() {
            Self { width, height, channels: 3, bytes: image.into_rgb8().into_raw() }
        } else {
            Self { width, height, channels: 1, bytes: image.into_luma8().into_raw() }
        })
    }

    fn colours(&self) -> usize {
        if self.channels >= 3 { 3 } else { 1 }
    }
}

/// One picture scaled to a square, values 0 to 1, one plane per colour.
struct Planes {
    side: usize,
    planes: Vec<Vec<f32>>,
}

impl Planes {
    /// Scales by averaging areas when shrinking, and between pixel centres when growing. `colours` planes.
    fn new(picture: &Picture, side: usize, colours: usize) -> Self {
        let Picture { width, height, channels, ref bytes } = *picture;
        let square = Pixels { bytes, width, height, channels }.square(side, colours);
        let planes =
            (0..colours).map(|c| square.iter().skip(c).step_by(colours).copied().collect()).collect();
        Self { side, planes }
    }

    /// Gradient of the colour whose gradient is longest at each pixel: `(x part, y part)`.
    fn gradients(&self) -> Vec<(f32, f32)> {
        let s = self.side;
        let mut out = vec![(0f32, 0f32); s * s];
        for plane in &self.planes {
            for y in 0..s {
                let (above, below) = (y.saturating_sub(1) * s, (y + 1).min(s - 1) * s);
                for x in 0..s {
                    let (left, right) = (x.saturating_sub(1), (x + 1).min(s - 1));
                    let dx = plane[y * s + right] - plane[y * s + left];
                    let dy = plane[below + x] - plane[above + x];
                    let best = &mut out[y * s + x];
                    if dx * dx + dy * dy > best.0 * best.0 + best.1 * best.1 {
                        *best = (dx, dy);
                    }
                }
            }
        }
        out
    }
}

/// What a pixel adds to histograms: two neighbouring directions of a full turn, and how much to each.
#[derive(Clone, Copy)]
struct Vote {
    directions: [usize; 2],
    amounts: [f32; 2],
}

impl Vote {
    fn new((dx, dy): (f32, f32)) -> Option<Self> {
        let length = (dx * dx + dy * dy).sqrt();
        if length <= 0.0 {
            return None;
        }
        // angle in units of one direction
        let turn = (dy.atan2(dx) + PI) / PI * HALF as f32;
        let low = turn.floor();
        let share = turn - low;
        let first = low as usize % (2 * HALF);
        let second = (first + 1) % (2 * HALF);
        Some(Self { directions: [first, second], amounts: [length * (1.0 - share), length * share] })
    }
}

/// Adds the normalised direction histograms of all cells of side `cell` to `out`.
fn histograms(votes: &[Option<Vote>], side: usize, cell: usize, out: &mut Vec<f32>) {
    let bins = HALF * 3;
    let cells = side / cell;
    let mut sums = vec![0f32; cells * cells * bins];
    let axis: Vec<Vec<(usize, f32)>> = (0..side).map(|p| near(p, cell, cells).collect()).collect();
    for (i, vote) in votes.iter().enumerate() {
        let Some(vote) = vote else { continue };
        for &(cy, wy) in &axis[i / side] {
            for &(cx, wx) in &axis[i % side] {
                let sums = &mut sums[(cy * cells + cx) * bins..][..bins];
                for (direction, amount) in vote.directions.into_iter().zip(vote.amounts) {
                    sums[direction] += amount * wx * wy;
                }
            }
        }
    }
    for cell in sums.chunks_exact_mut(bins) {
        for h in 0..HALF {
            cell[2 * HALF + h] = cell[h] + cell[h + HALF];
        }
    }
    normalise(&sums, cells, bins, out);
}

/// The two cells nearest to pixel `p` along one axis with their shares.
fn near(p: usize, cell: usize, cells: usize) -> impl Iterator<Item = (usize, f32)> {
    let place = (p as f32 + 0.5) / cell as f32 - 0.5;
    let low = place.floor();
    let share = place - low;
    [(low as isize, 1.0 - share), (low as isize + 1, share)]
        .into_iter()
        .filter(move |&(c, w)| c >= 0 && (c as usize) < cells && w > 0.0)
        .map(|(c, w)| (c as usize, w))
}

/// Divides each cell by the length of each of the (up to four) 2 x 2 blocks around it, cuts, and averages.
///
/// Averaging instead of keeping all four keeps a row four times shorter at hardly any loss (Felzenszwalb
/// et al. 2010).
fn normalise(sums: &[f32], cells: usize, bins: usize, out: &mut Vec<f32>) {
    let energy: Vec<f32> =
        sums.chunks_exact(bins).map(|c| c[2 * HALF..].iter().map(|v| v * v).sum()).collect();
    let block = |y: usize, x: usize| {
        let at = |y: usize, x: usize| energy[y.min(cells - 1) * cells + x.min(cells - 1)];
        (at(y, x) + at(y + 1, x) + at(y, x + 1) + at(y + 1, x + 1) + 1e-3).sqrt()
    };
    for y in 0..cells {
        for x in 0..cells {
            let lengths = [
                block(y, x),
                block(y.saturating_sub(1), x),
                block(y, x.saturating_sub(1)),
                block(y.saturating_sub(1), x.saturating_sub(1)),
            ];
            let cell = &sums[(y * cells + x) * bins..][..bins];
            out.extend(cell.iter().map(|v| lengths.iter().map(|l| (v / l).min(CUT)).sum::<f32>() * 0.5));
        }
    }
}

/// Thumbnail of `side * side * colours` values 0 to 1, plane after plane.
fn thumbnail(picture: &Picture, side: usize, colours: usize) -> Vec<f32> {
    Planes::new(picture, side, colours).planes.concat()
}

/// Colours of the whole set: three when any picture has colour.
fn colours_of(pictures: &[Picture]) -> usize {
    pictures.iter().map(Picture::colours).max().unwrap_or(1)
}

/// Rows for the surrogate and for neighbour search: [`histogram_features`] on their [`RANK`] principal
/// directions, which loses hardly any accuracy and is an order of magnitude faster to learn from.
#[must_use]
pub fn features(pictures: &[Picture]) -> Features {
    let (data, dim) = histogram_features(pictures);
    let reduced = principal_components(&data, pictures.len(), dim, RANK, 0);
    Features::Dense { data: reduced.projected, dim: reduced.rank }
}

/// Direction histograms and a thumbnail: the numbers, and how many there are per picture.
#[must_use]
pub fn histogram_features(pictures: &[Picture]) -> (Vec<f32>, usize) {
    let colours = colours_of(pictures);
    let rows: Vec<Vec<f32>> = pictures
        .par_iter()
        .map(|picture| {
            let planes = Planes::new(picture, SIDE, colours);
            let votes: Vec<Option<Vote>> = planes.gradients().into_iter().map(Vote::new).collect();
            let mut row = Vec::new();
            CELLS.iter().for_each(|&cell| histograms(&votes, SIDE, cell, &mut row));
            row.extend(thumbnail(picture, THUMB, colours).iter().map(|v| v - 0.5));
            row
        })
        .collect();
    let dim = rows.first().map_or(0, Vec::len);
    (rows.concat(), dim)
}

/// Coarse pixels: `side * side * colours` values 0 to 1 per picture, plane after plane. Returns the numbers
/// and how many there are per picture.
#[must_use]
pub fn pixels(pictures: &[Picture], side: usize) -> (Vec<f32>, usize) {
    let colours = colours_of(pictures);
    let rows: Vec<Vec<f32>> = pictures.par_iter().map(|p| thumbnail(p, side, colours)).collect();
    (rows.concat(), side * side * colours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surrogate;
    use foretaste_num::softmax::FoldOptions;

    /// Bars at an angle, of any size.
    fn bars(side: usize, upright: bool, phase: usize, channels: usize) -> Picture {
        let bytes = (0..side * side * channels)
            .map(|i| {
                let (x, y) = (i / channels % side, i / channels / side);
                let along = if upright { x } else { y };
                if ((along * 32 / side + phase) / 4).is_multiple_of(2) { 20 } else { 220 }
            })
            .collect();
        Picture { width: side, height: side, channels, bytes }
    }

    #[test]
    fn directions_tell_upright_from_flat_bars_at_any_size() {
        let pictures: Vec<Picture> =
            (0..120).map(|i| bars(24 + i % 30, i % 2 == 0, i / 2, if i % 3 == 0 { 3 } else { 1 })).collect();
        let labels: Vec<u32> = (0..120).map(|i| i % 2).collect();
        let out = surrogate(&features(&pictures), &labels, 2, None, &FoldOptions::default());
        assert!(out.accuracy > 0.98, "{}", out.accuracy);
    }

    #[test]
    fn scaling_keeps_a_constant_and_the_mean() {
        let plain = Picture { width: 50, height: 7, channels: 1, bytes: vec![51; 350] };
        let (thumb, dim) = pixels(&[plain], 8);
        assert_eq!(dim, 64);
        assert!(thumb.iter().all(|v| (v - 0.2).abs() < 1e-5));
    }

    #[test]
    fn odd_pictures_are_no_trouble() {
        assert!(features(&[]).is_empty());
        let empty = Picture { width: 0, height: 0, channels: 3, bytes: Vec::new() };
        let short = Picture { width: 9, height: 9, channels: 4, bytes: vec![1, 2, 3] };
        let dot = Picture { width: 1, height: 1, channels: 1, bytes: vec![255] };
        let (data, dim) = histogram_features(&[empty, short, dot]);
        assert_eq!(data.len(), 3 * dim);
        assert!(data.iter().all(|v| v.is_finite()));
        assert!(Picture::decode(b"no picture").is_none());
    }
}
