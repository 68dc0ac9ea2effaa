//! Near-duplicate images: perceptual hashes propose, thumbnails decide.
//!
//! The pHash of Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions* (2010): the signs of
//! the 64 lowest frequencies of a 32 x 32 grey thumbnail against their median; and a difference hash (dHash) of
//! horizontal neighbours in a 9 x 8 thumbnail.
//!
//! On small, aligned images (garments, signs) hashes alone call different objects alike, so two images are joined
//! only if their 16 x 16 thumbnails also correlate. Images without texture have no meaningful hash and are joined
//! only to byte-equal ones.

mod groups;

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use groups::{GroupParams, groups};

/// Side of the thumbnail that is transformed.
const SIDE: usize = 32;
/// Side of the thumbnail that is kept.
const THUMB: usize = 16;
/// An image whose thumbnail deviates less than this many grey levels (root mean square) has no texture.
const FLAT: f32 = 2.0;

/// An image in memory: `width * height * channels` bytes, row by row, channels together.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The bytes.
    pub pixels: &'a [u8],
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. Alpha is ignored by the hashes, not by `exact`.
    pub channels: usize,
}

/// Why an image could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhashError {
    /// The bytes are not `width x height x channels`, a side is zero, or the channels are not 1 to 4.
    Shape {
        /// Number of bytes.
        bytes: usize,
        /// Pixels per row.
        width: usize,
        /// Rows.
        height: usize,
        /// Channels.
        channels: usize,
    },
}

impl std::fmt::Display for PhashError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Shape { bytes, width, height, channels } = self;
        write!(f, "{bytes} bytes do not make an image of {width} x {height} with {channels} channels")
    }
}

impl std::error::Error for PhashError {}

/// What is kept of an image: 290 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageHash {
    /// Signs of the lowest frequencies.
    pub phash: u64,
    /// Signs of horizontal differences.
    pub dhash: u64,
    /// Hash of bytes and shape; not safe against an attacker who forges collisions.
    pub exact: u64,
    /// 16 x 16 grey thumbnail.
    pub thumb: [u8; THUMB * THUMB],
    /// Has the image no texture? Then `phash` and `dhash` mean nothing.
    pub flat: bool,
}

impl ImageHash {
    /// Pearson correlation of both thumbnails, in `[-1, 1]`: brightness and contrast do not count. 0 if either
    /// is constant.
    #[must_use]
    pub fn correlation(&self, other: &Self) -> f64 {
        let n = (THUMB * THUMB) as i64;
        let (mut a, mut b, mut aa, mut bb, mut ab) = (0i64, 0i64, 0i64, 0i64, 0i64);
        for (&x, &y) in self.thumb.iter().zip(&other.thumb) {
            let (x, y) = (i64::from(x), i64::from(y));
            (a, b, aa, bb, ab) = (a + x, b + y, aa + x * x, bb + y * y, ab + x * y);
        }
        let (va, vb, cov) = (n * aa - a * a, n * bb - b * b, n * ab - a * b);
        if va == 0 || vb == 0 { 0.0 } else { cov as f64 / ((va as f64) * (vb as f64)).sqrt() }
    }

    /// Mean absolute difference of both thumbnails in grey levels.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f64 {
        let sum: u32 = self.thumb.iter().zip(&other.thumb).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / (THUMB * THUMB) as f64
    }
}

/// Hashes an image.
///
/// # Errors
/// [`PhashError::Shape`] if the bytes do not make an image.
pub fn hash(image: Image<'_>) -> Result<ImageHash, PhashError> {
    let Image { pixels, width, height, channels } = image;
    let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
    if bytes != Some(pixels.len()) || pixels.is_empty() || channels > 4 {
        return Err(PhashError::Shape { bytes: pixels.len(), width, height, channels });
    }
    let grey = grey(image);
    let side = resize(&grey, width, height, SIDE, SIDE);
    let mean = side.iter().sum::<f32>() / side.len() as f32;
    let spread = (side.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / side.len() as f32).sqrt();
    let mut thumb = [0u8; THUMB * THUMB];
    for (t, v) in thumb.iter_mut().zip(resize(&grey, width, height, THUMB, THUMB)) {
        *t = v.round() as u8;
    }
    let shape = (width as u64) << 34 ^ (height as u64) << 4 ^ channels as u64;
    Ok(ImageHash {
        phash: frequencies(&side),
        dhash: differences(&resize(&grey, width, height, 9, 8)),
        exact: xxh3_64_with_seed(pixels, shape),
        thumb,
        flat: spread < FLAT,
    })
}

