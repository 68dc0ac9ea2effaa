//! Pictures scaled to a square, and gradients scaled back.

/// Weights of red, green and blue in what the eye calls brightness (ITU-R BT.601).
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// A picture as bytes: row by row, channels of a pixel beside each other.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// `height * width * channels` bytes; missing ones count as zero.
    pub bytes: &'a [u8],
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes of a pixel: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. Alpha is not looked at.
    pub channels: usize,
}

impl Pixels<'_> {
    /// Scales to `side x side x colours` values from 0 to 1, colours of a pixel beside each other: averages areas when
    /// shrinking, interpolates between pixel centres when growing. A grey picture is repeated in each colour; a colour picture
    /// becomes brightness if one colour is asked.
    #[must_use]
    pub fn square(&self, side: usize, colours: usize) -> Vec<f32> {
        self.scaled(side, side, colours)
    }

    /// As [`Pixels::square`], to `height x width x colours` values.
    #[must_use]
    pub fn scaled(&self, width: usize, height: usize, colours: usize) -> Vec<f32> {
        let (across, down) = (taps(self.width, width), taps(self.height, height));
        // rows first
        let length = width * colours;
        let mut wide = vec![0f32; self.height * length];
        let mut light = vec![0f32; self.width * colours];
        for (y, row) in wide.chunks_exact_mut(length.max(1)).enumerate() {
            for (i, v) in light.iter_mut().enumerate() {
                *v = self.value(i / colours, y, i % colours, colours);
            }
            for (taps, pixel) in across.iter().zip(row.chunks_exact_mut(colours)) {
                for &(x, w) in taps {
                    pixel.iter_mut().zip(&light[x * colours..]).for_each(|(v, l)| *v += w * l);
                }
            }
        }
        let mut out = vec![0f32; height * length];
        for (taps, row) in down.iter().zip(out.chunks_exact_mut(length.max(1))) {
            for &(y, w) in taps {
                row.iter_mut().zip(&wide[y * length..][..length]).for_each(|(v, l)| *v += w * l);
            }
        }
        out
    }

    /// Light of a pixel, 0 to 1.
    fn value(&self, x: usize, y: usize, colour: usize, colours: usize) -> f32 {
        let start = (y * self.width + x) * self.channels;
        let at = |c: usize| f32::from(self.bytes.get(start + c).copied().unwrap_or(0)) / 255.0;
        match (self.channels >= 3, colours) {
            (true, 1) => BRIGHTNESS.iter().enumerate().map(|(c, w)| w * at(c)).sum(),
            (true, _) => at(colour),
            (false, _) => at(0),
        }
    }
}

/// The way back of [`Pixels::square`]: from the gradient of `side x side x colours` values to that of the
/// `height x width x colours` values they were scaled from (the transpose of the scaling).
#[must_use]
pub fn square_gradient(d: &[f32], side: usize, colours: usize, width: usize, height: usize) -> Vec<f32> {
    let mut out = vec![0f32; height * width * colours];
    if d.len() != side * side * colours {
        return out;
    }
    let (across, down) = (taps(width, side), taps(height, side));
    for (i, d) in d.iter().enumerate() {
        let (x, y, c) = (i / colours % side, i / colours / side, i % colours);
        for &(from_y, wy) in &down[y] {
            for &(from_x, wx) in &across[x] {
                out[(from_y * width + from_x) * colours + c] += wy * wx * d;
            }
        }
    }
    out
}

/// For each of `to` target pixels along one axis, the source pixels of `from` and their weights, which sum to one. Empty
/// where there is no source.
#[must_use]
pub fn taps(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_is_the_same_picture() {
        let bytes: Vec<u8> = (0..48).collect();
        let picture = Pixels { bytes: &bytes, width: 4, height: 4, channels: 3 };
        let want: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
        assert_eq!(picture.square(4, 3), want);
    }

    #[test]
    fn shrinking_averages_and_grey_and_colour_meet() {
        let plain = Pixels { bytes: &[51; 50 * 7 * 2], width: 50, height: 7, channels: 2 };
        assert!(plain.square(8, 3).iter().all(|v| (v - 0.2).abs() < 1e-5));
        let red = Pixels { bytes: &[255, 0, 0], width: 1, height: 1, channels: 3 };
        assert!(red.square(2, 1).iter().all(|v| (v - 0.299).abs() < 1e-6));
        let empty = Pixels { bytes: &[], width: 0, height: 9, channels: 1 };
        assert_eq!(empty.square(4, 1), [0.0; 16]);
    }

    #[test]
    fn the_way_back_is_the_transpose() {
        // <scale(x), d> = <x, back(d)> for any x and d
        for (width, height, side) in [(9, 5, 4), (3, 8, 8), (4, 4, 4), (1, 2, 4)] {
            let bytes: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
            let d: Vec<f32> = (0..side * side * 3).map(|i| (i * 13 % 17) as f32 - 8.0).collect();
            let scaled = Pixels { bytes: &bytes, width, height, channels: 3 }.square(side, 3);
            let back = square_gradient(&d, side, 3, width, height);
            let one: f64 = scaled.iter().zip(&d).map(|(a, b)| f64::from(a * b)).sum();
            let other: f64 =
                bytes.iter().zip(&back).map(|(a, b)| f64::from(*a) / 255.0 * f64::from(*b)).sum();
            assert!(
                (one - other).abs() < 1e-3 * one.abs().max(1.0),
                "{width} {height} {side}: {one} {other}"
            );
        }
        assert_eq!(square_gradient(&[1.0], 4, 1, 2, 2), [0.0; 4]);
    }
}
