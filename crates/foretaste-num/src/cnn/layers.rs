//! A convolution of 3 x 3 that keeps the size, and halving by the largest of 2 x 2 after a ReLU.
//!
//! Pictures are row by row, channels of a pixel beside each other. A *padded* picture has a border of one pixel of zeros.
//! A *grid* is what a convolution leaves: as many rows as the picture, rows two pixels longer, of which the last two
//! are of no meaning. With that, the windows of one kernel row are a matrix whose rows overlap in the padded picture:
//! each convolution is three matrix products and no window is ever copied.

use crate::span::{Span, product};

/// Code of a pooled value that the ReLU cut off: nothing flows back through it.
const CUT: u8 = 4;

/// A convolution from `from` to `to` channels on pictures of `side` x `side`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub side: usize,
    pub from: usize,
    pub to: usize,
}

impl Conv {
    fn wide(&self) -> usize {
        self.side + 2
    }

    /// Values of a padded picture of `channels`.
    pub fn padded(&self, channels: usize) -> usize {
        self.wide() * self.wide() * channels
    }

    /// Values of a grid of `channels`.
    pub fn grid(&self, channels: usize) -> usize {
        self.side * self.wide() * channels
    }

    /// Number of weights: kernel row, kernel column, channel from, channel to.
    pub fn weights(&self) -> usize {
        9 * self.from * self.to
    }

    /// Positions of a grid, without the last two, whose windows would reach over the end.
    fn positions(&self) -> usize {
        self.side * self.wide() - 2
    }

    /// Row `row` of all windows of a padded picture: positions x (3 `channels`).
    fn windows<'a>(&self, padded: &'a [f32], channels: usize, row: usize) -> Span<'a, f32> {
        let data = &padded[row * self.wide() * channels..];
        Span { data, rows: self.positions(), cols: 3 * channels, down: channels, across: 1 }
    }

    /// Padded picture to grid, without the bias.
    pub fn forward(&self, padded: &[f32], weights: &[f32], grid: &mut [f32]) {
        correlate(self, padded, self.from, weights, self.to, grid);
    }

    /// Adds the gradient of the weights, from the padded input and the padded gradient of the output.
    pub fn weight_gradient(&self, padded: &[f32], d_out: &[f32], d_weights: &mut [f32]) {
        // position p of the grid is pixel p + wide + 1 of the padded picture; what has no meaning meets zeros
        let d_out = Span::rows(&d_out[(self.wide() + 1) * self.to..], self.positions(), self.to);
        for (row, d) in d_weights.chunks_exact_mut(3 * self.from * self.to).enumerate() {
            product(self.windows(padded, self.from, row).turned(), d_out, d, true);
        }
    }

    /// Padded gradient of the output to the gradient of the input, a grid; `turned` from [`Conv::turned`].
    pub fn input_gradient(&self, d_out: &[f32], turned: &[f32], d_grid: &mut [f32]) {
        correlate(self, d_out, self.to, turned, self.from, d_grid);
    }

    /// The kernel turned by half and read from output to input.
    pub fn turned(&self, weights: &[f32]) -> Vec<f32> {
        let block = self.from * self.to;
        let mut out = Vec::with_capacity(9 * block);
        for kernel in weights.chunks_exact(block.max(1)).rev() {
            for t in 0..self.to {
                out.extend((0..self.from).map(|f| kernel[f * self.to + t]));
            }
        }
        out
    }
}

fn correlate(conv: &Conv, padded: &[f32], from: usize, weights: &[f32], to: usize, grid: &mut [f32]) {
    for (row, w) in weights.chunks_exact(3 * from * to).enumerate() {
        product(conv.windows(padded, from, row), Span::rows(w, 3 * from, to), grid, row > 0);
    }
}

/// Where pooled pixels lie: pixel `(x, y)` at `start + y * stride + x`.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub start: usize,
    pub stride: usize,
}

impl Place {
    /// One after another.
    pub fn flat(side: usize) -> Self {
        Self { start: 0, stride: side }
    }

    /// Inside a border of one.
    pub fn padded(side: usize) -> Self {
        Self { start: side + 3, stride: side + 2 }
    }

    /// On a grid.
    pub fn grid(side: usize) -> Self {
        Self { start: 0, stride: side + 2 }
    }
}

