//! Products of matrices that lie in larger slices, rows overlapping or not.

use gemm::{Parallelism, gemm};

/// A matrix inside a slice: element `(r, c)` is at `r * down + c * across`. Rows may overlap: that is what makes the
/// windows of a convolution a matrix without copying them.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    pub down: usize,
    pub across: usize,
}

impl<'a> Span<'a> {
    /// Row-major, rows one after another.
    pub fn rows(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, down: cols, across: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn turned(self) -> Self {
        Self { rows: self.cols, cols: self.rows, down: self.across, across: self.down, ..self }
    }

    /// Whether every element lies in the slice.
    fn fits(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.down + (self.cols - 1) * self.across < self.data.len()
    }
}

/// `out = a b`, or `out += a b` if `add`; `out` is row-major of `a.rows` x `b.cols`, on this thread.
/// Does nothing unless the shapes fit.
pub(super) fn product(a: Span, b: Span, out: &mut [f32], add: bool) {
    let fits = a.fits() && b.fits() && a.cols == b.rows && out.len() >= a.rows * b.cols;
    if !fits || a.rows == 0 || b.cols == 0 {
        return;
    }
    // SAFETY: `fits` says that every element which the strides reach lies in its slice and that `out` holds
    // `a.rows * b.cols` elements, written row-major; it is borrowed mutably, so nothing else refers to it.
    unsafe {
        gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            b.cols as isize,
            add,
            a.data.as_ptr(),
            a.across as isize,
            a.down as isize,
            b.data.as_ptr(),
            b.across as isize,
            b.down as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
