//! Images as histograms of gradient directions, and as small thumbnails.
//!
//! Small pictures of any size become rows of one length without a trained network; [`foretaste_num::hog`] says how.

use foretaste_num::hog;
use foretaste_num::linalg::principal_components;
use foretaste_num::scale::Pixels;
use image::ImageReader;
use rayon::prelude::*;

use crate::Features;

/// Principal directions kept.
pub const RANK: usize = 160;

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

    /// Scaled to a square, values 0 to 1, colours of a pixel beside each other.
    fn square(&self, side: usize, colours: usize) -> Vec<f32> {
        let Self { width, height, channels, ref bytes } = *self;
        Pixels { bytes, width, height, channels }.square(side, colours)
    }
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
    let dim = if pictures.is_empty() { 0 } else { hog::width(colours) };
    let mut data = vec![0f32; pictures.len() * dim];
    data.par_chunks_mut(dim.max(1)).zip(pictures).for_each(|(row, picture)| {
        let (square, thumb) = (picture.square(hog::SIDE, colours), picture.square(hog::THUMB, colours));
        row.copy_from_slice(&hog::features(&square, &thumb, colours));
    });
    (data, dim)
}

/// Coarse pixels: `side * side * colours` values 0 to 1 per picture, plane after plane. Returns the numbers
/// and how many there are per picture.
#[must_use]
pub fn pixels(pictures: &[Picture], side: usize) -> (Vec<f32>, usize) {
    let colours = colours_of(pictures);
    let planes = |p: &Picture| -> Vec<f32> {
        let square = p.square(side, colours);
        (0..colours).flat_map(|c| square.iter().skip(c).step_by(colours)).copied().collect()
    };
    let rows: Vec<Vec<f32>> = pictures.par_iter().map(planes).collect();
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
