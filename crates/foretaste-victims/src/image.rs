//! Images as histograms of gradient directions, and as small thumbnails.
//!
//! Dalal and Triggs 2005 on one size for all images: gradients of the strongest colour channel vote for
//! unsigned and signed directions, cells of two sizes are summed, blocks of 2 x 2 cells are normalised and
//! cut, and a coarse thumbnail adds colour and brightness. Small pictures of any size become rows of one
//! length without a trained network.

use std::f32::consts::PI;

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
        let columns = taps(picture.width, side);
        let rows = taps(picture.height, side);
        let planes = (0..colours)
            .map(|c| {
                let channel = if picture.colours() == 3 { c } else { 0 };
                let at = |x: usize, y: usize| {
                    let place = (y * picture.width + x) * picture.channels + channel;
                    f32::from(picture.bytes.get(place).copied().unwrap_or(0)) / 255.0
                };
                // rows first, only those that are read
                let mut wide = vec![0f32; side * picture.height];
                for y in 0..picture.height {
                    for (x, taps) in columns.iter().enumerate() {
                        wide[y * side + x] = taps.iter().map(|&(i, w)| w * at(i, y)).sum();
                    }
                }
                let mut plane = vec![0f32; side * side];
                for (y, taps) in rows.iter().enumerate() {
                    for x in 0..side {
                        plane[y * side + x] = taps.iter().map(|&(i, w)| w * wide[i * side + x]).sum();
                    }
                }
                plane
            })
            .collect();
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

/// For each target pixel, the source pixels and their weights (which sum to one).
fn taps(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    if from == 0 {
        return vec![Vec::new(); to];
    }
    let ratio = from as f64 / to as f64;
    // a triangle as wide as a target pixel, and at least as a source pixel
    let reach = ratio.max(1.0);
    (0..to)
        .map(|t| {
            let centre = (t as f64 + 0.5) * ratio - 0.5;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor().max(0.0) as usize).min(from - 1);
            let mut taps: Vec<(usize, f64)> = (first.min(last)..=last)
                .map(|i| (i, (1.0 - (i as f64 - centre).abs() / reach).max(0.0)))
                .filter(|t| t.1 > 0.0)
                .collect();
            if taps.is_empty() {
                taps.push((last, 1.0));
            }
            let sum: f64 = taps.iter().map(|t| t.1).sum();
            taps.into_iter().map(|(i, w)| (i, (w / sum) as f32)).collect()
        })
        .collect()
}

/// Adds the direction histograms of all blocks of cells of side `cell` to `out`.
fn histograms(gradients: &[(f32, f32)], side: usize, cell: usize, out: &mut Vec<f32>) {
    let bins = HALF * 3;
    let cells = side / cell;
    let mut sums = vec![0f32; cells * cells * bins];
    for y in 0..side {
        for x in 0..side {
            let (dx, dy) = gradients[y * side + x];
            let length = (dx * dx + dy * dy).sqrt();
            if length <= 0.0 {
                continue;
            }
            // angle in units of one direction of a full turn, shared between the two nearest
            let turn = (dy.atan2(dx) + PI) / PI * HALF as f32;
            let low = turn.floor();
            let share = turn - low;
            let first = low as usize % (2 * HALF);
            let second = (first + 1) % (2 * HALF);
            for (cy, wy) in near(y, cell, cells) {
                for (cx, wx) in near(x, cell, cells) {
                    let at = (cy * cells + cx) * bins;
                    let vote = length * wx * wy;
                    for (direction, part) in [(first, 1.0 - share), (second, share)] {
                        sums[at + direction] += vote * part;
                        sums[at + 2 * HALF + direction % HALF] += vote * part;
                    }
                }
            }
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

/// Rows for the surrogate and for neighbour search: direction histograms and a thumbnail.
#[must_use]
pub fn features(pictures: &[Picture]) -> Features {
    let colours = colours_of(pictures);
    let rows: Vec<Vec<f32>> = pictures
        .par_iter()
        .map(|picture| {
            let planes = Planes::new(picture, SIDE, colours);
            let gradients = planes.gradients();
            let mut row = Vec::new();
            CELLS.iter().for_each(|&cell| histograms(&gradients, SIDE, cell, &mut row));
            row.extend(thumbnail(picture, THUMB, colours).iter().map(|v| v - 0.5));
            row
        })
        .collect();
    let dim = rows.first().map_or(0, Vec::len);
    Features::Dense { data: rows.concat(), dim }
}

/// Coarse pixels: `side * side * colours` values 0 to 1 per picture, plane after plane. Returns the numbers
/// and how many there are per picture.
#[must_use]
pub fn pixels(pictures: &[Picture], side: usize) -> (Vec<f32>, usize) {
    let colours = colours_of(pictures);
    let rows: Vec<Vec<f32>> = pictures.par_iter().map(|p| thumbnail(p, side, colours)).collect();
    (rows.concat(), side * side * colours)
}