/// Luma of Rec. 601, grey as it is.
fn grey(image: Image<'_>) -> Vec<f32> {
    let pixels = image.pixels.chunks_exact(image.channels);
    if image.channels < 3 {
        return pixels.map(|p| f32::from(p[0])).collect();
    }
    pixels.map(|p| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])).collect()
}

/// For each of `to` cells: the first source cell it covers and the share of each, summing to one.
fn cover(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    // in units of 1 / to of a source cell, whole numbers: target cell t covers [t from, (t + 1) from)
    let cell = |t: usize| {
        let (low, high) = (t * from, (t + 1) * from);
        let (first, last) = (low / to, (high - 1) / to);
        let share = |s: usize| ((s + 1) * to).min(high) - (s * to).max(low);
        (first, (first..=last).map(|s| share(s) as f32 / from as f32).collect())
    };
    (0..to).map(cell).collect()
}

/// Means over areas, rows then columns.
fn resize(grey: &[f32], width: usize, height: usize, to_width: usize, to_height: usize) -> Vec<f32> {
    let (columns, rows) = (cover(width, to_width), cover(height, to_height));
    let mut narrow = Vec::with_capacity(to_width * height);
    for row in grey.chunks_exact(width) {
        narrow.extend(columns.iter().map(|(first, shares)| {
            row[*first..].iter().zip(shares).fold(0.0, |sum, (v, share)| sum + v * share)
        }));
    }
    let mut out = vec![0.0f32; to_width * to_height];
    for (out, (first, shares)) in out.chunks_exact_mut(to_width).zip(&rows) {
        for (row, share) in narrow[first * to_width..].chunks_exact(to_width).zip(shares) {
            for (o, v) in out.iter_mut().zip(row) {
                *o += v * share;
            }
        }
    }
    out
}

/// Frequencies per axis that the 64 lowest diagonals reach.
const LOW: usize = 11;

/// The 64 lowest frequencies without the mean, by `u + v` and then `u`.
fn order() -> impl Iterator<Item = (usize, usize)> {
    (1..LOW).flat_map(|d| (0..=d).map(move |u| (u, d - u))).take(64)
}

/// Cosines of the type II transform, one row per frequency. Fixed and small, so made once.
fn cosines() -> &'static [[f32; SIDE]; LOW] {
    static TABLE: std::sync::OnceLock<[[f32; SIDE]; LOW]> = std::sync::OnceLock::new();
    TABLE.get_or_init(|| {
        let angle = |u: usize, x: usize| std::f64::consts::PI * (x as f64 + 0.5) * u as f64 / SIDE as f64;
        std::array::from_fn(|u| std::array::from_fn(|x| angle(u, x).cos() as f32))
    })
}

fn frequencies(side: &[f32]) -> u64 {
    let cosines = cosines();
    let mut across = [[0.0f32; SIDE]; LOW];
    for (y, row) in side.chunks_exact(SIDE).enumerate() {
        for (u, wave) in cosines.iter().enumerate() {
            across[u][y] = row.iter().zip(wave).fold(0.0, |s, (v, c)| s + v * c);
        }
    }
    let mut low = [0.0f32; 64];
    for (at, (u, v)) in order().enumerate() {
        low[at] = across[u].iter().zip(&cosines[v]).fold(0.0, |s, (v, c)| s + v * c);
    }
    let mut sorted = low;
    sorted.sort_by(f32::total_cmp);
    let median = 0.5 * (sorted[31] + sorted[32]);
    low.iter().enumerate().fold(0, |bits, (at, &v)| bits | u64::from(v > median) << at)
}

fn differences(nine: &[f32]) -> u64 {
    let pairs = nine.chunks_exact(9).flat_map(|row| row.windows(2));
    pairs.enumerate().fold(0, |bits, (at, w)| bits | u64::from(w[1] > w[0]) << at)
}

#[cfg(test)]
mod tests;