/// Adds the bias, cuts at zero and keeps the largest of each 2 x 2 of a grid of `side`; `codes` tell which it was.
pub(super) fn pool(grid: &[f32], side: usize, bias: &[f32], out: &mut [f32], place: Place, codes: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for
        return unsafe { pool_avx2(grid, side, bias, out, place, codes) };
    }
    pool_any(grid, side, bias, out, place, codes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pool_avx2(grid: &[f32], side: usize, bias: &[f32], out: &mut [f32], place: Place, codes: &mut [u8]) {
    pool_any(grid, side, bias, out, place, codes);
}

#[inline(always)]
fn pool_any(grid: &[f32], side: usize, bias: &[f32], out: &mut [f32], place: Place, codes: &mut [u8]) {
    let (c, half) = (bias.len(), side / 2);
    for (y, codes) in codes.chunks_exact_mut(half * c).enumerate() {
        let (upper, lower) = grid[2 * y * (side + 2) * c..].split_at((side + 2) * c);
        let out = &mut out[(place.start + y * place.stride) * c..][..half * c];
        let pixels = out.chunks_exact_mut(c).zip(codes.chunks_exact_mut(c));
        for (((out, codes), upper), lower) in
            pixels.zip(upper.chunks_exact(2 * c)).zip(lower.chunks_exact(2 * c))
        {
            // lengths that the compiler sees
            let (a, b, d, e) = (&upper[..c], &upper[c..][..c], &lower[..c], &lower[c..][..c]);
            let (out, codes) = (&mut out[..c], &mut codes[..c]);
            for i in 0..c {
                let (right, low) = (b[i] > a[i], e[i] > d[i]);
                let (above, below) = (if right { b[i] } else { a[i] }, if low { e[i] } else { d[i] });
                let code = if below > above { 2 + u8::from(low) } else { u8::from(right) };
                let value = (if below > above { below } else { above }) + bias[i];
                codes[i] = if value > 0.0 { code } else { CUT };
                out[i] = if value > 0.0 { value } else { 0.0 };
            }
        }
    }
}

/// The gradient of pooled values back to the padded gradient of the convolution's output; adds that of the bias.
pub(super) fn unpool(
    d_pooled: &[f32],
    place: Place,
    codes: &[u8],
    side: usize,
    d_out: &mut [f32],
    d_bias: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for
        return unsafe { unpool_avx2(d_pooled, place, codes, side, d_out, d_bias) };
    }
    unpool_any(d_pooled, place, codes, side, d_out, d_bias);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn unpool_avx2(
    d_pooled: &[f32],
    place: Place,
    codes: &[u8],
    side: usize,
    d_out: &mut [f32],
    d_bias: &mut [f32],
) {
    unpool_any(d_pooled, place, codes, side, d_out, d_bias);
}

#[inline(always)]
fn unpool_any(
    d_pooled: &[f32],
    place: Place,
    codes: &[u8],
    side: usize,
    d_out: &mut [f32],
    d_bias: &mut [f32],
) {
    let (c, half) = (d_bias.len(), side / 2);
    for (y, codes) in codes.chunks_exact(half * c).enumerate() {
        let d_pooled = &d_pooled[(place.start + y * place.stride) * c..][..half * c];
        let rows = &mut d_out[((2 * y + 1) * (side + 2) + 1) * c..];
        let (upper, lower) = rows.split_at_mut((side + 2) * c);
        let pixels = d_pooled.chunks_exact(c).zip(codes.chunks_exact(c));
        for (((g, codes), upper), lower) in
            pixels.zip(upper.chunks_exact_mut(2 * c)).zip(lower.chunks_exact_mut(2 * c))
        {
            let ((a, b), (d, e)) = (upper.split_at_mut(c), lower.split_at_mut(c));
            // lengths that the compiler sees
            let (a, b, d, e) = (&mut a[..c], &mut b[..c], &mut d[..c], &mut e[..c]);
            let (g, codes) = (&g[..c], &codes[..c]);
            for i in 0..c {
                let code = u32::from(codes[i]);
                // masks, not branches: these loops are a fifth of a step otherwise
                let keep = |yes: bool| f32::from_bits(g[i].to_bits() & u32::from(yes).wrapping_neg());
                a[i] = keep(code == 0);
                b[i] = keep(code == 1);
                d[i] = keep(code == 2);
                e[i] = keep(code == 3);
                d_bias[i] += keep(code < u32::from(CUT));
            }
        }
    }
}
